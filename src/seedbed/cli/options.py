"""The options that verbs share, in groups as `--help` shows them."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from cyclopts import Group, Parameter

from seedbed.errors import OptionError
from seedbed.settings.design import Compute, Design
from seedbed.settings.fields import Settings, kinds_of, parsed, settings_of
from seedbed.settings.recipe import RECIPES, Recipe, recipe_named

T = TypeVar("T")

_TABLE = Group.create_ordered("Table")
_JUDGING = Group.create_ordered("Judging")
_DESIGN = Group.create_ordered("Design")
_RECIPE = Group.create_ordered("Recipe")
_MODEL = Group.create_ordered("Model, with -o")
_SPLIT = Group.create_ordered("One split, without -o")
_RUN = Group.create_ordered("Run")

_GROUPS = {"Judging": _JUDGING}

_REPEATED = Parameter(negative=(), show_default=False)

TableArgument = Annotated[
    str,
    Parameter(
        help="A CSV, TSV, Excel, Parquet, JSON or SQLite file, gzip of one, a postgresql:// URL, or example:NAME."
    ),
]


AsJson = Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.", negative=())]
By = Annotated[
    str | None, Parameter(help="Also judge within the subgroups of this column, and whether gains differ between them.")
]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], help="Nothing but errors.", negative=())]


def _options_of(kind: type[Settings], *, unset: bool = False, **types: Any) -> Callable[[type[T]], type[T]]:
    """Return a decorator that adds a field for each setting to a class of options.

    Args:
        kind: the class of the settings.
        unset: whether all defaults are None, instead of those of the settings.
        types: types of options that differ from the type of their setting.
    """

    def decorate(cls: type[T]) -> type[T]:
        annotations: dict[str, Any] = {}
        for field in dataclasses.fields(kind):
            about, kinds = settings_of(kind)[field.name], kinds_of(kind, field.name)
            if not about.option:
                continue
            help = about.help if not about.none else f"{about.help} A number, or {about.none}."
            usual = {getattr(recipe, field.name) for recipe in RECIPES.values()} if unset else set()
            if len(usual) == 1 and not usual <= {None, False}:
                help += f" [default: {usual.pop()}]"
            words: Any = Literal[about.choices] if about.choices else str if about.none else kinds[0]
            shown = Parameter(help=help, negative=() if field.default is False else None)
            if about.group:
                shown = Parameter.combine(shown, Parameter(group=_GROUPS[about.group]))
            annotations[field.name] = Annotated[types.get(field.name, words) | None, shown]
            setattr(cls, field.name, None if unset else field.default)
        cls.__annotations__ = cls.__annotations__ | annotations if unset else annotations | cls.__annotations__
        return cls

    return decorate


def _settings_among(options: Any, kind: type[Settings], **parts: Any) -> dict[str, Any]:
    """Return the given settings, which aren't None, among options; `parts` are values that have been parsed.

    Raises:
        OptionError: a word is neither a value nor the word for none.
    """
    settings = {}
    for name, about in settings_of(kind).items():
        value = parts[name] if name in parts else getattr(options, name) if about.option else None
        if about.none and isinstance(value, str):
            try:
                value = parsed(kind, name, value)
            except ValueError:
                number = "a whole number" if int in kinds_of(kind, name) else "a number"
                message = f"{name.replace('_', ' ')} is '{value}'"
                raise OptionError(message, f"Give {number}, or {about.none}.") from None
        if value is not None:
            settings[name] = value
    return settings


@Parameter(name="*", group=_TABLE)
@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The place of a table in its source, and how much of it is read."""

    sql_table: Annotated[str | None, Parameter(name="--table")] = None
    "Which table of an SQLite file, or which sheet of an Excel file."
    query: str | None = None
    "A query for a database, in SQL."
    skip_rows: int | None = None
    "Rows above the header of a text or Excel file; usually found automatically."
    limit: str | None = None
    "The largest size of a table and the longest query: 50GB, 30min or 50GB,30min; 4 GB and 10 minutes if left out."

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of `read_table`."""
        settings = dataclasses.asdict(self)
        return {"table": settings.pop("sql_table"), **settings}


@Parameter(name="*", group=_TABLE)
@dataclass(frozen=True, kw_only=True)
class TableOptions(SourceOptions):
    """The target and the columns."""

    target: str | None = None
    "The column to predict; an example has its own."
    task: Literal["binary", "multiclass", "regression"] | None = None
    "Whether to predict one of two labels, one of several, or a number; by the cells of the target if left out."
    positive: str | None = None
    "Which of two labels is the positive one; by default yes, 1 and the like, else the clearly rarer, else the larger."
    drop: Annotated[tuple[str, ...], _REPEATED] = ()
    "A column to leave out; may be repeated, as the next two."
    numeric: Annotated[tuple[str, ...], _REPEATED] = ()
    "A column to read as numbers."
    categorical: Annotated[tuple[str, ...], _REPEATED] = ()
    "A column to read as categories."
    group: str | None = None
    "Keep rows with the same value of this column together, for instance all rows of a patient."
    time_split: str | None = None
    "Train on the past and test on the latest rows by this column."

    def command(self, verb: str, table: str) -> str:
        """Return the command of a verb that reads a table with these options."""
        words = ["seedbed", verb, table]
        for field in dataclasses.fields(self):
            option = "--" + {"sql_table": "table"}.get(field.name, field.name).replace("_", "-")
            value = getattr(self, field.name)
            for one in value if isinstance(value, tuple) else (value,):
                words += [] if one is None else [option, str(one)]
        return shlex.join(words)


@Parameter(name="*", group=_RECIPE)
@dataclass(frozen=True, kw_only=True)
@_options_of(Recipe, unset=True, lr=str)
class RecipeOptions:
    """How networks are trained; settings of a candidate (relu:5@lr=0.1) take precedence."""

    recipe: Literal["default", "tutorial"] | None = None
    "default: AdamW, stopped by rows left out; tutorial: plain SGD over all rows for 1,000 epochs."

    def lrs(self) -> tuple[float, ...]:
        """Return the given learning rates: none, one or several."""
        lr = getattr(self, "lr")  # noqa: B009 - a field that mypy can't see
        try:
            return tuple(float(part) for part in lr.split(",")) if lr is not None else ()
        except ValueError:
            raise OptionError(f"lr is '{lr}'", "Give a number, or several: 0.001,0.01,0.1.") from None

    def settings(self) -> dict[str, Any]:
        """Return the given settings of the recipe, with the learning rate if there is one."""
        lrs = self.lrs()
        return _settings_among(self, Recipe, lr=lrs[0] if len(lrs) == 1 else None)

    def named(self, otherwise: str) -> Recipe:
        """Return the recipe of `--recipe`, or else `otherwise`, with the given settings."""
        return recipe_named(self.recipe or otherwise, **self.settings())


@Parameter(name="*", group=_DESIGN)
@dataclass(frozen=True, kw_only=True)
@_options_of(Design)
class DesignOptions:
    """Splits and baselines; the number of rows decides what is left out."""

    baseline: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, group=_JUDGING)] = ()
    "A scikit-learn model beside the candidates, sklearn.naive_bayes.GaussianNB or NAME=that; may be repeated."
    baselines: Annotated[bool, Parameter(group=_JUDGING)] = True
    "Compare named candidates with prior, logistic (linear for numbers) and boosted-trees."
    fail_if_worse: Annotated[str | None, Parameter(group=_JUDGING)] = None
    "Exit with status 1 if this candidate is worse than the reference, or than the recommended model."

    def design(self) -> Design:
        """Return the design."""
        design = Design(**_settings_among(self, Design))
        if self.baselines and not self.baseline:
            return design
        named = (*(("standard",) if self.baselines else ()), *self.baseline)
        return dataclasses.replace(design, baselines=named)


@Parameter(name="*", group=_MODEL)
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The model that train writes."""

    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None
    "The model's file, NAME.safetensors; it is trained on all rows."
    n_networks: int | None = None
    "Number of networks of the model, each with its own seed; 8, 4 from 12,000 rows on, or as compared, if left out."
    threshold: float | None = None
    "The probability above which the positive one of two labels is predicted; 0.5 if left out."

    def refuse(self) -> None:
        """Raise OptionError if an option of a model is given without -o."""
        for name in ("n_networks", "threshold"):
            if getattr(self, name) is not None:
                raise OptionError(
                    f"--{name.replace('_', '-')} is for a model", "Add -o model.safetensors to write one."
                )


