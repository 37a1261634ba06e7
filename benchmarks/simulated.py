"""Simulated tables of which the truth is known, and the networks that are compared on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

BLOCK = 3
"""Columns of a block."""

Rows = tuple[NDArray[np.float64], NDArray[Any]]
"""Features [row, column] and target [row]."""


@dataclass(frozen=True)
class World:
    """Where tables come from: columns are independent and standard normal; the log-odds of class 1 are a weighted sum
    of them and an intercept.

    Attributes:
        weights: of each column of a block, one for each block of three columns.
        intercept: 0 gives classes of one size.
        target: `as drawn`; `shuffled`, which keeps the classes' sizes and forgets the columns; `noise`, half zeros and
            half ones in random order; `numbers`, the weighted sum and normal noise; or `three classes`, each with
            log-odds from one column of every block.
        apart: distance between the means of the two classes in each column, on top of that, by which a block of
            three columns can tell nearly everything.
        group_size: so many rows that follow each other are a group, which shares half of the variance of the columns
            and an effect on the log-odds; 1 for independent rows.
        serial: the correlation of a row with the next one, in columns and in an effect on the log-odds; 0 for
            independent rows.
    """

    weights: tuple[float, ...]
    intercept: float = 0.0
    target: Literal["as drawn", "shuffled", "noise", "numbers", "three classes"] = "as drawn"
    apart: float = 0.0
    group_size: int = 1
    serial: float = 0.0

    def draw(self, n_rows: int, *key: int) -> Rows:
        """Rows that depend on the world and the key alone."""
        rng = np.random.default_rng(key)
        noise = rng.normal(size=(n_rows, BLOCK * len(self.weights) + 1))
        if self.group_size > 1:
            groups = rng.normal(size=(-(-n_rows // self.group_size), noise.shape[1]))
            shared = groups.repeat(self.group_size, axis=0)[:n_rows]
            noise = np.sqrt(0.5) * (shared + noise)
            noise[:, -1] = shared[:, -1]
        for row in range(1, n_rows if self.serial else 0):
            noise[row] = self.serial * noise[row - 1] + np.sqrt(1 - self.serial**2) * noise[row]
        X, effect = noise[:, :-1], noise[:, -1]
        parts = X.reshape(n_rows, -1, BLOCK) * np.array(self.weights)[:, None]
        z = parts.sum(axis=(1, 2)) + self.intercept
        if self.group_size > 1 or self.serial:
            z = z + effect
        if self.target == "numbers":
            return X, z + rng.normal(size=n_rows)
        if self.target == "three classes":
            return X, (2 * parts.sum(axis=1) + rng.gumbel(size=(n_rows, BLOCK))).argmax(axis=1)
        y = (rng.random(n_rows) < expit(z)).astype(np.int64)
        if self.target == "shuffled":
            y = rng.permutation(y)
        if self.target == "noise":
            y = rng.permutation(np.arange(n_rows) % 2)
        return X + self.apart * (y[:, None] - 0.5), y


@dataclass(frozen=True)
class Sees:
    """A network that sees some blocks of columns only: all of them if none is named."""

    blocks: tuple[int, ...] = ()
    network: str = "relu:5"

    def of(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The columns that it sees [row, column]."""
        return np.hstack([X[:, BLOCK * block : BLOCK * (block + 1)] for block in self.blocks]) if self.blocks else X


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
        lr: learning rate.
        plain: whether candidates are logistic regressions on what they see, which have no seeds, in place of networks.
    """

    name: str
    world: World
    n_rows: int
    candidates: Mapping[str, Sees]
    baselines: tuple[str, ...] = ()
    epoch: Literal["last", "inner"] = "last"
    lr: float = 1.0
    plain: bool = field(default=False, repr=False)

    @property
    def reference(self) -> str:
        """The name of the reference."""
        return next(iter(self.baselines or self.candidates))

    @property
    def metric(self) -> str:
        """The score that is tested."""
        return "squared_error" if self.world.target == "numbers" else "brier"


_EVEN = World((0.8, 0.8))
_TWO_BLOCKS = {"first": Sees((0,)), "second": Sees((1,))}
_MORE_COLUMNS = {"first": Sees((0,)), "second": Sees((0, 1))}
_ALONE = {"network": Sees()}
_NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")


def _blocks(number: int) -> dict[str, Sees]:
    """So many candidates, each of which sees a block of its own."""
    return {name: Sees((block,)) for block, name in enumerate(_NAMES[:number])}


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("blocks-100", _EVEN, 100, _TWO_BLOCKS),
        Setting("blocks-300", _EVEN, 300, _TWO_BLOCKS),
        # A tenth of the rows is of class 1.
        Setting("blocks-minority", World((0.8, 0.8), -3.38), 300, _TWO_BLOCKS),
        Setting("blocks-inner", _EVEN, 300, _TWO_BLOCKS, epoch="inner"),
        # Easy: each block tells 97 in 100 rows right, so a tenth of the error is less than the default margin.
        Setting("blocks-easy", World((0.0, 0.0), apart=2.2), 300, _TWO_BLOCKS),
        Setting("blocks-groups", World((0.8, 0.8), group_size=3), 300, _TWO_BLOCKS),
        Setting("blocks-classes", World((0.8, 0.8), target="three classes"), 300, _TWO_BLOCKS),
        Setting("blocks-numbers", World((0.8, 0.8), target="numbers"), 300, _TWO_BLOCKS, lr=0.1),
        Setting("blocks-serial", World((0.8, 0.8), serial=0.8), 500, _TWO_BLOCKS),
        Setting("blocks-in-time", _EVEN, 500, _TWO_BLOCKS),
        Setting("plain-100", _EVEN, 100, _TWO_BLOCKS, plain=True),
        Setting("plain-300", _EVEN, 300, _TWO_BLOCKS, plain=True),
        Setting("three-100", World((0.8,) * 3), 100, _blocks(3)),
        Setting("six-100", World((0.6,) * 6), 100, _blocks(6)),
        Setting("itself-300", _EVEN, 300, {"first": Sees((0,)), "second": Sees((0,))}),
        Setting("itself-100", _EVEN, 100, {"first": Sees((0,)), "second": Sees((0,))}),
        Setting("widths-100", _EVEN, 100, {"first": Sees(), "second": Sees((), "relu:10")}),
        # A third of the rows is of class 1.
        Setting("shuffled-300", World((0.8, 0.8), -1.12, "shuffled"), 300, _ALONE, ("prior",), epoch="inner"),
        Setting("noise-300", World((0.8, 0.8), 0.0, "noise"), 300, _ALONE, ("prior",), epoch="inner"),
        # What block B adds is such that seeing it, too, is worth 6.0 and 1.7 points of accuracy.
        Setting("gain-300", World((1.6, 0.881)), 300, _MORE_COLUMNS),
        Setting("gain-1000", World((1.6, 0.423)), 1000, _MORE_COLUMNS),
    )
}
"""All settings by name. All blocks tell equally much in all of them but the last two."""
IN_TIME = ("blocks-serial", "blocks-in-time")
"""Settings whose latest fifth is locked away."""
