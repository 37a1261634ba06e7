"""What predictions depend on: partial dependence on one column, and each column's contribution to single predictions.

Each input of the networks belongs to one column, so inputs are exchanged between rows, column by column.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.arguments import shown
from seedbed.data import NewRows, OddityReport, Table, as_text, read_new_rows
from seedbed.errors import ColumnError, DataError, OptionError, did_you_mean
from seedbed.evaluation import EffectCurve, Effects
from seedbed.model.ensemble import Ensemble
from seedbed.model.predicting import network_values
from seedbed.training import one_thread, pick_jobs
from seedbed.typing import Bools, Floats, Ints

__all__ = ["Contributions", "Effect", "contributions_of", "effect_of", "effects_in"]

_MOST_VALUES, _MOST_ROWS, _MOST_BACKGROUND = 20, 500, 100
_MOST_SHOWN, _FEW_VALUES, _FEW_ROWS = 12, 5, 100
_MISSING, _LEAST_SHARE = "(missing)", 0.02
_MOST_EXACT = 8  # columns; 256 coalitions
_MOST_CELLS = 1 << 22  # inputs computed at a time


@dataclass(frozen=True, eq=False)
class Effect:
    """How the mean prediction changes if all rows get the same value of one column: partial dependence.

    Attributes:
        column: name of the column.
        values: its values, ascending: numbers, moments (datetime64), or levels as text [value].
        mean: mean prediction over the rows and the networks [value].
        low, high: the mean minus and plus the standard deviation of the networks' mean predictions [value].
    """

    column: str
    values: NDArray[Any]
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each column contributes to predictions: Shapley values.

    Attributes:
        columns: names of the columns.
        values: contributions; those of a row and the base add up to its prediction [row, column].
        spread: standard deviation of `values` over the networks [row, column].
        base: mean prediction for the background rows.
        predictions: the predictions [row].
    """

    columns: tuple[str, ...]
    values: Floats
    spread: Floats
    base: float
    predictions: Floats


def effect_of(model: Ensemble, column: str, rows: Any, label: Any = None) -> Effect:
    """Return the partial dependence of the prediction on a column; `Model.effect` documents it."""
    names, code = model.feature_names_in_, _code_of(model, label)
    if column not in names:
        raise ColumnError(f"the model has no column {shown(column)}", did_you_mean(str(column), names))
    place = names.index(column)
    read, inputs = _read(model, rows, _MOST_ROWS)
    grid, values = _grid(model, place, read.columns[place])
    curves = _means(model, place, grid, read, inputs, code)
    mean, spread = curves.mean(axis=1), curves.std(axis=1)
    return Effect(column, values, mean, mean - spread, mean + spread)


