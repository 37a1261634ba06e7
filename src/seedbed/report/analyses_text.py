"""Which columns help, would more rows help, do subgroups differ: answers, tables, and how to read
them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from seedbed.errors import counted, spell
from seedbed.evaluation.analyses import Columns, Gap, RowForecast, Rows, Subgroups
from seedbed.evaluation.estimates import Difference, Interval
from seedbed.evaluation.metrics import (
    Metric,
    find_metric,
    measure,
    p_words,
    plus_minus,
    signed,
)
from seedbed.evaluation.sites import Site, Sites
from seedbed.evaluation.summaries import Conclusion, Score
from seedbed.evaluation.verdicts import LOOK_OF_HELP, SHORT, look_of
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.advice import (
    group_by_first,
    guessing_words,
    join_words,
    margin_words,
    rows_to_tell,
    score_key,
)
from seedbed.report.tables import (
    FirstScreen,
    NumberTable,
    Row,
    decimals_of,
    range_words,
)

_MOST_ROWS, _MOST_NAMED = 20, 4
_MOST_TOGETHER = 3  # names of a group that fit into a row


def label_of(columns: Sequence[str]) -> str:
    """Return the names of columns as one."""
    if len(columns) <= _MOST_TOGETHER:
        return " and ".join(columns)
    return f"{columns[0]}, {columns[1]} and {len(columns) - 2} others"


_OF_VERDICT = {
    "helps": ("Helps", "shown to add to what {} learns from the other columns"),
    "harms": ("Harms", "{} is shown to be better without"),
    "no difference that matters": (
        "No matter",
        "leaving out one of them makes no difference that matters",
    ),
    "likely helps": ("Likely helps", "one comparison alone says so at 97.5%"),
    "likely harms": ("Likely harms", "one comparison alone says so at 97.5%"),
    "can't tell": ("Can't tell", "these rows don't decide it"),
}
_SOURCES = {
    "named": "as requested",
    "default": "the default",
    "run": "the model that the comparison recommends",
}


def column_answers(
    conclusion: Conclusion, answer: Columns, score: Metric
) -> Iterator[tuple[str, str]]:
    """Yield label and text of each answer: which columns help, which don't, and what isn't
    known."""
    columns = [effect.columns for effect in answer.effects]
    labels = group_by_first(
        (str(effect.verdict), label_of(effect.columns))
        for effect in answer.effects
        if len(effect.columns) == 1 or effect.columns[:1] not in columns
    )
    if not labels.keys() & {"helps", "none"}:
        yield "Helps", f"no column is shown to help {answer.model}"
    for verdict, (label, words) in _OF_VERDICT.items():
        if verdict in labels:
            names = join_words(labels[verdict], _MOST_NAMED)
            if verdict == "helps" and answer.n_columns == 1:
                words = "shown to help, as the only column"
            yield label, f"{names}: {words.format(answer.model)}"
    for group, surely in answer.substitutes:
        needed = "one of these two is enough"
        if len(group.columns) > 2:
            needed = f"not all of these {len(group.columns)} are needed"
        finding = f"{label_of(group.columns)} stand for each other, and add something together"
        yield "Together", f"{finding}: {'' if surely else 'perhaps '}{needed}"
    value = measure(
        score, conclusion.score(conclusion.reference, score.name).mean or 0.0
    )
    prior = conclusion.metric.of_prior
    if prior is not None:
        value += f" ({guessing_words(conclusion)} has {measure(score, score.score_of(prior))})"
    model = f"{answer.model}, {_SOURCES[answer.source]}"
    yield "Model", f"{model}; with all columns its {score.words} is {value}"


def column_notes(
    conclusion: Conclusion, answer: Columns, score: Metric
) -> Iterator[str]:
    """Yield how to read the table."""
    if (n_left := len(answer.effects) - _MOST_ROWS) > 0:
        yield f"{counted(n_left, 'row')} more, whose loss is smaller, {'is' if n_left == 1 else 'are'} in the JSON."
    grouped = {name for effect in answer.effects for name in effect.columns}
    if not any(len(effect.columns) == 1 for effect in answer.effects) or len(
        grouped
    ) > len(answer.effects):
        many = f"{counted(answer.n_columns, 'column')} are too many to be left out one by one"
        yield f"{many}, so similar ones are left out together; {spell('column', 'NAME')} asks about one."
    if conclusion.verdicts:
        n = conclusion.verdicts[0].comparisons
        yield score_key(conclusion)
        yield "Loss: how much worse the score is without the column, by models that are trained again."
        if any(effect.adds is not None for effect in answer.effects):
            yield (
                "Adds: how much of what the model without the column leaves open is explained by what the column "
                "changes. It measures the same as the loss, but without the errors of both models, so it varies half "
                "as much. A column helps if both are above 0, and one of them is shown to be."
            )
        simultaneous = (
            f"s, which hold for these {n} comparisons together" if n > 1 else ""
        )
        small = f"A difference below {margin_words(conclusion.metric)} doesn't matter."
        yield f"±: {100 * (1 - conclusion.alpha):g}% interval{simultaneous}. {small}"


def column_rows(
    conclusion: Conclusion, answer: Columns, metric: Metric
) -> Iterator[Row]:
    """Yield the columns that were left out, the largest loss first."""
    decimals = decimals_of(metric, conclusion.metric.margin)
    for effect in answer.effects[:_MOST_ROWS]:
        interval = _interval(metric, effect.loss, effect.low, effect.high)
        added = _interval(metric, effect.adds, effect.adds_low, effect.adds_high)
        verdict = str(effect.verdict).replace(
            "no difference that matters", "doesn't matter"
        )
        if verdict == "helps" and (effect.loss or 0.0) < conclusion.metric.margin:
            verdict = "helps, but by less than matters"
        yield Row(
            name=label_of(effect.columns),
            score=_range_text(added, decimals),
            gain=_range_text(interval, decimals),
            verdict=verdict,
            look=LOOK_OF_HELP.get(effect.verdict, ""),
            interval=interval,
        )


def _interval(
    metric: Metric, mean: float | None, low: float | None, high: float | None
) -> Interval | None:
    """Return an interval in the units that are shown; None if it isn't known."""
    if mean is None or low is None or high is None:
        return None
    return Interval(mean=mean, low=low, high=high).times(metric.scale)


