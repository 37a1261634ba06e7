"""Means and standard deviations of scores, as papers print them: no verdict, but bounds on the differences."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seedbed.data import Frame
from seedbed.errors import ColumnError, OptionError, phrased
from seedbed.evaluation import (
    Bounds,
    CandidateSummary,
    Conclusion,
    Note,
    NoVerdict,
    Score,
    inference,
    n_together,
)
from seedbed.judgement.columns import Question, factor, free_columns, numbers, plain, readings, score_kind
from seedbed.judgement.judging import asked, margin_of
from seedbed.judgement.scores import MOST_DF, MOST_FOLDS, SplitPlan

__all__ = ["on_means"]


_DEVIATION = ("standard_deviation", "stddev", "std_dev", "stdev", "std", "sd")
_MEAN = ("mean", "average", "avg")
_COUNTS = ("n", "k", "count", "splits", "n_splits", "folds", "n_folds", "runs", "n_runs")
_PLUS_MINUS = ("±", "+/-", "+-", "\\pm")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
_MOST_ROWS = 1_000


def _mean_columns(columns: Frame, roles: Mapping[str, int], score: str | None) -> tuple[int, int, int] | None:
    """Return the columns of candidates, means and deviations; None if the file holds something else.

    It has one row for each candidate, and columns such as `mean` and `std`, `accuracy` and `accuracy_std`, or one of
    texts such as `85.2 ± 1.3`, which is both.

    Raises:
        ColumnError: there are several scores, and none is named.
    """
    names = columns.names
    if roles.keys() & {"fold", "repeat", "seed", "row"} or columns.n_rows > _MOST_ROWS:
        return None
    free = free_columns(columns, roles)
    texts = [i for i in free if not np.isfinite(readings(columns, i)).any()]
    both = [i for i in texts if all(_mean_and_deviation(text) for text in columns.texts(i).texts)]
    others = set(free) - {_counts(columns, free)}
    pairs = [(i, i) for i in both]
    pairs += [(mean, i) for i in free if i not in texts for mean in _means_beside(names, i, others - {i})]
    if score is not None:
        pairs = [(mean, i) for mean, i in pairs if score in (names[mean], _label(names[mean]) or score)]
    candidate = roles.get("candidate", next((i for i in texts if i not in both), None))
    if not pairs or candidate is None or len(factor(columns, candidate, "candidate").labels) < columns.n_rows:
        return None
    if len(pairs) > 1:
        message = f"{columns.where}: '{names[pairs[0][0]]}' and '{names[pairs[1][0]]}' could both be the mean score"
        raise ColumnError(message, f"Name one: --score {names[pairs[0][0]]}.")
    return candidate, *pairs[0]


def _counts(columns: Frame, free: Sequence[int]) -> int | None:
    """Return the column of numbers of splits."""
    return next((i for i in free if plain(columns.names[i]) in _COUNTS), None)


def _mean_and_deviation(cell: str) -> tuple[float, float] | None:
    """Return the two numbers of a text such as `85.2 ± 1.3`; None for another text."""
    for sign in _PLUS_MINUS:
        parts = [part.strip().removesuffix("%").rstrip() for part in cell.split(sign)]
        if len(parts) == 2 and all(map(_NUMBER.fullmatch, parts)) and not parts[1].startswith("-"):
            return float(parts[0]), float(parts[1])
    return None


def _without(name: str, words: tuple[str, ...]) -> str | None:
    """Return a column's plain name without a word and its underscore; None if it has none of the words."""
    for word in words:
        before, there, after = f"_{name}_".partition(f"_{word}_")
        if there:
            return (before or after).strip("_")
    return None


def _label(name: str) -> str:
    """Return which score a column of means is of: `accuracy` of mean_accuracy; empty for `mean`."""
    label = _without(plain(name), _MEAN)
    return name if label is None else label


def _means_beside(names: tuple[str, ...], deviation: int, others: set[int]) -> list[int]:
    """Return the columns that a column of deviations may belong to."""
    label = _without(plain(names[deviation]), _DEVIATION)
    if label is None:
        return []
    same = [i for i in sorted(others) if plain(_label(names[i])) == label]
    return same or ([] if label else [i for i in sorted(others) if _without(plain(names[i]), _DEVIATION) is None])


