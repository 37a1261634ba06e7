"""Train a chunk by the kernel in slices. Between slices, Python does everything else."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from seedbed.errors import TrainingError
from seedbed.settings import Tensors
from seedbed.training.chunk import Chunk, ChunkResult, Savepoint
from seedbed.training.data import TrainingData
from seedbed.training.forward import Chain, dead_share
from seedbed.training.native.job import Blocks, Setup
from seedbed.training.native.library import kernel
from seedbed.training.optimizers import clock
from seedbed.training.rows import Ensembles, WholeTable
from seedbed.training.stepping import Best, Training

__all__ = ["NativeTraining"]

_SECONDS = 0.2  # of a slice, which is how long an interrupt may wait
_FIRST_SPEED = 5e8  # operations per second, a low estimate for the first slice
_MOST_PICKED = 1 << 22  # row numbers of minibatches drawn for a slice


class NativeTraining(Training):
    """Like `Training`, for networks that the kernel covers.

    Raises:
        TrainingError: this machine has no kernel.
    """

    def __init__(self, chunk: Chunk, data: TrainingData) -> None:
        super().__init__(chunk, data)
        library, reason = kernel(chunk.dtype)
        if library is None:
            message = f"node {platform.node()} has no training kernel: {reason}"
            raise TrainingError(message, "Install a seedbed there that was built for it, or use --engine torch.")
        assert isinstance(self.forward, Chain)
        assert isinstance(self.rows, WholeTable)
        params, layout = self.state.params, self.forward.layout
        shapes = {name: value.shape[:-1] for name, value in params.items()}
        shapes = {name: torch.Size(reversed(shape)) if name in layout else shape for name, shape in shapes.items()}
        buffers = {name: value.shape[:-1] for name, value in self.state.buffers.items()}
        program = self.forward.program(shapes, buffers)
        assert program is not None
        self.table = self.rows
        n_steps = chunk.recipe.epochs * self.rows.n_steps
        setup = Setup(
            recipe=chunk.recipe, loss=self.loss.name, keys=self.hyper.keys, lr=chunk.lr, decay=chunk.decay,
            clock=clock(n_steps, torch.float64), factors=self.factors, n_batches=self.rows.n_steps,
            size=self.rows.batch_rows if chunk.recipe.batch_size else 0, guarded=self.guarded,
            patient=bool(chunk.patience),
        )  # fmt: skip
        rows, weights = self.rows.tested
        tested = torch.where(weights > 0, rows, -1)
        self.blocks = Blocks(library, program, setup, self.rows.fit, self.rows.test.weights, tested, params,
                             self.state.buffers)  # fmt: skip

    def run(self, tell: Callable[[int], None], savepoint: Savepoint | None) -> ChunkResult:
        epochs = self.chunk.recipe.epochs
        done = self._resume(savepoint.load() if savepoint else None)
        ends = [*sorted({stop for stop in self.chunk.stops or () if stop < epochs}), epochs]
        n_rows = self.blocks.n_rows * self.blocks.n
        most = max(1, _MOST_PICKED // n_rows) if self.chunk.recipe.batch_size else epochs
        size = min(most, max(1, int(_SECONDS * _FIRST_SPEED / (6.0 * n_rows * self.blocks.program.n_params))))
        waiting, all_ended = self._waiting(), False
        for end in ends:
            while done < end and not all_ended:
                started, to = time.monotonic(), min(done + size, end)
                if waiting is not None:
                    to = min(to, max(self._next_check(waiting), done + 1))
                self.blocks.train(done, to, self._picked(done, to))
                seconds = max((time.monotonic() - started) / (to - done), 1e-9)
                done, size = to, min(most, 2 * size, max(1, int(_SECONDS / seconds)))
                if done == end < epochs:
                    self._take(end)
                if waiting is not None and done >= self._next_check(waiting):
                    self._see(waiting, self.blocks.losses(waiting.n_epochs + 1, done).numpy())
                    all_ended = self.blocks.end(waiting.ends.repeat(self.chunk.together) > 0)
                tell(epochs if all_ended else done)
                if savepoint is not None and savepoint.due and done < epochs:
                    savepoint.save(done, self._state())
        (test, outputs), (alive, finite) = self.blocks.look(), self.blocks.look_for_life()
        outputs = self.table.spread(outputs)
        figures = self.blocks.stacked(self.blocks.figures)
        figures[epochs, 2:] = test
        curves = torch.stack([figures[:-1, 0], figures[:-1, 1], figures[1:, 2], figures[1:, 3]])
        taken = outputs if self.taken is None else torch.where(self.stops == epochs, outputs, self.taken)
        self.state = self.state._replace(params=self.blocks.values())
        curves = self._ended(curves, waiting)
        return self._result(curves, taken, dead_share(alive if len(alive) else None, finite, self.hyper.keys))

    def epoch_seconds(self, seconds: float) -> float:
        """Measure the seconds of an epoch, by one epoch or as many as there is time for."""
        begun, done, most = time.perf_counter(), 0, self.chunk.recipe.epochs
        while not done or (done < most and time.perf_counter() - begun < seconds):
            self.blocks.train(done, done + 1, self._picked(done, done + 1))
            done += 1
        return (time.perf_counter() - begun) / done

    def run_patiently(self, tell: Callable[[int], None]) -> ChunkResult:
        chunk, best, blocks = self.chunk, Best(self.chunk), self.blocks
        ensembles = Ensembles(self.table, best.size)
        figures, kept = [], torch.empty(0)
        for epoch in range(chunk.recipe.epochs):
            blocks.train(epoch, epoch + 1, self._picked(epoch, epoch + 1))
            test, outputs = blocks.look(ended=False)
            figures.append(torch.cat([blocks.stacked(blocks.figures[:, epoch])[:2], test]))
            better = best.see(epoch + 1, ensembles.losses(self.loss, outputs))
            if better.any():
                blocks.keep(better)
                kept = torch.where(torch.from_numpy(better), outputs, kept) if len(kept) else outputs
            tell(epoch + 1)
            if blocks.end(best.ended):
                tell(chunk.recipe.epochs)  # no further epoch is needed
                break
        self.state = self.state._replace(params=blocks.values(blocks.kept))
        unknown = torch.full((len(chunk.seeds),), torch.nan)
        result = self._result(best.curves(figures), self.table.spread(kept), unknown)
        return replace(result, best=tuple(best.epochs.tolist()))

    def _picked(self, start: int, end: int) -> npt.NDArray[np.int32] | None:
        """Return the rows of minibatches in each network's order, -1 for none [epoch, place, network]."""
        if not self.chunk.recipe.batch_size:
            return None
        return np.stack([self.table.picked(epoch) for epoch in range(start, end)])

    def _take(self, n_epochs: int) -> None:
        """Compute the outputs of networks whose outputs are taken after this many epochs."""
        outputs = self.table.spread(self.blocks.look()[1])
        self.taken = outputs if self.taken is None else torch.where(self.stops == n_epochs, outputs, self.taken)

    def _state(self) -> Tensors:
        """Return everything that the epochs so far have changed."""
        arrays = {"params": self.blocks.params, "moments": self.blocks.moments, "figures": self.blocks.figures}
        taken = {} if self.taken is None else {"taken": self.taken}
        return {**{name: self.blocks.stacked(array) for name, array in arrays.items()}, **taken}

    def _resume(self, saved: tuple[int, Tensors] | None) -> int:
        """Restore what `_state` returned, and return the number of epochs done."""
        if saved is None:
            return 0
        done, tensors = saved
        for name in ("params", "moments", "figures"):
            getattr(self.blocks, name)[...] = self.blocks.laned(tensors[name])
        self.taken = tensors.get("taken")
        return done
