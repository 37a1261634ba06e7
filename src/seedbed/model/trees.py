"""Decision trees as members of a blend: scikit-learn fits them, and they become the arrays of `DecisionTrees`."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.data.splits import Split
from seedbed.evaluation.calibration import blend_weights
from seedbed.networks.draws import derive
from seedbed.networks.layers import Arrays, Shapes
from seedbed.networks.mlp import MLP, Trees
from seedbed.training.native.library import kernel
from seedbed.training.parallel import single_threads
from seedbed.typing import Floats

FEW_ROWS = 1_500
"""Rows below which boosted trees are small."""
_FEWEST_PERIODS = 20  # in a leaf of extra trees, which would else find the last period of single rows
MOST_ROWS = 16_384
"""Rows that an extra tree is fitted to; of more rows each tree gets as many, drawn with replacement."""
_SHARE, _MOST_INPUTS = 0.5, 64  # of the inputs among which a node looks for its split; the number for extra trees
_MOST_VALUES, _MOST_CACHED = 1 << 20, 1 << 17  # values of leaves, and inputs, at a time
_DISTANCE = 4e-6  # of a threshold from the inputs of rows, where they leave space: more than roundings of inputs
_ROUND, _SMALL_ROUND = 25, 50  # boosting iterations after which rows left out decide whether more may help
_TIMED = 5  # trees that are fitted to know how long one takes
_WAIT = 10  # iterations without a lower loss that end boosting
LEAST = 1e-4
"""Probability at least; pure leaves would give infinite logits."""
_LEAST_WEIGHT = 0.02  # of extra trees beside boosted ones, for the rows of the first split, without which they end


@dataclasses.dataclass(frozen=True, eq=False)
class TreeData:
    """What trees are fitted to.

    Attributes:
        X: inputs [row, input].
        y: classes, or standardised numbers [row].
        weights: the weight of each row [row], or None.
        splits: of each network.
        n_outputs: outputs of a row.
        of_classes: whether the target is classes.
        n_cases: of person-periods, the number of rows that they are of.
    """

    X: NDArray[np.float32]
    y: NDArray[Any]
    weights: NDArray[np.float32] | None
    splits: Sequence[Split]
    n_outputs: int
    of_classes: bool
    n_cases: int | None = None

    @property
    def size(self) -> int:
        """The number of independent rows."""
        return len(self.y) if self.n_cases is None else self.n_cases

    @functools.cached_property
    def values(self) -> list[NDArray[np.float32]]:
        """Return the values of each input, sorted."""
        return [np.unique(column) for column in self.X.T]

    @functools.cached_property
    def counts(self) -> Floats:
        """The weight of each row [row], 1 without weights."""
        return np.ones(len(self.y)) if self.weights is None else self.weights.astype(np.float64)

    def training(self, split: Split) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[Any] | None]:
        """Return inputs [row, input], target [row] and weights [row] of training rows; None if all weigh the same.

        Each class without a row of positive weight gets a copy of the first row's inputs, with a weight so small that
        the class has the probability `LEAST`.
        """
        rows, counts = split.train, self.counts[split.train]
        weights = None if self.weights is None else self.weights[rows]
        n_classes = max(2, self.n_outputs) if self.of_classes else 0
        lacking = np.setdiff1d(np.arange(n_classes), self.y[rows[counts > 0]])
        if not len(lacking):
            return self.X[rows], self.y[rows], weights
        more = np.full(len(lacking), LEAST * counts.sum())
        X = np.concatenate([self.X[rows], self.X[np.repeat(rows[:1], len(lacking))]])
        return X, np.concatenate([self.y[rows], lacking]), np.concatenate([counts, more])

    def predicted(self, outputs: Floats) -> Floats:
        """Return probabilities [row, class], or numbers [row], of outputs [row, output]."""
        if not self.of_classes:
            return np.asarray(outputs[:, 0])
        from scipy.special import softmax

        logits = outputs if self.n_outputs > 1 else np.column_stack([np.zeros(len(outputs)), outputs])
        return np.asarray(softmax(logits, axis=1))

    def losses(self, outputs: Floats, rows: NDArray[np.int64]) -> Floats:
        """Return the loss of each row [row] by outputs [row, output]."""
        predicted, target = self.predicted(outputs), self.y[rows]
        if not self.of_classes:
            return np.asarray((predicted - target) ** 2)
        return np.asarray(-np.log(np.maximum(predicted[np.arange(len(rows)), target], 1e-7)))


@dataclasses.dataclass(frozen=True, eq=False)
class DecisionTrees:
    """Decision trees, whose leaves are added up.

    A node compares one feature with a threshold: rows with more than the threshold go to the node `left + 1`, others to
    `left`. A leaf leads to itself. The trees begin at the first nodes.

    Attributes:
        architecture: with the number of trees, their depth, and whether the sum of leaves is probabilities; the outputs
            are their logits.
        feature, threshold, left: of each node [node].
        value: of each leaf [node, output].
    """

    architecture: Trees
    feature: NDArray[np.int32]
    threshold: NDArray[np.floating]
    left: NDArray[np.int32]
    value: NDArray[np.floating]

    @classmethod
    def stacked(cls, trees: Trees, states: Mapping[str, NDArray[Any]]) -> list[DecisionTrees]:
        """Return the trees of each network of states [network, ...]."""
        names = ("feature", "threshold", "left", "value")
        return [cls(trees, *each) for each in zip(*(states[f"0.{name}"] for name in names), strict=True)]

    def leaves(self, X: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the leaf that each row of inputs [row, input] reaches in each tree [row, tree]."""
        n_trees, depth = self.architecture.n_trees, self.architecture.depth
        library = kernel(X.dtype.name).library
        if library is None or n_trees > len(self.left):
            at = np.tile(np.arange(n_trees), (len(X), 1))
            for _ in range(depth):
                more = np.take_along_axis(X, self.feature[at], axis=1) > self.threshold[at]
                at = self.left[at].astype(np.int64) + more
            return at
        # The kernel finds them in a tenth of the time.
        X, leaves = np.ascontiguousarray(X), np.empty((len(X), n_trees), dtype=np.int64)
        pairs = (self.feature, np.int32), (self.threshold, X.dtype), (self.left, np.int32)
        nodes = [np.ascontiguousarray(values, dtype) for values, dtype in pairs]
        pointers = [values.ctypes.data for values in nodes]
        n_rows = max(1, _MOST_CACHED // X.shape[1])
        for start in range(0, len(X), n_rows):
            of_rows = X[start : start + n_rows], leaves[start : start + n_rows]
            x, found = (values.ctypes.data for values in of_rows)
            library.walk(x, *of_rows[0].shape, *pointers, len(self.left), n_trees, depth, found)
        return leaves

    def pieces(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Return rows in pieces, of which the leaves and their values take some megabytes."""
        n = max(1, _MOST_VALUES // (self.architecture.n_trees * self.value.shape[1]))
        return [rows[start : start + n] for start in range(0, max(len(rows), 1), n)]

    def __call__(self, X: NDArray[np.floating]) -> Floats:
        """Return the outputs [row, output] for inputs X [row, input]."""
        sums = [self.value.take(self.leaves(x), axis=0).sum(axis=1, dtype=np.float64) for x in self.pieces(X)]
        total = np.concatenate(sums)
        if not self.architecture.probabilities:
            return np.asarray(total)
        if total.shape[1] > 1:
            return np.asarray(np.log(np.maximum(total, LEAST)))
        yes = np.clip(total, LEAST, 1 - LEAST)
        return np.asarray(np.log(yes / (1 - yes)))


def tree_shapes(trees: Trees, n_outputs: int) -> Shapes:
    """Return the shapes of the arrays of `DecisionTrees`, by their names in states."""
    nodes = dict.fromkeys(("0.feature", "0.threshold", "0.left"), (trees.n_nodes,))
    return {**nodes, "0.value": (trees.n_nodes, n_outputs)}


class FittedMember(NamedTuple):
    """Trees or linear models, one for each network.

    Attributes:
        architecture: of trees, with the number of trees, nodes and steps.
        states: of the networks [network, ...], by the names in their `state_dict`.
        outputs: for the rows that a network wasn't fitted to [row, output, network]; NaN elsewhere.
    """

    architecture: MLP | Trees
    states: Arrays
    outputs: NDArray[np.float32]


class _Nodes(NamedTuple):
    """The nodes of several trees [node]. A leaf has no children, which is -1."""

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats  # [node, output]
    roots: NDArray[np.int64]

    @classmethod
    def joined(cls, trees: Iterable[_Nodes]) -> _Nodes:
        trees = list(trees)
        starts = itertools.accumulate((len(tree.left) for tree in trees), initial=0)
        numbers = ("left", "right", "roots")  # of nodes
        trees = [
            tree._replace(**{name: np.where((part := getattr(tree, name)) < 0, -1, part + start) for name in numbers})
            for tree, start in zip(trees, starts, strict=False)
        ]
        return cls(*(np.concatenate(parts) for parts in zip(*trees, strict=True)))

    def in_order(self, trees: Trees, values: Sequence[NDArray[np.float32]], *, probabilities: bool) -> DecisionTrees:
        """Return the trees with nodes that are ordered by their depth, so that siblings are neighbours.

        Args:
            trees: of which these are some.
            values: of each input, sorted. Thresholds keep a distance from them, as other programs and precisions
                compute inputs with other roundings, and each row is to go the same way in all of them.
        """
        for number in np.unique(self.feature[self.left >= 0]):
            at = (self.feature == number) & (self.left >= 0)
            above = np.searchsorted(values[number], self.threshold[at], side="right").clip(1, len(values[number]) - 1)
            low, high = (values[number][place].astype(np.float64) for place in (above - 1, above))
            distance = np.minimum((high - low) / 2, _DISTANCE)
            self.threshold[at] = self.threshold[at].clip(low + distance, high - distance)
        levels = [self.roots]
        while len(inner := levels[-1][self.left[levels[-1]] >= 0]):
            levels.append(np.column_stack([self.left[inner], self.right[inner]]).ravel())
        order = np.concatenate(levels)
        place = np.empty(len(self.left), dtype=np.int64)
        place[order] = np.arange(len(order))
        is_leaf = self.left[order] < 0
        most = np.finfo(np.float32).max  # no input is above it
        return DecisionTrees(
            Trees(trees.method, len(self.roots), len(order), len(levels) - 1, probabilities),
            np.where(is_leaf, 0, self.feature[order]).astype(np.int32),
            np.where(is_leaf, most, self.threshold[order]).astype(np.float32),
            np.where(is_leaf, np.arange(len(order)), place[self.left[order]]).astype(np.int32),
            self.value[order].astype(np.float32),
        )


def fit_trees(
    trees: Trees,
    data: TreeData,
    *,
    random_state: int,
    jobs: int,
    rival: FittedMember | None = None,
    until: float | None = None,
) -> FittedMember | None:
    """Fit trees for each network to the training rows of its split.

    The rows left out decide how many boosting iterations there are. Their number is given if the trees were fitted
    before, to other splits.

    Args:
        jobs: number of threads.
        rival: other trees of the same splits. Extra trees that get no weight beside them for the rows of the first
            split end there.
        until: a time of `time.monotonic` after which boosting does no more iterations. Trees that would take longer, by
            the time of one, aren't fitted.

    Returns:
        None if extra trees ended early, or there isn't enough time.
    """
    seeds = [derive(random_state, trees.method, number) % 2**32 for number in range(len(data.splits))]
    n_least = _round_size(data) if trees.method == "boosted" and not trees.n_nodes else trees.n_trees
    if until is not None and time.monotonic() + tree_seconds(trees, data) * n_least * len(seeds) / jobs > until:
        return None
    with ThreadPoolExecutor(jobs) as pool:
        if trees.method == "boosted":
            each = _boosted(trees, data, seeds, pool, until)
        else:
            fit = functools.partial(_extra, trees, data)
            each = [fit(data.splits[0], seeds[0])]
            if rival is not None and _is_beaten(each[0], rival, data):
                return None
            each += pool.map(fit, data.splits[1:], seeds[1:])
    return _stacked(each, data)


def tree_seconds(trees: Trees, data: TreeData) -> float:
    """Return the time that one core takes for a tree of one network, or for a boosting iteration [s]. A few are fitted
    for that alone."""
    started, split = time.monotonic(), data.splits[0]
    if trees.method == "extra":
        _extra(dataclasses.replace(trees, n_trees=_TIMED), data, split, 0)
    else:
        with single_threads("openmp"):
            first = booster(data.of_classes, data.size, 0).set_params(max_iter=_TIMED)
            X, y, weights = data.training(split)
            first.fit(X, y, sample_weight=weights)
    return (time.monotonic() - started) / _TIMED


def _extra(trees: Trees, data: TreeData, split: Split, seed: int) -> DecisionTrees:
    """Fit extra trees. Two classes are fitted as numbers, whose squared error is half of the Gini impurity."""
    from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

    random, several = np.random.RandomState(seed), data.of_classes and data.n_outputs > 1
    kind = ExtraTreeClassifier if several else ExtraTreeRegressor
    X, target, weights = data.training(split)
    share = min(_SHARE, _MOST_INPUTS / X.shape[1])
    fewest = 1 if data.size == len(data.y) else _FEWEST_PERIODS
    y, each = target[:, None].astype(np.float64), []
    for tree_seed in random.randint(np.iinfo(np.int32).max, size=trees.n_trees):
        counts = np.ones(len(X)) if weights is None else weights.astype(np.float64)
        if len(X) > MOST_ROWS:
            draws = np.random.RandomState(tree_seed).randint(len(X), size=MOST_ROWS)
            counts *= np.bincount(draws, minlength=len(X))
        # A forest checks the rows again for each tree, which takes longer than growing a small one.
        tree = kind(max_features=share, random_state=tree_seed, min_samples_leaf=fewest)
        nodes = tree.fit(X, y, sample_weight=counts, check_input=False).tree_
        children, root = (nodes.children_left, nodes.children_right), np.zeros(1, dtype=np.int64)
        value = nodes.value.reshape(nodes.node_count, -1) / trees.n_trees
        each.append(_Nodes(nodes.feature, nodes.threshold, *children, value, root))
    return _Nodes.joined(each).in_order(trees, data.values, probabilities=data.of_classes)


def booster(of_classes: bool, n_rows: int, seed: int) -> Any:
    """Return an estimator for a table of so many rows. It isn't fitted."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Callable[..., Any] = HistGradientBoostingClassifier if of_classes else HistGradientBoostingRegressor
    growth = {"early_stopping": False, "warm_start": True, "max_features": _SHARE}
    n_leaves, rate, least = (4, 0.2, 5) if n_rows < FEW_ROWS else (15, 0.1, 2)
    leaves = {"max_leaf_nodes": n_leaves, "min_samples_leaf": least, "l2_regularization": 1.0}
    return kind(learning_rate=rate, random_state=seed, **growth, **leaves)


def _round_size(data: TreeData) -> int:
    """Return the number of boosting iterations of a round, at whose start inputs are divided into bins."""
    return _ROUND if data.size >= FEW_ROWS else _SMALL_ROUND


def _boosted(
    trees: Trees, data: TreeData, seeds: Sequence[int], pool: ThreadPoolExecutor, until: float | None
) -> list[DecisionTrees]:
    ensembles = [booster(data.of_classes, data.size, seed) for seed in seeds]

    def grow(n_iterations: int, ensemble: Any, split: Split) -> Floats:
        """Grow more trees; return the sums of the losses of the rows left out, after each iteration."""
        with single_threads("openmp"):
            ensemble.set_params(max_iter=n_iterations)
            X, y, weights = data.training(split)
            ensemble.fit(X, y, sample_weight=weights)
        grown, total = _of_iterations(trees, ensemble, n_iterations, data), np.zeros(n_iterations)
        for rows in grown.pieces(split.test):
            leaves = grown.leaves(data.X[rows]).reshape(len(rows), n_iterations, data.n_outputs)
            steps = grown.value[leaves, np.arange(data.n_outputs)]
            outputs = steps.cumsum(axis=1, dtype=np.float64)  # [row, iteration, output]
            total += [
                np.sum(data.losses(outputs[:, number], rows) * data.counts[rows]) for number in range(n_iterations)
            ]
        return total

    is_given = trees.n_nodes > 0  # the number of iterations
    most = trees.n_trees // data.n_outputs if is_given else trees.n_trees
    n, best = 0, -1
    while n < most and best >= n - _WAIT and (not n or until is None or time.monotonic() < until):
        n = most if is_given else min(n + _round_size(data), most)
        best = int(np.argmin(sum(pool.map(functools.partial(grow, n), ensembles, data.splits))))
    return [_of_iterations(trees, ensemble, most if is_given else best + 1, data) for ensemble in ensembles]


def _of_iterations(trees: Trees, ensemble: Any, n: int, data: TreeData) -> DecisionTrees:
    """Return the first iterations of boosted trees, whose nodes scikit-learn keeps to itself."""
    each = []
    for number, iteration in enumerate(ensemble._predictors[:n]):
        for output, predictor in enumerate(iteration):
            nodes = predictor.nodes
            value = np.zeros((len(nodes), data.n_outputs))
            value[:, output] = nodes["value"] + (ensemble._baseline_prediction.ravel()[output] if number == 0 else 0.0)
            left, right = (np.where(nodes["is_leaf"], -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
            feature = np.where(nodes["is_leaf"], -1, nodes["feature_idx"].astype(np.int64))
            root = np.zeros(1, dtype=np.int64)
            each.append(_Nodes(feature, nodes["num_threshold"].astype(np.float64), left, right, value, root))
    return _Nodes.joined(each).in_order(trees, data.values, probabilities=False)


def _is_beaten(trees: DecisionTrees, rival: FittedMember, data: TreeData) -> bool:
    """Return whether trees get no weight beside others, for the rows that the first split leaves out."""
    rows = data.splits[0].test
    if not len(rows):
        return False
    both = [rival.outputs[rows, :, 0].astype(np.float64), trees(data.X[rows])]
    _, weight = blend_weights([data.predicted(outputs) for outputs in both], data.y[rows], data.counts[rows])
    return bool(weight < _LEAST_WEIGHT)


def _stacked(each: Sequence[DecisionTrees], data: TreeData) -> FittedMember:
    """Return the trees of the networks as a stack."""
    outputs = np.full((len(data.y), data.n_outputs, len(each)), np.nan, dtype=np.float32)
    for number, (trees, split) in enumerate(zip(each, data.splits, strict=True)):
        outputs[split.test, :, number] = trees(data.X[split.test])
    names = ("feature", "threshold", "left", "value")
    states = [{f"0.{name}": getattr(trees, name)[None] for name in names} for trees in each]
    architecture, states = pad_trees([trees.architecture for trees in each], states)
    return FittedMember(architecture, {name: np.concatenate([state[name] for state in states]) for name in states[0]},
                        outputs)  # fmt: skip


def pad_trees(each: Sequence[Trees], states: Sequence[Arrays]) -> tuple[Trees, list[Arrays]]:
    """Return one architecture for equally many trees, and their states [network, ...] filled up with unused leaves."""
    n_nodes, depth = max(trees.n_nodes for trees in each), max(trees.depth for trees in each)

    def filled(name: str, value: NDArray[Any]) -> NDArray[Any]:
        unused = np.zeros((len(value), n_nodes - value.shape[1], *value.shape[2:]), dtype=value.dtype)
        if name == "0.left":
            unused += np.arange(value.shape[1], n_nodes, dtype=value.dtype)
        return np.concatenate([value, unused], axis=1)

    wide = [{name: filled(name, value) for name, value in state.items()} for state in states]
    return dataclasses.replace(each[0], n_nodes=n_nodes, depth=depth), wide
