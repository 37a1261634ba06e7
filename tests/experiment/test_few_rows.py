"""Fewer than fifty rows, or a class with fewer than ten: scores, and no verdict."""

import dataclasses
import json

import numpy as np
import pytest

from seedbed.data.reading import table_from_arrays
from seedbed.evaluation.estimates import wilson

WHOLE = {"repeats": None, "folds": None}


def table(n_rows, rare):
    rng = np.random.default_rng(1)
    y = (np.arange(n_rows) < rare).astype(int)
    return rng.normal(size=(n_rows, 2)) + y[:, None], y


@pytest.fixture(
    scope="module", params=[(40, 18), (90, 8)], ids=["40 rows", "class of 8"]
)
def found(small, request):
    options = dict(candidates=["linear:2", "tanh:3"], baselines=["prior"])
    return small(*table(*request.param), **WHOLE, reference="linear:2", **options)


def test_few_rows_give_a_reason_instead_of_a_verdict(found):
    n, rare = found.experiment.table.n_rows, int(found.experiment.table.target.sum())
    assert found.verdicts == ()
    assert [one.candidate for one in found.conclusion.no_verdict] == ["tanh:3", "prior"]
    reason = found.experiment.design.reason
    few = "40 rows" if n == 40 else f"{rare} rows outside the largest class"
    assert reason.startswith(f"{few} are too few for a verdict")
    assert {one.reason for one in found.conclusion.no_verdict} == {reason}
    assert f"No verdict: {few} are too few" in " ".join(str(found).split())


def test_accuracy_has_a_wilson_interval_and_mean_losses_have_none(found):
    n = found.experiment.table.n_rows
    for result in found.results:
        accuracy = result.scores["accuracy"]
        rows = 1 - result.row_losses("accuracy").mean(axis=(0, 1))
        # Folds differ in size by one row, so the mean over folds isn't quite that over rows.
        assert accuracy.mean == pytest.approx(rows.mean(), abs=0.02)
        assert (accuracy.low, accuracy.high) == pytest.approx(
            wilson(n * accuracy.mean, n)
        )
        for name in ("brier", "log_loss", "brier_skill"):
            assert result.scores[name].mean is not None
            assert (result.scores[name].low, result.scores[name].high) == (None, None)


@pytest.mark.parametrize("rare", [5, 2])
def test_few_rows_of_a_class_suffice_to_stop_by_and_to_be_scored(small, rare):
    options = dict(candidates="tanh:3", recipe="default")
    found = small(*table(12, rare), **WHOLE, lr=None, baselines=None, **options)
    assert (found.experiment.design.folds, found.verdicts) == (rare, ())
    assert np.isfinite(found["tanh:3"].predictions).all()
    assert found["tanh:3"].scores["accuracy"].low is not None
    json.dumps(found.to_dict(), allow_nan=False)
    assert str(found)


def test_rows_of_few_groups_count_as_their_groups(small):
    groups = {"groups": np.arange(90) // 6, "grouped_by": "patient"}
    grouped = dataclasses.replace(table_from_arrays(*table(90, 40)), **groups)
    found = small(grouped, **WHOLE, candidates=["linear:2"])
    accuracy = found["linear:2"].scores["accuracy"]
    assert found.experiment.design.reason.startswith("15 groups are too few")
    assert (accuracy.low, accuracy.high) == pytest.approx(
        wilson(15 * accuracy.mean, 15)
    )