@Parameter(name="*", group=_SPLIT)
@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Training on one split."""

    seed: int | None = None
    "The seed, or the first of --seeds; 42."
    seeds: int | None = None
    "Number of networks, each with its own seed; 1 if left out."
    test_size: float | None = None
    "Share of test rows; 0.2 if left out."
    every: int | None = None
    "Print one line per this number of epochs; 100 if left out."
    overwrite: Annotated[bool | None, Parameter(negative=())] = None
    "Train a finished run again."

    def refuse(self) -> None:
        """Raise OptionError if an option of one split is given."""
        for name, value in dataclasses.asdict(self).items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise OptionError(f"{option} is for one split, and a model is trained on all rows", "Leave it out.")

    def seeds_and_interval(self) -> tuple[int, int, int]:
        """Return the first seed, the number of seeds, and how often an epoch is printed. Raises OptionError."""
        seeds, every = (default if value is None else value for value, default in ((self.seeds, 1), (self.every, 100)))
        for name, value in (("every", every), ("seeds", seeds)):
            if value < 1:
                raise OptionError(f"{name} is {value}", "It must be at least 1.")
        return 42 if self.seed is None else self.seed, seeds, every

    def share(self) -> float:
        """Return the share of test rows."""
        return 0.2 if self.test_size is None else self.test_size


@Parameter(name="*", group=_RUN)
@dataclass(frozen=True, kw_only=True)
@_options_of(Compute)
class RunOptions:
    """Where the verb runs, and what it writes."""

    out: Path | None = None
    "Folder for the files; seedbed-out/VERB-TABLE if left out."
    format: Literal["png", "svg", "pdf"] | None = None
    "Also write all charts as pictures in this format."
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False
    "Print no plan and no progress."

    def compute(self) -> Compute:
        """Return what trains, and where."""
        return Compute(**_settings_among(self, Compute))

    def refuse_files(self, why: str) -> None:
        """Raise OptionError if a folder or a format of pictures is given."""
        for name, given in (("out", self.out is not None), ("format", self.format is not None)):
            if given:
                raise OptionError(f"--{name} is for a run that writes a folder, and {why}", "Leave it out.")

    def folder(self, verb: str, table: str) -> Path:
        """Return the folder for the files. Raises OptionError if its path is a file."""
        folder = self.out or Path("seedbed-out") / f"{verb}-{table}"
        for place in (folder, *folder.parents):
            if place.exists() and not place.is_dir():
                raise OptionError(f"can't write to {folder}: {place} is a file", "Name another folder with --out.")
        return folder


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """The options of a comparison, except its table."""

    candidate: Annotated[tuple[str, ...], _REPEATED] = ()
    "A candidate; may be repeated. If left out, the default models and auto, which blends them."
    by: By = None
    effects: Annotated[bool, Parameter(negative=())] = False
    "Also fit the advised network to all rows, and show what its predictions depend on."
    details: Annotated[bool, Parameter(negative=())] = False
    "Print every verdict with its numbers, and how models were trained."
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False
    "One JSON document on stdout."
    columns: TableOptions = TableOptions()
    design: DesignOptions = DesignOptions()
    recipe: RecipeOptions = RecipeOptions()
    run: RunOptions = RunOptions()


def given_options(options: Any) -> list[str]:
    """Return the names of those options that differ from their defaults: `--target`."""
    names: list[str] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if dataclasses.is_dataclass(value):
            names += given_options(value)
        elif value != field.default:
            names.append(f"--{field.name.replace('_', '-')}")
    return names
