"""The plan of a stack: how many networks a chunk holds, and whether compiling it pays."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from seedbed.errors import OptionError
from seedbed.networks import Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding, Recipe
from seedbed.training.chunk import Chunk
from seedbed.training.data import TrainingData
from seedbed.training.forward import Chain, Forward, forward_of
from seedbed.training.general import OneByOne
from seedbed.training.stack import build_network
from seedbed.training.step import compiler_found

__all__ = ["Compile", "Estimate", "StackPlan", "eager_seconds", "pick_device", "plan_stack"]

Compile = Literal["auto"] | bool

_LANES = 16  # networks come in full vectors of 16 floats
_MOST = 496
# How many second-level caches one layer's activations and the parameters may fill: below, the cost of a step that
# doesn't depend on the number of networks tells; above, nothing is gained.
_CACHES = 2.4
_ON_GPU = 4096
# What an embedding of all inputs may take for all rows: it is many times as wide as any layer, and a pass keeps some of
# its kind.
_MOST_BYTES = 1 << 28
# How much longer an eager step takes than a compiled one, and from how many operations on compiling, which takes some
# seconds, is worth it: eager they take about ten seconds of one core. The work alone decides, and neither a measured
# speed nor the number of cores: compiled and eager steps round differently, and a run that is started again, or with
# other --jobs, must come to the same bits.
_EAGER_FACTOR = 4.0
_WORTH_COMPILING = 2e11
# What a row that comes from a file costs a network beside the arithmetic, to be drawn, gathered and counted, as so many
# operations.
_ROW_OPERATIONS = 4e3
# Share of the matmul rate that a compiled stack reaches, by its layers; and what a row costs a network beside them, as
# so many parameters, where it is compiled and where it isn't (see benchmarks/LOG.md).
_SHARE_OF_RATE = 0.8
_ROW_PARAMETERS = {True: 50, False: 300}


_SLOWER = "not all of its layers are known, so it takes the general, slower way"
_ONE_BY_ONE = (
    "torch.func.vmap can't map it ({reason}), so its networks are trained one after the other, as in a plain loop: "
    "small ones take about 5 times as long as networks that can be mapped, and 10 to 100 times as long as common layers"
)  # see benchmarks/LOG.md
# Of networks that are trained one after the other: small chunks, so that all cores have some.
_FEW = 8
_EVALUATING = 1.3  # an epoch with its look at test rows, in steps
_MOST_ROWS = 1024  # of what is measured for an estimate; more rows take longer in proportion


@dataclass(frozen=True)
class Estimate:
    """What a stack will cost.

    Attributes:
        compiled: whether it is to be compiled.
        seconds: of one core, without compiling.
        measured: whether the seconds were measured by some steps.
    """

    compiled: bool
    seconds: float
    measured: bool = False


@dataclass(frozen=True)
class StackPlan:
    """Networks of one candidate, cut into chunks of one shape.

    Attributes:
        chunks: in order; together they hold all networks in the order given.
        estimate: what it will cost.
        note: said to the user where the stack takes the slower way; empty otherwise.
        n_parameters: of one network.
        width: networks of a chunk, filling included; the widest where they differ.
    """

    chunks: tuple[Chunk, ...]
    estimate: Estimate
    note: str
    n_parameters: int
    width: int

    def taking(self, seconds: float) -> StackPlan:
        """The same plan, with so many measured seconds of one core as its estimate."""
        return replace(self, estimate=replace(self.estimate, seconds=seconds, measured=True))

    def trained_with(self, lr: Sequence[float], stops: Sequence[int]) -> StackPlan:
        """The same plan with a learning rate and a number of epochs for each network, in the order of the networks."""
        chunks = []
        for chunk in self.chunks:
            filled = chunk.members + chunk.members[-1:] * (len(chunk.seeds) - len(chunk.members))
            chunks.append(replace(chunk, lr=tuple(lr[i] for i in filled), stops=tuple(stops[i] for i in filled)))
        return replace(self, chunks=tuple(chunks))


def plan_stack(
    build: Callable[[], nn.Module],
    data: TrainingData,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    splits: Sequence[int],
    lr: Sequence[float] | None = None,
    decay: Sequence[float] | None = None,
    width: int | None = None,
    compile: Compile = "auto",
    device: str = "cpu",
    dtype: str = "float32",
    keep_networks: bool = False,
    keep_outputs: bool = True,
    patience: int | None = None,
) -> StackPlan:
    """Cut networks, one for each pair of seed and split, into chunks that fit the cache.

    Args:
        lr, decay: one a network; the recipe's if left out.
        width: networks of a chunk, as another plan has it whose compiled step is to be used again.
        patience: as `Chunk` has it; all networks are one chunk then.

    Raises:
        CandidateError: the network can't be built, or doesn't suit the table.
    """
    network = build_network(build, seeds[0])
    data.n_outputs(network)
    chain = forward_of(network, data.X.shape[1])
    width = len(seeds) if patience else width
    size = width or (_FEW if isinstance(chain, OneByOne) else _chunk_size(network, data, recipe, device, dtype))
    rates, decays = lr or (recipe.lrs[0],) * len(seeds), decay or (recipe.decay,) * len(seeds)
    wanted = _wanted(compile, chain, many_steps=recipe.epochs > 10 or data.order is not None)
    estimate, note = _costs(chain, network, data, recipe, len(seeds), wanted)
    parts = []
    for part, full in _cut(_groups(chain, data, recipe, splits), size, even=not width):
        filled = part + part[-1:] * (full - len(part) if estimate.compiled else 0)
        parts.append(
            Chunk(
                build=build,
                recipe=recipe,
                seeds=tuple(seeds[i] for i in filled),
                splits=tuple(splits[i] for i in filled),
                lr=tuple(rates[i] for i in filled),
                decay=tuple(decays[i] for i in filled),
                members=tuple(part),
                patience=patience,
                compiled=estimate.compiled,
                keep_networks=keep_networks,
                keep_outputs=keep_outputs,
                dtype=dtype,
                device=device,
            )
        )
    return StackPlan(tuple(parts), estimate, note, _n_parameters(network), max(len(part.seeds) for part in parts))


def pick_device(device: str) -> str:
    """`auto` is CUDA where there is one.

    Raises:
        OptionError: the device isn't there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
        torch.ones(1, device=found).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        raise OptionError(f"no device '{device}': {str(error).splitlines()[0]}", "Use auto, cpu or cuda.") from None
    return "cpu" if found.type == "cpu" else str(found)


