"""Train any modules by PyTorch, many at once: `torch.func.vmap` over their stacked states."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from seedbed.networks.layers import Array, Arrays
from seedbed.networks.network import Network
from seedbed.training.stack import Stack
from seedbed.training.torch.modules import module_of
from seedbed.training.torch.noise import RandomStream, reseed, seeded
from seedbed.training.torch.reference import in_one_line
from seedbed.training.torch.states import build_network, outputs_of
from seedbed.training.torch.torch_recipe import (
    TORCH_LOSSES,
    clip_gradients,
    make_torch_optimizer,
    make_torch_schedule,
)

Randomness = Literal["different", "same"]


class TorchEngine:
    """Trains a stack by torch. Its public methods are those of every engine, see `loop.Engine`.

    Networks with equally many rows take each step together.

    Args:
        randomness: whether numbers that a module draws from torch itself differ between its
            networks.
    """

    def __init__(self, stack: Stack, randomness: Randomness = "different") -> None:
        recipe = stack.chunk.recipe
        self._stack = stack
        shape = recipe.n_epochs + 1, 4, stack.n
        self._shown = torch.zeros(
            shape, dtype=getattr(torch, stack.chunk.dtype), device=stack.chunk.device
        )
        counts = np.stack([(part > 0).sum(0) for part in (stack.fit, stack.test)])
        of_count = np.unique(counts, axis=1, return_inverse=True)[1].reshape(-1)
        with in_one_line():
            self._parts = [
                _Part(stack, np.flatnonzero(of_count == count), self._shown, randomness)
                for count in range(of_count.max() + 1)
            ]

    @property
    def figures(self) -> Array:
        return self._shown.numpy(force=True)

    @torch.no_grad()
    def train(self, start: int, end: int) -> None:
        shows = not self._stack.chunk.patience  # else `look` shows the test figures
        with _running():
            for part in self._parts:
                for epoch, batches in enumerate(part.batches(start, end), start):
                    if shows and epoch:
                        part.look(epoch)
                    part.train(epoch, batches)

    @torch.no_grad()
    def look(self, epoch: int, *, ended: bool = True) -> Array:
        stack = self._stack
        looked = np.zeros(
            (len(stack.tested[0]), stack.y.shape[1], stack.n), dtype=stack.chunk.dtype
        )
        with _running():
            for part in self._parts:
                outputs = part.look(epoch).permute(1, 2, 0).numpy(force=True)
                looked[: len(outputs), :, part.networks] = outputs
        return looked

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        for part in self._parts:
            part.keep(networks[part.networks])

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        return bool(networks.all())  # torch trains all of them until then

    def states(self) -> Arrays:
        order = np.argsort(np.concatenate([part.networks for part in self._parts]))
        parts = [
            {name: value.numpy(force=True) for name, value in part.kept.items()}
            for part in self._parts
        ]
        return {
            name: np.concatenate([part[name] for part in parts])[order]
            for name in self._stack.states
        }


@contextlib.contextmanager
def _running() -> Iterator[None]:
    """Run a user's code inside: errors become one line, torch has a random state of its own, and
    `vmap` doesn't warn of functions that it runs one network after the other."""
    with in_one_line(), seeded(0), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


class _StackedRows(NamedTuple):
    """Rows of the networks of a part.

    Attributes:
        X, y: inputs and encoded targets [network, row, ...], or [row, ...] if all networks have the
            same split.
        weights: weight of each row [network, row]. They sum to 1 over the rows.
        share: of all weights of training rows [network]; None if these are all of them.
        numbers: of the rows in the table, int32 [network, row], or [row]; None for a minibatch.
    """

    X: Tensor
    y: Tensor
    weights: Tensor
    share: Tensor | None
    numbers: Tensor | None


