"""What a model is, for people to read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from seedbed.model.fitted import FittedNetworks
from seedbed.model.layout import FORMAT
from seedbed.networks import architecture_to_values
from seedbed.report import score_sentences

__all__ = ["card_of"]

SCHEMA_VERSION = 1


def card_of(model: FittedNetworks) -> dict[str, Any]:
    """A plain dict, fit for JSON; docs/models.md explains its keys."""
    card = {
        "schema_version": SCHEMA_VERSION,
        "kind": "model",
        "format": FORMAT,
        "candidate": model.candidate,
        "architecture": architecture_to_values(model.architecture),
        "n_networks": model.n_networks,
        "n_parameters": sum(value.numel() for value in next(model.made_networks(precise=False)).parameters()),
        "n_inputs": model.preprocessor.n_inputs,
        "target": {
            "name": model.target_name,
            "task": model.task,
            "labels": list(model.labels),
            "threshold": model.threshold if model.task == "binary" else None,
        },
        "columns": [_column(model, number) for number in range(len(model.feature_names_in_))],
        "training": dict(model.training),
        "score": None if model.score is None else dict(model.score),
        "versions": dict(model.versions),
    }
    return {**card, "sentences": score_sentences(card)}


def _column(model: FittedNetworks, number: int) -> dict[str, Any]:
    """A column as whoever fills in a row needs it; of numbers and dates, what is usual in training."""
    layout = model.preprocessor.layout
    schema, places = layout.schemas[number], layout.places
    described: dict[str, Any] = {
        "name": schema.name,
        "kind": schema.kind,
        "levels": list(schema.levels),
        "may_be_missing": schema.has_missing,
        "timed": layout.timed[number],
    }
    if (vocabulary := layout.vocabularies[number]) is not None:
        described["told_apart"] = [schema.levels[level] for level in vocabulary.kept]
        described["n_groups"] = vocabulary.n_buckets
    own = (places.sources[places.numbers] == number) & ~places.circling
    if schema.kind in ("number", "date") and own.any():
        unit = 86_400.0 if schema.kind == "date" else 1.0  # a date is known by its days
        for name in ("means", "deviations", "medians"):
            described[name[:-1]] = float(getattr(model.preprocessor, name)[own][0]) * unit
    return {**described, "usual": _usual(described)}


def _usual(column: dict[str, Any]) -> str | float | None:
    """What a form may begin with."""
    if column["levels"]:
        return None if column["may_be_missing"] else str(column["levels"][0])
    median = column.get("median")
    if median is None or column["kind"] == "number":
        return median
    try:
        moment = datetime.fromtimestamp(median, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M") if column["timed"] else moment.date().isoformat()
