"""Comparisons of survival: predictions, verdicts, what is refused, files, charts, and the model of
a run."""

import dataclasses
import shlex

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sksurv.metrics import concordance_index_ipcw, integrated_brier_score
from sksurv.nonparametric import kaplan_meier_estimator
from sksurv.util import Surv

import seedbed as sb
from seedbed.errors import DataError, OptionError
from seedbed.experiment.fits import Group, fit_group
from seedbed.experiment.model_plan import fit_compared
from seedbed.experiment.one_split import train_on_one_split
from seedbed.experiment.saved_run import open_run
from seedbed.figures.survival_curves import survival_curves
from seedbed.figures.theme import DARK, LIGHT
from seedbed.model.portfolio import AUTO, candidates_for
from seedbed.networks.candidate import candidate_from
from seedbed.report.advice import remedy
from seedbed.report.glance import first_screen
from seedbed.report.html_page import report_page
from seedbed.report.stored import read_summary

from .conftest import compare_with

pytestmark = pytest.mark.usefixtures("plain_charts")
N, ONE = 120, sb.Compute(n_jobs=1)


def patients(**columns):
    """Exponential times, short for a large x; a third of the rows is censored."""
    rng = np.random.default_rng(0)
    x, ends = rng.normal(size=N), rng.exponential(200, N)
    times = rng.exponential(100 * np.exp(-x))
    frame = dict(
        x=x.round(3),
        noise=rng.normal(size=N).round(3),
        days=np.minimum(times, ends).round(1) + 0.1,
    )
    return pd.DataFrame({**frame, "died": (times <= ends) * 1, **columns})


def table_of(source, **roles):
    return sb.read_table(source, event="died", time="days", **roles)


def quick(table, *candidates, **options):
    words = dict(
        recipe="default",
        repeats=1,
        folds=3,
        n_networks=2,
        baselines=["prior"],
        n_jobs=1,
    )
    return compare_with(
        table, candidates=candidates or ("logistic",), **{**words, **options}
    )


def curve(table, rows, grid):
    """The Kaplan-Meier estimate of some rows by scikit-survival."""
    steps, values = kaplan_meier_estimator(
        table.target[rows] == 1, table.durations[rows]
    )
    return np.concatenate([[1.0], values])[np.searchsorted(steps, grid, side="right")]


@pytest.fixture(scope="module")
def table():
    return table_of(patients())


@pytest.fixture(scope="module")
def found(table):
    """A comparison; tests must not change it."""
    return quick(table, "logistic", "relu:3")


def test_predictions_fall_along_time(found, table):
    for result in found.results:
        assert result.predictions.shape == (1, 1, N, 24)
        assert result.predictions.dtype == np.float32
        assert result.singles.shape == (1, 2, N, 24)
        assert ((result.predictions >= 0) & (result.predictions <= 1)).all()
        assert (np.diff(result.predictions) <= 1e-7).all()
    for split in found.splits:
        expected = curve(table, split.train, table.follow_up.grid)
        values = found["prior"].predictions[0, 0, split.test]
        assert_allclose(values, np.tile(expected, (len(split.test), 1)), atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "relu:3", "prior"])
def test_scores_are_the_means_of_scikit_survivals_over_the_folds(found, table, name):
    times, grid = table.durations, table.follow_up.grid
    # scikit-survival wants test rows to be within the training rows' times
    longest = 1.5 * grid[-1]
    y = Surv.from_arrays(
        (table.target == 1) & (times <= longest), np.minimum(times, longest)
    )
    scores, p = found[name].scores, found[name].predictions[0, 0].astype(np.float64)
    folds = [(y[split.train], y[split.test], p[split.test]) for split in found.splits]
    brier = np.mean(
        [integrated_brier_score(train, test, p, grid) for train, test, p in folds]
    )
    order = np.mean(
        [
            concordance_index_ipcw(train, test, 1 - p[:, -1], grid[-1])[0]
            for train, test, p in folds
        ]
    )
    assert scores["integrated_brier"].mean == pytest.approx(brier, abs=1e-6)
    assert scores["uno_c"].mean == pytest.approx(order, abs=1e-6)


