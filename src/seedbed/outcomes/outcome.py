"""What an outcome decides: the interface that tables, models and comparisons use in place of
conditions on the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seedbed.errors import OptionError, spell
from seedbed.evaluation.summaries import Task
from seedbed.outcomes.hazards import FollowUp
from seedbed.typing import Floats, Ints


class Observed(Protocol):
    """The outcome of some rows: a table, or a result.

    Attributes:
        target: codes of classes or numbers [row].
        n_classes: 0 for numbers.
        durations, follow_up: of survival, the time under observation [row] and the horizon.
    """

    @property
    def target(self) -> NDArray[Any]: ...
    @property
    def n_classes(self) -> int: ...
    @property
    def durations(self) -> Floats | None: ...
    @property
    def follow_up(self) -> FollowUp | None: ...


class FittedModel(Protocol):
    """What an outcome needs of a model; `Ensemble` explains the attributes."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def classes_(self) -> NDArray[Any]: ...
    @property
    def threshold(self) -> float: ...
    @property
    def follow_up(self) -> FollowUp | None: ...


class Expansion(NamedTuple):
    """Rows for training in place of the table's: several rows of each, which differ in one more
    column.

    Attributes:
        rows: the table's row of each one [row].
        name, levels, codes: of the column; its levels, and the level of each row [row].
        target: 0 or 1 [row].
        follow_up: with its clock.
    """

    rows: Ints
    name: str
    levels: tuple[str, ...]
    codes: Ints
    target: Ints
    follow_up: FollowUp | None


