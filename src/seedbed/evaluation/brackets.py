"""Brackets of a ranking: each joins places of which no two are shown to differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.resampled import holm
from seedbed.evaluation.verdicts import Verdict, decide

__all__ = ["brackets", "separated"]

_DIFFERENT = ("better_by_margin", "better", "worse")


def separated(
    ranking: Sequence[str],
    verdicts: Sequence[Verdict],
    difference: Callable[[str, str], Estimate],
    *,
    margin: float,
    alpha: float,
) -> NDArray[np.bool_]:
    """Return which pairs of a ranking are shown to differ [rank, rank].

    A pair with a verdict differs where that says better or worse. Any other pair differs where the same rules would say
    so at the level of the verdicts, and Holm's adjustment over all these pairs agrees.

    Args:
        ranking: names.
        verdicts: on pairs of them.
        difference: the estimate for two names, the reference first, at the level of the verdicts.
        margin, alpha: as the verdicts have them.
    """
    places = {name: place for place, name in enumerate(ranking)}
    apart = np.zeros((len(ranking), len(ranking)), dtype=bool)
    judged = {frozenset((places[verdict.reference], places[verdict.candidate])): verdict for verdict in verdicts}
    others = [pair for pair in itertools.combinations(range(len(ranking)), 2) if frozenset(pair) not in judged]
    p = []
    for i, j in others:
        found = difference(ranking[i], ranking[j])
        p.append(found.p if decide(low=found.low, high=found.high, margin=margin) in _DIFFERENT else 1.0)
    for (i, j), adjusted in zip(others, holm(p), strict=True):
        apart[i, j] = apart[j, i] = adjusted < alpha
    for (i, j), verdict in judged.items():
        apart[i, j] = apart[j, i] = verdict.rule in _DIFFERENT
    return apart


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
