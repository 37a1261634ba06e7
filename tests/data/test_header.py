"""A header that isn't the first line is found, or the error says what to do."""

import pytest

from seedbed import read_table
from seedbed.data.sources.delimited import find_header
from seedbed.data.sources.opening import open_source
from seedbed.errors import OptionError, UnreadableError

ROWS = "".join(f"Kind {i};{1 + i % 6};{14 + i % 4}\n" for i in range(12))
TABLE = "name;grade;age\n" + ROWS


def opened(path, **options):
    with open_source(path, **options) as source:
        return source.columns.names, source.columns.n_rows, source.columns.cells(0)[:1], source.columns.notes


TITLES = {
    "a line of text": "Klasse 10b\n",
    "a line with a delimiter": "Klasse 10b; Schuljahr 2024/25\n".replace(";", ","),
    "lines and blank ones": "Klasse 10b\n\nStand: 1.2.2024\n\n",
    "as Excel writes them": "Klasse 10b;;\n;;\n",
    "a comment": "# exported 2024-02-01\n",
    "a byte order mark": "\ufeffKlasse 10b\r\n",
}


@pytest.mark.parametrize("what", TITLES)
def test_titles_above_the_header_are_skipped_with_a_note(write, what):
    names, n_rows, first, notes = opened(write(TITLES[what] + TABLE))
    assert (names, n_rows, first) == (("name", "grade", "age"), 12, ["Kind 0"])
    assert any("the header is line" in note.message and "--skip-rows 0" in note.message for note in notes)


def test_rows_are_named_by_their_lines_below_titles(write):
    with open_source(write("Klasse 10b\n\n" + TABLE)) as source:
        assert source.columns.places([0, 11]) == {0: "line 4", 11: "line 15"}


@pytest.mark.parametrize("skip", [1, 2])
def test_rows_are_skipped_where_the_header_can_not_be_found(write, skip):
    path = write('a;b;c "of" that\n\n'[: 16 if skip == 1 else 17] + "name;seat;home\nAnna;left;Rome\nBert;right;Bonn\n")
    names, n_rows, _, notes = opened(path, skip_rows=skip)
    assert (names, n_rows) == (("name", "seat", "home"), 2)
    assert not any("the header is" in note.message for note in notes)


NO_TITLES = {
    "an ordinary table": "a,b,y\n1,2,3\n",
    "an index without a name": ",a,y\n0,1,2\n",
    "a name that is missing": "a,y\n9,1,0\n9,2,1\n",
    "two names that are missing": "a,,,y\n1,2,3,4\n",
    "names that are years": "Class 10b\n2019,2020,2021\n1,2,3\n",
    "text alone": "Class 10b\nname,town,seat\nAnna,Rome,left\n",
    "a short row": "a,b,y\n1,2,0\n1,1\n",
}


@pytest.mark.parametrize("what", NO_TITLES)
def test_nothing_is_skipped_where_it_is_not_clear(what):
    assert find_header([line.split(",") for line in NO_TITLES[what].splitlines()]) == 0


def test_the_first_line_is_the_header_if_that_is_said(write):
    with pytest.raises(UnreadableError, match=r"line 2 has 3 cells, the header has 1\. .*--skip-rows"):
        opened(write("Klasse 10b\n" + TABLE.replace(";", ",")), skip_rows=0)


def test_titles_above_text_alone_are_an_error_that_says_what_to_do(write):
    for title, cells in (("Klasse 10b", "line 2 has 3 cells"), ("Klasse 10b, Mathe", "line 2 has 1 cell")):
        with pytest.raises(UnreadableError, match=rf"{cells}, the header has .* line 2 is the header: --skip-rows 1 "):
            opened(write(title + "\nname;town;seat\nAnna;Rome;left\nBert;Bonn;right\n"))


def test_names_that_are_wanted_find_the_header():
    rows = [["Class 10b"], ["name", "town", "seat"], ["Anna", "Rome", "left"]]
    assert find_header(rows, ["town", "seat"]) == 1
    assert find_header(rows, ["age"]) == 0


@pytest.mark.parametrize("skip", [-1, 1.5, "two", True])
def test_a_number_of_rows_to_skip_is_a_whole_number(write, skip):
    with pytest.raises(OptionError, match="skip_rows is"):
        opened(write(TABLE), skip_rows=skip)


def test_more_rows_to_skip_than_there_are_is_an_error(write):
    with pytest.raises(UnreadableError, match="is empty below the 99 lines to skip"):
        opened(write(TABLE), skip_rows=99)


def test_what_has_no_lines_can_not_skip_any():
    with pytest.raises(OptionError, match="has no rows to skip"):
        opened("example:iris", skip_rows=1)


def test_a_table_is_read_again_as_it_was_read(write):
    table = read_table(write("x,y\n" + TABLE), target="age", skip_rows=1)
    assert table.reading["skip_rows"] == 1
    again = dict(table.reading)
    assert read_table(again.pop("source"), **again).feature_names == table.feature_names
