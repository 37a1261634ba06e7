"""What only judgements say: p-values, one test set, one split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from seedbed.errors import counted
from seedbed.evaluation.metrics import p_words, plain_number
from seedbed.evaluation.sample_sizes import SampleSize, SampleSizes
from seedbed.evaluation.summaries import Conclusion, DecidingScore
from seedbed.report.advice import margin_words, rows_to_tell
from seedbed.report.sentences import weak_points

_MOST_NAMED = 20


def judgement_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield what the verdicts of a judgement rest on, what is known without one, and what was found
    in the file."""
    plan, verdicts, metric = conclusion.plan, conclusion.verdicts, conclusion.metric
    if verdicts:
        n = max(verdict.comparisons for verdict in verdicts)
        discarded = (
            f", {counted(plan.tried, 'discarded attempt')} among them"
            if plan.tried
            else ""
        )
        holm = f", adjusted for {n} comparisons{discarded}" if n > 1 else ""
        p_of = {
            one.candidate: p_words(one.p_adjusted) for one in verdicts[:_MOST_NAMED]
        }
        others = {name: p for name, p in p_of.items() if p != "1"}
        if len(p_of) > len(others) + 2:
            p_of = others | {"the others" if others else "all": "1"}
        yield f"p{holm}: {', '.join(f'{name} {p}' for name, p in p_of.items())}."
        if plan.kind == "random_splits":
            yield f"Random splits: corrected for their overlap, Student's t with {plan.df} degrees of freedom."
        if plan.kind == "held_out":
            models = "these fitted models"
            if plan.seeds > 1:
                models = (
                    "models trained on these training rows, with these or other seeds"
                )
            size, like = (
                (conclusion.n_rows, "rows")
                if plan.n_groups is None
                else (plan.n_groups, "groups")
            )
            yield (
                f"If all rows are of one test set, this holds for {models}, on {like} like these {size:,}. "
                "It doesn't say what training again on other rows would give: for that, judge a cross-validation."
            )
            if metric.name == "accuracy" and plan.seeds == 1 and plan.n_groups is None:
                yield "Differences in accuracy: p of McNemar's exact test, with Tango's score interval."
        if plan.kind == "items":
            yield f"This holds for other items like these {conclusion.n_rows:,}, if they don't depend on each other."
        yield from weak_points(conclusion)
        yield from (
            f"To be sure: {text}."
            for text in ["; ".join(rows_to_tell(conclusion))]
            if text
        )
    if conclusion.sample_sizes is not None:
        yield from size_sentences(conclusion.sample_sizes, metric)
    if plan.kind == "one_split":
        yield (
            "For a verdict, score the candidates by cross-validation, 10 repeats of 10 folds say, and give a row for "
            "each fold. Or give the predictions of each row: they tell these fitted models apart."
        )
    yield from (f"Note: {note.message}" for note in conclusion.notes)


def size_sentences(plan: SampleSizes, metric: DecidingScore) -> Iterator[str]:
    """Yield how many items, groups or rows show each gain."""
    pair = ""
    if plan.candidate:
        pair = f", if the scores of {plan.candidate} and {plan.reference} differ as they do now"
    yield f"A gain is shown four times in five{pair}:"
    by_gain = itertools.groupby(plan.sizes, key=lambda size: size.gain)
    for gain, sizes in by_gain:
        words = margin_words(replace(metric, margin=gain))
        needed = "; ".join(_size(size, plan.unit) for size in sizes)
        yield f"- {words}: with {needed}."


def _size(size: SampleSize, unit: str) -> str:
    """Return how many units show a gain: `3,200 items (95%: 2,500 to 4,100)`."""
    words = f"{plain_number(size.needed, 2)} {unit}"
    if size.low is not None and size.high is not None and size.low < size.high:
        low, high = (plain_number(end, 2) for end in (size.low, size.high))
        words = f"{words} (95%: {low} to {high})"
    return words if size.attempts == 1 else f"{words} of {size.attempts} attempts each"
