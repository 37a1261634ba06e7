"""Which network to use, by the ranking and its brackets."""

from seedbed.evaluation import advise

RANKING = ["trees", "big", "small", "logistic", "tiny", "prior"]
SIZES = {"big": 100, "small": 10, "tiny": 1}


def test_the_smallest_of_those_not_told_apart_from_the_first_network_is_advised():
    found = advise(RANKING, [(1, 2)], SIZES)
    assert (found.first, found.among, found.network) == ("big", ("big", "small"), "small")
    assert advise(RANKING, [], SIZES).network == "big"
    assert advise(RANKING, [(1, 4)], SIZES).network == "tiny"


def test_of_two_that_are_alike_the_better_placed_is_advised():
    assert advise(["a", "b"], [(0, 1)], {"b": 5, "a": 5}).network == "a"
    assert advise(["b", "a"], [(0, 1)], {"b": 5, "a": 5}).network == "b"


def test_brackets_do_not_chain():
    found = advise(RANKING, [(1, 2), (2, 4)], SIZES)
    assert found.among == ("big", "small")
    assert found.as_good == ("logistic",)


def test_models_are_as_good_or_ahead_or_neither():
    assert advise(RANKING, [(0, 2)], SIZES).as_good == ("trees",)
    assert advise(RANKING, [(0, 2)], SIZES).ahead == ()
    apart = advise(RANKING, [(1, 2)], SIZES)
    assert (apart.as_good, apart.ahead) == ((), ("trees",))


def test_a_model_between_the_first_and_the_advised_network_may_be_ahead():
    found = advise(["big", "model", "small"], [(0, 2)], SIZES)
    assert (found.network, found.ahead, found.as_good) == ("small", (), ("model",))


def test_no_gain_is_said_where_guessing_is_not_told_apart_or_above():
    assert not advise(RANKING, [(1, 4)], SIZES).no_gain
    assert advise(RANKING, [(1, 5)], SIZES).no_gain
    assert advise(["prior", "small"], [], SIZES).no_gain
    assert not advise(["small"], [], SIZES).no_gain


def test_where_guessing_does_as_well_as_networks_only_what_beats_both_is_ahead():
    ranking = ["auto", "trees", "small", "prior"]
    assert advise(ranking, [(2, 3)], SIZES).ahead == ("auto", "trees")
    assert advise(ranking, [(1, 3)], SIZES).ahead == ("auto",)
    assert advise(["small", "auto", "prior"], [(0, 2)], SIZES).ahead == ()
    assert advise(["auto", "prior", "small"], [(0, 1)], SIZES).ahead == ()


def test_guessing_is_no_model_that_is_as_good_or_ahead():
    found = advise(["prior", "small"], [(0, 1)], SIZES)
    assert (found.as_good, found.ahead) == ((), ())


def test_without_networks_there_is_no_advice():
    assert advise(["trees", "prior"], [(0, 1)], {}) is None


def test_that_a_blend_of_networks_is_as_good_does_not_say_that_none_is_needed():
    assert advise(["auto", *RANKING], [(0, 3)], SIZES).as_good == ("trees",)
    assert advise(["auto", *RANKING], [(1, 3)], SIZES).ahead == ("auto",)
