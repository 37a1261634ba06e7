"""Which column of a file holds what (candidates, splits, seeds, scores), and what a score is by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import quote_names
from seedbed.data.frame import Frame
from seedbed.data.sources.memory import frame_of_values
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.sources.source_limits import EveryName
from seedbed.data.target import likely_target
from seedbed.errors import ColumnError, DataError, OptionError, SeedbedError, did_you_mean, spell
from seedbed.evaluation.metrics import METRICS, Metric, find_metric
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.typing import Floats

CONVENTIONS: Mapping[str, tuple[str, ...]] = {
    "candidate": ("candidate", "model", "method", "algorithm", "classifier", "estimator", "learner", "name"),
    "dataset": ("table", "dataset", "data_set"),
    "repeat": ("repeat", "repetition", "rep"),
    "fold": ("fold", "split", "cv_fold", "fold_id", "split_id"),
    "seed": ("seed", "random_state", "random_seed", "run", "trial"),
    "row": ("row", "row_id", "sample_id", "instance", "id"),
    "group": (),
    "n_train": ("n_train", "train_size", "train_rows"),
    "n_test": ("n_test", "test_size", "test_rows"),
    "bootstrap": ("bootstrap", "bootstrap_sample", "boot", "resample", "resampling", "oob"),
}
"""Usual names of a column by what it holds, in lower case."""

_PREDICTIONS = ("probability", "prediction", "proba", "y_prob", "y_pred", "y_score", "predicted")
_BESIDE = re.compile(
    r"(.*_)?(time|seconds|duration)|epochs?|steps?|n_parameters|parameters|params(_.*)?|(metrics_)?train_.*|unnamed.*"
    r"|index|random_state|random_seed|seed|run|trial|"
)
_TRUE = ("y", "y_true", "target", "label", "truth", "true_label")
"""Names of the true values, in lower case, which no candidate may have."""
_PARTS = {"train", "training", "test", "val", "valid", "validation", "dev"}
_DEVIATION = re.compile(r"(?<![^_])(standard_deviation|std_?dev|stdev|std|sd)(?![^_])")
_PLUS_MINUS = re.compile(r"[0-9]%? *(±|\+/?-|\\pm)")
_NO_NUMBER = {"", "nan", "na", "n/a", "null", "none", "inf", "-inf", "+inf", "infinity", "-infinity", "-", "?"}
_MOST = {"candidate": 1_000, "dataset": 20_000}
"""The most labels of a column: a wrong column has more, and each of them takes time."""
LARGEST = 1e30
"""The largest size of a score, a prediction or a margin; the smallest margin is its reciprocal."""
_NO_ROWS = "Give a row for each score."
_PREFIX = re.compile(r"(metrics|test|val|valid|validation|cv|mean|out_of_fold|oof)_")
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


@dataclass(frozen=True, eq=False)
class Factor:
    """A column of labels as codes [row] into `labels`, in order of appearance; `name` is the column's name."""

    name: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]


def read_scores(source: Any) -> Frame:
    """Read a path, a data frame, or a mapping from names to columns.

    Raises:
        DataError: it can't be read, or has no rows.
    """
    if isinstance(source, Mapping):
        lists = {str(name): np.asarray(column).tolist() for name, column in source.items()}
        if len({len(column) if isinstance(column, list) else 0 for column in lists.values()}) != 1:
            raise DataError("the columns aren't lists of one length", "Give one value a row in each of them.")
        frame = frame_of_values(list(lists.values()), list(lists), "the mapping", as_text=EveryName())
    elif isinstance(source, list) and not source:
        raise DataError("there are no rows", _NO_ROWS)
    else:
        try:
            frame = read_new_rows(source, (), as_text=EveryName())  # 1.1 and 1.10 are two candidates
        except SeedbedError as error:
            if not error.option:  # scores don't have it
                raise
            raise type(error)(error.message, "Save the scores as a separate CSV file.") from error
    if not frame.n_rows:
        raise DataError(f"{frame.where}: there are no rows", _NO_ROWS)
    return frame


