"""A comparison or a judgement as text: the first screen, and the details with every number."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable

from rich.text import Text

from seedbed.errors import visible
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.analyses_text import row_screen, site_table, subgroup_screen
from seedbed.report.glance import first_screen, help_rows
from seedbed.report.sentences import detail_sentences, note_sentences
from seedbed.report.tables import (
    HELPS,
    WIDTH,
    FirstScreen,
    NumberTable,
    fold_command,
    fold_text,
    table_lines,
    verdict_table,
)

_STYLES = {
    "better": "green",
    "likely_better": "green",
    "worse": "red",
    "likely_worse": "red",
    "unsure": "",
}
_GROUPED = (
    "no difference that matters",
    "can't tell",
)  # lines of what helps that are joined


def glance_text(conclusion: Conclusion, *, width: int = WIDTH) -> str:
    """Return the first screen of a comparison or a judgement."""
    return "\n".join(line.plain for line in glance_lines(conclusion, width=width))


def glance_lines(conclusion: Conclusion, *, width: int = WIDTH) -> list[Text]:
    """Return the lines of the first screen, with colours for a terminal that has them."""
    screen = first_screen(conclusion)
    if conclusion.rows is not None:
        return _screen_lines(row_screen(screen, conclusion), width)
    lines = _screen_lines(screen, width)
    if conclusion.subgroups is not None:
        lines += [Text(), *_screen_lines(subgroup_screen(conclusion), width)]
    return lines


def _screen_lines(screen: FirstScreen, width: int) -> list[Text]:
    lines = _folded([screen.heading], "", width)
    lines += _folded(screen.warnings, "bold yellow", width)
    if screen.finding:
        lines += [Text(), *_folded([screen.finding], "bold", width)]
    if screen.first is not None:
        text, command = screen.first
        lines += answer_lines([("Warning", text)], width, "bold yellow")
        folded = "\n".join(fold_command(visible(command), width - 10))
        lines += Text(textwrap.indent(folded, " " * 10), "bold yellow").split()
    lines += answer_lines(screen.answers, width)
    if screen.rows:
        lines += [Text(), *_row_lines(screen, width)]
    for table in () if screen.rows else screen.tables:
        lines += [Text(), *_number_lines(table, width), Text()]
    lines += _folded(screen.notes, "dim", width)
    lines += _help_lines(screen, width)
    return [*lines, *_folded(screen.run_facts, "dim", width)]


def _number_lines(table: NumberTable, width: int) -> list[Text]:
    """Return a table below its caption."""
    caption = Text(visible(table.caption))
    return [caption, *table_lines(table.columns, table.rows, width=width)]


def _folded(
    texts: Iterable[str], style: str, width: int, indent: int = 0
) -> list[Text]:
    return [
        Text(line, style)
        for text in texts
        for line in fold_text(visible(text), width, indent, hanging=2)
    ]


def interim_lines(conclusion: Conclusion, *, width: int = WIDTH) -> list[Text]:
    """Return the lines of an interim result: after how many repeats, the recommended model in one
    line, the table."""
    screen = first_screen(conclusion)
    plan = conclusion.plan
    heading = f"So far, after {plan.repeats} of up to {plan.most_repeats} repeats:"
    answer = answer_lines(screen.answers[:1], width)
    return [Text(heading, "bold"), *answer, Text(), *_row_lines(screen, width)]


def answer_lines(
    answers: Iterable[tuple[str, str]], width: int, style: str = "bold"
) -> list[Text]:
    """Return the answers with their labels in a column, the first one in bold."""
    lines = list[Text]()
    answers = [*answers]
    size = max([9, *(len(label) for label, _ in answers)]) + 1
    for label, text in answers:
        for line in fold_text(visible(text), width - size):
            labelled = Text(f"{label:{size}}", style or "dim")
            lines.append(labelled.append(line, style))
            label = ""
        style = ""
    return lines


def _help_lines(screen: FirstScreen, width: int) -> list[Text]:
    """Return the lines of what helps, those without a clear finding joined; none without
    contrasts."""
    if not screen.helps:
        return []
    rows: list[list[str | Text]] = [
        [
            f"  {row.name}",
            row.what,
            row.gain,
            Text(row.verdict, _STYLES.get(row.look, "dim")),
        ]
        for row in screen.helps
        if row.verdict not in _GROUPED
    ]
    columns = ["", "models", "gain", "verdict"]
    lines = table_lines(
        columns, rows, left=("models", "verdict"), width=width, box=None
    )
    counts = Counter(row.name for row in screen.helps)
    grouped = []
    for verdict in _GROUPED:
        labels = [
            row.name if counts[row.name] == 1 else f"{row.name} ({row.what})"
            for row in screen.helps
            if row.verdict == verdict
        ]
        if labels:
            grouped.append(f"{verdict}: {'; '.join(labels)}")
    return [Text(), Text(HELPS, "dim"), *lines[1:], *_folded(grouped, "", width, 2)]


def _row_lines(screen: FirstScreen, width: int) -> list[Text]:
    """Return the table: names and verdicts to the left, numbers to the right."""
    has_what = any(row.what for row in screen.rows)
    title, score, gain, *other_scores, verdict = screen.columns
    headings = [
        f"  {title}",
        *([""] if has_what else []),
        score,
        *other_scores,
        gain,
        verdict,
    ]
    rows = []
    for row in screen.rows:
        style = "green" if row.recommended else ""
        texts = (row.score, *row.other_scores, row.gain)
        rows.append(
            [
                Text(f"{'>' if row.recommended else ' '} {visible(row.name)}", style),
                *([Text(visible(row.what), style)] if has_what else []),
                *(Text(visible(text), style) for text in texts),
                Text(row.verdict, _STYLES.get(row.look, "dim")),
            ]
        )
    return table_lines(headings, rows, left=("", verdict), width=width, box=None)


def comparison_text(conclusion: Conclusion, *, width: int = WIDTH) -> str:
    """Return the details of a comparison: the first screen, then every verdict and score in
    numbers, how the models were trained and compared, and what was found."""
    lines = [*glance_lines(conclusion, width=width), Text()]
    tables = [verdict_table(conclusion)] if conclusion.verdicts else []
    if conclusion.subgroups is not None:
        tables += subgroup_screen(conclusion).tables
    if conclusion.sites is not None:
        tables.append(site_table(conclusion.sites))
    for table in tables:
        lines += [*_number_lines(table, width), Text()]
    helps = [
        (row.name, row.what, row.gain, row.verdict) for row in help_rows(conclusion)
    ]
    if helps:
        columns = [HELPS, "", "gain", "verdict"]
        lines += [
            *table_lines(columns, helps, left=("", "verdict"), width=width),
            Text(),
        ]
    sentences = [*detail_sentences(conclusion), *note_sentences(conclusion.notes)]
    lines += [
        Text(line) for one in sentences for line in fold_text(visible(one), width)
    ]
    return "\n".join(line.plain.rstrip() for line in lines)
