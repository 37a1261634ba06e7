"""Summaries of the curves of many networks."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from seedbed.evaluation.single_runs import CURVES, summarize_curves

TEST = ("test_loss", "test_score")


def summarized(curves: Any, **options: Any) -> dict[str, Any]:
    """The curves of a candidate as plain values."""
    return msgspec.to_builtins(summarize_curves("relu:5", curves, **options))


def _curves(n_epochs: int = 50, n_networks: int = 8) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {key: rng.random((n_epochs, n_networks), dtype=np.float32) for key in CURVES}


def _shown(values: Any) -> list[Any]:
    """Round numbers, or lists of them, to the five digits of a summary."""
    return [
        _shown(value) if isinstance(value, list) else float(f"{value:.5g}")
        for value in np.asarray(values).tolist()
    ]


def test_diverged_networks_are_counted_and_excluded_and_nothing_is_left_if_all_are():
    curves = _curves()
    healthy = {
        key: curve[:, [0, 2, 3, 4, 6, 7]].copy() for key, curve in curves.items()
    }
    curves["train_loss"][30:, 1] = np.nan
    curves["test_loss"][7, 5] = np.inf
    summary, expected = summarized(curves), summarized(healthy)
    assert (summary["n_networks"], summary["n_diverged"]) == (8, 2)
    assert summary["curves"] == expected["curves"]
    curves = _curves()
    curves["test_score"][0] = np.nan
    summary = summarized(curves)
    assert (summary["n_networks"], summary["n_diverged"]) == (8, 8)
    assert set(summary["curves"]) == set(CURVES)
    assert all(
        values == []
        for curve in summary["curves"].values()
        for values in curve.values()
    )


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 399, 400, 401, 1000, 12_345])
def test_thinning_keeps_the_first_and_last_epoch_and_respects_the_maximum(n_epochs):
    summary = summarized(_curves(n_epochs, 1), max_points=400)
    epochs = summary["epochs"]
    assert (epochs[0], epochs[-1], len(epochs)) == (0, n_epochs - 1, min(n_epochs, 400))
    gaps = np.diff(epochs)
    assert not gaps.size or (gaps.min() > 0 and gaps.max() - gaps.min() <= 1)


def test_values_belong_to_exactly_the_kept_epochs():
    curves = _curves(1000, 9)
    summary = summarized(curves, max_points=37)
    kept = curves["test_score"][summary["epochs"]].astype(np.float64)
    line = summary["curves"]["test_score"]
    assert line["mean"] == _shown(kept.mean(axis=1))
    for name, percent in (("low", 25), ("high", 75)):
        assert line[name] == _shown(np.percentile(kept, percent, axis=1))


def test_ghost_curves_are_evenly_chosen_networks_at_a_quarter_of_the_epochs():
    curves = _curves(200, 101)
    summary = summarized(curves, max_ghosts=3)
    assert len(summary["ghost_epochs"]) == 50
    assert summary["ghost_epochs"][0] == 0
    assert summary["ghost_epochs"][-1] == 199
    for key in TEST:
        expected = curves[key][np.ix_(summary["ghost_epochs"], [0, 50, 100])]
        assert summary["curves"][key]["ghosts"] == _shown(expected.T)
    assert all(
        summary["curves"][key]["ghosts"] == [] for key in CURVES if key not in TEST
    )
    assert summarized(curves, max_ghosts=0)["curves"]["test_loss"]["ghosts"] == []


def test_networks_that_stopped_early_keep_their_last_values_and_others_have_diverged():
    curves = _curves(20, 4)
    for key, array in curves.items():
        array[12 + (key == "test_loss") :, 1] = np.nan
        array[5:, 2] = np.nan
    held = {key: array[:, [0, 1, 3]].copy() for key, array in curves.items()}
    for array in held.values():
        array[12:, 1] = array[11, 1]
    found = summarized(curves, stopped=np.array([True, True, False, True]))
    assert (found["n_diverged"], found["curves"]) == (1, summarized(held)["curves"])
    assert np.isnan(curves["test_loss"][13:, 1]).all()  # what is given doesn't change


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(width=32),
    )
)
def test_mean_and_band_lie_within_the_healthy_networks(array):
    summary = summarized(dict.fromkeys(CURVES, array))
    healthy = array[:, np.isfinite(array).all(axis=0)]
    assert summary["n_diverged"] == array.shape[1] - healthy.shape[1]
    line = summary["curves"]["test_loss"]
    for epoch in range(array.shape[0] if healthy.size else 0):
        # rounding keeps the order
        smallest, largest = _shown([healthy[epoch].min(), healthy[epoch].max()])
        low, high = line["low"][epoch], line["high"][epoch]
        assert smallest <= low <= high <= largest
        assert smallest <= line["mean"][epoch] <= largest
