"""Decision trees as members of a blend: `tree_growth` grows them, and they become the arrays of
`DecisionTrees`."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.evaluation.calibration import blend_weights
from seedbed.model.tree_data import (
    SMALL_TABLE,
    TreeData,
    tree_inputs,
    value_keys,
    words_of,
)
from seedbed.networks.draws import derive
from seedbed.networks.layers import Arrays, Shapes
from seedbed.networks.mlp import MLP, Trees
from seedbed.training.native.library import kernel
from seedbed.training.tree_growth import (
    GrownTrees,
    Halted,
    grow,
    has_level,
)
from seedbed.typing import Floats

_FEWEST_PERIODS = (
    20  # in a leaf of extra trees, which would else find the last period of single rows
)
MOST_ROWS = 16_384  # rows that an extra tree is fitted to; of more rows each tree gets as many, drawn with replacement
_SHARE, _MOST_INPUTS = (
    0.5,
    64,
)  # of the inputs among which a node looks for its split; the number for extra trees
_MOST_READ, _MOST_NODES = (
    1 << 22,
    1 << 17,
)  # inputs and nodes of a call of the kernel, after which trees may be halted
_MOST_CACHED = 1 << 17  # inputs of rows that walk through trees at a time
_MOST_LANES = 16  # rows that the kernel sends through a tree at once, at most; of fewer rows each walks by itself
_LARGE_TABLE = 12_000  # rows from which on boosted trees are large
_DISTANCE = 4e-6  # of a threshold from the inputs of rows, where they leave space: more than roundings of inputs
_TIMED = 5  # trees that are fitted to know how long one takes
_WAIT = 10  # iterations without a lower loss that end boosting
LEAST = 1e-4  # probability at least; pure leaves would give infinite logits
_ARRAYS = (
    "feature",
    "threshold",
    "left",
    "value",
    "sets",
)  # of `DecisionTrees`, in states
_SMOOTHING, _SET_PENALTY = (
    10.0,
    10.0,
)  # rows of mean gradient 0 added to each level before levels are sorted; penalty of a set's leaves
_LEAST_WEIGHT = 0.02  # of extra trees beside boosted ones, for the rows of the first split, without which they end


@dataclasses.dataclass(frozen=True, eq=False)
class DecisionTrees:
    """Decision trees, whose leaves are added up.

    A node compares one feature of `tree_inputs` with a threshold: rows with more than the threshold
    go to the node `left + 1`, others to `left`. Of a category, the threshold is the number of a
    set, and rows whose level is in it go to `left + 1`. A leaf leads to itself. The trees begin at
    the first nodes.

    Attributes:
        architecture: with the number of trees, their depth, and whether the sum of leaves is
            probabilities; the outputs are their logits.
        feature, threshold, left: of each node [node].
        value: of each leaf [node, output].
        sets: the levels of each set, a bit each [set, word].
    """

    architecture: Trees
    feature: NDArray[np.int32]
    threshold: NDArray[np.floating]
    left: NDArray[np.int32]
    value: NDArray[np.floating]
    sets: NDArray[np.int32] = dataclasses.field(
        default_factory=lambda: np.zeros((0, 0), dtype=np.int32)
    )

    @classmethod
    def stacked(
        cls, trees: Trees, states: Mapping[str, NDArray[Any]]
    ) -> list[DecisionTrees]:
        """Return the trees of each network of states [network, ...]."""
        names = [f"0.{name}" for name in _ARRAYS if f"0.{name}" in states]
        arrays = [states[name] for name in names]
        return [cls(trees, *each) for each in zip(*arrays, strict=True)]

    def __call__(self, X: NDArray[np.floating]) -> Floats:
        """Return the outputs [row, output] for inputs X [row, input]."""
        X = tree_inputs(X, self.architecture.categories)
        total = np.zeros((len(X), self.value.shape[1]))
        n_rows = max(1, _MOST_CACHED // X.shape[1])
        for start in range(0, len(X), n_rows):
            self._add_leaves(
                np.ascontiguousarray(X[start : start + n_rows]),
                total[start : start + n_rows],
            )
        if not self.architecture.probabilities:
            return np.asarray(total)
        if total.shape[1] > 1:
            return np.asarray(np.log(np.maximum(total, LEAST)))
        yes = np.clip(total, LEAST, 1 - LEAST)
        return np.asarray(np.log(yes / (1 - yes)))

    def _add_leaves(self, X: NDArray[np.floating], total: Floats) -> None:
        """Add the values of the leaves that rows reach, tree by tree. Whatever a damaged file says,
        nothing else than its nodes is read."""
        n_nodes = len(self.left)
        depth = self.architecture.depth
        n_trees = min(self.architecture.n_trees, n_nodes)
        n_categories = len(self.architecture.categories)
        library = kernel("float32" if X.itemsize == 4 else "float64").library
        if library is None:
            at = np.tile(np.arange(n_trees), (len(X), 1))
            for _ in range(depth):
                feature = self.feature[at]
                left = self.left[at].astype(np.int64)
                is_inner = (left != at) & (feature >= 0) & (feature < X.shape[1])
                values = np.take_along_axis(X, np.where(is_inner, feature, 0), axis=1)
                threshold = self.threshold[at]
                goes_right = values > threshold
                is_set = is_inner & (feature >= X.shape[1] - n_categories)
                is_set &= (threshold >= 0) & (threshold < len(self.sets))
                sets = threshold[is_set].astype(np.int64)
                goes_right[is_set] = has_level(
                    self.sets.view(np.uint32)[sets], values[is_set]
                )
                child = left + (is_inner & goes_right)
                at = np.where((child >= 0) & (child < n_nodes), child, at)
            for leaves in at.T:
                total += self.value[leaves]
            return
        kinds = (
            (self.feature, np.int32),
            (self.threshold, X.dtype),
            (self.left, np.int32),
            (self.value, X.dtype),
            (self.sets, np.int32),
        )
        nodes = [np.ascontiguousarray(values, dtype) for values, dtype in kinds]
        *pointers, sets = (values.ctypes.data for values in nodes)
        sizes = (n_nodes, n_trees, depth, total.shape[1])
        columns = (
            np.empty((len(X) + _MOST_LANES, X.shape[1]), np.float32)
            if len(X) >= _MOST_LANES
            else np.empty(0)
        )
        memory = columns.ctypes.data if columns.size else None
        library.add_leaves(
            X.ctypes.data,
            *X.shape,
            *pointers,
            *sizes,
            sets,
            *self.sets.shape,
            n_categories,
            total.ctypes.data,
            memory,
        )


def tree_shapes(trees: Trees, n_outputs: int) -> Shapes:
    """Return the shapes of the arrays of `DecisionTrees`, by their names in states."""
    nodes = dict.fromkeys(("0.feature", "0.threshold", "0.left"), (trees.n_nodes,))
    shapes = {**nodes, "0.value": (trees.n_nodes, n_outputs)}
    if trees.categories:
        shapes["0.sets"] = trees.n_sets, words_of(trees.categories)
    return shapes


class FittedMember(NamedTuple):
    """Trees, with their numbers of nodes and steps, or linear models, one for each network; see
    `Member`."""

    architecture: MLP | Trees
    states: Arrays
    outputs: NDArray[np.float32]


def fit_trees(
    trees: Trees,
    data: TreeData,
    *,
    random_state: int,
    jobs: int,
    rival: FittedMember | None = None,
    until: float | None = None,
    halted: Halted | None = None,
) -> FittedMember | None:
    """Fit trees for each network to the training rows of its split.

    The rows left out decide how many boosting iterations there are. Their number is given if the
    trees were fitted before, to other splits.

    Args:
        jobs: number of threads.
        rival: other trees of the same splits. Extra trees that get no weight beside them for the
            rows of the first split end there.
        until: a time of `time.monotonic` after which boosting does no more iterations. Trees that
            would take longer, by the time of one, aren't fitted.
        halted: becomes 1 if the trees aren't needed any more; then they end soon.

    Returns:
        None if extra trees ended early, or there isn't enough time.
    """
    seeds = [
        derive(random_state, trees.method, number) % 2**32
        for number in range(len(data.splits))
    ]
    n_least = (
        data.round_size
        if trees.method == "boosted" and not trees.n_nodes
        else trees.n_trees
    )
    if (
        until is not None
        and time.monotonic() + tree_seconds(trees, data) * n_least * len(seeds) / jobs
        > until
    ):
        return None
    halted = np.zeros(1, dtype=np.int32) if halted is None else halted
    with ThreadPoolExecutor(jobs) as pool:
        try:
            if trees.method == "boosted":
                each = _boosted(trees, data, seeds, pool, until, halted)
            else:
                fit = functools.partial(_extra, trees, data, halted=halted)
                each = [pool.submit(fit, data.splits[0], seeds[0]).result()]
                if rival is not None and _is_beaten(each[0], rival, data):
                    return None
                each += pool.map(fit, data.splits[1:], seeds[1:])
        except BaseException:
            halted[:] = 1
            raise
    outputs = data.left_out(
        fitted(data.X[split.test])
        for fitted, split in zip(each, data.splits, strict=True)
    )
    of_each = [
        {
            name: getattr(fitted, name.removeprefix("0."))[None]
            for name in tree_shapes(fitted.architecture, data.n_outputs)
        }
        for fitted in each
    ]
    architecture, states = pad_trees([fitted.architecture for fitted in each], of_each)
    joined = {
        name: np.concatenate([state[name] for state in states]) for name in states[0]
    }
    return FittedMember(architecture, joined, outputs)


def tree_seconds(trees: Trees, data: TreeData) -> float:
    """Return the time that one core takes for a tree of one network, or for a boosting iteration
    [s]. A few are fitted for that alone."""
    started = time.monotonic()
    split = data.splits[0]
    if trees.method == "extra":
        _extra(
            dataclasses.replace(trees, n_trees=_TIMED),
            data,
            split,
            0,
            np.zeros(1, dtype=np.int32),
        )
    else:
        _Boosting(trees, data, split, 0, np.zeros(1, dtype=np.int32)).grow(_TIMED)
    return (time.monotonic() - started) / _TIMED


def _extra(
    trees: Trees, data: TreeData, split: Split, seed: int, halted: Halted
) -> DecisionTrees:
    """Fit extra trees. Of many rows, each tree gets some, drawn with replacement."""
    rows = split.train[data.counts[split.train] > 0]
    n_inputs = len(data.inputs)
    numbers = data.numbers
    share = min(_SHARE, _MOST_INPUTS / n_inputs)
    many = len(rows) > MOST_ROWS
    parts = list[GrownTrees]()
    at_once = 1 if many else max(1, _MOST_NODES // (2 * len(rows)))
    for first in range(0, trees.n_trees, at_once):
        some = rows
        weights = data.counts[rows]
        if many:
            drawn = np.random.default_rng([seed, first]).integers(
                len(rows), size=MOST_ROWS
            )
            some, times = np.unique(rows[drawn], return_counts=True)
            weights = data.counts[some] * times
        counts, power = _whole(weights)
        targets = data.y[some].astype(np.int64)
        of_targets = power
        if not data.of_classes:
            targets, of_targets = _whole(weights * numbers[some])
        elif data.n_outputs == 1:
            targets *= counts
        n_trees = min(at_once, trees.n_trees - first)
        parts.append(
            grow(
                n_trees * (2 * len(some) - 1),
                data.n_outputs,
                X=data.sorted_inputs,
                n_levels=data.n_levels,
                n_words=words_of(data.categories),
                train=some.astype(np.int32),
                y=numbers,
                counts=np.maximum(counts, 1),
                targets=targets,
                n_rows=len(numbers),
                n_train=len(some),
                n_inputs=n_inputs,
                n_outputs=data.n_outputs,
                n_trees=n_trees,
                first=first,
                n_sampled=max(1, int(share * n_inputs)),
                n_leaves=0,
                least=1 if data.size == len(data.y) else _FEWEST_PERIODS,
                halted=halted,
                unit=2.0 ** (power - of_targets) / trees.n_trees,
                seed=seed,
            )
        )
    grown = GrownTrees.joined(parts)
    _keep_distance(grown, data)
    return _in_order(trees, grown, data, probabilities=data.of_classes)


def _keep_distance(grown: GrownTrees, data: TreeData) -> None:
    """Move thresholds away from the values of rows. Other programs and precisions compute inputs
    with other roundings, and each row is to go the same way in all of them."""
    inner = np.flatnonzero(grown.left >= 0)
    inner = inner[data.n_levels[grown.feature[inner]] == 0]
    values = np.concatenate(data.values)
    thresholds = grown.threshold[inner]
    above = np.searchsorted(
        data.sorted_values, value_keys(grown.feature[inner], thresholds), side="right"
    )
    low, high = (values[place].astype(np.float64) for place in (above - 1, above))
    distance = np.minimum((high - low) / 2, _DISTANCE)
    grown.threshold[inner] = thresholds.clip(low + distance, high - distance)


def _whole(values: Floats) -> tuple[NDArray[np.int64], int]:
    """Return values times a power of 2 as whole numbers whose sum is below 2^53, and the power."""
    power = 52 - math.frexp(float(np.abs(values).sum()))[1]
    return np.rint(np.ldexp(values, power)).astype(np.int64), power


class _Boosting:
    """Boosted trees of a split, as far as they have grown."""

    def __init__(
        self, trees: Trees, data: TreeData, split: Split, seed: int, halted: Halted
    ) -> None:
        self.data, self.split = data, split
        bins, self.edges = data.bins[split.fold % len(data.bins)]
        self.n_iterations = 0
        self.parts = list[GrownTrees]()
        self.level = data.level(split.train, LEAST)
        n_inputs = len(data.inputs)
        bits = len(split.train).bit_length()
        heaviest = float(data.counts[split.train].max())
        off = (
            1.0
            if data.of_classes
            else 4 * float(np.abs(data.numbers[split.train] - self.level).max())
        )
        # Sums of gradients and curvatures stay below 2^53, and of curvatures with the number of
        # rows below 2^63.
        of_slope, of_curve = min(50, 53 - bits), min(50, 53 - bits, 62 - 2 * bits)
        n_leaves, rate, least = growth(trees, data)
        self.arguments: dict[str, Any] = {
            "X": bins,
            "n_levels": data.n_levels,
            "n_words": words_of(data.categories),
            "y": data.numbers,
            "weights": data.counts,
            "train": split.train.astype(np.int32),
            "test": split.test.astype(np.int32),
            "outputs": np.tile(self.level, (len(data.y), 1)),
            "seed": seed,
            "n_bins": np.array([len(each) + 1 for each in self.edges], dtype=np.int32),
            "n_rows": len(data.y),
            "n_train": len(split.train),
            "n_test": len(split.test),
            "n_inputs": n_inputs,
            "n_outputs": data.n_outputs,
            "n_sampled": math.ceil(_SHARE * n_inputs),
            "least": least,
            "n_leaves": n_leaves,
            "rate": rate,
            "penalty": 1.0,
            "smoothing": _SMOOTHING,
            "set_penalty": _SET_PENALTY,
            "of_classes": int(data.of_classes),
            "count_bits": bits,
            "most": 2**of_slope,
            "slope": 2.0 ** (of_slope - math.frexp(off * heaviest)[1]),
            "curve": 2.0 ** (of_curve - math.frexp(heaviest)[1]),
            "halted": halted,
        }

    def grow(self, n_iterations: int) -> Floats:
        """Grow trees until there are so many iterations; return the losses of rows left out after
        each further one."""
        data = self.data
        split = self.split
        losses = list[Floats]()
        at_once = max(1, _MOST_READ // (data.inputs.size * data.n_outputs))
        while (more := min(n_iterations - self.n_iterations, at_once)) > 0:
            n_trees, first = more * data.n_outputs, self.n_iterations * data.n_outputs
            rows = np.tile(split.test, more)
            tested = np.empty((more, len(split.test), data.n_outputs))
            n_nodes = n_trees * (2 * self.arguments["n_leaves"] - 1)
            options = {"n_trees": n_trees, "first": first}
            self.parts.append(
                grow(n_nodes, 1, tested=tested, **options, **self.arguments)
            )
            self.n_iterations += more
            each = (
                data.losses(tested.reshape(-1, data.n_outputs), rows)
                * data.counts[rows]
            )
            losses.append(each.reshape(more, -1).sum(axis=1))
        return np.concatenate(losses)

    def trees(self, trees: Trees, n_iterations: int) -> DecisionTrees:
        """Return the first iterations."""
        edges, K = self.edges, self.data.n_outputs
        grown = GrownTrees.joined(self.parts).first(n_iterations * K)
        inner = np.flatnonzero(grown.left >= 0)
        inner = inner[self.data.n_levels[grown.feature[inner]] == 0]
        starts = np.cumsum([0, *map(len, edges)])
        places = starts[grown.feature[inner]] + grown.threshold[inner].astype(np.int64)
        grown.threshold[inner] = np.concatenate(edges)[places]
        tree = np.repeat(np.arange(len(grown.sizes)), grown.sizes)
        is_own = np.arange(K) == tree[:, None] % K
        value = np.where(
            is_own, grown.value + np.where(tree[:, None] < K, self.level, 0), 0
        ).astype(np.float32)
        grown = grown._replace(value=value)
        return _in_order(trees, grown, self.data, probabilities=False)


def growth(trees: Trees, data: TreeData) -> tuple[int, float, int]:
    """Return how many leaves boosted trees have, their learning rate, and how many rows a leaf has
    at least."""
    if trees.most_leaves:
        return trees.most_leaves, 0.05, 2
    if data.size < SMALL_TABLE:
        return 4, 0.2, 5
    if data.size >= _LARGE_TABLE:
        return 31, 0.15, 20
    return 15, 0.1, 2


def _boosted(
    trees: Trees,
    data: TreeData,
    seeds: Sequence[int],
    pool: ThreadPoolExecutor,
    until: float | None,
    halted: Halted,
) -> list[DecisionTrees]:
    data.bins  # noqa: B018 - before threads want them
    each = [
        _Boosting(trees, data, split, seed, halted)
        for split, seed in zip(data.splits, seeds, strict=True)
    ]
    is_given = trees.n_nodes > 0  # the number of iterations
    most = trees.n_trees // data.n_outputs if is_given else trees.n_trees
    losses = np.zeros(0)
    best = -1
    while (
        (n := len(losses)) < most
        and best >= n - _WAIT
        and (not n or until is None or time.monotonic() < until)
    ):
        n = most if is_given else min(n + data.round_size, most)
        losses = np.append(losses, sum(pool.map(lambda one, n=n: one.grow(n), each)))
        best = int(np.argmin(losses))
    return [one.trees(trees, most if is_given else best + 1) for one in each]


def _in_order(
    trees: Trees, grown: GrownTrees, data: TreeData, *, probabilities: bool
) -> DecisionTrees:
    """Return trees in one row of nodes, which begins with their first nodes, and each set of levels
    once."""
    sizes = grown.sizes
    is_leaf = grown.left < 0
    n_trees = len(grown.sizes)
    starts, before = (
        np.repeat(each, sizes)
        for each in (np.cumsum(sizes) - sizes, np.arange(n_trees))
    )
    numbers = np.arange(len(starts)) - starts
    later = (
        n_trees + starts - before - 1
    )  # what is added to the number of a node that isn't its tree's first
    place = np.where(numbers == 0, before, later + numbers)
    left = later + grown.left
    at = starts[numbers == 0]
    depth = 0
    while len(at := at[~is_leaf[at]]):
        at = np.add.outer((0, 1), starts[at] + grown.left[at]).ravel()
        depth = depth + 1
    is_set = ~is_leaf & (data.n_levels[grown.feature] > 0)
    sets, numbers = np.unique(grown.sets[is_set], axis=0, return_inverse=True)
    grown.threshold[is_set] = numbers
    nodes = np.argsort(place)
    most = np.finfo(np.float32).max  # no input is above it
    return DecisionTrees(
        Trees(
            trees.method,
            n_trees,
            len(nodes),
            depth,
            probabilities,
            data.categories,
            len(sets),
            trees.most_leaves,
        ),
        np.where(is_leaf, 0, grown.feature)[nodes].astype(np.int32),
        np.where(is_leaf, most, grown.threshold)[nodes].astype(np.float32),
        np.where(is_leaf, place, left)[nodes].astype(np.int32),
        grown.value[nodes],
        sets.view(np.int32),
    )


def _is_beaten(trees: DecisionTrees, rival: FittedMember, data: TreeData) -> bool:
    """Return whether trees get no weight beside others, for the rows that the first split leaves
    out."""
    rows = data.splits[0].test
    if not len(rows):
        return False
    both = [rival.outputs[rows, :, 0].astype(np.float64), trees(data.X[rows])]
    _, weight = blend_weights(
        [data.predicted(outputs) for outputs in both], data.y[rows], data.counts[rows]
    )
    return bool(weight < _LEAST_WEIGHT)


def pad_trees(
    each: Sequence[Trees], states: Sequence[Arrays]
) -> tuple[Trees, list[Arrays]]:
    """Return one architecture for equally many trees, and their states [network, ...] filled up
    with unused leaves and sets."""
    most = {
        name: max(getattr(trees, name) for trees in each)
        for name in ("n_nodes", "depth", "n_sets")
    }

    def filled(name: str, value: NDArray[Any]) -> NDArray[Any]:
        n_filled = most["n_sets" if name == "0.sets" else "n_nodes"]
        unused = np.zeros(
            (len(value), n_filled - value.shape[1], *value.shape[2:]), dtype=value.dtype
        )
        if name == "0.left":
            unused += np.arange(value.shape[1], n_filled, dtype=value.dtype)
        return np.concatenate([value, unused], axis=1)

    wide = [
        {name: filled(name, value) for name, value in state.items()} for state in states
    ]
    return dataclasses.replace(each[0], **most), wide
