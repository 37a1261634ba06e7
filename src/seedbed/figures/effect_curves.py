"""Effects: the mean prediction along the values of each column, a small chart for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from seedbed.evaluation.effect_bands import EffectCurve, Effects
from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.panels import PLAIN_AXIS, along, heading, panelled
from seedbed.figures.theme import LIGHT, Theme, colours

_COLUMNS, _WIDTH, _HEIGHT = 3, 236, 150
_AIR = 0.05
_THOUSANDS, _FEW = 10_000, 6
_STEEP, _TILTED = 8, 24  # levels, and letters of all levels, that fit beside each other


def effect_curves(summary: Conclusion, *, theme: Theme = LIGHT) -> alt.ConcatChart | None:
    """Draw how the mean prediction changes with each column; None without effects. All charts have the same scale."""
    effects = summary.effects
    if effects is None or not effects.curves:
        return None
    records = [one for place, curve in enumerate(effects.curves) for one in _records(place, curve, effects)]
    low, high = min(one["low"] for one in records), max(one["high"] for one in records)
    air = _AIR * (high - low) or 1.0
    y = alt.Y(
        "mean:Q",
        axis=alt.Axis(title=None, tickCount=4, domain=False, format="~%" if effects.label else _form([low, high])),
        scale=alt.Scale(domain=[low - air, high + air], nice=False, zero=False),
    )
    colour = colours([candidate.name for candidate in summary.candidates], theme)[effects.model]
    panels = [_panel(place, curve, effects, y, colour) for place, curve in enumerate(effects.curves)]
    phrases = [
        "the mean prediction if every row had this value of the column and kept its other cells",
        f"up: {effects.what(summary.target)}",
        *([f"band: one standard deviation of the {effects.networks} networks"] if effects.networks > 1 else []),
        "points: all values, or 20 quantiles from 5 to 95% of the rows; levels of at least 2%",
    ]
    title = f"{summary.target} of {summary.table}: what do the predictions of {effects.model} depend on?"
    return panelled(panels, records, title=title, phrases=phrases, theme=theme, columns=_COLUMNS, spacing=24)


def _records(place: int, curve: EffectCurve, effects: Effects) -> list[dict[str, Any]]:
    """Return a record for each value; levels of a category by their predictions."""
    values: Sequence[Any] = curve.values
    if curve.kind == "date":
        values = np.array(values, dtype="datetime64[ms]").astype(np.int64).tolist()
    least, most = (0.0, 1.0) if effects.label else (-np.inf, np.inf)
    records = [
        {"place": place, "value": value, "text": text, "mean": mean, "low": max(least, mean - spread),
         "high": min(most, mean + spread)}
        for value, text, mean, spread in zip(values, curve.texts, curve.mean, curve.spread, strict=True)
    ]  # fmt: skip
    return sorted(records, key=lambda record: record["mean"]) if curve.kind == "category" else records


def _panel(place: int, curve: EffectCurve, effects: Effects, y: alt.Y, colour: str) -> alt.LayerChart:
    """Return a line with its band; of levels, points with theirs."""
    rows = alt.Chart().transform_filter(f"datum.place == {place}")
    ends = {"y": along(y, "low"), "y2": alt.Y2("high")}
    kind = {"number": "Q", "date": "T"}.get(curve.kind, "N")
    tooltip = [
        alt.Tooltip("text:N", title=curve.column),
        *(alt.Tooltip(f"{key}:Q", format=".1%" if effects.label else ".4~g") for key in ("mean", "low", "high")),
    ]
    point = rows.mark_point(filled=True, color=colour, size=50 if kind == "N" else 18, opacity=1)
    if kind == "N":
        angle = -90 if len(curve.values) > _STEEP else -40 if sum(map(len, curve.texts)) > _TILTED else 0
        axis = alt.Axis(title=None, labelAngle=angle, labelLimit=90, labelFontSize=11, domain=False, ticks=False)
        x = alt.X("text:N", axis=axis, sort=None, scale=alt.Scale(type="point", padding=0.5))
        layers = [rows.mark_rule(color=colour, opacity=0.3, strokeWidth=6).encode(x=x, **ends)]
    else:
        axis = alt.Axis(title=None, **PLAIN_AXIS | {"tickCount": 4})
        scale: dict[str, Any] = {"type": "utc"} if kind == "T" else {"zero": False}
        if kind == "Q":
            axis.format = _form(curve.values)
            axis.values = [*curve.values] if len(curve.values) <= _FEW else alt.Undefined
        x = alt.X(f"value:{kind}", axis=axis, scale=alt.Scale(nice=False, **scale))
        band = rows.mark_area(color=colour, opacity=0.2).encode(x=x, **ends)
        layers = [band, rows.mark_line(color=colour, strokeWidth=2).encode(x=x, y=y)]
    layers.append(point.encode(x=x, y=y, tooltip=tooltip))
    title = heading(curve.column)
    title.limit, title.subtitle = _WIDTH, effects.words(curve)
    return alt.LayerChart(layer=layers, width=_WIDTH, height=_HEIGHT, title=title)


def _form(numbers: Sequence[Any]) -> str:
    """Return the format of numbers: 20k for 20,000, but 1990 without a comma, as it may be a year."""
    return ".5~s" if max(map(abs, numbers)) >= _THOUSANDS else ".5~g"
