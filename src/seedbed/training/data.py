"""The rows that a stack trains on: one table, shared by all networks, and what differs from split to split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seedbed.errors import CandidateError

__all__ = ["TrainingData"]


@dataclass(frozen=True)
class TrainingData:
    """A table for training.

    Attributes:
        X: features [row, feature].
        y: target: class codes or numbers [row], or numbers [row, output].
        train: [row, split]; what each row counts in a split's training, 0 where it isn't part of it.
        test: [row, split]; likewise for the test figures.
        scale, shift: [feature, split] or none; a split's networks see `scale * X + shift`.
    """

    X: npt.NDArray[np.floating]
    y: npt.NDArray[np.generic]
    train: npt.NDArray[np.floating]
    test: npt.NDArray[np.floating]
    scale: npt.NDArray[np.floating] | None = None
    shift: npt.NDArray[np.floating] | None = None

    def n_outputs(self, network: nn.Module) -> int:
        """How many outputs the network has for these features.

        Raises:
            CandidateError: it can't take them, or doesn't return one row of outputs for each row.
        """
        was_training = network.training
        try:
            with torch.no_grad():
                like = next(network.parameters(), torch.zeros(0))
                z = network.eval()(torch.zeros(2, self.X.shape[1], dtype=like.dtype, device=like.device))
        except Exception as error:
            first_line = (str(error) or type(error).__name__).splitlines()[0]
            shapes = isinstance(error, RuntimeError) and "shape" in first_line
            hint = "Its first layer must have as many inputs as the table has features." if shapes else ""
            raise CandidateError(f"the network can't take {self.X.shape[1]} features: {first_line}", hint) from error
        finally:
            network.train(was_training)
        if not isinstance(z, Tensor):
            raise CandidateError(f"the network returned a {type(z).__name__}", "It must return a tensor.")
        if z.dim() not in (1, 2) or len(z) != 2:
            raise CandidateError(
                f"the network returned shape {list(z.shape)} for 2 rows", "It must return [row, output], or [row]."
            )
        return z.shape[1] if z.dim() == 2 else 1
