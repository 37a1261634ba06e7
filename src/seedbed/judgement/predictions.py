"""Verdicts on out-of-fold predictions in a file: by candidate, repeat, seed and row, as in a
comparison."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import exact_numbers, in_order
from seedbed.data.frame import Numbers
from seedbed.data.splits import Split
from seedbed.errors import ColumnError, DataError, OptionError, did_you_mean, spell
from seedbed.evaluation.classification import check_probabilities
from seedbed.evaluation.conclusion import conclude
from seedbed.evaluation.metrics import METRICS, Margin, default_margin, margin_beside
from seedbed.evaluation.protocol import FEWEST_TESTED_OUTSIDE, Kind, Protocol, too_few
from seedbed.evaluation.summaries import Conclusion, PlanSummary, Task
from seedbed.judgement.judging import open_conclusion
from seedbed.judgement.score_columns import (
    ROLES,
    Factor,
    ScoreFile,
    check_number,
    plain,
    reference_among,
)
from seedbed.judgement.scores import (
    FileLines,
    of_each,
    read_lines,
    split_plan,
    too_few_tested,
)
from seedbed.scoring import Result, evidence_of, without_verdict
from seedbed.tested import Tested
from seedbed.typing import Ints

_OF_CLASS = re.compile(r"(probability|proba|prob|p)_(.+)")
_MOST_CLASSES = 100
_MOST_CANDIDATES = (
    200  # the intervals of all scores of one take a tenth of a second or more
)
_OF_LABELS = (
    "accuracy",
    "balanced_accuracy",
    "mcc",
)  # scores of predicted labels; the others need probabilities
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_MOST_LABELS = (
    20  # whole numbers with more distinct values than this are numbers and not classes
)


@dataclass(frozen=True, eq=False)
class _Predicted:
    """The target and the prediction of each line of a file.

    Attributes:
        labels: the classes; of two, the positive one is the last. Empty for numbers.
        y: the target of each line: class codes or numbers.
        p: the prediction of each line: [line] or [line, class]; one array, or one for each
            candidate with a column of its own.
        hard: whether labels are predicted instead of probabilities, so that only accuracy is known.
        names: of the candidates with a column of their own.
    """

    labels: tuple[str, ...]
    y: NDArray[Any]
    p: Sequence[NDArray[Any]]
    hard: bool = False
    names: Sequence[str] = ()

    @property
    def task(self) -> Task:
        return (
            ("binary" if len(self.labels) == 2 else "multiclass")
            if self.labels
            else "regression"
        )


def conclude_predictions(file: ScoreFile, about: Mapping[str, Any]) -> Conclusion:
    """Return the conclusion from a file that has a line for each candidate, split, seed and row; or
    a line for each split, seed and row, with a column for each candidate. Raises what `judge`
    does."""
    row = _rows_of(file)
    predicted = _read_predictions(file)
    lines = read_lines(file)
    target = of_each(file, row, predicted.y, "targets")
    plan, tests = _splits(lines, row)
    group = file.factor("group")
    groups = of_each(file, row, group.codes, "groups") if group.labels else None
    if groups is not None:
        plan = replace(
            plan,
            n_groups=len(np.unique(groups)),
            reason=f"{plan.reason} {len(np.unique(groups)):,} groups (column '{group.name}').",
        )
    splits = []
    for number, test in enumerate(tests):
        train = np.setdiff1d(np.arange(len(target)), test)
        splits.append(Split(*divmod(number, plan.folds), train, test))
        if groups is None:
            continue
        for code in np.intersect1d(groups[test], groups[train])[:1]:
            raise file.error(
                DataError,
                f"{lines.split_name(number)} tests some rows of {group.name} {group.labels[code]} and not "
                "others, so its models were trained on the same group",
                "These predictions say nothing about new groups. Make folds of whole groups, as GroupKFold does.",
            )
    tested = Tested(
        alpha=file.options.alpha,
        target=target,
        splits=tuple(splits),
        design=_design(plan, target, predicted),
        task=predicted.task,
        n_classes=len(predicted.labels),
        groups=groups,
    )
    by_name = {
        name: Result(tested=tested, name=name, predictions=table)
        for name, table in _tables(lines, row, splits, predicted).items()
    }
    seeds = max(result.predictions.shape[1] for result in by_name.values())
    plan = replace(plan, seeds=seeds, tried=file.options.tried)
    of_rows = _about_rows(file, predicted, target, len(by_name), plan)
    return _conclude_results(file, by_name, plan, {**about, **of_rows}, predicted.hard)


def _read_predictions(file: ScoreFile) -> _Predicted:
    """Return the targets and the predictions of a file."""
    file.factor("target")  # refuses empty cells
    truth = _texts(file, file.roles["target"])
    of_class = {  # by position, the label that a column of probabilities names
        i: _WHOLE.sub(r"\1", match[2])
        for i, name in enumerate(file.frame.names)
        if (match := _OF_CLASS.fullmatch(name.strip())) and i != file.roles["target"]
    }
    wide = file.free() if file.is_wide else []
    if file.is_wide and (len(wide) < 2 or all(of_class.get(i) in truth for i in wide)):
        raise file.error(
            ColumnError,
            "no column names the candidate",
            f"Add a column 'candidate', or name it with {spell('candidate', 'NAME')}. "
            "Or give each candidate a column.",
        )
    check_number(file, len(wide or file.factor("candidate").labels), _MOST_CANDIDATES)
    if not wide:
        return _of_columns(file, truth, of_class)
    names = [file.frame.names[i] for i in wide]
    return replace(_of_predictions(file, truth, wide), names=names)


def _tables(
    lines: FileLines, row: Factor, splits: Sequence[Split], predicted: _Predicted
) -> dict[str, NDArray[Any]]:
    """Return the predictions of each candidate [repeat, seed, row] or [repeat, seed, row, class].
    DataError for missing or double ones."""
    n_rows = len(row.labels)
    n_tested = np.array([[len(split.test)] for split in splits])
    repeat = np.array([split.repeat for split in splits])[lines.split]
    tables = {}
    candidates = lines.candidate.labels or ("each candidate",)
    for candidate, own, n in zip(
        candidates, lines.of_candidate, lines.n_seeds, strict=True
    ):
        cells = np.unique(
            (lines.split[own] * n + lines.place[own]) * n_rows + row.codes[own]
        )
        if len(cells) < len(own):
            raise lines.file.error(
                DataError,
                f"{candidate} has several predictions for one row in the same split and seed",
                "Keep one. Bootstrap samples, which repeat rows, can't be judged; several seeds need a column 'seed'.",
            )
        n_missing = n_tested - np.bincount(
            cells // n_rows, minlength=len(splits) * n
        ).reshape(-1, n)
        for number in np.flatnonzero(n_missing.any(axis=1))[:1].tolist():
            raise lines.file.error(
                DataError,
                f"{int(n_missing.sum())} predictions of {candidate} are missing, the first of them in "
                f"{lines.split_name(number)}",
                "All candidates need predictions for the same rows, with as many seeds in all splits.",
            )
        for name, p in zip(predicted.names or [candidate], predicted.p, strict=True):
            shape = (splits[-1].repeat + 1, n, n_rows, *p.shape[1:])
            tables[name] = np.full(
                shape, np.nan, np.float32 if predicted.labels else np.float64
            )
            tables[name][repeat[own], lines.place[own], row.codes[own]] = p[own]
    return tables


def _about_rows(
    file: ScoreFile,
    predicted: _Predicted,
    target: NDArray[Any],
    n_candidates: int,
    plan: PlanSummary,
) -> dict[str, Any]:
    """Return the fields of a conclusion on the rows, and what was understood of the file."""
    name = file.name("target")
    labels = predicted.labels
    about: dict[str, Any] = {
        "target": name,
        "task": predicted.task,
        "n_rows": len(target),
    }
    what = f"numbers, {name}"
    if labels:
        counts = np.bincount(target, minlength=len(labels))
        about |= {
            "labels": dict(zip(labels, counts.tolist(), strict=True)),
            "majority_share": float(counts.max() / counts.sum()),
        }
        what = (
            f"{len(labels)} labels of {name}"
            if labels[2:]
            else f"{name} = {labels[-1]}"
        )
    kind = "predicted labels" if predicted.hard else "predictions"
    understood = [
        f"{kind} of {n_candidates} candidates for {len(target):,} rows: {what}.",
        plan.reason,
    ]
    if plan.seeds > 1 and plan.kind != "held_out":
        understood.append(f"{plan.seeds} seeds a split, averaged within it.")
    return about | {"understood": tuple(understood)}


def _conclude_results(
    file: ScoreFile,
    by_name: Mapping[str, Result],
    plan: PlanSummary,
    about: Mapping[str, Any],
    hard: bool,
) -> Conclusion:
    """Return the conclusion from results; `about` has its fields on the file. OptionError if the
    score can't be tested on them."""
    options = file.options
    results = tuple(by_name.values())
    tested = results[0].tested
    testable = ["accuracy"]
    if not hard:
        testable = [
            name
            for name, one in METRICS.items()
            if one.row_loss and tested.task in one.tasks
        ]
    score = options.score or ("accuracy" if hard else tested.outcome.metric)
    if score not in testable:
        raise OptionError(
            f"'{score}' can't be tested on these predictions (true values: column '{file.name('target')}')",
            did_you_mean(score, testable),
        )
    reference = reference_among(list(by_name), options)
    if options.margin is not None:
        margin = Margin(options.margin, "given")
    else:  # by the rule of a comparison
        loss = float(by_name[reference].losses(score).mean())
        margin = margin_beside(score, default_margin(score, tested.target), loss)
    conclusion = open_conclusion(
        options,
        METRICS[score],
        plan,
        reference,
        margin,
        about,
        tested.loss_of_prior(score),
    )
    if not tested.design.has_verdict:
        conclusion = replace(conclusion, interval=None)
    evidence = evidence_of(results, score)
    if plan.kind == "held_out":
        evidence = replace(evidence, n_train=None)  # the file doesn't say it
    conclusion = conclude(
        conclusion,
        evidence,
        without=without_verdict(results, reference, score),
        has_letters=options.letters,
        has_sample_sizes=options.plan,
    )
    candidates = [one.summary() for one in results]
    if hard:
        candidates = [
            replace(
                one,
                calibration=None,
                scores={name: one.scores[name] for name in _OF_LABELS},
            )
            for one in candidates
        ]
    return replace(conclusion, candidates=tuple(candidates))


