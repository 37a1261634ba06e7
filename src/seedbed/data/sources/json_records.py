"""JSON: a list of records, or one record after the other. Numbers are read as text, so they keep every digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from seedbed.data.cells import shown
from seedbed.data.sources.charset import CHUNK, find_charset, open_text
from seedbed.data.sources.loaded import LoadedColumns, Loader, NumberText
from seedbed.data.sources.options import check_width
from seedbed.errors import UnreadableError

__all__ = ["is_json", "open_json"]

BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*[\"}]")
SPACE = re.compile(r"[ \t\r\n]*")
LONGEST_WORD = 16  # '-Infinity', '\\ud83d\\ude00'
MAX_RECORD = 1 << 24  # characters
FORMS = "JSON is read as a list of records, [{...}, {...}], or as one record a line."


def is_json(path: Path) -> bool:
    """Return whether the text begins as records do."""
    with path.open("rb") as raw:
        return BEGINNING.match(raw.read(4096)) is not None


def open_json(loader: Loader, path: Path) -> LoadedColumns:
    """Return the records' values by key. The columns are all keys, in the order in which they first occur."""
    charset = find_charset(path, loader.where)
    keys: dict[str, int] = {}

    def find_places(rows: Iterable[int]) -> dict[int, str]:
        return {row: f"record {row + 1}" for row in rows}

    with open_text(path, charset, newline="") as file:
        numeric = loader.load_rows(_rows(_Text(file, loader.where), keys, loader.where), keys, find_places)
    return loader.columns(tuple(keys), find_places, charset.notes, numeric)


def _rows(text: _Text, keys: dict[str, int], where: str) -> Iterator[list[str | None]]:
    """Yield the cells of each record in the order of `keys`, which grows with each new key."""
    for number, record in enumerate(_values(text), start=1):
        if not isinstance(record, _Record) or not record:
            raise UnreadableError(f"{where}: record {number} is {_kind(record)}", FORMS)
        check_width(len(record), f"{where}: record {number}")
        row: list[str | None] = [None] * len(keys)
        seen = set()
        for key, value in record:
            if key in seen:
                raise UnreadableError(f"{where}: record {number} has the key '{key}' twice", "Rename one of them.")
            seen.add(key)
            if isinstance(value, bool):
                value = "true" if value else "false"
            elif isinstance(value, list):
                message = f"{where}: record {number} has {_kind(value)} under the key '{key}'"
                raise UnreadableError(message, "Give each of its values a key of its own, or leave the key out.")
            position = keys.setdefault(key, len(keys))
            if position == len(row):
                row.append(value)
            else:
                row[position] = value
        check_width(len(keys), where)
        yield row


class _Record(list[tuple[str, Any]]):
    """A JSON object as pairs, so that a repeated key is noticed."""


class _Text:
    """A JSON text that is decoded value by value, with one value in memory at a time."""

    def __init__(self, file: TextIO, where: str) -> None:
        self.where = where
        self._file, self._text, self._position, self._ended = file, "", 0, False
        self._line, self._column = 1, 1  # of the text's first character
        self._decoder = json.JSONDecoder(
            object_pairs_hook=_Record, parse_int=NumberText, parse_float=NumberText, parse_constant=NumberText
        )

    def next(self) -> str:
        """Return the next character that isn't a space; empty at the end."""
        while True:
            match = SPACE.match(self._text, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._text) or self._ended:
                return self._text[self._position : self._position + 1]
            self._read_on()

    def skip(self) -> None:
        """Skip one character."""
        self._position += 1

    def value(self) -> Any:
        """Decode the value that begins at the current position."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
                # A number may continue in text that isn't read yet.
                if end < len(self._text) or self._ended or isinstance(value, list):
                    self._position = end
                    return value
            except json.JSONDecodeError as error:
                # Either it is wrong, or cut off because the rest isn't read yet.
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._text) - LONGEST_WORD
                if self._ended or not cut:
                    raise self.error(error.msg, error.pos) from error
                if len(self._text) - self._position >= MAX_RECORD:
                    raise self.error("its record has over 16 million characters") from error
            except RecursionError as error:
                raise UnreadableError(f"{self.where}: its values are nested too deep", FORMS) from error
            self._read_on()

    def error(self, message: str, position: int | None = None) -> UnreadableError:
        """Return the error for the text at a position, by default the current one."""
        before = self._text[: self._position if position is None else position]
        line = self._line + before.count("\n")
        column = len(before) - before.rfind("\n") if "\n" in before else self._column + len(before)
        return UnreadableError(f"{self.where}: line {line}, character {column} is not JSON ({message})", FORMS)

    def _read_on(self) -> None:
        """Drop the text before the current position, and read as much again as is left."""
        done = self._text[: self._position]
        self._line += done.count("\n")
        self._column = len(done) - done.rfind("\n") if "\n" in done else self._column + len(done)
        rest = self._text[self._position :]
        more = self._file.read(min(max(CHUNK, len(rest)), MAX_RECORD))
        self._text, self._position, self._ended = rest + more, 0, not more


def _values(text: _Text) -> Iterator[Any]:
    """Yield each value of a list, or of values that follow one another."""
    in_list = text.next() == "["
    if in_list:
        text.skip()
    more = text.next() not in ("]", "") if in_list else text.next() != ""
    while more:
        yield text.value()
        more = text.next() == "," if in_list else text.next() != ""
        if in_list and more:
            text.skip()
            text.next()
    if in_list:
        if text.next() != "]":
            raise text.error("Expecting ',' or ']'")
        text.skip()
        if text.next():
            raise text.error("Extra data after the list")


def _kind(value: Any) -> str:
    if isinstance(value, _Record):
        return "a record" if value else "empty"
    return "a list" if isinstance(value, list) else f"no record but {shown(value)}"
