"""Epoch and learning rate are chosen by inner splits, without the test rows."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from torch import nn

from seedbed.errors import OptionError
from seedbed.evaluation import Choice, Epochs, choose
from seedbed.experiment import Experiment, make_plan, run
from seedbed.settings import Compute
from seedbed.training import train_chunks
from seedbed.training.randomness import derive

GRID = (0.001, 0.01, 0.1)
WORDS = {"recipe": "trained", "lr": None, "epochs": 20}


def by_hand(found, name, number, seed):
    """The probabilities for a split's test rows by a tanh:4 of plain PyTorch, with the chosen rate and epochs."""
    X, y, split = found.experiment.table.features, found.experiment.table.target, found.splits[number]
    train, test = split.train.copy(), split.test.copy()
    Z = torch.from_numpy(((X - X[train].mean(0)) / X[train].std(0)).astype(np.float32))
    target = torch.from_numpy(y[train]).float()
    torch.manual_seed(derive(found.experiment.random_state, name, split.repeat, split.fold, seed))
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    recipe = found[name].recipe
    optimizer = torch.optim.AdamW(network.parameters(), lr=float(found[name].lrs[number]))
    # A schedule covers all epochs that were possible, however many were chosen.
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
    for _ in range(found[name].epochs[number]):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(Z[train])[:, 0], target).backward()
        optimizer.step()
        if recipe.schedule == "cosine":
            schedule.step()
    return torch.sigmoid(network(Z[test])[:, 0]).detach().numpy()


@pytest.fixture(scope="module")
def chosen(small):
    """Two candidates with epoch and rate by inner splits, 3 folds, 2 seeds."""
    return small(**WORDS, candidates=["tanh:4", "relu:3"], baselines=["logistic-regression"], random_state=7)


@pytest.mark.parametrize("number", range(3))
def test_noise_in_the_test_labels_of_a_split_changes_only_its_score(planned, chosen, monkeypatch, number):
    plan = planned("tanh:4", "relu:3", name="trained", recipe={"epochs": 20}, baselines=["logistic-regression"],
                   random_state=7)  # fmt: skip
    test, target = plan.splits[number].test, plan.experiment.table.target.copy()
    target[test] = np.random.default_rng(number).integers(0, 2, len(test))
    monkeypatch.setattr(Experiment, "splits", lambda self: plan.splits)
    table = dataclasses.replace(plan.experiment.table, target=target)
    noisy = run(make_plan(dataclasses.replace(plan.experiment, table=table), Compute(jobs=1)))
    own = slice(2 * number, 2 * number + 2)
    for name in ("tanh:4", "relu:3"):
        before, after = chosen[name], noisy[name]
        assert (before.epochs[number], before.lrs[number]) == (after.epochs[number], after.lrs[number])
        np.testing.assert_array_equal(before.curves[:2, :, own], after.curves[:2, :, own])
        np.testing.assert_array_equal(before.predictions[0][:, test], after.predictions[0][:, test])
        assert (before.curves[2, :, own] != after.curves[2, :, own]).all()
        others = np.delete(np.arange(6), own)
        assert (before.curves[0][:, others] != after.curves[0][:, others]).any(axis=0).all()
    before, after = (one["logistic-regression"].predictions[0][:, test] for one in (chosen, noisy))
    np.testing.assert_array_equal(before, after)


def test_inner_splits_divide_the_training_rows_once_per_seed_and_are_stratified(planned, arrays):
    plan = planned("tanh:4", "relu:3", name="trained", repeats=2, seeds=3)
    assert [len(parts) for parts in plan.inner] == [3] * 6
    for split, parts in zip(plan.splits, plan.inner, strict=True):
        for part in parts:
            assert sorted([*part.train, *part.test]) == split.train.tolist()
            assert not set(part.train) & set(part.test)
            assert (len(part.test), arrays[1][part.test].sum()) == (8, 3)  # of 40 rows, 15 or 16 of class 1
        assert len({part.test.tobytes() for part in parts}) == 3
    assert len({part.test.tobytes() for parts in plan.inner for part in parts}) == 18


