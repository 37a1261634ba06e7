"""The one training loop, whatever engine computes: a chunk from the first epoch to the last, on one thread; and many
chunks at a time, in threads for the kernel, else in processes."""

from __future__ import annotations

import contextlib
import functools
import math
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seedbed.errors import SeedbedError
from seedbed.networks.layers import Array, Arrays
from seedbed.training.losses import r2
from seedbed.training.native.engine import NativeEngine
from seedbed.training.parallel import HaltedError, no_collection, preparing, ready_to_train, run_in_workers
from seedbed.training.stack import Chunk, GroupMeans, Stack

_SECONDS = 0.2  # of a slice of epochs, which is how long an interrupt may wait


@dataclass(frozen=True)
class ChunkResult:
    """The result of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network] for each network's test rows, NaN elsewhere.
        dead: share of ReLU units that are zero for all training rows after the last epoch [network]; NaN if unknown.
        stacked: the networks' states, by the names in a `state_dict` [network, ...].
        epochs: the number of epochs after which outputs and states were taken [network].
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    stacked: Arrays
    epochs: npt.NDArray[np.int64]

    @property
    def states(self) -> tuple[Arrays, ...]:
        """One state dict per network."""
        n = self.curves.shape[2]
        return tuple({name: value[i].copy() for name, value in self.stacked.items()} for i in range(n))


class Engine(Protocol):
    """What trains the networks of a `Stack`.

    Attributes:
        figures: loss and hits of training rows before the steps of an epoch, and of test rows before the epoch [epoch,
            4, network]. Those of test rows are there up to the epoch before the last one trained, or after `look`.
        most_epochs: the most epochs of one call of `train`.
    """

    most_epochs: int

    @property
    def figures(self) -> Array: ...

    def train(self, start: int, end: int) -> None:
        """Train from epoch `start` to before `end`."""

    def look(self, epoch: int, *, ended: bool = True) -> Array:
        """Write down the test figures before an epoch; return each network's outputs for its own test rows [place,
        output, network]. Those of networks that ended aren't needed if `ended` is false."""

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        """Keep the parameters and buffers of these networks [network]."""

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        """Allow these networks [network] to stop training; return whether all have stopped."""

    def dead_units(self) -> Array:
        """Return the share of ReLU units that are zero for all training rows [network], NaN if unknown."""

    def states(self) -> Arrays:
        """Return the kept states, or else the present ones, by the names in a `state_dict` [network, ...]."""


