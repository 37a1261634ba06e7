"""What a comparison fits on each split: groups of models that train together, and scikit-learn
estimators."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data.preprocessing import Preprocessor
from seedbed.data.splits import Split
from seedbed.data.table import Table
from seedbed.errors import error_line
from seedbed.model.blending import OutOfBag, blend_members, make_model
from seedbed.model.member import Fit, Member
from seedbed.model.members import trained_members
from seedbed.model.portfolio import AUTO, PRIOR
from seedbed.model.predicting import network_values
from seedbed.networks.candidate import Candidate
from seedbed.networks.draws import derive
from seedbed.networks.mlp import Prior
from seedbed.outcomes.tasks import outcome_of
from seedbed.settings.design import Compute
from seedbed.settings.recipe import Recipe
from seedbed.typing import Floats

_ABOUT = ("curves", "epochs", "note")  # of a member


@dataclass(frozen=True)
class Group:
    """Models that are fitted together on each split.

    Attributes:
        members: the candidates.
        lines: the names under which they are compared, by the candidate's name, and that of their
            blend by `auto`. Others are fitted for the blend only.
        without: columns of the table that they don't see.
    """

    members: tuple[Candidate, ...]
    lines: Mapping[str, str]
    without: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.lines.values())

    @property
    def fits(self) -> tuple[str, ...]:
        """The names of what is fitted on each split."""
        return tuple(member.name for member in self.members)

    @property
    def code(self) -> tuple[Any, ...]:
        """What decides how each of them is fitted, as objects."""
        return tuple(member.architecture for member in self.members)


@dataclass(frozen=True, eq=False)
class Estimator:
    """A scikit-learn model of the user that is compared.

    Attributes:
        estimator: an unfitted classifier with `predict_proba`, or a regressor; cloned for every
            split. It gets unstandardised features, so an estimator that needs a scaler must contain
            one.
        without: columns of the table that it doesn't see.
        seeds: the random states that the user left open, by the names of parameters.
    """

    name: str
    estimator: Any
    description: str
    without: tuple[str, ...] = ()
    seeds: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    fits = names

    @property
    def code(self) -> tuple[Any, ...]:
        return (self.estimator,)


Unit = Group | Estimator  # what is fitted at once on each split


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that was fitted on one split.

    Attributes:
        predictions: for the test rows: the probability of class 1 [row], of each class [row,
            class], numbers [row], or the probability of survival [row, time].
        networks: the same of each of its networks [network, ...]; None of an estimator.
        curves, epochs, note: as in `Member`.
        failure: why the model can't be fitted, so that its predictions are NaN; else empty.
        weights: of a blend, the weight of each model.
    """

    predictions: npt.NDArray[np.floating]
    networks: npt.NDArray[np.floating] | None = None
    curves: npt.NDArray[np.floating] | None = None
    epochs: int = 0
    note: str = ""
    failure: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)


def fit_group(
    group: Group,
    table: Table,
    splits: Sequence[Split],
    *,
    recipe: Recipe,
    n_networks: int,
    random_state: int,
    compute: Compute,
    tell: Callable[[], None] = lambda: None,
) -> list[dict[str, Fitted]]:
    """Fit a group to the training rows of each split; return what each line predicts for the test
    rows.

    Networks of all splits train in the same stacks. A model whose networks diverge on a split is
    missing there. `tell` is called after each fit of a member on a split.
    """
    if group.without:
        visible_columns = tuple(
            column for column in table.columns if column.name not in group.without
        )
        nothing = dataclasses.replace(table.columns[0], values=np.zeros(table.n_rows))
        table = dataclasses.replace(table, columns=visible_columns or (nothing,))
    recipe = dataclasses.replace(
        recipe, loss="auto"
    )  # some classes may have no training rows
    fits = [
        _fit(group, table, split, recipe, n_networks, random_state) for split in splits
    ]
    usable = [fit for fit in fits if _can_be_learnt(fit.table)]
    with contextlib.closing(trained_members(usable, compute=compute)) as training:
        for position, number, member in training:
            usable[number].trained[position] = member
            tell()
    for _ in range(len(fits) * len(group.fits) - sum(len(fit.trained) for fit in fits)):
        tell()
    return [
        _of_split(group, table, split, fit)
        for split, fit in zip(splits, fits, strict=True)
    ]


def _fit(
    group: Group,
    table: Table,
    split: Split,
    recipe: Recipe,
    n_networks: int,
    random_state: int,
) -> Fit:
    """Return the training rows of a split, to which the members of a group are fitted. Networks
    that leave no row out show their figures on the test rows. Each split has seeds of its own."""
    part = table.training_rows(split.train)
    tested = None
    if part.labels == table.labels and _can_be_learnt(part):
        tested = table.of_rows(split.test).expanded(part)
    return Fit(
        part,
        group.members,
        recipe,
        n_networks,
        split_seed(random_state, split),
        tested=tested,
        drops=False,
        failures={},
    )


def split_seed(random_state: int, split: Split) -> int:
    """Return the random state of what is fitted on a split. Seeds that all splits shared would move
    the score, but not the spread of the folds."""
    return derive(random_state, "split", split.repeat, split.fold) % 2**32


