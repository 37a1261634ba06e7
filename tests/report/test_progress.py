"""Live progress: a table on a terminal, plain lines elsewhere, nothing where quiet was asked for."""

import io
import math
from types import SimpleNamespace

import pytest
from rich.console import Console

from seedbed.report import ProgressDisplay

NAN = (math.nan,) * 3
TRAIN, TEST = (0.9, 0.85, 0.95), (0.8, 0.75, 0.85)


@pytest.fixture
def clock(monkeypatch):
    """The time that the display sees, to be moved by hand."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("seedbed.report.progress.time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def plain_console():
    return Console(file=io.StringIO(), force_terminal=False, width=100)


def terminal_console():
    return Console(file=io.StringIO(), force_terminal=True, width=100, no_color=True, legacy_windows=False, _environ={})


def test_without_a_terminal_a_plain_line_comes_every_ten_seconds(clock):
    console = plain_console()
    with ProgressDisplay({"linear:5": 500, "relu:5": 500}, console) as display:
        for seconds, done in ((3, 10), (9.9, 20), (10.1, 30), (15, 40), (20.2, 50)):
            clock.seconds = seconds
            display.update("relu:5", done, TRAIN, TEST, 12.3)
    assert console.file.getvalue().splitlines() == [
        "linear:5 0/500, relu:5 30/500; about 12 s left",
        "linear:5 0/500, relu:5 50/500; about 12 s left",
    ]


def test_a_run_that_is_over_soon_prints_no_plain_line(clock):
    console = plain_console()
    with ProgressDisplay({"relu:5": 5}, console) as display:
        display.update("relu:5", 5, TRAIN, TEST, 0.0)
    assert console.file.getvalue() == ""


def test_on_a_terminal_a_table_shows_every_candidate():
    console = terminal_console()
    with ProgressDisplay({"linear:5": 1500, "relu:5": 1500}, console) as display:
        display.update("relu:5", 1250, TRAIN, TEST, 61.4)
    shown = console.file.getvalue()
    for words in ("candidate", "linear:5", "0 of 1,500", "relu:5", "1,250 of 1,500", "90.0% (85.0 to 95.0)",
                  "80.0% (75.0 to 85.0)", "about 61 s left"):  # fmt: skip
        assert words in shown


def test_the_table_is_gone_at_the_end_even_after_an_error():
    console = terminal_console()
    with pytest.raises(RuntimeError, match="boom"), ProgressDisplay({"relu:5": 5}, console):
        raise RuntimeError("boom")
    assert console.file.getvalue().endswith("\x1b[2K")  # the last line drawn is erased
    assert "\x1b[?25h" in console.file.getvalue()  # and the cursor is back


@pytest.mark.parametrize("console", [plain_console(), terminal_console()], ids=["plain", "terminal"])
def test_quiet_shows_nothing(console, clock):
    with ProgressDisplay({"relu:5": 5}, console, quiet=True) as display:
        clock.seconds = 100
        display.update("relu:5", 5, TRAIN, TEST, 1.0)
    assert console.file.getvalue() == ""


@pytest.mark.parametrize("left", [None, 0.0, 1e-9, 1e6])
@pytest.mark.parametrize(("total", "done", "band"), [(0, 0, NAN), (1, 0, NAN), (1, 1, TEST), (5, 5, NAN)])
def test_no_count_time_or_score_breaks_it(clock, total, done, band, left):
    for console in (plain_console(), terminal_console()):
        with ProgressDisplay({"relu:5": total}, console) as display:
            clock.seconds += 11
            display.update("relu:5", done, band, band, left)
        shown = console.file.getvalue()
        assert "nan" not in shown
        assert ("left" in shown) == (left is not None)


def test_markup_in_a_candidates_name_is_shown_as_it_is():
    console = terminal_console()
    with ProgressDisplay({"nets/[bold]x.py:Net": 5}, console):
        pass
    assert "nets/[bold]x.py:Net" in console.file.getvalue()


def test_r2_is_shown_as_a_plain_number_under_its_name():
    console = terminal_console()
    with ProgressDisplay({"relu:5": 500}, console, score_name="R2") as display:
        display.update("relu:5", 250, (0.5, 0.25, 0.75), (-0.1234, -1.5, 0.2), None)
    shown = console.file.getvalue()
    for words in ("train R2", "test R2", "0.500 (0.250 to 0.750)", "-0.123 (-1.500 to 0.200)"):
        assert words in shown
    assert "%" not in shown
