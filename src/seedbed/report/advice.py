"""Which model to use, whether that is shown, and which score to expect: what readers want to know first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.evaluation import METRICS, plain_number
from seedbed.report.tables import measure

__all__ = [
    "advice_sentences",
    "expected_sentences",
    "good_side",
    "guessing",
    "lead_metric",
    "listed",
    "margin_words",
    "rare_label",
]

_MOST_NAMED = 4
_ORDINALS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NEARLY_ALL = 0.985  # from here on, 1,000 rows are named, since all of 100 would be right
_RARE = 0.1  # of the rows
_MUCH_LARGER = 2  # times as many parameters


def advice_sentences(document: Mapping[str, Any]) -> list[str]:
    """Return the recommendation, then why and how sure it is; empty if no verdict is due."""
    advice = document["advice"]
    if advice is None:
        return []
    headline = _headline(document, advice)
    if document["plan"].get("sample_of"):
        headline = f"In this sample, {headline[0].lower()}{headline[1:]}"
    return [headline, *_second(document, advice), *_doubt(document, advice)]


def expected_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the expected result on new rows of the recommended model, or of the best guess."""
    advice = document["advice"]
    if advice is None:
        return
    name = advice["use"]
    scores = next(one["scores"] for one in document["candidates"] if one["name"] == name)
    if document["task"] != "regression":
        if rare := rare_label(document):
            yield from _share_of_rare(document, name, scores, rare)
            return
        score, top = scores["accuracy"], document["top"]
        if document["metric"]["name"] == "accuracy" and top and top["winner"] == name:  # it was chosen by this score
            score = {"mean": top["expected"], "low": top["low"], "high": top["high"]}
        if score["low"] is not None:
            of = 100 if score["mean"] < _NEARLY_ALL else 1000
            right, low, high = (f"{of * score[key]:,.0f}" for key in ("mean", "low", "high"))
            yield f"Of {of:,} new rows like these, {name} gets about {right} right (plausibly {low} to {high})."
        return
    ranges = [f"{METRICS[key].words} {_range(key, scores[key])}" for key in ("r2", "mae") if scores[key]["low"]]
    if ranges:
        yield f"On new rows like these, expect of {name} {listed(ranges)}."


def rare_label(document: Mapping[str, Any]) -> str:
    """Return the rarer of two labels if it has less than a tenth of the rows, else an empty text.

    Predicting the other label is then right in over nine rows of ten, so accuracy says little.
    """
    if document["task"] != "binary" or document["majority_share"] <= 1 - _RARE:
        return ""
    if not all("recall" in one["scores"] for one in document["candidates"]):
        return ""
    labels: Mapping[str, int] = document["labels"]
    return min(labels, key=lambda label: labels[label])


def _share_of_rare(document: Mapping[str, Any], name: str, scores: Mapping[str, Any], label: str) -> Iterator[str]:
    """Yield how many rows of a rare label a model finds, and how well it ranks rows."""
    recall, auc = scores["recall"], scores["roc_auc"]
    if recall["low"] is not None and auc["low"] is not None:
        share, low, high = (f"{100 * recall[key]:,.0f}" for key in ("mean", "low", "high"))
        yield (
            f"Of 100 new rows with {document['target']} {label}, {name} finds about {share} (plausibly {low} to "
            f"{high}). Its ROC AUC is {_range('roc_auc', auc)}."
        )


def lead_metric(document: Mapping[str, Any]) -> str:
    """Return the score that is shown first: accuracy for classes, ROC AUC if one is rare; R2, or the chosen mae, for
    numbers.
    """
    if document["task"] != "regression":
        return "roc_auc" if rare_label(document) else "accuracy"
    return "mae" if document["metric"]["name"] == "mae" else "r2"


def good_side(metric: Mapping[str, Any]) -> str:
    """Return the sign of a better model: a higher score or a lower error."""
    return f"a higher {metric['words']}" if metric["greater_is_better"] else "a lower error"


def guessing(document: Mapping[str, Any]) -> str:
    """Return what the baseline `prior` does."""
    return f"predicting the {'mean' if document['task'] == 'regression' else 'same for every row'}"


def listed(words: Sequence[str], most: int | None = None, last: str = "and") -> str:
    """Join words as `a, b and c`, or with another word before the last; more than `most` are counted, not named."""
    if most is not None and len(words) > most + 1:
        words = [*words[:most], f"{len(words) - most} others"]
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def margin_words(metric: Mapping[str, Any], value: float | None = None) -> str:
    """Return the margin, or another difference in the metric, as a size: `0.00436`, `1 point`, `2.5 points`."""
    size = metric["margin"] if value is None else value
    if metric["name"] != "accuracy":
        return plain_number(size)
    points = f"{100 * size:.3g}"
    return "1 point" if points == "1" else f"{points} points"


