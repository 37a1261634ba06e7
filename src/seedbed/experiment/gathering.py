"""The results of one candidate or baseline, as its fits come in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from seedbed.evaluation import Choice
from seedbed.experiment.baselines import Baseline
from seedbed.experiment.plan import Plan
from seedbed.experiment.results import BaselineResult, CandidateResult
from seedbed.networks import MLP
from seedbed.training import ChunkResult

__all__ = ["GatheredBaseline", "GatheredCandidate"]

Band = tuple[float, float, float]

_ROUNDING = 1e-6


class _OutOfFold:
    """Predictions for the test rows of each split, put in their places."""

    def __init__(self, plan: Plan, n_seeds: int) -> None:
        self.plan = plan
        design, n_rows = plan.experiment.design, plan.experiment.table.n_rows
        n_repeats = 1 + max(split.repeat for split in plan.splits)
        self.probabilities = np.full((n_repeats, n_seeds, n_rows), np.nan, dtype=np.float32)
        self.pairs = None
        if plan.pairs:
            self.pairs = np.full((n_repeats, design.folds, n_seeds, n_rows), np.nan, dtype=np.float32)

    def add(self, number: int, seed: int, probabilities: npt.NDArray[np.float32]) -> None:
        """Those for the test rows of a split, by its number among `plan.all_splits`."""
        n_outer = len(self.plan.splits)
        if number < n_outer:
            split = self.plan.splits[number]
            self.probabilities[split.repeat, seed, split.test] = probabilities
            return
        assert self.pairs is not None
        one, other, split = self.plan.pairs[number - n_outer]
        folds = self.plan.splits[split.repeat * self.plan.experiment.design.folds :]
        # Trained without both folds, it stands for either as the outer one and predicts the rows of the other.
        for outer, tested in ((one, other), (other, one)):
            rows = folds[tested].test
            self.pairs[split.repeat, outer, seed, rows] = probabilities[np.searchsorted(split.test, rows)]


class GatheredBaseline:
    """The fits of one baseline."""

    def __init__(self, plan: Plan, baseline: Baseline) -> None:
        self.baseline, self._found = baseline, _OutOfFold(plan, 1)

    def add(self, split: int, probabilities: npt.NDArray[np.float32]) -> None:
        """The probabilities for the test rows of a split."""
        self._found.add(split, 0, probabilities)

    def result(self) -> BaselineResult:
        plan = self._found.plan
        return BaselineResult(
            name=self.baseline.name,
            target=plan.experiment.table.target,
            splits=plan.splits,
            design=plan.experiment.design,
            alpha=plan.experiment.alpha,
            probabilities=self._found.probabilities,
            pairs=self._found.pairs,
            description=self.baseline.description,
        )


class GatheredCandidate:
    """The networks of one candidate.

    Args:
        choices: of each split; none where nothing is chosen.
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

    def add(self, network: int, column: int, result: ChunkResult) -> None:
        """A network by its number among the candidate's, and its column in the result of its chunk."""
        split, seed = divmod(network, self.plan.experiment.design.seeds)
        rows = self.plan.all_splits[split].test
        outputs = result.outputs[rows, 0, column]
        self._found.add(split, seed, np.where(np.isfinite(outputs), expit(outputs), np.nan).astype(np.float32))
        if network < len(self.done):
            self.curves[:, :, network] = result.curves[:, :, column]
            self.dead[network] = result.dead[column]
            self.done[network] = True

    def bands(self) -> tuple[Band, Band]:
        """Accuracy on training and test rows so far: (mean, low, high), low and high bounding the middle half."""
        last = self.curves[:, -1, self.done]
        train, test = (_band(last[curve, np.isfinite(last[[0, 2]]).all(axis=0)]) for curve in (1, 3))
        return train, test

    def _squashed(self) -> str:
        """A note where every output of a network of the user's lies within [0, 1], as behind a sigmoid."""
        p = self._found.probabilities[np.isfinite(self._found.probabilities)]
        low, high = expit(0.0) - _ROUNDING, expit(1.0) + _ROUNDING
        if isinstance(self.candidate.architecture, MLP) or not len(p) or np.ptp(p) == 0:
            return ""
        if p.min() < low or p.max() > high:
            return ""
        return "all its outputs lie between 0 and 1: a network must return logits, so leave out a last sigmoid"

    def result(self) -> CandidateResult:
        spec, n_splits = self.plan.experiment, len(self.plan.splits)
        choices = self.choices[:n_splits] if self.choices is not None else [None] * n_splits
        return CandidateResult(
            name=self.candidate.name,
            target=spec.table.target,
            splits=self.plan.splits,
            design=spec.design,
            alpha=spec.alpha,
            probabilities=self._found.probabilities,
            pairs=self._found.pairs,
            recipe=self.recipe,
            n_parameters=self.stack.n_parameters,
            curves=self.curves,
            diverged=np.asarray(~np.isfinite(self.curves[[0, 2]]).all(axis=(0, 1))),
            epochs=np.array([choice.epochs if choice else self.recipe.epochs for choice in choices]),
            lrs=np.array([self.recipe.lrs[choice.lr if choice else 0] for choice in choices]),
            dead=self.dead,
            note="; ".join(note for note in (self.stack.note, self._squashed()) if note),
        )


def _band(values: npt.NDArray[np.float32]) -> Band:
    if not len(values):
        return (float("nan"),) * 3
    low, high = np.percentile(values, (25, 75))
    return float(values.mean()), float(low), float(high)
