"""The plan: which networks, and its sentence."""

import pytest

from seedbed.data import table_from_arrays
from seedbed.experiment import make_plan, specify
from seedbed.networks import Recipe


@pytest.fixture
def plan_of(arrays):
    def make(*candidates, repeats=2, folds=3, seeds=2, epochs=4, **options):
        experiment = specify(table_from_arrays(*arrays), candidates, recipe=Recipe(epochs=epochs), repeats=repeats,
                             folds=folds, seeds=seeds, random_state=0)  # fmt: skip
        return make_plan(experiment, **{"jobs": 1, "compile": False, **options})

    return make


def test_the_sentence_multiplies_out_what_will_be_trained(plan_of):
    sentence = plan_of("linear:3", "relu:3", "tanh:3", repeats=10, folds=10, seeds=5, epochs=1000).sentence()
    assert sentence.startswith("3 candidates x 100 splits x 5 seeds = 1,500 networks x 1,000 epochs, about ")
    assert sentence.endswith((" s", " min"))


@pytest.mark.parametrize(
    ("candidates", "options", "words"),
    [
        (["relu:3"], {"seeds": 1}, "1 candidate x 6 splits x 1 seed = 6 networks x 4 epochs, about "),
        (["relu:3", "tanh:3@epochs=2000"], {}, " x 4 to 2,000 epochs, about "),
        (["relu:3@epochs=9", "tanh:3@epochs=9"], {}, " x 9 epochs, about "),
        (["relu:3"], {"epochs": 1}, " x 1 epoch, about "),
    ],
)
def test_the_sentence_counts_in_singular_and_plural(plan_of, candidates, options, words):
    assert words in plan_of(*candidates, **options).sentence()


def test_every_network_stands_in_one_chunk_in_the_order_repeat_fold_seed(plan_of):
    (stack,) = plan_of("relu:3").stacks
    members = [member for chunk in stack.chunks for member in chunk.members]
    assert sorted(members) == list(range(12))
    splits = {
        member: split for chunk in stack.chunks for member, split in zip(chunk.members, chunk.splits, strict=False)
    }
    assert [splits[number] for number in range(12)] == [number // 2 for number in range(12)]


def test_no_two_networks_share_a_seed(plan_of):
    plan = plan_of("relu:3", "tanh:3", repeats=4, seeds=5)
    seeds = [chunk.seeds[i] for stack in plan.stacks for chunk in stack.chunks for i in range(len(chunk.members))]
    assert len(set(seeds)) == len(seeds) == 120


def test_train_and_test_rows_are_the_splits_and_each_others_rest(plan_of):
    plan = plan_of("relu:3")
    for number, split in enumerate(plan.splits):
        assert plan.data.train[:, number].nonzero()[0].tolist() == split.train.tolist()
        assert plan.data.test[:, number].nonzero()[0].tolist() == split.test.tolist()
    assert set((plan.data.train + plan.data.test).ravel().tolist()) == {1.0}


def test_the_estimate_grows_with_the_work(plan_of):
    few, many = plan_of("relu:3", epochs=1), plan_of("relu:64,64", epochs=1000, seeds=50)
    assert 0 <= few.seconds < many.seconds
    assert "about 1 s" in few.sentence()
