"""How quick, and how good, are the package's boosted trees beside those of scikit-learn, LightGBM and
CatBoost?

    python benchmarks/trees.py --speed           300 to 500,000 rows
    python benchmarks/trees.py --speed 20000     another number of simulated rows

All are fitted as members of a blend are: networks that leave out rows, which decide how many boosting
iterations there are, on the same inputs and with the same sizes and rates. The loss is the log loss of
the mean prediction of a fold; the time is that of the processor. A library that isn't installed is left
out.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pandas as pd
import tables
from sklearn.ensemble import HistGradientBoostingClassifier

import seedbed as sb
from seedbed.data.splits import repeated_folds
from seedbed.model.member import LIMIT, Fit
from seedbed.model.stacks import smooth_clip
from seedbed.model.tree_data import TreeData
from seedbed.model.trees import (
    LEAST,
    DecisionTrees,
    fit_trees,
    growth,
)
from seedbed.networks.mlp import Trees

N_ITERATIONS = 150
WAIT = 10
FEW_ROWS = 1_500


def ours(n_trees: int, data: TreeData, X: np.ndarray, seed: int) -> np.ndarray:
    """Return the mean probabilities [row, class] of new inputs."""
    fitted = fit_trees(Trees("boosted", n_trees), data, random_state=seed, jobs=1)
    assert fitted is not None
    each = DecisionTrees.stacked(fitted.architecture, fitted.states)
    return np.mean([data.predicted(trees(X)) for trees in each], axis=0)


def _of_all_classes(model: Any, X: np.ndarray, n_classes: int) -> np.ndarray:
    p = np.zeros((len(X), n_classes))
    p[:, model.classes_.astype(int)] = model.predict_proba(X)
    return p


def boosted_peers(n_trees: int, data: TreeData, X: np.ndarray, seed: int) -> np.ndarray:
    """Return what boosted trees of scikit-learn predict, with as many iterations as rows left out
    decide."""
    n_leaves, rate, least = growth(data)
    models = [
        HistGradientBoostingClassifier(
            max_leaf_nodes=n_leaves,
            learning_rate=rate,
            min_samples_leaf=least,
            l2_regularization=1.0,
            max_features=0.5,
            early_stopping=False,
            warm_start=True,
            random_state=1000 * seed + number,
        )
        for number in range(len(data.splits))
    ]
    n, best, size = 0, -1, 25 if data.size >= FEW_ROWS else 50
    n_classes = max(2, data.n_outputs)
    while n < n_trees and best >= n - WAIT:
        n, losses = min(n + size, n_trees), 0
        for model, split in zip(models, data.splits, strict=True):
            model.set_params(max_iter=n).fit(data.X[split.train], data.y[split.train])
            place = np.searchsorted(model.classes_, data.y[split.test]).clip(
                0, len(model.classes_) - 1
            )
            stages = model.staged_predict_proba(data.X[split.test])
            losses = losses + np.array(
                [-np.log(p[np.arange(len(p)), place].clip(1e-7)).sum() for p in stages]
            )
        best = int(np.argmin(losses))
    means = []
    for model in models:
        del model._predictors[best + 1 :]
        means.append(np.maximum(_of_all_classes(model, X, n_classes), LEAST / 10))
    return np.mean(means, axis=0)


def lightgbm_peers(
    n_trees: int, data: TreeData, X: np.ndarray, seed: int
) -> np.ndarray:
    """Return what trees of LightGBM predict, each network with as many iterations as its rows left
    out decide."""
    import lightgbm

    n_leaves, rate, least = growth(data)
    means = []
    for number, split in enumerate(data.splits):
        settings = {
            "num_leaves": n_leaves,
            "learning_rate": rate,
            "min_data_in_leaf": least,
            "lambda_l2": 1.0,
            "feature_fraction_bynode": 0.5,
            "num_threads": 1,
            "verbose": -1,
            "seed": 1000 * seed + number,
        }
        settings |= (
            {"objective": "multiclass", "num_class": data.n_outputs}
            if data.n_outputs > 1
            else {"objective": "binary"}
        )
        rows = lightgbm.Dataset(data.X[split.train], data.y[split.train])
        left_out, stop = (
            rows.create_valid(data.X[split.test], data.y[split.test]),
            lightgbm.early_stopping(WAIT, verbose=False),
        )
        p = lightgbm.train(
            settings, rows, n_trees, valid_sets=[left_out], callbacks=[stop]
        ).predict(X)
        means.append(
            np.maximum(
                p if data.n_outputs > 1 else np.column_stack([1 - p, p]), LEAST / 10
            )
        )
    return np.mean(means, axis=0)


def catboost_peers(
    n_trees: int, data: TreeData, X: np.ndarray, seed: int
) -> np.ndarray:
    """Return what trees of CatBoost predict, which are as deep as 15 leaves need. It tries half of
    the inputs."""
    import catboost

    n_leaves, rate, _ = growth(data)
    means = []
    for number, split in enumerate(data.splits):
        model = catboost.CatBoostClassifier(
            iterations=n_trees,
            depth=2 if n_leaves == 4 else 4,
            learning_rate=rate,
            l2_leaf_reg=1.0,
            rsm=0.5,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
            random_seed=1000 * seed + number,
        )
        left_out = data.X[split.test], data.y[split.test]
        model.fit(
            data.X[split.train],
            data.y[split.train],
            eval_set=left_out,
            early_stopping_rounds=WAIT,
        )
        means.append(
            np.maximum(_of_all_classes(model, X, max(2, data.n_outputs)), LEAST / 10)
        )
    return np.mean(means, axis=0)


PEERS = {
    "ours": ours,
    "scikit-learn": boosted_peers,
    "LightGBM": lightgbm_peers,
    "CatBoost": catboost_peers,
}
SPEED = {
    "heart_failure": 8,
    "sick": 8,
    "adult": 8,
    "simulated": 2,
}  # tables, and networks


def simulated(n_rows: int) -> sb.Table:
    """Return rows of 14 numbers, half of which matter."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 14))
    score = (
        X[:, 0] * X[:, 1]
        + np.sin(2 * X[:, 2])
        + X[:, 3]
        + (X[:, 4] > 0.5) * X[:, 5]
        + abs(X[:, 6])
    )
    y = rng.random(n_rows) < 1 / (1 + np.exp(-2 * score))
    return sb.read_table(
        pd.DataFrame(X, columns=[f"x{i}" for i in range(14)]).assign(y=y * 1),
        target="y",
    )


