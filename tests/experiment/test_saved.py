"""What a comparison leaves behind: a document, a picture, and all curves and probabilities."""

import json
import stat

import numpy as np
import pytest
from safetensors.numpy import load_file

NUMBER = (int, float)
SCORE = {"mean": NUMBER, "fold_sd": NUMBER, "seed_sd": NUMBER}
DOCUMENT = {
    "schema_version": int,
    "table": str,
    "target": str,
    "task": str,
    "n_rows": int,
    "n_features": int,
    "labels": {"0": int, "1": int},
    "majority_share": float,
    "reference": str,
    "plan": {
        "repeats": int,
        "folds": int,
        "seeds": int,
        "epochs": int,
        "networks": int,
        "random_state": int,
        "recipe": str,
    },
    "candidates": list,
    "notes": list,
    "seconds": NUMBER,
    "files": list,
}
CANDIDATE = {
    "name": str,
    "n_parameters": int,
    "recipe": str,
    "n_networks": int,
    "n_diverged": int,
    "scores": {"accuracy": SCORE, "log_loss": SCORE, "brier": SCORE, "roc_auc": SCORE},
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


def test_three_files_are_written_and_nothing_is_left_beside_them(saved):
    folder, paths = saved
    assert paths == [folder / name for name in ("comparison.json", "curves.png", "curves.safetensors")]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in (paths[0], paths[2]))
    assert paths[1].read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_document_has_exactly_these_keys_and_types(saved):
    folder, paths = saved
    document = json.loads((folder / "comparison.json").read_text(), parse_constant=refuse)
    assert has_shape(document, DOCUMENT)
    assert all(has_shape(candidate, CANDIDATE) for candidate in document["candidates"])
    assert document["files"] == [str(path) for path in paths]
    assert document["schema_version"] == 1


def test_the_document_says_what_was_done(comparison):
    document = comparison.to_dict()
    assert document["plan"] == {"repeats": 2, "folds": 3, "seeds": 3, "epochs": 4, "networks": 36, "random_state": 7,
                                "recipe": "SGD, lr 0.5, full batch, 4 epochs"}  # fmt: skip
    assert [one["name"] for one in document["candidates"]] == ["linear:3", "tanh:4"]
    assert [one["n_parameters"] for one in document["candidates"]] == [16, 21]
    assert document["reference"] == "tanh:4"
    assert document["seconds"] == round(comparison.seconds, 2) > 0


def test_the_arrays_hold_every_curve_and_probability(comparison, saved):
    arrays = load_file(saved[0] / "curves.safetensors")
    curves = ("train_loss", "train_score", "test_loss", "test_score")
    assert arrays.keys() == {f"{name}/{key}" for name in ("linear:3", "tanh:4") for key in (*curves, "probabilities")}
    for name in ("linear:3", "tanh:4"):
        for number, key in enumerate(curves):
            assert arrays[f"{name}/{key}"].shape == (4, 18)
            np.testing.assert_array_equal(arrays[f"{name}/{key}"], comparison[name].curves[number])
        np.testing.assert_array_equal(arrays[f"{name}/probabilities"], comparison[name].probabilities)
    assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}


def test_saving_again_replaces_the_files(comparison, saved):
    folder, _ = saved
    (folder / "comparison.json").write_text("old")
    comparison.save(folder)
    assert json.loads((folder / "comparison.json").read_text())["task"] == "binary"


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_half(comparison, tmp_path, monkeypatch):
    comparison.save(tmp_path)
    before = (tmp_path / "comparison.json").read_bytes()
    monkeypatch.setattr(comparison, "to_dict", lambda: {"seconds": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        comparison.save(tmp_path)
    assert (tmp_path / "comparison.json").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_the_plot_is_a_chart_and_a_file(comparison, tmp_path):
    chart = comparison.plot(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text().startswith("<svg")
    assert "hconcat" in chart.to_dict()
    summary = comparison.curves()
    assert summary["title"] == "y of arrays"
    assert summary["subtitle"] == "SGD, lr 0.5, full batch, 4 epochs; 6 splits x 3 seeds"
    assert [one["n_networks"] for one in summary["candidates"]] == [18, 18]
