"""Small versions of benchmarks/judged.py with fixed seeds, so the rates are deterministic."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.torch  # the program imports it
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("judged")


@pytest.mark.parametrize("n_loops", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_at_most_the_nominal_share_of_loops_keeps_one_of_fifty_useless_changes(
    judged, n_loops
):
    assert (
        sum(judged.keeps_any(number, 100) for number in range(n_loops)) / n_loops
        <= 0.05
    )
