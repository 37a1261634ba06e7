"""A chunk's rows, of a table in memory or of a table in a file, which is read window by window.

The rows of a file were shuffled when it was written, so a window is a random sample. Each epoch reads the windows in
another order, which is the same for all networks, and each network takes its rows of a window in its own order. Rows
that don't fill a batch wait for the next window. So an epoch reads the file once for any number of networks, and a
network's batches depend on its seed, its split and the file alone.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seedbed.data import rows_of, windows
from seedbed.errors import TrainingError
from seedbed.training.forward import Chain
from seedbed.training.inputs import Placing
from seedbed.training.losses import Loss, encode_target
from seedbed.training.randomness import shuffled
from seedbed.training.stack import Pass
from seedbed.training.step import Batch, Picked, StackState, Steps, pick

__all__ = ["Ensembles", "WholeTable", "WindowedTable"]


_PLACES = 2048  # test rows that are evaluated together
_ACTIVATIONS = 1 << 21
"""Activations of a layer in one block of an evaluation: some megabytes, which fit caches."""


class WholeTable:
    """All rows of a table in memory.

    Attributes:
        fit, test: all rows with their weights in training and in test figures.
        test_rows: numbers of the rows that outputs belong to [row].
        n_rows: rows of a step.
        n_steps: steps of an epoch.
        batch_rows: rows of a minibatch.
        has_single: whether a network trains on a single row in some step.
    """

    def __init__(self, placing: Placing, y: Tensor) -> None:
        self._placing, data = placing, placing.data
        train, test = data.train[:, list(placing.splits)], data.test[:, list(placing.splits)]
        fit_rows = test_rows = np.arange(len(data.X))
        if not placing.is_chain:
            fit_rows, test_rows = train[:, 0].nonzero()[0], test[:, 0].nonzero()[0]
        self.test_rows, self.n_rows = test_rows, len(data.X)
        self.fit = self._batch(fit_rows, train, y)
        self.test = (
            self._batch(test_rows, test, y)
            if test_rows is not fit_rows
            else self.fit._replace(weights=self._batch(test_rows, test, y).weights)
        )
        most = int((self.fit.weights > 0).sum(0).max())
        self.batch_rows = min(placing.batch_size or most, most)
        self.n_steps = -(-most // self.batch_rows)
        orders = self.orders(0) if placing.batch_size else []
        self.has_single = any(bool(((weights > 0).sum(0) == 1).any()) for _, weights in orders)

    def batches(self, epoch: int) -> Iterator[tuple[Batch, Picked | None, Tensor]]:
        """Yield the minibatches of an epoch: arguments of a step, and the sum of each network's weights [network]."""
        for rows, weights in self.orders(epoch):
            share = weights.sum(0)
            yield self.fit, Picked(rows, weights / share), share

    def evaluate(self, steps: Steps, state: StackState, keys: Tensor, *, outputs: bool) -> tuple[Tensor, Tensor]:
        """Return test figures [2, network] and outputs [row, output, network] for `test_rows`."""
        return steps.evaluate(state.params, state.buffers, self.test, keys)

    def evaluate_own(self, steps: Steps, state: StackState, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return test figures [2, network], and outputs [place, output, network] for each network's own test rows; see
        `spread`."""
        figures, outputs = [], []
        for rows, weights in zip(*(part.split(_PLACES) for part in self.tested), strict=True):
            batch = pick(self.test, Picked(rows, weights))
            measured, z = steps.evaluate(state.params, state.buffers, batch, keys)
            figures.append(measured)
            outputs.append(z)
        return torch.stack(figures).sum(0), torch.cat(outputs)

    def spread(self, outputs: Tensor) -> Tensor:
        """Return outputs of `evaluate_own` at the places of their rows [row, output, network], and NaN elsewhere."""
        rows, there = self.tested[0], self.tested[1] > 0
        whole = outputs.new_full((self.n_rows + 1, *outputs.shape[1:]), torch.nan)
        rows = torch.where(there, rows, self.n_rows)  # filling goes to an additional row
        return whole.scatter_(0, rows[:, None].expand_as(outputs), outputs)[:-1]

    def alive(self, chain: Chain, state: StackState, now: Pass) -> tuple[Tensor | None, Tensor]:
        """Return what `Chain.alive` does for the training rows. Weights and rows of `now` are replaced."""
        now = now._replace(weights=self.fit.weights, rows=self.fit.rows)
        return chain.alive({**state.params, **state.buffers}, self.fit.inputs, now)

    def orders(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """Return the epoch's minibatches: row numbers and weights [row in batch, network].

        Batches are filled up with rows of weight zero, so that all steps have one shape. Modules that aren't a chain
        get no filling.
        """
        picked = torch.from_numpy(self.picked(epoch)).to(self._placing.device, torch.int64)
        rows = picked.clamp(min=0)
        shares = torch.where(picked < 0, 0, self.fit.weights.gather(0, rows))
        return list(zip(torch.split(rows, self.batch_rows), torch.split(shares, self.batch_rows), strict=True))

    def picked(self, epoch: int) -> npt.NDArray[np.int32]:
        """Return the rows of the epoch's minibatches in each network's order, -1 for filling [place, network]."""
        longest = max(n for _, n in self._own)
        n_places = self.n_steps * self.batch_rows if self._placing.is_chain else longest
        chosen = np.full((len(self._placing.seeds), n_places), -1, dtype=np.int32)
        for (seed, n), (networks, rows) in self._own.items():
            order = shuffled(n, seed, epoch).numpy()
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
    def _own(self) -> dict[tuple[int, int], tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
        """The training rows of networks with one seed and one number of rows, which see them in the same order: for
        each seed and number, the networks and their rows [network, row]."""
        counts = (self.fit.weights > 0).numpy(force=True).T
        alike: dict[tuple[int, int], list[int]] = {}
        for network, (seed, n) in enumerate(zip(self._placing.seeds, counts.sum(axis=1).tolist(), strict=True)):
            alike.setdefault((seed, n), []).append(network)
        return {
            (seed, n): (np.array(some), counts[some].nonzero()[1].astype(np.int32).reshape(-1, n))
            for (seed, n), some in alike.items()
        }

    @functools.cached_property
    def tested(self) -> tuple[Tensor, Tensor]:
        """Each network's test rows and their weights [place, network], see `_lined_up`."""
        rows, weights = _lined_up(self.test.weights)
        return rows.t().contiguous(), weights.t().contiguous()

    def _batch(self, rows: npt.NDArray[np.int64], weights: npt.NDArray[np.number], y: Tensor) -> Batch:
        placing, data = self._placing, self._placing.data
        inputs = placing.inputs(data.X[rows])
        share = weights[rows] / weights[rows].sum(0)
        target = y[torch.from_numpy(rows)].to(placing.device)[:, :, None]
        numbers = torch.from_numpy(rows.astype(np.int32)).to(placing.device)
        y_scale, y_shift = placing.of_splits(data.target_scale), placing.of_splits(data.target_shift)
        return Batch(inputs, target, placing.placed(torch.from_numpy(share)), numbers, y_scale, y_shift)


def _lined_up(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return each network's rows with a weight, and the weights [network, place], for weights [row, network].

    The number of places is the largest number of rows. Further places contain row 0 with weight zero.
    """
    networks, rows = weights.t().nonzero(as_tuple=True)
    counts = torch.bincount(networks, minlength=weights.shape[1])
    places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[networks]
    lined, shares = (like.new_zeros(len(counts), int(counts.max())) for like in (rows, weights))
    lined[networks, places], shares[networks, places] = rows, weights[rows, networks]
    return lined, shares


class Ensembles:
    """The losses of mean predictions: of each row, the mean of those networks of a group that leave it out.

    Args:
        table: the rows.
        size: number of networks of a group; its networks are consecutive.
    """

    def __init__(self, table: WholeTable, size: int) -> None:
        rows, shares = table.tested
        self._there, self._size, self.n_groups = shares > 0, size, rows.shape[1] // size
        networks = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
        pairs = (networks // size * table.n_rows + rows)[self._there]  # of a group and a row
        self._pairs, self._places = pairs.unique(return_inverse=True)
        self._groups = self._pairs // table.n_rows
        target = table.test.learnt()
        self._own = target[rows, :, networks if target.shape[2] > 1 else 0].permute(0, 2, 1)
        self._counts, self._weights = self._summed(torch.ones_like(shares)), self._summed(shares)

    def losses(self, loss: Loss, outputs: Tensor) -> npt.NDArray[np.float64]:
        """Return the mean loss of each group [group].

        Args:
            loss: the loss.
            outputs: of `WholeTable.evaluate_own`.
        """
        if loss.hits is None:
            mean, target = (
                self._summed(part.permute(0, 2, 1)) / self._counts[:, None] for part in (outputs, self._own)
            )
            losses = loss.measure(mean[:, :, None], target[:, :, None])[0][:, 0]
        else:
            # Of classes a loss is minus the logarithm of the true class's probability.
            single = loss.measure(outputs, self._own)[0]
            losses = -(self._summed((-single.double()).exp()) / self._counts).clamp(min=1e-300).log()
        sums = losses.new_zeros(self.n_groups).index_add(0, self._groups, losses * self._weights)
        return (sums / self._size).numpy(force=True)

    def _summed(self, values: Tensor) -> Tensor:
        """Return the sums of values [place, network, ...] over the networks of each pair of a group and a row."""
        zeros = torch.zeros(len(self._pairs), *values.shape[2:], dtype=torch.float64, device=values.device)
        return zeros.index_add(0, self._places, values[self._there].double())


class _Rows(NamedTuple):
    """Rows in memory.

    Attributes:
        X: [row, feature], as the networks receive them.
        y: [row, output].
        weights: [row, network].
    """

    X: Tensor
    y: Tensor
    weights: Tensor

    def at(self, rows: Tensor) -> _Rows:
        return _Rows(*(part[rows] for part in self))

    def followed_by(self, other: _Rows) -> _Rows:
        return _Rows(*(torch.cat(pair) for pair in zip(self, other, strict=True)))


class WindowedTable:
    """Rows of a table in a file. The attributes are those of `WholeTable`.

    Args:
        placing: how rows become tensors.
        loss: the loss.
        n_outputs: outputs of a network.
        width: the largest number of units of a layer.

    Raises:
        TrainingError: the recipe uses all rows in one step.
    """

    def __init__(self, placing: Placing, loss: Loss, n_outputs: int, width: int) -> None:
        data = placing.data
        assert data.order is not None
        if placing.batch_size is None:
            raise TrainingError(f"{len(data.X):,} rows are too many for one step", "Give --batch-size 4096.")
        self._placing, self._loss, self._n_outputs = placing, loss, n_outputs
        self._windows = list(windows(*data.X.shape))
        self._places = np.array([self._splits.index(split) for split in placing.splits])
        self._n_test = self._sums(data.test)
        n_train = [int(np.count_nonzero(data.train[:, split])) for split in self._splits]
        self._size = min(placing.batch_size, max(n_train))
        self.n_steps = -(-max(n_train) // self._size)
        self.has_single = self._size == 1 or any(n % self._size == 1 for n in n_train)
        self.test_rows = np.concatenate([data.order[rows][self._weights(data.test, rows).any(1)]
                                         for rows in self._windows])  # fmt: skip
        self._block = max(64, _ACTIVATIONS // (width * len(placing.seeds)))
        self._inputs = placing.inputs(np.zeros((1, data.X.shape[1]), dtype=data.X.dtype))
        self.n_rows = self._size

    @property
    def _splits(self) -> list[int]:
        """Return the splits of the networks, each once."""
        return list(dict.fromkeys(self._placing.splits))

    def batches(self, epoch: int) -> Iterator[tuple[Batch, Picked | None, Tensor]]:
        """Yield the minibatches of an epoch: arguments of a step, and the sum of each network's weights [network]."""
        placing = self._placing
        waiting = [torch.empty(0, dtype=torch.int64)] * len(placing.seeds)
        held: _Rows | None = None
        left = self.n_steps
        turns = shuffled(len(self._windows), 0, epoch).tolist()
        for turn in turns:
            there = 0 if held is None else len(held.y)
            rows = self._read(self._windows[turn], placing.data.train)
            held = rows if held is None else held.followed_by(rows)
            for index, (seed, place) in enumerate(zip(placing.seeds, self._places, strict=True)):
                queue = rows.weights[:, place].nonzero()[:, 0] + there
                waiting[index] = torch.cat([waiting[index], queue[shuffled(len(queue), seed, epoch, turn)]])
            n_full = left if turn == turns[-1] else min(len(queue) for queue in waiting) // self._size
            for start in range(0, n_full * self._size, self._size):
                yield self._minibatch(held, [queue[start : start + self._size] for queue in waiting])
            left -= n_full
            waiting = [queue[n_full * self._size :] for queue in waiting]
            kept = torch.cat(waiting).unique()
            held, waiting = held.at(kept), [torch.searchsorted(kept, queue) for queue in waiting]

    def evaluate(self, steps: Steps, state: StackState, keys: Tensor, *, outputs: bool) -> tuple[Tensor, Tensor]:
        """Return test figures [2, network] and, if requested, outputs [row, output, network] for `test_rows`."""
        figures: Tensor | None = None
        parts = []
        for batch, n_rows in self._blocks(self._placing.data.test, self._n_test):
            part, z = steps.evaluate(state.params, state.buffers, batch, keys)
            figures = part.clone() if figures is None else figures + part
            if outputs:
                parts.append(z[:n_rows].clone())
        assert figures is not None
        return figures, torch.cat(parts) if parts else torch.empty(0, self._n_outputs, len(keys), device=keys.device)

    def alive(self, chain: Chain, state: StackState, now: Pass) -> tuple[Tensor | None, Tensor]:
        """Return what `Chain.alive` does for the training rows. Weights and rows of `now` are replaced."""
        alive: Tensor | None = None
        finite = torch.ones(now.keys.shape, dtype=torch.bool, device=now.keys.device)
        for batch, _ in self._blocks(self._placing.data.train, None):
            here = now._replace(weights=batch.weights, rows=batch.rows)
            part, good = chain.alive({**state.params, **state.buffers}, batch.inputs, here)
            if part is not None:
                alive = part if alive is None else alive | part
            finite = finite & good
        return alive, finite

    def _minibatch(self, held: _Rows, columns: Sequence[Tensor]) -> tuple[Batch, Picked | None, Tensor]:
        """Return rows of each network, given by their places among the rows in memory, as one batch."""
        placing = self._placing
        size = self._size if placing.is_chain else max(len(column) for column in columns)
        rows = torch.stack([_filled(column, size) for column in columns], 1)
        weights = held.weights[rows, torch.from_numpy(self._places)].to(placing.dtype)
        for index, column in enumerate(columns):
            weights[len(column) :, index] = 0
        share = weights.sum(0)
        X = held.X.index_select(0, rows.flatten()).reshape(*rows.shape, -1).permute(0, 2, 1)
        y = held.y.index_select(0, rows.flatten()).reshape(*rows.shape, -1).permute(0, 2, 1)
        batch = self._batch(X, y, weights / share.where(share > 0, 1))  # a network may have no rows left
        return batch, None, share.to(placing.device)

    def _blocks(
        self, counted: npt.NDArray[np.number], sums: npt.NDArray[np.floating] | None
    ) -> Iterator[tuple[Batch, int]]:
        """Yield the rows that count for any network, in blocks of one shape, and the number of rows of each.

        The last block is filled up. Weights are divided by their sums, if given [network].
        """
        rest: _Rows | None = None
        for rows in self._windows:
            read = self._read(rows, counted)
            read = read.at(read.weights.any(1).nonzero()[:, 0])
            rest = read if rest is None else rest.followed_by(read)
            n_whole = len(rest.y) // self._block * self._block
            for start in range(0, n_whole, self._block):
                yield self._block_of(rest.at(torch.arange(start, start + self._block)), sums), self._block
            rest = rest.at(torch.arange(n_whole, len(rest.y)))
        if rest is not None and len(rest.y):
            n_rows = len(rest.y)
            whole = rest.at(_filled(torch.arange(n_rows), self._block)) if self._placing.is_chain else rest
            whole.weights[n_rows:] = 0
            yield self._block_of(whole, sums), n_rows

    def _block_of(self, rows: _Rows, sums: npt.NDArray[np.floating] | None) -> Batch:
        placing = self._placing
        weights = rows.weights[:, torch.from_numpy(self._places)].to(placing.dtype)
        if sums is not None:
            weights = weights / torch.from_numpy(sums).to(placing.dtype)
        return self._batch(rows.X, rows.y[:, :, None], weights)

    def _batch(self, X: Tensor, y: Tensor, weights: Tensor) -> Batch:
        placing, data = self._placing, self._placing.data
        device = placing.device
        numbers = torch.arange(len(weights), dtype=torch.int32, device=device)
        scale, shift = placing.of_splits(data.target_scale), placing.of_splits(data.target_shift)
        inputs = self._inputs._replace(X=X.to(device))
        return Batch(inputs, y.to(device), placing.placed(weights), numbers, scale, shift)

    def _read(self, rows: slice, counted: npt.NDArray[np.number]) -> _Rows:
        """Return a window as the networks receive it, with the weights of each split once [row, split]."""
        placing, data = self._placing, self._placing.data
        X = placing.inputs(rows_of(data.X, rows)).X.cpu()
        y = encode_target(self._loss, np.asarray(data.y[rows]), self._n_outputs, placing.dtype)
        return _Rows(X, y, torch.from_numpy(self._weights(counted, rows)))

    def _weights(self, counted: npt.NDArray[np.number], rows: slice) -> npt.NDArray[np.number]:
        return rows_of(counted, rows)[:, self._splits]

    def _sums(self, counted: npt.NDArray[np.number]) -> npt.NDArray[np.floating]:
        """Return the sum of all rows' weights for each network."""
        by_window = [self._weights(counted, rows).sum(0, dtype=np.float64) for rows in self._windows]
        sums: npt.NDArray[np.floating] = np.sum(by_window, axis=0)[self._places]
        return sums


def _filled(places: Tensor, size: int) -> Tensor:
    """Return places, followed by zeros up to a size."""
    return torch.cat([places, torch.zeros(size - len(places), dtype=places.dtype)])
