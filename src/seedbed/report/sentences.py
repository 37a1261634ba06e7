"""The details of a comparison as sentences, which terminal, page and notebook share, and the lines of
a training on one split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seedbed.data.frame import SERIOUS
from seedbed.errors import counted
from seedbed.evaluation.metrics import METRICS, find_metric, measure, plain_number
from seedbed.evaluation.summaries import Conclusion, Note
from seedbed.report.advice import (
    group_by_first,
    has_networks,
    join_words,
    margin_words,
    rows_to_tell,
)
from seedbed.report.tables import range_words

_OF_MARGIN = {
    "given": ", as requested",
    "default": ", the default",
    "tenth_of_error": ": a tenth of the error of {}, which is less than the default",
    "floor": ": the least that the default may be, as {} makes hardly any errors",
}
_FEW_FOLDS, _MOST_ALIKE, _MOST_WARNINGS = 5, 3, 20


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours, rounded as an estimate deserves."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def detail_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield how the models were trained and compared, beyond what the first screen says."""
    plan, metric = conclusion.plan, conclusion.metric
    if has_networks(conclusion):
        recipe = f"Recipe: {plan.recipe}; trained" if plan.recipe else "Trained"
        yield f"{recipe} on about {plan.n_train:,} rows at a time."
        if (
            plan.networks > 1
        ):  # the tutorial's recipe leaves out no rows, by which training would end
            leaves_out = conclusion.specification.get("recipe", {}).get("patience") != 0
            way = (
                "which leave out different rows"
                if leaves_out
                else "from different random starts"
            )
            yield f"Each model averages {plan.networks} networks or sets of trees, {way}."
    if plan.ended == "rows":
        yield "The run stopped, as more splits would hardly narrow the ranges."
    if plan.n_unused:
        unused = counted(plan.n_unused, "earlier row")
        yield f"{unused} of groups in the test rows can't be used for training."
    if (survival := conclusion.survival) is not None:
        yield f"Horizon: {survival.words}; the column {survival.time} is part of the outcome."
        yield f"By then {survival.n_censored:,} rows are censored."
    if conclusion.verdicts:
        meaning = METRICS[metric.name].meaning
        if metric.name == "brier" and len(conclusion.labels) > 2:
            meaning = (
                "the squared errors of a row's probabilities, added up over the classes"
            )
        what = f"{metric.words} ({meaning})" if meaning else metric.words
        if metric.shown.zero is not None:
            what = (
                f"the score: 100 (1 - {metric.words} / {metric.of_prior:.4g}); {what}"
            )
        source = _OF_MARGIN[metric.margin_source].format(conclusion.reference)
        yield f"The margin is {margin_words(metric)} in {what}{source}."
        yield from weak_points(conclusion)
    if finding := ranges_finding(conclusion):
        yield f"{finding}."
    yield from (
        f"To be sure: {text}." for text in ["; ".join(rows_to_tell(conclusion))] if text
    )
    if conclusion.advice is not None and conclusion.optimism.get(metric.name):
        use, shown = conclusion.advice.use, metric.shown
        score = range_words(shown, conclusion.expected_score(use, shown.name))
        yield f"These rows chose {use}; corrected for this choice, expect {shown.words} {score} of it."
    others = [
        one
        for one in conclusion.candidates
        if one.kind == "baseline" or one.description != plan.recipe
    ]
    yield from _names_by_note((one.description, one.name) for one in others)
    yield from (f"Note: {check.message}" for check in conclusion.checks)


def ranges_finding(summary: Conclusion) -> str:
    """Return how sure predictions are, in a sentence; empty without ranges."""
    ranges = summary.ranges
    if ranges is None:
        return ""
    if ranges.changed is not None:
        share = round(100 * ranges.changed)
        return f"Had other rows been sampled, {share} of 100 rows would be on the other side of 50%"
    width = f"{ranges.width:.3g}"
    if summary.task != "regression":
        width = f"{100 * ranges.width:.0f} points"
    return f"Had other rows been sampled, predictions would lie in ranges {width} wide on average"


def weak_points(conclusion: Conclusion) -> Iterator[str]:
    """Yield that there are few folds, and which candidates have no verdict."""
    if (
        conclusion.plan.kind == "cross_validation"
        and conclusion.plan.folds < _FEW_FOLDS
    ):
        yield f"{conclusion.plan.folds} folds give rough intervals: use {_FEW_FOLDS} or more."
    yield from (
        f"No verdict on {missing.candidate}: {missing.reason}."
        for missing in conclusion.no_verdict
    )


def spread(conclusion: Conclusion) -> str:
    """Return how the target is distributed."""
    if conclusion.target_mean is not None:
        mean, sd = (
            plain_number(number or 0.0)
            for number in (conclusion.target_mean, conclusion.target_sd)
        )
        return f"mean {mean}, standard deviation {sd}"
    if (survival := conclusion.survival) is not None:
        share = f"estimated survival until then: {100 * survival.everyone.observed[-1]:.0f}%"
        return f"{counted(survival.n_events, 'event')} up to {survival.words}; {share}"
    share = f"{100 * (conclusion.majority_share or 0.0):.1f}% are"
    most = max(
        conclusion.labels, key=lambda label: conclusion.labels[label], default=""
    )
    return (
        f"{share} {most}"
        if len(conclusion.labels) == 2
        else f"{len(conclusion.labels)} classes, {share} {most}"
    )


