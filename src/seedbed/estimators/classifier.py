"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from seedbed.data import label_texts
from seedbed.errors import OptionError, TargetError
from seedbed.estimators.networks import Networks, named, unless_equal, weighted_rows
from seedbed.typing import Floats

__all__ = ["SeedbedClassifier"]


@dataclass(kw_only=True, eq=False, repr=False)
class SeedbedClassifier(ClassifierMixin, Networks):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that averages the probabilities of many small networks.

    Told nothing, it blends a portfolio of networks: each member is a stack of networks that train on inner splits of
    their own, and counts as much as what they say of the rows left out is worth. Told a candidate, it fits that one.

    Args:
        candidate: "auto" for the blend; or what is trained, in the words of `seedbed compare --candidate`, or a
            callable that builds a module from `n_features` and `n_outputs`. What words say of training goes before the
            options below.
        portfolio: the candidates that are blended, in words; None has those that suit the number of rows.
        n_networks: how many networks a candidate has, or each of those that are blended; "auto" is 10, or what suits
            the number of rows, 8 or 16.
        time_limit: seconds that a blend may train, about; None for no limit. Members that aren't reached in time are
            left out, so the same call may give another model on another machine.
        epochs: passes over the rows; "auto" has them chosen by inner splits, at most `max_epochs`. Of a blend a number
            is the most that are made: each member still stops where it gets no better.
        max_epochs: the most that are tried; "auto" is 1000, or 60 of a blend.
        lr: learning rate; "auto" has it chosen from 0.001, 0.01 and 0.1 (SGD: 0.01, 0.1 and 1) by inner splits; of a
            blend it is 0.002.
        schedule: as `Recipe` has it; "auto" is constant, or cosine of a blend.
        decay_biases: as `Recipe` has it; "auto" is True, or False of a blend.
        batch_size: as `Recipe` has it; None is all rows at once, or 64 to 1024 of a blend, by the number of rows.
        patience: after how many epochs without a lower validation loss training ends where epochs are chosen; None
            waits until the epoch is past 1.5 times the best one plus 50, or for 8 epochs in a blend.
        warmup: as in `Recipe`.
        optimizer: as in `Recipe`.
        momentum: as in `Recipe`.
        nesterov: as in `Recipe`.
        weight_decay: as in `Recipe`.
        clip_norm: as in `Recipe`.
        label_smoothing: as in `Recipe`.
        class_weight: what a row of each class counts: a dict, "balanced" for all classes the same in sum, None for 1.
        numeric: names or positions of columns to read as numbers.
        categorical: names or positions of columns to read as categories. Numeric and categorical types of a data frame
            need neither.
        random_state: a whole number gives the same networks each time, and those of `fit_model` with that number.
        engine: as in `train_many`.
        device: as in `train_many`.
        n_jobs: chunks of networks that are trained side by side; None is 1, -1 one a core.

    Attributes:
        classes_: the labels [class], sorted, as `y` had them.
        model_: the `Model`; `model_.save(path)` writes it.
        n_iter_: epochs that were trained, of a blend by the longest of its members; and `lr_` the learning rate: as
            asked for, or as chosen, of a blend that of members whose words don't say another.
        weights_: of a blend, what each member counts, by its words; those that count nothing are left out.
        oob_losses_: of a blend, by each member's words the mean log loss of its networks on rows that they weren't
            trained on; of the regressor the mean squared error.
        oob_decision_function_: of a blend, the probabilities of each row [row, class] by the networks that weren't
            trained on it; NaN where there is none, as of some rows with less than 8 networks. Rows of weight zero are
            left out. Weights and epochs were chosen by them, so scores of them flatter a little.
        n_features_in_: columns of X.
        feature_names_in_: their names [column], of a data frame.
    """

    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None
    classes_: NDArray[Any] = field(init=False)

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit networks to all rows whose weight isn't zero.

        Args:
            X: cells [row, feature]: a data frame of any library, or an array. NaN is a missing cell.
            y: labels [row]; text, booleans or whole numbers.
            sample_weight: what each row counts [row], from 0 up.

        Raises:
            ValueError: X, y or an option can't be used; those that seedbed raises are a `SeedbedError`, too.
            TrainingError: the networks can't be trained.
        """
        columns, labels = self._cases(X, y, y_numeric=False)
        check_classification_targets(labels)
        columns, labels, weights = weighted_rows(columns, labels, sample_weight)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise TargetError(f"y has one class only, '{label_texts(classes)[0]}'", "A classification needs two.")
        weights = weights * self._weights_of_classes(classes, codes, weights)[codes]
        task = "binary" if len(classes) == 2 else "multiclass"
        table = self._table(columns, codes.astype(np.int64), task=task, labels=label_texts(classes), **named(y))
        self.classes_ = classes
        out_of_bag = self._fit_table(table, unless_equal(weights))
        if out_of_bag is not None:
            self.oob_decision_function_ = out_of_bag.values
        return self

    def _weights_of_classes(self, classes: NDArray[Any], codes: NDArray[np.int64], weights: Floats) -> Floats:
        """What a row of each class counts [class]."""
        if self.class_weight is None:
            return np.ones(len(classes))
        if isinstance(self.class_weight, str):
            if self.class_weight != "balanced":
                raise OptionError(f"class_weight is {self.class_weight!r}", "It must be a dict, 'balanced' or None.")
            # By the rows' weights, which scikit-learn's own function leaves out: two copies of a row count as two.
            sums = np.bincount(codes, weights).astype(np.float64)
            return np.asarray(sums.sum() / (len(classes) * sums))
        try:
            found: Floats = compute_class_weight(self.class_weight, classes=classes, y=classes[codes])
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"class_weight doesn't suit the labels: {error}", "Give what each class counts."
            ) from error
        if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
            raise OptionError("class_weight is negative, all zero or not finite", "Give what each class counts.")
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row [row], of the type that `y` had.

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells say nothing that training knew.
        """
        probabilities = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each class [row, class], in the order of `classes_`.

        Raises:
            ValueError: as `predict`.
        """
        return self._predictions(X).probabilities
