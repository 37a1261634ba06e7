"""The first screen of a comparison: what was done, what to do, one table, its forest plot, what stands out.

Terminal, report and notebook show the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedbed.errors import counted, phrased
from seedbed.evaluation import METRICS, SHORT, decide, plain_number
from seedbed.report.advice import advice_sentences, expected_sentences, guessing, lead_metric, listed, rare_label
from seedbed.report.progress import duration
from seedbed.report.sentences import is_first_look, no_verdict_reason, serious_sentences
from seedbed.report.tables import measure

__all__ = ["FirstScreen", "first_screen", "forest_of"]


_MOST_NAMED = 3
_TOO_MANY = 10_000_000  # rows
_AS_FEW = 0.7  # of the test rows: fewer independent ones are worth a sentence
_OUT_OF_REACH = 100  # times as many rows as there are
_DECIDES_AS = {"squared_error": "r2"}  # a difference is the same in both, and R2 is better known
_BESIDE = {"r2": "mae", "mae": "r2"}  # what is shown beside a score that decides
_OPEN = ("cannot_tell", "no_worse")
_LOOKS = {"better_by_margin": "better", "better": "better", "worse": "worse"}


@dataclass(frozen=True)
class Row:
    """One model of the table.

    Attributes:
        name: of the candidate or baseline.
        label: the same, with an explanation if the name needs one.
        other: a score that doesn't decide but is easier to understand, accuracy of classes; may be empty.
        points: the accuracy minus that of the reference, as both are shown; empty if accuracy decides, at the
            reference and without a verdict. If a label is rare, the recall.
        score: the score that decides.
        gain: how much better it is than the reference's, as both are shown, `+0.003 ±0.017`; empty where there is no
            interval.
        verdict: in a word or three; empty without a verdict.
        look: `better`, `worse`, `unsure`, `reference`, or empty.
        interval: (gain, low, high) in units of `FirstScreen.unit`; positive is better. None without a verdict.
    """

    name: str
    label: str
    other: str
    points: str
    score: str
    gain: str
    verdict: str
    look: str
    interval: tuple[float, float, float] | None


@dataclass(frozen=True)
class FirstScreen:
    """What a reader sees first.

    Attributes:
        heading: what was predicted from what, how much was trained.
        warnings: what may make the result wrong, and whether it is a first look only.
        headline: the recommendation, or the reason why there is none.
        why: sentences that follow it.
        columns: headings of the table: model, other score, points or recall, the score that decides, gain, verdict.
        rows: the lowest error first.
        notes: what stands out in training, and what more rows, repeats and seeds would do.
        unit: of the intervals: `points` of accuracy, or the score's name.
        margin: the smallest gain in this unit that matters.
    """

    heading: tuple[str, ...]
    warnings: tuple[str, ...]
    headline: str
    why: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    unit: str
    margin: float


def first_screen(document: Mapping[str, Any]) -> FirstScreen:
    """Return the first screen of a comparison, from `Comparison.to_dict()`."""
    advice = advice_sentences(document)
    if advice:
        headline, why = advice[0], [*advice[1:], *expected_sentences(document), *_no_baseline(document)]
    else:
        headline, why = _no_verdict(document), []
    metric, lead = document["metric"], lead_metric(document)
    deciding = _DECIDES_AS.get(metric["name"], metric["name"])
    other = lead if lead != deciding else _BESIDE.get(lead, "")
    in_points = METRICS[deciding].percent
    unit = "points" if in_points else METRICS[deciding].words
    columns = (
        f"compared with {document['reference']}" if document["verdicts"] else "model",
        METRICS[other].words if other else "",
        METRICS["recall"].words if rare_label(document) else "points",
        METRICS[deciding].words,
        "points (decide)" if in_points else "gain (decides)",
        "verdict",
    )
    warnings = *serious_sentences(document["notes"]), *_first_look(document), *_training(document, serious=True)
    notes = *_basis(document), *_other_way(document), *_training(document, serious=False), *_settling(document)
    return FirstScreen(
        heading=tuple(_heading(document)),
        warnings=tuple(phrased(line, document["command"]) for line in warnings),
        headline=headline,
        why=tuple(why),
        columns=columns,
        rows=tuple(_rows(document, other, deciding)),
        notes=tuple(phrased(line, document["command"]) for line in notes),
        unit=unit,
        margin=(100.0 if in_points else 1.0) * metric["margin"],
    )


def _no_verdict(document: Mapping[str, Any]) -> str:
    """Return why there is no verdict at all; empty if there is one, or nothing to compare."""
    if document["verdicts"] or not document["no_verdict"]:
        return ""
    if (shared := no_verdict_reason(document)) is not None:
        return f"No verdict: {shared}."
    return " ".join(f"No verdict on {one['candidate']}: {one['reason']}." for one in document["no_verdict"])


# ---- what was done


def _heading(document: Mapping[str, Any]) -> Iterator[str]:
    size = f"{counted(document['n_rows'], 'row')}, {counted(document['n_features'], 'feature')}"
    if sample_of := document["plan"].get("sample_of"):
        size = f"a sample of {document['n_rows']:,} of {sample_of:,} rows, {counted(document['n_features'], 'feature')}"
    yield f"{document['table']}: predicting {document['target']} ({size}; {_spread(document)})"
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
    trained = sum(one["n_networks"] for one in networks)
    seconds = document["seconds"]
    took = duration(seconds)
    yield f"{listed(kinds)} {on}: " + (f"{counted(trained, 'network')} in {took}" if trained else took)


def _spread(document: Mapping[str, Any]) -> str:
    """Return how the target is spread."""
    if document["task"] == "regression":
        mean, sd = (plain_number(document[key], 3) for key in ("target_mean", "target_sd"))
        return f"mean {mean}, standard deviation {sd}"
    share = f"{100 * document['majority_share']:.1f}% in the"
    if document["task"] == "binary":
        return f"{share} larger class"
    return f"{len(document['labels'])} classes, {share} largest"


def _no_baseline(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield that no baseline was compared, where that is so."""
    if document["verdicts"] and not any(one["kind"] == "baseline" for one in document["candidates"]):
        yield "No baseline was compared, so this doesn't show whether a network is needed."


