"""Synthetic learning curves: a score that rises, a loss that falls, each network a little differently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seedbed.evaluation.curves import summarize_curves


def _candidate(
    name: str = "relu:5", *, n_epochs: int = 60, n_networks: int = 12, n_diverged: int = 0
) -> dict[str, Any]:
    rng = np.random.default_rng(len(name))
    learned = 1 - np.exp(-np.arange(n_epochs)[:, None] / rng.uniform(10, 20, n_networks))
    curves = {
        "train_loss": 0.7 - 0.30 * learned,
        "test_loss": 0.7 - 0.25 * learned,
        "train_score": 0.55 + 0.35 * learned,
        "test_score": 0.55 + 0.30 * learned,
    }
    noisy = {key: (curve + rng.normal(0, 0.01, curve.shape)).astype(np.float32) for key, curve in curves.items()}
    noisy["train_loss"][-1, :n_diverged] = np.nan
    return {"name": name, **summarize_curves(noisy)}


@pytest.fixture
def candidate() -> Callable[..., dict[str, Any]]:
    """Makes one candidate of a summary."""
    return _candidate


@pytest.fixture
def summary() -> Callable[..., dict[str, Any]]:
    """Makes a summary of the candidates given."""

    def make(*candidates: dict[str, Any], score_name: str = "accuracy") -> dict[str, Any]:
        curves = {"score_name": score_name, "title": "A table", "subtitle": "how", "candidates": list(candidates)}
        return {"curves": curves}

    return make
