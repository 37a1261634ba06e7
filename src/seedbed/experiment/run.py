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
from seedbed.errors import counted
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
from seedbed.report.progress import Progress
from seedbed.scoring import Result
from seedbed.settings.recipe import Recipe
from seedbed.tested import Tested
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
        note: on how it was trained; usually empty.
        confined: the last layer of `forward()` if outputs seem to be probabilities instead of
            logits; else empty.
    """

    recipe: Recipe
    n_parameters: int
    curves: npt.NDArray[np.float32]
    epochs: npt.NDArray[np.int64]
    note: str = ""
    confined: Literal["", "sigmoid", "softmax"] = ""

    @property
    def n_networks(self) -> int:
        """The networks of each split."""
        return int(self.curves.shape[2]) // len(self.tested.splits)

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
        outcome = self.tested.outcome
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
    checkpoint = None if folder is None else Checkpoint(plan, folder)
    *_, results = run_by_looks(plan, checkpoint=checkpoint)
    return results


def run_by_looks(
    plan: Plan, *, tell: Tell | None = None, checkpoint: Checkpoint | None = None
) -> Generator[Results, None, None]:
    """Fit a plan part by part, and yield the results of all repeats so far after each of its looks.

    Looks change no result: a caller may stop at any of them. `tell` gets the progress after each
    fit. The checkpoint stores finished work, and returns that of an earlier run.
    """
    started = time.perf_counter()
    work = _Work(plan, tell, checkpoint)
    for first, repeats in itertools.pairwise((0, *plan.looks)):
        with warnings.catch_warnings(), one_blas_thread():
            warnings.simplefilter("ignore")  # of scikit-learn, in whichever thread
            work.do(range(first, repeats))
        earlier = 0.0 if checkpoint is None else checkpoint.seconds
        seconds = earlier + time.perf_counter() - started
        yield results_of(plan, repeats, work.fitted, seconds)


class _Work:
    """The work of a run, and what each model predicts on each split so far, by its name."""

    def __init__(
        self, plan: Plan, tell: Tell | None, checkpoint: Checkpoint | None
    ) -> None:
        self.fitted = [dict[str, Fitted]() for _ in plan.splits]
        self._plan = plan
        self._checkpoint = checkpoint
        self._tell = tell
        self._n_fitted = 0
        self._n_reused = 0
        self._started = time.perf_counter()

    def do(self, repeats: range) -> None:
        """Fit everything of some repeats that isn't kept from an earlier run."""
        splits = self._plan.splits
        for number, unit in enumerate(self._plan.experiment.units):
            waiting = list[int]()
            for place, split in enumerate(splits):
                if split.repeat in repeats and not self._reuse(number, unit, place):
                    waiting.append(place)
            while waiting:
                # Finished estimators are kept one by one.
                size = self._plan.batch(waiting[0]) if isinstance(unit, Group) else 1
                places = waiting[:size]
                waiting = waiting[size:]
                begun = time.perf_counter()
                of_splits = self._fit(unit, [splits[place] for place in places])
                seconds = (time.perf_counter() - begun) / len(places)
                for place, fitted in zip(places, of_splits, strict=True):
                    self.fitted[place] |= fitted
                    if self._checkpoint is not None:
                        self._checkpoint.keep(number, place, fitted, seconds)

    def _reuse(self, number: int, unit: Unit, place: int) -> bool:
        """Return whether what a unit predicts on a split is kept from an earlier run."""
        checkpoint = self._checkpoint
        stored = None if checkpoint is None else checkpoint.load(number, place)
        if stored is None:
            return False
        self.fitted[place] |= stored
        self._n_reused += len(unit.fits)
        return True

    def _fit(self, unit: Unit, splits: Sequence[Split]) -> list[dict[str, Fitted]]:
        spec = self._plan.experiment
        if isinstance(unit, Group):
            return fit_group(
                unit,
                spec.table,
                splits,
                recipe=spec.recipe,
                n_networks=spec.n_networks,
                random_state=spec.random_state,
                compute=self._plan.compute,
                tell=self._count,
            )
        fitted = [
            {unit.name: fit_estimator(unit, spec.table, split)} for split in splits
        ]
        self._count()
        return fitted

    def _count(self) -> None:
        """Count a fit, and report the time left if the others take as long on average."""
        self._n_fitted += 1
        if self._tell is None:
            return
        n_kinds = sum(len(unit.fits) for unit in self._plan.experiment.units)
        total = n_kinds * len(self._plan.splits)
        done = self._n_reused + self._n_fitted
        pace = (time.perf_counter() - self._started) / self._n_fitted
        self._tell(Progress(done=done, total=total, left=pace * (total - done)))


