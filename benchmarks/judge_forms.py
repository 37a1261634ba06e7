"""Does `seedbed judge` read each form right? Generated sources of each form are judged, and every
number of an accepted one is computed again by other code.

    python benchmarks/judge_forms.py                       500 of each form, written to judge_forms.md
    python benchmarks/judge_forms.py --only items --n 50   some, printed with the first failures

A source is right if it is accepted with the plan, the differences, the p-values and the intervals
of the other calculation, or refused where it must be: negated errors, summaries among the rows,
windows of time, bootstrap samples, models on different splits, shares above 1, doubled rows and
probabilities that don't sum to 1. Needs scikit-learn, optuna, scipy and pandas.
"""

from __future__ import annotations

import argparse
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import sklearn.model_selection as ms
from scipy import stats
from sklearn.tree import DecisionTreeClassifier
from tables import print_or_write

import seedbed as sb

Array = np.ndarray[Any, Any]
ERRORS = ("log_loss", "rmse", "mae", "brier", "error")
SHARES = ("accuracy", "balanced_accuracy", "roc_auc", "recall")


@dataclass
class Case:
    """A source, and what is true of it.

    Attributes:
        plan: kind, repeats and folds of the plan; empty if the source must be refused.
        gains: of each candidate after the first one: the gain of each split, item or row, in the
            unit of the losses, positive where the candidate is better.
        ratio, df: of the corrected t; None for a paired t over the gains.
        sign: whether the test is McNemar's.
    """

    source: Any
    plan: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    gains: Mapping[str, Array] = field(default_factory=dict)
    ratio: float | None = None
    df: int | None = None
    sign: bool = False
    only_means: bool = False


def numbers_of(case: Case, gain: Array) -> tuple[float, float, float, float]:
    """Return difference, p and the ends of the 95 % interval of a gain, by scipy."""
    n = len(gain)
    mean = float(gain.mean())
    ratio = 0.0 if case.ratio is None else case.ratio
    df = n - 1 if case.df is None else case.df
    if case.sign:
        wins = int((gain > 0).sum())
        n_unlike = int((gain != 0).sum())
        p = stats.binomtest(wins, n_unlike).pvalue if n_unlike else 1.0
        return mean, float(p), np.nan, np.nan
    se = float(gain.std(ddof=1)) * np.sqrt(1 / n + ratio)
    half = float(stats.t.ppf(0.975, df)) * se
    return mean, float(2 * stats.t.sf(abs(mean) / se, df)), mean - half, mean + half


def wrong(case: Case) -> str:
    """Return what is wrong with the judgement of a case; empty if it is right."""
    try:
        judgement = sb.judge(case.source, **case.options)
        str(judgement)
    except sb.SeedbedError as error:
        return "" if not case.plan else f"refused: {error}"
    except Exception:  # noqa: BLE001 - it is what is counted
        return f"traceback: {traceback.format_exc(limit=-2)}"
    if not case.plan:
        return f"accepted: {str(judgement)[:200]}"
    plan = judgement.to_dict()["plan"]
    if (plan["kind"], plan["repeats"], plan["folds"]) != case.plan:
        return f"plan {plan['kind']} {plan['repeats']} {plan['folds']} in place of {case.plan}"
    several = len(case.gains) > 1
    for name, gain in case.gains.items():
        given = {one["candidate"]: one for one in judgement.verdicts}.get(name)
        if given is None:
            if np.ptp(gain) > 1e-9 and not case.sign and len(gain) >= 30:
                return f"no verdict on {name}"
            continue
        expected = numbers_of(case, gain)
        found = [given["difference"], given["p"], given["low"], given["high"]]
        n_compared = 1 if case.only_means else 2 if several or case.sign else 4
        for value, right in list(zip(found, expected, strict=True))[:n_compared]:
            if not np.isclose(value, right, rtol=1e-5, atol=1e-8):
                return f"{name}: {found} in place of {expected}"
    return ""


