"""The progress of a run: networks, the current epoch, and the time left."""

from types import SimpleNamespace

import numpy as np
import pytest
from seedbed.experiment.progress import MonitoredChunk

from seedbed.data import read_table
from seedbed.experiment import Monitor, monitor_plan, run, train, training_on
from seedbed.model import blend_table
from seedbed.settings import Compute, Recipe


@pytest.fixture
def clock(monkeypatch):
    """The clock of a monitor, to be moved by hand."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("seedbed.experiment.progress.time", SimpleNamespace(perf_counter=lambda: now.seconds))
    return now


@pytest.fixture
def begun():
    """A function that makes a watch over tasks, and its board of epochs, which tests write."""

    def begin(*tasks, monitor=None, stage=""):
        names = {name: 0 for task in tasks for name in task.networks}
        for task in tasks:
            for name, n_networks in task.networks.items():
                names[name] += n_networks
        monitor = monitor or Monitor({**names, "prior": 3}, dict.fromkeys(names, 100), sum(task.cost for task in tasks))
        board = monitor.begin(tasks, stage)
        board._counts = np.full(len(tasks), -1, dtype=np.int32)
        return monitor, board._counts

    return begin


def rows(monitor):
    return {one.name: (one.done, one.total, one.epoch, one.epochs) for one in monitor.progress()}


def test_the_epoch_is_that_of_the_most_advanced_chunk(begun):
    monitor, epochs = begun(*(MonitoredChunk({name: 4}, 100, 1.0) for name in "aab"))
    assert rows(monitor) == {"a": (0, 8, None, 100), "b": (0, 4, None, 100), "prior": (0, 3, None, None)}
    epochs[:2] = 0, 30
    assert rows(monitor)["a"] == (0, 8, 30, 100)
    epochs[:2] = 20, 100
    assert rows(monitor)["a"] == (4, 8, 20, 100)
    monitor.finish(0)
    assert rows(monitor) == {"a": (8, 8, None, 100), "b": (0, 4, None, 100), "prior": (0, 3, None, None)}


def test_candidates_that_share_a_chunk_share_its_epoch(begun):
    monitor, epochs = begun(MonitoredChunk({"a": 4, "b": 2}, 100, 1.0))
    epochs[0] = 7
    assert rows(monitor)["a"][2:] == rows(monitor)["b"][2:] == (7, 100)
    epochs[0] = 100
    assert (rows(monitor)["a"][0], rows(monitor)["b"][0]) == (4, 2)


def test_time_left_moves_with_the_epochs_of_a_single_chunk(begun, clock):
    monitor, epochs = begun(MonitoredChunk({"a": 4}, 100, 3.5))
    found = []
    for clock.seconds, epochs[0] in ((0, 0), (8, 1), (8.1, 2), (9, 11), (12, 41), (17, 91), (17.9, 100)):
        found.append(monitor.progress()[0].seconds_left)
    # The compiler took eight seconds, then ten epochs take one. The first of them say too little.
    assert found[:3] == [None, None, None]
    assert found[3:] == pytest.approx([8.9, 5.9, 0.9, 0.0])


def test_time_left_is_known_after_some_seconds_of_slow_epochs(begun, clock):
    monitor, epochs = begun(MonitoredChunk({"a": 1}, 1000, 1.0))
    for clock.seconds, epochs[0] in ((5, 1), (6, 2), (8, 4)):
        left = monitor.progress()[0].seconds_left
        assert (left is None) == (clock.seconds < 8)
    assert left == pytest.approx(996.0)


def test_resumed_work_counts_as_done_and_not_for_the_time_left(begun, clock):
    monitor = Monitor({"a": 1004}, {"a": 100}, 11.0)
    monitor.take(MonitoredChunk({"a": 1000}, 100, 10.0))
    assert rows(monitor)["a"] == (1000, 1004, None, 100)
    _, epochs = begun(MonitoredChunk({"a": 4}, 100, 1.0), monitor=monitor)
    for clock.seconds, epochs[0] in ((1, 10), (3, 30)):
        one = monitor.progress()[0]
    assert (one.done, one.epoch, one.seconds_left) == (1000, 30, pytest.approx(7.0))


def test_the_second_round_continues_the_count_of_the_first(begun, clock):
    monitor = Monitor({"a": 8}, {"a": 100}, 2.0)
    for stage, done in (("choosing", 0), ("fitting", 4)):
        _, epochs = begun(MonitoredChunk({"a": 4}, 100, 1.0), monitor=monitor, stage=stage)
        assert (rows(monitor)["a"], monitor.progress()[0].stage) == ((done, 8, None, 100), stage)
        for epochs[0] in (10, 100):
            clock.seconds += 1
            left = monitor.progress()[0].seconds_left
    assert left == pytest.approx(0.0)
    assert rows(monitor)["a"] == (8, 8, None, 100)


def test_a_run_reports_its_rounds_and_ends_with_every_network_done(planned):
    plan, seen = planned("relu:3", "linear:3@lr=0.2,epoch=last", recipe={"epoch": "inner"}, baselines=["prior"]), []
    monitor = monitor_plan(plan, seen.append)
    run(plan, monitor=monitor)
    assert list(dict.fromkeys(one.stage for one in seen)) == ["", "choosing", "fitting"]
    assert rows(monitor) == {"relu:3": (12, 12, None, 4), "linear:3@lr=0.2,epoch=last": (6, 6, None, 4),
                           "prior": (3, 3, None, None)}  # fmt: skip
    assert seen[-1].seconds_left is None or seen[-1].seconds_left == pytest.approx(0.0)


def test_a_run_without_a_choosing_round_has_no_stage(planned):
    seen = []
    plan = planned("relu:3")
    run(plan, monitor=monitor_plan(plan, seen.append))
    assert {one.stage for one in seen} == {""}


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_member_of_a_blend_has_a_line_and_is_done_when_it_stops_early(jobs):
    portfolio, settings = ("logistic@epochs=7", "relu:16@ple=3,lr=0.1"), {"epochs": 400}
    table, seen = read_table("example:moons"), {}
    monitor = Monitor.of_blend(table, 8, settings, portfolio)
    assert rows(monitor) == dict.fromkeys(portfolio, (0, 8, None, 400))

    def record(name, so_far):
        seen[name] = rows(monitor)[name]

    options = {"portfolio": portfolio, "settings": settings, "compute": Compute(jobs=jobs), "n_networks": 8}
    model, _ = blend_table(table, board_for=monitor.board_for, on_member=record, **options)
    assert seen == {portfolio[0]: (8, 8, None, 7), portfolio[1]: (8, 8, None, 400)}
    assert model.training["epochs"] < 200
    assert monitor.progress()[0].seconds_left == pytest.approx(0.0)


@pytest.mark.parametrize("seeds", [1, 5])
def test_training_with_seeds_is_watched_without_scores(seeds):
    monitor = Monitor.of_one("relu:3", 9, seeds)
    training = training_on("example:moons", candidate="relu:3", seeds=range(seeds), recipe=Recipe(epochs=9))
    train(training, compute=Compute(jobs=1), monitor=monitor)
    assert rows(monitor) == {"relu:3": (seeds, seeds, None, 9)}
    assert monitor.progress()[0].test_score is None
