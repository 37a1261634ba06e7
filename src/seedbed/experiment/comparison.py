"""A comparison: the results of a run and the conclusions from them. It is computed once; all
outputs read it."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.data.by_column import Grouping, grouping_of
from seedbed.data.sources.memory import native_frame
from seedbed.errors import OptionError, counted, did_you_mean, visible, writing
from seedbed.evaluation.checks import Check
from seedbed.evaluation.conclusion import outlook
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Conclusion, Ended, document_of
from seedbed.evaluation.verdicts import Verdict
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.columns import columns_of_comparison
from seedbed.experiment.fits import one_blas_thread
from seedbed.experiment.model_plan import fit_compared
from seedbed.experiment.plan import STOPS, Plan, make_plan
from seedbed.experiment.run import Results, Tell, run_by_looks
from seedbed.experiment.sizes import add_sizes, check_sizes
from seedbed.experiment.spec import sampled_rows, testable_metrics
from seedbed.experiment.subgroups import subgroups_of
from seedbed.experiment.summary import add_details, conclude_results
from seedbed.files import write_whole
from seedbed.model.model import Model
from seedbed.report.progress import Progress
from seedbed.report.stored import write_report
from seedbed.report.terminal import comparison_text, glance_text
from seedbed.settings.design import Compute

if TYPE_CHECKING:
    from seedbed.figures.drawing import Chart


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Comparison(Results):
    """The candidates and baselines of an experiment, trained on the same splits.

    `print(comparison)` shows the recommendation and one table, `print(comparison.details())` all
    numbers; `comparison["relu:5"]` is one candidate's result.

    Attributes:
        conclusion: verdicts, ranking, advice, scores and checks of the training, from which text,
            JSON, pictures and pages are made; docs/summary.md explains it.
    """

    conclusion: Conclusion

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdict on each candidate and baseline; those without a verdict are left out."""
        return self.conclusion.verdicts

    @property
    def checks(self) -> tuple[Check, ...]:
        """Problems in the training of candidates, which may explain the verdicts."""
        return self.conclusion.checks

    def __str__(self) -> str:
        return glance_text(self.conclusion)

    def by(self, column: str, table: Any = None) -> Comparison:
        """Return the comparison with the verdicts within the subgroups of a column, in
        `conclusion.subgroups`.

        Nothing is trained. Levels, or bands of numbers and dates, are subgroups; see
        docs/compare.md.

        Args:
            column: of the table, also one that isn't a feature.
            table: the data frame that was compared, where the column isn't a feature of it.

        Raises:
            ColumnError: there is no such column.
            OptionError: it is the target, or doesn't divide the rows, or rows don't have the
                metric.
            DataError: the table can't be read again.
        """
        return self.with_subgroups(
            grouping_of(self.experiment.whole or self.experiment.table, column, table)
        )

    def with_subgroups(self, grouping: Grouping) -> Comparison:
        """Return the comparison with the verdicts within subgroups of all rows of its table."""
        spec = self.experiment
        if spec.whole is not None:
            rows = sampled_rows(spec.whole, spec.table.n_rows, spec.random_state)
            grouping = replace(grouping, codes=grouping.codes[rows])
        subgroups = subgroups_of(self.results, grouping, self.conclusion)
        return replace(self, conclusion=replace(self.conclusion, subgroups=subgroups))

    def columns(
        self,
        candidate: str | None = None,
        column: Sequence[str] = (),
        *,
        compute: Compute = Compute(),
    ) -> Comparison:
        """Say which columns help: train a model of this comparison with all columns, and again
        without each, on the same splits. `conclusion.columns` of the returned comparison has the
        answer; see docs/columns.md.

        Args:
            candidate: the name of the model; the recommended one if left out.
            column: the columns to ask about, at most 40; all if left out.
            compute: what trains, and where, see `Compute`.

        Raises:
            SeedbedError: there is no such model or column, or the model can't be trained.
        """
        experiment = columns_of_comparison(
            self.experiment, self.conclusion, candidate, column
        )
        return carry_out(make_plan(experiment, compute))

    def rows(
        self,
        *,
        compute: Compute = Compute(),
        folder: Path | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> Comparison:
        """Say whether more rows would help: return the comparison with its models trained again on
        halves, quarters and so on of the training rows, in `conclusion.rows`; see docs/rows.md.

        Args:
            compute: what trains, and where, see `Compute`.
            folder: of the run, where finished work is kept until the results are written.
            tell: gets a line before each size.

        Raises:
            DataError: half of the training rows is too few to learn from.
        """
        check_sizes(self.experiment)
        conclusion = add_sizes(self, self.conclusion, compute, folder, tell)
        is_known = conclusion is self.conclusion
        return self if is_known else replace(self, conclusion=conclusion)

    def details(self) -> str:
        """Return the first screen, every verdict with its numbers, and how models were trained."""
        return comparison_text(self.conclusion)

    def __repr__(self) -> str:
        names = ", ".join(result.name for result in self.results)
        size = counted(len(self.splits), "split")
        return visible(
            f"<Comparison of {names} on {self.experiment.table.name}: {size}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the summary without its curves."""
        document = self.summary()
        del document["curves"]
        return document

    def summary(self) -> dict[str, Any]:
        """Return the whole summary; under `curves` are means, bands and some single networks along
        the epochs."""
        return document_of(self.conclusion)

    def scores(self, metric: str | None = None) -> Any:
        """Return a data frame with the score of each run, as `sb.judge` takes it: candidate,
        repeat, fold, seed, score.

        Args:
            metric: the score; that of the verdicts if left out.

        Raises:
            OptionError: single runs have no such score.
            DataError: neither pandas nor Polars nor PyArrow is installed.
        """
        name = metric or self.experiment.metric
        names = testable_metrics(self.experiment.table.task)
        if name not in names:
            raise OptionError(
                f"single runs have no score '{name}'", did_you_mean(name, names)
            )
        rows = [
            (result.name, *run, float(score))
            for result in self.results
            for run, score in np.ndenumerate(
                METRICS[name].score_of(result.losses(name))
            )
        ]
        columns = ("candidate", "repeat", "fold", "seed", name)
        return native_frame(dict(zip(columns, zip(*rows, strict=True), strict=True)))

    def predictions(self) -> Any:
        """Return a data frame with each out-of-fold prediction, as `sb.judge(frame, target="y")`
        takes it: candidate, repeat, fold, seed, row, prediction and target.

        The prediction is `probability_LABEL` of the positive one of two labels and of each of
        several, or `prediction` of a number. Of survival, which `sb.judge` doesn't take, it is
        `survival_at_TIME`, and `time` is a column.

        Raises:
            DataError: neither pandas nor Polars nor PyArrow is installed.
        """
        table = self.experiment.table
        answers = table.outcome.answers(table.labels, table.follow_up)
        parts = []
        for result, split in itertools.product(self.results, self.splits):
            block = result.predictions[split.repeat][:, split.test]  # [seed, row, ...]
            by_answer = block.reshape(*block.shape[:2], -1)
            target = table.target[split.test]
            part = {
                "candidate": np.array(result.name, dtype=object),
                "repeat": split.repeat,
                "fold": split.fold,
                "seed": np.arange(len(block))[:, None],
                "row": split.test,
                **{name: by_answer[..., i] for i, name in enumerate(answers)},
                "y": np.array(table.labels, object)[target] if table.labels else target,
                **(
                    {}
                    if table.durations is None
                    else {"time": table.durations[split.test]}
                ),
            }
            shape = block.shape[:2]
            parts.append(
                {
                    name: np.broadcast_to(values, shape).ravel()
                    for name, values in part.items()
                }
            )
        return native_frame(
            {
                name: np.concatenate([part[name] for part in parts]).tolist()
                for name in parts[0]
            }
        )

    def plot(self, path: str | Path | None = None, *, chart: str = "curves") -> Chart:
        """Return a chart of the comparison, saved to `path` if it is given.

        Args:
            path: a file that ends in `.png`, `.svg`, `.pdf`, `.html` or `.json`.
            chart: `curves` (train and test score and loss per epoch, with bands), `lottery` (what
                single runs would have shown), `survival` (risk groups and typical rows),
                `calibration`, `benefit` (net benefit over thresholds) or `rows`.

        Raises:
            OptionError: there is no such chart, it has nothing to show, or the path can't be
                written to.
        """
        from seedbed.figures.drawing import save_chart
        from seedbed.figures.pictures import chart_of

        drawn = chart_of(self.conclusion, chart)
        if path is not None:
            save_chart(drawn, path)
        return drawn

    def report(self, path: str | Path = "report.html") -> Path:
        """Write the report, one self-contained HTML page that opens without a network; return its
        path.

        Raises:
            OptionError: the folder doesn't exist, or the path is one.
        """
        return write_report(self.conclusion, path)

    def model(
        self,
        name: str | None = None,
        *,
        n_networks: int | None = None,
        threshold: float = 0.5,
        compute: Compute = Compute(),
    ) -> Model:
        """Return a model of the comparison, fitted to all rows, with the score that was measured.

        Args:
            name: the model; the recommended one if left out.
            n_networks: number of networks, whose predictions are averaged; as many as were compared
                if left out.
            threshold: of two labels, the probability above which the positive one is predicted.
            compute: what trains, and where, see `Compute`.

        Raises:
            CandidateError: there is no such model, or it is a scikit-learn estimator.
            OptionError: no name is given, and none is recommended; or a number is out of range.

        Examples:
            >>> design = sb.Design(baselines=[], n_networks=2)
            >>> comparison = sb.compare("example:iris", candidates=["linear:5", "relu:5"], quick=True, design=design)
            >>> comparison.model("relu:5")
            <Model relu:5 of 2 networks, predicts species (multiclass)>
        """
        return fit_compared(
            self.conclusion,
            self.experiment,
            name,
            n_networks=n_networks,
            threshold=threshold,
            compute=compute,
        )

    def _repr_html_(self) -> str:
        from seedbed.report.html_page import notebook_page  # loads what draws

        return notebook_page(self.conclusion)

    def save(self, folder: str | Path) -> list[Path]:
        """Write the files of the comparison into a folder, and return their paths.

        Earlier results in the folder stay readable until the new ones are there.
        The files are `comparison.json` (the summary), `report.html` and `curves.safetensors`. The
        last holds the out-of-fold predictions of each model [repeat, 1, row], or [repeat, 1, row,
        class] for several classes, those of its single `networks` [repeat, network, row], and of
        networks the curves [epoch, network], and `epochs` [split].

        Args:
            folder: created if it doesn't exist.
        """
        # save_file would write another temporary file
        from safetensors.numpy import save

        folder = Path(folder)
        document = folder / "comparison.json"
        arrays = folder / "curves.safetensors"
        with writing(folder, "Name another folder, or free disk space."):
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.summary(), ensure_ascii=False, allow_nan=False)
            report = write_report(self.conclusion, folder / "report.html")
            content = save(self._arrays())
            # Without the summary, which is written last, the run isn't finished.
            write_whole(
                arrays,
                lambda path: path.write_bytes(content),
                before_move=lambda: document.unlink(missing_ok=True),
            )
            write_whole(document, lambda path: path.write_text(text, encoding="utf-8"))
        return [document, report, arrays]

    def _arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what `save` writes of each model, by `MODEL/NAME`."""
        arrays = {
            f"{result.name}/predictions": result.predictions for result in self.results
        }
        arrays |= {
            f"{result.name}/networks": result.singles
            for result in self.results
            if result.singles is not None
        }
        for result in self.networks:
            parts = result.by_name() | {"epochs": result.epochs}
            arrays |= {
                f"{result.name}/{part}": np.ascontiguousarray(values)
                for part, values in parts.items()
            }
        return arrays


def carry_out(
    plan: Plan,
    tell: Tell | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    started: float | None = None,
    interrupted: threading.Event | None = None,
) -> Comparison:
    """Run a plan until its answer is decided, its time is over, or all its repeats are finished,
    and conclude.

    An interrupt after the first repeat ends the run, too: the answer is that of the finished
    repeats. Before that, KeyboardInterrupt or TrainingError is raised.

    Args:
        tell, checkpoint: as in `run_by_looks`; progress has the interim result after each look.
        started: `time.perf_counter()` at the start of the time limit; now if None.
        interrupted: set by what raises KeyboardInterrupt; an error after that is taken for it.
            Cleared when the interim result is computed, so that a second interrupt ends that.
    """
    started = time.perf_counter() if started is None else started
    results: Results | None = None
    so_far: Conclusion | None = None
    ended: Ended = ""

    def report_progress(progress: Progress) -> None:
        if tell is not None:
            seconds = time.perf_counter() - started
            tell(replace(progress, seconds=seconds, so_far=so_far))

    looks = run_by_looks(plan, tell=report_progress, checkpoint=checkpoint)
    try:
        before = 0.0
        for results in looks:
            so_far = None
            if results.experiment.design.repeats == plan.experiment.design.repeats:
                break
            with one_blas_thread():
                so_far = conclude_results(results)
            # The next repeat is expected to take as long as the last one: those before it may be
            # reused from an earlier run.
            next_end = time.perf_counter() - started + results.seconds - before
            before = results.seconds
            if ended := _why_end(plan.experiment.design, so_far, next_end):
                break
    except (KeyboardInterrupt, Exception) as error:
        is_stopped = interrupted is not None and interrupted.is_set()
        if results is None or not (is_stopped or isinstance(error, KeyboardInterrupt)):
            raise
        if interrupted is not None:
            interrupted.clear()
        ended = "interrupted"
    finally:
        looks.close()
    assert results is not None
    return comparison_of(replace(results, ended=ended), so_far)


def _why_end(design: Protocol, so_far: Conclusion, next_end: float) -> Ended:
    """Return why a run ends after the repeats so far; empty if it goes on until `next_end`, in
    seconds since its start."""
    can_stop = design.stops and so_far.plan.repeats in STOPS
    if can_stop and (stop := outlook(so_far, design.repeats)):
        return stop
    is_late = design.time_limit is not None and next_end > design.time_limit
    return "time" if is_late else ""


def comparison_of(results: Results, so_far: Conclusion | None = None) -> Comparison:
    """Return the results of a run with what follows from them, of which `so_far` may be known."""
    with one_blas_thread():
        conclusion = add_details(so_far or conclude_results(results), results)
    return Comparison(**vars(results), conclusion=conclusion)
