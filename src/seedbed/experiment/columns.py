"""Which columns help: one model with all columns, and again without each, on the same splits."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from seedbed.data import LEFT_OUT, Column, Encoding, Split, Table, encode, is_large
from seedbed.errors import ColumnError, OptionError, did_you_mean
from seedbed.evaluation import Columns, Conclusion, Protocol
from seedbed.experiment.baseline_fits import STANDARD, FittedModel
from seedbed.experiment.comparison import Comparison
from seedbed.experiment.model_plan import compared_candidate, opened_run, specified_as, table_of_run
from seedbed.experiment.plan import make_plan
from seedbed.experiment.run import run_in
from seedbed.experiment.spec import Experiment, specify
from seedbed.model import AUTO
from seedbed.networks import Candidate
from seedbed.report import label_of
from seedbed.settings import Compute, Design, Recipe, recipe_in
from seedbed.training import derive, with_inputs_of
from seedbed.typing import Floats

__all__ = ["specify_columns", "with_alone"]

_ALL = "all columns"
_MOST_ASKED = 40  # questions; more columns are left out in so many groups

_DEFAULT = "relu:5"
_PATH = re.compile(r"([^=(]+=)?[A-Za-z_]\w*(\.\w+)+(:\w+)?(\(|$)")
_CLOSE = 0.9
_MOST_COLUMNS = 5_000  # whose correlations are computed
_MOST_LEVELS = 50  # of categories that are compared with each other

Model = Candidate | FittedModel


def specify_columns(
    table: Table | Path,
    model: Any = None,
    columns: Sequence[str] = (),
    *,
    recipe: Recipe,
    design: Design,
    command: str = "",
    rows: int | None = None,
) -> Experiment:
    """Return the experiment that trains a model with all columns, and without each one.

    Args:
        table: the table; or the folder of a finished comparison, whose table, splits, network and recipe are taken.
        model: a candidate, `auto` or a baseline; `relu:5` if left out, or the network that the comparison advises.
        columns: those to ask about; all if left out.
        recipe, design, command, rows: as in `specify`.

    Raises:
        ColumnError: there is no such column.
        SeedbedError: the model or an option can't be used, or the folder holds no finished comparison.
    """
    source: Literal["named", "default", "run"] = "default" if model is None else "named"
    conclusion: Conclusion | None = None
    if isinstance(table, Path):
        folder, source = table, "run" if model is None else "named"
        conclusion, stored = opened_run(folder)
        model = _advised(conclusion) if model is None else model
        networks, instead = conclusion.specification["candidates"], "Name the table in place of the folder."
        saved = next((one for one in networks if one["name"] == model), None)
        if networks:  # a network that wasn't compared is trained as the first one
            recipe = recipe_in(saved or networks[0])
        if saved is not None:
            code = f"If you trust it, name it as candidate: {model}." if source == "run" else ""
            model = compared_candidate(saved, stored, recipe, code=code, instead=instead)
        table = table_of_run(folder, conclusion, stored, instead)
    name = _DEFAULT if model is None else model
    if isinstance(name, str) and name.isidentifier() | ("-" in name and name.replace("-", "").isidentifier()):
        known = (*dict.fromkeys(itertools.chain(*STANDARD.values())), AUTO, "logistic")
        if name not in known:
            raise OptionError(f"no model '{name}'", did_you_mean(name, known))
    is_baseline, is_auto = _is_baseline(name), isinstance(name, str) and name == AUTO
    given, baselines = [_DEFAULT, AUTO] if is_auto else [_DEFAULT if is_baseline else name], [name] * is_baseline
    if conclusion is None:
        design = dataclasses.replace(design, baselines=baselines, reference=None, auto=False)
        base = specify(table, given, recipe=recipe, design=design, command=command, rows=rows)
    else:
        base = specified_as(conclusion, table, given, recipe=recipe, baselines=baselines, command=command)
    chosen: Model = base.fitted[0] if is_baseline or is_auto else base.candidates[0]
    others = ((names, f"without {label_of(names)}") for names in _questions(base.table, columns))
    variants = [(chosen, _ALL, ()), *((chosen, words, dropped) for dropped, words in others)]
    return _of(
        base,
        variants,
        columns=Columns(model=chosen.name, source=source, n_columns=base.table.n_features, effects=()),
    )


def _advised(conclusion: Conclusion) -> str:
    """Return the network that a comparison advises, or its best one where that is none or the blend."""
    networks = [summary.name for summary in conclusion.candidates if summary.kind == "network"]
    advised = [] if conclusion.advice is None else [conclusion.advice.network]
    best = [name for name in (*advised, *conclusion.ranking) if name in networks]
    if not best:
        raise OptionError("this comparison has no network", "Name a model, such as relu:5 or boosted-trees.")
    return best[0]


def _is_baseline(model: Any) -> bool:
    """Return whether a model is a baseline: a name of seedbed's own, an import path, or an object with `fit`."""
    if not isinstance(model, str):
        return hasattr(model, "fit")
    return model in itertools.chain(*STANDARD.values()) or bool(_PATH.match(model) and ".py:" not in model)


