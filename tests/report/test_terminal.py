"""A comparison as terminal text, made from a summary."""

import itertools
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import Conclusion
from seedbed.report import comparison_text, glance_text
from seedbed.report.tables import verdict_table


def of_document(function):
    """The same function of the plain dict of a conclusion."""
    return lambda document, *rest, **words: function(msgspec.convert(document, Conclusion), *rest, **words)


comparison_text, glance_text = map(of_document, (comparison_text, glance_text))

# One interval for each rule with a margin of 0.01.
RULES = {
    "better_by_margin": (0.02, 0.04),
    "no_practical_difference": (-0.005, 0.005),
    "better": (0.001, 0.03),
    "worse": (-0.03, -0.001),
    "no_worse": (-0.005, 0.03),
    "no_better": (-0.03, 0.005),
    "cannot_tell": (-0.03, 0.03),
}
CODES = ("confined_outputs", "under_trained", "over_trained", "diverged", "dead_units", "no_better_than_prior",
         "worse_than_logistic", "seeds_apart")  # fmt: skip
LONG = "relu:64,64@lr=0.003,optimizer=adamw,dropout=0.1,epochs=2000,epoch=inner"
SPACES = "HistGradientBoostingClassifier(learning_rate=0.05, max_iter=200)"


def unfolded(text):
    """The words without line ends and indents."""
    return " ".join(text.split())


def prose(text):
    """All lines except those of the table."""
    return [line for part in text.split("\n\n") if "───" not in part for line in part.splitlines()]


def two(make, rule, *, metric="brier", checks=(), **changes):
    """`relu:5` compared with `linear:5`, with a verdict by a rule."""
    return make.document(
        make.network("linear:5"),
        make.network("relu:5"),
        metric=metric,
        verdicts=[make.verdict("relu:5", *RULES[rule], metric=metric)],
        checks=list(checks),
        **changes,
    )


# The order


def test_verdicts_come_first_then_the_ranking_then_what_would_decide(make):
    text = comparison_text(
        two(make, "cannot_tell", checks=[make.check("relu:5", "seeds_alike")], top=make.chosen("", "relu:5"))
    )
    order = ["DEATH_EVENT of heart_failure:", "10 repeats of 10 folds", "The reference is linear:5",
             "Can't tell yet how relu:5 compares with linear:5", "probability that it is better",
             " ranking ", "Seeds cause",
             "Unlimited repeats",
             "Seeds hardly matter", "relu:5 comes first", "Plausibly"]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert [text.count(words) for words in order] == [1] * len(order)


def test_the_heading_describes_table_design_and_recipe(make):
    first, second = unfolded(comparison_text(two(make, "better"))).split(" relu:5 is better ")[0].split("epochs ")
    assert first == (
        "DEATH_EVENT of heart_failure: 1,299 rows, 12 features, 67.9% in the larger class; "
        "SGD, lr 0.01, full batch, 1000 "
    )
    assert second == (
        "10 repeats of 10 folds, 5 seeds per fold; trained on about 1,169 rows at a time "
        "The reference is linear:5. A difference of 0.01 in Brier score (the mean squared error of the probabilities) "
        "matters: 2% of what predicting the same for every row costs."
    )


def test_reference_and_margin_are_given_in_units_of_the_metric_if_there_are_verdicts(make):
    document = two(make, "better", metric="accuracy")
    document["metric"] = document["metric"] | {"margin": 0.025}
    text = comparison_text(document)
    assert "\nThe reference is linear:5. A difference of 2.5 points in accuracy matters.\n" in text
    document |= {"verdicts": [], "no_verdict": [make.no_verdict("relu:5", "too few rows")]}
    assert "The reference is" not in comparison_text(document)
    assert "matters" not in comparison_text(document)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("given", "matters, as asked for."),
        ("tenth_of_error", "matters: a tenth of the error of linear:5, which is less than 2% of what predicting"),
        ("floor", "matters: a tenth of 2% of what predicting the same for every row costs, as linear:5 makes"),
    ],
)
def test_the_origin_of_the_margin_is_given(make, source, words):
    document = two(make, "better")
    document["metric"] = document["metric"] | {"margin_source": source}
    assert words in unfolded(comparison_text(document))


