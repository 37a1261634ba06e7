"""Brackets of a ranking: each joins places of which no two are shown to differ."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["brackets"]


def brackets(separated: ArrayLike) -> tuple[tuple[int, ...], ...]:
    """Return groups of places such that two places share a group if and only if they aren't separated.

    A place may stand in several brackets: not being shown to differ is no equality, and the ends of a chain may well
    differ. The places of a bracket needn't be neighbours: where two models vary little from each other and much from a
    third one, the third may be joined to the first and to none between them (a compact display, as of Piepho 2004).

    Args:
        separated: [rank, rank] bool, symmetric, False on the diagonal: whether the candidates at two places differ.

    Returns:
        The places of each bracket in ascending order, at least two; no bracket lies within another.

    Raises:
        ValueError: not such a table.
    """
    table = np.asarray(separated, dtype=bool)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or (table != table.T).any() or table.diagonal().any():
        raise ValueError(f"separated must be symmetric [rank, rank], False on the diagonal; got shape {table.shape}")
    found: list[tuple[int, ...]] = []
    joined = table.copy()  # pairs that need no further bracket
    for one, other in itertools.combinations(range(len(table)), 2):
        if joined[one, other]:
            continue
        members = [one, other]
        for place in range(len(table)):
            if place not in members and not table[place, members].any():
                members.append(place)
        joined[np.ix_(members, members)] = True
        found.append(tuple(sorted(members)))
    return tuple(sorted(found))
