"""The reason beside the verdict: whether a candidate was trained well enough for a comparison to mean anything.

Each check is a function from arrays to a `Check`, or None where there is nothing to say; a code is stable. A check is a
hint and no verdict: no message claims that a candidate is ahead. Those of curves are in `curve_checks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.resampled import variance_shares

__all__ = [
    "Check",
    "confined_outputs",
    "consistent",
    "dead_units",
    "no_better_than_prior",
    "seeds_alike",
    "seeds_apart",
    "worse_than_logistic",
]

CODES: dict[str, str] = {
    "confined_outputs": "it returns probabilities in place of logits, as behind a sigmoid or softmax",
    "under_trained": "its test loss was still falling at the last epoch, or it has learnt nothing yet",
    "over_trained": "its test loss rises again while its training loss falls",
    "diverged": "some of its networks became infinite or NaN",
    "dead_units": "many of its ReLU units answer 0 to every row",
    "no_better_than_prior": "it shows no gain over predicting the same for every row, or is worse",
    "worse_than_logistic": "it is worse than a plain logistic regression, or a linear one where a number is predicted",
    "seeds_alike": "its seeds give nearly the same result; the spread comes from the rows",
    "seeds_apart": "most of its uncertainty comes from seeds and not from rows",
}
"""Each code and what it means, in the order in which they are shown."""

# What is worth a sentence. tests/evaluation/test_checks.py holds the real curves that these were set on.
MANY_DEAD = 0.2  # of the ReLU units, mean over networks; ordinary trainings stay below 0.07
ALIKE = 0.02  # of a single run's variance: with no seed's luck left, an interval would shrink by 1 % at most
APART = 0.5  # of the variance of a mean over seeds
FEW_SPLITS = 5  # below, the variance between splits says nothing
ROUNDING = 1e-12  # a difference of losses within this is none

NOTHING = "Its training needs no change."
LITTLE = "Either the features say little of the target, or more rows are needed to see it."
# Codes whose advice is about training, the likeliest cause first: the advice of one of them is enough, and two may
# contradict each other, as "more epochs" and "stop earlier" do.
_CAUSES = ("diverged", "dead_units", "under_trained", "over_trained", "no_better_than_prior")

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Check:
    """One thing that a reader should know of a candidate.

    Attributes:
        candidate: its name.
        code: a key of `CODES`.
        message: what was seen and what to do, for a reader without statistics; begins with the candidate's name.
        evidence: the numbers behind, ready for JSON; None for one that isn't defined.
        advice: what to do, the end of the message; may be empty.
    """

    candidate: str
    code: str
    message: str
    evidence: dict[str, float | int | None]
    advice: str = ""

    def without_advice(self) -> Check:
        """The same check with what was seen alone."""
        return replace(self, message=self.message.removesuffix(self.advice).rstrip(" ;"), advice="")

    def as_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return asdict(self)


def consistent(checks: Iterable[Check]) -> list[Check]:
    """Return the checks of one candidate without contradictions, in the order of `CODES`.

    Outputs that are confined explain all else, so that check stands alone. A network that is still learning isn't
    called trained for too long. Of the checks that ask for another training, only the likeliest cause keeps its advice;
    and where one does, or a regression is better, none says that nothing is to be done or that the features say little.
    """
    found = {check.code: check for check in checks}
    if "confined_outputs" in found:
        return [found["confined_outputs"]]
    if "under_trained" in found:
        found.pop("over_trained", None)
    acting = [code for code in _CAUSES if code in found and found[code].advice not in ("", NOTHING, LITTLE)]
    silent = acting[1:]
    if acting or "worse_than_logistic" in found:
        silent += [code for code, check in found.items() if check.advice in (NOTHING, LITTLE)]
    for code in silent:
        found[code] = found[code].without_advice()
    return [found[code] for code in CODES if code in found]


def confined_outputs(candidate: str, *, low: float, high: float, kind: Literal["sigmoid", "softmax"]) -> Check:
    """The check of a network that returns probabilities.

    Args:
        low, high: the least and the largest of its outputs.
        kind: what its `forward()` seems to end with.
    """
    seen, logit = ("all its outputs lie between 0 and 1", "logit")
    if kind == "softmax":
        seen, logit = "its outputs add up to 1 in every row", "logits"
    advice = f"forward() seems to end with a {kind}: return the {logit}, which is what stands before it."
    message = f"{candidate} returns probabilities, and is trained as if they were logits: {seen}. {advice}"
    return Check(candidate, "confined_outputs", message, {"low": low, "high": high}, advice)


def dead_units(candidate: str, *, share: ArrayLike) -> Check | None:
    """Whether at least 0.2 of the ReLU units are dead, mean over networks.

    Args:
        share: [network], dead units over all ReLU units of a network; NaN where unknown.
    """
    shares = np.asarray(share, dtype=np.float64).ravel()
    known = shares[np.isfinite(shares)]
    if not known.size or known.mean() < MANY_DEAD:
        return None
    mean = float(known.mean())
    advice = "Lower the learning rate, or take an activation that doesn't die, such as leakyrelu."
    return Check(
        candidate,
        "dead_units",
        f"{candidate} uses a part of itself only: on average {mean:.0%} of its ReLU units answer 0 to every row and "
        f"can't learn any more. {advice}",
        {"mean_share": mean, "max_share": float(known.max()), "networks": int(known.size)},
        advice,
    )


def no_better_than_prior(candidate: str, *, estimate: Estimate | None) -> Check | None:
    """Whether it can't be told from always guessing the same (the class shares, or the mean), or is worse than that.

    Args:
        estimate: of (loss of the prior - loss of the candidate), at its own level; None where none is due.
    """
    if estimate is None or estimate.low > ROUNDING:
        return None
    if estimate.high < -ROUNDING:
        seen = f"{candidate} is worse than predicting the same for every row: {_higher(estimate)}."
        advice = "Mend its training first: stop earlier, lower the learning rate, or take fewer units."
    else:
        seen = (
            f"{candidate} shows no gain over predicting the same for every row: its prediction error may be anywhere "
            f"from {_same_digits(-estimate.low, estimate)} higher to {_same_digits(estimate.high, estimate)} lower."
        )
        advice = LITTLE
    return Check(candidate, "no_better_than_prior", f"{seen} {advice}", _numbers(estimate), advice)


def worse_than_logistic(candidate: str, *, estimate: Estimate | None, kind: str = "logistic") -> Check | None:
    """Whether it is surely worse than a plain regression.

    Args:
        estimate: of (loss of the regression - loss of the candidate), at its own level; None where none is due.
        kind: of the regression, "linear" where a number is predicted.
    """
    if estimate is None or estimate.high >= -ROUNDING:
        return None
    advice = "Use the regression, or train the network with more care."
    return Check(
        candidate,
        "worse_than_logistic",
        f"{candidate} is worse than a plain {kind} regression here: {_higher(estimate)}. {advice}",
        _numbers(estimate),
        advice,
    )


def seeds_alike(
    candidate: str, *, losses: ArrayLike, margin: float, reference_losses: ArrayLike | None = None
) -> Check | None:
    """Whether seeds give nearly the same result while splits differ: under 2 % of a single run's variance is theirs.

    Args:
        losses: [repeat, fold, seed], each run's mean loss.
        margin: the difference that matters; nothing is said where the splits differ by less (standard deviation).
        reference_losses: [repeat, fold, seed] of the candidate that it is compared with, if any. The same must then
            hold for the difference to their mean over seeds: a hard fold is hard for both and cancels, a seed doesn't.

    Raises:
        ValueError: losses aren't [repeat, fold, seed].
    """
    alone, paired = _spread(losses, None), _spread(losses, reference_losses)
    if alone is None or paired is None or min(alone["row_sd"], paired["row_sd"]) < margin:
        return None
    found = max(alone, paired, key=lambda spread: spread["share_of_run"])
    if found["share_of_run"] >= ALIKE:
        return None
    return Check(
        candidate,
        "seeds_alike",
        f"{candidate} comes out nearly the same from any seed: of the spread between single runs "
        f"{_percent(found['share_of_run'])} comes from its seeds, the rest from which rows they saw. "
        "One seed a split would do; more rows would tell more, more seeds won't.",
        {**found},
    )


def seeds_apart(
    candidate: str, *, losses: ArrayLike, margin: float, reference_losses: ArrayLike | None = None
) -> Check | None:
    """Whether more than half of the variance of its means over seeds comes from seeds.

    Args:
        margin: the difference that matters; nothing is said where two seeds differ by less (standard deviation).
        reference_losses: if given, it is the variance of the difference to their mean over seeds.
        The rest, and Raises, as `seeds_alike`.
    """
    found = _spread(losses, reference_losses)
    if found is None or found["seed_sd"] < margin or found["share_of_mean"] <= APART:
        return None
    return Check(
        candidate,
        "seeds_apart",
        f"{candidate} makes training a lottery: on the same rows its loss varies by ± {found['seed_sd']:.2g} with the "
        f"seed, and {_percent(found['share_of_mean'])} of the uncertainty comes from that. More seeds, or an average "
        "over networks, will steady it.",
        {**found},
    )


def _spread(losses: ArrayLike, reference_losses: ArrayLike | None) -> dict[str, float] | None:
    """How much seeds share in the variance of a single run and of a mean over them, and both standard deviations."""
    values = np.asarray(losses, dtype=np.float64)
    others = np.zeros_like(values) if reference_losses is None else np.asarray(reference_losses, dtype=np.float64)
    if values.ndim != 3 or others.ndim != 3 or values.shape[:2] != others.shape[:2]:
        raise ValueError(f"losses must be [repeat, fold, seed] of the same splits; got {values.shape}, {others.shape}")
    if values.shape[0] * values.shape[1] < FEW_SPLITS or not (np.isfinite(values).all() and np.isfinite(others).all()):
        return None
    found = variance_shares((values - others.mean(axis=2, keepdims=True)).reshape(-1, values.shape[2]))
    if found.seeds is None or found.variance_seeds is None:
        return None
    return {
        "share_of_run": found.variance_seeds / (found.variance_rows + found.variance_seeds),
        "share_of_mean": found.seeds,
        "seed_sd": math.sqrt(found.variance_seeds),
        "row_sd": math.sqrt(found.variance_rows),
    }


def _higher(estimate: Estimate) -> str:
    """How much higher the candidate's loss is, where that is settled."""
    mean, low, high = (_same_digits(-value, estimate) for value in (estimate.mean, estimate.high, estimate.low))
    return f"its prediction error is higher by {mean} (plausibly {low} to {high})"


def _numbers(estimate: Estimate) -> dict[str, float | int | None]:
    return {"difference": estimate.mean, "low": estimate.low, "high": estimate.high}


def _same_digits(value: float, estimate: Estimate) -> str:
    """With as many decimals as the widest of an estimate's numbers needs for two digits."""
    widest = max(abs(estimate.low), abs(estimate.high), 1e-9)
    return f"{value:,.{max(0, 1 - math.floor(math.log10(widest)))}f}"


def _percent(share: float) -> str:
    return "less than 0.1%" if share < 0.001 else f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
