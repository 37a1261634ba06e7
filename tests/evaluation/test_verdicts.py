"""The seven rules of a verdict, in order, and their wording."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import OptionError
from seedbed.evaluation import Verdict, percent
from seedbed.evaluation.verdicts import AccuracyDifference, decide, plain_number

CASES = {
    "better_by_margin": (1.0, 3.0),
    "no_practical_difference": (-0.5, 0.9),
    "better": (0.1, 1.2),
    "worse": (-3.0, -0.1),
    "no_worse": (-0.9, 1.0),
    "no_better": (-1.0, 0.9),
    "cannot_tell": (-1.0, 2.0),
}
WINNING = re.compile(r"\b(better|wins?|best|outperforms?)\b")


def verdict(low, high, margin=1.0, **changed):
    shown = {"candidate": "relu:5", "reference": "linear:5", "metric": "brier", "n_rows": 299, "n_train": 269}
    sizes = {"difference": (low + high) / 2, "low": low, "high": high, "margin": margin, "rows_needed": (1234, 4936)}
    chances = {"p": 0.01, "p_adjusted": 0.02, "p_better": 0.9, "p_better_by_margin": 0.5, "opposite_share": 0.12}
    others = {"seed_share": 0.1, "comparisons": 2, "accuracy": AccuracyDifference(0.031, 0.01, 0.052)}
    fields = shown | sizes | chances | others | {"rule": decide(low=low, high=high, margin=margin)}
    return Verdict(**(fields | changed))


@pytest.mark.parametrize(("rule", "interval"), CASES.items())
def test_each_rule_gives_its_verdict(rule, interval):
    assert decide(low=interval[0], high=interval[1], margin=1.0) == rule


@pytest.mark.parametrize(
    ("low", "high", "rule"),
    [
        (1.0, 1.0, "better_by_margin"),  # also L > 0
        (0.1, 0.9, "no_practical_difference"),  # also L > 0
        (-0.9, -0.1, "no_practical_difference"),  # also U < 0
        (0.0, 0.0, "no_practical_difference"),
        (-1.0, 0.5, "no_better"),  # L = -m is not above -m
        (-1.0, 1.0, "cannot_tell"),  # nor is U = m below m
        (-1.0, -0.1, "worse"),
        (0.0, 1.0, "no_worse"),  # 0 is not above 0
        (-2.0, 0.0, "no_better"),  # and not below 0
    ],
)
def test_the_rules_apply_in_order_with_exact_bounds(low, high, rule):
    assert decide(low=low, high=high, margin=1.0) == rule


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0.1, 2))
def test_swapping_two_models_gives_the_mirrored_verdict(low, width, margin):
    one = decide(low=low, high=low + width, margin=margin)
    other = decide(low=-(low + width), high=-low, margin=margin)
    mirrored = {"better": "worse", "better_by_margin": "worse", "no_worse": "no_better"}
    mirrored |= {other: rule for rule, other in mirrored.items() if rule != "better_by_margin"}
    assert mirrored.get(one, one) == other.removesuffix("_by_margin")


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_an_invalid_margin_is_refused(margin):
    with pytest.raises(OptionError, match="margin"):
        decide(low=0.0, high=1.0, margin=margin)


def test_no_interval_gives_no_verdict():
    with pytest.raises(ValueError, match="no interval"):
        decide(low=float("nan"), high=1.0, margin=1.0)


@pytest.mark.parametrize(("rule", "interval"), CASES.items())
@pytest.mark.parametrize("metric", ["brier", "accuracy", "log_loss", "squared_error"])
def test_better_and_worse_appear_only_in_such_verdicts(rule, interval, metric):
    found = verdict(*interval, metric=metric)
    said = found.sentence.replace("as good as linear:5, or better", "")
    assert bool(WINNING.search(said)) == (rule in ("better_by_margin", "better"))
    assert "relu:5" in found.sentence
    assert "linear:5" in found.sentence


def test_a_loss_is_described_as_lower_and_an_accuracy_as_higher():
    assert "prediction error (Brier score) is lower by 0.0310" in verdict(0.02, 0.042, 0.004).sentence
    assert "accuracy is higher by 3.1 points" in verdict(0.02, 0.042, 0.01, metric="accuracy").sentence
    assert "accuracy is lower by 3.1 points" in verdict(-0.042, -0.02, 0.01, metric="accuracy").sentence


def test_worse_says_whether_the_margin_is_exceeded():
    assert verdict(-3.0, -1.0).sentence.endswith("at least the 1 that matters.")
    assert verdict(-3.0, -1.0).by_margin
    assert verdict(-3.0, -0.5).sentence == (
        "relu:5 is worse than linear:5: its prediction error (Brier score) is higher by 1.8 (plausibly 0.5 to 3.0); "
        "that may be less than the 1 that matters."
    )
    assert not verdict(-3.0, -0.5).by_margin


def test_a_small_real_difference_is_described_as_such():
    assert "The small gain with relu:5 is real." in verdict(0.1, 0.9).sentence
    assert "The small loss with relu:5 is real." in verdict(-0.9, -0.1).sentence
    assert "is real" not in verdict(-0.5, 0.5).sentence
    assert "Prefer the simpler one" in verdict(-0.5, 0.5).sentence


def test_an_undecided_verdict_gives_the_range_and_the_rows_needed():
    assert verdict(-0.021, 0.03, 0.01, metric="accuracy", difference=0.0052).sentence == (
        "Can't tell yet how relu:5 compares with linear:5: its accuracy was 0.5 points higher here, but may "
        "be anywhere from 2.1 points lower to 3.0 points higher. To show a difference as small as the 1 point that "
        "matters, it takes about 1,200 to 4,900 rows of this kind (now 299)."
    )
    found = verdict(-0.0223, 0.0119, 0.00436, rows_needed=(4512, 18_048))
    assert found.sentence == (
        "Can't tell yet how relu:5 compares with linear:5: its prediction error (Brier score) was 0.0052 higher "
        "here, but may be anywhere from 0.0223 higher to 0.0119 lower. To show a difference as small as the 0.00436 "
        "that matters, it takes about 4,500 to 18,000 rows of this kind (now 299)."
    )


@pytest.mark.parametrize(
    ("metric", "difference", "seen"),
    [
        ("brier", 0.3, "prediction error (Brier score) was 0.3 lower here"),
        ("brier", -0.3, "prediction error (Brier score) was 0.3 higher here"),
        ("brier", 0.0, "prediction error (Brier score) was the same here"),
        ("accuracy", 0.3, "accuracy was 30.0 points higher here"),
        ("accuracy", -0.3, "accuracy was 30.0 points lower here"),
        ("accuracy", 0.0, "accuracy was the same here"),
    ],
)
@pytest.mark.parametrize("interval", [CASES["no_worse"], CASES["no_better"], CASES["cannot_tell"]])
def test_an_undecided_verdict_gives_the_observed_difference(metric, difference, seen, interval):
    found = verdict(*interval, metric=metric, difference=difference)
    assert f": its {seen}, but may be anywhere from " in found.sentence


def test_one_sided_verdicts_give_the_observed_difference_and_what_is_excluded():
    assert verdict(-0.9, 1.5).sentence == (
        "relu:5 is as good as linear:5, or better; it isn't worse by the 1 that matters: its prediction error (Brier "
        "score) was 0.3 lower here, but may be anywhere from 0.9 higher to 1.5 lower."
    )
    assert verdict(-1.5, 0.9).sentence.startswith(
        "relu:5 is as good as linear:5, or worse; it gains less than the 1 that matters: its prediction error"
    )


def test_an_undecided_verdict_never_needs_fewer_rows_than_exist():
    takes = ". To show a difference as small as the 1 that matters, it takes"
    tail = "rows of this kind (now 299)."
    assert verdict(-1, 2, rows_needed=(150, 600)).sentence.endswith(f"{takes} up to about 600 {tail}")
    for needed in ((70, 280), None):
        assert verdict(-1, 2, rows_needed=needed).sentence.endswith(f"{takes} somewhat more {tail}")


@pytest.mark.parametrize("share", [None, 0.1, 0.8])
@pytest.mark.parametrize("held_out", [False, True])
def test_a_verdict_does_not_mention_repeats_or_seeds(share, held_out):
    sentence = verdict(-1, 2, seed_share=share, held_out=held_out).sentence
    assert "repeats" not in sentence
    assert "seeds" not in sentence


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ((10_000_001, 40_000_004), "more than 10,000,000 rows of this kind (now 299)."),
        ((10_000_000, 40_000_000), "about 10,000,000 to 40,000,000 rows of this kind (now 299)."),
    ],
)
def test_more_than_ten_million_rows_are_not_stated_as_a_number(needed, words):
    text = verdict(-1, 2, rows_needed=needed).sentence
    assert f". To show a difference as small as the 1 that matters, it takes {words}" in text
    assert ("40,000,00" in text) == words.startswith("about")


def test_a_probability_never_claims_certainty():
    shown = [percent(p) for p in (0.0, 0.004, 0.12, 0.99, 0.99999)]
    assert shown == ["below 1%", "below 1%", "12%", "99%", "above 99%"]


def test_the_dict_is_json_with_the_documented_keys():
    promised = {
        "candidate", "reference", "rule", "metric", "difference", "low", "high", "p_adjusted", "p_better",
        "opposite_share", "accuracy", "rows_needed", "by_margin", "short", "sentence",
    }  # fmt: skip
    plain = json.loads(json.dumps(verdict(-1, 2).as_dict(), allow_nan=False))
    assert promised <= set(plain)
    assert plain["accuracy"] == {"difference": 0.031, "low": 0.01, "high": 0.052}
    assert plain["rows_needed"] == [1234, 4936]


def test_errors_of_a_regression_are_given_in_units_of_the_target():
    of_variance = verdict(0.03, 0.09, margin=0.02, metric="squared_error", accuracy=None)
    assert of_variance.sentence == (
        "relu:5 is better than linear:5: its prediction error (squared error) is lower by 0.060 (plausibly 0.030 to "
        "0.090), at least the 0.02 that matters."
    )
    in_dollars = verdict(-31000.0, -2100.0, margin=1500.0, metric="mae", accuracy=None).sentence
    assert "(mean absolute error) is higher by 16,550 (plausibly 2,100 to 31,000), at least the 1,500 tha" in in_dollars
    assert "was the same here" in verdict(-31000.0, 31000.0, margin=1500.0, metric="mae").sentence


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.004361, "0.00436"), (12.34, "12.3"), (999.9, "1,000"), (-123456.0, "-123,000"), (1e-9, "1e-09"), (0.0, "0")],
)
def test_a_plain_number_has_few_digits_and_no_exponent(value, shown):
    assert plain_number(value) == shown
