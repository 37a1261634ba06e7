"""The base class of both estimators: parameters, rows as columns of a table, and the fitted model."""

from __future__ import annotations

import dataclasses
import numbers
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import joblib
import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from seedbed.arguments import check_arguments, shown
from seedbed.data import MemoryColumns, Table, as_frame, coded_table, given_columns
from seedbed.errors import DataError, OptionError
from seedbed.model import Model, OutOfBag, Predictions, blend_table, fit_model, predict_columns
from seedbed.networks import BlendedMLPs, Candidate
from seedbed.settings import RECIPES, Compute, Engine, Recipe, Schedule, settings_of
from seedbed.typing import Floats

__all__ = ["Networks", "named", "unless_equal", "weighted_rows", "word_in"]

Auto = Literal["auto"]

# The tools of scikit-learn may fit and predict in several threads. All threads share the random state of torch, from
# which networks draw their parameters, and the calls of modules, which torch.fx replaces while it traces one.
_one_at_a_time = threading.Lock()


@dataclass(kw_only=True, eq=False, repr=False)
class Networks(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The base class of both estimators. Parameters are checked in `fit`, as scikit-learn requires.

    Settings of a `Recipe` have the names, types and defaults of `Recipe`, or the default "auto"; a test compares them.
    """

    candidate: str | Candidate | Callable[..., Any] = "auto"
    portfolio: Sequence[str] | None = None
    n_networks: int | Auto = "auto"
    time_limit: float | None = None
    epochs: int | Auto = "auto"
    max_epochs: int | Auto = "auto"
    lr: float | Auto = "auto"
    schedule: Schedule | Auto = "auto"
    warmup: float = 0.0
    optimizer: str = "adamw"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float | None = None
    decay_biases: bool | Auto = "auto"
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    batch_size: int | None = None
    patience: int | None = None
    numeric: Sequence[str | int] = ()
    categorical: Sequence[str | int] = ()
    random_state: int | np.random.RandomState | None = None
    engine: Engine = "auto"
    device: str = "auto"
    n_jobs: int | None = None
    model_: Model = field(init=False)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def _fit_table(self, table: Table, weights: Floats | None) -> OutOfBag | None:
        """Fit the model; return the out-of-bag predictions of a blend, otherwise None."""
        n_networks = None if self._is_auto("n_networks") else self.n_networks
        if isinstance(n_networks, str):
            raise OptionError(f"n_networks is {shown(n_networks)}", "It must be a whole number from 1 up, or 'auto'.")
        for name in ("weights_", "oob_losses_", "oob_decision_function_", "oob_prediction_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        settings, out_of_bag = self._settings(), None
        options: dict[str, Any] = {
            "n_networks": None if n_networks is None else int(n_networks),
            "sample_weight": weights,
            "random_state": self._seed(),
            "compute": Compute(engine=self.engine, device=self.device, jobs=self._jobs()),
        }
        with _one_at_a_time:
            if self._is_auto("candidate"):
                model, out_of_bag = blend_table(
                    table, portfolio=self.portfolio, settings=settings, time_limit=self.time_limit, **options
                )
            else:
                self._refuse_of_a_blend()
                model = fit_model(table, self.candidate, recipe=self._recipe(settings), **options)
        self.model_ = model
        if out_of_bag is not None:
            self.oob_losses_ = dict(out_of_bag.losses)
        if isinstance(model.architecture, BlendedMLPs):
            self.weights_ = dict(zip(model.architecture.names, model.architecture.weights, strict=True))
        self.n_iter_ = int(model.training["epochs"])
        self.lr_ = float(model.training["lr"])
        return out_of_bag

    def _is_auto(self, option: str) -> bool:
        value = getattr(self, option)
        return isinstance(value, str) and value == "auto"

    def _refuse_of_a_blend(self) -> None:
        for name in ("portfolio", "time_limit"):
            if getattr(self, name) is not None:
                raise OptionError(f"{name} belongs to candidate='auto'", "Leave one of the two out.")

    def _settings(self) -> dict[str, Any]:
        """Return the settings of a recipe that aren't defaults.

        Raises:
            OptionError: a parameter has a wrong type.
        """
        for name in ("epochs", "lr", "max_epochs"):
            value = getattr(self, name)
            if value is None or (isinstance(value, str) and value != "auto"):
                raise OptionError(f"{name} is {value!r}", "It must be a number, or 'auto'.")
        usual = type(self)().get_params()
        names = [name for name in settings_of(Recipe) if name in usual]
        found = {name: getattr(self, name) for name in names if getattr(self, name) != usual[name]}
        if self._is_auto("epochs"):
            found["epochs"] = self.max_epochs
        return {name: value for name, value in found.items() if not (isinstance(value, str) and value == "auto")}

    def _recipe(self, settings: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a single candidate; inner splits choose epochs and learning rate if they aren't given.

        Raises:
            OptionError: a setting is out of range, or two contradict.
        """
        chosen = self._is_auto("epochs")
        return dataclasses.replace(RECIPES["trained"], epoch="inner" if chosen else "last", **settings)

    def _seed(self) -> int:
        """Return the random state if it is a whole number, so that `fit_model` gives the same model; else draw one."""
        given: Any = self.random_state
        if isinstance(given, numbers.Integral):
            seed = int(given)
            if not 0 <= seed < 2**32:
                raise OptionError(f"random_state is {shown(seed)}", "It must be 0 to 2**32 - 1.")
            return seed
        return int(check_random_state(given).randint(np.iinfo(np.int32).max))

    def _jobs(self) -> int:
        """Return the number of jobs as in scikit-learn: one by default, or as `n_jobs` or `joblib.parallel_config` say.

        It is one in a worker of another estimator or search, as these use all cores already.
        """
        backend, _ = get_active_backend()
        if self.n_jobs == 0:
            raise OptionError("n_jobs is 0", "It must be at least 1, or -1 for all cores; leave it out for 1.")
        return 1 if backend.nesting_level else int(joblib.effective_n_jobs(self.n_jobs))

    def _given(self, X: Any, *, reset: bool) -> MemoryColumns:
        """Return X as columns, with the names of the data frame, or x0, x1, ... for an array.

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
        # By position: scikit-learn has compared the names, or has warned if one side has none.
        return dataclasses.replace(columns, names=self._names)

    def _table(self, columns: MemoryColumns, target: NDArray[Any], **coding: Any) -> Table:
        return coded_table(columns, target, numeric=self.numeric, categorical=self.categorical, **coding)

    def _cases(self, X: Any, y: Any, *, y_numeric: bool) -> tuple[MemoryColumns, NDArray[Any]]:
        """Return features and target of the same rows."""
        check_arguments(type(self), self.get_params(deep=False))
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
            return predict_columns(self.model_, columns)


def weighted_rows(
    columns: MemoryColumns, target: NDArray[Any], sample_weight: ArrayLike | None
) -> tuple[MemoryColumns, NDArray[Any], Floats]:
    """Return the rows with a weight above zero, their targets and their weights [row].

    Raises:
        DataError: weights are negative, or fewer than two rows are left.
    """
    weights = np.ones(len(target))
    if sample_weight is not None:
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if weights.ndim != 1:
            raise DataError(f"sample_weight has shape {weights.shape}, not [row]", "Give one weight for each row.")
        check_consistent_length(target, weights)
    if (weights < 0).any() or not (weights > 0).any():
        raise DataError("sample_weight is negative, or zero in every row", "Give weights of at least 0.")
    kept = weights > 0
    if np.count_nonzero(kept) < 2:
        raise DataError("there is only 1 sample", "Networks learn from two rows at least.")
    if kept.all():
        return columns, target, weights
    arrays = tuple(array[kept] for array in columns.arrays)
    return dataclasses.replace(columns, arrays=arrays), target[kept], weights[kept]


def word_in(y: Any) -> str | None:
    """Return the first cell of a target that is a text and no number; None if there is none."""
    if getattr(getattr(y, "dtype", None), "kind", "O") in "biuf":
        return None  # numbers, of which there may be millions
    for cell in np.asarray(y, dtype=object).ravel():
        if isinstance(cell, str):
            try:
                float(cell)
            except ValueError:
                return cell
    return None


def unless_equal(weights: Floats) -> Floats | None:
    """Return weights with a mean of 1, as float32 can't hold tiny ones; None if all are equal."""
    return None if (weights == weights[0]).all() else weights / weights.mean()


def named(y: Any) -> dict[str, str]:
    """Return the name of a series as the name of the target."""
    name = getattr(y, "name", None)
    return {"target_name": name} if isinstance(name, str) and name else {}
