"""A comparison or a judgement as text: the first screen, and the details with every number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

from seedbed.errors import visible
from seedbed.evaluation import Conclusion
from seedbed.report.glance import FirstScreen, first_screen
from seedbed.report.rows import row_answers, row_notes, row_tables
from seedbed.report.sentences import detail_sentences, note_sentences
from seedbed.report.subgroups import number_tables, subgroup_screen
from seedbed.report.tables import folded, score_table, table_lines, verdict_table

__all__ = ["comparison_text", "glance_lines", "glance_text", "so_far_lines", "subgroup_lines"]

_GLANCE_WIDTH = 100
_LABEL = 11  # letters of the labels of the answers, with the space behind them
_STYLES = {"better": "green", "worse": "red", "unsure": "yellow", "reference": "dim", "": ""}


def glance_text(conclusion: Conclusion, *, width: int = _GLANCE_WIDTH) -> str:
    """Return the first screen of a comparison or a judgement."""
    return "\n".join(line.plain for line in glance_lines(conclusion, width=width))


def glance_lines(conclusion: Conclusion, *, width: int = _GLANCE_WIDTH) -> list[Text]:
    """Return the lines of the first screen, with colours for a terminal that has them."""
    screen, names = first_screen(conclusion), _spaced_names(conclusion)

    def styled(text: str, style: str, indent: int = 0) -> list[Text]:
        return [Text(visible(line), style) for line in folded(text, width, indent, names, hanging=2)]

    lines = styled(screen.heading, "")
    lines += [line for text in screen.warnings for line in styled(text, "bold yellow")]
    if screen.no_verdict:
        lines += [Text(), *styled(screen.no_verdict, "bold")]
    if conclusion.rows is not None:
        lines += [Text(), *answer_lines(row_answers(conclusion), width, names)]
        narrowed = False
        for table, plain in zip(row_tables(conclusion), row_tables(conclusion, plain=True), strict=True):
            numbers = table_lines(table.columns, table.rows)
            if max(map(cell_len, numbers)) > width:
                numbers, narrowed = table_lines(plain.columns, plain.rows), True
            lines += [Text(), Text(table.caption), *(Text(visible(line)) for line in numbers if line)]
        lines += [
            Text(),
            *(line for text in row_notes(conclusion, plain=narrowed) for line in styled(text, "dim", 2)),
            Text(),
        ]
        return [*lines, *(line for text in screen.trained for line in styled(text, ""))]
    if screen.answers:
        lines += [Text(), *answer_lines(screen.answers, width, names)]
    lines += [Text(), *_table_lines(screen, width)]
    mark = ["> marks the models that are named above."] if any(row.chosen for row in screen.rows) else []
    if notes := [*mark, *screen.notes]:
        lines += [Text(), *(line for text in notes for line in styled(text, "dim", 2))]
    lines += [Text(), *(line for text in screen.trained for line in styled(text, ""))]
    return [*lines, *([Text()] if conclusion.subgroups else []), *subgroup_lines(conclusion, width=width)]


def subgroup_lines(conclusion: Conclusion, *, width: int = _GLANCE_WIDTH) -> list[Text]:
    """Return the lines of the verdicts within subgroups; none without subgroups."""
    screen, names = subgroup_screen(conclusion), _spaced_names(conclusion)
    if screen is None:
        return []
    notes = [folded(text, width, 2, names, hanging=2) for text in screen.notes]
    styled = [Text(visible(line), "dim" if place else "bold") for place, lines in enumerate(notes) for line in lines]
    return [Text(visible(screen.heading), "bold"), *_table_lines(screen, width), *styled]


def so_far_lines(conclusion: Conclusion, *, width: int = _GLANCE_WIDTH) -> list[Text]:
    """Return the lines of an answer so far: after how many repeats, the recommended model in one line, the table."""
    screen, plan = first_screen(conclusion), conclusion.plan
    heading = f"So far, after {plan.repeats} of up to {plan.most_repeats} repeats:"
    answer = answer_lines(screen.answers[:1], width, _spaced_names(conclusion))
    return [Text(heading, "bold"), *answer, Text(), *_table_lines(screen, width)]


def answer_lines(answers: Iterable[tuple[str, str]], width: int, names: Sequence[str]) -> list[Text]:
    """Return the answers with their labels in a column, the first one in bold."""
    lines = []
    for number, (label, text) in enumerate(answers):
        for place, line in enumerate(folded(text, width - _LABEL, 0, names)):
            shown = Text(f"{'' if place else label:{_LABEL}}", "bold" if not number else "dim")
            lines.append(shown.append(visible(line), "" if number else "bold"))
    return lines


def _table_lines(screen: FirstScreen, width: int) -> list[Text]:
    """Return the table: names and verdicts to the left, numbers to the right.

    In a narrow terminal the columns stand closer, then headings take two lines, then scores that don't decide are left
    out. If that isn't enough, each model has a line for its name and one for its numbers.
    """
    rows = [[row.label, row.score, row.gain, *row.beside, row.verdict] for row in screen.rows]
    rows = [[visible(cell) for cell in row] for row in rows]
    headings = [visible(heading) for heading in screen.columns]
    last = len(headings) - 1
    used = [column for column in range(last + 1) if any(row[column] for row in rows)]
    deciding = [column for column in used if column in (0, 1, 2, last)]
    for columns, gap, most in ((used, 3, 1), (used, 2, 1), (used, 2, 2), (deciding, 2, 2)):
        heads = {column: _in_lines(headings[column], most) for column in columns}
        widths = {column: max(map(cell_len, (*heads[column], *(row[column] for row in rows)))) for column in columns}
        if 2 + sum(widths.values()) + gap * (len(columns) - 1) <= width:
            break
    else:
        return _stacked_lines(screen, rows, width)

    def line(cells: Mapping[int, str], mark: str, styles: Mapping[int, str]) -> Text:
        text = Text(mark)
        for column in columns:
            space = " " * (widths[column] - cell_len(cells[column]))
            left = column in (0, last)
            text.append(cells[column] + space if left else space + cells[column], styles.get(column, ""))
            text.append(" " * gap)
        text.rstrip()
        return text

    dim = dict.fromkeys(columns, "dim")
    depth = max(len(head) for head in heads.values())
    lines = [
        line({c: (["", *heads[c]] if len(heads[c]) < depth else heads[c])[n] for c in columns}, "  ", dim)
        for n in range(depth)
    ]
    for row, cells in zip(screen.rows, rows, strict=True):
        lines.append(line(dict(enumerate(cells)), "> " if row.chosen else "  ", {last: _STYLES[row.look]}))
    return lines


def _in_lines(heading: str, most: int) -> list[str]:
    """Return a heading in one line, or broken at the space that makes it narrowest."""
    words = heading.split(" ")
    if most == 1 or len(words) == 1:
        return [heading]
    places = range(1, len(words))
    return min(([" ".join(words[:at]), " ".join(words[at:])] for at in places), key=lambda two: max(map(len, two)))


def _stacked_lines(screen: FirstScreen, rows: Sequence[Sequence[str]], width: int) -> list[Text]:
    """Return the table with a line for each model's name, and one or two for its numbers and verdict."""
    lines = [Text(line, "dim") for line in folded(", ".join(filter(None, (*screen.columns[1:3], "verdict"))), width, 2)]
    for row, (label, score, gain, *_, verdict) in zip(screen.rows, rows, strict=True):
        numbers, style = f"    {score}  {gain}".rstrip(), _STYLES[row.look]
        lines.append(Text(f"{'>' if row.chosen else ' '} {label}"))
        if len(numbers) + 2 + len(verdict) <= width:
            lines.append(Text(f"{numbers}  " if verdict else numbers).append(verdict, style))
        else:
            lines += [Text(numbers), Text(f"    {verdict}", style)]
    return lines


