"""Results of searches, cross-validations and trackers are judged as they are."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as ms
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import seedbed as sb

X, y = make_classification(300, random_state=0)
DEPTHS = {"max_depth": [1, 3, 6]}


def tree(depth=None):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


@pytest.fixture(scope="module")
def grid():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # -2 fails
        settings = DEPTHS | {"min_samples_leaf": [1, -2]}
        return ms.GridSearchCV(
            tree(),
            settings,
            cv=ms.RepeatedKFold(n_splits=5, n_repeats=2, random_state=0),
        ).fit(X, y)


def by_hand(results, rows):
    scores = [[results[f"split{i}_test_score"][row] for i in range(10)] for row in rows]
    return {
        f"max_depth={results['params'][row]['max_depth']}": each
        for row, each in zip(rows, scores, strict=True)
    }


def differences(judgement):
    return [
        (one["difference"], one["low"], one["high"], one["p_adjusted"])
        for one in judgement.verdicts
    ]


def test_a_grid_search_is_judged_without_the_settings_that_failed(grid):
    judgement = sb.judge(grid)
    expected = sb.judge(
        by_hand(grid.cv_results_, [0, 2, 4]), folds=5, score="accuracy", tried=3
    )
    assert differences(judgement) == differences(expected)
    assert [one["comparisons"] for one in judgement.verdicts] == [5, 5]
    assert (
        "Left out, as scores are missing: 'max_depth=1, min_samples_leaf=-2'"
        in " ".join(str(judgement).split())
    )
    assert judgement.reference == "max_depth=1, min_samples_leaf=1"


def test_results_as_mapping_data_frame_and_file_give_verdicts_of_search(grid, tmp_path):
    frame = pd.DataFrame(grid.cv_results_)
    frame.to_csv(tmp_path / "results.csv", index=False)
    for source in (
        grid.cv_results_,
        frame,
        tmp_path / "results.csv",
        frame.drop(columns="params"),
    ):
        judgement = sb.judge(source, folds=5, score="accuracy")
        assert differences(judgement) == [
            pytest.approx(each) for each in differences(sb.judge(grid))
        ]
        message = r"10 splits .* may be random splits or folds"
        with pytest.raises(sb.OptionError, match=message):
            sb.judge(source)


def test_the_splitter_and_the_score_of_a_search_are_read():
    cv = ms.ShuffleSplit(10, test_size=0.25, random_state=0)
    search = ms.RandomizedSearchCV(
        DecisionTreeRegressor(),
        DEPTHS,
        n_iter=3,
        scoring="neg_mean_squared_error",
        cv=cv,
    )
    document = sb.judge(search.fit(X, X[:, 0])).to_dict()
    assert document["plan"]["kind"] == "random_splits"
    assert document["plan"]["test_share"] == 0.25
    metric = document["metric"]
    expected = ("mean_squared_error", False)
    assert (metric["name"], metric["greater_is_better"]) == expected
    assert all(
        one["scores"]["mean_squared_error"]["mean"] > 0
        for one in document["candidates"]
    )
    assert "random" not in str(sb.judge(ms.GridSearchCV(tree(), DEPTHS).fit(X, y)))


GROUPS = np.arange(300) % 6
SPLITTERS = {
    "leave one group out": (ms.LeaveOneGroupOut(), ("cross_validation", 6, 1 / 6)),
    "predefined": (ms.PredefinedSplit(GROUPS), ("cross_validation", 6, 1 / 6)),
    "leave one out": (ms.LeaveOneOut(), ("cross_validation", 30, 1 / 30)),
    "random halves": (
        ms.ShuffleSplit(9, train_size=0.5, random_state=0),
        ("random_splits", 9, 0.5),
    ),
    "rows": ([*ms.KFold(4).split(X[:30])], ("cross_validation", 4, 1 / 4)),
    "time": (ms.TimeSeriesSplit(4), None),
    "rows in time": ([*ms.TimeSeriesSplit(4).split(X[:30])], None),
    "bootstrap": ([(np.repeat(np.arange(15), 2), np.arange(15, 30))] * 3, None),
}


@pytest.mark.parametrize("kind", SPLITTERS)
def test_the_splits_of_a_search_and_of_indices_are_those_of_the_splitter(kind):
    splitter, expected = SPLITTERS[kind]
    n = 300 if kind == "predefined" else 30
    groups = {"groups": GROUPS[:n]} if "group" in kind else {}
    search = ms.GridSearchCV(tree(), DEPTHS, cv=splitter).fit(X[:n], y[:n], **groups)
    indices = {"return_indices": True, "cv": splitter} | groups
    results = {
        name: ms.cross_validate(tree(name), X[:n], y[:n], **indices) for name in (1, 5)
    }
    for source in (search, results):
        if expected is None:
            message = "no corrected test is known to keep its error"
            with pytest.raises(sb.OptionError, match=message):
                sb.judge(source, folds=4)
            continue
        plan = sb.judge(source).to_dict()["plan"]
        assert (plan["kind"], plan["folds"], plan["test_share"]) == pytest.approx(
            expected
        )
        message = r"folds=3, and the splits are those of .*Leave"
        with pytest.raises(sb.OptionError, match=message):
            sb.judge(source, folds=3)


def test_models_that_were_tested_on_different_rows_are_not_compared():
    results = {
        name: ms.cross_validate(
            tree(1),
            X,
            y,
            cv=ms.KFold(5, shuffle=True, random_state=name),
            return_indices=True,
        )
        for name in (1, 2)
    }
    message = "1 and 2 were tested on different rows in split 0"
    with pytest.raises(sb.DataError, match=message):
        sb.judge(results, score="accuracy")


IDS = dict(
    id=({"id": [f"Fold{i % 10:02}.Rep{i // 10}" for i in range(50)]}, {}, 5),
    Resample=({"Resample": [f"Fold{i:02}" for i in range(50)]}, {"folds": 10}, 5),
    id2=(
        dict(
            id=[f"Repeat{i // 10}" for i in range(50)],
            id2=[f"Fold{i % 10}" for i in range(50)],
        ),
        {},
        5,
    ),
    fold=({"fold": [f"Rep{i // 10} Fold{i % 10}" for i in range(20)]}, {}, 2),
    random=({"id": [f"Resample{i:02}" for i in range(50)]}, {"test_share": 0.1}, 1),
)


@pytest.mark.parametrize("form", IDS)
def test_ids_of_tidymodels_and_caret_are_folds_and_not_items(form):
    ids, options, repeats = IDS[form]
    n = len(next(iter(ids.values())))
    columns = dict(
        model=["a"] * n + ["b"] * n, accuracy=np.random.default_rng(0).random(2 * n)
    )
    frame = pd.DataFrame(columns | {name: 2 * labels for name, labels in ids.items()})
    plan = sb.judge(frame, **options).to_dict()["plan"]
    assert (plan["repeats"], plan["df"]) == (repeats, 9)


def test_settings_have_short_names_and_neg_log_loss_is_shown_as_the_log_loss():
    search = ms.GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.0123456789, 0.0123999, 19.549524484259873]},
        scoring="neg_log_loss",
    )
    judgement = sb.judge(search.fit(X, y))
    candidates = judgement.to_dict()["candidates"]
    assert [one["name"] for one in candidates] == ["C=0.0123", "C=0.0124", "C=19.5"]
    assert "Log loss: low is good, and it decides." in str(judgement)
    assert all(one["scores"]["log_loss"]["mean"] > 0 for one in candidates)


def test_of_a_scorer_without_a_known_name_more_is_better_and_equal_scores_are_named():
    own = sb.judge({name: {"test_ll": [0.1, 0.2, 0.4]} for name in "abcd"}, folds=3)
    assert "Score 'll': high is good, and it decides." in str(own)
    assert "p, adjusted for 3 comparisons: all 1." in str(own)
    assert str(own).count("a, b, c and d have the same scores everywhere.") == 1


def test_a_setting_that_is_there_twice_is_refused():
    trials = {"param_depth": [1, 3, 3]} | {
        f"split{i}_test_accuracy": [0.8, 0.7 + i / 10, 0.75] for i in range(2)
    }
    message = r"both scores of depth=3.* Keep one of them"
    with pytest.raises(sb.DataError, match=message):
        sb.judge(pd.DataFrame(trials), folds=2)


def test_several_scores_need_a_name_unless_the_search_refits_by_one():
    search = ms.GridSearchCV(
        tree(), DEPTHS, scoring=["accuracy", "roc_auc"], refit="roc_auc"
    ).fit(X, y)
    assert sb.judge(search).to_dict()["metric"]["name"] == "roc_auc"
    message = "'accuracy', 'roc_auc' could all be the score"
    with pytest.raises(sb.ColumnError, match=message):
        sb.judge(search.cv_results_, folds=5)


def test_cross_validations_by_name_are_judged_with_the_folds_of_their_indices():
    results = {
        name: ms.cross_validate(tree(depth), X, y, cv=5, return_indices=True)
        for name, depth in (("a", 1), ("b", 5))
    }
    expected = sb.judge(
        {name: each["test_score"] for name, each in results.items()},
        folds=5,
        score="accuracy",
    )
    assert differences(sb.judge(results, score="accuracy")) == differences(expected)


def test_runs_of_a_tracker_have_their_settings_and_scores_in_prefixed_columns(scores):
    columns = scores(gain=0.03)
    about = {
        "run_id": [f"r{i}" for i in range(20)],
        "experiment_id": ["0"] * 20,
        "tags.mlflow.user": ["1"] * 20,
    }
    tracked = {
        f"params.{name}": list(map(str, columns[name]))
        for name in ("candidate", "fold")
    }
    found = sb.judge(
        pd.DataFrame(about | tracked | {"metrics.accuracy": columns["accuracy"]})
    )
    assert differences(found) == differences(sb.judge(columns))
    runs = {"params.model": ["old", "new"], "metrics.accuracy": [0.8, 0.83]}
    folds = np.reshape(columns["accuracy"], (2, 10)).T
    runs |= {
        f"metrics.fold_{i}_accuracy": each.tolist() for i, each in enumerate(folds)
    }
    assert differences(sb.judge(pd.DataFrame(runs))) == differences(sb.judge(columns))


def test_scores_of_several_tables_are_refused(scores):
    parts = [scores(key=key) for key in range(2)]
    both = {name: [*parts[0][name], *parts[1][name]] for name in parts[0]}
    message = r"column 'task' names 2 tables\. Judge each"
    with pytest.raises(sb.OptionError, match=message):
        sb.judge(both | {"task": ["a"] * 20 + ["b"] * 20})


# DeepEval


def deepeval_run(wins):
    """A test run with one metric, as DeepEval writes it."""
    cases = [
        {
            "name": f"test_case_{number}",
            "success": bool(win),
            "metricsData": [{"name": "Answer Relevancy", "score": 0.4 + 0.5 * win}],
        }
        for number, win in enumerate(wins)
    ]
    return {"testCases": cases}


RUNS = {
    "base": deepeval_run(np.arange(60) % 3 == 0),
    "tuned": deepeval_run(np.arange(60) % 3 < 2),
}


def test_runs_of_deepeval_are_judged_by_success():
    judgement = sb.judge(RUNS)
    assert judgement.is_better("tuned")
    assert judgement.conclusion.plan.kind == "items"
    assert judgement.conclusion.metric.name == "accuracy"
    assert judgement["tuned"]["difference"] == pytest.approx(1 / 3)


def test_runs_of_deepeval_are_judged_by_a_metric():
    judgement = sb.judge(RUNS, score="Answer Relevancy", lower_is_better=False)
    assert judgement["tuned"]["difference"] == pytest.approx(1 / 6)


def test_a_folder_of_deepeval_is_read(tmp_path):
    for name, run in RUNS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(run))
    assert differences(sb.judge(tmp_path)) == differences(sb.judge(RUNS))
    assert differences(sb.judge(str(tmp_path))) == differences(sb.judge(RUNS))
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(sb.DataError, match="DeepEval's test runs alone"):
        sb.judge(tmp_path)
    (tmp_path / "other.json").write_text("{")
    with pytest.raises(sb.DataError, match="isn't JSON"):
        sb.judge(tmp_path)


def test_a_metric_that_a_case_lacks_is_refused():
    run = deepeval_run([1] * 60)
    run["testCases"][-1]["metricsData"] = None
    with pytest.raises(sb.DataError):
        sb.judge(RUNS | {"tuned": run}, score="Answer Relevancy", lower_is_better=False)
