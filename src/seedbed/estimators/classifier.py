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

    By default, it blends a portfolio of networks. Each member of the blend is a stack of networks with their own inner
    splits, weighted by its predictions for the rows left out. With a candidate, it fits networks of that one.

    Args:
        candidate: "auto" for the blend, or a candidate in words as for `seedbed compare --candidate`, or a callable
            that builds a module from `n_features` and `n_outputs`. Settings in words take precedence over the
            parameters below.
        portfolio: the candidates to blend, in words; None chooses them by the number of rows.
        n_networks: number of networks of a candidate, or of each member of a blend; "auto" is 10, or 8 or 16 in a
            blend, by the number of rows.
        time_limit: approximate limit for the training of a blend in seconds; None for no limit. Members that aren't
            reached in time are left out, so the model may differ between machines.
        epochs: passes over the rows; "auto" chooses them by inner splits, up to `max_epochs`. In a blend, the largest
            number of epochs: each member stops when it doesn't improve.
        max_epochs: the largest number of epochs to choose; "auto" is 1000, or 60 in a blend.
        lr: learning rate; "auto" chooses from 0.001, 0.01 and 0.1 (SGD: 0.01, 0.1 and 1) by inner splits, and is 0.002
            in a blend.
        schedule: as in `Recipe`; "auto" is constant, or cosine in a blend.
        decay_biases: as in `Recipe`; "auto" is True, or False in a blend.
        batch_size: as in `Recipe`; None is all rows, or 64 to 1024 in a blend, by the number of rows.
        patience: epochs without a lower validation loss after which training ends if epochs are chosen; None waits
            until 1.5 times the best epoch plus 50, or for 8 epochs in a blend.
        warmup: as in `Recipe`.
        optimizer: as in `Recipe`.
        momentum: as in `Recipe`.
        nesterov: as in `Recipe`.
        weight_decay: as in `Recipe`.
        clip_norm: as in `Recipe`.
        label_smoothing: as in `Recipe`.
        class_weight: weight of each class: a dict, "balanced" for the same total weight of all classes, None for 1.
        numeric: names or positions of columns to read as numbers.
        categorical: names or positions of columns to read as categories. Numeric and categorical types of a data frame
            need neither.
        random_state: a whole number gives the same networks in each call, and in `fit_model` with the same number.
        engine: as in `train_many`.
        device: as in `train_many`.
        n_jobs: number of chunks of networks to train at a time; None is 1, -1 uses all cores.

    Attributes:
        classes_: the labels [class], sorted, of the type of `y`.
        model_: the `Model`; `model_.save(path)` writes it.
        n_iter_: number of epochs, given or chosen; in a blend, the largest of its members.
        lr_: learning rate, given or chosen; in a blend, that of members whose words don't set another.
        weights_: of a blend, the weight of each member by its words, without members of weight 0.
        oob_losses_: of a blend, the mean log loss of each member on the rows that its networks weren't trained on, by
            its words; of the regressor, the mean squared error.
        oob_decision_function_: of a blend, the probabilities of each row [row, class] by the networks that weren't
            trained on it; NaN if there are none, which happens with fewer than 8 networks. Rows of weight zero are left
            out. Weights and epochs were chosen on these rows, so scores are slightly too good.
        n_features_in_: number of columns of X.
        feature_names_in_: names of the columns of a data frame [column].

    Examples:
        >>> X, y = [[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]] * 5, ["low", "low", "low", "high", "high", "high"] * 5
        >>> classifier = sb.SeedbedClassifier(candidate="relu:5", n_networks=2, epochs=50, lr=0.1, random_state=0)
        >>> classifier.fit(X, y).predict([[0.05], [0.95]]).tolist()
        ['low', 'high']
    """

    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None
    classes_: NDArray[Any] = field(init=False)

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit networks to all rows whose weight isn't zero.

        Args:
            X: cells [row, feature]: a data frame of any library, or an array. NaN is a missing cell.
            y: labels [row]; text, booleans or whole numbers.
            sample_weight: weight of each row [row], at least 0.

        Raises:
            ValueError: X, y or a parameter can't be used; errors of seedbed are also a `SeedbedError`.
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
        """Return the weight of each class [class]."""
        if self.class_weight is None:
            return np.ones(len(classes))
        if isinstance(self.class_weight, str):
            if self.class_weight != "balanced":
                raise OptionError(f"class_weight is {self.class_weight!r}", "It must be a dict, 'balanced' or None.")
            # With the weights of rows, which the function of scikit-learn ignores: weight 2 is the same as two copies.
            sums = np.bincount(codes, weights).astype(np.float64)
            return np.asarray(sums.sum() / (len(classes) * sums))
        try:
            found: Floats = compute_class_weight(self.class_weight, classes=classes, y=classes[codes])
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"class_weight doesn't suit the labels: {error}", "Give a weight for each class."
            ) from error
        if not (np.isfinite(found).all() and (found >= 0).all() and found.any()):
            raise OptionError("class_weight is negative, all zero or not finite", "Give a weight for each class.")
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of each row [row], of the type of `y`.

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells are unknown to the model.
        """
        probabilities = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class [row, class], in the order of `classes_`.

        Raises:
            ValueError: as `predict`.
        """
        return self._predictions(X).probabilities
