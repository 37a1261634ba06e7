"""Curves of many networks become a few lines that a chart or a page can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CURVES", "summarize_curves"]

CURVES = ("train_loss", "train_score", "test_loss", "test_score")

_PERCENTILES = {"low": 25.0, "high": 75.0, "p05": 5.0, "p95": 95.0}

# Rows looked at together when searching for non-finite values: the mask stays small beside the curves.
_ROWS_AT_ONCE = 64


def summarize_curves(
    curves: Mapping[str, NDArray[np.floating]], *, max_points: int = 400, max_ghosts: int = 40
) -> dict[str, Any]:
    """Thin the curves of many networks and summarize them over the networks.

    A network with a NaN or an infinity anywhere in any of its curves has diverged: it is counted and left out of every
    number, since one NaN would wipe out a mean and dropping it only where it is NaN would flatter the rest.

    Args:
        curves: `train_loss`, `test_loss`, `train_score`, `test_score`, each `[epoch, network]`, all of one shape. A
            score that is a share, such as accuracy, is within 0..1.
        max_points: how many epochs are kept at most; the first and the last always are.
        max_ghosts: how many single networks are kept at most, evenly chosen.

    Returns:
        A dict that is ready for JSON: `n_networks` (diverged ones included), `n_diverged`, `epochs` (the kept epochs,
        from 0), and `curves`: for each key `mean`, `low` and `high` (25th and 75th percentile over the networks, the
        middle half), `p05`, `p95` as lists along `epochs`, and `ghosts`, a list of such lists, one a network. Nothing
        is smoothed: each number belongs to exactly its epoch. Numbers of float32 curves are the shortest decimals that
        are the same float32. With no network left, the lists of every curve are empty.

    Raises:
        ValueError: a curve is missing or unknown, is not `[epoch, network]`, or the shapes differ.
    """
    arrays = _checked(curves)
    n_epochs, n_networks = arrays["train_loss"].shape
    healthy = np.flatnonzero(_finite_networks(arrays))
    epochs = _evenly(n_epochs, max(2, max_points))
    ghosts = healthy[_evenly(healthy.size, max_ghosts)]
    return {
        "n_networks": n_networks,
        "n_diverged": n_networks - int(healthy.size),
        "epochs": epochs.tolist(),
        "curves": {key: _summarize(array, epochs, healthy, ghosts) for key, array in arrays.items()},
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
    """Which networks are finite in all curves at all epochs, `[network]`."""
    n_epochs, n_networks = arrays["train_loss"].shape
    finite = np.ones(n_networks, dtype=bool)
    for array in arrays.values():
        for start in range(0, n_epochs, _ROWS_AT_ONCE):
            finite &= np.isfinite(array[start : start + _ROWS_AT_ONCE]).all(axis=0)
    return finite


def _evenly(n: int, most: int) -> NDArray[np.intp]:
    """At most `most` of the numbers 0..n-1, evenly spread, first and last among them (where `most` is 2 or more)."""
    return np.unique(np.linspace(0, n - 1, min(n, max(0, most))).round().astype(np.intp))


def _summarize(
    array: NDArray[np.floating], epochs: NDArray[np.intp], healthy: NDArray[np.intp], ghosts: NDArray[np.intp]
) -> dict[str, Any]:
    """One curve's lines. Goes epoch by epoch, so that no copy of the curves is ever made."""
    if not healthy.size:
        return {name: [] for name in ("mean", *_PERCENTILES, "ghosts")}
    means = np.empty(epochs.size)
    percentiles = np.empty((len(_PERCENTILES), epochs.size))
    for position, epoch in enumerate(epochs):
        values = array[epoch, healthy].astype(np.float64)
        # Rounding may push the mean of equal numbers past all of them, hence the clip.
        means[position] = np.clip(values.mean(), values.min(), values.max())
        percentiles[:, position] = np.percentile(values, list(_PERCENTILES.values()))
    lines = {"mean": means, **dict(zip(_PERCENTILES, percentiles, strict=True))}
    summary: dict[str, Any] = {name: _plain(line, array.dtype) for name, line in lines.items()}
    summary["ghosts"] = [_plain(array[epochs, network], array.dtype) for network in ghosts]
    return summary


def _plain(values: NDArray[Any], dtype: np.dtype[Any]) -> list[float]:
    """Python floats, written no longer than the curves' own precision: half the size as JSON for float32."""
    if dtype == np.float64:
        return [float(value) for value in values]
    return [float(str(value)) for value in values.astype(np.float32)]
