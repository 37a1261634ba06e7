"""The members of a model: how networks, trees and linear models are fitted, each leaving out a fold of the rows."""

from __future__ import annotations

import contextlib
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

from seedbed.data import Preprocessor, Split, Table, repeated_folds, target_moments, time_folds
from seedbed.errors import SeedbedError
from seedbed.model.linear import fit_prior, fit_regression
from seedbed.model.portfolio import member_costs
from seedbed.model.trees import FittedTrees, TreeData, alike, fit_trees, least_seconds, n_threads
from seedbed.networks import MLP, Candidate, Prior, Regression, SmoothClip, Trees
from seedbed.settings import Compute, Engine, Recipe
from seedbed.training import (
    Beside,
    Chunk,
    ChunkResult,
    Cluster,
    TrainingData,
    counted_rows,
    derive,
    look_at,
    pick_workers,
    plan_candidate,
    seeded,
    train_chunks,
)

__all__ = [
    "LIMIT",
    "N_FOLDS",
    "Bag",
    "Fit",
    "Member",
    "MemberData",
    "Running",
    "is_network",
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


@dataclass(frozen=True)
class Running:
    """Where networks are trained.

    Attributes:
        engine: as in `Compute`.
        jobs, device, cluster: as `pick_workers` returns them.
    """

    engine: Engine = "auto"
    jobs: int = 1
    device: str = "cpu"
    cluster: Cluster | None = None

    @classmethod
    def on(cls, compute: Compute) -> Running:
        """Return where `compute` trains: the number of cores, the device and the cluster are looked up."""
        return cls(compute.engine, *pick_workers(compute.jobs, compute.device, compute.cluster))

    def train(self, chunks: Sequence[Chunk], data: Sequence[TrainingData]) -> Iterator[tuple[int, ChunkResult]]:
        """Train chunks, each on its own data; yield the number of each and its result."""
        return train_chunks(chunks, data, self.jobs, self.cluster)


@dataclass(frozen=True, eq=False)
class Member:
    """A trained member.

    Attributes:
        candidate: its name and architecture.
        states: of its networks [network, ...], by the names in their `state_dict`.
        outputs: for the rows that a network didn't train on [row, output, network]; NaN elsewhere.
        epochs: number of epochs after which its networks are used; 0 of trees and linear models.
        curves: training and test figures [4, epoch, network], in the order of `evaluation.CURVES`. Test figures are of
            the rows left out, or of other rows if none is left out. None of trees and linear models.
        dead: share of ReLU units that are zero for all training rows [network]; NaN if unknown.
        note: on how networks were trained; usually empty.
        clipped: whether its inputs are clipped.
    """

    candidate: Candidate
    states: dict[str, Tensor]
    outputs: NDArray[np.float32]
    epochs: int = 0
    curves: NDArray[np.floating] | None = None
    dead: NDArray[np.float32] | None = None
    note: str = ""
    clipped: bool = True


def is_network(member: Candidate) -> bool:
    """Return whether a member is trained epoch by epoch: not trees, and no linear model."""
    return not isinstance(member.architecture, Trees | Regression | Prior)


def _trees_of(member: Candidate) -> Trees | None:
    """Return the architecture of a portfolio's member that is trees."""
    return member.architecture if isinstance(member.architecture, Trees) else None


def target_scale(table: Table) -> tuple[float, float]:
    """Return mean and deviation of a numeric target; 0 and 1 for classes."""
    if table.task != "regression":
        return 0.0, 1.0
    return target_moments(table.target)


class MemberData:
    """The inputs and targets that members train on, and the split of each of their networks.

    Inputs are standardised by all rows, as they will be for new rows; this doesn't use targets.

    Args:
        table: the rows.
        n_networks: networks of a member.
        weights: the weight of each row [row], or None.
        random_state: decides the splits.
        tested: other rows of the same columns, and their target: networks that leave no row out show their figures
            after each epoch. They change no network.

    Attributes:
        splits: the split of each network; none if rows can't be divided, and all networks train on all rows.
        preprocessor: computes the inputs.
        inputs: of the rows, clipped [row, input].
        target_scale: mean and deviation of a numeric target.
    """

    def __init__(
        self,
        table: Table,
        n_networks: int,
        weights: NDArray[np.float32] | None,
        random_state: int,
        tested: Table | None = None,
    ) -> None:
        self.preprocessor = Preprocessor.fit(table)
        self.target_scale, self.n_networks, self.weights = target_scale(table), n_networks, weights
        self.splits = splits_of_networks(table, n_networks, random_state)
        self._table, self._tested = table, tested
        self._unclipped = self.preprocessor.inputs_of_values(table.features)
        self.inputs = SmoothClip(LIMIT)(torch.from_numpy(self._unclipped)).numpy()
        self.limit = LIMIT

    @property
    def leaves_out(self) -> bool:
        """Whether networks leave out rows: not a single one, and not if rows can't be divided."""
        return self.n_networks > 1 and bool(self.splits)

    @functools.cached_property
    def _bagged(self) -> TrainingData:
        return self._with_target(self.inputs, self.splits, self._table.target, self.weights)

    def _of_all_rows(self, inputs: NDArray[np.float32]) -> TrainingData:
        """Return the data of networks that leave no row out."""
        rows, target, weights = np.arange(len(inputs)), self._table.target, self.weights
        test = rows
        if self._tested is not None:
            more = self.preprocessor.inputs_of_values(self._tested.features)
            if inputs is self.inputs:
                more = SmoothClip(LIMIT)(torch.from_numpy(more)).numpy()
            inputs, target = np.concatenate([inputs, more]), np.concatenate([target, self._tested.target])
            test = np.arange(len(rows), len(inputs))
            if weights is not None:
                weights = np.concatenate([weights, np.ones(len(test), dtype=np.float32)])
        splits = [Split(number, 0, rows, test) for number in range(self.n_networks)]
        return self._with_target(inputs, splits, target, weights)

    def _with_target(
        self,
        inputs: NDArray[np.float32],
        splits: Sequence[Split],
        target: NDArray[Any],
        weights: NDArray[np.float32] | None,
    ) -> TrainingData:
        train, test = counted_rows(len(inputs), splits, weights)
        return TrainingData(X=inputs, y=self._standardised(target), train=train, test=test)

    def _standardised(self, target: NDArray[Any]) -> NDArray[Any]:
        """Return the target as members learn it: class codes, or standardised numbers."""
        mean, deviation = self.target_scale
        return target if self._table.task != "regression" else ((target - mean) / deviation).astype(np.float32)

    def for_trees(self) -> TreeData:
        """Return the data that trees and linear models are fitted to. They leave out rows whenever these can be
        divided."""
        weights, splits, task = self.weights, self.splits, self._table.task
        target = self._standardised(self._table.target)
        if not splits:
            splits = [Split(0, 0, np.arange(len(target)), np.arange(0))] * self.n_networks
        if weights is not None:  # rows of weight 0 have no predictions; the weights' scale means nothing to networks
            weights = (weights / weights[weights > 0].mean(dtype=np.float64)).astype(np.float32)
            splits = [dataclasses.replace(split, test=split.test[weights[split.test] > 0]) for split in splits]
        return TreeData(self.inputs, target, weights, splits, self._table.n_outputs, task != "regression")

    def for_member(self, member: Candidate, recipe: Recipe) -> tuple[TrainingData, _Front | None]:
        """Return the data that a network trains on, and the layer that computes its inputs, if that layer is separate.

        Bins depend on all rows, so they are the same for all networks and all steps, and are computed once.
        """
        network = member.architecture
        clipped = is_clipped(member, recipe)
        if not (recipe.leaves_out and self.leaves_out):
            return self._of_all_rows(self.inputs if clipped else self._unclipped), None
        if not clipped:
            return self._with_target(self._unclipped, self.splits, self._table.target, self.weights), None
        plain = self._bagged
        n_rows, n_inputs = plain.X.shape
        if not isinstance(network, MLP) or not network.ple or network.embed:
            return plain, None
        if n_rows * (n_inputs if network.numbers is None else len(network.numbers)) * network.ple * 4 > _MOST_BYTES:
            return plain, None
        with seeded(0):  # leaves the caller's random state alone
            layer = network(n_inputs, 1)[0]
        if isinstance(layer, nn.Linear):  # the table has no numbers
            return plain, None
        X = torch.from_numpy(plain.X)
        look_at(layer, X)
        encoded = layer(X)
        used = (encoded != encoded[0]).any(0).nonzero()[:, 0]
        if not len(used):
            return plain, None
        return dataclasses.replace(plain, X=encoded[:, used].numpy()), _Front(layer, used, encoded.shape[1])


def is_clipped(member: Candidate, recipe: Recipe) -> bool:
    """Return whether a member's inputs are clipped: not those of the tutorial's recipe and of a user's own module."""
    return not is_network(member) or (isinstance(member.architecture, MLP) and recipe.leaves_out)


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
        windows = time_folds(table.times, rows, folds=N_FOLDS - 1, groups=table.groups)
        if windows:
            return [Split(0, 0, *windows[-1])] * n
    seed = derive(random_state, "blend") % 2**32
    for folds in range(N_FOLDS, 1, -1):
        repeats = -(-n // folds)
        with contextlib.suppress(SeedbedError):  # too few rows, groups, or rows of a class for so many folds
            return list(
                repeated_folds(table.target, repeats=repeats, folds=folds, random_state=seed, groups=table.groups)
            )[:n]
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
    """A table that members are fitted to.

    Attributes:
        table: the rows.
        members: the candidates.
        recipe: of the members, whose words may override it.
        data: what they train on.
        drops: whether extra trees end early if they would get no weight in a blend.
    """

    table: Table
    members: tuple[Candidate, ...]
    recipe: Recipe
    data: MemberData
    drops: bool = True

    @functools.cached_property
    def costs(self) -> dict[str, float]:
        """Return the estimated seconds of each member, by its name."""
        epochs = self.recipe.for_rows(self.table.n_rows).epochs
        assert epochs is not None
        return member_costs(self.table, self.members, self.data.n_networks, epochs)

    def recipe_of(self, member: Candidate) -> Recipe:
        """Return the recipe of a member, with its own settings and those that suit the number of rows."""
        recipe = member.recipe(self.recipe).for_rows(self.table.n_rows)
        is_number = self.table.task == "regression" and recipe.loss == "auto"
        return dataclasses.replace(recipe, loss="mse") if is_number else recipe

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
        trained = {self.members[place].candidate.name: self.members[place].candidate for place in sorted(self.members)}
        trees = {name: candidate for name, candidate in trained.items() if _trees_of(candidate)}
        members = tuple(
            trees.get(one.name, one) for one in self.fit.members if one.name in trained and one.name in names
        )
        data = MemberData(self.fit.table, self.fit.data.n_networks, self.fit.data.weights, random_state)
        return dataclasses.replace(self.fit, members=members, data=data)


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

    def at_once() -> Iterator[tuple[tuple[int, int], int, Member]]:
        for which, fit in enumerate(fits):
            for place, member in _fitted_at_once(fit, random_state, running.jobs, ends):
                yield (-1, place), which, member

    others = any(not is_network(member) for fit in fits for member in fit.members)
    if ends is not None or running.jobs == 1 or not others:
        yield from at_once()
        yield from _trained_in_waves(fits, random_state, running, ends)
        return
    import sklearn.ensemble  # noqa: F401 - two threads that import parts of it may find half a module

    with contextlib.closing(Beside(at_once())) as beside:
        for trained in _trained_in_waves(fits, random_state, running, None):
            yield from beside.finished(wait=False)
            yield trained
        yield from beside.finished(wait=True)


def _trained_in_waves(
    fits: Sequence[Fit], random_state: int, running: Running, ends: float | None
) -> Iterator[tuple[tuple[int, int], int, Member]]:
    """Train the members that are networks, as `trained_members`."""
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


def _fitted_at_once(fit: Fit, random_state: int, jobs: int, ends: float | None) -> Iterator[tuple[int, Member]]:
    """Fit the linear models, and then the trees; yield the place and the member. Each tree may take half of the time
    that is left."""
    members = [(place, member) for place, member in enumerate(fit.members) if not is_network(member)]
    if not members:
        return
    data, jobs, fitted = fit.data.for_trees(), n_threads(fit.table.n_rows, jobs), list[FittedTrees]()
    for place, member in members:
        if not isinstance(member.architecture, Trees):
            linear = (fit_prior if isinstance(member.architecture, Prior) else fit_regression)(data)
            yield place, Member(dataclasses.replace(member, architecture=MLP()), linear.states, linear.outputs)
    for place, member in members if fit.data.splits else ():
        trees, now = member.architecture, time.monotonic()
        if not isinstance(trees, Trees):
            continue
        until = None if ends is None else (now + ends) / 2
        if until is not None and now + least_seconds(trees, fit.costs[member.name]) / jobs > until:
            continue
        rival = fitted[0] if fitted and not trees.n_nodes and fit.drops else None
        found = fit_trees(trees, data, random_state=random_state, jobs=jobs, rival=rival, until=until)
        if found is not None:
            fitted.append(found)
            yield (
                place,
                Member(dataclasses.replace(member, architecture=found.architecture), found.states, found.outputs),
            )


def _by_inputs(fits: Sequence[Fit]) -> list[list[tuple[Candidate, list[int]]]]:
    """Return each member with the numbers of its fits, grouped by what computes their inputs, which may take memory."""
    groups: dict[object, dict[object, tuple[Candidate, list[int]]]] = {}
    for number, fit in enumerate(fits):
        for member in fit.members:
            if not is_network(member):
                continue
            network, key = member.architecture, (0, False)
            like: tuple[object, ...] = (member.name,)
            if isinstance(network, MLP):
                key, like = (network.ple, bool(network.embed)), (member.name, network.numbers, network.categories)
            groups.setdefault(key, {}).setdefault(like, (member, []))[1].append(number)
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
        n_rows, n_networks: of each fit.
        leaves_out: whether each network leaves out rows.
        clipped: whether their inputs are clipped.
        note: on how they are trained; usually empty.
    """

    candidate: Candidate
    fits: Sequence[int]
    fronts: Sequence[_Front | None]
    data: TrainingData
    chunk: Chunk
    seconds: float
    n_rows: int
    n_networks: int
    leaves_out: bool
    clipped: bool
    note: str


def _trained(
    wave: Sequence[tuple[Candidate, Sequence[int]]],
    fits: Sequence[Fit],
    random_state: int,
    running: Running,
    seconds: float | None,
) -> Iterator[tuple[int, int, Member]]:
    parts, unfinished = list(_parts(wave, fits, random_state, running)), dict[object, list[Any]]()
    order = sorted(range(len(parts)), key=lambda place: -parts[place].seconds)  # so that all cores end together
    loads = [0.0] * running.jobs
    for place in order:
        loads[loads.index(min(loads))] += parts[place].seconds
    for places in [order] if running.jobs > 1 or running.cluster else [[place] for place in order]:
        shares = [seconds and seconds * parts[place].seconds / max(loads) for place in places]
        chunks = [
            dataclasses.replace(parts[place].chunk, seconds=share) for place, share in zip(places, shares, strict=True)
        ]
        for number, result in running.train(chunks, [parts[place].data for place in places]):
            place, part = places[number], parts[places[number]]
            assert result.stacked is not None
            if part.leaves_out:
                starts = np.cumsum([0, *(fits[number].table.n_rows for number in part.fits)])
                for which in range(len(part.fits)):
                    columns = np.arange(part.n_networks) + which * part.n_networks
                    rows = slice(starts[which], starts[which + 1])
                    if (member := _member(part, which, [(result, columns)], rows)) is not None:
                        yield place, part.fits[which], member
                continue
            done = unfinished.setdefault((part.candidate.name, part.fits[0]), [])
            done.append((result, part.chunk.members))
            if sum(len(members) for _, members in done) == part.n_networks:
                done.sort(key=lambda one: one[1])
                pieces = [(result, np.arange(len(members))) for result, members in done]
                if (member := _member(part, 0, pieces, None)) is not None:
                    yield place, part.fits[0], member


def _member(
    part: _Part, which: int, pieces: Sequence[tuple[ChunkResult, NDArray[np.int64]]], rows: slice | None
) -> Member | None:
    """Return a member from the results of its networks, which are columns of some results; None if one diverged.

    Args:
        which: the place of its fit.
        rows: of its table, among those of the result; None if no row is left out.
    """
    each = [
        {name: value[columns].cpu() for name, value in (result.stacked or {}).items()} for result, columns in pieces
    ]
    states = {name: torch.cat([state[name] for state in each]) for name in each[0]}
    curves = np.concatenate([result.curves[:, :, columns] for result, columns in pieces], axis=2)
    finite = all(value.isfinite().all() for value in states.values())
    if not finite or (rows is None and not np.isfinite(curves[:, -1]).all()):
        return None
    first, columns = pieces[0]
    if rows is None:
        outputs = np.full((part.n_rows, first.outputs.shape[1], part.n_networks), np.nan, dtype=np.float32)
    else:
        outputs = first.outputs[rows][:, :, columns]
    member = Member(
        part.candidate,
        states,
        outputs,
        epochs=first.best[which] if first.best else first.curves.shape[1],
        curves=curves,
        dead=np.concatenate([result.dead[columns] for result, columns in pieces]),
        note=part.note,
        clipped=part.clipped,
    )
    front = part.fronts[which]
    return member if front is None else front.before(member)


def _parts(
    wave: Sequence[tuple[Candidate, Sequence[int]]], fits: Sequence[Fit], random_state: int, running: Running
) -> Iterator[_Part]:
    """Plan the stacks of members."""
    inputs: dict[object, tuple[TrainingData, _Front | None]] = {}
    joined: dict[object, TrainingData] = {}
    for candidate, numbers in wave:
        network, kinds = candidate.architecture, dict[object, list[int]]()
        recipe = fits[numbers[0]].recipe_of(candidate)
        key: tuple[object, ...] = (is_clipped(candidate, recipe), recipe.leaves_out)
        if isinstance(network, MLP):
            key = (*key, network.ple, bool(network.embed))
        for number in numbers:
            fit = fits[number]
            if (number, key) not in inputs:
                inputs[number, key] = fit.data.for_member(candidate, fit.recipe_of(candidate))
            data, front = inputs[number, key]
            shape = data.X.shape[1], front is None, fit.table.task, fit.table.n_outputs
            kinds.setdefault((*shape, fit.data.n_networks, fit.recipe_of(candidate)), []).append(number)
        for kind in kinds.values():
            most = max(1, min(_MOST_FITS, _MOST_ROWS // max(fits[number].table.n_rows for number in kind)))
            recipe = fits[kind[0]].recipe_of(candidate)
            clipped, leaves_out = is_clipped(candidate, recipe), recipe.leaves_out and fits[kind[0]].data.leaves_out
            # A step over all rows would pass those of the other tables, too.
            most = most if recipe.batch_size and leaves_out else 1
            for some in np.array_split(kind, -(-len(kind) // most)):
                same, fronts = some.tolist(), [inputs[number, key][1] for number in some]
                if (key, *same) not in joined:
                    joined[(key, *same)] = _joined([inputs[number, key][0] for number in same])
                data, bare, n = joined[(key, *same)], network, fits[same[0]].data.n_networks
                n_rows = fits[same[0]].table.n_rows
                patience = None
                if leaves_out:
                    usual = _LINEAR_PATIENCE if isinstance(network, MLP) and not network.widths else _PATIENCE
                    patience = (recipe.patience,) * 2 if recipe.patience else usual
                if fronts[0] is not None:
                    assert isinstance(network, MLP)
                    bare = dataclasses.replace(network, ple=0, numbers=None)
                plan = plan_candidate(
                    dataclasses.replace(candidate, architecture=bare),
                    fits[same[0]].table,
                    data,
                    recipe,
                    seeds=[derive(random_state, candidate.name, "blend", number) for number in range(n)] * len(same),
                    splits=range(n * len(same)),
                    engine=running.engine,
                    device=running.device,
                    keep_networks=True,
                    together=n,
                    patience=patience,
                )
                for chunk in plan.chunks:
                    yield _Part(
                        candidate,
                        same,
                        fronts,
                        data,
                        chunk,
                        plan.cost(chunk),
                        n_rows,
                        n,
                        leaves_out,
                        clipped,
                        plan.note,
                    )


def _joined(parts: Sequence[TrainingData]) -> TrainingData:
    """Return tables one below the other. The networks of each have rows of that table alone."""
    if len(parts) == 1:
        return parts[0]

    def diagonal(name: str) -> NDArray[np.float32]:
        joined: NDArray[np.float32] = torch.block_diag(
            *(torch.from_numpy(getattr(part, name)) for part in parts)
        ).numpy()
        return joined

    return TrainingData(
        X=np.concatenate([part.X for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        train=diagonal("train"),
        test=diagonal("test"),
    )