def roles_of(columns: Frame, options: JudgeOptions) -> dict[str, int]:
    """Return positions of columns by the keys of `CONVENTIONS`. Raises ColumnError."""
    roles, names = dict[str, int](), columns.names
    named = {getattr(options, role, None) for role in (*CONVENTIONS, "target", "score")}
    for role, usual in CONVENTIONS.items():
        name = getattr(options, role, None)
        if name is not None and name not in names:
            raise ColumnError(f"{columns.where}: there is no column '{name}'", did_you_mean(name, names))
        positions = [i for i, other in enumerate(names) if plain(other) in usual and other not in named]
        if name is not None:
            positions = [names.index(name)]
        if role == "seed":  # exports of trackers name each run beside its seed
            positions = [i for i in positions if plain(names[i]) == "seed"] or positions
        if len(positions) > 1:
            both = " and ".join(f"'{names[i]}'" for i in positions[:2])
            message = f"{columns.where}: the columns {both} could both be the {role}"
            raise ColumnError(message, f"Name one with {role}: {names[positions[0]]}.")
        if positions:
            roles[role] = positions[0]
    return roles


def target_of(columns: Frame, roles: Mapping[str, int], options: JudgeOptions, *, scores: bool) -> str | None:
    """Return the column of true values if the file holds predictions, else None.

    If the user names none, it is a column with a usual name, provided that another one has a usual name of predictions,
    or that no column names the candidates, so that each of the others holds the predictions of one.

    Args:
        scores: whether the user gives options that are about scores only.

    Raises:
        ColumnError: several columns could be it, or rows are named and no column has a usual name.
    """
    if options.target is not None:
        return options.target
    free = [name for i, name in enumerate(columns.names) if i not in roles.values() and name != options.score]
    wide = "candidate" not in roles
    if not wide and not any(plain(name).startswith(_PREDICTIONS) for name in free):
        return None
    target = likely_target(free, usual_only=True)
    if target is None:
        if wide and "row" in roles and not scores and options.score is None:
            message = f"{columns.where}: no column names the candidates, and none has a usual name of true values"
            accuracy = spell("score", "accuracy")
            hint = f"Predictions need {spell('target', 'NAME')}, scores of candidates in columns {accuracy}."
            raise ColumnError(message, hint)
        return None
    other = likely_target([name for name in free if name != target], usual_only=True)
    if other is not None:
        message = f"{columns.where}: the columns '{target}' and '{other}' could both hold the true values"
        raise ColumnError(message, f"Name one with {spell('target', target)}.")
    return target


def score_columns(columns: Frame, roles: Mapping[str, int], score: str | None) -> list[int]:
    """Return the column of scores; of a file without candidates, which is in the wide form, one for each candidate.

    Args:
        score: the column of scores, or what the numbers of the wide form are.

    Raises:
        ColumnError: the named column is missing; there are no candidates, no scores, or several columns that could be.
        OptionError: there are too many candidates.
    """
    where, names = columns.where, columns.names
    wide, free = "candidate" not in roles, free_columns(columns, roles)
    named = [i for i, name in enumerate(names) if name == score]
    named = named or [i for i in free if not wide and _PREFIX.sub("", plain(names[i])) == plain(score or " ")]
    if len(named) == 1:
        if wide:
            raise _no_candidates(where, [names[named[0]]])
        return named
    values = [i for i in free if np.isfinite(columns.numbers(i)).any()]
    value_names = [names[i] for i in values]
    if not wide and score is not None:
        raise ColumnError(f"{where}: there is no column '{score}'", did_you_mean(score, names))
    if not values:
        raise ColumnError(
            f"{where}: there is no column of scores among {', '.join(names[:20])}",
            "Give a row for each candidate and split, with a column such as accuracy; or name it with score: NAME.",
        )
    if not wide and len(values) > 1:
        message = f"{where}: {quote_names(value_names, 8)} could all be the score"
        raise ColumnError(message, f"Name one with score: {value_names[0]}.")
    if wide and (len(values) < 2 or all(_usual_name(name) for name in value_names)):
        raise _no_candidates(where, value_names)
    check_number(where, len(values))
    return values


def refuse_means(columns: Frame, roles: Mapping[str, int]) -> None:
    """Raise OptionError if the file has one row for each candidate, with a mean and a standard deviation."""
    free = free_columns(columns, roles)
    texts = [i for i in free if not np.isfinite(columns.numbers(i)).any()]
    deviations = [i for i in texts if any(map(_PLUS_MINUS.search, columns.texts(i).texts))]
    names = [roles["candidate"]] if "candidate" in roles else texts
    if not roles.keys() & {"fold", "repeat", "seed", "row"} and any(
        len(columns.texts(i).texts) == columns.n_rows for i in names
    ):
        deviations += [i for i in free if _DEVIATION.search(plain(columns.names[i]))]
    if deviations:
        message = f"{columns.where}: column '{columns.names[deviations[0]]}' holds standard deviations of scores"
        why = "They don't say how the scores of two candidates vary together over the splits, which decides."
        raise OptionError(message, f"{why} Give a row for each candidate and fold.")


