"""The one way from losses to a conclusion: verdicts, ranking, advice."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seedbed.evaluation.behind import Contrast, contrasts_of, drawn_of, graded, steps_behind
from seedbed.evaluation.estimates import Difference, Estimate, holm, p_better
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Advice, Conclusion, NoVerdict
from seedbed.evaluation.verdicts import OPEN, Rule, Verdict, decide, opposite_share, rows_factor
from seedbed.typing import Floats

_HARDLY = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """What candidates did on the same splits. Only those that can be judged.

    Attributes:
        runs: name -> [repeat, fold, seed], mean loss of each single run.
        means: name -> mean loss of what is judged.
        difference: of (reference, candidate, comparisons that hold together): the loss of the
            reference minus that of the candidate.
        in_accuracy: `difference` by zero-one loss; None if there are no classes, or only scores are
            known.
        folds: name -> [repeat, fold], mean loss of what is judged; that of the runs if left out.
        n_rows, n_train: rows of the table, and of each training; None if that isn't known.
        design: for which the rows that are needed are forecast; None if it isn't known.
    """

    runs: Mapping[str, Floats]
    means: Mapping[str, float]
    difference: Callable[[str, str, int], Estimate]
    in_accuracy: Callable[[str, str, int], Estimate] | None = None
    folds: Mapping[str, Floats] = field(default_factory=dict)
    n_rows: int | None = None
    n_train: int | None = None
    design: Protocol | None = None


def count_comparisons(
    names: Sequence[str], *, reference: str = "", separate_question: str = ""
) -> int:
    """Return how many comparisons with the reference hold together: all but that with
    `separate_question`, a candidate whose comparison is a question of its own unless it is the
    reference."""
    return max(1, len(names) - 1 - (separate_question in names and separate_question != reference))


def conclude(
    opened: Conclusion,
    evidence: Evidence,
    *,
    without: Mapping[str, str] | None = None,
    separate_question: str = "",
    sizes: Mapping[str, float] | None = None,
    contrasts: Sequence[tuple[str, str, Sequence[str]]] = (),
    gains: Callable[[str], bool] = lambda name: True,
) -> Conclusion:
    """Return a conclusion with the verdicts, the ranking and the advice that losses support.

    Args:
        opened: reference, metric, margin, alpha and plan; `interval` is None if no verdict is due.
            Unless the reference was named, the recommended model takes its place.
        evidence: of the candidates that can be judged.
        without: candidates that can't be judged, and why. If a named reference is one, no candidate
            gets a verdict.
        separate_question: a candidate whose comparison with a named reference is a question of its
            own, at the whole error level.
        sizes: of the models that can be simpler than another.
        contrasts: what may help: the thing, the model with it, and those without.
        gains: whether a model is shown to be better than `prior`, if that isn't among the
            candidates.
    """
    names, margin = list(evidence.runs), opened.metric.margin
    ranking = tuple(sorted(names, key=lambda name: evidence.means[name]))
    use = ranking[0] if ranking else ""
    reference = opened.reference if opened.reference_named or not use else use
    judged = opened.interval is not None and any(
        name not in (without or {}) for name in names if name != reference
    )
    verdicts: tuple[Verdict, ...] = ()
    if judged and reference in names and opened.reference_named:
        together = count_comparisons(
            names, reference=reference, separate_question=separate_question
        )
        pairs = {
            (reference, name): together + opened.plan.tried for name in names if name != reference
        }
        pairs |= {pair: 1 for pair in pairs if set(pair) == {separate_question, reference}}
        estimates = {pair: evidence.difference(*pair, n) for pair, n in pairs.items()}
        verdicts = decide_all(
            opened,
            evidence,
            {pair: one for pair, one in estimates.items() if not one.error_unknown},
        )
    behind: tuple[Verdict, ...] = ()
    helps: tuple[Contrast, ...] = ()
    if judged:
        others = [name for name in names if name != use]
        folds = evidence.folds or {
            name: losses.mean(axis=2) for name, losses in evidence.runs.items()
        }
        difference, tried = (
            functools.cache(functools.partial(evidence.difference, use)),
            opened.plan.tried,
        )
        drawn = drawn_of(folds, difference(others[0], 1).df) if others and not tried else {}
        level: dict[str, Any] = {"margin": margin, "alpha": opened.alpha, "drawn": drawn}
        steps = list(steps_behind(others, difference, **level, tried=tried, n_rows=evidence.n_rows))
        helps = contrasts_of(contrasts, evidence.difference, names, **level) if steps else ()
        estimates = {(use, name): estimate for name, estimate, *_ in steps}
        behind = decide_all(
            opened, evidence, estimates, {(use, name): (rule, p) for name, _, rule, p in steps}
        )
    is_answered = behind and (verdicts or not opened.reference_named)
    return replace(
        opened,
        reference=reference,
        verdicts=verdicts if opened.reference_named else behind,
        rivals=behind if opened.reference_named else (),
        no_verdict=tuple(
            NoVerdict(name, reason) for name, reason in (without or {}).items() if name != reference
        ),
        ranking=ranking,
        advice=advise(ranking, behind, sizes or {}, gains=gains) if is_answered else None,
        contrasts=helps,
    )


def decide_all(
    opened: Conclusion,
    evidence: Evidence,
    estimates: Mapping[tuple[str, str], Estimate],
    decided: Mapping[tuple[str, str], tuple[Rule, float]] | None = None,
) -> tuple[Verdict, ...]:
    """Return the verdict on each pair of candidates that has an estimate.

    The rules follow the intervals, all at once at the level of the estimates. P-values are adjusted
    after Holm (1979). The two may disagree at the edge. Open rules are `graded` by the comparison
    alone. An estimate that is a comparison of its own is left out of both.

    Args:
        opened: the metric, its margin, the task, and how many attempts were discarded.
        evidence: with finite losses. Of two candidates, the repeats that both have are compared.
        estimates: (reference, candidate) -> the difference of their losses.
        decided: rule and adjusted p-value of each pair, where other steps than `decide` and Holm's
            have found them.
    """
    metric, margin, n_rows = opened.metric.name, opened.metric.margin, evidence.n_rows
    largest = (
        METRICS[metric].largest_loss(opened.task or "binary") if metric in METRICS else math.inf
    )
    simultaneous = [pair for pair, estimate in estimates.items() if estimate.comparisons > 1]
    p_values = holm([estimates[pair].p for pair in simultaneous], tried=opened.plan.tried).tolist()
    adjusted = {pair: one.p for pair, one in estimates.items()} | dict(
        zip(simultaneous, p_values, strict=True)
    )
    verdicts = []
    for pair, gain in estimates.items():
        n_shared = min(len(evidence.runs[name]) for name in pair)  # repeats
        accuracy = None
        if evidence.in_accuracy is not None:
            points = evidence.in_accuracy(*pair, gain.comparisons)
            accuracy = Difference(points.mean, max(-1.0, points.low), min(1.0, points.high))
        low, high = max(-largest, gain.low), min(largest, gain.high)
        factor = rows_factor(gain, margin=margin, n_rows=n_rows, design=evidence.design)
        rows = None if n_rows is None or gain.se == 0 else n_rows * factor
        usual = graded(decide(low=low, high=high, margin=margin), gain, n_rows), adjusted[pair]
        rule, p = (decided or {}).get(pair, usual)
        verdicts.append(
            Verdict(
                candidate=pair[1],
                reference=pair[0],
                rule=rule,
                metric=metric,
                difference=gain.mean,
                low=low,
                high=high,
                margin=margin,
                p=gain.p,
                p_adjusted=p,
                p_better=p_better(gain),
                p_better_by_margin=p_better(gain, margin),
                opposite_share=opposite_share(*(evidence.runs[name][:n_shared] for name in pair)),
                accuracy=accuracy,
                rows_needed=None if rows is None else (math.ceil(rows / 2), math.ceil(rows * 2)),
                rows_factor=factor,
                seed_share=gain.variance_seeds / gain.se**2 if gain.variance_seeds else None,
                n_rows=n_rows,
                n_train=evidence.n_train,
                comparisons=gain.comparisons,
                held_out=gain.variance_rows is not None,
                independent_rows=gain.independent_rows,
                spread=gain.spread,
                zero=opened.metric.of_prior if opened.metric.in_points else None,
            )
        )
    return tuple(verdicts)


def outlook(conclusion: Conclusion, most: int) -> Literal["decided", "rows"] | None:
    """Return why a run may stop after the repeats that a conclusion is about; None if it goes on.

    It may if every verdict is `decided`, or if it takes more `rows` to decide those that are open,
    as more repeats would hardly narrow their intervals. A verdict is decided if it says better,
    worse or no difference that matters; all other rules are open. The verdicts on the rivals of the
    recommended model count as well. The run goes on where nothing is judged, or a model in the
    ranking has no verdict yet. Repeats can't narrow the interval of locked rows. Groups need no
    rule of their own: they are whole in each fold.

    Args:
        most: the largest number of repeats.
    """
    verdicts = (*conclusion.verdicts, *conclusion.rivals)
    judged_names = {name for verdict in verdicts for name in (verdict.candidate, verdict.reference)}
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


def advise(
    ranking: Sequence[str],
    behind: Sequence[Verdict],
    sizes: Mapping[str, float],
    *,
    gains: Callable[[str], bool] = lambda name: True,
) -> Advice:
    """Return which model to use.

    A model is always named, as the user has to take one. Where models hardly differ, a guess costs
    little (decision 26).

    Args:
        ranking: names, the lowest mean loss first.
        behind: verdicts on the other models against the first.
        sizes: of the models that can be simpler than another.
        gains: whether a model is shown to be better than `prior`, if that isn't among the models.
    """
    use, rules = ranking[0], {verdict.candidate: verdict.rule for verdict in behind}
    equivalent = [name for name in ranking if rules.get(name) == "no_practical_difference"]
    simpler = [name for name in equivalent if sizes.get(name, math.inf) < sizes.get(use, math.inf)]
    guess = rules.get("prior") != "worse" if "prior" in ranking else not gains(use)
    return Advice(
        use=use,
        guess=use != "prior" and guess,
        others=tuple(name for name in ranking[1:] if rules.get(name) != "worse"),
        simpler=min(simpler, key=lambda name: sizes[name], default=""),
    )