def _rows_of(file: ScoreFile) -> Factor:
    """Return the row of the table that each line of the file predicts; row names that are numbers
    are put in order."""
    if "row" in file.roles:
        row = file.factor("row")
        with contextlib.suppress(ValueError):
            order = np.argsort([float(label) for label in row.labels], kind="stable")
            row = Factor(
                row.name,
                np.argsort(order)[row.codes],
                tuple(row.labels[i] for i in order.tolist()),
            )
        return row
    if file.is_wide and not file.roles.keys() & {
        "repeat",
        "seed",
    }:  # each line is a row of its own, in one fold
        n_rows = file.frame.n_rows
        return Factor(
            "", np.arange(n_rows), tuple(str(number + 1) for number in range(n_rows))
        )
    raise file.error(
        ColumnError,
        "no column names the row of the table that is predicted",
        "Add a column 'row', or name it with row: NAME.",
    )


def _texts(file: ScoreFile, position: int, most: int | None = None) -> list[str]:
    """Return cells as texts, up to `most`; 1.0 as 1, since one column of labels may have been read
    as decimal numbers."""
    part = file.frame.columns[position].rows(np.arange(file.frame.n_rows)[:most])
    column = part.as_texts() if isinstance(part, Numbers) else part
    texts = [_WHOLE.sub(r"\1", text) for text in column.texts]
    return [texts[code] for code in column.codes.tolist()]


