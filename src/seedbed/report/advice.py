"""Which model to use, whether that is shown, and what to expect of it: the first thing that a reader wants to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.evaluation import METRICS, plain_number
from seedbed.report.ranking import measure

__all__ = ["advice_sentences", "good_side", "guessing", "listed", "margin_words", "sureness_sentences"]

_MOST_NAMED = 4


def advice_sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what to use, the headline first, then why; empty where no verdict is due."""
    advice = document["advice"]
    if advice is None:
        return []
    return [_headline(document, advice), *_why(document, advice)]


def sureness_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what to expect of the model that is recommended, or of the best guess where none is."""
    advice = document["advice"]
    if advice is None:
        return
    used = advice["use"] or advice["best"]
    scores = dict(next(one["scores"] for one in document["candidates"] if one["name"] == used))
    top = document["top"]
    if top and top["winner"] == used and document["interval"] is not None:  # allowing for having been chosen
        scores[document["metric"]["name"]] = {"mean": top["expected"], "low": top["low"], "high": top["high"]}
    first = ("r2", "mae") if document["task"] == "regression" else ("accuracy",)
    shown = [name for name in dict.fromkeys((*first, document["metric"]["name"])) if scores[name]["low"] is not None]
    ranges = [f"{METRICS[name].words} {_range(name, scores[name])}" for name in shown]
    if ranges:
        yield f"On new rows like these, expect of {used} {listed(ranges)}."


def good_side(metric: Mapping[str, Any]) -> str:
    """Return what the better of two models has."""
    return f"a higher {metric['words']}" if metric["greater_is_better"] else "a lower error"


def guessing(document: Mapping[str, Any]) -> str:
    """Return what the baseline `prior` does."""
    return f"predicting the {'mean' if document['task'] == 'regression' else 'class frequencies'}"


def listed(words: Sequence[str], most: int | None = None) -> str:
    """a, b and c; at most so many by name"""
    if most is not None and len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def margin_words(metric: Mapping[str, Any], value: float | None = None) -> str:
    """Return the margin, or another difference in the metric, as a size: `0.00436`, `1 point`, `2.5 points`."""
    size = metric["margin"] if value is None else value
    if metric["name"] != "accuracy":
        return plain_number(size)
    points = f"{100 * size:.3g}"
    return "1 point" if points == "1" else f"{points} points"


def _headline(document: Mapping[str, Any], advice: Mapping[str, Any]) -> str:
    use, best = advice["use"], advice["best"]
    metric = document["metric"]
    leads = f"has the {'highest ' + metric['words'] if metric['greater_is_better'] else 'lowest error'}"
    if use is None:
        return f"No model is shown to be better than {guessing(document)}; the best guess is {best}."
    if use == "prior":
        return f"No model is needed: {guessing(document)} {leads}{_shown(advice)}."
    need = "No network is needed: " if use in advice["as_good"] else "Use "
    if use == best:
        return f"{need}{use}{' ' if advice['as_good'] else ': it '}{leads}{_shown(advice)}."
    within = f"within the margin of the best guess, {best}"
    if need == "Use ":
        return f"Use {use}: it is simpler than the best guess, {best}, and as good to within the margin."
    several = len(advice["as_good"]) > 1
    return f"{need}{listed(advice['as_good'], _MOST_NAMED)} {'are' if several else 'is'} {within}."


def _shown(advice: Mapping[str, Any]) -> str:
    """Return whether the best guess is shown to be better than the others, to follow what it has."""
    return ", but only leads" if advice["undecided"] else ", and it is shown to be better than all others"


def _why(document: Mapping[str, Any], advice: Mapping[str, Any]) -> Iterator[str]:
    use, best, first, network = (advice[key] for key in ("use", "best", "first", "network"))
    if advice["no_gain"]:
        if use is not None:
            yield f"No network is shown to be better than {guessing(document)}; the best one is {first}."
        return
    undecided = listed(advice["undecided"], _MOST_NAMED)
    if use == best and undecided:
        yield f"It isn't shown to be better than {undecided}."
    if use != best:
        yield f"{best} has {_gain(document, best, use)}, but it isn't shown to be better than {undecided}."
        if network not in (use, first):
            yield f"The simplest network within the margin is {network}."
    elif use in advice["as_good"]:
        beside = "may be as good" if network in advice["undecided"] else "is shown to be worse"
        yield f"The best network is {network}, which {beside}."
        if network != first:
            yield f"{first} has {_gain(document, first, network)}, which is within the margin."


def _gain(document: Mapping[str, Any], better: str, simpler: str) -> str:
    """Return by how much the better of two models is ahead, and their sizes where both are single networks."""
    metric, found = document["metric"], {one["name"]: one for one in document["candidates"]}
    large, small = (found[name] for name in (better, simpler))
    apart = abs(large["scores"][metric["name"]]["mean"] - small["scores"][metric["name"]]["mean"])
    by = margin_words(metric, float(f"{apart:.2g}"))
    way = f"a {metric['words']} higher" if metric["greater_is_better"] else "an error lower"
    if "n_parameters" not in large or "n_parameters" not in small:
        return f"{way} by {by}"
    return f"{large['n_parameters']:,} parameters instead of {small['n_parameters']:,} and {way} by {by}"


def _range(name: str, score: Mapping[str, Any]) -> str:
    low, high = (measure(name, score[key], score["mean"]) for key in ("low", "high"))
    return f"{measure(name, score['mean'])} ({low.removesuffix('%')} to {high})"
