"""Verdicts on scores, compared with hand calculations and baycomp."""

import importlib
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import seedbed as sb
from seedbed.evaluation.estimates import corrected_t, simultaneous_quantile

OLD = [0.80, 0.78, 0.83, 0.79, 0.81]
NEW = [0.83, 0.81, 0.85, 0.83, 0.84]
WIDE = {"fold": [0, 1, 2, 3, 4], "old": OLD, "new": NEW}


def test_five_folds_agree_with_a_calculation_by_hand():
    verdict = sb.judge(WIDE, score="accuracy")["new"]
    # Differences are .03 .03 .02 .04 .03: mean .03, sum of squared deviations .0002, s =
    # sqrt(.00005).
    se = math.sqrt(0.00005 * (1 / 5 + 1 / 4))
    # the 97.5 % quantile of Student's t with 4 degrees of freedom
    half = 2.7764451051977934 * se
    expected = (0.03, 0.03 - half, 0.03 + half, 2 * stats.t.sf(0.03 / se, 4))
    assert tuple(
        verdict[key] for key in ("difference", "low", "high", "p")
    ) == pytest.approx(expected, abs=1e-10)
    assert verdict["rule"] == "better"


def test_seeds_are_averaged_within_a_split_and_their_noise_leaves_the_interval(scores):
    several = scores(repeats=2, folds=5, seeds=4, gain=0.005)
    frame = pd.DataFrame(several)
    means = frame.groupby(["candidate", "repeat", "fold"], sort=False, as_index=False)[
        "accuracy"
    ].mean()
    one, other = sb.judge(several)["new"], sb.judge(means)["new"]
    assert one["difference"] == pytest.approx(other["difference"])
    assert one["high"] - one["low"] < other["high"] - other["low"]


def test_scores_of_one_split_are_never_called_better(scores):
    judgement = sb.judge(scores(folds=1, seeds=50, gain=0.05))
    assert judgement.verdicts == []
    assert not judgement.is_better("new")
    assert "they say nothing about other rows" in " ".join(str(judgement).split())


def test_a_lower_error_is_better():
    errors = dict(
        fold=WIDE["fold"], old=[1 - one for one in OLD], new=[1 - one for one in NEW]
    )
    as_error = sb.judge(errors, score="error")
    as_accuracy = sb.judge(WIDE, score="accuracy")
    assert as_error["new"]["difference"] == pytest.approx(
        as_accuracy["new"]["difference"]
    )
    assert "better; gain in error +" in as_error["new"]["sentence"]
    assert "new. It is shown to be better than old." in str(as_error)
    assert "F1: high is good" in str(sb.judge(WIDE, score="f1"))


def test_without_row_counts_the_rows_needed_are_a_multiple():
    table = dict(
        fold=[0, 1, 2, 3], old=[0.7, 0.8, 0.75, 0.8], new=[0.8, 0.7, 0.8, 0.75]
    )
    found = sb.judge(table, score="accuracy", margin=0.05)
    assert found["new"]["rows_needed"] is None
    assert found["new"]["rows_factor"] > 1
    assert "times as many rows to tell" in str(found)


def test_long_and_wide_forms_and_frames_of_any_library_give_one_answer(scores, csv):
    long = scores(folds=6, gain=0.01)
    table = pd.DataFrame(long)
    wide = table.pivot(
        index="fold", columns="candidate", values="accuracy"
    ).reset_index()[["fold", "old", "new"]]
    forms = [long, table, pl.DataFrame(long), csv(long)]
    verdicts = [sb.judge(form)["new"] for form in forms] + [
        sb.judge(wide, score="accuracy")["new"]
    ]
    keys = ("difference", "low", "high", "p")
    for verdict in verdicts[1:]:
        assert [verdict[key] for key in keys] == pytest.approx(
            [verdicts[0][key] for key in keys]
        )


def test_discarded_attempts_widen_interval_like_candidates_even_billion_of_them(scores):
    found = scores(repeats=3, folds=10, gain=0.006)
    alone, tried = sb.judge(found)["new"], sb.judge(found, tried=9)["new"]
    assert tried["comparisons"] == 10
    assert tried["p_adjusted"] == pytest.approx(min(1.0, 10 * alone["p"]))
    assert (tried["high"] - tried["low"]) / (
        alone["high"] - alone["low"]
    ) == pytest.approx(simultaneous_quantile(0.05, 10, 9) / stats.t.ppf(0.975, 9))
    tried = sb.judge(found, tried=10**9)["new"]
    ratio = stats.t.isf(0.025 / (10**9 + 1), 9) / stats.t.isf(0.025, 9)
    assert (tried["high"] - tried["low"]) / (
        alone["high"] - alone["low"]
    ) == pytest.approx(ratio)
    assert tried["p_adjusted"] == 1


