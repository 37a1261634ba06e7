"""A public function accepts an argument or raises a SeedbedError that names it."""

import contextlib
import inspect
import math
from fractions import Fraction

import numpy as np
import pytest

import seedbed as sb
from seedbed.arguments import _annotations as annotations
from seedbed.arguments import _fits as fits
from seedbed.data.table import Table

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 2)), np.arange(40) % 2
ROWS = dict(
    a=X[:, 0].round(3).tolist(), b=X[:, 1].round(3).tolist(), y=["no", "yes"] * 20
)


class Hostile:
    """An object that raises whenever it is used, even in repr."""

    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __eq__ = __len__ = __bool__ = __repr__
    __hash__ = None


WRONG = [
    *(
        None,
        5,
        -1,
        0,
        2.5,
        True,
        "nonsense",
        b"bytes",
        [],
        ["nonsense"],
        [None],
        {},
        {"a": 1},
        {1},
        object(),
        Hostile,
    ),
    *(
        Hostile(),
        1j,
        math.nan,
        math.inf,
        -math.inf,
        1e300,
        10**30,
        -(10**30),
        "",
        "\0",
        "a\nb" * 100,
        lambda: None,
    ),
    *(
        np.arange(3),
        np.float32("nan"),
        Fraction(1, 3),
        slice(3),
        range(0),
        Table,
        sb.Recipe,
    ),
]


def rows():
    import pandas as pd

    return pd.DataFrame(ROWS)


def compare(**given):
    design = sb.Design(baselines=[], repeats=1, folds=2, n_networks=1)
    compute = sb.Compute(engine="torch", n_jobs=1)
    base = dict(
        candidates=["linear:1"],
        recipe="tutorial",
        epochs=1,
        design=design,
        compute=compute,
    )
    base = {"table": X, "y": Y, **base, **given}
    return sb.compare(base.pop("table"), base.pop("y"), **base)


def train_many(**given):
    base = {"build": "linear:1", "X_train": X, "y_train": Y, "X_test": X, "y_test": Y}
    return sb.train_many(
        **{**base, "seeds": 2, "epochs": 1, "engine": "torch", "n_jobs": 1, **given}
    )


def fit_model(**given):
    base = dict(
        table=rows(),
        target="y",
        candidate="linear:1",
        recipe=sb.Recipe(epochs=1),
        n_networks=2,
    )
    return sb.fit_model(
        **{**base, "compute": sb.Compute(engine="torch", n_jobs=1), **given}
    )


def fit(kind, **given):
    base = dict(candidate="linear:1", epochs=1, lr=0.1, n_networks=2, engine="torch")
    return kind(**{**base, **given}).fit(X, Y)


CALLS = {
    sb.compare: compare,
    sb.train_many: train_many,
    sb.fit_model: fit_model,
    sb.read_table: lambda **given: sb.read_table(
        **{"source": rows(), "target": "y", **given}
    ),
    sb.inspect_table: lambda **given: sb.inspect_table(
        **{"source": rows(), "target": "y", **given}
    ),
    sb.Recipe: sb.Recipe,
    sb.Design: sb.Design,
    sb.Compute: sb.Compute,
    sb.SeedbedClassifier: lambda **given: fit(sb.SeedbedClassifier, **given),
    sb.SeedbedRegressor: lambda **given: fit(sb.SeedbedRegressor, **given),
}
PARAMETERS = [
    (function, name)
    for function in CALLS
    for name in inspect.signature(function).parameters
]


def named(value):
    return getattr(value, "__name__", str(value))


@pytest.mark.few(60)
@pytest.mark.parametrize(("function", "name"), PARAMETERS, ids=named)
def test_a_value_of_a_wrong_type_is_refused_with_name_of_its_parameter(function, name):
    known = annotations(function)[name]
    for value in WRONG:
        if not fits(value, known):
            with pytest.raises(sb.OptionError) as caught:
                CALLS[function](**{name: value})
            assert caught.value.message.startswith(name)
            assert "It must be " in caught.value.hint or "Give " in caught.value.hint
            assert "\n" not in str(caught.value)


# Errors in a user's function keep their traceback, and compiling takes long.
USED = [one for one in PARAMETERS if one[1] not in ("watch", "on_progress", "engine")]


@pytest.mark.slow
@pytest.mark.parametrize(("function", "name"), USED, ids=named)
def test_a_hostile_value_is_accepted_or_refused(function, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in WRONG:
        if fits(value, annotations(function)[name]):
            with contextlib.suppress(sb.SeedbedError):
                CALLS[function](**{name: value})


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("optimizer", r"a setting of Recipe: recipe=sb\.Recipe\(optimizer=\.\.\.\)"),
        ("baselines", r"a setting of Design: design=sb\.Design\(baselines=\.\.\.\)"),
        ("n_jobs", r"a setting of Compute: compute=sb\.Compute\(n_jobs=\.\.\.\)"),
        (
            "drop",
            r"an argument of read_table: sb\.compare\(sb\.read_table\(table, target=\.\.\., drop=\.\.\.\)\)",
        ),
        (
            "start",
            r"sb\.compare\(sb\.read_table\(table, event=\.\.\., time=\.\.\., start=\.\.\.\)\)",
        ),
    ],
)
def test_an_argument_of_another_function_is_refused_with_its_place(name, place):
    message = rf"compare has no argument {name}\. It is .*{place}"
    with pytest.raises(sb.OptionError, match=message):
        compare(**{name: 1})
    with pytest.raises(TypeError, match="nonsense"):
        compare(nonsense=1)


@pytest.mark.parametrize(
    ("call", "name", "near"),
    [
        (sb.train_many, "seed", "seeds"),
        (sb.compare, "candidate", "candidates"),
        (sb.Recipe, "optimiser", "optimizer"),
    ],
)
def test_an_unknown_argument_names_the_function_and_the_nearest_one(call, name, near):
    message = rf"{call.__name__} has no argument {name}\. Did you mean '{near}'\?"
    with pytest.raises(TypeError, match=message):
        call(**{name: 3})


def test_compare_has_at_most_fifteen_parameters():
    assert len(inspect.signature(sb.compare).parameters) <= 15
