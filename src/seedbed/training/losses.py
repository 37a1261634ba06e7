"""Losses, each with a score.

Targets have the shape of the outputs, `[row, output]` or `[row, output, network]`: zeros and ones
for `bce`, one-hot rows for `cross_entropy`, numbers for `mse`. How torch computes them stands in
`torch/torch_recipe.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.errors import OptionError, TrainingError, counted
from seedbed.networks.layers import Array


@dataclass(frozen=True)
class Loss:
    """A loss to minimise, and its score.

    Attributes:
        name: its name in the recipe.
        measure: from outputs and targets `[row, output, ...]` to losses `[row, ...]`.
        score_name: the name of the score.
        of_classes: whether the target is classes, so that rows are right or wrong, and labels can
            be smoothed.
    """

    name: str
    measure: Callable[[Array, Array], Array]
    score_name: str = "accuracy"
    of_classes: bool = True


def _bce(z: Array, y: Array) -> Array:
    # softplus(z) - y z, computed from exp(-|z|), which never overflows.
    return np.asarray(
        (np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))).mean(axis=1)
    )


def _cross_entropy(z: Array, y: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(shifted).sum(axis=1)) - (shifted * y).sum(axis=1))


LOSSES = {
    "bce": Loss("bce", _bce),
    "cross_entropy": Loss("cross_entropy", _cross_entropy),
    "mse": Loss(
        "mse", lambda z, y: ((z - y) ** 2).mean(axis=1), "R2", of_classes=False
    ),
}


def pick_loss(
    name: str,
    y: npt.NDArray[np.generic],
    n_outputs: int,
    *,
    label_smoothing: float = 0.0,
) -> Loss:
    """Return a loss by its name, or for `auto` by the target and the number of outputs.

    `auto` is `bce` for one output and a target of zeros and ones, `cross_entropy` for several
    outputs and whole numbers from 0 up, and `mse` otherwise. TrainingError if the target doesn't
    suit the loss or the outputs; OptionError if labels of a number are to be smoothed.
    """
    zero_one = bool(np.isin(y, (0, 1)).all())
    codes = y.ndim == 1 and bool((y == np.floor(y)).all()) and bool(y.min() >= 0)
    if name == "auto":
        name = "cross_entropy" if codes and n_outputs > 1 else "mse"
        name = "bce" if zero_one and (n_outputs == 1 or y.ndim == 2) else name
    if name == "bce" and not zero_one:
        raise TrainingError(
            "loss bce needs a target of zeros and ones",
            "Use cross_entropy for classes, mse for numbers.",
        )
    if name == "cross_entropy" and not (codes and y.max() < n_outputs):
        raise TrainingError(
            f"loss cross_entropy needs class codes 0 to {n_outputs - 1} for a network with {n_outputs} outputs",
            f"The target's largest value is {y.max():g}.",
        )
    n_targets = 1 if y.ndim == 1 else y.shape[1]
    if name != "cross_entropy" and n_targets != n_outputs:
        raise TrainingError(
            f"the network has {counted(n_outputs, 'output')}, the target {n_targets}"
        )
    if label_smoothing and not LOSSES[name].of_classes:
        raise OptionError(
            "label_smoothing needs classes, but the target is a number",
            "Leave label_smoothing out.",
        )
    return LOSSES[name]


def target_of_loss(
    loss: Loss, y: npt.NDArray[np.generic], n_outputs: int, dtype: npt.DTypeLike
) -> Array:
    """Return a target [row] or [row, output] as the loss needs it [row, output]."""
    if loss.name == "cross_entropy":
        return np.eye(n_outputs, dtype=dtype)[y.astype(np.int64)]
    return np.array(y, dtype=dtype).reshape(len(y), n_outputs)


def r2(
    mse: npt.NDArray[np.floating],
    y: npt.NDArray[Any],
    weights: npt.NDArray[np.number] | None = None,
) -> npt.NDArray[np.floating]:
    """Return the explained share of the variance of targets y [row, output], in the shape of `mse`;
    NaN if y is constant. It is 1 - mse / variance, with the variance averaged over outputs, and
    rows weighted [row]."""
    there = y if weights is None else y[weights > 0]
    if (
        there == there[:1]
    ).all():  # its deviation from the mean comes out as 1e-17, not 0
        return np.full_like(mse, np.nan)
    mean = np.average(y, axis=0, weights=weights)
    variance = float(np.average((y - mean) ** 2, axis=0, weights=weights).mean())
    return 1 - mse / variance if variance > 0 else np.full_like(mse, np.nan)
