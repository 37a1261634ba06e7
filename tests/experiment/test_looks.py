"""A run trains part by part, gives an answer after each, and ends when more repeats would change
little."""

import dataclasses
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_info

from seedbed.experiment.comparison import carry_out
from seedbed.experiment.fits import one_blas_thread
from seedbed.experiment.run import run, run_by_looks
from seedbed.experiment.specification_file import read_specification
from seedbed.experiment.summary import add_details, conclude_results
from seedbed.model.predicting import products_on_one_thread
from seedbed.report.glance import first_screen
from seedbed.training.parallel import BackgroundWork

pytestmark = pytest.mark.usefixtures("plain_charts")
MODELS = dict(
    candidates=["relu:3", "linear:3"],
    baselines=["prior"],
    recipe="default",
    epochs=6,
    lr=None,
)


@pytest.fixture
def outlooks(monkeypatch):
    """Let a run stop after as many repeats as the test says, for the reason that it says."""

    def stop(repeats, reason="rows"):
        def outlook(conclusion, most):
            return reason if conclusion.plan.repeats >= repeats else None

        monkeypatch.setattr("seedbed.experiment.comparison.outlook", outlook)

    return stop


@pytest.fixture
def stopping(planned):
    """A plan of up to six repeats that may stop earlier."""
    plan = planned("relu:3", "linear:3", name="default", repeats=6, baselines=["prior"])
    design = dataclasses.replace(plan.experiment.design, stops=True)
    return dataclasses.replace(
        plan, experiment=dataclasses.replace(plan.experiment, design=design)
    )


def test_the_verdicts_of_each_look_are_computed_once(stopping, outlooks, monkeypatch):
    outlooks(2)
    judged = []
    monkeypatch.setattr(
        "seedbed.experiment.comparison.conclude_results",
        lambda one: judged.append(conclude_results(one)) or judged[-1],
    )
    found = carry_out(stopping)
    assert [one.plan.repeats for one in judged] == [1, 2]
    assert found.conclusion.verdicts is judged[1].verdicts
    assert found.conclusion == add_details(conclude_results(found), found)


def test_the_looks_are_at_1_2_3_5_and_10_repeats_and_at_the_end(planned):
    looks = [planned("relu:3", "linear:3", repeats=n).looks for n in (1, 3, 4, 10, 25)]
    expected = [(1,), (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 5, 10), (1, 2, 3, 5, 10, 25)]
    assert looks == expected


def test_each_fit_is_counted_once(planned):
    seen = []
    options = dict(baselines={"prior": "prior", "bayes": GaussianNB()}, repeats=2)
    plan = planned("relu:3", "linear:3", **options)
    carry_out(plan, seen.append)
    assert [one.done for one in seen] == list(range(1, 25))  # four models on six splits
    assert {one.total for one in seen} == {24}
    assert all(one.left > 0 for one in seen[:-1])
    assert seen[-1].left == 0
    assert [one.seconds for one in seen] == sorted(one.seconds for one in seen)
    assert [one.repeats for one in seen] == [0] * 12 + [1] * 12


@pytest.mark.few(1)
@pytest.mark.parametrize("reason", ["decided", "rows"])
def test_a_run_stops_where_more_repeats_add_nothing(stopping, outlooks, reason):
    outlooks(2, reason)
    seen = []
    found = carry_out(stopping, seen.append)
    assert (found.conclusion.plan.repeats, found.conclusion.plan.most_repeats) == (2, 6)
    assert (found.ended, found.conclusion.plan.ended) == (reason, reason)
    assert [result.predictions.shape[0] for result in found.results] == [2, 2, 2, 2]
    why = dict(
        decided="It stopped early: every model in the table has a",
        rows="more splits would hardly narrow the",
    )
    assert why[reason] in " ".join(found.details().split())
    assert {one.so_far.curves for one in seen if one.repeats == 1} == {None}
    whole = run(stopping)
    assert_array_equal(found["relu:3"].predictions, whole["relu:3"].predictions[:2])
    assert len(found.splits) == 6


def test_a_run_ends_where_the_next_repeat_does_not_fit_the_time_limit(small):
    found = small(**MODELS, repeats=4, time_limit=0.01)
    assert (found.conclusion.plan.repeats, found.ended) == (1, "time")
    assert small(**MODELS, repeats=4, time_limit=1e6).conclusion.plan.repeats == 4


