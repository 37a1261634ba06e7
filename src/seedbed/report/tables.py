"""Numbers as text: scores, tables, and the ranking with brackets that join what isn't shown to differ."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from seedbed.evaluation import METRICS, plain_number

__all__ = [
    "SIGNS",
    "NumberTable",
    "bracket_marks",
    "folded",
    "measure",
    "measured",
    "ranking_columns",
    "ranking_lines",
    "ranking_rows",
    "signed",
    "table_lines",
]


_SPACE_OF_A_NAME = "\ue000"
_UNBROKEN = 1000  # wide enough for every table: readers copy names into the next command


@dataclass(frozen=True)
class NumberTable:
    """A table as text.

    Attributes:
        columns: their headings; the first is that of the rows' names.
        rows: a name and a cell for each other column.
        caption: what it shows; may be empty.
        shades: darkness of the cells of each row, except the name, 0 to 1; may be empty.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    shades: Sequence[Sequence[float]] = field(default=())


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: Container[str] = ()) -> list[str]:
    """Return a table as lines of plain text, as wide as it needs to be.

    Args:
        left: headings of columns that are aligned to the left; the first column always is.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    for place, heading in enumerate(columns):
        table.add_column(heading, justify="left" if heading in left or not place else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=_UNBROKEN,
        force_jupyter=False,  # or a notebook shows the table at once, and nothing is written to the stream
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(table)
    return [line.rstrip() for line in stream.getvalue().split("\n")[:-1]]


def folded(text: str, width: int, indent: int = 0, names: Sequence[str] = (), *, hanging: int = 0) -> list[str]:
    """Return a text as lines of at most this width, except for words and names that are longer.

    Args:
        names: names with spaces. Readers copy them into the next command, so no line ends within one.
        hanging: how much further the second and later lines are indented.
    """
    for name in names:
        text = text.replace(name, name.replace(" ", _SPACE_OF_A_NAME))
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_SPACE_OF_A_NAME, " ") for line in lines] or [""]


def signed(value: float) -> str:
    """Return a number with three digits and its sign."""
    return f"{'+' if value > 0 else ''}{plain_number(value)}"


# Beside the primary metric.
_OF_CLASSES = {"accuracy": "accuracy", "roc_auc": "ROC AUC"}
_OF_NUMBERS = {"r2": "R2", "mae": "mean absolute\nerror"}

SIGNS = {"": " ", "first": "┐", "middle": "│", "last": "┘"}
"""The marks of a bracket as characters."""


@dataclass(frozen=True)
class RankingRow:
    """A line of the ranking, as text.

    Attributes:
        name: of the candidate or baseline.
        marks: for each bracket, whether it is `first`, `middle` or `last` in it; empty if it isn't in it.
        cells: under the columns of `ranking_columns`.
    """

    name: str
    marks: tuple[str, ...]
    cells: tuple[str, ...]


def ranking_columns(document: Mapping[str, Any]) -> list[str]:
    """Return the headings of the numbers. A narrow table may break them at a line break."""
    metric, numeric = document["metric"], document["task"] == "regression"
    columns = []
    for name in _shown(document):
        words = metric["words"] if name == metric["name"] else _beside(document)[name]
        of = "\n(share of variance;\n" if name == "squared_error" else "\n("
        way = f"{of}low is good)" if name == metric["name"] and not metric["greater_is_better"] else ""
        columns.append(f"{words}{way}")
    return [*columns, "train\nR2" if numeric else "train\naccuracy", "epochs", "parameters"]


def ranking_rows(document: Mapping[str, Any]) -> list[RankingRow]:
    """Return all candidates and baselines in the order of the primary metric. Those without a finite score come
    last.
    """
    candidates = {one["name"]: one for one in document["candidates"]}
    ranking = [candidates.pop(name) for name in document["ranking"]]
    rows = []
    for place, one in enumerate([*ranking, *candidates.values()]):
        # A model that isn't ranked has lost networks; the scores of the others would flatter it.
        scores = [measured(name, one["scores"][name]) if place < len(ranking) else "-" for name in _shown(document)]
        marks = bracket_marks(place, document["brackets"])
        rows.append(RankingRow(one["name"], marks, (*scores, *_training(one))))
    return rows


def ranking_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the ranking for a terminal, with its brackets."""
    rows = [(row.name, " ".join(SIGNS[mark] for mark in row.marks), *row.cells) for row in ranking_rows(document)]
    return table_lines(["ranking", "", *ranking_columns(document)], rows, left=[""])


def _beside(document: Mapping[str, Any]) -> Mapping[str, str]:
    return _OF_NUMBERS if document["task"] == "regression" else _OF_CLASSES


def _shown(document: Mapping[str, Any]) -> list[str]:
    primary = document["metric"]["name"]
    return [primary, *(name for name in _beside(document) if name != primary)]


def measure(name: str, value: float, like: float | None = None) -> str:
    """Format a score: shares in percent, errors in the target's own units with four digits.

    Args:
        like: the number that decides how many decimals there are, so that the ends of a range have as many.
    """
    metric = METRICS[name]
    if metric.percent:
        return f"{100 * value:.1f}%"
    size = abs(value if like is None else like)
    if not metric.own_units or size == 0:
        return f"{round(value, 3) + 0.0:.3f}"  # not -0.000
    decimals = 3 - math.floor(math.log10(size))
    return f"{value:,.{max(0, decimals)}f}" if decimals < 9 else f"{value:.3g}"


def measured(name: str, score: Mapping[str, Any], between: str = "–", remark: str = "") -> str:
    """Return a score with its interval, if it has one. A remark stands before the interval."""
    if score["mean"] is None:
        return "-"
    value = f"{measure(name, score['mean'])}{remark}"
    if score["low"] is None or score["high"] is None:
        return value
    low, high = (measure(name, score[key], score["mean"]).removesuffix("%") for key in ("low", "high"))
    return f"{value} ({low}{between}{high})"


def _training(one: Mapping[str, Any]) -> tuple[str, str, str]:
    if one["kind"] == "baseline":
        return "", "", ""
    name = "r2" if one.get("train_r2") is not None else "accuracy"
    train = one[f"train_{name}"]
    return "-" if train is None else measure(name, train), f"{one['epochs']['median']:,}", f"{one['n_parameters']:,}"


def bracket_marks(place: int, brackets: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return for each bracket whether a place is `first`, `middle` or `last` in it, or empty where it isn't in it."""
    return tuple(_mark(place, bracket) for bracket in brackets)


def _mark(place: int, bracket: Sequence[int]) -> str:
    """Return where in a bracket a place stands."""
    if place not in bracket:
        return ""
    return "first" if place == bracket[0] else "last" if place == bracket[-1] else "middle"