@pytest.mark.slow
def test_verdicts_may_be_about_the_order_of_rows(table):
    found = quick(table, "logistic", repeats=3, metric="uno_c")
    (prior,) = found.conclusion.verdicts
    assert (prior.candidate, prior.rule) == ("prior", "worse")
    assert prior.difference == pytest.approx(
        0.5 - found["logistic"].scores["uno_c"].mean
    )
    notes = first_screen(found.conclusion).notes
    assert sum("Uno's C" in note for note in notes) == 1


def test_a_fold_without_an_event_before_the_horizon_leaves_no_verdict_on_the_order_of_rows():
    late = table_of(
        patients(days=np.repeat([5, 9], N // 2), died=np.arange(N) % 2), horizon=5
    )
    for options in ({}, {"reference": "prior"}):
        found = quick(late, "logistic", metric="uno_c", **options)
        assert (found.verdicts, found.conclusion.advice) == ((), None)
        reasons = {one.reason for one in found.conclusion.no_verdict}
        assert reasons == {
            "a fold lacks an event before the horizon, so it has no Uno's C"
        }


def test_folds_have_equal_shares_of_the_events_until_the_horizon():
    rng = np.random.default_rng(3)
    days = rng.permutation(np.arange(N) + 1.0)
    splits = quick(table_of(patients(days=days, died=1), horizon=30), repeats=2).splits
    assert {int((days[split.test] <= 30).sum()) for split in splits} == {10}


@pytest.mark.slow
def test_the_regression_of_hazards_comes_near_the_truth_where_coxs_model_is_true():
    def simulated(n, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=n)
        means, lost = 100 * np.exp(-0.8 * x), rng.exponential(150, n)
        times = rng.exponential(means)
        frame = {"x": x, "days": np.minimum(times, lost), "died": (times <= lost) * 1}
        return pd.DataFrame(frame), means

    rows, _ = simulated(2000, 1)
    table = table_of(rows)
    unseen, means = simulated(1000, 2)
    grid = table.follow_up.grid
    found = sb.fit_model(table, "logistic", n_networks=2).predict_survival(
        unseen, at=grid
    )
    error = ((found - np.exp(-grid / means[:, None])) ** 2).mean()
    # 0.003 with a straight line in time in place of a free baseline
    assert error < 0.001
    biases = (found - np.exp(-grid / means[:, None])).mean(axis=0)
    assert np.abs(biases).max() < 0.02


def test_times_and_events_of_test_rows_change_no_prediction(found, table):
    rng, split = np.random.default_rng(1), found.splits[0]
    members = candidates_for(["prior", "logistic", "relu:3", "boosted-trees:5"], table)
    group = Group(
        members, {member.name: member.name for member in members} | {AUTO: AUTO}
    )

    def predicted(rows):
        durations, target = table.durations.copy(), table.target.copy()
        durations[rows], target[rows] = (
            rng.permutation(durations[rows]),
            1 - target[rows],
        )
        changed = dataclasses.replace(table, durations=durations, target=target)
        options = dict(
            recipe=sb.Recipe(epochs=20), n_networks=2, random_state=1, compute=ONE
        )
        return fit_group(group, changed, [split], **options)[0]

    before, same, other = (
        predicted(rows) for rows in (split.test[:0], split.test, split.train[:20])
    )
    assert [*before] == [*group.names]
    for name, fitted in before.items():
        assert_array_equal(fitted.networks, same[name].networks)
        assert not np.array_equal(fitted.predictions, other[name].predictions)


def test_fewer_than_ten_events_give_scores_and_no_verdict():
    few = quick(table_of(patients(died=(np.arange(N) % 15 == 0) * 1)))
    assert few.verdicts == ()
    assert few.conclusion.advice is None
    assert len(few.conclusion.no_verdict) == 1
    for result in few.results:
        assert 0 < result.scores["integrated_brier"].mean < 0.25
        assert result.scores["integrated_brier"].low is None
    survival = few.conclusion.survival
    assert survival.model == ""
    assert survival.groups == ()
    assert survival.everyone.n_events == survival.n_events
    assert survival_curves(few.conclusion) is None


def test_where_all_training_rows_have_an_event_every_model_is_the_kaplan_meier_estimate():
    rows = pd.DataFrame({"x": np.arange(6.0), "days": [3, 3, 3, 3, 3, 9], "died": 1})
    table = table_of(rows, horizon=3)
    found = quick(table, "logistic", "boosted-trees")
    (split,) = (split for split in found.splits if 5 in split.test)
    expected = curve(table, split.train, table.follow_up.grid)
    assert expected[[0, -1]].tolist() == [1, 0]
    for result in found.results:
        assert_array_equal(
            result.predictions[0, 0, split.test], [expected] * len(split.test)
        )


def test_a_comparison_in_which_no_test_row_is_known_at_the_horizon_has_scores():
    rows = pd.DataFrame(
        {"x": np.arange(4.0), "days": [37, 23, 9, 14], "died": [0, 1, 0, 0]}
    )
    found = quick(table_of(rows), "logistic", folds=2)
    assert (found["logistic"].calibration, found.verdicts) == (None, ())
    assert "score  Uno's C" in str(found)


def test_rows_of_a_group_stay_together(table):
    who = np.random.default_rng(2).integers(0, 30, N)
    grouped = quick(table_of(patients(who=who), group="who"))
    for split in grouped.splits:
        assert not {*who[split.train]} & {*who[split.test]}
    assert any(
        {*who[split.train]} & {*who[split.test]} for split in quick(table).splits
    )


REFUSED = {
    "an estimator": lambda table: quick(table, baselines=[LogisticRegression()]),
    "weights": lambda table: sb.fit_model(
        table, "logistic", n_networks=2, sample_weight=np.ones(N)
    ),
    "one split": lambda table: train_on_one_split(
        table, candidate_from("relu:5"), seeds=[42], recipe=sb.Recipe.tutorial()
    ),
    "the playground": sb.playground,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_survival_cannot_have_is_refused(table, what):
    with pytest.raises(OptionError, match="can't be combined with survival") as caught:
        REFUSED[what](table)
    assert caught.value.hint


def test_subgroups_of_patients_have_verdicts(found):
    groups = found.by("x").conclusion.subgroups
    table = found.experiment.table
    result = found["logistic"]
    survives = result.predictions.mean(axis=(0, 1))[:, -1]
    x = table.features[:, table.feature_names.index("x")]
    low = x < np.median(x)
    share = curve(table, np.flatnonzero(low), table.follow_up.grid)[-1]
    group = groups.subgroups[0]
    assert group.n_rows == pytest.approx(low.sum(), abs=2)
    assert group.calibration["logistic"].mean == pytest.approx(
        survives[low].mean() - share, abs=0.05
    )
    assert [verdict.candidate for verdict in group.verdicts]
    assert groups.gaps


def test_thirds_by_risk_have_their_estimates(found, table):
    survival = found.conclusion.survival
    p = found[found.conclusion.advice.use].predictions[0, 0]
    within, events = table.durations <= 120, table.target == 1
    assert survival.model == found.conclusion.advice.use
    assert survival.words == "days 120"
    assert survival.horizon == 120
    assert survival.n_events == (within & events).sum()
    assert survival.n_censored == (within & ~events).sum()
    assert_allclose(
        survival.everyone.observed, curve(table, np.arange(N), survival.grid), atol=1e-4
    )
    for group, rows in zip(
        survival.groups,
        np.array_split(np.argsort(p[:, -1], kind="stable"), 3),
        strict=True,
    ):
        assert group.n_rows == len(rows) == N / 3
        assert_allclose(group.observed, curve(table, rows, survival.grid), atol=1e-4)
        assert_allclose(group.predicted[1:], p[rows].mean(axis=0), atol=1e-4)
        assert (
            0
            <= group.observed_low[-1]
            < group.observed[-1]
            < group.observed_high[-1]
            <= 1
        )
    assert_allclose(
        [row.predicted[-1] for row in survival.rows],
        np.sort(p[:, -1])[15::30],
        atol=1e-4,
    )


@pytest.fixture
def run(tmp_path):
    """The folder of a comparison of the table beside it."""
    patients().to_csv(tmp_path / "patients.csv", index=False)
    quick(
        table_of(tmp_path / "patients.csv"),
        "logistic",
        "relu:3",
        folder=tmp_path / "run",
    )
    return tmp_path / "run"


def test_a_finished_folder_keeps_the_curves_and_makes_a_model(run, found, tmp_path):
    found.save(tmp_path / "saved")
    assert (
        read_summary(run).survival
        == read_summary(tmp_path / "saved").survival
        == found.conclusion.survival
    )
    model = fit_compared(*open_run(run), compute=ONE)
    assert model.candidate == found.conclusion.advice.use
    assert model.task == "survival"
    assert model.n_networks == 2
    assert (model.follow_up.time, model.follow_up.horizon) == ("days", 120)
    result = model.score["scores"][0]["mean"]
    assert result == found[model.candidate].scores["integrated_brier"].mean


@pytest.mark.slow
@pytest.mark.parametrize("column", ["days", "died", "x"])
def test_no_model_is_made_of_a_folder_whose_table_has_changed(run, column):
    assert open_run(run)[1].table.n_rows == N
    patients(**{column: patients()[column].to_numpy()[::-1]}).to_csv(
        run.parent / "patients.csv", index=False
    )
    with pytest.raises(DataError, match="changed"):
        open_run(run)


def test_the_prior_has_no_model_as_it_is_a_curve(found):
    with pytest.raises(OptionError, match="Kaplan-Meier"):
        found.model("prior", compute=ONE)


@pytest.mark.slow
def test_columns_and_rows_are_asked_of_survival(found):
    first, second = found.columns().conclusion.columns.effects
    assert (first.columns, second.columns) == (("x",), ("noise",))
    assert first.loss > max(0.01, second.loss)
    assert [size.n_train for size in found.rows().conclusion.rows.sizes] == [40, 80]


def test_the_page_has_a_section_with_the_chart_of_survival(found):
    spec = survival_curves(found.conclusion)
    assert f"survival as {found.conclusion.advice.use} predicts it" in str(
        spec["title"]
    )
    records = [record for values in spec["datasets"].values() for record in values]
    assert {record["panel"] for record in records} == {"groups", "rows"}
    assert len(records) == 25 * (3 + 4)
    page = report_page(found.conclusion)
    assert '<section id="survival">' in page
    assert "Of the third with the highest risk" in page
    for theme in (
        LIGHT,
        DARK,
    ):  # a candidate's colour never stands for a risk, and legends can be read
        chart = survival_curves(found.conclusion, theme=theme)
        ranges = [
            panel["layer"][0]["encoding"]["color"]["scale"]["range"]
            for panel in chart["concat"]
        ]
        assert [(len(one), one[0], one[-1]) for one in ranges] == [
            (n, theme.risks[0], theme.risks[-1]) for n in (3, 4)
        ]
        assert not {*ranges[0], *ranges[1]} & {*theme.palette}
        assert chart["config"]["legend"]["titleColor"] == theme.ink


@pytest.mark.slow
def test_a_target_with_its_follow_up_time_is_advised_to_be_survival(call, here):
    patients().rename(columns={"died": "DEATH_EVENT", "days": "time"}).to_csv(
        "heart.csv", index=False
    )
    options = (
        "--candidate logistic --n-networks 2 --repeats 1 --folds 3 --n-jobs 1".split()
    )
    said = call(
        "compare", "heart.csv", "--target", "DEATH_EVENT", *options, "--out", "run"
    )
    assert (
        "Predict the time to the event with --event DEATH_EVENT --time time"
        in said.out + said.err
    )
    why, command = remedy(read_summary(here / "run"))
    assert why.startswith("time looks like follow-up time, part of the outcome (SB211)")
    assert command.startswith("seedbed compare heart.csv --candidate logistic")
    assert command.endswith("--event DEATH_EVENT --time time")
    again = call(*shlex.split(command)[1:], "--out", "again")
    assert (again.status, "predicting when DEATH_EVENT comes" in again.out) == (0, True)
