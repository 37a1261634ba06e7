"""Law 4: any `nn.Module` is trained, as a chain in a stack or by the plain loop, with the results of the reference."""

import copy
import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seedbed.errors import SeedbedError, TrainingError
from seedbed.training.many import train_many
from seedbed.training.torch.module_chains import read_layer

from .plain_loop import Residual


class LinearModel(nn.Module):
    """Like the tutorial's class."""

    def __init__(self, n_outputs):
        super().__init__()
        self.layer_1, self.layer_2 = nn.Linear(5, 5), nn.Linear(5, n_outputs)

    def forward(self, x):
        return self.layer_2(self.layer_1(x))


class Functional(LinearModel):
    def forward(self, x):
        return self.layer_2(F.leaky_relu(torch.tanh(self.layer_1(x)).relu(), 0.2))


class Nested(nn.Module):
    """A sequence of sequences, with a module used twice, a layer without bias, and normalisation per row."""

    def __init__(self, n_outputs):
        super().__init__()
        self.act = nn.ELU(0.7)
        self.body = nn.Sequential(nn.Linear(5, 4, bias=False), self.act, nn.Sequential(nn.Linear(4, 4), nn.Identity()))
        self.head = nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.head(self.act(self.body(x)))


class Flat(LinearModel):
    """Returns [row]."""

    def forward(self, x):
        return super().forward(x)[:, 0]


class Tied(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, n_outputs)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.relu(self.first(x)))))


class Tokens(nn.Module):
    """Every feature is a token, as in transformers; dropout gets three axes."""

    def __init__(self, n_outputs):
        super().__init__()
        self.place = nn.Parameter(torch.randn(5, 3))
        self.mix, self.drop, self.last = nn.Linear(3, 3), nn.Dropout(0.3), nn.Linear(3, n_outputs)

    def forward(self, x):
        tokens = self.drop(self.mix(x[:, :, None] * self.place))
        weights = torch.softmax(tokens @ tokens.transpose(1, 2), -1)
        return self.last((weights @ tokens).mean(1))


def frozen(make, part, n_outputs):
    network = make(n_outputs)
    getattr(network, part).requires_grad_(False)
    return network


def positive(n_outputs):
    network = LinearModel(n_outputs)
    nn.utils.parametrize.register_parametrization(network.layer_2, "weight", nn.Softplus())
    return network


def hooked(n_outputs):
    network = LinearModel(n_outputs)
    network.layer_1.register_forward_hook(lambda module, args, output: output * 2)
    return network


class DropsTwice(nn.Module):
    """One dropout module in two places draws two masks."""

    def __init__(self, n_outputs, residual=0):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(5, 4), nn.Linear(4, 4), nn.Linear(4, n_outputs)
        self.drop, self.residual = nn.Dropout(0.4), residual

    def forward(self, x):
        x = self.drop(torch.relu(self.first(x)))
        y = self.drop(torch.relu(self.second(x)))
        return self.last(y + x if self.residual else y)


class Sketch(nn.Module):
    """A module with a random buffer or attribute, which each network has of its own."""

    def __init__(self, n_outputs, register):
        super().__init__()
        directions = torch.randn(5, 8)
        if register:
            self.register_buffer("directions", directions)
        else:
            self.directions = directions
        self.last = nn.Linear(8, n_outputs)

    def forward(self, x):
        return self.last(torch.cos(x @ self.directions.to(x.dtype)))


FAST = {
    "drops twice": DropsTwice,
    "tutorial": LinearModel,
    "functional": Functional,
    "nested": Nested,
    "frozen": functools.partial(frozen, LinearModel, "layer_1"),
    "threshold": lambda k: nn.Sequential(nn.Linear(5, 4), nn.Threshold(0.1, -0.3), nn.Linear(4, k)),
    "norms": lambda k: nn.Sequential(
        nn.BatchNorm1d(5, affine=False), nn.Linear(5, 4), nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, k)
    ),
    "all dropped": lambda k: nn.Sequential(nn.Linear(5, 4), nn.Dropout(1.0), nn.Linear(4, k)),
}
GENERAL = {
    "residual drops twice": lambda k: DropsTwice(k, residual=1),
    "residual": Residual,
    "residual batchnorm": lambda k: Residual(k, nn.BatchNorm1d(5)),
    "residual batchnorm averaging": lambda k: Residual(k, nn.BatchNorm1d(5, momentum=None)),
    "residual batchnorm untracked": lambda k: Residual(k, nn.BatchNorm1d(5, track_running_stats=False)),
    "tied": Tied,
    "tokens": Tokens,
    "frozen residual": functools.partial(frozen, Residual, "inner"),
    "positive weights": positive,
    "hooked": hooked,
    "compiled": lambda k: torch.jit.script(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, k))),
    **{f"registers {register}": functools.partial(Sketch, register=register) for register in (True, False)},
}


def test_a_module_that_returns_one_number_per_row_equals_the_reference(gap, task):
    found = gap(lambda n_features, n_outputs: Flat(n_outputs), task("bce"))
    assert max(found.curves, found.parameters, found.outputs) < 1e-9


