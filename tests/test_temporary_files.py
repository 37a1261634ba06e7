"""Temporary files are deleted at the end of their process or by the next process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seedbed import files

BEGUN = """
import os, sys
from seedbed.files import scratch_folder
(scratch_folder() / "large").write_bytes(bytes(1000))
print(scratch_folder(), flush=True)
"""


@pytest.fixture
def process(tmp_path):
    """A function that starts a process with temporary files and runs the code; the process prints its folder."""

    def start(code):
        found = subprocess.Popen([sys.executable, "-c", BEGUN + code], stdout=subprocess.PIPE, text=True,
                                 stdin=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)})  # fmt: skip
        return found, Path(found.stdout.readline().strip())

    return start


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A function that makes this process create its temporary folder in the same place."""

    def want():
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        files._scratch_folder_in.cache_clear()
        return files.scratch_folder()

    yield want
    files._scratch_folder_in.cache_clear()


def ended(process):
    process.stdin.close()
    process.stdout.close()
    return process.wait()


@pytest.mark.parametrize("code", ["", "raise SystemExit(3)", "1 / 0"])
def test_temporary_files_are_deleted_with_their_process(process, tmp_path, code):
    running, folder = process(code.replace("1 / 0", "sys.stderr.close(); 1 / 0"))
    ended(running)
    assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_killed_process_are_deleted_by_the_next_and_live_ones_kept(process, tmp_path, mine, monkeypatch):
    (killed, its), (living, others) = process("sys.stdin.read()"), process("sys.stdin.read()")
    killed.send_signal(signal.SIGKILL)
    ended(killed)
    (tmp_path / "seedbed-strange").mkdir()
    mine()
    assert its.exists()  # another process may be about to lock it
    monkeypatch.setattr(files, "_SECONDS_TO_LOCK", -1.0)
    own = mine()
    assert not its.exists()
    assert (others / "large").exists()
    assert (tmp_path / "seedbed-strange").is_dir()
    assert own.is_dir()
    ended(living)
    assert not others.exists()


def test_a_forked_process_keeps_temporary_files(process):
    running, folder = process("""
if os.fork() == 0:
    sys.exit()
os.wait()
print((scratch_folder() / "large").exists(), flush=True)
""")
    assert running.stdout.readline() == "True\n"
    ended(running)
    assert not folder.exists()


def test_a_temporary_folder_is_deleted_with_its_block(mine):
    own = mine()
    with files.temporary_folder() as folder:
        assert folder.parent == own
        (folder / "file").write_text("a")
    assert not folder.exists()
