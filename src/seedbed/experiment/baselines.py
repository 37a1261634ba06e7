"""What a network must beat: scikit-learn's models, fitted on the same splits.

A baseline is named on the command line or given in Python:

    prior | logistic-regression | boosted-trees     those that stand beside the candidates if nothing else is asked for
    sklearn.ensemble.RandomForestClassifier         any classifier with predict_proba, by its import path
    sklearn.naive_bayes:GaussianNB                  the same, with a colon
    sklearn.svm.SVC(probability=True, C=2.0)        with arguments: keywords and plain values, nothing is evaluated
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.errors import OptionError, did_you_mean, told
from seedbed.experiment.logistic import INNER_FOLDS, TunedLogisticRegression
from seedbed.experiment.writing import spelled
from seedbed.training.randomness import derive

__all__ = ["BASELINES", "Baseline", "baselines_from"]

BASELINES = ("prior", "logistic-regression", "boosted-trees")
"""What stands beside the candidates if nothing else is asked for; from cheap to dear."""

_EXAMPLE = "sklearn.ensemble.RandomForestClassifier"


@dataclass(frozen=True, eq=False)
class Baseline:
    """A model that a network must beat.

    Attributes:
        name: how it stands in tables.
        estimator: an unfitted scikit-learn classifier with `predict_proba`; cloned for every split. It sees the
            features as they are, so whatever needs standardised ones must bring its own scaler along.
        description: what it is, in a few words for a table's footnote.
    """

    name: str
    estimator: Any
    description: str


def baselines_from(specs: Sequence[Any], *, random_state: int) -> tuple[Baseline, ...]:
    """Baselines from names, import paths, classifiers, their classes, or `Baseline`s; none from an empty sequence.

    Whatever in a classifier, or in the steps of a pipeline, has a `random_state` that is `None` gets one derived from
    `random_state`. Splitters within a classifier (`cv=StratifiedKFold(shuffle=True)`) are out of reach.

    Raises:
        OptionError: one isn't understood, isn't a classifier with probabilities, or two have the same name.
    """
    found = tuple(_baseline(spec, random_state) for spec in ([specs] if isinstance(specs, str) else specs))
    names = [baseline.name for baseline in found]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(
                f"two baselines are named '{name}'", "Leave one out, or give it as a Baseline with a name of its own."
            )
    return found


def _baseline(spec: Any, random_state: int) -> Baseline:
    if isinstance(spec, str):
        spec = spec.strip()
        found = _known(spec) if spec in BASELINES else _from_path(spec)
    elif isinstance(spec, Baseline):
        found = spec
    elif inspect.isclass(spec):
        found = _own(spec.__name__, _made(spec, {}, spec.__name__))
    else:
        found = _own(type(spec).__name__, spec)
    _check(found)
    if not isinstance(spec, Baseline) and found.name not in BASELINES and not hasattr(found.estimator, "steps"):
        found = _standardised(found)
    return dataclasses.replace(found, estimator=_seeded(found, random_state))


def _known(name: str) -> Baseline:
    if name == "prior":
        from sklearn.dummy import DummyClassifier

        return Baseline(name, DummyClassifier(strategy="prior"), "always guesses the class shares of the training rows")
    if name == "logistic-regression":
        description = f"logistic regression, C by inner {INNER_FOLDS}-fold cross-validation, standardised features"
        return Baseline(name, TunedLogisticRegression(), description)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return Baseline(name, HistGradientBoostingClassifier(), "HistGradientBoostingClassifier, defaults")


def _standardised(baseline: Baseline) -> Baseline:
    """Behind a scaler, without which many classifiers are weak; trees hardly notice. A pipeline is taken as it is."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scaled = make_pipeline(StandardScaler(), baseline.estimator)
    return Baseline(baseline.name, scaled, f"{baseline.description}, standardised features")


def _own(name: str, estimator: Any) -> Baseline:
    return Baseline(name, estimator, spelled(estimator))


