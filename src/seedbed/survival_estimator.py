"""The estimator of survival, with scikit-survival's conventions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from seedbed.arguments import check_arguments
from seedbed.data.follow_up import longest_horizon
from seedbed.errors import DataError, TargetError
from seedbed.estimators import Networks
from seedbed.evaluation.survival import uno_c
from seedbed.outcomes.hazards import FollowUp
from seedbed.typing import Bools, Floats

_LEAST = 1e-300  # survival, so that cumulative hazards are finite


@dataclass(frozen=True, eq=False)
class SurvivalFunction:
    """The survival of one row as a function of time, or its cumulative hazard.

    Attributes:
        x: up to eight times in each interval, its end among them [time].
        y: the value there [time].
        is_hazard: whether it is the cumulative hazard.
    """

    x: Floats
    y: Floats
    is_hazard: bool = False

    def __call__(self, times: ArrayLike) -> Any:
        """Return the value at some times, in their shape. Between two of `x` the rate is constant;
        after the last one, the value stays as it is."""
        hazards = self.y if self.is_hazard else -np.log(np.maximum(self.y, _LEAST))
        value = np.interp(
            np.asarray(times, dtype=np.float64), [0.0, *self.x], [0.0, *hazards]
        )
        return value if self.is_hazard else np.exp(-value)


@dataclass(kw_only=True, eq=False, repr=False)
class SeedbedSurvival(Networks):
    """An estimator of survival: it blends hazards by networks and trees, as `seedbed compare
    --event` does.

    Its parameters and attributes are those of `SeedbedClassifier`, without `class_weight`,
    `classes_` and `oob_decision_function_`. Time is cut into at most eight intervals, and members
    are classifiers of whether the event occurs in an interval. The last one ends where ten rows, or
    a tenth of few rows, are still under observation; after it, functions are constant.

    Attributes:
        unique_times_: up to eight times in each interval, its end among them [time].

    Examples:
        >>> X = [[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]] * 5
        >>> y = np.array([(x[0] < 0.5, 1 + n) for n, x in enumerate(X)], dtype=[("event", bool), ("time", float)])
        >>> estimator = sb.SeedbedSurvival("relu:5", n_networks=2, random_state=0).fit(X, y)
        >>> curves = estimator.predict_survival_function([[0.05], [0.95]])
        >>> bool(curves[0](20) < curves[1](20))
        True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fit networks and trees to all rows.

        Args:
            X: as in `SeedbedClassifier.fit`.
            y: a structured array [row] of two fields: whether the event came, and the time under
                observation.

        Raises:
            ValueError: X, y or a parameter can't be used; errors of seedbed are also a
                `SeedbedError`.
            TrainingError: the networks can't be trained.
        """
        check_arguments(type(self), self.get_params(deep=False))
        events, times = _outcome(y)
        columns = self._read_features(X, reset=True)
        check_consistent_length(events, columns.columns[0])
        if not events.any():
            raise TargetError("y has no event", "There is nothing to predict.")
        table = self._table(
            columns,
            events.astype(np.int64),
            task="survival",
            labels=("censored", "event"),
            target_name="event",
        )
        follow_up = FollowUp("time", longest_horizon(times, events))
        self._fit_table(replace(table, durations=times, follow_up=follow_up))
        assert self.model_.follow_up is not None
        self.unique_times_ = np.array([time for time, _ in self.model_.follow_up.clock])
        return self

    def predict(self, X: Any) -> Floats:
        """Return the risk of each row [row]: its cumulative hazard at the end of the last interval.

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells are unknown to
                the model.
        """
        hazards = self.predict_cumulative_hazard_function(X, return_array=True)
        return np.asarray(hazards[:, -1])

    def predict_survival_function(
        self, X: Any, return_array: bool = False
    ) -> NDArray[Any]:
        """Return the survival of each row: functions of time [row], or an array [row, time] at
        `unique_times_`."""
        predictions = self._predictions(X)  # it says whether the estimator is fitted
        survival = self.model_.survival(predictions, self.unique_times_.tolist())
        return survival if return_array else self._functions(survival)

    def predict_cumulative_hazard_function(
        self, X: Any, return_array: bool = False
    ) -> NDArray[Any]:
        """Return the cumulative hazard, -log of survival, of each row, as
        `predict_survival_function`."""
        hazards = -np.log(
            np.maximum(self.predict_survival_function(X, return_array=True), _LEAST)
        )
        return hazards if return_array else self._functions(hazards, is_hazard=True)

    def _functions(self, values: Floats, **options: bool) -> NDArray[Any]:
        return np.array(
            [SurvivalFunction(self.unique_times_, row, **options) for row in values],
            dtype=object,
        )

    def score(self, X: Any, y: Any) -> float:
        """Return Harrell's C, as estimators of scikit-survival do: the share of comparable pairs of
        rows in which the one with the higher risk has its event first.

        Raises:
            ValueError: as `predict`, or y isn't as in `fit`.
        """
        events, times = _outcome(y)
        risks = self.predict(X)
        check_consistent_length(events, risks)
        return uno_c(times, events, risks, horizon=np.inf)


def _outcome(y: Any) -> tuple[Bools, Floats]:
    """Return events and times [row] of a structured array, as `sksurv.util.Surv` makes it.
    DataError if it isn't one, has no event, or a time isn't finite or is negative."""
    outcome = np.asarray(y)
    names = outcome.dtype.names or ()
    if len(names) != 2 or outcome.ndim != 1 or outcome[names[0]].dtype != np.bool_:
        raise DataError(
            "y isn't a structured array of two fields: whether the event came, and the time",
            "Make it with sksurv.util.Surv.from_arrays(event, time).",
        )
    if outcome[names[1]].dtype.kind not in "iuf":
        raise DataError(
            f"the times of y are {outcome[names[1]].dtype}", "Give numbers."
        )
    events = outcome[names[0]]
    times = outcome[names[1]].astype(np.float64)
    if (
        not np.isfinite(times).all()
        or times.min(initial=0) < 0
        or times.max(initial=0) <= 0
    ):
        raise DataError(
            "y has a time that is negative or not finite, or only zeros",
            "Repair or remove these rows.",
        )
    return events, times
