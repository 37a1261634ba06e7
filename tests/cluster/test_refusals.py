"""Clusters that can't be used raise an error of one line that says why and what to do."""

import sys

import pytest

from seedbed.cli.program import main
from seedbed.errors import OptionError, TrainingError
from seedbed.training import cluster
from seedbed.training.parallel import pick_workers

COMPARE = ("compare", "example:moons", "--cluster")


def refused(word: str, jobs: int | None = None, device: str = "auto") -> str:
    with pytest.raises(OptionError) as caught:
        pick_workers(jobs, device, word)
    return str(caught.value)


def test_jobs_and_devices_cannot_be_combined_with_a_cluster():
    assert "Leave one of them out" in refused("ray", jobs=2)
    assert "device is 'cuda'" in refused("dask", device="cuda")


@pytest.mark.parametrize(("name", "module"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_library_names_the_package_to_install(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    assert (
        refused(name)
        == f"a cluster of {name.capitalize()} needs the package {module}. Install it: pip install 'seedbed[{name}]'."
    )


@pytest.mark.parametrize("address", ["ray:127.0.0.1:1", "ray:nonsense", "dask:tcp://127.0.0.1:1", "dask:nonsense"])
def test_an_address_without_a_cluster_is_refused_in_one_line(address, request, monkeypatch, tmp_path, capfd):
    name = address.partition(":")[0]
    request.getfixturevalue(f"needs_{name}")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([*COMPARE, address])
    out, err = capfd.readouterr()
    assert (stopped.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"seedbed: no {name.capitalize()} cluster answers at ")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_address_says_how_to_give_one(needs_ray, needs_dask, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert refused("ray").startswith("no Ray cluster answers at its default address: ")
    assert refused("dask").startswith("a Dask cluster needs the address of its scheduler. Use dask:tcp://HOST:PORT")


@pytest.mark.slow
def test_a_worker_of_several_threads_is_refused(dask_cluster):
    worker = dask_cluster.add_worker("--nthreads", "2")
    dask_cluster.wait_for(3)
    try:
        assert "has 2 threads" in refused(f"dask:{dask_cluster.address}")
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize(("other", "said"), [({"torch": "9.9"}, "is 9.9"), ({}, "is none")], ids=["there", "not there"])
def test_a_node_with_torch_differs_from_one_without(other, said, monkeypatch):
    monkeypatch.setattr(cluster, "_kind", lambda: other)
    with pytest.raises(
        TrainingError, match=f"the version of torch on node .* {said}, and (none|8.8) where seedbed runs"
    ):
        cluster.run_on_node(({} if other else {"torch": "8.8"}, ".", b""))


def test_a_cluster_without_a_cpu_is_refused(monkeypatch):
    empty = type("Empty", (), {"__init__": lambda self, address: None, "n_cpus": 0})
    monkeypatch.setattr("seedbed.training.cluster.RayCluster", empty)
    assert refused("ray") == "the cluster 'ray' has no CPU to train on. Start a node first."
