"""Load a source into DuckDB, which runs in this process and never uses the network, and read it as
a frame; how large a source may be."""

from __future__ import annotations

import contextlib
import math
import re
import tempfile
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seedbed.data.cells import NUMBER
from seedbed.data.frame import (
    PATTERNS,
    Builder,
    Cells,
    FindPlaces,
    Frame,
    Numbers,
    Texts,
    fits_float,
    from_texts,
    may_be_dotted,
    numbered,
    plain_numbers,
)
from seedbed.errors import OptionError, UnreadableError, spell
from seedbed.evaluation.summaries import Note
from seedbed.typing import Floats

if TYPE_CHECKING:
    import duckdb

MAX_COLUMNS = 10_000
SIZE = 4_000_000_000  # bytes
RATIO = 20  # text of a table rarely shrinks to less than a twentieth
ROW_BYTES, CELL_BYTES = 100, 8
UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
QUANTITY = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*([a-z]+)\s*")


@dataclass(frozen=True)
class SourceLimit:
    """How large a source may be when it is unpacked [bytes].

    A small file can contain a table that fills any memory, so a source is measured before or while
    it is read. A row counts as 100 bytes and a cell as 8.
    """

    size: float

    @classmethod
    def of(cls, option: str | None, stored: float = 0) -> SourceLimit:
        """Read a limit such as "50GB"; the default is 4 GB, or 20 times the bytes `stored`.

        Examples:
            >>> SourceLimit.of("50GB")
            SourceLimit(size=50000000000.0)
        """
        if option is None:
            return cls(max(SIZE, RATIO * stored))
        match = QUANTITY.fullmatch(option.lower())
        if match is None or match[2].upper() not in UNITS or float(match[1]) == 0:
            raise OptionError(f"limit is '{option}'", "Give a size, such as 50GB.")
        return cls(float(match[1]) * UNITS[match[2].upper()])

    def check_size(
        self, size: float, where: str, *, measured: str = "unpacks to over"
    ) -> None:
        """Raise UnreadableError if a size in bytes is over the limit."""
        if size > self.size:
            digit: float = 10 ** math.floor(math.log10(size * 1.2))
            larger = _size(math.ceil(size * 1.2 / digit) * digit)
            option = spell("limit", larger.replace(" ", "").replace(",", ""))
            raise UnreadableError(
                f"{where} {measured} {_size(size)}; the limit is {_size(self.size)}",
                f"If you trust the source, raise it with {option}.",
                option="limit",
            )

    def check_rows(self, n_rows: int, n_columns: int, where: str) -> None:
        """Raise UnreadableError if a table is over the limit."""
        self.check_size(
            n_rows * (ROW_BYTES + CELL_BYTES * n_columns),
            f"{where}: {n_rows:,} rows and {n_columns:,} columns",
            measured="need about",
        )


def _size(size: float) -> str:
    """Return bytes as people write them: '4 GB'."""
    unit = next((name for name in ("TB", "GB", "MB") if size >= UNITS[name]), "KB")
    return f"{math.floor(size / UNITS[unit]):,} {unit}"


def check_names(names: Sequence[str], where: str) -> None:
    """Raise UnreadableError if there are too many columns, or a name is no valid text."""
    if len(names) > MAX_COLUMNS:
        raise UnreadableError(
            f"{where} has {len(names):,} columns; the limit is {MAX_COLUMNS:,}",
            "Is it transposed? Otherwise leave out columns.",
        )
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise UnreadableError(
            f"{where} has half a character in the name of a column ({error.reason})"
        ) from error


class EveryName(Container[str]):
    """Contains every name. Columns of many fractions are read as numbers all the same, as these
    are no labels."""

    def __contains__(self, name: object) -> bool:
        return True


