"""Single runs, summarized for charts and pages: the curves of many networks, and the lottery of
their scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CURVES = ("train_loss", "train_score", "test_loss", "test_score")

_DIGITS = 5  # significant; a chart shows three
MOST_GHOSTS = 400  # single networks, which a page draws quickly
_COARSER = 4  # of single networks, one in so many of the kept epochs is kept

_ROWS_AT_ONCE = 64  # epochs
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_REACH = 6  # beyond the middle nine tenths of a candidate's runs, in their width


@dataclass(frozen=True, kw_only=True)
class CurveLines:
    """The lines of one curve along the epochs, over the networks: mean, middle half, and on test
    rows single networks at the `ghost_epochs`."""

    mean: list[float]
    low: list[float]
    high: list[float]
    ghosts: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class CandidateCurves:
    """The curves of a candidate's networks, diverged ones counted, by the names in `CURVES`. Epochs
    count from 0."""

    name: str
    n_networks: int
    n_diverged: int
    epochs: list[int]
    ghost_epochs: list[int]
    curves: Mapping[str, CurveLines]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The curves of all candidates; `score_name` is accuracy (within 0..1) or R2."""

    score_name: str
    title: str
    subtitle: str
    candidates: tuple[CandidateCurves, ...]


def summarize_curves(
    name: str,
    curves: Mapping[str, NDArray[np.floating]],
    *,
    stopped: NDArray[np.bool_] | None = None,
    max_points: int = 250,
    max_ghosts: int = MOST_GHOSTS,
) -> CandidateCurves:
    """Thin the curves of many networks and summarize them over the networks.

    A network with a NaN or an infinity anywhere in any of its curves has diverged: it is counted
    and left out of every number, since one NaN would wipe out a mean and dropping it only where it
    is NaN would make the rest look better.

    Nothing is smoothed: each number belongs to exactly its epoch, and has five significant digits.
    With no network left the lines of every curve are empty.

    Args:
        name: of the candidate.
        curves: `train_loss`, `test_loss`, `train_score`, `test_score`, each `[epoch, network]`, all
            of one shape. A score that is a share, such as accuracy, is within 0..1.
        stopped: networks that may have stopped early `[network]`; after that they keep their last
            values.
        max_points: how many epochs are kept at most; the first and the last always are.
        max_ghosts: how many single networks are kept at most, evenly chosen.
    """
    if (
        stopped is not None
        and (early := np.flatnonzero(stopped & ~_finite_networks(curves))).size
    ):
        # They keep the last values that are finite in all curves.
        finite = np.logical_and.reduce(
            [np.isfinite(array[:, early]) for array in curves.values()]
        )
        last = np.logical_and.accumulate(finite, axis=0).sum(axis=0) - 1
        places = np.minimum(np.arange(len(finite))[:, None], np.maximum(last, 0))
        curves = {key: array.copy() for key, array in curves.items()}
        for array in curves.values():
            array[:, early] = np.take_along_axis(array[:, early], places, axis=0)
    n_epochs, n_networks = curves["train_loss"].shape
    healthy = np.flatnonzero(_finite_networks(curves))
    epochs = spread_indices(n_epochs, max(2, max_points))
    coarse = epochs[
        spread_indices(epochs.size, max(2, math.ceil(epochs.size / _COARSER)))
    ]
    ghosts = healthy[spread_indices(healthy.size, max_ghosts)]
    single = {
        key: [_plain(curves[key][coarse, ghost]) for ghost in ghosts]
        for key in ("test_loss", "test_score")
    }
    lines = {}
    for key, array in curves.items():
        mean, low, high = np.empty((3, epochs.size if healthy.size else 0))
        # Some epochs at a time, so that the curves are never copied.
        for start in range(0, len(mean), _ROWS_AT_ONCE):
            some = slice(start, start + _ROWS_AT_ONCE)
            values = array[epochs[some]][:, healthy].astype(np.float64)
            # Rounding may push the mean of equal numbers past all of them, hence the clip.
            mean[some] = np.clip(
                values.mean(axis=1), values.min(axis=1), values.max(axis=1)
            )
            low[some], high[some] = np.percentile(values, (25, 75), axis=1)
        lines[key] = CurveLines(
            mean=_plain(mean),
            low=_plain(low),
            high=_plain(high),
            ghosts=single.get(key, []),
        )
    return CandidateCurves(
        name=name,
        n_networks=n_networks,
        n_diverged=n_networks - int(healthy.size),
        epochs=epochs.tolist(),
        ghost_epochs=coarse.tolist(),
        curves=lines,
    )


def _finite_networks(arrays: Mapping[str, NDArray[np.floating]]) -> NDArray[np.bool_]:
    """Return which networks are finite in all curves at all epochs, `[network]`."""
    # NaN and infinity stay in the extremes, which take less memory than a mask of all values.
    ends = [
        end
        for array in arrays.values()
        for end in (array.min(axis=0), array.max(axis=0))
    ]
    return np.asarray(np.isfinite(ends).all(axis=0))


def _plain(values: NDArray[Any]) -> list[float]:
    """Return Python floats with the digits that a chart needs."""
    numbers = values.tolist()
    return list(map(float, (f"%.{_DIGITS}g " * len(numbers) % tuple(numbers)).split()))


def spread_indices(n: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the numbers 0..n-1, evenly spread; the first and the last are among
    them if `most` is at least 2.
    """
    return np.unique(
        np.linspace(0, n - 1, min(n, max(0, most))).round().astype(np.intp)
    )


# The lottery


@dataclass(frozen=True, kw_only=True)
class RunSpread:
    """The finite single runs of one candidate: quantiles of 5, 25, 50, 75 and 95 %, and of
    differences the share of runs in which the candidate is better."""

    name: str
    n: int
    mean: float
    lowest: float
    highest: float
    quantiles: tuple[float, ...]
    better: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunLottery:
    """Single runs of each candidate with a finite one."""

    name: str
    words: str
    runs: tuple[RunSpread, ...] = ()

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest run; a few that are far off are left out."""
        middles = [run.quantiles[-1] - run.quantiles[0] for run in self.runs]
        reach = _REACH * float(np.median(middles))
        return (
            min(max(run.lowest, run.quantiles[0] - reach) for run in self.runs),
            max(min(run.highest, run.quantiles[-1] + reach) for run in self.runs),
        )


def lottery(
    values: Mapping[str, ArrayLike], *, name: str, words: str, differences: bool = False
) -> RunLottery:
    """Return how single runs are spread.

    Args:
        values: name -> one number per run, in any shape; values that aren't finite are left out.
        name, words: the score.
        differences: whether the values are differences from a reference, so that positive ones are
            better.
    """
    spreads = []
    for candidate, every_run in values.items():
        runs = np.asarray(every_run, dtype=np.float64)
        runs = runs[np.isfinite(runs)]
        if not runs.size:
            continue
        spreads.append(
            RunSpread(
                name=candidate,
                n=runs.size,
                mean=float(runs.mean()),
                lowest=float(runs.min()),
                highest=float(runs.max()),
                quantiles=tuple(np.quantile(runs, _QUANTILES).tolist()),
                better=float(np.mean(runs > 0)) if differences else None,
            )
        )
    return RunLottery(name=name, words=words, runs=tuple(spreads))
