"""A comparison or a judgement as text: the first screen, and the details with every number."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterable, Sequence

from rich.text import Text

from seedbed.errors import visible
from seedbed.evaluation.summaries import Conclusion
from seedbed.report.analyses_text import (
    number_tables,
    row_answers,
    row_notes,
    row_tables,
    subgroup_screen,
)
from seedbed.report.glance import first_screen, help_rows
from seedbed.report.sentences import detail_sentences, note_sentences
from seedbed.report.tables import (
    HELPS,
    WIDTH,
    FirstScreen,
    column_widths,
    fold_command,
    fold_text,
    in_two_lines,
    side_by_side,
    table_lines,
    verdict_table,
)

_NARROW_VERDICT = 13  # letters of a verdict in two lines
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
    names = _spaced_names(conclusion)
    styled = functools.partial(_styled, width=width, names=names)
    lines = [*styled([screen.heading], ""), *styled(screen.warnings, "bold yellow")]
    if screen.no_verdict:
        lines += [Text(), *styled([screen.no_verdict], "bold")]
    run_facts = styled(screen.run_facts, "dim")
    if (rows := conclusion.rows) is not None:
        lines += [Text(), *answer_lines(row_answers(conclusion, rows), width, names)]
        for table in row_tables(conclusion, rows):
            numbers = table_lines(table.columns, table.rows, width=width)
            lines += [
                Text(),
                Text(table.caption),
                *(Text(visible(line)) for line in numbers if line),
            ]
        return [
            *lines,
            Text(),
            *styled(row_notes(conclusion, rows), "dim", indent=2),
            *run_facts,
        ]
    if (
        screen.first is not None
    ):  # what may make the results wrong, and the command that avoids it
        text, command = screen.first
        lines += answer_lines([("Warning", text)], width, names, "bold yellow")
        lines += [
            Text(f"{'':10}{visible(line)}", "bold yellow")
            for line in fold_command(command, width - 10)
        ]
    lines += answer_lines(screen.answers, width, names)
    lines += [
        Text(),
        *_table_lines(screen, width, scores_first=conclusion.columns is None),
    ]
    lines += [*styled(screen.notes, "dim"), *_help_lines(screen, width, names)]
    lines += run_facts
    if (groups := conclusion.subgroups) is not None:
        inside = subgroup_screen(conclusion, groups)
        lines += [
            Text(),
            Text(visible(inside.heading), "bold"),
            *_table_lines(inside, width),
        ]
        lines += [
            *styled(inside.notes[:1], "bold", indent=2),
            *styled(inside.notes[1:], "dim", indent=2),
        ]
    return lines


def _styled(
    texts: Iterable[str],
    style: str,
    *,
    width: int,
    names: Sequence[str],
    indent: int = 0,
) -> list[Text]:
    return [
        Text(visible(line), style)
        for text in texts
        for line in fold_text(text, width, indent, names, hanging=2)
    ]


def interim_lines(conclusion: Conclusion, *, width: int = WIDTH) -> list[Text]:
    """Return the lines of an interim result: after how many repeats, the recommended model in one
    line, the table."""
    screen = first_screen(conclusion)
    plan = conclusion.plan
    heading = f"So far, after {plan.repeats} of up to {plan.most_repeats} repeats:"
    answer = answer_lines(screen.answers[:1], width, _spaced_names(conclusion))
    return [
        Text(heading, "bold"),
        *answer,
        Text(),
        *_table_lines(screen, width, scores_first=True),
    ]


def answer_lines(
    answers: Iterable[tuple[str, str]],
    width: int,
    names: Sequence[str],
    style: str = "bold",
) -> list[Text]:
    """Return the answers with their labels in a column, the first one in bold."""
    answers = [*answers]
    lines = list[Text]()
    size = max([9, *(len(label) for label, _ in answers)]) + 1
    for number, (label, text) in enumerate(answers):
        for line in fold_text(text, width - size, 0, names):
            labelled = Text(f"{label:{size}}", "dim" if number else style)
            lines.append(labelled.append(visible(line), "" if number else style))
            label = ""
    return lines


def _help_lines(screen: FirstScreen, width: int, names: Sequence[str]) -> list[Text]:
    """Return the lines of what helps; none without contrasts."""
    if not screen.helps:
        return []
    clear = [row for row in screen.helps if row.verdict not in _GROUPED]
    texts = [(visible(row.name), visible(row.what), row.gain) for row in clear]
    verdicts = [Text(row.verdict, _STYLES.get(row.look, "dim")) for row in clear]
    columns = [
        *([Text(text) for text in column] for column in zip(*texts, strict=True)),
        verdicts,
    ]
    table = [*side_by_side(columns, {0, 1, 3}, "  ")] if clear else []
    if any(line.cell_len > width for lines in table for line in lines):
        pairs = (
            _styled([f"{row.name}: {row.what}"], "", width=width, names=names, indent=2)
            for row in clear
        )
        table = [
            [*pair, *gain]
            for pair, gain in zip(
                pairs, side_by_side(columns[2:], {1}, "    "), strict=True
            )
        ]
    for verdict in _GROUPED:
        names_of = [row.name for row in screen.helps]
        rows = [row for row in screen.helps if row.verdict == verdict]
        labels = [
            row.name if names_of.count(row.name) == 1 else f"{row.name} ({row.what})"
            for row in rows
        ]
        if joined := "; ".join(labels):
            table.append(
                _styled(
                    [f"{verdict}: {joined}"], "", width=width, names=names, indent=2
                )
            )
    return [Text(), Text(HELPS, "dim"), *(line for lines in table for line in lines)]


def _table_lines(
    screen: FirstScreen, width: int, *, scores_first: bool = False
) -> list[Text]:
    """Return the table: names and verdicts to the left, numbers to the right. Where it is too wide,
    headings and verdicts take two lines; then what a model is follows below its name, the verdict
    below the gain, and at last all others below the name. Nothing is left out, and names are never
    folded."""
    title, score, gain, *other_scores, verdict = screen.columns
    numbers = [*other_scores, "gain"] if scores_first else ["gain", *other_scores]
    order = ["name", "what", "score", *numbers, "verdict"]
    headings = {
        "name": f"  {title}",
        "what": "",
        "score": score,
        "gain": gain,
        "verdict": verdict,
    }
    columns = {name: [Text(visible(headings.get(name, name)), "dim")] for name in order}
    for row in screen.rows:
        name = f"{'>' if row.recommended else ' '} {row.name}"
        texts = {
            "name": name,
            "what": row.what,
            "score": row.score,
            "gain": row.gain,
            "verdict": row.verdict,
        }
        texts |= zip(other_scores, row.other_scores, strict=True)
        for place, column in columns.items():
            style = _STYLES.get(row.look, "dim") if place == "verdict" else ""
            column.append(
                Text(visible(texts[place]), "green" if row.recommended else style)
            )
    columns = {place: column for place, column in columns.items() if any(column[1:])}

    def is_wide() -> bool:
        return sum(2 + size for size in column_widths(columns.values())) - 2 > width

    if is_wide() and gain.startswith("behind "):
        columns["gain"][0] = Text("behind", "dim")
    if is_wide():
        for place in columns.keys() - {"name"}:
            columns[place][0] = Text(in_two_lines(columns[place][0].plain), "dim")
        for cell in columns.get("verdict", ()):
            cell.plain = textwrap.fill(
                cell.plain, _NARROW_VERDICT, break_long_words=False
            )
    for upper, lower, line_break in (
        ("name", "what", "\n    "),
        ("gain", "verdict", "\n"),
    ):
        if is_wide() and {upper, lower} <= columns.keys():
            for cell, below in zip(columns[upper], columns.pop(lower), strict=True):
                cell.append(line_break if below else "").append(below)
    names = columns.pop("name") if is_wide() and len(columns) > 1 else []
    left = {
        place
        for place, name in enumerate(columns)
        if name in ("name", "what", "verdict")
    }
    parts = [
        side_by_side([names], {0}),
        side_by_side(columns.values(), left, "    " if names else ""),
    ]
    return [
        line
        for row in zip(*parts[not names :], strict=True)
        for lines in row
        for line in lines
        if line
    ]


def _spaced_names(conclusion: Conclusion) -> list[str]:
    """Return the names that contain spaces, the longest first."""
    names = {candidate.name for candidate in conclusion.candidates}
    return sorted((name for name in names if " " in name), key=len, reverse=True)


def comparison_text(conclusion: Conclusion, *, width: int = WIDTH) -> str:
    """Return the details of a comparison: the first screen, then every verdict and score in
    numbers, how the models were trained and compared, and what was found."""
    names = _spaced_names(conclusion)
    lines = [glance_text(conclusion, width=width)]
    if conclusion.verdicts:
        numbers = verdict_table(conclusion)
        lines += [
            *table_lines(numbers.columns, numbers.rows, width=width),
            *fold_text(numbers.caption, width, 2),
        ]
    if rows := [
        (row.name, row.what, row.gain, row.verdict) for row in help_rows(conclusion)
    ]:
        lines += table_lines(
            [HELPS, "", "gain", "verdict"], rows, left=("", "verdict"), width=width
        )
    for table in (
        ()
        if conclusion.subgroups is None
        else number_tables(conclusion, conclusion.subgroups)
    ):
        lines += [table.caption, *table_lines(table.columns, table.rows, width=width)]
    for sentence in (*detail_sentences(conclusion), *note_sentences(conclusion.notes)):
        lines += fold_text(sentence, width, 0, names)
    return visible("\n".join(lines).rstrip())
