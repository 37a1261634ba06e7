"""How often a model that nothing has changed is "as promised": comparisons of 300 rows of real
tables, evaluated on 300 others. Writes a line for each table; `benchmarks/LOG.md` has the result.

    SEEDBED_DATA=FOLDER python benchmarks/promised.py [--best] [draws] [table[:target] ...]

The target is the last column unless it is named. A linear model predicts numbers, logistic
regression classes; with
--best, the best of it, two networks and two kinds of trees.
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


def verdicts(table: str, draws: int, best: bool) -> collections.Counter[str]:
    """Return the verdicts on draws of 300 rows for the comparison and 300 others."""
    name, _, target = table.partition(":")
    frame = pd.read_csv(Path(os.environ["SEEDBED_DATA"]) / f"{name}.csv").drop_duplicates()
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
        evaluation = comparison.model(name).evaluate(new)
        found[str(evaluation.verdict)] += 1
    return found


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--best"]
    draws, total = int(words[0]) if words else 20, collections.Counter[str]()
    for table in words[1:] or TABLES:
        one = verdicts(table, draws, len(words) < len(sys.argv) - 1)
        total += one
        print(
            f"| {table} | {one['as promised']} | {one['below the promise']} | {one['above the promise']} |",
            flush=True,
        )
    print(
        f"| all | {total['as promised']} | {total['below the promise']} | {total['above the promise']} |"
    )
