"""Large arrays in temporary files, written from front to back and read in windows.

Which arrays are written to disk depends on their size alone, so results don't depend on the machine. The files lie in
the folder for temporary files (`TMPDIR` names another). A file is removed with the last reference to its array.
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
from seedbed.files import scratch_folder
from seedbed.typing import Ints

__all__ = ["ArrayWriter", "column_of", "gather_rows", "is_large", "rows_of", "spill", "windows"]

LARGE_ROWS, LARGE_CELLS = 1 << 17, 1 << 24
"""A table with at least so many rows and cells is large. Typing, splitting and training it in memory takes over a
hundred bytes per cell (see benchmarks/LOG.md)."""

LARGE_BYTES = 1 << 24
"""Smaller arrays stay in memory."""

WINDOW_BYTES = 1 << 24
"""Size of a window as float64: large enough for the disk's speed, small enough for a dozen copies in memory."""

GATHERED_WINDOWS = 8
"""Windows of shuffled rows that are gathered in one pass through a file."""


def is_large(n_rows: int, n_columns: int) -> bool:
    """Return whether a table of this size is kept on disk."""
    return n_rows >= LARGE_ROWS and n_rows * n_columns >= LARGE_CELLS


def windows(n_rows: int, n_columns: int = 1, *, times: int = 1) -> Iterator[slice]:
    """Yield slices that cover all rows in order, each `times` times `WINDOW_BYTES` of float64."""
    size = max(1, times * WINDOW_BYTES // (8 * max(1, n_columns)))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


class ArrayWriter:
    """Writes an array to a temporary file, from its first rows to its last."""

    def __init__(self, row_shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._row_shape, self._dtype, self._n_rows = row_shape, np.dtype(dtype), 0
        with _explain_full_disk():
            handle, self._path = tempfile.mkstemp(suffix=".rows", dir=scratch_folder())
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._abandoned = weakref.finalize(self, _remove, self._path, self._file)

    def write(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        rest = np.ascontiguousarray(rows, dtype=self._dtype).data.cast("B")
        with _explain_full_disk():
            while rest:
                rest = rest[self._file.write(rest) :]
        self._n_rows += len(rows)

    def finish(self) -> NDArray[Any]:
        """Return the array, memory-mapped and read-only."""
        self._file.close()
        array: NDArray[Any] = np.memmap(self._path, self._dtype, mode="r", shape=(self._n_rows, *self._row_shape))
        self._abandoned.detach()
        weakref.finalize(array, _remove, self._path)
        return array


def spill(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array, moved to a temporary file if it is large and still in memory."""
    if array.nbytes < LARGE_BYTES or _map_of(array) is not None:
        return array
    writer = ArrayWriter(array.shape[1:], array.dtype)
    writer.write(array)
    return writer.finish()


def rows_of(array: NDArray[Any], rows: slice) -> NDArray[Any]:
    """Return a copy of some rows. Pages read from a file don't stay in memory."""
    part = np.array(array[rows])
    _release_pages(array)
    return part


def column_of(array: NDArray[Any], column: int) -> NDArray[Any]:
    """Return a copy of one column of an array [row, column]."""
    found = np.empty(len(array), dtype=array.dtype)
    for rows in windows(*array.shape):
        found[rows] = array[rows, column]
        _release_pages(array)
    return found


def gather_rows(array: NDArray[Any], rows: Ints) -> NDArray[Any]:
    """Return `array[rows]` for rows in any order, reading the file from front to back."""
    order = np.argsort(rows)
    found = np.empty((len(rows), *array.shape[1:]), dtype=array.dtype)
    for some in windows(len(rows)):
        found[order[some]] = array[rows[order[some]]]
        _release_pages(array)
    return found


def _release_pages(array: NDArray[Any]) -> None:
    """Free the memory of a file's pages that were read; they stay in the system's cache."""
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
def _explain_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = (
            f"a large table needs disk space for temporary files in {tempfile.gettempdir()} ({error.strerror or error})"
        )
        raise DataError(message, "Free disk space, or name another folder: TMPDIR=/a/folder seedbed ...") from error
