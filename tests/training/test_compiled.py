"""Compiled or not, in this process or in others: the same results."""

import os

import numpy as np
import pytest
import torch
import torch._inductor.config
from torch import nn

from seedbed.errors import OptionError
from seedbed.networks import Recipe
from seedbed.training import TrainingData, compiled, pick_jobs, plan_stack, planning, step, train_many

CURVES = ("train_loss", "train_score", "test_loss", "test_score")

# torch's compiler warns of itself: when it is imported, and when it reads an autograd function.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning"),
]


def compared(task, words, **settings):
    settings = {"seeds": 20, "epochs": 40, "lr": 0.05, "jobs": 1, **settings}
    compiled, eager = (train_many(words, *task.parts, compile=way, **settings) for way in (True, False))
    for curve in ("train_loss", "test_loss"):
        np.testing.assert_allclose(getattr(compiled, curve), getattr(eager, curve), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(compiled.predict(task.X), eager.predict(task.X), rtol=1e-3, atol=1e-4)
    assert (compiled.train_loss != eager.train_loss).any()  # it was compiled: roundings differ


@pytest.mark.slow
def test_a_compiled_narrow_network_equals_the_eager_one(task):
    compared(task("bce"), "relu:5")


@pytest.mark.slow
def test_a_compiled_network_with_dropout_in_minibatches_equals_the_eager_one(task):
    compared(task("cross_entropy"), "tanh:6,4@dropout=0.2", optimizer="adamw", batch_size=16)


MORE = {"decay_biases": False, "weight_decay": 0.3, "schedule": "cosine", "label_smoothing": 0.2, "clip_norm": 0.1}


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [None, 16], ids=["full", "minibatch"])
def test_a_compiled_step_with_all_that_a_recipe_can_add_to_it_equals_the_eager_one(task, batch_size):
    compared(task("bce"), "relu:5", optimizer="adamw", batch_size=batch_size, **MORE)


def whole_table(task):
    rows = np.zeros((95, 1))
    rows[:70] = 1
    return TrainingData(task.X, task.y, rows, 1 - rows)


@pytest.mark.parametrize(("compiler", "epochs", "expected"), [(True, 50, True), (False, 50, False), (True, 5, False)])
def test_auto_compiles_where_there_is_a_compiler_and_the_work_is_worth_it(
    task, monkeypatch, compiler, epochs, expected
):
    monkeypatch.setattr(planning, "compiler_found", lambda: compiler)
    monkeypatch.setattr(planning, "_WORTH_COMPILING", 0)
    build, data = (lambda: nn.Linear(5, 1)), whole_table(task("bce"))
    plan = plan_stack(build, data, Recipe(epochs=epochs), seeds=range(4), splits=[0] * 4)
    assert plan.estimate.compiled is expected
    assert all(chunk.compiled is expected for chunk in plan.chunks)


def test_auto_does_not_compile_a_small_job(task):
    plan = plan_stack(lambda: nn.Linear(5, 1), whole_table(task("bce")), Recipe(epochs=50), seeds=[0], splits=[0])
    assert not plan.estimate.compiled
    assert 0 < plan.estimate.seconds < 1
    assert plan.n_parameters == 6


def test_without_a_compiler_auto_trains_eagerly_and_quietly(task, monkeypatch):
    monkeypatch.setattr(planning, "compiler_found", lambda: False)
    monkeypatch.setattr(planning, "_WORTH_COMPILING", 0)
    auto, eager = (
        train_many("relu:3", *task("bce").parts, seeds=3, epochs=20, jobs=1, compile=way) for way in ("auto", False)
    )
    np.testing.assert_array_equal(auto.train_loss, eager.train_loss)


