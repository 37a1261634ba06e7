"""The seed lottery: the scores of single runs, and their differences from the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seedbed.evaluation.metrics import Metric, find_metric
from seedbed.evaluation.single_runs import RunLottery, RunSpread
from seedbed.evaluation.summaries import Conclusion
from seedbed.figures.drawing import Chart
from seedbed.figures.grammar import ONCE, Spec, channel
from seedbed.figures.panels import (
    PLAIN_AXIS,
    WIDE,
    along,
    colour_channel,
    heading,
    join_panels,
    span,
    visible_records,
)
from seedbed.figures.theme import LIGHT, PANEL_WIDTH, Theme

_ROW = 54
_TALL = 22  # the highest bar of a row
_MARKS = 7  # under the bars: middle half and mean
_FEWEST_BINS = 16
_FLOOR = _ROW / 2 - 11  # where bars stand, below the middle of the row
_LISTS = ("from", "to", "count", "base", "side")
_ENDS, _SPREAD = (
    ("from", "to"),
    ("mean", "middle_low", "middle_high", "lowest", "highest"),
)
_LETTERS = 40  # of a reference's name
_NOTE_WIDTH = 130
_NAME_HEIGHT = 18  # points of a row's height
# Records, with thin lines between them. A row is its place and not its name, since Vega interprets
# dots and brackets in names. The scale contains the rows that are shown: hiding a candidate closes
# its row.
_ROW_AXIS = channel(
    "place:O",
    axis={
        "title": None,
        "labels": False,
        "ticks": False,
        "domain": False,
        "grid": True,
        "bandPosition": 0,
    },
    scale={"type": "band", "paddingInner": 0, "paddingOuter": 0},
)


def seed_lottery(summary: Conclusion, *, theme: Theme = LIGHT) -> Chart | None:
    """Draw how the single runs of each candidate (one fold, one seed) are spread, in the order of
    the ranking.

    The first panel shows their scores. The second one, if there is a reference, shows their
    differences from it: in the colours of better and worse, grey where both are equal. Mean and
    middle half stand below the bars. `train` has scores but no differences. None if no run has a
    finite score.
    """
    if summary.lottery is None or not summary.lottery.score.runs:
        return None
    score, both = summary.lottery.score, summary.lottery.difference
    ran = {run.name for run in score.runs}
    names = [model.name for model in summary.in_order() if model.name in ran]
    difference = both if both is not None and both.runs else None
    width = WIDE if difference is None else PANEL_WIDTH
    colour = colour_channel(summary, theme)
    metric = metric_of(score, summary)
    records = _records(score, names, "score", metric)
    panels = [_scores(score, metric, colour, width, theme)]
    if difference is not None:
        metric, reference = summary.metric.shown, summary.reference
        records += _records(difference, names, "difference", metric, reference)
        panels.append(_differences(difference, metric, reference, colour, theme))
    title = f"{summary.target} of {summary.table}: what one single run would have shown"
    return join_panels(
        panels,
        records,
        title=title,
        phrases=_phrases(score, difference, summary),
        theme=theme,
    )


def metric_of(lottery: RunLottery, summary: Conclusion) -> Metric:
    """Return the score of single runs; as it is shown if it decides."""
    shown = summary.metric.shown
    return shown if shown.name == lottery.name else find_metric(lottery.name)


def _records(
    lottery: RunLottery,
    names: Sequence[str],
    panel: str,
    metric: Metric,
    reference: str | None = None,
) -> list[dict[str, Any]]:
    """Return one record per row, with its bars as lists, without empty ones. Differences of shares
    are in points."""
    runs = {run.name: run for run in lottery.runs}
    scale = metric.scale if panel == "difference" else 100.0 if metric.zero else 1.0

    def words(value: float) -> str:
        if metric.in_points:
            return f"{100 * value:.0f}{'%' * metric.percent}".replace("-", "−")
        return f"{value:,.{0 if abs(value) >= 100 else 2}f}".replace("-", "−")

    records: list[dict[str, Any]] = []
    for place, name in enumerate(names):
        record: dict[str, Any] = {"panel": panel, "candidate": name, "place": place}
        if name in runs:
            run = runs[name]
            note = words(run.mean)
            if run.n > 1:
                note = f"{words(run.lowest)} to {words(run.highest)}, mean {note}"
            if panel == "difference":  # 0% and 100% mean none and all
                share = run.better or 0.0
                percent = (
                    "under 1%"
                    if 0 < share < 0.01
                    else "over 99%"
                    if 0.99 < share < 1
                    else f"{100 * share:.0f}%"
                )
                note = f"{percent} say better"
            ends = {"mean": run.mean, "lowest": run.lowest, "highest": run.highest}
            ends |= {"middle_low": run.quantiles[1], "middle_high": run.quantiles[3]}
            record |= {"note": note, "n": run.n, "most": max(run.counts)}
            record |= {key: scale * value for key, value in ends.items()}
            bars = zip(
                *(bar for bar in _bars(run, lottery.edges) if bar[2]), strict=True
            )
            record |= {
                key: list(values) for key, values in zip(_LISTS, bars, strict=True)
            }
            records.append(
                record
                | {key: [scale * value for value in record[key]] for key in _ENDS}
            )
        elif name == reference:
            records.append(
                record | {"note": "the reference", "n": 0} | {key: [] for key in _LISTS}
            )
    return records


def _bars(
    run: RunSpread, edges: Sequence[float]
) -> list[tuple[float, float, int, int, str]]:
    """Return (from, to, runs, runs beneath, side) of each bar."""
    bins = list(zip(edges[:-1], edges[1:], run.counts, strict=True))
    if run.better is None:
        return [(low, high, n, 0, "score") for low, high, n in bins]
    n_equal = _count_equal(run, edges)
    bars = []
    for low, high, n in bins:
        same = min(n, n_equal) if low == 0 else 0
        bars += [
            (low, high, same, 0, "alike"),
            (low, high, n - same, same, "better" if low >= 0 else "worse"),
        ]
    return bars


def _count_equal(run: RunSpread, edges: Sequence[float]) -> int:
    """Return how many runs show no difference. They lie in the bin that begins at 0, and `better`
    doesn't count them."""
    right: int = sum(
        n for low, n in zip(edges[:-1], run.counts, strict=True) if low >= 0
    )
    return max(0, right - round((run.better or 0.0) * run.n))


