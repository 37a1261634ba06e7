"""Verdicts on out-of-fold predictions in a file: by candidate, repeat, seed and row, as in a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Frame, Split, Task
from seedbed.errors import ColumnError, DataError, OptionError, did_you_mean
from seedbed.evaluation import (
    METRICS,
    CandidateSummary,
    Conclusion,
    Margin,
    Metric,
    Protocol,
    conclude,
    default_margin,
    default_metric,
    margin_beside,
    protocol,
)
from seedbed.judgement.columns import (
    Factor,
    check_number,
    factor,
    found_roles,
    is_beside,
    numbers,
    plain,
    readings,
)
from seedbed.judgement.judging import Question, alike, asked, conclude_scores
from seedbed.judgement.scores import Layout, Runs, layout_of, read_runs, seed_places
from seedbed.scoring import Result, evidence_of, without_verdict

__all__ = ["on_predictions"]


_PROBABILITY = ("probability", "proba", "prob", "y_prob", "y_proba", "y_score", "p")
_PREDICTION = ("prediction", "predicted", "y_pred", "pred", "forecast")
_OF_CLASS = re.compile(r"(probability|proba|prob|p)_(.+)")
_MOST_CLASSES = 100
_MOST_CANDIDATES = 200  # the intervals of all scores of one take a tenth of a second or more
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_MOST_LABELS = 20  # whole numbers with more distinct values than this are numbers and not classes
_FEWEST_TESTED, _FEWEST_OUTSIDE = 30, 10
"""Rows of one test set that are enough for a paired interval; and, for probabilities, those outside the largest class:
with fewer the interval of a mean loss holds in 80 to 90 % of cases instead of 95 %."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Predicted:
    """The predictions of a file.

    Attributes:
        results: one per candidate, in order of appearance.
        layout: how the splits were made.
        task: binary, multiclass or regression.
        labels: the classes; of two, the positive one is the last.
        hard: whether labels are predicted instead of probabilities, so that only accuracy is known.
    """

    results: tuple[Result, ...]
    layout: Layout
    task: Task
    labels: tuple[str, ...]
    hard: bool


@dataclass(frozen=True, eq=False)
class _Answers:
    """The target and the prediction of each line of the file.

    Attributes:
        y: the target of each line: class codes or numbers.
        p: the prediction of each line: [line] or [line, class]; one array, or one for each candidate with a column of
            its own.
    """

    task: Task
    labels: tuple[str, ...]
    y: NDArray[Any]
    p: tuple[NDArray[Any], ...]
    hard: bool


def read_predictions(columns: Frame, question: Question) -> Predicted:
    """Return the predictions of a file that has a line for each candidate, split, seed and row; or a line for each
    split, seed and row, with a column for each candidate.

    Raises:
        ColumnError: there is no such column, or no predictions.
        DataError: predictions are missing, given twice, or of a row with two targets.
        OptionError: how the splits were made isn't clear.
    """
    roles, positive = found_roles(columns, question), question.positive
    target_name = str(question.target)
    if target_name not in columns.names:
        raise ColumnError(
            f"{columns.where}: there is no column '{target_name}'", did_you_mean(target_name, columns.names)
        )
    truth = _truth(columns, target_name)
    wide = [] if "candidate" in roles else _wide(columns, roles, target_name, set(truth))
    if "row" in roles:
        row = _sorted(factor(columns, roles["row"], "row"))
    elif wide and not roles.keys() & {"repeat", "seed"}:  # each line is a row of its own
        row = Factor("", np.arange(columns.n_rows), tuple(str(number + 1) for number in range(columns.n_rows)))
    else:
        hint = "Add a column 'row', or name it: --row NAME."
        raise ColumnError(f"{columns.where}: no column names the row of the table that is predicted", hint)
    runs = read_runs(columns, roles, ["each candidate"] if wide else ())
    names = [columns.names[i] for i in wide] or runs.candidate.labels
    check_number(columns.where, len(names), _MOST_CANDIDATES)
    if wide:
        answers = _of_predictions(columns, truth, wide, target_name, positive)
    else:
        answers = _answers(columns, truth, target_name, positive, set(roles.values()))
    if answers.hard and question.networks > 1:
        message = f"networks is {question.networks}, and predicted labels don't tell what a mean of networks predicts"
        raise OptionError(f"{columns.where}: {message}", "Give probabilities, or leave it out.")
    target = _target_of_rows(columns, row, answers)
    layout, runs = _layout(runs, row, question.folds, question.test_share)
    seeds, n_seeds = seed_places(runs)
    repeats = _repeats_of_each(runs, row, seeds, n_seeds, layout)
    design = _design(layout, target, answers, max(n_seeds))
    tested = [np.unique(row.codes[runs.split == split]) for split in range(len(runs.splits))]
    everything = np.arange(len(row.labels))
    splits = tuple(
        Split(*_place(number, layout), np.setdiff1d(everything, test, assume_unique=True), test)
        for number, test in enumerate(tested)
    )
    repeat = np.array([split.repeat for split in splits])[runs.split]
    dtype = np.float64 if answers.task == "regression" else np.float32
    results = []
    for number, name in enumerate(names):
        group, p = (0, answers.p[number]) if wide else (number, answers.p[0])
        lines = np.flatnonzero(runs.candidate.codes == group)
        own = tuple(split for split in splits if split.repeat < repeats[group])
        table = np.full((repeats[group], n_seeds[group], len(everything), *p.shape[1:]), np.nan, dtype=dtype)
        table[repeat[lines], seeds[lines], row.codes[lines]] = p[lines]
        results.append(
            Result(
                name=name,
                alpha=question.alpha,
                networks=question.networks,
                target=target,
                splits=own,
                design=design,
                predictions=table,
                task=answers.task,
            )
        )
    return Predicted(
        results=tuple(results),
        layout=layout,
        task=answers.task,
        labels=answers.labels,
        hard=answers.hard,
    )


