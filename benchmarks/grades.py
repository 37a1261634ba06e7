"""How often is a grade right? Real tables are cut into small ones, and the rest of each table is
the truth.

python benchmarks/grades.py collect FILE.csv    compares on cuts of real tables, and continues where
it stopped (hours) python benchmarks/grades.py                     writes benchmarks/grades.md from
benchmarks/grades.csv
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from grade_page import CODES, COLUMNS, RULES, SOURCES, VERDICTS, Pair, Source, page, read
from numpy.typing import NDArray
from tables import print_or_write, stem, tables

import seedbed as sb
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.typed import as_text
from seedbed.errors import SeedbedError
from seedbed.evaluation.metrics import prior_loss, row_losses
from seedbed.experiment.contrasts import questions_of
from seedbed.model.predicting import predict_frame
from seedbed.scoring import difference

MOST_ROWS = 10_000  # of the truth
# Rows, and the first and the last cut: a stopped run has cuts of all sizes and tables.
ROUNDS = (
    (300, 0, 4),
    (100, 0, 4),
    (1000, 0, 1),
    (300, 4, 7),
    (100, 4, 7),
    (1000, 1, 2),
    (300, 7, 10),
    (100, 7, 10),
)
ROUNDS += (
    (1000, 2, 3),
    (300, 10, 13),
    (100, 10, 13),
    (1000, 3, 5),
    (300, 13, 20),
    (100, 13, 20),
    (1000, 5, 20),
)
COPIED = ("kc1", "mammography")  # a third of the rows are copies, or more: they are left out
SLOW = ("segment", "electricity nswdemand")  # these take three times as long, and get fewer cuts


# ---- Collecting


def frame_of(source: Source) -> tuple[pd.DataFrame, str]:
    """Return a table and its target; labels are texts."""
    path = next(path for path in tables() if stem(path) == source.file)
    target = source.target or pd.read_csv(path, nrows=0).columns[-1]
    frame = pd.read_csv(path, dtype=None if source.target else {target: str})
    if source.labels:
        frame = frame[frame[target].isin(source.labels)].reset_index(drop=True)
    if source.name in COPIED:
        frame = frame.drop_duplicates(ignore_index=True)
    return frame, target


def rows_of_cut(n_all: int, n: int, cut: int) -> NDArray[np.int64]:
    """Return the rows of a cut. Cuts are disjoint until the table is used up; then it is shuffled
    again."""
    each = n_all // n
    return np.random.default_rng((n, cut // each)).permutation(n_all)[n * (cut % each) :][:n]


def compared(
    source: Source, frame: pd.DataFrame, target: str, n: int, cut: int, folder: Path
) -> dict[str, Any]:
    """Return what a comparison on a cut says, and the truth about it; losses of all folds are saved
    in the folder.

    Differences are in points of the score. Rows that equal a row of the cut are no part of the
    truth."""
    rows, started = rows_of_cut(len(frame), n, cut), time.perf_counter()
    part = frame.iloc[rows].reset_index(drop=True)
    row: dict[str, Any] = {"table": source.name, "rows": n, "cut": cut}
    smallest = n if source.target else int(part[target].value_counts().min())
    if smallest < 10 or (not source.target and part[target].nunique() < frame[target].nunique()):
        return row  # the page counts cuts without a verdict
    table = sb.read_table(part, target=target, task="regression" if source.target else None)
    comparison = sb.compare(table, compute=sb.Compute(n_jobs=1))
    conclusion, metric = comparison.conclusion, comparison.conclusion.metric
    if conclusion.advice is None:
        return row
    row["seconds"] = f"{time.perf_counter() - started:.1f}"
    names, best = list(conclusion.ranking), conclusion.advice.use

    rest = frame.drop(index=rows)
    rest = rest[~rest.index.isin(rest.reset_index().merge(part, on=list(frame.columns))["index"])]
    rest = rest.sample(min(len(rest), MOST_ROWS), random_state=cut).reset_index(drop=True)
    features, by_row, in_words, new_rows = rest.drop(columns=target), {}, {}, None
    truth = rest[target].to_numpy(dtype=np.float64) if source.target else None
    for name in names:
        model = comparison.model(name, compute=sb.Compute(n_jobs=1))
        if new_rows is None:  # the columns of all models are typed alike, so they are read once
            new_rows = read_new_rows(
                features, model.feature_names_in_, as_text=as_text(model.schemas)
            )
        predictions = predict_frame(model, new_rows)
        if source.target:
            predicted, variance = model.labelled(predictions), float(truth.var())
        else:
            p, variance = predictions.probabilities, None
            predicted = p[:, 1] if p.shape[1] == 2 else p
            truth = (
                rest[target]
                .map({label: code for code, label in enumerate(model.labels)})
                .to_numpy(dtype=np.int64)
            )
        by_row[name] = row_losses(metric.name, truth, predicted, variance=variance)
        in_words[name] = float(
            row_losses("mae" if source.target else "accuracy", truth, predicted).mean()
        )
    n_classes = (
        0
        if source.target
        else table.n_classes
        if hasattr(table, "n_classes")
        else len(table.labels)
    )
    prior = prior_loss(metric.name, truth, n_classes=n_classes or None)
    true = {name: 100 * float(losses.mean()) / prior for name, losses in by_row.items()}

    results = {result.name: result for result in comparison.results}
    points = 100 / metric.of_prior

    def gain_of(reference: str, candidate: str) -> tuple[float, float]:
        one = difference(results[reference], results[candidate], metric.name)
        return points * one.mean, points * one.se

    pairs = []
    for verdict in conclusion.behind:
        gap = true[verdict.candidate] - true[best]
        gain, se = gain_of(verdict.candidate, best)
        pairs.append(Pair(verdict.candidate, gain, se, RULES.get(verdict.rule, "c"), gap))
    verdicts, contrasts = {one.question: one.verdict for one in conclusion.contrasts}, []
    for question, candidate, references in questions_of(comparison.experiment.lines):
        gains = {one: gain_of(one, candidate) for one in references if one in results}
        nearest = min(gains, key=lambda one: gains[one][0] / max(gains[one][1], 1e-9))
        gap = min(true[one] for one in gains) - true[candidate]
        contrasts.append(
            Pair(candidate, *gains[nearest], VERDICTS.get(verdicts.get(question, ""), "c"), gap)
        )

    others = [name for name in names if name not in ("auto", "prior")] if "auto" in results else []
    beside_auto = [
        Pair(name, *gain_of(name, "auto"), "c", true[name] - true["auto"]) for name in others
    ]

    shown = "mae" if source.target else "accuracy"
    expected, sign = conclusion.expected_score(best, shown), -1 if source.target else 1
    offset = 0 if source.target else 1
    losses = np.stack([results[name].losses(metric.name).mean(axis=2) for name in names])
    np.savez_compressed(
        folder / f"{source.name.replace(' ', '-')}-{n}-{cut}.npz",
        names=np.array(names),
        losses=losses,
        of_prior=metric.of_prior,
        margin=metric.margin,
        prior=prior,
        true=np.array([by_row[name].mean() for name in names]),
        in_words=np.array([in_words[name] for name in names]),
        error=np.cov(np.stack([by_row[name] for name in names])) / len(rest),
    )
    return row | {
        "folds": losses.shape[2],
        "repeats": losses.shape[1],
        "truth_rows": len(rest),
        "margin": f"{points * metric.margin:.3f}",
        "recommended": CODES[best],
        "expected": f"{expected.mean:.5g}",
        "low": f"{expected.low:.5g}",
        "high": f"{expected.high:.5g}",
        "true_words": f"{offset - sign * in_words[best]:.5g}",
        "score": f"{100 - points * losses[names.index(best)].mean():.2f}",
        "true_score": f"{100 - true[best]:.2f}",
        "pairs": " ".join(map(str, pairs)),
        "contrasts": " ".join(map(str, contrasts)),
        "auto": " ".join(map(str, beside_auto)),
    }


def cuts() -> Iterator[tuple[Source, int, int]]:
    """Yield source, rows and number of each cut, so that a stopped run has about as many of each
    table."""
    for n, first, end in ROUNDS:
        for cut in range(first, end):
            yield from (
                (source, n, cut) for source in SOURCES if cut < 4 or source.name not in SLOW
            )


def collect(path: Path, part: int, parts: int) -> None:
    """Append a line for each cut that the file lacks."""
    folder = path.with_suffix(".folds")
    folder.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(",".join(COLUMNS) + "\n")
    finished = {(row["table"], int(row["rows"]), int(row["cut"])) for row in read(path)}
    frames: dict[Source, tuple[pd.DataFrame, str]] = {}
    warnings.simplefilter("ignore")  # unusual cells of the rest
    for number, (source, n, cut) in enumerate(cuts()):
        if (source.name, n, cut) in finished or (number + cut) % parts != part:
            continue
        if source not in frames:
            frames[source] = frame_of(source)
        frame, target = frames[source]
        if len(frame) < 2 * n:
            continue
        try:
            row = compared(source, frame, target, n, cut, folder)
        except SeedbedError as error:
            print(source.name, n, cut, error, flush=True)
            row = {"table": source.name, "rows": n, "cut": cut}
        with path.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(row)
        print(
            source.name,
            n,
            cut,
            row.get("seconds", "no verdict"),
            row.get("recommended", ""),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("collect", "page"), default="page")
    parser.add_argument("file", nargs="?", type=Path, default=Path("benchmarks/grades.csv"))
    parser.add_argument(
        "--part", default="0/1", help="which part of the cuts, such as 1/2 in one of two processes"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/grades.md"))
    options = parser.parse_args()
    if options.what == "collect":
        collect(options.file, *map(int, options.part.split("/")))
    else:
        print_or_write(page(read(options.file)), options.out)


if __name__ == "__main__":
    main()
