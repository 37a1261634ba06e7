"""Candidates: a named architecture with its recipe, and their grammar.

The words of `seedbed compare --candidate`:

    candidate     architecture [@ word=value [, word=value ...]]
    architecture  logistic | layers [+ layers ...] | FILE.py:NAME
    layers        activation : width [, width ...]
    activation    linear | relu | tanh | leaky_relu(0.2) | ...   (a class of torch.nn, in lower
    case) word          dropout layernorm batchnorm residual plr plr_frequencies plr_sigma ple embed
                  | a setting of `Recipe` with `word=True`, such as lr, optimizer or epochs

Examples: `relu:64,64@lr=0.003,dropout=0.1`, `relu:20+tanh:20`, `silu:64,64@residual,plr=8`,
`relu:64@ple=16` or `logistic@optimizer=adamw`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.arguments import shown
from seedbed.errors import CandidateError, UsageError, did_you_mean
from seedbed.networks.activations import ACTIVATIONS, split_activation
from seedbed.networks.mlp import MLP, WORDS, Architecture
from seedbed.networks.user import FileArchitecture, UserArchitecture
from seedbed.settings.fields import parse_setting, settings_of
from seedbed.settings.recipe import Recipe

DEFAULT_MODELS = (
    "network-1",
    "network-2",
    "network-2-bins",
    "network-2-waves",
    "boosted-trees",
    "extra-trees",
)
"""The default models besides `prior` and the linear one. No network in words has such a name."""

# Other names of models, or of ones like them.
_NAMES_HERE = {
    "logistic-regression": "logistic",
    "linear-regression": "linear",
    "random-forest": "extra-trees",
    "gradient-boosting": "boosted-trees",
    "xgboost": "boosted-trees",
    "lightgbm": "boosted-trees",
    "catboost": "boosted-trees",
}

_RECIPE_WORDS = tuple(name for name, about in settings_of(Recipe).items() if about.word)
_WORDS = (*WORDS, *_RECIPE_WORDS)
_FOR_MODELS = "Use it with compare, fit_model, SeedbedClassifier or seedbed train -o FILE, which make models."


@dataclass(frozen=True)
class Candidate:
    """An architecture, and the settings of its recipe that differ from the common recipe.

    Attributes:
        name: its name in tables and pictures.
        architecture: the description, or what builds a module from `n_features` and `n_outputs`.
        overrides: pairs of a setting and its value.
        defaults: the same, for settings that neither these nor the common recipe give.
    """

    name: str
    architecture: Architecture
    overrides: tuple[tuple[str, Any], ...] = ()
    defaults: tuple[tuple[str, Any], ...] = ()

    def recipe(self, common: Recipe) -> Recipe:
        """Return the common recipe with this candidate's own settings."""
        try:
            usual = {
                name: value
                for name, value in self.defaults
                if getattr(common, name) is None
            }
            return dataclasses.replace(common, **usual | dict(self.overrides))
        except UsageError as error:
            raise CandidateError(
                f"candidate '{self.name}': {error.message}", error.hint
            ) from None


def parse_candidate(text: str) -> Candidate:
    """Return the candidate that its words describe. CandidateError for an unknown word suggests the
    nearest known one.

    >>> parse_candidate("relu:64,64@dropout=0.1").architecture.widths
    (64, 64)
    """
    architecture, at, words = text.strip().partition("@")
    architecture = architecture.strip()
    if architecture == "auto":
        if at:
            raise _wrong(
                text,
                "auto takes no words of its own",
                "In Python its members and recipe can be chosen.",
            )
        raise _wrong(text, "auto is a blend of models, not one network", _FOR_MODELS)
    shape, recipe = _parse_words(text, words) if at else ({}, {})
    if ".py:" in architecture:
        path, _, name = architecture.rpartition(":")
        if shape:
            raise _wrong(
                text,
                f"'{next(iter(shape))}' shapes seedbed's own networks",
                "Build it into yours.",
            )
        return Candidate(
            text.strip(), FileArchitecture(path, name), tuple(recipe.items())
        )
    widths, names = _parse_layers(text, architecture)
    try:
        mlp = MLP(widths, names, **shape)
    except CandidateError as error:
        raise _wrong(text, error.message, error.hint) from None
    return Candidate(text.strip(), mlp, tuple(recipe.items()))