def _from_path(spec: str) -> Baseline:
    path, parenthesis, arguments = spec.partition("(")
    path = path.strip()
    module, dot, name = path.rpartition(":" if ":" in path else ".")
    if not dot:
        raise OptionError(f"no baseline '{path}'", did_you_mean(path, [*BASELINES, _EXAMPLE]))
    try:
        found = importlib.import_module(module)
    except Exception as error:
        message = f"{module} can't be imported: {told(error)}"
        raise _wrong(spec, message, "Is it installed in this environment?") from error
    made = getattr(found, name, None)
    if not inspect.isclass(made):
        classifiers = [key for key, value in vars(found).items() if hasattr(value, "predict_proba")]
        hint = did_you_mean(name, classifiers) or f"Give a classifier, such as {_EXAMPLE}."
        raise _wrong(spec, f"no class '{name}' in {module}", hint)
    given = _literal_arguments(spec, parenthesis + arguments) if parenthesis else {}
    return _own(f"{name}{parenthesis}{arguments}" if given else name, _made(made, given, spec))


def _literal_arguments(spec: str, arguments: str) -> dict[str, Any]:
    """Keyword arguments from their source, which is read and not run."""
    try:
        call = ast.parse(f"_{arguments}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("not one call with keywords alone")
        pairs = [(keyword.arg, ast.literal_eval(keyword.value)) for keyword in call.keywords]
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        pairs = [(None, None)]
    words = {word: value for word, value in pairs if word is not None}
    if len(words) < len(pairs):
        raise _wrong(
            spec,
            f"'{arguments}' can't be read",
            "Write each argument once, as word=value with a plain value: (C=2.0, kernel='linear').",
        )
    return words


def _made(cls: type, arguments: Mapping[str, Any], spec: str) -> Any:
    # Refused before it is made: making something else (a subprocess.Popen, say) may do harm.
    if not _is_estimator(cls):
        raise _no_classifier(cls.__name__)
    known = inspect.signature(cls).parameters
    unknown = [word for word in arguments if word not in known]
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        raise _wrong(spec, f"{cls.__name__} has no argument '{unknown[0]}'", did_you_mean(unknown[0], known))
    try:
        return cls(**arguments)
    except Exception as error:
        raise _wrong(spec, f"it can't be made: {told(error)}", "In Python, give it made already.") from error


def _check(baseline: Baseline) -> None:
    """It must be a classifier and give probabilities."""
    name, estimator = baseline.name, baseline.estimator
    if not _is_classifier(estimator):
        raise _no_classifier(name)
    if not hasattr(estimator, "predict_proba"):
        hint = "Wrap it in sklearn.calibration.CalibratedClassifierCV."
        if "probability" in estimator.get_params():
            hint = f"Write {type(estimator).__name__}(probability=True), or wrap it in CalibratedClassifierCV."
        raise OptionError(f"baseline '{name}' has no predict_proba", hint)


def _is_classifier(estimator: Any) -> bool:
    from sklearn.base import is_classifier

    if isinstance(estimator, TunedLogisticRegression):
        return True
    if not _is_estimator(estimator):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(is_classifier(estimator))
        except (AttributeError, TypeError):  # another library's, without the tags that scikit-learn 1.6 brought
            return getattr(estimator, "_estimator_type", None) == "classifier"


def _is_estimator(thing: Any) -> bool:
    return hasattr(thing, "fit") and hasattr(thing, "get_params")


def _seeded(baseline: Baseline, random_state: int) -> Any:
    """A clone in which nothing draws from NumPy's global state: the caller's own object stays as it is."""
    from sklearn.base import clone

    try:
        estimator = clone(baseline.estimator)
        seeds = {
            key: derive(random_state, "baseline", baseline.name, *([] if key == "random_state" else [key])) % 2**32
            for key, value in estimator.get_params().items()
            if value is None and (key == "random_state" or key.endswith("__random_state"))
        }
        return estimator.set_params(**seeds) if seeds else estimator
    except Exception as error:
        raise OptionError(f"baseline '{baseline.name}' can't be cloned: {told(error)}") from error


def _wrong(spec: str, message: str, hint: str) -> OptionError:
    return OptionError(f"baseline '{spec}': {message}", hint)


def _no_classifier(name: str) -> OptionError:
    return OptionError(f"baseline '{name}' isn't a scikit-learn classifier", f"Give one, such as {_EXAMPLE}.")
