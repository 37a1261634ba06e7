"""Are the package's trees as good as those of scikit-learn, and how much quicker?

    SEEDBED_DATA=... taskset -c 1 python benchmarks/trees.py --out trees.jsonl    all tables; continues where it stopped
    SEEDBED_DATA=... taskset -c 1 python benchmarks/trees.py --tables breast_w    some of them
    python benchmarks/trees.py --out trees.jsonl --show                           the table of finished results
    python benchmarks/trees.py --speed                                            LightGBM and CatBoost, 300 to 500,000 rows

Both kinds are fitted as members of a blend are: eight networks, each of which leaves out other
rows; those decide how many boosting iterations there are. Five folds; the smaller a table, the more
often it is divided. The loss is the log loss of the mean prediction of the eight, and processor
time is of a fold. Those of scikit-learn have the same sizes and rates: `ExtraTreeClassifier` and
`HistGradientBoostingClassifier`. Both see the same inputs and inner splits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tables
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

import seedbed as sb
from seedbed.data.splits import repeated_folds
from seedbed.model.member import LIMIT, Fit
from seedbed.model.stacks import smooth_clip
from seedbed.model.tree_data import TreeData
from seedbed.model.trees import (
    LEAST,
    MOST_ROWS,
    DecisionTrees,
    fit_trees,
    growth,
)
from seedbed.networks.mlp import Trees

N_NETWORKS, N_ITERATIONS, WAIT, FEW_ROWS = 8, 150, 10, 1_500
FITS, MOST_REPEATS = 6_000, 4  # rows in all repeats, about


def ours(
    method: str, n_trees: int, data: TreeData, X: np.ndarray, seed: int
) -> np.ndarray:
    """Return the mean probabilities [row, class] of new inputs."""
    fitted = fit_trees(Trees(method, n_trees), data, random_state=seed, jobs=1)
    assert fitted is not None
    each = DecisionTrees.stacked(fitted.architecture, fitted.states)
    return np.mean([data.predicted(trees(X)) for trees in each], axis=0)


def extra_peers(
    _: str, n_trees: int, data: TreeData, X: np.ndarray, seed: int
) -> np.ndarray:
    """Return what extra trees of scikit-learn predict. Two classes are fitted as numbers."""
    share, means = min(0.5, 64 / X.shape[1]), []
    for number, split in enumerate(data.splits):
        random, total = np.random.RandomState(1000 * seed + number), 0
        rows = split.train
        for tree_seed in random.randint(np.iinfo(np.int32).max, size=n_trees):
            weights = np.ones(len(rows))
            if len(rows) > MOST_ROWS:
                draws = np.random.RandomState(tree_seed).randint(
                    len(rows), size=MOST_ROWS
                )
                weights = np.bincount(draws, minlength=len(rows)).astype(float)
            kind = ExtraTreeClassifier if data.n_outputs > 1 else ExtraTreeRegressor
            tree = kind(max_features=share, random_state=tree_seed)
            tree.fit(data.X[rows], data.y[rows].astype(float), sample_weight=weights)
            total = total + (
                _of_all_classes(tree, X, data.n_outputs)
                if data.n_outputs > 1
                else tree.predict(X)
            )
        p = np.maximum(np.asarray(total) / n_trees, LEAST)
        if data.n_outputs == 1:
            p = np.minimum(p, 1 - LEAST)
            p = np.column_stack([1 - p, p])
        means.append(p / p.sum(axis=1, keepdims=True))
    return np.mean(means, axis=0)


def _of_all_classes(model: Any, X: np.ndarray, n_classes: int) -> np.ndarray:
    p = np.zeros((len(X), n_classes))
    p[:, model.classes_.astype(int)] = model.predict_proba(X)
    return p


def boosted_peers(
    _: str, n_trees: int, data: TreeData, X: np.ndarray, seed: int
) -> np.ndarray:
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
    _: str, n_trees: int, data: TreeData, X: np.ndarray, seed: int
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
    _: str, n_trees: int, data: TreeData, X: np.ndarray, seed: int
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
            p = fit("boosted", N_ITERATIONS, made.for_trees(), X, 0)
            seconds = time.process_time() - started
            loss = -np.log(p[np.arange(len(p)), test.target] / p.sum(axis=1)).mean()
            print(
                f"| {name} {table.n_rows:,} | {n_networks} | {kind} | {seconds:.3g} | {loss:.4f} |",
                flush=True,
            )


def results(path: Path, method: str, most: int, seeds: int) -> Iterator[dict[str, Any]]:
    """Yield loss and processor time of both kinds in each fold. Another seed has other trees and
    other inner splits."""
    target, n_rows = tables.rows_of(path)
    table = sb.read_table(str(path), target=target)
    repeats = int(np.clip(FITS // n_rows, 1, most))
    n_trees = (
        N_ITERATIONS if method == "boosted" else 25 if n_rows * 0.8 < FEW_ROWS else 50
    )
    peers = boosted_peers if method == "boosted" else extra_peers
    folds = enumerate(
        repeated_folds(table.target, repeats=repeats, folds=5, random_state=0)
    )
    for (fold, split), seed in itertools.product(folds, range(seeds)):
        number = fold + 1000 * seed
        train, test = table.of_rows(split.train), table.of_rows(split.test)
        made = Fit(train, (), sb.Recipe(), N_NETWORKS, number)
        data, X = (
            made.for_trees(),
            smooth_clip(made.preprocessor.inputs_of_values(test.features), LIMIT),
        )
        found: dict[str, Any] = {
            "table": tables.stem(path),
            "rows": n_rows,
            "method": method,
            "fold": fold,
        }
        found["seed"] = seed
        for name, fit in (("ours", ours), ("peers", peers)):
            started = time.process_time()
            p = fit(method, n_trees, data, X, number)
            found[f"{name}_seconds"] = time.process_time() - started
            p = p[np.arange(len(p)), test.target] / p.sum(axis=1)
            found[name] = float(-np.log(p).mean())
        yield found


def show(lines: list[dict[str, Any]]) -> None:
    """Print a table as Markdown."""
    groups = defaultdict(list)
    for line in lines:
        groups[line["rows"], line["table"], line["method"]].append(line)
    print(
        "| table | rows | trees | folds | log loss of scikit-learn's | ours | change, % | ± | s | ours, s | times |"
    )
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    changes = defaultdict(list)
    for (n_rows, table, method), some in sorted(groups.items()):
        n_seeds = 1 + max(one.get("seed", 0) for one in some)
        of_seeds = (
            np.reshape([one[name] for one in some], (-1, n_seeds))
            for name in ("peers", "ours")
        )
        theirs, mine = (
            values.mean(axis=0) if n_seeds > 1 else values[:, 0] for values in of_seeds
        )
        seconds = [
            float(np.mean([one[f"{name}_seconds"] for one in some]))
            for name in ("peers", "ours")
        ]
        change = 100 * (mine - theirs) / theirs.mean()
        error, times = change.std(ddof=1) / len(change) ** 0.5, seconds[0] / seconds[1]
        changes[method].append(change.mean())
        print(
            f"| {table} | {n_rows:,} | {method} | {len(some)} | {theirs.mean():.4f} | {mine.mean():.4f} |"
            f" {change.mean():+.2f} | {error:.2f} | {seconds[0]:.2f} | {seconds[1]:.3f} | {times:.1f} |"
        )
    for method, some in changes.items():
        print(f"\n{method}: {np.mean(some):+.2f} % in the mean of {len(some)} tables")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--tables", help="names, with commas")
    parser.add_argument("--methods", default="extra,boosted")
    parser.add_argument("--most", type=int, default=MOST_REPEATS)
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        help="on the same folds; then the error is that of the seeds",
    )
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    known = (
        [json.loads(line) for line in options.out.open()]
        if options.out and options.out.exists()
        else []
    )
    wanted = options.tables.split(",") if options.tables else None
    for path in [] if options.show else tables.tables():
        for method in options.methods.split(","):
            done = any(
                (line["table"], line["method"]) == (tables.stem(path), method)
                for line in known
            )
            if done or (wanted and tables.stem(path) not in wanted):
                continue
            some = list(results(path, method, options.most, options.seeds))
            known += some
            if options.out:
                with options.out.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in some)
    show(known)


if __name__ == "__main__":
    main()
