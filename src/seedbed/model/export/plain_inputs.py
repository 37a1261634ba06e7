"""The inputs that a page of plain PyTorch makes, and a model's networks for these alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seedbed.data import Preprocessor
from seedbed.model.fitted import FittedNetworks
from seedbed.networks import Blend, Embeddings

__all__ = ["kept_inputs", "narrowed_network"]

Columns = dict[str, list[int]]
"""Of weights by their names in a `state_dict`: which columns, the last axis, are left."""


def kept_inputs(preprocessor: Preprocessor) -> NDArray[np.int64]:
    """The inputs that the page makes: all but flags and levels that training rows couldn't teach, which are always 0,
    also behind a clip."""
    made = preprocessor.live.copy()
    made[preprocessor.layout.places.buckets] = True
    return np.flatnonzero(made)


def narrowed_network(model: FittedNetworks) -> tuple[nn.Sequential, Columns]:
    """One of the networks as the page builds it, whose numbers don't matter; and what is left of which weights."""
    kept = kept_inputs(model.preprocessor).tolist()
    with torch.device("meta"):
        whole = cast("nn.Sequential", model.architecture(model.preprocessor.n_inputs, model.n_outputs))
        blend = whole[-1]
        if not isinstance(blend, Blend):
            return _narrowed(whole, kept)
        members: list[nn.Module] = []
        columns = Columns()
        for number, member in enumerate(blend):
            network, own = _narrowed(cast("nn.Sequential", member), kept)
            members.append(network)
            columns |= {f"{len(whole) - 1}.{number}.{name}": left for name, left in own.items()}
        narrow = Blend(members, blend.weights, blend.temperature, blend.numbers)
        return nn.Sequential(*list(whole)[:-1], narrow), columns


def _narrowed(network: nn.Sequential, kept: Sequence[int]) -> tuple[nn.Sequential, Columns]:
    first, *rest = network
    if isinstance(first, nn.Linear):
        return nn.Sequential(nn.Linear(len(kept), first.out_features), *rest), {"0.weight": list(kept)}
    if not isinstance(first, Embeddings):
        return network, {}  # it embeds all inputs, so all are numbers, and kept
    places = {place: number for number, place in enumerate(kept)}
    inputs, layers, columns = [], [], Columns()
    for number, (own, layer) in enumerate(zip(first.inputs, first, strict=True)):
        left = [column for column, place in enumerate(own) if place in places]
        if isinstance(layer, nn.Linear):
            columns[f"0.{number}.weight"] = left
            layer = nn.Linear(len(left), layer.out_features, bias=False)
        inputs.append([places[own[column]] for column in left])
        layers.append(layer)
    second = cast("nn.Linear", rest[0])
    stays = [column for column, place in enumerate(first.others) if place in places]
    stays += range(len(first.others), second.in_features)
    columns["1.weight"] = stays
    embeddings = Embeddings(len(kept), inputs, layers)
    return nn.Sequential(embeddings, nn.Linear(len(stays), second.out_features), *rest[1:]), columns
