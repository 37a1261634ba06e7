"""The page that compares seedbed with other libraries: ranks as published, and which results count.

The libraries are not needed.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Module = Callable[[str], Any]

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
LOSSES = {
    "seedbed": 0.4,
    "forest": 0.5,
    "logistic": 0.38,
    "ridge": 0.68,
    "autogluon": 0.6,
}
LOSSES |= {"seedbed_60": 0.35, "autogluon_60": 0.7}
COMPARED = ("seedbed", "forest", "logistic")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Module:
    """A function from a benchmark's name to its module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def rows_of(
    module: Module,
    table: str,
    methods: Iterable[str] = COMPARED,
    repeats: int = 1,
    folds: int = 5,
) -> Iterator[Any]:
    """Results that hardly differ between folds; a better loss goes with a better area and a longer
    fit."""
    for method in methods:
        for repeat in range(repeats):
            for fold in range(folds):
                loss = LOSSES[method] * (1 + 0.02 * (fold - 2))
                figures = {
                    "rows": 100,
                    "log_loss": loss,
                    "rmse": loss,
                    "auc": 1 - loss,
                    "accuracy": 0.9,
                }
                seconds = {
                    "fit_seconds": 1 / LOSSES[method],
                    "predict_seconds": 0.01,
                    "cores": 1.2,
                }
                yield module("peer_rows").Row(
                    table,
                    repeat,
                    fold,
                    method,
                    **figures,
                    **seconds,
                    version="some 1.0",
                )


@pytest.mark.parametrize(
    ("n_methods", "n_tables", "published"),
    [
        (4, 14, 1.25),
        (5, 30, 1.11),
        (2, 10, 0.62),
        (10, 20, 3.03),
    ],  # of q = 2.569, 2.728, 1.960, 3.164
)
def test_the_critical_difference_equals_the_papers(
    module: Module, n_methods: int, n_tables: int, published: float
):
    assert module("peer_ranks").critical_difference(
        n_methods, n_tables
    ) == pytest.approx(published, abs=0.005)


def test_three_wins_to_one_loss_are_191_points(module: Module):
    errors = [[0.1, 0.2], [0.1, 0.3], [0.2, 0.1], [0.3, 0.4]]
    (ours, low, high), forest = module("peer_ranks").elo(errors, reference=1)
    assert ours - 1000 == pytest.approx(400 * np.log10(3), abs=0.1)
    assert low <= 1000 < ours < high
    assert forest.tolist() == [1000, 1000, 1000]
    drawn = module("peer_ranks").elo([*errors, [0.2, 0.2], [0.3, 0.3]], reference=1)[
        0, 0
    ]  # half a win each
    assert drawn - 1000 == pytest.approx(400 * np.log10(4 / 2), abs=0.1)


def test_improvability_is_the_mean_share_of_the_error_above_the_best(module: Module):
    errors = [[0.1, 0.2], [0.4, 0.3], [0.0, 0.0], [0.0, 0.5]]
    assert module("peer_ranks").improvability(errors).tolist() == pytest.approx(
        [0.25 / 4, (0.5 + 1) / 4]
    )


def test_the_halves_are_disjoint_and_complete(module: Module, data_folder: Path):
    tables = module("peer_tables")
    both = [*tables.DECIDING, *tables.CONFIRMING]
    assert sorted(both) == sorted(
        path.name.partition(".")[0] for path in data_folder.glob("*.csv*")
    )


@pytest.mark.slow
@pytest.mark.usefixtures("data_folder")
@pytest.mark.parametrize("half", ["deciding", "confirming"])
def test_targets_of_regressors_are_standardised_columns_of_tables_of_the_same_half(
    module: Module, half: str
):
    tables = module("peer_tables")
    for name in tables.NUMBERS[half]:
        table, _, column = name.partition(": ")
        found = tables.read(name)
        assert table in tables.HALVES[half]
        assert (found.n_classes, column in found.X) == (0, False)
        assert (found.y.mean(), found.y.std()) == pytest.approx((0, 1), abs=1e-9)
        assert found.X.shape[1] == tables.read(table).X.shape[1]


def test_the_page_ranks_methods_on_tables_that_all_have_completed(module: Module):
    rows = [
        *rows_of(module, "cmc", repeats=2),
        *rows_of(module, "ilpd"),
        *rows_of(module, "sick", ["seedbed"]),
    ]
    page = module("peer_page").page([*rows, *rows_of(module, "kc1", folds=4)])
    deciding = page.partition("## Classifiers: the confirming half")[0]
    assert "Tables counted: 2 of 15." in deciding
    assert (
        "| **seedbed** | 2.00 | 2.00 | 2.00 | ∞ (∞ to ∞) | 5.0% | 2.5 | 0.01 | 1 |"
        in deciding
    )
    assert (
        "| logistic regression | 1.00 | 1.00 | 2.00 | ∞ (∞ to ∞) | 0.0% | 2.63 | 0.01 | 1.05 |"
        in deciding
    )
    assert "sick (random forest, logistic regression: not run)" in deciding
    assert "kc1 (all: not run to the end)" in deciding
    assert "| cmc | 100 | 0.4000 | 0.5000 | **0.3800** | 10 |" in deciding
    assert "worst on ilpd: 5.3% above it. It is above it on 2 of 2 tables." in deciding


def test_absent_classes_and_certain_errors_have_finite_scores(module: Module):
    probabilities = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]])
    found = module("peer_fits").scores(np.array([0, 1, 2]), probabilities)
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["auc"] == pytest.approx((1.0 + 0.5 + 0.5) / 3)
    assert found["log_loss"] == pytest.approx(
        (0 - np.log(1e-7) - np.log(0.5)) / 3, rel=1e-4
    )
