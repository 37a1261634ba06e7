"""Stateless randomness: every draw is a function of a key, so a network's draws don't depend on its
neighbours.

A user's module starts as under `torch.manual_seed(seed)`. Later draws come from here: dropout
masks. There is no generator state to save, so a run can stop and continue anywhere.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seedbed.networks.draws import derive
from seedbed.networks.layers import drawn_layer


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run the block under `torch.manual_seed(seed)` and restore the caller's random state."""
    # torch.manual_seed also records the call for devices that aren't initialised, which takes
    # longer than building a small network. On a CPU, seeding the generator is enough.
    generator = torch.default_generator
    before = generator.get_state()
    with torch.random.fork_rng(enabled=torch.cuda.is_initialized()):
        generator.manual_seed(seed)
        if torch.cuda.is_initialized():
            torch.cuda.manual_seed_all(seed)
        try:
            yield
        finally:
            generator.set_state(before)


def reseed(key: int, step: int, *, training: bool) -> None:
    """Seed torch's own generators for one step of one network, given by its key.

    Draws of a module from torch itself, such as the dropout of `nn.MultiheadAttention`, then depend
    on the network and the step alone. Call it inside `seeded`, which restores the caller's state.
    """
    seed = derive(key, step if training else "evaluation")
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def randperm(n: int, seed: int) -> NDArray[np.int64]:
    """Return torch's order of 0 to n - 1 under a seed [n]."""
    return np.asarray(
        torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    )


def _murmur3(x: Tensor) -> Tensor:
    # The finaliser of MurmurHash3 in wrapping int32 arithmetic, which vectorises. A signed shift
    # copies the sign bit, so these bits are masked.
    x = (x ^ ((x >> 16) & 0xFFFF)) * -2048144789
    x = (x ^ ((x >> 13) & 0x7FFFF)) * -1028477387
    return x ^ ((x >> 16) & 0xFFFF)


def layer_noise(
    keys: Tensor, step: Tensor | int, layer: int, rows: Tensor, n_units: int
) -> Tensor:
    """Return uniform numbers in [0, 1), float32 [row, unit, *keys.shape], for keys of networks
    [network], or one key.

    They depend on key, number of the step and of the layer, row and unit alone. A row is its number
    in the table, or its place in a minibatch, int32 [row].
    """
    row = rows[:, None]
    unit = torch.arange(n_units, dtype=torch.int32, device=keys.device)
    position = _murmur3(row * -1640531535 + unit * 668265263 + 374761393)
    key = _murmur3(_murmur3(keys + step * -2048144777) + layer * 1274126177)
    mixed = _murmur3(position.reshape(position.shape + (1,) * keys.dim()) ^ key)
    return ((mixed >> 8) & 0xFFFFFF).to(torch.float32) * 2.0**-24


def apply_dropout(x: Tensor, noise: Tensor, share: float) -> Tensor:
    """Apply dropout with given noise. Kept values are scaled by 1 / (1 - share)."""
    return torch.where(
        noise >= share,
        x * (1.0 / (1.0 - share) if share < 1 else 0.0),
        torch.zeros_like(x),
    )


class RandomStream:
    """What the `nn.Dropout` of a network draw from, instead of torch's state.

    Attributes:
        key: the network's.
        step: the number of the step.
        rows: the number of each row, int32 [row]; their places if None.
    """

    def __init__(self, network: nn.Module, key: Tensor) -> None:
        for name, number in drawn_modules(network).items():
            module = network.get_submodule(name)
            module.forward = partial(_drawn_forward, module, self, number)
        self.at(key, 0, None)

    def at(self, key: Tensor, step: int, rows: Tensor | None) -> None:
        """Let modules draw for a step."""
        self.key, self.step, self.rows = key, step, rows
        self._uses: dict[int, int] = {}

    def noise(self, module: int, x: Tensor) -> Tensor:
        """Return the noise for inputs x [row, ...] of a module, given by its number."""
        rows = (
            torch.arange(len(x), dtype=torch.int32, device=x.device)
            if self.rows is None
            else self.rows
        )
        use = self._uses.get(module, 0)
        self._uses[module] = use + 1
        return layer_noise(
            self.key, self.step, drawn_layer(module, use), rows, math.prod(x.shape[1:])
        ).reshape(x.shape)


def drawn_modules(network: nn.Module) -> dict[str, int]:
    """Return the number of each `nn.Dropout`, by name."""
    names = [
        name for name, module in network.named_modules() if type(module) is nn.Dropout
    ]
    return {name: number for number, name in enumerate(names)}


def _drawn_forward(
    module: nn.Module, stream: RandomStream, number: int, x: Tensor
) -> Tensor:
    if not module.training:
        return type(module).forward(module, x)  # type: ignore[no-any-return]
    return apply_dropout(x, stream.noise(number, x), module.p)  # type: ignore[arg-type]
