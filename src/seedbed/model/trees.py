"""Decision trees as members of a blend: scikit-learn fits them, and they become the tensors of `DecisionTrees`."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seedbed.data.splits import Split
from seedbed.evaluation.calibration import blend_weights
from seedbed.networks.draws import derive
from seedbed.networks.mlp import MLP, Trees
from seedbed.networks.parts import DecisionTrees
from seedbed.training.native.library import kernel
from seedbed.training.parallel import single_threads
from seedbed.typing import Floats

FEW_ROWS = 1_500
"""Rows below which boosted trees are small."""
MOST_ROWS = 16_384
"""Rows that an extra tree is fitted to; of more rows each tree gets as many, drawn with replacement."""
_SHARE, _MOST_INPUTS = 0.5, 64  # of the inputs among which a node looks for its split; the number for extra trees
_MOST_VALUES = 1 << 20  # of leaves at a time
_DISTANCE = 4e-6  # of a threshold from the inputs of rows, where they leave space: more than roundings of inputs
_ROUND, _SMALL_ROUND = 25, 50  # boosting iterations after which rows left out decide whether more may help
_TIMED = 5  # trees that are fitted to know how long one takes
_WAIT = 10  # iterations without a lower loss that end boosting
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
    """

    X: NDArray[np.float32]
    y: NDArray[Any]
    weights: NDArray[np.float32] | None
    splits: Sequence[Split]
    n_outputs: int
    of_classes: bool

    @functools.cached_property
    def values(self) -> list[NDArray[np.float32]]:
        """Return the values of each input, sorted."""
        return [np.unique(column) for column in self.X.T]

    def weights_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
        return None if self.weights is None else self.weights[rows]

    def lacks_a_class(self) -> bool:
        """Return whether the training rows of a split, without those of weight 0, lack a class."""
        counts = np.ones(len(self.y), dtype=np.bool_) if self.weights is None else self.weights > 0
        n_classes = max(2, self.n_outputs) if self.of_classes else 0
        return any(len(np.unique(self.y[split.train[counts[split.train]]])) < n_classes for split in self.splits)

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


def tree_leaves(x: Tensor, feature: Tensor, threshold: Tensor, left: Tensor, n_trees: int, depth: int) -> Tensor | None:
    """Return the leaf that each row reaches in each tree [row, tree]; None where there is no kernel.

    Args:
        x: inputs [row, feature], on the CPU.
        feature, threshold, left, n_trees, depth: as in `DecisionTrees`.
    """
    library = kernel(str(x.dtype).removeprefix("torch.")).library if x.device.type == "cpu" else None
    types = feature.dtype, left.dtype, threshold.dtype
    are_whole = feature.is_contiguous() and left.is_contiguous() and threshold.is_contiguous()
    if library is None or not are_whole or types != (torch.int32, torch.int32, x.dtype) or n_trees > len(left):
        return None
    x, leaves = x.contiguous(), torch.empty(len(x), n_trees, dtype=torch.int64)
    nodes = feature.data_ptr(), threshold.data_ptr(), left.data_ptr()
    library.walk(x.data_ptr(), *x.shape, *nodes, len(left), n_trees, depth, leaves.data_ptr())
    return leaves


class WalkedTrees(DecisionTrees):
    """Trees whose leaves the kernel finds, in a tenth of the time."""

    def leaves(self, x: Tensor) -> Tensor:
        leaves = tree_leaves(x, self.feature, self.threshold, self.left, self.n_trees, self.depth)
        return super().leaves(x) if leaves is None else leaves


