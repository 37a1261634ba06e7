"""Would more rows help: the answers, the losses by the number of training rows, and the forecasts."""

from __future__ import annotations

from collections.abc import Iterator

from seedbed.errors import counted
from seedbed.evaluation.metrics import Metric
from seedbed.evaluation.numbers import known_metric, measure, signed
from seedbed.evaluation.row_gains import RowForecast, Rows
from seedbed.evaluation.subgroup_tests import Interval
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.advice import answers, listed, margin_words
from seedbed.report.glance import decimals_of
from seedbed.report.tables import NumberTable

_MOST_NAMED = 4


def row_answers(conclusion: Conclusion) -> list[tuple[str, str]]:
    """Return label and text of each answer: whether more rows would help, from how many on models differ, and how many
    would decide an open verdict."""
    rows = conclusion.rows
    assert rows is not None
    texts = [("More rows", "; ".join(_help(conclusion, rows))), ("Differ", _differ(conclusion, rows))]
    doubtful = conclusion.advice is not None and (conclusion.advice.guess or conclusion.advice.use == "prior")
    labels = {"Use": "Use"} if doubtful else dict[str, str]()
    labels["More rows"] = "To settle"
    texts += [(labels[label], text) for label, text in answers(conclusion) if label in labels]
    return [one for one in texts if one[1]]


def _help(conclusion: Conclusion, rows: Rows) -> Iterator[str]:
    """Yield the answer for the recommended model, or the best one with a forecast."""
    advice = conclusion.advice
    names = [*([advice.use] if advice is not None else []), *conclusion.ranking]
    name = next((one for one in names if rows.forecasts_of(one)), None)
    if name is None:
        first = next((one for one in names if one in rows.refused), None)
        if first is None:
            yield "can't say: there is no model beside predicting the same for every row"
        else:
            yield f"can't say for {first}: {rows.refused[first]}"
        return
    twice, *_, most = rows.forecasts_of(name)
    margin, words = conclusion.metric.margin, conclusion.metric.words
    if twice.gain.low >= margin:
        yield f"they help: twice as many would improve the {words} of {name} by {_gain(conclusion, twice)}"
    elif most.gain.high < margin:
        how = f"{_gain(conclusion, most)}, less than the margin"
        yield f"they hardly help: {most.times} times as many would improve the {words} of {name} by {how}"
    else:
        hardly = "twice as many hardly help: they" if twice.gain.high < margin else "they may help: twice as many"
        yield f"{hardly} would improve the {words} of {name} by {_gain(conclusion, twice)}"
        yield f"{most.times} times as many by {_gain(conclusion, most)}"
    if before := [one for one in dict.fromkeys(names[: names.index(name)]) if one in rows.refused]:
        yield f"can't say for {listed(before, _MOST_NAMED)}"


def _gain(conclusion: Conclusion, one: RowForecast) -> str:
    """Return a gain as its interval with the estimate, which tends to be too low: `0.001 to 0.011 (about 0.004)`."""
    metric = known_metric(conclusion.metric.name)
    scale, points = (100.0, " points") if metric.percent else (1.0, "")
    decimals = decimals_of(metric, conclusion.metric.margin)
    middle, low, high = (signed(scale * value, decimals).lstrip("+") for value in _ends(one.gain))
    return f"{low} to {high}{points} (about {middle}, likely more)"


def _ends(value: Interval) -> tuple[float, float, float]:
    return value.mean, value.low, value.high


def _differ(conclusion: Conclusion, rows: Rows) -> str:
    """Return from how many training rows on models differ from the reference."""
    if not conclusion.verdicts:
        return ""
    names = [name for name in conclusion.ranking if name not in (conclusion.reference, "prior")]
    groups: dict[tuple[int, str], list[str]] = {}
    for name in names:
        if (first := rows.differs_from(name)) is not None:
            groups.setdefault(first, []).append(name)
    smallest = rows.sizes[0].n_train
    parts = [
        f"{listed(of, _MOST_NAMED)} {'is' if len(of) == 1 else 'are'} {word} than {conclusion.reference} "
        + (f"at every size, from {n:,} training rows on" if n == smallest else f"from {n:,} training rows on")
        for (n, word), of in groups.items()
    ]
    return "; ".join(parts) or f"no model is shown to differ from {conclusion.reference} with all rows"


def row_tables(conclusion: Conclusion) -> Iterator[NumberTable]:
    """Yield the losses by the size of the training set, and the forecasts, a row for each model."""
    rows = conclusion.rows
    assert rows is not None
    metric = known_metric(conclusion.metric.name)
    decimals = decimals_of(metric, conclusion.metric.margin)
    names = [name for name in conclusion.ranking if name not in rows.left_out]
    cells = []
    for name in names:
        of_sizes = [size.losses.get(name) for size in rows.sizes]
        cells.append([name, *("-" if one is None else _plus_minus(metric, one, decimals) for one in of_sizes)])
    caption = f"{metric.words[:1].upper()}{metric.words[1:]} by training rows"
    yield NumberTable(["", *(f"{size.n_train:,}" for size in rows.sizes)], cells, caption)
    if not rows.forecasts:
        return
    columns = {one.times: f"{one.times}x: {one.n_train:,}" for one in rows.forecasts}
    cells = [
        [name, *(_between(metric, one.loss, decimals) for one in rows.forecasts_of(name))]
        for name in names
        if rows.forecasts_of(name)
    ]
    yield NumberTable(["", *columns.values()], cells, "Forecast for more training rows, with 90% intervals")


def _shown(metric: Metric, loss: float, decimals: int) -> str:
    return measure(metric, metric.score_of(loss)) if metric.percent else f"{loss:,.{decimals}f}"


def _plus_minus(metric: Metric, loss: Interval, decimals: int) -> str:
    scale = 100.0 if metric.percent else 1.0
    half = scale * max(loss.high - loss.mean, loss.mean - loss.low)
    return f"{_shown(metric, loss.mean, decimals)}" + (f" ±{half:,.{decimals}f}" if half > 0 else "")


def _between(metric: Metric, loss: Interval, decimals: int) -> str:
    low, high = (loss.high, loss.low) if metric.greater_is_better else (loss.low, loss.high)
    middle, *ends = (_shown(metric, value, decimals) for value in (loss.mean, low, high))
    return f"{middle} ({' to '.join(ends)})"


def row_notes(conclusion: Conclusion) -> Iterator[str]:
    """Yield how to read the tables, and what has no forecast."""
    rows = conclusion.rows
    assert rows is not None
    metric = known_metric(conclusion.metric.name)
    way = f"{'High' if metric.greater_is_better else 'Low'} is good"
    yield f"{way}. A gain below {margin_words(conclusion.metric)} doesn't matter (the margin)."
    level = f"{100 * (1 - conclusion.alpha):g}%"
    yield f"±: {level} interval of one model alone. Differences are surer, as all sizes share their test rows."
    if rows.forecasts:
        yield "Forecast: a power law, a + b n^-c, through the losses; it holds if the new rows are like these."
    groups: dict[str, list[str]] = {}
    for name, why in rows.refused.items():
        groups.setdefault(why, []).append(name)
    for why, names in groups.items():
        yield f"No forecast for {listed(names, _MOST_NAMED)}: {why}."
    if "auto" in rows.left_out:
        yield "No curve for auto, which would take longer; name it beside the other candidates to have one."
    if others := [name for name in rows.left_out if name != "auto"]:
        yield f"No curve for {listed(others, _MOST_NAMED)}, without finite predictions."
    yield f"Smaller training sets: {counted(rows.repeats, 'repeat')}, each set a part of the next larger one."