def _range_text(interval: Interval | None, decimals: int) -> str:
    if interval is None:
        return ""
    return plus_minus(interval.mean, interval.half, decimals)


def row_screen(screen: FirstScreen, conclusion: Conclusion) -> FirstScreen:
    """Return the first screen of a comparison with whether more rows would help, and how many would
    decide an open verdict, in place of its table."""
    rows = conclusion.rows
    assert rows is not None
    answers = [("More rows", "; ".join(_more_rows(conclusion, rows)))]
    advice = conclusion.advice
    if advice is not None and (advice.guess or advice.use == "prior"):
        answers += [answer for answer in screen.answers if answer[0] == "Use"]
    answers.append(("To be sure", "; ".join(rows_to_tell(conclusion))))
    return replace(
        screen,
        first=None,
        answers=tuple(answer for answer in answers if answer[1]),
        rows=(),
        helps=(),
        tables=tuple(_row_tables(conclusion, rows)),
        notes=tuple(_row_notes(conclusion, rows)),
    )


def _more_rows(conclusion: Conclusion, rows: Rows) -> Iterator[str]:
    """Yield the answer for the recommended model, or the best one with a forecast."""
    advice = conclusion.advice
    names = [*([advice.use] if advice is not None else []), *conclusion.ranking]
    name = next((one for one in names if rows.forecasts_of(one)), None)
    if name is None:
        nothing = (
            "can't say: there is no model beside predicting the same for every row"
        )
        yield next(
            (
                f"can't say for {one}: {rows.refused[one]}"
                for one in names
                if one in rows.refused
            ),
            nothing,
        )
        return
    twice, *_, most = rows.forecasts_of(name)
    margin, words = conclusion.metric.margin, conclusion.metric.shown.words
    if twice.gain.low >= margin:
        yield f"they help: twice as many would improve the {words} of {name} by {_gain(conclusion, twice)}"
    elif most.gain.high < margin:
        how = f"{_gain(conclusion, most)}, less than the margin"
        yield f"they hardly help: {most.times} times as many would improve the {words} of {name} by {how}"
    else:
        hardly = (
            "twice as many hardly help: they"
            if twice.gain.high < margin
            else "they may help: twice as many"
        )
        yield f"{hardly} would improve the {words} of {name} by {_gain(conclusion, twice)}"
        yield f"{most.times} times as many by {_gain(conclusion, most)}"
    if before := [
        one for one in dict.fromkeys(names[: names.index(name)]) if one in rows.refused
    ]:
        yield f"can't say for {join_words(before, _MOST_NAMED)}"