def test_a_severe_warning_is_shown_once_above_the_verdicts(make):
    note = {"message": "one row carries 99 %", "column": "y", "code": "SB207", "count": 1, "rows": ["line 9"]}
    text = comparison_text(two(make, "worse", notes=[note, {**note, "code": "SB201", "message": "copies"}]))
    lines = text.splitlines()
    warning, verdict = (next(i for i, line in enumerate(lines) if word in line) for word in ("SB207", "is worse"))
    assert warning < verdict < next(i for i, line in enumerate(lines) if "SB201" in line)
    assert text.count("SB207") == 1


def test_one_repeat_and_one_seed_are_written_in_the_singular(make):
    text = comparison_text(two(make, "better", plan={"repeats": 1, "seeds": 1}))
    assert "1 repeat of 10 folds, 1 seed per fold;" in text


def test_fewer_than_five_folds_give_a_warning_beside_verdicts(make):
    for folds, kind in itertools.product([2, 4, 5, 10], ["cross_validation", "held_out"]):
        document = two(make, "better", plan={"kind": kind, "folds": folds})
        line = f"\n{folds} folds give rough intervals: use 5 or more.\n"
        rough = kind == "cross_validation" and folds < 5
        text = comparison_text(document)
        assert (line in text, "rough intervals" in text) == (rough, rough)
        assert "rough intervals" not in comparison_text(document | {"verdicts": []})


def test_a_quick_run_is_marked_as_a_first_look_if_it_is_smaller(make):
    for quick, kind in itertools.product([True, False], ["cross_validation", "held_out", "scores_only"]):
        text = comparison_text(make.document(make.network("relu:5"), plan={"kind": kind, "quick": quick}))
        reported = quick and kind == "cross_validation"
        assert ("A FIRST LOOK" in text, "--quick" in text) == (reported, reported)


def test_parts_are_one_empty_line_apart(make):
    documents = [
        two(make, "worse", checks=[make.check("linear:5", "diverged"), make.check("relu:5", "diverged")]),
        make.document(make.network("a"), make.network("b"), no_verdict=[make.no_verdict("b", "too few rows")]),
        make.document(make.network("a"), checks=[make.check("a", "diverged")]),
        make.document(make.network("a")),
    ]
    for document in documents:
        text = comparison_text(document)
        assert "\n\n\n" not in text
        assert not text.startswith("\n")
        assert not text.endswith("\n")
        for words in ("relu:5 is worse", "No verdict"):
            assert words not in text or f"\n\n{words}" in text


# Verdicts


def test_the_sentence_of_a_verdict_is_shown_word_for_word(make):
    for rule, metric in itertools.product(RULES, ["brier", "accuracy"]):
        document = two(make, rule, metric=metric)
        (verdict,) = document["verdicts"]
        assert verdict["rule"] == rule
        assert verdict["sentence"] in unfolded(comparison_text(document))


def test_with_accuracy_as_the_metric_nothing_is_repeated(make):
    text = comparison_text(two(make, "better", metric="accuracy", top=make.chosen("", "relu:5", apparent=0.831)))
    assert "   in accuracy" not in text
    assert "expect accuracy 20.0% (15.0% to 25.0%) of it, not its own 83.1%." in unfolded(text)
    headings = next(line for line in text.splitlines() if line.split()[:1] == ["ranking"])
    assert headings.split().count("accuracy") == 2  # on test rows, and on those trained on
    assert "Brier" not in text


def test_a_probability_is_never_shown_as_certain(make):
    shown = {0.0: "below 1%", 0.004: "below 1%", 0.006: "1%", 0.5: "50%", 0.994: "99%", 1.0: "above 99%"}
    for probability, words in shown.items():
        document = two(make, "better") | {"verdicts": [make.verdict("relu:5", 0.02, 0.04, p_better=probability)]}
        (row,) = verdict_table(msgspec.convert(document, Conclusion)).rows
        assert row == ["relu:5", "+0.03", "+0.02 to +0.04", "+1.2", "-0.5 to +3.1", words, "30%", "0.04"]


def test_a_worse_verdict_names_its_likely_reason_and_others_a_note(make):
    reasons = ("confined_outputs", "under_trained", "over_trained", "diverged", "dead_units")
    for rule, code in itertools.product(RULES, CODES):
        document = two(make, rule, checks=[make.check("relu:5", code)])
        document["candidates"][1]["epochs"]["low"] = 1000
        text = comparison_text(document)
        reason = rule == "worse" and code in reasons
        assert f"\n{'Likely why' if reason else 'Note'}: relu:5: something stands out.\n" in text
        assert text.count("Likely why") == int(reason)
        assert text.count("Note:") == 1 - int(reason)


