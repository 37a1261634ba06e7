"""Results as data frames, as `seedbed.judge` and other programs take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seedbed.data import frame_from
from seedbed.errors import OptionError, did_you_mean
from seedbed.evaluation import METRICS, Verdict
from seedbed.experiment.results import Results

__all__ = ["predictions_frame", "scores_frame", "verdicts_frame"]

_OF_A_VERDICT = ("candidate", "reference", "rule", "difference", "low", "high", "margin", "p", "p_adjusted", "p_better")


def scores_frame(found: Results, metric: str | None) -> Any:
    """Return the score of each run: candidate, repeat, fold, seed and a column with the metric's name.

    Raises:
        OptionError: the metric isn't a mean over rows, or isn't one of the task.
    """
    name = metric or found.experiment.metric
    known = [one for one, entry in METRICS.items() if entry.row_loss and found.experiment.table.task in entry.tasks]
    if name not in known:
        raise OptionError(f"single runs have no score '{name}'", did_you_mean(name, known))
    columns: dict[str, list[Any]] = {key: [] for key in ("candidate", "repeat", "fold", "seed", name)}
    for result in found.results:
        losses = result.losses(name)
        values = 1 - losses if METRICS[name].greater_is_better else losses
        places = np.indices(values.shape).reshape(3, -1)
        columns["candidate"] += [result.name] * values.size
        for key, numbers in zip(("repeat", "fold", "seed"), places, strict=True):
            columns[key] += numbers.tolist()
        columns[name] += values.ravel().tolist()
    return frame_from(columns)


def predictions_frame(found: Results) -> Any:
    """Return each out-of-fold prediction: candidate, repeat, fold, seed, row, what is predicted, and the target.

    Of two labels `probability`, that of the positive one; of several `probability_LABEL`; of numbers `prediction`.
    """
    table, splits = found.experiment.table, found.splits
    several = [f"probability_{label}" for label in table.labels] if table.task == "multiclass" else []
    answers = several or ["prediction" if table.task == "regression" else "probability"]
    parts: dict[str, list[Any]] = {key: [] for key in ("candidate", "repeat", "fold", "seed", "row", *answers, "y")}
    for result in found.results:
        for split in splits:
            block = result.predictions[split.repeat][:, split.test]
            n_seeds, n_rows = block.shape[:2]
            parts["candidate"].append(np.full(n_seeds * n_rows, result.name, dtype=object))
            parts["repeat"].append(np.full(n_seeds * n_rows, split.repeat))
            parts["fold"].append(np.full(n_seeds * n_rows, split.fold))
            parts["seed"].append(np.repeat(np.arange(n_seeds), n_rows))
            parts["row"].append(np.tile(split.test, n_seeds))
            parts["y"].append(np.tile(result.target[split.test], n_seeds))
            for number, answer in enumerate(answers):
                values = block[..., number] if several else block
                parts[answer].append(values.ravel())
    columns = {key: np.concatenate(blocks) for key, blocks in parts.items()}
    if table.task != "regression":
        columns["y"] = np.array(table.labels, dtype=object)[columns["y"]]
    return frame_from({key: column.tolist() for key, column in columns.items()})


def verdicts_frame(verdicts: Sequence[Verdict]) -> Any:
    """Return a row for each verdict."""
    return frame_from({key: [getattr(one, key) for one in verdicts] for key in _OF_A_VERDICT})
