"""Verdicts on out-of-fold predictions in a file: by candidate, repeat, seed and row, as in a comparison."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.frame import Frame
from seedbed.data.splits import Split
from seedbed.errors import ColumnError, DataError, OptionError, counted, did_you_mean, spell
from seedbed.evaluation.conclusion import conclude
from seedbed.evaluation.metrics import METRICS, Margin, default_margin, margin_beside
from seedbed.evaluation.protocol import Protocol, too_few
from seedbed.evaluation.summaries import Conclusion, Note, Task
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.judgement.judging import conclude_scores, open_conclusion
from seedbed.judgement.score_columns import Factor, check_number, factor, free_columns, numbers, plain, reference_among
from seedbed.judgement.scores import FileRows, SplitPlan, read_rows, seed_places, split_plan
from seedbed.outcomes.tasks import outcome_of
from seedbed.scoring import Result, evidence_of, without_verdict
from seedbed.typing import Floats, Ints

_PROBABILITY = ("probability", "proba", "prob", "y_prob", "y_proba", "y_score", "p")
_PREDICTION = ("prediction", "predicted", "y_pred", "pred", "forecast")
_OF_CLASS = re.compile(r"(probability|proba|prob|p)_(.+)")
_MOST_CLASSES = 100
_MOST_CANDIDATES = 200  # the intervals of all scores of one take a tenth of a second or more
_OF_LABELS = ("accuracy", "balanced_accuracy", "mcc")  # scores of predicted labels; the others need probabilities
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_MOST_LABELS = 20  # whole numbers with more distinct values than this are numbers and not classes
_FEWEST_TESTED, _FEWEST_OUTSIDE, _FEWEST_GROUPS = 30, 10, 5
"""Smallest numbers for a paired interval on one test set: rows, rows outside the largest class (for probabilities), and
groups. With fewer, the interval of a mean loss covers it in 80 to 90 % of cases instead of 95 %."""


@dataclass(frozen=True, eq=False)
class _Predicted:
    """The target and the prediction of each line of a file.

    Attributes:
        task: binary, multiclass or regression.
        labels: the classes; of two, the positive one is the last.
        y: the target of each line: class codes or numbers.
        p: the prediction of each line: [line] or [line, class]; one array, or one for each candidate with a column of
            its own.
        hard: whether labels are predicted instead of probabilities, so that only accuracy is known.
        notes: on columns that aren't read.
    """

    task: Task
    labels: tuple[str, ...]
    y: NDArray[Any]
    p: tuple[NDArray[Any], ...]
    hard: bool
    notes: tuple[Note, ...] = ()


def read_predictions(
    columns: Frame, roles: Mapping[str, int], options: JudgeOptions
) -> tuple[_Predicted, SplitPlan, tuple[Result, ...]]:
    """Return the predictions of a file that has a line for each candidate, split, seed and row; or a line for each
    split, seed and row, with a column for each candidate. Results are in order of appearance.

    Raises:
        ColumnError: there is no such column, or no predictions.
        DataError: predictions are missing, given twice, or of a row with two targets.
        OptionError: how the splits were made isn't clear.
    """
    target_name = str(options.target)
    if target_name not in columns.names:
        message = f"{columns.where}: there is no column '{target_name}'"
        raise ColumnError(message, did_you_mean(target_name, columns.names))
    factor(columns, columns.names.index(target_name), "target")  # refuses empty cells
    truth = _texts(columns, columns.names.index(target_name))
    of_class = {  # by position, the label that a column of probabilities names
        i: _WHOLE.sub(r"\1", match[2])
        for i, name in enumerate(columns.names)
        if (match := _OF_CLASS.fullmatch(name.strip())) and name != target_name
    }
    wide = [] if "candidate" in roles else [i for i in free_columns(columns, roles) if columns.names[i] != target_name]
    if "candidate" not in roles and (len(wide) < 2 or all(of_class.get(i) in truth for i in wide)):
        name = spell("candidate", "NAME")
        hint = f"Add a column 'candidate', or name it with {name}. Or give each candidate a column."
        raise ColumnError(f"{columns.where}: no column names the candidate", hint)
    if "row" in roles:
        row = factor(columns, roles["row"], "row")
        with contextlib.suppress(ValueError):  # names that are numbers are put in order
            order = np.argsort([float(label) for label in row.labels], kind="stable")
            row = Factor(row.name, np.argsort(order)[row.codes], tuple(row.labels[i] for i in order.tolist()))
    elif wide and not roles.keys() & {"repeat", "seed"}:  # each line is a row of its own, in one fold
        row = Factor("", np.arange(columns.n_rows), tuple(str(number + 1) for number in range(columns.n_rows)))
    else:
        hint = "Add a column 'row', or name it with row: NAME."
        raise ColumnError(f"{columns.where}: no column names the row of the table that is predicted", hint)
    rows = read_rows(columns, roles, ["each candidate"] if wide else ())
    names = tuple(columns.names[i] for i in wide) or rows.candidate.labels
    check_number(columns.where, len(names), _MOST_CANDIDATES)
    if wide:
        predicted = _of_predictions(columns, truth, wide, options)
    else:
        predicted = _of_columns(columns, roles, truth, of_class, options)
    target = _of_rows(columns, row, predicted.y, "targets")
    plan, tested = _splits(rows, row, options)
    group = factor(columns, roles["group"], "group") if "group" in roles else Factor("", row.codes, row.labels)
    groups = _of_rows(columns, row, group.codes, "groups")
    if group.name:
        n_groups = len(np.unique(groups))
        plan = replace(plan, n_groups=n_groups, words=f"{plan.words} {n_groups:,} groups (column '{group.name}').")
    seeds, n_seeds = seed_places(rows)
    design = _design(plan, target, predicted)
    n_rows, splits = len(target), []
    for number, test in enumerate(tested):  # each random split is a repeat of its own
        at = divmod(number, plan.folds) if plan.kind == "cross_validation" else (number, 0)
        splits.append(Split(*at, np.setdiff1d(np.arange(n_rows), test, assume_unique=True), test))
        for both in np.intersect1d(groups[test], groups[splits[-1].train])[:1].tolist():
            message = f"{rows.split_name(number)} tests some rows of {group.name} {group.labels[both]} and not others"
            raise DataError(
                f"{rows.where}: {message}, so its models were trained on the same group",
                "These predictions say nothing about new groups. Make folds of whole groups, as GroupKFold does.",
            )
    repeat = np.array([split.repeat for split in splits])[rows.split]
    dtype = np.float64 if outcome_of(predicted.task).is_number else np.float32
    results = []
    for number, each in enumerate(rows.candidate.labels):
        lines = np.flatnonzero(rows.candidate.codes == number)
        seed, n = seeds[lines], n_seeds[number]
        cells = np.unique((rows.split[lines] * n + seed) * n_rows + row.codes[lines])
        if len(cells) < len(lines):
            raise DataError(
                f"{rows.where}: {each} has several predictions for one row in the same split and seed",
                "Keep one. Bootstrap samples, which repeat rows, can't be judged; several seeds need a column 'seed'.",
            )
        counts = np.bincount(cells // n_rows, minlength=len(splits) * n).reshape(-1, n)
        last = np.flatnonzero(counts.any(axis=1))[-1] if plan.kind == "cross_validation" else -1
        n_repeats = splits[last].repeat + 1  # the last ones may be missing
        n_missing = (np.array([[len(test)] for test in tested]) - counts)[: n_repeats * plan.folds]
        if n_missing.any():
            first = int(np.flatnonzero(n_missing.any(axis=1))[0])
            raise DataError(
                f"{rows.where}: {int(n_missing.sum())} predictions of {each} are missing, the first of them in "
                f"{rows.split_name(first)}",
                "All candidates need predictions for the same rows, with as many seeds in all splits. Only the last "
                "repeats of a cross-validation may be missing.",
            )
        for name, p in zip(names if wide else [each], predicted.p, strict=True):
            table = np.full((n_repeats, n, n_rows, *p.shape[1:]), np.nan, dtype=dtype)
            table[repeat[lines], seed, row.codes[lines]] = p[lines]
            results.append(
                Result(
                    name=name,
                    alpha=options.alpha,
                    target=target,
                    splits=tuple(split for split in splits if split.repeat < n_repeats),
                    design=design,
                    predictions=table,
                    task=predicted.task,
                    groups=groups if group.name else None,
                )
            )
    notes = () if wide or group.name else tuple(_repeating_columns(columns, roles, row, target_name))
    return replace(predicted, notes=notes), plan, tuple(results)


def _repeating_columns(columns: Frame, roles: Mapping[str, int], row: Factor, target: str) -> Iterator[Note]:
    """Yield a note on each unread column that has one value for each row of the table, and may name groups of rows."""
    for position in free_columns(columns, roles):
        name, cells, values = columns.names[position], columns.texts(position).codes, columns.numbers(position)
        of_row, n_values = np.zeros(len(row.labels), dtype=np.int64), len(np.unique(cells))
        of_row[row.codes] = cells
        varies = (np.isfinite(values) & (values % 1 != 0)).any() or (of_row[row.codes] != cells).any()
        if name != target and not varies and _FEWEST_GROUPS <= n_values < len(of_row):
            repeats = f"values of column '{name}' repeat: {n_values:,} in {len(of_row):,} rows"
            yield Note(f"{repeats}; if rows with the same value may be alike, give {spell('group', name)}.", name)


def _texts(columns: Frame, position: int) -> list[str]:
    """Return cells as texts; 1.0 as 1, since one column of labels may have been read as decimal numbers."""
    column = columns.texts(position)
    texts = [_WHOLE.sub(r"\1", text) for text in column.texts]
    return [texts[code] for code in column.codes.tolist()]


def _of_columns(
    columns: Frame, roles: Mapping[str, int], truth: Sequence[str], of_class: Mapping[int, str], options: JudgeOptions
) -> _Predicted:
    """Return what the columns of a file with a column of candidates predict."""
    target, positive = str(options.target), options.positive
    used = {*roles.values(), columns.names.index(target)}
    names = {plain(name): i for i, name in enumerate(columns.names) if i not in used}
    by_label = {label: i for i, label in of_class.items()}
    if len(by_label) > 1:
        labels = _order_labels({*by_label, *truth}, positive)
        if missing := [label for label in labels if label not in by_label]:
            message = f"the target has '{missing[0]}', and there is no column 'probability_{missing[0]}'"
            raise ColumnError(f"{columns.where}: {message}", "Give a column of probabilities for each label.")
        p = np.column_stack([numbers(columns, by_label[label]) for label in labels])
        return _code_classes(truth, labels, [p[:, 1] if len(labels) == 2 else p])
    single = next((names[name] for name in _PROBABILITY if name in names), None)
    if single is None and by_label.keys() & set(truth):
        ((positive, single),) = by_label.items()
    if single is not None:
        labels = _order_labels(set(truth), positive)
        if len(labels) != 2:
            raise ColumnError(
                f"{columns.where}: column '{target}' has {len(labels)} different labels, and one probability is of two",
                "Give a column 'probability_LABEL' for each label.",
            )
        p = numbers(columns, single)
        if _leaves_0_to_1(p):
            name = columns.names[single]
            raise ColumnError(f"{columns.where}: column '{name}' isn't a probability", "It must lie between 0 and 1.")
        return _code_classes(truth, labels, [p])
    predicted = next((names[name] for name in _PREDICTION if name in names), None)
    if predicted is None:
        raise ColumnError(
            f"{columns.where}: there is no column of predictions among {', '.join(columns.names[:20])}",
            "Give 'probability' (of the larger label), 'probability_LABEL' for each label, or 'prediction'.",
        )
    return _of_predictions(columns, truth, [predicted], options)


def _leaves_0_to_1(p: Floats) -> bool:
    return bool(((p < 0) | (p > 1)).any())


def _of_predictions(
    columns: Frame, truth: Sequence[str], predicted: Sequence[int], options: JudgeOptions
) -> _Predicted:
    """Return what columns predict: labels, as probabilities of 0 and 1, or numbers; several columns also probabilities
    of the larger of two labels.
    """
    target, positive = options.target, options.positive
    labels, names = set(truth), [columns.names[i] for i in predicted]
    cells = [_texts(columns, i) for i in predicted]
    strange = [next((cell for cell in column if cell not in labels), None) for column in cells]
    try:
        texts_only = not np.isfinite([float(label) for label in labels]).all()
    except ValueError:
        texts_only = True
    # More targets than this are texts or numbers and not classes.
    if len(labels) <= (_MOST_CLASSES if texts_only else _MOST_LABELS) and not any(cell is not None for cell in strange):
        ordered = _order_labels(labels, positive)
        shares = np.eye(len(ordered), dtype=np.float32)
        p = [shares[_codes(column, ordered)] for column in cells]
        return _code_classes(truth, ordered, [each[:, 1] for each in p] if len(ordered) == 2 else p, hard=True)
    if len(labels) == 2 and len(predicted) > 1:
        ordered = _order_labels(labels, positive)
        for name, i, cell in zip(names, predicted, strange, strict=True):
            values = columns.numbers(i)
            if cell is not None and (not np.isfinite(values).any() or _leaves_0_to_1(values)):
                message = f"column '{name}' holds neither labels of '{target}' ({', '.join(ordered)}) nor probabilities"
                hint = f"Leave it out, or give {spell('group', name)} if it names groups of rows."
                raise ColumnError(f"{columns.where}: {message}: '{cell}'", hint)
        if None in strange:
            message = f"column '{names[strange.index(None)]}' holds labels, and not all others do"
            raise ColumnError(f"{columns.where}: {message}", "Give labels of all candidates, or probabilities of all.")
        return _code_classes(truth, ordered, [numbers(columns, i) for i in predicted])
    if texts_only:
        cell = next((cell for cell in strange if cell is not None), None)
        if cell is None:
            message = f"column '{target}' has {len(labels):,} different labels; the most are {_MOST_CLASSES}"
            raise ColumnError(f"{columns.where}: {message}", f"Name another one with {spell('target', 'NAME')}.")
        message = f"'{cell}' is predicted (column '{names[strange.index(cell)]}'), and no row has that target"
        raise ColumnError(f"{columns.where}: {message}", "Give labels of the target.")
    y = numbers(columns, columns.names.index(str(target)))
    return _Predicted("regression", (), y, tuple(numbers(columns, i) for i in predicted), False)


def _code_classes(
    truth: Sequence[str], labels: tuple[str, ...], p: Sequence[NDArray[Any]], *, hard: bool = False
) -> _Predicted:
    task: Task = "binary" if len(labels) == 2 else "multiclass"
    return _Predicted(task, labels, _codes(truth, labels), tuple(p), hard)


def _codes(cells: Sequence[str], labels: Sequence[str]) -> Ints:
    codes = {label: code for code, label in enumerate(labels)}
    return np.array([codes[cell] for cell in cells], dtype=np.int64)


def _order_labels(labels: set[str], positive: str | None) -> tuple[str, ...]:
    """Return labels in order, as numbers if they are numbers. Of two labels, the positive one is the last."""
    try:
        ordered = sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        ordered = sorted(labels)
    if positive is not None:
        if positive not in ordered or len(ordered) != 2:
            raise OptionError(f"the positive label '{positive}' isn't one of two", did_you_mean(positive, ordered))
        ordered = [*(label for label in ordered if label != positive), positive]
    return tuple(ordered)


def _of_rows(columns: Frame, row: Factor, values: NDArray[Any], what: str) -> NDArray[Any]:
    """Return the value of each row, checked to be the same in all lines; `what` they are, for the error."""
    of_row = np.empty(len(row.labels), dtype=values.dtype)
    of_row[row.codes] = values
    for line in np.flatnonzero(of_row[row.codes] != values)[:1].tolist():
        place = columns.places([line])[line]
        message = f"{columns.where}: row {row.labels[row.codes[line]]} has two different {what} ({place})"
        raise DataError(message, f"The column '{row.name}' must name a row of the table, the same in all splits.")
    return of_row


def _splits(rows: FileRows, row: Factor, options: JudgeOptions) -> tuple[SplitPlan, list[Ints]]:
    """Return how the splits were made, by the columns or else by the rows, and the tested rows of each split."""
    n_rows, n_splits = len(row.labels), len(rows.splits)
    pairs = np.unique(rows.split * n_rows + row.codes)
    tested = np.split(pairs % n_rows, np.searchsorted(pairs, n_rows * np.arange(1, n_splits)))
    folds, test_share = options.folds, options.test_share
    if n_splits == 1 and not (folds is None and test_share is None):
        what = "folds" if folds else "a test share"
        message = f"{rows.where}: {what} is given, and no column says which rows a fold tests"
        raise OptionError(message, "Add a column 'fold'.")
    if folds is None and test_share is None and not rows.repeat.labels:
        if len(pairs) == n_rows:  # each row is tested once
            folds = n_splits
        elif "split" in rows.fold.name.lower() and rows.test_share is None:
            test_share = len(pairs) / n_splits / n_rows
    plan = split_plan(rows, folds=folds, test_share=test_share, predicted=True)
    for repeat in range(plan.repeats if plan.kind == "cross_validation" else 0):
        of_repeat = np.concatenate(tested[repeat * plan.folds : (repeat + 1) * plan.folds])
        times = np.bincount(of_repeat, minlength=n_rows)
        for number in np.flatnonzero(times != 1)[:1].tolist():
            raise DataError(
                f"{rows.where}: row {row.labels[number]} is tested {times[number]} times in one repeat of the "
                "cross-validation, and not once",
                "If the splits are random, give test_share: 0.2, say. If rows are missing, complete them.",
            )
    return plan, tested


def _design(plan: SplitPlan, target: NDArray[Any], predicted: _Predicted) -> Protocol:
    """Return the design of a comparison with these splits. Too few rows or groups have no verdict."""
    n, n_groups, outside, why = len(target), plan.n_groups, None, ""
    if not outcome_of(predicted.task).is_number:
        outside = n - int(np.bincount(target).max())
    held_out = plan.kind == "held_out"
    if held_out and n < _FEWEST_TESTED:
        why = f"{n} rows are too few for a verdict on a test set (it needs {_FEWEST_TESTED})"
    elif held_out and outside is not None and outside < _FEWEST_OUTSIDE and not predicted.hard:
        needs = f"(probabilities need {_FEWEST_OUTSIDE}, predicted labels none)"
        why = f"{outside} rows outside the largest class are too few for a verdict {needs}"
    elif held_out and n_groups is not None and n_groups < _FEWEST_GROUPS:
        why = f"{counted(n_groups, 'group')} are too few for a verdict on a test set (it needs {_FEWEST_GROUPS})"
    elif not held_out and (few := too_few(n, outside, n_groups)):
        why = f"{few}, so only scores are shown"
    return Protocol(
        kind="scores_only" if why or plan.kind == "random_splits" else "held_out" if held_out else "cross_validation",
        repeats=plan.repeats,
        folds=plan.folds,
        df=plan.df,
        locked_share=1.0 if held_out else 0.0,
        reason=why or plan.words,
    )


def conclude_predictions(
    columns: Frame, roles: Mapping[str, int], options: JudgeOptions, about: Mapping[str, Any]
) -> Conclusion:
    """Return the conclusion from a file of predictions.

    Raises:
        ColumnError, DataError: as `read_predictions`.
        OptionError: the score can't be tested on these predictions, there are fewer than two candidates, the reference
            isn't there, or how the splits were made isn't clear.
    """
    predicted, plan, results = read_predictions(columns, roles, options)
    task, labels, hard = predicted.task, predicted.labels, predicted.hard
    testable_scores = [name for name, metric in METRICS.items() if metric.row_loss and task in metric.tasks]
    if hard:
        testable_scores = ["accuracy"]
    name = options.score or ("accuracy" if hard else outcome_of(task).metric)
    if name not in testable_scores:
        message = f"'{name}' can't be tested on these predictions (true values: column '{options.target}')"
        raise OptionError(message, did_you_mean(name, testable_scores))
    metric, target = METRICS[name], results[0].target
    seeds = max(result.predictions.shape[1] for result in results)
    about = {**about, "target": options.target, "task": task, "n_rows": len(target), "notes": predicted.notes}
    what = f"numbers, {options.target}"
    if labels:
        counts = np.bincount(target, minlength=len(labels))
        about["labels"] = dict(zip(labels, counts.tolist(), strict=True))
        about["majority_share"] = float(counts.max() / counts.sum())
        what = f"{len(labels)} labels of {options.target}" if labels[2:] else f"{options.target} = {labels[-1]}"
    predictions = "predicted labels" if hard else "predictions"
    about["understood"] = (
        f"{predictions} of {len(results)} candidates for {len(target):,} rows: {what}.",
        plan.words,
        *([f"{seeds} seeds a split, averaged within it."] if seeds > 1 and plan.kind != "held_out" else []),
    )
    by_name = {result.name: result for result in results}
    reference = reference_among(list(by_name), options)
    if options.margin is not None:
        margin = Margin(options.margin, "given")
    else:  # by the rule of a comparison
        default = default_margin(name, target)
        margin = margin_beside(name, default, float(by_name[reference].losses(name).mean()))
    if plan.kind == "random_splits":
        losses = {result.name: result.losses(name)[:, 0].astype(np.float64) for result in results}
        if missing := [each for each, values in losses.items() if not np.isfinite(values).all()]:
            message = f"{columns.where}: some predictions of {missing[0]} aren't finite numbers"
            raise DataError(message, "Leave the candidate out, or predict all rows.")
        scores = {each: metric.score_of(values) for each, values in losses.items()}
        return conclude_scores(scores, metric, plan, options, about, margin)
    conclusion = open_conclusion(options, metric, plan, reference=reference, margin=margin, seeds=seeds, about=about)
    if not results[0].design.has_verdict:
        conclusion = replace(conclusion, interval=None)
    evidence = evidence_of(results, name)
    if plan.kind == "held_out":  # the file doesn't say how many rows were trained on
        evidence = replace(evidence, n_train=None)
    without = without_verdict(results, reference, name)
    conclusion = conclude(conclusion, evidence, without=without)
    candidates = []
    for summary in (result.summary() for result in results):
        if hard:
            scores_of_labels = {name: summary.scores[name] for name in _OF_LABELS}
            summary = replace(summary, calibration=None, scores=scores_of_labels)
        candidates.append(summary)
    return replace(conclusion, candidates=tuple(candidates))
