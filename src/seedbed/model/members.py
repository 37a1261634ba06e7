"""The members of a blend: each a stack of networks that train on inner splits of all rows, one split a network."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seedbed.data import Encoding, Preprocessor, Split, Table
from seedbed.errors import SeedbedError
from seedbed.fitting import Running, inner_splits
from seedbed.model.making import target_scale
from seedbed.networks import MLP, Candidate, SmoothClip
from seedbed.settings import Recipe
from seedbed.training import (
    ChunkResult,
    TrainingData,
    counted_rows,
    derive,
    look_at,
    plan_candidate,
    seeded,
    table_data,
    train_chunks,
)

__all__ = ["Member", "Rows", "network_of", "splits_of_networks", "trained_members"]

LIMIT = 3.0
"""Of the clip in front of all members."""

_FOLDS = 8
_PATIENCE = 8
_MOST_BYTES = 1 << 29  # of bins that are computed once


@dataclass(frozen=True, eq=False)
class Member:
    """What came of one.

    Attributes:
        candidate: its name and architecture.
        states: of its networks by the names in their `state_dict` [network, ...].
        outputs: for the rows that a network didn't train on [row, output, network]; NaN elsewhere.
        epochs: after how many its networks are used.
    """

    candidate: Candidate
    states: dict[str, Tensor]
    outputs: NDArray[np.float32]
    epochs: int


def network_of(member: Candidate) -> MLP:
    """The architecture of a portfolio's member."""
    assert isinstance(member.architecture, MLP)
    return member.architecture


class Rows:
    """All rows of a table as members see them, with the splits that their networks train on.

    Inputs are standardised by all rows, as they will be for new ones; targets take no part in that.

    Args:
        weights: what each row counts [row].

    Attributes:
        plain: the inputs as they are, and the splits.
        limit: of the clip behind which inputs are seen; 0 where there is none, as a table in a file isn't clipped.
        target_scale: mean and deviation of a target of numbers.
    """

    def __init__(
        self,
        table: Table,
        encoding: Encoding,
        preprocessor: Preprocessor,
        splits: Sequence[Split],
        weights: NDArray[np.float32] | None,
    ) -> None:
        self.limit = 0.0 if encoding.is_large else LIMIT
        self.target_scale, self.n_networks = target_scale(table), len(splits)
        if encoding.is_large:
            plain = _as_it_lies(table, encoding, splits, weights)
        else:
            inputs = torch.from_numpy(preprocessor.inputs_of_values(table.features))
            target = table.target.astype(np.float32) if table.task == "regression" else table.target
            train, test = counted_rows(table.n_rows, splits, weights)
            plain = TrainingData(X=SmoothClip(self.limit)(inputs).numpy(), y=target, train=train, test=test)
        if table.task == "regression":
            mean, deviation = (np.full(self.n_networks, value, dtype=np.float32) for value in self.target_scale)
            plain = dataclasses.replace(plain, target_scale=1 / deviation, target_shift=-mean / deviation)
        self.plain = plain

    def seen_by(self, member: MLP) -> tuple[TrainingData, _Front | None]:
        """On which inputs a member trains, and the layer that makes these of the plain ones, if it trains without.

        Bins are of all rows and so the same for all networks, and at all steps: they are computed once.
        """
        n_rows, n_inputs = self.plain.X.shape
        most = n_rows * (n_inputs if member.numbers is None else len(member.numbers)) * member.ple * 4
        if not member.ple or member.embed or self.plain.order is not None or most > _MOST_BYTES:
            return self.plain, None
        with seeded(0):  # the caller's random state isn't touched
            layer = member(n_inputs, 1)[0]
        if isinstance(layer, nn.Linear):  # the table has no numbers
            return self.plain, None
        X = torch.from_numpy(self.plain.X)
        look_at(layer, X)
        encoded = layer(X)
        used = (encoded != encoded[0]).any(0).nonzero()[:, 0]
        if not len(used):
            return self.plain, None
        return dataclasses.replace(self.plain, X=encoded[:, used].numpy()), _Front(layer, used, encoded.shape[1])


@dataclass(frozen=True, eq=False)
class _Front:
    """A first layer that has nothing to train, so that members train behind it.

    Attributes:
        layer: from inputs to units.
        used: the units that members are given: those that aren't the same in all rows, as bins without a width are.
        n_units: how many there are.
    """

    layer: nn.Module
    used: Tensor
    n_units: int

    def before(self, member: Member) -> Member:
        """A member that has trained behind it, as one that begins with it."""
        n_networks = len(next(iter(member.states.values())))
        own = self.layer.state_dict()
        states = {f"0.{name}": value.repeat(n_networks, *[1] * value.dim()) for name, value in own.items()}
        for name, value in member.states.items():
            place, _, rest = name.partition(".")
            if name == "0.weight":
                wide = value.new_zeros(*value.shape[:2], self.n_units)
                wide[:, :, self.used] = value
                value = wide
            states[f"{int(place) + 1}.{rest}"] = value
        return dataclasses.replace(member, states=states)


