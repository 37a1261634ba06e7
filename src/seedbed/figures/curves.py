"""Score and loss along the epochs, of one to ten candidates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from seedbed.figures.limits import Line, robust_limits
from seedbed.figures.theme import DASHES, LIGHT, PANEL_HEIGHT, PANEL_WIDTH, PART_NAMES, themed
from seedbed.figures.words import subtitle_lines, title_lines

__all__ = ["learning_curves"]

_MEASURES = ("score", "loss")
_R2_FLOOR = -0.5
_CHARACTER = 6.6  # points; a letter of the legend, on average


def learning_curves(summary: Mapping[str, Any], *, title: str | None = None, ghosts: bool = True) -> alt.HConcatChart:
    """Two panels, score and loss, each with training rows (dashed) and test rows (solid).

    Several candidates differ by colour; a single one has a colour for each kind of rows instead. The band is the
    middle half of the networks on test rows. A value axis cuts what would flatten everything else, and the subtitle
    says so.

    Args:
        summary: `{"score_name": "accuracy" or "R2", "title": str, "subtitle": str, "candidates": [{"name": str, ...}]}`
            where `...` is what `evaluation.curves.summarize_curves` returns. Accuracy is within 0..1.
        title: in place of the summary's.
        ghosts: draw single networks as faint lines, where there is one candidate with many networks.
    """
    summary = summary["curves"]
    candidates = summary["candidates"]
    drawn = [candidate for candidate in candidates if candidate["curves"]["test_loss"]["mean"]]
    single = len(candidates) == 1
    shown = drawn if ghosts and single and any(len(_ghosts(candidate, "loss")) > 1 for candidate in drawn) else []
    names = {"score": summary["score_name"], "loss": "loss"}
    limits = {measure: _limits(drawn, shown, measure, names[measure]) for measure in _MEASURES}
    colour = _part_colour() if single else _candidate_colour([candidate["name"] for candidate in candidates])
    panels = []
    for measure in _MEASURES:
        y = _value_axis(measure, names[measure], limits[measure])
        layers = _layers(drawn, shown, measure, {"x": _epoch_axis(candidates), "y": y, "color": colour})
        panels.append(alt.layer(*layers).properties(width=PANEL_WIDTH, height=PANEL_HEIGHT))
    beyond = [
        f"{candidate['name']} ({names[measure]})"
        for measure in _MEASURES
        for candidate in drawn
        if _leaves(candidate, measure, limits[measure], with_ghosts=bool(shown))
    ]
    subtitle = subtitle_lines(
        summary, n_ghosts=sum(len(_ghosts(candidate, "loss")) for candidate in shown), beyond=beyond
    )
    heading = title_lines(summary.get("title", "") if title is None else title)
    return themed(alt.hconcat(*panels).properties(title=alt.TitleParams(text=heading, subtitle=subtitle)))


# ---- what is drawn


def _line_data(candidates: Sequence[Mapping[str, Any]]) -> alt.InlineData:
    """One record a line, with lists in it: the chart unfolds them, and the file is a tenth of one record a point.

    Training rows come first, so that the lines that matter are drawn over the others.
    """
    records = []
    for part in PART_NAMES:
        for candidate in candidates:
            # One network has no middle half; and a band on training rows too would hide more than it shows.
            banded = part == "test" and candidate["n_networks"] - candidate["n_diverged"] > 1
            record = {"candidate": candidate["name"], "part": PART_NAMES[part], "epoch": candidate["epochs"]}
            for measure in _MEASURES:
                curve = candidate["curves"][f"{part}_{measure}"]
                record[measure] = curve["mean"]
                # Where a list is shorter than the others, Vega fills up with null and draws nothing.
                record |= {f"{measure}_{side}": curve[side] if banded else [] for side in ("low", "high")}
            records.append(record)
    return alt.InlineData(values=records)


def _ghost_data(candidates: Sequence[Mapping[str, Any]]) -> alt.InlineData:
    """The single networks on test rows; those on training rows too would hide the means."""
    pairs = [
        (candidate["ghost_epochs"], score, loss)
        for candidate in candidates
        for score, loss in zip(_ghosts(candidate, "score"), _ghosts(candidate, "loss"), strict=True)
    ]
    return alt.InlineData(
        values=[
            {"network": number, "epoch": epochs, "score": score, "loss": loss}
            for number, (epochs, score, loss) in enumerate(pairs)
        ]
    )


def _ghosts(candidate: Mapping[str, Any], measure: str) -> list[list[float]]:
    ghosts: list[list[float]] = candidate["curves"][f"test_{measure}"]["ghosts"]
    return ghosts


def _lines(candidate: Mapping[str, Any], measure: str) -> list[Line]:
    curves = [candidate["curves"][f"{part}_{measure}"] for part in PART_NAMES]
    return [Line(curve["mean"], curve["low"], curve["high"]) for curve in curves]


# ---- axes


def _limits(
    drawn: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], measure: str, name: str
) -> tuple[float, float]:
    low, high = robust_limits(
        [_lines(candidate, measure) for candidate in drawn],
        [ghost for candidate in shown for ghost in _ghosts(candidate, measure)],
        cut_high=measure == "loss",
        floor=_r2_floor(drawn) if name == "R2" else -math.inf,
    )
    if name != "accuracy":
        return low, high
    # Not exactly 0 and 1: half of a line along the edge would be cut off.
    air = (high - low) * 0.04
    return max(low, -air), min(high, 1.0 + air)


def _r2_floor(drawn: Sequence[Mapping[str, Any]]) -> float:
    """How far down an axis of R2 goes: the first epochs are often far below 0, which is what guessing the mean gets,
    and how far says nothing. Further only where half of the candidates or more end there."""
    ends = sorted(candidate["curves"]["test_score"]["mean"][-1] for candidate in drawn)
    return min(_R2_FLOOR, ends[(len(ends) - 1) // 2] - 0.25) if ends else _R2_FLOOR


def _leaves(candidate: Mapping[str, Any], measure: str, limits: tuple[float, float], *, with_ghosts: bool) -> bool:
    """Whether anything drawn of this candidate runs out of the picture."""
    training, test = _lines(candidate, measure)
    curves = [training.mean, *test, *(_ghosts(candidate, measure) if with_ghosts else [])]
    return any(min(curve) < limits[0] or max(curve) > limits[1] for curve in curves)


def _epoch_axis(candidates: Sequence[Mapping[str, Any]]) -> alt.X:
    last = max((candidate["epochs"][-1] for candidate in candidates), default=0)
    # A single epoch sits in the middle, and must not be given the ticks of a range.
    ticks = {"tickCount": min(6, last), "tickMinStep": 1} if last else {"values": [0]}
    axis = alt.Axis(title="epoch", grid=False, format=",d", **ticks)
    return alt.X("epoch:Q", axis=axis, scale=alt.Scale(domain=[0, last] if last else [-1, 1], nice=False))


def _value_axis(measure: str, name: str, limits: tuple[float, float]) -> alt.Y:
    """The panel's heading is the axis's title, put above it: a panel title would move with the topmost label."""
    axis = alt.Axis(
        title="R²" if name == "R2" else name[:1].upper() + name[1:],
        titleAlign="left",
        titleAngle=0,
        titleFontWeight="bold",
        titleX=0,
        titleY=-16,
        tickCount=6,
        format="%" if name == "accuracy" else alt.Undefined,
        domain=False,
        ticks=False,
    )
    return alt.Y(f"{measure}:Q", axis=axis, scale=alt.Scale(domain=list(limits), nice=False, zero=False))


# ---- layers


def _layers(
    drawn: Sequence[Mapping[str, Any]], shown: Sequence[Mapping[str, Any]], measure: str, encoding: Mapping[str, Any]
) -> list[alt.Chart]:
    """From the back to the front: single networks, bands, means."""
    names = list(PART_NAMES.values())
    scale = alt.Scale(domain=names, range=[DASHES[part] for part in PART_NAMES])
    dash = alt.StrokeDash("part:N", scale=scale, legend=alt.Legend(title=None, orient="bottom"))
    mean = {**encoding, "strokeDash": dash, "detail": "candidate:N"}
    low = encoding["y"].copy()
    low.shorthand = f"{measure}_low:Q"
    band = {**encoding, "y": low, "y2": f"{measure}_high:Q", "detail": ["candidate:N", "part:N"]}
    opacity = min(0.2, 0.6 / max(1, len(drawn)))  # many bands over each other would be mud
    lines = _unfolded(_line_data(drawn), measure, f"{measure}_low", f"{measure}_high")
    layers = [
        lines.mark_area(clip=True, opacity=opacity, strokeWidth=0).encode(**band),
        lines.mark_line(clip=True, strokeWidth=1.8).encode(**mean),
    ]
    if shown:
        ghosts = _unfolded(_ghost_data(shown), measure)
        grey = ghosts.mark_line(clip=True, color=LIGHT.faint_ink, opacity=0.18, strokeWidth=0.7)
        layers.insert(0, grey.encode(x=encoding["x"], y=encoding["y"], detail="network:N"))
    short = [candidate for candidate in drawn if len(candidate["epochs"]) == 1]
    if short:
        # A line and an area through one point are invisible.
        points = _unfolded(_line_data(short), measure, f"{measure}_low", f"{measure}_high")
        layers.append(points.mark_rule(clip=True, opacity=opacity, strokeWidth=10).encode(**band))
        layers.append(points.mark_point(clip=True, opacity=1, size=70, strokeWidth=1.8).encode(**mean))
    return layers


def _unfolded(data: alt.InlineData, *columns: str) -> alt.Chart:
    return alt.Chart(data).transform_flatten(["epoch", *columns])


def _part_colour() -> alt.Color:
    names = list(PART_NAMES.values())
    scale = alt.Scale(domain=names, range=[LIGHT.palette[1], LIGHT.palette[0]])
    return alt.Color("part:N", scale=scale, legend=alt.Legend(title=None, orient="bottom"))


def _candidate_colour(names: Sequence[str]) -> alt.Color:
    palette = [LIGHT.palette[number % len(LIGHT.palette)] for number in range(len(names))]
    width = max(map(len, names), default=1) * _CHARACTER + 50
    columns = max(1, min(len(names), 5, int(2 * PANEL_WIDTH / width)))
    legend = alt.Legend(title=None, orient="bottom", columns=columns)
    return alt.Color("candidate:N", scale=alt.Scale(domain=list(names), range=palette), legend=legend)
