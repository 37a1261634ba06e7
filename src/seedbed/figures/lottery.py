"""The seed lottery: the scores of single runs, and their differences from the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seedbed.evaluation.metrics import Metric, find_metric, measure
from seedbed.evaluation.single_runs import RunLottery, RunSpread
from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import ONCE, Spec, channel
from seedbed.figures.panels import (
    PLAIN_AXIS,
    WIDE,
    along,
    colour_channel,
    heading,
    join_panels,
    span,
    visible_records,
)
from seedbed.figures.theme import LIGHT, PANEL_WIDTH, Theme

_ROW = 44
_LETTERS = 40  # of a reference's name
_NOTE_WIDTH = 130
_AIR, _OF_EQUAL = 0.04, 0.01  # shares beyond the ends: of the axis, or of equal runs
_REACH = (
    6  # of the axis beyond the middle nine tenths of a candidate's runs, in their width
)
_ENDS = ("mean", "middle_low", "middle_high", "lowest", "highest")
# A row is its place and not its name, since Vega interprets dots and brackets in names. The scale
# contains the rows that are shown: hiding a candidate closes its row.
_ROW_AXIS = channel(
    "place:O",
    axis={
        "title": None,
        "labels": False,
        "ticks": False,
        "domain": False,
        "grid": True,
        "bandPosition": 0,
    },
    scale={"type": "band", "paddingInner": 0, "paddingOuter": 0},
)


def seed_lottery(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw how the single runs of each candidate (one fold, one seed) are spread, in the order of
    the ranking.

    The first panel shows their scores. The second one, if there is a reference, shows their
    differences from it. A thin line reaches from the lowest to the highest run, a thick one has the
    middle half, and a point the mean. `train` has scores but no differences. None if no run has a
    finite score.
    """
    if summary.lottery is None or not summary.lottery.score.runs:
        return None
    score = summary.lottery.score
    difference = summary.lottery.difference
    if difference is not None and not difference.runs:
        difference = None
    ran = {run.name for run in score.runs}
    names = [model.name for model in summary.in_order() if model.name in ran]
    width = WIDE if difference is None else PANEL_WIDTH
    colour = colour_channel(summary, theme)
    metric = metric_of(score, summary)
    words = (
        "R²"
        if metric.words == "R2"
        else f"{metric.words[:1].upper()}{metric.words[1:]}"
    )
    scale = 100.0 if metric.in_points else 1.0
    title = f"{words} of single runs{', in percent' * metric.percent}"
    records = _records(score, names, "score", metric, scale)
    panels = [_panel("score", score, title, scale, colour, width, theme)]
    if difference is not None:
        metric = summary.metric.shown
        unit = ", in points" * metric.in_points
        title = f"Improvement in {metric.words}{unit}, run by run"
        records += _records(difference, names, "difference", metric, metric.scale)
        panel = _panel(
            "difference", difference, title, metric.scale, colour, width, theme
        )
        panels.append(_with_sides(panel, summary.reference, theme))
    counts = [run.n for run in score.runs]
    phrases = [f"{span(counts)} single runs (one fold, one seed)"]
    if max(counts) > 1:
        phrases.append("line: lowest to highest; thick: middle half; point: mean")
    if summary.plan.networks > 1:
        phrases.append(
            "the table scores the mean of a model's networks, which is usually better than single ones"
        )
    title = f"{summary.target} of {summary.table}: what one single run would have shown"
    return join_panels(panels, records, title=title, phrases=phrases, theme=theme)


def metric_of(lottery: RunLottery, summary: Conclusion) -> Metric:
    """Return the score of single runs; as it is shown if it decides."""
    shown = summary.metric.shown
    return shown if shown.name == lottery.name else find_metric(lottery.name)


