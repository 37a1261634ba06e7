"""How often is a confirmed claim false after many adaptive tries, and how many useful changes are
kept?

    python benchmarks/gate.py check                 the same keeps and claims as seedbed's own gate
    python benchmarks/gate.py loops FILE.csv 400 [--world numbers] [--rows 300] [--tries 60]
                                                 [--useful 3]
    python benchmarks/gate.py table FILE.csv        the tables of gate.md

A loop starts from a linear model of five columns. A greedy tuner tries what correlates most with
the errors of its model on the open rows: first each of 60 columns, of which three or none help,
then the best of 20 changed columns (copies with a little of another one, squashed ones, products,
sums with the signs of their correlations), and so on. A useful column that wasn't kept can come
back as a copy. The truth is the loss on 20,000 new rows, without the noise of their targets. The
worlds:

numbers    columns and errors are normal; `faint` has smaller effects
tails      errors are of t with 3 degrees of freedom; in `outliers` columns are, too
classes    two classes, and the Brier score of a linear model; in `rare` one of them has 28 % of the
rows peeking    a try is a sum of 20 noise columns, weighted by their correlations with the errors
           on all open rows: it has seen the answers of the folds
seeds      a try is the same model with other noise in its predictions, the best of 20 on the open
           rows: none is truly better or worse, so each claim is false

The gate's law is computed in memory: least squares of all splits through sums of products, then
`corrected_t` and `certainty` as `Gate.try_` has them, and `paired_hold_out` as `Gate.confirm`.
`check` compares both with a real gate.
"""

from __future__ import annotations

import argparse
import copy
import csv
import functools
import itertools
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import seedbed as sb
from seedbed.evaluation.behind import certainty
from seedbed.evaluation.estimates import (
    Estimate,
    corrected_t,
    inference,
    paired_hold_out,
    wilson,
)
from seedbed.experiment.gate_rows import GateRows, lock_and_split

Array = NDArray[Any]
Column = tuple[
    str, tuple[int, ...], tuple[float, ...]
]  # kind, columns that it is made of, their weights

N_BASE, N_COLUMNS, N_POOL, N_NEW = 5, 60, 20, 20_000
EFFECTS = {  # of a useful column; but for `faint`, strict gating keeps about one of three in 60 tries
    "numbers": {200: 0.43, 300: 0.33, 2000: 0.12},
    "tails": {300: 0.32, 2000: 0.117},
    "outliers": {300: 0.33, 2000: 0.12},
    "classes": {300: 0.75, 2000: 0.27},
    "rare": {300: 0.75, 2000: 0.3},
    "peeking": {300: 0.0, 2000: 0.0},
    "seeds": {300: 0.0, 2000: 0.0},
    "faint": {300: 0.22, 2000: 0.08},
}
WORLDS = tuple(EFFECTS)
FIELDS = (
    "world",
    "rows",
    "tries",
    "useful",
    "way",
    "loop",
    "kept",
    "useful_kept",
    "gain",
    "repeats",
    "by_tries",
    "two",
    "one",
    "wider",
)


@dataclass(frozen=True)
class Law:
    """When a try is kept. With `by` chance as the gate does: from `likely` at the last look, before
    it from `clear`, and never below `hopeless`; or if the mean gain, or the low end of its
    interval, is above 0."""

    by: str = "chance"
    likely: float = 0.95
    clear: float = 0.99
    hopeless: float = 0.8
    looks: tuple[int, ...] = (2, 5, 10)

    def decided(self, estimate: Estimate, look: int) -> bool | None:
        """Return whether a try is kept; None if it takes more repeats."""
        if self.by != "chance":
            return bool((estimate.mean if self.by == "mean" else estimate.low) > 0)
        if estimate.mean <= 0 or estimate.error_unknown:
            return False
        sure = certainty(estimate)
        if look == self.looks[-1]:
            return sure >= self.likely
        return None if self.hopeless <= sure < self.clear else sure >= self.clear


WAYS = {
    "gate, .95": Law(),
    "gate, .90": Law(likely=0.9),
    "gate, .85": Law(likely=0.85),
    "naive": Law("mean", looks=(10,)),
    "strict": Law("low", looks=(10,)),
}


