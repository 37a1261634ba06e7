"""The range of one prediction: what models of other rows would predict."""

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.errors import OptionError
from seedbed.evaluation.ranges import FACTORS, FOLDS, ranges_of_rows, shares_changed
from seedbed.settings.recipe import RECIPES


def left_out(values, statistic):
    """The statistic of the values without each eighth."""
    folds = np.arange(len(values)) % FOLDS
    return np.array([statistic(values[folds != fold]) for fold in range(FOLDS)])


@pytest.mark.parametrize("kind", ["numbers", "shares"])
def test_a_range_holds_the_mean_of_another_sample_in_95_percent(kind):
    """Of the mean, the jackknife's error is exact, so its factor is 1."""
    rng = np.random.default_rng(0)
    n_rows, draws = 160, 2_000
    held = []
    for _ in range(draws):
        ours, others = (
            rng.normal(size=(2, n_rows))
            if kind == "numbers"
            else (rng.random((2, n_rows)) < 0.3).astype(float)
        )
        singles = left_out(ours, np.mean)[:, None]
        (low, high) = ranges_of_rows(
            singles,
            ours.mean(keepdims=True),
            factor=1.0,
            # All networks have the same share of a class, so what it adds is tested elsewhere.
            n_rows=10**9,
            are_shares=kind == "shares",
        )[0]
        held.append(low <= others.mean() <= high)
    assert 0.94 < np.mean(held) < 0.96


def test_stratified_networks_that_agree_are_as_unsure_as_a_share():
    """If no column helps, all networks give the share of the class, and the range is its own."""
    rng = np.random.default_rng(1)
    n_rows = 200
    shares = rng.binomial(n_rows, 0.2, size=2_000) / n_rows
    singles = np.repeat(shares[None], FOLDS, axis=0)
    ends = ranges_of_rows(singles, shares, factor=1.0, n_rows=n_rows, are_shares=True)
    others = rng.permutation(shares)
    held = (ends[:, 0] <= others) & (others <= ends[:, 1])
    assert held.mean() > 0.95


def test_the_ends_hold_the_prediction_and_stay_shares():
    rng = np.random.default_rng(2)
    singles = np.concatenate(
        [rng.random((8, 50)), np.ones((8, 1)), np.zeros((8, 1))], 1
    )
    mean = singles.mean(axis=0)
    narrow, wide = (
        ranges_of_rows(singles, mean, factor=factor, n_rows=300, are_shares=True)
        for factor in (0.5, 1.0)
    )
    for ends in (narrow, wide):
        assert ((ends >= 0) & (ends <= 1)).all()
        assert ((ends[:, 0] <= mean) & (mean <= ends[:, 1])).all()
    assert (wide[:50, 1] - wide[:50, 0] > narrow[:50, 1] - narrow[:50, 0]).all()
    mirrored = ranges_of_rows(
        1 - singles, 1 - mean, factor=1.0, n_rows=300, are_shares=True
    )
    np.testing.assert_allclose(1 - mirrored[:, ::-1], wide, atol=1e-12)


def test_the_share_that_changes_sides_is_that_of_other_samples():
    rng = np.random.default_rng(4)
    shares = rng.uniform(0.1, 0.9, size=2_000)
    draws = (rng.random((2, 2_000, 97)) < shares[:, None]).astype(float)
    ours, others = draws.mean(axis=2)
    singles = np.array([left_out(draw, np.mean) for draw in draws[0]]).T
    ends = ranges_of_rows(singles, ours, factor=1.0, n_rows=10**9, are_shares=True)
    said = shares_changed(ends, ours, FOLDS).mean()
    assert said == pytest.approx(((ours > 0.5) != (others > 0.5)).mean(), abs=0.015)


def test_a_certain_prediction_changes_no_side():
    certain = np.array([[1.0, 1.0], [0.0, 0.0], [0.4, 0.6]])
    said = shares_changed(certain, np.array([1.0, 0.0, 0.5]), FOLDS)
    np.testing.assert_allclose(said, [0, 0, 0.5])


def test_ranges_of_numbers_have_the_unit_of_the_numbers():
    rng = np.random.default_rng(3)
    singles = rng.normal(size=(4, 6))
    options = {"factor": 0.8, "n_rows": 100, "are_shares": False}
    ends = ranges_of_rows(singles, singles.mean(axis=0), **options)
    scaled = ranges_of_rows(10 * singles + 3, 10 * singles.mean(axis=0) + 3, **options)
    np.testing.assert_allclose(scaled, 10 * ends + 3)


def test_one_network_has_no_range():
    ends = ranges_of_rows(
        np.ones((1, 3)), np.ones(3), factor=1.0, n_rows=9, are_shares=True
    )
    assert ends.shape == (3, 2)
    assert np.isnan(ends).all()


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("boosted-trees", "boosted"),
        ("extra-trees", "extra"),
        ("logistic", "linear"),
        ("prior", "prior"),
        ("relu:3", "network"),
    ],
)
def test_a_model_knows_its_factor_and_its_rows(model, kind):
    fitted = sb.fit_model("example:iris", model, n_networks=2)
    # Two of the rows are equal, and stay together.
    known = {"factor": FACTORS[kind], "n_rows": 149, "folds": FOLDS}
    assert fitted.training["range"] == known
    low, high = fitted.predict_range("example:iris").T
    best = fitted.predict_proba("example:iris").max(axis=1)
    assert ((low <= best) & (best <= high)).all()


@pytest.mark.parametrize("kind", ["one network", "all epochs", "times"])
def test_models_without_a_range_say_so(kind, tmp_path):
    recipe = RECIPES["tutorial" if kind == "all epochs" else "default"]
    options = {"n_networks": 1 if kind == "one network" else 2, "recipe": recipe}
    table = "example:iris"
    if kind == "times":
        table = sb.read_table(
            "example:iris", target="species", time_split="sepal length (cm)"
        )
    model = sb.fit_model(table, "relu:2", **options)
    for fitted in (model, sb.load(model.save(tmp_path / "m.safetensors"))):
        with pytest.raises(OptionError, match="no ranges"):
            fitted.predict_range("example:iris")
        assert np.isnan(fitted.predictions("example:iris").ranges).all()


def test_rows_of_a_group_count_once():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40).repeat(3)
    y = x + rng.normal(size=120) > 0
    rows = pd.DataFrame({"x": x, "who": np.arange(40).repeat(3), "y": y})
    table = sb.read_table(rows, target="y", group="who")
    model = sb.fit_model(table, "logistic", n_networks=4)
    assert model.training["range"]["n_rows"] == 40


def test_estimators_have_ranges():
    X, y = np.arange(60.0)[:, None], np.arange(60) % 3 > 0
    classifier = sb.SeedbedClassifier("relu:2", n_networks=2, epochs=3).fit(X, y)
    low, high = classifier.predict_range(X).T
    positive = classifier.predict_proba(X)[:, 1]
    assert ((low <= positive) & (positive <= high)).all()
    with pytest.raises(OptionError, match="no ranges"):
        sb.SeedbedRegressor("relu:2", n_networks=1, epochs=3).fit(X, y).predict_range(X)
