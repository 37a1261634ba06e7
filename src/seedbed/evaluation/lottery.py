"""The seed lottery: what a single run would have shown, and what it would have said against the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Lottery", "Runs", "lottery", "paired_runs"]

Floats = NDArray[np.float64]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_BINS = 48


@dataclass(frozen=True)
class Runs:
    """How the single runs of one candidate are spread.

    Attributes:
        n: how many have a finite value.
        mean, lowest, highest: over them.
        quantiles: 5, 25, 50, 75 and 95 %.
        counts: [bin], runs in each bin of the lottery they belong to.
    """

    n: int
    mean: float
    lowest: float
    highest: float
    quantiles: tuple[float, float, float, float, float]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Lottery:
    """Single runs of several candidates in the same bins.

    Attributes:
        edges: [bin + 1], of equal width.
        runs: name -> its runs; who has no finite one is left out.
    """

    edges: tuple[float, ...]
    runs: dict[str, Runs]


def lottery(values: Mapping[str, ArrayLike], *, step: float = 0.0) -> Lottery:
    """Count single runs in bins that all candidates share; 0 is an edge where it lies within.

    Args:
        values: name -> one number a run, in any shape; those that aren't finite are left out.
        step: the smallest difference that two runs can have, `1/n` where a share of n rows is counted: no bin is
            narrower, lest every other one be empty.
    """
    finite = {name: _finite(runs) for name, runs in values.items()}
    finite = {name: runs for name, runs in finite.items() if runs.size}
    if not finite:
        return Lottery((), {})
    edges = _edges(np.concatenate(list(finite.values())), step)
    return Lottery(tuple(edges.tolist()), {name: _spread(runs, edges) for name, runs in finite.items()})


def paired_runs(reference: ArrayLike, candidate: ArrayLike) -> Floats:
    """What each single run says: loss of the reference minus that of the candidate, positive where the candidate is
    better.

    A single run is one fold with one seed of each. Seeds of two candidates have nothing to do with each other, so all
    their pairs are counted.

    Args:
        reference, candidate: [repeat, fold, seed], mean loss over the fold's test rows; numbers of seeds may differ.

    Returns:
        [repeat, fold, seed of the reference, seed of the candidate].
    """
    ours, theirs = np.asarray(reference, dtype=np.float64), np.asarray(candidate, dtype=np.float64)
    found: Floats = ours[:, :, :, None] - theirs[:, :, None, :]
    return found


def _finite(values: ArrayLike) -> Floats:
    runs = np.asarray(values, dtype=np.float64).ravel()
    return np.asarray(runs[np.isfinite(runs)], dtype=np.float64)


def _edges(values: Floats, step: float) -> Floats:
    low, high = float(values.min()), float(values.max())
    # Runs of one value still need a bin, and one that is wide enough to be told from its neighbours.
    width = max((high - low) / _MOST_BINS, step, 1e-9 * max(abs(low), abs(high), 1e-3))
    width = _round_up(width, step)
    first, last = math.floor(low / width + 1e-9), math.floor(high / width + 1e-9) + 1
    return np.arange(first, last + 1, dtype=np.float64) * np.float64(width)


def _round_up(width: float, step: float) -> float:
    """A whole number of steps; without a step 1, 2 or 5 times a power of ten."""
    if step:
        return math.ceil(width / step - 1e-9) * step
    power = 10.0 ** math.floor(math.log10(width))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= width * (1 - 1e-9))


def _spread(runs: Floats, edges: Floats) -> Runs:
    # A value that is an edge but for rounding belongs to the bin that it opens.
    width = edges[1] - edges[0]
    place = np.clip(np.floor((runs - edges[0]) / width + 1e-6).astype(np.intp), 0, len(edges) - 2)
    counts = np.bincount(place, minlength=len(edges) - 1)
    quantiles = tuple(float(value) for value in np.quantile(runs, _QUANTILES))
    return Runs(
        n=runs.size,
        mean=float(runs.mean()),
        lowest=float(runs.min()),
        highest=float(runs.max()),
        quantiles=quantiles,  # type: ignore[arg-type]
        counts=tuple(counts.tolist()),
    )
