"""Plan a stack: the engine that trains it, the size of its chunks, and the time that it takes."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from seedbed.errors import OptionError, spell
from seedbed.networks.activations import activation_of
from seedbed.networks.parts import Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding
from seedbed.settings.design import Engine
from seedbed.settings.recipe import Recipe
from seedbed.training.chain import Chain, changed_by_forward, covers, shared_chain
from seedbed.training.chunk import Chunk
from seedbed.training.data import TrainingData
from seedbed.training.machine import one_thread
from seedbed.training.native.library import kernel
from seedbed.training.plain_engine import in_one_line
from seedbed.training.randomness import seeded
from seedbed.training.reference import outputs_of
from seedbed.training.stack import build_network

_LANES, _BLOCK = 16, 8  # networks come in full vectors of 16 floats for torch, in blocks of 8 for the kernel
_MOST = 496
# One layer's activations and the parameters may fill this many second-level caches. In smaller chunks the fixed cost of
# a step dominates, larger ones aren't faster.
_CACHES = 2.4
_ON_GPU = 4096
# Bytes that an embedding of all inputs may take for all rows. It is far wider than a layer, and a pass keeps several.
_MOST_BYTES = 1 << 28
# The cost of one row in one epoch, in multiplications and additions at the rate of a matmul. Fitted to measurements of
# both layouts of the kernel, see benchmarks/LOG.md.
_SHARE_OF_RATE = 0.85  # of the matmul rate that the kernel's products reach
_A_WEIGHT, _A_WEIGHT_OF_TABLE = 5.2, 3.6  # of a parameter; of one in the first layer, whose inputs need no gradient
_A_ROW = 200.0  # loss and figures
_A_UNIT, _A_BIN = 15.0, 25.0  # an output of a linear layer or of ReLU; a bin of an encoding
_A_FUNCTION = 50.0  # an output of another function, a normalisation or dropout
_A_MINIBATCH_ROW, _AN_ORDER = 2500.0, 2.5e6  # a row gathered from memory; an order drawn for one network and epoch
# torch's engine needs twice the operations, and passes every unit through memory.
_TORCH_FACTOR, _A_TORCH_UNIT = 2.0, 350.0
# A chunk of the kernel holds networks for about this many operations, some tenths of a second, and at most this many
# networks. Smaller chunks would build shared data more often, larger ones would leave cores idle at the end. The size
# depends neither on the number of cores nor on a measured speed, because a run may continue with other --n-jobs.
_NATIVE_OPERATIONS, _MOST_NATIVE = 2e10, 96


_PLAIN = (
    "not all of its layers are known, so its networks are trained one after the other, as in a plain loop: they take "
    "10 to 100 times as long as common layers"
)  # see benchmarks/LOG.md
_LOST = ". Its forward() may change {}, not registered as a buffer: trained networks that are returned have a new one"
# Networks that train one after the other get small chunks, so that all cores have work.
_FEW = 8
_EVALUATING = 1.3  # time of an epoch with its evaluation, relative to its steps
_MOST_ROWS = 1024  # measured for an estimate, which is scaled up to more rows


@dataclass(frozen=True)
class StackPlan:
    """The networks of one candidate, cut into chunks.

    Attributes:
        chunks: the chunks, which together contain all networks.
        seconds: estimated time on one core.
        note: tells users why training is slower than by the kernel, or is empty.
    """

    chunks: tuple[Chunk, ...]
    seconds: float
    note: str

    def lanes(self, chunk: Chunk) -> int:
        """Return how many networks a chunk costs: the kernel's blocks are full."""
        n = len(chunk.members)
        return math.ceil(n / _BLOCK) * _BLOCK if chunk.engine == "native" else n

    def cost(self, chunk: Chunk) -> float:
        """Return the part of the estimate that one of the chunks takes [s]."""
        return self.seconds * self.lanes(chunk) * chunk.usual_epochs / self.work

    @functools.cached_property
    def work(self) -> float:
        """The epochs of all networks that the chunks cost."""
        return sum(self.lanes(chunk) * chunk.usual_epochs for chunk in self.chunks)


