"""A chunk: networks that are trained together, and the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from seedbed.settings.recipe import Recipe

PATIENT_SHARE = 0.45  # of its epochs that a chunk with patience usually trains


@dataclass(frozen=True)
class Chunk:
    """Networks that are trained together: one architecture and one kind of optimizer.

    Attributes:
        build: builds one network.
        recipe: their common settings.
        seeds: one per network.
        splits: the number of the split that each network trains on.
        members: positions of the networks in the plan.
        together: how many consecutive networks stop together, with patience; 0 if all do.
        patience: if not None, training ends when the best epoch is half as many epochs ago as it took to reach it, but
            at least the first and at most the second of these numbers. A group is `together` consecutive networks, or
            all if that is 0. Its networks stop together, and the networks and outputs are then those of the epoch with
            the lowest loss on test rows: the loss of the mean prediction, see `Ensembles`.
        seconds: the time after which training with patience ends, with at least one epoch; None for no limit.
        engine: `native` is the kernel, for chains of layers that it covers; `torch` takes all chains; `plain` takes all
            modules, one network after the other.
        keep_networks: whether the result includes the trained parameters.
        dtype, device: as torch names them.
    """

    build: Callable[[], nn.Module]
    recipe: Recipe
    seeds: tuple[int, ...]
    splits: tuple[int, ...]
    members: tuple[int, ...]
    together: int = 0
    patience: tuple[int, int] | None = None
    seconds: float | None = None
    engine: Literal["native", "torch", "plain"] = "torch"
    keep_networks: bool = False
    dtype: str = "float32"
    device: str = "cpu"

    @property
    def usual_epochs(self) -> float:
        """The expected number of epochs that its networks train for; exact if none ends early."""
        return self.recipe.n_epochs * (PATIENT_SHARE if self.patience else 1.0)


@dataclass(frozen=True)
class ChunkResult:
    """The result of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network] for each network's test rows, NaN elsewhere.
        dead: share of ReLU units that are zero for all training rows after the last epoch [network]; NaN if unknown.
        stacked: the networks' states, by the names in a `state_dict` [network, ...], or None.
        best: with patience, the number of epochs after which outputs and states were taken, for each group of networks.
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    stacked: dict[str, Tensor] | None
    best: tuple[int, ...] = ()

    @property
    def states(self) -> tuple[dict[str, Tensor], ...]:
        """One state dict per network; none if they weren't kept."""
        n = self.curves.shape[2] if self.stacked else 0
        return tuple({name: value[i].clone() for name, value in (self.stacked or {}).items()} for i in range(n))
