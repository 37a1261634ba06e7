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
from seedbed.report.tables import WIDTH, fold_text, range_words, table_lines, table_width

_INDENT = 10 * " "
_MOST_COLUMNS = 60
_MOST_LEVELS = 6


def card_text(card: Mapping[str, Any], *, width: int = WIDTH) -> str:
    """Return what a model is as text: some lines, and a table of its columns."""
    lines = [*doubts(card["warnings"]), *_about(card), *_score(card), *_sets(card)]
    lines = [
        part for line in lines for part in textwrap.wrap(line, width, subsequent_indent=_INDENT)
    ]
    headings = ["column", "kind", "missing", "levels, or mean and deviation"]
    shown, more = card["columns"][:_MOST_COLUMNS], len(card["columns"]) - _MOST_COLUMNS
    missing = ["in training" if one["may_be_missing"] else "never" for one in shown]
    rows = [
        (one["name"], one["kind"], word, _content(one))
        for one, word in zip(shown, missing, strict=True)
    ]
    lines += table_lines(headings, rows, left=headings, width=width)
    lines += [f"and {counted(more, 'more column')}"] if more > 0 else []
    made_by = ", ".join(f"{name} {version}" for name, version in sorted(card["versions"].items()))
    lines += (
        textwrap.wrap(f"File format {card['format']}; made by {made_by}", width) if made_by else []
    )
    return visible("\n".join(line.rstrip() for line in lines))


def score_sentences(card: Mapping[str, Any]) -> list[str]:
    """Return the expected score of a model, and what was measured, as sentences for a page."""
    lines = [" ".join(line.split()) for line in _score(card)]
    first = lines[0].removeprefix("Score: ")
    lines[0] = first[0].upper() + first[1:]
    return [line if line.endswith((".", ":")) else f"{line}." for line in lines]


def _about(card: Mapping[str, Any]) -> Iterator[str]:
    target, training = card["target"], card["training"]
    what = outcome_of(target["task"]).predicts(target["name"], target["labels"])
    networks, s = counted(card["n_networks"], "network"), "s" * (card["n_networks"] == 1)
    kinds = _kinds(card)
    n_kinds = kinds.count("mlp")
    if kinds:
        networks += (
            f" of each of {n_kinds} kinds"
            if n_kinds > 1
            else " of one kind"
            if len(kinds) > 1
            else ""
        )
        if "trees" in kinds:
            networks, s = f"{networks} and decision trees" if n_kinds else "decision trees", ""
    yield f"Model {card['candidate']}: {networks} that predict{s} {what}"
    size = f"{counted(card['n_parameters'], 'parameter')} {'in one of each' if len(kinds) > 1 else 'per network'}"
    if kinds and not n_kinds:
        size = f"{card['n_parameters']:,} thresholds and values of leaves in a set of trees"
    yield f"Inputs:   {counted(len(card['columns']), 'column')} as {counted(card['n_inputs'], 'input')}, {size}"
    if (time := target["follow_up"]) is not None:
        intervals = counted(int(time["clock"][-1][1]), "interval")
        yield f"Time:     {time['time']}, up to {time['horizon']:.9g}, in {intervals}"
    if target["labels"]:
        above = f"; {target['labels'][-1]} if its probability is above"
        threshold = f"{above} {target['threshold']:g}" if target["threshold"] is not None else ""
        yield f"Labels:   {', '.join(target['labels'])}{threshold}"
    if len(kinds) > 1:
        for number, member in enumerate(
            sorted(card["architecture"]["members"], key=lambda one: -one["weight"])
        ):
            yield f"{_INDENT if number else 'Blend of: '}{100 * member['weight']:.0f}% {member['name']}"
    if training:
        n_rows, left_out = training["n_rows"], training.get("n_left_out", 0)
        rows = f"{n_rows:,} of {n_rows + left_out:,} rows" if left_out else f"all {n_rows:,} rows"
        yield f"Trained:  on {rows} of {training['table']}" + (
            "; the others have no target" if left_out else ""
        )
        recipe = f"{training['recipe']} ({training['chosen']})"
        if "trees" in kinds:
            of_trees = "trees, the number of boosted ones by the rows left out"
            recipe = f"networks by {recipe}; {of_trees}" if n_kinds else of_trees
        yield f"Recipe:   {recipe}"
        if n := training.get("n_members_left_out"):
            left_out_as = "diverged, without use, or not reached within the time limit"
            yield f"{_INDENT}{counted(n, 'member')} left out: {left_out_as}"
        if training["n_diverged"]:
            yield f"{_INDENT}{counted(training['n_diverged'], 'network')} diverged and were left out"


def _kinds(card: Mapping[str, Any]) -> list[str]:
    """Return the kind of each member of a blend, "mlp" or "trees". A single member is stored as a
    blend, too."""
    architecture: Mapping[str, Any] = card["architecture"]
    members = architecture["members"] if architecture["kind"] == "blend" else ()
    return [member["network"]["kind"] for member in members]


