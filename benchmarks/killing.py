"""Pull the plug on a comparison, again and again, and see whether its files come out the same.

    python benchmarks/killing.py --kills 1000     SIGKILL at random instants
    python benchmarks/killing.py --steps          go on from what a SIGKILL before each operation on
                                                  a file leaves

A small comparison is started in a process of its own, killed, and started again until it ends; then
its files must be those of an undisturbed run, byte for byte, except for its duration.
Prints one JSON document and exits with status 1 if any file differs.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

import seedbed as sb
from seedbed.experiment import comparison
from seedbed.experiment.compare import compare
from seedbed.files import write_whole
from seedbed.training.parallel import one_thread

OPTIONS = {
    "candidates": ["relu:3", "linear:3"],
    "recipe": sb.Recipe(lr=0.05),
    "design": sb.Design(
        baselines=["prior", {"mine": LogisticRegression()}],
        repeats=3,
        folds=3,
        n_networks=2,
    ),
    "compute": sb.Compute(n_jobs=1),
}
AUDITED = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kills", type=int, default=0, help="how many SIGKILLs at random instants"
    )
    parser.add_argument(
        "--steps", action="store_true", help="go on from the files before each step"
    )
    parser.add_argument("--random-state", type=int, default=0)
    options = parser.parse_args()
    _draw_nothing()
    found = {}
    with tempfile.TemporaryDirectory() as place, one_thread("cpu"):
        if options.kills:
            trial = Trial(Path(place) / "random", epochs=40)
            found["random"] = at_random(
                trial, options.kills, random.Random(options.random_state)
            )
        if options.steps:
            design = sb.Design(baselines=["prior"], repeats=1, folds=3, n_networks=2)
            small = {"candidates": ["relu:3"], "design": design}
            found["steps"] = at_each_step(
                Trial(Path(place) / "steps", epochs=2, **small)
            )
    print(json.dumps(found))
    return int(any(part["differing"] for part in found.values()))


class Trial:
    """A comparison, the files of a run that wasn't disturbed, and how long that took."""

    def __init__(self, place: Path, **options: object) -> None:
        self.place, self.options = place, {**OPTIONS, **options}
        place.mkdir()
        rng = np.random.default_rng(4)
        self.X = rng.normal(size=(60, 3))
        self.y = (self.X[:, 0] + 0.7 * rng.normal(size=60) > 0.3).astype(int)
        str(
            compare(self.X, self.y, **self.options)
        )  # what is loaded now needn't be by every process
        start = time.perf_counter()
        assert self.run(place / "whole") == 0
        self.seconds = time.perf_counter() - start
        self.whole = files(place / "whole")

    def run(
        self,
        folder: Path,
        meddle: Callable[[], None] | None = None,
        kill_after: float | None = None,
    ) -> int:
        """The exit status of a process that compares; negative is the signal that ended it."""
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            status = 1
            try:
                if meddle is not None:
                    meddle()
                compare(self.X, self.y, folder=folder, **self.options)
                status = 0
            finally:
                os._exit(status)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def differing(self, folder: Path) -> list[str]:
        """Files of a folder that aren't those of the run that wasn't disturbed."""
        found = files(folder)
        return sorted(
            name
            for name in {**found, **self.whole}
            if found.get(name) != self.whole.get(name)
        )

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        yield self.place / "cut"
        shutil.rmtree(self.place / "cut", ignore_errors=True)


def files(folder: Path) -> dict[str, str]:
    """Each file below a folder, and a hash of it."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.name in ("comparison.json", "experiment.json"):
            document = {
                key: value
                for key, value in json.loads(content).items()
                if key not in ("seconds", "frozen_at")
            }
            content = json.dumps(document).encode()
        found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


def at_random(trial: Trial, kills: int, rng: random.Random) -> dict[str, object]:
    """Runs that are killed at random instants, again and again until they end."""
    done, runs, kept, differing = 0, 0, 0, []
    while done < kills:
        with trial.folder() as folder:
            while (
                status := trial.run(
                    folder, kill_after=rng.uniform(0.0, 1.2 * trial.seconds)
                )
            ) == -signal.SIGKILL:
                done += 1
                kept += any((folder / "unfinished").glob("*"))
            runs += 1
            if other := status or trial.differing(folder):
                differing.append((runs, other))
    return {
        "kills": done,
        "runs": runs,
        "with_something_kept": kept,
        "differing": differing,
    }


def at_each_step(trial: Trial) -> dict[str, object]:
    """Continue from the files as they are before each step of a run: those that a SIGKILL leaves
    there. Equal ones once."""
    states, log = trial.place / "states", trial.place / "log"
    with trial.folder() as folder:
        assert (
            trial.run(
                folder, meddle=functools.partial(_keep_before_each, folder, states, log)
            )
            == 0
        )
    names, seen, differing = log.read_text().splitlines(), [], []
    for step, name in enumerate(names):
        left = {
            str(path.relative_to(states / str(step))): path.is_file()
            and path.read_bytes()
            for path in (states / str(step)).rglob("*")
        }
        if left in seen:
            continue
        seen.append(left)
        with trial.folder() as folder:
            if (
                states / str(step)
            ).exists():  # before the first steps there is no folder
                shutil.copytree(states / str(step), folder)
            if other := trial.run(folder) or trial.differing(folder):
                differing.append((step, name, other))
    named = sorted(set(names))
    return {
        "steps": len(names),
        "states": len(seen),
        "named": named,
        "differing": differing,
    }


def _keep_before_each(folder: Path, states: Path, log: Path) -> None:
    """Copy the folder before each step: what this process does to files of the folder, and to the
    disk."""
    steps = 0
    copying = False

    def step(name: str) -> None:
        nonlocal steps, copying
        if copying:
            return
        copying = True
        if folder.exists():
            shutil.copytree(folder, states / str(steps))
        with log.open("a") as lines:
            lines.write(name + "\n")
        steps += 1
        copying = False

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if event in AUDITED and any(
            isinstance(one, str | Path) and str(folder) in str(one) for one in arguments
        ):
            step(event)

    fsync = os.fsync

    def synced(handle: int) -> None:
        step("os.fsync")
        fsync(handle)

    os.fsync = synced
    sys.addaudithook(heard)


def _draw_nothing() -> None:
    """A page of one line and no pictures: drawing takes seconds and touches files in the same
    way."""

    def write_page(summary: object, path: Path) -> Path:
        write_whole(path, lambda where: where.write_text("a page"))
        return path

    comparison.write_report = write_page
    comparison.save_pictures = lambda summary, folder, form: []


if __name__ == "__main__":
    sys.exit(main())
