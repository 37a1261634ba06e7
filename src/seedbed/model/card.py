"""What a model is, for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedbed.data import ColumnSchema
from seedbed.model.layout import FORMAT
from seedbed.networks import architecture_to_values

if TYPE_CHECKING:
    from seedbed.model.model import Model

__all__ = ["card_of"]

SCHEMA_VERSION = 1


def card_of(model: Model) -> dict[str, Any]:
    """A plain dict, fit for JSON; docs/models.md explains its keys."""
    schemas = model.preprocessor.layout.schemas
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "model",
        "format": FORMAT,
        "candidate": model.candidate,
        "architecture": architecture_to_values(model.architecture),
        "n_networks": model.n_networks,
        "n_parameters": sum(value[0].numel() for value in model.states.values()),
        "n_inputs": model.preprocessor.n_inputs,
        "target": {
            "name": model.target_name,
            "task": model.task,
            "labels": list(model.labels),
            "threshold": model.threshold if model.task == "binary" else None,
        },
        "columns": [_column(model, number, schema) for number, schema in enumerate(schemas)],
        "training": dict(model.training),
        "score": None if model.score is None else dict(model.score),
        "versions": dict(model.versions),
    }


def _column(model: Model, number: int, schema: ColumnSchema) -> dict[str, Any]:
    """A column as whoever fills in a row needs it; of numbers and dates, what is usual in training."""
    described: dict[str, Any] = {
        "name": schema.name,
        "kind": schema.kind,
        "levels": list(schema.levels),
        "may_be_missing": schema.has_missing,
    }
    places = model.preprocessor.layout.places
    own = (places.sources[places.numbers] == number) & ~places.circling
    if schema.kind in ("number", "date") and own.any():
        unit = 86_400.0 if schema.kind == "date" else 1.0  # a date is known by its days
        for name in ("means", "deviations", "medians"):
            described[name[:-1]] = float(getattr(model.preprocessor, name)[own][0]) * unit
    return described
