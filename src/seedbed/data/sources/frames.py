"""Data frames of any library, as untyped columns."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from seedbed.data.columns import Columns, MemoryColumns, number_text
from seedbed.data.sources.limits import check_names
from seedbed.data.sources.loaded import connect, load_arrow, loaded
from seedbed.errors import DataError, told
from seedbed.files import temporary_folder

__all__ = ["as_frame", "frame_columns", "open_frame", "series_array", "text_array"]

WHOLE_FLOATS = 1 << 53
MISSING_TYPES = ("NAType", "NaTType")


@contextlib.contextmanager
def open_frame(frame: Any) -> Iterator[Columns]:
    """The columns of a data frame, or of a DuckDB relation, which is read without another library.

    Raises:
        DataError: as `frame_columns`.
    """
    if not isinstance(frame, duckdb.DuckDBPyRelation):
        yield frame_columns(frame)
        return
    where = "DuckDB relation"
    with temporary_folder() as folder, connect(where, folder) as connection:
        load_arrow(connection, _Stream(frame), n_columns=len(frame.columns))
        yield loaded(
            connection,
            where=where,
            names=frame.columns,
            find_places=lambda rows: {row: f"row {row} (counted from 0)" for row in rows},
        )


class _Stream:
    """Hides all but the stream: DuckDB would refuse another connection's relation."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._source.__arrow_c_stream__(requested_schema)


def frame_columns(frame: Any, *, where: str = "data frame") -> MemoryColumns:
    """The columns of a pandas, Polars, PyArrow, ... data frame; its index, where there is one, is no column.

    Raises:
        DataError: not a data frame, or one that can't be brought to memory, or two columns of one name.
    """
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
    """A data frame through narwhals; None for what isn't one."""
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
            raise DataError(f"the data frame can't be computed: {told(error)}") from error
    return known if isinstance(known, nw.DataFrame) else None


def series_array(series: nw.Series[Any], where: str) -> NDArray[Any]:
    """Numbers and booleans as they are, all else as text; dates are written as ISO 8601 does, times in UTC."""
    dtype = series.dtype
    whole = series.null_count() == 0
    if dtype.is_numeric():
        if dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128):
            # Labels above 2^53 would lose digits as floats.
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
    # In the unit that they came in: nanoseconds would silently wrap around for the year 1000.
    whole_seconds = bool((moments == moments.astype("datetime64[s]"))[~np.isnat(moments)].all())
    texts = np.datetime_as_string(moments, unit="D" if series.dtype == nw.Date else "s" if whole_seconds else None)
    array = np.char.replace(texts, "T", " ").astype(object)
    array[np.isnat(moments)] = None
    return array


def text_array(values: Sequence[Any], where: str) -> NDArray[Any]:
    """Cells as text, None where there is nothing.

    Raises:
        DataError: text with half a character, which can't be written to any file.
    """
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