def _unknown_label(file: ScoreFile, position: int, labels: set[str]) -> str | None:
    """Return the first cell that is no label of the target; None if there is none. A column of
    numbers says so in its first cells, and all may be millions."""
    cells = (_texts(file, position, most) for most in (_MOST_CLASSES, None))
    return next((cell for some in cells for cell in some if cell not in labels), None)


def _of_columns(
    file: ScoreFile, truth: Sequence[str], of_class: Mapping[int, str]
) -> _Predicted:
    """Return what the columns of a file with a column of candidates predict."""
    columns = file.frame.names
    labels = tuple(in_order({*of_class.values(), *truth}))
    if len(of_class) > 1:
        by_label = {label: i for i, label in of_class.items()}
        if missing := [label for label in labels if label not in by_label]:
            raise file.error(
                ColumnError,
                f"the target has '{missing[0]}', and there is no column 'probability_{missing[0]}'",
                "Give a column of probabilities for each label.",
            )
        p = np.column_stack([file.numbers(by_label[label]) for label in labels])
        check_probabilities(p, file.place_of)
        return _Predicted(
            labels, _codes(truth, labels), [p[:, 1] if len(labels) == 2 else p]
        )
    names = {
        plain(name): i for i, name in enumerate(columns) if i not in file.roles.values()
    }
    probability, prediction = (
        next((names[name] for name in ROLES[role].names if name in names), None)
        for role in ("probability", "prediction")
    )
    labels = tuple(in_order({*truth}))
    if probability is None and {*of_class.values()} & {*labels}:
        ((probability, positive),) = of_class.items()
        labels = tuple(sorted(labels, key=lambda label: label == positive))
    if probability is not None:
        if len(labels) != 2:
            raise file.error(
                ColumnError,
                f"column '{file.name('target')}' has {len(labels)} different labels, and one probability is of two",
                "Give a column 'probability_LABEL' for each label.",
            )
        p = file.numbers(probability)
        check_probabilities(p[:, None], file.place_of)
        return _Predicted(labels, _codes(truth, labels), [p])
    if prediction is None:
        raise file.error(
            ColumnError,
            f"there is no column of predictions among {', '.join(columns[:20])}",
            "Give 'probability' (of the larger label), 'probability_LABEL' for each label, or 'prediction'.",
        )
    return _of_predictions(file, truth, [prediction])


