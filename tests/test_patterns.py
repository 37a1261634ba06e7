"""Every regular expression of the package takes linear time. Each is attacked with strings made of
its own matches."""

import ast
import importlib
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import seedbed
from seedbed.data.cells import CERTAIN_POINT, DOTTED, LEADING_ZEROS
from seedbed.report.html_page import _COMMAND

PACKAGE = Path(seedbed.__file__).parent
FUNCTIONS = set("compile match fullmatch search sub split findall finditer".split())
# Patterns that are composed inside a function; beside the place, their possible values.
INSIDE = {
    "data/cells.py: f-string": (),  # compiled into globals of that module
    "data/frame.py: pattern": (LEADING_ZEROS, CERTAIN_POINT, DOTTED),
    "settings/fields.py: f-string": (r"^( *)settings: .*$",),
    "report/html_page.py: names_and_options": (
        rf"(?P<command>{_COMMAND})|linear:5(?![\w:])|relu:5(?![\w:])|--[a-z][a-z-]*(?: [A-Z]+\b| \d+\b)?",
    ),
}
UNKNOWN: list[str] = []
# an exponential pattern is found while the string is still short
LENGTHS = (*range(18, 31, 3), 40, 8_192)
MOST_SECONDS = 0.04  # CPU time; a linear


def enrolled() -> Iterator[tuple[str, str | bytes, int, str]]:
    """Return place, pattern, flags and function of all regular expressions."""
    sources = {
        file: file.read_text(encoding="utf-8") for file in sorted(PACKAGE.rglob("*.py"))
    }
    functions: dict[str, set[str]] = {}  # of compiled patterns, by their names
    for name, function in re.findall(r"\b(\w+)\.(\w+)\(", "\n".join(sources.values())):
        functions.setdefault(name, set()).add(function)
    for file, text in sources.items():
        if "re." not in text or "import torch\n" in text:
            continue
        where = file.relative_to(PACKAGE).as_posix()
        module = importlib.import_module(
            "seedbed."
            + where.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        )
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                for function in functions.get(name, set()) & FUNCTIONS:
                    yield f"{where}: {name}", value.pattern, value.flags, function
        for call in ast.walk(ast.parse(text)):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and (found := argument(call))
            ):
                try:
                    pattern = eval(
                        compile(ast.Expression(found), where, "eval"), vars(module)
                    )
                except NameError:
                    kind = (
                        "f-string"
                        if isinstance(found, ast.JoinedStr)
                        else ast.unparse(found)
                    )
                    if (place := f"{where}: {kind}") not in INSIDE:
                        UNKNOWN.append(place)
                    function = call.func.attr.replace("compile", "match")
                    yield from (
                        (place, one, 0, function) for one in INSIDE.get(place, ())
                    )
                else:
                    function = call.func.attr
                    if function != "compile":  # compiled patterns are among
                        yield f"{where}:{call.lineno}", pattern, 0, function


def argument(call: ast.Call) -> ast.expr | None:
    """Return the pattern of `re.FUNCTION(pattern, ...)`."""
    of_re = (
        isinstance(call.func.value, ast.Name)
        and call.func.value.id == "re"
        and call.func.attr in FUNCTIONS
    )
    return call.args[0] if of_re else None


ENDS = code.LITERAL, code.RANGE
PATTERNS = list(dict.fromkeys(enrolled()))


def sample(tree: Any, own: str, draw: random.Random) -> str:
    """Return a string that the pattern matches, or nearly matches; `own` are characters in the
    pattern."""
    made = ""
    for kind, value in tree:
        if kind is code.LITERAL:
            made += chr(value)
        elif kind in (code.ANY, code.NOT_LITERAL):
            made += draw.choice(own + "x 1")
        elif kind is code.IN:
            named = [
                chr(one if what is code.LITERAL else one[0])
                for what, one in value
                if what in ENDS
            ]
            made += draw.choice(
                [one for one in [*own, *named, *"x1 "] if re.match(spelled(value), one)]
            )
        elif kind is code.BRANCH:
            made += sample(draw.choice(value[1]), own, draw)
        elif kind is code.SUBPATTERN:
            made += sample(value[3], own, draw)
        elif kind in (code.MAX_REPEAT, code.MIN_REPEAT):
            made += "".join(
                sample(value[2], own, draw)
                for _ in range(max(value[0], draw.randint(0, min(value[1], 2))))
            )
        elif kind is code.ASSERT:
            made += sample(value[1], own, draw)
    return made


def spelled(members: Any) -> str:
    """A set of characters, as a pattern."""
    parts = {
        code.NEGATE: lambda _: "^",
        code.LITERAL: lambda one: re.escape(chr(one)),
        code.RANGE: lambda ends: f"{re.escape(chr(ends[0]))}-{re.escape(chr(ends[1]))}",
        code.CATEGORY: {
            code.CATEGORY_DIGIT: r"\d",
            code.CATEGORY_SPACE: r"\s",
            code.CATEGORY_WORD: r"\w",
            code.CATEGORY_NOT_SPACE: r"\S",
            code.CATEGORY_NOT_WORD: r"\W",
        }.get,
    }
    return f"[{''.join(parts[kind](value) for kind, value in members)}]"


def attacks(pattern: str | bytes, flags: int) -> set[tuple[str, str, str]]:
    """Yield (start, repeated part, end), cut from strings that the pattern matches."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    tree, draw = parser.parse(text, flags & re.IGNORECASE), random.Random(0)
    own = (
        "".join(sorted(set(re.sub(r"\\[a-zA-Z]|[\w()?:|*+\[\]^{},\\]", "", text))))
        or "x"
    )
    made = {sample(tree, own, draw)[:12] for _ in range(20)}
    cuts = [(one[:i], one[i:]) for one in sorted(made) for i in range(len(one) + 1)]
    again = [
        (start, rest[:n])
        for start, rest in cuts
        for n in range(1, min(len(rest), 6) + 1)
    ]
    again += [(start, one) for start, _ in cuts for one in " x0"]
    return {(start, one, end) for start, one in again for end in ("\0", "\nx")}


def slow(
    pattern: str | bytes, flags: int, function: str
) -> tuple[str, str, str] | None:
    """Return an attack that takes too long, or None."""
    apply: Callable[..., Any] = getattr(re.compile(pattern, flags), function)
    for start, again, end in sorted(attacks(pattern, flags)):
        for length in LENGTHS:
            text: Any = start + again * (length // len(again)) + end
            text = text.encode("latin-1") if isinstance(pattern, bytes) else text
            if all(timed(apply, function, text) > MOST_SECONDS for _ in range(3)):
                return start, again, end
    return None


def timed(apply: Callable[..., Any], function: str, text: Any) -> float:
    started = time.thread_time()
    result = apply(text[:0], text) if function == "sub" else apply(text)
    _ = list(result) if function == "finditer" else result
    return time.thread_time() - started


def test_composed_patterns_are_listed():
    assert UNKNOWN == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "pattern", "flags", "function"),
    PATTERNS,
    ids=[one[0] for one in PATTERNS],
)
def test_a_pattern_takes_linear_time(where, pattern, flags, function):
    assert slow(pattern, flags, function) is None