def _sorted(row: Factor) -> Factor:
    """Return the rows in the order of their numbers, if their names are numbers."""
    try:
        order = np.argsort([float(label) for label in row.labels], kind="stable")
    except ValueError:
        return row
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return Factor(row.name, place[row.codes], tuple(row.labels[i] for i in order.tolist()))


def _place(number: int, layout: Layout) -> tuple[int, int]:
    """Return repeat and fold of a split; each random split is a repeat of its own."""
    return divmod(number, layout.folds) if layout.kind == "cross_validation" else (number, 0)


def _texts(columns: Frame, position: int) -> list[str]:
    """Return cells as texts; 1.0 as 1, since one column of labels may have been read as decimal numbers."""
    return [_WHOLE.sub(r"\1", (cell or "").strip()) for cell in columns.cells(position)]


def _truth(columns: Frame, target: str) -> list[str]:
    """Return the target of each line as text."""
    truth = _texts(columns, columns.names.index(target))
    if "" in truth:
        place = columns.places([truth.index("")])[truth.index("")]
        raise ColumnError(f"{columns.where}: {place} has no target: column '{target}' is empty there", "Fill it in.")
    return truth


def _wide(columns: Frame, roles: Mapping[str, int], target: str, labels: set[str]) -> list[int]:
    """Return the columns of predictions of a file without a column of candidates: one for each candidate."""
    taken = {*roles.values(), columns.names.index(target)}
    free = [i for i, name in enumerate(columns.names) if i not in taken and not is_beside(name)]
    of_class = [_OF_CLASS.fullmatch(columns.names[i].strip()) for i in free]
    if len(free) < 2 or all(match and _WHOLE.sub(r"\1", match[2]) in labels for match in of_class):
        hint = "Add a column 'candidate', or name it: --candidate NAME. Or give a column of predictions per candidate."
        raise ColumnError(f"{columns.where}: no column names the candidate", hint)
    return free


def _answers(columns: Frame, truth: Sequence[str], target: str, positive: str | None, taken: set[int]) -> _Answers:
    """Return truth and prediction of each line."""
    names = {plain(name): i for i, name in enumerate(columns.names) if i not in taken and name != target}
    found = {
        _WHOLE.sub(r"\1", match[2]): columns.names.index(name)
        for name in columns.names
        if (match := _OF_CLASS.fullmatch(name.strip())) and name != target
    }
    if len(found) > 1:
        return _of_classes(columns, truth, found, positive)
    single = next((names[name] for name in _PROBABILITY if name in names), None)
    if single is None and found and next(iter(found)) in truth:
        positive, single = next(iter(found.items()))
    if single is not None:
        labels = _two_labels(columns, truth, target, positive)
        p = numbers(columns, single)
        if (p < 0).any() or (p > 1).any():
            name = columns.names[single]
            raise ColumnError(f"{columns.where}: column '{name}' isn't a probability", "It must lie between 0 and 1.")
        return _Answers("binary", labels, _coded(truth, labels), (p,), False)
    predicted = next((names[name] for name in _PREDICTION if name in names), None)
    if predicted is None:
        raise ColumnError(
            f"{columns.where}: there is no column of predictions among {', '.join(columns.names[:20])}",
            "Give 'probability' (of the larger label), 'probability_LABEL' for each label, or 'prediction'.",
        )
    return _of_predictions(columns, truth, [predicted], target, positive)


