"""Networks as they were after the epoch that was best for all of them together."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seedbed.training.optimizers import Tensors

__all__ = ["Best"]


class Best:
    """What networks were when the mean of their losses, each on its own test rows, was least; of equal ones the first.

    One epoch for all: that of a single network's least loss on its few test rows is mostly luck, so what it says of
    these rows would look better than it is. One network that diverges ends it for all.

    Attributes:
        epoch: which one it was, counted from 1; 0 before any.
        loss: the mean loss.
        values: parameters and buffers by name [..., network].
        outputs: for test rows [row, output, network].
    """

    def __init__(self, n_members: int) -> None:
        self._n, self.epoch, self.loss = n_members, 0, math.inf
        self.values: Tensors = {}
        self.outputs = torch.empty(0)

    def see(self, epoch: int, values: Tensors, outputs: Tensor, losses: Tensor) -> None:
        """Keep them if they are better after this epoch; the first are kept in any case."""
        loss = float(losses[: self._n].mean())
        if loss < self.loss or not self.values:
            self.epoch, self.loss = epoch, loss if math.isfinite(loss) else math.inf
            self.values, self.outputs = {name: value.clone() for name, value in values.items()}, outputs.clone()
