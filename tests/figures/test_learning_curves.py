"""The chart of learning curves, checked by its specification."""

import itertools

import numpy as np
import pytest

from .conftest import learning_curves


def _lines(chart):
    """Return the records of the mean lines, by candidate and part."""
    records = [
        record
        for values in chart["datasets"].values()
        for record in values
        if "part" in record
    ]
    return {
        (record["candidate"], record["part"].split()[0]): record for record in records
    }


def _subtitle(chart):
    return " | ".join(chart["title"]["subtitle"])


def _encoding(chart, panel=0):
    """The encoding of the means."""
    return chart["concat"][panel]["layer"][1]["encoding"]


def _scale(chart, panel):
    return _encoding(chart, panel)["y"]["scale"]["domain"]


def test_the_chart_contains_exactly_the_numbers_of_the_summary(candidate, summary):
    entries = [candidate("linear:5"), candidate("relu:20,20")]
    chart = learning_curves(summary(*entries))
    lines = _lines(chart)
    assert len(lines) == 4
    for entry in entries:
        for part in ("training", "test"):
            record, key = lines[entry["name"], part], part.removesuffix("ing")
            assert record["epoch"] == entry["epochs"]
            for measure in ("score", "loss"):
                assert record[measure] == entry["curves"][f"{key}_{measure}"]["mean"]
        result = lines[entry["name"], "test"]["loss_low"]
        assert result == entry["curves"]["test_loss"]["low"]
        result = lines[entry["name"], "test"]["score_high"]
        assert result == entry["curves"]["test_score"]["high"]


def test_a_single_network_has_no_band_and_the_text_mentions_none(candidate, summary):
    chart = learning_curves(summary(candidate(n_networks=1)))
    assert "band" not in _subtitle(chart)
    assert "mean" not in _subtitle(chart)
    assert not any(
        record["loss_low"] or record["score_high"] for record in _lines(chart).values()
    )


def test_networks_are_drawn_individually_for_a_single_candidate(candidate, summary):
    def drawn(*entries):
        return learning_curves(summary(*entries))["datasets"]["networks"]

    assert (
        drawn(candidate("linear:5"), candidate("relu:5"))
        == drawn(candidate(n_networks=1))
        == []
    )
    entry = candidate(n_epochs=200)
    networks = drawn(entry)
    assert [one["loss"] for one in networks] == entry["curves"]["test_loss"]["ghosts"]
    assert all(
        len(one["score"]) == len(one["epoch"]) == len(entry["ghost_epochs"]) == 50
        for one in networks
    )


def test_diverged_networks_are_named_above_the_chart(candidate, summary):
    chart = learning_curves(
        summary(
            candidate("relu:5", n_diverged=3),
            candidate("linear:5"),
            candidate("tanh:5"),
        )
    )
    assert "mean over 9 to 12 networks" in _subtitle(chart)
    assert "diverged and left out: 3 of 12 (relu:5)" in _subtitle(chart)
    chart = learning_curves(summary(candidate(n_diverged=12)))
    assert not _lines(chart)
    assert "diverged and left out: 12 of 12 (relu:5)" in _subtitle(chart)


def test_a_diverging_loss_is_cut_off_and_named(candidate, summary):
    good, bad = candidate("linear:5"), candidate("relu:5")
    for part in ("train_loss", "test_loss"):
        for line in ("mean", "low", "high"):
            bad["curves"][part][line] = [
                value * 1.5**epoch
                for epoch, value in enumerate(bad["curves"][part][line])
            ]
    chart = learning_curves(summary(good, bad))
    assert _scale(chart, 1)[1] < 8
    assert "beyond the axis: relu:5 (loss)" in _subtitle(chart)


@pytest.mark.parametrize("start", [-0.9, -5.0, -40.0])
def test_the_first_epochs_of_r2_do_not_set_the_axis(candidate, summary, start):
    entry, other = candidate("relu:5"), candidate("linear:5")
    for part in ("train_score", "test_score"):
        for line in ("mean", "low", "high"):
            entry["curves"][part][line] = list(
                0.6 + (start - 0.6) * np.exp(-np.arange(60) / 5)
            )
    chart = learning_curves(summary(entry, other, score_name="R2"))
    low, high = _scale(chart, 0)
    assert -0.6 < low <= -0.5 < 0.6 < high < 1.1
    assert "beyond the axis: relu:5 (R2)" in _subtitle(chart)
    assert _encoding(chart)["y"]["axis"].get("format") != "%"


@pytest.mark.parametrize("value", [0.0, 0.693, 1e6])
def test_a_constant_curve_has_an_axis_with_extent(candidate, summary, value):
    constant = candidate(n_networks=1)
    for part in ("train_loss", "test_loss"):
        constant["curves"][part] |= {
            line: [value] * 60 for line in ("mean", "low", "high")
        }
    constant["curves"]["test_loss"]["ghosts"] = [[value] * 15]
    low, high = _scale(learning_curves(summary(constant)), 1)
    assert low < value < high


@pytest.mark.few(1)
@pytest.mark.parametrize("n", [2, 6, 10])
def test_each_line_has_its_name_near_its_end(candidate, summary, texts, n):
    names = [f"relu:{number}" for number in range(1, n + 1)]
    chart = learning_curves(summary(*map(candidate, names)))
    values = chart["concat"][1]["layer"][-1]["data"]["values"]
    low, high = _scale(chart, 1)
    places = [one["place"] for one in values]
    assert all(
        b - a > 0.99 * 15 / 280 * (high - low) for a, b in itertools.pairwise(places)
    )
    assert low <= places[0]
    assert places[-1] <= high
    assert [one["candidate"] for one in values] == sorted(
        names, key=lambda name: _lines(chart)[name, "test"]["loss"][-1]
    )
    assert all(texts(chart).count(name) == 2 for name in names if name != "relu:1")
    assert names[0] not in texts(chart, hidden=[names[0]]).split(" | ")
