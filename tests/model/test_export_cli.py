"""`seedbed export`: files, messages and errors."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def saved(fitted, tmp_path):
    return fitted().save(tmp_path / "model.safetensors")


def test_export_writes_onnx_and_names_the_file(call, saved, tmp_path):
    assert call("export", saved, "-o", "m.onnx") == (0, "", "wrote m.onnx\n")
    assert call("export", saved, "-o", "m.onnx", "--quiet") == (0, "", "")
    status, out, err = call("export", saved, "--output", "m.onnx", "--json")
    assert (status, json.loads(out), err) == (0, {"files": ["m.onnx"], "notes": []}, "")
    assert (
        call("export", saved, "-o", "m.onnx", "--coverage", 0.8, "--per-class")[0] == 0
    )
    assert b"at a coverage of 0.8 in each class" in Path("m.onnx").read_bytes()
    files = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert files == ["m.onnx"]


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (
            ["-o", "net.py"],
            "can't write an ONNX file to net.py. Name a file that ends in .onnx.",
        ),
        (
            ["-o", "m.pt"],
            "can't write an ONNX file to m.pt. Name a file that ends in .onnx.",
        ),
        (["-o", "none/m.onnx"], "there is no folder none"),
        (
            ["-o", "m.onnx", "--coverage", "0.999"],
            "a coverage of 0.999 needs errors on 999 rows",
        ),
        (
            ["-o", "m.onnx", "--per-class"],
            "per_class is for prediction sets. Give a coverage, such as 0.9.",
        ),
        ([], "--output has no value. See seedbed export --help."),
    ],
)
def test_a_wrong_file_is_refused(call, saved, tmp_path, arguments, reported):
    status, out, err = call("export", saved, *arguments)
    assert (status, out) == (2, "")
    assert reported in err
    assert err.count("\n") == 1
    assert list((tmp_path / "here").iterdir()) == []
