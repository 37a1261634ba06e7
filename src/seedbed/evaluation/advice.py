"""Which network to use: the smallest of those that aren't told apart from the first of the ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Advice", "advise"]


@dataclass(frozen=True)
class Advice:
    """Which network to use, by the ranking and its brackets.

    Attributes:
        network: the one with the fewest parameters among `among`; the better placed of two alike.
        among: the networks that aren't told apart from the first one in the ranking, itself included, by rank.
        first: the first network in the ranking.
        as_good: the other models that aren't told apart from `network`.
        ahead: the other models that stand above `network` and are told apart from it; if there is no gain, from always
            guessing, too.
        no_gain: whether the first network isn't told apart from always guessing the same, or stands below it.
    """

    network: str
    among: tuple[str, ...]
    first: str
    as_good: tuple[str, ...]
    ahead: tuple[str, ...]
    no_gain: bool


def advise(
    ranking: Sequence[str],
    brackets: Sequence[tuple[int, int]],
    n_parameters: Mapping[str, int],
    *,
    prior: str = "prior",
    blend: str = "auto",
) -> Advice | None:
    """Which network to use; None where the ranking has no network.

    Not being told apart is no equality, so of those that aren't the smallest is advised: what a larger one may add, the
    rows don't show.

    Args:
        ranking: names, the lowest loss first.
        brackets: (first, last) places that aren't told apart, see `brackets`.
        n_parameters: of each network; whatever else is ranked is a baseline.
        prior: the baseline that always guesses the same.
        blend: what is made of networks, too; that it is as good doesn't say that none is needed.
    """
    networks = [name for name in ranking if name in n_parameters]
    if not networks:
        return None
    places = {name: place for place, name in enumerate(ranking)}

    def together(one: str, other: str) -> bool:
        pair = places[one], places[other]
        return any(first <= min(pair) and max(pair) <= last for first, last in brackets)

    top = networks[0]
    among = tuple(name for name in networks if name == top or together(name, top))
    network = min(among, key=lambda name: (n_parameters[name], places[name]))
    models = [name for name in ranking if name not in n_parameters and name != prior]
    no_gain = prior in places and (together(prior, top) or places[prior] < places[top])
    beaten = [network, prior] if no_gain else [network]

    def is_ahead(name: str) -> bool:
        return all(places[name] < places[one] and not together(name, one) for one in beaten)

    return Advice(
        network=network,
        among=among,
        first=top,
        as_good=tuple(name for name in models if name != blend and together(name, network)),
        ahead=tuple(filter(is_ahead, models)),
        no_gain=no_gain,
    )
