"""Predict rows block by block, so that a table can be longer than memory, and on all cores."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.frame import Frame, Remark, as_notes
from seedbed.data.preprocessing import Oddities, OddityReport
from seedbed.data.table import ColumnSchema
from seedbed.data.typed import NewRows
from seedbed.evaluation.ranges import ranges_of_rows
from seedbed.evaluation.summaries import Note, Task
from seedbed.model.ensemble import Ensemble
from seedbed.networks.layers import Array
from seedbed.outcomes.tasks import outcome_of
from seedbed.training.parallel import one_thread, pick_jobs
from seedbed.typing import Floats

FLAGS = (
    "unseen",
    "unreadable",
    "outlying",
    "missing",
)  # kinds of unusual cells, see `Oddities`
_ROWS_A_BLOCK = 16_384  # cells and inputs of a block stay in the cache


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a model for rows.

    Attributes:
        task: as in `Table`.
        values: probability of the positive class [row], of each class [row, class], the number
            [row], or of each interval [row, interval]; mean over the networks.
        spread: standard deviation of `values` over the networks, in the same shape.
        ranges: the ends of the range [row, 2] which holds 95 % of what a model predicts that is
            trained on as many other rows: of the probability of the positive or the most probable
            label, of the number, or of the survival until the horizon. NaN if the model has none.
        odd: unusual cells.
        doubtful: whether most cells of a row are missing, unreadable or unknown to the model [row].
        notes: warnings about the rows as a whole.
    """

    task: Task
    values: Floats
    spread: Floats
    ranges: Floats
    odd: Oddities
    doubtful: NDArray[np.bool_]
    notes: tuple[Note, ...] = ()

    @property
    def probabilities(self) -> Floats:
        """Probability of each class [row, class], or the number [row]."""
        return outcome_of(self.task).probabilities(self.values)

    def flags(self, schemas: Sequence[ColumnSchema]) -> dict[int, dict[str, list[str]]]:
        """Return the names of unusual columns by kind (see `FLAGS`), for each row that has any, by
        the schemas of the model's columns. A missing cell is unusual in a column that had none in
        training."""
        kinds = {kind: getattr(self.odd, kind) for kind in FLAGS}
        kinds["missing"] = kinds["missing"] & ~np.array(
            [schema.has_missing for schema in schemas]
        )
        names: dict[int, dict[str, list[str]]] = {}
        for kind, cells in kinds.items():
            for row, column in zip(
                *(places.tolist() for places in np.nonzero(cells)), strict=True
            ):
                names.setdefault(row, {}).setdefault(kind, []).append(
                    schemas[column].name
                )
        return names


def predict_frame(model: Ensemble, frame: Frame) -> Predictions:
    """Return the predictions for all rows, with notes. DataError if a column is missing, a cell is
    too large for float32, or most cells are missing, unreadable or unknown to the model, as in
    another table."""
    rows, remarks = model.read(frame)
    blocks = Blocks(model, rows)
    return replace(_joined(model, blocks), notes=blocks.notes(frame, remarks))


def predict_rows(model: Ensemble, rows: NewRows) -> Predictions:
    """Return the predictions for rows. Rows of mostly unknown cells are marked as doubtful.
    ColumnError if a cell is too large for float32."""
    return _joined(model, Blocks(model, rows))


def _joined(model: Ensemble, blocks: Iterable[Predictions]) -> Predictions:
    parts = list(blocks)
    odd = Oddities.joined([part.odd for part in parts])
    values, spread, ranges, doubtful = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("values", "spread", "ranges", "doubtful")
    )
    return Predictions(model.task, values, spread, ranges, odd, doubtful)