def test_all_candidates_and_rates_share_the_same_inner_splits(planned, arrays):
    plan = planned("tanh:4", "relu:3@lr=0.3", name="trained", random_state=7)
    data = plan.choosing.data
    for number, split in enumerate(plan.splits):
        for seed in range(2):
            state = derive(7, "inner", number, seed) % 2**32
            parts = train_test_split(split.train, test_size=0.2, random_state=state, stratify=arrays[1][split.train])
            for rows, part in zip((data.train, data.test), parts, strict=True):
                assert rows[:, 2 * number + seed].nonzero()[0].tolist() == sorted(part)
    for stack in plan.choosing.stacks:
        of_network = {m: s for c in stack.plan.chunks for m, s in zip(c.members, c.splits, strict=False)}
        rates = len(of_network) // 6
        expected = [2 * n + s for n in range(3) for _ in range(rates) for s in range(2)]
        assert [of_network[i] for i in range(6 * rates)] == expected


def test_the_choice_uses_only_losses_on_inner_rows(planned, monkeypatch):
    given = []
    monkeypatch.setattr("seedbed.tuning.choose", lambda *a, **k: given.append((a, k)) or choose(*a, **k))
    plan = planned("tanh:4", name="trained", recipe={"epochs": 5})
    run(plan)
    assert len(given) == 3
    (stack,) = plan.choosing.stacks
    losses = np.empty((18, 5))
    for number, result in train_chunks(stack.plan.chunks, plan.choosing.data, 1):
        losses[list(stack.plan.chunks[number].members)] = result.curves[2].T
    for number, (arguments, words) in enumerate(given):
        assert (arguments[1:], words) == (((1.5, 50),), {})
        np.testing.assert_allclose(arguments[0], losses.reshape(3, 3, 2, 5)[number], atol=1e-6)
        seen = plan.choosing.data.train + plan.choosing.data.test  # by inner split
        assert not seen[plan.splits[number].test, 2 * number : 2 * number + 2].any()


def test_with_a_schedule_a_judged_network_equals_plain_pytorch(small, monkeypatch):
    choices = iter([Choice(2, 3, 0.5), Choice(0, 20, 0.5), Choice(1, 8, 0.5)])
    monkeypatch.setattr("seedbed.tuning.choose", lambda losses, patience: next(choices))
    found = small(**WORDS, candidates="tanh:4", schedule="cosine")
    for number, split in enumerate(found.splits):
        p = found["tanh:4"].predictions[0, 1, split.test]
        np.testing.assert_allclose(p, by_hand(found, "tanh:4", number, 1), atol=1e-5)


def test_every_split_reports_its_own_choice(small, monkeypatch):
    choices = iter([Choice(2, 3, 0.5), Choice(0, 20, 0.5), Choice(1, 1, 0.5)])
    monkeypatch.setattr("seedbed.tuning.choose", lambda losses, patience: next(choices))
    found = small(**WORDS, candidates="tanh:4")
    assert found["tanh:4"].epochs.tolist() == [3, 20, 1]
    assert found["tanh:4"].lrs.tolist() == [0.1, 0.001, 0.01]
    for number, split in enumerate(found.splits):
        p = found["tanh:4"].predictions[0, 1, split.test]
        np.testing.assert_allclose(p, by_hand(found, "tanh:4", number, 1), atol=1e-5)
    (document,) = found.to_dict()["candidates"]
    assert document["epochs"] == {"most": 20, "low": 1, "median": 3, "high": 20}
    assert document["lr"] == {"0.001": 1, "0.01": 1, "0.1": 1}
    assert "lr 0.001 in 1 split, 0.01 in 1 split, 0.1 in 1 split of 3" in found.details()


def test_the_median_of_an_even_number_of_epochs_is_rounded(small):
    result = small(candidates="linear:2", folds=2, seeds=1, epochs=9)["linear:2"]
    for epochs, median in (([2, 4], 3), ([9, 1, 6, 2], 4), ([3, 9, 1], 3), ([1, 2, 4, 8, 8, 9], 6)):
        found = dataclasses.replace(result, epochs=np.array(epochs), lrs=np.full(len(epochs), 0.5)).summary()
        assert found.epochs == Epochs(most=9, low=min(epochs), median=median, high=max(epochs))
        assert type(found.epochs.median) is int


