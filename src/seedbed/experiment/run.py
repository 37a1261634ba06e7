"""The run of a plan, part by part: the networks that choose, then those that are judged, beside them the baselines."""

from __future__ import annotations

import contextlib
import functools
import math
import time
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seedbed.data import Split
from seedbed.evaluation import CURVES, CandidateSummary, Choice, Ended, Epochs, Settled
from seedbed.experiment.baseline_fits import FittedModel, fit_on_splits, one_blas_thread
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.plan import Plan
from seedbed.experiment.progress import Band, Monitor, MonitoredChunk, monitor_plan
from seedbed.experiment.spec import Experiment
from seedbed.networks import MLP
from seedbed.scoring import Result
from seedbed.settings import Recipe
from seedbed.training import Beside, Chunk, ChunkResult, are_shares, ends_in_shares, single_threads, train_chunks
from seedbed.tuning import Round, Stack, choices_of

__all__ = [
    "CandidateResult",
    "FittedResult",
    "GatheredCandidate",
    "GatheredFits",
    "Results",
    "run",
    "run_by_looks",
    "run_in",
]


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
        ended: why it ended before its last repeat, as in `PlanSummary`; else empty.
        specification: everything that decides the results, as in `experiment.json`; empty if unknown.
    """

    experiment: Experiment
    splits: tuple[Split, ...]
    results: tuple[Result, ...]
    seconds: float
    specification: Mapping[str, Any] = field(default_factory=dict)
    ended: Ended = ""

    @property
    def networks(self) -> tuple[CandidateResult, ...]:
        """The results of the candidates, without the baselines."""
        return tuple(result for result in self.results if isinstance(result, CandidateResult))

    def __getitem__(self, name: str) -> Any:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"no candidate '{name}'; there are {', '.join(result.name for result in self.results)}")


def run(plan: Plan, *, monitor: Monitor | None = None, checkpoint: Checkpoint | None = None) -> Results:
    """Train all networks of a plan, and fit its baselines.

    Args:
        monitor: shows the progress; from `monitor_plan`.
        checkpoint: stores finished work, and returns what an earlier run has finished.

    Raises:
        TrainingError: a baseline can't be fitted.
    """
    *_, results = run_by_looks(plan, monitor=monitor, checkpoint=checkpoint)
    return results


def run_in(plan: Plan, folder: Path | None) -> Results:
    """Run a plan, and store finished work in a folder if there is one, from which a later call continues."""
    return run(plan, checkpoint=None if folder is None else Checkpoint(plan, folder))


def run_by_looks(
    plan: Plan, *, monitor: Monitor | None = None, checkpoint: Checkpoint | None = None
) -> Generator[Results, None, None]:
    """Train a plan part by part, and yield the results of all repeats so far after each of its looks.

    Looks change no result: a caller may stop at any of them.

    Raises:
        TrainingError: a baseline can't be fitted.
    """
    started = time.perf_counter()
    monitor = monitor or monitor_plan(plan)
    monitor.expect(plan)
    work = _Work(plan, monitor, checkpoint)
    for part, repeats in enumerate(plan.looks):
        with warnings.catch_warnings(), one_blas_thread():
            warnings.simplefilter("ignore")  # of scikit-learn, in whichever thread
            work.do(part)
        yield work.results(repeats, time.perf_counter() - started)


class _Work:
    """The work of a run, and its results so far."""

    def __init__(self, plan: Plan, monitor: Monitor, checkpoint: Checkpoint | None) -> None:
        self.plan, self.monitor, self.checkpoint = plan, monitor, checkpoint
        self.fitted = [GatheredFits(plan, model) for model in plan.experiment.fitted]
        self.networks = [GatheredCandidate(plan, number) for number in range(len(plan.experiment.candidates))]

    def do(self, part: int) -> None:
        """Fit and train everything of one part, the baselines of seedbed in a thread beside the networks."""
        plan, models, table = self.plan, self.plan.experiment.fitted, self.plan.experiment.table
        everything: list[GatheredFits | GatheredCandidate] = [*self.networks, *self.fitted]
        for gathered in everything:
            if self.checkpoint is not None and self._is_earlier(gathered, part):
                gathered.take_along(self.checkpoint.earlier, plan.looks[part])
        quick, others = list[tuple[int, int]](), list[tuple[int, int]]()
        for number, split in plan.fits_of(part):
            if self._is_earlier(self.fitted[number], part):
                self.monitor.count(models[number].name, taken=True)
            elif not self._take_fit(number, split):
                (quick if plan.cluster is None and models[number].quick else others).append((number, split))
        for other in fit_on_splits(
            models, table, plan.encoding, plan.splits, others, jobs=plan.jobs, cluster=plan.cluster
        ):
            self._add_fit(*other)
        # Only now, as two threads that import parts of scikit-learn and joblib may find half a module.
        with contextlib.closing(Beside(self._fits(quick))) if plan.jobs > 1 else contextlib.nullcontext() as beside:
            for fit in () if beside else self._fits(quick):
                self._add_fit(*fit)
            if plan.choosing is not None:
                self._choose(part, beside)
            for stack, members, result in self._trained(self._with_choices(), part, beside):
                for column, member in enumerate(members):
                    candidate, network = stack.owners[member]
                    self.networks[candidate].add(network, column, result)
                for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
                    self.monitor.show(plan.experiment.candidates[candidate].name, self.networks[candidate].bands())
            for fit in beside.finished(wait=True) if beside else ():
                self._add_fit(*fit)

    def results(self, repeats: int, seconds: float) -> Results:
        """Return the results of the first repeats."""
        part = self.plan.first(repeats)
        networks, fitted = ([gathered.result(part) for gathered in kind] for kind in (self.networks, self.fitted))
        return Results(part.experiment, part.splits, (*networks, *fitted), seconds, self.plan.specification)

    def _is_earlier(self, gathered: GatheredFits | GatheredCandidate, part: int) -> bool:
        """Return whether an earlier run has the results of a model for a whole part."""
        return self.checkpoint is not None and self.checkpoint.repeats(gathered.name) >= self.plan.looks[part]

    def _fits(self, places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, Floats]]:
        """Fit models on splits, one after the other."""
        plan = self.plan
        for number, split in places:
            with single_threads("openmp"):
                (predictions,) = plan.experiment.fitted[number].predict(
                    plan.experiment.table, plan.encoding, [plan.splits[split]]
                )
            yield number, split, predictions

    def _take_fit(self, number: int, split: int) -> bool:
        """Take a fit from what is kept; return whether it is there."""
        taken = self.checkpoint.fit(self.plan.experiment.fitted[number], split) if self.checkpoint else None
        if taken is not None:
            self._add_fit(number, split, taken, taken=True)
        return taken is not None

    def _add_fit(self, number: int, split: int, predictions: Floats, *, taken: bool = False) -> None:
        model = self.plan.experiment.fitted[number]
        if self.checkpoint and not taken:
            self.checkpoint.keep_fit(model, split, predictions)
        self.fitted[number].add(split, predictions)
        self.monitor.count(model.name, taken=taken)
        self.monitor.show(model.name)

    def _choose(self, part: int, beside: Beside[tuple[int, int, Floats]] | None) -> None:
        """Choose the learning rate and the epochs for each split of a part, and for each candidate that chooses.

        The choice depends on validation losses only: on rows that were taken out of the training rows of the split.
        """
        plan = self.plan
        assert plan.choosing is not None
        n_splits = sum(split.repeat < plan.looks[part] for split in plan.splits)
        losses: dict[int, npt.NDArray[np.float32]] = {}
        for number, gathered in enumerate(self.networks):
            if (recipe := gathered.recipe).chooses and n_splits > len(gathered.choices):
                n_runs = (n_splits - len(gathered.choices)) * len(recipe.lrs) * len(plan.inner[0])
                losses[number] = np.full((n_runs, recipe.epochs), np.nan, dtype=np.float32)
        for stack, members, result in self._trained(plan.choosing, part, beside):
            for column, member in enumerate(members):
                candidate, network = stack.owners[member]
                per_split = len(self.networks[candidate].recipe.lrs) * len(plan.inner[0])
                before = len(self.networks[candidate].choices) * per_split
                if network >= before:  # not chosen by an earlier run
                    losses[candidate][network - before] = result.curves[2, :, column]
            for candidate in dict.fromkeys(stack.owners[member][0] for member in members):
                self.monitor.show(plan.experiment.candidates[candidate].name)
        for number, of_part in losses.items():
            gathered = self.networks[number]
            gathered.choices += choices_of(gathered.recipe, of_part, n_splits - len(gathered.choices))

    def _with_choices(self) -> Round:
        """Return the round that is judged, with the learning rate and the epochs that were chosen so far."""
        stacks = []
        for stack in self.plan.fitting.stacks:
            settings = [
                self.networks[candidate].settings(network // self.plan.experiment.design.seeds)
                for candidate, network in stack.owners
            ]
            lrs, epochs = zip(*settings, strict=True)
            stacks.append(replace(stack, plan=stack.plan.trained_with(lrs, epochs)))
        return replace(self.plan.fitting, stacks=tuple(stacks))

    def _trained(
        self, which: Round, part: int, beside: Beside[tuple[int, int, Floats]] | None
    ) -> Iterator[tuple[Stack, tuple[int, ...], ChunkResult]]:
        """Train all chunks of a part of a round; yield (stack, members, result) of each, first of those that an earlier
        run has finished."""
        plan, checkpoint, waiting = self.plan, self.checkpoint, []
        for stack in which.stacks:
            earlier = all(self._is_earlier(self.networks[number], part) for number, _ in stack.owners)
            for chunk in stack.chunks(part):
                if earlier:
                    self.monitor.take(_monitored_chunk(plan, stack, chunk))
                    continue
                taken = checkpoint.chunk(which, chunk) if checkpoint else None
                if taken is None:
                    waiting.append((stack, chunk))
                else:
                    self.monitor.take(_monitored_chunk(plan, stack, chunk))
                    yield stack, chunk.members, taken
        places = in_order(waiting)
        tasks = [_monitored_chunk(plan, stack, chunk) for stack, chunk in places]
        board = self.monitor.begin(tasks, plan.stage(which) if plan.choosing else "")
        chunks = [chunk for _, chunk in places]
        savepoints = [checkpoint.savepoint(which, chunk) if checkpoint else None for chunk in chunks]
        trained = train_chunks(chunks, which.data, plan.jobs, board, plan.cluster, savepoints)
        with contextlib.closing(trained) as done:
            for number, result in done:
                stack, chunk = places[number]
                if checkpoint:
                    checkpoint.keep_chunk(which, chunk, result)
                self.monitor.finish(number)
                for fit in beside.finished(wait=False) if beside else ():
                    self._add_fit(*fit)
                yield stack, chunk.members, result


def _monitored_chunk(plan: Plan, stack: Stack, chunk: Chunk) -> MonitoredChunk:
    names = Counter(plan.experiment.candidates[stack.owners[member][0]].name for member in chunk.members)
    return MonitoredChunk(names, chunk.recipe.epochs, stack.plan.cost(chunk), chunk.usual_epochs)


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

    def add(self, number: int, seed: int, predictions: Floats) -> None:
        """Add the predictions for the test rows of a split, by its number."""
        split = self.plan.splits[number]
        self.predictions[split.repeat, seed, split.test] = predictions

    def take_along(self, predictions: Floats) -> None:
        """Add the predictions of the first repeats."""
        n = min(len(self.predictions), len(predictions))
        self.predictions[:n] = predictions[:n]

    def about(self, part: Plan) -> dict[str, Any]:
        """Return what the results of all models have in common, and the predictions, in the first repeats of a plan."""
        spec = part.experiment
        return {
            "target": spec.table.target,
            "task": spec.table.task,
            "splits": self.splits[: len(part.splits)],
            "groups": spec.table.groups,
            "times": spec.table.times,
            "design": spec.design,
            "alpha": spec.alpha,
            "predictions": self.predictions[: spec.design.repeats],
        }


class GatheredFits:
    """The predictions of one model that is fitted on each split."""

    def __init__(self, plan: Plan, model: FittedModel) -> None:
        self.model, self.name, self._found = model, model.name, _OutOfFold(plan, 1, model.repeats)

    def add(self, split: int, predictions: Floats) -> None:
        """Add its predictions for the test rows of a split."""
        self._found.add(split, 0, predictions)

    def take_along(self, arrays: Mapping[str, npt.NDArray[Any]], repeats: int) -> None:
        """Add the results of the first repeats from the arrays of an earlier run."""
        self._found.take_along(arrays[f"{self.name}/predictions"][:repeats])

    def result(self, part: Plan) -> FittedResult:
        """Return its result in the first repeats of a plan, see `Plan.first`."""
        return FittedResult(name=self.model.name, description=self.model.description, **self._found.about(part))


class GatheredCandidate:
    """The networks of one candidate.

    Attributes:
        choices: the choice of each split so far; empty if nothing is chosen.
    """

    def __init__(self, plan: Plan, number: int) -> None:
        spec = plan.experiment
        self.plan, self.choices = plan, list[Choice]()
        self.candidate = spec.candidates[number]
        self.name = self.candidate.name
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
        outputs = result.outputs[self.plan.splits[split].test, :, column]
        self._found.add(split, seed, self._predictions(outputs, split))
        self._shares = self._shares and are_shares(outputs, self.plan.experiment.table.task)
        known = outputs[np.isfinite(outputs)]
        if known.size:
            self._range = min(self._range[0], float(known.min())), max(self._range[1], float(known.max()))
        self.curves[:, :, network] = result.curves[:, :, column]
        self.dead[network] = result.dead[column]
        self.done[network] = True

    def take_along(self, arrays: Mapping[str, npt.NDArray[Any]], repeats: int) -> None:
        """Add the results of the first repeats from the arrays of an earlier run."""
        names, design = ("predictions", *CURVES, "dead", "lrs", "epochs"), self.plan.experiment.design
        taken = {name: arrays[f"{self.name}/{name}"] for name in names}
        n_splits = repeats * design.folds
        n_networks = n_splits * design.seeds
        self._found.take_along(taken["predictions"][:repeats])
        self.curves[:, :, :n_networks] = np.stack([taken[name][:, :n_networks] for name in CURVES])
        self.dead[:n_networks], self.done[:n_networks] = taken["dead"][:n_networks], True
        if self.recipe.chooses:
            chosen = zip(taken["lrs"][:n_splits].tolist(), taken["epochs"][:n_splits].tolist(), strict=True)
            self.choices = [Choice(self.recipe.lrs.index(lr), epochs, None) for lr, epochs in chosen]

    def settings(self, split: int) -> tuple[float, int]:
        """Return the learning rate and the epochs that were chosen for a split; the first, and all, if none were."""
        if split >= len(self.choices):
            return self.recipe.lrs[0], self.recipe.epochs
        return self.recipe.lrs[self.choices[split].lr], self.choices[split].epochs

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
        if not self._shares or self._range[0] > self._range[1]:
            return ""  # or nothing was trained, as all is taken along
        n_inputs = self.plan.fitting.data.X.shape[1]
        build = functools.partial(self.candidate.architecture, n_inputs, spec.table.n_outputs)
        return ends_in_shares(build, n_inputs, spec.table.task)

    def result(self, part: Plan) -> CandidateResult:
        """Return its result in the first repeats of a plan, see `Plan.first`."""
        lrs, epochs = zip(*(self.settings(split) for split in range(len(part.splits))), strict=True)
        curves = self.curves[:, :, : len(part.splits) * part.experiment.design.seeds]
        return CandidateResult(
            name=self.candidate.name,
            recipe=self.recipe,
            n_parameters=self.stack.n_parameters,
            curves=curves,
            diverged=np.asarray(~np.isfinite(curves[[0, 2]]).all(axis=(0, 1))),
            epochs=np.array(epochs),
            lrs=np.array(lrs),
            dead=self.dead[: curves.shape[2]],
            note=self.stack.note,
            confined=self._confined(),
            output_range=self._range,
            networks=self.plan.experiment.networks,
            **self._found.about(part),
        )


def _band(values: npt.NDArray[np.float32]) -> Band:
    if not len(values):
        return (float("nan"),) * 3
    low, high = np.percentile(values, (25, 75))
    return float(values.mean()), float(low), float(high)
