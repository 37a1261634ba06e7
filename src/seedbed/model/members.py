"""The members of a blend: how they train on inner splits of all rows."""

from __future__ import annotations

import copy
import dataclasses
import functools
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seedbed.data import Preprocessor, Split, Table, target_design
from seedbed.errors import SeedbedError
from seedbed.model.portfolio import member_costs
from seedbed.model.trees import FittedTrees, TreeData, alike, fit_trees, least_seconds, n_threads
from seedbed.networks import MLP, Candidate, SmoothClip, Trees
from seedbed.settings import Recipe
from seedbed.training import (
    Chunk,
    TrainingData,
    counted_rows,
    derive,
    look_at,
    plan_candidate,
    seeded,
)
from seedbed.tuning import Running, inner_splits

__all__ = [
    "N_FOLDS",
    "Bag",
    "Fit",
    "Member",
    "MemberData",
    "joined",
    "splits_of_networks",
    "target_scale",
    "trained_members",
]

LIMIT = 3.0
"""Limit of the clip in front of all members."""
N_FOLDS = 8
"""Folds of the rows; each network of a member leaves out one."""
# How long members wait for a better epoch, see `Chunk.patience`. Those without hidden layers are cheap, and their loss
# falls by little in each epoch.
_PATIENCE, _LINEAR_PATIENCE = (3, 8), (8, 8)
_MOST_BYTES = 1 << 29  # of binned inputs that are computed once
_MOST_FITS, _MOST_ROWS = 8, 4000  # fits whose networks share a stack, and their rows together


@dataclass(frozen=True, eq=False)
class Member:
    """A trained member.

    Attributes:
        candidate: its name and architecture.
        states: of its networks [network, ...], by the names in their `state_dict`.
        outputs: for the rows that a network didn't train on [row, output, network]; NaN elsewhere.
        epochs: number of epochs after which its networks are used.
    """

    candidate: Candidate
    states: dict[str, Tensor]
    outputs: NDArray[np.float32]
    epochs: int


def _network_of(member: Candidate) -> MLP:
    """Return the architecture of a portfolio's member that is a network."""
    assert isinstance(member.architecture, MLP)
    return member.architecture


def _trees_of(member: Candidate) -> Trees | None:
    """Return the architecture of a portfolio's member that is trees."""
    return member.architecture if isinstance(member.architecture, Trees) else None


def target_scale(table: Table) -> tuple[float, float]:
    """Return mean and deviation of a numeric target; 0 and 1 for classes."""
    if table.task != "regression":
        return 0.0, 1.0
    rows = np.arange(table.n_rows)
    design = target_design(table.target, [Split(0, 0, rows, rows)])
    return float(design.means[0]), float(design.deviations[0])


class MemberData:
    """The inputs and targets that members train on, and the split of each of their networks.

    Inputs are standardised by all rows, as they will be for new rows; this doesn't use targets.

    Args:
        table: the rows.
        n_networks: networks of a member.
        weights: the weight of each row [row], or None.
        random_state: decides the splits.

    Attributes:
        plain: inputs that aren't embedded, targets and splits.
        splits: the split of each network; none if rows can't be divided, and all networks train on all rows.
        preprocessor: computes the inputs.
        target_scale: mean and deviation of a numeric target.
    """

    def __init__(self, table: Table, n_networks: int, weights: NDArray[np.float32] | None, random_state: int) -> None:
        self.preprocessor = Preprocessor.fit(table)
        self.target_scale, self.n_networks, self.weights = target_scale(table), n_networks, weights
        self.splits, rows = splits_of_networks(table, n_networks, random_state), np.arange(table.n_rows)
        splits = self.splits or [Split(number, 0, rows, rows) for number in range(n_networks)]
        inputs = torch.from_numpy(self.preprocessor.inputs_of_values(table.features))
        target = table.target.astype(np.float32) if table.task == "regression" else table.target
        train, test = counted_rows(table.n_rows, splits, weights)
        plain = TrainingData(X=SmoothClip(LIMIT)(inputs).numpy(), y=target, train=train, test=test)
        if table.task == "regression":
            mean, deviation = (np.full(self.n_networks, value, dtype=np.float32) for value in self.target_scale)
            plain = dataclasses.replace(plain, target_scale=1 / deviation, target_shift=-mean / deviation)
        self.plain = plain

    def for_member(self, member: MLP) -> tuple[TrainingData, _Front | None]:
        """Return the data that a member trains on, and the layer that computes its inputs, if that layer is separate.

        Bins depend on all rows, so they are the same for all networks and all steps, and are computed once.
        """
        n_rows, n_inputs = self.plain.X.shape
        most = n_rows * (n_inputs if member.numbers is None else len(member.numbers)) * member.ple * 4
        if not member.ple or member.embed or most > _MOST_BYTES:
            return self.plain, None
        with seeded(0):  # leaves the caller's random state alone
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
    """A first layer without trainable parameters, applied once before a member trains.

    Attributes:
        layer: from inputs to units.
        used: units that aren't constant; those of bins without a width are.
        n_units: number of units.
    """

    layer: nn.Module
    used: Tensor
    n_units: int

    def before(self, member: Member) -> Member:
        """Return a member that was trained behind this layer as one that begins with it."""
        n_networks = len(next(iter(member.states.values())))
        state = self.layer.state_dict()
        states = {f"0.{name}": value.repeat(n_networks, *[1] * value.dim()) for name, value in state.items()}
        for name, value in member.states.items():
            place, _, rest = name.partition(".")
            if name == "0.weight":
                wide = value.new_zeros(*value.shape[:2], self.n_units)
                wide[:, :, self.used] = value
                value = wide
            states[f"{int(place) + 1}.{rest}"] = value
        return dataclasses.replace(member, states=states)


