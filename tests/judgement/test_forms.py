"""Results of searches, cross-validations, studies and trackers are judged as they are."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as ms
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer
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


def test_a_grid_search_is_judged_without_the_settings_that_failed_which_count_as_tried(
    grid,
):
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


def test_results_as_a_mapping_a_data_frame_and_a_file_give_the_verdicts_of_the_search(
    grid, tmp_path
):
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
        with pytest.raises(
            sb.OptionError, match=r"10 splits .* may be random splits or folds"
        ):
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
    assert (document["plan"]["kind"], document["plan"]["test_share"]) == (
        "random_splits",
        0.25,
    )
    metric = document["metric"]
    assert (metric["name"], metric["greater_is_better"]) == (
        "mean_squared_error",
        False,
    )
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
            with pytest.raises(
                sb.OptionError, match="no corrected test is known to keep its error"
            ):
                sb.judge(source, folds=4)
            continue
        plan = sb.judge(source).to_dict()["plan"]
        assert (plan["kind"], plan["folds"], plan["test_share"]) == pytest.approx(
            expected
        )
        with pytest.raises(
            sb.OptionError, match=r"folds=3, and the splits are those of .*Leave"
        ):
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
    with pytest.raises(
        sb.DataError, match="1 and 2 were tested on different rows in split 0"
    ):
        sb.judge(results, score="accuracy")


IDS = {
    "id": ({"id": [f"Fold{i % 10:02}.Rep{i // 10}" for i in range(50)]}, {}, 5),
    "Resample": ({"Resample": [f"Fold{i:02}" for i in range(50)]}, {"folds": 10}, 5),
    "id2": (
        {
            "id": [f"Repeat{i // 10}" for i in range(50)],
            "id2": [f"Fold{i % 10}" for i in range(50)],
        },
        {},
        5,
    ),
    "fold": ({"fold": [f"Rep{i // 10} Fold{i % 10}" for i in range(20)]}, {}, 2),
    "random": ({"id": [f"Resample{i:02}" for i in range(50)]}, {"test_share": 0.1}, 1),
}


@pytest.mark.parametrize("form", IDS)
def test_ids_of_tidymodels_and_caret_are_folds_and_not_items(form):
    ids, options, repeats = IDS[form]
    n = len(next(iter(ids.values())))
    columns = {
        "model": ["a"] * n + ["b"] * n,
        "accuracy": np.random.default_rng(0).random(2 * n),
    }
    frame = pd.DataFrame(columns | {name: 2 * labels for name, labels in ids.items()})
    plan = sb.judge(frame, **options).to_dict()["plan"]
    assert (plan["repeats"], plan["df"]) == (repeats, 9)


LOG_LOSS = make_scorer(
    log_loss, greater_is_better=False, response_method="predict_proba"
)


@pytest.mark.parametrize(
    "scoring", [{"ll": "neg_log_loss"}, {"ll": LOG_LOSS}, LOG_LOSS]
)
def test_settings_have_short_names_and_an_own_scorer_is_named_by_its_error(scoring):
    search = ms.GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.0123456789, 0.0123999, 19.549524484259873]},
        scoring=scoring,
        refit="ll" if isinstance(scoring, dict) else True,
    )
    judgement = sb.judge(search.fit(X, y))
    names = [one["name"] for one in judgement.to_dict()["candidates"]]
    assert names == ["C=0.0123", "C=0.0124", "C=19.5"]
    assert "Log loss: low is good, and it decides." in str(judgement)
    assert all(
        one["scores"]["log_loss"]["mean"] > 0
        for one in judgement.to_dict()["candidates"]
    )


def test_equal_scores_of_an_unknown_kind_are_named_once():
    own = sb.judge({name: {"test_ll": [0.1, 0.2, 0.4]} for name in "abcd"}, folds=3)
    assert "Score 'll': high is good, and it decides." in str(own)
    assert "p, adjusted for 3 comparisons: all 1." in str(own)
    assert str(own).count("a, b, c and d have the same scores everywhere.") == 1


def test_the_last_round_of_a_halving_search_is_judged_and_what_fell_out_before_counts():
    search = ms.HalvingGridSearchCV(
        tree(), {"max_depth": [1, 2, 3, 4, 5, 6]}, factor=2, random_state=0
    ).fit(X, y)
    document = sb.judge(search).to_dict()
    rounds = pd.Series(search.cv_results_["iter"]).value_counts()
    last = max(rounds[rounds > 1].index)
    assert len(document["candidates"]) == rounds[last]
    assert document["plan"]["tried"] == 6 - rounds[last]


def test_several_scores_need_a_name_unless_the_search_refits_by_one():
    search = ms.GridSearchCV(
        tree(), DEPTHS, scoring=["accuracy", "roc_auc"], refit="roc_auc"
    ).fit(X, y)
    assert sb.judge(search).to_dict()["metric"]["name"] == "roc_auc"
    with pytest.raises(
        sb.ColumnError, match="'accuracy', 'roc_auc' could all be the score"
    ):
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


@pytest.mark.parametrize("way", ["list", "values", "steps", "none"])
def test_a_study_needs_the_scores_of_the_splits_of_its_trials(way):
    optuna = pytest.importorskip("optuna")

    def objective(trial):
        scores = ms.cross_val_score(
            tree(trial.suggest_int("max_depth", 1, 6)), X, y, cv=5
        )
        if trial.number == 2:
            raise optuna.TrialPruned
        for fold, score in enumerate(scores):
            trial.report(score, fold) if way == "steps" else None
            trial.set_user_attr(f"fold_{fold}", score) if way == "values" else None
        trial.set_user_attr("scores", scores.tolist()) if way == "list" else None
        return scores.mean()

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.GridSampler({"max_depth": [1, 2, 3, 4, 5]}, seed=0),
    )
    study.optimize(objective, n_trials=5)
    if way == "none":
        with pytest.raises(sb.DataError, match=r"one value each.*set_user_attr"):
            sb.judge(study, folds=5)
        return
    document = sb.judge(study, folds=5).to_dict()
    assert len(document["candidates"]) == 4
    assert document["plan"]["tried"] == 1


def test_a_skore_comparison_is_judged_by_a_named_score():
    skore = pytest.importorskip("skore")
    reports = {
        f"depth {depth}": skore.CrossValidationReport(tree(depth), X, y, splitter=5)
        for depth in (1, 5)
    }
    judgement = sb.judge(skore.ComparisonReport(reports), score="accuracy")
    scores = {
        name: [part.metrics.accuracy() for part in report.reports_]
        for name, report in reports.items()
    }
    assert differences(judgement) == differences(
        sb.judge(scores, folds=5, score="accuracy")
    )


def test_a_row_for_each_model_and_a_key_of_each_run_are_understood(scores):
    columns = scores()
    old, new = np.reshape(columns["accuracy"], (2, 10))
    rows = {"model": ["old", "new"]} | {
        str(i): pair for i, pair in enumerate(zip(old, new, strict=True))
    }
    named = {
        "candidate": columns["candidate"],
        "Name": [f"run {i}" for i in range(20)],
        "retries": columns["seed"],
    }
    wide = {"truth of it": [0, 1] * 20, "0": [0, 1] * 20, "1": [0, 0] * 20}
    assert sb.judge(wide, target="truth of it").to_dict()["plan"]["kind"] == "held_out"
    for judgement in (
        sb.judge(
            {name: list(cells) for name, cells in rows.items()},
            score="accuracy",
            folds=10,
        ),
        sb.judge(named | {"fold": columns["fold"], "accuracy": columns["accuracy"]}),
    ):
        assert differences(judgement) == differences(sb.judge(columns))


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


def test_a_task_is_a_table_and_a_column_that_makes_rows_unique_is_named(scores):
    parts = [scores(key=key) for key in range(2)]
    both = {name: [*parts[0][name], *parts[1][name]] for name in parts[0]} | {
        "task": ["a"] * 20 + ["b"] * 20
    }
    assert len(sb.judge(both).tables) == 2
    with pytest.raises(
        sb.DataError, match=r"The values of column 'site' differ there: say what it is"
    ):
        sb.judge(
            {{"task": "site"}.get(name, name): values for name, values in both.items()}
        )
