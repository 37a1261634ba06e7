"""A negative control with folds of equal learners: a plain t-test finds winners, the corrected one
hardly any."""

import numpy as np
from scipy import stats

from seedbed.evaluation.estimates import corrected_t


def paired_fold_losses(rng, n=60, repeats=10, folds=10):
    """Two least-squares lines, each on a different, equally useful feature: x_rj [repeat, fold]."""
    x = rng.normal(size=(2, n))
    y = x.sum(axis=0) + rng.normal(0, 2, n)
    fold = np.stack([rng.permutation(n) % folds for _ in range(repeats)])
    test = (fold[:, None, :] == np.arange(folds)[None, :, None]).astype(float)
    train, size = 1 - test, n - n / folds
    mx, my = train @ x.T / size, train @ y / size
    slope = (train @ (x * y).T / size - mx * my[..., None]) / (
        train @ (x**2).T / size - mx**2
    )
    guess = my[..., None, None] + slope[..., None] * (x - mx[..., None])
    loss = (((guess - y) ** 2) * test[:, :, None, :]).sum(axis=-1) / (n / folds)
    return loss[..., 0] - loss[..., 1]


def test_the_corrected_t_test_keeps_its_bound_where_the_plain_one_errs_in_half_of_the_tables():
    rng = np.random.default_rng(7)
    tables = [paired_fold_losses(rng) for _ in range(400)]
    naive = np.mean([stats.ttest_1samp(d.ravel(), 0.0).pvalue < 0.05 for d in tables])
    corrected = np.mean([corrected_t(d).p < 0.05 for d in tables])
    assert naive >= 0.40
    assert corrected <= 0.07


def test_the_corrected_interval_covers_the_true_difference_of_zero():
    rng = np.random.default_rng(8)
    found = [corrected_t(paired_fold_losses(rng)) for _ in range(400)]
    assert 0.93 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.995


def test_more_seeds_do_not_raise_the_error_rate():
    rng = np.random.default_rng(9)
    tables = [
        paired_fold_losses(rng)[..., None] + rng.normal(0, 0.5, (10, 10, 20))
        for _ in range(300)
    ]
    one, many = (
        np.mean([corrected_t(d[..., :s].mean(-1)).p < 0.05 for d in tables])
        for s in (1, 20)
    )
    assert many <= one + 0.04
    assert many <= 0.07
