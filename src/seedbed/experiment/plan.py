"""The plan of a comparison: its splits, what is fitted on each, and the looks at which it may
stop."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.data.preprocessing import Preprocessor
from seedbed.data.splits import Split
from seedbed.errors import counted
from seedbed.experiment.spec import Experiment
from seedbed.experiment.specification_file import specification
from seedbed.model.member import is_network
from seedbed.settings.design import Compute
from seedbed.training.candidates import check_candidate, own_module, with_inputs_of
from seedbed.training.data import TrainingData
from seedbed.training.parallel import pick_jobs
from seedbed.training.planning import pick_device

STOPS = (
    1,
    2,
    3,
    5,
    10,
)  # the numbers of repeats after which a run may stop because its answer is decided
_FEW_ROWS = 100
_MOST_SPLITS = 10  # whose models train together, and the inputs of their rows
_MOST_CELLS = 1 << 25
_FIRST_SPLITS, _MANY_ROWS = 2, 2000


@dataclass(frozen=True)
class Plan:
    """What a comparison fits.

    It is fitted part by part: the repeats up to the next of `looks`.

    Attributes:
        splits: row numbers, shared by all models.
        specification: everything that decides the result, fit for JSON; computed once, here.
        compute: what trains, and where, on this machine; it doesn't change the result.
    """

    experiment: Experiment
    splits: tuple[Split, ...]
    specification: Mapping[str, Any]
    compute: Compute

    @functools.cached_property
    def looks(self) -> tuple[int, ...]:
        """The numbers of repeats after which there is an interim result: the stops up to all
        repeats, and these."""
        repeats = self.experiment.design.repeats
        return (*(stop for stop in STOPS if stop < repeats), repeats)

    def first(self, repeats: int) -> Plan:
        """Return the plan as if it had only its first repeats."""
        experiment = self.experiment
        if repeats == experiment.design.repeats:
            return self
        experiment = dataclasses.replace(
            experiment, design=dataclasses.replace(experiment.design, repeats=repeats)
        )
        splits = tuple(split for split in self.splits if split.repeat < repeats)
        return dataclasses.replace(self, experiment=experiment, splits=splits)

    def batch(self, first: int) -> int:
        """Return the number of splits whose models train together, from a split on, which changes
        no result. Of many rows, the first are few, so that the time left is known soon."""
        spec = self.experiment
        periods = spec.fitted_table.n_rows / spec.table.n_rows
        cells = periods * len(self.splits[0].train) * max(1, spec.layout.n_inputs)
        is_slow = first == 0 and spec.table.n_rows >= _MANY_ROWS
        most = _FIRST_SPLITS if is_slow else _MOST_SPLITS
        return max(1, min(most, int(_MOST_CELLS // cells)))

    def modules(self) -> Iterator[str]:
        """Yield `own_module` of each user-defined module, once if candidates share it."""
        architectures = set()
        for candidate in self.experiment.members:
            text = own_module(candidate, self.experiment.fitted_table)
            if text and candidate.architecture not in architectures:
                architectures.add(candidate.architecture)
                yield text

    def sentence(self) -> str:
        """Return the plan in one line."""
        spec = self.experiment
        n = len(self.splits)
        up_to = "up to " if spec.design.stops else ""
        text = f"{counted(len(spec.names), 'model')} on {up_to}{counted(n, 'train/test split')}"
        if any(map(is_network, spec.members)):
            text += f", {counted(spec.n_networks, 'network')} each"
        missing = "; ".join(
            f"without {name}, as {why}" for name, why in spec.missing.items()
        )
        return f"{text}; {missing}" if missing else text


def make_plan(
    experiment: Experiment, compute: Compute, splits: tuple[Split, ...] | None = None
) -> Plan:
    """Return the plan of an experiment, with its own splits unless others are given. SeedbedError
    if a class has fewer rows than folds, or a network can't be trained on this table."""
    splits = experiment.splits() if splits is None else splits
    compute = dataclasses.replace(
        compute, n_jobs=pick_jobs(compute.n_jobs), device=pick_device(compute.device)
    )
    table = experiment.fitted_table
    # A network of each candidate on a few rows, so that one that can't be trained is refused now.
    rows = np.arange(min(table.n_rows, _FEW_ROWS))
    preprocessor = Preprocessor.fit(table, rows)
    X = preprocessor.inputs_of_values(table.features[rows])
    y = (
        table.target[rows].astype(np.float32)
        if table.outcome.is_number
        else table.target[rows]
    )
    once = np.ones((len(rows), 1), dtype=np.float32)
    data = TrainingData(X=X, y=y, train=once, test=once)
    for member in filter(is_network, experiment.members):
        network = with_inputs_of(member, preprocessor.layout)
        check_candidate(
            network,
            table,
            data,
            experiment.recipe_of(member),
            compute.engine,
            compute.device,
        )
    return Plan(experiment, splits, specification(experiment, splits), compute)