def test_over_training_is_no_reason_if_an_earlier_epoch_was_chosen(make):
    document = two(make, "worse", checks=[make.check("relu:5", "over_trained")])
    document["candidates"][1]["epochs"]["low"] = 40
    assert "\nNote: relu:5: something stands out." in comparison_text(document)


def test_the_small_effect_of_seeds_is_stated_once(make):
    names = ["linear:5", "relu:5", "tanh:5"]
    for n, words in ((1, "linear:5"), (2, "linear:5 and relu:5"), (3, "linear:5, relu:5 and tanh:5")):
        text = comparison_text(
            make.document(
                *(make.network(name) for name in names),
                checks=[make.check(name, "seeds_alike") for name in names[:n]],
            )
        )
        assert f"\nSeeds hardly matter for {words}: one seed per split would be enough." in text
        assert "something stands out" not in text


@pytest.mark.parametrize(("share", "reported"), [(None, True), (0.0, True), (0.5, True), (0.51, False), (1.0, False)])
def test_seeds_that_make_up_most_of_a_difference_are_not_called_unimportant(make, share, reported):
    names = ["linear:5", "relu:5", "tanh:5"]
    document = make.document(
        *(make.network(name) for name in names),
        verdicts=[make.verdict("relu:5", -0.03, 0.03), make.verdict("tanh:5", -0.03, 0.03, seed_share=share)],
        checks=[make.check(name, "seeds_alike") for name in names[:2]],
    )
    text = comparison_text(document)
    assert ("\nSeeds hardly matter for linear:5 and relu:5: one seed" in text, "hardly matter" in text) == (
        reported,
        reported,
    )
    assert "something stands out" not in text  # nor by each of them


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("no_better_than_prior", "No gain over predicting the same for every row is shown"),
        ("worse_than_logistic", "Worse than a plain logistic regression"),
    ],
)
def test_a_baseline_that_several_candidates_do_not_reach_is_named_once(make, code, words):
    names = ["linear:5", "relu:5", "tanh:5"]
    for n, listed in ((1, None), (2, "linear:5 and relu:5"), (3, "linear:5, relu:5 and tanh:5")):
        checks = [make.check(name, code) for name in names[:n]] + [make.check("tanh:5", "dead_units")]
        text = comparison_text(make.document(*(make.network(name) for name in names), checks=checks))
        assert (f"\n{words}: {listed}." in text, words in text) == (listed is not None, listed is not None)
        assert ("\nNote: linear:5: something stands out." in text) == (listed is None)
        assert "\nNote: tanh:5: something stands out.\n" in text  # what it has on its own
        assert text.count("something stands out") == (2 if listed is None else 1)


WORDS = re.compile(r"\b(better|wins?|best|outperform(s|ed)?)\b", re.IGNORECASE)


@given(
    st.floats(-0.1, 0.1),
    st.floats(0, 0.1),
    st.sampled_from([0.001, 0.01, 0.05]),
    st.sampled_from(["brier", "accuracy"]),
)
def test_better_wins_best_and_outperforms_appear_only_if_the_verdict_allows_them(make, low, width, margin, metric):
    verdict = make.verdict("relu:5", low, low + width, metric=metric, margin=margin)
    document = make.document(
        make.network("linear:5"), make.network("relu:5", lr={"0.1": 3, "1": 7}), make.baseline("prior"), metric=metric,
        verdicts=[verdict], no_verdict=[make.no_verdict("prior", "it has predictions that aren't finite")],
        checks=[make.check("relu:5", "under_trained"), make.check("linear:5", "seeds_alike"),
                *(make.check(name, "worse_than_logistic") for name in ("linear:5", "relu:5"))],
        top=make.chosen("", "relu:5"), sweeps=[make.chosen("relu:5", "relu:5")], plan={"quick": True},
    )  # fmt: skip
    text = re.sub("as good (as linear:5, )?or better|probability that it is better", "", comparison_text(document))
    said = bool(WORDS.search(text))
    assert said == (verdict["rule"] in ("better", "better_by_margin"))


# No verdict


def test_a_common_reason_is_given_once(make):
    reason = "40 rows are too few for a verdict (it needs 50 rows)"
    names = ["linear:5", "relu:5", "tanh:5"]
    text = comparison_text(
        make.document(
            *(make.network(name) for name in names),
            no_verdict=[make.no_verdict(name, reason) for name in names[1:]],
            plan={"kind": "scores_only"},
            interval=None,
        )
    )
    assert text.count("No verdict") == 1
    assert f"\n\nNo verdict: {reason}.\n" in text
    for words in ("The reference is", "Seeds cause", "Unlimited repeats", "Plausibly"):
        assert words not in text


