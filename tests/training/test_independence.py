"""Laws 2 and 3: a network's result doesn't depend on others, and its initial values are torch's."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from seedbed.networks.network import Network
from seedbed.training.many import train_many

pytestmark = pytest.mark.usefixtures("engine")

KINDS = (
    "relu:4 tanh:4,3@dropout=0.2 relu:4@batchnorm elu:4@layernorm,dropout=0.2".split()
)
KINDS += ["relu:4,4@residual", "tanh:4@plr=3", "tanh:4@ple=6"]


def curves_of(history):
    return np.stack(
        [history.train_loss, history.train_score, history.test_loss, history.test_score]
    )


@pytest.fixture
def train(task, monkeypatch):
    """A function that trains networks in words; all parameters of the one with seed 2 start as
    `value`, unless None."""
    draw = Network.start

    def run(words, value, **settings):
        def start(network, seeds, rows=None):
            states = draw(network, seeds, rows)
            for name in network.parameters:
                states[name][seeds.index(2)] = value
            return states

        monkeypatch.setattr(Network, "start", draw if value is None else start)
        return train_many(words, *task("bce").parts, **settings)

    return run


MORE = dict(
    optimizer="adamw",
    schedule="cosine",
    warmup=0.1,
    decay_biases=False,
    label_smoothing=0.1,
)
MORE |= {"clip_norm": 0.1}


@pytest.mark.few(3)
@pytest.mark.product
@pytest.mark.parametrize("batch_size", [0, 16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("recipe", [{}, MORE], ids=["plain", "full"])
@pytest.mark.parametrize("words", KINDS)
def test_a_network_that_becomes_nan_does_not_change_others(
    train, words, recipe, value, batch_size
):
    settings = {
        "seeds": range(5),
        "epochs": 10,
        "batch_size": batch_size,
        "n_jobs": 1,
        "lr": 0.1,
        **recipe,
    }
    healthy, sick = (train(words, v, **settings) for v in (None, value))
    assert np.isfinite(curves_of(healthy)).all()
    result = sick.diverged.tolist()
    assert result == [False, False, value != 1e30 or sick.diverged[2], False, False]
    others = [0, 1, 3, 4]
    assert_array_equal(curves_of(sick)[:, :, others], curves_of(healthy)[:, :, others])
    for index in others:
        twin = healthy.networks()[index].state_dict()
        assert all(
            torch.equal(value, twin[name])
            for name, value in sick.networks()[index].state_dict().items()
        )


@pytest.mark.parametrize("seeds", [3, 1], ids=["stack", "single"])
def test_the_callers_random_states_are_untouched(task, seeds):
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    words = "relu:4@dropout=0.5"
    history = train_many(
        words, *task("bce").parts, seeds=seeds, epochs=3, batch_size=16, n_jobs=1
    )
    history.predict(task("bce").X)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpys).all()  # noqa: NPY002
