"""The plan of a comparison, and its sentence."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB


@pytest.mark.parametrize(
    ("candidates", "options", "words"),
    [
        (["relu:3", "tanh:3"], {}, "2 models on 3 train/test splits, 2 networks each"),
        (["relu:3", "tanh:3"], {"n_networks": 1}, "2 models on 3 train/test splits, 1 network each"),
        (["relu:3"], {"baselines": None, "repeats": 10}, "4 models on 30 train/test splits, 2 networks each"),
        (["logistic", "prior"], {}, "2 models on 3 train/test splits"),
        (["relu:3"], {"baselines": [GaussianNB()], "name": "default"}, "2 models on 3 train/test splits, 2 networks"),
    ],
)
def test_the_sentence_counts_models_splits_and_networks(planned, candidates, options, words):
    assert planned(*candidates, **options).sentence().startswith(words)


def test_the_parts_up_to_each_look_are_all_splits_once_and_in_order(planned):
    plan = planned("relu:3", "tanh:3", repeats=7)
    parts = [plan.splits_of(part) for part in range(len(plan.looks))]
    assert np.concatenate(parts).tolist() == list(range(21))
    assert [{plan.splits[number].repeat for number in part} for part in parts] == [{0}, {1}, {2}, {3, 4}, {5, 6}]