def _phrases(
    score: RunLottery, difference: RunLottery | None, summary: Conclusion
) -> list[str]:
    counts = [run.n for run in score.runs]
    one = "one fold, one seed"
    height = ", each row up to its own highest" if len(counts) > 1 else ""
    phrases = [f"one run ({one})"]
    if max(counts) > 1:
        phrases = [
            f"bars: how {span(counts)} single runs ({one}) are spread{height}",
            "below: mean and middle half",
        ]
    if difference is not None:
        phrases.append("blue: better than the reference in that run; orange: worse")
        if any(_count_equal(run, difference.edges) for run in difference.runs):
            phrases.append("grey: both alike")
    if summary.plan.networks > 1:
        phrases.append(
            "the table scores the mean of a model's networks, which is usually better than single ones"
        )
    both = [score] if difference is None else [score, difference]
    beyond = []  # runs that lie outside of all bins by more than rounding
    for edges, run in (
        (lottery.edges, run) for lottery in both for run in lottery.runs
    ):
        hair = 1e-6 * (edges[1] - edges[0])
        if run.lowest < edges[0] - hair or run.highest > edges[-1] + hair:
            beyond.append(run.name)
    if beyond:
        phrases.append(
            f"outermost bars: what is further off, too ({', '.join(dict.fromkeys(beyond))})"
        )
    return phrases


def _scores(
    lottery: RunLottery, metric: Metric, colour: Spec, width: int, theme: Theme
) -> Spec:
    percent = metric.percent
    words = (
        "R²"
        if metric.words == "R2"
        else f"{metric.words[:1].upper()}{metric.words[1:]}"
    )
    low, high = _limits(lottery.edges, 100.0 if metric.zero else 1.0)
    axis: Spec = {"title": None, **PLAIN_AXIS}
    if percent:  # a share ends at 0 and 1, but the bars of a few rows are so wide that they pass these
        low = max(low, min(lottery.edges[0], -0.01))
        high = min(high, max(lottery.edges[-1], 1.01))
        axis["labelExpr"] = (
            "datum.value < 0 || datum.value > 1 ? '' : format(datum.value, '~%')"
        )
    number = ".1%" if percent else ",.4~r"
    return _panel(
        "score",
        f"{words} of single runs",
        axis,
        (low, high),
        number,
        colour,
        width,
        theme,
    )


