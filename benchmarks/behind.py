"""How often is one of several equal models wrongly called worse, or better, than the reference?

    python benchmarks/behind.py                      all worlds, written to benchmarks/behind.md
    python benchmarks/behind.py --draws 50 --out -   a rough look

Tables are simulated. Model k is a ridge regression on its own block of three columns, a learner
that is fitted in microseconds; the Brier score of its clipped prediction is tested. Blocks of one
strength are equally informative, so each verdict between their models is false. A table is judged
after 1, 2, 3, 5 and 10 repeats of ten folds, and an error at any of these looks counts; what is
found is counted after three repeats. The reference is the first model, or the blend, which is the
mean of all predictions and truly better than each model of the same strength. What helps: model k
against model k - 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from simulation import parser_of, rate, write_page
from tables import Table, machine

from seedbed.data.splits import repeated_folds
from seedbed.evaluation.behind import contrasts_of, drawn_of, graded, simultaneous
from seedbed.evaluation.estimates import Estimate, corrected_t
from seedbed.evaluation.verdicts import decide

Floats = NDArray[np.float64]

LOOKS = (1, 2, 3, 5, 10)
SHOWN = LOOKS.index(3)
FOLDS = 10
BLOCK = 3
ALPHA = 0.05
BLEND = "blend"


@dataclass(frozen=True)
class World:
    """Rows, and the strength of each model's block. Rows of a group share half of the variance of
    columns, and an effect."""

    n: int
    strengths: tuple[float, ...]
    groups: int = 0

    @property
    def group_of(self) -> NDArray[np.int64] | None:
        return np.arange(self.n) * self.groups // self.n if self.groups else None


EQUAL = {
    f"{k} models, {n} rows": World(n, (0.6,) * k)
    for n in (100, 300)
    for k in (2, 4, 7, 12)
}
EQUAL |= {
    f"{k} models, 300 rows in {groups} groups": World(300, (0.6,) * k, groups)
    for k in (2, 4)
    for groups in (20, 50)
}
UNEQUAL = {
    f"{k} models, {n} rows": World(n, (0.4, 0.9, *(0.4,) * (k - 2)))
    for k in (4, 9)
    for n in (300, 1000)
}
"""The second model is truly better than the reference, and the only one."""


def table_of(world: World, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return columns [row, model, block] and labels [row]."""
    X = rng.normal(size=(world.n, len(world.strengths), BLOCK))
    group_of = world.group_of
    if group_of is not None:
        X = np.sqrt(0.5) * (X + rng.normal(size=(world.groups, *X.shape[1:]))[group_of])
    odds = np.einsum("nkb,k->n", X, world.strengths)
    if group_of is not None:
        odds += rng.normal(size=world.groups)[group_of]
    return X, (rng.random(world.n) < 1 / (1 + np.exp(-odds))).astype(np.float64)


def folds_of(
    y: Floats, rng: np.random.Generator, groups: Floats | None
) -> NDArray[np.int64]:
    """Return stratified folds, or seedbed's folds of whole groups [repeat, row]."""
    folds = np.empty((LOOKS[-1], len(y)), dtype=np.int64)
    if groups is None:
        for repeat in range(LOOKS[-1]):
            by_label = [rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)]
            folds[repeat, np.concatenate(by_label)] = np.arange(len(y)) % FOLDS
        return folds
    design = {
        "repeats": LOOKS[-1],
        "folds": FOLDS,
        "random_state": int(rng.integers(1 << 31)),
    }
    for split in repeated_folds(y.astype(np.int64), groups=groups, **design):
        folds[split.repeat, split.test] = split.fold
    return folds


def losses_of(X: Floats, y: Floats, folds: NDArray[np.int64]) -> dict[str, Floats]:
    """Return the Brier score of each model and of their blend [repeat, fold]."""
    ones = np.ones((*X.shape[:2], 1))
    design = np.concatenate([X, ones], axis=2).transpose(
        1, 0, 2
    )  # [model, row, column]
    penalty = np.diag([1.0] * BLOCK + [0.0])
    losses = np.empty((X.shape[1] + 1, *folds.shape[:1], FOLDS))
    for repeat, fold in itertools.product(range(len(folds)), range(FOLDS)):
        test = folds[repeat] == fold
        train = design[:, ~test]
        transposed = train.transpose(0, 2, 1)
        weights = np.linalg.solve(
            transposed @ train + penalty, (transposed @ y[~test])[..., None]
        )
        p = np.clip((design[:, test] @ weights)[..., 0], 0, 1)
        p = np.concatenate([p, p.mean(axis=0, keepdims=True)])
        losses[:, repeat, fold] = ((p - y[test]) ** 2).mean(axis=1)
    return dict(zip([*map(str, range(X.shape[1])), BLEND], losses, strict=True))


@dataclass(frozen=True)
class Judged:
    """The rule of each model but the reference, and the verdicts of what helps."""

    rules: dict[str, str]
    helps: set[str]

    @property
    def words(self) -> set[str]:
        return {*self.rules.values(), *self.helps}


