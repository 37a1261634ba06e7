"""What this room's tests share: a small table, and comparisons that take a moment."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from seedbed.experiment import Comparison, compare
from seedbed.training.process import one_thread

SMALL = {"repeats": 1, "folds": 3, "seeds": 2, "epochs": 4, "lr": 0.5, "compile": False, "jobs": 1}


@pytest.fixture(scope="session", autouse=True)
def single_thread() -> Iterator[None]:
    """torch's threads make work of this size slower."""
    with one_thread("cpu"):
        yield


@pytest.fixture(scope="session")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """X [60, 3] and y [60]: zeros and ones."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 3))
    return X, (X[:, 0] + 0.7 * rng.normal(size=60) > 0.3).astype(np.int64)


@pytest.fixture(scope="session")
def small(arrays: tuple[np.ndarray, np.ndarray]) -> Callable[..., Comparison]:
    """`compare` on few rows, folds, seeds and epochs; on `arrays` unless a table is given."""

    def run(*table: Any, **options: Any) -> Comparison:
        return compare(*(table or arrays), **{**SMALL, **options})

    return run


@pytest.fixture(scope="session")
def comparison(small: Callable[..., Comparison]) -> Comparison:
    """Two candidates, two repeats of three folds, three seeds: to look at, not to change."""
    return small(candidates=["linear:3", "tanh:4"], reference="tanh:4", repeats=2, seeds=3, random_state=7)


@pytest.fixture
def same() -> Callable[..., None]:
    """Asserts that two results are of the same networks."""

    def check(one: Any, other: Any, tolerance: float = 0.0) -> None:
        np.testing.assert_allclose(one.curves, other.curves, rtol=0, atol=tolerance)
        np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=0, atol=tolerance)

    return check
