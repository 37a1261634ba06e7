"""Chunks, which are networks that train together; and a chunk's stack: its networks before the
first step, and the rows that they train on."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from seedbed.errors import TrainingError
from seedbed.networks.draws import derive, network_keys
from seedbed.networks.layers import Array, Arrays, BatchNorm
from seedbed.networks.network import Network, Source, Traits
from seedbed.settings.design import EngineName
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData, some_rows
from seedbed.training.losses import Loss, pick_loss, target_of_loss
from seedbed.training.native.library import kernel
from seedbed.training.torch import require_torch

_MOST_PICKED = 1 << 22  # row numbers of minibatches drawn for a call


def traits_of(build: Source, seed: int, data: TrainingData) -> Traits:
    """Return what is known of a network for the rows that it trains on. CandidateError if it can't
    be built, or doesn't suit the table; OptionError for a user's module if PyTorch isn't
    installed."""
    if not isinstance(build, Network):
        require_torch("a network of your own")
        from seedbed.training.torch.module_chains import traits_of_module

        return traits_of_module(build, seed, data)
    return _traits_of_network(build, data.X.shape[1])


@functools.lru_cache(
    maxsize=64
)  # of a model's chunks, and of the splits of a comparison
def _traits_of_network(network: Network, n_inputs: int) -> Traits:
    has_batchnorm = any(
        isinstance(layer, BatchNorm) for layer in network.innermost_layers
    )
    names = frozenset(network.parameters)
    n_outputs = network.n_outputs(n_inputs)
    return Traits(
        network,
        n_outputs,
        network.n_parameters,
        network.program(),
        names,
        has_batchnorm,
        network.is_looking,
    )


@dataclass(frozen=True, eq=False)
class Chunk:
    """Networks that are trained together: one architecture and one kind of optimizer.

    Attributes:
        build: the network as data, or what builds a user's own.
        data: the table.
        recipe: their common settings.
        seeds: one per network.
        splits: the number of the split that each network trains on.
        networks: their numbers in the plan.
        group_size: with patience, how many consecutive networks stop together; 0 for all.
        patience: if not None, training ends when the best epoch is half as many epochs ago as it
            took to reach it, but at least the first and at most the second of these numbers. The
            networks of a group stop together, and
            networks and outputs are then those of the epoch with the lowest loss on test rows: the
                loss of the mean
            prediction, see `Best`.
        seconds: the time after which training with patience ends, with at least one epoch; None for
            no limit.
        engine: `native` is the kernel, for chains of layers that it covers; `torch` is
            `torch.func.vmap`, for all others that it can run; `plain` takes all modules, one
            network after the other. `auto` lets `plan_chunks` choose.
        dtype, device: as torch names them.
        n_parameters: of one network.
        note: tells users why training is slower than by the kernel, or is empty.
    """

    build: Source
    data: TrainingData
    recipe: Recipe
    seeds: Sequence[int]
    splits: Sequence[int]
    networks: Sequence[int] = ()
    group_size: int = 0
    patience: tuple[int, int] | None = None
    seconds: float | None = None
    engine: EngineName | Literal["plain"] = "auto"
    dtype: str = "float32"
    device: str = "cpu"
    n_parameters: int = 0
    note: str = ""


class Stack:
    """What an engine trains: the networks of a chunk before the first step, and the rows that they
    train on.

    Attributes:
        chunk: the networks and their table.
        n: number of networks.
        loss: what is minimised.
        keys: keys of random layers [network].
        traits: what is known of the networks.
        states: parameters and buffers at the start, by the names in a `state_dict` [network, ...];
            none for the plain loop, which builds its networks one after the other.
        X: inputs that all networks share [row, feature].
        y: the encoded target [row, output].
        fit, test: weight of each row for each network in training and in test figures [row,
            network]. They sum to 1.
        n_rows: rows of the table.
        n_steps: steps of an epoch.
        batch_rows: rows of a minibatch.
        most_epochs: epochs that an engine trains in one call, as it may draw the rows of all their
            minibatches at once.

    Raises:
        SeedbedError: the networks can't be stacked, or the recipe doesn't suit them.
    """

    def __init__(self, chunk: Chunk) -> None:
        data = chunk.data
        splits = list(chunk.splits)
        self.chunk = chunk
        self.n = len(chunk.seeds)
        self.n_rows = len(data.X)
        self.traits = traits_of(chunk.build, chunk.seeds[0], data)
        n_outputs = self.traits.n_outputs
        self.loss: Loss = pick_loss(chunk.recipe.loss, data.y, n_outputs)
        self.states = (
            Arrays() if chunk.engine == "plain" else _start(chunk, self.traits)
        )
        self.X = data.X.astype(chunk.dtype, copy=False)
        self.y = target_of_loss(self.loss, data.y, n_outputs, chunk.dtype)
        weights = (
            part[:, splits].astype(chunk.dtype) for part in (data.train, data.test)
        )
        self.fit, self.test = (part / part.sum(0) for part in weights)
        most = int((self.fit > 0).sum(0).max())
        self.batch_rows = min(chunk.recipe.batch_size or most, most)
        self.n_steps = -(-most // self.batch_rows)
        by_batch = max(1, _MOST_PICKED // (self.n_rows * self.n))
        self.most_epochs = (
            by_batch if chunk.recipe.batch_size else chunk.recipe.n_epochs
        )
        self.keys = network_keys(chunk.seeds, "draws")
        if chunk.recipe.batch_size and self.traits.has_batchnorm:
            sizes = (
                (self.picked(0) >= 0)
                .reshape(self.n_steps, self.batch_rows, self.n)
                .sum(axis=1)
            )
            if (sizes == 1).any():
                raise TrainingError(
                    "a minibatch holds a single row, and batch normalisation needs two",
                    "Choose another batch size.",
                )

    def picked(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return the rows of the epoch's minibatches in each network's order, -1 for filling
        [place, network]."""
        chosen = np.full((self.n, self.n_steps * self.batch_rows), -1, dtype=np.int32)
        for network, rows in enumerate(self._training_rows):
            n = len(rows)
            order = shuffle_rows(n, self.chunk.seeds[network], epoch)
            if -(-n // self.batch_rows) == self.n_steps:
                chosen[network, :n] = rows[order]
                continue
            # Too few rows for as many minibatches as other networks have: they are smaller, or rows
            # are repeated.
            turns = np.arange(max(n, self.n_steps))
            batch = turns * self.n_steps // len(turns)
            places = batch * self.batch_rows + turns - np.searchsorted(batch, batch)
            chosen[network, places] = rows[order[turns % n]]
        return chosen.T

    @functools.cached_property
    def _training_rows(self) -> list[npt.NDArray[np.int32]]:
        """The training rows of each network [network][row]."""
        return [
            np.flatnonzero(of_network > 0).astype(np.int32) for of_network in self.fit.T
        ]

    @functools.cached_property
    def tested(self) -> tuple[npt.NDArray[np.int64], Array]:
        """Each network's test rows and their weights [place, network].

        The number of places is the largest number of rows. Further places contain row 0 with weight
        zero.
        """
        networks, rows = self.test.T.nonzero()
        counts = np.bincount(networks, minlength=self.test.shape[1])
        places = np.arange(len(rows)) - (counts.cumsum() - counts)[networks]
        lined = np.zeros((int(counts.max()), len(counts)), dtype=np.int64)
        shares = np.zeros(lined.shape, dtype=self.test.dtype)
        lined[places, networks] = rows
        shares[places, networks] = self.test[rows, networks]
        return lined, shares

    def spread(self, outputs: Array) -> Array:
        """Return outputs of each network's own test rows [place, output, network] at the places of
        these rows [row, output, network], and NaN elsewhere."""
        rows = self.tested[0]
        there = self.tested[1] > 0
        whole = np.full((self.n_rows, *outputs.shape[1:]), np.nan, dtype=outputs.dtype)
        position, network = there.nonzero()
        whole[rows[position, network], :, network] = outputs[position, :, network]
        return whole


def shuffle_rows(n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the order in which a network sees its training rows in an epoch [n]: that of
    `torch.randperm`."""
    seed = derive(seed, "shuffle", epoch)
    library = kernel("float32").library
    if library is None:
        from seedbed.training.torch.noise import randperm

        return randperm(n, seed)
    order = np.empty(n, dtype=np.int64)
    library.shuffle(
        seed & 0xFFFFFFFF, n, order.ctypes.data
    )  # torch's generator takes these bits of a seed
    return order


def _start(chunk: Chunk, traits: Traits) -> Arrays:
    """Return the parameters and buffers with which the networks start [network, ...]."""
    data = chunk.data
    rows = None
    if traits.is_looking:
        of_split = {
            split: data.X[some_rows(data.train[:, split])]
            for split in dict.fromkeys(chunk.splits)
        }
        rows = [of_split[split].astype(chunk.dtype) for split in chunk.splits]
    if isinstance(chunk.build, Network):
        states = chunk.build.start(chunk.seeds, rows)
    else:
        from seedbed.training.torch.module_chains import start_of_modules

        states = start_of_modules(chunk.build, traits, chunk.dtype, chunk.seeds, rows)
    return {
        name: value.astype(
            chunk.dtype if value.dtype.kind == "f" else value.dtype, copy=False
        )
        for name, value in states.items()
    }
