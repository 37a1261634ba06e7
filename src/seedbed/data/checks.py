"""Checks of a whole table: equal rows, columns that predict the target alone, and rows that are no data."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seedbed.data.columns import Columns
from seedbed.data.notes import Note, Remark
from seedbed.data.on_disk import rows_of, windows
from seedbed.data.table import Column, Table
from seedbed.typing import Floats, Ints

__all__ = ["find_duplicates", "find_leaks", "find_totals", "merged_groups"]

_BY_CHANCE = 0.1  # of the pairs of equal rows
_FEWEST, _FEWEST_OUTSIDE = 20, 10  # different rows, and those outside the largest class: as a verdict needs them
_SMALL_ENOUGH, _SHARE_OF_A_FOLD = 5, 10
_SHOWN = 3


def duplicate_groups(features: Floats, target: NDArray[np.generic] | None = None) -> Ints:
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


def _comparable(features: Floats, target: NDArray[np.generic] | None) -> Floats:
    """Rows [row, column] whose bytes are equal where they are: -0 becomes 0, and there is one NaN."""
    columns = [features] if target is None else [features, np.asarray(target, dtype=np.float64)]
    matrix: Floats = np.column_stack(columns) + 0.0
    matrix[np.isnan(matrix)] = np.nan
    return matrix


def _hashes(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number [row] that equal rows [row, column] share, and different ones nearly never."""
    found = np.zeros(len(bits), dtype=np.uint64)
    for column in bits.T:
        found = (found ^ column) * np.uint64(0x9E3779B97F4A7C15)
        found ^= found >> np.uint64(32)
    return found


def find_duplicates(table: Table) -> tuple[Ints | None, tuple[Remark, ...]]:
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


def merged_groups(named: Ints, duplicates: Ints) -> Ints:
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


def _pairs(sizes: Ints) -> float:
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