def _first_look(document: Mapping[str, Any]) -> Iterator[str]:
    plan = document["plan"]
    parts = [counted(plan["repeats"], "repeat"), counted(plan["seeds"], "seed")]
    parts += [counted(plan["epochs"], "epoch")] if plan.get("epochs") else []
    if plan.get("sample_of") or is_first_look(document):
        if plan["repeats"] == 1 and plan["kind"] == "cross_validation":
            parts[0] += f" ({counted(plan['folds'], 'split')})"
        yield f"A first look with {listed(parts)}: run it without --quick before you rely on it."
        if sample_of := plan.get("sample_of"):
            yield f"The table has {counted(sample_of, 'row')}; with all of them, any of this may change."
    elif plan.get("shortened"):
        late = document["seconds"] > plan["time_limit"]
        kept = f"Cut for a limit of {plan['time_limit']:g} s" if late else f"Cut to fit {plan['time_limit']:g} s"
        yield f"{kept}: {listed(parts)}, not {plan['shortened']}."


# ---- the table


def _rows(document: Mapping[str, Any], other: str, deciding: str) -> Iterator[Row]:
    candidates, rare = {one["name"]: one for one in document["candidates"]}, rare_label(document)
    mixed = any(one["kind"] == "baseline" for one in document["candidates"])
    verdicts = {one["candidate"]: one for one in document["verdicts"]}
    of_reference = candidates[document["reference"]]["scores"]
    decimals = _decimals(deciding, document["metric"]["margin"])
    ranking = [candidates.pop(name) for name in document["ranking"]]
    for one in [*ranking, *candidates.values()]:
        name = one["name"]
        # A model that isn't ranked has lost networks; the scores of the others would flatter it.
        beside, score = "-", "-"
        if name in document["ranking"]:
            beside, score = _score(other, one), _score(deciding, one, decimals)
        verdict, interval, gain = verdicts.get(name), None, ""
        points = _score("recall", one) if rare and name in document["ranking"] else ""
        if verdict is not None:
            scale = 100.0 if METRICS[deciding].percent else 1.0
            middle, low, high = interval = tuple(scale * verdict[key] for key in ("difference", "low", "high"))
            shown = _shown_gain(deciding, one["scores"], of_reference, decimals)
            gain = f"{_signed(shown, decimals)} ±{max(high - middle, middle - low):,.{decimals}f}"
            if other == "accuracy":
                points = _signed(_shown_gain(other, one["scores"], of_reference, 1), 1)
        words, look = _verdict_words(document, name, verdict)
        yield Row(name, _label(document, one, mixed), beside, points, score, gain, words, look, interval)


