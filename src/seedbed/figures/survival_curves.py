"""Predicted and observed survival along time: of groups of rows by their risk, and of typical
rows."""

from __future__ import annotations

from collections.abc import Sequence

from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import Spec, channel
from seedbed.figures.panels import (
    PLAIN_AXIS,
    heading,
    join_panels,
    labelled,
    visible_records,
)
from seedbed.figures.theme import LIGHT, PANEL_HEIGHT, PANEL_WIDTH, Theme

_PANELS = (
    ("groups", "Thirds of the rows by predicted risk"),
    ("rows", "Four typical rows"),
)


def survival_curves(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw the predictions of the recommended model beside the Kaplan-Meier estimate of risk
    groups, and those for four typical rows. None without such a model, and of other tasks."""
    survival = summary.survival
    if survival is None or not survival.groups:
        return None
    records = []
    for panel, curves in (("groups", survival.groups), ("rows", survival.rows)):
        for place, curve in enumerate(curves):
            name = (
                f"{curve.name} ({curve.n_events} of {curve.n_rows})"
                if curve.n_rows
                else curve.name
            )
            columns = {
                "time": survival.grid,
                "predicted": curve.predicted,
                "observed": curve.observed or [None] * len(survival.grid),
                "low": curve.observed_low or curve.low,
                "high": curve.observed_high or curve.high,
            }
            rows = (
                dict(zip(columns, row, strict=True))
                for row in zip(*columns.values(), strict=True)
            )
            records += [
                {"candidate": name, "panel": panel, "place": place, **row}
                for row in rows
            ]
    unit = survival.unit or survival.time
    panels = [_panel(name, title, unit, records, theme) for name, title in _PANELS]
    phrases = [
        f"across: {unit}, up to the horizon; up: share that survives",
        "the stronger a line, the higher the risk",
        "in parentheses: events of rows",
        "left, dashed: mean prediction of rows not trained on; line and band: Kaplan-Meier with its 95% range",
        "right: predictions for the rows in the middle of each quarter by risk; band: 95% of single networks",
    ]
    title = (
        f"{summary.target} of {summary.table}: survival as {survival.model} predicts it"
    )
    chart = join_panels(panels, records, title=title, phrases=phrases, theme=theme)
    chart["resolve"] = {"scale": {"color": "independent"}}
    return chart


def _panel(
    name: str, title: str, time: str, records: Sequence[Spec], theme: Theme
) -> Spec:
    rows = visible_records(f"datum.panel == '{name}'")
    of_groups = name == "groups"
    x = channel("time:Q", axis={"title": time, **PLAIN_AXIS}, scale={"nice": False})
    axis = {"title": None, "format": "%", "tickCount": 5, "domain": False}
    y = channel("predicted:Q", axis=axis, scale={"domain": [0, 1]})
    scale = {
        "range": [
            theme.risks[place] for place in ((0, 2, 3) if of_groups else range(4))
        ]
    }
    colour = channel("candidate:N", sort=None, scale=scale, legend=None)
    band = {
        "x": x,
        "y": channel("low:Q", axis=axis),
        "y2": channel("high"),
        "color": colour,
    }
    tooltip = [
        channel("candidate:N", title=" "),
        channel("time:Q", title=time, format=",.4~g"),
    ]
    tooltip += [
        channel(f"{key}:Q", format=".1%")
        for key in ("predicted", *["observed"] * of_groups)
    ]
    line = {"strokeWidth": 2, "strokeDash": [5, 4] if of_groups else [1, 0]}
    layers = [
        rows.draw("area", {"opacity": 0.13}, **band),
        rows.draw("line", line, x=x, y=y, color=colour),
        rows.draw("point", {"size": 60, "opacity": 0}, x=x, y=y, tooltip=tooltip),
    ]
    if of_groups:
        observed = channel("observed:Q", axis=axis)
        layers.insert(
            1, rows.draw("line", {"strokeWidth": 1.6}, x=x, y=observed, color=colour)
        )
    panel = {
        "layer": layers,
        "width": PANEL_WIDTH,
        "height": PANEL_HEIGHT,
        "title": heading(title),
    }
    return labelled(
        panel, (one for one in records if one["panel"] == name), x, y, colour, theme
    )
