"""Live progress: a table on a terminal, plain lines elsewhere, nothing with quiet."""

import io
import math
import re
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from seedbed.report import Progress, ProgressDisplay
from seedbed.report.progress import _line

NAN = (math.nan,) * 3
TRAIN, TEST = (0.9, 0.85, 0.95), (0.8, 0.75, 0.85)
WAITING = Progress("linear:5", 0, 1500, NAN, NAN, 61.4, None, 1000)
TRAINING = Progress("relu:5", 1250, 1500, TRAIN, TEST, 61.4, 640, 1000)
BASELINE = Progress("prior", 30, 100, NAN, NAN, 61.4)


@pytest.fixture
def fast(monkeypatch):
    """Print plain lines every tenth of a second."""
    monkeypatch.setattr("seedbed.report.progress._PLAIN_EVERY", 0.1)
    monkeypatch.setattr("seedbed.report.progress._LOOKS_EVERY", 0.02)


def plain_console():
    return Console(file=io.StringIO(), force_terminal=False, width=100)


def terminal_console(width=100):
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, no_color=True, legacy_windows=False, _environ={}
    )


def drawn(*state, width=100, **options):
    """What a terminal shows for a state, line by line, without control codes."""
    console = terminal_console(width)
    with ProgressDisplay(lambda: state, console, **options):
        pass
    first = re.split(r"\r|\x1b\[2K", console.file.getvalue())[0]  # the second drawing erases it
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", first).splitlines()]


