"""The rows of a gate: those for tries with their splits, the locked ones, and what is predicted for
them."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from seedbed.arguments import shown
from seedbed.data.frame import Frame
from seedbed.data.layout import layout_of
from seedbed.data.sources.opening import read_source
from seedbed.data.splits import Split, holdout, time_holdout
from seedbed.data.table import ColumnSchema, Table
from seedbed.data.target import LARGEST_TARGET, SAYS_YES
from seedbed.data.typed import read_rows
from seedbed.errors import (
    DataError,
    OptionError,
    TrainingError,
    counted,
    spell,
    writing,
)
from seedbed.evaluation.classification import check_probabilities
from seedbed.evaluation.estimates import Estimate, inference
from seedbed.evaluation.metrics import METRICS, Margin
from seedbed.evaluation.protocol import (
    FEWEST_TESTED,
    FEWEST_TESTED_GROUPS,
    FEWEST_TESTED_OUTSIDE,
    Protocol,
)
from seedbed.evaluation.summaries import DecidingScore
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run_by_looks
from seedbed.experiment.spec import (
    Experiment,
    design_of,
    metric_of,
    specify,
    splits_of,
)
from seedbed.experiment.specification_file import (
    SPECIFICATION_VERSION,
    hash_of_splits,
    table_specification,
)
from seedbed.networks.candidate import candidate_from
from seedbed.scoring import Result, difference
from seedbed.settings.design import Compute, Design
from seedbed.settings.recipe import Recipe
from seedbed.tested import Tested
from seedbed.typing import Floats, Ints


@dataclass(frozen=True, eq=False)
class GateRows:
    """The rows of a gate: `open` for tries, `locked` for the claim, and the splits of the open
    ones."""

    table: Table
    open: Ints
    locked: Ints
    splits: tuple[Split, ...]
    design: Protocol
    metric: str
    alpha: float = 0.05

    @property
    def claim(self) -> GateRows:
        """The rows as `confirm` takes them: trained on the open ones, tested on the locked ones,
        and on one side."""
        design = dataclasses.replace(
            self.design, kind="held_out", repeats=1, folds=1, locked_share=0.2
        )
        splits = (Split(0, 0, self.open, self.locked),)
        return dataclasses.replace(
            self, splits=splits, design=design, alpha=2 * self.alpha
        )

    @functools.cached_property
    def specification(self) -> dict[str, Any]:
        """What must stay the same from try to try, as JSON gives it back."""
        n_inputs = layout_of(self.table.expanded()).n_inputs
        document: dict[str, Any] = {
            "schema_version": SPECIFICATION_VERSION,
            "table": table_specification(self.table, n_inputs),
            "design": dataclasses.asdict(self.design),
            "splits_sha256": hash_of_splits(self.splits),
            "metric": self.metric,
        }
        return dict(json.loads(json.dumps(document)))

    def text(self) -> str:
        """Return the splits as CSV: of each row its fold in each repeat; empty where it isn't
        tested."""
        numbers = np.arange(self.table.n_rows)
        folds = np.full((self.table.n_rows, self.design.repeats), "", "U9")
        for split in self.splits:
            folds[split.test, split.repeat] = split.fold
        head = [
            "row",
            "set",
            *(f"repeat_{number + 1}" for number in range(self.design.repeats)),
        ]
        sets = np.where(np.isin(numbers, self.locked), "locked", "open")
        lines = np.column_stack([numbers.astype(str), sets, folds]).tolist()
        return "\n".join(",".join(cells) for cells in [head, *lines, [""]])

    def predict(
        self,
        table: Table,
        candidate: Any,
        drop: Sequence[str],
        compute: Compute,
        folder: Path | None = None,
    ) -> Iterator[npt.NDArray[Any]]:
        """Yield what a candidate or a scikit-learn estimator without some columns predicts
        [repeat, 1, row, ...], after each look of a comparison. Finished fits are kept in a folder
        if there is one. TrainingError if predictions aren't finite."""
        experiment = _experiment_of_one(table, candidate, drop, self.metric)
        experiment = dataclasses.replace(experiment, design=self.design)
        name = experiment.reference
        plan = make_plan(experiment, compute, self.splits)
        checkpoint = None if folder is None else Checkpoint(plan, folder)
        for results in run_by_looks(plan, checkpoint=checkpoint):
            if not results[name].finite:
                why = results[name].failure or "some predictions aren't finite"
                raise TrainingError(f"{name}: {why.removeprefix('left out, as ')}")
            yield results[name].predictions

    def result(self, name: str, predictions: npt.NDArray[Any]) -> Result:
        """Return the result of predictions for the first repeats [repeat, 1, row, ...]."""
        n = len(predictions)
        tested = Tested.of(
            self.table,
            alpha=self.alpha,
            splits=tuple(split for split in self.splits if split.repeat < n),
            design=self.design,
        )
        return Result(tested=tested, name=name, predictions=predictions)

    def gain(self, old: npt.NDArray[Any], new: npt.NDArray[Any]) -> Estimate:
        """Return the gain of one version over another in the loss that decides, from predictions of
        both."""
        return difference(self.result("old", old), self.result("new", new), self.metric)

    def with_error_of_open_rows(
        self, gain: Estimate, old: npt.NDArray[Any], new: npt.NDArray[Any]
    ) -> Estimate:
        """Return a gain on the locked rows with the standard error that the open rows lead to, if
        that is larger: the locked rows are few, and may lack those in which a version loses much.

        Args:
            gain: of `claim`.
            old, new: predictions of both versions for the open rows [repeat, 1, row, ...].
        """
        as_locked = dataclasses.replace(self, design=self.claim.design)
        n_tested = sum(len(split.test) for split in self.splits if split.repeat == 0)
        se = as_locked.gain(old[:1], new[:1]).se * math.sqrt(
            n_tested / len(self.locked)
        )
        if self.table.outcome.is_number and not METRICS[self.metric].own_units:
            # Either gain is relative to the variance of its rows.
            se *= (self.result("", old[:1]).tested.target_variance or 1.0) / np.var(
                self.table.target[self.locked]
            )
        wider = inference(gain.mean, se, df=gain.df, alpha=gain.alpha, comparisons=1)
        return max(gain, wider, key=lambda estimate: estimate.p)

    def read(self, source: Any) -> npt.NDArray[Any]:
        """Return predictions of another library for the test rows [repeat, 1, row, ...]; repeats
        are counted from 1.

        Other rows are left out. ColumnError for a missing column; DataError for missing or double
        predictions, and those that aren't probabilities; OptionError for labels where the score is
        of probabilities."""
        frame = read_source(source)
        n_rows = self.table.n_rows
        row = frame.numbers(frame.position_of("row"))
        repeat = (
            frame.numbers(frame.names.index("repeat"))
            if "repeat" in frame.names
            else np.ones(len(row))
        )
        in_table = np.isin(row, np.arange(n_rows))
        in_design = np.isin(repeat, np.arange(1, self.design.repeats + 1))
        if not (len(row) and in_table.all() and in_design.all()):
            raise DataError(
                f"{frame.where}: 'row' goes from 0 to {n_rows - 1}, and 'repeat' from 1 to {self.design.repeats}",
                "Take them from splits.csv.",
            )
        values = self._values(frame, row)
        usable = (np.abs(values) <= LARGEST_TARGET).all(axis=1)
        repeats = int(repeat.max())
        shape = self.table.outcome.prior(self.table, np.arange(1)).shape
        predictions = np.full((repeats, 1, n_rows, *shape), np.nan)
        kind = (
            f"number up to {LARGEST_TARGET:g}"
            if self.table.outcome.is_number
            else "probability"
        )
        for split in (split for split in self.splits if split.repeat < repeats):
            lines = np.flatnonzero(
                (repeat == split.repeat + 1) & np.isin(row, split.test) & usable
            )
            rows = row[lines].astype(np.int64)
            counts = np.bincount(rows, minlength=n_rows)[split.test]
            for place in np.flatnonzero(counts != 1)[:1]:
                found = f"{'more than one' if counts[place] else 'no'} {kind}"
                raise DataError(
                    f"{frame.where}: row {split.test[place]} has {found} in repeat {split.repeat + 1}",
                    "Give one for each row with a fold in splits.csv.",
                )
            predictions[split.repeat, 0, rows] = values[lines].reshape(-1, *shape)
        return predictions

    def _values(self, frame: Frame, row: Floats) -> Floats:
        """Return the predictions in a frame [line, answer], NaN where there is none. DataError for
        values that can't be predictions, which names their `row` of the table [line]."""
        outcome, labels = self.table.outcome, self.table.labels
        answers = outcome.answers(labels, self.table.follow_up)
        has_probability = not {"probability", *answers}.isdisjoint(frame.names)
        if outcome.has_classes and "prediction" in frame.names and not has_probability:
            return self._of_labels(frame)
        says_yes = (
            len(answers) == 1 and labels[1:] and labels[1].lower() in {"1", *SAYS_YES}
        )
        if (
            says_yes and "probability" in frame.names
        ):  # else it may be that of either label
            answers = ["probability"]
        values = np.column_stack(
            [frame.numbers(frame.position_of(name)) for name in answers]
        )
        parts = [values] if outcome.has_classes else values.T[..., None]
        for p in [] if outcome.is_number else parts:  # those of survival have no sum
            check_probabilities(p, lambda line: f"{frame.where}: row {row[line]:.0f}")
        return values

    def _of_labels(self, frame: Frame) -> Floats:
        """Return predicted labels as probabilities of 0 and 1 [line, answer]."""
        if self.metric != "accuracy":
            raise OptionError(
                f"{frame.where}: labels alone have no {METRICS[self.metric].words}",
                f"Give probabilities, or make a gate with {spell('metric', 'accuracy')}.",
            )
        labels = self.table.labels
        schema = ColumnSchema("prediction", "category", labels)
        codes = read_rows(frame, [frame.position_of("prediction")], [schema]).columns[0]
        classes = np.arange(int(self.table.outcome.has_threshold), len(labels))
        return np.where(codes[:, None] < 0, np.nan, codes[:, None] == classes)


