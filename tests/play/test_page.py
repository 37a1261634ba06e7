"""The page as a file: complete, small, and without a way for a table to become code."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

import seedbed as sb
from seedbed.errors import ColumnError, DataError
from seedbed.play.document import table_document
from seedbed.play.page import STATIC, page_text

MODULES = sorted(path.name for path in STATIC.glob("*.js"))
MOST_BYTES = 380_000


def frame(rows: int = 40, **columns) -> pd.DataFrame:
    return pd.DataFrame(
        {"x": range(rows), "answer": ["no", "yes"] * (rows // 2)} | columns
    ).assign(x=lambda d: d.x % 7)


def document_in(text: str) -> dict:
    return json.loads(re.search(r'id="play-table">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_is_small_and_neither_its_policy_nor_an_address_allows_a_request():
    text = page_text(None)
    assert len(text.encode()) < MOST_BYTES
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[
        1
    ]
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"https?:|connect-src|\*", policy)
    assert not re.search(r"\{\{[A-Z]+\}\}", text)
    text = re.sub(
        r'<script type="text/plain" id="play-kernel">.*?</script>',
        "",
        page_text(None),
        flags=re.DOTALL,
    )
    assert (
        re.findall(
            r'(?:src|href|action)="(?!#|data:)[^"]*"|url\((?!data:)|@import|fetch\(|XMLHttpRequest',
            text,
        )
        == []
    )


@pytest.mark.parametrize("name", MODULES)
def test_every_import_is_of_a_name_that_its_module_exports(name):
    text = (STATIC / name).read_text()
    imports = re.findall(
        r'^import \{([^}]*)\} from "\./([a-z_]+\.js)";$', text, re.MULTILINE
    )
    assert len(imports) == len(re.findall(r"^import \{", text, re.MULTILINE))
    for names, other in imports:
        exported = re.findall(
            r"^export (?:async )?(?:function|const|let|class) (\w+)",
            (STATIC / other).read_text(),
            re.MULTILINE,
        )
        assert {one.strip() for one in names.split(",") if one.strip()} <= set(exported)


def test_markup_in_names_and_cells_cannot_leave_the_table():
    evil = "</script><script>alert(1)</script><!--"
    table = sb.read_table(
        frame(colour=[evil, "b"] * 20).rename(columns={"x": evil}), target="answer"
    )
    text = page_text(table_document(table))
    assert evil not in text
    assert text.count("<script") == page_text(None).count("<script")
    found = document_in(text)
    assert found["columns"][0]["name"] == evil
    assert evil in found["columns"][1]["categories"]


def test_what_may_make_all_wrong_is_above_the_headline_and_not_a_note_as_well():
    table = sb.read_table(frame(leak=[1.5, 2.5] * 20), target="answer")
    found = table_document(table)
    assert [warning[:29] for warning in found["warnings"]] == [
        "All this may be wrong. SB203:"
    ]
    assert len(found["notes"]) == len(table.notes) - 1
    assert page_text(found).index('id="warnings"') < page_text(found).index(
        'id="headline"'
    )


@pytest.mark.slow
def test_the_document_of_a_table_is_what_seedbed_encodes(mixed, lab):
    for task in ("binary", "multiclass", "regression"):
        table, found = mixed(task), document_in(page_text(table_document(mixed(task))))
        assert found["task"] == task
        assert found["classes"] == (list(table.labels) or None)
        assert found["y"] == pytest.approx(table.target.tolist())
        assert len(found["cells"]) == len(found["columns"])
        assert {len(cells) for cells in found["cells"]} == {table.n_rows}


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (
            frame(20_002),
            DataError,
            "has 20,002 rows, and the page takes at most 20,000",
        ),
        (
            frame(**{f"c{i}": [i % 9, i % 5] * 20 for i in range(600)}),
            DataError,
            "inputs, and the page takes at most 500",
        ),
        (
            frame(20_000, **{f"c{i}": [1, 2] * 10_000 for i in range(101)}),
            DataError,
            "has 2,040,000 cells",
        ),
        (
            frame(300, answer=[f"class {i % 25}" for i in range(300)]),
            DataError,
            "has 25 classes",
        ),
        (frame(answer=["yes"] * 40), DataError, "Two|nothing to predict|one"),
        (frame(y=[1e300, *range(39)]), ColumnError, "differ too much in size"),
    ],
)
def test_a_table_that_the_page_cannot_take_is_refused(table, error, message, here):
    with pytest.raises(error, match=message):
        sb.playground(table, target="answer")
    assert list(here.iterdir()) == []


def test_the_file_is_named_after_the_table_and_holds_no_path(mixed_file, here):
    assert sb.playground(mixed_file, target="kind").name == "play-mixed.html"
    text = (here / "play-mixed.html").read_text()
    assert str(mixed_file.parent) not in text
    assert document_in(text)["source"] == "mixed.csv"
    assert sb.playground(path=here / "empty.html") == here / "empty.html"
    assert document_in((here / "empty.html").read_text()) is None


def test_the_verb_writes_the_page_and_opens_it(call, mixed_file, here, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "webbrowser.open", lambda address: bool(opened.append(address)) or True
    )
    result = call("play", mixed_file, "--target", "kind", "--no-open").err
    assert result == "wrote play-mixed.html\n"
    assert opened == []
    assert call("play", "-o", "empty.html").err == "wrote empty.html\n"
    assert opened == [(here / "empty.html").as_uri()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "kind"], "without a table"),
        (
            ["example:iris", "--time-split", "species"],
            "--time-split decides splits, and the page splits rows at ran",
        ),
        (["missing.csv", "--target", "kind"], "missing.csv"),
        (
            ["-o", "no/such/page.html"],
            "there is no folder no/such. Make the folder first.",
        ),
        (["-o", "."], "it is a folder. Name a file in it."),
        (
            ["-o", "table.csv"],
            "can't write the page to table.csv: a page is HTML. Name a file that ends in .html.",
        ),
    ],
)
def test_the_verb_refuses_in_one_line(call, here, arguments, message):
    done = call("play", *arguments, "--no-open")
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert message in done.err


@pytest.mark.slow
def test_writing_a_page_does_not_load_torch(here):
    code = "import seedbed, sys; seedbed.playground('example:iris'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