class Best:
    """The epoch with the lowest loss of each group of networks; the first one if several are equal.

    The networks of a group share an epoch. The epoch of a single network's lowest loss on its few test rows depends
    mostly on chance, so its predictions for these rows would look better than they are. If one network diverges, no
    later epoch is better.

    Args:
        chunk: the networks.

    Attributes:
        size: number of networks of a group; its networks are consecutive.
        epochs: the best epoch, counted from 1; 0 before the first [group].
        ends: the epoch after which training ended; 0 before [group].
    """

    def __init__(self, chunk: Chunk) -> None:
        self._patience, self._started, self._seconds = chunk.patience or (0, 0), time.monotonic(), chunk.seconds
        self.size = chunk.group_size or len(chunk.seeds)
        n_groups = len(chunk.seeds) // self.size
        self.epochs, self.ends = np.zeros(n_groups, dtype=np.int64), np.zeros(n_groups, dtype=np.int64)
        self._losses = np.full(n_groups, math.inf)

    def see(self, epoch: int, losses: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which networks [network] are better than before, given the losses [group] after an epoch."""
        better = (self.ends == 0) & ((losses < self._losses) | (self.epochs == 0))
        self.epochs[better], self._losses[better] = epoch, np.where(np.isfinite(losses), losses, math.inf)[better]
        late = self._seconds is not None and time.monotonic() - self._started > self._seconds
        patience = np.clip((self.epochs + 1) // 2, *self._patience)
        self.ends[(self.ends == 0) & (late | (epoch - self.epochs >= patience))] = epoch
        return np.repeat(better, self.size)


def train_chunk(chunk: Chunk, tell: Callable[[], None] = lambda: None) -> ChunkResult:
    """Train a chunk's networks to the last epoch, or until all have ended; return their curves, outputs and states.

    Args:
        tell: called after a slice of epochs; an error that it raises ends the training.

    Raises:
        SeedbedError: the networks can't be stacked, or the recipe doesn't suit them.
    """
    with ready_to_train(chunk.device), np.errstate(over="ignore"):  # outputs of float64 networks that diverge
        with preparing, no_collection():
            stack = Stack(chunk)
            engine = _engine(stack)
        epochs = chunk.recipe.n_epochs
        best = Best(chunk) if chunk.patience else None
        means = GroupMeans(stack, best.size) if best else None
        done, size, all_ended = 0, 1, False
        outputs: Array | None = None
        while done < epochs and not all_ended:
            started = time.monotonic()
            to = done + 1 if best else min(done + size, epochs)
            engine.train(done, to)
            seconds = max((time.monotonic() - started) / (to - done), 1e-9)
            done, size = to, min(engine.most_epochs, 2 * size, max(1, int(_SECONDS / seconds)))
            if best and means:
                present = engine.look(done, ended=False)
                better = best.see(done, means.losses(present))
                if better.any():
                    engine.keep(better)
                    outputs = present if outputs is None else np.where(better, present, outputs)
                all_ended = engine.end(np.repeat(best.ends > 0, best.size))
            tell()
        if best:
            ends, dead = best.ends, np.full(stack.n, math.nan)
        else:
            outputs = engine.look(epochs)
            ends, dead = np.zeros(1, dtype=np.int64), engine.dead_units()
        assert outputs is not None
        return ChunkResult(
            curves=_curves(stack, engine.figures[: 1 + done], ends),
            outputs=stack.spread(outputs).astype(np.float32, copy=False),
            dead=dead.astype(np.float32),
            stacked=engine.states(),
            epochs=np.repeat(best.epochs, best.size) if best else np.full(stack.n, epochs),
        )


def _engine(stack: Stack) -> Engine:
    """Return the engine that trains a stack."""
    if stack.chunk.engine == "native":
        return NativeEngine(stack)
    if stack.chunk.engine == "torch":
        from seedbed.training.torch.torch_engine import TorchEngine

        return TorchEngine(stack)
    from seedbed.training.torch.reference import PlainEngine

    return PlainEngine(stack)


def _curves(stack: Stack, figures: Array, ends: npt.NDArray[np.int64]) -> Array:
    """Return figures as curves [4, epoch, network], with NaN after the end of each group of networks."""
    curves = np.moveaxis(np.concatenate([figures[:-1, :2], figures[1:, 2:]], axis=1), 1, 0)
    size, data, splits = stack.n // len(ends), stack.chunk.data, np.array(stack.chunk.splits)
    for group, end in enumerate(ends.tolist()):
        if end:
            curves[:, end:, group * size : (group + 1) * size] = np.nan
    if not stack.loss.of_classes:
        y = data.y.reshape(len(data.y), -1).astype(np.float64)
        for row, weights in ((1, data.train), (3, data.test)):
            for split in set(stack.chunk.splits):
                here = splits == split
                curves[row][:, here] = r2(curves[row - 1][:, here], y, weights[:, split])
    return curves.astype(stack.chunk.dtype, copy=False)


def train_chunks(
    chunks: Sequence[Chunk], jobs: int, failed: Callable[[int, SeedbedError], None] | None = None
) -> Generator[tuple[int, ChunkResult], None, None]:
    """Train chunks and yield (number, result) for each, in the order in which they finish.

    With one job, one chunk or a GPU, everything runs in this process.

    Args:
        chunks: the chunks.
        jobs: how many run at a time.
        failed: called with the number of a chunk that can't be trained, and the error; by default, the error is raised.
    """
    numbered = list(enumerate(chunks))
    if jobs == 1 or len(chunks) <= 1 or chunks[0].device != "cpu":
        sources: list[_Outcomes] = [((number, functools.partial(train_chunk, chunk)) for number, chunk in numbered)]
    else:
        native = [(number, chunk) for number, chunk in numbered if chunk.engine == "native"]
        others = [(number, chunk) for number, chunk in numbered if chunk.engine != "native"]
        sources = [_train_in_threads(native, jobs)] if native else []
        sources += [_train_in_processes(others, jobs)] if others else []
    for source in sources:
        with contextlib.closing(source) as outcomes:
            for number, outcome in outcomes:
                try:
                    result = outcome()
                except SeedbedError as error:
                    if failed is None:
                        raise
                    failed(number, error)
                else:
                    yield number, result


_Outcomes = Generator[tuple[int, Callable[[], ChunkResult]], None, None]
"""The number of each chunk, and what returns its result, or raises its error."""


def _train_in_threads(chunks: Sequence[tuple[int, Chunk]], jobs: int) -> _Outcomes:
    """Train in threads. The kernel releases Python's lock, and after an interrupt threads end after their slice."""
    halted = threading.Event()

    def tell() -> None:
        if halted.is_set():
            raise HaltedError

    with ThreadPoolExecutor(min(jobs, len(chunks))) as pool:
        futures = {pool.submit(train_chunk, chunk, tell): number for number, chunk in chunks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result
        finally:
            halted.set()
            pool.shutdown(cancel_futures=True)


def _train_in_processes(chunks: Sequence[tuple[int, Chunk]], jobs: int) -> _Outcomes:
    with contextlib.closing(run_in_workers(_result_or_error, chunks, jobs)) as results:
        for number, result in results:
            future = Future[ChunkResult]()
            if isinstance(result, SeedbedError):
                future.set_exception(result)
            else:
                future.set_result(result)
            yield number, future.result


def _result_or_error(number: int, chunk: Chunk) -> tuple[int, ChunkResult | SeedbedError]:
    """Train in a worker. An error that it raised would end all others."""
    try:
        return number, train_chunk(chunk)
    except SeedbedError as error:
        return number, error
