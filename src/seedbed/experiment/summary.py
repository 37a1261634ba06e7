"""The summary of a comparison: a dict from which text, pictures, pages and JSON are made, and from nothing else.

docs/summary.md explains its keys; `tests/experiment/test_saved.py` compares the two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from seedbed.data import Note, Table
from seedbed.errors import counted, phrased
from seedbed.evaluation import (
    METRICS,
    MOST_GHOSTS,
    Check,
    MeanInterval,
    lottery,
    more_repeats_ratio,
    paired_runs,
    prior_loss,
    summarize_curves,
)
from seedbed.experiment.conclusions import Conclusions
from seedbed.experiment.run import Results
from seedbed.experiment.spec import Experiment
from seedbed.report import SCHEMA_VERSION
from seedbed.scoring import Result

__all__ = ["json_text", "summarize", "table_of"]


def summarize(found: Results, conclusions: Conclusions, checks: Sequence[Check]) -> dict[str, Any]:
    """Return the summary of a comparison: plain values, fit for JSON."""
    experiment, splits, results = found.experiment, found.splits, found.results
    design = experiment.design
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "comparison",
        "command": experiment.command,
        **table_of(experiment.table),
        "reference": experiment.reference,
        "metric": {
            "name": experiment.metric,
            "words": METRICS[experiment.metric].words,
            "greater_is_better": METRICS[experiment.metric].greater_is_better,
            "margin": conclusions.margin.value,
            "margin_source": conclusions.margin.source,
            "of_prior": prior_loss(experiment.metric, experiment.table.target),
        },
        "alpha": experiment.alpha,
        # How the intervals of the verdicts were computed; None if there are no verdicts.
        "interval": {"cross_validation": experiment.interval, "held_out": "held_out"}.get(design.kind),
        "plan": {
            "kind": design.kind,
            "locked_share": design.locked_share,
            "repeats": design.repeats,
            "folds": design.folds,
            "seeds": design.seeds,
            "networks": experiment.networks,
            "n_train": round(float(np.mean([len(split.train) for split in splits]))),
            "n_test": round(float(np.mean([len(split.test) for split in splits]))),
            "n_unused": experiment.table.n_rows - len(splits[0].train) - len(splits[0].test),
            "quick": design.quick,
            "sample_of": None if experiment.whole is None else experiment.whole.n_rows,
            "time_limit": design.time_limit,
            "shortened": design.shortened,
            "epochs": design.epochs,
            "reason": design.reason,
            "random_state": experiment.random_state,
            "recipe": _recipe_words(experiment),
        },
        **conclusions.as_dict(),
        "checks": _phrased(checks, experiment.command),
        "more_repeats_ratio": more_repeats_ratio(design.repeats, max(2, design.folds)),
        "candidates": [result.as_dict() for result in results],
        "lottery": _lottery(experiment, results),
        "notes": _phrased(experiment.table.notes, experiment.command),
        "specification": dict(found.specification),
        "seconds": round(found.seconds, 2),
        "curves": _curves(found),
    }


def _phrased(remarks: Sequence[Check | Note], command: str) -> list[dict[str, Any]]:
    """Return checks or notes as dicts, with options as the command has them."""
    return [{**one.as_dict(), "message": phrased(one.message, command)} for one in remarks]


def table_of(table: Table) -> dict[str, Any]:
    """Return the part of a summary on the table and its target: rows of each label, or mean and deviation."""
    about = {
        "table": table.name,
        "target": table.target_name,
        "task": table.task,
        "n_rows": table.n_rows,
        "n_features": table.n_features,
    }
    if table.task == "regression":
        mean, sd = float(table.target.mean()), float(table.target.std())
        return about | {"labels": {}, "majority_share": None, "target_mean": mean, "target_sd": sd}
    counts = np.bincount(table.target, minlength=len(table.labels))
    return about | {
        "labels": dict(zip(table.labels, counts.tolist(), strict=True)),
        "majority_share": float(counts.max() / counts.sum()),
    }


def _curves(found: Results) -> dict[str, Any]:
    """Return training and test curves of every candidate: means, bands, some single networks."""
    experiment, splits, networks = found.experiment, found.splits, found.networks
    size = f"{counted(len(splits), 'split')} x {counted(experiment.design.seeds, 'seed')}"
    interval = MeanInterval(alpha=experiment.alpha)
    if experiment.design.kind != "held_out":
        groups = np.repeat(np.arange(len(splits)), experiment.design.seeds)
        df = experiment.design.folds - 1
        interval = MeanInterval(groups, 1 / df, df, experiment.alpha)
    ghosts = max(10, MOST_GHOSTS // max(1, len(networks)))
    return {
        "score_name": experiment.score_name,
        "title": f"{experiment.table.target_name} of {experiment.table.name}",
        "subtitle": f"{_recipe_words(experiment)}; {size}",
        "candidates": [
            {"name": one.name, **summarize_curves(one.by_name(), interval=interval, max_ghosts=ghosts)}
            for one in networks
        ],
    }


def _lottery(experiment: Experiment, results: Sequence[Result]) -> dict[str, Any]:
    """Return what single runs, each with one fold and one seed, would have shown, alone and beside the reference.

    Models with predictions that aren't finite are left out, and so is predicting the class frequencies.
    """
    regression = experiment.table.task == "regression"
    shown = {result.name: result for result in results if result.finite and result.name != "prior"}
    score, loss = ("r2", "squared_error") if regression else ("accuracy", "accuracy")
    scores = {name: 1 - result.losses(loss, single=True) for name, result in shown.items()}
    sizes = [len(split.test) for result in results[:1] for split in result.splits]
    found: dict[str, Any] = {
        "score": {
            "name": score,
            "words": METRICS[score].words,
            **lottery(scores, step=0.0 if regression else 1 / float(np.median(sizes))),
        },
        "difference": None,
    }
    if experiment.reference in (usable := {result.name: result for result in results if result.finite}):
        metric = experiment.metric
        ours = usable[experiment.reference].losses(metric, single=True)
        pairs = {
            name: paired_runs(ours, result.losses(metric, single=True))
            for name, result in shown.items()
            if name != experiment.reference
        }
        found["difference"] = {"name": metric, "words": METRICS[metric].words, **lottery(pairs)}
        for run in found["difference"]["runs"]:
            run["better"] = float(np.mean(pairs[run["name"]] > 0))
    return found


def _recipe_words(experiment: Experiment) -> str:
    """Return the shared recipe in words, with all learning rates of a sweep."""
    words = experiment.recipe.describe()
    if not experiment.sweeps:
        return words
    lrs = experiment.sweeps[0].lrs
    return words.replace(f"lr {lrs[0]:g}", f"lr {', '.join(f'{lr:g}' for lr in lrs)} compared")


_NUMBER = r"(?:-?[\d.]+(?:[eE][-+]?\d+)?|null)"
# A JSON string can't contain a line end, so no string is changed.
_NUMBERS = re.compile(rf"\[\n\s*({_NUMBER}(?:,\n\s*{_NUMBER})*)\n\s*\]")


def json_text(value: Any) -> str:
    """Return strict JSON that is also readable: indented, but with each list of numbers on one line."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    return _NUMBERS.sub(lambda match: "[" + re.sub(r",\s+", ", ", match[1]) + "]", text) + "\n"
