"""Laws that hold for the outcome of every task."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import seedbed as sb
from seedbed.outcomes.hazards import FollowUp
from seedbed.outcomes.tasks import OUTCOMES

N = 40
FRAME = pd.DataFrame(
    dict(
        x=np.arange(N) % 7,
        y=np.arange(N) % 2,
        kind=np.array(["a", "b", "c"])[np.arange(N) % 3],
        size=np.arange(N) ** 1.5,
        days=np.arange(N) % 11 + 1,
    )
)
ROLES = dict(
    binary={"target": "y"},
    multiclass={"target": "kind"},
    regression={"target": "size"},
    survival={"event": "y", "time": "days"},
)


@pytest.fixture(scope="module", params=OUTCOMES)
def table(request):
    task = request.param
    unused = {"y", "kind", "size", "days"} - set(ROLES[task].values())
    return sb.read_table(FRAME, drop=sorted(unused), **ROLES[task])


def outputs_of(table, n=5):
    """Return outputs of three networks for n rows, and a model of the table."""
    expanded = table.expanded()
    model = SimpleNamespace(
        task=table.task,
        classes_=np.array(table.labels),
        labels=table.labels,
        threshold=0.5,
        follow_up=expanded.follow_up,
    )
    n_outputs = table.outcome.n_levels(model.follow_up) or expanded.n_outputs
    return np.random.default_rng(0).normal(size=(3, n, n_outputs)), model


def test_a_prediction_that_is_scored_has_the_shape_of_the_prior(table):
    outcome, (outputs, model) = table.outcome, outputs_of(table)
    scored = outcome.scored(outcome.values(outputs), model, table)
    assert scored.shape == (3, 5, *outcome.prior(table, np.arange(N)).shape)
    assert outcome.has_classes <= bool((scored >= 0).all() and (scored <= 1).all())


def test_each_row_has_a_label_a_number_and_the_parts_that_are_named(table):
    outcome, (outputs, model) = table.outcome, outputs_of(table)
    values = outcome.values(outputs)
    mean = values.mean(axis=0)
    assert outcome.labelled(mean, model, None).shape == (5,)
    assert outcome.deciding(values).shape == (3, 5)
    assert outcome.parts_of(mean, model).shape == (5, len(outcome.keys(model)))


@pytest.mark.parametrize(
    "table", [task for task, one in OUTCOMES.items() if one.has_classes], indirect=True
)
def test_probabilities_of_classes_add_up_to_one_and_are_the_same_in_both_forms(table):
    outcome, (outputs, _) = table.outcome, outputs_of(table)
    probabilities = outcome.probabilities(outcome.values(outputs))
    assert_allclose(probabilities, outcome.predicted(outputs), atol=1e-15)
    assert_allclose(probabilities.sum(axis=-1), 1)


def test_expanded_rows_have_one_more_column_a_learnt_outcome(table):
    expanded = table.expanded()
    assert expanded.outcome is OUTCOMES[table.outcome.learns]
    assert expanded.n_cases == table.n_rows
    assert expanded.n_features == table.n_features + table.outcome.is_expanded
    again = table.of_rows(np.arange(5)).expanded(expanded)
    assert again.columns[-1].schema == expanded.columns[-1].schema


def test_a_model_of_a_task_has_its_labels_and_its_follow_up(table):
    outcome, follow_up = table.outcome, table.follow_up
    assert outcome.fits(table.labels, follow_up)
    assert not outcome.fits(
        [*table.labels, "one"] if len(table.labels) < 3 else ["one"], follow_up
    )
    assert not outcome.fits(
        table.labels, FollowUp("days", 1.0) if follow_up is None else None
    )


def test_training_rows_that_lack_a_class_have_the_other_labels_alone():
    table = sb.read_table(FRAME, target="kind", drop=["y", "size", "days"])
    part = table.training_rows(np.flatnonzero(table.target != 1))
    assert (part.labels, part.task) == (("a", "c"), "binary")
    model = SimpleNamespace(task="binary", labels=part.labels)
    assert_allclose(
        table.outcome.scored(np.array([0.25]), model, table), [[0.75, 0, 0.25]]
    )
