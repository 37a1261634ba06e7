"""Files of a comparison: a document, a picture, and all curves and probabilities."""

import dataclasses
import json
import pathlib
import re
import stat

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import confusion_matrix

from seedbed.errors import OptionError, UnreadableError
from seedbed.evaluation.summaries import summary_from

pytestmark = pytest.mark.usefixtures("plain_charts")

KEYS = {
    "": "schema_version kind command table target task n_rows n_features labels majority_share target_mean target_sd "
    "reference reference_named metric alpha interval plan understood verdicts no_verdict on_these_rows ranking "
    "advice rivals contrasts optimism checks more_repeats_ratio candidates lottery subgroups columns rows "
    "effects survival notes specification seconds curves",
    "metric": "name words greater_is_better margin margin_source of_prior",
    "plan": "kind repeats most_repeats ended folds seeds networks n_groups n_train n_test quick sample_of time_limit "
    "locked_share n_unused reason random_state recipe test_share df tried",
    "advice": "use guess others simpler",
    "verdicts": "candidate reference rule metric difference low high margin p p_adjusted p_better p_better_by_margin "
    "opposite_share accuracy rows_needed rows_factor seed_share n_rows n_train comparisons by_margin short held_out "
    "independent_rows sentence spread",
    "checks": "candidate code message evidence",
    "candidates": "name kind finite networks repeats scores confusion calibration few_words description n_parameters "
    "n_networks n_diverged epochs train_accuracy train_r2 train_loss test_loss note",
    "lottery": "score difference",
    "curves": "score_name title subtitle candidates",
}
SCORES = "accuracy balanced_accuracy recall mcc roc_auc pr_auc brier brier_skill log_loss"
CALIBRATION = "miscalibration discrimination uncertainty ece ece_if_calibrated ece_if_calibrated_high curve band counts"


@pytest.fixture(scope="module")
def saved(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "new" / "folder"
    return folder, comparison.save(folder)


def test_exactly_the_documented_files_are_written(saved):
    folder, paths = saved
    names = ("comparison.json", "report.html", "curves.safetensors", "sha256sums.txt")
    assert paths == [folder / name for name in names]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in paths)


def test_pictures_are_written_in_the_given_format(comparison, tmp_path):
    comparison.save(tmp_path, pictures="svg")
    assert list(tmp_path.glob("*.svg"))
    assert not list(tmp_path.glob("*.png"))
    with pytest.raises(OptionError, match="pictures can't be written as 'bmp'"):
        comparison.save(tmp_path, pictures="bmp")


def test_the_document_has_exactly_these_keys(saved, comparison):
    document = json.loads((saved[0] / "comparison.json").read_text(), parse_constant=pytest.fail)
    for place, keys in KEYS.items():
        found = document[place] if place else document
        for part in found if isinstance(found, list) else [found]:
            assert sorted(part) == sorted(keys.split()), place
    for one in document["candidates"]:
        assert sorted(one["scores"]) == sorted(SCORES.split())
        assert sorted(one["calibration"]) == sorted(CALIBRATION.split())
        assert sorted(one["scores"]["brier"]) == ["fold_sd", "high", "low", "mean", "pooled", "seed_sd"]
    assert [len(document[key]) for key in ("verdicts", "no_verdict", "ranking", "candidates")] == [2, 0, 3, 3]
    assert {key: document[key] for key in document if key != "curves"} == comparison.to_dict()
    assert document["schema_version"] == 6


def test_a_summary_that_lacks_newer_keys_is_read_and_one_of_another_type_refused(saved, comparison):
    document = json.loads((saved[0] / "comparison.json").read_text())
    older = {key: value for key, value in document.items() if key not in ("understood", "on_these_rows")}
    older["plan"] = {key: value for key, value in document["plan"].items() if key not in ("tried", "df")}
    assert summary_from(older) == comparison.conclusion
    with pytest.raises(UnreadableError, match=r"expected `float`, got `str` - at `\$\.alpha`\. Run it again"):
        summary_from(document | {"alpha": "much"})
    with pytest.raises(UnreadableError, match="the kind 'poem', which isn't known"):
        summary_from(document | {"kind": "poem"})


def test_confusion_is_the_share_of_rows_by_true_and_predicted_class(comparison, arrays):
    for one in comparison.to_dict()["candidates"]:
        p = comparison[one["name"]].predictions
        expected = confusion_matrix(np.broadcast_to(arrays[1], p.shape).ravel(), p.ravel() > 0.5, normalize="all")
        np.testing.assert_allclose(one["confusion"], expected)


def test_the_arrays_contain_every_curve_and_probability(comparison, saved):
    arrays = load_file(saved[0] / "curves.safetensors")
    curves = ("train_loss", "train_score", "test_loss", "test_score")
    of_each = (*curves, "predictions", "networks", "epochs", "dead")
    of_networks = {f"{name}/{key}" for name in ("linear:3", "tanh:4") for key in of_each}
    assert arrays.keys() == of_networks | {"prior/predictions", "prior/networks"}
    for name in ("linear:3", "tanh:4", "prior"):
        assert (arrays[f"{name}/predictions"].shape, arrays[f"{name}/networks"].shape) == ((2, 1, 60), (2, 3, 60))
        np.testing.assert_array_equal(arrays[f"{name}/networks"], comparison[name].singles)
    for name in ("linear:3", "tanh:4"):
        for number, key in enumerate(curves):
            assert arrays[f"{name}/{key}"].shape == (4, 18)
            np.testing.assert_array_equal(arrays[f"{name}/{key}"], comparison[name].curves[number])
        np.testing.assert_array_equal(arrays[f"{name}/predictions"], comparison[name].predictions)
    assert {array.dtype for name, array in arrays.items() if not name.endswith("/epochs")} == {np.dtype("float32")}


def test_a_failed_write_keeps_the_old_file_and_leaves_no_partial_one(comparison, tmp_path):
    comparison.save(tmp_path)
    before = (tmp_path / "comparison.json").read_bytes()
    broken = dataclasses.replace(
        comparison, conclusion=dataclasses.replace(comparison.conclusion, seconds=float("nan"))
    )
    with pytest.raises(ValueError, match="JSON"):
        broken.save(tmp_path)
    assert (tmp_path / "comparison.json").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4


def test_every_key_of_the_summary_is_documented(saved):
    pages = pathlib.Path(__file__).parents[2] / "docs" / "summary.md"
    explained = {
        key for line in re.findall(r"^\| (`.*?) \|", pages.read_text(), re.MULTILINE) for key in line.split("`")[1::2]
    }
    assert explained >= json.loads((saved[0] / "comparison.json").read_text()).keys()


def test_calibration_refers_to_the_mean_over_repeats_and_seeds(comparison, arrays):
    found = comparison["linear:3"].calibration
    p = comparison["linear:3"].predictions.astype(np.float64).mean(axis=(0, 1))
    brier = found.miscalibration - found.discrimination + found.uncertainty
    assert brier == pytest.approx(np.mean((p - arrays[1]) ** 2), abs=1e-12)
    assert 0 <= found.ece_if_calibrated < found.ece_if_calibrated_high < 1
    assert found.ece >= abs(np.mean(p - arrays[1])) - 1e-12
