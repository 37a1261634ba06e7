"""All results of a run, side by side, and what may be said of them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.data import Split, Table
from seedbed.evaluation import CURVES, METRICS, Check, Verdict, more_repeats_ratio, prior_loss, summarize_curves
from seedbed.experiment.conclusions import Conclusions, conclude
from seedbed.experiment.diagnosis import diagnose
from seedbed.experiment.results import CandidateResult, Result
from seedbed.experiment.spec import Experiment
from seedbed.experiment.writing import write_whole
from seedbed.figures import learning_curves, save_chart
from seedbed.report import comparison_text, counted

if TYPE_CHECKING:
    from altair import HConcatChart

__all__ = ["SCHEMA_VERSION", "Comparison"]

SCHEMA_VERSION = 1


class Comparison:
    """The candidates and baselines of an experiment, trained on the same splits.

    Attributes:
        experiment: the specification.
        splits: the rows of each split, repeat by repeat.
        results: one a candidate, in the order given, then one a baseline.
        seconds: how long the run took.

    `print(comparison)` shows verdicts and table; `comparison["relu:5"]` is one candidate's result.
    """

    def __init__(
        self,
        experiment: Experiment,
        splits: tuple[Split, ...],
        results: tuple[Result, ...],
        *,
        seconds: float,
    ) -> None:
        self.experiment, self.splits, self.results, self.seconds = experiment, splits, results, seconds

    @functools.cached_property
    def conclusions(self) -> Conclusions:
        """Verdicts, ranking, and what the candidate at the top is worth."""
        return conclude(self.experiment, self.results)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """On each candidate and baseline against the reference, but for those on which none is due."""
        return self.conclusions.verdicts

    @functools.cached_property
    def checks(self) -> tuple[Check, ...]:
        """What stands out in how the candidates were trained: the reason beside the verdict."""
        return diagnose(self.experiment, self.results)

    @property
    def networks(self) -> tuple[CandidateResult, ...]:
        """The results of the candidates, without the baselines."""
        return tuple(result for result in self.results if isinstance(result, CandidateResult))

    def __getitem__(self, name: str) -> Any:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"no candidate '{name}'; there are {', '.join(result.name for result in self.results)}")

    def __str__(self) -> str:
        return comparison_text(self.to_dict())

    def __repr__(self) -> str:
        names = ", ".join(result.name for result in self.results)
        return f"<Comparison of {names} on {self.experiment.table.name}: {counted(len(self.splits), 'split')}>"

    def to_dict(self) -> dict[str, Any]:
        """Everything but curves and predictions as one plain dict, fit for JSON."""
        spec, design = self.experiment, self.experiment.design
        return {
            "schema_version": SCHEMA_VERSION,
            "table": spec.table.name,
            "target": spec.table.target_name,
            "task": spec.table.task,
            "n_rows": spec.table.n_rows,
            "n_features": spec.table.n_features,
            **_target(spec.table),
            "reference": spec.reference,
            "metric": {
                "name": spec.metric,
                "words": METRICS[spec.metric].words,
                "greater_is_better": METRICS[spec.metric].greater_is_better,
                "margin": spec.margin,
                "of_prior": prior_loss(spec.metric, spec.table.target),
            },
            "alpha": spec.alpha,
            "interval": self._interval(),
            "plan": {
                "kind": design.kind,
                "locked_share": design.locked_share,
                "repeats": design.repeats,
                "folds": design.folds,
                "seeds": design.seeds,
                "n_train": round(float(np.mean([len(split.train) for split in self.splits]))),
                "n_test": round(float(np.mean([len(split.test) for split in self.splits]))),
                "n_unused": spec.table.n_rows - len(self.splits[0].train) - len(self.splits[0].test),
                "quick": design.quick,
                "reason": design.reason,
                "random_state": spec.random_state,
                "recipe": self._recipe_words(),
            },
            **self.conclusions.as_dict(),
            "checks": [check.as_dict() for check in self.checks],
            "more_repeats_ratio": more_repeats_ratio(design.repeats, max(2, design.folds)),
            "candidates": [result.as_dict() for result in self.results],
            "notes": [note.as_dict() for note in spec.table.notes],
            "seconds": round(self.seconds, 2),
        }

    def _recipe_words(self) -> str:
        """What the recipes have in common; in a sweep, all of its learning rates."""
        spec = self.experiment
        words = spec.recipe.describe()
        if not spec.sweeps:
            return words
        lrs = spec.sweeps[0].lrs
        return words.replace(f"lr {lrs[0]:g}", f"lr {', '.join(f'{lr:g}' for lr in lrs)} compared")

    def _interval(self) -> str | None:
        """How the intervals of the verdicts were computed; none where no verdict is due."""
        kinds = {"cross_validation": self.experiment.interval, "held_out": "held_out"}
        return kinds.get(self.experiment.design.kind)

    def curves(self) -> dict[str, Any]:
        """The curves as a plain dict for `seedbed.figures`: means, bands, some single networks."""
        spec = self.experiment
        size = f"{counted(len(self.splits), 'split')} x {counted(spec.design.seeds, 'seed')}"
        return {
            "score_name": spec.score_name,
            "title": f"{spec.table.target_name} of {spec.table.name}",
            "subtitle": f"{self._recipe_words()}; {size}",
            "candidates": [
                {"name": result.name, **summarize_curves(dict(zip(CURVES, result.curves, strict=True)))}
                for result in self.networks
            ],
        }

    def plot(self, path: str | Path | None = None) -> HConcatChart:
        """Train and test score and loss per epoch of every candidate, with bands (an Altair chart).

        With a `path` ending in `.png`, `.svg`, `.pdf`, `.html` or `.json` the chart is saved, too.
        """
        chart = learning_curves(self.curves())
        if path is not None:
            save_chart(chart, path)
        return chart

    def save(self, folder: str | Path) -> list[Path]:
        """Write `comparison.json`, `curves.png` and `curves.safetensors` into a folder; return their paths.

        The last holds every candidate's curves [epoch, network] and, of baselines too, the out-of-fold predictions
        [repeat, seed, row], of several classes [repeat, seed, row, class].
        """
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in ("comparison.json", "curves.png", "curves.safetensors")]
        arrays = {f"{result.name}/predictions": result.predictions for result in self.results}
        for result in self.networks:
            for name, curve in zip(CURVES, result.curves, strict=True):
                arrays[f"{result.name}/{name}"] = np.ascontiguousarray(curve)
        frozen = [path for path in (folder / "experiment.json",) if path.exists()]
        document = {**self.to_dict(), "files": [str(path) for path in (*frozen, *paths)]}
        text = json.dumps(document, indent=2, allow_nan=False) + "\n"
        write_whole(paths[0], lambda path: path.write_text(text))
        self.plot(paths[1])
        write_whole(paths[2], lambda path: save_file(arrays, path))
        return paths


def _target(table: Table) -> dict[str, Any]:
    """What a document says of the target: how many rows each label has, or how the numbers spread."""
    if table.task == "regression":
        mean, sd = float(table.target.mean()), float(table.target.std())
        return {"labels": {}, "majority_share": None, "target_mean": mean, "target_sd": sd}
    counts = np.bincount(table.target, minlength=len(table.labels))
    return {
        "labels": dict(zip(table.labels, counts.tolist(), strict=True)),
        "majority_share": float(counts.max() / counts.sum()),
    }
