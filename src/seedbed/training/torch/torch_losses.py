"""Losses as torch computes them, for one network or for a stack, whose network axis is last.

Targets have the shape of the outputs, `[row, output]` or `[row, output, network]`: zeros and ones for `bce`, one-hot
rows for `cross_entropy`, numbers for `mse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


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
class TorchLoss:
    """A loss.

    Attributes:
        module: torch's loss, the mean over rows, for one network.
        measure: from outputs and targets `[row, output, ...]` to losses `[row, ...]` and their derivatives by the
            outputs `[row, output, ...]`. Both share the expensive functions.
        hits: from outputs and targets to 1 if a row is predicted correctly, else 0, `[row, ...]`; None for regression.
        smoothing: label smoothing; None for regression.
    """

    module: type[nn.Module]
    measure: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    hits: Callable[[Tensor, Tensor], Tensor] | None
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


_OF_BCE = Smoothing(_SmoothBCE, lambda slopes, y, share: slopes + share * (y - 0.5) / y.shape[1])
_OF_CROSS_ENTROPY = Smoothing(
    lambda share: nn.CrossEntropyLoss(label_smoothing=share),
    lambda slopes, y, share: slopes + share * (y - 1 / y.shape[1]),
)
TORCH_LOSSES = {
    "bce": TorchLoss(nn.BCEWithLogitsLoss, _bce, _bce_hits, _OF_BCE),
    "cross_entropy": TorchLoss(nn.CrossEntropyLoss, _cross_entropy, _cross_entropy_hits, _OF_CROSS_ENTROPY),
    "mse": TorchLoss(nn.MSELoss, _mse, None),
}
"""By the names of `LOSSES`."""
