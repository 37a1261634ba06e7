"""Checks of a whole table: equal rows, columns that predict the target alone, rows in order, rows
that aren't data."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from seedbed.data.cells import quote_names
from seedbed.data.follow_up import find_follow_up
from seedbed.data.frame import Frame, Remark, as_notes, is_whole, remark_on_rows
from seedbed.data.splits import duplicate_groups, merge_groups
from seedbed.data.suspects import find_repeated_identifiers, find_totals, pairs_of
from seedbed.data.table import Column, Table
from seedbed.data.table_options import ColumnRoles
from seedbed.errors import counted, spell, spell_all
from seedbed.evaluation.estimates import mean_ranks
from seedbed.evaluation.summaries import Note
from seedbed.typing import Floats, Ints

_BY_CHANCE = 0.1  # of the pairs of equal rows
_FEWEST, _FEWEST_OUTSIDE = (
    20,
    10,
)  # different rows, and those outside the largest class: as a verdict needs them
_MANY_EQUAL = 0.25  # of the rows
_SMALL_ENOUGH, _SHARE_OF_A_FOLD = 5, 10

# Columns that predict the target alone
_HIGH, _WORTH_NAMING = 0.92, 0.2  # scores: .92 is 98 % right of two equal classes
_MOST_ROWS, _FEWEST_OF_A_CLASS, _FOLDS = 20_000, 10, 5
_BINS_OF_A_CLASS, _ROWS_OF_A_BIN = 32, 3

# Codes and rare levels
_MOST_CODES, _HIGHEST_FIRST, _IN_SEQUENCE, _ROWS_OF_A_CODE = 40, 3, 10, 10
_RARE, _FEWEST_RARE = 6, 10  # rows, and levels

# Order
_FEWEST_IN_ORDER = 50
_WINDOW, _MOST_WINDOWS = 5_000, 10  # consecutive rows, of a larger table
_LAGS = 10
_ALIKE, _INFLATED, _CLEAR = (
    0.1,
    2.0,
    4.0,
)  # correlation, factor of the variance of a mean, and its standard errors
_SORTED, _ALIKE_WITHIN = 0.95, 0.4
_FEWEST_BINS, _MOST_BINS, _ROWS_IN_A_BIN = 8, 64, 25  # of a feature
_MOST_FEATURES, _ROWS_OF_A_FEATURE = 30, 20


@dataclass(frozen=True, eq=False)
class CheckedTable:
    """What checks know of a table.

    Attributes:
        table: as it was typed; its groups are those that the user named.
        columns: all columns without a role, features or not, of the same rows.
        frame, rows: the source, and the numbers of the table's rows in it.
        roles: what the user said about the columns.
    """

    table: Table
    columns: tuple[Column, ...]
    frame: Frame
    rows: Ints
    roles: ColumnRoles

    @functools.cached_property
    def identifiers(self) -> dict[str, Note]:
        """Warnings by the name of each feature that looks like an identifier of several rows."""
        return {} if self.roles.time_split else find_repeated_identifiers(self.table)

    @functools.cached_property
    def other_outcomes(self) -> dict[str, Note]:
        """Warnings by the name of each feature that looks like a part of the outcome."""
        return find_follow_up(self.table)

    @functools.cached_property
    def duplicates(self) -> tuple[Ints | None, tuple[Remark, ...]]:
        """Groups of equal rows, and remarks on them."""
        return find_duplicates(self.table, split=self.roles.split_equal_rows)

    @functools.cached_property
    def groups(self) -> Ints | None:
        """Rows that stay in one fold, by the user or as they are equal."""
        return merge_groups(self.table.groups, self.duplicates[0])


def check_table(checked: CheckedTable) -> list[Note]:
    """Return the notes of all `CHECKS`."""
    return [note for check in CHECKS for note in check(checked)]


def warn_of_identifiers(checked: CheckedTable) -> Iterable[Note]:
    """Return warnings of identifiers that repeat (SB210)."""
    return checked.identifiers.values()


def warn_of_other_outcomes(checked: CheckedTable) -> Iterable[Note]:
    """Return a warning of features that are part of the outcome (SB211)."""
    return dict.fromkeys(checked.other_outcomes.values())


def find_odd_rows(checked: CheckedTable) -> Iterable[Note]:
    """Return notes on totals and outweighing rows (SB207, SB208), and on equal rows (SB201, SB202,
    SB206, SB217)."""
    remarks = find_totals(checked.table, checked.frame, checked.rows)
    copies = [
        replace(remark, rows=checked.rows[remark.rows].tolist())
        for remark in checked.duplicates[1]
    ]
    return as_notes(checked.frame, [*remarks, *copies])


def find_duplicates(
    table: Table, *, split: bool = False
) -> tuple[Ints | None, tuple[Remark, ...]]:
    """Return groups of rows to keep in one fold [row], None if there are none, and remarks (SB201,
    SB202, SB206, SB217).

    Rows with equal features stay together whatever their target. If only those with an equal target
    did, the features of a test row would occur in training under the other labels alone: a random
    forest's accuracy on blood_transfusion falls from .75 to .58 (whole patterns: .71).

    They don't stay together if they may be `split`, and in three cases:
    - At least a tenth of the pairs of equal rows are what chance gives if columns of few values are
      independent (in haberman .9, in cmc .2; in titanic .02). Equal rows aren't copies then, and
      without them a fold would test feature values never seen, unlike new rows.
    - They leave fewer than 20 different rows, or 10 outside the largest class (of few rows, fewer
      than half).
    - One row occurs in more than a tenth of the table (in mammography 30 %) and would fill a fold.
    """
    patterns = duplicate_groups(table.features)
    sizes = np.bincount(patterns)
    n_rows = table.n_rows
    n_again = n_rows - len(sizes)
    if n_again == 0:
        return None, ()
    common = sizes > max(_SMALL_ENOUGH, n_rows // _SHARE_OF_A_FOLD)
    groups = np.where(common[patterns], len(sizes) + np.arange(n_rows), patterns)
    why = ""
    if split:
        why = ", as requested; they aren't kept in one fold"
    elif _are_equal_by_chance(table, patterns):
        why = ", as happens by chance in columns with few values; they aren't kept in one fold"
    elif _are_too_few(table, groups):
        why = (
            "; too few different rows are left to keep them in one fold, so scores of "
            "networks that memorise training rows are too good"
        )
    if why:
        again = (
            f"{_rows(n_again, 'is', 'are')} equal to an earlier one in every feature"
        )
        repeated = _find_repeated(patterns)
        return None, (remark_on_rows(f"{again}{why}", "", "SB206", repeated),)
    remarks = _on_copies(table, patterns)
    together = np.flatnonzero(np.bincount(groups)[groups] > 1)
    if len(together) >= _MANY_EQUAL * n_rows:
        share = f"{100 * len(together) / n_rows:.0f}% of them share all features with another row"
        message = (
            f"scores are for rows not seen before: {share}, and these stay in one fold; if new "
            f"rows repeat known ones, give {spell('split_equal_rows', True)}"
        )
        remarks.append(remark_on_rows(message, "", "SB217", together, message))
    for pattern in np.flatnonzero(common):
        message = (
            f"{sizes[pattern]:,} rows are equal in every feature, too many for one fold; they are "
            "distributed over all folds"
        )
        remarks.append(
            remark_on_rows(message, "", "SB206", np.flatnonzero(patterns == pattern))
        )
    return (groups if len(np.unique(groups)) < n_rows else None), tuple(remarks)


def _are_too_few(table: Table, groups: Ints) -> bool:
    """Return whether too few different rows are left, or outside the largest class."""
    required = [(groups, _FEWEST)]
    if not table.outcome.is_number:
        outside = table.target != np.bincount(table.target).argmax()
        required.append((groups[outside], _FEWEST_OUTSIDE))
    return any(
        len(np.unique(some)) < max(2, min(fewest, len(some) // 2))
        for some, fewest in required
    )


def _on_copies(table: Table, patterns: Ints) -> list[Remark]:
    """Return remarks on exact copies, and on rows with equal features and different labels."""
    same = duplicate_groups(patterns[:, None].astype(np.float64), table.target)
    copies = _find_repeated(same)
    n_targets = np.bincount(patterns[np.unique(same, return_index=True)[1]])
    disagreeing = np.flatnonzero(n_targets[patterns] > 1)
    if table.outcome.is_number:
        disagreeing = disagreeing[:0]
    return [
        remark_on_rows(
            f"{text}; rows with equal features stay in one fold", "", code, rows
        )
        for text, code, rows in (
            (
                f"{_rows(len(copies), 'is an exact copy', 'are exact copies')} of an earlier one",
                "SB201",
                copies,
            ),
            (
                f"{_rows(len(disagreeing), 'has', 'have')} the features of a row with another target",
                "SB202",
                disagreeing,
            ),
        )
        if len(rows)
    ]


def _are_equal_by_chance(table: Table, patterns: Ints) -> bool:
    """Return whether independent columns would give a tenth of the pairs of equal rows, whose
    patterns [row] are equal, or more."""
    every = expected = table.n_rows * (table.n_rows - 1) / 2
    few = _BY_CHANCE * pairs_of(patterns)
    for column in table.columns:
        expected *= pairs_of(column.values) / every
        if expected < few:
            return False
    return True


def _find_repeated(groups: Ints) -> Ints:
    """Return the rows whose group an earlier row has."""
    return np.setdiff1d(np.arange(len(groups)), np.unique(groups, return_index=True)[1])


def _rows(n: int, singular: str, plural: str) -> str:
    return f"{counted(n, 'row')} {singular if n == 1 else plural}"


def find_best_columns(checked: CheckedTable) -> list[Note]:
    """Return a warning (SB203) for each column that alone predicts the target almost perfectly, with
    a score over 92; and a note (SB212) about the best of the others, if its score is over 20.

    The score is that of comparisons, R2 or the Brier skill, out of fold: the largest of that of
    bins of values, few or many, and for numbers of a line.
    """
    table = checked.table
    rows = np.random.default_rng(0).permutation(table.n_rows)[:_MOST_ROWS]
    if table.n_rows < 2 * _FEWEST_OF_A_CLASS or np.ptp(table.target[rows]) == 0:
        return []
    target = table.target[rows, None]
    if not table.outcome.is_number:
        target = np.eye(len(table.labels))[table.target[rows]]
    shares = {c.name: _score_alone(c, rows, target) for c in table.columns}
    leaks = {name: share for name, share in shares.items() if share > _HIGH}
    notes = [
        _leak(
            name,
            f"'{name}' alone predicts '{table.target_name}' almost perfectly (a score of {100 * share:.0f})",
            "SB203",
            share,
        )
        for name, share in leaks.items()
    ]
    others = {name: share for name, share in shares.items() if name not in leaks}
    if others and max(others.values()) > _WORTH_NAMING:
        name = max(others, key=others.__getitem__)
        finding = f"'{name}' alone has a score of {100 * others[name]:.0f}"
        notes.append(_leak(name, finding, "SB212", others[name]))
    return notes


def _leak(name: str, finding: str, code: str, share: float) -> Note:
    """Return a warning about a column that may be known only after the outcome."""
    message = (
        f"{finding}: is it known before the outcome? If not, leave it out with "
        f"{spell('drop', name)}"
    )
    return Note(
        message, name, code, finding=finding, remedy={"drop": (name,)}, share=share
    )


def _score_alone(column: Column, rows: Ints, target: Floats) -> float:
    """Return the score of a column alone from 0 to 1, see `find_best_columns`."""
    n_bins = (_FEWEST_BINS, _BINS_OF_A_CLASS * max(2, target.shape[1]))
    score = max(_skill(*_bin_values(column, rows, n), target) for n in n_bins)
    values = column.values[rows]
    if target.shape[1] > 1 or column.schema.kind != "number" or np.isnan(values).any():
        return score
    return max(score, float(np.corrcoef(values, target[:, 0])[0, 1]) ** 2)


def _bin_values(column: Column, rows: Ints, most_bins: int) -> tuple[Ints, Ints]:
    """Return the bin of each of these rows, counted from 0, and its fold.

    Folds take turns in the order of the values, so that the rows of a bin are in as many folds as
    possible.
    """
    values = column.values[rows]
    order = np.argsort(values, kind="stable")  # missing cells come last
    ordered = values[order]
    n = len(rows)
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


def _skill(bins: Ints, fold: Ints, target: Floats) -> float:
    """Return the R2 of the bins' means for a target [row, output], out of fold: 1 - squared error /
    squared error of the target's mean. Of classes, one output each, it is the Brier skill."""
    centred = target - target.mean(axis=0)
    spread = float((centred**2).sum())
    if spread == 0:
        return 0.0
    shape = (_FOLDS, int(bins.max()) + 1)
    cell = np.ravel_multi_index((fold, bins), shape)
    n = np.bincount(cell, minlength=math.prod(shape))
    sums = np.zeros((math.prod(shape), len(target.T)))
    np.add.at(sums, cell, centred)
    of_fold = n.reshape(*shape, 1)
    sums_of_fold = sums.reshape(*shape, -1)
    others, others_sum = (
        of_fold.sum(axis=0) - of_fold,
        sums_of_fold.sum(axis=0) - sums_of_fold,
    )
    means = others_sum / np.maximum(
        others, 1
    )  # of an empty bin, the mean of all, which is 0
    return (
        1.0
        - float(((centred - means.reshape(len(sums), -1)[cell]) ** 2).sum()) / spread
    )