def _too_few(table: Table, groups: Ints) -> bool:
    """Whether the groups, or those with rows outside the largest class, are too few to be dealt."""
    dealt = [(groups, _FEWEST)]
    if table.task != "regression":
        dealt.append((groups[table.target != np.bincount(table.target).argmax()], _FEWEST_OUTSIDE))
    return any(len(np.unique(rows)) < max(2, min(fewest, len(rows) // 2)) for rows, fewest in dealt)


def _repeated(groups: Ints) -> list[int]:
    """Rows whose group an earlier row has."""
    repeated = np.ones(len(groups), dtype=bool)
    repeated[np.unique(groups, return_index=True)[1]] = False
    return np.flatnonzero(repeated).tolist()


def _disagreeing(alike: Ints, same: Ints) -> list[int]:
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


_SUSPECT = 0.98
_MOST_ROWS = 20_000
_FEWEST_OF_A_CLASS = 10
_FOLDS = 5
_BINS_OF_A_CLASS, _ROWS_OF_A_BIN = 32, 3


def find_leaks(table: Table) -> tuple[Note, ...]:
    """A question (SB203) for each column that alone predicts the target almost perfectly on rows not looked at.

    A column's values are put into up to 64 bins of equally many rows (32 a class), a frequent value into one of its
    own; a category has its levels, and missing cells are a bin, too. In each of 5 folds, a bin is predicted by the rows
    of the others: as the class of which it has the largest part, or as their mean; where they leave it empty, nothing
    is predicted. Suspect is a balanced accuracy above .98, or for numbers an R2 above .98 of the target's ranks: of the
    target itself, one huge number would decide it.

    At most 20,000 rows are looked at, the same number of each class where there are so many, and classes of at least 10
    rows; without two of these there is nothing to ask.
    """
    rng = np.random.default_rng(0)
    if table.task == "regression":
        if table.n_rows < 2 * _FEWEST_OF_A_CLASS:
            return ()
        rows = rng.permutation(table.n_rows)[:_MOST_ROWS]
        score, measure = functools.partial(_r2, target=_ranks(table.target[rows])), "R2"
        most_bins = 2 * _BINS_OF_A_CLASS
    else:
        rows, codes, n_classes = _balanced(table.target, rng)
        if n_classes < 2:
            return ()
        score = functools.partial(_balanced_accuracy, codes=codes, n_classes=n_classes)
        measure, most_bins = "balanced accuracy", n_classes * _BINS_OF_A_CLASS
    scores = [(column.name, score(*_binned(column, rows, most_bins))) for column in table.columns]
    return tuple(_question(name, table.target_name, found, measure) for name, found in scores if found > _SUSPECT)


def _question(column: str, target: str, score: float, measure: str) -> Note:
    shown = f"{min(score, 0.999):.3f}" if score < 1 else "1"
    message = (
        f"'{column}' alone predicts '{target}' almost perfectly ({measure} {shown} on rows not looked at): is it known "
        f"before the outcome? If not, leave it out: --drop {shlex.quote(column)}"
    )
    return Note(message, column, "SB203")


def _ranks(target: Floats) -> Floats:
    """Places in order [row], equal numbers sharing the mean of theirs."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(target), dtype=np.float64)


def _balanced(target: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, int]:
    """Shuffled rows, the same number of each class where there are so many; their classes, from 0; how many classes.

    The score gives every class the same weight, so how many rows of each are looked at doesn't shift it.
    """
    counts = np.bincount(target)
    classes = np.flatnonzero(counts >= _FEWEST_OF_A_CLASS)
    order = rng.permutation(len(target))
    most = _MOST_ROWS // max(1, len(classes))
    rows = np.concatenate([order[:0], *(order[target[order] == one][:most] for one in classes)])
    rows = rng.permutation(rows)
    return rows, np.searchsorted(classes, target[rows]), len(classes)


def _binned(column: Column, rows: Ints, most_bins: int) -> tuple[Ints, Ints]:
    """The bin of each of these rows, counted from 0, and its fold.

    Folds go by turns in the order of the values, so the rows of a bin are in as many folds as can be.
    """
    values = column.values[rows]
    order = np.argsort(values, kind="stable")  # missing cells come last
    ordered, n = values[order], len(rows)
    begins = np.append(True, (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[:-1]))
    starts = np.flatnonzero(begins)  # of the runs of equal values
    if column.schema.kind != "category":
        n_bins = max(2, min(most_bins, n // _ROWS_OF_A_BIN))
        frequent = np.diff(starts, append=n) * n_bins >= n
        quantile = starts * n_bins // n
        joined = np.append(False, (np.diff(quantile) == 0) & ~frequent[1:])
        joined[-1] &= not np.isnan(ordered[-1])  # missing cells stay by themselves
        begins[starts[joined]] = False
    bins, fold = np.empty((2, n), dtype=np.int64)
    bins[order], fold[order] = np.cumsum(begins) - 1, np.arange(n) % _FOLDS
    return bins, fold


def _balanced_accuracy(bins: Ints, fold: Ints, codes: Ints, n_classes: int) -> float:
    shape = (_FOLDS, int(bins.max()) + 1, n_classes)
    cells = np.bincount((fold * shape[1] + bins) * n_classes + codes, minlength=shape[0] * shape[1] * shape[2])
    tested = cells.reshape(shape)
    trained = tested.sum(axis=0) - tested
    sizes = np.maximum(trained.sum(axis=1, keepdims=True), 1)
    predicted = (trained / sizes).argmax(axis=2)[:, :, None]
    right = np.take_along_axis(tested, predicted, axis=2) * (trained.sum(axis=2, keepdims=True) > 0)
    of_class = np.zeros(n_classes)
    np.add.at(of_class, predicted.ravel(), right.ravel())
    return float((of_class / tested.sum(axis=(0, 1))).mean())


def _r2(bins: Ints, fold: Ints, target: Floats) -> float:
    """Of rows not looked at: 1 - the squared error of the bins' means / that of the target's own mean."""
    n_bins = int(bins.max()) + 1
    cell = fold * n_bins + bins
    centred = target - target.mean()
    spread = float((centred**2).sum())
    if spread == 0:
        return 0.0
    n, sums = (
        np.bincount(cell, weights=weights, minlength=_FOLDS * n_bins).reshape(_FOLDS, n_bins)
        for weights in (None, centred)
    )
    others, others_sum = n.sum(axis=0) - n, sums.sum(axis=0) - sums
    means = others_sum / np.maximum(others, 1)  # nothing to go by: the mean of all, which is 0
    return 1.0 - float(((centred - means.ravel()[cell]) ** 2).sum()) / spread


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


def find_totals(table: Table, columns: Columns, rows: Ints, typed: Sequence[Column]) -> list[Remark]:
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


def _outweighing(table: Table, rows: Ints) -> list[Remark]:
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


def _labelled(columns: Columns, rows: Ints, typed: Sequence[Column]) -> list[Remark]:
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
            return [_total(f"'{(next(iter(said.values())) or '').strip()}' in column '{name}'", sorted(said))]
    return []


def _is_label(cell: str | None) -> bool:
    return cell is not None and _LABEL.fullmatch(cell.strip().rstrip(":").rstrip()) is not None


def _summed(table: Table, rows: Ints, typed: Sequence[Column]) -> list[Remark]:
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
    return [_total(f"it has the sum of the others in column{'s' * (len(sums) > 1)} {_listed(sums)}", [int(rows[-1])])]


def _is_sum(values: Floats) -> bool | None:
    """Whether the last number is the sum of the others; None where these are too few to tell."""
    last, others = float(values[-1]), values[:-1]
    if np.count_nonzero(others) - np.count_nonzero(np.isnan(others)) < _FEWEST_SUMMANDS:
        return None
    total = float(np.nansum(others))
    return bool(abs(last - total) <= _ROUNDING * abs(total) and abs(total) > np.nanmax(np.abs(others)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (", ..." if len(names) > 3 else "")


def _total(why: str, rows: list[int]) -> Remark:
    what = "the last row looks" if len(rows) == 1 else f"{len(rows)} of the last rows look"
    told = f"{what} like a total ({why}), and would be trained on like any other: remove it from the source"
    return Remark(told, code="SB208", count=len(rows), rows=rows)
