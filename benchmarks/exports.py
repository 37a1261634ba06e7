"""Does `seedbed judge` understand what people have? Results and exports of real libraries are made
and judged.

    python benchmarks/exports.py                    all, written to benchmarks/exports.md
    python benchmarks/exports.py --only 'optuna*'   some, printed with what judge prints

An export is right if the number of candidates and the plan are those that made it. If judge refuses
it, the sentence must name the options that lead to the right answer (they are then given), or say
what to log or to give instead. Needs scikit-learn, pandas, polars, openpyxl, optuna, skore and
mlflow-skinny.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import optuna
import pandas as pd
import polars as pl
import skore
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tables import print_or_write

import seedbed as sb

X, y = make_classification(240, flip_y=0.2, random_state=0)
DEPTHS = {"max_depth": [1, 3, 6]}
FOLDS5, FOLDS10 = ("cross_validation", 1, 5), ("cross_validation", 1, 10)
HERE, NUMBERS = Path(tempfile.mkdtemp()), itertools.count()


@dataclass(frozen=True)
class Export:
    """What is judged, and what is true of it.

    Attributes:
        make: returns the source.
        candidates: how many there are.
        plan: kind, repeats and folds; of items kind, items and attempts; empty if no verdict is
            possible.
        options: given at once, as a user would.
        then: each given after a sentence that names it.
        sentence: part of the last sentence if there is no right answer.
        about: other keys of the plan or the score that must be so.
    """

    make: Callable[[], Any]
    candidates: int = 0
    plan: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    then: Mapping[str, Any] = field(default_factory=dict)
    sentence: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


def tree(depth: int | None = None) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


def search(
    settings: Mapping[str, Any] = DEPTHS,
    model: Any = None,
    kind: Any = GridSearchCV,
    **options: Any,
) -> Any:
    return kind(model or tree(), settings, **options).fit(X, y)


def pipelines() -> Any:
    model = make_pipeline(StandardScaler(), LogisticRegression())
    settings = {
        "standardscaler": [StandardScaler(), MinMaxScaler()],
        "logisticregression__C": [0.01, 1.0],
    }
    return search(settings, model, cv=10)


def failing() -> Any:
    return search(DEPTHS | {"min_samples_leaf": [1, -2]})


def several_scores(refit: Any = False) -> Any:
    return search(
        scoring={"acc": "accuracy", "auc": "roc_auc", "nll": "neg_log_loss"},
        refit=refit,
    )


def halving() -> Any:
    return search(
        {"max_depth": [1, 2, 3, 4, 5, 6]},
        kind=HalvingGridSearchCV,
        factor=2,
        random_state=0,
    )


def random_search() -> Any:
    cv = ShuffleSplit(10, test_size=0.25, random_state=0)
    settings = {"min_impurity_decrease": loguniform(1e-5, 1e-1), "max_depth": [1, 3]}
    about: Any = {
        "n_iter": 4,
        "cv": cv,
        "scoring": "neg_mean_squared_error",
        "random_state": 0,
    }
    return RandomizedSearchCV(DecisionTreeRegressor(), settings, **about).fit(
        X, X[:, 0]
    )


def file(source: Any, name: str = "results.csv", **options: Any) -> Path:
    """Return the path of a data frame that is written to a file."""
    frame, path = pd.DataFrame(source), HERE / name
    getattr(
        frame,
        {".csv": "to_csv", ".xlsx": "to_excel", ".parquet": "to_parquet"}[path.suffix],
    )(path, **options)
    return path


def validated(**options: Any) -> dict[str, Any]:
    return {
        f"depth {depth}": cross_validate(tree(depth), X, y, cv=10, **options)
        for depth in (1, 3)
    }


def by_fold() -> dict[str, Any]:
    return {
        f"depth {depth}": cross_val_score(tree(depth), X, y, cv=10) for depth in (1, 3)
    }


def long_folds(**more: Any) -> pd.DataFrame:
    wide = by_fold()
    return pd.DataFrame(
        [
            {"model": name, "fold": i, "accuracy": each} | more
            for name in wide
            for i, each in enumerate(wide[name])
        ]
    )


def stacked() -> pd.DataFrame:
    return pd.concat({name: pd.DataFrame(each) for name, each in validated().items()})


def study(way: str, direction: str = "maximize") -> Any:
    """Return an Optuna study of trees whose trials store the scores of folds as attributes or as a
    list, or don't."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)

    def objective(trial: Any) -> Any:
        scores = cross_val_score(tree(trial.suggest_int("max_depth", 1, 8)), X, y, cv=5)
        scores = scores if direction == "maximize" else 1 - scores
        for fold, score in enumerate(scores) if way == "values" else ():
            trial.set_user_attr(f"fold_{fold}", score)
        if way == "list":
            trial.set_user_attr("cv_scores", scores.tolist())
        return scores.mean()

    sampler = optuna.samplers.GridSampler({"max_depth": [*range(1, 9)]}, seed=0)
    made = optuna.create_study(sampler=sampler, direction=direction)
    made.optimize(objective, n_trials=8)
    return made


