"""The ranking by loss."""

import dataclasses

from seedbed.experiment.comparison import comparison_of
from seedbed.experiment.run import Results


def test_the_ranking_is_by_loss_and_does_not_depend_on_order_or_reference(comparison):
    losses = {result.name: result.losses().mean() for result in comparison.results}
    assert list(comparison.conclusion.ranking) == sorted(losses, key=losses.get)
    turned = dataclasses.replace(comparison.experiment, reference="prior")
    again = comparison_of(Results(turned, comparison.splits, tuple(reversed(comparison.results)), 1.0))
    assert again.conclusion.ranking == comparison.conclusion.ranking
    assert again.conclusion.optimism == comparison.conclusion.optimism


def test_a_single_candidate_has_no_verdict(small):
    found = small(candidates="tanh:4")
    assert found.conclusion.ranking == ("tanh:4",)
    assert (found.conclusion.contrasts, found.conclusion.optimism, found.verdicts) == ((), {}, ())
    assert found.details()
