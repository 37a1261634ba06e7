"""The numbers of each chart, as plain tables."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from seedbed.evaluation.effect_bands import Effects
from seedbed.evaluation.numbers import plain_number, signed
from seedbed.evaluation.single_runs import Curves
from seedbed.evaluation.summaries import Conclusion, TrainingSummary
from seedbed.report.tables import NumberTable

_MOST_CLASSES = 12


def networks_shown(curves: Curves) -> str:
    """Return how many single networks the chart of learning curves can show."""
    candidates = curves.candidates
    kept = sum(len(candidate.curves["test_loss"].ghosts) for candidate in candidates)
    n = sum(candidate.n_networks - candidate.n_diverged for candidate in candidates)
    return "every network" if kept == n else f"{kept:,} of the {n:,} networks, evenly chosen"


def lottery_tables(summary: Conclusion | TrainingSummary) -> Iterator[NumberTable]:
    """Yield the spread of single runs: of their scores, and of their differences from the reference."""
    lotteries = summary.lottery
    for lottery in () if lotteries is None else (lotteries.score, lotteries.difference):
        if lottery is None or not lottery.runs:
            continue
        differs = lottery.runs[0].better is not None
        show = signed if differs else functools.partial(_shown, lottery.name)
        caption = f"{lottery.words} of a single run"
        columns = ["", "runs", "mean", "lowest", "5%", "25%", "half", "75%", "95%", "highest"]
        if differs and isinstance(summary, Conclusion):
            caption = f"improvement in {lottery.words} over {summary.reference}, in a single run"
            columns.append("runs that say better")
        rows = [
            [run.name, f"{run.n:,}", *map(show, (run.mean, run.lowest, *run.quantiles, run.highest)),
             *([f"{run.better:.0%}"] if run.better is not None else [])]
            for run in lottery.runs
        ]  # fmt: skip
        yield NumberTable(columns, rows, caption)


def calibration_table(summary: Conclusion) -> NumberTable:
    """Return the parts of each Brier score, and the calibration error beside that of exact probabilities."""
    columns = ["", "miscalibration", "discrimination", "uncertainty", "calibration error (ECE)", "if exactly right",
               "95% of the time below"]  # fmt: skip
    keys = ("miscalibration", "discrimination", "uncertainty", "ece", "ece_if_calibrated", "ece_if_calibrated_high")
    rows = [
        [candidate.name, *(f"{getattr(candidate.calibration, key):.3f}" for key in keys)]
        for candidate in summary.candidates
        if candidate.calibration is not None
    ]
    return NumberTable(columns, rows)


def confusion_tables(summary: Conclusion) -> Iterator[NumberTable]:
    """Yield, for each candidate, the share of rows by true and predicted class. Tables with many classes have none."""
    labels = list(summary.labels)
    if not 2 <= len(labels) <= _MOST_CLASSES:
        return
    for candidate in summary.candidates:
        cells = candidate.confusion
        if cells is None or not candidate.finite:
            continue
        top = max(max(row) for row in cells) or 1.0
        yield NumberTable(
            ["true \\ predicted", *labels],
            [[label, *(f"{share:.1%}" for share in row)] for label, row in zip(labels, cells, strict=True)],
            candidate.name,
            [[share / top for share in row] for row in cells],
        )


def effect_tables(effects: Effects) -> Iterator[NumberTable]:
    """Yield, for each column, the mean prediction at each of its values, and how the networks differ there."""
    for curve in effects.curves:
        cells = [[effects.shown(one, 1) for one in numbers] for numbers in (curve.mean, curve.spread)]
        yield NumberTable([curve.column, "mean prediction", "±"], list(zip(curve.texts, *cells, strict=True)))


def _shown(name: str, value: float) -> str:
    return f"{100 * value:.1f}%" if name == "accuracy" else plain_number(value, 4)
