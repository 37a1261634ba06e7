"""Which model to use; and a test over tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seedbed.evaluation.estimates import student_cdf
from seedbed.evaluation.verdicts import Verdict

_MOST_EXACT = 200


@dataclass(frozen=True)
class Advice:
    """Which model to use. "Shown" means that a test says so; names stand in the order of the ranking.

    Attributes:
        use: the recommended model, that with the lowest mean loss.
        guess: whether `use` isn't shown to be better than `prior`, so that it is only the best guess.
        others: the models that aren't shown to be worse than it, and may be as good or better.
        simpler: the simplest model that makes no difference that matters; empty without one.
    """

    use: str
    guess: bool
    others: tuple[str, ...]
    simpler: str = ""


def advise(
    ranking: Sequence[str],
    behind: Sequence[Verdict],
    sizes: Mapping[str, float],
    *,
    gains: Callable[[str], bool] = lambda name: True,
) -> Advice:
    """Return which model to use.

    A model is always named, as the user has to take one. Where models hardly differ, a guess costs little
    (decision 26).

    Args:
        ranking: names, the lowest mean loss first.
        behind: verdicts on the other models against the first.
        sizes: of the models that can be simpler than another.
        gains: whether a model is shown to be better than `prior`, if that isn't among the models.
    """
    use, rules = ranking[0], {verdict.candidate: verdict.rule for verdict in behind}
    equivalent = [name for name in ranking if rules.get(name) == "no_practical_difference"]
    simpler = [name for name in equivalent if sizes.get(name, np.inf) < sizes.get(use, np.inf)]
    guess = rules.get("prior") != "worse" if "prior" in ranking else not gains(use)
    return Advice(
        use=use,
        guess=use != "prior" and guess,
        others=tuple(name for name in ranking[1:] if rules.get(name) != "worse"),
        simpler=min(simpler, key=lambda name: sizes[name], default=""),
    )


def signed_rank(differences: ArrayLike) -> tuple[float, float]:
    """Return the two-sided p-value of Wilcoxon's signed-rank test (1945), and which side outweighs the other.

    Zeros are left out. Ties get their mean rank, and the distribution is that of the ranks as they are, over all signs:
    exact for up to 200 differences that aren't 0, normal with a continuity correction beyond. With n tables p can't be
    below 2^(1-n).

    Args:
        differences: [table].

    Returns:
        p, and the ranks of positive differences minus those of negative ones as a share of all, from -1 to 1.
    """
    from scipy.stats import rankdata

    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]
    doubled = np.rint(2 * rankdata(np.abs(values))).astype(np.int64)
    total = int(doubled.sum())
    positive = int(doubled[values > 0].sum())
    balance = (2 * positive - total) / total if total else 0.0
    if len(values) > _MOST_EXACT:
        away = max(0.0, abs(2 * positive - total) - 2)  # half a step of it
        return 2 * student_cdf(-away / math.sqrt(float(doubled @ doubled)), None), balance
    chances = np.zeros(total + 1)
    chances[0] = 1.0
    for rank in doubled.tolist():
        shifted = np.zeros(total + 1)
        shifted[rank:] = chances[: total + 1 - rank]
        chances = (chances + shifted) / 2
    smaller = min(positive, total - positive)
    return min(1.0, 2 * float(chances[: smaller + 1].sum())), balance
