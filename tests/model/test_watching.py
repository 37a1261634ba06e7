"""`model.evaluate(watch=...)`: a ledger of looks, a verdict on all of them, and ledgers that don't
fit."""

import dataclasses
import json
import re

import numpy as np
import pytest

import seedbed as sb
from seedbed.errors import OptionError, TooFewRowsError, UnreadableError
from seedbed.evaluation.conclusion import against_promise, watch_promise
from seedbed.evaluation.estimates import wilson
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.summaries import Score
from seedbed.model.ledger import append_entry

from ..cases import with_texts
from .test_evaluating import CASES, fitted, frame_of

PROMISE = {"accuracy": (0.76, 0.7, 0.82)}


@pytest.fixture(scope="module")
def ill():
    return fitted({"target": "ill"}, PROMISE)


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "ledger.jsonl"


def looks_at(model, frame, ledger, size=50, **options):
    """The last of the evaluations of parts of a frame."""
    for start in range(0, len(frame), size):
        evaluation = model.evaluate(
            frame[start : start + size], watch=ledger, **options
        )
    return evaluation


def test_each_row_counts_once_however_it_is_ordered(ill, ledger):
    new = frame_of(200, seed=1)
    looks_at(ill, new, ledger)
    content = ledger.read_bytes()
    again = ill.evaluate(new.sample(frac=1, random_state=0), watch=ledger)
    watch = again.watch
    assert (watch.n_looks, watch.n_rows, watch.n_known) == (4, 200, 200)
    assert ledger.read_bytes() == content
    assert watch.found.mean == pytest.approx(ill.evaluate(new).found.mean)
    assert "200 rows in 4 looks" in " ".join(str(again).split())
    more = ill.evaluate(frame_of(260, seed=1)[150:], watch=ledger)
    assert more.watch.n_rows + more.watch.n_known == 200 + 110
    assert json.loads(json.dumps(more.to_dict()))["watch"]["n_looks"] == 5


@pytest.mark.parametrize("case", CASES)
def test_each_task_is_watched(case, ledger):
    roles, metric, promise, _ = CASES[case]
    model = fitted(roles, {metric: promise})
    evaluation = looks_at(model, frame_of(400, seed=1), ledger, size=200)
    assert evaluation.verdict == evaluation.watch.verdict == "as promised"
    # Of survival, each look has censoring weights of its own.
    whole = model.evaluate(frame_of(400, seed=1)).found
    assert evaluation.watch.found.mean == pytest.approx(whole.mean, rel=0.02)
    assert evaluation.watch.found.low < whole.low < whole.high
    assert whole.high < evaluation.watch.found.high


def test_a_change_is_seen_dated_and_stays(ill, ledger):
    good = frame_of(900, seed=1)
    before = looks_at(ill, good[:600], ledger)
    assert before.verdict == "as promised"
    assert "would not be seen yet" in str(before)
    exchanged = good[600:750].assign(ill=np.random.default_rng(0).permutation(150))
    exchanged["ill"] = np.where(exchanged["ill"] % 2, "yes", "no")
    changed = looks_at(ill, exchanged, ledger)
    assert changed.verdict == "worse than before"
    assert changed.is_below
    assert changed.watch.before > changed.watch.after + 0.1
    first = json.loads(ledger.read_text().splitlines()[1])["time"][:10]
    assert changed.watch.changed == first
    assert "first seen on" in str(changed)
    later = looks_at(ill, good[750:], ledger)
    assert later.verdict == "worse than before"


def test_a_promise_that_never_held_is_below(ill, ledger):
    new = frame_of(300, seed=1, noise=30.0)
    assert looks_at(ill, new, ledger).verdict == "below the promise"


def test_few_rows_have_no_verdict_yet(ill, ledger):
    evaluation = looks_at(ill, frame_of(20, seed=1), ledger, size=2)
    assert evaluation.verdict is None
    assert not evaluation.is_below
    assert "too few rows for a verdict" in str(evaluation)


def test_rows_of_one_patient_widen_the_interval(ill, tmp_path):
    new = frame_of(100, seed=1)
    visits = new.loc[new.index.repeat(4)].assign(patient=np.repeat(range(100), 4))
    visits["x"] += np.tile([0, 1e-9, 2e-9, 3e-9], 100)
    found = [
        looks_at(ill, visits, tmp_path / str(group), group=group).watch.found
        for group in ("patient", None)
    ]
    widths = [one.high - one.low for one in found]
    assert widths[0] > 1.6 * widths[1]


def test_a_column_tells_equal_rows_apart(ill, ledger):
    model = dataclasses.replace(ill, training_rows=None)
    new = frame_of(40, seed=1)
    for number in (0, 40):
        named = new.assign(name=[f"n{number + place}" for place in range(40)])
        watch = model.evaluate(named, watch=ledger, group="name").watch
    assert (watch.n_rows, watch.n_known) == (80, 0)


