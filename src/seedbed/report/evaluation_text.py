"""An evaluation of a model on rows with known outcome, and its text, document and page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from seedbed.errors import counted, visible
from seedbed.evaluation.calibration import OfTwoClasses
from seedbed.evaluation.conclusion import (
    AS_PROMISED,
    BELOW,
    WORSE,
    Watch,
    against_promise,
)
from seedbed.evaluation.estimates import Estimate, Interval
from seedbed.evaluation.metrics import (
    METRICS,
    find_metric,
    measure,
    plain_number,
    plus_minus,
)
from seedbed.evaluation.summaries import Conclusion, Score, document_of, with_lists
from seedbed.report.advice import guessing_words, in_percent
from seedbed.report.stored import text_fragment, write_report
from seedbed.report.tables import WIDTH, fold_text, range_words

_LABEL, _FEW = 12, 4


@dataclass(frozen=True, kw_only=True)
class Part:
    """The rows of one value of a column, and their verdict; without score and verdict if they are
    too few."""

    value: str
    n_rows: int
    found: Score
    verdict: str | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Evaluation:
    """What a model does on rows with known outcome, from `Model.evaluate`.

    Attributes:
        conclusion: all scores of the model on these rows, its calibration, and the verdict on it
            against another model.
        metric: the score of the verdict: accuracy of classes, the mean absolute error of numbers,
            the integrated Brier score of survival.
        promises: all scores in the comparison that made the model, corrected for the choice of the
            best; empty if no comparison measured it.
        difference: found minus promised, with the errors of both; of all looks, if the promise is
            watched.
        verdict: `as promised`, `below the promise`, `above the promise`; None without a promise,
            and of too few rows. If the promise is watched, it is on all looks, and may be `worse
            than before` or `better than before`.
        watch: what the ledger says, if the promise is watched.
        is_new_site: whether the promise is that for a site that no model has seen.
        two_classes: calibration and net benefit of two classes.
        parts: by the column `by`.
        n_training_rows: how many rows were left out as the model, or the other one, was trained on
            them; None if the model's file doesn't say.
        notes: sentences about the rows.
    """

    conclusion: Conclusion
    metric: str
    promises: Mapping[str, Score]
    difference: Interval | None
    verdict: str | None
    watch: Watch | None = None
    is_new_site: bool = False
    two_classes: OfTwoClasses | None
    by: str | None
    parts: tuple[Part, ...]
    n_training_rows: int | None
    notes: tuple[str, ...]

    @property
    def promised(self) -> Score | None:
        """The score of the verdict in the comparison."""
        return self.promises.get(self.metric)

    @property
    def found(self) -> Score:
        """The score of the verdict on these rows."""
        return self.conclusion.candidates[0].scores[self.metric]

    @property
    def is_below(self) -> bool:
        """Whether the model, or the rows of one part, are below the promise, or worse than before
        in a watch."""
        verdicts = {self.verdict, *(part.verdict for part in self.parts)}
        return bool(verdicts & {BELOW, WORSE})

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON. docs/summary.md explains its keys."""
        values = with_lists(msgspec.to_builtins(self)) | {
            "conclusion": document_of(self.conclusion)
        }
        values |= {
            "promised": msgspec.to_builtins(self.promised),
            "found": msgspec.to_builtins(self.found),
        }
        return {"schema_version": 1, "kind": "evaluation", **values, "text": str(self)}

    def report(self, path: str | os.PathLike[str] = "report.html") -> Path:
        """Write the report, one self-contained HTML page; return its path.

        Raises:
            OptionError: the path doesn't end in `.html`, or its folder doesn't exist.
        """
        return write_report(
            self.conclusion,
            path,
            evaluation=self,
            heading=_heading(self),
            answers=[*_answers(self)],
        )

    def __str__(self) -> str:
        return evaluation_text(self)

    def _repr_html_(self) -> str:
        return text_fragment(str(self))


