"""Mean ranks over tables, with bars that join ranks closer than the critical difference (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import altair as alt

from seedbed.figures.panels import PLAIN_AXIS, WIDE, heading, panelled, row_axis, shown
from seedbed.figures.theme import LIGHT, Theme

__all__ = ["mean_rank_chart"]

_ROW = 24


def mean_rank_chart(summary: Mapping[str, Any], *, theme: Theme = LIGHT) -> alt.ConcatChart | None:
    """Draw the mean rank of each candidate, the best at the left, and a bar for each group that the test can't
    separate.

    Args:
        summary: of `seedbed.judge` with several tables.

    Returns:
        None if there is one table.
    """
    if "ranks" not in summary:
        return None
    ranks, names = summary["ranks"], summary["ranking"]
    middle = (len(names) + 1) / 2
    records: list[dict[str, Any]] = [
        {
            "candidate": name,
            "part": "left" if ranks["mean"][name] <= middle else "right",
            "place": place,
            "rank": ranks["mean"][name],
            "to": ranks["mean"][name],
            "note": f"{name} ({ranks['mean'][name]:.2f})",
        }
        for place, name in enumerate(names)
    ]
    for number, group in enumerate(ranks["groups"], start=len(names)):
        ends = [ranks["mean"][name] for name in group]
        bar = {"candidate": "", "part": "bar", "place": number, "rank": min(ends), "to": max(ends)}
        records.append({**bar, "note": ", ".join(group)})
    phrases = [
        f"point: mean rank over {ranks['n_tables']} tables, 1 is the best",
        f"bar: closer than {ranks['critical_difference']:.2f}, so Nemenyi's test finds no difference",
    ]
    scale = alt.Scale(domain=[1, len(names)], nice=False, zero=False)
    x = alt.X("rank:Q", axis=alt.Axis(title="mean rank", **PLAIN_AXIS), scale=scale)
    tooltip = [alt.Tooltip("note:N"), alt.Tooltip("rank:Q", format=".3f")]
    bars = shown("datum.part == 'bar'").mark_rule(strokeWidth=4, color=theme.unsure)
    layers = [bars.encode(x=x, x2="to", y=row_axis(), tooltip=tooltip)]
    sides: tuple[tuple[Literal["left", "right"], int], ...] = (("left", 10), ("right", -10))
    for side, offset in sides:
        rows = shown(f"datum.part == '{side}'")
        point = rows.mark_point(filled=True, size=80, opacity=1, color=theme.ink)
        text = rows.mark_text(align=side, dx=offset, fontSize=12, fontWeight="bold", color=theme.ink)
        layers += [point.encode(x=x, y=row_axis(), tooltip=tooltip), text.encode(x=x, y=row_axis(), text="note:N")]
    panel = alt.LayerChart(layer=layers, width=WIDE, height=alt.Step(_ROW), title=heading("Mean ranks"))
    title = f"{summary['table']}: mean ranks over {ranks['n_tables']} tables"
    return panelled([panel], records, title=title, phrases=phrases, theme=theme)
