"""The checks beside a verdict on real trainings: which fire and which don't."""

import dataclasses

import numpy as np
import pytest

from seedbed.experiment.comparison import comparison_of
from seedbed.experiment.run import Results


def codes(found, name):
    return [check.code for check in found.checks if check.candidate == name]


@pytest.fixture(scope="module")
def found(small):
    """A well-trained network, and two at rates that are far too low, on 200 linearly separable
    rows."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] + X[:, 1] + 0.3 * rng.normal(size=200) > 0).astype(int)
    names = dict(well="tanh:4@lr=0.5", slow="tanh:4@lr=0.02", still="tanh:4@lr=1e-6")
    options = dict(baselines=["prior", "logistic"], reference="well")
    return small(X, y, candidates=names, folds=5, epochs=150, **options)


def test_an_under_trained_network_is_reported_and_a_well_trained_one_is_not(found):
    assert "under_trained" in codes(found, "slow")
    assert not {"under_trained", "over_trained", "diverged"} & set(codes(found, "well"))
    (check,) = [
        check
        for check in found.checks
        if (check.candidate, check.code) == ("slow", "under_trained")
    ]
    result = found["slow"]
    fall = result.curves[2][-16].mean() - result.curves[2][-1].mean()
    assert check.evidence["fall"] == pytest.approx(fall, rel=1e-4)
    assert check.message in " ".join(found.details().split())


def test_an_untrained_network_is_no_better_than_the_prior(found):
    assert {"no_better_than_prior", "worse_than_logistic"} <= set(codes(found, "still"))
    assert not {"no_better_than_prior", "worse_than_logistic"} & set(
        codes(found, "well")
    )


def test_the_prior_is_computed_without_being_a_baseline(found, small):
    spec = found.experiment
    results = tuple(one for one in found.results if one.name != "prior")
    alone = comparison_of(Results(spec, found.splits, results, 1.0))
    assert [(check.candidate, check.code) for check in alone.checks] == [
        (check.candidate, check.code) for check in found.checks
    ]
    for ours, theirs in zip(alone.checks, found.checks, strict=True):
        assert ours.message == theirs.message
        assert ours.evidence == pytest.approx(theirs.evidence, rel=1e-9)


@pytest.mark.parametrize(
    ("reference", "code"),
    [("prior", "no_better_than_prior"), ("logistic", "worse_than_logistic")],
)
def test_checks_use_the_level_of_all_comparisons(found, reference, code):
    spec = dataclasses.replace(found.experiment, reference=reference)
    against = comparison_of(Results(spec, found.splits, found.results, 1.0))
    verdicts = {verdict.candidate: verdict for verdict in against.verdicts}
    numbers = {
        check.candidate: check.evidence for check in found.checks if check.code == code
    }
    assert "still" in numbers
    for name, evidence in numbers.items():
        verdict = verdicts[name]
        # Against the prior as the reference, the networks are compared together; the check is one
        # comparison alone.
        assert verdict.comparisons == (
            4 if reference == "prior" else 1 if name == "prior" else 3
        )
        keys = ["difference"] if reference == "prior" else ["difference", "low", "high"]
        expected = {key: getattr(verdict, key) for key in keys}
        assert {key: evidence[key] for key in keys} == pytest.approx(expected, rel=1e-9)
    left_out = {"worse_than_logistic"} if reference == "logistic" else set()
    said = {"no_better_than_prior", "worse_than_logistic"} & {
        check.code for check in against.checks
    }
    assert said == {"no_better_than_prior", "worse_than_logistic"} - left_out


def test_no_check_says_worse_within_the_margin(found):
    assert [
        check.candidate for check in found.checks if check.code == "worse_than_logistic"
    ]
    spec = dataclasses.replace(found.experiment, margin=10.0, margin_given=True)
    lenient = comparison_of(Results(spec, found.splits, found.results, 1.0))
    assert "worse_than_logistic" not in {check.code for check in lenient.checks}


@pytest.mark.slow
def test_memorising_is_reported_unless_rows_left_out_end_the_training(small):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 10))
    y = (X[:, 0] + rng.normal(size=80) > 0).astype(int)
    options = dict(
        candidates="relu:64", optimizer="adam", lr=0.01, epochs=150, folds=5, repeats=2
    )
    to_the_end, stopped = (
        small(X, y, **options, recipe=recipe) for recipe in ("tutorial", "default")
    )
    (check,) = [check for check in to_the_end.checks if check.code == "over_trained"]
    assert "was trained for too long" in check.message
    assert "over_trained" not in codes(stopped, "relu:64")
    assert (
        stopped["relu:64"].scores["brier"].mean
        < to_the_end["relu:64"].scores["brier"].mean
    )


@pytest.mark.few(1)
@pytest.mark.parametrize(("epochs", "late"), [(6, True), (100, False)])
def test_networks_that_stop_at_the_ceiling_were_still_learning(small, epochs, late):
    X = np.random.default_rng(3).normal(size=(200, 3))
    y = (X[:, 0] + 0.5 * X[:, 1] ** 3 > 0).astype(int)
    options = dict(epochs=epochs, baselines=["prior"])
    found = small(X, y, candidates="tanh:8", recipe="default", lr=0.03, **options)
    assert ("under_trained" in codes(found, "tanh:8")) == late
    assert ((found["tanh:8"].epochs >= 0.9 * epochs).mean() > 0.5) == late
