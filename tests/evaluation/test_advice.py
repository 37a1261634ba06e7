"""The advice on which model to use: the lowest error, or a simpler model within the margin."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation import advise

SIZES = {"big": 100, "small": 10, "tiny": 1}
LOSSES = {"trees": 0.10, "big": 0.12, "small": 0.13, "logistic": 0.15, "tiny": 0.20, "prior": 0.25}


def found(*undecided, losses=LOSSES, margin=0.02):
    """The advice if all pairs except the named ones differ."""
    apart = ~np.eye(len(losses), dtype=bool)
    for one, other in undecided:
        places = list(losses).index(one), list(losses).index(other)
        apart[places] = apart[places[::-1]] = False
    return advise(losses, apart, SIZES, margin=margin)


def without(*names):
    return {name: loss for name, loss in LOSSES.items() if name not in names}


def test_the_advised_model_has_the_lowest_error():
    assert (found().best, found().use, found().undecided) == ("trees", "trees", ())
    leading = found(("trees", "small"), ("trees", "tiny"))
    assert (leading.best, leading.use, leading.undecided) == ("trees", "trees", ("small", "tiny"))


def test_a_simpler_network_within_the_margin_is_advised_unless_it_is_worse():
    losses = without("trees")
    assert found(losses=losses).network == "big"
    assert found(("big", "small"), losses=losses).network == "small"
    assert found(("big", "small"), losses=losses, margin=0.005).network == "big"
    assert found(("big", "small"), losses=losses).among == ("big", "small")


def test_an_undecided_network_outside_the_margin_is_not_advised():
    losses = without("trees", "logistic")
    advice = found(("big", "tiny"), losses=losses)
    assert (advice.network, advice.use, advice.undecided) == ("big", "big", ("tiny",))


def test_no_network_is_advised_if_a_baseline_leads_or_ties():
    assert found().as_good == found().ahead == ("trees",)
    assert (found(("trees", "big")).as_good, found(("trees", "big")).ahead) == (("trees",), ())
    tie = found(("big", "logistic"), losses=without("trees"), margin=0.04)
    assert (tie.best, tie.use, tie.as_good, tie.network) == ("big", "logistic", ("logistic",), "big")
    assert found(("big", "logistic"), losses=without("trees"), margin=0.02).as_good == ()


def test_the_blend_counts_as_the_largest_network():
    losses = {"auto": 0.09, **LOSSES}
    advice = found(losses=losses)
    assert (advice.best, advice.use, advice.network, advice.as_good) == ("auto", "auto", "auto", ())
    assert found(("auto", "big"), losses=losses, margin=0.05).network == "big"


def test_nothing_is_advised_if_nothing_is_better_than_the_class_frequencies():
    nothing = found(*itertools.combinations(LOSSES, 2))
    assert (nothing.no_gain, nothing.use, nothing.best) == (True, None, "trees")
    assert found(losses={"prior": 0.1, **without("prior")}).use == "prior"
    only_trees = found(("prior", "big"))
    assert (only_trees.no_gain, only_trees.use) == (True, "trees")
    assert found(("prior", "small")).no_gain is False


def test_without_networks_there_is_no_advice():
    assert found(losses={"trees": 0.1, "prior": 0.2}) is None


@given(
    losses=st.permutations(list(LOSSES)).flatmap(
        lambda names: st.lists(st.floats(0, 1), min_size=6, max_size=6).map(
            lambda values: dict(zip(names, sorted(values), strict=True))
        )
    ),
    bits=st.lists(st.booleans(), min_size=15, max_size=15),
    margin=st.floats(0.001, 0.5),
)
def test_an_advised_model_is_neither_worse_nor_outside_the_margin(losses, bits, margin):
    pairs = itertools.combinations(losses, 2)
    advice = found(*(pair for pair, bit in zip(pairs, bits, strict=True) if bit), losses=losses, margin=margin)
    assert losses[advice.network] - losses[advice.first] <= margin
    assert losses[advice.best] == min(losses.values())
    if advice.use is not None:
        lowest = losses[advice.best] if advice.best in SIZES or advice.use == advice.best else losses[advice.first]
        assert losses[advice.use] - lowest <= margin
    assert advice.no_gain or bool(advice.as_good) == (advice.use not in SIZES)


def test_a_difference_of_exactly_the_margin_is_within_it():
    losses = {"big": 0.5, "small": 0.75}
    assert found(("big", "small"), losses=losses, margin=0.25).network == "small"


def test_without_a_prior_baseline_an_advised_model_must_gain():
    losses = without("trees", "logistic", "prior")
    apart = ~np.eye(len(losses), dtype=bool)
    assert advise(losses, apart, SIZES, margin=0.02).use == "big"
    none = advise(losses, apart, SIZES, margin=0.02, gains=False)
    assert (none.use, none.best, none.no_gain) == (None, "big", True)
