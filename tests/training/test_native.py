"""The native kernel: which networks it supports, how it is compiled, and independence of blocks and
threads."""

import copy
import dataclasses
import functools
import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from seedbed.errors import OptionError
from seedbed.networks.network import Network
from seedbed.settings.recipe import Recipe
from seedbed.training import planning, undocumented
from seedbed.training.loop import train_chunk, train_chunks
from seedbed.training.many import train_many
from seedbed.training.native import library
from seedbed.training.native.engine import NativeEngine
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk

from .plain_loop import network_in_words

ROOT = Path(__file__).parents[2]
NOT_BUILT = "no kernel was built for this processor and system"


@pytest.fixture(scope="module")
def hook():
    """The build hook, which lies beside the package."""
    spec = importlib.util.spec_from_file_location(
        "hatch_build", ROOT / "hatch_build.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def no_kernel(tmp_path, monkeypatch):
    """An empty folder in place of that of the libraries, and no library in memory."""
    monkeypatch.setattr(library, "_FOLDER", tmp_path)
    library.kernel.cache_clear()
    yield tmp_path
    library.kernel.cache_clear()


def test_the_kernel_supports_what_the_documentation_says():
    for words in "logistic relu:4,4@residual,layernorm relu:4@ple=4 silu:4@plr=3 logistic@embed=2".split():
        assert network_in_words(words).program() is not None
    assert network_in_words("relu:4@batchnorm").program() is None


def test_frozen_and_shared_layers_are_trained_by_torch(two_splits):
    frozen = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    frozen[0].weight.requires_grad_(False)
    shared = nn.Linear(5, 5)
    twice = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(5, 1))
    for network in (frozen, twice):
        assert (
            planning.traits_of(
                functools.partial(copy.deepcopy, network), 0, two_splits
            ).program
            is None
        )


@pytest.mark.few(2)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
@pytest.mark.parametrize(
    "words",
    "relu:70,1,65+tanh:50 gelu:260@layernorm,dropout=0.2 silu:64,64@residual relu:1,130,48,2".split(),
)
def test_wide_networks_equal_the_reference(gap, task, words, batch_size):
    found = gap(
        words, task("cross_entropy"), momentum=0.9, clip_norm=0.5, batch_size=batch_size
    )
    assert max(found.curves, found.parameters, found.outputs) < 1e-9


@pytest.mark.parametrize(
    "words",
    ["silu:4@plr=3", "silu:70,70@plr=3"],
    ids=["networks in lanes", "units in lanes"],
)
@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [("float64", (1e8, 1e16, 1e160, 1e300)), ("float32", (1e6, 1e12, 1e37))],
)
def test_waves_of_large_inputs_equal_those_of_torch(
    task, monkeypatch, words, dtype, sizes
):
    """Without a step, as the last digit of a frequency decides the wave of such an input."""

    def waves_alone(network, seeds, rows=None):
        states = draw(network, seeds, rows)
        states["1.weight"][:, :, :5] = 0  # of the inputs themselves
        return states

    draw = Network.start
    monkeypatch.setattr(Network, "start", waves_alone)
    X, y, *test = task("bce").parts
    tolerance = 1e-9 if dtype == "float64" else 2e-5
    for size in sizes:
        options = {"seeds": 2, "epochs": 1, "lr": 0, "dtype": dtype}
        kernel, torchs = (
            train_many(words, size * X, y, *test, engine=engine, **options).train_loss
            for engine in ("native", "torch")
        )
        assert_allclose(kernel, torchs, rtol=tolerance)


@pytest.mark.few(1)
@pytest.mark.product
@pytest.mark.parametrize(
    "words",
    ["tanh:4,4@layernorm,residual,dropout=0.2", "tanh:66,66@layernorm,dropout=0.2"],
)
@pytest.mark.parametrize("batch_size", [0, 16], ids=["full", "minibatch"])
def test_results_do_not_depend_on_chunks(task, monkeypatch, batch_size, words):
    found = []
    for most, jobs in ((96, 1), (16, 1), (16, 3)):
        monkeypatch.setattr(planning, "_MOST_NATIVE", most)
        options = dict(seeds=40, epochs=20, batch_size=batch_size, lr=0.1, n_jobs=jobs)
        found.append(train_many(words, *task("bce").parts, **options))
    for other in found[1:]:
        assert_array_equal(other.train_loss, found[0].train_loss)
        assert_array_equal(other.test_loss, found[0].test_loss)
        for mine, theirs in zip(other.networks(), found[0].networks(), strict=True):
            assert all(
                torch.equal(mine.state_dict()[name], value)
                for name, value in theirs.state_dict().items()
            )


