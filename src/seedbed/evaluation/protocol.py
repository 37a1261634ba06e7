"""What is run by default for a table of this size, frozen before the first training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seedbed.errors import TargetError

__all__ = ["Design", "protocol"]

Kind = Literal["scores_only", "cross_validation", "held_out"]

_FEWEST_ROWS, _FEWEST_OF_A_CLASS = 50, 10
_MEDIUM, _LARGE = 2_000, 20_000
_FEWEST_TO_LOCK = 50  # of a class, so that ten of them are locked away


@dataclass(frozen=True, kw_only=True)
class Design:
    """How the candidates are compared.

    Attributes:
        kind: "cross_validation"; "scores_only", where no verdict is due; "held_out", where rows are locked away first.
        repeats, folds, seeds: of the cross-validation (for "held_out": of the remaining rows, for choosing only).
        df: degrees of freedom of the corrected t; None where no such test is made.
        locked_share: of the rows, looked at once at the end; 0 unless "held_out".
        quick: a first look, to be marked as such.
        reason: why this design, in words for the user.
    """

    kind: Kind
    repeats: int
    folds: int
    seeds: int
    df: int | None
    locked_share: float = 0.0
    quick: bool = False
    reason: str

    @property
    def has_verdict(self) -> bool:
        """Whether a verdict is due."""
        return self.kind != "scores_only"


def protocol(n_rows: int, smallest_class: int | None = None, *, quick: bool = False) -> Design:
    """The design for a table: the section "What is run by default" of the statistics page.

    Args:
        n_rows: rows of the table, after dropping those without a target.
        smallest_class: rows of the rarest class; None for regression.
        quick: a first look, 1 x k folds with 3 seeds, where a verdict is due and rows aren't locked away.

    Raises:
        TargetError: fewer than 4 rows, or a class with fewer than 2, so that not even two folds can be made.
    """
    if n_rows < 4 or (smallest_class is not None and smallest_class < 2):
        found = f"{n_rows} rows" if n_rows < 4 else f"{smallest_class} of the rarest class"
        raise TargetError(f"Too few rows: {found}", "Each class needs at least 2 rows to be split, the table 4.")
    few_rows, few_of_class = n_rows < _FEWEST_ROWS, smallest_class is not None and smallest_class < _FEWEST_OF_A_CLASS
    if few_rows or few_of_class:
        why = f"{n_rows} rows" if few_rows else f"{smallest_class} rows of the rarest class"
        least = f"{_FEWEST_ROWS} rows" if few_rows else f"{_FEWEST_OF_A_CLASS} rows of each class"
        return Design(
            kind="scores_only",
            repeats=1,
            folds=min(10, n_rows // 2, smallest_class or 10),
            seeds=5,
            df=None,
            quick=quick,
            reason=f"{why} are too few to tell candidates apart (a verdict needs {least}), so only scores are shown",
        )
    if n_rows > _LARGE and (smallest_class is None or smallest_class >= _FEWEST_TO_LOCK):
        return Design(
            kind="held_out",
            repeats=1,
            folds=5,
            seeds=3,
            df=None,
            locked_share=0.2,
            quick=quick,
            reason=f"{n_rows} rows: a fifth is locked away and looked at once, the rest chooses in 5 folds x 3 seeds",
        )
    folds = 10 if smallest_class is None else min(10, smallest_class // 2)
    repeats, seeds = (10, 5) if n_rows < _MEDIUM else (3, 3)
    if quick:
        repeats, seeds = 1, 3
    rare = "" if folds == 10 else f"; no more folds, since the rarest class has {smallest_class} rows"
    first_look = "a first look, " if quick else ""
    return Design(
        kind="cross_validation",
        repeats=repeats,
        folds=folds,
        seeds=seeds,
        df=folds - 1,
        quick=quick,
        reason=f"{n_rows} rows: {first_look}{repeats} x {folds} folds x {seeds} seeds{rare}",
    )
