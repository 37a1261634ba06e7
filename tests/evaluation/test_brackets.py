"""Brackets that join the places of a ranking that don't differ significantly."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedbed.evaluation.ranking import brackets


@st.composite
def tables(draw, elements, dtype=bool):
    n = draw(st.integers(0, 7))
    table = np.zeros((n, n), dtype=dtype)
    for i, j in combinations(range(n), 2):
        table[i, j] = table[j, i] = draw(elements)
    return table


def pairs(n, *separated):
    table = np.zeros((n, n), dtype=bool)
    for i, j in separated:
        table[i, j] = table[j, i] = True
    return table


def test_a_chain_of_neighbours_gives_overlapping_brackets():
    assert brackets(pairs(4, (0, 2), (0, 3), (1, 3))) == ((0, 1), (1, 2), (2, 3))


def test_equal_places_share_one_bracket_and_separated_places_have_none():
    assert brackets(pairs(5)) == ((0, 1, 2, 3, 4),)
    assert brackets(~np.eye(5, dtype=bool)) == ()


@pytest.mark.parametrize("n", [0, 1])
def test_less_than_two_places_have_no_bracket(n):
    assert brackets(np.zeros((n, n), dtype=bool)) == ()


@given(tables(st.booleans()))
def test_two_places_share_a_bracket_if_and_only_if_they_are_not_separated(separated):
    found = brackets(separated)
    for one, other in combinations(range(len(separated)), 2):
        assert any({one, other} <= set(bracket) for bracket in found) == (not separated[one, other])


@given(tables(st.booleans()))
def test_no_bracket_lies_within_another_and_places_ascend(separated):
    found = brackets(separated)
    assert not any(set(one) <= set(other) for one in found for other in found if one != other)
    assert all(len(one) > 1 and list(one) == sorted(set(one)) for one in found)
