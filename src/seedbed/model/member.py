"""A member of a model, and the rows that it is fitted to: each of its networks leaves out a fold of
them."""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.data.preprocessing import Preprocessor, target_moments
from seedbed.data.splits import Split, repeated_folds, time_folds
from seedbed.data.table import Table
from seedbed.errors import SeedbedError, error_line
from seedbed.evaluation.ranges import FACTORS
from seedbed.model.stacks import smooth_clip
from seedbed.model.tree_data import TreeData
from seedbed.networks.candidate import Candidate
from seedbed.networks.draws import Draws, derive
from seedbed.networks.layers import Arrays
from seedbed.networks.mlp import MLP, Prior, Regression, Trees
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import with_inputs_of
from seedbed.training.data import TrainingData, counted_rows, some_rows

LIMIT = 3.0  # limit of the clip in front of all members
N_FOLDS = 8  # folds of the rows; each network of a member leaves out one
_MOST_BYTES = 1 << 29  # of binned inputs that are computed once


@dataclass(frozen=True, eq=False)
class Member:
    """A trained member.

    Attributes:
        candidate: its name and architecture.
        states: of its networks [network, ...], by the names in their `state_dict`.
        outputs: for the rows that a network didn't train on [row, output, network]; NaN elsewhere.
        epochs: number of epochs after which its networks are used; 0 of trees and linear models.
        curves: training and test figures [4, epoch, network], in the order of `evaluation.CURVES`.
            Test figures are of the rows left out, or of other rows if none is left out. None of
            trees and linear models.
        note: on how networks were trained; usually empty.
        clipped: whether its inputs are clipped.
    """

    candidate: Candidate
    states: Arrays
    outputs: NDArray[np.float32]
    epochs: int = 0
    curves: NDArray[np.floating] | None = None
    note: str = ""
    clipped: bool = True


def is_network(member: Candidate) -> bool:
    """Return whether a member is trained epoch by epoch: not trees, and no linear model."""
    return not isinstance(member.architecture, Trees | Regression | Prior)


def range_factor(members: Sequence[Candidate]) -> float:
    """Return the entry of `FACTORS` for a model of some members."""
    if len(members) > 1:
        return FACTORS["several"]
    architecture = members[0].architecture
    if isinstance(architecture, Trees):
        return FACTORS[architecture.method]
    if isinstance(architecture, Regression):
        return FACTORS["linear"]
    return FACTORS["prior" if isinstance(architecture, Prior) else "network"]


def trees_of(member: Candidate) -> Trees | None:
    """Return the architecture of a portfolio's member that is trees."""
    return member.architecture if isinstance(member.architecture, Trees) else None


