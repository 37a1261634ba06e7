"""Brackets around the places of a ranking that can't be told apart, against a slow oracle."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from seedbed.evaluation import brackets, separations


@st.composite
def tables(draw, elements, dtype=bool):
    n = draw(st.integers(0, 7))
    table = np.zeros((n, n), dtype=dtype)
    for i, j in combinations(range(n), 2):
        table[i, j] = table[j, i] = draw(elements)
    return table


def slow(separated):
    """All runs without a separated pair, less those within another."""
    runs = [
        (first, last)
        for first, last in combinations(range(len(separated)), 2)
        if not separated[first : last + 1, first : last + 1].any()
    ]
    return tuple(a for a in runs if not any(b != a and b[0] <= a[0] and a[1] <= b[1] for b in runs))


def pairs(n, *separated):
    table = np.zeros((n, n), dtype=bool)
    for i, j in separated:
        table[i, j] = table[j, i] = True
    return table


def test_a_chain_of_neighbours_gives_overlapping_brackets():
    assert brackets(pairs(4, (0, 2), (0, 3), (1, 3))) == ((0, 1), (1, 2), (2, 3))


def test_all_alike_is_one_bracket_and_all_apart_is_none():
    assert brackets(pairs(5)) == ((0, 4),)
    assert brackets(~np.eye(5, dtype=bool)) == ()


def test_a_place_told_apart_from_both_neighbours_stands_alone():
    assert brackets(pairs(3, (0, 1), (0, 2))) == ((1, 2),)


def test_a_separated_pair_breaks_a_run_even_where_its_ends_are_alike():
    assert brackets(pairs(4, (1, 2))) == ((0, 1), (2, 3))


@pytest.mark.parametrize("n", [0, 1])
def test_less_than_two_places_have_no_bracket(n):
    assert brackets(np.zeros((n, n), dtype=bool)) == ()
    assert separations(np.ones((n, n)), 0.05).shape == (n, n)


@given(tables(st.booleans()))
def test_brackets_are_those_of_the_slow_oracle(separated):
    assert brackets(separated) == slow(separated)


@given(tables(st.booleans()))
def test_neighbours_that_are_alike_share_a_bracket_and_none_holds_a_separated_pair(separated):
    found = brackets(separated)
    for place in range(len(separated) - 1):
        together = any(first <= place and place + 1 <= last for first, last in found)
        assert together == (not separated[place, place + 1])
    assert not any(separated[first : last + 1, first : last + 1].any() for first, last in found)


@given(tables(st.booleans()))
def test_turning_the_ranking_round_turns_the_brackets_round(separated):
    last_place = len(separated) - 1
    turned = sorted((last_place - last, last_place - first) for first, last in brackets(separated))
    assert brackets(separated[::-1, ::-1]) == tuple(turned)


@settings(max_examples=15)  # each call of statsmodels takes 50 ms
@given(tables(st.floats(0, 1), np.float64))
def test_separations_are_holms_over_all_pairs(p):
    np.fill_diagonal(p, np.nan)
    separated = separations(p, 0.05)
    assert (separated == separated.T).all()
    assert not separated.diagonal().any()
    upper = np.triu_indices(len(p), k=1)
    expected = multipletests(p[upper], method="holm")[1] < 0.05 if upper[0].size else []
    assert separated[upper].tolist() == list(expected)


def test_many_pairs_need_smaller_p_values():
    assert separations([[1, 0.04], [0.04, 1]], 0.05)[0, 1]
    assert not separations(np.full((3, 3), 0.04), 0.05).any()


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 3)), np.triu(np.ones((3, 3)), 1), np.eye(3)])
def test_what_is_no_symmetric_table_is_refused(bad):
    with pytest.raises(ValueError, match="separated must be"):
        brackets(bad)


@pytest.mark.parametrize(
    ("p", "alpha"),
    [
        ([[0, 0.1], [0.2, 0]], 0.05),
        ([[0, np.nan], [np.nan, 0]], 0.05),
        (np.zeros(3), 0.05),
        (np.ones((2, 2)), 0),
        (np.ones((2, 2)), 1),
    ],
)
def test_p_values_that_are_none_are_refused(p, alpha):
    with pytest.raises(ValueError, match=r"p-values|alpha"):
        separations(p, alpha)
