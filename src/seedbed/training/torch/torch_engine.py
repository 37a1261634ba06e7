"""Train a stack by PyTorch: its training step as pure functions of tensors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import vjp

from seedbed.networks.layers import Array, Arrays
from seedbed.settings.optimizers import Tensors
from seedbed.training.schedules import clock, rate_factors
from seedbed.training.stack import Stack
from seedbed.training.torch.optimizer_steps import clip_gradients, pick_optimizer
from seedbed.training.torch.stacked_layers import Pass, compute, count_dead, lies_network_first
from seedbed.training.torch.torch_losses import TORCH_LOSSES

_PLACES = 2048  # test rows that are evaluated together


class Batch(NamedTuple):
    """Rows for a stack.

    Attributes:
        X: inputs that all networks share [row, feature], or of each network [row, feature, network].
        y: encoded target [row, output, 1], or [row, output, network].
        weights: weight of each row for each network [row, network]. They sum to 1 over the rows, or to 0.
        rows: numbers of the rows in the table, int32 [row].
    """

    X: Tensor
    y: Tensor
    weights: Tensor
    rows: Tensor

    def picked(self, rows: Tensor, weights: Tensor) -> Batch:
        """Return each network's own rows of this batch, with their weights [place, network]."""
        X, y = (part[rows].permute(0, 2, 1) for part in (self.X, self.y[:, :, 0]))
        return Batch(X, y, weights, torch.arange(len(rows), dtype=torch.int32, device=rows.device))


