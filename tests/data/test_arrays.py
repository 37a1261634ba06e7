"""X and y given as separate arrays."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from seedbed.data.reading import table_from_arrays
from seedbed.errors import ColumnError, DataError, TargetError

X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array([0, 1, 1]), ("0", "1")),
        (np.array([0.0, 1.0, 1.0]), ("0", "1")),
        (np.array([False, True, True]), ("False", "True")),
        (["no", "yes", "yes"], ("no", "yes")),
        (np.array([[0], [1], [1]]), ("0", "1")),
        (pd.Series([0, 1, 1], dtype="Int64"), ("0", "1")),
        (pd.Series(["a", "b", "b"], dtype="category"), ("b", "a")),
        (pl.Series([2**60, 2**60 + 1, 2**60 + 1]), (str(2**60 + 1), str(2**60))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_kind_of_target_is_coded(y, labels):
    table = table_from_arrays(X, y)
    first, second = sorted(labels)
    assert table.labels == labels
    assert [labels[code] for code in table.target] == [first, second, second]


def test_tensors_are_read():
    import torch

    table = table_from_arrays(
        torch.tensor(X, requires_grad=True), torch.tensor([0.0, 1.0, 1.0])
    )
    assert table.labels == ("0", "1")
    assert table.target.tolist() == [0, 1, 1]
    assert table.features.tolist() == X.tolist()


@pytest.mark.parametrize(
    "features", [X.tolist(), X.astype(np.float32), X.astype(object), X.astype(str)]
)
def test_any_kind_of_matrix_is_read(features):
    table = table_from_arrays(features, [0, 1, 1])
    assert table.features.tolist() == X.tolist()
    assert table.feature_names == ("x0", "x1")


def test_a_frame_brings_its_names_and_arrays_are_copied():
    frame = pd.DataFrame({"height": [1, 2, 3], "y": [4.0, 5.0, 6.5]}, index=[7, 8, 9])
    table = table_from_arrays(frame, pd.Series([1, 0, 1], name="sick"))
    assert (table.feature_names, table.target_name) == (("height", "y"), "sick")
    assert table_from_arrays(frame, [1, 0, 1]).target_name not in frame.columns
    mine, target = X.copy(), np.array([0, 1, 1])
    table = table_from_arrays(mine, target)
    mine[0, 0], target[0] = 99.0, 1
    assert (table.features[0, 0], table.target[0]) == (1.0, 0)


@pytest.mark.parametrize(
    ("bad", "y", "error", "words"),
    [
        (
            X * [np.nan, np.nan],
            [0, 1, 1],
            DataError,
            "column 'x0' is left out: it has no values",
        ),
        (
            np.where(X == 4, np.inf, X),
            [0, 1, 1],
            ColumnError,
            "infinite or too large numbers: column 'x1' (1 of 3",
        ),
        (X, [0, 1], DataError, "X has 3 rows and y has 2"),
        (X[:, 0], [0, 1, 1], DataError, "X has shape (3,), not [row, feature]"),
        ([[1], [1, 2]], [0, 1], DataError, "X can't be converted to an array"),
        (X, [1, 1, 1], TargetError, "one class only, '1'"),
        (
            X,
            [0, 1, np.inf],
            TargetError,
            "1 infinite or too large numbers, first in row 2",
        ),
        (X, [0, np.nan, 1], TargetError, "missing in 1 of 3 rows, first in row 1"),
        (X[:, :0], [0, 1, 1], DataError, "no feature"),
    ],
)
def test_unusable_arrays_are_refused_with_a_reason(bad, y, error, words):
    with pytest.raises(error) as caught:
        table_from_arrays(bad, y)
    assert words in str(caught.value)
