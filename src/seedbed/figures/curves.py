"""Learning curves: score and loss along the epochs, of one to ten candidates.

A chart holds one record per line, with lists in it that the chart unfolds: a tenth of the size of
one record per point.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seedbed.evaluation.single_runs import CandidateCurves, Curves
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import ONCE, Records, Spec, channel
from seedbed.figures.panels import (
    SHOWN,
    SUBTITLE_WIDTH,
    along,
    labelled,
    phrase_lines,
    span,
    title_lines,
)
from seedbed.figures.theme import (
    DASHES,
    LIGHT,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    PART_NAMES,
    Theme,
    chart_config,
    colours,
)
from seedbed.typing import Floats

MEASURES = ("score", "loss")

# How many times as high as a typical candidate's losses their axis is at most. The fast fall of a
# loss in its first epochs should be visible.
_TALLEST = 8
_R2_FLOOR = (
    -0.5
)  # how far below 0, which predicting the mean has, R2 begins doesn't matter
_AIR = 0.04
_BELOW = {"title": None, "orient": "bottom"}
# The title of the axis, put above it, is the heading: a panel's own title would move with the
# topmost label.
_HEADING = {
    "titleAlign": "left",
    "titleAngle": 0,
    "titleFontWeight": "bold",
    "titleX": 0,
}
_VALUE_AXIS = {
    **_HEADING,
    "titleY": -16,
    "tickCount": 6,
    "domain": False,
    "ticks": False,
}
_PARTS = list(PART_NAMES.values())
_DASHES = {"domain": _PARTS, "range": [DASHES[part] for part in PART_NAMES]}
_NAMES = {"accuracy": "Accuracy", "R2": "R²", "loss": "Loss"}


def learning_curves(
    curves: Curves, *, theme: Theme = LIGHT, colour: Spec | None = None
) -> Chart:
    """Draw score and loss along the epochs, on training rows (dashed) and test rows (solid).

    Several candidates differ by colour, with their names at the ends of their lines; a single one
    shows its networks one by one. The band is the middle half of the networks on test rows. A value
    axis cuts what would flatten everything else, and the subtitle says so.

    In a browser two variables of the chart can be set: `hidden` (names that aren't drawn) and `at`
    (an epoch to mark, or -1). `colour` is the channel of the candidates' colours.
    """
    candidates = curves.candidates
    is_single = len(candidates) == 1
    finite = [
        candidate for candidate in candidates if candidate.curves["test_loss"].mean
    ]
    networks = _single_networks(finite[0]) if is_single and finite else []
    last = max((candidate.epochs[-1] for candidate in candidates), default=0)
    if is_single:
        parts = {"domain": _PARTS, "range": [theme.unsure, theme.ink]}
        colour = channel("part:N", scale=parts, legend=_BELOW)
    elif colour is None:
        of = colours([candidate.name for candidate in candidates], theme)
        scale = {"domain": [*of], "range": [*of.values()]}
        colour = channel("candidate:N", scale=scale, legend=None)
    x = _epochs(last)
    panels = []
    beyond = []
    for measure in MEASURES:
        name = curves.score_name if measure == "score" else "loss"
        values = dict[str, Floats]()
        for one in finite:
            train, test = (one.curves[f"{part}_{measure}"] for part in PART_NAMES)
            ghosts = test.ghosts if is_single else []
            values[one.name] = np.concatenate(
                [train.mean, test.mean, test.low, test.high, *ghosts]
            )
        low, high = _limits([*values.values()], measure)
        beyond += [
            f"{one} ({name})"
            for one, v in values.items()
            if v.min() < low or v.max() > high
        ]
        y = _value_axis(measure, name, [low, high])
        layers = _layers(
            finite, networks, measure, theme, {"x": x, "y": y, "color": colour}
        )
        panel: Spec = {"layer": layers, "width": PANEL_WIDTH, "height": PANEL_HEIGHT}
        ends = _ends(finite, measure)
        panels.append(
            panel if is_single else labelled(panel, ends, x, y, colour, theme)
        )
    phrases = _phrases(candidates, len(networks), beyond)
    subtitle = [*textwrap.wrap(curves.subtitle, SUBTITLE_WIDTH), *phrase_lines(phrases)]
    return Chart(
        config=chart_config(theme),
        title={"text": title_lines(curves.title), "subtitle": subtitle},
        columns=2,
        concat=panels,
        params=[{"name": "hidden", "value": []}, {"name": "at", "value": -1}],
        datasets={"lines": _lines(finite), "networks": networks},
        usermeta={"score_name": curves.score_name},
    )


def _single_networks(candidate: CandidateCurves) -> list[dict[str, Any]]:
    """Return a record of each network on test rows; those on training rows would hide the means."""
    of_measures = [candidate.curves[f"test_{measure}"].ghosts for measure in MEASURES]
    if len(of_measures[0]) < 2:
        return []
    common = {"candidate": candidate.name, "epoch": candidate.ghost_epochs}
    return [
        {**common, "network": number, **dict(zip(MEASURES, values, strict=True))}
        for number, values in enumerate(zip(*of_measures, strict=True))
    ]


def _epochs(last: int) -> Spec:
    """Return the axis of epochs. A single epoch sits in the middle, and has one tick."""
    ticks = {"tickCount": min(6, last), "tickMinStep": 1} if last else {"values": [0]}
    axis = {"title": "epoch", "grid": False, "format": ",d", **ticks}
    scale = {"domain": [0, last] if last else [-1, 1]}
    return channel("epoch:Q", axis=axis, scale=scale)


def _value_axis(measure: str, name: str, limits: Sequence[float]) -> Spec:
    axis = {
        "title": _NAMES[name],
        **_VALUE_AXIS,
        **({"format": "%"} if name == "accuracy" else {}),
    }
    scale = {"domain": limits}
    return channel(f"{measure}:Q", axis=axis, scale=scale)


def _ends(finite: Sequence[CandidateCurves], measure: str) -> Iterator[dict[str, Any]]:
    """Yield a record of the end of each line."""
    for one in finite:
        mean = one.curves[f"test_{measure}"].mean
        yield {"candidate": one.name, "epoch": one.epochs[-1], measure: mean[-1]}


def _layers(
    finite: Sequence[CandidateCurves],
    networks: Sequence[Mapping[str, Any]],
    measure: str,
    theme: Theme,
    encoding: Spec,
) -> list[Spec]:
    """Return the layers of a panel: single networks, bands, means, and the marked epoch."""
    low, high = f"{measure}_low", f"{measure}_high"
    # If a list is shorter than the others, Vega fills it with null and draws nothing. It unfolds
    # all lists again when an earlier step changes, but a filter only sees what has changed. So the
    # filter of shown candidates is the last step.
    records = (
        Records({"name": "lines"}).flatten("epoch", measure, low, high).filter(SHOWN)
    )
    x, y = encoding["x"], encoding["y"]
    candidate = channel("candidate:N")
    ends = {
        "y": along(y, low),
        "y2": channel(high),
        "detail": [candidate, channel("part:N")],
    }
    dash = channel("part:N", scale=_DASHES, legend=_BELOW)
    # Many bands on top of each other stay readable. A line and an area through one point are
    # invisible.
    is_point = x["scale"]["domain"][0] < 0
    band = {"clip": True, "opacity": min(0.2, 0.6 / max(1, len(finite)))}
    band |= {"strokeWidth": 10} if is_point else {}
    mean = {
        "clip": True,
        "strokeWidth": 1.8,
        **({"size": 70, "opacity": 1} if is_point else {}),
    }
    faint = {"clip": True, "color": theme.faint_ink}
    layers = [
        records.draw("rule" if is_point else "area", band, **{**encoding, **ends}),
        records.draw(
            "point" if is_point else "line",
            mean,
            **{**encoding, "strokeDash": dash, "detail": candidate},
        ),
        ONCE.filter("at >= 0").calculate(epoch="at").draw("rule", faint, x=x),
    ]
    if not networks:
        return layers
    thin = {**faint, "opacity": 0.18, "strokeWidth": 0.7}
    single_ones = Records({"name": "networks"}).flatten("epoch", measure)
    return [
        single_ones.draw("line", thin, x=x, y=y, detail=channel("network:N")),
        *layers,
    ]


def _lines(finite: Sequence[CandidateCurves]) -> list[dict[str, Any]]:
    """Return a record of each line: training rows first, so that the lines that matter are drawn
    over the others."""
    lines = []
    for part, part_name in PART_NAMES.items():
        for one in finite:
            record: dict[str, Any] = {
                "candidate": one.name,
                "part": part_name,
                "epoch": one.epochs,
            }
            # One network has no middle half. A band on training rows as well would hide more than
            # it shows.
            has_band = part == "test" and one.n_networks - one.n_diverged > 1
            for measure in MEASURES:
                line = one.curves[f"{part}_{measure}"]
                record[measure] = line.mean
                record[f"{measure}_low"] = line.low if has_band else []
                record[f"{measure}_high"] = line.high if has_band else []
            lines.append(record)
    return lines


def _phrases(
    candidates: Sequence[CandidateCurves], n_single: int, beyond: Sequence[str]
) -> list[str]:
    """Return what the subtitle says of lines, bands, and values that aren't drawn."""
    counts = [one.n_networks - one.n_diverged for one in candidates]
    counts = [count for count in counts if count > 0]
    phrases = []
    if max(counts, default=0) > 1:
        phrases += [
            f"line: mean over {span(counts)} networks",
            "band: middle half on test rows",
        ]
    if n_single:
        phrases.append(f"faint: {n_single} single networks on test rows")
    lost = [
        f"{one.n_diverged:,} of {one.n_networks:,} ({one.name})"
        for one in candidates
        if one.n_diverged
    ]
    if lost:
        phrases.append(f"diverged and left out: {', '.join(lost)}")
    if beyond:
        phrases.append(f"beyond the axis: {', '.join(beyond)}")
    return [*phrases, "curves are for understanding, not for judging"]


def _limits(values: Sequence[Floats], measure: str) -> tuple[float, float]:
    """Return the ends of a value axis, with some space beyond the curves.

    A loss ends where it leaves the typical candidate enough of the height: that of others may grow
    without bound, and a curve may have spikes.
    """
    if not values:
        return 0.0, 1.0
    low, high = (
        float(min(one.min() for one in values)),
        float(max(one.max() for one in values)),
    )
    if measure == "loss":
        tops = sorted(float(np.quantile(one, 0.95)) for one in values)
        typical = tops[(len(tops) - 1) // 2]
        high = min(high, low + _TALLEST * (typical - low)) if typical > low else high
    elif high > _R2_FLOOR:
        low = max(low, _R2_FLOOR)
    air = (high - low) * _AIR or abs(high) * 0.1 or 0.1
    return low - air, high + air
