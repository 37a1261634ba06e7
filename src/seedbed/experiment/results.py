"""The results of a run: out-of-fold predictions, curves and scores of each model, also as data frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from seedbed.data import Split, frame_from
from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation import METRICS, Verdict
from seedbed.experiment.spec import Experiment
from seedbed.scoring import Result
from seedbed.settings import Recipe

__all__ = ["CandidateResult", "FittedResult", "Results", "predictions_frame", "scores_frame", "verdicts_frame"]


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

    def as_dict(self) -> dict[str, Any]:
        lrs, counts = np.unique(self.lrs, return_counts=True)
        low, median, high = (round(float(value)) for value in np.quantile(self.epochs, (0, 0.5, 1)))
        return super().as_dict() | {
            "kind": "network",
            "description": self.recipe.describe(),
            "n_parameters": self.n_parameters,
            "n_networks": len(self.diverged),
            "n_diverged": int(self.diverged.sum()),
            "epochs": {"most": self.recipe.epochs, "low": low, "median": median, "high": high},
            "lr": {f"{lr:g}": count for lr, count in zip(lrs.tolist(), counts.tolist(), strict=True)},
            "settled": dict(zip(("lr", "epochs"), self.settled, strict=True)),
            "train_r2" if self.task == "regression" else "train_accuracy": self.used(1),
            "train_loss": self.used(0),
            "test_loss": self.used(2),
            "lowest_test_loss_epoch": self.best_epoch,
            "note": self.note,
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedResult(Result):
    """One model that was fitted on each split: a baseline, or `auto`.

    Attributes:
        description: what it is, in a few words.
    """

    description: str

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"kind": "baseline", "description": self.description}


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


_OF_A_VERDICT = ("candidate", "reference", "rule", "difference", "low", "high", "margin", "p", "p_adjusted", "p_better")


def scores_frame(found: Results, metric: str | None) -> Any:
    """Return a data frame with the score of each run: candidate, repeat, fold, seed and a column named like the metric.

    Raises:
        OptionError: the metric isn't a mean over rows, or doesn't suit the task.
    """
    name = metric or found.experiment.metric
    known = [one for one, entry in METRICS.items() if entry.row_loss and found.experiment.table.task in entry.tasks]
    if name not in known:
        raise OptionError(f"single runs have no score '{name}'", did_you_mean(name, known))
    columns: dict[str, list[Any]] = {key: [] for key in ("candidate", "repeat", "fold", "seed", name)}
    for result in found.results:
        losses = result.losses(name)
        values = 1 - losses if METRICS[name].greater_is_better else losses
        places = np.indices(values.shape).reshape(3, -1)
        columns["candidate"] += [result.name] * values.size
        for key, numbers in zip(("repeat", "fold", "seed"), places, strict=True):
            columns[key] += numbers.tolist()
        columns[name] += values.ravel().tolist()
    return frame_from(columns)


def predictions_frame(found: Results) -> Any:
    """Return a data frame with each out-of-fold prediction: candidate, repeat, fold, seed, row, prediction and target.

    The prediction is `probability` of the positive one of two labels, `probability_LABEL` of each of several labels,
    or `prediction` of a number.
    """
    table, splits = found.experiment.table, found.splits
    several = [f"probability_{label}" for label in table.labels] if table.task == "multiclass" else []
    answers = several or ["prediction" if table.task == "regression" else "probability"]
    parts: dict[str, list[Any]] = {key: [] for key in ("candidate", "repeat", "fold", "seed", "row", *answers, "y")}
    for result in found.results:
        for split in splits:
            block = result.predictions[split.repeat][:, split.test]
            n_seeds, n_rows = block.shape[:2]
            parts["candidate"].append(np.full(n_seeds * n_rows, result.name, dtype=object))
            parts["repeat"].append(np.full(n_seeds * n_rows, split.repeat))
            parts["fold"].append(np.full(n_seeds * n_rows, split.fold))
            parts["seed"].append(np.repeat(np.arange(n_seeds), n_rows))
            parts["row"].append(np.tile(split.test, n_seeds))
            parts["y"].append(np.tile(result.target[split.test], n_seeds))
            for number, answer in enumerate(answers):
                values = block[..., number] if several else block
                parts[answer].append(values.ravel())
    columns = {key: np.concatenate(blocks) for key, blocks in parts.items()}
    if table.task != "regression":
        columns["y"] = np.array(table.labels, dtype=object)[columns["y"]]
    return frame_from({key: column.tolist() for key, column in columns.items()})


def verdicts_frame(verdicts: Sequence[Verdict]) -> Any:
    """Return a data frame with a row for each verdict."""
    return frame_from({key: [getattr(one, key) for one in verdicts] for key in _OF_A_VERDICT})
