"""What each column of a file of scores or predictions holds, by one table of roles, and what a
score is by its name."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import quote_names
from seedbed.data.frame import Frame, Numbers, Texts
from seedbed.data.sources.loaded import EveryName
from seedbed.data.sources.memory import frame_of_values, is_table
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.target import likely_target
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    SeedbedError,
    did_you_mean,
    spell,
)
from seedbed.evaluation.metrics import METRICS, Metric, find_metric
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.typing import Floats


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


@dataclass(frozen=True)
class Role:
    """What a column may hold. An option with the name of the role names a column that has no usual
    name.

    Attributes:
        names: its usual names, in plain form.
        most: the most labels: a wrong column has more, and each of them takes time. None for any
            number.
        first: the usual name that is meant where several columns have one; without it, they are
            refused.
        is_split: whether its labels number splits, which the words for training and test rows
            don't.
        is_found: whether a usual name alone gives a column the role.
    """

    names: tuple[str, ...] = ()
    most: int | None = None
    first: str = ""
    is_split: bool = False
    is_found: bool = True


ROLES: Mapping[str, Role] = {
    "candidate": Role(
        _words(
            "candidate model method algorithm classifier estimator learner system name key_scheme"
        ),
        most=1_000,
    ),
    "dataset": Role(_words("table dataset data_set task key_dataset")),
    "repeat": Role(_words("repeat repetition rep key_run"), is_split=True),
    "fold": Role(_words("fold split cv_fold fold_id split_id key_fold"), is_split=True),
    # Exports of trackers name each run beside its seed.
    "seed": Role(
        _words("seed random_state random_seed run trial attempt"), first="seed"
    ),
    "row": Role(
        _words(
            "row row_id sample_id instance id item item_id question question_id sample task_id doc_id"
        )
    ),
    "group": Role(),
    "n_train": Role(_words("n_train train_size train_rows")),
    "n_test": Role(_words("n_test test_size test_rows")),
    "bootstrap": Role(
        _words("bootstrap bootstrap_sample boot resample resampling oob")
    ),
    "target": Role(_words("y y_true target label truth true_label"), is_found=False),
    "probability": Role(
        _words("probability proba prob y_prob y_proba y_score p"), is_found=False
    ),
    "prediction": Role(
        _words("prediction predicted y_pred pred forecast"), is_found=False
    ),
}
"""What columns may hold. No candidate may have a usual name of the target."""

_PREDICTIONS = _words("probability prediction proba y_prob y_pred y_score predicted")
_BESIDE = re.compile(
    r"(.*_)?(time|runtime|timestamp|seconds|duration|tokens)|epochs?|steps?|n_parameters|parameters|params?(_.*)?|tags_.*|(metrics_)?train_.*"
    rf"|(.*_)?hash|(public|private)_?score|key_.*|experiment_id|run_id|unnamed.*|index|system_attrs_.*|retries|{'|'.join(ROLES['seed'].names)}|"
)
_PARTS = {*_words("train training test val valid validation dev")}
_DEVIATION = re.compile(r"(?<![^_])(standard_deviation|std_?dev|stdev|std|sd)(?![^_])")
_PLUS_MINUS = re.compile(r"[0-9]%? *(±|\+/?-|\\pm)")
_NO_NUMBER = {"", *_words("nan na n/a null none inf -inf +inf infinity -infinity - ?")}
_ROUNDING = 1e-9
LARGEST = 1e30
"""The largest size of a score, a prediction or a margin; the smallest margin is its reciprocal."""
_FOLD_LABEL = re.compile(r"(?i)((fold|rep(eat)?)[\W_]?\d+[\W_]*)+")
_DRAWN_LABEL = re.compile(r"(?i)(boot(strap)?|resample|oob)[\W_]?\d+")
_COUNTED = {"dataset", "repeat", "fold", "seed", "row"}  # their labels are counted
_INDICES = {"", "index", "unnamed_0"}
_SUMMARIES = {*_words("mean average avg median std sd stdev se sem overall total")}
_PREFIX = re.compile(
    r"^((metrics|test|val|valid|validation|cv|out_of_fold|oof)_"
    r"|mean_(?!absolute|squared|pinball|poisson|gamma))+"
)
_TAG = re.compile(r"(params|tags)_")
_OTHER_NAMES = {
    "acc": "accuracy",
    "success": "accuracy",
    "bal_acc": "balanced_accuracy",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "logloss": "log_loss",
    "average_precision": "pr_auc",
    "auprc": "pr_auc",
    "matthews_corrcoef": "mcc",
    "brier_score": "brier",
    "r_squared": "r2",
    **dict.fromkeys(
        _words("correct is_correct passed success solved resolved exact_match"),
        "accuracy",
    ),
}
_RIGHT = {
    "true": 1.0,
    "false": 0.0,
    "correct": 1.0,
    "incorrect": 0.0,
    "c": 1.0,
    "p": 0.5,
    "i": 0.0,
    "n": 0.0,
}
"""What words of a column of scores mean; the letters are those of Inspect: correct, partial,
incorrect, no answer."""
_HIGHER = _words(
    "score f1 f1_macro f1_micro f1_weighted precision recall sensitivity specificity kappa ndcg map "
    "iou dice bleu rouge top_1 top_5 explained_variance reward return gain likelihood log_likelihood"
)
_MAY_BE_NEGATIVE = _words("loss nll deviance regret cost")
_LOWER = _MAY_BE_NEGATIVE + _words(
    "cross_entropy error err mse rmse mean_squared_error root_mean_squared_error mean_absolute_error "
    "median_absolute_error mean_absolute_percentage_error mean_squared_log_error "
    "root_mean_squared_log_error mean_pinball_loss mean_poisson_deviance mean_gamma_deviance max_error "
    "mape perplexity ece wer cer"
)


@dataclass(frozen=True, eq=False)
class Factor:
    """A column of labels as codes [row] into `labels`, in order of appearance; `name` is the
    column's name."""

    name: str
    codes: NDArray[np.int64]
    labels: tuple[str, ...]


