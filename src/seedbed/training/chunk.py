"""One chunk of a stack, trained from its first epoch to its last, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.errors import CandidateError, TrainingError
from seedbed.evaluation import CURVES
from seedbed.networks import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.forward import Chain, Forward, forward_of
from seedbed.training.inputs import Inputs, across, as_seen
from seedbed.training.layers import Pass
from seedbed.training.losses import Loss, encode_target, r2
from seedbed.training.optimizers import Tensors, clock, pick_optimizer
from seedbed.training.process import no_collection, ready_to_train
from seedbed.training.randomness import network_keys, shuffled
from seedbed.training.reference import outputs_of
from seedbed.training.savepoint import Savepoint
from seedbed.training.stack import build_network, stack_networks, unstack
from seedbed.training.step import Batch, Hyper, Picked, StackState, Steps, make_steps

__all__ = ["Chunk", "ChunkResult", "train_chunk"]


@dataclass(frozen=True)
class Chunk:
    """Networks that are trained together: one architecture and one kind of optimizer.

    Attributes:
        build: builds one network.
        recipe: what they have in common; its learning rate and weight decay are overruled by the next two.
        seeds: one a network; the last may be repeated to fill the chunk up to the common shape.
        splits: the number of the split that each network trains on.
        lr, decay: one a network.
        members: positions of the networks in the plan; what follows them in the chunk is filling.
        stops: after how many epochs each network's outputs are taken; none takes them after the last. Training goes on
            to the last in any case, so the curves are whole.
        compiled: whether the step is to be compiled.
        keep_networks: whether trained parameters are part of the result.
        dtype, device: as torch names them.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe
    seeds: tuple[int, ...]
    splits: tuple[int, ...]
    lr: tuple[float, ...]
    decay: tuple[float, ...]
    members: tuple[int, ...]
    stops: tuple[int, ...] | None = None
    compiled: bool = False
    keep_networks: bool = False
    dtype: str = "float32"
    device: str = "cpu"


