"""scikit-learn models of the user, which are fitted on the same splits as the other models.

An estimator is named on the command line or given in Python:

    sklearn.ensemble.RandomForestClassifier         any classifier with predict_proba, or any
    regressor, by import path sklearn.naive_bayes:GaussianNB                  the same, with a colon
    sklearn.svm.SVC(probability=True, C=2.0)        with arguments: keywords and plain values,
    nothing is evaluated my-svc=sklearn.svm.SVC(probability=True)        under another name
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.arguments import spelled
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
    for name, spec in specs_with_names(specs):
        model = _estimator(spec, name, random_state, task)
        if models.setdefault(model.name, model) is not model:
            raise OptionError(
                f"two baselines are named '{model.name}'",
                "Leave one out, or give it a name: NAME=... on the command line, a mapping in Python.",
            )
    return tuple(models.values())


def specs_with_names(specs: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield each baseline with its name from a mapping or from `NAME=...`; None if it has no
    name."""
    if isinstance(specs, Mapping):
        yield from specs.items()
        return
    for spec in [specs] if isinstance(specs, str) else specs:
        named = re.fullmatch(r"([^=(]+)=(.+)", str(spec), re.DOTALL)
        if isinstance(spec, Mapping):
            yield from spec.items()
        elif isinstance(spec, str) and named:
            yield named[1].strip(), named[2]
        else:
            yield None, spec


def _estimator(spec: Any, name: str | None, random_state: int, task: Task) -> Estimator:
    """Return a model from an import path, an estimator or its class."""
    estimator = spec
    title = type(spec).__name__
    if isinstance(spec, str):
        title = spec.strip()
        estimator = _from_path(title, task)
        path = title.partition("(")[0]
        title = title[max(path.rfind("."), path.rfind(":")) + 1 :].removesuffix("()")
    elif inspect.isclass(spec):
        title = spec.__name__
        estimator = _construct(spec, {}, title, task)
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


def _from_path(spec: str, task: Task) -> Any:
    """Return the estimator of an import path, perhaps with arguments."""
    path, parenthesis, arguments = spec.partition("(")
    module, dot, name = path.strip().replace(":", ".").rpartition(".")
    if not dot:
        known = [*anchors(task), _example(task)]
        raise OptionError(f"no baseline '{path}'", did_you_mean(path, known))
    try:
        imported = importlib.import_module(module)
    except Exception as error:
        raise OptionError(
            f"baseline '{spec}': {module} can't be imported: {error_line(error)}",
            "Check that it is installed in this environment.",
        ) from error
    cls = getattr(imported, name, None)
    if not inspect.isclass(cls):
        gives = outcome_of(task).method
        models = [key for key, value in vars(imported).items() if hasattr(value, gives)]
        hint = f"Give a {outcome_of(task).estimator}, such as {_example(task)}."
        raise OptionError(
            f"baseline '{spec}': no class '{name}' in {module}",
            did_you_mean(name, models) or hint,
        )
    try:
        # Parsed but not executed.
        call: Any = ast.parse(f"_({arguments}" if parenthesis else "_()", mode="eval")
        if call.body.args:
            raise ValueError("an argument has no name")
        values = {
            keyword.arg: ast.literal_eval(keyword.value)
            for keyword in call.body.keywords
        }
    except (AttributeError, SyntaxError, ValueError, TypeError, RecursionError):
        raise OptionError(
            f"baseline '{spec}': '{parenthesis}{arguments}' can't be read",
            "Write each argument once, as word=value with a plain value: (C=2.0, kernel='linear').",
        ) from None
    return _construct(cls, values, spec, task)


def _construct(cls: type, arguments: Mapping[str, Any], spec: str, task: Task) -> Any:
    # Checked before the call: calling another class, such as subprocess.Popen, may do harm.
    if not _is_estimator(cls):
        raise _no_model(cls.__name__, task)
    try:
        return cls(**arguments)
    except Exception as error:
        raise OptionError(
            f"baseline '{spec}': it can't be created: {error_line(error)}",
            "In Python, give an instance.",
        ) from error


def _check(name: str, estimator: Any, task: Task) -> None:
    """Raise OptionError unless it is a regressor, or a classifier with probabilities."""
    from sklearn.base import is_classifier, is_regressor

    outcome = outcome_of(task)
    is_kind = is_classifier if outcome.estimator == "classifier" else is_regressor
    is_wanted = False
    with warnings.catch_warnings(), contextlib.suppress(AttributeError, TypeError):
        warnings.simplefilter("ignore")
        is_wanted = _is_estimator(estimator) and is_kind(estimator)
    # An estimator may have no tags of scikit-learn 1.6.
    if not is_wanted and getattr(estimator, "_estimator_type", "") != outcome.estimator:
        raise _no_model(name, task)
    if not hasattr(estimator, outcome.method):
        hint = "Wrap it in sklearn.calibration.CalibratedClassifierCV."
        if "probability" in estimator.get_params():
            hint = f"Write {type(estimator).__name__}(probability=True), or wrap it in CalibratedClassifierCV."
        raise OptionError(f"baseline '{name}' has no {outcome.method}", hint)


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
        seeds = dict[str, int]()
        for key, value in estimator.get_params().items():
            if value is None and key.rpartition("__")[2] == "random_state":
                of_step = [] if key == "random_state" else [key]
                words = ("baseline", name, *of_step)
                seeds[key] = derive(random_state, *words) % 2**32
        return estimator.set_params(**seeds), seeds
    except Exception as error:
        raise OptionError(
            f"baseline '{name}' can't be cloned: {error_line(error)}"
        ) from error


def _no_model(name: str, task: Task) -> OptionError:
    holds = "numbers" if outcome_of(task).is_number else "classes"
    return OptionError(
        f"baseline '{name}' isn't a scikit-learn {outcome_of(task).estimator}",
        f"Give one, such as {_example(task)}, as the target holds {holds}.",
    )
