"""What a comparison fits on each split: groups of models that train together, and scikit-learn estimators."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seedbed.data.person_periods import every_interval, person_periods, survival_at
from seedbed.data.preprocessing import Preprocessor
from seedbed.data.splits import Split
from seedbed.data.table import Table, Task
from seedbed.errors import error_line
from seedbed.evaluation.survival import kaplan_meier
from seedbed.model.blending import blend_members, blended_predictions, member_predictions
from seedbed.model.member import Member, MemberData
from seedbed.model.members import Fit, Running, trained_members
from seedbed.model.portfolio import AUTO
from seedbed.networks.candidate import Candidate
from seedbed.settings.recipe import Recipe
from seedbed.typing import Floats


@dataclass(frozen=True)
class Group:
    """Models that are fitted together on each split.

    Attributes:
        members: the candidates.
        lines: the names under which they are compared, by the candidate's name, and that of their blend by `auto`.
            Others are fitted for the blend only.
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


@dataclass(frozen=True, eq=False)
class Estimator:
    """A scikit-learn model of the user that is compared.

    Attributes:
        name: its name in tables.
        estimator: an unfitted classifier with `predict_proba`, or a regressor; cloned for every split. It gets
            unstandardised features, so an estimator that needs a scaler must contain one.
        description: what it is, in a few words.
        without: columns of the table that it doesn't see.
    """

    name: str
    estimator: Any
    description: str
    without: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    fits = names


Unit = Group | Estimator
"""What is fitted at once on each split."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model that was fitted on one split.

    Attributes:
        predictions: for the test rows: the probability of class 1 [row], of each class [row, class], numbers [row], or
            the probability of survival [row, time].
        networks: the same of each of its networks [network, ...]; None of an estimator.
        curves: of its networks, as `Member.curves`; None without networks.
        dead: as `Member.dead`.
        epochs: as `Member.epochs`.
        note: as `Member.note`.
        failure: why the model can't be fitted, so that its predictions are NaN; else empty.
    """

    predictions: npt.NDArray[np.floating]
    networks: npt.NDArray[np.floating] | None = None
    curves: npt.NDArray[np.floating] | None = None
    dead: npt.NDArray[np.float32] | None = None
    epochs: int = 0
    note: str = ""
    failure: str = ""

    @classmethod
    def failed(cls, why: str, split: Split) -> Fitted:
        """Return the result of a model that can't be fitted on a split: the reason, and predictions of NaN."""
        return cls(np.full(len(split.test), np.nan), failure=why)


def fit_group(
    group: Group,
    table: Table,
    splits: Sequence[Split],
    *,
    recipe: Recipe,
    n_networks: int,
    random_state: int,
    running: Running,
    tell: Callable[[str], None] = lambda name: None,
) -> list[dict[str, Fitted]]:
    """Fit a group to the training rows of each split; return what each line predicts for the test rows.

    Networks of all splits train in the same stacks. A model whose networks diverge on a split is missing there.

    Args:
        tell: called with the name of each member of a split after its fit.
    """
    if group.without:
        visible_columns = tuple(column for column in table.columns if column.name not in group.without)
        nothing = dataclasses.replace(table.columns[0], values=np.zeros(table.n_rows))
        table = dataclasses.replace(table, columns=visible_columns or (nothing,))
    parts = [_part(table, split) for split in splits]
    recipe = dataclasses.replace(recipe, loss="auto")  # some classes may have no training rows
    fits = list[Fit]()
    for part, present in parts:
        tested = None
        if table.task == "regression" or len(present) == len(table.labels):
            tested = table.of_rows(splits[len(fits)].test)
            if part.follow_up is not None:
                tested = person_periods(tested, part.follow_up.clock)
        data = MemberData(part, n_networks, None, random_state, tested)
        fits.append(Fit(part, group.members, recipe, data, drops=False, failures={}))
    trained: list[dict[tuple[int, int], Member]] = [{} for _ in splits]
    usable = [place for place, (part, present) in enumerate(parts) if table.task == "regression" or len(present) > 1]
    with contextlib.closing(
        trained_members([fits[place] for place in usable], random_state=random_state, running=running)
    ) as training:
        for place, which, member in training:
            trained[usable[which]][place] = member
            tell(member.candidate.name)
    for members in trained:
        for name in {*group.fits} - {member.candidate.name for member in members.values()}:
            tell(name)
    fitted = []
    for split, fit, (part, present), members in zip(splits, fits, parts, trained, strict=True):
        by_name = {member.candidate.name: member for member in members.values()}
        if not members and len(present) == 1 and table.task != "regression":  # the training rows have one class
            if table.follow_up is not None:
                fitted.append(dict.fromkeys(group.names, _kaplan_meier(table, split, n_networks)))
                continue
            shares = np.tile(np.eye(len(table.labels), dtype=np.float32)[present[0]], (len(split.test), 1))
            fitted.append(dict.fromkeys(group.names, Fitted(shares[:, 1] if table.task == "binary" else shares)))
            continue
        features, of_split = table.features[split.test], dict[str, Fitted]()
        if part.follow_up is not None:
            features = every_interval(features, len(part.follow_up.cuts))
        inputs, known = fit.data.preprocessor.inputs_of_values(features), dict[str, Floats]()
        for name, member in by_name.items():
            try:
                known[name] = member_predictions(part, member, fit.data, inputs)
            except Exception as error:  # noqa: BLE001 - a network of the user's that can't take these rows
                fit.fail(member.candidate, error)
        for name, line in group.lines.items():
            if name == "prior" and table.durations is not None:
                of_split[line] = _kaplan_meier(table, split, n_networks)
            elif name in known:
                of_split[line] = _make_fitted(table, part, present, known[name], by_name[name])
            elif fit.failures and name in fit.failures:
                of_split[line] = Fitted.failed(fit.failures[name], split)
        blended_names = [one.name for one in group.members if one.name in known and one.name != "prior"]
        if AUTO in group.lines and blended_names:
            in_order = [by_name[name] for name in blended_names]
            blended, out_of_bag, _ = blend_members(part, in_order, fit.data, crossed=False)
            values = blended_predictions([known[name] for name in out_of_bag.weights], blended)
            of_split[group.lines[AUTO]] = _make_fitted(table, part, present, values)
        fitted.append(of_split)
    return fitted


