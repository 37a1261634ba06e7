"""Equal rows: found, counted, and kept in one fold where they are likely copies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedbed.data.on_disk import rows_of, windows
from seedbed.data.remarks import Remark
from seedbed.data.table import Table

__all__ = ["duplicate_groups", "find_duplicates", "merged_groups"]

Rows = NDArray[np.int64]

_BY_CHANCE = 0.1  # of the pairs of equal rows
_FEWEST, _FEWEST_OUTSIDE = 20, 10  # different rows, and those outside the largest class: as a verdict needs them
_SMALL_ENOUGH, _SHARE_OF_A_FOLD = 5, 10
_SHOWN = 3


def duplicate_groups(features: NDArray[np.float64], target: NDArray[np.generic] | None = None) -> Rows:
    """Numbers [row] that two rows share if, and only if, all their features are equal, and their target if given.

    A missing cell equals a missing cell, and 0 equals -0.

    Args:
        features: float64 [row, column].
        target: [row].
    """
    parts = [
        _hashes(_comparable(rows_of(features, rows), None if target is None else target[rows]).view(np.uint64))
        for rows in windows(*features.shape)
    ]
    _, numbers, counts = np.unique(np.concatenate(parts), return_inverse=True, return_counts=True)
    suspect = counts[numbers] > 1  # few, mostly: to sort whole rows takes ten times as long
    if suspect.any():
        matrix = _comparable(features[suspect], None if target is None else target[suspect])
        whole_rows = matrix.view(np.dtype((np.void, matrix.shape[1] * matrix.itemsize)))[:, 0]
        numbers[suspect] = len(counts) + np.unique(whole_rows, return_inverse=True)[1]
        numbers = np.unique(numbers, return_inverse=True)[1]
    return numbers.astype(np.int64)


def _comparable(features: NDArray[np.float64], target: NDArray[np.generic] | None) -> NDArray[np.float64]:
    """Rows [row, column] whose bytes are equal where they are: -0 becomes 0, and there is one NaN."""
    columns = [features] if target is None else [features, np.asarray(target, dtype=np.float64)]
    matrix: NDArray[np.float64] = np.column_stack(columns) + 0.0
    matrix[np.isnan(matrix)] = np.nan
    return matrix


def _hashes(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number [row] that equal rows [row, column] share, and different ones nearly never."""
    found = np.zeros(len(bits), dtype=np.uint64)
    for column in bits.T:
        found = (found ^ column) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(32)
    return found