def name_of(candidate: Any) -> str:
    """Return the name of a candidate, in words or in code; of a pipeline that of its last step."""
    if _is_estimator(candidate):
        _, last = getattr(candidate, "steps", [("", candidate)])[-1]
        return str(getattr(last, "__name__", type(last).__name__))
    return candidate if isinstance(candidate, str) else candidate_from(candidate).name


def _is_estimator(candidate: Any) -> bool:
    return hasattr(candidate, "fit")


def _experiment_of_one(
    table: Table, candidate: Any, drop: Sequence[str], metric: str
) -> Experiment:
    """Return the experiment that fits one candidate or estimator alone, without some columns."""
    design = Design(metric=metric, baselines=[])
    if _is_estimator(candidate):
        name = name_of(candidate)
        design = dataclasses.replace(
            design, baselines=[{name: candidate}], reference=name
        )
        experiment = specify(table, ["prior"], recipe=Recipe(), design=design)
        (estimator,) = experiment.estimators
        estimator = dataclasses.replace(estimator, without=tuple(drop))
        return dataclasses.replace(experiment, groups=(), estimators=(estimator,))
    experiment = specify(table, [candidate], recipe=Recipe(), design=design)
    group = experiment.groups[-1]
    name = experiment.names[-1]
    # Of auto, the blend alone.
    lines = {member: line for member, line in group.lines.items() if line == name}
    group = dataclasses.replace(group, lines=lines, without=tuple(drop))
    return dataclasses.replace(experiment, groups=(group,), reference=name)


