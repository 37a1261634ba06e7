"""Verdicts as pictures: the improvement of each candidate over the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from seedbed.evaluation import (
    ColumnEffect,
    Conclusion,
    DecidingScore,
    Rule,
    Verdict,
    known_metric,
    signed,
)
from seedbed.figures.panels import (
    WIDE,
    along,
    by_rank,
    difference_axis,
    heading,
    name_layer,
    note_layer,
    panelled,
    row_axis,
    shown,
    worse_layer,
    zero_layer,
)
from seedbed.figures.theme import LIGHT, PANEL_WIDTH, Theme

__all__ = ["interval_limits", "verdict_intervals"]

_ROW = 42
_BELOW = 8  # points under the middle of a row, since the name is above it
_LOOKS = {"better_by_margin": "better", "better": "better", "worse": "worse"}
_SETTLED = (*_LOOKS, "no_practical_difference")
_WITHOUT: dict[str, Rule] = {
    "helps": "worse",
    "harms": "better",
    "no difference that matters": "no_practical_difference",
    "can't tell yet": "cannot_tell",
}
_SQUEEZED = 1 / 8  # share of the width that the typical interval takes at least
_AIR = 0.04


def verdict_intervals(summary: Conclusion, *, theme: Theme = LIGHT) -> alt.ConcatChart | None:
    """Draw a row for each verdict, in the order of the ranking: improvement and simultaneous interval.

    The first panel shows the metric that was judged, with the zone of differences that don't matter; the second one
    accuracy, where there is any and it isn't the metric itself. Of columns, it shows what they add, which decides as
    well, and verdicts are those of the columns. An improvement is positive where the candidate is better, in an error
    as in accuracy: the reference's loss minus the candidate's. What would flatten everything else leaves the picture
    with an arrow, and the words above say so.

    Args:
        summary: as `Comparison.summary` gives it.

    Returns:
        None if there is no verdict.
    """
    verdicts = {verdict.candidate: verdict for verdict in summary.verdicts}
    if not verdicts:
        return None
    metric, reference = summary.metric, summary.reference
    ranked = [verdicts[name] for name in by_rank(summary, list(verdicts))]
    judged, margin = _judged(ranked, metric)
    accuracy = _accuracy(ranked) if metric.name != "accuracy" else None
    added = None
    if summary.columns is not None:
        effects = {effect.without: effect for effect in summary.columns.effects}
        ranked = [replace(verdict, rule=_WITHOUT[effects[verdict.candidate].verdict]) for verdict in ranked]
        accuracy, added = None, _added([effects[verdict.candidate] for verdict in ranked])
    width = WIDE if accuracy is None and added is None else PANEL_WIDTH
    words = f"{metric.words}, in points" if known_metric(metric.name).percent else metric.words
    limits = interval_limits([(low, high) for _, low, high in judged], least=margin)
    records = _records(ranked, "judged", judged, limits, margin)
    panels = [_panel("judged", f"Improvement in {words}", reference, limits, margin, width, theme)]
    if accuracy is not None:
        limits = interval_limits([(low, high) for _, low, high in accuracy], least=0.0)
        records += _records(ranked, "accuracy", accuracy, limits, margin)
        panels.append(_panel("accuracy", "Improvement in accuracy, in points", reference, limits, None, width, theme))
    if added is not None:
        limits = interval_limits([(low, high) for _, low, high in added], least=margin)
        records += _records(ranked, "added", added, limits, margin)
        panels.append(_panel("added", "By what the columns add", reference, limits, margin, width, theme))
    about = f"{summary.target} of {summary.table}" if summary.target else summary.table
    title = f"{about}: improvements over {reference}"
    return panelled(panels, records, title=title, phrases=_phrases(summary, ranked, margin, records), theme=theme)


# ---- what is drawn

Interval = tuple[float, float, float]


def _judged(verdicts: Sequence[Verdict], metric: DecidingScore) -> tuple[list[Interval], float]:
    """Return (difference, low, high) of each verdict, and the margin; shares in points."""
    scale = 100.0 if known_metric(metric.name).percent else 1.0
    intervals = [(scale * verdict.difference, scale * verdict.low, scale * verdict.high) for verdict in verdicts]
    return intervals, scale * metric.margin


def _accuracy(verdicts: Sequence[Verdict]) -> list[Interval] | None:
    differences = [verdict.accuracy for verdict in verdicts if verdict.accuracy is not None]
    if len(differences) < len(verdicts):
        return None
    return [(100.0 * gain.difference, 100.0 * gain.low, 100.0 * gain.high) for gain in differences]


def _added(effects: Sequence[ColumnEffect]) -> list[Interval] | None:
    """Return what columns add, as the improvement without them; None if that isn't known of all."""
    added = [
        (-effect.adds, -effect.adds_high, -effect.adds_low)
        for effect in effects
        if effect.adds is not None and effect.adds_low is not None and effect.adds_high is not None
    ]
    return added if len(added) == len(effects) else None


