"""How far chunks are in their epochs: written by whoever trains them, read at any time by whoever shows it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seedbed.files import temporary_folder

__all__ = ["Board", "Place"]

NOT_BEGUN = -1

Counts = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Place:
    """The place of one chunk on a board; it can travel to another process.

    Attributes:
        path: the board's file.
        number: of the chunk.
    """

    path: str
    number: int

    def pen(self) -> Callable[[int], None]:
        """What writes down how many epochs are done. Where the board is gone it writes nothing: a training mustn't end
        for want of somebody to watch it."""
        try:
            counts, number = _mapped(self.path), self.number
        except (OSError, ValueError):
            return lambda epochs: None

        def write(epochs: int) -> None:
            counts[number] = epochs

        return write


class Board:
    """A number for each chunk that is being trained: how many epochs are done, `NOT_BEGUN` before the first.

    It is a file that all processes map into memory. So writing is a store, and nobody waits for anybody.
    """

    def __init__(self) -> None:
        self._counts: Counts = np.empty(0, dtype=np.int32)

    def epochs(self) -> list[int]:
        """How far each chunk is; empty before the first is trained. Any thread may ask, also when all is over."""
        return self._counts.tolist()  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def laid_out(self, n_chunks: int) -> Iterator[list[Place]]:
        """A place for each chunk, for as long as the block lasts. Without room for a file nothing is written down."""
        self._counts, path = np.full(n_chunks, NOT_BEGUN, dtype=np.int32), ""
        with contextlib.ExitStack() as last:
            with contextlib.suppress(OSError):
                file = last.enter_context(temporary_folder()) / "epochs"
                file.write_bytes(self._counts.tobytes())  # a hole in a file, on a full disk, ends who writes into it
                self._counts, path = _mapped(str(file)), str(file)
            try:
                yield [Place(path, number) for number in range(n_chunks)]
            finally:
                self._counts = self._counts.copy()


def _mapped(path: str) -> Counts:
    # As a plain array, into which a number is stored three times as fast.
    return np.asarray(np.memmap(path, dtype=np.int32, mode="r+"))
