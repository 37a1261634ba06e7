"""Curves of many networks, summarized."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from seedbed.evaluation.curves import CURVES, summarize_curves


def _curves(n_epochs: int = 50, n_networks: int = 8) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {key: rng.random((n_epochs, n_networks), dtype=np.float32) for key in CURVES}


def _float32(values: list[float]) -> Any:
    return np.asarray(values, dtype=np.float32)


def test_diverged_networks_are_counted_and_left_out():
    curves = _curves()
    healthy = {key: curve[:, [0, 2, 3, 4, 6, 7]].copy() for key, curve in curves.items()}
    curves["train_loss"][30:, 1] = np.nan
    curves["test_loss"][7, 5] = np.inf
    summary, expected = summarize_curves(curves), summarize_curves(healthy)
    assert (summary["n_networks"], summary["n_diverged"]) == (8, 2)
    assert summary["curves"] == expected["curves"]


def test_where_all_networks_diverged_the_counts_say_so_and_the_lists_are_empty():
    curves = _curves()
    curves["test_score"][0] = np.nan
    summary = summarize_curves(curves)
    assert (summary["n_networks"], summary["n_diverged"]) == (8, 8)
    assert set(summary["curves"]) == set(CURVES)
    assert all(values == [] for curve in summary["curves"].values() for values in curve.values())


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 399, 400, 401, 1000, 12_345])
def test_thinning_keeps_first_and_last_and_no_more_than_asked(n_epochs):
    summary = summarize_curves(_curves(n_epochs, 1), max_points=400)
    epochs = summary["epochs"]
    assert (epochs[0], epochs[-1], len(epochs)) == (0, n_epochs - 1, min(n_epochs, 400))
    gaps = np.diff(epochs)
    assert not gaps.size or (gaps.min() > 0 and gaps.max() - gaps.min() <= 1)


def test_values_at_kept_epochs_are_those_of_exactly_these_epochs():
    curves = _curves(1000, 9)
    summary = summarize_curves(curves, max_points=37)
    kept = curves["test_score"][summary["epochs"]].astype(np.float64)
    line = summary["curves"]["test_score"]
    np.testing.assert_array_equal(_float32(line["mean"]), kept.mean(axis=1).astype(np.float32))
    for name, percent in (("p05", 5), ("low", 25), ("high", 75), ("p95", 95)):
        np.testing.assert_array_equal(_float32(line[name]), np.percentile(kept, percent, axis=1).astype(np.float32))


def test_ghosts_are_single_networks_evenly_chosen():
    curves = _curves(20, 101)
    ghosts = summarize_curves(curves, max_ghosts=3)["curves"]["train_loss"]["ghosts"]
    np.testing.assert_array_equal(_float32(ghosts).T, curves["train_loss"][:, [0, 50, 100]])
    assert summarize_curves(curves, max_ghosts=0)["curves"]["train_loss"]["ghosts"] == []


def test_one_network_is_its_own_mean_and_band():
    curves = _curves(30, 1)
    for key, line in summarize_curves(curves)["curves"].items():
        np.testing.assert_array_equal(_float32(line["mean"]), curves[key][:, 0])
        assert line["mean"] == line["low"] == line["high"] == line["p05"] == line["p95"] == line["ghosts"][0]


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(width=32)))
def test_mean_and_band_lie_within_the_healthy_networks(array):
    summary = summarize_curves(dict.fromkeys(CURVES, array))
    healthy = array[:, np.isfinite(array).all(axis=0)]
    assert summary["n_diverged"] == array.shape[1] - healthy.shape[1]
    line = summary["curves"]["test_loss"]
    for epoch in range(array.shape[0] if healthy.size else 0):
        smallest, largest = healthy[epoch].min(), healthy[epoch].max()
        low, high = np.float32(line["low"][epoch]), np.float32(line["high"][epoch])
        assert smallest <= np.float32(line["p05"][epoch]) <= low <= high <= np.float32(line["p95"][epoch]) <= largest
        assert smallest <= np.float32(line["mean"][epoch]) <= largest


def test_a_summary_is_strict_json_and_comes_back_equal():
    summary = summarize_curves(_curves())
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_double_precision_is_kept():
    curves = {key: curve.astype(np.float64) + 1e-12 for key, curve in _curves(10, 1).items()}
    assert summarize_curves(curves)["curves"]["test_loss"]["mean"] == curves["test_loss"][:, 0].tolist()


@pytest.mark.parametrize(
    "change", [{"test_loss": None}, {"loss": np.zeros((50, 8))}, {"test_loss": np.zeros((50, 7))}, {"test_loss": [1.0]}]
)
def test_curves_that_do_not_fit_together_are_refused(change):
    curves = {key: value for key, value in (_curves() | change).items() if value is not None}
    with pytest.raises(ValueError, match="curves must be"):
        summarize_curves(curves)