def test_a_watch_that_was_killed_before_its_first_look_goes_on(ill, ledger):
    new = frame_of(80, seed=1)
    looks_at(ill, new, ledger, size=80)
    copy = ledger.with_name("copy.jsonl")
    first = json.loads(ledger.read_text().splitlines()[0])
    append_entry(copy.parent, first, copy.name)
    assert looks_at(ill, new, copy, size=80).watch.n_rows == 80
    assert len(copy.read_text().splitlines()) == 3


def of_gate(ledger):
    append_entry(ledger.parent, {"kind": "new"}, ledger.name)


REFUSED = {
    "a table": (UnreadableError, lambda path, ill: path.write_text("x,y\n1,2\n"), {}),
    "damaged": (
        UnreadableError,
        lambda path, ill: path.write_bytes(
            re.sub(rb"1.0", b"0.0", path.read_bytes(), count=1)
        ),
        {},
    ),
    "of a gate": (
        OptionError,
        lambda path, ill: (path.unlink(), of_gate(path)),
        {},
    ),
    "another model": (
        OptionError,
        lambda path, ill: (
            path.unlink(),
            fitted({"target": "ill"}, PROMISE, n=150).evaluate(
                frame_of(50, seed=2), watch=path
            ),
        ),
        {},
    ),
    "another group": (OptionError, lambda path, ill: None, {"group": "town"}),
    "by": (OptionError, lambda path, ill: None, {"by": "town"}),
    "a folder": (
        OptionError,
        lambda path, ill: (path.unlink(), path.mkdir()),
        {},
    ),
    "training rows alone": (TooFewRowsError, lambda path, ill: None, {}),
}
REFUSED = with_texts(
    REFUSED,
    """
a table: ledger.jsonl is damaged: lines were changed or removed
damaged: ledger.jsonl is damaged: lines were changed or removed
of a gate: ledger.jsonl is the ledger of a gate
another model: ledger.jsonl is the ledger of another model
another group: ledger.jsonl is the ledger of another column of groups
by: by judges these rows alone, and watch all looks
a folder: can't write the ledger to
training rows alone: 0 new rows
""",
)


@pytest.mark.parametrize("case", REFUSED)
def test_a_ledger_that_doesnt_fit_is_refused_and_stays(ill, ledger, case):
    error, change, options, message = REFUSED[case]
    looks_at(ill, frame_of(100, seed=1), ledger)
    change(ledger, ill)
    content = ledger.read_bytes() if ledger.is_file() else None
    rows = frame_of(200) if case == "training rows alone" else frame_of(60, seed=9)
    with pytest.raises(error, match=re.escape(message)):
        ill.evaluate(rows, watch=ledger, **options)
    assert (ledger.read_bytes() if ledger.is_file() else None) == content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": None}, "there is no promise to watch"),
        ({"training_rows": None}, "rows of earlier looks can't be recognised"),
    ],
)
def test_a_model_that_cant_be_watched_says_why(ill, ledger, change, message):
    with pytest.raises(OptionError, match=message):
        dataclasses.replace(ill, **change).evaluate(frame_of(50, seed=1), watch=ledger)
    assert not ledger.exists()


def test_a_saved_model_has_the_same_ledger(ill, ledger, tmp_path):
    new = frame_of(100, seed=1)
    looks_at(ill, new[:50], ledger)
    loaded = sb.load(ill.save(tmp_path / "ill.safetensors"))
    assert looks_at(loaded, new[50:], ledger).watch.n_looks == 2


def days_of_alarms(shares, *, error, draws, a_day):
    """The first day with a verdict other than as promised, by the watch and by a test each day that
    doesn't know of the others; of values with the share of each day."""
    metric = METRICS["accuracy"]
    days = np.repeat(np.arange(len(shares)), a_day)
    alarms = []
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        values = (rng.random(len(days)) < shares[days]).astype(float)
        mean = shares[0] + rng.normal(0, error)
        promised = Score(mean, mean - 1.96 * error, mean + 1.96 * error)
        first = [np.inf, np.inf]
        for day in range(1, len(shares) + 1):
            n = day * a_day
            watch = watch_promise(values[:n], days[:n], promised, metric)
            share = values[:n].mean()
            found = Score(share, *wilson(values[:n].sum(), n))
            alone = against_promise(promised, found, metric)[1]
            for place, verdict in enumerate((watch.verdict, alone)):
                if verdict not in (None, "as promised"):
                    first[place] = min(first[place], day)
        alarms.append(first)
    return np.array(alarms)


def test_looking_each_day_raises_no_more_false_alarms_than_promised():
    alarms = np.isfinite(
        days_of_alarms(np.full(150, 0.8), error=0.01, draws=60, a_day=10)
    )
    assert alarms[:, 0].sum() <= 6  # 3 are expected at most
    assert alarms[:, 1].sum() >= 12


def test_a_drop_is_seen_although_many_looks_came_before():
    shares = np.where(np.arange(150) < 60, 0.8, 0.7)
    alarms = days_of_alarms(shares, error=0.03, draws=10, a_day=50)[:, 0]
    assert ((alarms > 60) & (alarms < 90)).sum() >= 8