def _of_predictions(
    file: ScoreFile, truth: Sequence[str], predicted: Sequence[int]
) -> _Predicted:
    """Return what columns predict: labels, as probabilities of 0 and 1, or numbers; several columns
    also probabilities of the larger of two labels."""
    target = file.name("target")
    labels = tuple(in_order({*truth}))
    known = {*labels}
    y = _codes(truth, labels)
    names = {file.frame.names[i]: i for i in predicted}
    unknown = {name: _unknown_label(file, i, known) for name, i in names.items()}
    strange = {name: cell for name, cell in unknown.items() if cell is not None}
    texts_only = not exact_numbers(known)
    # More targets than this are texts or numbers and not classes.
    if len(labels) <= (_MOST_CLASSES if texts_only else _MOST_LABELS) and not strange:
        shares = np.eye(len(labels), dtype=np.float32)
        p = [shares[_codes(_texts(file, i), labels)] for i in predicted]
        p = [column[:, 1] for column in p] if len(labels) == 2 else p
        return _Predicted(labels, y, p, hard=True)
    if len(labels) == 2 and len(predicted) > 1:
        for name, i in names.items():
            values = file.frame.numbers(i)
            is_outside = (values < 0) | (values > 1)
            is_share = np.isfinite(values).any() and not is_outside.any()
            if name in strange and not is_share:
                raise file.error(
                    ColumnError,
                    f"column '{name}' holds neither labels of '{target}' ({', '.join(labels)}) nor "
                    f"probabilities: '{strange[name]}'",
                    f"Leave it out, or give {spell('group', name)} if it names groups of rows.",
                )
        of_labels = [name for name in names if name not in strange]
        if of_labels and labels != ("0", "1"):  # which are probabilities, too
            raise file.error(
                ColumnError,
                f"column '{of_labels[0]}' holds labels, and not all others do",
                "Give labels of all candidates, or probabilities of all.",
            )
        return _Predicted(labels, y, [file.numbers(i) for i in predicted])
    for name, cell in [*strange.items()][:1] if texts_only else ():
        raise file.error(
            ColumnError,
            f"'{cell}' is predicted (column '{name}'), and no row has that target",
            "Give labels of the target.",
        )
    if texts_only:
        raise file.error(
            ColumnError,
            f"column '{target}' has {len(labels):,} different labels; the most are {_MOST_CLASSES}",
            f"Name another one with {spell('target', 'NAME')}.",
        )
    return _Predicted(
        (), file.numbers(file.roles["target"]), [file.numbers(i) for i in predicted]
    )


