"""The checks beside a verdict: each fires where it should and only there."""

import dataclasses
import json
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import seedbed as sb
from seedbed.evaluation.checks import (
    Code,
    check_against,
    check_confined_outputs,
    check_dead_units,
    check_diverged,
    check_epochs,
    check_stopped_at_the_end,
)
from seedbed.evaluation.estimates import corrected_t


def only(code):
    """The check of the epochs where it has this code, else None."""

    def check(*name, **curves):
        found = check_epochs(*name, **curves)
        return found if found is not None and found.code == code else None

    return check


check_under_trained, check_over_trained = only("under_trained"), only("over_trained")
PRIOR = 0.6277  # log loss of predicting the class frequencies of heart_failure
SHAPE = (1, 10, 3)

# Mean test loss of ten folds after epochs 900 and 1000; heart_failure, SGD 0.01, full batch, 3
# seeds a fold.
AT_THE_END = {
    "relu:5": (
        [0.423, 0.4805, 0.5181, 0.5395, 0.5133, 0.4154, 0.4993, 0.5543, 0.486, 0.5165],
        [0.3997, 0.4623, 0.5086, 0.5261, 0.492, 0.3926, 0.4925, 0.5481, 0.465, 0.508],
    ),
    "linear:5": (
        [0.2624, 0.3859, 0.4682, 0.4843, 0.398, 0.2949, 0.4743, 0.5069, 0.3509, 0.5009],
        [0.245, 0.3808, 0.4679, 0.4838, 0.393, 0.2852, 0.4767, 0.5033, 0.3448, 0.5016],
    ),
    "linear:20,20": (
        [0.2269, 0.3795, 0.4734, 0.4853, 0.387, 0.2704, 0.4867, 0.506, 0.3294, 0.5124],
        [
            0.2239,
            0.3752,
            0.4751,
            0.4902,
            0.3902,
            0.2647,
            0.4913,
            0.5031,
            0.3287,
            0.5139,
        ],
    ),
}
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
    return (curve + np.random.default_rng(0).normal(0, 1e-4, curve.shape[1])).astype(
        np.float32
    )


def at_the_end(name):
    before, after = (np.array(values) for values in AT_THE_END[name])
    start = np.linspace(before + 0.2, before, 900)
    return networks(np.concatenate([start, np.linspace(before, after, 101)[1:]]))


def learnt(test):
    """A training loss with the shape of the test loss, well below the loss of the prior."""
    return np.full_like(test, 0.3)


def by_heart():
    """Test and training loss [epoch, network] of 300 epochs."""
    first, low, last = np.array(BY_HEART)
    test = np.concatenate([np.linspace(first, low, 8), np.linspace(low, last, 293)[1:]])
    return networks(test), networks(
        np.geomspace(np.full(10, 0.7), np.full(10, 3e-4), 300)
    )


def gain(mean, sd=0.02):
    """An `Estimate` of a difference with the given mean over 10 folds."""
    return corrected_t(np.random.default_rng(2).normal(mean, sd, (1, 10)))


def test_a_falling_test_loss_is_reported_as_under_trained():
    test = at_the_end("relu:5")
    check = check_under_trained(
        "relu:5", train_loss=learnt(test), test_loss=test, shape=SHAPE, prior_loss=PRIOR
    )
    assert check.code == "under_trained"
    assert check.message.startswith("relu:5 was still learning")
    assert "from 0.495 to 0.479 over the last 100 of 1,000 epochs" in check.message
    assert check.evidence == {
        "fall": pytest.approx(0.0151, abs=2e-4),
        "loss_end": pytest.approx(0.4795, abs=1e-4),
        "epochs": 1000,
    }


@pytest.mark.parametrize("name", ["linear:5", "linear:20,20"])
def test_a_small_or_unclear_fall_is_not_under_training(name):
    test = at_the_end(name)
    assert (
        check_under_trained(
            name, train_loss=learnt(test), test_loss=test, shape=SHAPE, prior_loss=PRIOR
        )
        is None
    )


