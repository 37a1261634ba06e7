"""Every supported kind of file is read, and every other kind is refused by name."""

import datetime as dt
import decimal
import gzip
import io
import os
import pickle
import zipfile

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from seedbed.data.sources.file_kinds import read_file
from seedbed.data.sources.loaded import SourceLimit, open_loader
from seedbed.errors import DataError, OptionError, TableNotFoundError, UnreadableError


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("content.xml", "<office/>")
    return out.getvalue()


OTHERS = {
    "ods": (zipped(), "is a zip file, not an Excel workbook"),
    "xls": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
        "is an Excel file of the old kind, or one with a",
    ),
    "pickle": (pickle.dumps({"a": [1]}), "is a pickle file, which seedbed never opens"),
    "page": (b"<!DOCTYPE html>\n<html></html>", "is a web page"),
    "bz2": (b"BZh91AY&SY", "is a bzip2 file"),
    "feather": (b"ARROW1\x00\x00", "is an Arrow or Feather file"),
    "gzip of a zip": (gzip.compress(zipped()), "is a zip file"),
}


LIMITS = {
    "in the header": (
        b"a," + b"x" * 10**6 + b"\n1,2\n",
        "line 1 can't be understood (field larger",
    ),
    "a column too many": (
        b",".join(b"c%d" % i for i in range(10_001)) + b"\n",
        "10,001 columns; the limit is 10,000",
    ),
}


@pytest.mark.parametrize("case", [*OTHERS, *LIMITS])
def test_an_unsupported_kind_is_named(write, case):
    content, words = {**OTHERS, **LIMITS}[case]
    with pytest.raises(UnreadableError) as caught:
        read_file(write(content, "t.csv"))
    assert words in caught.value.message
    assert case in LIMITS or caught.value.hint == "Save the table in it as CSV."


def test_a_damaged_gzip_file_is_refused(write):
    packed = gzip.compress(b"a,y\n1,0\n2,1\n" * 99)
    wrong_sum = packed[:-8] + bytes(4) + packed[-4:]
    for content in (
        packed[:-9],
        wrong_sum,
        packed[:2],
        packed + b"and more",
        b"\x1f\x8b" + bytes(50),
    ):
        with pytest.raises(UnreadableError, match="gzip file is damaged"):
            read_file(write(content))
    columns = read_file(write(b"a,y\n1,0\n", "t.csv.gz"))  # not a gzip file, only
    assert columns.names == ("a", "y")


@pytest.mark.parametrize("name", ["t.parquet", "t.json", "t.csv"])
def test_every_kind_may_be_gzipped_and_have_any_suffix(write, tmp_path, name):
    frame = pl.DataFrame({"a": ["1", "2"], "y": ["u", "v"]})
    plain = tmp_path / name
    {
        "t.parquet": frame.write_parquet,
        "t.json": frame.write_json,
        "t.csv": frame.write_csv,
    }[name](plain)
    columns = read_file(write(gzip.compress(plain.read_bytes()), "table.dat"))
    assert columns.names == ("a", "y")
    assert columns.cells(1) == ["u", "v"]
    assert columns.where[-9:] == "table.dat"


def test_pipes_devices_folders_and_missing_files_have_different_errors(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="is a pipe or a device"):
        read_file(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="is a folder"):
        read_file(tmp_path)
    with pytest.raises(TableNotFoundError, match="There is no table in"):
        read_file(tmp_path / "t.csv")
    for name in ("t\x00.csv", "x" * 300):
        with pytest.raises(DataError, match=r"can't be opened|no such file"):
            read_file(tmp_path / name)


def test_a_file_name_that_is_not_utf8_is_accepted(tmp_path):
    path = tmp_path / os.fsdecode(b"t\xff.csv")
    path.write_bytes(b"a,y\n1,0\n")
    columns = read_file(path)
    assert (columns.names, columns.cells(0)) == (("a", "y"), ["1"])
    assert columns.where.encode().endswith(rb"t\udcff.csv")


DELIMITED = {
    "a;b;y\n1,5;2;0\n": ("semicolons", ["1,5"]),
    "a|b|y\n1|2|0\n": ("bars", ["1"]),
    "a\tb\ty\n1\t2\t0\n": ("tabs", ["1"]),
    "name, first, last;y\nu;0\nv;1\n": ("semicolons", ["u", "v"]),
}


