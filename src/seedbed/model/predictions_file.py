"""Write predictions to a table, block by block, so memory stays bounded for a table of any
length."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from seedbed.data.frame import Frame
from seedbed.data.sources.loaded import open_duckdb, quote_name
from seedbed.errors import ColumnError, OptionError, counted, did_you_mean
from seedbed.evaluation.metrics import plain_number
from seedbed.evaluation.summaries import Note
from seedbed.model.model import Model
from seedbed.model.model_file import write_checked
from seedbed.model.predicting import Blocks, Predictions
from seedbed.report.tables import table_lines

_FORMATS = {".csv": "(FORMAT csv, HEADER)", ".parquet": "(FORMAT parquet)"}
_FORMULA = r"(?s)^\s*(=|[-+@].*[(|!])"  # what a spreadsheet runs, but not -5 or a label such as +
_ROWS_A_BLOCK = 65_536
_MOST_SHOWN = 200  # rows on a terminal
_MEMORY = "1GB"  # of DuckDB; the rest goes to a temporary folder


def write_predictions(
    model: Model,
    frame: Frame,
    path: Path | None,
    *,
    threshold: float | None = None,
    keep: Sequence[str] = (),
    coverage: float | None = None,
    per_class: bool = False,
    at: Sequence[float] = (),
) -> tuple[Note, ...]:
    """Write the predictions for each row, and return warnings about them.

    The columns are `prediction`, `probability_LABEL` for each label, `range_low` and `range_high`
    (see `Predictions.ranges`), and `flags`, which names unusual columns of the row: `unseen: town;
    outlying: age; doubtful`. With a coverage, `set` has the labels of the prediction set, `yes;
    no`, or `low` and `high` are the ends of the interval. In CSV, a text that a spreadsheet would
    run as a formula gets an apostrophe.

    Args:
        path: of the file, `.csv` or `.parquet`, written completely or not at all; None for CSV on
            stdout, or a table on a terminal.
        threshold: for two labels, replaces the model's own threshold.
        keep: columns of the table to copy before the predictions. Identifiers known to the model
            are copied, too, so predictions can be joined to the table; one without a name is called
            `index`.
        coverage, per_class: as in `Model.predict_set`; without a coverage, no sets are written.
        at: of survival, the times of which the columns `survival_at_TIME` are; `prediction` is the
            median.

    Raises:
        OptionError: the path has another ending, the threshold isn't a probability, or there are no
            such sets.
        ColumnError: a column that the model needs, or a column to keep, is missing.
        DataError: most cells are missing, unreadable or unknown to the model.
    """
    if path is not None and path.suffix.lower() not in _FORMATS:
        raise OptionError(
            f"predictions can't be written as '{path.name}'",
            "Name a .csv or a .parquet file.",
        )
    model.outcome.check_threshold(threshold)
    if coverage is not None or per_class:  # refused now if there are no such sets
        model.thresholds_of_sets(coverage, per_class=per_class)
    model.outcome.check_times(at, model)  # refused now if one is out of range
    columns = _Columns(model, threshold, coverage, per_class, tuple(dict.fromkeys(at)))
    copied = _columns_to_copy(columns, frame, keep)
    with open_duckdb(_MEMORY) as (connection, folder):
        notes = _fill(connection, columns, frame, copied, path)
        if path is None:
            _print(connection, columns, frame.n_rows, folder / "predictions.csv")
        else:
            form = _FORMATS[path.suffix.lower()]
            write_checked(
                path, "predictions", lambda where: _copy(connection, where, form)
            )
    return notes


@dataclass(frozen=True)
class _Columns:
    """The columns of predictions; see `write_predictions`."""

    model: Model
    threshold: float | None
    coverage: float | None
    per_class: bool
    at: tuple[float, ...]

    @property
    def names(self) -> list[str]:
        outcome = self.model.outcome
        parts = [outcome.prefix + key for key in outcome.keys(self.model, self.at)]
        added = (
            []
            if self.coverage is None
            else ["set"]
            if self.model.labels
            else ["low", "high"]
        )
        return ["prediction", *parts, *added, "range_low", "range_high", "flags"]

    def of(self, predictions: Predictions) -> list[np.ndarray[Any, Any]]:
        """Return the columns of a block."""
        columns = [self.model.labelled(predictions, self.threshold)]
        parts = self.model.outcome.parts_of(predictions.values, self.model, self.at)
        columns += list(parts.astype(np.float32).T)  # networks are trained in float32
        if self.coverage is not None:
            sets = self.model.covering(
                predictions, self.coverage, per_class=self.per_class
            )
            texts = [
                "; ".join(itertools.compress(self.model.labels, one))
                for one in sets.tolist()
            ]
            columns += [np.array(texts, object)] if self.model.labels else list(sets.T)
        columns = [
            one.astype(object) if one.dtype.kind == "U" else np.ascontiguousarray(one)
            for one in columns
        ]
        return [
            *columns,
            *predictions.ranges.astype(np.float32).T.copy(),
            self._flags(predictions),
        ]

    def _flags(self, predictions: Predictions) -> np.ndarray[Any, Any]:
        """Return the unusual columns of each row in words [row]; empty for most rows."""
        texts = np.full(len(predictions.values), "", dtype=object)
        for row, flags in predictions.flags(
            self.model.preprocessor.layout.schemas
        ).items():
            texts[row] = "; ".join(
                f"{kind}: {', '.join(names)}" for kind, names in flags.items()
            )
        for row in np.flatnonzero(predictions.doubtful).tolist():
            texts[row] += "; doubtful" if texts[row] else "doubtful"
        return texts


def _columns_to_copy(
    columns: _Columns, frame: Frame, keep: Sequence[str]
) -> dict[str, int]:
    """Return the positions of the columns to copy, by their names in the result."""
    names_in_use = columns.names
    for name in keep:
        if name not in frame.names:
            raise ColumnError(
                f"{frame.where}: no column '{name}' to keep",
                did_you_mean(name, frame.names),
            )
        if name in names_in_use:
            raise OptionError(
                f"the column '{name}' can't be kept: a column of the predictions has its name"
            )
    known = [
        name
        for name in columns.model.identifiers
        if name in frame.names and name not in names_in_use
    ]
    names = list(dict.fromkeys([*known, *keep]))
    index = "index"
    while index in names:
        index += "_"
    return {name or index: frame.names.index(name) for name in names}


def _fill(
    connection: duckdb.DuckDBPyConnection,
    columns: _Columns,
    frame: Frame,
    copied: dict[str, int],
    path: Path | None,
) -> tuple[Note, ...]:
    rows, remarks = columns.model.read(frame)
    blocks = Blocks(columns.model, rows, _ROWS_A_BLOCK)
    texts = [frame.texts(position) for position in copied.values()]
    start = 0
    for predictions in blocks:
        block = slice(start, start + len(predictions.values))
        start = block.stop
        arrays = [
            np.array(
                [column.texts[i] or None for i in column.codes[block].tolist()], object
            )
            for column in texts
        ]
        arrays += columns.of(predictions)
        cells = {f"c{place}": values for place, values in enumerate(arrays)}
        flags = f"c{len(cells) - 1}"
        parts = [
            f"{name}::VARCHAR AS {name}" if values.dtype == object else name
            for name, values in cells.items()
        ]
        connection.register("block", cells)
        selected = f"SELECT * REPLACE (nullif({flags}, '') AS {flags}) FROM (SELECT {', '.join(parts)} FROM block)"
        connection.execute(f"CREATE TABLE IF NOT EXISTS cells AS {selected} LIMIT 0")
        connection.execute(f"INSERT INTO cells {selected}")
        connection.unregister("block")
    is_csv = path is None or path.suffix.lower() == ".csv"
    notes = _name_columns(connection, [*copied, *columns.names], is_csv=is_csv)
    return (*blocks.notes(frame, remarks), *notes)


def _name_columns(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], *, is_csv: bool
) -> tuple[Note, ...]:
    """Make the view `predictions` of the table `cells`, without formulas in CSV, and return a note
    on these. DuckDB's names ignore case: in a table, it would rename the second of 'Yes' and
    'yes'."""
    connection.execute(
        f"CREATE MACRO inert(x) AS if(regexp_matches(x, '{_FORMULA}'), chr(39) || x, x)"
    )
    kinds = connection.execute("DESCRIBE cells").fetchall()
    texts = [cell for cell, kind, *_ in kinds if is_csv and kind == "VARCHAR"]
    shown = []
    for (cell, *_), name in zip(kinds, names, strict=True):
        value = f"inert({cell})" if cell in texts else cell
        inert = f"'{name}" if is_csv and re.match(_FORMULA, name) else name
        shown.append(f"{value} AS {quote_name(inert)}")
    connection.execute(
        f"CREATE VIEW predictions AS SELECT {', '.join(shown)} FROM cells"
    )
    changed = " + ".join(
        ["0", *(f"count_if(inert({cell}) IS DISTINCT FROM {cell})" for cell in texts)]
    )
    n = connection.execute(f"SELECT {changed} FROM cells").fetchall()[0][0]
    if not n:
        return ()
    message = f"{counted(n, 'text')} that a spreadsheet would run as a formula got an apostrophe"
    return (Note(f"{message}; .parquet keeps them unchanged", count=n),)


def _copy(connection: duckdb.DuckDBPyConnection, where: Path, form: str) -> None:
    try:
        connection.execute(
            f"COPY (FROM predictions) TO '{str(where).replace(chr(39), 2 * chr(39))}' {form}"
        )
    except duckdb.IOException as error:
        why = re.search(
            r'": ([^"]+)', str(error)
        )  # without the name of the temporary file
        raise OSError(why[1] if why else "writing failed") from None


def _print(
    connection: duckdb.DuckDBPyConnection, columns: _Columns, n_rows: int, path: Path
) -> None:
    """Print CSV with all digits, or on a terminal a table of the first rows, numbered, with the
    digits that matter."""
    if sys.stdout.isatty():
        names = [
            name for name, *_ in connection.execute("DESCRIBE predictions").fetchall()
        ]
        is_share = [
            not columns.model.outcome.is_number and name != "prediction"
            for name in names
        ]
        first = connection.execute("FROM predictions").fetchmany(_MOST_SHOWN)
        rows = [
            [str(number), *map(_cell_words, row, is_share)]
            for number, row in enumerate(first, 1)
        ]
        lines = table_lines(
            ["row", *names],
            rows,
            left=("set", "flags"),
            width=shutil.get_terminal_size().columns,
        )
        more = (
            [f"and {counted(n_rows - len(rows), 'more row')}: -o FILE writes all"]
            if n_rows > len(rows)
            else []
        )
        print("", *(line.plain.rstrip() for line in lines), *more, sep="\n")
        return
    _copy(connection, path, _FORMATS[".csv"])
    with path.open(encoding="utf-8") as file:
        shutil.copyfileobj(file, sys.stdout)


def _cell_words(value: Any, is_share: bool) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if is_share else plain_number(value, 4)
    return "" if value is None else str(value)
