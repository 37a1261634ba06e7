"""A comparison as text, drawn from its plain dict: the first screen, and the details with every number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from seedbed.errors import visible
from seedbed.report.advice import advice_sentences
from seedbed.report.glance import FirstScreen, first_screen
from seedbed.report.sentences import (
    heading_sentences,
    in_short,
    no_verdict_reason,
    note_sentences,
    paragraphs,
    range_sentences,
    serious_sentences,
    settling_sentences,
)
from seedbed.report.tables import folded, ranking_lines

__all__ = ["comparison_text", "glance_lines", "glance_text"]

_WIDTH = 110
_GLANCE_WIDTH = 100
_STYLES = {"better": "green", "worse": "red", "unsure": "yellow", "reference": "dim", "": ""}


def glance_text(document: Mapping[str, Any], *, width: int = _GLANCE_WIDTH) -> str:
    """Return the first screen of a comparison, from `Comparison.to_dict()`."""
    return "\n".join(line.plain for line in glance_lines(document, width=width))


def glance_lines(document: Mapping[str, Any], *, width: int = _GLANCE_WIDTH) -> list[Text]:
    """Return the lines of the first screen, with colours for a terminal that has them."""
    screen, names = first_screen(document), _spaced_names(document)

    def styled(text: str, style: str, indent: int = 0) -> list[Text]:
        return [Text(visible(line), style) for line in folded(text, width, indent, names, hanging=2)]

    lines = [line for text in screen.heading for line in styled(text, "")]
    lines += [line for text in screen.warnings for line in styled(text, "bold yellow")]
    if screen.headline:
        lines += [Text(), *styled(screen.headline, "bold")]
        lines += [line for text in screen.why for line in styled(text, "", 2)]
    lines += [Text(), *_table_lines(screen)]
    if screen.notes:
        lines += [Text(), *(line for text in screen.notes for line in styled(text, "", 2))]
    return lines


def _table_lines(screen: FirstScreen) -> list[Text]:
    """Return the table: names and verdicts to the left, numbers to the right. Columns without content are left out."""
    cells = [[row.label, row.other, row.points, row.score, row.gain, row.verdict] for row in screen.rows]
    cells = [[visible(cell) for cell in row] for row in cells]
    headings = [visible(heading) for heading in screen.columns]
    used = [column for column in range(len(headings)) if any(row[column] for row in cells)]
    widths = [max(cell_len(row[column]) for row in [headings, *cells]) for column in range(len(headings))]
    gap = "   " if sum(widths[column] + 3 for column in used) <= _GLANCE_WIDTH else "  "
    lines = []
    for row, style in zip([headings, *cells], ["", *(row.look for row in screen.rows)], strict=True):
        line = Text("  ")
        for column in used:
            space = " " * (widths[column] - cell_len(row[column]))
            left = column in (0, len(headings) - 1)
            is_head = row is headings
            shown = "dim" if is_head else _STYLES[style] if column == len(headings) - 1 else ""
            line.append(row[column] + space if left else space + row[column], shown)
            line.append(gap)
        line.rstrip()
        lines.append(line)
    return lines


def _spaced_names(document: Mapping[str, Any]) -> list[str]:
    """Return the names that contain spaces, the longest first."""
    named = (*document["candidates"], *document["sweeps"])
    return sorted({one["name"] for one in named if " " in one["name"]}, key=len, reverse=True)


def comparison_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """Return the details of a comparison, every verdict with its numbers, from `Comparison.to_dict()`."""
    names = _spaced_names(document)
    first = [*heading_sentences(document), *serious_sentences(document["notes"])]
    above = [*((0, line) for line in first), *_verdict_lines(document)]
    said = (*settling_sentences(document), *range_sentences(document), *note_sentences(document))
    below = [(0, line) for line in said]
    lines = [
        *(line for indent, text in above for line in folded(text, width, indent, names)),
        *ranking_lines(document),
        *(line for indent, text in below for line in folded(text, width, indent, names)),
    ]
    return visible("\n".join(lines).rstrip())


def _verdict_lines(document: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield (indent, line) of all sentences about candidates, with an empty line before each candidate."""
    if (shared := no_verdict_reason(document)) is not None:
        yield from ((0, ""), (0, f"No verdict: {shared}."))
    if advice := " ".join(advice_sentences(document)):
        yield from ((0, ""), (0, advice))
    if document["verdicts"]:
        yield from ((0, ""), (0, in_short(document)))
    for paragraph in paragraphs(document):
        yield from ((0, ""), (0, paragraph.sentence))
        yield from ((4, line) for line in (paragraph.numbers, *paragraph.remarks) if line)
