"""The one training loop, whatever engine computes: a chunk from the first epoch to the last, on one
thread; and many chunks at a time, in threads for the kernel, else in processes."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seedbed.errors import SeedbedError
from seedbed.networks.layers import Array, Arrays
from seedbed.training.losses import r2
from seedbed.training.native.engine import NativeEngine
from seedbed.training.parallel import (
    HaltedError,
    no_collection,
    one_thread,
    preparing,
    run_in_workers,
)
from seedbed.training.stack import Chunk, Stack
from seedbed.training.undocumented import keep_freed_memory, keep_large_workers

_SECONDS = 0.2  # of a slice of epochs, which is how long an interrupt may wait


@dataclass(frozen=True)
class ChunkResult:
    """The result of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network] for each network's test rows, NaN elsewhere.
        stacked: the networks' states, by the names in a `state_dict` [network, ...].
        epochs: the number of epochs after which outputs and states were taken [network].
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    stacked: Arrays
    epochs: npt.NDArray[np.int64]

    @property
    def states(self) -> tuple[Arrays, ...]:
        """One state dict per network."""
        n = self.curves.shape[2]
        return tuple(
            {name: value[i].copy() for name, value in self.stacked.items()}
            for i in range(n)
        )


class Engine(Protocol):
    """What trains the networks of a `Stack`.

    Attributes:
        figures: loss and hits of training rows before the steps of an epoch, and of test rows
            before the epoch [epoch, 4, network]. Those of test rows are there up to the epoch
            before the last one trained, or after `look`.
    """

    @property
    def figures(self) -> Array: ...

    def train(self, start: int, end: int) -> None:
        """Train from epoch `start` to before `end`."""

    def look(self, epoch: int, *, ended: bool = True) -> Array:
        """Write down the test figures before an epoch; return each network's outputs for its own
        test rows [place, output, network]. Those of networks that ended aren't needed if `ended` is
        false."""

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        """Keep the parameters and buffers of these networks [network]."""

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        """Allow these networks [network] to stop training; return whether all have stopped."""

    def states(self) -> Arrays:
        """Return the kept states, or else the present ones, by the names in a `state_dict`
        [network, ...]."""


