"""The options that verbs share, in groups as `--help` shows them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from seedbed.errors import OptionError

if TYPE_CHECKING:
    from seedbed.networks import Recipe

__all__ = [
    "DesignOptions",
    "JudgingOptions",
    "ModelOptions",
    "RecipeOptions",
    "RunOptions",
    "SourceOptions",
    "SplitOptions",
    "TableArgument",
    "TableOptions",
]

_TABLE = Group.create_ordered("Table")
_JUDGING = Group.create_ordered("Judging")
_DESIGN = Group.create_ordered("Design")
_RECIPE = Group.create_ordered("Recipe")
_MODEL = Group.create_ordered("Model, with -o")
_SPLIT = Group.create_ordered("One split, without -o")
_RUN = Group.create_ordered("Run")

_REPEATED = Parameter(negative=(), show_default=False)

TableArgument = Annotated[
    str,
    Parameter(
        help="A CSV, TSV, Excel, Parquet, JSON or SQLite file, gzip of one, a postgresql:// URL, or example:NAME."
    ),
]


@Parameter(name="*", group=_TABLE)
@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Where a table is in its source, and how much of it is read."""

    sql_table: Annotated[str | None, Parameter(name="--table")] = None
    "Which table of a database, or which sheet of an Excel file."
    query: str | None = None
    "What to ask a database for, in SQL."
    skip_rows: int | None = None
    "Rows above the header of a text or an Excel file; found by themselves if left out, as a rule."
    limit: str | None = None
    "How large the table may be and how long a query may run: 50GB, 30min or 50GB,30min; 4 GB and 10 minutes."

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `read_table`."""
        given = dataclasses.asdict(self)
        return {"table": given.pop("sql_table"), **given}


@Parameter(name="*", group=_TABLE)
@dataclass(frozen=True, kw_only=True)
class TableOptions(SourceOptions):
    """What is predicted from what."""

    target: str | None = None
    "The column to predict; an example has its own."
    task: Literal["binary", "multiclass", "regression"] | None = None
    "What to predict: one of two labels, of several, or a number; by the target's cells if left out."
    positive: str | None = None
    "Which of two labels is the positive one; the larger if left out."
    drop: Annotated[tuple[str, ...], _REPEATED] = ()
    "A column to leave out; may be repeated, as the next two."
    numeric: Annotated[tuple[str, ...], _REPEATED] = ()
    "A column that is to be read as numbers."
    categorical: Annotated[tuple[str, ...], _REPEATED] = ()
    "A column that is to be read as categories."
    group: str | None = None
    "Rows that share a value of this column, a patient's say, are never both trained on and tested."
    time_split: str | None = None
    "Train on the past: the rows that are latest by this column are tested."


@Parameter(name="*", group=_RECIPE)
@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """How every network is trained; a candidate's own words (relu:5@lr=0.1) overrule it."""

    epochs: int | None = None
    "Passes over the training rows, or the most that are made; 1000."
    lr: str | None = None
    "Learning rate. compare also takes several, 0.001,0.01,0.1, and compares each candidate at each of them."
    schedule: Literal["constant", "cosine", "onecycle"] | None = None
    "How the rate changes from step to step: not, down to 0 as a cosine, or up and down in one cycle."
    warmup: float | None = None
    "Share of all steps, 0.05 say, over which the rate rises first; 0 if left out."
    optimizer: str | None = None
    "sgd, adam or adamw, as in torch.optim."
    momentum: float | None = None
    "Momentum, for sgd; 0 if left out."
    nesterov: Annotated[bool | None, Parameter(negative=())] = None
    "Nesterov's momentum, for sgd."
    weight_decay: float | None = None
    "The optimizer's own default in torch.optim if left out."
    decay_biases: bool | None = None
    "Whether biases, and scales and shifts of normalisations, decay as well; they do if left out, as in torch.optim."
    clip_norm: float | None = None
    "A network's gradient is scaled down to this norm where it is larger; it isn't if left out."
    label_smoothing: float | None = None
    "Share, 0.1 say, by which labels are moved towards all alike in what is trained on; 0 if left out."
    batch_size: str = "full"
    "Rows a step: a number, or full for the whole training set."
    patience: int | None = None
    "Epochs that choosing waits for a lower validation loss; until 1.5 times the best epoch plus 50 if left out."

    def lrs(self) -> tuple[float, ...]:
        """The learning rates that are given; none, one or several."""
        try:
            return tuple(float(part) for part in self.lr.split(",")) if self.lr is not None else ()
        except ValueError:
            raise OptionError(f"lr is '{self.lr}'", "Give a number, or several: 0.001,0.01,0.1.") from None

    def given(self) -> dict[str, Any]:
        """What is asked for, by the words of a recipe."""
        size = self.batch_size
        if size != "full" and not size.isdecimal():
            raise OptionError(f"batch size is '{size}'", "Give a whole number, or full.")
        lrs = self.lrs()
        said = {**dataclasses.asdict(self), "lr": lrs[0] if len(lrs) == 1 else None}
        said["batch_size"] = None if size == "full" else int(size)
        return {name: value for name, value in said.items() if value is not None}

    def recipe(self, name: str, epoch: str | None = None) -> Recipe:
        """What the engine calls a recipe: the named one with the options that are given."""
        from seedbed.networks import recipe_named

        return recipe_named(name, **self.given(), **({} if epoch is None else {"epoch": epoch}))


