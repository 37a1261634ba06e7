"""Parts that charts of several panels share: hidden candidates, and the words above a chart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import Records, Spec, channel
from seedbed.figures.theme import LIGHT, PANEL_WIDTH, Theme, chart_config, colours

SPACING = 36
WIDE = 2 * PANEL_WIDTH + SPACING  # a panel that is alone
# Labels at the ends stay within the panel, so that they don't push the next panel aside.
PLAIN_AXIS: dict[str, Any] = {
    "tickCount": 6,
    "domain": False,
    "grid": False,
    "labelFlush": 18,
    "labelSeparation": 6,
}
_DATA = "rows"
SHOWN = "indexof(hidden, datum.candidate) < 0"
_TITLE_WIDTH, SUBTITLE_WIDTH = 115, 150  # letters that fit above the two panels
_LABEL, _WIDEST, _CHARACTER, _DOT = (
    15,
    150,
    6.6,
    16,
)  # points: height, greatest width, a letter, the dot


def model_colours(summary: Conclusion, theme: Theme = LIGHT) -> dict[str, str]:
    """Return the colour of each model in the charts of a summary."""
    advice = summary.advice
    return colours(
        [one.name for one in summary.candidates],
        theme,
        "" if advice is None else advice.use,
    )


def colour_channel(summary: Conclusion, theme: Theme = LIGHT) -> Spec:
    """Return these colours as a channel."""
    of = model_colours(summary, theme)
    return channel(
        "candidate:N", scale={"domain": [*of], "range": [*of.values()]}, legend=None
    )


def visible_records(test: str) -> Records:
    """Return the records of candidates that aren't hidden and that pass a test."""
    return Records().filter(SHOWN).filter(test)


def join_panels(
    panels: Sequence[Spec],
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    phrases: Sequence[str],
    theme: Theme,
    columns: int = 2,
    spacing: int = SPACING,
) -> Chart:
    """Return panels side by side that draw the same records, with the words above them."""
    return Chart(
        config=chart_config(theme),
        data={"name": _DATA},
        title={"text": title_lines(title), "subtitle": phrase_lines(phrases)},
        columns=columns,
        concat=list(panels),
        params=[{"name": "hidden", "value": []}],  # candidates that a page hides
        spacing=spacing,
        datasets={_DATA: list(records)},
    )


def heading(text: str) -> Spec:
    """Return the heading of a panel."""
    return {
        "text": text,
        "anchor": "start",
        "frame": "group",
        "fontSize": 12,
        "offset": 8,
    }


def along(axis: Spec, name: str) -> Spec:
    """Return the same axis for another field."""
    return {**axis, "field": name}


def labelled(
    panel: Spec,
    records: Iterable[Mapping[str, Any]],
    x: Spec,
    y: Spec,
    colour: Spec,
    theme: Theme,
) -> Spec:
    """Return a panel with the names of its lines on the right, each as near to the end of its line
    as is possible without an overlap, and what connects both. Together they have the width of the
    panel. The last record of a line is its end."""
    bottom, top = y["scale"]["domain"]
    ends = {
        one["candidate"]: {"at": one[x["field"]], "last": one[y["field"]]}
        for one in records
    }
    values = sorted(
        ({"candidate": name, **end} for name, end in ends.items()),
        key=lambda one: one["last"],
    )
    height = (top - bottom) * _LABEL / panel["height"]
    n = len(values)
    free = [one["last"] - k * height for k, one in enumerate(values)]
    for k, one in enumerate(values):  # isotonic regression
        fitted = max(
            min(fmean(free[i:j]) for j in range(k + 1, n + 1)) for i in range(k + 1)
        )
        one["place"] = max(bottom, min(top - (n - 1) * height, fitted)) + k * height
    width = min(_WIDEST, _DOT + _CHARACTER * max(map(len, ends), default=0))
    labels = Records({"values": values}).filter(SHOWN)
    edge = {"value": "width"}
    last = along(y, "last")
    place = along(y, "place")
    name = channel("candidate:N")
    words = {
        "align": "left",
        "dx": _DOT,
        "fontSize": 12,
        "limit": _WIDEST - _DOT,
        "color": theme.ink,
    }
    dot = {"filled": True, "size": 45, "opacity": 1, "xOffset": 9}
    layers = [
        *panel["layer"],
        labels.draw(
            "rule",
            {"strokeDash": [1, 3], "clip": True},
            x=along(x, "at"),
            x2=edge,
            y=last,
            color=colour,
        ),
        labels.draw(
            "rule",
            {"x2Offset": 9},
            x=edge,
            x2=edge,
            y=last,
            y2=channel("place"),
            color=colour,
        ),
        labels.draw("point", dot, x=edge, y=place, color=colour),
        labels.draw("text", words, x=edge, y=place, text=name),
    ]
    return {**panel, "layer": layers, "width": panel["width"] - round(width)}


# ---- the words above a chart


def title_lines(title: str) -> list[str]:
    """Return the title, broken where it would widen the picture."""
    return textwrap.wrap(title, _TITLE_WIDTH) or [""]


def span(counts: Sequence[int]) -> str:
    """Return the range of counts: one number, or the lowest to the highest."""
    low = min(counts)
    high = max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def phrase_lines(phrases: Sequence[str]) -> list[str]:
    """Return phrases in as few lines as possible. A phrase is broken only if it is longer than a
    line."""
    lines: list[str] = []
    for phrase in phrases:
        if lines and len(lines[-1]) + len(phrase) + 2 <= SUBTITLE_WIDTH:
            lines[-1] += f"; {phrase}"
        else:
            lines += textwrap.wrap(phrase, SUBTITLE_WIDTH)
    return lines
