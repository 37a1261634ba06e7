"""`model.evaluate`: promise and finding for each task, parts, another model, and rows that can't be
judged."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.errors import ColumnError, OptionError, TargetError


def frame_of(n, seed=0, noise=1.0):
    """Rows of two columns that decide a label, several labels, a number, and the time to an
    event."""
    rng = np.random.default_rng(seed)
    x, town = rng.normal(size=n), rng.choice(["Bonn", "Rome"], n)
    amount = x + (town == "Rome") + rng.normal(0, noise, n)
    frame = pd.DataFrame(
        {"x": x, "town": town, "amount": amount, "ill": np.where(amount > 0.5, "yes", "no")}
    )
    frame["grade"] = np.select([amount < 0, amount < 1], ["a", "b"], "c")
    frame["days"], frame["died"] = (
        rng.exponential(np.exp(-x)).round(4) + 0.01,
        rng.integers(0, 2, n),
    )
    return frame


def fitted(roles, promised, n=200):
    """A model of 200 rows with a promise."""
    outcomes = {"amount", "ill", "grade", "days", "died"} - set(roles.values())
    table = sb.read_table(frame_of(n).drop(columns=list(outcomes)), **roles)
    model = sb.fit_model(
        table, "logistic" if "target" not in roles or roles["target"] != "amount" else "linear"
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
    "two classes": ({"target": "ill"}, "accuracy", (0.76, 0.7, 0.82), "% of new rows right ("),
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
    assert (evaluation.metric, evaluation.verdict, evaluation.n_training_rows) == (
        metric,
        "as promised",
        0,
    )
    assert words in str(evaluation)
    too_much = dict(zip(("accuracy", "mae", "integrated_brier"), (0.99, 0.01, 0.001), strict=True))[
        metric
    ]
    below = fitted(roles, {metric: (too_much, too_much - 1e-4, too_much + 1e-4)}).evaluate(new)
    assert (below.is_below, below.verdict) == (True, "below the promise")
    assert (
        json.loads(json.dumps(below.to_dict(), allow_nan=False))["found"]["mean"]
        == below.found.mean
    )


def test_training_rows_among_new_ones_are_left_out_and_counted(ill):
    rows = pd.concat([frame_of(200)[:50], frame_of(100, seed=3)]).sample(frac=1, random_state=0)
    evaluation, alone = ill.evaluate(rows), ill.evaluate(frame_of(100, seed=3))
    assert (evaluation.n_training_rows, evaluation.conclusion.n_rows) == (50, 100)
    assert "50 rows left out: the model was trained on them" in str(evaluation)
    assert (
        dataclasses.replace(ill, training_rows=None).evaluate(rows, against=ill).conclusion.n_rows
        == 100
    )
    assert evaluation.found.mean == pytest.approx(alone.found.mean)


def test_rows_without_an_outcome_and_with_new_labels_are_left_out_and_named(ill):
    new = frame_of(100, seed=4)
    new.loc[:2, "ill"], new.loc[3:7, "ill"] = None, "perhaps"
    evaluation = ill.evaluate(new)
    assert evaluation.conclusion.n_rows == 92
    assert "8 rows left out: ill is missing, or unknown to the model (perhaps)" in evaluation.notes


@pytest.mark.parametrize("case", [case for case in CASES if case != "survival"])
def test_rows_of_one_outcome_have_the_scores_that_need_no_other(case):
    roles, metric, promise, _ = CASES[case]
    new = frame_of(60, seed=5)
    new[roles["target"]] = new[roles["target"]].iloc[0]
    model = fitted(roles, {metric: promise})
    evaluation = model.evaluate(new, against=model)
    scores = evaluation.conclusion.candidates[0].scores
    assert {scores[name].mean for name in ("roc_auc", "r2", "brier_skill") if name in scores} <= {
        None
    }
    assert evaluation.two_classes is None or evaluation.two_classes.slope is None
    assert (evaluation.verdict is None, evaluation.conclusion.verdicts) == (False, ())


def test_a_model_without_a_promise_shows_what_it_found_and_no_verdict(ill):
    evaluation = dataclasses.replace(ill, score=None, training_rows=None).evaluate(
        frame_of(100, seed=6)
    )
    assert (evaluation.verdict, evaluation.promised, evaluation.n_training_rows) == (
        None,
        None,
        None,
    )
    assert "nothing: no comparison measured this model" in str(evaluation)
    assert "it isn't known whether the model was trained on some of these rows" in evaluation.notes


@pytest.mark.parametrize(
    ("n", "options", "what"),
    [(9, {}, "rows"), (120, {"group": "doctor", "by": "doctor"}, "groups")],
)
def test_few_rows_or_groups_get_no_verdict(ill, n, options, what):
    evaluation = ill.evaluate(frame_of(n, seed=6).assign(doctor=np.arange(n) % 9), **options)
    assert {
        evaluation.verdict,
        evaluation.difference,
        *(part.verdict for part in evaluation.parts),
    } == {None}
    assert f"no verdict on fewer than 10 {what}" in evaluation.notes


def test_copies_of_rows_in_one_group_dont_narrow_the_interval(ill):
    new = frame_of(150, seed=6).assign(patient=np.arange(150))
    once, copied = ill.evaluate(new), ill.evaluate(pd.concat([new] * 4), group="patient")
    assert copied.found.high - copied.found.low == pytest.approx(
        once.found.high - once.found.low, rel=0.05
    )
    assert copied.difference.half == pytest.approx(once.difference.half, rel=0.05)


def test_each_part_has_its_verdict_and_small_ones_have_none(ill):
    new = frame_of(400, seed=7)
    new["hospital"], new["age"] = np.where(np.arange(400) < 200, "B", "A"), np.arange(400)
    new.loc[new["hospital"] == "B", "ill"] = np.random.default_rng(0).permutation(new["ill"][:200])
    new.loc[395:, "hospital"] = "C"
    evaluation = ill.evaluate(new, by="hospital")
    assert [(part.value, part.n_rows) for part in evaluation.parts] == [
        ("A", 195),
        ("B", 200),
        ("C", 5),
    ]
    assert [part.verdict for part in evaluation.parts] == ["as promised", "below the promise", None]
    assert "C, 5 rows: too few for a verdict" in str(evaluation)
    assert [part.value for part in ill.evaluate(new, by="age").parts][::3] == [
        "under 100",
        "300 or more",
    ]


def test_another_model_on_the_same_rows_gets_the_paired_verdict(ill):
    table = frame_of(200)[["x", "town", "ill"]].assign(x=0.0)
    table.loc[0, "x"] = 1.0
    blind = sb.fit_model(sb.read_table(table, target="ill"), "logistic")
    new = frame_of(400, seed=8)
    pair = [one.evaluate(new, against=other) for one, other in ((ill, blind), (blind, ill))]
    assert [one.conclusion.verdicts[0].short for one in pair] == ["better", "worse"]
    assert "against     the other logistic, " in str(pair[0])


def test_the_page_has_the_verdict_all_scores_and_the_chart_of_calibration(ill, tmp_path):
    evaluation = ill.evaluate(
        frame_of(200, seed=9), by="town", against=fitted({"target": "ill"}, {}, n=100)
    )
    page = evaluation.report(tmp_path / "page.html").read_text()
    assert "<h1>As promised</h1>" in page
    assert page.count('<th scope="row">') > len(evaluation.conclusion.candidates[0].scores)
    assert 'data-chart="calibration"' in page
    assert "as promised" in evaluation._repr_html_()


@pytest.mark.parametrize(
    ("error", "message", "change", "options"),
    [
        (
            ColumnError,
            "no column 'ill', which says what happened",
            lambda new: new.drop(columns="ill"),
            {},
        ),
        (TargetError, "has no rows", lambda new: new[:0], {}),
        (
            TargetError,
            "0 new rows with a known ill that is no or yes",
            lambda new: new.assign(ill="maybe"),
            {},
        ),
        (TargetError, "1 new row with a known ill that is no or yes", lambda new: new[:1], {}),
        (TargetError, "0 new rows with a known ill", lambda new: frame_of(200), {}),
        (
            TargetError,
            "1 new group with a known ill",
            lambda new: new.assign(doctor=1),
            {"group": "doctor"},
        ),
        *(
            (ColumnError, "no column 'place'", lambda new: new, {option: "place"})
            for option in ("by", "group")
        ),
        (
            OptionError,
            "the column of subgroups, ill, is the target",
            lambda new: new,
            {"by": "ill"},
        ),
        (
            OptionError,
            "'at' has no subgroups",
            lambda new: new.assign(at=[f"n{x}" for x in range(60)]),
            {"by": "at"},
        ),
        (OptionError, "threshold is 2", lambda new: new, {"threshold": 2}),
    ],
)
def test_rows_that_cant_be_judged_are_refused_with_the_reason(ill, error, message, change, options):
    with pytest.raises(error, match=message):
        ill.evaluate(change(frame_of(60, seed=9)), **options)


def test_a_model_of_another_target_isnt_compared(ill):
    for other in (fitted({"target": "grade"}, {}), fitted({"event": "died", "time": "days"}, {})):
        with pytest.raises(
            OptionError,
            match=r"the other model predicts (grade|died until .*) \(.*and this one ill",
        ):
            ill.evaluate(frame_of(50), against=other)