@pytest.fixture
def nothing_compiled(monkeypatch, tmp_path):
    """Nothing was compiled before, neither by this process nor by another one."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "torch"))
    monkeypatch.setattr(compiled, "_cache_folder", lambda: folder)
    (folder := tmp_path / "compiled").mkdir()
    step._compiled_chain.cache_clear()
    yield folder
    step._compiled_chain.cache_clear()


def trained(task, words="relu:3", **options):
    return train_many(words, *task("bce").parts, seeds=16, epochs=5, jobs=1, **{"compile": True, **options})


@pytest.mark.parametrize("error", [torch._dynamo.exc.InternalTorchDynamoError, torch._inductor.exc.InductorError])
def test_a_failing_compile_warns_once_and_falls_back(task, monkeypatch, nothing_compiled, error):
    failure = error.__new__(error)
    Exception.__init__(failure, "no C++\ntoday\n\nand a traceback")

    def failing(*args, **options):
        raise failure

    monkeypatch.setattr(torch._inductor, "aot_compile", failing)
    with pytest.warns(UserWarning, match="not compiled, so slower: no C.. today$") as caught:
        history = trained(task)
    assert len(caught) == 1
    np.testing.assert_array_equal(history.train_loss, trained(task, compile=False).train_loss)


def test_a_compiler_that_does_not_work_warns_and_falls_back(task, nothing_compiled, tmp_path):
    # torch's own way to set it for a while; monkeypatch would leave it hidden to whatever is compiled afterwards.
    missing = torch._inductor.config.patch({"cpp.cxx": (str(tmp_path / "no-such-compiler"),)})
    with missing, pytest.warns(UserWarning, match="not compiled, so slower"):
        history = trained(task, "elu:3")
    assert np.isfinite(history.test_loss).all()


def refuse_to_compile(monkeypatch):
    def failing(*args, **options):
        raise AssertionError("compiled once more")

    monkeypatch.setattr(torch._inductor, "aot_compile", failing)


@pytest.mark.slow
def test_what_was_compiled_is_loaded_by_the_next_process(task, monkeypatch, nothing_compiled):
    first = trained(task)
    assert len(list(nothing_compiled.glob("*.so"))) == 2  # a step and an evaluation
    step._compiled_chain.cache_clear()
    refuse_to_compile(monkeypatch)
    np.testing.assert_array_equal(trained(task).train_loss, first.train_loss)
    # Whatever decides what it is compiled to is part of its name.
    monkeypatch.setattr(compiled, "_here", lambda: ("another processor",))
    step._compiled_chain.cache_clear()
    with pytest.warns(UserWarning, match="compiled once more"):
        trained(task)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"spoilt"), lambda path: path.write_bytes(b"")])
def test_a_spoilt_library_is_compiled_anew(task, nothing_compiled, spoil):
    first = trained(task)
    for path in nothing_compiled.glob("*.so"):
        path.unlink()
        spoil(path)
    step._compiled_chain.cache_clear()
    np.testing.assert_array_equal(trained(task).train_loss, first.train_loss)
    assert min(path.stat().st_size for path in nothing_compiled.glob("*.so")) > 10_000


@pytest.mark.slow
def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(task, monkeypatch, nothing_compiled):
    first = trained(task)
    step._compiled_chain.cache_clear()
    monkeypatch.setattr(compiled, "_cache_folder", lambda: None)
    np.testing.assert_array_equal(trained(task).train_loss, first.train_loss)
    step._compiled_chain.cache_clear()
    for path in nothing_compiled.iterdir():
        path.unlink()

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled, "_cache_folder", lambda: nothing_compiled)
    monkeypatch.setattr(compiled, "write_whole", full)
    np.testing.assert_array_equal(trained(task).train_loss, first.train_loss)
    assert not list(nothing_compiled.glob("*.so"))


@pytest.mark.slow
def test_a_device_without_libraries_compiles_in_each_process(task, monkeypatch, nothing_compiled):
    refuse_to_compile(monkeypatch)
    monkeypatch.setattr(compiled, "_AHEAD", ())
    found, eager = trained(task), trained(task, compile=False)
    np.testing.assert_allclose(found.train_loss, eager.train_loss, rtol=1e-5)
    assert (found.train_loss != eager.train_loss).any()


def test_only_the_libraries_used_last_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "_MOST_KEPT", 3)
    for age in range(5):
        for suffix in (".so", ".json", ".lock"):
            (tmp_path / f"{age}{suffix}").touch()
        os.utime(tmp_path / f"{age}.so", (0, 1000 - age))
    compiled._forget_oldest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{age}{suffix}" for age in range(3) for suffix in (".json", ".lock", ".so")
    ]


@pytest.mark.slow
def test_each_layout_of_the_arguments_is_compiled_for_itself():
    double = compiled.Compiled(
        lambda values: {"sum": values["x"] + values["y"]}, "add", lambda values: {"sum": values["x"]}
    )
    x, y = torch.arange(6.0).reshape(2, 3), torch.ones(2, 3)
    for left, right in ((x, y), (x.t(), y.t()), (x.t().contiguous(), y.t()), (x.double(), y)):
        assert torch.equal(double({"x": left, "y": right})["sum"], left + right)
    assert len(double._runs) == 4


def test_equal_chains_share_one_compiled_step_and_others_do_not():
    from seedbed.training.forward import forward_of
    from seedbed.training.losses import LOSSES

    def steps(network, loss="bce", key="sgd", **recipe):
        return step.make_steps(forward_of(network, 2), LOSSES[loss], Recipe(**recipe), compiled=True, shape=key)

    def net(slope):
        return nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(slope), nn.Linear(2, 1))

    assert steps(net(0.1)) is steps(net(0.1))
    assert (
        len({id(s) for s in (steps(net(0.1)), steps(net(0.2)), steps(net(0.1), "mse"), steps(net(0.1), key="a"))}) == 4
    )
    plain, shaping = (
        steps(net(0.1)),
        [{"momentum": 0.9}, {"optimizer": "adam"}, {"decay_biases": False}, {"label_smoothing": 0.1}],
    )
    assert len({id(s) for s in (plain, *(steps(net(0.1), **recipe) for recipe in shaping))}) == 1 + len(shaping)
    for recipe in ({"lr": 0.3}, {"weight_decay": 0.1}, {"schedule": "cosine"}, {"warmup": 0.1}, {"epochs": 3}):
        assert steps(net(0.1), **recipe) is plain
    assert steps(net(0.1), clip_norm=0.1) is steps(net(0.1), clip_norm=3.0) is not plain
    assert steps(net(0.1), label_smoothing=0.1) is steps(net(0.1), label_smoothing=0.3)


@pytest.mark.slow
def test_two_processes_give_the_results_of_one_bit_for_bit(task, monkeypatch):
    monkeypatch.setattr(planning, "_cache_bytes", lambda: 1)  # chunks of 16 networks
    slope = 0.3  # closed over: what travels isn't importable

    def build(n_features, n_outputs):
        return nn.Sequential(nn.Linear(n_features, 4), nn.LeakyReLU(slope), nn.Linear(4, n_outputs))

    one, two = (
        train_many(build, *task("bce").parts, seeds=40, epochs=10, batch_size=16, compile=False, jobs=jobs)
        for jobs in (1, 2)
    )
    for curve in CURVES:
        np.testing.assert_array_equal(getattr(one, curve), getattr(two, curve))
    np.testing.assert_array_equal(one.predict(task("bce").X), two.predict(task("bce").X))


def test_jobs_are_one_a_core_or_a_number_from_1():
    assert pick_jobs(None) == pick_jobs(-1) >= 1
    assert pick_jobs(3) == 3
    for wrong in (0, -2):
        with pytest.raises(OptionError, match=f"jobs is {wrong}"):
            pick_jobs(wrong)


def test_threads_of_the_caller_are_put_back(task):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train_many("relu:3", *task("bce").parts, seeds=2, epochs=2, jobs=1, compile=False)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
