"""The one way from losses to a conclusion: verdicts, ranking, brackets, advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.ranking import advise, brackets, separated
from seedbed.evaluation.summaries import Conclusion, NoVerdict
from seedbed.evaluation.verdicts import Rule, Verdict, decide_all
from seedbed.typing import Floats

# A model that isn't shown to differ after Holm's adjustment may have an interval on one side of zero.
_OF_RIVALS: dict[Rule, Rule] = {"better_by_margin": "no_worse", "better": "no_worse", "worse": "no_better"}
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
        differences: `low`, `high` and `p` of the same for a reference and several candidates [candidate, 3]; computed
            one by one if left out.
        in_accuracy: `difference` by zero-one loss; None if there are no classes, or only scores are known.
        n_rows, n_train: rows of the table, and of each training; None if that isn't known.
        design: for which the rows that are needed are forecast; None if it isn't known.
    """

    runs: Mapping[str, Floats]
    means: Mapping[str, float]
    difference: Callable[[str, str, int], Estimate]
    differences: Callable[[str, Sequence[str], int], ArrayLike] | None = None
    in_accuracy: Callable[[str, str, int], Estimate] | None = None
    n_rows: int | None = None
    n_train: int | None = None
    design: Protocol | None = None

    def of_many(self, reference: str, names: Sequence[str], comparisons: int) -> ArrayLike:
        """Return `low`, `high` and `p` of the differences between a reference and each name [name, 3]."""
        if self.differences is not None:
            values = np.array(self.differences(reference, names, comparisons), dtype=np.float64)
        else:
            estimates = (self.difference(reference, name, comparisons) for name in names)
            values = np.array([(estimate.low, estimate.high, estimate.p) for estimate in estimates])
        values[_spread_unknown(values[:, 0], values[:, 1]), 2] = 1.0
        return values


def _spread_unknown(low: ArrayLike, high: ArrayLike) -> Any:
    """Return whether two models differ by the same number in all splits, so that nothing is known of its error."""
    return np.equal(low, high) & np.not_equal(high, 0)


def n_together(names: Sequence[str], *, reference: str = "", gate: str = "") -> int:
    """Return how many comparisons with the reference hold together: all but that with the gate, a candidate whose
    comparison is a question of its own unless it is the reference."""
    return max(1, len(names) - 1 - (gate in names and gate != reference))


def conclude(
    question: Conclusion,
    evidence: Evidence,
    *,
    without: Mapping[str, str] | None = None,
    gate: str = "",
    n_parameters: Mapping[str, int] | None = None,
    gains: Callable[[str], bool] = lambda name: True,
) -> Conclusion:
    """Return a conclusion with the verdicts, the ranking, its brackets and the advice that losses support.

    Args:
        question: reference, metric, margin, alpha and plan; `interval` is None if no verdict is due.
        evidence: of the candidates that can be judged.
        without: candidates that can't be judged, and why. If the reference is one, no candidate gets a verdict.
        gate: a candidate whose comparison with the reference is a question of its own, at the whole error level; it
            doesn't count among the comparisons. If it is the reference, all comparisons hold together.
        n_parameters: of each network; all others but the blend are baselines.
        gains: whether a model is shown to be better than `prior`, if that isn't among the candidates.

    Raises:
        OptionError: the margin isn't positive.
    """
    names, reference, margin = list(evidence.runs), question.reference, question.metric.margin
    ranking = tuple(sorted(names, key=lambda name: evidence.means[name]))
    due = question.interval is not None and reference in names
    others = [name for name in names if name != reference]
    comparisons = n_together(names, reference=reference, gate=gate) + question.plan.tried

    def level(pair: tuple[str, str]) -> int:
        return 1 if set(pair) == {gate, reference} else comparisons

    def judged(pairs: Sequence[tuple[str, str]]) -> tuple[Verdict, ...]:
        accuracy = evidence.in_accuracy
        estimates = {pair: evidence.difference(*pair, level(pair)) for pair in pairs}
        estimates = {
            pair: estimate for pair, estimate in estimates.items() if not _spread_unknown(estimate.low, estimate.high)
        }
        return decide_all(
            evidence.runs,
            estimates,
            metric=question.metric.name,
            margin=margin,
            n_rows=evidence.n_rows,
            n_train=evidence.n_train,
            in_accuracy=None if accuracy is None else {pair: accuracy(*pair, level(pair)) for pair in estimates},
            task=question.task or "binary",
            tried=question.plan.tried,
            design=evidence.design,
        )

    verdicts = judged([(reference, name) for name in others]) if due else ()
    differ = np.zeros((len(ranking), len(ranking)), dtype=bool)
    if question.interval is not None and len(ranking) > 1:
        differ = separated(
            ranking,
            verdicts,
            lambda name, others: evidence.of_many(name, others, comparisons),
            margin=margin,
            alpha=question.alpha,
        )
    advice, rivals = None, list[tuple[str, str]]()
    if verdicts:
        sizes = n_parameters or {}
        losses = {name: evidence.means[name] for name in ranking}
        advice = advise(losses, differ, sizes, margin=margin, gains=gains)
    if advice is not None:
        not_separated = ~differ[ranking.index(advice.use)]
        rivals = [
            (name, advice.use) for name, same in zip(ranking, not_separated, strict=True) if same and name != advice.use
        ]
    return replace(
        question,
        verdicts=verdicts,
        no_verdict=tuple(NoVerdict(name, reason) for name, reason in (without or {}).items()),
        ranking=ranking,
        brackets=brackets(differ),
        advice=advice,
        rivals=tuple(replace(rival, rule=_OF_RIVALS.get(rival.rule, rival.rule)) for rival in judged(rivals)),
    )


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the repeats that remain could do for a conclusion from the first ones.

    Attributes:
        stop: why they aren't needed: every verdict is `decided`, or it takes more `rows` to decide those that are open,
            as more repeats would hardly narrow their intervals. None if the run goes on.
        narrowing: by which share they would narrow an interval at most, from 0 to 1: the interval of an open verdict,
            or of any if none is open. None if that isn't known.
    """

    stop: Literal["decided", "rows"] | None
    narrowing: float | None


def outlook(conclusion: Conclusion, most: int) -> Outlook:
    """Return whether a run may stop after the repeats that a conclusion is about, and what the others could do.

    A verdict is decided if it says better, worse or no difference that matters; the other three rules are open. The
    verdicts on the rivals of the recommended model count as well. The run goes on where nothing is judged, or a model
    in the ranking has no verdict yet. Repeats can't narrow the interval of locked rows. Groups need no rule of their
    own: they are whole in each fold.

    Args:
        most: the largest number of repeats.
    """
    verdicts = (*conclusion.verdicts, *conclusion.rivals)
    judged = {name for verdict in verdicts for name in (verdict.candidate, verdict.reference)}
    if not judged or not judged.issuperset(conclusion.ranking):
        return Outlook(stop=None, narrowing=None)
    undecided = [verdict for verdict in verdicts if verdict.rule in _OPEN]
    narrowing: float | None = 0.0
    for verdict in undecided or verdicts:
        if verdict.spread is not None and narrowing is not None:
            narrowing = max(narrowing, verdict.spread.narrowing(most))
        elif not verdict.held_out:
            narrowing = None
    hardly = narrowing is not None and narrowing <= _HARDLY
    return Outlook(stop="rows" if undecided and hardly else None if undecided else "decided", narrowing=narrowing)
