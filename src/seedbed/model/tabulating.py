"""Predictions as a table of their own, written block by block: memory stays bounded, however long the table is."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from seedbed.data import Columns, Note
from seedbed.errors import ColumnError, OptionError, did_you_mean, visible
from seedbed.files import temporary_folder
from seedbed.model.model import Model
from seedbed.model.predicting import Blocks, Predictions, check_threshold
from seedbed.model.storing import write_checked

__all__ = ["write_predictions"]

_FORMATS = {".csv": "(FORMAT csv, HEADER)", ".parquet": "(FORMAT parquet)"}
_ROWS_A_BLOCK = 65_536
_MEMORY = "1GB"  # what doesn't fit goes to a temporary folder


@dataclass(frozen=True)
class Written:
    """What came of it.

    Attributes:
        n_rows: how many rows were predicted.
        notes: what is strange about them.
    """

    n_rows: int
    notes: tuple[Note, ...]


def write_predictions(
    model: Model, columns: Columns, path: Path | None, *, threshold: float | None = None, keep: Sequence[str] = ()
) -> Written:
    """Write a row of predictions for each row: `prediction`, `probability_LABEL` of each label, `spread` over the
    networks, and `flags`, which columns are strange in this row: `unseen: town; outlying: age; doubtful`.

    Args:
        path: ends in `.csv` or `.parquet`; it appears whole or not at all. None is CSV on stdout.
        threshold: of two labels, in place of the model's own.
        keep: columns of the table that stand before the predictions, as they were read. Those that the model knows as
            identifiers stand there anyway, so that predictions can be joined to the table; one without a name is called
            `index`.

    Raises:
        OptionError: the path has another ending, or the threshold isn't one.
        ColumnError: a column that the model needs, or that is to be kept, isn't there.
        DataError: most cells say nothing that training knew.
    """
    if path is not None and path.suffix.lower() not in _FORMATS:
        raise OptionError(f"predictions can't be written as '{path.name}'", "Name a .csv or a .parquet file.")
    check_threshold(model.task, threshold)
    kept = _kept(model, columns, keep)
    with _table() as connection:
        notes = _fill(connection, model, columns, threshold, kept)
        if path is None:
            _print(connection)
        else:
            form = _FORMATS[path.suffix.lower()]
            write_checked(path, "predictions", lambda where: _copy(connection, where, form))
    return Written(columns.n_rows, notes)


@contextlib.contextmanager
def _table() -> Iterator[duckdb.DuckDBPyConnection]:
    with temporary_folder() as folder, duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET memory_limit = ?", [_MEMORY])
        connection.execute("SET temp_directory = ?", [str(folder)])
        yield connection


def _names(model: Model) -> list[str]:
    """Of the columns that are written."""
    return ["prediction", *(f"probability_{label}" for label in model.labels), "spread", "flags"]


def _types(model: Model) -> list[str]:
    said = {"i": "BIGINT", "U": "VARCHAR", "f": "DOUBLE"}[model.classes_.dtype.kind]
    return [said, *["FLOAT"] * (len(model.labels) + 1), "VARCHAR"]


def _quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _kept(model: Model, columns: Columns, keep: Sequence[str]) -> dict[str, int]:
    """The positions of the columns that stand before the predictions, by the names that they have there."""
    taken = _names(model)
    for name in keep:
        if name not in columns.names:
            raise ColumnError(f"{columns.where}: no column '{name}' to keep", did_you_mean(name, columns.names))
        if name in taken:
            raise OptionError(f"the column '{name}' can't be kept: a column of the predictions has its name")
    known = [name for name in model.identifiers if name in columns.names and name not in taken]
    names = list(dict.fromkeys([*known, *keep]))
    index = "index"
    while index in names:
        index += "_"
    return {name or index: columns.names.index(name) for name in names}


def _fill(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    columns: Columns,
    threshold: float | None,
    kept: dict[str, int],
) -> tuple[Note, ...]:
    blocks = Blocks(model, columns, _ROWS_A_BLOCK)
    names = [*kept, *_names(model)]
    types = ["VARCHAR"] * len(kept) + _types(model)
    # DuckDB's names don't tell 'Yes' from 'yes', so they come last; it makes the second 'yes_1'.
    shown = ", ".join(f"c{place} AS {_quoted(name)}" for place, name in enumerate(names))
    typed = ", ".join(f"c{place} {kind}" for place, kind in enumerate(types))
    connection.execute(f"CREATE TABLE cells ({typed})")
    connection.execute(f"CREATE VIEW predictions AS SELECT {shown} FROM cells")
    start = 0
    for found in blocks:
        block = columns.window(start, start + len(found.values))
        start += len(found.values)
        cells = [np.array(block.cells(position), dtype=object) for position in kept.values()]
        cells += _columns(model, found, threshold)
        connection.register("block", {f"c{place}": values for place, values in enumerate(cells)})
        flags = f"c{len(cells) - 1}"
        connection.execute(f"INSERT INTO cells SELECT * REPLACE (nullif({flags}, '') AS {flags}) FROM block")
        connection.unregister("block")
    return blocks.notes()


def _columns(model: Model, found: Predictions, threshold: float | None) -> list[np.ndarray[Any, Any]]:
    """The columns of a block."""
    said = [model.labelled(found, threshold)]
    if model.task != "regression":
        said += list(found.probabilities.astype(np.float32).T)  # as many digits as networks have
    return [*map(_written, said), found.spreads.astype(np.float32), _flags(model, found)]


def _written(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values.astype(object) if values.dtype.kind == "U" else np.ascontiguousarray(values)


def _flags(model: Model, found: Predictions) -> np.ndarray[Any, Any]:
    """What is strange, in words; nothing of most rows."""
    texts = np.full(len(found.values), "", dtype=object)
    expected = np.array([schema.has_missing for schema in model.preprocessor.layout.schemas])
    for row, flags in found.flags(model.feature_names_in_, expected).items():
        texts[row] = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in flags.items())
    for row in np.flatnonzero(found.doubtful).tolist():
        texts[row] += "; doubtful" if texts[row] else "doubtful"
    return texts


def _copy(connection: duckdb.DuckDBPyConnection, where: Path, form: str) -> None:
    try:
        connection.execute(f"COPY (FROM predictions) TO '{str(where).replace(chr(39), 2 * chr(39))}' {form}")
    except duckdb.IOException as error:
        why = re.search(r'": ([^"]+)', str(error))  # behind the temporary name, which is nobody's concern
        raise OSError(why[1] if why else "the disk refuses it") from None


def _print(connection: duckdb.DuckDBPyConnection) -> None:
    with temporary_folder() as folder:
        path = folder / "predictions.csv"
        _copy(connection, path, _FORMATS[".csv"])
        with path.open(encoding="utf-8") as file:
            if sys.stdout.isatty():  # a file or a pipe gets the data as they are
                sys.stdout.writelines(map(visible, file))
            else:
                shutil.copyfileobj(file, sys.stdout)