def _codes(cells: Sequence[str], labels: Sequence[str]) -> Ints:
    codes = {label: code for code, label in enumerate(labels)}
    return np.array([codes[cell] for cell in cells], dtype=np.int64)


def _splits(lines: FileLines, row: Factor) -> tuple[PlanSummary, list[Ints]]:
    """Return how the splits were made, by the columns or else by the rows, and the tested rows of
    each split."""
    n_rows = len(row.labels)
    n_splits = len(lines.splits)
    options = lines.file.options
    pairs = np.unique(lines.split * n_rows + row.codes)
    tested = np.split(
        pairs % n_rows, np.searchsorted(pairs, n_rows * np.arange(1, n_splits))
    )
    folds = options.folds
    if n_splits == 1 and folds is not None:
        raise lines.file.error(
            OptionError,
            "folds is given, and no column says which rows a fold tests",
            "Add a column 'fold'.",
        )
    if folds is None and not lines.repeat.labels and len(pairs) == n_rows:
        folds = n_splits  # each row is tested once
    plan = split_plan(lines, folds=folds, test_share=options.test_share, predicted=True)
    if plan.kind == "random_splits":
        raise lines.file.error(
            OptionError,
            "these are predictions of random splits",
            "Score them, and give the score of each split; or predict by folds.",
        )
    for repeat in range(plan.repeats if n_splits > 1 else 0):
        of_repeat = np.concatenate(
            tested[repeat * plan.folds : (repeat + 1) * plan.folds]
        )
        times = np.bincount(of_repeat, minlength=n_rows)
        for number in np.flatnonzero(times != 1)[:1].tolist():
            raise lines.file.error(
                DataError,
                f"row {row.labels[number]} is tested {times[number]} times in one repeat of the cross-validation, and not once",
                "If rows are missing, complete them. Of random splits, give the score of each split.",
            )
    return plan, tested


def _design(plan: PlanSummary, target: NDArray[Any], predicted: _Predicted) -> Protocol:
    """Return the design of a comparison with these splits. Too few rows or groups have no
    verdict."""
    n = len(target)
    n_groups = plan.n_groups
    held_out = plan.kind == "held_out"
    outside = n - int(np.bincount(target).max()) if predicted.labels else None
    why = too_few(n, outside, n_groups)
    why += ", so only scores are shown" if why else ""
    if held_out:
        why = too_few_tested(n, n_groups, "row")
        few = outside is not None and outside < FEWEST_TESTED_OUTSIDE
        if few and not why and not predicted.hard:
            why = (
                f"{outside} rows outside the largest class are too few for a verdict "
                f"(probabilities need {FEWEST_TESTED_OUTSIDE}, predicted labels none)"
            )
    kind: Kind = "held_out" if held_out else "cross_validation"
    return Protocol(
        kind="scores_only" if why else kind,
        repeats=plan.repeats,
        folds=plan.folds,
        df=plan.df,
        locked_share=1.0 if held_out else 0.0,
        reason=why or plan.reason,
    )
