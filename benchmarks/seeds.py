"""Do ranges hold the score of models with new seeds? With seeds by split, and with seeds that all
splits share, as they did before.

    python benchmarks/seeds.py               writes benchmarks/seeds.md
    python benchmarks/seeds.py --states 2 --samples 4 --out -    a rough look

Same rows: a table is compared with single networks under several random states, in one repeat of
ten folds. The truth is the mean score of 200 networks with other seeds, 20 repeats of ten folds of
the same rows. These rows are all that there is, so a range, which allows for other rows, should hold
it in more than 95 %.

New rows: 300 rows are drawn from a large table and compared in one repeat of ten folds. The truth is
the score of models with new seeds for the rows that weren't drawn, trained on the same training
sets.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tables import Table, print_or_write

import seedbed as sb
from seedbed.data.splits import Split
from seedbed.evaluation.estimates import wilson
from seedbed.experiment import fits
from seedbed.experiment.comparison import Comparison, comparison_of
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run
from seedbed.experiment.spec import specify
from seedbed.model.member import Fit

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLES = {
    "heart_failure": {"drop": ["time"]},
    "heart_failure with time": {},
    "pima_diabetes": {},
    "sonar": {},
    "ilpd": {},
}
MODEL, REFERENCE = "relu:5", "linear:5"
RECIPES = {"tutorial": sb.Recipe.tutorial(), "default": sb.Recipe()}
LARGE = "phoneme"
KEYS = ("relu:5 accuracy", "relu:5 brier", "difference")
FOLDS, ROWS, TRUE_REPEATS = 10, 300, 20
ONE = sb.Compute(n_jobs=1)
by_split = fits.split_seed


def shared(random_state: int, split: Split) -> int:
    """Return the same random state for all splits, as before."""
    return random_state


INTRODUCTION = """\
[Decision 61](../docs/decisions/0061-draw-seeds-by-split.md) draws a model's seeds from the split. `python
benchmarks/seeds.py` compares `relu:5` with `linear:5` by both ways, in one repeat of ten folds, and writes this page.
*Shared*: all splits start from the same seeds, as before. The columns are the share of 95 % ranges that hold the
truth (Wilson's 95 % interval in brackets), and the spread of their means: the standard deviation, in half widths of a
range. On new rows, an exact range has 0.44. *Difference* is that in Brier score.

*Same rows*: single networks under 20 random states. The truth is the mean of 200 independent networks on the same
rows. Ranges allow for other rows, too, so nearly all should hold it.

*New rows*: 45 samples of 300 rows. The truth is the score for the other rows of models with new seeds, trained on the
same training sets."""
SCHEMES = {"shared": shared, "by split": by_split}


def read(name: str, **options: Any) -> sb.Table:
    (path,) = DATA.glob(f"{name.split()[0]}.csv*")
    options = {"target": pd.read_csv(path, nrows=0).columns[-1], **options}
    return sb.read_table(path, **options)


def compared(
    table: sb.Table,
    recipe: sb.Recipe,
    scheme: Callable[[int, Split], int],
    **design: Any,
) -> Comparison:
    fits.split_seed = scheme
    chosen = sb.Design(**{"repeats": 1, "folds": FOLDS, "baselines": [], **design})
    chosen = dataclasses.replace(chosen, reference=REFERENCE, metric="brier")
    spec = specify(table, [REFERENCE, MODEL], recipe=recipe, design=chosen)
    return comparison_of(run(make_plan(spec, ONE)))


def ranges(found: Comparison) -> dict[str, tuple[float, float, float]]:
    """Return the mean and the ends of each range: accuracy and Brier score of a model, and its
    difference from the reference in Brier score."""
    scores = [found.conclusion.score(MODEL, metric) for metric in ("accuracy", "brier")]
    verdict = found.conclusion.verdict(MODEL)
    ends = [*((score.mean, score.low, score.high) for score in scores)]
    return dict(
        zip(KEYS, [*ends, (verdict.difference, verdict.low, verdict.high)], strict=True)
    )


def same_rows(
    recipe: str, name: str, states: int
) -> Iterator[tuple[str, str, float, float, bool]]:
    """Yield scheme, range, its mean, its half width and whether it holds the truth, for each random
    state."""
    table = read(name, **TABLES[name])
    independent = compared(
        table,
        RECIPES[recipe],
        by_split,
        n_networks=1,
        repeats=TRUE_REPEATS,
        random_state=10**6,
    )
    truth = {key: value[0] for key, value in ranges(independent).items()}
    for scheme, seeds in SCHEMES.items():
        for state in range(states):
            found = compared(
                table, RECIPES[recipe], seeds, n_networks=1, random_state=state
            )
            for key, (mean, low, high) in ranges(found).items():
                yield scheme, key, mean, (high - low) / 2, low <= truth[key] <= high


def true_scores(
    table: sb.Table,
    rows: np.ndarray,
    splits: Sequence[Split],
    recipe: sb.Recipe,
    n_networks: int,
) -> dict[str, float]:
    """Return the scores for the rows that weren't drawn, of models with new seeds on the training
    sets of splits of the drawn rows."""
    fits.split_seed = by_split
    # Figures of each epoch for thousands of rows would take most of the time.
    fits.Fit = lambda *args, tested, **about: Fit(*args, **about)
    rest = np.setdiff1d(np.arange(table.n_rows), rows)
    again = [
        Split(repeat, split.fold, rows[split.train], rest)
        for repeat in range(4 - min(n_networks, 3))
        for split in splits
    ]
    spec = specify(
        table, [REFERENCE, MODEL], recipe=recipe, design=sb.Design(baselines=[])
    )
    options = {"recipe": spec.recipe, "n_networks": n_networks, "random_state": 10**6}
    found = fits.fit_group(spec.groups[0], table, again, compute=ONE, **options)
    fits.Fit = Fit
    y = table.target[rest]
    p = {
        name: np.array([of[name].predictions for of in found])
        for name in (REFERENCE, MODEL)
    }
    brier = {name: float(((of - y) ** 2).mean()) for name, of in p.items()}
    accuracy = float(((p[MODEL] > 0.5) == y).mean())
    return dict(
        zip(
            KEYS, [accuracy, brier[MODEL], brier[REFERENCE] - brier[MODEL]], strict=True
        )
    )


def new_rows(
    recipe: str, n_networks: int, samples: int
) -> Iterator[tuple[str, str, float, float, bool]]:
    """Yield as `same_rows`, for each sample of rows."""
    table = read(LARGE)
    for sample in range(samples):
        rows = np.random.default_rng(sample).permutation(table.n_rows)[:ROWS]
        drawn, truth = table.of_rows(rows), None
        for scheme, seeds in SCHEMES.items():
            options = {"n_networks": n_networks, "random_state": sample}
            found = compared(drawn, RECIPES[recipe], seeds, **options)
            if truth is None:
                truth = true_scores(
                    table, rows, found.splits, RECIPES[recipe], n_networks
                )
            for key, (mean, low, high) in ranges(found).items():
                yield (
                    scheme,
                    key,
                    mean - truth[key],
                    (high - low) / 2,
                    low <= truth[key] <= high,
                )


def lines(
    label: Sequence[str], found: Sequence[tuple[str, str, float, float, bool]]
) -> list[Any]:
    """Return for each range a line: the shares that hold the truth, and beside each the spread of the
    means in half widths."""
    shown = list[list[str]]()
    for key in KEYS:
        cells = list[str]()
        for scheme in SCHEMES:
            some = [one for one in found if one[:2] == (scheme, key)]
            held, n = sum(one[4] for one in some), len(some)
            low, high = wilson(held, n)
            spread = np.std([one[2] for one in some]) / np.mean(
                [one[3] for one in some]
            )
            cells += [f"{held / n:.0%} ({low:.0%} to {high:.0%})", f"{spread:.2f}"]
        shown.append([*label, key, *cells])
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=20)
    parser.add_argument("--samples", type=int, default=45)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    header = ("shared", "spread", "by split", "spread")
    parts = list[str]()
    for title, first, places, measure in (
        ("Same rows, single networks", "table", TABLES, same_rows),
        ("New rows of phoneme", "networks", (1, 2, 8), new_rows),
    ):
        number = options.states if measure is same_rows else options.samples
        rows, held = list[list[str]](), {scheme: list[bool]() for scheme in SCHEMES}
        for recipe, place in itertools.product(RECIPES, places):
            found = list(measure(recipe, place, number))
            rows += lines((recipe, str(place)), found)
            for scheme, _, _, _, holds in found:
                held[scheme].append(holds)
            print(rows[-len(KEYS) :], flush=True)
        parts.append(Table(title, ("recipe", first, "range", *header), rows).markdown())
        missed = [
            f"{some.count(False)} of {len(some)} {scheme}"
            for scheme, some in held.items()
        ]
        parts.append(f"Missed: {', '.join(missed)}.")
    text = "\n\n".join(["# Seeds", INTRODUCTION, *parts])
    print_or_write(text + "\n", options.out)


if __name__ == "__main__":
    main()
