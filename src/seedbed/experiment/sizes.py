"""Would more rows help: a finished comparison again, with smaller training sets and the same test
rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from seedbed.data.splits import Split, sample_rows
from seedbed.data.table import Table
from seedbed.errors import DataError, counted
from seedbed.evaluation.analyses import RowForecast, Rows, TrainingSize, forecast_rows
from seedbed.evaluation.estimates import Interval
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.summaries import Conclusion
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import Results, run
from seedbed.experiment.spec import Experiment
from seedbed.networks.draws import derive
from seedbed.scoring import Result, of_one_model
from seedbed.settings.design import Compute

_MOST_SIZES = 6
_FEWEST_ROWS, _FEWEST_OUTSIDE, _FEWEST_GROUPS = (
    30,
    5,
    5,
)  # of a training set; outside its largest class
_MOST_REPEATS = (
    2  # of the smaller sizes, so that all take about as long as the largest one
)


def smaller_splits(
    table: Table, splits: Sequence[Split], random_state: int
) -> list[tuple[Split, ...]]:
    """Return the splits with half of their training rows, a quarter and so on to a 32nd, the
    largest first; those with fewer than 30 rows, 5 rows outside the largest class or 5 groups are
    left out.

    Each training set is a part of the next larger one, test rows stay the same. Rows are drawn by
    `sample_rows`; those with times are the latest.
    """
    sizes = []
    for halvings in range(1, _MOST_SIZES):
        smaller = tuple(
            _smaller(table, split, halvings, random_state) for split in splits
        )
        if min(_enough(table, split) for split in smaller) < 1:
            break
        sizes.append(smaller)
    return sizes


def _smaller(table: Table, split: Split, halvings: int, random_state: int) -> Split:
    n_rows = max(1, round(len(split.train) / 2**halvings))
    train = np.sort(split.train)
    if table.times is not None:
        latest = np.argsort(table.times[train], kind="stable")[-n_rows:]
        return dataclasses.replace(split, train=np.sort(train[latest]))
    state = derive(random_state, "rows", split.repeat, split.fold) % 2**32
    groups = None if table.groups is None else table.groups[train]
    strata = (
        np.zeros(len(train), dtype=np.int64)
        if table.outcome.is_number
        else table.target[train]
    )
    rows = sample_rows(strata, n_rows, random_state=state, groups=groups, fewest=1)
    return dataclasses.replace(split, train=train[rows])


def _enough(table: Table, split: Split) -> float:
    """Return how many times the fewest rows, rows outside the largest class, and groups a training
    set has."""
    times = [len(split.train) / _FEWEST_ROWS]
    if not table.outcome.is_number:
        times.append(
            (len(split.train) - int(np.bincount(table.target[split.train]).max()))
            / _FEWEST_OUTSIDE
        )
    if table.groups is not None:
        times.append(len(np.unique(table.groups[split.train])) / _FEWEST_GROUPS)
    return min(times)


def check_sizes(experiment: Experiment) -> None:
    """Raise DataError if half of the training rows is too few to learn from."""
    table = experiment.table
    splits = experiment.splits()
    if not smaller_splits(table, splits, experiment.random_state):
        outside = (
            ""
            if table.outcome.is_number
            else f", {_FEWEST_OUTSIDE} of them outside the largest class"
        )
        groups = "" if table.groups is None else f", in {_FEWEST_GROUPS} groups"
        message = f"{table.name} has {counted(len(splits[0].train), 'row')} to train on, and half of them are too few"
        raise DataError(
            message,
            f"A training set needs {_FEWEST_ROWS} rows{outside}{groups}; add rows.",
        )


def add_sizes(
    results: Results,
    conclusion: Conclusion,
    compute: Compute,
    folder: Path | None,
    tell: Callable[[str], None],
) -> Conclusion:
    """Return the conclusion of a finished comparison with the losses of smaller training sets,
    and forecasts.

    The models are fitted again to parts of each split's training rows, in at most two repeats.
    Arguments are those of `Comparison.rows`.
    """
    if results.ended == "interrupted" or conclusion.rows is not None:
        return conclusion  # or it is read back from its folder
    spec = results.experiment
    repeats = min(_MOST_REPEATS, spec.design.repeats)
    design = dataclasses.replace(
        spec.design, repeats=repeats, stops=False, time_limit=None
    )
    smaller = dataclasses.replace(spec, design=design)
    names = [name for name in spec.names if results[name].finite]
    by_size = [results]
    first = [split for split in results.splits if split.repeat < repeats]
    for splits in smaller_splits(spec.table, first, spec.random_state):
        tell(f"training sets of {_rows_of(splits):,} rows")
        by_size.insert(0, run(make_plan(smaller, compute, splits), folder))
    sizes = list[TrainingSize]()
    for of_size in by_size:
        losses = {
            name: _loss(of_size[name], spec.metric)
            for name in names
            if of_size[name].finite
        }
        sizes.append(TrainingSize(n_train=_rows_of(of_size.splits), losses=losses))
    n_train = [size.n_train for size in sizes]
    forecasts = list[RowForecast]()
    refused = dict[str, str]()
    for name in names:
        if name == "prior":
            continue
        curve = [of_size[name] for of_size in by_size]
        answers, why = _forecast(
            curve, n_train, repeats, spec, conclusion.metric.of_prior
        )
        refused |= {name: why} if why else {}
        forecasts += [
            RowForecast(
                candidate=name,
                times=times,
                n_train=times * n_train[-1],
                loss=loss,
                gain=gain,
            )
            for times, (loss, gain) in answers.items()
        ]
    left_out = tuple(name for name in spec.names if name not in names)
    rows = Rows(
        repeats=repeats,
        sizes=tuple(sizes),
        forecasts=tuple(forecasts),
        refused=refused,
        left_out=left_out,
    )
    return dataclasses.replace(conclusion, rows=rows)


def _rows_of(splits: Sequence[Split]) -> int:
    return round(float(np.mean([len(split.train) for split in splits])))


def _loss(result: Result, metric: str) -> Interval:
    """Return the mean loss with the interval of its score, or without one if there is none."""
    mean = float(result.losses(metric).mean())
    score = result.scores[metric]
    if score.mean is None or score.low is None or score.high is None:
        return Interval(mean=mean, low=mean, high=mean)
    ends = (
        (1 - score.high, 1 - score.low)
        if METRICS[metric].greater_is_better
        else (score.low, score.high)
    )
    return Interval(mean=mean, low=ends[0], high=ends[1])


def _forecast(
    curve: Sequence[Result],
    n_train: Sequence[int],
    repeats: int,
    spec: Experiment,
    prior: float | None,
) -> tuple[dict[int, tuple[Interval, Interval]], str]:
    """Return the forecasts of one model from its results at each size, or why there are none."""
    if not all(result.finite for result in curve):
        return {}, next(
            (result.failure for result in curve if result.failure),
            "its networks diverged at some sizes",
        )
    if spec.design.kind != "cross_validation":
        return (
            {},
            "rows are split by time"
            if spec.table.times is not None
            else "there is one split",
        )
    folds = [
        result.losses(spec.metric)[:repeats].mean(axis=2).ravel() for result in curve
    ]
    k = spec.design.folds
    estimate = of_one_model(curve[-1], spec.metric)
    blocks = np.stack(folds, axis=1)
    scale = 1 / len(blocks) + 1 / (k - 1)
    offset = max(0.0, estimate.se**2 - float(blocks[:, -1].var(ddof=1)) * scale)
    answers, why = forecast_rows(
        n_train,
        blocks,
        scale=scale,
        df=k - 1,
        offset=offset,
        prior=prior,
        random_state=spec.random_state % 2**32,
    )
    return dict(answers), why
