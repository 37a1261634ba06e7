"""Features that may not be features: repeated identifiers, follow-up time, codes."""

import numpy as np
import pandas as pd
import pytest

from seedbed import read_table
from seedbed.errors import OptionError


def patients(n=150, name="id", *, repeats=2, seed=0):
    """Patients with several rows each: an outcome and a measurement of the patient, and noise of
    the row."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(rng.permutation(n), repeats)
    level, outcome = rng.normal(size=n), rng.integers(0, 2, n)
    noise = rng.normal(size=n * repeats)
    sex = np.where(rng.integers(0, 2, n) > 0, "f", "m")
    table = {
        name: patient,
        "level": level[patient] + 0.1 * noise,
        "sex": sex[patient],
        "noise": noise,
    }
    return pd.DataFrame({**table, "y": outcome[patient]}).sample(
        frac=1, random_state=seed
    )


def notes_of(frame, code, target="y", **roles):
    return [
        note
        for note in read_table(frame, target=target, **roles).notes
        if note.code == code
    ]


def test_patients_with_two_rows_each_are_the_first_warning_which_says_how_much_it_matters():
    first = read_table(patients(300), target="y").notes[0]
    assert (first.code, first.column, first.count) == ("SB210", "id", 300)
    assert first.message.startswith(
        "column 'id' looks like an identifier that repeats (300 values in 600 rows)"
    )
    low, high = (int(part.split()[-1]) for part in first.message.split(" %")[:2])
    assert 35 <= low <= 60
    assert high >= low + 10
    assert first.message.endswith('Keep its rows in one fold with group="id"')


def test_a_repeated_identifier_stays_a_feature_and_a_group_by_it_ends_the_warning():
    frame = patients().assign(person=lambda rows: rows.id)
    assert {"id", "person"} <= set(read_table(frame, target="y").feature_names)
    # rows of a person lie in one group
    assert notes_of(frame, "SB210", group="id") == []
    assert notes_of(frame, "SB210", drop=["id", "person"]) == []


@pytest.mark.parametrize(
    "name", "id|ID|Subject|patient|individual|case_id|Individual ID|eyeId".split("|")
)
def test_columns_named_like_identifiers_are_found_as_numbers_and_as_text(name):
    frame = patients(60, name).drop(columns=["level", "sex"])
    assert [note.column for note in notes_of(frame, "SB210")] == [name]
    assert [
        note.column
        for note in notes_of(
            frame.assign(**{name: "P" + frame[name].astype(str)}), "SB210"
        )
    ] == [name]


def test_a_column_is_recognised_by_its_values_if_the_rows_of_each_are_alike():
    assert [
        note.column for note in notes_of(patients(60, "tree", repeats=3), "SB210")
    ] == ["tree"]
    unlike = patients(60, "tree", repeats=3)
    unlike["tree"] = np.random.default_rng(1).permutation(unlike["tree"])
    assert notes_of(unlike, "SB210") == []
    assert notes_of(patients(60, "birth year", repeats=3), "SB210") == []


@pytest.mark.parametrize("cells", ["land {}", "{}"])
def test_units_of_a_panel_are_named_and_categories_with_the_same_effect_are_not(cells):
    rng = np.random.default_rng(5)
    effect = rng.normal(size=30)
    region = rng.choice(list("abc"), 30)
    noise = rng.normal(size=(2, 360))
    rows = pd.DataFrame(
        dict(
            unit=np.repeat(rng.permutation(30), 12),
            time=np.tile(np.arange(12), 30),
            x=noise[0],
        )
    )
    rows["region"], rows["y"] = (
        region[rows.unit],
        effect[rows.unit] + noise.sum(axis=0) / 2,
    )
    rows["unit"] = rows.unit.map(cells.format)
    (note,) = notes_of(rows.sample(frac=1, random_state=0), "SB210")
    assert note.message.startswith(
        "scores are too good if new rows have other values of 'unit' than these 30: shuffled "
    )
    assert note.message.endswith('. Keep its rows in one fold with group="unit"')
    assert (
        notes_of(
            rows.assign(
                region=rng.permutation(rows.region), time=rng.permutation(rows.time)
            ),
            "SB210",
        )
        == []
    )
    assert notes_of(rows, "SB210", group="unit") == []


def test_identifiers_of_many_rows_each_are_named_only_if_they_matter():
    rng = np.random.default_rng(6)
    shop, noise = np.repeat(np.arange(6), 2_500), rng.normal(size=(2, 15_000))
    frame = pd.DataFrame({"shop_id": shop, "x": noise[0], "y": noise[1]})
    assert notes_of(frame, "SB210") == []
    (note,) = notes_of(frame.assign(y=rng.permutation(6)[shop] + noise[1]), "SB210")
    assert note.message.startswith(
        "scores are too good if new rows have other values of 'shop_id' than these 6"
    )


def test_unique_identifiers_codes_and_quantities_raise_no_warning():
    rng = np.random.default_rng(2)
    n = 600
    education = np.repeat(np.arange(300), 2)
    frame = pd.DataFrame(
        dict(
            id=rng.permutation(n) * 7 + 1000,
            product_id=rng.integers(0, 50, n),
            postcode=rng.integers(10_000, 10_400, n),
            education=education,
            income=education + rng.normal(size=n),
            paid=rng.integers(0, 400, n),
            y=rng.integers(0, 2, n),
        )
    )
    assert notes_of(frame, "SB210") == []


def survival(time="time", status="status", *, informative=True):
    rng = np.random.default_rng(0)
    event = rng.integers(0, 2, 200)
    times = rng.exponential(100, 200) * np.where(event & informative, 0.4, 1.0)
    return pd.DataFrame(
        {"age": rng.normal(60, 9, 200).round(1), time: times.round(1), status: event}
    )


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ("time", "DEATH_EVENT"),
        ("futime", "death"),
        ("survtime", "event"),
        ("stop", "event"),
        ("week", "arrest"),
        ("days", "cens"),
        ("followup", "died"),
        ("os_time", "os_status"),
        ("Survival_in_days", "Status"),
        ("edrel", "rel"),
        ("srv", "srvstat"),
        ("T3", "D3"),
        ("dtime", "death"),
        ("rtime", "recur"),
        ("pgtime", "pgstat"),
        ("time.to.cmv", "cmv"),
        ("TimeToRecurrence", "Recurrence"),
    ],
)
def test_follow_up_time_is_named_with_the_options_of_survival(time, status):
    (note,) = notes_of(survival(time, status), "SB211", status)
    assert note.message == (
        f"{time} looks like follow-up time, part of the outcome '{status}': a censored row isn't a survivor. "
        f'Predict the time to the event with event="{status}", time="{time}"'
    )
    assert notes_of(survival(time, status), "SB211", status, drop=[time]) == []
    coded = survival(time, status).assign(
        **{status: lambda rows: rows[status].factorize()[0] + 1}
    )
    remedy = notes_of(coded, "SB211", status)[0].remedy
    assert remedy == {"event": (status,), "time": (time,), "positive": ("2",)}


def test_times_of_other_targets_or_without_a_pattern_raise_no_warning():
    assert notes_of(survival("time", "passed"), "SB211", "passed") == []
    assert (
        notes_of(survival("time", "status", informative=False), "SB211", "status") == []
    )
    assert notes_of(survival("diagnosis_time", "status"), "SB211", "status") == []
    assert notes_of(survival("weight", "death"), "SB211", "death") == []
    assert notes_of(survival("xy", "y").round({"xy": -1}), "SB211") == []


def test_times_of_other_events_and_whether_these_came_are_outcomes_in_survival():
    rng = np.random.default_rng(4)
    end, other, later = (rng.exponential(scale, 300).round(1) for scale in (80, 90, 60))
    came = later < end
    frame = pd.DataFrame(
        dict(died=rng.integers(0, 2, 300), futime=end, first=np.minimum(end, other))
    )
    frame["relapsed"], frame["like"] = (other < end).astype(int), rng.permutation(end)
    frame["second"] = np.where(came, later, np.nan)
    frame["where"] = np.where(came, rng.choice(["a", "b"], 300), None)
    frame["age"] = rng.integers(20, 90, 300)
    (note,) = notes_of(frame, "SB211", None, event="died", time="futime")
    assert note.message == (
        "first, relapsed, second and where look like part of an outcome, not known when observation begins. Leave them "
        'out with drop=["first", "relapsed", "second", "where"]'
    )
    assert (
        notes_of(
            frame[["died", "futime", "like", "age"]],
            "SB211",
            None,
            event="died",
            time="futime",
        )
        == []
    )


def two_events(seed=0, n=300):
    """Patients who may progress and then die, or be lost, as in survival's mgus2."""
    rng = np.random.default_rng(seed)
    progress = rng.exponential(150, n).round() + 1
    end = rng.exponential(80, n).round() + 1
    frame = pd.DataFrame(
        {"age": rng.normal(size=n), "ptime": np.minimum(progress, end)}
    )
    frame["pstat"], frame["futime"] = (progress <= end).astype(int), end
    return frame.assign(death=rng.random(n) < 0.3 + 0.7 * frame.pstat)


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("death", 'event="death", time="futime", drop=["ptime", "pstat"]'),
        ("pstat", 'event="pstat", time="ptime", drop=["futime", "death"]'),
    ],
)
def test_of_two_events_each_is_advised_with_its_own_time(target, advice):
    frame = two_events()
    (note,) = notes_of(frame, "SB211", target)
    assert note.message.endswith(advice)
    event, time, drop = (note.remedy[name] for name in ("event", "time", "drop"))
    assert notes_of(frame, "SB211", None, event=event[0], time=time[0], drop=drop) == []
    (again,) = notes_of(frame, "SB211", None, event=event[0], time=time[0])
    assert again.remedy == {"drop": drop}


