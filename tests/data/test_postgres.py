"""PostgreSQL with a real server: read-only access, and no password in errors."""

import socket
import subprocess
import sys
import traceback

import numpy as np
import pytest

from seedbed.data.sources.opening import read_source
from seedbed.data.table_options import SourceOptions
from seedbed.errors import DataError, OptionError

SCRIPT = """
CREATE TABLE beds (id bigint, height numeric(30, 3), soil text, "Day" date, fruit boolean, y smallint);
INSERT INTO beds VALUES (9007199254740993, 1234567890123456789012.500, 'clay', '2020-02-29', true, 1),
  (2, NULL, NULL, NULL, NULL, 0);
CREATE SEQUENCE counter;
"""


@pytest.fixture(scope="session")
def garden(postgres):
    """The address of a database with a table."""
    from adbc_driver_postgresql import dbapi

    with (
        dbapi.connect(f"{postgres}/postgres", autocommit=True) as server,
        server.cursor() as cursor,
    ):
        cursor.execute("CREATE DATABASE garden")
    with dbapi.connect(f"{postgres}/garden", autocommit=True) as server, server.cursor() as cursor:
        for statement in filter(str.strip, SCRIPT.split(";")):
            cursor.execute(statement)
    return f"{postgres}/garden"


def test_a_table_is_read_with_all_digits(garden):
    source = read_source(garden, SourceOptions(query="TABLE beds"))
    assert (source.name, source.names) == ("garden", ("id", "height", "soil", "Day", "fruit", "y"))
    cells = [source.cells(i) for i in range(6)]
    np.testing.assert_array_equal(source.numbers(1), [1234567890123456789012.5, np.nan])
    assert source.places([1]) == {1: "row 2"}
    first, second = zip(*cells, strict=True)
    assert first == (
        "9007199254740993",
        "1234567890123456789012.500",
        "clay",
        "2020-02-29",
        "True",
        "1",
    )
    assert second == ("2", None, None, None, None, "0")


TYPES = {
    "'12.5'::money": "$12.50",
    "4000000000::oid": "4000000000",
    "'10.0.0.1'::inet": "10.0.0.1/32",
    "'inf'::float8": "inf",
    "'NaN'::numeric": "NaN",
    "'\\xff'::bytea": "\\xff",
    "1.1::float4": "1.100000023841858",
    "timestamptz '2020-01-01 01:00:00+02'": "2019-12-31 23:00:00",
    "timestamp '2020-01-01 01:02:03.5'": "2020-01-01 01:02:03.5",
    "time '10:00'": "10:00:00",
    "'ab'::char(5)": "ab",
    "array[1, 2]": "{1,2}",
    "'{\"a\": 1}'::jsonb": '{"a": 1}',
    "'00000000-0000-0000-0000-000000000001'::uuid": "00000000-0000-0000-0000-000000000001",
    "interval '1 day'": "1 day",
    "B'101'": "101",
    "NULL": None,
}


def test_every_type_is_read_as_a_number_or_as_the_servers_text(garden):
    source = read_source(garden, SourceOptions(query=f"SELECT {', '.join(TYPES)}"))
    cells = [source.cells(i)[0] for i in range(len(TYPES))]
    assert dict(zip(TYPES, cells, strict=True)) == TYPES


def test_a_query_may_end_with_semicolons_and_repeat_names(garden):
    for query in (
        "SELECT y AS a, id AS a FROM beds ORDER BY id;",
        "WITH b AS (TABLE beds) SELECT y, id FROM b --",
    ):
        source = read_source(garden, SourceOptions(query=query))
        assert sorted(source.cells(1)) == ["2", "9007199254740993"]
        assert source.name == "garden"
    source = read_source(garden, SourceOptions(query="SELECT 1 AS a, 2 AS a"))
    assert source.names == ("a", "a_1")


WRITING = [
    "DELETE FROM beds",
    "DELETE FROM beds RETURNING y",
    "DROP TABLE beds",
    "SELECT 1; DROP TABLE beds",
]
WRITING += [
    "WITH gone AS (DELETE FROM beds RETURNING y) SELECT * FROM gone",
    "SELECT nextval('counter')",
]
WRITING += [
    "SELECT 1) AS a; DROP TABLE beds; --",
    "COMMIT",
    "SELECT set_config('transaction_read_only', 'off', false)",
]


