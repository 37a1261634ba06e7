"""The optimizers. An entry of `OPTIMIZERS` defines one completely: to add an optimizer, add an entry.

A step is a pure function of stacked parameters, equal to the optimizer of the same name in `torch.optim`.
Parameters and gradients are `[..., network]`; learning rate and weight decay are `[network]`, so networks that differ
in them share a stack. The state is a tuple of mappings like the parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Tensor = Any
"""A tensor of torch, which this file doesn't import: a step is arithmetic."""
Tensors = dict[str, Tensor]
State = tuple[Tensors, ...]
Decays = Callable[[Tensor], bool]
"""Whether a stacked parameter decays."""

BETAS = (0.9, 0.999)
"""The decay rates of Adam. The clock of a step holds 1 - b1^t and sqrt(1 - b2^t)."""

_EPS = 1e-8


@dataclass(frozen=True)
class Step:
    """One step of an optimizer, without side effects.

    Attributes:
        init: parameters to the state before the first step.
        update: (parameters, gradients, state, lr, weight_decay, clock of this step) to (parameters, state). The clock
            is [first, 1 - b1^t, sqrt(1 - b2^t)].
    """

    init: Callable[[Tensors], State]
    update: Callable[[Tensors, Tensors, State, Tensor, Tensor, Tensor], tuple[Tensors, State]]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """One optimizer.

    Attributes:
        name: the word in a recipe.
        torch: its class in `torch.optim`, for the reference trainer; also its name in a sentence.
        step: maps (momentum, nesterov, whether a parameter decays) to the pure step.
        lr: the learning rate if none is given.
        weight_decay: the default of `torch.optim`.
        has_momentum: whether it has the settings `momentum` and `nesterov`.
        native: its number in the kernel (`enum Optimizer` in native/job.h); None if only torch trains it.
        n_moments: maps momentum to the number of values that the kernel keeps for each parameter.
    """

    name: str
    torch: str
    step: Callable[[float, bool, Decays], Step]
    lr: float = 0.004
    weight_decay: float = 0.0
    has_momentum: bool = False
    native: int | None = None
    n_moments: Callable[[float], int] = lambda momentum: 2


def _sgd(momentum: float, nesterov: bool, decays: Decays) -> Step:
    def init(params: Tensors) -> State:
        return ({name: 0 * p for name, p in params.items()},) if momentum else ()

    def update(
        params: Tensors, grads: Tensors, state: State, lr: Tensor, decay: Tensor, now: Tensor
    ) -> tuple[Tensors, State]:
        steps = {name: grads[name] + decay * p if decays(p) else grads[name] for name, p in params.items()}
        if momentum:
            # torch starts the buffer at the first gradient itself; from zeros, momentum * 0 + g is the same number.
            buffers = {name: momentum * state[0][name] + g for name, g in steps.items()}
            steps = {name: g + momentum * buffers[name] for name, g in steps.items()} if nesterov else buffers
            state = (buffers,)
        return {name: p - lr * steps[name] for name, p in params.items()}, state

    return Step(init, update)


def _adam(decays: Decays, *, decoupled: bool) -> Step:
    beta1, beta2 = BETAS

    def init(params: Tensors) -> State:
        return {name: 0 * p for name, p in params.items()}, {name: 0 * p for name, p in params.items()}

    def update(
        params: Tensors, grads: Tensors, state: State, lr: Tensor, decay: Tensor, now: Tensor
    ) -> tuple[Tensors, State]:
        correction1, root_correction2 = now[1], now[2]
        new, first, second = {}, {}, {}
        for name, p in params.items():
            g = grads[name]
            if decays(p):
                if decoupled:
                    p = p * (1 - lr * decay)
                else:
                    g = g + decay * p
            first[name] = state[0][name] + (1 - beta1) * (g - state[0][name])
            second[name] = beta2 * state[1][name] + (1 - beta2) * g * g
            root = second[name].sqrt() / root_correction2 + _EPS
            new[name] = p - (lr / correction1) * first[name] / root
        return new, (first, second)

    return Step(init, update)


OPTIMIZERS = {
    entry.name: entry
    for entry in (
        Optimizer(
            name="sgd",
            torch="SGD",
            step=_sgd,
            lr=0.1,
            has_momentum=True,
            native=0,
            n_moments=lambda momentum: int(momentum > 0),
        ),
        Optimizer(
            name="adam",
            torch="Adam",
            step=lambda momentum, nesterov, decays: _adam(decays, decoupled=False),
            native=1,
        ),
        Optimizer(
            name="adamw",
            torch="AdamW",
            step=lambda momentum, nesterov, decays: _adam(decays, decoupled=True),
            weight_decay=0.01,
            native=2,
        ),
    )
}
"""The optimizers by name."""
