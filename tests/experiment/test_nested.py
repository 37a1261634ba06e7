"""Nested cross-validation: networks trained without two folds, and their interval."""

import dataclasses
import json

import numpy as np
import pytest

from seedbed.evaluation import nested_interval
from seedbed.experiment import run
from seedbed.experiment.comparison import conclude
from seedbed.experiment.run import Results
from seedbed.training import train_many
from seedbed.training.randomness import derive

OPTIONS = {"interval": "nested", "repeats": 2, "folds": 4}


@pytest.fixture(scope="module")
def found(small):
    return small(**OPTIONS, candidates=["linear:3", "tanh:4"], baselines=["prior"], random_state=7)


def folds_of(found):
    """[repeat, row]"""
    folds = np.empty((2, 60), dtype=int)
    for split in found.splits:
        folds[split.repeat, split.test] = split.fold
    return folds


def test_the_network_of_a_pair_is_trained_without_both_folds_and_predicts_them(found, arrays):
    X, y = arrays
    folds, pairs = folds_of(found), found["tanh:4"].pairs
    for repeat, one, other, seed in ((0, 0, 1, 0), (1, 1, 3, 1), (1, 2, 3, 0)):
        train = ~np.isin(folds[repeat], (one, other))
        Z = ((X - X[train].mean(0)) / X[train].std(0)).astype(np.float32)
        own = derive(7, "tanh:4", repeat, one, other, seed)
        history = train_many("tanh:4", Z[train], y[train], Z[~train], y[~train], seeds=[own], epochs=4, lr=0.5)
        p = history.predict(Z)[:, 0]
        for outer, tested in ((one, other), (other, one)):
            rows = folds[repeat] == tested
            np.testing.assert_allclose(pairs[repeat, outer, seed, rows], p[rows], atol=1e-5)


def test_every_row_is_predicted_for_each_other_fold(found):
    folds = folds_of(found)
    for name, n_seeds in (("linear:3", 2), ("tanh:4", 2), ("prior", 1)):
        pairs = found[name].pairs
        assert pairs.shape == (2, 4, n_seeds, 60)
        own = folds[:, None, None] == np.arange(4)[None, :, None, None]
        np.testing.assert_array_equal(np.isnan(pairs), np.broadcast_to(own, pairs.shape))
        assert found[name].finite


def test_baselines_are_fitted_without_both_folds_too(found, arrays):
    folds, pairs = folds_of(found), found["prior"].pairs
    for outer in range(4):
        for row in range(0, 60, 7):
            if folds[1, row] != outer:
                rest = ~np.isin(folds[1], (outer, folds[1, row]))
                assert pairs[1, outer, 0, row] == pytest.approx(arrays[1][rest].mean(), abs=1e-6)


def test_the_verdict_equals_a_calculation_by_hand(found, arrays):
    y, (verdict, of_prior) = arrays[1], found.verdicts
    outer, inner = (
        {name: (getattr(found[name], key).astype(float) - y) ** 2 for name in ("linear:3", "tanh:4")}
        for key in ("predictions", "pairs")
    )
    expected = nested_interval(
        outer["linear:3"].mean(axis=1) - outer["tanh:4"].mean(axis=1),
        inner["linear:3"].mean(axis=2) - inner["tanh:4"].mean(axis=2),
        folds_of(found),
    )
    shown = verdict.difference, verdict.low, verdict.high, verdict.p
    assert shown == pytest.approx((expected.mean, expected.low, expected.high, expected.p), rel=1e-4)
    assert (of_prior.candidate, of_prior.comparisons, of_prior.n_train) == ("prior", 1, 45)
    assert verdict.accuracy.low <= verdict.accuracy.difference <= verdict.accuracy.high


def test_outer_networks_equal_those_of_plain_cross_validation(found, small, same):
    plain = small(**OPTIONS | {"interval": "corrected"}, candidates=["linear:3", "tanh:4"], random_state=7)
    for name in ("linear:3", "tanh:4"):
        same(plain[name], found[name], tolerance=1e-6)
        assert plain[name].pairs is None
        assert plain[name].scores["brier"].mean == pytest.approx(found[name].scores["brier"].mean, abs=1e-6)
    assert (plain.verdicts[0].low, plain.verdicts[0].high) != (found.verdicts[0].low, found.verdicts[0].high)


def test_the_document_names_the_method_in_strict_json(found):
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["interval"] == "nested"
    assert document["candidates"][0]["n_networks"] == 16
    assert "nested cross-validation" in found.details()


def test_the_plan_includes_pairs_and_chooses_without_their_rows(planned):
    plan = planned("tanh:4", **OPTIONS, name="trained", baselines=["prior"])
    assert len(plan.all_splits) == 8 + 12
    assert plan.totals() == {"tanh:4": 20 * 2 * (1 + 3), "prior": 20}
    for split, parts in zip(plan.all_splits, plan.inner, strict=True):
        assert len(parts) == 2
        assert all(sorted([*part.train, *part.test]) == split.train.tolist() for part in parts)
    found = run(plan)
    assert found["tanh:4"].epochs.shape == (8,)
    assert found["tanh:4"].finite


def test_a_pair_without_finite_predictions_prevents_the_verdict(found):
    broken = found["tanh:4"].pairs.copy()
    broken[1, 2, 0, np.flatnonzero(folds_of(found)[1] == 3)[0]] = np.nan
    results = [found["linear:3"], dataclasses.replace(found["tanh:4"], pairs=broken), found["prior"]]
    again = conclude(Results(found.experiment, found.splits, tuple(results), 1.0))
    assert [verdict.candidate for verdict in again.verdicts] == ["prior"]
    assert [one.candidate for one in again.conclusion.no_verdict] == ["tanh:4"]
    json.dumps(again.to_dict(), allow_nan=False)


def test_tables_that_are_not_cross_validated_have_no_pairs(planned, small):
    rng = np.random.default_rng(0)
    found = small(rng.normal(size=(40, 2)), np.arange(40) % 2, candidates="linear:2", interval="nested")
    assert found["linear:2"].pairs is None
    assert found.verdicts == ()