class TorchEngine:
    """Trains a stack by torch. Its public methods are those of every engine, see `loop.Engine`."""

    def __init__(self, stack: Stack) -> None:
        assert stack.network is not None
        self._stack, self._network, recipe, rows = stack, stack.network, stack.chunk.recipe, stack.rows
        self._network_first, self._loss = lies_network_first(stack.network), TORCH_LOSSES[stack.loss.name]
        device, dtype = torch.device(stack.chunk.device), getattr(torch, stack.chunk.dtype)
        X, y, fit, test = (
            torch.from_numpy(np.ascontiguousarray(part)) for part in (rows.X, rows.y, rows.fit, rows.test)
        )
        numbers = torch.arange(rows.n_rows, dtype=torch.int32, device=device)
        self._fit = Batch(X.to(device), y.to(device)[:, :, None], self._stored(fit), numbers)
        self._test = self._fit._replace(weights=self._stored(test))
        self._tested = [torch.from_numpy(part).to(device) for part in rows.tested]
        self._keys, n_steps = torch.from_numpy(stack.keys).to(device), recipe.n_epochs * rows.n_steps
        self._optimizer = pick_optimizer(recipe)
        self._params, self._buffers = (
            {name: self._stored(torch.from_numpy(value)) for name, value in part.items()}
            for part in (stack.params, stack.buffers)
        )
        self._best_values = dict[str, Tensor]()
        self._moments = self._optimizer.init(self._params)
        self.most_epochs = recipe.n_epochs
        self._shown = torch.zeros(recipe.n_epochs + 1, 4, stack.n, dtype=dtype, device=device)
        # The pass of a full batch also gives the test figures of the epoch before, as the parameters are the same.
        self._patient = bool(stack.chunk.patience)  # then `look` gives them
        same = not (recipe.batch_size or self._network.differs_in_training) and not stack.guarded
        self._one_pass = same and not self._patient
        self._clock = torch.from_numpy(clock(n_steps)).to(device, dtype)
        factors = rate_factors(recipe, rows.n_steps)
        self._factors = None if factors is None else torch.from_numpy(factors).to(device)
        self._numbers = torch.arange(n_steps, dtype=torch.int32, device=device)
        self._rates = torch.tensor(recipe.rate, dtype=torch.float64, device=device)
        self._decay = torch.tensor(recipe.decay, dtype=dtype, device=device)
        self._smoothing, self._clip = (
            torch.tensor(value, dtype=dtype, device=device) if value else None
            for value in (recipe.label_smoothing, recipe.clip_norm)
        )

    def _stored(self, value: Tensor) -> Tensor:
        """Return a tensor [..., network] on the device, in the memory layout of the stack."""
        value, reverse = value.to(self._stack.chunk.device), [*reversed(range(value.dim()))]
        return value.permute(reverse).contiguous().permute(reverse) if self._network_first else value.contiguous()

    @torch.no_grad()
    def train(self, start: int, end: int) -> None:
        rows, full = self._stack.rows, not self._stack.chunk.recipe.batch_size
        device = self._shown.device
        for epoch in range(start, end):
            if not (self._one_pass or self._patient):
                if full:  # all rows, as in one pass, so that it doesn't matter to the bits
                    self._shown[epoch, 2:] = self._evaluated(self._test)[0]
                else:
                    self.look(epoch)
            if full:
                shown = self._step(epoch, self._fit, [self._test.weights] * self._one_pass)
            else:
                total, count = torch.zeros_like(self._shown[0, :2]), torch.zeros_like(self._shown[0, 0])
                for number, order in enumerate(rows.orders(epoch), start=epoch * rows.n_steps):
                    places, weights = (torch.from_numpy(part).to(device) for part in order)
                    share = weights.sum(0)
                    total += self._step(number, self._fit.picked(places, weights / share)) * share
                    count += share
                shown = total / count
            self._shown[epoch, : len(shown)] = shown

    @property
    def figures(self) -> Array:
        return self._shown.numpy(force=True)

    @torch.no_grad()
    def look(self, epoch: int, *, ended: bool = True) -> Array:
        parts = zip(*(part.split(_PLACES) for part in self._tested), strict=True)
        evaluated = [self._evaluated(self._test.picked(*part)) for part in parts]
        self._shown[epoch, 2:] = torch.stack([figures for figures, _ in evaluated]).sum(0)
        return torch.cat([outputs for _, outputs in evaluated]).numpy(force=True)

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        here, now = torch.from_numpy(networks).to(self._shown.device), {**self._params, **self._buffers}
        self._best_values = {
            name: torch.where(here, value, self._best_values.get(name, value)) for name, value in now.items()
        }

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        return bool(networks.all())  # torch trains all of them until then

    @torch.no_grad()
    def dead_units(self) -> Array:
        values = {**self._params, **self._buffers}
        return count_dead(self._network, values, self._fit.X, self._pass(self._fit)).numpy(force=True)

    def states(self) -> Arrays:
        values = self._best_values or {**self._params, **self._buffers}
        arrays = {name: value.detach().numpy(force=True) for name, value in values.items()}
        return self._network.unstacked(arrays)

    def _pass(self, batch: Batch, step: int | None = None) -> Pass:
        """Return the pass of a training step, or of an evaluation."""
        guarded, number = self._stack.guarded, self._numbers[step or 0]
        return Pass(step is not None, batch.weights, self._keys, number, batch.rows, self._network_first, guarded)

    def _step(self, step: int, batch: Batch, also: Any = ()) -> Tensor:
        """Do one step; return loss and hits before it, by the batch's weights and by others [2 or 4, network]."""
        loss, now = self._loss, self._pass(batch, step)

        def outputs(params: Tensors) -> tuple[Tensor, Tensors]:
            return compute(self._network, {**params, **self._buffers}, batch.X, now)

        z, pull_back, changed = vjp(outputs, self._params, has_aux=True)  # type: ignore[misc]
        y = batch.y
        losses, slopes = loss.measure(z, y)
        if loss.smoothing is not None and self._smoothing is not None:
            slopes = loss.smoothing.slopes(slopes, y, self._smoothing)
        # Networks don't interact, so one backward pass gives the gradients of all.
        (grads,) = pull_back(slopes * batch.weights[:, None])
        if self._clip is not None:
            grads = clip_gradients(grads, self._clip)
        shown = self._figures(z, losses, y, batch.weights, *also)
        # Multiplied in double precision, like torch's schedulers.
        lr = (self._rates if self._factors is None else self._rates * self._factors[step]).to(z.dtype)
        now_at = self._clock[step]
        self._params, self._moments = self._optimizer.update(
            self._params, grads, self._moments, lr, self._decay, now_at
        )
        self._buffers = {name: changed.get(name, value) for name, value in self._buffers.items()}
        return shown

    def _evaluated(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return loss and hits [2, network], and outputs [row, output, network]."""
        z, _ = compute(self._network, {**self._params, **self._buffers}, batch.X, self._pass(batch))
        y = batch.y
        return self._figures(z, self._loss.measure(z, y)[0], y, batch.weights), z

    def _figures(self, z: Tensor, losses: Tensor, y: Tensor, *weights: Tensor) -> Tensor:
        hits = self._loss.hits
        right = torch.zeros_like(losses) if hits is None else hits(z, y)
        return torch.stack([(values * weight).sum(0) for weight in weights for values in (losses, right)])
