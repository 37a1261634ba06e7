"""Checks of one candidate never contradict each other, in any combination."""

import itertools

import numpy as np

from seedbed.evaluation.checks import (
    CODES,
    check_confined_outputs,
    check_dead_units,
    check_diverged,
    check_no_better_than_prior,
    check_over_trained,
    check_stopped_at_the_end,
    check_under_trained,
    check_worse_than_logistic,
    drop_contradictions,
)
from seedbed.evaluation.estimates import corrected_t

SHAPE, PRIOR = (1, 10, 2), 0.6
FALLING = np.linspace(0.6, 0.3, 100)[:, None] * np.ones(20)
RISING = np.concatenate([np.linspace(0.6, 0.3, 50), np.linspace(0.3, 0.9, 50)])[:, None] * np.ones(20)
LOST = np.where(np.arange(20) < 3, np.nan, FALLING)
CURVES = {"shape": SHAPE, "prior_loss": PRIOR}
FOLDS = np.random.default_rng(0).normal(0, 1, (1, 10, 1))


def gain(mean):
    return corrected_t(mean + 0.01 * FOLDS[:, :, 0])


FIRING = {
    "confined_outputs": [check_confined_outputs("a", kind="sigmoid")],
    "under_trained": [
        check_under_trained("a", train_loss=FALLING, test_loss=FALLING, **CURVES),
        check_under_trained("a", train_loss=FALLING + 1, test_loss=FALLING + 1, **CURVES),
        check_stopped_at_the_end("a", epochs=np.full(10, 100), most=100),
    ],
    "over_trained": [
        check_over_trained("a", train_loss=FALLING, test_loss=RISING, **CURVES),
    ],
    "diverged": [check_diverged("a", train_loss=LOST, test_loss=LOST, predictions_finite=True)],
    "dead_units": [check_dead_units("a", share=[0.5])],
    "no_better_than_prior": [check_no_better_than_prior("a", estimate=gain(mean)) for mean in (-0.1, 0.0)],
    "worse_than_logistic": [check_worse_than_logistic("a", estimate=gain(-0.1))],
}


def test_every_code_has_checks_that_fire():
    assert list(FIRING) == list(CODES)
    assert {code: {check.code for check in checks} for code, checks in FIRING.items()} == {
        code: {code} for code in CODES
    }


def test_no_combination_of_checks_contradicts_itself():
    n, alone = 0, 0
    for combination in itertools.product(*([None, *checks] for checks in FIRING.values())):
        found = [check.code for check in drop_contradictions(check for check in combination if check is not None)]
        assert not {"under_trained", "over_trained"} <= set(found)
        assert found == sorted(found, key=list(CODES).index)
        alone += combination[0] is not None and found == ["confined_outputs"]
        n += 1
    assert (n, alone) == (2 * 4 * 2 * 2 * 2 * 3 * 2, n // 2)
