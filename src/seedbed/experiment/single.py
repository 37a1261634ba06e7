"""`train`: one candidate, one split, one seed or many: the tutorial's own run."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from seedbed.data import Preprocessor, Split, Table, holdout, read_table, target_design, time_holdout
from seedbed.errors import OptionError
from seedbed.experiment.spec import LOSSES
from seedbed.experiment.watch import Task, Watch
from seedbed.figures import save_chart
from seedbed.networks import Candidate, Recipe, candidate_from
from seedbed.training import Board, Chunk, Compile, History, train_many

__all__ = ["Run", "train"]


@dataclass(frozen=True, eq=False)
class Run:
    """One candidate trained on one split.

    Attributes:
        table: features and target.
        candidate: what was trained.
        history: curves and networks, one for each seed.
    """

    table: Table
    candidate: Candidate
    history: History

    def save(self, folder: str | Path) -> list[Path]:
        """Write `curves.png` and `history.csv` (a row for each seed and epoch) into a folder; return their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        title = f"{self.candidate.name} on {self.table.target_name} of {self.table.name}"
        chart = self.history.plot(title=title)
        picture, rows = folder / "curves.png", folder / "history.csv"
        save_chart(chart, picture)
        _write_history(self.history, rows)
        return [picture, rows]


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
    compile: Compile = "auto",
    device: str = "auto",
    jobs: int | None = None,
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
    rows = table if isinstance(table, Table) else read_table(table, target=target, drop=drop)
    found = candidate_from(candidate)
    own = found.recipe(recipe or Recipe())
    if own.lr is None or own.epoch != "last":
        raise OptionError("a single split has no inner splits to choose by", "Give --lr, and leave epoch=inner out.")
    split = _split(rows, test_size=test_size, random_state=random_state)
    X = Preprocessor.fit(rows, split.train).transform_table(rows)
    y = _learnt(rows, split)
    history = train_many(
        functools.partial(found.architecture, X.shape[1], rows.n_outputs),
        X[split.train],
        y[split.train],
        X[split.test],
        y[split.test],
        seeds=seeds,
        epochs=own.epochs,
        lr=own.lr,
        optimizer=own.optimizer,
        momentum=own.momentum,
        nesterov=own.nesterov,
        weight_decay=own.weight_decay,
        batch_size=own.batch_size,
        loss=LOSSES[rows.task],
        compile=compile,
        device=device,
        jobs=jobs,
        watch=functools.partial(_begin, watch, found.name) if watch else None,
    )
    return Run(rows, found, history)


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
