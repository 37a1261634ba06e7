"""A narrow terminal or encoding, or a memory limit: no word is broken, and errors are one clear
line at most."""

import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


def seedbed(*arguments, gigabytes=None, **environment):
    """Run the command in a new process, optionally with a limited address space, and return status,
    stdout and stderr."""
    limit = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({gigabytes} << 30,) * 2)"
        if gigabytes
        else ""
    )
    program = f"{limit}\nfrom seedbed.cli.program import main\nmain()"
    found = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    return (
        found.returncode,
        found.stdout.decode("ascii", "replace"),
        found.stderr.decode("ascii", "replace"),
    )


@pytest.fixture
def table(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "größe"
    folder.mkdir()
    monkeypatch.chdir(folder)
    rows = "".join(f"{number * 7 % 13},{number % 2}\n" for number in range(60))
    (folder / "tä.csv").write_text(f"Größe,ja\n{rows}", encoding="utf-8")
    return folder / "tä.csv"


def test_lines_and_bars_have_a_spelling_in_ascii(table):
    status, out, _ = seedbed(
        "inspect", table, "--target", "ja", PYTHONIOENCODING="ascii"
    )
    expected = (0, False, True)
    assert (status, "?" in out, "\\xfc" in out.lower() or "\\xf6" in out) == expected
    assert "---------" in out
    assert "#" in out


@pytest.mark.few(1)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="of Linux")
@pytest.mark.parametrize(("name", "status"), [("lost.csv", 2), ("tä.csv", 0)])
def test_a_full_error_stream_changes_no_status(table, name, status):
    command = [sys.executable, "-m", "seedbed", "inspect", name]
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(command, stderr=full, stdout=subprocess.PIPE)
    assert (found.returncode, bool(found.stdout)) == (status, status == 0)


@pytest.mark.few(1)
@pytest.mark.parametrize("arguments", [["judge", "scores.csv"], ["examples"]])
def test_no_line_is_longer_than_a_terminal_of_40_columns(table, arguments):
    termios = pytest.importorskip("termios", reason="of POSIX")
    scores = "".join(
        f"{name},{fold},{fold % 7 / 10}\n" for name in "ab" for fold in range(10)
    )
    Path("scores.csv").write_text(f"model,fold,accuracy\n{scores}")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    environment = {
        name: value for name, value in os.environ.items() if name != "COLUMNS"
    }
    command = [sys.executable, "-m", "seedbed", *arguments]
    process = subprocess.Popen(command, stdout=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError), open(ours, "rb", buffering=0) as terminal:  # noqa: PTH123 - it ends with an error
        while chunk := terminal.read(4096):
            shown += chunk
    assert process.wait() == 0
    assert 20 < max(map(len, shown.decode().splitlines())) <= 40


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["inspect", "predict"])
def test_a_name_outside_the_locale_gives_one_line_at_most(table, verb):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = [table] if verb == "inspect" else [table, table]
    status, _, err = seedbed(verb, *arguments, **ascii_only)
    assert (status in (0, 2), "Traceback" in err) == (True, False)
    assert status == 0 or err.count("\n") == 1


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_lines_on_a_terminal_are_folded_between_words(width, monkeypatch, capsys):
    from seedbed.cli.console import print_stderr

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    command = [
        "seedbed",
        "train",
        "a run",
        *"-o model.safetensors --candidate network-2-waves -q".split(),
    ]
    print_stderr("DEATH_EVENT " * 30, f"Next:     {shlex.join(command)}   (saves it)")
    warning, rest = (said := capsys.readouterr().err).split("Next:")
    assert max(map(len, said.splitlines())) <= width
    assert warning.split() == ["DEATH_EVENT"] * 30
    assert shlex.split(rest.partition("(saves it)")[0].replace("\\\n", " ")) == command


LIBRARIES = {
    "numpy": "import numpy; numpy.ones(1 << 33)",
    "torch": pytest.param("import torch; torch.ones(1 << 33)", marks=pytest.mark.slow),
    "python": "bytearray(1 << 35)",
    "duckdb": "import duckdb; c = duckdb.connect(); c.sql(\"set memory_limit='9MB'\"); "
    "c.sql('select list(range) from range(100000000)').fetchall()",
    "behind another error": "\ntry:\n  bytearray(1 << 35)\nexcept MemoryError:\n  raise ValueError('no table')",
}


@pytest.mark.few(1)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.parametrize("work", LIBRARIES.values(), ids=LIBRARIES)
def test_a_lack_of_memory_in_any_library_gives_one_line(work):
    from seedbed.cli import program

    code = f"def inspect(*_, **__):\n  exec({work!r})\n"
    # Below what each library asks for, and above what torch's CUDA build maps on import.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (20 << 30,) * 2)"
    command = f"{code}{limit}\nfrom seedbed.cli import program\nprogram.app = inspect\nprogram.main(['inspect'])"
    found = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=False
    )
    assert program.app is not None
    assert (found.returncode, found.stderr.count("\n")) == (2, 1)
    assert found.stderr.startswith("seedbed: out of memory (")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_a_picture_without_memory_is_an_error_and_the_process_continues(tmp_path):
    code = (
        "import resource; from seedbed.figures.drawing import save_chart; "
        "resource.setrlimit(resource.RLIMIT_AS, (8 << 30,) * 2); "
        f"save_chart({{'mark': 'point'}}, {str(tmp_path / 'a.png')!r})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "the limit of address space is 8,192 MiB" in found.stderr
