"""scikit-learn's classifier and regressor: networks that go wherever an estimator goes.

>>> from seedbed import SeedbedClassifier
>>> classifier = SeedbedClassifier(candidate="relu:20", random_state=0).fit(X, y)
>>> classifier.predict_proba(X_new)
>>> classifier.model_.save("mine.safetensors")
"""

from __future__ import annotations

import dataclasses
import numbers
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import joblib
import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from seedbed.data import Table, coded_table, given_columns, label_texts
from seedbed.data.columns import MemoryColumns
from seedbed.data.sources.frames import as_frame
from seedbed.errors import DataError, OptionError, TargetError
from seedbed.model import Model, Predictions, fit_model
from seedbed.networks import Candidate, Recipe
from seedbed.training import Compile

__all__ = ["SeedbedClassifier", "SeedbedRegressor"]

Auto = Literal["auto"]
Floats = NDArray[np.float64]

# scikit-learn's tools may fit and predict in several threads, and two things are shared by all of them: torch's random
# state, from which networks draw when they are built, and modules' calls, which torch.fx bends while it traces one.
_one_at_a_time = threading.Lock()


class _Networks(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share."""

    model_: Model

    def __init__(
        self,
        *,
        candidate: str | Candidate | Callable[..., Any] = "relu:64,64",
        n_networks: int = 10,
        epochs: int | Auto = "auto",
        max_epochs: int = 1000,
        lr: float | Auto = "auto",
        optimizer: str = "adamw",
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        batch_size: int | None = None,
        numeric: Sequence[str | int] = (),
        categorical: Sequence[str | int] = (),
        random_state: int | np.random.RandomState | None = None,
        compile: Compile = "auto",
        device: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        # What isn't checked before `fit` may be anything.
        self.candidate = candidate
        self.n_networks: Any = n_networks
        self.epochs: Any = epochs
        self.max_epochs = max_epochs
        self.lr: Any = lr
        self.optimizer = optimizer
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.numeric = numeric
        self.categorical = categorical
        self.random_state: Any = random_state
        self.compile: Any = compile
        self.device = device
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _fit_table(self, table: Table, weights: Floats | None) -> Self:
        n_networks = self.n_networks
        if not isinstance(n_networks, int | np.integer):
            raise OptionError(f"n_networks is {n_networks!r}", "It must be a whole number from 1 up.")
        if not (self.compile == "auto" or isinstance(self.compile, bool)):
            raise OptionError(f"compile is {self.compile!r}", "It must be True, False or 'auto'.")
        with _one_at_a_time:
            model = fit_model(
                table,
                self.candidate,
                recipe=self._recipe(),
                n_networks=int(n_networks),
                sample_weight=weights,
                random_state=self._seed(),
                compile=self.compile,
                device=self.device,
                jobs=self._jobs(),
            )
        self.model_ = model
        self.n_iter_ = int(model.training["epochs"])
        self.lr_ = float(model.training["lr"])
        return self

    def _recipe(self) -> Recipe:
        """The options as the engine has them.

        Raises:
            OptionError: one is out of range, or two contradict.
        """
        for name, value in (("epochs", self.epochs), ("lr", self.lr)):
            if value is None or (isinstance(value, str) and value != "auto"):
                raise OptionError(f"{name} is {value!r}", "It must be a number, or 'auto'.")
        chosen = self.epochs == "auto"
        return Recipe(
            optimizer=self.optimizer,
            lr=None if self.lr == "auto" else self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            epochs=self.max_epochs if chosen else self.epochs,
            batch_size=self.batch_size,
            epoch="inner" if chosen else "last",
        )

    def _seed(self) -> int:
        """A whole number is the model's own seed, so that `fit_model` can make the same model; else one is drawn."""
        if isinstance(self.random_state, numbers.Integral):
            check_random_state(self.random_state)  # it may be out of range
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _jobs(self) -> int:
        """As scikit-learn has it: one job unless more are asked for, here or by `joblib.parallel_config`.

        Inside the workers of another estimator or search it is one: these have the cores already.
        """
        backend, _ = get_active_backend()
        return 1 if backend.nesting_level else int(joblib.effective_n_jobs(self.n_jobs))

    def _given(self, X: Any, *, reset: bool) -> MemoryColumns:
        """X as columns under the names that the model has for them: the frame's, or x0, x1, ... of an array.

        Raises:
            ValueError: features are missing, others than in `fit`, in another order or infinite, or no cells at all.
        """
        frame = as_frame(X)
        if frame is None:
            X = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
        else:
            X = frame.to_native()
            validate_data(self, X, reset=reset, skip_check_array=True)
        columns = given_columns(X)
        if reset:
            self._names = columns.names
        # By position: whether the names fit has been checked, or told in a warning where one side has none.
        return dataclasses.replace(columns, names=self._names)

    def _table(self, columns: MemoryColumns, target: NDArray[Any], **coding: Any) -> Table:
        return coded_table(columns, target, numeric=self.numeric, categorical=self.categorical, **coding)

    def _cases(self, X: Any, y: Any, *, y_numeric: bool) -> tuple[MemoryColumns, NDArray[Any]]:
        """Features and target of the same rows."""
        # The target first: without X, `validate_data` forgets the names of the features.
        target: NDArray[Any] = validate_data(self, X="no_validation", y=y, y_numeric=y_numeric)
        columns = self._given(X, reset=True)
        if len(target) != columns.n_rows:
            raise DataError(f"X has {columns.n_rows} rows and y has {len(target)}: inconsistent numbers of samples")
        return columns, target

    def _predictions(self, X: Any) -> Predictions:
        check_is_fitted(self)
        columns = self._given(X, reset=False)
        with _one_at_a_time:
            return self.model_.of_columns(columns)


class SeedbedClassifier(ClassifierMixin, _Networks):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that averages the probabilities of many small networks, one a seed.

    Args:
        candidate: what is trained, in the words of `seedbed compare --candidate`, or a callable that builds a module
            from `n_features` and `n_outputs`. What its words say of training goes before the options below.
        n_networks: how many are averaged.
        epochs: passes over the rows; "auto" has them chosen by inner splits, at most `max_epochs`.
        max_epochs: the most that are tried.
        lr: learning rate; "auto" has it chosen from `seedbed.networks.LR_GRIDS` of the optimizer by inner splits.
        optimizer, momentum, nesterov, weight_decay, batch_size: as `Recipe` has them.
        class_weight: what a row of each class counts: a dict, "balanced" for all classes the same in sum, None for 1.
        numeric, categorical: columns that are numbers, or categories, whatever their cells say; names, or positions.
            Columns of numbers are numbers anyway, and columns of a categorical type categories.
        random_state: a whole number gives the same networks each time, and those of `fit_model` with that number.
        compile, device: as `train_many` has them.
        n_jobs: chunks of networks that are trained side by side; None is 1, -1 one a core.

    Attributes:
        classes_: the labels [class], sorted, as `y` had them.
        model_: the `Model`; `model_.save(path)` writes it.
        n_iter_: epochs that were trained, and `lr_` the learning rate: as asked for, or as chosen.
        n_features_in_: columns of X.
        feature_names_in_: their names [column], of a data frame.
    """

    classes_: NDArray[Any]

    def __init__(
        self,
        *,
        candidate: str | Candidate | Callable[..., Any] = "relu:64,64",
        n_networks: int = 10,
        epochs: int | Auto = "auto",
        max_epochs: int = 1000,
        lr: float | Auto = "auto",
        optimizer: str = "adamw",
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        batch_size: int | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        numeric: Sequence[str | int] = (),
        categorical: Sequence[str | int] = (),
        random_state: int | np.random.RandomState | None = None,
        compile: Compile = "auto",
        device: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            candidate=candidate,
            n_networks=n_networks,
            epochs=epochs,
            max_epochs=max_epochs,
            lr=lr,
            optimizer=optimizer,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            batch_size=batch_size,
            numeric=numeric,
            categorical=categorical,
            random_state=random_state,
            compile=compile,
            device=device,
            n_jobs=n_jobs,
        )
        self.class_weight = class_weight

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
        columns, labels, weights = _weighted_rows(columns, labels, sample_weight)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise TargetError(
                f"y has one class only, '{label_texts(classes)[0]}'", "Two are needed to tell anything apart."
            )
        weights = weights * self._weights_of_classes(classes, codes, weights)[codes]
        task = "binary" if len(classes) == 2 else "multiclass"
        table = self._table(columns, codes.astype(np.int64), task=task, labels=label_texts(classes), **_named(y))
        self.classes_ = classes
        return self._fit_table(table, _unless_equal(weights))

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
        found: Floats = compute_class_weight(self.class_weight, classes=classes, y=classes[codes])
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


class SeedbedRegressor(RegressorMixin, _Networks):  # type: ignore[misc]  # scikit-learn has no types
    """A regressor that averages many small networks, one a seed.

    Its parameters and attributes are those of `SeedbedClassifier`, but for `class_weight` and `classes_`.
    """

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit networks to all rows whose weight isn't zero.

        Args:
            X, sample_weight: as `SeedbedClassifier.fit` has them.
            y: numbers [row].

        Raises:
            ValueError: X, y or an option can't be used; those that seedbed raises are a `SeedbedError`, too.
            TrainingError: the networks can't be trained.
        """
        if (word := _word_in(y)) is not None:
            raise TargetError(f"y holds {word!r}, which is no number", "For labels there is SeedbedClassifier.")
        columns, amounts = self._cases(X, y, y_numeric=True)
        columns, amounts, weights = _weighted_rows(columns, amounts.astype(np.float64), sample_weight)
        return self._fit_table(self._table(columns, amounts, task="regression", **_named(y)), _unless_equal(weights))

    def predict(self, X: Any) -> Floats:
        """The number of each row [row].

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells say nothing that training knew.
        """
        return self._predictions(X).values


def _weighted_rows(
    columns: MemoryColumns, target: NDArray[Any], sample_weight: ArrayLike | None
) -> tuple[MemoryColumns, NDArray[Any], Floats]:
    """Rows with a weight above zero, their targets and their weights [row]: a row that counts nothing isn't there.

    Raises:
        DataError: weights are negative, or less than two rows are left.
    """
    weights = np.ones(len(target))
    if sample_weight is not None:
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if weights.ndim != 1:
            raise DataError(f"sample_weight has shape {weights.shape}, not [row]", "Give one weight a row.")
        check_consistent_length(target, weights)
    if (weights < 0).any() or not (weights > 0).any():
        raise DataError("sample_weight is negative, or zero in every row", "Give what each row counts, from 0 up.")
    kept = weights > 0
    if np.count_nonzero(kept) < 2:
        raise DataError("there is only 1 sample", "Networks learn from two rows at least.")
    if kept.all():
        return columns, target, weights
    arrays = tuple(array[kept] for array in columns.arrays)
    return dataclasses.replace(columns, arrays=arrays), target[kept], weights[kept]


def _word_in(y: Any) -> str | None:
    """The first of a target's cells that is a text and no number; none where there is none."""
    if getattr(getattr(y, "dtype", None), "kind", "O") in "biuf":
        return None  # numbers, of which there may be millions
    for cell in np.asarray(y, dtype=object).ravel():
        if isinstance(cell, str):
            try:
                float(cell)
            except ValueError:
                return cell
    return None


def _unless_equal(weights: Floats) -> Floats | None:
    """Weights with a mean of 1, as float32 has no room for tiny ones; none where all are equal."""
    return None if (weights == weights[0]).all() else weights / weights.mean()


def _named(y: Any) -> dict[str, str]:
    """What a series calls the target."""
    name = getattr(y, "name", None)
    return {"target_name": name} if isinstance(name, str) and name else {}
