"""Which columns help: what leaving each out costs, as verdicts of a comparison whose reference has all columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from seedbed.evaluation.estimates import Estimate
from seedbed.evaluation.verdicts import Rule, Verdict

ColumnVerdict = Literal["helps", "no difference that matters", "can't tell", "harms", "none"]

_OF_RULE: dict[Rule, ColumnVerdict] = {
    "better_by_margin": "harms",
    "better": "harms",
    "worse": "helps",
    "no_practical_difference": "no difference that matters",
}


@dataclass(frozen=True, kw_only=True)
class ColumnEffect:
    """What leaving out one column, or several together, changes.

    Attributes:
        columns: their names.
        without: the name of the model without them, as in `Conclusion.verdicts`.
        verdict: of the columns: they `harm` if the model without them is shown to be better, and `help` if it is shown
            to be worse, or if they are shown to add something and the loss is above zero; `none` without a verdict.
        loss, low, high: the loss without them minus that with all columns, with the interval of the verdict; None
            without a verdict.
        adds, adds_low, adds_high: what the model with all columns adds to the one without them (`scoring.added`), with
            an interval that holds for all columns together; None where the metric isn't a squared error.
        alone: the loss of a model that has only these columns, on one repeat; None if it wasn't trained.
        shuffled: how much the loss of the model with all columns rises on the same test rows if the values of these
            columns are shuffled among them, on one repeat; None if that wasn't computed.
    """

    columns: tuple[str, ...]
    without: str
    verdict: ColumnVerdict
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    adds: float | None = None
    adds_low: float | None = None
    adds_high: float | None = None
    alone: float | None = None
    shuffled: float | None = None


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns help a model.

    Attributes:
        model: the candidate or baseline that is trained with and without columns.
        source: how it was chosen: `named`, `default`, or `run` for the network that a comparison advises.
        n_columns: number of columns of the table.
        effects: the largest loss first; those without a verdict last.
    """

    model: str
    source: Literal["named", "default", "run"]
    n_columns: int
    effects: tuple[ColumnEffect, ...]

    @property
    def substitutes(self) -> tuple[tuple[ColumnEffect, bool], ...]:
        """Groups that help although none of their columns is shown to help alone, and whether each of these is shown to
        make no difference that matters."""
        alone = {effect.columns[0]: effect.verdict for effect in self.effects if len(effect.columns) == 1}
        groups = []
        for group in self.effects:
            verdicts = {alone.get(name) for name in group.columns}
            if len(group.columns) > 1 and group.verdict == "helps" and not verdicts & {"helps", "none", None}:
                groups.append((group, verdicts == {"no difference that matters"}))
        return tuple(groups)


def effects_of(
    without: Mapping[str, Sequence[str]], verdicts: Sequence[Verdict], added: Mapping[str, Estimate]
) -> tuple[ColumnEffect, ...]:
    """Return the effects of columns, the largest loss first.

    Args:
        without: the columns that each model doesn't have, by its name.
        verdicts: on these models, against the model with all columns.
        added: what that adds to each of them. Each of two tests may find at half of the error level that columns help,
            so together they keep it.
    """
    judged = {verdict.candidate: verdict for verdict in verdicts}
    effects = []
    for name, columns in without.items():
        effect = ColumnEffect(columns=tuple(columns), without=name, verdict="none")
        if (verdict := judged.get(name)) is not None:
            loss, low, high = (-value + 0.0 for value in (verdict.difference, verdict.high, verdict.low))
            words = _OF_RULE.get(verdict.rule, "can't tell")
            if name in added:
                gain = added[name]
                effect = replace(effect, adds=gain.mean, adds_low=gain.low, adds_high=gain.high)
                words = "helps" if gain.low > 0 and loss > 0 and words == "can't tell" else words
            effect = replace(effect, verdict=words, loss=loss, low=low, high=high)
        effects.append(effect)
    return tuple(sorted(effects, key=lambda effect: (effect.loss is None, -(effect.loss or 0.0))))