def _records(
    lottery: RunLottery, names: Sequence[str], panel: str, metric: Metric, scale: float
) -> list[dict[str, Any]]:
    """Return one record per row. Shares and their differences are in points."""
    runs = {run.name: run for run in lottery.runs}
    records = list[dict[str, Any]]()
    for place, name in enumerate(names):
        record: dict[str, Any] = {"panel": panel, "candidate": name, "place": place}
        if name in runs:
            run = runs[name]
            ends = (
                run.mean,
                run.quantiles[1],
                run.quantiles[3],
                run.lowest,
                run.highest,
            )
            values = (scale * value for value in ends)
            record |= {"note": _note(run, metric), "n": run.n}
            record |= dict(zip(_ENDS, values, strict=True))
        else:
            record |= {"note": "the reference", "n": 0}
        records.append(record)
    return records


def _note(run: RunSpread, metric: Metric) -> str:
    """Return the spread of runs in words; of differences, how many say that it is better."""
    if run.better is not None:
        return f"{100 * run.better:.3g}% say better"
    mean = measure(metric, run.mean)
    ends = f"{measure(metric, run.lowest)} to {measure(metric, run.highest)}"
    return mean if run.n == 1 else f"{ends}, mean {mean}"


def _panel(
    name: str,
    lottery: RunLottery,
    title: str,
    scale: float,
    colour: Spec,
    width: int,
    theme: Theme,
) -> Spec:
    """Return a panel. In each row are the ranges, and above them the candidate's name at the left,
    so that long ones take no width, and the field `note` at the right."""
    low, high = (scale * end for end in lottery.ends)
    air = _AIR * (high - low) or _OF_EQUAL * (abs(high) or 1)
    domain = {"domain": [low - air, high + air]}
    axis: Spec = {"title": None, **PLAIN_AXIS}
    x = channel("lowest:Q", axis=axis, scale=domain)
    rows = visible_records(f"datum.panel == '{name}'")
    runs = rows.filter("datum.n > 0")
    ends = [channel(f"{key}:Q", format=",.4~r") for key in _ENDS]
    tooltip = [channel("candidate:N"), channel("n:Q", title="runs"), *ends]
    row: Spec = {"y": _ROW_AXIS, "color": colour, "tooltip": tooltip}
    mark: Spec = {"clip": True, "yOffset": 8}
    thin = {**mark, "strokeWidth": 1.5}
    thick = {**mark, "strokeWidth": 6, "opacity": 0.5}
    point = {**mark, "filled": True, "size": 70, "opacity": 1}
    words: Spec = {"color": theme.ink, "fontSize": 12, "yOffset": 12 - _ROW / 2}
    of_name = {"align": "left", "fontWeight": "bold", "limit": width - _NOTE_WIDTH}
    candidate = channel("candidate:N")
    note = channel("note:N")
    middle = along(x, "middle_low")
    layers = [
        runs.draw("rule", thin, x=x, x2=channel("highest"), **row),
        runs.draw("rule", thick, x=middle, x2=channel("middle_high"), **row),
        runs.draw("point", point, x=along(x, "mean"), **row),
        rows.draw("text", words | of_name, x={"value": 0}, y=_ROW_AXIS, text=candidate),
        rows.draw(
            "text",
            words | {"align": "right"},
            x={"value": "width"},
            y=_ROW_AXIS,
            text=note,
        ),
    ]
    return {
        "layer": layers,
        "width": width,
        "height": {"step": _ROW},
        "title": heading(title),
    }


def _with_sides(panel: Spec, reference: str, theme: Theme) -> Spec:
    """Return a panel of differences with a line at none, and with words for both sides."""
    name = reference
    if len(reference) > _LETTERS:
        name = f"{reference[: _LETTERS - 1]}…"
    line = {"color": theme.faint_ink, "clip": True}
    worse = {"align": "left", "color": theme.ink, "fontSize": 12, "yOffset": 34}
    edge = {"x": {"value": 0}, "y": {"value": "height"}}
    axis = panel["layer"][0]["encoding"]["x"]["axis"]
    axis |= {"title": f"better than {name} →", "titleAnchor": "end"}
    zero = ONCE.draw("rule", line, x={"datum": 0})
    words = ONCE.draw("text", worse, **edge, text={"value": "← worse"})
    return {**panel, "layer": [zero, *panel["layer"], words]}
