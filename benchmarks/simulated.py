"""Simulated tables of which the truth is known, and the models that are compared on them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

import seedbed as sb
from seedbed.data.reading import table_from_arrays
from seedbed.experiment.fits import Group
from seedbed.experiment.spec import Experiment, specify
from seedbed.model.portfolio import AUTO

BLOCK = 3
"""Columns of a block."""

Rows = tuple[NDArray[np.float64], NDArray[Any]]
"""Features [row, column] and target [row]."""


@dataclass(frozen=True)
class World:
    """Where tables come from: columns are independent and standard normal; the log-odds of class 1
    are a weighted sum of them and an intercept.

    Attributes:
        weights: of each column of a block, one for each block of three columns.
        intercept: 0 gives classes of one size.
        target: `as drawn`; `shuffled`, which keeps the classes' sizes and forgets the columns;
            `noise`, half zeros and half ones in random order; `numbers`, the weighted sum and
            normal noise; or `three classes`, each with log-odds from one column of every block.
        apart: distance between the means of the two classes in each column, on top of that, by
            which a block of three columns can tell nearly everything.
        group_size: so many rows that follow each other are a group, which shares half of the
            variance of the columns and an effect on the log-odds; 1 for independent rows.
        serial: the correlation of a row with the next one, in columns and in an effect on the
            log-odds; 0 for independent rows.
        censored: of `survival`, whose times are exponential with the weighted sum as the logarithm
            of the rate, the share of rows that are censored, at independent exponential times.
    """

    weights: tuple[float, ...]
    intercept: float = 0.0
    target: Literal[
        "as drawn", "shuffled", "noise", "numbers", "three classes", "survival"
    ] = "as drawn"
    apart: float = 0.0
    group_size: int = 1
    serial: float = 0.0
    censored: float = 0.0

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
            noise[row] = (
                self.serial * noise[row - 1] + np.sqrt(1 - self.serial**2) * noise[row]
            )
        X, effect = noise[:, :-1], noise[:, -1]
        parts = X.reshape(n_rows, -1, BLOCK) * np.array(self.weights)[:, None]
        z = parts.sum(axis=(1, 2)) + self.intercept
        if self.group_size > 1 or self.serial:
            z = z + effect
        if self.target == "numbers":
            return X, z + rng.normal(size=n_rows)
        if self.target == "survival":
            times = rng.exponential(size=n_rows) / np.exp(z)
            ends = rng.exponential(size=n_rows) * _scale_of_censoring(self)
            return X, np.column_stack([np.minimum(times, ends), times <= ends])
        if self.target == "three classes":
            return X, (2 * parts.sum(axis=1) + rng.gumbel(size=(n_rows, BLOCK))).argmax(
                axis=1
            )
        y = (rng.random(n_rows) < expit(z)).astype(np.int64)
        if self.target == "shuffled":
            y = rng.permutation(y)
        if self.target == "noise":
            y = rng.permutation(np.arange(n_rows) % 2)
        return X + self.apart * (y[:, None] - 0.5), y


@functools.cache
def _scale_of_censoring(world: World) -> float:
    """Return the mean time of censoring that censors the share that a world asks for."""
    spread = np.sqrt(BLOCK * sum(weight**2 for weight in world.weights))
    rates = np.exp(norm.ppf((np.arange(2000) + 0.5) / 2000) * spread)
    return float(
        brentq(
            lambda scale: np.mean(1 / (1 + rates * scale)) - world.censored, 1e-9, 1e9
        )
    )


@dataclass(frozen=True)
class Sees:
    """A model that sees some blocks of columns only: all of them if none is named."""

    blocks: tuple[int, ...] = ()
    model: str = "network-1"


@dataclass(frozen=True)
class Setting:
    """What is compared on which tables.

    Attributes:
        name: for tables and caches.
        world: where the tables come from.
        n_rows: of each table.
        candidates: by name. Without a prior, the first is the reference.
        prior: whether predicting the class frequencies is compared as well, as the reference.
        in_time: whether rows follow in time, so that the latest fifth is locked away.
        to_the_end: whether all repeats are run, also those after the stop.
        deciding: the score that is tested; that of the task if left out.
    """

    name: str
    world: World
    n_rows: int
    candidates: Mapping[str, Sees]
    prior: bool = False
    in_time: bool = False
    to_the_end: bool = False
    deciding: str = dataclasses.field(default="", repr=False)

    @property
    def metric(self) -> str:
        """The score that is tested."""
        usual = {"numbers": "squared_error", "survival": "integrated_brier"}
        return self.deciding or usual.get(self.world.target, "brier")

    def experiment(self, rows: Rows, number: int, **design: Any) -> Experiment:
        """Return the comparison of the candidates on a table, as `specify` makes it, except that
        each model is fitted without the columns that it doesn't see, and starts from random numbers
        of its own.

        Args:
            number: all randomness follows from it.
            design: settings of `Design`.
        """
        table, groups = self._table(*rows), list[Group]()
        asked = sb.Design(
            baselines=["prior"], metric=self.metric, random_state=number, **design
        )
        for name, candidate in self.candidates.items():
            spec = specify(table, [candidate.model], recipe=sb.Recipe(), design=asked)
            without = tuple(
                column
                for at, column in enumerate(table.feature_names)
                if candidate.blocks and at // BLOCK not in candidate.blocks
            )
            if candidate.model == AUTO:
                groups.append(
                    dataclasses.replace(
                        spec.groups[-1], lines={AUTO: name}, without=without
                    )
                )
                continue
            member, prior = spec.groups[0].members
            groups.append(
                Group((dataclasses.replace(member, name=name),), {name: name}, without)
            )
        if self.prior:
            groups.insert(0, Group((prior,), {"prior": "prior"}))
        return dataclasses.replace(
            spec,
            groups=tuple(groups),
            reference=groups[0].names[0],
            missing={},
        )

    def _table(self, X: NDArray[np.float64], y: NDArray[Any]) -> sb.Table:
        """Return the table as a user would have it, with its groups or times."""
        if self.world.target == "survival":
            columns = {f"x{number}": column for number, column in enumerate(X.T)}
            outcome = {"days": y[:, 0], "event": y[:, 1].astype(int)}
            return sb.read_table(
                pd.DataFrame(columns | outcome), event="event", time="days"
            )
        if self.world.group_size == 1 and not self.in_time:
            return table_from_arrays(X, y)
        columns = {f"x{number}": column for number, column in enumerate(X.T)} | {"y": y}
        if self.in_time:
            return sb.read_table(
                pd.DataFrame(columns | {"time": np.arange(len(y))}),
                target="y",
                time_split="time",
            )
        groups = np.arange(len(y)) // self.world.group_size
        return sb.read_table(
            pd.DataFrame(columns | {"group": groups}), target="y", group="group"
        )


_EVEN = World((0.8, 0.8))
_NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")


def _blocks(number: int, model: str = "network-1") -> dict[str, Sees]:
    """So many candidates, each of which sees a block of its own."""
    return {name: Sees((block,), model) for block, name in enumerate(_NAMES[:number])}


def _settings() -> list[Setting]:
    settings = []
    worlds = {
        "100": (_EVEN, 100),
        "300": (_EVEN, 300),
        # A tenth of the rows is of class 1.
        "minority": (World((0.8, 0.8), -3.38), 300),
    }
    for model in ("logistic", "network-1", "network-2"):
        for name, (world, n) in worlds.items():
            end = model == "logistic"
            settings.append(
                Setting(
                    f"blocks-{name}-{model}",
                    world,
                    n,
                    _blocks(2, model),
                    to_the_end=end,
                )
            )
    for share in (30, 60, 90):
        world = World((0.8, 0.8), target="survival", censored=share / 100)
        models = ((100, "logistic"), (300, "logistic"), (300, "network-1"))
        settings += [
            Setting(f"survival-{share}-{n}-{model}", world, n, _blocks(2, model))
            for n, model in models
        ]
    same = {"first": Sees((0,)), "second": Sees((0,))}
    of_prior = {
        model: Sees((), model) for model in ("logistic", "network-1", "network-2")
    }
    more = {
        name: Sees(blocks, "network-1")
        for name, blocks in (("first", (0,)), ("second", (0, 1)))
    }
    return [
        *settings,
        Setting("blocks-100-boosted-trees", _EVEN, 100, _blocks(2, "boosted-trees")),
        Setting("blocks-100-auto", _EVEN, 100, _blocks(2, AUTO)),
        Setting(
            "blocks-300-roc_auc", _EVEN, 300, _blocks(2, "logistic"), deciding="roc_auc"
        ),
        Setting(
            "blocks-minority-recall",
            worlds["minority"][0],
            300,
            _blocks(2, "logistic"),
            deciding="recall",
        ),
        Setting("blocks-groups", World((0.8, 0.8), group_size=3), 300, _blocks(2)),
        Setting(
            "blocks-classes", World((0.8, 0.8), target="three classes"), 300, _blocks(2)
        ),
        Setting("blocks-numbers", World((0.8, 0.8), target="numbers"), 300, _blocks(2)),
        Setting("blocks-in-time", _EVEN, 500, _blocks(2), in_time=True),
        Setting(
            "blocks-serial",
            World((0.8, 0.8), serial=0.8),
            500,
            _blocks(2),
            in_time=True,
        ),
        Setting("six-100", World((0.6,) * 6), 100, _blocks(6)),
        Setting("itself-100", _EVEN, 100, same),
        Setting("itself-300", _EVEN, 300, same),
        # A third of the rows is of class 1.
        Setting(
            "shuffled-100",
            World((0.8, 0.8), -1.12, "shuffled"),
            100,
            of_prior,
            prior=True,
        ),
        Setting(
            "shuffled-300",
            World((0.8, 0.8), -1.12, "shuffled"),
            300,
            of_prior,
            prior=True,
        ),
        # What the second block adds is worth about 6 and 1.7 points of accuracy.
        Setting("gain-300", World((1.6, 0.881)), 300, more),
        Setting("gain-1000", World((1.6, 0.423)), 1000, more),
    ]


SETTINGS = {setting.name: setting for setting in _settings()}
"""All settings by name. All blocks tell equally much in all of them but the last two."""