def test_different_reasons_are_given_for_each_candidate(make):
    document = make.document(
        *(make.network(name) for name in ("linear:5", "relu:5", "tanh:5")),
        verdicts=[make.verdict("tanh:5", *RULES["no_worse"])],
        no_verdict=[make.no_verdict("relu:5", "it has predictions that aren't finite")],
        checks=[make.check("relu:5", "diverged")],
    )
    text = comparison_text(document)
    assert "\n\nNo verdict on relu:5: it has predictions that aren't finite.\n\n" in text
    assert text.count("No verdict") == 1
    document |= {"verdicts": [], "no_verdict": [make.no_verdict(name, f"of {name}") for name in ("relu:5", "tanh:5")]}
    text = comparison_text(document)
    assert [line for line in text.splitlines() if "verdict" in line] == [
        "No verdict on relu:5: of relu:5.", "No verdict on tanh:5: of tanh:5."
    ]  # fmt: skip


def test_a_single_reason_names_its_candidate_unless_it_is_about_the_table(make):
    networks = [make.network(name) for name in ("linear:5", "relu:5")]
    document = make.document(*networks, no_verdict=[make.no_verdict("relu:5", "some of its predictions aren't finite")])
    assert "\n\nNo verdict on relu:5: some of its predictions aren't finite.\n" in comparison_text(document)
    document |= {"no_verdict": [make.no_verdict("relu:5", "40 rows are too few")], "interval": None}
    assert "\n\nNo verdict: 40 rows are too few.\n" in comparison_text(document)
    assert "No verdict on" not in comparison_text(document)


def test_a_single_candidate_has_no_verdict_and_no_such_heading(make):
    text = comparison_text(make.document(make.network("relu:5")))
    assert "verdict" not in text
    assert "Plausibly" not in text
    assert text.endswith("\n\nRanges are 95% intervals; each holds on its own.")
    assert len(text.splitlines()) == 10


def test_the_level_of_intervals_is_stated_with_and_without_verdicts(make):
    document = two(make, "better", alpha=0.1)
    assert "Ranges are" not in comparison_text(document)
    document |= {"verdicts": [], "no_verdict": [make.no_verdict("relu:5", "too few rows")]}
    for interval in ("corrected", "nested", None):
        text = comparison_text(document | {"interval": interval})
        assert "\nRanges are 90% intervals; each holds on its own." in text
        assert "Plausibly" not in text


# What would decide


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.2], "20%"),
        ([0.3, 0.996], "30 to 100%"),
        ([0.0, 0.36], "0 to 36%"),
        ([0.2, 0.2], "20%"),
        ([None, 0.2], "20%"),
    ],
)
def test_the_share_of_uncertainty_from_seeds_is_given(make, shares, words):
    names = [f"relu:{n}" for n in range(1, len(shares) + 1)]
    verdicts = [make.verdict(name, -0.03, 0.03, seed_share=share) for name, share in zip(names, shares, strict=True)]
    document = make.document(*(make.network(name) for name in ("linear:5", *names)), verdicts=verdicts)
    text = comparison_text(document)
    share = f"Seeds cause {words} of the uncertainty of the differences; the choice of rows causes the rest."
    assert f"\n{share}\n" in text
    assert "Unlimited repeats would narrow the intervals by 8% at most" in text
    document["plan"]["seeds"] = 1
    assert "Seeds cause" not in comparison_text(document)  # one seed can't show it


@pytest.mark.parametrize(
    ("shares", "rest", "what"),
    [
        ([1.0], ".", "more rows, or seeds."),
        ([0.996, 1.0], ".", "more rows, or seeds."),
        ([0.994], "; the choice of rows causes the rest.", "more rows, or seeds."),
        ([0.1, 0.51], "; the choice of rows causes the rest.", "more rows, or seeds."),
        ([0.1, 0.5], "; the choice of rows causes the rest.", "more rows."),
        ([None], None, "more rows."),
    ],
)
def test_more_rows_or_seeds_are_advised_by_their_share_of_uncertainty(make, shares, rest, what):
    names = [f"relu:{n}" for n in range(1, len(shares) + 1)]
    verdicts = [make.verdict(name, -0.03, 0.03, seed_share=share) for name, share in zip(names, shares, strict=True)]
    lines = comparison_text(
        make.document(*(make.network(name) for name in ("linear:5", *names)), verdicts=verdicts)
    ).splitlines()
    reported = [line.split("of the differences")[1] for line in lines if line.startswith("Seeds cause")]
    assert reported == ([] if rest is None else [rest])
    assert f"Unlimited repeats would narrow the intervals by 8% at most; beyond that, it takes {what}" in lines


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (1, '"Plausibly" means within a 90% interval.'),
        (
            3,
            (
                '"Plausibly" means within 90% intervals that hold for all 3 comparisons together; '
                "each interval of the ranking holds on its own."
            ),
        ),
    ],
)
def test_the_word_plausibly_is_explained(make, n, words):
    verdicts = [make.verdict("relu:5", -0.03, 0.03, comparisons=n)]
    assert words in unfolded(comparison_text(two(make, "better", alpha=0.1) | {"verdicts": verdicts}))


