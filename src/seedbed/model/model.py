"""A model: fitted networks that predict, save themselves, describe themselves and leave for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Columns, open_rows
from seedbed.model.card import card_of
from seedbed.model.export import Exported, export
from seedbed.model.fitted import FittedNetworks
from seedbed.model.predicting import Predictions, check_threshold, predict_columns
from seedbed.model.saving import save
from seedbed.report import card_fragment, card_text, counted

__all__ = ["Model"]


class Model(FittedNetworks):
    """Networks, one per seed, whose predictions are averaged; from `fit_model`, `Comparison.model` or `load`.

    `FittedNetworks` documents the attributes: `candidate`, `architecture`, `states`, `preprocessor`, `target_name`,
    `task`, `labels`, `threshold`, `target_mean`, `target_deviation`, `training`, `score` and `versions`.
    """

    def predict(self, rows: Any, *, threshold: float | None = None) -> NDArray[Any]:
        """The label, or the number, of each row [row].

        Args:
            rows: a data frame of any library, records (dicts), an array in the order of `feature_names_in_`, a path or
                whatever else `read_table` takes.
            threshold: of two labels, in place of the model's own.

        Raises:
            DataError: the rows can't be read, lack a column, or hold mostly what training never saw.
            OptionError: the threshold isn't one.
        """
        check_threshold(self.task, threshold)
        return self.labelled(self.predictions(rows), threshold)

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """The probability of each class [row, class], in the order of `classes_`, averaged over the networks.

        Raises:
            DataError: as `predict`.
            AttributeError: the model predicts numbers.
        """
        if self.task == "regression":
            raise AttributeError("a model of numbers has no probabilities; use predict")
        return self.predictions(rows).probabilities

    def predictions(self, rows: Any) -> Predictions:
        """Everything that is known of each row: probabilities or numbers, their spread over the networks, and flags.

        Raises:
            DataError: as `predict`.
        """
        with open_rows(rows, self.feature_names_in_) as columns:
            return self.of_columns(columns)

    def of_columns(self, columns: Columns, *, refuse: bool = True) -> Predictions:
        """`predictions` of rows that are opened already.

        Args:
            refuse: whether rows that hold mostly what training never saw are an error, as they are those of a wrong
                table as a rule. Whoever asks for rows, and not for a table, has them as doubtful instead.
        """
        return predict_columns(self, columns, refuse=refuse)

    def labelled(self, predictions: Predictions, threshold: float | None = None) -> NDArray[Any]:
        """The label, or the number, of each row [row].

        Args:
            threshold: in place of the model's own.
        """
        if self.task == "regression":
            return predictions.values
        if self.task == "binary":
            limit = self.threshold if threshold is None else threshold
            codes = (predictions.values > limit).astype(np.int64)
        else:
            codes = predictions.values.argmax(axis=1)
        found: NDArray[Any] = self.classes_[codes]
        return found

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one `.safetensors` file, which appears whole or not at all; return its path.

        Raises:
            OptionError: the path can't be written to, or doesn't end in `.safetensors`.
            ModelFileError: the description of its columns is too long for a model file.
        """
        return save(self, path)

    def export(self, path: str | os.PathLike[str]) -> Exported:
        """Write the model for where seedbed isn't, whole or not at all.

        - `.onnx`: preprocessing and all networks in one file for ONNX Runtime; needs the extra `seedbed[onnx]`.
        - `.py`: a program in plain PyTorch; weights, layers and preprocessing are in a `.safetensors` file beside it.

        docs/export.md tells what they take and give.

        Returns:
            The files, and notes on where they say something else than the model.

        Raises:
            OptionError: the path can't be written to or ends otherwise, or a package is missing.
            CandidateError: it is a network of your own, and not one that seedbed's words build.
        """
        return export(self, path)

    def card(self) -> dict[str, Any]:
        """What the model is, as a plain dict fit for JSON."""
        return card_of(self)

    def __repr__(self) -> str:
        networks = counted(self.n_networks, "network")
        return f"<Model {self.candidate} of {networks}, predicts {self.target_name} ({self.task})>"

    def __str__(self) -> str:
        return card_text(self.card())

    def _repr_html_(self) -> str:
        return card_fragment(self.card())
