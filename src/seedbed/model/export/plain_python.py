"""A page of plain PyTorch and its weights, as two files."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seedbed.errors import OptionError
from seedbed.model.export.plain_inputs import kept_inputs, narrowed_network
from seedbed.model.export.plain_page import SIGNATURE, page_of
from seedbed.model.fitted import FittedNetworks
from seedbed.model.layout import SUFFIX
from seedbed.model.saving import check_writable, write_checked

__all__ = ["write_python"]

_MARK = "seedbed.plain"
"""The key in a file's metadata that says that it is such weights."""


def write_python(model: FittedNetworks, path: Path) -> tuple[Path, Path]:
    """Write the page and, beside it, `.safetensors`; both or none.

    Raises:
        OptionError: one of them can't be written, or would replace what isn't an export: a model file has such a name.
    """
    from safetensors.torch import save

    weights = path.with_suffix(SUFFIX)
    for file, ours in ((path, _is_page), (weights, _is_weights)):
        check_writable(file, "the model")
        if file.exists() and not ours(file):
            raise OptionError(f"{file} is there already, and is no export", "Name another file.")
    page = page_of(model).encode()
    content = save(_weights(model), {_MARK: version("seedbed")})

    def both(where: Path) -> None:
        where.write_bytes(page)
        write_checked(weights, "the model", lambda beside: beside.write_bytes(content))

    write_checked(path, "the model", both)
    return path, weights


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE.encode()


def _is_weights(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return _MARK in (file.metadata() or {})
    except SafetensorError:
        return False


def _weights(model: FittedNetworks) -> dict[str, Tensor]:
    """The networks' numbers [network, ...], and mean and deviation of the inputs, float64 [input].

    Inputs that training rows couldn't teach are left out or, where the page makes them, count nothing.
    """
    preprocessor, places = model.preprocessor, model.preprocessor.layout.places
    kept = kept_inputs(preprocessor)
    means, deviations = np.zeros(preprocessor.n_inputs), np.ones(preprocessor.n_inputs)
    means[places.numbers] = preprocessor.means
    # What never varied in training says nothing: whatever it is, it is divided to 0.
    deviations[places.numbers] = np.where(preprocessor.deviations > 0, preprocessor.deviations, np.inf)
    deviations[~preprocessor.live] = np.inf
    columns = narrowed_network(model)[1]
    tensors = {
        name: value[..., columns[name]].contiguous() if name in columns else value.contiguous()
        for name, value in model.states.items()
    }
    return {**tensors, "mean": torch.from_numpy(means[kept]), "deviation": torch.from_numpy(deviations[kept])}
