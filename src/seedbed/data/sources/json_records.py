"""JSON: a list of records, or one record after the other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from seedbed.data.frame import Frame, numbered
from seedbed.data.sources.charset import find_charset
from seedbed.data.sources.loaded import Loader
from seedbed.data.sources.memory import frame_of_rows
from seedbed.data.sources.source_limits import check_width
from seedbed.errors import UnreadableError

BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*[\"}]")
# Bytes that a key counts in a record without it: it takes no space in the file, but memory and time.
ABSENT = 400
FORMS = "JSON is read as a list of records, [{...}, {...}], or as one record per line."
_SPACE = re.compile(r"\s*")


def read_json(loader: Loader, path: Path) -> Frame:
    """Return the records' values by key. The columns are all keys, in the order in which they first
    occur."""
    where = loader.where
    charset = find_charset(path, where)
    text = path
    if not charset.plain:
        text = loader.folder / "copy.json"
        charset.copy(path, text)
    records = _records(text.read_text(encoding="utf-8-sig"), where)
    names = list(dict.fromkeys(key for record in records for key in record))
    if not names:
        raise UnreadableError(f"{where}: there are no rows")
    check_width(len(names), where)
    n_absent = sum(len(names) - len(record) for record in records)
    loader.limit.check_rows(len(records), len(names), where, n_text=n_absent * ABSENT)
    rows = ([record.get(name) for name in names] for record in records)
    stripped = [name.strip() for name in names]
    return frame_of_rows(loader, rows, stripped, numbered("record {}"), charset.notes)


def _records(text: str, where: str) -> list[dict[str, Any]]:
    """Return the records of a text. UnreadableError if a value isn't a record, has a key twice, or
    holds a list or a record."""
    records = []
    for number, pairs in enumerate(_values(text, where), start=1):
        place = f"{where}: record {number}"
        if not isinstance(pairs, tuple):
            kind = (
                "a list"
                if isinstance(pairs, list)
                else f"not a record but {json.dumps(pairs)[:100]}"
            )
            raise UnreadableError(f"{place} is {kind}", FORMS)
        if not pairs:
            raise UnreadableError(f"{place} is empty", FORMS)
        check_width(len(pairs), place)
        record: dict[str, Any] = {}
        for key, value in pairs:
            if key in record:
                raise UnreadableError(
                    f"{place} has the key '{key}' twice", "Rename one of them."
                )
            if isinstance(value, list | tuple):
                kind = "a list" if isinstance(value, list) else "a record"
                raise UnreadableError(
                    f"{place} has {kind} under the key '{key}'",
                    "Give each of its values a separate key, or leave the key out.",
                )
            record[key] = value
        records.append(record)
    return records


def _values(text: str, where: str) -> list[Any]:
    """Return the values of the list that a text is, or those that follow each other in it. A record
    is a tuple of pairs, so that a key may be there twice."""
    decoder = json.JSONDecoder(object_pairs_hook=tuple)
    values: list[Any] = []
    position = _end_of_space(text, 0)
    try:
        while position < len(text):
            value, end = decoder.raw_decode(text, position)
            position = _end_of_space(text, end)
            if isinstance(value, list) and not values and position == len(text):
                return value
            values.append(value)
    except (json.JSONDecodeError, RecursionError) as error:
        why = "it is too deep"
        if isinstance(error, json.JSONDecodeError):
            why = f"line {error.lineno}: {error.msg}"
        raise UnreadableError(f"{where} is not JSON ({why})", FORMS) from error
    return values


def _end_of_space(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    return start if space is None else space.end()
