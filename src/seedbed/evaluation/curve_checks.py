"""Checks of curves: whether a candidate was trained for too short, for too long, or ran away.

Curves are [epoch, network], networks in the order (repeat, fold, seed) with `shape` giving these three numbers; a
network with a value that isn't finite is left out of every mean. `epochs` [split] says for how many epochs the networks
whose predictions count were trained, 1..n_epochs; None means to the last.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.checks import NOTHING, Check
from seedbed.evaluation.resampled import corrected_t
from seedbed.typing import Floats

__all__ = ["diverged", "over_trained", "under_trained"]

# What is worth a sentence. tests/evaluation/test_checks.py holds the real curves that these were set on.
MATTERS = 0.01  # of what always guessing the same costs: a fall or rise of the loss
LATE = 0.9  # of the epochs: whoever trained up to here went to the end

Shape = tuple[int, int, int]


def under_trained(
    candidate: str,
    *,
    train_loss: ArrayLike,
    test_loss: ArrayLike,
    shape: Shape,
    prior_loss: float,
    epochs: ArrayLike | None = None,
) -> Check | None:
    """Whether it has learnt nothing yet, or the test loss was still falling over the last tenth of the epochs.

    The first is that its mean training loss never came down to `prior_loss`, what always guessing the same costs, but
    stayed 1 % of it above. The second is that the fall is at least 1 % of `prior_loss` and clear over splits
    (`corrected_t`, one-sided 5 %); never where half of the splits or more stopped before 0.9 of the epochs, since these
    had a chance to go on.

    Args:
        prior_loss: what always guessing the same costs, in units of the curves.
        The rest as the file's docstring says.

    Raises:
        ValueError: shapes don't fit, or the prior's loss isn't positive.
    """
    losses, training = _by_split(shape, prior_loss, test_loss, train_loss)
    n_epochs, n_units = losses.shape
    if not losses.size:
        return None
    late = epochs is None or np.mean(_stops(epochs, shape, n_epochs, n_units) + 1 >= LATE * n_epochs) > 0.5
    reached = float(training.mean(axis=1).min())
    if reached > (1 + MATTERS) * prior_loss:
        advice = "Give it more epochs or another learning rate."
        return Check(
            candidate,
            "under_trained",
            f"{candidate} has learnt nothing yet: in {n_epochs:,} epochs its training loss came down to "
            f"{_loss(reached, prior_loss)}, and predicting the same for every row costs "
            f"{_loss(prior_loss, prior_loss)}. {advice}",
            {"training_loss": reached, "prior_loss": prior_loss, "epochs": n_epochs},
            advice,
        )
    if not late or n_epochs < 2:
        return None
    tenth = max(1, n_epochs // 10)
    fall = losses[-1 - tenth] - losses[-1]
    if not _matters(fall, shape, prior_loss):
        return None
    start, end = float(losses[-1 - tenth].mean()), float(losses[-1].mean())
    advice = "Give it more epochs or a higher learning rate."
    return Check(
        candidate,
        "under_trained",
        f"{candidate} was still learning when its training ended: its test loss fell from "
        f"{_loss(start, prior_loss)} to {_loss(end, prior_loss)} over the last {tenth:,} of {n_epochs:,} epochs. "
        f"{advice}",
        {"fall": start - end, "loss_end": end, "epochs": n_epochs},
        advice,
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
        advice = "Stop earlier: with --epoch inner, rows held back from training say when."
        message = (
            f"{candidate} was trained for too long: after about epoch {at:,} of {n_epochs:,} its test loss rose from "
            f"{before} to {after} while its training loss kept falling. {advice}"
        )
    else:
        advice = NOTHING
        message = (
            f"{candidate} learns by heart if trained for long: its training stopped at about epoch {at:,} of "
            f"{n_epochs:,} with a test loss of {before}; to the last it would have cost {after}. {advice}"
        )
    evidence = {"rise": end - low, "loss_low": low, "loss_end": end, "epoch_low": at, "epochs": n_epochs}
    return Check(candidate, "over_trained", message, evidence, advice)


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
    advice = "Lower the learning rate."
    return Check(
        candidate,
        "diverged",
        f"{candidate} lost {n:,} of {lost.shape[1]:,} networks: their loss became infinite or NaN, first at epoch "
        f"{first:,}. {what}. {advice}",
        {"diverged": n, "networks": lost.shape[1], "first_epoch": first},
        advice,
    )


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


def _loss(value: float, prior_loss: float) -> str:
    """A loss with as many digits as a change that matters needs."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(prior_loss)))}f}"
