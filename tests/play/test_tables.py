"""A file dropped on the page becomes the table that seedbed reads; others are refused in one
sentence."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from seedbed.data.cells import numeral
from seedbed.data.reading import read_table
from seedbed.play.document import table_document

READ = """(text, target) => {
  const read = readCsv(text, target);
  return read.error ? read : { ...read.table, x: Array.from(read.table.x), y: Array.from(read.table.y) };
}"""
DECODE = """(document) => {
  const table = decodeTable(document);
  return { ...table, x: Array.from(table.x), y: Array.from(table.y) };
}"""
random = np.random.default_rng(0)
ROWS = [
    [f"{a:.2f}", str(int(b)), c, d]
    for a, b, c, d in zip(
        random.normal(5, 2, 40),
        random.integers(0, 900, 40),
        random.choice(["red", "green", "blue"], 40),
        random.choice(["yes", "no"], 40),
        strict=True,
    )
]


def lines(
    rows, *, separator=",", header=("width", "count", "colour", "answer"), end="\n"
):
    return end.join(separator.join(row) for row in [header, *rows]) + end


def each(change, **options):
    """The lines of the rows, each changed by its number."""
    return lines([change(number, row) for number, row in enumerate(ROWS)], **options)


def changed(change):
    """Return the rows with some cells changed: {(row, column): text}."""
    return [
        [change.get((r, c), cell) for c, cell in enumerate(row)]
        for r, row in enumerate(ROWS)
    ]


FILES = {
    "commas": lines(ROWS),
    "semicolons and decimal commas": lines(
        [[one.replace(".", ",") for one in row] for row in ROWS], separator=";"
    ),
    "tabs, Windows line ends, and a byte order mark": "\ufeff"
    + lines(ROWS, separator="\t", end="\r\n"),
    "quoted cells with separators, quotes and line ends": lines(
        [
            [row[0], row[1], f'"{row[2]}, ""dark""\nand so on"', f'"{row[3]}"']
            for row in ROWS
        ]
    ),
    "missing cells and words for them": lines(
        changed({(0, 0): "", (1, 0): "n/a", (2, 1): "?", (3, 2): "", (4, 2): "NaN"})
    ),
    "a rare level": lines(changed({(7, 2): "unseen"})),
    "numbers with thousands": lines(
        changed({(r, 1): f"{r + 1},{r:03}" for r in range(40)}), separator=";"
    ),
    "codes with leading zeros": lines(
        changed({(r, 1): f"00{r % 3}" for r in range(40)})
    ),
    "rows that are numbered": each(lambda r, row: [str(r + 100), *row[1:]]),
    "a constant and an empty column": lines([["7", "", *row[2:]] for row in ROWS]),
    "0 and 1, and exponents": each(lambda r, row: [f"{r}e-2", str(r % 2), *row[2:]]),
    "rows without a target": lines(changed({(5, 3): "", (6, 3): "NA"})),
    "text before 5 % of numbers": lines(changed({(5, 0): "about 5"})),
    "dates": each(lambda r, row: [f"2024-{r % 12 + 1:02}-{r % 28 + 1:02}", *row[1:]]),
    "days first, and a missing date": each(
        lambda r, row: [
            "" if r == 3 else f"{r % 28 + 1}.{r % 12 + 1}.{1950 + r}",
            *row[1:],
        ]
    ),
    "months first, and times with zones": each(
        lambda r, row: [
            f"{r % 12 + 1}/{r % 28 + 1}/98 {r % 12 + 1}:05 {'ap'[r % 2]}m{['', ' +0530'][r % 2]}",
            *row[1:],
        ]
    ),
    "dates that could be read in two ways": each(
        lambda r, row: [
            f"{r % 12 + 1}/{r % 11 + 1}/2024",
            f"{r % 12 + 1}/{r % 28 + 1}/2024",
            *row[2:],
        ]
    ),
    "dates with German months": each(
        lambda r, row: [
            f"{r % 28 + 1}. {('März', 'Mai', 'Juni', 'Dez.')[r % 4]} 2024",
            *row[1:],
        ]
    ),
    "dates with dots, slashes and the year first": each(
        lambda r, row: [
            [
                f"{r % 12 + 1}/{r % 11 + 1}/2024",
                f"{r % 28 + 1}.{r % 12 + 1}.2024",
                f"2024-{r % 12 + 1:02}-11",
            ][r % 3],
            f"{r % 12 + 1}.{r % 11 + 1}.2024"
            if r % 2
            else f"{r % 12 + 1}/{r % 28 + 1}/2024",
            *row[2:],
        ]
    ),
    "months by name, and an impossible date": each(
        lambda r, row: [
            "31 Feb 2024" if r == 7 else f"{r % 28 + 1} March {2000 + r}",
            *row[1:],
        ]
    ),
    "points that are thousands, as another column has decimal commas": each(
        lambda r, row: [f"{r + 1}.{r:03}", f"{r},5", f"{r + 1}.{r:03} kr", row[3]],
        separator=";",
    ),
    "points that could be thousands": each(
        lambda r, row: [
            f"{r + 1}.{r:03}",
            f"CHF {r + 1}'{r:03}",
            f"€{r + 1}.{r:03}",
            row[3],
        ]
    ),
    "a name for every row": each(lambda r, row: [f"person {r}", *row[1:]]),
    "titles above the names of the columns": "Report of 2026,,,\n\n" + lines(ROWS),
    "quotes after spaces": lines(
        [[row[0], row[1], f' "{row[2]}, dark"', row[3]] for row in ROWS]
    ),
    "points that are thousands, as only the target has decimal commas": each(
        lambda r, row: [row[0].replace(".", ","), f"{r + 1}.{r:03}", *row[2:]],
        separator=";",
    ),
    "units, and money in thousands and millions": each(
        lambda r, row: [
            f"{r + 400} sqft",
            f"${r}.5{'KM'[r % 2]}",
            f"{r} day{'s' * (r > 1)}",
            row[3],
        ]
    ),
    "letters after numbers, weeks, and named months": each(
        lambda r, row: [
            f"{r}B",
            f"2024-W{r + 1:02}",
            f"{('Jan', 'Mai')[r % 2]} {1980 + r % 8}",
            row[3],
        ]
    ),
    "clock times, and one word among numbers": each(
        lambda r, row: [
            f"{r // 4:02}:{r:02}",
            "*" if r % 9 == 4 else f"{r * r}",
            *row[2:],
        ]
    ),
    "dots and words for missing cells": lines(
        changed({(5, 3): ".", (6, 3): "Missing", (7, 2): "..", (8, 2): "nil"})
    ),
    "quarters, months and seasons": each(
        lambda r, row: [
            f"{1990 + r} Q3",
            f"{1990 + r}-{r % 12 + 1:02}",
            f"20{r % 9:02}-{r % 9 + 1:02}",
            row[3],
        ]
    ),
    "signs alone": lines(changed({(r, 1): ["-", ""][r % 2] for r in range(40)})),
    "capital letters, of which NA is a country": lines(
        changed({(r, 2): ["NA", "DE", "FR", "US"][r % 4] for r in range(40)})
    ),
}


def check_equal(found, expected):
    for name in ("task", "target", "classes", "rows", "inputs", "y"):
        assert found[name] == expected[name], name
    assert [
        (one["name"], one["kind"], one["categories"]) for one in found["columns"]
    ] == [(one["name"], one["kind"], one["categories"]) for one in expected["columns"]]
    assert_array_equal(
        np.array(found["x"], dtype=float), np.array(expected["x"], dtype=float)
    )


@pytest.mark.few(12)
@pytest.mark.product
@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("target", ["answer", "colour", "width"])
def test_a_dropped_file_is_read_as_seedbed_reads_it(lab, tmp_path, what, target):
    no_number = "rows that are|a constant|a name|letters|quarters|dates|days|months"
    if target == "width" and what.startswith(tuple(no_number.split("|"))):
        target = "answer"
    (tmp_path / "table.csv").write_text(FILES[what], encoding="utf-8", newline="")
    document = table_document(read_table(tmp_path / "table.csv", target=target))
    check_equal(lab(READ, FILES[what], target), lab(DECODE, document))


def test_a_cell_is_the_number_that_seedbed_reads(lab):
    cores = "5 1,200 1.200 1'200 1_200 1\u202f200,5 12,34,567 1,2 .5 5. 0,123 1.200.300,4 1,200,30 5e3 1,200e3 , 007 inf"
    before = ["", "-", "+", "(", "€", "$ ", "-US$", "EUR", "EUR -", "−kr. ", "+-", "x"]
    after = "|%| %|)| €)|zł| Ft|$ $|K| mn €|:05|:30:07.5".split("|")
    texts = [
        a + core.replace("_", " ") + b
        for a in before
        for core in cores.split()
        for b in after
    ]
    found = lab(
        "(texts) => texts.map(numeral).map(({ point, comma }) => [String(point), String(comma)])",
        texts,
    )
    for text, numbers in zip(texts, found, strict=True):
        assert [float(one.replace("null", "nan")) for one in numbers] == pytest.approx(
            numeral(text), nan_ok=True, rel=0, abs=0
        ), text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_dropped_file_may_have_any_encoding_that_spreadsheets_write(
    lab, tmp_path, encoding
):
    text = lines(ROWS, header=("größe", "count", "colour", "réponse")).replace(
        "green", "grün"
    )
    data = text.encode(encoding)
    (tmp_path / "table.csv").write_bytes(data)
    document = table_document(read_table(tmp_path / "table.csv", target="réponse"))
    read = (
        f"(bytes, target) => ({READ})(csvText(Uint8Array.from(bytes).buffer), target)"
    )
    check_equal(lab(read, list(data), "réponse"), lab(DECODE, document))


REFUSED = {
    "": "The file is empty.",
    "\0\1": "This isn't a text file. Save the table as CSV first.",
    "PK\3\4\0": "This is an Excel file or an archive. Save the table as CSV first, or open it ",
    'a,b\n1,"2\n': "A quotation mark in the file has no end.",
    "a\n1\n2\n": "The file has one column only. A CSV file separates columns by commas, semicolons or tabs.",
    "a,a\n1,2\n": "Two columns are named 'a'. Rename one.",
    lines(ROWS)
    + "1,2\n": "Row 41 has 2 cells, and the first line names 4 columns. Correct the row.",
    lines(ROWS[:5]): "The table has 5 rows, and at least 10 are needed.",
    lines(
        ROWS * 600
    ): "The table has 24,000 rows, and this page takes 20,000: use a part of them.",
    lines(
        [[*row[:3], "yes"] for row in ROWS]
    ): "All rows have the same value in 'answer', so there is nothing to ",
    each(
        lambda r, row: [*row[:3], f"word {r}"]
    ): "'answer' has 40 different texts, and this page ",
    lines(
        [["1", "2", "3", row[3]] for row in ROWS]
    ): "'width' is constant and is left out. 'count' is constant and ",
    lines(changed({(3, 0): "1e300"})): "'width' holds a number that is too large.",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(lab, text):
    assert lab(READ, text, "answer")["error"].startswith(REFUSED[text])


def test_a_mark_that_would_reorder_the_page_is_shown_in_names_and_cells(lab):
    text = lines(
        changed({(r, 2): "gr\u202eeen" for r in range(30)}),
        header=("wid\u2066th", "count", "colour", "answer"),
    )
    found = lab(READ, text, "answer")
    result = [column["name"] for column in found["columns"]]
    assert result == ["wid\\u2066th", "count", "colour"]
    assert "gr\\u202eeen" in found["columns"][2]["categories"]


def test_the_map_shows_the_columns_that_tell_all_classes_apart(lab):
    # Wing and mass tell c from the others twice; the beak tells a from b. No level has half of the
    # rows.
    rows = []
    for i in range(150):
        wing = 50 * (i % 3 == 2) + i % 9
        mass = 70 * (i % 3 == 2) + i % 11
        beak = 90 * (i % 3 == 1) + i % 31
        rows.append(
            [str(wing), str(mass), str(beak), "xyz"[i % 15 % 4 % 3], "abc"[i % 3]]
        )
    text = lines(rows, header=("wing", "mass", "beak", "island", "kind"))
    script = """(text) => { const { table } = readCsv(text, "kind"), { numbers, usual } = survey(table);
      const name = (input) => table.inputs[input].name;
      return [numbers.map(name), Array.from(usual.keys()).filter((input) => usual[input] === 1).map(name)]; }"""
    numbers, usual = lab(script, text)
    assert set(numbers[:2]) in ({"beak", "wing"}, {"beak", "mass"})
    assert [name for name in usual if name.startswith("island")] == ["island=x"]


def test_the_map_shows_columns_that_divide_the_classes_only_together(lab):
    signs = random.choice([-1, 1], (200, 2))
    noise = random.normal(size=(200, 3))
    rows = [
        [
            *(f"{s * (0.2 + abs(e)):.3f}" for s, e in zip(two, own, strict=False)),
            f"{own[2] + 0.2 * two[0]:.3f}",
            "ab"[int(two[0] == two[1])],
        ]
        for two, own in zip(signs, noise, strict=True)
    ]
    text = lines(rows, header=("left", "up", "near", "kind"))
    script = """(text) => { const { table } = readCsv(text, "kind");
      return survey(table).numbers.map((input) => table.inputs[input].name); }"""
    assert set(lab(script, text)[:2]) == {"left", "up"}


@pytest.mark.parametrize("name", ["moons", "circles", "xor", "spiral"])
def test_an_example_has_two_classes_of_equal_size_and_depends_on_its_seed(lab, name):
    make = "(name, seed) => JSON.stringify(Array.from(exampleTable(name, { rows: 200, noise: 0.1, seed }).x))"
    one, other = (json.loads(lab(make, name, seed)) for seed in (0, 1))
    assert len(one) == 400
    assert one != other
    assert json.loads(lab(make, name, 0)) == one
    assert (
        lab(
            "(name) => exampleTable(name, { rows: 200 }).y.reduce((a, b) => a + b)",
            name,
        )
        == 100
    )
