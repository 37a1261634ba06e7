"""The ranking as a table: scores with their intervals, and brackets around what can't be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

__all__ = ["measure", "ranking_table"]

_COLUMNS = ("accuracy", "roc_auc")  # beside the primary metric


def ranking_table(document: Mapping[str, Any]) -> Table:
    """All candidates and baselines in the order of the primary metric, those that have no finite score last."""
    metric = document["metric"]
    candidates = {one["name"]: one for one in document["candidates"]}
    ranking = [candidates.pop(name) for name in document["ranking"]]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    table.add_column("ranking", no_wrap=True)
    table.add_column("", no_wrap=True)
    shown = [metric["name"], *(name for name in _COLUMNS if name != metric["name"])]
    for name in shown:
        words = metric["words"] if name == metric["name"] else {"accuracy": "accuracy", "roc_auc": "ROC AUC"}[name]
        way = "\n(low is good)" if name == metric["name"] and not metric["greater_is_better"] else ""
        table.add_column(f"{words}{way}", justify="right", no_wrap=True)
    for heading in ("train\naccuracy", "epochs", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for place, one in enumerate([*ranking, *candidates.values()]):
        # What isn't ranked has lost networks, and the scores of those that are left would flatter it.
        scores = [_score(name, one["scores"][name]) if place < len(ranking) else "-" for name in shown]
        table.add_row(one["name"], _marks(place, document["brackets"]), *scores, *_training(one))
    return table


def measure(name: str, value: float) -> str:
    """A score as it is shown: accuracies in percent."""
    return f"{100 * value:.1f}%" if name == "accuracy" else f"{value:.3f}"


def _score(name: str, score: Mapping[str, Any]) -> str:
    if score["mean"] is None:
        return "-"
    value = measure(name, score["mean"])
    if score["low"] is None or score["high"] is None:
        return value
    low, high = (measure(name, score[key]).removesuffix("%") for key in ("low", "high"))
    return f"{value} ({low}–{high})"


def _training(one: Mapping[str, Any]) -> tuple[str, str, str]:
    if one["kind"] == "baseline":
        return "", "", ""
    train = "-" if one["train_accuracy"] is None else measure("accuracy", one["train_accuracy"])
    return train, f"{one['epochs']['median']:,}", f"{one['n_parameters']:,}"


def _marks(place: int, brackets: Sequence[Sequence[int]]) -> str:
    """A column for each bracket: where it begins, goes on and ends."""

    def mark(first: int, last: int) -> str:
        if not first <= place <= last:
            return " "
        return "┐" if place == first else "┘" if place == last else "│"

    return " ".join(mark(first, last) for first, last in brackets)
