"""Networks of several splits train in the same stacks, with the same results as alone."""

import pytest
from numpy.testing import assert_array_equal

from seedbed.experiment.run import run

NAMES = "relu:3 relu:3@lr=0.05 relu:3@weight_decay=0.3 tanh:4@dropout=0.2 relu:3@ple=3".split()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "options", [{"name": "default"}, {}, {"recipe": {"batch_size": 16}}], ids=str
)
def test_splits_of_one_stack_have_the_same_results_as_alone(
    planned, same, monkeypatch, options
):
    together = run(planned(*NAMES, **options))
    monkeypatch.setattr("seedbed.experiment.plan._MOST_SPLITS", 1)
    alone = run(planned(*NAMES, **options))
    for name in NAMES:
        same(together[name], alone[name], 1e-6)
        assert_array_equal(together[name].epochs, alone[name].epochs)


def test_a_candidate_has_the_same_result_whatever_it_is_compared_with(planned, same):
    together = run(planned(*NAMES, name="default"))
    for name in NAMES[1:]:
        same(run(planned(name, "prior", name="default"))[name], together[name], 1e-6)


def test_decay_and_rate_change_the_result(small):
    found = small(candidates=NAMES)
    assert len({result.curves[0, -1].tobytes() for result in found.networks}) == len(
        NAMES
    )
