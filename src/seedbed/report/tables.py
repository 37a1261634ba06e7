"""Numbers as text: scores and tables."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.text import Text

from seedbed.errors import visible
from seedbed.evaluation.estimates import Difference, Interval
from seedbed.evaluation.metrics import (
    Metric,
    find_metric,
    measure,
    p_words,
    plain_number,
)
from seedbed.evaluation.summaries import Conclusion, Score
from seedbed.evaluation.verdicts import OPEN
from seedbed.outcomes.tasks import outcome_of

_SPACE_OF_A_NAME = "\ue000"
WIDTH = 100  # letters of a line, where a terminal is no narrower
HELPS = "What helps"


@dataclass(frozen=True)
class NumberTable:
    """A table as text. The first column has the rows' names; `shades` has the darkness of the other
    cells, 0 to 1, or is empty."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    shades: Sequence[Sequence[float]] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model of the table, or one line of what helps.

    Attributes:
        what: what the model is, in a few words, or the two models; may be empty.
        gain: over the reference, `+0.003 ±0.017`, or the distance behind the recommended model,
            `0.003 ±0.017`. `reference` or `recommended` at that model, and empty where there is no
            verdict.
        other_scores: those that don't decide but are easier to understand, such as accuracy.
        look: `better`, `worse`, `unsure`, `reference`, or empty.
        interval: the gain in units of `FirstScreen.unit`; positive is better. None without a
            verdict.
    """

    name: str
    what: str = ""
    score: str = ""
    gain: str
    other_scores: tuple[str, ...] = ()
    verdict: str
    look: str
    recommended: bool = False
    interval: Interval | None = None


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """What a reader sees first.

    Attributes:
        answers: label and text of each; see `advice.answers`.
        no_verdict: why there is no verdict; empty if there is one, or nothing to compare.
        columns: headings of the table: model, the score that decides, gain, scores beside it,
            verdict.
        helps: what helps, by pairs of models that differ in one thing.
        unit: of the intervals and of the margin: `points` of accuracy, or the score's name.
        first: what may make the result wrong, and the command without it; None if no command is
            known.
        ends: what the left and the right end of the forest plot mean.
    """

    heading: str
    warnings: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    no_verdict: str = ""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    helps: tuple[Row, ...] = ()
    notes: tuple[str, ...]
    run_facts: tuple[str, ...] = ()
    unit: str
    margin: float
    first: tuple[str, str] | None = None
    ends: tuple[str, str] = ("worse", "better")


def decimals_of(metric: Metric, margin: float) -> int:
    """Return how many decimals a difference in a score has: as many as the score, and enough for
    the margin."""
    if metric.zero is not None:
        return metric.decimals
    if metric.percent:
        return min(8, max(1, math.ceil(-math.log10(100 * margin))))
    fewest, more = (0, 1) if metric.own_units else (3, 0)
    return min(8, max(fewest, more + math.ceil(-math.log10(margin))))


def table_lines(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Container[str] = (),
    width: int,
) -> list[str]:
    """Return a table as lines of plain text. Columns that exceed the width follow below, beside the
    first again. If even two are too wide, each row is a name and a text.

    Args:
        left: headings of columns that are aligned to the left; the first column always is.
    """
    rows = [list(row) for row in rows]
    headings = (
        list(columns)
        if table_width(columns, rows) <= width
        else [in_two_lines(heading) for heading in columns]
    )
    fit = len(columns)
    while fit > 2 and table_width(headings[:fit], rows) > width:
        fit -= 1
    if table_width(headings[:fit], rows) > width:
        texts = [
            "; ".join(
                f"{head} {cell}".strip()
                for head, cell in zip(columns[1:], row[1:], strict=True)
                if cell
            )
            for row in rows
        ]
        pairs = zip(rows, texts, strict=True)
        return [
            "",
            *(
                line
                for row, text in pairs
                for line in (f" {row[0]}", *fold_text(text, width, 4))
            ),
            "",
        ]
    deepest = max(heading.count("\n") for heading in headings[:fit])
    heads = ["\n" * (deepest - heading.count("\n")) + heading for heading in headings]
    grid = [
        [Text(visible(row[place])) for row in (heads, *rows)] for place in range(fit)
    ]
    on_left = {place for place in range(fit) if not place or columns[place] in left}
    head, *body = side_by_side(grid, on_left, " ", gap=3)
    rule = Text(f" {'─' * (table_width(heads[:fit], rows) - 1)}")
    lines = ["", *(line.plain for part in (head, [rule], *body) for line in part)]
    if fit == len(columns):
        return [*lines, ""]
    continuation = [[row[0], *row[fit:]] for row in (columns, *rows)]
    return [
        *lines,
        "",
        *table_lines(continuation[0], continuation[1:], left=left, width=width),
    ]


def side_by_side(
    columns: Collection[Sequence[Text]],
    left: Container[int],
    indent: str = "",
    gap: int = 2,
) -> Iterator[list[Text]]:
    """Yield the lines of each row of a table, from its columns. A cell may have several lines.
    Columns at the places in `left` are aligned to the left, all others to the right."""
    sizes = column_widths(columns)
    for row in zip(*columns, strict=True):
        lines = list[Text]()
        for cells in itertools.zip_longest(
            *(cell.split() for cell in row), fillvalue=Text()
        ):
            lines.append(Text(indent))
            for place, (cell, size) in enumerate(zip(cells, sizes, strict=True)):
                before, after = (
                    (0, size - cell.cell_len)
                    if place in left
                    else (size - cell.cell_len, 0)
                )
                lines[-1].append(" " * before).append(cell).append(" " * (after + gap))
            lines[-1].rstrip()
        yield lines


def column_widths(columns: Iterable[Iterable[str | Text]]) -> list[int]:
    return [
        max(cell_len(line) for cell in column for line in str(cell).split("\n"))
        for column in columns
    ]


def table_width(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Return how wide a table is, at most."""
    return (
        sum(3 + width for width in column_widths(zip(headings, *rows, strict=False)))
        - 2
    )


