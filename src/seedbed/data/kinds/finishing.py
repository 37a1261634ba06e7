"""From a draft to a typed column, with remarks on how it was read and whether it can be a feature."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from seedbed.data.cells import YEAR_OF_TWO_DIGITS, is_code, near_duplicates, number_text, parse_number, shown
from seedbed.data.kinds.drafts import Distinct, Draft
from seedbed.data.notes import Remark
from seedbed.data.table import Column, ColumnSchema
from seedbed.typing import Bools, Floats, Ints

__all__ = ["LEFT_OUT", "Finished", "Plain", "finish", "finish_plain", "judge"]

ORDERS = {"ymd": "", "dmy": " with the day first", "mdy": " with the month first"}


@dataclass(frozen=True, eq=False)
class Plain:
    """A column of numbers as Python writes them.

    Attributes:
        values: float64 [row], NaN where a word stands for a missing cell.
        words: the cells of those rows.
    """

    values: Floats
    words: Distinct | None = None


@dataclass(frozen=True, eq=False)
class Finished:
    """A column, and what to tell of it; `infinite` are rows whose numbers are too large."""

    column: Column
    remarks: tuple[Remark, ...] = ()
    infinite: Ints | None = None


def finish_plain(name: str, plain: Plain, *, forced: bool) -> Finished:
    """Args: forced: the user said that these are numbers, so 0 and 1 are no boolean."""
    texts, counts = (plain.words.texts, plain.words.counts.tolist()) if plain.words else ((), [])
    column = _numbers(name, plain.values, "point", _words(texts), forced)
    return Finished(column, _missing_remarks(name, dict(zip(texts, counts, strict=True))))


def finish(name: str, draft: Draft, *, spelling: str, known: bool, forced: bool) -> Finished:
    """Settle a draft.

    Args:
        spelling: a key of its readings.
        known: the table as a whole tells this spelling.
        forced: the user said what the column is.
    """
    cells, by_text = draft.cells, draft.readings[spelling]
    values = by_text[cells.codes]
    unread = draft.filled & np.isnan(by_text)
    missing = {text: int(cells.counts[i]) for i, text in enumerate(cells.texts) if not draft.filled[i]}
    words = _words(missing)
    remarks = [*_missing_remarks(name, missing), *_unread_remarks(name, draft, unread)]
    if draft.kind == "number":
        remarks += _number_remarks(name, draft, spelling, known)
        column = _numbers(name, values, spelling, words, forced or bool(unread.any()))
        infinite = cells.rows_of(np.isinf(by_text)) if np.isinf(by_text).any() else None
        return Finished(column, tuple(remarks), infinite)
    if draft.kind == "date":
        remarks += _date_remarks(name, draft, spelling, known)
    elif draft.kind == "boolean":
        zero, one = draft.levels
        remarks.append(Remark(f"column '{name}' has two values: {shown(zero)} is 0, {shown(one)} is 1", name))
    else:
        remarks += _category_remarks(name, draft, forced)
    schema = ColumnSchema(name, draft.kind, draft.levels, spelling, words, bool(np.isnan(values).any()))
    return Finished(Column(schema, values), tuple(remarks))


def _numbers(name: str, values: Floats, spelling: str, words: tuple[str, ...], forced: bool) -> Column:
    missing, zero, one = np.isnan(values), values == 0, values == 1
    if not forced and zero.any() and one.any() and (missing | zero | one).all():
        return Column(ColumnSchema(name, "boolean", ("0", "1"), "", words, bool(missing.any())), values)
    return Column(ColumnSchema(name, "number", (), spelling, words, bool(missing.any())), values)


def _words(texts: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(text for text in texts if text))


def _missing_remarks(name: str, missing: dict[str, int]) -> tuple[Remark, ...]:
    """About words; that an empty cell is missing needs no telling."""
    words = _words(missing)
    if not words:
        return ()
    count = sum(missing[word] for word in words)
    return (Remark(f"column '{name}': cells with {_some(words)} count as missing", name, "", count),)


def _unread_remarks(name: str, draft: Draft, unread: Bools) -> list[Remark]:
    if not unread.any():
        return []
    rows = draft.cells.rows_of(unread)
    texts = [text for text, is_unread in zip(draft.cells.texts, unread.tolist(), strict=True) if is_unread]
    what = f"{len(rows)} cell{'s that are' if len(rows) > 1 else ' that is'} no {draft.kind}"
    told = f"column '{name}': {what} ({_some(texts)}) count{'s' * (len(rows) == 1)} as missing"
    return [Remark(told, name, "SB104", len(rows), rows[:3].tolist())]


def _number_remarks(name: str, draft: Draft, spelling: str, known: bool) -> list[Remark]:
    cells, values = draft.cells, draft.readings[spelling]
    example = _first(draft, np.isfinite(values) & _differ(draft)) if draft.is_open else None
    if example is not None:
        told = f"{shown(cells.texts[example])} is {number_text(float(values[example]))}"
        by_comma = "," in cells.texts[example]
        sign, mark = "commas" if by_comma else "points", "thousands" if by_comma == (spelling == "point") else "decimal"
        if known:
            return [Remark(f"column '{name}' is read by the mark of the other columns: {told}", name)]
        told = f"column '{name}' could be read in two ways; its {sign} are taken for {mark} marks: {told}"
        return [Remark(told, name, "SB108", *_rows(draft, np.isfinite(values) & _differ(draft)))]
    dressed = np.array([parse_number(text) != value for text, value in zip(cells.texts, values.tolist(), strict=True)])
    example = _first(draft, np.isfinite(values) & dressed)
    if example is None:
        return []
    told = f"column '{name}' is read as numbers: {shown(cells.texts[example])} is {number_text(float(values[example]))}"
    return [Remark(told, name, "", int(cells.counts[np.isfinite(values) & dressed].sum()))]


def _date_remarks(name: str, draft: Draft, spelling: str, known: bool) -> list[Remark]:
    values = draft.readings[spelling]
    two_ways = ~np.isnan(values) & _differ(draft) if draft.is_open else None
    example = _first(draft, ~np.isnan(values) if two_ways is None else two_ways)
    if example is None:
        return []
    day = np.datetime64(int(np.floor(values[example])), "s").astype("datetime64[D]")
    if draft.cells.texts[example].startswith(str(day)):
        return []  # as ISO 8601 writes it, there is nothing to explain
    told = f"{shown(draft.cells.texts[example])} is {day}"
    if YEAR_OF_TWO_DIGITS.search(draft.cells.texts[example]):
        told += "; of years in two digits, 69 to 99 are 1969 to 1999, the others 20.."
    if two_ways is None or known:
        return [Remark(f"column '{name}' is read as dates{ORDERS[spelling]}: {told}", name)]
    told = f"column '{name}' could be read as dates in two ways, and is read{ORDERS[spelling]}: {told}"
    return [Remark(told, name, "SB108", *_rows(draft, two_ways))]


def _category_remarks(name: str, draft: Draft, forced: bool) -> list[Remark]:
    remarks = []
    kept = [level for level in draft.levels if level in ("NA", "-") or level.lower() == "none"]
    if kept:
        told = (
            f"column '{name}' keeps {_some(kept)} as {'levels' if len(kept) > 1 else 'a level'}, not as missing cells"
        )
        remarks.append(Remark(told, name, "", sum(_count(draft.cells, word) for word in kept)))
    codes = [level for level in draft.levels if is_code(level)]
    if codes and not forced and all(parse_number(level) == parse_number(level) for level in draft.levels):
        told = f"column '{name}' is a category: digits with leading zeros such as {shown(codes[0])} are codes"
        remarks.append(Remark(told, name))
    elif not forced:
        remarks += _nearly_numbers(name, draft)
    return remarks


def _nearly_numbers(name: str, draft: Draft) -> list[Remark]:
    """A category with so many numbers that it may be meant as one."""
    plain = np.array([not np.isnan(parse_number(text)) for text in draft.cells.texts], dtype=bool)
    count, n_filled = int(draft.cells.counts[plain].sum()), int(draft.cells.counts[draft.filled].sum())
    if 2 * count < n_filled or plain.sum() < 3:
        return []
    word = _first(draft, draft.filled & ~plain)
    told = f"column '{name}' is a category: {count} of {n_filled} cells are numbers"
    told += f", but {shown(draft.cells.texts[word])} isn't" if word is not None else ""
    return [Remark(f"{told}; --numeric {shlex.quote(name)} takes the rest as missing", name, "", count)]


def _differ(draft: Draft) -> Bools:
    first, second = draft.readings.values()
    differ: Bools = first != second
    return differ


def _rows(draft: Draft, chosen: Bools) -> tuple[int, list[int]]:
    rows = draft.cells.rows_of(chosen)
    return len(rows), rows[:3].tolist()


def _first(draft: Draft, chosen: Bools) -> int | None:
    found = np.flatnonzero(chosen)
    return int(found[0]) if len(found) else None


def _count(cells: Distinct, word: str) -> int:
    return int(cells.counts[cells.texts.index(word)])


def _some(words: Collection[str]) -> str:
    first = [shown(word) for word in words][:3]
    return ", ".join(first) + (", ..." if len(words) > 3 else "")


LEFT_OUT = frozenset({"SB101", "SB102", "SB103"})  # the codes of what isn't a feature

FEW_ROWS = 20  # too few to tell an identifier by
MANY_LEVELS = 200
_id_name = re.compile(
    r"(?i:(?:.*[^a-z])?(?:id|uuid|guid|index|rowid|row[ _]?(?:name|number)s?)|id[^a-z].*)"
    r"|.*[a-z](?:Id|ID)|Unnamed: \d+"
)


def judge(column: Column, *, wanted: bool) -> list[Remark]:
    """What is to be said against a column as a feature; a code in `LEFT_OUT` means that it shouldn't be one.

    Args:
        wanted: the user said what the column is, so it is no identifier.
    """
    name, values = column.name, column.values
    present = values[~np.isnan(values)]
    if not len(present):
        return [Remark(f"column '{name}' is left out: it has no value at all", name, "SB103", len(values))]
    if column.schema.kind == "number" and not wanted and _merged(present):
        told = (
            f"column '{name}' is left out as an identifier: its whole numbers have more digits than can be told apart"
        )
        return [Remark(told, name, "SB101", len(present))]
    if len(present) == len(values) and present.min() == present.max():
        return [Remark(f"column '{name}' is left out: it is {_constant(column)} in every row", name, "SB102")]
    remarks = [] if wanted else _identifier(column, present)
    if any(remark.code in LEFT_OUT for remark in remarks):
        return remarks
    if column.schema.kind == "category":
        remarks += _levels(column)
    if column.schema.kind == "date":
        advice = f"--time-split {shlex.quote(name)}"
        told = f"column '{name}' holds dates; if rows are ordered in time, train on the past: {advice}"
        remarks.append(Remark(told, name, "SB204"))
    return remarks


def _identifier(column: Column, present: Floats) -> list[Remark]:
    kind, name, n = column.schema.kind, column.name, len(present)
    if n < FEW_ROWS or kind not in ("category", "number"):
        return []
    if kind == "category":
        n_distinct = len(np.unique(present))
        found = f"{n_distinct} of {n} values are different" if _nearly_all(n_distinct, n) else ""
    else:
        # Without a sort, as few values fit between the ends of most columns, or some aren't whole.
        room = float(present.max()) - float(present.min()) + 1
        if not _nearly_all(room, n) or not (np.floor(present) == present).all():
            return []
        n_distinct = len(np.unique(present))
        if not _nearly_all(n_distinct, n):
            return []
        found = ""
        if n_distinct == room == len(column.values):
            found = "it is a running number"
        elif _id_name.fullmatch(name):
            found = f"it is named so, and {n_distinct} of {n} values are different"
        else:
            told = f"column '{name}' may be an identifier, as {n_distinct} of its {n} whole numbers are different; "
            told += f"if it is one: --drop {shlex.quote(name)}"
            return [Remark(told, name, "SB107", n_distinct)]
    if not found:
        return []
    keep = f"--{'numeric' if kind == 'number' else 'categorical'} {shlex.quote(name)}"
    told = f"column '{name}' is left out as an identifier: {found}; to keep it: {keep}"
    return [Remark(told, name, "SB101", n_distinct)]


def _levels(column: Column) -> list[Remark]:
    name, levels = column.name, column.schema.levels
    remarks = []
    codes = column.values[~np.isnan(column.values)].astype(np.intp)
    counts = dict(zip(levels, np.bincount(codes, minlength=len(levels)).tolist(), strict=True))
    phrase, n_rows = near_duplicates(counts)
    if phrase:
        told = f"column '{name}' has levels that differ only in case or spaces, and stay apart: {phrase}"
        remarks.append(Remark(told, name, "SB105", n_rows))
    if len(levels) > MANY_LEVELS:
        told = f"column '{name}' has {len(levels)} levels; the rare ones share inputs by a hash of their text"
        remarks.append(Remark(told, name, "SB106", len(levels)))
    return remarks


def _merged(present: Floats) -> bool:
    """Whether whole numbers lie so far from zero, and so near to each other, that float64 may take some for others."""
    low, high = float(present.min()), float(present.max())
    return min(abs(low), abs(high)) >= 2**53 and high - low < 2**10 * np.spacing(high)


def _nearly_all(part: float, whole: int) -> bool:
    return 100 * part > 95 * whole


def _constant(column: Column) -> str:
    value = column.values[0]
    levels = column.schema.levels
    return repr(levels[int(value)]) if levels else number_text(float(value)) or ""
