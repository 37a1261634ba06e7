"""Comparisons on a cluster give the same bits as local ones, also if a node is lost."""

import sys

import numpy as np
import pytest
from torch import nn

import seedbed as sb
from seedbed.errors import SeedbedError, TrainingError
from seedbed.training.cluster import _kind as kind
from seedbed.training.many import train_many

pytestmark = pytest.mark.slow
NET = """
from torch import nn
class Net(nn.Sequential):
    def __init__(self, n_features, n_outputs):
        super().__init__(nn.Linear(n_features, 4), nn.Tanh(), nn.Linear(4, n_outputs))
"""
SMALL = {"recipe": "tutorial", "epochs": 3, "design": sb.Design(baselines=["prior"], repeats=1, folds=2, n_networks=2)}


@pytest.fixture(params=["ray", "dask"])
def cluster(request) -> str:
    """The name of a running cluster."""
    running = request.getfixturevalue(f"{request.param}_cluster")
    return f"{request.param}:{running.address}"


def test_a_cluster_gives_the_same_bits_as_one_process(compared, local, assert_same, cluster, capfd):
    assert_same(compared(cluster=cluster), local)
    assert capfd.readouterr() == ("", "")


def test_a_killed_ray_node_does_not_change_the_result(compared, local, assert_same, ray_cluster, kill, capfd):
    lost = ray_cluster.add_node(num_cpus=1)
    raylet = lost.all_processes["raylet"][0].process
    capfd.readouterr()
    assert_same(compared(cluster="ray", on_progress=_once(lambda: kill(raylet.pid))), local)
    assert raylet.wait(60) != 0
    assert capfd.readouterr() == ("", "")


def test_a_killed_dask_worker_does_not_change_the_result(compared, local, assert_same, dask_cluster, kill, capfd):
    lost = dask_cluster.add_worker()
    dask_cluster.wait_for(3)
    capfd.readouterr()
    cluster = f"dask:{dask_cluster.address}"
    assert_same(compared(cluster=cluster, on_progress=_once(lambda: kill(lost.pid))), local)
    assert lost.wait(60) != 0
    assert capfd.readouterr() == ("", "")


def test_a_lost_dask_scheduler_is_an_error_and_finished_repeats_are_kept(start_dask, compared, tmp_path):
    cluster = start_dask(n_workers=1)
    lost = _once(cluster.processes[0].kill, repeats=1)
    with pytest.raises(TrainingError, match=r"Dask stopped a task: .*connection"):
        compared(cluster=f"dask:{cluster.address}", on_progress=lost, folder=tmp_path, repeats=2)
    assert list((tmp_path / "unfinished").glob("*.safetensors"))


def _once(act, repeats=0):
    """Call a function once a network is finished while others are being trained, after so many repeats."""
    acted = []

    def hear(progress):
        if not acted and progress.repeats == repeats and progress.done > 5:  # the first five are logistic regressions
            assert progress.done < progress.total
            acted.append(act())

    return hear


def test_a_network_in_a_file_is_loaded_on_the_nodes(cluster, tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    there, here = (sb.compare("example:moons", candidates=["net.py:Net"], **SMALL, compute=sb.Compute(**where))
                   for where in ({"cluster": cluster}, {"n_jobs": 1}))  # fmt: skip
    assert np.array_equal(there["net.py:Net"].predictions, here["net.py:Net"].predictions)


def test_a_network_class_defined_in_the_script_is_sent_to_the_nodes(cluster):
    n_hidden = 3
    candidates = {
        "mine": lambda n_features, n_outputs: nn.Sequential(
            nn.Linear(n_features, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs)
        )
    }
    there, here = (sb.compare("example:moons", candidates=candidates, **SMALL, compute=sb.Compute(**where))
                   for where in ({"cluster": cluster}, {"n_jobs": 1}))  # fmt: skip
    assert np.array_equal(there["mine"].predictions, here["mine"].predictions)


def test_a_module_that_is_missing_on_the_nodes_is_named(cluster, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    network = __import__("only_here").Net
    with pytest.raises(TrainingError, match="'only_here'"):
        sb.compare("example:moons", candidates=[network], **SMALL, compute=sb.Compute(cluster=cluster))
    del sys.modules["only_here"]


def test_an_error_on_a_node_is_raised_locally(cluster):
    def build(n_features, n_outputs):
        if "pytest" not in sys.modules:  # on a node
            raise SeedbedError("it fails", "Try again.")
        return nn.Linear(n_features, n_outputs)

    with pytest.raises(SeedbedError, match="it fails") as caught:
        sb.compare("example:moons", candidates={"mine": build}, **SMALL, compute=sb.Compute(cluster=cluster))
    assert caught.value.hint == "Try again."


def test_a_node_with_another_version_of_torch_is_refused(cluster, monkeypatch):
    other = kind() | {"torch": "1.0"}
    monkeypatch.setattr("seedbed.training.cluster._kind", lambda: other)
    with pytest.raises(TrainingError, match=r"the version of torch on node \S+ is .*, and 1\.0 where seedbed runs"):
        sb.compare("example:moons", candidates=["relu:3"], **SMALL, compute=sb.Compute(cluster=cluster))


def test_train_many_and_fit_model_run_on_a_cluster(cluster):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 2, 60)
    many, here = (train_many("relu:5", X[:40], y[:40], X[40:], y[40:], seeds=40, epochs=5, **where)
                  for where in ({"cluster": cluster}, {"n_jobs": 1}))  # fmt: skip
    assert np.array_equal(many.test_loss, here.test_loss)
    comparison = sb.compare("example:moons", candidates=["relu:3"], **SMALL, compute=sb.Compute(n_jobs=1))
    there, here = (
        comparison.model("relu:3", n_networks=3, compute=sb.Compute(**where))
        for where in ({"cluster": cluster}, {"n_jobs": 1})
    )
    assert all((there.states[name] == here.states[name]).all() for name in here.states)
