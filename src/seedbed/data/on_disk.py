"""Arrays that would fill the memory, in files of this process: written from front to back, read window by window.

Which arrays go there is told by their size alone, so that no result depends on the machine. A file lies in the folder
for temporary files (`TMPDIR` names another), and goes when nobody holds its array any more.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from seedbed.errors import DataError
from seedbed.scratch import scratch_folder

__all__ = ["Laying", "column_of", "gathered", "is_large", "laid_off", "rows_of", "windows"]

LARGE_ROWS, LARGE_CELLS = 1 << 17, 1 << 24
"""From so many rows and so many cells on a table is large. To type, split and train it in memory takes a hundred bytes
a cell and more (see benchmarks/LOG.md), and a network needs more steps that see all rows than anybody waits for."""

LARGE_BYTES = 1 << 24
"""Arrays of fewer bytes stay where they are."""

WINDOW_BYTES = 1 << 24
"""Of a window, as float64: large enough to be read at the disk's speed, so small that a dozen copies don't matter."""

GATHERED_WINDOWS = 8
"""How many windows of shuffled rows are gathered in one walk through a file."""


def is_large(n_rows: int, n_columns: int) -> bool:
    """Whether a table of this size is kept on disk."""
    return n_rows >= LARGE_ROWS and n_rows * n_columns >= LARGE_CELLS


def windows(n_rows: int, n_columns: int = 1, *, times: int = 1) -> Iterator[slice]:
    """Rows from the first to the last, in parts of `WINDOW_BYTES` of float64, or some `times` as many."""
    size = max(1, times * WINDOW_BYTES // (8 * max(1, n_columns)))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


class Laying:
    """An array that is being written to a file, from its first rows to its last.

    Args:
        row_shape: of one row.
        dtype: of the array.
    """

    def __init__(self, row_shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._row_shape, self._dtype, self._n_rows = row_shape, np.dtype(dtype), 0
        with _room_on_disk():
            handle, self._path = tempfile.mkstemp(suffix=".rows", dir=scratch_folder())
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._given_up = weakref.finalize(self, _remove, self._path, self._file)

    def add(self, rows: NDArray[Any]) -> None:
        """Write the next rows."""
        rest = np.ascontiguousarray(rows, dtype=self._dtype).data.cast("B")
        with _room_on_disk():
            while rest:
                rest = rest[self._file.write(rest) :]
        self._n_rows += len(rows)

    def done(self) -> NDArray[Any]:
        """The array, read-only."""
        self._file.close()
        array: NDArray[Any] = np.memmap(self._path, self._dtype, mode="r", shape=(self._n_rows, *self._row_shape))
        self._given_up.detach()
        weakref.finalize(array, _remove, self._path)
        return array


def laid_off(array: NDArray[Any]) -> NDArray[Any]:
    """The array, in a file if it is large and isn't in one yet."""
    if array.nbytes < LARGE_BYTES or _map_of(array) is not None:
        return array
    laying = Laying(array.shape[1:], array.dtype)
    laying.add(array)
    return laying.done()


def rows_of(array: NDArray[Any], rows: slice) -> NDArray[Any]:
    """A copy of some rows; of a file, memory holds no more afterwards than before."""
    part = np.array(array[rows])
    _forget(array)
    return part


def column_of(array: NDArray[Any], column: int) -> NDArray[Any]:
    """A copy of one column of [row, column]."""
    found = np.empty(len(array), dtype=array.dtype)
    for rows in windows(*array.shape):
        found[rows] = array[rows, column]
        _forget(array)
    return found


def gathered(array: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """`array[rows]` for rows in any order, read from front to back."""
    order = np.argsort(rows)
    found = np.empty((len(rows), *array.shape[1:]), dtype=array.dtype)
    for some in windows(len(rows)):
        found[order[some]] = array[rows[order[some]]]
        _forget(array)
    return found


def _forget(array: NDArray[Any]) -> None:
    """Give back the memory that a file's pages take once they are read; they are still in the system's cache."""
    file = _map_of(array)
    if file is not None and hasattr(file, "madvise"):
        file.madvise(mmap.MADV_DONTNEED)


def _map_of(array: Any) -> mmap.mmap | None:
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def _remove(path: str, file: RawIOBase | None = None) -> None:
    if file is not None:
        file.close()
    with contextlib.suppress(OSError):
        Path(path).unlink()


@contextlib.contextmanager
def _room_on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"a large table needs room for temporary files in {tempfile.gettempdir()} ({error.strerror or error})"
        raise DataError(message, "Make room, or name another folder: TMPDIR=/a/folder seedbed ...") from error