@pytest.mark.parametrize("text", DELIMITED)
def test_the_delimiter_is_the_one_on_which_the_rows_agree(write, text):
    words, cells = DELIMITED[text]
    columns = read_file(write(text))
    assert [note.message for note in columns.notes] == [
        f"cells are separated by {words}"
    ]
    assert columns.cells(0) == cells


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n"\r",2\n',
        'a\r\n"\r"\r\n',
        'a\n"\r"',
        '"\r"\n"\r"\n',
        '"a\r\n",b\r\n"\r",2\r\n',
    ],
)
def test_a_line_break_in_quotes_belongs_to_its_cell(write, text):
    columns = read_file(write(text))
    assert (columns.cells(0), columns.names[0].strip()) == ([None], columns.names[0])


@pytest.mark.slow
@pytest.mark.parametrize("number", [300, 10_000])
def test_thousands_of_columns_are_read(write, number):
    matrix = np.arange(3 * number).reshape(3, number)
    lines = [
        ",".join(f"c{i}" for i in range(number)),
        *(",".join(map(str, row)) for row in matrix),
    ]
    columns = read_file(write("\n".join(lines)))
    assert_array_equal(
        np.column_stack([columns.numbers(i) for i in range(number)]), matrix
    )


PARQUET = {
    "date": (dt.date(2020, 2, 29), "2020-02-29"),
    "time": (dt.datetime(2020, 2, 29, 13, 5, 6), "2020-02-29 13:05:06"),
    "zoned": (
        dt.datetime(2020, 1, 1, 1, 0, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "2019-12-31 23:00:00",
    ),  # UTC
    "decimal": (decimal.Decimal("1.50"), "1.5"),
    "big": (2**64 - 1, "18446744073709551615"),
    "flag": (True, "True"),
    "whole": (3.0, "3"),
    "part": (0.1, "0.1"),
    "nested": ({"u": 1}, "{'u': 1}"),
}


def test_parquet_cells_are_converted_to_text_that_is_typed_correctly(tmp_path):
    values = {name: [value] for name, (value, _) in PARQUET.items()}
    frame = pl.DataFrame(values, schema_overrides={"big": pl.UInt64})
    frame = frame.with_columns(
        level=pl.lit("x").cast(pl.Categorical), none=pl.lit(None).cast(pl.Float64)
    )
    frame.write_parquet(tmp_path / "t.parquet")
    columns = read_file(tmp_path / "t.parquet")
    cells = {name: columns.cells(i)[0] for i, name in enumerate(columns.names)}
    assert columns.numbers(6)[0] == 3.0
    assert cells == {
        **{name: cell for name, (_, cell) in PARQUET.items()},
        "level": "x",
        "none": None,
    }
    pl.DataFrame({"": ["u"], "c0": [2]}).write_parquet(tmp_path / "t.parquet")
    columns = read_file(tmp_path / "t.parquet")
    assert columns.names == ("", "c0")
    assert columns.cells(0) == ["u"]
    assert columns.cells(1) == ["2"]


def test_a_table_is_refused_for_files_that_have_one(write, refusal):
    for source in (write("a,y\n1,0\n"), "example:xor", pl.DataFrame({"a": [1]})):
        error = refusal(source, table="t")
        assert isinstance(error, OptionError)
        assert error.message.endswith(" has no table to choose")
        assert error.hint == "Excel files take table."


def test_an_unsupported_address_is_not_quoted(refusal):
    error = refusal("https://me:secret@localhost/t.csv")
    assert error.message == "tables aren't fetched from https://"
    assert "secret" not in str(error)


def test_duckdb_never_fetches_an_extension():
    with open_loader("t", SourceLimit.of(None)) as loader:
        for name in ("autoinstall_known_extensions", "autoload_known_extensions"):
            assert loader.connection.execute(
                f"SELECT current_setting('{name}')"
            ).fetchone() == (False,)
    with (
        pytest.raises(UnreadableError, match=r"^t can't be read"),
        open_loader("t", SourceLimit.of(None)) as loader,
    ):
        loader.connection.execute("SELECT * FROM read_csv('https://localhost:1/t.csv')")


def test_reading_leaves_no_temporary_files(write, tmp_path, monkeypatch):
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    columns = read_file(write(gzip.compress(b"a,y\r\n1,0\r\n")))
    assert columns.places([0]) == {0: "line 2"}
    assert list(place.iterdir()) == []
