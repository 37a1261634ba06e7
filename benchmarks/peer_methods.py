"""seedbed and its eight peers, each at its defaults, on one thread. Libraries are imported when they are used."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


@dataclass(frozen=True)
class Method:
    """A way to predict classes.

    Attributes:
        label: its name on the page.
        package: whose version is written down.
        make: from a frame that has the columns, and a seed, to a classifier.
    """

    label: str
    package: str
    make: Callable[[pd.DataFrame, int], BaseEstimator]

    @property
    def version(self) -> str:
        return f"{self.package} {importlib.metadata.version(self.package)}"


def seedbed(X: pd.DataFrame, seed: int) -> BaseEstimator:
    from seedbed import SeedbedClassifier

    return SeedbedClassifier(random_state=seed)


def catboost(X: pd.DataFrame, seed: int) -> BaseEstimator:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(
        thread_count=1, random_seed=seed, cat_features=categories_of(X), verbose=False, allow_writing_files=False
    )
    return make_pipeline(FunctionTransformer(categories_as_texts), model)


def lightgbm(X: pd.DataFrame, seed: int) -> BaseEstimator:
    from lightgbm import LGBMClassifier

    return make_pipeline(FunctionTransformer(plainly_named), LGBMClassifier(n_jobs=1, random_state=seed, verbose=-1))


def xgboost(X: pd.DataFrame, seed: int) -> BaseEstimator:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_jobs=1, random_state=seed, enable_categorical=True)
    return make_pipeline(FunctionTransformer(plainly_named), model)


def random_forest(X: pd.DataFrame, seed: int) -> BaseEstimator:
    return make_pipeline(as_numbers(X), RandomForestClassifier(n_jobs=1, random_state=seed))


def logistic_regression(X: pd.DataFrame, seed: int) -> BaseEstimator:
    return make_pipeline(as_numbers(X), LogisticRegression(max_iter=1000, random_state=seed))


def mlp(X: pd.DataFrame, seed: int) -> BaseEstimator:
    return make_pipeline(as_numbers(X), MLPClassifier(random_state=seed))


def realmlp(X: pd.DataFrame, seed: int) -> BaseEstimator:
    from pytabkit import RealMLP_TD_Classifier

    model = RealMLP_TD_Classifier(device="cpu", random_state=seed, n_cv=1, n_threads=1, verbosity=0)
    return make_pipeline(filled(X), model)


def tabm(X: pd.DataFrame, seed: int) -> BaseEstimator:
    from pytabkit import TabM_D_Classifier

    model = TabM_D_Classifier(device="cpu", random_state=seed, n_cv=1, n_threads=1, verbosity=0)
    return make_pipeline(filled(X), model)


METHODS = {
    "seedbed": Method("seedbed", "seedbed", seedbed),
    "catboost": Method("CatBoost", "catboost", catboost),
    "lightgbm": Method("LightGBM", "lightgbm", lightgbm),
    "xgboost": Method("XGBoost", "xgboost", xgboost),
    "forest": Method("random forest", "scikit-learn", random_forest),
    "logistic": Method("logistic regression", "scikit-learn", logistic_regression),
    "mlp": Method("MLPClassifier", "scikit-learn", mlp),
    "realmlp": Method("RealMLP-TD", "pytabkit", realmlp),
    "tabm": Method("TabM-D", "pytabkit", tabm),
}


# What is made of the frame for those that can't take it as it is


def categories_of(X: pd.DataFrame) -> list[str]:
    return [column for column in X if isinstance(X[column].dtype, pd.CategoricalDtype)]


def numbers_of(X: pd.DataFrame) -> list[str]:
    return [column for column in X if not isinstance(X[column].dtype, pd.CategoricalDtype)]


def categories_as_texts(X: pd.DataFrame) -> pd.DataFrame:
    """CatBoost takes no missing category."""
    texts = {column: X[column].astype(object).where(X[column].notna(), "(missing)") for column in categories_of(X)}
    return X.assign(**texts)


def plainly_named(X: pd.DataFrame) -> pd.DataFrame:
    """LightGBM and XGBoost refuse brackets and the like in names."""
    return X.set_axis([f"column {place}" for place in range(X.shape[1])], axis=1)


def as_numbers(X: pd.DataFrame) -> ColumnTransformer:
    """Medians for missing numbers, and a flag that says so, all standardised; a column for each level, missing too."""
    numbers = make_pipeline(medians(), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float64)
    return ColumnTransformer([("numbers", numbers, numbers_of(X)), ("levels", levels, categories_of(X))])


def filled(X: pd.DataFrame) -> Any:
    """Medians for missing numbers, and a flag that says so; pytabkit takes missing categories, but no such numbers."""
    transformer = ColumnTransformer(
        [("numbers", medians(), numbers_of(X))], remainder="passthrough", verbose_feature_names_out=False
    )
    return transformer.set_output(transform="pandas")


def medians() -> SimpleImputer:
    return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