def plan_stack(
    build: Callable[[], nn.Module],
    data: TrainingData,
    recipe: Recipe,
    *,
    seeds: Sequence[int],
    splits: Sequence[int],
    engine: Engine = "auto",
    device: str = "cpu",
    dtype: str = "float32",
    keep_networks: bool = False,
    together: int = 0,
    patience: tuple[int, int] | None = None,
    plain: bool = False,
) -> StackPlan:
    """Cut networks, one for each pair of seed and split, into chunks that fit the cache.

    Args:
        build: builds one network.
        data: the table.
        recipe: how they are trained.
        seeds, splits: the seed and the number of the split of each network.
        engine: `native`, `torch`, or `auto`: the kernel if it covers the network and this machine has it, else torch.
        device, dtype: as torch names them.
        keep_networks: see `Chunk`.
        together: how many consecutive networks choose an epoch together, see `Chunk`; with patience, 0 means all.
        patience: see `Chunk`. All networks of a chain are then one chunk, others a chunk for each group.
        plain: whether the plain loop trains them, as it trains all networks that aren't a chain of known layers.

    Raises:
        CandidateError: the network can't be built, or doesn't suit the table.
        OptionError: there is no such engine, or this machine doesn't have it.
    """
    network = build_network(build, seeds[0])
    data.n_outputs(network)
    chain = None if plain else shared_chain(build, network, data.X.shape[1])
    trainer, note = _engine(engine, chain, network, data.X.shape[1], recipe, device, dtype)
    together = (together or len(seeds)) if patience else 0
    if trainer == "plain":
        size, seconds = max(_FEW, together), _plain_seconds(build_network(build, seeds[0]), data, recipe)
    else:
        operations = _operations(network, data, recipe, native=trainer == "native")
        size = _native_size(operations) if trainer == "native" else _chunk_size(network, data, recipe, device, dtype)
        size, seconds = len(seeds) if patience else size, operations / (_matmul_rate() * _SHARE_OF_RATE)
    chunks = tuple(
        Chunk(
            build=build,
            recipe=recipe,
            seeds=tuple(seeds[i] for i in members),
            splits=tuple(splits[i] for i in members),
            members=tuple(members),
            together=together,
            patience=patience,
            engine=trainer,
            keep_networks=keep_networks,
            dtype=dtype,
            device=device,
        )
        for group in _groups(data, recipe, splits, together, plain=trainer == "plain")
        for members in _cut(group, size, together, full=trainer == "native")
    )
    plan = StackPlan(chunks, 0.0, "" if plain else note)
    return replace(plan, seconds=seconds * plan.work / recipe.n_epochs)


def check_engine(engine: str) -> None:
    """Raise OptionError if there is no such engine."""
    if engine not in (known := get_args(Engine)):
        raise OptionError(f"engine is '{engine}'", f"It must be {', '.join(known[:-1])} or {known[-1]}.")


def _engine(
    engine: Engine,
    chain: Chain | None,
    network: nn.Module,
    n_features: int,
    recipe: Recipe,
    device: str,
    dtype: str,
) -> tuple[Literal["native", "torch", "plain"], str]:
    """Return what trains networks like this one, and a note for users if it would be faster with other layers or on
    another machine."""
    check_engine(engine)
    if chain is None:
        lost = changed_by_forward(network, n_features) - {"_parameters", "_buffers", "_modules"}
        return "plain", _PLAIN + (_LOST.format(", ".join(sorted(lost))) if lost else "")
    if engine == "torch" or not (device == "cpu" and recipe.native and covers(chain, network)):
        return "torch", ""
    library, reason = kernel(dtype)
    if library is None and engine == "native":
        raise OptionError(f"the training kernel isn't available: {reason}", f"Use {spell('engine', 'torch')}.")
    note = f"trained by torch, which is slower: {reason}" if reason else ""
    return "torch" if library is None else "native", note


