"""The optimizers. An entry of `OPTIMIZERS` defines one completely: to add an optimizer, add an
entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BETAS = (
    0.9,
    0.999,
)  # the decay rates of Adam; the clock of a step holds 1 - b1^t and sqrt(1 - b2^t)


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """One optimizer.

    Attributes:
        name: the word in a recipe.
        torch: its class in `torch.optim`; also its name in a sentence.
        lr: the learning rate if none is given.
        weight_decay: the default of `torch.optim`.
        has_momentum: whether it has the settings `momentum` and `nesterov`.
        native: its number in the kernel (`enum Optimizer` in native/job.h).
        n_moments: maps momentum to the number of values that the kernel keeps for each parameter.
    """

    name: str
    torch: str
    lr: float = 0.004
    weight_decay: float = 0.0
    native: int
    has_momentum: bool = False
    n_moments: Callable[[float], int] = lambda momentum: 2


OPTIMIZERS = {
    entry.name: entry
    for entry in (
        Optimizer(
            name="sgd",
            torch="SGD",
            lr=0.1,
            has_momentum=True,
            native=0,
            n_moments=lambda momentum: int(momentum > 0),
        ),
        Optimizer(name="adam", torch="Adam", native=1),
        Optimizer(name="adamw", torch="AdamW", weight_decay=0.01, native=2),
    )
}
"""The optimizers by name."""
