"""How often a model that nothing has changed is "as promised": comparisons of 300 rows of real
tables, evaluated on 300 others; and how often a drop is seen. Writes a line for each table, and the
share of each drop that is below the promise; `benchmarks/LOG.md` has the result.

    SEEDBED_DATA=FOLDER python benchmarks/promised.py [--best] [--drops] [draws] [table[:target] ...]

The target is the last column unless it is named. A linear model predicts numbers, logistic
regression classes; with --best, the best of it, two networks and two kinds of trees. With --drops,
labels of two classes are exchanged at random in the 300 new rows, in so many that the accuracy on
all other rows would fall by 5, 7.5, 10, 12.5 and 15 points.
"""

import collections
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import seedbed as sb

TABLES = (
    "pima_diabetes",
    "breast_w",
    "credit_g",
    "credit_approval",
    "banknote",
    "blood_transfusion",
    "titanic",
    "spambase",
    "phoneme",
    "kc1",
)
ROWS = 300
DROPS = (0.05, 0.075, 0.1, 0.125, 0.15)


def verdicts(
    table: str, draws: int, best: bool, drops: bool
) -> collections.Counter[str]:
    """Return the verdicts on draws of 300 rows for the comparison and 300 others; and, with drops,
    those after each drop as `0.1 below the promise`."""
    name, _, target = table.partition(":")
    frame = pd.read_csv(
        Path(os.environ["SEEDBED_DATA"]) / f"{name}.csv"
    ).drop_duplicates()
    target, found = target or frame.columns[-1], collections.Counter[str]()
    is_number = target != frame.columns[-1] and frame[target].nunique() > 20
    candidate = "linear" if is_number else "logistic"
    for draw in range(draws):
        rows = np.random.default_rng(draw).permutation(len(frame))
        old, new = frame.iloc[rows[:ROWS]], frame.iloc[rows[ROWS : 2 * ROWS]]
        candidates = [
            candidate,
            *(["relu:5", "relu:20,20", "boosted-trees", "extra-trees"] if best else []),
        ]
        comparison = sb.compare(
            old,
            target=target,
            candidates=candidates,
            design=sb.Design(random_state=draw),
            quick=True,
        )
        name = (
            next(name for name in comparison.conclusion.ranking if name in candidates)
            if best
            else candidate
        )
        model = comparison.model(name)
        found[str(model.evaluate(new).verdict)] += 1
        for drop in DROPS if drops and frame[target].nunique() == 2 else ():
            others = frame.iloc[rows[ROWS:]]
            accuracy = (
                model.predict(others).astype(str) == others[target].astype(str)
            ).mean()
            share = drop / (2 * accuracy - 1)
            if share < 1:  # exchanged labels are right where they were wrong
                changed = exchanged(new, target, share, draw)
                found[f"{drop} {model.evaluate(changed).verdict}"] += 1
    return found


def exchanged(
    frame: pd.DataFrame, target: str, share: float, seed: int
) -> pd.DataFrame:
    """Return the rows with the other label in a share of them, drawn at random."""
    first, second = frame[target].unique()
    other = frame[target].map({first: second, second: first})
    is_drawn = np.random.default_rng(seed).random(len(frame)) < share
    return frame.assign(**{target: frame[target].where(~is_drawn, other)})


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word not in ("--best", "--drops")]
    draws, total = int(words[0]) if words else 20, collections.Counter[str]()
    for table in words[1:] or TABLES:
        one = verdicts(table, draws, "--best" in sys.argv, "--drops" in sys.argv)
        total += one
        print(
            f"| {table} | {one['as promised']} | {one['below the promise']} | {one['above the promise']} |",
            flush=True,
        )
    print(
        f"| all | {total['as promised']} | {total['below the promise']} | {total['above the promise']} |"
    )
    for drop in DROPS:
        of_drop = {word: n for word, n in total.items() if word.startswith(f"{drop} ")}
        if of_drop:
            below, n = total[f"{drop} below the promise"], sum(of_drop.values())
            print(f"a drop of {100 * drop:g} points is seen in {below} of {n} draws")
