"""Whole processes: what a user waits for before anything happens, and for the default
comparison."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from rounds import alternating, say
from workload import Rows

_BARE = [sys.executable, "-c", "pass"]


@dataclass(frozen=True)
class StartUp:
    """Seconds of each run, and whether torch was among what was imported; without runs where it
    failed."""

    label: str
    seconds: list[float]
    imports_torch: bool
    error: str = ""

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass(frozen=True)
class Whole:
    """One run of a command: its seconds, or its error."""

    label: str
    seconds: float | None
    error: str = ""


def seedbed_command() -> list[str]:
    """The console script beside this Python; else the package as a module."""
    script = Path(sys.executable).with_name("seedbed")
    if script.exists() and not _error_of([sys.executable, str(script), "--help"]):
        return [sys.executable, str(script)]
    return [sys.executable, "-m", "seedbed"]


def start_up(runs: int) -> list[StartUp]:
    """The bare interpreter first; then what must not be much slower."""
    command = seedbed_command()
    shown = "seedbed --help" if "-m" not in command else "python -m seedbed --help"
    wanted = {
        "python -c pass": _BARE,
        "import seedbed": [sys.executable, "-c", "import seedbed"],
        shown: [*command, "--help"],
    }
    errors = {label: _error_of(arguments) for label, arguments in wanted.items()}
    working = [label for label, error in errors.items() if not error]
    seconds = dict(
        zip(
            working,
            alternating([partial(_run, wanted[label]) for label in working], runs),
            strict=True,
        )
    )
    return [
        StartUp(
            label,
            seconds.get(label, []),
            bool(seconds.get(label)) and _imports_torch(arguments),
            errors[label],
        )
        for label, arguments in wanted.items()
    ]


def default_comparison(rows: Rows) -> list[Whole]:
    """`seedbed compare` with its defaults, twice: the second time finds the kernel that the first
    has made."""
    table = (
        [str(rows.path), "--target", "DEATH_EVENT"]
        if rows.path
        else ["example:breast-cancer"]
    )
    command = [*seedbed_command(), "compare"]
    shown = f"seedbed compare {Path(table[0]).name} {' '.join(table[1:])}".strip()
    if _error_of([*command, "--help"]):
        return [Whole(shown, None, "the command isn't there yet")]
    runs = []
    with (
        tempfile.TemporaryDirectory() as cache,
        tempfile.TemporaryDirectory() as folder,
    ):
        environment = {
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": cache,
            "XDG_CACHE_HOME": cache,
        }
        for state in ("cold", "warm"):
            say(f"{shown}, {state}")
            start = time.perf_counter()
            error = _error_of([*command, *table], cwd=folder, env=environment)
            seconds = None if error else time.perf_counter() - start
            runs.append(Whole(f"{shown}, {state} cache folder", seconds, error))
            if error:
                break
    return runs


def _run(arguments: list[str]) -> None:
    subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def _error_of(arguments: list[str], **options: object) -> str:
    """The last line of what a failing command says; empty if it succeeds."""
    done = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def _imports_torch(arguments: list[str]) -> bool:
    python, *rest = arguments
    done = subprocess.run(
        [python, "-X", "importtime", *rest],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return any(
        line.rpartition("|")[2].strip() == "torch" for line in done.stderr.splitlines()
    )
