"""Learning curves: score and loss along the epochs, of one to ten candidates.

A chart holds one record per line, with lists in it that the chart unfolds: a tenth of the size of one record per point.
Epochs, which many lines share, stand in it once.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt

from seedbed.evaluation.single_runs import CandidateCurves, Curves
from seedbed.figures.drawing import ConcatChart
from seedbed.figures.panels import SHOWN, SUBTITLE_WIDTH, along, phrase_lines, span, title_lines
from seedbed.figures.theme import (
    DASHES,
    LIGHT,
    PAGE,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PART_NAMES,
    Theme,
    candidate_scale,
    themed,
)

MEASURES = ("score", "loss")

BANDS = {"middle": ("low", "high"), "wide": ("p05", "p95"), "mean": ("mean_low", "mean_high")}
"""A band by its word: the two lines of a summary that bound it."""
# A value axis cuts only what would squeeze a typical candidate into less than this share of the height. The fast fall
# of a loss in its first epochs should be visible.
_SQUEEZED = 1 / 8
# A spike is above a curve's 95th percentile by more than this many times its middle nine tenths.
_SPIKE = 1.5
_AIR = 0.04
_R2_FLOOR = -0.5
_CHARACTER = 6.6  # points; a letter of the legend, on average
_NAMES = {"accuracy": "Accuracy", "R2": "R²", "loss": "Loss"}


def grids_of(candidates: Sequence[CandidateCurves]) -> list[list[int]]:
    """Return the distinct lists of epochs. A record refers to its own one by position."""
    grids: list[list[int]] = []
    for candidate in candidates:
        for epochs in (candidate.epochs, candidate.ghost_epochs):
            if epochs not in grids:
                grids.append(epochs)
    return grids


def line_records(candidates: Sequence[CandidateCurves]) -> list[dict[str, Any]]:
    """Return the means, and the bands around them on test rows.

    Training rows come first, so that the lines that matter are drawn over the others.
    """
    grids = grids_of(candidates)
    records = []
    for part, part_name in PART_NAMES.items():
        for candidate in candidates:
            grid = grids.index(candidate.epochs)
            record: dict[str, Any] = {"candidate": candidate.name, "part": part_name, "grid": grid}
            # One network has no middle half. A band on training rows as well would hide more than it shows.
            banded = part == "test" and candidate.n_networks - candidate.n_diverged > 1
            for measure in MEASURES:
                curve = candidate.curves[f"{part}_{measure}"]
                record[measure] = curve.mean
                if banded:
                    for band, keys in BANDS.items():
                        for side, key in zip(("low", "high"), keys, strict=True):
                            record[f"{measure}_{band}_{side}"] = getattr(curve, key)
            records.append(record)
    return records


def network_records(candidates: Sequence[CandidateCurves]) -> list[dict[str, Any]]:
    """Return the single networks on test rows. Those on training rows would hide the means."""
    grids = grids_of(candidates)
    return [
        {
            "candidate": candidate.name,
            "network": number,
            "grid": grids.index(candidate.ghost_epochs),
            "score": score,
            "loss": loss,
        }
        for candidate in candidates
        for number, (score, loss) in enumerate(
            zip(ghosts_of(candidate, "score"), ghosts_of(candidate, "loss"), strict=True)
        )
    ]


def ghosts_of(candidate: CandidateCurves, measure: str) -> list[list[float]]:
    """Return the curves of single networks on test rows."""
    ghosts: list[list[float]] = candidate.curves[f"test_{measure}"].ghosts
    return ghosts


def lines_of(candidate: CandidateCurves, measure: str) -> list[Line]:
    """Return mean and middle half on training rows, then on test rows."""
    curves = [candidate.curves[f"{part}_{measure}"] for part in PART_NAMES]
    return [Line(curve.mean, curve.low, curve.high) for curve in curves]


def learning_curves(curves: Curves, *, theme: Theme = LIGHT) -> alt.ConcatChart:
    """Draw score and loss along the epochs, on training rows (dashed) and test rows (solid).

    Several candidates differ by colour; a single one has a colour for each kind of rows instead, and shows its networks
    one by one. The band is the middle half of the networks on test rows. A value axis cuts what would flatten
    everything else, and the subtitle says so.

    In a browser these variables of the chart can be set: `hidden` (names that aren't drawn), `band` (`middle`, `wide`,
    `mean` or `none`), `networks` (whether single networks are drawn), `first` and `last` (epochs between which it is
    drawn), `score_low`, `score_high`, `loss_low`, `loss_high` (of the value axes), `at` (an epoch to mark, or -1).

    Args:
        curves: of one candidate or several.
        theme: its colours. `PAGE` leaves out what its page says: whose colour is which, and what the band is.
    """
    candidates = curves.candidates
    drawn = [candidate for candidate in candidates if candidate.curves["test_loss"].mean]
    single = len(candidates) == 1
    shown = drawn if single and any(len(ghosts_of(candidate, "loss")) > 1 for candidate in drawn) else []
    names = {"score": curves.score_name, "loss": "loss"}
    limits = {measure: _limits(drawn, shown, measure, names[measure]) for measure in MEASURES}
    colour = _candidate_colour([candidate.name for candidate in candidates], theme)
    if single:
        parts = alt.Scale(domain=list(PART_NAMES.values()), range=[theme.palette[1], theme.palette[0]])
        colour = alt.Color("part:N", scale=parts, legend=alt.Legend(title=None, orient="bottom"))
    x, panels = _epoch_axis(candidates), []
    for measure in MEASURES:
        encoding = {"x": x, "y": _value_axis(measure, names[measure]), "color": colour}
        layers = _layers(drawn, measure, encoding, theme, single=single)
        panels.append(alt.LayerChart(layer=layers, width=PANEL_WIDTH, height=PANEL_HEIGHT))
    beyond = [
        f"{candidate.name} ({names[measure]})"
        for measure in MEASURES
        for candidate in drawn
        if _leaves(candidate, measure, limits[measure], with_ghosts=bool(shown))
    ]
    n_ghosts = sum(len(ghosts_of(candidate, "loss")) for candidate in shown)
    heading = title_lines(curves.title)
    subtitle = _subtitle_lines(curves, n_ghosts=n_ghosts, beyond=beyond, chosen=theme is PAGE)
    chart = ConcatChart(concat=panels, columns=2, title=alt.TitleParams(text=heading, subtitle=subtitle))
    # Set without Altair, which would copy each number and check it against its schema.
    chart.params = _variables(candidates, limits, networks=bool(shown))
    chart.datasets = {"lines": line_records(drawn), "networks": network_records(drawn)}
    chart.usermeta = {"score_name": curves.score_name}
    return themed(chart, theme)


def _variables(
    candidates: Sequence[CandidateCurves], limits: Mapping[str, tuple[float, float]], *, networks: bool
) -> list[alt.VariableParameter]:
    """Return the variables that a page may set, and the epochs that records refer to."""
    last = max((candidate.epochs[-1] for candidate in candidates), default=0)
    values = {
        "hidden": [],
        "band": "middle",
        "networks": networks,
        "first": 0 if last else -1,  # a single epoch sits in the middle
        "last": last or 1,
        **{
            f"{measure}_{side}": limits[measure][end]
            for measure in MEASURES
            for end, side in enumerate(("low", "high"))
        },
        "at": -1,
        "grids": grids_of(candidates),
    }
    return [alt.VariableParameter(name=name, value=value) for name, value in values.items()]


def _subtitle_lines(curves: Curves, *, n_ghosts: int, beyond: Sequence[str], chosen: bool = False) -> list[str]:
    """Return the summary's own subtitle, then what lines and bands mean, and what is not shown.

    Args:
        curves: as `learning_curves` takes them.
        n_ghosts: how many single networks are drawn.
        beyond: which curves leave the picture.
        chosen: whether the reader chooses what is drawn around the means, and so knows.
    """
    candidates = curves.candidates
    counts = [candidate.n_networks - candidate.n_diverged for candidate in candidates]
    drawn = [count for count in counts if count]
    phrases = []
    if max(drawn, default=0) > 1:
        phrases.append(f"line: mean over {span(drawn)} networks")
        phrases += [] if chosen else ["band: middle half on test rows"]
    if n_ghosts and not chosen:
        phrases.append(f"faint: {n_ghosts} single networks on test rows")
    lost = [
        f"{candidate.n_diverged:,} of {candidate.n_networks:,} ({candidate.name})"
        for candidate in candidates
        if candidate.n_diverged
    ]
    if lost:
        phrases.append(f"diverged and left out: {', '.join(lost)}")
    if beyond:
        phrases.append(f"beyond the axis: {', '.join(beyond)}")
    phrases.append("curves are for understanding, not for judging")
    return [*textwrap.wrap(curves.subtitle, SUBTITLE_WIDTH), *phrase_lines(phrases)]


# ---- axes


class Line(NamedTuple):
    """A mean along the epochs, and the middle half around it."""

    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def robust_limits(
    candidates: Sequence[Sequence[Line]],
    ghosts: Sequence[Sequence[float]] = (),
    *,
    cut_high: bool = False,
    floor: float = -math.inf,
) -> tuple[float, float]:
    """Return the lowest and the highest value of an axis, with some space beyond the curves.

    Args:
        candidates: the lines of each candidate; none of them empty.
        ghosts: other curves that are drawn.
        cut_high: spikes and diverging curves may leave the picture at the top (a loss).
        floor: nothing below is shown (R2, which has no lower bound).
    """
    drawn = [curve for lines in candidates for line in lines for curve in line] + list(ghosts)
    if not drawn:
        return 0.0, 1.0
    low, high = min(map(min, drawn)), max(map(max, drawn))
    if cut_high:
        high = _top(drawn, [[line.high for line in lines] for lines in candidates], low)
    low = max(low, min(floor, high))
    air = (high - low) * _AIR or abs(high) * 0.1 or 0.1
    return low - air, high + air


def _top(drawn: Sequence[Sequence[float]], upper: Sequence[Sequence[Sequence[float]]], floor: float) -> float:
    """Return where to cut: the highest thing drawn that leaves the typical candidate enough of the height.

    The typical candidate is measured by its middle half, since one network among a hundred can move the mean far
    away. Its worse part counts: an overfitted network has a test loss far above the training loss, and readers want
    to see that.
    """
    reaches = sorted(max(_reach(curve) for curve in curves) for curves in upper)
    typical = reaches[(len(reaches) - 1) // 2]
    heights = [typical, *map(max, drawn), *map(_reach, drawn)]
    return max(height for height in heights if (height - floor) * _SQUEEZED <= typical - floor)


def _reach(curve: Sequence[float]) -> float:
    """Return the height of a curve without its spikes."""
    ranked = sorted(curve)
    bottom, top = (ranked[round((len(ranked) - 1) * share)] for share in (0.05, 0.95))
    return min(ranked[-1], top + _SPIKE * (top - bottom))


def _limits(
    drawn: Sequence[CandidateCurves], shown: Sequence[CandidateCurves], measure: str, name: str
) -> tuple[float, float]:
    low, high = robust_limits(
        [lines_of(candidate, measure) for candidate in drawn],
        [ghost for candidate in shown for ghost in ghosts_of(candidate, measure)],
        cut_high=measure == "loss",
        floor=_r2_floor(drawn) if name == "R2" else -math.inf,
    )
    if name != "accuracy":
        return low, high
    # Not exactly 0 and 1, which would cut off half of a line along the edge.
    air = (high - low) * 0.04
    return max(low, -air), min(high, 1.0 + air)


def _r2_floor(drawn: Sequence[CandidateCurves]) -> float:
    """Return the lowest R2 on the axis. First epochs are often far below 0, the R2 of predicting the mean; how far
    doesn't matter. The axis goes lower only if half of the candidates or more end there.
    """
    ends = sorted(candidate.curves["test_score"].mean[-1] for candidate in drawn)
    return min(_R2_FLOOR, ends[(len(ends) - 1) // 2] - 0.25) if ends else _R2_FLOOR


def _leaves(candidate: CandidateCurves, measure: str, limits: tuple[float, float], *, with_ghosts: bool) -> bool:
    """Return whether anything drawn of a candidate leaves the picture."""
    training, test = lines_of(candidate, measure)
    curves = [training.mean, *test, *(ghosts_of(candidate, measure) if with_ghosts else [])]
    return any(min(curve) < limits[0] or max(curve) > limits[1] for curve in curves)


def _epoch_axis(candidates: Sequence[CandidateCurves]) -> alt.X:
    last = max((candidate.epochs[-1] for candidate in candidates), default=0)
    # A single epoch has one tick and not those of a range.
    ticks = {"tickCount": min(6, last), "tickMinStep": 1} if last else {"values": [0]}
    axis = alt.Axis(title="epoch", grid=False, format=",d", **ticks)
    return alt.X(
        "epoch:Q",
        axis=axis,
        scale=alt.Scale(domain=[alt.ExprRef("first"), alt.ExprRef("last")], nice=False, zero=False),
    )


def _value_axis(measure: str, name: str) -> alt.Y:
    """Return the value axis. Its title, put above it, is the heading of the panel: a panel's own title would move
    with the topmost label.
    """
    axis = alt.Axis(
        title=_NAMES[name],
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
    domain = [alt.ExprRef(f"{measure}_low"), alt.ExprRef(f"{measure}_high")]
    return alt.Y(f"{measure}:Q", axis=axis, scale=alt.Scale(domain=domain, nice=False, zero=False))


# ---- layers


def _layers(
    drawn: Sequence[CandidateCurves], measure: str, encoding: Mapping[str, Any], theme: Theme, *, single: bool
) -> list[alt.Chart]:
    """Return the layers from the back to the front: single networks, bands, means, the cursor."""
    opacity = min(0.2, 0.6 / max(1, len(drawn)))  # so that many bands on top of each other stay readable
    scale = alt.Scale(domain=list(PART_NAMES.values()), range=[DASHES[part] for part in PART_NAMES])
    dash = alt.StrokeDash("part:N", scale=scale, legend=alt.Legend(title=None, orient="bottom"))
    mean = {**encoding, "strokeDash": dash, "detail": alt.Detail("candidate:N")}
    parts = [alt.Detail("candidate:N"), alt.Detail("part:N")]
    band = {**encoding, "y": along(encoding["y"], "low"), "y2": alt.Y2("high:Q"), "detail": parts}
    ghosts = alt.Chart(alt.NamedData("networks")).transform_filter("networks")
    ghosts = ghosts.transform_calculate(epoch="grids[datum.grid]").transform_flatten(["epoch", measure])
    thin = ghosts.transform_filter(SHOWN).mark_line(clip=True, opacity=0.18, strokeWidth=0.7)
    colour = alt.ColorValue(theme.faint_ink) if single else encoding["color"]
    lines = _unfolded(measure)
    layers = [
        thin.encode(**{**encoding, "color": colour}, detail=alt.Detail("network:N")),
        lines.mark_area(clip=True, opacity=opacity, strokeWidth=0).encode(**band),
        lines.mark_line(clip=True, strokeWidth=1.8).encode(**mean),
    ]
    if any(len(candidate.epochs) == 1 for candidate in drawn):
        # A line and an area through one point are invisible.
        points = lines.transform_filter("length(grids[datum.grid]) == 1")
        layers.append(points.mark_rule(clip=True, opacity=opacity, strokeWidth=10).encode(**band))
        layers.append(points.mark_point(clip=True, opacity=1, size=70, strokeWidth=1.8).encode(**mean))
    cursor = alt.Chart(alt.InlineData(values=[{}])).transform_filter("at >= 0")
    rule = cursor.transform_calculate(epoch="at").mark_rule(color=theme.faint_ink, clip=True)
    return [*layers, rule.encode(x=encoding["x"])]


def _unfolded(measure: str) -> alt.Chart:
    """Return the lines of the candidates that aren't hidden, with the ends of the chosen band."""
    chosen = {side: f"datum['{measure}_' + band + '_{side}'] || []" for side in ("low", "high")}
    chart = alt.Chart(alt.NamedData("lines")).transform_calculate(epoch="grids[datum.grid]", **chosen)
    # If a list is shorter than the others, Vega fills it with null and draws nothing. It unfolds all lists again when
    # an earlier step changes, but a filter only sees what has changed. So the filter of shown candidates comes last.
    return chart.transform_flatten(["epoch", measure, "low", "high"]).transform_filter(SHOWN)


def _candidate_colour(names: Sequence[str], theme: Theme) -> alt.Color:
    width = max(map(len, names), default=1) * _CHARACTER + 50
    columns = max(1, min(len(names), 5, int(2 * PANEL_WIDTH / width)))
    below = alt.Legend(title=None, orient="bottom", columns=columns) if theme is not PAGE else None
    return alt.Color("candidate:N", scale=candidate_scale(names, theme), legend=below)
