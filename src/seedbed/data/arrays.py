"""Tables from features and target that are given apart, as arrays, tensors or data frames."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import number_text
from seedbed.data.checks import find_duplicates
from seedbed.data.columns import MemoryColumns
from seedbed.data.kinds.finishing import LEFT_OUT
from seedbed.data.reading import ColumnRoles, build_table, texts, type_features
from seedbed.data.sources.memory import MISSING_TYPES, array_column, array_columns, as_array, as_frame, series_array
from seedbed.data.table import Table, Task
from seedbed.errors import ColumnError, DataError, OptionError, did_you_mean

__all__ = ["coded_table", "given_columns", "label_texts", "table_from_arrays"]


def table_from_arrays(
    X: Any,
    y: Any,
    *,
    feature_names: Sequence[str] | None = None,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    task: str | None = None,
    positive: str | None = None,
    name: str = "arrays",
) -> Table:
    """Return a table of features and a target that are given apart.

    Args:
        X: features [row, feature]: an array, a tensor of torch, nested lists, or a data frame.
        y: target [row] or [row, 1]: an array, tensor, series or list of numbers, booleans or strings.
        feature_names: one per column; by default the data frame's own, or x0, x1, ...
        numeric, categorical, task, positive: as in `read_table`.
        name: name of the table in messages and reports.

    Raises:
        DataError: shapes don't fit, or no rows; and the kinds that `read_table` raises for cells and target.
        OptionError: `feature_names` doesn't fit X; and what `read_table` raises for its options.

    Examples:
        >>> table_from_arrays([[1.5], [2.5], [3.5], [4.5]], ["a", "b", "a", "b"])
        <Table arrays: 4 rows, 1 features, binary target y>
    """
    features = array_columns(X, name)
    names = features.names
    if feature_names is not None:
        if len(feature_names) != len(names):
            raise OptionError(f"{name}: {len(feature_names)} feature_names for {len(names)} columns of X")
        names = texts(feature_names)
    if not names:
        raise DataError(f"{name}: X has no features")
    series: Any = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        own_name: Any = series.name
        target_name = own_name if isinstance(own_name, str) and own_name else "y"
        target = series_array(series, "y")
    else:
        target_name, array = "y", as_array(y, "y")
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise DataError(f"y has shape {array.shape}, not [row]", "Give one label per row.")
        target = array_column(array, "y")
    if len(target) != features.n_rows:
        raise DataError(f"{name}: X has {features.n_rows} rows and y has {len(target)}", "Both need one row per case.")
    while target_name in names:
        target_name += "_"
    whole = MemoryColumns(
        where=name,
        names=(*names, target_name),
        arrays=(*features.arrays, target),
        categorical=frozenset(
            new for new, old in zip(names, features.names, strict=True) if old in features.categorical
        ),
    )
    roles = ColumnRoles(target_name, numeric=numeric, categorical=categorical, task=task, positive=positive)
    return build_table(whole, roles, name=name).table


def given_columns(X: Any, name: str = "X") -> MemoryColumns:
    """Return the features [row, feature] of an estimator as columns. Objects that are all numbers become numbers.

    Raises:
        DataError: X can't be read.
        ColumnError: infinite numbers.
    """
    frame = as_frame(X)
    columns = array_columns(X if frame is None else frame.to_native(), name)
    if frame is None:
        array = np.asarray(X)
        objects = {i: array[:, i].tolist() for i in range(array.shape[1])} if array.dtype == object else {}
    else:
        objects = {i: frame[own].to_list() for i, own in enumerate(frame.columns) if frame.schema[own] == nw.Object}
    arrays = list(columns.arrays)
    for position, cells in objects.items():
        missing = [cell is None or type(cell).__name__ in MISSING_TYPES for cell in cells]
        filled = [cell for cell, gone in zip(cells, missing, strict=True) if not gone]
        if filled and all(isinstance(cell, numbers.Real) and not isinstance(cell, bool) for cell in filled):
            arrays[position] = np.array(
                [np.nan if gone else float(cell) for cell, gone in zip(cells, missing, strict=True)]
            )
    for own, values in zip(columns.names, arrays, strict=True):
        if values.dtype.kind == "f" and np.isinf(values).any():
            row = int(np.flatnonzero(np.isinf(values))[0])
            raise ColumnError(f"{name}: column '{own}' is infinite (inf) in row {row}", "Repair it, or make it NaN.")
    return dataclasses.replace(columns, arrays=tuple(arrays))


def coded_table(
    columns: MemoryColumns,
    target: NDArray[Any],
    *,
    task: Task,
    labels: Sequence[str] = (),
    numeric: Sequence[str | int] | str | int = (),
    categorical: Sequence[str | int] | str | int = (),
    target_name: str = "y",
) -> Table:
    """Return the table of an estimator, in which each column of numbers is a numeric feature.

    Unlike `table_from_arrays`, it never treats whole numbers as identifiers or zeros and ones as booleans: an estimator
    is given the numbers that it shall use. Text is typed as in any table, and text that is an identifier is left out.
    Constant and empty columns stay, as any column may be constant in a fold; networks see zeros.

    Args:
        columns: from `given_columns`.
        target: [row]; int64 codes of classes, or float64 numbers.
        labels: `labels[code]`.
        numeric, categorical: columns as in `read_table`, by name or position.

    Raises:
        DataError: no rows, or only identifiers.
        OptionError: no such column, or one that is both.
        ColumnError: one of `numeric` holds no number.
    """
    numeric, categories = _names_of(columns, "numeric", numeric), _names_of(columns, "categorical", categorical)
    plain = [own for own, values in zip(columns.names, columns.arrays, strict=True) if values.dtype.kind in "iuf"]
    roles = ColumnRoles(
        None,
        numeric=[*numeric, *(own for own in plain if own not in categories and own not in columns.categorical)],
        categorical=categories,
    )
    typed, _ = type_features(columns, roles)
    identifiers = {note.column: note.message for note in typed.notes if note.code == "SB101"}
    used = tuple(column for column in typed.columns if column.name not in identifiers)
    if not used:
        raise DataError(f"{columns.where}: no feature is left", "; ".join(list(identifiers.values())[:3]))
    while target_name in columns.names:
        target_name += "_"
    table = Table(
        name=columns.where,
        columns=used,
        target_name=target_name,
        target=target,
        labels=tuple(labels),
        task=task,
        notes=tuple(note for note in typed.notes if note.code not in LEFT_OUT - {"SB101"}),
    )
    return dataclasses.replace(table, groups=find_duplicates(table)[0])


def label_texts(classes: NDArray[Any]) -> tuple[str, ...]:
    """Return sorted classes as labels of a table: 1.0 is '1'."""
    return tuple(str(number_text(label)) for label in classes.tolist())


def _names_of(columns: MemoryColumns, option: str, given: Any) -> list[str]:
    """Return the names of columns that are given by name or position. A single one is a list of one."""
    known, found = columns.names, []
    for one in [given] if isinstance(given, str | numbers.Integral) else given:
        if str(one) in known:
            found.append(str(one))
        elif isinstance(one, numbers.Integral) and 0 <= int(one) < len(known):
            found.append(known[int(one)])
        else:
            hint = did_you_mean(one, known) if isinstance(one, str) else f"There are {len(known)} columns."
            raise OptionError(f"{option}: there is no column {one!r}", hint)
    return found
