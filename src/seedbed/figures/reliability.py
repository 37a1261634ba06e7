"""Do the probabilities mean what they say, and is it of use to act on them? Reliability curves and
decision curves."""

from __future__ import annotations

from typing import Any

from seedbed.evaluation.analyses import TREATING_ALL, TREATING_NONE
from seedbed.evaluation.calibration import CalibrationSummary
from seedbed.evaluation.summaries import Conclusion, PredictedNumbers
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import Records, Spec, channel
from seedbed.figures.panels import (
    PLAIN_AXIS,
    WIDE,
    along,
    join_panels,
    labelled,
    model_colours,
    visible_records,
)
from seedbed.figures.theme import LIGHT, Theme

_LARGEST = 240
_SQUARE = 420
_SPACING = 20
_AXIS_WIDTH = 38  # beside each panel
_BELOW = 0.22  # of the height of the unit square, for the histogram beneath it
_DIAGONAL = [3, 3]
_AXIS: dict[str, Any] = {
    "values": [0, 0.5, 1],
    "format": "~%",
    "grid": False,
    "domain": False,
    "labelFlush": 18,
    "titlePadding": 4,
}


def calibration(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw a reliability curve for each candidate, in the order of the ranking.

    The line is isotonic regression. The grey band shows where it would lie, separately at each
    forecast, if the probabilities were exact. The bars below count rows by forecast. With several
    classes, the probability of the predicted class is shown. The baseline `prior` is left out. Of
    numbers, what the recommended model predicts is drawn against what was observed. None if no
    candidate has probabilities, and no model of numbers is recommended.
    """
    if summary.numbers is not None:
        return _observed_numbers(summary, summary.numbers, theme)
    models = [model for model in summary.in_order() if model.name != "prior"]
    calibrations = {
        model.name: model.calibration
        for model in models
        if model.calibration is not None
    }
    names = list(calibrations)
    if not names:
        return None
    colour = model_colours(summary, theme)
    columns = min(
        len(names), 3 if len(names) in (3, 5, 6, 9) else 4
    )  # whichever leaves fewer gaps
    size = min(_LARGEST, (WIDE - (columns - 1) * _SPACING) // columns - _AXIS_WIDTH)
    panels = [
        _panel(place, size, colour[name], theme) for place, name in enumerate(names)
    ]
    records = [
        {"candidate": name, "place": place, **_calibration_record(calibrations[name])}
        for place, name in enumerate(names)
    ]
    across = "probability of the class that was predicted"
    if summary.survival is not None:
        across = f"forecast probability of surviving until {summary.survival.words}"
    elif len(summary.labels) == 2:
        across = f"forecast probability of {list(summary.labels)[1]}"
    phrases = [
        f"across: {across}; up: how often it came true",
        "line: of these rows; dashed: exactly right",
        "grey: where a perfectly calibrated model lies 9 times in 10",
        "beneath: how many rows",
        "ECE: mean distance, with what exact probabilities would show",
    ]
    title = (
        f"{summary.target} of {summary.table}: do the probabilities mean what they say?"
    )
    return join_panels(
        panels,
        records,
        title=title,
        phrases=phrases,
        theme=theme,
        columns=columns,
        spacing=_SPACING,
    )


def _observed_numbers(
    summary: Conclusion, numbers: PredictedNumbers, theme: Theme
) -> Chart:
    """Draw a point for each row: what was observed by what was predicted, beside the diagonal."""
    pairs = zip(numbers.predicted, numbers.observed, strict=True)
    records = [
        {"candidate": numbers.model, "predicted": predicted, "observed": observed}
        for predicted, observed in pairs
    ]
    values = (*numbers.predicted, *numbers.observed)
    domain = [min(values), max(values)]
    scale = {"domain": domain}
    x = channel("predicted:Q", axis={"title": "predicted", **PLAIN_AXIS}, scale=scale)
    y = channel("observed:Q", axis={"title": None, **PLAIN_AXIS}, scale=scale)
    ends = Records({"values": [{"predicted": end, "observed": end} for end in domain]})
    tooltip = [channel(f"{key}:Q", format=",.4~g") for key in ("predicted", "observed")]
    point = {
        "size": 26,
        "opacity": 0.55,
        "color": model_colours(summary, theme)[numbers.model],
    }
    dashed = {"color": theme.faint_ink, "strokeWidth": 1.2, "strokeDash": _DIAGONAL}
    layers = [
        ends.draw("line", dashed, x=x, y=y),
        visible_records("true").draw(
            "point", {"filled": True, **point}, x=x, y=y, tooltip=tooltip
        ),
    ]
    panel = {"layer": layers, "width": _SQUARE, "height": _SQUARE}
    phrases = [
        f"across: {summary.target}, as {numbers.model} predicts it for rows not trained on",
        "up: what was observed; dashed: exactly right",
    ]
    title = f"{summary.target} of {summary.table}: predicted and observed"
    return join_panels([panel], records, title=title, phrases=phrases, theme=theme)


def prediction_ranges(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw the range of each row's prediction had the model been trained on other rows, by the
    prediction; None if there are no ranges."""
    ranges = summary.ranges
    if ranges is None:
        return None
    rows = zip(ranges.predicted, ranges.low, ranges.high, strict=True)
    records = [
        {
            "candidate": ranges.model,
            "predicted": predicted,
            "low": low,
            "high": high,
            "crosses": bool(ranges.changed is not None and low < 0.5 < high),
        }
        for predicted, low, high in rows
    ]
    is_number = summary.task == "regression"
    axis = PLAIN_AXIS | ({} if is_number else {"format": "~%"})
    ends = [min(ranges.low), max(ranges.high)] if is_number else [0, 1]
    x = channel(
        "predicted:Q", axis={"title": "predicted", **axis}, scale={"zero": False}
    )
    y = channel("low:Q", axis={"title": None, **axis}, scale={"domain": ends})
    of_number = {"format": ",.4~g" if is_number else ".1%"}
    tooltip = [channel(f"{key}:Q", **of_number) for key in ("predicted", "low", "high")]
    colour = {
        "condition": {"test": "datum.crosses", "value": theme.faint_ink},
        "value": model_colours(summary, theme)[ranges.model],
    }
    rule = {"strokeWidth": 1.4, "opacity": 0.55}
    point = {"filled": True, "size": 14, "opacity": 1, "color": theme.ink}
    rows_shown = visible_records("true")
    layers = [
        rows_shown.draw("rule", rule, x=x, y=y, y2=channel("high"), color=colour),
        rows_shown.draw("point", point, x=x, y=along(y, "predicted"), tooltip=tooltip),
    ]
    phrases = [
        "a line for each row: what a model of other rows would say, 95 times in 100",
    ]
    if ranges.changed is not None:
        half = Records({"values": [{"low": 0.5}]})
        dashed = {"color": theme.faint_ink, "strokeDash": _DIAGONAL}
        layers.append(half.draw("rule", dashed, y=y))
        phrases.append("grey: it holds 50%, so the label could be another one")
    panel = {"layer": layers, "width": WIDE, "height": _HEIGHT}
    what = f"that {summary.target} is {ranges.label}" if ranges.label else ""
    title = (
        f"{summary.target} of {summary.table}: how sure each prediction {what}".strip()
    )
    return join_panels([panel], records, title=title, phrases=phrases, theme=theme)


def _calibration_record(model: CalibrationSummary) -> dict[str, Any]:
    """Return what the panel of a model shows: its line, its band, and a bar for each bin with
    rows."""
    counts = model.counts
    most = max(1, *counts)
    filled = [number for number, count in enumerate(counts) if count]
    shares = (model.ece, model.ece_if_calibrated)
    ece, exact = (f"{share:.2f}".removeprefix("0") for share in shares)
    return {
        "note": f"ECE {ece} ({exact} if exact)",
        **vars(model.curve),
        "ece": model.ece,
        "ece_if_calibrated": model.ece_if_calibrated,
        "ece_if_calibrated_high": model.ece_if_calibrated_high,
        "at": model.band.forecast,
        "low": model.band.low,
        "high": model.band.high,
        "from": [number / len(counts) for number in filled],
        "to": [(number + 1) / len(counts) for number in filled],
        "count": [counts[number] for number in filled],
        "top": [(counts[number] / most * 0.8 - 1) * _BELOW for number in filled],
    }


def _panel(place: int, size: int, colour: str, theme: Theme) -> Spec:
    """Return a panel, from the back to the front: band, histogram, diagonal, line, words."""
    rows = visible_records(f"datum.place == {place}")
    up = {**_AXIS, "labelFlush": False, "title": None}
    x = channel(
        "forecast:Q", axis={"title": "forecast", **_AXIS}, scale={"domain": [0, 1]}
    )
    y = channel("observed:Q", axis=up, scale={"domain": [-_BELOW, 1]})
    name = channel("candidate:N")
    band = rows.flatten("at", "low", "high")
    bars = rows.flatten("from", "to", "count", "top").calculate(floor=f"{-_BELOW}")
    diagonal = rows.calculate(end="[0, 1]").flatten("end")
    curve = rows.flatten("forecast", "observed", "rows")
    shares = [channel(f"{key}:Q", format=".3f") for key in ("forecast", "observed")]
    bar = [
        name,
        *(channel(f"{key}:Q", format=".2f") for key in ("from", "to")),
        channel("count:Q", title="rows"),
    ]
    between = {"x": along(x, "at"), "y": along(y, "low"), "y2": channel("high")}
    of_bar = {
        "x": along(x, "from"),
        "x2": channel("to"),
        "y": along(y, "top"),
        "y2": channel("floor"),
    }
    dashed = {"color": theme.faint_ink, "strokeWidth": 1.2, "strokeDash": _DIAGONAL}
    point = {"filled": True, "color": colour, "size": 14, "opacity": 1}
    # Name and ECE are marks, as a title would stay when the candidate is hidden.
    words = {"align": "left", "fontSize": 12, "limit": size + 20, "color": theme.ink}
    here = {"x": {"value": 0}, "y": {"value": 0}}
    titles = {"ece": "ECE", "ece_if_calibrated": "if exact, on average"}
    titles["ece_if_calibrated_high"] = "if exact, 19 of 20 below"
    numbers = [
        name,
        *(
            channel(f"{key}:Q", title=title, format=".4f")
            for key, title in titles.items()
        ),
    ]
    layers = [
        band.draw("area", {"color": theme.rule, "opacity": 1}, **between),
        band.draw(
            "rule", {"color": theme.rule, "strokeWidth": 2}, **between
        ),  # an area through one point is invisible
        bars.draw("bar", {"color": theme.unsure}, **of_bar, tooltip=bar),
        diagonal.draw("line", dashed, x=along(x, "end"), y=along(y, "end")),
        curve.draw("line", {"color": colour, "strokeWidth": 2.2}, x=x, y=y),
        curve.draw(
            "point", point, x=x, y=y, tooltip=[name, *shares, channel("rows:Q")]
        ),
        rows.draw(
            "text",
            {"fontWeight": "bold", "dy": -26, **words},
            text=name,
            tooltip=numbers,
            **here,
        ),
        rows.draw(
            "text",
            {"dy": -11, **words},
            text=channel("note:N"),
            tooltip=numbers,
            **here,
        ),
    ]
    return {"layer": layers, "width": size, "height": round(size * (1 + _BELOW))}


_MOST, _HEIGHT, _UNDER = (
    3,
    240,
    0.15,
)  # models; below 0, as a share of the height above it


def benefit_curves(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw the net benefit of the recommended model, of a simple one and of a further one over the
    thresholds, beside treating all and treating none; None without it."""
    benefit, advice = summary.net_benefit, summary.advice
    if benefit is None or advice is None:
        return None
    ranked = dict.fromkeys(
        (benefit.model, advice.simpler, "logistic", *summary.ranking)
    )
    models = [name for name in ranked if name in benefit.curves][:_MOST]
    policies = (TREATING_ALL, TREATING_NONE)
    colour_of = {
        name: model_colours(summary, theme)[name] for name in models
    } | dict.fromkeys(policies, theme.faint_ink)
    top = 1.05 * max(max(benefit.curves[name]) for name in colour_of)
    records = [
        {
            "candidate": name,
            "threshold": threshold,
            "benefit": value,
            "is_model": name in models,
        }
        for name in colour_of
        for threshold, value in zip(
            benefit.thresholds, benefit.curves[name], strict=True
        )
        if value >= -_UNDER * top
    ]
    ends = [benefit.thresholds[0], benefit.thresholds[-1]]
    across = {"title": "threshold", **PLAIN_AXIS, "format": "~%"}
    x = channel("threshold:Q", axis=across, scale={"domain": ends})
    axis = {"title": None, "tickCount": 5, "domain": False}
    y = channel("benefit:Q", axis=axis, scale={"domain": [-_UNDER * top, top]})
    scale = {"domain": [*colour_of], "range": [*colour_of.values()]}
    colour = channel("candidate:N", scale=scale, legend=None)
    dash = channel(
        "is_model:N",
        scale={"domain": [True, False], "range": [[1, 0], [4, 3]]},
        legend=None,
    )
    tooltip = [
        channel("candidate:N", title=" "),
        channel("threshold:Q", format=".1%"),
        channel("benefit:Q", format=".4f"),
    ]
    layers = [
        visible_records("true").draw(
            "line", {"strokeWidth": 2}, x=x, y=y, color=colour, strokeDash=dash
        ),
        visible_records("true").draw(
            "point", {"size": 60, "opacity": 0}, x=x, y=y, tooltip=tooltip
        ),
    ]
    panel = labelled(
        {"layer": layers, "width": WIDE, "height": _HEIGHT},
        records,
        x,
        y,
        colour,
        theme,
    )
    phrases = [
        f"across: the lowest probability of {list(summary.labels)[1]} at which a row is treated",
        "up: net benefit per row, out of fold",
        "dashed: treating all rows, or none",
    ]
    title = (
        f"{summary.target} of {summary.table}: is it of use to act on the predictions?"
    )
    return join_panels([panel], records, title=title, phrases=phrases, theme=theme)
