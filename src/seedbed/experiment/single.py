"""`train`: one candidate, one split, one seed or many: the tutorial's own run."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from seedbed.arguments import spelled
from seedbed.data import Preprocessor, Split, Table, holdout, read_table, target_design, time_holdout
from seedbed.errors import OptionError
from seedbed.evaluation import METRICS, lottery
from seedbed.experiment.spec import LOSSES, hashed, table_specification
from seedbed.experiment.summary import json_text, runs_of, table_of
from seedbed.experiment.watch import Task, Watch
from seedbed.figures import save_pictures
from seedbed.files import write_whole
from seedbed.networks import MLP, Candidate, candidate_from
from seedbed.report import SCHEMA_VERSION, counted, notebook_fragment, write_report
from seedbed.settings import Engine, Recipe, settings_of
from seedbed.training import Board, Chunk, History, told_of, train_many, versions

if TYPE_CHECKING:
    from altair import ConcatChart

__all__ = ["finished_curves", "train"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """One candidate trained on one split.

    Attributes:
        table: features and target.
        candidate: what was trained.
        history: curves and networks, one for each seed.
        split: its rows.
        n_inputs: what a network sees of a row.
        random_state: what decided the split.
        command: what a user says to have it again; empty where that isn't known.
        seconds: how long it took.
    """

    table: Table
    candidate: Candidate
    history: History
    split: Split
    n_inputs: int
    random_state: int
    command: str
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Everything but the networks as one plain dict, fit for JSON: what pictures and pages are drawn from, and
        nothing else. docs/summary.md explains its keys."""
        history, name = self.history, self.candidate.name
        split = {
            "n_train": len(self.split.train),
            "n_test": len(self.split.test),
            "by_time": self.table.times is not None,
        }
        recipe = history.recipe
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": "training",
            "command": self.command,
            **table_of(self.table),
            "split": split,
            "seeds": list(history.seeds),
            "candidates": [
                {
                    "name": name,
                    "kind": "network",
                    "description": recipe.describe(),
                    "n_parameters": history.n_parameters,
                    "n_networks": len(history),
                    "n_diverged": int(history.diverged.sum()),
                    "epochs": recipe.epochs,
                    "note": history.note,
                }
            ],
            "lottery": {"score": self._lottery(), "difference": None},
            "curves": history.curves(title=self._title, name=name),
            "notes": [note.as_dict() for note in self.table.notes],
            "specification": {
                "table": table_specification(self.table, self.n_inputs),
                "candidate": {"name": name, "architecture": spelled(self.candidate.architecture),
                              **dataclasses.asdict(recipe)},
                "split": split | {"sha256": hashed(self.split.train, self.split.test)},
                "random_state": self.random_state,
                "versions": versions(),
            },
            "seconds": round(self.seconds, 2),
        }  # fmt: skip

    @property
    def _title(self) -> str:
        return f"{self.candidate.name} on {self.table.target_name} of {self.table.name}"

    def _lottery(self) -> dict[str, Any]:
        """The score of each network on the test rows after the last epoch; those that diverged are left out."""
        history = self.history
        classes = self.table.task != "regression"
        step = 1 / len(self.split.test) if classes else 0.0
        found = lottery({self.candidate.name: history.test_score[-1, ~history.diverged]}, step=step)
        name = "accuracy" if classes else "r2"
        return {"name": name, "words": METRICS[name].words, **runs_of(found)}

    def __repr__(self) -> str:
        return f"<Run of {self.candidate.name} on {self.table.name}: {counted(len(self.history), 'network')}>"

    def _repr_html_(self) -> str:
        return notebook_fragment(self.summary())

    def plot(self, path: str | Path | None = None) -> ConcatChart:
        """Train and test curves per epoch (an Altair chart), saved to a `path` that ends in `.png`, `.svg`, `.pdf`,
        `.html` or `.json`."""
        return self.history.plot(path, title=self._title)

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the report, one self-contained HTML page; return its path."""
        return write_report(self.summary(), path)

    def save(self, folder: str | Path, *, pictures: str | None = None) -> list[Path]:
        """Write into a folder, and return the paths: `training.json` (the summary), `report.html`, `curves.png`,
        or all pictures in a format of `png`, `svg` or `pdf`, and `history.csv` (a row for each seed and epoch)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        summary = self.summary()
        document, rows, text = folder / "training.json", folder / "history.csv", json_text(summary)
        page = write_report(summary, folder / "report.html")
        drawn = save_pictures(summary, folder, pictures)
        write_whole(rows, lambda path: _write_history(self.history, path))
        # The last file: with it the run counts as finished.
        write_whole(document, lambda path: path.write_text(text))
        return [document, page, *drawn, rows]


