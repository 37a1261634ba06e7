"""What each column of a table is (number, boolean, date or category), decided by the cells of all columns."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedbed.data.cells import (
    CERTAIN_POINT,
    DOTTED,
    LEADING_ZEROS,
    exact_numbers,
    is_code_column,
    missing_in_category,
    missing_in_number,
    moment,
    numeral,
    shown,
)
from seedbed.data.columns import Columns, Note, as_notes
from seedbed.data.kinds import (
    LEFT_OUT,
    Distinct,
    Draft,
    Finished,
    Plain,
    as_category,
    as_numbers,
    boolean_value,
    distinct,
    finish,
    finish_plain,
    has_dotted_date,
    is_sex,
    is_whole,
    judge,
    understand,
)
from seedbed.data.on_disk import is_large, spill
from seedbed.data.table import Column, ColumnSchema
from seedbed.errors import ColumnError
from seedbed.typing import Bools, Floats

__all__ = ["Typed", "read_cells", "type_columns"]

MARKS = 20  # columns of plain numbers that are searched for points if commas can be read in two ways
ANY_TEXT = r"(?s).*"


@dataclass(frozen=True, eq=False)
class Typed:
    """Typed columns.

    Attributes:
        columns: all that were asked for, in order.
        left_out: names of those that shouldn't be features: constant, empty, or identifiers.
        notes: decisions and warnings, in the order of the columns.
        decimal: the decimal mark of the table, "point" or "comma"; empty if no cell decides it.
    """

    columns: tuple[Column, ...]
    left_out: frozenset[str]
    notes: tuple[Note, ...]
    decimal: str = ""


@dataclass(frozen=True)
class _Habits:
    """Spellings of a table for columns that can be read in two ways; `known` if other columns decide it."""

    decimal: str
    decimal_known: bool
    dates: str
    dates_known: bool


def type_columns(
    columns: Columns, positions: Sequence[int], *, numeric: Collection[str] = (), categorical: Collection[str] = ()
) -> Typed:
    """Decide on all rows what columns are. Those named in `numeric` are numbers whatever their cells are.

    All columns of the table, also the target and those that are dropped, decide how it writes numbers and dates.

    Raises:
        ColumnError: infinite numbers, all columns concerned are named; or no number in a column of `numeric`.
    """
    forced = {*numeric, *categorical}
    everything = list(dict.fromkeys([*positions, *range(len(columns.names))]))
    looks = _look(columns, everything, numeric, categorical)
    habits = _habits(columns, everything, looks)
    decimal = habits.decimal if habits.decimal_known else ""
    commas = _without_points(columns, everything, looks) if decimal == "comma" else frozenset()
    finished = []
    for position, look in zip(positions, looks, strict=False):
        name = columns.names[position]
        if isinstance(look, Plain):
            spelling = "comma" if position in commas else "point"
            finished.append(finish_plain(name, look, spelling=spelling, forced=name in forced))
        else:
            spelling, known = next(iter(look.readings)), True
            if look.is_open and look.kind == "date":
                spelling, known = habits.dates, habits.dates_known
            elif look.is_open:
                spelling, known = habits.decimal, habits.decimal_known
            finished.append(finish(name, look, spelling=spelling, known=known, forced=name in forced))
        column = finished[-1].column
        finished[-1] = replace(finished[-1], column=Column(column.schema, spill(column.values)))
    _refuse_infinite(columns, positions, finished)
    _refuse_no_number(columns, numeric, finished)
    judged = [judge(one.column, wanted=one.column.name in forced) for one in finished]
    remarks = [remark for one, more in zip(finished, judged, strict=True) for remark in (*one.remarks, *more)]
    return Typed(
        columns=tuple(one.column for one in finished),
        left_out=frozenset(remark.column for more in judged for remark in more if remark.code in LEFT_OUT),
        notes=as_notes(columns, remarks),
        decimal=decimal,
    )


def read_cells(columns: Columns, position: int, schema: ColumnSchema) -> tuple[Floats, Bools]:
    """Read a column's cells by a schema. A column read by its own schema equals what it was typed as.

    Returns:
        The values [row]: NaN for what is missing or can't be read, -1 for a level that the schema doesn't know. And
        whether a cell can't be read [row]: it isn't a number, a date, or one of two levels.
    """
    if schema.kind in ("number", "boolean"):
        values = columns.numbers([position])[:, 0].copy()
        if schema.spelling == "comma" and columns.matches([position], ANY_TEXT)[0]:
            values[:] = np.nan  # '1.234' may be a thousand and more
        elif schema.kind == "boolean":
            values[((values != 0) & (values != 1)) | is_sex(schema.levels)] = np.nan
        unread, odd = np.zeros(len(values), dtype=np.bool_), np.flatnonzero(~np.isfinite(values))
        if len(odd):
            texts = columns.cells(position)
            values[odd], unread[odd] = _read_texts(distinct(texts[row] for row in odd.tolist()), schema)
        return values, unread
    return _read_texts(distinct(columns.cells(position)), schema)


def _read_texts(cells: Distinct, schema: ColumnSchema) -> tuple[Floats, Bools]:
    """Do what `read_cells` does, for cells that are texts."""
    values = np.array(read_texts(cells.texts, schema), dtype=np.float64)
    is_category = schema.kind == "category"  # of which every text is a level
    filled = np.array([not (is_category or missing_in_number(text)) for text in cells.texts], dtype=np.bool_)
    return values[cells.codes], (np.isnan(values) & filled)[cells.codes]


def read_texts(texts: Iterable[str], schema: ColumnSchema) -> list[float]:
    """Return the values of texts, ends stripped, as `read_cells` does."""
    if schema.kind == "number":
        found = [numeral(text).comma if schema.spelling == "comma" else numeral(text).point for text in texts]
        return [value if np.isfinite(value) else np.nan for value in found]
    if schema.kind == "boolean":
        return [boolean_value(text, schema.levels) for text in texts]
    if schema.kind == "date":
        return [getattr(moment(text), schema.spelling) for text in texts]
    code_of = {level: float(code) for code, level in enumerate(schema.levels)}
    # 1.0 is the level 1 where all levels are numbers.
    code_of_number = {number: code_of[level] for level, number in exact_numbers(schema.levels).items()}
    among_codes = is_code_column(schema.levels)
    values = []
    for text in texts:
        if text in code_of:
            values.append(code_of[text])
        elif missing_in_category(text, among_codes=among_codes):
            values.append(np.nan)
        else:
            number = exact_numbers([text]).get(text) if code_of_number else None
            values.append(-1.0 if number is None else code_of_number.get(number, -1.0))
    return values


def _look(
    columns: Columns, positions: Sequence[int], numeric: Collection[str], categorical: Collection[str]
) -> list[Plain | Draft]:
    """Return what each column is by its own cells."""
    looks: list[Plain | Draft] = []
    for position, values in zip(positions, _numbers(columns, positions), strict=True):
        name = columns.names[position]
        if name in categorical:
            looks.append(as_category(distinct(columns.cells(position))))
        else:
            looks.append(_look_at(columns, position, values, forced=name in numeric))
    unforced = [
        place
        for place, look in enumerate(looks)
        if isinstance(look, Plain) and columns.names[positions[place]] not in numeric and is_whole(look.values)
    ]
    codes = columns.matches([positions[place] for place in unforced], LEADING_ZEROS)
    for place, has_codes in zip(unforced, codes.tolist(), strict=True):
        if has_codes:
            looks[place] = as_category(distinct(columns.cells(positions[place])))
    return looks


def _numbers(columns: Columns, positions: Sequence[int]) -> Iterator[Floats]:
    """Yield the numbers of each column [row]. Those of a large table are read one by one, and written to disk."""
    if is_large(columns.n_rows, len(positions)):
        for position in positions:
            yield spill(columns.numbers([position])[:, 0])
        return
    matrix = columns.numbers(positions)
    for place in range(len(positions)):
        yield matrix[:, place].copy()


def _look_at(columns: Columns, position: int, values: Floats, *, forced: bool) -> Plain | Draft:
    """Return what a column is. If all cells but missing words are plain numbers, only those words are read."""
    odd = np.flatnonzero(~np.isfinite(values))
    if not len(odd):
        return Plain(values)
    cells = columns.cells(position)
    if 2 * len(odd) < len(values):
        words = distinct(cells[row] for row in odd.tolist())
        if all(map(missing_in_number, words.texts)):
            return Plain(values, words)
    found = distinct(cells)
    return (as_numbers(found, percent=0) if forced else None) or understand(found)


def _habits(columns: Columns, positions: Sequence[int], looks: list[Plain | Draft]) -> _Habits:
    """Return how the table writes numbers and dates. In `looks`, plain numbers that may be thousands become drafts."""
    drafts = [look for look in looks if isinstance(look, Draft)]
    comma = any(draft.sure == "comma" for draft in drafts)
    thousands = any(draft.thousands for draft in drafts)
    point = any(draft.sure == "point" for draft in drafts)
    plain = {place: look.values for place, look in enumerate(looks) if isinstance(look, Plain)}
    small = {place for place, values in plain.items() if _may_be_dotted(values)}
    # Columns of fractions that can't be thousands come first: they are most likely to decide.
    fractions = [place for place in sorted(plain, key=small.__contains__) if not is_whole(plain[place])]
    dotted = [place for place in fractions if place in small]
    if comma or dotted or any(draft.is_open and draft.kind == "number" for draft in drafts):
        point = point or bool(columns.matches([positions[i] for i in fractions[:MARKS]], CERTAIN_POINT).any())
    if not point:
        # Whole numbers may be '2.000', too, but only decimal commas justify the search for these.
        _look_for_dots(columns, positions, looks, sorted(small) if comma else dotted)
    decimal = "comma" if comma and not thousands else "point"
    orders = {draft.sure for draft in drafts if draft.kind == "date"} & {"dmy", "mdy"}
    one_order = len(orders) == 1
    dotted_dates = any(draft.is_open and draft.kind == "date" and has_dotted_date(draft.cells) for draft in drafts)
    return _Habits(
        decimal=decimal,
        decimal_known=comma != thousands or (point and not comma),
        dates=orders.pop() if one_order else "dmy" if decimal == "comma" or dotted_dates else "mdy",
        dates_known=one_order,
    )


def _look_for_dots(
    columns: Columns, positions: Sequence[int], looks: list[Plain | Draft], places: Sequence[int]
) -> None:
    """Make drafts of plain numbers that may be thousands, as 1.234, unless a cell of their column excludes it."""
    wanted = [positions[place] for place in places]
    dotted = columns.matches(wanted, DOTTED) & ~columns.matches(wanted, CERTAIN_POINT)
    for place, is_dotted in zip(places, dotted.tolist(), strict=True):
        if is_dotted:
            looks[place] = as_numbers(distinct(columns.cells(positions[place])), percent=0) or looks[place]


def _may_be_dotted(values: Floats) -> bool:
    """Return whether numbers may be thousands with a dot between: whole, or with up to three decimals, as 1.234 is."""
    present = values[~np.isnan(values)]
    size = np.abs(present)
    return bool(
        ((present == np.floor(present)) | ((size >= 1) & (size < 1000) & (np.rint(size * 1e3) / 1e3 == size))).all()
    )


def _without_points(columns: Columns, positions: Sequence[int], looks: Sequence[Plain | Draft]) -> frozenset[int]:
    """Return the positions of columns of plain numbers as text, none of which has a point."""
    plain = [position for position, look in zip(positions, looks, strict=True) if isinstance(look, Plain)]
    found = columns.matches(plain, ANY_TEXT) & ~columns.matches(plain, r"(?s).*\..*")
    return frozenset(position for position, has_none in zip(plain, found.tolist(), strict=True) if has_none)


def _refuse_no_number(columns: Columns, numeric: Collection[str], finished: Sequence[Finished]) -> None:
    for one in finished:
        name = one.column.name
        if name in numeric and np.isnan(one.column.values).all():
            cells = columns.cells(columns.names.index(name))
            found = next((cell for cell in cells if cell and not missing_in_number(cell.strip())), None)
            if found:
                message = f"{columns.where}: column '{name}' holds no number, but text ({shown(found)})"
                raise ColumnError(message, f"Leave --numeric {shlex.quote(name)} out.")


def _refuse_infinite(columns: Columns, positions: Sequence[int], finished: Sequence[Finished]) -> None:
    """Raise one error that names every such column, so that the user can repair all at once."""
    bad = [
        (position, one.infinite) for position, one in zip(positions, finished, strict=True) if one.infinite is not None
    ]
    if not bad:
        return
    places = columns.places({int(rows[0]) for _, rows in bad})
    listed = ", ".join(
        f"column '{columns.names[position]}' ({len(rows)} of {columns.n_rows} cells, first in {places[int(rows[0])]}: "
        f"{shown(columns.cells(position)[rows[0]])})"
        for position, rows in bad
    )
    drop = " ".join(f"--drop {shlex.quote(columns.names[position])}" for position, _ in bad)
    raise ColumnError(
        f"{columns.where}: infinite or too large numbers: {listed}", f"Repair or leave out what is named: {drop}"
    )
