"""The column to predict: its task, its labels or numbers, and the rows that have one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import (
    MISSING_NUMBERS,
    exact_numbers,
    first_of,
    in_order,
    is_code,
    quote,
)
from seedbed.data.frame import Frame, Remark, Texts, as_notes, is_whole, remark_on_rows
from seedbed.data.kinds import (
    PAIRS,
    Finished,
    as_category,
    as_numbers,
    finish,
)
from seedbed.data.suspects import find_extreme_code, find_near_duplicates
from seedbed.data.table import Column
from seedbed.errors import OptionError, TargetError, did_you_mean, spell
from seedbed.evaluation.summaries import Note, Task
from seedbed.outcomes.hazards import FollowUp
from seedbed.typing import Bools, Floats

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
MOST_CLASSES = 50
_FEWEST_ORDERED = 5  # classes of numbers, which are likely ratings or counts
MOST_WHOLE_NUMBERS = 20  # with more, a target of whole numbers is one of amounts
LARGEST_TARGET = 1e30  # of the numbers to predict: networks compute in float32, which holds numbers up to 3e38
ROWS_OF_A_RARE_CLASS = (
    10  # of a class, or half of an equal share of the rows if that is fewer
)
RARE = 0.4  # a label of fewer rows is positive, unless the words say otherwise
SAYS_NO = {
    "no",
    "nein",
    "non",
    "false",
    "off",
    "negative",
    "neg",
    "-",
    "absent",
    "none",
}
SAYS_NO |= {"control", "normal", "healthy"}
SAYS_YES = {"yes", "ja", "oui", "true", "on", "positive", "pos", "+", "present", "case"}
SAYS_NOTHING = MISSING_NUMBERS | {
    "refused",
    "don't know",
    "dk",
    "9",
    "99",
    "999",
    "-1",
    "-9",
    "-99",
    "-999",
}
# In this order: 'class' may be that of a ship's passengers, and 'y' a coordinate.
USUAL_NAMES = (
    *(
        "target",
        "y_true",
        "truth",
        "true_label",
        "survived",
        "diagnosis",
        "outcome",
        "churn",
        "attrition",
        "species",
    ),
    *("label", "actual", "class", "saleprice", "price", "quality", "y"),
)


def likely_target(names: Sequence[str], *, usual_only: bool = False) -> str | None:
    """Return the likely target: a column with a usual name, else the last one, unless
    `usual_only`."""
    plain = {
        re.sub("[^a-z0-9]+", "_", name.strip().lower()): name
        for name in reversed(names)
    }
    usual = next((plain[name] for name in USUAL_NAMES if name in plain), None)
    return usual if usual or usual_only or not names else names[-1]


@dataclass(frozen=True, eq=False)
class EncodedTarget:
    """The encoded target of the rows that have one, as in `Table`, where `values` are called
    `target`.

    `has_target` says which rows of the frame have one [row].
    """

    values: NDArray[Any]
    labels: tuple[str, ...]
    task: Task
    has_target: Bools
    notes: tuple[Note, ...]
    durations: Floats | None = None
    follow_up: FollowUp | None = None


def encode_target(
    frame: Frame,
    name: str,
    *,
    task: str | None = None,
    positive: str | None = None,
    decimal: str = "",
    role: str = "target",
) -> EncodedTarget:
    """Encode the column `name`, which errors call the `role`; `task` and `positive` are as in
    `read_table`.

    `decimal` is 'point' or 'comma' if other columns decide how '60,667' is meant, else ''. Raises
    OptionError for no such task, or if `positive` is none of two labels; TargetError for too many
    rows without a target, one value only, a number of labels that the task can't have, and no
    numbers to regress on, or infinite ones.
    """
    if task is not None and task not in TASKS:
        raise OptionError(f"there is no task '{task}'", did_you_mean(task, TASKS))
    where = f"{frame.where}: the {role} '{name}'"
    cells = frame.texts(frame.names.index(name))
    if positive is not None and task not in (None, "binary"):
        raise OptionError(
            f"'{positive}' can't be the positive label of a {task} task",
            "Use it for two labels.",
        )
    numbers = as_numbers(cells, percent=0 if task == "regression" else 95)
    if numbers is not None:
        mark = decimal if numbers.is_open else next(iter(numbers.readings))
        finished = finish(
            name, numbers, spelling=mark or "point", is_known=bool(mark), forced=True
        )
        values = finished[0].values
        if infinite := np.flatnonzero(np.abs(values) > LARGEST_TARGET).tolist():
            location = f"first in {frame.places(infinite[:1])[infinite[0]]}: {quote(cells.text_at(infinite[0]))}"
            raise TargetError(
                f"{where}: {len(infinite)} infinite or too large numbers, {location}",
                "Repair or remove these rows, or use a larger unit.",
            )
        present = np.unique(values[~np.isnan(values)])
        are_amounts = len(present) > (MOST_WHOLE_NUMBERS if is_whole(present) else 2)
        are_codes = is_whole(present) and any(map(is_code, cells.texts))
        if task == "regression" or (task is None and are_amounts and not are_codes):
            if positive is not None:
                raise OptionError(
                    f"{where} holds numbers, so no label is the positive one",
                    f"Use {spell('task', 'binary')}.",
                )
            text = next((text for text in cells.texts if text != ""), None)
            if text is not None and np.isnan(values).all():
                raise TargetError(
                    f"{where} holds no number, but text ({quote(text)})",
                    f"Leave {spell('task', 'regression')} out.",
                )
            return _regression(frame, where, cells, finished, explain=task is None)
    return _classes(
        frame, where, cells, labelled(name, cells), task=task, positive=positive
    )


def labelled(name: str, cells: Texts) -> Finished:
    """Return a column of labels, and remarks."""
    draft = as_category(cells)
    return finish(
        name, draft, spelling=next(iter(draft.readings)), is_known=True, forced=True
    )


def _regression(
    frame: Frame, where: str, cells: Texts, finished: Finished, *, explain: bool
) -> EncodedTarget:
    column, remarks = finished
    name, values = column.name, column.values
    has_target, left_out = rows_with_target(
        frame, where, "has no number", cells, column
    )
    present = values[has_target]
    if present.min() == present.max():
        raise TargetError(
            f"{where} is {present[0]:g} in every row", "There is nothing to predict."
        )
    codes = [
        replace(remark, code="SB207") for remark in find_extreme_code(name, present)
    ]
    remarks = [*remarks, *left_out, *codes]
    if explain:
        message = f"the target '{name}' is predicted as a number: it has {len(np.unique(present))} different values"
        remarks.append(Remark(message, name))
    return EncodedTarget(
        present, (), "regression", has_target, as_notes(frame, remarks)
    )


def _classes(
    frame: Frame,
    where: str,
    cells: Texts,
    finished: Finished,
    *,
    task: str | None,
    positive: str | None,
) -> EncodedTarget:
    column, remarks = finished
    name, values, levels = column.name, column.values, column.schema.levels
    has_target, left_out = rows_with_target(frame, where, "is missing", cells, column)
    labels = in_order(levels)
    _check_labels(where, labels, task)
    if positive is not None and len(labels) != 2:
        raise OptionError(
            f"{where} has {len(labels)} labels, so none is 'the positive one'",
            f"Leave out {spell('positive')}.",
        )
    if len(labels) == 2:
        share = float(
            (values == levels.index(labels[1])).sum() / (~np.isnan(values)).sum()
        )
        named = None if positive is None else named_label(where, labels, positive)
        labels = (
            labels
            if named == labels[1] or (named is None and _is_positive(labels, share))
            else labels[::-1]
        )
    code_of = np.array([labels.index(level) for level in levels], dtype=np.int64)
    codes = code_of[values[has_target].astype(np.intp)]
    counts = dict(
        zip(labels, np.bincount(codes, minlength=len(labels)).tolist(), strict=True)
    )
    remarks = [*remarks, *left_out]
    fewest = min(ROWS_OF_A_RARE_CLASS, len(codes) / len(labels) / 2)
    numbers = exact_numbers(labels)
    nothing = {label for label in labels if _says_nothing(label, numbers)}
    few = len(codes) / 100  # rows of a word for a missing answer, such as 9
    rare = [
        label
        for label, n in counts.items()
        if n < fewest or (label in nothing and n < few)
    ]
    if rare:
        listed = first_of([f"{quote(label)} ({counts[label]})" for label in rare], 5)
        message = f"the target '{name}' has labels with few rows: {listed}"
        missing = [f"{name}={label}" for label in rare if label in nothing]
        if missing and len(labels) > len(missing) + 1:
            message += (
                f"; if they are missing answers, give {spell('missing', *missing[:5])}"
            )
        remarks.append(
            Remark(message, name, "SB214", sum(counts[label] for label in rare))
        )
    remarks += find_near_duplicates(name, f"the target '{name}' has labels", counts, 0)
    if task is None and len(labels) > 2 and numbers:
        message = (
            f"the {len(labels)} numbers of the target '{name}' are used as classes"
        )
        message += f"; {spell('task', 'regression')} predicts numbers"
        code = "SB216" if len(labels) >= _FEWEST_ORDERED else ""
        remarks.append(Remark(message, name, code, finding=message if code else ""))
    class_task: Task = "binary" if len(labels) == 2 else "multiclass"
    return EncodedTarget(
        codes, labels, class_task, has_target, as_notes(frame, remarks)
    )


def _says_nothing(label: str, numbers: Mapping[str, Decimal]) -> bool:
    """Return whether a label may stand for a missing answer: a word, or a number like 9 that
    doesn't continue those of the other labels."""
    number = numbers.get(label)
    others = {*numbers.values()}
    continues = number is not None and not others.isdisjoint((number - 1, number + 1))
    return label.lower() in SAYS_NOTHING and not continues


