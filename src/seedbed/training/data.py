"""The rows that a stack trains on: one table, shared by all networks, the weights of each split, and what modules learn
from its rows before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.data.splits import Split
from seedbed.errors import CandidateError, OptionError, TrainingError, counted
from seedbed.networks.parts import Embeddings

MOST_ROWS = 1 << 14
"""Rows that a module's `look_at` receives at most. Their quantiles are usually exact to half a percent of the rows."""


@dataclass(frozen=True)
class TrainingData:
    """A table for training.

    Attributes:
        X: features [row, feature].
        y: target: class codes or numbers [row], or numbers [row, output].
        train: weight of each row in a split's training, 0 if it isn't part of it [row, split].
        test: weight of each row in a split's test figures [row, split].
    """

    X: npt.NDArray[np.floating]
    y: npt.NDArray[np.generic]
    train: npt.NDArray[np.number]
    test: npt.NDArray[np.number]

    @property
    def is_huge(self) -> bool:
        """Whether networks may see numbers so large that a layer could overflow.

        That can happen on rows that a network doesn't train on, because only its training rows are standardised. Their
        weight is zero, but zero times infinity is NaN.
        """
        largest = max(float(self.X.max()), -float(self.X.min()))
        return bool(largest > np.finfo(self.X.dtype).max ** (1 / 3))

    def n_outputs(self, network: nn.Module) -> int:
        """Return the number of a network's outputs for these features. `forward` runs, so give a network that isn't
        trained later.

        Raises:
            CandidateError: the network can't take the features, or doesn't return a row of outputs per row.
        """
        try:
            with torch.no_grad():
                like = next(network.parameters(), torch.zeros(0))
                z = network.eval()(torch.zeros(2, self.X.shape[1], dtype=like.dtype, device=like.device))
        except Exception as error:
            first_line = (str(error) or type(error).__name__).splitlines()[0]
            shapes = isinstance(error, RuntimeError) and "shape" in first_line
            hint = "Its first layer must have as many inputs as the table has features." if shapes else ""
            hint = hint or dtype_hint(first_line)
            raise CandidateError(
                f"the network can't take {counted(self.X.shape[1], 'feature')}: {first_line}", hint
            ) from error
        if not isinstance(z, Tensor):
            raise CandidateError(f"the network returned a {type(z).__name__}", "It must return a tensor.")
        if z.dim() not in (1, 2) or len(z) != 2:
            raise CandidateError(
                f"the network returned shape {list(z.shape)} for 2 rows", "It must return [row, output], or [row]."
            )
        return z.shape[1] if z.dim() == 2 else 1


def dtype_hint(message: str) -> str:
    """Return what to do about an error of torch on the types of numbers; empty if it isn't one."""
    if "dtype" not in message and "scalar type" not in message:
        return ""
    return "The module mixes float32 and float64: create layers and buffers as float32, and don't cast in forward()."


def counted_rows(
    n_rows: int, splits: Sequence[Split], weights: npt.NDArray[np.floating] | None
) -> list[npt.NDArray[np.float32]]:
    """Return the weight of each row in each split's training, and in its test figures [row, split]."""
    counted = np.ones(n_rows) if weights is None else weights
    counts = [np.zeros((n_rows, len(splits)), dtype=np.float32) for _ in ("train", "test")]
    for number, split in enumerate(splits):
        for matrix, rows in zip(counts, (split.train, split.test), strict=True):
            matrix[rows, number] = counted[rows]
    return counts


Part = tuple[npt.NDArray[np.floating], npt.NDArray[np.generic]]


def one_split(train: tuple[Any, Any], test: tuple[Any, Any], sample_weight: Any, dtype: str) -> TrainingData:
    """Check a user's arrays and return them as the rows of one split, training rows first.

    Args:
        train, test: features and target of each part.
        sample_weight: weights of the training rows [row], or None.
        dtype: `float32` or `float64`.

    Raises:
        TrainingError: the arrays don't fit together, or contain values that can't be trained on.
        OptionError: there is no such dtype.
    """
    parts = _rows("train", *train, dtype), _rows("test", *test, dtype)
    for name, column in (("X", 0), ("y", 1)):
        shapes = [list(part[column].shape) for part in parts]
        if shapes[0][1:] != shapes[1][1:]:
            raise TrainingError(f"{name}_train has shape {shapes[0]}, {name}_test {shapes[1]}")
    n_train, n_test = (len(part[0]) for part in parts)
    weights = np.zeros((n_train + n_test, 2))
    if sample_weight is not None and np.shape(sample_weight) != (n_train,):
        raise TrainingError(f"sample_weight has shape {list(np.shape(sample_weight))}", f"It must be [{n_train}].")
    weights[:n_train, 0] = 1 if sample_weight is None else _array("sample_weight", sample_weight)
    weights[n_train:, 1] = 1
    if weights.min() < 0 or weights[:, 0].sum() == 0:
        raise TrainingError("sample_weight is negative or all zero")
    X, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    return TrainingData(X, y, weights[:, :1].astype(X.dtype), weights[:, 1:].astype(X.dtype))


