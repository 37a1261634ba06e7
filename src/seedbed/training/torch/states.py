"""Networks with torch's own initial parameters, and their states, stacked along a last axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from seedbed.errors import CandidateError, OptionError, counted
from seedbed.training.data import TrainingData, some_rows
from seedbed.training.torch.noise import seeded

Tensors = dict[str, Tensor]


def build_network(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build one network under `torch.manual_seed(seed)`, without changing the caller's random
    state. CandidateError if the result isn't a module, or has no parameters to train."""
    with seeded(seed):
        network = build()
    if not isinstance(network, nn.Module):
        raise CandidateError(
            f"build() returned a {type(network).__name__}",
            "It must return a torch.nn.Module.",
        )
    values = (*network.parameters(), *network.buffers())
    if any(is_lazy(value) or value.is_meta for value in values):
        raise CandidateError(
            "the network has a lazy or meta layer",
            "Give every layer its sizes: nn.Linear(12, 5).",
        )
    if any(value.is_complex() for value in values):
        raise CandidateError(
            "the network has complex parameters or buffers, which aren't supported",
            "Keep their two parts as real numbers, and join them by torch.view_as_complex.",
        )
    if not any(p.requires_grad for p in network.parameters()):
        raise CandidateError(
            "the network has no parameter to train",
            "Give it a layer, such as nn.Linear.",
        )
    return network


def state_dict_of(network: nn.Module) -> Tensors:
    """Return a network's parameters and buffers, also of buffers that aren't in its `state_dict`.
    Weights that two layers share have two names there, and one here."""
    return {
        name: value.detach()
        for name, value in (*network.named_parameters(), *network.named_buffers())
    }


def stack_state_dicts(states: Sequence[Mapping[str, Tensor]]) -> Tensors:
    """Return states of networks as one [network, ...]. CandidateError if the networks differ in
    shape."""
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise CandidateError(
            "the networks of one candidate differ in shape",
            "Only initial values may differ by seed.",
        )
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def state_of(network: nn.Module) -> Tensors:
    """Return copies of a network's parameters and buffers."""
    return {name: value.cpu().clone() for name, value in state_dict_of(network).items()}


def outputs_of(network: Callable[[Tensor], Tensor], X: Tensor) -> Tensor:
    """Return the outputs [row, output] of a network that returns [row, output] or [row]."""
    z = network(X)
    return z[:, None] if z.dim() == 1 else z


def count_outputs(network: nn.Module, data: TrainingData) -> int:
    """Return the number of a network's outputs for these features. `forward` runs, so give a
    network that isn't trained later. CandidateError if it can't take the features, or doesn't
    return a row of outputs per row."""
    try:
        with torch.no_grad():
            like = next(network.parameters(), torch.zeros(0))
            z = network.eval()(
                torch.zeros(2, data.X.shape[1], dtype=like.dtype, device=like.device)
            )
    except Exception as error:
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        shapes = isinstance(error, RuntimeError) and "shape" in first_line
        of_shapes = (
            "Its first layer must have as many inputs as the table has features."
        )
        hint = of_shapes if shapes else dtype_hint(first_line)
        raise CandidateError(
            f"the network can't take {counted(data.X.shape[1], 'feature')}: {first_line}",
            hint,
        ) from error
    if not isinstance(z, Tensor):
        raise CandidateError(
            f"the network returned a {type(z).__name__}", "It must return a tensor."
        )
    if z.dim() not in (1, 2) or len(z) != 2:
        raise CandidateError(
            f"the network returned shape {list(z.shape)} for 2 rows",
            "It must return [row, output], or [row].",
        )
    return z.shape[1] if z.dim() == 2 else 1


def dtype_hint(message: str) -> str:
    """Return what to do about an error of torch on the types of numbers; empty if it isn't one."""
    if "dtype" not in message and "scalar type" not in message:
        return ""
    return "The module mixes float32 and float64: create layers and buffers as float32, and don't cast in forward()."


def look_at(network: nn.Module, X: Tensor) -> None:
    """Give training rows X [row, feature] to modules that have a method `look_at`, once, before the
    first step.

    Such a module passes rows on to modules inside it itself. Of many rows it gets some, which are
    the same each time.
    """
    with torch.no_grad():
        for module in modules_that_look(network):
            module.look_at(X[torch.from_numpy(some_rows(np.ones(len(X))))])  # type: ignore[operator]


def modules_that_look(network: nn.Module) -> list[nn.Module]:
    """Return the modules of a network that have a method `look_at` and use it."""
    inside = [
        module for child in network.children() for module in modules_that_look(child)
    ]
    return [network] if callable(getattr(network, "look_at", None)) else inside


def pick_torch_device(device: str) -> str:
    """Return the device by its name; `auto` is CUDA if available, else the CPU. OptionError if
    there is none."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.ones(1, device=chosen).item()
    except (RuntimeError, AssertionError, TypeError) as error:
        # torch's dispatcher lists all of its backends.
        is_unknown = isinstance(error, NotImplementedError)
        why = (
            "this torch has no such backend"
            if is_unknown
            else str(error).splitlines()[0]
        )
        raise OptionError(
            f"no device '{device}': {why}", "Use auto, cpu or cuda."
        ) from None
    return "cpu" if chosen.type == "cpu" else str(chosen)
