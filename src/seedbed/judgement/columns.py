"""Which column of a file holds what (candidates, splits, seeds, scores), and what a score is by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Frame, Texts, frame_of_values, likely_target, parse_number, read_new_rows
from seedbed.errors import ColumnError, DataError, OptionError, did_you_mean
from seedbed.evaluation import METRICS, Metric, known_metric
from seedbed.typing import Floats

__all__ = [
    "Factor",
    "Recognised",
    "Roles",
    "check_number",
    "factor",
    "found_roles",
    "is_beside",
    "numbers",
    "read_scores",
    "recognise",
    "score_kind",
    "target_of",
]


CONVENTIONS: Mapping[str, tuple[str, ...]] = {
    "candidate": ("candidate", "model", "method", "algorithm", "classifier", "estimator", "learner", "name"),
    "dataset": ("table", "dataset", "data_set"),
    "repeat": ("repeat", "repetition", "rep"),
    "fold": ("fold", "split", "cv_fold", "fold_id", "split_id"),
    "seed": ("seed", "random_state", "random_seed", "run", "trial"),
    "row": ("row", "row_id", "sample_id", "instance", "id"),
    "n_train": ("n_train", "train_size", "train_rows"),
    "n_test": ("n_test", "test_size", "test_rows"),
    "bootstrap": ("bootstrap", "bootstrap_sample", "boot", "resample", "resampling", "oob"),
}
"""Usual names of a column by what it holds, in lower case."""

_PREDICTIONS = ("probability", "prediction", "proba", "y_prob", "y_pred", "y_score", "predicted")
_BESIDE = re.compile(
    r"(.*_)?(time|seconds|duration)|epochs?|steps?|n_parameters|parameters|params|train_.*|unnamed.*|index|"
)
_PARTS = {"train", "training", "test", "val", "valid", "validation", "dev"}
# Not 1,234, which may be 1234.
_DECIMAL_COMMA = re.compile(r"[+-]?(?:0*,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))")
_NO_NUMBER = {"", "nan", "na", "n/a", "null", "none", "inf", "-inf", "+inf", "infinity", "-infinity", "-", "?"}
_MOST = {"candidate": 1_000, "dataset": 20_000}
"""The most labels of a column: a wrong column has more, and each of them takes time."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """The names of columns that the user gives; None for a column that is found by its usual name."""

    candidate: str | None = None
    dataset: str | None = None
    repeat: str | None = None
    fold: str | None = None
    seed: str | None = None
    row: str | None = None
    target: str | None = None
    score: str | None = None


@dataclass(frozen=True)
class Recognised:
    """Positions of columns by what they hold.

    Attributes:
        roles: the keys of `CONVENTIONS` that the file has.
        values: the column of scores; in the wide form, one column per candidate.
        wide: whether each candidate has a column of its own.
        score: the name of the score.
    """

    roles: Mapping[str, int]
    values: tuple[int, ...]
    wide: bool
    score: str


@dataclass(frozen=True, eq=False)
class Factor:
    """A column of labels as codes [row] into `labels`, in order of appearance; `name` is the column's name."""

    name: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]


def read_scores(source: Any, **options: Any) -> Frame:
    """Read a path, a data frame, or a mapping from names to columns.

    Raises:
        DataError: it can't be read, or has no rows.
    """
    if isinstance(source, Mapping):
        lists = {str(name): np.asarray(column).tolist() for name, column in source.items()}
        if len({len(column) if isinstance(column, list) else 0 for column in lists.values()}) != 1:
            raise DataError("the columns aren't lists of one length", "Give one value a row in each of them.")
        given = frame_of_values(list(lists.values()), list(lists), "the mapping")
        if not given.n_rows:
            raise DataError("the mapping: there are no rows", "Give a row for each score.")
        return given
    if isinstance(source, list) and not source:
        raise DataError("there are no rows", "Give a row for each score.")
    frame = read_new_rows(source, (), **options)
    if not frame.n_rows:
        raise DataError(f"{frame.where}: there are no rows", "Give a row for each score.")
    return frame


