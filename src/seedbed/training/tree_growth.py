"""Grow boosted and extra trees by the kernel, see training/native/trees.h."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError
from seedbed.training.native.library import TreeJob, kernel
from seedbed.training.parallel import HaltedError

_STEP, _FIRST, _SECOND = (
    np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
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
        sets: the levels that go to the right where a category is split, a bit each [node, word].
    """

    sizes: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    value: NDArray[np.float32]
    sets: NDArray[np.uint32]

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
    HaltedError if `halted` was set meanwhile; OptionError if this machine has no kernel.
    """
    grown = GrownTrees(
        sizes=np.zeros(arguments["n_trees"], dtype=np.int32),
        feature=np.empty(n_nodes, dtype=np.int32),
        threshold=np.empty(n_nodes, dtype=np.float32),
        left=np.empty(n_nodes, dtype=np.int32),
        value=np.empty((n_nodes, n_values), dtype=np.float32),
        sets=np.zeros((n_nodes, arguments["n_words"]), dtype=np.uint32),
    )
    _run({**arguments, **grown._asdict()})
    if arguments["halted"][0]:
        raise HaltedError
    return grown.first(len(grown.sizes))


def _run(arguments: dict[str, Any]) -> None:
    """Run the kernel with the arguments of a job."""
    library, reason = kernel("float32")
    if library is None:
        raise OptionError(
            f"decision trees need the training kernel: {reason}",
            "Compare networks, without auto and without trees as baselines.",
        )
    addresses = {
        name: value.ctypes.data
        for name, value in arguments.items()
        if isinstance(value, np.ndarray) and value.flags.c_contiguous
    }
    job = TreeJob(**arguments | addresses)
    work = np.empty(library.tree_work(ctypes.addressof(job)), dtype=np.uint8)
    job.work = work.ctypes.data
    library.grow(ctypes.addressof(job))


def has_level(sets: NDArray[np.uint32], levels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether each level, counted from 0, is in a set [..., word]."""
    levels = levels.astype(np.int64)
    words = np.take_along_axis(sets, levels[..., None] >> 5, axis=-1)[..., 0]
    return np.asarray(words >> (levels & 31) & 1).astype(np.bool_)


def sortable(X: NDArray[np.float32]) -> _Sorted:
    """Return whole numbers that sort as these numbers do."""
    bits = (X + np.float32(0)).view(np.int32)
    return np.asarray(bits ^ ((bits >> 31) & 0x7FFFFFFF))


def splitmix64(state: _Words) -> _Words:
    """Return the word that each state gives (Steele, Lea and Flood 2014). Sums and products wrap."""
    z = state + _STEP
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return np.asarray(z ^ (z >> np.uint64(31)))
