"""Data frames, arrays and records in memory, as untyped columns."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import number_text
from seedbed.data.columns import Columns, MemoryColumns
from seedbed.data.sources.loaded import open_loader
from seedbed.data.sources.options import check_names
from seedbed.errors import DataError, error_line, nearest

__all__ = [
    "MISSING_TYPES",
    "array_column",
    "array_columns",
    "as_array",
    "as_frame",
    "frame_from",
    "open_frame",
    "record_columns",
    "series_array",
    "value_columns",
]

WHOLE_FLOATS = 1 << 53  # above, a float loses digits, and a number may be a label
MISSING_TYPES = ("NAType", "NaTType")


@contextlib.contextmanager
def open_frame(frame: Any) -> Iterator[Columns]:
    """Open a data frame, or a DuckDB relation, which is read without another library."""
    if not isinstance(frame, duckdb.DuckDBPyRelation):
        yield frame_columns(frame)
        return
    with open_loader("DuckDB relation") as loader:
        loader.load_arrow(_Stream(frame), n_columns=len(frame.columns))
        yield loader.columns(frame.columns, lambda rows: {row: f"row {row} (counted from 0)" for row in rows})


class _Stream:
    """Hides everything but the stream: DuckDB would refuse a relation of another connection."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._source.__arrow_c_stream__(requested_schema)


def frame_columns(frame: Any, *, where: str = "data frame") -> MemoryColumns:
    """Return the columns of a pandas, Polars, PyArrow, ... data frame. An index isn't a column."""
    known = as_frame(frame)
    if known is None:
        raise DataError(
            f"a table can't be read from {type(frame).__name__}",
            "Give a path, 'example:NAME', a postgresql:// address or a data frame; arrays go in as X and y.",
        )
    names = tuple(str(name) for name in known.columns)
    check_names(names, where)
    arrays = tuple(
        series_array(series, f"{where}: column '{name}'")
        for name, series in zip(names, known.iter_columns(), strict=True)
    )
    categorical = frozenset(
        name
        for name, series in zip(names, known.iter_columns(), strict=True)
        if series.dtype in (nw.Categorical, nw.Enum)
    )
    return MemoryColumns(where=where, names=names, arrays=arrays, categorical=categorical)


def as_frame(value: Any) -> nw.DataFrame[Any] | None:
    """Return a data frame as a frame of narwhals; None for anything else."""
    try:
        known = nw.from_native(value, pass_through=True)
    except nw.exceptions.NarwhalsError as error:
        raise DataError(f"the data frame can't be read: {' '.join(str(error).split())}") from error
    if isinstance(known, nw.LazyFrame):
        try:
            known = known.collect()
        except ImportError as error:
            raise DataError(
                f"a {type(value).__name__} can't be brought to memory ({error})",
                "Give a pandas or Polars data frame made from it.",
            ) from error
        except Exception as error:  # a lazy frame runs the user's own query, in any library
            raise DataError(f"the data frame can't be computed: {error_line(error)}") from error
    return known if isinstance(known, nw.DataFrame) else None


