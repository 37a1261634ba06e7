"""Grow boosted and extra trees: by the kernel (training/native/trees.h), or without it by the same
algorithms here.

Both give the same trees, to the bit: whole numbers are added up, products are rounded before they
are added, and random numbers depend on seed, tree and node alone.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.training.native.library import TreeJob, kernel
from seedbed.training.parallel import HaltedError
from seedbed.typing import Floats

_LEAST_CURVE, _BINS = 1e-3, 256
_STEP, _FIRST, _SECOND = (
    np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_LN2 = 6.93145751953125e-1, 1.42860682030941723212e-6  # its high and its low part
_Words = NDArray[np.uint64]
_Sorted = NDArray[np.int32]
Halted = NDArray[np.int32]  # a single number: 1 if trees aren't needed any more


class GrownTrees(NamedTuple):
    """Trees, one after the other. Their nodes are numbered from 0 in each; children lie side by
    side.

    Attributes:
        sizes: the number of nodes of each tree [tree].
        feature: of each node [node].
        threshold: of each node [node]; of boosted trees, the last bin that goes to the left.
        left: the first child of each node [node], or -1 of a leaf.
        value: of each leaf [node, output]; of boosted trees, which have one output each, [node, 1].
    """

    sizes: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    value: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[GrownTrees]) -> GrownTrees:
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def first(self, n_trees: int) -> GrownTrees:
        """Return copies of the first trees."""
        n = int(self.sizes[:n_trees].sum())
        nodes: Any = (array[:n].copy() for array in self[1:])
        return GrownTrees(self.sizes[:n_trees], *nodes)


def grow(n_nodes: int, n_values: int, **arguments: Any) -> GrownTrees:
    """Grow trees of at most `n_nodes` nodes in all, and of `n_values` outputs of a leaf.

    The arguments are those of `TreeJob`, see trees.h; `outputs` and `tested` are changed.
    HaltedError if `halted` was set meanwhile.
    """
    feature, left = np.empty((2, n_nodes), dtype=np.int32)
    threshold, value = (
        np.empty(n_nodes, dtype=np.float32),
        np.empty((n_nodes, n_values), dtype=np.float32),
    )
    grown = GrownTrees(
        np.zeros(arguments["n_trees"], dtype=np.int32), feature, threshold, left, value
    )
    arguments |= grown._asdict()
    library = kernel("float32").library
    if library is None:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            (_boost if arguments["n_leaves"] else _grow_extra)(SimpleNamespace(**arguments))
    else:
        arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}
        assert all(array.flags.c_contiguous for array in arrays.values())
        job = TreeJob(
            **{**arguments, **{name: array.ctypes.data for name, array in arrays.items()}}
        )
        work = np.empty(library.tree_work(ctypes.addressof(job)), dtype=np.uint8)
        job.work = work.ctypes.data
        library.grow(ctypes.addressof(job))
    if arguments["halted"][0]:
        raise HaltedError
    return grown.first(len(grown.sizes))


def sortable(X: NDArray[np.float32]) -> _Sorted:
    """Return whole numbers that sort as these numbers do."""
    bits = (X + np.float32(0)).view(np.int32)
    return np.asarray(bits ^ ((bits >> 31) & 0x7FFFFFFF))


def _numbers(values: _Sorted) -> NDArray[np.float32]:
    """Return the numbers of `sortable`."""
    return (values ^ ((values >> 31) & 0x7FFFFFFF)).view(np.float32)


def splitmix64(state: _Words) -> _Words:
    """Return the word that each state gives (Steele, Lea and Flood 2014). Sums and products wrap."""
    z = state + _STEP
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return np.asarray(z ^ (z >> np.uint64(31)))


def random_words(keys: _Words, numbers: Any) -> _Words:
    """Return the word with a number, from 0 on, of the sequence that begins at a key. Both
    broadcast."""
    return splitmix64(keys + _STEP * np.asarray(numbers, dtype=np.uint64))


def _keys(seed: int, tree: NDArray[np.int64], number: NDArray[np.int64]) -> _Words:
    """Return what decides the random numbers of nodes [node]."""
    return random_words(random_words(np.asarray(seed, dtype=np.uint64), tree), number)


def _orders(keys: _Words, n_inputs: int, n_drawn: int) -> NDArray[np.int64]:
    """Return some of the inputs in a random order for each node [node, place], by Fisher and
    Yates."""
    nodes, order = np.arange(len(keys)), np.tile(np.arange(n_inputs), (len(keys), 1))
    for i in range(n_drawn):
        other = i + (
            (random_words(keys, i) >> np.uint64(32)) * np.uint64(n_inputs - i) >> np.uint64(32)
        ).astype(np.int64)
        order[nodes, other], order[:, i] = order[:, i], order[nodes, other]
    return order[:, :n_drawn]


def _boost(job: Any) -> None:
    """Grow boosted trees."""
    start, K = 0, job.n_outputs
    for tree in range(job.n_trees):
        if tree % K == 0:
            shares = _shares(job.outputs[job.train]) if job.of_classes else job.outputs[job.train]
        job.sizes[tree] = _boost_tree(job, shares[:, tree % K], tree, start)
        start += job.sizes[tree]
        job.tested[tree // K] = job.outputs[job.test]


def _shares(outputs: Floats) -> Floats:
    """Return the probability of class 1, or of all classes [row, output]."""
    if outputs.shape[1] == 1:
        return np.asarray(1.0 / (1.0 + _exponential(-outputs)))
    powers = _exponential(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.cumsum(axis=1)[:, -1:])


def _exponential(x: Floats) -> Floats:
    """Return e^x by the same operations as the kernel."""
    x = x.clip(-700.0, 700.0)
    n = np.rint(x * 1.44269504088896340736)
    r = x - n * _LN2[0] - n * _LN2[1]
    total = np.full_like(x, 1 / math.factorial(11))
    for k in range(10, -1, -1):
        total = total * r + 1 / math.factorial(k)
    return np.ldexp(total, n.astype(np.int64))


def _boost_tree(job: Any, predicted: Floats, tree: int, start: int) -> int:
    """Grow a boosted tree; return the number of its nodes."""
    K, output, y = job.n_outputs, tree % job.n_outputs, job.y[job.train]
    target = (y == output) if job.of_classes and K > 1 else y
    h = predicted * (1 - predicted) if job.of_classes else 1.0
    slope = np.rint(
        (job.weights[job.train] * (predicted - target) * job.slope).clip(-job.most, job.most)
    )
    curve = np.rint(job.weights[job.train] * h * job.curve)
    feature, threshold, left, value = (
        (array[start:]) for array in (job.feature, job.threshold, job.left, job.value)
    )

    def worth(slopes: Floats, curves: Floats) -> Floats:
        g, h = slopes / job.slope, curves / job.curve
        return np.where(h < _LEAST_CURVE, -np.inf, g * g / (h + job.penalty))

    def search(node: int) -> tuple[float, int, int]:
        """Return what the best split of a node gains, its input, and its bin."""
        if job.halted[0]:
            raise HaltedError
        rows, total = nodes[node], (slope[nodes[node]].sum(), curve[nodes[node]].sum())
        least = worth(*total)
        key = _keys(job.seed, np.array([job.first + tree]), np.array([node]))
        inputs = _orders(key, job.n_inputs, job.n_sampled)[0]
        places = (job.X[job.train[rows]][:, inputs] + np.arange(len(inputs)) * _BINS).ravel()
        sums = [
            np.bincount(places, np.repeat(values[rows], len(inputs)), len(inputs) * _BINS)
            .reshape(-1, _BINS)
            .cumsum(1)
            for values in (slope, curve, np.ones(len(slope)))
        ]
        gains = worth(sums[0], sums[1]) + worth(total[0] - sums[0], total[1] - sums[1])
        gains[np.minimum(sums[2], len(rows) - sums[2]) < job.least] = -np.inf
        best = int(gains.argmax()) if gains.size else 0
        if not gains.size or not gains.flat[best] > least or least < 0:
            return -np.inf, -1, 0
        return float(gains.flat[best] - least), int(inputs[best // _BINS]), best % _BINS

    nodes, most = [np.arange(job.n_train)], 2 * job.n_leaves - 1
    splits, left[0] = [search(0)], -1
    while len(nodes) < most:
        best = max(
            range(len(nodes)), key=lambda node: splits[node][0] if left[node] < 0 else -np.inf
        )
        gain, number, last = splits[best]
        if left[best] >= 0 or gain == -np.inf:
            break
        left[best], is_low = len(nodes), job.X[job.train[nodes[best]], number] <= last
        for part in (is_low, ~is_low):
            left[len(nodes)] = -1
            nodes.append(nodes[best][part])
        more = (len(nodes) - 2, len(nodes) - 1)
        splits += [search(node) if len(nodes) < most else (-np.inf, -1, 0) for node in more]
    for node, rows in enumerate(nodes):
        _, feature[node], threshold[node] = splits[node]
        g, h = slope[rows].sum() / job.slope, curve[rows].sum() / job.curve
        value[node] = 0 if left[node] >= 0 else -job.rate * g / (h + job.penalty)
        job.outputs[job.train[rows], output] += value[node, 0]
    at = np.zeros(job.n_test, dtype=np.int64)
    while (inner := left[at] >= 0).any():
        goes_right = job.X[job.test, feature[at]] > threshold[at]
        at = np.where(inner, left[at] + goes_right, at)
    job.outputs[job.test, output] += value[at, 0]
    return len(nodes)


def _grow_extra(job: Any) -> None:
    """Grow extra trees, level by level, all of them side by side. Open nodes are sorted by their
    tree and number."""
    tree, number, sizes = (
        np.arange(job.n_trees),
        np.zeros(job.n_trees, np.int64),
        np.full(job.n_trees, job.n_train),
    )
    rows, inputs, levels = np.tile(np.arange(job.n_train), job.n_trees), np.arange(job.n_inputs), []
    job.sizes[:] = 1
    while len(sizes) and not job.halted[0]:
        starts, of_row, nodes = (
            np.cumsum(sizes) - sizes,
            np.repeat(np.arange(len(sizes)), sizes),
            np.arange(len(sizes)),
        )

        def sums(values: NDArray[Any], starts: NDArray[np.int64] = starts) -> NDArray[np.int64]:
            return np.add.reduceat(values, starts, axis=0, dtype=np.int64)

        x, y, counts = job.X.T[job.train[rows]], job.y[job.train[rows]], job.counts[rows]
        several = job.n_outputs > 1
        parts = (
            [counts * (y == k) for k in range(job.n_outputs)] if several else [job.targets[rows]]
        )
        weight, whole = sums(counts), [sums(part) for part in parts]
        least, largest = (bound.reduceat(x, starts, axis=0) for bound in (np.minimum, np.maximum))
        is_open = np.minimum.reduceat(y, starts) < np.maximum.reduceat(y, starts)
        is_open &= sizes >= max(2, 2 * job.least)
        keys = _keys(job.seed, job.first + tree, number)[:, None]
        order = _orders(keys[:, 0], job.n_inputs, job.n_inputs)
        differs = np.take_along_axis(least < largest, order, axis=1)
        tried = differs & ((inputs < job.n_sampled) | (differs.cumsum(axis=1) == 1))
        a, b = (_numbers(bound).astype(np.float64) for bound in (least, largest))
        share = (random_words(keys, job.n_inputs + inputs) >> np.uint64(40)) * 2.0**-24
        drawn = (a + share * (b - a)).astype(np.float32) + np.float32(0)
        threshold = np.where((drawn >= a) & (drawn < b), sortable(drawn), least)
        is_low = x <= threshold[of_row]
        n_low, low = sums(is_low), sums(is_low * counts[:, None])
        left, right = np.zeros((2, *low.shape))
        for part, total in zip(parts, whole, strict=True):
            of_low = sums(is_low * part[:, None])
            left += of_low.astype(np.float64) ** 2
            right += (total[:, None] - of_low).astype(np.float64) ** 2
        gains = left / low + right / (weight[:, None] - low)
        gains[(n_low < job.least) | (sizes[:, None] - n_low < job.least)] = -1
        gains = np.where(tried, np.take_along_axis(gains, order, axis=1), -1)
        best = gains.argmax(axis=1)
        is_open &= gains[nodes, best] > -1
        chosen, n_opened = order[nodes, best], np.cumsum(is_open)
        before: NDArray[np.int64] = (n_opened - is_open)[
            np.searchsorted(tree, tree)
        ]  # in the trees before
        first = job.sizes[tree] + 2 * (n_opened - 1 - before)  # the first child
        levels.append(
            (
                tree,
                number,
                np.where(is_open, chosen, -1),
                np.where(is_open, _numbers(threshold[nodes, chosen]), 0),
                np.where(is_open, first, -1),
                np.where(is_open, 0, np.array(whole) / weight * job.unit).T,
            )
        )
        job.sizes += 2 * np.bincount(tree[is_open], minlength=job.n_trees).astype(np.int32)
        in_open, goes_right = is_open[of_row], ~is_low[np.arange(len(rows)), chosen[of_row]]
        rows = rows[in_open][np.argsort((2 * of_row + goes_right)[in_open], kind="stable")]
        n_low = n_low[nodes, chosen]
        sizes = np.column_stack([n_low, sizes - n_low])[is_open].ravel()
        tree, number = (
            np.repeat(tree[is_open], 2),
            np.column_stack([first, first + 1])[is_open].ravel(),
        )
    tree, number, *arrays = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    nodes = np.lexsort((number, tree))
    for array, values in zip(
        (job.feature, job.threshold, job.left, job.value), arrays, strict=True
    ):
        array[: len(nodes)] = values[nodes]