def wait_until(condition):
    """Wait until a condition holds, at most half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def printed(*state, lines=1, console=None):
    """The plain lines that are printed until there are so many; on a slow machine one or two more."""
    console = console or plain_console()
    with ProgressDisplay(lambda: state, console):
        wait_until(lambda: console.file.getvalue().count("\n") >= lines)
    return console.file.getvalue().splitlines()


def test_a_table_shows_networks_epoch_and_scores_of_every_candidate():
    assert drawn(WAITING, TRAINING, BASELINE) == [
        "candidate        networks           epoch   train    test",
        "linear:5       0 of 1,500               -       -       -",
        "relu:5     1,250 of 1,500    640 of 1,000   90.0%   80.0%",
        "prior           30 of 100               -       -       -",
        "about 61 s left",
    ]


def test_the_table_follows_changes_of_the_state():
    console, at = terminal_console(), SimpleNamespace(epoch=0)
    with ProgressDisplay(lambda: [Progress("relu:5", 0, 5, NAN, NAN, None, at.epoch, 900)], console):
        for at.epoch in (100, 200, 300):
            wait_until(lambda: f"{at.epoch} of 900" in console.file.getvalue())
    assert "0 of 900" in console.file.getvalue()


def test_the_table_is_drawn_at_most_five_times_a_second():
    times = [time.monotonic()]
    with ProgressDisplay(lambda: times.append(time.monotonic()) or [TRAINING], terminal_console()):
        wait_until(lambda: len(times) > 4)
    assert len(times) - 1 <= 5 * (time.monotonic() - times[0]) + 2  # the first and the last drawing are extra


def test_without_a_terminal_plain_lines_are_printed_at_intervals(fast):
    assert set(printed(WAITING, TRAINING, BASELINE)) == {
        "1,250 of 3,000 networks; relu:5 1,250/1,500, epoch 640 of 1,000; about 61 s left"
    }
    started = time.monotonic()
    assert len(printed(TRAINING, lines=3)) <= 10 * (time.monotonic() - started)


def test_a_plain_line_names_three_active_candidates_and_is_not_wrapped(fast):
    state = [Progress(f"relu:{'5,' * n}5", 1, 9, NAN, NAN, None, 3, 7, "choosing") for n in range(10, 20)]
    (line,) = set(printed(*state))
    assert line.startswith("choosing learning rate and epochs: 10 of 90 networks; relu:5,5")
    assert line.endswith("5 1/9, epoch 3 of 7; 7 more")


def test_a_short_run_prints_no_plain_line(monkeypatch):
    monkeypatch.setattr("seedbed.report.progress._LOOKS_EVERY", 0.01)
    console, looks = plain_console(), []
    with ProgressDisplay(lambda: looks.append(1) or [TRAINING], console):
        wait_until(lambda: len(looks) > 3)
    assert console.file.getvalue() == ""


def test_nothing_is_printed_after_the_end(fast):
    console, before = plain_console(), threading.active_count()
    with ProgressDisplay(lambda: [TRAINING], console):
        wait_until(console.file.getvalue)
    shown = console.file.getvalue()
    assert threading.active_count() == before
    time.sleep(0.2)
    assert console.file.getvalue() == shown != ""


def test_the_table_is_erased_at_the_end_even_after_an_interrupt():
    console = terminal_console()
    with pytest.raises(KeyboardInterrupt), ProgressDisplay(lambda: [TRAINING], console):
        raise KeyboardInterrupt
    assert console.file.getvalue().endswith("\x1b[2K")  # the last line drawn is erased
    assert "\x1b[?25h" in console.file.getvalue()  # and the cursor is visible again


@pytest.mark.parametrize("console", [plain_console(), terminal_console()], ids=["plain", "terminal"])
def test_quiet_shows_nothing(console, fast):
    with ProgressDisplay(lambda: [TRAINING], console, quiet=True):
        time.sleep(0.15)
    assert console.file.getvalue() == ""


def test_a_dumb_terminal_gets_plain_lines(fast):
    console = Console(file=io.StringIO(), force_terminal=True, width=80, _environ={"TERM": "dumb"})
    assert printed(TRAINING, console=console)[0].startswith("1,250 of 1,500 networks; relu:5")


@given(
    st.sampled_from([(0, 0, NAN), (1, 0, NAN), (1, 1, TEST), (5, 5, None)]),
    st.sampled_from([None, 0.0, 1e-9, 1e6]),
    st.sampled_from([(None, None), (None, 1), (0, 1), (7, 7)]),
)
def test_the_table_handles_every_count_time_and_score(counts, left, epochs):
    total, done, band = counts
    shown = "\n".join(drawn(Progress("relu:5", done, total, band, band, left, *epochs)))
    assert "nan" not in shown
    assert ("left" in shown) == (left is not None)
    assert ("train" in shown) == (band is not None)


def test_a_plain_line_counts_the_networks_of_the_stage_as_the_plan_does(fast):
    state = [Progress(name, 40, 80, NAN, NAN, None, None, 7, "fitting", 10, 20) for name in ("relu:5", "tanh:5")]
    line = printed(*state)[-1]
    assert line == "training the networks that are compared: 20 of 40 networks"


def test_the_round_is_named_if_there_are_two():
    for stage, words in (
        ("choosing", "choosing learning rate and epochs"),
        ("fitting", "training the networks that are compared"),
        ("", ""),
    ):
        state = Progress("relu:5", 1, 9, NAN, NAN, 125.0, 3, 7, stage)
        assert drawn(state)[-1] == "; ".join(filter(None, [words, "about 2 min left"]))


def test_a_candidate_with_all_networks_trained_is_done():
    assert drawn(Progress("relu:5", 9, 9, TRAIN, TEST, 5.0, 7, 7))[1].split()[:5] == ["relu:5", "9", "of", "9", "done"]


def test_thirteen_long_names_fit_eighty_columns_one_line_each():
    names = [f"relu:{number:02}@" + 40 * "x" for number in range(13)]
    state = [Progress(name, 1250, 1500, TRAIN, TEST, 61.4, 640, 1000) for name in names]
    lines = drawn(*state, width=80)
    assert len(lines) == 15
    assert all(len(line) <= 80 for line in lines)
    for number, line in enumerate(lines[1:-1]):
        assert line.startswith(f"relu:{number:02}@xxxxxxxx")
        assert line.endswith("…  1,250 of 1,500    640 of 1,000   90.0%   80.0%")


def test_columns_do_not_move_while_numbers_grow():
    early, late = (drawn(Progress("relu:5", done, 1500, band, band, None, epoch, 1000))[0]
                   for done, band, epoch in ((0, NAN, 0), (1499, (1.0, 1.0, 1.0), 1000)))  # fmt: skip
    assert early == late


def test_markup_in_the_name_of_a_candidate_is_shown_unchanged():
    assert drawn(Progress("nets/[bold]x.py:Net", 0, 5))[1].startswith("nets/[bold]x.py:Net")


def test_r2_is_shown_as_a_plain_number_under_its_name():
    lines = drawn(Progress("relu:5", 250, 500, (0.5, 0.25, 0.75), (-0.1234, -1.5, 0.2)), score_name="R2")
    for words in ("train R2", "test R2", "0.500", "-0.123"):
        assert words in "\n".join(lines)
    assert "%" not in "\n".join(lines)


@pytest.mark.parametrize(("one", "words"), [
    (Progress("relu:5", 0, 1, epochs=9), "0 of 1 network"), (Progress("relu:5", 1, 2, epochs=9), "1 of 2 networks"),
    (Progress("prior", 0, 1), "0 of 1 fit"), (Progress("prior", 0, 2), "0 of 2 fits"),
])  # fmt: skip
def test_one_network_or_fit_is_counted_in_the_singular(one, words):
    assert _line([one]) == words
