"""Plan chunks, which are networks that train together: what trains them, and how many there are in
one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from seedbed.errors import OptionError, spell
from seedbed.networks.network import Network, Traits
from seedbed.settings.design import EngineName
from seedbed.training.native.library import kernel
from seedbed.training.parallel import one_thread
from seedbed.training.stack import Chunk, traits_of
from seedbed.training.torch import has_torch, require_torch

_BLOCK = 8  # networks come in blocks of 8 for the kernel
# A chunk of torch's: the most networks, and the bytes that a training step of all may take. Its
# fixed cost is shared by all networks, and more of them aren't faster, see benchmarks/LOG.md.
_MOST = 128
_STEP_BYTES = 1 << 26
_ON_GPU = 4096
_STEP_BYTES_ON_GPU = 1 << 33
# A chunk of the kernel trains for some tenths of a second: about so many rows x epochs x
# parameters, where loss and figures of a row count as `_ROW_PARAMETERS`. It holds between
# `_LEAST_NATIVE` and `_MOST_NATIVE` networks. Smaller chunks would build shared data more often,
# larger ones would leave cores idle at the end. The size depends neither on the number of cores nor
# on a measured speed, because a run may continue with other --n-jobs.
_NATIVE_WORK, _ROW_PARAMETERS, _LEAST_NATIVE, _MOST_NATIVE = 4e9, 40, 16, 96
# A step of a network that takes more than about 4 MB isn't quicker together with others.
_LEAST_TOGETHER = 20
_LARGE = "a step of each is too large to be quicker together"
_PLAIN = "its networks are trained one after the other, as in a plain loop, because {}"
_DRIVERS = (
    "/dev/nvidiactl",
    "/dev/dxg",
    r"C:\Windows\System32\nvcuda.dll",
)  # of NVIDIA, on Linux, WSL and Windows


@one_thread("cpu")
def plan_chunks(whole: Chunk) -> tuple[Chunk, ...]:
    """Cut networks, one for each pair of seed and split, into chunks that fit the cache, and choose
    what trains them.

    With patience, all networks that the kernel trains are one chunk; others have as many groups in
    one as fit. CandidateError if the network can't be built, or doesn't suit the table; OptionError
    as in `pick_engine`.
    """
    n_networks = len(whole.seeds)
    group_size = whole.group_size
    recipe = whole.recipe
    traits = traits_of(whole.build, whole.seeds[0], whole.data)
    group_size = (group_size or n_networks) if whole.patience else 0
    whole = replace(whole, group_size=group_size, n_parameters=traits.n_parameters)
    engine, note = pick_engine(whole.engine, traits, whole.device, whole.dtype)
    if engine == "torch" and not isinstance(whole.build, Network):
        from seedbed.training.torch.trials import why_one_by_one

        is_large = whole.device == "cpu" and _chunk_size(whole) < _LEAST_TOGETHER
        why = ""
        if n_networks > 1:
            why = _LARGE if is_large else why_one_by_one(whole, traits)
        if why or n_networks == 1:
            engine = "plain"
            note = _PLAIN.format(why) if why else note
    note = (
        "" if whole.engine == "plain" else "; ".join(filter(None, (note, traits.note)))
    )
    if engine == "plain":
        size = max(8, group_size)  # few, so that all cores have work
    elif engine == "torch":
        size = max(group_size, _chunk_size(whole))
    elif whole.patience:
        size = n_networks
    else:
        work = (
            len(whole.data.X)
            * recipe.n_epochs
            * (traits.n_parameters + _ROW_PARAMETERS)
        )
        size = max(
            _LEAST_NATIVE,
            min(
                _MOST_NATIVE, int(_NATIVE_WORK / work) // _LEAST_NATIVE * _LEAST_NATIVE
            ),
        )
    parts = _cut(whole, engine, size)
    whole = replace(whole, engine=engine, note=note)
    return tuple(
        replace(
            whole,
            seeds=[whole.seeds[i] for i in some],
            splits=[whole.splits[i] for i in some],
            networks=some,
        )
        for some in parts
    )


def pick_engine(
    engine: EngineName | Literal["plain"],
    traits: Traits,
    device: str = "cpu",
    dtype: str = "float32",
) -> tuple[Literal["native", "torch", "plain"], str]:
    """Return what trains networks, and why it is slower than the kernel, if this machine lacks
    that. OptionError if there is no such engine, or this machine doesn't have it."""
    if engine == "plain":
        return "plain", ""
    if engine not in (names := get_args(EngineName)):
        raise OptionError(
            f"engine is '{engine}'",
            f"It must be {', '.join(names[:-1])} or {names[-1]}.",
        )
    slower = ""
    if engine != "torch" and device == "cpu" and traits.program:
        library, reason = kernel(dtype)
        if library is not None:
            return "native", ""
        if engine == "native":
            raise OptionError(
                f"the training kernel isn't available: {reason}",
                f"Use {spell('engine', 'torch')}.",
            )
        require_torch(f"training without the kernel ({reason})")
        slower = f"trained by torch, which is slower: {reason}" if reason else ""
    require_torch(
        "the engine torch"
        if engine == "torch"
        else "a network that the training kernel doesn't cover"
    )
    return "torch", slower


def pick_device(device: str) -> str:
    """Return the device by its name; `auto` is CUDA if available, else the CPU. OptionError if
    there is none."""
    # Loading torch only to ask for a GPU takes a second.
    may_have_gpu = has_torch() and any(map(os.path.exists, _DRIVERS))
    if device == "cpu" or (device == "auto" and not may_have_gpu):
        return "cpu"
    require_torch(f"the device {device}")
    from seedbed.training.torch.states import pick_torch_device

    return pick_torch_device(device)


def _cut(whole: Chunk, engine: str, size: int) -> Iterator[list[int]]:
    """Yield the networks of each chunk, evenly and at most so many: for the kernel those that take
    equally many steps, in whole blocks; for torch those with equally many rows.

    Networks that stop together always share a chunk; some of them then have smaller minibatches.
    """
    counts = (whole.data.train > 0).sum(axis=0)[list(whole.splits)]
    group_size = whole.group_size
    step_rows = {
        "plain": 0,
        "torch": 0 if group_size else 1,
        "native": whole.recipe.batch_size,
    }[engine]
    steps = -(-counts // step_rows) if step_rows else np.zeros_like(counts)
    if group_size:
        steps = np.repeat(steps.reshape(-1, group_size).max(axis=1), group_size)
    for number in dict.fromkeys(steps.tolist()):
        networks = np.flatnonzero(steps == number).tolist()
        even = math.ceil(len(networks) / math.ceil(len(networks) / size))
        even = math.ceil(even / _BLOCK) * _BLOCK if engine == "native" else even
        even = max(1, even // group_size) * group_size if group_size else even
        yield from (
            networks[start : start + even] for start in range(0, len(networks), even)
        )


def _chunk_size(whole: Chunk) -> int:
    """Return how many networks of a plan torch trains at once."""
    from seedbed.training.torch.trials import bytes_of_row

    n_rows, n_inputs = whole.data.X.shape
    step = (
        (whole.recipe.batch_size or n_rows) * bytes_of_row(whole.build, n_inputs) // 4
    )
    numbers: int = step + n_rows * n_inputs  # each network has its own rows
    size = (numbers + 4 * whole.n_parameters) * (8 if whole.dtype == "float64" else 4)
    most, memory = (
        (_MOST, _STEP_BYTES) if whole.device == "cpu" else (_ON_GPU, _STEP_BYTES_ON_GPU)
    )
    return max(1, min(most, memory // size))
