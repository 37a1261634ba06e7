"""The verdicts within subgroups: one table with its forest plot, how to read it, and the numbers of all models."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.errors import counted
from seedbed.evaluation import (
    SHORT,
    Conclusion,
    Gap,
    Interval,
    Metric,
    Subgroup,
    Subgroups,
    known_metric,
    measure,
    p_words,
    signed,
)
from seedbed.report.advice import listed
from seedbed.report.glance import LOOKS, FirstScreen, Row, decimals_of
from seedbed.report.tables import NumberTable

__all__ = ["number_tables", "subgroup_screen"]

_GAP_WORDS = {
    "differs": "differs",
    "no_practical_difference": SHORT["no_practical_difference"],
    "cannot_tell": SHORT["cannot_tell"],
}
_MOST_NAMED = 3


def subgroup_screen(conclusion: Conclusion) -> FirstScreen | None:
    """Return the table of the model that is shown first, a row for each subgroup, as `first_screen` has it for models;
    None without subgroups."""
    found = conclusion.subgroups
    if found is None:
        return None
    metric, reference = known_metric(conclusion.metric.name), conclusion.reference
    points = " (points)" if metric.percent else ""
    compared = f"gain over {reference}{points}" if len(reference) <= 24 else f"gain over the reference{points}"
    scale = 100.0 if metric.percent else 1.0
    heading = f"By {found.column}: {found.model} against {reference}"
    return FirstScreen(
        heading=heading if found.model != reference else f"By {found.column}: {reference}",
        warnings=(),
        answers=(),
        no_verdict="",
        columns=(found.column, metric.words, compared, "predicted - observed", "verdict"),
        rows=tuple(_row(conclusion, found, group, metric, scale) for group in found.subgroups),
        notes=(_finding(conclusion), *_notes(conclusion, found)),
        trained=(),
        unit="points" if metric.percent else metric.words,
        margin=scale * conclusion.metric.margin,
    )


def _row(conclusion: Conclusion, found: Subgroups, group: Subgroup, metric: Metric, scale: float) -> Row:
    decimals = decimals_of(metric, conclusion.metric.margin)
    verdict, score = group.verdict(found.model), group.scores.get(found.model)
    few = "too few rows" if "too few" in group.reason else "no verdict" if group.reason else ""
    interval, gain = None, ""
    if verdict is not None:
        interval = (scale * verdict.difference, scale * verdict.low, scale * verdict.high)
        gain = _plus_minus(Interval(mean=verdict.difference, low=verdict.low, high=verdict.high), scale, decimals)
    calibration = group.calibration.get(found.model)
    return Row(
        name=group.name,
        label=f"{group.name} ({counted(group.n_rows, 'row')})",
        score="-" if score is None else measure(metric, score.mean),
        gain=gain,
        beside=("" if calibration is None else _calibration(conclusion, calibration),),
        verdict=few if verdict is None else SHORT[verdict.rule],
        look="" if verdict is None else LOOKS.get(verdict.rule, "unsure"),
        chosen=False,
        interval=interval,
    )


def _plus_minus(value: Interval, scale: float, decimals: int | None) -> str:
    half = scale * max(value.high - value.mean, value.mean - value.low)
    shown = signed(half, decimals).removeprefix("+")
    return f"{signed(scale * value.mean, decimals)} ±{shown}"


def _calibration(conclusion: Conclusion, value: Interval) -> str:
    """Return the mean prediction minus the mean of what was observed: of classes in points."""
    return _plus_minus(value, 1.0, None) if conclusion.task == "regression" else _plus_minus(value, 100.0, 1)


def _amount(conclusion: Conclusion, gap: Gap) -> str:
    metric = known_metric(conclusion.metric.name)
    value = Interval(mean=gap.difference, low=gap.low, high=gap.high)
    if not metric.percent:
        return _plus_minus(value, 1.0, decimals_of(metric, conclusion.metric.margin))
    return f"{_plus_minus(value, 100.0, 1)} points"


def _finding(conclusion: Conclusion) -> str:
    """Return whether the gain of the model that is shown first differs between subgroups, with the clearest gap."""
    found = conclusion.subgroups
    gaps = [] if found is None else [gap for gap in found.gaps if gap.candidate == found.model]
    if found is None or not gaps:
        return "No two subgroups have enough rows, so whether a gain differs between them isn't known."
    clearest = min(gaps, key=lambda gap: gap.p)
    gain = f"the gain of {found.model}"
    size = "larger" if clearest.difference > 0 else "smaller"
    shown = _amount(conclusion, clearest).removeprefix("+").removeprefix("-")
    amount = f"in {found.column} {clearest.subgroup} it is {shown} {size} than in all other rows"
    rules = {gap.rule for gap in gaps}
    if "differs" in rules:
        return f"{gain[:1].upper()}{gain[1:]} differs between subgroups: {amount}."
    if rules == {"no_practical_difference"}:
        return f"{gain[:1].upper()}{gain[1:]} doesn't differ by an amount that matters: {amount}."
    return f"Can't tell yet whether {gain} differs between subgroups: {amount}."


def _notes(conclusion: Conclusion, found: Subgroups) -> Iterator[str]:
    shown = (found.model, "prior")  # where labels are rarer, the prior is closer to all other models
    others = dict.fromkeys(gap.candidate for gap in found.gaps if gap.rule == "differs" and gap.candidate not in shown)
    if others:
        yield f"The gain of {listed(list(others), _MOST_NAMED)} differs between subgroups, too."
    off = {group.name: group.calibration.get(found.model) for group in found.subgroups}
    for words, sign in (("high", 1), ("low", -1)):
        names = [name for name, one in off.items() if one is not None and min(sign * one.low, sign * one.high) > 0]
        if names:
            yield f"The predictions of {found.model} are on average too {words} in {found.column} {listed(names)}."
    few = next((group.reason for group in found.subgroups if group.reason), "")
    if few:
        yield f"No verdict: {few}."
    if any(group.verdicts for group in found.subgroups):
        what = {"binary": f"the mean probability of {_positive(conclusion)} minus its share of rows, in points",
                "multiclass": "the mean probability of the predicted class minus the share of right ones, in points",
                }.get(conclusion.task or "", f"the mean prediction minus the mean of {conclusion.target}")  # fmt: skip
        yield f"Predicted - observed: {what}."
        level = f"{100 * (1 - conclusion.alpha):g}%"
        yield f"±: {level} intervals, which hold for all subgroups together; those of gains for all models, too."


def _positive(conclusion: Conclusion) -> str:
    return f"{conclusion.target} {list(conclusion.labels)[1]}" if len(conclusion.labels) == 2 else conclusion.target


def number_tables(conclusion: Conclusion) -> Iterator[NumberTable]:
    """Yield, for each subgroup, score, gain and calibration of all models, and then the gaps between subgroups."""
    found = conclusion.subgroups
    if found is None:
        return
    metric = known_metric(conclusion.metric.name)
    scale, points = (100.0, " (points)") if metric.percent else (1.0, "")
    decimals = decimals_of(metric, conclusion.metric.margin)
    columns = ["", metric.words, f"gain over {conclusion.reference}{points}", "verdict", "p, adjusted",
               "predicted - observed"]  # fmt: skip
    for group in found.subgroups:
        rows = []
        for name, score in group.scores.items():
            one = group.verdict(name)
            cells = ["", "", ""]
            if one is not None:
                value = Interval(mean=one.difference, low=one.low, high=one.high)
                cells = [_plus_minus(value, scale, decimals), one.short, p_words(one.p_adjusted)]
            ends = " to ".join(measure(metric, end, score.mean) for end in (score.low, score.high))
            calibration = _calibration(conclusion, group.calibration[name])
            rows.append([name, f"{measure(metric, score.mean)} ({ends})", *cells, calibration])
        if rows:
            yield NumberTable(columns, rows, f"{found.column} {group.name}: {group.n_rows:,} rows")
    if found.gaps:
        columns = ["", found.column, "gain there minus that in all other rows", "difference", "p", "p, adjusted"]
        rows = [
            [
                gap.candidate,
                gap.subgroup,
                _amount(conclusion, gap),
                _GAP_WORDS[gap.rule],
                *map(p_words, (gap.p, gap.p_adjusted)),
            ]
            for gap in found.gaps
        ]
        yield NumberTable(columns, rows, "Does the gain differ between subgroups?")
