"""Grow trees in NumPy, as the kernel does: the reference of its tests.

Both give the same trees, to the bit: whole numbers are added up, products are rounded before they
are added, and random numbers depend on seed, tree and node alone.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.training.parallel import HaltedError
from seedbed.training.tree_growth import has_level, sortable, splitmix64
from seedbed.typing import Floats

_LEAST_CURVE, _BINS, _ORDERS = 1e-3, 256, 8
_STEP = np.uint64(0x9E3779B97F4A7C15)
_LN2 = 6.93145751953125e-1, 1.42860682030941723212e-6  # its high and its low part
_Words = NDArray[np.uint64]
_Sorted = NDArray[np.int32]


def grow_by_numpy(arguments: dict[str, Any]) -> None:
    """Fill the arrays among the arguments of a job as `tree_growth._run` does."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        (_boost if arguments["n_leaves"] else _grow_extra)(SimpleNamespace(**arguments))


def _set_of(is_right: NDArray[np.bool_], n_words: int) -> NDArray[np.uint32]:
    """Return the set [word] of some levels [level]."""
    bits = np.zeros(32 * n_words, dtype=np.uint8)
    bits[: len(is_right)] = is_right
    return np.packbits(bits, bitorder="little").view("<u4")


def _level_orders(job: Any) -> NDArray[np.int64]:
    """Return the random numbers of the levels of categories [order, input, level]. Level 0, which
    training doesn't know, has the lowest one."""
    keys = _keys(job.seed, np.array([-1]), np.arange(_ORDERS))
    numbers = np.arange(job.n_inputs * _BINS).reshape(-1, _BINS)
    words = random_words(keys[:, None, None], numbers)
    orders = (words >> np.uint64(34)).astype(np.int64)
    orders[:, :, 0] = -1
    return orders


def _numbers(values: _Sorted) -> NDArray[np.float32]:
    """Return the numbers of `sortable`."""
    return (values ^ ((values >> 31) & 0x7FFFFFFF)).view(np.float32)


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
    nodes = np.arange(len(keys))
    order = np.tile(np.arange(n_inputs), (len(keys), 1))
    for place in range(n_drawn):
        draws = random_words(keys, place) >> np.uint64(32)
        drawn = place + (draws * np.uint64(n_inputs - place) >> np.uint64(32)).astype(
            np.int64
        )
        order[nodes, drawn], order[:, place] = order[:, place], order[nodes, drawn]
    return order[:, :n_drawn]


def _boost(job: Any) -> None:
    """Grow boosted trees."""
    first_node = 0
    for tree in range(job.n_trees):
        iteration, output = divmod(tree, job.n_outputs)
        if output == 0:
            sums = job.outputs[job.train]
            predicted = _shares(sums) if job.of_classes else sums
        job.sizes[tree] = _boost_tree(job, tree, predicted[:, output], first_node)
        first_node += job.sizes[tree]
        job.tested[iteration] = job.outputs[job.test]


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


