"""The native kernel: which networks it supports, how it is compiled, and independence of blocks and threads."""

import ctypes
import dataclasses
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seedbed.errors import OptionError
from seedbed.networks import ACTIVATIONS, parse_candidate
from seedbed.settings import Recipe
from seedbed.training import plan_stack, planning, train_chunk, train_chunks, train_many
from seedbed.training.forward import covers, forward_of
from seedbed.training.native import build

FOR_TORCH = {"softmax", "softmin", "logsoftmax", "glu", "prelu", "rrelu"}


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """An empty cache folder, and no kernel in memory; it is compiled without optimisation, which is faster."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "_FLAGS", ("-O0", *(flag for flag in build._FLAGS if flag != "-O3")))
    build.kernel.cache_clear()
    yield tmp_path / "seedbed" / "kernel"
    build.kernel.cache_clear()


@pytest.mark.parametrize("name", [*ACTIVATIONS, "linear", "leaky_relu(0.2)", "hardtanh(-2,2)"])
def test_the_kernel_supports_every_elementwise_activation(name):
    network = parse_candidate(f"{name}:4@layernorm,dropout=0.1").architecture(5, 1)
    assert covers(forward_of(network, 5), network) == (name not in FOR_TORCH)


@pytest.mark.parametrize(
    ("words", "covered"),
    [
        *(("logistic", True), ("relu:4,4@residual,layernorm", True), ("relu:4@batchnorm", False)),
        *(("relu:4@ple=4", True), ("silu:4@plr=3", True), ("logistic@embed=2", True)),
    ],
)
def test_the_kernel_supports_what_the_documentation_says(words, covered):
    network = parse_candidate(words).architecture(5, 1)
    assert covers(forward_of(network, 5), network) == covered


def test_frozen_and_shared_layers_are_trained_by_torch():
    frozen = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    frozen[0].weight.requires_grad_(False)
    shared = nn.Linear(5, 5)
    twice = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(5, 1))
    for network in (frozen, twice):
        assert not covers(forward_of(network, 5), network)


@pytest.mark.parametrize(
    ("words", "wide"), [("relu:40,40", False), ("relu:48,48", True), ("relu:500", True), ("tanh:9,600,9", False)]
)
def test_units_are_in_vector_lanes_if_layers_are_wide(words, wide):
    network = parse_candidate(words).architecture(12, 1)
    shapes = {name: value.shape for name, value in network.named_parameters()}
    assert forward_of(network, 12).program(shapes, {}).units_in_lanes == wide


@pytest.mark.product
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize(
    "words", ["relu:70,1,65+tanh:50", "gelu:260@layernorm,dropout=0.2", "silu:64,64@residual", "relu:1,130,48,2"]
)
def test_wide_networks_equal_the_reference(gap, task, words, batch_size):
    batches = {} if batch_size is None else {"batch_size": batch_size}
    found = gap(parse_candidate(words).architecture, task("cross_entropy"), momentum=0.9, clip_norm=0.5, **batches)
    assert max(found.curves, found.parameters, found.outputs) < 1e-9


@pytest.mark.parametrize("words", ["silu:4@plr=3", "silu:70,70@plr=3"], ids=["networks in lanes", "units in lanes"])
@pytest.mark.parametrize(("dtype", "sizes"), [("float64", (1e8, 1e16, 1e160, 1e300)), ("float32", (1e6, 1e12, 1e37))])
def test_waves_of_large_inputs_equal_those_of_torch(task, words, dtype, sizes):
    """Without a step, as the last digit of a frequency decides the wave of such an input."""

    def waves_alone():
        network = parse_candidate(words).architecture(5, 1)
        next(layer for layer in network if isinstance(layer, nn.Linear)).weight.data[:, :5] = 0  # the inputs themselves
        return network

    X, y, *test = task("bce").parts
    tolerance = 1e-9 if dtype == "float64" else 2e-5
    for size in sizes:
        options = {"seeds": 2, "epochs": 1, "lr": 0, "dtype": dtype}
        kernel, torchs = (train_many(waves_alone, size * X, y, *test, engine=engine, **options).train_loss
                          for engine in ("native", "torch"))  # fmt: skip
        np.testing.assert_allclose(kernel, torchs, rtol=tolerance)


@pytest.mark.product
@pytest.mark.parametrize("words", ["tanh:4,4@layernorm,residual,dropout=0.2", "tanh:66,66@layernorm,dropout=0.2"])
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
def test_results_do_not_depend_on_chunks_and_threads(task, monkeypatch, batch_size, words):
    found = []
    for most, jobs in ((96, 1), (16, 1), (16, 3)):
        monkeypatch.setattr(planning, "_MOST_NATIVE", most)
        options = {"seeds": 40, "epochs": 20, "batch_size": batch_size, "lr": 0.1, "jobs": jobs}
        found.append(train_many(words, *task("bce").parts, **options))
    for other in found[1:]:
        np.testing.assert_array_equal(other.train_loss, found[0].train_loss)
        np.testing.assert_array_equal(other.test_loss, found[0].test_loss)
        for mine, theirs in zip(other.networks(), found[0].networks(), strict=True):
            assert all(torch.equal(mine.state_dict()[name], value) for name, value in theirs.state_dict().items())


def test_a_row_of_weight_two_equals_two_copies(task):
    X, y, *test = task("bce").parts
    weights = np.where(np.arange(len(y)) % 3, 1.0, 2.0)
    again = np.repeat(np.arange(len(y)), weights.astype(int))
    options = {"seeds": 3, "epochs": 30, "lr": 0.1, "dtype": "float64", "engine": "native"}
    weighted = train_many("tanh:4", X, y, *test, sample_weight=weights, **options)
    repeated = train_many("tanh:4", X[again], y[again], *test, **options)
    np.testing.assert_allclose(weighted.train_loss, repeated.train_loss, rtol=0, atol=1e-12)
    np.testing.assert_allclose(weighted.test_loss, repeated.test_loss, rtol=0, atol=1e-12)


def test_an_interrupt_ends_all_threads_after_their_slice(two_splits, monkeypatch):
    monkeypatch.setattr(planning, "_MOST_NATIVE", 16)
    recipe = Recipe(epochs=30_000)
    plan = plan_stack(lambda: parse_candidate("relu:64,64").architecture(5, 1), two_splits, recipe, seeds=range(64),
                      splits=[0] * 64)  # fmt: skip
    quick = dataclasses.replace(plan.chunks[0], recipe=Recipe(epochs=1))
    trained = train_chunks((quick, *plan.chunks), two_splits, 2)
    assert next(trained)[0] == 0
    started = time.process_time()  # of both threads, since other programs may hold the machine
    trained.close()
    assert time.process_time() - started < 5
    assert not [one for one in threading.enumerate() if "ThreadPoolExecutor" in one.name]


def test_without_a_compiler_torch_trains_with_a_note(task, fresh_cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    history = train_many("relu:4", *task("bce").parts, seeds=2, epochs=2)
    assert history.note == "trained by torch, which is slower: no C++ compiler was found"
    with pytest.raises(
        OptionError, match=r"the training kernel isn't available: no C\+\+ compiler was found. Install g"
    ):
        train_many("relu:4", *task("bce").parts, seeds=2, epochs=2, engine="native")


def compiler(folder: Path, text: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo kernel.cpp:1: no >&2; exit 1", "failed: kernel.cpp:1: no"), ("exit 0", "failed: it ended with 0")],
)
def test_a_failing_compiler_is_named_with_its_first_line(fresh_cache, tmp_path, monkeypatch, script, reason):
    monkeypatch.setattr(build, "_compilers", lambda: iter([[compiler(tmp_path, script)]]))
    found = build.kernel("float32")
    assert found.library is None
    assert reason in found.reason
    assert "\n" not in found.reason


def test_an_invalid_cxx_variable_is_ignored(fresh_cache, monkeypatch):
    for nonsense in ("no-such-compiler", '"', "false"):
        monkeypatch.setenv("CXX", nonsense)
        build.kernel.cache_clear()
        assert build.kernel("float32").library is not None


def test_a_damaged_library_is_compiled_again(fresh_cache):
    assert build.kernel("float32").library is not None
    (path,) = fresh_cache.glob("*.kernel")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", bytes(32) + whole[32:]):
        path.write_bytes(damaged)
        build.kernel.cache_clear()
        assert build.kernel("float32").library is not None
        assert path.read_bytes() != damaged
        assert build._kept(path) == path.read_bytes()[32:]


def test_what_was_checked_is_loaded_and_not_a_file_that_replaces_it(fresh_cache, monkeypatch):
    """Between check and loading, a member of a group that can write to a folder above could replace the file."""
    library = build.kernel("float32").library
    (path,) = fresh_cache.glob("*.kernel")
    loaded = build._loaded
    monkeypatch.setattr(build, "_loaded", lambda library: (path.write_bytes(b"other code"), loaded(library))[1])
    monkeypatch.setattr(build, "_compiled", lambda *args: pytest.fail("it was compiled again"))
    build.kernel.cache_clear()
    assert build.kernel("float32").library not in (None, library)
    path.chmod(0o620)
    with pytest.raises(build._BuildError):
        build._kept(path)


@pytest.mark.skipif(sys.platform != "linux", reason="loads from memory")
def test_a_temporary_folder_may_forbid_execution(fresh_cache, monkeypatch):
    """As on a file system mounted with `noexec`: what lies there can't be loaded."""
    from_path = ctypes.CDLL
    monkeypatch.setattr(
        ctypes, "CDLL", lambda name: from_path(name) if name.startswith("/proc/self/fd/") else from_path(os.devnull)
    )
    assert build.kernel("float32").library is not None


