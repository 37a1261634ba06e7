"""The stack of a chunk: its networks before the first step, with the rows that they train on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seedbed.errors import CandidateError, TrainingError
from seedbed.settings.optimizers import Tensors
from seedbed.training.chain import Chain, read_chain, shared_chain
from seedbed.training.chunk import Chunk
from seedbed.training.data import TrainingData
from seedbed.training.inputs import Placing, look_at_splits, looking
from seedbed.training.losses import Loss, check_smoothing, encode_target, pick_loss
from seedbed.training.randomness import network_keys
from seedbed.training.stack import build_network, draw_states, stack_networks, stack_states
from seedbed.training.training_rows import StackRows


class Stack:
    """What an engine trains.

    Attributes:
        chunk, data: the networks and their table.
        n: number of networks.
        loss: what is minimised.
        y: the encoded target [row, output].
        rows: the table, as the networks see it.
        placing: how tensors are stored.
        keys: keys of random layers [network].
        chain: the layers of the networks; None for the plain loop, which takes any module.
        params, buffers: of a chain at the start [..., network].
        guarded: whether rows of weight zero may overflow, so that they are set to zero after the first layer.

    Raises:
        SeedbedError: the networks can't be stacked, or the recipe doesn't suit them.
    """

    def __init__(self, chunk: Chunk, data: TrainingData) -> None:
        self.chunk, self.data, self.n = chunk, data, len(chunk.seeds)
        first = build_network(chunk.build, chunk.seeds[0])
        n_outputs = data.n_outputs(first)
        self.loss: Loss = pick_loss(chunk.recipe.loss, data.y, n_outputs)
        check_smoothing(self.loss, chunk.recipe.label_smoothing)
        self.chain: Chain | None = None
        if chunk.engine != "plain":
            self.chain = shared_chain(chunk.build, first, data.X.shape[1])
            assert self.chain is not None
        network_first = chunk.engine == "torch" and self.chain is not None and self.chain.placement == "network_first"
        self.placing = Placing(torch.device(chunk.device), getattr(torch, chunk.dtype), network_first)
        states: tuple[Tensors, Tensors] = ({}, {})
        if self.chain is not None:
            states = _states(chunk, data, self.chain, first, self.placing.dtype)
        self.params, self.buffers = (
            {name: self.placing.placed(value) for name, value in part.items()} for part in states
        )
        self.y: Tensor = encode_target(self.loss, data.y, n_outputs, self.placing.dtype)
        self.rows = StackRows(data, self.y, chunk, self.placing)
        self.keys = network_keys(chunk.seeds, "draws", self.placing.device)
        self.guarded = self.chain is not None and (self.chain.explodes or data.is_huge)
        if self.rows.has_single and any(isinstance(module, nn.BatchNorm1d) for module in first.modules()):
            message = "a minibatch holds a single row, and batch normalisation needs two"
            raise TrainingError(message, "Choose another batch size.")


def _states(
    chunk: Chunk, data: TrainingData, chain: Chain, first: nn.Module, dtype: torch.dtype
) -> tuple[Tensors, Tensors]:
    """Return the parameters and buffers with which the networks start [..., network]."""
    # Networks of several splits may share a seed: they begin alike, unless they look at the rows of their splits.
    seeds = chunk.seeds if looking(first) else tuple(dict.fromkeys(chunk.seeds))
    states = draw_states(chunk.build, first, seeds)
    if states is not None:
        parts = stack_states(first, states, chain.layout)
    else:
        networks = [build_network(chunk.build, seed) for seed in seeds]
        look_at_splits(networks, chunk.splits, data, dtype)
        parts = stack_networks(networks, chain.layout)
        if any(read_chain(network) != chain for network in networks):
            raise CandidateError(
                "the networks of one candidate differ by seed in more than their parameters and buffers",
                "Register a tensor that differs by seed with register_buffer().",
            )
    if len(seeds) == len(chunk.seeds):
        return parts
    places = [seeds.index(seed) for seed in chunk.seeds]
    params, buffers = ({name: value[..., places] for name, value in part.items()} for part in parts)
    return params, buffers
