"""Settings: frozen dataclasses whose fields hold their help, choices and bounds.

The metadata of a field is the one source for validation, the command line, the candidate grammar and the documentation.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from seedbed.arguments import check_arguments, refuse_unknown, shown
from seedbed.errors import OptionError, did_you_mean

T = TypeVar("T")
S = TypeVar("S", bound="Settings")

_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_SETTINGS: dict[type[Any], dict[str, Setting]] = {}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The metadata of one setting.

    Attributes:
        help: one or two sentences.
        kinds: the types that it may have, without None.
        choices: the allowed words; empty if it isn't a choice of words.
        at_least, above, below, at_most: bounds of a number.
        hint: what to do about a value out of bounds; derived from the bounds if empty.
        none: the word on the command line and in the words of a candidate for `none_is`; empty if there is none.
        none_is: the value that this word means.
        choosing: whether it is about choosing by inner splits, which only comparisons and models do.
        word: whether it may be one of the words of a candidate.
        option: whether it is an option of the command line.
        negative: the option for False, `no_` and its name if empty; there is none if it is False by default.
        group: the heading of its option in `--help`; that of its class if empty.
    """

    help: str
    kinds: tuple[Any, ...] = ()
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    above: float | None = None
    below: float | None = None
    at_most: float | None = None
    hint: str = ""
    none: str = ""
    none_is: Any = None
    choosing: bool = False
    word: bool = False
    option: bool = True
    negative: str = ""
    group: str = ""

    def allows(self, number: float) -> bool:
        """Return whether a number is finite and within the bounds."""
        return (
            (isinstance(number, int) or math.isfinite(number))
            and (self.at_least is None or number >= self.at_least)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
            and (self.at_most is None or number <= self.at_most)
        )


def setting(default: Any, help: str, **about: Any) -> Any:
    """Return a dataclass field with the metadata of a `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help=help, **about)})


def settings_of(kind: type[Any]) -> Mapping[str, Setting]:
    """Return the metadata of each setting of a class, by name and in order; types and choices are those of its type."""
    if kind not in _SETTINGS:
        hints, settings = get_type_hints(kind), {}
        for field in dataclasses.fields(kind):
            about: Setting = field.metadata["setting"]
            kinds = tuple(part for part in _parts(hints[field.name]) if part is not type(None))
            words = [word for part in kinds if get_origin(part) is Literal for word in get_args(part)]
            settings[field.name] = dataclasses.replace(about, kinds=kinds, choices=about.choices or tuple(words))
        _SETTINGS[kind] = settings
    return _SETTINGS[kind]


def parse_setting(kind: type[Settings], name: str, text: str) -> Any:
    """Return the value of a setting from its text on the command line or in the words of a candidate.

    Raises:
        ValueError: the text is not a number, or neither `true` nor `false`.
    """
    about = settings_of(kind)[name]
    if about.none and text == about.none:
        return about.none_is
    if bool in about.kinds:
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    if int in about.kinds:
        return int(text)
    return float(text) if float in about.kinds else text


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """The base class of settings; values are checked against the metadata of their fields.

    Raises:
        OptionError: a value has another type, is out of bounds or isn't one of the choices.
    """

    def __new__(cls, **values: Any) -> Self:
        refuse_unknown(values, cls.__name__, settings_of(cls))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check_arguments(type(self), self.__dict__)
        for name, about in settings_of(type(self)).items():
            value, is_whole = getattr(self, name), int in about.kinds
            if about.choices and value is not None and value not in about.choices:
                raise OptionError(f"unknown {name} '{value}'", did_you_mean(value, about.choices))
            if not isinstance(value, str | None) and (is_whole or float in about.kinds) and not about.allows(value):
                raise OptionError(f"{name} is {shown(value)}", about.hint or _bounds(about, whole=is_whole))

    def __repr__(self) -> str:
        """Return the call that creates the same settings, without defaults."""
        return f"{type(self).__name__}({self._differing(type(self)())})"

    def _differing(self, usual: Settings) -> str:
        """Return the arguments that make these settings out of others of the same class."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return ", ".join(f"{name}={value!r}" for name, value in values.items() if value != getattr(usual, name))


def settings_in(kind: type[S], document: Mapping[str, Any]) -> S:
    """Return the settings of a class that are among the keys of a document; missing ones have their defaults."""
    return kind(**{name: document[name] for name in settings_of(kind) if name in document})


def place_of(name: str, *kinds: type[Settings]) -> str:
    """Return in which argument of a function a setting belongs, as a sentence; empty if none of the classes has it."""
    for kind in kinds:
        if name in settings_of(kind):
            return f"It is a setting of {kind.__name__}: {kind.__name__.lower()}=sb.{kind.__name__}({name}=...)."
    return ""


def merge_settings(settings: S, **values: Any) -> S:
    """Return settings with the given values, except None, in place of their own."""
    return dataclasses.replace(settings, **{name: value for name, value in values.items() if value is not None})


def taking(usual: Settings, *, documents: bool = False) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Return a decorator for a function whose `**keywords` are settings, without those about choosing.

    It replaces the signature by one that names the settings, with their types, and as defaults the usual values. If it
    `documents` them, their help takes the place of the keywords' line in the docstring.
    """
    kind = type(usual)

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        hints = get_type_hints(kind)
        signature = inspect.signature(function)
        *named, keywords = signature.parameters.values()
        names = [name for name, about in settings_of(kind).items() if not about.choosing]
        more = [
            inspect.Parameter(name, _KEYWORD, default=getattr(usual, name), annotation=hints[name]) for name in names
        ]
        function.__signature__ = signature.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        function.__annotations__ |= {parameter.name: parameter.annotation for parameter in more}
        if documents and function.__doc__:
            helps = [line.strip() for line in _help_lines(kind)]
            about = re.compile(rf"^( *){keywords.name}: .*$", re.MULTILINE)
            function.__doc__ = about.sub(lambda line: "\n".join(line[1] + one for one in helps), function.__doc__)
        return function

    return decorate


def documented(kind: type[T]) -> type[T]:
    """Add the help of each setting to the docstring of its class, under `Attributes:`."""
    kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Attributes:", *_help_lines(kind)])
    return kind


def _help_lines(kind: type[Any]) -> list[str]:
    return [f"    {name}: {about.help[:1].lower()}{about.help[1:]}" for name, about in settings_of(kind).items()]


def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union; of anything else, itself."""
    return (annotation,) if get_origin(annotation) is Literal else get_args(annotation) or (annotation,)


def _bounds(about: Setting, *, whole: bool) -> str:
    """Return what a number must be, as a sentence."""
    share = about.at_least == 0 and about.below == 1
    words = "a share" if share else "a whole number" if whole else "a number"
    if about.at_least is not None:
        words += f" from {about.at_least:,}"
    if about.above is not None:
        words += f" above {about.above:,}"
    if about.below is not None:
        words += f" to below {about.below:,}"
    elif about.at_most is not None:
        words += f" to {about.at_most:,}"
    elif about.at_least is not None:
        words += " up"
    return f"It must be {words}."