def slower_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield each reason why models are left out, or networks trained more slowly than common ones,
    with the models that share it."""
    return _names_by_note(
        (one.note, one.name) for one in conclusion.candidates if one.note
    )


def _names_by_note(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (
        f"{join_words(names, 3)}: {note}."
        for note, names in group_by_first(pairs).items()
    )


def serious_sentences(notes: Iterable[Note]) -> list[str]:
    """Return the warnings about a table that may make a result wrong."""
    found = [note_sentence(note) for note in join_notes(notes) if note.code in SERIOUS]
    more = len(found) - _MOST_WARNINGS
    return (
        found
        if more <= 0
        else [
            *found[:_MOST_WARNINGS],
            f"and {counted(more, 'more warning')} of this kind",
        ]
    )


def doubts(warnings: Iterable[str]) -> list[str]:
    """Return the warnings of a model as lines that are shown before anything else about it."""
    return [
        f"{'' if number else 'All this may be wrong. '}{warning}"
        for number, warning in enumerate(warnings)
    ]


def note_sentences(notes: Iterable[Note]) -> Iterator[str]:
    """Yield what else was found in the table."""
    others = [note for note in join_notes(notes) if note.code not in SERIOUS]
    # What a single column is taken for, seedbed inspect tells.
    yield from (note_sentence(note) for note in others if note.code or not note.column)


def join_notes(notes: Iterable[Note]) -> list[Note]:
    """Return notes about a table, with similar ones joined: notes that differ only in their column,
    and more than three that also differ in an example or a count. A joined note names the columns
    of the others."""
    same: dict[tuple[str, str, tuple[str, ...]], list[Note]] = {}
    alike: dict[tuple[str, str], list[list[Note]]] = {}
    for note in notes:
        message = (
            note.message.replace(f"'{note.column}'", "")
            if note.column
            else note.message
        )
        group = same.setdefault((note.code, message, tuple(note.rows)), [])
        if not group:
            is_example = note.column and note.finding and not note.remedy
            alike.setdefault(
                (note.code, note.finding if is_example else f"{message}{note.rows}"), []
            ).append(group)
        group.append(note)
    joined = []
    for groups in alike.values():
        is_many = len(groups) > _MOST_ALIKE
        how = "similarly" if is_many else "the same holds for"
        for first, *others in [sum(groups, list[Note]())] if is_many else groups:
            message = f"{first.message}; {how} {join_words([one.column for one in others], 3)}"
            joined.append(
                replace(first, message=message) if others and first.column else first
            )
    return joined


def note_sentence(note: Note) -> str:
    """Return a note as a sentence; a warning names the first rows that it is about, as the user
    finds them."""
    more = ", ..." if (note.count or 0) > len(note.rows) else ""
    where = f" [{', '.join(note.rows)}{more}]" if note.code and note.rows else ""
    return f"{note.code or 'Note'}: {note.message}{where}"


Curve = npt.NDArray[np.float32]


def epoch_lines(
    curves: Sequence[Curve], *, every: int, score_name: str = "accuracy"
) -> Iterator[str]:
    """Yield a line for every `every`-th epoch of loss and score in training and on test rows, each
    [epoch, network]: of several networks the mean and middle half."""

    def score(values: Curve) -> str:
        return (
            _show(values, ".4f")
            if score_name == "R2"
            else _show(100 * values, ".2f", "%")
        )

    train_loss, train_score, test_loss, test_score = curves
    name, short = ("R2", "R2") if score_name == "R2" else ("Accuracy", "acc")
    for epoch in range(0, len(train_loss), every):
        yield (
            f"Epoch: {epoch}, Loss: {_show(train_loss[epoch], '.5f')}, {name}: {score(train_score[epoch])} | "
            f"Test loss: {_show(test_loss[epoch], '.5f')}, Test {short}: {score(test_score[epoch])}"
        )


def _show(values: Curve, digits: str, unit: str = "") -> str:
    """Return the mean over networks, and of several their middle half."""
    if not len(values):
        return "-"
    mean = f"{values.mean(dtype=np.float64):{digits}}{unit}"
    if len(values) == 1:
        return mean
    low, high = np.percentile(values, (25, 75))
    return f"{mean} ({low:{digits}} to {high:{digits}})"


def seeds_sentence(scores: Curve, n_seeds: int, score_name: str) -> str:
    """Return how far the scores of single networks on one split are apart [network], without those
    that diverged; empty if all did."""
    if not len(scores):
        return ""
    metric = find_metric(score_name.lower())
    low, mean, high = (
        measure(metric, float(f(scores))) for f in (np.min, np.mean, np.max)
    )
    if n_seeds == 1:
        return (
            f"Test {metric.words} {mean}, once: another seed or split may give another."
        )
    lost = f", {n_seeds - len(scores)} diverged" if len(scores) < n_seeds else ""
    spread = f"{counted(n_seeds, 'seed')} between {low} and {high}{lost}"
    return f"Test {metric.words} {mean}; {spread}. All share one split: seedbed compare has others."