@pytest.mark.few(3)
@pytest.mark.parametrize("query", WRITING)
def test_a_query_that_writes_is_refused(garden, refusal, query):
    error = refusal(garden, query=query)
    assert isinstance(error, DataError)
    assert "garden can't be read (" in error.message
    assert error.hint == "It must be one SELECT; nothing in the database is changed."
    source = read_source(garden, SourceOptions(query="SELECT count(*) FROM beds"))
    assert source.cells(0) == ["2"]


BAD = {
    "SELECT missing FROM beds": 'column "missing" does not exist)',
    "SELECT 1 / (i - 9000) FROM generate_series(1, 10000) AS i": "division by zero",
    "SELEC": 'syntax error at or near "SELEC")',
    "SELECT repeat('x', 70000) AS long": "row 1, column 'long' holds a cell over 64 KiB",
}


@pytest.mark.parametrize("query", BAD)
def test_queries_that_give_no_table_are_refused_with_a_reason(garden, refusal, query):
    error = refusal(garden, query=query)
    assert isinstance(error, DataError)
    assert BAD[query] in error.message


def test_a_server_that_refuses_is_quoted(garden, refusal, monkeypatch):
    assert 'database "garden2" does not exist' in refusal(f"{garden}2", query="SELECT 1").message
    monkeypatch.setenv("PGPASSWORD", "wrong")
    error = refusal(garden, query="SELECT 1")
    assert 'password authentication failed for user "gardener"' in error.message
    assert (
        "Connection refused"
        in refusal("postgres://gardener@127.0.0.1:1/x", query="SELECT 1").message
    )


PASSWORDS = [
    "a:{}@h/x",
    "a:s3c/{}@h/x",
    "a:{}%zz@h/x",
    "a:{} @h/x",
    "h:1/x?password={}",
    "h/x?sslpassword={}",
]
SECRET = "".join(["s3cret", "pw"])  # in no line of this file, as a traceback quotes lines


@pytest.mark.parametrize("address", PASSWORDS)
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "mysql"])
def test_an_address_with_a_password_is_refused_and_not_quoted(refusal, scheme, address):
    error = refusal(f"{scheme}://{address.format(SECRET)}", query="SELECT 1")
    assert SECRET not in "".join(traceback.format_exception(error))
    if scheme != "mysql":
        assert error.message == "the address of the database contains a password"
        assert "set PGPASSWORD" in error.hint


def test_a_query_is_required_and_a_table_refused(refusal):
    for options in ({}, {"query": " ; "}):
        error = refusal("postgresql://me@localhost/x", **options)
        assert isinstance(error, OptionError)
        assert 'Give one, such as query="SELECT * FROM patients"' in error.hint
    assert "has no table to choose" in refusal("postgresql://me@localhost/x", table="beds").message


@pytest.mark.slow
def test_a_server_that_never_answers_times_out(refusal):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = refusal(
            f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2",
            query="SELECT 1",
        )
    assert isinstance(error, DataError)
    assert "timeout expired" in error.message


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_sleep(60)::text AS a",
        "SELECT pg_sleep(i / 9)::text FROM generate_series(1, 99) AS i",
    ],
)
def test_a_query_that_takes_too_long_is_stopped(garden, refusal, query):
    error = refusal(garden, query=query, limit="1s")
    assert error.message.endswith("garden: the query was stopped after 1 seconds")
    assert 'raise it with limit="1h"' in error.hint


def test_a_query_with_too_many_rows_is_stopped(garden, refusal):
    error = refusal(
        garden, query="SELECT i, 1 AS y FROM generate_series(1, 200000) AS i", limit="9MB"
    )
    assert "garden: 200,000 rows and 2 columns need about 23 MB; the limit is 9 MB" in error.message


@pytest.mark.slow
def test_pyarrow_is_not_needed(garden):
    code = (
        "import sys\nsys.modules['pyarrow'] = sys.modules['polars'] = sys.modules['pandas'] = None\n"
        "from seedbed.data.sources.opening import read_source\n"
        "from seedbed.data.table_options import SourceOptions\n"
        f"print(read_source({garden!r}, SourceOptions(query='TABLE beds')).cells(2))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['clay', None]\n"
