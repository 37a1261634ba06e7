"""Notebooks, run by a kernel; and one that is shown by a browser that reaches nothing."""

import html
import importlib.util
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
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
FILES = """
import seedbed as sb
print(*[sb.read_table(f"t.{end}", target="y") for end in ("csv", "parquet", "xlsx")])
---
sb.compare("t.csv", target="y", candidates=["linear:5"], epochs=3, design=sb.Design(repeats=1, baselines=[]));
---
model = sb.fit_model("t.parquet", target="y", candidate="linear:5", n_networks=2, recipe=sb.Recipe(epochs=3))
print(model.predict("t.xlsx").shape, model.predict_proba("t.csv").shape)
"""
CUT_OFF = "cells => cells.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"


class Client(NotebookClient):
    """Runs cells in a kernel, and keeps the HTML that was shown for a while."""

    def __init__(self, cells: str, folder: Path) -> None:
        made = [nbformat.v4.new_code_cell(cell) for cell in cells.split("---\n")]
        options = dict(timeout=300, resources={"metadata": {"path": folder}})
        super().__init__(nbformat.v4.new_notebook(cells=made), **options)
        self.updates: list[str] = []
        self.execute()

    def process_message(self, message: Any, cell: Any, place: int) -> Any:
        if message["msg_type"] == "update_display_data":
            self.updates.append(message["content"]["data"]["text/html"])
        return super().process_message(message, cell, place)


def shown(output: Any) -> str:
    """Return an output of a cell as a notebook shows it."""
    if output.output_type == "stream":
        return f"<pre>{html.escape(output.text)}</pre>"
    return next(
        output.data[kind]
        for kind in ("text/html", "image/svg+xml", "text/plain")
        if kind in output.data
    )


@pytest.mark.slow
def test_a_notebook_without_ipywidgets_reads_files_and_shows_the_progress(tmp_path):
    assert importlib.util.find_spec("ipywidgets") is None
    frame = pd.DataFrame(
        dict(a=[0.5, 2, 1.5, 3.5] * 9, b=["u", "v", "w"] * 12, y=["no", "yes"] * 18)
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    client = Client(FILES, tmp_path)
    read, compared, predicted = (
        [shown(output) for output in cell.outputs] for cell in client.nb.cells
    )
    assert "".join(read).count("36 rows, 2 features, binary target y") == 3
    assert compared == [""]
    assert "1 of 10 fits" in client.updates[0]
    assert predicted == ["<pre>(36,) (36, 2)\n</pre>"]


@pytest.mark.slow  # a kernel loads torch and trains
def test_a_notebook_needs_no_network_and_shows_each_result_once(open_page, tmp_path):
    # The progress of the comparison is an output of its own, empty at the end.
    outputs = (
        [text for text in map(shown, cell.outputs) if text]
        for cell in Client(CELLS, tmp_path).nb.cells
    )
    comparison, chart, model, printed, details = outputs
    result = [len(one) for one in (comparison, chart, model, printed, details)]
    assert result == [1, 1, 1, 1, 1]
    page = tmp_path / "book.html"
    body = "".join([*comparison, *chart, *model, *printed, *details])
    page.write_text(
        f"<meta charset=utf-8><style>{STYLE}</style><body data-ready=yes>{body}"
    )
    opened = open_page(page, width=1000)  # fails at a request
    assert opened.locator("svg").count() == 2
    card, text, _ = opened.locator("pre").all()
    assert card.inner_text() == text.inner_text().rstrip()
    assert card.evaluate("one => getComputedStyle(one).fontFamily") == "monospace"
    assert opened.eval_on_selector_all("th, td", CUT_OFF) == []
