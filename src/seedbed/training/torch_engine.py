"""Train a stack by PyTorch: its training step as pure functions of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import vjp

from seedbed.settings.optimizers import Tensors
from seedbed.training.chain import dead_share
from seedbed.training.optimizer_steps import clip_gradients, clock, pick_optimizer, rate_factors
from seedbed.training.stack import Batch, Stack
from seedbed.training.states import Pass, unstack

_PLACES = 2048  # test rows that are evaluated together


class TorchEngine:
    """Trains a stack by torch. Its public methods are those of every engine, see `loop.Engine`."""

    def __init__(self, stack: Stack) -> None:
        assert stack.chain is not None
        self._stack, self._chain, recipe = stack, stack.chain, stack.chunk.recipe
        storage, n_steps = stack.storage, recipe.n_epochs * stack.rows.n_steps
        self._optimizer = pick_optimizer(recipe)
        self._params, self._buffers, self._best_values = stack.params, stack.buffers, dict[str, Tensor]()
        self._moments = self._optimizer.init(self._params)
        self.most_epochs = recipe.n_epochs
        self.figures = torch.zeros(recipe.n_epochs + 1, 4, stack.n, dtype=storage.dtype, device=storage.device)
        # The pass of a full batch also gives the test figures of the epoch before, as the parameters are the same.
        self._patient = bool(stack.chunk.patience)  # then `look` gives them
        same = not recipe.batch_size and self._chain.same_in_training and not stack.guarded
        self._one_pass = same and not self._patient
        self._clock = clock(n_steps, storage.dtype).to(storage.device)
        factors = rate_factors(recipe, stack.rows.n_steps)
        self._factors = None if factors is None else factors.to(storage.device)
        self._numbers = torch.arange(n_steps, dtype=torch.int32, device=storage.device)
        self._rates = torch.tensor(recipe.rate, dtype=torch.float64, device=storage.device)
        self._decay = torch.tensor(recipe.decay, dtype=storage.dtype, device=storage.device)
        self._smoothing, self._clip = (
            torch.tensor(value, dtype=storage.dtype, device=storage.device) if value else None
            for value in (recipe.label_smoothing, recipe.clip_norm)
        )

    @torch.no_grad()
    def train(self, start: int, end: int) -> None:
        rows, full = self._stack.rows, not self._stack.chunk.recipe.batch_size
        for epoch in range(start, end):
            if not (self._one_pass or self._patient):
                if full:  # all rows, as in one pass, so that it doesn't matter to the bits
                    self.figures[epoch, 2:] = self._evaluated(rows.test)[0]
                else:
                    self.look(epoch)
            if full:
                shown = self._step(epoch, rows.fit, [rows.test.weights] * self._one_pass)
            else:
                total, count = torch.zeros_like(self.figures[0, :2]), torch.zeros_like(self.figures[0, 0])
                for number, (places, weights) in enumerate(rows.orders(epoch), start=epoch * rows.n_steps):
                    share = weights.sum(0)
                    total += self._step(number, rows.fit.picked(places, weights / share)) * share
                    count += share
                shown = total / count
            self.figures[epoch, : len(shown)] = shown

    @torch.no_grad()
    def look(self, epoch: int, *, ended: bool = True) -> Tensor:
        rows = self._stack.rows
        parts = zip(*(part.split(_PLACES) for part in rows.tested), strict=True)
        evaluated = [self._evaluated(rows.test.picked(*part)) for part in parts]
        self.figures[epoch, 2:] = torch.stack([figures for figures, _ in evaluated]).sum(0)
        return torch.cat([outputs for _, outputs in evaluated])

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        here, now = torch.from_numpy(networks).to(self.figures.device), {**self._params, **self._buffers}
        self._best_values = {
            name: torch.where(here, value, self._best_values.get(name, value)) for name, value in now.items()
        }

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        return bool(networks.all())  # torch trains all of them until then

    @torch.no_grad()
    def dead_units(self) -> Tensor:
        fit, values = self._stack.rows.fit, {**self._params, **self._buffers}
        return dead_share(*self._chain.alive(values, fit.X, self._pass(fit)), self._stack.keys)

    def states(self) -> Tensors:
        return unstack(self._best_values or {**self._params, **self._buffers}, self._chain.layout)

    def _pass(self, batch: Batch, step: int | None = None) -> Pass:
        """Return the pass of a training step, or of an evaluation."""
        stack, number = self._stack, self._numbers[step or 0]
        order = self._chain.axis_order
        return Pass(step is not None, batch.weights, stack.keys, number, batch.rows, order, stack.guarded)

    def _step(self, step: int, batch: Batch, also: Any = ()) -> Tensor:
        """Do one step; return loss and hits before it, by the batch's weights and by others [2 or 4, network]."""
        loss, now = self._stack.loss, self._pass(batch, step)

        def outputs(params: Tensors) -> tuple[Tensor, Tensors]:
            return self._chain({**params, **self._buffers}, batch.X, now)

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
        z, _ = self._chain({**self._params, **self._buffers}, batch.X, self._pass(batch))
        y = batch.y
        return self._figures(z, self._stack.loss.measure(z, y)[0], y, batch.weights), z

    def _figures(self, z: Tensor, losses: Tensor, y: Tensor, *weights: Tensor) -> Tensor:
        hits = self._stack.loss.hits
        right = torch.zeros_like(losses) if hits is None else hits(z, y)
        return torch.stack([(values * weight).sum(0) for weight in weights for values in (losses, right)])
