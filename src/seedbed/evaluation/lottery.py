"""The seed lottery: the scores of single runs, and their differences from the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedbed.typing import Floats

__all__ = ["Lottery", "lottery", "paired_runs"]


_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_MOST_BINS = 48
# Largest reach of the bins, in widths of the middle nine tenths of the typical candidate's runs.
_REACH = 12


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
        edges: [bin + 1], of equal width. If a few runs are so far off that the others would share one or two bins, the
            bins end before them, and the outermost bins count what lies beyond.
        runs: name -> its runs; a candidate without a finite run is left out.
    """

    edges: tuple[float, ...]
    runs: dict[str, Runs]


def lottery(values: Mapping[str, ArrayLike], *, step: float = 0.0) -> Lottery:
    """Count single runs in bins that all candidates share.

    Without a step, 0 is an edge if it lies within. With one, edges lie halfway between the possible values.

    Args:
        values: name -> one number per run, in any shape; values that aren't finite are left out.
        step: the smallest difference that two runs can have, `1/n` where a share of n rows is counted: no bin is
            narrower, so that not every other bin is empty.
    """
    finite = {name: _finite(runs) for name, runs in values.items()}
    finite = {name: runs for name, runs in finite.items() if runs.size}
    if not finite:
        return Lottery((), {})
    edges = _edges(*_ends(list(finite.values())), step)
    return Lottery(tuple(edges.tolist()), {name: _spread(runs, edges) for name, runs in finite.items()})


def paired_runs(reference: ArrayLike, candidate: ArrayLike) -> Floats:
    """Return the difference in each single run: the reference's loss minus the candidate's.

    A single run is one fold with one seed of each. The seeds of two candidates are unrelated, so all their pairs are
    counted.

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


def _ends(runs: Sequence[Floats]) -> tuple[float, float]:
    """Return where the bins begin and end."""
    low, high = min(float(one.min()) for one in runs), max(float(one.max()) for one in runs)
    middles = sorted((float(np.median(one)), *np.quantile(one, (0.05, 0.95)).tolist()) for one in runs)
    widths = sorted(last - first for _, first, last in middles)
    typical, middle = widths[(len(widths) - 1) // 2], middles[(len(middles) - 1) // 2][0]
    if typical == 0 or high - low <= _REACH * typical:
        return low, high
    return max(low, middle - _REACH / 2 * typical), min(high, middle + _REACH / 2 * typical)


def _edges(low: float, high: float, step: float) -> Floats:
    # Runs of one value still need a bin that is wide enough to be seen.
    width = max((high - low) / _MOST_BINS, step, 1e-9 * max(abs(low), abs(high), 1e-3))
    width, shift = _round_up(width, step), step / 2
    first, last = (math.floor((end + shift) / width + 1e-9) for end in (low, high))
    return np.arange(first, last + 2, dtype=np.float64) * np.float64(width) - shift


def _round_up(width: float, step: float) -> float:
    """Return a whole number of steps; without a step 1, 2 or 5 times a power of ten."""
    if step:
        return math.ceil(width / step - 1e-9) * step
    power = 10.0 ** math.floor(math.log10(width))
    return next(size * power for size in (1, 2, 5, 10) if size * power >= width * (1 - 1e-9))


def _spread(runs: Floats, edges: Floats) -> Runs:
    # A value that equals an edge, except for rounding, belongs to the bin that begins there.
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
