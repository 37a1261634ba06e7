"""The first screen of a comparison: five answers, one table, its forest plot, how to read it, and what was trained.

Terminal, report and notebook show the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seedbed.errors import counted, spell
from seedbed.evaluation.checks import Check
from seedbed.evaluation.metrics import METRICS, Metric
from seedbed.evaluation.numbers import measure, plain_number, plus_minus
from seedbed.evaluation.summaries import CandidateSummary, Conclusion
from seedbed.evaluation.verdicts import SHORT
from seedbed.report.advice import (
    answers,
    deciding,
    guessing,
    has_networks,
    learnt_nothing,
    leaves_out_rows,
    listed,
    margin_words,
    rare_label,
    recommended,
)
from seedbed.report.columns_text import (
    column_answers,
    column_headings,
    column_notes,
    effect_cells,
    label_of,
    shown_effects,
)
from seedbed.report.findings import effect_answers
from seedbed.report.judged import judged_sentences
from seedbed.report.sentences import (
    duration,
    ended_sentence,
    no_verdict_reason,
    note_sentence,
    serious_sentences,
    slower_sentences,
    spread,
)

_MOST_NAMED = 3
_AS_FEW = 0.7  # of the test rows: fewer independent ones are worth a sentence
_TOO_GOOD = 0.97  # a score that one column may explain
_LONG = 24  # letters of a name that doesn't fit into the heading of a number
LOOKS = {"better_by_margin": "better", "better": "better", "worse": "worse"}
_STANDS_OUT = {
    "confined_outputs": "{names} return{s} probabilities and not logits: remove the sigmoid or softmax at the end.",
    "learnt_nothing": "{names} {has} learnt nothing yet: try {epochs} or another {lr}.",
    "under_trained": "{names} {was} still learning at the end: {epochs} or a higher {lr} may help.",
    "over_trained": "{names} {was} trained for too long: fewer epochs or a {patience} of 8 stop earlier.",
    "diverged": "Some networks of {names} diverged: try a lower {lr}.",
    "dead_units": "Many ReLU units of {names} are dead: try a lower {lr}, or leakyrelu in place of relu.",
    "no_better_than_prior": "{names} show{s} no gain over {guessing}.",
}
_SERIOUS = {"confined_outputs", "learnt_nothing"}


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
        ends: what the left and the right end of the forest plot mean.
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
    ends: tuple[str, str] = ("worse", "better")


def first_screen(conclusion: Conclusion) -> FirstScreen:
    """Return the first screen of a comparison or a judgement."""
    metric, reference, judged = conclusion.metric, conclusion.reference, conclusion.kind == "judgement"
    score = deciding(conclusion)
    beside = tuple(METRICS[name] for name in _beside(conclusion) if name != score.name)
    in_points = score.percent
    compared = "gain over the reference" if len(reference) > _LONG else f"gain over {reference}"
    columns = (
        "",
        score.words,
        f"{compared} (points)" if in_points else compared,
        *(one.words for one in beside),
        "verdict" if len(reference) > _LONG // 2 else f"verdict against {reference}",
    )
    warnings = (
        *serious_sentences(conclusion.notes),
        *_one_column(conclusion),
        *_training(conclusion, serious=True),
    )
    training = *_training(conclusion, serious=False), *slower_sentences(conclusion)
    notes = *_key(conclusion, score), *_other_way(conclusion), *training
    screen = FirstScreen(
        heading=f"{conclusion.table}: {' '.join(conclusion.understood)}" if judged else _heading(conclusion),
        warnings=tuple(warnings),
        answers=(*answers(conclusion), *effect_answers(conclusion)),
        no_verdict=_no_verdict(conclusion),
        columns=columns,
        rows=tuple(_rows(conclusion, score, beside)),
        notes=tuple(notes),
        trained=(
            *(judged_sentences(conclusion) if judged else _trained(conclusion)),
            *ended_sentence(conclusion),
        ),
        unit="points" if in_points else score.words,
        margin=(100.0 if in_points else 1.0) * metric.margin,
    )
    if conclusion.columns is None:
        return screen
    return replace(
        screen,
        answers=tuple(column_answers(conclusion)),
        columns=column_headings(score),
        rows=tuple(_column_rows(conclusion, score)),
        notes=(*column_notes(conclusion, score), *training),
        ends=("harms", "helps"),
    )


def _beside(conclusion: Conclusion) -> Iterator[str]:
    """Yield the scores that are shown in any case, if they are known."""
    names = ("roc_auc", "recall") if rare_label(conclusion) else ("accuracy",)
    for name in ("r2", "mae") if conclusion.task == "regression" else names:
        if all(name in candidate.scores for candidate in conclusion.candidates):
            yield name


def _one_column(conclusion: Conclusion) -> Iterator[str]:
    """Yield the warnings about columns that alone predict well, if a model is so good that they do nearly all of it."""
    scores = [one.scores[name].mean or 0.0 for name in [*_beside(conclusion)][:1] for one in conclusion.candidates]
    if max(scores, default=0.0) > _TOO_GOOD:
        yield from (note_sentence(note) for note in conclusion.notes if note.code == "SB212")


def _no_verdict(conclusion: Conclusion) -> str:
    if conclusion.verdicts or not conclusion.no_verdict:
        return ""
    if (shared := no_verdict_reason(conclusion)) is not None:
        return f"No verdict: {shared}."
    return " ".join(f"No verdict on {missing.candidate}: {missing.reason}." for missing in conclusion.no_verdict)


# ---- what was done


def _heading(conclusion: Conclusion) -> str:
    rows = counted(conclusion.n_rows or 0, "row")
    if sample_of := conclusion.plan.sample_of:
        rows = f"a sample of {conclusion.n_rows:,} of {sample_of:,} rows"
    parts = [f"{rows}, {counted(conclusion.n_features or 0, 'feature')}", spread(conclusion)]
    size = "; ".join([*parts, *(note.message for note in conclusion.notes if note.code == "SB205")])
    return f"{conclusion.table}: predicting {conclusion.target} ({size})"


def _trained(conclusion: Conclusion) -> Iterator[str]:
    plan, models = conclusion.plan, counted(len(conclusion.candidates), "model")
    on = f"on {counted(plan.repeats * plan.folds, 'train/test split')}"
    if plan.kind == "held_out":
        on = f"tested once on {plan.n_test:,} rows that were set aside"
    trained = sum(model.n_networks or 0 for model in conclusion.candidates)
    took = duration(conclusion.seconds or 0.0)
    yield f"{models} {on}: " + (f"{counted(trained, 'network')} in {took}" if trained else took)


# ---- the table


def _rows(conclusion: Conclusion, metric: Metric, beside: Sequence[Metric]) -> Iterator[Row]:
    mixed = any(candidate.kind == "baseline" for candidate in conclusion.candidates)
    verdicts = {one.candidate: one for one in conclusion.verdicts}
    decimals, chosen = decimals_of(metric, conclusion.metric.margin), recommended(conclusion)
    scale = 100.0 if metric.percent else 1.0

    def shown(name: str) -> float:
        return round(scale * (conclusion.score(name, metric.name).mean or 0.0), decimals)

    for model in conclusion.in_order():
        name = model.name
        # Where networks have diverged, the scores of the others are optimistic.
        score = _score(metric, model, decimals) if model.finite else "-"
        others = tuple(_score(other, model) if model.finite else "-" for other in beside)
        verdict, interval, gain, words, look = verdicts.get(name), None, "", "", ""
        if verdict is not None:
            interval = middle, low, high = scale * verdict.difference, scale * verdict.low, scale * verdict.high
            # As a reader computes it from the two rounded numbers.
            points = shown(name) - shown(conclusion.reference)
            points = points if metric.greater_is_better else -points
            gain = plus_minus(points, max(high - middle, middle - low), decimals)
            words, look = SHORT[verdict.rule], LOOKS.get(verdict.rule, "unsure")
        elif conclusion.verdicts:
            is_reference = name == conclusion.reference
            gain, words, look = (
                ("reference", "", "reference")
                if is_reference
                else ("", "none" if model.finite else "none: it diverged", "")
            )
        yield Row(name, _label(conclusion, model, mixed), score, gain, others, words, look, name in chosen, interval)


def _column_rows(conclusion: Conclusion, metric: Metric) -> Iterator[Row]:
    """Yield the model with all columns, then those without some, the largest loss first."""
    answer, reference = conclusion.columns, conclusion.reference
    assert answer is not None
    decimals, scale = decimals_of(metric, conclusion.metric.margin), 100.0 if metric.percent else 1.0
    whole = measure(metric, conclusion.score(reference, metric.name).mean or 0.0)
    yield Row(reference, "(nothing)", "", "", (whole, ""), "", "reference", False, None)
    for effect in shown_effects(answer):
        interval, loss, adds = None, "", ""
        if effect.loss is not None and effect.low is not None and effect.high is not None:
            interval = middle, low, high = scale * effect.loss, scale * effect.low, scale * effect.high
            loss = plus_minus(middle, max(high - middle, middle - low), decimals)
        if effect.adds is not None and effect.adds_high is not None:
            adds = plus_minus(scale * effect.adds, scale * (effect.adds_high - effect.adds), decimals)
        look = {"helps": "better", "harms": "worse", "none": ""}.get(effect.verdict, "unsure")
        beside = effect_cells(effect, metric, decimals)
        name, label = effect.without, label_of(effect.columns)
        verdict = {"no difference that matters": "doesn't matter"}.get(effect.verdict, str(effect.verdict))
        if verdict == "helps" and (effect.loss or 0.0) < conclusion.metric.margin:
            verdict = "helps, but by less than matters"
        yield Row(name, label, adds, loss, beside, verdict, look, False, interval)


def _label(conclusion: Conclusion, model: CandidateSummary, mixed: bool) -> str:
    """Return a name with what it is: how many networks are averaged, and a single one beside baselines."""
    what = {"prior": guessing(conclusion).removeprefix("predicting the "), "auto": "blend"}.get(model.name)
    if what is None and model.kind == "network":
        what = f"{conclusion.plan.networks} networks" if _averaged(conclusion) else "network" if mixed else None
    return f"{model.name} ({what})" if what else str(model.name)


def _averaged(conclusion: Conclusion) -> bool:
    """Return whether the mean of several networks is judged."""
    return conclusion.plan.networks > 1


def _score(metric: Metric, candidate: CandidateSummary, decimals: int | None = None) -> str:
    """Return a score, with a number of decimals or as many as it usually has."""
    mean = candidate.scores[metric.name].mean
    if mean is None or decimals is None:
        return "-" if mean is None else measure(metric, mean)
    if metric.percent:
        return f"{100 * mean:.{decimals}f}%"
    return f"{round(mean, decimals) + 0.0:,.{decimals}f}"


def decimals_of(metric: Metric, margin: float) -> int:
    """Return how many decimals a difference in a score has: as many as the score, and enough for the margin."""
    if metric.percent:
        return max(1, math.ceil(-math.log10(100 * margin)))
    fewest, more = (0, 1) if metric.own_units else (3, 0)
    return min(8, max(fewest, more + math.ceil(-math.log10(margin))))


# ---- how to read it, and what stands out


def _key(conclusion: Conclusion, score: Metric) -> Iterator[str]:
    """Yield what the columns mean."""
    verdicts, plan = conclusion.verdicts, conclusion.plan
    label = rare_label(conclusion)
    if verdicts:
        n = max(verdict.comparisons for verdict in verdicts)
        alone = [verdict.candidate for verdict in verdicts if verdict.comparisons == 1 < n]
        way = f"{'high' if score.greater_is_better else 'low'} is good"
        way += "; it is the share of variance explained" if score.name == "r2" else ""
        words = f"The {score.words}" if score.name == "brier" else f"{score.words[:1].upper()}{score.words[1:]}"
        yield f"{words} decides ({way}). A gain below {margin_words(conclusion.metric)} doesn't matter (the margin)."
        together = f"s, which hold for these {n} comparisons together" if n > 1 else ""
        apart = f"; that of {listed(alone)} holds by itself" if alone else ""
        yield f"±: {100 * (1 - conclusion.alpha):g}% interval{together}{apart}."
    if label:
        yield f"Recall: the share of the rows with {conclusion.target} {label} that are found."
    if has_networks(conclusion) and plan.networks > 1:
        way = "each from another random start (seed)"
        if leaves_out_rows(conclusion):
            way = "each leaves out other rows, by which training ends"
        yield f"{plan.networks} networks: their mean prediction; {way}."
    independent = min((verdict.independent_rows or math.inf for verdict in verdicts), default=math.inf)
    if independent < _AS_FEW * (plan.n_test or 0):
        counted_as = f"{plan.n_test:,} test rows count as about {plain_number(independent, 2)}"
        yield f"Errors of rows that follow each other in time are alike: for the ±, {counted_as}."


def _training(conclusion: Conclusion, *, serious: bool) -> Iterator[str]:
    """Yield what stands out in training, one sentence for all candidates that share it: either that networks can't be
    compared as they are, or the rest."""
    by_code: dict[str, list[Check]] = {}
    untrained, advice = learnt_nothing(conclusion), conclusion.advice
    for check in conclusion.checks:
        code = check.code
        if code == "under_trained" and check.candidate in untrained:
            code = "learnt_nothing"
        by_code.setdefault(code, []).append(check)
    if untrained >= {check.candidate for check in by_code.get("no_better_than_prior", ())}:
        by_code.pop("no_better_than_prior", None)  # the reason is given
    if advice is not None and (advice.guess or advice.use == "prior"):
        by_code.pop("no_better_than_prior", None)  # the answers say so
    for key, sentence in _STANDS_OUT.items():
        if key in by_code and (key in _SERIOUS) == serious:
            names = [check.candidate for check in by_code[key]]
            one = len(names) == 1
            yield sentence.format(
                names=listed(names, _MOST_NAMED),
                epochs=_more_epochs(by_code[key]),
                **{name: spell(name) for name in ("lr", "patience")},
                was="was" if one else "were",
                s="s" if one else "",
                has="has" if one else "have",
                guessing=guessing(conclusion),
            )


def _more_epochs(checks: Sequence[Check]) -> str:
    """Return the option that doubles the epochs, unless a candidate has epochs of its own."""
    epochs = max((int(check.evidence.get("epochs") or 0) for check in checks), default=0)
    given = any("epochs=" in check.candidate for check in checks)
    return spell("epochs", 2 * epochs) if epochs and not given else "more epochs"


def _other_way(conclusion: Conclusion) -> Iterator[str]:
    """Yield which models are better or worse by accuracy, where the score that decides doesn't show it."""
    groups: dict[str, list[str]] = {}
    for verdict in conclusion.verdicts:
        accuracy = verdict.accuracy
        if accuracy is None or accuracy.low <= 0 <= accuracy.high or rare_label(conclusion):
            continue
        word = "better" if accuracy.low > 0 else "worse"
        if word != LOOKS.get(verdict.rule):
            groups.setdefault(word, []).append(verdict.candidate)
    parts = [
        f"{listed(names, _MOST_NAMED)} {'is' if len(names) == 1 else 'are'} {word}" for word, names in groups.items()
    ]
    if parts:
        reference, score = conclusion.reference, conclusion.metric.words
        yield f"By accuracy alone, {' and '.join(parts)} than {reference}; the {score} doesn't show it."