def find_duplicates(table: Table) -> tuple[Rows | None, tuple[Remark, ...]]:
    """Which rows to keep in one fold [row], None where none need be, and what was found (SB201, SB202, SB206).

    Rows with equal features stay together whatever their target. Were only those of the same target kept together, a
    test row would meet its features in training under the other labels alone: that turns a random forest's accuracy on
    blood_transfusion from .75 to .58, on kc1 from .86 to .74 (whole patterns: .71 and .85).

    They don't stay together
    - where a tenth of the pairs of equal rows, or more, are what chance gives: columns of few values, independent of
      each other, agree that often. Equal rows are no copies then, and a fold without them would ask for what new rows
      won't: to judge feature values never seen. Chance gives 1 of all pairs in tables of four flags, .9 in haberman,
      .4 in breast_cancer_ljubljana, .2 in cmc; .02 in titanic, .007 in blood_transfusion, .0004 in mammography, and
      less than 1e-6 in kc1, wine_quality and spambase;
    - where they leave fewer than 20 different rows, or 10 outside the largest class (of few rows, fewer than half):
      there would be too little to deal;
    - where a single row occurs in more than a tenth of the table: it fills a fold. Other rows stay together. In
      mammography, one occurs in 30 %; the commonest of kc1 in 5 %, of breast_w and blood_transfusion in 4 %.
    """
    alike = duplicate_groups(table.features)
    sizes = np.bincount(alike)
    n_rows, n_again = table.n_rows, table.n_rows - len(sizes)
    if n_again == 0:
        return None, ()
    again = f"{_rows(n_again, 'is', 'are')} equal to an earlier one in every feature"
    if _pairs_by_chance(table, at_least=_BY_CHANCE * _pairs(sizes)) >= _BY_CHANCE * _pairs(sizes):
        message = f"{again}, as happens by chance in columns of few values; they aren't kept in one fold"
        return None, (_remark("SB206", message, _repeated(alike)),)
    common = sizes > max(_SMALL_ENOUGH, n_rows // _SHARE_OF_A_FOLD)
    groups = np.where(common[alike], len(sizes) + np.arange(n_rows), alike)
    if _too_few(table, groups):
        message = (
            f"{again}, and too few different ones are left to keep them in one fold; scores of a network that knows "
            "its training rows by heart will be too good"
        )
        return None, (_remark("SB206", message, _repeated(alike)),)
    same = duplicate_groups(alike[:, None].astype(np.float64), table.target)
    remarks = []
    if copies := _repeated(same):
        words = f"{_rows(len(copies), 'is an exact copy', 'are exact copies')} of an earlier one"
        remarks.append(_remark("SB201", f"{words}; rows with equal features stay in one fold", copies))
    if table.task != "regression" and (disagreeing := _disagreeing(alike, same)):
        words = f"{_rows(len(disagreeing), 'has', 'have')} the features of a row with another target"
        remarks.append(_remark("SB202", f"{words}; rows with equal features stay in one fold", disagreeing))
    for pattern in np.flatnonzero(common):
        message = f"{sizes[pattern]:,} rows are equal in every feature, too many for one fold; they are dealt over all"
        remarks.append(_remark("SB206", message, np.flatnonzero(alike == pattern).tolist()))
    return (groups if len(np.unique(groups)) < n_rows else None), tuple(remarks)


def merged_groups(named: Rows, duplicates: Rows) -> Rows:
    """The finest groups [row] that keep together what either of two groupings does.

    Args:
        named: numbers of the groups that the user named [row].
        duplicates: numbers of the groups of equal rows [row].
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = (np.unique(groups, return_inverse=True)[1] for groups in (named, duplicates))
    n_one, n_other = one.max() + 1, other.max() + 1
    edges = coo_array((np.ones(len(one)), (one, n_one + other)), shape=(n_one + n_other,) * 2)
    _, of_node = connected_components(edges, directed=False)
    return np.asarray(of_node[one], dtype=np.int64)


def _pairs(sizes: Rows) -> float:
    return float((sizes.astype(np.float64) * (sizes - 1)).sum() / 2)


def _pairs_by_chance(table: Table, *, at_least: float) -> float:
    """Expected pairs of equal rows, were the columns independent; not reckoned further once it is below `at_least`."""
    every = _pairs(np.array([table.n_rows]))
    expected = every
    for column in table.columns:
        expected *= _pairs(np.unique(column.values, return_counts=True)[1]) / every
        if expected < at_least:
            break
    return expected


def _too_few(table: Table, groups: Rows) -> bool:
    """Whether the groups, or those with rows outside the largest class, are too few to be dealt."""
    dealt = [(groups, _FEWEST)]
    if table.task != "regression":
        dealt.append((groups[table.target != np.bincount(table.target).argmax()], _FEWEST_OUTSIDE))
    return any(len(np.unique(rows)) < max(2, min(fewest, len(rows) // 2)) for rows, fewest in dealt)


def _repeated(groups: Rows) -> list[int]:
    """Rows whose group an earlier row has."""
    repeated = np.ones(len(groups), dtype=bool)
    repeated[np.unique(groups, return_index=True)[1]] = False
    return np.flatnonzero(repeated).tolist()


def _disagreeing(alike: Rows, same: Rows) -> list[int]:
    """Rows whose features another row has with another target.

    Args:
        alike: groups by features [row].
        same: groups by features and target [row].
    """
    first = np.unique(same, return_index=True)[1]
    n_targets = np.bincount(alike[first])
    return np.flatnonzero(n_targets[alike] > 1).tolist()


def _remark(code: str, message: str, rows: list[int]) -> Remark:
    return Remark(message, code=code, count=len(rows), rows=rows)


def _rows(n: int, one: str, many: str) -> str:
    return f"{n:,} row {one}" if n == 1 else f"{n:,} rows {many}"
