"""Parts that charts of several panels share: hidden candidates, and the words above a chart."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import Records, Spec
from seedbed.figures.theme import PANEL_WIDTH, Theme, chart_config

SPACING = 36
WIDE = 2 * PANEL_WIDTH + SPACING  # a panel that is alone
# Labels at the ends stay within the panel, so that they don't push the next panel aside.
PLAIN_AXIS: dict[str, Any] = {"tickCount": 6, "domain": False, "grid": False, "labelFlush": 18, "labelSeparation": 6}
_DATA = "rows"
SHOWN = "indexof(hidden, datum.candidate) < 0"
_TITLE_WIDTH, SUBTITLE_WIDTH = 115, 150  # letters that fit above the two panels


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
    return {"text": text, "anchor": "start", "frame": "group", "fontSize": 12, "offset": 8}


def along(axis: Spec, name: str) -> Spec:
    """Return the same axis for another field."""
    return {**axis, "field": name}


# ---- the words above a chart


def title_lines(title: str) -> list[str]:
    """Return the title, broken where it would widen the picture."""
    return textwrap.wrap(title, _TITLE_WIDTH) or [""]


def span(counts: Sequence[int]) -> str:
    """Return the range of counts: one number, or the lowest to the highest."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def phrase_lines(phrases: Sequence[str]) -> list[str]:
    """Return phrases in as few lines as possible. A phrase is broken only if it is longer than a line."""
    lines: list[str] = []
    for phrase in phrases:
        if lines and len(lines[-1]) + len(phrase) + 2 <= SUBTITLE_WIDTH:
            lines[-1] += f"; {phrase}"
        else:
            lines += textwrap.wrap(phrase, SUBTITLE_WIDTH)
    return lines
