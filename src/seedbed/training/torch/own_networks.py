"""Networks of a model as PyTorch modules: those of a user's own class, and those in words.

Needs PyTorch. Everything else about a user's own networks that a model needs is here: their outputs and their shapes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seedbed.networks.mlp import MLP
from seedbed.training.randomness import seeded

Arrays = Mapping[str, NDArray[Any]]
_UNITS_AT_A_TIME = 1 << 16  # rows x units of a layer, which stay in the cache


class SmoothClip(nn.Module):
    """Compress inputs, as `stacks.smooth_clip` does."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / (1 + (x / self.limit) ** 2).sqrt()


def own_networks(build: Callable[[int, int], Any], states: Arrays, n_inputs: int, n_outputs: int) -> tuple[Any, ...]:
    """Return a user's own networks in evaluation mode.

    Args:
        build: builds one from the numbers of inputs and outputs.
        states: their states [network, ...].
    """
    networks = []
    for state in _each(states):
        with seeded(0):  # what a layer draws is overwritten; the caller's random state stays as it is
            network = build(n_inputs, n_outputs)
        network.load_state_dict(state, strict=False)
        networks.append(network.eval().requires_grad_(False))
    return tuple(networks)


def networks_in_words(
    architecture: MLP, states: Arrays, n_inputs: int, n_outputs: int, limit: float
) -> tuple[nn.Sequential, ...]:
    """Return networks in words in evaluation mode.

    Args:
        architecture: of the networks.
        states: their states [network, ...].
        n_inputs, n_outputs: of one of them.
        limit: of the clip in front of it; 0 if there is none.
    """
    networks = []
    for state in _each(states):
        with torch.device("meta"):  # takes no memory, and draws no random numbers
            network = architecture(n_inputs, n_outputs)
        network.load_state_dict(state, assign=True)
        network = nn.Sequential(SmoothClip(limit), network) if limit else network
        networks.append(network.eval().requires_grad_(False))
    return tuple(networks)


def _each(states: Arrays) -> list[dict[str, torch.Tensor]]:
    """Return copies of the state of each network."""
    n_networks = len(next(iter(states.values())))
    return [{name: torch.tensor(value[number]) for name, value in states.items()} for number in range(n_networks)]


class OwnNetworks:
    """A user's own networks, as `Stacks` are networks in words. They keep their precision, as their code may not accept
    doubles."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._networks = networks

    @torch.inference_mode()
    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the outputs [network, row, output] for inputs X [row, input]."""
        return np.stack([_outputs(network, X) for network in self._networks])


def _outputs(network: nn.Module, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the outputs [row, output] of a network, in pieces that fit the cache."""
    weights = list(network.parameters())
    dtype = weights[0].dtype if weights else torch.float32
    rows = max(1, _UNITS_AT_A_TIME // max([X.shape[1], *(len(weight) for weight in weights if weight.dim())]))
    parts = torch.from_numpy(X).to(dtype).split(rows)
    return np.asarray(torch.cat([network(inputs).reshape(len(inputs), -1) for inputs in parts]).double().numpy())


def shapes_of_own(
    build: Callable[[int, int], Any], n_inputs: int, n_outputs: int
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Return the types and shapes in the state of a user's own network. It is built without memory."""
    with torch.device("meta"):
        network = build(n_inputs, n_outputs)
    parameters = functools.partial(network.named_parameters, remove_duplicate=False)
    shared = {name for name, _ in parameters()} - {name for name, _ in network.named_parameters()}
    return {
        name: (np.dtype(str(value.dtype).removeprefix("torch.")), tuple(value.shape))
        for name, value in network.state_dict().items()
        if name not in shared
    }