def _records(
    verdicts: Sequence[Verdict],
    panel: str,
    intervals: Sequence[Interval],
    limits: tuple[float, float],
    margin: float,
) -> list[dict[str, Any]]:
    """Return one record per row. `from` and `to` are the part of the interval that is in the picture."""
    first, last = limits
    decimals = 1
    if panel != "accuracy":
        decimals = min(12, max(0, 1 + math.ceil(-math.log10(margin))))
    records = []
    for place, (verdict, (difference, low, high)) in enumerate(zip(verdicts, intervals, strict=True)):
        record: dict[str, Any] = {
            "panel": panel,
            "candidate": verdict.candidate,
            "place": place,
            "verdict": verdict.short,
            "look": _LOOKS.get(verdict.rule, "unsure") if panel != "accuracy" else "plain",
            "settled": verdict.rule in _SETTLED,
            "difference": difference,
            "low": low,
            "high": high,
            "from": min(max(low, first), last),
            "to": max(min(high, last), first),
            "beyond": [edge for edge in limits if (low < edge if edge == first else high > edge)],
        }
        middle, *ends = (_signed(value, decimals) for value in (difference, low, high))
        numbers = f"{middle} ({ends[0]} to {ends[1]})"
        cut = f"{verdict.short}: {numbers}" if record["beyond"] else verdict.short
        records.append(record | {"note": cut if panel == "judged" else numbers})
    return records


def _signed(value: float, decimals: int) -> str:
    """Return a number with its sign and a true minus; 0 has none."""
    shown = signed(value, decimals)
    return shown.replace("-", "−") if any(digit in shown for digit in "123456789") else shown.lstrip("+-")


def _phrases(
    summary: Conclusion,
    verdicts: Sequence[Verdict],
    margin: float,
    records: Sequence[Mapping[str, Any]],
) -> list[str]:
    n, certain = verdicts[0].comparisons, f"{100 * (1 - summary.alpha):g}%"
    together = f"{certain} intervals that hold for all {n} together" if n > 1 else f"a {certain} interval"
    size = f"{float(f'{margin:.3g}'):,.10g}"
    if known_metric(summary.metric.name).percent:
        size += " point" if size == "1" else " points"
    phrases = [
        f"point: the improvement that was seen; line: where it plausibly lies ({together})",
        f"grey: too small to matter ({size} or less)",
    ]
    if not all(verdict.rule in _SETTLED for verdict in verdicts):
        phrases.append("hollow: neither better nor worse is shown")
    if any(record["panel"] == "accuracy" for record in records):
        phrases.append(f"verdicts go by the {summary.metric.words}")
    if any(record["panel"] == "added" for record in records):
        phrases.append("right: the same without the errors of both models; a column helps if one side shows it")
    beyond = dict.fromkeys(record["candidate"] for record in records if record["beyond"])
    if beyond:
        phrases.append(f"arrow: goes on beyond the picture ({', '.join(beyond)})")
    return phrases