def find_codes(checked: CheckedTable) -> list[Note]:
    """Return one note about numeric features that may be codes of categories, unless the user chose
    what they are.

    Such a column holds at most 40 different whole numbers, beginning with 1, 2 or 3, in at least
    ten rows each on average. More than ten of them have gaps.
    """
    most = min(_MOST_CODES, checked.table.n_rows / _ROWS_OF_A_CODE)
    names = []
    for column in checked.table.columns:
        levels = np.unique(column.values[~np.isnan(column.values)])
        if (
            column.schema.kind == "number"
            and column.name not in (*checked.roles.numeric, *checked.roles.categorical)
            and 3 <= len(levels) <= most
            and (len(levels) <= _IN_SEQUENCE or np.ptp(levels) >= len(levels))
            and 1 <= levels[0] <= _HIGHEST_FIRST
            and is_whole(levels)
        ):
            names.append(column.name)
    message = f"few whole numbers, read as numbers: {quote_names(names, 5)}; if they are codes of categories, give "
    return [Note(message + spell("categorical", names[0]))] if names else []


def find_rare_levels(checked: CheckedTable) -> list[Note]:
    """Return one note (SB213) about categories that have most of their rows in ten levels or more of
    at most six rows.

    If such levels alone carry the signal, up to 14 % of simulated tables have a winner between two
    equal models.
    """
    names = []
    for column in checked.table.columns:
        filled = column.values[~np.isnan(column.values)]
        counts = np.unique(filled, return_counts=True)[1]
        rare = counts[counts <= _RARE]
        if (
            column.schema.kind == "category"
            and len(rare) >= _FEWEST_RARE
            and 2 * rare.sum() > checked.table.n_rows
        ):
            names.append(column.name)
    few = f"most rows have a rare level (at most {_RARE} rows): {quote_names(names, 5)}"
    message = f"{few}; if models differ in these levels alone, more than 5 % of verdicts are wrong"
    return [Note(message, names[0], "SB213")] if names else []


