"""The description in a model file, and its checksum.

A model file is one `.safetensors` file, in which a JSON text describes the tensors:

    tensor               dtype    shape
    inputs.medians       F64      [number]
    inputs.means         F64      [number]
    inputs.deviations    F64      [number]
    inputs.live          BOOL     [input]
    networks.NAME        as NAME  [network, ...]     for each NAME of a network's state_dict
    golden.cells         F64      [16, column]       NaN is missing, -1 an unknown level
    golden.values        F64      [16] or [16, class]
    calibration.errors   F32      [point]            if the description has `calibration`
    columns.typical      F64      [column, 3]        `Ensemble.typical`; may be missing
    training.rows        I32      [row]              `Ensemble.training_rows`; may be missing

The JSON is in the file's own metadata under the key `seedbed`. Its `sha256` is that of the
canonical JSON without it, followed by the bytes of the tensors. docs/summary.md explains its keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from seedbed.errors import ModelFileError
from seedbed.evaluation.summaries import Task
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.tasks import outcome_of

FORMAT = 1
"""Version of the files that this seedbed writes and reads."""

KEY = "seedbed"
SUFFIX = ".safetensors"
MOST_NETWORKS = 100_000

_Real = Annotated[float, Meta(ge=-1e300, le=1e300)]


class _Strict(Struct, forbid_unknown_fields=True):
    """An object with exactly these keys. A key that may be unset is left out if there is nothing to
    report."""


class Target(_Strict):
    """The target; see `Ensemble`."""

    name: str
    task: Task
    labels: list[str]
    threshold: Annotated[float, Meta(ge=0, le=1)]
    mean: _Real
    deviation: Annotated[float, Meta(gt=0, le=1e300)]
    follow_up: FollowUp | UnsetType = UNSET

    def __post_init__(self) -> None:
        follow_up = None if self.follow_up is UNSET else self.follow_up
        n_different = len(set(self.labels))
        is_fit = outcome_of(self.task).fits(self.labels, follow_up)
        if not is_fit or n_different < len(self.labels):
            raise ValueError(f"the labels don't fit a {self.task} target")


class CalibrationRows(_Strict):
    """How many rows of each class, or in all, the errors in `calibration.errors` are from."""

    rows: list[Annotated[int, Meta(ge=0, lt=1 << 40)]]


class Description(_Strict):
    """The JSON under the key `seedbed`. The packages `networks` and `data` check `architecture` and
    `inputs`."""

    format: int
    candidate: str
    architecture: dict[str, Any]
    n_networks: Annotated[int, Meta(ge=1, le=MOST_NETWORKS)]
    inputs: dict[str, Any]
    target: Target
    training: dict[str, Any]
    score: dict[str, Any] | None
    versions: dict[str, str]
    sha256: str
    calibration: CalibrationRows | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET


def canonical(values: Any) -> str:
    """Return values as JSON, the same text for equal values."""
    return json.dumps(
        values,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )


def fingerprint(values: Mapping[str, Any], tensors: memoryview) -> str:
    """Return the `sha256` of a file with this description and these bytes of tensors."""
    described = {key: value for key, value in values.items() if key != "sha256"}
    digest = hashlib.sha256(canonical(described).encode())
    digest.update(tensors)
    return digest.hexdigest()


def read_description(text: str | None, tensors: memoryview) -> Description:
    """Return the description of a file with these bytes of tensors. ModelFileError if the file isn't what was saved."""
    if text is None:
        raise ModelFileError(
            "it is not a seedbed model file", "Name a file that seedbed has written."
        )
    values = json.loads(text)
    version = values.get("format") if isinstance(values, dict) else None
    if version != FORMAT:
        raise ModelFileError(
            f"it is a model file of version {version}, and this seedbed reads {FORMAT}",
            "Use the seedbed that wrote it, or a later one.",
        )
    description = msgspec.convert(values, Description)
    if description.sha256 != fingerprint(values, tensors):
        raise ModelFileError("it isn't what was saved: the checksum differs")
    return description