class Odd(nn.Module):
    """A module that calls arbitrary code."""

    def __init__(self, n_outputs, what):
        super().__init__()
        self.inner, self.last, self.what = nn.Linear(5, 4), nn.Linear(4, n_outputs), what

    def forward(self, x):
        return self.last(self.what(self.inner(x)))


class Recurrent(nn.Module):
    def __init__(self, n_outputs):
        super().__init__()
        self.lstm, self.last = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.last(self.lstm(x[:, :, None])[0][:, -1])


class Branches(nn.Module):
    """A module with branches on values, normalisation and dropout."""

    def __init__(self, n_outputs):
        super().__init__()
        self.norm, self.drop, self.last = nn.BatchNorm1d(5), nn.Dropout(0.2), nn.Linear(5, n_outputs)

    def forward(self, x):
        x = self.drop(self.norm(x))
        return self.last(x if x.sum() > 0 else -x)


GENERAL |= {"recurrent": Recurrent, "branches": Branches, "item": lambda k: Odd(k, lambda x: x * x.mean().item())}
ONE_BY_ONE = {
    "residual batchnorm averaging": "forward() reads single values of tensors",
    "registers False": "they differ by seed in more than parameters and buffers",
    "compiled": "forward() may change its modules",
    "recurrent": "torch.func.vmap: Batching rule not implemented for aten::lstm.input",
    "branches": "forward() branches on the values of tensors",
    "item": "forward() reads single values of tensors",
}


SMALL = {
    "batch_size": 16,
    "optimizer": "adamw",
    "weight_decay": 0.1,
    "schedule": "cosine",
    "clip_norm": 0.1,
    "lr": 0.01,
}


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is")  # deprecated, and modules of users contain it
@pytest.mark.product
@pytest.mark.parametrize("recipe", [{}, SMALL], ids=["full", "minibatch"])
@pytest.mark.parametrize("name", [*FAST, *GENERAL])
def test_a_users_module_equals_the_reference_with_a_note_on_cost(gap, task, name, recipe):
    build = {**FAST, **GENERAL}[name]
    found = gap(lambda n_features, n_outputs: build(n_outputs), task("cross_entropy"), **recipe)
    assert max(found.curves, found.parameters, found.outputs) < 1e-9
    expected = f"one after the other, as in a plain loop, because {ONE_BY_ONE[name]}" if name in ONE_BY_ONE else ""
    assert found.history.note == "" if name not in ONE_BY_ONE else expected in found.history.note


def test_a_note_says_that_copies_of_one_network_start_with_the_same_parameters(task):
    network = LinearModel(1)
    history = train_many(lambda: copy.deepcopy(network), *task("bce").parts, seeds=2, epochs=1, task="binary")
    assert history.note.startswith("all seeds start with the same parameters")
    assert train_many(lambda: LinearModel(1), *task("bce").parts, seeds=2, epochs=1, task="binary").note == ""


def test_a_module_that_fails_in_training_raises_an_error_of_one_line(task):
    def what(x):
        return x @ torch.ones(5, 4) if torch.is_grad_enabled() else x

    with pytest.raises(TrainingError, match=r"this network can't be trained: (mm: )?mat1 and mat2"):
        train_many(lambda: Odd(1, what), *task("bce").parts, seeds=2, epochs=2, n_jobs=1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Linear(4, 1), "can't take 5 features"),
        (lambda: nn.LSTM(5, 1), "returned a tuple.*tensor"),
        (lambda: nn.Unflatten(1, (5, 1)), "no parameter to train"),
        (lambda: nn.Sequential(nn.Linear(5, 4), nn.Unflatten(1, (2, 2))), r"shape \[2, 2, 2\] for 2 rows"),
        (lambda: nn.LazyLinear(1), "lazy layer"),
        (lambda: nn.Linear(5, 1).requires_grad_(False), "no parameter to train"),
        (lambda: nn.Linear(5, 1 + torch.initial_seed()), "differ in shape"),
        (lambda: nn.Linear(5, 2), "2 outputs, the target 1"),
        (lambda: 5, "must return a torch.nn.Module"),
        (lambda network=nn.Linear(5, 1): network, "returns the same module each time"),  # noqa: B008
    ],
)
def test_a_module_that_does_not_fit_the_table_raises_an_error_of_one_line(task, build, message):
    with pytest.raises(SeedbedError, match=message):
        train_many(build, *task("bce").parts, seeds=2, epochs=1, loss="bce", n_jobs=1)


def test_only_layers_of_torch_itself_are_stacked_by_the_fast_method():
    class Odd(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    assert read_layer("", nn.Linear(2, 2), {}) is not None
    for module in (Odd(2, 2), nn.BatchNorm1d(2, momentum=None), nn.Softmax(dim=0), nn.Conv1d(1, 1, 1)):
        assert read_layer("", module, {}) is None


@pytest.mark.parametrize("build", [lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)),
                                   lambda: Residual(1, nn.BatchNorm1d(5))])  # fmt: skip
def test_a_minibatch_of_one_row_is_refused_with_batch_normalisation(task, build):
    with pytest.raises(TrainingError, match="single row"):
        train_many(build, *task("bce").parts, seeds=2, epochs=2, batch_size=23, loss="bce")  # 70 = 3 x 23 + 1