def splits_of_networks(table: Table, n: int, random_state: int) -> list[Split]:
    """Return a split of all rows for each of n networks; none if the rows can't be divided.

    The splits are repeated folds, so each row is left out equally often. If a class has too few rows or groups to be in
    each fold, folds aren't stratified. If rows have times, all networks leave out the latest rows.
    """
    rows = np.arange(table.n_rows)
    if table.times is not None:
        return [*inner_splits(table, rows, (), windows=N_FOLDS - 1)][-1:] * n
    seed = derive(random_state, "blend") % 2**32
    for folds in range(N_FOLDS, 1, -1):
        try:
            return [*inner_splits(table, rows, [seed], windows=0, folds=folds, repeats=-(-n // folds))][:n]
        except SeedbedError:
            continue  # too few rows, groups, or rows of a class for so many folds
    return list(_unstratified_folds(rows if table.groups is None else table.groups, n, seed))


def _unstratified_folds(groups: NDArray[np.int64], n: int, seed: int) -> Iterator[Split]:
    """Yield n folds of whole groups; none if there is only one group."""
    names, of_row = np.unique(groups, return_inverse=True)
    rng, folds = np.random.default_rng(seed), min(N_FOLDS, len(names))
    for number in range(n if folds > 1 else 0):
        if number % folds == 0:
            fold_of_row = (rng.permutation(len(names)) % folds)[of_row]
        left_out = fold_of_row == number % folds
        yield Split(number // folds, number % folds, np.flatnonzero(~left_out), np.flatnonzero(left_out))


@dataclass(frozen=True, eq=False)
class Fit:
    """A table that a blend is fitted to.

    Attributes:
        table: the rows.
        members: the candidates.
        recipe: of the members, which their words may override.
        data: what they train on.
    """

    table: Table
    members: tuple[Candidate, ...]
    recipe: Recipe
    data: MemberData

    @functools.cached_property
    def costs(self) -> dict[str, float]:
        """Return the estimated seconds of each member, by its words."""
        n_networks = self.data.n_networks
        return member_costs(self.table, self.table.n_rows, portfolio=self.members, n_networks=n_networks)

    def seconds(self, pace: float = 1.0) -> float:
        """Return the estimated seconds of all members, those of networks times a pace."""
        costs = [(self.costs[one.name], _trees_of(one) is not None) for one in self.members]
        return sum(cost if is_trees else pace * cost for cost, is_trees in costs)


@dataclass(frozen=True, eq=False)
class Bag:
    """Members that are trained on the same splits.

    Attributes:
        fit: what is trained.
        members: the trained ones, by their places. Those that diverge or aren't reached in time are missing.
    """

    fit: Fit
    members: dict[tuple[int, ...], Member] = dataclasses.field(default_factory=dict)

    def again(self, names: Collection[str], random_state: int) -> Fit:
        """Return the fit of some of the members on other splits. It grows as many trees."""
        trained = [self.members[place].candidate for place in sorted(self.members)]
        members = tuple(candidate for candidate in trained if candidate.name in names)
        data = MemberData(self.fit.table, self.fit.data.n_networks, self.fit.data.weights, random_state)
        return Fit(self.fit.table, members, self.fit.recipe, data)


def joined(bags: Sequence[Bag]) -> tuple[list[Member], MemberData]:
    """Return the members of the first bag in order, with their networks in all bags, and the data of these networks.

    A later bag has some of the members; the others stay as they are, with fewer networks. A later bag in which a member
    is missing doesn't count.
    """
    first, *later = bags
    members = [first.members[place] for place in sorted(first.members)]
    later = [bag for bag in later if len(bag.members) == len(bag.fit.members)]
    if not later:
        return members, first.fit.data
    again = [{member.candidate.name: member for member in bag.members.values()} for bag in later]
    for number, member in enumerate(members):
        same = [member, *(bag[member.candidate.name] for bag in again if member.candidate.name in bag)]
        candidate, states = member.candidate, [one.states for one in same]
        if trees := _trees_of(candidate):
            trees, states = alike([_trees_of(one.candidate) or trees for one in same], states)
            candidate = dataclasses.replace(candidate, architecture=trees)
        members[number] = Member(
            candidate,
            {name: torch.cat([state[name] for state in states]) for name in member.states},
            np.concatenate([one.outputs for one in same], axis=2),
            max(one.epochs for one in same),
        )
    data = copy.copy(first.fit.data)
    data.splits = [split for bag in (first, *later) for split in bag.fit.data.splits]
    data.n_networks = sum(bag.fit.data.n_networks for bag in (first, *later))
    return members, data


def trained_members(
    fits: Sequence[Fit], *, random_state: int, running: Running, ends: float | None = None
) -> Generator[tuple[tuple[int, int], int, Member]]:
    """Train the members of fits; yield a member's place, the number of its fit, and the member, as they finish.

    Networks of several fits share stacks. The places give members the same order whatever finishes first.

    Members whose networks diverge are left out. If training is to end at a time of `time.monotonic`, each member gets a
    share of the remaining time in proportion to its estimated cost, and at least one epoch. Members that haven't
    started by then are left out, but never the first one.
    """
    for which, one in enumerate(fits):
        for place, trees in _fitted_trees(one, random_state, running.jobs, ends):
            yield (-1, place), which, trees
    waves = _by_inputs(fits)
    if running.jobs > 1 and waves:
        waves = [[member for wave in waves for member in wave]]
    elif ends is not None:
        waves = [[member] for wave in waves for member in wave]
    for number, wave in enumerate(waves):
        seconds = None
        if ends is not None:
            left = ends - time.monotonic()
            if left <= 0 and number:
                return
            costs = [
                sum(fits[place].costs[one.name] for one, which in some for place in which) for some in waves[number:]
            ]
            seconds = max(left, 0.0) * costs[0] / sum(costs)
        for place, fit, member in _trained(wave, fits, random_state, running, seconds):
            yield (number, place), fit, member


def _fitted_trees(fit: Fit, random_state: int, jobs: int, ends: float | None) -> Iterator[tuple[int, Member]]:
    """Fit the members that are trees; yield the place and the member. Each may take half of the time that is left."""
    table, weights, splits, fitted = fit.table, fit.data.weights, fit.data.splits, list[FittedTrees]()
    members = [(place, member) for place, member in enumerate(fit.members) if _trees_of(member)]
    if not members or not splits:
        return
    if weights is not None:  # rows of weight 0 have no predictions; the weights' scale means nothing to networks
        weights = (weights / weights[weights > 0].mean(dtype=np.float64)).astype(np.float32)
        splits = [dataclasses.replace(split, test=split.test[weights[split.test] > 0]) for split in splits]
    target = table.target
    if table.task == "regression":
        mean, deviation = fit.data.target_scale
        target = ((target - mean) / deviation).astype(np.float32)
    data = TreeData(fit.data.plain.X, target, weights, splits, table.n_outputs, table.task != "regression")
    jobs = n_threads(table.n_rows, jobs)
    for place, member in members:
        trees, now = _trees_of(member), time.monotonic()
        assert trees is not None
        until = None if ends is None else (now + ends) / 2
        if until is not None and now + least_seconds(trees, fit.costs[member.name]) / jobs > until:
            continue
        rival = fitted[0] if fitted and not trees.n_nodes else None
        found = fit_trees(trees, data, random_state=random_state, jobs=jobs, rival=rival, until=until)
        if found is not None:
            fitted.append(found)
            yield (
                place,
                Member(dataclasses.replace(member, architecture=found.architecture), found.states, found.outputs, 0),
            )


def _by_inputs(fits: Sequence[Fit]) -> list[list[tuple[Candidate, list[int]]]]:
    """Return each member with the numbers of its fits, grouped by what computes their inputs, which may take memory."""
    groups: dict[object, dict[object, tuple[Candidate, list[int]]]] = {}
    for number, fit in enumerate(fits):
        for member in fit.members:
            if _trees_of(member):
                continue
            network = _network_of(member)
            same = groups.setdefault((network.ple, bool(network.embed)), {})
            same.setdefault((member.name, network.numbers, network.categories), (member, []))[1].append(number)
    return [list(same.values()) for same in groups.values()]


@dataclass(frozen=True, eq=False)
class _Part:
    """Networks of a member that train together.

    Attributes:
        candidate: the member.
        fits: the numbers of the fits whose rows lie one below the other.
        fronts: of each fit, see `MemberData.for_member`.
        data: the rows.
        chunk: the networks, those of a fit side by side.
        seconds: estimated time on one core.
    """

    candidate: Candidate
    fits: Sequence[int]
    fronts: Sequence[_Front | None]
    data: TrainingData
    chunk: Chunk
    seconds: float


def _trained(
    wave: Sequence[tuple[Candidate, Sequence[int]]],
    fits: Sequence[Fit],
    random_state: int,
    running: Running,
    seconds: float | None,
) -> Iterator[tuple[int, int, Member]]:
    parts = list(_parts(wave, fits, random_state, running))
    order = sorted(range(len(parts)), key=lambda place: -parts[place].seconds)  # so that all cores end together
    loads = [0.0] * running.jobs
    for place in order:
        loads[loads.index(min(loads))] += parts[place].seconds
    for places in [order] if running.jobs > 1 or running.cluster else [[place] for place in order]:
        shares = [seconds and seconds * parts[place].seconds / max(loads) for place in places]
        chunks = [
            dataclasses.replace(parts[place].chunk, seconds=share) for place, share in zip(places, shares, strict=True)
        ]
        for number, result in running.train("fitting", chunks, [parts[place].data for place in places]):
            place, part = places[number], parts[places[number]]
            assert result.stacked is not None
            size, starts = part.chunk.together, np.cumsum([0, *(fits[number].table.n_rows for number in part.fits)])
            for group, first in enumerate(part.chunk.members[::size]):
                columns, which = slice(group * size, (group + 1) * size), first // size
                states = {name: value[columns].cpu() for name, value in result.stacked.items()}
                if all(value.isfinite().all() for value in states.values()):
                    outputs = result.outputs[starts[which] : starts[which + 1], :, columns]
                    member, front = Member(part.candidate, states, outputs, result.best[group]), part.fronts[which]
                    yield place, part.fits[which], member if front is None else front.before(member)


def _parts(
    wave: Sequence[tuple[Candidate, Sequence[int]]], fits: Sequence[Fit], random_state: int, running: Running
) -> Iterator[_Part]:
    """Plan the stacks of members."""
    inputs: dict[object, tuple[TrainingData, _Front | None]] = {}
    joined: dict[object, TrainingData] = {}
    for candidate, numbers in wave:
        network = _network_of(candidate)
        key = network.ple, bool(network.embed)
        kinds: dict[object, list[int]] = {}
        for number in numbers:
            fit = fits[number]
            if (number, key) not in inputs:
                inputs[number, key] = fit.data.for_member(network)
            data, front = inputs[number, key]
            shape = data.X.shape[1], front is None, fit.table.task, fit.table.n_outputs
            kinds.setdefault((*shape, fit.data.n_networks, fit.recipe.batch_size), []).append(number)
        for kind in kinds.values():
            most = max(1, min(_MOST_FITS, _MOST_ROWS // max(fits[number].table.n_rows for number in kind)))
            for some in np.array_split(kind, -(-len(kind) // most)):
                same, fronts = some.tolist(), [inputs[number, key][1] for number in some]
                if (key, *same) not in joined:
                    joined[(key, *same)] = _joined([inputs[number, key][0] for number in same])
                data = joined[(key, *same)]
                bare = network if fronts[0] is None else dataclasses.replace(network, ple=0, numbers=None)
                recipe, n = candidate.recipe(fits[same[0]].recipe), fits[same[0]].data.n_networks
                patience = _PATIENCE if network.widths else _LINEAR_PATIENCE
                plan = plan_candidate(
                    dataclasses.replace(candidate, architecture=bare),
                    fits[same[0]].table,
                    data,
                    dataclasses.replace(recipe, epoch="last"),
                    seeds=[derive(random_state, candidate.name, "blend", number) for number in range(n)] * len(same),
                    splits=range(n * len(same)),
                    engine=running.engine,
                    device=running.device,
                    keep_networks=True,
                    together=n,
                    patience=(recipe.patience,) * 2 if recipe.patience else patience,
                )
                for chunk in plan.chunks:
                    named = dataclasses.replace(chunk, name=candidate.name)
                    yield _Part(candidate, same, fronts, data, named, plan.cost(chunk))


def _joined(parts: Sequence[TrainingData]) -> TrainingData:
    """Return tables one below the other. The networks of each have rows of that table alone."""
    if len(parts) == 1:
        return parts[0]

    def diagonal(name: str) -> NDArray[np.float32]:
        joined: NDArray[np.float32] = torch.block_diag(
            *(torch.from_numpy(getattr(part, name)) for part in parts)
        ).numpy()
        return joined

    def scales(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if values[0] is None else np.concatenate(values)

    return TrainingData(
        X=np.concatenate([part.X for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        train=diagonal("train"),
        test=diagonal("test"),
        target_scale=scales("target_scale"),
        target_shift=scales("target_shift"),
    )
