"""What a score is by its name: which way is better, what to call it, and which difference matters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seedbed.errors import OptionError
from seedbed.evaluation import METRICS

__all__ = ["ScoreKind", "is_known", "score_kind"]

_PREFIX = re.compile(r"(test|val|valid|validation|cv|mean|out_of_fold|oof)_")
_OTHER_NAMES = {
    "acc": "accuracy",
    "bal_acc": "balanced_accuracy",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "average_precision": "pr_auc",
    "auprc": "pr_auc",
    "matthews_corrcoef": "mcc",
    "brier_score": "brier",
    "logloss": "log_loss",
    "r_squared": "r2",
}
_HIGHER = frozenset(
    {"score", "f1", "f1_macro", "f1_micro", "f1_weighted", "precision", "recall", "sensitivity", "specificity", "kappa",
     "ndcg", "map", "iou", "dice", "bleu", "rouge", "top_1", "top_5", "explained_variance", "reward", "return", "gain",
     "likelihood", "log_likelihood"}
)  # fmt: skip
_LOWER = frozenset(
    {"loss", "nll", "cross_entropy", "error", "err", "mse", "rmse", "mean_squared_error", "root_mean_squared_error",
     "mean_absolute_error", "mape", "perplexity", "ece", "wer", "cer", "deviance", "regret", "cost"}
)  # fmt: skip


@dataclass(frozen=True)
class ScoreKind:
    """What is known of a score.

    Attributes:
        name: that of the metric registry where it is there, else the column's.
        words: what it is called in a sentence.
        greater_is_better: which way is better.
    """

    name: str
    words: str
    greater_is_better: bool

    @property
    def is_share(self) -> bool:
        """Whether it is a share of rows, shown in percent."""
        return self.name in METRICS and METRICS[self.name].percent


def score_kind(name: str, *, lower_is_better: bool | None = None) -> ScoreKind:
    """Return what a score is by its name.

    Raises:
        OptionError: the name doesn't say which way is better, and the user doesn't either.
    """
    known = _known(name)
    if known is not None and known in METRICS:
        metric = METRICS[known]
        better = metric.greater_is_better if lower_is_better is None else not lower_is_better
        return ScoreKind(known, metric.words, better)
    if lower_is_better is not None:
        return ScoreKind(name or "score", name or "score", not lower_is_better)
    if known is None:
        what = f"'{name}'" if name else "a score without a name"
        raise OptionError(
            f"it isn't known whether a high or a low value of {what} is better",
            "Add --higher-is-better or --lower-is-better"
            + ("." if name else ", or say what the numbers are: --score accuracy."),
        )
    return ScoreKind(name, name, known in _HIGHER)


def is_known(name: str) -> bool:
    """Return whether a name is that of a score."""
    return _known(name) is not None


def _known(name: str) -> str | None:
    """Return the usual name of a score; of scikit-learn's negated losses, which grow where they get better, `score`."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    plain = _PREFIX.sub("", plain)
    if plain.startswith("neg_"):
        return "score"
    plain = _OTHER_NAMES.get(plain, plain)
    if plain in METRICS or plain in _HIGHER or plain in _LOWER:
        return plain
    return None
