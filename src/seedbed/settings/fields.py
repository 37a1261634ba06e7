"""Settings: frozen dataclasses. Their docstrings hold the help of each field, and their fields
choices and bounds.

These are the one source for validation, the command line, the candidate grammar and the
documentation.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from seedbed.arguments import check_arguments, refuse_unknown, shown
from seedbed.errors import OptionError, did_you_mean

T = TypeVar("T")
S = TypeVar("S", bound="Settings")

_SETTINGS: dict[type[Any], dict[str, Setting]] = {}
_BOUNDS = (
    ("at_least", operator.ge, "from"),
    ("above", operator.gt, "above"),
    ("below", operator.lt, "to below"),
    ("at_most", operator.le, "to"),
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The metadata of one setting.

    Attributes:
        help: one or two sentences, from the docstring of the class.
        kinds: the types that it may have, without None.
        choices: the allowed words; empty if it isn't a choice of words.
        at_least, above, below, at_most: bounds of a number.
        hint: what to do about a value out of bounds; derived from the bounds if empty.
        none: the word on the command line and in the words of a candidate for `none_is`; empty if
            there is none.
        none_is: the value that this word means.
        choosing: whether it is about choosing by inner splits, which only comparisons and models
            do.
        word: whether it may be one of the words of a candidate.
        option: whether it is an option of the command line.
        negative: the option for False, `no_` and its name if empty; there is none if it is False by
            default.
        group: the heading of its option in `--help`; that of its class if empty.
    """

    help: str = ""
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
        bounds = ((test, getattr(self, name)) for name, test, _ in _BOUNDS)
        within = all(bound is None or test(number, bound) for test, bound in bounds)
        return within and (isinstance(number, int) or math.isfinite(number))


def setting(default: Any, **about: Any) -> Any:
    """Return a dataclass field with the metadata of a `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(**about)})


def settings_of(kind: type[Any]) -> Mapping[str, Setting]:
    """Return the metadata of each setting of a class, by name and in order; types and choices are
    those of its type."""
    if kind in _SETTINGS:
        return _SETTINGS[kind]
    hints = get_type_hints(kind)
    settings = dict[str, Setting]()
    helps = dict[str, str]()
    for base in kind.__mro__:
        attributes = (
            inspect.cleandoc(base.__doc__ or "")
            .partition("\nAttributes:\n")[2]
            .partition("\n\n")[0]
        )
        _, *parts = re.split(r"^ {4}(\w+): ", attributes, flags=re.MULTILINE)
        helps |= {
            name: " ".join(text.split())
            for name, text in zip(parts[::2], parts[1::2], strict=True)
        }
    for field in dataclasses.fields(kind):
        about = field.metadata.get("setting") or Setting()
        help = helps.get(field.name, "")
        kinds = tuple(
            part for part in _parts(hints[field.name]) if part is not type(None)
        )
        choices_of_type = [
            word
            for part in kinds
            if get_origin(part) is Literal
            for word in get_args(part)
        ]
        choices = about.choices or tuple(choices_of_type)
        help = help[:1].upper() + help[1:]
        settings[field.name] = dataclasses.replace(
            about, help=help, kinds=kinds, choices=choices
        )
    return _SETTINGS.setdefault(kind, settings)


def parse_setting(kind: type[Settings], name: str, text: str) -> Any:
    """Return the value of a setting from its text on the command line or in the words of a
    candidate. ValueError if the text is not a number, KeyError if it is neither `true` nor
    `false`."""
    about = settings_of(kind)[name]
    if about.none and text == about.none:
        return about.none_is
    if bool in about.kinds:
        return {"true": True, "false": False}[text]
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
            value = getattr(self, name)
            is_whole = int in about.kinds
            if about.choices and value is not None and value not in about.choices:
                raise OptionError(
                    f"unknown {name} '{value}'", did_you_mean(value, about.choices)
                )
            if (
                not isinstance(value, str | None)
                and (is_whole or float in about.kinds)
                and not about.allows(value)
            ):
                raise OptionError(
                    f"{name} is {shown(value)}",
                    about.hint or _bounds(about, whole=is_whole),
                )

    def __repr__(self) -> str:
        """Return the call that creates the same settings, without defaults."""
        return f"{type(self).__name__}({self._differing(type(self)())})"

    def _differing(self, usual: Settings) -> str:
        """Return the arguments that make these settings out of others of the same class."""
        values = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        return ", ".join(
            f"{name}={value!r}"
            for name, value in values.items()
            if value != getattr(usual, name)
        )


def settings_in(kind: type[S], document: Mapping[str, Any]) -> S:
    """Return the settings of a class that are among the keys of a document; missing ones have their
    defaults."""
    return kind(
        **{name: document[name] for name in settings_of(kind) if name in document}
    )


def place_of(name: str, *kinds: type[Settings]) -> str:
    """Return in which argument of a function a setting belongs, as a sentence; empty if none of the
    classes has it."""
    for kind in kinds:
        if name in settings_of(kind):
            return f"It is a setting of {kind.__name__}: {kind.__name__.lower()}=sb.{kind.__name__}({name}=...)."
    return ""


def merge_settings(settings: S, **values: Any) -> S:
    """Return settings with the given values, except None, in place of their own."""
    return dataclasses.replace(
        settings, **{name: value for name, value in values.items() if value is not None}
    )


def taking(usual: Settings) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Return a decorator for a function whose `**keywords` are settings, without those about
    choosing.

    At run time, it shows the settings in its signature, with the usual values as defaults, and
    their help in its docstring, in place of the line of the keywords. Editors and type checkers
    read `seedbed/__init__.pyi`.
    """

    def decorate(function: Callable[..., T]) -> Callable[..., T]:
        import textwrap

        hints = get_type_hints(type(usual))
        signature = inspect.signature(function)
        *named, keywords = signature.parameters.values()
        helps = {
            name: about.help
            for name, about in settings_of(type(usual)).items()
            if not about.choosing
        }
        kind = inspect.Parameter.KEYWORD_ONLY
        more = [
            inspect.Parameter(
                name, kind, default=getattr(usual, name), annotation=hints[name]
            )
            for name in helps
        ]
        function.__signature__ = signature.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        function.__annotations__ |= {name: hints[name] for name in helps}
        texts = (
            f"{name}: {help[:1].lower()}{help[1:]}" for name, help in helps.items()
        )
        lines = (textwrap.wrap(text, 108, break_on_hyphens=False) for text in texts)
        text, _, rest = (function.__doc__ or "").partition(f"{keywords.name}: ")
        text += f"\n{' ' * 8}".join(f"\n{' ' * 12}".join(several) for several in lines)
        function.__doc__ = text + rest[rest.find("\n") :]
        return function

    return decorate


def _parts(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union; of anything else, itself."""
    return (
        (annotation,)
        if get_origin(annotation) is Literal
        else get_args(annotation) or (annotation,)
    )


def _bounds(about: Setting, *, whole: bool) -> str:
    """Return what a number must be, as a sentence."""
    share = about.at_least == 0 and about.below == 1
    text = "a share" if share else "a whole number" if whole else "a number"
    bounds = ((word, getattr(about, name)) for name, _, word in _BOUNDS)
    text += "".join(f" {word} {bound:,}" for word, bound in bounds if bound is not None)
    is_open = (
        about.at_least is not None and about.below is None and about.at_most is None
    )
    return f"It must be {text}{' up' * is_open}."
