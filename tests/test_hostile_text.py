"""No text from a table, file name or option moves the terminal's cursor or reorders the text."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import seedbed
from seedbed.errors import OptionError, visible
from seedbed.figures.drawing import Chart, save_chart
from seedbed.figures.grammar import Records, channel
from seedbed.report.progress import Progress, ProgressDisplay

EVIL = "\x1b[31m\x1b]0;owned\x07\x9b2J\x08\u202etxt\u2066\u200f\u061c"
HOSTILE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def table(tmp_path, monkeypatch) -> Path:
    """A table with hostile names, labels and cells, in a file with a hostile name."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [
        f"{rng.normal()},{rng.choice(['a', f'b{EVIL}'])},{('yes', f'no{EVIL}')[i % 2]}"
        for i in range(60)
    ]
    path = tmp_path / f"t{EVIL}.csv"
    path.write_text(
        "\n".join([f"num{EVIL},cat{EVIL},target{EVIL}", *rows]) + "\n", encoding="utf-8"
    )
    return path


def test_control_and_bidirectional_characters_are_escaped_and_others_kept():
    escaped = [chr(code) for code in range(0x3000) if visible(chr(code)) != chr(code)]
    assert escaped == [chr(code) for code in range(0x3000) if HOSTILE.match(chr(code))]
    assert visible("\x1b[0m Grüße\t日本 \u202e\n") == "\\x1b[0m Grüße\t日本 \\u202e\n"
    assert str(OptionError(f"a{EVIL}\nb")) == visible(f"a{EVIL} b")


def check(call, *commands):
    """Check the status of each command, and that its output contains the text without the
    attack."""
    for status, *command in commands:
        found, out, err = call(*command)
        assert (found, HOSTILE.search(out + err)) == (status, None), command
        assert "owned" in out + err, command


def test_no_verb_prints_control_characters(table, call):
    target, model = ("--target", f"target{EVIL}"), f"m{EVIL}.safetensors"
    check(
        call,
        (0, "inspect", table, *target),
        (2, "inspect", table, "--target", f"other{EVIL}"),
        (2, "inspect", table, "--numeric", f"num{EVIL}x"),
        (2, "inspect", table, f"--opt{EVIL}"),
        (
            0,
            "train",
            table,
            *target,
            *"--candidate relu:3 --epochs 2 --n-networks 1 -o".split(),
            model,
        ),
        (0, "show", model),
        (2, "show", f"none{EVIL}"),
        (0, "predict", model, table, "-o", f"p{EVIL}.csv"),
        (0, "export", model, "-o", f"n{EVIL}.onnx"),
        (2, "train", table, *target, "--candidate", f"relu{EVIL}:5"),
        (2, f"verb{EVIL}"),
    )


@pytest.mark.slow  # it draws pictures
def test_no_run_prints_control_characters(table, call):
    design = (
        *"--repeats 1 --folds 2 --n-networks 1 --no-baselines --out".split(),
        f"run{EVIL}",
    )
    recipe = (
        "--recipe tutorial --epochs 2 --candidate logistic --candidate linear:2".split()
    )
    check(
        call,
        (0, "compare", table, "--target", f"target{EVIL}", *recipe, *design),
        (0, "report", f"run{EVIL}", "-o", f"r{EVIL}.html"),
    )
    assert not BIDI.search(Path(f"r{EVIL}.html").read_text())


def test_pages_and_reprs_show_marks_of_direction(table, tmp_path):
    read = seedbed.read_table(table, target=f"target{EVIL}")
    model = seedbed.fit_model(read, "logistic", n_networks=2)
    scores = dict(
        candidate=[f"a{EVIL}"] * 5 + ["b"] * 5,
        fold=[*range(5)] * 2,
        accuracy=np.arange(10) % 7 / 10,
    )
    judged = seedbed.judge(scores, score="accuracy")
    pages = [seedbed.playground(read, tmp_path / "play.html")]
    texts = [path.read_text() for path in pages] + [
        repr(read),
        repr(model),
        repr(judged),
        repr(judged.verdicts),
    ]
    for text in [*texts, model._repr_html_(), judged._repr_html_()]:
        assert (BIDI.search(text), "u202e" in text) == (None, True)


@pytest.mark.slow
def test_a_picture_of_hostile_names_is_drawn(tmp_path):
    rows = Records({"values": [{"x": f"a{EVIL}\0\uffff\ud800"}]})
    chart = Chart(title=EVIL, **rows.draw("point", {}, x=channel("x:N")))
    for suffix in ("png", "svg", "pdf"):
        assert save_chart(chart, tmp_path / f"chart.{suffix}").stat().st_size
    assert HOSTILE.search((tmp_path / "chart.svg").read_text(encoding="utf-8")) is None


def test_json_and_files_contain_the_unchanged_text(table, call):
    status, out, _ = call("inspect", table, "--json")
    assert status == 0
    assert HOSTILE.search(out) is None  # JSON escapes characters that a terminal would
    assert [column["name"] for column in json.loads(out)["columns"]] == [
        f"{name}{EVIL}" for name in ("num", "cat", "target")
    ]
    _, out, _ = call("show", f"none{EVIL}", "--json")
    assert EVIL in json.loads(out)["error"]["message"]


def test_the_result_so_far_has_names_without_control_characters():
    from io import StringIO

    from rich.console import Console

    scores = dict(
        candidate=["one"] * 5 + [f"relu{EVIL}"] * 5, fold=[*range(5), *range(5)]
    )
    scores["accuracy"] = [0.80, 0.78, 0.83, 0.79, 0.81, 0.85, 0.84, 0.88, 0.85, 0.86]
    so_far = seedbed.judge(scores, score="accuracy").conclusion
    for terminal in (True, False):
        stream = StringIO()
        console = Console(
            file=stream, force_terminal=terminal, color_system=None, width=200
        )
        display = ProgressDisplay(console)
        display(Progress(done=1, total=2, so_far=so_far))
        display._so_far = so_far
        console.print(display.get_renderable())
        assert "owned" in stream.getvalue()
        assert HOSTILE.search(stream.getvalue()) is None


def test_predictions_are_escaped_on_a_terminal(table, call, monkeypatch):
    call(
        "train",
        table,
        "--target",
        f"target{EVIL}",
        *"--candidate relu:3 --epochs 2 --n-networks 1 -o m.safetensors".split(),
    )
    assert EVIL in call("predict", "m.safetensors", table)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = call("predict", "m.safetensors", table)
    assert (HOSTILE.search(out), "owned" in out) == (None, True)
    # rows are numbered, and shares have three digits
    assert re.search(r"\n 1 .* 0\.\d{3}\b", out)
