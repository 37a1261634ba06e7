"""A comparison as text, drawn from its plain dict: verdicts first, then the ranking, then what would settle it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.errors import visible
from seedbed.report.advice import advice_sentences
from seedbed.report.drawn import drawn
from seedbed.report.ranking import ranking_table
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

__all__ = ["comparison_text"]

_WIDTH = 110
# A candidate's name is what a reader copies into the next command: no line ends within it.
_SPACE_OF_A_NAME = "\ue000"


def comparison_text(document: Mapping[str, Any], *, width: int = _WIDTH) -> str:
    """The verdicts and the table of a comparison, from `Comparison.to_dict()`."""
    named = (*document["candidates"], *document["sweeps"])
    names = sorted({one["name"] for one in named if " " in one["name"]}, key=len, reverse=True)
    first = [*heading_sentences(document), *serious_sentences(document["notes"])]
    above = [*((0, line) for line in first), *_verdict_lines(document)]
    said = (*settling_sentences(document), *range_sentences(document), *note_sentences(document))
    below = [(0, line) for line in said]
    lines = [
        *(line for indent, text in above for line in _folded(text, width, indent, names)),
        *drawn(ranking_table(document)),
        *(line for indent, text in below for line in _folded(text, width, indent, names)),
    ]
    return visible("\n".join(lines).rstrip())


def _folded(text: str, width: int, indent: int, names: Sequence[str]) -> list[str]:
    """A text as lines; nothing but a name is wider than the width."""
    for name in names:
        text = text.replace(name, name.replace(" ", _SPACE_OF_A_NAME))
    margin = " " * indent
    lines = textwrap.wrap(
        text, width, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_SPACE_OF_A_NAME, " ") for line in lines] or [""]


def _verdict_lines(document: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """(indent, line) for all that is said of the candidates; an empty line before each."""
    if (shared := no_verdict_reason(document)) is not None:
        yield from ((0, ""), (0, f"No verdict: {shared}."))
    if advice := " ".join(advice_sentences(document)):
        yield from ((0, ""), (0, advice))
    if document["verdicts"]:
        yield from ((0, ""), (0, in_short(document)))
    for paragraph in paragraphs(document):
        yield from ((0, ""), (0, paragraph.sentence))
        yield from ((4, line) for line in (paragraph.numbers, *paragraph.remarks) if line)
