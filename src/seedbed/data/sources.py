"""What a user may call a table, opened: a path, an example, a data frame."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedbed.data.arrays import frame_columns
from seedbed.data.columns import Columns
from seedbed.data.examples import EXAMPLES, open_example
from seedbed.data.files import SUFFIXES, open_file

__all__ = ["Source", "open_source"]

EXAMPLE_PREFIX = "example:"


@dataclass(frozen=True, eq=False)
class Source:
    """An opened table that isn't typed yet.

    Attributes:
        columns: what it holds.
        name: what to call it in a report.
        target: the column it predicts where the user names none; examples have one.
    """

    columns: Columns
    name: str
    target: str | None = None


@contextlib.contextmanager
def open_source(source: Any) -> Iterator[Source]:
    """Open a path, `example:NAME` or a data frame.

    Raises:
        TableNotFoundError: no such file or example.
        UnreadableError: bytes, rows or a header that can't be understood.
        DataError: not a table at all.
    """
    if isinstance(source, str) and source.startswith(EXAMPLE_PREFIX):
        name = source.removeprefix(EXAMPLE_PREFIX)
        with open_example(name) as columns:
            yield Source(columns, name, EXAMPLES[name].target)
    elif isinstance(source, str | Path):
        path = Path(source)
        with open_file(path) as columns:
            yield Source(columns, _stem(path))
    else:
        yield Source(frame_columns(source), "data frame")


def _stem(path: Path) -> str:
    """The file's name without the suffixes of its format: 'a.b.csv.gz' is 'a.b'."""
    while path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    return path.name
