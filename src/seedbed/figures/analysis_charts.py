"""Charts of further questions: whether more rows would help, and how scores differ between sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seedbed.evaluation.analyses import Rows
from seedbed.evaluation.estimates import Interval
from seedbed.evaluation.metrics import Metric, find_metric
from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import Spec, channel
from seedbed.figures.panels import (
    PLAIN_AXIS,
    WIDE,
    along,
    colour_channel,
    join_panels,
    labelled,
    model_colours,
    visible_records,
)
from seedbed.figures.theme import LIGHT, PANEL_HEIGHT, Theme

_AIR = 0.05
_SITE_HEIGHT = 22


def _scale(records: Sequence[Spec]) -> Spec:
    """Return the scale of an axis that contains the ranges of all records, with some space beyond
    them."""
    low = min(one["low"] for one in records)
    high = max(one["high"] for one in records)
    air = _AIR * (high - low) or 1.0
    return {"domain": [low - air, high + air]}


def _row_records(rows: Rows, metric: Metric) -> list[dict[str, Any]]:
    """Return the score of each model by its number of training rows, `now` and forecast for
    `more`."""

    def record(name: str, part: str, n: int, loss: Interval) -> dict[str, Any]:
        factor = 100 if metric.in_points else 1
        ends = [
            factor * metric.score_of(value)
            for value in (loss.mean, loss.low, loss.high)
        ]
        return {
            "candidate": name,
            "part": part,
            "n": n,
            "mean": ends[0],
            "low": min(ends),
            "high": max(ends),
        }

    records = []
    last = rows.sizes[-1]
    for name in last.losses:
        records += [
            record(name, "now", size.n_train, size.losses[name])
            for size in rows.sizes
            if name in size.losses
        ]
        if forecasts := rows.forecasts_of(name):
            records.append(record(name, "more", last.n_train, last.losses[name]))
            records += [
                record(name, "more", forecast.n_train, forecast.loss)
                for forecast in forecasts
            ]
    return records


def row_curves(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw the score that decides by the number of training rows; None unless smaller training sets
    were trained."""
    rows = summary.rows
    if rows is None:
        return None
    metric = summary.metric.shown
    records = _row_records(rows, metric)
    x = channel(
        "n:Q",
        axis={"title": "training rows", "grid": False},
        scale={"type": "log", "nice": False},
    )
    y = channel(
        "mean:Q",
        axis={"title": f"{metric.words}{metric.percent * ' (%)'}"},
        scale=_scale(records),
    )
    colour = colour_channel(summary, theme)
    tooltip = [
        channel("candidate:N"),
        channel("n:Q", title="training rows", format=","),
    ]
    tooltip += [channel(f"{key}:Q", format=",.4~r") for key in ("mean", "low", "high")]
    band = {"x": x, "y": along(y, "low"), "y2": channel("high"), "color": colour}
    layers = []
    for part, dash in (("now", [1, 0]), ("more", [5, 4])):
        of_part = visible_records(f"datum.part == '{part}'")
        layers += [
            of_part.draw("area", {"opacity": 0.07}, **band),
            of_part.draw(
                "line", {"strokeWidth": 2.2, "strokeDash": dash}, x=x, y=y, color=colour
            ),
            of_part.draw(
                "point",
                {"filled": True, "size": 32, "opacity": 1},
                x=x,
                y=y,
                color=colour,
                tooltip=tooltip,
            ),
        ]
    panel = {"layer": layers, "width": WIDE, "height": PANEL_HEIGHT}
    phrases = ["solid: trained on so many rows, with the interval of each model alone"]
    phrases += ["dashed: forecast, with 90% intervals"] if rows.forecasts else []
    title = f"{summary.target} of {summary.table}: would more rows help?"
    panel = labelled(panel, records, x, y, colour, theme)
    return join_panels(
        [panel], records, title=title, phrases=phrases, theme=theme, columns=1
    )


def site_scores(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw the score at each site with its range, on average, and at a new site; None without
    sites."""
    sites = summary.sites
    if sites is None:
        return None
    name = sites.shown
    known = [site for site in sites.sites if name in site.scores]
    if not known:
        return None
    known.sort(key=lambda site: site.scores[name].mean)
    metric = find_metric(name)
    scale = 100 if metric.percent else 1
    rows = [(f"{one.name} ({one.n_rows:,})", one.scores[name]) for one in known]
    if new := sites.new.get(name):
        whole = Interval(mean=new.average.mean, low=new.low, high=new.high)
        rows += [("average", new.average), ("a new site", whole)]
    records = [
        {"site": label, "is_all": place >= len(known), **vars(range_.times(scale))}
        for place, (label, range_) in enumerate(rows)
    ]
    axis = {"title": None, "domain": False, "ticks": False, "labelLimit": 180}
    y = channel("site:N", axis=axis, sort=None)
    title = f"{metric.words}{metric.percent * ' (%)'}"
    x = channel("mean:Q", axis={"title": title, **PLAIN_AXIS}, scale=_scale(records))
    colour = {
        "condition": {"test": "datum.is_all", "value": theme.ink},
        "value": model_colours(summary, theme)[sites.model],
    }
    ends = {"x": along(x, "low"), "x2": channel("high")}
    tooltip = [channel("site:N")]
    tooltip += [channel(f"{key}:Q", format=",.4~r") for key in ("mean", "low", "high")]
    shown = visible_records("true")
    point = {"filled": True, "size": 50, "opacity": 1}
    layers = [
        shown.draw("rule", {"strokeWidth": 2}, y=y, color=colour, **ends),
        shown.draw("point", point, x=x, y=y, color=colour, tooltip=tooltip),
    ]
    panel = {"layer": layers, "width": WIDE, "height": _SITE_HEIGHT * len(rows)}
    phrases = ["each site was left out of training; in brackets its rows"]
    phrases += [f"lines: {100 * (1 - summary.alpha):g}% ranges"]
    heading = f"{summary.target} of {summary.table}: {sites.model} at each site"
    return join_panels([panel], records, title=heading, phrases=phrases, theme=theme)
