"""The words above a chart."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["phrase_lines", "span", "subtitle_lines", "title_lines"]

# Letters that fit above the two panels.
_TITLE_WIDTH = 115
_SUBTITLE_WIDTH = 150


def title_lines(title: str) -> list[str]:
    """The title, broken where it would make the picture wider."""
    return textwrap.wrap(title, _TITLE_WIDTH) or [""]


def subtitle_lines(
    summary: Mapping[str, Any], *, n_ghosts: int, beyond: Sequence[str], chosen: bool = False
) -> list[str]:
    """The summary's own subtitle, then what the lines and bands are, and what is not shown.

    Args:
        summary: as `learning_curves` takes it.
        n_ghosts: how many single networks are drawn.
        beyond: which curves leave the picture.
        chosen: whether the reader chooses what is drawn around the means, and so knows.
    """
    candidates = summary["candidates"]
    counts = [candidate["n_networks"] - candidate["n_diverged"] for candidate in candidates]
    drawn = [count for count in counts if count]
    phrases = []
    if max(drawn, default=0) > 1:
        phrases.append(f"line: mean over {span(drawn)} networks")
        phrases += [] if chosen else ["band: middle half on test rows"]
    if n_ghosts and not chosen:
        phrases.append(f"faint: {n_ghosts} single networks on test rows")
    lost = [
        f"{candidate['n_diverged']:,} of {candidate['n_networks']:,} ({candidate['name']})"
        for candidate in candidates
        if candidate["n_diverged"]
    ]
    if lost:
        phrases.append(f"diverged and left out: {', '.join(lost)}")
    if beyond:
        phrases.append(f"beyond the axis: {', '.join(beyond)}")
    phrases.append("curves are for understanding, not for judging")
    return [*textwrap.wrap(summary.get("subtitle", ""), _SUBTITLE_WIDTH), *phrase_lines(phrases)]


def span(counts: Sequence[int]) -> str:
    """How many of each: one number, or from which to which."""
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def phrase_lines(phrases: Sequence[str]) -> list[str]:
    """The phrases in as few lines as they need, each phrase whole where it can be."""
    lines: list[str] = []
    for phrase in phrases:
        if lines and len(lines[-1]) + len(phrase) + 2 <= _SUBTITLE_WIDTH:
            lines[-1] += f"; {phrase}"
        else:
            lines += textwrap.wrap(phrase, _SUBTITLE_WIDTH)
    return lines
