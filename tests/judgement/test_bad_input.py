"""Each error in a file of scores raises one clear sentence."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

import seedbed as sb

from ..cases import with_texts


def without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


ITEMS = {"model": [*"aabb"], "item": [1, 1, 2, 2], "correct": [0, 1, 1, 0]}
TRIALS = dict(params_depth=[1, 2], user_attrs_fold_0=[1, 2], user_attrs_fold_1=[1, 2])
FOLDS = [*range(9), "Mean (SD)"]
SAMPLES = dict(accuracy=[0.7, 0.8] * 10, id=[f"Resample{i:02}" for i in range(10)] * 2)
CASES = {
    "a number for a list": lambda c: {"a": 0.8},
    "nothing": lambda c: None,
    "lists of lists": lambda c: [[0.8], [0.9]],
    "no columns": lambda c: {},
    "a search on one split": lambda c: GridSearchCV(
        Ridge(), {"alpha": [1, 2]}, cv=[(range(9), range(9, 20))]
    ).fit(np.arange(20)[:, None], c["accuracy"]),
    "an unfitted search": lambda c: GridSearchCV(Ridge(), {}),
    "one cross-validation": lambda c: dict(
        fit_time=[1, 2], score_time=[1, 2], test_score=[0.8, 0.9]
    ),
    "a negated error": lambda c: (
        without(c, "accuracy") | {"log_loss": [-v for v in c["accuracy"]]}
    ),
    "an error that isn't negated": lambda c: (
        without(c, "accuracy") | {"neg_rmse": c["accuracy"]}
    ),
    "an area above 1": lambda c: (
        without(c, "accuracy") | {"roc_auc": [100 * v for v in c["accuracy"]]}
    ),
    "a mean among the folds": lambda c: c | {"fold": FOLDS * 2},
    "an average among the tables": lambda c: (
        c | {"table": ["Average", *"abcdefghi"] * 2}
    ),
    "a mean in an index": lambda c: pd.DataFrame(
        {"a": [0.7, 0.8, 0.75], "b": [0.8, 0.9, 0.85]}, [0, 1, "mean"]
    ),
    "samples of rows": lambda c: without(c, "repeat", "fold", "seed") | SAMPLES,
    "settings without splits": lambda c: {"params_depth": [1, 2], "value": [0.8, 0.9]},
    "no direction": lambda c: TRIALS,
    "percent": lambda c: c | {"accuracy": ["81%"] * 20},
    "a run without a fold": lambda c: c | {"fold": ["", *c["fold"][1:]]},
    "attempts without a number": lambda c: ITEMS,
    "an attempt twice": lambda c: ITEMS | {"attempt": [1, 1, 1, 2]},
    "numbers as names": lambda c: {"net": [*"ab"], "0": [0.5, 0.6], "1": [0.5, 0.7]},
    "a score and a number": lambda c: {"of": c["seed"], "loss": c["seed"]},
    "lengths": lambda c: {"a": {"test_score": [1, 1]}, "c": {"test_score": [1]}},
    "times alone": lambda c: {"a": {"fit_time": [1, 2]}},
    "no candidates": lambda c: without(c, "candidate"),
    "a text": lambda c: c | {"accuracy": ["oops", *c["accuracy"][1:]]},
    "a huge score": lambda c: without(c, "accuracy") | {"mse": [1e300] * 20},
    "a missing row": lambda c: {k: v[:-1] for k, v in c.items()},
    "a score that is NaN": lambda c: (
        c | {"accuracy": [float("nan"), *c["accuracy"][1:]]}
    ),
    "a row given twice": lambda c: {k: [*v, v[0]] for k, v in c.items()},
    "no share": lambda c: c | {"accuracy": [-v for v in c["accuracy"]]},
    "one candidate": lambda c: {k: v[:10] for k, v in c.items()},
    "predictions": lambda c: (
        without(c, "accuracy") | {"probability": c["accuracy"], "y": c["seed"]}
    ),
}
CASES = with_texts(
    CASES,
    """
