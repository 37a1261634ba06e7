"""The answers of the first screen: which model to use, what to expect, and how many rows would show
which is better."""

import math

import msgspec
import numpy as np
import pytest

from seedbed.evaluation.conclusion import simplest
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import count_range
from seedbed.report.advice import answers, remedy, rows_to_tell
from seedbed.report.glance import first_screen

MIX = "auto, a mix (80% trees, 20% small)"
SIZES = {"prior": 0, "logistic": 1, "small": 4, "large": 5}
RULES = dict(
    worse=(-0.1, -0.02), open=(-0.1, 0.02), alike=(-0.005, 0.005), likely=(-0.1, 0.02)
)
RULE = {"open": "cannot_tell", "likely": "likely_worse"}


@pytest.fixture(scope="module")
def document(make):
    """A function that makes a summary of models, the recommended one first; of each other one
    whether it is worse, alike, or open."""

    def build(rules, **changes):
        (use, _), *others = rules.items()
        behind = [
            make.verdict(name, *RULES[rule], reference=use)
            | {"rows_factor": 20.0}
            | ({"rule": RULE[rule]} if rule in RULE else {})
            for name, rule in others
        ]
        models = [
            (make.network if name in ("small", "large") else make.baseline)(name)
            for name in rules
        ]
        for model in models[:1]:
            model["parts"] = {"trees": 0.8, "small": 0.2} if use == "auto" else {}
        found = make.document(*models, verdicts=behind, reference=use, **changes)
        guess = use != "prior" and rules.get("prior", "worse") != "worse"
        simpler = simplest(msgspec.convert(found, Conclusion), SIZES)
        return found | {"advice": {"use": use, "guess": guess, "simpler": simpler}}

    return build


def said(document):
    """The lines of each answer, joined by " / "."""
    texts, last = dict[str, str](), ""
    for label, text in answers(msgspec.convert(document, Conclusion)):
        texts[last] = (
            f"{texts[last]} / {text}"
            if not label
            else texts.setdefault(last := label, text)
        )
    return texts


def to_tell(document):
    return "; ".join(rows_to_tell(msgspec.convert(document, Conclusion)))


def test_without_verdicts_no_model_is_recommended(make):
    assert said(make.document(make.network("small"), make.baseline("trees"))) == {}
    assert list(said(make.document(make.network("small")))) == ["Note", "Expect"]


@pytest.mark.parametrize(
    ("rules", "use", "simpler"),
    [
        (
            {"auto": "", "large": "worse", "prior": "worse"},
            f"{MIX}. It is shown to be better than all others.",
            "none: every single model is likely worse",
        ),
        (
            {"auto": "", "large": "likely", "small": "open", "prior": "worse"},
            f"{MIX}, the reference. No other model is shown to be better.",
            "small may be as good: 0.040 ±0.060 behind auto",
        ),
        (
            {"large": "", "small": "alike", "prior": "worse"},
            "large, the reference, as the first candidate. No other model is shown to be better.",
            "small is as good: 0.000 ±0.005 behind large",
        ),
        (
            {"small": "", "trees": "worse", "prior": "open"},
            "No model is shown to beat always answering 0. If you need one: small.",
            None,
        ),
        (
            {"prior": "", "small": "worse"},
            "no model. None is shown to beat always answering 0.",
            None,
        ),
    ],
)
def test_the_reference_is_named_with_the_simplest_that_may_be_as_good(
    document, rules, use, simpler
):
    found = document(rules)
    texts = said(found)
    assert (texts["Use"], texts.get("Simpler")) == (use, simpler)


def test_another_model_is_recommended_if_it_is_shown_to_be_better(document):
    found = document({"auto": "", "large": "open", "prior": "worse"})
    found["advice"] = {"use": "large", "guess": False, "simpler": ""}
    texts = said(found)
    assert texts["Use"].startswith("large")
    assert texts["Use"].endswith("It is shown to be better than auto.")
    assert "Simpler" not in texts


TWO = {"small": "", "prior": "worse"}


def test_the_expected_accuracy_a_count_of_rows_and_guessing_are_given(document, make):
    expect = said(document(TWO))["Expect"]
    right = "82% of new rows right (95%: 72 to 92); by always answering 0: 82.5%"
    assert expect == f"{right} / in any one batch of 100 new rows: 70 to 95 right"
    found = document({"small": "", "trees": "worse"})
    found["candidates"][0]["scores"] = make.scores(accuracy=(0.999, 0.997, 1.0))
    assert said(found)["Expect"].endswith(
        "in any one batch of 1,000 new rows: 996 to 1,000 right"
    )
    found["candidates"][0]["scores"]["accuracy"] |= {"low": None, "high": None}
    assert "Expect" not in said(found)


def test_what_the_choice_of_the_best_adds_is_subtracted(document):
    expect = said(document(TWO, optimism={"accuracy": 0.04}))["Expect"]
    assert expect.startswith("78% of new rows right (95%: 68 to 88); ")
    numbers = {"task": "regression", "target": "alcohol", "optimism": {"mae": 0.1}}
    found = document(TWO, **numbers)
    for one in found["candidates"]:
        one["scores"] |= {
            "mae": one["scores"]["brier"] | {"mean": 0.3, "low": 0.2, "high": 0.4}
        }
    words = "off by 0.40 in alcohol on average on new rows (95%: 0.30 to 0.50); by always answering the mean: 0.30"
    assert said(found)["Expect"] == words


