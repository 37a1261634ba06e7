"""`auto`: the blend that `SeedbedClassifier()` fits, fitted anew on every split of a comparison."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seedbed.data import Encoding, Split, Table, Task
from seedbed.experiment.fitted import Baseline
from seedbed.experiment.logistic import Seeded
from seedbed.model import AUTO, blend_seconds, blend_table, values_of

__all__ = ["Auto", "auto"]


@dataclass(frozen=True, eq=False)
class Auto(Baseline):
    """A blend among the models that are fitted on each split. It needs a table's columns, groups and times.

    Attributes:
        estimator: holds nothing but the random state.
    """

    needs_columns: ClassVar[bool] = True
    timed: ClassVar[bool] = False

    def seconds(self, table: Table, n_rows: int) -> float:
        return blend_seconds(table, n_rows)

    def _fitted(self, table: Table, encoding: Encoding, split: Split, n_classes: int) -> NDArray[np.float64]:
        own = table.of_rows(split.train)
        classes, codes = np.unique(own.target, return_inverse=True)
        if table.task != "regression":
            labels = tuple(table.labels[code] for code in classes)
            task: Task = "binary" if len(labels) == 2 else "multiclass"
            own = dataclasses.replace(own, target=codes, labels=labels, task=task)
        model, _ = blend_table(own, random_state=self.estimator.random_state or 0, jobs=1)
        said, _ = values_of(model, model.preprocessor.inputs_of_values(table.features[split.test]))
        if table.task == "regression":
            return said
        found = np.zeros((len(split.test), len(table.labels)))
        found[:, classes] = said if own.task == "multiclass" else np.column_stack([1 - said, said])
        return found


def auto(random_state: int) -> Auto:
    """Return the blend with a random state."""
    return Auto(AUTO, Seeded(random_state), "a blend of networks of seedbed's own portfolio, weighted out of bag")
