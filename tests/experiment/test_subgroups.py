"""Verdicts within the subgroups of a column, from out-of-fold predictions and without training."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from seedbed.data.by_column import Grouping, _bands, _levels, grouping_of
from seedbed.data.reading import read_table
from seedbed.data.splits import Split, repeated_folds
from seedbed.data.table import Column, ColumnSchema
from seedbed.errors import ColumnError, DataError, OptionError
from seedbed.evaluation.conclusion import conclude
from seedbed.evaluation.protocol import Protocol
from seedbed.evaluation.summaries import (
    Conclusion,
    DecidingScore,
    PlanSummary,
    summary_from,
)
from seedbed.experiment.subgroups import _gap, subgroups_of
from seedbed.scoring import Result, difference, evidence_of
from seedbed.tested import Tested

CV = Protocol(kind="cross_validation", repeats=3, folds=10, df=9, reason="")
ONCE = Protocol(kind="held_out", repeats=1, folds=5, df=None, reason="")


def halves(gain=(0.0, 0.0), *, n=400, seed=0, design=CV, task="binary"):
    """Two models; the predictions of the second are nearer to the target by `gain`, which differs
    between halves."""
    rng = np.random.default_rng(seed)
    y, half = rng.permutation(np.arange(n) % 2), rng.integers(2, size=n)
    splits = repeated_folds(y, repeats=3, folds=10, random_state=0)
    if design is ONCE:
        splits = (Split(0, 0, np.arange(n // 4), np.arange(n // 4, n)),)
    found = []
    for name, nearer in (("one", np.zeros(2)), ("two", np.array(gain))):
        noise = 0.12 * rng.normal(size=(len(splits) // 10 or 1, 1, n))
        p = np.clip(0.5 + (0.2 + nearer[half]) * (2 * y - 1) + noise, 0, 1)
        target = y if task == "binary" else y.astype(np.float64)
        about = {"target": target, "splits": splits, "design": design, "task": task}
        tested = Tested(alpha=0.05, **about)
        found.append(Result(name=name, tested=tested, predictions=p))
    return found, Grouping("half", ("first", "second"), half)


def part_of(result, rows):
    return replace(result, tested=replace(result.tested, part=rows))


def said(found, grouping):
    """What is said of the subgroups."""
    metric = "brier" if found[0].tested.task == "binary" else "squared_error"
    score = DecidingScore(
        name=metric,
        words=metric,
        greater_is_better=False,
        margin=0.01,
        margin_source="given",
    )
    about = dict(
        kind="comparison",
        table="",
        task=found[0].tested.task,
        specification={},
        interval="corrected",
    )
    asked = Conclusion(
        **about, plan=PlanSummary(kind=""), reference="one", metric=score, alpha=0.05
    )
    return subgroups_of(found, grouping, conclude(asked, evidence_of(found, metric)))


@pytest.mark.parametrize("design", [CV, ONCE], ids=["folds", "locked"])
def test_a_planted_gap_is_found_and_two_different_verdicts_alone_are_no_gap(design):
    assert [gap.rule for gap in said(*halves((0.0, 0.2), design=design)).gaps] == [
        "differs"
    ]
    rules = [
        said(*halves((0.03, 0.03), n=200, seed=seed, design=design)).gaps[0].rule
        for seed in range(8)
    ]
    assert rules.count("differs") <= 1


def test_the_mean_over_folds_is_the_mean_over_the_rows_of_a_subgroup():
    (result, _), grouping = halves()
    rows = (grouping.codes == 1) & (np.arange(400) % 7 == 0)  # about three in a fold
    by_row = result.row_losses("brier")[:, :, rows].mean(axis=2)
    assert_allclose(part_of(result, rows).losses("brier").mean(axis=1), by_row)


def test_a_subgroup_of_all_rows_has_the_verdict_of_the_table():
    found, _ = halves((0.05, 0.05))
    parts = [part_of(one, np.ones(400, dtype=bool)) for one in found]
    whole, part = difference(*found, "brier"), difference(*parts, "brier")
    assert (part.mean, part.se) == pytest.approx((whole.mean, whole.se), rel=1e-6)


@pytest.mark.parametrize("design", [CV, ONCE], ids=["folds", "locked"])
def test_the_gap_of_the_other_half_is_the_same_with_the_other_sign(design):
    found, grouping = halves((0.0, 0.1), design=design)
    one, other = (
        _gap(
            *(part_of(result, grouping.codes == code) for result in found),
            "brier",
            alpha=0.05,
            comparisons=1,
        )
        for code in (0, 1)
    )
    assert (one.mean, one.low, one.high) == pytest.approx(
        (-other.mean, -other.high, -other.low)
    )
    tested = [grouping.codes == code for code in (0, 1)]
    gains = [
        difference(*(part_of(result, rows) for result in found), "brier").mean
        for rows in tested
    ]
    assert one.mean == pytest.approx(gains[0] - gains[1])


def test_the_error_of_a_gap_on_locked_rows_is_that_of_two_independent_means():
    found, grouping = halves((0.0, 0.1), design=ONCE)
    parts = [
        [part_of(result, grouping.codes == code) for result in found] for code in (0, 1)
    ]
    errors = [difference(*pair, "brier").se for pair in parts]
    assert _gap(*parts[0], "brier", alpha=0.05, comparisons=1).se == pytest.approx(
        np.hypot(*errors), rel=0.01
    )


def test_a_small_subgroup_has_a_reason_in_place_of_a_verdict():
    found, grouping = halves()
    codes = np.where(np.arange(400) < 3, 2, grouping.codes)
    *large, small = said(
        found, Grouping("half", ("first", "second", "third"), codes)
    ).subgroups
    assert small.n_rows == 3
    assert "3 rows are too few" in small.reason
    assert not small.verdicts
    assert all(one.verdicts and not one.reason for one in large)


def test_calibration_is_the_mean_prediction_minus_the_observed_mean():
    found, grouping = halves(task="regression")
    first = said(found, grouping).subgroups[0]
    rows = grouping.codes == 0
    bias = found[1].predictions[:, 0, rows].mean() - found[1].tested.target[rows].mean()
    value = first.calibration["two"]
    assert value.mean == pytest.approx(bias)
    assert value.low < bias < value.high


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (
            18 + 0.2 * np.arange(400),
            ["under 38", "38 to under 58", "58 to under 78", "78 or more"],
        ),
        (
            np.arange(400),
            ["under 100", "100 to under 200", "200 to under 300", "300 or more"],
        ),
        (np.append(np.zeros(380), np.arange(1, 21)), ["0", "1 or more"]),
        (
            np.repeat([1, 2, 3, 4, 5, 6, 9], [30, 80, 10, 90, 5, 95, 90]),
            ["under 3", "3 to under 5", "5 to under 9", "9 or more"],
        ),
        (
            np.arange(400) / 7,
            ["under 14.2", "14.2 to under 28.5", "28.5 to under 42.8", "42.8 or more"],
        ),
    ],
)
def test_numbers_are_divided_most_evenly_and_named_in_few_digits(values, names):
    column = Column(
        ColumnSchema("age", "number", spelling="point"), values.astype(np.float64)
    )
    found, codes = _bands(column, column.values)
    assert found == names
    assert set(codes) == set(range(len(names)))


@given(
    numbers=arrays(
        np.float64,
        st.integers(200, 300),
        elements=st.floats(-1e3, 1e3, width=32),
        unique=True,
    )
)
def test_the_names_of_bands_are_those_of_their_rows(numbers):
    names, codes = _bands(
        Column(ColumnSchema("age", "number", spelling="point"), numbers), numbers
    )
    assert sorted(set(codes)) == list(range(len(names)))
    for code, name in enumerate(names[1:], 1):
        low = float(name.split()[0])
        assert numbers[codes == code].min() >= low > numbers[codes < code].max()


def test_small_levels_are_joined():
    sizes = {"a": 90, "b": 3, "c": 60, "d": 4}
    codes = np.repeat(np.arange(4), list(sizes.values())).astype(np.float64)
    names, found = _levels(
        Column(ColumnSchema("site", "category", tuple(sizes)), codes), codes, 6
    )
    assert names == ["a", "c", "(other)"]
    assert np.bincount(found).tolist() == [90, 60, 7]
    many = np.arange(400.0) // 2
    with pytest.raises(OptionError, match="none of its 200 values has 50 rows"):
        _levels(
            Column(ColumnSchema("site", "category", tuple(map(str, range(200)))), many),
            many,
            6,
        )


@pytest.fixture(scope="module")
def visits():
    """A table of 300 rows with a column of each role."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=300)
    site = rng.choice(["north", "south"], size=300)
    frame = dict(
        x=x,
        site=site,
        name=[f"n{i}" for i in range(300)],
        kind=np.where(x > 1, None, "k"),
    )
    frame |= {"patient": np.arange(300) // 3, "year": 2000 + np.arange(300) // 30}
    return pd.DataFrame(
        {**frame, "y": np.where(x + rng.normal(size=300) > 0, "yes", "no")}
    )


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("options", "column"),
    [
        ({}, "site"),
        pytest.param({"drop": ["site"]}, "site", marks=pytest.mark.slow),
        ({"group": "patient"}, "site"),
        pytest.param({"time_split": "year"}, "year", marks=pytest.mark.slow),
    ],
    ids=["feature", "dropped", "grouped", "time"],
)
def test_a_finished_run_is_divided_as(visits, tmp_path, small, options, column):
    visits.to_csv(tmp_path / "visits.csv", index=False)
    table = read_table(str(tmp_path / "visits.csv"), target="y", **options)
    folder = tmp_path / "run"
    splits = {"folds": None, "repeats": None} if "time_split" in options else {}
    running = small(
        table, candidates=["linear:2"], baselines=["prior"], folder=folder, **splits
    ).by(column)
    found = running.conclusion.subgroups
    assert len(found.subgroups) > 1
    assert found.column == column
    assert summary_from(json.loads(json.dumps(running.summary()))).subgroups == found
    again = small(
        table, candidates=["linear:2"], baselines=["prior"], folder=folder, **splits
    )
    assert again.by(column).conclusion.subgroups == found


