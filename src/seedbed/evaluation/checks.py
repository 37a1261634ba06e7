"""The reason beside the verdict: whether a candidate was trained well enough for a comparison to mean anything.

Each check is a function from arrays to a `Check`, or None where there is nothing to say; a code is stable. A check is a
hint and no verdict: no message claims that a candidate is ahead.

Curves are [epoch, network], networks in the order (repeat, fold, seed) with `shape` giving these three numbers; a
network with a value that isn't finite is left out of every mean. `epochs` [split] says for how many epochs the networks
whose predictions count were trained, 1..n_epochs; None means to the last.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.resampled import corrected_t, variance_shares

__all__ = [
    "CODES",
    "Check",
    "dead_units",
    "diverged",
    "no_better_than_prior",
    "over_trained",
    "seeds_alike",
    "seeds_apart",
    "under_trained",
    "worse_than_logistic",
]

CODES: dict[str, str] = {
    "under_trained": "its test loss was still falling at the last epoch",
    "over_trained": "its test loss rises again while its training loss falls",
    "diverged": "some of its networks became infinite or NaN",
    "dead_units": "many of its ReLU units answer 0 to every row",
    "no_better_than_prior": "it can't be told from always guessing the same, or is worse",
    "worse_than_logistic": "it is worse than a plain logistic regression",
    "seeds_alike": "its seeds give nearly the same result; the spread comes from the rows",
    "seeds_apart": "most of its uncertainty comes from seeds and not from rows",
}
"""Each code and what it means, in the order in which they are shown."""

# What is worth a sentence. tests/evaluation/test_checks.py holds the real curves that these were set on.
MATTERS = 0.01  # of what always guessing the same costs: a fall or rise of the loss
LATE = 0.9  # of the epochs: whoever trained up to here went to the end
MANY_DEAD = 0.2  # of the ReLU units, mean over networks; ordinary trainings stay below 0.07
ALIKE = 0.02  # of a single run's variance: with no seed's luck left, an interval would shrink by 1 % at most
APART = 0.5  # of the variance of a mean over seeds
FEW_SPLITS = 5  # below, the variance between splits says nothing
ROUNDING = 1e-12  # a difference of losses within this is none

Floats = NDArray[np.float64]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Check:
    """One thing that a reader should know of a candidate.

    Attributes:
        candidate: its name.
        code: a key of `CODES`.
        message: what was seen and what to do, for a reader without statistics; begins with the candidate's name.
        evidence: the numbers behind, ready for JSON; None for one that isn't defined.
    """

    candidate: str
    code: str
    message: str
    evidence: dict[str, float | int | None]

    def as_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return asdict(self)


def under_trained(
    candidate: str, *, test_loss: ArrayLike, shape: Shape, prior_loss: float, epochs: ArrayLike | None = None
) -> Check | None:
    """Whether the test loss was still falling over the last tenth of the epochs.

    It fires where the fall is at least 1 % of `prior_loss` and clear over splits (`corrected_t`, one-sided 5 %); never
    where half of the splits or more stopped before 0.9 of the epochs, since these had a chance to go on.

    Args:
        prior_loss: what always guessing the same costs, in units of the curves.
        The rest as the file's docstring says.

    Raises:
        ValueError: shapes don't fit, or the prior's loss isn't positive.
    """
    (losses,) = _by_split(shape, prior_loss, test_loss)
    n_epochs, n_units = losses.shape
    if not losses.size or n_epochs < 2:
        return None
    if epochs is not None and np.mean(_stops(epochs, shape, n_epochs, n_units) + 1 >= LATE * n_epochs) <= 0.5:
        return None
    tenth = max(1, n_epochs // 10)
    fall = losses[-1 - tenth] - losses[-1]
    if not _matters(fall, shape, prior_loss):
        return None
    start, end = float(losses[-1 - tenth].mean()), float(losses[-1].mean())
    return Check(
        candidate,
        "under_trained",
        f"{candidate} was still learning when its training ended: its test loss fell from "
        f"{_loss(start, prior_loss)} to {_loss(end, prior_loss)} over the last {tenth:,} of {n_epochs:,} epochs. "
        "Give it more epochs or a higher learning rate.",
        {"fall": start - end, "loss_end": end, "epochs": n_epochs},
    )


def over_trained(
    candidate: str,
    *,
    train_loss: ArrayLike,
    test_loss: ArrayLike,
    shape: Shape,
    prior_loss: float,
    epochs: ArrayLike | None = None,
) -> Check | None:
    """Whether the test loss rises again while the training loss falls.

    Compared are the last epoch and that of the lowest loss, taken for each split from the curves of the others, since a
    lowest point is lucky; or, with `epochs`, the last and the one up to which a split was trained. It fires as
    `under_trained` does: 1 % of `prior_loss`, and clear over splits. In the evidence, `loss_low` is the mean test loss
    at those epochs and `epoch_low` their median.

    Args, Raises: as `under_trained`.
    """
    test, train = _by_split(shape, prior_loss, test_loss, train_loss)
    n_epochs, n_units = test.shape
    if not test.size or n_epochs < 2:
        return None
    stop = _lowest_of_the_others(test) if epochs is None else _stops(epochs, shape, n_epochs, n_units)
    units = np.arange(n_units)
    rise, fall = test[-1] - test[stop, units], train[stop, units] - train[-1]
    if not (fall.mean() > 0 and _matters(rise, shape, prior_loss)):
        return None
    low, end, at = float(test[stop, units].mean()), float(test[-1].mean()), round(float(np.median(stop))) + 1
    before, after = _loss(low, prior_loss), _loss(end, prior_loss)
    if epochs is None:
        message = (
            f"{candidate} was trained for too long: after about epoch {at:,} of {n_epochs:,} its test loss rose from "
            f"{before} to {after} while its training loss kept falling. Stop earlier: with --epoch inner, rows held "
            "back from training say when."
        )
    else:
        message = (
            f"{candidate} learns by heart if trained for long: its training stopped at about epoch {at:,} of "
            f"{n_epochs:,} with a test loss of {before}; to the last it would have cost {after}. "
            "Nothing needs to be done."
        )
    evidence = {"rise": end - low, "loss_low": low, "loss_end": end, "epoch_low": at, "epochs": n_epochs}
    return Check(candidate, "over_trained", message, evidence)


def diverged(candidate: str, *, train_loss: ArrayLike, test_loss: ArrayLike, predictions_finite: bool) -> Check | None:
    """Whether the curves of some networks aren't finite.

    Args:
        train_loss, test_loss: [epoch, network].
        predictions_finite: whether all the predictions that are scored are; they may come from an earlier epoch.

    Raises:
        ValueError: the curves aren't [epoch, network] of one shape.
    """
    train, test = np.asarray(train_loss), np.asarray(test_loss)
    if train.ndim != 2 or train.shape != test.shape:
        raise ValueError(f"both curves must be [epoch, network]; got shapes {train.shape} and {test.shape}")
    lost = ~(_finite(train) & _finite(test))
    n = int(lost.any(axis=0).sum())
    if not n:
        return None
    first = int(lost.any(axis=1).argmax()) + 1
    before = "The predictions used were taken before that happened"
    what = before if predictions_finite else "So there is no verdict on it"
    return Check(
        candidate,
        "diverged",
        f"{candidate} lost {n:,} of {lost.shape[1]:,} networks: their loss became infinite or NaN, first at epoch "
        f"{first:,}. {what}; lower the learning rate.",
        {"diverged": n, "networks": lost.shape[1], "first_epoch": first},
    )


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
    return Check(
        candidate,
        "dead_units",
        f"{candidate} uses a part of itself only: {mean:.0%} of its ReLU units answer 0 to every row and can't learn "
        "any more. Lower the learning rate, or take an activation that doesn't die, such as leakyrelu.",
        {"mean_share": mean, "max_share": float(known.max()), "networks": int(known.size)},
    )


def no_better_than_prior(candidate: str, *, estimate: Estimate | None) -> Check | None:
    """Whether it can't be told from always guessing the same (the class shares, or the mean), or is worse than that.

    Args:
        estimate: of (loss of the prior - loss of the candidate), at its own level; None where none is due.
    """
    if estimate is None or estimate.low > ROUNDING:
        return None
    if estimate.high < -ROUNDING:
        message = (
            f"{candidate} is worse than always guessing the same: {_higher(estimate)}. Mend its training "
            "first: stop earlier, lower the learning rate, or take fewer units."
        )
    else:
        message = (
            f"{candidate} can't be told from always guessing the same: its gain over that may be anywhere from "
            f"{estimate.low:.2g} to {estimate.high:.2g}. Either the features say little of the target, or more rows "
            "are needed to see it."
        )
    return Check(candidate, "no_better_than_prior", message, _numbers(estimate))


def worse_than_logistic(candidate: str, *, estimate: Estimate | None) -> Check | None:
    """Whether it is surely worse than a plain logistic regression.

    Args:
        estimate: of (loss of the regression - loss of the candidate), at its own level; None where none is due.
    """
    if estimate is None or estimate.high >= -ROUNDING:
        return None
    return Check(
        candidate,
        "worse_than_logistic",
        f"{candidate} is worse than a plain logistic regression here: {_higher(estimate)}. Use the "
        "regression, or train the network with more care.",
        _numbers(estimate),
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
    if values.shape[0] * values.shape[1] < FEW_SPLITS or not (_finite(values).all() and _finite(others).all()):
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


def _by_split(shape: Shape, prior_loss: float, *curves: ArrayLike) -> list[Floats]:
    """Means over a split's networks, each [epoch, split]; of a single split, its networks: [epoch, seed].

    Networks that aren't finite throughout all curves are left out. [epoch, 0] where a split has no others.
    """
    if not (prior_loss > 0 and math.isfinite(prior_loss)):
        raise ValueError(f"the prior's loss must be positive; got {prior_loss}")
    arrays = [np.asarray(curve) for curve in curves]
    n_epochs, n_splits = len(arrays[0]), shape[0] * shape[1]
    if any(array.shape != (n_epochs, math.prod(shape)) for array in arrays):
        raise ValueError(f"curves must be [epoch, network] with {shape} networks; got {[a.shape for a in arrays]}")
    healthy = np.all([_finite(array).all(axis=0) for array in arrays], axis=0)
    if n_splits == 1:
        return [array[:, healthy].astype(np.float64) for array in arrays]
    kept = healthy.reshape(1, n_splits, -1)
    if not kept.any(axis=2).all():
        return [np.empty((n_epochs, 0)) for _ in arrays]
    return [array.reshape(n_epochs, n_splits, -1).mean(axis=2, dtype=np.float64, where=kept) for array in arrays]


def _finite(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a loss is a number that float32 could hold, so that squares of it are finite, too."""
    return np.asarray(np.abs(array) < 3e38, dtype=np.bool_)