def test_a_second_process_loads_the_library_of_the_first(fresh_cache, monkeypatch):
    build.kernel("float32")
    monkeypatch.setattr(build, "_compiled", lambda *args: pytest.fail("it was compiled again"))
    build.kernel.cache_clear()
    assert build.kernel("float32").library is not None


@pytest.mark.skipif(os.name != "posix", reason="a folder's permissions")
def test_without_a_cache_folder_the_kernel_is_compiled_for_the_process_only(fresh_cache, monkeypatch):
    monkeypatch.setattr(build, "private_cache", lambda name: None)
    assert build.kernel("float32").library is not None
    assert not fresh_cache.exists()


def test_two_processes_can_compile_the_kernel_at_the_same_time(tmp_path):
    code = "from seedbed.training.native import kernel; print(kernel('float32').library is not None)"
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env) for _ in range(2)]
    assert [process.communicate(timeout=300)[0].strip() for process in both] == [b"True", b"True"]
    assert len(list((tmp_path / "seedbed" / "kernel").glob("*.kernel"))) == 1


@pytest.mark.parametrize("what", ["X", "train", "lr"])
def test_arrays_of_wrong_shape_never_reach_the_kernel(two_splits, monkeypatch, what):
    plan = plan_stack(lambda: parse_candidate("relu:4").architecture(5, 1), two_splits, Recipe(epochs=2), seeds=[1, 2],
                      splits=[0, 0])  # fmt: skip
    from seedbed.training.native import job

    rows, steps = job.Blocks._rows, job.Blocks._steps

    def halved(function):
        def call(self, *args):
            return {name: value[:, ..., :1] if name == what else value for name, value in function(self, *args).items()}

        return call

    monkeypatch.setattr(job.Blocks, "_rows", halved(rows))
    monkeypatch.setattr(job.Blocks, "_steps", halved(steps))
    with pytest.raises(AssertionError, match=f"{what} has shape"):
        train_chunk(plan.chunks[0], two_splits)