def test_nested_cross_validation_is_named_without_repeats(make):
    text = comparison_text(two(make, "better", interval="nested"))
    assert '"Plausibly" means within a 95% interval by nested cross-validation.' in text
    assert "Unlimited repeats" not in text
    assert "nested" not in comparison_text(two(make, "better"))


@pytest.mark.parametrize(("n", "words"), [(0, None), (1, "1 earlier row of groups"), (72, "72 earlier rows of groups")])
def test_rows_that_are_unusable_because_of_groups_are_counted(make, n, words):
    text = comparison_text(two(make, "better", plan={"n_unused": n}))
    assert (words in text) if words else ("earlier row" not in text)


@pytest.mark.parametrize(
    ("kind", "seeds", "reported"), [("held_out", 1, True), ("held_out", 3, False), ("cross_validation", 1, False)]
)
def test_a_single_seed_on_held_out_rows_is_called_too_few(make, kind, seeds, reported):
    plan = {"kind": kind, "locked_share": 0.2 if kind == "held_out" else 0.0, "seeds": seeds}
    assert ("One seed doesn't show" in comparison_text(two(make, "better", plan=plan))) == reported


def test_held_out_rows_are_described_without_repeats(make):
    plan = {
        "kind": "held_out",
        "locked_share": 0.2,
        "repeats": 1,
        "folds": 5,
        "seeds": 3,
        "n_train": 20_000,
        "n_test": 5_000,
    }
    text = comparison_text(two(make, "better", interval="held_out", plan=plan))
    assert "5,000 rows were locked away and looked at once, with 3 seeds; trained on about 20,000 rows" in text
    assert "repeat" not in text
    assert "fold" not in text


def test_the_expected_score_of_the_best_is_given_for_sweeps_and_the_ranking(make):
    sweep = make.chosen("relu:5", "relu:5@lr=0.1", among=3, expected=0.1304, low=0.12, high=0.14)
    text = unfolded(comparison_text(two(make, "better", sweeps=[sweep], top=make.chosen("", "linear:5"))))
    allowing = "corrected for this choice, expect Brier score"
    of_sweep = f"Of the 3 learning rates of relu:5, relu:5@lr=0.1 comes first; {allowing} 0.130 (0.120 to 0.140) of it"
    of_all = f"linear:5 comes first in this ranking; {allowing} 0.200 (0.150 to 0.250) of it"
    assert f"{of_sweep}, not its own 0.100. {of_all}, not its own 0.100." in text


def test_an_equal_expected_score_is_not_repeated(make):
    top = make.chosen("", "relu:5", apparent=0.1301, expected=0.1304)
    text = unfolded(comparison_text(two(make, "better", top=top)))
    assert "expect Brier score 0.130 (0.150 to 0.250) of it." in text
    assert "not its own" not in text


def test_without_intervals_no_expected_score_is_given(make):
    chosen = {"sweeps": [make.chosen("relu:5", "relu:5@lr=0.1")], "top": make.chosen("", "linear:5")}
    document = two(make, "better", **chosen) | {"verdicts": []}
    for interval, times in (("corrected", 2), ("held_out", 2), (None, 0)):
        text = comparison_text(document | {"interval": interval})
        assert (text.count(" comes first"), text.count("corrected for this choice")) == (times, times)


# Notes


def test_a_specific_recipe_is_described_below_the_table(make):
    own = make.network("relu:5", description="SGD, lr 0.1, full batch, 1000 epochs")
    text = comparison_text(make.document(make.network("linear:5"), own))
    assert "\nrelu:5: SGD, lr 0.1, full batch, 1000 epochs." in text
    assert "\nlinear:5: " not in text