def column_of(Z: Array, column: Column) -> Array:
    """Return the values of a column, made of raw ones [row, raw column]."""
    kind, of, weights = column
    if kind == "squashed":
        return np.asarray(np.tanh(2 * Z[:, of[0]]))
    return np.asarray(
        Z[:, of[0]] * Z[:, of[1]] if kind == "product" else Z[:, of] @ np.array(weights)
    )


class Claim(NamedTuple):
    """A gain on the locked rows by their own error, and by the larger one of these and the open
    rows, as the gate takes it."""

    locked: Estimate
    wider: Estimate


class World:
    """Raw columns (of the start, useful and noise), the target, the gate's rows, and new rows that
    tell the truth."""

    def __init__(self, kind: str, n: int, useful: int, loop: int) -> None:
        self.kind, self.loop, self.is_classes = kind, loop, kind in ("classes", "rare")
        effect = EFFECTS[kind][n]
        base = np.full(N_BASE, 0.8 if self.is_classes else 0.5)
        self.effects = np.concatenate(
            [base, np.full(useful, effect), np.zeros(N_COLUMNS - useful)]
        )
        self.useful = set(range(N_BASE, N_BASE + useful))
        rng = np.random.default_rng([WORLDS.index(kind), n, useful, loop])
        self.Z = raw(kind, rng, n)
        mean = self.mean(self.Z)
        if self.is_classes:
            self.y = (rng.random(n) < mean).astype(np.float64)
        else:
            self.y = mean + (
                rng.standard_t(3, n) / np.sqrt(3)
                if kind in ("tails", "outliers")
                else rng.normal(size=n)
            )
        frame = pd.DataFrame(self.Z[:, :N_BASE], columns=list("abcde"))
        self.table: Any = sb.read_table(
            frame.assign(
                y=np.where(self.y > 0, "yes", "no") if self.is_classes else self.y
            ),
            target="y",
        )
        self.rows: GateRows = lock_and_split(self.table, None)
        self.tried: dict[tuple[tuple[Column, ...], int], Column] = {}
        self.differences: dict[tuple[tuple[Column, ...], Column], list[Array]] = {}
        self.start: list[Column] = [
            ("raw", (place,), (1.0,)) for place in range(N_BASE)
        ]

    def mean(self, Z: Array) -> Array:
        """Return the expected target."""
        return (
            expit(Z @ self.effects - 1.5 * (self.kind == "rare"))
            if self.is_classes
            else Z @ self.effects
        )

    def usable(self, p: Array) -> Array:
        return np.clip(p, 0.0, 1.0) if self.is_classes else p

    def design(self, Z: Array, columns: list[Column]) -> Array:
        return np.column_stack(
            [
                np.ones(len(Z)),
                *(column_of(Z, column) for column in columns if column[0] != "seed"),
            ]
        )

    def noise(self, column: Column) -> Array:
        """Return what the seed of a model adds to its predictions [row]; 0 in worlds without
        seeds."""
        number = column[1][0] if column[0] == "seed" else 0
        rng = np.random.default_rng([self.loop, number, N_NEW])
        return (
            0.3 * rng.normal(size=len(self.y))
            if self.kind == "seeds"
            else np.zeros(len(self.y))
        )

    def fitted(self, columns: list[Column], train: Array) -> Callable[[Array], Array]:
        """Return what predicts by least squares."""
        beta = np.linalg.lstsq(
            self.design(self.Z[train], columns), self.y[train], rcond=None
        )[0]
        return lambda Z: self.usable(self.design(Z, columns) @ beta)

    @functools.cached_property
    def begun(self) -> Model:
        return Model(self, self.start)

    @functools.cached_property
    def loss_of_start(self) -> float:
        return self.loss(self.start)

    def loss(self, columns: list[Column]) -> float:
        """Return the loss on new rows, without the noise of their targets."""
        new = raw(self.kind, None, N_NEW)
        return float(
            np.mean((self.fitted(columns, self.rows.open)(new) - self.mean(new)) ** 2)
        )

    def claim(self, columns: list[Column], start: list[Column] | None = None) -> Claim:
        """Return the gain on the locked rows, as `Gate.confirm` has it."""
        rows = self.rows
        splits = [
            (split.train, split.test) for split in rows.splits if split.repeat == 0
        ]
        versions = (self.start if start is None else start, columns)
        on_open, on_locked = (
            [self.losses(some, parts) for some in versions]
            for parts in (splits, [(rows.open, rows.locked)])
        )
        locked = paired_hold_out(*on_locked)
        se = paired_hold_out(*on_open).se * np.sqrt(len(rows.open) / len(rows.locked))
        wider = inference(
            locked.mean,
            max(se, locked.se),
            df=locked.df,
            alpha=2 * locked.alpha,
            comparisons=1,
        )
        return Claim(locked, wider)

    def losses(self, columns: list[Column], splits: list[tuple[Array, Array]]) -> Array:
        """Return losses [1, row] of the test rows of some splits, one after the other."""
        noise = self.noise(columns[-1]) if columns else np.zeros(len(self.y))
        p = [
            self.fitted(columns, train)(self.Z[test]) + noise[test]
            for train, test in splits
        ]
        tested = np.concatenate([test for _, test in splits])
        return (np.concatenate(p)[None] - self.y[tested]) ** 2


