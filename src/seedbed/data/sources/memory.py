"""Data frames, arrays and records in memory, as frames."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.cells import WHOLE_FLOATS, quote_names
from seedbed.data.frame import Builder, Cells, Frame, Numbers, Texts
from seedbed.data.sources.loaded import check_names
from seedbed.errors import DataError, error_line, nearest

if (
    TYPE_CHECKING
):  # functions import it, and DuckDB, which files of CSV and arrays may not need
    import narwhals as nw

_MOST_DENSE = 1 << 26  # cells of a sparse matrix; half a gigabyte in float64


def read_frame(
    frame: Any,
    names: Sequence[str] = (),
    *,
    where: str = "data frame",
    as_text: Container[str] = (),
) -> Frame:
    """Return a pandas, Polars, PyArrow, ... data frame, or a DuckDB relation. An index isn't a
    column.

    Columns may be given other `names`. The text of those `as_text` stays as it is, even if it is
    numbers.
    """
    data_frame = as_frame(frame)
    if data_frame is None:
        raise DataError(
            f"a table can't be read from {type(frame).__name__}",
            "Give a path, 'example:NAME' or a data frame; arrays go in as X and y.",
        )
    import narwhals as nw

    names = tuple(names) or tuple(str(name) for name in data_frame.columns)
    check_names(names, where)
    series = dict(enumerate(data_frame.iter_columns()))
    columns = [
        read_series(series[i], f"{where}: column '{n}'", keep_text=n in as_text)
        for i, n in enumerate(names)
    ]
    categorical = {
        names[i]
        for i, column in series.items()
        if column.dtype in (nw.Categorical, nw.Enum)
    }
    return Frame(where, names, tuple(columns), categorical=frozenset(categorical))


def is_table(value: Any) -> bool:
    """Return whether a value is a data frame, or a relation of DuckDB."""
    return as_frame(value) is not None


def as_frame(value: Any) -> nw.DataFrame[Any] | None:
    """Return a data frame as a frame of narwhals; None for anything else."""
    if isinstance(value, np.ndarray | list | tuple):
        return None
    import narwhals as nw

    try:
        data_frame = nw.from_native(value, pass_through=True)
    except nw.exceptions.NarwhalsError as error:
        raise DataError(
            f"the data frame can't be read: {' '.join(str(error).split())}"
        ) from error
    if isinstance(data_frame, nw.LazyFrame):
        try:
            data_frame = data_frame.collect()
        except ImportError as error:
            raise DataError(
                f"a {type(value).__name__} can't be loaded into memory ({error})",
                "Give a pandas or Polars data frame made from it.",
            ) from error
        except (
            Exception
        ) as error:  # a lazy frame runs the user's own query, in any library
            raise DataError(
                f"the data frame can't be computed: {error_line(error)}"
            ) from error
    return data_frame if isinstance(data_frame, nw.DataFrame) else None


def as_series(value: Any) -> nw.Series[Any] | None:
    """Return a column as a series of narwhals; None for anything else."""
    if isinstance(value, np.ndarray | list | tuple):
        return None
    import narwhals as nw

    series = nw.from_native(value, series_only=True, pass_through=True)
    return series if isinstance(series, nw.Series) else None


def native_frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return columns as a data frame of the first of pandas, Polars and PyArrow that is
    installed."""
    import narwhals as nw

    for backend in ("pandas", "polars", "pyarrow"):
        if importlib.util.find_spec(backend) is not None:
            return nw.from_dict(columns, backend=backend).to_native()
    raise DataError(
        "a data frame needs pandas, Polars or PyArrow, and none is installed",
        "pip install pandas.",
    )


def read_series(
    series: nw.Series[Any], where: str, *, keep_text: bool = False
) -> Cells:
    """Return a copy: numbers as they are and all else as text, dates in ISO 8601, times in UTC."""
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_float():
        return Numbers(np.array(series.to_numpy(), dtype=np.float64))
    if dtype.is_numeric():
        if dtype.is_integer() and dtype not in (nw.Int128, nw.UInt128):
            values = np.array(series.to_numpy())
            if values.dtype.kind in "iu":  # none is missing; to count them takes longer
                return Numbers(values)
            present = series.drop_nulls()
            if (
                len(present)
                and max(abs(int(present.max())), abs(int(present.min()))) > WHOLE_FLOATS
            ):
                return _texts(series.to_list(), where, keep_text=keep_text)
        return Numbers(
            np.array(series.cast(nw.Float64).to_numpy())
        )  # decimals would come as objects
    if dtype == nw.Boolean and series.null_count() == 0:
        return Texts.of(map(str, series.to_list()))
    if dtype in (nw.Date, nw.Datetime) and (moments := _moments(series)) is not None:
        return _texts(moments, where, keep_text=True)
    cells = zip(series.to_list(), series.is_null().to_list(), strict=True)
    return _texts(
        [None if gone else value for value, gone in cells], where, keep_text=keep_text
    )


