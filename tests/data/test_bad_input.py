"""What can't be used is refused with one clear line: what was found, where, what to do."""

import gzip

import pandas as pd
import polars as pl
import pytest

from seedbed.data import read_table
from seedbed.errors import ColumnError, DataError, OptionError, TableNotFoundError, TargetError, UnreadableError

BAD_FILES = {
    "empty": (b"", UnreadableError, "is empty"),
    "blank lines": (b"\n\n", UnreadableError, "is empty"),
    "header only": (b"a,y\n", UnreadableError, "no rows"),
    "same name twice": (b"a,b,a,y\n1,2,3,0\n", UnreadableError, "columns 1 and 3 are both named 'a'"),
    "no name": (b",a,y\n0,1,0\n", UnreadableError, "column 1 of 3 has no name"),
    "short row": (b"a,b,y\n1,2,0\n\n1,1\n", UnreadableError, "line 4 has 2 cells, the header has 3"),
    "long row": (b"a,b,y\n1,2,0\n1,2,3,1\n", UnreadableError, "line 3 has 4 cells, the header has 3"),
    "long row, empty end": (b"a,b,y\n1,2,0\n1,2,1,\n", UnreadableError, "line 3 has 4 cells, the header has 3"),
    "header a field short": (b"a,y\n9,1,0\n9,2,1\n", UnreadableError, "name missing in the header"),
    "header short, empty end": (b"a,y\n9,1,\n9,2,\n", UnreadableError, "line 2 has 3 cells, the header has 2"),
    "line after a long cell": (b'a,b,y\n1,"u\nv",0\n1,2\n', UnreadableError, "line 4 has 2 cells"),
    "open quote": (b'a,y\n1,0\n"2,1\n', UnreadableError, "begins in line 3"),
    "huge cell": (
        b"a,y\n1,0\n" + b"1" * 10**6 + b",1\n",
        UnreadableError,
        "line 3 has a cell over 131072 characters",
    ),
    "NUL": (b"a,y\n1,0\n2\x00,1\n", UnreadableError, "line 3 holds a NUL byte"),
    "Latin-1": (b"a,y\n1,0\n2,\xe9t\xe9\n", UnreadableError, "line 3 holds a byte that isn't UTF-8 (0xe9)"),
    "cut UTF-8": (b"a,y\n1,0\n2,\xc3", UnreadableError, "line 3 holds a byte that isn't UTF-8"),
    "UTF-16": ("a,y\n1,0\n".encode("utf-16"), UnreadableError, "UTF-16"),
    "gzip cut off": (gzip.compress(b"a,y\n1,0\n2,1\n" * 99)[:-9], UnreadableError, "gzip file is damaged"),
    "Parquet cut off": (b"PAR1 and no more", UnreadableError, "can't be read"),
    "one class": (b"a,y\n1,0\n2,0\n", TargetError, "has one class only, '0'"),
    "missing target": (b"a,y\n1,0\n2,?\n3,NA\n4,1\n", TargetError, "missing in 2 of 4 rows, first in line 3 ('?')"),
    "three labels": (b"a,y\n1,0\n2,1\n3,2\n", TargetError, "has 3 labels"),
    "missing feature": (b"a,y\n1,0\n,1\nNaN,1\n", ColumnError, "column 'a' (2 of 3 cells, first in line 3: '')"),
    "text feature": (b"a,y\n1,0\nx 1,1\n", ColumnError, "column 'a' (1 of 2 cells, first in line 3: 'x 1')"),
    "money": (b'a,y\n"265,000",0\n1,1\n', ColumnError, "'265,000'"),
    "underscore": (b"a,y\n1_000,0\n1,1\n", ColumnError, "'1_000'"),
    "overflow": (b"a,y\n1,0\n1e400,1\n", ColumnError, "infinite or too large numbers: column 'a' (1 of 2"),
    "infinity": (b"a,y\n1,0\n-Infinity,1\n", ColumnError, "infinite or too large numbers: column 'a' (1 of 2"),
    "target alone": (b"y\n0\n1\n", DataError, "no feature is left"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_with_place_and_reason(write, case):
    content, error, words = BAD_FILES[case]
    path = write(content)
    with pytest.raises(error) as caught:
        read_table(path, target="y")
    assert words in str(caught.value)
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)


def test_all_columns_that_cannot_be_used_are_named_at_once(real_table):
    with pytest.raises(ColumnError) as caught:
        read_table(real_table("titanic.csv"), target="Survived")
    assert "column 'Sex' (891 of 891 cells, first in line 2: 'male')" in caught.value.message
    assert "missing cells: column 'Age' (177 of 891 cells, first in line 7: '')" in caught.value.message
    assert "coming in a later version" in caught.value.hint
    assert caught.value.hint.endswith("--drop Sex --drop Cabin --drop Embarked --drop Age")
    named = ["Sex", "Cabin", "Embarked", "Age"]
    assert read_table(real_table("titanic.csv"), target="Survived", drop=named).n_rows == 891


def test_a_row_is_named_by_its_line_even_below_quoted_line_ends_and_blank_lines(write):
    path = write('a,note,y\n1,"one\ntwo\nthree",0\n\n\n2,z,1\nbad,z,1\n')
    with pytest.raises(ColumnError, match=r"column 'a' \(1 of 3 cells, first in line 8: 'bad'\)"):
        read_table(path, target="y")


def test_a_missing_file_offers_the_nearest_in_its_folder(write):
    path = write("a,y\n1,0\n2,1\n", "patients.csv")
    with pytest.raises(TableNotFoundError, match=r"no such file: .*patient\.csv\. Did you mean '.*patients\.csv'\?"):
        read_table(path.with_name("patient.csv"), target="y")
    with pytest.raises(TableNotFoundError, match="There is no folder"):
        read_table(path.parent / "nowhere" / "x.csv", target="y")
    with pytest.raises(UnreadableError, match=r"is a folder\. Name one file in it: patients\.csv"):
        read_table(path.parent, target="y")


def test_a_pattern_in_a_file_name_is_only_a_name(write):
    write("a,y\n1,0\n2,1\n", "t1.csv")
    with pytest.raises(TableNotFoundError):
        read_table(write("", "t1.csv").with_name("t*.csv"), target="y")
    write("a,y\n1,0\n2,1\n", "t1.csv")
    bracketed = write("b,y\n3,0\n4,1\n", "t[1].csv")
    assert read_table(bracketed, target="y").features.tolist() == [[3], [4]]


def test_a_missing_column_offers_the_nearest(write):
    path = write("age,outcome\n1,0\n2,1\n")
    with pytest.raises(ColumnError, match=r"no target 'outcom'\. Did you mean 'outcome'\?"):
        read_table(path, target="outcom")
    with pytest.raises(ColumnError, match=r"no column to drop 'agee'\. Did you mean 'age'\?"):
        read_table(path, target="outcome", drop=["agee"])
    with pytest.raises(OptionError, match="both the target and a column to drop"):
        read_table(path, target="age", drop=["age"])


def test_no_target_lists_the_columns_and_suggests_one(write):
    with pytest.raises(TargetError, match=r"It has age, outcome\. Name one, such as --target outcome"):
        read_table(write("age,outcome\n1,0\n2,1\n"))


def test_columns_of_one_name_in_parquet_are_not_renamed_in_silence(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "b": [{"c": 1}, {"c": 2}], "y": [0, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    raw = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(ColumnError, match=r"not numeric: column 'b' \(2 of 2 cells, first in row 1"):
        read_table(tmp_path / "t.parquet", target="y")
    # Names are of one length, so the bytes can be changed in place.
    frame.rename({"b": "q"}).drop("q").with_columns(q=pl.lit(1)).write_parquet(tmp_path / "q.parquet")
    raw = (tmp_path / "q.parquet").read_bytes()
    assert b"q" in raw
    (tmp_path / "q.parquet").write_bytes(raw.replace(b"\x01q", b"\x01a"))
    with pytest.raises(UnreadableError, match="both named 'a'"):
        read_table(tmp_path / "q.parquet", target="y")


def test_bad_cells_and_names_of_a_frame_are_found_too():
    with pytest.raises(
        ColumnError, match=r"missing cells: column 'a' \(1 of 2 cells, first in row 1 \(counted from 0\)"
    ):
        read_table(pd.DataFrame({"a": [1.0, None], "y": [0, 1]}), target="y")
    with pytest.raises(ColumnError, match="not numeric: column 'a'"):
        read_table(pl.DataFrame({"a": ["u", "v"], "y": [0, 1]}), target="y")
    with pytest.raises(DataError, match="'a' 2 times"):
        read_table(pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=["a", "a", "y"]), target="y")
    with pytest.raises(DataError, match="can't be read from int"):
        read_table(5, target="y")