def recognise(columns: Frame, given: Roles) -> Recognised:
    """Return the role of each column of a file of scores.

    Raises:
        ColumnError: a named column is missing; there are no candidates, no scores, or several columns that could be.
    """
    roles = found_roles(columns, given)
    names = columns.names
    if given.score is not None and given.score in names:
        values: list[int] = [names.index(given.score)]
    else:
        taken = set(roles.values())
        free = [i for i in range(len(names)) if i not in taken and not is_beside(names[i])]
        values = [i for i in free if np.isfinite(readings(columns, i)).any()]
    wide = "candidate" not in roles and (given.score is None or given.score not in names)
    if not wide and given.score is not None and given.score not in names:
        raise ColumnError(f"{columns.where}: there is no column '{given.score}'", did_you_mean(given.score, names))
    _check_values(columns, values, wide=wide)
    if wide:
        check_number(columns.where, len(values))
    return Recognised(roles, tuple(values), wide, (given.score or "") if wide else names[values[0]])


def target_of(columns: Frame, given: Roles, *, scores: bool) -> str | None:
    """Return the column of true values if the file holds predictions, else None.

    If the user names none, it is a column with a usual name, provided that another one has a usual name of predictions,
    or that no column names the candidates, so that each of the others holds the predictions of one.

    Args:
        scores: whether the user gives options about scores. Such a file has candidates in columns of predictions only
            if it names the rows as well.

    Raises:
        ColumnError: several columns could be it, or rows are named and no column has a usual name.
    """
    if given.target is not None:
        return given.target
    roles = found_roles(columns, given)
    free = [name for i, name in enumerate(columns.names) if i not in roles.values() and name != given.score]
    wide = "candidate" not in roles and ("row" in roles or not scores)
    if not wide and not any(plain(name).startswith(_PREDICTIONS) for name in free):
        return None
    target = likely_target(free, usual_only=True)
    if target is None:
        if wide and "row" in roles and not scores:
            message = f"{columns.where}: no column names the candidates, and none has a usual name of true values"
            raise ColumnError(message, "Predictions: --target NAME. Scores of candidates in columns: --score accuracy.")
        return None
    other = likely_target([name for name in free if name != target], usual_only=True)
    if other is not None:
        message = f"{columns.where}: the columns '{target}' and '{other}' could both hold the true values"
        raise ColumnError(message, f"Name one: --target {target}.")
    return target


def found_roles(columns: Frame, given: Roles) -> dict[str, int]:
    """Return positions of columns by the keys of `CONVENTIONS`. Raises ColumnError."""
    found = {}
    for role, usual in CONVENTIONS.items():
        name = getattr(given, role, None)
        if name is not None:
            if name not in columns.names:
                raise ColumnError(f"{columns.where}: there is no column '{name}'", did_you_mean(name, columns.names))
            found[role] = columns.names.index(name)
            continue
        asked = {getattr(given, other) for other in Roles.__dataclass_fields__}
        there = [i for i, one in enumerate(columns.names) if plain(one) in usual and one not in asked]
        if len(there) > 1:
            both = " and ".join(f"'{columns.names[i]}'" for i in there[:2])
            raise ColumnError(
                f"{columns.where}: the columns {both} could both be the {role}",
                f"Name one: --{role} {columns.names[there[0]]}.",
            )
        if there:
            found[role] = there[0]
    return found


def _check_values(columns: Frame, values: Sequence[int], *, wide: bool) -> None:
    where, names = columns.where, [columns.names[i] for i in values]
    listed = ", ".join(f"'{name}'" for name in names[:8]) + (", ..." if len(names) > 8 else "")
    if not names:
        raise ColumnError(
            f"{where}: there is no column of scores among {', '.join(columns.names[:20])}",
            "Give a row for each candidate and split, with a column such as accuracy; or name it: --score NAME.",
        )
    if not wide and len(names) > 1:
        raise ColumnError(f"{where}: {listed} could all be the score", f"Name one: --score {names[0]}.")
    if wide and (len(names) < 2 or all(_known(name) for name in names)):
        raise ColumnError(
            f"{where}: no column names the candidates, and {listed} look{'s' * (len(names) == 1)} like scores",
            "Add a column 'candidate', or name the one there is: --candidate NAME.",
        )


def check_number(where: str, n_candidates: int, most: int = _MOST["candidate"]) -> None:
    """Raise OptionError where there are too many candidates."""
    if n_candidates > most:
        message = f"{where}: {n_candidates:,} columns or names look like candidates; the most are {most:,}"
        raise OptionError(message, "Judge fewer, and count the others with --tried N.")