# ---- what forms have in common


def draw_scores(
    rng: Any, n: int, score: str, candidates: list[str]
) -> dict[str, Array]:
    """Return scores of each candidate [split]."""
    centre = rng.uniform(0.3, 0.8)
    common = rng.normal(0, 0.03, n)
    size = float(10 ** rng.uniform(-2, 3)) if score in ("rmse", "mae") else 1.0
    return {
        name: size
        * np.clip(centre + common + rng.normal(0.01 * i, 0.02, n), 0.01, 0.99)
        for i, name in enumerate(candidates)
    }


def gains_of(scores: Mapping[str, Array], score: str) -> dict[str, Array]:
    first, *others = scores
    sign = -1 if score in ERRORS else 1
    return {name: sign * (scores[name] - scores[first]) for name in others}


def names_of(rng: Any) -> list[str]:
    n = int(rng.integers(2, 5))
    return [["net", "forest", "linear", "svm"][i] for i in range(n)]


def score_of(rng: Any) -> str:
    return str(rng.choice(ERRORS + SHARES))


def shuffled(rng: Any, frame: pd.DataFrame, first: str) -> pd.DataFrame:
    """Return a frame with its rows and columns in another order; the first row keeps its place, so
    that the reference stays the same."""
    order = np.r_[0, 1 + rng.permutation(len(frame) - 1)]
    mixed = frame.iloc[order].reset_index(drop=True)
    return mixed[list(rng.permutation(mixed.columns))]


def spoil(rng: Any, case: Case, frame: pd.DataFrame, score: str, label: str) -> Case:
    """Return a case that must be refused, made of a long frame."""
    way = rng.choice(["negated", "summary", "doubled", "percent", "missing"])
    options = dict(case.options)
    if way == "negated":
        if score not in ERRORS:
            way = "percent"
        else:
            return Case(frame.assign(**{score: -frame[score]}), options=options)
    if way == "percent" and score in SHARES:
        return Case(frame.assign(**{score: 100 * frame[score]}), options=options)
    if way == "summary":
        word = rng.choice(["mean", "std", "Mean", "Average", "avg"])
        last = frame.drop_duplicates(subset=[frame.columns[0]])
        last = last.assign(**{label: word})
        both = pd.concat([frame.astype({label: object}), last.astype({label: object})])
        return Case(both.reset_index(drop=True), options=options)
    if way == "missing":
        return Case(frame.iloc[:-1], options=options)
    return Case(pd.concat([frame, frame.iloc[:1]], ignore_index=True), options=options)


# ---- forms


def long_folds(rng: Any) -> Case:
    names, score = names_of(rng), score_of(rng)
    repeats = int(rng.choice([1, 1, 2, 5]))
    folds = int(rng.integers(3, 11))
    scores = draw_scores(rng, repeats * folds, score, names)
    candidate = str(
        rng.choice(["model", "candidate", "method", "classifier", "algorithm"])
    )
    fold = str(rng.choice(["fold", "cv_fold", "fold_id"]))
    label = rng.choice(["{}", "fold {}", "f{}"])
    rows = [
        {
            candidate: name,
            "repeat": i // folds,
            fold: i % folds if label == "{}" else label.format(i % folds),
            score: scores[name][i],
            "fit_time": rng.random(),
        }
        for name in names
        for i in range(repeats * folds)
    ]
    frame = pd.DataFrame(rows)
    frame = frame if repeats > 1 else frame.drop(columns="repeat")
    case = Case(
        shuffled(rng, frame, names[0]),
        ("cross_validation", repeats, folds),
        gains=gains_of(scores, score),
        ratio=1 / (folds - 1),
        df=folds - 1,
    )
    return spoil(rng, case, frame, score, fold) if rng.random() < 0.3 else case


