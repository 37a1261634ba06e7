"""What charts of several panels share: which candidates are shown, whose row is where, which way is better."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import altair as alt

from seedbed.figures.theme import PANEL_WIDTH, Theme, themed

__all__ = [
    "PLAIN_AXIS",
    "SHOWN",
    "SUBTITLE_WIDTH",
    "WIDE",
    "along",
    "by_rank",
    "difference_axis",
    "heading",
    "name_layer",
    "note_layer",
    "panelled",
    "phrase_lines",
    "row_axis",
    "shown",
    "span",
    "title_lines",
    "worse_layer",
    "zero_layer",
]

Axis = TypeVar("Axis", alt.X, alt.Y)

SPACING = 36
WIDE = 2 * PANEL_WIDTH + SPACING  # a panel that is alone
_LETTERS = 40  # of a reference's name
_NOTE_WIDTH = 130
NAME_HEIGHT = 18  # points of a row's height
# Labels at the ends stay within the panel, or the next one would be pushed aside.
PLAIN_AXIS: dict[str, Any] = {"tickCount": 6, "domain": False, "grid": False, "labelFlush": 18, "labelSeparation": 6}
_DATA = "rows"
# Which candidates a page has switched off.
_HIDDEN = alt.VariableParameter(name="hidden", value=[])
SHOWN = "indexof(hidden, datum.candidate) < 0"


def by_rank(summary: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The names in the order of the ranking; those that aren't ranked last."""
    places = {name: place for place, name in enumerate(summary.get("ranking", ()))}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def shown(*filters: str) -> alt.Chart:
    """The records of candidates that aren't hidden, and that pass all filters."""
    chart = alt.Chart().transform_filter(SHOWN)
    for one in filters:
        chart = chart.transform_filter(one)
    return chart


def panelled(
    panels: Sequence[alt.LayerChart],
    records: Sequence[Mapping[str, Any]],
    *,
    title: str,
    phrases: Sequence[str],
    theme: Theme,
    columns: int = 2,
    spacing: int = SPACING,
) -> alt.ConcatChart:
    """Panels side by side that draw the same records, with the words above them."""
    chart = alt.concat(*panels, columns=columns, data=alt.NamedData(name=_DATA), spacing=spacing)
    chart.title = alt.TitleParams(title_lines(title), subtitle=phrase_lines(phrases))
    chart.params = [_HIDDEN]
    chart.datasets = {_DATA: list(records)}
    return themed(chart, theme)


def heading(text: str) -> alt.TitleParams:
    """What a panel shows, above it."""
    return alt.TitleParams(text, anchor="start", frame="group", fontSize=12, offset=8)


def along(axis: Axis, field: str) -> Axis:
    """The same axis for another field."""
    other = axis.copy()
    other.shorthand = f"{field}:Q"
    return other


# ---- the words above a chart

_TITLE_WIDTH, SUBTITLE_WIDTH = 115, 150  # letters that fit above the two panels


def title_lines(title: str) -> list[str]:
    """The title, broken where it would make the picture wider."""
    return textwrap.wrap(title, _TITLE_WIDTH) or [""]


def span(counts: Sequence[int]) -> str:
    """How many of each: one number, or from which to which."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def phrase_lines(phrases: Sequence[str]) -> list[str]:
    """The phrases in as few lines as they need, each phrase whole where it can be."""
    lines: list[str] = []
    for phrase in phrases:
        if lines and len(lines[-1]) + len(phrase) + 2 <= SUBTITLE_WIDTH:
            lines[-1] += f"; {phrase}"
        else:
            lines += textwrap.wrap(phrase, SUBTITLE_WIDTH)
    return lines


# ---- rows, one a candidate


def row_axis() -> alt.Y:
    """The rows, with thin lines between them. A row's field is its place and not its name, of which Vega would read
    dots and brackets in its own way. The scale is made of what is shown: hiding a candidate closes its row."""
    axis = alt.Axis(title=None, labels=False, ticks=False, domain=False, grid=True, bandPosition=0)
    return alt.Y("place:O", axis=axis, scale=alt.Scale(type="band", paddingInner=0, paddingOuter=0))


def name_layer(rows: alt.Chart, theme: Theme, height: int, width: int) -> alt.Chart:
    """The candidate's name at the left above what is drawn of it, so that a long one takes no width."""
    text: dict[str, Any] = {
        "align": "left",
        "color": theme.ink,
        "fontSize": 12,
        "fontWeight": "bold",
        "yOffset": 12 - height / 2,
    }
    found: alt.Chart = rows.mark_text(limit=width - _NOTE_WIDTH, **text).encode(
        x=alt.value(0), y=row_axis(), text="candidate:N"
    )
    return found


def note_layer(rows: alt.Chart, theme: Theme, height: int) -> alt.Chart:
    """A row's field `note`, at the right above what is drawn."""
    mark = rows.mark_text(align="right", color=theme.ink, fontSize=12, yOffset=12 - height / 2)
    found: alt.Chart = mark.encode(x=alt.value("width"), y=row_axis(), text="note:N")
    return found


# ---- differences


def difference_axis(reference: str, limits: tuple[float, float]) -> alt.X:
    """An axis of differences, with the side that is better at its right end."""
    name = reference if len(reference) <= _LETTERS else f"{reference[: _LETTERS - 1]}…"
    axis = alt.Axis(title=f"better than {name} →", titleAnchor="end", **PLAIN_AXIS)
    return alt.X("from:Q", axis=axis, scale=alt.Scale(domain=list(limits), nice=False, zero=False))


def worse_layer(theme: Theme) -> alt.Chart:
    """The other side, at the left end of the same line."""
    mark = alt.Chart(_ONCE).mark_text(align="left", baseline="top", color=theme.ink, fontSize=12, yOffset=27)
    found: alt.Chart = mark.encode(x=alt.value(0), y=alt.value("height"), text=alt.value("← worse"))
    return found


def zero_layer(rows: alt.Chart, theme: Theme, limits: tuple[float, float], height: int) -> alt.Chart:
    """No difference, where that lies within the picture; broken where the names are, which it would cross."""
    if not limits[0] <= 0 <= limits[1]:
        rows = rows.transform_filter("false")
    mark = rows.mark_tick(
        orient="vertical",
        color=theme.faint_ink,
        thickness=1.2,
        size=height - NAME_HEIGHT,
        yOffset=NAME_HEIGHT / 2,
        opacity=1,
    )
    found: alt.Chart = mark.encode(x=alt.datum(0), y=row_axis())
    return found


_ONCE = alt.InlineData(values=[{}])