def candidate_from(spec: Any, name: str | None = None) -> Candidate:
    """Return a candidate from its words, a `Candidate`, or a callable that builds an `nn.Module`.
    CandidateError for anything else, or an unknown word."""
    if isinstance(spec, Candidate):
        architecture = candidate_from(spec.architecture, spec.name).architecture
        return dataclasses.replace(
            spec, name=name or spec.name, architecture=architecture
        )
    if isinstance(spec, str):
        parsed = parse_candidate(spec)
        return parsed if name is None else dataclasses.replace(parsed, name=name)
    if (
        hasattr(spec, "state_dict")
        and hasattr(spec, "forward")
        and not isinstance(spec, type)
    ):  # an `nn.Module`
        message = f"the candidate is a {type(spec).__name__} that is built already"
        raise CandidateError(message, "Give what builds it: the class, or a function.")
    if isinstance(spec, Architecture):
        return Candidate(name or repr(spec), spec)
    if callable(spec):
        label = name or str(getattr(spec, "__name__", type(spec).__name__))
        return Candidate(label, UserArchitecture(spec, label))
    raise CandidateError(
        f"a candidate can't be {shown(spec)}",
        "Give a string like 'relu:5', or a callable.",
    )


def unique_names(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates. CandidateError if there are none, or two have one name."""
    if not candidates:
        raise CandidateError(
            "no candidate is given", "Name at least one, for instance relu:5."
        )
    names = [candidate.name for candidate in candidates]
    for name in names:
        if names.count(name) > 1:
            message = f"two candidates are named '{name}'"
            raise CandidateError(
                message, "Leave one out, or in Python give a mapping of names."
            )
    return tuple(candidates)


def _parse_layers(
    text: str, architecture: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    widths = list[int]()
    names = list[str]()
    if architecture == "logistic":
        return (), ()
    for part in architecture.split("+"):
        name, colon, sizes = part.strip().partition(":")
        for is_wrong, message, hint in _rules_of_layers(name, has_width=bool(colon)):
            if is_wrong:
                raise _wrong(text, message, hint)
        for size in sizes.split(","):
            if not size.strip().isdecimal() or len(size) > 9:
                raise _wrong(
                    text,
                    f"'{size}' isn't a width",
                    f"Write whole numbers: {name}:64,64.",
                )
            widths.append(int(size))
            names.append(name)
    return tuple(widths), tuple(names)


def _rules_of_layers(
    name: str, *, has_width: bool
) -> tuple[tuple[bool, str, str], ...]:
    """Return for each rule whether it is broken, what is wrong then, and what to do."""
    known = [*ACTIVATIONS, "linear", "logistic", *DEFAULT_MODELS]
    return (
        (
            name == "logistic",
            "'logistic' has no hidden layer",
            "Write logistic alone.",
        ),
        (
            name.endswith(".py"),
            f"no class is named for {name}",
            f"Write {name}:CLASS.",
        ),
        (
            name == "prior" or name in DEFAULT_MODELS,
            f"{name} is a default model, not a network in words",
            _FOR_MODELS,
        ),
        (
            name in _NAMES_HERE,
            f"no model '{name}'",
            f"Name {_NAMES_HERE.get(name)}.",
        ),
        (
            split_activation(name)[0] not in (*ACTIVATIONS, "linear"),
            f"no activation or model '{name}'",
            did_you_mean(name, known),
        ),
        (
            not has_width,
            f"'{name}' has no width",
            f"Write {name}:5, or {name}:64,64 for two layers.",
        ),
    )


def _parse_words(text: str, words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    shape, recipe = dict[str, Any](), dict[str, Any]()
    for word in words.split(","):
        key, equals, value = (part.strip() for part in word.partition("="))
        if key not in _WORDS:
            raise _wrong(text, f"no recipe word '{key}'", did_you_mean(key, _WORDS))
        if key in shape or key in recipe:
            raise _wrong(text, f"'{key}' is duplicated", "Leave one out.")
        kinds = (WORDS[key],) if key in WORDS else settings_of(Recipe)[key].kinds
        if bool in kinds and not equals:
            value = "true"
        try:
            if key in _RECIPE_WORDS:
                recipe[key] = parse_setting(Recipe, key, value)
            else:
                shape[key] = (
                    {"true": True, "false": False}[value]
                    if bool in kinds
                    else WORDS[key](value)
                )
        except (ValueError, KeyError):
            if bool in kinds:
                hint = f"Write {key} alone to switch it on."
                raise _wrong(
                    text, f"'{key}={value}' is neither true nor false", hint
                ) from None
            whole = "whole " * (int in kinds)
            raise _wrong(
                text, f"'{key}={value}' isn't a {whole}number", f"Write {key}=VALUE."
            ) from None
    # What these words need may be in the experiment's recipe. `Candidate.recipe` checks that.
    of_others: dict[str, Any] = {
        "optimizer": "sgd",
        **({"momentum": 0.9} if recipe.get("nesterov") else {}),
    }
    try:
        Recipe(**of_others | recipe)
    except UsageError as error:
        raise _wrong(text, error.message, error.hint) from None
    return shape, recipe


def _wrong(text: str, message: str, hint: str) -> CandidateError:
    return CandidateError(f"candidate '{text.strip()}': {message}", hint)
