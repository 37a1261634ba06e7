"""Linear regression with its strength of regularisation chosen on the training rows: the baseline where numbers are
predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["tuned_linear_regression"]

# Of standardised features, so it means the same in every table: from hardly any to one that leaves nothing.
_ALPHAS = np.logspace(-3, 6, 19)


def tuned_linear_regression() -> Pipeline:
    """Ridge regression on standardised features; its alpha has the lowest squared error over the training rows, each
    left out in turn, which takes no more than one decomposition of the features (Golub, Heath & Wahba 1979).
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(alphas=_ALPHAS))
