"""Scores compared with scikit-learn, and their intervals by hand, from the stored probabilities."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter
from scipy.stats import t as student
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    matthews_corrcoef,
    roc_auc_score,
)

import seedbed as sb
from seedbed.data.splits import Split
from seedbed.errors import OptionError
from seedbed.evaluation.bootstrap import row_mean_se, score_interval
from seedbed.evaluation.estimates import share_interval, wilson
from seedbed.evaluation.protocol import protocol
from seedbed.evaluation.summaries import Score
from seedbed.scoring import SCORES, Result, difference, resamples_for, score
from seedbed.tested import Tested

from .conftest import by_fold

BY_FOLD = dict(
    accuracy=lambda y, p: accuracy_score(y, p > 0.5),
    log_loss=lambda y, p: log_loss(y, p, labels=[0, 1]),
    brier=brier_score_loss,
    roc_auc=roc_auc_score,
)
BY_REPEAT = dict(
    balanced_accuracy=lambda y, p: balanced_accuracy_score(y, p > 0.5),
    mcc=lambda y, p: matthews_corrcoef(y, p > 0.5),
    pr_auc=average_precision_score,
)
NAMES = ["linear:3", "tanh:4", "prior"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", BY_FOLD)
def test_means_of_rows_and_auc_equal_scikit_learns_in_each_fold(
    comparison, name, score
):
    values = by_fold(comparison, name, BY_FOLD[score])
    found = comparison[name].scores[score]
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert not found.pooled


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", BY_REPEAT)
def test_other_scores_equal_scikit_learns_for_all_rows_of_a_repeat(
    comparison, name, score
):
    sets = comparison[name].predictions.astype(np.float64).reshape(-1, 60)
    expected = np.mean(
        [BY_REPEAT[score](comparison.experiment.table.target, p) for p in sets]
    )
    assert comparison[name].scores[score].mean == pytest.approx(expected, abs=1e-12)


def standard_error(comparison, name, score, runs):
    """Of runs [split, 1] in 2 repeats of 3 folds, with the spread between classes."""
    folds = runs[:, 0].var(ddof=1) * (1 / 6 + 1 / 2)
    y = comparison.experiment.table.target
    of_rows = comparison[name].row_losses(score).mean(axis=(0, 1))
    means = np.where(y == 1, of_rows[y == 1].mean(), of_rows[y == 0].mean())
    return np.sqrt(folds + means.var() / len(y))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", ["accuracy", "brier", "log_loss"])
def test_the_interval_of_a_mean_of_rows_is_the_corrected_t_over_folds(
    comparison, name, score
):
    runs = by_fold(comparison, name, BY_FOLD[score])
    values = runs.mean(axis=1)
    half = student.ppf(0.975, 2) * standard_error(comparison, name, score, runs)
    found = comparison[name].scores[score]
    ends = (values.mean() - half, values.mean() + half)
    if score == "accuracy":
        ends = share_interval(values.mean(), *ends, n=60)
    top = np.inf if score == "log_loss" else 1
    assert (found.low, found.high) == pytest.approx(
        (max(0, ends[0]), min(top, ends[1])), abs=1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_brier_skill_is_relative_to_the_priors_brier_score(comparison, name):
    brier, skill = (
        comparison[name].scores[score] for score in ("brier", "brier_skill")
    )
    share = comparison.experiment.table.target.mean()
    prior = share * (1 - share)
    assert skill.mean == pytest.approx(1 - brier.mean / prior)
    assert (skill.low, skill.high) == pytest.approx(
        (1 - brier.high / prior, 1 - brier.low / prior)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", ["roc_auc", "mcc", "balanced_accuracy"])
def test_the_interval_of_other_scores_is_a_widened_bootstrap_of_rows(
    comparison, name, score
):
    y = comparison.experiment.table.target
    sets = comparison[name].predictions.astype(np.float64).reshape(-1, 60)
    corrected = standard_error(
        comparison, name, "brier", by_fold(comparison, name, brier_score_loss)
    )
    factor = max(1.0, corrected / row_mean_se((sets - y) ** 2))
    of_rows = score_interval(score, y, sets, widened_by=factor)
    found = comparison[name].scores[score]
    below, above = found.mean - found.low, found.high - found.mean
    assert below == pytest.approx(of_rows.mean - of_rows.low, abs=1e-9)
    assert above == pytest.approx(
        min(of_rows.high - of_rows.mean, 1 - found.mean), abs=1e-9
    )


def test_pr_auc_has_no_interval(comparison):
    found = comparison["tanh:4"].scores["pr_auc"]
    assert (found.low, found.high) == (None, None)
    assert list(comparison["tanh:4"].scores) == list(SCORES["binary"])


def test_every_interval_contains_its_score_and_stays_in_range(comparison):
    for result in comparison.results:
        for name, found in result.scores.items():
            bottom = {"mcc": -1, "brier_skill": -np.inf}.get(name, 0)
            top = np.inf if name == "log_loss" else 1
            if name != "pr_auc":
                assert bottom <= found.low <= found.mean <= found.high <= top


def test_a_higher_alpha_gives_narrower_intervals_of_the_same_scores(small, comparison):
    options = dict(
        candidates=["linear:3", "tanh:4"], repeats=2, n_networks=3, random_state=7
    )
    narrow = small(alpha=0.5, **options)["tanh:4"].scores
    for name, wide in comparison["tanh:4"].scores.items():
        assert narrow[name].mean == wide.mean
        assert (
            wide.low is None
            or wide.low < narrow[name].low <= narrow[name].high < wide.high
        )


@pytest.mark.few(1)
@pytest.mark.parametrize("metric", ["roc_auc", "balanced_accuracy"])
def test_verdicts_may_be_about_a_score_of_folds(small, comparison, metric):
    options = dict(candidates=["linear:3", "tanh:4"], repeats=2)
    judged = small(n_networks=3, random_state=7, metric=metric, **options)
    function = {**BY_FOLD, **BY_REPEAT}[metric]
    ours, theirs = (
        by_fold(judged, name, function).mean(axis=1) for name in ("linear:3", "tanh:4")
    )
    for verdict in judged.verdicts:
        if {verdict.candidate, verdict.reference} == {"linear:3", "tanh:4"}:
            gain = theirs.mean() - ours.mean()
            assert verdict.difference == pytest.approx(
                gain if verdict.candidate == "tanh:4" else -gain, abs=1e-9
            )
            assert verdict.low < verdict.difference < verdict.high
            break
    else:
        raise AssertionError("the two weren't compared")
    assert judged.conclusion.metric.of_prior == 0.5
    assert judged.scores()[metric].max() <= 1
    with pytest.raises(OptionError, match="a score of a fold, and a subgroup"):
        judged.by("x0")


def test_locked_rows_give_no_verdict_on_a_score_of_folds(arrays):
    frame = (
        pd.DataFrame(arrays[0])
        .rename(columns=str)
        .assign(y=arrays[1], day=np.arange(len(arrays[1])))
    )
    message = "'roc_auc' is a score of whole folds, but one set of rows is tested here"
    with pytest.raises(OptionError, match=message):
        sb.compare(
            sb.read_table(frame, target="y", time_split="day"),
            design=sb.Design(metric="roc_auc"),
        )


def test_folds_with_few_rows_of_a_class_are_pooled_for_auc_and_marked(small, arrays):
    # 3 or 4 of a class
    result = small(candidates="tanh:3", baselines=["prior"], folds=6)["tanh:3"]
    found = result.scores["roc_auc"]
    expected = [
        roc_auc_score(arrays[1], p) for p in result.predictions[0].astype(np.float64)
    ]
    assert found.pooled
    assert found.mean == pytest.approx(np.mean(expected))
    assert result.summary().scores["roc_auc"].pooled is True
    assert not any(
        one.pooled for name, one in result.scores.items() if name != "roc_auc"
    )


def test_every_row_is_predicted_once_per_repeat_by_the_mean_of_networks_that_differ(
    comparison, arrays
):
    p, single = comparison["tanh:4"].predictions, comparison["tanh:4"].singles
    assert (p.shape, single.shape) == ((2, 1, len(arrays[1])), (2, 3, len(arrays[1])))
    assert p.dtype == single.dtype == np.float32
    assert ((p > 0) & (p < 1)).all()
    assert_allclose(p[:, 0], single.mean(axis=1), atol=1e-6)
    assert len(np.unique(single[:, :, 0])) == 6  # all networks differ


def test_the_last_test_accuracy_of_curves_agrees_with_probabilities(comparison, arrays):
    result, y = comparison["linear:3"], arrays[1]
    for number, split in enumerate(comparison.splits):
        for network in range(3):
            p = result.singles[split.repeat, network, split.test]
            accuracy = result.curves[3, -1, number * 3 + network]
            assert accuracy == pytest.approx(
                accuracy_score(y[split.test], p > 0.5), abs=1e-6
            )


@pytest.fixture
def two_folds():
    """A function that makes predictions for four rows in two folds, by seeds given as rows."""

    def make(*p):
        first, second = np.array([0, 1]), np.array([2, 3])
        splits = (
            Split(0, 0, second.copy(), first.copy()),
            Split(0, 1, first.copy(), second.copy()),
        )
        return Result(
            tested=Tested(
                alpha=0.05,
                target=np.array([0, 1, 0, 1]),
                splits=splits,
                design=protocol(60),
            ),
            name="a",
            predictions=np.array([p], np.float32),
        )

    return make


def test_a_diverged_network_is_left_out_of_its_fold_only(two_folds):
    found = two_folds(
        [0.1, 0.8, 0.6, 0.7], [np.nan, np.nan, 0.2, 0.3], [0.4, 0.4, 0.2, 0.9]
    )
    accuracy = score("accuracy", found)
    # Fold 0: 1, none, 1/2. Fold 1: 1/2, 1/2, 1.
    assert accuracy.mean == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert (accuracy.low, accuracy.high) == (None, None)


def test_a_fold_of_diverged_networks_is_left_out(two_folds):
    assert score("accuracy", two_folds([np.nan, np.nan, 0.6, 0.7])) == Score(0.5)
    assert score("mcc", two_folds([np.nan, np.nan, 0.6, 0.7])) == Score(None)


def test_constant_predictions_have_every_score_and_no_warning(two_folds):
    scores = {
        name: score(name, two_folds([0.5] * 4, [0.5] * 4)) for name in SCORES["binary"]
    }
    means = {name: found.mean for name, found in scores.items()}
    assert means == pytest.approx(
        dict(
            accuracy=0.5,
            balanced_accuracy=0.5,
            recall=0,
            mcc=0,
            roc_auc=0.5,
            pr_auc=0.5,
            brier=0.25,
            brier_skill=0,
            log_loss=np.log(2),
        )
    )
    assert (scores["brier"].low, scores["brier"].high) == (0.25, 0.25)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_held_out_rows_of_one_class_have_only_the_defined_scores(task):
    y = np.array([0, 1, 2, 0, 1, 1, 1, 1]) % (2 if task == "binary" else 3)
    split = Split(0, 0, np.arange(4), np.arange(5, 8))
    p = np.random.default_rng(0).dirichlet([1, 1, 1], size=(1, 2, 8)).astype(np.float32)
    design = dataclasses.replace(protocol(60), kind="held_out", repeats=1)
    predictions = p[..., 1] if task == "binary" else p
    found = Result(
        tested=Tested(
            alpha=0.05,
            target=y,
            task=task,
            n_classes=2 if task == "binary" else 3,
            splits=(split,),
            design=design,
        ),
        name="a",
        predictions=predictions,
    )
    means = {name: score(name, found).mean for name in SCORES[task]}
    undefined = {
        "balanced_accuracy",
        "mcc",
        "roc_auc",
        "brier_skill",
        *(["recall"] if task == "binary" else []),
    }
    assert {name for name, mean in means.items() if mean is None} == undefined


def test_scores_and_differences_of_rows_in_time_allow_for_errors_that_depend_on_those_before():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 600)
    slow = lfilter([0.05], [1.0, -0.95], rng.normal(size=(2, 600)))
    p = np.clip(0.5 + (2 * y - 1) * (0.1 + slow), 0, 1).astype(np.float32)[
        :, None, None
    ]
    split = Split(0, 0, np.arange(300), np.arange(300, 600))
    design = dataclasses.replace(protocol(60), kind="held_out")
    plain, timed = (
        [
            Result(
                tested=Tested(
                    alpha=0.05, target=y, splits=(split,), design=design, times=at
                ),
                name="a",
                predictions=one,
            )
            for one in p
        ]
        for at in (None, np.arange(600.0))
    )
    for name in ("brier", "accuracy", "roc_auc"):
        wide, narrow = (
            one[0].scores[name].high - one[0].scores[name].low for one in (timed, plain)
        )
        assert wide > 1.5 * narrow
    assert difference(*timed, "brier").se > 1.5 * difference(*plain, "brier").se


def test_predictions_without_an_error_have_ranges_below_100_percent():
    y, rows = np.arange(400) % 4 // 3, np.arange(400)
    splits = tuple(
        Split(0, fold, rows[rows % 10 != fold], rows[rows % 10 == fold])
        for fold in range(10)
    )
    p = np.where(y == 1, 0.9, 0.2).astype(np.float32)[None, None]
    scores = Result(
        tested=Tested(alpha=0.05, target=y, splits=splits, design=protocol(400)),
        name="a",
        predictions=p,
    ).scores
    names = ("accuracy", "balanced_accuracy", "recall", "roc_auc")
    ranges = {name: (scores[name].low, scores[name].high) for name in names}
    assert ranges["accuracy"] == pytest.approx(wilson(400, 400))
    for name in names[1:]:  # at most as sure as of the rows of the rarer class
        assert ranges[name] == pytest.approx(wilson(100, 100))
    assert scores["mcc"].low == pytest.approx(2 * wilson(100, 100)[0] - 1)


def test_more_rows_use_fewer_bootstrap_resamples():
    numbers = [resamples_for(n) for n in (100, 5_000, 5_001, 50_000, 2_000_000)]
    assert numbers == [2000, 2000, 500, 500, 40]
