"""The target: the task that it implies, its labels or numbers, and rows without a target."""

import numpy as np
import polars as pl
import pytest

from seedbed.data.reading import read_table
from seedbed.data.sources.memory import read_frame
from seedbed.data.target import EncodedTarget, encode_target
from seedbed.errors import ColumnError, OptionError, TargetError

from ..cases import with_texts


def target_of(cells: list[str | None], **options) -> EncodedTarget:
    return encode_target(
        read_frame(pl.DataFrame({"y": cells}, schema={"y": pl.String})), "y", **options
    )


whole = [str(n) for n in range(21)]
TASKS = {
    "two words": (["no", "yes"], "binary", ("no", "yes")),
    "two numbers": (["10", "9"], "binary", ("9", "10")),
    "two fractions": (["1.5", "-2"], "binary", ("-2", "1.5")),
    "signs": (["-", "+", "-"], "binary", ("-", "+")),
    "booleans": (["True", "False"], "binary", ("False", "True")),
    "dressed": (["$1,000", "$500"], "binary", ("$500", "$1,000")),
    "none is a label": (
        ["none", "mild", "severe"],
        "multiclass",
        ("mild", "none", "severe"),
    ),
    "none is a label among numbers": (
        ["none", "1", "2"],
        "multiclass",
        ("1", "2", "none"),
    ),
    "three words": (["c", "a", "b"], "multiclass", ("a", "b", "c")),
    "20 whole numbers": (whole[:20], "multiclass", tuple(whole[:20])),
    "50 words": (
        [f"w{n}" for n in range(10, 60)],
        "multiclass",
        tuple(f"w{n}" for n in range(10, 60)),
    ),
    "codes": (
        [f"0{n}" for n in range(10, 40)],
        "multiclass",
        tuple(f"0{n}" for n in range(10, 40)),
    ),
    "21 whole numbers": (whole, "regression", ()),
    "three numbers, not whole": (["1.5", "2", "3"], "regression", ()),
    "money": ([f"${n},{n:03}" for n in range(1, 31)], "regression", ()),
}


@pytest.mark.parametrize("case", TASKS)
def test_the_cells_of_the_target_decide_the_task(case):
    cells, task, labels = TASKS[case]
    target = target_of(cells)
    assert (target.task, target.labels, target.has_target.all()) == (task, labels, True)
    if task != "regression":
        assert [target.labels[code] for code in target.values] == cells
        assert target.values.dtype == np.int64


def test_the_user_can_set_the_task():
    regression = target_of(["0", "1", "1"], task="regression")
    assert (regression.task, regression.values.dtype) == ("regression", np.float64)
    assert regression.values.tolist() == [0, 1, 1]
    many = target_of([str(n / 4) for n in range(50)], task="multiclass")
    assert (many.task, many.labels[:3]) == ("multiclass", ("0", "0.25", "0.5"))
    assert target_of(["1", "2"], task="binary").task == "binary"


REFUSED = {
    "one class": (["a", "a "], {}),
    "51 words": ([f"w{n}" for n in range(51)], {}),
    "three labels": (["a", "b", "c"], {"task": "binary"}),
    "constant": (["1.5", "1.50"], {"task": "regression"}),
    "no numbers": (["a", "b"], {"task": "regression"}),
    "a quarter missing": (["a", "b", "a", "?"], {}),
    "no numbers, but gaps": (["", None], {"task": "regression"}),
    "infinite": (["1.5", "2.5", "inf"], {}),
    "too large": (["1.5", "2.5", "-1.7e308"], {}),
}
REFUSED = with_texts(
    REFUSED,
    """
one class: has one class only, 'a'
51 words: has 51 labels
three labels: has 3 labels ('a', 'b', 'c'); a binary task has two
constant: is 1.5 in every row
no numbers: holds no number, but text ('a')
a quarter missing: is missing in 1 of 4 rows, first in row 3 (counted from 0) ('?')
no numbers, but gaps: has no number in 2 of 2 rows, first in row 0
infinite: 1 infinite or too large numbers, first in row 2 (counted from 0): 'inf'
too large: 1 infinite or too large numbers, first in row 2 (counted from 0)
""",
)


@pytest.mark.parametrize("case", REFUSED)
def test_an_unusable_target_is_refused_with_a_reason(case):
    cells, options, words = REFUSED[case]
    with pytest.raises(TargetError) as caught:
        target_of(cells, **options)
    assert words in str(caught.value)
    assert "the target 'y'" in caught.value.message


def test_words_for_missing_cells_are_no_classes_and_rare_classes_are_named():
    target = target_of(["f", "m"] * 30 + [".", "missing"])
    assert (target.labels, len(target.values)) == (("f", "m"), 60)
    assert {note.code for note in target.notes} == {"", "SB205"}
    rare = target_of(["f", "m"] * 30 + ["refused"] * 3)
    assert rare.labels == ("f", "m", "refused")
    (note,) = rare.notes
    assert (note.code, note.count) == ("SB214", 3)
    assert "'refused' (3)" in note.message
    assert note.message.endswith('give missing="y=refused"')
    assert target_of(["f", "m", "unknown"] * 30).notes == ()
    (large,) = target_of(["1", "2"] * 1000 + ["9"] * 15).notes[:1]
    assert 'missing="y=9"' in large.message


