"""The title of each chart states its finding."""

import re
from pathlib import Path

from seedbed.report.chart_texts import confusion_finding
from seedbed.report.html_page import TERMS

from .conftest import of_document

confusion = of_document(confusion_finding)


def test_the_title_of_the_confusion_matrix_counts_rows_of_the_class_that_is_missed_most(
    make,
):
    found = make.document(make.network("linear:5"), make.network("relu:5"))
    assert confusion(found) == "linear:5 finds 390 of the 520 rows of class 1"
    found["candidates"][0]["confusion"] = [[0.996, 0.0], [0.004, 0.0]]
    assert confusion(found) == "linear:5 finds none of the 5 rows of class 1"


def test_the_terms_of_the_report_have_the_definitions_of_the_glossary():
    text = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(
        encoding="utf-8"
    )
    pages = dict(re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE))
    assert {
        word: meaning
        for word, meaning in TERMS.items()
        if word in pages and pages[word] != meaning
    } == {}
    assert len(TERMS.keys() & pages.keys()) > 12