class _Part:
    """The networks of a stack that have equally many rows.

    Args:
        networks: their places in the stack.
        shown: receives figures [epoch, figure, network].
    """

    def __init__(
        self,
        stack: Stack,
        networks: npt.NDArray[np.int64],
        shown: Tensor,
        randomness: Randomness,
    ) -> None:
        chunk, recipe = stack.chunk, stack.chunk.recipe
        self.networks, self._stack, self._recipe, self._shown = (
            networks,
            stack,
            recipe,
            shown,
        )
        self._loss = TORCH_LOSSES[stack.loss.name]
        self._randomness = randomness
        self._places = self._tensor(networks)
        if isinstance(chunk.build, Network):
            module: nn.Module = module_of(
                chunk.build, {name: value[0] for name, value in stack.states.items()}
            )
        else:
            module = build_network(chunk.build, chunk.seeds[0])
        module = module.to(shown.device, shown.dtype).requires_grad_(False)
        self._state = {
            name: self._tensor(value[networks]) for name, value in stack.states.items()
        }
        self._parameters = [
            self._state[name].requires_grad_()
            for name in self._state
            if name in stack.traits.trained
        ]
        self._buffers = [name for name, _ in module.named_buffers()]
        # Two, as to switch one to training and back takes as long as a step of a small network.
        self._in_training = copy.deepcopy(module).train()
        self._in_evaluation = module.eval()
        self._is_recurrent = any(
            isinstance(part, nn.RNNBase) for part in module.modules()
        )
        self._kept: dict[str, Tensor] = {}
        keys = stack.keys[networks]
        self._key = int(keys[0])
        self._keys = self._tensor(keys)
        self._stream = RandomStream(self._in_training, self._keys[0])
        self._X, self._y = self._tensor(stack.X), self._tensor(stack.y)
        self._fit, self._test = self._rows(stack.fit), self._rows(stack.test)
        self._weights = self._tensor(stack.fit.T[networks])
        self._optimizer = make_torch_optimizer(recipe, self._parameters, stacked=True)
        self._schedule = make_torch_schedule(recipe, self._optimizer, stack.n_steps)

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(
            self._shown.device, copy=True
        )

    def _rows(self, weights: Array) -> _StackedRows:
        """Return each network's rows with a weight [row, network of the stack]."""
        of_part = weights.T[self.networks]
        numbers = (of_part > 0).nonzero()[1].reshape(len(of_part), -1)
        shares = self._tensor(np.take_along_axis(of_part, numbers, axis=1))
        places = self._tensor(
            numbers[0] if len(set(self._stack.chunk.splits)) == 1 else numbers
        )
        return _StackedRows(
            self._X[places], self._y[places], shares, None, places.to(torch.int32)
        )

    def batches(self, start: int, end: int) -> Iterator[list[_StackedRows]]:
        """Yield the rows of the steps of each epoch from `start` to before `end`. A GPU gets their
        order at once."""
        stack = self._stack
        if not self._recipe.batch_size:
            yield from [[self._fit]] * (end - start)
            return
        picked = np.stack(
            [stack.picked(epoch)[:, self.networks].T for epoch in range(start, end)]
        )
        is_row = (
            picked[0, 0] >= 0
        )  # the others are filling, in the same places for all these networks and epochs
        sizes = np.add.reduceat(
            is_row, np.arange(0, len(is_row), stack.batch_rows)
        ).tolist()
        for order in self._tensor(picked[:, :, is_row]).to(torch.int64):
            parts = zip(
                order.split(sizes, 1),
                self._weights.gather(1, order).split(sizes, 1),
                strict=True,
            )
            yield [
                _StackedRows(
                    self._X[some],
                    self._y[some],
                    weights / weights.sum(1, keepdim=True),
                    weights.sum(1),
                    None,
                )
                for some, weights in parts
            ]

    def train(self, epoch: int, batches: list[_StackedRows]) -> None:
        """Train for an epoch and show the figures before its steps."""
        total = torch.zeros_like(self._shown[0, :2, : len(self.networks)])
        for step, batch in enumerate(batches, start=epoch * len(batches)):
            figures = self._step(step, batch)
            total += figures if batch.share is None else figures * batch.share
        self._shown[epoch, :2].index_copy_(1, self._places, total)

    def _step(self, step: int, rows: _StackedRows) -> Tensor:
        """Do one step; return loss and hits before it [2, network]."""
        with torch.enable_grad():
            z = self._outputs(rows, step, training=True)
            losses = self._loss.measure(z, rows.y)
            smooth = self._recipe.label_smoothing
            objective = (
                self._loss.measure(z, self._loss.smooth(rows.y, smooth))
                if smooth
                else losses
            )
            # Networks don't interact, so the gradients of the sum are those of each network.
            total = (objective * rows.weights).sum()
            grads: tuple[Tensor | None, ...] = torch.autograd.grad(
                total, self._parameters, allow_unused=True
            )
        gradients = [g for g in grads if g is not None]
        clipped = iter(
            clip_gradients(gradients, self._recipe.clip_norm)
            if self._recipe.clip_norm is not None
            else gradients
        )
        for parameter, g in zip(self._parameters, grads, strict=True):
            parameter.grad = None if g is None else next(clipped)
        self._optimizer.step()
        if self._schedule is not None:
            self._schedule.step()
        return self._figures(z.detach(), losses.detach(), rows)

    def look(self, epoch: int) -> Tensor:
        """Show the test figures before an epoch and return the outputs of test rows [network, row,
        output]."""
        z = self._outputs(self._test, epoch * self._stack.n_steps, training=False)
        figures = self._figures(z, self._loss.measure(z, self._test.y), self._test)
        self._shown[epoch, 2:].index_copy_(1, self._places, figures)
        return z

    def _outputs(self, rows: _StackedRows, step: int, *, training: bool) -> Tensor:
        """Return outputs [network, row, output] and keep the buffers as `forward` leaves them."""
        reseed(self._key, step, training=training)
        module = self._in_training if training else self._in_evaluation

        def outputs(
            state: dict[str, Tensor], key: Tensor, X: Tensor, numbers: Tensor | None
        ) -> Any:
            self._stream.at(key, step, numbers)
            z = outputs_of(lambda X: self._call(module, state, X), X)
            return z, {name: state[name] for name in self._buffers}

        per_network = None if rows.X.dim() == self._X.dim() else 0
        dims = 0, 0, per_network, None if rows.numbers is None else per_network
        of_each = vmap(outputs, in_dims=dims, randomness=self._randomness)
        z, buffers = of_each(self._state, self._keys, rows.X, rows.numbers)
        self._state.update({name: value.detach() for name, value in buffers.items()})
        return z  # type: ignore[no-any-return]

    def _call(self, module: nn.Module, state: dict[str, Tensor], X: Tensor) -> Tensor:
        """Return what a module gives for one network's state. It keeps buffers that `forward`
        changes in the state."""
        if not self._is_recurrent:
            return functional_call(module, state, (X,))  # type: ignore[no-any-return]
        # Without a derivative inside of it, `vmap` has no rule for recurrent layers.
        output: Tensor
        output = vjp(lambda values: functional_call(module, values, (X,)), state)[0]
        return output

    def _figures(self, z: Tensor, losses: Tensor, rows: _StackedRows) -> Tensor:
        hits = (
            torch.zeros_like(losses)
            if self._loss.hits is None
            else self._loss.hits(z, rows.y)
        )
        return (torch.stack([losses, hits]) * rows.weights).sum(-1)

    @property
    def kept(self) -> dict[str, Tensor]:
        """The kept state, or else the present one [network, ...]."""
        return self._kept or self._state

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        """Keep the state of these networks [network of the part]."""
        here = self._tensor(networks)
        for name, value in self._state.items():
            chosen = here.reshape(-1, *[1] * (value.dim() - 1))
            self._kept[name] = torch.where(
                chosen, value.detach(), self._kept.get(name, value.detach())
            )