def in_two_lines(heading: str) -> str:
    """Return a heading broken at the space that makes it narrowest."""
    wrapped = (
        textwrap.wrap(heading, width, break_long_words=False)
        for width in range(1, len(heading) + 1)
    )
    return "\n".join(next((lines for lines in wrapped if len(lines) <= 2), []))


def fold_text(
    text: str,
    width: int,
    indent: int = 0,
    names: Sequence[str] = (),
    *,
    hanging: int = 0,
) -> list[str]:
    """Return a text as lines of at most this width, except for words and names that are longer.

    Args:
        names: names with spaces. Readers copy them into the next command, so no line ends within
            one.
        hanging: how much further the second and later lines are indented.
    """
    for name in names:
        text = text.replace(name, name.replace(" ", _SPACE_OF_A_NAME))
    wrapper = textwrap.TextWrapper(
        width, break_long_words=False, break_on_hyphens=False
    )
    wrapper.initial_indent, wrapper.subsequent_indent = (
        " " * indent,
        " " * (indent + hanging),
    )
    return [line.replace(_SPACE_OF_A_NAME, " ") for line in wrapper.wrap(text)] or [""]


def fold_command(command: str, width: int) -> list[str]:
    """Return a command as lines of at most this width, except for longer words; a shell joins them
    by backslashes."""
    mark = " \\" if command.startswith("seedbed ") else ""
    spaced = sorted(
        (word for word in re.findall(r"'[^']*'", command) if " " in word),
        key=len,
        reverse=True,
    )
    *first, last = fold_text(command, width - len(mark), 0, spaced)
    return [*(f"{line}{mark}" for line in first), last]


def range_words(name: str | Metric, score: Score) -> str:
    """Return a score with its interval, if it has one, and whether folds were pooled: `84.6% (80.1
    to 89.0)`."""
    if score.mean is None:
        return "-"
    value = f"{measure(name, score.mean)}{' (pooled)' if score.pooled else ''}"
    if score.low is None or score.high is None:
        return value
    low, high = (
        measure(name, end, score.mean).removesuffix("%")
        for end in (score.low, score.high)
    )
    return f"{value} ({low} to {high})"


def score_table(conclusion: Conclusion) -> NumberTable:
    """Return all scores with their intervals, the best model first, and for networks how they were
    trained."""
    names = list(conclusion.candidates[0].scores)
    trained = any(candidate.epochs is not None for candidate in conclusion.candidates)
    score = outcome_of(conclusion.task).of_training
    columns = ["", *(find_metric(name).words for name in names)]
    columns += (
        [f"training {find_metric(score).words}", "epochs", "parameters"]
        if trained
        else []
    )
    rows = []
    for model in conclusion.in_order():
        # Where networks have diverged, the scores of the others are optimistic.
        is_ranked = model.name in conclusion.ranking
        cells = [
            range_words(name, model.scores[name]) if is_ranked else "-"
            for name in names
        ]
        if model.epochs is not None:
            train = getattr(model, f"train_{score}")
            score_words = "-" if train is None else measure(score, train)
            cells += [
                score_words,
                f"{model.epochs.median:,}",
                f"{model.n_parameters:,}",
            ]
        cells += [""] * (len(columns) - 1 - len(cells))
        rows.append([model.name, *cells])
    return NumberTable(
        columns,
        rows,
        f"Scores with {100 * (1 - conclusion.alpha):g}% intervals, one score at a time",
    )


def verdict_table(conclusion: Conclusion) -> NumberTable:
    metric = conclusion.metric.shown
    columns = [
        f"gain in {metric.words}{metric.points}",
        "interval",
        "in accuracy (points)",
        "interval",
    ]
    columns += ["p, adjusted", "rows for the margin"]
    rows = []
    for one in conclusion.verdicts:
        accuracy = None if one.metric == "accuracy" else one.accuracy
        cells = [
            *_improvement(metric, one),
            *_improvement(find_metric("accuracy"), accuracy),
        ]
        ends = one.rows_needed if one.rule in OPEN else None
        rows_needed = (
            ""
            if ends is None
            else f"{plain_number(ends[0], 2)} to {plain_number(ends[1], 2)}"
        )
        rows.append([one.candidate, *cells, p_words(one.p_adjusted), rows_needed])
    places = [0, *(place for place in range(1, 7) if any(row[place] for row in rows))]
    columns, rows = (
        [["", *columns][place] for place in places],
        [[row[place] for place in places] for row in rows],
    )
    return NumberTable(columns, rows)


def _improvement(metric: Metric, gain: Difference | None) -> list[str]:
    """Return a difference and its interval."""
    middle, *ends = (
        ("", "", "")
        if gain is None
        else map(metric.signed, (gain.difference, gain.low, gain.high))
    )
    return [middle, " to ".join(filter(None, ends))]
