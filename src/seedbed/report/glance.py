"""The first screen of a comparison, for terminal, report and notebook: five answers, one table, its
forest plot, how to read it, and what was trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seedbed.errors import counted, spell
from seedbed.evaluation.metrics import (
    METRICS,
    Metric,
    measure,
    plain_number,
    plus_minus,
    signed,
)
from seedbed.evaluation.summaries import CandidateSummary, Conclusion
from seedbed.evaluation.verdicts import LOOK_OF_HELP, SHORT, Verdict, look_of
from seedbed.outcomes.tasks import outcome_of
from seedbed.report.advice import (
    answers,
    group_by_first,
    guessing_words,
    is_remedied,
    is_useful,
    join_words,
    margin_words,
    rare_label,
    remedy,
    score_key,
    untrained_candidates,
)
from seedbed.report.analyses_text import (
    column_answers,
    column_notes,
    column_rows,
)
from seedbed.report.judgement_text import judgement_sentences
from seedbed.report.sentences import (
    duration,
    serious_sentences,
    slower_sentences,
    spread,
)
from seedbed.report.tables import FirstScreen, Row, decimals_of

_MOST_NAMED = 3
_AS_FEW = 0.7  # of the test rows: fewer independent ones are worth a sentence
_LONG = 24  # letters of a name that doesn't fit into the heading of a number
_FEW_LETTERS = 15  # of what a model is, beside its name
_MOST_CONTRASTS = 8
_CHOICE = 0.01  # share of a score by which the choice of the best changes it
_STANDS_OUT = {
    "confined_outputs": "{names} return{s} probabilities and not logits: remove the sigmoid or softmax at the end.",
    "learnt_nothing": "{names} {has} learnt nothing yet: try {epochs} or another {lr}.",
    "under_trained": "{names} {was} still learning at the end: {epochs} or a higher {lr} may help.",
    "over_trained": "{names} {was} trained for too long: fewer epochs or a {patience} of 8 stop earlier.",
    "diverged": "Some networks of {names} diverged: try a lower {lr}.",
    "no_better_than_prior": "{names} show{s} no gain over {guessing}.",
}
_SERIOUS = {"confined_outputs", "learnt_nothing"}


def first_screen(conclusion: Conclusion) -> FirstScreen:
    """Return the first screen of a comparison or a judgement."""
    metric = conclusion.metric
    reference = conclusion.reference
    is_judgement = conclusion.kind == "judgement"
    score = metric.shown
    other_scores = tuple(
        METRICS[name]
        for name in _names_of_other_scores(conclusion)
        if name != score.name
    )
    against = "gain over" if is_judgement else "behind"
    reference_words = "the reference"
    compared = f"{against} {reference_words if len(reference) > _LONG else reference}{score.points * score.percent}"
    first = remedy(conclusion)
    serious = [
        note for note in conclusion.notes if first is None or not is_remedied(note)
    ]
    warnings = (
        *serious_sentences(serious),
        *_training(conclusion, serious=True),
    )
    training = *_training(conclusion, serious=False), *slower_sentences(conclusion)
    headings = [
        "off by" if other.name == "mae" else other.words for other in other_scores
    ]
    headings += ["letters"] * bool(conclusion.letters)
    missing = (
        () if conclusion.verdicts else conclusion.no_verdict
    )  # one reason that holds for all, or that of each
    no_verdict = " ".join(
        f"No verdict on {one.candidate}: {one.reason}." for one in missing
    )
    if len({one.reason for one in missing}) == 1 and (
        len(missing) > 1 or conclusion.interval is None
    ):
        no_verdict = f"No verdict: {missing[0].reason}."
    notes = *_key(conclusion, score, other_scores), *training
    screen = FirstScreen(
        heading=f"{conclusion.table}: {' '.join(conclusion.understood)}"
        if is_judgement
        else _heading(conclusion),
        warnings=warnings,
        answers=tuple(answers(conclusion)),
        finding=no_verdict,
        columns=("", score.words, compared, *headings, "verdict"),
        rows=tuple(_rows(conclusion, score, other_scores)),
        helps=tuple(help_rows(conclusion)),
        notes=notes,
        run_facts=(*judgement_sentences(conclusion),)
        if is_judgement
        else (" ".join(_trained(conclusion)),),
        unit="points" if score.in_points else score.words,
        margin=score.scale * metric.margin,
        first=first,
    )
    if (columns := conclusion.columns) is None:
        return screen
    return replace(
        screen,
        answers=tuple(column_answers(conclusion, columns, score)),
        columns=("without", f"adds{score.points}", f"loss{score.points}", "verdict"),
        rows=tuple(column_rows(conclusion, columns, score)),
        helps=(),
        notes=(*column_notes(conclusion, columns, score), *training),
        ends=("harms", "helps"),
    )


def _names_of_other_scores(conclusion: Conclusion) -> list[str]:
    """Return the scores that are shown in any case, if they are known."""
    names = ("recall",) if rare_label(conclusion) else outcome_of(conclusion.task).shown
    return [
        name
        for name in names
        if all(name in candidate.scores for candidate in conclusion.candidates)
    ]


# ---- what was done


def _heading(conclusion: Conclusion) -> str:
    rows = counted(conclusion.n_rows or 0, "row")
    if sample_of := conclusion.plan.sample_of:
        rows = f"{conclusion.n_rows:,} of {sample_of:,} rows"
    parts = [
        f"{rows}, {counted(conclusion.n_features or 0, 'feature')}",
        spread(conclusion),
    ]
    extra = "; ".join(
        [
            *parts[1:],
            *(note.message for note in conclusion.notes if note.code == "SB205"),
        ]
    )
    what = (
        conclusion.target
        if conclusion.survival is None
        else f"when {conclusion.target} comes"
    )
    return f"{conclusion.table}: predicting {what}, {parts[0]} ({extra})"


def _trained(conclusion: Conclusion) -> Iterator[str]:
    plan = conclusion.plan
    models = counted(len(conclusion.candidates), "model")
    on = f"on {counted(plan.repeats * plan.folds, 'train/test split')}"
    if plan.kind == "held_out":
        on = f"tested once on {plan.n_test:,} rows that were set aside"
    trained = sum(model.n_networks or 0 for model in conclusion.candidates)
    took = duration(conclusion.seconds or 0.0)
    yield f"{models} {on} " + (
        f"({counted(trained, 'network')}) in {took}." if trained else f"in {took}."
    )
    after = f"{counted(plan.repeats, 'repeat')} of up to {plan.most_repeats}"
    yield from {
        "decided": ["It stopped early: every model in the table has a clear verdict."],
        "time": [
            f"It stopped after {after}, as the next didn't fit the limit of {plan.time_limit or 0:g} s."
        ],
        "interrupted": [
            f"It was interrupted after {after}; the same command continues."
        ],
    }.get(plan.ended, [])


# ---- the table


def _rows(
    conclusion: Conclusion, metric: Metric, other_scores: Sequence[Metric]
) -> Iterator[Row]:
    verdicts = {one.candidate: one for one in conclusion.verdicts}
    advice = conclusion.advice
    decimals = decimals_of(metric, conclusion.metric.margin)
    use = "" if advice is None else advice.use
    diverged = {
        check.candidate for check in conclusion.checks if check.code == "diverged"
    }
    for model in conclusion.in_order():
        name = model.name
        guess = guessing_words(conclusion).replace("answering ", "")
        interval, gain, words, look = None, "", "", ""
        if (verdict := verdicts.get(name)) is not None:
            interval = verdict.times(metric.scale)
            words = verdict.short
            look = look_of(verdict.rule)
            sign = 1 if conclusion.kind == "judgement" else -1
            digits = _digits(conclusion, metric, verdict, decimals)
            gain = _gain(
                conclusion, interval.mean, interval.half, words, sign, decimals=digits
            )
        elif conclusion.verdicts and name == conclusion.reference:
            gain = (
                "recommended" if name == use and is_useful(conclusion) else "reference"
            )
            look = "reference"
        elif conclusion.verdicts:
            words = (
                "none"
                if model.finite
                else f"none: {'it diverged' if name in diverged else 'left out'}"
            )
        is_guess = name == "prior" and model.few_words and len(guess) <= _FEW_LETTERS
        yield Row(
            name=name,
            what=guess if is_guess else model.few_words,
            score=_score(metric, model, decimals),
            gain=gain,
            other_scores=(
                *(_score(other, model) for other in other_scores),
                *([conclusion.letters.get(name, "")] * bool(conclusion.letters)),
            ),
            verdict=words,
            look=look,
            recommended=name == use,
            interval=interval,
        )


def help_rows(conclusion: Conclusion) -> Iterator[Row]:
    """Yield what helps, in the order of the questions."""
    metric = conclusion.metric.shown
    for one in conclusion.contrasts[:_MOST_CONTRASTS]:
        half = one.times(metric.scale).half
        decimals = decimals_of(metric, conclusion.metric.margin)
        points = metric.scale * one.difference
        gain = _gain(conclusion, points, half, one.verdict, decimals=decimals)
        look = LOOK_OF_HELP.get(one.verdict, "")
        models = f"{one.candidate} vs {one.reference}"
        yield Row(
            name=one.question, what=models, gain=gain, verdict=one.verdict, look=look
        )


def _digits(
    conclusion: Conclusion, metric: Metric, verdict: Verdict, decimals: int
) -> int:
    """Return how many decimals a difference has, beside scores in points: one more where it would
    disagree with theirs, as 34 - 32 with 1."""
    pair = (verdict.candidate, verdict.reference)
    shown = [
        round(100 * (conclusion.score(name, metric.name).mean or 0), decimals)
        for name in pair
    ]
    size = round(abs(verdict.difference * metric.scale), decimals)
    is_off = abs(abs(shown[0] - shown[1]) - size) > 1e-6
    return decimals + (is_off and (metric.percent or metric.zero is not None))


def _gain(
    conclusion: Conclusion,
    points: float,
    half: float,
    verdict: str,
    sign: int = 1,
    *,
    decimals: int,
) -> str:
    """Return a difference with its ±; of one that is shown to be too small to matter the margin,
    where the ± would reach beyond it."""
    margin = conclusion.metric.shown.scale * conclusion.metric.margin
    if verdict == SHORT["no_practical_difference"] and abs(points) + half > margin:
        return f"within ±{plain_number(margin)}"
    decided = verdict in ("better", "worse", "helps", "hurts")
    return plus_minus(
        sign * points, half, decimals, decided=decided, is_distance=sign < 0
    )


def _score(
    metric: Metric, candidate: CandidateSummary, decimals: int | None = None
) -> str:
    """Return a score, with a number of decimals or as many as it usually has."""
    # Where networks have diverged, the scores of the others are optimistic.
    if not candidate.finite or (mean := candidate.scores[metric.name].mean) is None:
        return "-"
    if decimals is None or metric.zero is not None:
        return measure(metric, mean)
    return (
        f"{100 * mean:.{decimals}f}%"
        if metric.percent
        else f"{round(mean, decimals) + 0.0:,.{decimals}f}"
    )


# ---- how to read it, and what stands out


def _key(
    conclusion: Conclusion, score: Metric, other_scores: Sequence[Metric]
) -> Iterator[str]:
    """Yield what the columns mean."""
    verdicts, plan = conclusion.verdicts, conclusion.plan
    use = "" if conclusion.advice is None else conclusion.advice.use
    if verdicts or score.zero is not None:
        yield score_key(conclusion)
    if verdicts:
        grades = {verdict.rule for verdict in verdicts} | {
            one.verdict for one in conclusion.contrasts
        }
        at_once = (
            ", for all lines at once"
            if max(verdict.comparisons for verdict in verdicts) > 1
            else ""
        )
        unit = " in points" if score.in_points else ""
        small = f"Gaps below {margin_words(conclusion.metric).partition(' ')[0]} don't matter."
        yield f"±: {100 * (1 - conclusion.alpha):g}% range{unit}{at_once}. {small}"
        if "likely" in " ".join(grades):
            yield "Likely: not certain (the ± reaches 0); right 8 to 9 times in 10 on real tables."
    if conclusion.letters:
        yield "Letters: over all pairs at once, candidates with one in common aren't shown to differ."
    for metric in other_scores if use else ():
        if conclusion.optimism.get(metric.name, 0.0) > _CHOICE * (
            conclusion.score(use, metric.name).mean or 0.0
        ):
            yield f"These rows chose {use}, so it looks too good: Expect is corrected for it."
    if any(metric.name == "uno_c" for metric in other_scores):
        yield "Uno's C: the share of pairs in the right order, as at Expect; 50% is chance."
    if label := rare_label(conclusion):
        yield f"Recall: the share of the rows with {conclusion.target} {label} that are found."
    independent = min(
        (verdict.independent_rows or math.inf for verdict in verdicts), default=math.inf
    )
    if independent < _AS_FEW * (plan.n_test or 0):
        counted_as = (
            f"{plan.n_test:,} test rows count as about {plain_number(independent, 2)}"
        )
        yield f"Errors of rows that follow each other in time are alike: for the ±, {counted_as}."


def _training(conclusion: Conclusion, *, serious: bool) -> Iterator[str]:
    """Yield what stands out in training, one sentence for all candidates that share it: either that
    networks can't be compared as they are, or the rest."""
    untrained = untrained_candidates(conclusion)
    advice = conclusion.advice
    by_code = group_by_first(
        (
            "learnt_nothing"
            if one.code == "under_trained" and one.candidate in untrained
            else one.code,
            one,
        )
        for one in conclusion.checks
    )
    is_explained = untrained >= {
        check.candidate for check in by_code.get("no_better_than_prior", ())
    }
    if is_explained or (advice is not None and (advice.guess or advice.use == "prior")):
        by_code.pop(
            "no_better_than_prior", None
        )  # the reason is given, or the answers say so
    for key, sentence in _STANDS_OUT.items():
        if key in by_code and (key in _SERIOUS) == serious:
            names = [check.candidate for check in by_code[key]]
            one = len(names) == 1
            epochs = max(
                int(check.evidence.get("epochs") or 0) for check in by_code[key]
            )
            sets_epochs = any(
                "epochs=" in name for name in names
            )  # a candidate has epochs of its own
            yield sentence.format(
                names=join_words(names, _MOST_NAMED),
                epochs=spell("epochs", 2 * epochs)
                if epochs and not sets_epochs
                else "more epochs",
                lr=spell("lr"),
                patience=spell("patience"),
                was="was" if one else "were",
                s="s" if one else "",
                has="has" if one else "have",
                guessing=guessing_words(conclusion),
            )


