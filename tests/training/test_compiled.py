"""Compiled or not, in this process or in others: the same results."""

import numpy as np
import pytest
import torch
import torch._inductor.config
from torch import nn

from seedbed.errors import OptionError
from seedbed.networks import Recipe
from seedbed.training import TrainingData, pick_jobs, plan_stack, planning, step, train_many

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


@pytest.mark.parametrize("error", [torch._dynamo.exc.InternalTorchDynamoError, torch._inductor.exc.InductorError])
def test_a_failing_compile_warns_once_and_falls_back(task, monkeypatch, error):
    failure = error.__new__(error)
    Exception.__init__(failure, "no C++\ntoday\n\nand a traceback")

    def failing(function, **options):
        def call(*args):
            raise failure

        return call

    monkeypatch.setattr(step.torch, "compile", failing)
    step._compiled_chain.cache_clear()
    try:
        with pytest.warns(UserWarning, match="not compiled, so slower: no C.. today$") as caught:
            history = train_many("relu:3", *task("bce").parts, seeds=16, epochs=5, jobs=1, compile=True)
    finally:
        step._compiled_chain.cache_clear()
    assert len(caught) == 1
    eager = train_many("relu:3", *task("bce").parts, seeds=16, epochs=5, jobs=1, compile=False)
    np.testing.assert_array_equal(history.train_loss, eager.train_loss)


def test_a_compiler_that_does_not_work_warns_and_falls_back(task, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # nothing compiled before
    step._compiled_chain.cache_clear()
    # torch's own way to set it for a while; monkeypatch would leave it hidden to whatever is compiled afterwards.
    missing = torch._inductor.config.patch({"cpp.cxx": (str(tmp_path / "no-such-compiler"),)})
    try:
        with missing, pytest.warns(UserWarning, match="not compiled, so slower"):
            history = train_many("elu:3", *task("bce").parts, seeds=16, epochs=3, jobs=1, compile=True)
    finally:
        step._compiled_chain.cache_clear()
    assert np.isfinite(history.test_loss).all()


def test_a_table_of_another_shape_is_compiled_anew_and_never_once_too_often(task, monkeypatch):
    compile_it = torch.compile
    monkeypatch.setattr(
        step.torch, "compile", lambda f, **_: compile_it(f, backend="eager", fullgraph=True, dynamic=False)
    )
    step._compiled_chain.cache_clear()
    X_train, y_train, X_test, y_test = task("bce").parts
    try:
        with torch._dynamo.config.patch(recompile_limit=1):
            for n in (20, 30, 40):  # a warning would say that one of them wasn't compiled
                history = train_many(
                    "hardtanh:3", X_train[:n], y_train[:n], X_test, y_test, seeds=16, epochs=2, jobs=1, compile=True
                )
                assert np.isfinite(history.test_loss).all()
    finally:
        step._compiled_chain.cache_clear()


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
