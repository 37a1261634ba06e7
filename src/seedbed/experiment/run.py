"""The run of a plan, part by part: the models of each split, and their results."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seedbed.data.splits import Split
from seedbed.errors import TrainingError, counted
from seedbed.evaluation.single_runs import CURVES
from seedbed.evaluation.summaries import CandidateSummary, Ended, Epochs
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.fits import (
    Fitted,
    Group,
    Unit,
    fit_estimator,
    fit_group,
    one_blas_thread,
)
from seedbed.experiment.plan import Plan
from seedbed.experiment.spec import Experiment, Line
from seedbed.networks.user import OwnArchitecture
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.progress import Progress
from seedbed.scoring import Result
from seedbed.settings.recipe import Recipe
from seedbed.typing import Floats

Tell = Callable[[Progress], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkResult(Result):
    """A model of networks.

    Attributes:
        n_parameters: number of parameters of one network.
        curves: float32 [4, epoch, network], in the order of `evaluation.CURVES`; networks in the
            order (repeat, fold, network). NaN after the last epoch of a network. Test figures are
            of the rows that a network left out; of the test rows, if none is left out.
        epochs: the epoch after which the networks were used [split].
        dead: share of ReLU units that are zero for all training rows at the end [network]; NaN if
            unknown.
        note: on how it was trained; usually empty.
        confined: the last layer of `forward()` if outputs seem to be probabilities instead of
            logits; else empty.
    """

    recipe: Recipe
    n_parameters: int
    curves: npt.NDArray[np.float32]
    epochs: npt.NDArray[np.int64]
    dead: npt.NDArray[np.float32]
    note: str = ""
    confined: Literal["", "sigmoid", "softmax"] = ""

    @property
    def n_networks(self) -> int:
        """The networks of each split."""
        return int(self.curves.shape[2]) // len(self.splits)

    @property
    def diverged(self) -> npt.NDArray[np.bool_]:
        """Whether a network has no finite prediction [network]: it diverged."""
        return np.asarray(~np.isfinite(self.used(0)) | ~np.isfinite(self.used(2)))

    def by_name(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the curves [epoch, network] by their names in `evaluation.CURVES`."""
        return dict(zip(CURVES, self.curves, strict=True))

    def used(self, curve: int) -> Floats:
        """Return a curve at the epoch after which each network was used [network]."""
        networks = np.arange(self.curves.shape[2])
        at = np.maximum(self.epochs[networks // self.n_networks], 1) - 1
        return np.asarray(
            self.curves[curve, np.minimum(at, self.curves.shape[1] - 1), networks]
        )

    def summary(self, *, whole: bool = True) -> CandidateSummary:
        low, median, high = (
            round(float(value)) for value in np.quantile(self.epochs, (0, 0.5, 1))
        )
        outcome = outcome_of(self.task)
        finite = ~self.diverged
        scores = self.used(1)[finite]
        train = float(scores.mean(dtype=np.float64)) if len(scores) else None
        return replace(
            super().summary(whole=whole),
            n_parameters=self.n_parameters,
            n_networks=self.curves.shape[2],
            n_diverged=int((~finite).sum()),
            epochs=Epochs(most=self.recipe.n_epochs, low=low, median=median, high=high),
            train_accuracy=train if outcome.has_classes else None,
            train_r2=train if outcome.is_number else None,
            note="; ".join(filter(None, (self.failure, self.note))),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """The results of a run, without conclusions.

    Attributes:
        splits: row numbers of each split, repeat by repeat.
        seconds: duration of the run, with what its earlier starts have finished.
        ended: why it ended before its last repeat, as in `PlanSummary`; else empty.
        specification: everything that decides the results, as in `experiment.json`; empty if
            unknown.
    """

    experiment: Experiment
    splits: tuple[Split, ...]
    results: tuple[Result, ...]
    seconds: float
    specification: Mapping[str, Any] = field(default_factory=dict)
    ended: Ended = ""

    @property
    def networks(self) -> tuple[NetworkResult, ...]:
        """The results of the models of networks alone."""
        return tuple(
            result for result in self.results if isinstance(result, NetworkResult)
        )

    def __getitem__(self, name: str) -> Any:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(
            f"no candidate '{name}'; there are {', '.join(result.name for result in self.results)}"
        )


def run(plan: Plan, folder: Path | None = None) -> Results:
    """Fit all models of a plan; store finished work in a folder if there is one, from which a later
    call continues."""
    *_, results = run_by_looks(
        plan,
        checkpoint=None if folder is None else Checkpoint(plan, folder),
        lenient=True,
    )
    return results


def run_by_looks(
    plan: Plan,
    *,
    tell: Tell | None = None,
    checkpoint: Checkpoint | None = None,
    lenient: bool = False,
) -> Generator[Results, None, None]:
    """Fit a plan part by part, and yield the results of all repeats so far after each of its looks.

    Looks change no result: a caller may stop at any of them. `tell` gets the progress after each
    fit. The checkpoint stores finished work, and returns that of an earlier run. If `lenient`, code
    of the user that can't be fitted on any split of the first repeat is left out, too; otherwise it
    raises TrainingError.
    """
    started = time.perf_counter()
    work = _Work(plan, tell, checkpoint)
    for first, repeats in itertools.pairwise((0, *plan.looks)):
        with warnings.catch_warnings(), one_blas_thread():
            warnings.simplefilter("ignore")  # of scikit-learn, in whichever thread
            work.do(range(first, repeats), lenient=lenient or first > 0)
        earlier = 0.0 if checkpoint is None else checkpoint.seconds
        yield results_of(
            plan, repeats, work.fitted, earlier + time.perf_counter() - started
        )


class _Work:
    """The work of a run, and what each model predicts on each split so far, by its name."""

    def __init__(
        self, plan: Plan, tell: Tell | None, checkpoint: Checkpoint | None
    ) -> None:
        self.plan, self.checkpoint, self._tell = plan, checkpoint, tell
        self.fitted = [dict[str, Fitted]() for _ in plan.splits]
        self._begun_units = set[int]()
        self._n_fitted = self._n_reused = 0
        self._started = time.perf_counter()

    def do(self, repeats: range, *, lenient: bool) -> None:
        """Fit everything of some repeats."""
        plan = self.plan
        splits = [
            number
            for number, split in enumerate(plan.splits)
            if split.repeat in repeats
        ]
        for number, unit in enumerate(plan.experiment.units):
            waiting = list[int]()
            for split in splits:
                if (
                    stored := None
                    if self.checkpoint is None
                    else self.checkpoint.load(number, split)
                ) is None:
                    waiting.append(split)
                else:
                    self.fitted[split] |= stored
                    self._n_reused += len(unit.fits)
            while waiting:
                size = (
                    plan.batch(is_first=number not in self._begun_units)
                    if isinstance(unit, Group)
                    else 1
                )
                some, waiting = waiting[:size], waiting[size:]
                begun = time.perf_counter()
                of_splits = self._fit(number, [plan.splits[split] for split in some])
                self._begun_units.add(number)
                seconds = (time.perf_counter() - begun) / len(some)
                for split, fitted in zip(some, of_splits, strict=True):
                    self.fitted[split] |= fitted
                    if self.checkpoint is not None:
                        self.checkpoint.keep(number, split, fitted, seconds)
            if not lenient:
                self._check_own(unit, splits)

    def _fit(self, number: int, splits: Sequence[Split]) -> list[dict[str, Fitted]]:
        spec = self.plan.experiment
        unit = spec.units[number]
        if isinstance(unit, Group):
            shared: dict[str, Any] = {
                "n_networks": spec.n_networks,
                "random_state": spec.random_state,
                "tell": self._count,
            }
            return fit_group(
                unit,
                spec.table,
                splits,
                recipe=spec.recipe,
                compute=self.plan.compute,
                **shared,
            )
        fitted = [
            {unit.name: fit_estimator(unit, spec.table, split)} for split in splits
        ]
        self._count(unit.name)
        return fitted

    def _check_own(self, unit: Unit, splits: Sequence[int]) -> None:
        """Raise TrainingError if code of the user in a unit can't be fitted on any of these
        splits."""
        for line in (
            line for line in self.plan.experiment.lines if line.name in unit.names
        ):
            is_own = line.candidate is None or isinstance(
                line.candidate.architecture, OwnArchitecture
            )
            fits = [
                self.fitted[split][line.name]
                for split in splits
                if line.name in self.fitted[split]
            ]
            failures = [fit.failure for fit in fits if fit.failure]
            if is_own and not line.is_blend and len(failures) == len(splits):
                raise TrainingError(
                    f"'{line.name}' can't be fitted: {failures[0]}",
                    "Change it, or leave it out.",
                )

    def _count(self, name: str) -> None:
        """Count a fit, and report the time left if the others take as long on average."""
        self._n_fitted += 1
        n_kinds = sum(len(unit.fits) for unit in self.plan.experiment.units)
        total = n_kinds * len(self.plan.splits)
        done = self._n_reused + self._n_fitted
        pace = (time.perf_counter() - self._started) / self._n_fitted
        if self._tell is not None:
            self._tell(Progress(done=done, total=total, left=pace * (total - done)))


def results_of(
    plan: Plan, repeats: int, fitted: Sequence[Mapping[str, Fitted]], seconds: float
) -> Results:
    """Return the results of the first repeats of a plan from what each model predicts on each
    split, by its name."""
    part = plan.first(repeats)
    results = tuple(_result(part, line, fitted) for line in part.experiment.lines)
    return Results(part.experiment, part.splits, results, seconds, plan.specification)


def _mean_shares(weights: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean share of each part of a blend over splits, the largest first."""
    names = {name for of_split in weights for name in of_split}
    shares = {
        name: sum(of_split.get(name, 0.0) for of_split in weights) / len(weights)
        for name in names
    }
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _result(plan: Plan, line: Line, fitted: Sequence[Mapping[str, Fitted]]) -> Result:
    """Return the result of one model; values of splits on which it isn't fitted are NaN."""
    spec = plan.experiment
    table = spec.table
    n_splits = len(plan.splits)
    fits = {
        number: lines[line.name]
        for number, lines in enumerate(fitted[:n_splits])
        if line.name in lines
    }
    failures = [fit.failure for fit in fits.values() if fit.failure]
    usable = {number: fit for number, fit in fits.items() if not fit.failure}
    row = (table.n_rows, *table.outcome.prior(table, np.arange(1)).shape)
    # Targets such as years or prices may have more digits than float32.
    dtype = np.float64 if table.outcome.is_number else np.float32
    predictions: Floats = np.full((spec.design.repeats, 1, *row), np.nan, dtype=dtype)
    networks: Floats | None = None
    if line.candidate is not None or line.is_blend:
        networks = np.full(
            (spec.design.repeats, spec.n_networks, *row), np.nan, dtype=dtype
        )
    n_epochs = max(
        (fit.curves.shape[1] for fit in usable.values() if fit.curves is not None),
        default=1,
    )
    curves = np.full(
        (len(CURVES), n_epochs, n_splits, spec.n_networks), np.nan, dtype=np.float32
    )
    dead = np.full((n_splits, spec.n_networks), np.nan, dtype=np.float32)
    for number, fit in usable.items():
        split = plan.splits[number]
        predictions[split.repeat, 0, split.test] = fit.predictions
        if networks is not None and fit.networks is not None:
            networks[split.repeat][:, split.test] = fit.networks
        if fit.curves is not None:
            curves[:, : fit.curves.shape[1], number] = fit.curves
        if fit.dead is not None:
            dead[number] = fit.dead
    about: dict[str, Any] = {
        "name": line.name,
        **{
            name: getattr(table, name)
            for name in ("target", "task", "groups", "times", "durations", "follow_up")
        },
        "splits": plan.splits,
        "design": spec.design,
        "alpha": spec.alpha,
        "predictions": predictions,
        "singles": networks,
        "description": line.description,
        "kind": "baseline" if line.recipe is None else "network",
    }
    if weights := [fit.weights for fit in usable.values() if fit.weights]:
        about["parts"] = _mean_shares(weights)
    if failures:
        n_failed = f"{len(failures)} of {counted(n_splits, 'split')}"
        about["failure"] = (
            f"left out, as it can't be fitted on {n_failed}: {failures[0]}"
        )
    if line.recipe is None:
        return Result(**about)
    return NetworkResult(
        **about,
        recipe=line.recipe,
        n_parameters=line.n_parameters,
        curves=curves.reshape(len(CURVES), n_epochs, -1),
        epochs=np.array(
            [
                usable[number].epochs if number in usable else 0
                for number in range(n_splits)
            ]
        ),
        dead=dead.ravel(),
        note="; ".join(sorted({fit.note for fit in usable.values()} - {""})),
        confined=line.confined,
    )
