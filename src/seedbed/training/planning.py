"""Plan chunks, which are networks that train together: what trains them, and how many there are in one."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np

from seedbed.errors import OptionError, spell
from seedbed.networks.network import Network
from seedbed.settings.design import Engine
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.native.library import kernel
from seedbed.training.stack import Chunk, traits_of
from seedbed.training.torch import has_torch, require_torch
from seedbed.training.traits import Source, Traits

_BLOCK = 8  # networks come in blocks of 8 for the kernel
# A chunk of torch's: the most networks, and the bytes that a training step of all may take. Its fixed cost is shared by
# all networks, and more of them aren't faster, see benchmarks/LOG.md.
_MOST, _STEP_BYTES = 128, 1 << 26
_ON_GPU, _STEP_BYTES_ON_GPU = 4096, 1 << 33
# A chunk of the kernel trains for some tenths of a second: about so many rows x epochs x parameters, where loss and
# figures of a row count as `_ROW_PARAMETERS`. It holds between `_LEAST_NATIVE` and `_MOST_NATIVE` networks. Smaller
# chunks would build shared data more often, larger ones would leave cores idle at the end. The size depends neither on
# the number of cores nor on a measured speed, because a run may continue with other --n-jobs.
_NATIVE_WORK, _ROW_PARAMETERS, _LEAST_NATIVE, _MOST_NATIVE = 4e9, 40, 16, 96
_PLAIN = "its networks are trained one after the other, as in a plain loop, because {}"
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", r"C:\Windows\System32\nvcuda.dll")  # of NVIDIA, on Linux, WSL and Windows
# Networks that train one after the other get small chunks, so that all cores have work.
_FEW = 8


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
            or `plain`: the plain loop, which also trains a single own module, and all that `torch.func.vmap` can't run.
        device, dtype: as torch names them.
        group_size: how many consecutive networks stop together, see `Chunk`; with patience, 0 means all.
        patience: see `Chunk`. All networks that the kernel trains are then one chunk; others have as many groups in one
            as fit.

    Raises:
        CandidateError: the network can't be built, or doesn't suit the table.
        OptionError: there is no such engine, or this machine doesn't have it.
    """
    traits = traits_of(build, seeds[0], data)
    group_size = (group_size or len(seeds)) if patience else 0
    whole = Chunk(build, data, recipe, tuple(seeds), tuple(splits), tuple(range(len(seeds))), group_size, patience,
                  dtype=dtype, device=device, n_parameters=traits.n_parameters)  # fmt: skip
    trainer, note = _engine(engine, traits, whole)
    if trainer == "plain":
        size = max(_FEW, group_size)
    elif trainer == "torch":
        size = max(group_size, _chunk_size(whole))
    elif patience:
        size = len(seeds)
    else:
        work = len(data.X) * recipe.n_epochs * (traits.n_parameters + _ROW_PARAMETERS)
        size = max(_LEAST_NATIVE, min(_MOST_NATIVE, int(_NATIVE_WORK / work) // _LEAST_NATIVE * _LEAST_NATIVE))
    return tuple(
        dataclasses.replace(
            whole,
            seeds=tuple(seeds[i] for i in networks),
            splits=tuple(splits[i] for i in networks),
            networks=tuple(networks),
            engine=trainer,
            note=note,
        )
        for group in _groups(whole, trainer)
        for networks in _cut(group, size, group_size, full=trainer == "native")
    )


def check_engine(engine: str) -> None:
    """Raise OptionError if there is no such engine."""
    if engine not in (known := get_args(Engine)):
        raise OptionError(f"engine is '{engine}'", f"It must be {', '.join(known[:-1])} or {known[-1]}.")


def _engine(
    engine: Engine | Literal["plain"], traits: Traits, whole: Chunk
) -> tuple[Literal["native", "torch", "plain"], str]:
    """Return what trains the networks of a plan, and a note for users if it would be faster with another `forward` or
    on another machine."""
    if engine == "plain":
        return "plain", ""
    check_engine(engine)
    slower = ""
    if engine != "torch" and whole.device == "cpu" and traits.program:
        library, reason = kernel(whole.dtype)
        if library is not None:
            return "native", traits.note
        if engine == "native":
            raise OptionError(f"the training kernel isn't available: {reason}", f"Use {spell('engine', 'torch')}.")
        require_torch(f"training without the kernel ({reason})")
        slower = f"trained by torch, which is slower: {reason}" if reason else ""
    require_torch("the engine torch" if engine == "torch" else "a network that the training kernel doesn't cover")
    is_own = not isinstance(whole.build, Network)
    one_by_one = is_own and len(whole.seeds) == 1
    if is_own and not one_by_one:
        from seedbed.training.torch.trials import why_one_by_one

        if why := why_one_by_one(whole, traits):
            one_by_one, slower = True, _PLAIN.format(why)
    return "plain" if one_by_one else "torch", "; ".join(filter(None, (slower, traits.note)))


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


def _groups(whole: Chunk, trainer: str) -> Iterator[list[int]]:
    """Yield the networks of a plan that may share a chunk: for the kernel those that take equally many steps, for torch
    those with equally many rows.

    Networks that stop together always do; some of them then have smaller minibatches.
    """
    counts, group_size = (whole.data.train > 0).sum(axis=0)[list(whole.splits)], whole.group_size
    size = {"plain": 0, "torch": 0 if group_size else 1, "native": whole.recipe.batch_size}[trainer]
    steps = -(-counts // size) if size else np.zeros_like(counts)
    if group_size:
        steps = np.repeat(steps.reshape(-1, group_size).max(axis=1), group_size)
    for number in dict.fromkeys(steps.tolist()):
        yield np.flatnonzero(steps == number).tolist()


def _cut(group: list[int], size: int, group_size: int, *, full: bool) -> Iterator[list[int]]:
    """Cut a group evenly into chunks of at most a size: multiples of a kernel's blocks if `full`, and of the networks
    that stop together."""
    even = math.ceil(len(group) / math.ceil(len(group) / size))
    even = math.ceil(even / _BLOCK) * _BLOCK if full else even
    if group_size:
        even = max(1, even // group_size) * group_size
    for start in range(0, len(group), even):
        yield group[start : start + even]


def _chunk_size(whole: Chunk) -> int:
    """Return how many networks of a plan torch trains at once."""
    from seedbed.training.torch.trials import bytes_of_row

    n_rows, n_inputs = whole.data.X.shape
    step = (whole.recipe.batch_size or n_rows) * bytes_of_row(whole.build, n_inputs) // 4
    numbers: int = step + n_rows * n_inputs  # each network has its own rows
    size = (numbers + 4 * whole.n_parameters) * (8 if whole.dtype == "float64" else 4)
    most, memory = (_MOST, _STEP_BYTES) if whole.device == "cpu" else (_ON_GPU, _STEP_BYTES_ON_GPU)
    return max(1, min(most, memory // size))
