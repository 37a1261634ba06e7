"""A model and a table as text, from their plain dicts: a line for each column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from seedbed.errors import counted, spell, visible
from seedbed.evaluation.metrics import find_metric
from seedbed.evaluation.summaries import Note, Score
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.sentences import doubts, join_notes, note_sentence
from seedbed.report.tables import (
    WIDTH,
    fold_text,
    range_words,
    table_lines,
    table_width,
)

_INDENT = 10 * " "
_MOST_COLUMNS = 60
_MOST_LEVELS = 6


def card_text(card: Mapping[str, Any], *, width: int = WIDTH) -> str:
    """Return what a model is as text: some lines, and a table of its columns."""
    lines = [*doubts(card["warnings"]), *_about(card), *_score(card), *_sets(card)]
    lines = [
        part
        for line in lines
        for part in textwrap.wrap(line, width, subsequent_indent=_INDENT)
    ]
    headings = ["column", "kind", "missing", "levels, or mean and deviation"]
    shown = card["columns"][:_MOST_COLUMNS]
    more = len(card["columns"]) - _MOST_COLUMNS
    missing = ["in training" if one["may_be_missing"] else "never" for one in shown]
    rows = [
        (one["name"], one["kind"], word, _content(one))
        for one, word in zip(shown, missing, strict=True)
    ]
    lines += table_lines(headings, rows, left=headings, width=width)
    lines += [f"and {counted(more, 'more column')}"] if more > 0 else []
    made_by = ", ".join(
        f"{name} {version}" for name, version in sorted(card["versions"].items())
    )
    lines += (
        textwrap.wrap(f"File format {card['format']}; made by {made_by}", width)
        if made_by
        else []
    )
    return visible("\n".join(line.rstrip() for line in lines))


def score_sentences(card: Mapping[str, Any]) -> list[str]:
    """Return the expected score of a model, and what was measured, as sentences for a page."""
    lines = [" ".join(line.split()) for line in _score(card)]
    first = lines[0].removeprefix("Score: ")
    lines[0] = first[0].upper() + first[1:]
    return [line if line.endswith((".", ":")) else f"{line}." for line in lines]


def _about(card: Mapping[str, Any]) -> Iterator[str]:
    target = card["target"]
    training = card["training"]
    members = _members(card)
    kinds = {member["network"]["kind"] for member in members}
    what = outcome_of(target["task"]).predicts(target["name"], target["labels"])
    is_one = card["n_networks"] == 1
    parts = counted(card["n_networks"], "network")
    if len(members) > 1 or kinds == {"trees"}:
        of = "trees" if len(members) < 2 else f"{len(members)} models"
        parts = f"{counted(card['n_networks'], 'set')} of {of}"
    yield f"Model {card['candidate']}: {parts} that predict{'s' * is_one} {what}"
    size = f"{counted(card['n_parameters'], 'parameter')} in each"
    yield f"Inputs:   {counted(len(card['columns']), 'column')} as {counted(card['n_inputs'], 'input')}, {size}"
    if (time := target["follow_up"]) is not None:
        intervals = counted(int(time["clock"][-1][1]), "interval")
        yield f"Time:     {time['time']}, up to {time['horizon']:.9g}, in {intervals}"
    if target["labels"]:
        above = f"; {target['labels'][-1]} if its probability is above"
        threshold = (
            f"{above} {target['threshold']:g}"
            if target["threshold"] is not None
            else ""
        )
        yield f"Labels:   {', '.join(target['labels'])}{threshold}"
    if len(members) > 1:
        shares = sorted(
            ((member["weight"], member["name"]) for member in members), reverse=True
        )
        yield f"Blend of: {', '.join(f'{100 * weight:.0f}% {name}' for weight, name in shares)}"
    if training:
        n_rows = training["n_rows"]
        left_out = training.get("n_left_out", 0)
        rows = f"all {n_rows:,} rows"
        if left_out:
            rows = f"the {n_rows:,} of {n_rows + left_out:,} rows that have a target"
        yield f"Trained:  on {rows} of {training['table']}"
        if kinds != {"trees"}:
            yield f"Recipe:   {training['recipe']} ({training['chosen']})"
        for key, noun in (
            ("n_members_left_out", "member"),
            ("n_diverged", "diverged network"),
        ):
            if n := training.get(key):
                yield f"{_INDENT}{counted(n, noun)} left out"


def _members(card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the members of a blend. A single one is stored as a blend, too."""
    architecture: Mapping[str, Any] = card["architecture"]
    return [*architecture["members"]] if architecture["kind"] == "blend" else []


