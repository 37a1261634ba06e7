"""The training step of a stack as a pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import vjp

from seedbed.settings import Recipe, State, Tensors
from seedbed.training.forward import Forward, OneByOne
from seedbed.training.inputs import Inputs, as_seen
from seedbed.training.losses import Loss
from seedbed.training.optimizers import clipped, pick_optimizer
from seedbed.training.stack import Pass

__all__ = ["Batch", "Hyper", "Picked", "StackState", "Steps", "make_steps", "pick"]


class Batch(NamedTuple):
    """Rows for a stack.

    Attributes:
        inputs: see `Inputs`.
        y: encoded target [row, output, 1], or [row, output, network].
        weights: weight of each row for each network [row, network]. They sum to 1 over the rows, or to 0.
        rows: numbers of the rows in the table, int32 [row].
        y_scale, y_shift: a network learns `y_scale * y + y_shift` [network], or None.
    """

    inputs: Inputs
    y: Tensor
    weights: Tensor
    rows: Tensor
    y_scale: Tensor | None = None
    y_shift: Tensor | None = None

    def learnt(self) -> Tensor:
        """Return the target in the units that networks learn."""
        return self.y if self.y_scale is None or self.y_shift is None else self.y * self.y_scale + self.y_shift


class Picked(NamedTuple):
    """A minibatch: each network's own rows.

    Attributes:
        rows: row numbers [row in batch, network].
        weights: like `Batch.weights`.
    """

    rows: Tensor
    weights: Tensor


class StackState(NamedTuple):
    """Everything that training changes."""

    params: Tensors
    buffers: Tensors
    optimizer: State


class Hyper(NamedTuple):
    """Settings that may differ between networks or between steps.

    Attributes:
        lr: learning rates [network].
        decay: weight decay [network].
        keys: keys of random layers [network].
        now: the step's row of `optimizers.clock`.
        step: number of the step, int32.
        smoothing: share of label smoothing, a scalar, or None.
        clip: largest norm of a gradient, a scalar, or None.
    """

    lr: Tensor
    decay: Tensor
    keys: Tensor
    now: Tensor
    step: Tensor
    smoothing: Tensor | None = None
    clip: Tensor | None = None


@dataclass(frozen=True)
class Steps:
    """The functions of a training.

    Attributes:
        update: (state, batch, picked or None, test weights or None, hyper) to (state, figures): one step. The figures
            [2 or 4, network] are loss and score of the training rows and, with test weights, of the test rows of the
            same batch, all before the step.
        evaluate: (params, buffers, batch, keys) to (figures [2, network], outputs [row, output, network]).
    """

    update: Callable[..., tuple[StackState, Tensor]]
    evaluate: Callable[..., tuple[Tensor, Tensor]]


def make_steps(forward: Forward, loss: Loss, recipe: Recipe, *, guarded: bool = False) -> Steps:
    """Return the step and the evaluation of a stack, with a recipe's optimizer.

    Args:
        forward: the forward pass.
        loss: the loss.
        recipe: the recipe.
        guarded: whether rows of weight zero are set to zero after the first layer.
    """
    placement, optimizer = forward.placement, pick_optimizer(recipe)
    smoothing = loss.smoothing if recipe.label_smoothing > 0 else None

    def figures(z: Tensor, losses: Tensor, y: Tensor, *weights: Tensor) -> Tensor:
        hits = loss.hits(z, y) if loss.hits is not None else torch.zeros_like(losses)
        return torch.stack([(values * weight).sum(0) for weight in weights for values in (losses, hits)])

    def update(
        state: StackState, batch: Batch, picked: Picked | None, test_weights: Tensor | None, hyper: Hyper
    ) -> tuple[StackState, Tensor]:
        if picked is not None:
            batch = pick(batch, picked)
        now = Pass(True, batch.weights, hyper.keys, hyper.step, batch.rows, placement, guarded)

        def outputs(params: Tensors) -> tuple[Tensor, Tensors]:
            return forward({**params, **state.buffers}, batch.inputs, now)

        if isinstance(forward, OneByOne):
            z, pull_back, changed = forward.vjp(outputs, state.params)
        else:
            z, pull_back, changed = vjp(outputs, state.params, has_aux=True)  # type: ignore[misc]
        y = batch.learnt()
        losses, slopes = loss.measure(z, y)
        if smoothing is not None and hyper.smoothing is not None:
            slopes = smoothing.slopes(slopes, y, hyper.smoothing)
        # Networks don't interact, so one backward pass gives the gradients of all.
        (grads,) = pull_back(slopes * batch.weights[:, None])
        if hyper.clip is not None:
            grads = clipped(grads, hyper.clip)
        weights = (batch.weights,) if test_weights is None else (batch.weights, test_weights)
        shown = figures(z, losses, y, *weights)
        params, optimizer_state = optimizer.update(
            state.params, grads, state.optimizer, hyper.lr, hyper.decay, hyper.now
        )
        buffers = {name: changed.get(name, value) for name, value in state.buffers.items()}
        return StackState(params, buffers, optimizer_state), shown

    def evaluate(params: Tensors, buffers: Tensors, batch: Batch, keys: Tensor) -> tuple[Tensor, Tensor]:
        step = torch.zeros((), dtype=torch.int32, device=keys.device)
        now = Pass(False, batch.weights, keys, step, batch.rows, placement, guarded)
        z, _ = forward({**params, **buffers}, batch.inputs, now)
        y = batch.learnt()
        return figures(z, loss.measure(z, y)[0], y, batch.weights), z

    return Steps(update, evaluate)


def pick(batch: Batch, picked: Picked) -> Batch:
    """A minibatch of a batch of shared rows."""
    seen = as_seen(batch.inputs.X[picked.rows].permute(0, 2, 1), batch.inputs)
    y = batch.y[:, :, 0][picked.rows].permute(0, 2, 1)
    places = torch.arange(len(picked.rows), dtype=torch.int32, device=seen.device)
    return batch._replace(inputs=Inputs(seen), y=y, weights=picked.weights, rows=places)
