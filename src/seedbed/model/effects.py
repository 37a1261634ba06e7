"""What predictions depend on: partial dependence on each column."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.arguments import shown
from seedbed.data.preprocessing import OddityReport
from seedbed.data.sources.opening import read_new_rows
from seedbed.data.table import Table
from seedbed.data.typed import NewRows, as_text
from seedbed.errors import ColumnError, DataError, OptionError, did_you_mean
from seedbed.evaluation.analyses import EffectCurve, Effects
from seedbed.model.ensemble import Ensemble
from seedbed.model.predicting import network_values, products_on_one_thread
from seedbed.training.parallel import one_thread, pick_jobs
from seedbed.typing import Floats, Ints

_MOST_VALUES, _MOST_ROWS = 20, 500
_MOST_SHOWN, _FEW_VALUES, _FEW_ROWS = 12, 5, 100
_MISSING, _LEAST_SHARE = "(missing)", 0.02


@dataclass(frozen=True, eq=False)
class Effect:
    """How the mean prediction changes if all rows get the same value of one column: partial
    dependence.

    Attributes:
        column: name of the column.
        values: its values, ascending: numbers, moments (datetime64), or levels as text [value].
        mean: mean prediction over the rows and the networks [value].
        low, high: the mean minus and plus the standard deviation of the networks' mean predictions
            [value].
    """

    column: str
    values: NDArray[Any]
    mean: Floats
    low: Floats
    high: Floats


def effect_of(model: Ensemble, column: str, rows: Any, label: Any = None) -> Effect:
    """Return the partial dependence of the prediction on a column; `Model.effect` documents it."""
    names = model.feature_names_in_
    code = _code_of(model, label)
    if column not in names:
        raise ColumnError(
            f"the model has no column {shown(column)}", did_you_mean(str(column), names)
        )
    place = names.index(column)
    read, inputs = _read(model, rows)
    grid, values = _grid(model, place, read.columns[place])
    curves = _means(model, place, grid, inputs, code)
    mean = curves.mean(axis=1)
    spread = curves.std(axis=1)
    return Effect(column, values, mean, mean - spread, mean + spread)


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
        table = table.of_rows(_sample(table.n_rows))
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
    grid, values = _grid(model, place, cells, most, cut=1 / most)
    if schema.kind == "date":
        values = np.datetime_as_string(
            values, unit="s" if model.preprocessor.layout.timed[place] else "D"
        )
    if schema.levels:  # no rare ones, as the model has hardly seen them
        grid = np.append(-1.0, grid)
        values = np.append(_MISSING, values)
        cells = np.nan_to_num(cells, nan=-1.0)
        rows_of = (cells == grid[:, None]).sum(axis=1)
        is_frequent = rows_of >= _LEAST_SHARE * len(cells)
        is_frequent = is_frequent if is_frequent.sum() > 1 else rows_of > 0
        grid, values = grid[is_frequent], values[is_frequent]
    curves = _means(
        model,
        place,
        np.where(grid < 0, np.nan, grid) if schema.levels else grid,
        inputs,
        code,
    )
    mean = curves.mean(axis=1)
    present = cells[np.isin(cells, grid) if schema.levels else ~np.isnan(cells)]
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


def _code_of(model: Ensemble, label: Any) -> int:
    """Return the number of the class whose probability is meant; 0 for numbers."""
    if label is not None:
        if not model.outcome.has_classes:
            raise OptionError(
                f"a {model.task} model has no classes", "Leave label out."
            )
        if str(label) not in model.labels:
            raise OptionError(
                f"the model has no label {shown(label)}",
                did_you_mean(str(label), model.labels),
            )
        return model.labels.index(str(label))
    if (code := model.outcome.code_of(model.labels)) is None:
        raise OptionError(
            f"the model has {len(model.labels)} labels",
            f"Choose one: label={model.labels[0]!r}.",
        )
    return code


def _read(model: Ensemble, rows: Any) -> tuple[NewRows, NDArray[np.float32]]:
    """Return rows, of more than 500 a random sample, and their inputs [row, input]."""
    frame = read_new_rows(rows, model.feature_names_in_, as_text=as_text(model.schemas))
    if not frame.n_rows:
        raise DataError(f"{frame.where}: no rows", "At least one row is needed.")
    if frame.n_rows > _MOST_ROWS:
        frame = frame.rows(_sample(frame.n_rows), frame.where)
    read, _ = model.read(frame)
    inputs, odd = model.preprocessor.inputs_of(read)
    report = OddityReport(model.preprocessor)
    report.add(0, read, odd)
    report.refuse_unknown(frame.where)
    return read, inputs


def _sample(n_rows: int) -> Ints:
    """Return a random sample of 500 rows, always the same, in ascending order."""
    return np.sort(np.random.default_rng(0).choice(n_rows, _MOST_ROWS, replace=False))


def _grid(
    model: Ensemble,
    place: int,
    cells: Floats,
    most: int = _MOST_VALUES,
    cut: float = 0.0,
) -> tuple[Floats, NDArray[Any]]:
    """Return values of a column as `NewRows` has them, and as users read them [value]."""
    schema = model.schemas[place]
    if schema.levels:
        codes = np.arange(len(schema.levels))
        if len(codes) > most:
            counts = np.bincount(
                cells[cells >= 0].astype(np.int64), minlength=len(codes)
            )
            codes = np.sort(np.argsort(-counts, kind="stable")[:most])
        return codes.astype(np.float64), np.array(schema.levels)[codes]
    known, counts = np.unique(cells[~np.isnan(cells)], return_counts=True)
    if not len(known):
        raise DataError(
            f"column '{schema.name}' has no {schema.kind} in these rows",
            "Give rows that have some.",
        )
    if len(known) > most:
        usual = (
            known[counts.argmax()] if 2 * counts.max() > counts.sum() else np.nan
        )  # it would be all quantiles
        quantiles = np.nanquantile(
            cells[cells != usual],
            np.linspace(cut, 1 - cut, most),
            method="inverted_cdf",
        )
        known = np.unique([*quantiles, *([] if np.isnan(usual) else [usual])])
    return known, known.astype("datetime64[s]") if schema.kind == "date" else known
