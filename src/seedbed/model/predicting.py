"""Rows in, probabilities out: in blocks, so that a table longer than memory can be predicted, and all cores work."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seedbed.data import Columns, Note, Oddities, OddityReport, Task, as_notes
from seedbed.errors import OptionError
from seedbed.model.fitted import FittedNetworks
from seedbed.training import one_thread, pick_jobs
from seedbed.typing import Floats

__all__ = ["FLAGS", "Blocks", "Predictions", "check_threshold", "predict_columns", "values_of"]

FLAGS = ("unseen", "unreadable", "outlying", "missing")
"""How a cell can be strange; `Oddities` says what they mean."""


_ROWS_A_BLOCK = 16_384  # a block's cells and inputs stay in the cache
_UNITS_AT_A_TIME = 1 << 16  # rows x units; and so do the layers that they go through


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of rows.

    Attributes:
        task: "binary", "multiclass" or "regression".
        values: the probability of the positive class [row], of each class [row, class], or the number [row]; averaged
            over the networks.
        spread: its standard deviation over the networks, in the same shape.
        odd: what is strange about each cell.
        doubtful: bool [row]; most of the row's cells say nothing that the model has learnt.
        notes: what is strange about the rows as a whole.
    """

    task: Task
    values: Floats
    spread: Floats
    odd: Oddities
    doubtful: NDArray[np.bool_]
    notes: tuple[Note, ...] = ()

    @property
    def probabilities(self) -> Floats:
        """The probability of each class [row, class]."""
        return np.column_stack([1 - self.values, self.values]) if self.task == "binary" else self.values

    @property
    def spreads(self) -> Floats:
        """The standard deviation over the networks of what is said [row]: of the positive class's probability, of the
        most probable class's, or of the number."""
        if self.task != "multiclass":
            return self.spread
        best = self.values.argmax(axis=1)[:, None]
        return np.take_along_axis(self.spread, best, axis=1)[:, 0]

    def flags(self, names: Sequence[str], expected: NDArray[np.bool_]) -> dict[int, dict[str, list[str]]]:
        """For each row that is strange, the columns that are so in it, by the kinds in `FLAGS`.

        Args:
            names: of the columns.
            expected: bool [column]; where missing cells are nothing strange.
        """
        kinds = {kind: getattr(self.odd, kind) for kind in FLAGS}
        kinds["missing"] = kinds["missing"] & ~expected
        found: dict[int, dict[str, list[str]]] = {}
        for kind, cells in kinds.items():
            for row, column in zip(*(places.tolist() for places in np.nonzero(cells)), strict=True):
                found.setdefault(row, {}).setdefault(kind, []).append(names[column])
        return found


def check_threshold(task: Task, threshold: float | None) -> None:
    """Raises OptionError where a threshold, if one is given, can't be that of a model."""
    if threshold is not None and task != "binary":
        raise OptionError("a threshold is of two labels", "Leave it out.")
    if threshold is not None and not 0 <= threshold <= 1:
        raise OptionError(f"threshold is {threshold}", "It must be a probability, 0 to 1.")


def predict_columns(model: FittedNetworks, columns: Columns, *, refuse: bool = True) -> Predictions:
    """Of all rows at once.

    Args:
        refuse: whether rows most of whose cells say nothing that training knew are an error.

    Raises:
        DataError: a column is missing, a cell is too large for float32, or rows are to be refused.
    """
    blocks = Blocks(model, columns)
    found = list(blocks)
    if not found:
        shape = (0, len(model.labels)) if model.task == "multiclass" else (0,)
        none = np.zeros((0, len(model.feature_names_in_)), dtype=np.bool_)
        odd = Oddities(none, none, none, none)
        found = [Predictions(model.task, np.zeros(shape), np.zeros(shape), odd, none[:, 0])]
    odd = Oddities.joined([one.odd for one in found])
    values, spread, doubtful = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("values", "spread", "doubtful")
    )
    return Predictions(model.task, values, spread, odd, doubtful, blocks.notes(refuse=refuse))