def test_of_a_rare_label_the_share_that_is_found_is_given(document):
    found = document(TWO, labels={"0": 1461, "yes": 39}, majority_share=0.974)
    recall = "finds 60% of new rows with DEATH_EVENT yes (95%: 50 to 70); 25% of its alarms are false"
    batch = " / 82% of new rows right (95%: 72 to 92); by always answering 0: 82.5%"
    assert (
        said(found)["Expect"]
        == f"{recall} / ROC AUC 0.900 (0.800 to 1.000); 1 is perfect, chance: 0.5{batch}"
    )


@pytest.mark.parametrize("share", [0.6, 0.84, 0.95, 0.99])
def test_the_count_of_new_rows_lies_in_its_range_in_95_of_100_cases(share):
    random = np.random.default_rng(0)
    n, trials, inside = 300, 4000, 0
    for hits, right in zip(
        random.binomial(n, share, trials),
        random.binomial(100, share, trials),
        strict=True,
    ):
        estimate = hits / n
        half = 1.96 * math.sqrt(estimate * (1 - estimate) / n)
        low, high = count_range(
            estimate, estimate - half, min(1.0, estimate + half), of=100, alpha=0.05
        )
        inside += low <= right <= high
    assert 0.935 < inside / trials < 0.99


OPEN = {"small": "", "trees": "open", "prior": "worse"}


def test_the_rows_that_would_show_which_is_better_are_ranges_for_the_margin(document):
    found = document(OPEN)
    assert to_tell(found) == (
        "up to 3,200 rows in all (you have 1,299) to tell small from trees, if they differ as much as it looks; "
        "13,000 to 52,000 rows if just enough to matter"
    )
    found["plan"]["sample_of"] = 4_000
    found["verdicts"][0] |= {"difference": -0.005, "rows_factor": 90.0}
    what = "in all (you have 4,000) to tell small from trees, if they differ just enough to matter"
    assert to_tell(found) == f"58,000 to 230,000 rows {what}"
    found["verdicts"][0] |= {"rows_factor": 1e6}
    assert to_tell(found).startswith(
        "over 10,000,000 rows in all (you have 4,000) to tell"
    )


def noted(code, finding, **remedy):
    return dict(
        message=f"{finding}: why",
        column="time",
        code=code,
        finding=finding,
        remedy=remedy,
    )


FOLLOW_UP = noted("SB211", "time looks like it, part of the outcome", drop=["time"])
SURVIVAL = noted("SB211", "x is y", event=["y"], time=["x"])
REPEATED = noted(
    "SB210", "column 'id' looks like 0.5 (7 values), and is used", group=["id"]
)
TOTAL = noted(
    "SB208", "the last row looks like a total with 3. Remove it with --drop x"
)
LEAK = noted("SB203", "x is y", drop=["x"])


@pytest.mark.parametrize(
    ("command", "notes", "typed"),
    [
        (
            "seedbed compare a.csv --out 'my run' --quick",
            [FOLLOW_UP],
            "seedbed compare a.csv --quick --drop time",
        ),
        (
            "seedbed compare a.csv",
            [FOLLOW_UP, REPEATED, TOTAL],
            "seedbed compare a.csv --drop time --group id",
        ),
        (
            "seedbed compare a.csv --group b",
            [REPEATED],
            "seedbed compare a.csv --group id",
        ),
        ("seedbed compare a.csv", [TOTAL], None),
        ("", [FOLLOW_UP, LEAK], 'sb.read_table(..., drop=["time", "x"])'),
        ("", [SURVIVAL], 'sb.read_table(..., event="y", time="x")'),
        (
            "seedbed compare a.csv --target y --metric accuracy --quick",
            [SURVIVAL],
            "seedbed compare a.csv --quick --event y --time x",
        ),
        (
            "seedbed compare a.csv --target y --by b",
            [SURVIVAL],
            "seedbed compare a.csv --event y --time x",
        ),
        ("seedbed compare a.csv --target y --time-split z", [SURVIVAL], None),
        ("seedbed columns a.csv", [LEAK], None),
    ],
)
def test_a_warning_that_may_make_results_wrong_comes_with_the_whole_command(
    document, command, notes, typed
):
    found = remedy(
        msgspec.convert(document(TWO, notes=notes, command=command), Conclusion)
    )
    assert (found and found[1]) == typed
    if FOLLOW_UP in notes and typed:
        assert found[0].startswith("time looks like it, part of the outcome")
        assert found[0].endswith("). Type:")


@pytest.mark.parametrize(
    ("loss", "score", "gain"), [(0.14, "30", "20 ±30"), (0.11, "45", "20.0 ±30.0")]
)
def test_a_score_from_0_to_100_shows_points_of_what_always_the_same_answer_costs(
    document, make, loss, score, gain
):  # and one more digit where scores and difference disagree
    found = document(OPEN)
    found["metric"] = {**found["metric"], "of_prior": 0.2, "in_points": True}
    for model, its_loss in zip(found["candidates"], (0.1, loss, 0.208), strict=True):
        model["scores"]["brier_skill"] = make.scores(
            brier=(1 - its_loss / 0.2, 0.3, 0.6)
        )["brier"]
    screen = first_screen(msgspec.convert(found, Conclusion))
    assert [row.score for row in screen.rows] == ["50", score, "-4"]
    assert (screen.rows[1].gain, screen.rows[1].interval.mean) == (gain, -20.0)
    assert (screen.columns[1], screen.unit, screen.margin) == ("score", "points", 5.0)
    assert (
        screen.notes[0]
        == "Score, from the Brier score: 0 is always answering 0, 100 is perfect."
    )
