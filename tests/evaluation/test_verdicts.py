"""The six rules in their order, and what they say."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.errors import OptionError
from seedbed.evaluation import AccuracyDifference, Verdict, decide

CASES = {
    "better_by_margin": (1.0, 3.0),
    "no_practical_difference": (-0.5, 0.9),
    "better": (0.1, 1.2),
    "worse": (-3.0, -0.1),
    "no_worse": (-0.9, 1.0),
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
def test_each_rule_fires(rule, interval):
    assert decide(low=interval[0], high=interval[1], margin=1.0) == rule


@pytest.mark.parametrize(
    ("low", "high", "rule"),
    [
        (1.0, 1.0, "better_by_margin"),  # also L > 0
        (0.1, 0.9, "no_practical_difference"),  # also L > 0
        (-0.9, -0.1, "no_practical_difference"),  # also U < 0
        (0.0, 0.0, "no_practical_difference"),
        (-1.0, 0.5, "cannot_tell"),  # L = -m is not above -m
        (-1.0, -0.1, "worse"),
        (0.0, 1.0, "no_worse"),  # 0 is not above 0
        (-2.0, 0.0, "cannot_tell"),  # and not below 0
    ],
)
def test_the_rules_are_asked_in_their_order_and_their_edges_are_sharp(low, high, rule):
    assert decide(low=low, high=high, margin=1.0) == rule


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(0.1, 2))
def test_swapping_turns_better_into_worse_and_keeps_what_has_no_direction(low, width, margin):
    one = decide(low=low, high=low + width, margin=margin)
    other = decide(low=-(low + width), high=-low, margin=margin)
    assert (one in ("better", "better_by_margin")) == (other == "worse")
    assert (one == "no_practical_difference") == (other == "no_practical_difference")


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_margin_that_is_no_size_is_refused(margin):
    with pytest.raises(OptionError, match="margin"):
        decide(low=0.0, high=1.0, margin=margin)


def test_no_interval_gives_no_verdict():
    with pytest.raises(ValueError, match="no interval"):
        decide(low=float("nan"), high=1.0, margin=1.0)


@pytest.mark.parametrize(("rule", "interval"), CASES.items())
@pytest.mark.parametrize("metric", ["brier", "accuracy", "log_loss", "squared_error"])
def test_words_of_winning_appear_only_where_a_rule_says_so(rule, interval, metric):
    found = verdict(*interval, metric=metric)
    assert bool(WINNING.search(found.sentence)) == (rule in ("better_by_margin", "better"))
    assert not any(WINNING.search(line) for line in found.details)
    assert "relu:5" in found.sentence
    assert "linear:5" in found.sentence


def test_a_loss_that_falls_is_told_as_lower_and_an_accuracy_as_higher():
    assert "prediction error (Brier score) is lower by 0.0310" in verdict(0.02, 0.042, 0.004).sentence
    assert "accuracy is higher by 3.1 points" in verdict(0.02, 0.042, 0.01, metric="accuracy").sentence
    assert "accuracy is lower by 3.1 points" in verdict(-0.042, -0.02, 0.01, metric="accuracy").sentence


def test_worse_says_whether_it_is_by_the_margin():
    assert verdict(-3.0, -1.0).sentence.endswith("at least the 1 that matters.")
    assert verdict(-3.0, -1.0).by_margin
    assert "matters" not in verdict(-3.0, -0.5).sentence
    assert not verdict(-3.0, -0.5).by_margin


def test_a_small_real_gain_or_loss_is_told_without_calling_it_more():
    assert "The small gain with relu:5 is real." in verdict(0.1, 0.9).sentence
    assert "The small loss with relu:5 is real." in verdict(-0.9, -0.1).sentence
    assert "is real" not in verdict(-0.5, 0.5).sentence
    assert "Prefer the simpler one" in verdict(-0.5, 0.5).sentence


def test_cannot_tell_says_how_far_and_what_would_settle_it():
    text = verdict(-0.021, 0.03, 0.01, metric="accuracy").sentence
    assert "anywhere from 2.1 points lower to 3.0 points higher" in text
    assert "About 1,200 to 4,900 rows of this kind would settle the 1 point that matters (now 299)" in text
    assert "more repeats or seeds won't" in text


def test_cannot_tell_never_asks_for_fewer_rows_than_there_are():
    assert "Up to about 600 rows" in verdict(-1, 2, rows_needed=(150, 600)).sentence
    assert "Somewhat more rows" in verdict(-1, 2, rows_needed=(70, 280)).sentence


def test_more_seeds_are_named_where_seeds_are_most_of_the_spread():
    assert "more repeats won't, more seeds may" in verdict(-1, 2, seed_share=0.8).sentence


@pytest.mark.parametrize(
    ("share", "held_out", "ending"),
    [
        (None, False, "; more repeats won't."),
        (0.1, False, "; more repeats or seeds won't."),
        (0.8, False, "; more repeats won't, more seeds may."),
        (None, True, "."),
        (0.1, True, "; more seeds won't."),
        (0.8, True, "; more seeds may, too."),
    ],
)
def test_seeds_and_repeats_are_spoken_of_only_where_there_are_any(share, held_out, ending):
    found = verdict(-1, 2, seed_share=share, held_out=held_out)
    assert found.sentence.endswith(f"rows of this kind would settle the 1 that matters (now 299){ending}")
    assert found.as_dict()["held_out"] == held_out


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ((10_000_001, 40_000_004), "More than 10,000,000 rows of this kind would settle the 1 that matters (now 299);"),
        ((10_000_000, 40_000_000), "About 10,000,000 to 40,000,000 rows of this kind would settle"),
    ],
)
def test_beyond_ten_million_rows_no_number_is_named(needed, words):
    text = verdict(-1, 2, rows_needed=needed).sentence
    assert words in text
    assert ("40,000,00" in text) == words.startswith("About")


def test_the_details_never_claim_certainty_and_say_for_what_tables():
    lines = " ".join(verdict(1, 3, p_better=0.99999, p_adjusted=1e-9).details)
    for part in ("+3.1 points (plausibly +1.0 to +5.2)", "above 99%", "12%", "p < 0.001", "2 comparisons", "269 rows"):
        assert part in lines


def test_accuracy_is_not_told_twice_and_not_at_all_for_regression():
    assert "In accuracy" not in " ".join(verdict(1, 3, metric="accuracy").details)
    assert "In accuracy" not in " ".join(verdict(1, 3, metric="squared_error", accuracy=None).details)


def test_the_dict_is_json_with_the_promised_keys():
    promised = {
        "candidate", "reference", "rule", "metric", "difference", "low", "high", "p_adjusted", "p_better",
        "opposite_share", "accuracy", "rows_needed", "by_margin", "sentence",
    }  # fmt: skip
    plain = json.loads(json.dumps(verdict(-1, 2).as_dict(), allow_nan=False))
    assert promised <= set(plain)
    assert plain["accuracy"] == {"difference": 0.031, "low": 0.01, "high": 0.052}
    assert plain["rows_needed"] == [1234, 4936]
