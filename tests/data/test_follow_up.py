"""The outcome of survival: events, times under observation, the horizon, and what is refused with
which advice."""

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.data.follow_up import longest_horizon
from seedbed.errors import ColumnError, OptionError, TargetError

from ..cases import with_texts

N = 100
OUTCOME = {"event": "died", "time": "days"}


def patients(**columns):
    """A hundred patients with times of 1 to 100 days; every second one dies; with other columns, if
    given."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        dict(
            age=rng.normal(60, 9, N), days=np.arange(1.0, N + 1), died=np.arange(N) % 2
        )
    )
    return frame.assign(**columns)


UNITS = [f"{n} {'days' if n < 50 else 'weeks'}" for n in range(1, N + 1)]


def dated(days=1, **columns):
    """Patients who come on a day each, and are observed for some days more than their number."""
    begins = pd.Series(
        pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N) * 3, unit="D")
    )
    ends = begins + pd.to_timedelta(np.arange(N) + days, unit="D")
    return patients(
        begin=begins.dt.strftime("%Y-%m-%d"),
        days=ends.dt.strftime("%Y-%m-%d"),
        **columns,
    )


def first(number, value, column="days"):
    """The cells of a column, the first ones replaced."""
    return [value] * number + patients()[column].tolist()[number:]


CODES = np.arange(N) % 2
DEAD = np.where(CODES, "dead", "alive")
REFUSED = {
    "no event": (patients(died=0), {}, TargetError),
    "negative": (patients(days=first(2, -1.0)), {}, TargetError),
    "many missing": (patients(days=first(21, None)), {}, TargetError),
    "three labels": (patients(died=np.arange(N) % 3), {}, TargetError),
    "no labels": (patients(died=None), {}, TargetError),
    "dates": (dated(), {}, ColumnError),
    "one date": (patients(begin=dated()["begin"]), {"start": "begin"}, ColumnError),
    "ends first": (dated(days=-2), {"start": "begin"}, TargetError),
    "units": (patients(days=UNITS), {}, ColumnError),
    "another target": (patients(), {"target": "age"}, OptionError),
    "a time split": (patients(), {"time_split": "age"}, OptionError),
    "no time": (patients(), {"time": None}, OptionError),
    "late": (patients(), {"horizon": 95.0}, OptionError),
    "early": (patients(), {"horizon": 1.5}, OptionError),
    "one time": (patients(days=7), {}, TargetError),
    "time and event": (patients(), {"time": "died"}, OptionError),
    "late entry": (patients(start=np.arange(N) / 2), {}, OptionError),
    "rows that go on": (patients(since=CODES * np.arange(N)), {}, OptionError),
}
REFUSED = with_texts(
    REFUSED,
    """
