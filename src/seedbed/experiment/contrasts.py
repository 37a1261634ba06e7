"""What may help: pairs of models that differ in one thing, fixed before the run; and models in a
few words."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from seedbed.errors import counted
from seedbed.evaluation.summaries import Task
from seedbed.experiment.spec import Line
from seedbed.model.portfolio import AUTO, LINES
from seedbed.networks.candidate import Candidate
from seedbed.networks.mlp import MLP, Prior, Regression, Trees
from seedbed.outcomes.tasks import outcome_of

_OF_DEFAULT_MODELS: tuple[tuple[str, str, str], ...] = (
    ("a hidden layer", "network-1", "logistic"),
    ("a second layer", "network-2", "network-1"),
    ("numbers in bins", "network-2-bins", "network-2"),
    ("numbers as waves", "network-2-waves", "network-2"),
    ("trees instead of networks", "boosted-trees", "network-2"),
)
_ORDINALS = {2: "a second layer", 3: "a third layer"}
_Things = Mapping[str, Any]
_NOT_WORDS = (
    "widths",
    "activations",
    "numbers",
    "categories",
    "plr_frequencies",
    "plr_sigma",
)


def questions_of(lines: Sequence[Line]) -> list[tuple[str, str, Sequence[str]]]:
    """Return what may help among the models of a comparison, as `evaluation.contrasts_of` takes it:
    the thing, the model with it, and those without. Those of the default comparison come first,
    then neighbours among named candidates, then blending."""
    names = [line.name for line in lines]
    linear = next((line.name for line in lines if _is(line, Regression)), "logistic")
    usual = [
        (thing, one, linear if other == "logistic" else other)
        for thing, one, other in _OF_DEFAULT_MODELS
    ]
    questions: list[tuple[str, str, Sequence[str]]] = [
        (thing, one, (other,))
        for thing, one, other in usual
        if one in names and other in names
    ]
    mine = {
        line.name: _things(line.candidate)
        for line in lines
        if line.name not in LINES and _is(line, MLP)
    }
    questions += [(thing, one, (other,)) for thing, one, other in _neighbours(mine)]
    if linear in names:
        questions += [
            ("a hidden layer", name, (linear,))
            for name, things in mine.items()
            if things["depth"] == 1
        ]
    if AUTO in names:
        singles = tuple(name for name in names if name not in (AUTO, "prior"))
        questions.append(("mixing models", AUTO, singles))
    return questions


def few_words(line: Line, task: Task) -> str:
    """Return what a model is, in a few words."""
    if line.is_blend:
        return "mix of models"
    if line.candidate is None or not isinstance(
        line.candidate.architecture, MLP | Trees | Prior | Regression
    ):
        return "your network" if line.candidate is not None else "your model"
    architecture = line.candidate.architecture
    if isinstance(architecture, Trees):
        return {"boosted": "decision trees", "extra": "random trees"}[
            architecture.method
        ]
    if isinstance(architecture, Prior | Regression):
        return outcome_of(task).few_words[isinstance(architecture, Regression)]
    if not architecture.widths:
        return "no hidden layer"
    inputs = ", bins" * bool(architecture.ple) + ", waves" * bool(architecture.plr)
    inputs += ", linear" * (set(architecture.by_layer) == {"linear"})
    return f"{counted(len(architecture.widths), 'layer')}{inputs}"


def _is(line: Line, kind: type) -> bool:
    return line.candidate is not None and isinstance(line.candidate.architecture, kind)


def _things(candidate: Candidate | None) -> _Things:
    """Return what a network consists of, by name: depth, width, activation, words of its shape and
    of its recipe."""
    assert candidate is not None
    mlp = candidate.architecture
    assert isinstance(mlp, MLP)
    one_width, one_activation = len(set(mlp.widths)) == 1, len(set(mlp.by_layer)) == 1
    return {
        "depth": len(mlp.widths),
        "width": mlp.widths[0] if one_width else mlp.widths,
        "activation": mlp.by_layer[0] if one_activation else mlp.by_layer,
        **{name: value for name, value in vars(mlp).items() if name not in _NOT_WORDS},
        **dict(candidate.overrides),
    }


def _neighbours(networks: Mapping[str, _Things]) -> Iterator[tuple[str, str, str]]:
    """Yield the thing, the network with it and the one without, for all that differ in one thing.
    Of several depths, widths or other numbers, each is compared with the next smaller one; of
    activations, with the one named first."""
    for thing in dict.fromkeys(itertools.chain.from_iterable(networks.values())):
        for group in _equal_but_for(networks, thing):
            values = [networks[name].get(thing) for name in group]
            if all(isinstance(value, bool | int | float | None) for value in values):
                group = sorted(group, key=lambda name: networks[name].get(thing) or 0)
                pairs: Iterable[tuple[str, str]] = itertools.pairwise(group)
            else:
                pairs = ((group[0], one) for one in group[1:])
            yield from (
                (_words(thing, networks[one], networks[other]), one, other)
                for other, one in pairs
            )
    for group in _equal_but_for(networks, "depth", "width"):
        widths = dict[str, tuple[int, ...]]()
        for name in group:
            width, depth = networks[name]["width"], networks[name]["depth"]
            widths[name] = width if isinstance(width, tuple) else (width,) * depth
        for other, one in itertools.pairwise(
            sorted(group, key=lambda name: (len(widths[name]), sum(widths[name])))
        ):
            deep, shallow = widths[one], widths[other]
            if len(deep) > len(shallow) and min(deep) > max(shallow, default=0):
                yield "deeper and wider", one, other


def _equal_but_for(
    networks: Mapping[str, _Things], *things: str
) -> Iterable[list[str]]:
    """Return the names of networks in groups that are equal in everything but some things."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, one in networks.items():
        rest = sorted(
            (key, repr(value)) for key, value in one.items() if key not in things
        )
        groups.setdefault(tuple(rest), []).append(name)
    return groups.values()


def _words(thing: str, with_it: Mapping[str, Any], without: Mapping[str, Any]) -> str:
    """Return in words what one network has and the other one hasn't."""
    now: Any = with_it.get(thing)
    before: Any = without.get(thing)
    if thing == "depth":
        return (
            _ORDINALS.get(now, f"{now} layers")
            if now == before + 1
            else f"{now} layers, not {before}"
        )
    if thing == "width":
        return (
            f"{now} units, not {before}"
            if isinstance(now, int) and isinstance(before, int)
            else "other widths"
        )
    if thing == "activation":
        return f"{now}" if before == "linear" else f"{now}, not {before}"
    if now is True:
        return thing
    return f"{thing} {now:g}" if isinstance(now, int | float) else f"{thing} {now}"
