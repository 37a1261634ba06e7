"""The networks of a model and their preprocessing: the data that prediction, model files, exports
and cards use."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.frame import Frame, Numbers, Remark
from seedbed.data.preprocessing import Preprocessor, medians_of, moments
from seedbed.data.table import Column, ColumnSchema
from seedbed.data.typed import NewRows
from seedbed.errors import CandidateError, OptionError
from seedbed.evaluation.summaries import Task
from seedbed.model.row_hashes import Hashes
from seedbed.model.sets import COVERAGE, LeftOutErrors
from seedbed.model.stacks import Stacks, members_of, shapes_of
from seedbed.networks.layers import Array
from seedbed.networks.mlp import (
    MLP,
    Architecture,
    BlendedMembers,
    architecture_to_values,
)
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.outcome import Outcome
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.card import score_sentences
from seedbed.training.candidates import n_parameters_of, source_of
from seedbed.training.torch import require_torch
from seedbed.typing import Bools, Floats

CARD_VERSION = 1
FORMAT = 1
"""Version of the model files that this seedbed writes and reads."""
MOST_NETWORKS = 100_000
_MOST_MADE = 1 << 18  # numbers of the networks that `made_stacks` makes at a time


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Ensemble:
    """The networks of a model, one per seed, and everything that is needed to predict with them.

    Attributes:
        candidate: name of the candidate.
        architecture: builds one network.
        states: parameters and buffers [network, ...], by their names in a network's `state_dict`.
        preprocessor: computes the inputs of the networks from columns.
        target_name: name of the target column.
        task: "binary", "multiclass", "regression" or "survival".
        labels: the classes as written in the table; the second of two is the positive one, or the
            event. Empty for a regression.
        threshold: a row is predicted positive if its probability is above this; used for two labels
            only.
        target_mean, target_deviation: of a numeric target, as the networks' outputs are
            standardised; else 0 and 1.
        training: how the model was made, as plain values.
        score: expected performance on new rows, and what was scored, as plain values; None if it
            wasn't measured.
        calibration: errors on rows that networks weren't trained on, for prediction sets; None if
            there are none.
        versions: versions of the libraries that made it.
        follow_up: of survival; the networks then predict hazards, and their last column is the
            interval.
        typical: mean, deviation and median of the known cells of each column of the table [column,
            3]; of a column of levels the last one is its most frequent level, or -1 if more cells
            are missing.
        warnings: sentences, with codes as in docs/tables.md, about what may make the model and its
            score wrong, such as a column that isn't known before the outcome.
        training_rows: hashes of the training rows, ascending; None in files of earlier versions.
    """

    candidate: str
    architecture: Architecture
    states: Mapping[str, NDArray[Any]]
    preprocessor: Preprocessor
    target_name: str
    task: Task
    labels: tuple[str, ...]
    threshold: float = 0.5
    target_mean: float = 0.0
    target_deviation: float = 1.0
    training: Mapping[str, Any] = field(default_factory=dict)
    score: Mapping[str, Any] | None = None
    calibration: LeftOutErrors | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    follow_up: FollowUp | None = None
    typical: Floats | None = None
    warnings: tuple[str, ...] = ()
    training_rows: Hashes | None = None

    @property
    def n_networks(self) -> int:
        return len(next(iter(self.states.values())))

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.task)

    @property
    def n_levels(self) -> int:
        """The levels of the last column of the networks, if rows are expanded; else 0."""
        return self.outcome.n_levels(self.follow_up)

    @property
    def schemas(self) -> tuple[ColumnSchema, ...]:
        """Descriptions of the columns that the model needs."""
        schemas = self.preprocessor.layout.schemas
        return schemas[:-1] if self.n_levels else schemas

    def read(self, frame: Frame) -> tuple[NewRows, list[Remark]]:
        """Return new rows as the columns' schemas read them, and remarks on other columns.
        ColumnError if a column is missing, or there twice."""
        expected = [self.target_name, *self.identifiers, *self.outcome.columns(self)]
        if self.n_levels:
            name = self.preprocessor.feature_names_in_[-1]
            others = [place for place, other in enumerate(frame.names) if other != name]
            names = *(frame.names[place] for place in others), name
            columns = (
                *(frame.columns[place] for place in others),
                Numbers(np.ones(frame.n_rows)),
            )
            frame = replace(frame, names=names, columns=columns)
        return self.preprocessor.read(frame, expected)

    @property
    def feature_names_in_(self) -> tuple[str, ...]:
        """Names of the columns that the model needs."""
        return tuple(schema.name for schema in self.schemas)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """Columns of the training table that were left out as identifiers; '' is a column without a
        name."""
        return tuple(self.training.get("identifiers", ()))

    @property
    def range_law(self) -> Mapping[str, Any] | None:
        """The arguments of `ranges_of_rows` that belong to the model; None if it has no ranges."""
        known: Mapping[str, Any] | None = self.training.get("range")
        return known if self.n_networks > 1 else None

    def check_ranges(self) -> None:
        """Raise OptionError if the model has no ranges."""
        if self.range_law is None:
            raise OptionError(
                "this model has no ranges: no two of its networks leave out different rows, or an earlier seedbed "
                "fitted it",
                "Fit it again, with at least two networks that leave out rows.",
            )

    @functools.cached_property
    def classes_(self) -> NDArray[Any]:
        """The labels as `predict` returns them: integers if all labels are integers, else text."""
        try:
            numbers = [int(label) for label in self.labels]
        except ValueError:
            numbers = []
        whole = bool(numbers) and [str(number) for number in numbers] == list(
            self.labels
        )
        return np.array(
            numbers if whole and max(map(abs, numbers)) < 2**63 else self.labels
        )

    def thresholds_of_sets(
        self, coverage: float | None = COVERAGE, *, per_class: bool = False
    ) -> Floats:
        """Return `LeftOutErrors.thresholds` of this model [class]. OptionError as there, or if the
        model has no sets, or no classes for `per_class`."""
        if per_class and coverage is None:
            raise OptionError(
                "per_class is for prediction sets", "Give a coverage, such as 0.9."
            )
        self.outcome.check_sets(per_class=per_class)
        if self.calibration is None:
            raise OptionError(
                "this model has no prediction sets: an earlier seedbed fitted it, or its rows couldn't be divided",
                "Fit it again, on rows of several groups or times.",
            )
        return self.calibration.thresholds(coverage, per_class=per_class)

    def networks(self) -> list[Any]:
        """Return the networks as PyTorch modules in evaluation mode.

        They take the inputs that `preprocessor` computes, and return logits, or the standardised
        number.

        Raises:
            CandidateError: the model is of trees, or a blend of several models.
            OptionError: PyTorch isn't installed.
        """
        made = self.architecture
        if isinstance(made, BlendedMembers) and (
            len(made.members) > 1 or not isinstance(made.members[0], MLP)
        ):
            raise CandidateError(
                f"'{self.candidate}' isn't a network alone",
                "Export it to ONNX: model.export(FILE).",
            )
        require_torch("model.networks()")
        return list(self._networks)

    @functools.cached_property
    def _networks(self) -> tuple[Any, ...]:
        from seedbed.training.torch.own_modules import networks_of_model

        if not isinstance(self.architecture, BlendedMembers):
            return networks_of_model(
                source_of(self.architecture, *self.sizes), self.states
            )
        ((start, member),) = members_of(self.architecture).items()
        states = {
            name.removeprefix(start): value for name, value in self.states.items()
        }
        return networks_of_model(
            source_of(member, *self.sizes), states, self.architecture.limit
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """The inputs and outputs of one network."""
        return self.preprocessor.layout.n_inputs, self.outcome.n_outputs(self.labels)

    @functools.cached_property
    def stacks(self) -> Callable[[Array], Array]:
        """From inputs [row, input] to the outputs of all networks [network, row, output]."""
        return self._make_stacks(slice(None))

    def made_stacks(self) -> Iterator[Callable[[Array], Array]]:
        """Yield `stacks` in parts, each made when it is needed. In double precision, all networks
        take twice the file's size."""
        size = max(
            1, _MOST_MADE // sum(value[0].size for value in self.states.values())
        )
        for start in range(0, self.n_networks, size):
            yield self._make_stacks(slice(start, start + size))

    def _make_stacks(self, networks: slice) -> Callable[[Array], Array]:
        states = {name: value[networks] for name, value in self.states.items()}
        if isinstance(self.architecture, MLP | BlendedMembers):
            return Stacks(self.architecture, states, *self.sizes)
        require_torch(f"'{self.candidate}', a network of your own,")
        from seedbed.training.torch.own_modules import (
            networks_of_model,
            outputs_of_modules,
        )

        modules = networks_of_model(source_of(self.architecture, *self.sizes), states)
        return lambda X: np.stack(
            outputs_of_modules(modules, X, in_pieces=True)
        ).astype(np.float64)

    def inputs_of_column(
        self, place: int, values: Floats
    ) -> tuple[Bools, NDArray[np.float32]]:
        """Return which inputs are a column's [input], and these inputs of some of its values
        [value, input], which are as those of a `Column`."""
        layout = self.preprocessor.layout
        cells = np.full((len(values), len(layout.schemas)), np.nan)
        cells[:, place] = values
        of_column = layout.places.sources == place
        return of_column, self.preprocessor.inputs_of_values(cells)[:, of_column]

    @property
    def n_parameters(self) -> int:
        """Parameters of one network, and thresholds and values of trees."""
        if isinstance(self.architecture, MLP | BlendedMembers):
            parameters, others = shapes_of(self.architecture, *self.sizes)
            of_trees = (
                shape
                for name, shape in others.items()
                if name.endswith((".threshold", ".value"))
            )
            return sum(map(math.prod, (*parameters.values(), *of_trees)))
        return n_parameters_of(self.architecture, *self.sizes)

    def card(self) -> dict[str, Any]:
        """Return a description of the model as a plain dict, fit for JSON. docs/summary.md explains
        its keys."""
        card = {
            "schema_version": CARD_VERSION,
            "kind": "model",
            "format": FORMAT,
            "candidate": self.candidate,
            "architecture": architecture_to_values(self.architecture),
            "n_networks": self.n_networks,
            "n_parameters": self.n_parameters,
            "n_inputs": self.preprocessor.layout.n_inputs,
            "target": {
                "name": self.target_name,
                "task": self.task,
                "labels": list(self.labels),
                "threshold": self.threshold if self.outcome.has_threshold else None,
                "follow_up": None if self.follow_up is None else asdict(self.follow_up),
            },
            "columns": [self._column(number) for number in range(len(self.schemas))],
            "training": dict(self.training),
            "warnings": list(self.warnings),
            "score": None if self.score is None else dict(self.score),
            "sets": None
            if self.calibration is None
            else self.calibration.describe(self.labels),
            "versions": dict(self.versions),
        }
        return {**card, "sentences": score_sentences(card)}

    def _column(self, number: int) -> dict[str, Any]:
        """Return what users need to fill in a column of a row, with typical values if they are
        known."""
        layout = self.preprocessor.layout
        schema = self.schemas[number]
        described: dict[str, Any] = {
            "name": schema.name,
            "kind": schema.kind,
            "levels": list(schema.levels),
            "may_be_missing": schema.has_missing,
            "timed": layout.timed[number],
            "usual": None,
        }
        if (vocabulary := layout.vocabularies[number]) is not None:
            described["told_apart"] = [
                schema.levels[level] for level in vocabulary.kept
            ]
            described["n_groups"] = vocabulary.n_buckets
        if self.typical is not None:
            typical = self.typical[number].tolist()
            described |= (
                {}
                if schema.levels
                else zip(("mean", "deviation", "median"), typical, strict=True)
            )
            described["usual"] = _usual(schema, typical[2], layout.timed[number])
        return described

    def __getstate__(self) -> dict[str, Any]:
        # Modules can be made again, and a user's own modules may not be picklable.
        made = ("_networks", "stacks", "classes_")
        return {
            name: value for name, value in self.__dict__.items() if name not in made
        }


def typical_values(columns: Sequence[Column]) -> Floats:
    """Return `Ensemble.typical` of the columns of a table."""
    typical = np.zeros((len(columns), 3))
    for place, column in enumerate(columns):
        missing = np.isnan(column.values)
        if column.schema.levels:
            typical[place, 2] = (
                np.bincount(
                    np.where(missing, 0, column.values + 1).astype(np.int64)
                ).argmax()
                - 1
            )
        elif not missing.all():
            present = column.values[~missing, None]
            typical[place] = np.concatenate([*moments(present), medians_of(present)])
    return typical


def _usual(schema: ColumnSchema, typical: float, timed: bool) -> str | float | None:
    """Return the value with which a form starts."""
    if schema.levels:
        return (
            schema.levels[int(typical)] if 0 <= typical < len(schema.levels) else None
        )
    if schema.kind == "number":
        return typical
    try:
        moment = datetime.fromtimestamp(typical, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M") if timed else moment.date().isoformat()