def _label(document: Mapping[str, Any], one: Mapping[str, Any], mixed: bool) -> str:
    """Return a name with what it is: how many networks are averaged, and a single one beside baselines."""
    what = {"prior": guessing(document).removeprefix("predicting the "), "auto": "blend of networks"}.get(one["name"])
    if what is None and one["kind"] == "network":
        plan = document["plan"]
        several = plan["seeds"] > 1 and plan.get("networks", 1) > 1
        what = f"{plan['networks']} networks" if several else "network" if mixed else None
    return f"{one['name']} ({what})" if what else str(one["name"])


def _score(name: str, candidate: Mapping[str, Any], decimals: int | None = None) -> str:
    """Return a score, with a number of decimals or as many as it usually has."""
    if not name:
        return ""
    mean = candidate["scores"][name]["mean"]
    if mean is None or decimals is None:
        return "-" if mean is None else measure(name, mean)
    if METRICS[name].percent:
        return f"{100 * mean:.{decimals}f}%"
    return f"{round(mean, decimals) + 0.0:,.{decimals}f}"


def _shown_gain(name: str, scores: Mapping[str, Any], of_reference: Mapping[str, Any], decimals: int) -> float:
    """Return the gain of one score over another as a reader computes it from the two rounded numbers."""
    scale = 100.0 if METRICS[name].percent else 1.0
    own, others = (round(float(scale * one[name]["mean"]), decimals) for one in (scores, of_reference))
    return own - others if METRICS[name].greater_is_better else others - own


def _verdict_words(document: Mapping[str, Any], name: str, verdict: Mapping[str, Any] | None) -> tuple[str, str]:
    if verdict is not None:
        rule: Any = verdict["rule"]
        return SHORT[rule], _LOOKS.get(rule, "unsure")
    if not document["verdicts"]:
        return "", ""
    if name != document["reference"]:
        return "none: it diverged", ""
    return "reference", "reference"


def _decimals(name: str, margin: float) -> int:
    """Return how many decimals a difference in a score has: as many as the score, and enough for the margin."""
    if METRICS[name].percent:
        return max(1, math.ceil(-math.log10(100 * margin)))
    fewest, more = (0, 1) if METRICS[name].own_units else (3, 0)
    return min(8, max(fewest, more + math.ceil(-math.log10(margin))))


def _signed(value: float, decimals: int) -> str:
    """Return a difference with its sign: +1.3 points of accuracy, -0.012 of R2."""
    return f"{round(value, decimals) + 0.0:+,.{decimals}f}"


# ---- what stands out, and what would help


def _training(document: Mapping[str, Any], *, serious: bool) -> Iterator[str]:
    """Yield what stands out in training, one sentence for all candidates that share it: either that networks can't be
    compared as they are, or the rest."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for check in document["checks"]:
        found.setdefault(_key(check), []).append(check)
    if _untrained(document) >= {check["candidate"] for check in found.get("no_better_than_prior", ())}:
        found.pop("no_better_than_prior", None)  # the reason is given
    advice = document["advice"]
    if advice is not None and (advice["guess"] or advice["use"] == "prior"):
        found.pop("no_better_than_prior", None)  # the headline says so of all
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


def _untrained(document: Mapping[str, Any]) -> set[str]:
    """Return the candidates that have learnt nothing."""
    return {check["candidate"] for check in document["checks"] if _key(check) == "learnt_nothing"}


def _key(check: Mapping[str, Any]) -> str:
    """Return the code of a check, with what it found where a code stands for two things."""
    code: str = check["code"]
    if code == "under_trained" and "training_loss" in check["evidence"]:
        return "learnt_nothing"
    if code == "over_trained" and "its training stopped" in check["message"]:
        return "stopped_in_time"  # its epoch was chosen before that
    return code


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


def _basis(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield which score decides, and how to read its column."""
    if not document["verdicts"]:
        return
    name = document["metric"]["name"]
    shown = METRICS[_DECIDES_AS.get(name, name)]
    score = f"{shown.words[:1].upper()}{shown.words[1:]} decides{'' if shown.percent else ' (high is good)'}"
    if not shown.greater_is_better:
        of = " of the probabilities" if document["task"] != "regression" else ""
        score = f"The {shown.words}{of} decides (low is good)"
    yield f"{score}. A gain within its ± may be chance.{_alone(document)}"
    independent = min((one.get("independent_rows") or math.inf for one in document["verdicts"]), default=math.inf)
    if independent < _AS_FEW * document["plan"]["n_test"]:
        counted_as = f"{document['plan']['n_test']:,} test rows count as about {plain_number(independent, 2)}"
        yield f"Errors of rows that follow each other in time are alike: for the ±, {counted_as}."


