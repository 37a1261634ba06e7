"""The board: the current epochs of the chunks in training."""

import pickle
import threading
import time

import numpy as np
import pytest

from seedbed.networks import MLP
from seedbed.settings import Recipe
from seedbed.training import Board, TrainingData, plan_stack, train_chunks, train_many


@pytest.fixture(autouse=True)
def small_chunks_and_short_slices(monkeypatch):
    monkeypatch.setattr("seedbed.training.planning._MOST_NATIVE", 16)
    monkeypatch.setattr("seedbed.training.loop._SECONDS", 1e-4)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).astype(np.float32)
    half = (np.arange(40) < 20).astype(np.float32)[:, None]
    return TrainingData(X, (X[:, 0] > 0).astype(np.int64), half, 1 - half)


def chunks_of(data, epochs, n_networks=64):
    plan = plan_stack(lambda: MLP((3,), ("relu",))(3, 1), data, Recipe(epochs=epochs), seeds=range(n_networks),
                      splits=[0] * n_networks)  # fmt: skip
    return plan.chunks


@pytest.mark.parametrize("jobs", [1, 2])
def test_at_the_end_the_board_has_the_last_epoch_of_every_chunk(data, jobs):
    board, chunks = Board(), chunks_of(data, 7)
    assert board.epochs() == []
    assert sorted(number for number, _ in train_chunks(chunks, data, jobs, board)) == [0, 1, 2, 3]
    assert board.epochs() == [7, 7, 7, 7]


def test_a_waiting_chunk_has_not_started(data):
    board, chunks = Board(), chunks_of(data, 3)
    seen = [board.epochs() for _ in train_chunks(chunks, data, 1, board)]
    assert seen[:2] == [[3, -1, -1, -1], [3, 3, -1, -1]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_epochs_can_be_read_during_training(data, jobs):
    board, seen = Board(), []
    training = threading.Thread(target=lambda: list(train_chunks(chunks_of(data, 2000), data, jobs, board)))
    training.start()
    while training.is_alive():
        seen.append(sum(board.epochs()))
        time.sleep(0.001)
    assert len({epochs for epochs in seen if 0 < epochs < 4 * 2000}) > 5


def test_a_place_on_the_board_can_be_pickled_and_ignores_a_deleted_board():
    board = Board()
    with board.laid_out(2) as places:
        place = pickle.loads(pickle.dumps(places[1]))
        place.writer()(5)
    place.writer()(9)
    assert board.epochs() == [-1, 5]


def test_training_continues_without_disk_space_for_the_board(data, monkeypatch):
    def full(*arguments, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    board = Board()
    assert len(list(train_chunks(chunks_of(data, 3), data, 1, board))) == 4
    assert board.epochs() == [-1, -1, -1, -1]


def test_train_many_reports_the_chunks_that_it_trains():
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    board, seen = Board(), []

    def watch(chunks):
        seen.extend(chunks)
        return board

    y = (X[:, 0] > 0).astype(np.int64)
    train_many("relu:3", X, y, X, y, seeds=4, epochs=6, jobs=1, watch=watch)
    assert [len(chunk.members) for chunk in seen] == [4]
    assert board.epochs() == [6]
