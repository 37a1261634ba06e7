"""Learning curves: score and loss along the epochs, of one to ten candidates.

A chart holds one record per line, with lists in it that the chart unfolds: a tenth of the size of
one record per point.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from seedbed.evaluation.single_runs import Curves
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
_R2_FLOOR = -0.5  # how far below 0, which predicting the mean has, R2 begins doesn't matter
_AIR = 0.04
_BELOW = {"title": None, "orient": "bottom"}
_NAMES = {"accuracy": "Accuracy", "R2": "R²", "loss": "Loss"}


def learning_curves(curves: Curves, *, theme: Theme = LIGHT, colour: Spec | None = None) -> Chart:
    """Draw score and loss along the epochs, on training rows (dashed) and test rows (solid).

    Several candidates differ by colour, with their names at the ends of their lines; a single one
    shows its networks one by one. The band is the middle half of the networks on test rows. A value
    axis cuts what would flatten everything else, and the subtitle says so.

    In a browser two variables of the chart can be set: `hidden` (names that aren't drawn) and `at`
    (an epoch to mark, or -1). `colour` is the channel of the candidates' colours.
    """
    candidates, single = curves.candidates, len(curves.candidates) == 1
    finite = [candidate for candidate in candidates if candidate.curves["test_loss"].mean]
    networks = []  # on test rows; those on training rows would hide the means
    if single and finite and len(finite[0].curves["test_score"].ghosts) > 1:
        one = finite[0]
        both = zip(*(one.curves[f"test_{measure}"].ghosts for measure in MEASURES), strict=True)
        networks = [
            {
                "candidate": one.name,
                "network": number,
                "epoch": one.ghost_epochs,
                "score": score,
                "loss": loss,
            }
            for number, (score, loss) in enumerate(both)
        ]
    last = max((candidate.epochs[-1] for candidate in candidates), default=0)
    names = [candidate.name for candidate in candidates]
    of = colours(names, theme)
    colour = colour or channel(
        "candidate:N", scale={"domain": [*of], "range": [*of.values()]}, legend=None
    )
    if single:
        parts = {"domain": list(PART_NAMES.values()), "range": [theme.unsure, theme.ink]}
        colour = channel("part:N", scale=parts, legend=_BELOW)
    # A single epoch sits in the middle, and has one tick and not those of a range.
    ticks = {"tickCount": min(6, last), "tickMinStep": 1} if last else {"values": [0]}
    axis = {"title": "epoch", "grid": False, "format": ",d", **ticks}
    domain = [0, last] if last else [-1, 1]
    x = channel("epoch:Q", axis=axis, scale={"domain": domain, "nice": False, "zero": False})
    dashes = {"domain": list(PART_NAMES.values()), "range": [DASHES[part] for part in PART_NAMES]}
    dash, candidate = channel("part:N", scale=dashes, legend=_BELOW), channel("candidate:N")
    panels, beyond = [], []
    for measure in MEASURES:
        name, values = curves.score_name if measure == "score" else "loss", dict[str, Floats]()
        for one in finite:
            train, test = (one.curves[f"{part}_{measure}"] for part in PART_NAMES)
            ghosts = test.ghosts if single else []
            values[one.name] = np.concatenate([train.mean, test.mean, test.low, test.high, *ghosts])
        low, high = _limits([*values.values()], measure)
        beyond += [
            f"{one} ({name})" for one, of in values.items() if of.min() < low or of.max() > high
        ]
        # The title of the axis, put above it, is the heading: a panel's own title would move with
        # the topmost label.
        title = {
            "titleAlign": "left",
            "titleAngle": 0,
            "titleFontWeight": "bold",
            "titleX": 0,
            "titleY": -16,
        }
        form = {"format": "%"} if name == "accuracy" else {}
        axis = {
            "title": _NAMES[name],
            **title,
            **form,
            "tickCount": 6,
            "domain": False,
            "ticks": False,
        }
        y = channel(
            f"{measure}:Q", axis=axis, scale={"domain": [low, high], "nice": False, "zero": False}
        )
        encoding = {"x": x, "y": y, "color": colour}
        low_name, high_name = f"{measure}_low", f"{measure}_high"
        # If a list is shorter than the others, Vega fills it with null and draws nothing. It
        # unfolds all lists again when an earlier step changes, but a filter only sees what has
        # changed. So the filter of shown candidates is the last step.
        records = (
            Records({"name": "lines"}).flatten("epoch", measure, low_name, high_name).filter(SHOWN)
        )
        ends = {
            "y": along(y, low_name),
            "y2": channel(high_name),
            "detail": [candidate, channel("part:N")],
        }
        shown = {**encoding, "strokeDash": dash, "detail": candidate}
        # Many bands on top of each other stay readable. A line and an area through one point are
        # invisible.
        band = {
            "clip": True,
            "opacity": min(0.2, 0.6 / max(1, len(finite))),
            **({} if last else {"strokeWidth": 10}),
        }
        mean = {"clip": True, "strokeWidth": 1.8, **({} if last else {"size": 70, "opacity": 1})}
        layers = [
            records.draw("area" if last else "rule", band, **{**encoding, **ends}),
            records.draw("line" if last else "point", mean, **shown),
            ONCE.filter("at >= 0")
            .calculate(epoch="at")
            .draw("rule", {"clip": True, "color": theme.faint_ink}, x=x),
        ]
        if networks:
            single_ones = Records({"name": "networks"}).flatten("epoch", measure)
            thin = {"clip": True, "opacity": 0.18, "strokeWidth": 0.7, "color": theme.faint_ink}
            layers.insert(0, single_ones.draw("line", thin, x=x, y=y, detail=channel("network:N")))
        panels.append({"layer": layers, "width": PANEL_WIDTH, "height": PANEL_HEIGHT})
        if not single:
            means = ((one, one.curves[f"test_{measure}"].mean[-1]) for one in finite)
            line_ends = [
                {"candidate": one.name, "epoch": one.epochs[-1], measure: mean}
                for one, mean in means
            ]
            panels[-1] = labelled(panels[-1], line_ends, x, y, colour, theme)
    lines = []  # training rows first, so that the lines that matter are drawn over the others
    for part, part_name in PART_NAMES.items():
        for one in finite:
            record: dict[str, Any] = {"candidate": one.name, "part": part_name, "epoch": one.epochs}
            # One network has no middle half. A band on training rows as well would hide more than
            # it shows.
            banded = part == "test" and one.n_networks - one.n_diverged > 1
            for measure in MEASURES:
                line = one.curves[f"{part}_{measure}"]
                record[measure] = line.mean
                record[f"{measure}_low"], record[f"{measure}_high"] = (
                    (line.low, line.high) if banded else ([], [])
                )
            lines.append(record)
    counts = [
        one.n_networks - one.n_diverged for one in candidates if one.n_networks > one.n_diverged
    ]
    phrases = []
    if max(counts, default=0) > 1:
        phrases += [f"line: mean over {span(counts)} networks", "band: middle half on test rows"]
    if networks:
        phrases.append(f"faint: {len(networks)} single networks on test rows")
    if lost := [
        f"{one.n_diverged:,} of {one.n_networks:,} ({one.name})"
        for one in candidates
        if one.n_diverged
    ]:
        phrases.append(f"diverged and left out: {', '.join(lost)}")
    if beyond:
        phrases.append(f"beyond the axis: {', '.join(beyond)}")
    phrases.append("curves are for understanding, not for judging")
    subtitle = [*textwrap.wrap(curves.subtitle, SUBTITLE_WIDTH), *phrase_lines(phrases)]
    return Chart(
        config=chart_config(theme),
        title={"text": title_lines(curves.title), "subtitle": subtitle},
        columns=2,
        concat=panels,
        params=[{"name": "hidden", "value": []}, {"name": "at", "value": -1}],
        datasets={"lines": lines, "networks": networks},
        usermeta={"score_name": curves.score_name},
    )


def _limits(values: Sequence[Floats], measure: str) -> tuple[float, float]:
    """Return the ends of a value axis, with some space beyond the curves.

    A loss ends where it leaves the typical candidate enough of the height: that of others may grow
    without bound, and a curve may have spikes.
    """
    if not values:
        return 0.0, 1.0
    low, high = float(min(one.min() for one in values)), float(max(one.max() for one in values))
    if measure == "loss":
        tops = sorted(float(np.quantile(one, 0.95)) for one in values)
        typical = tops[(len(tops) - 1) // 2]
        high = min(high, low + _TALLEST * (typical - low)) if typical > low else high
    elif high > _R2_FLOOR:
        low = max(low, _R2_FLOOR)
    air = (high - low) * _AIR or abs(high) * 0.1 or 0.1
    return low - air, high + air
