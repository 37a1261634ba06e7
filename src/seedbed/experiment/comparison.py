"""All results of a run, side by side, and what may be said of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.data import Split
from seedbed.evaluation import CURVES, Check, Verdict
from seedbed.experiment.conclusions import Conclusions, conclude
from seedbed.experiment.diagnosis import diagnose
from seedbed.experiment.results import CandidateResult, Result
from seedbed.experiment.spec import Experiment
from seedbed.experiment.summary import curves_of, numbers_of
from seedbed.experiment.taking_home import take_home
from seedbed.experiment.writing import json_text
from seedbed.figures import chart_of, save_chart, save_pictures
from seedbed.files import write_whole
from seedbed.model import Model
from seedbed.report import comparison_text, counted, glance_text, notebook_fragment, write_report
from seedbed.training import Engine

if TYPE_CHECKING:
    from altair import ConcatChart

__all__ = ["Comparison"]


class Comparison:
    """The candidates and baselines of an experiment, trained on the same splits.

    Attributes:
        experiment: the specification.
        splits: the rows of each split, repeat by repeat.
        results: one a candidate, in the order given, then one a baseline.
        specification: what was going to be done, as `experiment.json` says it; empty where it isn't known.
        seconds: how long the run took.

    `print(comparison)` shows the recommendation and one table, `print(comparison.details())` all numbers;
    `comparison["relu:5"]` is one candidate's result.
    """

    def __init__(
        self,
        experiment: Experiment,
        splits: tuple[Split, ...],
        results: tuple[Result, ...],
        *,
        seconds: float,
        specification: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.experiment, self.splits, self.results, self.seconds = experiment, splits, results, seconds
        self.specification = specification

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
        return diagnose(self.experiment, self.results, self.conclusions)

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
        return glance_text(self.to_dict())

    def details(self) -> str:
        """Return every verdict with its numbers, the ranking with intervals, and what would settle it, as text."""
        return comparison_text(self.to_dict())

    def __repr__(self) -> str:
        names = ", ".join(result.name for result in self.results)
        return f"<Comparison of {names} on {self.experiment.table.name}: {counted(len(self.splits), 'split')}>"

    def to_dict(self) -> dict[str, Any]:
        """Everything but curves and predictions as one plain dict, fit for JSON; docs/summary.md explains its keys."""
        return numbers_of(
            self.experiment,
            self.splits,
            self.results,
            conclusions=self.conclusions,
            checks=self.checks,
            specification=self.specification,
            seconds=self.seconds,
        )

    def summary(self) -> dict[str, Any]:
        """`to_dict` and, under `curves`, means, bands and some single networks along the epochs: what text, pictures
        and pages are drawn from, and nothing else."""
        return {**self.to_dict(), "curves": self.curves()}

    def curves(self) -> dict[str, Any]:
        """The curves of `summary`."""
        return curves_of(self.experiment, self.splits, self.networks)

    def plot(self, path: str | Path | None = None, *, chart: str = "curves") -> ConcatChart:
        """An Altair chart of the comparison, saved to a `path` that ends in `.png`, `.svg`, `.pdf`, `.html` or `.json`.

        Args:
            chart: `curves` (train and test score and loss per epoch, with bands), `intervals` (each difference to the
                reference), `lottery` (what single runs would have shown) or `calibration`.

        Raises:
            OptionError: there is no such chart, it has nothing to show, or the path can't be written to.
        """
        drawn = chart_of(self.summary(), chart)
        if path is not None:
            save_chart(drawn, path)
        return drawn

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the report, one self-contained HTML page that opens without a network; return its path.

        Raises:
            OptionError: the folder doesn't exist, or the path is one.
        """
        return write_report(self.summary(), path)

    def model(
        self,
        name: str | None = None,
        *,
        n_networks: int | None = None,
        threshold: float = 0.5,
        engine: Engine = "auto",
        device: str = "auto",
        jobs: int | None = None,
        cluster: str | None = None,
    ) -> Model:
        """A candidate to take home: networks fitted to all rows, with the learning rate and the epochs that the
        comparison's inner splits chose, and the score that it measured.

        Args:
            name: of the candidate; `conclusions.advice.network` if left out. "auto" is blended anew, of all rows.
            n_networks: how many are fitted; their predictions are averaged. As `fit_model` has it if left out.
            threshold: of two labels, above which probability the positive one is predicted.
            engine, device, jobs, cluster: as `compare` has them.

        Raises:
            CandidateError: there is no such candidate, or it is a baseline.
            OptionError: no name is given, and none is advised; or a number is out of range.
        """
        found = take_home(self.to_dict(), name, self.experiment)
        return found.fit(n_networks=n_networks, threshold=threshold, engine=engine, device=device, jobs=jobs,
                         cluster=cluster)  # fmt: skip

    def _repr_html_(self) -> str:
        return notebook_fragment(self.summary())

    def save(self, folder: str | Path, *, pictures: str = "png") -> list[Path]:
        """Write into a folder, and return the paths: `comparison.json` (the summary), `report.html`, pictures in a
        format of `png`, `svg` or `pdf`, and `curves.safetensors`.

        The last holds every candidate's curves [epoch, network] and, of baselines too, the out-of-fold predictions
        [repeat, seed, row], of several classes [repeat, seed, row, class]; and of candidates `epochs` and `lrs`
        [split], and `dead` [network].
        """
        from safetensors.numpy import save  # its save_file would write a temporary file of its own beside ours

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        summary = self.summary()
        text = json_text(summary)
        document, arrays = folder / "comparison.json", folder / "curves.safetensors"
        write_whole(arrays, lambda path: path.write_bytes(save(self._arrays())))
        page = write_report(summary, folder / "report.html")
        drawn = save_pictures(summary, folder, pictures)
        # The last file: with it the run counts as finished.
        write_whole(document, lambda path: path.write_text(text, encoding="utf-8"))
        return [document, page, *drawn, arrays]

    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        arrays = {f"{result.name}/predictions": result.predictions for result in self.results}
        arrays |= {f"{result.name}/pairs": result.pairs for result in self.results if result.pairs is not None}
        for result in self.networks:
            arrays |= {f"{result.name}/{name}": getattr(result, name) for name in ("epochs", "lrs", "dead")}
            for name, curve in zip(CURVES, result.curves, strict=True):
                arrays[f"{result.name}/{name}"] = np.ascontiguousarray(curve)
        return arrays
