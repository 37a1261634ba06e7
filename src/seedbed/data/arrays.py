"""Features and target given apart: arrays, tensors and data frames of any library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from seedbed.data.assemble import Wanted, assemble, words
from seedbed.data.columns import MemoryColumns
from seedbed.data.sources.frames import as_frame, frame_columns, series_array, text_array
from seedbed.data.table import Table
from seedbed.errors import DataError, OptionError

__all__ = ["array_columns", "table_from_arrays"]


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
    """A table from features and target given apart.

    Args:
        X: cells [row, feature]: an array, a tensor of torch, nested lists, or a data frame.
        y: what to predict [row] or [row, 1]: an array, tensor, series or list of numbers, booleans or strings.
        feature_names: one a column; by default the frame's own, else x0, x1, ...
        numeric, categorical, task, positive: as `read_table` has them.
        name: what to call the table in messages and reports.

    Raises:
        DataError: shapes don't fit, or no rows; and the kinds that `read_table` raises for cells and target.
        OptionError: `feature_names` doesn't fit X; and what `read_table` raises for its options.
    """
    features = array_columns(X, name)
    names = features.names
    if feature_names is not None:
        if len(feature_names) != len(names):
            raise OptionError(f"{name}: {len(feature_names)} feature_names for {len(names)} columns of X")
        names = words(feature_names)
    if not names:
        raise DataError(f"{name}: there is no feature in X")
    target_name, target = _target_column(y)
    if len(target) != features.n_rows:
        raise DataError(
            f"{name}: X has {features.n_rows} rows and y has {len(target)}", "They must have one row each a case."
        )
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
    wanted = Wanted(target_name, numeric=numeric, categorical=categorical, task=task, positive=positive)
    return assemble(whole, wanted, name=name)


def array_columns(X: Any, name: str) -> MemoryColumns:
    """Features [row, feature] as columns; those of an array are named x0, x1, ...

    Raises:
        DataError: not two dimensions, or values that are no numbers and no text.
    """
    if as_frame(X) is not None:
        return frame_columns(X, where=name)
    matrix = _as_array(X, "X")
    if matrix.ndim != 2:
        raise DataError(
            f"{name}: X has shape {matrix.shape}, not [row, feature]",
            "Give two dimensions; one feature alone is X.reshape(-1, 1).",
        )
    names = tuple(f"x{i}" for i in range(matrix.shape[1]))
    return MemoryColumns(name, names, tuple(_column(matrix[:, i], "X") for i in range(matrix.shape[1])))


def _target_column(y: Any) -> tuple[str, NDArray[Any]]:
    series: Any = nw.from_native(y, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        name: Any = series.name
        return (name if isinstance(name, str) and name else "y"), series_array(series, "y")
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
    return text_array(array.tolist(), role)