@pytest.mark.slow
def test_a_column_may_be_group_or_left_out_but_not_unknown_or_target(visits, tmp_path):
    visits.to_csv(tmp_path / "visits.csv", index=False)
    table = read_table(
        str(tmp_path / "visits.csv"), target="y", group="patient", drop=["x"]
    )
    assert grouping_of(table, "patient").names[0].startswith("under")
    assert grouping_of(table, "kind").names == ("k", "(missing)")
    for column, error, message in (
        ("sitee", ColumnError, "no column 'sitee'"),
        ("y", OptionError, "is the target"),
        ("name", OptionError, "none of its 300 values has 50 rows"),
    ):
        with pytest.raises(error, match=message):
            grouping_of(table, column)
    with pytest.raises(OptionError, match="isn't a feature"):
        grouping_of(replace(table, reading=None), "x")


@pytest.mark.slow
def test_a_column_that_was_left_out_needs_the_source_of_table(visits, tmp_path, small):
    visits.to_csv(tmp_path / "visits.csv", index=False)
    words = {"candidates": ["linear:2"], "baselines": ["prior"]}
    of_file = small(
        read_table(str(tmp_path / "visits.csv"), target="y", drop=["site"]), **words
    )
    (tmp_path / "visits.csv").unlink()
    with pytest.raises(DataError, match=r"visits\.csv"):
        of_file.by("site")
    of_frame = small(read_table(visits, target="y", drop=["site"]), **words)
    with pytest.raises(OptionError, match="isn't a feature"):
        of_frame.by("site")
    assert of_frame.by("site", visits).conclusion.subgroups.column == "site"


@pytest.mark.parametrize("target", ["x", "kind3"], ids=["numbers", "classes"])
def test_numbers_and_several_classes_have_subgroups(visits, small, target):
    frame = visits.drop(columns=["name", "y"]).assign(
        kind3=np.resize(["a", "b", "c"], 300)
    )
    found = (
        small(read_table(frame, target=target), candidates=["linear:2", "relu:2"])
        .by("site")
        .conclusion
    )
    assert all(
        group.verdicts and group.calibration for group in found.subgroups.subgroups
    )
