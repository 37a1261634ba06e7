"""Fixtures for the tests of models: tables with every kind of column, and models that take a moment
to fit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seedbed.data.reading import read_table
from seedbed.data.table import Table
from seedbed.model.blending import fit_model
from seedbed.model.model import Model
from seedbed.settings.design import Compute
from seedbed.settings.recipe import recipe_named

N = 160
FAST: dict[str, Any] = {"n_networks": 3, "compute": Compute(n_jobs=1)}


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """A frame with numbers with and without gaps, booleans, dates, categories with rare and with
    many levels, and three targets."""
    rng = np.random.default_rng(3)
    size = rng.normal(170, 10, N)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        rng.integers(0, 700, N), unit="D"
    )
    town = rng.choice(["Bonn", "Rome", "Oslo", "Nowhere"], N, p=[0.5, 0.3, 0.19, 0.01])
    return pd.DataFrame(
        dict(
            size=size,
            weight=np.where(
                rng.random(N) < 0.15, np.nan, size - 100 + rng.normal(0, 8, N)
            ),
            smokes=np.where(rng.random(N) < 0.3, "yes", "no"),
            day=day.strftime("%Y-%m-%d"),
            town=np.where(rng.random(N) < 0.1, None, town),
            name=[f"n{number}" for number in rng.integers(0, 300, N)],
            ill=np.where(size + rng.normal(0, 8, N) > 170, "ill", "well"),
            grade=np.where(size < 165, "low", np.where(size < 175, "middle", "high")),
            cost=size * 3.5 + rng.normal(0, 4, N),
        )
    )


@pytest.fixture(scope="session")
def table_for(frame: pd.DataFrame) -> Callable[[str], Table]:
    """A function that returns the table for one of the three targets."""

    def make(target: str) -> Table:
        others = [name for name in ("ill", "grade", "cost") if name != target]
        return read_table(frame, target=target, drop=others, categorical=["name"])

    return make


@pytest.fixture(scope="session")
def fitted(table_for: Callable[[str], Table]) -> Callable[..., Model]:
    """A function that fits a model of a candidate for a target; each is fitted once. "auto" trains
    all its members."""
    found: dict[tuple[str, str], Model] = {}

    def fit(candidate: str = "relu:5", target: str = "ill") -> Model:
        if (candidate, target) not in found:
            recipe = recipe_named("default", lr=0.02, epochs=40)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "seedbed.model.blending.blend_weights",
                    lambda found, *_: SHARES[: len(found)],
                )
                patch.setattr("seedbed.model.trees._LEAST_WEIGHT", -1)
                found[candidate, target] = fit_model(
                    table_for(target), candidate, recipe=recipe, **FAST
                )
        return found[candidate, target]

    return fit


SHARES = np.array([0.1, 0.2, 0.1, 0.1, 0.1, 0.15, 0.25])
TARGETS = ("ill", "grade", "cost")
PARTS = (
    "silu:4,4@residual,layernorm",
    "relu:4@plr=3,plr_frequencies=5,plr_sigma=0.5",
    "relu:4@ple=5,embed=3",
)
CANDIDATES = (
    "logistic",
    "relu:5",
    "tanh:4,3@layernorm",
    "elu:4@batchnorm,dropout=0.2",
    *PARTS,
    "auto",
)
