"""The checks beside a verdict: each fires where it should and only there."""

import dataclasses
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seedbed.evaluation.checks import (
    Code,
    check_against,
    check_confined_outputs,
    check_diverged,
    check_epochs,
    check_stopped_at_the_end,
)
from seedbed.evaluation.estimates import corrected_t

PRIOR = 0.6277  # log loss of predicting the class frequencies of heart_failure
SHAPE = (1, 10, 3)

# Mean test loss of ten folds after epochs 900 and 1000 of relu:5 and linear:5; heart_failure, SGD
# 0.01, full batch, 3 seeds a fold.
STILL_FALLS = (
    [0.423, 0.4805, 0.5181, 0.5395, 0.5133, 0.4154, 0.4993, 0.5543, 0.486, 0.5165],
    [0.3997, 0.4623, 0.5086, 0.5261, 0.492, 0.3926, 0.4925, 0.5481, 0.465, 0.508],
)
HARDLY_FALLS = (
    [0.2624, 0.3859, 0.4682, 0.4843, 0.398, 0.2949, 0.4743, 0.5069, 0.3509, 0.5009],
    [0.245, 0.3808, 0.4679, 0.4838, 0.393, 0.2852, 0.4767, 0.5033, 0.3448, 0.5016],
)
# relu:64,64 on the same folds after epochs 1, 8 and 300 with AdamW at 0.01.
BY_HEART = [
    [0.67, 0.65, 0.63, 0.66, 0.64, 0.63, 0.61, 0.66, 0.65, 0.65],
    [0.29, 0.47, 0.5, 0.47, 0.37, 0.33, 0.56, 0.57, 0.36, 0.58],
    [1.31, 6.06, 3.7, 3.64, 2.77, 2.42, 3.94, 3.14, 1.53, 2.06],
]


def networks(by_fold, seeds=3):
    """Expand [epoch, fold] to float32 [epoch, network]; the seeds of a fold differ only by a little
    noise."""
    curve = np.repeat(np.asarray(by_fold), seeds, axis=1)
    noise = np.random.default_rng(0).normal(0, 1e-4, curve.shape[1])
    return (curve + noise).astype(np.float32)


def at_the_end(ends):
    before, after = (np.array(values) for values in ends)
    start = np.linspace(before + 0.2, before, 900)
    return networks(np.concatenate([start, np.linspace(before, after, 101)[1:]]))


def by_heart():
    """Test and training loss [epoch, network] of 300 epochs."""
    first, low, last = np.array(BY_HEART)
    test = np.concatenate([np.linspace(first, low, 8), np.linspace(low, last, 293)[1:]])
    train = np.geomspace(np.full(10, 0.7), np.full(10, 3e-4), 300)
    return networks(test), networks(train)


def checked(test, train=None, prior=PRIOR, shape=SHAPE):
    """The check of the epochs; a training loss that is left out is well below the prior's."""
    train = np.full_like(test, 0.3) if train is None else train
    return check_epochs(
        "a", train_loss=train, test_loss=test, shape=shape, prior_loss=prior
    )


def gain(mean, sd=0.02):
    """An `Estimate` of a difference with the given mean over 10 folds."""
    return corrected_t(np.random.default_rng(2).normal(mean, sd, (1, 10)))


def test_a_clearly_falling_test_loss_is_under_training():
    check = checked(at_the_end(STILL_FALLS))
    assert check.code == "under_trained"
    assert "from 0.495 to 0.479 over the last 100 of 1,000 epochs" in check.message
    assert check.evidence == dict(
        fall=pytest.approx(0.0151, abs=2e-4),
        loss_end=pytest.approx(0.4795, abs=1e-4),
        epochs=1000,
    )
    assert checked(at_the_end(HARDLY_FALLS)) is None
    # falls in some folds, rises in others
    mixed = np.where(np.arange(10) % 2, 0.8, 0.0)
    assert checked(networks(np.linspace(np.full(10, 0.5), mixed, 21))) is None


def test_networks_that_stop_in_the_last_tenth_of_most_splits_are_under_trained():
    check = check_stopped_at_the_end("a", epochs=[400] * 4 + [900] * 6, most=1000)
    assert (check.code, check.evidence["late"]) == ("under_trained", 6)
    assert "in 6 of 10 splits the epoch with the lowest loss" in check.message
    for epochs, most in (([400, 1000], 1000), ([899] * 10, 1000), ([1] * 10, 1)):
        assert check_stopped_at_the_end("a", epochs=epochs, most=most) is None