def read_scores(source: Any, where: str) -> Frame:
    """Read a path, a data frame, or a mapping from names to columns, with its name in messages if
    that isn't empty. DataError if it can't be read, or has no rows."""
    if isinstance(source, Mapping):
        lists = {
            str(name): np.asarray(column, object).tolist()
            for name, column in source.items()
        }
        for name, cells in lists.items():
            if not isinstance(cells, list):
                raise DataError(
                    f"'{name}' holds {str(cells)[:40]}, and not a list of scores",
                    "Give the score of each split: {'a': [0.8, 0.82], 'b': [0.79, 0.83]}.",
                )
        if len({len(cells) for cells in lists.values()}) > 1:
            raise DataError(
                "the columns aren't lists of one length",
                "Give one value a row in each of them.",
            )
        frame = frame_of_values(
            list(lists.values()),
            list(lists),
            where or "the mapping",
            as_text=EveryName(),
        )
    elif not (
        isinstance(source, str | Path)
        or is_table(source)
        or (
            isinstance(source, list)
            and {isinstance(row, Mapping) for row in source} == {True}
        )
    ):
        raise DataError(
            f"scores can't be read from {reprlib.repr(source)}",
            "Give a path, a data frame, a mapping from names to lists, or a fitted search.",
        )
    else:
        try:
            frame = read_new_rows(
                source, (), as_text=EveryName()
            )  # 1.1 and 1.10 are two candidates
        except SeedbedError as error:
            if not error.option:  # scores don't have it
                raise
            raise type(error)(
                error.message, "Save the scores as a separate CSV file."
            ) from error
    if not frame.n_rows:
        raise DataError(
            f"{frame.where}: there are no rows", "Give a row for each score."
        )
    return replace(frame, where=where or frame.where)