def wide_folds(rng: Any) -> Case:
    names, score = names_of(rng), score_of(rng)
    repeats = int(rng.choice([1, 1, 3]))
    folds = int(rng.integers(3, 11))
    scores = draw_scores(rng, repeats * folds, score, names)
    way = rng.choice(["mapping", "fold", "index", "negated name"])
    options: dict[str, Any] = {"score": score}
    source: Any = scores
    if way in ("mapping", "negated name") or repeats > 1:
        options["folds"] = folds
    elif way == "fold":
        source = pd.DataFrame({"fold": range(folds), **scores})
    else:
        source = pd.DataFrame(scores, index=pd.Index(range(folds), name="fold"))
    if way == "negated name" and score in ERRORS:
        source = {name: -values for name, values in scores.items()}
        options["score"] = f"neg_{score}"
    case = Case(
        source,
        ("cross_validation", repeats, folds),
        options,
        gains_of(scores, score),
        1 / (folds - 1),
        folds - 1,
    )
    if rng.random() < 0.2 and score in ERRORS:
        negated = {name: -values for name, values in scores.items()}
        return Case(negated, options={"score": score, "folds": folds})
    if rng.random() < 0.2 and repeats == 1:
        summary = {name: [*values, values.mean()] for name, values in scores.items()}
        return Case(
            {"fold": [*range(folds), "mean"], **summary}, options={"score": score}
        )
    return case


def random_splits(rng: Any) -> Case:
    names, score = names_of(rng), score_of(rng)
    n = int(rng.integers(5, 31))
    share = float(rng.choice([0.1, 0.2, 0.25, 0.33]))
    scores = draw_scores(rng, n, score, names)
    rows = [
        {
            "model": name,
            "split": i,
            score: scores[name][i],
            "n_train": 300 * (1 - share),
        }
        for name in names
        for i in range(n)
    ]
    frame = pd.DataFrame(rows).assign(n_test=300 * share)
    options: dict[str, Any] = {}
    if rng.random() < 0.5:
        frame = frame.drop(columns=["n_train", "n_test"])
        options = {"test_share": share}
        if rng.random() < 0.5:
            id_of = {i: f"Resample{i + 1:02}" for i in range(n)}
            frame = frame.assign(split=frame["split"].map(id_of)).rename(
                columns={"split": "id"}
            )
            if rng.random() < 0.4:
                return Case(frame)
    ratio = share / (1 - share)
    plan = ("random_splits", 1, n)
    return Case(frame, plan, options, gains_of(scores, score), ratio, min(n - 1, 9))