def train(
    table: Any,
    *,
    target: str | None = None,
    drop: Sequence[str] = (),
    candidate: Any = "relu:5",
    seeds: Sequence[int] = (42,),
    test_size: float = 0.2,
    random_state: int = 0,
    recipe: Recipe | None = None,
    engine: Engine = "auto",
    device: str = "auto",
    jobs: int | None = None,
    cluster: str | None = None,
    command: str = "",
    watch: Watch | None = None,
) -> Run:
    """Train a candidate on one split, with one seed or many.

    The split is scikit-learn's `train_test_split(rows, test_size=..., random_state=..., stratify=target)`. Features are
    standardised by the training rows' mean and population deviation, as float32. A network is built under
    `torch.manual_seed(seed)`. So plain PyTorch gives the same figures.

    Args:
        watch: is told how far it is, where there are many seeds.

    Raises:
        SeedbedError: the table, the candidate or an option can't be used.
    """
    started = time.perf_counter()
    rows = table if isinstance(table, Table) else read_table(table, target=target, drop=drop)
    found = candidate_from(candidate)
    own = found.recipe(recipe or Recipe())
    if own.lr is None or own.epoch != "last":
        raise OptionError("a single split has no inner splits to choose by", "Give --lr, and leave epoch=inner out.")
    if own.patience is not None:
        raise OptionError("patience is of an epoch that inner splits choose", "Leave it out, or add -o for a model.")
    if own.horizon is not None:
        raise OptionError("horizon is of a model whose epochs were chosen", "Leave it out.")
    split = _split(rows, test_size=test_size, random_state=random_state)
    X = Preprocessor.fit(rows, split.train).transform_table(rows)
    y = _learnt(rows, split)
    history = train_many(
        functools.partial(told_of(found, rows).architecture, X.shape[1], rows.n_outputs),
        X[split.train],
        y[split.train],
        X[split.test],
        y[split.test],
        seeds=seeds,
        **{name: getattr(own, name) for name, about in settings_of(Recipe).items() if not about.choosing}
        | {"loss": LOSSES[rows.task]},
        engine=engine,
        device=device,
        jobs=jobs,
        cluster=cluster,
        watch=functools.partial(_begin, watch, found.name) if watch else None,
    )
    seconds = time.perf_counter() - started
    return Run(table=rows, candidate=found, history=history, split=split, n_inputs=X.shape[1],
               random_state=random_state, command=command, seconds=seconds)  # fmt: skip


def finished_curves(folder: Path, table: Table, candidate: Candidate, command: str) -> tuple[NDArray[Any], str] | None:
    """Return the curves [4, epoch, network] that a run of this very command has left in a folder, in the order of
    `evaluation.CURVES`, and the name of its score; None where there is none, or the table, the versions or the code
    differ.

    Args:
        table: read by the command now.
        candidate: what the command trains; a module of the user's own may have been edited, so it is trained again.
        command: as the summary of a run has it.
    """
    if not isinstance(candidate.architecture, MLP):
        return None
    with contextlib.suppress(Exception):  # whatever is wrong with the files, the run is trained again
        summary = json.loads((folder / "training.json").read_text())
        then, now = summary["specification"], table_specification(table, summary["specification"]["table"]["n_inputs"])
        said = [text.replace(" --overwrite", "") for text in (summary["command"], command)]
        if said[0] != said[1] or then["versions"] != versions() or then["table"] != json.loads(json.dumps(now)):
            return None
        with duckdb.connect() as connection:
            found = connection.read_csv(str(folder / "history.csv")).fetchnumpy()
        seeds, score = len(summary["seeds"]), summary["curves"]["score_name"]
        names = [name for name in found if name not in ("seed", "epoch")]
        return np.stack([found[name].astype(np.float32).reshape(seeds, -1).T for name in names]), score
    return None


def _begin(watch: Watch, name: str, chunks: Sequence[Chunk]) -> Board:
    return watch.begin([Task({name: n}, chunk.recipe.epochs, n) for chunk in chunks for n in [len(chunk.members)]])


def _split(table: Table, *, test_size: float, random_state: int) -> Split:
    if table.times is not None:
        return time_holdout(table.times, test_size=test_size, groups=table.groups)
    return holdout(table.target, test_size=test_size, random_state=random_state, groups=table.groups)


def _learnt(table: Table, split: Split) -> NDArray[Any]:
    """The target as networks learn it [row]: class codes, or numbers standardised by the training rows."""
    if table.task != "regression":
        return table.target
    design = target_design(table.target, [split])
    learnt: NDArray[np.float32] = (design.scale[0] * design.values + design.shift[0]).astype(np.float32)
    return learnt


def _write_history(history: History, path: Path) -> None:
    n_epochs, n_networks = history.train_loss.shape
    score = history.score_name.lower()
    columns = {
        "seed": np.repeat(np.asarray(history.seeds), n_epochs),
        "epoch": np.tile(np.arange(n_epochs), n_networks),
        "train_loss": history.train_loss.T.ravel(),
        f"train_{score}": history.train_score.T.ravel(),
        "test_loss": history.test_loss.T.ravel(),
        f"test_{score}": history.test_score.T.ravel(),
    }
    with duckdb.connect() as connection:
        connection.register("history", columns)
        connection.table("history").write_csv(str(path))
