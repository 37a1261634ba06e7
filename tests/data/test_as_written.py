"""Text that is numbers keeps its spelling where that matters, and a prediction doesn't depend on
other rows."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import seedbed as sb
from seedbed.data.reading import read_table

LEVELS = np.array(["1.1", "1.10", "1.0b"])


def test_levels_of_new_rows_are_read_as_written_by_estimators_and_models():
    which = np.arange(300) % 3
    frame = pd.DataFrame(
        {"version": LEVELS[which], "z": np.random.default_rng(0).normal(size=300)}
    )
    classifier = sb.SeedbedClassifier(
        candidate="relu:5", n_networks=2, epochs=60, lr=0.1, random_state=0
    )
    classifier.fit(frame, np.where(which == 1, "yes", "no"))
    alone = frame[which == 1].head(3)
    expected = classifier.predict_proba(frame)[which == 1][:3]
    for found in (
        classifier.predict_proba(alone),
        classifier.model_.predict_proba(alone.to_numpy()),
    ):
        assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("role", ["target", "group"])
def test_long_whole_numbers_and_versions_stay_apart(tmp_path, role):
    path = tmp_path / "table.csv"
    cells = (
        [str(2**60), str(2**60 + 1), "3.5"]
        if role == "target"
        else ["3.1", "3.10", "3.2"]
    )
    path.write_text(
        "a,c,y\n" + "".join(f"{n % 7},{cells[n % 3]},{n // 3 % 2}\n" for n in range(60))
    )
    if role == "target":
        assert len(read_table(path, target="c", task="multiclass").labels) == 3
    else:
        assert read_table(path, target="y", group="c").n_groups == 3


def test_candidates_named_by_versions_are_judged_apart(tmp_path):
    path = tmp_path / "scores.csv"
    rows = [
        f"{name},{fold},{0.8 + fold / 100}"
        for name in ("1.1", "1.10", "1.2")
        for fold in range(10)
    ]
    path.write_text("\n".join(["candidate,fold,accuracy", *rows]))
    assert len(sb.judge(path, folds=10).to_dict()["candidates"]) == 3


@pytest.mark.parametrize("dtype", ["Int64", "UInt64", "int64[pyarrow]"])
def test_whole_numbers_that_are_all_missing_are_an_empty_column(dtype):
    frame = pd.DataFrame(
        {"a": pd.array([None] * 40, dtype), "b": range(40), "y": [0, 1] * 20}
    )
    assert read_table(frame, target="y", numeric=["b"]).feature_names == ("b",)


def test_a_whole_number_that_no_float_holds_is_refused_by_estimators():
    frame = pd.DataFrame({"a": pd.Series([10**400, 2, 3] * 10, dtype=object)})
    message = r"infinite or too large numbers: column 'a' \(10 of 30 cells"
    with pytest.raises(ValueError, match=message):
        sb.SeedbedClassifier().fit(frame, [0, 1] * 15)