def expit(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def raw(kind: str, rng: np.random.Generator | None, n: int) -> Array:
    """Return raw columns; without a generator those of the new rows, which are the same for all
    loops."""
    if rng is None:
        return _new(kind, n)
    shape = (n, N_BASE + N_COLUMNS)
    return (
        rng.standard_t(3, shape) / np.sqrt(3)
        if kind == "outliers"
        else rng.normal(size=shape)
    )


@functools.cache
def _new(kind: str, n: int) -> Array:
    return raw(kind, np.random.default_rng(99), n)


@dataclass
class Model:
    """The current model in all splits, by least squares from sums of products, with its out-of-fold
    predictions."""

    world: World
    columns: list[Column]
    X: Array = field(
        init=False
    )  # [row, column] of open rows, with a first column of ones
    grams: Array = field(init=False)  # [repeat, fold, column, column] of training rows
    moments: Array = field(init=False)  # [repeat, fold, column]
    predictions: Array = field(init=False)  # [repeat, row], before they are clipped

    def __post_init__(self) -> None:
        rows, opened = self.world.rows, self.world.rows.open
        place = np.full(len(self.world.y), -1)
        place[opened] = np.arange(len(opened))
        self.fold = np.zeros((rows.design.repeats, len(opened)), dtype=np.int64)
        for split in rows.splits:
            self.fold[split.repeat, place[split.test]] = split.fold
        self.member = (
            self.fold[:, None] == np.arange(rows.design.folds)[:, None]
        ).astype(np.float64)
        self.sizes = self.member.sum(axis=2)
        self.Z, self.y = self.world.Z[opened], self.world.y[opened]
        self.C = self.Z - self.Z.mean(axis=0)
        self.C /= np.linalg.norm(self.C, axis=0)
        self.X = np.ones((len(opened), 1))
        self.grams = self._outside(np.ones((len(opened), 1)), slice(None))[..., None]
        self.moments = self._outside(self.y[:, None], slice(None))
        self._fit()
        start, self.columns = self.columns, []
        for column in start:
            self.add(column)

    def _outside(self, values: Array, repeats: slice) -> Array:
        """Return sums [repeat, fold, ...] of values [row, ...] over training rows."""
        return np.asarray(values.sum(axis=0) - self.member[repeats] @ values)

    def _fit(self) -> None:
        self.inverse = np.linalg.inv(self.grams)
        self.beta = (self.inverse @ self.moments[..., None])[..., 0]
        noise = self.world.noise(self.columns[-1])[self.world.rows.open]
        self.linear = self._own(self.beta)
        self.predictions = self.linear + noise
        self.errors = (
            self.y
            - self.X @ np.linalg.solve(self.X.T @ self.X, self.X.T @ self.y)
            - noise
        )

    def _own(self, beta: Array) -> Array:
        """Return X beta [repeat, row], of each row with the coefficients [repeat, fold, column] of
        its fold."""
        by_fold = beta @ self.X.T  # [repeat, fold, row]
        return np.take_along_axis(by_fold, self.fold[: len(beta), None], axis=1)[:, 0]

    def products(self, x: Array, repeats: slice) -> tuple[Array, Array, Array]:
        """Return sums over training rows of a new column with those of the model, with itself, and
        with the target."""
        sums = self._outside(
            np.column_stack([x[:, None] * self.X, x * x, x * self.y]), repeats
        )
        return sums[..., :-2], sums[..., -2], sums[..., -1]

    def values(self, column: Column) -> Array:
        """Return a column of the open rows, or the noise of a seed."""
        return (
            self.world.noise(column)[self.world.rows.open]
            if column[0] == "seed"
            else column_of(self.Z, column)
        )

    def add(self, column: Column) -> None:
        if column[0] == "seed":
            self.columns = [*self.columns, column]
        else:
            x = column_of(self.Z, column)
            g, c, b = self.products(x, slice(None))
            self.grams = np.block(
                [[self.grams, g[..., None]], [g[..., None, :], c[..., None, None]]]
            )
            self.moments = np.concatenate([self.moments, b[..., None]], axis=2)
            self.X, self.columns = np.column_stack([self.X, x]), [*self.columns, column]
        self._fit()

    def with_column(self, x: Array, repeats: slice) -> Array:
        """Return out-of-fold predictions [repeat, row] of the model with a column more, or with
        another seed."""
        if self.world.kind == "seeds":
            return self.linear[repeats] + x
        g, c, b = self.products(x, repeats)
        d = (self.inverse[repeats] @ g[..., None])[..., 0]
        left = c - (g * d).sum(axis=2)  # 0 if the column is a sum of those of the model
        weight = np.where(
            left > 1e-9 * c, b - (g * self.beta[repeats]).sum(axis=2), 0.0
        ) / np.maximum(left, 1e-9 * c)
        own = np.take_along_axis((d @ self.X.T), self.fold[repeats][:, None], axis=1)[
            :, 0
        ]
        return self.predictions[repeats] + np.take_along_axis(
            weight, self.fold[repeats], axis=1
        ) * (x - own)

    def fold_losses(self, predictions: Array, repeats: slice) -> Array:
        """Return mean losses [repeat, fold]."""
        losses = (self.world.usable(predictions) - self.y) ** 2
        return (self.member[repeats] @ losses[..., None])[..., 0] / self.sizes[repeats]

    def differences(self, column: Column, look: int) -> Array:
        """Return mean gains [repeat, fold] of the first repeats, if a column is added; computed
        once for all ways."""
        known, key = self.world.differences, (tuple(self.columns), column)
        parts = known.setdefault(key, [])
        for first, last in itertools.pairwise((0, *Law().looks)):
            if first < look and last > sum(map(len, parts)):
                repeats = slice(first, last)
                theirs = self.fold_losses(
                    self.with_column(self.values(column), repeats), repeats
                )
                parts.append(
                    self.fold_losses(self.predictions[repeats], repeats) - theirs
                )
        return np.concatenate(parts)[:look]

    def next(self, number: int, left: list[int]) -> Column:
        """Return what the tuner tries next, and remove it from the raw columns that are left."""
        by_raw, rng = (
            self.C.T @ self.errors,
            np.random.default_rng([self.world.loop, number]),
        )
        if self.world.kind == "peeking":
            of = tuple(
                int(one)
                for one in rng.choice(
                    np.arange(N_BASE, N_BASE + N_COLUMNS), N_POOL, replace=False
                )
            )
            return "sum", of, tuple(by_raw[list(of)].tolist())
        if self.world.kind == "seeds":
            seeds = [
                ("seed", (N_POOL * number + one,), ()) for one in range(1, N_POOL + 1)
            ]
            return max(seeds, key=lambda seed: float(self.values(seed) @ self.errors))
        if left:
            place = max(left, key=lambda column: abs(float(by_raw[column])))
            left.remove(place)
            return "raw", (place,), (1.0,)
        pool = list[Column]()
        for kind in itertools.islice(
            itertools.cycle(("copy", "squashed", "product", "sum")), N_POOL
        ):
            of = tuple(
                int(one)
                for one in rng.choice(
                    np.arange(N_BASE, N_BASE + N_COLUMNS), 4, replace=False
                )
            )
            if kind == "sum":
                pool.append((kind, of, tuple(np.sign(by_raw[list(of)]).tolist())))
            else:
                pool.append(
                    (
                        kind,
                        of[: 1 + (kind != "squashed")],
                        (1.0, 0.3) if kind == "copy" else (),
                    )
                )
        X = np.column_stack([column_of(self.Z, column) for column in pool])
        X -= X.mean(axis=0)
        return pool[int(np.abs(X.T @ self.errors / np.linalg.norm(X, axis=0)).argmax())]


def tuned(
    world: World,
    law: Law,
    tries: int,
    watch: Callable[[Model, Column, Estimate, int, bool], None] | None = None,
) -> tuple[Model, float]:
    """Return the model that a greedy tuner ends with, and the mean number of repeats of a try."""
    model, left, looked = (
        copy.copy(world.begun),
        [*range(N_BASE, N_BASE + N_COLUMNS)],
        0,
    )
    for number in range(tries):
        known = (tuple(model.columns), number)
        if left or known not in world.tried:
            world.tried[known] = model.next(number, left)
        column = world.tried[known]
        for look in law.looks:
            estimate = corrected_t(model.differences(column, look))
            kept = law.decided(estimate, look)
            if kept is not None:
                break
        looked += look
        if watch is not None:
            watch(model, column, estimate, look, bool(kept))
        if kept:
            model.add(column)
    return model, looked / tries


def outcome(world: World, law: Law, tries: int) -> dict[str, Any]:
    """Return what a loop led to; claims are by the rows of the tries at 95 %, and on the locked
    rows at 95 %, two- and one-sided."""
    model, repeats = tuned(world, law, tries)
    added = model.columns[N_BASE:]
    of_use = {
        one[1][0] for one in added if one[0] in ("raw", "copy", "squashed")
    } & world.useful
    result = {
        "kept": len(added),
        "useful_kept": len(of_use),
        "gain": 0.0,
        "repeats": round(repeats, 2),
    }
    if not added:
        return result | {"by_tries": False, "two": False, "one": False, "wider": False}
    every = slice(None)
    by_tries = corrected_t(
        model.fold_losses(world.begun.predictions, every)
        - model.fold_losses(model.predictions, every)
    )
    locked, wider = world.claim(model.columns)
    claims = {
        "by_tries": by_tries.low > 0,
        "two": locked.low > 0,
        "one": locked.mean > 0 and locked.p < 0.1,
        "wider": wider.low > 0,
    }
    return result | {"gain": world.loss_of_start - world.loss(model.columns)} | claims


def run(
    out: Path,
    n_loops: int,
    world: str,
    rows: int,
    tries: int,
    useful: int,
) -> None:
    """Append a line for each loop and way; loops that are there already are left out."""
    known = pd.read_csv(out) if out.exists() else pd.DataFrame(columns=list(FIELDS))
    same = (
        (known.world == world)
        & (known.rows == rows)
        & (known.tries == tries)
        & (known.useful == useful)
    )
    done = set(zip(known.loop[same], known.way[same], strict=True))
    with out.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not len(known):
            writer.writeheader()
        for loop in range(n_loops):
            if any((loop, way) not in done for way in WAYS):
                one = World(world, rows, useful, loop)
                about = {
                    "world": world,
                    "rows": rows,
                    "tries": tries,
                    "useful": useful,
                    "loop": loop,
                }
                for way, law in WAYS.items():
                    result = outcome(one, law, tries)
                    writer.writerow(
                        about
                        | {"way": way}
                        | result
                        | {"gain": f"{result['gain']:.6f}"}
                    )
                file.flush()


def check() -> None:
    """Compare keeps and claims with those of a real gate, which gets predictions by `lstsq`, split
    by split.

    It starts with always the same answer; its first try, which is kept, is the start of the
    simulation."""
    for kind, rows, loop in (
        ("numbers", 300, 0),
        ("tails", 300, 1),
        ("numbers", 2000, 2),
        ("classes", 300, 3),
    ):
        world = World(kind, rows, 3, loop)
        with tempfile.TemporaryDirectory() as folder:
            gate = sb.Gate.new(Path(folder) / "loop", world.table, candidate="prior")
            assert gate.try_(predictions=predicted(world, world.start)).kept

            def compare(
                model: Model,
                column: Column,
                estimate: Estimate,
                look: int,
                kept: bool,
                world: World = world,
                gate: sb.Gate = gate,
            ) -> None:
                attempt = gate.try_(
                    predictions=predicted(world, [*model.columns, column])
                )
                sure = (
                    certainty(estimate)
                    if estimate.mean > 0
                    else 1 - certainty(estimate)
                )
                assert (attempt.kept, attempt.repeats) == (kept, look), (
                    attempt,
                    estimate,
                )
                assert abs(attempt.certainty - sure) < 1e-6, (attempt, sure)

            model, _ = tuned(world, Law(), 75, compare)
            claim = pd.DataFrame({"row": world.rows.locked})
            p = world.fitted(model.columns, world.rows.open)(world.Z[world.rows.locked])
            claim["probability_yes" if world.is_classes else "prediction"] = p
            theirs = gate.confirm(claim)
            ours = world.claim(model.columns, []).wider
            sure = certainty(ours) if ours.mean > 0 else 1 - certainty(ours)
            assert abs(theirs.certainty - sure) < 1e-6, (theirs, ours)
            assert theirs.confirmed == (sure >= Law().likely), (theirs, ours)
            n_kept = len(model.columns) - N_BASE
            sys.stdout.write(
                f"{kind}, {rows:,} rows: 75 tries, {n_kept} kept, as by the gate; {theirs}\n"
            )


def predicted(world: World, columns: list[Column]) -> pd.DataFrame:
    """Return out-of-fold predictions as `Gate.try_` takes them."""
    p = np.full((world.rows.design.repeats, len(world.y)), np.nan)
    for split in world.rows.splits:
        p[split.repeat, split.test] = world.fitted(columns, split.train)(
            world.Z[split.test]
        )
    repeat, row = np.nonzero(np.isfinite(p))
    name = "probability_yes" if world.is_classes else "prediction"
    return pd.DataFrame({"row": row, "repeat": repeat + 1, name: p[repeat, row]})


def table(path: Path) -> None:
    """Write the results as Markdown: of nulls, and of worlds with useful changes."""
    results = pd.read_csv(path)
    results["world"] = pd.Categorical(
        results.world, [world for world in WORLDS if world in set(results.world)]
    )
    results["way"] = pd.Categorical(
        results.way, [way for way in WAYS if way in set(results.way)]
    )
    for has_useful, loops in results.groupby(results.useful > 0):
        kept = ["useful kept", "useless kept"] if has_useful else ["kept"]
        heads = [
            "world",
            "rows",
            "tries",
            "way",
            "loops",
            *kept,
            "true gain",
            "repeats a try",
        ]
        heads += [
            f"{claim}: made, false"
            for claim in (
                "on the tries' rows",
                "locked, two-sided",
                "locked, one-sided",
                "with the larger error",
            )
        ]
        sys.stdout.write(
            f"\n| {' | '.join(heads)} |\n| --- | ---: | ---: | --- |{' ---: |' * (len(heads) - 4)}\n"
        )
        for about, some in loops.groupby(
            ["world", "rows", "tries", "way"], observed=True
        ):
            cells = [about[0], f"{about[1]:,}", *about[2:], len(some)]
            cells += [f"{some.useful_kept.mean():.2f}"] * bool(has_useful)
            cells += [
                f"{(some.kept - some.useful_kept).mean():.2f}",
                f"{some.gain.mean():+.4f}",
            ]
            cells += [
                f"{some.repeats.mean():.1f}",
                *(claims(some, claim) for claim in ("by_tries", "two", "one", "wider")),
            ]
            sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")


def claims(loops: pd.DataFrame, claim: str) -> str:
    """Return in how many loops a gain is claimed, and in how many of all loops one that isn't
    true."""
    n, made, false = (
        len(loops),
        int(loops[claim].sum()),
        int((loops[claim] & (loops.gain <= 0)).sum()),
    )
    low, high = wilson(false, n)
    return f"{100 * made / n:.0f} %, {100 * false / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("check", "loops", "table"))
    parser.add_argument("file", type=Path, nargs="?", help="a CSV file of loops")
    parser.add_argument("loops", type=int, nargs="?", default=400)
    parser.add_argument("--world", choices=WORLDS, default="numbers")
    for option, number in (("rows", 300), ("tries", 60), ("useful", 0)):
        parser.add_argument(f"--{option}", type=int, default=number)
    asked = parser.parse_args()
    if asked.command == "check":
        check()
    elif asked.command == "table":
        table(asked.file)
    else:
        about = (asked.world, asked.rows, asked.tries, asked.useful)
        run(asked.file, asked.loops, *about)


if __name__ == "__main__":
    main()
