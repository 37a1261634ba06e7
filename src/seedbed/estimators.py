"""scikit-learn's classifier and regressor, and what they share: parameters, rows as columns, and
the fitted model."""

from __future__ import annotations

import dataclasses
import numbers
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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

from seedbed.arguments import check_arguments, shown
from seedbed.data.frame import Frame
from seedbed.data.reading import coded_table, label_texts, read_features
from seedbed.data.sources.memory import as_frame, of_tensor
from seedbed.data.table import Table
from seedbed.data.typed import as_text
from seedbed.errors import DataError, OptionError, TargetError, visible
from seedbed.model.blending import blend_table
from seedbed.model.model import Model
from seedbed.model.portfolio import AUTO
from seedbed.model.predicting import Predictions, predict_frame
from seedbed.model.sets import COVERAGE
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import MLP
from seedbed.settings.design import Compute, EngineName
from seedbed.settings.fields import settings_of
from seedbed.settings.recipe import Recipe, Schedule
from seedbed.training.data import scaled_weights
from seedbed.typing import Floats, Ints

# The tools of scikit-learn may fit and predict in several threads. All threads share the random
# state of torch, from which networks draw their parameters, and the calls of modules, which
# torch.fx replaces while it traces one.
_one_at_a_time = threading.RLock()


