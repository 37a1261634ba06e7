"""What a column of text is, judged by its own cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seedbed.data.cells import (
    is_code,
    is_code_column,
    merge_levels,
    missing_in_category,
    missing_in_number,
    moment,
    numeral,
)
from seedbed.data.table import Kind
from seedbed.typing import Bools, Floats, Ints

__all__ = [
    "PAIRS",
    "Distinct",
    "Draft",
    "as_category",
    "as_numbers",
    "boolean_value",
    "distinct",
    "is_sex",
    "is_whole",
    "understand",
]


@dataclass(frozen=True, eq=False)
class Distinct:
    """The distinct cells of a column of text, so that costly work is done once per text.

    Attributes:
        texts: distinct cells, ends stripped, in the order in which they first appear; '' for an empty cell.
        codes: number of each row's text [row].
        counts: number of rows of each text [text].
    """

    texts: tuple[str, ...]
    codes: Ints
    counts: Ints

    def rows_of(self, chosen: Bools) -> Ints:
        """Return the rows, ascending, whose text is chosen [text]."""
        return np.flatnonzero(chosen[self.codes])


def distinct(cells: Iterable[str | None]) -> Distinct:
    """Return the distinct cells of a column."""
    cells = list(cells)
    numbers = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
    raw = np.fromiter(map(numbers.__getitem__, cells), dtype=np.int64, count=len(cells))
    stripped: dict[str, int] = {}
    code_of = [stripped.setdefault((cell or "").strip(), len(stripped)) for cell in numbers]
    codes = np.array(code_of, dtype=np.int64)[raw]
    return Distinct(tuple(stripped), codes, np.bincount(codes, minlength=len(stripped)))


PERCENT = 95  # of the filled cells must be numbers, or dates

# What stands for 0 and what for 1.
PAIRS = (
    ("no", "yes"),
    ("false", "true"),
    ("f", "t"),
    ("n", "y"),
    ("off", "on"),
    ("f", "m"),
    ("female", "male"),
)
SEXES = (("f", "m"), ("female", "male"))


@dataclass(frozen=True, eq=False)
class Draft:
    """A column whose kind is known, but perhaps not its spelling.

    Attributes:
        kind: never "boolean" for numbers 0 and 1, which are recognised later.
        cells: its distinct cells.
        filled: whether each text isn't a missing word [text].
        readings: by spelling, the value of each text [text], NaN if it has none. Two if the cells can be read in two
            ways.
        sure: the spelling that some cell requires; empty if there is no such cell.
        thousands: whether some cell certainly has commas between thousands.
        levels: of a boolean or a category.
    """

    kind: Kind
    cells: Distinct
    filled: Bools
    readings: dict[str, Floats]
    sure: str = ""
    thousands: bool = False
    levels: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return len(self.readings) > 1


def understand(cells: Distinct) -> Draft:
    """Decide by all cells whether a column is a number, date, boolean or category."""
    filled = np.array([not missing_in_number(text) for text in cells.texts], dtype=bool)
    if not filled.any():
        category = as_category(cells)
        nothing = Draft("number", cells, filled, {"point": np.full(len(cells.texts), np.nan)})
        return category if len(category.levels) > 1 else nothing
    numbers = as_numbers(cells, filled)
    if numbers is None:
        return _as_boolean(cells, filled) or _as_dates(cells, filled) or as_category(cells)
    if any(map(is_code, cells.texts)) and all(is_whole(values) for values in numbers.readings.values()):
        return as_category(cells)
    return numbers


def as_numbers(cells: Distinct, filled: Bools | None = None, *, percent: int = PERCENT) -> Draft | None:
    """Return a draft of numbers if at least `percent` of the filled cells are numbers, else None.

    Args:
        cells: of the column.
        filled: whether each text isn't a missing word [text]; by default computed.
        percent: share of numbers.
    """
    if filled is None:
        filled = np.array([not missing_in_number(text) for text in cells.texts], dtype=bool)
    found = _read(cells, filled, numeral, percent)
    if found is None:
        return None
    point, comma = found.T
    readings, sure = _settle(cells, {"point": point, "comma": comma})
    if not all(_enough(cells, filled, values, percent) for values in readings.values()):
        return None
    certain = zip(cells.texts, np.isnan(comma) & ~np.isnan(point), strict=True)
    thousands = sure == "point" and any(is_certain and "," in text for text, is_certain in certain)
    return Draft("number", cells, filled, readings, sure, thousands)


def as_category(cells: Distinct) -> Draft:
    """Return a draft of a category. A column without any level becomes missing numbers."""
    words = [text for text in cells.texts if not missing_in_category(text)]
    among_codes = is_code_column(words)
    filled = np.array([not missing_in_category(text, among_codes=among_codes) for text in cells.texts], dtype=bool)
    if not filled.any():
        return Draft("number", cells, filled, {"point": np.full(len(cells.texts), np.nan)})
    level_of = merge_levels([text for text, is_filled in zip(cells.texts, filled.tolist(), strict=True) if is_filled])
    levels = tuple(sorted(set(level_of.values())))
    code_of = {level: code for code, level in enumerate(levels)}
    values = [code_of[level_of[text]] if text in level_of else np.nan for text in cells.texts]
    return Draft("category", cells, filled, {"": np.array(values, dtype=np.float64)}, levels=levels)


def is_whole(values: Floats) -> bool:
    """Return whether all numbers that aren't missing are whole."""
    present = values[~np.isnan(values)]
    return bool((np.floor(present) == present).all())


