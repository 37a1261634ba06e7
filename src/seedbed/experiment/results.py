"""What came of each candidate: curves, predictions out of fold, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data import Split
from seedbed.evaluation import roc_auc, row_losses
from seedbed.networks import Recipe

__all__ = ["SCORES", "CandidateResult", "Score"]

SCORES = ("accuracy", "log_loss", "brier", "roc_auc")

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Score:
    """One score of a candidate, at the last epoch.

    Attributes:
        mean: over folds, of the mean over seeds; none where it isn't defined.
        fold_sd: standard deviation over the folds of all repeats, of the mean over seeds.
        seed_sd: standard deviation over seeds within a fold, pooled over folds; none for a single seed.
    """

    mean: float | None
    fold_sd: float | None
    seed_sd: float | None

    def as_dict(self) -> dict[str, float | None]:
        return {"mean": self.mean, "fold_sd": self.fold_sd, "seed_sd": self.seed_sd}


@dataclass(frozen=True)
class CandidateResult:
    """All networks of one candidate.

    Attributes:
        name: of the candidate.
        recipe: in force for it.
        n_parameters: of one network.
        curves: float32 [4, epoch, network], in the order of `evaluation.CURVES`; networks in the order
            (repeat, fold, seed).
        probabilities: of class 1, out of fold [repeat, seed, row]; NaN of a diverged network.
        scores: by name, see `SCORES`; diverged networks are left out.
        diverged: [network].
        note: on how it was trained; mostly empty.
    """

    name: str
    recipe: Recipe
    n_parameters: int
    curves: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float32]
    scores: dict[str, Score]
    diverged: npt.NDArray[np.bool_]
    note: str = ""

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest mean test loss: for understanding, never for judging."""
        test_loss = self.curves[2][:, ~self.diverged]
        return int(test_loss.mean(axis=1, dtype=np.float64).argmin()) if test_loss.shape[1] else None

    def last(self, curve: int) -> float | None:
        """The mean of a curve at the last epoch, over the networks that didn't diverge."""
        values = self.curves[curve, -1, ~self.diverged]
        return float(values.mean(dtype=np.float64)) if len(values) else None

    def as_dict(self) -> dict[str, Any]:
        """Numbers only, fit for JSON."""
        return {
            "name": self.name,
            "n_parameters": self.n_parameters,
            "recipe": self.recipe.describe(),
            "n_networks": len(self.diverged),
            "n_diverged": int(self.diverged.sum()),
            "scores": {name: score.as_dict() for name, score in self.scores.items()},
            "train_accuracy": self.last(1),
            "train_loss": self.last(0),
            "test_loss": self.last(2),
            "lowest_test_loss_epoch": self.best_epoch,
            "note": self.note,
        }


def score_networks(
    y: npt.NDArray[np.int64], splits: Sequence[Split], probabilities: npt.NDArray[np.float32]
) -> dict[str, Score]:
    """Scores from out-of-fold probabilities of class 1 [repeat, seed, row]; those of diverged networks are NaN."""
    values = {name: np.full((len(splits), probabilities.shape[1]), np.nan) for name in SCORES}
    for number, split in enumerate(splits):
        truth, p = y[split.test], probabilities[split.repeat][:, split.test].astype(np.float64)
        losses = {name: row_losses(name, np.broadcast_to(truth, p.shape), p) for name in SCORES if name != "roc_auc"}
        for name, loss in losses.items():
            values[name][number] = 1 - loss.mean(1) if name == "accuracy" else loss.mean(1)
        values["roc_auc"][number] = roc_auc(truth, p)
    return {name: _spread(array) for name, array in values.items()}


def _spread(values: Floats) -> Score:
    """The score from [fold, seed], NaN where there is none."""
    there = np.isfinite(values)
    n_seeds = there.sum(1)
    usable = values[n_seeds > 0]
    if not len(usable):
        return Score(None, None, None)
    by_fold = np.nanmean(usable, axis=1)
    many = values[n_seeds > 1]
    pooled = float(np.sqrt(np.nanvar(many, axis=1, ddof=1).mean())) if len(many) else None
    return Score(float(by_fold.mean()), float(by_fold.std(ddof=1)) if len(by_fold) > 1 else None, pooled)
