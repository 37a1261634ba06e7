"""Train a stack by the kernel: the stack in the kernel's layout, and checked calls of the
kernel."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.errors import TrainingError, spell
from seedbed.networks.embedding_layers import bins_between
from seedbed.networks.layers import Array, Arrays
from seedbed.settings.optimizers import OPTIMIZERS
from seedbed.settings.recipe import LOSSES
from seedbed.training.native.library import Job, LayerStruct, SegmentStruct, kernel
from seedbed.training.schedules import clock, rate_factors
from seedbed.training.stack import Stack

_TILE_BYTES = 384 << 10
"""Bytes of all buffers of a tile: a part of the second-level cache."""


class NativeEngine:
    """Trains a stack by the kernel: networks in blocks, one per lane of a vector. The last block is
    filled up.

    Its public methods are those of every engine, see `loop.Engine`. TrainingError if this machine
    has no kernel.
    """

    def __init__(self, stack: Stack) -> None:
        chunk = stack.chunk
        library, reason = kernel(chunk.dtype)
        if library is None:
            raise TrainingError(
                f"node {platform.node()} has no training kernel: {reason}",
                f"Install a seedbed there that was built for it, or use {spell('engine', 'torch')}.",
            )
        program, network = stack.traits.program, stack.traits.network
        assert program is not None
        assert network is not None
        params = network.stacked(stack.states)
        self._buffers = {
            name: value
            for name, value in params.items()
            if name not in stack.traits.trained
        }
        self._library, self._program, self._stack, self._network = (
            library,
            program,
            stack,
            network,
        )
        self._n = stack.n
        self._dtype = np.dtype(chunk.dtype)
        assert self._dtype.itemsize == library.number_bytes()
        self._lanes = (
            1
            if program.units_in_lanes
            else library.vector_bytes() // self._dtype.itemsize
        )
        self._n_blocks = -(-self._n // self._lanes)
        self._n_rows = stack.n_rows
        self._n_outputs = stack.y.shape[1]
        self._shapes = [params[segment.name].shape[:-1] for segment in program.segments]
        self._arrays = self._new_arrays(params)  # the job holds their addresses
        self._job = self._new_job()
        for name, array in self._arrays.items():
            setattr(self._job, name, _address(array))
        self._check()
        self._work = _aligned(
            (library.workspace(ctypes.addressof(self._job)),), np.uint8
        )
        self._job.work = _address(self._work)

    def _new_arrays(self, params: Arrays) -> dict[str, Any]:
        """Return the arrays of the job, of parameters and buffers [..., network]."""
        stack, program = self._stack, self._program
        recipe = stack.chunk.recipe
        n_moments = OPTIMIZERS[recipe.optimizer].n_moments(recipe.momentum)
        moments = n_moments, program.n_params
        self._params = self._to_lanes(
            np.concatenate(
                [params[s.name].reshape(-1, self._n) for s in program.segments]
            )
        )
        self._best_params = self._params
        self._figures = _aligned(
            (self._n_blocks, recipe.n_epochs + 1, 4, self._lanes), self._dtype
        )
        self._tests = dict[int, Array]()
        self._ended = np.zeros(self._n_blocks, dtype=np.int32)
        segments = [
            SegmentStruct(s.start, s.size, s.is_weight or recipe.decay_biases)
            for s in program.segments
        ]
        places, shares = stack.tested
        factors = rate_factors(recipe, stack.n_steps)
        arrays: dict[str, Any] = {
            "X": np.ascontiguousarray(
                stack.X if program.order is None else stack.X[:, program.order]
            ),
            "y": np.ascontiguousarray(stack.y),
            "train": self._to_lanes(stack.fit),
            "test": self._to_lanes(stack.test),
            "keys": self._to_lanes(stack.keys, np.int32),
            "lr": self._to_lanes(np.full(self._n, recipe.rate), np.float64),
            "decay": self._to_lanes(np.full(self._n, recipe.decay)),
            "clock": clock(recipe.n_epochs * stack.n_steps),
            **({} if factors is None else {"factors": factors}),
            "params": self._params,
            "moments": _aligned((self._n_blocks, *moments, self._lanes), self._dtype),
            "tested": np.ascontiguousarray(
                self._filled(np.where(shares > 0, places, -1)), dtype=np.int32
            ),
            "figures": self._figures,
            "ended": self._ended,
            "layers": (LayerStruct * len(program.layers))(
                *(LayerStruct(*layer) for layer in program.layers)
            ),
            "segments": (SegmentStruct * len(segments))(*segments),
        }
        if program.edges:
            arrays["constants"] = self._to_lanes(self._constants(params))
        return arrays

    def _constants(self, params: Arrays) -> Array:
        """Return the bins of piecewise layers as embeddings.h has them [constant, network]."""
        return np.concatenate(
            [
                np.moveaxis(part, 0, -1).reshape(-1, self._n)
                for name in self._program.edges
                for part in bins_between(np.moveaxis(params[name], -1, 0))
            ]
        )

    def _new_job(self) -> Job:
        """Return the numbers of the job, as job.h has them."""
        stack, program, recipe = self._stack, self._program, self._stack.chunk.recipe
        size = stack.batch_rows if recipe.batch_size else 0
        optimizer = OPTIMIZERS[recipe.optimizer]
        n_features = stack.X.shape[1]
        units = (
            program.n_values
            - program.n_kept
            + program.n_gradients
            + (n_features if size else 0)
        )
        tile = _TILE_BYTES // (units * self._lanes * self._dtype.itemsize)
        return Job(
            n_layers=len(program.layers),
            n_segments=len(program.segments),
            n_rows=self._n_rows,
            n_features=n_features,
            n_outputs=self._n_outputs,
            n_params=program.n_params,
            n_moments=optimizer.n_moments(recipe.momentum),
            n_constants=program.n_constants,
            n_blocks=self._n_blocks,
            n_tested=len(stack.tested[0]),
            n_values=program.n_values,
            n_gradients=program.n_gradients,
            tile=max(4, min(48, tile // 12 * 12)),
            loss=LOSSES.index(stack.loss.name),
            optimizer=optimizer.native,
            batch_size=size,
            n_batches=stack.n_steps,
            n_epochs=recipe.n_epochs,
            nesterov=int(recipe.nesterov),
            guarded=int(stack.chunk.data.is_huge),
            patient=int(bool(stack.chunk.patience)),
            same_in_training=int(not self._network.differs_in_training),
            units_in_lanes=int(program.units_in_lanes),
            momentum=recipe.momentum,
            smoothing=recipe.label_smoothing,
            clip=recipe.clip_norm or 0.0,
        )

    def _check(self) -> None:
        """Check all shapes and row numbers, because the kernel doesn't."""
        job, blocks, lanes = self._job, self._n_blocks, self._lanes
        steps = job.n_epochs * job.n_batches
        expected = {
            "X": (self._n_rows, job.n_features),
            "y": (self._n_rows, self._n_outputs),
            "train": (blocks, self._n_rows, lanes),
            "test": (blocks, self._n_rows, lanes),
            "keys": (blocks, lanes),
            "lr": (blocks, lanes),
            "decay": (blocks, lanes),
            "clock": (steps, 3),
            "factors": (steps,),
            "ended": (blocks,),
            "params": (blocks, job.n_params, lanes),
            "constants": (blocks, job.n_constants, lanes),
            "tested": (job.n_tested, blocks * lanes),
        }
        for name, shape in expected.items():
            actual = self._arrays[name].shape if name in self._arrays else shape
            assert actual == shape, f"{name} has shape {actual}, not {shape}"
        assert (self._program.layers[0].n_in, self._program.layers[-1].n_out) == (
            job.n_features,
            self._n_outputs,
        )
        assert (
            (self._arrays["tested"] >= -1) & (self._arrays["tested"] < self._n_rows)
        ).all()

    def train(self, start: int, end: int) -> None:
        assert 0 <= start < end <= self._job.n_epochs
        if self._job.batch_size:
            picked = np.stack(
                [self._stack.picked(epoch) for epoch in range(start, end)]
            )
            assert picked.shape == (
                end - start,
                self._job.n_batches * self._job.batch_size,
                self._n,
            )
            assert picked.min() >= -1
            assert picked.max() < self._n_rows
            picked = np.ascontiguousarray(self._filled(picked))
            self._job.picked = _address(picked)
            self._job.first_epoch = start
        self._library.train(ctypes.addressof(self._job), start, end)

    @property
    def figures(self) -> Array:
        figures = self._from_lanes(self._figures)
        for epoch, tests in self._tests.items():
            figures[epoch, 2:] = tests
        return figures

    def look(self, epoch: int, *, ended: bool = True) -> Array:
        """As in `loop.Engine`, block by block."""
        sizes = (2,), (self._job.n_tested, self._n_outputs)
        figures, outputs = (
            _aligned((self._n_blocks, *size, self._lanes), self._dtype)
            for size in sizes
        )
        for block in range(self._n_blocks):
            if ended or not self._ended[block]:
                self._library.look(
                    ctypes.addressof(self._job),
                    block,
                    _address(figures[block]),
                    _address(outputs[block]),
                )
        if self._job.patient or epoch == self._job.n_epochs:
            # The next epoch's steps don't give them.
            self._tests[epoch] = self._from_lanes(figures)
        return self._from_lanes(outputs)

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        if self._best_params is self._params:
            self._best_params = self._params.copy()
        lanes = self._to_lanes(networks, np.bool_)
        whole = lanes.all(axis=1)
        self._best_params[whole] = self._params[whole]
        if (lanes.any(axis=1) & ~whole).any():
            np.copyto(self._best_params, self._params, where=lanes[:, None])

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        """Stop blocks that contain only these networks."""
        self._ended[:] = (
            self._filled(networks).reshape(self._n_blocks, self._lanes).all(axis=1)
        )
        return bool(self._ended.all())

    def states(self) -> Arrays:
        flat = self._from_lanes(self._best_params)
        parts = zip(self._program.segments, self._shapes, strict=True)
        params = {
            s.name: flat[s.start : s.start + s.size].reshape(*shape, self._n)
            for s, shape in parts
        }
        values = {**params, **self._buffers}
        return self._network.unstacked(
            {name: values[name] for name in self._stack.states}
        )

    def _from_lanes(self, array: npt.NDArray[Any]) -> Array:
        """Return an array [block, ..., lane] as [..., network]."""
        flat = np.moveaxis(array, 0, -2).reshape(
            *array.shape[1:-1], self._n_blocks * self._lanes
        )
        return np.ascontiguousarray(flat[..., : self._n])

    def _filled(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values [..., network] for all lanes of all blocks. The last network fills the last
        block up."""
        filling = self._n_blocks * self._lanes - self._n
        return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, filling)], mode="edge")

    def _to_lanes(self, array: npt.NDArray[Any], dtype: Any = None) -> npt.NDArray[Any]:
        """Return values [..., network] as [block, ..., lane]."""
        array = self._filled(array)
        array = np.moveaxis(
            array.reshape(*array.shape[:-1], self._n_blocks, self._lanes), -2, 0
        )
        aligned = _aligned(array.shape, dtype or self._dtype)
        aligned[...] = array
        return aligned


def _aligned(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """Return zeros at an address that is aligned for vectors."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    aligned: npt.NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    return aligned


def _address(array: Any) -> int:
    return (
        ctypes.addressof(array)
        if isinstance(array, ctypes.Array)
        else int(array.ctypes.data)
    )