def _are_classes(labels: set[str]) -> bool:
    """Return whether so many different targets are labels: more of them may be texts than numbers."""
    return len(labels) <= (_MOST_CLASSES if _texts_only(labels) else _MOST_LABELS)


def _texts_only(labels: set[str]) -> bool:
    """Return whether a label isn't a number."""
    try:
        return not np.isfinite([float(label) for label in labels]).all()
    except ValueError:
        return True


def _of_predictions(
    columns: Frame, truth: Sequence[str], predicted: Sequence[int], target: str, positive: str | None
) -> _Answers:
    """Return what columns predict: labels, as probabilities of 0 and 1, or numbers; several columns also probabilities
    of the larger of two labels.
    """
    labels = set(truth)
    strange = [next((cell for cell in _texts(columns, i) if cell not in labels), None) for i in predicted]
    if _are_classes(labels) and strange == [None] * len(strange):
        ordered = _ordered(labels, positive)
        codes = [_coded(_texts(columns, i), ordered) for i in predicted]
        if len(ordered) == 2:
            return _Answers(
                "binary", ordered, _coded(truth, ordered), tuple(one.astype(np.float32) for one in codes), True
            )
        one_hot = np.eye(len(ordered), dtype=np.float32)
        return _Answers("multiclass", ordered, _coded(truth, ordered), tuple(one_hot[one] for one in codes), True)
    names = [columns.names[i] for i in predicted]
    values = [readings(columns, i) for i in predicted]
    if len(labels) == 2 and len(predicted) > 1:
        ordered = _ordered(labels, positive)
        for name, p, cell in zip(names, values, strange, strict=True):
            if cell is not None and (not np.isfinite(p).any() or (p < 0).any() or (p > 1).any()):
                message = f"column '{name}' holds neither labels of '{target}' ({', '.join(ordered)}) nor probabilities"
                raise ColumnError(f"{columns.where}: {message}: '{cell}'", "Leave out what isn't a prediction.")
        if None in strange:
            message = f"column '{names[strange.index(None)]}' holds labels, and not all others do"
            raise ColumnError(f"{columns.where}: {message}", "Give labels of all candidates, or probabilities of all.")
        shares = tuple(numbers(columns, i) for i in predicted)
        return _Answers("binary", ordered, _coded(truth, ordered), shares, False)
    if _texts_only(labels):
        cell = next((cell for cell in strange if cell is not None), None)
        if cell is None:
            message = f"column '{target}' has {len(labels):,} different labels; the most are {_MOST_CLASSES}"
            raise ColumnError(f"{columns.where}: {message}", "Another column of true values: --target NAME.")
        name = names[strange.index(cell)]
        message = f"'{cell}' is predicted (column '{name}'), and no row has that target"
        raise ColumnError(f"{columns.where}: {message}", "Give labels of the target.")
    y = np.array([float(cell) for cell in truth])
    return _Answers("regression", (), y, tuple(numbers(columns, i) for i in predicted), False)


def _of_classes(columns: Frame, truth: Sequence[str], found: Mapping[str, int], positive: str | None) -> _Answers:
    """Return the probabilities of each label."""
    labels = _ordered(set(found) | set(truth), positive)
    if lacking := [label for label in labels if label not in found]:
        message = f"{columns.where}: the target has '{lacking[0]}', and there is no column 'probability_{lacking[0]}'"
        raise ColumnError(message, "Give a column of probabilities for each label.")
    p = np.column_stack([numbers(columns, found[label]) for label in labels])
    if len(labels) == 2:
        return _Answers("binary", labels, _coded(truth, labels), (p[:, 1],), False)
    return _Answers("multiclass", labels, _coded(truth, labels), (p,), False)


def _two_labels(columns: Frame, truth: Sequence[str], target: str, positive: str | None) -> tuple[str, ...]:
    labels = _ordered(set(truth), positive)
    if len(labels) != 2:
        raise ColumnError(
            f"{columns.where}: column '{target}' has {len(labels)} different labels, and one probability is of two",
            "Give a column 'probability_LABEL' for each label.",
        )
    return labels


def _ordered(labels: set[str], positive: str | None) -> tuple[str, ...]:
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


