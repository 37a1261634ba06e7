"""All networks of a model at once, for few rows: each member of a blend is one stack."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seedbed.networks import MLP, Blend, BlendedMLPs
from seedbed.training import StackedNetworks

__all__ = ["Stacks"]

_MOST_NUMBERS = 1 << 17  # rows x units x networks of a layer that stay in the cache


class Stacks:
    """The networks of a model, which predict few rows in a tenth of the time that one after the other takes.

    Args:
        states: of the networks, by the names in their `state_dict` [network, ...], in double precision.

    Attributes:
        most_rows: up to which they are quicker; of more, layers leave the cache.
    """

    def __init__(
        self, architecture: MLP | BlendedMLPs, states: Mapping[str, Tensor], n_inputs: int, n_outputs: int
    ) -> None:
        with torch.device("meta"):  # without memory, and nothing is drawn
            network = architecture(n_inputs, n_outputs)
        last = network[-1]
        self._blend = last if isinstance(last, Blend) else None
        self._clip = network[0] if self._blend is not None and len(network) > 1 else nn.Identity()
        members: dict[str, nn.Module] = {"": network}
        if self._blend is not None:
            members = {f"{len(network) - 1}.{name}.": member for name, member in self._blend.named_children()}
        self._members = []
        for start, member in members.items():
            own = {name.removeprefix(start): value for name, value in states.items() if name.startswith(start)}
            self._members.append(StackedNetworks(member, own))
        widest = max((n_inputs, *(max(value.shape[1:]) for value in states.values() if value.dim() > 1)))
        self.most_rows = max(1, _MOST_NUMBERS // (widest * len(next(iter(states.values())))))

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [network, row, output] for inputs X [row, input]."""
        seen = self._clip(X.double())
        found = torch.stack([member(seen).permute(2, 0, 1) for member in self._members])
        if self._blend is None:
            return found[0]
        return self._blend.averaged(found.flatten(1, 2)).reshape(found.shape[1:])
