"""Words that stand for a missing cell: which ones do depends on what else the column holds."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["is_code_column", "missing_in_category", "missing_in_number"]

# In lower case. NA alone can be a level (Namibia, North America, a blood group), the others of a category can't.
NA = "na"
IN_CATEGORY = frozenset({"", "?", "nan", "null", "(null)", "<na>", "nat", "n/a", "n.a.", "#n/a", "#na", "#null!"})
SIGNS = {"-", "--", "—", "–", ".", ".."}
IN_NUMBER = IN_CATEGORY | SIGNS | {NA, "none", "nil", "missing", "unknown", "#value!", "#div/0!"}

_code = re.compile("[A-Z]{2}")


def missing_in_number(text: str) -> bool:
    """Whether a cell, ends stripped, is a missing one among numbers, dates, or yes and no."""
    return text.lower() in IN_NUMBER


def missing_in_category(text: str, *, among_codes: bool = False) -> bool:
    """Whether a cell, ends stripped, is a missing one among words. 'None' and '-' are levels there.

    Args:
        among_codes: what `is_code_column` says of the other levels.
    """
    word = text.lower()
    return word in IN_CATEGORY or (word == NA and not (among_codes and text == "NA"))


def is_code_column(levels: Collection[str]) -> bool:
    """Whether 'NA' would be one code among others: nearly all levels are two capital letters, as those of countries."""
    codes = sum(_code.fullmatch(level) is not None for level in levels)
    return codes >= 3 and codes >= 0.9 * len(levels)
