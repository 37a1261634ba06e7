"""Numbers as text: scores, tables, and the ranking with brackets that join what isn't shown to differ."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from seedbed.evaluation import CandidateSummary, Conclusion, Score, known_metric, measure, p_words, percent, signed

__all__ = [
    "NumberTable",
    "folded",
    "measured",
    "ranking_columns",
    "ranking_lines",
    "ranking_rows",
    "table_lines",
    "verdict_table",
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


def ranking_columns(conclusion: Conclusion) -> list[str]:
    """Return the headings of the numbers. A narrow table may break them at a line break."""
    metric, numeric = conclusion.metric, conclusion.task == "regression"
    columns = []
    for name in _shown(conclusion):
        words = metric.words if name == metric.name else _beside(conclusion)[name]
        of = "\n(share of variance;\n" if name == "squared_error" else "\n("
        way = f"{of}low is good)" if name == metric.name and not metric.greater_is_better else ""
        columns.append(f"{words}{way}")
    return [*columns, "train\nR2" if numeric else "train\naccuracy", "epochs", "parameters"]


def ranking_rows(conclusion: Conclusion) -> list[RankingRow]:
    """Return all candidates and baselines in the order of the primary metric. Those without a finite score come
    last.
    """
    candidates = {one.name: one for one in conclusion.candidates}
    ranking = [candidates.pop(name) for name in conclusion.ranking]
    rows = []
    for place, one in enumerate([*ranking, *candidates.values()]):
        # A model that isn't ranked has lost networks; the scores of the others would flatter it.
        scores = [measured(name, one.scores[name]) if place < len(ranking) else "-" for name in _shown(conclusion)]
        marks = bracket_marks(place, conclusion.brackets)
        rows.append(RankingRow(one.name, marks, (*scores, *_training(one))))
    return rows


def ranking_lines(conclusion: Conclusion) -> list[str]:
    """Return the ranking for a terminal, with its brackets."""
    rows = [(row.name, " ".join(SIGNS[mark] for mark in row.marks), *row.cells) for row in ranking_rows(conclusion)]
    return table_lines(["ranking", "", *ranking_columns(conclusion)], rows, left=[""])


def _beside(conclusion: Conclusion) -> Mapping[str, str]:
    return _OF_NUMBERS if conclusion.task == "regression" else _OF_CLASSES


def _shown(conclusion: Conclusion) -> list[str]:
    primary = conclusion.metric.name
    return [primary, *(name for name in _beside(conclusion) if name != primary)]


def measured(name: str, score: Score, between: str = "–", remark: str = "") -> str:
    """Return a score with its interval, if it has one. A remark stands before the interval."""
    if score.mean is None:
        return "-"
    value = f"{measure(name, score.mean)}{remark}"
    if score.low is None or score.high is None:
        return value
    low, high = (measure(name, end, score.mean).removesuffix("%") for end in (score.low, score.high))
    return f"{value} ({low}{between}{high})"


def _training(one: CandidateSummary) -> tuple[str, str, str]:
    if one.epochs is None:
        return "", "", ""
    name, train = ("accuracy", one.train_accuracy) if one.train_r2 is None else ("r2", one.train_r2)
    return "-" if train is None else measure(name, train), f"{one.epochs.median:,}", f"{one.n_parameters:,}"


def bracket_marks(place: int, brackets: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return for each bracket whether a place is `first`, `middle` or `last` in it, or empty where it isn't in it."""
    return tuple(_mark(place, bracket) for bracket in brackets)


def _mark(place: int, bracket: Sequence[int]) -> str:
    """Return where in a bracket a place stands."""
    if place not in bracket:
        return ""
    return "first" if place == bracket[0] else "last" if place == bracket[-1] else "middle"


def verdict_table(conclusion: Conclusion) -> NumberTable:
    """Return the numbers of each verdict, and of each pair if a judgement was asked for all of them."""
    unit = " (points)" if known_metric(conclusion.metric.name).percent else ""
    columns = [f"improvement in {conclusion.metric.words}{unit}", "plausibly", "in accuracy (points)", "plausibly",
               "probability that it is better", "runs that say otherwise", "p, adjusted"]  # fmt: skip
    rows = []
    for one in conclusion.pairs or conclusion.verdicts:
        pair = f"{one.candidate} against {one.reference}" if conclusion.pairs else one.candidate
        cells = _improvement(one.difference, one.low, one.high, 100 if unit else None)
        a = one.accuracy
        cells += ["", ""] if a is None or one.metric == "accuracy" else _improvement(a.difference, a.low, a.high, 100)
        single = one.held_out and one.seed_share is None  # one run of each
        opposite = "" if single else f"{one.opposite_share:.0%}"
        rows.append([pair, *cells, percent(one.p_better), opposite, p_words(one.p_adjusted)])
    used = [place for place in range(1, 8) if any(row[place] for row in rows)]
    return NumberTable(
        ["", *(columns[place - 1] for place in used)], [[row[0], *(row[p] for p in used)] for row in rows]
    )


def _improvement(middle: float, low: float, high: float, scale: int | None) -> list[str]:
    """Return a difference and its interval."""
    shown = [signed(value) if scale is None else signed(scale * value, 1) for value in (middle, low, high)]
    return [shown[0], f"{shown[1]} to {shown[2]}"]
