"""One candidate trained on one split, with one seed or many, as in the tutorial."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from seedbed.data.preprocessing import Preprocessor, target_moments
from seedbed.data.splits import holdout, time_holdout
from seedbed.data.table import Table
from seedbed.errors import OptionError
from seedbed.networks.candidate import Candidate
from seedbed.settings.design import Compute
from seedbed.settings.fields import settings_of
from seedbed.settings.recipe import Recipe
from seedbed.training.candidates import with_inputs_of
from seedbed.training.many import History, train_many


def train_on_one_split(
    table: Table,
    candidate: Candidate,
    *,
    seeds: Sequence[int],
    random_state: int = 0,
    recipe: Recipe,
    compute: Compute = Compute(),
) -> History:
    """Train a candidate on one split of a table, one network for each seed.

    The split is that of scikit-learn's `train_test_split(rows, test_size=0.2, random_state=...,
    stratify=target)`; rows with times are split by time, and sites stay whole. Features are standardised by the mean and
    the population deviation of the training rows, as float32, and each network is built under
    `torch.manual_seed(seed)`: plain PyTorch gives the same figures.
    """
    table.outcome.refuse(
        "training on one split", "Add -o for a model, or compare models."
    )
    settings = candidate.recipe(recipe).for_rows(table.n_rows)
    if settings.leaves_out:
        raise OptionError(
            "patience needs rows that are left out, and a single split has none",
            "Leave it out, or add -o for a model.",
        )
    settings = dataclasses.replace(settings, loss=table.outcome.loss)
    if table.times is not None:
        split = time_holdout(table.times, groups=table.groups)
    else:
        groups = table.groups if table.folds is None else table.folds
        split = holdout(table.target, random_state=random_state, groups=groups)
    preprocessor = Preprocessor.fit(table, split.train)
    X = preprocessor.inputs_of_values(table.features)
    y = table.target
    if (
        table.outcome.is_number
    ):  # networks learn numbers that are standardised by the training rows
        mean, deviation = target_moments(table.target[split.train])
        y = ((table.target - mean) / deviation).astype(np.float32)
    network = with_inputs_of(candidate, preprocessor.layout)
    return train_many(
        dataclasses.replace(network, overrides=()),  # the recipe has them
        X[split.train],
        y[split.train],
        X[split.test],
        y[split.test],
        seeds=tuple(seeds),
        **{
            name: getattr(settings, name)
            for name, about in settings_of(Recipe).items()
            if not about.choosing
        },
        **dataclasses.asdict(compute),
    )