def test_a_fall_in_some_folds_and_a_rise_in_others_is_unclear():
    end = np.where(np.arange(10) % 2, 0.8, 0.0)
    curve = networks(np.linspace(np.full(10, 0.5), end, 21))
    assert curve[-3].mean() - curve[-1].mean() > 0.009
    assert (
        check_under_trained(
            "a",
            train_loss=learnt(curve),
            test_loss=curve,
            shape=SHAPE,
            prior_loss=PRIOR,
        )
        is None
    )


def test_networks_that_stop_in_the_last_tenth_of_most_splits_are_under_trained():
    check = check_stopped_at_the_end("a", epochs=[400] * 4 + [900] * 6, most=1000)
    assert check.code == "under_trained"
    assert (
        "in 6 of 10 splits the epoch with the lowest loss was among the last tenth of 1,000."
        in check.message
    )
    assert check.evidence == {"late": 6, "splits": 10, "epochs": 1000}
    assert (
        check_stopped_at_the_end("a", epochs=[400] * 5 + [1000] * 5, most=1000) is None
    )
    assert check_stopped_at_the_end("a", epochs=[899] * 10, most=1000) is None
    assert check_stopped_at_the_end("a", epochs=[1] * 10, most=1) is None


def test_a_training_loss_above_the_prior_has_learnt_nothing():
    test = np.full((1000, 30), 0.7, dtype=np.float32)  # constant, so that nothing
    train = np.repeat(
        np.linspace(0.9, 0.65, 1000, dtype=np.float32)[:, None], 30, axis=1
    )
    check = check_under_trained(
        "relu:5", train_loss=train, test_loss=test, shape=SHAPE, prior_loss=PRIOR
    )
    assert check.code == "under_trained"
    assert check.message.startswith(
        "relu:5 has learnt nothing yet: in 1,000 epochs its training loss came down to 0.650"
    )
    assert check.evidence == {
        "training_loss": pytest.approx(0.65, abs=1e-6),
        "prior_loss": PRIOR,
        "epochs": 1000,
    }


def test_a_training_loss_at_or_below_the_prior_has_learnt_something():
    test = np.full((20, 30), 0.7, dtype=np.float32)
    for end in (
        np.full(30, 0.625),
        np.where(np.arange(30) % 3, 0.5, 0.8),
        np.r_[np.nan, np.full(29, 0.6)],
    ):
        train = np.linspace(np.full(30, 0.9), end, 20).astype(np.float32)
        assert (
            check_under_trained(
                "a", train_loss=train, test_loss=test, shape=SHAPE, prior_loss=0.625
            )
            is None
        )
    assert (
        check_under_trained(
            "a", train_loss=train, test_loss=test, shape=SHAPE, prior_loss=0.59
        )
        is not None
    )
    by_heart_and_back = np.repeat(
        np.r_[np.linspace(0.9, 0.1, 10), np.linspace(0.1, 0.9, 10)][:, None], 30, axis=1
    )
    assert (
        check_under_trained(
            "a",
            train_loss=by_heart_and_back,
            test_loss=test,
            shape=SHAPE,
            prior_loss=0.6,
        )
        is None
    )


def test_a_rising_test_loss_is_over_trained():
    test, train = by_heart()
    check = check_over_trained(
        "relu:64,64", train_loss=train, test_loss=test, shape=SHAPE, prior_loss=PRIOR
    )
    assert check.message.startswith(
        "relu:64,64 was trained for too long: after about epoch 8 of 300"
    )
    assert "from 0.450 to 3.057" in check.message
    assert (check.evidence["epoch_low"], check.evidence["epochs"]) == (8, 300)
    assert check.evidence["rise"] == pytest.approx(2.607, abs=1e-3)