def effects_in(model: Ensemble, table: Table) -> Effects:
    """Return the partial dependence on the columns of the table that a model was fitted to, the largest change first.

    Numbers and dates of more than 20 values get 20 quantiles, from 5 to 95 %. Columns with one value are left out. If
    more than twelve are left, five values on 100 rows decide which are kept. Levels of fewer than 2 % of the rows are
    left out, and a missing cell is a level. Of several labels, the most frequent one is meant.

    Raises:
        OptionError: the model was fitted to another table.
    """
    if model.target_name != table.target_name or model.schemas != tuple(column.schema for column in table.columns):
        raise OptionError(f"the model {model.candidate} was fitted to another table", "Fit it to this one.")
    code = int(np.bincount(table.target).argmax()) if model.task == "multiclass" else _code_of(model, None)
    if table.n_rows > _MOST_ROWS:
        table = table.of_rows(_sample(table.n_rows))
    cells = tuple(column.values for column in table.columns)
    rows = NewRows(table.n_rows, cells, ({},) * len(cells))
    inputs, _ = model.preprocessor.inputs_of(rows)
    known = [one if schema.levels else one[~np.isnan(one)] for one, schema in zip(cells, model.schemas, strict=True)]
    places = [place for place, one in enumerate(known) if len(np.unique(one)) > 1]
    if len(places) > _MOST_SHOWN:
        few = inputs[:: -(-table.n_rows // _FEW_ROWS)]
        coarse = [-_curve(model, place, rows, few, code, _FEW_VALUES).change for place in places]
        places = [places[rank] for rank in np.argsort(coarse, kind="stable")[:_MOST_SHOWN]]
    curves = [_curve(model, place, rows, inputs, code) for place in places]
    return Effects(
        model=model.candidate,
        networks=model.n_networks,
        label="" if model.task == "regression" else model.labels[code],
        n_rows=table.n_rows,
        n_columns=len(cells),
        curves=tuple(sorted(curves, key=lambda curve: -curve.change)),
    )


def _curve(
    model: Ensemble, place: int, rows: NewRows, inputs: NDArray[np.float32], code: int, most: int = _MOST_VALUES
) -> EffectCurve:
    schema, cells = model.schemas[place], rows.columns[place]
    grid, values = _grid(model, place, cells, most, cut=1 / most)
    if schema.kind == "date":
        values = np.datetime_as_string(values, unit="s" if model.preprocessor.layout.timed[place] else "D")
    if schema.levels:  # no rare ones, as the model has hardly seen them
        grid, values, cells = np.append(-1.0, grid), np.append(_MISSING, values), np.nan_to_num(cells, nan=-1.0)
        rows_of = (cells == grid[:, None]).sum(axis=1)
        kept = rows_of >= _LEAST_SHARE * len(cells)
        kept = kept if kept.sum() > 1 else rows_of > 0
        grid, values = grid[kept], values[kept]
    curves = _means(model, place, np.where(grid < 0, np.nan, grid) if schema.levels else grid, rows, inputs, code)
    mean = curves.mean(axis=1)
    found = cells[np.isin(cells, grid) if schema.levels else ~np.isnan(cells)]
    return EffectCurve(
        column=schema.name,
        kind=schema.kind,
        values=tuple(values.tolist()),
        mean=tuple(mean.tolist()),
        spread=tuple(curves.std(axis=1).tolist()),
        change=float(np.interp(found, grid, mean).std()),
    )


def _means(model: Ensemble, place: int, grid: Floats, rows: NewRows, inputs: NDArray[np.float32], code: int) -> Floats:
    """Return the networks' mean predictions if all rows have the same value of a column [value, network].

    Args:
        grid: the values, as `NewRows` has them [value].
        inputs: of the rows, or of some of them [row, input].
    """
    others = [np.full(len(grid), cells[0]) for cells in rows.columns]
    others[place] = grid
    own = model.preprocessor.layout.places.sources == place
    changed, _ = model.preprocessor.inputs_of(NewRows(len(grid), tuple(others), ({},) * len(others)))

    def mean(value: NDArray[np.float32]) -> Floats:
        same = inputs.copy()
        same[:, own] = value
        return np.asarray(_predicted(model, same, code).mean(axis=1))

    with one_thread("cpu"), ThreadPoolExecutor(pick_jobs(None)) as pool:
        return np.array([*pool.map(mean, changed[:, own])])


def contributions_of(model: Ensemble, rows: Any, background: Any, label: Any = None) -> Contributions:
    """Return what each column contributes to the prediction of each row; `Model.contributions` documents it."""
    code, sources = _code_of(model, label), model.preprocessor.layout.places.sources
    _, inputs = _read(model, rows)
    _, behind = _read(model, background, _MOST_BACKGROUND)
    n_columns = len(model.feature_names_in_)
    if exact := n_columns <= _MOST_EXACT:
        coalitions = (np.arange(1 << n_columns)[:, None] >> np.arange(n_columns) & 1).astype(np.bool_)
        walks, n_masks = len(behind), len(coalitions)
    else:
        ranks, n_masks = _ranks(len(behind), n_columns), n_columns + 1
        walks = len(ranks)
    step = max(1, _MOST_CELLS // (n_masks * len(sources)))
    values = []  # [row][network, column]
    with one_thread("cpu"):
        predicted, base = _predicted(model, inputs, code).mean(axis=0), _predicted(model, behind, code).mean()
        for row in inputs:
            total: Any = 0.0
            for start in range(0, walks, step):
                numbers = np.arange(start, min(start + step, walks))
                own = coalitions[None] if exact else ranks[numbers, None] < np.arange(n_masks)[:, None]
                mixed = np.where(own[..., sources], row, behind[numbers % len(behind), None])
                outputs = _predicted(model, mixed.reshape(-1, len(sources)), code)
                outputs = outputs.reshape(len(outputs), len(numbers), n_masks)
                if exact:
                    total = total + _exact(outputs, coalitions)
                else:  # what a column adds where it is exchanged
                    total = total + np.take_along_axis(np.diff(outputs), ranks[numbers][None], axis=2).sum(axis=1)
            values.append(total / walks)
    return Contributions(
        model.feature_names_in_, np.mean(values, axis=1), np.std(values, axis=1), float(base), predicted
    )


def _ranks(n_background: int, n_columns: int) -> Ints:
    """Return the order in which columns are exchanged [walk, column], for each background row in turn.

    Each background row has as many orders, and each order comes reversed, too: contributions add up without error,
    and random ones cancel out.
    """
    rng = np.random.default_rng(0)
    shape = n_background * -(-_MOST_BACKGROUND // n_background), n_columns
    ranks = rng.permuted(np.broadcast_to(np.arange(n_columns), shape), axis=1)
    return np.concatenate([ranks, n_columns - 1 - ranks])


def _exact(outputs: Floats, coalitions: Bools) -> Floats:
    """Return Shapley values [network, column], summed over background rows.

    Args:
        outputs: predictions for each coalition [network, background row, coalition].
        coalitions: whether a column has the row's own value [coalition, column]; the bits of the coalition's number.
    """
    total, n = outputs.sum(axis=1), coalitions.shape[1]
    sizes = coalitions.sum(axis=1)
    weights = np.array([1 / (n * math.comb(n - 1, size)) for size in range(n)])
    shares = []
    for column in range(n):
        without = np.flatnonzero(~coalitions[:, column])
        shares.append((total[:, without | 1 << column] - total[:, without]) @ weights[sizes[without]])
    return np.stack(shares, axis=1)


def _code_of(model: Ensemble, label: Any) -> int:
    """Return the number of the class whose probability is meant; 0 for numbers."""
    if label is not None:
        if model.task == "regression":
            raise OptionError("a regression model has no classes", "Leave label out.")
        if str(label) not in model.labels:
            raise OptionError(f"the model has no label {shown(label)}", did_you_mean(str(label), model.labels))
        return model.labels.index(str(label))
    if model.task == "multiclass":
        raise OptionError(f"the model has {len(model.labels)} labels", f"Choose one: label={model.labels[0]!r}.")
    return len(model.labels) // 2


def _predicted(model: Ensemble, matrix: NDArray[np.float32], code: int) -> Floats:
    """Return each network's number, or its probability of a class [network, row]."""
    values: Floats = network_values(model, matrix).numpy()
    if model.task == "binary":
        values = np.stack([1 - values, values], axis=2)
    return values if model.task == "regression" else values[..., code]


def _read(model: Ensemble, rows: Any, most: int | None = None) -> tuple[NewRows, NDArray[np.float32]]:
    """Return rows, of many a random sample, and their inputs [row, input]."""
    frame = read_new_rows(rows, model.feature_names_in_, as_text=as_text(model.schemas))
    if not frame.n_rows:
        raise DataError(f"{frame.where}: no rows", "At least one row is needed.")
    if most is not None and frame.n_rows > most:
        frame = frame.rows(_sample(frame.n_rows, most), frame.where)
    read, _ = model.read(frame)
    inputs, odd = model.preprocessor.inputs_of(read)
    report = OddityReport(model.preprocessor)
    report.add(0, read, odd)
    report.refuse_unknown(frame.where)
    return read, inputs


def _sample(n_rows: int, most: int = _MOST_ROWS) -> Ints:
    """Return a random sample of rows, always the same, in ascending order."""
    return np.sort(np.random.default_rng(0).choice(n_rows, most, replace=False))


def _grid(
    model: Ensemble, place: int, cells: Floats, most: int = _MOST_VALUES, cut: float = 0.0
) -> tuple[Floats, NDArray[Any]]:
    """Return values of a column as `NewRows` has them, and as users read them [value]."""
    schema = model.schemas[place]
    if schema.levels:
        codes = np.arange(len(schema.levels))
        if len(codes) > most:
            counts = np.bincount(cells[cells >= 0].astype(np.int64), minlength=len(codes))
            codes = np.sort(np.argsort(-counts, kind="stable")[:most])
        return codes.astype(np.float64), np.array(schema.levels)[codes]
    known, counts = np.unique(cells[~np.isnan(cells)], return_counts=True)
    if not len(known):
        raise DataError(f"column '{schema.name}' has no {schema.kind} in these rows", "Give rows that have some.")
    if len(known) > most:
        usual = known[counts.argmax()] if 2 * counts.max() > counts.sum() else np.nan  # it would be all quantiles
        quantiles = np.nanquantile(cells[cells != usual], np.linspace(cut, 1 - cut, most), method="inverted_cdf")
        known = np.unique([*quantiles, *([] if np.isnan(usual) else [usual])])
    return known, known.astype("datetime64[s]") if schema.kind == "date" else known
