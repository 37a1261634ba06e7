"""Levels and labels: which spellings are one, and which are suspiciously near."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation

from seedbed.data.cells import shown
from seedbed.data.kinds.numerals import is_code, numeral, plain_text

__all__ = ["exact_numbers", "in_order", "merge_levels", "near_duplicates"]


def exact_numbers(levels: Collection[str]) -> dict[str, Decimal]:
    """The number of each level where all are numbers and none is a code with leading zeros; else empty.

    Decimals, not floats: the codes 2^60 and 2^60 + 1 would be one.
    """
    found: dict[str, Decimal] = {}
    for level in levels:
        text = plain_text(level, "point")
        if text is None or is_code(level) or math.isinf(numeral(level).point):
            return {}
        try:
            found[level] = Decimal(text)
        except InvalidOperation:  # an exponent of twenty digits
            return {}
    return found


def merge_levels(levels: Collection[str]) -> dict[str, str]:
    """The shared name of each level: without it, '1' and '1.0' would be two. The shortest spelling wins."""
    shortest: dict[Decimal, str] = {}
    numbers = exact_numbers(levels)
    for level in sorted(numbers, key=lambda text: (len(text), text)):
        shortest.setdefault(numbers[level], level)
    return {level: shortest[numbers[level]] if numbers else level for level in levels}


def in_order(levels: Collection[str]) -> tuple[str, ...]:
    """Numbers as numbers, else by code point."""
    numbers = exact_numbers(levels)
    return tuple(sorted(levels, key=numbers.__getitem__ if numbers else None))


def near_duplicates(counts: Mapping[str, int]) -> tuple[str, int]:
    """Levels that differ only in case or inner spaces, as a phrase with their counts, and how many rows they have.

    Args:
        counts: rows of each level.
    """
    alike: dict[str, list[str]] = {}
    for level in counts:
        alike.setdefault(" ".join(level.split()).casefold(), []).append(level)
    groups = [group for group in alike.values() if len(group) > 1]
    phrases = [_listed(f"{shown(level)} ({counts[level]})" for level in sorted(group)) for group in groups[:3]]
    more = f", and {len(groups) - 3} more such groups" if len(groups) > 3 else ""
    return "; ".join(phrases) + more, sum(counts[level] for group in groups for level in group)


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}"
