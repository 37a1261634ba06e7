"""Networks with torch's own initial parameters, and their states, stacked along a last axis."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from seedbed.errors import CandidateError
from seedbed.networks.mlp import MLP
from seedbed.settings.optimizers import Tensors
from seedbed.training.randomness import seeded

Layout = frozenset[str]
"""The names of the weights stored as [unit_in, unit_out, network], where torch has [unit_out, unit_in]."""


AxisOrder = Literal["network_first", "network_last"]
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
        axis_order: how products are computed, and the memory layout.
        guarded: whether rows of weight zero are set to zero after the first layer, see `TrainingData.is_huge`.
        alive: receives which units of each ReLU layer are above zero for a row that counts [unit, network], if given.
    """

    training: bool
    weights: Tensor
    keys: Tensor
    step: Tensor
    rows: Tensor
    axis_order: AxisOrder
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


def draw_states(build: Callable[[], nn.Module], network: nn.Module, seeds: Sequence[int]) -> Tensors | None:
    """Return the states of networks under several seeds without building each [network, ...], or None if that isn't
    possible.

    They have the same bits as those of `build_network(build, seed)`, in a tenth of the time: only the random draws are
    repeated. That is possible for an `MLP` whose linear layers are all that draws. Other modules may differ by seed in
    other ways.

    Args:
        build: builds one network.
        network: the network of the first seed, as it was built.
        seeds: one per network.
    """
    builder = build.func if isinstance(build, functools.partial) else None
    if not isinstance(builder, MLP) or builder.plr or builder.ple or builder.embed:
        return None
    state = network.state_dict()
    states = {name: value.expand(len(seeds), *value.shape).clone() for name, value in state.items()}
    drawn = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)  # as in `nn.Linear.reset_parameters`
            drawn += [(states[f"{name}.{key}"].unbind(), bound) for key, _ in module.named_parameters()]
    with seeded(0):
        for place, seed in enumerate(seeds):
            torch.default_generator.manual_seed(seed)
            for values, bound in drawn:
                values[place].uniform_(-bound, bound)
            if place == 0 and any(not torch.equal(states[name][0], value) for name, value in state.items()):
                return None  # this version of torch draws in another way
    return states


def stack_networks(networks: Sequence[nn.Module], layout: Layout) -> tuple[Tensors, Tensors]:
    """Return the trainable parameters and all other state, each `[..., network]`.

    Raises:
        CandidateError: the networks differ in shape.
    """
    return stack_states(networks[0], stack_state_dicts([network.state_dict() for network in networks]), layout)


def stack_state_dicts(states: Sequence[Mapping[str, Tensor]]) -> Tensors:
    """Return states of networks as one [network, ...].

    Raises:
        CandidateError: the networks differ in shape.
    """
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise CandidateError("the networks of one candidate differ in shape", "Only initial values may differ by seed.")
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def stack_states(network: nn.Module, states: Mapping[str, Tensor], layout: Layout) -> tuple[Tensors, Tensors]:
    """Return the trainable parameters and all other state, each `[..., network]`.

    Args:
        network: one of the networks.
        states: their states [network, ...].
        layout: the weights to transpose.
    """
    trainable = {name for name, p in network.named_parameters(remove_duplicate=False) if p.requires_grad}
    # Weights shared by two layers have two names in the state, but are stacked once.
    aliases = {name for name, _ in network.named_parameters(remove_duplicate=False)} - {
        name for name, _ in network.named_parameters()
    }
    stacked = {
        name: (value.transpose(1, 2) if name in layout else value).movedim(0, -1).contiguous()
        for name, value in states.items()
        if name not in aliases
    }
    params = {name: value for name, value in stacked.items() if name in trainable}
    return params, {name: value for name, value in stacked.items() if name not in params}


def unstack(values: Tensors, layout: Layout) -> Tensors:
    """Return the states of networks, by the names in a `state_dict` [network, ...]."""
    states = {name: value.detach().movedim(-1, 0) for name, value in values.items()}
    return {name: (value.transpose(1, 2) if name in layout else value).contiguous() for name, value in states.items()}


def state_of(network: nn.Module) -> Tensors:
    """Return copies of a network's parameters and buffers, also of buffers that aren't in its `state_dict`."""
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return {name: value.detach().cpu().clone() for name, value in tensors}


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load what `state_of` returned into another network of the same class."""
    for name, value in state.items():
        path, _, buffer = name.rpartition(".")
        module = network.get_submodule(path)
        if buffer in module._buffers:
            module._buffers[buffer] = value.clone()
    network.load_state_dict(state, strict=False)  # the state contains tied weights once


def outputs_of(network: Callable[[Tensor], Tensor], X: Tensor) -> Tensor:
    """Return the outputs [row, output] of a network that returns [row, output] or [row]."""
    z = network(X)
    return z[:, None] if z.dim() == 1 else z
