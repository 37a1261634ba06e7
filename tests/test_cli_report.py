"""`seedbed report`: a run is drawn again from its files, and nothing else changes."""

import json
import re
from pathlib import Path

import pytest
from rich.text import Text

import seedbed
from seedbed.cli.console import print_lines
from seedbed.cli.program import main

QUICK = ("--n-jobs", "1", "--epochs", "3", "--quiet")


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a small comparison, made once."""
    folder = tmp_path_factory.mktemp("run")
    small = """--candidate relu:3 --candidate linear:2 --repeats 1 --folds 3
        --n-networks 2 --no-baselines --recipe tutorial""".split()
    with pytest.raises(SystemExit):
        main(["compare", "example:moons", *small, *QUICK, "--out", str(folder)])
    return folder


def test_a_report_drawn_again_is_the_same(call, run):
    first = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    status, out, err = call("report", run)
    assert (status, out) == (0, "")
    assert (
        err == f"wrote {run / 'report.html'}\nNext:     seedbed report {run} --open\n"
    )
    assert (run / "report.html").read_bytes() == first


def test_the_report_opens_in_a_browser_with_open(call, run, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "webbrowser.open", lambda address: opened.append(address) or len(opened) == 1
    )
    assert call("report", run, "--open") == (0, "", f"wrote {run / 'report.html'}\n")
    assert opened == [(run / "report.html").as_uri()]
    assert "no browser was found: open " in call("report", run, "--open")[2]
    assert call("report", run, "--text", "--format", "png")[0] == 2


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_a_terminal_gets_colours_unless_disabled(
    capsys, monkeypatch, variables, coloured
):
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "TERM": "xterm",
        **variables,
    }.items():  # a dumb terminal has no colours
        monkeypatch.setenv(name, value)
    print_lines([Text("better", "green"), Text("plain")])
    out = capsys.readouterr().out
    assert ("\x1b[" in out) == coloured
    assert "better" in out
    assert out.endswith("plain\n")


def test_output_sets_the_path_and_the_file_of_a_run_is_accepted(call, run, here):
    result = call("report", run / "comparison.json", "-o", "mine.html", "--quiet")
    assert result == (0, "", "")
    assert (here / "mine.html").read_bytes() == (run / "report.html").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "start"),
    [("png", b"\x89PNG"), pytest.param("pdf", b"%PDF", marks=pytest.mark.slow)],
)
def test_pictures_are_drawn_into_a_folder(call, run, here, format, start):
    status, out, _ = call(
        "report", run, "--format", format, "--output", "deep/pictures", "--json"
    )
    names = [
        f"{name}.{format}" for name in ("curves", "lottery", "calibration", "benefit")
    ]
    assert status == 0
    assert json.loads(out) == {
        "files": [str(Path("deep/pictures", name)) for name in names]
    }
    assert all(
        (here / "deep/pictures" / name).read_bytes().startswith(start) for name in names
    )


def test_the_checklist_names_each_item_once_and_answers_what_run_knows(call, run, here):
    parts = "1 2 3abc 4 5ab 6abc 7 8abc 9abc 10 11 12abcdefg 13 14 15 16 17 18abcdef 19 20abc 21 22 23ab 24 25 26 27abc"
    expected = [
        f"{number}{part}"
        for number, all in re.findall(r"(\d+)([a-g]*)", parts)
        for part in all or [""]
    ]
    result = call("report", run, "--checklist", "-o", "list.md")
    assert result == (0, "", "wrote list.md\n")
    lines = re.sub(r"\n  ", " ", (here / "list.md").read_text()).splitlines()
    items = [
        line.removeprefix("- **").partition("** ")[::2]
        for line in lines
        if line.startswith("- **")
    ]
    assert [number for number, _ in items] == expected
    answers = {
        number: text
        for number, text in items
        if not text.endswith(": to be answered by the author")
    }
    known = "4 5a 7 8a 9a 9b 10 11 12a 12b 12c 12e 12f 12g 13 15 16 18f 20a 20c 21 22 23a 24 26 27a"
    assert [*answers] == known.split()
    assert "Command: `seedbed compare example:moons" in answers["18f"]
    assert re.search(r"relu:3.* accuracy [\d.]+% \([\d.]+ to [\d.]+\)", answers["23a"])
    questions = [line for line in lines if line.startswith("- *") and "**" not in line]
    assert len(questions) == 8
    assert "Not looked at: --site and --by do it." in questions[-1]
    assert (
        call("report", run, "--checklist", "--text")[0]
        == call("report", run, "--checklist", "-o", "x.csv")[0]
        == 2
    )


def test_a_saved_judgement_is_drawn_again_and_printed(call, here):
    old = [0.80, 0.78, 0.83, 0.79, 0.81]
    new = [0.85, 0.84, 0.88, 0.85, 0.86]
    judgement = seedbed.judge({"old": old, "new": new}, folds=5, score="accuracy")
    saved = judgement.save(here / "verdicts.json")
    drawn = judgement.save(here / "drawn.html")
    assert call("report", saved, "-o", "again.html")[0] == 0
    assert (here / "again.html").read_bytes() == drawn.read_bytes()
    assert call("report", saved, "--text")[1] == f"{judgement}\n"
    assert "a checklist needs a comparison" in call("report", saved, "--checklist")[2]
