"""scikit-learn models of the user, which are fitted on the same splits as the other models.

An estimator is named on the command line or given in Python:

    sklearn.ensemble.RandomForestClassifier         any classifier with predict_proba, or any
    regressor, by import path sklearn.naive_bayes:GaussianNB                  the same, with a colon
    sklearn.svm.SVC(probability=True, C=2.0)        with arguments: keywords and plain values,
    nothing is evaluated my-svc=sklearn.svm.SVC(probability=True)        under another name
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.arguments import shown, spelled
from seedbed.errors import OptionError, did_you_mean, error_line
from seedbed.evaluation.summaries import Task
from seedbed.experiment.fits import Estimator
from seedbed.model.portfolio import AUTO, LINES, anchors
from seedbed.networks.draws import derive
from seedbed.outcomes.tasks import outcome_of

_TAKEN = (*LINES, "linear", AUTO)


def estimators_from(
    specs: Sequence[Any] | Mapping[str, Any],
    *,
    random_state: int,
    task: Task = "binary",
) -> tuple[Estimator, ...]:
    """Return estimators from import paths, estimators, or their classes.

    A mapping gives them names, and may be an element of a sequence: `["prior", {"mine":
    estimator}]`.

    Each `random_state` of an estimator, or of a step of a pipeline, that is None gets a value
    derived from `random_state`, and on each split one derived from that. Splitters within an estimator, such as
    `cv=StratifiedKFold(shuffle=True)`, are not changed. OptionError if an estimator can't be read,
    isn't a classifier with probabilities (or a regressor, if numbers are predicted), or two have
    the same name.
    """
    models = dict[str, Estimator]()
    for name, spec in _specs_with_names(specs):
        model = _estimator(spec, name, random_state, task)
        if models.setdefault(model.name, model) is not model:
            raise OptionError(
                f"two baselines are named '{model.name}'",
                "Leave one out, or give it a name: NAME=... on the command line, a mapping in Python.",
            )
    return tuple(models.values())


def _specs_with_names(specs: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield each baseline with its name from a mapping or from `NAME=...`; None if it has no
    name."""
    if isinstance(specs, Mapping):
        for name, spec in specs.items():
            if not isinstance(name, str) or not name.strip():
                raise OptionError(
                    f"a baseline is named {shown(name)}", "Give it a text as its name."
                )
            yield name, spec
        return
    for spec in [specs] if isinstance(specs, str) else specs:
        if isinstance(spec, Mapping):
            yield from _specs_with_names(spec)
        elif isinstance(spec, str) and (
            parts := re.fullmatch(r"([^=(]+)=(.+)", spec, re.DOTALL)
        ):
            yield parts[1].strip(), parts[2]
        else:
            yield None, spec


def _estimator(spec: Any, name: str | None, random_state: int, task: Task) -> Estimator:
    if isinstance(spec, str):
        title, estimator = _from_path(spec.strip(), task)
    elif inspect.isclass(spec):
        title = spec.__name__
        estimator = _construct(spec, {}, spec.__name__, task)
    else:
        title = type(spec).__name__
        estimator = spec
    _check(title, estimator, task)
    description = spelled(estimator)
    if not hasattr(estimator, "steps"):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # Many estimators need a scaler, and trees aren't changed by it.
        estimator = make_pipeline(StandardScaler(), estimator)
        description += ", standardised features"
    if name is not None and name != title and name in _TAKEN:
        raise OptionError(
            f"a baseline can't be named '{name}'",
            "This name belongs to a default model.",
        )
    title = title if name is None else name
    estimator, seeds = _seed(title, estimator, random_state)
    return Estimator(title, estimator, description, seeds=seeds)


def _from_path(spec: str, task: Task) -> tuple[str, Any]:
    """Return the name and the estimator of an import path, perhaps with arguments."""
    path, parenthesis, arguments = spec.partition("(")
    path = path.strip()
    module, dot, name = path.rpartition(":" if ":" in path else ".")
    if not dot:
        raise OptionError(
            f"no baseline '{path}'",
            did_you_mean(path, [*anchors(task), _example(task)]),
        )
    try:
        imported = importlib.import_module(module)
    except Exception as error:
        raise _refuse(
            spec,
            f"{module} can't be imported: {error_line(error)}",
            "Check that it is installed in this environment.",
        ) from error
    cls = getattr(imported, name, None)
    if not inspect.isclass(cls):
        gives = outcome_of(task).method
        models = [key for key, value in vars(imported).items() if hasattr(value, gives)]
        hint = (
            did_you_mean(name, models)
            or f"Give a {outcome_of(task).estimator}, such as {_example(task)}."
        )
        raise _refuse(spec, f"no class '{name}' in {module}", hint)
    values = _literal_arguments(spec, parenthesis + arguments) if parenthesis else {}
    return f"{name}{parenthesis}{arguments}" if values else name, _construct(
        cls, values, spec, task
    )


