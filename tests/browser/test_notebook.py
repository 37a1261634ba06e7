"""A notebook, run by a kernel and shown by a browser that reaches nothing."""

import html
import os
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

# As styles of notebooks have it.
STYLE = "pre { font-family: sans-serif } "
STYLE += "table { table-layout: fixed; border-collapse: collapse; font-size: 13px } th, td { padding: .5em }"
CELLS = """
import seedbed as sb
settings = {"recipe": "tutorial", "epochs": 3, "quick": True, "compute": sb.Compute(n_jobs=1)}
comparison = sb.compare("example:moons", candidates=["linear:5", "relu:3"], **settings)
comparison
---
comparison.plot(chart="lottery")
---
model = comparison.model("relu:3", n_networks=2)
model
---
print(model)
---
print(comparison.details())
"""
CUT_OFF = "cells => cells.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"


def shown(output: Any) -> str:
    """Return an output of a cell as a notebook shows it."""
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text)}</pre>"
    return next(output.data[kind] for kind in ("text/html", "image/svg+xml", "text/plain") if kind in output.data)


@pytest.mark.slow  # a kernel loads torch and trains
def test_a_notebook_needs_no_network_and_shows_each_result_once(open_page, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")]))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS.split("---\n")])
    NotebookClient(book, timeout=300).execute()
    # The progress of the comparison is an output of its own, empty at the end.
    outputs = ([text for text in map(shown, cell.outputs) if text] for cell in book.cells)
    comparison, chart, model, printed, details = outputs
    assert [len(one) for one in (comparison, chart, model, printed, details)] == [1, 1, 1, 1, 1]
    page = tmp_path / "book.html"
    body = "".join([*comparison, *chart, *model, *printed, *details])
    page.write_text(f"<meta charset=utf-8><style>{STYLE}</style><body data-ready=yes>{body}")
    opened = open_page(page, width=1000)  # fails at a request
    assert opened.locator("svg").count() == 2
    card, text, _ = opened.locator("pre").all()
    assert card.inner_text() == text.inner_text().rstrip()
    assert card.evaluate("one => getComputedStyle(one).fontFamily") == "monospace"
    assert opened.eval_on_selector_all("th, td", CUT_OFF) == []
