"""The design for a table of a given size, by default and with options."""

import dataclasses

import numpy as np
import pytest

from seedbed.data.reading import table_from_arrays
from seedbed.errors import OptionError, TargetError
from seedbed.experiment.spec import specify
from seedbed.settings.design import Design
from seedbed.settings.recipe import Recipe


def spec_of(n_rows, options=None, **fields):
    """Return an experiment on a table of two classes, unless other fields of it are given."""
    table = table_from_arrays(
        np.arange(2.0 * n_rows).reshape(-1, 2), np.arange(n_rows) % 2
    )
    fields["grouped_by"] = "patient" if fields.pop("named", False) else ""
    design = Design(**{"baselines": [], **(options or {})})
    return specify(
        dataclasses.replace(table, **fields), "relu:3", recipe=Recipe(), design=design
    )


def counts(design):
    return design.kind, design.repeats, design.folds, design.df


@pytest.mark.parametrize(
    ("n_rows", "options", "expected"),
    [
        (300, {"repeats": 2, "folds": 3}, ("cross_validation", 2, 3, 2)),
        (300, {"quick": True}, ("cross_validation", 1, 10, 9)),
        (300, {"quick": True, "repeats": 2}, ("cross_validation", 2, 10, 9)),
        (40, {"folds": 4}, ("scores_only", 1, 4, None)),
        (200_001, {"repeats": 2}, ("cross_validation", 2, 10, 9)),
        (200_001, {"folds": 5}, ("cross_validation", 1, 5, 4)),
    ],
    ids=str,
)
def test_given_options_replace_the_defaults(n_rows, options, expected):
    design = spec_of(n_rows, options).design
    assert counts(design) == expected
    assert design.locked_share == (0.2 if design.kind == "held_out" else 0.0)
    assert design.quick == (options.get("quick", False) and "repeats" not in options)


@pytest.mark.parametrize(("n_rows", "n_networks"), [(300, 8), (11_999, 8), (12_000, 4)])
def test_a_model_has_eight_networks_or_four_with_many_rows(n_rows, n_networks):
    assert spec_of(n_rows).n_networks == n_networks
    assert spec_of(n_rows, {"n_networks": 3}).n_networks == 3


def test_splits_and_held_out_rows_follow_the_design():
    designs = (
        (40, 10, 4),
        (300, 100, 30),
        (2500, 30, 250),
        (25_000, 10, 2500),
        (200_010, 1, 40_002),
    )
    for n_rows, n_splits, n_test in designs:
        splits = spec_of(n_rows).splits()
        assert len(splits) == n_splits
        assert {len(split.test) for split in splits} == {n_test}
        assert all(
            (np.diff(split.train) > 0).all() and (np.diff(split.test) > 0).all()
            for split in splits
        )


def test_impossible_designs_are_refused():
    with pytest.raises(TargetError, match="Too few rows: 1 outside the largest class"):
        spec_of(100, target=(np.arange(100) == 0).astype(int))
    for name in ("n_networks", "repeats"):
        with pytest.raises(OptionError, match=f"{name} is 0"):
            spec_of(300, {name: 0})


@pytest.mark.parametrize(
    ("n_rows", "n_groups", "named", "expected"),
    [
        (300, 19, True, ("scores_only", 1, 9, None)),
        (300, 20, True, ("cross_validation", 10, 10, 9)),
        (300, 19, False, ("cross_validation", 10, 10, 9)),
        (200_001, 900, True, ("cross_validation", 1, 10, 9)),
        (200_001, 900, False, ("held_out", 1, 1, None)),
    ],
)
def test_a_group_column_counts_its_groups(n_rows, n_groups, named, expected):
    assert (
        counts(
            spec_of(
                n_rows, groups=np.arange(n_rows) // 3 % n_groups, named=named
            ).design
        )
        == expected
    )


@pytest.mark.parametrize(
    ("n_rows", "options", "kind"),
    [
        (300, {}, "held_out"),
        (25_000, {}, "held_out"),
        (40, {}, "scores_only"),
        (300, {"quick": True}, "held_out"),
    ],
    ids=str,
)
def test_with_times_the_latest_fifth_is_held_out(n_rows, options, kind):
    times = np.random.default_rng(1).permutation(n_rows).astype(float)
    spec = spec_of(n_rows, options, times=times)
    assert counts(spec.design) == (kind, 1, 1, None)
    assert "since rows are split by time" in spec.design.reason
    (split,) = spec.splits()
    latest = times >= np.quantile(times, 0.8, method="higher")
    assert split.test.tolist() == np.flatnonzero(latest).tolist()


def test_designs_that_times_make_impossible_are_refused():
    times = np.arange(300.0)
    for name in ("repeats", "folds"):
        message = f"{name} is 2, but rows can be split by time in one way only"
        with pytest.raises(OptionError, match=message):
            spec_of(300, {name: 2}, times=times)
    of_one_class = np.arange(300) % 2 * 1000.0  # class 1 comes after class 0
    message = "all 150 training rows are of the class with code 0"
    with pytest.raises(TargetError, match=message):
        spec_of(300, times=of_one_class).splits()


@pytest.mark.parametrize("n_rare", [1, 5, None])
def test_a_tiny_class_among_several_does_not_prevent_verdicts(n_rare):
    rows = np.arange(300)
    fields = {"target": rows**2.0, "labels": (), "task": "regression"}
    if n_rare:
        fields = dict(
            target=np.where(rows < n_rare, 2, rows % 2),
            labels=("a", "b", "c"),
            task="multiclass",
        )
    spec = spec_of(300, **fields)
    assert counts(spec.design) == ("cross_validation", 10, 10, 9)
    assert {len(split.test) for split in spec.splits()} == {30}