def plan_of_means(n_splits: int | None, question: Question) -> SplitPlan:
    """Return how the splits behind the means were made; one without degrees of freedom where that isn't known.

    Raises:
        OptionError: the options contradict each other or the number of splits.
    """
    folds, test_share = question.folds, question.test_share
    n = folds if n_splits is None else n_splits
    if folds is not None and (test_share is not None or folds < 2 or (n or 0) % folds):
        raise OptionError(f"folds is {folds}, and there are {n} splits", "Give --folds K or --test-share S, as it was.")
    overlap, df, words = 0.0, None, "How many splits there were isn't known."
    if n is not None and test_share is not None:
        overlap, df = test_share / (1 - test_share), min(n - 1, MOST_DF)
        words = f"{n} random splits, {100 * test_share:.3g} % of the rows tested in each."
    elif n is not None and (folds is not None or n <= MOST_FOLDS):
        k = folds or n
        overlap, df = 1 / (k - 1), k - 1
        words = f"{n} splits, taken as cross-validation with {k} folds."
    elif n is not None:
        words = f"{n} splits, and it isn't known whether they are random or repeats of folds."
    return SplitPlan(kind="means", folds=n or 0, overlap=overlap, df=df, words=words)


def on_means(columns: Frame, roles: Mapping[str, int], question: Question) -> Conclusion | None:
    """Return the conclusion from a file of means: no verdict, and for each candidate the bounds of its interval. None
    if it holds something else.

    The standard error of a difference depends on the correlation r of the two candidates' scores over the splits: its
    square is s_a^2 + s_b^2 - 2 r s_a s_b times the factor of the corrected t. The bounds are those of r = 1 and r = 0.

    Raises:
        ColumnError: there are several scores, and none is named.
        OptionError: fewer than two candidates, or a reference that isn't there.
    """
    positions = _mean_columns(columns, roles, question.score)
    if positions is None:
        return None
    names = factor(columns, positions[0], "candidate").labels
    of_candidates, of_mean, of_deviation = (columns.names[i] for i in positions)
    if of_mean == of_deviation:
        values = np.array([_mean_and_deviation(cell or "") for cell in columns.cells(positions[1])], dtype=np.float64)
        read = f"column '{of_mean}'"
    else:
        values = np.column_stack([numbers(columns, i) for i in positions[1:]])
        read = f"columns '{of_mean}' and '{of_deviation}'"
    counts = _counts(columns, free_columns(columns, roles))
    n = set() if counts is None else set(numbers(columns, counts).tolist())
    plan = plan_of_means(int(n.pop()) if len(n) == 1 and min(n) >= 2 else None, question)
    score = _label(of_mean) or (question.score if question.score not in columns.names else "") or "mean"
    try:
        metric, taken = score_kind(score, lower_is_better=question.lower_is_better), ""
    except OptionError:  # nothing depends on it but the signs
        metric, taken = score_kind(score, lower_is_better=False), ", by default"
    if metric.percent and np.abs(values[:, 0]).max() > 1:
        values = values / 100
    way = "higher" if metric.greater_is_better else "lower"
    who = f"{len(names)} candidates (column '{of_candidates}')"
    what = f"means and deviations of {who}; {metric.words} ({read}), {way} is better{taken}."
    question = replace(question, understood=(what, plan.words))
    reference = question.named(names)
    means, deviations = (dict(zip(names, column, strict=True)) for column in values.T.tolist())
    margin = margin_of(np.array([means[reference]]), metric, question)
    sign, ours = 1 if metric.greater_is_better else -1, deviations[reference]
    together, bounds = n_together(names) + question.tried, []
    for name in names:
        if name == reference:
            continue
        gain, ends = sign * (means[name] - means[reference]), dict[str, Any]()
        for key, spread in (("", math.hypot(ours, deviations[name])), ("correlated_", abs(ours - deviations[name]))):
            if plan.df is not None:
                se = spread * math.sqrt(1 / plan.folds + plan.overlap)
                bound = inference(gain, se, df=plan.df, alpha=question.alpha, comparisons=together)
                ends |= {f"{key}low": bound.low, f"{key}high": bound.high}
        bounds.append(Bounds(candidate=name, reference=reference, difference=gain, **ends))
    reason = "means and standard deviations don't say how the scores of two candidates vary together over the splits"
    hint = (
        "For bounds on the differences, say how many splits there were: --folds 10, or a column n and, for random "
        "splits, --test-share."
    )
    scores = {name: {metric.name: Score(means[name], fold_sd=deviations[name])} for name in names}
    return replace(
        asked(question, metric, plan, reference=reference, margin=margin, seeds=1),
        no_verdict=tuple(NoVerdict(bound.candidate, reason) for bound in bounds),
        on_these_rows=tuple(bounds),
        ranking=tuple(sorted(names, key=lambda name: -sign * means[name])),
        candidates=tuple(CandidateSummary(name=name, kind="scores", scores=scores[name]) for name in names),
        notes=() if plan.df is not None else (Note(message=phrased(hint, question.command)),),
    )
