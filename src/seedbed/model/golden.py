"""Rows whose predictions a model file knows, so that whoever loads it can tell that it still predicts the same.

They are made up: each column takes values by itself, from what the file says of the column anyway. No row of the
training table leaves the house with a model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Preprocessor

__all__ = ["N_GOLDEN", "TOLERANCE", "golden_cells"]

N_GOLDEN = 16
TOLERANCE = 1e-5
"""By how much a probability may differ, or a number in units of the target's deviation: another processor sums in
another order."""

_DAY = 86_400.0


def golden_cells(preprocessor: Preprocessor) -> NDArray[np.float64]:
    """Cells [row, column] as a `Column` has its values: NaN is missing, -1 a level that training never saw."""
    layout = preprocessor.layout
    places = layout.places
    rng = np.random.default_rng(0)
    cells = np.empty((N_GOLDEN, len(layout.schemas)))
    means = np.array([np.nan] * len(layout.schemas))
    deviations = means.copy()
    straight = ~places.circling
    means[places.sources[places.numbers[straight]]] = preprocessor.means[straight]
    deviations[places.sources[places.numbers[straight]]] = preprocessor.deviations[straight]
    for column, schema in enumerate(layout.schemas):
        if schema.kind == "category":
            cells[:, column] = rng.integers(-1, len(schema.levels), size=N_GOLDEN)
        elif schema.kind == "boolean":
            cells[:, column] = rng.integers(0, 2, size=N_GOLDEN)
        else:
            drawn = means[column] + deviations[column] * rng.normal(size=N_GOLDEN)
            cells[:, column] = np.floor(drawn) * _DAY if schema.kind == "date" else drawn
        if schema.has_missing:
            cells[rng.random(N_GOLDEN) < 0.25, column] = np.nan
    return cells
