"""The plain loop as the reference of tests."""

from typing import Any

import numpy as np
from torch import nn

from seedbed.training.losses import r2
from seedbed.training.reference import PlainNetwork, Rows


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