def _spaced_names(conclusion: Conclusion) -> list[str]:
    """Return the names that contain spaces, the longest first."""
    named = {*(candidate.name for candidate in conclusion.candidates), *(sweep.name for sweep in conclusion.sweeps)}
    return sorted((name for name in named if " " in name), key=len, reverse=True)


def comparison_text(conclusion: Conclusion, *, width: int = _GLANCE_WIDTH) -> str:
    """Return the details of a comparison: the first screen, then every verdict and score in numbers, how the models
    were trained and compared, and what was found."""
    names = _spaced_names(conclusion)
    lines = [glance_text(conclusion, width=width)]
    if conclusion.verdicts:
        numbers = verdict_table(conclusion)
        lines += table_lines(numbers.columns, numbers.rows)
    named = dict.fromkeys((conclusion.metric.name, "accuracy", "roc_auc", "r2", "mae"))
    numbers = score_table(conclusion, [name for name in named if name in conclusion.candidates[0].scores])
    lines += table_lines(numbers.columns, numbers.rows)
    for table in number_tables(conclusion):
        lines += [table.caption, *table_lines(table.columns, table.rows)]
    for sentence in (*detail_sentences(conclusion), *note_sentences(conclusion.notes)):
        lines += folded(sentence, width, 0, names)
    return visible("\n".join(lines).rstrip())
