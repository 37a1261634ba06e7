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


@pytest.mark.slow
def test_equal_candidates_are_seldom_called_different(judged):
    assert sum(judged.false_winner(number, 100, repeats=3) for number in range(20)) <= 2
    assert sum(judged.naive(number, 100) for number in range(20)) >= 8
    assert (
        sum(judged.false_winner_random(number, 100, 30, 0.2) for number in range(100))
        <= 7
    )  # on random splits


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cv-100", "mc-100-50-0.2", "mc-300-10-0.33"])
def test_the_rate_of_false_winners_keeps_its_bound_over_hundreds_of_tables(
    judged, name
):
    (row,) = (row for row in judged.simulated_rows() if row.name == name)
    assert sum(row.draw(number) for number in range(400)) / 400 <= row.most


@pytest.mark.parametrize("n_loops", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_at_most_the_nominal_share_of_loops_keeps_one_of_fifty_useless_changes(
    judged, n_loops
):
    assert (
        sum(judged.keeps_any(number, 100) for number in range(n_loops)) / n_loops
        <= 0.05
    )
