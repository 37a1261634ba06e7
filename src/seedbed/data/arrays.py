"""Arrays, tensors and data frames of any library, as untyped columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from seedbed.data.assemble import assemble
from seedbed.data.columns import MemoryColumns, number_text
from seedbed.data.table import Table
from seedbed.errors import DataError, OptionError

__all__ = ["frame_columns", "table_from_arrays"]


def table_from_arrays(X: Any, y: Any, *, feature_names: Sequence[str] | None = None, name: str = "arrays") -> Table:
    """A table from features and target given apart.

    Args:
        X: numbers [row, feature]: an array, a tensor of torch, nested lists, or a data frame.
        y: labels [row] or [row, 1]: an array, tensor, series or list of numbers, booleans or strings.
        feature_names: one a column; by default the frame's own, else x0, x1, ...
        name: what to call the table in messages and reports.

    Raises:
        DataError: shapes don't fit, or no rows; and the kinds that `read_table` raises for cells and target.
        OptionError: `feature_names` doesn't fit X.
    """
    frame = _as_frame(X)
    if frame is None:
        matrix = _as_array(X, "X")
        if matrix.ndim != 2:
            raise DataError(
                f"{name}: X has shape {matrix.shape}, not [row, feature]",
                "Give two dimensions; one feature alone is X.reshape(-1, 1).",
            )
        names = tuple(f"x{i}" for i in range(matrix.shape[1]))
        arrays = tuple(_column(matrix[:, i], "X") for i in range(matrix.shape[1]))
        n_rows = len(matrix)
    else:
        columns = frame_columns(X, where=name)
        names, arrays, n_rows = columns.names, columns.arrays, columns.n_rows
    if feature_names is not None:
        if len(feature_names) != len(names):
            raise OptionError(f"{name}: {len(feature_names)} feature_names for {len(names)} columns of X")
        names = tuple(str(word) for word in feature_names)
    target_name, target = _target_column(y)
    if len(target) != n_rows:
        raise DataError(f"{name}: X has {n_rows} rows and y has {len(target)}", "They must have one row each a case.")
    while target_name in names:
        target_name += "_"
    whole = MemoryColumns(where=name, names=(*names, target_name), arrays=(*arrays, target))
    return assemble(whole, name=name, target=target_name)


def frame_columns(frame: Any, *, where: str = "data frame") -> MemoryColumns:
    """The columns of a pandas, Polars, PyArrow, ... data frame; its index, where there is one, is no column.

    Raises:
        DataError: not a data frame, or one that can't be brought to memory, or two columns of one name.
    """
    known = _as_frame(frame)
    if known is None:
        raise DataError(
            f"a table can't be read from {type(frame).__name__}",
            "Give a path, 'example:NAME' or a data frame; arrays go in as X and y.",
        )
    names = tuple(str(name) for name in known.columns)
    return MemoryColumns(where=where, names=names, arrays=tuple(_series_array(s) for s in known.iter_columns()))


def _as_frame(value: Any) -> nw.DataFrame[Any] | None:
    """A data frame through narwhals; None for what isn't one."""
    try:
        known = nw.from_native(value, pass_through=True)
        if isinstance(known, nw.LazyFrame):
            known = known.collect()
    except ImportError as error:
        raise DataError(
            f"a {type(value).__name__} can't be brought to memory ({error})",
            "Give a pandas or Polars data frame made from it.",
        ) from error
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"the data frame can't be read: {' '.join(str(error).split())}") from error
    return known if isinstance(known, nw.DataFrame) else None


def _series_array(series: nw.Series[Any]) -> NDArray[Any]:
    dtype = series.dtype
    whole = series.null_count() == 0
    if dtype.is_numeric():
        # Integers stay integers, as a target's labels above 2^53 would lose digits; decimals would come as objects.
        exact = whole and dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128)
        return np.asarray(series.to_numpy() if exact else series.cast(nw.Float64).to_numpy())
    if dtype == nw.Boolean:
        return np.asarray(series.to_numpy(), dtype=bool) if whole else series.cast(nw.Float64).to_numpy()
    missing = series.is_null().to_list()
    return _text_array([None if gone else value for value, gone in zip(series.to_list(), missing, strict=True)])


def _target_column(y: Any) -> tuple[str, NDArray[Any]]:
    series: Any = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        name: Any = series.name
        return (name if isinstance(name, str) and name else "y"), _series_array(series)
    array = _as_array(y, "y")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"y has shape {array.shape}, not [row]", "Give one label a row.")
    return "y", _column(array, "y")


def _as_array(value: Any, role: str) -> NDArray[Any]:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{role} can't be made an array: {error}", "Give numbers in rows of one length.") from error


def _column(array: NDArray[Any], role: str) -> NDArray[Any]:
    """Numbers as they are, all else as text."""
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in "cV":
        raise DataError(f"{role} holds {array.dtype} values", "Give real numbers.")
    return _text_array(array.tolist())


def _text_array(values: Sequence[Any]) -> NDArray[Any]:
    # Filled by slice: numpy.array(values, dtype=object) would make two dimensions out of cells that are lists.
    array = np.empty(len(values), dtype=object)
    array[:] = [_cell(value) for value in values]
    return array


def _cell(value: Any) -> str | None:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return number_text(value) if isinstance(value, int | float) else str(value)
