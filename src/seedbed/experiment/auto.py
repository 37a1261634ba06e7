"""`auto`: the blend of networks that `SeedbedClassifier()` fits, as a candidate that is fitted on every split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedbed.data import Encoding, Split, Table, Task
from seedbed.experiment.fitted import Fitted
from seedbed.model import AUTO, blend_seconds, blend_table, values_of
from seedbed.settings import Compute
from seedbed.training import derive
from seedbed.typing import Floats

__all__ = ["Auto", "auto", "without_auto"]


@dataclass(frozen=True, eq=False)
class Auto(Fitted):
    """The blend. Its networks train on their own inner splits, so they don't join a stack of the comparison.

    Attributes:
        estimator: the random state of each fit.
    """

    kind = "candidate"
    needs_columns = True  # also groups and times
    timed = False

    def seconds(self, table: Table, n_rows: int) -> float:
        return blend_seconds(table, n_rows)

    def fitted(self, table: Table, encoding: Encoding, split: Split, n_classes: int) -> Floats:
        own = table.of_rows(split.train)
        classes, codes = np.unique(own.target, return_inverse=True)
        if table.task != "regression":
            labels = tuple(table.labels[code] for code in classes)
            task: Task = "binary" if len(labels) == 2 else "multiclass"
            own = dataclasses.replace(own, target=codes, labels=labels, task=task)
        model, _ = blend_table(own, random_state=self.estimator, compute=Compute(jobs=1))
        values, _ = values_of(model, model.preprocessor.inputs_of_values(table.features[split.test]))
        if table.task == "regression":
            return values
        found = np.zeros((len(split.test), len(table.labels)))  # a class without training rows keeps 0
        found[:, classes] = values if own.task == "multiclass" else np.column_stack([1 - values, values])
        return found


def auto(random_state: int) -> Auto:
    """Return the blend of a comparison with this random state."""
    seed = derive(random_state, "baseline", AUTO) % 2**32
    return Auto(AUTO, seed, "a blend of networks of seedbed's own portfolio, weighted out of bag")


def without_auto(candidates: Sequence[Any] | Mapping[str, Any] | str) -> tuple[Any, int]:
    """Return the other candidates, which are stacks of networks, and how often `auto` is among the given ones."""

    def is_auto(candidate: Any) -> bool:
        return isinstance(candidate, str) and candidate.strip() == AUTO

    if isinstance(candidates, Mapping):
        others: Any = {name: one for name, one in candidates.items() if not is_auto(one)}
        return others, len(candidates) - len(others)
    given = [candidates] if isinstance(candidates, str) else list(candidates)
    others = [one for one in given if not is_auto(one)]
    return others, len(given) - len(others)
