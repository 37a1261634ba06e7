"""JSON: a list of records, or one record after the other; numbers keep every digit, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from seedbed.data.cells import shown
from seedbed.data.sources.charset import find_charset, open_text
from seedbed.data.sources.limits import check_width
from seedbed.data.sources.loaded import LoadedColumns, load_rows, loaded
from seedbed.errors import UnreadableError

__all__ = ["is_json", "open_json"]

BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*[\"}]")
SPACE = re.compile(r"[ \t\r\n]*")
FORMS = "JSON is read as a list of records, [{...}, {...}], or as one record a line."


def is_json(path: Path) -> bool:
    """Whether the text begins as records do."""
    with path.open("rb") as raw:
        return BEGINNING.match(raw.read(4096)) is not None


def open_json(connection: duckdb.DuckDBPyConnection, path: Path, where: str, *, folder: Path) -> LoadedColumns:
    """The records' values by key; the columns are all keys, in the order in which they first occur.

    Raises:
        UnreadableError: no JSON, no records, a key twice in one record, or a value that is a list or a record.
    """
    charset = find_charset(path, where)
    with open_text(path, charset, newline="") as file:
        text = file.read()
    keys: dict[str, int] = {}

    def find_places(rows: Iterable[int]) -> dict[int, str]:
        return {row: f"record {row + 1}" for row in rows}

    load_rows(connection, _rows(text, keys, where), folder=folder, find_places=find_places, where=where)
    return loaded(connection, where=where, names=tuple(keys), notes=charset.notes, find_places=find_places)


def _rows(text: str, keys: dict[str, int], where: str) -> Iterator[list[str | None]]:
    """The cells of each record, in the order of `keys`, which grows as new ones occur."""
    for number, record in enumerate(_values(text, where), start=1):
        if not isinstance(record, _Record) or not record:
            raise UnreadableError(f"{where}: record {number} is {_kind(record)}", FORMS)
        cells = dict(record)
        if len(cells) != len(record):
            names = [key for key, _ in record]
            twice = next(key for key in names if names.count(key) > 1)
            raise UnreadableError(f"{where}: record {number} has the key '{twice}' twice", "Rename one of them.")
        row: list[str | None] = [None] * len(keys)
        for key, value in cells.items():
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
    """A JSON object, its keys in order and maybe twice."""


def _values(text: str, where: str) -> Iterator[Any]:
    """Each value of a list, or of values that follow one another."""
    decoder = json.JSONDecoder(object_pairs_hook=_Record, parse_int=str, parse_float=str, parse_constant=str)
    position = _skip(text, 0)
    in_list = text.startswith("[", position)
    if in_list:
        position = _skip(text, position + 1)
    more = not text.startswith("]", position) if in_list else position < len(text)
    try:
        while more:
            value, position = decoder.raw_decode(text, position)
            yield value
            position = _skip(text, position)
            more = text.startswith(",", position) if in_list else position < len(text)
            if in_list and more:
                position = _skip(text, position + 1)
        if in_list:
            if not text.startswith("]", position):
                raise json.JSONDecodeError("Expecting ',' or ']'", text, position)
            position = _skip(text, position + 1)
        if position < len(text):
            raise json.JSONDecodeError("Extra data after the list", text, position)
    except json.JSONDecodeError as error:
        message = f"{where}: line {error.lineno}, character {error.colno} is no JSON ({error.msg})"
        raise UnreadableError(message, FORMS) from error
    except RecursionError as error:
        raise UnreadableError(f"{where}: its values are nested too deep", FORMS) from error


def _skip(text: str, position: int) -> int:
    match = SPACE.match(text, position)
    return match.end() if match else position


def _kind(value: Any) -> str:
    if isinstance(value, _Record):
        return "a record" if value else "empty"
    return "a list" if isinstance(value, list) else f"no record but {shown(value)}"