def test_a_judged_network_equals_plain_pytorch_with_the_chosen_settings(chosen):
    result = chosen["tanh:4"]
    assert len(set(result.epochs)) > 1
    for number, split in enumerate(chosen.splits):
        for seed in range(2):
            p = result.predictions[0, seed, split.test]
            np.testing.assert_allclose(p, by_hand(chosen, "tanh:4", number, seed), atol=1e-5)


def test_curves_continue_to_the_last_epoch_and_scores_are_those_of_the_chosen_one(chosen):
    result = chosen["relu:3"]
    assert result.curves.shape == (4, 20, 6)
    assert np.isfinite(result.curves).all()
    at = [result.curves[0, result.epochs[network // 2] - 1, network] for network in range(6)]
    assert result.summary().train_loss == pytest.approx(np.mean(at))


def test_the_last_epoch_with_a_given_rate_needs_no_choosing_networks(planned):
    plan = planned("tanh:4")
    assert (plan.choosing, plan.inner) == (None, ())
    assert plan.totals() == {"tanh:4": 6}
    assert plan.stacks == plan.fitting.stacks


def test_a_rate_can_be_chosen_for_the_last_epoch(planned, monkeypatch):
    given = []
    monkeypatch.setattr("seedbed.tuning.choose", lambda losses, patience: given.append(losses) or choose(losses))
    found = run(planned("tanh:4", name="trained", recipe={"epochs": 20, "epoch": "last"}))
    assert found["tanh:4"].epochs.tolist() == [20] * 3
    assert found["tanh:4"].lrs.tolist() == [GRID[losses[:, :, 0].mean(axis=1).argmin()] for losses in given]
    assert [losses.shape for losses in given] == [(3, 2, 1)] * 3
    for number, split in enumerate(found.splits):
        p = found["tanh:4"].predictions[0, 1, split.test]
        np.testing.assert_allclose(p, by_hand(found, "tanh:4", number, 1), atol=1e-5)


def test_a_candidate_with_its_own_rate_is_not_swept_but_its_epoch_is_chosen(planned):
    plan = planned("tanh:4", "relu:3@lr=0.3", "elu:3@lr=0.3,epoch=last", name="trained")
    counts = dict.fromkeys(range(3), 0)
    for stack in plan.choosing.stacks:
        for number, _ in stack.owners:
            counts[number] += 1
    assert counts == {0: 18, 1: 6, 2: 0}
    found = run(plan)
    assert set(found["relu:3@lr=0.3"].lrs) == set(found["elu:3@lr=0.3,epoch=last"].lrs) == {0.3}
    assert found["elu:3@lr=0.3,epoch=last"].epochs.tolist() == [4] * 3


def test_choices_of_candidates_are_independent(small, chosen, same):
    alone = small(**WORDS, candidates="relu:3", random_state=7)["relu:3"]
    same(alone, chosen["relu:3"], tolerance=1e-6)
    assert alone.epochs.tolist() == chosen["relu:3"].epochs.tolist()


@pytest.mark.slow
def test_random_labels_are_predicted_no_better_than_by_chance(small):
    inner, optimistic = [], []
    for state in range(6):
        rng = np.random.default_rng(state)
        table = rng.normal(size=(200, 5)), rng.permutation(np.arange(200) % 2)
        found = small(*table, candidates="relu:20", recipe="trained", lr=0.03, epochs=60, folds=5, random_state=state)
        inner.append(found["relu:20"].scores["accuracy"].mean)
        optimistic.append(found["relu:20"].curves[3].max(axis=0).mean())
    assert np.mean(inner) == pytest.approx(0.5, abs=0.04)
    assert np.mean(optimistic) > 0.56  # the result if the epoch were chosen on the rows


def test_patience_is_refused_if_every_candidate_uses_the_last_epoch(planned):
    with pytest.raises(OptionError, match="patience requires an epoch chosen by inner splits"):
        planned("relu:3", recipe={"patience": 3})
    recipe = {"patience": 1, "epochs": 9, "lr": 0.1}
    plan = planned("relu:3", "tanh:4@epoch=last", name="trained", recipe=recipe)
    assert {chunk.together for stack in plan.choosing.stacks for chunk in stack.plan.chunks} == {2}