def factor(columns: Frame, position: int, role: str) -> Factor:
    """Return a column as codes and labels.

    Raises:
        ColumnError: a cell is empty.
        OptionError: the column marks rows as training or test rows.
    """
    name = columns.names[position]
    texts = columns.texts(position)
    order, codes = texts.texts, texts.codes.astype(np.int64)
    if "" in order:
        row = int(np.flatnonzero(codes == order.index(""))[0])
        place = columns.places([row])[row]
        raise ColumnError(f"{columns.where}: {place} has no {role}: column '{name}' is empty there", "Fill it in.")
    if role in ("fold", "repeat") and {label.lower() for label in order} <= _PARTS:
        message = f"{columns.where}: column '{name}' says {' and '.join(order)}, and not which split a score is of"
        raise OptionError(message, "Keep the scores of test rows, and number the splits.")
    if len(order) > _MOST.get(role, len(order)):
        message = f"{columns.where}: column '{name}' has {len(order):,} different values; the most are {_MOST[role]:,}"
        raise OptionError(message, f"If another column names the {role}s: --{role} NAME. Otherwise judge fewer.")
    return Factor(name, codes, order)


def readings(columns: Frame, position: int) -> Floats:
    """Return a column as numbers [row], '0,85' as 0.85 if some cell certainly has a decimal comma; others are NaN."""
    column = columns.columns[position]
    if not isinstance(column, Texts) or not any(map(_DECIMAL_COMMA.fullmatch, column.texts)):
        return columns.numbers(position)
    texts = (text if "." in text else text.replace(",", ".") for text in column.texts)
    return np.array([parse_number(text) for text in texts])[column.codes]


def numbers(columns: Frame, position: int) -> Floats:
    """Return a column as numbers [row], NaN for empty cells.

    Raises:
        ColumnError: a cell holds a text.
    """
    found = readings(columns, position)
    missing = np.flatnonzero(~np.isfinite(found))
    if missing.size:
        cells = columns.cells(position)
        for row in missing.tolist():
            cell = str(cells[row] or "").strip()
            if cell.lower() not in _NO_NUMBER:
                place, name = columns.places([row])[row], columns.names[position]
                raise ColumnError(f"{columns.where}: {place}, column '{name}' holds {cell[:40]!r}, which is no number")
    return np.where(np.isfinite(found), found, np.nan)


def is_beside(name: str) -> bool:
    """Return whether a column is about something else than scores or predictions, such as time."""
    return _BESIDE.fullmatch(plain(name)) is not None


def plain(name: str) -> str:
    """Return a column's name in lower case with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


_PREFIX = re.compile(r"(test|val|valid|validation|cv|mean|out_of_fold|oof)_")
_OTHER_NAMES = {
    "acc": "accuracy",
    "bal_acc": "balanced_accuracy",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "average_precision": "pr_auc",
    "auprc": "pr_auc",
    "matthews_corrcoef": "mcc",
    "brier_score": "brier",
    "logloss": "log_loss",
    "r_squared": "r2",
}
_HIGHER = frozenset(
    {"score", "f1", "f1_macro", "f1_micro", "f1_weighted", "precision", "recall", "sensitivity", "specificity", "kappa",
     "ndcg", "map", "iou", "dice", "bleu", "rouge", "top_1", "top_5", "explained_variance", "reward", "return", "gain",
     "likelihood", "log_likelihood"}
)  # fmt: skip
_LOWER = frozenset(
    {"loss", "nll", "cross_entropy", "error", "err", "mse", "rmse", "mean_squared_error", "root_mean_squared_error",
     "mean_absolute_error", "mape", "perplexity", "ece", "wer", "cer", "deviance", "regret", "cost"}
)  # fmt: skip


def score_kind(name: str, *, lower_is_better: bool | None) -> Metric:
    """Return what a score is by its name.

    Raises:
        OptionError: neither the name nor the user says which way is better.
    """
    known = _known(name)
    metric = METRICS[known] if known in METRICS else replace(known_metric(name or "score"), low=-np.inf)
    if lower_is_better is not None:
        return replace(metric, greater_is_better=not lower_is_better)
    if known is None:
        what = f"'{name}'" if name else "a score without a name"
        raise OptionError(
            f"it isn't known whether a high or a low value of {what} is better",
            "Add --higher-is-better or --lower-is-better"
            + ("." if name else ", or say what the numbers are: --score accuracy."),
        )
    return metric if known in METRICS else replace(metric, greater_is_better=known in _HIGHER)


def _known(name: str) -> str | None:
    """Return the usual name of a score; of scikit-learn's negated losses, which grow where they get better, `score`."""
    found = _PREFIX.sub("", plain(name))
    if found.startswith("neg_"):
        return "score"
    found = _OTHER_NAMES.get(found, found)
    return found if found in METRICS or found in _HIGHER or found in _LOWER else None