_ROWS_A_QUERY = 1 << 21  # of a column of text
# Ten thousand columns in one statement take DuckDB far longer than in pieces, and a query per
# column takes half a minute.
COLUMNS_A_QUERY, CELLS_A_QUERY = 200, 1_000_000
INTEGER_TYPES = re.compile("U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BIGNUM")
NUMERIC_TYPES = re.compile(f"{INTEGER_TYPES.pattern}|FLOAT|DOUBLE|DECIMAL.*")
MEMORY = "2GB"  # the default is most of the machine's memory
# DuckDB's own limit of a row, 2 MB, is less than ten thousand columns can hold.
SHORT_ROW, LONG_ROW = 1 << 21, 1 << 28  # bytes
BUFFER = 1 << 25
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

    def load_csv(self, path: str, *, n_columns: int, delimiter: str) -> None:
        """Load all cells below the first line as text. Rows that can't be read go to the table
        `reject_errors`."""
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
        longest = min(LONG_ROW, max(SHORT_ROW, n_columns << 19))
        query = (
            f"CREATE TEMP TABLE cells AS SELECT * FROM read_csv(?, columns={{{columns}}}, delim=?, skip=1, "
            "auto_detect=false, header=false, quote='\"', escape='\"', comment='', compression='none', "
            "new_line='\\n', strict_mode=true, null_padding=false, allow_quoted_nulls=false, store_rejects=true, "
            f"max_line_size={longest}, buffer_size={max(BUFFER, 2 * longest)})"
        )
        self.ask(query, path, delimiter)

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
        self.limit.check_rows(n_rows, len(names), self.where)
        width = max(1, min(COLUMNS_A_QUERY, CELLS_A_QUERY // max(1, n_rows)))
        columns: list[Cells] = []
        for start in range(0, len(names), width):
            block = range(start, min(start + width, len(names)))
            numbers = self._numbers(block, types)
            facts = self._facts(
                {i: numbers[i] for i in numbers if types[i] == "VARCHAR"}
            )
            for i in block:
                if names[i] in self.as_text and not (
                    NUMERIC_TYPES.fullmatch(types[i])
                    or _are_amounts(numbers.get(i, np.empty(0)))
                ):
                    columns.append(self._texts(i, types[i], n_rows))
                else:
                    columns.append(
                        self._column(i, types[i], numbers.get(i), n_rows, facts)
                    )
        return Frame(self.where, tuple(names), tuple(columns), notes, places=places)

    def _numbers(self, block: range, types: Sequence[str]) -> dict[int, Floats]:
        """Return the numbers [row] of columns that store numbers or text, NaN for other cells."""
        wanted = {
            i: number_sql(f"c{i}", types[i])
            for i in block
            if types[i] == "VARCHAR" or NUMERIC_TYPES.fullmatch(types[i])
        }
        listed = ", ".join(f"{sql} AS c{i}" for i, sql in wanted.items()) or "NULL"
        fetched = self.connection.execute(
            f"SELECT {listed} FROM cells ORDER BY rowid"
        ).fetchnumpy()
        return {
            i: np.ma.filled(np.ma.asarray(fetched[f"c{i}"], np.float64), np.nan)
            for i in wanted
        }

    def _facts(self, columns: dict[int, Floats]) -> set[tuple[int, str]]:
        """Return which patterns fit a cell of which columns of text, asked for those whose numbers
        may have several meanings, by one query."""
        asked = [
            (i, pattern)
            for i, values in columns.items()
            if may_be_dotted(values[~np.isnan(values)])
            for pattern in PATTERNS
        ]
        wanted = [
            f"coalesce(bool_or(regexp_full_match(c{i}, '{pattern}')), false)"
            for i, pattern in asked
        ]
        [answers] = self.ask(f"SELECT {', '.join(['count(*)', *wanted])} FROM cells")
        return {fact for fact, fits in zip(asked, answers[1:], strict=True) if fits}

    def _column(
        self,
        i: int,
        kind: str,
        values: Floats | None,
        n_rows: int,
        facts: set[tuple[int, str]],
    ) -> Cells:
        if values is None:
            return from_texts(self._texts(i, kind, n_rows))
        if kind != "VARCHAR":
            exact = fits_float(values[~np.isnan(values)])
            if exact or not INTEGER_TYPES.fullmatch(kind):
                return Numbers(values)
            return self._texts(i, kind, n_rows)

        def words() -> Texts:
            is_number = f"coalesce(NOT {_is_number(f'c{i}')}, true)"
            query = f"SELECT coalesce(c{i}, '') AS c FROM cells WHERE {is_number}"
            fetched = self.connection.execute(f"{query} ORDER BY rowid").fetchnumpy()
            return Texts.of(fetched["c"])

        numbers = plain_numbers(
            values,
            lambda pattern: (i, pattern) in facts,
            words,
            lambda: self._texts(i, kind, n_rows),
        )
        return self._texts(i, kind, n_rows) if numbers is None else numbers

    def _texts(self, i: int, kind: str, n_rows: int) -> Texts:
        text = f"CAST(c{i} AS VARCHAR)"
        builder = Builder()
        if kind == "BOOLEAN":  # as in Python
            text = f"CASE c{i} WHEN true THEN 'True' WHEN false THEN 'False' END"
        elif kind == "TIMESTAMP WITH TIME ZONE":  # in UTC, without the zone
            text = f"CAST(CAST(c{i} AS TIMESTAMP) AS VARCHAR)"
        elif kind == "JSON":  # texts without quotes
            text = (
                f"CASE json_type(c{i}) WHEN 'BOOLEAN' THEN if(c{i}::BOOLEAN, 'True', 'False') "
                "WHEN 'ARRAY' THEN error('a value is a list') "
                f"WHEN 'OBJECT' THEN error('a value is a record') ELSE c{i} ->> '$' END"
            )
        for start in range(0, n_rows, _ROWS_A_QUERY):
            rows = f"rowid >= {start} AND rowid < {start + _ROWS_A_QUERY}"
            query = f"SELECT coalesce({text}, '') AS c FROM cells WHERE {rows} ORDER BY rowid"
            builder.add_texts(self.connection.execute(query).fetchnumpy()["c"].tolist())
        return builder.texts()


@contextlib.contextmanager
def open_duckdb(
    memory: str = MEMORY,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Start DuckDB in memory. Yield the connection, and a temporary folder, which also takes what
    exceeds `memory`."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(
            prefix="seedbed-", ignore_cleanup_errors=True
        ) as name,
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
        connection.execute("SET temp_directory = ?", [str(Path(name) / "duckdb")])
        yield connection, Path(name)


@contextlib.contextmanager
def open_loader(
    where: str,
    limit: SourceLimit,
    as_text: Container[str] = (),
    wanted: Sequence[str] = (),
) -> Iterator[Loader]:
    """Start DuckDB for one source, which its errors name."""
    import duckdb

    with open_duckdb() as (connection, folder):
        connection.execute("SET TimeZone = 'UTC'")
        # DuckDB takes 16 bytes for a text cell that is counted as 8.
        connection.execute(
            "SET max_temp_directory_size = ?", [f"{3 * limit.size / 1e6:.0f}MB"]
        )
        try:
            yield Loader(connection, folder, where, limit, as_text, wanted)
        except duckdb.OutOfMemoryException:
            limit.check_size(2 * limit.size, where, measured="needs over")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise UnreadableError(
                f"{where} can't be read ({reason})", "Is it complete?"
            ) from error


def number_sql(column: str, kind: str) -> str:
    """Return SQL for the number of a cell; NULL where `parse_number` returns NaN."""
    cast = f"TRY_CAST({column} AS DOUBLE)"
    return (
        f"CASE WHEN {_is_number(column)} THEN {cast} END" if kind == "VARCHAR" else cast
    )


def quote_name(name: str) -> str:
    """Return a name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def _are_amounts(values: Floats, most: int = 20_000) -> bool:
    """Return whether there are so many different fractions that they are no labels."""
    return len(np.unique(values[np.isfinite(values) & (values % 1 != 0)])) > most


def _is_number(text: str) -> str:
    return f"regexp_full_match({text}, '{NUMBER}')"
