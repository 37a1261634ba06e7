"""`compare`: all candidates share splits, and results depend only on the relevant inputs."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss
from torch import nn

from seedbed.errors import CandidateError, OptionError, TargetError
from seedbed.experiment.fits import split_seed
from seedbed.experiment.run import run
from seedbed.experiment.spec import TUTORIAL
from seedbed.model.member import splits_of_networks
from seedbed.model.stacks import smooth_clip
from seedbed.networks.draws import derive
from seedbed.training.torch.modules import started_module


@pytest.mark.slow
@pytest.mark.parametrize("words", ["tanh:4", "network-1"])
def test_the_networks_of_a_bag_equal_plain_pytorch_up_to_their_common_epoch(
    small, arrays, words
):
    given = dict(recipe="default", epochs=6, lr=0.05, batch_size=0, n_networks=8)
    found = small(candidates=words, random_state=7, **given)
    result, (X, y), number = found[words], arrays, 1
    train, test = found.splits[number].train.copy(), found.splits[number].test.copy()
    Z = torch.from_numpy(
        smooth_clip(((X - X[train].mean(0)) / X[train].std(0)).astype(np.float32), 3.0)
    )
    seed = split_seed(7, found.splits[number])
    bags = splits_of_networks(found.experiment.table.of_rows(train), 8, seed)
    outputs = np.full((6, 8, len(train)), np.nan)
    predicted = np.empty((6, 8, len(test)))
    recipe, (candidate,) = result.recipe, found.experiment.members
    for network, bag in enumerate(bags):
        module = started_module(
            candidate.architecture.network(3, 1), derive(seed, words, "blend", network)
        )
        optimizer = torch.optim.AdamW(_with_decay(module, recipe.decay), lr=recipe.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)
        rows, left = train[bag.train], train[bag.test]
        for epoch in range(6):
            optimizer.zero_grad()
            target = torch.from_numpy(y[rows]).float()
            nn.functional.binary_cross_entropy_with_logits(
                module(Z[rows])[:, 0], target
            ).backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                outputs[epoch, network, bag.test] = torch.sigmoid(module(Z[left])[:, 0])
                predicted[epoch, network] = torch.sigmoid(module(Z[test])[:, 0])
    losses = [log_loss(y[train], np.nanmean(one, axis=0)) for one in outputs]
    assert result.epochs[number] == 1 + int(np.argmin(losses))
    best = predicted[result.epochs[number] - 1]
    assert_allclose(result.singles[0][:, test], best, atol=1e-5)
    assert_allclose(result.predictions[0, 0, test], best.mean(axis=0), atol=1e-5)


def _with_decay(module, decay):
    """The parameters of a module; biases and normalisations don't decay."""
    plain = [value for name, value in module.named_parameters() if value.dim() < 2]
    others = [value for name, value in module.named_parameters() if value.dim() >= 2]
    return [
        {"params": others, "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def test_each_split_has_seeds_of_its_own(planned):
    forest = "sklearn.ensemble.RandomForestClassifier(n_estimators=3)"
    words = ("relu:3", "boosted-trees", "extra-trees")
    plan = planned(*words, name="default", baselines=[forest], repeats=2)
    first = plan.splits[:3]
    # so only seeds can make a difference
    again = (replace(split, repeat=1) for split in first)
    for result in run(replace(plan, splits=(*first, *again))).results:
        assert not np.allclose(result.predictions[0], result.predictions[1], atol=1e-3)


def test_the_same_random_state_gives_same_results_and_another_gives_others(small, same):
    first, again, other = (
        small(candidates="relu:3", random_state=state)["relu:3"] for state in (5, 5, 6)
    )
    same(first, again)
    assert first.scores == again.scores
    assert not np.allclose(first.predictions, other.predictions, atol=1e-3)


def test_more_networks_keep_the_existing_ones(small):
    few, many = (
        small(candidates="relu:3", n_networks=n)["relu:3"].singles for n in (2, 3)
    )
    assert_allclose(many[:, :2], few, atol=1e-6)


def test_results_neither_depend_on_nor_change_global_random_states(small, same):
    torch.manual_seed(1)
    first = small(candidates="relu:3@dropout=0.5")["relu:3@dropout=0.5"]
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.rand(1) == drawn
    same(small(candidates="relu:3@dropout=0.5")["relu:3@dropout=0.5"], first)


def test_a_candidate_with_fewer_epochs_has_shorter_curves(small):
    found = small(candidates=["relu:3", "relu:3@epochs=2"])
    assert [result.curves.shape for result in found.results] == [(4, 4, 6), (4, 2, 6)]
    assert [one["epochs"]["most"] for one in found.to_dict()["candidates"]] == [4, 2]
    assert str(found)
    assert found.plot()["concat"]


def test_the_tutorials_recipe_compares_its_three_without_the_blend(small):
    found = small(epochs=1, n_networks=1)
    assert (
        tuple(result.name for result in found.results)
        == TUTORIAL
        == ("linear:5", "linear:20,20", "relu:5")
    )
    assert found.experiment.reference == "linear:5"
    assert [result.n_parameters for result in found.networks] == [26, 521, 26]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"reference": "tanh:3"},
            CandidateError,
            r"'tanh:3' isn't among the candidates\. Did you mean 'tanh:4'",
        ),
        (
            {"candidates": ["relu:5", "relu:5"]},
            CandidateError,
            "two candidates are named 'relu:5'",
        ),
        ({"margin": float("nan")}, OptionError, "margin is nan"),
        *(
            ({"metric": m}, OptionError, f"'{m}' can't be tested on this target")
            for m in ("pr_auc", "squared_error")
        ),
        ({"lr": [0.1, 0.2]}, OptionError, "lr is .*It must be a number or None"),
        ({"folds": 40}, TargetError, "at least 40 are needed"),
        (
            {"candidates": ["relu:3@warmup=0.1"], "schedule": "onecycle"},
            CandidateError,
            "relu:3@warmup.*own warm-up",
        ),
    ],
    ids=str,
)
def test_invalid_arguments_are_refused_before_training(small, options, error, message):
    with pytest.raises(error, match=message):
        small(**{"candidates": ["linear:3", "tanh:4"], **options})


def test_numpy_numbers_are_accepted_as_options(small, same):
    plain = small(candidates="relu:3", random_state=5, margin=0.25)
    numpys = dict(
        random_state=np.int64(5),
        n_networks=np.int64(2),
        folds=np.int32(3),
        margin=np.float32(0.25),
    )
    found = small(candidates="relu:3", **numpys)
    same(found["relu:3"], plain["relu:3"])
    assert json.loads(json.dumps(found.to_dict()))["plan"] == plain.to_dict()["plan"]
