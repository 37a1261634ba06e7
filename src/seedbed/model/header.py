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

The JSON stands in the file's own metadata under the key `seedbed`. It is canonical (ASCII, keys sorted, no spaces), and
its `sha256` is that of the JSON without it, followed by the bytes of the tensors. docs/summary.md explains its keys.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.errors import ModelFileError, error_line

__all__ = [
    "FORMAT",
    "KEY",
    "MAX_FILE",
    "MAX_HEADER",
    "MOST_NETWORKS",
    "SUFFIX",
    "Header",
    "Shapes",
    "canonical",
    "fingerprint",
    "is_like",
    "read_header",
]


FORMAT = 1
"""Version of the files that this seedbed writes and reads."""

KEY = "seedbed"
SUFFIX = ".safetensors"
MAX_HEADER = 1 << 20
MAX_FILE = 1 << 31
MOST_NETWORKS = 100_000


def canonical(values: Any) -> str:
    """Return values as JSON in the only form that a model file may have."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def fingerprint(values: Mapping[str, Any], tensors: bytes | bytearray | memoryview) -> str:
    """Return the `sha256` of a file with these values and the bytes of its tensors."""
    digest = hashlib.sha256(canonical({key: value for key, value in values.items() if key != "sha256"}).encode())
    digest.update(tensors)
    return digest.hexdigest()


Kinds = Mapping[str, type | tuple[type, ...] | range]
"""The keys of a dict, and the type of each value; a range stands for integers within it."""

Shapes = dict[str, tuple[str, tuple[int, ...]]]

_SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_LARGEST = 1e300  # of numbers in JSON; a percentage of it is still finite
_LARGEST_WHOLE = (1 << 63) - 1
_COUNT = range(1 << 53)
_KEYS: Kinds = {
    "format": int,
    "candidate": str,
    "architecture": dict,
    "n_networks": int,
    "inputs": dict,
    "target": dict,
    "training": dict,
    "score": (dict, type(None)),
    "versions": dict,
    "sha256": str,
}
_NUMBER = (int, float)
_TRAINING: Kinds = {
    "table": str,
    "n_rows": _COUNT,
    "n_networks": _COUNT,
    "n_diverged": _COUNT,
    "recipe": str,
    "lr": _NUMBER,
    "epochs": _COUNT,
    "chosen": str,
    "random_state": int,
}
_OPTIONAL: Kinds = {  # keys that are left out if there is nothing to report
    "n_left_out": _COUNT,
    "identifiers": list,
    "out_of_bag_loss": _NUMBER,
    "n_members_left_out": _COUNT,
}
_SCORE: Kinds = {"of": str, "alpha": _NUMBER, "scores": list, "chosen": (dict, type(None))}
_END = (*_NUMBER, type(None))  # of an interval
_ONE_SCORE: Kinds = {"name": str, "words": str, "mean": _NUMBER, "low": _END, "high": _END}
_CHOSEN: Kinds = {"among": _COUNT, "words": str, "expected": _NUMBER, "low": _NUMBER, "high": _NUMBER}


@dataclass(frozen=True)
class Header:
    """The header of a model file.

    Attributes:
        values: the JSON under the key `seedbed`.
        shapes: (dtype, shape) of each tensor.
        starts: position of each tensor's first byte, counted from the end of the header.
    """

    values: dict[str, Any]
    shapes: Shapes
    starts: dict[str, int]


def read_header(text: bytes, n_bytes: int) -> Header:
    """Return the header of a model file with so many bytes after it, or raise ModelFileError for any other text."""
    entries = _strict_json(text, "its header")
    if not isinstance(entries, dict) or not isinstance(entries.get("__metadata__"), dict):
        raise ModelFileError("it is not a seedbed model file", "Name a file that seedbed has written.")
    metadata = entries.pop("__metadata__")
    if metadata.keys() != {KEY} or not isinstance(metadata[KEY], str) or not metadata[KEY].isascii():
        raise ModelFileError("it is not a seedbed model file", "Name a file that seedbed has written.")
    values = _strict_json(metadata[KEY].encode(), "its description")
    if not isinstance(values, dict) or type(values.get("format")) is not int:
        raise ModelFileError("its description has no version")
    if values["format"] != FORMAT:
        message = f"it is a model file of version {values['format']}, and this seedbed reads {FORMAT}"
        raise ModelFileError(message, "Use the seedbed that wrote it, or a later one.")
    if not is_like(values, _KEYS):
        raise ModelFileError("its description lacks a key, or has an unknown one")
    if canonical(values) != metadata[KEY]:
        raise ModelFileError("its description isn't in canonical form")
    _check_displayed(values)
    shapes = _shapes(entries, n_bytes)
    return Header(values, shapes, {name: entries[name]["data_offsets"][0] for name in shapes})


def _strict_json(text: bytes, what: str) -> Any:
    """Parse JSON. Repeated keys, NaN and huge numbers are errors."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key is repeated")
        return found

    def refused(word: str) -> Any:
        raise ValueError(f"{word} is not a number, or too large")

    def bounded(word: str) -> float:
        number = float(word)
        return number if abs(number) <= _LARGEST else refused(word[:30])

    def whole(word: str) -> int:
        number = int(word)
        return number if abs(number) <= _LARGEST_WHOLE else refused(word[:30])

    try:
        return json.loads(
            text.decode("utf-8"), object_pairs_hook=once, parse_constant=refused, parse_float=bounded, parse_int=whole
        )
    except ValueError as error:
        raise ModelFileError(f"{what} is damaged ({error_line(error)})") from None


