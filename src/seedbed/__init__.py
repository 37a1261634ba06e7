"""Hundreds of small neural networks at once, and whether depth, width or an activation really helps.

    import seedbed as sb

    comparison = sb.compare("example:breast-cancer", candidates=["linear:5", "relu:5"])
    print(comparison)
    history = sb.train_many("relu:5", X_train, y_train, X_test, y_test, seeds=100)

Names are loaded when they are first used, so that `import seedbed` is quick and doesn't load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from seedbed.errors import (
    CandidateError,
    ColumnError,
    DataError,
    ModelFileError,
    OptionError,
    SeedbedError,
    TableNotFoundError,
    TargetError,
    TrainingError,
    UnreadableError,
    UsageError,
)

if TYPE_CHECKING:
    from seedbed.data.inspection import inspect_table
    from seedbed.data.reading import read_table
    from seedbed.data.table import Table
    from seedbed.estimators import SeedbedClassifier, SeedbedRegressor
    from seedbed.experiment.compare import compare
    from seedbed.experiment.comparison import Comparison
    from seedbed.judgement.judge import Judgement, judge
    from seedbed.model.blending import fit_model
    from seedbed.model.model import Model, load
    from seedbed.networks.candidate import Candidate
    from seedbed.networks.mlp import MLP
    from seedbed.play.page import playground
    from seedbed.settings.design import Compute, Design
    from seedbed.settings.recipe import Recipe
    from seedbed.survival_estimator import SeedbedSurvival
    from seedbed.training.many import History, train_many

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "Candidate",
    "CandidateError",
    "ColumnError",
    "Comparison",
    "Compute",
    "DataError",
    "Design",
    "History",
    "Judgement",
    "Model",
    "ModelFileError",
    "OptionError",
    "Recipe",
    "SeedbedClassifier",
    "SeedbedError",
    "SeedbedRegressor",
    "SeedbedSurvival",
    "Table",
    "TableNotFoundError",
    "TargetError",
    "TrainingError",
    "UnreadableError",
    "UsageError",
    "compare",
    "fit_model",
    "inspect_table",
    "judge",
    "load",
    "playground",
    "read_table",
    "train_many",
]

_FILES = {
    "compare": "experiment.compare",
    "Compute": "settings.design",
    "Design": "settings.design",
    "Recipe": "settings.recipe",
    "Comparison": "experiment.comparison",
    "MLP": "networks.mlp",
    "Candidate": "networks.candidate",
    "SeedbedClassifier": "estimators",
    "SeedbedRegressor": "estimators",
    "SeedbedSurvival": "survival_estimator",
    "History": "training.many",
    "Judgement": "judgement.judge",
    "Model": "model.model",
    "Table": "data.table",
    "fit_model": "model.blending",
    "inspect_table": "data.inspection",
    "judge": "judgement.judge",
    "load": "model.model",
    "playground": "play.page",
    "read_table": "data.reading",
    "train_many": "training.many",
}


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module 'seedbed' has no attribute '{name}'")
    return getattr(importlib.import_module(f"seedbed.{_FILES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
