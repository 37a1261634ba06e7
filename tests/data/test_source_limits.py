"""Small sources that would exhaust memory, disk or time are refused, and the error says how to read
them."""

import gzip
import json

import duckdb
import pytest

from seedbed.data.sources.source_limits import SourceLimit
from seedbed.errors import OptionError

VIEW = "SELECT * FROM v"
KEYS = '{"y":1,' + ",".join(f'"k{i}":1' for i in range(9_000)) + "}\n"


@pytest.mark.parametrize(
    ("given", "size"), [("50GB", 50e9), ("1.5 gb ", 1.5e9), ("1TB", 1e12)]
)
def test_a_limit_is_a_size(given, size):
    assert SourceLimit.of(given) == SourceLimit(size)


@pytest.mark.parametrize(
    "given",
    ["", "30min", "0GB", "GB", "-1GB", "50GB,", "50 gibi", "1e400GB", "1" * 99 + "GB"],
)
def test_an_invalid_limit_is_refused(given):
    with pytest.raises(OptionError, match="Give a size, such as 50GB"):
        SourceLimit.of(given)


def test_a_large_file_may_hold_twenty_times_its_size():
    assert SourceLimit.of(None, 10).size == 4e9
    assert SourceLimit.of(None, 1e9).size == 20e9
    assert SourceLimit.of("1GB", 1e9).size == 1e9
    SourceLimit.of(None).check_rows(10_000_000, 13, "the table of docs/speed.md")


def test_a_record_with_150_000_keys_is_refused_quickly(write, refusal):
    for record in ({f"k{i}": 1 for i in range(150_000)}, None):
        text = (
            json.dumps(record) if record else "{" + ",".join(['"k": 1'] * 150_000) + "}"
        )
        assert (
            "record 1 has 150,000 columns; the limit is 10,000"
            in refusal(write(text, "t.json")).message
        )


def test_keys_that_a_record_lacks_count_toward_the_limit(write, refusal):
    error = refusal(write(KEYS + '{"y":0}\n' * 1000, "t.jsonl"), limit="10MB")
    assert (
        "1,001 rows and 9,001 columns need about 3 GB; the limit is 10 MB"
        in error.message
    )
    error = refusal(
        write("".join(f'{{"k{i}":1}}\n' for i in range(9_000)), "t.jsonl")
    )  # 110 kB
    assert (
        "9,000 rows and 9,000 columns need about 33 GB; the limit is 4 GB"
        in error.message
    )


@pytest.mark.slow
def test_a_parquet_file_is_measured_before_it_is_read(tmp_path, refusal):
    duckdb.execute(
        f"COPY (SELECT 0 AS a, 1 AS y FROM range(2000000)) TO '{tmp_path}/t.parquet' (COMPRESSION zstd)"
    )
    assert (tmp_path / "t.parquet").stat().st_size < 10_000
    assert (
        "2,000,000 rows and 2 columns need about 232 MB"
        in refusal(tmp_path / "t.parquet", limit="100MB").message
    )
    duckdb.execute(
        f"COPY (SELECT [0 FOR x IN range(100000)] AS a FROM range(99)) TO '{tmp_path}/l.parquet'"
    )
    assert (
        "its rows, column 'a' holds a cell over 64 KiB"
        in refusal(tmp_path / "l.parquet").message
    )
    long = "SELECT repeat('x', 60000) AS a FROM range(999)"
    duckdb.execute(f"COPY ({long}) TO '{tmp_path}/t.parquet' (COMPRESSION zstd)")
    assert (
        "999 rows and 1 columns need about 60 MB"
        in refusal(tmp_path / "t.parquet", limit="10MB").message
    )


BOMBS = {
    "rows": b"a,y\n" + b"1,0\n" * 10**6,
    "spaces": b'{"a": 1, "y": 0}' + b" " * 10**7,
    "members": b"",
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_gzip_bomb_is_refused_at_the_limit(write, refusal, case):
    packed = (
        gzip.compress(BOMBS[case])
        if BOMBS[case]
        else gzip.compress(b"1,0\n" * 25_000) * 50
    )
    assert (
        "unpacks to over 2 MB; the limit is 2 MB"
        in refusal(write(packed, "t.gz"), limit="2MB").message
    )
    if case == "rows":
        message = refusal(write(packed, "t.gz"), limit="5MB").message
        assert "rows and 2 columns need about 118 MB; the limit is 5 MB" in message


def test_a_line_that_would_fill_the_memory_is_refused(write, refusal, monkeypatch):
    monkeypatch.setattr("seedbed.data.sources.delimited.MAX_ROW_CELLS", 100_000)
    monkeypatch.setattr("seedbed.data.sources.delimited.MAX_ROW", 500_000)
    assert "line 1 has over 100,000 cells" in refusal(write(b"," * 200_000)).message
    assert "or 500,000 characters" in refusal(write(b"x" * 600_000)).message
