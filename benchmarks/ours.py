"""seedbed's own rows: whole chunks, from building their networks to their curves."""

from __future__ import annotations

import numpy as np
import torch
from rounds import Contender, Task, UnavailableError, timed
from workload import Rows

from seedbed.data.preprocessing import Preprocessor
from seedbed.data.reading import table_from_arrays
from seedbed.data.splits import repeated_folds
from seedbed.networks.candidate import parse_candidate
from seedbed.settings.design import EngineName
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import source_of
from seedbed.training.data import TrainingData, counted_rows
from seedbed.training.loop import train_chunk, train_chunks
from seedbed.training.native.library import kernel
from seedbed.training.parallel import pick_jobs
from seedbed.training.planning import plan_chunks
from seedbed.training.stack import Chunk

_CHUNKS_A_CORE = 4


def one_core(task: Task, *, engine: EngineName) -> Contender:
    """All networks on one split, as `train_many` does it."""
    return _one_chunk(task, _one_split(task.rows), engine)


def many_splits(task: Task) -> Contender:
    """Every network on a split of its own, as bags do it."""
    return _one_chunk(task, _folds(task.rows), "native")


def on_gpu(task: Task) -> Contender:
    """One chunk as large as a GPU takes, where there is one."""
    if not torch.cuda.is_available():
        raise UnavailableError("no CUDA device")
    data = _one_split(task.rows)
    (chunk, *_) = _plan(task, data, 5000, "torch", device="cuda")
    n = len(chunk.networks)
    train_chunk(chunk)
    return Contender(
        lambda: timed(lambda: train_chunk(chunk), networks=n),
        f"one chunk of {n} networks on {torch.cuda.get_device_name()}",
    )


def all_cores(task: Task) -> Contender:
    """Chunks in parallel, as many for each core."""
    cores = pick_jobs(None)
    if cores == 1:
        raise UnavailableError("this machine has one core")
    data = _one_split(task.rows)
    size = _full_size(task, data, "native")
    n_networks = size * cores * _CHUNKS_A_CORE
    chunks = _plan(task, data, n_networks, "native")

    def train() -> None:
        trained = sum(
            result.curves.shape[2] for _, result in train_chunks(chunks, cores)
        )
        assert trained == n_networks

    train()
    return Contender(
        lambda: timed(train, networks=n_networks),
        f"{len(chunks)} chunks of {size} networks, {cores} threads",
    )


def _one_chunk(task: Task, data: TrainingData, engine: EngineName) -> Contender:
    size = _full_size(task, data, engine)
    (chunk,) = _plan(task, data, size, engine)
    train_chunk(chunk)
    return Contender(
        lambda: timed(lambda: train_chunk(chunk), networks=size),
        f"one chunk of {size} networks",
    )


def _full_size(task: Task, data: TrainingData, engine: EngineName) -> int:
    """How many networks the planner puts into a chunk when there are more than enough."""
    return len(_plan(task, data, 5000, engine)[0].seeds)


def _plan(
    task: Task,
    data: TrainingData,
    n_networks: int,
    engine: EngineName,
    *,
    device: str = "cpu",
) -> tuple[Chunk, ...]:
    if engine == "native" and kernel("float32").library is None:
        raise UnavailableError("no C++ compiler")
    build = source_of(parse_candidate(task.candidate).architecture, data.X.shape[1], 1)
    n_splits = data.train.shape[1]
    splits = [network % n_splits for network in range(n_networks)]
    seeds = range(n_networks)
    return plan_chunks(
        Chunk(
            build,
            data,
            Recipe.tutorial(),
            seeds=seeds,
            splits=splits,
            engine=engine,
            device=device,
        )
    )


def _one_split(rows: Rows) -> TrainingData:
    X = np.concatenate([rows.X_train, rows.X_test])
    y = np.concatenate([rows.y_train, rows.y_test]).astype(np.int64)
    train = (np.arange(len(X)) < len(rows.X_train)).astype(np.float32)[:, None]
    return TrainingData(X, y, train, 1 - train)


def _folds(rows: Rows) -> TrainingData:
    """A hundred splits of a table."""
    table = table_from_arrays(rows.features, rows.target)
    splits = repeated_folds(rows.target, repeats=10, folds=10, random_state=0)
    X = Preprocessor.fit(table).inputs_of_values(table.features)
    return TrainingData(X, table.target, *counted_rows(table.n_rows, splits, None))