class FittedMember(NamedTuple):
    """Trees or linear models, one for each network.

    Attributes:
        architecture: of trees, with the number of trees, nodes and steps.
        states: of the networks [network, ...], by the names in their `state_dict`.
        outputs: for the rows that a network wasn't fitted to [row, output, network]; NaN elsewhere.
    """

    architecture: MLP | Trees
    states: dict[str, Tensor]
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
        starts = [0, *itertools.accumulate(len(tree.left) for tree in trees)][: len(trees)]

        def shifted(name: str) -> NDArray[np.int64]:
            parts = zip((getattr(tree, name) for tree in trees), starts, strict=True)
            return np.concatenate([np.where(part < 0, -1, part + start) for part, start in parts])

        whole = {name: np.concatenate([getattr(tree, name) for tree in trees]) for name in ("feature", "threshold")}
        value = np.concatenate([tree.value for tree in trees])
        return cls(**whole, left=shifted("left"), right=shifted("right"), value=value, roots=shifted("roots"))

    def module(self, values: Sequence[NDArray[np.float32]], *, probabilities: bool) -> DecisionTrees:
        """Return the module, whose nodes are ordered by their depth, so that siblings are neighbours.

        Args:
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
        trees = WalkedTrees(len(self.roots), len(order), self.value.shape[1], len(levels) - 1, probabilities)
        most = np.finfo(np.float32).max  # no input is above it
        trees.feature.copy_(torch.from_numpy(np.where(is_leaf, 0, self.feature[order])))
        trees.threshold.copy_(torch.from_numpy(np.where(is_leaf, most, self.threshold[order])))
        trees.left.copy_(torch.from_numpy(np.where(is_leaf, np.arange(len(order)), place[self.left[order]])))
        trees.value.copy_(torch.from_numpy(self.value[order]))
        return trees


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
        jobs: number of threads, see `n_threads`.
        rival: other trees of the same splits. Extra trees that get no weight beside them for the rows of the first
            split end there.
        until: a time of `time.monotonic` after which boosting does no more iterations. Trees that would take longer, by
            the time of one, aren't fitted.

    Returns:
        None if training rows lack a class, extra trees ended early, or the time doesn't suffice.
    """
    if data.lacks_a_class():
        return None
    seeds = [derive(random_state, trees.method, number) % 2**32 for number in range(len(data.splits))]
    n_least = _round_size(data) if trees.method == "boosted" and not trees.n_nodes else trees.n_trees
    if until is not None and time.monotonic() + tree_seconds(trees, data) * n_least * len(seeds) / jobs > until:
        return None
    with ThreadPoolExecutor(jobs) as pool:
        if trees.method == "boosted":
            modules = _boosted(trees, data, seeds, pool, until)
        else:
            fit = functools.partial(_extra, trees, data)
            modules = [fit(data.splits[0], seeds[0])]
            if rival is not None and _is_beaten(modules[0], rival, data):
                return None
            modules += pool.map(fit, data.splits[1:], seeds[1:])
    return _stack_modules(trees, modules, data)


def tree_seconds(trees: Trees, data: TreeData) -> float:
    """Return the time that one core takes for a tree of one network, or for a boosting iteration [s]. A few are fitted
    for that alone."""
    started, split = time.monotonic(), data.splits[0]
    if trees.method == "extra":
        _extra(dataclasses.replace(trees, n_trees=_TIMED), data, split, 0)
    else:
        with single_threads("openmp"):
            first = booster(data.of_classes, len(data.y), 0).set_params(max_iter=_TIMED)
            first.fit(data.X[split.train], data.y[split.train], sample_weight=data.weights_of(split.train))
    return (time.monotonic() - started) / _TIMED


def n_threads(n_rows: int, jobs: int) -> int:
    """Return how many threads fit trees to so many rows. Small trees hold Python's lock, so more would gain nothing."""
    return jobs if n_rows >= FEW_ROWS else 1


def _extra(trees: Trees, data: TreeData, split: Split, seed: int) -> DecisionTrees:
    """Fit extra trees. Two classes are fitted as numbers, whose squared error is half of the Gini impurity."""
    from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

    rows, random, several = split.train, np.random.RandomState(seed), data.of_classes and data.n_outputs > 1
    X, weights, kind = data.X[rows], data.weights_of(rows), ExtraTreeClassifier if several else ExtraTreeRegressor
    share = min(_SHARE, _MOST_INPUTS / X.shape[1])
    y, each = data.y[rows, None].astype(np.float64), []
    for tree_seed in random.randint(np.iinfo(np.int32).max, size=trees.n_trees):
        counts = np.ones(len(rows)) if weights is None else weights.astype(np.float64)
        if len(rows) > MOST_ROWS:
            draws = np.random.RandomState(tree_seed).randint(len(rows), size=MOST_ROWS)
            counts *= np.bincount(draws, minlength=len(rows))
        # A forest checks the rows again for each tree, which takes longer than growing a small one.
        tree = kind(max_features=share, random_state=tree_seed)
        nodes = tree.fit(X, y, sample_weight=counts, check_input=False).tree_
        children, root = (nodes.children_left, nodes.children_right), np.zeros(1, dtype=np.int64)
        value = nodes.value.reshape(nodes.node_count, -1) / trees.n_trees
        each.append(_Nodes(nodes.feature, nodes.threshold, *children, value, root))
    return _Nodes.joined(each).module(data.values, probabilities=data.of_classes)


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
    return _ROUND if len(data.y) >= FEW_ROWS else _SMALL_ROUND


