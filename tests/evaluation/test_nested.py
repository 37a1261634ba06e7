"""Nested cross-validation intervals, compared with a plain loop and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import nested_interval


def nested_losses(y, rng, repeats, k):
    """Outer and inner squared errors of the training mean of y, the simplest learner with overlapping folds."""
    n = len(y)
    folds = np.stack([rng.permutation(n) % k for _ in range(repeats)])
    outer, inner = np.empty((repeats, n)), np.full((repeats, k, n), np.nan)
    for r, fold in enumerate(folds):
        for row in range(n):
            outer[r, row] = (y[row] - y[fold != fold[row]].mean()) ** 2
            for j in set(range(k)) - {fold[row]}:
                inner[r, j, row] = (y[row] - y[(fold != j) & (fold != fold[row])].mean()) ** 2
    return outer, inner, folds


def plain(outer, inner, folds):
    """Run the published algorithm, fold by fold."""
    (repeats, n), k = outer.shape, inner.shape[1]
    a, b, pooled = [], [], []
    for r in range(repeats):
        for j in range(k):
            out, inn = outer[r, folds[r] == j], inner[r, j, folds[r] != j]
            a.append((inn.mean() - out.mean()) ** 2)
            b.append(out.var(ddof=1) / len(out))
            pooled.extend(inn)
    mse = (k - 1) / k * np.mean(np.array(a) - np.array(b))
    low = np.std(pooled, ddof=1) / np.sqrt(n)
    bias = (1 + (k - 2) / k) * (np.mean(pooled) - outer.mean())
    return np.mean(pooled) - bias, max(low, min(np.sqrt(max(mse, 0)), low * np.sqrt(k)))


def example(seed=0, n=30, repeats=8, k=5):
    rng = np.random.default_rng(seed)
    return nested_losses(rng.normal(size=n), rng, repeats, k)


@pytest.mark.parametrize("n", [30, 33])
def test_intervals_equal_the_published_algorithm(n):
    arrays = example(n=n)
    found = nested_interval(*arrays)
    assert (found.mean, found.se) == pytest.approx(plain(*arrays), abs=1e-10)
    assert found.df is None


def test_without_training_the_interval_is_the_plain_one_over_rows():
    rng = np.random.default_rng(1)
    d, folds = rng.normal(0.3, 1, 200), np.stack([rng.permutation(200) % 10 for _ in range(100)])
    outer = np.tile(d, (100, 1))
    found = nested_interval(outer, np.repeat(outer[:, None], 10, axis=1), folds)
    assert found.mean == pytest.approx(d.mean(), abs=1e-12)
    assert found.se == pytest.approx(d.std() / np.sqrt(200), rel=0.03)


def test_the_standard_error_stays_between_independent_and_fully_dependent_folds():
    outer, inner, folds = example()
    apart = nested_interval(outer + 100 * folds, inner, folds)
    close = nested_interval(inner.mean(where=np.isfinite(inner)) + 0 * outer, inner, folds)
    naive = inner[np.isfinite(inner)].std(ddof=1) / np.sqrt(30)
    assert (close.se, apart.se) == pytest.approx((naive, np.sqrt(5) * naive))


def test_the_bias_correction_estimates_the_error_with_all_rows():
    outer, inner, folds = example(repeats=30)
    assert np.nanmean(inner) > outer.mean() > nested_interval(outer, inner, folds).mean


def test_entries_of_the_held_out_fold_are_ignored():
    outer, inner, folds = example()
    assert nested_interval(outer, np.where(np.isnan(inner), 1e9, inner), folds) == nested_interval(outer, inner, folds)


def test_intervals_cover_the_error_of_the_model_trained_on_all_rows():
    rng, hits = np.random.default_rng(3), []
    for _ in range(120):
        y = rng.normal(size=24)
        found = nested_interval(*nested_losses(y, rng, 4, 4))
        hits.append(found.low <= 1 + y.mean() ** 2 <= found.high)
    assert 0.85 <= np.mean(hits) <= 1


@given(st.integers(0, 20))
def test_swapping_the_candidates_negates_the_difference(seed):
    outer, inner, folds = example(seed, n=15, repeats=2, k=3)
    one, other = nested_interval(outer, inner, folds), nested_interval(-outer, -inner, folds)
    assert (other.mean, other.low, other.high) == pytest.approx((-one.mean, -one.high, -one.low))


@given(st.permutations(range(15)), st.permutations(range(3)))
def test_the_order_of_rows_and_folds_does_not_matter(rows, names):
    outer, inner, folds = example(n=15, repeats=2, k=3)
    renamed, their_folds = inner[:, np.argsort(names)][:, :, rows], np.array(names)[folds][:, rows]
    one, other = nested_interval(outer, inner, folds), nested_interval(outer[:, rows], renamed, their_folds)
    assert (other.mean, other.se) == pytest.approx((one.mean, one.se), abs=1e-10)


def test_equal_candidates_give_a_point_mass():
    outer, inner, folds = example()
    found = nested_interval(0 * outer, 0 * inner, folds, comparisons=3)
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("broken", ["folds", "nan", "small"])
def test_folds_that_are_few_or_small_and_infinite_losses_are_refused(broken):
    outer, inner, folds = example(n=15, repeats=2, k=3)
    if broken == "folds":
        inner, folds = inner[:, :2], folds % 2
    elif broken == "nan":
        outer = outer * np.nan
    else:
        folds = np.where(np.arange(15) == 0, 0, 1 + folds % 2)
    with pytest.raises(ValueError, match=r"must be finite|at least 3 folds|at least 2 rows"):
        nested_interval(outer, inner, folds)