def test_an_advised_survival_counts_from_the_start_of_each_row():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(60), 3)
    stop = rng.exponential(50, 180).round(1).reshape(60, 3).cumsum(axis=1)
    start = np.column_stack([np.zeros(60), stop[:, :2]])
    frame = pd.DataFrame(
        {"id": subject, "tstart": start.ravel(), "tstop": stop.ravel()}
    )
    frame["x"], frame["status"] = rng.normal(size=180), rng.integers(0, 2, 180)
    notes = [note for note in read_table(frame, target="status").notes if note.remedy]
    remedies = {name: value for note in notes for name, value in note.remedy.items()}
    assert remedies == dict(
        group=("id",), event=("status",), time=("tstop",), start=("tstart",)
    )
    options = {name: value[0] for name, value in remedies.items()}
    assert read_table(frame, **options).grouped_by == "id"
    for group, hint in (
        ({}, 'start="tstart". Keep several rows of a subject together: group="id".'),
        ({"group": "id"}, 'Count from there: start="tstart".'),
    ):
        with pytest.raises(OptionError) as caught:
            read_table(frame, event="status", time="tstop", **group)
        assert caught.value.hint.endswith(hint)


def test_dates_of_the_outcome_are_no_advice_for_a_split_by_time():
    days = pd.date_range("2001-01-01", periods=200)
    frame = survival("rectime", "censdead").assign(
        diagdate=days, deathdate=days + pd.Timedelta(days=100)
    )
    notes = read_table(frame, target="censdead").notes
    assert [note.column for note in notes if note.code == "SB204"] == ["diagdate"]
    (message,) = [note.message for note in notes if note.code == "SB211"]
    assert message.endswith('with event="censdead", time="rectime", drop="deathdate"')


