"""Are the verdicts of `seedbed judge` honest? Scores of which the truth is known are made and
judged, hundreds a row.

    python benchmarks/judged.py                       all rows, written to benchmarks/judged.md
    python benchmarks/judged.py --rows 'mc-*' --out - some, printed; with --draws 50 a rough look at them

The learners are least-squares fits with a small ridge, so that hundreds of tables a row take
minutes. Scores go through a CSV file or a mapping, as a user has them.

- cv, skewed: two blocks of three columns are equally informative, so a verdict of better or worse
  is false. Columns are independent and normal, or skewed (exponentials of normal ones) and
  dependent (neighbours correlate by 0.7).
- folds: cv and skewed with 1, 3 and 10 repeats of three or five folds.
- mc: the same with random splits in place of folds.
- loop: 50 useless changes one after the other, each with a column of noise of its own, judged on
  the same folds against what was kept so far, and kept if it is called better. `tried` counts all
  50 from the beginning.
- seeds: equal candidates on one split, 20 seeds each. naive: what a t-test over the folds makes of
  cv.
- group: predictions of 300 rows of one test set by two equally good models, where half of the
  variance of each prediction and of the error is that of the group, so that differences of squared
  errors correlate by 0.25 within a group. Each cell without `group` and with it. labels:
  probabilities of two labels. folds: least-squares fits on ten folds, of random rows without
  `group`, and of whole groups with it. power: the second model is better.
- items: two equally good systems answer items of different difficulty, right or wrong, and attempts
  differ. Of items in groups, half of the variance of what one system alone finds easy is that of
  the group: with `group` and without it.
- plan: a true gain is shown by as many items as `plan_items` or `plan=True` says, by a pilot of two
  equally good systems. The power is meant to be 80 %.
"""

from __future__ import annotations

import functools
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit
from simulation import matching, parser_of, rate, write_page
from tables import Table, machine, number, say

import seedbed as sb
from seedbed.evaluation.estimates import corrected_t

Floats = NDArray[np.float64]
Splits = list[tuple[NDArray[np.int64], NDArray[np.int64]]]

SETS = 400
RIDGE = 1.0
CHANGES = 50


@dataclass(frozen=True)
class Row:
    """One row of the table: `draw` says of table `number` whether what is counted happened."""

    name: str
    what: str
    draw: Callable[[int], bool]
    bound: str = ""
    least: float = 0.0
    most: float = 1.0
    times: float = 1.0  # as many tables as other rows


def fit(X: Floats, y: Floats, rows: NDArray[np.int64]) -> Floats:
    """Return the coefficients of a least-squares fit with a small ridge, the intercept first."""
    A = np.column_stack([np.ones(len(rows)), X[rows]])
    penalty = RIDGE * np.eye(A.shape[1])
    penalty[0, 0] = 0
    coefficients: Floats = np.linalg.solve(A.T @ A + penalty, A.T @ y[rows])
    return coefficients


def brier(X: Floats, y: Floats, coefficients: Floats, rows: NDArray[np.int64]) -> float:
    p = np.clip(coefficients[0] + X[rows] @ coefficients[1:], 0, 1)
    return float(np.mean((p - y[rows]) ** 2))


def scores(X: Floats, y: Floats, splits: Splits) -> list[float]:
    """Return the Brier score of each split."""
    return [brier(X, y, fit(X, y, train), test) for train, test in splits]


def fold_splits(n: int, repeats: int, folds: int, rng: np.random.Generator) -> Splits:
    found = []
    for _ in range(repeats):
        fold = rng.permutation(np.arange(n) % folds)
        found += [
            (np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)
        ]
    return found


def random_splits(
    n: int, n_splits: int, share: float, rng: np.random.Generator
) -> Splits:
    orders = [rng.permutation(n) for _ in range(n_splits)]
    n_test = round(n * share)
    return [(order[n_test:], order[:n_test]) for order in orders]