@dataclass(frozen=True, eq=False)
class ScoreFile:
    """A file of scores or predictions: its columns as they are read, the position of the column of
    each role that there is, by the keys of `ROLES`, and what is asked about it. With a target it
    holds predictions."""

    frame: Frame
    roles: Mapping[str, int]
    options: JudgeOptions

    @property
    def is_wide(self) -> bool:
        """Whether each candidate has a column, so that no column names the candidates."""
        return "candidate" not in self.roles

    @property
    def of_items(self) -> bool:
        """Whether the scores are of items such as questions, and not of splits."""
        if "row" not in self.roles or self.roles.keys() & {
            "fold",
            "repeat",
            "bootstrap",
            "target",
        }:
            return False
        roles = (
            ("row", "seed") if self.is_wide and "seed" in self.roles else ("row",)
        )  # an id alone may number seeds
        return (self.is_wide and len(roles) == 1) or any(
            map(self.repeats, [self.roles[role] for role in roles])
        )

    def repeats(self, position: int) -> bool:
        """Return whether some cells of a column are equal."""
        return len(self.frame.texts(position).texts) < self.frame.n_rows

    def values(self, position: int) -> Floats:
        """Return a column as numbers, NaN where it holds none; words such as True or incorrect are
        1 and 0."""
        if isinstance(self.frame.columns[position], Numbers):
            return self.frame.numbers(position)
        texts = self.frame.texts(position)
        words = [text.lower() for text in texts.texts]
        if {*words} - {""} <= _RIGHT.keys():
            return np.array([_RIGHT.get(word, np.nan) for word in words])[texts.codes]
        return self.frame.numbers(position)

    def name(self, role: str) -> str:
        return self.frame.names[self.roles[role]]

    def error(self, kind: type[SeedbedError], message: str, hint: str) -> SeedbedError:
        """Return an error that names the file."""
        return kind(f"{self.frame.where}: {message}", hint)

    def place_of(self, row: int) -> str:
        """Return the words for a row in messages, such as `scores.csv: line 3`."""
        return f"{self.frame.where}: {self.frame.places([row])[row]}"

    def free(self) -> list[int]:
        """Return the columns without a role that may hold scores or predictions, and nothing such
        as time."""
        used = set(self.roles.values())
        names = self.frame.names
        return [
            i
            for i, name in enumerate(names)
            if i not in used and _BESIDE.fullmatch(plain(name)) is None
        ]

    def factor(self, role: str) -> Factor:
        """Return the column of a role as codes and labels; without labels if there is none.
        ColumnError if a cell is empty, OptionError if there are too many labels, or they mark rows
        as training or test rows."""
        if role not in self.roles:
            return Factor("", np.zeros(self.frame.n_rows, dtype=np.int64), ())
        name = self.name(role)
        texts = self.frame.texts(self.roles[role])
        about = ROLES[role]
        order = texts.texts
        codes = texts.codes.astype(np.int64)
        if "" in order:
            row = int(np.flatnonzero(codes == order.index(""))[0])
            raise self.error(
                ColumnError,
                f"{self.frame.places([row])[row]} has no {role}: column '{name}' is empty there",
                "Fill it in, or leave the row out.",
            )
        if about.is_split and {label.lower() for label in order} <= _PARTS:
            raise self.error(
                OptionError,
                f"column '{name}' says {' and '.join(order)}, and not which split a score is of",
                "Keep the scores of test rows, and number the splits.",
            )
        if about.most is not None and len(order) > about.most:
            raise self.error(
                OptionError,
                f"column '{name}' has {len(order):,} different values; the most are {about.most:,}",
                f"If another column names the {role}s, give {role}: NAME. Otherwise judge fewer.",
            )
        return Factor(name, codes, order)

    def numbers(self, position: int) -> Floats:
        """Return a column as numbers [row], NaN for empty cells. ColumnError if a cell holds a
        text, or a number so large that its square or a sum may be infinite."""
        values = self.values(position)
        name = self.frame.names[position]
        missing = ~np.isfinite(values)
        for row in np.flatnonzero(~missing & (np.abs(values) > LARGEST))[:1].tolist():
            raise self.error(
                ColumnError,
                f"{self.frame.places([row])[row]}, column '{name}' holds {values[row]:.4g}",
                f"Numbers may be up to {LARGEST:g}: give them in another unit, or leave the cell of "
                "a failed run empty.",
            )
        if missing.any():
            texts = self.frame.texts(position)
            is_text = np.array(
                [text.lower() not in _NO_NUMBER for text in texts.texts], dtype=np.bool_
            )
            for row in np.flatnonzero(missing & is_text[texts.codes])[:1].tolist():
                text = texts.text_at(row)[:40]
                share = "Write a share from 0 to 1." if "%" in text else ""
                raise self.error(
                    ColumnError,
                    f"{self.frame.places([row])[row]}, column '{name}' holds {text!r}, which is no number",
                    "Write a decimal point." if "," in text else share,
                )
        return np.where(missing, np.nan, values)