@pytest.mark.slow
def test_repeats_of_an_earlier_run_say_nothing_about_the_next_one(planned, monkeypatch):
    def timed(plan, **options):
        for results, seconds in zip(
            run_by_looks(plan, **options), (0.1, 0.2, 60.2, 120.2, 180.2), strict=True
        ):
            yield dataclasses.replace(results, seconds=seconds)

    monkeypatch.setattr("seedbed.experiment.comparison.run_by_looks", timed)
    plan = planned("relu:3", "linear:3", repeats=5, time_limit=100)
    found = carry_out(plan, started=time.perf_counter() - 60)
    assert (found.conclusion.plan.repeats, found.ended) == (3, "time")


@pytest.mark.slow
def test_after_an_interrupt_the_finished_repeats_are_the_answer(small, tmp_path):
    options = {**MODELS, "repeats": 3}

    def interrupt(progress):
        if progress.repeats == 2:
            raise KeyboardInterrupt

    found = small(**options, folder=tmp_path / "cut", on_progress=interrupt)
    assert (found.conclusion.plan.repeats, found.ended) == (2, "interrupted")
    stored = json.loads((tmp_path / "cut/comparison.json").read_text())
    assert (stored["plan"]["repeats"], stored["plan"]["ended"]) == (2, "interrupted")
    assert any((tmp_path / "cut/unfinished").iterdir())
    again, _ = (small(**options, folder=tmp_path / name) for name in ("cut", "whole"))
    assert (again.conclusion.plan.repeats, again.ended) == (3, "")
    arrays = [
        (tmp_path / name / "curves.safetensors").read_bytes()
        for name in ("cut", "whole")
    ]
    assert arrays[0] == arrays[1]
    assert not (tmp_path / "cut/unfinished").exists()


def test_an_interrupt_before_the_first_answer_ends_the_run(planned):
    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(planned("relu:3", "linear:3", repeats=2), interrupt)


def test_an_error_after_interrupt_is_taken_for_it_and_second_interrupt_counts(planned):
    plan, interrupted = planned("relu:3", "linear:3", repeats=2), threading.Event()

    def fail(progress):
        if progress.repeats == 1:
            interrupted.set()
            raise ValueError("not a valid buffer")

    found = carry_out(plan, fail, interrupted=interrupted)
    assert (found.ended, interrupted.is_set()) == ("interrupted", False)
    with pytest.raises(ValueError, match="buffer"):
        carry_out(plan, fail)


def blas():
    return [
        one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"
    ]


def test_a_thread_that_has_predicted_lets_others_limit_blas():
    def predict():
        with products_on_one_thread():
            return blas()

    before = blas()
    with ThreadPoolExecutor(1) as pool:  # its thread stays
        assert set(pool.submit(predict).result()) == {1}
        with one_blas_thread():
            assert set(blas()) == {1}
        assert blas() == before


def test_a_run_leaves_the_threads_of_blas_as_they_were(small):
    before, seen = blas(), []
    small(
        **{**MODELS, "baselines": ["boosted-trees", GaussianNB()]},
        folds=2,
        repeats=1,
        n_jobs=2,
        on_progress=lambda _: seen.append(blas()),
    )
    assert blas() == before
    assert all(set(threads) == {1} for threads in seen)


def test_work_beside_the_training_raises_its_error_once_and_begins_nothing_after_it_is_closed():
    begun = []

    def work(n):
        for number in range(n):
            begun.append(number)
            time.sleep(0.01)
            yield number
        raise ValueError("no fit")

    one, other = BackgroundWork(work(1)), BackgroundWork(work(100))
    other.close()
    with pytest.raises(ValueError, match="no fit"):
        list(one.finished(wait=True))
    assert list(one.finished(wait=True)) == []
    time.sleep(0.1)
    assert len(begun) < 10


@pytest.mark.slow
def test_a_first_look_has_at_most_5000_rows_and_says_so(small, tmp_path):
    X = np.random.default_rng(1).normal(size=(7000, 2))
    options = {**MODELS, "epochs": 1, "repeats": None}
    found = small(
        X, (X[:, 0] > 0).astype(np.int64), **options, quick=True, folder=tmp_path
    )
    assert (found.experiment.table.n_rows, found.conclusion.plan.repeats) == (5000, 1)
    assert read_specification(tmp_path)["table"]["sample"]["of"] == 7000
    result = json.loads((tmp_path / "comparison.json").read_text())["plan"]["sample_of"]
    assert result == 7000
    assert "predicting y, 5,000 of 7,000 rows" in found.details()
    screen = first_screen(found.conclusion)
    assert "a first look at 5,000 of 7,000 rows with" in dict(screen.answers)["Note"]
    # a model is fitted to all rows
    assert found.model("relu:3", n_networks=2).training["n_rows"] == 7000
