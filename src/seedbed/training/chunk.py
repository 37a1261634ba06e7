"""A chunk of a stack, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from seedbed.networks import Recipe

__all__ = ["Chunk", "ChunkResult"]

_USUAL_SHARE = 0.35  # of its epochs, as long as networks that choose are trained by default (see benchmarks/LOG.md)


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
        together: how many networks in a row, the inner splits of one learning rate, choose an epoch together: they are
            trained until `Waiting` ends them by the recipe's patience, and figures after that are NaN. 0 trains all
            networks to the last epoch.
        patience: where it is given, networks and outputs are those after the epoch that was best for all of them, and
            training ends after so many epochs without a better one; the curves end there, too. The best has the least
            loss on test rows: that of mean predictions, `WholeTable.ensemble_loss`, or of modules that take the general
            way, and of tables in a file, the mean loss.
        seconds: after which a training with patience ends in any case, one epoch done; none for no limit.
        engine: what trains them: `native` is the kernel of `training.native`, for networks that it covers; `torch`
            takes all.
        keep_networks: whether trained parameters are part of the result.
        keep_outputs: whether outputs are; where nobody looks at them they are many.
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
    together: int = 0
    patience: int | None = None
    seconds: float | None = None
    engine: Literal["native", "torch"] = "torch"
    keep_networks: bool = False
    keep_outputs: bool = True
    dtype: str = "float32"
    device: str = "cpu"

    @property
    def usual_epochs(self) -> float:
        """About how many epochs its networks are trained; known before only where none ends early."""
        return (_USUAL_SHARE if self.together else 1.0) * self.recipe.epochs


@dataclass(frozen=True)
class ChunkResult:
    """What came of a chunk.

    Attributes:
        curves: [4, epoch, network], in the order of `CURVES`.
        outputs: float32 [row, output, network]; of a network's test rows, NaN elsewhere. No rows if they aren't kept.
        dead: [network], the share of ReLU units that are zero for all training rows after the last epoch; NaN where
            that isn't known.
        states: a state dict a network, or none.
        best: of a training with patience, after how many epochs outputs and states are.
    """

    curves: npt.NDArray[np.floating]
    outputs: npt.NDArray[np.float32]
    dead: npt.NDArray[np.float32]
    states: tuple[dict[str, Tensor], ...] | None
    best: int | None = None
