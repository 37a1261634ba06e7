"""The plain loop: the tutorial's, one `nn.Module` at a time.

A stack's network must equal the result of this loop for the same seed and rows. Tests compare every
architecture, activation, optimizer and loss with it. It also trains single networks, and modules
that `torch.func.vmap` can't run.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.errors import SeedbedError, TrainingError
from seedbed.evaluation.single_runs import CURVES
from seedbed.networks.draws import network_keys
from seedbed.networks.layers import Array, Arrays
from seedbed.networks.network import Network
from seedbed.settings.recipe import Recipe
from seedbed.training.data import some_rows
from seedbed.training.losses import Loss
from seedbed.training.stack import Stack, shuffle_rows
from seedbed.training.torch.modules import started_module
from seedbed.training.torch.noise import RandomStream, reseed, seeded
from seedbed.training.torch.states import (
    build_network,
    dtype_hint,
    look_at,
    outputs_of,
    stack_state_dicts,
    state_of,
)
from seedbed.training.torch.torch_recipe import (
    TORCH_LOSSES,
    make_torch_optimizer,
    make_torch_schedule,
)


@dataclass(frozen=True)
class PlainRows:
    """Rows for one network.

    Attributes:
        X: features [row, feature].
        y: encoded target [row, output].
        weights: weight of each row in loss and figures [row]; None if all are equal.
    """

    X: Tensor
    y: Tensor
    weights: Tensor | None = None

    def at(self, places: Tensor) -> PlainRows:
        return PlainRows(
            self.X[places],
            self.y[places],
            None if self.weights is None else self.weights[places],
        )

    @property
    def total(self) -> float:
        """The sum of the weights."""
        return len(self.X) if self.weights is None else float(self.weights.sum())

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean of losses: of torch's mean, or of each row's [row] or [row,
        output]."""
        if self.weights is None:
            return values.mean() if values.dim() else values
        return (
            values.reshape(len(values), -1).mean(1) @ self.weights / self.weights.sum()
        )