def evaluation_text(evaluation: Evaluation, *, width: int = WIDTH) -> str:
    """Return an evaluation as lines: what was promised, what was found, and what else the rows
    say."""
    lines = [*fold_text(_heading(evaluation), width), ""]
    for label, text in _answers(evaluation):
        first, *rest = fold_text(text, width - _LABEL)
        lines += [
            f"{label:<{_LABEL - 1}} {first}",
            *(" " * _LABEL + line for line in rest),
        ]
    return visible("\n".join(lines))


def _heading(one: Evaluation) -> str:
    about = f"{one.conclusion.table or 'new rows'}: predicting {one.conclusion.target}"
    return f"{about}. Does {one.conclusion.candidates[0].name} hold its promise?"


def _answers(one: Evaluation) -> Iterator[tuple[str, str]]:
    """Yield labels and texts; a label is empty if the text goes on."""
    conclusion = one.conclusion
    nothing = "nothing: no comparison measured this model"
    promised = nothing if one.promised is None else _words(one, one.promised)
    yield "promised", f"{promised}{' at a new site' * one.is_new_site}"
    of_these = one.verdict if one.watch is None else None
    yield f"these {conclusion.n_rows:,}", _words(one, one.found, of_these)
    if of_these == AS_PROMISED:
        yield "", f"(a drop below {_least_drop(one)} would not be seen with these rows)"
    if one.metric == conclusion.metric.name and conclusion.metric.of_prior:
        yield (
            "",
            f"(0 is perfect; {guessing_words(conclusion)} has {conclusion.metric.of_prior:.3f} on these rows)",
        )
    elif conclusion.labels:
        yield (
            "",
            f"({guessing_words(conclusion)}: {max(conclusion.labels.values()) / (conclusion.n_rows or 1):.0%})",
        )
    if one.watch is not None:
        yield from _of_watch(one, one.watch)
    if one.two_classes is not None:
        yield from _of_two_classes(one.two_classes, conclusion)
        if _is_order_kept(one, one.two_classes):
            kept = "the order of rows, the ROC AUC, is no worse than promised"
            command = "seedbed train MODEL --recalibrate ROWS -o NEW"
            yield "recalibrate", f"{kept}, so probabilities alone are off: {command}"
    label = f"by {one.by}"
    for part in one.parts:
        if part.verdict != AS_PROMISED or len(one.parts) <= _FEW:
            words = (
                "too few for a verdict"
                if part.found.mean is None
                else _words(one, part.found, part.verdict)
            )
            yield label, f"{part.value}, {counted(part.n_rows, 'row')}: {words}"
            label = ""
    if len(one.parts) > _FEW and (
        rest := [part.value for part in one.parts if part.verdict == AS_PROMISED]
    ):
        yield label, f"{', '.join(rest)}: {AS_PROMISED}"
    for verdict in conclusion.verdicts:
        metric = conclusion.metric.shown
        other = conclusion.candidate(verdict.reference).scores[one.metric]
        gain = verdict.times(metric.scale)
        scale = metric.words
        difference = plus_minus(gain.mean, gain.half, 1 if metric.in_points else None)
        if metric.zero:
            scale = f"points, of a score from 0 ({guessing_words(conclusion)}) to 100 (perfect)"
        yield "against", f"{verdict.reference}, {_words(one, other)}"
        yield "", f"{verdict.short}: this model has {difference} {scale}"
    yield from (("note", note) for note in one.notes)


def _of_watch(one: Evaluation, watch: Watch) -> Iterator[tuple[str, str]]:
    """Yield the verdict on all looks, since when it holds, and what it couldn't see."""
    looks = counted(watch.n_looks, "look")
    about = f"since {watch.since}: {counted(watch.n_rows, 'row')} in {looks}"
    yield "watch", f"{about}, {_words(one, watch.found, watch.verdict)}"
    if watch.verdict is None:
        yield "", "(too few rows for a verdict)"
    elif watch.verdict == AS_PROMISED:
        yield "", f"(a drop below {_least_drop(one)} would not be seen yet)"
    else:
        yield "", f"(first seen on {watch.seen})"
    if watch.before is not None and watch.after is not None:
        means = [measure(one.metric, mean) for mean in (watch.before, watch.after)]
        yield "", f"({means[0]} before {watch.changed}, {means[1]} since)"
    if watch.n_known:
        yield (
            "",
            f"({counted(watch.n_known, 'row')} not added: the ledger has equal ones)",
        )