def _of(experiment: Experiment, variants: Sequence[tuple[Model, str, tuple[str, ...]]], **changes: Any) -> Experiment:
    """Return an experiment with these models in place of its own: (model, its name, columns that it doesn't see)."""
    models = [dataclasses.replace(model, name=name, without=without) for model, name, without in variants]
    candidates = tuple(model for model in models if isinstance(model, Candidate))
    fitted = tuple(model for model in models if isinstance(model, FittedModel))
    return dataclasses.replace(
        experiment, candidates=candidates, fitted=fitted, reference=models[0].name, sweeps=(), **changes
    )


# ---- what is asked


def _questions(table: Table, asked: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sets of columns that are left out: each column, and those together that stand for each other."""
    names = table.feature_names
    for name in asked:
        if name not in names:
            why = next((note.message for note in table.notes if note.column == name and note.code in LEFT_OUT), "")
            raise ColumnError(why or f"no column '{name}' among the features", did_you_mean(name, names))
    wanted = tuple(dict.fromkeys(asked)) or names
    if asked and len(wanted) > _MOST_ASKED:
        raise OptionError(f"{len(wanted)} columns are asked about", f"Name at most {_MOST_ASKED}.")
    if len(names) > _MOST_COLUMNS and not asked:
        message = f"{table.name} has {len(names):,} columns, and at most {_MOST_COLUMNS:,} are divided into groups"
        raise OptionError(message, "Name the columns that you ask about (column: NAME).")
    columns = [table.columns[names.index(name)] for name in wanted]
    if len(wanted) > _MOST_ASKED:
        return [tuple(wanted[place] for place in group) for group in _clusters(columns, _MOST_ASKED)]
    groups = [tuple(wanted[place] for place in group) for group in substitutes_of(columns)]
    return [*((name,) for name in wanted), *groups]


def substitutes_of(columns: Sequence[Column]) -> list[tuple[int, ...]]:
    """Return the groups of columns that stand for each other: those joined by associations of at least 0.9, where two
    numbers have their rank correlation, a number and a category the correlation ratio of ranks, and two categories
    Cramer's V, both corrected for their numbers of levels. Nothing depends on the target."""
    from scipy.sparse.csgraph import connected_components

    close = np.zeros((len(columns), len(columns)), dtype=bool)
    for i, j in itertools.combinations(range(len(columns)), 2):
        close[i, j] = _association(columns[i], columns[j]) >= _CLOSE
    n_groups, labels = connected_components(close, directed=False)
    groups = [tuple(np.flatnonzero(labels == label).tolist()) for label in range(n_groups)]
    return [group for group in groups if len(group) > 1]


def _association(first: Column, second: Column) -> float:
    # A missing category is a level of its own.
    a, b = (
        np.nan_to_num(one.values, nan=-1) if one.schema.kind == "category" else one.values for one in (first, second)
    )
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = a[known], b[known]
    if len(a) < max(3, len(known) / 2) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    from scipy.stats import rankdata

    if first.schema.kind != "category" and second.schema.kind != "category":
        return abs(float(np.corrcoef(rankdata(a), rankdata(b))[0, 1]))
    if first.schema.kind == second.schema.kind:
        return _cramer(a, b)
    levels, numbers = (a, rankdata(b)) if first.schema.kind == "category" else (b, rankdata(a))
    codes = np.unique(levels, return_inverse=True)[1]
    n, k = len(codes), int(codes.max()) + 1
    means = np.bincount(codes, numbers) / np.bincount(codes)
    inside = float(((numbers - means[codes]) ** 2).sum()) / max(1, n - k)
    return max(0.0, 1 - inside / float(numbers.var(ddof=1))) ** 0.5 if n > k else 0.0


def _cramer(a: Floats, b: Floats) -> float:
    """Return Cramer's V with Bergsma's correction (2013)."""
    rows, columns = (np.unique(values, return_inverse=True)[1] for values in (a, b))
    n, r, c = len(a), int(rows.max()) + 1, int(columns.max()) + 1
    if max(r, c) > _MOST_LEVELS:
        return float(np.array_equal(rows, columns))
    counts = np.zeros((r, c))
    np.add.at(counts, (rows, columns), 1.0)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / n
    phi = max(0.0, float(((counts - expected) ** 2 / expected).sum()) / n - (r - 1) * (c - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float((phi / least) ** 0.5) if least > 0 else 0.0


def _clusters(columns: Sequence[Column], n: int) -> list[tuple[int, ...]]:
    """Return at most n groups of columns, by rank correlation; categories are ranked by the order of their levels."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from scipy.stats import rankdata

    ranks = np.stack(
        [rankdata(np.nan_to_num(column.values, nan=float(np.nanmedian(column.values)))) for column in columns]
    )
    ranks -= ranks.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks /= np.where(sizes > 0, sizes, 1.0)
    far = 1 - np.abs(ranks @ ranks.T).clip(0, 1)
    np.fill_diagonal(far, 0.0)
    labels = fcluster(linkage(squareform(far, checks=False), "average"), n, "maxclust")
    return [tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]


# ---- beside the verdicts


def with_alone(comparison: Comparison, compute: Compute, folder: Path | None = None) -> Comparison:
    """Return a finished comparison of columns with two figures beside each verdict, on the first repeat: the loss of a
    model that has only these columns, and the rise if their values are shuffled among the test rows.

    Args:
        compute: what trains, and where.
        folder: of the run, where finished work is kept until the results are written.
    """
    answer, spec = comparison.conclusion.columns, comparison.experiment
    assert answer is not None
    if comparison.ended == "interrupted" or any(effect.alone is not None for effect in answer.effects):
        return comparison  # or it is read back from its folder
    effects, names = list(answer.effects), spec.table.feature_names
    model: Model = spec.candidates[0] if spec.candidates else spec.fitted[0]
    first = dataclasses.replace(spec.design, repeats=1, stops=False)
    only = [
        (model, f"only {label_of(effect.columns)}", tuple(name for name in names if name not in effect.columns))
        for effect in effects
    ]
    plan = make_plan(_of(spec, only, design=first, columns=None), compute)
    alone = {result.name: result for result in run_in(plan, folder).results}
    shuffled = _shuffled(spec, model, first, [effect.columns for effect in effects], plan.splits, compute, folder)
    effects = [
        dataclasses.replace(
            effect,
            alone=float(alone[name].losses(spec.metric).mean()) if alone[name].finite else None,
            shuffled=next(shuffled, None),
        )
        for effect, (_, name, _) in zip(effects, only, strict=True)
    ]
    columns = dataclasses.replace(answer, effects=tuple(effects))
    return dataclasses.replace(comparison, conclusion=dataclasses.replace(comparison.conclusion, columns=columns))


def _shuffled(
    spec: Experiment,
    model: Model,
    design: Protocol,
    questions: Sequence[tuple[str, ...]],
    splits: Sequence[Split],
    compute: Compute,
    folder: Path | None,
) -> Iterator[float]:
    """Yield for each set of columns how much the loss rises on rows where they are shuffled.

    The table gets a copy of its rows for each set. The copies of test rows are predicted by the networks of their split
    and train none. Nothing is yielded for tables that are too large to be copied so often.
    """
    table, encoding = spec.table, encode(spec.table)
    n, times = table.n_rows, 1 + len(questions)
    if encoding.is_large or is_large(n * times, encoding.layout.n_inputs):
        return
    rng = np.random.default_rng(derive(spec.random_state, "shuffled") % 2**63)
    order = np.tile(np.arange(n), (times, 1))
    for copy, split in itertools.product(range(1, times), splits):
        order[copy, split.test] = rng.permutation(split.test)
    plain, columns = np.tile(np.arange(n), times), []
    for column in table.columns:
        rows = np.stack([order[0]] + [order[copy] if column.name in names else order[0]
                                      for copy, names in enumerate(questions, 1)])  # fmt: skip
        columns.append(Column(column.schema, column.values[rows.ravel()]))
    copied = dataclasses.replace(table.of_rows(plain), columns=tuple(columns))
    tested = tuple(
        dataclasses.replace(split, test=(np.arange(times)[:, None] * n + split.test).ravel()) for split in splits
    )
    if isinstance(model, Candidate):
        model = with_inputs_of(model, table)
    asked = _of(dataclasses.replace(spec, table=copied), [(model, _ALL, ())], design=design, columns=None)
    plan = make_plan(asked, compute, tested, Encoding(encoding.layout, copied.features))
    (result,) = run_in(plan, folder).results
    if not result.finite:
        return
    losses = result.row_losses(spec.metric).mean(axis=(0, 1)).reshape(times, n)
    rows = np.unique(np.concatenate([split.test for split in splits]))
    usual, *others = losses[:, rows].mean(axis=1).tolist()
    yield from (loss - usual for loss in others)
