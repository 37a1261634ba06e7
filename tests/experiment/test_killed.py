"""A run that is killed at any time, or before any operation on a file, ends with the same files
after it continues."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "killing.py"


def killing(*options):
    done = subprocess.run(
        [sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_kills_at_random_times_change_nothing():
    found = killing("--kills", "12")["random"]
    assert found["differing"] == []
    assert found["kills"] >= 12
    assert found["with_something_kept"] > 6


@pytest.mark.slow
def test_a_kill_before_each_step_changes_nothing():
    found = killing("--steps")["steps"]
    assert found["differing"] == []
    assert found["steps"] > found["states"] > 25
    expected = "open os.chmod os.fsync os.mkdir os.remove os.rename os.rmdir".split()
    assert found["named"] == expected


def test_different_files_are_detected(tmp_path):
    """Check that the comparison of files can fail."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        from killing import Trial, files
    finally:
        sys.path.remove(str(SCRIPT.parent))
    trial = object.__new__(Trial)
    for folder, document in (
        ("whole", {"a": 1, "seconds": 3}),
        ("cut", {"a": 1, "seconds": 4}),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "comparison.json").write_text(json.dumps(document))
        (tmp_path / folder / "curves.safetensors").write_bytes(b"1234")
    trial.whole = files(tmp_path / "whole")
    assert trial.differing(tmp_path / "cut") == []
    (tmp_path / "cut" / "curves.safetensors").write_bytes(b"1235")
    (tmp_path / "cut" / ".left.part").write_bytes(b"")
    assert trial.differing(tmp_path / "cut") == [".left.part", "curves.safetensors"]