def _words(one: Evaluation, score: Score, verdict: str | None = None) -> str:
    """Return a score of the verdict in words."""
    metric = find_metric(one.metric)
    alpha = one.conclusion.alpha
    value, _, interval = range_words(metric, score).partition(" ")
    words = f"{metric.words} {value}"
    if metric.own_units:
        words = f"off by {value} in {one.conclusion.target} on average"
    if interval:
        words += f" ({100 * (1 - alpha):g}%: {interval[1:]}"
    if metric.percent and interval:
        words = in_percent(score, "new rows right", alpha)
    return f"{words}: {verdict}" if verdict else words


def _least_drop(one: Evaluation) -> str:
    """Return by how much the score would have to be worse than promised for another verdict."""
    metric = find_metric(one.metric)
    difference = one.difference
    assert difference is not None
    drop = difference.high - difference.mean
    if not metric.greater_is_better:
        drop = difference.mean - difference.low
    unit = (
        " points" * metric.percent + f" in {one.conclusion.target}" * metric.own_units
    )
    return f"{plain_number((100 if metric.percent else 1) * drop, 2)}{unit}"


def _faults(slope: Estimate, intercept: Estimate) -> list[str]:
    """Return in which way probabilities are off."""
    found = {
        "too extreme": slope.high < 1,
        "too cautious": slope.low > 1,
        "too high": intercept.high < 0,
        "too low": intercept.low > 0,
    }
    return [words for words, is_so in found.items() if is_so]


def _is_order_kept(one: Evaluation, classes: OfTwoClasses) -> bool:
    """Return whether the model is below its promise, and its probabilities alone are off."""
    slope = classes.slope
    intercept = classes.intercept
    if not one.is_below or slope is None or intercept is None:
        return False
    found = one.conclusion.candidates[0].scores["roc_auc"]
    promised = one.promises.get("roc_auc")
    alpha = one.conclusion.alpha
    _, verdict = against_promise(promised, found, METRICS["roc_auc"], alpha=alpha)
    is_off = bool(_faults(slope, intercept))
    return is_off and verdict not in (None, BELOW)


def _of_two_classes(
    classes: OfTwoClasses, conclusion: Conclusion
) -> Iterator[tuple[str, str]]:
    label = "calibration"
    slope = classes.slope
    intercept = classes.intercept
    if slope is not None and intercept is not None:
        faults = _faults(slope, intercept)
        words = (
            f"probabilities are {' and '.join(faults)}"
            if faults
            else "no sign that probabilities are off"
        )
        numbers = [
            f"{of.mean:.2f} ({of.low:.2f} to {of.high:.2f}" for of in (slope, intercept)
        ]
        yield (
            label,
            f"{words}: slope {numbers[0]}; right: 1), intercept {numbers[1]}; right: 0)",
        )
        label = ""
    for low, high, predicted, observed in classes.miscalibrated_fifths:
        wrong = f"too {'low' if observed > predicted else 'high'} at {low:.0%} to {high:.0%}"
        yield label, f"{wrong}: {predicted:.0%} predicted, {observed:.0%} came true"
        label = ""
    limit = classes.threshold
    gain = classes.gain
    positive = [*conclusion.labels][-1]
    finding = (
        "more"
        if gain.low > 0
        else "less"
        if gain.high < 0
        else "can't tell whether more"
    )
    other = max(0.0, classes.treating_all)
    treated = f"all rows {positive}" if other > 0 else f"no row {positive}"
    benefits = f"{100 * classes.net_benefit:.1f} against {100 * other:.1f}"
    difference = f"difference {plus_minus(100 * gain.mean, 100 * gain.half, 1)}"
    at = f"net benefit above {limit:.0%} is {benefits} ({difference})"
    if limit < 1:
        yield "useful", f"{finding} than calling {treated}: {at}"
        cost = f"{plain_number(limit / (1 - limit), 2)}, the odds of {limit:.0%},"
        rule = (
            f"those rightly called {positive}, minus {cost} for each wrongly called so"
        )
        yield "", f"(of 100 rows, {rule})"
