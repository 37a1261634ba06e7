"""Open what a user calls a table: a path, an example, a data frame, or rows to predict."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data.frame import Frame
from seedbed.data.sources.file_kinds import SUFFIXES, read_file
from seedbed.data.sources.memory import (
    array_column,
    frame_of_array,
    frame_of_records,
    is_table,
    read_frame,
)
from seedbed.data.table_options import SourceOptions
from seedbed.errors import DataError, TableNotFoundError, counted, did_you_mean

EXAMPLE_PREFIX = "example:"
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def read_source(
    source: Any,
    options: SourceOptions = SourceOptions(),
    *,
    wanted: Sequence[str] = (),
    as_text: Container[str] = (),
) -> Frame:
    """Read a path, `example:NAME` or a data frame.

    The header is found by the names of `wanted` columns. The text of those `as_text` stays, even if
    it is numbers. Raises what `read_table` does; OptionError for `table` or `skip_rows` of a source
    that has none, for no `table` if there are several, and for a `limit` that can't be understood.
    """
    if isinstance(source, str | Path) and not str(source).startswith(EXAMPLE_PREFIX):
        scheme = SCHEME.match(str(source)) if isinstance(source, str) else None
        if scheme:  # the address isn't quoted: it may hold a password
            raise DataError(
                f"tables aren't fetched from {scheme[0]}",
                "Save the table as a file and give its path, or give a data frame.",
            )
        path = Path(source)
        frame = read_file(path, options, wanted, as_text)
        while path.suffix.lower() in SUFFIXES:  # 'a.b.csv.gz' is 'a.b'
            path = path.with_suffix("")
        return replace(frame, name=options.table or path.name)
    if isinstance(source, str):
        options.check(source)
        name = source.removeprefix(EXAMPLE_PREFIX)
        return replace(read_example(name), name=name, target=EXAMPLES[name].target)
    options.check("a data frame")
    return replace(read_frame(source, as_text=as_text), name="data frame")


def read_new_rows(
    rows: Any, names: Sequence[str], *, as_text: Container[str] = (), **options: Any
) -> Frame:
    """Read rows to predict.

    Args:
        rows: a path, `example:NAME` or a data frame, as `read_table` takes it; records, a list of
            dicts or one of them; or an array [row, feature] in the order of `names`.
        names: the columns of the model, by which the header is also found.
        as_text, options: as in `read_source`, and so are the errors.
    """
    records = [rows] if isinstance(rows, Mapping) else rows
    if (
        isinstance(records, list)
        and records
        and all(isinstance(row, Mapping) for row in records)
    ):
        return frame_of_records(records, names)
    if isinstance(rows, str | Path) or is_table(rows):
        return read_source(
            rows, SourceOptions(**options), wanted=names, as_text=as_text
        )
    frame = frame_of_array(rows, "array", names, as_text)
    if len(frame.columns) != len(names):
        raise DataError(
            f"the array has {counted(len(frame.columns), 'column')}, and the model needs {len(names)}",
            f"Give them in this order: {', '.join(names[:20])}.",
        )
    return frame


_REPOSITORY = "https://raw.githubusercontent.com/UBC-MDS/heart-failure-analysis/main"
HEART_FAILURE_URL = f"{_REPOSITORY}/data/raw/heart_failure_clinical_records_dataset.csv"
HEART_FAILURE_SHA256 = (
    "9c73cea7468ff5d517801ec050fe9993da5912fce4b56f296f8df3b38dd75912"
)
HEART_FAILURE_FILE = "heart_failure.csv"
N_GENERATED = 500


class Example(NamedTuple):
    """A description in one line, and the default target."""

    description: str
    target: str


EXAMPLES: Mapping[str, Example] = {
    "breast-cancer": Example(
        "569 tumours, 30 measures of their cells: benign or malignant", "diagnosis"
    ),
    "circles": Example(
        "500 points on two noisy circles, one inside the other (generated)", "circle"
    ),
    "digits": Example(
        "1,797 handwritten digits, 64 grey levels each: which digit it is", "digit"
    ),
    "heart-failure": Example(
        "299 patients, 12 features: who died (downloaded once, then kept)",
        "DEATH_EVENT",
    ),
    "iris": Example("150 iris flowers, 4 measures: which of three species", "species"),
    "moons": Example(
        "500 points on two noisy half moons that interlock (generated)", "moon"
    ),
    "wine": Example(
        "178 Italian wines, 13 chemical measures: which of three cultivars", "cultivar"
    ),
    "xor": Example(
        "500 points in four noisy quarters, opposite ones alike (generated)", "xor"
    ),
}


def read_example(name: str) -> Frame:
    """Return the table of an example. All but one are included or generated, and need no
    network."""
    if name not in EXAMPLES:
        raise TableNotFoundError(f"no example '{name}'", did_you_mean(name, EXAMPLES))
    if name == "heart-failure":
        return read_file(_heart_failure_path())
    # scikit-learn's file is read without scikit-learn, which takes half a second to import.
    spec = importlib.util.find_spec("sklearn")
    path = (
        Path((spec and spec.origin) or "").parent
        / "datasets"
        / "data"
        / "breast_cancer.csv"
    )
    if name == "breast-cancer" and path.is_file():
        *measures, target = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
        labels = np.array(["malignant", "benign"], dtype=object)[
            target.astype(np.int64)
        ]
        names = tuple(
            kind.format(trait)
            for kind in ("mean {}", "{} error", "worst {}")
            for trait in _CELL_MEASURES
        )
        return _example(name, names, measures, labels)
    from sklearn import datasets

    names = ("x1", "x2")
    if name == "moons":
        points, target = datasets.make_moons(
            n_samples=N_GENERATED, noise=0.3, random_state=0
        )
    elif name == "circles":
        points, target = datasets.make_circles(
            n_samples=N_GENERATED, noise=0.15, factor=0.5, random_state=0
        )
    elif name == "xor":
        random = np.random.default_rng(0)
        points = random.uniform(-1.0, 1.0, size=(N_GENERATED, 2))
        target = ((points[:, 0] > 0) ^ (points[:, 1] > 0)).astype(np.int64)
        points = points + random.normal(scale=0.15, size=points.shape)
    else:
        # scikit-learn codes malignant as 0; as words, malignant is the larger and so the positive
        # label.
        bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
        names = tuple(map(str, bunch.feature_names))
        points = bunch.data
        target = np.array([str(word) for word in bunch.target_names], dtype=object)[
            bunch.target
        ]
    return _example(name, names, points.T, target)


def _example(
    name: str,
    names: Sequence[str],
    columns: Iterable[NDArray[Any]],
    target: NDArray[Any],
) -> Frame:
    cells = tuple(array_column(column, "X") for column in (*columns, target))
    return Frame(f"example:{name}", (*names, EXAMPLES[name].target), cells)


_CELL_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)


def _heart_failure_path() -> Path:
    """Return the file in the folder SEEDBED_DATA, or in pooch's cache, which is filled from the
    network."""
    copy = Path(os.environ.get("SEEDBED_DATA", ""), HEART_FAILURE_FILE)
    if copy.is_file():
        return copy
    import pooch

    try:
        return Path(
            pooch.retrieve(
                HEART_FAILURE_URL,
                known_hash=f"sha256:{HEART_FAILURE_SHA256}",
                fname=HEART_FAILURE_FILE,
                path=pooch.os_cache("seedbed"),
            )
        )
    except (OSError, ValueError) as error:
        # requests' errors are OSErrors; a wrong checksum is a ValueError.
        raise DataError(
            f"example:heart-failure could not be fetched from {HEART_FAILURE_URL} ({type(error).__name__})",
            f"Save it as {HEART_FAILURE_FILE} in a folder and name the folder in the variable SEEDBED_DATA.",
        ) from error
