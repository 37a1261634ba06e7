"""The details of a comparison as sentences. Terminal, page and notebook use the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seedbed.data import SERIOUS
from seedbed.errors import counted, phrased
from seedbed.evaluation import METRICS, CandidateSummary, Conclusion, Note, PlanSummary, measure, plain_number
from seedbed.report.advice import guessing, has_networks, is_first_look, listed, margin_words

__all__ = [
    "averaged_sentence",
    "duration",
    "ended_sentence",
    "fewer_repeats",
    "heading_sentences",
    "no_verdict_reason",
    "note_sentence",
    "note_sentences",
    "range_sentences",
    "remark_sentences",
    "serious_sentences",
    "settling_sentences",
    "spread",
    "verdict_sentences",
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


def heading_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield what was compared, and how."""
    yield from (phrased(sentence, conclusion.command) for sentence in _heading(conclusion))


def ended_sentence(conclusion: Conclusion) -> Iterator[str]:
    """Yield why the run ended before its last repeat, if it did."""
    plan = conclusion.plan
    after = f"{counted(plan.repeats, 'repeat')} of up to {plan.most_repeats}"
    left = plan.most_repeats - plan.repeats
    others, them = ("the other one", "it") if left == 1 else (f"the other {left}", "them")
    add = f"too, add --repeats {plan.most_repeats} to the command."
    hardly = f"{others} would narrow the ± of an undecided verdict by a tenth at most"
    yield from {
        "decided": [f"It stopped after {after}, as every verdict is decided. To run {others}, {add}"],
        "rows": [f"It stopped after {after}: {hardly}. To run {them}, {add}"],
        "time": [f"It stopped after {after}, as the next didn't fit the limit of {plan.time_limit or 0:g} s."],
        "interrupted": [f"It was interrupted after {after}; the same command continues."],
    }.get(plan.ended, [])


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours, rounded as an estimate deserves."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def fewer_repeats(conclusion: Conclusion) -> Iterator[str]:
    """Yield which models were compared on fewer repeats than the others."""
    most = conclusion.plan.repeats
    for one in conclusion.candidates:
        if one.repeats is not None and one.repeats < most:
            repeats = f"{one.repeats} of the {most} repeats"
            yield f"{one.name} was compared on {repeats}, so its range is a little wider."


def averaged_sentence(plan: PlanSummary) -> str:
    """Return what is known of the mean of several networks."""
    n, seeds = plan.networks, plan.seeds
    if seeds == 1:
        return f"Networks are judged one by one: a single seed doesn't show what a mean of {n} does."
    if n <= seeds:
        return f"The mean of {n} networks is judged, by the {seeds} that were trained for each split."
    return (
        f"The mean of {n} networks is judged, by the {seeds} that were trained for each split: the Brier score and the "
        f"squared error are those of {n}, and all other scores those of the mean of {seeds}."
    )


def _heading(conclusion: Conclusion) -> Iterator[str]:
    plan = conclusion.plan
    size = f"{counted(conclusion.n_rows or 0, 'row')}, {counted(conclusion.n_features or 0, 'feature')}"
    recipe = f"; {plan.recipe}" if any(one.kind == "network" for one in conclusion.candidates) else ""
    yield f"{conclusion.target} of {conclusion.table}: {size}, {spread(conclusion)}{recipe}"
    folds = f"{counted(plan.repeats, 'repeat')} of {plan.folds} folds, {counted(plan.seeds, 'seed')} per fold"
    if plan.locked_share:
        folds = f"{plan.n_test:,} rows were locked away and looked at once, with {counted(plan.seeds, 'seed')}"
    yield f"{folds}; trained on about {plan.n_train:,} rows at a time"
    yield from ended_sentence(conclusion)
    yield from fewer_repeats(conclusion)
    if plan.networks > 1 and has_networks(conclusion):
        yield averaged_sentence(plan)
    if plan.n_unused:
        unused = counted(plan.n_unused, "earlier row")
        yield f"{unused} of groups in the test rows can't be used for training."
    if plan.kind == "held_out" and plan.seeds == 1:
        yield "One seed doesn't show how much seeds matter, so all ranges are too narrow: leave --seeds out."
    if conclusion.verdicts:
        metric = conclusion.metric
        meaning = METRICS[metric.name].meaning
        what = f"{metric.words} ({meaning})" if meaning else metric.words
        if metric.name == "brier" and conclusion.task == "multiclass":
            what = f"{metric.words} (the squared errors of a row's probabilities, added up over the classes)"
        yield (
            f"The reference is {conclusion.reference}. A difference of {margin_words(metric)} in {what} matters"
            f"{_margin_source(conclusion)}."
        )
        if plan.kind == "cross_validation" and plan.folds < _FEW_FOLDS:
            yield f"{plan.folds} folds give rough intervals: use {_FEW_FOLDS} or more."
    if is_first_look(conclusion) or plan.sample_of:
        rows = f" at a sample of {conclusion.n_rows:,} of {plan.sample_of:,} rows" if plan.sample_of else ""
        few = " with a single repeat" if is_first_look(conclusion) else ""
        yield f"A FIRST LOOK{','.join(filter(None, (rows, few)))}: leave --quick out before you rely on it."
    if plan.shortened:
        epochs = f" and {counted(plan.epochs, 'epoch')}" if plan.epochs else ""
        yield (
            f"Shortened for a time limit of {plan.time_limit:g} s: {counted(plan.repeats, 'repeat')} with "
            f"{counted(plan.seeds, 'seed')}{epochs}, in place of {plan.shortened}. Some steps were timed to "
            "decide this, before anything was trained for the results."
        )