def pick_device(device: str) -> str:
    """Return the device by its name. `auto` is CUDA if available, else the CPU.

    Raises:
        OptionError: there is no such device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.ones(1, device=chosen).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        # torch's dispatcher lists all of its backends.
        is_unknown = isinstance(error, NotImplementedError)
        why = "this torch has no such backend" if is_unknown else str(error).splitlines()[0]
        raise OptionError(f"no device '{device}': {why}", "Use auto, cpu or cuda.") from None
    return "cpu" if chosen.type == "cpu" else str(chosen)


def _groups(
    data: TrainingData, recipe: Recipe, splits: Sequence[int], together: int, *, plain: bool
) -> Iterator[list[int]]:
    """Yield the positions of networks that may share a chunk, because they take equally many steps.

    Networks that stop together always do; some of them then have smaller minibatches.
    """
    steps = [0] * len(splits)
    if recipe.batch_size and not plain:
        steps = [math.ceil(int((data.train[:, split] > 0).sum()) / recipe.batch_size) for split in splits]
    for start in range(0, len(steps), together) if together else ():
        steps[start : start + together] = [max(steps[start : start + together])] * together
    for number in dict.fromkeys(steps):
        yield [place for place, other in enumerate(steps) if other == number]


def _cut(group: list[int], size: int, together: int, *, full: bool) -> Iterator[list[int]]:
    """Cut a group evenly into chunks of at most a size: multiples of a kernel's blocks if `full`, and of the networks
    that choose together."""
    even = math.ceil(len(group) / math.ceil(len(group) / size))
    even = math.ceil(even / _BLOCK) * _BLOCK if full else even
    if together:
        even = max(1, even // together) * together
    for start in range(0, len(group), even):
        yield group[start : start + even]


def _native_size(operations: float) -> int:
    """Return the size of a kernel's chunk for networks of this many operations."""
    return max(_LANES, min(_MOST_NATIVE, int(_NATIVE_OPERATIONS / operations) // _LANES * _LANES))


def _chunk_size(network: nn.Module, data: TrainingData, recipe: Recipe, device: str, dtype: str) -> int:
    most = _most_embedded(network, len(data.X), dtype)
    if device != "cpu":
        return min(most, _ON_GPU)
    widths = [_units(module) for module in network.modules()]
    n_rows, widest = len(data.X), max(1, *widths, sum(widths) // 2)  # two layers are used at a time
    if recipe.batch_size:  # a minibatch's inputs are each network's own, too
        n_rows, widest = min(n_rows, recipe.batch_size), max(widest, data.X.shape[1])
    numbers = n_rows * widest + sum(p.numel() for p in network.parameters())
    size = int(_CACHES * _cache_bytes() / (numbers * (8 if dtype == "float64" else 4)))
    size = max(_LANES, min(_MOST, size // _LANES * _LANES))
    # Rows of activations whose length is a multiple of a large power of two map to few cache sets (256 networks take 4
    # times as long as 240). An odd number of vectors avoids that.
    return min(most, size if size // _LANES % 2 else size - _LANES)


def _most_embedded(network: nn.Module, n_rows: int, dtype: str) -> int:
    """Return how many networks may embed all rows at once."""
    kinds = (Embeddings, PeriodicEmbedding, PiecewiseLinearEncoding)
    units = max((_units(module) for module in network.modules() if isinstance(module, kinds)), default=0)
    return max(1, _MOST_BYTES // (n_rows * units * (8 if dtype == "float64" else 4))) if units else _ON_GPU


def _units(module: nn.Module) -> int:
    """Return how many numbers a module computes per row."""
    if isinstance(module, Embeddings):
        return module.n_features  # each network has its own copy
    if isinstance(module, PeriodicEmbedding):
        return 2 * module.frequencies.numel()
    if isinstance(module, PiecewiseLinearEncoding):
        return module.edges.numel()
    return module.out_features if isinstance(module, nn.Linear) else 0


@functools.cache
def _cache_bytes() -> int:
    """Return the size of a core's second-level cache, or 1 MiB if unknown."""
    text = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    try:
        return int(text.read_text().strip().removesuffix("K")) * 1024
    except (OSError, ValueError):
        return 1 << 20


def _n_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _row_operations(network: nn.Module) -> tuple[float, int]:
    """Return what a row costs one network in one epoch of the kernel, as so many operations, and the hidden units."""
    operations, units, n_units = _A_ROW + _A_WEIGHT * _n_parameters(network), 0, 0
    sees_table = True
    for module in network.modules():
        entry = activation_of(module)
        if isinstance(module, nn.Linear):
            units = module.out_features
            n_units, operations = n_units + units, operations + _A_UNIT * units
            operations -= (_A_WEIGHT - _A_WEIGHT_OF_TABLE) * module.weight.numel() if sees_table else 0.0
            sees_table = False
        elif isinstance(module, PeriodicEmbedding):
            operations, sees_table = operations + _A_FUNCTION * _units(module), False
        elif isinstance(module, PiecewiseLinearEncoding):
            operations += _A_BIN * _units(module)
        elif entry is not None or isinstance(module, nn.LayerNorm | nn.BatchNorm1d | nn.Dropout):
            operations += (_A_UNIT if isinstance(module, nn.ReLU) else _A_FUNCTION) * units
    return operations, n_units


def _operations(network: nn.Module, data: TrainingData, recipe: Recipe, *, native: bool) -> float:
    """Return about how many operations one network's training takes, in the kernel or in torch."""
    a_row, n_units = _row_operations(network)
    a_row = a_row if native else _TORCH_FACTOR * a_row + _A_TORCH_UNIT * n_units
    if recipe.batch_size:
        a_row += _A_MINIBATCH_ROW + _AN_ORDER / len(data.X)
    return a_row * len(data.X) * recipe.n_epochs


def _plain_seconds(network: nn.Module, data: TrainingData, recipe: Recipe) -> float:
    """Estimate the seconds of one network's training by the plain loop, by some forward and backward passes."""
    n_train = int((data.train[:, 0] > 0).sum())
    batch = min(n_train, recipe.batch_size or n_train)
    n_rows, times = min(batch, _MOST_ROWS), []
    X = torch.zeros(n_rows, data.X.shape[1], dtype=next(network.parameters()).dtype)
    with seeded(0), one_thread("cpu"), in_one_line():
        for _ in range(3):
            started = time.perf_counter()
            outputs_of(network, X).sum().backward()
            times.append(time.perf_counter() - started)
    return min(times) * batch / n_rows * math.ceil(n_train / batch) * _EVALUATING * recipe.n_epochs


def network_seconds(network: nn.Module, n_rows: float, epochs: float) -> float:
    """Return an estimate of the time that one core takes to train one network in minibatches [s], by the kernel, or by
    torch where there is none.

    Args:
        n_rows: rows of an epoch.
        epochs: how many there are.
    """
    a_row, n_units = _row_operations(network)
    operations = epochs * (n_rows * (a_row + _A_MINIBATCH_ROW) + _AN_ORDER)
    if kernel("float32").library is None:
        operations += ((_TORCH_FACTOR - 1) * a_row + _A_TORCH_UNIT * n_units) * n_rows * epochs
    return operation_seconds(operations)


def operation_seconds(operations: float) -> float:
    """Return an estimate of the time that one core takes for operations of the kernel [s]."""
    return operations / (_matmul_rate() * _SHARE_OF_RATE)


@functools.cache
def _matmul_rate() -> float:
    """Measure one core's operations a second in a middle-sized matmul, in some milliseconds.

    Other programs that run at the same time would make the rate too low, so it is the best of several rounds, and only
    the time of this thread counts.
    """
    a = torch.ones(512, 512)  # random numbers would change the caller's random state
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a @ a
        seconds = []
        for _ in range(5):
            started = time.thread_time()
            a @ a
            seconds.append(time.thread_time() - started)
        return 2 * 512**3 / max(min(seconds), 1e-6)
    finally:
        torch.set_num_threads(before)
