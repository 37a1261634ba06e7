"""The outcome of each task. A new one is added here."""

from __future__ import annotations

from seedbed.evaluation.summaries import Task
from seedbed.outcomes.classes import BINARY, Multiclass
from seedbed.outcomes.numbers import Number
from seedbed.outcomes.outcome import Outcome
from seedbed.outcomes.time_to_event import Survival

OUTCOMES: dict[Task, Outcome] = {
    outcome.task: outcome for outcome in (BINARY, Multiclass(), Number(), Survival())
}


def outcome_of(task: Task | None) -> Outcome:
    """Return the outcome of a task; of scores whose task isn't known (None), that of two labels."""
    return OUTCOMES[task or "binary"]