@dataclass(frozen=True, eq=False)
class Fit:
    """A table that members are fitted to, and the split of each of their networks.

    Inputs are standardised by all rows, as they will be for new rows; this doesn't use targets.

    Attributes:
        table: the rows.
        members: the candidates; their embeddings get the inputs that the table has.
        recipe: of the members, whose words may override it.
        n_networks: networks of a member.
        random_state: decides the splits, and the seeds of networks and trees.
        weights: the weight of each row [row], or None.
        tested: other rows of the same columns, and their target: networks that leave no row out
            show their figures after each epoch. They change no network. None with weights.
        drops: whether extra trees end early if they would get no weight in a blend.
        failures: why members can't be fitted, by their names; None if the first such error is
            raised.
        trained: the trained members, by their places. Those that diverge or aren't reached in time
            are missing.
        added: by how much additions within a time limit lowered the loss of the blend, as shares
            of it, by their names.
        preprocessor: computes the inputs.
        inputs: of the rows, clipped [row, input].
        splits: the split of each network; none if rows can't be divided, and all networks train on
            all rows.
        target_scale: mean and deviation of a numeric target; 0 and 1 for classes.
    """

    table: Table
    members: tuple[Candidate, ...]
    recipe: Recipe
    n_networks: int
    random_state: int = 0
    weights: NDArray[np.float32] | None = None
    tested: Table | None = None
    drops: bool = True
    failures: dict[str, str] | None = None
    trained: dict[tuple[int, ...], Member] = field(default_factory=dict)
    added: dict[str, float] = field(default_factory=dict)
    preprocessor: Preprocessor = field(init=False)
    inputs: NDArray[np.float32] = field(init=False)
    splits: list[Split] = field(init=False)
    target_scale: tuple[float, float] = field(init=False)
    _unclipped: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        table = self.table
        preprocessor = Preprocessor.fit(self.table)
        unclipped = preprocessor.inputs_of_values(table.features)
        vars(self).update(
            preprocessor=preprocessor,
            inputs=smooth_clip(unclipped, LIMIT),
            splits=splits_of_networks(table, self.n_networks, self.random_state),
            target_scale=target_moments(table.target)
            if table.outcome.is_number
            else (0.0, 1.0),
            _unclipped=unclipped,
            members=tuple(
                with_inputs_of(member, preprocessor.layout) for member in self.members
            ),
        )

    def with_members(self, members: Sequence[Candidate]) -> Fit:
        """Return the same fit of other members, which are trained beside those that are trained
        already."""
        other = copy.copy(self)
        vars(other).update(
            members=tuple(
                with_inputs_of(member, self.preprocessor.layout) for member in members
            )
        )
        return other

    def on_other_splits(self, names: Collection[str], random_state: int) -> Fit:
        """Return the fit of some of the trained members on other splits. It grows as many trees."""
        trained = {
            self.trained[place].candidate.name: self.trained[place].candidate
            for place in sorted(self.trained)
        }
        trees = {
            name: candidate
            for name, candidate in trained.items()
            if trees_of(candidate)
        }
        members = [
            trees.get(one.name, one)
            for one in self.members
            if one.name in trained and one.name in names
        ]
        return replace(
            self, members=tuple(members), random_state=random_state, trained={}
        )

    def fail(self, member: Candidate, error: Exception) -> None:
        """Note why a member can't be fitted, or raise it."""
        if self.failures is None:
            raise error
        self.failures[member.name] = (
            error.message if isinstance(error, SeedbedError) else error_line(error)
        )

    def recipe_of(self, member: Candidate) -> Recipe:
        """Return the recipe of a member, with its own settings and those that suit the number of
        rows."""
        recipe = member.recipe(self.recipe).for_rows(self.table.n_rows)
        return (
            replace(recipe, loss="mse")
            if self.table.outcome.is_number and recipe.loss == "auto"
            else recipe
        )

    def seeds_of(self, member: Candidate) -> list[int]:
        """Return the seed of each network of a member [network]."""
        return [
            derive(self.random_state, member.name, "blend", net)
            for net in range(self.n_networks)
        ]

    @property
    def leaves_out(self) -> bool:
        """Whether networks leave out rows: not a single one, and not if rows can't be divided."""
        return self.n_networks > 1 and bool(self.splits)

    @functools.cached_property
    def _counted(self) -> list[NDArray[np.float32]]:
        """See `counted_rows`: members share them, and trees need none."""
        return counted_rows(len(self.inputs), self.splits, self.weights)

    def _standardised(self, target: NDArray[Any]) -> NDArray[Any]:
        """Return the target as members learn it: class codes, or standardised numbers."""
        mean, deviation = self.target_scale
        return (
            ((target - mean) / deviation).astype(np.float32)
            if self.table.outcome.is_number
            else target
        )

    def for_trees(self) -> TreeData:
        """Return the data that trees and linear models are fitted to. They leave out rows whenever
        these can be divided."""
        weights, splits = self.weights, self.splits
        target = self._standardised(self.table.target)
        if not splits:
            splits = [
                Split(0, 0, np.arange(len(target)), np.arange(0))
            ] * self.n_networks
        if (
            weights is not None
        ):  # rows of weight 0 have no predictions; the weights' scale means nothing to networks
            weights = (weights / weights[weights > 0].mean(dtype=np.float64)).astype(
                np.float32
            )
            splits = [
                replace(split, test=split.test[weights[split.test] > 0])
                for split in splits
            ]
        n_outputs, n_cases = self.table.n_outputs, self.table.n_cases
        categories = self.preprocessor.layout.category_inputs
        return TreeData(
            self.inputs,
            target,
            weights,
            splits,
            n_outputs,
            not self.table.outcome.is_number,
            n_cases,
            # Intervals, the last column of expanded rows, have an order.
            categories[:-1] if self.table.expanded_from else categories,
        )

    def for_member(
        self, member: Candidate, recipe: Recipe
    ) -> tuple[TrainingData, Front | None]:
        """Return the data that a network trains on, and the layer that computes its inputs, if that
        layer is separate.

        Bins depend on all rows, so they are the same for all networks and all steps, and are
        computed once.
        """
        network = member.architecture
        clipped = is_clipped(member, recipe)
        inputs = self.inputs if clipped else self._unclipped
        target = self.table.target
        splits = self.splits
        n_rows, n_inputs = inputs.shape
        if not (leaves_out := recipe.leaves_out and self.leaves_out):
            rows = test = np.arange(n_rows)
            if self.tested is not None:
                more = self.preprocessor.inputs_of_values(self.tested.features)
                inputs = np.concatenate(
                    [inputs, smooth_clip(more, LIMIT) if clipped else more]
                )
                target = np.concatenate([target, self.tested.target])
                test = np.arange(n_rows, len(inputs))
            splits = [Split(number, 0, rows, test) for number in range(self.n_networks)]
        counted = (
            self._counted
            if leaves_out
            else counted_rows(len(inputs), splits, self.weights)
        )
        plain = TrainingData(inputs, self._standardised(target), *counted)
        if (
            not leaves_out
            or not isinstance(network, MLP)
            or not network.ple
            or network.embed
        ):
            return plain, None
        layer = network.network(n_inputs, 1).layers[0]
        n_numbers = len(network.numbers or range(n_inputs))
        if (
            n_rows * n_numbers * network.ple * 4 > _MOST_BYTES or not layer.is_looking
        ):  # the table may have no numbers
            return plain, None
        edges = layer.draw(Draws(0), plain.X[some_rows(np.ones(n_rows))])
        encoded = layer(plain.X, {name: value[None] for name, value in edges.items()})[
            0
        ]
        used = np.flatnonzero((encoded != encoded[0]).any(axis=0))
        if not len(used):
            return plain, None
        return replace(plain, X=encoded[:, used]), Front(edges, used, encoded.shape[1])