class Best:
    """The epoch with the lowest loss of each group of networks; the first one if several are equal.

    The loss is that of mean predictions: of each row, the mean of those networks of the group that
    leave it out. The epoch of a single network's lowest loss on its few test rows depends mostly on
    chance, so its predictions for these rows would look better than they are. If one network
    diverges, no later epoch is better.

    Attributes:
        size: number of networks of a group; its networks are consecutive.
        epochs: the best epoch, counted from 1; 0 before the first [group].
        ends: the epoch after which training ended; 0 before [group].
    """

    def __init__(self, stack: Stack) -> None:
        chunk, (rows, shares) = stack.chunk, stack.tested
        self._patience = chunk.patience or (0, 0)
        self._started = time.monotonic()
        self._seconds = chunk.seconds
        self.size = chunk.group_size or stack.n
        shape = stack.n // self.size, stack.n_rows
        self.epochs, self.ends = np.zeros((2, shape[0]), dtype=np.int64)
        self._lowest = np.full(shape[0], math.inf)
        self._loss = stack.loss
        self._there = shares > 0
        groups = np.broadcast_to(np.repeat(np.arange(shape[0]), self.size), rows.shape)
        pairs = np.ravel_multi_index(
            (groups[self._there], rows[self._there]), shape
        )  # of a group and a row
        pairs, self._pair_of_test = np.unique(pairs, return_inverse=True)
        self._group_of_pair = np.unravel_index(pairs, shape)[0]
        self._targets = stack.y[rows].transpose(0, 2, 1)
        self._counts, self._weights = (
            self._sum_by_pair(np.ones_like(shares)),
            self._sum_by_pair(shares),
        )

    def see(self, epoch: int, outputs: Array) -> npt.NDArray[np.bool_]:
        """Return which networks [network] are better than before, given the outputs after an epoch
        of each network's own test rows [place, output, network]."""
        losses = self._losses(outputs)
        better = (self.ends == 0) & ((losses < self._lowest) | (self.epochs == 0))
        self.epochs[better] = epoch
        self._lowest[better] = np.where(np.isfinite(losses), losses, math.inf)[better]
        late = (
            self._seconds is not None
            and time.monotonic() - self._started > self._seconds
        )
        patience = np.clip((self.epochs + 1) // 2, *self._patience)
        self.ends[(self.ends == 0) & (late | (epoch - self.epochs >= patience))] = epoch
        return np.repeat(better, self.size)

    @np.errstate(over="ignore", invalid="ignore")  # of networks that diverge
    def _losses(self, outputs: Array) -> npt.NDArray[np.float64]:
        """Return the mean loss of each group [group]."""
        if not self._loss.of_classes:
            pairs = (
                (outputs[:, number], self._targets[:, number])
                for number in range(outputs.shape[1])
            )
            of_each = [
                [self._sum_by_pair(part) / self._counts for part in pair]
                for pair in pairs
            ]
            mean, target = (
                np.stack(parts, axis=1) for parts in zip(*of_each, strict=True)
            )
            losses = self._loss.measure(mean, target)
        else:
            # Of classes a loss is minus the logarithm of the true class's probability.
            single = self._loss.measure(outputs, self._targets).astype(np.float64)
            losses = -np.log(
                np.maximum(self._sum_by_pair(np.exp(-single)) / self._counts, 1e-300)
            )
        return np.bincount(self._group_of_pair, losses * self._weights) / self.size

    def _sum_by_pair(self, values: Array) -> npt.NDArray[np.float64]:
        """Return the sums of values [place, network] over the networks of each pair of a group and
        a row."""
        sums = np.bincount(self._pair_of_test, values[self._there].astype(np.float64))
        return sums.astype(np.float64, copy=False)


def train_chunk(chunk: Chunk, tell: Callable[[], None] = lambda: None) -> ChunkResult:
    """Train a chunk's networks to the last epoch, or until all have ended; return their curves,
    outputs and states.

    `tell` is called after a slice of epochs; an error that it raises ends the training.
    SeedbedError if the networks can't be stacked, or the recipe doesn't suit them.
    """
    keep_freed_memory()
    keep_large_workers()
    with (
        one_thread(chunk.device),
        np.errstate(over="ignore"),
    ):  # outputs of float64 networks that diverge
        with preparing, no_collection():
            stack = Stack(chunk)
            engine = _engine(stack)
        epochs = chunk.recipe.n_epochs
        best = Best(stack) if chunk.patience else None
        done, size, all_ended = 0, 1, False
        outputs: Array | None = None
        while done < epochs and not all_ended:
            started = time.monotonic()
            to = done + 1 if best else min(done + size, epochs)
            engine.train(done, to)
            seconds = max((time.monotonic() - started) / (to - done), 1e-9)
            done = to
            size = min(stack.most_epochs, 2 * size, max(1, int(_SECONDS / seconds)))
            if best:
                present = engine.look(done, ended=False)
                better = best.see(done, present)
                if better.any():
                    engine.keep(better)
                    outputs = (
                        present
                        if outputs is None
                        else np.where(better, present, outputs)
                    )
                all_ended = engine.end(np.repeat(best.ends > 0, best.size))
            tell()
        if best:
            ends = best.ends
        else:
            outputs = engine.look(epochs)
            ends = np.zeros(1, dtype=np.int64)
        assert outputs is not None
        curves = _curves(stack, engine.figures[: 1 + done], ends)
        stopped = np.full(stack.n, epochs)
        stopped = np.repeat(best.epochs, best.size) if best else stopped
        outputs = stack.spread(outputs).astype(np.float32, copy=False)
        return ChunkResult(curves, outputs, engine.states(), stopped)


def _engine(stack: Stack) -> Engine:
    """Return the engine that trains a stack."""
    if stack.chunk.engine == "native":
        return NativeEngine(stack)
    if stack.chunk.engine == "plain":
        from seedbed.training.torch.reference import PlainEngine

        return PlainEngine(stack)
    from seedbed.training.torch.torch_engine import TorchEngine

    return TorchEngine(stack)


def _curves(stack: Stack, figures: Array, ends: npt.NDArray[np.int64]) -> Array:
    """Return figures as curves [4, epoch, network], with NaN after the end of each group of
    networks."""
    curves = np.moveaxis(
        np.concatenate([figures[:-1, :2], figures[1:, 2:]], axis=1), 1, 0
    )
    size = stack.n // len(ends)
    data = stack.chunk.data
    splits = np.array(stack.chunk.splits)
    for group, end in enumerate(ends.tolist()):
        if end:
            curves[:, end:, group * size : (group + 1) * size] = np.nan
    if not stack.loss.of_classes:
        y = data.y.reshape(len(data.y), -1).astype(np.float64)
        for row, weights in ((1, data.train), (3, data.test)):
            for split in set(stack.chunk.splits):
                here = splits == split
                curves[row][:, here] = r2(
                    curves[row - 1][:, here], y, weights[:, split]
                )
    return curves.astype(stack.chunk.dtype, copy=False)


def train_chunks(
    chunks: Sequence[Chunk],
    jobs: int,
    failed: Callable[[int, SeedbedError], None] | None = None,
) -> Generator[tuple[int, ChunkResult], None, None]:
    """Train chunks, `jobs` at a time, and yield (number, result) for each, in the order in which
    they finish.

    With one job, one chunk or a GPU, everything runs in this process. `failed` is called with the
    number of a chunk that can't be trained, and the error; by default, the error is raised.
    """
    numbered = list(enumerate(chunks))
    if jobs == 1 or len(chunks) <= 1 or chunks[0].device != "cpu":
        sources: list[_Outcomes] = [
            (_outcome(number, chunk) for number, chunk in numbered)
        ]
    else:
        native = [
            (number, chunk) for number, chunk in numbered if chunk.engine == "native"
        ]
        others = [
            (number, chunk) for number, chunk in numbered if chunk.engine != "native"
        ]
        sources = [_train_in_threads(native, jobs)] if native else []
        sources += [run_in_workers(_outcome, others, jobs)] if others else []
    for source in sources:
        with contextlib.closing(source) as outcomes:
            for number, outcome in outcomes:
                if not isinstance(outcome, SeedbedError):
                    yield number, outcome
                elif failed is None:
                    raise outcome
                else:
                    failed(number, outcome)


_Outcomes = Generator[tuple[int, ChunkResult | SeedbedError], None, None]
"""The number of each chunk, and its result, or the error with which it can't be trained."""


def _train_in_threads(chunks: Sequence[tuple[int, Chunk]], jobs: int) -> _Outcomes:
    """Train in threads. The kernel releases Python's lock, and after an interrupt threads end after
    their slice."""
    halted = threading.Event()

    def tell() -> None:
        if halted.is_set():
            raise HaltedError

    with ThreadPoolExecutor(min(jobs, len(chunks))) as pool:
        futures = [
            pool.submit(_outcome, number, chunk, tell) for number, chunk in chunks
        ]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            halted.set()
            pool.shutdown(cancel_futures=True)


def _outcome(
    number: int, chunk: Chunk, tell: Callable[[], None] = lambda: None
) -> tuple[int, ChunkResult | SeedbedError]:
    """Train, also in a worker. An error that it raised would end all others."""
    try:
        return number, train_chunk(chunk, tell)
    except SeedbedError as error:
        return number, error
