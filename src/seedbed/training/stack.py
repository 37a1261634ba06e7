"""The stack of a chunk: its networks before the first step, and the rows that they train on."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.errors import CandidateError, TrainingError
from seedbed.settings.optimizers import Tensors
from seedbed.training.chain import Chain, read_chain, shared_chain
from seedbed.training.data import Storage, TrainingData, look_at_splits, modules_that_look
from seedbed.training.losses import Loss, check_smoothing, encode_target, pick_loss
from seedbed.training.planning import Chunk
from seedbed.training.randomness import network_keys, shuffle_rows
from seedbed.training.states import build_network, draw_states, stack_networks, stack_states


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


class StackRows:
    """The rows of a stack's networks.

    Args:
        data: the table.
        y: the encoded target [row, output].
        chunk: the networks.
        storage: how tensors are stored.

    Attributes:
        fit, test: all rows with their weights in training and in test figures.
        n_rows: rows of the table.
        n_steps: steps of an epoch.
        batch_rows: rows of a minibatch.
        has_single: whether a network trains on a single row in some step.
    """

    def __init__(self, data: TrainingData, y: Tensor, chunk: Chunk, storage: Storage) -> None:
        self._seeds, self.n_rows, splits = chunk.seeds, len(data.X), list(chunk.splits)
        fit, test = (
            storage.store(torch.from_numpy(weights / weights.sum(0)))
            for weights in (data.train[:, splits], data.test[:, splits])
        )
        numbers = torch.arange(self.n_rows, dtype=torch.int32, device=storage.device)
        X = torch.from_numpy(data.X).to(storage.device, storage.dtype)
        self.fit = Batch(X, y.to(storage.device)[:, :, None], fit, numbers)
        self.test = self.fit._replace(weights=test)
        most = int((fit > 0).sum(0).max())
        self.batch_rows = min(chunk.recipe.batch_size or most, most)
        self.n_steps = -(-most // self.batch_rows)
        orders = self.orders(0) if chunk.recipe.batch_size else []
        self.has_single = any(bool(((weights > 0).sum(0) == 1).any()) for _, weights in orders)

    def orders(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """Return the epoch's minibatches: row numbers and weights [row in batch, network].

        Batches are filled up with rows of weight zero, so that all steps have one shape.
        """
        picked = torch.from_numpy(self.picked(epoch)).to(self.fit.weights.device, torch.int64)
        rows = picked.clamp(min=0)
        shares = torch.where(picked < 0, 0, self.fit.weights.gather(0, rows))
        return list(zip(torch.split(rows, self.batch_rows), torch.split(shares, self.batch_rows), strict=True))

    def picked(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return the rows of the epoch's minibatches in each network's order, -1 for filling [place, network]."""
        chosen = np.full((len(self._seeds), self.n_steps * self.batch_rows), -1, dtype=np.int32)
        for (seed, n), (networks, rows) in self._rows_by_order.items():
            order = shuffle_rows(n, seed, epoch).numpy()
            if -(-n // self.batch_rows) == self.n_steps:
                chosen[networks, :n] = rows[:, order]
                continue
            # Too few rows for as many minibatches as other networks have: they are smaller, or rows are repeated.
            turns = np.arange(max(n, self.n_steps))
            batch = turns * self.n_steps // len(turns)
            places = batch * self.batch_rows + turns - np.searchsorted(batch, batch)
            chosen[networks[:, None], places] = rows[:, order[turns % n]]
        return chosen.T

    @functools.cached_property
    def _rows_by_order(self) -> dict[tuple[int, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
        """The training rows of networks with one seed and one number of rows, which see them in the same order: for
        each seed and number, the networks and their rows [network, row]."""
        counts = (self.fit.weights > 0).numpy(force=True).T
        networks_by_order: dict[tuple[int, int], list[int]] = {}
        for network, (seed, n) in enumerate(zip(self._seeds, counts.sum(axis=1).tolist(), strict=True)):
            networks_by_order.setdefault((seed, n), []).append(network)
        return {
            (seed, n): (np.array(some), counts[some].nonzero()[1].astype(np.int32).reshape(-1, n))
            for (seed, n), some in networks_by_order.items()
        }

    @functools.cached_property
    def tested(self) -> tuple[Tensor, Tensor]:
        """Each network's test rows and their weights [place, network], see `_line_up_rows`."""
        rows, weights = _line_up_rows(self.test.weights)
        return rows.t().contiguous(), weights.t().contiguous()

    def spread(self, outputs: Tensor) -> Tensor:
        """Return outputs of each network's own test rows [place, output, network] at the places of these rows
        [row, output, network], and NaN elsewhere."""
        rows, there = self.tested[0], self.tested[1] > 0
        whole = outputs.new_full((self.n_rows + 1, *outputs.shape[1:]), torch.nan)
        rows = torch.where(there, rows, self.n_rows)  # filling goes to an additional row
        return whole.scatter_(0, rows[:, None].expand_as(outputs), outputs)[:-1]


def _line_up_rows(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return each network's rows with a weight, and the weights [network, place], for weights [row, network].

    The number of places is the largest number of rows. Further places contain row 0 with weight zero.
    """
    networks, rows = weights.t().nonzero(as_tuple=True)
    counts = torch.bincount(networks, minlength=weights.shape[1])
    places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[networks]
    lined, shares = (like.new_zeros(len(counts), int(counts.max())) for like in (rows, weights))
    lined[networks, places], shares[networks, places] = rows, weights[rows, networks]
    return lined, shares


class Stack:
    """What an engine trains.

    Attributes:
        chunk, data: the networks and their table.
        n: number of networks.
        loss: what is minimised.
        y: the encoded target [row, output].
        rows: the table, as the networks see it.
        storage: how tensors are stored.
        keys: keys of random layers [network].
        chain: the layers of the networks; None for the plain loop, which takes any module.
        params, buffers: of a chain at the start [..., network].
        guarded: whether rows of weight zero may overflow, so that they are set to zero after the first layer.

    Raises:
        SeedbedError: the networks can't be stacked, or the recipe doesn't suit them.
    """

    def __init__(self, chunk: Chunk, data: TrainingData) -> None:
        self.chunk, self.data, self.n = chunk, data, len(chunk.seeds)
        first = build_network(chunk.build, chunk.seeds[0])
        n_outputs = data.n_outputs(first)
        self.loss: Loss = pick_loss(chunk.recipe.loss, data.y, n_outputs)
        check_smoothing(self.loss, chunk.recipe.label_smoothing)
        self.chain: Chain | None = None
        if chunk.engine != "plain":
            self.chain = shared_chain(chunk.build, first, data.X.shape[1])
            assert self.chain is not None
        network_first = chunk.engine == "torch" and self.chain is not None and self.chain.axis_order == "network_first"
        self.storage = Storage(torch.device(chunk.device), getattr(torch, chunk.dtype), network_first)
        states: tuple[Tensors, Tensors] = ({}, {})
        if self.chain is not None:
            states = _states(chunk, data, self.chain, first, self.storage.dtype)
        self.params, self.buffers = (
            {name: self.storage.store(value) for name, value in part.items()} for part in states
        )
        self.y: Tensor = encode_target(self.loss, data.y, n_outputs, self.storage.dtype)
        self.rows = StackRows(data, self.y, chunk, self.storage)
        self.keys = network_keys(chunk.seeds, "draws", self.storage.device)
        self.guarded = self.chain is not None and (self.chain.explodes or data.is_huge)
        if self.rows.has_single and any(isinstance(module, nn.BatchNorm1d) for module in first.modules()):
            message = "a minibatch holds a single row, and batch normalisation needs two"
            raise TrainingError(message, "Choose another batch size.")


def _states(
    chunk: Chunk, data: TrainingData, chain: Chain, first: nn.Module, dtype: torch.dtype
) -> tuple[Tensors, Tensors]:
    """Return the parameters and buffers with which the networks start [..., network]."""
    # Networks of several splits may share a seed: they begin alike, unless they look at the rows of their splits.
    seeds = chunk.seeds if modules_that_look(first) else tuple(dict.fromkeys(chunk.seeds))
    states = draw_states(chunk.build, first, seeds)
    if states is not None:
        parts = stack_states(first, states, chain.layout)
    else:
        networks = [build_network(chunk.build, seed) for seed in seeds]
        look_at_splits(networks, chunk.splits, data, dtype)
        parts = stack_networks(networks, chain.layout)
        if any(read_chain(network) != chain for network in networks):
            raise CandidateError(
                "the networks of one candidate differ by seed in more than their parameters and buffers",
                "Register a tensor that differs by seed with register_buffer().",
            )
    if len(seeds) == len(chunk.seeds):
        return parts
    places = [seeds.index(seed) for seed in chunk.seeds]
    params, buffers = ({name: value[..., places] for name, value in part.items()} for part in parts)
    return params, buffers


class GroupMeans:
    """The losses of mean predictions: of each row, the mean of those networks of a group that leave it out.

    Args:
        table: the rows.
        size: number of networks of a group; its networks are consecutive.
    """

    def __init__(self, table: StackRows, size: int) -> None:
        rows, shares = table.tested
        self._there, self._size, self.n_groups = shares > 0, size, rows.shape[1] // size
        networks = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
        pairs = (networks // size * table.n_rows + rows)[self._there]  # of a group and a row
        self._pairs, self._places = pairs.unique(return_inverse=True)
        self._groups = self._pairs // table.n_rows
        self._targets = table.test.y[rows, :, 0].permute(0, 2, 1)
        self._counts, self._weights = self._sum_by_pair(torch.ones_like(shares)), self._sum_by_pair(shares)

    def losses(self, loss: Loss, outputs: Tensor) -> npt.NDArray[np.float64]:
        """Return the mean loss of each group [group].

        Args:
            loss: the loss.
            outputs: of each network's own test rows [place, output, network].
        """
        if loss.hits is None:
            mean, target = (
                self._sum_by_pair(part.permute(0, 2, 1)) / self._counts[:, None] for part in (outputs, self._targets)
            )
            losses = loss.measure(mean[:, :, None], target[:, :, None])[0][:, 0]
        else:
            # Of classes a loss is minus the logarithm of the true class's probability.
            single = loss.measure(outputs, self._targets)[0]
            losses = -(self._sum_by_pair((-single.double()).exp()) / self._counts).clamp(min=1e-300).log()
        sums = losses.new_zeros(self.n_groups).index_add(0, self._groups, losses * self._weights)
        return (sums / self._size).numpy(force=True)

    def _sum_by_pair(self, values: Tensor) -> Tensor:
        """Return the sums of values [place, network, ...] over the networks of each pair of a group and a row."""
        zeros = torch.zeros(len(self._pairs), *values.shape[2:], dtype=torch.float64, device=values.device)
        return zeros.index_add(0, self._places, values[self._there].double())
