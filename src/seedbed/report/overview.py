"""How a table is read, as text: warnings first, then one line per column."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.errors import counted, spell, visible
from seedbed.evaluation.summaries import Note
from seedbed.report.sentences import joined_notes, note_sentence
from seedbed.report.tables import table_lines

_WIDTH = 110
_MOST_COLUMNS = 200
_MOST_NOTES = 30
_MOST_LEVELS = 3
_LONGEST = 24
_YEARS = (1000, 2999)  # numbers between these may be years
_BARS = "▁▂▃▄▅▆▇█"


def overview_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """Return a table at a glance as text, from the dict of `seedbed.data.inspect_table`."""
    above = [*_heading(document), *_warnings(document["warnings"])]
    below = [*_rest(document["columns"]), *_notes(document["notes"])]
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False).wrap
    lines = [
        *(line for text in above for line in wrap(text) or [""]),
        *table_lines(
            ["column", "kind", "missing", "distinct", "range, or commonest", ""],
            _columns(document["columns"][:_MOST_COLUMNS], document["n_rows"]),
            left=["kind", "range, or commonest", ""],
        ),
        *(line for text in below for line in wrap(text)),
    ]
    return visible("\n".join(lines).rstrip())


def _heading(document: Mapping[str, Any]) -> Iterator[str]:
    used = sum(column["used"] for column in document["columns"])
    columns = f"{counted(used, 'feature')} of {counted(len(document['columns']), 'column')}"
    inputs = f", {counted(document['n_inputs'], 'input')} of a network" if document["n_inputs"] else ""
    yield f"{document['table']}: {counted(document['n_rows'], 'row')}, {columns}{inputs}"
    target = document["target"]
    if target is None:
        yield f"No target is named; with {spell('target', 'COLUMN')} its balance and more warnings are shown."
        return
    if target["task"] == "regression":
        low, median, high = _numbers(target["low"], target["median"], target["high"])
        about = f"numbers from {low} to {high}, median {median}  {_bars(target['histogram'])}"
    else:
        labels = target["labels"]
        total = sum(labels.values())
        shares = [f"{_short(label)} {count / total:.1%} ({count:,})" for label, count in labels.items()]
        about = ", ".join(shares[:10]) + (f", and {len(shares) - 10} more" if len(shares) > 10 else "")
        about += f"; {_short(list(labels)[1])} is the positive one" if target["task"] == "binary" else ""
    yield f"Target {target['name']}, {target['task']}: {about}"
    if group := document["group"]:
        yield f"Group {group['name']}: {counted(group['n_groups'], 'group')} stay together"
    if time := document["time_split"]:
        low, high = _numbers(time["low"], time["high"])
        yield f"Split by {time['name']}: from {low} to {high}"


def _warnings(warnings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if warnings:
        yield ""
    yield from map(note_sentence, joined_notes(Note(**one) for one in warnings))


def _columns(columns: Sequence[Mapping[str, Any]], n_rows: int) -> Iterator[Sequence[str]]:
    for column in columns:
        kind = column["kind"] if column["used"] else f"({column['kind']}, left out)"
        missing = f"{column['missing']:,}" if column["missing"] else "-"
        shape = _bars(column["histogram"]) if "histogram" in column else ""
        yield column["name"], kind, missing, f"{column['n_unique']:,}", _content(column, n_rows), shape


def _rest(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(columns) > _MOST_COLUMNS:
        yield f"and {counted(len(columns) - _MOST_COLUMNS, 'more column')}: the JSON lists all."


def _notes(notes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    joined = joined_notes(Note(**one) for one in notes)
    yield from map(note_sentence, joined[:_MOST_NOTES])
    if len(joined) > _MOST_NOTES:
        yield f"and {counted(len(joined) - _MOST_NOTES, 'more note')}: the JSON lists all."


def _content(column: Mapping[str, Any], n_rows: int) -> str:
    if "levels" in column:
        filled = n_rows - column["missing"]
        shown = [f"{_short(level)} {count / filled:.0%}" for level, count in column["levels"].items()]
        return ", ".join(shown[:_MOST_LEVELS]) + (", ..." if column["n_unique"] > _MOST_LEVELS else "")
    if column["low"] is None:
        return ""
    low, median, high = _numbers(column["low"], column["median"], column["high"])
    return f"{low} to {high}, median {median}"


def _bars(counts: Sequence[int]) -> str:
    """Return a histogram in one line. An empty bar is a space."""
    top = max(counts, default=0)
    return "".join(" " if not count else _BARS[round((len(_BARS) - 1) * count / top)] for count in counts)


def _numbers(*values: float | str | None) -> list[str]:
    """Return numbers of a column as text; dates are text already. Years have no separators."""
    years = all(isinstance(value, float | int) and _YEARS[0] <= value <= _YEARS[1] for value in values)
    if years and all(float(value or 0).is_integer() for value in (values[0], values[-1])):
        return [f"{value:g}" for value in values]
    return [_number(value) for value in values]


def _number(value: float | str | None) -> str:
    if isinstance(value, str) or value is None:
        return value or "-"
    whole = float(value).is_integer() or abs(value) >= 10_000
    return f"{value:,.0f}" if whole and abs(value) < 1e15 else f"{value:,.4g}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
