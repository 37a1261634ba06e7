"""`train_many`: one architecture, one split, many seeds."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from seedbed.arguments import checked, shown
from seedbed.data import Task
from seedbed.errors import OptionError, TrainingError
from seedbed.evaluation import CURVES
from seedbed.networks import Candidate, candidate_from
from seedbed.settings import Engine, Recipe, taking
from seedbed.training.arrays import one_split
from seedbed.training.board import Board
from seedbed.training.candidates import ends_in_shares
from seedbed.training.chunk import Chunk
from seedbed.training.cluster import Cluster
from seedbed.training.data import TrainingData
from seedbed.training.history import History
from seedbed.training.losses import Loss, check_smoothing, encode_target, pick_loss
from seedbed.training.parallel import pick_workers, train_chunks
from seedbed.training.planning import check_engine, plan_stack
from seedbed.training.process import one_thread
from seedbed.training.randomness import seeded
from seedbed.training.reference import Rows, train_reference
from seedbed.training.stack import build_network

__all__ = ["train_many"]

_MOST_SEEDS = 1_000_000


@checked()
@taking(Recipe)
def train_many(
    build: Callable[..., nn.Module] | Candidate | str,
    X_train: Any,
    y_train: Any,
    X_test: Any,
    y_test: Any,
    *,
    seeds: Sequence[int] | int = 100,
    sample_weight: Any = None,
    engine: Engine = "auto",
    device: str = "auto",
    jobs: int | None = None,
    cluster: str | None = None,
    dtype: str = "float32",
    watch: Callable[[Sequence[Chunk]], Board] | None = None,
    **recipe: Any,
) -> History:
    """Train one network for each seed, all of them at once.

    A network with seed `s` equals, up to rounding, what the plain loop makes of it under `torch.manual_seed(s)`.

    Args:
        build: returns a new `nn.Module`; it is given `n_features` and `n_outputs` by name where its signature has
            these names, and no other parameter may be required. Or a candidate's words such as `"relu:5"`; what they
            say of the recipe overrules the arguments. The module returns [row, output], or [row].
        X_train, X_test: features [row, feature], arrays or tensors, used as they are: standardise them before.
        y_train, y_test: zeros and ones, class codes from 0 up, or numbers; [row], or [row, output].
        seeds: one a network; a number means `range` of it.
        recipe: settings of a `Recipe`, by name.
        sample_weight: what each training row counts [row], in loss and training figures.
        engine: `"native"` is the kernel, for networks that it covers; `"torch"`; `"auto"` takes it where it can.
        device, jobs: `"auto"` is CUDA where there is one; chunks of networks at a time, `None` is one a core.
        cluster: `"ray"` or `"dask"` trains on a running cluster instead, see docs/cluster.md.
        dtype: `"float32"`, or `"float64"` to study rounding.
        watch: is given the chunks of networks, and returns the board on which they write their epochs.

    Raises:
        SeedbedError: the arrays don't fit together, hold NaN, or an option makes no sense.
    """
    common = Recipe(**recipe)
    data = one_split((X_train, y_train), (X_test, y_test), sample_weight, dtype)
    make, own = _builder(candidate_from(build), data, common)
    numbers, (n_jobs, where, afar) = _seeds(seeds), pick_workers(jobs, device, cluster)
    check_engine(engine)
    if len(numbers) == 1 and sample_weight is None:
        return _single(make, data, own, numbers[0], where)
    return _stacked(make, data, own, numbers, watch, n_jobs, afar, engine=engine, device=where, dtype=dtype)


def _stacked(
    make: Callable[[], nn.Module],
    data: TrainingData,
    recipe: Recipe,
    seeds: tuple[int, ...],
    watch: Callable[[Sequence[Chunk]], Board] | None,
    jobs: int,
    cluster: Cluster | None,
    **options: Any,
) -> History:
    """Many networks, planned with these options of `plan_stack`."""
    n_outputs, loss = _loss_of(make, data, recipe)
    splits = [0] * len(seeds)
    plan = plan_stack(make, data, recipe, seeds=seeds, splits=splits, keep_networks=True, **options)
    trained = train_chunks(plan.chunks, data, jobs, watch(plan.chunks) if watch else None, cluster)
    curves = np.empty((len(CURVES), recipe.epochs, len(seeds)), dtype=data.X.dtype)
    states: dict[int, Any] = {}
    for number, result in trained:
        members = plan.chunks[number].members
        curves[:, :, list(members)] = result.curves
        states.update(zip(members, result.states or (), strict=True))
    note = "; ".join(filter(None, [plan.note, _warning(make, data, loss)]))
    return History(
        *curves, seeds=seeds, recipe=recipe, build=make, states=tuple(states[i] for i in range(len(seeds))), loss=loss,
        n_outputs=n_outputs, note=note,
    )  # fmt: skip


def _single(make: Callable[[], nn.Module], data: TrainingData, recipe: Recipe, seed: int, device: str) -> History:
    """One network gains nothing from a stack, so the plain loop trains it: to the last digit the tutorial's."""
    n_outputs, loss = _loss_of(make, data, recipe)
    n_train = int(data.train.sum())
    X = torch.from_numpy(data.X).to(device)
    y = encode_target(loss, data.y, n_outputs, X.dtype).to(device)
    train, test = Rows(X[:n_train], y[:n_train]), Rows(X[n_train:], y[n_train:])
    with seeded(seed), one_thread(device):
        network = make().to(device, X.dtype)
        try:
            curves = train_reference(network, train, test, recipe=recipe, loss=loss, seed=seed)
        except (RuntimeError, ValueError) as error:
            raise TrainingError(f"this network can't be trained: {str(error).splitlines()[0]}") from error
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    return History(
        *curves.astype(data.X.dtype)[:, :, None], seeds=(seed,), recipe=recipe, build=make, states=(state,), loss=loss,
        n_outputs=n_outputs, note=_warning(make, data, loss),
    )  # fmt: skip


