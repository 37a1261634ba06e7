"""Inputs of networks from given rows: for training one split, and for new rows at prediction."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import first_of, quote
from seedbed.data.frame import ROWS_NAMED, Frame, Remark
from seedbed.data.layout import (
    Layout,
    bucket_of,
    layout_from_values,
    layout_of,
    layout_to_values,
)
from seedbed.data.table import Table
from seedbed.data.typed import NewRows, read_rows
from seedbed.errors import ColumnError, DataError, TargetError, counted, nearest
from seedbed.typing import Bools, Floats, Ints

_FARTHEST = 1e30  # of the usual distance from the median; float32 holds 3e38


def moments(rows: Floats) -> tuple[Floats, Floats]:
    """Return mean and population deviation [column]; the deviation is exactly 0 for a constant
    column.

    Two traps: the deviation of a constant like 0.1 would be 1e-17, so constancy is tested
    separately. And squares of 1e200 overflow, so columns are first scaled near 1 by a power of two,
    which changes no digit.
    """
    rows = np.asarray(rows, dtype=np.float64)
    low = rows.min(axis=0)
    high = rows.max(axis=0)
    _, exponent = np.frexp(np.maximum(np.abs(low), np.abs(high)))
    near_one = np.ldexp(rows, -exponent)
    mean, deviation = (
        np.ldexp(near_one.mean(axis=0), exponent),
        np.ldexp(near_one.std(axis=0), exponent),
    )
    return np.where(low == high, low, mean), np.where(low == high, 0.0, deviation)


def medians_of(numbers: Floats) -> Floats:
    """Return medians of the filled cells [column] of numbers [row, column]; NaN if there is
    none."""
    medians = np.full(numbers.shape[1], np.nan)
    for column, values in enumerate(numbers.T):
        if n_filled := len(values) - int(np.isnan(values).sum()):
            ordered = np.sort(values)  # missing cells come last
            below, above = ordered[(n_filled - 1) // 2], ordered[n_filled // 2]
            medians[column] = (
                below if below == above else below / 2 + above / 2
            )  # halved first: a sum could overflow
    return medians


def target_moments(target: Floats) -> tuple[float, float]:
    """Return mean and population deviation (1 of a constant) of a numeric target [row], by which it
    is standardised.

    Raises TargetError if its sizes differ so much that float32 can't hold them.
    """
    mean, deviation = (float(part[0]) for part in moments(np.asarray(target)[:, None]))
    with np.errstate(over="ignore"):
        distances = np.abs(target - np.median(target))
    others = distances[distances > 0]
    usual = np.quantile(others, 0.75, method="lower") if len(others) else 0.0
    if not np.isfinite(distances).all() or distances.max() > _FARTHEST * usual:
        raise TargetError(
            "the target's values differ too much in size for float32",
            "Look for a wrong cell in it, or take its logarithm.",
        )
    return mean, deviation or 1.0


FAR = 5.0  # training deviations from the training mean; a number beyond gives a warning
_COLUMNS_NAMED, _TEXTS_NAMED = 5, 3
_LARGE_CELLS = 1 << 24
_BYTES_A_CELL = 40  # of memory that a comparison takes beside the table as it was read, see docs/speed.md


def _free_bytes() -> float:
    """Return how much memory the system can give; infinity if unknown."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024.0 * next(
            int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")
        )
    return math.inf


