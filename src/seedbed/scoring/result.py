"""One candidate or baseline, scored on rows that it wasn't trained on."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.evaluation import confusion_matrix, consistency_band, expected_calibration_error, reliability
from seedbed.scoring.predictions import Predictions
from seedbed.scoring.scores import SCORES, Score, score

__all__ = ["Result"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Predictions):
    """One candidate or baseline, scored on rows that it wasn't trained on.

    Attributes:
        name: as in the table.
        alpha: intervals of scores are at 1 - alpha, each by itself.
    """

    name: str
    alpha: float

    @functools.cached_property
    def scores(self) -> dict[str, Score]:
        """All scores by name, with their spread and their intervals."""
        return {name: score(name, self, self.alpha) for name in SCORES[self.task]}

    def confusion(self) -> list[list[float]] | None:
        """Share of rows [true class, predicted class], over all out-of-fold predictions; None where numbers are."""
        if self.task == "regression":
            return None
        p = self.predictions[:, :, self.tested]
        truth = np.broadcast_to(self.target[self.tested], p.shape[:3]).reshape(-1)
        cells = confusion_matrix(truth, p.reshape(-1, *p.shape[3:]))
        return [[float(cell) for cell in row] for row in cells / max(1, cells.sum())]

    @functools.cached_property
    def calibration(self) -> dict[str, Any] | None:
        """Whether the probabilities, averaged over repeats and seeds, mean what they say; None without finite ones.

        Brier score = miscalibration - discrimination + uncertainty (`evaluation.reliability`); `ece` beside its mean
        and 95th percentile for outcomes that follow these very probabilities. `curve` is the reliability curve by its
        corners, `band` where it would lie if the probabilities were right, `counts` how many rows have a probability in
        each twentieth.

        Of several classes it is the predicted class's probability against whether that class was right (top-label or
        confidence calibration, Guo et al. 2017), so the Brier score that is taken apart is that of being right.
        """
        y, sets = self.complete()
        if self.task == "regression" or not len(sets):
            return None
        p = sets.mean(axis=0)
        if self.task == "multiclass":
            # A mean of float32 shares may pass 1 by rounding.
            y, p = p.argmax(axis=1) == y, np.minimum(p.max(axis=1), 1.0)
        found, ece, band = reliability(y, p), expected_calibration_error(y, p), consistency_band(p)
        forecast, observed, rows = found.corners()
        return {
            "miscalibration": found.miscalibration,
            "discrimination": found.discrimination,
            "uncertainty": found.uncertainty,
            "ece": ece.value,
            "ece_if_calibrated": ece.if_calibrated,
            "ece_if_calibrated_high": ece.if_calibrated_high,
            "curve": {"forecast": _rounded(forecast), "observed": _rounded(observed), "rows": rows},
            "band": {name: _rounded(getattr(band, name)) for name in ("forecast", "low", "high")},
            "counts": np.histogram(p, bins=20, range=(0, 1))[0].tolist(),
        }

    def as_dict(self) -> dict[str, Any]:
        """Numbers only, fit for JSON."""
        return {
            "name": self.name,
            "finite": self.finite,
            "scores": {name: found.as_dict() for name, found in self.scores.items()},
            "confusion": self.confusion(),
            "calibration": self.calibration,
        }


def _rounded(shares: npt.ArrayLike) -> list[float]:
    """As many digits as a picture shows, and more."""
    found: list[float] = np.round(np.asarray(shares, dtype=np.float64), 5).tolist()
    return found