class PlainNetwork:
    """A network in training by the plain loop.

    Figures don't include label smoothing. With minibatches, the training figures of an epoch are
    means over its rows, each from before its own step. torch's own generators are seeded at each
    step, see `reseed`.

    Args:
        network: the network, already built; it is trained in place. It first sees its training
            rows, see `inputs.look_at`.
        seed: decides dropout masks and the order of minibatches.
        numbers: the rows' numbers in the table, which decide the masks of a full batch; 0, 1, 2,
            ... if None.
        key: of its random layers; that of the seed if None.

    Attributes:
        network: the network.
        outputs: its outputs for the test rows after the last epoch [row, output].
    """

    outputs: Tensor

    def __init__(
        self,
        network: nn.Module,
        train: PlainRows,
        test: PlainRows,
        *,
        recipe: Recipe,
        loss: Loss,
        seed: int,
        numbers: Tensor | None = None,
        key: int | None = None,
    ) -> None:
        look_at(network, train.X)
        self.network, self._train, self._test = network, train, test
        self._recipe, self._seed = recipe, seed
        of_torch = TORCH_LOSSES[loss.name]
        self._of_torch = of_torch
        self._criterion = of_torch.module()
        if train.weights is not None:
            self._criterion.reduction = "none"  # type: ignore[assignment]
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._optimizer = make_torch_optimizer(recipe, self._parameters)
        n_batches = -(-len(train.X) // (recipe.batch_size or len(train.X)))
        self._schedule = make_torch_schedule(recipe, self._optimizer, n_batches)
        # torch wraps `step` for its profiler, which takes 5 % of an epoch; a schedule needs it.
        unwrapped = partial(inspect.unwrap(type(self._optimizer).step), self._optimizer)
        self._update = self._optimizer.step if self._schedule else unwrapped
        keys = (
            network_keys([seed], "draws")
            if key is None
            else np.array([key], dtype=np.int32)
        )
        self._key = int(keys[0])
        self._step = 0
        self._stream = RandomStream(
            network, torch.from_numpy(keys).to(train.X.device)[0]
        )
        self._numbers = None if recipe.batch_size else numbers

    def train(self, start: int, end: int) -> npt.NDArray[np.float64]:
        """Train from epoch `start` to before `end`; return their curves [4, epoch], with hits as
        the scores."""
        figures = np.empty((len(CURVES), end - start))
        with seeded(self._seed):
            for epoch in range(start, end):
                figures[:, epoch - start] = *self._trained(epoch), *self._tested()
        return figures

    def _trained(self, epoch: int) -> tuple[float, float]:
        """Train for an epoch; return loss and hits before the steps."""
        network = self.network
        train_loss = 0.0
        train_hits = 0.0
        network.train()
        for rows in self._batches(epoch):
            reseed(self._key, self._step, training=True)
            self._stream.at(self._stream.key, self._step, self._numbers)
            z = outputs_of(network, rows.X)
            batch_loss = rows.mean(self._criterion(z, rows.y))
            share = rows.total / self._train.total
            train_loss += batch_loss.item() * share
            train_hits += self._hits(z, rows) * share
            if self._recipe.label_smoothing:
                smooth = self._of_torch.smooth(rows.y, self._recipe.label_smoothing)
                batch_loss = rows.mean(self._criterion(z, smooth))
            for parameter in self._parameters:
                parameter.grad = None
            batch_loss.backward()
            if self._recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(self._parameters, self._recipe.clip_norm)
            with torch.no_grad():
                self._update()
            if self._schedule is not None:
                self._schedule.step()
            self._step += 1
        return train_loss, train_hits

    def _tested(self) -> tuple[float, float]:
        """Compute the outputs of the test rows; return loss and hits."""
        self.network.eval()
        reseed(self._key, self._step, training=False)
        with torch.inference_mode():
            self.outputs = outputs_of(self.network, self._test.X)
            loss = self._test.mean(self._criterion(self.outputs, self._test.y)).item()
            return loss, self._hits(self.outputs, self._test)

    def _batches(self, epoch: int) -> list[PlainRows]:
        if not self._recipe.batch_size:
            return [self._train]
        order = torch.from_numpy(
            shuffle_rows(len(self._train.X), self._seed, epoch)
        ).to(self._train.X.device)
        return [
            self._train.at(batch)
            for batch in torch.split(order, self._recipe.batch_size)
        ]

    def _hits(self, z: Tensor, rows: PlainRows) -> float:
        if self._of_torch.hits is None:
            return 0.0
        hits = self._of_torch.hits(z, rows.y)
        return (
            float(hits.sum()) / len(hits)
            if rows.weights is None
            else float(rows.mean(hits))
        )


class PlainEngine:
    """Trains any modules. Its public methods are those of every engine, see `loop.Engine`."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        recipe = stack.chunk.recipe
        self.figures = np.zeros((recipe.n_epochs + 1, 4, stack.n))
        self._ended = np.zeros(stack.n, dtype=np.bool_)
        with in_one_line():
            self._networks = [self._network(number) for number in range(stack.n)]
        self._best_states: dict[int, dict[str, Tensor]] = {}
        self.states()  # raises an error if the networks differ in shape

    def _network(self, number: int) -> PlainNetwork:
        stack, chunk = self._stack, self._stack.chunk
        split = chunk.splits[number]
        seed = chunk.seeds[number]
        dtype = getattr(torch, chunk.dtype)
        parts, numbers = [], []
        for weights in (chunk.data.train[:, split], chunk.data.test[:, split]):
            places = weights.nonzero()[0]
            row_weights = torch.from_numpy(weights[places]).to(chunk.device, dtype)
            X, y = (
                torch.from_numpy(part[places]).to(chunk.device)
                for part in (stack.X, stack.y)
            )
            parts.append(
                PlainRows(
                    X, y, None if (row_weights == row_weights[0]).all() else row_weights
                )
            )
            numbers.append(torch.from_numpy(places.astype(np.int32)).to(chunk.device))
        if isinstance(chunk.build, Network):
            some = torch.from_numpy(some_rows(np.ones(len(parts[0].X))))
            network: nn.Module = started_module(
                chunk.build, seed, parts[0].X[some].numpy(force=True)
            )
        else:
            network = build_network(chunk.build, seed)
        network = network.to(chunk.device, dtype)
        return PlainNetwork(
            network,
            *parts,
            recipe=chunk.recipe,
            loss=stack.loss,
            seed=seed,
            numbers=numbers[0],
            key=int(stack.keys[number]),
        )

    @torch.enable_grad()
    def train(self, start: int, end: int) -> None:
        with in_one_line():
            for number in np.flatnonzero(~self._ended).tolist():
                figures = self._networks[number].train(start, end).T
                self.figures[start:end, :2, number] = figures[:, :2]
                self.figures[start + 1 : end + 1, 2:, number] = figures[:, 2:]

    def look(self, epoch: int, *, ended: bool = True) -> Array:
        rows = self._stack.tested[0]
        outputs = [plain.outputs.numpy(force=True) for plain in self._networks]
        looked = np.zeros(
            (len(rows), outputs[0].shape[1], len(outputs)), dtype=outputs[0].dtype
        )
        for number, z in enumerate(outputs):
            looked[: len(z), :, number] = z
        return looked

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        for number in np.flatnonzero(networks).tolist():
            self._best_states[number] = state_of(self._networks[number].network)

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        self._ended = networks
        return bool(networks.all())

    def states(self) -> Arrays:
        networks = [plain.network for plain in self._networks]
        states = [
            self._best_states.get(number) or state_of(network)
            for number, network in enumerate(networks)
        ]
        return {
            name: value.numpy() for name, value in stack_state_dicts(states).items()
        }


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Raise TrainingError, in one line, for what a user's module raises inside."""
    try:
        yield
    except SeedbedError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"this network can't be trained: {why}", dtype_hint(why)
        ) from error