def speed(n_simulated: int = 500_000) -> None:
    """Print processor time and log loss of the first of five folds, in which all fit and predict on
    one core."""
    paths = {tables.stem(path): path for path in tables.tables()}
    print("| table, rows | networks | trees | s | log loss |\n|---|---:|---|---:|---:|")
    for name, n_networks in SPEED.items():
        path = paths.get(name)
        table = (
            sb.read_table(str(path), target=tables.rows_of(path)[0])
            if path
            else simulated(n_simulated)
        )
        split = next(
            iter(repeated_folds(table.target, repeats=1, folds=5, random_state=0))
        )
        train, test = table.of_rows(split.train), table.of_rows(split.test)
        made = Fit(train, (), sb.Recipe(), n_networks)
        X = smooth_clip(made.preprocessor.inputs_of_values(test.features), LIMIT)
        for kind, fit in PEERS.items():
            started = time.process_time()
            try:
                p = fit(N_ITERATIONS, made.for_trees(), X, 0)
            except ImportError:
                continue
            seconds = time.process_time() - started
            loss = -np.log(p[np.arange(len(p)), test.target] / p.sum(axis=1)).mean()
            print(
                f"| {name} {table.n_rows:,} | {n_networks} | {kind} | {seconds:.3g} | {loss:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    n_rows = [int(word) for word in sys.argv[1:] if word.isdigit()]
    speed(*n_rows)
