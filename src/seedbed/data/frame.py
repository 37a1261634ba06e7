"""A table as its source gives it: each column is numbers or text. `typed.py` decides what a text
means."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import (
    CERTAIN_POINT,
    DOTTED,
    LEADING_ZEROS,
    WHOLE_FLOATS,
    are_codes,
    common_unit,
    missing_in_number,
    number_text,
    parse_number,
)
from seedbed.errors import ColumnError, DataError, did_you_mean
from seedbed.evaluation.summaries import Note
from seedbed.typing import Bools, Floats, Ints

ROWS_NAMED = 3  # by a note

SERIOUS = (
    "SB210",
    "SB211",
    "SB203",
    "SB209",
    "SB207",
    "SB208",
    "SB105",
    "SB215",
)  # codes of warnings: the result may be wrong
MISSING_WORDS = "cells with words count as missing"
_OBJECT_BYTES = 150  # of a text and its places in dicts
PATTERNS = (LEADING_ZEROS, DOTTED, CERTAIN_POINT)
MISSING_TYPES = ("NAType", "NaTType")


def serious_first(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Return the notes with those that may make a result wrong first; the others keep their
    order."""
    return tuple(
        sorted(
            notes,
            key=lambda note: (
                SERIOUS.index(note.code) if note.code in SERIOUS else len(SERIOUS)
            ),
        )
    )


@dataclass(frozen=True)
class Remark:
    """A note before its rows are located in the source; `rows` are the first few concerned, counted
    from 0."""

    message: str
    column: str = ""
    code: str = ""
    count: int | None = None
    rows: Sequence[int] = ()
    finding: str = ""
    remedy: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def remark_with_example(
    name: str, finding: str, example: str, count: int | None = None
) -> Remark:
    """Return a remark on a column: what was found, with an example."""
    return Remark(f"column '{name}' {finding}: {example}", name, "", count, (), finding)


def remark_on_rows(
    message: str, column: str, code: str, rows: Ints, finding: str = ""
) -> Remark:
    """Return a remark with the number of some rows, and the first ones."""
    return Remark(message, column, code, len(rows), rows[:ROWS_NAMED].tolist(), finding)


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of text by its distinct cells, so that costly work is done once per text.

    Attributes:
        texts: distinct cells, see `trim`, in the order in which they first appear; '' for an empty
            cell.
        codes: number of each row's text [row].
        counts: number of rows of each text [text].
    """

    texts: tuple[str, ...]
    codes: Ints
    counts: Ints

    @classmethod
    def of(cls, cells: Iterable[str | None]) -> Texts:
        """Return cells [row] as a column of text."""
        builder = Builder()
        builder.add_texts(list(cells))
        return builder.texts()

    @functools.cached_property
    def filled(self) -> Bools:
        """Whether each text isn't a word for a missing number [text]."""
        return np.array(
            [not missing_in_number(text) for text in self.texts], dtype=np.bool_
        )

    def __len__(self) -> int:
        return len(self.codes)

    def text_at(self, row: int) -> str:
        return self.texts[int(self.codes[row])]

    def some(self, chosen: Bools) -> list[str]:
        """Return the chosen texts [text]."""
        return [self.texts[index] for index in np.flatnonzero(chosen).tolist()]

    def rows_of(self, chosen: Bools) -> Ints:
        """Return the rows, ascending, whose text is chosen [text]."""
        return np.flatnonzero(chosen[self.codes])

    def rows(self, rows: Ints | Bools) -> Texts:
        """Return some rows, by their numbers or as a mask."""
        level_codes, first, inverse = np.unique(
            self.codes[rows], return_index=True, return_inverse=True
        )
        order = np.argsort(first)
        codes = np.argsort(order)[inverse]
        return Texts(
            tuple(self.texts[code] for code in level_codes[order].tolist()),
            codes,
            np.bincount(codes),
        )


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers: of a source that stores numbers, or of text in which each one has a
    single meaning.

    Attributes:
        values: [row]; NaN for a missing cell.
        words: of text, the cells that are missing [missing row].
        point: of text, whether some number surely has a decimal point; None if the source stores
            numbers.
        dotted: of text, all cells if a point may stand between thousands, as in '1.234', and none
            surely is decimal.
    """

    values: NDArray[Any]
    words: Texts | None = None
    point: bool | None = None
    dotted: Texts | None = None

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, rows: Ints | Bools) -> Numbers:
        """Return some rows, by their numbers or as a mask."""
        values = self.values[rows]
        missing_texts = None
        if self.words is not None:
            position = np.cumsum(np.isnan(self.values)) - 1
            missing_texts = self.words.rows(position[rows][np.isnan(values)])
        return replace(
            self,
            values=values,
            words=missing_texts,
            dotted=self.dotted.rows(rows) if self.dotted else None,
        )

    def floats(self) -> Floats:
        """Return the numbers as float64 [row]."""
        with np.errstate(over="ignore"):  # a long double
            return np.asarray(self.values, dtype=np.float64)

    def as_texts(self) -> Texts:
        """Return the column as text. 1.0 is '1', so that text doesn't depend on types."""
        if self.dotted is not None:
            return self.dotted
        levels, level_of_row = np.unique(self.values, return_inverse=True)
        texts = [number_text(level) or "" for level in levels.tolist()]
        codes = level_of_row.ravel()
        if self.words is None:
            return Texts(tuple(texts), codes, np.bincount(codes)).rows(
                np.arange(len(codes))
            )
        cells = np.array(texts, dtype=object)[codes]
        cells[np.isnan(self.values)] = np.array(self.words.texts, dtype=object)[
            self.words.codes
        ]
        return Texts.of(cells.tolist())


