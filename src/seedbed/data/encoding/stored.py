"""A layout as plain values fit for JSON, and back: nothing that a stranger wrote is believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from seedbed.data.encoding.layout import Layout
from seedbed.data.encoding.vocabulary import BUCKETS, Vocabulary
from seedbed.data.table import ColumnSchema, Kind
from seedbed.errors import DataError

__all__ = ["layout_from_values", "layout_to_values"]

_SPELLINGS = {"number": ("point", "comma"), "date": ("ymd", "dmy", "mdy"), "boolean": ("",), "category": ("",)}
_KEYS = {"name", "kind", "levels", "spelling", "missing_words", "has_missing", "vocabulary", "timed"}


def layout_to_values(layout: Layout) -> list[dict[str, Any]]:
    """A dict for each column; what goes without saying isn't said, as tables may have ten thousand."""
    columns = []
    for schema, vocabulary, timed in zip(layout.schemas, layout.vocabularies, layout.timed, strict=True):
        values: dict[str, Any] = {
            "name": schema.name,
            "kind": schema.kind,
            "levels": list(schema.levels),
            "spelling": schema.spelling,
            "missing_words": list(schema.missing_words),
            "has_missing": schema.has_missing,
            "timed": timed,
        }
        if vocabulary is not None:
            kept = list(vocabulary.kept)
            values["vocabulary"] = {"kept": kept, "n_buckets": vocabulary.n_buckets, "needed": vocabulary.needed}
        columns.append({key: value for key, value in values.items() if value not in ("", [], False)})
    return columns


def layout_from_values(columns: Any) -> Layout:
    """What `layout_to_values` gave, made a layout again.

    Raises:
        DataError: it isn't such a list.
    """
    _check(isinstance(columns, list) and bool(columns), "there are no columns")
    schemas = [_schema(column) for column in columns]
    _check(len({schema.name for schema in schemas}) == len(schemas), "two columns have one name")
    vocabularies = [_vocabulary(column, schema) for column, schema in zip(columns, schemas, strict=True)]
    timed = [column.get("timed", False) for column in columns]
    for schema, one in zip(schemas, timed, strict=True):
        _check(one is False or (one is True and schema.kind == "date"), f"'{schema.name}' can't be timed")
    return Layout(tuple(schemas), tuple(vocabularies), tuple(timed))


def _schema(values: Any) -> ColumnSchema:
    _check(isinstance(values, Mapping) and values.keys() <= _KEYS, "a column isn't described as columns are")
    name, kind, levels = values.get("name"), values.get("kind"), values.get("levels", [])
    _check(isinstance(name, str) and kind in get_args(Kind), "a column has no name or no kind")
    words, has_missing = values.get("missing_words", []), values.get("has_missing", False)
    _check(_list_of(str, levels) and _list_of(str, words), f"the levels of '{name}' are no texts")
    _check(len(set(levels)) == len(levels), f"'{name}' has a level twice")
    n_levels: Callable[[int], bool] = {"boolean": lambda n: n == 2, "category": lambda n: n > 0}.get(
        kind, lambda n: n == 0
    )
    _check(n_levels(len(levels)), f"'{name}' is a {kind} with {len(levels)} levels")
    spelling = values.get("spelling", "")
    _check(spelling in _SPELLINGS[kind] and isinstance(has_missing, bool), f"'{name}' isn't described as a {kind} is")
    return ColumnSchema(name, kind, tuple(levels), spelling, tuple(words), has_missing)


def _vocabulary(values: Mapping[str, Any], schema: ColumnSchema) -> Vocabulary | None:
    found = values.get("vocabulary")
    if schema.kind != "category":
        _check(found is None, f"'{schema.name}' has a vocabulary and is no category")
        return None
    _check(isinstance(found, Mapping) and found.keys() == {"kept", "n_buckets", "needed"}, "a vocabulary is damaged")
    assert isinstance(found, Mapping)
    kept, n_buckets, needed = found["kept"], found["n_buckets"], found["needed"]
    numbers = _list_of(int, kept) and _list_of(int, [n_buckets, needed])
    _check(numbers and n_buckets in (1, BUCKETS) and needed >= 0, f"the vocabulary of '{schema.name}' is damaged")
    ascending = all(a < b for a, b in zip([-1, *kept], [*kept, len(schema.levels)], strict=True))
    _check(ascending, f"the vocabulary of '{schema.name}' isn't of its levels")
    return Vocabulary(tuple(kept), n_buckets, needed)


def _list_of(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _check(fits: bool, what: str) -> None:
    if not fits:
        raise DataError(f"the description of the columns is damaged: {what}")
