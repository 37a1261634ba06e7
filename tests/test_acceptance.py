"""A small version of benchmarks/acceptance.py with fixed seeds: verdicts on simulated tables keep their error rate,
and a naive test doesn't. docs/acceptance.md has the rates for hundreds of tables."""

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


@pytest.fixture
def rate(acceptance: ModuleType):
    """A function that returns the rate in a row of the table, from few tables, repeats and seeds."""

    def measure(
        row: str, n_sets: int = N_SETS, interval: str = "corrected", repeats: int = 10, folds: int = 10
    ) -> float:
        protocol = acceptance.Protocol(interval, repeats=repeats, folds=folds, seeds=1)
        return acceptance.rate(row, n_sets, protocol=protocol).rate

    return measure


@pytest.mark.slow
def test_equal_candidates_are_seldom_called_different_while_a_naive_test_errs_in_half_of_the_tables(rate):
    assert rate("a-100") <= 2 / N_SETS
    assert rate("g-100") >= 0.4


@pytest.mark.slow
def test_a_gain_of_six_points_is_found_in_most_tables(rate):
    assert rate("e-300", n_sets=10, repeats=2) >= 0.8


@pytest.mark.slow
def test_random_labels_are_predicted_by_chance_at_the_chosen_epoch(rate):
    assert rate("d-300", repeats=1) == pytest.approx(0.5, abs=0.02)


@pytest.mark.slow
def test_nested_intervals_seldom_call_equal_candidates_different(rate):
    assert rate("a-100-nested", interval="nested", folds=5) <= 3 / N_SETS
