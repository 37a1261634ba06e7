"""The ranking as a table: scores with their intervals, and brackets around what can't be told apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

__all__ = ["measure", "ranking_table"]

# Beside the primary metric.
_OF_CLASSES = {"accuracy": "accuracy", "roc_auc": "ROC AUC"}
_OF_NUMBERS = {"r2": "R2", "mae": "mean absolute\nerror"}


def ranking_table(document: Mapping[str, Any]) -> Table:
    """All candidates and baselines in the order of the primary metric, those that have no finite score last."""
    metric, numeric = document["metric"], document["task"] == "regression"
    beside = _OF_NUMBERS if numeric else _OF_CLASSES
    candidates = {one["name"]: one for one in document["candidates"]}
    ranking = [candidates.pop(name) for name in document["ranking"]]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    table.add_column("ranking", no_wrap=True)
    table.add_column("", no_wrap=True)
    shown = [metric["name"], *(name for name in beside if name != metric["name"])]
    for name in shown:
        words = metric["words"] if name == metric["name"] else beside[name]
        of = "\n(share of variance;\n" if name == "squared_error" else "\n("
        way = f"{of}low is good)" if name == metric["name"] and not metric["greater_is_better"] else ""
        table.add_column(f"{words}{way}", justify="right", no_wrap=True)
    for heading in ("train\nR2" if numeric else "train\naccuracy", "epochs", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for place, one in enumerate([*ranking, *candidates.values()]):
        # What isn't ranked has lost networks, and the scores of those that are left would flatter it.
        scores = [_score(name, one["scores"][name]) if place < len(ranking) else "-" for name in shown]
        table.add_row(one["name"], _marks(place, document["brackets"]), *scores, *_training(one))
    return table


def measure(name: str, value: float, like: float | None = None) -> str:
    """A score as it is shown: accuracies in percent, errors in the target's own units with four digits.

    Args:
        like: the number that decides how many decimals there are, so that the ends of a range have as many.
    """
    if name == "accuracy":
        return f"{100 * value:.1f}%"
    size = abs(value if like is None else like)
    if name != "mae" or size == 0:
        return f"{round(value, 3) + 0.0:.3f}"  # not -0.000
    decimals = 3 - math.floor(math.log10(size))
    return f"{value:,.{max(0, decimals)}f}" if decimals < 9 else f"{value:.3g}"


def _score(name: str, score: Mapping[str, Any]) -> str:
    if score["mean"] is None:
        return "-"
    value = measure(name, score["mean"])
    if score["low"] is None or score["high"] is None:
        return value
    low, high = (measure(name, score[key], score["mean"]).removesuffix("%") for key in ("low", "high"))
    return f"{value} ({low}–{high})"


def _training(one: Mapping[str, Any]) -> tuple[str, str, str]:
    if one["kind"] == "baseline":
        return "", "", ""
    name = "r2" if "train_r2" in one else "accuracy"
    train = one[f"train_{name}"]
    return "-" if train is None else measure(name, train), f"{one['epochs']['median']:,}", f"{one['n_parameters']:,}"


def _marks(place: int, brackets: Sequence[Sequence[int]]) -> str:
    """A column for each bracket: where it begins, goes on and ends."""

    def mark(first: int, last: int) -> str:
        if not first <= place <= last:
            return " "
        return "┐" if place == first else "┘" if place == last else "│"

    return " ".join(mark(first, last) for first, last in brackets)
