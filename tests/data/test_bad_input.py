"""Unusable input raises one clear line: what was found, where, what to do."""

import polars as pl
import pytest

from seedbed.data.reading import read_table
from seedbed.data.target import likely_target
from seedbed.errors import (
    ColumnError,
    DataError,
    OptionError,
    TableNotFoundError,
    TargetError,
    UnreadableError,
)

from ..cases import with_texts

BAD_FILES = {
    "empty": (b"", UnreadableError, "is empty"),
    "header only": (b"a,y\n", UnreadableError, "no rows"),
    "same name twice": (
        b"a,b,a,y\n1,2,3,0\n",
        UnreadableError,
        "columns 1 and 3 are both named 'a'",
    ),
    "no name": (b"a,,y\n0,1,0\n", UnreadableError, "column 2 of 3 has no name"),
    "short row": (
        b"a,b,y\n1,2,0\n\n1,1\n",
        UnreadableError,
        "line 4 has 2 cells, the header has 3",
    ),
    "line after a long cell": (
        b'a,b,y\n1,"u\nv",0\n1,2\n',
        UnreadableError,
        "line 4 has 2 cells",
    ),
    "open quote": (b'a,y\n1,0\n"2,1\n', UnreadableError, "begins in line 3"),
    "Parquet cut off": (b"PAR1 and no more", UnreadableError, "can't be read"),
    "one class": (b"a,y\n1,0\n2,0\n", TargetError, "has one class only, '0'"),
    "missing target": (
        b"a,y\n1,0\n2,?\n3,NA\n4,1\n",
        TargetError,
        "missing in 2 of 4 rows, first in line 3 ('?')",
    ),
    "constant feature": (
        b"a,y\n1,0\n1,1\n",
        DataError,
        "no feature is left besides the target 'y'. column 'a' is",
    ),
    "infinite, dressed": (
        b"a,y\n1,0\n$1e400,1\n",
        ColumnError,
        "column 'a' (1 of 2 cells, first in line 3: '$1e400')",
    ),
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


def test_all_columns_with_infinite_numbers_are_named_together(write):
    path = write('a,b,c,y\n1,"u\nv",inf,0\n\n\n1e999,w,2,1\n3,x,-Infinity,1\n')
    with pytest.raises(ColumnError) as caught:
        read_table(path, target="y")
    assert "column 'a' (1 of 3 cells, first in line 6: '1e999')" in caught.value.message
    assert "column 'c' (2 of 3 cells, first in line 2: 'inf')" in caught.value.message
    assert caught.value.hint.endswith('leave them out with drop=["a", "c"]')
    assert read_table(path, target="y", drop=["a", "c"]).feature_names == ("b",)
    assert read_table(path, target="y", categorical=["a"], drop="c").columns[
        0
    ].schema.levels == ("1", "1e999", "3")


def test_a_missing_file_suggests_the_nearest_name_in_its_folder(write):
    path = write("a,y\n1,0\n2,1\n", "patients.csv")
    message = r"no such file: .*patient\.csv\. Did you mean '.*patients\.csv'\?"
    with pytest.raises(TableNotFoundError, match=message):
        read_table(path.with_name("patient.csv"), target="y")
    with pytest.raises(TableNotFoundError, match=r"There is no table in .*nowhere"):
        read_table(path.parent / "nowhere" / "x.csv", target="y")
    message = r"is a folder\. Name one file in it: patients\.csv"
    with pytest.raises(UnreadableError, match=message):
        read_table(path.parent, target="y")


def test_wildcards_in_a_file_name_are_not_expanded(write):
    write("a,y\n1,0\n2,1\n", "t1.csv")
    with pytest.raises(TableNotFoundError):
        read_table(write("", "t1.csv").with_name("t*.csv"), target="y")
    write("a,y\n1,0\n2,1\n", "t1.csv")
    bracketed = write("b,y\n3,0\n4,1\n", "t[1].csv")
    assert read_table(bracketed, target="y").features.tolist() == [[3], [4]]


def test_no_target_lists_the_columns_and_suggests_the_likely_one(write):
    message = r"It has age, outcome\. Name one, such as target=\"outcome\""
    with pytest.raises(TargetError, match=message):
        read_table(write("age,outcome\n1,0\n2,1\n"))
    penguins = ["species", "island", "bill_length_mm", "sex", "year"]
    assert likely_target(penguins) == "species"
    assert likely_target(["PassengerId", "Survived", "Class", "Name"]) == "Survived"
    assert likely_target(["x", "y", "Price", "z"]) == "Price"
    assert likely_target(["a", "b"]) == "b"
    assert likely_target(["a", "b"], usual_only=True) is likely_target([]) is None


def test_duplicate_column_names_in_parquet_are_refused(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "b": [{"c": 1}, {"c": 2}], "y": [0, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", target="y").feature_names == ("a", "b")
    # Both names have the same length, so the bytes can be replaced in place.
    frame.rename({"b": "q"}).drop("q").with_columns(q=pl.lit(1)).write_parquet(
        tmp_path / "q.parquet"
    )
    raw = (tmp_path / "q.parquet").read_bytes()
    assert b"q" in raw
    (tmp_path / "q.parquet").write_bytes(raw.replace(b"\x01q", b"\x01a"))
    with pytest.raises(UnreadableError, match="both named 'a'"):
        read_table(tmp_path / "q.parquet", target="y")


ROLES = {
    "target": ({"target": "outcom"}, ColumnError),
    "target dropped": ({"drop": "outcome"}, OptionError),
    "two ways": ({"group": "age", "time_split": "age"}, OptionError),
    "two kinds": ({"numeric": "age", "categorical": "age"}, OptionError),
    "words for time": ({"time_split": "town"}, ColumnError),
    "time missing": ({"time_split": "age"}, ColumnError),
    "no features": ({"drop": ["age", "town"]}, DataError),
}
ROLES = with_texts(
    ROLES,
    """
target: no target 'outcom'. Did you mean 'outcome'?
target dropped: 'outcome' is both the target and a column to drop
two ways: 'age' is both a group column and a time column
two kinds: a numeric column and a categorical column
words for time: 'town' is a category, not dates or numbers
time missing: no number in 1 of 3 rows, first in line 4
no features: no feature is left
""",
)


@pytest.mark.parametrize("case", ROLES)
def test_a_wrong_role_is_refused_with_the_nearest_name_or_the_conflict(write, case):
    options, error, words = ROLES[case]
    path = write("age,town,outcome\n1,u,0\n2,v,1\n,w,1\n")
    with pytest.raises(error) as caught:
        read_table(path, **{"target": "outcome", **options})
    assert words in str(caught.value)
