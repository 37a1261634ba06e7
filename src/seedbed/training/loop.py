"""The one training loop: train a chunk from the first epoch to the last, on one thread, whatever engine computes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from seedbed.networks.layers import Array, Arrays
from seedbed.training.data import TrainingData
from seedbed.training.losses import r2
from seedbed.training.native.engine import NativeEngine
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
        best: with patience, the number of epochs after which outputs and states were taken, for each group of networks.
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    stacked: Arrays
    best: tuple[int, ...] = ()

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


class Training:
    """The training of a chunk's networks.

    Raises:
        SeedbedError: the networks can't be stacked, or the recipe doesn't suit them.
    """

    def __init__(self, chunk: Chunk, data: TrainingData) -> None:
        self.chunk, self.stack = chunk, Stack(chunk, data)
        self.engine: Engine
        if chunk.engine == "native":
            self.engine = NativeEngine(self.stack)
        elif chunk.engine == "torch":
            from seedbed.training.torch.torch_engine import TorchEngine

            self.engine = TorchEngine(self.stack)
        else:
            from seedbed.training.torch.reference import PlainEngine

            self.engine = PlainEngine(self.stack)

    @np.errstate(over="ignore")  # outputs of float64 networks that diverge
    def run(self, tell: Callable[[], None] = lambda: None) -> ChunkResult:
        """Train to the last epoch, or until all networks have ended.

        Args:
            tell: called after a slice of epochs; an error that it raises ends the training.
        """
        chunk, engine, rows = self.chunk, self.engine, self.stack.rows
        epochs = chunk.recipe.n_epochs
        best = Best(chunk) if chunk.patience else None
        means = GroupMeans(rows, best.size) if best else None
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
                better = best.see(done, means.losses(self.stack.loss, present))
                if better.any():
                    engine.keep(better)
                    outputs = present if outputs is None else np.where(better, present, outputs)
                all_ended = engine.end(np.repeat(best.ends > 0, best.size))
            tell()
        if best:
            ends, dead = best.ends, np.full(self.stack.n, math.nan)
        else:
            outputs = engine.look(epochs)
            ends, dead = np.zeros(1, dtype=np.int64), engine.dead_units()
        assert outputs is not None
        curves = self._curves(engine.figures[: 1 + (done if best else epochs)], ends)
        return ChunkResult(
            curves=curves,
            outputs=rows.spread(outputs).astype(np.float32, copy=False),
            dead=dead.astype(np.float32),
            stacked=engine.states(),
            best=tuple(best.epochs.tolist()) if best else (),
        )

    def _curves(self, figures: Array, ends: npt.NDArray[np.int64]) -> Array:
        """Return figures as curves [4, epoch, network], with NaN after the end of each group of networks."""
        curves = np.moveaxis(np.concatenate([figures[:-1, :2], figures[1:, 2:]], axis=1), 1, 0)
        size, data = self.stack.n // len(ends), self.stack.data
        for group, end in enumerate(ends.tolist()):
            if end:
                curves[:, end:, group * size : (group + 1) * size] = np.nan
        if not self.stack.loss.of_classes:
            y, splits = data.y.reshape(len(data.y), -1).astype(np.float64), np.array(self.chunk.splits)
            for row, weights in ((1, data.train), (3, data.test)):
                for split in set(self.chunk.splits):
                    here = splits == split
                    curves[row][:, here] = r2(curves[row - 1][:, here], y, weights[:, split])
        return curves.astype(self.chunk.dtype, copy=False)
