"""The blend that `SeedbedClassifier()` fits, fitted anew on every split of a comparison."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Split, Table
from seedbed.experiment.seeded import Seeded
from seedbed.model import blend_table, values_of

__all__ = ["Auto", "blended"]


class Auto(Seeded):
    """Stands for a blend among the estimators of baselines. It is fitted to a table's rows by `blended`, as it needs to
    know their columns, groups and times."""


def blended(table: Table, split: Split, random_state: int | None) -> NDArray[np.float64]:
    """What the blend of a split's training rows says of its test rows: the probability of each class of the table
    [row, class], 0 of one that no training row has; or numbers [row]."""
    own = table.of_rows(split.train)
    classes, codes = np.unique(own.target, return_inverse=True)
    if table.task != "regression":
        labels = tuple(table.labels[code] for code in classes)
        own = dataclasses.replace(own, target=codes, labels=labels, task="binary" if len(labels) == 2 else "multiclass")
    model, _ = blend_table(own, random_state=random_state or 0, jobs=1)
    said, _ = values_of(model, model.preprocessor.inputs_of_values(table.features[split.test]))
    if table.task == "regression":
        return said
    found = np.zeros((len(split.test), len(table.labels)))
    found[:, classes] = said if own.task == "multiclass" else np.column_stack([1 - said, said])
    return found
