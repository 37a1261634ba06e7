"""The answers that readers want first: which model to use, how sure that is, what to expect, what would settle it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seedbed.errors import counted, phrased
from seedbed.evaluation import METRICS, count_range, plain_number
from seedbed.report.tables import measure

__all__ = [
    "DECIDES_AS",
    "answers",
    "good_side",
    "guessing",
    "is_first_look",
    "learnt_nothing",
    "listed",
    "margin_words",
    "rare_label",
    "recommendation",
    "recommended",
]

_MOST_NAMED = 4
_NEARLY_ALL = 0.985  # from here on, 1,000 rows are named, since all of 100 would be right
_RARE = 0.1  # of the rows
_TOO_MANY = 10_000_000  # rows
_NARROW = 0.03  # a range of so few points has a decimal
DECIDES_AS = {"squared_error": "r2"}  # a difference is the same in both, and R2 is better known
_HARDLY = 0.9  # of an interval's width: a longer run that leaves more than that won't help


def answers(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the answers as (label, text): *Use*, *Network*, *How sure*, *Expect*, *To settle*.

    A label without an answer is left out. Without verdicts no model is recommended.
    """
    advice, ranking = document["advice"], document["ranking"]
    if advice is not None:
        found = [
            ("Use", _use(document)),
            ("Network", _network(document)),
            ("How sure", _how_sure(document)),
            ("Expect", _expect(document, advice["use"])),
            ("To settle", _settling(document)),
        ]
    else:
        alone = len(document["candidates"]) == len(ranking) == 1
        found = [("How sure", _limits(document)), ("Expect", _expect(document, ranking[0]) if alone else iter(()))]
    texts = [(label, phrased("; ".join(parts), document["command"])) for label, parts in found]
    return [(label, text) for label, text in texts if text]


def recommendation(document: Mapping[str, Any]) -> str:
    """Return which model to use and why, as a sentence."""
    return f"Use {'; '.join(_use(document))}."


def recommended(document: Mapping[str, Any]) -> set[str]:
    """Return the models that the answers *Use* and *Network* name."""
    advice = document["advice"]
    if advice is None:
        return set()
    return {advice["use"], *([advice["network"]] if any(_network(document)) else [])}


def _use(document: Mapping[str, Any]) -> Iterator[str]:
    advice, metric = document["advice"], document["metric"]
    best, use = advice["best"], advice["use"]
    rivals = {one["reference"]: one for one in document["rivals"]}
    if use == "prior":
        did = "did" if rivals else "is shown to do"
        yield f"no model: none {did} better than {guessing(document)}"
    elif use != best:
        small = best in rivals and abs(rivals[best]["difference"]) <= metric["margin"]
        lead = f"{'small ' * small}lead"
        if any(_network(document)):
            yield f"{use}: no network is needed, as the {lead} of {best} may be chance"
        else:
            yield f"{use}: simpler than {best}, whose {lead} may be chance"
    elif not rivals:
        others = [name for name in document["ranking"] if name != use]
        yield f"{use}: shown to be better than {others[0] if len(others) == 1 else 'all others'}"
    else:
        score = METRICS[DECIDES_AS.get(metric["name"], metric["name"])]
        extreme = "highest" if score.greater_is_better else "lowest"
        alike = all(one["rule"] == "no_practical_difference" for one in rivals.values())
        nearest = next(iter(_open_rivals(document)), "")
        lead = "by a lead too small to matter" if alike else f"but its lead over {nearest} may be chance"
        yield f"{use}: the {extreme} {score.words}, {lead}"


