"""The folder of a run: one writer, one specification, and clear errors."""

import os
import re
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from numpy.testing import assert_array_equal
from sklearn.naive_bayes import GaussianNB

import seedbed as sb
from seedbed.errors import OptionError
from seedbed.experiment import sizes
from seedbed.experiment.checkpoint import Checkpoint
from seedbed.experiment.run_folder import open_folder
from seedbed.experiment.specification_file import read_specification

from .conftest import StopError
from .test_rows import frame

pytestmark = pytest.mark.usefixtures("plain_charts")

WORDS = {"candidates": ["relu:3"], "baselines": ["prior"], "repeats": 2}


def stop(progress):
    raise StopError


@pytest.fixture
def begun(small, tmp_path):
    """A function that starts a run in a folder and stops it after its first fits are stored."""

    def stop_later(progress):
        if progress.repeats:
            raise StopError

    def begin():
        with pytest.raises(StopError):
            small(**WORDS, folder=tmp_path, on_progress=stop_later)

    return begin


def refusal(small, folder, *table, **options):
    with pytest.raises(OptionError) as error:
        small(*table, **{**WORDS, **options}, folder=folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 5}, "candidates relu:3 epochs was 4, is 5"),
        ({"repeats": 3}, "design repeats was 2, is 3"),
        ({"n_networks": 3}, "n_networks was 2, is 3"),
        ({"random_state": 1}, "splits differ; random_state was 0, is 1"),
        ({"metric": "accuracy"}, "metric was brier, is accuracy"),
        ({"candidates": ["relu:3", "tanh:3"]}, "candidates tanh:3 is new"),
        (
            {"baselines": ["logistic"]},
            "candidates prior is gone; candidates logistic is new",
        ),
        (
            {"baselines": [GaussianNB()]},
            "candidates prior is gone; estimators GaussianNB is new",
        ),
    ],
    ids=str,
)
def test_another_specification_is_refused_with_the_differences(
    small, begun, tmp_path, change, words
):
    begun()
    said = refusal(small, tmp_path, **change)
    assert words in said
    assert said.endswith(
        "Name another folder, or discard that run with overwrite=True."
    )


@pytest.mark.torch
def test_other_cells_and_other_versions_are_named(
    small, begun, arrays, tmp_path, monkeypatch
):
    begun()
    X, y = arrays
    other = X.copy()
    other[0, 0] += 1
    assert "holds another run: the table's cells have changed." in refusal(
        small, tmp_path, other, y
    )
    said = refusal(small, tmp_path, X[1:], y[1:])
    assert "table n_rows was 60, is 59; the table's cells have changed; " in said
    assert re.search(r"; and [23] more\. ", said)
    monkeypatch.setattr(
        "seedbed.experiment.specification_file.versions", lambda: {"torch": "99"}
    )
    monkeypatch.setattr("seedbed.experiment.run_folder._NAMED", 9)
    assert re.search(
        r"versions torch was 2\S+, is 99; .*versions numpy is gone",
        refusal(small, tmp_path),
    )


def test_a_finished_run_is_replaced_only_with_overwrite(small, tmp_path):
    small(**WORDS, folder=tmp_path)
    assert "holds another run: candidates relu:3 epochs was 4, is 5" in refusal(
        small, tmp_path, epochs=5
    )
    with pytest.raises(StopError):
        small(
            **{**WORDS, "epochs": 5, "overwrite": True},
            folder=tmp_path,
            on_progress=stop,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["experiment.json"]


@pytest.mark.few(1)
@pytest.mark.parametrize("options", [{}, {"recipe": "default", "lr": None}], ids=str)
def test_a_finished_run_is_read_back_unchanged(small, tmp_path, same, options):
    whole = small(**WORDS, **options, folder=tmp_path)
    # training would raise
    again = small(**WORDS, **options, folder=tmp_path, on_progress=stop)
    assert again.to_dict() == {**whole.to_dict(), "seconds": again.to_dict()["seconds"]}
    assert again.conclusion.curves == whole.conclusion.curves
    same(again["relu:3"], whole["relu:3"])


@pytest.mark.slow
def test_a_finished_run_of_a_network_that_was_edited_is_trained_again(small, tmp_path):
    code = tmp_path / "net.py"
    code.write_text(
        "from torch import nn\ndef net(n_features, n_outputs): return nn.Linear(n_features, n_outputs)\n"
    )
    options = dict(
        candidates=[f"{code}:net"], baselines=["prior"], folder=tmp_path / "run"
    )
    small(**options)
    small(**options, on_progress=stop)
    code.write_text(
        code.read_text().replace("nn.Linear", "nn.Sequential(nn.Tanh(), nn.Linear")
        + ")"
    )
    with pytest.raises(StopError):
        small(**options, on_progress=stop)


def test_a_run_without_stored_work_does_not_block_another(small, planned, tmp_path):
    with open_folder(planned("relu:3", "linear:3"), tmp_path):
        pass
    small(**WORDS, epochs=5, folder=tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "\0"])
def test_an_unreadable_specification_is_rewritten(planned, tmp_path, content):
    (tmp_path / "experiment.json").write_text(content)
    with open_folder(planned("relu:3", "linear:3"), tmp_path):
        assert read_specification(tmp_path)["reference"] == "relu:3"