def resamples(rng: Any) -> Case:
    """As tidymodels and caret name them."""
    names, score = names_of(rng), score_of(rng)
    repeats = int(rng.choice([1, 2, 5]))
    folds = int(rng.integers(3, 11))
    n = repeats * folds
    scores = draw_scores(rng, n, score, names)
    column = str(rng.choice(["id", "Resample", "fold", "resample"]))
    pattern = "Fold{f:02}.Rep{r}" if repeats > 1 else "Fold{f:02}"
    if rng.random() < 0.25:
        pattern = str(rng.choice(["Bootstrap{n:03}", "Resample{n:02}"]))
        pattern = "Bootstrap{n:03}" if column == "fold" else pattern
    ids = [pattern.format(f=i % folds + 1, r=i // folds + 1, n=i + 1) for i in range(n)]
    frame = pd.DataFrame(
        [
            {"model": name, column: ids[i], score: scores[name][i]}
            for name in names
            for i in range(n)
        ]
    )
    if pattern.startswith(("Boot", "Resample")):
        return Case(frame)
    source: Any = frame
    options: dict[str, Any] = {}
    if repeats > 1 and column == "id" and rng.random() < 0.5:
        source = frame.assign(
            id=[f"Repeat{i // folds + 1}" for _ in names for i in range(n)],
            id2=[f"Fold{i % folds + 1:02}" for _ in names for i in range(n)],
        )
    elif rng.random() < 0.3:
        source = frame.pivot(index=column, columns="model", values=score)[
            names
        ].reset_index()
        options = {"score": score}
    gains = gains_of(scores, score)
    plan = ("cross_validation", repeats, folds)
    return Case(source, plan, options, gains, 1 / (folds - 1), folds - 1)


def splitter_of(rng: Any) -> tuple[Any, tuple[Any, ...], float]:
    """Return a splitter of scikit-learn of 60 rows in 6 groups, its plan and the ratio of test rows
    to training rows."""
    k = int(rng.integers(3, 8))
    seed = int(rng.integers(1000))
    share = float(rng.choice([0.1, 0.2, 0.3]))
    choices = {
        "KFold": (
            ms.KFold(k, shuffle=True, random_state=seed),
            ("cross_validation", 1, k),
        ),
        "Repeated": (
            ms.RepeatedKFold(n_splits=k, n_repeats=2, random_state=seed),
            ("cross_validation", 2, k),
        ),
        "Stratified": (ms.StratifiedKFold(k), ("cross_validation", 1, k)),
        "LeaveOneOut": (ms.LeaveOneOut(), ("cross_validation", 1, 60)),
        "LeaveOneGroupOut": (ms.LeaveOneGroupOut(), ("cross_validation", 1, 6)),
        "Predefined": (
            ms.PredefinedSplit(np.arange(60) % k),
            ("cross_validation", 1, k),
        ),
        "Shuffle": (
            ms.ShuffleSplit(12, test_size=share, random_state=seed),
            ("random_splits", 1, 12),
        ),
        "Halves": (
            ms.ShuffleSplit(12, train_size=0.5, test_size=0.5, random_state=seed),
            ("random_splits", 1, 12),
        ),
        "TimeSeries": (ms.TimeSeriesSplit(k), ()),
    }
    kind = str(rng.choice(list(choices)))
    splitter, plan = choices[kind]
    if not plan:
        return splitter, plan, 0.0
    ratio = 1 / (plan[2] - 1) if plan[0] == "cross_validation" else share / (1 - share)
    return splitter, plan, 1.0 if kind == "Halves" else ratio


X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] + np.random.default_rng(1).normal(size=60) > 0).astype(int)
GROUPS = np.arange(60) % 6


def cross_validations(rng: Any) -> Case:
    splitter, plan, ratio = splitter_of(rng)
    splits = list(splitter.split(X, Y, GROUPS))
    names, score = names_of(rng), score_of(rng)
    scores = draw_scores(rng, len(splits), score, names)
    sign = -1 if score in ERRORS else 1
    indices = {"train": [one[0] for one in splits], "test": [one[1] for one in splits]}
    source: dict[str, Any] = {
        name: {"fit_time": values, "test_score": sign * values, "indices": indices}
        for name, values in scores.items()
    }
    options = {"score": f"neg_{score}" if sign < 0 else score}
    if rng.random() < 0.2:
        others = list(
            ms.KFold(len(splits), shuffle=True, random_state=7777).split(X, Y)
        )
        source[names[-1]]["indices"] = {
            "train": [one[0] for one in others],
            "test": [one[1] for one in others],
        }
        return Case(source, options=options)
    df = (
        plan[2] - 1
        if plan and plan[0] == "cross_validation"
        else min(len(splits) - 1, 9)
    )
    return Case(source, plan, options, gains_of(scores, score), ratio, df)


