"""The door for tables: a path, an example or a data frame becomes a Table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from seedbed.arguments import check_arguments
from seedbed.data.assemble import Wanted, assemble, word, words
from seedbed.data.columns import Columns
from seedbed.data.sources.opening import open_source
from seedbed.data.table import Table
from seedbed.errors import TargetError

__all__ = ["read_table"]


def read_table(
    source: Any,
    *,
    target: str | int | None = None,
    drop: Sequence[str | int] = (),
    numeric: Sequence[str | int] = (),
    categorical: Sequence[str | int] = (),
    task: str | None = None,
    positive: str | float | bool | None = None,
    group: str | int | None = None,
    time_split: str | int | None = None,
    table: str | None = None,
    query: str | None = None,
    skip_rows: int | None = None,
    limit: str | None = None,
) -> Table:
    """Read, type and check a table.

    Args:
        source: a path, `example:NAME`, a database's address, or a data frame (pandas, Polars, PyArrow, ... through
            narwhals).
        target: the column to predict; examples have one of their own.
        drop: columns to leave out.
        numeric: columns that hold numbers; whatever else is in them counts as missing.
        categorical: columns that hold categories, though they may look like numbers.
        task: "binary", "multiclass" or "regression", where that shall not be told by the target's cells.
        positive: which of two labels is the positive one; by default the larger.
        group: a column, no feature then, whose rows of one value stay together.
        time_split: a column of dates or numbers, no feature then, that tells earlier rows from later ones.
        table: which table of a database, or which sheet of an Excel file.
        query: what to ask a database instead.
        skip_rows: rows above the header of a text or an Excel file, where these aren't found by themselves.
        limit: how large the table may be, how long the query may run, or both: "50GB", "30min", "50GB,30min". By
            default 4 GB, or 20 times the size of the file if that is more, and 10 minutes.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood, or a table or query over the limit.
        ColumnError: no such column, infinite numbers, or rows without a time.
        TargetError: no target named, too few rows that have one, or labels that the task can't have.
        OptionError: two roles for one column, or an option that doesn't fit the table.
        DataError: anything else that keeps the table from being used; the base of all above but OptionError.
    """
    check_arguments(read_table, locals())
    with open_source(source, table=table, query=query, skip_rows=skip_rows, limit=limit) as found:
        wanted = Wanted(
            target=word(target) or found.target or _no_target(found.columns),
            drop=words(drop),
            numeric=words(numeric),
            categorical=words(categorical),
            task=task,
            positive=word(positive),
            group=word(group),
            time_split=word(time_split),
        )
        reading = _reading(source, wanted, table=table, query=query, skip_rows=skip_rows, limit=limit)
        return replace(assemble(found.columns, wanted, name=found.name), reading=reading)


def _reading(source: Any, wanted: Wanted, **asked: Any) -> dict[str, Any] | None:
    """The arguments that read the table again, but for those that say nothing."""
    if not isinstance(source, str | Path):
        return None
    given = {"source": str(source), **asdict(wanted), **asked}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value or value == 0
    }


def _no_target(columns: Columns) -> NoReturn:
    names = ", ".join(columns.names[:40]) + (", ..." if len(columns.names) > 40 else "")
    likely = columns.names[-1] if columns.names else "COLUMN"
    raise TargetError(
        f"{columns.where}: which column is to be predicted? It has {names}",
        f"Name one, such as --target {likely} (in Python: target={likely!r}).",
    )
