"""The execution of a plan: chunks are trained side by side, their results gathered candidate by candidate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from seedbed.experiment.comparison import Comparison
from seedbed.experiment.plan import Plan
from seedbed.experiment.results import CandidateResult, score_networks
from seedbed.training import Chunk, ChunkResult, train_chunks

__all__ = ["Progress", "run"]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        name: of the candidate that has made progress.
        done, total: its networks.
        train_score, test_score: of its networks so far at the last epoch: (mean, low, high), low and high bounding the
            middle half.
        seconds_left: of the whole run, by what was done so far; none before anything was.
    """

    name: str
    done: int
    total: int
    train_score: tuple[float, float, float]
    test_score: tuple[float, float, float]
    seconds_left: float | None


def run(plan: Plan, *, on_progress: Callable[[Progress], None] | None = None) -> Comparison:
    """Train all networks of a plan and compare the candidates."""
    started = time.perf_counter()
    experiment = plan.experiment
    gathered = [_Gathered(plan, number) for number in range(len(plan.stacks))]
    places = [(number, chunk) for number, stack in enumerate(plan.stacks) for chunk in stack.chunks]
    cost = [plan.stacks[n].estimate.seconds / len(plan.stacks[n].chunks) for n, _ in places]
    order = _in_order(places, cost)
    done_cost = 0.0
    for position, result in train_chunks([places[i][1] for i in order], plan.data, plan.jobs):
        number, chunk = places[order[position]]
        gathered[number].add(chunk.members, result)
        done_cost += cost[order[position]]
        if on_progress is not None:
            spent = time.perf_counter() - started
            left = spent * (sum(cost) - done_cost) / done_cost if done_cost else None
            on_progress(gathered[number].progress(left))
    results = tuple(one.result() for one in gathered)
    return Comparison(experiment, plan.splits, results, seconds=time.perf_counter() - started)


def _in_order(places: list[tuple[int, Chunk]], cost: list[float]) -> list[int]:
    """One chunk of each compiled stack first, so that others find it compiled when their turn comes; then what isn't
    compiled; the dearest first in each, so that no core is left with one at the end."""
    firsts = {number: place for place, (number, chunk) in reversed(list(enumerate(places))) if chunk.compiled}

    def turn(place: int) -> tuple[int, float]:
        number, chunk = places[place]
        return (2 if chunk.compiled and place != firsts[number] else int(not chunk.compiled)), -cost[place]

    return sorted(range(len(places)), key=turn)


class _Gathered:
    """The results of one candidate, as its chunks come in."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan, self.stack = plan, plan.stacks[number]
        self.candidate = plan.experiment.candidates[number]
        self.recipe = self.candidate.recipe(plan.experiment.recipe)
        spec = plan.experiment
        self.curves = np.full((4, self.recipe.epochs, spec.n_networks), np.nan, dtype=np.float32)
        self.out_of_fold = np.full((spec.repeats, spec.seeds, spec.table.n_rows), np.nan, dtype=np.float32)
        self.done = np.zeros(spec.n_networks, dtype=bool)

    def place(self, network: int) -> tuple[int, int, npt.NDArray[np.int64]]:
        """Repeat, seed and test rows of a network."""
        split = self.plan.splits[network // self.plan.experiment.seeds]
        return split.repeat, network % self.plan.experiment.seeds, split.test

    def add(self, members: tuple[int, ...], result: ChunkResult) -> None:
        self.curves[:, :, list(members)] = result.curves
        self.done[list(members)] = True
        for column, network in enumerate(members):
            repeat, seed, rows = self.place(network)
            self.out_of_fold[repeat, seed, rows] = expit(result.outputs[rows, 0, column])

    def progress(self, seconds_left: float | None) -> Progress:
        train, test = (_band(self.curves[curve, -1, self.done]) for curve in (1, 3))
        return Progress(self.candidate.name, int(self.done.sum()), len(self.done), train, test, seconds_left)

    def result(self) -> CandidateResult:
        spec = self.plan.experiment
        diverged = np.asarray(~np.isfinite(self.curves[[0, 2]]).all(axis=(0, 1)))
        for network in np.flatnonzero(diverged).tolist():
            repeat, seed, rows = self.place(network)
            self.out_of_fold[repeat, seed, rows] = np.nan
        return CandidateResult(
            name=self.candidate.name,
            recipe=self.recipe,
            n_parameters=self.stack.n_parameters,
            curves=self.curves,
            probabilities=self.out_of_fold,
            scores=score_networks(spec.table.target, self.plan.splits, self.out_of_fold),
            diverged=diverged,
            note=self.stack.note,
        )


def _band(values: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return (float("nan"),) * 3
    low, high = np.percentile(finite, (25, 75))
    return float(finite.mean()), float(low), float(high)
