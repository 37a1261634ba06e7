"""The first screen of a comparison: five answers, one table, its forest plot, how to read it, and what was trained.

Terminal, report and notebook show the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.errors import counted, phrased
from seedbed.evaluation import METRICS, SHORT, plain_number
from seedbed.report.advice import (
    DECIDES_AS,
    answers,
    guessing,
    learnt_nothing,
    listed,
    margin_words,
    rare_label,
    recommended,
)
from seedbed.report.progress import duration
from seedbed.report.sentences import fewer_repeats, no_verdict_reason, serious_sentences, spread
from seedbed.report.tables import measure

__all__ = ["FirstScreen", "first_screen", "forest_of"]


_MOST_NAMED = 3
_AS_FEW = 0.7  # of the test rows: fewer independent ones are worth a sentence
_LONG = 24  # letters of a name that doesn't fit into the heading of a number
_LOOKS = {"better_by_margin": "better", "better": "better", "worse": "worse"}


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        name: of the candidate or baseline.
        label: the same, with an explanation if the name needs one.
        score: the score that decides.
        gain: how much better it is than the reference's, as both are shown, `+0.003 ±0.017`; `reference` at the
            reference, and empty where there is no verdict.
        beside: scores that don't decide but are easier to understand: accuracy of classes, ROC AUC and recall if a
            label is rare, the mean absolute error of numbers.
        verdict: in a few words; empty at the reference and without a verdict.
        look: `better`, `worse`, `unsure`, `reference`, or empty.
        chosen: whether it is the recommended model, or the network to take.
        interval: (gain, low, high) in units of `FirstScreen.unit`; positive is better. None without a verdict.
    """

    name: str
    label: str
    score: str
    gain: str
    beside: tuple[str, ...]
    verdict: str
    look: str
    chosen: bool
    interval: tuple[float, float, float] | None


@dataclass(frozen=True)
class FirstScreen:
    """What a reader sees first.

    Attributes:
        heading: what was predicted from what.
        warnings: what may make the result wrong.
        answers: label and text of each; see `advice.answers`.
        no_verdict: why there is no verdict; empty if there is one, or nothing to compare.
        columns: headings of the table: model, the score that decides, gain, scores beside it, verdict.
        rows: the lowest error first.
        notes: how to read the table, and what stands out in training.
        trained: what was trained, and how long that took.
        unit: of the intervals: `points` of accuracy, or the score's name.
        margin: the smallest gain in this unit that matters.
    """

    heading: str
    warnings: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    no_verdict: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    trained: tuple[str, ...]
    unit: str
    margin: float


def first_screen(document: Mapping[str, Any]) -> FirstScreen:
    """Return the first screen of a comparison, from `Comparison.to_dict()`."""
    metric, reference = document["metric"], document["reference"]
    deciding = DECIDES_AS.get(metric["name"], metric["name"])
    beside = tuple(name for name in _beside(document) if name != deciding)
    in_points = METRICS[deciding].percent
    compared = "gain over the reference" if len(reference) > _LONG else f"gain over {reference}"
    columns = (
        "",
        METRICS[deciding].words,
        f"{compared} (points)" if in_points else compared,
        *(METRICS[name].words for name in beside),
        "verdict" if len(reference) > _LONG // 2 else f"verdict against {reference}",
    )
    warnings = *serious_sentences(document["notes"]), *_training(document, serious=True)
    notes = *_key(document, deciding), *_other_way(document), *_training(document, serious=False)
    return FirstScreen(
        heading=_heading(document),
        warnings=tuple(phrased(line, document["command"]) for line in warnings),
        answers=tuple(answers(document)),
        no_verdict=_no_verdict(document),
        columns=columns,
        rows=tuple(_rows(document, deciding, beside)),
        notes=tuple(phrased(line, document["command"]) for line in notes),
        trained=(*_trained(document), *fewer_repeats(document)),
        unit="points" if in_points else METRICS[deciding].words,
        margin=(100.0 if in_points else 1.0) * metric["margin"],
    )


