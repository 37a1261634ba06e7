"""What both estimators share: options, features as columns, and a model as what is fitted."""

from __future__ import annotations

import dataclasses
import numbers
import threading
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import joblib
import numpy as np
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from seedbed.data import Table, coded_table, given_columns
from seedbed.data.columns import MemoryColumns
from seedbed.data.sources.frames import as_frame
from seedbed.errors import DataError, OptionError
from seedbed.model import Model, Predictions, fit_model
from seedbed.networks import Candidate, Recipe, Schedule
from seedbed.training import Compile

__all__ = ["Networks"]

Auto = Literal["auto"]
Floats = NDArray[np.float64]

# scikit-learn's tools may fit and predict in several threads, and two things are shared by all of them: torch's random
# state, from which networks draw when they are built, and modules' calls, which torch.fx bends while it traces one.
_one_at_a_time = threading.Lock()


class Networks(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
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
        schedule: Schedule = "constant",
        warmup: float = 0.0,
        optimizer: str = "adamw",
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        decay_biases: bool = True,
        clip_norm: float | None = None,
        label_smoothing: float = 0.0,
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
        self.schedule: Schedule = schedule
        self.warmup = warmup
        self.optimizer = optimizer
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.decay_biases = decay_biases
        self.clip_norm = clip_norm
        self.label_smoothing = label_smoothing
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
            schedule=self.schedule,
            warmup=self.warmup,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            decay_biases=self.decay_biases,
            clip_norm=self.clip_norm,
            label_smoothing=self.label_smoothing,
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
