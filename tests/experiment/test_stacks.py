"""Candidates that differ only in learning rate or weight decay are trained as one stack, with the same results."""

import pytest

WORDS = ["lr=0.05", "lr=0.8,weight_decay=0.1", "weight_decay=0.3"]


def names_of(plan, which):
    return [{plan.experiment.candidates[number].name for number, _ in stack.owners} for stack in which.stacks]


def test_candidates_with_different_steps_have_separate_stacks(planned):
    words = ["schedule=cosine", "schedule=cosine,warmup=0.1", "schedule=onecycle", "decay_biases=false",
             "label_smoothing=0.1", "clip_norm=1", "clip_norm=2"]  # fmt: skip
    plan = planned("relu:3", *(f"relu:3@{own}" for own in words), "relu:3@schedule=cosine,lr=0.1")
    assert len(plan.fitting.stacks) == 1 + len(words)


def test_only_learning_rate_and_weight_decay_differ_within_a_stack(planned):
    alike = {"relu:3", *(f"relu:3@{words}" for words in WORDS)}
    apart = ["relu:3@optimizer=adam", "relu:3@epochs=5", "relu:3@batch_size=7", "relu:3@momentum=0.5", "relu:4"]
    plan = planned(*sorted(alike), *apart, "relu:3@epoch=inner")
    assert names_of(plan, plan.fitting) == [alike, *({name} for name in apart), {"relu:3@epoch=inner"}]
    assert names_of(plan, plan.choosing) == [{"relu:3@epoch=inner"}]


def test_choosing_networks_share_stacks(planned):
    plan = planned("relu:3", "relu:3@lr=0.05", "relu:3@weight_decay=0.2", "tanh:3", name="trained")
    shared = {"relu:3", "relu:3@lr=0.05", "relu:3@weight_decay=0.2"}
    assert names_of(plan, plan.choosing) == names_of(plan, plan.fitting) == [shared, {"tanh:3"}]
    assert len(plan.choosing.stacks[0].owners) == 18 + 6 + 18


@pytest.mark.parametrize(
    "options", [{}, {"optimizer": "adamw", "epoch": "inner"}, {"batch_size": 16}], ids=["full", "inner", "minibatch"]
)
def test_candidates_of_one_stack_have_the_same_results_as_alone(small, same, options):
    names = ["relu:3", *(f"relu:3@{words}" for words in WORDS)]
    together = small(candidates=names, **options)
    for name in names:
        alone = small(candidates=name, **options)[name]
        same(together[name], alone, tolerance=1e-6)
        assert together[name].epochs.tolist() == alone.epochs.tolist()
    assert together["relu:3@lr=0.05"].lrs.tolist() == [0.05] * 3


def test_decay_and_rate_change_the_result(small):
    found = small(candidates=["relu:3", *(f"relu:3@{words}" for words in WORDS)])
    losses = {result.curves[0, -1].tobytes() for result in found.results}
    assert len(losses) == 4
