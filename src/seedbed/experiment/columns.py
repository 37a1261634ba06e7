"""Which columns help: one model with all columns, and again without each, on the same splits."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from seedbed.data.kinds import LEFT_OUT
from seedbed.data.table import Column, Table
from seedbed.errors import CandidateError, ColumnError, OptionError, did_you_mean, spell
from seedbed.evaluation.analyses import Columns
from seedbed.evaluation.estimates import (
    Estimate,
    corrected_t,
    mean_ranks,
    paired_hold_out,
)
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import seed_noise
from seedbed.experiment.fits import Estimator, Group
from seedbed.experiment.spec import Experiment, specify
from seedbed.model.portfolio import AUTO
from seedbed.report.analyses_text import label_of
from seedbed.scoring import Result
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe
from seedbed.typing import Floats

_ALL = "all columns"
_MOST_ASKED = 40  # questions; more columns are left out in so many groups

_DEFAULT = "network-1"
_CLOSE = 0.9
_MOST_COLUMNS = 5_000  # whose correlations are computed
_MOST_LEVELS = 50  # of a category that isn't ranked


def specify_columns(
    table: Table,
    model: Any = None,
    columns: Sequence[str] = (),
    *,
    recipe: Recipe,
    design: Design,
    command: str = "",
) -> Experiment:
    """Return the experiment that trains a model with all columns, and without each one: a
    candidate, the name of a default model, `auto` or an estimator; `network-1` if left out. All
    columns are asked about if none is named."""
    name = _DEFAULT if model is None else model
    estimator = _is_estimator(name)
    baselines = ["prior", name] if estimator else ["prior"]
    design = dataclasses.replace(design, baselines=baselines, reference=None)
    base = specify(
        table,
        [AUTO if estimator else name],
        recipe=recipe,
        design=design,
        command=command,
    )
    compared = [
        *(one.name for one in base.estimators),
        *({AUTO} & {*base.names}),
        *base.names,
    ]
    return _without_each(
        base, compared[0], columns, "default" if model is None else "named"
    )


def columns_of_comparison(
    experiment: Experiment,
    conclusion: Conclusion,
    model: str | None,
    columns: Sequence[str],
) -> Experiment:
    """Return the experiment that trains a model of a finished comparison, by default the
    recommended one, with all columns, and without each one. CandidateError or ColumnError if there
    is no such model or column."""
    advised = [] if conclusion.advice is None else [conclusion.advice.use]
    best = next(
        (one for one in [*advised, *conclusion.ranking] if one != "prior"), None
    )
    if (name := best if model is None else model) is None:
        raise OptionError(
            "this comparison recommends no model",
            "Name one, such as network-1 or boosted-trees.",
        )
    if name not in experiment.names:
        raise CandidateError(
            f"no candidate '{name}' in this comparison",
            did_you_mean(name, experiment.names),
        )
    base = dataclasses.replace(
        experiment, design=Protocol(**conclusion.specification["design"]), command=""
    )
    return _without_each(base, name, columns, "run" if model is None else "named")


def _without_each(
    base: Experiment,
    name: str,
    columns: Sequence[str],
    source: Literal["named", "default", "run"],
) -> Experiment:
    """Return the experiment of one model with all columns and without each, on the splits of
    another experiment."""
    unit = next(unit for unit in base.units if name in unit.names)
    if isinstance(unit, Group):
        members = tuple(
            one
            for one in unit.members
            if name == AUTO or unit.lines.get(one.name) == name
        )
        unit = dataclasses.replace(
            unit,
            members=members,
            lines={AUTO if name == AUTO else members[0].name: name},
        )
    about = Columns(
        model=name, source=source, n_columns=base.table.n_features, effects=()
    )
    groups = list[Group]()
    estimators = list[Estimator]()
    for without in ((), *_questions(base.table, columns)):
        label = f"without {label_of(without)}" if without else _ALL
        if isinstance(unit, Group):
            groups.append(
                dataclasses.replace(
                    unit, lines=dict.fromkeys(unit.lines, label), without=without
                )
            )
        else:
            estimators.append(dataclasses.replace(unit, name=label, without=without))
    return dataclasses.replace(
        base,
        groups=tuple(groups),
        estimators=tuple(estimators),
        reference=_ALL,
        missing={},
        columns=about,
    )


def _is_estimator(model: Any) -> bool:
    """Return whether a model is an estimator, or the import path of one. Arguments of an activation
    may have points."""
    if not isinstance(model, str):
        return hasattr(model, "fit")
    path = model.partition("(")[0].partition("@")[0]
    return "." in path and ".py:" not in path


# ---- what is asked


def _questions(table: Table, named_columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sets of columns that are left out: each column, and those together that stand for
    each other."""
    names = table.feature_names
    for name in named_columns:
        if name not in names:
            why = next(
                (
                    note.message
                    for note in table.notes
                    if note.column == name and note.code in LEFT_OUT
                ),
                "",
            )
            raise ColumnError(
                why or f"no column '{name}' among the features",
                did_you_mean(name, names),
            )
    wanted = tuple(dict.fromkeys(named_columns)) or names
    if named_columns and len(wanted) > _MOST_ASKED:
        raise OptionError(
            f"{len(wanted)} columns are asked about", f"Name at most {_MOST_ASKED}."
        )
    if len(names) > _MOST_COLUMNS and not named_columns:
        message = f"{table.name} has {len(names):,} columns, and at most {_MOST_COLUMNS:,} are divided into groups"
        raise OptionError(
            message, f"Name the columns that you ask about: {spell('column', 'NAME')}."
        )
    columns = [table.columns[names.index(name)] for name in wanted]
    if len(wanted) > _MOST_ASKED:
        return [
            tuple(wanted[place] for place in group)
            for group in _clusters(columns, _MOST_ASKED)
        ]
    groups = [
        tuple(wanted[place] for place in group) for group in substitutes_of(columns)
    ]
    return [*((name,) for name in wanted), *groups]


