"""The plan of a comparison, and its sentence."""

import re

import pytest


def test_the_sentence_gives_the_number_of_networks_as_a_product(planned):
    plan = planned("linear:3", "relu:3", "tanh:3", repeats=10, folds=10, seeds=5, recipe={"epochs": 1000})
    words = "3 candidates x 100 splits x 5 seeds = 1,500 networks x 1,000 epochs; about "
    assert re.fullmatch(re.escape(words) + r"\d+ (s|min)", plan.sentence())


@pytest.mark.parametrize(
    ("candidates", "options", "words"),
    [
        (["relu:3"], {"seeds": 1}, "1 candidate x 3 splits x 1 seed = 3 networks x 4 epochs; about "),
        (["relu:3", "tanh:3@epochs=2000"], {}, " x 4 to 2,000 epochs; about "),
        (["relu:3@epochs=9", "tanh:3@epochs=9"], {}, " x 9 epochs; about "),
        (["relu:3"], {"recipe": {"epochs": 1}}, " x 1 epoch; about "),
        (["relu:3"], {"baselines": ["prior"]}, " x 4 epochs, and 1 baseline; about "),
        (["relu:3"], {"baselines": None}, " x 4 epochs, and 3 baselines; about "),
        (["relu:3"], {"recipe": {"epoch": "inner"}}, " x 4 epochs, after 6 to choose how to train them; about "),
        (["relu:3"], {"name": "trained"}, " = 6 networks x 4 epochs, after 18 to choose how to train them; about "),
    ],
)
def test_the_sentence_uses_singular_and_plural(planned, candidates, options, words):
    assert words in planned(*candidates, **options).sentence()


def test_every_network_is_in_one_chunk_in_the_order_repeat_fold_seed(planned):
    (stack,) = planned("relu:3", repeats=2).stacks
    assert stack.owners == tuple((0, network) for network in range(12))
    members = [member for chunk in stack.plan.chunks for member in chunk.members]
    assert sorted(members) == list(range(12))
    splits = {
        member: split for chunk in stack.plan.chunks for member, split in zip(chunk.members, chunk.splits, strict=False)
    }
    assert [splits[number] for number in range(12)] == [number // 2 for number in range(12)]


def test_networks_share_a_seed_only_if_they_differ_only_in_rate(planned):
    plan = planned("relu:3", "tanh:3", repeats=4, seeds=5, name="trained")
    fitted, chosen = (
        [seed for stack in which.stacks for chunk in stack.plan.chunks for seed in chunk.seeds[: len(chunk.members)]]
        for which in (plan.fitting, plan.choosing)
    )
    assert len(set(fitted)) == len(fitted) == 120
    assert (len(set(chosen)), len(chosen)) == (120, 360)  # three rates
    assert not set(fitted) & set(chosen)


def test_train_and_test_rows_are_complementary(planned):
    plan = planned("relu:3", repeats=2)
    data = plan.fitting.data
    for number, split in enumerate(plan.splits):
        assert data.train[:, number].nonzero()[0].tolist() == split.train.tolist()
        assert data.test[:, number].nonzero()[0].tolist() == split.test.tolist()
    assert set((data.train + data.test).ravel().tolist()) == {1.0}


def test_totals_count_the_fits_of_both_rounds_and_of_baselines(planned):
    plan = planned("relu:3", "tanh:3@lr=0.1", "elu:3@lr=0.1,epoch=last", name="trained", baselines=["prior"])
    assert plan.totals() == {"relu:3": 6 + 18, "tanh:3@lr=0.1": 6 + 6, "elu:3@lr=0.1,epoch=last": 6, "prior": 3}


def test_the_estimate_grows_with_the_work(planned, monkeypatch):
    monkeypatch.setattr("seedbed.experiment.plan.drawing_seconds", lambda: 0.5)
    few, many = planned("relu:3", recipe={"epochs": 1}), planned("relu:64,64", recipe={"epochs": 1000}, seeds=50)
    assert 0 <= few.seconds < many.seconds
    assert few.sentence().endswith("; about 1 s")
    assert few.seconds < planned("relu:3", recipe={"epochs": 1}, baselines=["prior"]).seconds
