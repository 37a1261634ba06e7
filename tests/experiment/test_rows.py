"""Would more rows help: nested training sets, the forecast, and what is said of them."""

import json

import numpy as np
import pandas as pd
import pytest

import seedbed as sb
from seedbed.data.reading import read_table
from seedbed.data.splits import repeated_folds, time_holdout
from seedbed.errors import DataError
from seedbed.evaluation.analyses import forecast_rows
from seedbed.evaluation.summaries import summary_from
from seedbed.experiment.sizes import smaller_splits
from seedbed.figures import pictures
from seedbed.figures.analysis_charts import row_curves
from seedbed.report.terminal import glance_text

pytestmark = pytest.mark.usefixtures("plain_charts")
SMALL = dict(
    candidates=["linear:5"],
    epochs=5,
    lr=0.1,
    quick=True,
    design=sb.Design(n_networks=2),
)


def frame(n=240, **columns):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {"x": x, "y": np.where(x + rng.normal(size=n) > 0.8, "yes", "no"), **columns}
    )


@pytest.mark.parametrize("groups", [None, "who"])
def test_training_sets_are_nested_halves_with_the_same_classes_and_whole_groups(groups):
    table = read_table(
        frame(who=[f"p{n // 3}" for n in range(240)]), target="y", group=groups
    )
    splits = repeated_folds(
        table.target, repeats=1, folds=10, random_state=0, groups=table.groups
    )
    sizes = smaller_splits(table, splits, 0)
    assert [
        np.mean([len(split.train) for split in size]) for size in sizes
    ] == pytest.approx([108, 54], abs=3)
    for size, larger in zip(sizes, [splits, *sizes], strict=False):
        for split, before in zip(size, larger, strict=True):
            assert set(split.train) < set(before.train)
            assert split.test is before.test
            assert (
                abs(
                    table.target[split.train].mean() - table.target[before.train].mean()
                )
                < 0.12
            )
            left = np.setdiff1d(before.train, split.train)
            assert (
                groups is None
                or not np.isin(table.groups[split.train], table.groups[left]).any()
            )


def test_rows_with_times_are_the_latest():
    table = read_table(
        frame(when=pd.date_range("2024", periods=240)), target="y", time_split="when"
    )
    (split,), *_ = smaller_splits(table, [whole := time_holdout(table.times)], 0)
    assert split.train.tolist() == whole.train[len(whole.train) // 2 :].tolist()


@pytest.mark.parametrize(
    ("n", "share"), [(40, 0.5), (300, 0.03)], ids=["40 rows", "a rare class"]
)
def test_a_table_whose_half_is_too_small_is_refused_before_training(ask, n, share):
    table = pd.DataFrame({"x": np.sin(np.arange(n)), "y": np.arange(n) < share * n})
    message = r"half of them are too few.*needs 30 rows, 5 of them outside"
    with pytest.raises(DataError, match=message):
        ask("rows", table, target="y", **SMALL)


def curve(n_train, law, n_folds=30, noise=0.01):
    rng = np.random.default_rng(0)
    common = rng.normal(scale=noise, size=(n_folds, 1))
    return (
        np.array([law(n) for n in n_train])
        + common
        + rng.normal(scale=noise / 5, size=(n_folds, len(n_train)))
    )


def test_a_power_law_is_continued_and_another_curve_has_no_forecast():
    n_train = [32, 64, 128, 256, 512, 1024]
    about = {"scale": 0.14, "df": 9, "offset": 0.0, "random_state": 0}

    def law(n):
        return 0.1 + 0.8 * n**-0.5

    answers, why = forecast_rows(n_train, curve(n_train, law), **about)
    assert (why, list(answers)) == ("", [2, 5, 10])
    for times, (loss, gain) in answers.items():
        assert loss.low < law(times * 1024) < loss.high
        assert gain.low < law(1024) - law(times * 1024) < gain.high
    jump = curve(n_train, lambda n: 0.3 if n < 1000 else 0.1)
    assert forecast_rows(n_train, jump, **about)[1].startswith(
        "the curve of the smaller"
    )
    assert forecast_rows(n_train[:3], curve(n_train[:3], law), **about)[1].startswith(
        "it learns from 3 sizes"
    )
    late = np.concatenate(
        [curve(n_train, lambda n: 0.25)[:, :1], curve(n_train, law)[:, 1:]], axis=1
    )
    assert forecast_rows(n_train, late, prior=0.25, **about)[0][2][
        0
    ].mean == pytest.approx(law(2048), rel=0.1)


@pytest.fixture(scope="module")
def asked(ask, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    table = frame(n=400)
    return ask("rows", table, target="y", folder=folder, **SMALL), table, folder


def test_sizes_have_losses_and_are_read_back(ask, asked, monkeypatch):
    comparison, table, folder = asked
    rows = comparison.conclusion.rows
    assert [size.n_train for size in rows.sizes] == [45, 90, 180, 360]
    for size in rows.sizes:
        assert set(size.losses) == set(
            "linear:5 prior logistic boosted-trees auto".split()
        )
    assert (
        rows.sizes[0].losses["logistic"].mean > rows.sizes[-1].losses["logistic"].mean
    )
    assert summary_from(json.loads(json.dumps(comparison.summary()))).rows == rows
    # nothing is trained again
    monkeypatch.setattr("seedbed.experiment.sizes.run", None)
    assert (
        ask("rows", table, target="y", folder=folder, **SMALL).conclusion.rows == rows
    )


@pytest.mark.slow
def test_the_answer_is_on_the_screen_and_in_report_and_can_be_drawn(asked, monkeypatch):
    comparison, _, folder = asked
    text = glance_text(comparison.conclusion)
    assert "\nMore rows  " in text
    advice = comparison.conclusion.advice
    assert ("\nUse " in text) == (advice.guess or advice.use == "prior")
    assert max(map(len, text.splitlines())) <= 100
    assert 'id="rows"' in (folder / "report.html").read_text()
    monkeypatch.setitem(pictures._CHARTS, "rows", row_curves)
    comparison.plot(folder / "rows.svg", chart="rows")
    assert "training rows" in (folder / "rows.svg").read_text()


@pytest.mark.slow
def test_locked_rows_have_no_forecast_and_the_answer_says_of_which_model(ask):
    table = read_table(
        frame(when=pd.date_range("2024", periods=240)), target="y", time_split="when"
    )
    answer = ask("rows", table, **SMALL | {"candidates": ["linear:5", "relu:5"]})
    words = f"\nMore rows can't say for {answer.conclusion.advice.use}: rows are split by time"
    assert words in glance_text(answer.conclusion)


@pytest.mark.slow
def test_numbers_have_a_curve_and_a_forecast(ask):
    table = (
        frame(n=400)
        .drop(columns="y")
        .assign(z=lambda one: one.x + np.random.default_rng(1).normal(size=400))
    )
    table["who"] = np.arange(400) // 4
    design = sb.Design(n_networks=2, baselines=["prior", "linear"])
    rows = ask(
        "rows", read_table(table, target="z", group="who"), **SMALL | {"design": design}
    ).conclusion.rows
    assert [size.n_train for size in rows.sizes] == pytest.approx(
        [45, 90, 180, 360], abs=3
    )
    assert len(rows.forecasts_of("linear")) == 3 or "linear" in rows.refused
