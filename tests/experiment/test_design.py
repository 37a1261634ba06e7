"""What is run for a table of some size, by default and as asked for."""

import numpy as np
import pytest

from seedbed.data import table_from_arrays
from seedbed.errors import OptionError, TargetError
from seedbed.experiment import specify
from seedbed.networks import Recipe


def design_of(n_rows, rare=None, **options):
    target = np.zeros(n_rows, dtype=int)
    target[: n_rows // 2 if rare is None else rare] = 1
    table = table_from_arrays(np.arange(2.0 * n_rows).reshape(-1, 2), target)
    return specify(table, "relu:3", recipe=Recipe(), baselines=[], **options).design


def counts(design):
    return design.kind, design.repeats, design.folds, design.seeds, design.df


@pytest.mark.parametrize(
    ("n_rows", "rare", "expected"),
    [
        (40, None, ("scores_only", 1, 10, 5, None)),
        (300, 8, ("scores_only", 1, 8, 5, None)),
        (60, None, ("cross_validation", 10, 10, 5, 9)),
        (300, None, ("cross_validation", 10, 10, 5, 9)),
        (300, 15, ("cross_validation", 10, 7, 5, 6)),
        (2500, None, ("cross_validation", 3, 10, 3, 9)),
        (25_000, None, ("held_out", 1, 5, 3, None)),
    ],
)
def test_the_size_of_the_table_decides(n_rows, rare, expected):
    assert counts(design_of(n_rows, rare)) == expected


@pytest.mark.parametrize(
    ("n_rows", "rare", "expected"),
    [
        (300, None, ("cross_validation", 100, 5, 1, 4)),
        (2500, None, ("cross_validation", 100, 5, 1, 4)),
        (300, 10, ("cross_validation", 100, 5, 1, 4)),
        (40, None, ("scores_only", 1, 10, 5, None)),
    ],
)
def test_nested_cross_validation_has_many_repeats_of_few_folds(n_rows, rare, expected):
    assert counts(design_of(n_rows, rare, interval="nested")) == expected


def test_rows_that_are_locked_away_leave_nothing_to_nest_and_enough_of_each_class_must_be_among_them():
    with pytest.raises(OptionError, match="nested intervals need cross-validation, but of 25,000 rows a fifth"):
        design_of(25_000, None, interval="nested")
    assert design_of(25_000, None, interval="nested", folds=5).repeats == 100
    assert design_of(25_000, 50).kind == "held_out"
    assert counts(design_of(25_000, 49)) == ("cross_validation", 3, 10, 3, 9)


@pytest.mark.parametrize(
    ("n_rows", "options", "expected"),
    [
        (300, {"repeats": 4}, ("cross_validation", 4, 10, 5, 9)),
        (300, {"folds": 5}, ("cross_validation", 10, 5, 5, 4)),
        (300, {"seeds": 1}, ("cross_validation", 10, 10, 1, 9)),
        (300, {"repeats": 2, "folds": 3, "seeds": 4}, ("cross_validation", 2, 3, 4, 2)),
        (300, {"repeats": 7, "interval": "nested"}, ("cross_validation", 7, 5, 1, 4)),
        (300, {"quick": True}, ("cross_validation", 1, 10, 3, 9)),
        (300, {"quick": True, "seeds": 2}, ("cross_validation", 1, 10, 2, 9)),
        (300, {"quick": True, "repeats": 2}, ("cross_validation", 2, 10, 3, 9)),
        (40, {"seeds": 2, "folds": 4}, ("scores_only", 1, 4, 2, None)),
        (25_000, {"seeds": 7}, ("held_out", 1, 5, 7, None)),
        (25_000, {"repeats": 2}, ("cross_validation", 2, 5, 3, 4)),
        (25_000, {"folds": 10}, ("cross_validation", 1, 10, 3, 9)),
    ],
    ids=str,
)
def test_what_is_asked_for_comes_in_its_place(n_rows, options, expected):
    design = design_of(n_rows, **options)
    assert counts(design) == expected
    assert design.locked_share == (0.2 if design.kind == "held_out" else 0.0)
    assert design.quick == (options.get("quick", False) and "repeats" not in options)


@pytest.mark.parametrize(
    ("n_rows", "options", "words"),
    [
        (300, {}, "300 rows: 10 x 10 folds x 5 seeds"),
        (300, {"seeds": 2}, "300 rows: 10 x 10 folds x 2 seeds, as asked for"),
        (300, {"quick": True}, "300 rows: a first look, 1 x 10 folds x 3 seeds"),
        (300, {"interval": "nested"}, "300 rows: 100 x 5 folds x 1 seed"),
        (40, {"seeds": 2}, "40 rows are too few to tell candidates apart (a verdict needs 50 rows)"),
        (
            25_000,
            {"seeds": 7},
            "25000 rows: a fifth is locked away and looked at once, the rest chooses in 5 folds x 7",
        ),
    ],
    ids=str,
)
def test_the_reason_says_what_will_be_done(n_rows, options, words):
    assert design_of(n_rows, **options).reason.startswith(words)


def test_a_quick_look_is_quick_with_nested_intervals_too():
    assert design_of(300, interval="nested", quick=True).repeats < design_of(300, interval="nested").repeats


def test_splits_are_dealt_by_the_design_and_locked_rows_by_its_share():
    rng = np.random.default_rng(0)
    for n_rows, n_splits, n_test in ((40, 10, 4), (300, 100, 30), (2500, 30, 250), (25_000, 1, 5000)):
        table = table_from_arrays(rng.normal(size=(n_rows, 2)), np.arange(n_rows) % 2)
        spec = specify(table, "relu:3", recipe=Recipe(), baselines=[])
        splits = spec.splits()
        assert len(splits) == n_splits
        assert {len(split.test) for split in splits} == {n_test}
        assert all((np.diff(split.train) > 0).all() and (np.diff(split.test) > 0).all() for split in splits)


def test_what_cannot_be_dealt_is_refused():
    with pytest.raises(TargetError, match="at least 2 rows"):
        design_of(100, rare=1)
    with pytest.raises(OptionError, match="seeds is 0"):
        design_of(300, seeds=0)
    with pytest.raises(OptionError, match="repeats is 0"):
        design_of(25_000, repeats=0)