def _margin_source(conclusion: Conclusion) -> str:
    """Return where the margin comes from, to follow it."""
    metric, reference = conclusion.metric, conclusion.reference
    share = "the usual point" if metric.name == "accuracy" else f"2% of what {guessing(conclusion)} costs"
    part = "hundredth" if conclusion.task == "regression" else "tenth"
    return {
        "given": ", as asked for",
        "default": "" if metric.name == "accuracy" else f": {share}",
        "tenth_of_error": f": a tenth of the error of {reference}, which is less than {share}",
        "floor": f": a {part} of {share}, as {reference} makes hardly any errors",
    }[metric.margin_source]


def spread(conclusion: Conclusion, digits: int = 4) -> str:
    """Return how the target is distributed."""
    if conclusion.task == "regression":
        mean, sd = (plain_number(one or 0.0, digits) for one in (conclusion.target_mean, conclusion.target_sd))
        return f"mean {mean}, standard deviation {sd}"
    share = f"{100 * (conclusion.majority_share or 0.0):.1f}% in the"
    return (
        f"{share} larger class" if conclusion.task == "binary" else f"{len(conclusion.labels)} classes, {share} largest"
    )


def no_verdict_reason(conclusion: Conclusion) -> str | None:
    """Return why no candidate has a verdict, if one reason holds for all."""
    reasons = {one.reason for one in conclusion.no_verdict}
    alone = len(conclusion.no_verdict) > 1 or conclusion.interval is None
    return reasons.pop() if len(reasons) == 1 and not conclusion.verdicts and alone else None


def verdict_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield each verdict, or why there is none."""
    shared = no_verdict_reason(conclusion)
    reasons = {one.candidate: one.reason for one in conclusion.no_verdict}
    for name in (one.name for one in conclusion.candidates):
        if (verdict := conclusion.verdict(name)) is not None:
            yield verdict.sentence
        elif name in reasons and shared is None:
            yield f"No verdict on {name}: {reasons[name]}."


def remark_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield what was found in the training of each candidate. What is said once for several is left out."""
    together = _said_together(conclusion)
    for check in conclusion.checks:
        if check.code == "seeds_alike" or check.code in together:
            continue
        verdict, epochs = conclusion.verdict(check.candidate), conclusion.candidate(check.candidate).epochs
        # Overtraining doesn't explain a verdict if inner splits stopped before it.
        in_time = check.code == "over_trained" and epochs is not None and epochs.low < epochs.most
        worse = verdict is not None and verdict.rule == "worse"
        why = worse and check.code in _REASONS and not in_time
        yield f"{'Likely why' if why else 'Note'}: {check.message}"


