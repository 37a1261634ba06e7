"""The default recipe: settings tried on the deciding half of the real tables, and what the latest
rows are worth.

    python benchmarks/recipe.py                                  settings, for tables of at most 1,500 rows
    python benchmarks/recipe.py --rows 30000 --tables sick       some larger table
    python benchmarks/recipe.py --time                           rows in order: leave out the latest eighth, or train on it

Losses are log losses of classes and squared errors of standardised numbers, four folds. A cell
shows by how much a setting is above the best one of its row.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from peer_tables import path_of
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold

import seedbed as sb

TABLES = (
    *(
        "heart_failure",
        "pima_diabetes",
        "ionosphere",
        "vehicle",
        "credit_g",
        "phoneme",
        "cmc",
        "hepatitis",
    ),
    *("pima_diabetes: glucose", "vehicle: COMPACTNESS", "cmc: Wifes_age"),
)
NETWORKS = (
    *("relu:8", "relu:32", "relu:256", "relu:32,32", "silu:64,64@layernorm,residual"),
    *(
        "silu:64,64@layernorm,residual,ple=8",
        "silu:64,64@layernorm,residual,plr=4,plr_frequencies=8,plr_sigma=0.5",
    ),
)
SETTINGS = [(60, 2e-3), (200, 2e-3), (200, 4e-3), (200, 8e-3), (120, 4e-3), (100, 8e-3)]
ORDERED = {"electricity": (4_000, ()), "bank_marketing": (4_000, ("duration",))}
WINDOWS = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tables", type=lambda text: text.split(","), default=list(TABLES)
    )
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    if arguments.time:
        ordered()
        return
    for name in arguments.tables:
        for words in NETWORKS:
            row = [
                settings_of(name, arguments.rows, words, epochs, lr)
                for epochs, lr in SETTINGS
            ]
            least = min(loss for loss, _ in row)
            cells = (
                f"{epochs} epochs {lr:g}: +{loss / least - 1:.1%} {seconds:.2f} s"
                for (epochs, lr), (loss, seconds) in zip(SETTINGS, row, strict=True)
            )
            print(name, words, *cells, sep="; ", flush=True)


def settings_of(
    name: str, most: int, words: str, epochs: int, lr: float
) -> tuple[float, float]:
    """Return the mean loss over four folds, and the processor seconds of a fit."""
    table, _, target = name.partition(": ")
    frame = pd.read_csv(path_of(table))
    target = target or frame.columns[-1]
    frame = frame[frame[target].notna()]
    frame = frame.sample(min(most, len(frame)), random_state=0).reset_index(drop=True)
    X, numbers = frame.drop(columns=target), ": " in name
    y = (
        frame[target].to_numpy(float)
        if numbers
        else pd.factorize(frame[target], sort=True)[0]
    )
    y = (y - y.mean()) / y.std() if numbers else y
    kind, losses, started = (
        sb.SeedbedRegressor if numbers else sb.SeedbedClassifier,
        [],
        time.process_time(),
    )
    for train, test in (KFold if numbers else StratifiedKFold)(
        4, shuffle=True, random_state=0
    ).split(X, y):
        model = kind(words, epochs=epochs, lr=lr, random_state=0).fit(
            X.iloc[train], y[train]
        )
        if numbers:
            losses.append(float(np.mean((model.predict(X.iloc[test]) - y[test]) ** 2)))
        else:
            losses.append(
                log_loss(
                    y[test], model.predict_proba(X.iloc[test]), labels=np.unique(y)
                )
            )
    return float(np.mean(losses)), (time.process_time() - started) / 4


def ordered() -> None:
    """Print losses on the rows after five windows: with the latest eighth left out, and with all
    rows trained on for as many epochs."""
    for name, (size, dropped) in ORDERED.items():
        frame = pd.read_csv(path_of(name)).drop(columns=list(dropped))
        target = frame.columns[-1]
        for start in (
            np.linspace(0, len(frame) - size * 5 // 4, WINDOWS).astype(int).tolist()
        ):
            train, test = (
                frame.iloc[start : start + size],
                frame.iloc[start + size : start + size * 5 // 4],
            )
            table = sb.read_table(
                train.assign(when=np.arange(size)), target=target, time_split="when"
            )
            for words in ("relu:32", "network-2"):
                model = sb.fit_model(table, words)
                recipe = sb.Recipe(epochs=int(model.training["epochs"]), patience=0)
                losses = [
                    log_loss(
                        test[target].astype(str),
                        one.predict_proba(test.drop(columns=target).assign(when=0)),
                        labels=list(map(str, one.labels)),
                    )
                    for one in (model, sb.fit_model(table, words, recipe=recipe))
                ]
                print(
                    name,
                    start,
                    words,
                    "left out {:.3f}, trained on {:.3f}".format(*losses),
                    sep="; ",
                    flush=True,
                )


if __name__ == "__main__":
    main()
