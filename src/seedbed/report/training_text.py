"""One candidate on one split as sentences, and the lines that the tutorial prints at each epoch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from seedbed.errors import counted
from seedbed.evaluation.numbers import measure
from seedbed.evaluation.single_runs import RunLottery, RunSpread
from seedbed.evaluation.summaries import TrainingSummary

_FEWEST_FOR_TENTHS = 20  # of fewer seeds, the 5th and the 95th percentile are the extremes or next to them


def headline(summary: TrainingSummary) -> str:
    """Return the score on test rows after the last epoch."""
    score = summary.lottery.score
    if not score.runs:
        return "All networks diverged."
    (run,) = score.runs
    words = f"Test {score.words}"
    if run.n == 1:
        return f"{words} {measure(score.name, run.mean)}, once."
    mean, low, high, lowest, highest = _places(score, run)
    if run.n < _FEWEST_FOR_TENTHS:
        which = "both seeds" if run.n == 2 else f"all {run.n} seeds"
        return f"{words} {mean}; {which} between {lowest} and {highest}."
    return f"{words} {mean}; about nine of ten seeds between {low} and {high}."


def training_sentences(summary: TrainingSummary) -> Iterator[str]:
    """Yield how far that score can be trusted."""
    (one,), score = summary.candidates, summary.lottery.score
    epochs = counted(one.epochs, "epoch")
    if not score.runs:
        yield "Their losses became infinite or NaN. Give a lower learning rate."
        return
    (run,) = score.runs
    if one.n_networks == 1:
        yield f"One network on one split, after {epochs}: another seed or split may give another result."
        yield "More 'seeds' show other random starts, a comparison other splits."
        return
    extremes = ""
    if run.n >= _FEWEST_FOR_TENTHS:  # of fewer, the headline has them
        *_, lowest, highest = _places(score, run)
        extremes = f": the lowest at {lowest}, the highest at {highest}"
    yield f"{counted(run.n, 'network')} that differ only in their seed, after {epochs}{extremes}."
    if one.n_diverged:
        lost = f"{one.n_diverged:,} of {counted(one.n_networks, 'network')} diverged and are left out"
        yield f"{lost}. Give a lower learning rate."
    yield "All share one split, so this shows other seeds and not other rows: seedbed compare does."


def _places(score: RunLottery, run: RunSpread) -> list[str]:
    """Return mean, 5th and 95th percentile, lowest and highest score of single networks as text."""
    values = (run.mean, run.quantiles[0], run.quantiles[4], run.lowest, run.highest)
    return [measure(score.name, value, run.mean) for value in values]


def training_text(summary: TrainingSummary) -> str:
    """Return what a training on one split came to, as text."""
    return "\n".join([headline(summary), *training_sentences(summary)])


Curve = npt.NDArray[np.float32]


def epoch_lines(
    train_loss: Curve,
    train_score: Curve,
    test_loss: Curve,
    test_score: Curve,
    *,
    every: int,
    score_name: str = "accuracy",
) -> Iterator[str]:
    """Yield a line for every `every`-th epoch of curves [epoch, network]: of several networks the mean and middle
    half.
    """
    show = _one if train_loss.shape[1] == 1 else _many

    def score(values: Curve) -> str:
        return show(values, ".4f") if score_name == "R2" else show(100 * values, ".2f", "%")

    name, short = ("R2", "R2") if score_name == "R2" else ("Accuracy", "acc")
    for epoch in range(0, len(train_loss), every):
        yield (
            f"Epoch: {epoch}, Loss: {show(train_loss[epoch], '.5f')}, {name}: {score(train_score[epoch])} | "
            f"Test loss: {show(test_loss[epoch], '.5f')}, Test {short}: {score(test_score[epoch])}"
        )


def _one(values: Curve, digits: str, unit: str = "") -> str:
    return f"{values[0]:{digits}}{unit}"


def _many(values: Curve, digits: str, unit: str = "") -> str:
    if not len(values):
        return "-"
    low, high = np.percentile(values, (25, 75))
    return f"{values.mean(dtype=np.float64):{digits}}{unit} ({low:{digits}} to {high:{digits}})"
