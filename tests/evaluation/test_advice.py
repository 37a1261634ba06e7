"""The advice on which model to use: the lowest error, or a simpler model within the margin."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.ranking import advise

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


def test_the_best_guess_is_advised_where_no_gain_is_shown():
    nothing = found(*itertools.combinations(LOSSES, 2))
    assert (nothing.no_gain, nothing.guess, nothing.use, nothing.best) == (True, True, "trees", "trees")
    prior_leads = found(losses={"prior": 0.1, **without("prior")})
    assert (prior_leads.use, prior_leads.guess) == ("prior", False)
    only_trees = found(("prior", "big"), ("prior", "small"))
    assert (only_trees.no_gain, only_trees.guess, only_trees.use) == (True, False, "trees")
    assert found(("prior", "small")).no_gain is False


def test_a_simpler_model_is_advised_only_if_it_is_as_surely_better_than_the_prior():
    losses = {"big": 0.10, "prior": 0.11, "small": 0.115, "logistic": 0.115}
    advice = found(*itertools.combinations(losses, 2), losses=losses)
    assert (advice.use, advice.network, advice.as_good) == ("big", "big", ())
    losses, undecided = without("trees"), (("big", "small"), ("prior", "small"))
    assert (found(*undecided, losses=losses).use, found(undecided[0], losses=losses).use) == ("big", "small")
    small = found(*undecided[:1], ("prior", "big"), losses=losses)
    assert (small.use, small.guess, small.no_gain) == ("small", False, False)


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
    lowest = losses[advice.best] if advice.best in SIZES or advice.use == advice.best else losses[advice.first]
    assert losses[advice.use] - lowest <= margin
    assert losses[advice.use] <= losses["prior"]
    assert advice.use == "prior" or bool(advice.as_good) == (advice.use not in SIZES)


def test_a_difference_of_exactly_the_margin_is_within_it():
    losses = {"big": 0.5, "small": 0.75}
    assert found(("big", "small"), losses=losses, margin=0.25).network == "small"


def test_without_a_prior_baseline_an_advised_model_must_gain():
    losses = without("trees", "logistic", "prior")
    apart = ~np.eye(len(losses), dtype=bool)
    assert advise(losses, apart, SIZES, margin=0.02).use == "big"
    none = advise(losses, apart, SIZES, margin=0.02, gains=lambda name: False)
    assert (none.use, none.guess, none.no_gain) == ("big", True, True)


def test_without_a_prior_baseline_each_model_must_gain_by_itself():
    losses = {"big": 0.5, "small": 0.51}
    apart = np.zeros((2, 2), dtype=bool)
    assert advise(losses, apart, SIZES, margin=0.02, gains=lambda name: name == "big").use == "big"
    small = advise(losses, apart, SIZES, margin=0.02, gains=lambda name: name == "small")
    assert (small.use, small.guess) == ("small", False)
