"""Trials of modules before they train: whether they can train many at once, and how much memory a
row takes."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import torch
from torch import Tensor

from seedbed.errors import SeedbedError
from seedbed.networks.layers import Array
from seedbed.networks.network import Network, Source, Traits
from seedbed.settings.recipe import Recipe
from seedbed.training.data import TrainingData
from seedbed.training.losses import pick_loss
from seedbed.training.stack import Chunk, Stack
from seedbed.training.torch.modules import new_module
from seedbed.training.torch.noise import seeded
from seedbed.training.torch.reference import PlainEngine
from seedbed.training.torch.states import build_network
from seedbed.training.torch.torch_engine import TorchEngine

_EPOCHS, _MOST_ROWS = 2, 64
_ROUNDING = {"float64": 1e-9, "float32": 1e-4}
_REASONS = {
    "data-dependent": "forward() branches on the values of tensors",
    ".item()": "forward() reads single values of tensors",
    "dynamic shape": "forward() makes tensors whose shape depends on values",
    "inplace": "forward() changes a tensor in place",
    "setup_context": "an autograd.Function of it has no setup_context()",
}
"""What a user can change, by a part of the message of `torch.func.vmap`."""


def why_one_by_one(chunk: Chunk, traits: Traits) -> str:
    """Return why own modules must train one after the other, or an empty text.

    Two networks, of two splits if there are, train for two epochs both ways, with equal random
    numbers, in double precision if they can.
    """
    if traits.changed:
        names = ", ".join(sorted(name.strip("_") for name in traits.changed))
        return f"forward() may change its {names}"
    if repr(build_network(chunk.build, chunk.seeds[0])) != traits.like:  # type: ignore[arg-type]
        return "they differ by seed in more than parameters and buffers"
    chunk = _trial(chunk, traits.n_outputs)
    for dtype, rounding in _ROUNDING.items():
        why = ""
        stacked = list[Array]()
        try:
            stacked = _trained(dataclasses.replace(chunk, engine="torch", dtype=dtype))
        except Exception as error:  # noqa: BLE001 - vmap runs the user's code, which may raise anything
            why = (
                str(error.__cause__ or error).splitlines() or [type(error).__name__]
            )[0]
        known = [reason for part, reason in _REASONS.items() if part in why]
        if known:
            return known[0]
        try:
            alone = _trained(dataclasses.replace(chunk, engine="plain", dtype=dtype))
        except (
            SeedbedError
        ):  # it takes no doubles, or the training itself will tell what is wrong
            continue
        if why:
            return f"torch.func.vmap: {why}"
        pairs = zip(alone, stacked, strict=True)
        equal = all(
            np.allclose(a, b, rtol=rounding, atol=rounding, equal_nan=True)
            for a, b in pairs
        )
        return "" if equal else "torch.func.vmap gives other numbers"
    return ""


def _trial(chunk: Chunk, n_outputs: int) -> Chunk:
    """Return two networks, of two splits if there are, on a few rows."""
    data = chunk.data
    loss = pick_loss(chunk.recipe.loss, data.y, n_outputs).name
    recipe = Recipe.tutorial(
        epochs=_EPOCHS, lr=0.1, batch_size=chunk.recipe.batch_size, loss=loss
    )
    seeds, splits = (
        (all_[0], *(value for value in all_ if value != all_[0]))[:2]
        for all_ in (chunk.seeds, chunk.splits)
    )
    seeds = seeds if len(seeds) > 1 else (seeds[0], seeds[0] ^ 1)
    splits = (splits[0], splits[-1])
    parts = [
        weights[:, split].nonzero()[0]
        for weights in (data.train, data.test)
        for split in {*splits}
    ]
    rows = np.unique(np.concatenate([part[:_MOST_ROWS] for part in parts]))
    few = TrainingData(data.X[rows], data.y[rows], data.train[rows], data.test[rows])
    return dataclasses.replace(
        chunk,
        recipe=recipe,
        device="cpu",
        group_size=0,
        patience=None,
        data=few,
        seeds=seeds,
        splits=splits,
    )


def _trained(chunk: Chunk) -> list[Array]:
    """Train networks and return their losses, outputs and states."""
    stack = Stack(chunk)
    stack.keys[:] = stack.keys[
        0
    ]  # so that networks that train one after the other draw the same, too
    engine = (
        PlainEngine(stack) if chunk.engine == "plain" else TorchEngine(stack, "same")
    )
    engine.train(0, _EPOCHS)
    outputs = engine.look(_EPOCHS)
    return [
        engine.figures[:-1, 0],
        engine.figures[1:, 2],
        outputs,
        *engine.states().values(),
    ]


def bytes_of_row(build: Source, n_inputs: int) -> int:
    """Return the memory that one row takes in a training step of one network in float32, or 4 if it
    can't be tried."""
    saved = [0, 0]
    with (
        contextlib.suppress(Exception),
        seeded(0),
    ):  # the training will tell what is wrong
        network = new_module(build) if isinstance(build, Network) else build().cpu()
        for index, n_rows in enumerate((8, 16)):

            def pack(tensor: Tensor, index: int = index) -> Tensor:
                saved[index] += tensor.numel() * 4
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                network.train()(torch.zeros(n_rows, n_inputs))
    return max(4, (saved[1] - saved[0]) // 8)