def searches(rng: Any) -> Case:
    """Fitted searches of scikit-learn, as objects or as their results."""
    splitter, plan, ratio = splitter_of(rng)
    scoring = rng.choice(["accuracy", "neg_log_loss", "roc_auc", "own"])
    if type(splitter).__name__ == "LeaveOneOut":
        scoring = "accuracy"
    scoring = {"ll": "neg_log_loss"} if scoring == "own" else str(scoring)
    search = ms.GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 2]},
        scoring=scoring,
        cv=splitter,
        refit=False,
    ).fit(X, Y, groups=GROUPS)
    key = "ll" if isinstance(scoring, dict) else "score"
    n = search.n_splits_
    columns = [search.cv_results_[f"split{i}_test_{key}"] for i in range(n)]
    first, second = np.array(columns, dtype=float).T
    if (
        not (np.isfinite(first) & np.isfinite(second)).all()
        or np.ptp(second - first) < 1e-9
    ):
        return long_folds(rng)
    gains = {"max_depth=2": second - first}
    df = plan[2] - 1 if plan and plan[0] == "cross_validation" else min(n - 1, 9)
    return Case(search, plan, gains=gains, ratio=ratio, df=df)


def studies(rng: Any) -> Case:
    """Trials of Optuna studies with the score of each fold as an attribute, or without."""
    folds = int(rng.integers(3, 8))
    direction = str(rng.choice(["minimize", "maximize"]))
    study = optuna.create_study(direction=direction)
    has_folds = rng.random() < 0.8
    scores = draw_scores(rng, folds, "accuracy", ["a", "b", "c"])
    depths = optuna.distributions.IntDistribution(1, 100)
    for number, values in enumerate(scores.values()):
        of_folds = {f"fold_{i}": float(value) for i, value in enumerate(values)}
        study.add_trial(
            optuna.trial.create_trial(
                value=float(values.mean()),
                params={"depth": number + 1},
                distributions={"depth": depths},
                user_attrs=of_folds if has_folds else {},
            )
        )
    options = {"folds": folds, "lower_is_better": direction == "minimize"}
    trials = study.trials_dataframe()
    if not has_folds:
        return Case(trials, options=options)
    sign = -1 if direction == "minimize" else 1
    gains = {
        f"depth={i + 2}": sign * (scores[name] - scores["a"])
        for i, name in enumerate("bc")
    }
    plan = ("cross_validation", 1, folds)
    return Case(trials, plan, options, gains, 1 / (folds - 1), folds - 1)


def items(rng: Any) -> Case:
    n = int(rng.integers(30, 120))
    attempts = int(rng.choice([1, 1, 2, 4]))
    names = names_of(rng)
    easy = rng.normal(size=(n, 1))
    is_right = rng.random() < 0.5
    latent = {
        name: easy + rng.normal(0.2 * i, 1, (n, attempts))
        for i, name in enumerate(names)
    }
    scores = {
        name: (values > 0).astype(float) if is_right else values
        for name, values in latent.items()
    }
    score = "correct" if is_right else "reward"
    item = str(rng.choice(["item", "question", "doc_id", "sample_id", "id"]))
    rows = [
        {
            "model": name,
            item: i if item == "doc_id" else f"q{i}",
            "attempt": k,
            score: scores[name][i, k],
        }
        for name in names
        for i in range(n)
        for k in range(attempts)
    ]
    frame = pd.DataFrame(rows)
    if is_right and rng.random() < 0.3:
        frame[score] = frame[score].map({1.0: "C", 0.0: "I"})
    frame = frame if attempts > 1 else frame.drop(columns="attempt")
    means = {name: values.mean(axis=1) for name, values in scores.items()}
    gains = gains_of(means, "accuracy")
    case = Case(frame, ("items", 1, 1), gains=gains, sign=is_right and attempts == 1)
    if rng.random() < 0.25 and attempts == 1 and score == "reward":
        return spoil(rng, case, frame, "", item)
    return case


