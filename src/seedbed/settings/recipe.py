"""The recipe: how a network is trained, as frozen settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from seedbed.errors import OptionError, did_you_mean
from seedbed.settings.fields import Settings, documented, merged, setting, settings_of
from seedbed.settings.optimizers import OPTIMIZERS

__all__ = ["RECIPES", "Recipe", "Schedule", "recipe_in", "recipe_named"]

MOST_EPOCHS = 1_000_000
"""The largest number of epochs, as the curves of all networks must fit into memory."""

BATCH_SIZE = 4096
"""Default rows per step for tables that are too large for steps over all rows. It keeps the vector units busy with a
stack of narrow networks, and gives hundreds of steps per epoch."""

_PATIENCE = (1.5, 50)
"""Default (factor, epochs) that choosing an epoch waits for a lower mean validation loss: until 1.5 times the best
epoch plus 50 (see docs/decisions)."""

LOSSES = ("bce", "cross_entropy", "mse")

EpochChoice = Literal["inner", "last"]

Schedule = Literal["constant", "cosine", "onecycle"]


@documented
@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe(Settings):
    """How a network is trained. `Recipe()` is the tutorial's recipe, `Recipe.trained()` the one that `compare` uses.

    Raises:
        OptionError: a value is out of range, or two values contradict.
    """

    epochs: int = setting(
        1000,
        "Passes over the training rows; their largest number if inner splits choose the epoch.",
        at_least=1,
        at_most=MOST_EPOCHS,
        word=True,
    )
    epoch: EpochChoice = setting(
        "last",
        "The epoch after which a network is used: the last, or one chosen by inner splits of the training rows.",
        choosing=True,
        word=True,
    )
    lr: float | None = setting(
        0.01,
        "Learning rate, the highest of the schedule. compare takes several, and compares each candidate at each.",
        at_least=0,
        word=True,
    )
    schedule: Schedule = setting(
        "constant",
        "How the learning rate changes from step to step: constant, cosine down to 0, or onecycle up and down, as"
        " CosineAnnealingLR and OneCycleLR of torch.",
        word=True,
    )
    warmup: float = setting(
        0.0,
        "Share of all steps, such as 0.05, over which the rate rises first.",
        at_least=0,
        below=1,
        word=True,
    )
    horizon: int | None = setting(
        None,
        "Epochs for which schedule and warm-up are planned; the trained epochs if left out.",
        choosing=True,
        option=False,
    )
    optimizer: str = setting(
        "sgd", "Optimizer, equal to that of the same name in torch.optim.", choices=tuple(OPTIMIZERS), word=True
    )
    momentum: float = setting(0.0, "Momentum of sgd.", at_least=0, word=True)
    nesterov: bool = setting(False, "Use Nesterov's momentum, with sgd and a momentum.", word=True)
    weight_decay: float | None = setting(
        None, "Weight decay; the optimizer's own default in torch.optim if left out.", at_least=0, word=True
    )
    decay_biases: bool = setting(
        True, "Also decay biases, and scales and shifts of normalisations, as torch.optim does.", word=True
    )
    clip_norm: float | None = setting(
        None,
        "The largest norm of a network's gradient; a larger gradient is scaled down to it.",
        above=0,
        left_out="for no clipping",
        none="none",
        word=True,
    )
    batch_size: int | None = setting(
        None,
        "Rows per step, instead of the full training set.",
        at_least=1,
        left_out="for all rows",
        none="full",
        word=True,
    )
    loss: str = setting(
        "auto",
        "Loss: bce (on logits), cross_entropy, mse, or auto, which suits the target.",
        choices=("auto", *LOSSES),
        option=False,
    )
    label_smoothing: float = setting(
        0.0,
        "Share, such as 0.1, by which labels are moved towards all classes alike, in the loss that is trained on only.",
        at_least=0,
        below=1,
        word=True,
    )

    patience: int | None = setting(
        None,
        "Epochs without a lower validation loss after which choosing ends; if left out, 1.5 x the best epoch plus 50,"
        " all epochs where a schedule changes the rate, and 8 in a blend.",
        at_least=1,
        hint="It must be a whole number of epochs from 1 up, or left out.",
        none="none",
        choosing=True,
        word=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_smoothing and self.loss == "mse":
            raise OptionError(
                "label_smoothing requires class targets, and mse is a loss of numbers", "Leave label_smoothing out."
            )
        if self.warmup and self.schedule == "onecycle":
            raise OptionError("onecycle has a warm-up of its own", "Leave warmup out.")
        if self.horizon is not None and self.horizon < self.epochs:
            message = f"horizon is {self.horizon}, and there are {self.epochs} epochs"
            raise OptionError(message, f"Give at least {self.epochs}, or leave it out.")
        if (self.momentum or self.nesterov) and not OPTIMIZERS[self.optimizer].has_momentum:
            raise OptionError(f"momentum and nesterov belong to sgd, not to {self.optimizer}", "Leave them out.")
        if self.nesterov and not self.momentum:
            raise OptionError("nesterov needs momentum", "Add momentum=0.9.")

    @classmethod
    def trained(cls, **given: Any) -> Recipe:
        """Return the recipe that `compare` uses, with the given settings.

        Examples:
            >>> Recipe.trained(weight_decay=0.1).describe()[:5]
            'AdamW'
        """
        return replace(RECIPES["trained"], **given)

    @property
    def decay(self) -> float:
        """The weight decay, by default that of the optimizer."""
        return OPTIMIZERS[self.optimizer].weight_decay if self.weight_decay is None else self.weight_decay

    @property
    def lrs(self) -> tuple[float, ...]:
        """The learning rates: one, or those that inner splits choose from."""
        return OPTIMIZERS[self.optimizer].lr_grid if self.lr is None else (self.lr,)

    @property
    def native(self) -> bool:
        """Whether the kernel covers the settings."""
        return OPTIMIZERS[self.optimizer].native is not None

    @property
    def chooses(self) -> bool:
        """Whether inner splits are needed."""
        return self.lr is None or self.epoch == "inner"

    @property
    def waits(self) -> tuple[float, float]:
        """How long choosing an epoch waits for a lower loss: (factor, epochs) as in `evaluation.choose`."""
        if self.epoch == "last" or (self.patience is None and self.schedule != "constant"):
            return 1.0, math.inf
        return _PATIENCE if self.patience is None else (1.0, self.patience)

    @property
    def ending(self) -> str:
        """`waits` in words, for specifications; empty if choosing never ends before the last epoch."""
        factor, epochs = self.waits
        return f"past {factor:g} x its best epoch + {epochs}" if epochs < self.epochs else ""

    @property
    def varies(self) -> bool:
        """Whether the learning rate changes from step to step."""
        return self.schedule != "constant" or self.warmup > 0

    def in_batches(self) -> Recipe:
        """Return the recipe with batches of `BATCH_SIZE` rows unless it has a batch size."""
        return self if self.batch_size is not None else replace(self, batch_size=BATCH_SIZE)

    def describe(self) -> str:
        """Return the recipe in a few words: `SGD, lr 0.01, full batch, 1000 epochs`."""
        words = [OPTIMIZERS[self.optimizer].words]
        if self.momentum:
            words[0] += f" with {'Nesterov ' if self.nesterov else ''}momentum {self.momentum:g}"
        rates = ", ".join(f"{lr:g}" for lr in self.lrs)
        words.append(f"lr {rates}" if self.lr is not None else f"lr of {rates} by inner splits")
        if self.varies:
            words.append(self._course())
        if self.decay:
            words.append(f"weight decay {self.decay:g}{'' if self.decay_biases else ' (not of biases)'}")
        if self.clip_norm is not None:
            words.append(f"gradient clipped at norm {self.clip_norm:g}")
        if self.label_smoothing:
            words.append(f"label smoothing {self.label_smoothing:g}")
        words.append("full batch" if self.batch_size is None else f"batches of {self.batch_size}")
        epochs = f"{self.epochs} epochs" if self.epochs > 1 else "1 epoch"
        words.append(epochs if self.epoch == "last" else f"up to {epochs}, stopped by inner splits")
        if self.epoch == "inner" and self.patience is not None:
            words.append(f"patience {self.patience}")
        return ", ".join(words)

    def _course(self) -> str:
        """Return how the learning rate changes: `cosine schedule with 10% warm-up`."""
        schedule = {"constant": "", "cosine": "cosine schedule", "onecycle": "one-cycle schedule"}[self.schedule]
        warmup = f"{100 * self.warmup:g}% warm-up" if self.warmup else ""
        words = " with ".join(filter(None, (schedule, warmup)))
        return words if self.horizon in (None, self.epochs) else f"{words}, planned for {self.horizon} epochs"


RECIPES = {
    "tutorial": Recipe(),
    "trained": Recipe(optimizer="adamw", lr=None, epochs=1000, epoch="inner"),
}
"""Recipes by name: that of the tutorial, and one that suits every candidate."""


def recipe_named(name: str, **given: Any) -> Recipe:
    """Return a recipe by its name, with the given settings, except None, in place of its own.

    Raises:
        OptionError: there is none of this name, or a setting is out of range.
    """
    if name not in RECIPES:
        raise OptionError(f"unknown recipe '{name}'", did_you_mean(name, RECIPES))
    return merged(RECIPES[name], **given)


def recipe_in(document: Mapping[str, Any]) -> Recipe:
    """Return the recipe whose settings are among the keys of a document; missing ones have their defaults."""
    return Recipe(**{name: document[name] for name in settings_of(Recipe) if name in document})
