"""The training step of a stack as a pure function, compiled as a whole where that pays."""

from __future__ import annotations

import functools
import shutil
import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vjp

from seedbed.networks import Recipe
from seedbed.training.compiled import Compiled
from seedbed.training.forward import Chain, Forward
from seedbed.training.general import OneByOne
from seedbed.training.inputs import Inputs, as_seen
from seedbed.training.layers import Pass
from seedbed.training.losses import LOSSES, Loss
from seedbed.training.optimizers import State, Tensors, clipped, pick_optimizer
from seedbed.training.products import rows_at

__all__ = ["Batch", "Hyper", "Picked", "StackState", "Steps", "compiler_found", "make_steps", "pick"]


class Batch(NamedTuple):
    """Rows for a stack.

    Attributes:
        inputs: see `Inputs`.
        y: encoded target [row, output, 1], or [row, output, network].
        weights: [row, network]; what each row counts for each network. They sum to 1 over the rows, or to 0.
        rows: [row], int32; which row of the table each is.
        y_scale, y_shift: [network] or none; a network learns `y_scale * y + y_shift`.
    """

    inputs: Inputs
    y: Tensor
    weights: Tensor
    rows: Tensor
    y_scale: Tensor | None = None
    y_shift: Tensor | None = None

    def learnt(self) -> Tensor:
        """The target in the units that it is learnt in."""
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
    """All that training changes."""

    params: Tensors
    buffers: Tensors
    optimizer: State


class Hyper(NamedTuple):
    """What may differ from network to network, or from step to step.

    Attributes:
        lr: [network].
        decay: [network], weight decay.
        keys: [network], for random layers.
        now: the step's row of `optimizers.clock`.
        step: number of the step, int32.
        smoothing: a number, the share of label smoothing; none without.
        clip: a number, the largest norm of a gradient; none without.
    """

    lr: Tensor
    decay: Tensor
    keys: Tensor
    now: Tensor
    step: Tensor
    smoothing: Tensor | None = None
    clip: Tensor | None = None


class Kind(NamedTuple):
    """What of a recipe shapes a step. All else are numbers that a step is given, lest it be compiled for each.

    Attributes:
        optimizer: a recipe with what shapes its optimizer, and nothing else.
        smooths: whether labels are smoothed.
        clips: whether gradients are clipped.
    """

    optimizer: Recipe
    smooths: bool
    clips: bool


@dataclass(frozen=True)
class Steps:
    """The functions that training is made of.

    Attributes:
        update: (state, batch, picked or none, test weights or none, hyper) to (state, figures): one step. The figures
            [2 or 4, network] are loss and score of the rows trained on and, with test weights, of the test rows of the
            same batch, all before the step.
        evaluate: (params, buffers, batch, keys) to (figures [2, network], outputs [row, output, network]).
        compiled: whether the two are compiled.
    """

    update: Callable[..., tuple[StackState, Tensor]]
    evaluate: Callable[..., tuple[Tensor, Tensor]]
    compiled: bool


def compiler_found() -> bool:
    """Whether there is a C++ compiler for `torch.compile` to use."""
    return any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl"))


def make_steps(
    forward: Forward, loss: Loss, recipe: Recipe, *, compiled: bool, shape: Hashable, guarded: bool = False
) -> Steps:
    """The step and the evaluation of a stack, with a recipe's optimizer.

    Compiled ones are kept: equal chains of one loss, optimizer and `shape` share them. General ones aren't compiled,
    nor `guarded`: they see no row of weight zero.
    """
    optimizer = Recipe(
        optimizer=recipe.optimizer,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        decay_biases=recipe.decay_biases,
    )
    kind = Kind(optimizer, smooths=recipe.label_smoothing > 0, clips=recipe.clip_norm is not None)
    if compiled and isinstance(forward, Chain):
        return _compiled_chain(forward, loss.name, kind, guarded, shape)
    return _build(forward, loss, kind, compiled=False, guarded=guarded)


@functools.lru_cache(maxsize=64)
def _compiled_chain(forward: Chain, loss: str, kind: Kind, guarded: bool, shape: Hashable) -> Steps:
    compiled, eager = (_build(forward, LOSSES[loss], kind, compiled=way, guarded=guarded) for way in (True, False))
    name = repr((forward, loss, kind, guarded))
    ahead = Steps(
        Compiled(compiled.update, f"update {name}", lambda state, batch, *_: (state, batch.weights)),
        Compiled(compiled.evaluate, f"evaluate {name}", lambda params, buffers, batch, _: (batch.weights, batch.y)),
        compiled=True,
    )
    return _with_fallback(ahead, eager)


def _build(forward: Forward, loss: Loss, kind: Kind, *, compiled: bool, guarded: bool) -> Steps:
    placement, optimizer = forward.placement(compiled=compiled), pick_optimizer(kind.optimizer)
    smoothing = loss.smoothing if kind.smooths else None

    def figures(z: Tensor, losses: Tensor, y: Tensor, *weights: Tensor) -> Tensor:
        hits = loss.hits(z, y) if loss.hits is not None else torch.zeros_like(losses)
        return torch.stack([(values * own).sum(0) for own in weights for values in (losses, hits)])

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
        # Networks don't interact, so one pass back has the gradients of all.
        (grads,) = pull_back(slopes * batch.weights[:, None])
        if kind.clips and hyper.clip is not None:
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

    return Steps(update, evaluate, compiled)


def pick(batch: Batch, picked: Picked) -> Batch:
    """A minibatch of a batch of shared rows."""
    own = as_seen(rows_at(batch.inputs.X, picked.rows), batch.inputs)
    y = batch.y[:, :, 0][picked.rows].permute(0, 2, 1)
    places = torch.arange(len(picked.rows), dtype=torch.int32, device=own.device)
    return batch._replace(inputs=Inputs(own), y=y, weights=picked.weights, rows=places)


def _with_fallback(compiled: Steps, eager: Steps) -> Steps:
    """The compiled functions; from the first failure to compile on the eager ones, with a warning."""
    failed = False

    def choose(fast: Callable[..., Any], slow: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal failed
            if not failed:
                try:
                    return fast(*args)
                except Exception as error:  # noqa: BLE001 - what else is wrong, the eager function will say
                    failed = True
                    reason = " ".join(str(error).split("\n\n")[0].split())
                    warnings.warn(f"not compiled, so slower: {reason}", stacklevel=2)
            return slow(*args)

        return call

    return Steps(choose(compiled.update, eager.update), choose(compiled.evaluate, eager.evaluate), compiled=True)
