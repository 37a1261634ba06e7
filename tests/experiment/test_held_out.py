"""A large table: a fifth of the rows is held out and used once."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose

from seedbed.evaluation.estimates import paired_hold_out, paired_shares

WHOLE = {"repeats": None, "folds": None, "recipe": "default", "lr": 0.01}


@pytest.fixture(scope="module", autouse=True)
def _smaller():
    """Rows are locked away from 2,001 on, so that the tests are fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            importlib.import_module("seedbed.evaluation.protocol"), "_LARGE", 2_000
        )
        yield


@pytest.fixture(scope="module")
def large():
    """X [2500, 2] and y [2500]."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(2_500, 2))
    return X, (X[:, 0] + X[:, 1] ** 2 + rng.normal(size=2_500) > 1).astype(np.int64)


@pytest.fixture(scope="module")
def found(small, large):
    """Two models of two networks, and the prior."""
    names = ["linear:1", "tanh:3"]
    options = dict(candidates=names, epochs=3, baselines=["prior"], random_state=5)
    return small(*large, **WHOLE, reference="linear:1", auto=False, **options)


def test_held_out_rows_change_no_prediction_of_others(small, large, found):
    (split,), (X, y) = found.splits, large
    other = X.copy()
    other[split.test[::2]] *= 9
    again = small(other, y, **WHOLE, candidates="tanh:3", epochs=3, random_state=5)[
        "tanh:3"
    ]
    p, q = (one.predictions[0, 0, split.test[1::2]] for one in (found["tanh:3"], again))
    assert_allclose(p, q, atol=1e-6)


def test_every_model_predicts_exactly_the_held_out_rows(found):
    (split,) = found.splits
    for name in ("linear:1", "tanh:3", "prior"):
        p = found[name].predictions
        assert p.shape == (1, 1, 2_500)
        assert np.isfinite(p[:, :, split.test]).all()
        assert np.isnan(p[:, :, split.train]).all()
        assert found[name].tested.rows.tolist() == split.test.tolist()
    assert found["tanh:3"].epochs.shape == (1,)


def test_the_verdict_is_the_paired_difference_on_the_held_out_rows(found, large):
    test = found.splits[0].test
    losses = {
        name: (found[name].predictions[0][:, test] - large[1][test]) ** 2.0
        for name in ("linear:1", "tanh:3")
    }
    expected = paired_hold_out(losses["linear:1"], losses["tanh:3"])
    verdict = found.verdicts[0]
    assert verdict.candidate == "tanh:3"
    assert verdict.reference == "linear:1"
    assert verdict.comparisons == 1
    found_numbers = (verdict.difference, verdict.low, verdict.high, verdict.p)
    assert found_numbers == pytest.approx(
        (expected.mean, expected.low, expected.high, expected.p), rel=1e-4
    )
    assert (verdict.n_rows, verdict.n_train, verdict.held_out) == (2_500, 2_000, True)


def test_accuracy_has_its_own_paired_interval(found, large):
    test = found.splits[0].test
    wrong = {
        name: (found[name].predictions[0][:, test] > 0.5) != large[1][test]
        for name in ("linear:1", "prior")
    }
    expected = paired_hold_out(wrong["linear:1"], wrong["prior"])
    expected = paired_shares(expected, (1.0 * wrong["linear:1"] - wrong["prior"])[0])
    shown = found.verdicts[1].accuracy
    assert (shown.difference, shown.low, shown.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_intervals_of_scores_are_of_the_rows(found, large):
    test = found.splits[0].test
    losses = (found["tanh:3"].predictions[0][:, test] - large[1][test]) ** 2.0
    expected = paired_hold_out(losses, np.zeros((1, 500)))
    brier = found["tanh:3"].scores["brier"]
    assert (brier.mean, brier.low, brier.high) == pytest.approx(
        (expected.mean, expected.low, expected.high), rel=1e-5
    )
    for result in found.results:
        scores = {
            name: score for name, score in result.scores.items() if name != "pr_auc"
        }
        assert all(score.low <= score.mean <= score.high for score in scores.values())
        assert not any(score.pooled for score in scores.values())
