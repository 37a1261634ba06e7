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

from seedbed.errors import OptionError

NUMBER, MAYBE = (int, float), (int, float, type(None))
SCORE = {"mean": float, "low": MAYBE, "high": MAYBE, "fold_sd": MAYBE, "seed_sd": MAYBE, "pooled": bool}
SCORES = dict.fromkeys(
    ("accuracy", "balanced_accuracy", "recall", "mcc", "roc_auc", "pr_auc", "brier", "brier_skill", "log_loss"), SCORE
)
RUNS = {"name": str, "words": str, "edges": list, "runs": list}
DOCUMENT = {
    "schema_version": int,
    "kind": str,
    "command": str,
    "table": str,
    "target": str,
    "task": str,
    "n_rows": int,
    "n_features": int,
    "labels": {"0": int, "1": int},
    "majority_share": float,
    "reference": str,
    "metric": {
        "name": str,
        "words": str,
        "greater_is_better": bool,
        "margin": float,
        "margin_source": str,
        "of_prior": float,
    },
    "alpha": float,
    "interval": str,
    "plan": {
        "kind": str,
        "repeats": int,
        "folds": int,
        "seeds": int,
        "networks": int,
        "n_train": int,
        "n_test": int,
        "quick": bool,
        "sample_of": type(None),
        "time_limit": type(None),
        "shortened": str,
        "epochs": type(None),
        "locked_share": float,
        "n_unused": int,
        "reason": str,
        "random_state": int,
        "recipe": str,
    },
    "verdicts": list,
    "no_verdict": list,
    "ranking": list,
    "brackets": list,
    "top": {
        "name": str,
        "winner": str,
        "among": int,
        "apparent": float,
        "expected": float,
        "low": float,
        "high": float,
    },
    "sweeps": list,
    "advice": {
        "use": str,
        "guess": bool,
        "best": str,
        "undecided": list,
        "network": str,
        "first": str,
        "among": list,
        "as_good": list,
        "ahead": list,
        "no_gain": bool,
    },
    "rivals": list,
    "checks": list,
    "more_repeats_ratio": float,
    "candidates": list,
    "lottery": {"score": RUNS, "difference": RUNS},
    "notes": list,
    "specification": dict,
    "seconds": NUMBER,
    "curves": {"score_name": str, "title": str, "subtitle": str, "candidates": list},
}
VERDICT = {
    "candidate": str,
    "reference": str,
    "rule": str,
    "metric": str,
    "difference": float,
    "low": float,
    "high": float,
    "margin": float,
    "p": float,
    "p_adjusted": float,
    "p_better": float,
    "p_better_by_margin": float,
    "opposite_share": float,
    "accuracy": {"difference": float, "low": float, "high": float},
    "rows_needed": list,
    "rows_factor": float,
    "seed_share": float,
    "n_rows": int,
    "n_train": int,
    "comparisons": int,
    "by_margin": bool,
    "short": str,
    "held_out": bool,
    "independent_rows": type(None),
    "sentence": str,
}
CHECK = {"candidate": str, "code": str, "message": str, "evidence": dict, "advice": str}
CALIBRATION = {
    **dict.fromkeys(
        ("miscalibration", "discrimination", "uncertainty", "ece", "ece_if_calibrated", "ece_if_calibrated_high"), float
    ),
    "curve": {"forecast": list, "observed": list, "rows": list},
    "band": {"forecast": list, "low": list, "high": list},
    "counts": list,
}
BASELINE = {
    "name": str,
    "finite": bool,
    "networks": int,
    "scores": SCORES,
    "confusion": list,
    "calibration": CALIBRATION,
    "kind": str,
    "description": str,
}
CANDIDATE = BASELINE | {
    "n_parameters": int,
    "n_networks": int,
    "n_diverged": int,
    "epochs": {"most": int, "low": int, "median": int, "high": int},
    "lr": {"0.5": int},
    "settled": {"lr": float, "epochs": int},
    "train_accuracy": float,
    "train_loss": float,
    "test_loss": float,
    "lowest_test_loss_epoch": int,
    "note": str,
}


def has_shape(value, shape):
    if not isinstance(shape, dict):
        return isinstance(value, shape)
    return value.keys() == shape.keys() and all(has_shape(value[key], shape[key]) for key in shape)


def refuse(constant):
    raise ValueError(f"{constant} isn't JSON")


@pytest.fixture(scope="module")
def saved(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "new" / "folder"
    return folder, comparison.save(folder)


def test_exactly_the_documented_files_are_written(saved):
    folder, paths = saved
    names = ("comparison.json", "report.html", "curves.png", "curves.safetensors", "sha256sums.txt")
    assert paths == [folder / name for name in names]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in paths)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_pictures_are_written_in_the_given_format(comparison, tmp_path):
    comparison.save(tmp_path, pictures="svg")
    assert len(list(tmp_path.glob("*.svg"))) == 4
    assert not list(tmp_path.glob("*.png"))
    with pytest.raises(OptionError, match="pictures can't be written as 'bmp'"):
        comparison.save(tmp_path, pictures="bmp")


