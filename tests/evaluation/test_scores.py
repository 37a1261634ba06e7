"""Every registered score, compared with scikit-learn, and laws of scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from seedbed.evaluation.bootstrap import score_interval
from seedbed.evaluation.metrics import METRICS, prior_loss, row_losses

rng = np.random.default_rng(1)
Y, P = rng.integers(2, size=90), rng.random(90)
Y3, P3 = rng.integers(3, size=90), rng.dirichlet([1, 1, 1], size=90)
NUMBERS, GUESSES = rng.normal(size=50), rng.normal(size=50)

tables = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])),
    min_size=1,
    max_size=20,
)


def score(name, y, p):
    """Return one score of one set of predictions; None if it isn't defined."""
    metric, y, p = METRICS[name], np.asarray(y), np.asarray(p)
    if metric.row_loss:
        mean = row_losses(name, y, p).mean()
        return 1 - mean if metric.greater_is_better else mean
    if metric.skill_of:
        prior = prior_loss(
            metric.skill_of, y, n_classes=p.shape[1] if p.ndim > 1 else 2
        )
        return 1 - score(metric.skill_of, y, p) / prior if prior > 0 else None
    if metric.value:
        return metric.value(y, p)
    if metric.influence and p.ndim > 1:
        found = score_interval(name, y, p[None])
        return None if found is None else found.mean
    value = float(METRICS[name].weighted(y, p[None])(np.ones((1, len(y))))[0])
    return None if np.isnan(value) else value


def accuracies(y, p):
    return (p > 0.5) if p.ndim == 1 else p.argmax(1)


EXPECTED = dict(
    accuracy=lambda y, p: sk.accuracy_score(y, accuracies(y, p)),
    balanced_accuracy=lambda y, p: sk.balanced_accuracy_score(y, accuracies(y, p)),
    recall=lambda y, p: sk.recall_score(
        y, accuracies(y, p), pos_label=int(2 * y.sum() <= len(y))
    ),
    mcc=lambda y, p: sk.matthews_corrcoef(y, accuracies(y, p)),
    roc_auc=lambda y, p: sk.roc_auc_score(y, p, multi_class="ovo"),
    pr_auc=lambda y, p: sk.average_precision_score(y, p),
    brier=lambda y, p: (
        sk.brier_score_loss(y, p)
        if p.ndim == 1
        else ((p - np.eye(3)[y]) ** 2).sum(1).mean()
    ),
    brier_skill=lambda y, p: (
        1 - EXPECTED["brier"](y, p) / EXPECTED["brier"](y, shares(y, p))
    ),
    log_loss=lambda y, p: sk.log_loss(y, p),
    squared_error=lambda y, p: 1 - sk.r2_score(y, p),
    r2=lambda y, p: sk.r2_score(y, p),
    mae=lambda y, p: sk.mean_absolute_error(y, p),
)


def shares(y, p):
    found = np.bincount(y) / len(y)
    return np.full(len(y), found[1]) if p.ndim == 1 else np.tile(found, (len(y), 1))


@pytest.mark.parametrize(
    "name", [name for name in METRICS if "survival" not in METRICS[name].tasks]
)
def test_each_score_equals_scikit_learns(name):
    data = {"binary": (Y, P), "multiclass": (Y3, P3), "regression": (NUMBERS, GUESSES)}
    for task in METRICS[name].tasks:
        found = score(name, *data[task])
        assert found == pytest.approx(EXPECTED[name](*data[task]), abs=1e-10)
        assert METRICS[name].low <= found <= METRICS[name].high


@pytest.mark.parametrize("name", METRICS)
def test_each_score_has_exactly_one_definition(name):
    metric = METRICS[name]
    ways = (
        metric.row_loss,
        metric.weighted,
        metric.skill_of,
        metric.value,
        metric.concordance or None,
    )
    assert sum(way is not None for way in ways) == 1
    assert metric.skill_of is None or METRICS[metric.skill_of].row_loss


@pytest.mark.parametrize(
    "name",
    [name for name in METRICS if {"binary", "multiclass"} <= {*METRICS[name].tasks}],
)
@given(tables)
def test_the_names_of_the_two_classes_do_not_matter(name, rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    # at 0.5 the second class wins no tie, whatever it is called
    p = np.where(p == 0.5, 0.6, p)
    one, other = score(name, y, p), score(name, 1 - y, 1 - p)
    assert other == (one if one is None else pytest.approx(one, abs=1e-9))


def test_scores_of_one_class_are_undefined_and_those_of_constant_predictions_are_not():
    classes = [name for name in METRICS if "binary" in METRICS[name].tasks]
    undefined = {
        name for name in classes if score(name, np.zeros(5, int), P[:5]) is None
    }
    assert undefined == set(
        "balanced_accuracy recall mcc roc_auc brier_skill pr_auc".split()
    )
    y, p = np.array([0, 0, 1, 1, 1]), np.full(5, 0.6)
    result = [score(name, y, p) for name in ("roc_auc", "mcc", "balanced_accuracy")]
    assert result == [0.5, 0, 0.5]
    assert score("brier_skill", y, p) == pytest.approx(0)


@pytest.mark.parametrize(
    "name", [name for name in METRICS if "survival" not in METRICS[name].tasks]
)
def test_perfect_predictions_reach_the_best_end_of_the_range(name):
    metric = METRICS[name]
    data = dict(
        binary=(Y, Y.astype(float)),
        multiclass=(Y3, np.eye(3)[Y3]),
        regression=(NUMBERS, NUMBERS),
    )
    for task in metric.tasks:
        best = metric.high if metric.greater_is_better else metric.low
        assert score(name, *data[task]) == pytest.approx(best, abs=1e-6)