def _literal_arguments(spec: str, arguments: str) -> dict[str, Any]:
    """Return keyword arguments from their source, which is parsed but not executed."""
    try:
        call = ast.parse(f"_{arguments}", mode="eval").body
        if (
            not isinstance(call, ast.Call)
            or not isinstance(call.func, ast.Name)
            or call.args
        ):
            raise ValueError("not one call with keywords alone")
        pairs = [
            (keyword.arg, ast.literal_eval(keyword.value)) for keyword in call.keywords
        ]
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pairs = [(None, None)]
    arguments_by_name = {word: value for word, value in pairs if word is not None}
    if len(arguments_by_name) < len(pairs):
        raise _refuse(
            spec,
            f"'{arguments}' can't be read",
            "Write each argument once, as word=value with a plain value: (C=2.0, kernel='linear').",
        )
    return arguments_by_name


def _construct(cls: type, arguments: Mapping[str, Any], spec: str, task: Task) -> Any:
    # Checked before the call: calling another class, such as subprocess.Popen, may do harm.
    if not _is_estimator(cls):
        raise _no_model(cls.__name__, task)
    parameters = inspect.signature(cls).parameters
    unknown = [word for word in arguments if word not in parameters]
    if unknown and not any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    ):
        raise _refuse(
            spec,
            f"{cls.__name__} has no argument '{unknown[0]}'",
            did_you_mean(unknown[0], parameters),
        )
    try:
        return cls(**arguments)
    except Exception as error:
        raise _refuse(
            spec,
            f"it can't be created: {error_line(error)}",
            "In Python, give an instance.",
        ) from error


def _check(name: str, estimator: Any, task: Task) -> None:
    """Raise OptionError unless it is a regressor, or a classifier with probabilities."""
    from sklearn.base import is_classifier, is_regressor

    kind = outcome_of(task).estimator
    is_wanted = _is_estimator(estimator)
    if is_wanted:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                is_wanted = bool(
                    (is_classifier if kind == "classifier" else is_regressor)(estimator)
                )
            except (
                AttributeError,
                TypeError,
            ):  # an estimator without the tags of scikit-learn 1.6
                is_wanted = getattr(estimator, "_estimator_type", None) == kind
    if not is_wanted:
        raise _no_model(name, task)
    if not hasattr(estimator, outcome_of(task).method):
        hint = "Wrap it in sklearn.calibration.CalibratedClassifierCV."
        if "probability" in estimator.get_params():
            hint = f"Write {type(estimator).__name__}(probability=True), or wrap it in CalibratedClassifierCV."
        raise OptionError(f"baseline '{name}' has no {outcome_of(task).method}", hint)


def _example(task: Task) -> str:
    return f"sklearn.ensemble.RandomForest{outcome_of(task).estimator.capitalize()}"


def _is_estimator(thing: Any) -> bool:
    return hasattr(thing, "fit") and hasattr(thing, "get_params")


def _seed(name: str, estimator: Any, random_state: int) -> tuple[Any, dict[str, int]]:
    """Return a clone in which nothing draws from the global state of NumPy, and the random states
    that it was given, by the names of parameters; the given object isn't changed."""
    from sklearn.base import clone

    try:
        estimator = clone(estimator)
        seeds = {
            key: derive(
                random_state,
                "baseline",
                name,
                *([] if key == "random_state" else [key]),
            )
            % 2**32
            for key, value in estimator.get_params().items()
            if value is None
            and (key == "random_state" or key.endswith("__random_state"))
        }
        return (estimator.set_params(**seeds) if seeds else estimator), seeds
    except Exception as error:
        raise OptionError(
            f"baseline '{name}' can't be cloned: {error_line(error)}"
        ) from error


def _refuse(spec: str, message: str, hint: str) -> OptionError:
    return OptionError(f"baseline '{spec}': {message}", hint)


def _no_model(name: str, task: Task) -> OptionError:
    holds = "numbers" if outcome_of(task).is_number else "classes"
    return OptionError(
        f"baseline '{name}' isn't a scikit-learn {outcome_of(task).estimator}",
        f"Give one, such as {_example(task)}, as the target holds {holds}.",
    )
