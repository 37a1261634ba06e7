"""Checks of how a candidate was trained: the reason beside a verdict.

Each check is a function from arrays to a `Check`, or to None if nothing was found. Codes are
stable. A check is a hint and not a verdict: no message says that a candidate is better.

Curves are [epoch, network], with networks in the order (repeat, fold, seed); `shape` gives these
three numbers. A network with a value that isn't finite is left out of every mean. `epochs` [split]
is how many epochs the scored networks of a split were trained, 1..n_epochs; None means all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.errors import counted
from seedbed.evaluation.estimates import Estimate, corrected_t
from seedbed.typing import Floats

Code = Literal[
    "confined_outputs",
    "under_trained",
    "over_trained",
    "diverged",
    "no_better_than_prior",
    "worse_than_logistic",
]
"""What a check finds, in the order in which checks are shown; docs/methods.md says what each code
means."""

# Limits for a sentence. They were set on the real curves in tests/evaluation/test_checks.py.
MATTERS = 0.01  # of the prior's loss: a fall or rise of the loss that matters
LATE = 0.9  # of the epochs: a training that went so far counts as complete
ROUNDING = 1e-12  # a difference of losses within this is none

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Check:
    """One finding about the training of a candidate.

    Attributes:
        candidate: its name.
        code: one of `Code`.
        message: what was found, for a reader without statistics; begins with the candidate's name.
            What to do about it stands on the first screen.
        evidence: the numbers behind it, ready for JSON; None for a number that isn't defined.
    """

    candidate: str
    code: str
    message: str
    evidence: Mapping[str, float | int | None]


def check_confined_outputs(
    candidate: str, *, kind: Literal["sigmoid", "softmax"]
) -> Check:
    """Return the check of a network that returns probabilities.

    Args:
        kind: what its `forward()` seems to end with.
    """
    symptom, logit = "all its outputs lie between 0 and 1", "logit"
    if kind == "softmax":
        symptom, logit = "its outputs add up to 1 in every row", "logits"
    return Check(
        candidate,
        "confined_outputs",
        f"{candidate} returns probabilities, and is trained as if they were logits: {symptom}. forward() seems to end "
        f"with a {kind}: return the {logit}, the input of that activation.",
        {},
    )


def check_against(candidate: str, kind: str, *, estimate: Estimate) -> Check | None:
    """Check whether a candidate isn't shown to be better than predicting the same for every row, or
    is shown to be worse than that or a plain regression.

    Args:
        kind: what it is compared with: "prior", which predicts the class frequencies or the mean,
            "logistic" or "linear".
        estimate: of (loss of that - loss of the candidate), at its own level.
    """
    code: Code = "no_better_than_prior" if kind == "prior" else "worse_than_logistic"
    name = (
        "predicting the same for every row"
        if kind == "prior"
        else f"a plain {kind} regression here"
    )
    mean, low, high = (
        _same_digits(-value, estimate)
        for value in (estimate.mean, estimate.high, estimate.low)
    )
    if estimate.high < -ROUNDING:
        message = f"{candidate} is worse than {name}: its prediction error is higher by {mean} (plausibly {low} to {high})."
    elif kind == "prior" and estimate.low <= ROUNDING:
        message = (
            f"{candidate} shows no gain over {name}: its prediction error may be anywhere "
            f"from {high} higher to {_same_digits(estimate.high, estimate)} lower."
        )
    else:
        return None
    return Check(
        candidate,
        code,
        message,
        {"difference": estimate.mean, "low": estimate.low, "high": estimate.high},
    )


def _same_digits(value: float, estimate: Estimate) -> str:
    """Return a number with as many decimals as the widest number of an estimate needs for two
    digits."""
    widest = max(abs(estimate.low), abs(estimate.high), 1e-9)
    return f"{value:,.{max(0, 1 - math.floor(math.log10(widest)))}f}"


def check_epochs(
    candidate: str,
    *,
    train_loss: ArrayLike,
    test_loss: ArrayLike,
    shape: Shape,
    prior_loss: float,
) -> Check | None:
    """Check whether networks that train for all epochs have learnt nothing yet, were still learning
    at the end, or were trained for too long.

    They have learnt nothing if their mean training loss stayed 1 % above `prior_loss`. They were
    still learning if their test loss fell by at least 1 % of `prior_loss` over the last tenth of
    the epochs, clearly over splits (`corrected_t`, one-sided 5 %). They were trained for too long
    if it rose as clearly from its lowest value on, while the training loss fell. The epoch of the
    lowest loss is taken for each split from the curves of the others, since a minimum is low by
    chance. In the evidence, `loss_low` is the mean test loss at those epochs and `epoch_low` their
    median.

    Args:
        prior_loss: the loss of predicting the class frequencies or the mean, in units of the
            curves.
        The others are described at the top of this file.
    """
    test, train = _by_split(shape, test_loss, train_loss)
    n_epochs, n_units = test.shape
    if not test.size:
        return None

    def words(loss: float) -> str:
        return f"{loss:,.{max(0, 2 - math.floor(math.log10(prior_loss)))}f}"  # the digits that a relevant change needs

    lowest = float(train.mean(axis=1).min())
    if lowest > (1 + MATTERS) * prior_loss:
        return Check(
            candidate,
            "under_trained",
            f"{candidate} has learnt nothing yet: in {counted(n_epochs, 'epoch')} its training loss came down to "
            f"{words(lowest)}, and predicting the same for every row costs {words(prior_loss)}.",
            {"training_loss": lowest, "prior_loss": prior_loss, "epochs": n_epochs},
        )
    if n_epochs < 2:
        return None
    tenth = max(1, n_epochs // 10)
    start, end = float(test[-1 - tenth].mean()), float(test[-1].mean())
    if _matters(test[-1 - tenth] - test[-1], shape, prior_loss):
        return Check(
            candidate,
            "under_trained",
            f"{candidate} was still learning when its training ended: its test loss fell from {words(start)} to "
            f"{words(end)} over the last {tenth:,} of {n_epochs:,} epochs.",
            {"fall": start - end, "loss_end": end, "epochs": n_epochs},
        )
    # The epoch at which the mean loss of all other splits is lowest [split].
    others = test.sum(axis=1, keepdims=True) - test if n_units > 1 else test
    stop = others.argmin(axis=0)
    units = np.arange(n_units)
    if not (train[stop, units] - train[-1]).mean() > 0 or not _matters(
        test[-1] - test[stop, units], shape, prior_loss
    ):
        return None
    low = float(test[stop, units].mean())
    at = round(float(np.median(stop))) + 1
    evidence = {"rise": end - low, "loss_low": low, "loss_end": end}
    return Check(
        candidate,
        "over_trained",
        f"{candidate} was trained for too long: after about epoch {at:,} of {n_epochs:,} its test loss rose from "
        f"{words(low)} to {words(end)} while its training loss kept falling.",
        {**evidence, "epoch_low": at, "epochs": n_epochs},
    )


def check_stopped_at_the_end(
    candidate: str, *, epochs: ArrayLike, most: int
) -> Check | None:
    """Check whether the best epoch of networks that stop by rows left out was among the last tenth
    of all epochs, in most splits.

    Args:
        epochs: [split], the epoch after which the networks were used.
        most: the largest number of epochs.
    """
    is_late = np.asarray(epochs) >= LATE * most
    if most < 2 or is_late.mean() <= 0.5:
        return None
    evidence = {"late": int(is_late.sum()), "splits": is_late.size, "epochs": most}
    return Check(
        candidate,
        "under_trained",
        f"{candidate} was still learning when its training ended: in {evidence['late']:,} of "
        f"{counted(is_late.size, 'split')} the epoch with the lowest loss was among the last tenth of {most:,}.",
        evidence,
    )


def check_diverged(
    candidate: str,
    *,
    train_loss: ArrayLike,
    test_loss: ArrayLike,
    predictions_finite: bool,
    n_networks: int = 1,
) -> Check | None:
    """Check whether the curves of some networks aren't finite.

    Args:
        train_loss, test_loss: [epoch, network].
        predictions_finite: whether all the predictions that are scored are; they may come from an
            earlier epoch.
        n_networks: the networks of each split, whose mean predicts. Without one of them, a split
            has no model and no curves.
    """
    lost = ~(_finite(np.asarray(train_loss)) & _finite(np.asarray(test_loss)))
    n = int(lost.any(axis=0).sum())
    if not n:
        return None
    first = int(lost.any(axis=1).argmax()) + 1
    message = (
        f"{candidate} lost {n:,} of {counted(lost.shape[1], 'network')}: their loss became infinite or NaN, first "
        f"at epoch {first:,}."
    )
    if predictions_finite:
        message += " The predictions used were taken before that happened."
    else:
        splits = np.asarray(lost.any(axis=0).reshape(-1, n_networks).all(axis=1))
        if n_networks > 1:
            message = (
                f"{candidate} has no predictions in {splits.sum():,} of {counted(splits.size, 'split')}: there, the "
                f"loss of at least one of its {n_networks:,} networks became infinite or NaN."
            )
        message += " So there is no verdict on it."
    return Check(
        candidate,
        "diverged",
        message,
        {"diverged": n, "networks": lost.shape[1], "first_epoch": first},
    )


def _by_split(shape: Shape, *curves: ArrayLike) -> list[Floats]:
    """Return means over the networks of a split, each [epoch, split]; with a single split its
    networks, [epoch, seed].

    Networks that aren't finite throughout all curves are left out. [epoch, 0] where a split has no
    others.
    """
    arrays = [np.asarray(curve) for curve in curves]
    n_epochs = len(arrays[0])
    n_splits = shape[0] * shape[1]
    healthy = np.all([_finite(array).all(axis=0) for array in arrays], axis=0)
    if n_splits == 1:
        return [array[:, healthy].astype(np.float64) for array in arrays]
    healthy_of_split = healthy.reshape(1, n_splits, -1)
    if not healthy_of_split.any(axis=2).all():
        return [np.empty((n_epochs, 0)) for _ in arrays]
    counted_in: Any = (
        True if healthy.all() else healthy_of_split
    )  # a mask takes twice as long
    return [
        array.reshape(n_epochs, n_splits, -1).mean(
            axis=2, dtype=np.float64, where=counted_in
        )
        for array in arrays
    ]


def _finite(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a loss is finite in float32, with a margin so that its square is finite as
    well."""
    return np.asarray(np.abs(array) < 3e38, dtype=np.bool_)


def _matters(change: Floats, shape: Shape, prior_loss: float) -> bool:
    """Return whether a change [split] is at least 1 % of the prior's loss on average, and clear
    over splits (one-sided, 5 %).

    With a single split, a plain t-test over seeds decides, since seeds don't overlap. A single
    network is never clear.
    """
    repeats, folds, _ = shape
    if change.size < 2 or change.mean() < MATTERS * prior_loss:
        return False
    if repeats * folds == 1:
        return corrected_t(change[None], alpha=0.1, n_test_over_n_train=0.0).low > 0
    return (
        corrected_t(
            change.reshape((repeats, folds) if folds > 1 else (1, repeats)), alpha=0.1
        ).low
        > 0
    )
