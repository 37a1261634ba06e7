"""Training rows for modules that look at them before they train.

A module that has a method `look_at` is given the training rows of its network once, before the first step, as the
network sees them [row, feature]; what it shows to modules inside it is its own concern. Where there are very many, it
is given some of them, the same each time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.data import rows_of, windows
from seedbed.training.data import TrainingData
from seedbed.training.placing import Placing

__all__ = ["look_at", "look_at_splits"]

MOST_ROWS = 1 << 14
"""Rows that are shown at most. A quantile of so many is off by half a hundredth of the rows at most, as a rule."""


def look_at(network: nn.Module, X: Tensor) -> None:
    """Show a network its training rows X [row, feature]."""
    rows = X[torch.from_numpy(_some(len(X)))] if len(X) > MOST_ROWS else X
    with torch.no_grad():
        for module in _that_look(network):
            module.look_at(rows)  # type: ignore[operator]


def look_at_splits(
    networks: Sequence[nn.Module], splits: Sequence[int], data: TrainingData, dtype: torch.dtype
) -> None:
    """Show each network the training rows of its split, given by number."""
    if not _that_look(networks[0]):
        return
    seen = {split: _training_rows(data, split, dtype) for split in dict.fromkeys(splits)}
    for network, split in zip(networks, splits, strict=True):
        look_at(network.to(dtype), seen[split])


def _that_look(network: nn.Module) -> list[nn.Module]:
    if callable(getattr(network, "look_at", None)):
        return [network]
    return [module for child in network.children() for module in _that_look(child)]


def _training_rows(data: TrainingData, split: int, dtype: torch.dtype) -> Tensor:
    """As the split's networks see them."""
    if data.order is None:
        rows = data.train[:, split].nonzero()[0]
        X = data.X[rows[_some(len(rows))]]
    else:
        X = _first_rows(data, split)
    return Placing(data, (split,), (0,), None, False, False, torch.device("cpu"), dtype).inputs(X).X


def _some(n_rows: int) -> npt.NDArray[np.int64]:
    """Rows from the first to the last, all or evenly spaced: a sorted table has some of everything."""
    return np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(np.int64)


def _first_rows(data: TrainingData, split: int) -> npt.NDArray[np.floating]:
    """Of a table in a file, whose rows lie shuffled."""
    found: list[npt.NDArray[np.floating]] = []
    for rows in windows(*data.X.shape):
        found.append(rows_of(data.X, rows)[rows_of(data.train, rows)[:, split] > 0])
        if sum(map(len, found)) >= MOST_ROWS:
            break
    return np.concatenate(found)[:MOST_ROWS]
