"""The one way from losses to a conclusion: verdicts, ranking, advice; and whether a promise holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from seedbed.evaluation.behind import (
    Drawn,
    adjusted_p,
    as_judged,
    contrasts_of,
    drawn_of,
    graded,
    is_small,
    letters_of,
    simultaneous,
)
from seedbed.evaluation.estimates import (
    Difference,
    Estimate,
    Interval,
    student_quantile,
)
from seedbed.evaluation.metrics import METRICS, Metric
from seedbed.evaluation.sample_sizes import Pilot, SampleSizes, sizes_of
from seedbed.evaluation.summaries import Advice, Conclusion, NoVerdict, Score
from seedbed.evaluation.verdicts import OPEN, Verdict, decide, rows_factor
from seedbed.typing import Floats, Ints

AS_PROMISED, BELOW, ABOVE = "as promised", "below the promise", "above the promise"
WORSE, BETTER = "worse than before", "better than before"
_HARDLY = 0.1
_FEWEST_WATCHED = 30  # rows; the variance of numbers is estimated from them
_TYPICAL = 50  # a watch is best at changes as large as the standard error of so many rows' mean
_OF_PROMISE, _OF_ROWS, _OF_CHANGES = 0.5, 0.25, 0.25  # shares of a watch's error level
_TINY = 1e-12


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """What candidates did on the same splits. Only those that can be judged.

    Attributes:
        folds: name -> [repeat, fold], mean loss of what is judged.
        means: name -> mean loss of what is judged.
        difference: of (reference, candidate, comparisons that hold together): the loss of the
            reference minus that of the candidate.
        in_accuracy: `difference` by zero-one loss; None if there are no classes, or only scores are
            known.
        n_rows, n_train: rows of the table, and of each training; None if that isn't known.
        of_attempts: name -> [item, attempt], score of each attempt, NaN where there is none; empty
            if scores aren't of items.
    """

    folds: Mapping[str, Floats]
    means: Mapping[str, float]
    difference: Callable[[str, str, int], Estimate]
    in_accuracy: Callable[[str, str, int], Estimate] | None = None
    n_rows: int | None = None
    n_train: int | None = None
    of_attempts: Mapping[str, Floats] = field(default_factory=dict)


def count_comparisons(
    names: Sequence[str], *, reference: str = "", separate_question: str = ""
) -> int:
    """Return how many comparisons with the reference hold together: all but that with
    `separate_question`, a candidate whose comparison is a question of its own unless it is the
    reference."""
    return max(
        1,
        len(names)
        - 1
        - (separate_question in names and separate_question != reference),
    )


def conclude(
    opened: Conclusion,
    evidence: Evidence,
    *,
    without: Mapping[str, str] | None = None,
    separate_question: str = "",
    sizes: Mapping[str, float] | None = None,
    contrasts: Sequence[tuple[str, str, Sequence[str]]] = (),
    gains: Callable[[str], bool] = lambda name: True,
    is_blend: bool = False,
    has_letters: bool = False,
    has_sample_sizes: bool = False,
) -> Conclusion:
    """Return a conclusion with the verdicts, the ranking and the advice that losses support.

    Args:
        opened: reference, metric, margin, alpha and plan; `interval` is None if no verdict is due.
        evidence: of the candidates that can be judged.
        without: candidates that can't be judged, and why. If the reference is one, no candidate
            gets a verdict.
        separate_question: a candidate whose comparison with the reference is a question of its own,
            at the whole error level.
        sizes: of the models that can be simpler than another.
        contrasts: what may help: the thing, the model with it, and those without.
        gains: whether a model is shown to be better than `prior`, if that isn't among the
            candidates.
        is_blend: whether the reference is a blend of the others, see `graded`.
        has_letters: whether it says which models aren't shown to differ, see `letters_of`.
        has_sample_sizes: whether it says how many items or rows show a gain, see `sizes_of`.
    """
    names = list(evidence.folds)
    reference = opened.reference
    left_out = without or {}
    others = [name for name in names if name != reference]
    opened = replace(
        opened,
        no_verdict=tuple(
            NoVerdict(name, reason)
            for name, reason in left_out.items()
            if name != reference
        ),
        ranking=tuple(sorted(names, key=lambda name: evidence.means[name])),
    )
    if opened.interval is None or {*others} <= left_out.keys():
        return opened
    first_two = (reference if reference in names else others[-1], others[0])
    drawn: Drawn = {}
    if not opened.plan.tried and first_two[0] != first_two[1]:
        drawn = drawn_of(evidence.folds, evidence.difference(*first_two, 1).df)
    verdicts: tuple[Verdict, ...] = ()
    sample_sizes: SampleSizes | None = None
    if reference in names:
        estimates = _estimates(opened, evidence, others, separate_question)
        verdicts = decide_all(
            opened, evidence, estimates, drawn=drawn, is_blend=is_blend
        )
        if has_sample_sizes:
            sample_sizes = _planned(opened, evidence, estimates)
    helps = contrasts_of(
        contrasts,
        evidence.difference,
        names,
        margin=opened.metric.margin,
        alpha=opened.alpha,
        drawn=drawn,
    )
    single = {what for what, _, references in contrasts if len(references) == 1}
    letters: dict[str, str] = {}
    if has_letters:
        letters = letters_of(
            opened.ranking,
            evidence.difference,
            alpha=opened.alpha,
            drawn=drawn,
            tried=opened.plan.tried,
        )
    conclusion = replace(
        opened,
        verdicts=verdicts,
        contrasts=tuple(
            as_judged(one, verdicts, is_single=one.question in single) for one in helps
        ),
        letters=letters,
        sample_sizes=sample_sizes,
    )
    if not verdicts:
        return conclusion
    use = recommended(conclusion)
    is_shown = use == "prior" or gains(use)
    if "prior" in names and use != "prior":
        is_shown = evidence.difference("prior", use, 1).low > 0
    simpler = simplest(conclusion, sizes or {}) if use == reference else ""
    advice = Advice(use=use, guess=not is_shown, simpler=simpler)
    return replace(conclusion, advice=advice)


def _planned(
    opened: Conclusion, evidence: Evidence, estimates: Mapping[str, Estimate]
) -> SampleSizes | None:
    """Return how many items, groups or rows show a gain, by what the candidates did."""
    reference = opened.reference
    n_groups = opened.plan.n_groups
    pilots = {}
    for name, estimate in estimates.items():
        if not evidence.of_attempts:
            pilots[name] = Pilot.of_splits(estimate)
            continue
        differences = evidence.folds[reference] - evidence.folds[name]
        pair = [evidence.of_attempts[one] for one in (reference, name)]
        pilots[name] = Pilot.of_items(differences.ravel(), estimate, pair, n_groups)
    return sizes_of(pilots, reference, opened.metric.margin, n_groups)


def _estimates(
    opened: Conclusion,
    evidence: Evidence,
    others: Sequence[str],
    separate_question: str,
) -> dict[str, Estimate]:
    """Return the difference of the reference to each other model whose error is known."""
    reference = opened.reference
    names = (*others, reference)
    together = count_comparisons(
        names, reference=reference, separate_question=separate_question
    )
    estimates = {}
    for name in others:
        is_separate = separate_question == name
        n = 1 if is_separate else together + opened.plan.tried
        estimate = evidence.difference(reference, name, n)
        if not estimate.error_unknown:
            estimates[name] = estimate
    return estimates


def recommended(conclusion: Conclusion) -> str:
    """Return which model to use: the reference, unless others are shown to be better; then the one
    of these with the lowest loss (decision 62)."""
    better = {one.candidate for one in conclusion.verdicts if one.rule == "better"}
    return next(
        (name for name in conclusion.ranking if name in better), conclusion.reference
    )


def simplest(conclusion: Conclusion, sizes: Mapping[str, float]) -> str:
    """Return the simplest model that is simpler than the reference and not likely worse; empty if
    there is none.

    The prior is no such model: where nothing is shown to beat it, Use says so. It would be named in
    25 of 92 cuts to 100 rows, and is truly 12 points behind there (decision 62)."""
    largest = sizes.get(conclusion.reference, math.inf)
    rules = {one.candidate: one.rule for one in conclusion.verdicts}
    names = [
        name
        for name in conclusion.ranking
        if name != "prior"
        and rules.get(name, "worse") not in ("worse", "likely_worse")
        and sizes.get(name, math.inf) < largest
    ]
    return min(names, key=lambda name: sizes[name], default="")


def decide_all(
    opened: Conclusion,
    evidence: Evidence,
    estimates: Mapping[str, Estimate],
    *,
    drawn: Drawn | None = None,
    is_blend: bool = False,
) -> tuple[Verdict, ...]:
    """Return the verdict on each candidate that has an estimate.

    The rules follow the intervals, all at once at the level of the estimates. P-values are adjusted
    together; the two may disagree at the edge. Open rules are `graded` by the comparison alone. An
    estimate that is a comparison of its own is left out of both.

    Args:
        opened: the reference, the metric, its margin, the task, and how many attempts were
            discarded.
        evidence: with finite losses. Of two candidates, the repeats that both have are compared.
        estimates: by the name of the candidate, the difference of the reference's loss to its.
        drawn: |t| of all pairs of models, by `drawn_of`.
        is_blend: whether the reference is a blend of the others.
    """
    reference = opened.reference
    together = {name: one for name, one in estimates.items() if one.comparisons > 1}
    adjusted = adjusted_p(together, reference, drawn or {}, opened.plan.tried)
    widened = simultaneous(together, reference, drawn or {}, opened.alpha)
    return tuple(
        _verdict_on(name, gain, adjusted.get(name, gain.p), opened, evidence, is_blend)
        for name, gain in {**estimates, **widened}.items()
    )


def _verdict_on(
    name: str,
    gain: Estimate,
    p_adjusted: float,
    opened: Conclusion,
    evidence: Evidence,
    is_blend: bool,
) -> Verdict:
    """Return the verdict on one candidate, see `decide_all`."""
    metric = opened.metric.name
    margin = opened.metric.margin
    pair = (opened.reference, name)
    largest = math.inf
    if metric in METRICS:
        largest = METRICS[metric].largest_loss(opened.task or "binary")
    accuracy = None
    if evidence.in_accuracy is not None:
        points = evidence.in_accuracy(*pair, gain.comparisons)
        accuracy = Difference(points.mean, max(-1.0, points.low), min(1.0, points.high))
    small = is_small(gain, margin, gain.alpha)
    low = max(-largest, gain.low)
    high = min(largest, gain.high)
    rule = graded(decide(low=low, high=high, is_small=small), gain, is_blend=is_blend)
    if small:
        low = max(low, -margin)
        high = min(high, margin)
    n_rows = evidence.n_rows
    factor = rows_factor(gain, margin=margin)
    rows = None if n_rows is None or gain.se == 0 else n_rows * factor
    return Verdict(
        candidate=name,
        reference=opened.reference,
        rule=rule,
        metric=metric,
        difference=gain.mean,
        low=low,
        high=high,
        margin=margin,
        p=gain.p,
        p_adjusted=p_adjusted,
        accuracy=accuracy,
        rows_needed=None
        if rows is None
        else (math.ceil(rows / 2), math.ceil(rows * 2)),
        rows_factor=factor,
        n_rows=n_rows,
        n_train=evidence.n_train,
        comparisons=gain.comparisons,
        held_out=gain.variance_rows is not None,
        independent_rows=gain.independent_rows,
        spread=gain.spread,
        zero=opened.metric.of_prior if opened.metric.in_points else None,
    )


def outlook(conclusion: Conclusion, most: int) -> Literal["decided", "rows"] | None:
    """Return why a run may stop after the repeats that a conclusion is about; None if it goes on.

    It may if every verdict is `decided`, or if it takes more `rows` to decide those that are open,
    as more repeats would hardly narrow their intervals. A verdict is decided if it says better,
    worse or no difference that matters; all other rules are open. The run goes on
    where nothing is judged, or a model in the ranking has no verdict yet. Repeats can't narrow the
    interval of locked rows. Groups need no rule of their own: they are whole in each fold.

    Args:
        most: the largest number of repeats.
    """
    verdicts = conclusion.verdicts
    judged_names = {
        name for verdict in verdicts for name in (verdict.candidate, verdict.reference)
    }
    if not judged_names or not judged_names.issuperset(conclusion.ranking):
        return None
    undecided = [verdict for verdict in verdicts if verdict.rule in OPEN]
    if not undecided:
        return "decided"
    hardly = (
        one.held_out if one.spread is None else one.spread.narrowing(most) <= _HARDLY
        for one in undecided
    )
    return "rows" if all(hardly) else None


def against_promise(
    promised: Score | None,
    found: Score,
    metric: Metric,
    *,
    alpha: float = 0.05,
    comparisons: int = 1,
) -> tuple[Interval | None, str | None]:
    """Return the score that was found minus the promised one, and the verdict; None without
    intervals.

    The interval adds the squares of both errors, each on its own side (Zou & Donner 2008), so it is
    not symmetric where theirs aren't. Those of several comparisons are simultaneous (Bonferroni).
    """
    both = [one for one in (promised, found) if one]
    ends = [
        end for one in both for end in (one.mean, one.low, one.high) if end is not None
    ]
    if len(ends) < 6:
        return None, None
    promise, least, most, mean, low, high = ends
    wider = student_quantile(alpha / comparisons / 2, None) / student_quantile(
        alpha / 2, None
    )
    difference = Interval(
        mean=mean - promise,
        low=mean - promise - wider * math.hypot(mean - low, most - promise),
        high=mean - promise + wider * math.hypot(high - mean, promise - least),
    )
    if difference.low <= 0 <= difference.high:
        return difference, AS_PROMISED
    return difference, ABOVE if (
        difference.low > 0
    ) == metric.greater_is_better else BELOW


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What all looks at a watched promise say together. Dates are those of UTC.

    Attributes:
        since: the date of the first look.
        n_looks, n_rows: how many there are.
        n_known: rows of the last look that weren't added, as it or an earlier look has equal ones.
        found: the mean of all rows; its interval holds at all looks together.
        difference: `found` minus promised, with the errors of both, at all looks together.
        verdict: the gravest of all looks. It is as that of `against_promise`, or `worse than
            before` or `better than before`, if all rows together are as promised and those since
            one look differ from all before. None of fewer than 30 rows.
        seen: the date of the look that had this verdict first.
        change: the number of the look from which on rows differ from all before, from 0; None if
            there is none.
        before, after: the means of rows before it and since.
        changed: its date.
    """

    since: str = ""
    n_looks: int = 0
    n_rows: int
    n_known: int = 0
    found: Score
    difference: Interval
    verdict: str | None
    seen: str = ""
    change: int | None = None
    before: float | None = None
    after: float | None = None
    changed: str | None = None


