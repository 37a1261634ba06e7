"""The curves of many networks, summarized as a few lines for a chart or a page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CURVES", "MOST_GHOSTS", "MeanInterval", "evenly", "summarize_curves"]

CURVES = ("train_loss", "train_score", "test_loss", "test_score")

MOST_GHOSTS = 400
"""Most single networks of all candidates together: a page still draws so many lines quickly."""

_PERCENTILES = {"low": 25.0, "high": 75.0, "p05": 5.0, "p95": 95.0}
_DIGITS = 5  # significant; a chart shows three
_COARSER = 4  # of single networks, one in so many of the kept epochs is kept

# Epochs that are searched for non-finite values at a time, so that the mask is small compared with the curves.
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class MeanInterval:
    """How the interval of a mean over networks is computed.

    Attributes:
        groups: [network], the split of each: seeds are averaged inside a split first, since they are not data. None
            where each network stands for itself, as where all share one split; the interval then says what other
            seeds would do, and nothing of other rows.
        overlap: test rows over training rows of a split, `1/(k-1)` of k folds (Nadeau & Bengio 2003); 0 where nothing
            overlaps.
        df: degrees of freedom, `k-1` of k folds (Bouckaert 2003); one less than there are groups if left out.
        alpha: the interval is at 1 - alpha, separately at each epoch.
    """

    groups: NDArray[np.intp] | None = None
    overlap: float = 0.0
    df: int | None = None
    alpha: float = 0.05


def summarize_curves(
    curves: Mapping[str, NDArray[np.floating]],
    *,
    interval: MeanInterval = MeanInterval(),
    max_points: int = 250,
    max_ghosts: int = 40,
) -> dict[str, Any]:
    """Thin the curves of many networks and summarize them over the networks.

    A network with a NaN or an infinity anywhere in any of its curves has diverged: it is counted and left out of every
    number, since one NaN would wipe out a mean and dropping it only where it is NaN would flatter the rest.

    Args:
        curves: `train_loss`, `test_loss`, `train_score`, `test_score`, each `[epoch, network]`, all of one shape. A
            score that is a share, such as accuracy, is within 0..1.
        interval: how that of the mean is found.
        max_points: how many epochs are kept at most; the first and the last always are.
        max_ghosts: how many single networks are kept at most, evenly chosen.

    Returns:
        A dict that is ready for JSON: `n_networks` (diverged ones included), `n_diverged`, `epochs` (the kept epochs,
        from 0), `ghost_epochs` (those of them that single networks are kept at), and `curves`: for each key `mean`,
        `low` and `high` (25th and 75th percentile over the networks, the middle half), `p05`, `p95`, `mean_low` and
        `mean_high` (interval of the mean) as lists along `epochs`; of test rows also `ghosts`, a list of lists along
        `ghost_epochs`, one a network. Nothing is smoothed: each number belongs to exactly its epoch, and has five
        significant digits. With no network left the lists of every curve are empty, with one group those of the
        interval.

    Raises:
        ValueError: a curve is missing or unknown, is not `[epoch, network]`, or the shapes differ.
    """
    arrays = _checked(curves)
    n_epochs, n_networks = arrays["train_loss"].shape
    healthy = np.flatnonzero(_finite_networks(arrays))
    epochs = evenly(n_epochs, max(2, max_points))
    coarse = epochs[evenly(epochs.size, max(2, math.ceil(epochs.size / _COARSER)))]
    ghosts = healthy[evenly(healthy.size, max_ghosts)]
    found = {key: _summarize(array, epochs, healthy, interval) for key, array in arrays.items()}
    for key in ("test_loss", "test_score"):
        found[key]["ghosts"] = [_plain(arrays[key][coarse, network]) for network in ghosts]
    return {
        "n_networks": n_networks,
        "n_diverged": n_networks - int(healthy.size),
        "epochs": epochs.tolist(),
        "ghost_epochs": coarse.tolist(),
        "curves": found,
    }


def _checked(curves: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.floating]]:
    if set(curves) != set(CURVES):
        raise ValueError(f"curves must be exactly {', '.join(CURVES)}; got {', '.join(sorted(curves)) or 'none'}")
    arrays = {key: np.asarray(curves[key]) for key in CURVES}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 2:
        raise ValueError(f"curves must be [epoch, network] and of one shape; got {sorted(shapes)}")
    return arrays


def _finite_networks(arrays: Mapping[str, NDArray[np.floating]]) -> NDArray[np.bool_]:
    """Return which networks are finite in all curves at all epochs, `[network]`."""
    n_epochs, n_networks = arrays["train_loss"].shape
    finite = np.ones(n_networks, dtype=bool)
    for array in arrays.values():
        for start in range(0, n_epochs, _ROWS_AT_ONCE):
            finite &= np.isfinite(array[start : start + _ROWS_AT_ONCE]).all(axis=0)
    return finite


def _summarize(
    array: NDArray[np.floating], epochs: NDArray[np.intp], healthy: NDArray[np.intp], interval: MeanInterval
) -> dict[str, Any]:
    """Return the lines of one curve. It goes epoch by epoch, so that the curves are never copied."""
    if not healthy.size:
        return {name: [] for name in ("mean", *_PERCENTILES, "mean_low", "mean_high")}
    means = np.empty(epochs.size)
    percentiles = np.empty((len(_PERCENTILES), epochs.size))
    groups = (
        np.arange(healthy.size)
        if interval.groups is None
        else np.unique(interval.groups[healthy], return_inverse=True)[1]
    )
    sizes = np.bincount(groups)
    by_group = np.empty((epochs.size, sizes.size))
    for position, epoch in enumerate(epochs):
        values = array[epoch, healthy].astype(np.float64)
        # Rounding may push the mean of equal numbers past all of them, hence the clip.
        means[position] = np.clip(values.mean(), values.min(), values.max())
        percentiles[:, position] = np.percentile(values, list(_PERCENTILES.values()))
        by_group[position] = np.bincount(groups, weights=values) / sizes
    lines = {"mean": means, **dict(zip(_PERCENTILES, percentiles, strict=True))}
    if sizes.size > 1:
        from scipy.stats import t as student  # loads scipy, which not every import of this package needs

        df = sizes.size - 1 if interval.df is None else interval.df
        error = by_group.std(axis=1, ddof=1) * math.sqrt(1 / sizes.size + interval.overlap)
        reach = error * float(student.ppf(1 - interval.alpha / 2, df))
        lines |= {"mean_low": means - reach, "mean_high": means + reach}
    found = {name: _plain(line) for name, line in lines.items()}
    return {"mean_low": [], "mean_high": []} | found


def _plain(values: NDArray[Any]) -> list[float]:
    """Return Python floats with the digits that a chart needs."""
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """Return at most `most` of the numbers 0..n-1, evenly spread; the first and the last are among them if `most` is
    at least 2.
    """
    return np.unique(np.linspace(0, n - 1, min(n, max(0, most))).round().astype(np.intp))