class Blocks:
    """Iterates over the predictions for rows, block by block of `size` rows."""

    def __init__(
        self, model: Ensemble, rows: NewRows, size: int = _ROWS_A_BLOCK
    ) -> None:
        self._model, self._rows, self._size = model, rows, size
        self._report = OddityReport(model.preprocessor)

    def __iter__(self) -> Iterator[Predictions]:
        starts = range(0, max(self._rows.n_rows, 1), self._size)
        with one_thread("cpu"), products_on_one_thread():
            if len(starts) == 1:
                yield self._done(0, self._predicted(0))
                return
            jobs = pick_jobs(None)
            waiting = deque[tuple[int, Future[Any]]]()
            with ThreadPoolExecutor(jobs) as pool:
                for start in starts:
                    waiting.append((start, pool.submit(self._predicted, start)))
                    # Only a few blocks ahead, so memory stays bounded if their consumer is slow.
                    if len(waiting) == 2 * jobs:
                        yield self._first_of(waiting)
                while waiting:
                    yield self._first_of(waiting)

    def _first_of(self, waiting: deque[tuple[int, Future[Any]]]) -> Predictions:
        start, future = waiting.popleft()
        return self._done(start, future.result())

    def notes(self, frame: Frame, remarks: Sequence[Remark]) -> tuple[Note, ...]:
        """Return warnings about all rows, after the last block: also those on their source, and
        remarks when they were read. Mostly unknown cells are a DataError."""
        self._report.refuse_unknown(frame.where)
        return (*frame.notes, *as_notes(frame, [*remarks, *self._report.remarks()]))

    @np.errstate(all="ignore")
    def _predicted(self, start: int) -> tuple[NewRows, Floats, Oddities]:
        block = self._rows.window(start, start + self._size)
        matrix, odd = self._model.preprocessor.inputs_of(block)
        return block, network_values(self._model, matrix), odd

    @np.errstate(all="ignore")
    def _done(
        self, start: int, predicted: tuple[NewRows, Floats, Oddities]
    ) -> Predictions:
        block, singles, odd = predicted
        model = self._model
        values = singles.mean(axis=0)
        return Predictions(
            model.task,
            values,
            singles.std(axis=0),
            _ranges(model, singles, values),
            odd,
            self._report.add(start, block, odd),
        )


def _ranges(model: Ensemble, singles: Floats, values: Floats) -> Floats:
    """Return `Predictions.ranges`, of the values of each network and their mean."""
    law = model.range_law
    if law is None:
        return np.full((len(values), 2), np.nan)
    outcome = model.outcome
    if model.n_levels:
        singles = outcome.parts_of(singles, model)
        values = outcome.parts_of(values, model)
    return ranges_of_rows(
        outcome.deciding(singles),
        outcome.deciding(values[None])[0],
        are_shares=not outcome.is_number,
        **law,
    )


_limits = list[Any]()
_predicting = threading.RLock()


@contextlib.contextmanager
def products_on_one_thread() -> Iterator[None]:
    """Multiply matrices on one thread inside. A second one would gain nothing, and wait where other
    work needs a core.

    The limit is that of the process. Several threads may be inside, and the last one that leaves
    lifts it.
    """
    with _predicting:
        _limits.append(_limits[0] if _limits else _blas().limit(limits=1))
        _let_all_threads_limit()
    try:
        yield
    finally:
        with _predicting:
            limit = _limits.pop()
            if not _limits:
                limit.restore_original_limits()
                _let_all_threads_limit()


@functools.cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")


def _let_all_threads_limit() -> None:
    """Let any thread limit BLAS. Since threadpoolctl 3.8, only the first thread that does so may,
    until it ends."""
    for library in _blas().lib_controllers:
        getattr(library, "clear_controlling_thread", lambda **_: None)(force=True)


@np.errstate(all="ignore")  # a network may give infinite numbers
def network_values(
    model: Ensemble,
    matrix: NDArray[np.float32],
    stacks: Iterable[Callable[[Array], Array]] | None = None,
) -> Floats:
    """Return each network's predictions [network, ...] for inputs [row, input], as
    `Predictions.values` has them. `stacks` are the networks in parts, by default those that the
    model keeps."""
    outputs = outputs_of(model, matrix, stacks)
    return model.outcome.values(outputs, (model.target_mean, model.target_deviation))


def outputs_of(
    model: Ensemble,
    matrix: NDArray[np.float32],
    stacks: Iterable[Callable[[Array], Array]] | None = None,
) -> Any:
    """Return the recalibrated outputs of networks [network, row, output], see `network_values`."""
    # No reference to a part may be kept while the next one is made.
    parts = [model.stacks] if stacks is None else stacks
    outputs = np.concatenate([*map(functools.partial(_outputs, model, matrix), parts)])
    if recalibrated := model.training.get("recalibrated"):
        intercept, slope = recalibrated["line"]
        outputs = intercept + slope * outputs
    return outputs


def _outputs(
    model: Ensemble, matrix: NDArray[np.float32], networks: Callable[[Array], Array]
) -> Array:
    """Return the outputs of networks for inputs [row, input]; of expanded rows for each level of
    their last column in turn [network, row, level]."""
    if not model.n_levels:
        return networks(matrix)
    matrix = matrix.copy()
    outputs = list[Array]()
    of_level, of_each = model.inputs_of_column(
        len(model.schemas), np.arange(float(model.n_levels))
    )
    for inputs in of_each:
        matrix[:, of_level] = inputs
        outputs.append(networks(matrix))
    return np.concatenate(outputs, axis=2)
