"""The plan of a comparison: which networks, in which chunks, and what they will cost."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from seedbed.data import Split, fold_standardisation
from seedbed.errors import CandidateError, SeedbedError
from seedbed.experiment.spec import Experiment
from seedbed.networks import Candidate
from seedbed.report import counted
from seedbed.training import Compile, StackPlan, TrainingData, pick_device, pick_jobs, plan_stack, wake_workers
from seedbed.training.randomness import derive
from seedbed.training.stack import build_network

__all__ = ["Plan", "make_plan"]

_START_SECONDS = 4.0  # a worker imports torch
_COMPILE_SECONDS = 4.0


@dataclass(frozen=True)
class Plan:
    """What is going to be trained.

    Attributes:
        experiment: the specification.
        splits: row numbers, shared by all candidates.
        data: the table as the engine takes it.
        stacks: one a candidate; its networks stand in the order (repeat, fold, seed), the last running fastest.
        jobs: chunks at a time.
    """

    experiment: Experiment
    splits: tuple[Split, ...]
    data: TrainingData
    stacks: tuple[StackPlan, ...]
    jobs: int

    @property
    def seconds(self) -> float:
        """A rough estimate of the time it takes."""
        work = sum(stack.estimate.seconds for stack in self.stacks)
        compiled = sum(stack.estimate.compiled for stack in self.stacks)
        return work / self.jobs + compiled * _COMPILE_SECONDS + (_START_SECONDS if self.jobs > 1 else 0.0)

    def sentence(self) -> str:
        """The plan in one line."""
        spec = self.experiment
        n_splits = spec.repeats * spec.folds
        total = len(spec.candidates) * spec.n_networks
        epochs = sorted({candidate.recipe(spec.recipe).epochs for candidate in spec.candidates})
        shown = counted(epochs[-1], "epoch")
        if len(epochs) > 1:
            shown = f"{epochs[0]:,} to {shown}"
        return (
            f"{counted(len(spec.candidates), 'candidate')} x {counted(n_splits, 'split')} x "
            f"{counted(spec.seeds, 'seed')} = {counted(total, 'network')} x {shown}, about {_duration(self.seconds)}"
        )


def make_plan(
    experiment: Experiment, *, jobs: int | None = None, compile: Compile = "auto", device: str = "auto"
) -> Plan:
    """Splits, design and chunks of an experiment.

    Raises:
        SeedbedError: a candidate can't be built for this table, a class has fewer rows than folds, an option is wrong.
    """
    n_jobs, where = pick_jobs(jobs), pick_device(device)
    if where == "cpu":
        wake_workers(n_jobs)
    splits, table = experiment.splits(), experiment.table
    design = fold_standardisation(table.features, splits)
    train = np.zeros((table.n_rows, len(splits)), dtype=np.float32)
    for number, split in enumerate(splits):
        train[split.train, number] = 1
    data = TrainingData(
        X=design.matrix.astype(np.float32),
        y=table.target,
        train=train,
        test=1 - train,
        scale=design.scale.astype(np.float32),
        shift=design.shift.astype(np.float32),
    )
    stacks = tuple(_stack(experiment, candidate, data, n_jobs, compile, where) for candidate in experiment.candidates)
    return Plan(experiment, splits, data, stacks, n_jobs)


def _stack(
    experiment: Experiment, candidate: Candidate, data: TrainingData, jobs: int, compile: Compile, device: str
) -> StackPlan:
    places = [
        (repeat, fold, seed)
        for repeat in range(experiment.repeats)
        for fold in range(experiment.folds)
        for seed in range(experiment.seeds)
    ]
    build = functools.partial(candidate.architecture, data.X.shape[1], 1)
    try:
        n_outputs = data.n_outputs(build_network(build, 0))
        if n_outputs != 1:
            raise CandidateError(
                f"the network has {n_outputs} outputs", "Two labels take one, the logit of the second."
            )
        return plan_stack(
            build,
            data,
            candidate.recipe(experiment.recipe),
            # Every network has a seed of its own, so no luck is shared between candidates or splits.
            seeds=[derive(experiment.random_state, candidate.name, *place) for place in places],
            splits=[repeat * experiment.folds + fold for repeat, fold, _ in places],
            compile=compile,
            device=device,
            jobs=jobs,
        )
    except SeedbedError as error:
        if candidate.name in error.message:
            raise
        raise type(error)(f"candidate '{candidate.name}': {error.message}", error.hint) from error


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
