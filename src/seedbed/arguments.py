"""Checks of the arguments of public functions against their annotations: a wrong type gives an
error of one line."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import inspect
import numbers
import re
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import (
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from seedbed.errors import OptionError, did_you_mean

P = ParamSpec("P")
T = TypeVar("T")

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "True or False",
    type(None): "None",
    Path: "a path",
}
_SEVERAL = (collections.abc.Sequence, collections.abc.Iterable)
_SINGULAR = {
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a text": "texts",
}


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Check the types of a function's arguments by its annotations.

    Of a `Literal`, only the type is checked; the code that knows the words suggests the nearest
    one. Annotations that name no type, such as `Any`, accept everything. A class stands for its
    `__init__`. Names that aren't parameters are ignored. OptionError, with name, value and expected
    type, if an argument has another type.
    """
    for name, annotation in _annotations(function).items():
        if name in arguments and not _fits(arguments[name], annotation):
            *others, last = dict.fromkeys(_parts(annotation))
            kinds = f"{', '.join(others)} or {last}" if others else last
            raise OptionError(
                f"{name} is {shown(arguments[name])}", f"It must be {kinds}."
            )


def checked(
    hint: Callable[[str], str] = lambda name: "",
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that checks arguments of a function at each call; see `check_arguments`,
    `refuse_unknown`."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            refuse_unknown(kwargs, function.__name__, signature.parameters, hint)
            check_arguments(function, signature.bind(*args, **kwargs).arguments)
            return function(*args, **kwargs)

        return call

    return decorate


def refuse_unknown(
    names: Iterable[str],
    function: str,
    parameters: Iterable[str],
    hint: Callable[[str], str] = lambda name: "",
) -> None:
    """Raise an error for a keyword argument that a function doesn't have: OptionError with the hint
    for its name, which says what to do; TypeError, which suggests the nearest argument, if the hint
    is empty."""
    for name in names:
        if name not in parameters:
            if advice := hint(name):
                raise OptionError(f"{function} has no argument {name}", advice)
            raise TypeError(
                f"{function} has no argument {name}. {did_you_mean(name, parameters)}"
            )


def shown(value: Any) -> str:
    """Return a value on one short line, or its type if it doesn't fit."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - user-defined code
        text = ""
    if text and len(text) <= 60 and text.isprintable():
        return text
    name = type(value).__name__
    return f"a{'n' * (name[:1].lower() in 'aeiou')} {name}"


@functools.cache
def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    call: Any = function
    if inspect.isclass(function) and not dataclasses.is_dataclass(
        function
    ):  # whose fields may be of several files
        call = function.__init__
    return {
        name: hint for name, hint in get_type_hints(call).items() if name != "return"
    }


def _fits(value: Any, annotation: Any) -> bool:
    origin = get_origin(annotation)
    parts = get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(
            isinstance(value, str) if isinstance(part, str) else value is part
            for part in parts
        )
    if annotation is bool:
        return (
            isinstance(value, bool) or type(value).__name__ == "bool"
        )  # that of NumPy is no subclass
    if annotation in (int, float) and isinstance(value, bool):
        return False
    if annotation is int:
        return isinstance(value, numbers.Integral)
    if annotation is float:  # whole numbers that fit into a tensor, but no fractions
        if isinstance(value, numbers.Integral):
            return abs(int(value)) < 2**63
        return isinstance(value, numbers.Real) and not isinstance(
            value, numbers.Rational
        )
    if origin in _SEVERAL:
        if isinstance(value, str | bytes) or not isinstance(
            value, collections.abc.Iterable
        ):
            return parts[0] is not Any and _fits(
                value, parts[0]
            )  # one value counts as a list of one
        if isinstance(value, Mapping):
            return False
        return not isinstance(value, list | tuple | set | frozenset) or all(
            _fits(item, parts[0]) for item in value
        )
    if origin is collections.abc.Mapping:
        return isinstance(value, Mapping)
    if origin is collections.abc.Callable:
        return callable(value)
    return (
        annotation is Any
        or not inspect.isclass(annotation)
        or isinstance(value, annotation)
    )


def _parts(annotation: Any) -> list[str]:
    """Return in words what an annotation allows."""
    origin = get_origin(annotation)
    parts = get_args(annotation)
    if origin in (Union, types.UnionType):
        kinds = [word for part in parts for word in _parts(part)]
        return [word for word in kinds if word != "None"] + ["None"] * ("None" in kinds)
    if origin is Literal:
        return [repr(part) for part in parts]
    if origin in _SEVERAL:
        (inner,) = _parts(parts[0])[:1]
        return (
            [f"a list of {_SINGULAR.get(inner, 'them')}"]
            if parts[0] is not Any
            else ["a list"]
        )
    if origin is collections.abc.Mapping:
        return ["a mapping"]
    if origin is collections.abc.Callable:
        return ["a function"]
    name = getattr(annotation, "__name__", str(annotation))
    return [_WORDS.get(annotation, f"{'an' if name.isupper() else 'a'} {name}")]


def spelled(thing: object) -> str:
    """Return the `repr` of an object on one line, without addresses in memory."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(thing).split()))
