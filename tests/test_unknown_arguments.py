"""An argument that a function doesn't have is refused, and the nearest one is named."""

import pytest

import seedbed as sb


@pytest.mark.parametrize(
    ("call", "name", "near"),
    [
        (sb.train_many, "seed", "seeds"),
        (sb.compare, "candidate", "candidates"),
        (sb.Recipe, "optimiser", "optimizer"),
        (sb.SeedbedClassifier, "epoches", "epochs"),
    ],
)
def test_an_unknown_argument_names_the_function_and_the_nearest_one(call, name, near):
    with pytest.raises(TypeError, match=rf"{call.__name__} has no argument {name}\. Did you mean '{near}'\?"):
        call(**{name: 3})
