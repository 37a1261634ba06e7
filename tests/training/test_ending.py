"""Networks that choose an epoch together end early by their validation losses; when this is checked changes no
result."""

import dataclasses

import numpy as np
import pytest

from seedbed.evaluation import Waiting
from seedbed.networks import parse_candidate
from seedbed.settings import Recipe
from seedbed.training import Savepoint, loop, plan_stack, train_chunk

pytestmark = pytest.mark.usefixtures("engine")

EPOCHS = 40
RATES = (0.001, 0.5, 3.0)


@pytest.fixture
def chunks(two_splits):
    """A function that makes chunks of 18 networks: two inner splits, which choose together, for each of three splits
    and three rates."""

    def make(patience, build=None, **recipe):
        settings = Recipe(epochs=EPOCHS, lr=None, epoch="inner", patience=patience, **recipe)
        places = [(split, lr, i) for split in range(3) for lr in RATES for i in range(2)]
        return plan_stack(
            build or (lambda: parse_candidate("relu:4").architecture(5, 1)),
            two_splits,
            settings,
            seeds=[10 * split + i for split, _, i in places],
            splits=[i for _, _, i in places],
            lr=[lr for _, lr, _ in places],
            keep_outputs=False,
            together=2,
        ).chunks

    return make


def losses(chunks, data):
    found = np.empty((18, EPOCHS))
    for chunk in chunks:
        found[list(chunk.members)] = train_chunk(chunk, data).curves[2].T
    return found.reshape(9, 2, EPOCHS)


@pytest.mark.product
@pytest.mark.parametrize("checked", [1, 5])
@pytest.mark.parametrize("batch_size", [None, 15])
def test_losses_equal_a_full_training_up_to_the_end(two_splits, chunks, monkeypatch, checked, batch_size):
    whole = losses(chunks(EPOCHS - 1, batch_size=batch_size), two_splits)
    monkeypatch.setattr(loop, "_CHECKED", checked)
    monkeypatch.setattr("seedbed.training.loop._SECONDS", 0.0)
    found, waiting = losses(chunks(3, batch_size=batch_size), two_splits), Waiting(9, (1.0, 3))
    waiting.see(whole)
    assert len(set(waiting.ends)) > 2
    for run, end in enumerate(waiting.ends):
        # A whole group that ends just before the last epoch may be seen too late.
        np.testing.assert_array_equal(found[run, :, : end or None], whole[run, :, : end or None])
        assert not end or end > EPOCHS - 7 or np.isnan(found[run, :, end:]).all()


def test_networks_that_choose_together_share_chunk_and_rate(chunks):
    for chunk in chunks(3):
        assert chunk.together == 2
        assert len(chunk.members) % 2 == 0
        assert all(
            place % 2 == 0 and chunk.members[i + 1] == place + 1
            for i, place in enumerate(chunk.members[::2])
            for i in [2 * i]
        )
        assert len(set(chunk.lr)) == 1


def test_training_stops_if_all_networks_have_ended(two_splits, chunks):
    worst = next(chunk for chunk in chunks(1) if chunk.lr[0] == 3.0)
    reported = []
    train_chunk(worst, two_splits, reported.append)
    assert reported[-1] == EPOCHS
    assert EPOCHS - 1 not in reported


class StopError(Exception):
    """An exception that represents a kill."""


def test_after_a_kill_the_losses_are_the_same(two_splits, chunks, monkeypatch, tmp_path):
    monkeypatch.setattr("seedbed.training.chunk._SECONDS", -1.0)
    monkeypatch.setattr("seedbed.training.loop._SECONDS", 0.0)
    monkeypatch.setattr(loop, "_CHECKED", 2)

    def stop(epochs):
        if epochs > 17:
            raise StopError

    for number, chunk in enumerate(chunks(8)):
        place, expected = tmp_path / str(number), train_chunk(chunk, two_splits)
        try:
            train_chunk(chunk, two_splits, stop, Savepoint(place))
        except StopError:
            found = train_chunk(chunk, two_splits, lambda epochs: None, Savepoint(place))
            np.testing.assert_array_equal(found.curves, expected.curves)


def test_with_a_schedule_training_ends_early_only_with_patience():
    inner = Recipe(epoch="inner")
    assert (inner.waits, dataclasses.replace(inner, patience=3).waits) == ((1.5, 50), (1.0, 3))
    assert dataclasses.replace(inner, schedule="cosine").waits == (1.0, np.inf)
    assert dataclasses.replace(inner, schedule="cosine", patience=3).waits == (1.0, 3)
    assert Recipe(patience=3).waits == (1.0, np.inf)
