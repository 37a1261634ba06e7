"""The rows of a gate: those for tries with their splits, the locked ones, and what is predicted for
them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data.frame import Frame
from seedbed.data.sources.opening import read_source
from seedbed.data.splits import Split, holdout, time_holdout
from seedbed.data.table import Table
from seedbed.data.target import SAYS_YES
from seedbed.errors import ColumnError, DataError, OptionError, TrainingError, counted, did_you_mean
from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.protocol import (
    FEWEST_TESTED,
    FEWEST_TESTED_GROUPS,
    FEWEST_TESTED_OUTSIDE,
    Protocol,
)
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run_by_looks
from seedbed.experiment.spec import specify
from seedbed.experiment.specification_file import specification
from seedbed.scoring import Result, difference
from seedbed.settings.design import Compute, Design
from seedbed.settings.recipe import Recipe
from seedbed.typing import Ints

_ABOUT_ROWS = ("target", "task", "groups", "times", "durations", "follow_up")


@dataclass(frozen=True, eq=False)
class GateRows:
    """The rows of a gate: `open` for tries, `locked` for the claim, and the splits of the open
    ones; `specification` is what must stay the same from try to try."""

    table: Table
    open: Ints
    locked: Ints
    splits: tuple[Split, ...]
    design: Protocol
    metric: str
    specification: Mapping[str, Any]
    alpha: float = 0.05

    @property
    def claim(self) -> GateRows:
        """The rows as `confirm` takes them: trained on the open ones, tested on the locked ones,
        and on one side."""
        design = dataclasses.replace(
            self.design, kind="held_out", repeats=1, folds=1, locked_share=0.2
        )
        splits = (Split(0, 0, self.open, self.locked),)
        return dataclasses.replace(self, splits=splits, design=design, alpha=2 * self.alpha)

    def text(self) -> str:
        """Return the splits as CSV: of each row its fold in each repeat; empty where it isn't
        tested."""
        numbers, folds = (
            np.arange(self.table.n_rows),
            np.full((self.table.n_rows, self.design.repeats), "", "U9"),
        )
        for split in self.splits:
            folds[split.test, split.repeat] = split.fold
        head = ["row", "set", *(f"repeat_{number + 1}" for number in range(self.design.repeats))]
        sets = np.where(np.isin(numbers, self.locked), "locked", "open")
        return "\n".join(
            map(
                ",".join,
                [head, *np.column_stack([numbers.astype(str), sets, folds]).tolist(), [""]],
            )
        )

    def predict(
        self,
        table: Table,
        candidate: str,
        drop: Sequence[str],
        compute: Compute,
        folder: Path | None = None,
    ) -> Iterator[npt.NDArray[Any]]:
        """Yield what a candidate without some columns predicts [repeat, 1, row, ...], after each
        look of a comparison. Finished fits are kept in a folder if there is one. TrainingError if
        predictions aren't finite."""
        experiment = specify(
            table, [candidate], recipe=Recipe(), design=Design(metric=self.metric, baselines=[])
        )
        group, name = experiment.groups[-1], experiment.names[-1]
        lines = {
            member: line for member, line in group.lines.items() if line == name
        }  # of auto, the blend alone
        groups = (dataclasses.replace(group, lines=lines, without=tuple(drop)),)
        experiment = dataclasses.replace(
            experiment, groups=groups, reference=name, design=self.design
        )
        plan = make_plan(experiment, compute, self.splits)
        for results in run_by_looks(
            plan, checkpoint=None if folder is None else Checkpoint(plan, folder)
        ):
            if not results[name].finite:
                raise TrainingError(
                    f"some predictions of {name} aren't finite", results[name].failure
                )
            yield results[name].predictions

    def result(self, name: str, predictions: npt.NDArray[Any]) -> Result:
        """Return the result of predictions for the first repeats [repeat, 1, row, ...]."""
        about: dict[str, Any] = {part: getattr(self.table, part) for part in _ABOUT_ROWS} | {
            "design": self.design
        }
        splits = tuple(one for one in self.splits if one.repeat < len(predictions))
        return Result(name=name, alpha=self.alpha, splits=splits, predictions=predictions, **about)

    def gain(self, old: npt.NDArray[Any], new: npt.NDArray[Any]) -> Estimate:
        """Return the gain of one version over another in the loss that decides, from predictions of
        both."""
        return difference(self.result("old", old), self.result("new", new), self.metric)

    def read(self, source: Any) -> npt.NDArray[Any]:
        """Return predictions of another library for the test rows [repeat, 1, row, ...]; repeats
        are counted from 1.

        Other rows are left out. ColumnError for a missing column; DataError for missing or double
        predictions."""
        frame, outcome, n_rows = read_source(source), self.table.outcome, self.table.n_rows
        answers = outcome.answers(self.table.labels, self.table.follow_up)
        says_yes = (
            len(answers) == 1
            and self.table.labels[1:]
            and self.table.labels[1].lower() in {"1", *SAYS_YES}
        )
        answers = (
            ["probability"] if says_yes and "probability" in frame.names else answers
        )  # else that of either label
        row, *columns = (frame.numbers(position_of(frame, name)) for name in ("row", *answers))
        repeat = (
            frame.numbers(frame.names.index("repeat"))
            if "repeat" in frame.names
            else np.ones(len(row))
        )
        values = np.column_stack(columns)
        usable = np.isfinite(values) if outcome.is_number else (values >= 0) & (values <= 1)
        known = np.isin(row, np.arange(n_rows)) & np.isin(
            repeat, np.arange(1, self.design.repeats + 1)
        )
        if not (len(row) and known.all()):
            message = (
                f"'row' goes from 0 to {n_rows - 1}, and 'repeat' from 1 to {self.design.repeats}"
            )
            raise DataError(f"{frame.where}: {message}", "Take them from splits.csv.")
        repeats = int(repeat.max())
        predictions = np.full(
            (repeats, 1, n_rows, *outcome.prior(self.table, np.arange(1)).shape), np.nan
        )
        for split in (one for one in self.splits if one.repeat < repeats):
            lines = np.flatnonzero(
                (repeat == split.repeat + 1) & np.isin(row, split.test) & usable.all(axis=1)
            )
            rows = row[lines].astype(np.int64)
            counts = np.bincount(rows, minlength=n_rows)[split.test]
            for number in np.flatnonzero(counts != 1)[:1]:
                n, what = (
                    counts[number],
                    "finite number" if outcome.is_number else "probability from 0 to 1",
                )
                message = f"row {split.test[number]} has {'several times a' if n else 'no'} {what} in repeat"
                hint = "Give one for each row with a fold in splits.csv."
                raise DataError(f"{frame.where}: {message} {split.repeat + 1}", hint)
            predictions[split.repeat, 0, rows] = values[lines].reshape(-1, *predictions.shape[3:])
        return predictions