def _score(card: Mapping[str, Any]) -> Iterator[str]:
    score = card["score"]
    out_of_bag = card["training"].get("out_of_bag_loss")
    if score is None and out_of_bag is not None:
        loss = f"{outcome_of(card['target']['task']).loss_words} {out_of_bag:.4g}"
        yield f"Score:    {loss} out of bag, each row by what wasn't trained on it"
        yield f"{_INDENT}These rows also chose the model, so expect a slightly higher loss on new rows"
        return
    if score is None:
        yield "Score:    not measured; a comparison measures what such networks do on rows they weren't fitted to"
        return
    yield f"Score:    by {score['of']}, on rows that weren't trained on"
    metrics = {one["words"]: find_metric(one["name"]) for one in score["scores"]}
    if "score" in metrics:  # a skill that decided, shown from 0 to 100
        metrics["score"] = replace(metrics["score"], zero=1.0)
    for one in sorted(score["scores"], key=lambda one: one["words"] != "score"):
        key = (
            ": 0 is always the same answer, 100 is perfect"
            if one["words"] == "score"
            else ""
        )
        interval = range_words(
            metrics[one["words"]], Score(one["mean"], one["low"], one["high"])
        )
        yield f"{_INDENT}{one['words']} {interval}{key}"
    if choice := score["chosen"]:
        metric = metrics.get(choice["words"], "")
        corrected = range_words(
            metric, Score(choice["expected"], choice["low"], choice["high"])
        )
        finding = f"It was the best of {choice['among']}, so it is optimistic"
        yield f"{_INDENT}{finding}; corrected for the choice, {choice['words']} {corrected}"


def _sets(card: Mapping[str, Any]) -> Iterator[str]:
    if (sets := card["sets"]) is None:
        return
    rows = f"the errors on {sets['n_rows']:,} rows left out of training"
    share = f"{100 * sets['coverage']:g} %"
    if not card["target"]["labels"]:
        yield f"Interval: the prediction ± {sets['threshold']:.4g} contains the number for {share} of rows, by {rows}"
        return
    threshold = f"{1 - sets['threshold']:.3g}"
    yield f"Sets:     labels with a probability above {threshold} include the true label for {share} of rows, by {rows}"
    by_class = sorted(sets["by_class"].items(), key=lambda item: item[1])
    least = ", ".join(
        f"{100 * share:.0f} % for {label}" for label, share in by_class[:_MOST_LEVELS]
    )
    yield f"{_INDENT}By true label: {least}"


def _content(column: Mapping[str, Any]) -> str:
    """Return the levels that the model distinguishes, and how many others there are; of numbers
    mean and deviation."""
    levels = column["levels"]
    if not levels and column["kind"] == "date" and "mean" in column:
        try:
            date = datetime.fromtimestamp(column["mean"], UTC).date().isoformat()
        except (ValueError, OverflowError, OSError):
            date = f"{column['mean']:g} s"
        return f"{date} ± {column['deviation'] / 86_400:.4g} days"
    if not levels:
        return (
            f"{column['mean']:.6g} ± {column['deviation']:.4g}"
            if "mean" in column
            else ""
        )
    frequent = column.get("told_apart", levels)
    words = ", ".join(frequent[:_MOST_LEVELS])
    words += f", ... ({len(frequent)})" if len(frequent) > _MOST_LEVELS else ""
    n_rare = len(levels) - len(frequent)
    return "; ".join(
        filter(None, [words, counted(n_rare, "rare level") if n_rare else ""])
    )


_MOST_LINES = 200
_MOST_NOTES = 30
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
    n_columns, n_notes = (
        len(document["columns"]) - _MOST_LINES,
        len(notes) - _MOST_NOTES,
    )
    tail = [f"and {counted(n_columns, 'more column')}: the JSON lists all."] * (
        n_columns > 0
    ) + notes[:_MOST_NOTES]
    tail += [
        *[f"and {counted(n_notes, 'more note')}: the JSON lists all."] * (n_notes > 0),
        *["", *warnings]
        * (len(document["columns"]) > 20),  # the first ones are out of view
    ]
    headings, rows = (
        ["column", "kind", "missing", "distinct", "range, or commonest", ""],
        [],
    )
    for column in document["columns"][:_MOST_LINES]:
        kind = column["kind"] if column["used"] else f"({column['kind']}, left out)"
        missing = f"{column['missing']:,}" if column["missing"] else "-"
        values = ""
        shape = _bars(column["histogram"]) if "histogram" in column else ""
        if "levels" in column:
            filled = document["n_rows"] - column["missing"]
            shares = [
                f"{_short(level)} {count / filled:.0%}"
                for level, count in column["levels"].items()
            ]
            values = ", ".join(shares[:_COMMONEST]) + (
                ", ..." if column["n_unique"] > _COMMONEST else ""
            )
        elif column["low"] is not None:
            low, median, high = _numbers(
                column["low"], column["median"], column["high"]
            )
            values = f"{low} to {high}, median {median}"
        rows.append(
            (column["name"], kind, missing, f"{column['n_unique']:,}", values, shape)
        )
    n_shown = 6 if table_width(headings, rows) <= width else 5
    shown = [row[:n_shown] for row in rows]
    lines = [line for text in head for line in fold_text(text, width)]
    lines += table_lines(
        headings[:n_shown], shown, left=("kind", *headings[4:]), width=width
    )
    lines += [line for text in tail for line in fold_text(text, width)]
    return visible("\n".join(lines).rstrip())


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