@Parameter(name="*", group=_JUDGING)
@dataclass(frozen=True, kw_only=True)
class JudgingOptions:
    """What is compared with what, and by which score."""

    reference: str | None = None
    "The candidate or baseline that the others are compared with; the first candidate if left out."
    baseline: Annotated[tuple[str, ...], _REPEATED] = ()
    "A scikit-learn model beside the candidates, sklearn.naive_bayes.GaussianNB or NAME=that; may be repeated."
    baselines: bool = True
    "Compare with three baselines: the class frequencies or the mean, a regression, and boosted trees."
    metric: Literal["brier", "log_loss", "accuracy", "squared_error", "mae"] | None = None
    "The score that verdicts are about; brier for classes, squared_error for numbers."
    margin: float | None = None
    "The difference that matters; 0.01 of accuracy, else 0.02 of what guessing costs; at most a tenth of the error."
    alpha: float = 0.05
    "How often a difference may be claimed where there is none, over all comparisons together."
    interval: Literal["corrected", "nested"] = "corrected"
    "How ranges are computed; nested trains many times more networks."
    fail_if_worse: str | None = None
    "Exit with status 1 if this candidate is worse than the reference."

    def settings(self) -> dict[str, Any]:
        """The keyword arguments of `specify`."""
        from seedbed.experiment import BASELINES

        standard = BASELINES if self.baselines else ()
        names = ("reference", "metric", "margin", "alpha", "interval")
        return {"baselines": (*standard, *self.baseline), **{name: getattr(self, name) for name in names}}


@Parameter(name="*", group=_DESIGN)
@dataclass(frozen=True, kw_only=True)
class DesignOptions:
    """How many splits and seeds; by the number of rows where left out."""

    repeats: int | None = None
    "How often the rows are dealt into folds; 10, or 3 from 2,000 rows on."
    folds: int | None = None
    "Folds a repeat, the same for all candidates; 10."
    seeds: int | None = None
    "Networks for each candidate and split; 5, or 3 from 2,000 rows on."
    quick: Annotated[bool, Parameter(negative=())] = False
    "A first look in a minute at most: few repeats and seeds, and of a large table a sample of the rows."
    time_limit: float | None = None
    "Seconds that the run may take, about: repeats are cut to what fits, then seeds, before the first fit."
    random_state: int = 0
    "All randomness is derived from it."


@Parameter(name="*", group=_MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """A model to take home."""

    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None
    "The model's file, NAME.safetensors; it is trained on all rows."
    networks: int | None = None
    "How many networks a model has, each with its own seed; 10."
    recipe: Literal["trained", "tutorial"] | None = None
    "As compare has it; trained, or tutorial for one split."
    epoch: Literal["inner", "last"] | None = None
    "Which epoch counts: inner, chosen by rows held back from training, or last, exactly --epochs; by the recipe."
    threshold: float | None = None
    "Of two labels: above which probability the positive one is predicted; 0.5."

    def refuse(self) -> None:
        """An error where something is said of a model, and none is asked for."""
        for name in ("networks", "epoch", "threshold"):
            if getattr(self, name) is not None:
                raise OptionError(f"--{name} is of a model", "Add -o model.safetensors to have one.")


@Parameter(name="*", group=_SPLIT)
@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Training on one split, which isn't for a model."""

    seed: int | None = None
    "The seed, or the first of --seeds; 42."
    seeds: int | None = None
    "How many networks, each with its own seed; 1."
    test_size: float | None = None
    "Share of test rows; 0.2."
    every: int | None = None
    "Print every so many epochs; 100."
    overwrite: Annotated[bool | None, Parameter(negative=())] = None
    "Train again what is finished."

    def refuse(self) -> None:
        """An error where something is said of a split."""
        for name, value in dataclasses.asdict(self).items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise OptionError(f"{option} is of one split, and a model is trained on all rows", "Leave it out.")

    def given(self) -> tuple[int, int, int]:
        """First seed, number of seeds, and how often an epoch is printed. Raises OptionError."""
        seeds, every = (default if value is None else value for value, default in ((self.seeds, 1), (self.every, 100)))
        for name, value in (("every", every), ("seeds", seeds)):
            if value < 1:
                raise OptionError(f"{name} is {value}", "It must be at least 1.")
        return 42 if self.seed is None else self.seed, seeds, every

    def share(self) -> float:
        """Of test rows."""
        return 0.2 if self.test_size is None else self.test_size


@Parameter(name="*", group=_RUN)
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where and how it runs."""

    jobs: int | None = None
    "How many cores train at once; all cores if left out."
    cluster: str | None = None
    "Train on a running cluster: ray or dask; with an address ray:HOST:PORT, dask:tcp://HOST:PORT."
    engine: Literal["auto", "native", "torch"] = "auto"
    "What trains: native is a kernel in C++, made for this machine at the first training; torch takes all networks."
    device: str = "auto"
    "auto, cpu or cuda."
    out: Path | None = None
    "Folder for the files; seedbed-out/VERB-TABLE if left out."
    format: Literal["png", "svg", "pdf"] | None = None
    "Write all pictures in this format; curves.png alone if left out."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False
    "No plan, no progress."

    def settings(self) -> dict[str, Any]:
        """The keyword arguments that `train_many` and `compare` share."""
        return {"jobs": self.jobs, "cluster": self.cluster, "engine": self.engine, "device": self.device}

    def refuse_files(self, why: str) -> None:
        """An error where something is said of a folder or of pictures."""
        for name, given in (("out", self.out is not None), ("format", self.format is not None)):
            if given:
                raise OptionError(f"--{name} is of a run that leaves a folder, and {why}", "Leave it out.")

    def folder(self, verb: str, table: str) -> Path:
        """Where the files go. Raises OptionError where a file is in the way."""
        folder = self.out or Path("seedbed-out") / f"{verb}-{table}"
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise OptionError(f"can't write to {folder}: {place} is a file", "Name another folder with --out.")
        return folder
