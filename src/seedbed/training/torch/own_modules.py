"""Users' own modules: what a person reads of one before it trains. Trained networks as modules, and
their outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seedbed.networks.layers import Array
from seedbed.networks.network import Network, Source
from seedbed.training.torch.modules import module_of
from seedbed.training.torch.noise import seeded
from seedbed.training.torch.states import build_network, outputs_of, state_dict_of

_TRIALS = 3  # seeds that networks are built under
_ROUNDING = 1e-6
_UNITS_AT_A_TIME = 1 << 16  # rows x units of a layer, which stay in the cache


def probabilities_warning(build: Callable[[], nn.Module], n_features: int) -> str:
    """Return a warning if `forward()` seems to end with a sigmoid or softmax; else an empty
    text."""
    kind = find_final_activation(build, n_features)
    return (
        f"forward() seems to end with a {kind}; it must return logits" if kind else ""
    )


def find_final_activation(
    build: Callable[[], nn.Module], n_features: int
) -> Literal["", "sigmoid", "softmax"]:
    """Return the activation with which `forward()` seems to end, or an empty text.

    Outputs of one network may lie between 0 and 1 by chance. So networks are built under several
    seeds, with their initial parameters and with large random ones, and get random rows of two
    scales.
    """
    outputs: list[npt.NDArray[np.floating]] = []
    for seed in range(_TRIALS):
        try:
            # A copy, because networks may share a layer, such as a pretrained one, and parameters
            # are replaced below.
            network = copy.deepcopy(build_network(build, seed)).eval()
            outputs += [
                _try_network(network, n_features, scale, seed) for scale in (1.0, 10.0)
            ]
        except Exception:  # noqa: BLE001 - the user's code may not expect these numbers
            return ""
        for z in (z[np.isfinite(z).all(axis=1)] for z in outputs[-2:]):
            is_sum = z.shape[1] == 1 or (np.abs(z.sum(axis=1) - 1) < 1e-4).all()
            if ((z < -_ROUNDING) | (z > 1 + _ROUNDING)).any() or not is_sum:
                return ""
    finite = np.concatenate(outputs)
    finite = finite[np.isfinite(finite)]
    if not finite.size or finite.max() - finite.min() <= _ROUNDING:
        return ""
    return "softmax" if outputs[0].shape[1] > 1 else "sigmoid"


def _try_network(
    network: nn.Module, n_features: int, scale: float, seed: int
) -> npt.NDArray[np.floating]:
    """Return outputs [row, output] for random rows. With a scale above 1, parameters are replaced
    by random ones."""
    dtype = next(p.dtype for p in network.parameters())
    with torch.no_grad(), seeded(seed):
        for parameter in network.parameters() if scale > 1 else ():
            parameter.copy_(scale * torch.randn_like(parameter))
        z: npt.NDArray[np.floating] = outputs_of(
            network, scale * torch.randn(64, n_features, dtype=dtype)
        ).numpy()
    return z


def trained_module(
    build: Source, seed: int, state: Mapping[str, Array], limit: float = 0.0
) -> nn.Module:
    """Return a trained network in evaluation mode. In front of a network in words is a clip, if it
    has a limit."""
    if isinstance(build, Network):
        return module_of(build, state, limit).requires_grad_().eval()
    with seeded(seed):
        network = build()
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    dtype = next(
        (value.dtype for value in tensors.values() if value.is_floating_point()),
        torch.float32,
    )
    network = network.to(dtype)
    modules = dict(network.named_modules())
    for name, value in tensors.items():  # also buffers that aren't in its `state_dict`
        path, _, buffer = name.rpartition(".")
        if buffer in modules[path]._buffers:
            setattr(modules[path], buffer, value)
    network.load_state_dict(tensors, strict=False)  # tied weights are there once
    return network.eval()  # type: ignore[no-any-return]


def networks_of_model(
    build: Source, states: Mapping[str, Array], limit: float = 0.0
) -> tuple[nn.Module, ...]:
    """Return the networks of a model with states [network, ...], see `trained_module`, without
    gradients."""
    each = (
        {name: value[i] for name, value in states.items()}
        for i in range(len(next(iter(states.values()))))
    )
    networks = tuple(
        trained_module(build, 0, state, limit) for state in each
    )  # what a layer draws is overwritten
    for parameter in (
        parameter for network in networks for parameter in network.parameters()
    ):
        parameter.requires_grad_(
            False
        )  # each one, as a compiled module has no such method
    return networks


@torch.inference_mode()
def outputs_of_modules(
    networks: Sequence[nn.Module], X: npt.NDArray[Any], *, in_pieces: bool = False
) -> list[Array]:
    """Return the outputs [row, output] of each network for rows X [row, input], computed in its own
    precision, as a user's code may not accept doubles; `in_pieces` that fit the cache, or all rows
    at once."""
    outputs = []
    for network in networks:
        weights = list(network.parameters())
        widest = (
            max([X.shape[1], *(len(weight) for weight in weights if weight.dim())])
            if in_pieces
            else 1
        )
        inputs = torch.from_numpy(np.array(X)).to(
            weights[0].dtype if weights else torch.float32
        )
        pieces = (
            inputs.split(max(1, _UNITS_AT_A_TIME // widest)) if in_pieces else (inputs,)
        )
        outputs.append(
            np.asarray(
                torch.cat([outputs_of(network, piece) for piece in pieces]).numpy()
            )
        )
    return outputs


def shapes_of_own(
    build: Callable[[int, int], nn.Module], n_inputs: int, n_outputs: int
) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Return the types and shapes in the state of a user's own network. It is built without
    memory."""
    with torch.device("meta"):
        network = build(n_inputs, n_outputs)
    return {
        name: (np.dtype(str(value.dtype).removeprefix("torch.")), tuple(value.shape))
        for name, value in state_dict_of(network).items()
    }