Cells = Numbers | Texts


def from_texts(column: Texts) -> Cells:
    """Return a column of text as numbers if it is one of `plain_numbers`, else itself."""
    by_text = np.array([parse_number(text) for text in column.texts], dtype=np.float64)
    texts = column.some(~np.isnan(by_text))
    values = by_text[column.codes]
    numbers = plain_numbers(
        values,
        lambda pattern: any(map(re.compile(pattern).fullmatch, texts)),
        lambda: column.rows(np.isnan(values)),
        lambda: column,
    )
    return column if numbers is None else numbers


def plain_numbers(
    values: Floats,
    fits: Callable[[str], bool],
    words: Callable[[], Texts],
    cells: Callable[[], Texts],
) -> Numbers | None:
    """Return a column of text as numbers if all its cells are numbers as Python writes them, or
    words for missing ones; else None.

    Codes with leading zeros stay text, and so do whole numbers that float64 can't hold.

    Args:
        values: the numbers [row], NaN for other cells.
        fits: whether some cell that is a number fits one of the `PATTERNS`.
        words: returns the cells that aren't numbers.
        cells: returns all cells.
    """
    present = values[~np.isnan(values)]
    if not len(present) or not fits_float(present):
        return None
    point = not may_be_dotted(present)
    if not point and is_whole(present) and fits(LEADING_ZEROS):
        return None
    missing = words() if len(present) < len(values) else None
    if missing is not None and missing.filled.any():
        return None
    point = point or fits(CERTAIN_POINT)
    dotted = cells() if not point and fits(DOTTED) else None
    return Numbers(values, missing, point, dotted)


def is_whole(values: Floats) -> bool:
    """Return whether all numbers that aren't missing are whole."""
    present = values[~np.isnan(values)]
    return bool((np.floor(present) == present).all())


def fits_float(values: Floats) -> bool:
    """Return whether all numbers are so small that float64 holds each digit of whole ones."""
    return (
        max(float(values.max(initial=0)), -float(values.min(initial=0))) < WHOLE_FLOATS
    )


