"""The door for tables: a path, an example or a data frame becomes a Table."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seedbed.data.arrays import frame_columns
from seedbed.data.assemble import assemble
from seedbed.data.columns import Columns
from seedbed.data.examples import EXAMPLES, open_example
from seedbed.data.files import SUFFIXES, open_file
from seedbed.data.table import Table
from seedbed.errors import TargetError

__all__ = ["read_table"]

EXAMPLE_PREFIX = "example:"


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
    if isinstance(source, str) and source.startswith(EXAMPLE_PREFIX):
        name = source.removeprefix(EXAMPLE_PREFIX)
        with open_example(name) as columns:
            return assemble(columns, name=name, target=target or EXAMPLES[name].target, drop=dropped)
    if isinstance(source, str | Path):
        path = Path(source)
        with open_file(path) as columns:
            return assemble(columns, name=_stem(path), target=_need_target(columns, target), drop=dropped)
    frame: contextlib.AbstractContextManager[Columns] = contextlib.nullcontext(frame_columns(source))
    with frame as columns:
        return assemble(columns, name="data frame", target=_need_target(columns, target), drop=dropped)


def _need_target(columns: Columns, target: str | None) -> str:
    if target is not None:
        return target
    names = ", ".join(columns.names[:40]) + (", ..." if len(columns.names) > 40 else "")
    likely = columns.names[-1] if columns.names else "COLUMN"
    raise TargetError(
        f"{columns.where}: which column is to be predicted? It has {names}",
        f"Name one, such as --target {likely} (in Python: target={likely!r}).",
    )


def _stem(path: Path) -> str:
    """The file's name without the suffixes of its format: 'a.b.csv.gz' is 'a.b'."""
    while path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    return path.name
