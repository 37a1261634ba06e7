"""The finding of each chart of the report, as its title."""

from __future__ import annotations

from seedbed.errors import counted
from seedbed.evaluation.numbers import known_metric
from seedbed.evaluation.summaries import Conclusion, TrainingSummary
from seedbed.report.advice import listed

_MOST_NAMED = 3
_FEW = 100  # runs from which a share is given of 100


def curves(summary: Conclusion | TrainingSummary) -> str:
    """Return the most likely flaw of the training, or that there is none."""
    by_code: dict[str, list[str]] = {}
    for check in summary.checks if isinstance(summary, Conclusion) else ():
        by_code.setdefault(check.code, []).append(check.candidate)
    candidates = summary.curves.candidates if summary.curves is not None else ()
    epochs = {candidate.name: candidate.epochs[-1] + 1 for candidate in candidates if candidate.epochs}
    for code, words in (
        ("diverged", "{names} lost networks that diverged"),
        ("under_trained", "{names} {be} still improving at epoch {epoch:,}"),
        ("over_trained", "{names} {get} worse on test rows if trained for long"),
    ):
        if code in by_code:
            names = by_code[code]
            return words.format(
                names=listed(names, _MOST_NAMED),
                be="are" if len(names) > 1 else "is",
                get="get" if len(names) > 1 else "gets",
                epoch=max((epochs.get(name, 0) for name in names), default=0),
            )
    if summary.kind == "comparison":
        return "Training went as it should: no network is under- or overtrained"
    return "Score and loss at each epoch"


def lottery(summary: Conclusion | TrainingSummary) -> str:
    if summary.lottery is None or not summary.lottery.score.runs:
        return "All networks diverged"
    difference, score = summary.lottery.difference, summary.lottery.score
    if difference is not None and difference.runs and isinstance(summary, Conclusion):
        better, run = min(((one.better or 0.0, one) for one in difference.runs), key=lambda two: abs(two[0] - 0.5))
        of = 100 if run.n >= _FEW else run.n
        return (
            f"A single run can mislead: {run.name} does better than {summary.reference} in "
            f"{of * better:.0f} of {of} runs"
        )
    run = max(score.runs, key=lambda one: one.highest - one.lowest)
    shown = "{:.0%}" if known_metric(score.name).percent else "{:.2f}"
    low, high = (shown.format(end) for end in (run.lowest, run.highest))
    if run.n == 1:
        return f"One run showed {score.words} {high}"
    words = "R²" if score.name == "r2" else score.words
    return f"{counted(run.n, 'run')} of {run.name} show {words} from {low} to {high}"


def calibration(summary: Conclusion) -> str:
    """Return which models are further from exact probabilities than chance explains."""
    off = [
        candidate.name
        for candidate in summary.candidates
        if candidate.calibration is not None
        and candidate.name != "prior"
        and candidate.calibration.ece > candidate.calibration.ece_if_calibrated_high
    ]
    if not off:
        return "The probabilities of all models are as exact as these rows can show"
    s = "" if len(off) > 1 else "s"
    return f"{listed(off, _MOST_NAMED)} give{s} probabilities that are too high or too low"


def confusion(summary: Conclusion) -> str:
    """Return which class the recommended model misses most often."""
    name = summary.advice.use if summary.advice else summary.candidates[0].name
    cells = summary.candidate(name).confusion
    labels = list(summary.labels)
    if cells is None or len(labels) != len(cells):
        return "Confusion"
    missed = [(1 - row[place] / sum(row), label) for place, (row, label) in enumerate(zip(cells, labels, strict=True))
              if sum(row)]  # fmt: skip
    if not missed:
        return "Confusion"
    share, label = max(missed)
    return f"{name} misses {100 * share:.0f} of 100 rows of the class {label}"


def effect_answers(summary: Conclusion) -> list[tuple[str, str]]:
    """Return a label and how predictions change with the first columns; empty without effects."""
    effects = summary.effects
    if effects is None or not effects.curves:
        return []
    curves = [f"{curve.column} ({effects.words(curve)})" for curve in effects.curves[:_MOST_NAMED]]
    what = f"largest on the {effects.what(summary.target)}, as {effects.model} predicts it"
    return [("Effects", f"{what}: {listed(curves)}; they needn't be causes")]