def _array(name: str, values: Any) -> npt.NDArray[np.generic]:
    if isinstance(values, torch.Tensor):
        values = values.numpy(force=True)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise TrainingError(f"{name} isn't an array: {error}") from None
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuf":
        raise TrainingError(f"{name} contains {array.dtype}", "It must contain numbers.")
    if not np.isfinite(array).all():
        raise TrainingError(f"{name} contains NaN or infinite numbers", "Replace or drop them.")
    return array


def _rows(part: str, X: Any, y: Any, dtype: str) -> Part:
    if dtype not in ("float32", "float64"):
        raise OptionError(f"unknown dtype '{dtype}'", "Use float32 or float64.")
    features, target = _array(f"X_{part}", X), _array(f"y_{part}", y)
    for name, array in (("X", features), ("y", target)):
        if array.size and np.abs(array).max() > np.finfo(dtype).max:
            raise TrainingError(f"{name}_{part} contains numbers too large for {dtype}", "Standardise it first.")
    if features.ndim != 2 or not features.shape[1]:
        raise TrainingError(f"X_{part} has shape {list(features.shape)}", "It must be [row, feature].")
    if target.ndim == 2 and target.shape[1] == 1:
        target = target[:, 0]
    if target.ndim not in (1, 2) or len(target) != len(features) or not len(features):
        raise TrainingError(f"X_{part} has shape {list(features.shape)}, y_{part} {list(target.shape)}")
    return features.astype(dtype), target


def expand_inputs(X: Tensor, n_networks: int) -> Tensor:
    """Return the inputs of each network [row, feature, network], from those of all [row, feature] or of each."""
    return X if X.dim() == 3 else X[:, :, None].expand(-1, -1, n_networks)


def zero_uncounted(x: Tensor, weights: Tensor) -> Tensor:
    """Return x [row, unit, network] with zeros where a row's weight [row, network] is zero. Gradients are zero there,
    too, for any x."""
    counted: Tensor = _Counting.apply(x, weights > 0)  # type: ignore[no-untyped-call]
    return counted


class _Counting(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, counts: Tensor) -> Tensor:
        return _where(counts, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (counts,) = ctx.saved_tensors
        return _where(counts, gradient), None


def _where(counts: Tensor, x: Tensor) -> Tensor:
    # The mask has the memory layout of x. Otherwise the result would have another layout, and later sums would round
    # differently.
    return torch.where(torch.zeros_like(x, dtype=torch.bool) | counts[:, None], x, 0)


@dataclass(frozen=True)
class Storage:
    """Where and how the tensors of a stack are stored.

    Attributes:
        device, dtype: as torch has them.
        network_first: whether the network axis varies slowest in memory.
    """

    device: torch.device
    dtype: torch.dtype
    network_first: bool = False

    def store(self, value: Tensor) -> Tensor:
        """Return a tensor [..., network] on the device, in the memory layout and number type of the stack."""
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        if self.network_first:
            return value.permute(*reversed(range(value.dim()))).contiguous().permute(*reversed(range(value.dim())))
        return value.contiguous()


def look_at(network: nn.Module, X: Tensor) -> None:
    """Give training rows X [row, feature] to modules that have a method `look_at`, once, before the first step.

    Such a module passes rows on to modules inside it itself. Of many rows it gets some, which are the same each time.
    """
    rows = X[torch.from_numpy(_some(len(X)))] if len(X) > MOST_ROWS else X
    with torch.no_grad():
        for module in modules_that_look(network):
            module.look_at(rows)  # type: ignore[operator]


def look_at_splits(
    networks: Sequence[nn.Module], splits: Sequence[int], data: TrainingData, dtype: torch.dtype
) -> None:
    """Give each network the training rows of its split, see `look_at`."""
    if not modules_that_look(networks[0]):
        return
    trained = {split: data.train[:, split].nonzero()[0] for split in dict.fromkeys(splits)}
    seen = {split: torch.from_numpy(data.X[rows[_some(len(rows))]]).to(dtype) for split, rows in trained.items()}
    for network, split in zip(networks, splits, strict=True):
        look_at(network.to(dtype), seen[split])


def modules_that_look(network: nn.Module) -> list[nn.Module]:
    """Return the modules of a network that have a method `look_at` and use it."""
    inside = [module for child in network.children() for module in modules_that_look(child)]
    if isinstance(network, Embeddings):
        return [network] if inside else []  # it passes rows on
    return [network] if callable(getattr(network, "look_at", None)) else inside


def some_rows(weights: npt.NDArray[np.number]) -> npt.NDArray[np.int64]:
    """Return the rows with a weight above 0 [row], or evenly spaced ones of many, because the table may be sorted."""
    (rows,) = np.nonzero(weights)
    return np.asarray(rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64)])


def _some(n_rows: int) -> npt.NDArray[np.int64]:
    """Return all rows, or evenly spaced ones, because the table may be sorted."""
    return np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(np.int64)
