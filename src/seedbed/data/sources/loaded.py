"""Load a source into DuckDB, which runs in this process and never uses the network, and read it as
a frame."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.data.cells import (
    CERTAIN_POINT,
    DOTTED,
    LEADING_ZEROS,
    NUMBER,
    missing_in_number,
)
from seedbed.data.frame import (
    Builder,
    Cells,
    FindPlaces,
    Frame,
    Numbers,
    Texts,
    fits_float,
    from_texts,
    is_whole,
    may_be_dotted,
    numbered,
)
from seedbed.data.sources.source_limits import (
    MAX_CELL,
    EveryName,
    SourceLimit,
    check_names,
    long_cell,
)
from seedbed.errors import UnreadableError
from seedbed.evaluation.summaries import Note
from seedbed.files import temporary_folder
from seedbed.typing import Floats

if TYPE_CHECKING:
    import duckdb

_ROWS_A_QUERY = 1 << 21  # of a column of text
COLUMNS_A_QUERY = (
    200  # ten thousand columns in one statement take DuckDB far longer than in pieces
)
CELLS_A_QUERY = (
    1_000_000  # a query per column takes half a minute for ten thousand columns
)
INTEGER_TYPES = re.compile("U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BIGNUM")
NUMERIC_TYPES = re.compile(f"{INTEGER_TYPES.pattern}|FLOAT|DOUBLE|DECIMAL.*")
WITH_ZONE = "TIMESTAMP WITH TIME ZONE"
UNLIMITED = SourceLimit(math.inf)
MEMORY = "2GB"  # the default is most of the machine's memory
SHORT_ROW, BUFFER = 1 << 21, 1 << 25  # bytes
LONG_ROW = (
    1 << 28
)  # bytes; DuckDB's own limit, 2 MB, is less than ten thousand columns can hold
# DuckDB would fetch extensions from the network at run time.
OFFLINE: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
ROWS = numbered("row {}")  # of a source without lines or records


@dataclass(frozen=True, eq=False)
class Loader:
    """Loads one source into DuckDB's table `cells`, whose columns are named c0, c1, ... in the
    order of the source.

    The folder for temporary files exists as long as the connection. `as_text` and `wanted` are as
    in `read_source`.
    """

    connection: duckdb.DuckDBPyConnection
    folder: Path
    where: str
    limit: SourceLimit
    as_text: Container[str] = ()
    wanted: Sequence[str] = ()

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(query, list(values)).fetchall()

    def load_csv(self, path: str, *, n_columns: int, delimiter: str, skip: int) -> None:
        """Load all cells as text, below some lines. Rows that can't be read go to the table
        `reject_errors`."""
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
        # A character takes up to four bytes, and a quote is written twice. Its own buffer is 16
        # such rows.
        longest = min(LONG_ROW, max(SHORT_ROW, 8 * MAX_CELL * n_columns))
        query = (
            f"CREATE TEMP TABLE cells AS SELECT * FROM read_csv(?, columns={{{columns}}}, delim=?, skip=?, "
            "auto_detect=false, header=false, quote='\"', escape='\"', comment='', compression='none', "
            "new_line='\\n', strict_mode=true, null_padding=false, allow_quoted_nulls=false, store_rejects=true, "
            f"max_line_size={longest}, buffer_size={max(BUFFER, 2 * longest)})"
        )
        self.ask(query, path, delimiter, skip)

    def load_arrow(self, stream: Any, *, n_columns: int) -> None:
        """Load an object with an Arrow stream (`__arrow_c_stream__`)."""
        aliases = ", ".join(f"c{i}" for i in range(n_columns))
        self.connection.register("arrow", stream)
        self.connection.execute(
            f"CREATE TEMP TABLE cells AS SELECT * FROM arrow AS stream({aliases})"
        )
        self.connection.unregister("arrow")

    def frame(
        self,
        names: Sequence[str],
        places: FindPlaces = ROWS,
        notes: tuple[Note, ...] = (),
    ) -> Frame:
        """Return what was loaded, and check its limits. A table without rows is enough to
        predict."""
        check_names(names, self.where)
        types = [
            kind for (kind,) in self.ask("SELECT column_type FROM (DESCRIBE cells)")
        ]
        [(n_rows,)] = self.ask("SELECT count(*) FROM cells")
        self.limit.check_rows(
            n_rows,
            len(names),
            self.where,
            n_text=self._check_cells(names, types, places),
        )
        width = max(1, min(COLUMNS_A_QUERY, CELLS_A_QUERY // max(1, n_rows)))
        columns: list[Cells] = []
        for start in range(0, len(names), width):
            some = range(start, min(start + width, len(names)))
            numeric = [
                i for i in some if not types[i].startswith(("DATE", "TIME", "BOOL"))
            ]
            wanted = (
                ", ".join(f"{number_sql(f'c{i}', types[i])} AS c{i}" for i in numeric)
                or "NULL"
            )
            fetched = self.connection.execute(
                f"SELECT {wanted} FROM cells ORDER BY rowid"
            ).fetchnumpy()
            numbers = {
                i: np.ma.filled(np.ma.asarray(fetched[f"c{i}"], np.float64), np.nan)
                for i in numeric
            }
            kept = {
                i
                for i in some
                if names[i] in self.as_text
                and not NUMERIC_TYPES.fullmatch(types[i])
                and not (
                    isinstance(self.as_text, EveryName)
                    and _are_amounts(numbers.get(i, np.empty(0)))
                )
            }
            plain = {i for i in numbers if types[i] == "VARCHAR" and i not in kept}
            facts = dict.fromkeys(some, (0, False, False, False)) | self._facts(
                {i: numbers[i] for i in plain}
            )
            columns += [
                self._column(i, types[i], numbers[i], n_rows, facts[i])
                if i in numbers and i not in kept
                else self._texts(i, types[i], n_rows)
                for i in some
            ]
        return Frame(self.where, tuple(names), tuple(columns), notes, places=places)

    def _facts(
        self, numbers: dict[int, Floats]
    ) -> dict[int, tuple[int, bool, bool, bool]]:
        """Return of columns of text how many cells are filled, and whether some cell has leading
        zeros, may have a point between thousands, or surely has a decimal point; by one query."""
        wanted = ["count(*)"]  # of constants alone, SQL would return a row for each row
        starts = {}
        for i, values in numbers.items():
            column = f"c{i}"
            present = values[~np.isnan(values)]
            wanted.append(
                f"count(*) FILTER ({column} <> '')"
                if len(present) < len(values)
                else f"{len(values)}"
            )
            if may_be_dotted(present) and len(present):
                wanted += [
                    _any(column, LEADING_ZEROS),
                    _any(column, DOTTED, "."),
                    _any(column, CERTAIN_POINT, "."),
                ]
            else:
                wanted += ["false", "false", "true"]
            starts[i] = len(wanted) - 4
        [answers] = self.ask(f"SELECT {', '.join(wanted)} FROM cells")
        return {i: answers[start : start + 4] for i, start in starts.items()}

    def _column(
        self,
        i: int,
        kind: str,
        values: Floats,
        n_rows: int,
        facts: tuple[int, bool, bool, bool],
    ) -> Cells:
        n_filled, has_codes, may_have_groups, has_point = facts
        column = f"c{i}"
        present = values[~np.isnan(values)]
        if NUMERIC_TYPES.fullmatch(kind):
            exact = fits_float(present) or not INTEGER_TYPES.fullmatch(kind)
            return Numbers(values) if exact else self._texts(i, kind, n_rows)
        if len(present) and kind != "VARCHAR":
            return from_texts(self._texts(i, kind, n_rows))
        if (
            not len(present)
            or not fits_float(present)
            or (has_codes and is_whole(present))
        ):
            return self._texts(i, kind, n_rows)
        missing_texts = None
        if n_filled > len(present):
            odd = f"SELECT coalesce({column}, '') AS c FROM cells WHERE coalesce(NOT {_is_number(column)}, true)"
            missing_texts = Texts.of(
                self.connection.execute(f"{odd} ORDER BY rowid").fetchnumpy()["c"]
            )
            if not all(map(missing_in_number, missing_texts.texts)):
                return self._texts(i, kind, n_rows)
        dotted = (
            self._texts(i, kind, n_rows) if may_have_groups and not has_point else None
        )
        return Numbers(values, missing_texts, has_point, dotted)

    def _texts(self, i: int, kind: str, n_rows: int) -> Texts:
        text = f"CAST(c{i} AS VARCHAR)"
        builder = Builder()
        if kind == "BOOLEAN":  # as in Python
            text = f"CASE c{i} WHEN true THEN 'True' WHEN false THEN 'False' END"
        elif kind == WITH_ZONE:  # in UTC, without the zone
            text = f"CAST(CAST(c{i} AS TIMESTAMP) AS VARCHAR)"
        for start in range(0, n_rows, _ROWS_A_QUERY):
            some = f"rowid >= {start} AND rowid < {start + _ROWS_A_QUERY}"
            query = f"SELECT coalesce({text}, '') AS c FROM cells WHERE {some} ORDER BY rowid"
            builder.add_texts(self.connection.execute(query).fetchnumpy()["c"].tolist())
        return builder.texts()

    def _check_cells(
        self, names: Sequence[str], types: Sequence[str], places: FindPlaces
    ) -> int:
        """Return the bytes of all cells that are text. Raise UnreadableError if one is too long."""
        texts = [i for i, kind in enumerate(types) if not NUMERIC_TYPES.fullmatch(kind)]
        n_text = 0
        for start in range(0, len(texts), COLUMNS_A_QUERY):
            some = texts[start : start + COLUMNS_A_QUERY]
            lengths = [f"strlen(CAST(c{i} AS VARCHAR))" for i in some]
            wanted = ", ".join(
                f"max({length}), coalesce(sum({length}), 0)" for length in lengths
            )
            [sizes] = self.ask(f"SELECT {wanted} FROM cells")
            n_text += int(sum(sizes[1::2]))
            for i, longest in zip(some, sizes[::2], strict=True):
                if (longest or 0) > MAX_CELL:
                    first = f"SELECT min(rowid) FROM cells WHERE strlen(CAST(c{i} AS VARCHAR)) > {MAX_CELL}"
                    [(row,)] = self.ask(first)
                    raise long_cell(self.where, places([row])[row], names[i])
        return n_text


@contextlib.contextmanager
def open_duckdb(
    memory: str = MEMORY,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Start DuckDB in memory. Yield the connection, and a temporary folder, which also takes what
    exceeds `memory`."""
    import duckdb

    with (
        temporary_folder() as folder,
        contextlib.closing(duckdb.connect(":memory:", config=OFFLINE)) as connection,
    ):
        # If it is off, it isn't set: in a notebook without ipywidgets, DuckDB refuses any change of
        # it.
        if connection.execute(
            "SELECT current_setting('enable_progress_bar')"
        ).fetchone() == (True,):
            connection.execute("SET enable_progress_bar = false")
        connection.execute("SET memory_limit = ?", [memory])
        # The default is a folder .tmp in the current folder.
        connection.execute("SET temp_directory = ?", [str(folder / "duckdb")])
        yield connection, folder