def _score(card: Mapping[str, Any]) -> Iterator[str]:
    score, out_of_bag = card["score"], card["training"].get("out_of_bag_loss")
    if score is None and out_of_bag is not None:
        kind, kinds = outcome_of(card["target"]["task"]).loss_words, _kinds(card)
        what = "networks and trees" if "trees" in kinds else "the networks"
        yield f"Score:    {kind} {out_of_bag:.4g} out of bag, each row by {what} that weren't trained on it"
        choice = "the blend" if len(kinds) > 1 else "when training ended"
        yield f"{_INDENT}These rows also chose {choice}, so expect a slightly higher loss on new rows"
        return
    if score is None:
        yield "Score:    not measured; a comparison measures what such networks do on rows they weren't fitted to"
        return
    yield f"Score:    by {score['of']}, on rows that weren't trained on"
    metrics = {one["words"]: find_metric(one["name"]) for one in score["scores"]}
    if "score" in metrics:  # a skill that decided, shown from 0 to 100
        metrics["score"] = replace(metrics["score"], zero=1.0)
    for one in sorted(score["scores"], key=lambda one: one["words"] != "score"):
        key = ": 0 is always the same answer, 100 is perfect" if one["words"] == "score" else ""
        interval = range_words(metrics[one["words"]], Score(one["mean"], one["low"], one["high"]))
        yield f"{_INDENT}{one['words']} {interval}{key}"
    if choice := score["chosen"]:
        metric = metrics.get(choice["words"], "")
        corrected = range_words(metric, Score(choice["expected"], choice["low"], choice["high"]))
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
        return f"{column['mean']:.6g} ± {column['deviation']:.4g}" if "mean" in column else ""
    told_apart = column.get("told_apart", levels)
    rare, groups = len(levels) - len(told_apart), column.get("n_groups", 1)
    counts = "count as one" if groups == 1 else f"share {groups} inputs"
    if not told_apart:
        missing = "only whether it's missing counts" if column["may_be_missing"] else "none counts"
        return f"{counted(len(levels), 'level')}, all rare: {missing if groups == 1 else f'they {counts}'}"
    level_words = ", ".join(told_apart[:_MOST_LEVELS])
    level_words += f", ... ({len(told_apart)})" if len(told_apart) > _MOST_LEVELS else ""
    return level_words + (
        f"; {rare} rare ones {counts}" if rare > 1 else f"; and {rare} rare one" if rare else ""
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
    notes = [note_sentence(note) for note in join_notes(Note(**one) for one in document["notes"])]
    n_columns, n_notes = len(document["columns"]) - _MOST_LINES, len(notes) - _MOST_NOTES
    tail = [f"and {counted(n_columns, 'more column')}: the JSON lists all."] * (
        n_columns > 0
    ) + notes[:_MOST_NOTES]
    tail += [f"and {counted(n_notes, 'more note')}: the JSON lists all."] * (n_notes > 0)
    headings, rows = ["column", "kind", "missing", "distinct", "range, or commonest", ""], []
    for column in document["columns"][:_MOST_LINES]:
        kind = column["kind"] if column["used"] else f"({column['kind']}, left out)"
        missing = f"{column['missing']:,}" if column["missing"] else "-"
        values, shape = "", _bars(column["histogram"]) if "histogram" in column else ""
        if "levels" in column:
            filled = document["n_rows"] - column["missing"]
            shares = [
                f"{_short(level)} {count / filled:.0%}" for level, count in column["levels"].items()
            ]
            values = ", ".join(shares[:_COMMONEST]) + (
                ", ..." if column["n_unique"] > _COMMONEST else ""
            )
        elif column["low"] is not None:
            low, median, high = _numbers(column["low"], column["median"], column["high"])
            values = f"{low} to {high}, median {median}"
        rows.append((column["name"], kind, missing, f"{column['n_unique']:,}", values, shape))
    n_shown = 6 if table_width(headings, rows) <= width else 5
    shown = [row[:n_shown] for row in rows]
    lines = [line for text in head for line in fold_text(text, width)]
    lines += table_lines(headings[:n_shown], shown, left=("kind", *headings[4:]), width=width)
    lines += [line for text in tail for line in fold_text(text, width)]
    return visible("\n".join(lines).rstrip())


def _heading(document: Mapping[str, Any]) -> Iterator[str]:
    n_used = sum(column["used"] for column in document["columns"])
    columns = f"{counted(n_used, 'feature')} of {counted(len(document['columns']), 'column')}"
    inputs = (
        f", {counted(document['n_inputs'], 'input')} of a network" if document["n_inputs"] else ""
    )
    yield f"{document['table']}: {counted(document['n_rows'], 'row')}, {columns}{inputs}"
    target = document["target"]
    if target is None:
        yield f"No target is named; with {spell('target', 'COLUMN')} its balance and more warnings are shown."
        return
    low, median, high = _numbers(*(target.get(key) for key in ("low", "median", "high")))
    if "labels" not in target:
        about = f"numbers from {low} to {high}, median {median}  {_bars(target['histogram'])}"
    else:
        labels = target["labels"]
        total = sum(labels.values())
        shares = [
            f"{_short(label)} {count / total:.1%} ({count:,})" for label, count in labels.items()
        ]
        about = ", ".join(shares[:10]) + (
            f", and {len(shares) - 10} more" if len(shares) > 10 else ""
        )
        about += f"; {_short(list(labels)[1])} is the positive one" if len(labels) == 2 else ""
    if "horizon" in target:
        about = (
            f"the event came in {shares[1].removeprefix(_short(list(labels)[1]))[1:]} of the rows; "
        )
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
        " " if not count else _BARS[round((len(_BARS) - 1) * count / top)] for count in counts
    )


def _numbers(*values: float | str | None) -> list[str]:
    """Return numbers of a column as text; dates are text already. Years have no separators."""
    years = all(
        isinstance(value, float | int) and _YEARS[0] <= value <= _YEARS[1] for value in values
    )
    if years and all(float(value or 0).is_integer() for value in (values[0], values[-1])):
        return [f"{value:g}" for value in values]
    return [_number(value) for value in values]


def _number(value: float | str | None) -> str:
    if isinstance(value, str) or value is None:
        return value or "-"
    is_whole = float(value).is_integer() or abs(value) >= 10_000
    return f"{value:,.0f}" if is_whole and abs(value) < 1e15 else f"{value:,.4g}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