def _gain(conclusion: Conclusion, one: RowForecast) -> str:
    """Return a gain as its interval with the estimate, which tends to be too low: `0.001 to 0.011
    (about 0.004)`."""
    metric = conclusion.metric.shown
    decimals = decimals_of(metric, conclusion.metric.margin)
    gain = one.gain.times(metric.scale)
    middle, low, high = (
        signed(value, decimals).lstrip("+")
        for value in (gain.mean, gain.low, gain.high)
    )
    return (
        f"{low} to {high}{' points' * metric.in_points} (about {middle}, likely more)"
    )


def _row_tables(conclusion: Conclusion, rows: Rows) -> Iterator[NumberTable]:
    """Yield the losses by the size of the training set, and the forecasts, a row for each model."""
    metric = conclusion.metric.shown
    decimals = decimals_of(metric, conclusion.metric.margin)
    names = [name for name in conclusion.ranking if name not in rows.left_out]

    def words(loss: float) -> str:
        return (
            measure(metric, metric.score_of(loss))
            if metric.greater_is_better
            else f"{loss:,.{decimals}f}"
        )

    def with_half(loss: Interval | None) -> str:
        half = 0.0 if loss is None else metric.scale * loss.half
        return (
            "-"
            if loss is None
            else words(loss.mean) + (f" ±{half:,.{decimals}f}" if half > 0 else "")
        )

    cells = [
        [name, *(with_half(size.losses.get(name)) for size in rows.sizes)]
        for name in names
    ]
    caption = f"{metric.words[:1].upper()}{metric.words[1:]} by training rows"
    yield NumberTable(
        ["", *(f"{size.n_train:,}" for size in rows.sizes)], cells, caption
    )
    if not rows.forecasts:
        return
    columns = {one.times: f"{one.times}x: {one.n_train:,}" for one in rows.forecasts}
    cells = []
    for name in names:
        losses = [one.loss for one in rows.forecasts_of(name)]
        ends = [
            (one.high, one.low) if metric.greater_is_better else (one.low, one.high)
            for one in losses
        ]
        texts = [
            f"{words(one.mean)} ({' to '.join(map(words, two))})"
            for one, two in zip(losses, ends, strict=True)
        ]
        cells += [[name, *texts]] if losses else []
    yield NumberTable(
        ["", *columns.values()],
        cells,
        "Forecast for more training rows, with 90% intervals",
    )


def _row_notes(conclusion: Conclusion, rows: Rows) -> Iterator[str]:
    """Yield how to read the tables, and what has no forecast."""
    yield f"{score_key(conclusion)} A difference below {margin_words(conclusion.metric)} doesn't matter."
    level = f"{100 * (1 - conclusion.alpha):g}%"
    yield f"±: {level} interval of one model alone. Differences are surer, as all sizes share their test rows."
    if rows.forecasts:
        yield "Forecast: a power law, a + b n^-c, through the losses; it holds if the new rows are like these."
    for why, names in group_by_first(
        (why, name) for name, why in rows.refused.items()
    ).items():
        yield f"No forecast for {join_words(names, _MOST_NAMED)}: {why}."
    if "auto" in rows.left_out:
        yield "No curve for auto, which would take longer; name it beside the other candidates to have one."
    if others := [name for name in rows.left_out if name != "auto"]:
        yield f"No curve for {join_words(others, _MOST_NAMED)}, without finite predictions."
    yield f"Smaller training sets: {counted(rows.repeats, 'repeat')}, each set a part of the next larger one."


_GAP_WORDS = {
    **{str(rule): words for rule, words in SHORT.items()},
    "differs": "differs",
}
_FEW_NAMED = 3