def test_whole_numbers_that_may_be_codes_are_one_note_with_the_option():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        dict(
            race=rng.integers(1, 4, 600),
            state=rng.choice([1, 2, 5, 9, 12, 20, 33], 600),
        )
    )
    frame["hour"] = rng.integers(1, 25, 600)
    frame["visits"] = rng.integers(0, 4, 600)
    frame["age"] = 40.5
    frame.loc[::2, "age"], frame["y"] = 30, rng.integers(0, 2, 600)
    said = [
        note.message
        for note in read_table(frame, target="y").notes
        if "codes of categories" in note.message
    ]
    message = "few whole numbers, read as numbers: 'race', 'state'; if they are codes of categories, give "
    assert said == [message + 'categorical="race"']
    chosen = read_table(
        frame, target="y", categorical=["race"], numeric=["state"]
    ).notes
    assert not any("codes of categories" in note.message for note in chosen)


def test_categories_of_few_rows_each_are_noted():
    def notes(levels):
        places = [f"town {place % levels}" for place in range(150)]
        frame = pd.DataFrame(
            dict(place=places, x=range(150), y=[place % 7 % 2 for place in range(150)])
        )
        return [note.column for note in notes_of(frame, "SB213")]

    assert notes(30) == ["place"]
    assert notes(15) == []
    assert notes(10) == []  # 5, 10 and 15 rows each
