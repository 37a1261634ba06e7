"""The header of a model file: taken apart and held against what a model's header is, before anything is made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.errors import ModelFileError, error_line
from seedbed.model.layout import FORMAT, KEY, MAX_FILE, canonical

__all__ = ["Header", "Shapes", "is_like", "read_header"]

Kinds = Mapping[str, type | tuple[type, ...] | range]
"""The keys of a dict, and what each value may be; a range is of whole numbers."""

Shapes = dict[str, tuple[str, tuple[int, ...]]]

_SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_LARGEST = 1e300  # of numbers in JSON: a percentage of one is finite as well
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
_AT_TIMES: Kinds = {  # said where there is any
    "n_left_out": _COUNT,
    "identifiers": list,
    "out_of_bag_loss": _NUMBER,
    "n_members_left_out": _COUNT,
}
_SCORE: Kinds = {"of": str, "alpha": _NUMBER, "scores": list, "chosen": (dict, type(None))}
_ONE_SCORE: Kinds = {
    "name": str,
    "words": str,
    "mean": _NUMBER,
    "low": (*_NUMBER, type(None)),
    "high": (*_NUMBER, type(None)),
}
_CHOSEN: Kinds = {
    "among": _COUNT,
    "words": str,
    "expected": _NUMBER,
    "low": _NUMBER,
    "high": _NUMBER,
}


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        values: the JSON of seedbed.
        shapes: (dtype, shape) of each tensor.
        starts: the place of each tensor's first byte, from the end of the header.
    """

    values: dict[str, Any]
    shapes: Shapes
    starts: dict[str, int]


def read_header(text: bytes, n_bytes: int) -> Header:
    """The header of the file, if it can be one of ours, checked against the number of bytes that follow it."""
    entries = _strict_json(text, "its header")
    if not isinstance(entries, dict) or not isinstance(entries.get("__metadata__"), dict):
        raise ModelFileError("it is no model of seedbed", "Name a file that seedbed has written.")
    metadata = entries.pop("__metadata__")
    if metadata.keys() != {KEY} or not isinstance(metadata[KEY], str) or not metadata[KEY].isascii():
        raise ModelFileError("it is no model of seedbed", "Name a file that seedbed has written.")
    values = _strict_json(metadata[KEY].encode(), "its description")
    if not isinstance(values, dict) or type(values.get("format")) is not int:
        raise ModelFileError("its description says no version")
    if values["format"] != FORMAT:
        message = f"it is a model file of version {values['format']}, and this seedbed reads {FORMAT}"
        raise ModelFileError(message, "Use the seedbed that wrote it, or a later one.")
    if not is_like(values, _KEYS):
        raise ModelFileError("its description doesn't say what it must")
    if canonical(values) != metadata[KEY]:
        raise ModelFileError("its description isn't written as seedbed writes it")
    _check_told(values)
    shapes = _shapes(entries, n_bytes)
    return Header(values, shapes, {name: entries[name]["data_offsets"][0] for name in shapes})


def _strict_json(text: bytes, what: str) -> Any:
    """JSON without a key twice, without NaN, and without numbers that are too large to be computed with."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice")
        return found

    def refused(word: str) -> Any:
        raise ValueError(f"{word} is no number, or too large")

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
    """(dtype, shape) of each tensor; together they must take the file's bytes, each byte once."""
    shapes: Shapes = {}
    places = []
    for name, entry in entries.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ModelFileError(f"the tensor '{name[:60]}' isn't described as tensors are")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        whole = isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2 and len(shape) <= 8
        if not whole or not all(type(one) is int and 0 <= one <= MAX_FILE for one in (*shape, *offsets)):
            raise ModelFileError(f"the tensor '{name[:60]}' isn't described as tensors are")
        if dtype not in _SIZES or math.prod(shape) * _SIZES[dtype] != offsets[1] - offsets[0]:
            raise ModelFileError(f"the tensor '{name[:60]}' has another size than it says")
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
        raise ModelFileError("the end of it is missing, or something is appended")
    return shapes


def _check_told(values: Mapping[str, Any]) -> None:
    """What is only told and decides nothing, so that whoever shows it needn't doubt it."""
    score, training = values["score"], values["training"]
    told_things: list[tuple[Any, Kinds]] = [
        (training, {**_TRAINING, **{name: kind for name, kind in _AT_TIMES.items() if name in training}}),
        (values["versions"], dict.fromkeys(values["versions"], str)),
    ]
    identifiers = training.get("identifiers") if isinstance(training, dict) else None
    if isinstance(identifiers, list):
        named = {str(place): name for place, name in enumerate(identifiers)}
        told_things.append((named, dict.fromkeys(named, str)))
    if score is not None:
        told_things.append((score, _SCORE))
        told_things += [(one, _ONE_SCORE) for one in score["scores"]] if is_like(score, _SCORE) else []
        told_things += [(score["chosen"], _CHOSEN)] if score.get("chosen") is not None else []
    if not all(is_like(thing, kinds) for thing, kinds in told_things):
        raise ModelFileError("what it says of its training or score isn't said as seedbed says it")


def is_like(thing: Any, kinds: Kinds) -> bool:
    """Whether it is a dict of exactly these keys with values of these types, or in these ranges."""
    if not isinstance(thing, dict) or thing.keys() != kinds.keys():
        return False
    pairs = [(thing[key], kind) for key, kind in kinds.items()]
    fits = (
        type(one) is int and one in kind if isinstance(kind, range) else isinstance(one, kind) for one, kind in pairs
    )
    return all(fits) and not any(isinstance(one, bool) for one, _ in pairs)