def _beside(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the scores that are shown in any case."""
    if document["task"] == "regression":
        return "r2", "mae"
    return ("roc_auc", "recall") if rare_label(document) else ("accuracy",)


def _no_verdict(document: Mapping[str, Any]) -> str:
    if document["verdicts"] or not document["no_verdict"]:
        return ""
    if (shared := no_verdict_reason(document)) is not None:
        return f"No verdict: {shared}."
    return " ".join(f"No verdict on {one['candidate']}: {one['reason']}." for one in document["no_verdict"])


# ---- what was done


def _heading(document: Mapping[str, Any]) -> str:
    rows = counted(document["n_rows"], "row")
    if sample_of := document["plan"].get("sample_of"):
        rows = f"a sample of {document['n_rows']:,} of {sample_of:,} rows"
    size = f"{rows}, {counted(document['n_features'], 'feature')}; {spread(document, 3)}"
    return f"{document['table']}: predicting {document['target']} ({size})"


def _trained(document: Mapping[str, Any]) -> Iterator[str]:
    plan, candidates = document["plan"], document["candidates"]
    networks = [one for one in candidates if one["kind"] == "network"]
    blend = [one["name"] for one in candidates if one["name"] == "auto"]
    baselines = len(candidates) - len(networks) - len(blend)
    kinds = [*([counted(len(networks), "network")] if networks else []), *blend]
    kinds += [counted(baselines, "baseline")] if baselines else []
    seeds = f"{counted(plan['seeds'], 'seed')}{' each' if plan['seeds'] > 1 else ''}"
    splits = counted(plan["repeats"] * plan["folds"], "train/test split")
    on = f"on {splits} with {seeds}" if networks else f"on {splits}"
    if plan["kind"] == "held_out":
        on = f"tested once on {plan['n_test']:,} rows that were set aside, with {seeds}"
    trained, took = sum(one["n_networks"] for one in networks), duration(document["seconds"])
    yield f"{listed(kinds)} {on}: " + (f"{counted(trained, 'network')} in {took}" if trained else took)
    if plan.get("shortened") and not (plan.get("sample_of") or plan["quick"]):
        parts = [counted(plan["repeats"], "repeat"), counted(plan["seeds"], "seed")]
        parts += [counted(plan["epochs"], "epoch")] if plan.get("epochs") else []
        late = document["seconds"] > plan["time_limit"]
        kept = f"Cut for a limit of {plan['time_limit']:g} s" if late else f"Cut to fit {plan['time_limit']:g} s"
        yield f"{kept}: {listed(parts)}, not {plan['shortened']}."


# ---- the table


def _rows(document: Mapping[str, Any], deciding: str, beside: Sequence[str]) -> Iterator[Row]:
    candidates = {one["name"]: one for one in document["candidates"]}
    mixed = any(one["kind"] == "baseline" for one in document["candidates"])
    verdicts = {one["candidate"]: one for one in document["verdicts"]}
    of_reference = candidates[document["reference"]]["scores"][deciding]["mean"]
    decimals, chosen = _decimals(deciding, document["metric"]["margin"]), recommended(document)
    metric, scale = METRICS[deciding], 100.0 if METRICS[deciding].percent else 1.0
    ranking = [candidates.pop(name) for name in document["ranking"]]
    for one in [*ranking, *candidates.values()]:
        name = one["name"]
        # A model that isn't ranked has lost networks; the scores of the others would flatter it.
        ranked = name in document["ranking"]
        score = _score(deciding, one, decimals) if ranked else "-"
        others = tuple(_score(other, one) if ranked else "-" for other in beside)
        verdict, interval, gain, words, look = verdicts.get(name), None, "", "", ""
        if verdict is not None:
            middle, low, high = interval = tuple(scale * verdict[key] for key in ("difference", "low", "high"))
            # As a reader computes it from the two rounded numbers.
            shown, others_score = (
                round(scale * value, decimals) for value in (one["scores"][deciding]["mean"], of_reference)
            )
            shown = shown - others_score if metric.greater_is_better else others_score - shown
            half = max(high - middle, middle - low)
            gain = f"{round(shown, decimals) + 0.0:+,.{decimals}f} ±{half:,.{decimals}f}"
            words, look = SHORT[verdict["rule"]], _LOOKS.get(verdict["rule"], "unsure")
        elif document["verdicts"]:
            is_reference = name == document["reference"]
            gain, words, look = ("reference", "", "reference") if is_reference else ("", "none: it diverged", "")
        yield Row(name, _label(document, one, mixed), score, gain, others, words, look, name in chosen, interval)


def _label(document: Mapping[str, Any], one: Mapping[str, Any], mixed: bool) -> str:
    """Return a name with what it is: how many networks are averaged, and a single one beside baselines."""
    what = {"prior": guessing(document).removeprefix("predicting the "), "auto": "blend of networks"}.get(one["name"])
    if what is None and one["kind"] == "network":
        what = f"{document['plan']['networks']} networks" if _averaged(document) else "network" if mixed else None
    return f"{one['name']} ({what})" if what else str(one["name"])


def _averaged(document: Mapping[str, Any]) -> bool:
    """Return whether the mean of several networks is judged."""
    return bool(document["plan"]["seeds"] > 1 and document["plan"].get("networks", 1) > 1)


def _score(name: str, candidate: Mapping[str, Any], decimals: int | None = None) -> str:
    """Return a score, with a number of decimals or as many as it usually has."""
    mean = candidate["scores"][name]["mean"]
    if mean is None or decimals is None:
        return "-" if mean is None else measure(name, mean)
    if METRICS[name].percent:
        return f"{100 * mean:.{decimals}f}%"
    return f"{round(mean, decimals) + 0.0:,.{decimals}f}"


def _decimals(name: str, margin: float) -> int:
    """Return how many decimals a difference in a score has: as many as the score, and enough for the margin."""
    if METRICS[name].percent:
        return max(1, math.ceil(-math.log10(100 * margin)))
    fewest, more = (0, 1) if METRICS[name].own_units else (3, 0)
    return min(8, max(fewest, more + math.ceil(-math.log10(margin))))


# ---- how to read it, and what stands out


def _key(document: Mapping[str, Any], deciding: str) -> Iterator[str]:
    """Yield what the columns mean."""
    verdicts, plan = document["verdicts"], document["plan"]
    score, label = METRICS[deciding], rare_label(document)
    if verdicts:
        n = max(one["comparisons"] for one in verdicts)
        alone = [one["candidate"] for one in verdicts if one["comparisons"] == 1 < n]
        way = f"{'high' if score.greater_is_better else 'low'} is good"
        way += "; it is the share of variance explained" if deciding == "r2" else ""
        words = f"The {score.words}" if deciding == "brier" else f"{score.words[:1].upper()}{score.words[1:]}"
        yield f"{words} decides ({way}). A gain below {margin_words(document['metric'])} doesn't matter (the margin)."
        together = f"s, which hold for these {n} comparisons together" if n > 1 else ""
        apart = f"; that of {listed(alone)} holds by itself" if alone else ""
        yield f"±: {100 * (1 - document['alpha']):g}% interval{together}{apart}."
    if label:
        yield f"Recall: the share of the rows with {document['target']} {label} that are found."
    networks = any(one["kind"] == "network" for one in document["candidates"])
    if networks and _averaged(document):
        yield f"{plan['networks']} networks: their mean prediction, each trained from another random start (seed)."
    elif networks and plan.get("networks", 1) > 1:
        yield f"Networks are judged one by one: a single seed doesn't show what a mean of {plan['networks']} does."
    independent = min((one.get("independent_rows") or math.inf for one in verdicts), default=math.inf)
    if independent < _AS_FEW * plan["n_test"]:
        counted_as = f"{plan['n_test']:,} test rows count as about {plain_number(independent, 2)}"
        yield f"Errors of rows that follow each other in time are alike: for the ±, {counted_as}."


def _training(document: Mapping[str, Any], *, serious: bool) -> Iterator[str]:
    """Yield what stands out in training, one sentence for all candidates that share it: either that networks can't be
    compared as they are, or the rest."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    untrained, advice = learnt_nothing(document), document["advice"]
    for check in document["checks"]:
        code = check["code"]
        if code == "under_trained" and check["candidate"] in untrained:
            code = "learnt_nothing"
        if code == "over_trained" and "its training stopped" in check["message"]:
            continue  # its epoch was chosen before that
        found.setdefault(code, []).append(check)
    if untrained >= {check["candidate"] for check in found.get("no_better_than_prior", ())}:
        found.pop("no_better_than_prior", None)  # the reason is given
    if advice is not None and (advice["guess"] or advice["use"] == "prior"):
        found.pop("no_better_than_prior", None)  # the answers say so
    for key, sentence in _STANDS_OUT.items():
        if key in found and (key in _SERIOUS) == serious:
            names = [check["candidate"] for check in found[key]]
            one = len(names) == 1
            yield sentence.format(
                names=listed(names, _MOST_NAMED),
                epochs=_more_epochs(found[key]),
                was="was" if one else "were",
                s="s" if one else "",
                has="has" if one else "have",
                guessing=guessing(document),
            )


_STANDS_OUT = {
    "confined_outputs": "{names} return{s} probabilities and not logits: remove the sigmoid or softmax at the end.",
    "learnt_nothing": "{names} {has} learnt nothing yet: try {epochs} or another --lr.",
    "under_trained": "{names} {was} still learning at the end: {epochs} or a higher --lr may help.",
    "over_trained": "{names} {was} trained for too long: --epoch inner stops earlier.",
    "diverged": "Some networks of {names} diverged: try a lower --lr.",
    "dead_units": "Many ReLU units of {names} are dead: try a lower --lr, or leakyrelu in place of relu.",
    "no_better_than_prior": "{names} show{s} no gain over {guessing}.",
    "seeds_apart": "The result of {names} depends strongly on the seed: take more --seeds, or average over networks.",
}

_SERIOUS = {"confined_outputs", "learnt_nothing"}


def _more_epochs(checks: Sequence[Mapping[str, Any]]) -> str:
    """Return the option that doubles the epochs, unless a candidate has epochs of its own."""
    epochs = max((check["evidence"].get("epochs", 0) for check in checks), default=0)
    own = any("epochs=" in check["candidate"] for check in checks)
    return f"--epochs {2 * epochs}" if epochs and not own else "more epochs"


def _other_way(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield which models are better or worse by accuracy, where the score that decides doesn't show it."""
    found: dict[str, list[str]] = {}
    for verdict in document["verdicts"]:
        accuracy = verdict["accuracy"]
        if accuracy is None or accuracy["low"] <= 0 <= accuracy["high"] or rare_label(document):
            continue
        word = "better" if accuracy["low"] > 0 else "worse"
        if word != _LOOKS.get(verdict["rule"]):
            found.setdefault(word, []).append(verdict["candidate"])
    parts = [
        f"{listed(names, _MOST_NAMED)} {'is' if len(names) == 1 else 'are'} {word}" for word, names in found.items()
    ]
    if parts:
        reference, score = document["reference"], document["metric"]["words"]
        yield f"By accuracy alone, {' and '.join(parts)} than {reference}; the {score} doesn't show it."


_STEPS = (1, 2, 5, 10)
_MOST_TICKS = 5


@dataclass(frozen=True)
class Mark:
    """One row's range and point.

    Attributes:
        left, width: of the range.
        point: where the difference lies; None if it is beyond the plot.
        words: the numbers, `+1.3 (-6.0 to +8.6)`.
        cut_left, cut_right: whether the range continues beyond the plot.
    """

    left: float
    width: float
    point: float | None
    words: str
    cut_left: bool
    cut_right: bool


@dataclass(frozen=True)
class Forest:
    """The whole plot.

    Attributes:
        marks: by the model's name.
        zero: where no difference lies.
        zone: (left, width) of the differences that are too small to matter.
        ticks: (place, label) of the axis.
    """

    marks: dict[str, Mark]
    zero: float
    zone: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]


def forest_of(screen: FirstScreen) -> Forest | None:
    """Return the forest plot of a first screen; None if there is no verdict."""
    from seedbed.figures import interval_limits  # loads Altair, which the terminal doesn't need

    found = {row.name: row.interval for row in screen.rows if row.interval is not None}
    if not found:
        return None
    # The prior is often far off, and would squeeze all others.
    seen = [ends for name, (_, *ends) in found.items() if name != "prior"] or [ends for _, *ends in found.values()]
    low, high = interval_limits([(low, high) for low, high in seen], least=screen.margin)

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    decimals = max(0, 1 if screen.unit == "points" else 2 - math.floor(math.log10(high - low)))
    marks = {}
    for name, (middle, first, last) in found.items():
        words = f"{_signed_end(middle, decimals)} ({_signed_end(first, decimals)} to {_signed_end(last, decimals)})"
        point = place(middle) if low <= middle <= high else None
        marks[name] = Mark(place(first), round(place(last) - place(first), 2), point, words, first < low, last > high)
    zone = place(-screen.margin), round(place(screen.margin) - place(-screen.margin), 2)
    return Forest(marks, place(0.0), zone, tuple((place(value), _tick(value)) for value in _ticks(low, high)))


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers within the plot, zero among them."""
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(power * one for one in _STEPS if (high - low) / (power * one) <= _MOST_TICKS)
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float) -> str:
    return f"{value:+.6g}".replace("-", "−") if abs(value) > 1e-12 else "0"


def _signed_end(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:+,.{decimals}f}".replace("-", "−")