def score_file(frame: Frame, options: JudgeOptions) -> ScoreFile:
    """Return a file with the roles of its columns. ColumnError if a named column is missing, or
    several could have a role; OptionError if an option is about scores and the file holds
    predictions, or the other way round."""
    roles = dict[str, int]()
    names = frame.names
    file = ScoreFile(frame, roles, options)
    target = options.target
    named = {getattr(options, role, None) for role in (*ROLES, "score")}
    for role, about in ROLES.items():
        name = getattr(options, role, None)
        if name is not None and name not in names:
            raise file.error(
                ColumnError, f"there is no column '{name}'", did_you_mean(name, names)
            )
        usual = [
            i
            for i, other in enumerate(names)
            if about.is_found and is_role(other, role) and other not in named
        ]
        first = [i for i in usual if plain(names[i]) == about.first]
        # The name of a run or an answer names nothing else.
        repeated = [i for i in usual if file.repeats(i)]
        positions = first or repeated or usual if name is None else [names.index(name)]
        if len(positions) > 1:
            raise file.error(
                ColumnError,
                f"the columns '{names[positions[0]]}' and '{names[positions[1]]}' could both be the {role}",
                f"Name one with {role}: {names[positions[0]]}.",
            )
        if positions:
            roles[role] = positions[0]
    _find_splits(file, roles)
    _refuse_summaries(file)
    are_scores = options.lower_is_better is not None
    if target is None:
        target = _likely_target(file)
    if target is None:
        if options.group is not None and not file.of_items:
            raise OptionError(
                f"group is about rows, and {frame.where} contains scores of whole folds",
                "Give predictions of rows; or score folds of whole groups, and leave group out.",
            )
        # An attempt, of Inspect.
        if "epoch" in names and "seed" not in roles and file.of_items:
            roles["seed"] = names.index("epoch")
        return file
    if are_scores:
        raise OptionError(
            f"lower_is_better is about scores, and with the target '{target}' a file holds predictions",
            "Leave it out.",
        )
    return replace(file, roles={**roles, "target": names.index(target)})


def _find_splits(file: ScoreFile, roles: dict[str, int]) -> None:
    """Let ids such as Fold01.Rep1 of tidymodels and caret number splits and not items; samples that
    may be bootstrap samples are random splits only with a test share."""
    for role in {"row", "bootstrap"} & roles.keys() if "fold" not in roles else ():
        labels = file.frame.texts(roles[role]).texts
        if all(map(_FOLD_LABEL.fullmatch, labels)):
            roles["fold"] = roles.pop(role)
        elif all(map(_DRAWN_LABEL.fullmatch, labels)):
            roles["bootstrap"] = roles.pop(role)
    if "fold" in roles and "id2" in file.frame.names and "repeat" not in roles:
        roles["repeat"] = roles["fold"]
        roles["fold"] = file.frame.names.index("id2")
    if "bootstrap" in roles and file.options.test_share is not None:
        roles["fold"] = roles.pop("bootstrap")


def _refuse_summaries(file: ScoreFile) -> None:
    """Raise ColumnError if a row holds the mean or the standard deviation of others."""
    positions = [file.roles[role] for role in _COUNTED & file.roles.keys()]
    positions += [
        i for i, name in enumerate(file.frame.names) if plain(name) in _INDICES
    ]
    for position in positions:
        column = file.frame.columns[position]
        labels = column.texts if isinstance(column, Texts) else ()
        words = {label: {*re.findall(r"\w+", label.lower())} for label in labels}
        for label in [
            label for label in labels if words[label] and words[label] <= _SUMMARIES
        ]:
            row = file.frame.cells(position).index(label)
            raise file.error(
                ColumnError,
                f"{file.frame.places([row])[row]} holds '{label}' in column '{file.frame.names[position]}'",
                "Leave out rows that summarise others.",
            )