def interval_limits(intervals: Sequence[tuple[float, float]], *, least: float) -> tuple[float, float]:
    """Return the ends of an axis of differences. It contains 0 and all intervals, except those of a minority that
    are so far off that they would squeeze the typical one.

    Args:
        intervals: (low, high) of each; at least one.
        least: the axis reaches at least this far to either side.
    """
    kept = sorted(intervals, key=lambda ends: max(abs(ends[0]), abs(ends[1])))
    widths = sorted(high - low for low, high in intervals)
    typical = max(widths[(len(widths) - 1) // 2], 2 * least)

    def ends() -> tuple[float, float]:
        return min(-least, *(low for low, _ in kept), 0.0), max(least, *(high for _, high in kept), 0.0)

    fewest = len(intervals) // 2 + 1
    while len(kept) > fewest and (ends()[1] - ends()[0]) * _SQUEEZED > typical:
        kept.pop()
    low, high = ends()
    air = (high - low) * _AIR or 1.0
    return low - air, high + air


# ---- how it is drawn


def _panel(
    panel: str, words: str, reference: str, limits: tuple[float, float], margin: float | None, width: int, theme: Theme
) -> alt.LayerChart:
    """Return a panel, from the back to the front: zone, zero, intervals, points, words."""
    rows = shown(f"datum.panel == '{panel}'")
    x = difference_axis(reference, limits)
    looks = {"better": theme.better, "worse": theme.worse, "unsure": theme.unsure, "plain": theme.ink}
    colour = alt.Color("look:N", scale=alt.Scale(domain=list(looks), range=list(looks.values())), legend=None)
    tooltip = [
        alt.Tooltip("candidate:N"),
        alt.Tooltip("verdict:N"),
        *(alt.Tooltip(f"{key}:Q", format="+,.4~r") for key in ("difference", "low", "high")),
    ]
    on_row: dict[str, Any] = {"y": row_axis(), "color": colour, "tooltip": tooltip}
    line = rows.mark_rule(strokeWidth=2.4, yOffset=_BELOW).encode(x=x, x2=alt.X2("to"), **on_row)
    arrows = rows.transform_flatten(["beyond"])
    left, right = (
        arrows.transform_filter(f"datum.beyond {sign} 0").mark_point(
            shape=shape, filled=True, size=90, opacity=1, yOffset=_BELOW, xOffset=offset
        )
        for sign, shape, offset in (("<", "triangle-left", 3), (">", "triangle-right", -3))
    )
    seen = rows.transform_filter(f"datum.difference >= {limits[0]!r} && datum.difference <= {limits[1]!r}")
    point: dict[str, Any] = {"shape": "circle", "size": 80, "opacity": 1, "strokeWidth": 2.4, "yOffset": _BELOW}
    layers = [
        *([] if margin is None else [_zone(theme, margin, limits)]),
        zero_layer(rows, theme, limits, _ROW),
        line,
        left.encode(x=along(x, "beyond"), **on_row),
        right.encode(x=along(x, "beyond"), **on_row),
        seen.mark_point(fill=theme.background, **point).encode(x=along(x, "difference"), **on_row),
        seen.transform_filter("datum.settled")
        .mark_point(filled=True, **point)
        .encode(x=along(x, "difference"), **on_row),
        name_layer(rows, theme, _ROW, width),
        note_layer(rows, theme, _ROW),
        worse_layer(theme),
    ]
    return alt.LayerChart(layer=layers, width=width, height=alt.Step(_ROW), title=heading(words))


def _zone(theme: Theme, margin: float, limits: tuple[float, float]) -> alt.Chart:
    low, high = max(-margin, limits[0]), min(margin, limits[1])
    data = alt.InlineData(values=[{"from": low, "to": high}])
    zone: alt.Chart = alt.Chart(data).mark_rect(color=theme.zone).encode(x=alt.X("from:Q"), x2=alt.X2("to"))
    return zone