def find_order(checked: CheckedTable) -> list[Note]:
    """Return a warning (SB209) if neighbouring rows are alike in the target, as in measurements
    over time, unless they are split by time, or how long they are followed depends on it.

    The target is compared with its neighbours up to 10 rows away (`_Neighbours.resemble`), first
    itself, then what the features leave of it: an additive fit to the means of 8 to 64 bins per
    feature. In a table that is sorted by its target, most features must resemble those of the next
    row (r of at least 0.4), given the target, as in sonar, whose echoes of one object follow each
    other. Pairs within one of the groups don't count. If no likeness is left between rows with
    different values of one of the identifiers, the warning names that feature. Else it names the
    first column that increases from row to row, or that holds dates.
    """
    table = checked.table
    if checked.roles.time_split or checked.roles.event:
        return []
    finding, does_harm = _order(table, checked.groups)
    if not does_harm:
        return [Note(finding, table.target_name)] if finding else []
    remedy = dict[str, tuple[str, ...]]()
    columns = [
        column
        for column in checked.columns
        if column.schema.kind != "category"
        and column.name not in checked.other_outcomes
    ]
    rising = [column for column in columns if (np.diff(column.values) > 0).all()]
    dates = [
        column
        for column in columns
        if column.schema.kind == "date" and np.isfinite(column.values).all()
    ]
    if rising or dates:
        remedy["time_split"] = ((rising or dates)[0].name,)
    advice = f"Split by time with {spell_all(remedy) or spell('time_split')}"
    if not remedy:
        advice += f" (a column of times or row numbers), or keep the rows of a group in one fold with {spell('group')}"
    for name in checked.identifiers:
        column = table.columns[table.feature_names.index(name)]
        same = np.unique(column.values, return_inverse=True, equal_nan=False)[1]
        if not _order(table, merge_groups(checked.groups, same))[1]:
            remedy = {"group": (name,)}
            finding += f", as rows with the same '{name}' are"
            advice = f"Keep them in one fold with {spell_all(remedy)}"
            break
    return [
        Note(
            f"{finding}. Folds are shuffled, so scores and verdicts may be too good. {advice}",
            table.target_name,
            "SB209",
            finding=finding,
            remedy=remedy,
        )
    ]


