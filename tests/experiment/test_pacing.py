"""The cost of a plan is measured by some of its steps, and shown from the start."""

import numpy as np
import pytest

from seedbed.experiment import run, watch_plan
from seedbed.experiment.plan import timed


@pytest.fixture
def worthwhile(monkeypatch):
    """Time every plan, however short."""
    monkeypatch.setattr("seedbed.experiment.plan._WORTH_TIMING", 0.0)
    monkeypatch.setattr("seedbed.experiment.plan._STEPS_FOR", 0.01)
    monkeypatch.setattr("seedbed.experiment.plan._FEWEST_SPLITS", 1)


@pytest.mark.parametrize(
    "options", [{}, {"recipe": {"batch_size": 8}}, {"name": "trained"}, {"recipe": {"optimizer": "adam"}}], ids=str
)
def test_costs_are_measured_for_every_stack_and_baseline(planned, worthwhile, options):
    plan = planned("relu:3", "tanh:4,4@dropout=0.2", baselines=["prior", "auto"], **options)
    found = timed(plan)
    assert found.measured
    assert all(stack.plan.seconds > 0 for stack in found.stacks)
    assert found.fits.keys() == {"prior"}
    assert found.seconds > found.overhead
    assert timed(found) is found


def test_timing_changes_no_result(planned, worthwhile, same, monkeypatch):
    plan = planned("relu:3", baselines=["prior"])
    measured = run(plan)
    monkeypatch.setattr("seedbed.experiment.plan._WORTH_TIMING", np.inf)
    same(run(plan)["relu:3"], measured["relu:3"])


def test_the_time_left_is_known_before_the_first_fit_and_includes_baselines(planned, worthwhile):
    plan = timed(planned("relu:3", "linear:3", baselines=["prior"]))
    watch = watch_plan(plan, draws=True)
    watch.expect(plan)
    assert watch.progress()[0].seconds_left == pytest.approx(plan.seconds, rel=0.3)
    watch.count("prior", taken=True)
    assert watch.progress()[0].seconds_left < plan.seconds
