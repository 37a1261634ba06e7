"""How every chart looks: colours, dashes, letters, sizes. Nowhere else is a colour or a font named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt

__all__ = ["DASHES", "LIGHT", "PANEL_HEIGHT", "PANEL_WIDTH", "PART_NAMES", "Theme", "themed"]

PANEL_WIDTH = 400
PANEL_HEIGHT = 280

# The second channel beside colour, so that a chart survives a black-and-white printer.
PART_NAMES = {"train": "training rows", "test": "test rows"}
DASHES = {"train": [4, 3], "test": [1, 0]}

# vl-convert carries the first of these and measures text with it; a browser without it takes the next.
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


@dataclass(frozen=True)
class Theme:
    """The colours of one scheme.

    Attributes:
        palette: one colour a candidate, safe for the colour-blind, the first three the most distinct: Okabe and Ito
            (2008) without their yellow, which fades on white, then three of Paul Tol's.
        background, ink, faint_ink, rule: paper, text, quiet text, axis and grid lines.
    """

    palette: tuple[str, ...]
    background: str
    ink: str
    faint_ink: str
    rule: str


LIGHT = Theme(
    palette=(
        "#0072B2",
        "#D55E00",
        "#009E73",
        "#CC79A7",
        "#E69F00",
        "#56B4E9",
        "#332288",
        "#882255",
        "#777777",
        "#999933",
    ),
    background="white",
    ink="#222222",
    faint_ink="#555555",
    rule="#DDDDDD",
)


def themed(chart: alt.HConcatChart, theme: Theme = LIGHT) -> alt.HConcatChart:
    """The chart with the theme in its own configuration; Altair's global theme stays as the user has it."""
    chart = chart.copy(deep=False)
    chart.config = alt.Config(**_config(theme))
    return chart


def _config(theme: Theme) -> dict[str, Any]:
    label = {"labelColor": theme.faint_ink, "labelFontSize": 12}
    title = {"titleColor": theme.ink, "titleFontSize": 12, "titleFontWeight": "normal"}
    return {
        "font": _FONT,
        "background": theme.background,
        "padding": 12,
        "view": {"stroke": None},
        "title": {
            "anchor": "start",
            "color": theme.ink,
            "fontSize": 13,
            "fontWeight": "bold",
            "subtitleColor": theme.faint_ink,
            "subtitleFontSize": 12,
            "offset": 12,
        },
        "axis": {
            **label,
            **title,
            "domainColor": theme.faint_ink,
            "gridColor": theme.rule,
            "tickColor": theme.faint_ink,
            "labelFlush": False,
            "titlePadding": 8,
        },
        "legend": {
            **label,
            "labelColor": theme.ink,
            "labelLimit": 0,
            "offset": 8,
            "padding": 6,
            # Else the legend would be as pale as the bands.
            "symbolOpacity": 1,
            "symbolSize": 500,
            "symbolStrokeWidth": 2.5,
            "symbolType": "stroke",
        },
        "concat": {"spacing": 36},
    }