def subgroup_screen(conclusion: Conclusion) -> FirstScreen:
    """Return the table of the model that is shown first, a row for each subgroup, as `first_screen`
    has it."""
    groups = conclusion.subgroups
    assert groups is not None
    metric, reference = conclusion.metric.shown, groups.reference
    rows = []
    for group in groups.subgroups:
        verdict = group.verdict(groups.model)
        score = group.scores.get(groups.model)
        few = (
            "too few rows"
            if "too few" in group.reason
            else "no verdict"
            if group.reason
            else ""
        )
        calibration = group.calibration.get(groups.model)
        rows.append(
            Row(
                name=group.name,
                what=counted(group.n_rows, "row"),
                score="-" if score is None else _in_group(metric, score.mean),
                gain="" if verdict is None else _plus_minus(conclusion, verdict),
                other_scores=(
                    ""
                    if calibration is None
                    else _calibration(conclusion, calibration),
                ),
                verdict=few if verdict is None else SHORT[verdict.rule],
                look="" if verdict is None else look_of(verdict.rule),
                interval=None if verdict is None else verdict.times(metric.scale),
            )
        )
    compared = f"gain over {reference if len(reference) <= 24 else 'the reference'}{metric.points}"
    against = "" if groups.model == reference else f" against {reference}"
    return FirstScreen(
        heading=f"By {groups.column}: {groups.model}{against}",
        columns=(
            groups.column,
            metric.words,
            compared,
            "predicted - observed",
            "verdict",
        ),
        rows=tuple(rows),
        finding=_gap_finding(conclusion, groups),
        notes=tuple(_subgroup_notes(conclusion, groups)),
        tables=tuple(_subgroup_tables(conclusion, groups)),
        unit="points" if metric.in_points else metric.words,
        margin=metric.scale * conclusion.metric.margin,
    )


def _in_group(metric: Metric, value: float, like: float | None = None) -> str:
    """Return a score of a subgroup, whose value is a loss if it is shown in points of all rows."""
    return measure(
        metric, value if metric.zero is None else metric.score_of(value), like
    )


def _calibration(conclusion: Conclusion, value: Interval) -> str:
    """Return the mean prediction minus the mean of what was observed: of classes in points."""
    scale, decimals = (100.0, 1) if conclusion.labels else (1.0, None)
    offset = value.times(scale)
    return plus_minus(offset.mean, offset.half, decimals)


def _amount(conclusion: Conclusion, gap: Gap) -> str:
    return (
        f"{_plus_minus(conclusion, gap)}{' points' * conclusion.metric.shown.in_points}"
    )


def _plus_minus(conclusion: Conclusion, gain: Difference) -> str:
    metric = conclusion.metric.shown
    size = gain.times(metric.scale)
    return plus_minus(
        size.mean, size.half, decimals_of(metric, conclusion.metric.margin)
    )


def _gap_finding(conclusion: Conclusion, groups: Subgroups) -> str:
    """Return whether the gain of the model that is shown first differs between subgroups."""
    gaps = [gap for gap in groups.gaps if gap.candidate == groups.model]
    if not gaps:
        return "Fewer than two subgroups have a verdict, so whether a gain differs between them isn't known."
    rules = {gap.rule for gap in gaps}
    finding = f"Can't tell whether the gain of {groups.model} differs between subgroups"
    if "differs" in rules:
        finding = f"The gain of {groups.model} differs between subgroups"
    elif rules == {"no_practical_difference"}:
        finding = f"The gain of {groups.model} doesn't differ by an amount that matters"
    clearest = min(gaps, key=lambda gap: gap.p)
    size = "larger" if clearest.difference > 0 else "smaller"
    amount = _amount(conclusion, clearest).removeprefix("+").removeprefix("-")
    return f"{finding}: in {groups.column} {clearest.subgroup} it is {amount} {size} than in all other rows."


def _subgroup_notes(conclusion: Conclusion, groups: Subgroups) -> Iterator[str]:
    """Yield what else stands out, and how to read the table."""
    names = dict.fromkeys(gap.candidate for gap in groups.gaps if gap.rule == "differs")
    # Where labels are rarer, the prior is closer to all other models.
    if others := [name for name in names if name not in (groups.model, "prior")]:
        yield f"The gain of {join_words(others, _FEW_NAMED)} differs between subgroups, too."
    offsets = [
        (group.name, group.calibration.get(groups.model)) for group in groups.subgroups
    ]
    for how, sign in (("high", 1), ("low", -1)):
        levels = [
            name
            for name, one in offsets
            if one is not None and min(sign * one.low, sign * one.high) > 0
        ]
        if levels:
            yield f"The predictions of {groups.model} are on average too {how} in {groups.column} {join_words(levels)}."
    if few := next((group.reason for group in groups.subgroups if group.reason), ""):
        yield f"No verdict: {few}."
    if any(group.verdicts for group in groups.subgroups):
        what = outcome_of(conclusion.task).offset(
            conclusion.target or "", [*conclusion.labels]
        )
        yield f"Predicted - observed: {what}."
        level = f"{100 * (1 - conclusion.alpha):g}%"
        yield (
            f"±: {level} intervals, which hold for all subgroups together; those of gains for all models, too. They "
            "are about models trained on this table: trained on other rows, models may differ more between subgroups."
        )


