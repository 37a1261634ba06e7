"""The verdicts within subgroups: one table with its forest plot, how to read it, and the numbers of all models."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.errors import counted
from seedbed.evaluation.metrics import Metric
from seedbed.evaluation.numbers import known_metric, measure, p_words, plus_minus
from seedbed.evaluation.subgroup_tests import Gap, Interval, Subgroup, Subgroups
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import SHORT, Verdict
from seedbed.report.advice import listed
from seedbed.report.glance import LOOKS, FirstScreen, Row, decimals_of
from seedbed.report.tables import NumberTable

_GAP_WORDS = {**{str(rule): words for rule, words in SHORT.items()}, "differs": "differs"}
_MOST_NAMED = 3


def subgroup_screen(conclusion: Conclusion) -> FirstScreen | None:
    """Return the table of the model that is shown first, a row for each subgroup, as `first_screen` has it for models;
    None without subgroups."""
    groups = conclusion.subgroups
    if groups is None:
        return None
    metric, reference = known_metric(conclusion.metric.name), groups.reference
    points = " (points)" if metric.percent else ""
    compared = f"gain over {reference}{points}" if len(reference) <= 24 else f"gain over the reference{points}"
    scale = 100.0 if metric.percent else 1.0
    heading = f"By {groups.column}: {groups.model} against {reference}"
    return FirstScreen(
        heading=heading if groups.model != reference else f"By {groups.column}: {reference}",
        warnings=(),
        answers=(),
        no_verdict="",
        columns=(groups.column, metric.words, compared, "predicted - observed", "verdict"),
        rows=tuple(_row(conclusion, groups, group, metric, scale) for group in groups.subgroups),
        helps=(),
        notes=(_finding(conclusion), *_notes(conclusion, groups)),
        trained=(),
        unit="points" if metric.percent else metric.words,
        margin=scale * conclusion.metric.margin,
    )


def _row(conclusion: Conclusion, groups: Subgroups, group: Subgroup, metric: Metric, scale: float) -> Row:
    decimals = decimals_of(metric, conclusion.metric.margin)
    verdict, score = group.verdict(groups.model), group.scores.get(groups.model)
    few = "too few rows" if "too few" in group.reason else "no verdict" if group.reason else ""
    interval = None if verdict is None else _scaled(verdict, scale)
    calibration = group.calibration.get(groups.model)
    return Row(
        name=group.name,
        what=counted(group.n_rows, "row"),
        score="-" if score is None else measure(metric, score.mean),
        gain="" if interval is None else _shown(*interval, decimals),
        beside=("" if calibration is None else _calibration(conclusion, calibration),),
        verdict=few if verdict is None else SHORT[verdict.rule],
        look="" if verdict is None else LOOKS.get(verdict.rule, "unsure"),
        chosen=False,
        interval=interval,
    )


def _scaled(value: Verdict | Gap | Interval, scale: float) -> tuple[float, float, float]:
    middle = value.mean if isinstance(value, Interval) else value.difference
    return scale * middle, scale * value.low, scale * value.high


def _shown(middle: float, low: float, high: float, decimals: int | None) -> str:
    return plus_minus(middle, max(high - middle, middle - low), decimals)


def _calibration(conclusion: Conclusion, value: Interval) -> str:
    """Return the mean prediction minus the mean of what was observed: of classes in points."""
    scale, decimals = (1.0, None) if conclusion.task == "regression" else (100.0, 1)
    return _shown(*_scaled(value, scale), decimals)


def _amount(conclusion: Conclusion, gap: Gap) -> str:
    metric = known_metric(conclusion.metric.name)
    decimals = decimals_of(metric, conclusion.metric.margin)
    shown = _shown(*_scaled(gap, 100.0 if metric.percent else 1.0), decimals)
    return f"{shown} points" if metric.percent else shown


def _finding(conclusion: Conclusion) -> str:
    """Return whether the gain of the model that is shown first differs between subgroups, with the clearest gap."""
    groups = conclusion.subgroups
    gaps = [] if groups is None else [gap for gap in groups.gaps if gap.candidate == groups.model]
    if groups is None or not gaps:
        return "Fewer than two subgroups have a verdict, so whether a gain differs between them isn't known."
    clearest = min(gaps, key=lambda gap: gap.p)
    size = "larger" if clearest.difference > 0 else "smaller"
    shown = _amount(conclusion, clearest).removeprefix("+").removeprefix("-")
    amount = f"in {groups.column} {clearest.subgroup} it is {shown} {size} than in all other rows"
    rules = {gap.rule for gap in gaps}
    if "differs" in rules:
        return f"The gain of {groups.model} differs between subgroups: {amount}."
    if rules == {"no_practical_difference"}:
        return f"The gain of {groups.model} doesn't differ by an amount that matters: {amount}."
    return f"Can't tell whether the gain of {groups.model} differs between subgroups: {amount}."


def _notes(conclusion: Conclusion, groups: Subgroups) -> Iterator[str]:
    shown = (groups.model, "prior")  # where labels are rarer, the prior is closer to all other models
    others = dict.fromkeys(gap.candidate for gap in groups.gaps if gap.rule == "differs" and gap.candidate not in shown)
    if others:
        yield f"The gain of {listed(list(others), _MOST_NAMED)} differs between subgroups, too."
    off = {group.name: group.calibration.get(groups.model) for group in groups.subgroups}
    for words, sign in (("high", 1), ("low", -1)):
        names = [name for name, one in off.items() if one is not None and min(sign * one.low, sign * one.high) > 0]
        if names:
            yield f"The predictions of {groups.model} are on average too {words} in {groups.column} {listed(names)}."
    few = next((group.reason for group in groups.subgroups if group.reason), "")
    if few:
        yield f"No verdict: {few}."
    if any(group.verdicts for group in groups.subgroups):
        what = {"binary": f"the mean probability of {_positive(conclusion)} minus its share of rows, in points",
                "multiclass": "the mean probability of the predicted class minus the share of right ones, in points",
                }.get(conclusion.task or "", f"the mean prediction minus the mean of {conclusion.target}")  # fmt: skip
        yield f"Predicted - observed: {what}."
        level = f"{100 * (1 - conclusion.alpha):g}%"
        yield (
            f"±: {level} intervals, which hold for all subgroups together; those of gains for all models, too. They "
            "are about models trained on this table: trained on other rows, models may differ more between subgroups."
        )


def _positive(conclusion: Conclusion) -> str:
    return f"{conclusion.target} {list(conclusion.labels)[1]}" if len(conclusion.labels) == 2 else conclusion.target


def number_tables(conclusion: Conclusion) -> Iterator[NumberTable]:
    """Yield, for each subgroup, score, gain and calibration of all models, and then the gaps between subgroups."""
    groups = conclusion.subgroups
    if groups is None:
        return
    metric = known_metric(conclusion.metric.name)
    scale, points = (100.0, " (points)") if metric.percent else (1.0, "")
    decimals = decimals_of(metric, conclusion.metric.margin)
    columns = ["", metric.words, f"gain over {groups.reference}{points}", "verdict", "p, adjusted",
               "predicted - observed"]  # fmt: skip
    for group in groups.subgroups:
        rows = []
        for name, score in group.scores.items():
            one, cells = group.verdict(name), ["", "", ""]
            if one is not None:
                cells = [_shown(*_scaled(one, scale), decimals), one.short, p_words(one.p_adjusted)]
            ends = " to ".join(measure(metric, end, score.mean) for end in (score.low, score.high))
            calibration = _calibration(conclusion, group.calibration[name])
            rows.append([name, f"{measure(metric, score.mean)} ({ends})", *cells, calibration])
        if rows:
            yield NumberTable(columns, rows, f"{groups.column} {group.name}: {group.n_rows:,} rows")
    if groups.gaps:
        columns = ["", groups.column, "gain there minus that in all other rows", "difference", "p, adjusted"]
        rows = [
            [gap.candidate, gap.subgroup, _amount(conclusion, gap), _GAP_WORDS[gap.rule], p_words(gap.p_adjusted)]
            for gap in groups.gaps
        ]
        yield NumberTable(columns, rows, "Does the gain differ between subgroups?")