@dataclass(frozen=True, eq=False)
class Oddities:
    """Unusual cells of new rows [row, column], in the columns of the model. A cell is unusual in
    one way at most.

    Attributes:
        unseen: a level that the training table didn't have, if the model distinguishes levels.
        unreadable: a cell that isn't a number, or a date, in a column of these.
        outlying: a number beyond `FAR` training deviations from its mean.
    """

    unseen: Bools
    missing: Bools
    unreadable: Bools
    outlying: Bools

    def of(self, rows: slice) -> Oddities:
        return Oddities(**{name: cells[rows] for name, cells in vars(self).items()})

    @classmethod
    def joined(cls, parts: Sequence[Oddities]) -> Oddities:
        return cls(
            **{
                name: np.concatenate([vars(part)[name] for part in parts])
                for name in vars(parts[0])
            }
        )


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Makes rows of a table inputs of networks, with the statistics of the rows that it was fitted
    on.

    Attributes:
        medians: [number]; NaN if the fitted rows hold nothing.
        means: [number]; with medians filled in.
        deviations: [number]; population deviations, exactly 0 if a column is constant.
        live: [input]; whether a flag, level or bucket is used.
        least_known: smallest share of a fitted row's cells that aren't missing.
    """

    layout: Layout
    medians: Floats
    means: Floats
    deviations: Floats
    live: Bools
    least_known: float

    @classmethod
    def fit(cls, table: Table, rows: Ints | None = None) -> Self:
        """Return a preprocessor with the statistics of some rows of a table, by default of all."""
        layout = layout_of(table)
        rows = np.arange(table.n_rows) if rows is None else np.asarray(rows)
        values = table.features[rows]
        numbers, levels = layout.cells(values)
        medians = medians_of(numbers)
        means, deviations = moments(
            np.where(np.isnan(numbers), np.nan_to_num(medians), numbers)
        )
        counts = np.bincount(levels.ravel(), minlength=layout.n_inputs)
        places = layout.places
        live = np.ones(layout.n_inputs, dtype=np.bool_)
        # A flag is used if some cells are missing and some aren't. A level, if it has enough rows.
        # A bucket, if rows belong to it, including those of levels that aren't used: without a row,
        # its weights would stay random.
        n_missing = np.isnan(numbers).sum(axis=0)[places.flagged]
        live[places.flags] = (n_missing > 0) & (n_missing < len(rows))
        live[places.levels] = counts[places.levels] >= places.needed
        dead = places.levels[~live[places.levels]]
        in_buckets = counts + np.bincount(
            places.also[dead], counts[dead], layout.n_inputs
        )
        live[places.buckets] = in_buckets[places.buckets] > 0
        return cls(
            layout,
            medians,
            means,
            deviations,
            live,
            float((~np.isnan(values)).mean(axis=1).min()),
        )

    @property
    def feature_names_in_(self) -> tuple[str, ...]:
        return tuple(schema.name for schema in self.layout.schemas)

    def read(
        self, source: Frame, expected: Collection[str] = ()
    ) -> tuple[NewRows, list[Remark]]:
        """Return new rows, whose columns are found by name, and a remark on others that aren't
        `expected`.

        Raises ColumnError if columns are missing, or one is there twice.
        """
        names = self.feature_names_in_
        positions = {name: position for position, name in enumerate(source.names)}
        model_names = set(names)
        missing = [name for name in names if name not in positions]
        others = [name for name in source.names if name not in model_names]
        if missing:
            word = "columns" if len(missing) > 1 else "column"
            hint = " ".join(
                dict.fromkeys(
                    filter(
                        None,
                        (nearest(name, others) for name in missing[:_COLUMNS_NAMED]),
                    )
                )
            )
            if not hint and len(others) == len(source.names):
                hint = f"It has {_list_names(others)}. Is it another table, or does it lack a header?"
            hint = (
                hint
                or "The model needs all its columns; leave cells empty where they aren't known."
            )
            raise ColumnError(
                f"{source.where}: no {word} {_list_names(missing, len(missing))}", hint
            )
        for name in names if len(positions) < len(source.names) else ():
            if source.names.count(name) > 1:
                raise ColumnError(
                    f"{source.where}: two columns are named '{name}'",
                    "Rename or leave out one of them.",
                )
        others = [name for name in others if name not in expected]
        remarks = []
        if others:
            word, verb = ("columns", "are") if len(others) > 1 else ("column", "is")
            message = f"{len(others)} {word} that the model doesn't use {verb} ignored: {_list_names(others)}"
            remarks.append(Remark(message, code="SB301", count=len(others)))
        return read_rows(
            source, [positions[name] for name in names], self.layout.schemas
        ), remarks

    def inputs_of(self, rows: NewRows) -> tuple[NDArray[np.float32], Oddities]:
        """Return inputs of new rows [row, input], and their unusual cells.

        An unseen level counts as rare, of two levels as missing. A cell that can't be read counts
        as missing.

        Raises ColumnError for a number that float32 can't hold.
        """
        layout = self.layout
        places = self.layout.places
        values = np.column_stack(rows.columns)
        measured = np.array(
            [schema.kind in ("number", "date") for schema in layout.schemas]
        )
        unread = np.zeros(values.shape, dtype=np.bool_)
        for column, texts in enumerate(rows.odd):
            unread[list(texts), column] = True
        unseen = unread & ~measured  # of two levels; it counts as missing
        # If all levels are rare, one only says that the cell isn't missing.
        all_rare = [
            levels is not None and not levels.kept and levels.n_buckets == 1
            for levels in layout.vocabularies
        ]
        unseen[:, all_rare] = False
        cells = layout.cells(values)
        for category, column in enumerate(layout.categories):
            # An unseen level belongs to the bucket of its own text; so far all are in the first
            # one.
            buckets, texts = places.buckets_of_categories[category], rows.odd[column]
            if len(buckets) > 1 and texts:
                numbers = [bucket_of(text, len(buckets)) for text in texts.values()]
                cells[1][list(texts), category] = buckets[numbers]
        scaled = self._scaled(cells)
        straight = places.numbers[~places.circling]
        outlying = np.zeros_like(unseen)
        outlying[:, places.sources[straight]] = np.abs(scaled[:, straight]) > FAR
        absent = np.isnan(values)
        odd = Oddities(
            unseen, absent & ~unread, unread & measured, outlying & ~absent & measured
        )
        return _as_float32(scaled, layout.sources), odd

    def inputs_of_values(self, values: Floats) -> NDArray[np.float32]:
        """Return inputs [row, input] of values as columns of a table have them [row, column]. The
        last one may be missing if rows are expanded: it doesn't matter to predictions, which are
        for all of its levels.

        Raises ColumnError for a number that float32 can't hold, and DataError for inputs that don't
        fit in memory.
        """
        n_rows = len(values)
        n_inputs = self.layout.n_inputs
        if values.shape[1] < len(self.layout.schemas):
            values = np.column_stack([values, np.zeros(n_rows)])
        needed = n_rows * n_inputs * _BYTES_A_CELL
        free = _free_bytes()
        if (
            n_rows * n_inputs > _LARGE_CELLS and needed > free
        ):  # the system would kill the process
            raise DataError(
                f"{n_rows:,} rows x {n_inputs:,} inputs need about {needed / 2**30:.0f} GiB of "
                f"memory, and {free / 2**30:.0f} GiB are free",
                "Use a sample of the rows, or fewer columns.",
            )
        return _as_float32(self._scaled(self.layout.cells(values)), self.layout.sources)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return plain values fit for JSON, and arrays of finite numbers, from which `from_state`
        restores it."""
        arrays = {
            name: getattr(self, name)
            for name in ("medians", "means", "deviations", "live")
        }
        arrays["medians"] = np.nan_to_num(
            self.medians
        )  # any will do for a column without values: its deviation is 0
        return {
            "columns": layout_to_values(self.layout),
            "least_known": self.least_known,
        }, arrays

    @classmethod
    def from_state(
        cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> Self:
        """Restore a preprocessor, whose inputs are equal bit for bit."""
        layout = layout_from_values(values["columns"])
        return cls(layout, **arrays, least_known=values["least_known"])

    def natural(self, cells: tuple[Floats, Ints]) -> Floats:
        """Return inputs before standardisation [row, input]: numbers are in the user's units, with
        medians filled in.

        A column is zero throughout if training rows hold nothing, and so is a bucket or a flag that
        isn't used. A level that isn't used counts in its bucket.
        """
        places = self.layout.places
        live = self.live
        (numbers, levels) = cells
        inputs = np.zeros((len(numbers), len(places.names)))
        missing = np.isnan(numbers)
        inputs[:, places.numbers] = np.where(missing, self.medians, numbers)
        inputs[:, places.numbers[np.isnan(self.medians)]] = 0.0
        inputs[:, places.flags] = missing[:, places.flagged] & live[places.flags]
        goes_to = np.where(
            live, np.arange(len(live)), np.where(live[places.also], places.also, -1)
        )[levels]
        rows, categories = np.nonzero(goes_to >= 0)
        inputs[rows, goes_to[rows, categories]] = 1.0
        return inputs

    def _scaled(self, cells: tuple[Floats, Ints]) -> Floats:
        """Return standardised inputs [row, input]."""
        inputs = self.natural(cells)
        numbers = self.layout.places.numbers
        varies = self.deviations > 0
        divisor = np.where(varies, self.deviations, 1.0)
        with np.errstate(over="ignore"):
            inputs[:, numbers] = np.where(
                varies, (inputs[:, numbers] - self.means) / divisor, 0.0
            )
        return inputs


class OddityReport:
    """Collects the unusual cells of new rows block by block. The report doesn't depend on the size
    of blocks."""

    def __init__(self, preprocessor: Preprocessor) -> None:
        self._schemas = preprocessor.layout.schemas
        self._enough = min(0.5, preprocessor.least_known) - 1e-9
        n_columns = len(self._schemas)
        self._counts: dict[str, Ints] = defaultdict(
            lambda: np.zeros(n_columns, dtype=np.int64)
        )
        self._rows: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._texts: dict[int, dict[str, None]] = defaultdict(dict)
        self._n_rows, self._n_unknown, self._known = 0, 0, 0.0

    def add(self, first: int, block: NewRows, odd: Oddities) -> Bools:
        """Add rows, counted from `first`. Return which are doubtful [row]: under half of their
        cells are known, and fewer than in any training row."""
        unknown = odd.unseen | odd.missing | odd.unreadable
        known_shares = 1.0 - np.asarray(unknown.mean(axis=1), dtype=np.float64)
        self._n_rows, self._known = (
            self._n_rows + len(known_shares),
            self._known + float(known_shares.sum()),
        )
        self._n_unknown += int(np.count_nonzero(unknown))
        for kind, cells in vars(odd).items():
            counts = np.count_nonzero(cells, axis=0)
            self._counts[kind] += counts
            for column in np.flatnonzero(counts).tolist():
                rows = self._rows[kind, column]
                if len(rows) < ROWS_NAMED:
                    rows += (
                        first
                        + np.flatnonzero(cells[:, column])[: ROWS_NAMED - len(rows)]
                    ).tolist()
        named = odd.unseen | odd.unreadable  # a column has but one of these
        for column in np.flatnonzero(named.any(axis=0)).tolist():
            if len(self._texts[column]) <= _TEXTS_NAMED:
                self._texts[column] |= dict.fromkeys(block.odd[column].values())
        return np.asarray(known_shares < self._enough)

    def refuse_unknown(self, where: str) -> None:
        """Raise DataError if the rows all together are doubtful."""
        if self._n_rows and self._known / self._n_rows < self._enough:
            unknown = (
                f"{self._n_unknown:,} of {self._n_rows * len(self._schemas):,} cells"
            )
            raise DataError(
                f"{where}: {unknown} are missing, can't be read, or hold levels that training never saw",
                "Is it the right table? Its cells must be written as they were in training.",
            )

    def remarks(self) -> list[Remark]:
        """Return remarks for the user, column by column."""
        remarks = []
        for column, schema in enumerate(self._schemas):
            texts = first_of([*map(quote, self._texts[column])], _TEXTS_NAMED)
            for kind, code, finding in (
                (
                    "unseen",
                    "SB302",
                    f"with a level that the training table didn't have ({texts})",
                ),
                ("unreadable", "SB305", f"not a {schema.kind} ({texts})"),
                (
                    "outlying",
                    "SB303",
                    f"more than {FAR:g} training deviations from the training mean",
                ),
                (
                    "missing",
                    "SB304",
                    "missing"
                    if schema.has_missing
                    else "missing; none was in training",
                ),
            ):
                count = int(self._counts[kind][column])
                rows = self._rows[kind, column]
                whole = count == self._n_rows > 1
                # If training had missing cells, some are to be expected.
                if count and (whole or kind != "missing" or not schema.has_missing):
                    cells = f"all {count:,} cells" if whole else counted(count, "cell")
                    remarks.append(
                        Remark(
                            f"'{schema.name}': {cells} {finding}",
                            schema.name,
                            code,
                            count,
                            rows,
                            kind,
                        )
                    )
        return remarks


def _list_names(names: Sequence[str], most: int = _COLUMNS_NAMED) -> str:
    return first_of(
        [f"'{name}'" if name else "one without a name" for name in names], most
    )


def _as_float32(numbers: Floats, columns: Sequence[str]) -> NDArray[np.float32]:
    """Return numbers [..., input] as float32. If it can't hold one, ColumnError names the input's
    column [input]."""
    with np.errstate(over="ignore"):
        narrow = numbers.astype(np.float32)
    fits = np.isfinite(narrow)
    if not fits.all():
        column = columns[
            int(np.flatnonzero(~fits.reshape(-1, fits.shape[-1]).all(axis=0))[0])
        ]
        raise ColumnError(
            f"column '{column}': its cells differ too much in size for float32",
            "Look for a wrong cell in this column, or take its logarithm.",
        )
    return narrow