def test_sets(rng: Any) -> Case:
    """Predictions for one test set: labels, probabilities of two classes, or numbers."""
    n = int(rng.integers(60, 200))
    y = rng.integers(0, 2, n)
    names = names_of(rng)
    kind = rng.choice(["labels", "probabilities", "numbers", "classes"])
    frame: dict[str, Any] = {"y": y}
    if kind == "labels":
        predicted = {name: np.where(rng.random(n) < 0.75, y, 1 - y) for name in names}
        right = {
            name: (values == y).astype(float) for name, values in predicted.items()
        }
        gains = gains_of(right, "accuracy")
        return Case(frame | predicted, ("held_out", 1, 1), gains=gains, sign=True)
    if kind == "probabilities":
        p = {
            name: np.clip(0.5 + (y - 0.5) * 0.4 + 0.25 * rng.normal(size=n), 0, 1)
            for name in names
        }
        score = str(rng.choice(["brier", "log_loss", "accuracy"]))
        single = {
            name: values.astype(np.float32).astype(float) for name, values in p.items()
        }
        losses = {name: (values - y) ** 2 for name, values in single.items()}
        if score == "log_loss":
            losses = {
                name: -np.log(np.clip(np.abs(1 - y - values), 1e-7, 1 - 1e-7))
                for name, values in single.items()
            }
        if score == "accuracy":
            losses = {
                name: ((values > 0.5) != y).astype(float)
                for name, values in single.items()
            }
        gains = gains_of(losses, "error")
        options = {"score": score}
        if rng.random() < 0.2:
            p[names[0]] = 100 * p[names[0]]
            return Case(frame | p, options=options)
        return Case(
            frame | p,
            ("held_out", 1, 1),
            options,
            gains,
            sign=score == "accuracy",
            only_means=True,
        )
    if kind == "numbers":
        target = rng.normal(size=n) * 10
        predicted = {
            name: target + rng.normal(0, 3 + i, n) for i, name in enumerate(names)
        }
        losses = {name: np.abs(values - target) for name, values in predicted.items()}
        gains = gains_of(losses, "error")
        return Case(
            {"y": target} | predicted,
            ("held_out", 1, 1),
            {"score": "mae"},
            gains,
            only_means=True,
        )
    classes = rng.integers(0, 3, n)
    rows = []
    losses = {}
    for name in names:
        p = rng.dirichlet([1, 1, 1], n)
        p = (
            0.5 * p
            + 0.5 * np.eye(3)[np.where(rng.random(n) < 0.7, classes, (classes + 1) % 3)]
        )
        shares = p.astype(np.float32).astype(float)
        losses[name] = ((shares - np.eye(3)[classes]) ** 2).sum(axis=1)
        part = {f"probability_{label}": p[:, i] for i, label in enumerate("abc")}
        part |= {
            "row": np.arange(n),
            "y": np.array(list("abc"))[classes],
            "model": name,
        }
        rows.append(pd.DataFrame(part))
    table = pd.concat(rows, ignore_index=True)
    if rng.random() < 0.4:
        row = int(rng.integers(len(table)))
        table.loc[row, "probability_a"] += float(rng.choice([0.01, 1, -2, 100]))
        return Case(table)
    return Case(
        table, ("held_out", 1, 1), gains=gains_of(losses, "error"), only_means=True
    )


def out_of_fold(rng: Any) -> Case:
    """Predictions of a cross-validation; the losses of a fold are averaged."""
    n = int(rng.integers(60, 200))
    folds = int(rng.integers(3, 9))
    names = names_of(rng)
    y = rng.integers(0, 2, n)
    fold = rng.permutation(np.arange(n) % folds)
    frames, of_folds = [], {}
    for name in names:
        p = np.clip(0.5 + (y - 0.5) * 0.4 + 0.25 * rng.normal(size=n), 0, 1)
        loss = (p.astype(np.float32).astype(float) - y) ** 2
        of_folds[name] = np.array([loss[fold == k].mean() for k in range(folds)])
        part = {"id": np.arange(n), "fold": fold, "y": y, "probability": p}
        frames.append(pd.DataFrame(part).assign(model=name))
    table = pd.concat(frames, ignore_index=True)
    way = rng.choice(["long", "wide", "doubled", "missing"])
    if way == "doubled":
        return Case(pd.concat([table, table.iloc[:1]], ignore_index=True))
    if way == "missing":
        return Case(table.iloc[:-1])
    if way == "wide":
        wide = table.pivot(
            index=["id", "fold", "y"], columns="model", values="probability"
        )
        table = wide[names].reset_index()
    plan = ("cross_validation", 1, folds)
    return Case(
        table, plan, {}, gains_of(of_folds, "error"), 1 / (folds - 1), folds - 1
    )


