"""Law 4: any `nn.Module` is trained with the results of the reference, also a module with odd
parts."""

import copy
import itertools
import signal
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seedbed.errors import SeedbedError, TrainingError
from seedbed.training.data import TrainingData
from seedbed.training.many import train_many
from seedbed.training.stack import traits_of
from seedbed.training.torch.module_chains import changed_by_forward, read_layer

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
    """A sequence of sequences, with a module used twice, a layer without bias, and normalisation
    per row."""

    def __init__(self, n_outputs):
        super().__init__()
        self.act = nn.ELU(0.7)
        self.body = nn.Sequential(
            nn.Linear(5, 4, bias=False),
            self.act,
            nn.Sequential(nn.Linear(4, 4), nn.Identity()),
        )
        self.head = nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.head(self.act(self.body(x)))


class DropsTwice(nn.Module):
    """One dropout module in two places draws two masks."""

    def __init__(self, n_outputs):
        super().__init__()
        self.first = nn.Linear(5, 4)
        self.second = nn.Linear(4, 4)
        self.last = nn.Linear(4, n_outputs)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        x = self.drop(torch.relu(self.first(x)))
        return self.last(self.drop(torch.relu(self.second(x))))


class Sketch(nn.Module):
    """A module with a random tensor that isn't registered, which each network has of its own."""

    def __init__(self, n_outputs):
        super().__init__()
        self.directions, self.last = torch.randn(5, 8), nn.Linear(8, n_outputs)

    def forward(self, x):
        return self.last(torch.cos(x @ self.directions.to(x.dtype)))


class Odd(nn.Module):
    """A module that calls arbitrary code."""

    def __init__(self, n_outputs, what):
        super().__init__()
        self.inner = nn.Linear(5, 4)
        self.last = nn.Linear(4, n_outputs)
        self.what = what

    def forward(self, x):
        return self.last(self.what(self.inner(x)))


class Named(nn.Linear):
    def forward(self, x):
        return {"z": super().forward(x)}


FAST = {
    "drops twice": DropsTwice,
    "tutorial": LinearModel,
    "functional": Functional,
    "nested": Nested,
    "threshold": lambda k: nn.Sequential(
        nn.Linear(5, 4), nn.Threshold(0.1, -0.3), nn.Linear(4, k)
    ),
    "norms": lambda k: nn.Sequential(
        nn.BatchNorm1d(5, affine=False),
        nn.Linear(5, 4),
        nn.LayerNorm(4, elementwise_affine=False),
        nn.Linear(4, k),
    ),
    "prints": lambda k: Odd(k, lambda x: print(end="") or x),
    "all dropped": lambda k: nn.Sequential(
        nn.Linear(5, 4), nn.Dropout(1.0), nn.Linear(4, k)
    ),
}
GENERAL = {
    "residual batchnorm averaging": lambda k: Residual(
        k, nn.BatchNorm1d(5, momentum=None), dropout=0.0
    ),
    "residual batchnorm untracked": lambda k: Residual(
        k, nn.BatchNorm1d(5, track_running_stats=False), dropout=0.0
    ),
    "scripted": lambda k: torch.jit.script(
        nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, k))
    ),
    "sketch": Sketch,
    "item": lambda k: Odd(k, lambda x: x * x.mean().item()),
    "integers": lambda k: Odd(
        k, lambda x: x * (1 + x.detach().argmax(1, keepdim=True) // 2)
    ),
}
ONE_BY_ONE = {
    "residual batchnorm averaging": "forward() reads single values of tensors",
    "scripted": "forward() may change its modules",
    "sketch": "torch.func.vmap gives other numbers",
    "item": "forward() reads single values of tensors",
}
SMALL = dict(
    batch_size=16, optimizer="adamw", weight_decay=0.1, schedule="cosine", clip_norm=0.1
)
SMALL |= {"lr": 0.01}


@pytest.mark.few(2)
@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is"
)  # deprecated, and modules of users contain it
@pytest.mark.product
@pytest.mark.parametrize("recipe", [{}, SMALL], ids=["full", "minibatch"])
@pytest.mark.parametrize("name", [*FAST, *GENERAL])
def test_a_users_module_equals_reference_with_a_note_on_cost(gap, task, name, recipe):
    build = {**FAST, **GENERAL}[name]
    found = gap(
        lambda n_features, n_outputs: build(n_outputs), task("cross_entropy"), **recipe
    )
    assert max(found.curves, found.parameters, found.outputs) < 1e-9
    note = f"trained one after the other, as in a plain loop, because {ONE_BY_ONE.get(name)}"
    assert found.history.note.startswith(
        "its networks are " + note if name in ONE_BY_ONE else ""
    )
    assert bool(found.history.note) == (name in ONE_BY_ONE)


