"""JSON: records in a list, or one per line."""

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seedbed.data.cells import parse_number
from seedbed.data.sources.opening import read_source
from seedbed.errors import SeedbedError, UnreadableError

FEWER = settings(max_examples=settings().max_examples // 3)  # each opens a file

RECORDS = [
    {"a": 2**60 + 1, "b": "x", "c": None},
    {"b": "ü", "a": 10, "d": True},
    {"c": -1e-7, "d": False},
]


def read(text: str | bytes, name: str = "t.json") -> dict[str, list[str | None]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        source = read_source(path)
        return {name: source.cells(i) for i, name in enumerate(source.names)}


FORMS = {
    "list": json.dumps(RECORDS),
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "lines, CRLF": "\r\n\r\n".join(map(json.dumps, RECORDS)) + "\r\n",
    "indented": json.dumps(RECORDS, indent=4),
    "indented, no list": "\n".join(json.dumps(record, indent=4) for record in RECORDS),
    "UTF-16": json.dumps(RECORDS, ensure_ascii=False).encode("utf-16"),
    "mark": json.dumps(RECORDS, ensure_ascii=False).encode("utf-8-sig"),
    "Windows": json.dumps(RECORDS, ensure_ascii=False).encode("cp1252"),
}


@pytest.mark.parametrize("form", FORMS)
def test_records_are_read_from_every_form_without_losing_digits(form):
    assert read(FORMS[form]) == dict(
        a=[str(2**60 + 1), "10", None],
        b=["x", "ü", None],
        c=[None, None, "-1e-07"],
        d=[None, "True", "False"],
    )


def test_json_is_recognised_by_content_and_keys_are_read_without_spaces_around_them():
    assert read('[{"a": 1}]', "t.txt") == read('{"a": 1}\n', "t.csv") == {"a": ["1"]}
    assert read("{a},b\n1,2\n", "t.csv") == {"{a}": ["1"], "b": ["2"]}
    assert read('[{" a ": 1, "b\\t": 2}, {" a ": 3}]') == dict(
        a=["1", "3"], b=["2", None]
    )


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8"), max_size=6),
)


@FEWER
@example([{"a": "0\r0"}, {"a": "x\r\ny"}])
@given(
    st.lists(
        st.dictionaries(st.text("abc", min_size=1, max_size=2), CELLS, min_size=1),
        min_size=1,
        max_size=6,
    )
)
def test_every_value_is_read_under_its_key(records):
    found = read(json.dumps(records))
    assert list(found) == list(
        dict.fromkeys(key for record in records for key in record)
    )
    for key, cells in found.items():
        for cell, record in zip(cells, records, strict=True):
            value = record.get(key)
            text = (
                ""
                if value is None
                else json.dumps(value)
                if isinstance(value, float)
                else str(value)
            )
            assert plain(cell) == plain(text)


def plain(cell: str | None) -> str | float:
    text = (cell or "").replace("\r\n", "\n").replace("\r", "\n").strip()
    number = parse_number(text)
    return text if np.isnan(number) else number


BAD = {
    "a list in a record": ('[{"a": 1}, {"a": [1, 2]}]', "a value is a list"),
    "a record in a record": ('{"a": {"b": 1}}', "a value is a record"),
    "a key twice": ('[{"a": 1, "b": 2, "a": null}]', 'duplicate key "a"'),
    "no records": ("[1, 2]", "expected records"),
    "nothing": ("", "expected records"),
    "cut off": ('[{"a": 1},\n {"a": ', "Malformed JSON"),
    "more after the end": ('[{"a": 1}]\n{"a": 1}', "expected records"),
    "deep": ('{"a": ' + "[" * 100_000, "Malformed JSON"),
    "half a character": ('[{"a": "x"}, {"a": "\\ud800"}]', "Malformed JSON"),
    "NUL": ('{"a": 1}\x00', "line 1 holds a NUL byte"),
}


@pytest.mark.parametrize("case", BAD)
def test_json_that_is_not_a_table_is_refused(write, refusal, case):
    text, words = BAD[case]
    error = refusal(write(text, "t.json"))
    assert isinstance(error, UnreadableError)
    assert words in error.message


PIECES = ["[", "]", "{", "}", '"a"', '"b"', ":", ",", "1", "-0.5e3", "null", "true"]


@FEWER
@given(
    st.lists(st.sampled_from([*PIECES, "NaN", "\n", '"\\ud800"']), max_size=12),
    st.sampled_from(["", "[", '{"a":1}', '[{"a":1},']),
)
def test_arbitrary_json_is_a_table_or_raises_a_seedbed_error(pieces, beginning):
    with contextlib.suppress(SeedbedError):
        read(beginning + "".join(pieces))
