"""JSON: a list of records, or one record after the other, read by DuckDB."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from seedbed.data.cells import WHOLE_FLOATS, quote
from seedbed.data.frame import Frame, numbered
from seedbed.data.sources.charset import find_charset
from seedbed.data.sources.delimited import duckdb_path
from seedbed.data.sources.loaded import COLUMNS_A_QUERY, Loader
from seedbed.data.sources.source_limits import MAX_COLUMNS, check_width
from seedbed.errors import UnreadableError

BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*[\"}]")
MAX_RECORD = 1 << 24  # bytes
ABSENT = 400  # bytes that a key counts in a record without it: it takes no space in the file, but memory and time
FORMS = "JSON is read as a list of records, [{...}, {...}], or as one record per line."
KINDS = {"ARRAY": "a list", "OBJECT": "a record"}
# Keys in the order in which they first occur.
KEYS = """
SELECT key FROM (SELECT rowid AS record, unnest(json_keys(json)) AS key,
  generate_subscripts(json_keys(json), 1) AS place FROM records)
GROUP BY key ORDER BY min(record), arg_min(place, record)"""


def _is_whole(path: Path) -> bool:
    """Return whether a list of records ends; DuckDB accepts one that is cut off after a comma."""
    with path.open("rb") as raw:
        is_list, end = raw.read(4096).lstrip().startswith(b"["), path.stat().st_size
        while is_list and end > 0:
            start = max(0, end - 4096)
            raw.seek(start)
            if last := raw.read(end - start).rstrip():
                return last.endswith(b"]")
            end = start
        return True


def read_json(loader: Loader, path: Path) -> Frame:
    """Return the records' values by key. The columns are all keys, in the order in which they first
    occur."""
    import duckdb

    where, charset = loader.where, find_charset(path, loader.where)
    text = path
    if not charset.plain:
        text = loader.folder / "copy.json"
        charset.copy(path, text)
    if not _is_whole(text):
        raise UnreadableError(
            f"{where} is not JSON (its list has no end, or something follows it)", FORMS
        )
    objects = (
        f"read_json_objects(?, format='auto', compression='none', maximum_object_size={MAX_RECORD})"
    )
    try:
        loader.ask(f"CREATE TEMP TABLE records AS SELECT json FROM {objects}", duckdb_path(text))
    except duckdb.InvalidInputException as error:
        reason = re.sub(
            r' in file ".*?", at',
            " at",
            str(error).splitlines()[0].rpartition("Error: ")[2],
            count=1,
        )
        reason = re.sub(
            r"(line|record/value) (\d+)", lambda match: f"{match[1]} {int(match[2]) - 1}", reason
        )
        raise UnreadableError(f"{where} is not JSON ({reason.strip()})", FORMS) from error
    names = _keys(loader)
    parts = [_load(loader, names, start) for start in range(0, len(names), COLUMNS_A_QUERY)]
    loader.ask(f"CREATE TEMP TABLE cells AS SELECT * FROM {' POSITIONAL JOIN '.join(parts)}")
    return loader.frame([name.strip() for name in names], numbered("record {}"), charset.notes)


def _keys(loader: Loader) -> list[str]:
    """Return all keys. Raise UnreadableError for values that aren't records, and for a key that is
    there twice."""
    where = loader.where
    for row, kind, value, width in loader.ask(
        "SELECT rowid, json_type(json), json[:100], len(json_keys(json)) AS width FROM records "
        f"WHERE json_type(json) <> 'OBJECT' OR width = 0 OR width > {MAX_COLUMNS} ORDER BY rowid LIMIT 1"
    ):
        record = f"{where}: record {row + 1}"
        check_width(width or 0, record)
        what = (
            "empty" if kind == "OBJECT" else KINDS.get(kind) or f"not a record but {quote(value)}"
        )
        raise UnreadableError(f"{record} is {what}", FORMS)
    records = "SELECT rowid, json_keys(json) AS keys FROM records"
    for row, keys in loader.ask(f"{records} WHERE len(keys) > len(list_distinct(keys)) LIMIT 1"):
        key = next(key for key in keys if keys.count(key) > 1)
        raise UnreadableError(
            f"{where}: record {row + 1} has the key '{key}' twice", "Rename one of them."
        )
    names = [key for (key,) in loader.ask(KEYS)]
    if not names:
        raise UnreadableError(f"{where}: there are no rows")
    check_width(len(names), where)
    [(n_rows, n_values)] = loader.ask("SELECT count(*), sum(len(json_keys(json))) FROM records")
    loader.limit.check_rows(
        n_rows, len(names), where, n_text=(n_rows * len(names) - n_values) * ABSENT
    )
    return names


def _load(loader: Loader, keys: list[str], start: int) -> str:
    """Load the values of the next keys as numbers where all are numbers, else as text. Return the
    name of the table."""
    names, part, values = keys[start : start + COLUMNS_A_QUERY], f"part{start}", f"part{start}_json"
    paths = ["/" + name.replace("~", "~0").replace("/", "~1") for name in names]  # as in RFC 6901
    aliases = [f"c{start + position}" for position in range(len(names))]
    columns = ", ".join(
        f"found[{position}] AS {alias}" for position, alias in enumerate(aliases, start=1)
    )
    extracted = "(SELECT json_extract(json, ?) AS found FROM records)"
    loader.ask(f"CREATE TEMP TABLE {values} AS SELECT {columns} FROM {extracted}", paths)
    facts = list[str]()
    for alias in aliases:
        facts.append(f"max(abs(TRY_CAST({alias}->>'$' AS DOUBLE)))")
        facts += [
            f"coalesce(bool_or(json_type({alias}) = '{kind}'), false)"
            for kind in (*KINDS, "BOOLEAN", "VARCHAR")
        ]
    [answers] = loader.ask(f"SELECT {', '.join(facts)} FROM {values}")
    wanted = []
    for position, (name, alias) in enumerate(zip(names, aliases, strict=True)):
        most, *nested, is_boolean, is_text = answers[5 * position : 5 * position + 5]
        for kind in itertools.compress(KINDS, nested):
            [(row,)] = loader.ask(
                f"SELECT min(rowid) FROM {values} WHERE json_type({alias}) = ?", kind
            )
            raise UnreadableError(
                f"{loader.where}: record {row + 1} has {KINDS[kind]} under the key '{name}'",
                "Give each of its values a separate key, or leave the key out.",
            )
        text = f"{alias}->>'$'"
        is_text = is_text or is_boolean or (most or 0) >= WHOLE_FLOATS
        if is_boolean:
            booleans = f"CASE {text} WHEN 'true' THEN 'True' ELSE 'False' END"
            text = f"CASE json_type({alias}) WHEN 'BOOLEAN' THEN {booleans} ELSE {text} END"
        wanted.append(f"{text} AS {alias}" if is_text else f"CAST({text} AS DOUBLE) AS {alias}")
    loader.ask(f"CREATE TEMP TABLE {part} AS SELECT {', '.join(wanted)} FROM {values}")
    loader.ask(f"DROP TABLE {values}")
    return part