def may_be_dotted(values: Floats) -> bool:
    """Return whether each number may be thousands with a point between: whole, or with up to three
    decimals."""
    parts = np.abs(values[values != np.floor(values)])
    return bool(
        ((parts >= 1) & (parts < 1000)).all()
        and (np.rint(parts * 1e3) / 1e3 == parts).all()
    )


class Builder:
    """Collects the cells of a column, which messages call `where`, as Python has them, part by
    part."""

    def __init__(self, where: str = "") -> None:
        self._where = where
        self._numbers: list[Floats] = []  # while there are only numbers
        self._codes: list[Ints] | None = None
        self._code_of: dict[str, int] = {}
        self._raw: dict[str | None, int] = {}
        self.size = 0  # of the distinct texts in memory in bytes, about

    def add(self, values: Sequence[Any]) -> None:
        """Add the next cells: numbers, texts, booleans, dates; None for a missing one."""
        if any(issubclass(kind, np.number) for kind in set(map(type, values))):
            values = [
                value.item() if isinstance(value, np.number) else value
                for value in values
            ]
        kinds = set(map(type, values))
        if self._codes is None:
            too_large = any(
                type(value) is int and abs(value) >= WHOLE_FLOATS for value in values
            )
            if kinds <= {int, float, type(None)} and not too_large:
                self._numbers.append(np.array(values, dtype=np.float64))
                return
            earlier = self._numbers
            self._numbers = []
            self._codes = []
            for texts in (Numbers(part).as_texts() for part in earlier):
                self.add_texts([texts.texts[code] for code in texts.codes.tolist()])
        self.add_texts(
            values
            if kinds <= {str, type(None)}
            else [text_of(value) for value in values]
        )

    def add_texts(self, cells: Sequence[str | None]) -> None:
        """Add the next cells, all text."""
        if self._codes is None:
            self._codes = []
        for cell in dict.fromkeys(cells):
            if cell not in self._raw:
                self.size += _OBJECT_BYTES + len(cell or "")
                self._raw[cell] = self._code_of.setdefault(
                    trim(cell), len(self._code_of)
                )
        self._codes.append(
            np.fromiter(
                map(self._raw.__getitem__, cells), dtype=np.int32, count=len(cells)
            )
        )

    def texts(self) -> Texts:
        """Return the cells as a column of text."""
        codes = np.concatenate([np.empty(0, dtype=np.int32), *(self._codes or ())])
        return Texts(
            tuple(self._code_of),
            codes,
            np.bincount(codes, minlength=len(self._code_of)),
        )

    def cells(self, *, keep_text: bool = False) -> Cells:
        """Return the column. Text that is numbers becomes numbers, unless it is to be kept."""
        if self._codes is None and self._numbers:
            return Numbers(np.concatenate(self._numbers))
        try:
            "".join(self._code_of).encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{self._where} holds half a character ({error.reason})",
                "Clean its text first.",
            ) from error
        return self.texts() if keep_text else from_texts(self.texts())


def trim(cell: str | None) -> str:
    """Return a cell without spaces around it, and with LF line ends; empty for a missing one."""
    return (cell or "").strip().replace("\r\n", "\n").replace("\r", "\n")


def text_of(value: Any) -> str | None:
    """Return a value as text, None for a missing one. Booleans are False and True, as in Python."""
    if type(value) is str or value is None:
        return value
    if type(value).__name__ in MISSING_TYPES:
        return None
    if isinstance(value, dt.timedelta):
        value = value.total_seconds()
    return number_text(value) if isinstance(value, int | float) else str(value)


FindPlaces = Callable[[Iterable[int]], dict[int, str]]


def numbered(template: str, first: int = 1) -> FindPlaces:
    """Return a function that says where the user finds rows: `words` with their numbers from
    `first` on."""
    return lambda rows: {row: template.format(row + first) for row in rows}


IN_MEMORY = numbered("row {} (counted from 0)", 0)


