"""Which levels of a category have an input of their own, and where the others count."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from seedbed.data.table import Column

__all__ = ["BUCKETS", "Vocabulary", "bucket_of", "vocabulary_of"]

_ENOUGH_ROWS = 10
_ONE_IN = 200  # half a percent of the rows
_MANY_LEVELS = 200
BUCKETS = 32


@dataclass(frozen=True)
class Vocabulary:
    """The levels of a category that count by themselves, decided on the whole table and never by the target.

    Attributes:
        kept: numbers of these levels, ascending.
        n_buckets: how many inputs the other levels share: one, or 32 of a column with over 200 levels.
        needed: the rows that a level needs, in the table to be kept, and among training rows to be used.
    """

    kept: tuple[int, ...]
    n_buckets: int
    needed: int


def vocabulary_of(column: Column) -> Vocabulary:
    """The vocabulary of a category: a level is rare with both fewer than 10 rows and under half a percent of them.

    With over 200 levels, 10 rows aren't enough: else the inputs of a long table could become too many.
    """
    n_levels = len(column.schema.levels)
    codes = column.values[column.values >= 0].astype(np.int64)  # leaves missing cells out, too
    share = max(1, -(-len(column.values) // _ONE_IN))
    needed = share if n_levels > _MANY_LEVELS else min(_ENOUGH_ROWS, share)
    kept = np.flatnonzero(np.bincount(codes, minlength=n_levels) >= needed)
    return Vocabulary(tuple(kept.tolist()), BUCKETS if n_levels > _MANY_LEVELS else 1, needed)


def bucket_of(level: str, n_buckets: int) -> int:
    """The bucket of a level without an input of its own: by its text alone, so any machine finds the same."""
    return zlib.crc32(level.encode("utf-8", "surrogatepass")) % n_buckets