def _headline(document: Mapping[str, Any], advice: Mapping[str, Any]) -> str:
    use, best, first, metric = advice["use"], advice["best"], advice["first"], document["metric"]
    differs = document["task"] != "regression" and lead_metric(document) != metric["name"]
    by = f" by the {metric['words']}" if differs else ""
    if use == "prior":
        if advice["undecided"]:
            return f"No recommendation{by}: no model did better than {guessing(document)}."
        return f"Use no model: all of them are shown to be worse than {guessing(document)}."
    if advice["guess"]:
        return f"Best guess{by}: use {use}, which isn't shown to be better than {guessing(document)}."
    if use in advice["as_good"]:
        if ahead := advice["ahead"]:
            shown = f"which {_are(ahead)} shown to be better than {first}"
            return f"No network is needed: use {listed(ahead, _MOST_NAMED, 'or')}, {shown}."
        places = {name: place for place, name in enumerate(document["ranking"])}
        leaders = [name for name in advice["as_good"] if places[name] < places[first]]
        if leaders:
            return (
                f"No network is needed: use {listed(leaders, _MOST_NAMED, 'or')}, as no network is shown to be better."
            )
        as_good = listed(advice["as_good"], _MOST_NAMED, "or")
        return f"No network is needed: use {as_good}, as the small lead of {first} may be chance."
    if use != best:
        return f"Use {use}: it is simpler than {best}, whose small lead may be chance."
    if advice["undecided"]:
        return f"Use {use}: it has {_lowest(document)}, but its lead may be chance."
    others = [name for name in document["ranking"] if name != use]
    return f"Use {use}: it is shown to be better than {others[0] if len(others) == 1 else 'all others'}."


def _second(document: Mapping[str, Any], advice: Mapping[str, Any]) -> Iterator[str]:
    """Yield the network to take where none is needed, and what a larger one has."""
    use, first, network = (advice[key] for key in ("use", "first", "network"))
    if advice["guess"]:
        if use in advice["as_good"]:
            yield f"Among networks, the best guess is {_with_score(document, network)}."
        return
    if advice["no_gain"]:
        yield f"No network is shown to be better than {guessing(document)}; the best one is {first}."
        return
    size = _larger(document, first, network) if network != first else ""
    if use in advice["as_good"]:
        also = f"; {_with_score(document, first)} is larger and isn't shown to be better" if size else ""
        yield f"Among networks, use {_with_score(document, network)}{also}."
    elif size:
        yield f"{_with_score(document, first)} isn't shown to be better than {network}, and has {size}."


def _doubt(document: Mapping[str, Any], advice: Mapping[str, Any]) -> Iterator[str]:
    """Yield which of the first models may be the best one, and whether a network is needed, if that is open."""
    ranking, use = document["ranking"], advice["use"]
    if advice["guess"]:
        return
    together = [set(group) for group in document["brackets"]]

    def open_between(one: int, other: int) -> bool:
        return any({one, other} <= group for group in together)

    # A model that is shown to be worse than another one isn't the best one.
    places = [place for place in range(len(ranking)) if all(open_between(place, better) for better in range(place))]
    baselines = {one["name"] for one in document["candidates"] if one["kind"] == "baseline"} - {"prior", "auto"}
    rivals = []
    if use in ranking and use not in (*advice["as_good"], "prior"):  # a network
        rivals = [
            name for place, name in enumerate(ranking) if name in baselines and open_between(place, ranking.index(use))
        ]
    rows = f"These {document['n_rows']:,} rows"
    names = [ranking[place] for place in places]
    settled = [
        one["candidate"]
        for one in document["verdicts"]
        if one["candidate"] in names and one["rule"] == "no_practical_difference"
    ]
    if len(places) > 1:
        first = places == list(range(len(places))) and len(places) <= len(_ORDINALS) + 1
        which = f"the first {_ORDINALS[len(places) - 2]}" if first else listed(names, _MOST_NAMED)
        all_alike = document["reference"] in names and len(settled) == len(names) - 1
        if not all_alike:
            within = bool(rivals) and set(rivals) <= set(names)
            yield f"{rows} don't show which of {which} is best{', so a network may not be needed' * within}."
            if within:
                rivals = []
        if document["reference"] in names and settled:
            yield f"There is no practical difference between {listed([document['reference'], *settled], _MOST_NAMED)}."
    if rivals:
        of = listed(rivals, _MOST_NAMED)
        yield f"Whether a network is needed is open: the lead of {use} over {of} would matter, but may be chance."


def _are(names: Sequence[str]) -> str:
    return "are" if len(names) > 1 else "is"


def _lowest(document: Mapping[str, Any]) -> str:
    metric = document["metric"]
    if document["task"] == "regression":
        return "the lowest error"
    return f"the {'highest' if metric['greater_is_better'] else 'lowest'} {metric['words']}"


def _with_score(document: Mapping[str, Any], name: str) -> str:
    """Return `linear:5 (82.5%)`: a model with the score that is shown first."""
    lead = lead_metric(document)
    score = next(one["scores"][lead]["mean"] for one in document["candidates"] if one["name"] == name)
    words = "" if lead == "accuracy" else f"{METRICS[lead].words} "
    return name if score is None else f"{name} ({words}{measure(lead, score)})"


def _larger(document: Mapping[str, Any], large: str, small: str) -> str:
    """Return how many more parameters one network has than another; empty if that isn't known."""
    found = {one["name"]: one.get("n_parameters") for one in document["candidates"]}
    if not found[large] or not found[small]:
        return ""
    times = found[large] / found[small]
    return f"{times:.0f} times as many parameters" if times >= _MUCH_LARGER else "more parameters"


def _range(name: str, score: Mapping[str, Any]) -> str:
    low, high = (measure(name, score[key], score["mean"]) for key in ("low", "high"))
    return f"{measure(name, score['mean'])} ({low.removesuffix('%')} to {high})"
