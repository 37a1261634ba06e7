"""The one way from losses to a conclusion: verdicts, ranking, advice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from seedbed.evaluation.behind import contrasts_of, steps_behind
from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Advice, Conclusion, NoVerdict
from seedbed.evaluation.verdicts import Rule, Verdict, decide_all
from seedbed.typing import Floats

_OPEN: tuple[Rule, ...] = ("no_worse", "no_better", "cannot_tell")
_HARDLY = 0.1


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """What candidates did on the same splits. Only those that can be judged.

    Attributes:
        runs: name -> [repeat, fold, seed], mean loss of each single run.
        means: name -> mean loss of what is judged.
        difference: of (reference, candidate, comparisons that hold together): the loss of the reference minus that of
            the candidate.
        in_accuracy: `difference` by zero-one loss; None if there are no classes, or only scores are known.
        n_rows, n_train: rows of the table, and of each training; None if that isn't known.
        design: for which the rows that are needed are forecast; None if it isn't known.
    """

    runs: Mapping[str, Floats]
    means: Mapping[str, float]
    difference: Callable[[str, str, int], Estimate]
    in_accuracy: Callable[[str, str, int], Estimate] | None = None
    n_rows: int | None = None
    n_train: int | None = None
    design: Protocol | None = None


def count_comparisons(names: Sequence[str], *, reference: str = "", separate_question: str = "") -> int:
    """Return how many comparisons with the reference hold together: all but that with `separate_question`, a candidate
    whose comparison is a question of its own unless it is the reference."""
    return max(1, len(names) - 1 - (separate_question in names and separate_question != reference))


def conclude(
    question: Conclusion,
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
        question: reference, metric, margin, alpha and plan; `interval` is None if no verdict is due. Unless the
            reference was named, the recommended model takes its place.
        evidence: of the candidates that can be judged.
        without: candidates that can't be judged, and why. If a named reference is one, no candidate gets a verdict.
        separate_question: a candidate whose comparison with a named reference is a question of its own, at the whole
            error level.
        sizes: of the models that can be simpler than another.
        contrasts: what may help: the thing, the model with it, and those without.
        gains: whether a model is shown to be better than `prior`, if that isn't among the candidates.
    """
    names, margin = list(evidence.runs), question.metric.margin
    ranking = tuple(sorted(names, key=lambda name: evidence.means[name]))
    use = ranking[0] if ranking else ""
    reference = question.reference if question.reference_named or not use else use
    judged = question.interval is not None and any(name not in (without or {}) for name in names if name != reference)
    has_verdicts = judged and reference in names
    tried = question.plan.tried
    n_comparisons = count_comparisons(names, reference=reference, separate_question=separate_question) + tried

    def verdicts_of(
        estimates: Mapping[tuple[str, str], Estimate], decided: Mapping[str, tuple[Rule, float]]
    ) -> tuple[Verdict, ...]:
        of_accuracy = evidence.in_accuracy
        points = of_accuracy and {pair: of_accuracy(*pair, one.comparisons) for pair, one in estimates.items()}
        return decide_all(
            evidence.runs,
            estimates,
            metric=question.metric.name,
            margin=margin,
            n_rows=evidence.n_rows,
            n_train=evidence.n_train,
            in_accuracy=points,
            task=question.task or "binary",
            tried=tried,
            design=evidence.design,
            decided=decided,
        )

    verdicts: tuple[Verdict, ...] = ()
    if has_verdicts and question.reference_named:
        pairs = [(reference, name) for name in names if name != reference]
        level = {pair: 1 if set(pair) == {separate_question, reference} else n_comparisons for pair in pairs}
        estimates = {pair: evidence.difference(*pair, level[pair]) for pair in pairs}
        verdicts = verdicts_of({pair: one for pair, one in estimates.items() if not one.error_unknown}, {})
    behind: tuple[Verdict, ...] = ()
    if judged:
        steps = steps_behind(
            [name for name in names if name != use],
            lambda name, pairs: evidence.difference(use, name, pairs),
            margin=margin,
            alpha=question.alpha,
            tried=tried,
        )
        behind = verdicts_of(
            {(use, name): step.estimate for name, step in steps.items()},
            {name: (step.rule, step.p_adjusted) for name, step in steps.items()},
        )
        contrasts = [
            (thing, candidate, [one for one in references if one in names])
            for thing, candidate, references in contrasts
            if candidate in names
        ]
    return replace(
        question,
        reference=reference,
        verdicts=verdicts if question.reference_named else behind,
        rivals=behind if question.reference_named else (),
        no_verdict=tuple(NoVerdict(name, reason) for name, reason in (without or {}).items() if name != reference),
        ranking=ranking,
        advice=advise(ranking, behind, sizes or {}, gains=gains)
        if behind and (verdicts or not question.reference_named)
        else None,
        contrasts=contrasts_of(
            contrasts, lambda one, other: evidence.difference(one, other, 1), margin=margin, alpha=question.alpha
        )
        if behind
        else (),
    )


def outlook(conclusion: Conclusion, most: int) -> Literal["decided", "rows"] | None:
    """Return why a run may stop after the repeats that a conclusion is about; None if it goes on.

    It may if every verdict is `decided`, or if it takes more `rows` to decide those that are open, as more repeats
    would hardly narrow their intervals. A verdict is decided if it says better, worse or no difference that matters;
    the other three rules are open. The verdicts on the rivals of the recommended model count as well. The run goes on
    where nothing is judged, or a model in the ranking has no verdict yet. Repeats can't narrow the interval of locked
    rows. Groups need no rule of their own: they are whole in each fold.

    Args:
        most: the largest number of repeats.
    """
    verdicts = (*conclusion.verdicts, *conclusion.rivals)
    judged_names = {name for verdict in verdicts for name in (verdict.candidate, verdict.reference)}
    if not judged_names or not judged_names.issuperset(conclusion.ranking):
        return None
    undecided = [verdict for verdict in verdicts if verdict.rule in _OPEN]
    if not undecided:
        return "decided"
    hardly = (one.held_out if one.spread is None else one.spread.narrowing(most) <= _HARDLY for one in undecided)
    return "rows" if all(hardly) else None


def advise(
    ranking: Sequence[str],
    behind: Sequence[Verdict],
    sizes: Mapping[str, float],
    *,
    gains: Callable[[str], bool] = lambda name: True,
) -> Advice:
    """Return which model to use.

    A model is always named, as the user has to take one. Where models hardly differ, a guess costs little
    (decision 26).

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
