"""Build networks one by one with torch's own initialisation, then stack them along a last axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from seedbed.errors import CandidateError
from seedbed.settings import Tensors
from seedbed.training.randomness import seeded

__all__ = ["Layout", "Pass", "Placement", "build_network", "stack_networks", "unstack"]

Layout = frozenset[str]
"""The names of the weights stored as [unit_in, unit_out, network], where torch has [unit_out, unit_in]."""


Placement = Literal["network_first", "network_last"]
"""How a stack computes.

`network_first`: axes lie in reverse order in memory, and sums over units are batched matmuls.
`network_last`: axes lie in the order of their names; for networks without a layer that feeds another.
"""


class Pass(NamedTuple):
    """One forward pass.

    Attributes:
        training: as in `module.train(training)`.
        weights: weights of rows [row, network]. Batch statistics ignore rows of weight zero.
        keys: keys of random layers [network].
        step: number of the step, for random layers.
        rows: number of each row, int32, for random layers [row].
        placement: how products are computed, and the memory layout.
        guarded: whether rows of weight zero are set to zero after the first layer, see `TrainingData.is_huge`.
        alive: receives which units of each ReLU layer are above zero for a row that counts [unit, network], if given.
    """

    training: bool
    weights: Tensor
    keys: Tensor
    step: Tensor
    rows: Tensor
    placement: Placement
    guarded: bool = False
    alive: list[Tensor] | None = None


def build_network(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build one network under `torch.manual_seed(seed)`, without changing the caller's random state.

    Raises:
        CandidateError: the result isn't a module, or has no parameters to train.
    """
    with seeded(seed):
        network = build()
    if not isinstance(network, nn.Module):
        raise CandidateError(f"build() returned a {type(network).__name__}", "It must return a torch.nn.Module.")
    if any(is_lazy(value) for value in (*network.parameters(), *network.buffers())):
        raise CandidateError("the network has a lazy layer", "Give every layer its sizes, as in nn.Linear(12, 5).")
    if not any(p.requires_grad for p in network.parameters()):
        raise CandidateError("the network has no parameter to train", "Give it a layer, such as nn.Linear.")
    return network


def stack_networks(networks: Sequence[nn.Module], layout: Layout) -> tuple[Tensors, Tensors]:
    """Return the trainable parameters and all other state, each `[..., network]`.

    Raises:
        CandidateError: the networks differ in shape.
    """
    states = [network.state_dict() for network in networks]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise CandidateError("the networks of one candidate differ in shape", "Only initial values may differ by seed.")
    trainable = {name for name, p in networks[0].named_parameters(remove_duplicate=False) if p.requires_grad}
    # Weights shared by two layers have two names in the state, but are stacked once.
    aliases = {name for name, _ in networks[0].named_parameters(remove_duplicate=False)} - {
        name for name, _ in networks[0].named_parameters()
    }
    stacked = {
        name: torch.stack([_laid(state[name], name in layout) for state in states], -1)
        for name in states[0]
        if name not in aliases
    }
    params = {name: value for name, value in stacked.items() if name in trainable}
    return params, {name: value for name, value in stacked.items() if name not in params}


def unstack(values: Tensors, layout: Layout, index: int) -> Tensors:
    """Return the state of one network, like its `state_dict`."""
    return {name: _laid(value[..., index], name in layout).detach().clone() for name, value in values.items()}


def _laid(value: Tensor, transposed: bool) -> Tensor:
    return value.t() if transposed else value
