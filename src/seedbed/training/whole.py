"""A chunk's rows where memory holds them all: full batches, and minibatches drawn from anywhere."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from seedbed.training.forward import Chain
from seedbed.training.losses import Loss
from seedbed.training.placing import Placing
from seedbed.training.randomness import shuffled
from seedbed.training.stack import Pass
from seedbed.training.step import Batch, Picked, StackState, Steps, pick

__all__ = ["WholeTable"]

_PLACES = 2048  # of test rows that are looked at together


class WholeTable:
    """All rows of a table at once.

    Attributes:
        fit, test: all rows with their weights in training, and in the test figures.
        test_rows: [row]; which rows of the table the outputs are of.
        n_rows: of what a step is given.
        n_steps: of an epoch.
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
        orders = self.orders(0) if placing.batch_size else []
        self.n_steps = max(len(orders), 1)
        self.has_single = any(bool(((weights > 0).sum(0) == 1).any()) for _, weights in orders)

    def batches(self, epoch: int) -> Iterator[tuple[Batch, Picked | None, Tensor]]:
        """The minibatches of an epoch: what a step is given, and the sum of each network's weights [network]."""
        for rows, weights in self.orders(epoch):
            share = weights.sum(0)
            yield self.fit, Picked(rows, weights / share), share

    def evaluate(self, steps: Steps, state: StackState, keys: Tensor, *, outputs: bool) -> tuple[Tensor, Tensor]:
        """Test figures [2, network] and outputs [row, output, network] for `test_rows`."""
        return steps.evaluate(state.params, state.buffers, self.test, keys)

    def evaluate_own(self, steps: Steps, state: StackState, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Test figures [2, network], and outputs [place, output, network] for each network's own test rows alone; see
        `spread`."""
        figures, outputs = [], []
        for rows, weights in zip(*(part.split(_PLACES) for part in self.tested), strict=True):
            batch = pick(self.test, Picked(rows, weights))
            found, z = steps.evaluate(state.params, state.buffers, batch, keys)
            figures.append(found)
            outputs.append(z)
        return torch.stack(figures).sum(0), torch.cat(outputs)

    def ensemble_loss(self, loss: Loss, outputs: Tensor) -> float:
        """What the mean of predictions loses: of each row, that of the networks which left it out.

        Args:
            outputs: of `evaluate_own`.
        """
        rows, shares = self.tested
        y, there = self.test.learnt()[:, :, 0], shares > 0

        def by_row(values: Tensor) -> Tensor:
            found = torch.zeros(self.n_rows, *values.shape[2:], dtype=torch.float64, device=values.device)
            return found.index_add(0, rows[there], values[there].double())

        counts = by_row(there).clamp(min=1)
        if loss.hits is None:
            mean = by_row(outputs.permute(0, 2, 1)) / counts[:, None]
            losses = loss.measure(mean[:, :, None], y[:, :, None].double())[0][:, 0]
        else:
            # Of classes a loss is minus the logarithm of the true class's probability.
            single = loss.measure(outputs, y[rows].permute(0, 2, 1))[0]
            losses = -(by_row((-single.double()).exp()) / counts).clamp(min=1e-300).log()
        return float((losses * by_row(shares)).sum() / shares.shape[1])

    def spread(self, outputs: Tensor) -> Tensor:
        """Outputs of `evaluate_own` in the place of their rows [row, output, network]; NaN elsewhere."""
        rows, there = self.tested[0], self.tested[1] > 0
        found = outputs.new_full((self.n_rows + 1, *outputs.shape[1:]), torch.nan)
        rows = torch.where(there, rows, self.n_rows)  # filling goes to a row more
        return found.scatter_(0, rows[:, None].expand_as(outputs), outputs)[:-1]

    def dead_share(self, chain: Chain, state: StackState, now: Pass) -> Tensor:
        """Of the training rows, see `Chain.dead_share`; weights and rows of `now` are put in."""
        now = now._replace(weights=self.fit.weights, rows=self.fit.rows)
        return chain.dead_share({**state.params, **state.buffers}, self.fit.inputs, now)

    def orders(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """The epoch's minibatches: row numbers and weights [row in batch, network]. Short last ones are filled up with
        rows of weight zero, so that all steps have one shape; a general network sees no filling."""
        placing = self._placing
        own, weights = self._own
        counts = (weights > 0).sum(1).tolist()
        order = torch.arange(own.shape[1]).repeat(len(own), 1)
        for places, seed, n in zip(order, placing.seeds, counts, strict=True):
            places[:n] = shuffled(n, seed, epoch)
        order = order.to(placing.device)
        rows, shares = own.gather(1, order).t().contiguous(), weights.gather(1, order).t().contiguous()
        size = min(placing.batch_size or 1, int(max(counts)))
        return list(zip(torch.split(rows, size), torch.split(shares, size), strict=True))

    @functools.cached_property
    def tested(self) -> tuple[Tensor, Tensor]:
        """Each network's test rows and what they count in its figures [place, network], see `_lined_up`."""
        rows, weights = _lined_up(self.test.weights)
        return rows.t().contiguous(), weights.t().contiguous()

    @functools.cached_property
    def _own(self) -> tuple[Tensor, Tensor]:
        """Each network's training rows and their weights [network, place], see `_lined_up`; of a chain as many places
        as the batches have together."""
        size = min(self._placing.batch_size or 1, int((self.fit.weights > 0).sum(0).max()))
        return _lined_up(self.fit.weights, size if self._placing.is_chain else 1)

    def _batch(self, rows: npt.NDArray[np.int64], weights: npt.NDArray[np.number], y: Tensor) -> Batch:
        placing, data = self._placing, self._placing.data
        inputs = placing.inputs(data.X[rows])
        share = weights[rows] / weights[rows].sum(0)
        target = y[torch.from_numpy(rows)].to(placing.device)[:, :, None]
        numbers = torch.from_numpy(rows.astype(np.int32)).to(placing.device)
        y_scale, y_shift = placing.of_splits(data.target_scale), placing.of_splits(data.target_shift)
        return Batch(inputs, target, placing.placed(torch.from_numpy(share)), numbers, y_scale, y_shift)


def _lined_up(weights: Tensor, size: int = 1) -> tuple[Tensor, Tensor]:
    """The rows that count for each network and what they count [network, place], of weights [row, network]. There are
    as many places as the most rows, rounded up to whole batches of a size; those left over hold row 0 with weight zero.
    """
    own = [one.nonzero()[:, 0] for one in weights.t()]
    longest = -(-max(len(rows) for rows in own) // size) * size
    rows = torch.stack([F.pad(rows, (0, longest - len(rows))) for rows in own])
    there = torch.stack([torch.arange(longest, device=rows.device) < len(one) for one in own])
    return rows, torch.where(there, weights.t().gather(1, rows), 0)
