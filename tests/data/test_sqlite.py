"""SQLite files: tables, queries, and read-only access."""

import contextlib
import shutil
import sqlite3

import pytest

from seedbed.data.sources.opening import read_source
from seedbed.data.table_options import SourceOptions
from seedbed.errors import DataError, OptionError, TableNotFoundError, UnreadableError


@pytest.fixture
def database(tmp_path):
    """A function that creates a file from SQL."""

    def made(script: str, name: str = "study.db"):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.executescript(script)
        connection.close()
        return tmp_path / name

    return made


ONE = """CREATE TABLE t (a INTEGER, b, y TEXT);
INSERT INTO t VALUES (9007199254740993, 1.0, 'u'), (NULL, 'x,"y"
', 'ü');"""
TWO = ONE + 'CREATE TABLE "odd ""name" (z); INSERT INTO "odd ""name" VALUES (0.1), (-3.0);'


def test_the_only_table_is_taken_with_a_note(database):
    source = read_source(database(ONE, "study.data"))
    assert (source.name, source.names, source.n_rows) == ("study.data", ("a", "b", "y"), 2)
    assert [source.cells(i) for i in range(3)] == [
        ["9007199254740993", None],
        ["1", 'x,"y"'],
        ["u", "ü"],
    ]
    assert [note.message for note in source.notes] == [
        "the table is 't', the only one in the database"
    ]
    assert source.places([1]) == {1: "row 2"}


def test_a_table_with_an_odd_name_can_be_chosen_among_several(database):
    source = read_source(database(TWO), SourceOptions(table='odd "name'))
    assert (source.name, source.cells(0), source.notes) == ('odd "name', ["0.1", "-3"], ())


def test_a_view_runs_by_a_query_alone_and_a_query_is_run_unchanged(database, refusal):
    path = database("CREATE VIEW v AS SELECT 1 AS one", "view.db")
    assert "has no tables. A view needs a query" in str(refusal(path))
    assert read_source(path, SourceOptions(query="SELECT * FROM v")).cells(0) == ["1"]
    query = "WITH w AS (SELECT y, count(*) AS n FROM t GROUP BY y) SELECT y, n, n FROM w ORDER BY y -- all"
    source = read_source(database(TWO), SourceOptions(query=query))
    assert (source.name, source.names) == ("study", ("y", "n", "n"))
    assert source.cells(0) == ["u", "ü"]


def test_the_tables_are_listed_if_none_is_given_or_the_given_one_is_missing(database, refusal):
    error = refusal(database(TWO))
    assert isinstance(error, OptionError)
    assert error.message.endswith('study.db has 2 tables: odd "name, t')
    assert error.hint.startswith('Name one, such as table="odd \\"name", or give a query')
    error = refusal(database("SELECT 1"), table="T")
    assert (type(error), error.hint) == (TableNotFoundError, "Did you mean 't'?")
    assert isinstance(refusal(database("VACUUM", "empty.db")), DataError)
    error = refusal(database("SELECT 1"), table="t", query="SELECT 1")
    assert (type(error), error.hint) == (OptionError, "Give one of them.")


WRITING = [
    "DELETE FROM t",
    "DROP TABLE t",
    "INSERT INTO t VALUES (1, 2, 3) RETURNING a",
    "PRAGMA user_version = 9",
]
WRITING += [
    "ATTACH 'file:{folder}/new.db?mode=rwc' AS n",
    "VACUUM INTO '{folder}/new.db'",
    "SELECT 1; DROP TABLE t",
]


@pytest.mark.parametrize("query", WRITING)
def test_a_query_that_writes_is_refused(database, refusal, tmp_path, query):
    path = database(ONE)
    before = path.read_bytes()
    error = refusal(path, query=query.format(folder=tmp_path))
    assert isinstance(error, DataError)
    assert "the query can't be run" in error.message
    assert error.hint == "It must be one SELECT; nothing in the database is changed."
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_a_write_ahead_log_of_another_program_is_read_and_left_unchanged(tmp_path):
    path, log = tmp_path / "t.db", tmp_path / "t.db-wal"
    with contextlib.closing(sqlite3.connect(tmp_path / "open.db")) as writer:
        writer.executescript(
            "PRAGMA journal_mode = wal; CREATE TABLE t (a); INSERT INTO t VALUES (7);"
        )
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"open.db{end}", tmp_path / f"t.db{end}")
    before = path.read_bytes(), log.read_bytes()
    source = read_source(path)
    assert source.cells(0) == ["7"]
    assert (path.read_bytes(), log.read_bytes()) == before


BAD = {
    "SELECT x'ff' AS picture": "row 1, column 'picture' holds bytes, neither text nor a number",
    "SELECT 1 WHERE false": "there are no rows",
    "SELECT missing FROM t": "no such column: missing",
    "SELECT": "the query can't be run (incomplete input)",
    "": "the query returns no table",
    "SELECT CAST(x'ff' AS TEXT) AS t": "Could not decode to UTF-8",
    "SELECT printf('%.*c', 70000, 'x') AS long": "row 1, column 'long' holds a cell over 64 KiB",
}


@pytest.mark.parametrize("query", BAD)
def test_queries_that_give_no_table_are_refused_with_a_reason(database, refusal, query):
    error = refusal(database(ONE), query=query)
    assert isinstance(error, DataError)
    assert BAD[query] in error.message


def test_a_damaged_or_locked_file_is_refused(database, refusal, write):
    path = database(ONE)
    assert isinstance(refusal(write(path.read_bytes()[:3000], "cut.db")), UnreadableError)
    assert isinstance(
        refusal(write(path.read_bytes()[:16] + bytes(5000), "noise.db")), UnreadableError
    )