ENDINGS = {
    "squeeze": lambda z: z.squeeze(-1),
    "squeeze all": torch.squeeze,
    "view": lambda z: z.view(-1),
    "reshape": lambda z: z.reshape(-1),
    "flatten": lambda z: F.dropout(z, 0.0).flatten(),
    "column": lambda z: z[:, 0],
    "rows": lambda z: z.flatten(1),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_module_that_returns_one_number_a_row_is_a_chain(task, ending):
    class Ending(LinearModel):
        def forward(self, x):
            return ENDINGS[ending](
                self.layer_2(
                    F.leaky_relu(self.layer_1(x.flatten(1)), negative_slope=0.2)
                )
            )

    data = TrainingData(task("bce").X, task("bce").y, *[np.ones((95, 1))] * 2)
    # drops in evaluation, too
    assert (traits_of(lambda: Ending(1), 0, data).program is None) == (
        ending == "flatten"
    )
    assert ending != "column" or traits_of(lambda: Ending(2), 0, data).program is None


class Configured(LinearModel):
    """Keeps values of several types."""

    def __init__(self, n_outputs):
        super().__init__(n_outputs)
        self.settings = types.SimpleNamespace(scale=2.0, names={"a", "b"})
        self.place = torch.device("cpu")
        self.path = Path("weights.pt")

    def forward(self, x):
        return self.layer_2(self.layer_1(x).to(self.place) * self.settings.scale)


def test_a_forward_that_keeps_the_settings_of_a_module_changes_nothing():
    assert changed_by_forward(Configured(1), np.ones((7, 5), "f")) == set()


def test_modules_that_vmap_trains_otherwise_train_one_after_the_other(task):
    calls = itertools.count()

    def build():
        return Odd(1, lambda x: torch.cos(x) * (1 + next(calls) % 3))

    history = train_many(build, *task("bce").parts, seeds=3, epochs=2, n_jobs=1)
    assert "because torch.func.vmap gives other numbers" in history.note


def test_a_note_says_that_copies_of_one_network_start_with_the_same_parameters(task):
    network = LinearModel(1)
    options = dict(seeds=2, epochs=1, loss="bce")
    history = train_many(lambda: copy.deepcopy(network), *task("bce").parts, **options)
    assert history.note.startswith("all seeds start with the same parameters")
    assert (
        train_many(
            lambda: LinearModel(1), *task("bce").parts, seeds=2, epochs=1, loss="bce"
        ).note
        == ""
    )


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            lambda: torch.ones(2, 2) @ torch.ones(3),
            TrainingError,
            "can't be trained: size mismatch",
        ),
        (lambda: {}["column"], TrainingError, "can't be trained: 'column'"),
        (lambda: signal.raise_signal(signal.SIGINT), KeyboardInterrupt, None),
    ],
    ids=["shapes", "key", "Ctrl-C"],
)
def test_a_forward_that_fails_after_some_epochs_ends_the_training(
    task, error, kind, message
):
    calls = []

    def what(x):
        calls.append(len(x))
        if calls.count(70) > 20:  # training rows, by whatever trains them
            error()
        return torch.sin(x) if len(x) else x

    with pytest.raises(kind, match=message):
        train_many(
            lambda: Odd(1, what), *task("bce").parts, seeds=2, epochs=100, n_jobs=1
        )
    assert calls.count(70) < 30


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Linear(4, 1), "can't take 5 features"),
        (lambda: nn.LSTM(5, 1), "returned a tuple.*tensor"),
        (
            lambda: nn.Sequential(nn.Linear(5, 4), nn.Unflatten(1, (2, 2))),
            r"shape \[2, 2, 2\] for 2 rows",
        ),
        (lambda: nn.LazyLinear(1), "lazy or meta layer"),
        (
            lambda: nn.Linear(3, 1, dtype=torch.cfloat),
            "complex parameters or buffers, which aren't",
        ),
        (lambda: nn.Linear(5, 1).requires_grad_(False), "no parameter to train"),
        (lambda: nn.Linear(5, 1 + torch.initial_seed()), "differ in shape"),
        (lambda: nn.Linear(5, 2), "2 outputs, the target 1"),
        (lambda: Named(5, 1), "returned a dict.*tensor"),
        (nn.Linear(5, 1), "a Linear that is built already. Give what builds it"),
        (5, "build is 5. It must be a function, a Candidate, an MLP or a text"),
        (lambda a, b, c: None, "needs a value for 'a'"),
        (lambda network=nn.Linear(5, 1): network, "returns the same module each time"),  # noqa: B008
    ],
)
def test_a_module_that_does_not_fit_the_table_raises_an_error(task, build, message):
    with pytest.raises(SeedbedError, match=message):
        train_many(build, *task("bce").parts, seeds=2, epochs=1, loss="bce", n_jobs=1)


def test_only_layers_of_torch_itself_are_stacked_by_the_fast_method():
    class Odd(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2

    assert read_layer("", nn.Linear(2, 2), {}) is not None
    for module in (
        Odd(2, 2),
        nn.BatchNorm1d(2, momentum=None),
        nn.Softmax(dim=0),
        nn.Conv1d(1, 1, 1),
    ):
        assert read_layer("", module, {}) is None


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)),
        lambda: Residual(1, nn.BatchNorm1d(5)),
    ],
)
def test_a_minibatch_of_one_row_is_refused_with_batch_normalisation(task, build):
    with pytest.raises(TrainingError, match="single row"):
        # 70 = 3 x 23 + 1
        train_many(
            build, *task("bce").parts, seeds=2, epochs=2, batch_size=23, loss="bce"
        )
