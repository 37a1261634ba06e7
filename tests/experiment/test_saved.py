"""Files of a comparison: a document, a picture, and all curves and probabilities."""

import json
import pathlib
import re
import stat

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file
from sklearn.metrics import confusion_matrix

from seedbed.errors import UnreadableError
from seedbed.evaluation.summaries import summary_from

pytestmark = pytest.mark.usefixtures("plain_charts")


@pytest.fixture(scope="module")
def saved(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "new" / "folder"
    return folder, comparison.save(folder)


def test_exactly_the_documented_files_are_written(saved):
    folder, paths = saved
    names = ("comparison.json", "report.html", "curves.safetensors")
    assert paths == [folder / name for name in names]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in paths)


def test_a_summary_that_lacks_newer_keys_is_read(saved, comparison):
    document = json.loads((saved[0] / "comparison.json").read_text())
    older = {key: value for key, value in document.items() if key != "understood"}
    older["plan"] = {
        key: value
        for key, value in document["plan"].items()
        if key not in ("tried", "df")
    }
    assert summary_from(older) == comparison.conclusion
    message = r"expected `float`, got `str` - at `\$\.alpha`\. Run it again"
    with pytest.raises(UnreadableError, match=message):
        summary_from(document | {"alpha": "much"})
    with pytest.raises(UnreadableError, match="the kind 'poem', which isn't known"):
        summary_from(document | {"kind": "poem"})


def test_confusion_is_the_share_of_rows_by_true_and_predicted_class(comparison, arrays):
    for one in comparison.to_dict()["candidates"]:
        p = comparison[one["name"]].predictions
        expected = confusion_matrix(
            np.broadcast_to(arrays[1], p.shape).ravel(),
            p.ravel() > 0.5,
            normalize="all",
        )
        assert_allclose(one["confusion"], expected)


def test_the_arrays_contain_every_curve_and_probability(comparison, saved):
    arrays = load_file(saved[0] / "curves.safetensors")
    curves = ("train_loss", "train_score", "test_loss", "test_score")
    of_each = (*curves, "predictions", "networks", "epochs")
    of_networks = {
        f"{name}/{key}" for name in ("linear:3", "tanh:4") for key in of_each
    }
    assert arrays.keys() == of_networks | {"prior/predictions", "prior/networks"}
    for name in ("linear:3", "tanh:4", "prior"):
        assert arrays[f"{name}/predictions"].shape == (2, 1, 60)
        assert arrays[f"{name}/networks"].shape == (2, 3, 60)
        assert_array_equal(arrays[f"{name}/networks"], comparison[name].singles)
    for name in ("linear:3", "tanh:4"):
        for number, key in enumerate(curves):
            assert arrays[f"{name}/{key}"].shape == (4, 18)
            assert_array_equal(arrays[f"{name}/{key}"], comparison[name].curves[number])
        assert_array_equal(arrays[f"{name}/predictions"], comparison[name].predictions)
    assert {
        array.dtype for name, array in arrays.items() if not name.endswith("/epochs")
    } == {np.dtype("float32")}


def test_every_key_of_the_summary_is_documented(saved):
    pages = pathlib.Path(__file__).parents[2] / "docs" / "summary.md"
    explained = {
        key
        for line in re.findall(r"^\| (`.*?) \|", pages.read_text(), re.MULTILINE)
        for key in line.split("`")[1::2]
    }
    assert explained >= json.loads((saved[0] / "comparison.json").read_text()).keys()


def test_calibration_refers_to_the_mean_over_repeats_and_seeds(comparison, arrays):
    found = comparison["linear:3"].calibration
    p = comparison["linear:3"].predictions.astype(np.float64).mean(axis=(0, 1))
    brier = found.miscalibration - found.discrimination + found.uncertainty
    assert brier == pytest.approx(np.mean((p - arrays[1]) ** 2), abs=1e-12)
    assert 0 <= found.ece_if_calibrated < found.ece_if_calibrated_high < 1
    assert found.ece >= abs(np.mean(p - arrays[1])) - 1e-12