def _matters(change: Floats, shape: Shape, prior_loss: float) -> bool:
    """Whether a change [split] is at least 1 % of the prior's loss on average, and clear over splits, one-sided at 5 %.

    Of a single split it is clear over seeds, by a plain t-test: these don't overlap. A single network never is.
    """
    repeats, folds, _ = shape
    if change.size < 2 or change.mean() < MATTERS * prior_loss:
        return False
    if repeats * folds == 1:
        return corrected_t(change[None], alpha=0.1, n_test_over_n_train=0.0).low > 0
    return corrected_t(change.reshape((repeats, folds) if folds > 1 else (1, repeats)), alpha=0.1).low > 0


def _lowest_of_the_others(losses: Floats) -> NDArray[np.intp]:
    """For each split the epoch at which the mean loss of all others is lowest; [epoch, split] -> [split]."""
    others = losses.sum(axis=1, keepdims=True) - losses if losses.shape[1] > 1 else losses
    return np.asarray(others.argmin(axis=0), dtype=np.intp)


def _stops(epochs: ArrayLike, shape: Shape, n_epochs: int, n_units: int) -> NDArray[np.intp]:
    """The index of the epoch up to which each unit of `_by_split` was trained."""
    stops = np.asarray(epochs, dtype=np.intp).ravel() - 1
    n_splits = shape[0] * shape[1]
    if stops.size != n_splits or stops.min() < 0 or stops.max() >= n_epochs:
        raise ValueError(f"epochs must be 1..{n_epochs} for each of {n_splits} splits")
    return stops if n_splits == n_units else np.repeat(stops, n_units)


def _higher(estimate: Estimate) -> str:
    """How much higher the candidate's loss is, where that is settled."""
    return f"its loss is higher by {-estimate.mean:.2g} (plausibly {-estimate.high:.2g} to {-estimate.low:.2g})"


def _numbers(estimate: Estimate) -> dict[str, float | int | None]:
    return {"difference": estimate.mean, "low": estimate.low, "high": estimate.high}


def _loss(value: float, prior_loss: float) -> str:
    """A loss with as many digits as a change that matters needs."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(prior_loss)))}f}"


def _percent(share: float) -> str:
    return "less than 0.1%" if share < 0.001 else f"{100 * share:.2g}%"
