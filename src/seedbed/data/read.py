"""The door for tables: a path, an example or a data frame becomes a Table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from seedbed.data.assemble import assemble
from seedbed.data.columns import Columns
from seedbed.data.sources import open_source
from seedbed.data.table import Table
from seedbed.errors import TargetError

__all__ = ["read_table"]


def read_table(source: Any, *, target: str | None = None, drop: Sequence[str] = ()) -> Table:
    """Read, type and check a table of numeric features and a target of two labels.

    Args:
        source: a path of CSV, TSV, gzip of them or Parquet; `example:NAME`; or a data frame (pandas, Polars,
            PyArrow, ... through narwhals).
        target: the column to predict; examples have one of their own.
        drop: columns to leave out.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood.
        ColumnError: no such column, or a feature with cells that aren't finite numbers.
        TargetError: no target named, cells missing in it, or not exactly two labels.
        OptionError: the target is among the dropped columns.
        DataError: anything else that keeps the table from being used; the base of all above but OptionError.
    """
    dropped = (drop,) if isinstance(drop, str) else tuple(drop)
    with open_source(source) as found:
        wanted = target or found.target or _no_target(found.columns)
        return assemble(found.columns, name=found.name, target=wanted, drop=dropped)


def _no_target(columns: Columns) -> NoReturn:
    names = ", ".join(columns.names[:40]) + (", ..." if len(columns.names) > 40 else "")
    likely = columns.names[-1] if columns.names else "COLUMN"
    raise TargetError(
        f"{columns.where}: which column is to be predicted? It has {names}",
        f"Name one, such as --target {likely} (in Python: target={likely!r}).",
    )
