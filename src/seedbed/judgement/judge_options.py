"""The options of `judge`."""

from __future__ import annotations

from dataclasses import dataclass

from seedbed.settings.fields import Settings, setting


@dataclass(frozen=True, kw_only=True, repr=False)
class JudgeOptions(Settings):
    """What is asked about a file of scores or predictions.

    Attributes:
        reference: the candidate that the others are compared with; the first one if left out.
        margin: the difference that matters, in the units of the scores; one point of accuracy, 0.01
            of a score up to 1, else 2 % of the reference's mean.
        alpha: error level: how often a difference may be claimed although there is none, over all
            comparisons together.
        tried: how many attempts were discarded; each counts as one more comparison.
        letters: also give each candidate letters; two that have none in common differ, over all pairs
            at once.
        plan: also say how many items, groups or rows show a gain of one, two and five margins four
            times in five.
        lower_is_better: which way is better; by the score's name if left out.
        folds: folds of each repeat, if no column says it.
        test_share: share of test rows, for random splits.
        score: the column of scores; of the wide form, what the numbers are, such as accuracy; of
            predictions, the score that verdicts are about: brier, log_loss, accuracy, squared_error
                or mae.
        candidate: the column of candidates. This and the next four are needed only if a column has
            no usual name.
        fold: the column of folds.
        repeat: the column of repeats.
        seed: the column of seeds, or of attempts.
        row: the column of rows, for predictions, or of items.
        group: a column that names the group of each row, such as the patient. Verdicts are then
            about new groups.
        target: the column of true values, if the file contains predictions of rows that weren't
            trained on; usual names such as y, y_true, target and label are known.

    Raises:
        OptionError: a value is out of range.
    """

    reference: str | None = setting(None, group="Verdicts")
    margin: float | None = setting(
        None,
        at_least=1e-30,
        at_most=1e30,
        hint="Give the smallest difference that matters, from 1e-30 to 1e30.",
        group="Verdicts",
    )
    alpha: float = setting(
        0.05,
        at_least=1e-9,
        below=1,
        hint="Give a share from 1e-9 to below 1, such as 0.05.",
        group="Verdicts",
    )
    tried: int = setting(
        0,
        at_least=0,
        at_most=1_000_000_000,
        hint="Give how many attempts were discarded: 0 to 1,000,000,000.",
        group="Verdicts",
    )
    letters: bool = setting(False, group="Verdicts")
    plan: bool = setting(False, group="Verdicts")
    lower_is_better: bool | None = setting(None, negative="higher_is_better")
    folds: int | None = setting(None, group="Splits")
    test_share: float | None = setting(None, group="Splits")
    score: str | None = None
    candidate: str | None = None
    fold: str | None = None
    repeat: str | None = None
    seed: str | None = None
    row: str | None = None
    group: str | None = None
    target: str | None = None