def boolean_value(text: str, levels: tuple[str, ...]) -> float:
    """Return 0 or 1, or NaN for another text. Yes also means true and 1, whichever word training had."""
    word, sex = text.lower(), is_sex(levels)
    own = (levels[0].lower(), levels[1].lower())
    for pair in (own,) if sex else (own, *(pair for pair in PAIRS if pair not in SEXES)):
        if word in pair:
            return float(word == pair[1])
    return np.nan if sex else next((number for number in numeral(text) if number in (0, 1)), np.nan)


def is_sex(levels: tuple[str, ...]) -> bool:
    """Return whether a boolean's levels are sexes, for which yes, no and numbers have no meaning."""
    return tuple(level.lower() for level in levels) in SEXES


def _as_boolean(cells: Distinct, filled: Bools) -> Draft | None:
    spelled: dict[str, tuple[int, str]] = {}
    for text, count, is_filled in zip(cells.texts, cells.counts.tolist(), filled.tolist(), strict=True):
        if is_filled:
            spelled[text.lower()] = max(spelled.get(text.lower(), (0, "")), (count, text))
            if len(spelled) > 2:
                return None
    pair = next((pair for pair in PAIRS if set(pair) == set(spelled)), None)
    if pair is None:
        return None
    value_of = {word: float(value) for value, word in enumerate(pair)}
    values = np.array([value_of.get(text.lower(), np.nan) for text in cells.texts])
    return Draft("boolean", cells, filled, {"": values}, levels=tuple(spelled[word][1] for word in pair))


def _as_dates(cells: Distinct, filled: Bools) -> Draft | None:
    found = _read(cells, filled, moment, PERCENT)
    if found is None:
        return None
    ymd, dmy, mdy = found.T
    if np.isnan(dmy[np.isnan(ymd)]).all() and np.isnan(mdy[np.isnan(ymd)]).all():
        readings, sure = {"ymd": ymd}, "ymd"
    else:
        readings, sure = _settle(cells, {"mdy": mdy, "dmy": dmy})
    if not all(_enough(cells, filled, values, PERCENT) for values in readings.values()):
        return None
    return Draft("date", cells, filled, readings, sure)


def _read(cells: Distinct, filled: Bools, read: Callable[[str], Sequence[float]], percent: int) -> Floats | None:
    """Return the value of each text in each spelling [text, spelling]; None as soon as too many rows have none."""
    nothing = (np.nan,) * len(read(""))
    failed, allowed = 0, int(cells.counts[filled].sum()) * (100 - percent)
    values = []
    for text, count, is_filled in zip(cells.texts, cells.counts.tolist(), filled.tolist(), strict=True):
        reading = read(text) if is_filled else nothing
        values.append(reading)
        if is_filled and not any(value == value for value in reading):
            failed += count
            if 100 * failed > allowed:
                return None
    return np.array(values, dtype=np.float64)


def _settle(cells: Distinct, readings: dict[str, Floats]) -> tuple[dict[str, Floats], str]:
    """Choose between two readings by the cells that have only one. Return what remains and the sure spelling.

    If the two agree in every row, the first is returned, and none is sure. If values differ, both are returned.
    """
    (first, one), (second, other) = readings.items()
    missing_one, missing_other = np.isnan(one), np.isnan(other)
    for_first = int(cells.counts[~missing_one & missing_other].sum())
    for_second = int(cells.counts[missing_one & ~missing_other].sum())
    if for_first or for_second:
        sure = first if for_first >= for_second else second
        return {sure: readings[sure]}, sure
    if (one != other)[~missing_one & ~missing_other].any():
        return readings, ""
    return {first: one}, ""


def _enough(cells: Distinct, filled: Bools, values: Floats, percent: int) -> bool:
    n_filled = int(cells.counts[filled].sum())
    return 100 * int(cells.counts[filled & ~np.isnan(values)].sum()) >= percent * n_filled