@pytest.mark.slow
def test_sanitizers_find_no_error_in_the_kernel(tmp_path):
    """Train the shapes of the oracle in a process whose kernel checks memory accesses and undefined behaviour."""
    checked = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g"]
    code = f"""
import torch, numpy as np
from seedbed.training.native import build
build._FLAGS = tuple(flag for flag in build._FLAGS if flag != "-O3") + {tuple(checked)!r}
from seedbed.networks import MLP
from seedbed.training import train_many
X = np.random.default_rng(0).normal(size=(61, 5)); y = X[:, 0] > 0
for words in ("relu:5", "tanh:3,3@layernorm,residual,dropout=0.2", "logistic", "gelu:9@layernorm", "relu:4@ple=5",
              "relu:70,1,70", "tanh:66,66@layernorm,residual,dropout=0.2",
              "silu:4@plr=3,plr_frequencies=2", MLP((4,), plr=2, numbers=(4, 0), embed=3, categories=((1, 2),))):
    for dtype in ("float32", "float64"):
        for more in ({{}}, {{"batch_size": 7, "optimizer": "adamw", "clip_norm": 0.1}}):
            more |= {{"seeds": 11, "epochs": 3, "engine": "native", "jobs": 1, "dtype": dtype}}
            train_many(words, X[:40], y[:40], X[40:], y[40:], **more)
print("clean")
"""
    library = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "LD_PRELOAD": library.stdout.strip()}
    env["ASAN_OPTIONS"] = "detect_leaks=0"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert done.stdout.strip() == "clean", done.stderr[-2000:]
