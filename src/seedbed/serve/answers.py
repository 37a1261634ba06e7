"""From predictions to the values of an answer, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seedbed.model import FLAGS, Model, Predictions
from seedbed.serve.reading import Asked

__all__ = ["Writer"]


class Writer:
    """Says what a model says of rows, in plain values."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._names = model.feature_names_in_
        self._expected = np.array([schema.has_missing for schema in model.preprocessor.layout.schemas], dtype=bool)
        self._rows: Callable[[Predictions], list[dict[str, Any]]]
        self._rows = self._numbers if model.task == "regression" else self._classes

    def records(self, asked: Asked, predictions: Predictions) -> dict[str, Any]:
        """`{"predictions": [...]}`, and which columns weren't used if there are any."""
        rows = self._rows(predictions)
        flags, doubtful = self.flags(predictions), predictions.doubtful.tolist()
        for place, row in enumerate(rows):
            row["flags"], row["doubtful"] = flags[place], doubtful[place]
        return {"predictions": rows, "ignored": list(asked.ignored)} if asked.ignored else {"predictions": rows}

    def labels(self, predictions: Predictions) -> list[str]:
        """Of classes [row], as text whatever they are."""
        return [str(label) for label in self._model.labelled(predictions).tolist()]

    def flags(self, predictions: Predictions) -> list[dict[str, list[str]]]:
        """For each row the names of its strange columns; all kinds are there."""
        found = predictions.flags(self._names, self._expected)
        return [{kind: found.get(row, {}).get(kind, []) for kind in FLAGS} for row in range(len(predictions.values))]

    def _classes(self, predictions: Predictions) -> list[dict[str, Any]]:
        of = self._model.labels
        told = zip(
            self.labels(predictions),
            predictions.probabilities.tolist(),
            predictions.spreads.tolist(),
            strict=True,
        )
        return [
            {"label": label, "probabilities": dict(zip(of, row, strict=True)), "spread": spread}
            for label, row, spread in told
        ]

    def _numbers(self, predictions: Predictions) -> list[dict[str, Any]]:
        told = zip(predictions.values.tolist(), predictions.spreads.tolist(), strict=True)
        return [{"value": value, "spread": spread} for value, spread in told]
