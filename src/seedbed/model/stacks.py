"""All networks of a model, which together predict few rows in a tenth of the time that one after
the other takes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seedbed.model.trees import DecisionTrees, tree_shapes
from seedbed.networks.activations import ACTIVATIONS
from seedbed.networks.layers import Array, Shapes
from seedbed.networks.mlp import MLP, BlendedMembers, Trees
from seedbed.networks.network import predictor_of
from seedbed.training.undocumented import keep_freed_memory

_Architecture = MLP | Trees | BlendedMembers
_MOST_ROWS = 1 << 13  # at a time
_MOST_NUMBERS = 1 << 17  # rows x units x networks of a layer that stay in the cache


def smooth_clip(x: Array, limit: float) -> Array:
    """Compress inputs between -limit and limit: `x / sqrt(1 + (x / limit)^2)`. Small inputs hardly
    change.

    From Holzmueller, Grinsztajn and Steinwart 2024, "Better by Default".

    >>> smooth_clip(np.array([0.0, 4.0]), 3.0)
    array([0. , 2.4])
    """
    return np.asarray(x / (1 + (x / limit) ** 2) ** 0.5)


def members_of(architecture: _Architecture) -> dict[str, MLP | Trees]:
    """Return the members of an architecture, by what their names in states begin with."""
    if not isinstance(architecture, BlendedMembers):
        return {"": architecture}
    place = 1 if architecture.limit else 0  # behind the clip
    return {
        f"{place}.{number}.": member
        for number, member in enumerate(architecture.members)
    }


def shapes_of(
    architecture: _Architecture, n_inputs: int, n_outputs: int
) -> tuple[Shapes, Shapes]:
    """Return the shapes of the parameters of one network and of all its other arrays, by their
    names in states. CandidateError if it embeds inputs that aren't there."""
    parameters, buffers = Shapes(), Shapes()
    for start, member in members_of(architecture).items():
        if isinstance(member, Trees):
            parts = Shapes(), tree_shapes(member, n_outputs)
        else:
            network = member.network(n_inputs, n_outputs)
            parts = network.parameters, network.buffers
        for shapes, part in zip((parameters, buffers), parts, strict=True):
            shapes |= {start + name: shape for name, shape in part.items()}
    return parameters, buffers


class Stacks:
    """Networks of a model, from their states [network, ...]. Each member of a blend is one
    stack."""

    def __init__(
        self,
        architecture: _Architecture,
        states: Mapping[str, NDArray[Any]],
        n_inputs: int,
        n_outputs: int,
    ) -> None:
        keep_freed_memory()
        self._blend = architecture if isinstance(architecture, BlendedMembers) else None
        self._members = list[Callable[[Array], Array]]()
        for start, member in members_of(architecture).items():
            of_member = {
                name.removeprefix(start): value.astype(np.float64)
                if value.dtype.kind == "f"
                else value
                for name, value in states.items()
                if name.startswith(start)
            }
            if isinstance(member, Trees):
                self._members.append(
                    functools.partial(
                        _of_trees, DecisionTrees.stacked(member, of_member)
                    )
                )
            else:
                network = member.network(n_inputs, n_outputs)
                width = max(max(shape) for shape in network.parameters.values())
                size = max(
                    1, _MOST_NUMBERS // (width * len(next(iter(of_member.values()))))
                )
                self._members.append(
                    functools.partial(
                        _in_pieces, predictor_of(network, of_member), size
                    )
                )

    @np.errstate(all="ignore")  # a network may give infinite numbers
    def __call__(self, X: Array) -> Array:
        """Return the outputs [network, row, output] for inputs X [row, input]. They are computed in
        double precision, so that they don't depend on the rows beside."""
        return _in_pieces(self._of, _MOST_ROWS, X)

    def _of(self, X: Array) -> Array:
        x: Array = X.astype(np.float64)
        if self._blend is None:
            return self._members[0](x)
        if self._blend.limit:
            x = smooth_clip(x, self._blend.limit)
        return blended([member(x) for member in self._members], self._blend)


def _in_pieces(networks: Callable[[Array], Array], size: int, X: Array) -> Array:
    """Return the outputs [network, row, output] for inputs X [row, input], so many rows at a
    time."""
    return np.concatenate(
        [networks(X[at : at + size]) for at in range(0, max(len(X), 1), size)], axis=1
    )


def _of_trees(each: Sequence[DecisionTrees], X: Array) -> Array:
    return np.stack([trees(X) for trees in each])


def blended(outputs: Sequence[Array], blend: BlendedMembers) -> Array:
    """Return the weighted mean of outputs [..., output] of each member.

    For classes it averages probabilities, not logits, and returns the logits of the average divided
    by a temperature. A single output is the logit of the second of two classes. For numbers it
    averages the outputs.
    """
    pairs = [*zip(outputs, blend.weights, strict=True)]
    if blend.numbers:
        return np.asarray(sum(weight * output for output, weight in pairs))
    if len(outputs) == 1:
        return outputs[0] / blend.temperature
    if outputs[0].shape[-1] > 1:
        from scipy.special import log_softmax

        logits: Array = np.logaddexp.reduce(
            [log_softmax(output, axis=-1) + np.log(weight) for output, weight in pairs]
        )
    else:
        log_sigmoid = ACTIVATIONS["logsigmoid"].values
        yes = [log_sigmoid(output) + np.log(weight) for output, weight in pairs]
        no = [log - output for log, (output, _) in zip(yes, pairs, strict=True)]
        logits = np.logaddexp.reduce(yes) - np.logaddexp.reduce(no)
    return logits / blend.temperature