def judged(
    losses: dict[str, Floats], reference: str, groups: NDArray[np.int64] | None = None
) -> Judged:
    """Return what is said of losses [repeat, fold]."""
    names = list(losses)
    others = [name for name in names if name != reference]

    def difference(one: str, other: str, pairs: int) -> Estimate:
        gains = losses[one] - losses[other]
        return corrected_t(gains, alpha=ALPHA, comparisons=pairs, groups=groups)

    neighbours = list(itertools.pairwise(names)) if reference != BLEND else []
    estimates = {name: difference(reference, name, len(others)) for name in others}
    pairs = [*estimates.values(), *(difference(*pair, 1) for pair in neighbours)]
    drawn = {}
    if any(one.p < ALPHA for one in pairs):  # else nothing can be shown
        drawn = drawn_of(losses, pairs[0].df)
    rules = {
        name: graded(
            decide(low=one.low, high=one.high), one, is_blend=reference == BLEND
        )
        for name, one in simultaneous(estimates, reference, drawn, ALPHA).items()
    }
    questions = [(f"{other} to {one}", one, (other,)) for other, one in neighbours]
    level = {
        "margin": 1e-6,
        "alpha": ALPHA,
        "drawn": drawn,
    }  # so that no difference is too small
    helps = contrasts_of(questions, difference, names, **level)
    return Judged(rules, {one.verdict for one in helps})


def outcomes(
    world: World, number: int, draws: int
) -> tuple[list[list[Judged]], list[Judged]]:
    """Return what is said of each table against the first model at each look, and against the
    blend after three repeats."""
    of_first, of_blend = list[list[Judged]](), list[Judged]()
    for seed in range(draws):
        rng = np.random.default_rng(10_000 * number + seed)
        X, y = table_of(world, rng)
        losses = losses_of(X, y, folds_of(y, rng, world.group_of))
        looks = [
            {name: one[:repeats] for name, one in losses.items()} for repeats in LOOKS
        ]
        of_blend.append(judged(looks[SHOWN], BLEND, world.group_of))
        for one in looks:
            del one[BLEND]
        of_first.append([judged(one, "0", world.group_of) for one in looks])
    return of_first, of_blend


def says(tables: Sequence[list[Judged]], *words: str) -> str:
    """Return the share of tables of which one of these words is said at any look."""
    return rate([any({*words} & one.words for one in looks) for looks in tables])


def of_models(tables: Sequence[Judged], *words: str) -> str:
    """Return the share of models of which one of these words is said."""
    hits = [rule in words for one in tables for rule in one.rules.values()]
    return f"{100 * np.mean(hits):.1f} %"


def tables_of(draws: int) -> list[Table]:
    """Return errors of equal models, errors beside the blend, and what is found."""
    equal, blend, found = list[list[str]](), list[list[str]](), list[list[str]]()
    for number, (name, world) in enumerate(EQUAL.items()):
        of_first, of_blend = outcomes(world, number, draws)
        strict = [says(of_first, "worse"), says(of_first, "better")]
        helps = says(of_first, "helps", "hurts")
        at_stop = [looks[SHOWN] for looks in of_first]
        likely = of_models(at_stop, "likely_worse", "likely_better")
        equal.append([name, *strict, says(of_first, "worse", "better"), helps, likely])
        worse = [
            of_models(of_blend, "worse"),
            of_models(of_blend, "worse", "likely_worse"),
        ]
        blend.append([name, says([[one] for one in of_blend], "better"), *worse])
        print(*equal[-1], *blend[-1][1:], sep="; ", flush=True)
    for number, (name, world) in enumerate(UNEQUAL.items(), len(EQUAL)):
        of_first, of_blend = outcomes(world, number, draws)
        better = rate([looks[SHOWN].rules["1"] == "better" for looks in of_first])
        of_equal = [
            [rule for k, rule in looks[-1].rules.items() if k != "1"]
            for looks in of_first
        ]
        false = rate([not {"better", "worse"}.isdisjoint(rules) for rules in of_equal])
        than_blend = rate([one.rules["1"] == "better" for one in of_blend])
        found.append([name, better, false, than_blend])
        print(*found[-1], sep="; ", flush=True)
    columns = (
        "equal models",
        "some worse",
        "some better",
        "either",
        "some helps or hurts",
    )
    return [
        Table(
            "Equal models, one of them the reference",
            (*columns, "likely worse or better, of all models"),
            equal,
        ),
        Table(
            "The blend of equal models is the reference",
            (
                "equal models",
                "some better (false)",
                "worse (true)",
                "worse or likely worse (true)",
            ),
            blend,
        ),
        Table(
            "One model is better than the reference and all others",
            (
                "models",
                "shown to be better",
                "a verdict on an equal one (false), after ten repeats",
                "shown to be better than the blend",
            ),
            found,
        ),
    ]


def main() -> None:
    options = parser_of(__doc__, "behind.md", draws=400).parse_args()
    text = "\n\n".join(table.markdown() for table in tables_of(options.draws))
    head = f"# Verdicts on equal models\n\n{__doc__}\n{options.draws} tables a row."
    write_page(f"{head}\n\n{text}\n\n{machine()['processor']}", options.out)


if __name__ == "__main__":
    main()
