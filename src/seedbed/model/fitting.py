"""A model from a table: learning rate and epochs settled, then networks fitted to all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from seedbed.data import Encoding, Preprocessor, Split, Table, encode, read_table, target_design
from seedbed.errors import OptionError, TrainingError
from seedbed.model.choosing import Running, Settled, fixed, settle
from seedbed.model.model import Model
from seedbed.model.predicting import check_threshold
from seedbed.networks import RECIPES, Candidate, Recipe, candidate_from
from seedbed.training import (
    Board,
    Chunk,
    Compile,
    derive,
    pick_workers,
    plan_candidate,
    table_data,
    train_chunks,
    versions,
)

__all__ = ["fit_model"]


def fit_model(
    table: Any,
    candidate: Any = "relu:5",
    *,
    target: str | None = None,
    recipe: Recipe = RECIPES["trained"],
    n_networks: int = 10,
    sample_weight: ArrayLike | None = None,
    settled: Settled | None = None,
    score: Mapping[str, Any] | None = None,
    threshold: float = 0.5,
    random_state: int = 0,
    compile: Compile = "auto",
    device: str = "auto",
    jobs: int | None = None,
    cluster: str | None = None,
    watch: Callable[[str, Sequence[Chunk]], Board] | None = None,
) -> Model:
    """Fit networks of one candidate, one a seed, to all rows of a table: a model that averages their predictions.

    Args:
        table: from `read_table`; or what that takes, with the `target`.
        candidate: its words, or what builds a network.
        recipe: what its words don't say. Learning rate and epochs that it leaves open are chosen by inner splits.
        n_networks: how many are fitted.
        sample_weight: what each row counts [row]; from 0 up.
        settled: learning rate and epochs, where a comparison has chosen them.
        score: what the model may be expected to do, and whose score that is.
        threshold: of two labels, above which probability the positive one is predicted.
        random_state: all randomness is derived from it.
        compile, device, jobs, cluster: as `train_many` has them.
        watch: is told of the stages, see `Running`.

    Raises:
        SeedbedError: the candidate can't be trained on this table, or an option is out of range.
    """
    table, found = _table(table, target), candidate_from(candidate)
    _check(table, n_networks, threshold)
    running = Running(compile, *pick_workers(jobs, device, cluster), watch)
    weights, encoding = _weights(table, sample_weight), encode(table)
    own = found.recipe(recipe.in_batches() if encoding.is_large else recipe)
    settled = settled or settle(found, table, encoding, own, n_inner=n_networks, random_state=random_state,
                                weights=weights, running=running)  # fmt: skip
    own = fixed(own, settled)
    seeds = [derive(random_state, found.name, "model", number) for number in range(n_networks)]
    states, n_diverged = _fitted(found, table, encoding, own, seeds, weights, running)
    return Model(
        candidate=found.name,
        architecture=found.architecture,
        states=states,
        preprocessor=Preprocessor.fit(table),
        target_name=table.target_name,
        task=table.task,
        labels=table.labels,
        threshold=threshold,
        **_scale(table),
        training=_facts(table, own, settled, len(seeds) - n_diverged, n_diverged, random_state),
        score=score,
        versions=versions(),
    )


def _table(table: Any, target: str | None) -> Table:
    if not isinstance(table, Table):
        return read_table(table, target=target)
    if target is not None:
        raise OptionError("a target was given with a table that is read already", "Give it to read_table.")
    return table


def _check(table: Table, n_networks: int, threshold: float) -> None:
    if n_networks < 1:
        raise OptionError(f"{n_networks} networks", "A model has at least 1.")
    check_threshold(table.task, None if threshold == 0.5 else threshold)


def _scale(table: Table) -> dict[str, float]:
    """What `Model` is told of a target of numbers; nothing of classes."""
    if table.task != "regression":
        return {}
    rows = np.arange(table.n_rows)
    found = target_design(table.target, [Split(0, 0, rows, rows)])
    return {"target_mean": float(found.means[0]), "target_deviation": float(found.deviations[0])}


def _fitted(
    candidate: Candidate,
    table: Table,
    encoding: Encoding,
    recipe: Recipe,
    seeds: list[int],
    weights: NDArray[np.float32] | None,
    running: Running,
) -> tuple[dict[str, Tensor], int]:
    """The networks' states [network, ...], and how many were left out as they diverged."""
    rows = np.arange(table.n_rows)
    # The figures on test rows are nobody's concern here; with the same rows they come from the same pass.
    data = table_data(table, encoding, [Split(0, 0, rows, rows)], weights)
    plan = plan_candidate(
        candidate,
        table,
        data,
        recipe,
        seeds=seeds,
        splits=[0] * len(seeds),
        compile=running.compile,
        device=running.device,
        keep_networks=True,
        keep_outputs=False,
    )
    states: dict[int, dict[str, Tensor]] = {}
    board = running.board("fitting", plan.chunks)
    for number, result in train_chunks(plan.chunks, data, running.jobs, board, running.cluster):
        for member, state in zip(plan.chunks[number].members, result.states or (), strict=True):
            if all(value.isfinite().all() for value in state.values()):
                states[member] = {name: value.cpu() for name, value in state.items()}
    if not states:
        raise TrainingError(f"candidate '{candidate.name}': every network diverged", "Give a lower learning rate.")
    kept = [states[member] for member in sorted(states)]
    stacked = {name: torch.stack([state[name] for state in kept]) for name in kept[0]}
    return stacked, len(seeds) - len(kept)


def _weights(table: Table, sample_weight: ArrayLike | None) -> NDArray[np.float32] | None:
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float32)
    if weights.shape != (table.n_rows,):
        raise OptionError(f"sample_weight has shape {list(weights.shape)}", f"It must be [{table.n_rows}].")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise OptionError("sample_weight is negative, all zero or not finite", "Give what each row counts, from 0 up.")
    return weights


def _facts(
    table: Table, recipe: Recipe, settled: Settled, n_networks: int, n_diverged: int, random_state: int
) -> dict[str, Any]:
    """What the model was made of."""
    left_out = sum(note.count or 0 for note in table.notes if note.code == "SB205")
    return {
        **({"n_left_out": left_out} if left_out else {}),
        "table": table.name,
        "n_rows": table.n_rows,
        "n_networks": n_networks,
        "n_diverged": n_diverged,
        "recipe": recipe.describe(),
        "lr": settled.lr,
        "epochs": settled.epochs,
        "chosen": settled.how,
        "random_state": random_state,
    }
