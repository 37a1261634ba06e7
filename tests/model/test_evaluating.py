"""`model.evaluate`: promise and finding for each task, parts, another model, and rows that can't be
judged."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.errors import ColumnError, OptionError, TooFewRowsError

from ..cases import with_texts


def frame_of(n, seed=0, noise=1.0):
    """Rows of two columns that decide a label, several labels, a number, and the time to an
    event."""
    rng = np.random.default_rng(seed)
    x, town = rng.normal(size=n), rng.choice(["Bonn", "Rome"], n)
    amount = x + (town == "Rome") + rng.normal(0, noise, n)
    frame = pd.DataFrame(
        dict(x=x, town=town, amount=amount, ill=np.where(amount > 0.5, "yes", "no"))
    )
    frame["grade"] = np.select([amount < 0, amount < 1], ["a", "b"], "c")
    frame["days"] = rng.exponential(np.exp(-x)).round(4) + 0.01
    frame["died"] = rng.integers(0, 2, n)
    return frame


def fitted(roles, promised, n=200):
    """A model of 200 rows with a promise."""
    outcomes = {"amount", "ill", "grade", "days", "died"} - set(roles.values())
    table = sb.read_table(frame_of(n).drop(columns=list(outcomes)), **roles)
    model = sb.fit_model(
        table,
        "logistic"
        if "target" not in roles or roles["target"] != "amount"
        else "linear",
    )
    scores = [
        {"name": name, "words": name, "mean": m, "low": low, "high": high}
        for name, (m, low, high) in promised.items()
    ]
    return dataclasses.replace(
        model, score={"of": "a test", "alpha": 0.05, "scores": scores, "chosen": None}
    )


@pytest.fixture(scope="module")
def ill():
    return fitted({"target": "ill"}, {"accuracy": (0.76, 0.7, 0.82)})


CASES = {
    "two classes": (
        {"target": "ill"},
        "accuracy",
        (0.76, 0.7, 0.82),
        "% of new rows right (",
    ),
    "several classes": (
        {"target": "grade"},
        "accuracy",
        (0.55, 0.48, 0.62),
        "% of new rows right (",
    ),
    "numbers": ({"target": "amount"}, "mae", (0.8, 0.7, 0.9), "off by 0."),
    "survival": (
        {"event": "died", "time": "days"},
        "integrated_brier",
        (0.17, 0.14, 0.2),
        "Brier score 0.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_task_is_as_promised_on_new_rows_and_apart_from_a_wrong_promise(case):
    roles, metric, promise, words = CASES[case]
    new = frame_of(400, seed=1)
    evaluation = fitted(roles, {metric: promise}).evaluate(new)
    assert evaluation.metric == metric
    assert evaluation.verdict == "as promised"
    assert evaluation.n_training_rows == 0
    assert words in str(evaluation)
    too_much = dict(
        zip(("accuracy", "mae", "integrated_brier"), (0.99, 0.01, 0.001), strict=True)
    )[metric]
    below = fitted(
        roles, {metric: (too_much, too_much - 1e-4, too_much + 1e-4)}
    ).evaluate(new)
    assert (below.is_below, below.verdict) == (True, "below the promise")
    result = json.loads(json.dumps(below.to_dict(), allow_nan=False))["found"]["mean"]
    assert result == below.found.mean


def test_training_rows_among_new_ones_are_left_out_and_counted(ill):
    rows = pd.concat([frame_of(200)[:50], frame_of(100, seed=3)]).sample(
        frac=1, random_state=0
    )
    evaluation, alone = ill.evaluate(rows), ill.evaluate(frame_of(100, seed=3))
    assert (evaluation.n_training_rows, evaluation.conclusion.n_rows) == (50, 100)
    assert "50 rows left out: the model was trained on them" in str(evaluation)
    assert (
        dataclasses.replace(ill, training_rows=None)
        .evaluate(rows, against=ill)
        .conclusion.n_rows
        == 100
    )
    assert evaluation.found.mean == pytest.approx(alone.found.mean)


def test_training_rows_saved_with_fewer_digits_are_known_again_and_unreadable_ones_noted():
    old, new = (
        frame_of(200, seed).assign(z=np.random.default_rng(seed + 9).normal(size=200))
        for seed in (0, 3)
    )
    table = sb.read_table(
        old.drop(columns=["amount", "grade", "days", "died"]), target="ill"
    )
    model = sb.fit_model(table, "logistic")
    for again in (old.assign(x=old["x"].astype("float32")), old.round(4)):
        evaluation = model.evaluate(pd.concat([again, new]))
        assert evaluation.n_training_rows > 190
        assert evaluation.conclusion.n_rows == 400 - evaluation.n_training_rows
    commas = old.assign(x=[str(x).replace(".", ",") for x in old["x"]])
    notes = " ".join(model.evaluate(commas).notes)
    assert "SB305: 'x': all 200 cells not a number" in notes
    assert "may have been trained on 200 rows with such cells" in notes


@pytest.mark.parametrize("case", ["two classes", "several classes"])
def test_rows_without_outcome_are_left_out_and_labels_that_are_new_count_as_wrong(case):
    roles, metric, promise, _ = CASES[case]
    target, model = roles["target"], fitted(roles, {metric: promise})
    new = frame_of(100, seed=4)
    new.loc[:2, target], new.loc[3:7, target] = None, "perhaps"
    evaluation, known = model.evaluate(new), model.evaluate(new[8:])
    assert evaluation.conclusion.n_rows == 97
    assert evaluation.found.mean == pytest.approx(known.found.mean * 92 / 97)
    assert f"3 rows left out: {target} is missing" in evaluation.notes
    assert "counted as wrong: 5 rows with a label" in evaluation.notes[1]
    assert sum(evaluation.conclusion.labels.values()) == 92


@pytest.mark.parametrize("case", [case for case in CASES if case != "survival"])
def test_rows_of_one_outcome_have_the_scores_that_need_no_other(case):
    roles, metric, promise, _ = CASES[case]
    new = frame_of(60, seed=5)
    new[roles["target"]] = new[roles["target"]].iloc[0]
    model = fitted(roles, {metric: promise})
    evaluation = model.evaluate(new, against=model)
    scores = evaluation.conclusion.candidates[0].scores
    assert {
        scores[name].mean for name in ("roc_auc", "r2", "brier_skill") if name in scores
    } <= {None}
    assert evaluation.two_classes is None or evaluation.two_classes.slope is None
    assert (evaluation.verdict is None, evaluation.conclusion.verdicts) == (False, ())


def test_a_model_without_a_promise_shows_what_it_found_and_no_verdict(ill):
    evaluation = dataclasses.replace(ill, score=None, training_rows=None).evaluate(
        frame_of(100, seed=6)
    )
    assert evaluation.verdict is None
    assert evaluation.promised is None
    assert evaluation.n_training_rows is None
    assert "nothing: no comparison measured this model" in str(evaluation)
    assert (
        "it isn't known whether the model was trained on some of these rows"
        in evaluation.notes
    )


@pytest.mark.parametrize(
    ("n", "copies", "options", "what"),
    [
        (9, 1, {}, "rows"),
        (9, 5, {}, "rows"),
        (120, 1, {"group": "doctor", "by": "doctor"}, "groups"),
    ],
)
def test_few_rows_or_groups_get_no_verdict(ill, n, copies, options, what):
    new = frame_of(n, seed=6).assign(doctor=np.arange(n) % 9)
    evaluation = ill.evaluate(pd.concat([new] * copies), **options)
    parts = {part.verdict for part in evaluation.parts}
    assert {
        evaluation.verdict,
        evaluation.difference,
        evaluation.two_classes,
        *parts,
    } == {None}
    assert f"no verdict on fewer than 10 {what}" in evaluation.notes
    assert "useful" not in str(evaluation)


def test_competing_risks_are_said_on_the_first_screen_by_the_model_and_of_new_rows():
    rows = frame_of(150).drop(columns=["amount", "ill", "grade"])
    rows.loc[::5, "died"] = 2
    table = sb.read_table(rows, event="died", time="days", positive="1")
    comparison = sb.compare(table, candidates=["logistic"], quick=True)
    model = comparison.model("logistic")
    rivals = "only '1' is the event; rows with '2' count as censored"
    for text in (comparison, model, model.evaluate(rows.assign(x=rows["x"] + 0.5))):
        assert rivals in " ".join(str(text).split())
    assert model.warnings[0].startswith("SB215: ")


def test_rows_that_all_end_before_the_horizon_have_no_verdict():
    new = frame_of(400, seed=1)
    model = fitted(*CASES["survival"][:1], {"integrated_brier": (0.17, 0.14, 0.2)})
    early = model.evaluate(new[new["days"] < model.follow_up.horizon])
    assert early.verdict is None
    assert "no verdict: 0 rows, and not 10, go on after" in early.notes[-1]


def test_the_least_drop_that_would_be_seen_is_between_the_verdicts(ill):
    new = frame_of(400, seed=1)
    found = ill.evaluate(new).found.mean
    words = str(ill.evaluate(new)).partition("(a drop below ")[2]
    drop = float(words.partition(" points")[0]) / 100
    verdicts = []
    for promise in (found + drop - 0.006, found + drop + 0.006):
        range_of = (promise, promise - 0.06, promise + 0.06)
        verdicts.append(
            fitted({"target": "ill"}, {"accuracy": range_of}).evaluate(new).verdict
        )
    assert verdicts == ["as promised", "below the promise"]


@pytest.mark.parametrize("group", ["patient", None])
def test_copies_of_rows_dont_narrow_the_interval(ill, group):
    new = frame_of(150, seed=6).assign(patient=np.arange(150))
    once, copied = ill.evaluate(new), ill.evaluate(pd.concat([new] * 4), group=group)
    assert copied.found.high - copied.found.low == pytest.approx(
        once.found.high - once.found.low, rel=0.05
    )
    assert copied.difference.half == pytest.approx(once.difference.half, rel=0.05)


def test_each_part_has_its_verdict_and_small_ones_have_none(ill):
    new = frame_of(400, seed=7)
    new["hospital"] = np.where(np.arange(400) < 200, "B", "A")
    new["age"] = np.arange(400)
    new.loc[new["hospital"] == "B", "ill"] = np.random.default_rng(0).permutation(
        new["ill"][:200]
    )
    new.loc[395:, "hospital"] = "C"
    evaluation = ill.evaluate(new, by="hospital")
    result = [(part.value, part.n_rows) for part in evaluation.parts]
    assert result == [("A", 195), ("B", 200), ("C", 5)]
    result = [part.verdict for part in evaluation.parts]
    assert result == ["as promised", "below the promise", None]
    assert "C, 5 rows: too few for a verdict" in str(evaluation)
    result = [part.value for part in ill.evaluate(new, by="age").parts][::3]
    assert result == ["under 100", "300 or more"]


def test_another_model_on_the_same_rows_gets_the_paired_verdict(ill):
    table = frame_of(200)[["x", "town", "ill"]].assign(x=0.0)
    table.loc[0, "x"] = 1.0
    blind = sb.fit_model(sb.read_table(table, target="ill"), "logistic")
    new = frame_of(400, seed=8)
    pair = [
        one.evaluate(new, against=other) for one, other in ((ill, blind), (blind, ill))
    ]
    assert [one.conclusion.verdicts[0].short for one in pair] == ["better", "worse"]
    assert "against     the other logistic, " in str(pair[0])


def test_the_page_has_the_verdict_all_scores_and_chart_of_calibration(ill, tmp_path):
    evaluation = ill.evaluate(
        frame_of(200, seed=9), by="town", against=fitted({"target": "ill"}, {}, n=100)
    )
    page = evaluation.report(tmp_path / "page.html").read_text()
    assert "<h1>As promised</h1>" in page
    assert page.count('<th scope="row">') > len(
        evaluation.conclusion.candidates[0].scores
    )
    assert 'data-chart="calibration"' in page
    assert "as promised" in evaluation._repr_html_()


UNJUDGED = {
    "no outcome": (ColumnError, lambda new: new.drop(columns="ill"), {}),
    "no rows": (TooFewRowsError, lambda new: new[:0], {}),
    "a new label": (TooFewRowsError, lambda new: new.assign(ill="maybe"), {}),
    "one row": (TooFewRowsError, lambda new: new[:1], {}),
    "training rows": (TooFewRowsError, lambda new: frame_of(200), {}),
    "one group": (
        TooFewRowsError,
        lambda new: new.assign(doctor=1),
        {"group": "doctor"},
    ),
    "copies": (TooFewRowsError, lambda new: new[:1].loc[[0] * 50], {}),
    "no part": (ColumnError, lambda new: new, {"by": "place"}),
    "no group": (ColumnError, lambda new: new, {"group": "place"}),
    "the target": (OptionError, lambda new: new, {"by": "ill"}),
    "parts of a row": (
        OptionError,
        lambda new: new.assign(at=[f"n{x}" for x in range(60)]),
        {"by": "at"},
    ),
    "threshold": (OptionError, lambda new: new, {"threshold": 2}),
    "a text": (OptionError, lambda new: new, {"threshold": "x"}),
    "a number": (OptionError, lambda new: new, {"by": 3}),
    "a list": (OptionError, lambda new: new, {"group": ["x"]}),
    "a path": (OptionError, lambda new: new, {"against": "m.safetensors"}),
}
UNJUDGED = with_texts(
    UNJUDGED,
    """
