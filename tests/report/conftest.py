"""Summaries of comparisons, written by hand; `test_terminal.py` compares them with a real one."""

from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from seedbed.evaluation.estimates import Difference
from seedbed.evaluation.single_runs import Curves, summarize_curves
from seedbed.evaluation.summaries import Conclusion
from seedbed.evaluation.verdicts import Verdict, decide

RECIPE = "SGD, lr 0.01, full batch, 1000 epochs"
MEANS = dict(
    accuracy=0.825,
    balanced_accuracy=0.81,
    recall=0.6,
    mcc=0.6,
    roc_auc=0.9,
    pr_auc=0.8,
    brier=0.125,
    brier_skill=0.4,
    log_loss=0.41,
)


def of_document(function):
    """The same function of the plain dict of a conclusion."""
    return lambda document, *rest, **words: function(
        msgspec.convert(document, Conclusion), *rest, **words
    )


def score(mean=0.5, low=0.4, high=0.6):
    return {"mean": mean, "low": low, "high": high, "pooled": False}


def scores(**given):
    """All scores with intervals of 0.1 to both sides, except those given as (mean, low, high)."""
    return {
        name: score(*given.get(name, (mean, mean - 0.1, mean + 0.1)))
        for name, mean in MEANS.items()
    }


def network(name, **changes):
    return {
        **baseline(name),
        "kind": "network",
        "description": RECIPE,
        "n_parameters": 1071,
        "n_networks": 500,
        "n_diverged": 0,
        "epochs": {"most": 1000, "low": 900, "median": 1000, "high": 1000},
        "train_accuracy": 0.8449,
        "note": "",
        **changes,
    }


def baseline(name, **changes):
    return {
        "name": name,
        "kind": "baseline",
        "scores": scores(),
        "confusion": [[0.5, 0.1], [0.1, 0.3]],
        "description": "class shares of the training rows",
        **changes,
    }


def verdict(
    candidate,
    low,
    high,
    *,
    reference="linear:5",
    metric="brier",
    margin=0.01,
    comparisons=1,
):
    """A verdict as the engine gives it: the rule follows from the interval and the margin."""
    middle = (low + high) / 2
    return Verdict(
        candidate=candidate,
        reference=reference,
        rule=decide(low=low, high=high, is_small=-margin < low and high < margin),
        metric=metric,
        difference=middle,
        low=low,
        high=high,
        margin=margin,
        p=0.04,
        p_adjusted=0.04,
        accuracy=Difference(0.012, -0.005, 0.031),
        rows_needed=(5000, 20000),
        n_rows=1299,
        n_train=1169,
        comparisons=comparisons,
    ).as_dict()


def check(candidate, code, message="something stands out"):
    return dict(
        candidate=candidate, code=code, message=f"{candidate}: {message}.", evidence={}
    )


def chosen(winner, by=0.07):
    advice = {"use": winner, "guess": False, "others": [], "simpler": ""}
    return {"advice": advice, "optimism": {"brier": by}}


def runs(name, words, *candidates):
    """The single runs of a lottery, spread equally for all candidates."""
    spread = dict(
        n=500, mean=0.8, lowest=0.55, highest=0.95, quantiles=[0.6, 0.7, 0.8, 0.85, 0.9]
    )
    return dict(
        name=name, words=words, runs=[{"name": one, **spread} for one in candidates]
    )


def no_verdict(candidate, reason):
    return {"candidate": candidate, "reason": reason}


METRICS = dict(
    brier=dict(
        name="brier",
        words="Brier score",
        greater_is_better=False,
        margin=0.01,
        margin_source="default",
        of_prior=0.22,
    ),
    accuracy=dict(
        name="accuracy",
        words="accuracy",
        greater_is_better=True,
        margin=0.01,
        margin_source="default",
        of_prior=0.32,
    ),
)


def document(*candidates, metric="brier", plan=(), **changes):
    """What `Comparison.to_dict` returns; the ranking is the order of the given candidates."""
    names = [one["name"] for one in candidates if one["name"] != "prior"]
    return {
        "schema_version": 8,
        "kind": "comparison",
        "command": "seedbed compare heart_failure.csv --target DEATH_EVENT",
        "table": "heart_failure",
        "target": "DEATH_EVENT",
        "task": "binary",
        "n_rows": 1299,
        "n_features": 12,
        "labels": {"0": 882, "1": 417},
        "majority_share": 0.679,
        "reference": candidates[0]["name"],
        "metric": METRICS[metric],
        "alpha": 0.05,
        "interval": "corrected",
        "plan": {
            "kind": "cross_validation",
            "repeats": 10,
            "folds": 10,
            "networks": 1,
            "n_train": 1169,
            "n_test": 130,
            "reason": "1299 rows: 10 x 10 folds",
            "recipe": RECIPE,
            **dict(plan),
        },
        "ranking": [one["name"] for one in candidates],
        "candidates": list(candidates),
        "lottery": {"score": runs("accuracy", "accuracy", *names), "difference": None},
        "specification": {},
        "seconds": 12.5,
        **changes,
    }


def notes(*messages):
    return [
        {"message": message, "column": "", "code": "", "count": None, "rows": []}
        for message in messages
    ]


@pytest.fixture(scope="session")
def make_curves():
    """The curves of a summary, for the named candidates."""

    def curves(*names, n_epochs=20, n_networks=8):
        learnt = np.linspace(0, 1, n_epochs)[:, None] + np.linspace(
            -0.02, 0.02, n_networks
        )
        lines = dict(
            train_loss=0.7 - 0.3 * learnt,
            test_loss=0.7 - 0.2 * learnt,
            train_score=0.6 + 0.3 * learnt,
            test_score=0.6 + 0.2 * learnt,
        )
        candidates = tuple(summarize_curves(name, lines) for name in names)
        found = Curves(
            score_name="accuracy",
            title="y of table",
            subtitle="how",
            candidates=candidates,
        )
        return msgspec.to_builtins(found)

    return curves


@pytest.fixture(scope="session")
def make():
    """The functions above, by name."""
    return SimpleNamespace(
        network=network,
        baseline=baseline,
        verdict=verdict,
        check=check,
        chosen=chosen,
        no_verdict=no_verdict,
        document=document,
        scores=scores,
        notes=notes,
        runs=runs,
    )
