"""Columns that can't help, or may mislead: constant, empty, or an identifier."""

from __future__ import annotations

import re
import shlex

import numpy as np
from numpy.typing import NDArray

from seedbed.data.columns import number_text
from seedbed.data.kinds.labels import near_duplicates
from seedbed.data.remarks import Remark
from seedbed.data.table import Column

__all__ = ["LEFT_OUT", "judge"]

LEFT_OUT = frozenset({"SB101", "SB102", "SB103"})  # the codes of what isn't a feature

FEW_ROWS = 20  # too few to tell an identifier by
MANY_LEVELS = 200
_id_name = re.compile(
    r"(?i:(?:.*[^a-z])?(?:id|uuid|guid|index|rowid|row[ _]?(?:name|number)s?)|id[^a-z].*)"
    r"|.*[a-z](?:Id|ID)|Unnamed: \d+"
)


def judge(column: Column, *, wanted: bool) -> list[Remark]:
    """What is to be said against a column as a feature; a code in `LEFT_OUT` means that it shouldn't be one.

    Args:
        wanted: the user said what the column is, so it is no identifier.
    """
    name, values = column.name, column.values
    present = values[~np.isnan(values)]
    if not len(present):
        return [Remark(f"column '{name}' is left out: it has no value at all", name, "SB103", len(values))]
    if column.schema.kind == "number" and not wanted and _merged(present):
        told = (
            f"column '{name}' is left out as an identifier: its whole numbers have more digits than can be told apart"
        )
        return [Remark(told, name, "SB101", len(present))]
    if len(present) == len(values) and present.min() == present.max():
        return [Remark(f"column '{name}' is left out: it is {_constant(column)} in every row", name, "SB102")]
    remarks = [] if wanted else _identifier(column, present)
    if any(remark.code in LEFT_OUT for remark in remarks):
        return remarks
    if column.schema.kind == "category":
        remarks += _levels(column)
    if column.schema.kind == "date":
        advice = f"--time-split {shlex.quote(name)}"
        told = f"column '{name}' holds dates; if rows are ordered in time, train on the past: {advice}"
        remarks.append(Remark(told, name, "SB204"))
    return remarks


def _identifier(column: Column, present: NDArray[np.float64]) -> list[Remark]:
    kind, name, n = column.schema.kind, column.name, len(present)
    if n < FEW_ROWS or kind not in ("category", "number"):
        return []
    if kind == "category":
        n_distinct = len(np.unique(present))
        found = f"{n_distinct} of {n} values are different" if _nearly_all(n_distinct, n) else ""
    else:
        # Without a sort, as few values fit between the ends of most columns, or some aren't whole.
        room = float(present.max()) - float(present.min()) + 1
        if not _nearly_all(room, n) or not (np.floor(present) == present).all():
            return []
        n_distinct = len(np.unique(present))
        if not _nearly_all(n_distinct, n):
            return []
        found = ""
        if n_distinct == room == len(column.values):
            found = "it is a running number"
        elif _id_name.fullmatch(name):
            found = f"it is named so, and {n_distinct} of {n} values are different"
        else:
            told = f"column '{name}' may be an identifier, as {n_distinct} of its {n} whole numbers are different; "
            told += f"if it is one: --drop {shlex.quote(name)}"
            return [Remark(told, name, "SB107", n_distinct)]
    if not found:
        return []
    keep = f"--{'numeric' if kind == 'number' else 'categorical'} {shlex.quote(name)}"
    told = f"column '{name}' is left out as an identifier: {found}; to keep it: {keep}"
    return [Remark(told, name, "SB101", n_distinct)]


def _levels(column: Column) -> list[Remark]:
    name, levels = column.name, column.schema.levels
    remarks = []
    codes = column.values[~np.isnan(column.values)].astype(np.intp)
    counts = dict(zip(levels, np.bincount(codes, minlength=len(levels)).tolist(), strict=True))
    phrase, n_rows = near_duplicates(counts)
    if phrase:
        told = f"column '{name}' has levels that differ only in case or spaces, and stay apart: {phrase}"
        remarks.append(Remark(told, name, "SB105", n_rows))
    if len(levels) > MANY_LEVELS:
        told = f"column '{name}' has {len(levels)} levels; the rare ones share inputs by a hash of their text"
        remarks.append(Remark(told, name, "SB106", len(levels)))
    return remarks


def _merged(present: NDArray[np.float64]) -> bool:
    """Whether whole numbers lie so far from zero, and so near to each other, that float64 may take some for others."""
    low, high = float(present.min()), float(present.max())
    return min(abs(low), abs(high)) >= 2**53 and high - low < 2**10 * np.spacing(high)


def _nearly_all(part: float, whole: int) -> bool:
    return 100 * part > 95 * whole


def _constant(column: Column) -> str:
    value = column.values[0]
    levels = column.schema.levels
    return repr(levels[int(value)]) if levels else number_text(float(value)) or ""
