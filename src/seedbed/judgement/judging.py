"""From scores to conclusions, on one table and over several."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from seedbed.errors import DataError, OptionError, counted, spell
from seedbed.evaluation.conclusion import Evidence, conclude, count_comparisons
from seedbed.evaluation.estimates import (
    Estimate,
    corrected_t,
    holm,
    mean_ranks,
    paired_hold_out,
    paired_shares,
    seed_difference,
    share_interval,
    student_cdf,
)
from seedbed.evaluation.metrics import Margin, Metric
from seedbed.evaluation.summaries import (
    CandidateSummary,
    Conclusion,
    DecidingScore,
    Note,
    NoVerdict,
    PlanSummary,
    Ranks,
    Score,
    SeedDifference,
    TablesConclusion,
    TableVerdict,
)
from seedbed.evaluation.verdicts import SHORT, fold_differences, seed_noise
from seedbed.judgement.judge_options import JudgeOptions
from seedbed.judgement.score_columns import LARGEST, reference_among
from seedbed.judgement.scores import too_few_tested
from seedbed.scoring import mean_of
from seedbed.typing import Floats, Ints

_SHARE_OF_REFERENCE = 0.02
_MOST_EXACT = 200  # differences of which a signed-rank test is exact

_version = functools.cache(
    functools.partial(version, "seedbed")
)  # it reads files, and there may be many tables


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
        specification={"versions": {"seedbed": _version()}},
        reference=reference,
        metric=DecidingScore.of(metric, margin, of_prior, named=options.score is not None),
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
) -> Conclusion:
    """Return the conclusion from scores of each candidate [split, seed], which are finite, of the
    same splits; of items [item, 1] by the paired t over items, the jackknife over their groups
    [item], or McNemar's test of right and wrong.

    `about` has fields of the conclusion on the file. The margin is by `_margin_of` if left out.
    OptionError for fewer than two candidates, or a reference that isn't there.
    """
    reference, alpha = reference_among(list(scores), options), options.alpha
    margin = margin or _margin_of(scores[reference], metric, options)
    plan = replace(
        plan,
        seeds=max(plan.seeds, *(values.shape[1] for values in scores.values())),
        tried=options.tried,
    )
    losses = {
        name: -values if metric.greater_is_better else values for name, values in scores.items()
    }
    ours, comparisons = losses[reference], count_comparisons(list(losses)) + options.tried
    means = ours.mean(axis=1)
    of_items, of_shares = plan.kind == "items", plan.kind == "items" and metric.percent
    too_few = too_few_tested(len(ours), plan.n_groups, "item") if of_items else ""
    unseen = (
        f"in all {'items' if of_items else 'splits'}, so their spread, which decides, can't be seen"
    )
    fixed, on_these_rows = (
        dict[str, str](),
        list[SeedDifference](),
    )  # the candidates without a verdict, and why
    for name in [name for name in losses if name != reference]:
        values = losses[name]
        gains = means - values.mean(axis=1)
        is_constant = np.ptp(gains) <= 1e-12 * np.abs(gains).max()
        if plan.df is None:
            fixed[name] = "its scores are all of one split, so they say nothing about other rows"
            over_seeds = seed_difference(ours[0], values[0], alpha=alpha, comparisons=comparisons)
            on_these_rows.append(
                SeedDifference(
                    candidate=name,
                    reference=reference,
                    difference=float(gains[0]),
                    low=None if over_seeds is None else over_seeds.low,
                    high=None if over_seeds is None else over_seeds.high,
                    seeds=(ours.shape[1], values.shape[1]),
                )
            )
        elif too_few:
            fixed[name] = too_few
        elif is_constant and gains.any() and not of_shares:
            fixed[name] = (
                f"it differs from {reference} by the same {abs(float(gains.mean())):.4g} {unseen}"
            )
        elif is_constant and np.ptp(means) == 0 and not of_shares:
            fixed[name] = (
                f"it and {reference} have the same score, {abs(float(means.mean())):.4g}, {unseen}; "
                "predictions show more"
            )
    usable = {
        name: values[None]
        for name, values in losses.items()
        if name not in fixed or plan.df is None
    }

    def test(gains: Floats, noise: Sequence[float], n: int = 1) -> Estimate:
        if of_items:
            return paired_hold_out(
                gains, np.zeros_like(gains), groups=groups, alpha=alpha, comparisons=n
            )
        return corrected_t(
            gains,
            n_test_over_n_train=plan.overlap,
            df=plan.df,
            seed_noise=noise,
            alpha=alpha,
            comparisons=n,
        )

    def difference(first: str, second: str, n: int) -> Estimate:
        pair = usable[first], usable[second]
        estimate = test(gains := fold_differences(*pair), seed_noise(*pair), n)
        right_or_wrong = of_items and groups is None and np.isin(np.abs(pair), (0, 1)).all()
        return (
            paired_shares(estimate, gains[0])
            if right_or_wrong or (of_shares and estimate.se == 0)
            else estimate
        )

    candidates = []
    for name, values in scores.items():
        score = Score(mean_of(values))
        if plan.df:  # 0 of one group
            estimate = test(values.mean(axis=1)[None], seed_noise(values[None]))
            low, high = estimate.low, estimate.high
            if of_shares:
                low, high = share_interval(
                    estimate.mean, low, high, n=plan.n_groups or len(values), alpha=alpha
                )
            if of_shares or estimate.se > 0:  # else the spread of the error can't be seen
                score = replace(score, low=max(metric.low, low), high=min(metric.high, high))
        candidates.append(CandidateSummary(name=name, kind="scores", scores={metric.name: score}))
    evidence = Evidence(
        folds={name: values.mean(axis=2) for name, values in usable.items()},
        means={name: float(values.mean()) for name, values in usable.items()},
        difference=difference,
        n_rows=about.get("n_rows"),
    )
    conclusion = open_conclusion(options, metric, plan, reference, margin, about)
    notes = [
        Note(f"{name} and {reference} have the same scores everywhere. Are they the same model?")
        for name, values in scores.items()
        if name != reference and np.array_equal(values, scores[reference])
    ]
    return replace(
        conclude(conclusion, evidence, without=fixed),
        on_these_rows=tuple(on_these_rows),
        candidates=tuple(candidates),
        notes=(*conclusion.notes, *notes),
    )


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
            "the reference's mean score is 0 or tiny: no default margin", f"Give {spell('margin')}."
        )
    return Margin(_SHARE_OF_REFERENCE * size, "share_of_reference")


_FEWEST = 5


def conclude_tables(
    tables: Sequence[Conclusion], options: JudgeOptions, *, column: str, name: str, command: str
) -> TablesConclusion:
    """Return the conclusion from several tables, which a `column` of the file `name` distinguishes.

    The difference of the mean scores on a table is one number. Errors are compared as shares of the
    reference's error, since tables may have errors of any size. Wilcoxon's signed-rank test with
    Holm's adjustment decides (Demsar 2006). DataError if the tables have different candidates, or
    the reference's error is 0 on one of them.
    """
    first = tables[0]
    reference = first.reference
    n_tables = len(tables)
    is_relative = not first.metric.greater_is_better
    names = [candidate.name for candidate in first.candidates]
    losses = _table_losses(tables, names, name)
    ours = losses[:, [names.index(reference)]]
    gains = ours - losses
    for i in np.flatnonzero(ours < 1 / LARGEST)[:1].tolist() if is_relative else ():
        raise DataError(
            f"{name}: the error of {reference} isn't clearly above 0 on {tables[i].table}",
            "Leave that table out.",
        )
    gains = gains / ours if is_relative else gains
    others = [i for i, model in enumerate(names) if model != reference]
    tests = [signed_rank(gains[:, i]) for i in others]
    adjusted = holm([p for p, _ in tests], tried=options.tried).tolist()
    verdicts = []
    for i, (p, balance), p_adjusted in zip(others, tests, adjusted, strict=True):
        rule: Literal["better", "worse", "cannot_tell"] = "cannot_tell"
        if p_adjusted < options.alpha:
            rule = "better" if balance > 0 else "worse"
        verdicts.append(
            TableVerdict(
                candidate=names[i],
                reference=reference,
                rule=rule,
                short=SHORT[rule],
                difference=float(np.median(gains[:, i])),
                relative=is_relative,
                p=p,
                p_adjusted=p_adjusted,
                wins=int((gains[:, i] > 0).sum()),
                losses=int((gains[:, i] < 0).sum()),
                n_tables=n_tables,
            )
        )
    reason = ""
    if n_tables < _FEWEST:
        reason = f"{n_tables} tables are too few for a verdict over tables, which needs {_FEWEST}"
    comparisons = len(others) + options.tried
    too_few = Note(
        f"With {n_tables} tables and {counted(comparisons, 'comparison')} no signed-rank test can reach p = "
        f"{options.alpha:g}, however clear the difference: more tables are needed."
    )
    can_differ = bool(reason) or 2.0 ** (1 - n_tables) * comparisons <= options.alpha
    ranks = np.apply_along_axis(mean_ranks, 1, losses).mean(axis=0).tolist()
    return TablesConclusion(
        kind="tables",
        command=command,
        table=name,
        specification=first.specification,
        plan=PlanSummary(kind="tables", tried=options.tried),
        verdicts=() if reason else tuple(verdicts),
        no_verdict=tuple(NoVerdict(names[i], reason) for i in others if reason),
        ranking=tuple(names[place] for place in np.argsort(ranks, kind="stable").tolist()),
        candidates=tuple(CandidateSummary(name=model, kind="scores") for model in names),
        understood=(f"{n_tables} tables (column '{column}').", *first.understood),
        notes=() if can_differ else (too_few,),
        reference=reference,
        metric=first.metric,
        alpha=first.alpha,
        relative=is_relative,
        ranks=Ranks(mean=dict(zip(names, ranks, strict=True)), n_tables=n_tables),
        tables=tuple(tables),
    )


def _table_losses(tables: Sequence[Conclusion], names: Sequence[str], file_name: str) -> Floats:
    """Return the mean loss of each candidate on each table [table, candidate]. DataError if tables
    have different candidates."""
    scores = []
    for table in tables:
        means = {
            summary.name: summary.scores[table.metric.name].mean for summary in table.candidates
        }
        missing = [model for model in names if means.get(model) is None]
        missing += [model for model in means if model not in names]
        if missing:
            raise DataError(
                f"{file_name}: {missing[0]} doesn't have scores on all tables ({table.table})",
                "Give the scores of all candidates on all tables, or leave out what is incomplete.",
            )
        scores.append([means[model] for model in names])
    return np.array(scores, dtype=np.float64) * (-1 if tables[0].metric.greater_is_better else 1)


def signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the two-sided p-value of Wilcoxon's signed-rank test (1945) for differences [table],
    and the ranks of positive ones minus those of negative ones as a share of all, from -1 to 1.

    Zeros are left out. Ties get their mean rank, and the distribution is that of the ranks as they
    are, over all signs: exact for up to 200 differences that aren't 0, normal with a continuity
    correction beyond. With n tables p can't be below 2^(1-n).
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]
    doubled = np.rint(2 * mean_ranks(np.abs(values))).astype(np.int64)
    total = int(doubled.sum())
    positive = int(doubled[values > 0].sum())
    balance = (2 * positive - total) / total if total else 0.0
    if len(values) > _MOST_EXACT:
        away = max(0.0, abs(2 * positive - total) - 2)  # half a step of it
        return 2 * student_cdf(-away / math.sqrt(float(doubled @ doubled)), None), balance
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in doubled.tolist():
        shifted = np.zeros(total + 1)
        shifted[rank:] = chances[: total + 1 - rank]
        chances = (chances + shifted) / 2
    return min(1.0, 2 * float(chances[: min(positive, total - positive) + 1].sum())), balance
