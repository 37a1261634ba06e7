"""Hundreds of small PyTorch networks at once, and whether depth, width or an activation really helps.

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
    from seedbed.data import Table, inspect_table, read_table
    from seedbed.estimators import SeedbedClassifier, SeedbedRegressor
    from seedbed.experiment import Comparison, columns, compare, rows
    from seedbed.judgement import Judgement, judge
    from seedbed.model import Model, fit_model, load
    from seedbed.networks import MLP, Candidate
    from seedbed.play import playground
    from seedbed.settings import Compute, Design, Recipe
    from seedbed.training import History, train_many

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
    "Table",
    "TableNotFoundError",
    "TargetError",
    "TrainingError",
    "UnreadableError",
    "UsageError",
    "columns",
    "compare",
    "fit_model",
    "inspect_table",
    "judge",
    "load",
    "playground",
    "read_table",
    "rows",
    "train_many",
]

_PACKAGES = {
    "columns": "experiment",
    "compare": "experiment",
    "rows": "experiment",
    "Compute": "settings",
    "Design": "settings",
    "Recipe": "settings",
    "Comparison": "experiment",
    "MLP": "networks",
    "Candidate": "networks",
    "SeedbedClassifier": "estimators",
    "SeedbedRegressor": "estimators",
    "History": "training",
    "Judgement": "judgement",
    "Model": "model",
    "Table": "data",
    "fit_model": "model",
    "inspect_table": "data",
    "judge": "judgement",
    "load": "model",
    "playground": "play",
    "read_table": "data",
    "train_many": "training",
}


def __getattr__(name: str) -> object:
    if name not in _PACKAGES:
        raise AttributeError(f"module 'seedbed' has no attribute '{name}'")
    return getattr(importlib.import_module(f"seedbed.{_PACKAGES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
