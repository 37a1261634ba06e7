"""The reference trainer: the tutorial's loop, one plain `nn.Module` at a time.

A stack's network must equal the result of this loop for the same seed and rows. Tests compare every architecture,
activation, optimizer and loss with it. It also trains single networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.evaluation import CURVES
from seedbed.settings import Recipe
from seedbed.training.inputs import look_at
from seedbed.training.losses import Loss, r2
from seedbed.training.optimizers import make_torch_optimizer, make_torch_schedule
from seedbed.training.randomness import Draws, network_keys, reseed, seeded, shuffled, stateless

__all__ = ["Rows", "outputs_of", "train_reference"]


@dataclass(frozen=True)
class Rows:
    """Rows for one network.

    Attributes:
        X: features [row, feature].
        y: encoded target [row, output].
    """

    X: Tensor
    y: Tensor


def train_reference(
    network: nn.Module,
    train: Rows,
    test: Rows,
    *,
    recipe: Recipe,
    loss: Loss,
    seed: int,
    numbers: Tensor | None = None,
    tell: Callable[[int], None] = lambda epochs: None,
) -> npt.NDArray[np.float64]:
    """Train one network in place and return its curves [4, epoch], in the order of `CURVES`.

    Figures don't include label smoothing. With minibatches, the training figures of an epoch are means over its rows,
    each from before its own step. torch's own generators are seeded at each step, see `reseed`.

    Args:
        network: the network, already built. It first sees its training rows, see `inputs.look_at`.
        train, test: the rows.
        recipe: how it is trained.
        loss: the loss.
        seed: decides dropout masks and the order of minibatches.
        numbers: the rows' numbers in the table, which decide the masks of a full batch; 0, 1, 2, ... if None.
        tell: called after each epoch with the number of epochs done.
    """
    look_at(network, train.X)
    criterion = loss.module()
    smoothed = loss.smoothing.module(recipe.label_smoothing) if loss.smoothing and recipe.label_smoothing else None
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = make_torch_optimizer(recipe, parameters)
    schedule = make_torch_schedule(recipe, optimizer, -(-len(train.X) // (recipe.batch_size or len(train.X))))
    draws = Draws(network_keys([seed], "draws", train.X.device)[0], rows=None if recipe.batch_size else numbers)
    n_train = len(train.X)
    curves = np.empty((len(CURVES), recipe.epochs))

    with seeded(seed), stateless(network, draws):
        for epoch in range(recipe.epochs):
            network.train()
            train_loss, train_hits = 0.0, 0.0
            for X, y in _batches(train, recipe, seed, epoch):
                reseed(draws.key, draws.step, training=True)
                z = outputs_of(network, X)
                batch_loss = criterion(z, y)
                train_loss += batch_loss.item() * len(X) / n_train
                train_hits += _hits(loss, z, y) / n_train
                optimizer.zero_grad()
                (batch_loss if smoothed is None else smoothed(z, y)).backward()
                if recipe.clip_norm is not None:
                    nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
                optimizer.step()
                if schedule is not None:
                    schedule.step()
                draws.next_step()

            network.eval()
            reseed(draws.key, draws.step, training=False)
            with torch.inference_mode():
                z = outputs_of(network, test.X)
                test_loss = criterion(z, test.y).item()
                test_hits = _hits(loss, z, test.y) / len(test.X)
            curves[:, epoch] = train_loss, train_hits, test_loss, test_hits
            tell(epoch + 1)

    if loss.hits is None:
        curves[1] = r2(curves[0], train.y.numpy(force=True))
        curves[3] = r2(curves[2], test.y.numpy(force=True))
    return curves


def _batches(rows: Rows, recipe: Recipe, seed: int, epoch: int) -> list[tuple[Tensor, Tensor]]:
    if recipe.batch_size is None:
        return [(rows.X, rows.y)]
    order = shuffled(len(rows.X), seed, epoch).to(rows.X.device)
    return [(rows.X[batch], rows.y[batch]) for batch in torch.split(order, recipe.batch_size)]


def _hits(loss: Loss, z: Tensor, y: Tensor) -> float:
    return float(loss.hits(z, y).sum()) if loss.hits is not None else 0.0


def outputs_of(network: Callable[[Tensor], Tensor], X: Tensor) -> Tensor:
    """Return the outputs [row, output] of a network that returns [row, output] or [row]."""
    z = network(X)
    return z[:, None] if z.dim() == 1 else z
