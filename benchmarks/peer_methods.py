"""seedbed and its peers. Libraries are imported when they are used."""

from __future__ import annotations

import importlib
import importlib.metadata
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

KINDS = ("Classifier", "Regressor")  # as the names of their classes end
MINUTE = 60
# Ray would take seconds of the minute to start, and two cores gain nothing by it.
BEST = {
    "presets": "best_quality",
    "time_limit": MINUTE,
    "ag_args_ensemble": {"fold_fitting_strategy": "sequential_local"},
}


@dataclass(frozen=True)
class Method:
    """A way to predict classes or numbers.

    Attributes:
        label: its name on the page.
        package: whose version is written down.
        name: module and name of the class, without `Classifier` or `Regressor` at its end.
        options: of the class; a function is called with the frame that has the columns.
        inputs: from the frame to what is done with it first.
        kinds: those of KINDS that there are.
        threads: and cores.
    """

    label: str
    package: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Callable[[pd.DataFrame], Any] | None = None
    kinds: tuple[str, ...] = KINDS
    threads: int = 1

    @property
    def version(self) -> str:
        return f"{self.package} {importlib.metadata.version(self.package)}"

    def make(self, X: pd.DataFrame, seed: int, kind: str) -> Any:
        module, _, name = self.name.rpartition(".")
        made = importlib.import_module(module)
        options = {
            key: value(X) if callable(value) else value
            for key, value in self.options.items()
        }
        model = getattr(made, name + kind, None) or getattr(made, name)
        model = model(random_state=seed, **options)
        return make_pipeline(self.inputs(X), model) if self.inputs else model


# What is made of the frame for those that can't take it as it is


def categories_of(X: pd.DataFrame) -> list[str]:
    return [column for column in X if isinstance(X[column].dtype, pd.CategoricalDtype)]


def numbers_of(X: pd.DataFrame) -> list[str]:
    return [
        column for column in X if not isinstance(X[column].dtype, pd.CategoricalDtype)
    ]


def categories_as_texts(X: pd.DataFrame) -> pd.DataFrame:
    """CatBoost takes no missing category."""
    texts = {
        column: X[column].astype(object).where(X[column].notna(), "(missing)")
        for column in categories_of(X)
    }
    return X.assign(**texts)


def as_texts(X: pd.DataFrame) -> FunctionTransformer:
    return FunctionTransformer(categories_as_texts)


def plainly_named(X: pd.DataFrame) -> FunctionTransformer:
    """LightGBM and XGBoost refuse brackets and the like in names."""
    return FunctionTransformer(
        lambda X: X.set_axis([f"column {place}" for place in range(X.shape[1])], axis=1)
    )


def as_numbers(X: pd.DataFrame) -> ColumnTransformer:
    """Medians for missing numbers, and a flag that says so, all standardised; a column for each
    level, missing too."""
    numbers = make_pipeline(medians(), StandardScaler())
    levels = OneHotEncoder(
        handle_unknown="ignore", sparse_output=False, dtype=np.float64
    )
    return ColumnTransformer(
        [("numbers", numbers, numbers_of(X)), ("levels", levels, categories_of(X))]
    )