def settling_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield where the uncertainty comes from, and which score to expect of the first model."""
    verdicts, plan = conclusion.verdicts, conclusion.plan
    shares = [100 * verdict.seed_share for verdict in verdicts if verdict.seed_share is not None]
    if shares and plan.seeds > 1:  # one seed doesn't show how much seeds matter
        low, high = f"{min(shares):.0f}", f"{max(shares):.0f}"
        share = f"{high}%" if low == high else f"{low} to {high}%"
        rest = "" if low == "100" else "; the choice of rows causes the rest"
        yield f"Seeds cause {share} of the uncertainty of the differences{rest}."
    if verdicts and conclusion.interval == "corrected":
        spared = 100 * (1 - (conclusion.more_repeats_ratio or 0.0))
        what = "more rows, or seeds" if max(shares, default=0) > 50 else "more rows"
        yield f"Unlimited repeats would narrow the intervals by {spared:.0f}% at most; beyond that, it takes {what}."
    for code, names in _said_together(conclusion).items():
        kind = "linear" if conclusion.task == "regression" else "logistic"
        yield _TOGETHER[code][1].format(names=listed(names), kind=kind)
    chosen = (*conclusion.sweeps, *([conclusion.top] if conclusion.top else []))
    for one in chosen if conclusion.interval is not None else ():
        own, low, value, high = (
            measure(conclusion.metric.name, value, one.expected)
            for value in (one.apparent, one.low, one.expected, one.high)
        )
        first = f"{one.winner} comes first in this ranking"
        if one.name:
            first = f"Of the {one.among} learning rates of {one.name}, {one.winner} comes first"
        worse = one.expected < one.apparent if conclusion.metric.greater_is_better else one.expected > one.apparent
        flattered = f", not its own {own}" if worse and own != value else ""
        yield (
            f"{first}; corrected for this choice, expect {conclusion.metric.words} {value} "
            f"({low} to {high}) of it{flattered}."
        )


def range_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield what the ranges mean, and how candidates differ from the common recipe."""
    verdicts, plan = conclusion.verdicts, conclusion.plan
    if verdicts:
        n, certain = verdicts[0].comparisons, f"{100 * (1 - conclusion.alpha):g}%"
        how = " by nested cross-validation" if conclusion.interval == "nested" else ""
        if n == 1:
            yield f'"Plausibly" means within a {certain} interval{how}.'
        else:
            together = f"that hold for all {n} comparisons together; each interval of the ranking holds on its own"
            yield f'"Plausibly" means within {certain} intervals{how} {together}.'
    else:
        yield f"Ranges are {100 * (1 - conclusion.alpha):g}% intervals; each holds on its own."
    for candidate in conclusion.candidates:
        for note in _candidate_notes(candidate, plan):
            yield f"{candidate.name}: {note}."
    yield from slower_sentences(conclusion)


def slower_sentences(conclusion: Conclusion) -> Iterator[str]:
    """Yield why networks are trained more slowly than common ones, once for all that share the reason."""
    for note in dict.fromkeys(one.note for one in conclusion.candidates if one.kind == "network" and one.note):
        yield f"{listed([one.name for one in conclusion.candidates if one.note == note], 3)}: {note}."


def serious_sentences(notes: Iterable[Note]) -> list[str]:
    """Return the warnings about a table that may make a result wrong."""
    return [note_sentence(note) for note in notes if note.code in SERIOUS]


def note_sentences(notes: Iterable[Note]) -> Iterator[str]:
    """Yield what else was found in the table."""
    for note in notes:
        if note.code in SERIOUS:
            continue
        if note.code or not note.column:  # what a single column is taken for, seedbed inspect tells
            yield note_sentence(note)


def note_sentence(note: Note) -> str:
    """Return a note as a sentence; a warning names the first rows that it is about, as the user finds them."""
    more = ", ..." if (note.count or 0) > len(note.rows) else ""
    where = f" [{', '.join(note.rows)}{more}]" if note.code and note.rows else ""
    return f"{note.code or 'Note'}: {note.message}{where}"


def _candidate_notes(candidate: CandidateSummary, plan: PlanSummary) -> Iterator[str]:
    if candidate.kind == "baseline" or candidate.description != plan.recipe:
        yield candidate.description
    if candidate.kind == "baseline":
        return
    if candidate.lr and (len(candidate.lr) > 1 or "lr of" in candidate.description):
        total = sum(candidate.lr.values())
        yield "lr " + ", ".join(f"{lr} in {counted(n, 'split')}" for lr, n in candidate.lr.items()) + f" of {total}"


def _said_together(conclusion: Conclusion) -> dict[str, list[str]]:
    """Return the codes of checks that are said once for several candidates, with these candidates."""
    found: dict[str, list[str]] = {code: [] for code in _TOGETHER}
    for check in conclusion.checks:
        if check.code in found:
            found[check.code].append(check.candidate)
    if any((verdict.seed_share or 0) > 0.5 for verdict in conclusion.verdicts):
        found["seeds_alike"] = []  # seeds are alike, but they matter for differences as small as these
    return {code: names for code, names in found.items() if len(names) >= _TOGETHER[code][0]}