def _groups(chain: object, data: TrainingData, recipe: Recipe, splits: Sequence[int]) -> Iterator[list[int]]:
    """Positions of the networks that may share a chunk."""
    keys: list[object] = []
    for split in splits:
        if not isinstance(chain, Chain):
            keys.append(split)  # it sees its own rows only
        elif recipe.batch_size is not None:
            keys.append(math.ceil(int((data.train[:, split] > 0).sum()) / recipe.batch_size))  # as many steps
        else:
            keys.append(None)
    for key in dict.fromkeys(keys):
        yield [i for i, own in enumerate(keys) if own == key]


def _cut(groups: Iterator[list[int]], size: int, *, even: bool) -> Iterator[tuple[list[int], int]]:
    """Groups cut into chunks of this size or, evenly, at most of this size; and what a chunk takes in full vectors."""
    for group in groups:
        own = math.ceil(len(group) / math.ceil(len(group) / size)) if even else size
        for start in range(0, len(group), own):
            yield group[start : start + own], math.ceil(own / _LANES) * _LANES


def _chunk_size(network: nn.Module, data: TrainingData, recipe: Recipe, device: str, dtype: str) -> int:
    most = _most_embedded(network, len(data.X), dtype) if data.order is None else _ON_GPU
    if device != "cpu":
        return min(most, _ON_GPU)
    widths = [_units(module) for module in network.modules()]
    n_rows, widest = len(data.X), max(1, *widths, sum(widths) // 2)  # two layers are in use at a time
    if recipe.batch_size is not None:  # a minibatch's inputs are each network's own, too
        n_rows, widest = min(n_rows, recipe.batch_size), max(widest, data.X.shape[1])
    numbers = n_rows * widest + sum(p.numel() for p in network.parameters())
    size = int(_CACHES * _cache_bytes() / (numbers * (8 if dtype == "float64" else 4)))
    size = max(_LANES, min(_MOST, size // _LANES * _LANES))
    # A row of activations whose length is a multiple of a large power of two maps to few cache sets: an odd number of
    # vectors avoids that (4x slower at 256 networks than at 240).
    return min(most, size if size // _LANES % 2 else size - _LANES)


def _most_embedded(network: nn.Module, n_rows: int, dtype: str) -> int:
    """How many networks may embed all rows at once. Such are compiled only if it is asked for, so vectors needn't be
    full."""
    kinds = (Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding)
    units = max((_units(module) for module in network.modules() if isinstance(module, kinds)), default=0)
    return max(1, _MOST_BYTES // (n_rows * units * (8 if dtype == "float64" else 4))) if units else _ON_GPU


def _units(module: nn.Module) -> int:
    """Numbers of a row that it computes."""
    if isinstance(module, Embeddings):
        return module.n_features  # each network has its own copy of them
    if isinstance(module, PeriodicEmbedding):
        return 2 * module.frequencies.numel()
    if isinstance(module, PiecewiseLinearEncoding):
        return module.edges.numel()
    return module.out_features if isinstance(module, nn.Linear) else 0


@functools.cache
def _cache_bytes() -> int:
    """The second-level cache of a core; 1 MiB where the system doesn't tell."""
    text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    try:
        return int(text.read_text().strip().removesuffix("K")) * 1024
    except (OSError, ValueError):
        return 1 << 20


def _wanted(compile: Compile, chain: Forward, *, many_steps: bool) -> bool | None:
    if not isinstance(chain, Chain):
        return False
    if compile != "auto":
        return bool(compile)
    # A wide network spends its time in matmuls, where a compiler has nothing to gain.
    gains = chain.placement(compiled=True) == "fused" and many_steps
    return None if gains and compiler_found() else False


def _estimate(n_parameters: int, n_rows: int, compiled: bool | None, *, from_file: bool) -> Estimate:
    """The cost of `n_rows` = rows x epochs x networks; `compiled` is what is wanted, none for a choice."""
    # Forward, and twice that backward.
    operations = n_rows * (6.0 * n_parameters + from_file * _ROW_OPERATIONS)
    if compiled is None:
        compiled = operations > _WORTH_COMPILING
    seconds = (operations + n_rows * 6.0 * _ROW_PARAMETERS[compiled]) / (_matmul_rate() * _SHARE_OF_RATE)
    return Estimate(compiled, seconds if compiled else seconds * _EAGER_FACTOR)


def _n_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _costs(
    forward: Forward,
    network: nn.Module,
    data: TrainingData,
    recipe: Recipe,
    n_networks: int,
    wanted: bool | None,
) -> tuple[Estimate, str]:
    """The cost of networks like this one, and a note where it is higher than that of a chain."""
    if not isinstance(forward, OneByOne):
        n_rows, from_file = len(data.X) * recipe.epochs * n_networks, data.order is not None
        note = "" if isinstance(forward, Chain) else _SLOWER
        return _estimate(_n_parameters(network), n_rows, wanted, from_file=from_file), note
    n_train = int((data.train[:, 0] > 0).sum())
    batch = min(n_train, recipe.batch_size or n_train)
    n_rows = min(batch, _MOST_ROWS)
    step = forward.seconds_a_step(network, n_rows, data.X.shape[1]) * batch / n_rows
    seconds = step * math.ceil(n_train / batch) * _EVALUATING * recipe.epochs * n_networks
    return Estimate(False, seconds), _ONE_BY_ONE.format(reason=forward.reason)


def eager_seconds(n_parameters: int, n_rows: int) -> float:
    """Return an estimate of the time that one core takes for networks of so many parameters [s], without compiling.

    Args:
        n_rows: rows x epochs x networks.
    """
    return _estimate(n_parameters, n_rows, False, from_file=False).seconds


@functools.cache
def _matmul_rate() -> float:
    """Operations a second of one core in a middle-sized matmul, measured in some milliseconds."""
    a = torch.ones(512, 512)  # not random numbers: the caller's random state stays as it is
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a @ a
        start = time.perf_counter()
        for _ in range(4):
            a @ a
        return 4 * 2 * 512**3 / (time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
