"""The HTML report: self-contained, escaped, complete and in order."""

import re

import pytest

from seedbed.report.html_page import report_page

from .conftest import of_document

report_page = of_document(report_page)


@pytest.fixture(scope="module")
def page(make, make_curves):
    """A function that makes the page of a comparison of `relu:5` with the prior; keywords change
    the summary."""

    def show(*candidates, **changes):
        candidates = candidates or (make.network("relu:5"), make.baseline("prior"))
        networks = [one["name"] for one in candidates if one["kind"] == "network"]
        specification = dict(
            versions={"seedbed": "1.2.3"}, random_state=7, table={"sha256": "ab12"}
        )
        return report_page(
            make.document(
                *candidates,
                **{
                    "curves": make_curves(*networks),
                    "specification": specification,
                    **changes,
                },
            )
        )

    return show


@pytest.fixture(scope="module")
def usual(page):
    """That page without changes."""
    return page()


def text_of(page):
    """The visible text, without scripts and tags."""
    return re.sub(
        r"\s+", " ", re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", page)
    )


def test_the_page_requests_no_external_file(usual):
    html = re.sub(r"(?s)<script>.*?</script>", "", usual)
    assert not re.search(r"""(?:src|href)=["'](?!#)""", html)
    assert "url(" not in html
    assert "default-src 'none'" in html


def test_each_verdict_is_shown_once_with_its_numbers_in_one_table(page, make):
    verdict = make.verdict("relu:5", -0.05, -0.02, reference="prior")
    check = make.check("relu:5", "under_trained", "was still learning")
    html = page(verdicts=[verdict], checks=[check], reference="prior")
    body = html[: html.index('id="glossary"')]
    assert re.findall(r">(worse|can't tell|better)<", body) == ["worse"]
    assert "is worse than" not in text_of(body)
    assert "Note: relu:5: was still learning." in text_of(body)
    assert "p, adjusted" in text_of(body)
    assert 'data-chart="intervals"' not in html


def test_names_are_escaped(page, make):
    name = "<b>bold</b> a & b \"quoted\" 'twice' {{ 7 * 7 }} </script><script>x"
    shown = page(make.network(name), make.baseline("prior"), command=name, target=name)
    assert "<b>bold" not in re.sub(r"(?s)<script.*?</script>", "", shown)
    assert "49" not in re.findall(r"<h1>.*?</h1>", shown)[0]
    assert shown.count("<script") == shown.count("</script>") == 3


def test_the_confusion_matrix_of_many_classes_is_only_in_the_json(page, make):
    labels = {f"class {number}": 10 for number in range(13)}
    cells = [[1 / 169] * 13] * 13
    shown = page(
        make.network("relu:5", confusion=cells),
        make.baseline("prior", confusion=cells),
        labels=labels,
    )
    assert 'id="confusion"' not in shown
