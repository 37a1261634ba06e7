"""Rows a second of a model's predictions, beside scikit-learn and a plain loop over the networks, in one run.

    python benchmarks/predict.py [--rows 1000000] [--rounds 5]

The model is relu:5 x 8 of heart failure: 12 columns of numbers in memory, two cores. What is timed is everything from
cells to probabilities: checks of each cell, missing ones, standardisation, eight networks, mean and spread.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import seedbed as sb


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = Path(os.environ.get("SEEDBED_DATA") or Path(__file__).parents[2] / "shared" / "data")
    frame = pd.read_csv(folder / "heart_failure.csv")
    X, y = frame.drop(columns="DEATH_EVENT"), frame["DEATH_EVENT"].to_numpy()
    ways = ways_to_predict(frame, X, y)
    long = pd.concat([X] * (options.rows // len(X) + 1), ignore_index=True)[: options.rows]
    best = dict.fromkeys(ways, np.inf)
    for _ in range(options.rounds):
        for name, predict in ways.items():
            started = time.perf_counter()
            predict(long)
            best[name] = min(best[name], time.perf_counter() - started)
    ours = best["seedbed, data frame"]
    print(f"{'way':45} {'million rows/s':>14} {'times seedbed takes':>20}")
    for name, seconds in best.items():
        print(f"{name:45} {options.rows / seconds / 1e6:14.2f} {ours / seconds:20.2f}")


def ways_to_predict(frame: pd.DataFrame, X: pd.DataFrame, y: np.ndarray) -> dict[str, Callable[[pd.DataFrame], object]]:
    table = sb.read_table(frame, target="DEATH_EVENT")
    model = sb.fit_model(table, "relu:5", recipe=sb.Recipe(epochs=200))
    scaler = StandardScaler().fit(X)
    networks = model.networks()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = MLPClassifier((5,), max_iter=50)
        bagged = make_pipeline(StandardScaler(), BaggingClassifier(one, 10, n_jobs=2)).fit(X, y)
        trees = HistGradientBoostingClassifier().fit(X, y)

    def plain(rows: pd.DataFrame) -> torch.Tensor:
        inputs = torch.from_numpy(scaler.transform(rows).astype(np.float32))
        with torch.inference_mode():
            return torch.stack([network(inputs) for network in networks]).sigmoid().mean(0)

    return {
        "seedbed, data frame": model.predict_proba,
        "seedbed, array": lambda rows: model.predict_proba(rows.to_numpy(np.float64)),
        "StandardScaler and a loop over the networks": plain,
        "scikit-learn, 10 bagged MLPClassifiers": bagged.predict_proba,
        "scikit-learn, boosted trees": trees.predict_proba,
    }


if __name__ == "__main__":
    main()