def _warning(make: Callable[[], nn.Module], data: TrainingData, loss: Loss) -> str:
    """What to say of a network that returns probabilities in place of logits; empty of others."""
    task: Task = "multiclass" if loss.name == "cross_entropy" else "binary"
    kind = "" if loss.hits is None else ends_in_shares(make, data.X.shape[1], task)
    return f"forward() seems to end with a {kind}, and must return logits" if kind else ""


def _loss_of(make: Callable[[], nn.Module], data: TrainingData, recipe: Recipe) -> tuple[int, Any]:
    n_outputs = data.n_outputs(build_network(make, 0))
    loss = pick_loss(recipe.loss, data.y, n_outputs)
    check_smoothing(loss, recipe.label_smoothing)
    return n_outputs, loss


def _builder(candidate: Candidate, data: TrainingData, common: Recipe) -> tuple[Callable[[], nn.Module], Recipe]:
    """What builds a network for this table, and the recipe in force for it."""
    recipe = candidate.recipe(common)
    if recipe.chooses:
        raise OptionError("a learning rate or epoch chosen by inner splits needs a comparison", "Give lr=0.01, say.")
    if recipe.patience is not None:
        raise OptionError("patience is of an epoch that inner splits choose, which needs a comparison", "Leave it out.")
    codes = data.y.ndim == 1 and bool((data.y == np.floor(data.y)).all())
    n_classes = int(data.y.max()) + 1 if codes and data.y.min() >= 0 else 0
    n_outputs = 1 if data.y.ndim == 1 else data.y.shape[1]
    if n_classes and (recipe.loss == "cross_entropy" or (recipe.loss == "auto" and 2 < n_classes <= 50)):
        n_outputs = n_classes
    return functools.partial(candidate.architecture, data.X.shape[1], n_outputs), recipe


def _seeds(seeds: Sequence[int] | int) -> tuple[int, ...]:
    if not isinstance(seeds, Iterable):
        if seeds > _MOST_SEEDS:
            raise OptionError(f"seeds is {shown(seeds)}", f"Give {_MOST_SEEDS:,} at most.")
        seeds = range(seeds)
    try:
        found = tuple(operator.index(seed) for seed in seeds)
    except TypeError:
        raise OptionError(f"seeds is {shown(seeds)}", "Give how many, or whole numbers, one a network.") from None
    if any(not -(2**63) <= seed < 2**64 for seed in found):
        raise OptionError("a seed is too large for torch", "Seeds have at most 64 bits.")
    if not found:
        raise OptionError("no seeds are given", "Give at least one.")
    return found
