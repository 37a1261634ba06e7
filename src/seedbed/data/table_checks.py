"""Checks of a whole table: equal rows, columns that predict the target alone, rows in order, rows
that aren't data."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.frame import Remark, remark_on_rows
from seedbed.data.splits import duplicate_groups, merge_groups
from seedbed.data.table import Column, Table
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

# Leaks
_SUSPECT, _HIGH, _WORTH_NAMING = 0.98, 0.95, 0.2
_BY_LUCK = 1e-3  # that any column of the table is cut so well
_MOST_ROWS, _FEWEST_OF_A_CLASS, _FOLDS = 20_000, 10, 5
_BINS_OF_A_CLASS, _ROWS_OF_A_BIN = 32, 3

# Order
_FEWEST_IN_ORDER = 50
_WINDOW, _MOST_WINDOWS = 5_000, 10  # consecutive rows, of a larger table
_LAGS = 10
_ALIKE, _INFLATED, _CLEAR = (
    0.1,
    2.0,
    4.0,
)  # correlation, factor of the variance of a mean, and its standard errors
_SORTED, _ALIKE_WITHIN, _IN_PAIRS = 0.95, 0.4, 0.3
_FEWEST_BINS, _MOST_BINS, _ROWS_IN_A_BIN = 8, 64, 25  # of a feature
_MOST_FEATURES, _ROWS_OF_A_FEATURE = 30, 20


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
    n_again = table.n_rows - len(sizes)
    if n_again == 0:
        return None, ()
    again = f"{_rows(n_again, 'is', 'are')} equal to an earlier one in every feature"
    if split or _are_equal_by_chance(table, patterns):
        why = (
            "as requested"
            if split
            else "as happens by chance in columns with few values"
        )
        message = f"{again}, {why}; they aren't kept in one fold"
        return None, (remark_on_rows(message, "", "SB206", _find_repeated(patterns)),)
    common = sizes > max(_SMALL_ENOUGH, n_rows // _SHARE_OF_A_FOLD)
    groups = np.where(common[patterns], len(sizes) + np.arange(n_rows), patterns)
    required = [(groups, _FEWEST)]
    if not table.outcome.is_number:
        required.append(
            (
                groups[table.target != np.bincount(table.target).argmax()],
                _FEWEST_OUTSIDE,
            )
        )
    if any(
        len(np.unique(some)) < max(2, min(fewest, len(some) // 2))
        for some, fewest in required
    ):
        message = (
            f"{again}; too few different rows are left to keep them in one fold, so scores of "
            "networks that memorise training rows are too good"
        )
        return None, (remark_on_rows(message, "", "SB206", _find_repeated(patterns)),)
    same = duplicate_groups(patterns[:, None].astype(np.float64), table.target)
    copies = _find_repeated(same)
    remarks = list[Remark]()
    if len(copies):
        text = f"{_rows(len(copies), 'is an exact copy', 'are exact copies')} of an earlier one"
        remarks.append(
            remark_on_rows(
                f"{text}; rows with equal features stay in one fold",
                "",
                "SB201",
                copies,
            )
        )
    n_targets = np.bincount(patterns[np.unique(same, return_index=True)[1]])
    disagreeing = np.flatnonzero(n_targets[patterns] > 1)
    if len(disagreeing) and not table.outcome.is_number:
        text = f"{_rows(len(disagreeing), 'has', 'have')} the features of a row with another target"
        remarks.append(
            remark_on_rows(
                f"{text}; rows with equal features stay in one fold",
                "",
                "SB202",
                disagreeing,
            )
        )
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


def pairs_of(values: NDArray[Any]) -> float:
    """Return the number of pairs of rows with equal values [row]; each missing cell counts as equal
    to the others."""
    sizes = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((sizes * (sizes - 1)).sum() / 2)


def _find_repeated(groups: Ints) -> Ints:
    """Return the rows whose group an earlier row has."""
    return np.setdiff1d(np.arange(len(groups)), np.unique(groups, return_index=True)[1])


def _rows(n: int, singular: str, plural: str) -> str:
    return f"{counted(n, 'row')} {singular if n == 1 else plural}"


def find_leaks(table: Table) -> tuple[Note, ...]:
    """Return a note (SB203) for each column that alone predicts the target almost perfectly.

    Values are put into up to 64 bins of equally many rows (32 per class). A frequent value, each
    level of a category and missing cells have separate bins. In each of 5 folds, a bin is predicted
    by its rows in the other folds: as the class of which it has the largest part, or as their mean.
    A column is suspect with a balanced accuracy, or an R2 of the target's ranks (one huge number
    would decide that of the target), above .98.

    In few rows, bins are too coarse. So a column is suspect, too, if its cuts or levels separate
    the classes (`_separates`), or if its ranks correlate with those of a numeric target. At most
    20,000 rows are used, equally many of each class if possible, as the score gives each the same
    weight.
    """
    rng = np.random.default_rng(0)
    if table.outcome.is_number:
        if table.n_rows < 2 * _FEWEST_OF_A_CLASS:
            return ()
        rows = rng.permutation(table.n_rows)[:_MOST_ROWS]
        ranks = mean_ranks(table.target[rows])
        score = functools.partial(_skill, target=ranks[:, None])
        measure = "R2"
        in_few = functools.partial(_monotone, rows=rows, target=ranks - ranks.mean())
        most_bins = 2 * _BINS_OF_A_CLASS
    else:
        classes = np.flatnonzero(np.bincount(table.target) >= _FEWEST_OF_A_CLASS)
        if (n_classes := len(classes)) < 2:
            return ()
        order = rng.permutation(table.n_rows)
        most = _MOST_ROWS // n_classes
        rows = rng.permutation(
            np.concatenate(
                [order[table.target[order] == code][:most] for code in classes]
            )
        )
        codes = np.searchsorted(classes, table.target[rows])
        score = functools.partial(_balanced_accuracy, codes=codes, n_classes=n_classes)
        measure = "balanced accuracy"
        most_bins = n_classes * _BINS_OF_A_CLASS
        in_few = functools.partial(
            _separates,
            rows=rows,
            codes=codes,
            n_classes=n_classes,
            n_columns=table.n_features,
        )
    notes = []
    for column in table.columns:
        value = score(*_bin_values(column, rows, most_bins))
        where = "out of fold"
        if value <= _SUSPECT and (cut := in_few(column)) > _SUSPECT:
            value = cut
            where = "on all rows, more than by chance"
        if value > _SUSPECT:
            text = f"{min(value, 0.999):.3f}" if value < 1 else "1"
            finding = f"'{column.name}' alone predicts '{table.target_name}' almost perfectly ({measure} {text} {where})"
            notes.append(_leak(column.name, finding, "SB203"))
    return tuple(notes)


def _leak(name: str, finding: str, code: str, share: float = 0.0) -> Note:
    """Return a warning about a column that may be known only after the outcome."""
    message = (
        f"{finding}: is it known before the outcome? If not, leave it out with "
        f"{spell('drop', name)}"
    )
    return Note(
        message, name, code, finding=finding, remedy={"drop": (name,)}, share=share
    )


def find_best_column(table: Table, leaks: Iterable[Note] = ()) -> list[Note]:
    """Return a note about the column, except known `leaks`, that alone has the best score: SB212 if
    that is over 20, SB203 if over 95.

    The score is that of comparisons, R2 or the Brier skill: the largest of that of bins of values,
    few or many, as in `find_leaks`, and for numbers of a line.
    """
    rows = np.random.default_rng(0).permutation(table.n_rows)[:_MOST_ROWS]
    if table.n_rows < 2 * _FEWEST_OF_A_CLASS:
        return []
    target = table.target[rows, None]
    if not table.outcome.is_number:
        target = np.eye(len(table.labels))[table.target[rows]]
    known = {note.column for note in leaks}
    others = (column for column in table.columns if column.name not in known)
    scores = [(_score_alone(column, rows, target), column.name) for column in others]
    share, name = max(scores, default=(0.0, ""))
    if share < _WORTH_NAMING:
        return []
    finding = f"'{name}' alone has a score of {100 * share:.0f}"
    return [_leak(name, finding, "SB203" if share > _HIGH else "SB212", share)]


def _score_alone(column: Column, rows: Ints, target: Floats) -> float:
    """Return the score of a column alone from 0 to 1, see `find_best_column`."""
    n_bins = (_FEWEST_BINS, _BINS_OF_A_CLASS * max(2, target.shape[1]))
    score = max(_skill(*_bin_values(column, rows, n), target) for n in n_bins)
    values = column.values[rows]
    if target.shape[1] > 1 or column.schema.kind != "number" or np.isnan(values).any():
        return score
    return max(score, float(np.corrcoef(values, target[:, 0])[0, 1]) ** 2)


def _monotone(column: Column, rows: Ints, target: Floats) -> float:
    """Return the squared rank correlation of a column with centred ranks; 0 of a category or a
    constant column."""
    ranks = _ranks(column.values[rows])[:, 0]
    spread = float((ranks**2).sum() * (target**2).sum())
    return (
        float((ranks @ target) ** 2) / spread
        if spread > 0 and column.schema.kind != "category"
        else 0.0
    )


def _separates(
    column: Column, rows: Ints, codes: Ints, n_classes: int, n_columns: int
) -> float:
    """Return the balanced accuracy of the best cuts of a column, or of its levels; 0 if it may be
    chance.

    If labels were permuted, at most n_classes! (n_classes^levels) of the n! / prod(n_c!)
    arrangements are separated by cuts (levels), times those of the rows that are on the wrong side.
    A level of one row predicts nothing.
    """
    values = column.values[rows]
    sizes = np.bincount(codes, minlength=n_classes)
    order = np.argsort(values, kind="stable")  # missing cells come last
    ordered = values[order]
    present = len(rows) - int(np.isnan(values).sum())
    if not present:
        return 0.0
    of_class = np.eye(n_classes)[codes[order]]
    ends = np.append(
        np.flatnonzero(ordered[1:present] != ordered[: present - 1]) + 1, present
    )
    before = (
        np.vstack([np.zeros(n_classes), np.cumsum(of_class, axis=0)[ends - 1]]) / sizes
    )
    missing = of_class[present:].sum(axis=0)
    if column.schema.kind == "category":
        levels = np.diff(before, axis=0) * sizes
        right = float((levels[levels.sum(axis=1) > 1] / sizes).max(axis=1).sum())
        arrangements = len(ends) * np.log(n_classes)
    else:
        by_mean = np.argsort(
            [np.mean(np.flatnonzero(members)) for members in of_class.T]
        )
        gained = before[:, by_mean[0]]
        for code in by_mean[1:]:
            gained = np.maximum.accumulate(gained - before[:, code]) + before[:, code]
        right = float(gained[-1])
        arrangements = math.lgamma(n_classes + 1)
    if missing.sum() > 1:
        right += float((missing / sizes).max())
        arrangements += np.log(n_classes)
    n = len(rows)
    wrong = np.arange(1 + round((n_classes - right) * sizes.max()))
    if right <= _SUSPECT * n_classes or len(wrong) > n:
        return 0.0
    log_factorial = np.append(0.0, np.cumsum(np.log(np.arange(1, n + 1))))
    misplaced = (
        log_factorial[n]
        - log_factorial[wrong]
        - log_factorial[n - wrong]
        + wrong * np.log(n_classes - 1)
    )
    chance = (
        arrangements
        + np.logaddexp.reduce(misplaced)
        - log_factorial[n]
        + log_factorial[sizes].sum()
    )
    return right / n_classes if chance + np.log(n_columns) < np.log(_BY_LUCK) else 0.0


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


def _balanced_accuracy(bins: Ints, fold: Ints, codes: Ints, n_classes: int) -> float:
    shape = (_FOLDS, int(bins.max()) + 1, n_classes)
    tested = np.bincount(
        np.ravel_multi_index((fold, bins, codes), shape), minlength=math.prod(shape)
    ).reshape(shape)
    trained = tested.sum(axis=0) - tested
    sizes = np.maximum(trained.sum(axis=1, keepdims=True), 1)
    predicted = (trained / sizes).argmax(axis=2)[:, :, None]
    right = np.take_along_axis(tested, predicted, axis=2) * (
        trained.sum(axis=2, keepdims=True) > 0
    )
    of_class = np.zeros(n_classes)
    np.add.at(of_class, predicted.ravel(), right.ravel())
    return float((of_class / tested.sum(axis=(0, 1))).mean())


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


def find_order(
    table: Table,
    groups: Ints | None,
    identifiers: Iterable[str] = (),
    columns: Sequence[Column] = (),
) -> tuple[Note, ...]:
    """Return a warning (SB209) if neighbouring rows are alike in the target, as in measurements
    over time.

    The target is compared with its neighbours up to 10 rows away (`_Neighbours.resemble`), first
    itself, then what the features leave of it: an additive fit to the means of 8 to 64 bins per
    feature. In a table that is sorted by its target, most features must resemble those of the next
    row (r of at least 0.4), given the target, as in sonar, whose echoes of one object follow each
    other. Pairs within one of the `groups` [row] don't count. If no likeness is left between rows
    with different values of one of the `identifiers`, the warning names that feature. Else it names
    the first of the `columns` that increases from row to row, or that holds dates.
    """
    finding, like, does_harm = _order(table, groups)
    if not does_harm:
        return (Note(finding, table.target_name),) if finding else ()
    remedy = dict[str, tuple[str, ...]]()
    rising = [one for one in columns if (np.diff(one.values) > 0).all()]
    dates = [
        one
        for one in columns
        if one.schema.kind == "date" and np.isfinite(one.values).all()
    ]
    if rising or dates:
        remedy["time_split"] = ((rising or dates)[0].name,)
    by_time = f"Split by time with {spell_all(remedy) or spell('time_split')}"
    if not remedy:
        by_time += f" (a column of times or row numbers), or keep the rows of a group in one fold with {spell('group')}"
    advice = f"Folds are shuffled, so scores and verdicts may be too good. {by_time}"
    for column in (feature for feature in table.columns if feature.name in identifiers):
        same = np.unique(column.values, return_inverse=True, equal_nan=False)[1]
        if not _order(table, merge_groups(groups, same))[2]:
            remedy = {"group": (column.name,)}
            like = f"as rows with the same '{column.name}' are"
            advice = f"Keep them in one fold with {spell_all(remedy)}"
    finding += like and f", {like}"
    return (
        Note(
            f"{finding}. {advice}",
            table.target_name,
            "SB209",
            finding=finding,
            remedy=remedy,
        ),
    )


def _order(table: Table, groups: Ints | None) -> tuple[str, str, bool]:
    """Return what was found in the order of the rows, what it is like, and whether it does harm."""
    name, n_rows = table.target_name, table.n_rows
    starts = np.linspace(0, n_rows - _WINDOW, _MOST_WINDOWS).astype(np.int64)
    few = n_rows <= _WINDOW * _MOST_WINDOWS
    rows = np.arange(n_rows) if few else (starts[:, None] + np.arange(_WINDOW)).ravel()
    numeric = table.outcome.is_number
    neighbours = _Neighbours(rows, None if groups is None else groups[rows])
    if numeric:
        target = _ranks(table.target[rows])
    else:
        classes = np.eye(len(table.labels))[table.target[rows]]
        target = classes - classes.mean(axis=0)
    if len(rows) < _FEWEST_IN_ORDER or not (
        neighbours.resemble(target) or neighbours.in_pairs(target)
    ):
        return "", "", False
    correlation = neighbours.correlations(target)[0]
    steps = np.diff(table.target[rows])
    one_way = min((steps < 0).mean(), (steps > 0).mean()) < 0.01
    if (
        one_way
        if numeric
        else correlation > _SORTED or (steps != 0).sum() < 2 * len(table.labels)
    ):
        within = np.vander(np.linspace(-1, 1, len(rows)), 4) if numeric else classes
        features = (
            _residuals_of(_ranks(column.values[rows]), within)
            for column in table.columns
        )
        if (
            np.median([neighbours.correlations(feature)[0] for feature in features])
            < _ALIKE_WITHIN
        ):
            return (
                f"the rows are sorted by '{name}'; folds are shuffled, so this does no harm",
                "",
                False,
            )
        return (
            f"the rows are sorted by '{name}', and rows of one '{name}' are alike in most features",
            "",
            True,
        )
    means = []
    n_bins = max(_FEWEST_BINS, min(_MOST_BINS, len(rows) // _ROWS_IN_A_BIN))
    for bins in (_bin_values(column, rows, n_bins)[0] for column in table.columns):
        sums = np.stack(
            [np.bincount(bins, weights=weights) for weights in target.T], axis=1
        )
        means.append((sums / np.bincount(bins)[:, None])[bins])
    means.sort(key=lambda fit: -float((fit**2).sum()))
    fits = means[: max(1, min(_MOST_FEATURES, len(rows) // _ROWS_OF_A_FEATURE))]
    left_over = _residuals_of(target, np.hstack([np.ones((len(rows), 1)), *fits]))
    if neighbours.resemble(left_over):
        finding = (
            f"neighbouring rows are alike in '{name}' (correlation {correlation:.2f})"
        )
        return finding, "as in measurements over time", True
    if neighbours.in_pairs(target) and neighbours.in_pairs(left_over):
        return (
            f"the rows come in pairs that are alike in '{name}'",
            "as two visits of one patient",
            True,
        )
    return "", "", False


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

    def in_pairs(self, values: Floats) -> bool:
        """Return whether each second row clearly resembles the one before, at least twice as much
        as the one after."""
        product = (values[:-1] * values[1:]).sum(axis=1) / max(
            float((values**2).sum(axis=1).mean()), 1e-12
        )
        by_parity = [product[start::2][self._pairs[0][start::2]] for start in (0, 1)]
        if min(map(len, by_parity)) < _FEWEST_IN_ORDER // 4:
            return False
        first, second = sorted(
            (float(products.mean()) for products in by_parity), reverse=True
        )
        clear = max(
            _IN_PAIRS,
            _CLEAR * float(np.sqrt(1 / len(by_parity[0]) + 1 / len(by_parity[1]))),
        )
        return first - second > clear and first > 2 * second


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