def results_of(
    plan: Plan, repeats: int, fitted: Sequence[Mapping[str, Fitted]], seconds: float
) -> Results:
    """Return the results of the first repeats of a plan from what each model predicts on each
    split, by its name."""
    part = plan.first(repeats)
    spec = part.experiment
    tested = Tested.of(
        spec.table, alpha=spec.alpha, splits=part.splits, design=spec.design
    )
    results = tuple(_result(part, tested, line, fitted) for line in spec.lines)
    return Results(spec, part.splits, results, seconds, plan.specification)


def _mean_shares(weights: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean share of each part of a blend over splits, the largest first."""
    shares = {
        name: sum(of_split.get(name, 0.0) for of_split in weights) / len(weights)
        for name in sorted({name for of_split in weights for name in of_split})
    }
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _result(
    plan: Plan, tested: Tested, line: Line, fitted: Sequence[Mapping[str, Fitted]]
) -> Result:
    """Return the result of one model; values of splits on which it isn't fitted are NaN."""
    n_networks = plan.experiment.n_networks
    n_splits = len(plan.splits)
    fits = {
        number: lines[line.name]
        for number, lines in enumerate(fitted[:n_splits])
        if line.name in lines
    }
    usable = {number: fit for number, fit in fits.items() if not fit.failure}
    predictions = tested.nothing()
    networks = tested.nothing(n_networks)
    for number, fit in usable.items():
        split = plan.splits[number]
        predictions[split.repeat, 0, split.test] = fit.predictions
        if fit.networks is not None:
            networks[split.repeat][:, split.test] = fit.networks
    failure = ""
    if failures := [fit.failure for fit in fits.values() if fit.failure]:
        n_failed = f"{len(failures)} of {counted(n_splits, 'split')}"
        failure = f"left out, as it can't be fitted on {n_failed}: {failures[0]}"
    about: dict[str, Any] = {
        "tested": tested,
        "name": line.name,
        "predictions": predictions,
        "singles": networks if line.candidate is not None or line.is_blend else None,
        "description": line.description,
        "kind": "baseline" if line.recipe is None else "network",
        "failure": failure,
        "parts": _mean_shares([fit.weights for fit in usable.values() if fit.weights]),
    }
    if line.recipe is None:
        return Result(**about)
    trained = {
        number: (fit, fit.curves)
        for number, fit in usable.items()
        if fit.curves is not None
    }
    n_epochs = max((len(shown[0]) for _, shown in trained.values()), default=1)
    shape = (len(CURVES), n_epochs, n_splits, n_networks)
    curves = np.full(shape, np.nan, dtype=np.float32)
    epochs = np.zeros(n_splits, dtype=np.int64)
    for number, (fit, shown) in trained.items():
        curves[:, : len(shown[0]), number] = shown
        epochs[number] = fit.epochs
    return NetworkResult(
        **about,
        recipe=line.recipe,
        n_parameters=line.n_parameters,
        confined=line.confined,
        curves=curves.reshape(len(CURVES), n_epochs, -1),
        epochs=epochs,
        note="; ".join(sorted({fit.note for fit in usable.values()} - {""})),
    )
