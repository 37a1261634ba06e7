"""Which columns help: models that are trained again without them, on the same splits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.data.reading import table_from_arrays
from seedbed.data.splits import Split
from seedbed.data.table import Task
from seedbed.errors import CandidateError, ColumnError
from seedbed.evaluation.analyses import effects_of
from seedbed.evaluation.protocol import protocol
from seedbed.experiment.columns import added, specify_columns, substitutes_of
from seedbed.scoring import Result
from seedbed.settings.recipe import RECIPES
from seedbed.tested import Tested

pytestmark = pytest.mark.usefixtures("plain_charts")
DESIGN = sb.Design(repeats=2, folds=5, n_networks=2)
ONCE = sb.Design(repeats=1, folds=3, n_networks=2)
FAST: dict[str, Any] = dict(
    epochs=60, lr=0.05, recipe=sb.Recipe(optimizer="adam"), design=DESIGN
)


def rows(n: int = 240, *, n_columns: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, n_columns))
    return X, (3 * X[:, 0] + rng.normal(size=n) > 0).astype(int)


def verdicts(found: sb.Comparison) -> dict[tuple[str, ...], str]:
    assert found.conclusion.columns is not None
    return {one.columns: one.verdict for one in found.conclusion.columns.effects}


@pytest.mark.few(1)
@pytest.mark.parametrize("model", ["linear:5", "logistic"])
def test_the_column_that_decides_helps_and_noise_does_not(ask: Any, model: str) -> None:
    found = ask("columns", *rows(), candidates=model, **FAST)
    assert verdicts(found)["x0",] == "helps"
    assert "helps" not in {verdicts(found)[f"x{number}",] for number in (1, 2, 3)}
    assert {verdict.comparisons for verdict in found.verdicts} == {4}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "model",
    [
        "relu:3",
        "leaky_relu(0.2):3",
        "logistic",
        pytest.param("boosted-trees", marks=pytest.mark.slow),
        "sklearn.naive_bayes.GaussianNB",
    ],
)
def test_a_model_without_a_column_is_the_same_whatever_it_holds(ask, model):
    X, y = rows(120)
    one, other = (
        ask(
            "columns",
            X * factor,
            y,
            candidates=model,
            columns=["x1"],
            **FAST | {"design": ONCE},
        )["without x1"]
        for factor in (1, [1, -9, 1, 1])
    )
    assert np.array_equal(one.predictions, other.predictions)


def test_dropping_a_column_moves_no_row() -> None:
    X, y = rows(120)
    X[60:] = X[:60]  # equal rows stay in one fold, also where a column is left out
    table = table_from_arrays(X, y)
    asked = specify_columns(
        table, "linear:5", recipe=RECIPES["tutorial"], design=DESIGN
    )
    options = dict(candidates="linear:5", epochs=1, lr=0.1)
    plain = sb.compare(table, design=replace(DESIGN, baselines=["prior"]), **options)
    assert all(
        np.array_equal(one.test, other.test)
        for one, other in zip(asked.splits(), plain.splits, strict=True)
    )


@pytest.mark.slow
def test_of_two_copies_neither_is_needed_but_one_of_them_is(ask: Any) -> None:
    X, y = rows()
    X[:, 3] = X[:, 0]
    found = ask(
        "columns",
        X,
        y,
        candidates="linear:5",
        **FAST | {"design": replace(DESIGN, margin=0.03)},
    )
    said = verdicts(found)
    assert said["x0", "x3"] == "helps"
    assert said["x0",] == said["x3",] == "no difference that matters"
    assert "one of these two is enough" in " ".join(str(found).split())


def test_columns_of_any_kind_that_stand_for_each_other_are_found() -> None:
    rng = np.random.default_rng(0)
    size, level = rng.normal(size=300), rng.integers(0, 5, 300)
    columns = {
        "size": size,
        "cubed": size**3,
        "level": [f"l{one}" for one in level],
        "number of level": level,
        "word": [f"w{4 - one}" for one in level],
        "noise": rng.normal(size=300),
    }
    table = sb.read_table(
        pd.DataFrame(columns | {"y": rng.integers(0, 2, 300)}), target="y"
    )
    names = [
        [table.feature_names[place] for place in group]
        for group in substitutes_of(table.columns)
    ]
    assert names == [["size", "cubed"], ["level", "number of level", "word"]]


def test_many_columns_are_left_out_in_forty_groups() -> None:
    X, y = rows(200, n_columns=90)
    X[:, 50] = X[:, 49] + 0.01 * X[:, 50]
    asked = specify_columns(
        table_from_arrays(X, y), recipe=RECIPES["tutorial"], design=DESIGN
    )
    groups = [one.without for one in asked.groups[1:]]
    assert len(groups) == 40
    assert sorted(name for one in groups for name in one) == sorted(
        asked.table.feature_names
    )
    assert any({"x49", "x50"} <= set(one) for one in groups)
    assert max(map(len, asked.names)) < 32  # and not all names of a group


@pytest.mark.slow
def test_a_single_column_and_a_copy_of_the_target_have_verdicts(ask: Any) -> None:
    X, y = rows(n_columns=1)
    found = ask("columns", X, y, candidates="linear:5", **FAST)
    assert verdicts(found) == {("x0",): "helps"}
    assert "x0: shown to help, as the only column" in str(found)
    copied = ask("columns", np.column_stack([X, y]), y, candidates="linear:5", **FAST)
    assert verdicts(copied)["x1",] == "helps"


def test_unknown_columns_and_models_are_refused(ask: Any) -> None:
    with pytest.raises(ColumnError, match="no column 'y1'") as error:
        ask("columns", *rows(), columns=["y1"], **FAST)
    assert "x1" in error.value.hint
    constant = pd.DataFrame(
        {"x": np.sin(np.arange(60)), "same": 1, "y": np.arange(60) % 2}
    )
    message = "column 'same' is left out: it is 1 in every row"
    with pytest.raises(ColumnError, match=message):
        ask("columns", constant, target="y", columns=["same"], **FAST)
    with pytest.raises(CandidateError, match="boosted-tree"):
        ask("columns", *rows(), candidates="boosted-tree", **FAST)


@pytest.mark.slow
def test_a_finished_run_lends_its_splits_network_and_recipe(ask, tmp_path):
    settings = FAST | {"design": replace(ONCE, baselines=["prior"], auto=False)}
    options = dict(candidates=["linear:5@lr=0.1", "relu:3"], folder=tmp_path / "run")
    compared = sb.compare("example:iris", **settings, **options)
    found = ask(
        "columns", tmp_path / "run", columns=["petal length (cm)", "sepal width (cm)"]
    )
    advice = compared.conclusion.advice
    assert advice is not None
    assert found.conclusion.columns is not None
    assert found.conclusion.columns.model == advice.use
    assert found.conclusion.columns.source == "run"
    assert all(
        np.array_equal(one.test, other.test)
        for one, other in zip(found.splits, compared.splits, strict=False)
    )
    assert found["all columns"].recipe == compared[advice.use].recipe


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_a_model_adds_is_the_covariance_of_its_change_with_what_the_smaller_one_leaves_open(
    task: Task,
) -> None:
    rng = np.random.default_rng(5)
    design = protocol(60)
    splits = tuple(
        Split(
            0, fold, np.arange(60)[np.arange(60) % 10 != fold], np.arange(fold, 60, 10)
        )
        for fold in range(10)
    )
    shape = (1, 3, 60, 3) if task == "multiclass" else (1, 3, 60)
    y = (
        rng.normal(size=60)
        if task == "regression"
        else rng.integers(0, 3 if task == "multiclass" else 2, 60)
    )
    networks = [rng.random(shape), rng.random(shape)]
    results = [
        Result(
            tested=Tested(
                alpha=0.05,
                target=y,
                task=task,
                splits=splits,
                design=replace(design, repeats=1),
                n_classes=3 if task == "multiclass" else 2,
            ),
            name="a",
            predictions=one.mean(axis=1, keepdims=True),
            singles=one,
        )
        for one in networks
    ]
    p, p0 = (one[0].reshape(3, 60, -1) for one in networks)
    truth = np.eye(3)[y] if task == "multiclass" else y[:, None]
    pairs = [
        (truth - p0[i]) * (p.mean(axis=0) - p0[j])
        for i in range(3)
        for j in range(3)
        if i != j
    ]
    scale = results[0].tested.target_variance or 1.0
    found = added(*results, "squared_error" if task == "regression" else "brier")
    assert found is not None
    assert np.isclose(found.mean, np.mean([pair.sum(axis=1) for pair in pairs]) / scale)
    assert found.low < found.mean < found.high
    assert added(*results, "accuracy") is None


@pytest.mark.slow
def test_what_a_column_adds_decides_where_its_loss_does_not(ask: Any) -> None:
    found = ask("columns", *rows(), candidates="linear:5", columns=["x0", "x1"], **FAST)
    (verdict,) = [one for one in found.verdicts if one.candidate == "without x1"]
    without = {verdict.candidate: ("x1",)}
    gain = added(found["all columns"], found["without x0"], "brier")
    assert gain is not None
    assert gain.low > 0
    for rule, loss, words in (
        ("cannot_tell", 0.01, "helps"),
        ("cannot_tell", -0.01, "can't tell"),
        ("likely_worse", 0.01, "helps"),
        ("likely_better", -0.01, "likely harms"),
        ("no_practical_difference", 0.01, "no difference that matters"),
        ("better", -0.01, "harms"),
    ):
        judged = replace(verdict, rule=rule, difference=-loss)
        (effect,) = effects_of(without, [judged], {verdict.candidate: gain})
        assert effect.verdict == words
    for wider, rule, words in (
        (2.0, "cannot_tell", "likely helps"),
        (50.0, "cannot_tell", "can't tell"),
        (50.0, "likely_worse", "likely helps"),
    ):
        vague = replace(gain, low=-1.0, t=gain.t / wider)
        (effect,) = effects_of(
            without,
            [replace(verdict, rule=rule, difference=-0.01)],
            {verdict.candidate: vague},
        )
        assert effect.verdict == words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "n"),
    [
        ("linear:5", 1),
        pytest.param(
            "sklearn.ensemble.ExtraTreesClassifier", 2, marks=pytest.mark.slow
        ),
    ],
)
def test_noise_of_a_single_fit_is_not_taken_for_what_a_column_adds(ask, model, n):
    found = ask(
        "columns",
        *rows(120),
        candidates=model,
        columns=["x0"],
        **FAST | {"design": replace(DESIGN, n_networks=n)},
    )
    assert found.conclusion.columns is not None
    (effect,) = found.conclusion.columns.effects
    assert (effect.adds, effect.verdict) == (None, "helps")