def reports(**depths: int) -> Any:
    return skore.ComparisonReport(
        {
            name: skore.CrossValidationReport(tree(depth), X, y, splitter=5)
            for name, depth in depths.items()
        }
    )


def runs(way: str) -> pd.DataFrame:
    """Return the runs that MLflow tracked, in one of several ways."""
    mlflow.set_tracking_uri(f"sqlite:///{HERE}/{next(NUMBERS)}.db")
    mlflow.set_experiment(way)
    for name, scores in by_fold().items():
        if way == "a run each":
            for fold, score in enumerate(scores):
                with mlflow.start_run(run_name=f"{name}, fold {fold}"):
                    mlflow.log_params({"model": name, "fold": fold, "seed": 0})
                    mlflow.log_metrics({"accuracy": score, "train_accuracy": 1.0})
            continue
        with mlflow.start_run(run_name=name):
            mlflow.log_param("max_depth", name[-1])
            mlflow.log_metric("accuracy", scores.mean())
            for fold, score in enumerate(scores) if way == "folds as metrics" else ():
                mlflow.log_metric(f"fold_{fold}_accuracy", score)
        if "nested" in way:
            for fold, score in enumerate(scores):
                with mlflow.start_run(
                    run_name=name, tags={"model": name, "fold": str(fold)}
                ):
                    mlflow.log_metric("test_accuracy", score)
    return mlflow.search_runs()


def items(
    n: int = 80, attempts: int = 1, systems: int = 3, cells: Any = int
) -> pd.DataFrame:
    """Return items of the long form, right or wrong."""
    rng = np.random.default_rng(0)
    easy = rng.normal(size=n)
    names = ("base", "tuned", "large")[:systems]
    return pd.DataFrame(
        [
            {
                "model": name,
                "item": f"q{i}",
                "attempt": k,
                "correct": cells(easy[i] + place / 2 + rng.normal() > 0),
            }
            for place, name in enumerate(names)
            for i in range(n)
            for k in range(attempts)
        ]
    )


def wide_items(cells: Any = int, **about: Any) -> pd.DataFrame:
    frame = items(cells=cells, **about).pivot(
        index=["item", "attempt"], columns="model", values="correct"
    )
    return frame.reset_index().rename_axis(columns=None)


def inspect_samples() -> pd.DataFrame:
    """Return samples as `samples_df` of Inspect has them, with the model of the log."""
    frame = items(attempts=4, systems=2, cells=lambda right: "C" if right else "I")
    ids = {
        "sample_id": [f"u{i}" for i in range(len(frame))],
        "eval_id": frame["model"].map({"base": "e1", "tuned": "e2"}),
    }
    about = {
        "model": frame["model"],
        "id": frame["item"],
        "epoch": frame["attempt"] + 1,
        "input": "2 + 2?",
        "target": "4",
    }
    times = {
        "score_match": frame["correct"],
        "total_time": 1.5,
        "working_time": 1.2,
        "error": "",
        "retries": 0,
    }
    return pd.DataFrame(ids | about | times)


def harness_samples() -> pd.DataFrame:
    """Return samples as those of lm-evaluation-harness, one line a document, with the model."""
    frame = items(systems=2)
    about = {
        "model": frame["model"],
        "doc_id": frame["item"].str[1:].astype(int),
        "filter": "none",
        "target": "4",
    }
    return pd.DataFrame(
        about | {"resps": "[['4']]", "acc": frame["correct"].astype(float)}
    )


