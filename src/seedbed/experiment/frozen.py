"""The specification as a file, written before the first fit: nobody can move the goal afterwards unseen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from seedbed.data import Table, rows_of, windows
from seedbed.experiment.asked import without_passwords
from seedbed.experiment.plan import Plan
from seedbed.experiment.writing import spelled
from seedbed.files import write_whole
from seedbed.networks import architecture_to_values
from seedbed.training import versions

__all__ = ["FROZEN", "freeze", "hashed", "specification", "table_specification"]


FROZEN = "experiment.json"
"""The specification's file in the folder of a run."""


def freeze(plan: Plan, folder: str | Path) -> Path:
    """Write `experiment.json` into a folder, which is made if need be."""
    path = Path(folder) / FROZEN
    path.parent.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    document = specification(plan) | {
        "command": plan.experiment.command,
        "reading": _without_passwords(plan.experiment.table.reading),
        "networks": {one.name: architecture_to_values(one.architecture) for one in plan.experiment.candidates},
        "frozen_at": when,
    }
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_whole(path, lambda where: where.write_text(text))
    return path


def _without_passwords(reading: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {**reading, "source": without_passwords(reading["source"])}


def specification(plan: Plan) -> dict[str, Any]:
    """Everything that decides the result, fit for JSON; table and splits by their SHA-256."""
    spec = plan.experiment
    recipes = spec.recipes()
    return {
        "schema_version": 1,
        "table": table_specification(spec.table, plan.fitting.data.X.shape[1]),
        "candidates": [
            {"name": one.name, "architecture": spelled(one.architecture), **dataclasses.asdict(recipes[one.name])}
            for one in spec.candidates
        ],
        "baselines": [{"name": one.name, "description": one.description} for one in spec.baselines],
        "sweeps": [dataclasses.asdict(sweep) for sweep in spec.sweeps],
        "reference": spec.reference,
        "design": dataclasses.asdict(spec.design),
        "splits_sha256": hashed(*(rows for split in plan.all_splits for rows in (split.train, split.test))),
        "metric": spec.metric,
        "margin": spec.margin,
        "margin_rule": "given" if spec.margin_given else "at most a tenth of the reference's error",
        "alpha": spec.alpha,
        "interval": spec.interval,
        "random_state": spec.random_state,
        "versions": versions(),
    }


def table_specification(table: Table, n_inputs: int) -> dict[str, Any]:
    """What a table is, its cells by their SHA-256.

    Args:
        n_inputs: what a network sees of it.
    """
    return {
        "name": table.name,
        "target": table.target_name,
        "task": table.task,
        "features": list(table.feature_names),
        "n_inputs": n_inputs,
        "labels": list(table.labels),
        "n_rows": table.n_rows,
        "sha256": hashed(table.features, table.target),
        "groups_sha256": None if table.groups is None else hashed(table.groups),
        "times_sha256": None if table.times is None else hashed(table.times),
        "warnings": [note.code for note in table.notes if note.code],
    }


def hashed(*arrays: np.ndarray[Any, Any]) -> str:
    """The SHA-256 of arrays' bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        for rows in windows(len(array), math.prod(array.shape[1:])):
            digest.update(np.ascontiguousarray(rows_of(array, rows)).tobytes())
    return digest.hexdigest()
