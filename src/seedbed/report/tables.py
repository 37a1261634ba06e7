"""Numbers as text: scores and tables."""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
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

_SPACE_IN_QUOTES = "\ue000"
_LEAST_FOLDED = 24  # letters of a column that is folded
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
    """What a reader sees first of a comparison, or of an analysis of it.

    Attributes:
        answers: label and text of each; see `advice.answers`.
        finding: a sentence for the start: why there is no verdict, or what an analysis found.
        columns: headings of the table: model, the score that decides, gain, scores beside it,
            verdict.
        helps: what helps, by pairs of models that differ in one thing.
        tables: the numbers behind the rows, or in their place.
        unit: of the intervals and of the margin: `points` of accuracy, or the score's name.
        first: what may make the result wrong, and the command without it; None if no command is
            known.
        ends: what the left and the right end of the forest plot mean.
    """

    heading: str
    warnings: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    finding: str = ""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    helps: tuple[Row, ...] = ()
    notes: tuple[str, ...]
    run_facts: tuple[str, ...] = ()
    unit: str
    margin: float
    tables: tuple[NumberTable, ...] = ()
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
    rows: Iterable[Sequence[str | Text]],
    *,
    left: Sequence[str] = (),
    width: int,
    box: Box | None = SIMPLE_HEAD,
) -> list[Text]:
    """Return a table as lines. Columns that exceed the width follow below, beside the first again;
    of two that exceed it, the second is folded.

    Args:
        left: headings of columns that are aligned to the left; the first column always is.
        box: what is drawn below the headings.
    """
    cells = [
        [cell if isinstance(cell, Text) else Text(visible(cell)) for cell in row]
        for row in (columns, *rows)
    ]
    gap = 2 if box is None else 3
    space = width + gap - (box is not None)
    sizes = [
        max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)
    ]
    if sum(sizes) + gap * len(sizes) > space:  # headings are folded
        sizes = [_least_width(column) for column in zip(*cells, strict=True)]
    fit = 2
    while fit < len(sizes) and sum(sizes[: fit + 1]) + gap * (fit + 1) <= space:
        fit += 1
    if fit == 2:
        second = max(_LEAST_FOLDED, space - 2 * gap - sizes[0])
        sizes[1:2] = [min(size, second) for size in sizes[1:2]]
    table = Table(box=box, show_edge=False, pad_edge=False, header_style="dim")
    for name, heading, size in zip(columns[:fit], cells[0], sizes, strict=False):
        justify: JustifyMethod = "left" if name in (columns[0], *left) else "right"
        table.add_column(heading, justify=justify, width=size, overflow="fold")
    for row in cells[1:]:
        table.add_row(*row[:fit])
    lines = list[Text]()
    for line in Console(file=io.StringIO(), width=10_000).render_lines(
        table, pad=False
    ):
        lines.append(Text(" " if box else ""))
        lines[-1].append_tokens((part.text, part.style) for part in line)
        lines[-1].rstrip()
    if fit == len(columns):
        return lines
    rest = [[row[0], *row[fit:]] for row in cells[1:]]
    names = [columns[0], *columns[fit:]]
    return [*lines, Text(), *table_lines(names, rest, left=left, width=width, box=box)]


def _least_width(column: Sequence[Text]) -> int:
    """Return the width of a column whose heading is folded at its spaces."""
    heading, *cells = column
    words = (cell_len(word) for word in heading.plain.split())
    return max((*words, *(cell.cell_len for cell in cells)), default=0)


def fold_text(text: str, width: int, indent: int = 0, *, hanging: int = 0) -> list[str]:
    """Return a text as lines of at most this width, except for words that are longer. The second
    and later lines are indented further by `hanging`."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def fold_command(command: str, width: int) -> list[str]:
    """Return a command as lines of at most this width, except for longer words; a shell joins them
    by backslashes."""
    mark = " \\" if command.startswith("seedbed ") else ""
    unbroken = re.sub(
        "'[^']*'", lambda word: word[0].replace(" ", _SPACE_IN_QUOTES), command
    )
    lines = fold_text(unbroken, width - len(mark))
    return f"{mark}\n".join(lines).replace(_SPACE_IN_QUOTES, " ").split("\n")


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
