"""A model and a table as text, from their plain dicts: a line for each column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.errors import counted, spell, visible
from seedbed.evaluation.metrics import find_metric
from seedbed.evaluation.summaries import Note, Score
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.sentences import doubts, join_notes, note_sentence
from seedbed.report.tables import WIDTH, fold_text, range_words, table_lines

_LEFT_OUT = {"n_members_left_out": "member", "n_diverged": "diverged network"}
_OUT_OF_BAG = (
    "each row by what wasn't trained on it; these rows also chose the model, so expect a "
    "slightly higher loss on new rows"
)
_MOST_COLUMNS = 60
_MOST_LEVELS = 6


def card_text(card: Mapping[str, Any], *, width: int = WIDTH) -> str:
    """Return what a model is as text: labelled lines, and a table of its columns."""
    lines = [
        *doubts(card["warnings"]),
        *(f"{name + ':':9} {text}" for name, text in _facts(card)),
    ]
    headings = ["column", "kind", "missing", "levels, or mean and deviation"]
    rows = [
        (
            column["name"],
            column["kind"],
            "in training" if column["may_be_missing"] else "never",
            _content(column),
        )
        for column in card["columns"][:_MOST_COLUMNS]
    ]
    table = table_lines(headings, rows, left=headings, width=width)
    more = len(card["columns"]) - _MOST_COLUMNS
    text = [
        *(part for line in lines for part in fold_text(line, width, hanging=10)),
        "",
        *(line.plain.rstrip() for line in table),
        *([f"and {counted(more, 'more column')}"] if more > 0 else []),
    ]
    return visible("\n".join(text))


def score_sentences(card: Mapping[str, Any]) -> list[str]:
    """Return the expected score of a model as sentences for a page."""
    text = _score(card)
    return [f"{part[0].upper()}{part[1:]}." for part in text.split("; ")]


def _facts(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a model predicts, from what, and how it was made."""
    target = card["target"]
    members = card["architecture"].get("members", ())
    what = outcome_of(target["task"]).predicts(target["name"], target["labels"])
    yield "Model", f"{card['candidate']} predicts {what}"
    kinds = {member["network"]["kind"] for member in members}
    noun = "set" if len(members) > 1 or kinds == {"trees"} else "network"
    size = f"{counted(card['n_networks'], noun)} of {counted(card['n_parameters'], 'parameter')}"
    columns = counted(len(card["columns"]), "column")
    yield "Inputs", f"{columns} as {counted(card['n_inputs'], 'input')} of {size}"
    if target["labels"]:
        threshold = target["threshold"]
        above = (
            "" if threshold is None else f"; {target['labels'][-1]} above {threshold:g}"
        )
        yield "Labels", f"{', '.join(target['labels'])}{above}"
    if len(members) > 1:
        shares = {member["name"]: member["weight"] for member in members}
        ranked = sorted(shares, key=lambda name: -shares[name])
        yield "Blend of", ", ".join(f"{shares[name]:.0%} {name}" for name in ranked)
    if training := card["training"]:
        n_all = training["n_rows"] + training.get("n_left_out", 0)
        rows = f"{training['n_rows']:,} of {n_all:,} rows of {training['table']}"
        yield "Trained", f"on {rows}"
        if kinds != {"trees"}:
            yield "Recipe", f"{training['recipe']} ({training['chosen']})"
        if recalibrated := training.get("recalibrated"):
            yield "Adjusted", _correction(recalibrated)
        if added := training.get("added"):
            yield "Added", ", ".join(f"{name} ({added[name]:+.1%})" for name in added)
        for key in ("n_members_left_out", "n_diverged"):
            if training.get(key):
                yield "Left out", counted(training[key], _LEFT_OUT[key])
    yield "Score", _score(card)
    yield from _sets(card)
    yield from _ranges(card)
    yield from _sites(card)
    versions = [
        f"{name} {version}" for name, version in sorted(card["versions"].items())
    ]
    yield "File", f"format {card['format']}; made by {', '.join(versions)}"


def _correction(recalibrated: Mapping[str, Any]) -> str:
    """Return how a model was recalibrated."""
    intercept, slope = recalibrated["line"]
    rows = f"{counted(recalibrated['n_rows'], 'row')} of {recalibrated['table']}"
    if (intercept, slope) == (0.0, 1.0):
        return f"not needed: {rows} don't show that it is off"
    return f"intercept {intercept:+.3g}, slope {slope:.3g}, by {rows}"