def test_an_interrupt_ends_all_threads_after_their_slice(two_splits, monkeypatch):
    monkeypatch.setattr(planning, "_MOST_NATIVE", 16)
    recipe = Recipe.tutorial(epochs=30_000)
    plan = plan_chunks(
        Chunk(
            network_in_words("relu:64,64"),
            two_splits,
            recipe,
            seeds=range(64),
            splits=[0] * 64,
        )
    )
    quick = dataclasses.replace(plan[0], recipe=Recipe.tutorial(epochs=1))
    trained = train_chunks([quick, *plan], 2)
    assert next(trained)[0] == 0
    # of both threads, since other programs may hold the machine
    started = time.process_time()
    trained.close()
    assert time.process_time() - started < 5
    assert not [
        one for one in threading.enumerate() if "ThreadPoolExecutor" in one.name
    ]


def test_without_a_kernel_torch_trains_with_a_note(task, no_kernel):
    history = train_many("relu:4", *task("bce").parts, seeds=2, epochs=2, loss="bce")
    assert history.note == f"trained by torch, which is slower: {NOT_BUILT}"
    message = f'the training kernel isn\'t available: {NOT_BUILT}. Use engine="torch"'
    with pytest.raises(OptionError, match=message):
        train_many("relu:4", *task("bce").parts, seeds=2, epochs=2, engine="native")


def test_a_library_that_cannot_be_loaded_or_is_of_other_sources_is_named(no_kernel):
    system, _ = library.this_machine()
    for level in library.levels():
        (no_kernel / f"kernel-{system}-{level}-float32-0123.so").touch()
    result = library.kernel("float32").reason
    assert result == "the kernel was built from other sources; install seedbed again"
    library.kernel.cache_clear()
    for level in library.levels():
        (no_kernel / library.file_name(system, level, "float32")).write_bytes(
            b"no library"
        )
    assert library.kernel("float32").reason.startswith("the kernel can't be loaded: ")


def test_with_a_library_of_another_processor_torch_trains_with_a_note(task, no_kernel):
    for level in library.levels():
        name = library.file_name("linux", level, "float32")
        whole = next(
            Path(library.__file__).parent.glob(f"kernel-linux-{level}-float32-*")
        ).read_bytes()
        of_mips = whole[:18] + b"\x08" + whole[19:]
        (no_kernel / name).write_bytes(of_mips)
    history = train_many("relu:4", *task("bce").parts, seeds=2, epochs=2, loss="bce")
    assert "\n" not in history.note
    assert history.note.startswith(
        f"trained by torch, which is slower: the kernel can't be loaded: {no_kernel / name}"
    )
    assert history.note.endswith("; install seedbed again")