def filled(X: pd.DataFrame) -> Any:
    """Medians for missing numbers, and a flag that says so; pytabkit takes missing categories, but
    no such numbers."""
    transformer = ColumnTransformer(
        [("numbers", medians(), numbers_of(X))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    return transformer.set_output(transform="pandas")


def medians() -> SimpleImputer:
    return SimpleImputer(
        strategy="median", add_indicator=True, keep_empty_features=True
    )


# What scikit-learn's interface is made for


@dataclass
class AutoGluonClassifier:
    """AutoGluon, which chooses by the score that the page ranks by; its models lie in a folder of
    their own."""

    random_state: int
    threads: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    metric, problem = "log_loss", ""  # problem: by the classes

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> AutoGluonClassifier:
        from autogluon.tabular import TabularPredictor

        self.folder = tempfile.TemporaryDirectory()  # gone together with this object
        self.n_classes = len(np.unique(y))
        problem = self.problem or ("binary" if self.n_classes == 2 else "multiclass")
        about = {
            "problem_type": problem,
            "eval_metric": self.metric,
            "path": self.folder.name,
            "verbosity": 0,
        }
        self.predictor = TabularPredictor(
            "(target)", learner_kwargs={"random_state": self.random_state}, **about
        )
        self.predictor.fit(
            X.assign(**{"(target)": y}),
            num_cpus=self.threads,
            num_gpus=0,
            **self.settings,
        )
        return self

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        return self.predictor.predict(X, as_pandas=False)

    def predict_proba(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return probabilities of all classes; AutoGluon leaves out those with hardly a row."""
        return (
            self.predictor.predict_proba(X)
            .reindex(columns=range(self.n_classes), fill_value=0.0)
            .to_numpy()
        )


class AutoGluonRegressor(AutoGluonClassifier):
    metric = "root_mean_squared_error"
    problem = "regression"


@dataclass
class TunedCatBoost(BaseEstimator):
    """CatBoost with settings drawn at random, the defaults first, as long as the time lasts.

    Each draw is fitted to five inner folds, each of which stops by its held-out part. The models of
    the best draw are averaged.
    """

    random_state: int
    threads: int
    seconds: float
    cat_features: list[str]

    def fit(self, X: pd.DataFrame, y: NDArray[Any]) -> TunedCatBoost:
        from catboost import CatBoostClassifier

        started, longest, best = time.monotonic(), 0.0, np.inf
        generator = np.random.default_rng(self.random_state)
        folds = list(
            StratifiedKFold(5, shuffle=True, random_state=self.random_state).split(X, y)
        )
        about = {
            "random_seed": self.random_state,
            "thread_count": self.threads,
            "cat_features": self.cat_features,
        }
        about |= {
            "early_stopping_rounds": 50,
            "verbose": False,
            "allow_writing_files": False,
        }
        settings: dict[str, Any] = {}
        while best == np.inf or time.monotonic() - started + longest < self.seconds:
            began, models = time.monotonic(), []
            for train, held in folds:
                model = CatBoostClassifier(**about, **settings)
                models.append(
                    model.fit(X.iloc[train], y[train], eval_set=(X.iloc[held], y[held]))
                )
            loss = float(
                np.mean(
                    [
                        next(iter(model.get_best_score()["validation"].values()))
                        for model in models
                    ]
                )
            )
            longest = max(longest, time.monotonic() - began)
            if loss < best:
                best, self.models_ = loss, models
            settings = {
                "learning_rate": float(
                    np.exp(generator.uniform(np.log(0.01), np.log(0.3)))
                ),
                "depth": int(generator.integers(2, 9)),
                "l2_leaf_reg": float(
                    np.exp(generator.uniform(np.log(0.1), np.log(30)))
                ),
                "random_strength": float(
                    np.exp(generator.uniform(np.log(0.1), np.log(10)))
                ),
                "bootstrap_type": "Bernoulli",
                "subsample": float(generator.uniform(0.5, 1)),
            }
        return self

    def predict_proba(self, X: pd.DataFrame) -> NDArray[Any]:
        return np.mean([model.predict_proba(X) for model in self.models_], axis=0)


def pytabkit(n_cv: int) -> dict[str, Any]:
    return {"device": "cpu", "n_cv": n_cv, "n_threads": 1, "verbosity": 0}


CLASSES, NUMBER = KINDS[:1], KINDS[1:]
CATBOOST = {
    "thread_count": 1,
    "cat_features": categories_of,
    "verbose": False,
    "allow_writing_files": False,
}
METHODS = {
    "seedbed": Method("seedbed", "seedbed", "seedbed.Seedbed"),
    "catboost": Method("CatBoost", "catboost", "catboost.CatBoost", CATBOOST, as_texts),
    "lightgbm": Method(
        "LightGBM",
        "lightgbm",
        "lightgbm.LGBM",
        {"n_jobs": 1, "verbose": -1},
        plainly_named,
    ),
    "xgboost": Method(
        "XGBoost",
        "xgboost",
        "xgboost.XGB",
        {"n_jobs": 1, "enable_categorical": True},
        plainly_named,
    ),
    "forest": Method(
        "random forest",
        "scikit-learn",
        "sklearn.ensemble.RandomForest",
        {"n_jobs": 1},
        as_numbers,
    ),
    "extra_trees": Method(
        "extra trees",
        "scikit-learn",
        "sklearn.ensemble.ExtraTrees",
        {"n_jobs": 1},
        as_numbers,
    ),
    "logistic": Method(
        *(
            "logistic regression",
            "scikit-learn",
            "sklearn.linear_model.LogisticRegression",
            {"max_iter": 1000},
        ),
        *(as_numbers, CLASSES),
    ),
    "ridge": Method(
        "ridge regression",
        "scikit-learn",
        "sklearn.linear_model.Ridge",
        {},
        as_numbers,
        NUMBER,
    ),
    "mlp": Method(
        "MLP of scikit-learn",
        "scikit-learn",
        "sklearn.neural_network.MLP",
        {},
        as_numbers,
    ),
    "ebm": Method(
        "EBM",
        "interpret-core",
        "interpret.glassbox.ExplainableBoosting",
        {"n_jobs": 1},
        plainly_named,
    ),
    "realmlp": Method(
        "RealMLP-TD", "pytabkit", "pytabkit.RealMLP_TD_", pytabkit(1), filled
    ),
    "realmlp_5": Method(
        "five RealMLP-TD", "pytabkit", "pytabkit.RealMLP_TD_", pytabkit(5), filled
    ),
    "tabm": Method("TabM-D", "pytabkit", "pytabkit.TabM_D_", pytabkit(1), filled),
    "tabm_5": Method(
        "five TabM-D", "pytabkit", "pytabkit.TabM_D_", pytabkit(5), filled
    ),
    "autogluon": Method("AutoGluon", "autogluon.tabular", "peer_methods.AutoGluon"),
    "seedbed_60": Method(
        *(
            "seedbed, 60 s",
            "seedbed",
            "seedbed.Seedbed",
            {"time_limit": MINUTE, "n_jobs": 2},
            None,
            CLASSES,
            2,
        )
    ),
    "catboost_60": Method(
        *("CatBoost tuned, 60 s", "catboost", "peer_methods.TunedCatBoost"),
        *(
            {"threads": 2, "seconds": MINUTE, "cat_features": categories_of},
            as_texts,
            CLASSES,
            2,
        ),
    ),
    "autogluon_60": Method(
        *(
            "AutoGluon best_quality, 60 s",
            "autogluon.tabular",
            "peer_methods.AutoGluon",
        ),
        *({"threads": 2, "settings": BEST}, None, CLASSES, 2),
    ),
}