def test_a_rising_test_loss_without_a_falling_training_loss_is_not_over_training():
    test, train = by_heart()
    assert (
        check_over_trained(
            "a", train_loss=train[::-1], test_loss=test, shape=SHAPE, prior_loss=PRIOR
        )
        is None
    )
    falling = networks(np.linspace(BY_HEART[0], BY_HEART[1], 300))
    assert (
        check_over_trained(
            "a", train_loss=train, test_loss=falling, shape=SHAPE, prior_loss=PRIOR
        )
        is None
    )


def test_noise_without_a_trend_seldom_fires():
    rng = np.random.default_rng(3)
    train = np.linspace(np.ones(20), np.zeros(20), 60)
    under = over = 0
    for _ in range(300):
        noise = rng.normal(0.5, 0.1, (60, 20)).astype(np.float32)
        arguments = {
            "train_loss": train,
            "test_loss": noise,
            "shape": (1, 10, 2),
            "prior_loss": 0.1,
        }
        under += check_under_trained("a", **arguments) is not None
        over += check_over_trained("a", **arguments) is not None
    assert under <= 0.03 * 300
    assert over <= 0.09 * 300


def test_memorising_networks_are_detected_on_a_single_split():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(120, 12)).astype(np.float32)
    y = (X[:, 0] + rng.normal(0, 1, 120) > 0).astype(np.float32)
    history = sb.train_many(
        "relu:32",
        X[:60],
        y[:60],
        X[60:],
        y[60:],
        seeds=5,
        epochs=120,
        lr=0.01,
        optimizer="adamw",
        n_jobs=1,
    )
    curves = {"train_loss": history.train_loss, "test_loss": history.test_loss}
    arguments = curves | {"shape": (1, 1, 5), "prior_loss": 0.69}
    assert "too long" in check_over_trained("a", **arguments).message
    assert check_under_trained("a", **arguments) is None


def test_networks_without_a_finite_loss_are_counted_and_excluded_from_means():
    curve = at_the_end("relu:5")
    curve[300:, 4] = np.nan
    curve[700:, 20] = np.inf
    check = check_diverged(
        "a", train_loss=curve, test_loss=curve, predictions_finite=False
    )
    assert check.message.startswith("a lost 2 of 30 networks")
    assert "no verdict" in check.message
    assert check.evidence == {"diverged": 2, "networks": 30, "first_epoch": 301}
    fell = check_under_trained(
        "a", train_loss=curve, test_loss=curve, shape=SHAPE, prior_loss=PRIOR
    )
    assert fell.evidence["loss_end"] == pytest.approx(0.4795, abs=1e-3)


def test_networks_that_diverge_after_the_chosen_epoch_are_not_reported():
    test, train = by_heart()
    assert (
        check_diverged("a", train_loss=train, test_loss=test, predictions_finite=True)
        is None
    )
    train[200:, 0] = np.nan
    check = check_diverged(
        "a", train_loss=train, test_loss=test, predictions_finite=True
    )
    assert "taken before that happened" in check.message
    assert "verdict" not in check.message


def test_many_dead_units_are_reported_and_few_are_not():
    check = check_dead_units("relu:64,64", share=[0.35, 0.25, np.nan])
    assert "dead ReLU units: on average 30% of them" in check.message
    assert check.evidence == {
        "mean_share": pytest.approx(0.3),
        "max_share": 0.35,
        "networks": 2,
    }
    assert (
        check_dead_units("a", share=[0.065] * 9 + [0.3]) is None
    )  # AdamW at 0.01, 300 epochs: up to 0.065
    assert check_dead_units("a", share=[np.nan]) is None
    assert check_dead_units("a", share=[]) is None