def _alone(document: Mapping[str, Any]) -> str:
    """Return that single networks are judged where means were wanted but one seed doesn't show them; else empty."""
    n = document["plan"].get("networks", 1)
    if n == 1 or document["plan"]["seeds"] > 1 or all(one["kind"] != "network" for one in document["candidates"]):
        return ""
    return f" Networks are judged one by one: a single seed doesn't show what a mean of {n} does."


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


def _settling(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what more rows, repeats and seeds would do for the verdicts that are undecided."""
    undecided = [one for one in document["verdicts"] if one["rule"] in _OPEN]
    if not document["verdicts"]:
        return
    if not undecided:
        if not is_first_look(document):
            unfinished = any(_key(check) in ("under_trained", "learnt_nothing") for check in document["checks"])
            so_far = " for networks trained like this" if unfinished else ""
            yield f"Every verdict is decided{so_far}: more rows, repeats or seeds aren't needed."
        return
    untrained = _untrained(document)
    undecided = [one for one in undecided if not untrained & {one["candidate"], one["reference"]}]
    if undecided and (said := [*_more_rows(document, undecided), *_more_repeats(document, undecided)]):
        yield " ".join(said)


def _more_rows(document: Mapping[str, Any], undecided: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield about how many rows decide, for the models that need the fewest and for those that need most."""
    needed: dict[str, list[str]] = {}
    known = sorted((one for one in undecided if one["rows_needed"]), key=lambda one: one["rows_needed"][1])
    for one in known:
        needed.setdefault(_rows_needed(one), []).append(one["candidate"])
    if not needed:
        return
    (first, nearest), *others = needed.items()
    what, words = f"what differs from {document['reference']}", f"{first} for {listed(nearest, _MOST_NAMED)}"
    if known[0]["rows_needed"][0] > _OUT_OF_REACH * document["n_rows"]:
        yield f"More rows can hardly show {what}: it would take {words}."
        return
    if others:
        last, farthest = others[-1]
        words += f", {'up to ' if len(others) > 1 else ''}{last} for {listed(farthest, _MOST_NAMED)}"
    yield f"Rows needed to see {what}: {words}."


def _more_repeats(document: Mapping[str, Any], undecided: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield for which models unlimited repeats or seeds would narrow the interval enough for a verdict."""
    enough: dict[str, list[str]] = {}
    for verdict in undecided:
        left = {}  # the part of the uncertainty that would be left
        if document["interval"] == "corrected":
            left["repeats"] = document["more_repeats_ratio"]
        if verdict["seed_share"] is not None:
            left["seeds"] = math.sqrt(1 - verdict["seed_share"])
        middle = verdict["difference"]
        for what, part in left.items():
            low, high = (middle + part * (verdict[key] - middle) for key in ("low", "high"))
            names = enough.setdefault(what, [])
            if decide(low=low, high=high, margin=verdict["margin"]) not in _OPEN:
                names.append(verdict["candidate"])
    by_names: dict[str, list[str]] = {}
    for what, names in enough.items():
        if names:
            by_names.setdefault(listed(names, _MOST_NAMED), []).append(what)
    if by_names:
        (first, kinds), *rest = by_names.items()
        also = "".join(f", more {' or '.join(others)} for {names}" for names, others in rest)
        yield f"More {' or '.join(kinds)} may be enough for {first}{also}."
    elif enough:
        yield f"More {' or '.join(enough)} hardly help."


def _rows_needed(verdict: Mapping[str, Any]) -> str:
    """Return about how many rows show a difference of one margin four times in five, never fewer than there are."""
    rows = 2 * verdict["rows_needed"][0]  # between half and double
    if rows > _TOO_MANY:
        return f"over {_TOO_MANY:,}"
    return f"about {plain_number(rows, 2)}" if rows > verdict["n_rows"] else f"somewhat more than {verdict['n_rows']:,}"


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
