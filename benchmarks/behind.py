"""How often is a model wrongly called worse than the recommended one, and how often rightly?

python benchmarks/behind.py                  all worlds, written to benchmarks/behind.md
python benchmarks/behind.py --draws 50 --out -   a rough look

Tables are simulated. Model k is a ridge regression on its own block of three columns, a learner
that is fitted in microseconds; the Brier score of its clipped prediction is tested. Blocks of one
strength are equally informative, so each "worse" among the models of the strongest blocks is false.
A table is judged after 1, 2, 3, 5 and 10 repeats of ten folds, and an error at any of these looks
counts. The rules are those of `seedbed.evaluation.behind`, with the quantile of the largest |t| of
the pairs in question, and with Bonferroni's, which it replaced, in brackets.

What helps: model k against model k - 1, all pairs fixed before. Likely: after three repeats, how
often some row says likely worse although the model is as good, and which share of rows do; the same
of what likely helps or hurts.

Exact: losses of folds are normal numbers, and the standard error is right on average, as it is for
no learner. A table is judged once, after three repeats, whose 30 folds have 22 different values (18
degrees of freedom are taken).
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tables import Table, machine, print_or_write

from seedbed.data.splits import repeated_folds
from seedbed.evaluation.behind import contrasts_of, drawn_of, steps_behind
from seedbed.evaluation.estimates import corrected_t, wilson

LOOKS, FOLDS, BLOCK, ALPHA = (1, 2, 3, 5, 10), 10, 3, 0.05


@dataclass(frozen=True)
class World:
    """Rows, and the strength of each model's block; models of the greatest strength are the best.
    Rows of a group share half of the variance of columns, and an effect."""

    n: int
    strengths: tuple[float, ...]
    groups: int = 0

    @property
    def best(self) -> int:
        return self.strengths.count(max(self.strengths))


WORLDS = {
    **{f"{k} tied, {n} rows": World(n, (0.6,) * k) for n in (100, 300) for k in (2, 4, 7, 12)},
    **{
        f"2 tied best of {k}, 300 rows": World(300, (0.8,) * 2 + (0.3,) * (k - 2))
        for k in (4, 7, 12)
    },
    **{
        f"one best of {k}, {n} rows": World(n, (0.9,) + (0.4,) * (k - 1))
        for k in (4, 7)
        for n in (300, 1000)
    },
    **{f"9 tied, {n} rows": World(n, (0.6,) * 9) for n in (300, 100)},
    "one best of 9, 300 rows": World(300, (0.9,) + (0.4,) * 8),
    **{
        f"{k} tied, 300 rows in {n} groups": World(300, (0.6,) * k, n)
        for k in (2, 4)
        for n in (20, 30, 50, 100)
    },
}


def table_of(
    world: World, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns [row, model, block] and labels [row]."""
    X = rng.normal(size=(world.n, len(world.strengths), BLOCK))
    if world.groups:
        X = np.sqrt(0.5) * (X + rng.normal(size=(world.groups, *X.shape[1:]))[groups_of(world)])
    odds = np.einsum("nkb,k->n", X, world.strengths)
    if world.groups:
        odds += rng.normal(size=world.groups)[groups_of(world)]
    return X, (rng.random(world.n) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def groups_of(world: World) -> NDArray[np.int64] | None:
    return np.arange(world.n) * world.groups // world.n if world.groups else None


def folds_of(y: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return stratified folds [row]."""
    fold = np.empty(len(y), dtype=np.int64)
    order = np.concatenate([rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)])
    fold[order] = np.arange(len(y)) % FOLDS
    return fold


def grouped_folds(
    y: NDArray[np.float64], groups: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Return seedbed's folds of whole groups [repeat, row]."""
    folds = np.empty((LOOKS[-1], len(y)), dtype=np.int64)
    asked = {"repeats": LOOKS[-1], "folds": FOLDS, "random_state": seed, "groups": groups}
    for split in repeated_folds(y.astype(np.int64), **asked):
        folds[split.repeat, split.test] = split.fold
    return folds


def losses_of(
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    rng: np.random.Generator,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return the Brier score of each fold [repeat, fold, model]."""
    folds = None if groups is None else grouped_folds(y, groups, int(rng.integers(1 << 31)))
    n, losses = len(y), np.empty((LOOKS[-1], FOLDS, X.shape[1]))
    design = np.concatenate([X, np.ones((n, X.shape[1], 1))], axis=2).transpose(
        1, 0, 2
    )  # [model, row, column]
    penalty = np.diag([1.0] * BLOCK + [0.0])
    for repeat in range(LOOKS[-1]):
        fold = folds_of(y, rng) if folds is None else folds[repeat]
        for number in range(FOLDS):
            train, test = fold != number, fold == number
            A = design[:, train]
            weights = np.linalg.solve(
                A.transpose(0, 2, 1) @ A + penalty, (A.transpose(0, 2, 1) @ y[train])[..., None]
            )
            p = np.clip((design[:, test] @ weights)[..., 0], 0, 1)
            losses[repeat, number] = ((p - y[test]) ** 2).mean(axis=1)
    return losses


@dataclass(frozen=True)
class Judged:
    """The rules of all models but the recommended one, and the verdicts of what helps."""

    rules: dict[int, str]
    helps: list[str]

    @property
    def worse(self) -> set[int]:
        return {k for k, rule in self.rules.items() if rule == "worse"}

    @property
    def is_open(self) -> bool:
        """Whether something is likely, so that another quantile might show it."""
        return any(words.startswith("likely") for words in (*self.rules.values(), *self.helps))


def judged(
    losses: NDArray[np.float64], groups: NDArray[np.int64] | None = None, *, is_drawn: bool = True
) -> Judged:
    """Return what is said of losses [repeat, fold, model]."""
    best, names = int(losses.mean(axis=(0, 1)).argmin()), [str(k) for k in range(losses.shape[2])]

    def difference(one: str, other: str, pairs: int):  # type: ignore[no-untyped-def]
        gains = losses[..., int(one)] - losses[..., int(other)]
        return corrected_t(gains, alpha=ALPHA, comparisons=pairs, groups=groups)

    others = [name for name in names if int(name) != best]
    folds = {name: losses[..., int(name)] for name in names} if is_drawn else {}
    drawn = drawn_of(folds, difference(str(best), others[0], 1).df)
    level = {"margin": 1e-6, "alpha": ALPHA, "drawn": drawn}  # so that "worse" is never withheld
    steps = steps_behind(others, functools.partial(difference, str(best)), **level)
    questions = [("", one, (other,)) for other, one in itertools.pairwise(names)]
    helps = [one.verdict for one in contrasts_of(questions, difference, names, **level)]
    return Judged({int(name): rule for name, _, rule, _ in steps}, helps)


@dataclass(frozen=True)
class Outcome:
    """What happened on a table: whether a best model was called worse at any look, and whether
    something was said to help or hurt; after three repeats the share of worse models that were
    found, whether the headline was right (exactly the best models are left), and the shares of rows
    and of pairs that say likely."""

    false: bool
    false_help: bool
    found: float
    headline: bool
    likely: float
    likely_helps: float


def draw(world: World, losses: NDArray[np.float64]) -> tuple[Outcome, Outcome]:
    """Return what happened on a table with these losses, with the largest |t| and with Bonferroni's
    quantiles."""
    looks = [both(losses[:repeats], groups_of(world)) for repeats in LOOKS]
    now, before = (outcome(world, found) for found in zip(*looks, strict=True))
    return now, before


def both(
    losses: NDArray[np.float64], groups: NDArray[np.int64] | None = None
) -> tuple[Judged, Judged]:
    """Return what is said with the largest |t|, and with Bonferroni's quantiles."""
    before = judged(losses, groups, is_drawn=False)
    return judged(losses, groups) if before.is_open else before, before


def outcome(world: World, looks: Sequence[Judged]) -> Outcome:
    really, said = set(range(world.best, len(world.strengths))), looks[LOOKS.index(3)]
    likely = [rule == "likely_worse" for k, rule in said.rules.items() if k not in really]
    return Outcome(
        any(not found.worse <= really for found in looks),
        any(not {*found.helps}.isdisjoint({"helps", "hurts"}) for found in looks),
        len(said.worse & really) / max(1, len(really)),
        said.worse == really,
        float(np.mean(likely or [0.0])),
        float(np.mean([verdict.startswith("likely") for verdict in said.helps])),
    )


def outcomes(world: World, number: int, draws: int) -> Iterator[tuple[Outcome, Outcome]]:
    """Yield what happened on each table."""
    for seed in range(draws):
        rng = np.random.default_rng(10_000 * number + seed)
        yield draw(world, losses_of(*table_of(world, rng), rng, groups_of(world)))


def rate(hits: Sequence[bool]) -> str:
    low, high = wilson(sum(hits), len(hits))
    return f"{100 * np.mean(hits):.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def mean(values: Sequence[float], decimals: int = 0) -> str:
    return f"{100 * np.mean(values):.{decimals}f} %"


def tables_of(draws: int) -> tuple[Table, Table]:
    """Return the table of errors and power, and that of equal models."""
    rows: list[Sequence[str]] = []
    of_equal: list[Sequence[str]] = []
    for number, (name, world) in enumerate(WORLDS.items()):
        now, before = map(list, zip(*outcomes(world, number, draws), strict=True))
        said = f"{rate([one.false for one in now])} [{mean([one.false for one in before], 1)}]"
        power = ["", ""]
        if world.best < len(world.strengths):
            power = [
                f"{mean([one.found for one in now])} [{mean([one.found for one in before])}]",
                f"{mean([one.headline for one in now])} [{mean([one.headline for one in before])}]",
            ]
        else:
            helps = f"{rate([one.false_help for one in now])} [{mean([one.false_help for one in before], 1)}]"
            likely, likely_helps = [one.likely for one in now], [one.likely_helps for one in now]
            of_equal.append(
                [
                    name,
                    helps,
                    rate([share > 0 for share in likely]),
                    mean(likely, 1),
                    rate([share > 0 for share in likely_helps]),
                    mean(likely_helps, 1),
                ]
            )
            print(*of_equal[-1], sep="; ", flush=True)
        rows.append([name, f"{draws}", said, *power])
        print(*rows[-1], sep="; ", flush=True)
    columns = (
        "world",
        "tables",
        "a best model called worse, at any look",
        "worse models found",
        "right headline",
    )
    equal = (
        "world",
        "helps or hurts, at any look",
        "some row likely worse",
        "rows",
        "some pair likely",
        "pairs",
    )
    return Table("Errors and power", columns, rows), Table("Equal models", equal, of_equal)


def exact_losses(sizes: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return losses [repeat, fold, model] of three repeats, whose 30 folds have 22 different
    values."""
    folds = rng.normal(size=(22, len(sizes)))[[*range(22), *rng.choice(22, 8, replace=False)]]
    means = rng.normal(scale=np.sqrt(1 / len(folds) + 1 / (FOLDS - 1)), size=len(sizes))
    return ((means + folds - folds.mean(axis=0)) * sizes).reshape(3, FOLDS, -1)


def exact_table(draws: int) -> Table:
    rows = []
    for k in (4, 7, 12):
        for words, sizes in (
            ("equal spread", np.ones(k)),
            ("spread from 0.2 to 5", np.geomspace(0.2, 5, k)),
        ):
            rng = np.random.default_rng(k)
            losses = [exact_losses(sizes, rng) for _ in range(draws)]
            now, before = zip(
                *((bool(found.worse) for found in both(one)) for one in losses), strict=True
            )
            rows.append([f"{k} tied, {words}", f"{draws}", f"{rate(now)} [{mean(before, 1)}]"])
            print(*rows[-1], sep="; ", flush=True)
    return Table("Exact", ("world", "tables", "a best model called worse"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/behind.md"))
    options = parser.parse_args()
    tables = [*tables_of(options.draws), exact_table(3 * options.draws)]
    text = "\n\n".join(table.markdown() for table in tables)
    print_or_write(
        f"# Behind the recommended model\n\n{__doc__}\n{text}\n\n{machine()['processor']}\n",
        options.out,
    )


if __name__ == "__main__":
    main()
