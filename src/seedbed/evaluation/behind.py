"""How far each model is behind the reference, a model that is named before the run; and what helps.

All intervals and verdicts against the reference hold together: their quantile is that of the
largest |t| (Dunnett 1955), with a variance for each pair. benchmarks/behind.py has error rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import Literal

import numpy as np

from seedbed.errors import OptionError
from seedbed.evaluation.estimates import (
    Difference,
    Estimate,
    holm,
    student_cdf,
    student_quantile,
)
from seedbed.evaluation.verdicts import (
    LIKELY,
    LIKELY_BEHIND_BLEND,
    LIKELY_HELPS,
    OPEN,
    Rule,
    Verdict,
)
from seedbed.typing import Floats

# Degrees of freedom of s^2 over ten folds by the number of repeats: k - 1 for one repeat, else the
# lower ends of what was measured. They never narrow the interval of two models, which has at least
# Student's quantile with k - 1.
_DEGREES = {1: 9, 2: 12, 3: 18, 5: 25, 10: 35}
_FEWEST_REPEATS, _MOST_MODELS, _DRAWS = 3, 16, 4000

ContrastVerdict = Literal[
    "helps",
    "hurts",
    "likely helps",
    "likely hurts",
    "no difference that matters",
    "can't tell",
]

_OF_RULE: Mapping[
    Rule, tuple[ContrastVerdict, ContrastVerdict]
] = {  # and of the pair reversed
    "better": ("helps", "hurts"),
    "worse": ("hurts", "helps"),
    "likely_better": ("likely helps", "likely hurts"),
    "likely_worse": ("likely hurts", "likely helps"),
    "no_practical_difference": ("no difference that matters",) * 2,
    "cannot_tell": ("can't tell",) * 2,
}


_LEANINGS: Mapping[int, Rule] = {
    1: "likely_better",
    -1: "likely_worse",
    0: "cannot_tell",
}
"""Open rules by the sign of a difference that leans."""


@dataclass(frozen=True, kw_only=True)
class Contrast(Difference):
    """Two models that differ in one thing, the `question`, chosen before the run; positive: it
    helps.

    The interval holds for all contrasts together, within the margin where the difference is shown
    to be below it. `p_adjusted` is two-sided, for all contrasts together."""

    question: str
    candidate: str
    reference: str
    p_adjusted: float
    verdict: ContrastVerdict


Drawn = Mapping[frozenset[str], Floats]
"""|t| of each pair of models [draw], as if all were equally good; empty if nothing is drawn."""


def drawn_of(folds: Mapping[str, Floats], df: float | None = None) -> Drawn:
    """Return draws of |t|. Nothing is drawn for fewer than three repeats, whose correlations are
    too uncertain, and for two models or more than 16.

    Losses are drawn as normal numbers with the covariance of those measured. The variance of each
    pair is that of as many other draws as there are degrees of freedom: with one variance for all
    pairs, errors would be too frequent.

    Args:
        folds: name -> [repeat, fold], losses.
        df: degrees of freedom of one repeat; one less than folds if left out.
    """
    shapes = {losses.shape for losses in folds.values()}
    repeats, n_folds = min(shapes, default=(0, 0))
    if repeats < _FEWEST_REPEATS or not 2 < len(folds) <= _MOST_MODELS:
        return {}
    sizes, vectors = np.linalg.eigh(
        np.cov([losses[:repeats].ravel() for losses in folds.values()])
    )
    first, second = np.triu_indices(len(folds), 1)
    root = vectors * np.sqrt(np.maximum(sizes, 0.0))
    weights = root[first] - root[second]
    weights /= max(1e-300, float(np.abs(weights).max()))
    n = max(1, round(_degrees(repeats, df or n_folds - 1)))
    normal = np.random.default_rng(0).standard_normal(
        (n + 1, _DRAWS, len(folds)), dtype=np.float32
    )
    squares = ((draw @ weights.T.astype(np.float32)) ** 2 for draw in normal)
    t = np.sqrt(next(squares) / np.maximum(sum(squares) / n, 1e-12)).T
    return dict(zip(map(frozenset, itertools.combinations(folds, 2)), t, strict=True))


def simultaneous(
    estimates: Mapping[str, Estimate], reference: str, drawn: Drawn, alpha: float
) -> dict[str, Estimate]:
    """Return estimates with intervals that hold together: their quantile is that of the drawn
    largest |t|. They are unchanged if nothing is drawn, and so is one with an interval for counts.

    Args:
        estimates: of the difference to the reference by the name of the model.
        drawn: |t| of all pairs of models, by `drawn_of`.
        alpha: error level of all comparisons together.
    """
    largest = _largest(drawn, [{reference, name} for name in estimates])
    if not largest.size:
        return dict(estimates)
    n = len(estimates)
    return {
        name: one if one.t is None else _widened(one, n, alpha, largest)
        for name, one in estimates.items()
    }


def adjusted_p(
    estimates: Mapping[str, Estimate], reference: str, drawn: Drawn, tried: int
) -> dict[str, float]:
    """Return two-sided p-values for all comparisons together: by the largest |t| that is drawn, and
    after Holm (1979) if nothing is drawn. `tried` counts discarded attempts."""
    largest = _largest(drawn, [{reference, name} for name in estimates])
    n = len(estimates)
    if largest.size:
        return {name: _p_of(one, n, largest) for name, one in estimates.items()}
    alone = [one.p for one in estimates.values()]
    return dict(zip(estimates, holm(alone, tried=tried).tolist(), strict=True))


def leaning(estimate: Estimate, threshold: float) -> int:
    """Return the sign of a difference that has this probability of having it, by a comparison
    alone; else 0.

    It is the one-sided probability of the corrected t, with the degrees of freedom of the spread
    over all repeats."""
    return int(np.sign(estimate.mean)) if certainty(estimate) >= threshold else 0


def certainty(estimate: Estimate) -> float:
    """Return the probability that a difference has the sign that it has here, as `leaning` takes
    it."""
    return (
        1 - estimate.p / 2
        if estimate.t is None
        else student_cdf(abs(estimate.t), _degrees_of(estimate))
    )


def graded(rule: Rule, estimate: Estimate, *, is_blend: bool = False) -> Rule:
    """Return likely better or likely worse in place of a rule that leaves it open, where the
    difference leans enough.

    This is no claim over all comparisons: among many equal models, one of them is likely worse more
    often. Models behind a blend of all are truly worse more often than others, and those ahead of
    it are ahead by chance (benchmarks/grades.md): these are never called likely better."""
    if rule not in OPEN:
        return rule
    sign = leaning(estimate, LIKELY_BEHIND_BLEND if is_blend else LIKELY)
    return _LEANINGS[sign] if sign < 0 or (sign > 0 and not is_blend) else rule


def is_small(estimate: Estimate, margin: float, alpha: float) -> bool:
    """Return whether a difference is shown to be below the margin on either side: each side at
    alpha / 2, with the standard error at the margin, which grows like the root of the
    difference."""
    size = abs(estimate.mean)
    at_margin = math.sqrt(min(2.0, max(1.0, margin / max(size, margin / 2))))
    return (
        size - student_quantile(alpha / 2, estimate.df) * estimate.se * at_margin
        < margin
    )


def contrasts_of(
    questions: Sequence[tuple[str, str, Sequence[str]]],
    difference: Callable[[str, str, int], Estimate],
    names: Sequence[str],
    *,
    margin: float,
    alpha: float,
    drawn: Drawn | None = None,
) -> tuple[Contrast, ...]:
    """Return what helps, by a two-sided test of each contrast; together step by step, with the
    quantiles of the steps.

    A candidate with several references helps only if it is better than each of them, so its p is
    the largest one; the difference shown is the smallest. It likely helps if it is likely better
    than each of them alone.

    Args:
        questions: the thing, the candidate with it, and those without.
        difference: of a reference, a candidate, and 1. Contrasts whose error isn't known are left
            out.
        names: of the models that can be judged.
        drawn: |t| of all pairs of models, by `drawn_of`.
    """
    rows = []
    for question, candidate, references in questions:
        estimates = {
            one: difference(one, candidate, 1)
            for one in references
            if {one, candidate} <= {*names}
        }
        if not estimates or any(one.error_unknown for one in estimates.values()):
            continue
        nearest = min(estimates, key=lambda one: estimates[one].mean)
        rows.append((question, candidate, nearest, estimates))
    pairs = [{candidate, nearest} for _, candidate, nearest, _ in rows]
    estimates_of = [[*estimates.values()] for *_, estimates in rows]
    adjusted = _stepwise_p(estimates_of, pairs, drawn or {})
    largest = _largest(drawn or {}, pairs)
    contrasts = []
    for (question, candidate, nearest, estimates), p in zip(
        rows, adjusted, strict=True
    ):
        signs = {leaning(one, LIKELY_HELPS) for one in estimates.values()}
        sign = signs.pop() if len(signs) == 1 else 0
        estimate = _widened(estimates[nearest], len(rows), alpha, largest)
        rule = _LEANINGS[sign]
        low = min(estimate.low, 0.0)
        high = max(estimate.high, 0.0)
        if p < alpha:
            rule = "better" if estimate.mean > 0 else "worse"
            low = max(estimate.low, 0.0) if rule == "better" else estimate.low
            high = min(estimate.high, 0.0) if rule == "worse" else estimate.high
        if is_small(estimate, margin, alpha):
            rule = "no_practical_difference"
            low = max(low, -margin)
            high = min(high, margin)
        contrasts.append(
            Contrast(
                question=question,
                candidate=candidate,
                reference=nearest,
                difference=estimate.mean,
                low=low,
                high=high,
                p_adjusted=p,
                verdict=_OF_RULE[rule][0],
            )
        )
    return tuple(contrasts)


def letters_of(
    names: Sequence[str],
    difference: Callable[[str, str, int], Estimate],
    *,
    alpha: float,
    drawn: Drawn,
    tried: int = 0,
) -> dict[str, str]:
    """Return the letters of each model: two models have a letter in common if and only if no
    difference between them is shown, over all pairs at once.

    This is the compact letter display of Piepho (2004, doi:10.1198/1061860043515), by inserting a
    column of letters for each difference and absorbing columns that another contains.

    Args:
        names: of the models, the best one first; it has the letter a.
        difference: of a reference, a candidate, and 1. A pair whose error isn't known isn't shown
            to differ.
        alpha: error level of all pairs together.
        drawn: |t| of all pairs of models, by `drawn_of`.
        tried: how many attempts were discarded; each counts as one more pair.

    Raises:
        OptionError: there are more models than letters.
    """
    if len(names) > len(ascii_lowercase):
        raise OptionError(
            f"there are {len(names)} candidates, and letters for {len(ascii_lowercase)}",
            "Judge fewer of them with letters.",
        )
    pairs = [{*pair} for pair in itertools.combinations(names, 2)]
    estimates = [difference(*pair, 1) for pair in itertools.combinations(names, 2)]
    adjusted = _stepwise_p([[one] for one in estimates], pairs, drawn, tried)
    columns = {frozenset(names)}
    for pair, estimate, p in zip(pairs, estimates, adjusted, strict=True):
        if p >= alpha or estimate.error_unknown:
            continue
        parents = {column for column in columns if pair <= column}
        columns |= {column - {name} for column in parents for name in pair}
        columns -= parents
        columns = {one for one in columns if not any(one < other for other in columns)}
    letters = dict.fromkeys(names, "")
    by_best = sorted(columns, key=lambda column: sorted(map(names.index, column)))
    for number, column in enumerate(by_best):
        for name in column:  # there may be more columns than letters: a'
            letters[name] += ascii_lowercase[number % 26] + "'" * (number // 26)
    return letters


def _stepwise_p(
    estimates_of: Sequence[Sequence[Estimate]],
    pairs: Sequence[set[str]],
    drawn: Drawn,
    tried: int = 0,
) -> list[float]:
    """Return the p-value of each question, by the differences to its references: adjusted step by
    step, the clearest question first; `tried` counts discarded attempts."""

    def p_of(number: int, n: int, largest: Floats) -> float:
        estimates = estimates_of[number]
        return max(
            _p_of(one, n, largest) if one.mean > 0 or len(estimates) == 1 else 1.0
            for one in estimates
        )

    left = [*pairs]
    adjusted = dict[int, float]()
    order = sorted(range(len(pairs)), key=lambda number: p_of(number, 1, np.empty(0)))
    for number in order:
        p = p_of(number, len(left) + tried, _largest(drawn, left))
        adjusted[number] = max(p, *adjusted.values(), 0.0)
        left.remove(pairs[number])
    return [adjusted[number] for number in range(len(pairs))]


def as_judged(
    contrast: Contrast, verdicts: Sequence[Verdict], *, is_single: bool
) -> Contrast:
    """Return a contrast with the verdict on its pair, if there is one, so that no pair of models has
    two. One of several pairs, such as mixing models, takes it only where it would claim more."""
    pair = {contrast.candidate, contrast.reference}
    judged = next(
        (one for one in verdicts if {one.candidate, one.reference} == pair), None
    )
    if judged is None or not (is_single or contrast.verdict == "helps"):
        return contrast
    is_reversed = judged.candidate == contrast.reference
    low, high = (
        (-judged.high, -judged.low) if is_reversed else (judged.low, judged.high)
    )
    verdict = _OF_RULE[judged.rule][is_reversed]
    return replace(
        contrast, low=low, high=high, p_adjusted=judged.p_adjusted, verdict=verdict
    )


def optimism(
    choosing: Mapping[str, Floats],
    scored: Mapping[str, Floats],
    resamples: Iterable[Floats],
) -> float:
    """Return by how much the mean loss of the chosen model looks too low because it was chosen by
    these rows; >= 0.

    In each resample the model with the lowest `choosing` loss in bag is chosen; the result is the
    mean of its `scored` loss out of bag minus in bag.

    Args:
        choosing, scored: name -> [row], mean loss over repeats, of the score that decides and of
            the one that is shown.
        resamples: blocks [resample, row]: how often each row was drawn.
    """
    by = np.stack(list(choosing.values()))
    of = np.stack([scored[name] for name in choosing])
    gaps = []
    for weights in resamples:
        outside = (weights == 0).astype(np.float64)
        usable = outside.any(axis=1)
        winners = (weights[usable] @ by.T).argmin(axis=1)
        inside = weights[usable] @ of.T / weights[usable].sum(axis=1, keepdims=True)
        left_out = outside[usable] @ of.T / outside[usable].sum(axis=1, keepdims=True)
        gaps.append((left_out - inside)[np.arange(len(winners)), winners])
    return max(0.0, float(np.concatenate(gaps).mean()))


def _degrees(repeats: int, df: float) -> float:
    """Return the degrees of freedom of the spread over all repeats, of which one has `df`."""
    return df * _DEGREES[max(n for n in _DEGREES if n <= repeats)] / 9


def _degrees_of(estimate: Estimate) -> float | None:
    spread, df = estimate.spread, estimate.df
    return df if spread is None or df is None else _degrees(spread.repeats, df)


def _largest(drawn: Drawn, pairs: Iterable[set[str]]) -> Floats:
    """Return draws of the largest |t| of some pairs; empty if nothing is drawn."""
    some = [drawn[frozenset(pair)] for pair in pairs if frozenset(pair) in drawn]
    return np.max(some, axis=0) if some else np.empty(0)


def _p_of(estimate: Estimate, pairs: int, largest: Floats) -> float:
    """Return the two-sided p-value of a difference as one of several pairs."""
    if estimate.t is None:  # an interval for counts, or no difference at all
        return min(1.0, pairs * estimate.p)
    p = min(1.0, 2 * pairs * student_cdf(-abs(estimate.t), _degrees_of(estimate)))
    if largest.size:
        p = min(p, (1 + int((largest >= abs(estimate.t)).sum())) / (1 + largest.size))
    return max(estimate.p, p)


def _widened(estimate: Estimate, pairs: int, alpha: float, largest: Floats) -> Estimate:
    """Return an estimate with an interval that covers several pairs at once."""
    quantile = -student_quantile(alpha / 2 / pairs, _degrees_of(estimate))
    if largest.size and alpha * (1 + largest.size) >= 1:
        quantile = min(
            quantile, float(np.quantile(largest, 1 - alpha, method="higher"))
        )
    half = max(quantile, -student_quantile(alpha / 2, estimate.df)) * estimate.se
    return replace(
        estimate, low=estimate.mean - half, high=estimate.mean + half, comparisons=pairs
    )
