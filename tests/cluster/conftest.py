"""Start clusters of two nodes on this machine, and make the comparison that all of them must reproduce."""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seedbed as sb

ARGUMENTS = {
    "candidates": ["relu:64,64", "linear:5", "silu:8@layernorm,batch_size=64,patience=3"],  # the last leaves out rows
    "recipe": "tutorial",
    "epochs": 30,
}
BASELINES = ["sklearn.naive_bayes.GaussianNB", "logistic"]


def needed(module: str) -> None:
    """Skip the test if a library is missing; fail it in CI."""
    try:
        importlib.import_module(module)
    except ImportError:
        message = f"{module} isn't installed: pip install -e '.[ray,dask]'"
        if os.environ.get("SEEDBED_REQUIRE_CLUSTER", "0") not in {"", "0"}:
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


@pytest.fixture(scope="session")
def compared() -> Callable[..., sb.Comparison]:
    """Compare 300 networks in more than a dozen chunks; the arguments of `Compute` say where they are trained."""

    def run(folder: Path | None = None, on_progress: Any = None, repeats: int = 1, **where: object) -> sb.Comparison:
        design = sb.Design(baselines=BASELINES, repeats=repeats, folds=5, n_networks=20)
        where = {"compute": sb.Compute(**where), "folder": folder, "on_progress": on_progress}
        return sb.compare("example:breast-cancer", design=design, **ARGUMENTS, **where)

    return run


@pytest.fixture(scope="session")
def local(compared) -> sb.Comparison:
    """The same comparison, trained in this process."""
    return compared(n_jobs=1)


@pytest.fixture(scope="session")
def assert_same() -> Callable[[sb.Comparison, sb.Comparison], None]:
    """Assert that two comparisons have the same curves, predictions and verdicts, bit for bit."""

    def check(one: sb.Comparison, other: sb.Comparison) -> None:
        mine, theirs = one._arrays(), other._arrays()
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[name].view(np.uint8), theirs[name].view(np.uint8)) for name in mine)
        ran = {"seconds": 0, "command": ""}
        assert one.to_dict() | ran == other.to_dict() | ran

    return check


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[object]:
    """A Ray cluster of two nodes with one CPU each. Its head detects a dead node after two seconds."""
    needed("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    settings = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 400}
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": settings}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


class DaskProcesses:
    """A scheduler and workers, each started as a process like `dask scheduler` and `dask worker`."""

    def __init__(self, folder: Path) -> None:
        self.file, self.processes = folder / "scheduler.json", []
        self._start("dask_scheduler", "--port", "0", "--no-dashboard")
        deadline = time.monotonic() + 60
        while not self.file.is_file() or not self.file.read_text().strip():
            assert time.monotonic() < deadline, "the scheduler doesn't start"
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, program: str, *options: str) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(self.file), *options]
        self.processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=self.file.parent))
        return self.processes[-1]

    def add_worker(self, *options: str) -> subprocess.Popen:
        options = options or ("--nthreads", "1")
        return self._start("dask_worker", *options, "--no-nanny", "--no-dashboard")

    def wait_for(self, n_workers: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=60)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def start_dask(tmp_path_factory) -> Iterator[Callable[[int], DaskProcesses]]:
    """A function that starts Dask clusters, which end with the tests."""
    needed("distributed")
    started = []

    def start(n_workers: int) -> DaskProcesses:
        started.append(DaskProcesses(tmp_path_factory.mktemp("dask")))
        for _ in range(n_workers):
            started[-1].add_worker()
        started[-1].wait_for(n_workers)
        return started[-1]

    yield start
    from distributed import default_client

    with contextlib.suppress(ValueError):  # there is no default client
        default_client().close()
    for one in started:
        one.end()


@pytest.fixture(scope="session")
def dask_cluster(start_dask) -> DaskProcesses:
    """A Dask cluster of two workers."""
    return start_dask(2)


@pytest.fixture
def kill() -> Callable[[int], None]:
    """End a process and its children, as the loss of a machine does."""

    import psutil  # distributed needs it as well

    def end(pid: int) -> None:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            one.kill()

    return end


@pytest.fixture
def needs_ray() -> Iterator[None]:
    """Ray without a connection to a cluster."""
    needed("ray")
    import ray

    if ray.is_initialized():
        ray.shutdown()


@pytest.fixture
def needs_dask(monkeypatch) -> None:
    """Dask without a configured scheduler address."""
    needed("distributed")
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