def test_the_document_has_exactly_these_keys_and_types(saved, comparison):
    folder, _ = saved
    document = json.loads((folder / "comparison.json").read_text(), parse_constant=refuse)
    assert has_shape(document, DOCUMENT)
    assert all(has_shape(candidate, CANDIDATE) for candidate in document["candidates"][:2])
    assert has_shape(document["candidates"][2], BASELINE)
    assert all(has_shape(verdict, VERDICT) for verdict in document["verdicts"])
    assert all(has_shape(check, CHECK) for check in document["checks"])
    assert [len(document[key]) for key in ("verdicts", "no_verdict", "ranking", "candidates")] == [2, 0, 3, 3]
    assert len(document["checks"]) > 0
    assert {key: document[key] for key in document if key != "curves"} == comparison.to_dict()
    assert document["schema_version"] == 3


def test_the_document_describes_the_comparison(comparison):
    document = comparison.to_dict()
    reason = "60 rows: 2 x 3 folds x 3 seeds, as asked for"
    assert document["plan"] == {"kind": "cross_validation", "repeats": 2, "folds": 3, "seeds": 3, "networks": 1,
                                "n_train": 40, "n_test": 20, "locked_share": 0.0, "n_unused": 0, "quick": False,
                                "reason": reason, "random_state": 7, "sample_of": None, "time_limit": None,
                                "shortened": "", "epochs": None,
                                "recipe": "SGD, lr 0.5, full batch, 4 epochs"}  # fmt: skip
    assert [one["name"] for one in document["candidates"]] == ["linear:3", "tanh:4", "prior"]
    assert [one["kind"] for one in document["candidates"]] == ["network", "network", "baseline"]
    assert [one["n_parameters"] for one in document["candidates"][:2]] == [16, 21]
    assert [one["lr"] for one in document["candidates"][:2]] == [{"0.5": 6}] * 2
    assert (document["reference"], document["interval"], document["alpha"]) == ("tanh:4", "corrected", 0.05)
    assert document["metric"]["margin"] == pytest.approx(0.02 * document["metric"]["of_prior"])
    assert document["seconds"] == round(comparison.seconds, 2) > 0


def test_confusion_is_the_share_of_rows_by_true_and_predicted_class(comparison, arrays):
    for one in comparison.to_dict()["candidates"]:
        p = comparison[one["name"]].predictions
        expected = confusion_matrix(np.broadcast_to(arrays[1], p.shape).ravel(), p.ravel() > 0.5, normalize="all")
        np.testing.assert_allclose(one["confusion"], expected)


def test_the_arrays_contain_every_curve_and_probability(comparison, saved):
    arrays = load_file(saved[0] / "curves.safetensors")
    curves = ("train_loss", "train_score", "test_loss", "test_score")
    of_each = (*curves, "predictions", "epochs", "lrs", "dead")
    of_networks = {f"{name}/{key}" for name in ("linear:3", "tanh:4") for key in of_each}
    assert arrays.keys() == of_networks | {"prior/predictions"}
    assert arrays["prior/predictions"].shape == (2, 1, 60)
    for name in ("linear:3", "tanh:4"):
        for number, key in enumerate(curves):
            assert arrays[f"{name}/{key}"].shape == (4, 18)
            np.testing.assert_array_equal(arrays[f"{name}/{key}"], comparison[name].curves[number])
        np.testing.assert_array_equal(arrays[f"{name}/predictions"], comparison[name].predictions)
    of_splits = {name: array.dtype for name, array in arrays.items() if name.endswith(("/epochs", "/lrs"))}
    assert {array.dtype for name, array in arrays.items() if name not in of_splits} == {np.dtype("float32")}


def test_saving_again_replaces_the_files(comparison, saved):
    folder, _ = saved
    (folder / "comparison.json").write_text("old")
    comparison.save(folder)
    assert json.loads((folder / "comparison.json").read_text())["task"] == "binary"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_partial_one(comparison, tmp_path):
    comparison.save(tmp_path)
    before = (tmp_path / "comparison.json").read_bytes()
    broken = dataclasses.replace(comparison, document={"seconds": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        broken.save(tmp_path)
    assert (tmp_path / "comparison.json").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 5


def test_the_plot_is_a_chart_and_a_file(comparison, tmp_path):
    chart = comparison.plot(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text().startswith("<svg")
    assert "concat" in chart.to_dict()
    assert "for understanding, not for judging" in str(chart.to_dict()["title"]["subtitle"])
    summary = comparison.curves()
    assert summary["title"] == "y of arrays"
    assert summary["subtitle"] == "SGD, lr 0.5, full batch, 4 epochs; 6 splits x 3 seeds"
    assert [one["n_networks"] for one in summary["candidates"]] == [18, 18]


def test_every_key_of_the_summary_is_documented(saved):
    pages = pathlib.Path(__file__).parents[2] / "docs" / "summary.md"
    explained = {
        key for line in re.findall(r"^\| (`.*?) \|", pages.read_text(), re.MULTILINE) for key in line.split("`")[1::2]
    }
    assert explained >= json.loads((saved[0] / "comparison.json").read_text()).keys()


def test_calibration_refers_to_the_mean_over_repeats_and_seeds(comparison, arrays):
    found = comparison["linear:3"].calibration
    p = comparison["linear:3"].predictions.astype(np.float64).mean(axis=(0, 1))
    brier = found["miscalibration"] - found["discrimination"] + found["uncertainty"]
    assert brier == pytest.approx(np.mean((p - arrays[1]) ** 2), abs=1e-12)
    assert 0 <= found["ece_if_calibrated"] < found["ece_if_calibrated_high"] < 1
    assert found["ece"] >= abs(np.mean(p - arrays[1])) - 1e-12