def rows_with_target(
    frame: Frame, where: str, what: str, cells: Texts, column: Column
) -> tuple[Bools, list[Remark]]:
    """Return which rows have a target [row], and a remark if some have none. TargetError if these
    are too many."""
    missing = np.isnan(column.values)
    rows = np.flatnonzero(missing)
    if not len(rows):
        return ~missing, []
    if len(rows) == len(cells) or 100 * len(rows) > frame.most_missing * len(cells):
        location = frame.places([int(rows[0])])[int(rows[0])]
        text = quote(cells.text_at(rows[0]))
        hint = f"Leave these rows out with {spell('drop_missing_target', True)}; if the word is a label, rename it."
        if len(rows) == len(cells):
            hint = "Fill these cells, or name another column."
        raise TargetError(
            f"{where} {what} in {len(rows)} of {len(cells)} rows, first in {location} ({text})",
            hint,
        )
    without = (
        f"{len(rows)} rows without a target are"
        if len(rows) > 1
        else "a row without a target is"
    )
    return ~missing, [remark_on_rows(f"{without} left out", column.name, "SB205", rows)]


def _check_labels(where: str, labels: tuple[str, ...], task: str | None) -> None:
    some = first_of([quote(label) for label in labels], 3)
    if len(labels) == 1:
        raise TargetError(
            f"{where} has one class only, {some}", "A classification needs two."
        )
    if task == "binary" and len(labels) > 2:
        raise TargetError(
            f"{where} has {len(labels)} labels ({some}); a binary task has two",
            f"Use {spell('task', 'multiclass')}.",
        )
    if task == "multiclass" and len(labels) == 2:
        raise TargetError(
            f"{where} has two labels ({some}); a multiclass task has more",
            f"Use {spell('task', 'binary')}.",
        )
    if len(labels) > MOST_CLASSES:
        advice = "Merge rare labels, or name another target."
        if any(exact_numbers([label]) for label in labels):
            regression = spell("task", "regression")
            advice = f"If it holds amounts, {regression} treats other cells as missing. Else merge rare labels."
        raise TargetError(
            f"{where} has {len(labels)} labels ({some}); the limit is {MOST_CLASSES}",
            advice,
        )


def _is_positive(labels: tuple[str, ...], share: float) -> bool:
    """Return whether the second of two labels, which has this share of the rows, is the positive
    one.

    The words decide: yes rather than no, 1 rather than 0. Otherwise it is the clearly rarer label,
    else the second.
    """
    first, second = (label.lower() for label in labels)
    if first in SAYS_YES or second in SAYS_NO or (second, first) in PAIRS:
        return second in SAYS_YES or first in SAYS_NO
    if first in SAYS_NO or second in SAYS_YES or (first, second) in PAIRS:
        return True
    numbers = exact_numbers(labels)
    return share <= 1 - RARE or (bool(numbers) and min(numbers.values()) <= 0)


def named_label(where: str, labels: tuple[str, ...], name: str) -> str:
    """Return the label that the user names, as '2' or '2.0'. Raises OptionError if there is
    none."""
    word = name.strip()
    numbers = exact_numbers([*labels, word])
    chosen = [
        label
        for label in labels
        if label == word or (numbers and numbers[label] == numbers[word])
    ]
    if not chosen:
        raise OptionError(
            f"{where} has no label {quote(word)}", did_you_mean(word, labels)
        )
    return chosen[0]
