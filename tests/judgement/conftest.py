"""Example score tables."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Columns = dict[str, list[Any]]


@pytest.fixture
def scores() -> Callable[..., Columns]:
    """Make a mapping of columns in long form; `new` gains `gain` over `old` in accuracy."""

    def make(
        *,
        repeats: int = 1,
        folds: int = 10,
        seeds: int = 1,
        gain: float = 0.0,
        spread: float = 0.01,
        key: int = 0,
    ) -> Columns:
        rng = np.random.default_rng(key)
        rows = [
            (
                name,
                repeat,
                fold,
                seed,
                0.8 + gain * (name == "new") + spread * rng.normal(),
            )
            for name in ("old", "new")
            for repeat in range(repeats)
            for fold in range(folds)
            for seed in range(seeds)
        ]
        return dict(
            zip(
                ("candidate", "repeat", "fold", "seed", "accuracy"),
                map(list, zip(*rows, strict=True)),
                strict=True,
            )
        )

    return make


@pytest.fixture
def csv(tmp_path) -> Callable[[Columns], str]:
    """Write columns to a CSV file and return its path."""

    def write(columns: Columns) -> str:
        path = tmp_path / "scores.csv"
        lines = [
            ",".join(columns),
            *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
        ]
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write
