"""The finding of each chart, which is its title, and the chart's numbers as plain tables."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from seedbed.errors import counted
from seedbed.evaluation.analyses import TREATING_ALL, TREATING_NONE, NetBenefit
from seedbed.evaluation.metrics import measure
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.survival import SurvivalSummary
from seedbed.figures.lottery import metric_of
from seedbed.report.advice import group_by_first, join_words
from seedbed.report.tables import NumberTable

_MOST_NAMED = 3
_FEW = 100  # runs from which a share is given of 100


def curves_finding(summary: Conclusion) -> str:
    """Return the most likely flaw of the training, or that there is none."""
    by_code = group_by_first((check.code, check.candidate) for check in summary.checks)
    candidates = summary.curves.candidates if summary.curves is not None else ()
    epochs = {
        candidate.name: candidate.epochs[-1] + 1
        for candidate in candidates
        if candidate.epochs
    }
    for code, words in (
        ("diverged", "{names} lost networks that diverged"),
        ("under_trained", "{names} {be} still improving at epoch {epoch:,}"),
        ("over_trained", "{names} get{s} worse on test rows if trained for long"),
    ):
        if names := by_code.get(code):
            be, s = ("are", "") if len(names) > 1 else ("is", "s")
            epoch = max(epochs.get(name, 0) for name in names)
            return words.format(
                names=join_words(names, _MOST_NAMED), be=be, s=s, epoch=epoch
            )
    return "Training went as it should: no network is under- or overtrained"


def lottery_finding(summary: Conclusion) -> str:
    if summary.lottery is None or not summary.lottery.score.runs:
        return "All networks diverged"
    difference, score = summary.lottery.difference, summary.lottery.score
    if difference is not None and difference.runs:
        better, run = min(
            ((one.better or 0.0, one) for one in difference.runs),
            key=lambda two: abs(two[0] - 0.5),
        )
        of = 100 if run.n >= _FEW else run.n
        does = f"{run.name} does better than {summary.reference}"
        return f"A single run can mislead: {does} in {of * better:.0f} of {of} runs"
    run = max(score.runs, key=lambda one: one.highest - one.lowest)
    metric = metric_of(score, summary)
    ends = f"from {measure(metric, run.lowest)} to {measure(metric, run.highest)}"
    return f"{counted(run.n, 'run')} of {run.name} show {metric.words} {ends}"


def calibration_finding(summary: Conclusion) -> str:
    """Return which models are further from exact probabilities than chance explains."""
    calibrations = [
        (one.name, one.calibration) for one in summary.candidates if one.name != "prior"
    ]
    names = [
        name
        for name, of in calibrations
        if of is not None and of.ece > of.ece_if_calibrated_high
    ]
    if not names:
        survival = summary.survival
        for one in () if survival is None else survival.groups:
            predicted, low, high = (
                one.predicted[-1],
                one.observed_low[-1],
                one.observed_high[-1],
            )
            if survival is not None and not low <= predicted <= high:
                did = f"observed: {one.observed[-1]:.0%} (95% range: {100 * low:.0f} to {100 * high:.0f})"
                said = f"predicts that {predicted:.0%} of the third at {one.name} survive until {survival.words}"
                return f"{survival.model} {said}; {did}"
        until = "" if survival is None else f" of surviving until {survival.words}"
        return f"The probabilities{until} of all models are as exact as these rows can show"
    return f"{join_words(names, _MOST_NAMED)} give{'s' * (len(names) == 1)} probabilities that are too high or too low"


def confusion_finding(summary: Conclusion) -> str:
    """Return how many rows the recommended model finds of the class that it misses most often."""
    name = summary.advice.use if summary.advice else summary.candidates[0].name
    cells = summary.candidate(name).confusion or ()
    labels = list(summary.labels)
    places = [place for place, row in enumerate(cells) if sum(row)]
    if not places or len(labels) != len(cells):
        return "Confusion"
    worst = min(places, key=lambda place: cells[place][place] / sum(cells[place]))
    tested = (
        summary.plan.n_test if summary.plan.kind == "held_out" else summary.n_rows
    ) or 0
    n, n_found = (
        round(tested * share) for share in (sum(cells[worst]), cells[worst][worst])
    )
    return f"{name} finds {n_found or 'none'} of the {counted(n, 'row')} of class {labels[worst]}"


def survival_finding(survival: SurvivalSummary) -> str:
    """Return how far apart the groups of the highest and the lowest risk are at the horizon."""
    first, *_, last = survival.groups
    low, high = (f"{100 * one.observed[-1]:.0f}%" for one in (first, last))
    return f"Of the third with the highest risk {low} survive until {survival.words}, of the lowest {high}"


def survival_table(survival: SurvivalSummary) -> NumberTable:
    """Return predicted and observed survival of the groups at the horizon."""
    columns = ["", "rows", "events", "predicted", "observed", "95% range"]
    rows = [
        [
            one.name,
            f"{one.n_rows:,}",
            f"{one.n_events:,}",
            f"{one.predicted[-1]:.1%}",
            f"{one.observed[-1]:.1%}",
            f"{one.observed_low[-1]:.1%} to {one.observed_high[-1]:.1%}",
        ]
        for one in survival.groups
    ]
    return NumberTable(columns, rows, f"Survival until {survival.words}")


_MOST_CLASSES = 12


def lottery_tables(summary: Conclusion) -> Iterator[NumberTable]:
    """Yield the spread of single runs: of their scores, and of their differences from the
    reference."""
    lotteries = summary.lottery
    for lottery in () if lotteries is None else (lotteries.score, lotteries.difference):
        if lottery is None or not lottery.runs:
            continue
        differs = lottery.runs[0].better is not None
        metric = summary.metric.shown if differs else metric_of(lottery, summary)
        show = metric.signed if differs else functools.partial(measure, metric)
        caption = f"{metric.words} of a single run"
        columns = [
            "",
            "runs",
            "mean",
            "lowest",
            "5%",
            "25%",
            "half",
            "75%",
            "95%",
            "highest",
        ]
        if differs:
            caption = f"improvement in {metric.words}{metric.points} over {summary.reference}, in a single run"
            columns.append("runs that say better")
        rows = [
            [
                run.name,
                f"{run.n:,}",
                *map(show, (run.mean, run.lowest, *run.quantiles, run.highest)),
                *([f"{run.better:.0%}"] if run.better is not None else []),
            ]
            for run in lottery.runs
        ]
        yield NumberTable(columns, rows, caption)


def calibration_table(summary: Conclusion) -> NumberTable:
    """Return the parts of each Brier score, and the calibration error beside that of exact
    probabilities."""
    columns = [
        "",
        "miscalibration",
        "discrimination",
        "uncertainty",
        "calibration error (ECE)",
        "if exactly right",
        "95% of the time below",
    ]
    keys = (
        "miscalibration",
        "discrimination",
        "uncertainty",
        "ece",
        "ece_if_calibrated",
        "ece_if_calibrated_high",
    )
    calibrations = [
        (one.name, one.calibration)
        for one in summary.candidates
        if one.calibration is not None
    ]
    return NumberTable(
        columns,
        [
            [name, *(f"{getattr(of, key):.3f}" for key in keys)]
            for name, of in calibrations
        ],
    )


def benefit_finding(benefit: NetBenefit) -> str:
    """Return at which thresholds the recommended model is shown to be of more use than treating all
    and none."""
    pairs = zip(
        benefit.at,
        benefit.differences[TREATING_ALL],
        benefit.differences[TREATING_NONE],
        strict=True,
    )
    at = [
        f"{100 * threshold:g}%"
        for threshold, *both in pairs
        if max(one.high for one in both) < 0
    ]
    which = (
        f" at {'a threshold' if len(at) == 1 else 'thresholds'} of {join_words(at, len(at))}"
        if at
        else ""
    )
    return f"{benefit.model} {'is' if at else 'is not shown to be'} of more use than treating all or none{which}"


def confusion_tables(summary: Conclusion) -> Iterator[NumberTable]:
    """Yield, for each candidate, the share of rows by true and predicted class. Tables with many
    classes have none."""
    labels = list(summary.labels)
    if not 2 <= len(labels) <= _MOST_CLASSES:
        return
    for candidate in summary.candidates:
        cells = candidate.confusion
        if cells is None or not candidate.finite:
            continue
        top = max(max(row) for row in cells) or 1.0
        rows = [
            [label, *(f"{share:.1%}" for share in row)]
            for label, row in zip(labels, cells, strict=True)
        ]
        shades = [[share / top for share in row] for row in cells]
        yield NumberTable(["true \\ predicted", *labels], rows, candidate.name, shades)