def test_a_second_writer_is_refused_and_the_first_continues(planned, tmp_path):
    plan, said = planned("relu:3", "linear:3"), []

    def second():
        try:
            with open_folder(plan, tmp_path):
                said.append("in")
        except OptionError as error:
            said.append(str(error))

    with open_folder(plan, tmp_path):
        rival = threading.Thread(target=second)
        rival.start()
        rival.join()
    second()
    assert said == [
        f"another process is writing to {tmp_path}. Wait until it has ended, or name another folder.",
        "in",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["experiment.json"]


def test_a_killed_writer_leaves_no_lock(planned, tmp_path):
    code = (
        "import os, signal, sys; from filelock import FileLock; FileLock(sys.argv[1]).acquire(); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / ".writer"], check=False)
    assert (tmp_path / ".writer").exists()
    with open_folder(planned("relu:3", "linear:3"), tmp_path):
        pass


@pytest.mark.parametrize("place", ["a file", "a file/below"])
def test_a_file_in_the_way_is_named(planned, tmp_path, place):
    (tmp_path / "a file").write_text("mine")
    message = r"can't write to .*a file.*: .* Name another folder\."
    with pytest.raises(OptionError, match=message):
        open_folder(planned("relu:3", "linear:3"), tmp_path / place).__enter__()


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of a few kilobytes, which only root can mount."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", place],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        if os.environ.get("SEEDBED_REQUIRE_TMPFS", "0") not in {"", "0"}:
            pytest.fail(f"no small file system: {done.stderr.decode()}")
        pytest.skip("only root can mount a small file system")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_reported_and_stored_work_is_kept(small, small_disk, tmp_path):
    options = {**WORDS, "epochs": 400, "folder": small_disk / "run"}
    message = r"can't write to .*run: No space left on device\. Free some space"
    with pytest.raises(OptionError, match=message):
        small(**options)
    names = sorted(path.name for path in (small_disk / "run").iterdir())
    assert {"experiment.json", "unfinished"} <= set(names)
    assert not [name for name in names if name.endswith(".part")]
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    found = small(**options)
    whole = small(**options | {"folder": tmp_path / "whole"})
    assert_array_equal(found["relu:3"].curves, whole["relu:3"].curves)
    one, other = (
        folder / "curves.safetensors"
        for folder in (small_disk / "run", tmp_path / "whole")
    )
    assert one.read_bytes() == other.read_bytes()


def test_a_run_does_not_start_on_a_full_or_read_only_disk(planned, small_disk):
    (small_disk / "large").write_bytes(bytes(94 * 1024))
    message = r"No space left on device\. Name another folder\."
    with pytest.raises(OptionError, match=message):
        open_folder(planned("relu:3", "linear:3"), small_disk).__enter__()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    message = r"Read-only file system\. Name another folder\."
    with pytest.raises(OptionError, match=message):
        open_folder(planned("relu:3", "linear:3"), small_disk / "run").__enter__()


ONE_REPEAT = sb.Design(repeats=1, folds=3, n_networks=2, baselines=["prior"])
FAST = {"candidates": ["linear:5"], "epochs": 5, "lr": 0.1, "design": ONE_REPEAT}


@pytest.mark.slow
def test_rows_use_models_of_a_finished_comparison_in_folder(ask, tmp_path, monkeypatch):
    usual = ask("rows", "example:iris", **FAST)
    sb.compare("example:iris", folder=tmp_path, **FAST)
    monkeypatch.setattr("seedbed.experiment.comparison.run_by_looks", None)
    found = ask("rows", "example:iris", folder=tmp_path, **FAST)
    assert found.conclusion == replace(
        usual.conclusion, seconds=found.conclusion.seconds
    )


@pytest.mark.slow
def test_a_finished_comparison_answers_as_the_functions_do(ask):
    comparison, column = sb.compare("example:iris", **FAST), ["petal length (cm)"]
    others = {name: value for name, value in FAST.items() if name != "candidates"}
    direct = ask(
        "columns", "example:iris", candidates="linear:5", columns=column, **others
    )
    result = comparison.columns("linear:5", column).conclusion.columns
    assert result == direct.conclusion.columns
    result = comparison.rows().conclusion.rows
    assert result == ask("rows", "example:iris", **FAST).conclusion.rows


@pytest.mark.slow
def test_sizes_that_are_done_are_kept_when_a_finished_comparison_is_interrupted(
    ask, tmp_path, monkeypatch
):
    run, kept = sizes.run, []

    def once(plan, folder):
        kept.append(Checkpoint(plan, folder).n_splits)
        if len(kept) == 2:
            raise KeyboardInterrupt
        return run(plan, folder)

    sb.compare(table := frame(400), target="y", folder=tmp_path, **FAST)
    monkeypatch.setattr(sizes, "run", once)
    with pytest.raises(KeyboardInterrupt):
        ask("rows", table, target="y", folder=tmp_path, **FAST)
    ask("rows", table, target="y", folder=tmp_path, **FAST)
    assert [n > 0 for n in kept] == [False, False, True, False, False]
    assert not (tmp_path / "unfinished").exists()
