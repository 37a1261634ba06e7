"""The format of a model file, and its header, which is checked before anything is made of it.

A model file is one `.safetensors` file, in which a JSON text describes the tensors:

    tensor               dtype    shape
    inputs.medians       F64      [number]
    inputs.means         F64      [number]
    inputs.deviations    F64      [number]
    inputs.live          BOOL     [input]
    networks.NAME        as NAME  [network, ...]     for each NAME of a network's state_dict
    golden.cells         F64      [16, column]       NaN is missing, -1 an unknown level
    golden.values        F64      [16] or [16, class]
    calibration.errors   F32      [point]                if the description has `calibration`
    columns.typical      F64      [column, 3]            see `Ensemble.typical`; missing in files of
    earlier versions training.rows        I32      [row]                  see
    `Ensemble.training_rows`; the same

The JSON stands in the file's own metadata under the key `seedbed`. It is canonical (ASCII, keys
sorted, no spaces), and its `sha256` is that of the JSON without it, followed by the bytes of the
tensors. docs/summary.md explains its keys.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from seedbed.errors import ModelFileError, error_line
from seedbed.evaluation.summaries import Task
from seedbed.outcomes.tasks import outcome_of

FORMAT = 1
"""Version of the files that this seedbed writes and reads."""

KEY = "seedbed"
SUFFIX = ".safetensors"
MAX_HEADER = 1 << 20
MAX_FILE = 1 << 31
MOST_NETWORKS = 100_000
MOST_LABELS = 10_000

_TYPES = {
    "F64": "f8",
    "F32": "f4",
    "F16": "f2",
    "I64": "i8",
    "I32": "i4",
    "I16": "i2",
    "I8": "i1",
    "U8": "u1",
}
DTYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(code) for name, code in (_TYPES | {"BOOL": "?"}).items()
}
"""Types of tensors, by their names in a file."""

_Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
_Size = Annotated[int, Meta(ge=0, le=MAX_FILE)]
_Whole = Annotated[int, Meta(gt=-(1 << 63), le=(1 << 63) - 1)]
_Real = Annotated[
    float, Meta(ge=-1e300, le=1e300)
]  # a percentage of it is still finite
_Positive = Annotated[float, Meta(gt=0, le=1e300)]
_Number = _Whole | _Real
_Kind = TypeVar("_Kind")


class _Strict(Struct, forbid_unknown_fields=True):
    """An object with exactly these keys. A key that may be unset is left out if there is nothing to
    report."""


class FollowUpRecord(_Strict):
    """The time of survival; see `FollowUp`."""

    time: str
    start: str
    horizon: _Positive
    clock: Annotated[
        list[tuple[_Positive, _Positive]], Meta(min_length=1, max_length=1000)
    ]
    unit: Literal["", "days"] = ""

    def __post_init__(self) -> None:
        points = [(0.0, 0.0), *self.clock]
        if any(
            b[0] <= a[0] or not a[1] <= b[1] <= int(a[1]) + 1
            for a, b in itertools.pairwise(points)
        ):
            raise ValueError("its clock doesn't pass interval by interval")
        if self.clock[-1][0] != self.horizon or self.clock[-1][1] % 1:
            raise ValueError("its clock doesn't end with an interval at the horizon")


class Target(_Strict):
    """The target; see `Ensemble`."""

    name: str
    task: Task
    labels: Annotated[list[str], Meta(max_length=MOST_LABELS)]
    threshold: Annotated[float, Meta(ge=0, le=1)]
    mean: _Real
    deviation: _Positive
    follow_up: FollowUpRecord | UnsetType = UNSET

    def __post_init__(self) -> None:
        n = len(set(self.labels))
        fits = outcome_of(self.task).fits(
            self.labels, None if self.follow_up is UNSET else self.follow_up
        )
        if not fits or n < len(self.labels):
            raise ValueError(f"the labels don't fit a {self.task} target")


class TrainingRecord(_Strict):
    """How the model was made."""

    table: str
    n_rows: _Count
    n_networks: _Count
    n_diverged: _Count
    recipe: str
    lr: _Number
    epochs: _Count
    chosen: str
    random_state: _Whole
    n_left_out: _Count | UnsetType = UNSET
    identifiers: list[str] | UnsetType = UNSET
    out_of_bag_loss: _Number | UnsetType = UNSET
    n_members_left_out: _Count | UnsetType = UNSET


class MeasuredScore(_Strict):
    """A score of the candidate in a comparison."""

    name: str
    words: str
    mean: _Number
    low: _Number | None
    high: _Number | None


class ChosenScore(_Strict):
    """The score to expect of the best of several candidates."""

    among: _Count
    words: str
    expected: _Number
    low: _Number
    high: _Number


class Performance(_Strict):
    """The expected performance; `expected` are the scores corrected for the choice of the best, if
    any differs."""

    of: str
    alpha: _Number
    scores: list[MeasuredScore]
    chosen: ChosenScore | None
    expected: list[MeasuredScore] | UnsetType = UNSET


class CalibrationRows(_Strict):
    """How many rows of each class, or in all, the errors in `calibration.errors` are from."""

    rows: Annotated[list[Annotated[int, Meta(ge=0, lt=1 << 40)]], Meta(min_length=1)]


class Description(_Strict):
    """The JSON under the key `seedbed`. The packages `networks` and `data` check `architecture` and
    `inputs`."""

    format: Literal[1]
    candidate: str
    architecture: dict[str, Any]
    n_networks: Annotated[int, Meta(ge=1, le=MOST_NETWORKS)]
    inputs: dict[str, Any]
    target: Target
    training: TrainingRecord
    score: Performance | None
    versions: dict[str, str]
    sha256: str
    calibration: CalibrationRows | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET


class TensorEntry(_Strict):
    """What a header says of a tensor: its type, its shape, and where its bytes start and end after
    the header."""

    dtype: str
    shape: Annotated[tuple[_Size, ...], Meta(max_length=8)]
    data_offsets: tuple[_Size, _Size]


def canonical(values: Any) -> str:
    """Return values as JSON in the only form that a model file may have."""
    return json.dumps(
        values,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )


def fingerprint(
    values: Mapping[str, Any], tensors: bytes | bytearray | memoryview
) -> str:
    """Return the `sha256` of a file with these values and the bytes of its tensors."""
    digest = hashlib.sha256(
        canonical(
            {key: value for key, value in values.items() if key != "sha256"}
        ).encode()
    )
    digest.update(tensors)
    return digest.hexdigest()


def read_header(
    text: bytes, n_bytes: int
) -> tuple[Description, dict[str, Any], dict[str, TensorEntry]]:
    """Return the JSON of a model file with so many bytes after its header, checked and as plain
    values, and its tensors by name, which cover these bytes exactly once; raise ModelFileError for
    any other text."""
    entries = _parsed(text, "its header")
    metadata = entries.pop("__metadata__", None) if isinstance(entries, dict) else None
    described = (
        metadata.get(KEY) if isinstance(metadata, dict) and len(metadata) == 1 else None
    )
    if not isinstance(described, str) or not described.isascii():
        raise ModelFileError(
            "it is not a seedbed model file", "Name a file that seedbed has written."
        )
    values = _parsed(described.encode(), "its description")
    version = values.get("format") if isinstance(values, dict) else None
    if type(version) is not int:
        raise ModelFileError("its description has no version")
    if version != FORMAT:
        raise ModelFileError(
            f"it is a model file of version {version}, and this seedbed reads {FORMAT}",
            "Use the seedbed that wrote it, or a later one.",
        )
    description = _converted(values, Description, "its description")
    if canonical(msgspec.to_builtins(description)) != described:  # such as 0 for 0.0
        raise ModelFileError("its description isn't in canonical form")
    return description, values, _tensors(entries, n_bytes)


def _parsed(text: bytes, what: str) -> Any:
    """Parse JSON. Repeated keys, NaN and infinite numbers are errors, as canonical JSON can't hold
    them."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(values := dict(pairs)) < len(pairs):
            raise ValueError("a key is repeated")
        return values

    try:
        values = json.loads(text.decode(), object_pairs_hook=once)
        canonical(values)
    except ValueError as error:
        raise ModelFileError(f"{what} is damaged ({error_line(error)})") from None
    return values


def _converted(values: Any, kind: type[_Kind], what: str) -> _Kind:
    try:
        return msgspec.convert(values, kind)
    except ValueError as error:
        raise ModelFileError(f"{what} is damaged ({error})") from None


def _tensors(entries: Mapping[str, Any], n_bytes: int) -> dict[str, TensorEntry]:
    """Return the tensors. Together, they must cover the file's bytes exactly once."""
    tensors = {
        name: _converted(
            entry, TensorEntry, f"the description of the tensor '{name[:60]}'"
        )
        for name, entry in entries.items()
    }
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        start, stop = tensor.data_offsets
        size = DTYPES[tensor.dtype].itemsize if tensor.dtype in DTYPES else 0
        if not size or math.prod(tensor.shape) * size != stop - start:
            raise ModelFileError(
                f"the size of the tensor '{name[:60]}' differs from its description"
            )
        if start % size:
            raise ModelFileError(
                f"the tensor '{name[:60]}' begins in the middle of a number"
            )
        if start != end:
            raise ModelFileError("its tensors overlap, or leave a gap")
        end = stop
    if end != n_bytes:
        raise ModelFileError("its end is missing, or something is appended")
    return tensors