def test_words_that_the_user_names_are_missing_in_one_column(write):
    rows = "".join(
        f"{-999 if n % 9 == 4 else n}.0,{n % 3},{'x' if n < 12 else n % 2}\n"
        for n in range(40)
    )
    path = write(f"a,b=c,y\n{rows}")
    options = {"target": "y", "missing": ["a=-999", "b=c=2", "y=x"]}
    with pytest.raises(TargetError, match="is missing in 12 of 40 rows") as caught:
        read_table(path, **options)
    assert "drop_missing_target=True" in caught.value.hint
    table = read_table(path, **options, drop_missing_target=True)
    assert table.n_rows == 28
    assert table.labels == ("0", "1")
    assert table.reading["missing"] == options["missing"]
    assert [column.schema.missing for column in table.columns] == [("-999",), ("2",)]
    assert np.isnan(table.features).sum(axis=0).tolist() == [3, 9]
    for option, hint in (
        ("age=-999", "Known: a, b=c, y"),
        ("a", "Give COLUMN=VALUE, such as age=-999."),
    ):
        with pytest.raises(ColumnError, match="names no column") as caught:
            read_table(path, target="y", missing=option)
        assert caught.value.hint == hint


POSITIVE = {
    "rare": (["ok"] * 61 + ["broken"] * 39, "broken"),
    "nearly a tie": (["ok"] * 60 + ["broken"] * 40, "ok"),
    "rare number": (["1"] * 9 + ["2"] * 2, "2"),
    "rare first number": (["1"] * 2 + ["2"] * 9, "1"),
    "zero and one": (["1"] * 9 + ["0"] * 2, "1"),
    "yes": (["YES"] * 9 + ["no"] * 2, "YES"),
    "yes in German": (["ja"] * 9 + ["nein"] * 2, "ja"),
    "one word says no": (["negative"] * 2 + ["ill"] * 9, "ill"),
    "one word says yes": (["present"] * 9 + ["unclear"] * 2, "present"),
    "signs": (["+"] * 9 + ["-"] * 2, "+"),
    "letters": (["T"] * 9 + ["f"] * 2, "T"),
}


@pytest.mark.parametrize("case", POSITIVE)
def test_the_words_or_else_the_clearly_rarer_label_decide_which_is_positive(case):
    cells, positive = POSITIVE[case]
    target = target_of(cells)
    assert target.labels[1] == positive
    assert [target.labels[code] for code in target.values] == cells


def test_either_label_can_be_the_positive_one():
    for positive, labels in (
        (None, ("no", "yes")),
        ("yes", ("no", "yes")),
        (" no ", ("yes", "no")),
    ):
        target = target_of(["yes", "no", "no"], positive=positive)
        assert target.labels == labels
        assert [target.labels[code] for code in target.values] == ["yes", "no", "no"]
    assert target_of(["1", "0", "0"], positive="0.0").labels == ("1", "0")


@pytest.mark.parametrize(
    ("cells", "options", "words"),
    [
        (["yes", "no"], {"positive": "yess"}, "no label 'yess'. Did you mean 'yes'?"),
        (
            ["a", "b", "c"],
            {"positive": "a"},
            "has 3 labels, so none is 'the positive one'",
        ),
        (
            ["1", "0"],
            {"task": "binry"},
            "there is no task 'binry'. Did you mean 'binary'?",
        ),
        (
            ["1.5", "2.5", "3"],
            {"positive": "3"},
            "holds numbers, so no label is the positive one",
        ),
        (
            ["0", "1"],
            {"positive": "1", "task": "regression"},
            "can't be the positive label of a regression task",
        ),
    ],
)
def test_an_option_that_does_not_fit_the_target_is_refused(cells, options, words):
    with pytest.raises(OptionError) as caught:
        target_of(cells, **options)
    assert words in str(caught.value)


def test_rows_without_a_target_are_dropped_and_counted(write):
    rows = "".join(f"{n % 7},{'NA' if n in (3, 5) else n % 2}\n" for n in range(20))
    table = read_table(write(f"a,y\n{rows}"), target="y")
    assert (table.n_rows, table.labels) == (18, ("0", "1"))
    assert table.features[:, 0].tolist() == [
        n % 7 for n in range(20) if n not in (3, 5)
    ]
    assert table.target.tolist() == [n % 2 for n in range(20) if n not in (3, 5)]
    (note,) = [note for note in table.notes if note.code == "SB205"]
    assert (note.count, note.rows) == (2, ("line 5", "line 7"))


def test_cells_of_a_numeric_target_that_are_not_numbers_are_reported_and_dropped():
    target = target_of([*(f"{n}.5" for n in range(30)), "about 7", "-"])
    assert target.task == "regression"
    assert len(target.values) == 30
    assert int(target.has_target.sum()) == 30
    codes = {note.code: note.count for note in target.notes if note.code}
    assert codes == {"SB104": 1, "SB205": 2}


def test_number_formats_of_a_label_are_merged_and_similar_labels_give_a_warning():
    merged = target_of(["1", "1.0", "0", " 1"])
    assert (merged.labels, merged.notes) == (("0", "1"), ())
    big = target_of([str(2**60), str(2**60 + 1), f"{2**60}.0"])
    assert big.values.tolist() == [0, 1, 0]
    near = target_of(["Yes", "yes", "No", "yes "])
    assert near.labels == ("No", "Yes", "yes")
    assert [
        "'Yes' (1) and 'yes' (2)" in note.message
        for note in near.notes
        if note.code == "SB105"
    ] == [True]


def test_the_decimal_mark_of_an_ambiguous_target_is_that_of_the_features(write):
    amounts = [f'"{n},{n:03}"' for n in range(1, 31)]
    for cell, first, codes in (
        ("1.5", 1001, []),
        ('"1,5"', 1.001, []),
        ("7", 1001, ["SB108"]),
    ):
        lines = [f"{cell if n % 2 else n},{amount}" for n, amount in enumerate(amounts)]
        table = read_table(write("a,y\n" + "\n".join(lines)), target="y")
        assert (table.task, table.target[0]) == ("regression", first)
        assert [
            note.code for note in table.notes if note.column == "y" and note.code
        ] == codes
