"""What a model file looks like: one `.safetensors` file, in which a string of JSON says what its tensors mean.

    tensor               dtype    shape
    inputs.medians       F64      [number]
    inputs.means         F64      [number]
    inputs.deviations    F64      [number]
    inputs.live          BOOL     [input]
    networks.NAME        as NAME  [network, ...]     for each NAME of a network's state_dict
    golden.cells         F64      [16, column]       NaN is missing, -1 an unknown level
    golden.values        F64      [16] or [16, class]

The JSON stands in the file's own metadata under the key `seedbed`. It is canonical (ASCII, keys sorted, no spaces), and
its `sha256` is that of the JSON without it, followed by the bytes of the tensors. docs/models.md explains its keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["FORMAT", "KEY", "MAX_FILE", "MAX_HEADER", "MOST_NETWORKS", "SUFFIX", "canonical", "fingerprint"]

FORMAT = 1
"""Of the files that this seedbed writes and reads."""

KEY = "seedbed"
SUFFIX = ".safetensors"
MAX_HEADER = 1 << 20
MAX_FILE = 1 << 31
MOST_NETWORKS = 100_000


def canonical(values: Any) -> str:
    """The one way to write these values as JSON."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def fingerprint(values: Mapping[str, Any], tensors: bytes | bytearray | memoryview) -> str:
    """The `sha256` of a file with these values, given the bytes of its tensors."""
    digest = hashlib.sha256(canonical({key: value for key, value in values.items() if key != "sha256"}).encode())
    digest.update(tensors)
    return digest.hexdigest()
