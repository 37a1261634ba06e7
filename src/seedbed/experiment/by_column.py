"""Subgroups from a column: levels, bands of numbers and dates; and the conclusion of a run with them."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.data.reading import read_table
from seedbed.data.table import Column, Table
from seedbed.errors import ColumnError, OptionError, counted, did_you_mean, spell
from seedbed.evaluation.protocol import FEWEST_ROWS, Protocol
from seedbed.evaluation.summaries import Conclusion
from seedbed.experiment.model_plan import opened_run, table_of_run
from seedbed.experiment.spec import sampled_rows, splits_of
from seedbed.experiment.specification_file import hash_of, read_arrays
from seedbed.experiment.subgroups import Grouping, subgroups_of
from seedbed.scoring import Result
from seedbed.typing import Floats, Ints

_MOST, _BANDS = 6, 4
_ROWS_OF_A_BAND = 60  # its edges are rounded, so that it may have a few rows less
_ROUNDING = 0.03  # share of the rows by which a rounded edge may miss its quantile
_MISSING, _OTHER = "(missing)", "(other)"


def grouping_of(table: Table, column: str, source: Any = None) -> Grouping:
    """Return the subgroups of a column, at most six; missing cells are a subgroup of their own.

    Categories, booleans and numbers with few values are divided by level; levels with fewer than 50 rows, and the
    smallest of many, are `(other)`. Other numbers and dates are divided into quarters with rounded edges.

    Args:
        table: as it was read. A column that isn't a feature is read again from its source.
        source: a data frame that the table was read from; None if the table knows its source.

    Raises:
        ColumnError: there is no such column.
        OptionError: it is the target, or doesn't divide the rows.
        DataError: the table can't be read again.
    """
    if column == table.target_name:
        hint = "Name a column that is known before the prediction: within one label there is nothing to predict."
        raise OptionError(f"the column of subgroups, {column}, is the target", hint)
    read = _column(table, column, source)
    missing = np.isnan(read.values)
    known = read.values[~missing]
    if read.schema.levels or len(np.unique(known)) <= _MOST:
        names, codes = _levels(read, known, _MOST - bool(missing.any()))
    else:
        names, codes = _bands(read, known)
    every = np.full(len(missing), len(names), dtype=np.int64)
    every[~missing] = codes
    return Grouping(column, (*names, *([_MISSING] if missing.any() else [])), every)


def _column(table: Table, name: str, source: Any) -> Column:
    """Return a column of a table, or of its source."""
    for column in table.columns:
        if column.name == name:
            return column
    if table.reading is None and source is None:
        message = f"'{name}' isn't a feature of this table, whose other columns aren't known any more"
        raise OptionError(message, did_you_mean(name, table.feature_names))
    reading = {"target": table.target_name, **(table.reading or {})}
    place = reading.pop("source", None) if source is None else source
    others = {key: value for key, value in reading.items() if key not in ("group", "time_split") or value != name}
    others["drop"] = [one for one in reading.get("drop", ()) if one != name]
    # A column that was left out by itself, such as an identifier, is read if it is said to be categorical.
    named = {**others, "categorical": [*reading.get("categorical", ()), name]}
    has_role = name in (*reading.get("drop", ()), reading.get("group"), reading.get("time_split"))
    for arguments in (others, named) if has_role else (named,):
        try:
            again = read_table(place, **arguments)
        except ColumnError as error:
            raise ColumnError(error.message.replace("no categorical column", "no column"), error.hint) from None
        if not np.array_equal(again.target, table.target):
            raise OptionError("the table has changed while it was compared", "Run it again.")
        for column in again.columns:
            if column.name == name:
                return column
    why = next((note.message for note in again.notes if note.column == name), f"'{name}' is left out")
    raise OptionError(f"'{name}' doesn't divide the rows: {why}", "Name another column.")


def _levels(column: Column, known: Floats, most: int) -> tuple[list[str], Ints]:
    """Return names, and the number of each known cell's subgroup: of the levels that have enough rows, and of all
    others together."""
    values, codes, counts = np.unique(known, return_inverse=True, return_counts=True)
    texts = column.schema.levels
    names = [texts[int(value)] if texts else f"{value:.10g}" for value in values.tolist()]
    large = [code for code in np.argsort(-counts, kind="stable").tolist() if counts[code] >= FEWEST_ROWS]
    if not large and most == _MOST:
        message = f"'{column.name}' has no subgroups: none of its {counted(len(names), 'value')} has {FEWEST_ROWS} rows"
        raise OptionError(message, "Name a column with fewer values.")
    named_codes = list(range(len(names)))
    if len(names) > most or len(names) - len(large) > 1:
        named_codes = sorted(large[: most - 1])
    place = np.full(len(names), len(named_codes), dtype=np.int64)
    place[named_codes] = np.arange(len(named_codes))
    return [*(names[code] for code in named_codes), *([_OTHER] if len(named_codes) < len(names) else [])], place[codes]


def _bands(column: Column, known: Floats) -> tuple[list[str], Ints]:
    """Return names, and the number of each known cell's band: between the quartiles, as round as their shares allow."""
    is_date = column.schema.kind == "date"
    n_bands, edges = max(2, min(_BANDS, len(known) // _ROWS_OF_A_BAND)), dict[float, str]()
    for number in range(1, n_bands):
        ideal = float(np.quantile(known, number / n_bands))
        rounded = _dates(ideal) if is_date else _numbers(ideal, known)
        shares = ((edge, text, float((known < edge).mean())) for edge, text in rounded if edge > known.min())
        close = next((one for one in shares if abs(one[2] - number / n_bands) <= _ROUNDING), None)
        if close is None:  # many cells have the same value
            edge = float(known[(known >= ideal) & (known > known.min())].min())
            edges[edge] = str(np.datetime64(int(edge), "s")) if is_date else f"{edge:.10g}"
        else:
            edges[close[0]] = close[1]
    texts = [edges[edge] for edge in sorted(edges)]
    below, above = ("before", "or later") if is_date else ("under", "or more")
    between = [f"{low} to {below} {high}" for low, high in itertools.pairwise(texts)]
    lowest = known[known < min(edges)]
    first = f"{lowest[0]:.10g}" if np.ptp(lowest) == 0 and not is_date else f"{below} {texts[0]}"
    names = [first, *between, f"{texts[-1]} {above}"]
    return names, np.searchsorted(np.array(sorted(edges)), known, side="right")


def _numbers(value: float, known: Floats) -> Iterator[tuple[float, str]]:
    """Yield a value rounded to 5, 2 and 1 times powers of ten, from coarse to fine, with its text."""
    largest = math.ceil(math.log10(float(np.ptp(known))))
    for power in range(largest, largest - 6, -1):
        for step in (5, 2, 1):
            # Through text, as 3 * 0.1 isn't 0.3.
            text = f"{float(f'{round(value / (step * 10.0**power)) * step}e{power}'):.10g}"
            yield float(text), text


def _dates(value: float) -> Iterator[tuple[float, str]]:
    """Yield a moment rounded to years, months and days, down and up, with its text."""
    for unit in ("Y", "M", "D"):
        start = np.datetime64(int(value), "s").astype(f"datetime64[{unit}]")
        for moment in (start, start + np.timedelta64(1, unit)):
            yield float(moment.astype("datetime64[s]").astype(np.int64)), str(moment)


def conclusion_by(folder: Path, column: str) -> Conclusion:
    """Return the conclusion of a finished run, with the verdicts within the subgroups of a column of its table.

    The table is read again, its splits are made again, and out-of-fold predictions are read from the folder. Nothing
    is trained, and no file is written.

    Raises:
        OptionError: the folder holds no finished comparison, its table isn't known, or the column can't be used.
        DataError: the table is gone or has changed.
    """
    conclusion, stored = opened_run(folder)
    again = "Compare again into the same folder, and divide that: a finished run isn't trained again."
    whole = table_of_run(folder, conclusion, stored, again)
    grouping, specified, plan = grouping_of(whole, column), conclusion.specification, conclusion.plan
    table = whole
    if plan.sample_of:
        rows = sampled_rows(whole, specified["table"]["n_rows"], plan.random_state)
        table, grouping = whole.of_rows(rows), grouping.of_rows(rows)
    results = _stored_results(folder, conclusion, table)
    if not results:
        message = f"{folder} is of another version of seedbed, and its splits or predictions can't be read"
        raise OptionError(message, f"Train it again: the same command with {spell('overwrite', True)}.")
    return replace(conclusion, subgroups=subgroups_of(results, grouping, conclusion))


def _stored_results(folder: Path, conclusion: Conclusion, table: Table) -> list[Result]:
    """Return the results of a run without its networks; empty if the files don't hold them."""
    with contextlib.suppress(Exception):  # each version may lack something else
        specified = conclusion.specification
        design = Protocol(**conclusion.specification["design"])
        splits = splits_of(table, design, conclusion.plan.random_state)
        if hash_of(*(rows for split in splits for rows in (split.train, split.test))) != specified["splits_sha256"]:
            return []
        arrays = read_arrays(folder / "curves.safetensors")
        predictions = {one.name: arrays[f"{one.name}/predictions"] for one in conclusion.candidates}
        return [
            Result(
                name=one.name,
                alpha=conclusion.alpha,
                target=table.target,
                task=table.task,
                splits=tuple(split for split in splits if split.repeat < len(predictions[one.name])),
                design=design,
                predictions=predictions[one.name],
                singles=arrays.get(f"{one.name}/networks"),
                groups=table.groups,
                times=table.times,
            )
            for one in conclusion.candidates
        ]
    return []
