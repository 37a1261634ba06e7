"""A small version of benchmarks/acceptance.py with fixed seeds: verdicts on simulated tables keep
their error rate, and a naive test doesn't. benchmarks/acceptance.md has the rates for hundreds of
tables."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
N_SETS = 24


@pytest.fixture
def acceptance(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("acceptance")


@pytest.mark.slow
def test_equal_candidates_are_seldom_called_different(acceptance):
    false_winners, at_any_look, naive = acceptance.rates(
        "a-100-logistic", "a-100-logistic-any", "g-100", draws=N_SETS, repeats=10
    )
    assert max(false_winners, at_any_look) <= 2 / N_SETS
    assert naive >= 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("row", "most"), [("a-six", 2), ("b-100", 2), ("c-100", 0)])
def test_equal_networks_are_seldom_called_different(acceptance, row, most):
    assert acceptance.rates(row, draws=12, repeats=1)[0] <= most / 12


@pytest.mark.slow
def test_a_gain_of_six_points_is_found_in_most_tables(acceptance):
    assert acceptance.rates("e-300", draws=10, repeats=2)[0] >= 0.8
