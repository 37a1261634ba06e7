"""A large table: a fifth of the rows is held out, the others choose, and the held-out rows are used once."""

import importlib
import json

import numpy as np
import pytest
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split

from seedbed.data import table_from_arrays
from seedbed.evaluation import Choice, paired_hold_out
from seedbed.experiment import make_plan, specify
from seedbed.settings import Compute, Design, Recipe
from seedbed.training.randomness import derive

WHOLE = {"repeats": None, "folds": None, "seeds": None}


@pytest.fixture(scope="module", autouse=True)
def _smaller():
    """Rows are locked away from 20,001 on, so that the tests are fast."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("seedbed.evaluation.protocol"), "_LARGE", 20_000)
        yield


@pytest.fixture(scope="module")
def large():
    """X [20500, 2] and y [20500]."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(20_500, 2))
    return X, (X[:, 0] + X[:, 1] ** 2 + rng.normal(size=20_500) > 1).astype(np.int64)


@pytest.fixture(scope="module")
def found(small, large):
    """Three epochs of two networks, and a baseline."""
    names = ["logistic", "tanh:3"]
    return small(*large, **WHOLE, candidates=names, epochs=3, epoch="inner", baselines=["prior"], random_state=5)


@pytest.fixture(scope="module")
def plan(large):
    recipe = Recipe(epochs=3, lr=0.5, epoch="inner")
    spec = specify(
        table_from_arrays(*large), ["logistic", "tanh:3"], recipe=recipe, design=Design(baselines=[], random_state=5)
    )
    return make_plan(spec, Compute(jobs=1))


def test_a_stratified_fifth_of_the_rows_is_held_out(found, large):
    (split,) = found.splits
    train, test = train_test_split(np.arange(20_500), test_size=0.2, random_state=5, stratify=large[1])
    assert split.train.tolist() == sorted(train)
    assert split.test.tolist() == sorted(test)


def test_held_out_rows_are_used_neither_to_train_nor_to_choose(plan):
    locked, (inner,) = plan.splits[0].test, plan.inner
    assert not plan.fitting.data.train[locked].any()
    assert not (plan.choosing.data.train[locked] + plan.choosing.data.test[locked]).any()
    assert not any(set(locked) & {*part.train, *part.test} for part in inner)
    assert plan.totals() == {"logistic": 3 + 15, "tanh:3": 3 + 15}


def test_the_other_rows_choose_in_folds_once_per_seed(plan, large):
    rest, (inner,) = plan.splits[0].train, plan.inner
    assert len(inner) == 15
    for seed in range(3):
        dealer = RepeatedStratifiedKFold(n_splits=5, n_repeats=1, random_state=derive(5, "inner", 0, seed) % 2**32)
        for part, (train, test) in zip(inner[5 * seed :], dealer.split(rest, large[1][rest]), strict=False):
            assert part.train.tolist() == rest[train].tolist()
            assert part.test.tolist() == rest[test].tolist()


def test_every_seed_predicts_exactly_the_held_out_rows(found):
    (split,) = found.splits
    for name, seeds in (("logistic", 3), ("tanh:3", 3), ("prior", 1)):
        p = found[name].predictions
        assert p.shape == (1, seeds, 20_500)
        assert np.isfinite(p[:, :, split.test]).all()
        assert np.isnan(p[:, :, split.train]).all()
        assert found[name].tested.tolist() == split.test.tolist()
    assert found["tanh:3"].epochs.shape == (1,)


def test_the_verdict_is_the_paired_difference_on_the_held_out_rows(found, large):
    test = found.splits[0].test
    losses = {name: (found[name].predictions[0][:, test] - large[1][test]) ** 2.0 for name in ("logistic", "tanh:3")}
    expected = paired_hold_out(losses["logistic"], losses["tanh:3"])
    verdict = found.verdicts[0]
    assert (verdict.candidate, verdict.reference, verdict.comparisons) == ("tanh:3", "logistic", 1)
    found_numbers = (verdict.difference, verdict.low, verdict.high, verdict.p)
    assert found_numbers == pytest.approx((expected.mean, expected.low, expected.high, expected.p), rel=1e-4)
    assert verdict.seed_share == pytest.approx(expected.variance_seeds / expected.se**2, rel=1e-3)
    assert 0 < verdict.seed_share < 1
    assert (verdict.n_rows, verdict.n_train, verdict.held_out) == (20_500, 16_400, True)


def test_accuracy_has_its_own_paired_interval(found, large):
    test = found.splits[0].test
    wrong = {name: (found[name].predictions[0][:, test] > 0.5) != large[1][test] for name in ("logistic", "prior")}
    expected = paired_hold_out(wrong["logistic"], wrong["prior"])
    shown = found.verdicts[1].accuracy
    assert (shown.difference, shown.low, shown.high) == pytest.approx((expected.mean, expected.low, expected.high))


def test_intervals_of_scores_include_rows_and_seeds(found, large):
    test = found.splits[0].test
    losses = (found["tanh:3"].predictions[0][:, test] - large[1][test]) ** 2.0
    expected = paired_hold_out(losses, np.zeros((1, 4100)))
    brier = found["tanh:3"].scores["brier"]
    assert (brier.mean, brier.low, brier.high) == pytest.approx((expected.mean, expected.low, expected.high), rel=1e-5)
    for result in found.results:
        scores = {name: score for name, score in result.scores.items() if name != "pr_auc"}
        assert all(score.low <= score.mean <= score.high for score in scores.values())
        assert not any(score.pooled for score in scores.values())


def test_the_document_is_strict_json_and_describes_the_held_out_rows(found):
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["interval"] == document["plan"]["kind"] == "held_out"
    assert (document["plan"]["n_train"], document["plan"]["n_test"]) == (16_400, 4100)
    assert "tested once on 4,100 rows that were set aside, with 3 seeds" in found.details()
    assert document["ranking"] == sorted(document["ranking"], key=lambda name: found[name].scores["brier"].mean)


def test_the_choice_uses_the_inner_folds(small, large, monkeypatch):
    given = []
    monkeypatch.setattr(
        "seedbed.tuning.choose", lambda losses, *patience: given.append(losses.shape) or Choice(0, 1, 0.5)
    )
    result = small(*large, **WHOLE, candidates="logistic", epochs=3, epoch="inner")["logistic"]
    assert given == [(1, 15, 3)]
    assert result.epochs.tolist() == [1]
    assert result.summary().test_loss == pytest.approx(result.curves[2, 0].mean())


def test_one_seed_gives_no_information_on_seeds(small, large):
    found = small(*large, **WHOLE | {"seeds": 1}, candidates=["logistic", "tanh:3"], epochs=1)
    assert found.verdicts[0].held_out
    assert found.verdicts[0].seed_share is None
