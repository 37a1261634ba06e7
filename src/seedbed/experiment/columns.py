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
_MOST_LEVELS = 50  # of categories that are compared with each other


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
    least 0.9, where two numbers have their rank correlation, a number and a category the
    correlation ratio of ranks, and two categories Cramer's V, both corrected for their numbers of
    levels. Nothing depends on the target."""
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
    # A missing category is a level of its own.
    a, b = (
        np.nan_to_num(one.values, nan=-1)
        if one.schema.kind == "category"
        else one.values
        for one in (first, second)
    )
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < max(3, len(known) / 2) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    if first.schema.kind != "category" and second.schema.kind != "category":
        return abs(float(np.corrcoef(mean_ranks(a), mean_ranks(b))[0, 1]))
    if first.schema.kind == second.schema.kind:
        return _cramer(a, b)
    levels, numbers = (
        (a, mean_ranks(b)) if first.schema.kind == "category" else (b, mean_ranks(a))
    )
    codes = np.unique(levels, return_inverse=True)[1]
    n = len(codes)
    k = int(codes.max()) + 1
    means = np.bincount(codes, numbers) / np.bincount(codes)
    inside = float(((numbers - means[codes]) ** 2).sum()) / max(1, n - k)
    return max(0.0, 1 - inside / float(numbers.var(ddof=1))) ** 0.5 if n > k else 0.0


def _cramer(a: Floats, b: Floats) -> float:
    """Return Cramer's V with Bergsma's correction (2013)."""
    rows, columns = (np.unique(values, return_inverse=True)[1] for values in (a, b))
    n = len(a)
    r = int(rows.max()) + 1
    c = int(columns.max()) + 1
    if max(r, c) > _MOST_LEVELS:
        return float(np.array_equal(rows, columns))
    counts = np.zeros((r, c))
    np.add.at(counts, (rows, columns), 1.0)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi = max(
        0.0,
        float(((counts - expected) ** 2 / expected).sum()) / n
        - (r - 1) * (c - 1) / (n - 1),
    )
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float((phi / least) ** 0.5) if least > 0 else 0.0


def _clusters(columns: Sequence[Column], n: int) -> list[tuple[int, ...]]:
    """Return at most n groups of columns, by rank correlation; categories are ranked by the order
    of their levels."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    filled = (
        np.nan_to_num(column.values, nan=float(np.nanmedian(column.values)))
        for column in columns
    )
    ranks = np.stack([*map(mean_ranks, filled)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks /= np.where(sizes > 0, sizes, 1.0)
    far = 1 - np.abs(ranks @ ranks.T).clip(0, 1)
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
    level: dict[str, Any] = {"alpha": larger.alpha, "comparisons": comparisons}
    n = min(len(larger.predictions), len(smaller.predictions))
    y = larger.target[:, None]
    if larger.n_classes > 2:
        y = np.eye(larger.n_classes)[larger.target]
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
    scale = larger.target_variance or 1.0
    of_larger, of_smaller = np.stack(by_larger) / scale, np.stack(by_smaller) / scale
    if larger.design.kind == "held_out":
        rows = larger.tested
        noise = of_larger[0].mean(axis=0) - of_larger[0]
        about: dict[str, Any] = {
            "groups": larger.tested_groups,
            "times": larger.tested_times,
        }
        return paired_hold_out(of_smaller[0][:, rows], noise[:, rows], **about, **level)
    splits = [split for split in larger.splits if split.repeat < n]
    both = (
        [values[one.repeat][:, one.test].mean(axis=1) for one in splits]
        for values in (of_larger, of_smaller)
    )
    shaped = [np.stack(of_folds).reshape(n, -1, len(of_folds[0])) for of_folds in both]
    level |= {"groups": larger.tested_groups, "seed_noise": seed_noise(*shaped)}
    return corrected_t(shaped[1].mean(axis=2), **level)