no event: event 'died' never occurs | nothing to predict
negative: negative in 2 rows, first in row 0 | Repair or rem
many missing: missing in 21 of 100 rows | drop_missing
three labels: ('0', '1', '2')? | positive="2"; the others
no labels: event 'died' is missing in 100 of 100 rows | Fill these
dates: 'days' contains dates, not numbers | start="COLUMN"
one date: one is dates | leave start out
ends first: negative in 2 rows | Repair or remove
units: 'days' contains text, not numbers | a number without a unit
another target: target another one | Leave target out
a time split: event and time_split can't | Leave time_split
no time: needs the time under observation | time="COLUMN"
late: 5 rows are under observation after | Give less than 91.
early: event is at 2, after the horizon of 1.5 | to a later time
one time: most rows have the same time 'days' | Name another column
time and event: both the event and a time under | has one role
late entry: seems to begin at 'start' | start="start"
rows that go on: to begin at 'since' | group="COLUMN"
""",
)


@pytest.mark.parametrize("case", REFUSED)
def test_an_unusable_outcome_is_refused_with_advice(case):
    frame, roles, kind, message, hint = REFUSED[case]
    with pytest.raises(kind) as caught:
        sb.read_table(frame, **{**OUTCOME, **roles})
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert hint in caught.value.hint


WORDS = {
    "numbers": (CODES, {}, ("0", "1")),
    "booleans": (CODES == 1, {}, ("False", "True")),
    "dead and alive": (DEAD, {}, ("alive", "dead")),
    "Dead and Censored": (
        np.where(CODES, "Dead", "Censored"),
        {},
        ("Censored", "Dead"),
    ),
    "1 and 2": (CODES + 1, {"positive": 2}, ("1", "2")),
    "0, 1 and 2": (
        2 * CODES + np.arange(N) % 4 // 2 * (1 - CODES),
        {"positive": 2},
        ("censored", "2"),
    ),
    "2 and 1": (2 - CODES, {"positive": "1"}, ("2", "1")),
}


@pytest.mark.parametrize("case", WORDS)
def test_words_or_the_user_say_which_rows_had_the_event(case):
    cells, roles, labels = WORDS[case]
    table = sb.read_table(patients(died=cells), **OUTCOME, **roles)
    assert (table.task, table.labels, table.target_name) == ("survival", labels, "died")
    assert table.target.tolist() == CODES.tolist()
    assert table.durations.tolist() == list(range(1, N + 1))
    assert table.feature_names == ("age",)
    assert table.follow_up.time == "days"
    assert table.follow_up.cuts == ()


def test_competing_events_are_censored_and_the_note_says_so():
    def said(died, **roles):
        return [*sb.read_table(patients(died=died), **OUTCOME, **roles).notes]

    causes = np.where(CODES, "heart", np.where(np.arange(N) % 4, "cancer", "censored"))
    (note,) = said(causes, positive="heart")
    finding = (
        "in 'died', only 'heart' is the event; rows with 'cancer' count as censored. If"
    )
    assert (note.code, note.message[: len(finding)]) == ("SB215", finding)
    assert (
        said(np.where(CODES, "dead", np.where(np.arange(N) % 4, "lost", "alive"))) == []
    )
    with pytest.raises(OptionError, match="no label 'hart'"):
        said(causes, positive="hart")


@pytest.mark.parametrize(
    ("cell", "roles"),
    [(1, {}), (True, {}), ("dead", {}), ("gone", {"positive": "gone"})],
)
def test_the_event_may_come_in_every_row(cell, roles):
    table = sb.read_table(patients(died=cell), **OUTCOME, **roles)
    assert table.labels == ("censored", str(cell))
    assert table.target.tolist() == [1] * N
    assert table.truth.shape == (N, 24)
    assert set(np.unique(table.truth)) == {-1, 1}  # no patient is censored


def test_rows_without_a_time_or_an_event_are_left_out_and_named():
    table = sb.read_table(patients(days=first(3, None)), **OUTCOME)
    assert table.n_rows == len(table.durations) == N - 3
    (note,) = table.notes
    assert note.code == "SB205"
    assert note.column == "days"
    assert note.message == "3 rows without a time, left out"
    for died in (first(4, None, "died"), [None] * 4 + [1] * 96):
        table = sb.read_table(patients(died=died), **OUTCOME)
        assert table.durations.tolist() == list(range(5, N + 1))
        assert [(note.code, note.count) for note in table.notes] == [("SB205", 4)]
    with pytest.raises(TargetError, match="missing in 30 of 100 rows"):
        sb.read_table(patients(died=[None] * 30 + [1] * 70), **OUTCOME)


def test_times_of_zero_are_noted_and_kept():
    table = sb.read_table(patients(days=first(3, 0.0)), **OUTCOME)
    assert table.n_rows == N
    assert table.durations[:4].tolist() == [0, 0, 0, 4]
    (note,) = table.notes
    assert note.message == "3 rows of time 0, counted in the first interval"
    assert note.count == 3


def as_numbers(frame, form):
    """The same with dates as numbers: by a format of dates, or as Unix times if it is empty."""
    dates = frame[["begin", "days"]].apply(pd.to_datetime)
    since = lambda day: (day - pd.Timestamp(0)) // pd.Timedelta("1ms")  # noqa: E731
    return frame.assign(
        **dates.apply(lambda day: day.dt.strftime(form) if form else since(day))
    )


@pytest.mark.parametrize("form", ["%Y%m%d", "%d%m%Y", ""])
def test_numbers_that_are_dates_give_the_days_between_them(form):
    table = sb.read_table(as_numbers(dated(), form), **OUTCOME, start="begin")
    assert table.durations.tolist() == list(range(1, N + 1))
    assert table.follow_up.words == f"day {table.follow_up.horizon:g}"
    read = [note.message for note in table.notes if "is read as dates" in note.message]
    result = [message.rpartition(" is ")[2] for message in read]
    assert result == ["2020-01-02", "2020-01-01"]
    with pytest.raises(
        ColumnError, match=r"'days' contains dates, not numbers \(.* is 2020-01-02\)"
    ) as caught:
        sb.read_table(as_numbers(dated(), form), **OUTCOME)
    assert "start=" in caught.value.hint


def test_two_dates_give_the_days_between_them():
    table = sb.read_table(dated(), **OUTCOME, start="begin")
    assert table.durations.tolist() == list(range(1, N + 1))
    assert table.feature_names == ("age",)
    numbers = sb.read_table(patients(begin=0.5), **OUTCOME, start="begin")
    assert numbers.durations.tolist() == [n + 0.5 for n in range(N)]
    gaps = dated().assign(begin=lambda rows: rows["begin"].where(rows.index > 4))
    assert sb.read_table(gaps, **OUTCOME, start="begin").durations.tolist() == list(
        range(6, N + 1)
    )


@pytest.mark.parametrize("scale", [1e-7, 0.37, 1, 365.25, 1e6])
def test_a_fifth_of_the_rows_is_observed_after_the_default_horizon(scale):
    rng = np.random.default_rng(1)
    for times in (rng.exponential(1, N), rng.integers(1, 9, N), np.arange(N) + 1.0):
        table = sb.read_table(patients(days=times * scale), **OUTCOME)
        horizon, ordered = table.follow_up.horizon, np.sort(table.durations)
        assert (ordered > horizon).mean() >= 0.2
        # of two digits
        assert horizon == pytest.approx(float(f"{horizon:.1e}"), rel=1e-12)
        later = ordered[ordered > horizon * (1 + 1e-9)][0]
        assert (ordered > later).mean() < 0.2 or later < horizon * 1.1
        assert table.follow_up.grid[[0, -1]].tolist() == pytest.approx(
            [horizon / 24, horizon]
        )


@pytest.mark.parametrize("n", [30, 100, 1_000])
def test_the_advised_limit_of_the_horizon_is_the_largest_allowed(n):
    rows = pd.DataFrame(
        dict(age=np.sin(np.arange(n)), days=np.arange(n) + 1.0, died=np.arange(n) % 2)
    )
    with pytest.raises(OptionError) as caught:
        sb.read_table(rows, **OUTCOME, horizon=float(n))
    limit = float(caught.value.hint.removeprefix("Give less than ").rstrip("."))
    assert limit == n - min(10, n / 10) + 1
    result = sb.read_table(rows, **OUTCOME, horizon=limit - 0.5).follow_up.horizon
    assert result == limit - 0.5
    with pytest.raises(OptionError):
        sb.read_table(rows, **OUTCOME, horizon=limit)


@pytest.mark.parametrize("origin", [2000, 1e7, 1e8])
def test_the_default_horizon_is_not_rounded_to_before_the_first_event(origin):
    days = origin + np.arange(N) / 8
    table = sb.read_table(patients(days=days), **OUTCOME)
    assert days[CODES == 1].min() <= table.follow_up.horizon < days[-1]
    assert np.count_nonzero(days > table.follow_up.horizon) >= N // 5


def test_ten_rows_or_a_tenth_of_few_are_under_observation_after_the_longest_horizon():
    times = np.arange(1.0, 201)
    assert longest_horizon(times, times < 50) == 190
    assert longest_horizon(times[:20], times[:20] < 5) == 18
    assert longest_horizon(times, times > 195) == 200  # all events are later
    assert longest_horizon(np.ones(5), np.ones(5, dtype=bool)) == 1
    # a horizon is positive
    assert longest_horizon(np.array([0.0] * 30 + [7.0]), np.ones(31, dtype=bool)) == 7