def substitutes_of(columns: Sequence[Column]) -> list[tuple[int, ...]]:
    """Return the groups of columns that stand for each other: those joined by associations of at
    least 0.9. Nothing depends on the target."""
    from scipy.sparse.csgraph import connected_components

    close = np.zeros((len(columns), len(columns)), dtype=bool)
    for i, j in itertools.combinations(range(len(columns)), 2):
        close[i, j] = _association(columns[i], columns[j]) >= _CLOSE
    n_groups, labels = connected_components(close, directed=False)
    groups = [
        tuple(np.flatnonzero(labels == label).tolist()) for label in range(n_groups)
    ]
    return [group for group in groups if len(group) > 1]


def _association(first: Column, second: Column) -> float:
    """Return Cramer's V with Bergsma's correction (2013). A number counts as its ranks: of two it
    is their correlation, of a number and a category the correlation ratio."""
    is_category = [column.schema.kind == "category" for column in (first, second)]
    values = np.stack([first.values, second.values])
    values[is_category] = np.nan_to_num(
        values[is_category], nan=-1
    )  # a level of its own
    values = values[:, ~np.isnan(values).any(axis=0)]
    n = values.shape[1]
    if n < max(3, len(first.values) / 2):
        return 0.0
    a, b = map(_deviations, values, is_category)
    degrees = np.array([max(1, one.shape[1] - 1) for one in (a, b)])
    phi = float(((a.T @ b) ** 2).sum() - degrees.prod() / (n - 1))
    most = float((degrees - degrees**2 / (n - 1)).min())
    return (max(0.0, phi) / most) ** 0.5 if most > 0 else 0.0


def _deviations(values: Floats, is_category: bool) -> Floats:
    """Return deviations from the mean [row, level], whose products with those of another category
    have a sum of squares of chi-square by rows. Numbers, and categories of many levels, have one
    column of ranks."""
    levels, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if is_category and len(levels) <= _MOST_LEVELS:
        indicators = np.eye(len(levels))[codes] / counts**0.5
        return np.asarray(indicators - indicators.mean(axis=0))
    ranks = mean_ranks(values)
    ranks -= ranks.mean()
    return (ranks / (np.linalg.norm(ranks) or 1.0))[:, None]


