"""The tutorial's printed lines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["epoch_lines"]

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
    """A line for every `every`-th epoch of curves [epoch, network]: the figures, or mean and middle half of many."""
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
