"""The registry of metrics: their names, what they are called in a sentence, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.errors import OptionError, did_you_mean

__all__ = ["METRICS", "default_metric", "metric"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: the key in `scores` and the word for `--metric`.
        words: what it is called in a sentence.
        greater_is_better: of the *score*; the row loss of `row_losses` is always better when smaller.
        tasks: where it is defined.
        per_row: a mean over rows, so that it can be the primary metric that is tested.
    """

    name: str
    words: str
    greater_is_better: bool
    tasks: tuple[str, ...]
    per_row: bool


_CLASSES = ("binary", "multiclass")

METRICS: dict[str, Metric] = {
    entry.name: entry
    for entry in (
        Metric("brier", "Brier score", False, _CLASSES, True),
        Metric("log_loss", "log loss", False, _CLASSES, True),
        Metric("accuracy", "accuracy", True, _CLASSES, True),
        Metric("squared_error", "squared error", False, ("regression",), True),
        Metric("mae", "mean absolute error", False, ("regression",), True),
        Metric("balanced_accuracy", "balanced accuracy", True, _CLASSES, False),
        Metric("mcc", "Matthews correlation", True, _CLASSES, False),
        Metric("roc_auc", "ROC AUC", True, _CLASSES, False),
        Metric("pr_auc", "PR AUC", True, ("binary",), False),
        Metric("brier_skill", "Brier skill", True, _CLASSES, False),
        Metric("r2", "R2", True, ("regression",), False),
    )
}


def metric(name: str) -> Metric:
    """The metric of this name.

    Raises:
        OptionError: there is none of this name.
    """
    if name not in METRICS:
        raise OptionError(f"There is no metric '{name}'", did_you_mean(name, METRICS))
    return METRICS[name]


def default_metric(task: str) -> str:
    """The name of the primary metric where the user names none: a proper score, since it sees most."""
    return "squared_error" if task == "regression" else "brier"


def greater_is_better(name: str) -> bool:
    """Whether a greater value of this score is the better one.

    Raises:
        OptionError: there is no metric of this name.
    """
    return metric(name).greater_is_better
