"""The example tables included in the package."""

import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_moons,
)

from seedbed.data.reading import read_table
from seedbed.data.sources.opening import EXAMPLES, HEART_FAILURE_SHA256, read_source


@pytest.mark.few(4)
@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"heart-failure"}))
def test_an_example_needs_no_network_and_is_the_same_each_time(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    one, other = read_table(f"example:{name}"), read_table(f"example:{name}")
    assert_array_equal(one.features, other.features)
    assert one.name == name
    assert one.target_name == EXAMPLES[name].target
    assert np.bincount(one.target).min() > len(one.target) / (2 * len(one.labels) + 1)
    assert "\n" not in EXAMPLES[name].description


def test_breast_cancer_counts_malignant_as_positive():
    bunch, table = load_breast_cancer(), read_table("example:breast-cancer")
    assert (table.target_name, table.labels) == ("diagnosis", ("benign", "malignant"))
    assert table.feature_names == tuple(bunch.feature_names)
    assert_array_equal(table.features, bunch.data)
    assert_array_equal(table.target, bunch.target_names[bunch.target] == "malignant")
    assert table.target.sum() == 212


@pytest.mark.parametrize(
    ("name", "load"),
    [("iris", load_iris), ("wine", load_wine), ("digits", load_digits)],
)
def test_multiclass_examples_equal_scikit_learns_with_words_as_labels(name, load):
    bunch, source = load(), read_source(f"example:{name}")
    assert source.names == (*bunch.feature_names, source.target)
    assert_array_equal(
        np.transpose([source.numbers(i) for i in range(bunch.data.shape[1])]),
        bunch.data,
    )
    assert source.cells(bunch.data.shape[1]) == [
        str(bunch.target_names[code]) for code in bunch.target
    ]


def test_moons_equal_scikit_learns():
    points, target = make_moons(n_samples=500, noise=0.3, random_state=0)
    table = read_table("example:moons")
    assert (table.feature_names, table.target_name) == (("x1", "x2"), "moon")
    assert_array_equal(table.features, points)
    assert_array_equal(table.target, target)


def test_heart_failure_is_read_from_a_given_folder(real_table, tmp_path, monkeypatch):
    shutil.copy(real_table("heart_failure.csv"), tmp_path)
    monkeypatch.setenv("SEEDBED_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pooch", None)
    table = read_table("example:heart-failure")
    assert table.n_rows == 299
    assert table.n_features == 12
    assert table.target_name == "DEATH_EVENT"
    assert (table.name, table.target.sum()) == ("heart-failure", 96)


@pytest.fixture
def pooch(tmp_path, monkeypatch):
    """A function that replaces how the library for downloads retrieves a file."""
    about = dict(
        os_cache=lambda name: tmp_path / name,
        get_logger=lambda: SimpleNamespace(setLevel=print),
    )
    return lambda retrieve: monkeypatch.setitem(
        sys.modules, "pooch", SimpleNamespace(retrieve=retrieve, **about)
    )


def test_heart_failure_is_downloaded_once(real_table, tmp_path, monkeypatch, pooch):
    calls = []

    def retrieve(url, known_hash, fname, path):
        calls.append((known_hash, fname, path))
        return str(real_table("heart_failure.csv"))

    pooch(retrieve)
    monkeypatch.setenv("SEEDBED_DATA", str(tmp_path))
    assert read_table("example:heart-failure").n_rows == 299
    assert calls == [
        (f"sha256:{HEART_FAILURE_SHA256}", "heart_failure.csv", tmp_path / "seedbed")
    ]
