"""The default design for a table of a given size. It is fixed before the first training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seedbed.errors import TargetError, counted

Kind = Literal["scores_only", "cross_validation", "held_out"]

FEWEST_ROWS, _FEWEST_OUTSIDE, _FEWEST_GROUPS = 50, 10, 20
FEWEST_TESTED, FEWEST_TESTED_OUTSIDE, FEWEST_TESTED_GROUPS = 30, 10, 5
"""Smallest numbers for a paired interval on one test set: rows, rows outside the largest class (for
probabilities), and groups. With fewer, the interval of a mean loss covers it in 80 to 90 % of cases
instead of 95 %."""

_MEDIUM, _MANY, _LARGE = (
    2_000,
    20_000,
    200_000,
)  # rows up to which there are 10, 3 and 1 repeats
_LOCKED = 0.2
_FEWEST_TO_LOCK = 50  # rows outside the largest class: ten of them are locked away


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How the candidates are compared.

    Attributes:
        kind: "cross_validation"; "scores_only" if there can be no verdict; "held_out" if rows are
            locked away first.
        repeats, folds: of the cross-validation; 1 and 1 if rows are locked away.
        stops: whether the run ends before the last repeat if its answer is decided, or more repeats
            hardly change it.
        df: degrees of freedom of the corrected t; None without such a test.
        locked_share: of the rows, looked at once at the end; 0 unless "held_out" or split by time.
        quick: whether it is a first look.
        time_limit: seconds after which the run ends at the next look; None if there is no limit.
        reason: why this design, in words for the user.
    """

    kind: Kind
    repeats: int = 1
    folds: int = 1
    df: int | None = None
    stops: bool = False
    locked_share: float = 0.0
    quick: bool = False
    time_limit: float | None = None
    reason: str

    @property
    def has_verdict(self) -> bool:
        """Whether this design leads to verdicts."""
        return self.kind != "scores_only"


def protocol(
    n_rows: int,
    outside_largest: int | None = None,
    *,
    quick: bool = False,
    n_groups: int | None = None,
    by_time: bool = False,
    events: bool = False,
) -> Protocol:
    """Return the design for a table, by the table "What is run" in docs/methods.md.

    Args:
        n_rows: rows of the table, after dropping those without a target.
        outside_largest: rows outside the largest class; of two classes, those of the smaller one.
            None for regression. Of survival, the events up to the horizon; a single one is enough
            for scores.
        quick: a first look: 1 x k folds, unless there can be no verdict or rows are locked away.
        n_groups: groups of the group column; None without one.
        by_time: whether rows are split by time: the latest fifth is locked away, however many rows
            there are.
        events: whether `outside_largest` counts events, of survival.

    Raises:
        TargetError: fewer than 4 rows, or 2 outside the largest class, or 2 groups, so that not
            even two folds can be made.
    """
    in_class = None if events else outside_largest
    for n, fewest, count in (
        (n_rows, 4, f"{n_rows} rows"),
        (in_class, 2, f"{outside_largest} outside the largest class"),
        (n_groups, 2, f"they form {counted(n_groups or 0, 'group')}"),
    ):
        if n is not None and n < fewest:
            raise TargetError(
                f"Too few rows: {count}",
                "To be split, a table needs 4, 2 of them outside the largest class, and 2 groups if it has groups.",
            )
    outside = "events up to the horizon" if events else "rows outside the largest class"
    why = too_few(n_rows, outside_largest, n_groups, outside)
    # Rows of a group are alike, so there must be many groups, too: otherwise the error of the
    # difference, which assumes independent rows, would be too small.
    many = not why and n_rows > _LARGE and (n_groups is None or n_groups > _LARGE)
    can_lock = outside_largest is None or outside_largest >= _FEWEST_TO_LOCK
    if by_time or (many and can_lock):
        locked = f"{'the latest' if by_time else 'a'} fifth is locked away and looked at once"
        locked += ", since rows are split by time" * by_time
        reason = f"{n_rows} rows: {locked}"
        if why:
            reason = f"{why}, so only scores are shown; {locked}"
        return Protocol(
            kind="scores_only" if why else "held_out",
            locked_share=_LOCKED,
            quick=quick,
            reason=reason,
        )
    folds = min(10, n_rows // 2, 10 if n_groups is None else n_groups // 2)
    if why:
        folds = max(2, min(folds, outside_largest or 10))
        reason = f"{why}, so only scores are shown"
        return Protocol(kind="scores_only", folds=folds, quick=quick, reason=reason)
    rare = ""
    if outside_largest is not None and outside_largest // 2 < folds:
        folds = outside_largest // 2
        rare = f"; no more folds, since there are {outside_largest} {outside}"
    repeats = 1 if quick or n_rows > _MANY else 10 if n_rows < _MEDIUM else 3
    first_look = "a first look, " if quick else "up to " if repeats > 1 else ""
    return Protocol(
        kind="cross_validation",
        repeats=repeats,
        folds=folds,
        df=folds - 1,
        stops=repeats > 1,
        quick=quick,
        reason=f"{n_rows} rows: {first_look}{repeats} x {folds} folds{rare}",
    )


def too_few(
    n_rows: int,
    outside_largest: int | None,
    n_groups: int | None,
    outside: str = "rows outside the largest class",
) -> str:
    """Return why there can be no verdict; empty if there can be one."""
    for n, fewest, what in (
        (n_rows, FEWEST_ROWS, "rows"),
        (outside_largest, _FEWEST_OUTSIDE, outside),
        (n_groups, _FEWEST_GROUPS, "groups"),
    ):
        if n is not None and n < fewest:
            kind, _, which = what.partition(" ")
            words = f"{counted(n, kind[:-1])} {which}".strip()
            return f"{words} {'is' if n == 1 else 'are'} too few for a verdict (it needs {fewest} {kind})"
    return ""
