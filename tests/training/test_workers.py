"""Worker processes: how long they live."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from joblib.externals.loky import process_executor

from seedbed.training import end_workers, machine, side_by_side


def test_a_worker_that_grows_lives_on_without_a_warning():
    def grow(number):
        with machine.ready_to_train("cpu"):
            vars(machine).setdefault("grown", []).append(b"1" * 200_000_000)
        time.sleep(1.1)  # joblib looks once a second
        return os.getpid()

    assert hasattr(process_executor, "_USE_PSUTIL")
    assert len(set(side_by_side(grow, [(number,) for number in range(8)], (), jobs=2))) == 2


def test_workers_end_at_once_whatever_they_do():
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(next, side_by_side(time.sleep, [(30,), (30,)], (), jobs=2))
        time.sleep(0.5)
        started = time.monotonic()
        end_workers()
        assert time.monotonic() - started < 10
        with pytest.raises(RuntimeError):
            result.result(timeout=20)