def _network(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the network to take where the recommended model is none."""
    advice = document["advice"]
    use, network = advice["use"], advice["network"]
    if use == "auto" or any(one["name"] == use and one["kind"] == "network" for one in document["candidates"]):
        return
    if advice["no_gain"] and not advice["guess"]:
        yield f"{network}, but it isn't shown to be better than {guessing(document)}"
        return
    open_to_use = [one["reference"] for one in document["rivals"]]
    yield f"{network}, if it must be one"
    yield "none is shown to be better" if network in open_to_use else f"{use} is shown to be better"


def _how_sure(document: Mapping[str, Any]) -> Iterator[str]:
    advice = document["advice"]
    use, rivals = advice["use"], _open_rivals(document)
    network = not any(_network(document))
    if use == "prior":
        if rivals:
            yield f"can't tell whether {listed(rivals, _MOST_NAMED, 'or')} is better than that"
    else:
        if advice["guess"]:
            yield f"{use} isn't shown to be better than {guessing(document)}"
        names = _perhaps_best(document, {use, *rivals} - {"prior"} - learnt_nothing(document))
        names = sorted(names, key=lambda name: name != use)  # which keeps the order of the others
        if len(names) > 1:
            yield f"can't tell which is best of {listed(names, _MOST_NAMED)}"
        baselines = {one["name"] for one in document["candidates"] if one["kind"] == "baseline"} - {"auto"}
        if network and baselines & set(names):
            yield "a network may not be needed"
        if alike := [one["reference"] for one in document["rivals"] if one["reference"] not in rivals]:
            yield f"there is no difference that matters between {listed([use, *alike], _MOST_NAMED)}"
    if not document["rivals"]:
        yield f"if nothing differed, at most one table in {round(1 / document['alpha'])} would show this by chance"
    yield from _limits(document)


def _limits(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was left out: rows, repeats and seeds, or baselines."""
    plan = document["plan"]
    if plan.get("sample_of"):
        rows = f"{document['n_rows']:,} of {plan['sample_of']:,} rows"
        yield f"this is a sample of {rows}, and all rows may change any of this"
    if is_first_look(document) or plan.get("sample_of"):
        looks = f"{counted(plan['repeats'], 'repeat')} and {counted(plan['seeds'], 'seed')}"
        yield f"a first look with {looks}: run it without --quick before you rely on it"
    if not any(one["kind"] == "baseline" for one in document["candidates"]):
        yield "no baseline was compared, so this doesn't show whether a network is needed"


def _open_rivals(document: Mapping[str, Any]) -> list[str]:
    """Return the models of which isn't known whether they are better or worse than the recommended one, best first."""
    return [one["reference"] for one in document["rivals"] if one["rule"] != "no_practical_difference"]


def _perhaps_best(document: Mapping[str, Any], names: set[str]) -> list[str]:
    """Return those that aren't shown to be worse than a model before them in the ranking."""
    ranking, together = document["ranking"], [set(group) for group in document["brackets"]]
    return [
        name
        for place, name in enumerate(ranking)
        if name in names and all(any({place, better} <= group for group in together) for better in range(place))
    ]


def _expect(document: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield which scores to expect on new rows."""
    scores = next(one["scores"] for one in document["candidates"] if one["name"] == name)
    if document["task"] == "regression":
        for key in ("r2", "mae"):
            if _known(scores[key]):
                yield f"{METRICS[key].words} {_range(key, scores[key], document)}"
        return
    if label := rare_label(document):
        if _known(scores["recall"]):
            yield f"finds {_in_percent(scores['recall'], document)} of the rows with {document['target']} {label}"
        if _known(scores["roc_auc"]):
            yield f"ROC AUC {_range('roc_auc', scores['roc_auc'], document)}"
        return
    score, top = scores["accuracy"], document["top"]
    if document["metric"]["name"] == "accuracy" and top and top["winner"] == name:  # it was chosen by this score
        score = {"mean": top["expected"], "low": top["low"], "high": top["high"]}
    if _known(score):
        yield f"average accuracy {_in_percent(score, document)}"
        for of in (100, 1000):
            low, high = count_range(score["mean"], score["low"], score["high"], of=of, alpha=document["alpha"])
            if low < of * _NEARLY_ALL or of == 1000:
                yield f"of the next {of:,} rows {low:,} to {high:,} right"
                break


def _known(score: Mapping[str, Any]) -> bool:
    """Return whether a score has an interval."""
    return score["low"] is not None and score["high"] is not None


def _in_percent(score: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    decimals = 0 if score["high"] - score["low"] >= _NARROW else 1
    low, high = (f"{100 * score[key]:.{decimals}f}" for key in ("low", "high"))
    return f"{100 * score['mean']:.1f}% ({_level(document)} interval {low} to {high})"


def _range(name: str, score: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    low, high = (measure(name, score[key], score["mean"]) for key in ("low", "high"))
    return f"{measure(name, score['mean'])} ({_level(document)} interval {low} to {high})"


def _level(document: Mapping[str, Any]) -> str:
    return f"{100 * (1 - document['alpha']):g}%"


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


def _settling(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many rows, or whether a longer run, would decide between the recommended model and its next rival.

    The rival is predicting the same for every row if even that is open, else the best of those that aren't shown to
    differ. Neither answer depends on the difference that was measured: it would recommend another look where that
    favours a result.
    """
    use, open_rivals = document["advice"]["use"], _open_rivals(document)
    if not open_rivals:
        unfinished = any(check["code"] == "under_trained" for check in document["checks"])
        if is_first_look(document):
            yield from ("nothing in this first look", "a full run makes it reliable")
        else:
            yield f"nothing{' for networks trained like this' if unfinished else ''}"
            yield "more rows or a longer run aren't needed"
        return
    rival = "prior" if "prior" in open_rivals else open_rivals[0]
    if untrained := sorted(learnt_nothing(document) & {use, rival}):
        they = "they have" if len(untrained) > 1 else "it has"
        yield f"first train {listed(untrained)} until {they} learnt something"
        return
    verdict = next(one for one in document["rivals"] if one["reference"] == rival)
    n, all_rows, needed = document["n_rows"], document["plan"].get("sample_of"), math.inf
    if verdict["rows_needed"]:
        needed = 2 * verdict["rows_needed"][0]  # between half and double
    rows = f"about {plain_number(needed, 2)} rows in all" if needed > n else f"somewhat more than {n:,} rows"
    if needed > _TOO_MANY:
        rows = f"over {_TOO_MANY:,} rows"
    size = margin_words(document["metric"])
    what = f"show a true difference of {size} (the margin) between {use} and {rival}"
    longer, may_do = _longer_run(document, verdict)
    if may_do:
        yield f"{longer} may {what}"
        return
    yield f"{rows} would {what} four times in five"
    yield f"the table has {all_rows:,}" if all_rows else f"you have {n:,}"
    yield longer


def _longer_run(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what a longer run does, and whether that may be enough: whether unlimited repeats or seeds, and all rows
    of a sample, would show a difference of the margin four times in five.
    """
    left = {}  # the part of the squared standard error that stays
    if document["interval"] == "corrected":
        left["repeats"] = document["more_repeats_ratio"] ** 2
    if verdict["seed_share"] is not None:
        left["seeds"] = 1 - verdict["seed_share"]
    quick, rest = is_first_look(document), math.prod(left.values())
    more = f"more {listed(list(left) or ['repeats', 'seeds'], last='or')}"
    more_rows = (document["plan"].get("sample_of") or document["n_rows"]) / document["n_rows"]
    if verdict["rows_factor"] * rest <= more_rows:
        enough = [what for what, part in left.items() if verdict["rows_factor"] * part <= 1]
        return "a full run" if quick else f"more {listed(enough or list(left), last='or' if enough else 'and')}", True
    if quick:
        return "a full run makes this reliable, but will hardly separate them", False
    if math.sqrt(rest) >= _HARDLY:
        return f"{more} won't help", False
    return f"{more} would narrow the ± by {100 * (1 - math.sqrt(rest)):.0f}% at most, which isn't enough", False


def is_first_look(document: Mapping[str, Any]) -> bool:
    """Return whether the run was made smaller by `--quick`."""
    return bool(document["plan"]["quick"] and document["plan"]["kind"] == "cross_validation")


def learnt_nothing(document: Mapping[str, Any]) -> set[str]:
    """Return the candidates whose training loss stayed above that of predicting the same for every row."""
    checks = [one for one in document["checks"] if one["code"] == "under_trained"]
    return {one["candidate"] for one in checks if "training_loss" in one["evidence"]}


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
