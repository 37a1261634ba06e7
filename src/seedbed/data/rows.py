"""The door for rows to predict: whatever a table may be, arrays, and records; opened, not typed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from seedbed.data.arrays import array_columns
from seedbed.data.columns import Columns, MemoryColumns
from seedbed.data.sources.frames import as_frame, text_array
from seedbed.data.sources.opening import open_source
from seedbed.errors import DataError, nearest

__all__ = ["open_rows", "record_columns", "value_columns"]

_EXACT = 1 << 53  # above, a float loses digits, and a number may be a level


@contextlib.contextmanager
def open_rows(
    rows: Any,
    names: Sequence[str],
    *,
    table: str | None = None,
    query: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> Iterator[Columns]:
    """Rows for a model.

    Args:
        rows: a path, `example:NAME`, a database's address or a data frame, as `read_table` takes it; records, a list of
            dicts or one of them; or an array [row, feature] in the order of `names`.
        names: the columns that the model knows.
        table, query, skip_rows, limit: as `read_table` has them. The header is also found by `names`.

    Raises:
        DataError: the rows can't be read; see `read_table`.
    """
    if isinstance(rows, Mapping):
        yield record_columns([rows], names)
    elif isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        yield record_columns(rows, names)
    elif isinstance(rows, str | Path | duckdb.DuckDBPyRelation) or as_frame(rows) is not None:
        with open_source(rows, table=table, query=query, skip_rows=skip_rows, limit=limit, wanted=names) as found:
            yield found.columns
    else:
        columns = array_columns(rows, "array")
        if len(columns.names) != len(names):
            message = f"the array has {len(columns.names)} columns, and the model knows {len(names)}"
            raise DataError(message, f"Give them in this order: {', '.join(names[:20])}.")
        yield MemoryColumns("array", tuple(names), columns.arrays)


def record_columns(records: Sequence[Mapping[str, Any]], names: Sequence[str], where: str = "records") -> MemoryColumns:
    """Records' values by key. A record may lack no key of `names`; others are columns, too.

    Raises:
        DataError: a key is missing, or a value is a list or a record.
    """
    others = dict.fromkeys(key for record in records for key in record if key not in set(names))
    for number, record in enumerate(records, start=1):
        if lacking := [name for name in names if name not in record]:
            listed = ", ".join(f"'{name}'" for name in lacking[:10]) + (", ..." if len(lacking) > 10 else "")
            hint = nearest(lacking[0], map(str, others)) or "Give None for what isn't known."
            raise DataError(f"{where}: record {number} lacks {listed}", hint)
    values = [[record.get(name) for record in records] for name in (*names, *others)]
    return value_columns(values, (*names, *map(str, others)), where)


def value_columns(values: Sequence[Sequence[Any]], names: Sequence[str], where: str = "records") -> MemoryColumns:
    """Columns of plain values [column][row]: numbers, texts, booleans, or None for what is missing.

    Raises:
        DataError: a value is a list or a record.
    """
    arrays = tuple(_values(column, name, where) for column, name in zip(values, names, strict=True))
    return MemoryColumns(where, tuple(names), arrays)


def _values(values: Sequence[Any], name: str, where: str) -> NDArray[Any]:
    """Numbers as numbers, missing ones as NaN; where anything is neither, all as text."""
    # A number beside a gap mustn't become text: where decimals have commas, '1.234' would be a thousand and more.
    if all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) >= _EXACT)
        for value in values
    ):
        return np.array(values, dtype=np.float64)
    for value in values:
        if isinstance(value, Mapping | list | tuple):
            raise DataError(f"{where}: '{name}' holds a {type(value).__name__}", "Give a number, a text or null.")
    return text_array(values, f"{where}: '{name}'")
