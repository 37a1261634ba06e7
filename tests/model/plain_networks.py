"""What a model's networks predict, computed by PyTorch and by the definitions of trees and
blends."""

from typing import Any

import numpy as np
import torch

from seedbed.model.model import Model
from seedbed.model.stacks import members_of
from seedbed.networks.mlp import BlendedMembers, Trees
from seedbed.training.torch.modules import module_of


def plain_values(model: Model, inputs: Any) -> Any:
    """Return the probabilities [network, row, class], or the numbers [network, row, 1], for inputs
    [row, input]."""
    blend, x = model.architecture, torch.from_numpy(inputs).double()
    is_blend, numbers = isinstance(blend, BlendedMembers), model.task == "regression"
    if is_blend and blend.limit:
        x = x / (1 + (x / blend.limit) ** 2).sqrt()
    each = []
    for start, member in members_of(blend).items():
        states = {
            name.removeprefix(start): value
            for name, value in model.states.items()
            if name.startswith(start)
        }
        outputs = [
            _of_network(
                member,
                {name: value[number] for name, value in states.items()},
                x,
                model.sizes[1],
            )
            for number in range(model.n_networks)
        ]
        each.append(
            torch.stack(outputs) if numbers else _probabilities(torch.stack(outputs))
        )
    mean = (
        sum(w * one for w, one in zip(blend.weights, each, strict=True))
        if is_blend
        else each[0]
    )
    if numbers:
        return mean.numpy() * model.target_deviation + model.target_mean
    powers = mean ** (1 / blend.temperature) if is_blend else mean
    return (powers / powers.sum(2, keepdim=True)).numpy()


def _probabilities(outputs: torch.Tensor) -> torch.Tensor:
    return (
        torch.cat([1 - outputs.sigmoid(), outputs.sigmoid()], 2)
        if outputs.shape[2] == 1
        else outputs.softmax(2)
    )


@torch.no_grad()
def _of_network(
    member: Any, state: dict[str, Any], x: torch.Tensor, n_outputs: int
) -> torch.Tensor:
    if isinstance(member, Trees):
        return torch.from_numpy(plain_trees(member, state, x.numpy()))
    return module_of(member.network(x.shape[1], n_outputs), state).double().eval()(x)


def plain_trees(trees: Trees, state: dict[str, Any], X: Any) -> Any:
    """Return the outputs [row, output] of trees for inputs [row, input]."""
    rows, total = np.arange(len(X)), 0
    of_levels = [place for inputs in trees.categories for place in inputs]
    levels = [
        np.where(X[:, inputs].any(axis=1), X[:, inputs].argmax(axis=1) + 1, 0)
        for inputs in trees.categories
    ]
    X = np.column_stack([np.delete(X, of_levels, axis=1), *levels])
    first = X.shape[1] - len(levels)
    for tree in range(trees.n_trees):
        node = np.full(len(X), tree)
        for _ in range(trees.depth):
            feature, threshold = state["0.feature"][node], state["0.threshold"][node]
            is_inner = state["0.left"][node] != node
            is_above = X[rows, feature] > threshold
            for row in np.flatnonzero(is_inner & (feature >= first)):
                level = int(X[row, feature[row]])
                word = int(state["0.sets"][int(threshold[row])][level // 32])
                is_above[row] = word >> level % 32 & 1
            node = state["0.left"][node] + (is_inner & is_above)
        total = total + state["0.value"][node].astype(np.float64)
    if not trees.probabilities:
        return total
    p = total.clip(1e-4, 1 - 1e-4 if total.shape[1] == 1 else None)
    return np.log(p / (1 - p)) if total.shape[1] == 1 else np.log(p)
