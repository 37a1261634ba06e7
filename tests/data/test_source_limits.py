"""Small sources that would exhaust memory, disk or time are refused, and the error says how to read
them."""

import gzip

import duckdb
import pytest

from seedbed.data.sources.loaded import SourceLimit
from seedbed.errors import OptionError


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


def test_a_parquet_file_is_measured_before_it_is_read(tmp_path, refusal):
    duckdb.execute(
        f"COPY (SELECT 0 AS a, 1 AS y FROM range(2000000)) TO '{tmp_path}/t.parquet' (COMPRESSION zstd)"
    )
    assert (tmp_path / "t.parquet").stat().st_size < 10_000
    result = refusal(tmp_path / "t.parquet", limit="100MB").message
    assert "2,000,000 rows and 2 columns need about 232 MB" in result


BOMBS = dict(
    rows=b"a,y\n" + b"1,0\n" * 10**6,
    spaces=b'{"a": 1, "y": 0}' + b" " * 10**7,
    members=b"",
)


@pytest.mark.parametrize("case", BOMBS)
def test_a_gzip_bomb_is_refused_at_the_limit(write, refusal, case):
    packed = (
        gzip.compress(BOMBS[case])
        if BOMBS[case]
        else gzip.compress(b"1,0\n" * 25_000) * 50
    )
    result = refusal(write(packed, "t.gz"), limit="2MB").message
    assert "unpacks to over 2 MB; the limit is 2 MB" in result
    if case == "rows":
        message = refusal(write(packed, "t.gz"), limit="5MB").message
        assert "rows and 2 columns need about 116 MB; the limit is 5 MB" in message