@dataclass(kw_only=True, eq=False, repr=False)
class Networks(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base class of both estimators. Parameters are checked in `fit`, as scikit-learn requires.

    Settings of a `Recipe` have the names, types and defaults of `Recipe`; a test compares them.
    """

    candidate: str | Candidate | MLP | Callable[..., Any] = field(
        default="auto", kw_only=False
    )
    portfolio: Sequence[str] | None = None
    n_networks: int | None = None
    time_limit: float | None = None
    epochs: int | None = None
    lr: float | None = None
    schedule: Schedule = "cosine"
    warmup: float = 0.0
    optimizer: str = "adamw"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float | None = None
    decay_biases: bool = False
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    batch_size: int | None = None
    patience: int | None = None
    numeric: Sequence[str | int] = ()
    categorical: Sequence[str | int] = ()
    random_state: int | np.random.RandomState | None = None
    engine: EngineName = "auto"
    device: Any = "auto"
    n_jobs: int | None = None
    verbose: int | bool = 0
    model_: Model = field(init=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _table(
        self, columns: Frame, target: NDArray[Any], y: Any = None, **coding: Any
    ) -> Table:
        """Return features and a coded target as a table; a series names the target."""
        name = getattr(y, "name", None)
        if isinstance(name, str) and name:
            coding["target_name"] = name
        return coded_table(
            columns,
            target,
            numeric=self.numeric,
            categorical=self.categorical,
            **coding,
        )

    def _fit_table(self, table: Table, weights: Floats | None = None) -> Self:
        """Fit the model and set the attributes of the fit. Weights get a mean of 1, as float32
        can't hold tiny ones."""
        portfolio: Sequence[Any] | None = self.portfolio
        if not isinstance(self.candidate, str) or self.candidate.strip() != AUTO:
            if portfolio is not None:
                raise OptionError(
                    "portfolio belongs to candidate='auto'", "Leave one of the two out."
                )
            portfolio = [self.candidate]
        recipe = {
            name: getattr(self, name)
            for name in settings_of(Recipe)
            if hasattr(self, name)
        }
        if weights is not None:
            is_even = (weights == weights[0]).all()
            weights = None if is_even else weights / weights.mean()
        jobs = self._jobs()
        with _one_at_a_time:
            model, out_of_bag = blend_table(
                table,
                portfolio=portfolio,
                n_networks=None if self.n_networks is None else int(self.n_networks),
                recipe=Recipe(**recipe),
                sample_weight=weights,
                time_limit=self.time_limit,
                random_state=self._seed(),
                compute=Compute(engine=self.engine, device=self.device, n_jobs=jobs),
                say=_say if self.verbose else None,
            )
            self.model_ = model
            self.n_iter_ = max(1, int(model.training["epochs"]))
            self.lr_ = float(model.training["lr"])
            self.weights_ = dict(out_of_bag.weights)
            self.oob_losses_ = dict(out_of_bag.losses)
            if not table.outcome.is_expanded:  # else these are values of expanded rows
                name = "oob_decision_function_" if model.labels else "oob_prediction_"
                setattr(self, name, out_of_bag.values)
        return self

    def _seed(self) -> int:
        """Return the random state if it is a whole number, so that `fit_model` gives the same
        model; else draw one."""
        random_state: Any = self.random_state
        if isinstance(random_state, numbers.Integral):
            seed = int(random_state)
            if not 0 <= seed < 2**32:
                raise OptionError(
                    f"random_state is {shown(seed)}", "It must be 0 to 2**32 - 1."
                )
            return seed
        return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))

    def _jobs(self) -> int:
        """Return the number of jobs as in scikit-learn: one by default, or as `n_jobs` or
        `joblib.parallel_config` say.

        It is one in a worker of another estimator or search, as these use all cores already.
        """
        if self.n_jobs == 0:
            raise OptionError("n_jobs is 0", "Give 1 or more, or -1 for all cores.")
        backend, _ = get_active_backend()
        return 1 if backend.nesting_level else int(joblib.effective_n_jobs(self.n_jobs))

    def _read_features(self, X: Any, *, reset: bool) -> Frame:
        """Return X as columns, with the names of the data frame, or x0, x1, ... for an array.
        ValueError if features are missing, others than in `fit`, in another order or infinite, or
        no cells at all."""
        X = of_tensor(X)
        frame = as_frame(X)
        if frame is None:
            dense: dict[str, Any] = {
                "dtype": None,
                "ensure_all_finite": "allow-nan",
                "ensure_min_samples": int(reset),
            }
            X = validate_data(self, X, reset=reset, accept_sparse="csr", **dense)
        else:
            X = frame.to_native()
            validate_data(self, X, reset=reset, skip_check_array=True)
        if not reset:
            # By position: scikit-learn has compared the names, or has warned if one side has none.
            return read_features(X, self._names, as_text(self.model_.schemas))
        columns = read_features(X)
        self._names: tuple[str, ...] = columns.names
        return columns

    def _cases(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        *,
        y_numeric: bool,
    ) -> tuple[Frame, NDArray[Any], Floats, Ints | None]:
        """Return the rows with a weight above zero: features, and targets, weights and groups
        [row]. DataError if weights are negative, fewer than two rows are left, or groups aren't a
        value for each row."""
        check_arguments(type(self), self.get_params(deep=False))
        y = of_tensor(y)
        # The target first: without X, `validate_data` forgets the names of the features.
        target: NDArray[Any] = validate_data(
            self, X="no_validation", y=y, y_numeric=y_numeric
        )
        columns = self._read_features(X, reset=True)
        if len(target) != columns.n_rows:
            raise DataError(
                f"X has {columns.n_rows} rows and y has {len(target)}: inconsistent numbers of samples"
            )
        if not y_numeric:
            check_classification_targets(target)
        codes = None
        if groups is not None:
            names = _of_rows("groups", groups, target).astype(str)
            codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
        weights = np.ones(len(target))
        if sample_weight is not None:
            weights = check_array(
                _of_rows("sample_weight", of_tensor(sample_weight), target),
                ensure_2d=False,
                dtype=np.float64,
                input_name="sample_weight",
            )
        positive = weights > 0
        if (weights < 0).any() or not positive.any():
            raise DataError(
                "sample_weight is negative, or zero in every row",
                "Give weights of at least 0.",
            )
        weights = scaled_weights(weights)
        if np.count_nonzero(positive) < 2:
            raise DataError(
                "there is only 1 sample", "Networks learn from two rows at least."
            )
        if not positive.all():
            kept = tuple(column.rows(positive) for column in columns.columns)
            columns = dataclasses.replace(columns, columns=kept)
            codes = None if codes is None else codes[positive]
        return columns, target[positive], weights[positive], codes

    def predict_range(self, X: Any) -> Floats:
        """Return the ends of the range of what a model predicts that is trained on as many other
        rows [row, 2], as `Model.predict_range`.

        Raises:
            ValueError: as `predict`; or the model has no ranges.
        """
        check_is_fitted(self)
        self.model_.check_ranges()
        return self._predictions(X).ranges

    def _predictions(self, X: Any) -> Predictions:
        check_is_fitted(self)
        columns = self._read_features(X, reset=False)
        with _one_at_a_time:
            return predict_frame(self.model_, columns)


def _say(line: str) -> None:
    print(visible(line), file=sys.stderr, flush=True)


