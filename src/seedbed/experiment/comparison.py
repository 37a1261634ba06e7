"""All results of a run, side by side."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.data import Split
from seedbed.evaluation import CURVES, summarize_curves
from seedbed.experiment.results import CandidateResult
from seedbed.experiment.spec import Experiment
from seedbed.figures import learning_curves, save_chart
from seedbed.report import comparison_text, counted

if TYPE_CHECKING:
    from altair import HConcatChart

__all__ = ["SCHEMA_VERSION", "Comparison"]

SCHEMA_VERSION = 1


class Comparison:
    """The candidates of an experiment, trained on the same splits.

    Attributes:
        experiment: the specification.
        splits: the rows of each split, repeat by repeat.
        results: one a candidate, in the order given.
        seconds: how long the run took.

    `print(comparison)` shows the table; `comparison["relu:5"]` is one candidate's result.
    """

    def __init__(
        self,
        experiment: Experiment,
        splits: tuple[Split, ...],
        results: tuple[CandidateResult, ...],
        *,
        seconds: float,
    ) -> None:
        self.experiment, self.splits, self.results, self.seconds = experiment, splits, results, seconds

    def __getitem__(self, name: str) -> CandidateResult:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"no candidate '{name}'; there are {', '.join(result.name for result in self.results)}")

    def __str__(self) -> str:
        return comparison_text(self.to_dict())

    def __repr__(self) -> str:
        names = ", ".join(result.name for result in self.results)
        return f"<Comparison of {names} on {self.experiment.table.name}: {len(self.splits)} splits>"

    def to_dict(self) -> dict[str, Any]:
        """Everything but curves and predictions as one plain dict, fit for JSON."""
        spec = self.experiment
        counts = np.bincount(spec.table.target, minlength=len(spec.table.labels))
        return {
            "schema_version": SCHEMA_VERSION,
            "table": spec.table.name,
            "target": spec.table.target_name,
            "task": spec.table.task,
            "n_rows": spec.table.n_rows,
            "n_features": spec.table.n_features,
            "labels": dict(zip(spec.table.labels, counts.tolist(), strict=True)),
            "majority_share": float(counts.max() / counts.sum()),
            "reference": spec.reference,
            "plan": {
                "repeats": spec.repeats,
                "folds": spec.folds,
                "seeds": spec.seeds,
                "epochs": max(result.recipe.epochs for result in self.results),
                "networks": spec.n_networks * len(self.results),
                "random_state": spec.random_state,
                "recipe": spec.recipe.describe(),
            },
            "candidates": [result.as_dict() for result in self.results],
            "notes": list(spec.table.notes),
            "seconds": round(self.seconds, 2),
        }

    def curves(self) -> dict[str, Any]:
        """The curves as a plain dict for `seedbed.figures`: means, bands, some single networks."""
        spec = self.experiment
        size = f"{counted(len(self.splits), 'split')} x {counted(spec.seeds, 'seed')}"
        return {
            "score_name": "accuracy",
            "title": f"{spec.table.target_name} of {spec.table.name}",
            "subtitle": f"{spec.recipe.describe()}; {size}",
            "candidates": [
                {"name": result.name, **summarize_curves(dict(zip(CURVES, result.curves, strict=True)))}
                for result in self.results
            ],
        }

    def plot(self, path: str | Path | None = None) -> HConcatChart:
        """Train and test accuracy and loss per epoch of every candidate, with bands (an Altair chart).

        With a `path` ending in `.png`, `.svg`, `.pdf`, `.html` or `.json` the chart is saved, too.
        """
        chart = learning_curves(self.curves())
        if path is not None:
            save_chart(chart, path)
        return chart

    def save(self, folder: str | Path) -> list[Path]:
        """Write `comparison.json`, `curves.png` and `curves.safetensors` into a folder; return their paths.

        The last holds every candidate's curves [epoch, network] and out-of-fold probabilities [repeat, seed, row].
        """
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / name for name in ("comparison.json", "curves.png", "curves.safetensors")]
        arrays = {}
        for result in self.results:
            for name, curve in zip(CURVES, result.curves, strict=True):
                arrays[f"{result.name}/{name}"] = np.ascontiguousarray(curve)
            arrays[f"{result.name}/probabilities"] = result.probabilities
        document = {**self.to_dict(), "files": [str(path) for path in paths]}
        _replace(paths[0], lambda path: path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n"))
        self.plot(paths[1])
        _replace(paths[2], lambda path: save_file(arrays, path))
        return paths


def _replace(path: Path, write: Any) -> None:
    """Write beside the file, then put it in place, so that a reader never meets half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
