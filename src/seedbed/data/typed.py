"""What each column of a table is (number, boolean, date or category), decided by the cells of all
columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import structs

from seedbed.data import kinds
from seedbed.data.cells import (
    are_codes,
    exact_numbers,
    is_code_column,
    missing_in_category,
    missing_in_number,
    moment,
    number_text,
    numbers_in,
    numeral,
    quote,
    without_unit,
)
from seedbed.data.frame import Frame, Numbers, as_notes, is_whole, text_of, trim
from seedbed.data.table import Column, ColumnSchema, Kind
from seedbed.errors import ColumnError, spell
from seedbed.evaluation.summaries import Note
from seedbed.typing import Bools, Floats

TRUTH = {"false", "true"}


@dataclass(frozen=True, eq=False)
class Typed:
    """Typed columns, with notes in their order.

    Attributes:
        left_out: names of those that shouldn't be features: constant, empty, or identifiers.
        decimal: the decimal mark of the table, "point" or "comma"; empty if no cell decides it.
    """

    columns: tuple[Column, ...]
    left_out: frozenset[str]
    notes: tuple[Note, ...]
    decimal: str = ""


def type_columns(
    frame: Frame,
    positions: Sequence[int],
    *,
    numeric: Collection[str] = (),
    categorical: Collection[str] = (),
) -> Typed:
    """Decide on all rows what columns are. Those named in `numeric` are numbers whatever their
    cells are.

    All columns of the table, also the target and those that are dropped, decide how it writes
    numbers and dates. Raises ColumnError for infinite numbers, and for no number in a column of
    `numeric`.
    """
    forced = {*numeric, *categorical}
    everything = dict.fromkeys([*positions, *range(len(frame.names))])
    looks = [_look(frame, position, numeric, categorical) for position in everything]
    habits = _habits(looks)
    decimal, is_certain = habits["number"]
    finished = list[kinds.Finished]()
    for position, look in zip(positions, looks, strict=False):
        name = frame.names[position]
        if isinstance(look, Numbers):
            has_commas = is_certain and decimal == "comma" and look.point is False
            spelling = "comma" if has_commas else "point"
            is_known = True
        else:
            spelling, is_known = (
                habits[look.kind] if look.is_open else (next(iter(look.readings)), True)
            )
        finished.append(
            kinds.finish(
                name, look, spelling=spelling, is_known=is_known, forced=name in forced
            )
        )
    columns = tuple(
        Column(
            structs.replace(
                c.schema, missing=(*frame.missing.get(c.name, ()), *c.schema.missing)
            ),
            c.values,
        )
        for c, _ in finished
    )
    _refuse_infinite(frame, positions, columns)
    for position, column in zip(positions, columns, strict=True):
        if column.name in numeric and np.isnan(column.values).all():
            text = next(
                (
                    text
                    for text in frame.texts(position).texts
                    if not missing_in_number(text)
                ),
                None,
            )
            if text:
                raise ColumnError(
                    f"{frame.where}: column '{column.name}' holds no number, but text ({quote(text)})",
                    f"Leave {spell('numeric', column.name)} out.",
                )
    remarks = [
        r
        for c, how_read in finished
        for r in (*how_read, *kinds.objections(c, wanted=c.name in forced))
    ]
    left_out = frozenset(
        remark.column for remark in remarks if remark.code in kinds.LEFT_OUT
    )
    return Typed(
        columns, left_out, as_notes(frame, remarks), decimal if is_certain else ""
    )


@dataclass(frozen=True, eq=False)
class NewRows:
    """New rows, read by the schemas of a model.

    Attributes:
        columns: for each schema, values [row] as a `Column` has them: NaN for a cell that can't be
            read, -1 for an unknown level.
        odd: for each schema, by row the texts of cells that can't be read or whose level is
            unknown.
    """

    n_rows: int
    columns: tuple[Floats, ...]
    odd: tuple[Mapping[int, str], ...]

    def window(self, start: int, stop: int) -> NewRows:
        """Return the rows from `start` to before `stop`."""
        stop = min(stop, self.n_rows)
        odd = [
            {row - start: text for row, text in texts.items() if start <= row < stop}
            for texts in self.odd
        ]
        return NewRows(
            stop - start,
            tuple(column[start:stop] for column in self.columns),
            tuple(odd),
        )


def read_rows(
    frame: Frame, positions: Sequence[int], schemas: Sequence[ColumnSchema]
) -> NewRows:
    """Read columns by their schemas. A column read by its own schema equals what it was typed
    as."""
    cells = [
        _read(frame, position, schema)
        for position, schema in zip(positions, schemas, strict=True)
    ]
    return NewRows(
        frame.n_rows,
        tuple(values for values, _ in cells),
        tuple(odd for _, odd in cells),
    )


def as_text(schemas: Iterable[ColumnSchema]) -> tuple[str, ...]:
    """Return the names of columns that must be read as text, even if they look like numbers."""
    return tuple(
        schema.name
        for schema in schemas
        if schema.kind in ("date", "category") or schema.spelling == "comma"
    )


def read_values(
    values: Sequence[Sequence[Any]], schemas: Sequence[ColumnSchema]
) -> NewRows:
    """Read plain values [column][row] by their schemas: numbers, texts, booleans, or None for a
    missing value.

    A number is one by itself, whatever the decimal mark of text in its column.
    """
    cells = [
        _read_values(column, schema)
        for column, schema in zip(values, schemas, strict=True)
    ]
    return NewRows(
        len(values[0]),
        tuple(column for column, _ in cells),
        tuple(odd for _, odd in cells),
    )


def _read(
    frame: Frame, position: int, schema: ColumnSchema
) -> tuple[Floats, dict[int, str]]:
    """Return a column's values [row], and the texts by row that can't be read, or whose level is
    unknown."""
    column = frame.columns[position]
    as_written = (
        schema.spelling == "comma"
        and isinstance(column, Numbers)
        and column.point is not None
    )
    if (
        isinstance(column, Numbers)
        and schema.kind in ("number", "boolean")
        and not as_written
    ):
        return _read_numbers(column.floats(), schema)
    texts = frame.texts(position)
    by_text, unread = _read_texts(texts.texts, schema)
    return by_text[texts.codes], {
        row: texts.text_at(row) for row in texts.rows_of(unread).tolist()
    }


def _read_values(
    column: Sequence[Any], schema: ColumnSchema
) -> tuple[Floats, dict[int, str]]:
    plain = (int, float) if schema.kind in ("number", "boolean") else ()
    values, odd = _read_numbers(
        np.array([float(cell) if type(cell) in plain else np.nan for cell in column]),
        schema,
    )
    texts = {
        i: trim(text_of(cell))
        for i, cell in enumerate(column)
        if cell is not None and type(cell) not in plain
    }
    if texts:
        rows, cells = list(texts), list(texts.values())
        values[rows], unread = _read_texts(cells, schema)
        odd |= {
            row: text
            for row, text, is_unread in zip(rows, cells, unread.tolist(), strict=True)
            if is_unread
        }
    return values, odd


def _read_numbers(
    values: Floats, schema: ColumnSchema
) -> tuple[Floats, dict[int, str]]:
    if schema.missing:
        values = np.where(
            np.isin(values, [*numbers_in(schema.missing)]), np.nan, values
        )
    unread = np.isinf(values)
    if schema.kind == "boolean":
        unread |= ~np.isnan(values) & (
            ((values != 0) & (values != 1)) | kinds.is_sex(schema.levels)
        )
    if not unread.any():
        return values, {}
    odd = {
        row: str(number_text(float(values[row])))
        for row in np.flatnonzero(unread).tolist()
    }
    return np.where(unread, np.nan, values), odd


def _read_texts(texts: Sequence[str], schema: ColumnSchema) -> tuple[Floats, Bools]:
    """Return the values of texts as columns have them, and which can't be read or are unknown
    levels [text]."""
    coded = are_codes(texts, schema.missing, schema.unit)
    values = np.where(
        coded, np.nan, np.array(_values_of(texts, schema), dtype=np.float64)
    )
    if schema.kind == "category":
        return values, values < 0
    absent = np.array([missing_in_number(text) for text in texts], dtype=np.bool_)
    return values, np.isnan(values) & ~absent & ~coded


def _values_of(texts: Iterable[str], schema: ColumnSchema) -> list[float]:
    if schema.kind == "number":
        mark = schema.spelling or "point"
        numbers = [
            getattr(numeral(without_unit(text, schema.unit)), mark) for text in texts
        ]
        return [number if np.isfinite(number) else np.nan for number in numbers]
    if schema.kind == "boolean":
        return [kinds.boolean_value(text, schema.levels) for text in texts]
    if schema.kind == "date":
        return [getattr(moment(text), schema.spelling) for text in texts]
    code_of = {trim(level): float(code) for code, level in enumerate(schema.levels)}
    # 1.0 is the level 1 where all levels are numbers.
    code_of_number = {
        number: code_of[trim(level)]
        for level, number in exact_numbers(schema.levels).items()
    }
    among_codes = is_code_column(schema.levels)

    def code(text: str) -> float:
        if text not in code_of and missing_in_category(text, among_codes=among_codes):
            return np.nan
        numbers = (
            exact_numbers([text]) if code_of_number and text not in code_of else {}
        )
        return (
            code_of_number.get(numbers[text], -1.0)
            if numbers
            else code_of.get(text, -1.0)
        )

    return [code(text) for text in texts]


def _look(
    frame: Frame, position: int, numeric: Collection[str], categorical: Collection[str]
) -> Numbers | kinds.Draft:
    """Return what a column is by its own cells."""
    name, column = frame.names[position], frame.columns[position]
    if name in categorical:
        return kinds.as_category(frame.texts(position))
    if isinstance(column, Numbers):
        return column
    draft = kinds.understand(column)
    if name not in numeric or (
        draft.kind == "boolean" and {level.lower() for level in draft.levels} == TRUTH
    ):
        return draft
    return kinds.as_numbers(column, percent=0) or draft


def _habits(looks: list[Numbers | kinds.Draft]) -> dict[Kind, tuple[str, bool]]:
    """Return the spelling of numbers and of dates for columns that can be read in two ways, and
    whether other columns decide it. In `looks`, numbers that may be thousands become drafts."""
    drafts = [look for look in looks if isinstance(look, kinds.Draft)]
    comma, thousands = (
        any(draft.sure == "comma" for draft in drafts),
        any(draft.thousands for draft in drafts),
    )
    point = any(
        look.point if isinstance(look, Numbers) else look.sure == "point"
        for look in looks
    )
    if not point:
        # Whole numbers may be '2.000', too, but only decimal commas justify the search for these.
        for index, look in enumerate(looks):
            if (
                isinstance(look, Numbers)
                and look.dotted is not None
                and (comma or not is_whole(look.floats()))
            ):
                looks[index] = kinds.as_numbers(look.dotted, percent=0) or look
    decimal = "comma" if comma and not thousands else "point"
    dates = [draft for draft in drafts if draft.kind == "date"]
    orders = {draft.sure for draft in dates} & {"dmy", "mdy"}
    dotted = any(
        draft.is_open and kinds.has_dotted_date(draft.cells) for draft in dates
    )
    order = "dmy" if decimal == "comma" or dotted else "mdy"
    dates_habit = (orders.pop(), True) if len(orders) == 1 else (order, False)
    return {
        "number": (decimal, comma != thousands or (point and not comma)),
        "date": dates_habit,
    }


def _refuse_infinite(
    frame: Frame, positions: Sequence[int], columns: Sequence[Column]
) -> None:
    """Raise one error that names every such column, so that the user can repair all at once."""
    numeric = [
        (i, column)
        for i, column in zip(positions, columns, strict=True)
        if column.schema.kind == "number"
    ]
    bad = {
        i: rows
        for i, column in numeric
        if len(rows := np.flatnonzero(np.isinf(column.values)))
    }
    if not bad:
        return
    places = frame.places({int(rows[0]) for rows in bad.values()})
    listed = list[str]()
    for i, rows in bad.items():
        first = (
            f"first in {places[int(rows[0])]}: {quote(frame.texts(i).text_at(rows[0]))}"
        )
        listed.append(
            f"column '{frame.names[i]}' ({len(rows)} of {frame.n_rows} cells, {first})"
        )
    raise ColumnError(
        f"{frame.where}: infinite or too large numbers: {', '.join(listed)}",
        f"Repair these columns, or leave them out with {spell('drop', *(frame.names[position] for position in bad))}",
    )