def lock_and_split(table: Table, metric: str | None) -> GateRows:
    """Lock a fifth of the rows, and divide the others into folds as a comparison does. OptionError
    for too few rows."""
    if table.folds is not None:
        raise OptionError(
            f"a gate divides rows at random, not by '{table.folded_by}'",
            f"Keep rows together with {spell('group', table.folded_by)}.",
        )
    if table.times is not None:
        split = time_holdout(table.times, groups=table.groups)
    else:
        split = holdout(table.target, groups=table.groups)
    train = np.sort(split.train)
    test = np.sort(split.test)
    rows = table.of_rows(train)
    design = design_of(rows, Design())
    name = metric_of(rows, metric, design)
    outside = table.outcome.n_outside(table, test)
    groups = None if table.groups is None else table.groups[test]
    sizes = (
        (len(test), FEWEST_TESTED),
        (outside, FEWEST_TESTED_OUTSIDE),
        (None if groups is None else len(np.unique(groups)), FEWEST_TESTED_GROUPS),
    )
    why = ""
    if METRICS[name].row_loss is None:
        why = f"{name} is a score of many rows together"
    if not design.has_verdict:
        why = design.reason
    if any(size is not None and size < fewest for size, fewest in sizes):
        needed = f"{FEWEST_TESTED} rows, {FEWEST_TESTED_OUTSIDE} outside the largest class, and {FEWEST_TESTED_GROUPS} groups"
        fifth = counted(len(test), "row")
        why = f"a fifth of it is {fifth}, and a claim takes {needed}"
    if why:
        raise OptionError(
            f"{table.name} can't have a gate: {why}",
            "Give more rows, or another metric.",
        )
    splits = tuple(
        dataclasses.replace(split, train=train[split.train], test=train[split.test])
        for split in splits_of(rows, design)
    )
    return GateRows(table, train, test, splits, design, name)