def reference_among(names: Sequence[str], options: JudgeOptions) -> str:
    """Return the reference.

    Raises:
        OptionError: it isn't among the candidates, there are fewer than two, or one of them has the name of the
            true values.
    """
    if true := [name for name in names if plain(name) in _TRUE]:
        hint = "In predictions, keep this column of true values, and give no scores; in scores, rename the candidate."
        raise OptionError(f"a candidate is named '{true[0]}', which is a usual name of the true values", hint)
    if len(names) < 2:
        raise OptionError(f"there is one candidate, {names[0]}", "Give the scores or predictions of two or more.")
    if options.reference is not None and options.reference not in names:
        message = f"the reference '{options.reference}' is not among the candidates"
        raise OptionError(message, did_you_mean(options.reference, names))
    return options.reference or names[0]


def free_columns(columns: Frame, roles: Mapping[str, int]) -> list[int]:
    """Return the columns without a role that may hold scores or predictions, and nothing such as time."""
    used = set(roles.values())
    return [i for i, name in enumerate(columns.names) if i not in used and _BESIDE.fullmatch(plain(name)) is None]


def _no_candidates(where: str, scores: Sequence[str]) -> ColumnError:
    look = "looks" if len(scores) == 1 else "look"
    message = f"{where}: no column names the candidates, and {quote_names(scores, 8)} {look} like scores"
    return ColumnError(message, f"Add a column 'candidate', or name yours with {spell('candidate', 'NAME')}.")


def check_number(where: str, n_candidates: int, most: int = _MOST["candidate"]) -> None:
    """Raise OptionError where there are too many candidates."""
    if n_candidates > most:
        message = f"{where}: {n_candidates:,} columns or names look like candidates; the most are {most:,}"
        raise OptionError(message, "Judge fewer, and count the others with tried: N.")


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
        raise OptionError(message, f"If another column names the {role}s, give {role}: NAME. Otherwise judge fewer.")
    return Factor(name, codes, order)


def numbers(columns: Frame, position: int) -> Floats:
    """Return a column as numbers [row], NaN for empty cells.

    Raises:
        ColumnError: a cell holds a text, or a number so large that its square or a sum may be infinite.
    """
    values = columns.numbers(position)
    missing = ~np.isfinite(values)
    for row in np.flatnonzero(~missing & (np.abs(values) > LARGEST))[:1].tolist():
        message = f"{columns.places([row])[row]}, column '{columns.names[position]}' holds {values[row]:.4g}"
        hint = f"Numbers may be up to {LARGEST:g}: give them in another unit, or leave the cell of a failed run empty."
        raise ColumnError(f"{columns.where}: {message}", hint)
    if missing.any():
        texts = columns.texts(position)
        is_text = np.array([text.lower() not in _NO_NUMBER for text in texts.texts], dtype=np.bool_)
        for row in np.flatnonzero(missing & is_text[texts.codes])[:1].tolist():
            place, text = columns.places([row])[row], texts.text_at(row)[:40]
            message = f"{place}, column '{columns.names[position]}' holds {text!r}, which is no number"
            raise ColumnError(f"{columns.where}: {message}", "Write a decimal point." if "," in text else "")
    return np.where(missing, np.nan, values)


def plain(name: str) -> str:
    """Return a column's name in lower case with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def score_kind(name: str, *, lower_is_better: bool | None) -> Metric:
    """Return what a score is by its name.

    Raises:
        OptionError: neither the name nor the user says which way is better.
    """
    usual_name = _usual_name(name)
    metric = METRICS[usual_name] if usual_name in METRICS else replace(find_metric(name or "score"), low=-np.inf)
    if lower_is_better is not None:
        return replace(metric, greater_is_better=not lower_is_better)
    if usual_name is None:
        what = f"'{name}'" if name else "a score without a name"
        raise OptionError(
            f"it isn't known whether a high or a low value of {what} is better",
            "Say whether lower is better ('lower_is_better')"
            + ("." if name else ", or say what the numbers are, as in score: accuracy."),
        )
    return metric if usual_name in METRICS else replace(metric, greater_is_better=usual_name in _HIGHER)


def _usual_name(name: str) -> str | None:
    """Return the usual name of a score; of scikit-learn's negated losses, which grow where they get better, `score`."""
    score = _PREFIX.sub("", plain(name))
    if score.startswith("neg_"):
        return "score"
    score = _OTHER_NAMES.get(score, score)
    return score if score in METRICS or score in _HIGHER or score in _LOWER else None