def splits_of_networks(table: Table, n: int, random_state: int) -> list[Split]:
    """A split of all rows for each of n networks: folds, dealt anew when they are used up, so that each row is left out
    as often as another. Where a class has too few rows or groups to be in each fold, folds don't look at classes. Where
    rows have times, the latest are left out by all. Rows that can't be divided have no split: all train all networks.
    """
    rows = np.arange(table.n_rows)
    if table.times is not None:
        return [*inner_splits(table, rows, (), windows=_FOLDS - 1)][-1:] * n
    seed = derive(random_state, "blend") % 2**32
    for folds in range(_FOLDS, 1, -1):
        try:
            return [*inner_splits(table, rows, [seed], windows=0, folds=folds, repeats=-(-n // folds))][:n]
        except SeedbedError:
            continue  # too few rows, groups, or rows of a class for so many folds
    return list(_blind_folds(rows if table.groups is None else table.groups, n, seed))


def _blind_folds(groups: NDArray[np.int64], n: int, seed: int) -> Iterator[Split]:
    """n folds of whole groups, whatever their classes; none of a single group."""
    names, of_row = np.unique(groups, return_inverse=True)
    rng, folds = np.random.default_rng(seed), min(_FOLDS, len(names))
    for number in range(n if folds > 1 else 0):
        if number % folds == 0:
            fold_of_row = (rng.permutation(len(names)) % folds)[of_row]
        left_out = fold_of_row == number % folds
        yield Split(number // folds, number % folds, np.flatnonzero(~left_out), np.flatnonzero(left_out))


def trained_members(
    members: Sequence[Candidate],
    table: Table,
    rows: Rows,
    recipe: Recipe,
    *,
    random_state: int,
    running: Running,
    time_limit: float | None,
) -> Iterator[Member]:
    """Train members, those with the same inputs side by side as far as there are jobs.

    One whose networks diverge is left out. With a time limit [s] each gets its share of what is left, one epoch at
    least, and who has not begun when it is over is left out; the first never is.
    """
    started, n_left = time.monotonic(), len(members)
    for wave in _waves(members, apart=time_limit is not None and running.jobs == 1):
        seconds = None
        if time_limit is not None:
            left = time_limit - (time.monotonic() - started)
            if left <= 0 and n_left < len(members):
                return
            seconds = max(left, 0.0) * min(running.jobs, len(wave)) / n_left
        n_left -= len(wave)
        yield from _trained(wave, table, rows, recipe, random_state, running, seconds)


def _waves(members: Sequence[Candidate], *, apart: bool) -> list[list[Candidate]]:
    """Members with the same inputs, which can be trained at a time; each by itself if they are to be `apart`."""
    waves: dict[object, list[Candidate]] = {}
    for place, member in enumerate(members):
        network = network_of(member)
        waves.setdefault(place if apart else (network.ple, bool(network.embed)), []).append(member)
    return list(waves.values())


def _trained(
    wave: Sequence[Candidate],
    table: Table,
    rows: Rows,
    recipe: Recipe,
    random_state: int,
    running: Running,
    seconds: float | None,
) -> Iterator[Member]:
    data, front = rows.seen_by(network_of(wave[0]))
    chunks, owners = [], []
    for member in wave:
        bare = network_of(member) if front is None else dataclasses.replace(network_of(member), ple=0, numbers=None)
        plan = plan_candidate(
            dataclasses.replace(member, architecture=bare),
            table,
            data,
            dataclasses.replace(member.recipe(recipe), epoch="last"),
            seeds=[derive(random_state, member.name, "blend", number) for number in range(rows.n_networks)],
            splits=list(range(rows.n_networks)),
            engine=running.engine,
            device=running.device,
            keep_networks=True,
            patience=member.recipe(recipe).patience or _PATIENCE,
        )
        chunks += [dataclasses.replace(chunk, seconds=seconds) for chunk in plan.chunks]
        owners += [member] * len(plan.chunks)
    board = running.board("fitting", chunks)
    results: dict[str, dict[int, ChunkResult]] = {}
    for number, result in train_chunks(chunks, data, running.jobs, board, running.cluster):
        results.setdefault(owners[number].name, {})[number] = result
    for member in wave:
        own = results[member.name]
        found = _joined(member, [chunks[number].members for number in own], list(own.values()), rows.n_networks)
        if found is not None:
            yield found if front is None else front.before(found)


def _joined(
    member: Candidate, places: Sequence[tuple[int, ...]], results: Sequence[ChunkResult], n_networks: int
) -> Member | None:
    """A member from its chunks; none where a network diverged."""
    states: dict[int, dict[str, Tensor]] = {}
    outputs = np.full((*results[0].outputs.shape[:2], n_networks), np.nan, dtype=np.float32)
    for own, result in zip(places, results, strict=True):
        states.update(zip(own, result.states or (), strict=True))
        outputs[:, :, list(own)] = result.outputs
    in_order = [states[number] for number in range(n_networks)]
    stacked = {name: torch.stack([state[name].cpu() for state in in_order]) for name in in_order[0]}
    if not all(value.isfinite().all() for value in stacked.values()):
        return None
    return Member(member, stacked, outputs, max(result.best or 0 for result in results))


def _as_it_lies(
    table: Table, encoding: Encoding, splits: Sequence[Split], weights: NDArray[np.float32] | None
) -> TrainingData:
    """Of a table in a file: all splits see its inputs as all rows standardise them."""
    rows = np.arange(table.n_rows)
    design = encoding.design([Split(0, 0, rows, rows)])

    def repeated(values: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
        return None if values is None else np.repeat(values, len(splits), axis=1).astype(np.float32)

    return dataclasses.replace(
        table_data(table, encoding, splits, weights),
        scale=repeated(design.scale),
        shift=repeated(design.shift),
        also=design.also,
        extra=repeated(design.extra),
    )
