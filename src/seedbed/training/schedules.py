"""Learning rates and the clock of an optimizer, at each step.

Schedules equal their namesakes in `torch.optim.lr_scheduler`, stepped at every step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from seedbed.settings.optimizers import BETAS
from seedbed.settings.recipe import Recipe

# The defaults of `OneCycleLR`: a rise over the first 30 % from a 25th of the highest rate, and down
# to a 250,000th.
_RISE = 0.3
_FIRST = 1 / 25
_LAST = 1 / 25 / 1e4


@functools.lru_cache(maxsize=4)
def clock(n_steps: int) -> NDArray[np.float64]:
    """Return values that depend on the number of the step [step, 3]: whether it is the first, and
    Adam's 1 - b1^t and sqrt(1 - b2^t).

    They are computed in double precision, like those of `torch.optim`.
    """
    rows = [
        (float(t == 1), 1.0 - BETAS[0] ** t, math.sqrt(1.0 - BETAS[1] ** t))
        for t in range(1, n_steps + 1)
    ]
    return np.array(rows)


def rate_factors(recipe: Recipe, steps_an_epoch: int) -> NDArray[np.float64] | None:
    """Return the factor of the learning rate at each step in double precision [step], or None if it
    is constant.

    It depends on the step's number alone, so a resumed training continues with the right rate.
    """
    if not recipe.varies:
        return None
    total, rising = steps_of(recipe, steps_an_epoch)
    course: dict[str, Callable[[int], float]] = {
        "constant": lambda step: 1.0,
        "cosine": lambda step: _between(1.0, 0.0, step / (total - rising)),
        "onecycle": lambda step: _one_cycle(step, total),
    }
    after = course[recipe.schedule]
    steps = range(recipe.n_epochs * steps_an_epoch)
    factors = [
        (step + 1) / (rising + 1) if step < rising else after(step - rising)
        for step in steps
    ]
    return np.array(factors)


def steps_of(recipe: Recipe, steps_an_epoch: int) -> tuple[int, int]:
    """Return the steps of the whole schedule, and the steps of the linear warm-up, after which the
    rate is highest."""
    total = recipe.n_epochs * steps_an_epoch
    return total, min(round(recipe.warmup * total), total - 1)


def _one_cycle(step: int, total: int) -> float:
    height = _RISE * total - 1
    if step <= height:
        return _between(_FIRST, 1.0, step / height)
    return _between(1.0, _LAST, (step - height) / (total - 1 - height))


def _between(start: float, end: float, share: float) -> float:
    """Return the value of half a cosine from start to end."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
