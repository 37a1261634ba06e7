"""An interrupted or killed comparison continues by the same command; a finished one is shown
again."""

import json
import os
import re
import shlex
import shutil
import signal

import pytest

from seedbed.experiment.comparison import Comparison

pytestmark = pytest.mark.usefixtures("here", "plain_charts")

SMALL = """compare example:moons --candidate relu:3 --candidate linear:2 --epochs 3
    --repeats 1 --folds 3 --n-networks 2 --recipe tutorial --n-jobs 1 --no-baselines""".split()


def interrupt(*arguments, **options):
    raise KeyboardInterrupt


@pytest.fixture
def begun(call, here, monkeypatch):
    """A function that interrupts a comparison after all training and before any result, and returns
    its folder."""

    def begin():
        with monkeypatch.context() as patch:
            patch.setattr(Comparison, "save", interrupt)
            done = call(*SMALL, "--json")
        message = "interrupted; 3 fitted splits kept in seedbed-out/compare-moons"
        hint = f"To continue: seedbed {' '.join(SMALL)} --json"
        assert done.status == 130
        assert done.err.splitlines()[-1] == f"seedbed: {message}. {hint}"
        assert json.loads(done.out)["error"] == dict(
            code="interrupted", message=message, hint=hint
        )
        return here / "seedbed-out" / "compare-moons"

    return begin


def document(folder):
    found = json.loads((folder / "comparison.json").read_text())
    return {key: value for key, value in found.items() if key != "seconds"}


def test_the_same_command_writes_what_it_would_have_written_at_once(call, begun, here):
    folder = begun()
    done = call(*SMALL)
    assert done.status == 0
    assert "3 fitted splits in seedbed-out/compare-moons are reused" in done.err
    assert not (folder / "unfinished").exists()
    whole = call(*SMALL, "--out", "whole")
    assert done.out == whole.out
    mine, its = document(folder), document(here / "whole")
    assert its.pop("command") == f"{mine.pop('command')} --out whole"
    assert mine == its
    one, other = (place / "curves.safetensors" for place in (folder, here / "whole"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_a_run_interrupted_while_drawing_is_not_finished(call, here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("seedbed.experiment.comparison.write_report", interrupt)
        cut = call(*SMALL)
    assert cut.status == 130
    assert "3 fitted splits kept in seedbed-out/compare-moons" in cut.err
    assert cut.out.startswith("moons: predicting moon,")  # the verdict is printed
    done = call(*SMALL)
    assert done.status == 0
    # the second names the time
    assert done.out.splitlines()[2:] == cut.out.splitlines()[2:]
    assert (here / "seedbed-out" / "compare-moons" / "report.html").exists()


def test_a_finished_command_shows_its_result(call, here, monkeypatch):
    whole = call(*SMALL)
    folder = here / "seedbed-out" / "compare-moons"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        # nothing can be trained
        patch.setattr("seedbed.experiment.comparison.run_by_looks", None)
        again = call(*SMALL)
    assert (again.status, again.out) == (0, whole.out)
    assert (
        "the run in seedbed-out/compare-moons is finished already; --overwrite trains it again"
        in again.err
    )
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "are reused" not in call(*SMALL, "--overwrite").err
    assert (folder / "comparison.json").stat().st_mtime_ns > before["comparison.json"]


@pytest.mark.slow
def test_another_command_gets_another_folder_and_each_is_shown_again(call, here):
    whole, other = call(*SMALL), (*SMALL, "--random-state", "1")
    done = call(*other)
    said = "compare-moons holds another run, so this one is in seedbed-out/compare-moons-2: "
    assert said in done.err
    assert "random_state was 0, is 1" in done.err
    for command, out in ((SMALL, whole.out), (other, done.out)):
        again = call(*command)
        assert (again.out, "is finished already" in again.err) == (out, True)
    assert "compare-moons-3" in call(*SMALL, "--random-state", "2", "--overwrite").err
    result = sorted(path.name for path in (here / "seedbed-out").iterdir())
    assert result == ["compare-moons", "compare-moons-2", "compare-moons-3"]


@pytest.mark.slow
def test_the_command_that_a_quick_run_names_replaces_it_in_the_same_folder(call, here):
    options = (*SMALL[:8], "--n-networks", "2", "--no-baselines", "--out", "run")
    err = call(*options, "--quick").err
    command = re.search(r"Next: +seedbed (.*?)   \(", err)[1]
    assert call(*shlex.split(command)).status == 0
    assert not document(here / "run")["plan"]["quick"]


OWN = """
from pathlib import Path
from torch import nn
Path("ran").touch()
def net(n_features, n_outputs): return nn.Linear(n_features, n_outputs)
"""


@pytest.mark.slow
@pytest.mark.torch
def test_an_advised_user_network_is_not_imported_without_consent(
    call, here, monkeypatch
):
    (here / "net.py").write_text(OWN)
    call(*SMALL[:2], "--candidate", "net.py:net", *SMALL[6:])
    monkeypatch.setattr(
        "seedbed.experiment.model_plan._find_summary",
        lambda conclusion, *_: conclusion.candidates[0],
    )
    words = "train seedbed-out/compare-moons -o m.safetensors --n-networks 2 -q".split()
    done = call(*words)
    assert done.status == 2
    assert (
        "is Python code, net.py:net. If you trust it, name it: --candidate net.py:net."
        in done.err
    )
    assert call(*words, "--candidate", "net.py:net").status == 0


def test_a_run_of_an_older_seedbed_is_named(call, begun, here):
    begun()
    run, folder = "seedbed-out/compare-moons", here / "seedbed-out" / "compare-moons"
    frozen = json.loads((folder / "experiment.json").read_text())
    (folder / "experiment.json").write_text(json.dumps(frozen | {"schema_version": 1}))
    before = sorted(path.name for path in (folder / "unfinished").iterdir())
    done = call(*SMALL)
    said = f"{run} holds another run, so this one is in {run}-2: it was written by an older seedbed"
    assert (done.status, said in done.err, "are reused" in done.err) == (0, True, False)
    result = call(*SMALL, "--out", run).err
    assert "holds another run: it was written by an older seedbed. " in result
    assert sorted(path.name for path in (folder / "unfinished").iterdir()) == before


@pytest.mark.few(1)
@pytest.mark.product
@pytest.mark.parametrize("kind", ["pipe", "endless"])
@pytest.mark.parametrize(
    "name", ["comparison.json", "experiment.json", "curves.safetensors"]
)
def test_a_pipe_or_an_endless_device_among_the_files_of_a_run_is_not_read(
    call, here, name, kind
):
    call(*SMALL)
    run = "seedbed-out/compare-moons"
    path = here / "seedbed-out" / "compare-moons" / name
    path.unlink()
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    (path.parent / "unfinished").mkdir()
    os.mkfifo(path.parent / "unfinished" / "a.fit")
    signal.alarm(60)  # a read that waits would wait for ever
    try:
        for words in (SMALL, ("report", run), ("columns", run), (*SMALL, "--by", "x1")):
            assert call(*words).status in (0, 2)
    finally:
        signal.alarm(0)


@pytest.mark.slow
def test_a_folder_that_is_removed_during_the_run_is_made_again(call, here, monkeypatch):
    folder = here / "seedbed-out" / "compare-moons"

    def vanish(*_, **__):
        shutil.rmtree(folder)
        return ""

    monkeypatch.setattr("seedbed.report.terminal.comparison_text", vanish)
    assert call(*SMALL, "--details").status == 0
    assert call("report", folder).status == 0
    assert "is finished already" in call(*SMALL).err
