"""Means and standard deviations of scores, as papers print them: no verdict, but bounds on the differences."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
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
from seedbed.judgement.columns import Roles, factor, found_roles, is_beside, numbers, plain, readings, score_kind
from seedbed.judgement.judging import Question, asked, margin_of
from seedbed.judgement.scores import Layout
from seedbed.typing import Floats

__all__ = ["on_means"]


_DEVIATION = ("standard_deviation", "stddev", "std_dev", "stdev", "std", "sd")
_MEAN = ("mean", "average", "avg")
_COUNTS = ("n", "k", "count", "splits", "n_splits", "folds", "n_folds", "runs", "n_runs")
_PLUS_MINUS = ("±", "+/-", "+-", "\\pm")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
_MOST_FOLDS = 20
_MOST_ROWS = 1_000


@dataclass(frozen=True, eq=False, kw_only=True)
class Means:
    """Scores of candidates over splits, without the scores of single splits.

    Attributes:
        names: of the candidates; where: the column of names.
        score: the name of the score; empty if the columns don't give one.
        means, deviations: [candidate].
        n_splits: scores behind each mean; None if that isn't known, or not the same for all.
        words: the columns of means and deviations.
    """

    names: tuple[str, ...]
    where: str
    score: str
    means: Floats
    deviations: Floats
    n_splits: int | None
    words: str


def read_means(columns: Frame, given: Roles) -> Means | None:
    """Return the means and deviations that a file holds, or None if it holds something else.

    It has one row for each candidate, and columns such as `mean` and `std`, `accuracy` and `accuracy_std`, or one of
    texts such as `85.2 ± 1.3`.

    Raises:
        ColumnError: there are several scores, and none is named.
    """
    roles, names = found_roles(columns, given), columns.names
    if roles.keys() & {"fold", "repeat", "seed", "row"} or columns.n_rows > _MOST_ROWS:
        return None
    free = [i for i, name in enumerate(names) if i not in roles.values() and not is_beside(name)]
    counts = next((i for i in free if plain(names[i]) in _COUNTS), None)
    texts = [i for i in free if not np.isfinite(readings(columns, i)).any()]
    both = {i: [_mean_and_deviation(cell or "") for cell in columns.cells(i)] for i in texts}
    pairs = [(i, i) for i, cells in both.items() if all(cells)]
    pairs += [(mean, i) for i in free if i not in texts for mean in _means_beside(names, i, set(free) - {counts, i})]
    if given.score is not None:
        pairs = [(mean, i) for mean, i in pairs if given.score in (names[mean], _label(names[mean]) or given.score)]
    candidate = roles.get("candidate", next((i for i in texts if not all(both[i])), None))
    if not pairs or candidate is None:
        return None
    who = factor(columns, candidate, "candidate")
    if len(who.labels) < columns.n_rows:
        return None
    if len(pairs) > 1:
        message = f"{columns.where}: '{names[pairs[0][0]]}' and '{names[pairs[1][0]]}' could both be the mean score"
        raise ColumnError(message, f"Name one: --score {names[pairs[0][0]]}.")
    (mean, deviation), *_ = pairs
    if mean == deviation:
        values = np.array([cell for cell in both[mean] if cell is not None])
    else:
        values = np.column_stack([numbers(columns, mean), numbers(columns, deviation)])
    n = set() if counts is None else set(numbers(columns, counts).tolist())
    return Means(
        names=who.labels,
        where=who.name,
        score=_label(names[mean]) or (given.score if given.score not in names else "") or "",
        means=values[:, 0],
        deviations=values[:, 1],
        n_splits=int(n.pop()) if len(n) == 1 and not any(math.isnan(one) or one < 2 for one in n) else None,
        words=f"column '{names[mean]}'" if mean == deviation else f"columns '{names[mean]}' and '{names[deviation]}'",
    )


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


def layout_of_means(found: Means, question: Question) -> Layout:
    """Return how the splits behind the means were made; one without degrees of freedom where that isn't known.

    Raises:
        OptionError: the options contradict each other or the number of splits.
    """
    folds, test_share = question.folds, question.test_share
    n = folds if found.n_splits is None else found.n_splits
    if folds is not None and (test_share is not None or folds < 2 or (n or 0) % folds):
        raise OptionError(f"folds is {folds}, and there are {n} splits", "Give --folds K or --test-share S, as it was.")
    overlap, df, words = 0.0, None, "How many splits there were isn't known."
    if n is not None and test_share is not None:
        overlap, df = test_share / (1 - test_share), min(n - 1, 9)
        words = f"{n} random splits, {100 * test_share:.3g} % of the rows tested in each."
    elif n is not None and (folds is not None or n <= _MOST_FOLDS):
        k = folds or n
        overlap, df = 1 / (k - 1), k - 1
        words = f"{n} splits, taken as cross-validation with {k} folds."
    elif n is not None:
        words = f"{n} splits, and it isn't known whether they are random or repeats of folds."
    return Layout(kind="means", repeats=1, folds=n or 0, overlap=overlap, df=df, words=words)


def on_means(columns: Frame, question: Question) -> Conclusion | None:
    """Return the conclusion from a file of means: no verdict, and for each candidate the bounds of its interval. None
    if it holds something else.

    The standard error of a difference depends on the correlation r of the two candidates' scores over the splits: its
    square is s_a^2 + s_b^2 - 2 r s_a s_b times the factor of the corrected t. The bounds are those of r = 1 and r = 0.

    Raises:
        ColumnError: there are several scores, and none is named.
        OptionError: fewer than two candidates, or a reference that isn't there.
    """
    found = read_means(columns, question)
    if found is None:
        return None
    name, taken = found.score or "mean", ""
    try:
        metric = score_kind(name, lower_is_better=question.lower_is_better)
    except OptionError:  # nothing depends on it but the signs
        metric, taken = score_kind(name, lower_is_better=False), ", by default"
    if metric.percent and np.abs(found.means).max() > 1:
        found = replace(found, means=found.means / 100, deviations=found.deviations / 100)
    layout = layout_of_means(found, question)
    way = "higher" if metric.greater_is_better else "lower"
    who = f"{len(found.names)} candidates (column '{found.where}')"
    what = f"means and deviations of {who}; {metric.words} ({found.words}), {way} is better{taken}."
    question = replace(question, understood=(what, layout.words))
    reference = question.named(found.names)
    means, deviations = (dict(zip(found.names, one.tolist(), strict=True)) for one in (found.means, found.deviations))
    margin = margin_of(np.array([means[reference]]), metric, question)
    sign, ours = 1 if metric.greater_is_better else -1, deviations[reference]
    together = n_together(found.names) + question.tried
    bounds = []
    for name in found.names:
        gain = sign * (means[name] - means[reference])
        ends: dict[str, Any] = {}
        for key, spread in (("", math.hypot(ours, deviations[name])), ("correlated_", abs(ours - deviations[name]))):
            if layout.df is not None:
                se = spread * math.sqrt(1 / layout.folds + layout.overlap)
                bound = inference(gain, se, df=layout.df, alpha=question.alpha, comparisons=together)
                ends |= {f"{key}low": bound.low, f"{key}high": bound.high}
        if name != reference:
            bounds.append(Bounds(candidate=name, reference=reference, difference=gain, **ends))
    reason = "means and standard deviations don't say how the scores of two candidates vary together over the splits"
    hint = (
        "For bounds on the differences, say how many splits there were: --folds 10, or a column n and, for random "
        "splits, --test-share."
    )
    return replace(
        asked(question, metric, layout, reference=reference, margin=margin, seeds=1),
        no_verdict=tuple(NoVerdict(one.candidate, reason) for one in bounds),
        on_these_rows=tuple(bounds),
        ranking=tuple(sorted(found.names, key=lambda name: -sign * means[name])),
        candidates=tuple(
            CandidateSummary(
                name=name, kind="scores", scores={metric.name: Score(means[name], fold_sd=deviations[name])}
            )
            for name in found.names
        ),
        notes=() if layout.df is not None else (Note(message=phrased(hint, question.command)),),
    )
