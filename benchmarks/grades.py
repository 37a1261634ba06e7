"""How good is the recommended model, and how often is a grade right?

    python benchmarks/grades.py collect    compares on cuts of real tables, adds a line for each to
                                           benchmarks/grades.jsonl, and continues where it stopped
    python benchmarks/grades.py            writes benchmarks/grades.md from these lines

Cuts of 100, 300 and 1,000 rows get the default comparison. Each of its models, fitted to all rows
of the cut, then predicts up to 10,000 other rows of the table, which are the truth. It needs the
tables of the folder SEEDBED_DATA, scikit-survival, statsmodels and SurvSet.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api
from grade_page import page
from numpy.typing import NDArray
from SurvSet.data import SurvLoader
from tables import print_or_write, stem, tables

import seedbed as sb
from seedbed.errors import SeedbedError
from seedbed.evaluation.behind import certainty
from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.summaries import Conclusion
from seedbed.experiment.contrasts import questions_of
from seedbed.model import evaluating
from seedbed.model.model import Model
from seedbed.model.predicting import predict_frame
from seedbed.scoring import Result, difference

LEAST_ROWS = 500
MOST_ROWS = 10_000
"""Rows of a truth."""

COPIED = ("kc1", "mammography", "wine_quality", "fair")
"""Files in which a tenth of the rows or more are copies, which are left out."""


@dataclass(frozen=True)
class Source:
    """A real table and a column to predict.

    Attributes:
        file: the stem of a file of SEEDBED_DATA, or the name of a table of a package.
        target: the last column if empty; `event` of survival.
        task: `classes`, `numbers` or `survival`.
        labels: the labels that are kept; all if empty.
    """

    file: str
    target: str = ""
    task: str = "classes"
    labels: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def name(self) -> str:
        return f"{self.file} {self.target}".strip()

    def frame(self) -> tuple[pd.DataFrame, str]:
        """Return the rows and the target; labels are texts."""
        if self.task == "survival":
            return SurvLoader().load_dataset(self.file)["df"].drop(
                columns="pid"
            ), self.target
        if self.file == "fair":
            frame = statsmodels.api.datasets.fair.load_pandas().data
            frame = frame.assign(
                affair=(frame["affairs"] > 0).map({True: "yes", False: "no"})
            )
            frame = frame.drop(columns="affairs")
        else:
            path = next(path for path in tables() if stem(path) == self.file)
            frame = pd.read_csv(path)
        target = self.target or frame.columns[-1]
        if self.task == "classes":
            frame[target] = frame[target].astype(str)
        if self.labels:
            frame = frame[frame[target].isin(self.labels)]
        if self.file in COPIED:
            frame = frame.drop_duplicates()
        return frame.reset_index(drop=True), target


SOURCES = (
    *map(
        Source,
        ("adult", "bank_churn", "bank_marketing", "electricity", "kc1", "mammography"),
    ),
    *map(Source, ("mushroom", "phoneme", "sick", "spambase", "telco_churn")),
    *map(Source, ("banknote", "cmc", "credit_g", "fair", "titanic")),
    Source("wine_quality", labels=("5", "6", "7")),
    Source("adult", "age", "numbers"),
    Source("bank_marketing", "age", "numbers"),
    Source("electricity", "nswdemand", "numbers"),
    Source("wine_quality", "quality", "numbers"),
    *(
        Source(file, "event", "survival")
        for file in ("flchain", "rott2", "Framingham", "rhc")
    ),
)


def rows_of_cut(n_all: int, n: int, cut: int) -> NDArray[np.int64]:
    """Return the rows of a cut. Cuts are disjoint until the table is used up; then it is shuffled
    again."""
    each = n_all // n
    shuffled = np.random.default_rng((n, cut // each, 62)).permutation(n_all)
    return shuffled[n * (cut % each) :][:n]


def true_results(models: Sequence[Model], rest: pd.DataFrame) -> list[Result]:
    """Return what the models predict for the rows on which they weren't trained."""
    rows = evaluating._new_rows(models, evaluating._read(models, rest, {}), None)
    return evaluating._results(
        models, rows, [predict_frame(one, rows.frame) for one in models]
    )


def expected(conclusion: Conclusion, use: str, task: str, truth: Result) -> list[Any]:
    """Return what *Expect* says of the recommended model: the score, its mean and its range, and
    the score on the rest."""
    counts = sorted(conclusion.labels.values())
    is_rare = task == "classes" and len(counts) == 2 and counts[0] < 0.1 * sum(counts)
    usual = {"classes": "accuracy", "numbers": "mae", "survival": "uno_c"}[task]
    name = "recall" if is_rare else usual
    score = conclusion.expected_score(use, name)
    if score.mean is None or score.low is None or score.high is None:
        return []
    numbers = score.mean, score.low, score.high, truth.scores[name].mean or 0.0
    return [name, *(float(f"{number:.5g}") for number in numbers)]