def _subgroup_tables(
    conclusion: Conclusion, groups: Subgroups
) -> Iterator[NumberTable]:
    """Yield, for each subgroup, score, gain and calibration of all models, and then the gaps
    between subgroups."""
    metric = conclusion.metric.shown
    columns = [
        "",
        metric.words,
        f"gain over {groups.reference}{metric.points}",
        "verdict",
        "p, adjusted",
        "predicted - observed",
    ]
    for group in groups.subgroups:
        rows = []
        for name, score in group.scores.items():
            one = group.verdict(name)
            cells = ["", "", ""]
            if one is not None:
                cells = [
                    _plus_minus(conclusion, one),
                    one.short,
                    p_words(one.p_adjusted),
                ]
            low, high = (
                (score.low, score.high)
                if metric.zero is None
                else (score.high, score.low)
            )
            ends = " to ".join(
                _in_group(metric, end, score.mean) for end in (low, high)
            )
            calibration = _calibration(conclusion, group.calibration[name])
            rows.append(
                [name, f"{_in_group(metric, score.mean)} ({ends})", *cells, calibration]
            )
        if rows:
            yield NumberTable(
                columns, rows, f"{groups.column} {group.name}: {group.n_rows:,} rows"
            )
    if groups.gaps:
        yield _gap_table(conclusion, groups)


def _gap_table(conclusion: Conclusion, groups: Subgroups) -> NumberTable:
    """Return whether the gain of each model differs between a subgroup and all other rows."""
    columns = ["", groups.column, "gain there minus that in all other rows"]
    columns += ["difference", "p, adjusted"]
    rows = [
        [
            gap.candidate,
            gap.subgroup,
            _amount(conclusion, gap),
            _GAP_WORDS[gap.rule],
            p_words(gap.p_adjusted),
        ]
        for gap in groups.gaps
    ]
    return NumberTable(columns, rows, "Does the gain differ between subgroups?")


def site_finding(sites: Sites) -> str:
    """Return in a sentence how far the score differs between sites."""
    name = sites.shown
    known = {
        site.name: site.scores[name] for site in sites.sites if name in site.scores
    }
    worst, *_, best = sorted(known, key=lambda place: known[place].mean)
    ends = [measure(find_metric(name), known[place].mean) for place in (worst, best)]
    words = find_metric(name).words
    return f"At single sites, the {words} of {sites.model} is {ends[0]} ({worst}) to {ends[1]} ({best})"


def site_table(sites: Sites) -> NumberTable:
    """Return the scores at each site, which was left out of training, on average and at a new
    one."""
    names = list(dict.fromkeys(name for one in sites.sites for name in one.scores))
    has_line = any(site.slope is not None for site in sites.sites)
    calibration = ["calibration slope", "intercept"] if has_line else []
    rows = []
    for site in sites.sites:
        cells = [_score_at(site, name) for name in names]
        lines = [site.slope, site.intercept] if has_line else []
        cells += [
            "" if one is None else f"{one.mean:.2f} ({one.low:.2f} to {one.high:.2f})"
            for one in lines
        ]
        rows.append([site.name, f"{site.n_rows:,}", *cells])
    if sites.new:
        blank = [""] * len(calibration)
        means = [_new_text(sites, name, is_average=True) for name in names]
        news = [_new_text(sites, name, is_average=False) for name in names]
        rows += [["average", "", *means, *blank], ["a new site", "", *news, *blank]]
    words = [find_metric(name).words for name in names]
    caption = f"{sites.model} at each site of {sites.column}, left out of training"
    return NumberTable([sites.column, "rows", *words, *calibration], rows, caption)


def _score_at(site: Site, name: str) -> str:
    score = site.scores.get(name)
    if score is None:
        return ""
    return range_words(name, Score(score.mean, score.low, score.high))


def _new_text(sites: Sites, name: str, *, is_average: bool) -> str:
    """Return the mean over all sites with its range, or the range of a new one."""
    site = sites.new.get(name)
    if site is None:
        return ""
    average = site.average
    if is_average:
        return range_words(name, Score(average.mean, average.low, average.high))
    return range_words(name, Score(average.mean, site.low, site.high))
