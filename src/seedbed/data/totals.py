"""Rows that aren't data: totals below a table, and one row that outweighs all others."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data.columns import Columns
from seedbed.data.remarks import Remark
from seedbed.data.table import Column, Table

__all__ = ["find_totals"]

_LAST_ROWS = 3
_FEWEST_ROWS = 10  # with fewer, one row may well have half of the variance
_FEWEST_SUMMANDS = 3
_ROUNDING = 1e-6  # of a sum, relative
_LABEL = re.compile(
    r"(?:grand |overall |sub-?)?(?:totals?|sums?)|sum of .{1,40}|total of .{1,40}|overall"
    r"|(?:total|suma|somme|totale) (?:general|général|générale|generale|geral)|totale|totales|totaux|totaal"
    r"|summen?|(?:gesamt|end|zwischen)summe|gesamt(?:ergebnis|wert|betrag)?|insgesamt|somme|suma|soma|razem|celkem"
    r"|averages?|mean|mittelwert|durchschnitt|moyenne|promedio|média|gemiddelde|итого|всего|合计|总计|合計",
    re.IGNORECASE,
)


def find_totals(table: Table, columns: Columns, rows: NDArray[np.int64], typed: Sequence[Column]) -> list[Remark]:
    """Return warnings about a row that outweighs all others (SB207), and about totals below the table (SB208).

    A row outweighs the others if it alone carries over half of the variance of a target of numbers. One of the last
    three rows looks like a total if a cell says so, in a column that says it nowhere else; the last row also if half of
    the columns of numbers, the target among them, have the sum of the rows above in it.

    Args:
        table: what is left to train on.
        columns: the source.
        rows: the source's number of each row of the table [row].
        typed: all columns of the source that were typed, used or not, of all its rows.
    """
    return [*_outweighing(table, rows), *(_labelled(columns, rows, typed) or _summed(table, rows, typed))]


def _outweighing(table: Table, rows: NDArray[np.int64]) -> list[Remark]:
    if table.task != "regression" or table.n_rows < _FEWEST_ROWS:
        return []
    target = table.target / np.abs(table.target).max()  # squares mustn't overflow
    squares = (target - target.mean()) ** 2
    worst = int(squares.argmax())
    share = float(squares[worst] / squares.sum())
    if share <= 0.5:
        return []
    told = (
        f"one row carries {_percent(share)} of the variance of the target '{table.target_name}', which is "
        f"{table.target[worst]:,.10g} there: networks will hardly fit the others. Is it a total or a mistake? "
        "Then remove the row from the source"
    )
    return [Remark(told, table.target_name, "SB207", 1, [int(rows[worst])])]


def _percent(share: float) -> str:
    return "over 99.9 %" if share > 0.999 else f"{100 * share:.1f} %"


def _labelled(columns: Columns, rows: NDArray[np.int64], typed: Sequence[Column]) -> list[Remark]:
    """Of the last rows, those that a cell calls a total."""
    start = max(0, columns.n_rows - _LAST_ROWS)
    end, kept = columns.window(start, columns.n_rows), set(rows[-_LAST_ROWS:].tolist())
    # Asking for the cells of thousands of columns takes seconds, and those that are read as numbers have no words.
    read = {one.name for one in typed if one.schema.kind != "category" and not np.isnan(one.values[start:]).any()}
    for position, name in enumerate(columns.names):
        if name in read:
            continue
        said = {
            start + row: cell for row, cell in enumerate(end.cells(position)) if start + row in kept and _is_label(cell)
        }
        if said and not any(map(_is_label, set(columns.cells(position)[:start]))):
            return [_remark(f"'{(next(iter(said.values())) or '').strip()}' in column '{name}'", sorted(said))]
    return []


def _is_label(cell: str | None) -> bool:
    return cell is not None and _LABEL.fullmatch(cell.strip().rstrip(":").rstrip()) is not None


def _summed(table: Table, rows: NDArray[np.int64], typed: Sequence[Column]) -> list[Remark]:
    """The last row, if its numbers are the sums of those above."""
    numbers = [column for column in typed if column.schema.kind == "number"]
    kept = slice(None) if numbers and len(rows) == len(numbers[0].values) else rows
    found = {column.name: _is_sum(column.values[kept]) for column in numbers}
    if table.task == "regression":
        found[table.target_name] = _is_sum(table.target)
    sums, tested = (
        [name for name, is_sum in found.items() if is_sum],
        [one for one in found.values() if one is not None],
    )
    if not sums or 2 * len(sums) < len(tested):
        return []
    return [_remark(f"it has the sum of the others in column{'s' * (len(sums) > 1)} {_listed(sums)}", [int(rows[-1])])]


def _is_sum(values: NDArray[np.float64]) -> bool | None:
    """Whether the last number is the sum of the others; None where these are too few to tell."""
    last, others = float(values[-1]), values[:-1]
    if np.count_nonzero(others) - np.count_nonzero(np.isnan(others)) < _FEWEST_SUMMANDS:
        return None
    total = float(np.nansum(others))
    return bool(abs(last - total) <= _ROUNDING * abs(total) and abs(total) > np.nanmax(np.abs(others)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (", ..." if len(names) > 3 else "")


def _remark(why: str, rows: list[int]) -> Remark:
    what = "the last row looks" if len(rows) == 1 else f"{len(rows)} of the last rows look"
    told = f"{what} like a total ({why}), and would be trained on like any other: remove it from the source"
    return Remark(told, code="SB208", count=len(rows), rows=rows)
