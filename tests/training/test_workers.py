"""Worker processes: how long they live."""

import os
import time

from joblib.externals.loky import process_executor

from seedbed.training import process, side_by_side


def test_a_worker_that_grows_lives_on_without_a_warning():
    def grow(number):
        with process.ready_to_train("cpu"):
            vars(process).setdefault("grown", []).append(b"1" * 200_000_000)
        time.sleep(1.1)  # joblib looks once a second
        return os.getpid()

    assert hasattr(process_executor, "_USE_PSUTIL")
    assert len(set(side_by_side(grow, [(number,) for number in range(8)], (), jobs=2))) == 2