def _texts(cells: Sequence[Any], where: str, *, keep_text: bool) -> Cells:
    builder = Builder(where)
    builder.add(cells)
    return builder.cells(keep_text=keep_text)


def _moments(series: nw.Series[Any]) -> list[str | None] | None:
    """Return dates and times as text; None if there are none, or NumPy doesn't hold them."""
    import narwhals as nw

    if isinstance(series.dtype, nw.Datetime) and series.dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    moments = series.to_numpy()
    if moments.dtype.kind != "M" or not len(moments):
        return None
    # Keep their unit: nanoseconds would silently wrap around for the year 1000.
    whole_seconds = bool(
        (moments == moments.astype("datetime64[s]"))[~np.isnat(moments)].all()
    )
    texts = np.datetime_as_string(
        moments, unit="D" if series.dtype == nw.Date else "s" if whole_seconds else None
    )
    array = np.char.replace(texts, "T", " ").astype(object)
    array[np.isnat(moments)] = None
    return list(array)


def frame_of_array(
    X: Any, where: str, names: Sequence[str] = (), as_text: Container[str] = ()
) -> Frame:
    """Return features [row, feature]; those of an array are named x0, x1, ... by default. See
    `read_frame`."""
    if as_frame(X) is not None:
        return read_frame(X, names, where=where, as_text=as_text)
    matrix = as_array(X, "X")
    if matrix.ndim != 2:
        raise DataError(
            f"{where}: X has shape {matrix.shape}, not [row, feature]",
            "Give two dimensions; one feature alone is X.reshape(-1, 1).",
        )
    named = tuple(names) or tuple(f"x{i}" for i in range(matrix.shape[1]))
    texts = [name in as_text for name in named] + [False] * matrix.shape[1]
    columns = (
        array_column(matrix[:, i], "X", keep_text=texts[i])
        for i in range(matrix.shape[1])
    )
    return Frame(where, named, tuple(columns))


def of_tensor(values: Any) -> Any:
    """Return a tensor of torch as an array, in float32 if NumPy lacks its type, and anything else
    as it is."""
    if not hasattr(values, "requires_grad"):
        return values
    return (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy(
        force=True
    )


def as_array(value: Any, role: str) -> NDArray[Any]:
    """Return an array, a sparse matrix, a tensor or nested lists, which errors call by their role,
    as an array."""
    if hasattr(value, "toarray"):
        if math.prod(value.shape) > _MOST_DENSE:
            size = " x ".join(f"{length:,}" for length in value.shape)
            raise DataError(
                f"{role} is a sparse matrix of {size} cells, too many to make dense: at most {_MOST_DENSE:,}",
                "Use fewer columns, for example by sklearn.decomposition.TruncatedSVD.",
            )
        value = value.toarray()
    try:
        return np.asarray(of_tensor(value))
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{role} can't be converted to an array: {error}",
            "Give numbers in rows of one length.",
        ) from error


def array_column(array: NDArray[Any], role: str, *, keep_text: bool = False) -> Cells:
    """Return a copy: numbers as they are, all else as text."""
    if array.dtype.kind in "iuf":
        return Numbers(array.copy())
    if array.dtype.kind == "b":
        return Texts.of(map(str, array.tolist()))
    if array.dtype.kind in "cV":
        raise DataError(f"{role} holds {array.dtype} values", "Give real numbers.")
    return _texts(array.tolist(), role, keep_text=keep_text)


def frame_of_records(
    records: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Frame:
    """Return records' values by key. Every record needs every key of `names`; other keys become
    columns, too."""
    required = set(names)
    others = dict.fromkeys(
        key for record in records for key in record if key not in required
    )
    for number, record in enumerate(records, start=1):
        if missing := [name for name in names if name not in record]:
            hint = (
                nearest(missing[0], map(str, others))
                or "Give None for what isn't known."
            )
            raise DataError(
                f"records: record {number} lacks {quote_names(missing)}", hint
            )
    values = [[record.get(name) for record in records] for name in (*names, *others)]
    return frame_of_values(values, (*names, *map(str, others)), as_text=names)


def frame_of_values(
    values: Sequence[Sequence[Any]],
    names: Sequence[str],
    where: str = "records",
    *,
    as_text: Container[str] = (),
) -> Frame:
    """Return columns of plain values [column][row]: numbers, texts, booleans, or None for a missing
    value.

    Raises DataError if a value is a list or a record.
    """
    check_names(names, where)
    columns = []
    for name, column in zip(names, values, strict=True):
        for kind in dict.fromkeys(map(type, column)):
            if issubclass(kind, Mapping | list | tuple):
                raise DataError(
                    f"{where}: '{name}' holds a {kind.__name__}",
                    "Give a number, a text or null.",
                )
        columns.append(_texts(column, f"{where}: '{name}'", keep_text=name in as_text))
    return Frame(where, tuple(names), tuple(columns))
