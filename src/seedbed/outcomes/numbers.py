"""Numbers: regression, on the target that is standardised by the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seedbed.outcomes.outcome import FittedModel, Observed, Outcome
from seedbed.typing import Floats, Ints


class Number(Outcome):
    """A number; networks give it standardised."""

    task = learns = "regression"
    loss = "mse"
    metric = "squared_error"
    in_words = "mae"
    shown = "r2", "mae"
    of_training = "r2"
    of_single_runs = "r2", "squared_error"
    linear = "linear"
    is_number = True
    n_labels = range(1)
    prior_words = "predicts the mean of the training rows"
    linear_words = "ridge regression"
    loss_words = "squared error"
    predicts_words = "the number {target}"
    offset_words = "the mean prediction minus the mean of {target}"
    estimator = "regressor"
    method = "predict"
    answer = "value"
    parts = ""
    refuses: ClassVar[Mapping[str, str]] = {
        "predict_proba": "a regression model has no probabilities of classes; use predict",
        "predict_survival": "only models of survival predict survival",
        "predict_set": "a regression model has no sets of labels; use predict_interval",
    }

    def n_outside(self, rows: Observed, some: Ints | slice = slice(None)) -> None:
        return None

    def predicted(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        mean, deviation = scale
        return np.asarray(outputs[..., 0] * deviation + mean)

    def scored(
        self, values: NDArray[Any], fitted: FittedModel, table: Any
    ) -> NDArray[Any]:
        return values

    def of_estimator(
        self, estimator: Any, X: Floats, labels: Sequence[str]
    ) -> NDArray[Any]:
        numbers = np.asarray(estimator.predict(X), dtype=np.float64)
        if numbers.size != len(X) or not np.isfinite(numbers).all():
            raise ValueError(
                f"predict gave {list(numbers.shape)} numbers, or some that aren't finite"
            )
        return numbers.reshape(len(X))  # some regressors return [row, 1]

    def parts_of(
        self, values: Floats, fitted: FittedModel, at: Sequence[float] = ()
    ) -> Floats:
        return np.empty((len(values), 0))

    def errors(self, target: NDArray[Any], predicted: Floats) -> tuple[Floats, Ints]:
        return np.abs(predicted - target), np.zeros(len(target), dtype=np.int64)

    def covering(self, predicted: Floats, limits: Floats) -> NDArray[Any]:
        return np.asarray(predicted[:, None] + limits[0] * np.array([-1.0, 1.0]))

    def always(self, labels: Mapping[str, int]) -> str:
        return "always answering the mean"

    def answers(self, labels: Sequence[str], follow_up: object) -> list[str]:
        return ["prediction"]
