"""The recipe: how a network is trained, as plain frozen settings."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from seedbed.arguments import check_arguments, shown
from seedbed.errors import OptionError, did_you_mean
from seedbed.networks.optimizers import OPTIMIZERS

__all__ = [
    "RECIPES",
    "Recipe",
    "Schedule",
    "recipe_named",
    "settings_in",
]

MOST_EPOCHS = 1_000_000
"""More than anybody trains for; curves of all networks have to fit into memory."""

BATCH_SIZE = 4096
"""Rows of a step where nobody says how many and all are too many: enough to keep a core's vectors full with a stack of
narrow networks, few enough for hundreds of steps an epoch."""

_PATIENCE = (1.5, 50)
"""How long choosing an epoch waits for a lower mean validation loss where nobody says how long: until the epoch is past
1.5 times the best one plus 50 (see docs/decisions)."""

LOSSES = ("bce", "cross_entropy", "mse")

EpochChoice = Literal["last", "inner"]

Schedule = Literal["constant", "cosine", "onecycle"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. The defaults are those of the tutorial.

    Attributes:
        optimizer: `sgd`, `adam` or `adamw`, each with the arithmetic of its namesake in `torch.optim`.
        lr: learning rate; `None` has it chosen from `Optimizer.lr_grid` by inner splits, which only a comparison has.
        schedule: how the learning rate changes, step by step over all steps of the training: `constant`; `cosine`,
            down to 0 as `CosineAnnealingLR` of torch goes; or `onecycle`, up and down as `OneCycleLR` goes, with its
            own shape. `lr` is the highest rate of each.
        warmup: share of all steps, 0 to below 1, over which the rate rises evenly before the schedule begins.
        horizon: how many epochs schedule and warm-up are laid out for; `None` is for `epochs`. A model whose epochs
            were chosen goes on with the schedule that they were chosen on.
        momentum: of SGD only.
        nesterov: of SGD with momentum only.
        weight_decay: `None` takes the optimizer's own default in `torch.optim` (0.01 for `adamw`, else 0).
        decay_biases: whether biases, scales and shifts of normalisations, and whatever else has less than two
            dimensions, decay as well, as they do in `torch.optim` unless they are put into a group without.
        clip_norm: how large a network's gradient may be, by its norm over all parameters; a larger one is scaled down,
            as `clip_grad_norm_` of torch does for that network alone. `None` leaves it as it is.
        epochs: passes over the training rows; with `epoch="inner"` the most that are made.
        batch_size: rows a step; `None` is the full training set as one batch.
        loss: `bce` (on logits), `cross_entropy`, `mse`, or `auto`: chosen by the target and the network's outputs.
        label_smoothing: share, 0 to below 1, by which targets of classes are moved towards all classes alike, as
            `CrossEntropyLoss` of torch has it; zeros and ones move towards a half. The loss that is trained on has it
            and no other: losses that are shown, or that anything is chosen by, are of the targets as they are.
        epoch: after which epoch a network is used: the `last`, or one chosen by `inner` splits of the training rows,
            which only a comparison has.
        patience: of `epoch="inner"`: after how many epochs without a lower mean validation loss over the inner splits
            a learning rate is no longer trained, and its later epochs aren't chosen. `None` waits until the epoch is
            past 1.5 times the best one plus 50, or to the last epoch where a schedule changes the rate. As many as
            `epochs` trains all of them. In a blend: for how many epochs a member waits; `None` is 8.

    Raises:
        OptionError: a value is out of range, or two values contradict.
    """

    optimizer: str = "sgd"
    lr: float | None = 0.01
    schedule: Schedule = "constant"
    warmup: float = 0.0
    horizon: int | None = None
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float | None = None
    decay_biases: bool = True
    clip_norm: float | None = None
    epochs: int = 1000
    batch_size: int | None = None
    loss: str = "auto"
    label_smoothing: float = 0.0
    epoch: EpochChoice = "last"
    patience: int | None = None

    def __post_init__(self) -> None:
        check_arguments(Recipe, self.__dict__)
        _one_of("optimizer", self.optimizer, OPTIMIZERS)
        _one_of("loss", self.loss, ("auto", *LOSSES))
        _one_of("epoch", self.epoch, get_args(EpochChoice))
        _one_of("schedule", self.schedule, get_args(Schedule))
        for name, value in (("lr", min(self.lrs)), ("momentum", self.momentum), ("weight_decay", self.decay)):
            if not (_is_number(value) and math.isfinite(value) and value >= 0):
                raise OptionError(f"{name} is {value}", "It must be a number from 0 up.")
        if self.epochs < 1:
            raise OptionError(f"epochs is {self.epochs}", "It must be a whole number from 1 up.")
        if self.epochs > MOST_EPOCHS:
            raise OptionError(f"epochs is {shown(self.epochs)}", f"It must be at most {MOST_EPOCHS:,}.")
        for name in ("warmup", "label_smoothing"):
            share = getattr(self, name)
            if not (_is_number(share) and 0 <= share < 1):
                raise OptionError(f"{name} is {share}", "It must be a share from 0 to below 1.")
        most = self.clip_norm
        if most is not None and not (_is_number(most) and math.isfinite(most) and most > 0):
            raise OptionError(f"clip_norm is {most}", "It must be a number above 0, or left out for no clipping.")
        if self.label_smoothing and self.loss == "mse":
            raise OptionError("label_smoothing is of classes, and loss mse of numbers", "Leave label_smoothing out.")
        if self.warmup and self.schedule == "onecycle":
            raise OptionError("onecycle has a warm-up of its own", "Leave warmup out.")
        if self.horizon is not None and not (
            _is_number(self.horizon, numbers.Integral) and self.horizon >= self.epochs
        ):
            message = f"horizon is {self.horizon}, and there are {self.epochs} epochs"
            raise OptionError(message, "It must be a whole number, as many at least, or left out.")
        size = self.batch_size
        if size is not None and not (_is_number(size, numbers.Integral) and size >= 1):
            raise OptionError(f"batch_size is {size}", "It must be a whole number from 1 up, or left out for all rows.")
        waits = self.patience
        if waits is not None and not (_is_number(waits, numbers.Integral) and waits >= 1):
            raise OptionError(f"patience is {waits}", "It must be a whole number of epochs from 1 up, or left out.")
        if (self.momentum or self.nesterov) and not OPTIMIZERS[self.optimizer].has_momentum:
            raise OptionError(f"momentum and nesterov belong to sgd, not to {self.optimizer}", "Leave them out.")
        if not isinstance(self.decay_biases, bool):
            raise OptionError(f"decay_biases is {self.decay_biases!r}", "It must be True or False.")
        if self.nesterov and not self.momentum:
            raise OptionError("nesterov needs momentum", "Add momentum=0.9.")

    @property
    def decay(self) -> float:
        """The weight decay in force."""
        return OPTIMIZERS[self.optimizer].weight_decay if self.weight_decay is None else self.weight_decay

    @property
    def lrs(self) -> tuple[float, ...]:
        """The learning rate, or those that it is chosen from."""
        return OPTIMIZERS[self.optimizer].lr_grid if self.lr is None else (self.lr,)

    @property
    def chooses(self) -> bool:
        """Whether inner splits are needed."""
        return self.lr is None or self.epoch == "inner"

    @property
    def waits(self) -> tuple[float, float]:
        """How long choosing an epoch waits for a lower loss, (factor, epochs) as `evaluation.choose` has it."""
        if self.epoch == "last" or (self.patience is None and self.schedule != "constant"):
            return 1.0, math.inf
        return _PATIENCE if self.patience is None else (1.0, self.patience)

    @property
    def ending(self) -> str:
        """The same in words, for specifications; empty where nothing ends before the last epoch."""
        factor, epochs = self.waits
        return f"past {factor:g} x its best epoch + {epochs}" if epochs < self.epochs else ""

    @property
    def varies(self) -> bool:
        """Whether the learning rate changes from step to step."""
        return self.schedule != "constant" or self.warmup > 0

    def in_batches(self) -> Recipe:
        """The same with batches of `BATCH_SIZE` rows where it has none of its own: for tables that are too large for
        steps over all rows."""
        return self if self.batch_size is not None else replace(self, batch_size=BATCH_SIZE)

    def describe(self) -> str:
        """The recipe in a few words, for headings: `SGD, lr 0.01, full batch, 1000 epochs`."""
        words = [OPTIMIZERS[self.optimizer].words]
        if self.momentum:
            words[0] += f" with {'Nesterov ' if self.nesterov else ''}momentum {self.momentum:g}"
        words.append(f"lr {self.lr:g}" if self.lr is not None else f"lr of {_listed(self.lrs)} by inner splits")
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
        """How the learning rate changes: `cosine schedule with 10% warm-up`."""
        schedule = {"constant": "", "cosine": "cosine schedule", "onecycle": "one-cycle schedule"}[self.schedule]
        warmup = f"{100 * self.warmup:g}% warm-up" if self.warmup else ""
        words = " with ".join(filter(None, (schedule, warmup)))
        return words if self.horizon in (None, self.epochs) else f"{words}, laid out for {self.horizon} epochs"


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _is_number(value: Any, kind: type = numbers.Real) -> bool:
    return isinstance(value, kind)


def _one_of(name: str, value: str, known: object) -> None:
    options = list(known)  # type: ignore[call-overload]
    if value not in options:
        raise OptionError(f"unknown {name} '{value}'", did_you_mean(value, options))


RECIPES = {
    "tutorial": Recipe(),
    "trained": Recipe(optimizer="adamw", lr=None, epochs=1000, epoch="inner"),
}
"""Recipes by name: the tutorial's own, and one that gives every candidate its fair chance."""


def recipe_named(name: str, **given: Any) -> Recipe:
    """A recipe by its name, with the settings that are given (not None) in place of its own.

    Raises:
        OptionError: there is none of this name, or a setting is out of range.
    """
    _one_of("recipe", name, RECIPES)
    return replace(RECIPES[name], **{key: value for key, value in given.items() if value is not None})


def settings_in(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a function's arguments, by name, that are settings of a recipe."""
    return {name: given[name] for name in Recipe.__dataclass_fields__ if name in given}
