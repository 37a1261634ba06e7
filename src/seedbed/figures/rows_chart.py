"""Learning curves over rows: the loss by the number of training rows, and the forecast for more."""

from __future__ import annotations

from typing import Any

import altair as alt

from seedbed.evaluation.numbers import known_metric
from seedbed.evaluation.subgroup_tests import Interval
from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.panels import WIDE, panelled, shown
from seedbed.figures.theme import LIGHT, PANEL_HEIGHT, Theme, candidate_scale

_DASHED = [5, 4]


def row_curves(summary: Conclusion, *, theme: Theme = LIGHT) -> alt.ConcatChart | None:
    """Draw the score that decides by the number of training rows; None unless smaller training sets were trained."""
    rows = summary.rows
    if rows is None:
        return None
    metric = known_metric(summary.metric.name)

    def record(name: str, part: str, n: int, loss: Interval) -> dict[str, Any]:
        ends = [metric.score_of(value) for value in (loss.mean, loss.low, loss.high)]
        return {"candidate": name, "part": part, "n": n, "mean": ends[0], "low": min(ends), "high": max(ends)}

    records, last = [], rows.sizes[-1]
    for name in last.losses:
        records += [record(name, "now", one.n_train, one.losses[name]) for one in rows.sizes if name in one.losses]
        if forecasts := rows.forecasts_of(name):
            records.append(record(name, "more", last.n_train, last.losses[name]))
            records += [record(name, "more", one.n_train, one.loss) for one in forecasts]
    scale = candidate_scale([candidate.name for candidate in summary.candidates], theme)
    x = alt.X("n:Q", axis=alt.Axis(title="training rows", grid=False), scale=alt.Scale(type="log", nice=False))
    y = alt.Y("mean:Q", axis=alt.Axis(title=metric.words), scale=alt.Scale(zero=False))
    colour = alt.Color("candidate:N", scale=scale, legend=alt.Legend(title=None, values=list(last.losses)))
    tooltip = [
        alt.Tooltip("candidate:N"),
        alt.Tooltip("n:Q", title="training rows", format=","),
        *(alt.Tooltip(f"{key}:Q", format=".4f") for key in ("mean", "low", "high")),
    ]
    layers = []
    for part, dash in (("now", [1, 0]), ("more", _DASHED)):
        of_part = shown(f"datum.part == '{part}'")
        ends = {"x": x, "y": alt.Y("low:Q", title=metric.words), "y2": alt.Y2("high"), "color": colour}
        layers += [
            of_part.mark_area(opacity=0.07).encode(**ends),
            of_part.mark_line(strokeWidth=2.2, strokeDash=dash).encode(x=x, y=y, color=colour),
            of_part.mark_point(filled=True, size=32, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
        ]
    panel = alt.LayerChart(layer=layers, width=WIDE, height=PANEL_HEIGHT)
    phrases = ["solid: trained on so many rows, with the interval of each model alone"]
    phrases += ["dashed: forecast, with 90% intervals"] if rows.forecasts else []
    title = f"{summary.target} of {summary.table}: would more rows help?"
    return panelled([panel], records, title=title, phrases=phrases, theme=theme, columns=1)