@contextlib.contextmanager
def open_loader(
    where: str,
    limit: SourceLimit = UNLIMITED,
    as_text: Container[str] = (),
    wanted: Sequence[str] = (),
) -> Iterator[Loader]:
    """Start DuckDB for one source, which its errors name."""
    import duckdb

    with open_duckdb() as (connection, folder):
        connection.execute("SET TimeZone = 'UTC'")
        if math.isfinite(limit.size):
            # DuckDB takes 16 bytes for a text cell that is counted as 8.
            connection.execute(
                "SET max_temp_directory_size = ?", [f"{3 * limit.size / 1e6:.0f}MB"]
            )
        try:
            yield Loader(connection, folder, where, limit, as_text, wanted)
        except duckdb.OutOfMemoryException:
            if math.isinf(limit.size):
                raise
            limit.check_size(2 * limit.size, where, measured="needs over")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UnreadableError(
                f"{where} can't be read ({reason})", "Is it complete?"
            ) from error


def number_sql(column: str, kind: str) -> str:
    """Return SQL for the number of a cell; NULL where `parse_number` returns NaN."""
    if NUMERIC_TYPES.fullmatch(kind):
        return f"CAST({column} AS DOUBLE)"
    text = column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    return f"CASE WHEN {_is_number(text)} THEN TRY_CAST({text} AS DOUBLE) END"


def _are_amounts(values: Floats, most: int = 20_000) -> bool:
    """Return whether there are so many different fractions that they are no labels."""
    return len(np.unique(values[np.isfinite(values) & (values % 1 != 0)])) > most


def _is_number(text: str) -> str:
    return f"regexp_full_match({text}, '{NUMBER}')"


def _any(column: str, pattern: str, mark: str = "") -> str:
    """Return SQL for whether a pattern fits some cell, all of which have a mark."""
    fits = f"regexp_full_match({column}, '{pattern}')"
    return f"coalesce(bool_or({f'CASE WHEN contains({column}, {mark!r}) THEN {fits} END' if mark else fits}), false)"
