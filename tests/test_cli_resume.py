"""`seedbed resume`: an interrupted or killed comparison continues from its folder."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from seedbed.experiment import Comparison

pytestmark = pytest.mark.usefixtures("here", "plain_charts")

SMALL = ("compare", "example:moons", "--candidate", "relu:3", "--candidate", "linear:2", "--epochs", "3",
         "--repeats", "1", "--folds", "3", "--seeds", "2", "--recipe", "tutorial", "--jobs", "1",
         "--no-baselines")  # fmt: skip


@pytest.fixture
def begun(call, here, monkeypatch):
    """A function that interrupts a comparison after all training and before any result, and returns its folder."""

    def begin(*arguments, folder="seedbed-out/compare-moons"):
        def interrupt(*arguments, **options):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Comparison, "save", interrupt)
            done = call(*(arguments or SMALL))
        assert done.status == 130
        return here / folder

    return begin


def document(folder):
    found = json.loads((folder / "comparison.json").read_text())
    return {key: value for key, value in found.items() if key != "seconds"}


def test_resume_writes_what_the_command_would_have_written(call, begun, here):
    folder = begun()
    done = call("resume", "seedbed-out/compare-moons")
    assert done.status == 0
    assert "12 of 12 networks are there already" in done.err
    assert not (folder / "unfinished").exists()
    whole = call(*SMALL, "--out", "whole")
    assert done.out == whole.out
    mine, its = document(folder), document(here / "whole")
    assert its.pop("command") == f"{mine.pop('command')} --out whole"
    assert mine == its
    one, other = (place / "curves.safetensors" for place in (folder, here / "whole"))
    assert one.read_bytes() == other.read_bytes()


def test_a_finished_run_is_printed_again_without_training(call, here):
    whole = call(*SMALL)
    before = (here / "seedbed-out" / "compare-moons" / "comparison.json").stat().st_mtime_ns
    done = call("resume", "seedbed-out/compare-moons")
    assert (done.status, done.out) == (0, whole.out)
    assert "finished already" in done.err
    as_json = json.loads(call("resume", "seedbed-out/compare-moons", "--json").out)
    assert as_json["kind"] == "comparison"
    assert (here / "seedbed-out" / "compare-moons" / "comparison.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("stopped", ["seedbed.figures.save_pictures", "seedbed.experiment.comparison.write_report"])
def test_a_run_interrupted_while_drawing_is_not_finished(call, here, monkeypatch, stopped):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stopped, interrupt)
        cut = call(*SMALL, "--format", "svg")
    assert cut.status == 130
    assert "12 of 12 networks are kept in seedbed-out/compare-moons" in cut.err
    assert cut.out.startswith("moons: predicting moon ")  # the verdict is printed
    done = call("resume", "seedbed-out/compare-moons")
    assert (done.status, done.out.splitlines()[2:]) == (0, cut.out.splitlines()[2:])  # the second names the time
    assert (here / "seedbed-out" / "compare-moons" / "report.html").exists()


def test_a_finished_command_shows_its_result_and_runs_again_only_with_overwrite(call, here, monkeypatch):
    whole = call(*SMALL)
    folder = here / "seedbed-out" / "compare-moons"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr("seedbed.experiment.run", None)  # nothing can be trained
        again = call(*SMALL)
    assert (again.status, again.out) == (0, whole.out)
    assert "the run in seedbed-out/compare-moons is finished already; --overwrite trains it again" in again.err
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert "there already" not in call(*SMALL, "--overwrite").err
    assert (folder / "comparison.json").stat().st_mtime_ns > before["comparison.json"]


@pytest.mark.parametrize("seeds", ["1", "3"])
def test_a_finished_train_prints_its_lines_again_without_training(call, here, monkeypatch, seeds):
    words = ("train", "example:moons", "--candidate", "relu:3", "--epochs", "30", "--every", "7", "--seeds", seeds,
             "--engine", "torch", "--jobs", "1")  # fmt: skip
    first = call(*words)
    with monkeypatch.context() as patch:
        patch.setattr("seedbed.experiment.train", None)
        again = call(*words)
    assert (again.status, again.out) == (0, first.out)
    assert "the run in seedbed-out/train-moons is finished already; --overwrite trains it again" in again.err
    assert "Report: " in call(*words, "--overwrite").err
    assert "finished already" in call(*words).err
    assert "Report: " in call(*words, "--lr", "0.5").err
    with (here / "seedbed-out/train-moons/history.csv").open("a") as file:
        file.write("\n")
    assert "history.csv has changed since the run wrote it" in call(*words).err


def test_the_blend_is_suggested_if_it_was_not_compared(call):
    done = call(*SMALL)
    assert "To add:   --candidate auto --out seedbed-out/compare-moons-auto   (a blend; about " in done.err
    assert "To add" not in call(*SMALL, "--candidate", "auto", "--out", "x").err


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
    assert sorted(path.name for path in (here / "seedbed-out").iterdir()) == [
        "compare-moons", "compare-moons-2", "compare-moons-3"
    ]  # fmt: skip


def test_every_verb_refuses_a_run_whose_files_have_changed(call, here):
    call(*SMALL)
    run, folder = "seedbed-out/compare-moons", here / "seedbed-out" / "compare-moons"
    stored = (folder / "comparison.json").read_text()
    (folder / "comparison.json").write_text(stored.replace('"relu:3"', '"relu:4"'))
    for words in (
        SMALL,
        ("resume", run),
        ("report", run),
        ("report", run, "--text"),
        ("train", run, "-o", "m.safetensors"),
    ):
        done = call(*words)
        assert (done.status, done.out) == (2, "")
        assert f"{run}/comparison.json has changed since the run wrote it. Restore it, or run the same" in done.err
    (folder / "comparison.json").write_text(stored)
    assert call("report", run, "--text").status == 0


def test_a_report_that_is_missing_or_cut_short_is_drawn_again(call, here):
    call(*SMALL)
    run, page = "seedbed-out/compare-moons", here / "seedbed-out" / "compare-moons" / "report.html"
    whole = page.read_bytes()
    for words in (SMALL, ("resume", run)):
        for damage in (page.unlink, lambda: page.write_bytes(whole[:1000])):
            damage()
            assert call(*words).status == 0
            assert page.read_bytes() == whole
    before = page.stat().st_mtime_ns
    assert call("resume", run).status == 0
    assert page.stat().st_mtime_ns == before


def test_a_run_of_an_earlier_seedbed_opens_with_a_line_and_a_mixture_of_two_runs_is_not_used(call, here):
    call(*SMALL)
    run, folder = "seedbed-out/compare-moons", here / "seedbed-out" / "compare-moons"
    (folder / "sha256sums.txt").unlink()
    train = ("train", run, "--candidate", "relu:3", "--networks", "2", "-o", "model.safetensors")
    for words in (SMALL, ("resume", run), ("report", run), ("report", run, "--text"), train):
        done = call(*words)
        assert (done.status, done.err.count("has no digests, so a change in its files isn't noticed")) == (0, 1)
    frozen = json.loads((folder / "experiment.json").read_text())
    (folder / "experiment.json").write_text(json.dumps(frozen | {"random_state": 1}))
    done = call(*train)
    assert (done.status, "are of two runs: random_state was 1, is 0" in done.err) == (2, True)


def test_resume_uses_the_options_of_the_command(call, begun):
    folder = begun(*SMALL, "--format", "svg", "--fail-if-worse", "linear:2", "--json", "--quiet")
    done = call("resume", str(folder))
    assert done.err.count("\n") <= 1
    assert json.loads(done.out)["kind"] == "comparison"
    assert (folder / "curves.svg").exists()


def test_resume_accepts_another_folder_and_number_of_processes(call, begun, here, real_table, monkeypatch):
    shutil.copy(real_table("heart_failure.csv"), here / "patients.csv")
    folder = begun("compare", "patients.csv", "--target", "DEATH_EVENT", *SMALL[2:],
                   folder="seedbed-out/compare-patients")  # fmt: skip
    monkeypatch.chdir("/")
    done = call("resume", str(folder), "--jobs", "2", "-q")
    assert (done.status, done.err) == (0, "")
    assert (folder / "report.html").exists()


def test_another_table_is_refused(call, begun, here, real_table):
    shutil.copy(real_table("heart_failure.csv"), here / "patients.csv")
    folder = begun("compare", "patients.csv", "--target", "DEATH_EVENT", *SMALL[2:],
                   folder="seedbed-out/compare-patients")  # fmt: skip
    lines = (here / "patients.csv").read_text().splitlines(keepends=True)
    (here / "patients.csv").write_text("".join(lines[:-1]))
    done = call("resume", str(folder))
    assert done.status == 2
    assert "can't continue as it was begun: table n_rows was 299, is 298; the table's cells have changed; " in done.err
    assert sorted(path.name for path in folder.iterdir()) == ["experiment.json", "unfinished"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "holds no comparison"),
        ("{}", "holds no comparison"),
        (
            '{"command": "sb.compare(frame)"}',
            "was begun in Python: sb.compare(frame). The same call with the same folder",
        ),
        ('{"command": "seedbed compare postgresql://me:***@host/db"}', "password in the command of run isn't stored"),
        ('{"versions": {}}', "was begun in Python"),
        ('{"command": "seedbed compare t.csv"}', "was begun by another version of seedbed. Run the command again"),
        ('{"command": "seedbed compare t.csv", "options": {"table": "t", "old": 1}}', "by another version of seedbed"),
    ],
    ids=str,
)
def test_a_run_that_cannot_continue_is_refused_in_one_line(call, here, content, words):
    (here / "run").mkdir()
    if content is not None:
        (here / "run" / "experiment.json").write_text(content)
    done = call("resume", "run")
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert done.err.count("\n") == 1


OWN = """
from pathlib import Path
from torch import nn
Path("ran").touch()
def net(n_features, n_outputs): return nn.Linear(n_features, n_outputs)
"""


@pytest.fixture
def strange(begun, here):
    """The folder of a comparison of a network in a file that creates a file `ran` when it is imported."""
    (here / "net.py").write_text(OWN)
    folder = begun(*SMALL[:2], "--candidate", "net.py:net", *SMALL[6:])
    (here / "ran").unlink()
    for name in [name for name in sys.modules if name.startswith("seedbed_user_")]:
        del sys.modules[name]  # as in a new process
    return folder


def test_code_named_by_a_folder_is_not_run_without_consent(call, strange, here):
    done = call("resume", "seedbed-out/compare-moons")
    assert (done.status, done.out) == (2, "")
    assert f"the command in seedbed-out/compare-moons runs the Python code in {here / 'net.py'}" in done.err
    assert "if you trust them, add --trust" in done.err
    assert not (here / "ran").exists()
    assert call("resume", "seedbed-out/compare-moons", "--trust").status == 0
    assert (here / "ran").exists()


def test_on_a_terminal_the_user_is_asked_for_consent(call, strange, here, monkeypatch):
    monkeypatch.setattr("seedbed.cli.comparing._is_terminal", lambda stream: True)
    for answer, status in (("", 2), ("n", 2), ("y", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
        done = call("resume", "seedbed-out/compare-moons")
        assert done.status == status
        assert "Do you trust it? [y/N]" in done.err
        assert (here / "ran").exists() == (status == 0)


def test_an_advised_user_network_is_not_imported_without_consent(call, here, monkeypatch):
    (here / "net.py").write_text(OWN)
    call(*SMALL[:2], "--candidate", "net.py:net", *SMALL[6:])
    monkeypatch.setattr("seedbed.experiment.model_plan._named", lambda conclusion, name: conclusion.candidates[0])
    words = ("train", "seedbed-out/compare-moons", "-o", "m.safetensors", "--networks", "2", "-q")
    done = call(*words)
    assert done.status == 2
    assert "is Python code, net.py:net. If you trust it, name it: --candidate net.py:net." in done.err
    assert call(*words, "--candidate", "net.py:net").status == 0


def test_changed_code_is_refused_without_a_question(call, strange, here, monkeypatch):
    monkeypatch.setattr("seedbed.cli.comparing._is_terminal", lambda stream: True)
    (here / "net.py").write_text(OWN + "# more\n")
    done = call("resume", "seedbed-out/compare-moons")
    assert done.status == 2
    assert "net.py isn't the file that the run in seedbed-out/compare-moons was begun with" in done.err
    assert not (here / "ran").exists()


@pytest.mark.parametrize(
    ("words", "doing"),
    [
        ({"design": {"baseline": ["this.Zen(x=1)"]}}, "imports this.Zen(x=1)"),
        ({"design": {"baseline": ["this:Zen"]}}, "imports this:Zen"),
        ({"table": "postgresql://host/db", "columns": {"target": "y"}}, "connects to postgresql://host/db"),
        ({"run": {"cluster": "ray:host:1"}}, "sends the work to ray:host:1"),
        ({"design": {"baseline": ["\x1b[2Jthis.A"]}}, r"imports \x1b[2Jthis.A"),
    ],
)
def test_baselines_and_clusters_also_need_consent(call, here, words, doing):
    (here / "run").mkdir()
    frozen = {"command": "seedbed compare", "options": {"table": "example:moons"} | words}
    (here / "run" / "experiment.json").write_text(json.dumps(frozen))
    done = call("resume", "run")
    assert (done.status, done.out) == (2, "")
    assert f"the command in run {doing}. Look at the code" in done.err
    assert "this" not in sys.modules


def test_report_and_train_refuse_an_unfinished_run(call, begun):
    begun()
    done = call("report", "seedbed-out/compare-moons")
    assert done.status == 2
    assert "To continue it: seedbed resume seedbed-out/compare-moons" in done.err


def test_a_second_process_in_the_same_folder_is_refused(call, begun, here):
    from filelock import FileLock

    folder = begun()
    with FileLock(folder / ".writer"):
        done = call(*SMALL)
    assert done.status == 2
    assert "another run is writing to seedbed-out/compare-moons" in done.err


def test_another_command_in_the_same_folder_needs_overwrite(call, begun):
    other = (*SMALL, "--random-state", "1", "--out", str(begun()))
    done = call(*other)
    assert done.status == 2
    assert "holds another run: " in done.err
    assert call(*other, "--overwrite").status == 0


@pytest.mark.slow
def test_a_killed_run_continues_after_its_workers_ended(here):
    """The whole program, training in threads, is killed during training."""
    seedbed = (sys.executable, "-m", "seedbed")
    compare = (*seedbed, "compare", "example:moons", "--recipe", "tutorial", "--epochs", "400", "--repeats", "2",
               "--jobs", "2", "--no-baselines")  # fmt: skip
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen([*compare, "--out", "cut"], start_new_session=True, **nowhere)
    for _ in range(3000):
        if list(here.glob("cut/unfinished/*.safetensors")) or run.poll() is not None:
            break
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert list(here.glob("cut/unfinished/*.safetensors"))
    done = subprocess.run([*seedbed, "resume", "cut"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "there already" in done.stderr
    subprocess.run([*compare, "--out", "whole"], check=True, **nowhere)
    one, other = (here / folder / "curves.safetensors" for folder in ("cut", "whole"))
    assert one.read_bytes() == other.read_bytes()