def test_every_baseline_is_explained_below_the_table(make):
    text = comparison_text(make.document(make.network("linear:5"), make.baseline("prior")))
    assert text.endswith("\nprior: class shares of the training rows.")


def test_learning_rates_that_were_chosen_are_counted(make):
    one = make.network("relu:5", lr={"0.001": 1, "0.01": 7, "0.1": 92})
    assert "\nrelu:5: lr 0.001 in 1 split, 0.01 in 7 splits, 0.1 in 92 splits of 100." in comparison_text(
        make.document(one)
    )
    assert ": lr " not in comparison_text(make.document(make.network("relu:5", lr={"0.01": 100})))


def test_a_learning_rate_that_all_splits_chose_is_named(make):
    recipe = "AdamW, lr of 0.001, 0.01, 0.1 by inner splits, full batch, up to 1000 epochs, stopped by inner splits"
    one = make.network("relu:5", description=recipe, lr={"0.01": 100})
    text = comparison_text(make.document(one, make.network("tanh:5", lr={"0.1": 100}), plan={"recipe": recipe}))
    assert "\nrelu:5: lr 0.01 in 100 splits of 100." in text
    assert "tanh:5: lr" not in text  # it had no choice


def test_notes_of_candidates_and_the_table_come_last(make):
    note = "column 'x' is 1 in every row; it carries nothing and becomes zero"
    one = make.network("net.py:Net", note="it takes the general, slower way")
    text = unfolded(comparison_text(make.document(one, notes=make.notes(note, "second"))))
    assert text.endswith(f"net.py:Net: it takes the general, slower way. Note: {note} Note: second")


def test_networks_that_share_a_reason_for_slow_training_are_named_once_on_screen_and_in_the_details(make):
    note = "trained by torch, which is slower: no kernel was built for this processor and system"
    document = make.document(make.network("relu:5", note=note), make.network("tanh:5", note=note))
    for text in (unfolded(comparison_text(document)), " ".join(glance_text(document).split())):
        assert f"relu:5 and tanh:5: {note}." in text
        assert text.count(note) == 1


# Lines


@pytest.mark.parametrize("width", [60, 80, 110])
def test_only_lines_of_the_table_may_exceed_the_width(make, width):
    checks = [make.check("relu:5", "diverged", "a word or two more than fit in a line " * 5)]
    notes, top = make.notes("row " * 90), make.chosen("", "relu:5")
    text = comparison_text(two(make, "cannot_tell", checks=checks, notes=notes, top=top), width=width)
    assert width - 15 < max(map(len, prose(text))) <= width


@pytest.mark.parametrize("name", [LONG, SPACES, "my net", "nets/é.py:" + "N" * 150])
@pytest.mark.parametrize("width", [40, 110])
def test_a_name_is_never_broken(make, name, width):
    document = make.document(
        make.network("linear:5"), make.network(name), make.network(f"{name}@lr=1", lr={"0.1": 3, "1": 7}),
        verdicts=[make.verdict(name, *RULES["worse"])], no_verdict=[make.no_verdict(f"{name}@lr=1", "no reason")],
        checks=[make.check(name, "diverged"), make.check(name, "seeds_alike")],
        sweeps=[make.chosen(name, f"{name}@lr=1")], top=make.chosen("", name), notes=make.notes(f"see {name}"),
    )  # fmt: skip
    text = comparison_text(document, width=width)
    assert text.count(name) == unfolded(text).count(name) == 12
    assert "…" not in text
    assert all(name in line for line in prose(text) if len(line) > width)


def test_a_name_that_contains_another_is_not_broken(make):
    long = "my net of two layers"
    notes = make.notes(*("x " * n + long for n in range(55)))
    text = comparison_text(make.document(make.network("my net"), make.network(long), notes=notes))
    assert text.count(long) == unfolded(text).count(long) == 56


def test_square_brackets_in_names_and_notes_are_shown_unchanged(make):
    document = make.document(
        make.network("nets[red]/a.py:Net"), target="y[bold]", table="t[1]", notes=make.notes("column 'x[red]' is 1")
    )
    text = comparison_text(document)
    for words in ("y[bold] of t[1]:", "nets[red]/a.py:Net", "column 'x[red]' is 1"):
        assert words in text


def test_the_text_has_no_colours_and_no_spaces_at_line_ends(make):
    text = comparison_text(two(make, "worse", checks=[make.check("relu:5", "diverged")], brackets=[[0, 1]]))
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line != line.rstrip()] == []
