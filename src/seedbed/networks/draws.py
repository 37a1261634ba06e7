"""Random numbers that depend on a seed alone: seeds for purposes, keys, and the start values of
networks.

Start values of linear layers are torch's own under `torch.manual_seed(seed)`, to the bit: its
generator is mt19937, as NumPy's is, and a uniform number is made of the low 24 bits of a word.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def derive(*parts: int | str) -> int:
    """Return a seed in [0, 2^63) for a purpose, for instance `derive(random_state, "relu:5",
    repeat, fold, seed)`."""
    plain = [
        part if isinstance(part, str) else operator.index(part) for part in parts
    ]  # NumPy's 5 is 5
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in plain)
    return (
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
        >> 1
    )


def network_keys(seeds: Sequence[int], purpose: str) -> NDArray[np.int32]:
    """Return one 32-bit key per network, from which its random layers draw [network]."""
    return np.array(
        [(derive(seed, purpose) & 0xFFFFFFFF) - 0x80000000 for seed in seeds],
        dtype=np.int32,
    )


class Draws:
    """The random start values of one network, in the order in which its layers draw them.

    Args:
        seed: that of `torch.manual_seed`, of which torch's generator takes the low 32 bits.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._words = np.random.RandomState(seed & 0xFFFFFFFF)
        self._normal: np.random.RandomState | None = None

    def uniform(self, shape: tuple[int, ...], bound: float) -> NDArray[np.float32]:
        """Return numbers between -bound and bound, as `torch.Tensor.uniform_` draws them."""
        words = self._words.randint(0, 2**32, size=shape, dtype=np.uint32)
        low, high = np.float32(-bound), np.float32(bound)
        return (
            (words & 0xFFFFFF) * 2.0**-24 * np.float64(high - low) + np.float64(low)
        ).astype(np.float32)

    def normal(self, shape: tuple[int, ...], deviation: float) -> NDArray[np.float32]:
        """Return normal numbers with mean 0, of a stream of their own: torch's differ by processor
        in a last bit."""
        if self._normal is None:
            self._normal = np.random.RandomState(
                derive(self._seed, "normal") & 0xFFFFFFFF
            )
        return (self._normal.standard_normal(shape) * deviation).astype(np.float32)