class Outcome:
    """The outcome of one task. Subclasses replace what differs; there is one instance of each, see
    `outcome_of`.

    Attributes:
        task: its name.
        learns: the task of the rows that networks train on; another one if rows are expanded.
        loss: what networks minimise.
        metric: the score of verdicts by default.
        in_words: the score in which the expected performance is also said; empty for that of
            verdicts.
        shown: the scores that tables show in any case.
        of_training: the score of training and test curves.
        of_single_runs: the score of single runs, and the score whose loss is known for each of
            them.
        linear: the name of the linear model.
        has_classes: whether labels are predicted; `has_threshold`, by a threshold.
        is_number: whether networks give numbers, standardised, and no probabilities.
        n_labels: how many labels a model can have.
        estimator, method: the kind of scikit-learn's estimators that predict it, and their method.
        prior_words, linear_words: what the prior and the linear model are; `few_words`, of both;
            `prior_name`, the name of the prior in sentences.
        loss_words: the loss of rows that weren't trained on.
        predicts_words, offset_words: what `predicts` and `offset` return, with `last` for the last
            label.
        answer, parts, prefix: what a server calls the predicted label, number or time, and the
            probabilities beside it; what begins the names of their columns.
        refuses: methods of a model that aren't for this outcome, with what the error says.
    """

    task: ClassVar[Task]
    learns: ClassVar[Task]
    loss: ClassVar[str]
    metric: ClassVar[str]
    in_words: ClassVar[str]
    shown: ClassVar[tuple[str, ...]] = ("accuracy",)
    of_training: ClassVar[str] = "accuracy"
    of_single_runs: ClassVar[tuple[str, str]] = ("accuracy", "accuracy")
    linear: ClassVar[str] = "logistic"
    has_classes: ClassVar[bool] = False
    has_threshold: ClassVar[bool] = False
    is_number: ClassVar[bool] = False
    n_labels: ClassVar[range] = range(2, 3)
    prior_words: ClassVar[str] = "predicts the class frequencies of the training rows"
    prior_name: ClassVar[str] = "prior"
    loss_words: ClassVar[str] = "log loss"
    predicts_words: ClassVar[str] = "which of {n} labels {target} has"
    offset_words: ClassVar[str] = (
        "the mean probability of the predicted class minus the share of right ones, in points"
    )
    few_words: ClassVar[tuple[str, str]] = "always the same", "linear model"
    linear_words: ClassVar[str] = "logistic regression, lightly penalised"
    estimator: ClassVar[str] = "classifier"
    method: ClassVar[str] = "predict_proba"
    answer: ClassVar[str] = "label"
    parts: ClassVar[str] = "probabilities"
    prefix: ClassVar[str] = "probability_"
    refuses: ClassVar[Mapping[str, str]] = {}

    @property
    def is_expanded(self) -> bool:
        """Whether networks train on other rows than the table's, see `expanded`."""
        return self.learns != self.task

    def n_outputs(self, labels: Sequence[str]) -> int:
        """Return the outputs of a network: a logit of the second of two labels, a logit per class,
        or a number."""
        return len(labels) if len(labels) > 2 else 1

    def fits(self, labels: Sequence[str], follow_up: object) -> bool:
        """Return whether a model of this task can have such labels, and a follow-up or None."""
        return (
            len(labels) in self.n_labels and (follow_up is not None) == self.is_expanded
        )

    def present(self, target: NDArray[Any], labels: Sequence[str]) -> dict[str, Any]:
        """Return the fields of a table of training rows that differ from the whole table's, as some
        classes may be missing."""
        return {}

    def expanded(self, rows: Observed, like: FollowUp | None) -> Expansion | None:
        """Return the rows that networks train on, with the clock of `like`, the follow-up of rows
        that were expanded before; None if these are the rows themselves."""
        return None

    def n_levels(self, follow_up: FollowUp | None) -> int:
        """Return how many levels the column of expanded rows has; 0 if rows aren't expanded."""
        return 0 if follow_up is None else len(follow_up.cuts)

    def truth(self, rows: Observed) -> NDArray[Any]:
        """Return what scores compare predictions with [row, ...]."""
        return rows.target

    def strata(self, rows: Observed, folds: int) -> NDArray[Any]:
        """Return the codes of which each fold gets an equal share [row]."""
        return rows.target

    def n_outside(self, rows: Observed, some: Ints | slice = slice(None)) -> int | None:
        """Return how many of some rows are outside the largest class, or have the event; None for
        numbers."""
        counts = np.bincount(rows.target[some], minlength=1)
        return int(counts.sum() - counts.max())

    def prior(self, rows: Observed, some: Ints) -> NDArray[Any]:
        """Return the prediction for any new row that knows the target of some rows alone, as
        `scored`."""
        return np.asarray(rows.target[some].mean())

    def columns(self, fitted: FittedModel) -> list[str]:
        """Return columns of the table, beside the target, that a model doesn't need."""
        return []

    def predicted(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        """Return probabilities [..., class] or numbers [...] of outputs [..., output]; `scale` is
        the mean and the deviation of a numeric target, if outputs are standardised."""
        raise NotImplementedError

    def values(
        self, outputs: Floats, scale: tuple[float, float] = (0.0, 1.0)
    ) -> Floats:
        """Return predictions in the shape that `Predictions.values` has, of outputs [...,
        output]."""
        return self.predicted(outputs, scale)

    def probabilities(self, values: Floats) -> Floats:
        """Return the probability of each class [..., class], or numbers [...], of
        `Predictions.values`."""
        return values

    def deciding(self, values: Floats) -> Floats:
        """Return the number of each prediction [network, row] that its range is about: the
        probability of the positive or the most probable label, the number, or the survival until
        the horizon."""
        return values

    def scored(
        self, values: NDArray[Any], fitted: FittedModel, table: Any
    ) -> NDArray[Any]:
        """Return predictions as scores of a table take them, of a model's `Predictions.values`
        [..., row, ...]."""
        return values.astype(np.float32)

    def labelled(
        self, values: Floats, fitted: FittedModel, threshold: float | None
    ) -> NDArray[Any]:
        """Return the predicted label, number, or median survival, of each row [row]."""
        return values

    def keys(self, fitted: FittedModel, at: Sequence[float] = ()) -> Sequence[str]:
        """Return what the probabilities beside a prediction are of: labels, or times of
        survival."""
        return fitted.labels

    def parts_of(
        self, values: Floats, fitted: FittedModel, at: Sequence[float] = ()
    ) -> Floats:
        """Return the probabilities beside each prediction [row, key], see `keys`."""
        return self.probabilities(values)

    def errors(self, target: NDArray[Any], predicted: Floats) -> tuple[Floats, Ints]:
        """Return the error of each row that prediction sets are made by [row], and the class that
        it counts for [row], of predictions as `predicted` returns them [row, ...]."""
        return 1 - predicted[np.arange(len(target)), target], target

    def covering(self, predicted: Floats, limits: Floats) -> NDArray[Any]:
        """Return the set of each row as booleans [row, class], or the ends of each interval [row,
        2]; `limits` are the largest errors that are admitted [class]."""
        return np.asarray(1 - predicted <= limits)

    def of_estimator(
        self, estimator: Any, X: Floats, labels: Sequence[str]
    ) -> NDArray[Any]:
        """Return what a fitted scikit-learn estimator predicts for rows [row, column], as `scored`;
        raise ValueError for another shape, or numbers that aren't finite."""
        raise NotImplementedError

    def refuse(self, what: str, hint: str = "Leave it out.") -> None:
        """Raise OptionError for what can't be combined with this outcome; it is for classes and
        numbers."""

    def check_method(self, name: str) -> None:
        """Raise AttributeError for a method of a model that isn't for this outcome."""
        if name in self.refuses:
            raise AttributeError(self.refuses[name])

    def check_threshold(self, threshold: float | None) -> None:
        """Raise OptionError for a threshold: only two labels have one."""
        if threshold is not None:
            raise OptionError("a threshold is for two labels", "Leave it out.")

    def check_times(self, at: Sequence[float], fitted: FittedModel) -> None:
        """Raise OptionError for times that a model doesn't predict: only those of survival predict
        some."""
        if len(at):
            raise OptionError(
                f"{spell('at')} is for models of survival", "Leave it out."
            )

    def check_sets(self, *, per_class: bool) -> None:
        """Raise OptionError if there are no prediction sets, or no classes for `per_class`."""
        if per_class and not self.has_classes:
            raise OptionError(
                f"a {self.task} model has no classes", "Leave per_class out."
            )

    def always(self, labels: Mapping[str, int]) -> str:
        """Return what the prior does, by the rows of each label."""
        return f"always answering {max(labels, key=lambda label: labels[label], default='the same')}"

    def predicts(self, target: str, labels: Sequence[str]) -> str:
        """Return what a model predicts."""
        return self.predicts_words.format(
            target=target, last="".join(labels[-1:]), n=len(labels)
        )

    def offset(self, target: str, labels: Sequence[str]) -> str:
        """Return what the difference between predictions and what was observed is of."""
        return self.offset_words.format(target=target, last="".join(labels[-1:]))

    def about_levels(self, name: str, fitted: FittedModel) -> str:
        """Return what the networks of a model give for each level of the column of expanded
        rows."""
        raise NotImplementedError

    def answers(self, labels: Sequence[str], follow_up: FollowUp | None) -> list[str]:
        """Return the columns of out-of-fold predictions."""
        return [self.prefix + label for label in labels[self.has_threshold :]]