def _score(card: Mapping[str, Any]) -> str:
    """Return which scores to expect on new rows, and how they were measured."""
    score = card["score"]
    loss = card["training"].get("out_of_bag_loss")
    if score is None and loss is None:
        return (
            "not measured; seedbed compare measures it on rows that weren't trained on"
        )
    if score is None:
        words = f"{outcome_of(card['target']['task']).loss_words} {loss:.4g}"
        return f"{words} out of bag, {_OUT_OF_BAG}"
    texts = [f"by {score['of']}, on rows that weren't trained on"]
    for one in score["scores"]:
        metric = find_metric(one["name"])
        if one["words"] == "score":  # a skill that decided, shown from 0 to 100
            metric = replace(metric, zero=1.0)
        interval = range_words(metric, Score(one["mean"], one["low"], one["high"]))
        texts.append(f"{one['words']} {interval}")
        if score["chosen"] and score["chosen"]["words"] == one["words"]:
            choice = score["chosen"]
            expected = Score(choice["expected"], choice["low"], choice["high"])
            texts[-1] += (
                f", corrected for the choice of the best of {choice['among']}: {range_words(metric, expected)}"
            )
    return "; ".join(texts)


def _sets(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (sets := card["sets"]) is None:
        return
    of = f"{100 * sets['coverage']:g} % of rows, by {sets['n_rows']:,} rows left out of training"
    if card["target"]["labels"]:
        threshold = f"{1 - sets['threshold']:.3g}"
        yield (
            "Sets",
            f"labels with a probability above {threshold} include the true label for {of}",
        )
    else:
        yield (
            "Interval",
            f"the prediction ± {sets['threshold']:.4g} contains the number for {of}",
        )


def _ranges(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how sure predictions are, if the model has ranges."""
    if card["training"].get("range") is None or card["n_networks"] < 2:
        return
    changed = (card["score"] or {}).get("changed")
    text = "predict says for each row what a model of other rows would say"
    if changed is not None:
        text += f"; {round(100 * changed)} of 100 would be on the other side of 50%"
    yield "Ranges", text


def _sites(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield which scores to expect at a new site, if there is a promise for one."""
    score = card["score"] or {}
    texts = []
    for one in score.get("new_site", ()):
        interval = range_words(one["name"], Score(one["mean"], one["low"], one["high"]))
        texts.append(f"{find_metric(one['name']).words} {interval}")
    if texts:
        n = counted(len(score["sites"]), "site")
        yield "New site", f"beside {n} of {score['site_column']}: {'; '.join(texts)}"


def _content(column: Mapping[str, Any]) -> str:
    """Return the levels that the model distinguishes, and how many others there are; of numbers
    mean and deviation."""
    levels = column["levels"]
    if not levels and "mean" not in column:
        return ""
    if not levels and column["kind"] == "date":
        date = np.datetime64(0, "s") + np.timedelta64(int(column["mean"]), "s")
        return (
            f"{date.astype('datetime64[D]')} ± {column['deviation'] / 86_400:.4g} days"
        )
    if not levels:
        return f"{column['mean']:.6g} ± {column['deviation']:.4g}"
    frequent = column.get("told_apart", levels)
    words = ", ".join(frequent[:_MOST_LEVELS])
    words += f", ... ({len(frequent)})" if len(frequent) > _MOST_LEVELS else ""
    n_rare = len(levels) - len(frequent)
    rare = counted(n_rare, "rare level") if n_rare else ""
    return "; ".join(filter(None, [words, rare]))


_MOST_LINES = 200
_MOST_NOTES = 30
_MANY = 20  # columns
_COMMONEST = 3
_LONGEST = 24
_YEARS = (1000, 2999)  # numbers between these may be years
_BARS = "▁▂▃▄▅▆▇█"


def overview_text(document: Mapping[str, Any], *, width: int = WIDTH) -> str:
    """Return a table at a glance as text, from the dict of `seedbed.data.inspect_table`."""
    warnings = [
        note_sentence(note)
        for note in join_notes(Note(**one) for one in document["warnings"])
        if note.code != "SB212"  # it needs the score of a comparison
    ]
    head = [*_heading(document), *([""] if warnings else []), *warnings]
    notes = [
        note_sentence(note)
        for note in join_notes(Note(**one) for one in document["notes"])
    ]
    columns = document["columns"]
    more = "and {}: the JSON lists all."
    tail = list[str]()
    if len(columns) > _MOST_LINES:
        tail.append(more.format(counted(len(columns) - _MOST_LINES, "more column")))
    tail += notes[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        tail.append(more.format(counted(len(notes) - _MOST_NOTES, "more note")))
    if len(columns) > _MANY:  # the first warnings are out of view
        tail += ["", *warnings]
    rows = [
        _column_cells(column, document["n_rows"]) for column in columns[:_MOST_LINES]
    ]
    headings = ["column", "kind", "missing", "distinct", "", "range, or commonest"]
    table = table_lines(headings, rows, left=("kind", *headings[4:]), width=width)
    lines = [
        *(line for text in head for line in fold_text(text, width)),
        "",
        *(line.plain.rstrip() for line in table),
        "",
        *(line for text in tail for line in fold_text(text, width)),
    ]
    return visible("\n".join(lines).rstrip())


def _column_cells(column: Mapping[str, Any], n_rows: int) -> tuple[str, ...]:
    """Return name, kind, missing cells, distinct values, histogram, and range or most frequent
    levels of a column."""
    values = ""
    if "levels" in column:
        filled = n_rows - column["missing"]
        shares = [
            f"{_short(level)} {count / filled:.0%}"
            for level, count in column["levels"].items()
        ]
        more = ", ..." if column["n_unique"] > _COMMONEST else ""
        values = f"{', '.join(shares[:_COMMONEST])}{more}"
    elif column["low"] is not None:
        low, median, high = _numbers(column["low"], column["median"], column["high"])
        values = f"{low} to {high}, median {median}"
    return (
        column["name"],
        column["kind"] if column["used"] else f"({column['kind']}, left out)",
        f"{column['missing']:,}" if column["missing"] else "-",
        f"{column['n_unique']:,}",
        _bars(column.get("histogram", ())),
        values,
    )


def _heading(document: Mapping[str, Any]) -> Iterator[str]:
    n_used = sum(column["used"] for column in document["columns"])
    columns = (
        f"{counted(n_used, 'feature')} of {counted(len(document['columns']), 'column')}"
    )
    inputs = (
        f", {counted(document['n_inputs'], 'input')} of a network"
        if document["n_inputs"]
        else ""
    )
    yield f"{document['table']}: {counted(document['n_rows'], 'row')}, {columns}{inputs}"
    target = document["target"]
    if target is None:
        yield f"No target is named; with {spell('target', 'COLUMN')} its balance and more warnings are shown."
        return
    low, median, high = _numbers(
        *(target.get(key) for key in ("low", "median", "high"))
    )
    if "labels" not in target:
        about = f"numbers from {low} to {high}, median {median}  {_bars(target['histogram'])}"
    else:
        labels = target["labels"]
        total = sum(labels.values())
        shares = [
            f"{_short(label)} {count / total:.1%} ({count:,})"
            for label, count in labels.items()
        ]
        about = ", ".join(shares[:10]) + (
            f", and {len(shares) - 10} more" if len(shares) > 10 else ""
        )
        about += (
            f"; {_short(list(labels)[1])} is the positive one"
            if len(labels) == 2
            else ""
        )
    if "horizon" in target:
        about = f"the event came in {shares[1].removeprefix(_short(list(labels)[1]))[1:]} of the rows; "
        about += f"{target['unit'] or target['time']} from {low} to {high}, "
        about += f"median {median}, scored up to {target['horizon']:g}"
    yield f"Target {target['name']}, {target['task']}: {about}"
    if group := document["group"]:
        yield f"Group {group['name']}: {counted(group['n_groups'], 'group')} stay together"
    if time := document["time_split"]:
        low, high = _numbers(time["low"], time["high"])
        yield f"Split by {time['name']}: from {low} to {high}"


def _bars(counts: Sequence[int]) -> str:
    """Return a histogram in one line. An empty bar is a space."""
    top = max(counts, default=0)
    return "".join(
        " " if not count else _BARS[round((len(_BARS) - 1) * count / top)]
        for count in counts
    )


def _numbers(*values: float | str | None) -> list[str]:
    """Return numbers of a column as text; dates are text already. Years have no separators."""
    years = all(
        isinstance(value, float | int) and _YEARS[0] <= value <= _YEARS[1]
        for value in values
    )
    if years and all(
        float(value or 0).is_integer() for value in (values[0], values[-1])
    ):
        return [f"{value:g}" for value in values]
    return [_number(value) for value in values]


def _number(value: float | str | None) -> str:
    if isinstance(value, str) or value is None:
        return value or "-"
    is_whole = float(value).is_integer() or abs(value) >= 10_000
    return f"{value:,.0f}" if is_whole and abs(value) < 1e15 else f"{value:,.4g}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