@pytest.mark.slow
def test_fifty_thousand_seeds_a_fold_need_memory_for_the_scores_only():
    rng = np.random.default_rng(0)
    n, tracemalloc = 50_000, importlib.import_module("tracemalloc")
    table = pd.DataFrame({"fold": np.repeat([0, 1], n), "a": 0.9 * rng.random(2 * n)})
    table["b"] = 0.9 * rng.random(2 * n) + 0.09
    table["seed"] = np.arange(2 * n)  # another seed in each row
    tracemalloc.start()
    sb.judge(table, score="accuracy")
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def test_a_ranking_is_tested_in_one_calculation_for_each_candidate_not_for_each_pair(
    monkeypatch,
):
    calls = []
    judging = importlib.import_module("seedbed.judgement.judging")
    monkeypatch.setattr(
        judging,
        "corrected_t",
        lambda x, **level: calls.append(x) or corrected_t(x, **level),
    )
    rng = np.random.default_rng(0)
    table = {
        f"m{i:02}": 0.5 + 0.01 * i + 0.005 * rng.normal(size=10) for i in range(40)
    }
    judgement = sb.judge(table, score="accuracy", folds=10)
    assert len(calls) <= 40 + 40  # against the reference, and the scores
    assert len(judgement.verdicts) == 39


def test_identical_candidates_are_named_and_a_constant_difference_has_no_verdict():
    same = sb.judge(
        {"fold": [0, 1, 2], "a": [0.7, 0.8, 0.9], "b": [0.7, 0.8, 0.9]},
        score="accuracy",
    )
    assert same["b"]["rule"] == "no_practical_difference"
    assert "Are they the same model?" in str(same)
    constant = sb.judge(
        {"fold": [0, 1, 2], "a": [0.7, 0.7, 0.7], "b": [0.8, 0.8, 0.8]},
        score="accuracy",
    )
    assert constant.verdicts == []
    assert "by the same 0.1 in all splits" in str(constant)


def test_scores_without_an_error_in_any_split_have_no_interval_and_no_verdict():
    judgement = sb.judge(
        {"a": [1.0] * 5, "b": [1.0] * 5, "c": [1.0, 0.9, 1.0, 1.0, 1.0]},
        score="accuracy",
        folds=5,
    )
    assert [one["candidate"] for one in judgement.verdicts] == ["c"]
    assert "it and a have the same score, 1, in all splits" in " ".join(
        str(judgement).split()
    )
    scores = {
        one["name"]: one["scores"]["accuracy"]
        for one in judgement.to_dict()["candidates"]
    }
    assert scores["a"]["low"] is None
    assert scores["a"]["high"] is None
    assert scores["c"]["high"] == 1


def test_the_default_margin_is_a_point_a_hundredth_or_a_share_of_the_reference():
    def margin(score, factor=1.0):
        table = dict(
            fold=WIDE["fold"],
            old=[factor * one for one in OLD],
            new=[factor * one for one in NEW],
        )
        return sb.judge(table, score=score).to_dict()["metric"]["margin"]

    assert [margin("accuracy"), margin("f1")] == [0.01, 0.01]
    assert margin("rmse", 100) == pytest.approx(0.02 * 80.2)
    assert margin("r2", -3) == 0.01


@given(
    st.lists(
        st.tuples(st.floats(0.5, 0.9), st.floats(0.5, 0.9)), min_size=3, max_size=12
    )
)
def test_swapping_the_reference_turns_the_interval_around(pairs):
    old, new = (list(values) for values in zip(*pairs, strict=True))
    table = {"fold": range(len(old)), "old": old, "new": new}
    one = sb.judge(table, score="accuracy")
    other = sb.judge(table, score="accuracy", reference="new")
    if one.verdicts:
        assert (one["new"]["low"], one["new"]["high"]) == pytest.approx(
            (-other["old"]["high"], -other["old"]["low"])
        )
        assert one.is_better("new") == other.is_worse("old")
