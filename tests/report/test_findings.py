"""The title of each chart states its finding."""

from seedbed.report.chart_texts import confusion_finding

from .conftest import of_document

confusion = of_document(confusion_finding)


def test_the_title_of_confusion_matrix_counts_rows_of_class_that_is_missed_most(make):
    found = make.document(make.network("linear:5"), make.network("relu:5"))
    assert confusion(found) == "linear:5 finds 390 of the 520 rows of class 1"
    found["candidates"][0]["confusion"] = [[0.996, 0.0], [0.004, 0.0]]
    assert confusion(found) == "linear:5 finds none of the 5 rows of class 1"
