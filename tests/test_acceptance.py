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
def rates(acceptance: ModuleType):
    """A function that returns the rates in rows of the table, from few tables, repeats and seeds."""

    def measure(*rows: str, n_sets=N_SETS, repeats=10, folds=10, seeds=1):
        protocol = acceptance.Protocol(repeats=repeats, folds=folds, seeds=seeds)
        return acceptance.rates(*rows, n_sets=n_sets, protocol=protocol)

    return measure


@pytest.mark.slow
def test_equal_candidates_are_seldom_called_different_while_a_naive_test_errs_in_half_of_the_tables(rates):
    false_winners, naive, at_any_look = rates("a-100", "g-100", "s-100-any")
    assert max(false_winners, at_any_look) <= 2 / N_SETS
    assert naive >= 0.4


@pytest.mark.slow
def test_means_of_networks_have_few_false_winners_among_six_candidates(rates):
    assert rates("m-six", n_sets=12, repeats=1, seeds=2)[0] <= 2 / 12


@pytest.mark.slow
def test_a_gain_of_six_points_is_found_in_most_tables(rates):
    assert rates("e-300", n_sets=10, repeats=2)[0] >= 0.8


@pytest.mark.slow
def test_random_labels_are_predicted_by_chance_at_the_chosen_epoch(rates):
    assert rates("d-300", repeats=1)[0] == pytest.approx(0.5, abs=0.02)
