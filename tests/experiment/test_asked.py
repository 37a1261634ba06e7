"""A call as text, as its reader would type it again."""

import numpy as np
import pytest

from seedbed.experiment.asked import call_of, without_passwords


def compare(
    table, *, target=None, candidates=("linear:5",), repeats=None, quick=False, lr=1.0, jobs=None, device="auto"
):
    """A function with defaults of many kinds."""


def said(table="t.csv", **changes):
    given = {"table": table, "target": None, "candidates": ("linear:5",), "repeats": None, "quick": False, "lr": 1.0,
             "jobs": None, "device": "auto", "something": 1}  # fmt: skip
    return call_of(compare, given | changes)


def test_only_what_differs_from_the_defaults_is_said():
    assert said() == "sb.compare('t.csv')"
    assert said(candidates=("linear:5",), lr=1.0) == "sb.compare('t.csv')"
    assert said(target="y", quick=True) == "sb.compare('t.csv', target='y', quick=True)"


def test_how_it_runs_is_left_out():
    assert said(jobs=4, device="cpu") == "sb.compare('t.csv')"


def test_values_equal_to_a_default_but_of_another_kind_are_said():
    assert said(quick=0) == "sb.compare('t.csv', quick=0)"
    assert said(lr=1) == "sb.compare('t.csv', lr=1)"
    assert said(candidates=["linear:5"]) == "sb.compare('t.csv', candidates=['linear:5'])"


def test_arrays_are_said_by_kind_and_shape():
    assert said(np.zeros((3, 2))) == "sb.compare(<ndarray 3 x 2>)"
    assert said({"X": np.zeros(3)}) == "sb.compare({'X': <ndarray 3>})"


def test_what_is_long_is_said_by_its_kind():
    assert said("x" * 300) == "sb.compare(<str>)"
    assert said(["a"] * 1000) == "sb.compare(<list of 1000>)"
    assert said({str(number): [] for number in range(1000)}) == "sb.compare(<dict of 1000>)"


@pytest.mark.parametrize("value", [compare, dict])
def test_functions_and_classes_are_said_by_name(value):
    assert said(value) == f"sb.compare({value.__name__})"


def test_quotes_in_names_survive():
    text = said("it's.csv", candidates=['a "b"', "c'd"])
    assert text == """sb.compare("it's.csv", candidates=['a "b"', "c'd"])"""


def test_no_address_in_memory_is_said():
    assert " at 0x" not in said(object())


def test_passwords_in_addresses_are_stars_and_addresses_without_one_stay():
    assert (
        without_passwords("postgresql://me:a:b@c@host/db?password=x&port=1 t")
        == "postgresql://me:***@host/db?password=***&port=1 t"
    )
    assert without_passwords("'a://b:1/c' 'p://u:s@h' http://host:80/x") == "'a://b:1/c' 'p://u:***@h' http://host:80/x"