def _order(table: Table, groups: Ints | None) -> tuple[str, bool]:
    """Return what was found in the order of the rows, and whether it does harm."""
    rows = _in_windows(table.n_rows)
    neighbours = _Neighbours(rows, None if groups is None else groups[rows])
    if table.outcome.is_number:
        target = _ranks(table.target[rows])
    else:
        target = np.eye(len(table.labels))[table.target[rows]]
        target = target - target.mean(axis=0)
    if len(rows) < _FEWEST_IN_ORDER or not neighbours.resemble(target):
        return "", False
    name = table.target_name
    correlation = neighbours.correlations(target)[0]
    if _is_sorted(table, rows, correlation):
        within = np.vander(np.linspace(-1, 1, len(rows)), 4)
        if not table.outcome.is_number:
            within = np.eye(len(table.labels))[table.target[rows]]
        alike = [
            neighbours.correlations(_residuals_of(_ranks(column.values[rows]), within))[
                0
            ]
            for column in table.columns
        ]
        if np.median(alike) < _ALIKE_WITHIN:
            harmless = "folds are shuffled, so this does no harm"
            return f"the rows are sorted by '{name}'; {harmless}", False
        finding = f"the rows are sorted by '{name}', and rows of one '{name}' are alike in most features"
        return finding, True
    left_over = _residuals_of(target, _additive_fits(table, rows, target))
    if not neighbours.resemble(left_over):
        return "", False
    alike_rows = f"neighbouring rows are alike in '{name}'"
    return (
        f"{alike_rows} (correlation {correlation:.2f}), as in measurements over time",
        True,
    )