def weights_and_biases() -> pd.DataFrame:
    frame = long_folds()
    about = {
        "Name": [f"brisk-sun-{i}" for i in range(20)],
        "State": "finished",
        "Runtime": 12,
        "User": "me",
    }
    about |= {
        "Created": "2026-11-30T10:00:00.000Z",
        "Tags": "",
        "model": frame["model"],
        "fold": frame["fold"],
    }
    return pd.DataFrame(
        about
        | {
            "_step": 100,
            "_runtime": 11.5,
            "_timestamp": 1.7e9,
            "test/accuracy": frame["accuracy"],
        }
    )


def seeds() -> pd.DataFrame:
    return pd.concat([long_folds(seed=seed) for seed in range(3)])


def tables() -> pd.DataFrame:
    return pd.concat([long_folds(task=f"table {i}") for i in range(6)])


ITEMS80 = ("items", 80, 1)
EXPORTS = {
    "GridSearchCV": Export(search, 3, FOLDS5, about={"name": "accuracy"}),
    "GridSearchCV, repeated folds": Export(
        lambda: search(
            cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
        ),
        3,
        ("cross_validation", 3, 5),
    ),
    "GridSearchCV, fits that failed": Export(failing, 3, FOLDS5, about={"tried": 3}),
    "GridSearchCV, scores without refit": Export(
        several_scores, 3, FOLDS5, then={"score": "auc"}
    ),
    "GridSearchCV, refit by one of the scores": Export(
        lambda: several_scores("nll"), 3, FOLDS5, about={"greater_is_better": True}
    ),
    "GridSearchCV of pipelines": Export(pipelines, 4, FOLDS10),
    "GridSearchCV, settings of two kinds": Export(
        lambda: search(
            [
                {"max_depth": [1, 3]},
                {"max_leaf_nodes": [3, 5], "criterion": ["entropy"]},
            ]
        ),
        4,
        FOLDS5,
    ),
    "GridSearchCV, tuples": Export(
        lambda: search(
            {"hidden_layer_sizes": [(3,), (3, 3)]}, MLPClassifier(max_iter=20)
        ),
        2,
        FOLDS5,
    ),
    "RandomizedSearchCV, random splits": Export(
        random_search,
        4,
        ("random_splits", 1, 10),
        about={"test_share": 0.25, "greater_is_better": True},
    ),
    "cv_results_": Export(lambda: search().cv_results_, 3, FOLDS5, then={"folds": 5}),
    "cv_results_ as a data frame": Export(
        lambda: pd.DataFrame(search().cv_results_), 3, FOLDS5, {"folds": 5}
    ),
    "cv_results_ as CSV": Export(
        lambda: file(search().cv_results_, index=False), 3, FOLDS5, {"folds": 5}
    ),
    "cv_results_ as CSV with an index": Export(
        lambda: file(search().cv_results_), 3, FOLDS5, {"folds": 5}
    ),
    "cv_results_ as CSV, fits that failed": Export(
        lambda: file(failing().cv_results_), 3, FOLDS5, {"folds": 5}, about={"tried": 3}
    ),
    "cv_results_ as CSV, several scores": Export(
        lambda: file(several_scores().cv_results_),
        3,
        FOLDS5,
        {"folds": 5},
        {"score": "auc"},
    ),
    "cv_results_ as CSV, of pipelines": Export(
        lambda: file(pipelines().cv_results_), 4, FOLDS10, {"folds": 10}
    ),
    "cv_results_ as CSV, of a halving search": Export(
        lambda: file(halving().cv_results_),
        options={"folds": 5},
        sentence="Keep one of them",
    ),
    "cv_results_ as CSV, of a random search": Export(
        lambda: file(random_search().cv_results_),
        4,
        ("random_splits", 1, 10),
        {},
        {"test_share": 0.25},
    ),
    "cv_results_ as CSV, chosen columns": Export(
        lambda: file(
            pd.DataFrame(search().cv_results_).filter(regex="param_|split"), index=False
        ),
        3,
        FOLDS5,
        {"folds": 5},
    ),
    "cross_validate by name": Export(
        validated, 2, FOLDS10, {"folds": 10, "score": "accuracy"}
    ),
    "cross_validate by name, with indices": Export(
        lambda: validated(return_indices=True), 2, FOLDS10
    ),
    "cross_validate by name, several scores": Export(
        lambda: validated(scoring=["accuracy", "roc_auc"], return_train_score=True),
        2,
        FOLDS10,
        {"folds": 10},
        {"score": "roc_auc"},
        "Name one with score",
    ),
    "cross_val_score by name": Export(
        by_fold, 2, FOLDS10, {}, {"folds": 10, "score": "accuracy"}
    ),
    "cross_val_score, data frame as CSV with an index": Export(
        lambda: file(by_fold()), 2, FOLDS10, {"folds": 10, "score": "accuracy"}
    ),
    "cross_validate, frames put together": Export(
        lambda: stacked().reset_index(names=["model", "fold"]), 2, FOLDS10
    ),
    "cross_validate, frames put together, no names": Export(
        lambda: file(stacked().reset_index()),
        2,
        FOLDS10,
        {},
        {"candidate": "level_0", "score": "test_score", "fold": "level_1"},
    ),
    "cross_val_score, a row for each model": Export(
        lambda: file(pd.DataFrame(by_fold()).T.rename_axis("model")),
        2,
        FOLDS10,
        {},
        {"score": "accuracy", "folds": 10},
    ),
    "cross_val_score, a row for each model, no name": Export(
        lambda: file(pd.DataFrame(by_fold()).T.reset_index(), index=False),
        2,
        FOLDS10,
        {"score": "accuracy"},
        {"candidate": "index", "folds": 10},
    ),
    "Optuna, trials_dataframe": Export(
        lambda: study("values").trials_dataframe(),
        8,
        FOLDS5,
        {},
        {"lower_is_better": False},
    ),
    "Optuna, trials_dataframe, minimized": Export(
        lambda: study("values", "minimize").trials_dataframe(),
        8,
        FOLDS5,
        {},
        {"lower_is_better": True},
        about={"greater_is_better": False},
    ),
    "Optuna, trials_dataframe, lists": Export(
        lambda: file(study("list").trials_dataframe()), sentence="split0_score"
    ),
    "Optuna, trials_dataframe, one value each": Export(
        lambda: study("none").trials_dataframe(), sentence="split"
    ),
    "skore, summary as a data frame": Export(
        lambda: reports(a=1, b=3).metrics.summarize().frame().reset_index(),
        sentence="deviation",
    ),
    "MLflow, a run for each fold": Export(lambda: runs("a run each"), 2, FOLDS10),
    "MLflow, a run for each fold, as CSV": Export(
        lambda: file(runs("a run each")), 2, FOLDS10
    ),
    "MLflow, folds as metrics": Export(lambda: runs("folds as metrics"), 2, FOLDS10),
    "MLflow, nested runs with their parents": Export(
        lambda: runs("nested"),
        then={"score": "metrics.test_accuracy"},
        sentence="leave the row out",
    ),
    "MLflow, tags of nested runs": Export(
        lambda: runs("nested").dropna(subset="tags.fold"),
        2,
        FOLDS10,
        {},
        {"score": "test_accuracy"},
    ),
    "MLflow, one value each": Export(lambda: runs("one"), sentence="split"),
    "items": Export(lambda: items(), 3, ITEMS80),
    "items as CSV, true and false": Export(
        lambda: file(items(cells=bool), index=False), 3, ITEMS80
    ),
    "items, correct and incorrect": Export(
        lambda: items(cells=lambda right: "correct" if right else "incorrect"),
        3,
        ITEMS80,
    ),
    "items, wide": Export(wide_items, 3, ITEMS80, {}, {"score": "accuracy"}),
    "items, wide, true and false": Export(
        lambda: wide_items(bool), 3, ITEMS80, {"score": "accuracy"}
    ),
    "items, wide, with attempts": Export(
        lambda: wide_items(attempts=4), 3, ("items", 80, 4), {"score": "accuracy"}
    ),
    "items, four attempts": Export(lambda: items(attempts=4), 3, ("items", 80, 4)),
    "items, attempts without a number": Export(
        lambda: items(attempts=4).drop(columns="attempt"),
        sentence="add a column 'attempt'",
    ),
    "items, different numbers of attempts": Export(
        lambda: items(attempts=4).sample(frac=0.8, random_state=0), 3, ("items", 80, 4)
    ),
    "items, one": Export(lambda: items(1), sentence="one item"),
    "Inspect, samples with epochs": Export(inspect_samples, 2, ("items", 80, 4)),
    "lm-evaluation-harness, samples": Export(harness_samples, 2, ITEMS80),
    "Weights & Biases": Export(
        lambda: file(weights_and_biases(), index=False), 2, FOLDS10
    ),
    "seeds as a column": Export(seeds, 2, FOLDS10, about={"seeds": 3}),
    "tasks": Export(tables, sentence="Judge each table by itself"),
    "polars": Export(lambda: pl.from_pandas(long_folds()), 2, FOLDS10),
    "Parquet": Export(lambda: file(long_folds(), "scores.parquet"), 2, FOLDS10),
    "Excel": Export(lambda: file(long_folds(), "scores.xlsx"), 2, FOLDS10),
    "CSV with semicolons and decimal commas": Export(
        lambda: file(long_folds(), sep=";", decimal=",", index=False),
        sentence="decimal point",
    ),
    "percent as text": Export(
        lambda: long_folds().assign(
            accuracy=lambda frame: frame["accuracy"].map("{:.1%}".format)
        ),
        sentence="Write a share from 0 to 1",
    ),
    "a log of epochs": Export(
        lambda: file(
            pd.concat([long_folds(epoch=epoch, step=10 * epoch) for epoch in range(3)])
        ),
        sentence="are both scores of",
    ),
    "evaluations of transformers": Export(
        lambda: long_folds(eval_runtime=1.5, eval_loss=0.4, epoch=3).rename(
            columns={"accuracy": "eval_accuracy"}
        ),
        2,
        FOLDS10,
        {},
        {"score": "eval_accuracy", "lower_is_better": False},
    ),
    "a leaderboard": Export(
        lambda: pd.DataFrame(
            {"model": ["a", "b"], "score_val": [0.8, 0.9], "fit_time": [1, 2]}
        ),
        sentence="one split",
    ),
}