def _part(table: Table, split: Split) -> tuple[Table, npt.NDArray[np.int64]]:
    """Return the training rows of a split as a table, and the classes that they have."""
    part = table.of_rows(split.train)
    if table.task == "regression":
        return part, np.arange(0)
    if table.durations is not None:
        part = person_periods(part)
        return part, np.unique(part.target)
    present, codes = np.unique(part.target, return_inverse=True)
    labels = tuple(table.labels[code] for code in present)
    task: Task = "binary" if len(labels) == 2 else "multiclass"
    return dataclasses.replace(part, target=codes.astype(np.int64), labels=labels, task=task), present


def _kaplan_meier(table: Table, split: Split, n_networks: int) -> Fitted:
    """Return the Kaplan-Meier estimate of the training rows as the prediction for each test row."""
    assert table.durations is not None
    assert table.follow_up is not None
    steps = kaplan_meier(table.durations[split.train], table.target[split.train] == 1)
    survival = np.tile(steps.at(table.follow_up.grid).astype(np.float32), (len(split.test), 1))
    return Fitted(survival, np.tile(survival, (n_networks, 1, 1)))


def _make_fitted(
    table: Table, part: Table, present: npt.NDArray[np.int64], values: Floats, member: Member | None = None
) -> Fitted:
    """Return a model from what its networks predict [network, row] or [network, row, class]; without a member, it is a
    blend."""
    if part.follow_up is not None:
        hazards = values[..., 1].reshape(len(values), -1, len(part.follow_up.cuts))
        mean, values = (
            survival_at(table.scored_times, some, part.follow_up.clock) for some in (hazards.mean(axis=0), hazards)
        )
    else:
        if table.task != "regression":
            if len(present) < len(table.labels):  # a class without training rows keeps 0
                known, values = values, np.zeros((*values.shape[:2], len(table.labels)))
                values[..., present] = known
            values = (values[..., 1] if table.task == "binary" else values).astype(np.float32)
        mean = values.mean(axis=0, dtype=np.float64).astype(values.dtype)
    if member is None or member.curves is None:
        return Fitted(mean, values)
    return Fitted(mean, values, member.curves, member.dead, member.epochs, member.note)


def fit_estimator(model: Estimator, table: Table, split: Split) -> Fitted:
    """Fit an estimator to the training rows of a split; return what it predicts for the test rows, or why it can't be
    fitted."""
    import joblib

    try:
        with warnings.catch_warnings(), _threads().limit(limits=1), joblib.parallel_config(backend="sequential"):
            warnings.simplefilter("ignore")
            predictions = _of_estimator(model, table, split)
    except Exception as error:  # noqa: BLE001 - whatever fails, other models can be fitted
        return Fitted.failed(error_line(error), split)
    if table.task == "regression":
        return Fitted(predictions)
    return Fitted((predictions[:, 1] if table.task == "binary" else predictions).astype(np.float32))


@functools.cache
def _threads() -> Any:
    """Return what limits the threads of scikit-learn. Those of HistGradientBoosting wait for each other many times
    longer than they work while another process keeps a core busy. "sequential" of joblib is for models with n_jobs."""
    import sklearn.ensemble  # noqa: F401 - loads the libraries that the limit must find
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _of_estimator(model: Estimator, table: Table, split: Split) -> Floats:
    from sklearn.base import clone

    preprocessor, y = Preprocessor.fit(table, split.train), table.target
    X = preprocessor.natural(preprocessor.layout.cells(table.features))
    n_classes = 0 if table.task == "regression" else len(table.labels)
    if n_classes and len(present := np.unique(y[split.train])) == 1:  # many classifiers refuse a single class
        return np.tile(np.eye(n_classes)[present[0]], (len(split.test), 1))
    if model.without:  # constant and not removed, so that there is a column in any case
        X = np.where(np.isin(preprocessor.layout.sources, model.without), 0.0, X)
    fitted, X_test = clone(model.estimator).fit(X[split.train], y[split.train]), X[split.test]
    if not n_classes:
        numbers = np.asarray(fitted.predict(X_test), dtype=np.float64)
        if numbers.size != len(X_test) or not np.isfinite(numbers).all():
            raise ValueError(f"predict gave {list(numbers.shape)} numbers, or some that aren't finite")
        return numbers.reshape(len(X_test))  # some regressors return [row, 1]
    classes, outputs = np.asarray(fitted.classes_, dtype=np.intp), np.asarray(fitted.predict_proba(X_test))
    if outputs.shape != (len(X_test), len(classes)) or not np.isfinite(outputs).all():
        raise ValueError(f"predict_proba gave {list(outputs.shape)} numbers, or some that aren't finite")
    probabilities = np.zeros((len(X_test), n_classes))  # a class without training rows keeps 0
    probabilities[:, classes] = outputs
    return probabilities


def one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    """Return a context in which matrices are multiplied on one thread. They are small: a second thread costs time, and
    changes the last digit of some sums."""
    import scipy.special  # noqa: F401 - loads its BLAS, so that the limit finds it
    from threadpoolctl import threadpool_limits

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits
