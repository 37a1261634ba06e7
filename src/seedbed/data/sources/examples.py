"""Example tables. All but one are included or generated, and need no network."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from seedbed.data.columns import Columns, MemoryColumns
from seedbed.data.sources.files import open_file
from seedbed.errors import DataError, TableNotFoundError, did_you_mean

__all__ = ["EXAMPLES", "open_example"]

HEART_FAILURE_URL = (
    "https://raw.githubusercontent.com/UBC-MDS/heart-failure-analysis/main/"
    "data/raw/heart_failure_clinical_records_dataset.csv"
)
HEART_FAILURE_SHA256 = "9c73cea7468ff5d517801ec050fe9993da5912fce4b56f296f8df3b38dd75912"
HEART_FAILURE_FILE = "heart_failure.csv"
N_GENERATED = 500


@dataclass(frozen=True)
class Example:
    """A description in one line, and the default target."""

    description: str
    target: str


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "breast-cancer": Example("569 tumours, 30 measures of their cells: benign or malignant", "diagnosis"),
        "circles": Example("500 points on two noisy circles, one inside the other (generated)", "circle"),
        "digits": Example("1,797 handwritten digits, 64 grey levels each: which digit it is", "digit"),
        "heart-failure": Example("299 patients, 12 features: who died (fetched once, then kept)", "DEATH_EVENT"),
        "iris": Example("150 iris flowers, 4 measures: which of three species", "species"),
        "moons": Example("500 points on two noisy half moons that interlock (generated)", "moon"),
        "wine": Example("178 Italian wines, 13 chemical measures: which of three cultivars", "cultivar"),
        "xor": Example("500 points in four noisy quarters, opposite ones alike (generated)", "xor"),
    }
)


@contextlib.contextmanager
def open_example(name: str) -> Iterator[Columns]:
    """Open an example.

    Raises:
        TableNotFoundError: no example of that name.
        DataError: heart-failure is neither on disk nor available from the network.
    """
    if name not in EXAMPLES:
        raise TableNotFoundError(f"no example '{name}'", did_you_mean(name, EXAMPLES))
    if name == "heart-failure":
        with open_file(_heart_failure_path()) as columns:
            yield columns
        return
    from sklearn import datasets

    names: tuple[str, ...] = ("x1", "x2")
    if name == "moons":
        points, target = datasets.make_moons(n_samples=N_GENERATED, noise=0.3, random_state=0)
    elif name == "circles":
        points, target = datasets.make_circles(n_samples=N_GENERATED, noise=0.15, factor=0.5, random_state=0)
    elif name == "xor":
        random = np.random.default_rng(0)
        points = random.uniform(-1.0, 1.0, size=(N_GENERATED, 2))
        target = ((points[:, 0] > 0) ^ (points[:, 1] > 0)).astype(np.int64)
        points = points + random.normal(scale=0.15, size=points.shape)
    else:
        # scikit-learn codes malignant as 0; as words, malignant is the larger and so the positive label.
        bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
        names, points = tuple(map(str, bunch.feature_names)), bunch.data
        target = np.array([str(word) for word in bunch.target_names], dtype=object)[bunch.target]
    arrays = (*(points[:, i] for i in range(len(names))), target)
    yield MemoryColumns(where=f"example:{name}", names=(*names, EXAMPLES[name].target), arrays=arrays)


def _heart_failure_path() -> Path:
    """Return the file in the folder SEEDBED_DATA, or in pooch's cache, which is filled from the network."""
    folder = os.environ.get("SEEDBED_DATA")
    copy = Path(folder) / HEART_FAILURE_FILE if folder else None
    if copy is not None and copy.is_file():
        found = hashlib.sha256(copy.read_bytes()).hexdigest()
        if found != HEART_FAILURE_SHA256:
            raise DataError(
                f"{copy} isn't the heart-failure table: its sha256 is {found}, not {HEART_FAILURE_SHA256}",
                "Replace the file, or read it by its path instead.",
            )
        return copy
    try:
        pooch = importlib.import_module("pooch")
        pooch.get_logger().setLevel("WARNING")
        known_hash = f"sha256:{HEART_FAILURE_SHA256}"
        cache = pooch.os_cache("seedbed")
        return Path(pooch.retrieve(HEART_FAILURE_URL, known_hash=known_hash, fname=HEART_FAILURE_FILE, path=cache))
    except (ImportError, OSError, ValueError) as error:
        # requests' errors are OSErrors; a wrong checksum is a ValueError.
        raise DataError(
            f"example:heart-failure could not be fetched from {HEART_FAILURE_URL} ({type(error).__name__})",
            f"Save it as {HEART_FAILURE_FILE} in a folder and name the folder in the variable SEEDBED_DATA.",
        ) from error
