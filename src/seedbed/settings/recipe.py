"""The recipe: how a network is trained, as frozen settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from seedbed.errors import OptionError, did_you_mean
from seedbed.settings.fields import Settings, merge_settings, setting
from seedbed.settings.optimizers import OPTIMIZERS

MOST_EPOCHS = 1_000_000  # the largest number of epochs, as the curves of all networks must fit into memory

LOSSES = ("bce", "cross_entropy", "mse")

Schedule = Literal["constant", "cosine", "onecycle"]

# (rows, rows per step, epochs) that suit tables with at least so many rows.
_BY_ROWS = (
    (50_000, 1024, 60),
    (12_000, 512, 100),
    (4_000, 256, 100),
    (2_000, 128, 100),
    (1_500, 64, 100),
    (0, 64, 200),
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe(Settings):
    """How networks are trained. `Recipe()` suits the table, `Recipe.tutorial()` is plain gradient
    descent.

    A model has several networks. Each leaves out a fold of the rows, and all of them stop together,
    after the epoch with the lowest loss of their mean prediction for the rows left out. With
    `patience=0`, they train on all rows for all epochs.

    Attributes:
        epochs: passes over the training rows, at most; 60 to 200 by the number of rows if left out.
        lr: learning rate, the highest of the schedule; one that suits the optimizer if left out.
            compare takes several, and compares each candidate at each.
        schedule: how the learning rate changes from step to step: constant, cosine down to 0, or
            onecycle up and down, as CosineAnnealingLR and OneCycleLR of torch.
        warmup: share of all steps, such as 0.05, in which the rate first rises.
        optimizer: optimizer, equal to that of the same name in torch.optim.
        momentum: momentum of sgd.
        nesterov: use Nesterov's momentum, with sgd and a momentum.
        weight_decay: weight decay; the optimizer's own default in torch.optim if left out.
        decay_biases: also decay biases, and scales and shifts of normalisations, as torch.optim
            does.
        clip_norm: the largest norm of a network's gradient; a larger gradient is scaled down to it.
        batch_size: rows per step, or 0 for all rows; 64 to 1,024 by the number of rows if left out.
        loss: loss: bce (on logits), cross_entropy, mse, or auto, which suits the target.
        label_smoothing: share, such as 0.1, by which labels are moved towards all classes, in the
            training loss only.
        patience: epochs without a lower loss of the rows left out after which training ends; 3 to 8
            if left out. 0 trains on all rows, for all epochs.

    Raises:
        OptionError: a value is out of range, or two values contradict.
    """

    epochs: int | None = setting(None, at_least=1, at_most=MOST_EPOCHS, word=True)
    lr: float | None = setting(None, at_least=0, word=True)
    schedule: Schedule = setting("cosine", word=True)
    warmup: float = setting(0.0, at_least=0, below=1, word=True)
    optimizer: str = setting("adamw", choices=tuple(OPTIMIZERS), word=True)
    momentum: float = setting(0.0, at_least=0, word=True)
    nesterov: bool = setting(False, word=True)
    weight_decay: float | None = setting(None, at_least=0, word=True)
    decay_biases: bool = setting(False, word=True)
    clip_norm: float | None = setting(
        None,
        above=0,
        hint="It must be a number above 0, or left out for no clipping.",
        none="none",
        word=True,
    )
    batch_size: int | None = setting(
        None, at_least=0, none="full", none_is=0, word=True
    )
    loss: str = setting("auto", choices=("auto", *LOSSES), option=False)
    label_smoothing: float = setting(0.0, at_least=0, below=1, word=True)
    patience: int | None = setting(
        None,
        at_least=0,
        at_most=MOST_EPOCHS,
        none="none",
        none_is=0,
        choosing=True,
        word=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        is_sgd = OPTIMIZERS[self.optimizer].has_momentum
        rules = (
            (
                self.label_smoothing and self.loss == "mse",
                "label_smoothing requires class targets, and mse is a loss of numbers",
                "Leave label_smoothing out.",
            ),
            (
                self.warmup and self.schedule == "onecycle",
                "onecycle has its own warm-up",
                "Leave warmup out.",
            ),
            (
                (self.momentum or self.nesterov) and not is_sgd,
                f"momentum and nesterov belong to sgd, not to {self.optimizer}",
                "Leave them out.",
            ),
            (
                self.nesterov and not self.momentum,
                "nesterov needs momentum",
                "Add momentum=0.9.",
            ),
        )
        for is_wrong, message, hint in rules:
            if is_wrong:
                raise OptionError(message, hint)

    if TYPE_CHECKING:
        tutorial: ClassVar[type[Recipe]]  # takes the same settings
    else:

        @classmethod
        def tutorial(cls, **settings: Any) -> Recipe:
            """Return the recipe of the tutorial, with the given settings: SGD over all rows for
            1,000 epochs.

            Examples:
                >>> sb.Recipe.tutorial(lr=0.1).describe()
                'SGD, lr 0.1, full batch, 1000 epochs'
            """
            return replace(RECIPES["tutorial"], **settings)

    def for_rows(self, n_rows: int) -> Recipe:
        """Return the recipe with a learning rate, and with epochs and rows per step that suit so
        many rows, where it leaves them out."""
        _, size, epochs = next(entry for entry in _BY_ROWS if n_rows >= entry[0])
        return replace(
            self,
            lr=OPTIMIZERS[self.optimizer].lr if self.lr is None else self.lr,
            batch_size=size if self.batch_size is None else self.batch_size,
            epochs=epochs if self.epochs is None else self.epochs,
        )

    @property
    def n_epochs(self) -> int:
        """The epochs of a recipe `for_rows`."""
        assert self.epochs is not None
        return self.epochs

    @property
    def rate(self) -> float:
        """The learning rate of a recipe `for_rows`."""
        assert self.lr is not None
        return self.lr

    @property
    def decay(self) -> float:
        """The weight decay, by default that of the optimizer."""
        return (
            OPTIMIZERS[self.optimizer].weight_decay
            if self.weight_decay is None
            else self.weight_decay
        )

    @property
    def leaves_out(self) -> bool:
        """Whether each network leaves out rows, by which training ends."""
        return self.patience != 0

    @property
    def varies(self) -> bool:
        """Whether the learning rate changes from step to step."""
        return self.schedule != "constant" or self.warmup > 0

    def describe(self) -> str:
        """Return the recipe in a few words: `SGD, lr 0.01, full batch, 1000 epochs`."""
        optimizer = OPTIMIZERS[self.optimizer].torch
        if self.momentum:
            nesterov = "Nesterov " if self.nesterov else ""
            optimizer += f" with {nesterov}momentum {self.momentum:g}"
        schedule = {
            "constant": "",
            "cosine": "cosine schedule",
            "onecycle": "one-cycle schedule",
        }[self.schedule]
        warmup = f"{100 * self.warmup:g}% warm-up" if self.warmup else ""
        of_weights = "" if self.decay_biases else " (not of biases)"
        epochs = "1 epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        epochs = f"up to {epochs}" if self.leaves_out else epochs
        batches = f"batches of {self.batch_size}" if self.batch_size else "full batch"
        parts = (
            (True, optimizer),
            (self.lr is not None, f"lr {self.lr or 0:g}"),
            (self.varies, " with ".join(filter(None, (schedule, warmup)))),
            (self.decay, f"weight decay {self.decay:g}{of_weights}"),
            (
                self.clip_norm is not None,
                f"gradient clipped at norm {self.clip_norm or 0:g}",
            ),
            (self.label_smoothing, f"label smoothing {self.label_smoothing:g}"),
            (self.batch_size is not None, batches),
            (self.epochs is not None, epochs),
            (self.patience, f"patience {self.patience}"),
        )
        return ", ".join(text for is_said, text in parts if is_said)

    def __repr__(self) -> str:
        """Return the shorter call that creates the same recipe, without defaults."""
        return min(
            super().__repr__(),
            f"Recipe.tutorial({self._differing(RECIPES['tutorial'])})",
            key=len,
        )


RECIPES = {
    "default": Recipe(),
    "tutorial": Recipe(
        optimizer="sgd",
        lr=0.01,
        schedule="constant",
        epochs=1000,
        batch_size=0,
        decay_biases=True,
        patience=0,
    ),
}
"""Recipes by name: one that suits each table, and that of the tutorial."""


def recipe_named(name: str, **settings: Any) -> Recipe:
    """Return a recipe by its name, with the given settings, except None, in place of its own.
    OptionError if there is no such recipe, or a setting is out of range."""
    if name not in RECIPES:
        raise OptionError(f"unknown recipe '{name}'", did_you_mean(name, RECIPES))
    return merge_settings(RECIPES[name], **settings)
