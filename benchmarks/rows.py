"""Does the forecast of `seedbed rows` hold what more rows bring?

    SEEDBED_DATA=... python benchmarks/rows.py               printed as Markdown
    SEEDBED_DATA=... python benchmarks/rows.py --draws 1     a rough look

Nine tenths of the six largest tables are hidden, each cut to 20,000 rows first. `comparison.rows()`
sees the other tenth, with one repeat of ten folds. The truth is the loss of the same models trained
on 2, 5 and 10 times as many rows of the whole table, tested on all rows of five of its ten folds.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import seedbed as sb
from seedbed.data.splits import Split, sample_rows
from seedbed.data.table import Table
from seedbed.evaluation.analyses import TIMES, RowForecast
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run
from seedbed.experiment.spec import specify

FILES = {
    "adult.csv.gz": "income",
    "electricity.csv.gz": "class",
    "bank_marketing.csv.gz": "target",
    "mammography.csv": "cls",
    "bank_churn.csv": "Exited",
    "mushroom.csv.gz": "class",
}
MOST_ROWS, TENTH, TESTED_FOLDS = 20_000, 10, 5
CANDIDATES, BASELINES = ["network-1"], ["logistic", "boosted-trees"]
RECIPE = sb.Recipe()
DESIGN = sb.Design(baselines=BASELINES, repeats=1, folds=10)
COMPUTE = sb.Compute(n_jobs=1)


def truths(table: Table, n_rows: int) -> dict[tuple[str, int], float]:
    """Return the mean loss of each model that is trained on so many times `n_rows` rows."""
    experiment = specify(table, CANDIDATES, recipe=RECIPE, design=DESIGN)
    splits, losses = experiment.splits()[:TESTED_FOLDS], {}
    for times in TIMES:
        parts = tuple(
            Split(0, one.fold, _part(table, one.train, times * n_rows), one.test)
            for one in splits
        )
        design = dataclasses.replace(experiment.design, folds=TESTED_FOLDS)
        results = run(
            make_plan(dataclasses.replace(experiment, design=design), COMPUTE, parts)
        ).results
        losses |= {
            (result.name, times): float(result.losses().mean()) for result in results
        }
    return losses


def _part(table: Table, rows: np.ndarray, n_rows: int) -> np.ndarray:
    groups = None if table.groups is None else table.groups[rows]
    return rows[
        sample_rows(table.target[rows], n_rows, random_state=1, groups=groups, fewest=1)
    ]


def forecasts(
    table: Table, draw: int
) -> tuple[tuple[RowForecast, ...], dict[str, str]]:
    """Return what is forecast from one tenth of a table, and what is refused."""
    rows = np.random.default_rng(draw).permutation(table.n_rows)[
        : table.n_rows // TENTH
    ]
    small = table.of_rows(np.sort(rows))
    found = (
        sb.compare(
            small, candidates=CANDIDATES, recipe=RECIPE, design=DESIGN, compute=COMPUTE
        )
        .rows()
        .conclusion.rows
    )
    assert found is not None
    return found.forecasts, dict(found.refused)


def lines(draws: int) -> Iterator[tuple[str, str, int, RowForecast | None, float]]:
    """Yield table, model, how many times as many rows, the forecast or None, and the truth."""
    for file, target in FILES.items():
        whole = sb.read_table(Path(os.environ["SEEDBED_DATA"]) / file, target=target)
        table = whole.of_rows(
            np.sort(np.random.default_rng(0).permutation(whole.n_rows)[:MOST_ROWS])
        )
        n_train = round(table.n_rows // TENTH * 0.9)
        losses = truths(table, n_train)
        for draw in range(draws):
            given, _ = forecasts(table, draw)
            found = {(one.candidate, one.times): one for one in given}
            for (name, times), truth in losses.items():
                yield file.split(".")[0], name, times, found.get((name, times)), truth


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=2)
    asked = parser.parse_args()
    started, seen = time.process_time(), []
    print(
        "| table | model | rows | forecast | truth | held |\n|---|---|---|---|---|---|"
    )
    for line in lines(asked.draws):
        seen.append(line)
        table, name, times, one, truth = line
        words = (
            "none"
            if one is None
            else f"{one.loss.mean:.4f} ({one.loss.low:.4f} to {one.loss.high:.4f})"
        )
        held = (
            ""
            if one is None
            else "yes"
            if one.loss.low <= truth <= one.loss.high
            else "no"
        )
        print(
            f"| {table} | {name} | {times}x | {words} | {truth:.4f} | {held} |",
            flush=True,
        )
    for what, chosen in [("all", seen)] + [
        (f"{times}x", [one for one in seen if one[2] == times]) for times in TIMES
    ]:
        given = [
            (one.loss.low <= truth <= one.loss.high)
            for *_, one, truth in chosen
            if one is not None
        ]
        print(
            f"{what}: {len(given)} of {len(chosen)} given, {np.mean(given):.0%} of these hold the truth"
        )
    print(f"{time.process_time() - started:.0f} s of one core")


if __name__ == "__main__":
    main()
