"""The plain loop as the reference of tests, and a module for the general method."""

from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.training.losses import r2
from seedbed.training.torch.reference import PlainNetwork, Rows


def train_reference(network: nn.Module, train: Rows, test: Rows, **how: Any) -> np.ndarray:
    """Train one network in place and return its curves [4, epoch], in the order of `CURVES`. The arguments are those of
    `PlainNetwork`."""
    plain = PlainNetwork(network, train, test, **how)
    curves = plain.train(0, how["recipe"].epochs)
    if how["loss"].hits is None:
        for row, rows in ((1, train), (3, test)):
            weights = None if rows.weights is None else rows.weights.numpy(force=True)
            curves[row] = r2(curves[row - 1], rows.y.numpy(force=True), weights)
    return curves


class Residual(nn.Module):
    """A module that is not sequential, which uses the general method."""

    def __init__(self, n_outputs=1, norm=None, dropout=0.2):
        super().__init__()
        self.inner, self.norm, self.last = nn.Linear(5, 5), norm or nn.Identity(), nn.Linear(5, n_outputs)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        return self.last(x + self.drop(torch.relu(self.norm(self.inner(x)))))
