"""A model of what was fitted to a table, with what it says of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from seedbed.data import Preprocessor, Split, Table, target_design
from seedbed.fitting import Settled
from seedbed.model.model import Model
from seedbed.networks import Architecture
from seedbed.settings import Recipe
from seedbed.training import versions

__all__ = ["facts_of", "make_model", "target_scale"]


def target_scale(table: Table) -> tuple[float, float]:
    """Mean and deviation of a target of numbers; 0 and 1 of classes."""
    if table.task != "regression":
        return 0.0, 1.0
    rows = np.arange(table.n_rows)
    found = target_design(table.target, [Split(0, 0, rows, rows)])
    return float(found.means[0]), float(found.deviations[0])


def facts_of(
    table: Table, recipe: Recipe, settled: Settled, n_networks: int, n_diverged: int, random_state: int
) -> dict[str, Any]:
    """What the model was made of."""
    left_out = sum(note.count or 0 for note in table.notes if note.code == "SB205")
    identifiers = [note.column for note in table.notes if note.code == "SB101"]
    return {
        **({"n_left_out": left_out} if left_out else {}),
        **({"identifiers": identifiers} if identifiers else {}),
        "table": table.name,
        "n_rows": table.n_rows,
        "n_networks": n_networks,
        "n_diverged": n_diverged,
        "recipe": recipe.describe(),
        "lr": settled.lr,
        "epochs": settled.epochs,
        "chosen": settled.how,
        "random_state": random_state,
    }


def make_model(
    table: Table,
    candidate: str,
    architecture: Architecture,
    states: Mapping[str, Tensor],
    preprocessor: Preprocessor,
    *,
    training: Mapping[str, Any],
    score: Mapping[str, Any] | None,
    threshold: float,
) -> Model:
    """The model of networks that were fitted to a table; see `Model`."""
    mean, deviation = target_scale(table)
    return Model(
        candidate=candidate,
        architecture=architecture,
        states=states,
        preprocessor=preprocessor,
        target_name=table.target_name,
        task=table.task,
        labels=table.labels,
        threshold=threshold,
        target_mean=mean,
        target_deviation=deviation,
        training=training,
        score=score,
        versions=versions(),
    )