def understood(export: Export, options: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Return whether an export is understood as it was made, in a few words, and what judge
    printed; or its sentence, and nothing."""
    try:
        judgement = sb.judge(export.make(), **options)
    except sb.SeedbedError as error:
        return bool(export.sentence and export.sentence in str(error)), str(error), ""
    document = judgement.to_dict()
    plan, score = document["plan"], document["metric"]
    found = (plan["kind"], plan["repeats"], plan["folds"])
    if plan["kind"] == "items":
        found = ("items", document["n_rows"], plan["seeds"])
    words = f"{len(document['candidates'])} candidates, {' '.join(map(str, found))}".replace(
        "_", " "
    )
    right = (len(document["candidates"]), found) == (export.candidates, export.plan)
    wrong = {
        key: (plan | score)[key]
        for key, value in export.about.items()
        if (plan | score)[key] != value
    }
    if export.sentence and document["no_verdict"]:
        words = document["no_verdict"][0]["reason"]
        return export.sentence in words, words, str(judgement)
    return right and not wrong, words + (f", {wrong}" if wrong else ""), str(judgement)


def row_of(name: str, export: Export, *, show: bool) -> tuple[str, ...]:
    """Return the row of the table about an export: what was understood, and whether it is right."""
    options, so = dict(export.options), ""
    while True:
        right, words, text = understood(export, options)
        if show:
            print(f"\n==== {name} {options}\n{text or words}")
        new = {
            key: value
            for key, value in export.then.items()
            if not text and key in words and key not in options
        }
        if not new:
            break
        options, so = options | new, "right after the sentence"
    so = "a sentence" if export.sentence else so or "right"
    given = ", ".join(f"{key}={value}" for key, value in options.items())
    words = words.replace("|", "/").replace(f"{HERE}/", "")
    return (
        name,
        given,
        words[:150] + "..." * (len(words) > 150),
        so if right else "**wrong**",
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="*", help="a pattern of names, as in 'optuna*'"
    )
    parser.add_argument(
        "--out",
        default=str(Path(__file__).with_suffix(".md")),
        help="the page; - prints it",
    )
    options = parser.parse_args()
    chosen = [
        name for name in EXPORTS if fnmatch.fnmatch(name.lower(), options.only.lower())
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        show = options.only != "*" or options.out == "-"
        rows = [row_of(name, EXPORTS[name], show=show) for name in chosen]
    n_right = sum(row[-1] != "**wrong**" for row in rows)
    lines = ["# What `seedbed judge` understands of results and exports", ""]
    lines += [" ".join(part.split()) for part in (__doc__ or "").split("\n\n")[2:]]
    lines += [
        "",
        f"{n_right} of {len(rows)} are right.",
        "",
        "| export | options | understood | so |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    print_or_write(
        "\n".join(lines) + "\n", Path(options.out if options.only == "*" else "-")
    )


if __name__ == "__main__":
    main()
