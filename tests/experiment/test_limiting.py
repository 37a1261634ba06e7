"""A time limit: the design is reduced to fit, before the first fit, and frozen."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from seedbed.data import table_from_arrays
from seedbed.errors import OptionError
from seedbed.experiment import plan_within, specify
from seedbed.experiment.specification_file import read_specification
from seedbed.report.glance import first_screen
from seedbed.settings import Compute, Design, recipe_named

pytestmark = pytest.mark.usefixtures("plain_charts")
EPOCHS = 200
RUNNING = Compute(jobs=1, engine="torch")


@pytest.fixture
def takes(monkeypatch):
    """A function that makes every plan take the given seconds per judged network, 5,000 rows and 200 epochs."""

    def take(seconds):
        def timed(plan, fits=None):
            (stack,) = plan.fitting.stacks
            cost = seconds * len(stack.owners) * plan.experiment.table.n_rows / 5000
            cost *= plan.experiment.recipe.epochs / EPOCHS
            stack = dataclasses.replace(stack, plan=dataclasses.replace(stack.plan, seconds=cost))
            return dataclasses.replace(plan, fitting=dataclasses.replace(plan.fitting, stacks=(stack,)))

        monkeypatch.setattr("seedbed.experiment.limiting.timed", timed)
        monkeypatch.setattr("seedbed.experiment.limiting._SURELY", 0.0)
        monkeypatch.setattr("seedbed.experiment.plan.drawing_seconds", lambda: 0.0)

    return take


def arrays_of(n_rows):
    X = np.random.default_rng(1).normal(size=(n_rows, 2))
    return X, (X[:, 0] > 0).astype(np.int64)


def specified(n_rows, **options):
    table, recipe = table_from_arrays(*arrays_of(n_rows)), recipe_named("tutorial", epochs=EPOCHS)
    return functools.partial(specify, table, ["relu:3"], recipe=recipe, design=Design(baselines=[], **options))


def planned(specified):
    lines = []
    return plan_within(specified(), specified, RUNNING, tell=lines.append), lines


def design_of(plan):
    design = plan.experiment.design
    return design.repeats, plan.experiment.recipe.epochs, design.seeds, plan.experiment.table.n_rows


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.01, (10, 200, 5)), (1.5, (10, 200, 5)), (3.0, (10, 120, 5)), (5.0, (10, 100, 3)), (99.0, (10, 100, 1))],
)
def test_epochs_are_cut_first_then_seeds_until_a_repeat_fits(takes, seconds, wanted):
    takes(seconds * 50)
    plan, lines = planned(specified(100, time_limit=100))
    assert design_of(plan) == pytest.approx((*wanted, 100), rel=0.02)
    was = "5 seeds with 200 epochs" if wanted[2] < 5 else "200 epochs"
    assert plan.experiment.design.shortened == ("" if wanted[1] == 200 else was)
    assert plan.looks == tuple(range(1, 11))
    assert any(line.startswith("This doesn't fit 100 s: one repeat may take ") for line in lines) == (seconds == 99)


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.001, (1, 200, 3, 18000)), (0.7, (1, 142, 3, 18000)), (1.4, (1, 100, 2, 18000)), (9.0, (1, 100, 1, 6000)),
     (99.0, (1, 100, 1, 5000))],
)  # fmt: skip
def test_a_first_look_takes_a_sample_last_and_of_no_fewer_than_5000_rows(takes, seconds, wanted):
    takes(seconds)
    plan, lines = planned(specified(18_000, quick=True))
    assert design_of(plan) == pytest.approx(wanted, rel=0.02)
    assert (plan.experiment.whole is None) == (wanted[3] == 18_000)
    assert len(lines) == 1 + (seconds == 99)


def test_a_table_of_768_rows_is_never_sampled(takes):
    takes(1e6)
    assert design_of(planned(specified(768, quick=True))[0]) == (1, 100, 1, 768)


def test_the_frozen_design_is_read_back(small, tmp_path, takes):
    options = {"candidates": ["relu:3"], "repeats": 2, "seeds": 3, "time_limit": 100}
    takes(20.0 * 5000 / 60 * EPOCHS / 4)
    first = small(**options, folder=tmp_path)
    assert first.experiment.design.shortened == "3 seeds"
    with pytest.raises(OptionError, match="holds another run: design folds"):
        small(**{**options, "folds": 2}, folder=tmp_path)
    takes(0.0)  # now the full design would fit
    assert small(**options, folder=tmp_path).to_dict()["plan"] == first.to_dict()["plan"]
    assert small(**options, folder=tmp_path, overwrite=True).experiment.design.shortened == ""
    assert small(**{**options, "time_limit": 101}, folder=tmp_path, overwrite=True).experiment.design.repeats == 2


def test_a_sample_is_part_of_the_specification_and_of_the_text(small, tmp_path, monkeypatch):
    monkeypatch.setattr("seedbed.experiment.spec._QUICK_ROWS", 5000)
    found = small(*arrays_of(7000), candidates=["relu:3", "linear:2"], quick=True, folder=tmp_path)
    assert read_specification(tmp_path)["table"]["sample"]["of"] == 7000
    assert json.loads((tmp_path / "comparison.json").read_text())["plan"]["sample_of"] == 7000
    assert "this is a sample of 5,000 of 7,000 rows" in found.details()
    screen = first_screen(found.conclusion)
    assert "a sample of 5,000 of 7,000 rows, and all rows may change any of this" in dict(screen.answers)["How sure"]
    assert "a full run" in dict(screen.answers)["To settle"]
    assert found.model("relu:3", n_networks=2).training["n_rows"] == 7000  # a model is fitted to all rows


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "60", True])
def test_a_limit_must_be_a_number_of_seconds(small, limit):
    with pytest.raises(OptionError, match=r"time_limit is .* a number"):
        small(candidates=["relu:3"], time_limit=limit)