def watch_promise(
    values: Floats,
    looks: Ints,
    promised: Score,
    metric: Metric,
    *,
    groups: Ints | None = None,
    alpha: float = 0.05,
) -> Watch:
    """Return what rows say of a promise by a test that holds at all looks together: for an unchanged
    model it is wrong with probability alpha at most, after any number of looks. Without dates.

    The interval of the mean is a confidence sequence by a normal mixture (Robbins 1970; Howard,
    Ramdas, McAuliffe & Sekhon 2021). Its variance is estimated, so it holds asymptotically
    (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024). The error of the promise is one for all
    looks. The j-th look may begin a change, with weight 1 / (j (j + 1)): rows since then are
    compared with the promise and all rows before together.

    Args:
        values: the score of each row [row], of two rows or more.
        looks: the number of the look that added it, from 0, ascending [row].
        promised: with an interval at 1 - alpha.
        groups: rows of one group may be alike [row].
    """
    n = len(values)
    mean = float(values.mean())
    ends = np.array([promised.mean, promised.low, promised.high], dtype=np.float64)
    errors = abs(ends[1:] - ends[0]) / -student_quantile(alpha / 2, None) + _TINY
    precision = 1 / errors.mean() ** 2
    variance = float(values.var(ddof=1))
    if metric.percent:  # few rows may all be right, so the promise counts as rows
        middle = ends[1:].mean()
        weight = precision * middle * (1 - middle)
        share = (weight * middle + values.sum()) / (weight + n)
        variance = float(share * (1 - share))
    if groups is not None:
        of_group = np.bincount(np.unique(groups, return_inverse=True)[1], values - mean)
        variance = max(variance, float(np.square(of_group).sum()) / n)
    variance += _TINY * float(ends[0]) ** 2
    size = variance / _TYPICAL
    of_promise = -student_quantile(alpha * _OF_PROMISE / 2, None) * errors
    of_rows = _any_time(variance / n, size, alpha * _OF_ROWS)
    down, up = np.hypot(of_promise, of_rows).tolist()
    gap = mean - float(ends[0])
    difference = Interval(mean=gap, low=gap - up, high=gap + down)
    # For each look but the first, the rows since then against the promise and all rows before.
    starts = np.flatnonzero(np.diff(looks)) + 1
    numbers = np.arange(1, len(starts) + 1)
    sums = np.cumsum(values)[starts - 1]
    error = 1 / (precision + starts / variance)
    expected = error * (precision * ends[0] + sums / variance)
    after = (values.sum() - sums) / (n - starts)
    level = alpha * _OF_CHANGES / (numbers * (numbers + 1))
    reach = _any_time(error + variance / (n - starts), size, level)
    ratios = (after - expected) / reach
    verdict = AS_PROMISED
    if difference.low > 0 or difference.high < 0:
        verdict = ABOVE if (gap > 0) == metric.greater_is_better else BELOW
    change: dict[str, Any] = {}
    if np.abs(ratios).max(initial=0) > 1:
        place = int(np.abs(ratios).argmax())
        change = {
            "change": int(looks[starts[place]]),
            "before": float(sums[place] / starts[place]),
            "after": float(after[place]),
        }
        if verdict == AS_PROMISED:
            is_better = (ratios[place] > 0) == metric.greater_is_better
            verdict = BETTER if is_better else WORSE
    half = float(_any_time(variance / n, size, alpha))
    high = min(1.0, mean + half) if metric.percent else mean + half
    return Watch(
        n_rows=n,
        found=Score(mean, max(0.0, mean - half), high),
        difference=difference,
        verdict=verdict if n >= _FEWEST_WATCHED else None,
        **change,
    )


def _any_time(variance: Floats | float, size: float, level: Floats | float) -> Floats:
    """Return how far a mean with this variance may be from the truth at all looks together; the
    mixture has the variance `size`."""
    both = variance + size
    squares = variance * both / size * np.log(both / (variance * np.square(level)))
    return np.asarray(np.sqrt(squares))
