"""What is trained: a network as data, or a user's own module; and what is known of it before it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seedbed.networks.kernel_program import Program
from seedbed.networks.network import Network

Source = Network | Callable[[], Any]
"""A network as data, or a function that builds a user's own `nn.Module`."""


@dataclass(frozen=True)
class Traits:
    """What is known of a network before it trains.

    Attributes:
        network: its layers; None for a user's module, unless the kernel covers it.
        n_outputs: outputs of a row.
        n_parameters: the number of its parameters.
        program: what the kernel runs; None if it doesn't cover the network.
        trained: names of the parameters that are trained.
        has_batchnorm: whether a layer needs two rows.
        is_looking: whether its start values depend on the training rows.
        note: what users should know of their own module, or empty.
        like: an own module, with which those of other seeds are compared.
        changed: what its `forward` may change, by the names of attributes, other than buffers.
    """

    network: Network | None
    n_outputs: int
    n_parameters: int
    program: Program | None
    trained: frozenset[str]
    has_batchnorm: bool
    is_looking: bool
    note: str = ""
    like: Any = None
    changed: frozenset[str] = frozenset()
