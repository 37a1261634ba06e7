"""The plain loop as the reference of tests, candidates in words as networks and modules, and a
module for the general method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.networks.candidate import candidate_from
from seedbed.networks.layers import Arrays
from seedbed.networks.mlp import MLP
from seedbed.networks.network import Network
from seedbed.training.loop import train_chunk
from seedbed.training.losses import r2
from seedbed.training.planning import Chunk
from seedbed.training.stack import shuffle_rows
from seedbed.training.torch import modules
from seedbed.training.torch.reference import PlainNetwork, PlainRows


def network_in_words(
    words: str | MLP, n_inputs: int = 5, n_outputs: int = 1
) -> Network:
    return candidate_from(words).architecture.network(n_inputs, n_outputs)


def module_in_words(
    words: str | MLP | Network,
    n_inputs: int = 5,
    n_outputs: int = 1,
    seed: int = 0,
    rows: np.ndarray | None = None,
) -> nn.Module:
    """Return a candidate as a module before its first step; bins are those of the training rows, if
    given."""
    network = (
        words
        if isinstance(words, Network)
        else network_in_words(words, n_inputs, n_outputs)
    )
    return modules.started_module(network, seed, rows)


def built_by_hand(words: str, n_inputs: int = 5, n_outputs: int = 1) -> nn.Sequential:
    """Return the layers of a candidate, made by torch's own classes and drawn from its
    generator."""
    mlp, width, layers = candidate_from(words).architecture, n_inputs, []
    classes = {
        name.lower(): kind for name, kind in vars(nn).items() if isinstance(kind, type)
    }
    for number, (units, name) in enumerate(zip(mlp.widths, mlp.by_layer, strict=True)):
        norms = [
            *[nn.LayerNorm(units)] * mlp.layernorm,
            *[nn.BatchNorm1d(units)] * mlp.batchnorm,
        ]
        hidden = [nn.Linear(width, units), *norms]
        if name != "linear":
            hidden.append(classes[name]())
        hidden += [nn.Dropout(mlp.dropout)] * bool(mlp.dropout)
        layers += (
            [modules.Residual(*hidden)]
            if mlp.residual and number and width == units
            else hidden
        )
        width = units
    return nn.Sequential(*layers, nn.Linear(width, n_outputs))


def train_reference(
    network: nn.Module, train: PlainRows, test: PlainRows, **how: Any
) -> np.ndarray:
    """Train one network in place and return its curves [4, epoch], in the order of `CURVES`. The
    arguments are those of `PlainNetwork`."""
    plain = PlainNetwork(network, train, test, **how)
    curves = plain.train(0, how["recipe"].epochs)
    if not how["loss"].of_classes:
        for row, rows in ((1, train), (3, test)):
            weights = None if rows.weights is None else rows.weights.numpy(force=True)
            curves[row] = r2(curves[row - 1], rows.y.numpy(force=True), weights)
    return curves


def users_loop(
    network: nn.Module,
    parts: Sequence[torch.Tensor],
    *,
    epochs: int,
    lr: float = 0.01,
    momentum: float = 0.0,
    batch_size: int = 0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a network in place by a loop as a user writes it, for a target of zeros and ones.

    Return the curves [4, epoch], and the numbers of logits within 1e-4 of zero in the last batch
    and among test rows [2, epoch]. Nothing of the package is used but the order of rows under a
    seed.
    """
    X, y, X_test, y_test = parts
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum)
    curves, near_zero = np.zeros((4, epochs)), np.zeros((2, epochs))
    for epoch in range(epochs):
        network.train()
        rows = (
            torch.from_numpy(shuffle_rows(len(X), seed, epoch))
            if batch_size
            else torch.arange(len(X))
        )
        for batch in rows.split(batch_size or len(X)):
            logits = network(X[batch]).squeeze()
            loss, share = criterion(logits, y[batch]), len(batch) / len(X)
            accuracy = (
                torch.round(torch.sigmoid(logits)) == y[batch]
            ).sum().item() / len(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curves[:2, epoch] += loss.item() * share, accuracy * share
        network.eval()
        with torch.inference_mode():
            test_logits = network(X_test).squeeze()
            curves[2, epoch] = criterion(test_logits, y_test).item()
            curves[3, epoch] = (
                torch.round(torch.sigmoid(test_logits)) == y_test
            ).sum().item() / len(y_test)
        near_zero[:, epoch] = [
            int((z.abs() < 1e-4).sum()) for z in (logits, test_logits)
        ]
    return curves, near_zero


def train_plan(plan: Sequence[Chunk]) -> list[tuple[np.ndarray, np.ndarray, Arrays]]:
    """Return curves, outputs and state of each network of a plan."""
    found = {}
    for chunk in plan:
        result = train_chunk(chunk)
        columns = (np.moveaxis(part, -1, 0) for part in (result.curves, result.outputs))
        found |= dict(
            zip(chunk.networks, zip(*columns, result.states, strict=True), strict=True)
        )
    return [found[number] for number in range(len(found))]


class Residual(nn.Module):
    """A module that is not sequential, which uses the general method."""

    def __init__(self, n_outputs=1, norm=None, dropout=0.2):
        super().__init__()
        self.inner = nn.Linear(5, 5)
        self.norm = norm or nn.Identity()
        self.last = nn.Linear(5, n_outputs)
        self.drop = nn.Dropout(dropout)

    def forward(self, x):
        return self.last(x + self.drop(torch.relu(self.norm(self.inner(x)))))