def frame_from(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return columns as a data frame of the first of pandas, Polars and PyArrow that is installed."""
    for backend in ("pandas", "polars", "pyarrow"):
        if importlib.util.find_spec(backend) is not None:
            return nw.from_dict(columns, backend=backend).to_native()
    raise DataError("a data frame needs pandas, Polars or PyArrow, and none is installed", "pip install pandas.")


def series_array(series: nw.Series[Any], where: str) -> NDArray[Any]:
    """Return numbers and booleans as they are and all else as text: dates in ISO 8601, times in UTC."""
    dtype = series.dtype
    whole = series.null_count() == 0
    if dtype.is_numeric():
        if dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128):
            if whole:
                return np.asarray(series.to_numpy())
            if max(abs(series.max() or 0), abs(series.min() or 0)) > WHOLE_FLOATS:
                return _texts(series, where)
        return np.asarray(series.cast(nw.Float64).to_numpy())  # decimals would come as objects
    if dtype == nw.Boolean and whole:
        return np.asarray(series.to_numpy(), dtype=bool)
    if dtype in (nw.Date, nw.Datetime):
        return _moments(series, where)
    return _texts(series, where)


def _texts(series: nw.Series[Any], where: str) -> NDArray[Any]:
    missing = series.is_null().to_list()
    return text_array([None if gone else value for value, gone in zip(series.to_list(), missing, strict=True)], where)


def _moments(series: nw.Series[Any], where: str) -> NDArray[Any]:
    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    moments = series.to_numpy()
    if moments.dtype.kind != "M":
        return _texts(series, where)
    # Keep their unit: nanoseconds would silently wrap around for the year 1000.
    whole_seconds = bool((moments == moments.astype("datetime64[s]"))[~np.isnat(moments)].all())
    texts = np.datetime_as_string(moments, unit="D" if series.dtype == nw.Date else "s" if whole_seconds else None)
    array = np.char.replace(texts, "T", " ").astype(object)
    array[np.isnat(moments)] = None
    return array


def text_array(values: Sequence[Any], where: str) -> NDArray[Any]:
    """Return cells as text, None for a missing one. Half a character is refused, as no file can hold it."""
    # Filled by slice: numpy.array(values, dtype=object) would make two dimensions out of cells that are lists.
    array = np.empty(len(values), dtype=object)
    array[:] = [_cell(value) for value in values]
    try:
        "".join(cell for cell in array if cell).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where} holds half a character ({error.reason})", "Clean its text first.") from error
    return array


def _cell(value: Any) -> str | None:
    if type(value) is str:
        return value
    if value is None or type(value).__name__ in MISSING_TYPES:
        return None
    if isinstance(value, dt.timedelta):
        value = value.total_seconds()
    return number_text(value) if isinstance(value, int | float) else str(value)


def array_columns(X: Any, name: str) -> MemoryColumns:
    """Return features [row, feature] as columns; those of an array are named x0, x1, ..."""
    if as_frame(X) is not None:
        return frame_columns(X, where=name)
    matrix = as_array(X, "X")
    if matrix.ndim != 2:
        raise DataError(
            f"{name}: X has shape {matrix.shape}, not [row, feature]",
            "Give two dimensions; one feature alone is X.reshape(-1, 1).",
        )
    names = tuple(f"x{i}" for i in range(matrix.shape[1]))
    return MemoryColumns(name, names, tuple(array_column(matrix[:, i], "X") for i in range(matrix.shape[1])))


def as_array(value: Any, role: str) -> NDArray[Any]:
    """Return an array, a tensor or nested lists as an array. `role` is its name in errors: "X" or "y"."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{role} can't be converted to an array: {error}", "Give numbers in rows of one length."
        ) from error


def array_column(array: NDArray[Any], role: str) -> NDArray[Any]:
    """Return numbers as they are, all else as text."""
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in "cV":
        raise DataError(f"{role} holds {array.dtype} values", "Give real numbers.")
    return text_array(array.tolist(), role)


def record_columns(records: Sequence[Mapping[str, Any]], names: Sequence[str], where: str = "records") -> MemoryColumns:
    """Return records' values by key. Every record needs every key of `names`; other keys become columns, too."""
    known = set(names)
    others = dict.fromkeys(key for record in records for key in record if key not in known)
    for number, record in enumerate(records, start=1):
        if lacking := [name for name in names if name not in record]:
            listed = ", ".join(f"'{name}'" for name in lacking[:10]) + (", ..." if len(lacking) > 10 else "")
            hint = nearest(lacking[0], map(str, others)) or "Give None for what isn't known."
            raise DataError(f"{where}: record {number} lacks {listed}", hint)
    values = [[record.get(name) for record in records] for name in (*names, *others)]
    return value_columns(values, (*names, *map(str, others)), where)


def value_columns(values: Sequence[Sequence[Any]], names: Sequence[str], where: str = "records") -> MemoryColumns:
    """Return columns of plain values [column][row]: numbers, texts, booleans, or None for a missing value.

    Raises:
        DataError: a value is a list or a record.
    """
    arrays: list[NDArray[Any]] = []
    for name, column in zip(names, values, strict=True):
        # A number beside a gap mustn't become text: where decimals have commas, '1.234' would be a thousand and more.
        if all(
            value is None
            or (isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) >= WHOLE_FLOATS)
            for value in column
        ):
            arrays.append(np.array(column, dtype=np.float64))
            continue
        for value in column:
            if isinstance(value, Mapping | list | tuple):
                kind = type(value).__name__
                raise DataError(f"{where}: '{name}' holds a {kind}", "Give a number, a text or null.")
        arrays.append(text_array(column, f"{where}: '{name}'"))
    return MemoryColumns(where, tuple(names), tuple(arrays))