def blocks(
    n: int, rng: np.random.Generator, *, skewed: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Return two blocks of three columns that are equally informative about y, and y."""
    X = rng.normal(size=(n, 6))
    if skewed:
        for block in (0, 3):
            for column in (block + 1, block + 2):
                X[:, column] = 0.7 * X[:, column - 1] + np.sqrt(1 - 0.49) * X[:, column]
    z = 0.8 * X.sum(axis=1)
    y = (rng.random(n) < expit(z)).astype(np.float64)
    if skewed:
        X = np.exp(X)
    return X[:, :3], X[:, 3:], y


def judged(
    columns: dict[str, Any], *, through_csv: bool = False, **options: Any
) -> sb.Judgement:
    if not through_csv:
        return sb.judge(columns, score="brier", **options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        return sb.judge(str(path), score="brier", **options)


def differs(judgement: sb.Judgement, name: str = "second") -> bool:
    return judgement.is_better(name) or judgement.is_worse(name)


def equal_blocks(
    number: int, n: int, *, skewed: bool = False, repeats: int = 10, folds: int = 10
) -> dict[str, Any]:
    rng = np.random.default_rng((1, n, skewed, number))
    first, second, y = blocks(n, rng, skewed=skewed)
    splits = fold_splits(n, repeats, folds, rng)
    places = np.divmod(np.arange(len(splits)), folds)
    return {
        "repeat": places[0],
        "fold": places[1],
        "first": scores(first, y, splits),
        "second": scores(second, y, splits),
    }


def false_winner(
    number: int, n: int, *, skewed: bool = False, repeats: int = 10
) -> bool:
    return differs(
        judged(
            equal_blocks(number, n, skewed=skewed, repeats=repeats),
            through_csv=not skewed,
        )
    )


def false_winner_of_few_folds(
    number: int, n: int, skewed: bool, repeats: int, folds: int
) -> bool:
    table = equal_blocks(number, n, skewed=skewed, repeats=repeats, folds=folds)
    gains = np.subtract(table["first"], table["second"])
    return (
        corrected_t(
            gains[None],
            n_test_over_n_train=1 / (folds - 1),
            df=degrees_of(repeats, folds),
        ).p
        < 0.05
    )


@functools.cache
def degrees_of(repeats: int, folds: int) -> int:
    """Return the degrees of freedom that a judgement of such scores has."""
    splits = np.arange(repeats * folds)
    columns = {
        "repeat": splits // folds,
        "fold": splits % folds,
        "first": splits / 100,
        "second": splits**2 / 1e4,
    }
    return int(sb.judge(columns, score="brier").conclusion.plan.df)


def naive(number: int, n: int) -> bool:
    table = equal_blocks(number, n)
    return bool(stats.ttest_rel(table["first"], table["second"]).pvalue < 0.05)


def false_winner_random(number: int, n: int, n_splits: int, share: float) -> bool:
    rng = np.random.default_rng((2, n, n_splits, number))
    first, second, y = blocks(n, rng)
    splits = random_splits(n, n_splits, share, rng)
    table = {
        "split": range(n_splits),
        "first": scores(first, y, splits),
        "second": scores(second, y, splits),
    }
    return differs(judged(table, test_share=share))


def keeps_any(
    number: int, n: int, *, growing: bool = False, changes: int = CHANGES
) -> bool:
    """Return whether a loop keeps any of its useless changes."""
    rng = np.random.default_rng((3, n, number))
    signal, _, y = blocks(n, rng)
    splits = fold_splits(n, 2, 10, rng)
    repeat, fold = np.divmod(np.arange(len(splits)), 10)
    now = scores(np.column_stack([signal, rng.normal(size=n)]), y, splits)
    for change in range(changes):
        new = scores(np.column_stack([signal, rng.normal(size=n)]), y, splits)
        tried = change if growing else changes - 1
        if judged(
            {"repeat": repeat, "fold": fold, "now": now, "new": new}, tried=tried
        ).is_better("new"):
            return True
    return False


def called_by_seeds(number: int) -> bool:
    """Return whether seeds on one split give a verdict of better or worse."""
    rng = np.random.default_rng((4, number))
    effect = rng.normal(0.0, 0.01, size=2)  # what this one split does to each candidate
    values = 0.18 + effect[:, None] + 0.002 * rng.normal(size=(2, 20))
    table = {
        "candidate": ["first"] * 20 + ["second"] * 20,
        "seed": [*range(20)] * 2,
        "brier": values.ravel(),
    }
    return differs(sb.judge(table))


# Groups

GROUPS = {
    "300 groups of 1 row": [1] * 300,
    "60 groups of 5 rows": [5] * 60,
    "30 groups of 10 rows": [10] * 30,
    "10 groups of 30 rows": [30] * 10,
    "5 groups of 60 rows": [60] * 5,
    "30 groups of 1 to 30 rows": [1] * 6 + [2] * 6 + [5] * 6 + [12] * 6 + [30] * 6,
    "12 groups of 1 to 110 rows": [1, 2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 110],
}


def grouped_columns(
    sizes: list[int], n_columns: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Return normal columns [row, column], half of whose variance is that of the group, and the
    group of each row."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    columns = rng.normal(size=(len(sizes), n_columns))[group] + rng.normal(
        size=(len(group), n_columns)
    )
    return columns / np.sqrt(2), group


def grouped_winner(
    number: int, sizes: list[int], *, named: bool, seeds: int = 1, gain: float = 0.0
) -> bool:
    """Return whether the predictions of one test set give a winner."""
    rng = np.random.default_rng((5, len(sizes), sizes[0], seeds, number))
    columns, group = grouped_columns(sizes, 3, rng)
    columns[:, 1] *= 1 + gain
    frame = pd.DataFrame(
        {"row": range(len(group)), "patient": group, "y": columns.sum(axis=1)}
    )
    noise = 0.3 if seeds > 1 else 0.0
    parts = [
        frame.assign(
            seed=seed,
            **{
                name: columns[:, place] + noise * rng.normal(size=len(group))
                for place, name in enumerate(("first", "second"))
            },
        )
        for seed in range(seeds)
    ]
    return grouped_verdict(pd.concat(parts), named=named)


def grouped_labels(number: int, sizes: list[int], *, named: bool) -> bool:
    rng = np.random.default_rng((6, len(sizes), number))
    columns, group = grouped_columns(sizes, 3, rng)
    y = rng.random(len(group)) < expit(2 * columns.sum(axis=1))
    p = expit(1.2 * columns)
    return grouped_verdict(
        pd.DataFrame({"patient": group, "y": y, "first": p[:, 0], "second": p[:, 1]}),
        named=named,
    )


def grouped_folds(number: int, sizes: list[int], *, named: bool) -> bool:
    """Return whether out-of-fold predictions give a winner: with the column of groups, of folds of
    whole groups."""
    rng = np.random.default_rng((7, len(sizes), number))
    columns, group = grouped_columns(sizes, 7, rng)
    y, fold = columns.sum(axis=1), rng.permutation(np.arange(len(group)) % 10)
    if named:
        fold = rng.permutation(np.arange(len(sizes)) % 10)[group]
    frame = pd.DataFrame({"patient": group, "fold": fold, "y": y})
    for name, block in (("first", columns[:, :3]), ("second", columns[:, 3:6])):
        frame[name] = 0.0
        for k in range(10):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            coefficients = fit(block, y, train)
            frame.loc[test, name] = coefficients[0] + block[test] @ coefficients[1:]
    return grouped_verdict(frame, named=named)


def grouped_verdict(frame: pd.DataFrame, *, named: bool) -> bool:
    return differs(
        sb.judge(frame, group="patient")
        if named
        else sb.judge(frame.drop(columns="patient"))
    )


def answer_columns(right: NDArray[np.int64]) -> dict[str, Any]:
    """Return the columns of answers [system, item, attempt] of two systems."""
    _, n, attempts = right.shape
    return {
        "item": np.repeat(np.arange(n), attempts),
        "attempt": np.tile(np.arange(attempts), n),
        "first": right[0].ravel(),
        "second": right[1].ravel(),
    }


def item_winner(
    number: int, n: int, attempts: int, *, size: int = 1, named: bool = True
) -> bool:
    """Return whether one of two systems that are equally good on items, in groups of one size, is
    called better."""
    rng = np.random.default_rng((8, n, attempts, size, number))
    own = rng.normal(size=(2, n, 1))
    group = np.arange(n) // size
    if size > 1:
        own = (own + rng.normal(size=(2, n // size, 1))[:, group]) / np.sqrt(2)
    chances = expit(1.5 * (rng.normal(size=(1, n, 1)) + own))
    right = (rng.random((2, n, attempts)) < chances).astype(int)
    columns = answer_columns(right)
    if size > 1 and named:
        return differs(
            sb.judge(
                columns | {"text": np.repeat(group, attempts)},
                score="accuracy",
                group="text",
            )
        )
    return differs(sb.judge(columns, score="accuracy"))


def item_rows() -> Iterator[Row]:
    most = {"bound": "at most 7.3 %", "most": 0.073}
    for n, attempts in itertools.product((50, 200, 2000), (1, 4, 8)):
        draw = functools.partial(item_winner, n=n, attempts=attempts)
        yield Row(
            f"items-{n}-{attempts}",
            f"false winners, {n} items, attempts of each: {attempts}",
            draw,
            **most,
        )
    for (n, size), attempts in itertools.product(((100, 5), (300, 10)), (1, 4)):
        what = f"false winners, {n // size} groups of {size} items, attempts of each: {attempts}"
        draw = functools.partial(item_winner, n=n, attempts=attempts, size=size)
        yield Row(f"items-{n}-{attempts}-with", f"{what}, with group", draw, **most)
        yield Row(
            f"items-{n}-{attempts}-without",
            f"{what}, without",
            functools.partial(draw, named=False),
        )


def stated_gain(number: int, share: float, correlation: float, points: int) -> bool:
    """Return whether a gain is shown by as many items as `plan_items` says."""
    rng = np.random.default_rng((9, points, round(100 * share), number))
    plan = sb.plan_items(share_right=share, correlation=correlation)
    (n,) = (size.needed for size in plan.sizes if size.gain == points / 100)
    chances = share, share + points / 100
    deviations = [np.sqrt(p * (1 - p)) for p in chances]
    both = np.prod(chances) + correlation * np.prod(deviations)
    shares = [both, chances[0] - both, chances[1] - both, 1 - sum(chances) + both]
    right = rng.choice(4, size=int(n), p=shares)
    first, second = (np.isin(right, (0, place)).astype(int) for place in (1, 2))
    columns = {"item": np.arange(int(n)), "first": first, "second": second}
    return sb.judge(columns, score="accuracy").is_better("second")


def pilot_gain(number: int, n_pilot: int, attempts: int, planned: int) -> bool:
    """Return whether a gain of five points is shown by as many items as a pilot says, with some
    attempts of each."""
    rng = np.random.default_rng((10, n_pilot, attempts, planned, number))
    pilot = _answers(rng, n_pilot, attempts, 0.0)
    judgement = sb.judge(pilot, score="accuracy", plan=True)
    sizes = judgement.to_dict()["sample_sizes"]["sizes"]
    (n,) = (
        size["needed"]
        for size in sizes
        if abs(size["gain"] - 0.05) < 1e-9 and size["attempts"] == planned
    )
    answers = _answers(rng, int(n), planned, 0.05)
    return sb.judge(answers, score="accuracy").is_better("second")


def _answers(
    rng: np.random.Generator, n: int, attempts: int, gain: float
) -> dict[str, Any]:
    """Return right and wrong answers of two systems, the second of which gains a share."""
    own = 0.7 * rng.normal(size=(2, n, 1))
    chances = 0.1 + 0.7 * expit(1.5 * rng.normal(size=(1, n, 1)) + own)
    chances[1] += gain
    right = (rng.random((2, n, attempts)) < chances).astype(int)
    return answer_columns(right)


def plan_rows() -> Iterator[Row]:
    """Yield rows on planned sizes, whose power is meant to be 80 %."""
    near: dict[str, Any] = {"bound": "77 to 83 %", "least": 0.77, "most": 0.83}
    for share, correlation, points in itertools.product((0.5, 0.8), (0.2, 0.6), (2, 5)):
        yield Row(
            f"plan-{share}-{correlation}-{points}",
            f"gains of {points} points shown by the items planned for {share:.0%} right, correlation {correlation}",
            functools.partial(
                stated_gain, share=share, correlation=correlation, points=points
            ),
            times=2.5,
            **near,
        )
    for n, attempts, planned in (
        (100, 1, 1),
        (500, 1, 1),
        (100, 4, 1),
        (100, 4, 4),
        (500, 4, 16),
    ):
        yield Row(
            f"plan-pilot-{n}-{attempts}-{planned}",
            f"gains of 5 points shown by the items planned by {n}, attempts of each {attempts}, then {planned}",
            functools.partial(
                pilot_gain, n_pilot=n, attempts=attempts, planned=planned
            ),
            times=2.5,
            **near,
        )


def grouped_rows() -> Iterator[Row]:
    """Yield the rows about groups, each without and with the column of groups."""
    some = {
        "60x5": GROUPS["60 groups of 5 rows"],
        "30x10": GROUPS["30 groups of 10 rows"],
    }
    cells: list[tuple[str, str, Callable[..., bool]]] = [
        (
            f"group-{words.split()[0]}-{sizes[0]}",
            words,
            functools.partial(grouped_winner, sizes=sizes),
        )
        for words, sizes in GROUPS.items()
    ]
    cells += [
        (
            f"group-{name}-{kind}",
            f"{words}, {name}",
            functools.partial(draw, sizes=some[name]),
        )
        for kind, words, draw in (
            ("seeds", "three seeds", functools.partial(grouped_winner, seeds=3)),
            ("labels", "probabilities of two labels", grouped_labels),
            ("folds", "ten folds", grouped_folds),
        )
        for name in some
    ]
    for name, words, draw in cells:
        yield Row(
            f"{name}-without",
            f"false winners, {words}, without group",
            functools.partial(draw, named=False),
            times=2.5,
        )
        yield Row(
            f"{name}-with",
            f"false winners, {words}, with group",
            functools.partial(draw, named=True),
            "at most 7.3 %",
            most=0.073,
            times=2.5,
        )
    for name, sizes in (("300x1", [1] * 300), *some.items()):
        draw = functools.partial(grouped_winner, sizes=sizes, named=True, gain=0.4)
        yield Row(
            f"group-power-{name}",
            f"winners where the second model is better, {name}, with group",
            draw,
            times=2.5,
        )


def simulated_rows() -> Iterator[Row]:
    most = {"bound": "at most 7.3 %", "most": 0.073}
    for n in (100, 300):
        yield Row(
            f"cv-{n}",
            f"false winners, equal blocks, {n} rows, 10 x 10 folds, as CSV",
            lambda i, n=n: false_winner(i, n),
            **most,
        )
        yield Row(
            f"cv-1-{n}",
            f"the same, 1 x 10 folds, {n} rows",
            lambda i, n=n: false_winner(i, n, repeats=1),
            **most,
        )
        yield Row(
            f"skewed-{n}",
            f"false winners, skewed and dependent columns, {n} rows",
            lambda i, n=n: false_winner(i, n, skewed=True),
            **most,
        )
        for folds, repeats, skewed in itertools.product(
            (3, 5), (1, 2, 3, 10), (False, True)
        ):
            columns = ", skewed and dependent columns" if skewed else ""
            yield Row(
                f"folds-{folds}-{repeats}-{n}{'-skewed' * skewed}",
                f"false winners, {repeats} x {folds} folds, {n} rows{columns}",
                functools.partial(
                    false_winner_of_few_folds,
                    n=n,
                    skewed=skewed,
                    repeats=repeats,
                    folds=folds,
                ),
                "at most 5.5 %",
                most=0.055,
                times=2.5,
            )
        for n_splits in (10, 50):
            for share in (0.1, 0.2, 0.33):
                what = f"false winners, {n_splits} random splits, {share:.0%} tested, {n} rows"
                yield Row(
                    f"mc-{n}-{n_splits}-{share:g}",
                    what,
                    lambda i, n=n, k=n_splits, s=share: false_winner_random(i, n, k, s),
                    **most,
                )
        yield Row(
            f"naive-{n}",
            f"false winners of a t-test over the folds, {n} rows",
            lambda i, n=n: naive(i, n),
            "at least 40 %",
            least=0.4,
        )
    yield Row(
        "loop",
        f"loops of {CHANGES} useless changes that keep any, tried = {CHANGES - 1}",
        lambda i: keeps_any(i, 100),
        "at most 5 %",
        most=0.05,
        times=0.25,
    )
    yield Row(
        "loop-growing",
        "the same, tried = changes so far",
        lambda i: keeps_any(i, 100, growing=True),
        times=0.25,
    )
    yield from grouped_rows()
    yield from item_rows()
    yield from plan_rows()
    yield Row(
        "seeds",
        "called better or worse by 20 seeds on one split",
        called_by_seeds,
        "never",
        most=0.0,
    )


INTRO = """\
# Verdicts of `seedbed judge` on simulated scores

`seedbed judge` is applied to simulated scores, hundreds for each row, where the truth is known. The learners are
least-squares fits with a small ridge; their Brier scores are tested at a level of 5 %. [Simulated
comparisons](acceptance.md) does the same for networks. `python benchmarks/judged.py` writes this page; `--help`
explains each row. [Exports](exports.md) are what it understands of other libraries.
"""


def main() -> None:
    options = parser_of(__doc__, "judged.md", draws=SETS).parse_args()
    started = time.process_time()
    rows = {row.name: row for row in simulated_rows()}
    lines, missed = [], []
    for name in matching(rows, options.rows):
        row = rows[name]
        n_sets = max(20, round(options.draws * row.times))
        hits = [row.draw(number) for number in range(n_sets)]
        met = row.least <= np.mean(hits) <= row.most
        verdict = ("met" if met else "missed") if row.bound else ""
        lines.append((row.what, str(n_sets), rate(hits), row.bound, verdict))
        missed += [] if met else [name]
        say(f"{name}: {sum(hits)} of {n_sets} {verdict}")
    header = ("what", "tables", "rate", "bound", "so")
    minutes = number((time.process_time() - started) / 60)
    table = Table("Simulated scores", header, lines).markdown()
    time_taken = f"One core takes {minutes} minutes ({machine()['processor']})."
    write_page(f"{INTRO}\n{table}\n\n{time_taken}", options.out)
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