@dataclass(kw_only=True, eq=False, repr=False)
class SeedbedClassifier(ClassifierMixin, Networks):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that averages the probabilities of many small networks.

    By default, it blends the default models: logistic regression, networks, boosted trees and extra
    trees. Each member of the blend is a stack of networks, or of trees, that leave out different
    rows, weighted by its predictions for the rows left out. With a candidate, it is a model of that
    one.

    Args:
        candidate: "auto" for the blend; the name of a default model, such as "network-2"; a
            candidate in words as for `seedbed compare --candidate`; or a callable that builds a
            module from `n_features` and `n_outputs`. Settings in words take precedence over the
            parameters below.
        portfolio: the members to blend: names of default models, and candidates in words; None
            blends all default models.
        n_networks: number of networks of each member; None is 8, or 4 from 12,000 rows on. A single
            one is trained on all rows for all epochs.
        time_limit: seconds for the fit of a blend, met to about a tenth; None trains the default
            members. Members that aren't reached in time are left out. Time that is left trains
            other kinds of members, except with a portfolio, and then up to eight times as many
            networks, until three additions in a row don't lower the out-of-bag loss. So the model
            may differ between machines.
        epochs: the largest number of passes over the rows; None suits the number of rows. Networks
            stop when they don't improve.
        lr: learning rate; None suits the optimizer and the candidate.
        schedule, warmup, optimizer, momentum, nesterov, weight_decay, decay_biases, clip_norm,
            label_smoothing, batch_size, patience: as in `Recipe`.
        class_weight: weight of each class: a dict, "balanced" for the same total weight of all
            classes, None for 1.
        numeric: names or positions of columns to read as numbers.
        categorical: names or positions of columns to read as categories. Numeric and categorical
            types of a data frame need neither.
        random_state: a whole number gives the same networks in each call, and in `fit_model` with
            the same number.
        engine, device: as in `train_many`.
        n_jobs: number of chunks of networks to train at a time; None is 1, -1 uses all cores.
        verbose: 1 shows on stderr the out-of-bag loss of each finished member, and what each addition
            within a time limit brought.

    Attributes:
        classes_: the labels [class], sorted, of the type of `y`.
        model_: the `Model`; `model_.save(path)` writes it.
        n_iter_: number of epochs after which networks are used; in a blend, the largest of its
            members, or 1 without networks.
        lr_: learning rate; in a blend, that of most networks.
        weights_: the weight of each member by its name, without members of weight 0.
        oob_losses_: the mean log loss of each member on the rows that its networks weren't trained
            on, by its name; of the regressor, the mean squared error.
        oob_decision_function_: the probabilities of each row [row, class] by the networks that
            weren't trained on it; NaN if there are none, which happens with fewer than 8 networks,
            so from 12,000 rows on. Rows of weight zero are left out. Weights and epochs were chosen
            on these rows, so scores are slightly too good.
        n_features_in_: number of columns of X.
        feature_names_in_: names of the columns of a data frame [column].

    Examples:
        >>> X, y = [[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]] * 5, ["low", "low", "low", "high", "high", "high"] * 5
        >>> classifier = sb.SeedbedClassifier("relu:5", n_networks=2, epochs=50, lr=0.1, random_state=0)
        >>> classifier.fit(X, y).predict([[0.05], [0.95]]).tolist()
        ['low', 'high']
    """

    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None
    classes_: NDArray[Any] = field(init=False)

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit networks to all rows whose weight isn't zero.

        Args:
            X: cells [row, feature]: a data frame of any library, an array, or a sparse matrix of up
                to 67 million cells, which is made dense. NaN is a missing cell.
            y: labels [row]; text, booleans or whole numbers.
            sample_weight: weight of each row [row], at least 0.
            groups: names or numbers of groups [row], such as patients. Inner splits and bags keep
                the rows of a group together.

        Raises:
            ValueError: X, y or a parameter can't be used; errors of seedbed are also a
                `SeedbedError`.
            TrainingError: the networks can't be trained.
        """
        columns, labels, weights, group = self._cases(
            X, y, sample_weight, groups, y_numeric=False
        )
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise TargetError(
                f"y has one class only, '{label_texts(classes)[0]}'",
                "A classification needs two.",
            )
        weights = weights * self._weights_of_classes(classes, codes, weights)[codes]
        table = self._table(
            columns,
            codes.astype(np.int64),
            y,
            task="binary" if len(classes) == 2 else "multiclass",
            groups=group,
            labels=label_texts(classes),
        )
        self._fit_table(table, weights)
        self.classes_ = classes
        return self

    def _weights_of_classes(
        self, classes: NDArray[Any], codes: NDArray[np.int64], weights: Floats
    ) -> Floats:
        """Return the weight of each class [class]."""
        if self.class_weight is None:
            return np.ones(len(classes))
        if self.class_weight == "balanced":
            # With the weights of rows, which the function of scikit-learn ignores: weight 2 is the
            # same as two copies.
            sums = np.bincount(codes, weights).astype(np.float64)
            return np.asarray(sums.sum() / (len(classes) * sums))
        try:
            by_class: Floats = compute_class_weight(
                self.class_weight, classes=classes, y=classes[codes]
            )
            is_usable = np.isfinite(by_class).all() and (by_class >= 0).all()
            if not (is_usable and by_class.any()):
                raise ValueError("a weight is negative or not finite, or all are zero")
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"class_weight doesn't suit the labels: {error}",
                "Give a weight for each class, 'balanced' or None.",
            ) from error
        return by_class

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of each row [row], of the type of `y`.

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells are unknown to
                the model.
        """
        probabilities = self.predict_proba(X)  # it says whether the estimator is fitted
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class [row, class], in the order of `classes_`."""
        return self._predictions(X).probabilities

    def predict_set(
        self, X: Any, *, coverage: float = COVERAGE, per_class: bool = False
    ) -> NDArray[np.bool_]:
        """Return for each row whether each label is in its prediction set [row, class], in the
        order of `classes_`.

        Args:
            X: as in `predict`.
            coverage, per_class: as in `Model.predict_set`.

        Raises:
            ValueError: as `predict`; or there were too few rows for the coverage, or it isn't
                between 0 and 1.
        """
        return self.model_.covering(self._predictions(X), coverage, per_class=per_class)


