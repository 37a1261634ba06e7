"""The lifetime of worker processes."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
from joblib import parallel_config, register_parallel_backend
from joblib._parallel_backends import LokyBackend

from seedbed import estimators
from seedbed.errors import TrainingError
from seedbed.estimators import SeedbedClassifier
from seedbed.model import predicting
from seedbed.training import parallel
from seedbed.training.parallel import end_workers, run_in_workers
from seedbed.training.stack import Stack


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks there")
@pytest.mark.filterwarnings(
    "ignore:.*fork:DeprecationWarning"
)  # of Python 3.12, beside threads
def test_a_forked_child_trains_and_predicts_while_threads_of_its_parent_do():
    X, y = np.arange(30.0)[:, None], np.arange(30) % 2
    classifier = SeedbedClassifier("relu:2", n_networks=2, epochs=1).fit(X, y)
    held, over, lock = (
        threading.Event(),
        threading.Event(),
        getattr(Stack.tested, "lock", nullcontext()),
    )

    def hold():
        with (
            parallel.preparing,
            estimators._one_at_a_time,
            predicting._predicting,
            lock,
        ):
            held.set()
            over.wait()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(hold)
        held.wait()
        child = multiprocessing.get_context("fork").Process(
            target=lambda: classifier.fit(X, y).predict(X)
        )
        child.start()
        child.join(60)
        over.set()
    assert child.exitcode == 0


class OneByOne(LokyBackend):
    """Like Ray's backend."""

    supports_return_generator = False


@pytest.mark.parametrize("backend", ["threading", "no generator"])
def test_workers_are_processes_with_any_backend_of_joblib(backend):
    register_parallel_backend("no generator", OneByOne)
    with parallel_config(backend=backend):
        assert os.getpid() not in run_in_workers(os.getpid, [(), ()], jobs=2)


@pytest.mark.slow
def test_what_cannot_be_sent_to_a_worker_is_named():
    with pytest.raises(
        TrainingError,
        match=r"can't be sent to worker processes \(.*cannot pickle.*\)\. Use n_jobs=1",
    ):
        list(run_in_workers(print, [(threading.Lock(),), ()], jobs=2))


@pytest.mark.slow
@pytest.mark.skipif(
    os.name != "posix", reason="Windows doesn't say that a parent has ended"
)
def test_workers_end_after_their_parent_is_killed(tmp_path):
    """One is busy and the other idle. They hold stdout, and a reader of it gets its end when both
    have ended."""
    code = """
import os, time
from seedbed.training.parallel import run_in_workers
def work(n):
    open(f"{os.getpid()}.pid", "w").close()
    time.sleep(1 + 100 * n)
list(run_in_workers(work, [(0,), (1,)], jobs=2))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE
    )
    while len(list(tmp_path.glob("*.pid"))) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.communicate(timeout=20)


@pytest.mark.slow
def test_workers_end_immediately_even_if_busy():
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(next, run_in_workers(time.sleep, [(30,), (30,)], jobs=2))
        time.sleep(0.5)
        started = time.monotonic()
        end_workers()
        assert time.monotonic() - started < 10
        with pytest.raises(RuntimeError):
            result.result(timeout=20)