def _in_windows(n_rows: int) -> Ints:
    """Return all rows, or windows of consecutive rows of a larger table."""
    if n_rows <= _WINDOW * _MOST_WINDOWS:
        return np.arange(n_rows)
    starts = np.linspace(0, n_rows - _WINDOW, _MOST_WINDOWS).astype(np.int64)
    return (starts[:, None] + np.arange(_WINDOW)).ravel()


def _is_sorted(table: Table, rows: Ints, correlation: float) -> bool:
    """Return whether rows are sorted by the target, whose neighbours correlate so much."""
    steps = np.diff(table.target[rows])
    if table.outcome.is_number:
        return bool(min((steps < 0).mean(), (steps > 0).mean()) < 0.01)
    n_changes = np.count_nonzero(steps)
    return bool(correlation > _SORTED or n_changes < 2 * len(table.labels))


def _additive_fits(table: Table, rows: Ints, target: Floats) -> Floats:
    """Return a constant, and the means of the target in bins of each feature that explains most of
    it [row, fit]."""
    means = []
    n_bins = max(_FEWEST_BINS, min(_MOST_BINS, len(rows) // _ROWS_IN_A_BIN))
    for column in table.columns:
        bins = _bin_values(column, rows, n_bins)[0]
        sums = [np.bincount(bins, weights=weights) for weights in target.T]
        means.append((np.stack(sums, axis=1) / np.bincount(bins)[:, None])[bins])
    means.sort(key=lambda fit: -float((fit**2).sum()))
    fits = means[: max(1, min(_MOST_FEATURES, len(rows) // _ROWS_OF_A_FEATURE))]
    return np.hstack([np.ones((len(rows), 1)), *fits])


class _Neighbours:
    """Pairs of rows up to 10 rows apart that may be in different folds."""

    def __init__(self, rows: Ints, groups: Ints | None) -> None:
        lags = range(1, 1 + min(_LAGS, len(rows) // 10))
        self._pairs = [rows[lag:] - rows[:-lag] == lag for lag in lags]
        if groups is not None:
            self._pairs = [
                pair & (groups[lag:] != groups[:-lag])
                for lag, pair in zip(lags, self._pairs, strict=True)
            ]

    def correlations(self, values: Floats) -> Floats:
        """Return the correlation of centred values [row, column] with those of later rows [lag]; 0
        if all are equal."""
        total = float((values**2).sum(axis=1).mean())
        if total < 1e-12:
            return np.zeros(len(self._pairs))
        products = (
            (values[:-lag] * values[lag:]).sum(axis=1)[pair]
            for lag, pair in enumerate(self._pairs, start=1)
        )
        return np.array(
            [product.mean() / total if product.size else 0.0 for product in products]
        )

    def resemble(self, values: Floats) -> bool:
        """Return whether centred values [row, column] are alike in neighbouring rows, clearly and
        enough to matter.

        The variance of a mean over rows is then at least twice that of independent rows: 1 + 2
        sum_k w_k r_k with Bartlett's weights w (Newey & West 1987). And the sum is 4 standard
        errors above 0.
        """
        correlations = self.correlations(values)
        weights = 1 - np.arange(1, len(correlations) + 1) / (len(correlations) + 1)
        total = float(weights @ correlations)
        if correlations[0] < _ALIKE or 1 + 2 * total < _INFLATED:
            return False
        covariance = values.T @ values
        shared = float(
            (covariance**2).sum() / np.trace(covariance) ** 2
        )  # 1 for one column or two classes
        sizes = np.array([max(1, pair.sum()) for pair in self._pairs])
        return total > _CLEAR * float(np.sqrt((weights**2 * shared / sizes).sum()))


def _ranks(values: Floats) -> Floats:
    """Return centred ranks [row, 1]; missing cells rank first."""
    ranks = mean_ranks(np.where(np.isnan(values), -np.inf, values))
    return np.asarray(ranks - ranks.mean(), dtype=np.float64)[:, None]


def _residuals_of(values: Floats, inputs: Floats) -> Floats:
    """Return the residuals [row, column] of a least-squares fit to inputs [row, input]."""
    return np.asarray(
        values - inputs @ np.linalg.lstsq(inputs, values, rcond=None)[0],
        dtype=np.float64,
    )


CHECKS: tuple[Callable[[CheckedTable], Iterable[Note]], ...] = (
    warn_of_identifiers,
    warn_of_other_outcomes,
    find_odd_rows,
    find_best_columns,
    find_codes,
    find_rare_levels,
    find_order,
)
"""The checks of a table, in the order of their notes."""
