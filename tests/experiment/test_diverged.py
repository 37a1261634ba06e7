"""Networks that diverge are counted and shown, and excluded from averages."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.experiment import train, training_on
from seedbed.report.tables import score_table
from seedbed.settings import OPTIMIZERS, Recipe


class SometimesNaN(nn.Sequential):
    """Every other network, depending on its seed, starts as NaN."""

    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1))
        if self[0].bias[0] > 0:
            nn.init.constant_(self[1].bias, torch.nan)


@pytest.fixture(scope="module")
def some(small):
    return small(candidates={"none": "linear:2", "some": SometimesNaN, "tanh": "tanh:3"}, seeds=6)


@pytest.fixture(scope="module")
def every(small):
    return small(candidates={"all": "relu:4@lr=1e30", "none": "linear:2", "tanh": "tanh:3"}, baselines=["prior"])


def test_diverged_networks_are_counted_by_candidate(some):
    counts = {one["name"]: (one["n_diverged"], one["n_networks"]) for one in some.to_dict()["candidates"]}
    assert (counts["none"], counts["tanh"]) == ((0, 18), (0, 18))
    assert 0 < counts["some"][0] < 18
    assert counts["some"][0] == some["some"].diverged.sum()
    (check,) = [check for check in some.checks if check.code == "diverged"]
    assert check.candidate == "some"
    assert f"some lost {counts['some'][0]} of 18 networks" in check.message


def test_diverged_candidates_have_no_verdict_and_others_are_judged(some, small):
    assert [verdict.candidate for verdict in some.verdicts] == ["tanh"]
    (without,) = some.conclusion.no_verdict
    assert (without.candidate, without.reason) == ("some", "some of its predictions aren't finite")
    alone = small(candidates={"none": "linear:2", "tanh": "tanh:3"}, seeds=6)
    assert some.verdicts == alone.verdicts
    assert some.verdicts[0].comparisons == 1
    assert some.conclusion.ranking == alone.conclusion.ranking
    assert "No verdict on some: some of its predictions aren't finite." in some.details()


def test_a_diverged_reference_is_named_and_prevents_verdicts(every):
    assert every.verdicts == ()
    names = [one.candidate for one in every.conclusion.no_verdict]
    assert names == ["none", "tanh", "prior"]
    assert {one.reason for one in every.conclusion.no_verdict} == {
        "some predictions of the reference, all, aren't finite"
    }
    assert sorted(every.conclusion.ranking) == ["none", "prior", "tanh"]
    assert "No verdict: some predictions of the reference, all, aren't finite." in every.details()


def test_networks_that_diverge_after_their_chosen_epoch_are_judged(small):
    found = small(candidates=["tanh:3", "linear:20,20@lr=4"], epochs=10, epoch="inner")
    result = found["linear:20,20@lr=4"]
    assert result.diverged.any()
    assert (result.epochs < 7).all()
    assert np.isfinite(result.predictions).all()
    assert [verdict.candidate for verdict in found.verdicts] == ["linear:20,20@lr=4"]
    (check,) = [check for check in found.checks if check.code == "diverged"]
    assert "taken before that happened" in check.message


def test_networks_that_diverged_do_not_have_dead_units(every):
    assert np.isnan(every["all"].dead).all()
    assert [check.code for check in every.checks if check.candidate == "all"] == ["diverged"]


def test_scores_are_those_of_the_networks_that_did_not_diverge(some, arrays):
    result, y = some["some"], arrays[1]
    kept = ~result.diverged
    found = result.summary()
    assert found.train_loss == pytest.approx(result.curves[0, -1, kept].mean(), abs=1e-6)
    assert found.test_loss == pytest.approx(result.curves[2, -1, kept].mean(), abs=1e-6)
    assert found.train_accuracy == pytest.approx(result.curves[1, -1, kept].mean(), abs=1e-6)
    by_fold = []
    for split in some.splits:
        p = result.predictions[0][:, split.test]
        by_fold.append(((p > 0.5) == y[split.test])[np.isfinite(p).all(axis=1)].mean())
    score = result.scores["accuracy"]
    assert score.mean == pytest.approx(np.mean(by_fold))
    assert (score.low, score.high) == (None, None)


def test_a_diverged_network_has_no_probabilities(some):
    result = some["some"]
    for network, gone in enumerate(result.diverged):
        split, seed = some.splits[network // 6], network % 6
        assert np.isnan(result.predictions[0, seed, split.test]).all() == gone


def test_a_network_that_diverges_in_its_last_step_has_diverged(small):
    # Training losses are computed before the step, so those of one epoch are still good; its logits are infinite, not
    # NaN.
    result = small(candidates="linear:4", lr=1e30, epochs=1)["linear:4"]
    assert np.isfinite(result.curves[0]).all()
    assert result.diverged.all()
    assert np.isnan(result.predictions).all()
    assert result.scores["accuracy"].mean is None


def test_if_all_networks_diverge_the_table_has_dashes(every):
    (line,) = [line for line in every.details().splitlines() if line.startswith("  all ")]
    assert line.split()[:4] == ["all", "(network)", "-", "-"]
    (row,) = [row for row in score_table(every.conclusion).rows if row[0] == "all"]
    assert row[1:] == [*["-"] * (len(row) - 3), "4", "21"]  # scores, training accuracy; epochs, parameters


def test_if_all_networks_diverge_the_document_has_nulls(every):
    text = json.dumps(every.to_dict(), allow_nan=False)
    one, other, *_ = json.loads(text)["candidates"]
    nothing = {"mean": None, "low": None, "high": None, "fold_sd": None, "seed_sd": None, "pooled": False}
    assert all(value == nothing for value in one["scores"].values())
    assert {one[key] for key in ("train_accuracy", "train_loss", "test_loss", "lowest_test_loss_epoch")} == {None}
    assert other["scores"]["accuracy"]["mean"] > 0


def test_if_every_rate_of_a_grid_diverges_this_is_reported(small, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "adamw", dataclasses.replace(OPTIMIZERS["adamw"], lr_grid=(1e30, 1e31)))
    found = small(candidates={"none": "linear:2@lr=0.1", "all": "linear:4"}, recipe="trained", lr=None)
    assert (found["all"].epochs.tolist(), found["all"].lrs.tolist()) == ([1] * 3, [1e30] * 3)
    assert found["all"].diverged.all()
    json.dumps(found.to_dict(), allow_nan=False)
    assert "No verdict on all: some of its predictions aren't finite." in found.details()


@pytest.mark.parametrize("state", [7, 11])  # the first network of the plan is finite; the first of another chunk is NaN
def test_networks_next_to_one_that_starts_as_nan_train_normally(small, monkeypatch, state):
    monkeypatch.setattr("seedbed.training.planning._cache_bytes", lambda: 1)  # chunks of 15, across splits of 20
    some, plain = (
        small(candidates={"some": build}, seeds=20, random_state=state)["some"]
        for build in (SometimesNaN, lambda: nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)))
    )
    kept = ~some.diverged
    assert 0 < kept.sum() < 60
    np.testing.assert_allclose(some.curves[:, :, kept], plain.curves[:, :, kept], rtol=0, atol=1e-6)


def test_a_comparison_of_diverged_networks_is_saved_with_its_picture(small, tmp_path):
    found = small(candidates="linear:4", lr=1e30)
    for path in found.save(tmp_path):
        assert path.stat().st_size > 100
    assert json.loads((tmp_path / "comparison.json").read_text())["candidates"][0]["n_diverged"] == 6
    assert found.conclusion.ranking == ()


def test_progress_of_diverged_networks_is_a_number_or_nothing(small):
    seen = []
    small(candidates="linear:4", lr=1e30, on_progress=seen.append)
    assert seen[-1].done == 6
    assert len(seen[-1].test_score) == 3


def test_one_run_that_diverges_is_saved_with_its_picture(tmp_path):
    trained = train(training_on("example:moons", candidate="linear:4", recipe=Recipe(lr=1e30, epochs=20)))
    assert trained.history.diverged.tolist() == [True]
    # No run is left for the chart of the seed lottery.
    written = {path.name for path in trained.save(tmp_path, pictures="png")}
    assert written == {"training.json", "report.html", "curves.png", "history.csv", "sha256sums.txt"}
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 21
