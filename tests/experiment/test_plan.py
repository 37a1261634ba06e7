"""The plan of a comparison, and its sentence."""

import numpy as np


def test_the_parts_up_to_each_look_are_all_splits_once_and_in_order(planned):
    plan = planned("relu:3", "tanh:3", repeats=7)
    parts = [plan.splits_of(part) for part in range(len(plan.looks))]
    assert np.concatenate(parts).tolist() == list(range(21))
    assert [{plan.splits[number].repeat for number in part} for part in parts] == [{0}, {1}, {2}, {3, 4}, {5, 6}]
