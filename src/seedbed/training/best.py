"""Networks as they were after the epoch that was best for all of them together."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seedbed.networks import Tensors

__all__ = ["Best"]


class Best:
    """What networks were when a loss that they have in common was least; of equal ones the first.

    One epoch for all: that of a single network's least loss on its few test rows is mostly luck, so what it says of
    these rows would look better than it is. One network that diverges ends it for all.

    Attributes:
        epoch: which one it was, counted from 1; 0 before any.
        loss: the loss.
        values: parameters and buffers by name [..., network].
        outputs: for test rows.
    """

    def __init__(self) -> None:
        self.epoch, self.loss = 0, math.inf
        self.values: Tensors = {}
        self.outputs = torch.empty(0)

    def see(self, epoch: int, values: Tensors, outputs: Tensor, loss: float) -> None:
        """Keep them if they are better after this epoch; the first are kept in any case."""
        if loss < self.loss or not self.values:
            self.epoch, self.loss = epoch, loss if math.isfinite(loss) else math.inf
            self.values, self.outputs = {name: value.clone() for name, value in values.items()}, outputs.clone()