def written_table(table: Any, folder: Path) -> Path:
    """Write a data frame into the folder of a try, and return the path. DataError for anything
    else."""
    try:
        frame = nw.from_native(table, eager_only=True)
    except TypeError:
        raise DataError(
            f"a table can't be {shown(table)}", "Give a path or a data frame."
        ) from None
    with writing(folder, "Free some space."):
        folder.mkdir(parents=True, exist_ok=True)
        frame.write_csv(folder / "table.csv")
    return folder / "table.csv"


def matched_rows(frame: Frame, wanted: Frame, key: str, name: str) -> Frame:
    """Return the rows of a frame in the order of those wanted, by a column of both. DataError if it
    doesn't name each row once; ColumnError if there is no such column."""
    keys = wanted.cells(wanted.position_of(key))
    cells = frame.cells(frame.position_of(key))
    row_of = {cell: row for row, cell in enumerate(cells)}
    if (
        len({*keys}) < len(keys)
        or len(row_of) < len(cells)
        or not {*keys} <= row_of.keys()
    ):
        raise DataError(
            f"{frame.where}: column '{key}' doesn't name each row of {name} once",
            "Name a column of keys, and give all rows.",
        )
    ordered = frame.rows(np.array([row_of[cell] for cell in keys]), frame.where)
    return dataclasses.replace(frame, columns=ordered.columns, places=ordered.places)


def facts_of(
    rows: GateRows, metric: str | None, predictions: npt.NDArray[Any]
) -> dict[str, Any]:
    """Return what the first line of a ledger says of a gate: its table, its rows, and the score
    that decides, by predictions of the start."""
    table = rows.table
    zero = rows.result("", predictions).tested.loss_of_prior(rows.metric)
    score = DecidingScore.of(
        METRICS[rows.metric], Margin(1.0, "default"), zero, named=metric is not None
    ).shown
    source = (
        {"source": absolute_source(table.reading["source"])} if table.reading else {}
    )
    unit = "points" if score.in_points else f"in {score.words}"
    if score.percent:
        unit = f"points of {score.words}"
    return {
        "kind": "new",
        "table": table.name,
        "target": table.target_name,
        "reading": table.reading and {**table.reading, **source},
        "metric": metric,
        "n_open": len(rows.open),
        "n_locked": len(rows.locked),
        "scale": score.scale,
        "unit": unit,
        "clusters": [note.column for note in table.notes if note.code == "SB210"],
        "specification": rows.specification,
    }


def absolute_source(source: str | Path) -> str:
    """Return a source so that it is found from any folder."""
    return str(Path(source).resolve()) if Path(source).is_file() else str(source)
