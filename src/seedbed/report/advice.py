"""Which network to use, why that one, and how sure that is: the first thing that a reader wants to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.evaluation import METRICS
from seedbed.evaluation.verdicts import percent
from seedbed.report.ranking import measure

__all__ = ["advice_sentences", "good_side", "listed", "sureness_sentences"]

_MOST_NAMED = 6


def advice_sentences(document: Mapping[str, Any]) -> list[str]:
    """What to use, and why; empty where no verdict is due."""
    advice = document["advice"]
    if advice is None:
        return []
    return [_use(document, advice), *_why(document, advice), *_beside(advice)]


def sureness_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """What to expect of what is advised, and how probable it is that each has a lower error than the reference."""
    advice = document["advice"]
    if advice is None:
        return
    names = {one["name"]: one for one in document["candidates"]}
    used = [*advice["ahead"], advice["network"]][0]
    chosen = names[used]["scores"]
    beside = ("r2", "mae") if document["task"] == "regression" else ("accuracy",)
    shown = [name for name in dict.fromkeys((document["metric"]["name"], *beside)) if chosen[name]["low"] is not None]
    ranges = [f"{METRICS[name].words} {_range(name, chosen[name])}" for name in shown]
    if ranges:
        yield f"Of {used} on new rows like these, expect {listed(ranges)}."
    told = {name for name, one in names.items() if one["kind"] == "network" or name == "auto"}
    told |= {*advice["ahead"], *advice["as_good"]}
    verdicts = [verdict for verdict in document["verdicts"] if verdict["candidate"] in told]
    verdicts.sort(key=lambda verdict: -verdict["p_better"])
    if verdicts:
        chances = [f"{one['candidate']} {percent(one['p_better'])}" for one in verdicts[:_MOST_NAMED]]
        more = f" and {len(verdicts) - _MOST_NAMED} more below" if len(verdicts) > _MOST_NAMED else ""
        than = f"{good_side(document['metric'])} than {document['reference']}, each comparison taken alone"
        yield f"How sure is that? Probability of {than}: {', '.join(chances)}{more}."


def good_side(metric: Mapping[str, Any]) -> str:
    """What the better of two has."""
    return f"a higher {metric['words']}" if metric["greater_is_better"] else "a lower error"


def listed(words: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _use(document: Mapping[str, Any], advice: Mapping[str, Any]) -> str:
    if advice["no_gain"]:
        guess = "the mean" if document["task"] == "regression" else "the class shares"
        told = f"{advice['first']} isn't told apart from always guessing {guess}."
        if advice["ahead"]:
            return f"Use {advice['ahead'][0]}, which comes out ahead, and none of these networks: {told}"
        return f"Use none of these networks: {told}"
    if advice["ahead"]:
        which = advice["ahead"][0]
        return f"Use {which}, which comes out ahead of the networks. If it must be a network, use {advice['network']}."
    return f"Use {advice['network']}."


def _why(document: Mapping[str, Any], advice: Mapping[str, Any]) -> Iterator[str]:
    networks = {one["name"]: one for one in document["candidates"] if one["kind"] == "network"}
    n, k = len(networks), len(advice["among"])
    if advice["no_gain"] or n == 1:
        return
    if k == 1:
        yield f"It is told apart from the {_other(n - 1)}, and ahead of {'it' if n == 2 else 'them'}."
        return
    network, first = advice["network"], advice["first"]
    size, others = networks[network]["n_parameters"], [name for name in advice["among"] if name != network]
    if network == first:
        rest = f"{others[0]}, which" if k == 2 else f"{k - 1} others, none of which"
        yield f"It comes first among the networks; these rows can't tell it from {rest} is {'no ' * (k == 2)}smaller."
        return
    before = f"These rows can't tell it from {first}, which comes first among the networks"
    if k == 2:
        yield f"{before}, and it is smaller ({size:,} parameters, not {networks[first]['n_parameters']:,})."
    else:
        large = f"{networks[first]['n_parameters']:,} parameters"
        yield f"{before} with {large}; it has {size:,}, and none that can't be told from the first has fewer."


def _other(n: int) -> str:
    return "other network" if n == 1 else f"{n} other networks"


def _beside(advice: Mapping[str, Any]) -> Iterator[str]:
    if advice["as_good"] and not advice["no_gain"]:
        them = listed(advice["as_good"])
        yield f"But {them} can't be told from it either: as far as these rows show, no network is needed."


def _range(name: str, score: Mapping[str, Any]) -> str:
    low, high = (measure(name, score[key], score["mean"]) for key in ("low", "high"))
    return f"{measure(name, score['mean'])} ({low.removesuffix('%')} to {high})"
