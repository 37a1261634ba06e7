"""Plan chunks, which are networks that train together: what trains them, and how many there are in one."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from seedbed.errors import OptionError, spell
from seedbed.networks.embedding_layers import Embeddings, Periodic, Piecewise
from seedbed.networks.layers import BatchNorm, Layer, Linear
from seedbed.networks.network import Network
from seedbed.settings.design import Engine
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.native.library import kernel
from seedbed.training.torch import has_torch, require_torch
from seedbed.training.traits import Source, Traits

_LANES, _BLOCK = 16, 8  # networks come in full vectors of 16 floats for torch, in blocks of 8 for the kernel
_MOST = 496
# One layer's activations and the parameters may fill this many second-level caches. In smaller chunks the fixed cost of
# a step dominates, larger ones aren't faster.
_CACHES = 2.4
_ON_GPU = 4096
# Bytes that an embedding of all inputs may take for all rows. It is far wider than a layer, and a pass keeps several.
_MOST_BYTES = 1 << 28
# A chunk of the kernel trains for some tenths of a second: about so many rows x epochs x parameters, where loss and
# figures of a row count as `_ROW_PARAMETERS`. It holds at most `_MOST_NATIVE` networks. Smaller chunks would build
# shared data more often, larger ones would leave cores idle at the end. The size depends neither on the number of cores
# nor on a measured speed, because a run may continue with other --n-jobs.
_NATIVE_WORK, _ROW_PARAMETERS, _MOST_NATIVE = 4e9, 40, 96
_PLAIN = (
    "not all of its layers are known, so its networks are trained one after the other, as in a plain loop: they take "
    "10 to 100 times as long as common layers"
)  # see benchmarks/LOG.md
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", r"C:\Windows\System32\nvcuda.dll")  # of NVIDIA, on Linux, WSL and Windows
# Networks that train one after the other get small chunks, so that all cores have work.
_FEW = 8


def traits_of(build: Source, seed: int, data: TrainingData) -> Traits:
    """Return what is known of a network for the rows that it trains on.

    Raises:
        CandidateError: the network can't be built, or doesn't suit the table.
        OptionError: it is an own module, and PyTorch isn't installed.
    """
    if not isinstance(build, Network):
        require_torch("a network of your own")
        from seedbed.training.torch.module_chains import traits_of_module

        return traits_of_module(build, seed, data)
    has_batchnorm = any(isinstance(layer, BatchNorm) for layer in build.innermost_layers)
    n_outputs = build.n_outputs(data.X.shape[1])
    names = frozenset(build.parameters)
    return Traits(build, n_outputs, build.n_parameters, build.program(), names, has_batchnorm, build.is_looking)


@dataclass(frozen=True)
class Chunk:
    """Networks that are trained together: one architecture and one kind of optimizer.

    Attributes:
        build: the network as data, or what builds a user's own.
        recipe: their common settings.
        seeds: one per network.
        splits: the number of the split that each network trains on.
        members: positions of the networks in the plan.
        group_size: how many consecutive networks stop together, with patience; 0 if all do.
        patience: if not None, training ends when the best epoch is half as many epochs ago as it took to reach it, but
            at least the first and at most the second of these numbers. A group is `group_size` consecutive networks,
            or all if that is 0. Its networks stop together, and networks and outputs are then those of the epoch with
            the lowest loss on test rows: the loss of the mean prediction, see `GroupMeans`.
        seconds: the time after which training with patience ends, with at least one epoch; None for no limit.
        engine: `native` is the kernel, for chains of layers that it covers; `torch` takes all chains; `plain` takes all
            modules, one network after the other.
        dtype, device: as torch names them.
        note: tells users why training is slower than by the kernel, or is empty.
    """

    build: Source
    recipe: Recipe
    seeds: tuple[int, ...]
    splits: tuple[int, ...]
    members: tuple[int, ...]
    group_size: int = 0
    patience: tuple[int, int] | None = None
    seconds: float | None = None
    engine: Literal["native", "torch", "plain"] = "torch"
    dtype: str = "float32"
    device: str = "cpu"
    note: str = ""


def plan_chunks(
    build: Source,
    data: TrainingData,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    splits: Sequence[int],
    engine: Engine | Literal["plain"] = "auto",
    device: str = "cpu",
    dtype: str = "float32",
    group_size: int = 0,
    patience: tuple[int, int] | None = None,
) -> tuple[Chunk, ...]:
    """Cut networks, one for each pair of seed and split, into chunks that fit the cache.

    Args:
        build: the network as data, or what builds a user's own.
        data: the table.
        recipe: how they are trained.
        seeds, splits: the seed and the number of the split of each network.
        engine: `native`, `torch`, or `auto`: the kernel if it covers the network and this machine has it, else torch;
            or `plain`: the plain loop, which trains all networks that aren't a chain of known layers, too.
        device, dtype: as torch names them.
        group_size: how many consecutive networks stop together, see `Chunk`; with patience, 0 means all.
        patience: see `Chunk`. All networks of a chain are then one chunk, others a chunk for each group.

    Raises:
        CandidateError: the network can't be built, or doesn't suit the table.
        OptionError: there is no such engine, or this machine doesn't have it.
    """
    traits = traits_of(build, seeds[0], data)
    trainer, note = _engine(engine, traits, recipe, device, dtype)
    group_size = (group_size or len(seeds)) if patience else 0
    if trainer == "plain":
        size = max(_FEW, group_size)
    elif patience:
        size = len(seeds)
    elif trainer == "native":
        work = len(data.X) * recipe.n_epochs * (traits.n_parameters + _ROW_PARAMETERS)
        size = max(_LANES, min(_MOST_NATIVE, int(_NATIVE_WORK / work) // _LANES * _LANES))
    else:
        size = _chunk_size(traits, data, recipe, device, dtype)
    return tuple(
        Chunk(
            build=build,
            recipe=recipe,
            seeds=tuple(seeds[i] for i in members),
            splits=tuple(splits[i] for i in members),
            members=tuple(members),
            group_size=group_size,
            patience=patience,
            engine=trainer,
            dtype=dtype,
            device=device,
            note=note,
        )
        for group in _groups(data, recipe, splits, group_size, plain=trainer == "plain")
        for members in _cut(group, size, group_size, full=trainer == "native")
    )


def check_engine(engine: str) -> None:
    """Raise OptionError if there is no such engine."""
    if engine not in (known := get_args(Engine)):
        raise OptionError(f"engine is '{engine}'", f"It must be {', '.join(known[:-1])} or {known[-1]}.")


def _engine(
    engine: Engine | Literal["plain"], traits: Traits, recipe: Recipe, device: str, dtype: str
) -> tuple[Literal["native", "torch", "plain"], str]:
    """Return what trains networks like this one, and a note for users if it would be faster with other layers or on
    another machine."""
    if engine == "plain":
        return "plain", ""
    check_engine(engine)
    if traits.network is None:
        return "plain", "; ".join(filter(None, (_PLAIN, traits.note)))
    if engine == "torch" or not (device == "cpu" and recipe.native and traits.program):
        require_torch("a network that the training kernel doesn't cover" if engine != "torch" else "the engine torch")
        return "torch", traits.note
    library, reason = kernel(dtype)
    if library is None and engine == "native":
        raise OptionError(f"the training kernel isn't available: {reason}", f"Use {spell('engine', 'torch')}.")
    if library is None:
        require_torch(f"training without the kernel ({reason})")
    slower = f"trained by torch, which is slower: {reason}" if reason else ""
    return "torch" if library is None else "native", "; ".join(filter(None, (slower, traits.note)))


def pick_device(device: str) -> str:
    """Return the device by its name. `auto` is CUDA if available, else the CPU.

    Raises:
        OptionError: there is no such device.
    """
    # Loading torch only to ask for a GPU takes a second.
    may_have_gpu = has_torch() and any(map(os.path.exists, _DRIVERS))
    if device == "cpu" or (device == "auto" and not may_have_gpu):
        return "cpu"
    require_torch(f"the device {device}")
    from seedbed.training.torch.states import pick_torch_device

    return pick_torch_device(device)


def _groups(
    data: TrainingData, recipe: Recipe, splits: Sequence[int], group_size: int, *, plain: bool
) -> Iterator[list[int]]:
    """Yield the positions of networks that may share a chunk, because they take equally many steps.

    Networks that stop together always do; some of them then have smaller minibatches.
    """
    steps = [0] * len(splits)
    if recipe.batch_size and not plain:
        steps = [math.ceil(int((data.train[:, split] > 0).sum()) / recipe.batch_size) for split in splits]
    for start in range(0, len(steps), group_size) if group_size else ():
        steps[start : start + group_size] = [max(steps[start : start + group_size])] * group_size
    for number in dict.fromkeys(steps):
        yield [place for place, other in enumerate(steps) if other == number]


def _cut(group: list[int], size: int, group_size: int, *, full: bool) -> Iterator[list[int]]:
    """Cut a group evenly into chunks of at most a size: multiples of a kernel's blocks if `full`, and of the networks
    that stop together."""
    even = math.ceil(len(group) / math.ceil(len(group) / size))
    even = math.ceil(even / _BLOCK) * _BLOCK if full else even
    if group_size:
        even = max(1, even // group_size) * group_size
    for start in range(0, len(group), even):
        yield group[start : start + even]


def _chunk_size(traits: Traits, data: TrainingData, recipe: Recipe, device: str, dtype: str) -> int:
    assert traits.network is not None
    layers = traits.network.layers
    most = _most_embedded(layers[0], len(data.X), dtype)
    if device != "cpu":
        return min(most, _ON_GPU)
    widths = [_units(layer) for layer in (layers[0], *traits.network.innermost_layers[layers[0].layers == () :])]
    n_rows, widest = len(data.X), max(1, *widths, sum(widths) // 2)  # two layers are used at a time
    if recipe.batch_size:  # a minibatch's inputs are each network's own, too
        n_rows, widest = min(n_rows, recipe.batch_size), max(widest, data.X.shape[1])
    numbers = n_rows * widest + traits.n_parameters
    size = int(_CACHES * _cache_bytes() / (numbers * (8 if dtype == "float64" else 4)))
    size = max(_LANES, min(_MOST, size // _LANES * _LANES))
    # Rows of activations whose length is a multiple of a large power of two map to few cache sets (256 networks take 4
    # times as long as 240). An odd number of vectors avoids that.
    return min(most, size if size // _LANES % 2 else size - _LANES)


def _most_embedded(first: Layer, n_rows: int, dtype: str) -> int:
    """Return how many networks may embed all rows at once."""
    units = max(_units(layer) for layer in (first, *first.innermost_layers)) if first.embeds else 0
    return max(1, _MOST_BYTES // (n_rows * units * (8 if dtype == "float64" else 4))) if units else _ON_GPU


def _units(layer: Layer) -> int:
    """Return how many numbers a layer computes per row."""
    if isinstance(layer, Embeddings):
        return len(layer.others) + sum(map(len, layer.inputs))  # each network has its own copy
    if isinstance(layer, Periodic):
        return 2 * layer.n_inputs * layer.n_frequencies
    if isinstance(layer, Piecewise):
        return layer.n_inputs * (layer.bins + 1)
    return layer.units if isinstance(layer, Linear) else 0


@functools.cache
def _cache_bytes() -> int:
    """Return the size of a core's second-level cache, or 1 MiB if unknown."""
    text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    try:
        return int(text.read_text().strip().removesuffix("K")) * 1024
    except (OSError, ValueError):
        return 1 << 20
