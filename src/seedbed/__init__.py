"""Hundreds of small neural networks at once, and whether depth, width or an activation really
helps.

    import seedbed as sb

    comparison = sb.compare("example:breast-cancer", candidates=["linear:5", "relu:5"])
    print(comparison)
    history = sb.train_many("relu:5", X_train, y_train, X_test, y_test, seeds=100)

Names are loaded when they are first used, so that `import seedbed` is quick and doesn't load torch.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "data.inspection": "inspect_table",
    "data.reading": "read_table",
    "data.table": "Table",
    "errors": "CandidateError ColumnError DataError ModelFileError OptionError SeedbedError TableNotFoundError"
    " TargetError TooFewRowsError TrainingError UnreadableError UsageError",
    "estimators": "SeedbedClassifier SeedbedRegressor",
    "evaluation.sample_sizes": "plan_items",
    "experiment.compare": "compare",
    "experiment.comparison": "Comparison",
    "experiment.gate": "Gate",
    "judgement.judge": "Judgement judge",
    "model.blending": "fit_model",
    "model.model": "Model load",
    "networks.candidate": "Candidate",
    "networks.mlp": "MLP",
    "play.page": "playground",
    "report.evaluation_text": "Evaluation",
    "settings.design": "Compute Design",
    "settings.recipe": "Recipe",
    "survival_estimator": "SeedbedSurvival",
    "training.many": "History train_many",
}
"""The public names of each file. `make stub` writes `__init__.pyi`, which editors and type checkers
read."""

_FILES = {name: file for file, names in _PUBLIC.items() for name in names.split()}
__all__ = sorted(_FILES)


def __getattr__(name: str) -> object:
    if name not in _FILES:
        raise AttributeError(f"module 'seedbed' has no attribute '{name}'")
    return getattr(importlib.import_module(f"seedbed.{_FILES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