@dataclass(frozen=True)
class ChunkResult:
    """What came of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network]; of a network's test rows, NaN elsewhere.
        dead: [network], the share of ReLU units that are zero for all training rows after the last epoch; NaN where
            that isn't known.
        states: a state dict a network, or none.
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    states: tuple[dict[str, Tensor], ...] | None


def train_chunk(
    chunk: Chunk,
    data: TrainingData,
    tell: Callable[[int], None] | None = None,
    savepoint: Savepoint | None = None,
) -> ChunkResult:
    """Train a chunk's networks: their curves, their outputs for their test rows and, if asked, their state.

    Args:
        tell: is called with the number of epochs done, from 0 on; in every epoch, so it must be quick.
        savepoint: where it is written down from time to time how far this very training is, and where one that was
            killed goes on, to the same bits.
    """
    tell = tell or _tell_nobody
    tell(0)
    with ready_to_train(chunk.device):
        with no_collection():
            training = _Training(chunk, data)
        return training.run(tell, savepoint)


def _tell_nobody(epochs: int) -> None:
    pass


class _Training:
    def __init__(self, chunk: Chunk, data: TrainingData) -> None:
        self.chunk, self.data = chunk, data
        self.device, self.dtype = torch.device(chunk.device), getattr(torch, chunk.dtype)
        networks = [build_network(chunk.build, seed) for seed in chunk.seeds]
        n_outputs = data.n_outputs(networks[0])
        self.loss: Loss = data.loss(chunk.recipe.loss, n_outputs)
        self.forward: Forward = forward_of(networks[0], data.X.shape[1])
        params, buffers = stack_networks(networks, self.forward.layout)
        _check_alike(networks, self.forward, {**params, **buffers}, data.X.shape[1])
        self.network_first = self.forward.placement(compiled=chunk.compiled) == "network_first"
        params = {name: self._placed(value) for name, value in params.items()}
        buffers = {name: self._placed(value) for name, value in buffers.items()}
        self.state = StackState(params, buffers, pick_optimizer(chunk.recipe).init(params))
        self.fit, self.test = self._batches(encode_target(self.loss, data.y, n_outputs, self.dtype))
        self.guarded = self.forward.explodes or data.is_huge(chunk.splits)
        # A shape of its own is compiled on its own: torch gives up on a function that is compiled for a ninth shape.
        n_givers = len(self.fit.inputs.across.givers) if self.fit.inputs.across else 0
        shape = (data.X.shape, n_outputs, len(chunk.seeds), chunk.recipe.batch_size, data.scale is None, n_givers,
                 data.target_scale is None, chunk.dtype)  # fmt: skip
        self.steps: Steps = make_steps(
            self.forward, self.loss, chunk.recipe, compiled=chunk.compiled, guarded=self.guarded, shape=shape
        )
        self.hyper = Hyper(
            lr=torch.tensor(chunk.lr, dtype=self.dtype, device=self.device),
            decay=torch.tensor(chunk.decay, dtype=self.dtype, device=self.device),
            keys=network_keys(chunk.seeds, "draws", self.device),
            now=torch.empty(0),
            step=torch.empty(0),
        )
        # Numbers of a step are tensors, lest a compiled step be compiled again for each.
        batches = self._orders(0) if chunk.recipe.batch_size else []
        if self.forward.normalises_batches and any(((weights > 0).sum(0) == 1).any() for _, weights in batches):
            message = "a minibatch holds a single row, and batch normalisation needs two"
            raise TrainingError(message, "Choose another batch size.")
        n_steps = chunk.recipe.epochs * max(len(batches), 1)
        self.stops = torch.tensor(chunk.stops or (chunk.recipe.epochs,), device=self.device)
        self.taken: Tensor | None = None
        self.clock = clock(n_steps, self.dtype).to(self.device)
        self.numbers = torch.arange(n_steps, dtype=torch.int32, device=self.device)

    def run(self, tell: Callable[[int], None], savepoint: Savepoint | None) -> ChunkResult:
        epochs, n = self.chunk.recipe.epochs, len(self.chunk.seeds)
        one_pass = self.chunk.recipe.batch_size is None and self.forward.same_in_training and not self.guarded
        train_epoch = self._full_batch if self.chunk.recipe.batch_size is None else self._minibatches
        # An epoch opens with the pass that has the test figures of the epoch before: same parameters, one pass less.
        figures = torch.zeros(epochs + 1, len(CURVES), n, dtype=self.dtype, device=self.device)
        done = self._go_on(savepoint.load() if savepoint else None, figures)
        with torch.no_grad():
            for epoch in range(done, epochs):
                if not one_pass:
                    figures[epoch, 2:], _ = self._evaluate()
                opened = train_epoch(epoch, one_pass)
                figures[epoch, : len(opened)] = opened
                self._take_outputs(epoch + 1)
                tell(epoch + 1)
                if savepoint is not None and savepoint.due:
                    savepoint.save(epoch + 1, self._standing(figures))
            figures[epochs, 2:], outputs = self._evaluate()
            dead = self._dead_share()
        curves = torch.stack([figures[:-1, 0], figures[:-1, 1], figures[1:, 2], figures[1:, 3]])
        taken = outputs if self.taken is None else torch.where(self.stops == epochs, outputs, self.taken)
        return self._result(curves[:, :, : len(self.chunk.members)], taken, dead)

    def _standing(self, figures: Tensor) -> Tensors:
        """All that the epochs so far have changed."""
        parts = {"params": self.state.params, "buffers": self.state.buffers}
        parts |= {f"optimizer {number}": part for number, part in enumerate(self.state.optimizer)}
        tensors = {f"{part}/{name}": value for part, values in parts.items() for name, value in values.items()}
        taken = {} if self.taken is None else {"taken": self.taken}
        return {**tensors, "figures": figures, **taken}

    def _go_on(self, saved: tuple[int, Tensors] | None, figures: Tensor) -> int:
        """Take up what `_standing` was; how many epochs are done."""
        if saved is None:
            return 0
        done, tensors = saved
        tensors = {name: value.to(self.device) for name, value in tensors.items()}

        def part(name: str, like: Tensors) -> Tensors:
            return {key: tensors[f"{name}/{key}"] for key in like}

        optimizer = tuple(part(f"optimizer {number}", like) for number, like in enumerate(self.state.optimizer))
        self.state = StackState(part("params", self.state.params), part("buffers", self.state.buffers), optimizer)
        self.taken = tensors.get("taken")
        figures.copy_(tensors["figures"])
        return done

    def _take_outputs(self, n_epochs: int) -> None:
        """The outputs of the networks that are used after so many epochs, in a pass of their own."""
        here = self.stops == n_epochs
        if n_epochs < self.chunk.recipe.epochs and n_epochs in (self.chunk.stops or ()):
            _, outputs = self._evaluate()
            self.taken = outputs.clone() if self.taken is None else torch.where(here, outputs, self.taken)

    def _dead_share(self) -> Tensor:
        if not isinstance(self.forward, Chain):
            return torch.full((len(self.chunk.seeds),), torch.nan)
        placement = self.forward.placement(compiled=False)
        now = Pass(False, self.fit.weights, self.hyper.keys, self.numbers[0], self.fit.rows, placement, self.guarded)
        return self.forward.dead_share({**self.state.params, **self.state.buffers}, self.fit.inputs, now)

    def _full_batch(self, epoch: int, one_pass: bool) -> Tensor:
        test_weights = self.test.weights if one_pass else None
        self.state, figures = self.steps.update(self.state, self.fit, None, test_weights, self._hyper(epoch))
        return figures

    def _minibatches(self, epoch: int, one_pass: bool) -> Tensor:
        orders = self._orders(epoch)
        shares = [weights.sum(0) for _, weights in orders]
        total = torch.zeros(2, len(self.chunk.seeds), dtype=self.dtype, device=self.device)
        for number, ((rows, weights), share) in enumerate(zip(orders, shares, strict=True)):
            picked = Picked(rows, weights / share)
            hyper = self._hyper(epoch * len(orders) + number)
            self.state, figures = self.steps.update(self.state, self.fit, picked, None, hyper)
            total += figures * share
        return total / torch.stack(shares).sum(0)

    def _orders(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """The epoch's minibatches: row numbers and weights [row in batch, network]. Short last ones are filled up with
        rows of weight zero, so that all steps have one shape; a general network sees no filling."""
        size, fit = self.chunk.recipe.batch_size or 1, self.fit.weights
        columns = []
        for index, seed in enumerate(self.chunk.seeds):
            own = fit[:, index].nonzero()[:, 0]
            columns.append(own[shuffled(len(own), seed, epoch).to(self.device)])
        longest = max(len(column) for column in columns)
        size = min(size, longest)
        if isinstance(self.forward, Chain):
            longest = -(-longest // size) * size
        rows = torch.zeros(longest, len(columns), dtype=torch.int64, device=self.device)
        weights = torch.zeros(longest, len(columns), dtype=self.dtype, device=self.device)
        for index, column in enumerate(columns):
            rows[: len(column), index] = column
            weights[: len(column), index] = fit[column, index]
        return list(zip(torch.split(rows, size), torch.split(weights, size), strict=True))

    def _evaluate(self) -> tuple[Tensor, Tensor]:
        return self.steps.evaluate(self.state.params, self.state.buffers, self.test, self.hyper.keys)

    def _hyper(self, step: int) -> Hyper:
        return self.hyper._replace(now=self.clock[step], step=self.numbers[step])

    def _batches(self, y: Tensor) -> tuple[Batch, Batch]:
        splits, data = list(self.chunk.splits), self.data
        train, test = data.train[:, splits], data.test[:, splits]
        fit_rows = test_rows = np.arange(len(data.X))
        if not isinstance(self.forward, Chain):
            fit_rows, test_rows = train[:, 0].nonzero()[0], test[:, 0].nonzero()[0]
        self.test_rows = test_rows
        y_scale, y_shift = self._of_splits(data.target_scale), self._of_splits(data.target_shift)

        def batch(rows: npt.NDArray[np.int64], weights: npt.NDArray[np.floating]) -> Batch:
            inputs = self._inputs(data.X[rows])
            share = weights[rows] / weights[rows].sum(0)
            target = y[torch.from_numpy(rows)].to(self.device)[:, :, None]
            numbers = torch.from_numpy(rows.astype(np.int32)).to(self.device)
            return Batch(inputs, target, self._placed(torch.from_numpy(share)), numbers, y_scale, y_shift)

        fit = batch(fit_rows, train)
        return fit, batch(test_rows, test) if test_rows is not fit_rows else fit._replace(
            weights=batch(test_rows, test).weights
        )

    def _inputs(self, X: npt.NDArray[np.floating]) -> Inputs:
        """Rows X [row, feature] and what each network sees of them; a general network gets just that."""
        data, own = self.data, torch.from_numpy(X).to(self.device, self.dtype)
        extra = self._of_splits(data.extra)
        also = None if data.also is None else torch.from_numpy(data.also).to(self.device)
        added = None if also is None or extra is None else across(also, extra)
        inputs = Inputs(own, self._of_splits(data.scale), self._of_splits(data.shift), added)
        if isinstance(self.forward, Chain) or inputs.scale is None:
            return inputs
        return Inputs(as_seen(own[:, :, None], inputs)[:, :, 0])

    def _of_splits(self, values: npt.NDArray[np.floating] | None) -> Tensor | None:
        """Values [..., split] as [..., network]."""
        return None if values is None else self._placed(torch.from_numpy(values[..., list(self.chunk.splits)]))

    def _placed(self, value: Tensor) -> Tensor:
        """A tensor with a last axis `network` where and how it is wanted."""
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        if self.network_first:
            return value.permute(*reversed(range(value.dim()))).contiguous().permute(*reversed(range(value.dim())))
        return value.contiguous()

    def _result(self, curves: Tensor, outputs: Tensor, dead: Tensor) -> ChunkResult:
        n, splits = len(self.chunk.members), list(self.chunk.splits)
        scattered = np.full((len(self.data.X), outputs.shape[1], n), np.nan, dtype=np.float32)
        scattered[self.test_rows] = outputs[:, :, :n].numpy(force=True)
        scattered[np.broadcast_to((self.data.test[:, splits[:n]] == 0)[:, None], scattered.shape)] = np.nan
        array = curves.numpy(force=True)
        if self.loss.hits is None:
            for row, weights in ((1, self.data.train), (3, self.data.test)):
                array[row] = _r2_by_split(array[row - 1], self.data, weights, splits[:n])
        values = {**self.state.params, **self.state.buffers}
        states = tuple(unstack(values, self.forward.layout, i) for i in range(n)) if self.chunk.keep_networks else None
        return ChunkResult(array, scattered, dead[:n].float().numpy(force=True), states)


def _check_alike(networks: list[nn.Module], forward: Forward, values: Tensors, n_features: int) -> None:
    """A stack holds parameters and buffers; whatever else differs by seed would silently be the first network's."""
    dtype = next(p.dtype for p in networks[0].parameters())
    X = torch.randn(3, n_features, generator=torch.Generator().manual_seed(0)).to(dtype)
    keys, step = network_keys([0] * len(networks), "draws"), torch.tensor(0, dtype=torch.int32)
    weights, rows = torch.ones(3, len(networks), dtype=dtype), torch.arange(3, dtype=torch.int32)
    now = Pass(False, weights, keys, step, rows, "network_last")
    with torch.no_grad():
        stacked, _ = forward(values, Inputs(X), now)
        alone = torch.stack([outputs_of(network.eval(), X) for network in networks], -1)
    off = (stacked - alone).abs() > 1e-3 * (1 + alone.abs().amax((0, 1)))
    if (off & stacked.isfinite() & alone.isfinite()).any():
        raise CandidateError(
            "the networks of one candidate differ by seed in more than their parameters and buffers",
            "Register a tensor that differs by seed with register_buffer().",
        )


def _r2_by_split(
    mse: npt.NDArray[np.floating], data: TrainingData, weights: npt.NDArray[np.floating], splits: list[int]
) -> npt.NDArray[np.floating]:
    """R2 [epoch, network] of a target in the units that each split's networks learn it in."""
    y = data.y.reshape(len(data.y), -1).astype(np.float64)
    found = np.empty_like(mse)
    for split in set(splits):
        own = np.array(splits) == split
        scale = 1.0 if data.target_scale is None else float(data.target_scale[split])
        found[:, own] = r2(mse[:, own], scale * y, weights[:, split])
    return found