def trackers(rng: Any) -> Case:
    """Runs of MLflow, Weights & Biases and Weka, by the names of their columns."""
    names, score = names_of(rng), score_of(rng)
    folds = int(rng.integers(3, 11))
    scores = draw_scores(rng, folds, score, names)
    rows = [(name, i, scores[name][i]) for name in names for i in range(folds)]
    way = rng.choice(["mlflow", "wandb", "weka", "metrics"])
    about = {"run_id": [f"r{i}" for i in range(len(rows))], "status": "FINISHED"}
    model, fold, value = (list(column) for column in zip(*rows, strict=True))
    if way == "mlflow":
        columns = {
            "params.model": model,
            "params.fold": list(map(str, fold)),
            f"metrics.{score}": value,
        }
    elif way == "wandb":
        columns = {
            "Name": [f"run {i}" for i in range(len(rows))],
            "model": model,
            "fold": fold,
        }
        columns |= {"_runtime": [1.5] * len(rows), f"test/{score}": value}
    elif way == "weka":
        columns = {
            "Key_Scheme": model,
            "Key_Run": [1] * len(rows),
            "Key_Fold": fold,
            score: value,
        }
        about = {}
    else:
        columns = {"params.model": names}
        columns |= {
            f"metrics.fold_{i}_{score}": [scores[n][i] for n in names]
            for i in range(folds)
        }
        about = {}
    gains = gains_of(scores, score)
    frame = pd.DataFrame(columns | about)
    options = {"folds": folds} if way == "metrics" and rng.random() < 0.5 else {}
    return Case(
        frame,
        ("cross_validation", 1, folds),
        options,
        gains,
        1 / (folds - 1),
        folds - 1,
    )


FORMS: dict[str, Callable[[Any], Case]] = {
    "long folds": long_folds,
    "wide folds": wide_folds,
    "random splits": random_splits,
    "resamples of tidymodels and caret": resamples,
    "cross_validate by name": cross_validations,
    "searches": searches,
    "trials of Optuna": studies,
    "items": items,
    "predictions of one test set": test_sets,
    "out-of-fold predictions": out_of_fold,
    "trackers": trackers,
}


def judged(name: str, n: int) -> Iterator[tuple[Case, str]]:
    for number in range(n):
        case = FORMS[name](np.random.default_rng([number, *name.encode()]))
        yield case, wrong(case)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--n", type=int, default=500)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.simplefilter("ignore")
    lines = [
        "| form | sources | accepted | refused | wrong |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in [name for name in FORMS if arguments.only in name]:
        counts, failures = Counter[str](), []
        for case, failure in judged(name, arguments.n):
            counts["accepted" if case.plan else "refused"] += not failure
            failures += [failure] if failure else []
        cells = (
            name,
            arguments.n,
            counts["accepted"],
            counts["refused"],
            len(failures),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
        print(lines[-1], flush=True)
        shown = Counter(failure.strip()[:400] for failure in failures)
        for failure, times in (
            shown.most_common(4) if arguments.only or failures else ()
        ):
            print(f"    {times} x {failure}", flush=True)
    title = "What `seedbed judge` reads, and what it computes\n\n"
    text = (__doc__ or "").split("\n\n")[2].replace("\n", " ")
    if not arguments.only:
        page = f"# {title}{text}\n\n" + "\n".join(lines) + "\n"
        print_or_write(page, Path(__file__).parent / "judge_forms.md")


if __name__ == "__main__":
    main()