def is_clipped(member: Candidate, recipe: Recipe) -> bool:
    """Return whether a member's inputs are clipped: not those of the tutorial's recipe and of a
    user's own module."""
    return not is_network(member) or (
        isinstance(member.architecture, MLP) and recipe.leaves_out
    )


@dataclass(frozen=True, eq=False)
class Front:
    """A first layer without trainable parameters, applied once before a member trains: its state,
    the units that aren't constant, as those of bins without a width are, and the number of all
    units."""

    edges: Arrays
    used: NDArray[np.int64]
    n_units: int

    def put_before(self, member: Member) -> Member:
        """Return a member that was trained behind this layer as one that begins with it."""
        n_networks = len(next(iter(member.states.values())))
        states = {
            name: np.repeat(value[None], n_networks, axis=0)
            for name, value in self.edges.items()
        }
        for name, value in member.states.items():
            place, _, rest = name.partition(".")
            if name == "0.weight":
                wide = np.zeros((*value.shape[:2], self.n_units), dtype=value.dtype)
                wide[:, :, self.used] = value
                value = wide
            states[f"{int(place) + 1}.{rest}"] = value
        return replace(member, states=states)


def splits_of_networks(table: Table, n: int, random_state: int) -> list[Split]:
    """Return a split of all rows for each of n networks; none if the rows can't be divided.

    The splits are repeated folds, so each row is left out equally often. If a class has too few
    rows or groups to be in each fold, folds aren't stratified. If rows have times, all networks
    leave out the latest rows.
    """
    rows = np.arange(table.n_rows)
    if table.times is not None:
        windows = time_folds(table.times, rows, folds=N_FOLDS - 1, groups=table.groups)
        return [Split(0, 0, *windows[-1])] * n if windows else []
    seed = derive(random_state, "blend") % 2**32
    for folds in range(N_FOLDS, 1, -1):
        repeats = -(-n // folds)
        with contextlib.suppress(
            SeedbedError
        ):  # too few rows, groups, or rows of a class for so many folds
            options = {"repeats": repeats, "folds": folds, "random_state": seed}
            return list(repeated_folds(table.target, groups=table.groups, **options))[
                :n
            ]
    return list(
        _unstratified_folds(rows if table.groups is None else table.groups, n, seed)
    )


def _unstratified_folds(
    groups: NDArray[np.int64], n: int, seed: int
) -> Iterator[Split]:
    """Yield n folds of whole groups; none if there is only one group."""
    names, of_row = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    folds = min(N_FOLDS, len(names))
    for number in range(n if folds > 1 else 0):
        if number % folds == 0:
            fold_of_row = (rng.permutation(len(names)) % folds)[of_row]
        left_out = fold_of_row == number % folds
        yield Split(
            number // folds,
            number % folds,
            np.flatnonzero(~left_out),
            np.flatnonzero(left_out),
        )
