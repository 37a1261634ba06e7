"""`seedbed resume`: a comparison goes on from its folder, whoever interrupted or killed it."""

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
         "--repeats", "1", "--folds", "3", "--seeds", "2", "--recipe", "tutorial", "--compile", "no", "--jobs", "1",
         "--no-baselines")  # fmt: skip


@pytest.fixture
def begun(call, here, monkeypatch):
    """A comparison that is interrupted when everything is trained and nothing is written; returns its folder."""

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


def test_it_goes_on_to_what_the_command_would_have_made(call, begun, here):
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


def test_a_finished_run_is_told_again_and_nothing_is_trained(call, here):
    whole = call(*SMALL)
    before = (here / "seedbed-out" / "compare-moons" / "comparison.json").stat().st_mtime_ns
    done = call("resume", "seedbed-out/compare-moons")
    assert (done.status, done.out) == (0, whole.out)
    assert "finished already" in done.err
    as_json = json.loads(call("resume", "seedbed-out/compare-moons", "--json").out)
    assert as_json["kind"] == "comparison"
    assert (here / "seedbed-out" / "compare-moons" / "comparison.json").stat().st_mtime_ns == before


def test_options_of_the_run_are_those_of_the_command(call, begun):
    folder = begun(*SMALL, "--format", "svg", "--fail-if-worse", "linear:2", "--json", "--quiet")
    done = call("resume", str(folder))
    assert done.err.count("\n") <= 1
    assert json.loads(done.out)["kind"] == "comparison"
    assert (folder / "curves.svg").exists()


def test_it_may_be_told_elsewhere_and_how_many_processes_train(call, begun, here, real_table, monkeypatch):
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
    assert "can't go on as it was begun: table n_rows was 299, is 298; the table's cells have changed; " in done.err
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
        ('{"command": "seedbed compare postgresql://me:***@host/db"}', "password in the command of run isn't kept"),
        ('{"versions": {}}', "was begun in Python"),
    ],
    ids=str,
)
def test_what_cannot_go_on_is_refused_in_one_line(call, here, content, words):
    (here / "run").mkdir()
    if content is not None:
        (here / "run" / "experiment.json").write_text(content)
    done = call("resume", "run")
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_who_would_draw_or_take_home_an_unfinished_run_is_told_of_it(call, begun):
    begun()
    done = call("report", "seedbed-out/compare-moons")
    assert done.status == 2
    assert "seedbed resume seedbed-out/compare-moons goes on from what is kept" in done.err


def test_a_second_process_in_the_same_folder_is_refused(call, begun, here):
    from filelock import FileLock

    folder = begun()
    with FileLock(folder / ".writer"):
        done = call(*SMALL)
    assert done.status == 2
    assert "another run is writing to seedbed-out/compare-moons" in done.err


def test_another_command_in_the_same_folder_is_refused_unless_it_may_overwrite(call, begun):
    begun()
    done = call(*SMALL, "--random-state", "1")
    assert done.status == 2
    assert "holds an unfinished run that isn't this one: " in done.err
    assert call(*SMALL, "--random-state", "1", "--overwrite").status == 0


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_workers_gone(here):
    """The whole program, compiled, in two processes, killed while it trains."""
    seedbed = (sys.executable, "-m", "seedbed")
    compare = (*seedbed, "compare", "example:moons", "--recipe", "tutorial", "--epochs", "400", "--repeats", "2",
               "--jobs", "2", "--compile", "yes", "--no-baselines")  # fmt: skip
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen([*compare, "--out", "cut"], start_new_session=True, **nowhere)
    for _ in range(3000):  # compiling takes minutes on a machine that is busy
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
    for name in ("curves.safetensors", "curves.png", "intervals.png", "lottery.png"):
        assert (here / "cut" / name).read_bytes() == (here / "whole" / name).read_bytes()
