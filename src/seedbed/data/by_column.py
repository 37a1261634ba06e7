"""Subgroups from a column: levels, or bands of numbers and dates."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.data.table import Column, Table
from seedbed.errors import ColumnError, OptionError, counted, did_you_mean
from seedbed.evaluation.protocol import FEWEST_ROWS
from seedbed.typing import Floats, Ints

_MOST, _BANDS = 6, 4
_ROWS_OF_A_BAND = 60  # equal values, which stay together, may leave it a few rows less
_SPLITTING = ("group", "site", "fold_column", "time_split")
_MISSING, _OTHER = "(missing)", "(other)"


@dataclass(frozen=True, eq=False)
class Grouping:
    """The subgroups of a column: their names, and the number of each row's subgroup [row]."""

    column: str
    names: tuple[str, ...]
    codes: Ints


def grouping_of(table: Table, column: str, source: Any = None) -> Grouping:
    """Return the subgroups of a column, at most six; missing cells are a subgroup of their own.

    Categories, booleans and numbers with few values are divided by level; levels with fewer than 50
    rows, and the smallest of many, are `(other)`. Other numbers and dates are divided at their
    quartiles.

    Args:
        table: as it was read. A column that isn't a feature is read again from its source.
        source: a data frame that the table was read from; None if the table knows its source.
    """
    refuse_target(column, table.target_name)
    return grouping_by(_column(table, column, source))


def refuse_target(column: str, target: str) -> None:
    """Raise OptionError if the column of subgroups is the target."""
    if column == target:
        raise OptionError(
            f"the column of subgroups, {column}, is the target",
            "Name a column that is known before the prediction: within one label there is nothing to predict.",
        )


def grouping_by(
    column: Column, *, most: int = _MOST, fewest: int = FEWEST_ROWS
) -> Grouping:
    """Return what `grouping_of` does of a typed column: at most so many subgroups, and levels of so
    few rows."""
    missing = np.isnan(column.values)
    filled = column.values[~missing]
    if column.schema.levels or len(np.unique(filled)) <= most:
        names, codes = _levels(column, filled, most - bool(missing.any()), fewest)
    else:
        names, codes = _bands(column, filled)
    codes_of_rows = np.full(len(missing), len(names), dtype=np.int64)
    codes_of_rows[~missing] = codes
    return Grouping(
        column.name, (*names, *([_MISSING] if missing.any() else [])), codes_of_rows
    )


def _column(table: Table, name: str, source: Any) -> Column:
    """Return a column of a table, or of its source."""
    if name in table.feature_names:
        return table.columns[table.feature_names.index(name)]
    if table.reading is None and source is None:
        raise OptionError(
            f"'{name}' isn't a feature of this table, and its other columns are no longer known",
            did_you_mean(name, table.feature_names),
        )
    from seedbed.data.reading import read_table  # evaluating a model needs none of it

    reading = {"target": table.target_name, **(table.reading or {})}
    origin = reading.pop("source", None) if source is None else source
    others = {
        key: value
        for key, value in reading.items()
        if key not in _SPLITTING or value != name
    }
    others["drop"] = [dropped for dropped in reading.get("drop", ()) if dropped != name]
    # A column that was left out by itself, such as an identifier, is read if it is said to be
    # categorical.
    named = {**others, "categorical": [*reading.get("categorical", ()), name]}
    roles = [reading.get(role) for role in _SPLITTING]
    has_role = name in (*reading.get("drop", ()), *roles)
    for arguments in (others, named) if has_role else (named,):
        try:
            again = read_table(origin, **arguments)
        except ColumnError as error:
            raise ColumnError(f"no column '{name}'", error.hint) from None
        if not np.array_equal(again.target, table.target):
            raise OptionError(
                "the table has changed while it was compared", "Run compare again."
            )
        if name in again.feature_names:
            return again.columns[again.feature_names.index(name)]
    why = next(
        (note.message for note in again.notes if note.column == name),
        f"'{name}' is left out",
    )
    raise OptionError(
        f"'{name}' doesn't divide the rows: {why}", "Name another column."
    )


def _levels(
    column: Column, filled: Floats, most: int, fewest: int = FEWEST_ROWS
) -> tuple[list[str], Ints]:
    """Return names, and the number of each known cell's subgroup: of the levels that have enough
    rows, and of all others together."""
    values, codes, counts = np.unique(filled, return_inverse=True, return_counts=True)
    texts = column.schema.levels
    names = [
        texts[int(value)] if texts else f"{value:.10g}" for value in values.tolist()
    ]
    large = [
        code
        for code in np.argsort(-counts, kind="stable").tolist()
        if counts[code] >= fewest
    ]
    if not large and len(filled) == len(column.values):
        raise OptionError(
            f"'{column.name}' has no subgroups: none of its {counted(len(names), 'value')} has {fewest} rows",
            "Name a column with fewer values.",
        )
    named_codes = list(range(len(names)))
    if len(names) > most or len(names) - len(large) > 1:
        named_codes = sorted(large[: most - 1])
    groups = np.full(len(names), len(named_codes), dtype=np.int64)
    groups[named_codes] = np.arange(len(named_codes))
    return [
        *(names[code] for code in named_codes),
        *([_OTHER] if len(named_codes) < len(names) else []),
    ], groups[codes]


def _bands(column: Column, filled: Floats) -> tuple[list[str], Ints]:
    """Return names, and the number of each known cell's band: from values that divide the rows most
    evenly."""
    n_bands = max(2, min(_BANDS, len(filled) // _ROWS_OF_A_BAND))
    values, counts = np.unique(filled, return_counts=True)
    rows_below = np.cumsum(counts)[:-1]  # each value but the lowest
    ideal = len(filled) * np.arange(1, n_bands) / n_bands
    places = 1 + np.unique([np.abs(rows_below - n_rows).argmin() for n_rows in ideal])
    is_date = column.schema.kind == "date"
    edges = values[places]
    if is_date:
        texts = [
            str(moment).removesuffix("T00:00:00")
            for moment in edges.astype("datetime64[s]")
        ]
    else:
        texts = [
            _edge_text(low, high)
            for low, high in zip(
                values[places - 1].tolist(), edges.tolist(), strict=True
            )
        ]
    below, above = ("before", "or later") if is_date else ("under", "or more")
    between = [f"{low} to {below} {high}" for low, high in itertools.pairwise(texts)]
    first = (
        f"{values[0]:.10g}" if places[0] == 1 and not is_date else f"{below} {texts[0]}"
    )
    return [first, *between, f"{texts[-1]} {above}"], np.searchsorted(
        edges, filled, side="right"
    )


def _edge_text(low: float, high: float) -> str:
    """Return a number above the first and up to the second, in as few digits as that needs."""
    tried = itertools.product(range(1, 11), (high, (low + high) / 2))
    texts = (f"{float(f'{value:.{digits}g}'):.10g}" for digits, value in tried)
    return next((text for text in texts if low < float(text) <= high), f"{high:.10g}")
