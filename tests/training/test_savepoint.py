"""A stopped chunk continues from its last savepoint, with the same bits."""

import dataclasses

import numpy as np
import pytest
import torch

from seedbed.networks import parse_candidate
from seedbed.settings import Recipe
from seedbed.training import Savepoint, plan_stack, train_chunk

pytestmark = pytest.mark.usefixtures("engine")

EPOCHS = 7


class StopError(Exception):
    """An exception that represents a kill."""


@pytest.fixture(autouse=True)
def in_every_epoch(monkeypatch):
    monkeypatch.setattr("seedbed.training.chunk._SECONDS", -1.0)
    monkeypatch.setattr("seedbed.training.loop._SECONDS", 0.0)


@pytest.fixture
def chunk(two_splits):
    def make(words="relu:4", *, stops=None, **recipe):
        settings = Recipe(**{"epochs": EPOCHS, "lr": 0.1, **recipe})
        plan = plan_stack(lambda: parse_candidate(words).architecture(5, 1), two_splits, settings, seeds=[3, 8, 4, 5],
                          splits=[0, 0, 1, 1], keep_networks=True)  # fmt: skip
        return dataclasses.replace(plan.chunks[0], stops=stops)

    return make


@pytest.fixture
def stopped(two_splits):
    """A function that trains a chunk until some epochs are saved, and returns the reports and result of a second
    training."""

    def go(chunk, place, after, between=lambda: None):
        def stop(epochs):
            if epochs > after:
                raise StopError

        with pytest.raises(StopError):
            train_chunk(chunk, two_splits, stop, Savepoint(place))
        between()
        reported = []
        return reported, train_chunk(chunk, two_splits, reported.append, Savepoint(place))

    return go


def same(one, other):
    for mine, theirs in zip(dataclasses.astuple(one)[:3], dataclasses.astuple(other)[:3], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(one.states, other.states, strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.product
@pytest.mark.parametrize("after", [1, 2, 5, 6])
@pytest.mark.parametrize(
    ("words", "recipe"),
    [
        ("relu:4", {}),
        ("relu:4", {"optimizer": "adamw"}),
        ("tanh:4", {"momentum": 0.9, "batch_size": 16}),
        ("tanh:4@dropout=0.3,batchnorm", {"optimizer": "adam", "batch_size": 16}),
        ("relu:64,64@layernorm", {}),
        ("relu:4,4@residual,ple=5", {"batch_size": 16}),
    ],
    ids=str,
)
def test_a_stopped_chunk_continues_to_the_same_bits(chunk, two_splits, stopped, tmp_path, words, recipe, after):
    one = chunk(words, **recipe)
    reported, result = stopped(one, tmp_path / "a", after)
    assert reported == [0, *range(after + 1, EPOCHS + 1)]
    same(result, train_chunk(one, two_splits))


def test_outputs_from_before_the_stop_are_kept(chunk, two_splits, stopped, tmp_path):
    one = chunk(stops=(1, 3, 7, 5))
    for after in range(1, EPOCHS):
        same(stopped(one, tmp_path / str(after), after)[1], train_chunk(one, two_splits))


def damaged(path, how):
    content = path.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    path.write_bytes({"cut": content[:-9], "empty": b"", "a bit": flipped, "text": b"nothing of the kind"}[how])


@pytest.mark.parametrize("how", ["cut", "empty", "a bit", "text"])
def test_if_the_later_file_is_damaged_the_earlier_one_is_used(chunk, two_splits, stopped, tmp_path, how):
    files = Savepoint(tmp_path / "a").files
    latest = []

    def damage():
        latest.append(max(files, key=lambda path: path.stat().st_mtime_ns))
        damaged(latest[0], how)

    reported, result = stopped(chunk(), tmp_path / "a", 4, damage)
    assert reported == [0, 4, 5, 6, 7]
    same(result, train_chunk(chunk(), two_splits))


@pytest.mark.parametrize("how", ["cut", "empty", "a bit", "text"])
def test_if_both_files_are_damaged_training_starts_again(chunk, two_splits, stopped, tmp_path, how):
    files = Savepoint(tmp_path / "a").files
    reported, result = stopped(chunk(), tmp_path / "a", 4, lambda: [damaged(path, how) for path in files])
    assert reported == list(range(EPOCHS + 1))
    same(result, train_chunk(chunk(), two_splits))


def test_every_flipped_byte_is_detected(tmp_path):
    one = Savepoint(tmp_path / "a")
    one.save(3, {"x": torch.arange(4.0), "y": torch.ones(2, 2)})
    assert one.load()[0] == 3
    whole = one.files[0].read_bytes()
    expected = {"x": torch.arange(4.0), "y": torch.ones(2, 2)}
    for place in range(len(whole)):
        one.files[0].write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        found = one.load()
        if found is not None:  # a changed name, or spaces that pad the header
            assert found[0] == 3
            assert all(torch.equal(value, expected[name]) for name, value in found[1].items())


def test_tensors_are_restored_with_their_memory_layout(tmp_path):
    given = {"across": torch.arange(6.0).reshape(2, 3).t(), "one": torch.tensor(4), "yes": torch.tensor([True])}
    Savepoint(tmp_path / "a").save(1, given)
    _, found = Savepoint(tmp_path / "a").load()
    assert {name: value.stride() for name, value in found.items()} == {
        name: one.stride() for name, one in given.items()
    }
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in given.items())


def test_a_savepoint_is_written_only_at_intervals(chunk, two_splits, tmp_path, monkeypatch):
    monkeypatch.setattr("seedbed.training.chunk._SECONDS", 3600.0)
    train_chunk(chunk(), two_splits, None, Savepoint(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


def test_training_continues_if_savepoints_cannot_be_written(chunk, two_splits, tmp_path):
    result = train_chunk(chunk(), two_splits, None, Savepoint(tmp_path / "no" / "folder" / "a"))
    same(result, train_chunk(chunk(), two_splits))


def test_removed_savepoints_are_deleted(tmp_path):
    one = Savepoint(tmp_path / "a")
    for epochs in (1, 2):
        one.save(epochs, {"x": torch.ones(2)})
    assert len(list(tmp_path.iterdir())) == 2
    one.remove()
    assert list(tmp_path.iterdir()) == []
    assert one.load() is None
