"""The candidates of a comparison, and a comparison made again from its folder."""

import numpy as np
import pytest

import seedbed as sb
from seedbed.data.reading import table_from_arrays
from seedbed.errors import CandidateError
from seedbed.experiment.model_plan import candidate_of, fit_compared
from seedbed.experiment.saved_run import open_run
from seedbed.experiment.spec import specify
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe


@pytest.mark.parametrize(
    "given",
    [("relu:3",), np.array(["relu:3"]), {"relu:3"}, iter(["relu:3"])],
    ids=lambda one: type(one).__name__,
)
def test_candidates_of_any_iterable_are_kept_as_a_list(given):
    table = table_from_arrays(np.arange(80.0).reshape(40, 2), np.arange(40) % 2)
    experiment = specify(
        table,
        given,
        recipe=Recipe.tutorial(epochs=3),
        design=Design(baselines=["prior"], folds=2),
    )
    assert experiment.names == ("relu:3", "prior")
    assert experiment.request["candidates"] == ["relu:3"]


def own(n_features, n_outputs):
    from torch import nn

    return nn.Linear(n_features, n_outputs)


@pytest.fixture
def run(tmp_path):
    """A function that compares networks in words, as objects and of a function, in one folder."""
    mlp = sb.Candidate(
        "mine", sb.MLP((2,), ("relu",)), (("lr", 0.05),), (("epochs", 3),)
    )
    networks = dict(
        words="relu:3@lr=0.02", mlp=sb.MLP((4,), "tanh"), other=mlp, own=own
    )
    design = sb.Design(repeats=1, folds=2, n_networks=2, baselines=["prior"])

    def compare():
        options = dict(lr=0.1, design=design, folder=tmp_path)
        return sb.compare("example:iris", candidates=networks, epochs=4, **options)

    return compare


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.usefixtures("plain_charts")
def test_every_network_that_can_be_stored_is_made_again_from_the_folder(run, tmp_path):
    members = {member.name: member for member in run().experiment.members}
    assert set(members) >= {"words", "mlp", "other", "own", "prior"}
    for name in ("words", "mlp", "other", "prior"):
        _, experiment = open_run(tmp_path, trusts_code=True)
        assert candidate_of(experiment, name) == members[name]
    conclusion, experiment = open_run(tmp_path, trusts_code=True)
    message = r"'own': it is your own network, .*own, which isn't in the run's folder"
    with pytest.raises(CandidateError, match=message):
        fit_compared(conclusion, experiment, "own")
