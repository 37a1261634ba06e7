"""A comparison or a judgement as text: the first screen, and the details with every number."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from seedbed.errors import visible
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.analyses_text import number_tables, row_answers, row_notes, row_tables, subgroup_screen
from seedbed.report.glance import first_screen
from seedbed.report.sentences import detail_sentences, note_sentences
from seedbed.report.tables import HELPS, WIDTH, FirstScreen, fold_text, in_two_lines, table_lines, verdict_table

_LABEL = 11  # letters of the labels of the answers, with the space behind them
_NARROWEST_VERDICT, _NARROW_VERDICT = 10, 13  # letters; the latter shows a verdict in two lines
_STYLES = {"better": "green", "worse": "red", "unsure": "yellow", "reference": "dim", "": ""}


def glance_text(conclusion: Conclusion, *, width: int = WIDTH) -> str:
    """Return the first screen of a comparison or a judgement."""
    return "\n".join(line.plain for line in glance_lines(conclusion, width=width))


def glance_lines(conclusion: Conclusion, *, width: int = WIDTH) -> list[Text]:
    """Return the lines of the first screen, with colours for a terminal that has them."""
    screen, names = first_screen(conclusion), _spaced_names(conclusion)
    styled = functools.partial(_styled, width=width, names=names)
    lines = [*styled([screen.heading], ""), *styled(screen.warnings, "bold yellow")]
    if screen.no_verdict:
        lines += [Text(), *styled([screen.no_verdict], "bold")]
    run_facts = [Text(), *styled(screen.run_facts, "")]
    if conclusion.rows is not None:
        lines += [Text(), *answer_lines(row_answers(conclusion), width, names)]
        for table in row_tables(conclusion):
            numbers = table_lines(table.columns, table.rows, width=width)
            lines += [Text(), Text(table.caption), *(Text(visible(line)) for line in numbers if line)]
        return [*lines, Text(), *styled(row_notes(conclusion), "dim", indent=2), *run_facts]
    first = [] if screen.first is None else first_lines(*screen.first, width, names)
    if first or screen.answers:
        lines += [Text(), *first, *answer_lines(screen.answers, width, names)]
    lines += [Text(), *_table_lines(screen, width, scores_first=conclusion.columns is None)]
    lines += [*styled(screen.notes, "dim", indent=2), *_help_lines(screen, width)]
    return [*lines, *run_facts, *([Text()] if conclusion.subgroups else []), *_subgroup_lines(conclusion, width=width)]


def _subgroup_lines(conclusion: Conclusion, *, width: int = WIDTH) -> list[Text]:
    """Return the lines of the verdicts within subgroups; none without subgroups."""
    screen = subgroup_screen(conclusion)
    if screen is None:
        return []
    styled = functools.partial(_styled, width=width, names=_spaced_names(conclusion), indent=2)
    notes = [*styled(screen.notes[:1], "bold"), *styled(screen.notes[1:], "dim")]
    return [Text(visible(screen.heading), "bold"), *_table_lines(screen, width), *notes]


def _styled(texts: Iterable[str], style: str, *, width: int, names: Sequence[str], indent: int = 0) -> list[Text]:
    return [Text(visible(line), style) for text in texts for line in fold_text(text, width, indent, names, hanging=2)]


def interim_lines(conclusion: Conclusion, *, width: int = WIDTH) -> list[Text]:
    """Return the lines of an interim result: after how many repeats, the recommended model in one line, the table."""
    screen, plan = first_screen(conclusion), conclusion.plan
    heading = f"So far, after {plan.repeats} of up to {plan.most_repeats} repeats:"
    answer = answer_lines(screen.answers[:1], width, _spaced_names(conclusion))
    return [Text(heading, "bold"), *answer, Text(), *_table_lines(screen, width, scores_first=True)]


def first_lines(text: str, command: str, width: int, names: Sequence[str]) -> list[Text]:
    """Return what may make the results wrong, and the command that mends it. A shell goes on after a backslash."""
    mark = " \\" if command.startswith("seedbed ") else ""
    spaced = sorted((word for word in re.findall(r"'[^']*'", command) if " " in word), key=len, reverse=True)
    *first, last = fold_text(command, width - _LABEL - len(mark), 0, spaced)
    texts = [*fold_text(text, width - _LABEL, 0, names), *(f"{line}{mark}" for line in first), last]
    labels = ["First", *[""] * (len(texts) - 1)]
    return [Text(f"{label:{_LABEL}}{visible(line)}", "bold yellow") for label, line in zip(labels, texts, strict=True)]


def answer_lines(answers: Iterable[tuple[str, str]], width: int, names: Sequence[str]) -> list[Text]:
    """Return the answers with their labels in a column, the first one in bold."""
    lines = []
    for number, (label, text) in enumerate(answers):
        for place, line in enumerate(fold_text(text, width - _LABEL, 0, names)):
            styled = Text(f"{'' if place else label:{_LABEL}}", "bold" if not number else "dim")
            lines.append(styled.append(visible(line), "" if number else "bold"))
    return lines


def _help_lines(screen: FirstScreen, width: int) -> list[Text]:
    """Return the lines of what helps; none without contrasts."""
    if not screen.helps:
        return []
    rows = [(visible(one.thing), visible(one.models), one.gain, one.verdict) for one in screen.helps]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(3)]
    lines = [Text(), Text(HELPS, "dim")]
    unclear = len({row[0] for row in rows}) < len(rows)
    narrow = 8 + sum(widths) + max(cell_len(row[3]) for row in rows) > width
    for one, (thing, models, gain, verdict) in zip(screen.helps, rows, strict=True):
        line = Text(f"  {thing}{' ' * (widths[0] - cell_len(thing))}  ")
        if not narrow:
            line.append(f"{models}{' ' * (widths[1] - cell_len(models))}  ")
        lines.append(line.append(f"{gain:>{widths[2]}}  ").append(verdict, _STYLES[one.look]))
        if narrow and unclear:
            lines.append(Text(f"    {models}", "dim"))
    return lines


def _table_lines(screen: FirstScreen, width: int, *, scores_first: bool = False) -> list[Text]:
    """Return the table: names and verdicts to the left, numbers to the right. Where it is too wide, headings take two
    lines, verdicts as many as they need; cells are never cut, and names never folded."""
    _, score, gain, *other_scores, verdict = screen.columns
    titles = ["", "", score, *([*other_scores, gain] if scores_first else [gain, *other_scores]), verdict]
    rows = [
        (
            f"{'>' if row.recommended else ' '} {row.name}",
            row.what,
            row.score,
            *((*row.other_scores, row.gain) if scores_first else (row.gain, *row.other_scores)),
            row.verdict,
        )
        for row in screen.rows
    ]
    last, columns = len(titles) - 1, dict[int, list[str]]()
    for place in range(last + 1):
        cells = [row[place] for row in rows]
        if any(cells):
            columns[place] = list(map(visible, cells))
    titles[0] = f"  {screen.columns[0]}"
    headings = {place: visible(titles[place]) for place in columns}

    def widths() -> list[int]:
        return [max(map(cell_len, [*headings[place].split("\n"), *cells])) for place, cells in columns.items()]

    if sum(widths()) + 2 * (len(columns) - 1) > width:
        headings |= {place: in_two_lines(heading) for place, heading in headings.items() if heading.strip()}
        verdicts = min(widths()[-1], _NARROW_VERDICT)
        if sum(widths()[:-1]) + verdicts + 2 * (len(columns) - 1) > width:  # what a model is can be left out
            columns.pop(1, None)
            headings.pop(1, None)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for place, heading in headings.items():
        justify: Any = "left" if place in (0, 1, last) else "right"
        table.add_column(Text(heading), justify=justify, no_wrap=place != last)
    for row, *cells in zip(screen.rows, *columns.values(), strict=True):
        table.add_row(
            *(
                Text(cell, "green" if row.recommended else _STYLES[row.look] if place == last else "")
                for place, cell in zip(columns, cells, strict=True)
            )
        )
    console_width = max(width, sum(widths()[:-1]) + 2 * (len(columns) - 1) + _NARROWEST_VERDICT)
    segments = Console(width=console_width, color_system=None, force_jupyter=False).render(table)
    lines = [Text.assemble(*((one.text, one.style or "") for one in line)) for line in Segment.split_lines(segments)]
    for line in lines:
        line.rstrip()
    return lines


def _spaced_names(conclusion: Conclusion) -> list[str]:
    """Return the names that contain spaces, the longest first."""
    names = {candidate.name for candidate in conclusion.candidates}
    return sorted((name for name in names if " " in name), key=len, reverse=True)


def comparison_text(conclusion: Conclusion, *, width: int = WIDTH) -> str:
    """Return the details of a comparison: the first screen, then every verdict and score in numbers, how the models
    were trained and compared, and what was found."""
    names = _spaced_names(conclusion)
    lines = [glance_text(conclusion, width=width)]
    if conclusion.verdicts:
        numbers = verdict_table(conclusion)
        lines += table_lines(numbers.columns, numbers.rows, width=width)
    for table in number_tables(conclusion):
        lines += [table.caption, *table_lines(table.columns, table.rows, width=width)]
    for sentence in (*detail_sentences(conclusion), *note_sentences(conclusion.notes)):
        lines += fold_text(sentence, width, 0, names)
    return visible("\n".join(lines).rstrip())
