"""The overview of a table as text."""

import pytest

from seedbed.report.card import overview_text


def column(name, kind="number", *, used=True, missing=0, n_unique=4, **changes):
    content = {"low": 1.0, "median": 2.5, "high": 1234567.0, "histogram": [1, 0, 8]}
    if kind in ("category", "boolean"):
        content = {
            "levels": {
                "red": 60,
                "blue": 30,
                "a level with quite a long name": 6,
                "grey": 4,
            }
        }
    common = dict(
        name=name, kind=kind, used=used, missing=missing, n_unique=n_unique, notes=[]
    )
    return common | content | changes


def document(*columns, **changes):
    found = dict(
        table="cars",
        n_rows=200,
        columns=list(columns),
        n_inputs=None,
        target=None,
        group=None,
        time_split=None,
        warnings=[],
        notes=[],
    )
    return found | changes


def note(message, code=""):
    return {"message": message, "column": "", "code": code, "count": None, "rows": []}


NUMBERS = dict(
    name="price", task="regression", low=1.5, median=3.0, high=9.0, histogram=[9, 1]
)


def line_of(text, word):
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [word]]
    return line


def test_a_column_takes_one_line():
    text = overview_text(
        document(column("width"), column("paint", "category", missing=100)), width=120
    )
    assert "▂ █" in line_of(text, "width")
    assert "1 to 1,234,567, median 2.5" in line_of(text, "width")
    assert "100" in line_of(text, "paint")
    assert "red 60%, blue 30%, a level with quite a ... 6%, ..." in line_of(
        text, "paint"
    )


def test_years_have_no_thousands_separators():
    years = column("born", low=1987.0, median=2003.5, high=2011.0)
    assert "1987 to 2011, median 2003.5" in overview_text(document(years))
    time = dict(name="year", kind="number", n_unique=9, low=1999.0, high=2024.0)
    assert "Split by year: from 1999 to 2024" in overview_text(
        document(years, time_split=time, target=NUMBERS)
    )
    amounts = column("paid", low=1000.0, median=2500.0, high=12000.0)
    assert "1,000 to 12,000, median 2,500" in overview_text(document(amounts))


def test_groups_are_counted_and_square_brackets_are_no_markup():
    text = overview_text(
        document(column("a"), target=NUMBERS, group={"name": "owner", "n_groups": 3})
    )
    assert "Group owner: 3 groups stay together" in text
    assert "[red]" in overview_text(document(column("[red]")))


@pytest.mark.parametrize("n", [200, 201])
def test_only_the_first_of_very_many_columns_are_shown(n):
    text = overview_text(document(*(column(f"c{i}") for i in range(n))))
    assert "c199" in text
    assert "c200" not in text
    assert ("and 1 more column" in text) == (n == 201)


def test_notes_that_differ_in_their_column_or_of_many_columns_in_an_example_are_one():
    notes = [
        {
            **note(f"column '{name}' has two values: 'no' is 0, 'yes' is 1"),
            "column": name,
        }
        for name in "abcdefgh"
    ]
    text = overview_text(
        document(column("a"), notes=[*notes, note("By the way."), note("By the way.")]),
        width=200,
    )
    assert (
        text.count(
            "has two values: 'no' is 0, 'yes' is 1; the same holds for b, c, d and 4 others"
        )
        == 1
    )
    assert text.count("By the way.") == 1
    for n in (3, 8):
        read = {
            name: note(f"column '{name}' is read: '${name}1' is 1")
            for name in "abcdefgh"[:n]
        }
        notes = [
            {**one, "column": name, "finding": "is read"} for name, one in read.items()
        ]
        text = overview_text(document(column("a"), notes=notes), width=200)
        assert text.count("is read: ") == (
            3 if n == 3 else text.count("'$a1' is 1; similarly b, c, d and 4 others")
        )
