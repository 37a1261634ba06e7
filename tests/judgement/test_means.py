"""Means and standard deviations, as papers print them, give no verdict, but bounds."""

import math

import numpy as np
import pandas as pd
import pytest

import seedbed as sb

PAPER = {"model": ["a", "b"], "accuracy": [0.85, 0.87], "std": [0.02, 0.03], "n": [10, 10]}
FORMS = {
    "mean and std": {"model": ["a", "b"], "mean": [0.85, 0.87], "std": [0.02, 0.03], "count": [10, 10]},
    "names with the score": {"clf": ["a", "b"], "mean_accuracy": [0.85, 0.87], "accuracy_sd": [0.02, 0.03]},
    "plus and minus": {"method": ["a", "b"], "accuracy": ["85.0 ± 2.0", "87.0 +/- 3.0%"], "splits": [10, 10]},
    "a score and std": PAPER,
}


@pytest.mark.parametrize("form", FORMS)
def test_means_and_deviations_have_bounds_from_correlated_to_unrelated_scores(form):
    judgement = sb.judge(FORMS[form], score="accuracy", folds=10)
    (one,) = judgement.to_dict()["on_these_rows"]
    scale = (
        math.sqrt(1 / 10 + 1 / 9) * 2.2621571628540993
    )  # the 97.5 % quantile of Student's t with 9 degrees of freedom
    reach, near = scale * math.hypot(0.02, 0.03), scale * 0.01
    assert [one[key] for key in ("difference", "low", "high", "correlated_low", "correlated_high")] == pytest.approx(
        [0.02, 0.02 - reach, 0.02 + reach, 0.02 - near, 0.02 + near]
    )
    assert (judgement.verdicts, judgement.is_better("b")) == ([], False)
    said = " ".join(str(judgement).split())
    assert "No verdict: means and standard deviations don't say how" in said
    assert "if both scores rise and fall together over the splits (correlation 1)" in said


def test_the_interval_of_paired_scores_lies_within_the_bounds():
    rng = np.random.default_rng(0)
    old = rng.normal(0.8, 0.02, 10)
    table = pd.DataFrame({"old": old, "new": 0.6 * old + rng.normal(0.35, 0.01, 10)})
    paired = sb.judge(table, score="accuracy", folds=10)["new"]
    summary = table.agg(["mean", "std"]).T.reset_index(names="model")
    (bounds,) = sb.judge(summary, score="accuracy", folds=10).to_dict()["on_these_rows"]
    assert bounds["low"] < paired["low"] < bounds["correlated_low"]
    assert bounds["correlated_high"] < paired["high"] < bounds["high"]


def test_without_the_number_of_splits_there_are_no_bounds_and_the_first_answer_says_what_to_give():
    said = " ".join(str(sb.judge({"model": ["a", "b"], "mean": [0.85, 0.87], "std": [0.02, 0.03]})).split())
    assert "With the scores of each split there is a verdict" in said
    assert "say how many splits there were: folds=10" in said
    assert "higher is better, by default" in said
    many = {**PAPER, "n": [100, 100]}
    assert sb.judge(many).to_dict()["plan"]["df"] is None
    assert sb.judge(many, folds=10).to_dict()["plan"]["df"] == 9
    assert sb.judge(many, test_share=0.2).to_dict()["plan"]["df"] == 9
    with pytest.raises(sb.OptionError, match="folds is 7, and there are 100 splits"):
        sb.judge(many, folds=7)


def test_a_lower_error_improves_and_two_scores_need_a_name():
    errors = {"model": ["a", "b"], "rmse": [3.0, 2.0], "rmse_std": [0.1, 0.2], "mae": [2.0, 1.8], "mae_std": [0.1, 0.1]}
    with pytest.raises(sb.ColumnError, match="'rmse' and 'mae' could both be the mean score"):
        sb.judge(errors)
    (one,) = sb.judge(errors, score="rmse").to_dict()["on_these_rows"]
    assert one["difference"] == 1


def test_scores_of_splits_with_a_deviation_beside_them_are_judged_as_scores(scores):
    columns = scores(folds=5, gain=0.03)
    assert sb.judge(columns | {"std": [0.1] * 10}, score="accuracy").is_better("new")