def _likely_target(file: ScoreFile) -> str | None:
    """Return the column of true values if no option names it and the file holds predictions, else
    None.

    It is a column with a usual name, provided that another one has a usual name of predictions, or
    that no column names the candidates, so that each of the others holds the predictions of one.
    """
    taken = {
        file.options.score,
        *(file.frame.names[position] for position in file.roles.values()),
    }
    free = [name for name in file.frame.names if name not in taken]
    if not file.is_wide and not any(
        plain(name).startswith(_PREDICTIONS) for name in free
    ):
        return None
    target = likely_target(free, usual_only=True)
    options = file.options
    are_scores = options.score is not None or options.lower_is_better is not None
    if target is None and file.is_wide and "row" in file.roles and not are_scores:
        raise file.error(
            ColumnError,
            "no column names the candidates, and none has a usual name of true values",
            f"Predictions need {spell('target', 'NAME')}. Scores need {spell('candidate', 'NAME')}, or, with a column "
            f"for each candidate, {spell('score', 'accuracy')}.",
        )
    other = likely_target([name for name in free if name != target], usual_only=True)
    if target is not None and other is not None:
        raise file.error(
            ColumnError,
            f"the columns '{target}' and '{other}' could both hold the true values",
            f"Name one with {spell('target', target)}.",
        )
    return target


def score_columns(file: ScoreFile) -> list[int]:
    """Return the column of scores; of a file in the wide form one for each candidate.

    ColumnError if the named column is missing, or there are no candidates, no scores, or several
    columns that could be; OptionError if there are too many candidates, or a row for each of them
    has a mean and a standard deviation.
    """
    score = file.options.score
    names = file.frame.names
    wide = file.is_wide
    free = file.free()
    values = [i for i in free if np.isfinite(file.values(i)).any()]
    parts = {names[i].rpartition("~")[2] for i in values if "~" in names[i]}
    if wide and len(parts) > 1:
        values = [
            i
            for i in values
            if plain(names[i].rpartition("~")[2]) == plain(score or "")
        ]
    _refuse_means(file, free, [i for i in free if i not in values])
    named = [i for i, name in enumerate(names) if name == score]
    if not wide and score is not None:
        named = named or [i for i in free if without_prefix(names[i]) == plain(score)]
        if len(named) != 1:
            raise file.error(
                ColumnError, f"there is no column '{score}'", did_you_mean(score, names)
            )
        return named
    values = [
        i for i in values if wide or plain(names[i]) not in ROLES["target"].names
    ]  # such as a right answer
    usual = [i for i in values if usual_name(names[i])]
    value_names = [names[i] for i in values]
    for i in free if not values and not named else ():
        if usual_name(names[i]):
            file.numbers(i)  # says which cell is no number
    if not values and not named:
        raise file.error(
            ColumnError,
            f"there is no column of scores among {', '.join(names[:20])}",
            "Give a row for each candidate and split, with a column such as accuracy; or name it with score: NAME.",
        )
    if not wide and len(values) > 1:
        raise file.error(
            ColumnError,
            f"{quote_names(value_names, 8)} could all be the score",
            f"Name one with score: {names[(usual or values)[0]]}.",
        )
    if wide and (named or len(values) < 2 or usual):
        scores = [names[i] for i in named] or value_names
        raise file.error(
            ColumnError,
            f"no column names the candidates, and {quote_names(scores, 8)} look{'s' * (len(scores) == 1)} like scores",
            f"Add a column 'candidate', or name yours with {spell('candidate', 'NAME')}.",
        )
    check_number(file, len(values))
    return values


def _refuse_means(file: ScoreFile, free: Sequence[int], texts: Sequence[int]) -> None:
    """Raise OptionError if scores have standard deviations, and no column says which split each
    score is of."""
    frame = file.frame
    deviations = [
        i for i in texts if any(map(_PLUS_MINUS.search, frame.texts(i).texts))
    ]
    if not file.roles.keys() & {"fold", "repeat", "seed", "row"}:
        deviations += [i for i in free if _DEVIATION.search(plain(frame.names[i]))]
    if deviations:
        raise file.error(
            OptionError,
            f"column '{frame.names[deviations[0]]}' holds standard deviations of scores",
            "They don't say how the scores of two candidates vary together over the splits, which decides. "
            "Give a row for each candidate and fold.",
        )


