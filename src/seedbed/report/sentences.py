"""The details of a comparison as sentences, from its plain dict. Terminal, page and notebook use the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seedbed.data import SERIOUS
from seedbed.errors import counted, phrased
from seedbed.evaluation import METRICS, SHORT, percent, plain_number
from seedbed.report.advice import good_side, guessing, is_first_look, listed, margin_words
from seedbed.report.tables import measure

__all__ = [
    "fewer_repeats",
    "heading_sentences",
    "in_short",
    "no_verdict_reason",
    "note_sentence",
    "note_sentences",
    "paragraphs",
    "range_sentences",
    "serious_sentences",
    "settling_sentences",
    "spread",
]

_FEW_FOLDS = 5
# Checks that may be the reason of a verdict. Others are notes.
_REASONS = ("confined_outputs", "under_trained", "over_trained", "diverged", "dead_units")
# Checks that are said once for several candidates: from how many on, and in which words.
_TOGETHER = {
    "no_better_than_prior": (2, "No gain over predicting the same for every row is shown: {names}."),
    "worse_than_logistic": (2, "Worse than a plain {kind} regression: {names}."),
    "seeds_alike": (1, "Seeds hardly matter for {names}: one seed per split would be enough."),
}


@dataclass(frozen=True)
class Paragraph:
    """The text about one candidate.

    Attributes:
        candidate: its name.
        rule: of its verdict; empty if there is none.
        sentence: the verdict, or why there is none.
        numbers: the numbers of a verdict; may be empty.
        remarks: findings about its training.
    """

    candidate: str
    rule: str
    sentence: str
    numbers: str
    remarks: tuple[str, ...]


def heading_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was compared, and how."""
    yield from (phrased(sentence, document["command"]) for sentence in _heading(document))


