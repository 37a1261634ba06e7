"""What predictions depend on: partial dependence on each column."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seedbed.data.table import Table
from seedbed.errors import OptionError
from seedbed.evaluation.analyses import EffectCurve, Effects
from seedbed.model.ensemble import Ensemble
from seedbed.model.predicting import network_values, products_on_one_thread
from seedbed.training.parallel import one_thread, pick_jobs
from seedbed.typing import Floats

_MOST_VALUES, _MOST_ROWS = 20, 500
_MOST_SHOWN, _FEW_VALUES, _FEW_ROWS = 12, 5, 100
_MISSING, _LEAST_SHARE = "(missing)", 0.02


def effects_in(model: Ensemble, table: Table) -> Effects:
    """Return the partial dependence on the columns of the table that a model was fitted to, the
    largest change first.

    Numbers and dates of more than 20 values get 20 quantiles, from 5 to 95 %. Columns with one
    value are left out. If more than twelve are left, five values on 100 rows decide which are kept.
    Levels of fewer than 2 % of the rows are left out, and a missing cell is a level. Of several
    labels, the most frequent one is meant. OptionError if the model was fitted to another table.
    """
    if model.target_name != table.target_name or model.schemas != tuple(
        column.schema for column in table.columns
    ):
        raise OptionError(
            f"the model {model.candidate} was fitted to another table",
            "Fit it to this one.",
        )
    code = model.outcome.code_of(model.labels)
    code = int(np.bincount(table.target).argmax()) if code is None else code
    if table.n_rows > _MOST_ROWS:
        rng = np.random.default_rng(0)  # always the same rows
        rows = rng.choice(table.n_rows, _MOST_ROWS, replace=False)
        table = table.of_rows(np.sort(rows))
    inputs = model.preprocessor.inputs_of_values(table.features)
    columns = table.columns
    values = [
        column.values
        if column.schema.levels
        else column.values[~np.isnan(column.values)]
        for column in columns
    ]
    places = [
        place for place, of_column in enumerate(values) if len(np.unique(of_column)) > 1
    ]
    if len(places) > _MOST_SHOWN:
        few = inputs[:: -(-table.n_rows // _FEW_ROWS)]
        coarse = [
            -_curve(model, place, columns[place].values, few, code, _FEW_VALUES).change
            for place in places
        ]
        places = [
            places[rank] for rank in np.argsort(coarse, kind="stable")[:_MOST_SHOWN]
        ]
    curves = [
        _curve(model, place, columns[place].values, inputs, code) for place in places
    ]
    return Effects(
        model=model.candidate,
        networks=model.n_networks,
        label=model.labels[code] if model.labels else "",
        n_rows=table.n_rows,
        n_columns=len(model.schemas),
        until="" if model.follow_up is None else model.follow_up.words,
        curves=tuple(sorted(curves, key=lambda curve: -curve.change)),
    )


def _curve(
    model: Ensemble,
    place: int,
    cells: Floats,
    inputs: NDArray[np.float32],
    code: int,
    most: int = _MOST_VALUES,
) -> EffectCurve:
    schema = model.schemas[place]
    if schema.levels:  # no rare ones, as the model has hardly seen them
        cells = np.nan_to_num(cells, nan=-1.0)
        grid, counts = np.unique(cells, return_counts=True)
        is_level = grid >= 0
        ranked = np.lexsort((-counts, is_level))[: most + (~is_level).sum()]
        frequent = ranked[counts[ranked] >= _LEAST_SHARE * len(cells)]
        grid = np.sort(grid[frequent if len(frequent) > 1 else ranked])
        values = np.array([*schema.levels, _MISSING])[grid.astype(np.intp)]
    else:
        cells = cells[~np.isnan(cells)]
        grid = _quantiles(cells, most)
        values = grid
        if schema.kind == "date":
            unit: Literal["s", "D"] = (
                "s" if model.preprocessor.layout.timed[place] else "D"
            )
            values = np.datetime_as_string(grid.astype("datetime64[s]"), unit=unit)
    curves = _means(
        model,
        place,
        np.where(grid < 0, np.nan, grid) if schema.levels else grid,
        inputs,
        code,
    )
    mean = curves.mean(axis=1)
    present = cells[np.isin(cells, grid)] if schema.levels else cells
    return EffectCurve(
        column=schema.name,
        kind=schema.kind,
        values=tuple(values.tolist()),
        mean=tuple(mean.tolist()),
        spread=tuple(curves.std(axis=1).tolist()),
        change=float(np.interp(present, grid, mean).std()),
    )


def _means(
    model: Ensemble, place: int, grid: Floats, inputs: NDArray[np.float32], code: int
) -> Floats:
    """Return the networks' mean predictions [value, network] if all rows, whose inputs are given
    [row, input], have the same value of a column, by its values as a `Column` has them [value]."""
    of_column, changed = model.inputs_of_column(place, grid)

    def mean(value: NDArray[np.float32]) -> Floats:
        same = inputs.copy()
        same[:, of_column] = value
        return np.asarray(
            model.outcome.effect(network_values(model, same), model, code).mean(axis=1)
        )

    with (
        one_thread("cpu"),
        products_on_one_thread(),
        ThreadPoolExecutor(pick_jobs(None)) as pool,
    ):
        return np.array([*pool.map(mean, changed)])


def _quantiles(numbers: Floats, most: int) -> Floats:
    """Return all values of a column; of more than `most`, so many quantiles, and a value that most
    rows have, which would be all quantiles."""
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) <= most:
        return values
    usual = values[2 * counts > counts.sum()]
    at = np.linspace(1 / most, 1 - 1 / most, most)
    others = numbers[~np.isin(numbers, usual)]
    quantiles = np.quantile(others, at, method="inverted_cdf")
    return np.unique(np.concatenate([quantiles, usual]))