class _Split(NamedTuple):
    """A split of a node: what it gains, its input, the last bin that goes to the left, and of a
    category the levels that go to the right."""

    gain: float = -np.inf
    feature: int = -1
    last_bin: int = 0
    levels: Any = ()

    def goes_right(self, bins: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether each row goes to the right, by the bins of its input."""
        if len(self.levels):
            return np.isin(bins, self.levels)
        return np.asarray(bins > self.last_bin)


def _boost_tree(job: Any, tree: int, predicted: Floats, first_node: int) -> int:
    """Grow a boosted tree, whose leaf with the largest gain is split first; return the number of
    its nodes. `predicted` is of the trees before it [place]."""
    output = tree % job.n_outputs
    y = job.y[job.train]
    target = (y == output) if job.of_classes and job.n_outputs > 1 else y
    weights = job.weights[job.train]
    curvature = predicted * (1 - predicted) if job.of_classes else 1.0
    slopes = np.rint(
        (weights * (predicted - target) * job.slope).clip(-job.most, job.most)
    )
    curves = np.rint(weights * curvature * job.curve)
    left = job.left[first_node:]
    left[0] = -1
    rows = [np.arange(job.n_train)]
    splits = [_best_split(job, slopes, curves, rows[0], tree, 0)]
    most_nodes = 2 * job.n_leaves - 1
    while len(rows) < most_nodes:
        gains = np.where(
            left[: len(rows)] < 0, [split.gain for split in splits], -np.inf
        )
        best = int(gains.argmax())
        if gains[best] == -np.inf:
            break
        split = splits[best]
        is_high = split.goes_right(job.X[job.train[rows[best]], split.feature])
        left[best] = len(rows)
        for side in (~is_high, is_high):
            left[len(rows)] = -1
            rows.append(rows[best][side])
        children = (left[best], left[best] + 1) if len(rows) < most_nodes else ()
        splits += [_best_split(job, slopes, curves, rows[n], tree, n) for n in children]
    splits += [_Split()] * (len(rows) - len(splits))
    for place, (split, of_node) in enumerate(
        zip(splits, rows, strict=True), first_node
    ):
        _, job.feature[place], job.threshold[place], levels = split
        if len(levels) and job.left[place] >= 0:
            is_right = np.isin(np.arange(_BINS), levels)[: 32 * job.n_words]
            job.sets[place] = _set_of(is_right, job.n_words)
        g = slopes[of_node].sum() / job.slope
        h = curves[of_node].sum() / job.curve
        job.value[place] = (
            0 if job.left[place] >= 0 else -job.rate * g / (h + job.penalty)
        )
        job.outputs[job.train[of_node], output] += job.value[place, 0]
    reached = np.full(job.n_test, first_node)
    while (is_inner := job.left[reached] >= 0).any():
        bins = job.X[job.test, job.feature[reached]]
        goes_right = bins > job.threshold[reached]
        is_set = is_inner & (job.n_levels[job.feature[reached]] > 0)
        goes_right[is_set] = has_level(job.sets[reached[is_set]], bins[is_set])
        reached = np.where(
            is_inner, first_node + job.left[reached] + goes_right, reached
        )
    job.outputs[job.test, output] += job.value[reached, 0]
    return len(rows)


def _best_split(
    job: Any,
    slopes: Floats,
    curves: Floats,
    rows: NDArray[np.int64],
    tree: int,
    node: int,
) -> _Split:
    """Return the split of a node's rows that gains most; none if all of them lose."""
    if job.halted[0]:
        raise HaltedError
    key = _keys(job.seed, np.array([job.first + tree]), np.array([node]))
    inputs = _orders(key, job.n_inputs, job.n_sampled)[0]
    bins = (job.X[job.train[rows]][:, inputs] + np.arange(len(inputs)) * _BINS).ravel()
    sums = [
        np.bincount(bins, np.repeat(values, len(inputs)), len(inputs) * _BINS).reshape(
            -1, _BINS
        )
        for values in (slopes[rows], curves[rows], np.ones(len(rows)))
    ]
    # Levels are sorted by their mean gradient: then some split of this order is the best of all
    # sets (Fisher 1958). Those without rows come last.
    is_category = job.n_levels[inputs][:, None] > 0
    means = sums[0] / job.slope / (sums[1] / job.curve + job.smoothing)
    ranks = np.where(
        is_category, np.where(sums[2] > 0, means, np.inf), np.arange(_BINS)
    )
    order = np.argsort(ranks, axis=1, kind="stable")
    low_slopes, low_curves, n_low = (
        np.take_along_axis(sum_, order, axis=1).cumsum(axis=1) for sum_ in sums
    )
    all_slopes = slopes[rows].sum()
    all_curves = curves[rows].sum()
    unsplit = _worth(job, all_slopes, all_curves, job.penalty)
    penalty = np.where(is_category, job.set_penalty, job.penalty)
    gains = _worth(job, low_slopes, low_curves, penalty)
    gains += _worth(job, all_slopes - low_slopes, all_curves - low_curves, penalty)
    gains[np.minimum(n_low, len(rows) - n_low) < job.least] = -np.inf
    best = int(gains.argmax())
    if not gains.flat[best] > unsplit >= 0:
        return _Split()
    gain = float(gains.flat[best] - unsplit)
    of_inputs, place = divmod(best, _BINS)
    feature = int(inputs[of_inputs])
    if not is_category[of_inputs]:
        return _Split(gain, feature, place)
    n_levels = int((sums[2][of_inputs] > 0).sum())
    are_most = 2 * n_low.flat[best] >= len(rows)
    some = slice(place + 1, n_levels) if are_most else slice(place + 1)
    return _Split(gain, feature, 0, order[of_inputs, some])


def _worth(job: Any, slopes: Floats, curves: Floats, penalty: Any) -> Floats:
    """Return how much leaves with these sums lower the loss; -inf if they are too small."""
    g = slopes / job.slope
    h = curves / job.curve
    return np.where(h < _LEAST_CURVE, -np.inf, g * g / (h + penalty))


class _Level(NamedTuple):
    """Nodes of one depth in all trees, sorted by tree and number.

    Attributes:
        tree, number: of each node [node].
        sizes: the number of each node's rows [node].
        rows: their places among the training rows, node after node [row].
    """

    tree: NDArray[np.int64]
    number: NDArray[np.int64]
    sizes: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        return np.cumsum(self.sizes) - self.sizes

    def sums(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the sums of each node's rows [node, ...]."""
        return np.add.reduceat(values, self.starts, axis=0, dtype=np.int64)


def _grow_extra(job: Any) -> None:
    """Grow extra trees, level by level, all of them side by side."""
    trees = np.arange(job.n_trees)
    rows = np.tile(np.arange(job.n_train), job.n_trees)
    level = _Level(trees, 0 * trees, np.full(job.n_trees, job.n_train), rows)
    job.sizes[:] = 1
    levels = []
    while len(level.sizes):
        if job.halted[0]:
            raise HaltedError
        feature, threshold, value, goes_right, sets = _extra_nodes(job, level)
        is_split = feature >= 0
        n_split = np.cumsum(is_split)
        n_before: NDArray[np.int64] = (n_split - is_split)[
            np.searchsorted(level.tree, level.tree)
        ]
        first = job.sizes[level.tree] + 2 * (n_split - 1 - n_before)  # the first child
        left = np.where(is_split, first, -1)
        levels.append(
            (level.tree, level.number, feature, _numbers(threshold), left, value, sets)
        )
        job.sizes += 2 * np.bincount(
            level.tree[is_split], minlength=job.n_trees
        ).astype(np.int32)
        node = np.repeat(np.arange(len(level.sizes)), level.sizes)  # of each row
        n_right = level.sums(goes_right)
        order = np.argsort((2 * node + goes_right)[is_split[node]], kind="stable")
        level = _Level(
            np.repeat(level.tree[is_split], 2),
            np.column_stack([first, first + 1])[is_split].ravel(),
            np.column_stack([level.sizes - n_right, n_right])[is_split].ravel(),
            level.rows[is_split[node]][order],
        )
    tree, number, *arrays = (
        np.concatenate(parts) for parts in zip(*levels, strict=True)
    )
    nodes = np.lexsort((number, tree))
    for array, values in zip(
        (job.feature, job.threshold, job.left, job.value, job.sets), arrays, strict=True
    ):
        array[: len(nodes)] = values[nodes]


def _extra_nodes(
    job: Any, level: _Level
) -> tuple[NDArray[np.int64], _Sorted, Floats, NDArray[np.bool_], NDArray[np.uint32]]:
    """Return the best split of each node, input and threshold [node], or -1 and 0; what it
    predicts as a leaf [node, output], or 0; which rows go to the right [row]; and the set of a
    category's levels that do [node, word].

    Levels have random numbers, those of one of some orders.
    """
    values = job.X.T[job.train[level.rows]]
    categories = np.flatnonzero(job.n_levels)
    y = job.y[job.train[level.rows]]
    keys = _keys(job.seed, job.first + level.tree, level.number)[:, None]
    x = values.copy()
    node = np.repeat(np.arange(len(level.sizes)), level.sizes)  # of each row
    orders = _level_orders(job)
    of_nodes = random_words(keys, 2 * job.n_inputs + categories) >> np.uint64(61)
    of_nodes = of_nodes.astype(np.int64)
    x[:, categories] = orders[of_nodes[node], categories, values[:, categories]]
    least = np.minimum.reduceat(x, level.starts, axis=0)
    largest = np.maximum.reduceat(x, level.starts, axis=0)
    order = _orders(keys[:, 0], job.n_inputs, job.n_inputs)
    inputs = np.arange(job.n_inputs)
    # Constant inputs don't count as tried: all inputs are, until one differs.
    differs = np.take_along_axis(least < largest, order, axis=1)
    is_tried = differs & ((inputs < job.n_sampled) | (differs.cumsum(axis=1) == 1))
    low, high = (_numbers(bound).astype(np.float64) for bound in (least, largest))
    words = random_words(keys, job.n_inputs + inputs)
    share = (words >> np.uint64(40)) * 2.0**-24
    drawn = (low + share * (high - low)).astype(np.float32) + np.float32(0)
    threshold = np.where((drawn >= low) & (drawn < high), sortable(drawn), least)
    range_ = (largest.astype(np.int64) - least).astype(np.uint64)
    below = ((words >> np.uint64(32)) * range_ >> np.uint64(32)).astype(np.int32)
    threshold[:, categories] = (least + below)[:, categories]
    gains, leaves = _extra_gains(
        job, level, x <= np.repeat(threshold, level.sizes, axis=0), y
    )
    gains = np.where(is_tried, np.take_along_axis(gains, order, axis=1), -1)
    nodes = np.arange(len(level.sizes))
    best = gains.argmax(axis=1)
    feature = order[nodes, best]
    is_split = np.minimum.reduceat(y, level.starts) < np.maximum.reduceat(
        y, level.starts
    )
    is_split &= (level.sizes >= max(2, 2 * job.least)) & (gains[nodes, best] > -1)
    chosen = np.where(is_split, threshold[nodes, feature], 0)
    goes_right = x[np.arange(len(x)), feature[node]] > chosen[node]
    sets = np.zeros((len(nodes), job.n_words), dtype=np.uint32)
    is_set = is_split & (job.n_levels[feature] > 0)
    for number in np.flatnonzero(is_set):
        split = feature[number]
        order = of_nodes[number, categories == split][0]
        is_right = orders[order, split, : job.n_levels[split]] > chosen[number]
        sets[number] = _set_of(is_right, job.n_words)
    return (
        np.where(is_split, feature, -1),
        np.where(is_set, 0, chosen),
        np.where(is_split[:, None], 0, leaves),
        goes_right,
        sets,
    )


def _extra_gains(
    job: Any, level: _Level, is_low: NDArray[np.bool_], y: NDArray[Any]
) -> tuple[Floats, Floats]:
    """Return what a split on each input gains [node, input], up to a constant: the sum of squared
    sums over weights, or -1 if a side has too few rows. Also return the means [node, output]."""
    counts = job.counts[level.rows]
    weight = level.sums(counts)[:, None]
    low_weight = level.sums(is_low * counts[:, None])
    low, high = np.zeros((2, *low_weight.shape))
    means = np.zeros((len(weight), job.n_outputs))
    for output in range(job.n_outputs):
        is_single = job.n_outputs == 1
        values = job.targets[level.rows] if is_single else counts * (y == output)
        total = level.sums(values)[:, None]
        low_total = level.sums(is_low * values[:, None])
        low += low_total.astype(np.float64) ** 2
        high += (total - low_total).astype(np.float64) ** 2
        means[:, output] = (total / weight * job.unit)[:, 0]
    gains = low / low_weight + high / (weight - low_weight)
    n_low = level.sums(is_low)
    gains[np.minimum(n_low, level.sizes[:, None] - n_low) < job.least] = -1
    return gains, means
