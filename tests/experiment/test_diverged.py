"""Networks that diverge are counted and shown, and never averaged in."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.experiment import train
from seedbed.networks import Recipe


class SometimesNaN(nn.Sequential):
    """Every other network, by its own seed, starts as NaN."""

    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1))
        if self[0].bias[0] > 0:
            nn.init.constant_(self[1].bias, torch.nan)


@pytest.fixture(scope="module")
def some(small):
    return small(candidates={"some": SometimesNaN, "none": "linear:2"}, seeds=6)


@pytest.fixture(scope="module")
def every(small):
    return small(candidates={"all": "linear:4@lr=1e30", "none": "linear:2"})


def test_diverged_networks_are_counted_by_candidate(some):
    counts = {one["name"]: (one["n_diverged"], one["n_networks"]) for one in some.to_dict()["candidates"]}
    assert counts["none"] == (0, 18)
    assert 0 < counts["some"][0] < 18
    assert counts["some"][0] == some["some"].diverged.sum()
    assert f"some: {counts['some'][0]} of 18 networks diverged and are left out of its figures." in str(some)
    assert "none: " not in str(some)


def test_figures_are_those_of_the_networks_that_did_not_diverge(some, arrays):
    result, y = some["some"], arrays[1]
    kept = ~result.diverged
    document = result.as_dict()
    assert document["train_accuracy"] == pytest.approx(result.curves[1, -1, kept].mean(), abs=1e-6)
    assert document["test_loss"] == pytest.approx(result.curves[2, -1, kept].mean(), abs=1e-6)
    by_fold = []
    for split in some.splits:
        p = result.probabilities[0][:, split.test]
        by_fold.append(((p > 0.5) == y[split.test])[np.isfinite(p).all(axis=1)].mean())
    assert result.scores["accuracy"].mean == pytest.approx(np.mean(by_fold))


def test_a_diverged_network_has_no_probabilities(some):
    result = some["some"]
    for network, gone in enumerate(result.diverged):
        split, seed = some.splits[network // 6], network % 6
        assert np.isnan(result.probabilities[0, seed, split.test]).all() == gone


def test_a_network_whose_last_step_alone_goes_wrong_has_diverged(small):
    # Training figures are from before the step, so one epoch's are still good; its logits are infinite, not NaN.
    result = small(candidates="linear:4", lr=1e30, epochs=1)["linear:4"]
    assert np.isfinite(result.curves[0]).all()
    assert result.diverged.all()
    assert np.isnan(result.probabilities).all()
    assert result.scores["accuracy"].mean is None


def test_where_all_diverged_the_table_has_dashes(every):
    (line,) = [line for line in str(every).splitlines() if line.split()[:1] == ["all"]]
    assert line.split() == ["all", "21", *["-"] * 6]
    assert "all: 6 of 6 networks diverged" in str(every)


def test_where_all_diverged_the_document_has_nulls_and_is_strict_json(every):
    text = json.dumps(every.to_dict(), allow_nan=False)
    one, other = json.loads(text)["candidates"]
    assert all(value == {"mean": None, "fold_sd": None, "seed_sd": None} for value in one["scores"].values())
    assert {one[key] for key in ("train_accuracy", "train_loss", "test_loss", "lowest_test_loss_epoch")} == {None}
    assert other["scores"]["accuracy"]["mean"] > 0


def test_a_comparison_in_which_all_diverged_is_saved_with_its_picture(small, tmp_path):
    found = small(candidates="linear:4", lr=1e30)
    for path in found.save(tmp_path):
        assert path.stat().st_size > 100
    assert json.loads((tmp_path / "comparison.json").read_text())["candidates"][0]["n_diverged"] == 6


def test_progress_of_diverged_networks_is_a_number_or_nothing(small):
    seen = []
    small(candidates="linear:4", lr=1e30, on_progress=seen.append)
    assert seen[-1].done == 6
    assert len(seen[-1].test_score) == 3


def test_one_run_that_diverges_is_saved_with_its_picture(tmp_path):
    trained = train("example:moons", candidate="linear:4", recipe=Recipe(lr=1e30, epochs=20), compile=False, jobs=1)
    assert trained.history.diverged.tolist() == [True]
    assert [path.name for path in trained.save(tmp_path)] == ["curves.png", "history.csv"]
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 21