def _coded(cells: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    codes = {label: code for code, label in enumerate(labels)}
    return np.array([codes[cell] for cell in cells], dtype=np.int64)


def _target_of_rows(columns: Frame, row: Factor, answers: _Answers) -> NDArray[Any]:
    """Return the target of each row, checked to be the same in all lines."""
    target = np.empty(len(row.labels), dtype=answers.y.dtype)
    target[row.codes] = answers.y
    wrong = np.flatnonzero(target[row.codes] != answers.y)
    if wrong.size:
        one = int(wrong[0])
        label = row.labels[row.codes[one]]
        raise DataError(
            f"{columns.where}: row {label} has two different targets ({columns.places([one])[one]})",
            f"The column '{row.name}' must name a row of the table, the same in all splits.",
        )
    return target


def _layout(runs: Runs, row: Factor, folds: int | None, test_share: float | None) -> tuple[Layout, Runs]:
    """Return how the splits were made, from the columns, or else from the rows."""
    n_rows, pairs = len(row.labels), np.unique(runs.split * len(row.labels) + row.codes)
    times = np.bincount(pairs % n_rows, minlength=n_rows)
    n_splits = len(runs.splits)
    if n_splits == 1:
        seeds = len(runs.seed.labels)
        what = f"{seeds} seeds (column '{runs.seed.name}')" if seeds > 1 else "one fitted model of each candidate"
        return replace(layout_of(runs), kind="held_out", words=f"One test set and {what}."), runs
    if folds is None and test_share is None and not runs.repeat.labels:
        if (times == 1).all():
            folds = n_splits
        elif "split" in runs.fold.name.lower() and runs.test_share is None:
            test_share = len(pairs) / n_splits / n_rows
    layout = layout_of(runs, folds=folds, test_share=test_share)
    if layout.kind == "cross_validation":
        repeat = pairs // n_rows // layout.folds
        tested = np.bincount(repeat * n_rows + pairs % n_rows, minlength=layout.repeats * n_rows)
        if (tested != 1).any():
            place = int(np.flatnonzero(tested != 1)[0])
            raise DataError(
                f"{runs.where}: row {row.labels[place % n_rows]} is tested {tested[place]} times in one repeat of the "
                "cross-validation, and not once",
                "If the splits are random: --test-share 0.2, say. If rows are missing, complete them.",
            )
    return layout, runs


def _repeats_of_each(
    runs: Runs, row: Factor, seeds: NDArray[np.int64], n_seeds: Sequence[int], layout: Layout
) -> list[int]:
    """Return the number of repeats of each candidate, which may lack the last ones.

    Raises:
        DataError: another prediction is missing, or one is given twice.
    """
    n_rows, n_splits, found = len(row.labels), len(runs.splits), []
    tested = np.bincount(np.unique(runs.split * n_rows + row.codes) // n_rows, minlength=n_splits)
    for number, name in enumerate(runs.candidate.labels):
        lines = runs.candidate.codes == number
        key = runs.split[lines] * n_seeds[number] + seeds[lines]
        cells = np.unique(key * n_rows + row.codes[lines])
        if len(cells) < int(lines.sum()):
            raise DataError(
                f"{runs.where}: {name} has several predictions for one row in the same split and seed",
                "Keep one. Bootstrap samples, which repeat rows, can't be judged; several seeds need a column 'seed'.",
            )
        there = np.bincount(cells // n_rows, minlength=n_splits * n_seeds[number]).reshape(n_splits, -1)
        lacking = tested[:, None] - there
        n_repeats = _place(n_splits - 1, layout)[0] + 1
        if layout.kind == "cross_validation" and there.any():
            n_repeats = _place(int(np.flatnonzero(there.any(axis=1))[-1]), layout)[0] + 1
            lacking = lacking[: n_repeats * layout.folds]
        found.append(n_repeats)
        if lacking.any():
            split = int(np.flatnonzero(lacking.any(axis=1))[0])
            raise DataError(
                f"{runs.where}: {int(lacking.sum())} predictions of {name} are missing, the first of them in "
                f"{runs.split_name(split)}",
                "All candidates need predictions for the same rows, with as many seeds in all splits. Only the last "
                "repeats of a cross-validation may be missing.",
            )
    return found


def _design(layout: Layout, target: NDArray[Any], answers: _Answers, seeds: int) -> Protocol:
    """Return the design of a comparison with these splits. Too few rows have no verdict."""
    n, outside = len(target), None
    if answers.task != "regression":
        outside = n - int(np.bincount(target).max())
    reason = layout.words
    kind: Any = {"random_splits": "scores_only"}.get(layout.kind, layout.kind)
    if layout.kind == "held_out":
        if n < _FEWEST_TESTED:
            kind, reason = (
                "scores_only",
                f"{n} rows are too few for a verdict on a test set (it needs {_FEWEST_TESTED})",
            )
        elif outside is not None and outside < _FEWEST_OUTSIDE and not answers.hard:
            needs = f"(probabilities need {_FEWEST_OUTSIDE}, predicted labels none)"
            kind, reason = "scores_only", f"{outside} rows outside the largest class are too few for a verdict {needs}"
    elif n >= 4 and (outside is None or outside >= 2):
        usual = protocol(n, outside)
        if not usual.has_verdict:
            kind, reason = "scores_only", usual.reason
    else:
        kind, reason = "scores_only", f"{n} rows, {outside} of them outside the largest class, are too few"
    return Protocol(
        kind=kind,
        repeats=layout.repeats,
        folds=layout.folds,
        seeds=seeds,
        df=layout.df,
        locked_share=1.0 if layout.kind == "held_out" else 0.0,
        reason=reason,
    )


def on_predictions(columns: Frame, question: Question) -> Conclusion:
    """Return the conclusion from a file of predictions.

    Raises:
        ColumnError, DataError: as `read_predictions`.
        OptionError: the score can't be tested on these predictions, there are fewer than two candidates, the reference
            isn't there, or how the splits were made isn't clear.
    """
    found = read_predictions(columns, question)
    known = [one for one, metric in METRICS.items() if metric.row_loss and found.task in metric.tasks]
    if found.hard:
        known = ["accuracy"]
    name = question.score or ("accuracy" if found.hard else default_metric(found.task))
    if name not in known:
        raise OptionError(f"'{name}' can't be tested on these predictions", did_you_mean(name, known))
    metric, target = METRICS[name], found.results[0].target
    seeds = max(result.predictions.shape[1] for result in found.results)
    about: dict[str, Any] = {"target": question.target, "task": found.task, "n_rows": len(target)}
    what = f"numbers, {question.target}"
    if found.task != "regression":
        counts = np.bincount(target, minlength=len(found.labels))
        about["labels"] = dict(zip(found.labels, counts.tolist(), strict=True))
        about["majority_share"] = float(counts.max() / counts.sum())
        several = len(found.labels) > 2
        what = (
            f"{len(found.labels)} labels of {question.target}" if several else f"{question.target} = {found.labels[-1]}"
        )
    said = "predicted labels" if found.hard else "predictions"
    understood = (
        f"{said} of {len(found.results)} candidates for {len(target):,} rows: {what}.",
        found.layout.words,
        *([f"{seeds} seeds a split, averaged within it."] if seeds > 1 and found.layout.kind != "held_out" else []),
    )
    question = replace(question, understood=understood, about=about)
    by_name = {result.name: result for result in found.results}
    reference = question.named(list(by_name))
    margin = _margin(by_name[reference], metric, question)
    if found.layout.kind == "random_splits":
        losses = {name: result.losses(metric.name)[:, 0].astype(np.float64) for name, result in by_name.items()}
        values = {name: 1 - one if metric.greater_is_better else one for name, one in losses.items()}
        return conclude_scores(values, metric, found.layout, question, margin)
    question_asked = asked(question, metric, found.layout, reference=reference, margin=margin, seeds=seeds)
    if not found.results[0].design.has_verdict:
        question_asked = replace(question_asked, interval=None)
    evidence = evidence_of(found.results, metric.name)
    if found.layout.kind == "held_out":  # the file doesn't say how many rows were trained on
        evidence = replace(evidence, n_train=None)
    without = without_verdict(found.results, reference)
    concluded = conclude(question_asked, evidence, without=without, n_parameters=alike(by_name))
    return replace(concluded, candidates=tuple(_candidate(result, found.hard) for result in found.results))


def _margin(reference: Result, metric: Metric, question: Question) -> Margin:
    """Return the margin, by the rule of a comparison."""
    if question.margin is not None:
        return Margin(question.margin, "given")
    default = default_margin(metric.name, reference.target)
    return margin_beside(metric.name, default, float(reference.losses(metric.name).mean()))


def _candidate(result: Result, hard: bool) -> CandidateSummary:
    """Return a candidate with its scores. Predicted labels have the scores without probabilities."""
    found = result.summary()
    if not hard:
        return found
    scores = {name: found.scores[name] for name in ("accuracy", "balanced_accuracy", "mcc")}
    return replace(found, calibration=None, scores=scores)