_STEPS = (1, 2, 5, 10)
_MOST_TICKS = 5
_SQUEEZED = 1 / 8  # share of the width that the typical interval takes at least
_AIR = 0.04
_LOPSIDED = 3  # the longer side reaches at most so many times as far: the words above both sides meet at zero
_LABEL = 5  # percent of the width that half a label of the axis takes


@dataclass(frozen=True)
class Mark:
    """One row's range, in percent of the plot's width, and its numbers: `+1.3 (-6.0 to +8.6)`. Its
    point is None, and a side is cut, where they are beyond the plot."""

    left: float
    width: float
    point: float | None
    words: str
    cut_left: bool
    cut_right: bool


@dataclass(frozen=True)
class Forest:
    """The whole plot: marks by the model's name, the place of no difference, left end and width of
    the zone of those that are too small to matter, place and label of each tick."""

    marks: dict[str, Mark]
    zero: float
    zone: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]


def forest_of(screen: FirstScreen) -> Forest | None:
    """Return the forest plot of a first screen; None if there is no verdict."""
    spans = {row.name: row.interval for row in screen.rows if row.interval is not None}
    if not spans:
        return None
    # The prior is often far off, and would squeeze all others.
    typical_spans = [span for name, span in spans.items() if name != "prior"] or list(
        spans.values()
    )
    low, high = _limits(
        [(span.low, span.high) for span in typical_spans], least=screen.margin
    )

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    decimals = max(
        0, 1 if screen.unit == "points" else 2 - math.floor(math.log10(high - low))
    )
    marks = {}
    for name, span in spans.items():
        middle, *ends = (
            signed(end, decimals).replace("-", "−")
            for end in (span.mean, span.low, span.high)
        )
        left = place(span.low)
        point = place(span.mean) if low <= span.mean <= high else None
        width = round(place(span.high) - left, 2)
        words = f"{middle} ({' to '.join(ends)})"
        marks[name] = Mark(
            left,
            width,
            point,
            words,
            cut_left=span.low < low,
            cut_right=span.high > high,
        )
    zone = place(-screen.margin), round(place(screen.margin) - place(-screen.margin), 2)
    power = 10.0 ** math.floor(math.log10((high - low) / _MOST_TICKS))
    step = next(
        power * one for one in _STEPS if (high - low) / (power * one) <= _MOST_TICKS
    )
    numbers = [
        step * number
        for number in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]
    ticks = [
        (place(x), f"{x:+.6g}".replace("-", "−") if abs(x) > 1e-12 else "0")
        for x in numbers
    ]
    # A label is centred on its place, so one at an end would reach beyond the plot.
    inside = tuple(tick for tick in ticks if _LABEL <= tick[0] <= 100 - _LABEL)
    return Forest(marks, place(0.0), zone, inside or tuple(ticks))


def _limits(
    intervals: Sequence[tuple[float, float]], *, least: float
) -> tuple[float, float]:
    """Return the ends of an axis of differences, which reaches at least so far to either side. It
    contains the nearer half of the intervals, and of others what doesn't squeeze the typical
    one."""
    widths = sorted(end - start for start, end in intervals)
    distances = sorted(max(-start, end) for start, end in intervals)
    typical = max(widths[(len(widths) - 1) // 2], 2 * least)
    farthest = max(distances[len(distances) // 2], typical / _SQUEEZED)
    low = -max(least, min(farthest, -min(start for start, _ in intervals)))
    high = max(least, min(farthest, max(end for _, end in intervals)))
    mirrored = -low / _LOPSIDED
    low = min(low, -high / _LOPSIDED)
    high = max(high, mirrored)
    air = (high - low) * _AIR or 1.0
    return low - air, high + air
