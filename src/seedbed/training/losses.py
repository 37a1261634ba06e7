"""Losses, each with a score, for one network or for a stack, whose network axis is last.

Targets have the shape of the outputs, `[row, output]` or `[row, output, network]`: zeros and ones for `bce`, one-hot
rows for `cross_entropy`, numbers for `mse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seedbed.errors import OptionError, TrainingError, counted


@dataclass(frozen=True)
class Smoothing:
    """Label smoothing: a share of each target is spread evenly over all classes.

    Attributes:
        module: returns torch's loss with smoothed targets for a share, for one network.
        slopes: (derivatives by the outputs, targets, share) to the derivatives with smoothed targets. The targets
            themselves stay as they are, because figures show the loss without smoothing.
    """

    module: Callable[[float], nn.Module]
    slopes: Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss to minimise, and its score.

    Attributes:
        name: its name in the recipe.
        module: torch's loss, the mean over rows, for one network.
        measure: from outputs and targets `[row, output, ...]` to losses `[row, ...]` and their derivatives by the
            outputs `[row, output, ...]`. Both share the expensive functions.
        hits: from outputs and targets to 1 if a row is predicted correctly, else 0, `[row, ...]`; None for regression.
        score_name: the name of the score.
        smoothing: label smoothing; None for regression.
    """

    name: str
    module: type[nn.Module]
    measure: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    hits: Callable[[Tensor, Tensor], Tensor] | None
    score_name: str
    smoothing: Smoothing | None = None


def _bce(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    # softplus(z) - y z, and sigmoid(z) - y, computed from exp(-|z|), which never overflows.
    e = torch.exp(-z.abs())
    share = 1 / (1 + e)
    return _over_outputs(z.clamp(min=0) - y * z + torch.log1p(e), torch.where(z >= 0, share, e * share) - y)


def _bce_hits(z: Tensor, y: Tensor) -> Tensor:
    # round(sigmoid(z)) == y; rounding half to even makes a logit of zero a 0.
    hits = ((z > 0).to(z.dtype) == y).to(z.dtype)
    return hits[:, 0] if z.shape[1] == 1 else hits.amin(1)


def _cross_entropy(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    log_shares = torch.log_softmax(z, 1)
    return -(log_shares * y).sum(1), log_shares.exp() - y


def _cross_entropy_hits(z: Tensor, y: Tensor) -> Tensor:
    return (z.argmax(1) == y.argmax(1)).to(z.dtype)


def _mse(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    off = z - y
    return _over_outputs(off * off, 2 * off)


def _over_outputs(losses: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means over outputs."""
    n = losses.shape[1]
    return (losses[:, 0], slopes) if n == 1 else (losses.mean(1), slopes / n)


class _SmoothBCE(nn.BCEWithLogitsLoss):
    """torch's loss with targets that are smoothed towards a half."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return super().forward(z, y * (1 - self.share) + self.share / 2)


def _bce_smoothed(slopes: Tensor, y: Tensor, share: Tensor) -> Tensor:
    return slopes + share * (y - 0.5) / y.shape[1]


def _smooth_cross_entropy(share: float) -> nn.Module:
    return nn.CrossEntropyLoss(label_smoothing=share)


def _cross_entropy_smoothed(slopes: Tensor, y: Tensor, share: Tensor) -> Tensor:
    return slopes + share * (y - 1 / y.shape[1])


_OF_BCE = Smoothing(_SmoothBCE, _bce_smoothed)
_OF_CROSS_ENTROPY = Smoothing(_smooth_cross_entropy, _cross_entropy_smoothed)
LOSSES = {
    "bce": Loss("bce", nn.BCEWithLogitsLoss, _bce, _bce_hits, "accuracy", _OF_BCE),
    "cross_entropy": Loss(
        "cross_entropy", nn.CrossEntropyLoss, _cross_entropy, _cross_entropy_hits, "accuracy", _OF_CROSS_ENTROPY
    ),
    "mse": Loss("mse", nn.MSELoss, _mse, None, "R2"),
}


def pick_loss(name: str, y: npt.NDArray[np.generic], n_outputs: int) -> Loss:
    """Return a loss by its name, or for `auto` by the target and the number of outputs.

    `auto` is `bce` for one output and a target of zeros and ones, `cross_entropy` for several outputs and whole numbers
    from 0 up, and `mse` otherwise.

    Raises:
        TrainingError: the target doesn't suit the loss or the outputs.
        OptionError: there is no such loss.
    """
    if name not in (*LOSSES, "auto"):
        raise OptionError(f"unknown loss '{name}'", f"Known: {', '.join(LOSSES)}, auto.")
    zero_one = bool(np.isin(y, (0, 1)).all())
    codes = y.ndim == 1 and bool((y == np.floor(y)).all()) and bool(y.min() >= 0)
    if name == "auto":
        name = (
            "bce"
            if zero_one and (n_outputs == 1 or y.ndim == 2)
            else "cross_entropy"
            if codes and n_outputs > 1
            else "mse"
        )
    if name == "bce" and not zero_one:
        raise TrainingError(
            "loss bce needs a target of zeros and ones", "Use cross_entropy for classes, mse for numbers."
        )
    if name == "cross_entropy" and not (codes and y.max() < n_outputs):
        raise TrainingError(
            f"loss cross_entropy needs class codes 0 to {n_outputs - 1} for a network with {n_outputs} outputs",
            f"The target's largest value is {y.max():g}.",
        )
    if name != "cross_entropy" and (1 if y.ndim == 1 else y.shape[1]) != n_outputs:
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        raise TrainingError(f"the network has {counted(n_outputs, 'output')}, the target {n_targets}")
    return LOSSES[name]


def check_smoothing(loss: Loss, label_smoothing: float) -> None:
    """Raise OptionError if a recipe smooths labels and the target is a number."""
    if label_smoothing and loss.smoothing is None:
        raise OptionError("label_smoothing needs classes, but the target is a number", "Leave label_smoothing out.")


def encode_target(loss: Loss, y: npt.NDArray[np.generic], n_outputs: int, dtype: torch.dtype) -> Tensor:
    """Return a target [row] or [row, output] as the loss needs it [row, output]."""
    if loss.name == "cross_entropy":
        return F.one_hot(torch.from_numpy(y.astype(np.int64)), n_outputs).to(dtype)
    return torch.from_numpy(np.array(y)).to(dtype).reshape(len(y), n_outputs)


def r2(
    mse: npt.NDArray[np.floating], y: npt.NDArray[Any], weights: npt.NDArray[np.number] | None = None
) -> npt.NDArray[np.floating]:
    """Return the explained share of the variance of y: 1 - mse / variance, with the variance averaged over outputs.

    Args:
        mse: mean squared errors, of any shape.
        y: targets [row, output].
        weights: weights of the rows [row]; 1 if None.

    Returns:
        R2 in the shape of `mse`; NaN if y is constant.
    """
    there = y if weights is None else y[weights > 0]
    if (there == there[:1]).all():  # its deviation from the mean comes out as 1e-17, not 0
        return np.full_like(mse, np.nan)
    mean = np.average(y, axis=0, weights=weights)
    variance = float(np.average((y - mean) ** 2, axis=0, weights=weights).mean())
    return 1 - mse / variance if variance > 0 else np.full_like(mse, np.nan)
