"""Correct the probabilities or numbers of a model by rows with known outcome: an intercept, an
intercept and a slope, or nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seedbed.errors import DataError, OptionError, TooFewRowsError, counted
from seedbed.evaluation.metrics import METRICS
from seedbed.evaluation.summaries import measured_scores
from seedbed.model.ensemble import Ensemble
from seedbed.model.evaluating import NewRows, new_rows, read_evaluated, results_on
from seedbed.model.predicting import outputs_of
from seedbed.typing import Floats

_FEWEST, _FEWEST_OF_CLASS = 30, 10
_FOLDS = 10
_ALPHA = 0.05
_TINY = 1e-12

Line = tuple[float, float]
"""Intercept and slope, applied to the outputs of each network: log-odds, or standardised
numbers."""


def recalibrated(model: Ensemble, source: Any) -> dict[str, Any]:
    """Return the fields that `Model.recalibrated` changes."""
    is_number = model.outcome.is_number
    if not (is_number or model.outcome.has_threshold) or model.follow_up is not None:
        raise OptionError(
            "recalibration is of two labels, or of a number",
            "Train a new model on these rows and the earlier ones.",
        )
    rows = new_rows([model], read_evaluated([model], source, {}), None)
    _check_enough(rows, is_number)
    read, _ = model.read(rows.frame)
    matrix, _ = model.preprocessor.inputs_of(read)
    outputs = np.asarray(outputs_of(model, matrix)[..., 0], np.float64)
    scale = (model.target_mean, model.target_deviation)  # 0 and 1 of labels
    target = (rows.observed.values - scale[0]) / scale[1]
    intercept, slope = chosen_line(outputs, target, is_number=is_number)
    others = _corrected_by_others(outputs, target, is_number)
    values = model.outcome.values(others[..., None], scale).mean(axis=0)
    (result,) = results_on([model], rows, [values])
    words = {name: metric.words for name, metric in METRICS.items()}
    # The outputs have an earlier line already.
    before = model.training.get("recalibrated", {"line": (0.0, 1.0)})["line"]
    n_rows = rows.frame.n_rows
    about = {
        "line": [intercept + slope * before[0], slope * before[1]],
        "table": rows.frame.name,
        "n_rows": n_rows,
    }
    hashes = model.training_rows
    if hashes is not None:
        hashes = np.union1d(hashes, rows.hashes[0])
    return {
        "training": {**model.training, "recalibrated": about},
        "score": {
            "of": f"the recalibrated model on {counted(n_rows, 'row')} of {rows.frame.name}, each corrected by the others",
            "alpha": result.tested.alpha,
            "scores": measured_scores(result.scores, words),
            "chosen": None,
        },
        "calibration": None,  # errors before the correction
        "training_rows": hashes,
    }


def _check_enough(rows: NewRows, is_number: bool) -> None:
    """Raise TooFewRowsError for fewer than 30 rows or 10 of a label, and DataError for labels that
    the model doesn't know."""
    target = rows.observed.values
    where = rows.frame.where
    too_few = len(target) < _FEWEST
    of_each = ""
    if not is_number:
        if target.min() < 0:
            raise DataError(
                f"{where} has labels that the model doesn't know",
                "Leave these rows out.",
            )
        too_few = too_few or np.bincount(target, minlength=2).min() < _FEWEST_OF_CLASS
        of_each = f", {_FEWEST_OF_CLASS} of each label"
    if too_few:
        raise TooFewRowsError(
            f"{where} has too few new rows to recalibrate: {len(target)}",
            f"Give {_FEWEST} or more{of_each}.",
        )


def _corrected_by_others(outputs: Floats, target: Floats, is_number: bool) -> Floats:
    """Return the outputs [network, row], each tenth of the rows with the line of all others."""
    folds = np.random.default_rng(0).permutation(len(target)) % _FOLDS
    corrected = np.empty_like(outputs)
    for fold in range(_FOLDS):
        test = folds == fold
        intercept, slope = chosen_line(
            outputs[:, ~test], target[~test], is_number=is_number
        )
        corrected[:, test] = intercept + slope * outputs[:, test]
    return corrected


def chosen_line(outputs: Floats, target: Floats, *, is_number: bool) -> Line:
    """Return no correction, an intercept, or an intercept and a slope, by a closed test of
    likelihood ratios at a level of 5 % (Vergouwe et al. 2017, https://doi.org/10.1002/sim.7179).

    Args:
        outputs: of each network [network, row].
        target: 0 or 1, or standardised numbers [row].
    """
    from scipy.optimize import minimize
    from scipy.special import chdtrc, expit

    def loss(line: Sequence[float]) -> float:
        """Return minus the log-likelihood, of numbers with the most likely deviation."""
        intercept, slope = (*line, 1.0)[:2]
        values = intercept + slope * outputs
        if is_number:
            squares = np.square(target - values.mean(axis=0))
            return len(target) / 2 * math.log(squares.mean() + _TINY)
        p = expit(values).mean(axis=0)
        of_truth = np.where(target == 1, p, 1 - p)
        return -float(np.log(np.maximum(of_truth, _TINY)).sum())

    def lowest(*starts: tuple[float, ...]) -> Any:
        """Return the line with the lowest loss, from starts that are far apart."""
        options = {"initial_simplex": starts, "xatol": 1e-6, "fatol": 1e-6}
        return minimize(loss, starts[0], method="Nelder-Mead", options=options)

    as_it_is = loss((0.0, 1.0))
    both = lowest((0.0, 1.0), (0.5, 1.0), (0.0, 0.5))
    if chdtrc(2, 2 * (as_it_is - both.fun)) >= _ALPHA:
        return 0.0, 1.0
    moved = lowest((0.0,), (0.5,))
    if chdtrc(1, 2 * (moved.fun - both.fun)) >= _ALPHA:
        return float(moved.x[0]), 1.0
    intercept, slope = map(float, both.x)
    if slope <= 0:
        raise DataError(
            "the model's order of these rows is the wrong way round, or chance",
            "Train a new model on these rows and the earlier ones.",
        )
    return intercept, slope