@dataclass(kw_only=True, eq=False, repr=False)
class SeedbedRegressor(RegressorMixin, Networks):  # type: ignore[misc]  # scikit-learn has no types
    """A regressor that averages many small networks, or blends networks and trees.

    Its parameters and attributes are those of `SeedbedClassifier`, without `class_weight` and
    `classes_`. The out-of-bag predictions of a blend are `oob_prediction_` [row].

    Examples:
        >>> X, y = [[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]] * 5, [1.5, 1.6, 1.7, 2.3, 2.4, 2.5] * 5
        >>> regressor = sb.SeedbedRegressor("relu:5", n_networks=2, epochs=50, lr=0.1, random_state=0)
        >>> regressor.fit(X, y).predict([[0.05], [0.95]]).shape
        (2,)
    """

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit networks to all rows whose weight isn't zero.

        Args:
            X: as in `SeedbedClassifier.fit`.
            y: numbers [row].
            sample_weight: weight of each row [row]; 0 or more.
            groups: as in `SeedbedClassifier.fit`.

        Raises:
            ValueError: X, y or a parameter can't be used; errors of seedbed are also a
                `SeedbedError`.
            TrainingError: the networks can't be trained.
        """
        columns, amounts, weights, group = self._cases(
            X, y, sample_weight, groups, y_numeric=True
        )
        amounts = amounts.astype(np.float64)
        table = self._table(columns, amounts, y, task="regression", groups=group)
        return self._fit_table(table, weights)

    def predict(self, X: Any) -> Floats:
        """Return the prediction for each row [row].

        Raises:
            ValueError: X doesn't have the features of `fit`, or most of its cells are unknown to
                the model.
        """
        return self._predictions(X).values

    def predict_interval(self, X: Any, *, coverage: float = COVERAGE) -> Floats:
        """Return the ends of the interval around each predicted number [row, 2].

        Args:
            X: as in `predict`.
            coverage: share of new rows whose number is to be in their interval.

        Raises:
            ValueError: as `predict`; or there were too few rows for the coverage, or it isn't
                between 0 and 1.
        """
        return self.model_.covering(self._predictions(X), coverage)


def _of_rows(name: str, values: Any, target: NDArray[Any]) -> NDArray[Any]:
    """Return an argument as an array. DataError unless it is one value a row."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(
            f"{name} has shape {array.shape}, not [row]", "Give one value for each row."
        )
    check_consistent_length(target, array)
    return array