def test_a_training_loss_above_the_prior_has_learnt_nothing():
    test = np.full((20, 30), 0.7, dtype=np.float32)
    train = np.repeat(np.linspace(0.9, 0.65, 20)[:, None], 30, axis=1)
    check = checked(test, train)
    assert check.code == "under_trained"
    assert "learnt nothing yet: in 20 epochs its training loss came" in check.message
    assert checked(test, train, prior=0.65) is None
    diverged = np.linspace(np.full(30, 0.9), np.r_[np.nan, np.full(29, 0.6)], 20)
    assert checked(test, diverged) is None


def test_a_rising_test_loss_is_over_training_if_the_training_loss_falls():
    test, train = by_heart()
    check = checked(test, train)
    assert check.code == "over_trained"
    assert "too long: after about epoch 8 of 300" in check.message
    assert "from 0.450 to 3.057" in check.message
    assert (check.evidence["epoch_low"], check.evidence["epochs"]) == (8, 300)
    assert check.evidence["rise"] == pytest.approx(2.607, abs=1e-3)
    assert checked(test, train[::-1]) is None
    one_split = checked(test[:, :5], train[:, :5], shape=(1, 1, 5))
    assert one_split.code == "over_trained"


def test_noise_without_a_trend_seldom_fires():
    rng = np.random.default_rng(3)
    train = np.linspace(np.ones(20), np.zeros(20), 60)
    codes = []
    for _ in range(300):
        noise = rng.normal(0.5, 0.1, (60, 20)).astype(np.float32)
        check = checked(noise, train, prior=0.1, shape=(1, 10, 2))
        codes += [check.code] if check else []
    assert codes.count("under_trained") <= 0.03 * 300
    assert codes.count("over_trained") <= 0.09 * 300


def test_networks_without_a_finite_loss_are_counted_and_excluded_from_means():
    curve = at_the_end(STILL_FALLS)
    curve[300:, 4] = np.nan
    curve[700:, 20] = np.inf
    losses = {"train_loss": curve, "test_loss": curve}
    check = check_diverged("a", **losses, predictions_finite=False)
    assert check.message.startswith("a lost 2 of 30 networks")
    assert "no verdict" in check.message
    assert check.evidence == {"diverged": 2, "networks": 30, "first_epoch": 301}
    assert "no verdict" not in (
        check_diverged("a", **losses, predictions_finite=True).message
    )
    assert checked(curve).evidence["loss_end"] == pytest.approx(0.4795, abs=1e-3)
    test, train = by_heart()
    losses = {"train_loss": train, "test_loss": test}
    assert check_diverged("a", **losses, predictions_finite=True) is None


def test_a_candidate_like_the_prior_differs_from_one_that_is_worse():
    alike = check_against("a", "prior", estimate=gain(0.0))
    assert "shows no gain over predicting the same for every row: " in alike.message
    assert "from 0.024 higher to 0.024 lower." in alike.message
    for kind, name in (("prior", "predicting the"), ("logistic", "a plain logistic")):
        worse = check_against("a", kind, estimate=gain(-0.1))
        assert f"a is worse than {name}" in worse.message
        assert "is higher by 0.10 (plausibly 0.08 to 0.12)." in worse.message
        assert check_against("a", kind, estimate=gain(0.1)) is None
    assert check_against("a", "logistic", estimate=gain(-0.001)) is None


def test_codes_are_complete_and_in_the_order_of_the_list():
    test, train = by_heart()
    lost = np.full_like(test, np.nan)
    losses = {"train_loss": lost, "test_loss": lost}
    checks = [
        check_confined_outputs("a", kind="sigmoid"),
        check_confined_outputs("a", kind="softmax"),
        checked(at_the_end(STILL_FALLS)),
        checked(test, train),
        check_diverged("a", **losses, predictions_finite=False),
        check_against("a", "prior", estimate=gain(0.0)),
        check_against("a", "logistic", estimate=gain(-0.1)),
    ]
    assert [*dict.fromkeys(check.code for check in checks)] == [*get_args(Code)]


@given(st.data())
def test_arbitrary_curves_give_none_or_a_valid_check(data):
    shape = tuple(data.draw(st.integers(1, most)) for most in (2, 4, 3))
    size = (data.draw(st.integers(1, 12)), int(np.prod(shape)))
    draw = arrays(
        np.float32, size, elements=st.floats(width=32) | st.floats(0, 1, width=32)
    )
    test, train = data.draw(draw), data.draw(draw)
    losses = {"train_loss": train, "test_loss": test}
    stops = data.draw(
        arrays(np.int64, shape[0] * shape[1], elements=st.integers(1, size[0]))
    )
    for check in (
        checked(test, train, 0.5, shape),
        check_diverged("a", **losses, predictions_finite=False),
        check_stopped_at_the_end("a", epochs=stops, most=size[0]),
    ):
        if check is not None:
            assert check.code in get_args(Code)
            json.dumps(dataclasses.asdict(check), allow_nan=False)
