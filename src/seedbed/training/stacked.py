"""Trained networks of known layers, stacked to predict side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seedbed.training.embeddings import Piecewise
from seedbed.training.forward import Chain, read_chain
from seedbed.training.inputs import Inputs
from seedbed.training.layers import alone
from seedbed.training.stack import Pass

__all__ = ["StackedNetworks"]


class StackedNetworks:
    """Networks of one architecture, which predict as products of whole stacks.

    Piecewise linear encodings with the same bins in all networks are computed once for all.

    Args:
        network: one of them; its numbers don't matter, so it may be on the device `meta`.
        states: their state, by the names in its `state_dict` [network, ...].

    Raises:
        ValueError: not all layers of the network are known.
    """

    def __init__(self, network: nn.Module, states: Mapping[str, Tensor]) -> None:
        chain = read_chain(network)
        if chain is None:
            raise ValueError("the network isn't a chain of known layers")
        layout = chain.layout
        self._values = {
            name: (value.transpose(-1, -2) if name in layout else value).movedim(0, -1)
            for name, value in states.items()
        }
        self._chain, self._front = chain, None
        edges = [layer.name + "edges" for layer in alone(chain.layers[:1]) if isinstance(layer, Piecewise)]
        shared = len(edges) == len([*alone(chain.layers[:1])])
        if shared and all((self._values[name] == self._values[name][..., :1]).all() for name in edges):
            self._front, self._chain = chain.layers[0], Chain(chain.layers[1:])
        n = len(next(iter(states.values())))
        empty, keys = torch.empty(0), torch.zeros(n, dtype=torch.int32)
        self._now = Pass(False, empty, keys, empty, empty, self._chain.placement)

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [row, output, network] for inputs X [row, input]."""
        if self._front is not None:
            alone = {name: value[..., :1] for name, value in self._values.items() if name.endswith("edges")}
            X = self._front(X[:, :, None], alone, self._now, {})[:, :, 0]
        outputs, _ = self._chain(self._values, Inputs(X), self._now)
        return outputs