def test_a_candidate_like_the_prior_differs_from_one_that_is_worse():
    assert check_against("a", "prior", estimate=gain(0.1)) is None
    alike, worse = (
        check_against("a", "prior", estimate=gain(mean)) for mean in (0.0, -0.1)
    )
    assert alike.message.startswith(
        "a shows no gain over predicting the same for every row: "
    )
    assert "from 0.024 higher to 0.024 lower." in alike.message
    assert worse.message.startswith(
        "a is worse than predicting the same for every row: "
    )
    assert "is higher by 0.10 (plausibly 0.08 to 0.12)." in worse.message
    assert worse.evidence["low"] < worse.evidence["high"] < 0


def test_only_a_clear_loss_against_the_regression_is_reported():
    check = check_against("a", "logistic", estimate=gain(-0.1))
    assert check.message.startswith(
        "a is worse than a plain logistic regression here: "
    )
    assert "is higher by 0.10 (plausibly 0.08 to 0.12)." in check.message
    for estimate in (gain(-0.001), gain(0.1)):
        assert check_against("a", "logistic", estimate=estimate) is None


def every_check():
    """One check for each code and wording."""
    test, train = by_heart()
    lost = np.full_like(test, np.nan)
    curves = {
        "train_loss": train,
        "test_loss": test,
        "shape": SHAPE,
        "prior_loss": PRIOR,
    }
    falling = at_the_end("relu:5")
    return [
        check_confined_outputs("a", kind="sigmoid"),
        check_confined_outputs("a", kind="softmax"),
        check_under_trained(
            "a",
            train_loss=learnt(falling),
            test_loss=falling,
            shape=SHAPE,
            prior_loss=PRIOR,
        ),
        check_stopped_at_the_end("a", epochs=[10] * 10, most=10),
        check_under_trained(
            "a",
            train_loss=np.full_like(test, 0.9),
            test_loss=test,
            shape=SHAPE,
            prior_loss=PRIOR,
        ),
        check_over_trained("a", **curves),
        check_diverged("a", train_loss=lost, test_loss=lost, predictions_finite=False),
        check_diverged("a", train_loss=lost, test_loss=test, predictions_finite=True),
        check_dead_units("a", share=[0.5]),
        check_against("a", "prior", estimate=gain(0.0)),
        check_against("a", "prior", estimate=gain(-0.1)),
        check_against("a", "logistic", estimate=gain(-0.1)),
    ]


def test_codes_are_complete_and_in_the_order_of_the_list():
    assert list(dict.fromkeys(check.code for check in every_check())) == list(
        get_args(Code)
    )


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 4), (1, 2, 1), (3, 1, 2), (2, 5, 3)]
)
@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_constant_short_or_diverged_curves_give_no_check(shape, epochs):
    for value in (0.5, np.nan, np.inf):
        curve = np.full((epochs, np.prod(shape)), value, dtype=np.float32)
        arguments = {
            "train_loss": curve,
            "test_loss": curve,
            "shape": shape,
            "prior_loss": PRIOR,
        }
        assert check_under_trained("a", **arguments) is None
        assert check_over_trained("a", **arguments) is None


@given(st.data())
def test_arbitrary_curves_give_none_or_a_valid_check(data):
    shape = tuple(data.draw(st.integers(1, most)) for most in (2, 4, 3))
    size = (data.draw(st.integers(1, 12)), int(np.prod(shape)))
    draw = arrays(
        np.float32, size, elements=st.floats(width=32) | st.floats(0, 1, width=32)
    )
    test, train = data.draw(draw), data.draw(draw)
    stops = data.draw(
        arrays(np.int64, shape[0] * shape[1], elements=st.integers(1, size[0]))
    )
    curves = {"train_loss": train, "test_loss": test, "shape": shape, "prior_loss": 0.5}
    found = [
        check_under_trained("a", **curves),
        check_over_trained("a", **curves),
        check_diverged("a", train_loss=train, test_loss=test, predictions_finite=False),
        check_stopped_at_the_end("a", epochs=stops, most=size[0]),
    ]
    for check in found:
        if check is not None:
            assert check.code in get_args(Code)
            json.dumps(dataclasses.asdict(check), allow_nan=False)