def _can_be_learnt(part: Table) -> bool:
    return part.outcome.is_number or len(np.unique(part.target)) > 1


def _of_split(group: Group, table: Table, split: Split, fit: Fit) -> dict[str, Fitted]:
    """Return what the lines of a group predict for the test rows of a split, each by the model of
    its members."""
    tested = table.of_rows(split.test)
    outcome = outcome_of(table.task)
    if not _can_be_learnt(fit.table):
        return dict.fromkeys(group.names, _prior(table, split, fit.n_networks))
    by_name = {member.candidate.name: member for member in fit.trained.values()}
    fitted = dict[str, Fitted]()
    lines = group.lines
    inputs = fit.preprocessor.inputs_of_values(tested.features)

    def predicted(
        name: str, members: Sequence[Member], blended: OutOfBag | None = None
    ) -> tuple[Floats, Floats]:
        """Return what a model predicts as scores take it, and each of its networks."""
        model = make_model(name, fit, members, blended)
        values = network_values(model, inputs).astype(
            np.float64 if outcome.is_number else np.float32
        )
        mean = values.mean(axis=0, dtype=np.float64)
        return outcome.scored(mean, model, table), outcome.scored(values, model, table)

    for name, member in by_name.items():
        try:
            both = predicted(name, [member])
        except Exception as error:  # noqa: BLE001 - a network of the user's that can't take these rows
            fit.fail(member.candidate, error)
            continue
        if name in lines:
            about = (
                {}
                if member.curves is None
                else {part: getattr(member, part) for part in _ABOUT}
            )
            fitted[lines[name]] = Fitted(*both, **about)
    failures = fit.failures or {}
    nothing = np.full(len(split.test), np.nan)
    fitted |= {
        lines[name]: Fitted(nothing, failure=why)
        for name, why in failures.items()
        if name in lines
    }
    if PRIOR in lines and outcome.is_expanded:
        fitted[lines[PRIOR]] = _prior(table, split, fit.n_networks)
    blended = [
        by_name[part.name]
        for part in group.members
        if part.name in by_name
        and part.name not in failures
        and not isinstance(part.architecture, Prior)
    ]
    if AUTO in lines and blended:
        out_of_bag, _ = blend_members(fit, blended, crossed=False)
        weighted = [
            member for member in blended if member.candidate.name in out_of_bag.weights
        ]
        weights = {
            lines.get(name, name): weight for name, weight in out_of_bag.weights.items()
        }
        fitted[lines[AUTO]] = Fitted(
            *predicted(AUTO, weighted, out_of_bag), weights=weights
        )
    return {line: fitted[line] for line in lines.values() if line in fitted}


def _prior(table: Table, split: Split, n_networks: int) -> Fitted:
    """Return the prediction for each test row that knows the target of the training rows alone."""
    prediction = table.outcome.prior(table, split.train).astype(np.float32)
    rows = np.tile(prediction, (len(split.test), *[1] * prediction.ndim))
    return Fitted(rows, np.tile(rows, (n_networks, *[1] * rows.ndim)))


def fit_estimator(model: Estimator, table: Table, split: Split) -> Fitted:
    """Fit an estimator to the training rows of a split; return what it predicts for the test rows,
    or why it can't be fitted."""
    import joblib

    try:
        with (
            warnings.catch_warnings(),
            _threads().limit(limits=1),
            joblib.parallel_config(backend="sequential"),
        ):
            warnings.simplefilter("ignore")
            predictions = _of_estimator(model, table, split)
    except Exception as error:  # noqa: BLE001 - whatever fails, other models can be fitted
        return Fitted(np.full(len(split.test), np.nan), failure=error_line(error))
    return Fitted(predictions)


@functools.cache
def _threads() -> Any:
    """Return what limits the threads of scikit-learn. Those of HistGradientBoosting wait for each
    other many times longer than they work while another process keeps a core busy. "sequential" of
    joblib is for models with n_jobs."""
    import sklearn.ensemble  # noqa: F401 - loads the libraries that the limit must find
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _of_estimator(
    model: Estimator, table: Table, split: Split
) -> npt.NDArray[np.floating]:
    from sklearn.base import clone

    if not _can_be_learnt(
        table.of_rows(split.train)
    ):  # many classifiers refuse a single class
        return _prior(table, split, 1).predictions
    preprocessor = Preprocessor.fit(table, split.train)
    y = table.target
    X = preprocessor.natural(preprocessor.layout.cells(table.features))
    if model.without:  # constant and not removed, so that there is a column in any case
        X = np.where(np.isin(preprocessor.layout.sources, model.without), 0.0, X)
    fitted = clone(model.estimator)
    for parameter, seed in model.seeds.items():
        fitted.set_params(**{parameter: split_seed(seed, split)})
    fitted = fitted.fit(X[split.train], y[split.train])
    return table.outcome.of_estimator(fitted, X[split.test], table.labels)


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which matrices are multiplied on one thread. They are small: a second
    thread costs time, and changes the last digit of some sums."""
    import scipy.special  # noqa: F401 - loads its BLAS, so that the limit finds it
    from threadpoolctl import threadpool_limits

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(
        limits=1, user_api="blas"
    )
    return limits