@dataclass(frozen=True, eq=False)
class Frame:
    """A table from any source. Columns are numbered by position, as names may be missing or
    repeated.

    Attributes:
        where: name of the source in messages; `name` is that in reports.
        categorical: names of columns that are categories by the source's own types.
        places: returns where the user finds rows: 'line 5' of a file, 'row 3 (counted from 0)' of a
            data frame.
        target: the default target; only examples have one.
        missing: by column, the words that stand for missing cells, as the user names them.
        most_missing: percent of the rows that may lack a target.
    """

    where: str
    names: tuple[str, ...]
    columns: tuple[Cells, ...] = field(repr=False)
    notes: tuple[Note, ...] = ()
    categorical: frozenset[str] = frozenset()
    places: FindPlaces = field(default=IN_MEMORY, repr=False)
    name: str = ""
    target: str | None = None
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    most_missing: int = 20

    @property
    def n_rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def rows(self, rows: Ints, where: str) -> Frame:
        """Return some rows, by their numbers, under another name."""

        def places(wanted: Iterable[int]) -> dict[int, str]:
            numbers = {row: int(rows[row]) for row in wanted}
            of_number = self.places(numbers.values())
            return {row: of_number[number] for row, number in numbers.items()}

        return Frame(
            where,
            self.names,
            tuple(column.rows(rows) for column in self.columns),
            places=places,
        )

    def without(self, words: Mapping[str, tuple[str, ...]]) -> Frame:
        """Return the frame in which some words are missing cells, by column, with a note on each
        column."""
        columns = list(self.columns)
        remarks = list[Remark]()
        for name, values in words.items():
            position = self.names.index(name)
            column = self.columns[position]
            texts = self.texts(position)
            coded = are_codes(
                texts.texts,
                values,
                common_unit([text for text in texts.texts if text not in values]),
            )
            rows = texts.rows_of(coded)
            if isinstance(column, Numbers) and column.dotted is None:
                columns[position] = Numbers(
                    np.where(coded[texts.codes], np.nan, column.floats()),
                    point=column.point,
                )
            else:
                cells = np.where(coded, "", np.array(texts.texts, dtype=object))
                columns[position] = from_texts(Texts.of(cells[texts.codes]))
            remarks.append(
                remark_on_rows(
                    f"column '{name}': cells with {', '.join(values)} count as missing, as requested",
                    name,
                    "",
                    rows,
                    MISSING_WORDS,
                )
            )
        return replace(
            self,
            columns=tuple(columns),
            notes=(*self.notes, *as_notes(self, remarks)),
            missing=words,
        )

    def position_of(self, name: str, why: str = "") -> int:
        """Return the position of a column. ColumnError, with why it is needed, if there is none."""
        if name not in self.names:
            message = f"{self.where}: no column '{name}'{why}"
            raise ColumnError(message, did_you_mean(name, self.names))
        return self.names.index(name)

    def cells(self, position: int) -> list[str | None]:
        """Return the cells of a column as text [row], ends stripped; None for a missing one."""
        column = self.texts(position)
        return [column.texts[code] or None for code in column.codes.tolist()]

    def texts(self, position: int) -> Texts:
        """Return a column as text."""
        column = self.columns[position]
        return column.as_texts() if isinstance(column, Numbers) else column

    def numbers(self, position: int) -> Floats:
        """Return the numbers of a column [row]: NaN for any cell that isn't one as Python writes
        it."""
        column = self.columns[position]
        if isinstance(column, Numbers):
            return column.floats()
        return np.array(
            [parse_number(text) for text in column.texts], dtype=np.float64
        )[column.codes]


def as_notes(frame: Frame, remarks: Sequence[Remark]) -> tuple[Note, ...]:
    """Return notes whose rows are named as the user finds them, in one pass through the source."""
    wanted = {row for remark in remarks for row in remark.rows}
    places = frame.places(wanted) if wanted else {}
    return tuple(
        Note(**{**vars(remark), "rows": tuple(places[row] for row in remark.rows)})
        for remark in remarks
    )