def fewer_repeats(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield which models were compared on fewer repeats than the others."""
    most = document["plan"]["repeats"]
    for one in document["candidates"]:
        if (one.get("repeats") or most) < most:
            repeats = f"{one['repeats']} of the {most} repeats"
            yield f"{one['name']} was compared on {repeats}, so its range is a little wider."


def _heading(document: Mapping[str, Any]) -> Iterator[str]:
    plan = document["plan"]
    size = f"{counted(document['n_rows'], 'row')}, {counted(document['n_features'], 'feature')}"
    recipe = f"; {plan['recipe']}" if any(one["kind"] == "network" for one in document["candidates"]) else ""
    yield f"{document['target']} of {document['table']}: {size}, {spread(document)}{recipe}"
    folds = f"{counted(plan['repeats'], 'repeat')} of {plan['folds']} folds, {counted(plan['seeds'], 'seed')} per fold"
    if plan["locked_share"]:
        folds = f"{plan['n_test']:,} rows were locked away and looked at once, with {counted(plan['seeds'], 'seed')}"
    yield f"{folds}; trained on about {plan['n_train']:,} rows at a time"
    yield from fewer_repeats(document)
    if plan["n_unused"]:
        unused = counted(plan["n_unused"], "earlier row")
        yield f"{unused} of groups in the test rows can't be used for training."
    if plan["kind"] == "held_out" and plan["seeds"] == 1:
        yield "One seed doesn't show how much seeds matter, so all ranges are too narrow: leave --seeds out."
    if document["verdicts"]:
        metric = document["metric"]
        meaning = METRICS[metric["name"]].meaning
        what = f"{metric['words']} ({meaning})" if meaning else metric["words"]
        if metric["name"] == "brier" and document["task"] == "multiclass":
            what = f"{metric['words']} (the squared errors of a row's probabilities, added up over the classes)"
        yield (
            f"The reference is {document['reference']}. A difference of {margin_words(metric)} in {what} matters"
            f"{_margin_source(document)}."
        )
        if plan["kind"] == "cross_validation" and plan["folds"] < _FEW_FOLDS:
            yield f"{plan['folds']} folds give rough intervals: use {_FEW_FOLDS} or more."
    if is_first_look(document) or plan.get("sample_of"):
        rows = f" at a sample of {document['n_rows']:,} of {plan['sample_of']:,} rows" if plan.get("sample_of") else ""
        few = " with few repeats and seeds" if is_first_look(document) else ""
        yield f"A FIRST LOOK{','.join(filter(None, (rows, few)))}: leave --quick out before you rely on it."
    if plan.get("shortened"):
        epochs = f" and {counted(plan['epochs'], 'epoch')}" if plan.get("epochs") else ""
        yield (
            f"Shortened for a time limit of {plan['time_limit']:g} s: {counted(plan['repeats'], 'repeat')} with "
            f"{counted(plan['seeds'], 'seed')}{epochs}, in place of {plan['shortened']}. Some steps were timed to "
            "decide this, before anything was trained for the results."
        )


def _margin_source(document: Mapping[str, Any]) -> str:
    """Return where the margin comes from, to follow it."""
    metric, reference = document["metric"], document["reference"]
    share = "the usual point" if metric["name"] == "accuracy" else f"2% of what {guessing(document)} costs"
    part = "hundredth" if document["task"] == "regression" else "tenth"
    return {
        "given": ", as asked for",
        "default": "" if metric["name"] == "accuracy" else f": {share}",
        "tenth_of_error": f": a tenth of the error of {reference}, which is less than {share}",
        "floor": f": a {part} of {share}, as {reference} makes hardly any errors",
    }[metric["margin_source"]]


def spread(document: Mapping[str, Any], digits: int = 4) -> str:
    """Return how the target is distributed."""
    if document["task"] == "regression":
        mean, sd = (plain_number(document[key], digits) for key in ("target_mean", "target_sd"))
        return f"mean {mean}, standard deviation {sd}"
    share = f"{100 * document['majority_share']:.1f}% in the"
    return (
        f"{share} larger class"
        if document["task"] == "binary"
        else f"{len(document['labels'])} classes, {share} largest"
    )


def no_verdict_reason(document: Mapping[str, Any]) -> str | None:
    """Return why no candidate has a verdict, if one reason holds for all."""
    reasons = {one["reason"] for one in document["no_verdict"]}
    alone = len(document["no_verdict"]) > 1 or document["interval"] is None
    return reasons.pop() if len(reasons) == 1 and not document["verdicts"] and alone else None


def paragraphs(document: Mapping[str, Any]) -> Iterator[Paragraph]:
    """Yield one paragraph per candidate, in order. Candidates with nothing to report are skipped."""
    candidates = {one["name"]: one for one in document["candidates"]}
    checks: dict[str, list[Mapping[str, Any]]] = {name: [] for name in candidates}
    together = _said_together(document)
    for check in document["checks"]:
        if check["code"] != "seeds_alike" and check["code"] not in together:
            checks[check["candidate"]].append(check)
    verdicts = {verdict["candidate"]: verdict for verdict in document["verdicts"]}
    shared = no_verdict_reason(document)
    for name, own in checks.items():
        verdict = verdicts.get(name)
        worse = verdict is not None and verdict["rule"] == "worse"
        remarks = tuple(
            f"{'Likely why' if worse and _is_reason(check, candidates[name]) else 'Note'}: {check['message']}"
            for check in own
        )
        reason = next((one["reason"] for one in document["no_verdict"] if one["candidate"] == name), None)
        if verdict is not None:
            numbers = _numbers(verdict, document["metric"]) if name != "prior" else ""
            yield Paragraph(name, verdict["rule"], verdict["sentence"], numbers, remarks)
        elif reason is not None and shared is None:
            yield Paragraph(name, "", f"No verdict on {name}: {reason}.", "", remarks)
        elif own:
            which = ", the reference" if name == document["reference"] else ""
            yield Paragraph(name, "", f"{name}{which}:", "", remarks)


def _is_reason(check: Mapping[str, Any], candidate: Mapping[str, Any]) -> bool:
    """Return whether a check may explain why a candidate is worse. Overtraining doesn't if inner splits stopped
    before it.
    """
    in_time = check["code"] == "over_trained" and candidate["epochs"]["low"] < candidate["epochs"]["most"]
    return check["code"] in _REASONS and not in_time


def in_short(document: Mapping[str, Any]) -> str:
    """Return in one line which candidates are better, worse or undecided."""
    names: dict[str, list[str]] = {}
    for verdict in document["verdicts"]:
        names.setdefault(verdict["short"], []).append(verdict["candidate"])
    groups = [f"{words}: {', '.join(names[words])}" for words in dict.fromkeys(SHORT.values()) if words in names]
    return f"In short, against {document['reference']} - {'; '.join(groups)}."


def _numbers(verdict: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """Return the numbers of a verdict in one line."""
    parts = []
    accuracy = verdict["accuracy"]
    if accuracy is not None and verdict["metric"] != "accuracy":
        gain, low, high = (100 * accuracy[key] for key in ("difference", "low", "high"))
        parts.append(f"Accuracy {round(gain, 1) + 0.0:+.1f} points (plausibly {low:+.1f} to {high:+.1f})")
    alone = ", this comparison taken alone," if verdict["comparisons"] > 1 else ""
    parts.append(f"probability of {good_side(metric)}{alone} {percent(verdict['p_better'])}")
    parts.append(f"{verdict['opposite_share']:.0%} of single runs point the other way")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def settling_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the uncertainty comes from, and which score to expect of the first model."""
    verdicts, plan = document["verdicts"], document["plan"]
    shares = [100 * verdict["seed_share"] for verdict in verdicts if verdict["seed_share"] is not None]
    if shares and plan["seeds"] > 1:  # one seed doesn't show how much seeds matter
        low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
        share = f"{high}%" if low == high else f"{low} to {high}%"
        rest = "" if low == "100" else "; the choice of rows causes the rest"
        yield f"Seeds cause {share} of the uncertainty of the differences{rest}."
    if verdicts and document["interval"] == "corrected":
        spared = 100 * (1 - document["more_repeats_ratio"])
        what = "more rows, or seeds" if max(shares, default=0) > 50 else "more rows"
        yield f"Unlimited repeats would narrow the intervals by {spared:.0f}% at most; beyond that, it takes {what}."
    for code, names in _said_together(document).items():
        kind = "linear" if document["task"] == "regression" else "logistic"
        yield _TOGETHER[code][1].format(names=listed(names), kind=kind)
    chosen = (*document["sweeps"], *([document["top"]] if document["top"] else []))
    for one in chosen if document["interval"] is not None else ():
        own, low, value, high = (
            measure(document["metric"]["name"], one[key], one["expected"])
            for key in ("apparent", "low", "expected", "high")
        )
        first = f"{one['winner']} comes first in this ranking"
        if one["name"]:
            first = f"Of the {one['among']} learning rates of {one['name']}, {one['winner']} comes first"
        worse = (
            one["expected"] < one["apparent"]
            if document["metric"]["greater_is_better"]
            else one["expected"] > one["apparent"]
        )
        flattered = f", not its own {own}" if worse and own != value else ""
        yield (
            f"{first}; corrected for this choice, expect {document['metric']['words']} {value} "
            f"({low} to {high}) of it{flattered}."
        )


def range_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the ranges mean, and how candidates differ from the common recipe."""
    verdicts, plan = document["verdicts"], document["plan"]
    if verdicts:
        n, certain = verdicts[0]["comparisons"], f"{100 * (1 - document['alpha']):g}%"
        how = " by nested cross-validation" if document["interval"] == "nested" else ""
        if n == 1:
            yield f'"Plausibly" means within a {certain} interval{how}.'
        else:
            together = f"that hold for all {n} comparisons together; each interval of the ranking holds on its own"
            yield f'"Plausibly" means within {certain} intervals{how} {together}.'
    else:
        yield f"Ranges are {100 * (1 - document['alpha']):g}% intervals; each holds on its own."
    for candidate in document["candidates"]:
        for note in _candidate_notes(candidate, plan):
            yield f"{candidate['name']}: {note}."


def serious_sentences(notes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the warnings about a table that may make a result wrong."""
    return [note_sentence(note) for note in notes if note["code"] in SERIOUS]


def note_sentences(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what else was found in the table."""
    for note in document["notes"]:
        if note["code"] in SERIOUS:
            continue
        if note["code"] or not note["column"]:  # what a single column is taken for, seedbed inspect tells
            yield note_sentence(note)


def note_sentence(note: Mapping[str, Any]) -> str:
    """Return a note as a sentence; a warning names the first rows that it is about, as the user finds them."""
    more = ", ..." if (note["count"] or 0) > len(note["rows"]) else ""
    where = f" [{', '.join(note['rows'])}{more}]" if note["code"] and note["rows"] else ""
    return f"{note['code'] or 'Note'}: {note['message']}{where}"


def _candidate_notes(candidate: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[str]:
    if candidate["kind"] == "baseline" or candidate["description"] != plan["recipe"]:
        yield candidate["description"]
    if candidate["kind"] == "baseline":
        return
    if len(candidate["lr"]) > 1 or "lr of" in candidate["description"]:
        total = sum(candidate["lr"].values())
        yield "lr " + ", ".join(f"{lr} in {counted(n, 'split')}" for lr, n in candidate["lr"].items()) + f" of {total}"
    if candidate["note"]:
        yield candidate["note"]


def _said_together(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the codes of checks that are said once for several candidates, with these candidates."""
    found: dict[str, list[str]] = {code: [] for code in _TOGETHER}
    for check in document["checks"]:
        if check["code"] in found:
            found[check["code"]].append(check["candidate"])
    if any((verdict["seed_share"] or 0) > 0.5 for verdict in document["verdicts"]):
        found["seeds_alike"] = []  # seeds are alike, but they matter for differences as small as these
    return {code: names for code, names in found.items() if len(names) >= _TOGETHER[code][0]}