def _differences(
    lottery: RunLottery, metric: Metric, reference: str, colour: Spec, theme: Theme
) -> Spec:
    words = (
        f"Improvement in {metric.words}{', in points' * metric.in_points}, run by run"
    )
    name = reference if len(reference) <= _LETTERS else f"{reference[: _LETTERS - 1]}…"
    axis = {"title": f"better than {name} →", "titleAnchor": "end", **PLAIN_AXIS}
    limits = _limits(lottery.edges, metric.scale)
    panel = _panel(
        "difference", words, axis, limits, "+,.4~r", colour, PANEL_WIDTH, theme
    )
    # The line of no difference, if it is in the picture, is broken where the names are.
    line = {
        "orient": "vertical",
        "color": theme.faint_ink,
        "thickness": 1.2,
        "size": _ROW - _NAME_HEIGHT,
        "yOffset": _NAME_HEIGHT / 2,
        "opacity": 1,
        "clip": True,
    }
    worse = {
        "align": "left",
        "baseline": "top",
        "color": theme.ink,
        "fontSize": 12,
        "yOffset": 27,
    }
    panel["layer"] += [
        visible_records("datum.panel == 'difference'").draw(
            "tick", line, x={"datum": 0}, y=_ROW_AXIS
        ),
        ONCE.draw(
            "text",
            worse,
            x={"value": 0},
            y={"value": "height"},
            text={"value": "← worse"},
        ),
    ]
    return panel


def _limits(edges: Sequence[float], scale: float = 1.0) -> tuple[float, float]:
    low, high = scale * edges[0], scale * edges[-1]
    # A few runs have a few bins, which shouldn't fill the panel.
    air = max(
        0.02 * (high - low),
        (high - low) / (len(edges) - 1) * (_FEWEST_BINS - len(edges) + 1) / 2,
    )
    return low - air, high + air


def _panel(
    panel: str,
    title: str,
    axis: Spec,
    limits: tuple[float, float],
    number: str,
    colour: Spec,
    width: int,
    theme: Theme,
) -> Spec:
    """Return a panel. In each row are bars, below them middle half and mean, and above them the
    candidate's name at the left, so that long ones take no width, and the field `note` at the
    right."""
    rows = visible_records(f"datum.panel == '{panel}'")
    (first, last) = limits
    x = channel(
        "from:Q",
        axis=axis,
        scale={"domain": [first, last], "nice": False, "zero": False},
    )
    name = channel("candidate:N")
    numbers = {key: channel(f"{key}:Q", format=number) for key in (*_ENDS, *_SPREAD)}
    titled = (numbers[key] | {"title": key.replace("_", " half, ")} for key in _SPREAD)
    row: Spec = {
        "y": _ROW_AXIS,
        "tooltip": [name, channel("n:Q", title="runs", format=","), *titled],
    }
    bar: Spec = {
        "y": _ROW_AXIS,
        "tooltip": [
            name,
            *(numbers[key] for key in _ENDS),
            channel("count:Q", title="runs"),
        ],
    }
    sides = {"alike": theme.unsure, "worse": theme.worse, "better": theme.better}
    conditions = [
        {"test": f"datum.side == '{side}'", "value": value}
        for side, value in sides.items()
    ]
    bar["color"] = {"condition": conditions, **colour}
    height = f"{_TALL} * datum.count / datum.most"
    y_offset = f"{_FLOOR} - {_TALL} * datum.base / datum.most - ({height}) / 2"
    of_bar = {"height": {"expr": height}, "yOffset": {"expr": y_offset}}
    below: Spec = {"color": theme.ink, "yOffset": _FLOOR + _MARKS / 2}
    point = {"filled": True, "size": 50, "opacity": 1, **below}
    spread = rows.filter("datum.n > 1")
    in_view = spread.filter(f"datum.mean >= {first!r} && datum.mean <= {last!r}")
    low, high = _SPREAD[1:3]
    middle = spread.calculate(
        **{key: f"clamp(datum.{key}, {first!r}, {last!r})" for key in (low, high)}
    )
    words: Spec = {"color": theme.ink, "fontSize": 12, "yOffset": 12 - _ROW / 2}
    of_name = {
        "align": "left",
        "fontWeight": "bold",
        "limit": width - _NOTE_WIDTH,
        **words,
    }
    layers = [
        rows.flatten(*_LISTS).draw("bar", of_bar, x=x, x2=channel("to"), **bar),
        middle.draw(
            "rule",
            {"strokeWidth": 3, **below},
            x=along(x, low),
            x2=channel(high),
            **row,
        ),
        in_view.draw("point", point, x=along(x, "mean"), **row),
        rows.draw("text", of_name, x={"value": 0}, y=_ROW_AXIS, text=name),
        rows.draw(
            "text",
            {"align": "right", **words},
            x={"value": "width"},
            y=_ROW_AXIS,
            text=channel("note:N"),
        ),
    ]
    return {
        "layer": layers,
        "width": width,
        "height": {"step": _ROW},
        "title": heading(title),
    }
