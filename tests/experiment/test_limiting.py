"""A time limit: the design is reduced to fit, before the first fit, and frozen."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from seedbed.data import table_from_arrays
from seedbed.errors import OptionError
from seedbed.experiment import frozen_in, plan_within, specify
from seedbed.settings import Compute, Design, recipe_named

pytestmark = pytest.mark.usefixtures("plain_charts")
RUNNING = Compute(jobs=1, engine="torch")


@pytest.fixture
def takes(monkeypatch):
    """A function that makes every plan take the given seconds per judged network and 5,000 rows."""

    def take(seconds):
        def timed(plan, *, briefly=False):
            (stack,) = plan.fitting.stacks
            cost = seconds * len(stack.owners) * plan.experiment.table.n_rows / 5000
            stack = dataclasses.replace(stack, plan=stack.plan.taking(cost))
            return dataclasses.replace(plan, fitting=dataclasses.replace(plan.fitting, stacks=(stack,)))

        monkeypatch.setattr("seedbed.experiment.plan.timed", timed)
        monkeypatch.setattr("seedbed.experiment.plan.drawing_seconds", lambda: 0.0)

    return take


def arrays_of(n_rows):
    X = np.random.default_rng(1).normal(size=(n_rows, 2))
    return X, (X[:, 0] > 0).astype(np.int64)


def specified(n_rows, **options):
    table, recipe = table_from_arrays(*arrays_of(n_rows)), recipe_named("tutorial", epochs=3)
    return functools.partial(specify, table, ["relu:3"], recipe=recipe, design=Design(baselines=[], **options))


def planned(specified):
    return plan_within(specified(), specified, RUNNING)


def design_of(plan):
    design = plan.experiment.design
    return design.repeats, design.seeds, plan.experiment.table.n_rows


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0.01, (10, 5)), (0.5, (3, 5)), (2.0, (1, 4)), (5.0, (1, 1)), (99.0, (1, 1))]
)
def test_repeats_are_cut_first_then_seeds(takes, seconds, wanted):
    takes(seconds * 50)
    plan = planned(specified(100, time_limit=100))
    assert design_of(plan) == (*wanted, 100)
    assert plan.experiment.design.shortened == ("" if wanted == (10, 5) else "10 repeats with 5 seeds")


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0.01, (1, 3, 5000)), (3.0, (1, 3, 3000)), (9.0, (1, 1, 2000)), (90.0, (1, 1, 500))]
)
def test_a_first_look_also_reduces_the_rows_of_its_sample(takes, seconds, wanted):
    takes(seconds)
    plan = planned(specified(20_000, quick=True))
    assert design_of(plan) == pytest.approx(wanted, rel=0.02)
    assert plan.experiment.whole.n_rows == 20_000
    assert plan.experiment.design.time_limit == 60


def test_the_frozen_design_is_read_back(small, tmp_path, takes):
    options = {"candidates": ["relu:3"], "repeats": 2, "seeds": 3, "time_limit": 100}
    takes(20.0 * 5000 / 60)
    first = small(**options, folder=tmp_path)
    assert first.experiment.design.shortened == "2 repeats with 3 seeds"
    takes(0.0)  # now the full design would fit
    assert small(**options, folder=tmp_path).to_dict()["plan"] == first.to_dict()["plan"]
    assert small(**options, folder=tmp_path, overwrite=True).experiment.design.shortened == ""
    assert small(**{**options, "time_limit": 101}, folder=tmp_path, overwrite=True).experiment.design.repeats == 2


def test_a_sample_is_part_of_the_specification_and_of_the_text(small, tmp_path):
    found = small(*arrays_of(7000), candidates=["relu:3"], quick=True, folder=tmp_path)
    assert frozen_in(tmp_path)["table"]["sample"]["of"] == 7000
    assert json.loads((tmp_path / "comparison.json").read_text())["plan"]["sample_of"] == 7000
    assert "A FIRST LOOK at a sample of 5,000 of 7,000 rows: leave --quick out before" in found.details()
    assert found.model("relu:3", n_networks=2).training["n_rows"] == 7000  # a model is fitted to all rows


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), "60", True])
def test_a_limit_must_be_a_number_of_seconds(small, limit):
    with pytest.raises(OptionError, match=r"time_limit is .* a number"):
        small(candidates=["relu:3"], time_limit=limit)