def _clusters(columns: Sequence[Column], n: int) -> list[tuple[int, ...]]:
    """Return at most n groups of columns, by rank correlation; categories are ranked by the order
    of their levels."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    filled = (
        np.nan_to_num(column.values, nan=float(np.nanmedian(column.values)))
        for column in columns
    )
    ranks = np.hstack([_deviations(values, is_category=False) for values in filled])
    far = 1 - np.abs(ranks.T @ ranks).clip(0, 1)
    np.fill_diagonal(far, 0.0)
    labels = fcluster(linkage(squareform(far, checks=False), "average"), n, "maxclust")
    return [
        tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)
    ]


def added(
    larger: Result, smaller: Result, metric: str, *, comparisons: int = 1
) -> Estimate | None:
    """Return what a model adds to another one that has fewer columns; None for metrics that aren't
    a squared error.

    It is the mean of (y - p0) (p - p0), with p0 the prediction of the smaller model, of classes
    summed over them: half of Clark and West's statistic (2007) for nested models. Where the smaller
    model lacks nothing, its errors are unrelated to what the larger one adds, so the mean is zero;
    else it is, up to errors of both models, the loss that leaving out the columns costs. That loss
    is the difference of two squares, which vary twice as much.

    Both predictions are means over networks; that p0 appears twice is corrected by its variance
    over networks.

    Args:
        larger, smaller: finite results of the same splits; the level and the design are the larger
            one's.
        comparisons: number of simultaneous intervals.
    """
    if metric not in ("brier", "squared_error"):
        return None
    level: dict[str, Any] = {"alpha": larger.tested.alpha, "comparisons": comparisons}
    n = min(len(larger.predictions), len(smaller.predictions))
    y = larger.tested.target[:, None]
    if larger.tested.n_classes > 2:
        y = np.eye(larger.tested.n_classes)[larger.tested.target]
    by_larger, by_smaller = (
        [],
        [],
    )  # [row, seed], jackknifed over the seeds of either model
    for repeat in range(n):
        p, p0 = (
            np.asarray(sets[repeat], dtype=np.float64).reshape(
                sets.shape[1], len(y), -1
            )
            for sets in (one.sets(single=True) for one in (larger, smaller))
        )
        mean = p.mean(axis=0)
        mean0 = p0.mean(axis=0)
        seeds = len(p0)
        squares = (
            p0 * (seeds * mean0 - p0) / (seeds - 1) if seeds > 1 else p0**2
        )  # without the square of one seed
        square = squares.mean(axis=0)
        by_larger.append((y * (p - mean0) - mean0 * p + square).sum(axis=2))
        by_smaller.append(
            (y * (mean - p0) - mean * p0 + 2 * squares - square).sum(axis=2)
        )
    scale = larger.tested.target_variance or 1.0
    of_larger, of_smaller = np.stack(by_larger) / scale, np.stack(by_smaller) / scale
    if larger.tested.design.kind == "held_out":
        rows = larger.tested.rows
        noise = of_larger[0].mean(axis=0) - of_larger[0]
        about: dict[str, Any] = {
            "groups": larger.tested.groups_of_rows,
            "times": larger.tested.times_of_rows,
        }
        return paired_hold_out(of_smaller[0][:, rows], noise[:, rows], **about, **level)
    splits = [split for split in larger.tested.splits if split.repeat < n]
    both = (
        [values[one.repeat][:, one.test].mean(axis=1) for one in splits]
        for values in (of_larger, of_smaller)
    )
    shaped = [np.stack(of_folds).reshape(n, -1, len(of_folds[0])) for of_folds in both]
    level |= {"groups": larger.tested.groups_of_rows, "seed_noise": seed_noise(*shaped)}
    return corrected_t(shaped[1].mean(axis=2), **level)
