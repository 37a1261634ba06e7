"""Which model to use: the lowest error, or a simpler model that is within the margin and not shown to be worse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Advice", "advise"]


@dataclass(frozen=True)
class Advice:
    """Which model to use. "Shown" means that a test says so; names stand in the order of the ranking.

    Attributes:
        use: the recommended model, a network or a baseline; None where nothing is shown to be better than guessing.
        best: the best guess, the model with the lowest cross-validated error.
        undecided: the other models that `best` isn't shown to be better than.
        network: the network to take home, whatever `use` is: the simplest one of `among`.
        first: the network with the lowest error.
        among: the networks within the margin of `first` that aren't shown to be worse, itself included.
        as_good: baselines with a lower error than `first`, or within the margin of it and not shown to be worse; where
            there are any, no network is needed.
        ahead: those of them that are shown to be better than `first`.
        no_gain: whether `first` isn't shown to be better than guessing the class frequencies or the mean.
    """

    use: str | None
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
    prior: str = "prior",
    blend: str = "auto",
    gains: bool = True,
) -> Advice | None:
    """Return which model to use, or None where no network was ranked.

    Args:
        losses: mean loss of each model, the lowest first.
        separated: [rank, rank] bool, in that order: whether two models are shown to differ.
        n_parameters: of each network. Whatever else is in `losses` is a baseline, but for the blend.
        margin: the difference that matters, in units of the loss.
        prior: the baseline that predicts the class frequencies or the mean.
        blend: the blend of networks; it counts as the largest network.
        gains: whether the network with the lowest error is shown to be better than guessing; where `prior` is among the
            models, `separated` says it.
    """
    ranking, apart = list(losses), np.asarray(separated, dtype=bool)
    sizes = {name: n_parameters.get(name, math.inf) for name in ranking if name in n_parameters or name == blend}
    if not sizes:
        return None
    place = {name: number for number, name in enumerate(ranking)}
    best, first = ranking[0], next(name for name in ranking if name in sizes)

    def shown(one: str, other: str) -> bool:
        return bool(apart[place[one], place[other]])

    def as_good_as_first(name: str) -> bool:
        if place[name] < place[first]:
            return True
        return losses[name] - losses[first] <= margin and not shown(name, first)

    among = tuple(name for name in ranking if name in sizes and as_good_as_first(name))
    network = min(among, key=lambda name: (sizes[name], place[name]))
    as_good = tuple(name for name in ranking if name not in sizes and name != prior and as_good_as_first(name))
    undecided = tuple(name for name in ranking[1:] if not shown(name, best))
    use: str | None = network
    if as_good:
        use = as_good[0]
    no_gain = (place[prior] < place[first] or not shown(prior, first)) if prior in place else not gains
    if no_gain and (best in (prior, first) or prior in undecided):
        use = prior if best == prior else None
    return Advice(
        use=use,
        best=best,
        undecided=undecided,
        network=network,
        first=first,
        among=among,
        as_good=as_good,
        ahead=tuple(name for name in as_good if place[name] < place[first] and shown(name, first)),
        no_gain=no_gain,
    )