def reference_among(names: Sequence[str], options: JudgeOptions) -> str:
    """Return the reference. OptionError if it isn't among the candidates, there are fewer than two,
    or one of them has the name of the true values."""
    if true := [name for name in names if plain(name) in ROLES["target"].names]:
        raise OptionError(
            f"a candidate is named '{true[0]}', which is a usual name of the true values",
            "In predictions, keep this column of true values, and give no scores; in scores, rename the candidate.",
        )
    if len(names) < 2:
        raise OptionError(
            f"there is one candidate, {names[0]}",
            "Give the scores or predictions of two or more.",
        )
    if options.reference is not None and options.reference not in names:
        raise OptionError(
            f"the reference '{options.reference}' is not among the candidates",
            did_you_mean(options.reference, names),
        )
    return options.reference or names[0]


def check_number(
    file: ScoreFile, n_candidates: int, most: int | None = ROLES["candidate"].most
) -> None:
    """Raise OptionError where there are too many candidates."""
    if most is not None and n_candidates > most:
        raise file.error(
            OptionError,
            f"{n_candidates:,} columns or names look like candidates; the most are {most:,}",
            "Judge fewer, and count the others with tried: N.",
        )


def is_role(name: str, role: str) -> bool:
    """Return whether a column's name is usual for a role. Trackers put `params.` and `tags.` before
    it."""
    return _TAG.sub("", plain(name)) in ROLES[role].names


def without_prefix(name: str) -> str:
    """Return a score's name in plain form without the words on which rows it is of."""
    return _PREFIX.sub("", plain(name))


def plain(name: str) -> str:
    """Return a column's name in lower case with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def score_kind(name: str, *, lower_is_better: bool | None) -> Metric:
    """Return what a score is by its name. OptionError if neither the name nor the user says which
    way is better."""
    usual = usual_name(name)
    if usual in METRICS and lower_is_better is None:
        return METRICS[usual]
    metric = METRICS.get(usual or "") or replace(
        find_metric(name or "score"),
        low=0.0 if usual in _LOWER and usual not in _MAY_BE_NEGATIVE else -np.inf,
    )
    if lower_is_better is not None:
        return replace(
            metric,
            greater_is_better=not lower_is_better,
            words=(metric.words if usual or not name else f"score '{name}'"),
        )
    if usual is None:
        raise OptionError(
            f"it isn't known whether a high or a low value of {repr(name) if name else 'a score without a name'} is better",
            "Say whether lower is better ('lower_is_better')"
            f"{', or say what the numbers are, as in score: accuracy' * (name in ('', 'value'))}.",
        )
    return replace(metric, greater_is_better=usual in _HIGHER)


def is_error(name: str) -> bool:
    """Return whether a score is a known one of which low values are good."""
    usual = usual_name(name) or ""
    return usual in _LOWER or (
        usual in METRICS and not METRICS[usual].greater_is_better
    )


def negated_error(name: str) -> str:
    """Return the error that a score such as scikit-learn's `neg_log_loss` is the negative of; empty
    for any other score."""
    error = without_prefix(name).removeprefix("neg_")
    return error if error != without_prefix(name) and is_error(error) else ""


def check_range(file: ScoreFile, metric: Metric, name: str, scores: Floats) -> None:
    """Raise DataError for scores of a candidate that its score can't have."""
    if scores.min() < metric.low or scores.max() > metric.high + _ROUNDING:
        raise file.error(
            DataError,
            f"{metric.words} of {name} goes from {scores.min():.4g} to {scores.max():.4g}",
            f"It goes from {metric.low:g} to {metric.high:g}: divide percent by 100, or name another 'score'."
            if metric.greater_is_better
            else f"It can't be negative. Give {spell('score', f'neg_{metric.name}')} where it is negated, "
            f"as by scikit-learn, and {spell('score', metric.name)} where it isn't.",
        )


def usual_name(name: str) -> str | None:
    """Return the usual name of a score; of scikit-learn's negated losses, which grow where they get
    better, `score`."""
    score = without_prefix(name)
    if score.startswith("neg_"):
        return "score"
    score = "score" if score.startswith("score_") else _OTHER_NAMES.get(score, score)
    return score if score in METRICS or score in _HIGHER or score in _LOWER else None
