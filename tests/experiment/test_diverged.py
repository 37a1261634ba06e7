"""Models whose networks diverge, or that a split doesn't suit, are shown and have no predictions;
others go on."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from torch import nn

import seedbed as sb
from seedbed.experiment.run import run


class SometimesNaN(nn.Sequential):
    """Every other network, depending on its seed, starts as NaN."""

    def __init__(self):
        super().__init__(nn.Linear(3, 2), nn.Linear(2, 1))
        if self[0].bias[0] > 0:
            nn.init.constant_(self[1].bias, torch.nan)


@pytest.fixture(scope="module")
def some(small):
    return small(
        candidates={"none": "linear:2", "some": SometimesNaN, "tanh": "tanh:3"},
        n_networks=6,
        reference="none",
    )


@pytest.fixture(scope="module")
def every(small):
    return small(
        candidates={"all": "relu:4@lr=1e30", "none": "linear:2", "tanh": "tanh:3"},
        baselines=["prior"],
        reference="all",
    )


def test_diverged_networks_are_counted_by_candidate(some):
    counts = {
        one["name"]: (one["n_diverged"], one["n_networks"])
        for one in some.to_dict()["candidates"]
    }
    assert (counts["none"], counts["tanh"]) == ((0, 18), (0, 18))
    # a model without one of its networks would be another one
    assert counts["some"] == (18, 18)
    assert np.isnan(some["some"].predictions).all()
    assert some["some"].scores["accuracy"].mean is None
    (check,) = [check for check in some.checks if check.code == "diverged"]
    assert check.candidate == "some"
    assert (
        "some has no predictions in 3 of 3 splits: there, the loss of at least one of its 6 networks"
        in check.message
    )


def test_diverged_candidates_have_no_verdict_and_others_are_judged(some, small):
    assert [verdict.candidate for verdict in some.verdicts] == ["tanh"]
    (without,) = some.conclusion.no_verdict
    assert without.candidate == "some"
    assert without.reason == "some of its predictions aren't finite"
    options = dict(n_networks=6, reference="none")
    alone = small(candidates={"none": "linear:2", "tanh": "tanh:3"}, **options)
    assert some.verdicts == alone.verdicts
    assert some.verdicts[0].comparisons == 1
    assert some.conclusion.ranking == alone.conclusion.ranking
    assert (
        "No verdict on some: some of its predictions aren't finite." in some.details()
    )


def test_a_diverged_reference_is_named_and_prevents_verdicts(every):
    assert every.verdicts == ()
    names = [one.candidate for one in every.conclusion.no_verdict]
    assert names == ["none", "tanh", "prior"]
    assert {one.reason for one in every.conclusion.no_verdict} == {
        "some predictions of the reference, all, aren't finite"
    }
    assert sorted(every.conclusion.ranking) == ["none", "prior", "tanh"]
    assert (
        "No verdict: some predictions of the reference, all, aren't finite."
        in every.details()
    )


def test_networks_that_diverge_after_their_best_epoch_are_judged(small):
    wild = "linear:20,20@optimizer=sgd,lr=4"
    options = dict(candidates=["tanh:3", wild], recipe="default")
    found = small(lr=None, epochs=20, patience=20, n_networks=4, **options)
    result = found[wild]
    assert np.isnan(result.curves).any()
    assert not result.diverged.any()
    assert np.isfinite(result.predictions).all()
    assert {"tanh:3", wild} <= {one.candidate for one in found.verdicts}


def test_networks_that_diverge_in_their_last_step_have_diverged_are_counted_and_saved(
    small, tmp_path
):
    # Training losses are computed before the step, so those of one epoch are still good; its logits
    # are infinite, not NaN.
    seen = []
    found = small(candidates="linear:4", lr=1e30, epochs=1, on_progress=seen.append)
    result = found["linear:4"]
    assert result.diverged.all()
    assert np.isnan(result.predictions).all()
    assert result.scores["accuracy"].mean is None
    assert seen[-1].done == seen[-1].total == 3
    assert all(path.stat().st_size > 100 for path in found.save(tmp_path))
    assert (
        json.loads((tmp_path / "comparison.json").read_text())["candidates"][0][
            "n_diverged"
        ]
        == 6
    )
    assert found.conclusion.ranking == ()


def test_if_all_networks_diverge_the_document_has_nulls(every):
    text = json.dumps(every.to_dict(), allow_nan=False)
    one, other, *_ = json.loads(text)["candidates"]
    nothing = {"mean": None, "low": None, "high": None, "pooled": False}
    assert all(value == nothing for value in one["scores"].values())
    assert one["train_accuracy"] is None
    assert other["scores"]["accuracy"]["mean"] > 0


def test_a_model_that_one_split_does_not_suit_is_left_out_with_its_reason(
    arrays, small
):
    frame = pd.DataFrame(arrays[0], columns=["a", "b", "c"])
    # one of three splits lacks the input of w
    frame["level"] = ["w", *["u", "v"] * 29, "u"]
    table = sb.read_table(frame.assign(y=arrays[1]), target="y")
    candidates = {"mine": lambda: nn.Linear(7, 1), "linear:2": "linear:2"}
    found = small(table, candidates=candidates, baselines=["prior"])
    reasons = {one.candidate: one.reason for one in found.conclusion.no_verdict}
    assert reasons["mine"].startswith(
        "left out, as it can't be fitted on 1 of 3 splits: "
    )
    assert "can't take 6 features" in reasons["mine"]
    assert sorted(found.conclusion.ranking) == ["linear:2", "prior"]
    assert f"mine: {reasons['mine']}." in " ".join(str(found).split())
    assert "diverged" not in str(found) + found.details()
    result = [one["note"] for one in found.to_dict()["candidates"]]
    assert result == [reasons["mine"], "", ""]


def test_kept_fits_say_why_a_model_is_left_out(planned, tmp_path, monkeypatch):
    plan = planned("linear:2", baselines=[GaussianNB()])
    real = GaussianNB.fit
    calls = []

    def fit(self, X, y):
        calls.append(1)
        return real(self, X, y if len(calls) != 2 else y[1:])

    monkeypatch.setattr(GaussianNB, "fit", fit)
    first, again = (run(plan, tmp_path)["GaussianNB"].failure for _ in range(2))
    assert len(calls) == 3
    assert first == again
    assert (
        "can't be fitted on 1 of 3 splits: ValueError: Found input variables" in first
    )
