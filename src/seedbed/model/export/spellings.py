"""How cells are commonly spelled, and what a column's schema makes of each: for readers that are simpler than ours."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from seedbed.data import MISSING_NUMBERS, ColumnSchema, read_texts

__all__ = ["all_cases", "can_be_written", "has_words", "missing_spellings", "words_of"]

_YES_AND_NO = (
    *("no", "yes", "false", "true", "n", "y", "f", "t", "off", "on", "female", "male", "m"),
    *("0", "1", "0.0", "1.0"),
)


def has_words(schema: ColumnSchema) -> bool:
    """Whether a boolean column's levels are words, such as yes and no, and not 0 and 1."""
    return schema.kind == "boolean" and schema.levels != ("0", "1")


def words_of(schema: ColumnSchema) -> dict[str, int]:
    """0 or 1 for each word, in lower case, that a boolean column reads as one of them."""
    words = [*dict.fromkeys((*(level.lower() for level in schema.levels), *_YES_AND_NO))]
    values = read_texts(words, schema)
    return {word: int(value) for word, value in zip(words, values, strict=True) if not np.isnan(value)}


def missing_spellings(schema: ColumnSchema) -> list[str]:
    """Texts, the empty one first, that a category reads as a missing cell."""
    words = ["", *schema.missing_words, *all_cases(sorted(MISSING_NUMBERS))]
    values = read_texts(words, schema)
    return [*dict.fromkeys(word for word, value in zip(words, values, strict=True) if np.isnan(value))]


def all_cases(words: Iterable[str]) -> list[str]:
    """Each word in lower case, in capitals, and with one capital."""
    return [*dict.fromkeys(case for word in words for case in (word.lower(), word.upper(), word.capitalize(), word))]


def can_be_written(text: str) -> bool:
    """Whether a text is one in UTF-8; half a character, which Python can hold, isn't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