def position_of(frame: Frame, name: str) -> int:
    """Return the position of a column; ColumnError if there is none."""
    if name not in frame.names:
        raise ColumnError(f"{frame.where}: no column '{name}'", did_you_mean(name, frame.names))
    return frame.names.index(name)


def divide(table: Table, metric: str | None) -> GateRows:
    """Lock a fifth of the rows, and divide the others into folds as a comparison does. OptionError
    for too few rows."""
    by_time = None if table.times is None else time_holdout(table.times, groups=table.groups)
    split = by_time or holdout(table.target, groups=table.groups)
    train, test = np.sort(split.train), np.sort(split.test)
    design = Design(metric=metric, baselines=[])
    experiment = specify(table.of_rows(train), ["prior"], recipe=Recipe(), design=design)
    outside, why = table.outcome.n_outside(table, test), ""
    if METRICS[experiment.metric].row_loss is None:
        why = f"{experiment.metric} is a score of many rows together"
    if not experiment.design.has_verdict:
        why = experiment.design.reason
    n_groups = FEWEST_TESTED_GROUPS if table.groups is None else len(np.unique(table.groups[test]))
    few_outside = outside is not None and outside < FEWEST_TESTED_OUTSIDE
    if len(test) < FEWEST_TESTED or few_outside or n_groups < FEWEST_TESTED_GROUPS:
        needed = f"{FEWEST_TESTED} rows, {FEWEST_TESTED_OUTSIDE} outside the largest class, and "
        needed += f"{FEWEST_TESTED_GROUPS} groups"
        why = f"a fifth of it is {counted(len(test), 'row')}, and a claim takes {needed}"
    if why:
        raise OptionError(
            f"{table.name} can't have a gate: {why}", "Give more rows, or another metric."
        )
    splits = tuple(
        Split(one.repeat, one.fold, train[one.train], train[one.test])
        for one in experiment.splits()
    )
    specified = specification(dataclasses.replace(experiment, table=table), splits)
    fixed = {name: value for name, value in specified.items() if name != "versions"}
    return GateRows(table, train, test, splits, experiment.design, experiment.metric, fixed)
