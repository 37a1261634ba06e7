"""What a ranking shows: which models differ, which to use, what the winner is worth; and a test over tables."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seedbed.evaluation.bootstrap import resample_weights
from seedbed.evaluation.estimates import Interval, holm, student_cdf
from seedbed.evaluation.verdicts import Verdict
from seedbed.typing import Floats

_DIFFERENT = ("better_by_margin", "better", "worse")
_MOST_EXACT = 200


def separated(
    ranking: Sequence[str],
    verdicts: Sequence[Verdict],
    differences: Callable[[str, Sequence[str]], ArrayLike],
    *,
    margin: float,
    alpha: float,
) -> NDArray[np.bool_]:
    """Return which pairs of a ranking are shown to differ [rank, rank].

    A pair with a verdict differs if that says better or worse. Any other pair differs if the same rules say so at the
    level of the verdicts, and if Holm's adjustment over all these pairs agrees.

    Args:
        ranking: names.
        verdicts: on pairs of them.
        differences: for a name and others, `low`, `high` and `p` of the difference between that name, as the
            reference, and each of the others [other, 3], at the level of the verdicts.
        margin, alpha: those of the verdicts.
    """
    places = {name: place for place, name in enumerate(ranking)}
    differ = np.zeros((len(ranking), len(ranking)), dtype=bool)
    others = np.triu(np.ones_like(differ), 1)
    for verdict in verdicts:
        i, j = sorted((places[verdict.reference], places[verdict.candidate]))
        differ[i, j], others[i, j] = verdict.rule in _DIFFERENT, False
    p = np.ones(differ.shape)
    for i in np.flatnonzero(others.any(axis=1)).tolist():
        after = np.flatnonzero(others[i])
        low, high, p_values = np.asarray(differences(ranking[i], [ranking[j] for j in after.tolist()])).T
        close = (-margin < low) & (high < margin)  # no practical difference, as in `decide`
        p[i, after] = np.where(((low > 0) | (high < 0)) & ~close, p_values, 1.0)
    differ[others] = holm(p[others]) < alpha
    return differ | differ.T


def brackets(separated: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """Return groups of places such that two places share a group if and only if they aren't separated.

    A place may be in several brackets: models that aren't shown to differ aren't equal, and the ends of a chain may
    differ. The places of a bracket needn't be neighbours: if two models vary little from each other and much from a
    third one, the third may be joined to the first but to none between them (a compact display, Piepho 2004).

    Args:
        separated: [rank, rank] bool, symmetric, False on the diagonal: whether the candidates at two places differ.

    Returns:
        The places of each bracket in ascending order, at least two; no bracket lies within another.
    """
    groups: list[tuple[int, ...]] = []
    joined = separated.copy()  # pairs that need no further bracket
    for one, other in itertools.combinations(range(len(separated)), 2):
        if joined[one, other]:
            continue
        members = [one, other]
        free = ~(separated[one] | separated[other])
        free[members] = False
        while free.any():
            place = int(free.argmax())
            members.append(place)
            free &= ~separated[place]
            free[place] = False
        joined[np.ix_(members, members)] = True
        groups.append(tuple(sorted(members)))
    return tuple(sorted(groups))


@dataclass(frozen=True)
class Advice:
    """Which model to use. "Shown" means that a test says so; names stand in the order of the ranking.

    Attributes:
        use: the recommended model, a network or a baseline; `prior` if no model has a lower error than it.
        guess: whether `use` isn't shown to be better than `prior`, so that it is only the best guess.
        best: the best guess, the model with the lowest cross-validated error.
        undecided: the other models that `best` isn't shown to be better than.
        network: the network to use if it must be one: the simplest of `among`.
        first: the network with the lowest error.
        among: the networks within the margin of `first` that aren't shown to be worse, itself included.
        as_good: baselines with a lower error than `first`, or within the margin of it and not shown to be worse. If
            there are any, no network is needed.
        ahead: those of them that are shown to be better than `first`.
        no_gain: whether `network` isn't shown to be better than predicting the class frequencies or the mean.
    """

    use: str
    guess: bool
    best: str
    undecided: tuple[str, ...]
    network: str
    first: str
    among: tuple[str, ...]
    as_good: tuple[str, ...]
    ahead: tuple[str, ...]
    no_gain: bool


def advise(
    losses: Mapping[str, float],
    separated: ArrayLike,
    n_parameters: Mapping[str, int],
    *,
    margin: float,
    gains: Callable[[str], bool] = lambda name: True,
) -> Advice | None:
    """Return which model to use, or None if no network was ranked.

    A model is always named, as the user has to take one. Where models hardly differ, a guess costs little
    (decision 26).

    Args:
        losses: mean loss of each model, the lowest first.
        separated: [rank, rank] bool, in that order: whether two models are shown to differ.
        n_parameters: of each network. All others are baselines, except `auto`, which counts as the largest
            network.
        margin: the difference that matters, in units of the loss.
        gains: whether a model is shown to be better than `prior`. If that is among the models, `separated` decides.
    """
    ranking, differ = list(losses), np.asarray(separated, dtype=bool)
    sizes = {name: n_parameters.get(name, math.inf) for name in ranking if name in n_parameters or name == "auto"}
    if not sizes:
        return None
    place = {name: number for number, name in enumerate(ranking)}
    best, first = ranking[0], next(name for name in ranking if name in sizes)

    def shown(one: str, other: str) -> bool:
        return bool(differ[place[one], place[other]])

    @functools.cache
    def gain(name: str) -> bool:
        """Return whether a model is shown to be better than `prior`."""
        return (place[name] < place["prior"] and shown("prior", name)) if "prior" in place else gains(name)

    def as_good_as_first(name: str) -> bool:
        if place[name] < place[first]:
            return True
        if place[first] < place.get("prior", len(ranking)) < place[name] or (gain(first) and not gain(name)):
            return False  # `first` is ahead of `prior`, or is shown to be, and this one isn't
        return losses[name] - losses[first] <= margin and not shown(name, first)

    among = tuple(name for name in ranking if name in sizes and as_good_as_first(name))
    network = min(among, key=lambda name: (sizes[name], place[name]))
    as_good = tuple(name for name in ranking if name not in sizes and name != "prior" and as_good_as_first(name))
    use = "prior" if best == "prior" else as_good[0] if as_good else network
    return Advice(
        use=use,
        guess=use != "prior" and not gain(use),
        best=best,
        undecided=tuple(name for name in ranking[1:] if not shown(name, best)),
        network=network,
        first=first,
        among=among,
        as_good=as_good,
        ahead=tuple(name for name in as_good if place[name] < place[first] and shown(name, first)),
        no_gain=not gain(network),
    )


def bbc_cv(losses: Floats, *, n_resamples: int = 1000, alpha: float = 0.05, random_state: int = 0) -> Interval:
    """Return the score of "train all candidates, take the best", corrected for the choice, with a percentile interval:
    the bootstrap bias-corrected score (Tsamardinos, Greasidou & Borboudakis 2018) of a mean of row losses.

    Draw rows with replacement; choose the candidate with the smallest mean loss on them; score it on the rest.

    Args:
        losses: [candidate, row], finite out-of-fold loss, averaged over repeats and seeds; smaller is better.
    """

    def mean_loss(weights: Floats) -> Floats:
        return np.asarray(weights @ losses.T / weights.sum(axis=1, keepdims=True), dtype=np.float64)

    scores = []
    for weights in resample_weights(losses.shape[1], n_resamples=n_resamples, random_state=random_state):
        out_of_bag = (weights == 0).astype(np.float64)
        some_left = out_of_bag.any(axis=1)
        in_bag, left = mean_loss(weights[some_left]), mean_loss(out_of_bag[some_left])
        tied = in_bag <= in_bag.min(axis=1, keepdims=True) + 1e-12
        share = tied / tied.sum(axis=1, keepdims=True)
        scores.append((share * left).sum(axis=1))
    left_out = np.concatenate(scores)
    low, high = np.quantile(left_out, [alpha / 2, 1 - alpha / 2])
    return Interval(mean=float(left_out.mean()), low=float(low), high=float(high))


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
