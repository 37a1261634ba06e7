"""The run of a plan: baselines, then the networks that choose, then those that are judged; results are gathered."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seedbed.data import Split
from seedbed.evaluation import CURVES, CandidateSummary, Choice, Epochs, Settled
from seedbed.experiment.fitted import Fitted, fit_on_splits
from seedbed.experiment.kept import Kept
from seedbed.experiment.plan import Plan, timed
from seedbed.experiment.spec import Experiment
from seedbed.experiment.watch import Band, Watch, WatchedChunk, watch_plan
from seedbed.fitting import Round, Stack, choices_of
from seedbed.networks import MLP
from seedbed.scoring import Result
from seedbed.settings import Recipe
from seedbed.training import Chunk, ChunkResult, are_shares, ends_in_shares, train_chunks

__all__ = ["CandidateResult", "FittedResult", "GatheredCandidate", "GatheredFits", "Results", "run"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CandidateResult(Result):
    """All networks of one candidate.

    Attributes:
        recipe: its recipe.
        n_parameters: number of parameters of one network.
        curves: float32 [4, epoch, network], in the order of `evaluation.CURVES`; networks in the order
            (repeat, fold, seed).
        diverged: whether a value of the curves isn't finite [network].
        epochs: the epoch after which the networks were used [split].
        lrs: their learning rate [split].
        dead: share of ReLU units that are zero for all training rows at the end [network]; NaN if unknown.
        note: on how it was trained; usually empty.
        confined: the last layer of `forward()` if outputs seem to be probabilities instead of logits; else empty.
        output_range: the smallest and the largest output of all networks for their test rows.
    """

    recipe: Recipe
    n_parameters: int
    curves: npt.NDArray[np.float32]
    diverged: npt.NDArray[np.bool_]
    epochs: npt.NDArray[np.int64]
    lrs: npt.NDArray[np.float64]
    dead: npt.NDArray[np.float32]
    note: str = ""
    confined: Literal["", "sigmoid", "softmax"] = ""
    output_range: tuple[float, float] = (-math.inf, math.inf)

    @property
    def settled(self) -> tuple[float, int]:
        """The learning rate and the epochs for all rows: the most frequent rate, and the median of the epochs
        that were chosen with it."""
        lrs, counts = np.unique(self.lrs, return_counts=True)
        lr = float(lrs[counts.argmax()])
        return lr, max(1, round(float(np.median(self.epochs[self.lrs == lr]))))

    def by_name(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the curves [epoch, network] by their names in `evaluation.CURVES`."""
        return dict(zip(CURVES, self.curves, strict=True))

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest mean test loss, which only explains curves and isn't used for verdicts."""
        test_loss = self.curves[2][:, ~self.diverged]
        return int(test_loss.mean(axis=1, dtype=np.float64).argmin()) if test_loss.shape[1] else None

    def last(self, curve: int) -> float | None:
        """The mean of a curve at the last epoch, over the networks that didn't diverge."""
        values = self.curves[curve, -1, ~self.diverged]
        return float(values.mean(dtype=np.float64)) if len(values) else None

    def used(self, curve: int) -> float | None:
        """Return the mean of a curve at the epoch after which each network was used, if its losses are finite there."""
        networks = np.arange(self.curves.shape[2])
        at = self.epochs[networks // self.design.seeds] - 1, networks
        # The accuracy of a diverged network is a number, but meaningless.
        values = self.curves[(curve, *at)][np.isfinite(self.curves[(0, *at)]) & np.isfinite(self.curves[(2, *at)])]
        return float(values.mean(dtype=np.float64)) if len(values) else None

    def summary(self, *, whole: bool = True) -> CandidateSummary:
        lrs, counts = np.unique(self.lrs, return_counts=True)
        low, median, high = (round(float(value)) for value in np.quantile(self.epochs, (0, 0.5, 1)))
        lr, epochs = self.settled
        numeric, train = self.task == "regression", self.used(1)
        return replace(
            super().summary(whole=whole),
            kind="network",
            description=self.recipe.describe(),
            n_parameters=self.n_parameters,
            n_networks=len(self.diverged),
            n_diverged=int(self.diverged.sum()),
            epochs=Epochs(most=self.recipe.epochs, low=low, median=median, high=high),
            lr={f"{lr:g}": count for lr, count in zip(lrs.tolist(), counts.tolist(), strict=True)},
            settled=Settled(lr=lr, epochs=epochs),
            train_accuracy=None if numeric else train,
            train_r2=train if numeric else None,
            train_loss=self.used(0),
            test_loss=self.used(2),
            lowest_test_loss_epoch=self.best_epoch,
            note=self.note,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedResult(Result):
    """One model that was fitted on each split: a baseline, or `auto`.

    Attributes:
        description: what it is, in a few words.
    """

    description: str

    def summary(self, *, whole: bool = True) -> CandidateSummary:
        return replace(super().summary(whole=whole), kind="baseline", description=self.description)


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """The results of a run, without conclusions.

    Attributes:
        experiment: the specification.
        splits: row numbers of each split, repeat by repeat.
        results: one for each candidate, then one for each baseline.
        seconds: duration of the run.
        specification: everything that decides the results, as in `experiment.json`; empty if unknown.
    """

    experiment: Experiment
    splits: tuple[Split, ...]
    results: tuple[Result, ...]
    seconds: float
    specification: Mapping[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> tuple[CandidateResult, ...]:
        """The results of the candidates, without the baselines."""
        return tuple(result for result in self.results if isinstance(result, CandidateResult))

    def __getitem__(self, name: str) -> Any:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"no candidate '{name}'; there are {', '.join(result.name for result in self.results)}")


def run(plan: Plan, *, watch: Watch | None = None, kept: Kept | None = None) -> Results:
    """Train all networks of a plan, and fit its baselines.

    Args:
        watch: shows the progress; from `watch_plan`.
        kept: stores finished work, and returns what an earlier run has finished.

    Raises:
        TrainingError: a baseline can't be fitted.
    """
    started = time.perf_counter()
    watch = watch or watch_plan(plan)
    watch.stage = "timing"
    plan = timed(plan)
    watch.expect(plan)
    baselines = _fit_baselines(plan, watch, kept)
    choices = _choose(plan, watch, kept)
    gathered = [
        GatheredCandidate(plan, number, choices.get(number)) for number in range(len(plan.experiment.candidates))
    ]
    for stack, members, result in _trained(plan, _with_choices(plan, choices), watch, kept):
        for column, member in enumerate(members):
            candidate, network = stack.owners[member]
            gathered[candidate].add(network, column, result)
        for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
            watch.show(plan.experiment.candidates[candidate].name, gathered[candidate].bands())
    results = [one.result() for one in gathered]
    seconds = time.perf_counter() - started
    return Results(plan.experiment, plan.splits, (*results, *baselines), seconds, plan.specification)


def _fit_baselines(plan: Plan, watch: Watch, kept: Kept | None) -> list[FittedResult]:
    spec = plan.experiment
    gathered = [GatheredFits(plan, baseline) for baseline in spec.fitted]

    def add(number: int, split: int, predictions: npt.NDArray[np.floating], *, taken: bool = False) -> None:
        gathered[number].add(split, predictions)
        watch.count(spec.fitted[number].name, taken=taken)
        watch.show(spec.fitted[number].name)

    there = set(itertools.product(range(len(gathered)), range(len(plan.all_splits)))) - set(plan.fits)
    for number, split in plan.fits if kept else ():
        if kept and (taken := kept.fit(spec.fitted[number], split)) is not None:
            add(number, split, taken, taken=True)
            there.add((number, split))
    fits = fit_on_splits(spec.fitted, spec.table, plan.encoding, plan.all_splits, jobs=plan.jobs, without=there,
                         cluster=plan.cluster)  # fmt: skip
    for number, split, predictions in fits:
        if kept:
            kept.keep_fit(spec.fitted[number], split, predictions)
        add(number, split, predictions)
    return [one.result() for one in gathered]


def _choose(plan: Plan, watch: Watch, kept: Kept | None) -> dict[int, list[Choice]]:
    """Return the choice of each split, for each candidate that chooses, by its number.

    The choice depends on validation losses only: on rows that were taken out of the training rows of the split.
    """
    if plan.choosing is None:
        return {}
    spec, n_splits, n_inner = plan.experiment, len(plan.inner), len(plan.inner[0])
    recipes = [candidate.recipe(spec.recipe) for candidate in spec.candidates]
    losses = {
        number: np.full((n_splits * len(recipe.lrs) * n_inner, recipe.epochs), np.nan, dtype=np.float32)
        for number, recipe in enumerate(recipes)
        if recipe.chooses
    }
    for stack, members, result in _trained(plan, plan.choosing, watch, kept):
        for column, member in enumerate(members):
            candidate, network = stack.owners[member]
            losses[candidate][network] = result.curves[2, :, column]
        for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
            watch.show(spec.candidates[candidate].name)
    return {number: choices_of(recipes[number], own, n_splits) for number, own in losses.items()}


def _with_choices(plan: Plan, choices: dict[int, list[Choice]]) -> Round:
    """Return the round that is judged, with the learning rate and the epochs that were chosen for each split."""
    spec = plan.experiment
    recipes = [candidate.recipe(spec.recipe) for candidate in spec.candidates]
    stacks = []
    for stack in plan.fitting.stacks:
        lrs, stops = [], []
        for candidate, network in stack.owners:
            recipe, split = recipes[candidate], network // spec.design.seeds
            choice = choices[candidate][split] if candidate in choices else None
            lrs.append(recipe.lrs[choice.lr if choice else 0])
            stops.append(choice.epochs if choice else recipe.epochs)
        stacks.append(replace(stack, plan=stack.plan.trained_with(lrs, stops)))
    return replace(plan.fitting, stacks=tuple(stacks))


def _trained(
    plan: Plan, which: Round, watch: Watch, kept: Kept | None
) -> Iterator[tuple[Stack, tuple[int, ...], ChunkResult]]:
    """Train all chunks of a round; yield (stack, members, result) of each, first of those that an earlier run has
    finished."""
    waiting = []
    for stack in which.stacks:
        for chunk in stack.plan.chunks:
            taken = kept.chunk(which, chunk) if kept else None
            if taken is None:
                waiting.append((stack, chunk))
            else:
                watch.take(_watched(plan, stack, chunk))
                yield stack, chunk.members, taken
    places = in_order(waiting)
    tasks = [_watched(plan, stack, chunk) for stack, chunk in places]
    board = watch.begin(tasks, plan.stage(which) if plan.choosing else "")
    chunks = [chunk for _, chunk in places]
    savepoints = [kept.savepoint(which, chunk) if kept else None for chunk in chunks]
    trained = train_chunks(chunks, which.data, plan.jobs, board, plan.cluster, savepoints)
    with contextlib.closing(trained) as done:
        for number, result in done:
            stack, chunk = places[number]
            if kept:
                kept.keep_chunk(which, chunk, result)
            watch.finish(number)
            yield stack, chunk.members, result


def _watched(plan: Plan, stack: Stack, chunk: Chunk) -> WatchedChunk:
    names = Counter(plan.experiment.candidates[stack.owners[member][0]].name for member in chunk.members)
    return WatchedChunk(names, chunk.recipe.epochs, stack.plan.cost(chunk), chunk.usual_epochs)


def in_order(places: list[tuple[Stack, Chunk]]) -> list[tuple[Stack, Chunk]]:
    """Return the longest chunks first, so that none is left for one core at the end."""
    return sorted(places, key=lambda place: -place[0].plan.cost(place[1]))


Floats = npt.NDArray[np.floating]


class _OutOfFold:
    """The predictions for the test rows of each split, collected in one array."""

    def __init__(self, plan: Plan, n_seeds: int, repeats: int | None = None) -> None:
        self.plan = plan
        self.splits = tuple(split for split in plan.splits if repeats is None or split.repeat < repeats)
        spec = plan.experiment
        n_repeats, kind = 1 + max(split.repeat for split in self.splits), spec.table.task
        row = (spec.table.n_rows, spec.table.n_outputs) if kind == "multiclass" else (spec.table.n_rows,)
        # Targets such as years or prices may have more digits than float32.
        dtype = np.float64 if kind == "regression" else np.float32
        self.predictions: Floats = np.full((n_repeats, n_seeds, *row), np.nan, dtype=dtype)
        self.pairs: Floats | None = None
        if plan.pairs:
            self.pairs = np.full((n_repeats, spec.design.folds, n_seeds, *row), np.nan, dtype=dtype)

    def add(self, number: int, seed: int, predictions: Floats) -> None:
        """Add the predictions for the test rows of a split, by its number in `plan.all_splits`."""
        n_outer = len(self.plan.splits)
        if number < n_outer:
            split = self.plan.splits[number]
            self.predictions[split.repeat, seed, split.test] = predictions
            return
        assert self.pairs is not None
        one, other, split = self.plan.pairs[number - n_outer]
        folds = self.plan.splits[split.repeat * self.plan.experiment.design.folds :]
        # The network is trained without both folds: either may be the outer one, and the other one is tested.
        for outer, tested in ((one, other), (other, one)):
            rows = folds[tested].test
            self.pairs[split.repeat, outer, seed, rows] = predictions[np.searchsorted(split.test, rows)]

    def about(self) -> dict[str, Any]:
        """Return what the results of all models have in common, and the predictions."""
        spec = self.plan.experiment
        return {
            "target": spec.table.target,
            "task": spec.table.task,
            "splits": self.splits,
            "groups": spec.table.groups,
            "times": spec.table.times,
            "design": spec.design,
            "alpha": spec.alpha,
            "predictions": self.predictions,
            "pairs": self.pairs,
        }


class GatheredFits:
    """The predictions of one model that is fitted on each split."""

    def __init__(self, plan: Plan, model: Fitted) -> None:
        self.model, self._found = model, _OutOfFold(plan, 1, model.repeats)

    def add(self, split: int, predictions: Floats) -> None:
        """Add its predictions for the test rows of a split."""
        self._found.add(split, 0, predictions)

    def result(self) -> FittedResult:
        return FittedResult(name=self.model.name, description=self.model.description, **self._found.about())


class GatheredCandidate:
    """The networks of one candidate.

    Args:
        choices: the choice of each split; None if nothing is chosen.
    """

    def __init__(self, plan: Plan, number: int, choices: Sequence[Choice] | None) -> None:
        spec = plan.experiment
        self.plan, self.choices = plan, choices
        self.candidate = spec.candidates[number]
        self.recipe = self.candidate.recipe(spec.recipe)
        self.stack = next(s.plan for s in plan.fitting.stacks if any(owner == number for owner, _ in s.owners))
        n_networks = len(plan.splits) * spec.design.seeds
        self.curves = np.full((4, self.recipe.epochs, n_networks), np.nan, dtype=np.float32)
        self.dead = np.full(n_networks, np.nan, dtype=np.float32)
        self.done = np.zeros(n_networks, dtype=bool)
        self._found = _OutOfFold(plan, spec.design.seeds)
        self._shares = not isinstance(self.candidate.architecture, MLP)
        self._range = (math.inf, -math.inf)

    def add(self, network: int, column: int, result: ChunkResult) -> None:
        """Add a network, given its number in the candidate and its column in the result of its chunk."""
        split, seed = divmod(network, self.plan.experiment.design.seeds)
        outputs = result.outputs[self.plan.all_splits[split].test, :, column]
        self._found.add(split, seed, self._predictions(outputs, split))
        self._shares = self._shares and are_shares(outputs, self.plan.experiment.table.task)
        known = outputs[np.isfinite(outputs)]
        if known.size:
            self._range = min(self._range[0], float(known.min())), max(self._range[1], float(known.max()))
        if network < len(self.done):
            self.curves[:, :, network] = result.curves[:, :, column]
            self.dead[network] = result.dead[column]
            self.done[network] = True

    def _predictions(self, outputs: npt.NDArray[np.float32], split: int) -> Floats:
        """Return the predictions that the outputs [row, output] of a network of a split mean."""
        from scipy.special import expit, softmax  # planning doesn't need them

        finite = np.asarray(np.isfinite(outputs).all(axis=1), dtype=np.bool_)
        if self.plan.target_design is not None:
            restored = self.plan.target_design.restore(outputs[:, 0], split)
            return np.where(finite & np.isfinite(restored), restored, np.nan)
        if self.plan.experiment.table.task == "binary":
            return np.where(finite, expit(outputs[:, 0]), np.nan).astype(np.float32)
        shares = softmax(np.where(finite[:, None], outputs, 0.0), axis=1)
        return np.where(finite[:, None], shares, np.nan).astype(np.float32)

    def bands(self) -> tuple[Band, Band]:
        """Return the scores on training and test rows so far, as (mean, lower quartile, upper quartile)."""
        last = self.curves[:, -1, self.done]
        train, test = (_band(last[curve, np.isfinite(last[[0, 2, curve]]).all(axis=0)]) for curve in (1, 3))
        return train, test

    def _confined(self) -> Literal["", "sigmoid", "softmax"]:
        """Return the last layer of a user-defined network if all its outputs seem to be probabilities."""
        spec = self.plan.experiment
        if not self._shares or not self.done.any():
            return ""
        n_inputs = self.plan.fitting.data.X.shape[1]
        build = functools.partial(self.candidate.architecture, n_inputs, spec.table.n_outputs)
        return ends_in_shares(build, n_inputs, spec.table.task)

    def result(self) -> CandidateResult:
        n_splits = len(self.plan.splits)
        choices = self.choices[:n_splits] if self.choices is not None else [None] * n_splits
        return CandidateResult(
            name=self.candidate.name,
            recipe=self.recipe,
            n_parameters=self.stack.n_parameters,
            curves=self.curves,
            diverged=np.asarray(~np.isfinite(self.curves[[0, 2]]).all(axis=(0, 1))),
            epochs=np.array([choice.epochs if choice else self.recipe.epochs for choice in choices]),
            lrs=np.array([self.recipe.lrs[choice.lr if choice else 0] for choice in choices]),
            dead=self.dead,
            note=self.stack.note,
            confined=self._confined(),
            output_range=self._range,
            networks=self.plan.experiment.networks,
            **self._found.about(),
        )


def _band(values: npt.NDArray[np.float32]) -> Band:
    if not len(values):
        return (float("nan"),) * 3
    low, high = np.percentile(values, (25, 75))
    return float(values.mean()), float(low), float(high)
