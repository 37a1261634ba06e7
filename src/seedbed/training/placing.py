"""A chunk's rows as tensors: where they are computed on, and laid out as its networks want them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seedbed.training.data import TrainingData
from seedbed.training.inputs import Inputs, across, as_seen

__all__ = ["Placing"]


@dataclass(frozen=True)
class Placing:
    """How a table becomes tensors of a chunk.

    Attributes:
        data: the table.
        splits: the number of the split that each network trains on.
        seeds: one a network.
        batch_size: of the recipe.
        is_chain: whether the networks are a chain; a general network gets rows just as it sees them.
        network_first: whether the network axis varies slowest in memory.
        device, dtype: as torch has them.
    """

    data: TrainingData
    splits: tuple[int, ...]
    seeds: tuple[int, ...]
    batch_size: int | None
    is_chain: bool
    network_first: bool
    device: torch.device
    dtype: torch.dtype

    def inputs(self, X: npt.NDArray[np.floating]) -> Inputs:
        """Rows X [row, feature] and what each network sees of them; a general network gets just that."""
        data, own = self.data, torch.from_numpy(X).to(self.device, self.dtype)
        extra = self.of_splits(data.extra)
        also = None if data.also is None else torch.from_numpy(data.also).to(self.device)
        added = None if also is None or extra is None else across(also, extra)
        inputs = Inputs(own, self.of_splits(data.scale), self.of_splits(data.shift), added)
        if self.is_chain or inputs.scale is None:
            return inputs
        return Inputs(as_seen(own[:, :, None], inputs)[:, :, 0])

    def of_splits(self, values: npt.NDArray[np.floating] | None) -> Tensor | None:
        """Values [..., split] as [..., network]."""
        return None if values is None else self.placed(torch.from_numpy(values[..., list(self.splits)]))

    def placed(self, value: Tensor) -> Tensor:
        """A tensor with a last axis `network` where and how it is wanted."""
        value = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        if self.network_first:
            return value.permute(*reversed(range(value.dim()))).contiguous().permute(*reversed(range(value.dim())))
        return value.contiguous()
