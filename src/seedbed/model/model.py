"""What you take home: networks fitted to all rows, and everything that they need to predict."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seedbed.data import Columns, Preprocessor, Task, open_rows
from seedbed.model.predicting import Predictions, check_threshold, predict_columns
from seedbed.networks import MLP, Architecture, BlendedMLPs
from seedbed.report import card_text, counted
from seedbed.training import seeded

if TYPE_CHECKING:
    from seedbed.model.export import Exported

__all__ = ["Model"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model:
    """Networks, one a seed, whose predictions are averaged; from `fit_model`, `Comparison.model` or `load`.

    Attributes:
        candidate: the name of what was trained.
        architecture: builds one network.
        states: parameters and buffers by their names in a network's `state_dict`, [network, ...].
        preprocessor: makes inputs of the table's columns.
        target_name: the column that is predicted.
        task: "binary", "multiclass" or "regression".
        labels: of classes, as the table has them; the second of two is the positive one.
        threshold: a row is predicted to be positive if its probability is above; of two labels only.
        target_mean, target_deviation: of a number to predict; networks give it standardised. 0 and 1 otherwise.
        training: what the model was made of, plain values.
        score: what it may be expected to do on new rows, and whose score that is, plain values; none where it wasn't
            measured.
        versions: of the libraries that made it.
    """

    candidate: str
    architecture: Architecture
    states: Mapping[str, Tensor]
    preprocessor: Preprocessor
    target_name: str
    task: Task
    labels: tuple[str, ...]
    threshold: float = 0.5
    target_mean: float = 0.0
    target_deviation: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    score: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_networks(self) -> int:
        return len(next(iter(self.states.values())))

    @property
    def n_outputs(self) -> int:
        """Of a network."""
        return len(self.labels) if self.task == "multiclass" else 1

    @property
    def feature_names_in_(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return self.preprocessor.feature_names_in_

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The columns of the training table that were left out as identifiers; '' is one without a name."""
        return tuple(self.training.get("identifiers", ()))

    @functools.cached_property
    def classes_(self) -> NDArray[Any]:
        """The labels as `predict` gives them: whole numbers where all are, else text; empty for a regression."""
        try:
            numbers = [int(label) for label in self.labels]
        except ValueError:
            numbers = []
        whole = bool(numbers) and [str(number) for number in numbers] == list(self.labels)
        return np.array(numbers if whole and max(map(abs, numbers)) < 2**63 else self.labels)

    def networks(self) -> list[nn.Module]:
        """The networks as plain modules in evaluation mode; they take `preprocessor`'s inputs and give logits, or the
        standardised number."""
        return list(self._networks)

    def precise_networks(self) -> list[nn.Module]:
        """The networks in double precision, so that a row is predicted the same wherever it stands among others; a
        user's own are as they are, as their code may not take it."""
        return list(self._precise)

    def made_networks(self, *, precise: bool) -> Iterator[nn.Module]:
        """Make one of `networks()`, or of `precise_networks()`, after the other; none is kept."""
        return (self._network(number, precise=precise) for number in range(self.n_networks))

    def _network(self, number: int, *, precise: bool) -> nn.Module:
        state = {name: value[number] for name, value in self.states.items()}
        network: nn.Module
        if isinstance(self.architecture, MLP | BlendedMLPs):
            with torch.device("meta"):  # without memory, and nothing is drawn
                network = self.architecture(self.preprocessor.n_inputs, self.n_outputs)
            kinds = [
                torch.float64 if precise and value.is_floating_point() else value.dtype for value in state.values()
            ]
            copies = [value.to(kind, copy=True) for value, kind in zip(state.values(), kinds, strict=True)]
            network.load_state_dict(dict(zip(state, copies, strict=True)), assign=True)
        else:
            with seeded(0):  # what a layer draws is overwritten, and the caller's random state isn't touched
                network = self.architecture(self.preprocessor.n_inputs, self.n_outputs)
            network.load_state_dict(state, strict=False)
        return network.eval().requires_grad_(False)

    @functools.cached_property
    def _networks(self) -> tuple[nn.Module, ...]:
        return tuple(self.made_networks(precise=False))

    @functools.cached_property
    def _precise(self) -> tuple[nn.Module, ...]:
        own = not isinstance(self.architecture, MLP | BlendedMLPs)
        return self._networks if own else tuple(self.made_networks(precise=True))

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
        from seedbed.model.saving import save

        return save(self, path)

    def export(self, path: str | os.PathLike[str]) -> Exported:
        """Write the model for where seedbed isn't, whole or not at all.

        - `.onnx`: preprocessing and all networks in one file for ONNX Runtime; needs the extra `seedbed[onnx]`.
        - `.py`: a page of plain PyTorch, and its weights beside it in a file of that name ending in `.safetensors`.

        docs/export.md tells what they take and give.

        Returns:
            The files, and notes on where they say something else than the model.

        Raises:
            OptionError: the path can't be written to or ends otherwise, or a package is missing.
            CandidateError: it is a network of your own, and not one that seedbed's words build.
        """
        from seedbed.model.export import export

        return export(self, path)

    def card(self) -> dict[str, Any]:
        """What the model is, as a plain dict fit for JSON."""
        from seedbed.model.card import card_of

        return card_of(self)

    def __repr__(self) -> str:
        networks = counted(self.n_networks, "network")
        return f"<Model {self.candidate} of {networks}, predicts {self.target_name} ({self.task})>"

    def __str__(self) -> str:
        return card_text(self.card())

    def _repr_html_(self) -> str:
        from seedbed.report import card_fragment

        return card_fragment(self.card())

    def __getstate__(self) -> dict[str, Any]:
        # Modules can be made again, and a user's own may not be fit for pickling.
        made = ("_networks", "_precise", "classes_")
        return {name: value for name, value in self.__dict__.items() if name not in made}
