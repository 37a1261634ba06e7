"""What may help: pairs of models that differ in one thing, fixed before the run; and models in a few words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from seedbed.evaluation.summaries import Task
from seedbed.experiment.spec import Line
from seedbed.model.portfolio import AUTO, LINES
from seedbed.networks.mlp import MLP, Prior, Regression, Trees
from seedbed.outcomes.tasks import outcome_of

_OF_DEFAULT_MODELS: tuple[tuple[str, str, str], ...] = (
    ("a hidden layer", "network-1", "logistic"),
    ("deeper: a second layer", "network-2", "network-1"),
    ("numbers cut into ranges", "network-2-bins", "network-2"),
    ("numbers as sine waves", "network-2-waves", "network-2"),
    ("trees, not a network", "boosted-trees", "network-2"),
)
_NUMBERS = {1: "one", 2: "two", 3: "three"}
_ORDINALS = {2: "deeper: a second layer", 3: "deeper: a third layer"}
_NOT_WORDS = ("widths", "activations", "numbers", "categories", "plr_frequencies", "plr_sigma")


def questions_of(lines: Sequence[Line]) -> list[tuple[str, str, Sequence[str]]]:
    """Return what may help among the models of a comparison, as `evaluation.contrasts_of` takes it: the thing, the
    model with it, and those without. Those of the default comparison come first, then neighbours among named
    candidates, then blending."""
    names = [line.name for line in lines]
    linear = next((line.name for line in lines if _is(line, Regression)), "logistic")
    usual = [(thing, one, linear if other == "logistic" else other) for thing, one, other in _OF_DEFAULT_MODELS]
    questions: list[tuple[str, str, Sequence[str]]] = [
        (thing, one, (other,)) for thing, one, other in usual if one in names and other in names
    ]
    mine = [line for line in lines if line.name not in LINES and _is(line, MLP)]
    questions += [(thing, one.name, (other.name,)) for thing, one, other in _neighbours(mine)]
    if linear in names:
        questions += [("a hidden layer", line.name, (linear,)) for line in mine if len(_mlp(line).widths) == 1]
    if AUTO in names:
        singles = tuple(name for name in names if name not in (AUTO, "prior"))
        questions.append(("mixing all models", AUTO, singles))
    return questions


def few_words(line: Line, task: Task) -> str:
    """Return what a model is, in a few words."""
    if line.is_blend:
        return "mix of the others"
    if line.candidate is None or not isinstance(line.candidate.architecture, MLP | Trees | Prior | Regression):
        return "your network" if line.candidate is not None else "your model"
    architecture = line.candidate.architecture
    if isinstance(architecture, Trees):
        return {"boosted": "small decision trees", "extra": "random trees"}[architecture.method]
    if isinstance(architecture, Prior | Regression):
        return outcome_of(task).few_words[isinstance(architecture, Regression)]
    if not architecture.widths:
        return "no hidden layer"
    layers = len(architecture.widths)
    inputs = ", ranges" * bool(architecture.ple) + ", waves" * bool(architecture.plr)
    inputs += ", linear" * (set(architecture.by_layer) == {"linear"})
    plural = "s" * (layers > 1)
    return f"{layers} layer{plural}{inputs}" if inputs else f"{_NUMBERS.get(layers, layers)} hidden layer{plural}"


def _is(line: Line, kind: type) -> bool:
    return line.candidate is not None and isinstance(line.candidate.architecture, kind)


def _mlp(line: Line) -> MLP:
    assert line.candidate is not None
    assert isinstance(line.candidate.architecture, MLP)
    return line.candidate.architecture


def _things(line: Line) -> Mapping[str, Any]:
    """Return what a network consists of, by name: depth, width, activation, words of its shape and of its recipe."""
    mlp = _mlp(line)
    assert line.candidate is not None
    one_width, one_activation = len(set(mlp.widths)) == 1, len(set(mlp.by_layer)) == 1
    shape = {field.name: getattr(mlp, field.name) for field in fields(mlp) if field.name not in _NOT_WORDS}
    return {
        "depth": len(mlp.widths),
        "width": mlp.widths[0] if one_width else mlp.widths,
        "activation": mlp.by_layer[0] if one_activation else mlp.by_layer,
        **shape,
        **dict(line.candidate.overrides),
    }


def _neighbours(lines: Sequence[Line]) -> Iterator[tuple[str, Line, Line]]:
    """Yield the thing, the network with it and the one without, for all that differ in one thing. Of several depths,
    widths or other numbers, each is compared with the next smaller one; of activations, with the one named first."""
    things = {line.name: _things(line) for line in lines}
    for thing in dict.fromkeys(itertools.chain.from_iterable(things.values())):
        groups: dict[tuple[Any, ...], list[Line]] = {}
        for line in lines:
            rest = tuple(sorted((name, repr(value)) for name, value in things[line.name].items() if name != thing))
            groups.setdefault(rest, []).append(line)
        for group in groups.values():
            values = [things[line.name].get(thing) for line in group]
            if all(isinstance(value, bool | int | float | None) for value in values):
                group = sorted(group, key=lambda line: things[line.name].get(thing) or 0)
                pairs = zip(group[1:], group, strict=False)
            else:
                pairs = zip(group[1:], itertools.repeat(group[0]), strict=False)
            yield from ((_words(thing, things[one.name], things[other.name]), one, other) for one, other in pairs)
    yield from _larger(lines, things)


def _larger(lines: Sequence[Line], things: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Line, Line]]:
    """Yield networks that are both deeper and wider than the next smaller one, and equal in all else."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        rest = {name: value for name, value in things[line.name].items() if name not in ("depth", "width")}
        groups.setdefault(repr(rest), []).append(line)
    for group in groups.values():
        group.sort(key=lambda line: (len(_mlp(line).widths), sum(_mlp(line).widths)))
        for other, one in itertools.pairwise(group):
            (wide, deep), (narrow, shallow) = ((_mlp(line).widths, len(_mlp(line).widths)) for line in (one, other))
            if deep > shallow and min(wide) > max(narrow, default=0):
                yield "deeper and wider", one, other


def _words(thing: str, with_it: Mapping[str, Any], without: Mapping[str, Any]) -> str:
    """Return in words what one network has and the other one hasn't."""
    now: Any = with_it.get(thing)
    before: Any = without.get(thing)
    if thing == "depth":
        return _ORDINALS.get(now, f"{now} layers") if now == before + 1 else f"{now} layers, not {before}"
    if thing == "width":
        return f"{now} units, not {before}" if isinstance(now, int) and isinstance(before, int) else "other widths"
    if thing == "activation":
        return f"{now}" if before == "linear" else f"{now}, not {before}"
    if now is True:
        return thing
    return f"{thing} {now:g}" if isinstance(now, int | float) else f"{thing} {now}"
