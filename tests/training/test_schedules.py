"""Schedules of the learning rate equal torch's; the rate depends only on the number of the step."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import nn

from seedbed.settings.recipe import Recipe
from seedbed.training.schedules import rate_factors
from seedbed.training.torch.torch_recipe import make_torch_schedule

SCHEDULES = st.sampled_from(["constant", "cosine", "onecycle"])


def torchs(recipe, steps_an_epoch):
    """Return the rates of torch's scheduler."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], recipe.lr)
    schedule = make_torch_schedule(recipe, optimizer, steps_an_epoch)
    rates = []
    for _ in range(recipe.epochs * steps_an_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return np.array(rates)


@given(
    SCHEDULES, st.floats(0, 1, exclude_max=True), st.integers(1, 40), st.integers(1, 4)
)
def test_every_step_has_the_rate_of_torchs_scheduler(
    schedule, warmup, epochs, steps_an_epoch
):
    warmup = 0.0 if schedule == "onecycle" else warmup
    recipe = Recipe.tutorial(lr=0.3, schedule=schedule, warmup=warmup, epochs=epochs)
    factors = rate_factors(recipe, steps_an_epoch)
    assert (factors is None) == (schedule == "constant" and warmup == 0)
    if factors is not None:
        assert_allclose(
            0.3 * factors, torchs(recipe, steps_an_epoch), rtol=1e-9, atol=1e-12
        )
