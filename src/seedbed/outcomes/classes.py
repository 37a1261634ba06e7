"""Classes: two labels, of which the second is the positive one, or several."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError
from seedbed.networks.activations import ACTIVATIONS
from seedbed.outcomes.outcome import FittedModel, Observed, Outcome
from seedbed.typing import Floats, Ints


class _Classes(Outcome):
    """Classes, by their codes."""

    metric = "brier"
    in_words = "accuracy"
    has_classes = True
    refuses: ClassVar[Mapping[str, str]] = {
        "predict_survival": "only models of survival predict survival",
        "predict_interval": "only a model of numbers has intervals; use predict_set",
    }

    def present(self, target: NDArray[Any], labels: Sequence[str]) -> dict[str, Any]:
        present, codes = np.unique(target, return_inverse=True)
        task = "binary" if len(present) == 2 else "multiclass"
        return {
            "target": codes.astype(np.int64),
            "labels": tuple(labels[code] for code in present),
            "task": task,
        }

    def of_estimator(
        self, estimator: Any, X: Floats, labels: Sequence[str]
    ) -> NDArray[Any]:
        classes, outputs = (
            np.asarray(estimator.classes_, dtype=np.intp),
            np.asarray(estimator.predict_proba(X)),
        )
        if outputs.shape != (len(X), len(classes)) or not np.isfinite(outputs).all():
            raise ValueError(
                f"predict_proba gave {list(outputs.shape)} numbers, or some that aren't finite"
            )
        probabilities = np.zeros(
            (len(X), len(labels)), dtype=np.float32
        )  # a class without training rows keeps 0
        probabilities[:, classes] = outputs
        return probabilities


class Binary(_Classes):
    """Two labels: networks give the logit of the second."""

    task = learns = "binary"
    loss = "bce"
    predicts_words = "the probability that {target} is {last}"
    offset_words = (
        "the mean probability of {target} {last} minus its share of rows, in points"
    )
    has_threshold = True

    def predicted(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        return np.asarray(
            ACTIVATIONS["sigmoid"].values(np.concatenate([-outputs, outputs], axis=-1))
        )

    def values(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        return np.asarray(ACTIVATIONS["sigmoid"].values(outputs[..., 0]))

    def probabilities(self, values: Floats) -> Floats:
        return np.stack([1 - values, values], axis=-1)

    def labelled(
        self, values: Floats, fitted: FittedModel, threshold: float | None
    ) -> NDArray[Any]:
        limit = fitted.threshold if threshold is None else threshold
        return np.asarray(fitted.classes_[(values > limit).astype(np.int64)])

    def check_threshold(self, threshold: float | None) -> None:
        if threshold is not None and not 0 <= threshold <= 1:
            raise OptionError(
                f"threshold is {threshold}", "It must be a probability, 0 to 1."
            )

    def of_estimator(
        self, estimator: Any, X: Floats, labels: Sequence[str]
    ) -> NDArray[Any]:
        return super().of_estimator(estimator, X, labels)[:, 1]


class Multiclass(_Classes):
    """Several labels: networks give a logit of each."""

    task = learns = "multiclass"
    loss = "cross_entropy"
    n_labels = range(3, sys.maxsize)

    def prior(self, rows: Observed, some: Ints) -> NDArray[Any]:
        return np.asarray(
            np.bincount(rows.target[some], minlength=rows.n_classes) / len(some)
        )

    def predicted(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        from scipy.special import softmax

        return np.asarray(softmax(outputs, axis=-1))

    def deciding(self, values: Floats) -> Floats:
        best = values.mean(axis=0).argmax(axis=-1)
        return np.take_along_axis(values, best[None, :, None], axis=2)[..., 0]

    def scored(
        self, values: NDArray[Any], fitted: FittedModel, table: Any
    ) -> NDArray[Any]:
        if len(fitted.labels) == len(table.labels):
            return values.astype(np.float32)
        present = [table.labels.index(label) for label in fitted.labels]
        probabilities = (
            values if len(fitted.labels) > 2 else BINARY.probabilities(values)
        )
        whole = np.zeros(
            (*probabilities.shape[:-1], len(table.labels)), dtype=np.float32
        )
        whole[..., present] = probabilities  # a class without training rows keeps 0
        return whole

    def labelled(
        self, values: Floats, fitted: FittedModel, threshold: float | None
    ) -> NDArray[Any]:
        return np.asarray(fitted.classes_[values.argmax(axis=1)])


BINARY = Binary()
