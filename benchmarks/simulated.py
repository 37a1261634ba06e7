"""Simulated tables of which the truth is known, and the networks that are compared on them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import nn

N_COLUMNS = 6
HIDDEN = 5

Rows = tuple[NDArray[np.float64], NDArray[np.int64]]
"""Features [row, column] and target [row]."""


@dataclass(frozen=True)
class World:
    """Where tables come from: columns are independent and standard normal; the log-odds of class 1 are a weighted sum
    of them and an intercept.

    Attributes:
        weight_a, weight_b: of each column of block A (the first three) and of block B (the last three).
        intercept: 0 gives classes of one size.
        target: `as drawn`; `shuffled`, which keeps the classes' sizes and forgets the columns; or `noise`, half zeros
            and half ones in random order.
        apart: distance between the means of the two classes in each column, on top of that, by which a block of
            three columns can tell nearly everything.
    """

    weight_a: float
    weight_b: float
    intercept: float = 0.0
    target: Literal["as drawn", "shuffled", "noise"] = "as drawn"
    apart: float = 0.0

    def draw(self, n_rows: int, *key: int) -> Rows:
        """Rows that depend on the world and the key alone."""
        rng = np.random.default_rng(key)
        X = rng.normal(size=(n_rows, N_COLUMNS))
        half = N_COLUMNS // 2
        z = self.weight_a * X[:, :half].sum(1) + self.weight_b * X[:, half:].sum(1) + self.intercept
        y = (rng.random(n_rows) < expit(z)).astype(np.int64)
        if self.target == "shuffled":
            y = rng.permutation(y)
        if self.target == "noise":
            y = rng.permutation(np.arange(n_rows) % 2)
        return X + self.apart * (y[:, None] - 0.5), y


@dataclass(frozen=True)
class Sees:
    """Builds a network with one hidden layer of ReLU units that sees some of the columns only.

    The columns are picked by a frozen layer of zeros and ones. So the network is a chain of layers that the engine
    knows, and all candidates train on one table.
    """

    columns: tuple[int, ...]

    def __call__(self, n_features: int, n_outputs: int) -> nn.Module:
        picked = _picking(self.columns, n_features)
        return nn.Sequential(picked, nn.Linear(len(self.columns), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_outputs))


@functools.cache
def _picking(columns: tuple[int, ...], n_features: int) -> nn.Linear:
    """The frozen layer; one serves all networks, as building a module takes longer than training it here."""
    layer = nn.Linear(n_features, len(columns), bias=False)
    layer.weight = nn.Parameter(torch.eye(n_features)[list(columns)], requires_grad=False)
    return layer


A, B, ALL = Sees((0, 1, 2)), Sees((3, 4, 5)), Sees((0, 1, 2, 3, 4, 5))


@dataclass(frozen=True)
class Setting:
    """What is compared on which tables.

    Attributes:
        name: for tables and caches.
        world: where the tables come from.
        n_rows: of each table.
        candidates: by name. Where there is no baseline, the first is the reference.
        baselines: the first, if any, is the reference.
        epoch: `last`, or `inner` for one that inner splits choose.
    """

    name: str
    world: World
    n_rows: int
    candidates: Mapping[str, Sees]
    baselines: tuple[str, ...] = ()
    epoch: Literal["last", "inner"] = "last"

    @property
    def reference(self) -> str:
        """The name of the reference."""
        return next(iter(self.baselines or self.candidates))


_EVEN = World(0.8, 0.8)
_TWO_BLOCKS = {"first": A, "second": B}
_MORE_COLUMNS = {"first": A, "second": ALL}
_ALONE = {"network": ALL}

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("blocks-100", _EVEN, 100, _TWO_BLOCKS),
        Setting("blocks-300", _EVEN, 300, _TWO_BLOCKS),
        # A tenth of the rows is of class 1.
        Setting("blocks-minority", World(0.8, 0.8, -3.38), 300, _TWO_BLOCKS),
        Setting("blocks-inner", _EVEN, 300, _TWO_BLOCKS, epoch="inner"),
        # Easy: each block tells 97 in 100 rows right, so a tenth of the error is less than the default margin.
        Setting("blocks-easy", World(0.0, 0.0, apart=2.2), 300, _TWO_BLOCKS),
        Setting("itself-300", _EVEN, 300, {"first": A, "second": A}),
        # A third of the rows is of class 1.
        Setting("shuffled-300", World(0.8, 0.8, -1.12, "shuffled"), 300, _ALONE, ("prior",), epoch="inner"),
        Setting("noise-300", World(0.8, 0.8, 0.0, "noise"), 300, _ALONE, ("prior",), epoch="inner"),
        # What block B adds is such that seeing it, too, is worth 6.0 and 1.7 points of accuracy.
        Setting("gain-300", World(1.6, 0.881), 300, _MORE_COLUMNS),
        Setting("gain-1000", World(1.6, 0.423), 1000, _MORE_COLUMNS),
    )
}
"""All settings by name. Block A and block B tell equally much in all of them but the last two."""
