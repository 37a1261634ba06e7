"""Survival: an event, the time under observation, and probabilities of no event up to a horizon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError, spell
from seedbed.evaluation.survival import censored_truth, kaplan_meier
from seedbed.networks.activations import ACTIVATIONS
from seedbed.outcomes.hazards import (
    FollowUp,
    clock_of,
    interval_of,
    last_seen,
    median_survival,
    passed_at,
    survival_at,
)
from seedbed.outcomes.outcome import Expansion, FittedModel, Observed, Outcome
from seedbed.typing import Bools, Floats, Ints


class Survival(Outcome):
    """An event or censoring. Rows are expanded to the intervals in which they were under
    observation, and networks give the hazard of each: the logit of the event."""

    task = "survival"
    learns = "binary"
    loss = "bce"
    metric = "integrated_brier"
    in_words = ""
    shown = ("uno_c",)
    of_single_runs = "uno_c", "uno_c"
    prior_name = "Kaplan-Meier"
    loss_words = "log loss of the intervals"
    prior_words = "Kaplan-Meier estimate of the training rows"
    few_words = "Kaplan-Meier", "linear model"
    linear_words = "logistic regression of hazards"
    offset_words = "the mean probability of surviving until the horizon minus the share that does, in points"
    answer = "median"
    parts = "survival"
    prefix = "survival_at_"
    refuses: ClassVar[Mapping[str, str]] = {
        "predict_proba": "a survival model has no probabilities of classes; use predict_survival",
        "predict_interval": "only a model of numbers has intervals; use predict_survival",
    }

    def expanded(self, rows: Observed, like: FollowUp | None) -> Expansion:
        """Return a row for each interval up to the horizon in which a row was under observation.
        Its label is the event's if it came in this interval; an interval in whose first half a row
        was censored doesn't count. By default there are at most eight intervals, which end at
        quantiles of the times of events."""
        durations, follow_up, events = _followed(rows)
        follow_up = replace(
            follow_up,
            clock=like.clock
            if like
            else clock_of(durations, events, follow_up.horizon),
        )
        last = interval_of(durations, follow_up.cuts)
        n_intervals = last + (
            events | (passed_at(durations, follow_up.clock) - last >= 0.5)
        )
        of_row = np.repeat(np.arange(len(durations)), n_intervals)
        interval = np.arange(len(of_row)) - np.repeat(
            np.cumsum(n_intervals) - n_intervals, n_intervals
        )
        target = (events[of_row] & (interval == last[of_row])).astype(np.int64)
        levels = tuple(map(str, range(1, len(follow_up.cuts) + 1)))
        return Expansion(of_row, "interval", levels, interval, target, follow_up)

    def columns(self, fitted: FittedModel) -> list[str]:
        return [_of(fitted).time, _of(fitted).start]

    def truth(self, rows: Observed) -> NDArray[Any]:
        """Return `censored_truth` [row, time]."""
        durations, follow_up, _ = _followed(rows)
        return censored_truth(durations, rows.target == 1, follow_up.grid)

    def strata(self, rows: Observed, folds: int) -> NDArray[Any]:
        events = _followed(rows)[2].astype(np.int64)
        few = (
            np.bincount(events, minlength=2).min() < folds
        )  # too few rows of a class to stratify by it
        return np.zeros(len(events)) if few else events

    def n_outside(self, rows: Observed, some: Ints | slice = slice(None)) -> int:
        return int(_followed(rows)[2][some].sum())

    def prior(self, rows: Observed, some: Ints) -> NDArray[Any]:
        """Return the Kaplan-Meier estimate [time]."""
        durations, follow_up, _ = _followed(rows)
        return kaplan_meier(durations[some], rows.target[some] == 1).at(follow_up.grid)

    def values(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        """Return the hazard of each interval, of outputs [network, row, interval]."""
        return np.asarray(ACTIVATIONS["sigmoid"].values(outputs))

    def deciding(self, values: Floats) -> Floats:
        return values[..., -1]

    def scored(
        self, values: NDArray[Any], fitted: FittedModel, table: Any
    ) -> NDArray[Any]:
        """Return survival at the times at which it is scored [..., time], of hazards [...,
        interval]."""
        return survival_at(
            last_seen(table.durations, table.follow_up.grid), values, _of(fitted).clock
        )

    def labelled(
        self, values: Floats, fitted: FittedModel, threshold: float | None
    ) -> NDArray[Any]:
        """Return the median survival; NaN if it is later than the horizon."""
        return median_survival(values, _of(fitted).clock)

    def keys(self, fitted: FittedModel, at: Sequence[float] = ()) -> Sequence[str]:
        return [f"{time:.9g}" for time in at or _of(fitted).cuts]

    def parts_of(
        self, values: Floats, fitted: FittedModel, at: Sequence[float] = ()
    ) -> Floats:
        """Return the probability of survival [row, time]; by default at the ends of the
        intervals."""
        return survival_at(
            np.asarray(at or _of(fitted).cuts, dtype=np.float64),
            values,
            _of(fitted).clock,
        )

    def refuse(self, what: str, hint: str = "Leave it out.") -> None:
        raise OptionError(f"{what} can't be combined with survival", hint)

    def check_times(self, at: Sequence[float], fitted: FittedModel) -> None:
        follow_up = _of(fitted)
        for time in at:
            if not 0 <= time <= follow_up.horizon:
                message = f"{spell('at')} is {time:g}, and the model predicts up to {follow_up.words}"
                longer = f"Train with a longer one: {spell('horizon', f'{time:g}')}."
                hint = (
                    longer
                    if 0 < time < math.inf
                    else f"Give one from 0 to {follow_up.horizon:g}."
                )
                raise OptionError(message, hint)

    def check_sets(self, *, per_class: bool) -> None:
        raise OptionError(
            "a model of survival has no prediction sets", "Leave the coverage out."
        )

    def always(self, labels: Mapping[str, int]) -> str:
        return "one survival curve for everybody"

    def predicts(self, target: str, labels: Sequence[str]) -> str:
        return f"when {target} comes"

    def about_levels(self, name: str, fitted: FittedModel) -> str:
        ends = [f"{cut:g}" for cut in _of(fitted).cuts]
        hazard = f"the file predicts the hazard of the interval '{name}', '1' to '{len(ends)}'"
        return f"{hazard}; they end at {', '.join(ends)}"

    def answers(self, labels: Sequence[str], follow_up: FollowUp | None) -> list[str]:
        return (
            []
            if follow_up is None
            else [f"survival_at_{time:.9g}" for time in follow_up.grid]
        )


def _of(fitted: FittedModel) -> FollowUp:
    assert fitted.follow_up is not None
    return fitted.follow_up


def _followed(rows: Observed) -> tuple[Floats, FollowUp, Bools]:
    """Return the times, the follow-up, and which rows have their event up to the horizon."""
    assert rows.durations is not None
    assert rows.follow_up is not None
    return (
        rows.durations,
        rows.follow_up,
        (rows.target == 1) & (rows.durations <= rows.follow_up.horizon),
    )