no outcome: no column 'ill', which says what happened
no rows: has no rows
a new label: 0 new rows with a known ill that is no or yes
one row: 1 new row with a known ill that is no or yes
training rows: 0 new rows with a known ill
one group: 1 new group with a known ill
copies: 49 rows equal another one
no part: no column 'place'
no group: no column 'place'
the target: the column of subgroups, ill, is the target
parts of a row: 'at' has no subgroups
threshold: threshold is 2
a text: threshold is 'x'. It must be a number
a number: by is 3. It must be a text
a list: group is ['x']. It must be a text
a path: against is 'm.safetensors'. It must be a Model
""",
)


@pytest.mark.parametrize("case", UNJUDGED)
def test_rows_that_cant_be_judged_are_refused(ill, case):
    error, change, options, message = UNJUDGED[case]
    with pytest.raises(error, match=re.escape(message)):
        ill.evaluate(change(frame_of(60, seed=9)), **options)


def test_a_model_of_another_target_isnt_compared(ill):
    for other in (
        fitted({"target": "grade"}, {}),
        fitted({"event": "died", "time": "days"}, {}),
    ):
        message = r"the other model predicts (grade|died until .*) \(.*and this one ill"
        with pytest.raises(OptionError, match=message):
            ill.evaluate(frame_of(50), against=other)
