"""Live progress: the interim result and a bar on a terminal, plain lines elsewhere, nothing with
quiet."""

import io
import re

import msgspec
import pytest
from rich.console import Console

from seedbed.evaluation.summaries import Conclusion
from seedbed.report.progress import Progress, ProgressDisplay


def console(kind, width=100):
    if kind == "plain":
        return Console(file=io.StringIO(), force_terminal=False, width=width)
    dumb = {"TERM": "dumb"} if kind == "dumb" else {}
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=width,
        height=12,
        no_color=True,
        legacy_windows=False,
        _environ=dumb,
    )


def shown(*progress, kind="plain", **options):
    """What is written for these states, without control codes."""
    where = console(kind)
    with ProgressDisplay(where, **options) as display:
        for one in progress:
            display(one)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", where.file.getvalue())


@pytest.fixture
def fast(monkeypatch):
    """Print a plain line for each state."""
    monkeypatch.setattr("seedbed.report.progress._LINE_FIRST", 0.0)
    monkeypatch.setattr("seedbed.report.progress._LINE_EVERY", 0.0)


@pytest.fixture
def so_far(make):
    """The result after the first repeat."""
    models = make.network("linear:5"), make.network("relu:5")
    document = make.document(
        *models, verdicts=[make.verdict("relu:5", 0.02, 0.04)], plan={"repeats": 1}
    )
    document["plan"]["most_repeats"] = 10
    return msgspec.convert(document, Conclusion)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"done": 0, "total": 1}, "0 of 1 fit"),
        (
            {"done": 1_500, "total": 6_000, "left": 75.0},
            "1,500 of 6,000 fits; at most about 75 s left",
        ),
        ({"done": 6, "total": 6, "left": 0.0}, "6 of 6 fits; at most about 1 s left"),
    ],
)
def test_a_line_counts_the_fits_and_has_the_time_left_once_it_is_known(words, line):
    assert Progress(**words).line() == line
    assert line in shown(Progress(**words), kind="terminal")


def test_without_a_terminal_or_on_a_dumb_one_plain_lines_are_printed_at_intervals(fast):
    result = shown(*(Progress(done=n, total=200) for n in (1, 2)))
    assert result == "1 of 200 fits\n2 of 200 fits\n"
    assert shown(Progress(done=1, total=200), kind="dumb").strip() == "1 of 200 fits"


def test_a_short_run_prints_the_result_so_far_alone(so_far):
    assert shown(*(Progress(done=n, total=200) for n in range(200))) == ""
    states = (Progress(done=n, total=60, so_far=so_far) for n in (6, 7))
    line, end = shown(*states).split("\n")
    assert line.startswith("So far, after 1 of up to 10 repeats:")
    assert end == ""


def test_a_terminal_shows_a_bar_below_the_result_so_far_and_erases_both(so_far):
    where = console("terminal")
    with ProgressDisplay(where, warnings=["SB211: all this may be wrong"]) as display:
        display(Progress(done=6, total=60, so_far=so_far))
        display.refresh()
        drawn = where.file.getvalue()
    for words in "SB211: all this may be wrong|So far, after 1 of up to 10 repeats:|relu:5|6 of 60 fits".split(
        "|"
    ):
        assert words in drawn
    assert where.file.getvalue().endswith("\x1b[2K")
    assert "\x1b[?25h" in where.file.getvalue()  # the cursor is visible again


def test_the_bar_is_erased_even_after_an_interrupt():
    where = console("terminal")
    with pytest.raises(KeyboardInterrupt), ProgressDisplay(where):
        raise KeyboardInterrupt
    assert where.file.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize("kind", ["plain", "terminal"])
def test_quiet_shows_nothing(kind, fast):
    assert shown(Progress(done=1, total=2), kind=kind, quiet=True) == ""


def test_markup_in_the_name_of_a_candidate_is_shown_unchanged(make):
    models = make.network("nets/[bold]x.py:Net"), make.network("relu:5")
    where = console("terminal")
    found = msgspec.convert(make.document(*models), Conclusion)
    with ProgressDisplay(where) as display:
        display(Progress(done=1, total=2, so_far=found))
        display.refresh()
    assert "nets/[bold]x.py:Net" in where.file.getvalue()