a number for a list: 'a' holds 0.8, and not a list of scores
nothing: scores can't be read from None. Give a path, a data frame, a mapping
lists of lists: scores can't be read from [[0.8], [0.9]]
no columns: the mapping: there are no rows
a search on one split: the GridSearchCV has one split, and a verdict needs several
an unfitted search: the GridSearchCV isn't fitted
one cross-validation: these are the scores of one model
a negated error: It can't be negative. Give score="neg_log_loss" where it is negated
an error that isn't negated: rmse of old goes from -0.8
an area above 1: It goes from 0 to 1: divide percent by 100
a mean among the folds: row 9 (counted from 0) holds 'Mean (SD)' in column 'fold'. Leave out rows that summarise
an average among the tables: holds 'Average' in column 'table'
a mean in an index: holds 'mean' in column 'index'
samples of rows: bootstrap samples, which repeat rows; no corrected test is known
settings without splits: no scores of single splits
no direction: 'value' is better. Say whether lower is better
percent: '81%', which is no number. Write a share from 0 to 1
a run without a fold: Fill it in, or leave the row out
attempts without a number: if they are different attempts, add a column 'attempt'
an attempt twice: scores of a, item 1, seed 1. Keep one of them
numbers as names: Add a column 'candidate'
a score and a number: 'of', 'loss' look like scores
lengths: Score all candidates on the same
times alone: there are no scores of splits for a
no candidates: no column names the candidates, and 'accuracy' looks like
a text: holds 'oops', which is no number
a huge score: holds 1e+300. Numbers may be up
a missing row: scores are missing: new in repeat 0, fold 9
a score that is NaN: missing: old in repeat 0
a row given twice: are both scores of old, repeat 0, fold 0
no share: accuracy of old goes from -0.8
one candidate: there is one candidate, old
predictions: no column names the row of the table that is predicted
""",
)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_raises_one_sentence_that_says_what_to_do(scores, case):
    spoil, message = CASES[case]
    with pytest.raises(sb.SeedbedError) as caught:
        sb.judge(spoil(scores()))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"margin": 1e-300},
            "margin is 1e-300. Give the smallest difference that matters, from 1e-30 to 1e30.",
        ),
        ({"tried": -1}, "tried is -1"),
        (
            {"group": "fold"},
            "group is about rows, and the mapping contains scores of whole folds",
        ),
        (
            {"score": "acuracy"},
            "there is no column 'acuracy'. Did you mean 'accuracy'?",
        ),
    ],
)
def test_an_invalid_option_is_refused(scores, options, message):
    with pytest.raises(sb.SeedbedError) as caught:
        sb.judge(scores(), **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("size", [1e-160, 1e-29, 1e29])
@pytest.mark.parametrize(
    "options", [{"margin": 1e-30}, {"margin": 1e30, "alpha": 1e-9, "tried": 10**9}]
)
def test_extreme_numbers_give_a_finite_document(size, options):
    y, old, new = (size * (0.1 + np.random.default_rng(0).random((3, 40)))).tolist()
    rows = {"y": y, "old": old, "new": new}
    for columns, score in (({"fold": [*range(10)] * 4, **rows}, "mae"), (rows, None)):
        judgement = sb.judge(columns, score=score, **options)
        assert json.dumps(judgement.to_dict(), allow_nan=False)
        assert "nan" not in str(judgement)


MEANS = {
    "mean and std": dict(
        model=["a", "b"], mean=[0.85, 0.87], std=[0.02, 0.03], count=[10, 10]
    ),
    "names with the score": dict(
        net=["a", "b"], accuracy_mean=[0.85, 0.87], accuracy_sd=[0.02, 0.03]
    ),
    "plus and minus": dict(method=["a", "b"], accuracy=["85.0 ± 2.0", "87.0 +/- 3.0%"]),
}


@pytest.mark.parametrize("form", MEANS)
def test_means_with_standard_deviations_are_refused_with_the_reason(scores, form):
    message = r"deviations of scores\. They don't say how the scores of two"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(MEANS[form], score="accuracy", folds=10)
    assert sb.judge(
        scores(gain=0.03) | {"std": [0.1] * 20}, score="accuracy"
    ).is_better("new")


def test_scores_in_percent_and_with_decimal_commas_are_refused(scores):
    columns = scores()
    message = r"goes from 78.* to 8.*divide percent by 100"
    with pytest.raises(sb.DataError, match=message):
        sb.judge(columns | {"accuracy": [100 * value for value in columns["accuracy"]]})
    message = r"'0,8.*', which is no number\. Write a decimal point"
    with pytest.raises(sb.ColumnError, match=message):
        sb.judge(columns | {"accuracy": ["0,81", *columns["accuracy"][1:]]})


def test_more_candidates_tables_and_attempts_than_can_be_judged_are_refused(scores):
    names = [str(i // 2) for i in range(2002)]
    many = {"fold": [0, 1] * 1001, "name": names, "accuracy": [0.5, 0.6] * 1001}
    message = "has 1,001 different values; the most are 1,000"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(many)
    message = "1,001 columns or names look like candidates; the most are 1,000"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge({name: [0.5, 0.6] for name in names}, score="accuracy", folds=2)
    with pytest.raises(sb.OptionError, match="tried is 10000000000"):
        sb.judge(scores(), tried=10**10)