def test_each_processor_takes_the_fastest_library_that_it_can_run(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    needed, every = library._X86_64, ("x86_64_v4", "x86_64_v3", "x86_64_v2")
    for start in range(4):
        features = frozenset().union(*(needed[level] for level in every[start:]))
        monkeypatch.setattr(
            undocumented, "processor_features", lambda features=features: features
        )
        assert library.levels() == every[start:]
    monkeypatch.setattr(
        undocumented, "processor_features", lambda: frozenset().union(*needed.values())
    )
    for capability, start in [("default", 2), ("avx2", 1), ("avx512", 0)]:
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", capability)
        assert library.levels() == every[start:]
    for machine, levels in [
        ("arm64", ("arm64",)),
        ("aarch64", ("arm64",)),
        ("riscv64", ()),
    ]:
        monkeypatch.setattr("platform.machine", lambda name=machine: name)
        assert library.levels() == levels


def test_the_libraries_of_all_levels_of_this_processor_train_alike(task, monkeypatch):
    losses = []
    for level in library.levels():
        monkeypatch.setattr(library, "levels", lambda level=level: (level,))
        library.kernel.cache_clear()
        options = dict(seeds=3, epochs=30, lr=0.1, engine="native", dtype="float64")
        losses.append(train_many("tanh:4", *task("bce").parts, **options).train_loss)
    library.kernel.cache_clear()
    for other in losses[1:]:
        assert_allclose(other, losses[0], rtol=0, atol=1e-12)


def test_the_build_needs_nothing_but_the_standard_library_of_python():
    load = "import runpy, sys; runpy.run_path(sys.argv[1])['digest']()"
    subprocess.run(
        [sys.executable, "-S", "-I", "-c", load, library.__file__], check=True, cwd="/"
    )


def test_a_wheel_has_the_libraries_of_its_system_alone(hook, monkeypatch):
    for name, target in hook.TARGETS.items():
        monkeypatch.setenv("SEEDBED_TARGET", name)
        monkeypatch.setattr(hook, "compile_kernels", lambda target, here: None)
        made = hook.KernelHook(str(ROOT), {}, None, None, str(ROOT), "wheel")
        data = {"artifacts": [], "pure_python": True}
        made.initialize("standard", data)
        assert data["tag"].startswith("py3-none-")
        assert {name.rsplit("/", 1)[1].split("-")[1] for name in data["artifacts"]} == {
            target.system
        }
        assert len(data["artifacts"]) == 2 * len(target.levels)


def test_a_failing_compiler_is_named(hook, tmp_path, monkeypatch):
    monkeypatch.setattr(
        hook,
        "_missing",
        lambda target: [(tmp_path / "kernel.so", "x86_64_v3", "float32")],
    )
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\necho kernel.cpp:1: no >&2; exit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("SEEDBED_CXX", str(compiler))
    made = hook.KernelHook(str(ROOT), {}, None, None, str(ROOT), "wheel")
    said = []
    data = {"artifacts": []}
    monkeypatch.setattr(
        hook.KernelHook, "app", SimpleNamespace(display_warning=said.append)
    )
    made.initialize("standard", data)
    assert said == [
        "The training kernel wasn't compiled, so PyTorch will train: kernel.cpp:1: no\n"
    ]
    assert data == {"artifacts": []}
    monkeypatch.setenv("SEEDBED_TARGET", "linux-x86_64")
    message = r"^The training kernel wasn't compiled: kernel\.cpp:1: no\n$"
    with pytest.raises(SystemExit, match=message):
        made.initialize("standard", data)


@pytest.mark.parametrize("what", ["X", "train", "lr"])
def test_arrays_of_wrong_shape_never_reach_the_kernel(two_splits, monkeypatch, what):
    recipe = Recipe.tutorial(epochs=2)
    plan = plan_chunks(
        Chunk(
            network_in_words("relu:4"), two_splits, recipe, seeds=[1, 2], splits=[0, 0]
        )
    )
    check = NativeEngine._check

    def check_halved(native):
        native._arrays[what] = native._arrays[what][:, ..., :1]
        check(native)

    monkeypatch.setattr(NativeEngine, "_check", check_halved)
    with pytest.raises(AssertionError, match=f"{what} has shape"):
        train_chunk(plan[0])


@pytest.mark.slow
def test_sanitizers_find_no_error_in_the_kernel(hook, tmp_path):
    """Train the shapes of the oracle, and grow trees, in a process whose kernel checks memory
    accesses and undefined behaviour."""
    checked = [
        "g++",
        *hook.FLAGS,
        *"-O1 -g -fPIC -march=native -fno-sanitize-recover=all".split(),
    ]
    for dtype, number in hook.NUMBERS.items():
        made = tmp_path / f"kernel-linux-here-{dtype}-checked.so"
        source = hook.FOLDER / "kernel.cpp"
        subprocess.run(
            [
                *checked,
                "-fsanitize=address,undefined",
                f"-DNUMBER={number}",
                "-o",
                made,
                source,
            ],
            check=True,
        )
    code = f"""
from pathlib import Path
import torch, numpy as np
from seedbed.training.native import library
library._FOLDER, library.levels, library.digest = Path({str(tmp_path)!r}), lambda: ("here",), lambda: "checked"
from seedbed.networks.mlp import MLP
from seedbed.training.many import train_many
X = np.random.default_rng(0).normal(size=(61, 5)); y = X[:, 0] > 0
for words in ("relu:5", "tanh:3,3@layernorm,residual,dropout=0.2", "logistic", "gelu:9@layernorm", "relu:4@ple=5",
              "relu:70,1,70", "tanh:66,66@layernorm,residual,dropout=0.2",
              "silu:4@plr=3,plr_frequencies=2", MLP((4,), plr=2, numbers=(4, 0), embed=3, categories=((1, 2),))):
    for dtype in ("float32", "float64"):
        for more in ({{}}, {{"batch_size": 7, "optimizer": "adamw", "clip_norm": 0.1}}):
            more |= {{"seeds": 11, "epochs": 3, "engine": "native", "n_jobs": 1, "dtype": dtype}}
            train_many(words, X[:40], y[:40], X[40:], y[40:], **more)
from seedbed.data.splits import Split
from seedbed.model.tree_data import TreeData
from seedbed.model.trees import fit_trees
from seedbed.networks.mlp import Trees
for n_classes, kind in ((0, "boosted"), (2, "boosted"), (5, "boosted"), (0, "extra"), (2, "extra"), (5, "extra")):
    target = np.digitize(X[:, 0], np.linspace(-1, 1, n_classes - 1)) if n_classes else X[:, 0]
    split = Split(0, 0, np.arange(50), np.arange(50, 61))
    data = TreeData(X.astype(np.float32), target, None, [split], max(1, n_classes), n_classes > 0)
    fit_trees(Trees(kind, 12), data, random_state=0, jobs=1)
print("clean")
"""
    options = dict(capture_output=True, text=True, check=True)
    library = subprocess.run(["g++", "-print-file-name=libasan.so"], **options)
    env = {**os.environ, "LD_PRELOAD": library.stdout.strip()}
    env["ASAN_OPTIONS"] = "detect_leaks=0"
    options = dict(capture_output=True, text=True)
    done = subprocess.run([sys.executable, "-c", code], env=env, check=False, **options)
    assert done.stdout.strip() == "clean", done.stderr[-2000:]
