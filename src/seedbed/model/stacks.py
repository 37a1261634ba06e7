"""All networks of a model at once: each member of a blend is one stack."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seedbed.networks import MLP, Blend, BlendedMLPs
from seedbed.training import StackedNetworks

__all__ = ["Stacks"]

_NUMBERS_AT_A_TIME = 1 << 17  # rows x units x networks of a layer: they stay in the cache


class Stacks:
    """The networks of a model in double precision, so that a row is predicted the same wherever it stands among others.

    Args:
        states: of the networks, by the names in their `state_dict` [network, ...].
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
        precise = {name: value.double() if value.is_floating_point() else value for name, value in states.items()}
        self._members = []
        for start, member in members.items():
            own = {name.removeprefix(start): value for name, value in precise.items() if name.startswith(start)}
            self._members.append(StackedNetworks(member, own))
        widest = max((n_inputs, *(max(value.shape[1:]) for value in precise.values() if value.dim() > 1)))
        self._n_rows = max(1, _NUMBERS_AT_A_TIME // (widest * len(next(iter(states.values())))))

    def __call__(self, X: Tensor) -> Tensor:
        """Return the outputs [network, row, output] for inputs X [row, input]."""
        return torch.cat([self._outputs(part.double()) for part in X.split(self._n_rows)], 1)

    def _outputs(self, X: Tensor) -> Tensor:
        seen = self._clip(X)
        found = torch.stack([member(seen).permute(2, 0, 1) for member in self._members])
        if self._blend is None:
            return found[0]
        return self._blend.averaged(found.flatten(1, 2)).reshape(found.shape[1:])
