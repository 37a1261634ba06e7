"""A chunk's rows where a file holds them: read window by window, by all networks of a chunk at once.

The rows of the file were shuffled when it was written, so a window is a fair sample. Each epoch takes the windows in
another order, the same for all networks, and each network takes its rows of a window in an order of its own. Rows that
don't fill a batch wait for the next window. So an epoch reads the file once, however many networks there are, and a
network's batches depend on its seed, its split and the file alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seedbed.data import rows_of, windows
from seedbed.errors import TrainingError
from seedbed.training.forward import Chain, dead_share
from seedbed.training.losses import Loss, encode_target
from seedbed.training.placing import Placing
from seedbed.training.randomness import shuffled
from seedbed.training.stack import Pass
from seedbed.training.step import Batch, Picked, StackState, Steps

__all__ = ["WindowedTable"]

_ACTIVATIONS = 1 << 21
"""Numbers of a layer's activations in one block of an evaluation: some megabytes, as much as caches hold."""


class _Rows(NamedTuple):
    """Rows in memory.

    Attributes:
        X: [row, feature], as the networks are given them.
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
    """Rows of a table in a file; the attributes are those of `WholeTable`.

    Args:
        width: the largest number of units of a layer.

    Raises:
        TrainingError: the recipe wants all rows in one step.
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
        """The splits of the networks, each once."""
        return list(dict.fromkeys(self._placing.splits))

    def batches(self, epoch: int) -> Iterator[tuple[Batch, Picked | None, Tensor]]:
        """The minibatches of an epoch: what a step is given, and the sum of each network's weights [network]."""
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
                own = rows.weights[:, place].nonzero()[:, 0] + there
                waiting[index] = torch.cat([waiting[index], own[shuffled(len(own), seed, epoch, turn)]])
            n_full = left if turn == turns[-1] else min(len(own) for own in waiting) // self._size
            for start in range(0, n_full * self._size, self._size):
                yield self._minibatch(held, [own[start : start + self._size] for own in waiting])
            left -= n_full
            waiting = [own[n_full * self._size :] for own in waiting]
            kept = torch.cat(waiting).unique()
            held, waiting = held.at(kept), [torch.searchsorted(kept, own) for own in waiting]

    def evaluate(self, steps: Steps, state: StackState, keys: Tensor, *, outputs: bool) -> tuple[Tensor, Tensor]:
        """Test figures [2, network] and, if asked, outputs [row, output, network] for `test_rows`."""
        figures: Tensor | None = None
        found = []
        for batch, n_rows in self._blocks(self._placing.data.test, self._n_test):
            part, z = steps.evaluate(state.params, state.buffers, batch, keys)
            figures = part.clone() if figures is None else figures + part
            if outputs:
                found.append(z[:n_rows].clone())
        assert figures is not None
        return figures, torch.cat(found) if found else torch.empty(0, self._n_outputs, len(keys), device=keys.device)

    def dead_share(self, chain: Chain, state: StackState, now: Pass) -> Tensor:
        """Of the training rows, see `Chain.dead_share`; weights and rows of `now` are put in."""
        alive: Tensor | None = None
        finite = torch.ones(now.keys.shape, dtype=torch.bool, device=now.keys.device)
        for batch, _ in self._blocks(self._placing.data.train, None):
            own = now._replace(weights=batch.weights, rows=batch.rows)
            part, good = chain.alive({**state.params, **state.buffers}, batch.inputs, own)
            if part is not None:
                alive = part if alive is None else alive | part
            finite = finite & good
        return dead_share(alive, finite, now.keys)

    def _minibatch(self, held: _Rows, columns: Sequence[Tensor]) -> tuple[Batch, Picked | None, Tensor]:
        """Rows of each network, given by their places among those held, as one batch, filled up."""
        placing = self._placing
        size = self._size if placing.is_chain else max(len(column) for column in columns)
        rows = torch.stack([_filled(column, size) for column in columns], 1)
        weights = held.weights[rows, torch.from_numpy(self._places)].to(placing.dtype)
        for index, column in enumerate(columns):
            weights[len(column) :, index] = 0
        share = weights.sum(0)
        X = held.X.index_select(0, rows.flatten()).reshape(*rows.shape, -1).permute(0, 2, 1)
        y = held.y.index_select(0, rows.flatten()).reshape(*rows.shape, -1).permute(0, 2, 1)
        batch = self._batch(X, y, weights / share)
        return batch, None, share.to(placing.device)

    def _blocks(
        self, counted: npt.NDArray[np.number], sums: npt.NDArray[np.floating] | None
    ) -> Iterator[tuple[Batch, int]]:
        """The rows that count for any network, in blocks of one shape, the last filled up; and how many rows each has.

        Weights are divided by their sums, if given [network].
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
        """A window, as the networks are given it; weights are those of each split once [row, split]."""
        placing, data = self._placing, self._placing.data
        X = placing.inputs(rows_of(data.X, rows)).X.cpu()
        y = encode_target(self._loss, np.asarray(data.y[rows]), self._n_outputs, placing.dtype)
        return _Rows(X, y, torch.from_numpy(self._weights(counted, rows)))

    def _weights(self, counted: npt.NDArray[np.number], rows: slice) -> npt.NDArray[np.number]:
        return rows_of(counted, rows)[:, self._splits]

    def _sums(self, counted: npt.NDArray[np.number]) -> npt.NDArray[np.floating]:
        """What all rows count together, for each network."""
        by_window = [self._weights(counted, rows).sum(0, dtype=np.float64) for rows in self._windows]
        sums: npt.NDArray[np.floating] = np.sum(by_window, axis=0)[self._places]
        return sums


def _filled(places: Tensor, size: int) -> Tensor:
    """Places, and zeros behind them up to a size."""
    return torch.cat([places, torch.zeros(size - len(places), dtype=places.dtype)])