def _shapes(entries: Mapping[str, Any], n_bytes: int) -> Shapes:
    """Return (dtype, shape) of each tensor. Together, the tensors must cover the file's bytes exactly once."""
    shapes: Shapes = {}
    places = []
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ModelFileError(f"the tensor '{name[:60]}' has a damaged description")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2 and len(shape) <= 8
        if not whole or not all(type(one) is int and 0 <= one <= MAX_FILE for one in (*shape, *offsets)):
            raise ModelFileError(f"the tensor '{name[:60]}' has a damaged description")
        if dtype not in _SIZES or math.prod(shape) * _SIZES[dtype] != offsets[1] - offsets[0]:
            raise ModelFileError(f"the size of the tensor '{name[:60]}' differs from its description")
        if offsets[0] % _SIZES[dtype]:
            raise ModelFileError(f"the tensor '{name[:60]}' begins in the middle of a number")
        shapes[name] = dtype, tuple(shape)
        places.append((offsets[0], offsets[1]))
    end = 0
    for start, stop in sorted(places):
        if start != end:
            raise ModelFileError("its tensors overlap, or leave a gap")
        end = stop
    if end != n_bytes:
        raise ModelFileError("its end is missing, or something is appended")
    return shapes


def _check_displayed(values: Mapping[str, Any]) -> None:
    """Check the values that are only displayed, so that the code that displays them can rely on their types."""
    score, training = values["score"], values["training"]
    checked: list[tuple[Any, Kinds]] = [
        (training, {**_TRAINING, **{name: kind for name, kind in _OPTIONAL.items() if name in training}}),
        (values["versions"], dict.fromkeys(values["versions"], str)),
    ]
    identifiers = training.get("identifiers") if isinstance(training, dict) else None
    if isinstance(identifiers, list):
        named = {str(place): name for place, name in enumerate(identifiers)}
        checked.append((named, dict.fromkeys(named, str)))
    if score is not None:
        checked.append((score, _SCORE))
        checked += [(one, _ONE_SCORE) for one in score["scores"]] if is_like(score, _SCORE) else []
        checked += [(score["chosen"], _CHOSEN)] if score.get("chosen") is not None else []
    if not all(is_like(values, kinds) for values, kinds in checked):
        raise ModelFileError("the description of its training or score has missing or wrong values")


def is_like(thing: Any, kinds: Kinds) -> bool:
    """Return whether a value is a dict with exactly these keys, and values of these types or in these ranges."""
    if not isinstance(thing, dict) or thing.keys() != kinds.keys():
        return False
    pairs = [(thing[key], kind) for key, kind in kinds.items()]
    fits = (
        type(one) is int and one in kind if isinstance(kind, range) else isinstance(one, kind) for one, kind in pairs
    )
    return all(fits) and not any(isinstance(one, bool) for one, _ in pairs)
