"""The lifetime of worker processes."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from seedbed.errors import TrainingError
from seedbed.training.parallel import end_workers, run_in_workers


@pytest.mark.slow
def test_what_cannot_be_sent_to_a_worker_is_named():
    message = r"can't be sent to worker processes \(.*cannot pickle.*\)\. Use n_jobs=1"
    with pytest.raises(TrainingError, match=message):
        list(run_in_workers(print, [(threading.Lock(),), ()], jobs=2))


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