class Blocks:
    """The predictions of rows, block by block and in order.

    Args:
        columns: the rows.
        rows: of a block.

    Raises:
        ColumnError: a column is missing.
    """

    def __init__(self, model: FittedNetworks, columns: Columns, rows: int = _ROWS_A_BLOCK) -> None:
        self._model, self._columns, self._rows = model, columns, rows
        self._positions, self._remarks = model.preprocessor.find_columns(
            columns, [model.target_name, *model.identifiers]
        )
        self._report = OddityReport(model.preprocessor)

    def __iter__(self) -> Iterator[Predictions]:
        starts = range(0, self._columns.n_rows, self._rows)
        with one_thread("cpu"):
            if len(starts) <= 1:
                yield from (self._done(start, self._predicted(start)) for start in starts)
                return
            jobs = pick_jobs(None)
            with ThreadPoolExecutor(jobs) as pool:
                # A few blocks ahead and no more, so that memory stays bounded whoever is slow.
                waiting: list[tuple[int, Future[Any]]] = []
                todo = iter(starts)
                while True:
                    free = itertools.islice(todo, 2 * jobs - len(waiting))
                    waiting += [(start, pool.submit(self._predicted, start)) for start in free]
                    if not waiting:
                        return
                    start, future = waiting.pop(0)
                    yield self._done(start, future.result())

    def notes(self, *, refuse: bool = True) -> tuple[Note, ...]:
        """What the user should know, once all blocks are done.

        Raises:
            DataError: most cells say nothing that training knew, which then is refused.
        """
        if refuse:
            self._report.refuse_unknown(self._columns.where)
        return (*self._columns.notes, *as_notes(self._columns, [*self._remarks, *self._report.remarks()]))

    def _predicted(self, start: int) -> tuple[Columns, Floats, Floats, Oddities]:
        block = self._columns.window(start, min(start + self._rows, self._columns.n_rows))
        matrix, odd = self._model.preprocessor.inputs_of(block, self._positions)
        return block, *values_of(self._model, matrix), odd

    def _done(self, start: int, predicted: tuple[Columns, Floats, Floats, Oddities]) -> Predictions:
        block, values, spread, odd = predicted
        doubtful = self._report.add(start, block, self._positions, odd)
        return Predictions(self._model.task, values, spread, odd, doubtful)


def values_of(
    model: FittedNetworks, matrix: NDArray[np.float32], networks: Iterable[nn.Module] | None = None
) -> tuple[Floats, Floats]:
    """Mean and standard deviation over the networks, for inputs [row, input]; see `Predictions`.

    Args:
        networks: in double precision; those of the model if left out, which predict few rows all at once.
    """
    with torch.inference_mode():
        if networks is None and model.stacks is not None and len(matrix) <= model.stacks.most_rows:
            outputs = model.stacks(torch.from_numpy(matrix))
        else:
            # Nothing here holds a network while the next one is made.
            made = model.precise_networks if networks is None else networks
            outputs = torch.stack([*map(functools.partial(_outputs, matrix=matrix), made)]).double()
        if model.task == "multiclass":
            found = torch.softmax(outputs, dim=2)
        else:
            found = outputs[:, :, 0]
            found = (
                torch.sigmoid(found) if model.task == "binary" else found * model.target_deviation + model.target_mean
            )
        spread, values = torch.std_mean(found, dim=0, correction=0)
    return values.numpy(), spread.numpy()


def _outputs(network: nn.Module, matrix: NDArray[np.float32]) -> torch.Tensor:
    """What a network gives [row, output]."""
    weights = list(network.parameters())
    dtype = weights[0].dtype if weights else torch.float32
    rows = max(1, _UNITS_AT_A_TIME // max([matrix.shape[1], *(len(weight) for weight in weights if weight.dim())]))
    parts = torch.from_numpy(matrix).to(dtype).split(rows)
    return torch.cat([network(inputs).reshape(len(inputs), -1) for inputs in parts])
