"""The networks of a chunk in the kernel's layout, and checked calls of the kernel."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_double, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seedbed.settings import OPTIMIZERS, Recipe, Tensors
from seedbed.training.embeddings import bins_between
from seedbed.training.inputs import Inputs
from seedbed.training.program import Program
from seedbed.training.step import Batch

__all__ = ["Blocks", "Setup", "typed"]

_LOSSES = ("bce", "cross_entropy", "mse")
_TILE_BYTES = 384 << 10
"""Bytes of all buffers of a tile: a part of the second-level cache."""
_POINTERS = (
    *("layers", "segments", "X", "y", "train", "test", "scale", "shift", "extra", "givers", "takers"),
    *("y_scale", "y_shift", "constants", "keys", "lr", "decay", "factors", "clock", "picked", "ended", "tested"),
    *("params", "moments", "figures", "work"),
)
_NUMBERS = (
    *("n_layers", "n_segments", "n_rows", "n_features", "n_outputs", "n_params", "n_moments"),
    *("n_constants", "n_givers", "n_blocks", "n_tested"),
    *("n_values", "n_gradients", "n_alive", "tile", "loss", "optimizer", "batch_size", "n_batches", "first_epoch"),
    *("n_epochs", "nesterov", "guarded", "same_in_training", "units_in_lanes", "patient"),
)


class _Layer(ctypes.Structure):
    _fields_ = [
        *((name, c_int32) for name in ("kind", "n_in", "n_out", "weight", "bias", "source", "target", "d_in", "d_out")),
        *((name, c_int32) for name in ("spare", "function", "number", "alive")),
        *((name, c_int32) for name in ("first_input", "first_unit", "each", "waves", "frequencies")),
        *((name, c_double) for name in ("a", "b", "c")),
    ]


class _Segment(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("start", "count", "decays")]


class _Job(ctypes.Structure):
    _fields_ = [
        *((name, c_void_p) for name in _POINTERS),
        *((name, c_int32) for name in _NUMBERS),
        *((name, c_double) for name in ("momentum", "smoothing", "clip")),
    ]


def typed(library: ctypes.CDLL) -> ctypes.CDLL:
    """Return the library with the types of its functions. Raise OSError if it has another version."""
    try:
        library.job_bytes.restype = library.layer_bytes.restype = c_int64
        if library.job_bytes() != ctypes.sizeof(_Job) or library.layer_bytes() != ctypes.sizeof(_Layer):
            raise OSError("the library is of another version")
        library.workspace.restype, library.workspace.argtypes = c_int64, [c_void_p]
        library.train.restype, library.train.argtypes = None, [c_void_p, c_int64, c_int64]
        for function in (library.look, library.look_for_life):
            function.restype, function.argtypes = None, [c_void_p, c_int64, c_void_p, c_void_p]
        array, size = c_void_p, c_int64
        library.walk.restype = None
        library.walk.argtypes = [array, size, size, array, array, array, size, size, size, array]
    except AttributeError as error:
        raise OSError(str(error)) from error
    return library


@dataclass(frozen=True)
class Setup:
    """How networks are trained.

    Attributes:
        recipe: the recipe.
        loss: the name of the loss.
        keys: keys of dropout [network].
        lr, decay: one per network.
        clock, factors: for all steps, see `optimizers.clock` and `optimizers.rate_factors`.
        n_batches: batches of an epoch; 1 for full batches.
        size: rows of a minibatch; 0 for full batches.
        guarded: whether rows of weight zero may overflow.
        patient: whether networks are evaluated after each epoch, which gives the figures of test rows.
    """

    recipe: Recipe
    loss: str
    keys: Tensor
    lr: Sequence[float]
    decay: Sequence[float]
    clock: Tensor
    factors: Tensor | None
    n_batches: int
    size: int
    guarded: bool
    patient: bool


class Blocks:
    """Networks in blocks, one per lane of a vector. The last block is filled up.

    Args:
        library: the kernel, from `typed`.
        program: what the kernel runs for these networks.
        setup: how they are trained.
        fit: all rows with their weights in training.
        test_weights: weights of rows in the test figures [row, network].
        tested: each network's test rows, followed by -1 [place, network].
        params, buffers: stacked parameters, and all other tensors [..., network].

    Attributes:
        n: number of networks.
        params, moments: what training changes [block, ..., parameter, lane].
        kept: parameters of networks when they were kept.
        figures: loss and hits of training and test rows before the step [block, epoch, 4, lane].
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        program: Program,
        setup: Setup,
        fit: Batch,
        test_weights: Tensor,
        tested: Tensor,
        params: Tensors,
        buffers: Tensors,
    ) -> None:
        self.library, self.program, self.n = library, program, len(setup.lr)
        self.dtype = next(iter(params.values())).numpy().dtype
        assert self.dtype.itemsize == library.number_bytes()
        self.lanes = 1 if program.units_in_lanes else library.vector_bytes() // self.dtype.itemsize
        self.n_blocks = -(-self.n // self.lanes)
        self.n_rows, self.n_outputs = len(fit.y), fit.y.shape[1]
        self._shapes = [params[segment.name].shape[:-1] for segment in program.segments]
        recipe = setup.recipe
        optimizer = OPTIMIZERS[recipe.optimizer]
        n_moments = optimizer.n_moments(recipe.momentum)
        self.params = self.laned(torch.cat([params[s.name].reshape(-1, self.n) for s in program.segments]))
        self.kept = self.params
        self.moments = _aligned((self.n_blocks, n_moments, program.n_params, self.lanes), self.dtype)
        self.figures = _aligned((self.n_blocks, recipe.epochs + 1, 4, self.lanes), self.dtype)
        self.ended = np.zeros(self.n_blocks, dtype=np.int32)
        arrays = {
            **self._rows(fit, test_weights),
            **self._steps(setup),
            "params": self.params,
            "moments": self.moments,
            "tested": self._filled(tested.numpy()),
            "figures": self.figures,
            "ended": self.ended,
            "layers": (_Layer * len(program.layers))(*(_Layer(*layer) for layer in program.layers)),
            "segments": (_Segment * len(program.segments))(
                *(_Segment(s.start, s.size, int(s.is_weight or recipe.decay_biases)) for s in program.segments)
            ),
        }
        if program.edges:
            arrays["constants"] = self.laned(torch.cat([_constants(buffers[name]) for name in program.edges]))
        n_features = fit.inputs.X.shape[1]
        units = program.n_values + program.n_gradients + (n_features if setup.size else 0)
        tile = _TILE_BYTES // (units * self.lanes * self.dtype.itemsize)
        self.job = _Job(
            n_layers=len(program.layers), n_segments=len(program.segments), n_rows=self.n_rows, n_features=n_features,
            n_outputs=self.n_outputs, n_params=program.n_params, n_moments=n_moments,
            n_constants=program.n_constants,
            n_givers=len(arrays.get("givers", ())), n_blocks=self.n_blocks, n_tested=len(tested),
            n_values=program.n_values,
            n_gradients=program.n_gradients, n_alive=program.n_alive, tile=max(4, min(48, tile // 12 * 12)),
            loss=_LOSSES.index(setup.loss), optimizer=optimizer.native, batch_size=setup.size,
            n_batches=setup.n_batches, n_epochs=recipe.epochs, nesterov=int(recipe.nesterov),
            guarded=int(setup.guarded), patient=int(setup.patient), same_in_training=int(program.same_in_training),
            units_in_lanes=int(program.units_in_lanes), momentum=recipe.momentum,
            smoothing=recipe.label_smoothing, clip=recipe.clip_norm or 0.0,
        )  # fmt: skip
        for name, array in arrays.items():
            setattr(self.job, name, _address(array))
        self._arrays = arrays  # the job holds their addresses
        self._check()
        self._work = _aligned((library.workspace(ctypes.addressof(self.job)),), np.uint8)
        self.job.work = _address(self._work)

    def _rows(self, fit: Batch, test_weights: Tensor) -> dict[str, Any]:
        """Return the table, and each network's scales and weights of it."""
        inputs = _ordered(fit.inputs, self.program.order)
        arrays: dict[str, Any] = {
            "X": self._plain(inputs.X),
            "y": self._plain(fit.y[:, :, 0]),
            "train": self.laned(fit.weights),
            "test": self.laned(test_weights),
        }
        if inputs.scale is not None and inputs.shift is not None:
            arrays |= {"scale": self.laned(inputs.scale), "shift": self.laned(inputs.shift)}
        if inputs.across is not None:
            givers, takers = inputs.across.givers, inputs.across.takers
            arrays |= {"extra": self.laned(inputs.across.extra[givers]), "givers": self._plain(givers, np.int32),
                       "takers": self._plain(takers, np.int32)}  # fmt: skip
        if fit.y_scale is not None and fit.y_shift is not None:
            arrays |= {"y_scale": self.laned(fit.y_scale), "y_shift": self.laned(fit.y_shift)}
        return arrays

    def _steps(self, setup: Setup) -> dict[str, Any]:
        """Return arrays that steps need."""
        arrays = {
            "keys": self.laned(setup.keys, np.int32),
            "lr": self.laned(torch.tensor(setup.lr, dtype=torch.float64), np.float64),
            "decay": self.laned(torch.tensor(setup.decay, dtype=torch.float64)),
            "clock": self._plain(setup.clock, np.float64),
        }
        return arrays if setup.factors is None else {**arrays, "factors": self._plain(setup.factors, np.float64)}

    def _check(self) -> None:
        """Check all shapes and row numbers, because the kernel doesn't."""
        job, blocks, lanes = self.job, self.n_blocks, self.lanes
        by_feature, steps = (blocks, job.n_features, lanes), job.n_epochs * job.n_batches
        expected = {
            "X": (self.n_rows, job.n_features), "y": (self.n_rows, self.n_outputs),
            "train": (blocks, self.n_rows, lanes), "test": (blocks, self.n_rows, lanes), "scale": by_feature,
            "shift": by_feature, "extra": (blocks, job.n_givers, lanes), "givers": (job.n_givers,),
            "takers": (job.n_givers,), "y_scale": (blocks, lanes), "y_shift": (blocks, lanes),
            "keys": (blocks, lanes), "lr": (blocks, lanes), "decay": (blocks, lanes), "clock": (steps, 3),
            "factors": (steps,), "ended": (blocks,), "params": (blocks, job.n_params, lanes),
            "constants": (blocks, job.n_constants, lanes), "tested": (job.n_tested, blocks * lanes),
        }  # fmt: skip
        for name, shape in expected.items():
            actual = self._arrays[name].shape if name in self._arrays else shape
            assert actual == shape, f"{name} has shape {actual}, not {shape}"
        assert (self.program.layers[0].n_in, self.program.layers[-1].n_out) == (job.n_features, self.n_outputs)
        assert ((self._arrays["tested"] >= -1) & (self._arrays["tested"] < self.n_rows)).all()
        for name in ("givers", "takers"):
            places = self._arrays.get(name, np.empty(0))
            assert ((places >= 0) & (places < job.n_features)).all()

    def train(self, start: int, end: int, picked: npt.NDArray[np.int32] | None = None) -> None:
        """Train from epoch `start` to before `end`.

        Args:
            start, end: the epochs.
            picked: the rows of each network's minibatches, -1 for none [epoch, place, network].
        """
        assert 0 <= start < end <= self.job.n_epochs
        if picked is not None:
            places = self.job.n_batches * self.job.batch_size
            assert picked.shape == (end - start, places, self.n)
            assert picked.min() >= -1
            assert picked.max() < self.n_rows
            picked = self._filled(picked)
            self.job.picked, self.job.first_epoch = _address(picked), start
        else:
            assert self.job.batch_size == 0
        self.library.train(ctypes.addressof(self.job), start, end)

    def losses(self, start: int, end: int) -> Tensor:
        """Return test losses [epoch, network] before the steps of epochs `start` to before `end`."""
        return self.stacked(self.figures[:, start:end, 2])

    def end(self, networks: npt.NDArray[np.bool_]) -> bool:
        """Stop training blocks that contain only these networks [network], and return whether all blocks stopped."""
        filling = self.n_blocks * self.lanes - self.n
        self.ended[:] = np.pad(networks, (0, filling), mode="edge").reshape(self.n_blocks, self.lanes).all(axis=1)
        return bool(self.ended.all())

    def look(self, *, ended: bool = True) -> tuple[Tensor, Tensor]:
        """Return test figures [2, network], and outputs of each network's own test rows [place, output, network].

        Args:
            ended: whether to look at blocks that stopped training; otherwise their results are 0.
        """
        blocks = np.arange(self.n_blocks) if ended else np.flatnonzero(self.ended == 0)
        figures, outputs = self._looked(self.library.look, blocks, (2,), (self.job.n_tested, self.n_outputs))
        return figures, outputs

    def keep(self, networks: npt.NDArray[np.bool_]) -> None:
        """Keep the parameters of these networks [network]."""
        if self.kept is self.params:
            self.kept = self.params.copy()
        lanes = self.laned(torch.from_numpy(networks), np.bool_)
        whole = lanes.all(axis=1)
        self.kept[whole] = self.params[whole]
        if (lanes.any(axis=1) & ~whole).any():
            np.copyto(self.kept, self.params, where=lanes[:, None])

    def look_for_life(self) -> tuple[Tensor, Tensor]:
        """Return which ReLU units are above zero for some training row [unit, network], and whether all outputs for
        training rows are finite [network]."""
        blocks = np.arange(self.n_blocks)
        alive, finite = self._looked(self.library.look_for_life, blocks, (self.program.n_alive,), ())
        return alive > 0, finite > 0

    def _looked(self, look: Any, blocks: npt.NDArray[np.int64], *sizes: tuple[int, ...]) -> list[Tensor]:
        """Return the results of a function of the library [..., network]."""
        results = [_aligned((self.n_blocks, *size, self.lanes), self.dtype) for size in sizes]
        starts = [(_address(array), array.strides[0]) for array in results]
        for block in blocks.tolist():
            look(ctypes.addressof(self.job), block, *(start + block * stride for start, stride in starts))
        return [self.stacked(array) for array in results]

    def values(self, params: npt.NDArray[Any] | None = None) -> Tensors:
        """Return parameters [..., network], by default the present ones."""
        flat = self.stacked(self.params if params is None else params)
        return {
            segment.name: flat[segment.start : segment.start + segment.size].reshape(*shape, self.n)
            for segment, shape in zip(self.program.segments, self._shapes, strict=True)
        }

    def stacked(self, array: npt.NDArray[Any]) -> Tensor:
        """Return an array [block, ..., lane] as [..., network]."""
        flat = np.moveaxis(array, 0, -2).reshape(*array.shape[1:-1], self.n_blocks * self.lanes)
        return torch.from_numpy(np.ascontiguousarray(flat[..., : self.n]))

    def _plain(self, values: Tensor, dtype: Any = None) -> npt.NDArray[Any]:
        return np.ascontiguousarray(values.numpy(), dtype=dtype or self.dtype)

    def _filled(self, places: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """Return row numbers [..., network] for all lanes of all blocks. The last network fills the last block up."""
        filling = self.n_blocks * self.lanes - self.n
        padded = np.pad(places, [(0, 0)] * (places.ndim - 1) + [(0, filling)], mode="edge")
        return np.ascontiguousarray(padded, dtype=np.int32)

    def laned(self, values: Tensor, dtype: Any = None) -> npt.NDArray[Any]:
        """Return values [..., network] as [block, ..., lane]. The last network fills the last block up."""
        array = values.detach().numpy()
        filling = self.n_blocks * self.lanes - self.n
        array = np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, filling)], mode="edge")
        array = np.moveaxis(array.reshape(*array.shape[:-1], self.n_blocks, self.lanes), -2, 0)
        aligned = _aligned(array.shape, dtype or self.dtype)
        aligned[...] = array
        return aligned


def _ordered(inputs: Inputs, order: Sequence[int] | None) -> Inputs:
    """Return inputs in another order, given by their numbers, or unchanged if it is None."""
    if order is None:
        return inputs
    scale, shift, across = inputs.scale, inputs.shift, inputs.across
    if across is not None:
        places = torch.tensor(order).argsort()  # of each input in the new order
        across = across._replace(extra=across.extra[order], givers=places[across.givers], takers=places[across.takers])
    scale, shift = (None if values is None else values[order] for values in (scale, shift))
    return Inputs(inputs.X[:, order], scale, shift, across)


def _constants(edges: Tensor) -> Tensor:
    """Return the constants of a piecewise linear encoding's bins [constant, network], in the order of embeddings.h."""
    return torch.cat([part.flatten(0, 1) for part in bins_between(edges)])


def _aligned(shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
    """Return zeros at an address that is aligned for vectors."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    aligned: npt.NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    return aligned


def _address(array: Any) -> int:
    return ctypes.addressof(array) if isinstance(array, ctypes.Array) else int(array.ctypes.data)