def compared(
    source: Source, frame: pd.DataFrame, target: str, n: int, cut: int
) -> dict[str, Any]:
    """Return what a comparison of a cut says, and the truth about it; differences in points of the
    score."""
    rows = rows_of_cut(len(frame), n, cut)
    part = frame.iloc[rows].reset_index(drop=True)
    line = {"table": source.name, "task": source.task, "rows": n, "cut": cut}
    if source.task == "classes" and part[target].nunique() < frame[target].nunique():
        return line  # without a verdict
    started, compute = time.perf_counter(), sb.Compute(n_jobs=1)
    if source.task == "survival":
        table = sb.read_table(part, event="event", time="time")
    else:
        task = "regression" if source.task == "numbers" else None
        table = sb.read_table(part, target=target, task=task)
    comparison = sb.compare(table, compute=compute)
    conclusion = comparison.conclusion
    if conclusion.advice is None or not conclusion.metric.in_points:
        return line
    line["seconds"] = round(time.perf_counter() - started, 1)

    rest = frame.drop(index=rows)
    rest = rest.sample(min(len(rest), MOST_ROWS), random_state=cut).reset_index(
        drop=True
    )
    names, metric, advice = (
        list(conclusion.ranking),
        conclusion.metric,
        conclusion.advice,
    )
    fitted = [name for name in names if source.task != "survival" or name != "prior"]
    models = [comparison.model(name, compute=compute) for name in fitted]
    truths = dict(zip(fitted, true_results(models, rest), strict=True))
    of_prior = truths[advice.use].tested.loss_of_prior(metric.name) or np.nan
    true = {name: score_of(one, metric.name, of_prior) for name, one in truths.items()}
    true.setdefault("prior", 0.0)  # Kaplan-Meier can't be handed over

    results = {result.name: result for result in comparison.results}
    points = 100 / metric.of_prior

    def against(reference: str, candidate: str) -> Estimate:
        return difference(results[reference], results[candidate], metric.name)

    def pair(estimate: Estimate) -> list[float]:
        return [round(points * estimate.mean, 2), round(certainty(estimate), 4)]

    singles = [name for name in names if name not in ("auto", "prior")]
    linear = next(name for name in singles if name in ("linear", "logistic"))
    questions, helps = {one.question: one for one in conclusion.contrasts}, []
    for question, candidate, references in questions_of(comparison.experiment.lines):
        if question in questions:
            gains = [against(one, candidate) for one in references if one in results]
            signs = {np.sign(gain.mean) for gain in gains}
            p = min(certainty(gain) for gain in gains) if len(signs) == 1 else 0.5
            gain = min(
                true[candidate] - true[one] for one in references if one in results
            )
            one = questions[question]
            said = [round(points * one.difference, 2), round(p, 4), one.verdict]
            helps.append([question, *said, round(gain, 2)])
    return line | {
        "repeats": conclusion.plan.repeats,
        "truth_rows": len(rest),
        "margin": round(points * metric.margin, 3),
        "use": advice.use,
        "simpler": advice.simpler,
        "expect": expected(conclusion, advice.use, source.task, truths[advice.use]),
        "reference": conclusion.reference,
        "shown": {
            name: round(score_of(results[name], metric.name, metric.of_prior), 2)
            for name in names
        },
        "true": {name: round(value, 2) for name, value in true.items()},
        "verdicts": {
            one.candidate: [*pair(against(one.reference, one.candidate)), one.rule]
            for one in conclusion.verdicts
        },
        "named": {
            name: pair(against(linear, name))
            for name in names
            if name not in (linear, "prior")
        },
        "helps": helps,
    }


def score_of(result: Result, metric: str, of_prior: float) -> float:
    """Return the score from 0 to 100."""
    return 100 * (1 - float(result.losses(metric).mean()) / of_prior)


def cuts() -> Iterator[tuple[Source, int, int]]:
    """Yield source, rows and number of each cut, so that a stopped run has all tables and sizes."""
    for cut in range(5):
        for n in (300, 100):
            yield from ((source, n, cut) for source in SOURCES)
        yield from ((source, 1000, 0) for source in SOURCES[cut::5])
    for cut in range(1, 5):
        yield from ((source, 1000, cut) for source in SOURCES)


def collect(path: Path) -> None:
    """Add a line for each cut that the file lacks."""
    lines = (
        [json.loads(line) for line in path.read_text().splitlines()]
        if path.exists()
        else []
    )
    finished = {(line["table"], line["rows"], line["cut"]) for line in lines}
    frames: dict[Source, tuple[pd.DataFrame, str]] = {}
    warnings.simplefilter("ignore")  # unusual cells of the rest
    for source, n, cut in cuts():
        if (source.name, n, cut) in finished:
            continue
        if source not in frames:
            frames[source] = source.frame()
        frame, target = frames[source]
        if len(frame) < n + LEAST_ROWS:
            continue
        try:
            line = compared(source, frame, target, n, cut)
        except SeedbedError as error:
            print(source.name, n, cut, error, flush=True)
            line = {"table": source.name, "task": source.task, "rows": n, "cut": cut}
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(source.name, n, cut, line.get("seconds", "no verdict"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("collect", "page"), default="page")
    parser.add_argument(
        "file", nargs="?", type=Path, default=Path("benchmarks/grades.jsonl")
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/grades.md"))
    options = parser.parse_args()
    if options.what == "collect":
        collect(options.file)
    else:
        print_or_write(
            page([json.loads(line) for line in options.file.open()]), options.out
        )


if __name__ == "__main__":
    main()
