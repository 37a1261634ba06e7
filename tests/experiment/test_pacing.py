"""The cost of a plan is measured by some of its steps, and shown from the start."""

import dataclasses
import importlib
import time

import pytest

from seedbed.experiment import monitor_plan, run
from seedbed.experiment.plan import Pace, _timed_fit, timed


@pytest.fixture
def worthwhile(monkeypatch):
    """Time every plan, however short."""
    monkeypatch.setattr("seedbed.experiment.plan._STEPS_FOR", 0.01)


@pytest.mark.parametrize(
    "options", [{}, {"recipe": {"batch_size": 8}}, {"name": "trained"}, {"recipe": {"optimizer": "adam"}}], ids=str
)
def test_costs_are_measured_for_every_stack_and_baseline(planned, worthwhile, options):
    plan = planned("relu:3", "tanh:4,4@dropout=0.2", baselines=["prior", "auto"], **options)
    found = timed(plan)
    assert found.measured
    assert all(stack.plan.seconds > 0 for stack in found.stacks)
    assert found.pace.fits.keys() == {"prior"}
    assert found.seconds > found.overhead
    assert timed(found) is found


def test_timing_changes_no_result(planned, worthwhile, same):
    plan = planned("relu:3", baselines=["prior"])
    same(run(plan)["relu:3"], run(timed(plan))["relu:3"])


def test_the_time_left_is_known_before_the_first_fit_and_includes_baselines(planned, worthwhile):
    plan = timed(planned("relu:3", "linear:3", baselines=["prior"]))
    monitor = monitor_plan(plan, draws=True)
    monitor.expect(plan)
    assert monitor.progress()[0].seconds_left == pytest.approx(plan.seconds, rel=0.3)
    monitor.count("prior", taken=True)
    assert monitor.progress()[0].seconds_left < plan.seconds


def test_an_estimate_rises_by_at_most_half_if_no_network_ends_early(planned):
    for seeds in (1, 5):
        plan = planned("relu:3", "linear:20,20", name="trained", recipe={"epochs": 1000}, seeds=seeds)
        assert plan.seconds < plan.first_seconds < 1.5 * plan.seconds
        for stack in plan.stacks:
            assert sum(map(stack.plan.cost, stack.plan.chunks)) == pytest.approx(stack.plan.seconds)
    few = planned("relu:3", name="trained", recipe={"epochs": 100})
    assert few.seconds == few.first_seconds


def test_a_fit_to_all_rows_is_estimated_by_the_growth_between_fits_to_some():
    pace = Pace({}, {"svc": ((1000, 0.1), (3000, 0.9)), "prior": ((1000, 0.1), (3000, 0.1)), "other": ((1000, 0.2),)})
    seconds = [pace.fit_seconds(name, 30_000) for name in ("svc", "prior", "other")]
    assert seconds == pytest.approx([90.0, 1.0, 6.0])
    assert pace.fit_seconds("svc", 1500) == pytest.approx(0.45)


def test_what_a_first_fit_loads_is_not_part_of_its_time(planned, monkeypatch):
    plan, rows = planned("relu:3", baselines=["prior"], folds=2), []

    def slow_at_first(models, table, encoding, splits, *, jobs):
        rows.append(len(splits[0].train))
        until = time.process_time() + 0.2 * (len(rows) == 1)
        while time.process_time() < until:
            pass
        return ()

    monkeypatch.setattr(importlib.import_module("seedbed.experiment.plan"), "fit_on_splits", slow_at_first)
    spec = plan.experiment
    _, timings = _timed_fit(spec.fitted[0], spec.table, plan.encoding, plan.splits[0])
    assert len(rows) == 1 + len(timings)
    assert max(seconds for _, seconds in timings) < 0.1


def test_one_long_fit_keeps_other_cores_waiting(planned):
    plan = dataclasses.replace(planned("relu:3", baselines=["prior"], folds=2), jobs=2)
    (splits, seconds) = len(plan.splits), plan.fit_seconds["prior"]
    assert (splits, plan.fitting_seconds()) == (2, pytest.approx(seconds))
    assert plan.paced(Pace({0: (0.1, 0.1)}, {"prior": ((20, 9.0),)})).fitting_seconds() == pytest.approx(13.5)
