"""From scores to conclusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from seedbed.errors import OptionError, spell
from seedbed.evaluation.conclusion import Evidence, conclude
from seedbed.evaluation.estimates import (
    Estimate,
    corrected_t,
    paired_hold_out,
    paired_shares,
    share_interval,
)
from seedbed.evaluation.metrics import Margin, Metric
from seedbed.evaluation.summaries import (
    CandidateSummary,
    Conclusion,
    DecidingScore,
    Note,
    PlanSummary,
    Score,
)
from seedbed.evaluation.verdicts import fold_differences, seed_noise
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.judgement.score_columns import LARGEST, reference_among
from seedbed.judgement.scores import too_few_tested
from seedbed.report.advice import join_words
from seedbed.scoring import mean_of
from seedbed.typing import Floats, Ints

_SHARE_OF_REFERENCE = 0.02
_MOST_NAMED = 4


def open_conclusion(
    options: JudgeOptions,
    metric: Metric,
    plan: PlanSummary,
    reference: str,
    margin: Margin,
    about: Mapping[str, Any],
    of_prior: float | None = None,
) -> Conclusion:
    """Return a conclusion without verdicts, ranking and candidates; `about` has its fields on the
    file."""
    return Conclusion(
        kind="judgement",
        **about,
        specification={"versions": {"seedbed": version("seedbed")}},
        reference=reference,
        metric=DecidingScore.of(
            metric, margin, of_prior, named=options.score is not None
        ),
        alpha=options.alpha,
        interval={"one_split": None, "held_out": "held_out", "items": "held_out"}.get(
            plan.kind, "corrected"
        ),
        plan=plan,
    )


def conclude_scores(
    scores: Mapping[str, Floats],
    metric: Metric,
    plan: PlanSummary,
    options: JudgeOptions,
    about: Mapping[str, Any],
    margin: Margin | None = None,
    groups: Ints | None = None,
    of_attempts: Mapping[str, Floats] | None = None,
) -> Conclusion:
    """Return the conclusion from scores of each candidate [split, seed], which are finite, of the
    same splits; of items [item, 1] by the paired t over items, the jackknife over their groups
    [item], or McNemar's test of right and wrong.

    `about` has fields of the conclusion on the file, and `of_attempts` the scores of items before
    the mean over attempts [item, attempt]. The margin is by `_margin_of` if left out.
    OptionError for fewer than two candidates, or a reference that isn't there.
    """
    reference = reference_among(list(scores), options)
    margin = margin or _margin_of(scores[reference], metric, options)
    seeds = max(plan.seeds, *(values.shape[1] for values in scores.values()))
    plan = replace(plan, seeds=seeds, tried=options.tried)
    sign = -1 if metric.greater_is_better else 1
    losses = {name: sign * values[None] for name, values in scores.items()}
    test = _Test(
        plan, groups, options.alpha, is_share=plan.kind == "items" and metric.percent
    )
    others = [name for name in losses if name != reference]
    reasons = {name: test.reason_against(losses, name, reference) for name in others}
    unjudged = {name: reason for name, reason in reasons.items() if reason}
    usable = {
        name: values
        for name, values in losses.items()
        if name not in unjudged or plan.df is None
    }
    evidence = Evidence(
        folds={name: values.mean(axis=2) for name, values in usable.items()},
        means={name: float(values.mean()) for name, values in usable.items()},
        difference=lambda first, second, n: test.difference(
            usable[first], usable[second], n
        ),
        n_rows=about.get("n_rows"),
        of_attempts=of_attempts or {},
    )
    opened = open_conclusion(options, metric, plan, reference, margin, about)
    conclusion = conclude(
        opened,
        evidence,
        without=unjudged,
        has_letters=options.letters,
        has_sample_sizes=options.plan,
    )
    candidates = tuple(
        CandidateSummary(
            name=name,
            kind="scores",
            scores={metric.name: test.score(values[None], metric)},
        )
        for name, values in scores.items()
    )
    equal = [name for name in others if np.array_equal(scores[name], scores[reference])]
    notes = conclusion.notes
    if equal:
        names = join_words([reference, *equal], _MOST_NAMED)
        message = f"{names} have the same scores everywhere. Are they the same model?"
        notes = (*notes, Note(message))
    return replace(conclusion, candidates=candidates, notes=notes)


@dataclass(frozen=True, eq=False)
class _Test:
    """The test of scores [1, split, seed] of the same splits or items: by the corrected t, of items
    by the paired t, the jackknife over their groups [item], or, if they are shares of right
    answers, McNemar's test."""

    plan: PlanSummary
    groups: Ints | None
    alpha: float
    is_share: bool

    def reason_against(
        self, losses: Mapping[str, Floats], name: str, reference: str
    ) -> str:
        """Return why there is no verdict on a candidate; empty if there is one."""
        if self.plan.df is None:
            return (
                "its scores are all of one split, so they say nothing about other rows"
            )
        means = losses[reference].mean(axis=2)
        gains = means - losses[name].mean(axis=2)
        unit = "split"
        if self.plan.kind == "items":
            unit = "item"
            few = too_few_tested(means.size, self.plan.n_groups, unit)
            if few or self.is_share:
                return few
        if np.ptp(gains) > 1e-12 * np.abs(gains).max():
            return ""
        unseen = f"in all {unit}s, so their spread, which decides, can't be seen"
        if gains.any():
            size = abs(float(gains.mean()))
            return f"it differs from {reference} by the same {size:.4g} {unseen}"
        size = abs(float(means.mean()))
        same = f"it and {reference} have the same score, {size:.4g}, {unseen}; predictions show more"
        return same if np.ptp(means) == 0 else ""

    def estimate(
        self, gains: Floats, noise: Sequence[float], comparisons: int = 1
    ) -> Estimate:
        """Return the mean of gains [1, split] with its interval; `noise` is that of seeds."""
        if self.plan.kind == "items":
            return paired_hold_out(
                gains,
                np.zeros_like(gains),
                groups=self.groups,
                alpha=self.alpha,
                comparisons=comparisons,
            )
        return corrected_t(
            gains,
            n_test_over_n_train=self.plan.overlap,
            df=self.plan.df,
            seed_noise=noise,
            alpha=self.alpha,
            comparisons=comparisons,
        )

    def difference(
        self, reference: Floats, candidate: Floats, comparisons: int
    ) -> Estimate:
        """Return the difference of losses."""
        gains = fold_differences(reference, candidate)
        estimate = self.estimate(gains, seed_noise(reference, candidate), comparisons)
        pairs_items = self.plan.kind == "items" and self.groups is None
        are_right_or_wrong = np.isin(np.abs((reference, candidate)), (0, 1)).all()
        if (pairs_items and are_right_or_wrong) or (self.is_share and estimate.se == 0):
            return paired_shares(estimate, gains[0])
        return estimate

    def score(self, scores: Floats, metric: Metric) -> Score:
        """Return the mean of scores, with its interval if their spread can be seen."""
        score = Score(mean_of(scores[0]))
        if not self.plan.df:  # 0 of one group
            return score
        estimate = self.estimate(scores.mean(axis=2), seed_noise(scores))
        low, high = estimate.low, estimate.high
        if self.is_share:
            n = self.plan.n_groups or scores.shape[1]
            low, high = share_interval(estimate.mean, low, high, n=n, alpha=self.alpha)
        elif estimate.se == 0:
            return score
        return replace(score, low=max(metric.low, low), high=min(metric.high, high))


def _margin_of(reference: Floats, metric: Metric, options: JudgeOptions) -> Margin:
    """Return the margin: one point of a share, 0.01 of a score up to 1, or 2 % of the reference's
    score."""
    if options.margin is not None:
        return Margin(options.margin, "given")
    if metric.greater_is_better and (np.abs(reference).max() <= 1 or metric.high <= 1):
        return Margin(0.01, "default")
    size = abs(float(reference.mean()))
    if size < 1 / LARGEST:
        raise OptionError(
            "the reference's mean score is 0 or tiny: no default margin",
            f"Give {spell('margin')}.",
        )
    return Margin(_SHARE_OF_REFERENCE * size, "share_of_reference")
