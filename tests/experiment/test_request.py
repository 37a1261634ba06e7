"""A comparison written as the Python call that makes it, and made again from its folder."""

import numpy as np
import pytest

import seedbed as sb
from seedbed.data.reading import read_table, table_from_arrays
from seedbed.errors import CandidateError
from seedbed.experiment.compare import call_of
from seedbed.experiment.request import Request, model_plan_from
from seedbed.experiment.spec import specify
from seedbed.settings.design import Design
from seedbed.settings.recipe import RECIPES, Recipe

CSV = "x,y\n" + "".join(f"{number * 7 % 13},{number % 2}\n" for number in range(40))


def written(table, candidates="relu:5", recipe=RECIPES["default"], lrs=(), design=Design()):  # noqa: B008
    words = {"candidates": candidates, "recipe": recipe, "lrs": lrs, "design": design}
    return call_of(Request(question="compare", source=table, **words))


@pytest.fixture
def said(tmp_path, monkeypatch):
    """A function that returns the call for a comparison of a table in a file."""
    monkeypatch.chdir(tmp_path)

    def say(
        candidates="relu:5",
        recipe=RECIPES["default"],
        lrs=(),
        design=Design(),  # noqa: B008
        name="t.csv",
        **reading,
    ):
        (tmp_path / name).write_text(CSV)
        return written(read_table(name, target="y", **reading), candidates, recipe, lrs, design)

    return say


def test_only_arguments_that_differ_from_the_defaults_are_written(said):
    assert said(candidates=None) == "sb.compare('t.csv', target='y')"
    assert said() == "sb.compare('t.csv', target='y', candidates='relu:5')"
    assert (
        said(recipe=Recipe.tutorial())
        == "sb.compare('t.csv', target='y', candidates='relu:5', recipe='tutorial')"
    )


def test_quotes_in_names_survive(said):
    text = said(['a "b"', "c'd"], name="it's.csv")
    assert text == """sb.compare("it's.csv", target='y', candidates=['a "b"', "c'd"])"""


@pytest.mark.parametrize(
    "given",
    [("relu:3",), np.array(["relu:3"]), {"relu:3"}, iter(["relu:3"])],
    ids=lambda one: type(one).__name__,
)
def test_candidates_of_any_iterable_are_kept_as_a_list(given):
    table = table_from_arrays(np.arange(80.0).reshape(40, 2), np.arange(40) % 2)
    experiment = specify(
        table, given, recipe=Recipe.tutorial(epochs=3), design=Design(baselines=["prior"], folds=2)
    )
    assert (experiment.names, experiment.request["candidates"]) == (("relu:3", "prior"), ["relu:3"])


def own(n_features, n_outputs):
    from torch import nn

    return nn.Linear(n_features, n_outputs)


@pytest.fixture
def run(tmp_path):
    """A function that compares networks in words, as objects and of a function, in one folder."""
    mlp = sb.Candidate("mine", sb.MLP((2,), ("relu",)), (("lr", 0.05),), (("epochs", 3),))
    networks = {"words": "relu:3@lr=0.02", "mlp": sb.MLP((4,), "tanh"), "other": mlp, "own": own}
    design = sb.Design(repeats=1, folds=2, n_networks=2, baselines=["prior"])

    def compare():
        return sb.compare(
            "example:iris",
            candidates=networks,
            epochs=4,
            lr=[0.1, 0.2],
            design=design,
            folder=tmp_path,
        )

    return compare


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.usefixtures("plain_charts")
def test_every_network_that_can_be_stored_is_made_again_from_the_folder(run, tmp_path):
    members = {member.name: member for member in run().experiment.members}
    assert set(members) >= {"words", "mlp@lr=0.1", "mlp@lr=0.2", "other", "own@lr=0.1", "prior"}
    for name in ("words", "mlp@lr=0.1", "mlp@lr=0.2", "other", "prior"):
        assert model_plan_from(tmp_path, name).candidate == members[name]
    with pytest.raises(
        CandidateError,
        match=r"'own@lr=0\.1': it is your own network, .*own, which isn't in the run's folder",
    ):
        model_plan_from(tmp_path, "own@lr=0.1").fit()