def _boosted(
    trees: Trees, data: TreeData, seeds: Sequence[int], pool: ThreadPoolExecutor, until: float | None
) -> list[DecisionTrees]:
    ensembles = [booster(data.of_classes, len(data.y), seed) for seed in seeds]

    def grow(n_iterations: int, ensemble: Any, split: Split) -> Floats:
        """Grow more trees; return the sums of the losses of the rows left out, after each iteration."""
        with single_threads("openmp"):
            ensemble.set_params(max_iter=n_iterations)
            ensemble.fit(data.X[split.train], data.y[split.train], sample_weight=data.weights_of(split.train))
        module, total = _of_iterations(ensemble, n_iterations, data), np.zeros(n_iterations)
        for rows in _pieces(split.test, module):
            leaves = module.leaves(torch.from_numpy(data.X[rows])).unflatten(1, (n_iterations, data.n_outputs))
            steps = [module.value[leaves[:, :, output], output] for output in range(data.n_outputs)]
            outputs = torch.stack(steps, 2).double().cumsum(1).numpy()  # [row, iteration, output]
            weights = 1.0 if data.weights is None else data.weights[rows]
            total += [np.sum(data.losses(outputs[:, number], rows) * weights) for number in range(n_iterations)]
        return total

    is_given = trees.n_nodes > 0  # the number of iterations
    most = trees.n_trees // data.n_outputs if is_given else trees.n_trees
    n, best = 0, -1
    while n < most and best >= n - _WAIT and (not n or until is None or time.monotonic() < until):
        n = most if is_given else min(n + _round_size(data), most)
        best = int(np.argmin(sum(pool.map(functools.partial(grow, n), ensembles, data.splits))))
    return [_of_iterations(ensemble, most if is_given else best + 1, data) for ensemble in ensembles]


def _of_iterations(ensemble: Any, n: int, data: TreeData) -> DecisionTrees:
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
    return _Nodes.joined(each).module(data.values, probabilities=False)


def _is_beaten(module: DecisionTrees, rival: FittedMember, data: TreeData) -> bool:
    """Return whether trees get no weight beside others, for the rows that the first split leaves out."""
    rows = data.splits[0].test
    if not len(rows):
        return False
    both = [rival.outputs[rows, :, 0].astype(np.float64), _outputs(module, data.X[rows]).astype(np.float64)]
    weights = data.weights_of(rows)
    counts = np.ones(len(rows)) if weights is None else weights.astype(np.float64)
    _, weight = blend_weights([data.predicted(outputs) for outputs in both], data.y[rows], counts)
    return bool(weight < _LEAST_WEIGHT)


@torch.inference_mode()
def _outputs(module: DecisionTrees, X: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([module(torch.from_numpy(part)).numpy() for part in _pieces(X, module)])


def _pieces(rows: NDArray[Any], module: DecisionTrees) -> list[NDArray[Any]]:
    """Return rows in pieces, of which the leaves and their values take some megabytes."""
    n = max(1, _MOST_VALUES // (module.n_trees * module.out_features))
    return [rows[start : start + n] for start in range(0, max(len(rows), 1), n)]


def _stack_modules(trees: Trees, modules: Sequence[DecisionTrees], data: TreeData) -> FittedMember:
    """Return modules as a stack."""
    each, states = [], []
    outputs = np.full((len(data.y), data.n_outputs, len(modules)), np.nan, dtype=np.float32)
    for number, (module, split) in enumerate(zip(modules, data.splits, strict=True)):
        sizes = {name: getattr(module, name) for name in ("n_trees", "n_nodes", "depth", "probabilities")}
        each.append(dataclasses.replace(trees, **sizes))
        states.append({f"0.{name}": value[None] for name, value in module.named_buffers()})
        outputs[split.test, :, number] = _outputs(module, data.X[split.test])
    architecture, states = pad_trees(each, states)
    return FittedMember(
        architecture, {name: torch.cat([state[name] for state in states]) for name in states[0]}, outputs
    )


def pad_trees(each: Sequence[Trees], states: Sequence[dict[str, Tensor]]) -> tuple[Trees, list[dict[str, Tensor]]]:
    """Return one architecture for equally many trees, and their states [network, ...] filled up with unused leaves."""
    n_nodes, depth = max(trees.n_nodes for trees in each), max(trees.depth for trees in each)

    def filled(name: str, value: Tensor) -> Tensor:
        unused = value.new_zeros(len(value), n_nodes - value.shape[1], *value.shape[2:])
        if name == "0.left":
            unused += torch.arange(value.shape[1], n_nodes)
        return torch.cat([value, unused], 1)

    wide = [{name: filled(name, value) for name, value in state.items()} for state in states]
    return dataclasses.replace(each[0], n_nodes=n_nodes, depth=depth), wide
