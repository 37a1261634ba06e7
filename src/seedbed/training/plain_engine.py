"""Train a chunk's networks one after the other by the plain loop, which takes any `nn.Module`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seedbed.errors import SeedbedError, TrainingError
from seedbed.settings.optimizers import Tensors
from seedbed.training.data import dtype_hint
from seedbed.training.reference import PlainNetwork, Rows
from seedbed.training.stack import build_network, joined, state_of
from seedbed.training.stacked import Stack


class PlainEngine:
    """Trains any modules. Its public methods are those of every engine, see `loop.Engine`."""

    def __init__(self, stack: Stack) -> None:
        self._stack, recipe = stack, stack.chunk.recipe
        self.most_epochs = recipe.n_epochs
        self.figures = torch.zeros(recipe.n_epochs + 1, 4, stack.n, dtype=torch.float64)
        self._ended = np.zeros(stack.n, dtype=np.bool_)
        with in_one_line():
            self._networks = [self._network(number) for number in range(stack.n)]
        self._kept: dict[int, Tensors] = {}
        self.states()  # raises an error if the networks differ in shape

    def _network(self, number: int) -> PlainNetwork:
        stack, chunk = self._stack, self._stack.chunk
        split, seed, dtype = chunk.splits[number], chunk.seeds[number], stack.placing.dtype
        parts, numbers = [], []
        for weights in (stack.data.train[:, split], stack.data.test[:, split]):
            places = weights.nonzero()[0]
            y = stack.y[torch.from_numpy(places)]
            used = torch.from_numpy(weights[places]).to(chunk.device, dtype)
            X = torch.from_numpy(stack.data.X[places]).to(chunk.device, dtype)
            parts.append(Rows(X, y.to(chunk.device), None if (used == used[0]).all() else used))
            numbers.append(torch.from_numpy(places.astype(np.int32)).to(chunk.device))
        network = build_network(chunk.build, seed).to(chunk.device, dtype)
        return PlainNetwork(network, *parts, recipe=chunk.recipe, loss=stack.loss, seed=seed, numbers=numbers[0])

    @torch.enable_grad()
    def train(self, start: int, end: int) -> None:
        with in_one_line():
            for number in np.flatnonzero(~self._ended).tolist():
                figures = torch.from_numpy(self._networks[number].train(start, end)).T
                self.figures[start:end, :2, number] = figures[:, :2]
                self.figures[start + 1 : end + 1, 2:, number] = figures[:, 2:]

    def look(self, epoch: int, *, ended: bool = True) -> Tensor:
        rows = self._stack.rows.tested[0]
        outputs = [one.outputs for one in self._networks]
        looked = outputs[0].new_zeros(len(rows), outputs[0].shape[1], len(outputs))
        for number, z in enumerate(outputs):
            looked[: len(z), :, number] = z
        return looked

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        for number in np.flatnonzero(networks).tolist():
            self._kept[number] = state_of(self._networks[number].network)

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        self._ended = networks
        return bool(networks.all())

    def dead_units(self) -> Tensor:
        return torch.full((self._stack.n,), torch.nan)  # unknown

    def states(self) -> Tensors:
        networks = [one.network for one in self._networks]
        return joined([self._kept.get(number) or state_of(network) for number, network in enumerate(networks)])


@contextlib.contextmanager
def in_one_line() -> Iterator[None]:
    """Raise TrainingError, in one line, for what a user's module raises inside."""
    try:
        yield
    except SeedbedError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"this network can't be trained: {why}", dtype_hint(why)) from error
