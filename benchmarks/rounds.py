"""Measuring side by side: every contender is prepared, then all run in turn, several times over."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from workload import EPOCHS, Rows


@dataclass(frozen=True)
class Task:
    """One candidate on the table."""

    candidate: str
    rows: Rows


class UnavailableError(Exception):
    """A contender can't run here; the message says why."""


@dataclass(frozen=True)
class Contender:
    """A way to train, ready and warm.

    Attributes:
        run: trains once and returns the milliseconds for one network of 1000 epochs.
        note: how it was measured.
        close: called when all rounds are over.
    """

    run: Callable[[], float]
    note: str = ""
    close: Callable[[], None] = lambda: None


@dataclass
class Measured:
    """What came of a contender: milliseconds of each round, none where it couldn't run."""

    note: str
    ms: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.ms)

    @property
    def median(self) -> float:
        return statistics.median(self.ms)


Prepare = Callable[[Task], Contender]


def measure(
    task: Task, ways: Mapping[str, Prepare], rounds: int
) -> dict[str, Measured]:
    """Prepare all ways, then run them in turn, round by round: whatever disturbs the machine meets
    all of them."""
    measured: dict[str, Measured] = {}
    contenders: dict[str, Contender] = {}
    for key, prepare in ways.items():
        say(f"{task.candidate}: preparing {key}")
        try:
            contenders[key] = prepare(task)
        except ModuleNotFoundError as error:
            measured[key] = Measured(f"not installed: {error.name}")
        except UnavailableError as error:
            measured[key] = Measured(str(error))
        else:
            measured[key] = Measured(contenders[key].note)
    for number in range(rounds):
        say(f"{task.candidate}: round {number + 1} of {rounds}")
        for key, contender in contenders.items():
            measured[key].ms.append(contender.run())
    for contender in contenders.values():
        contender.close()
    return measured


def timed(
    work: Callable[[], object], *, networks: int = 1, epochs: int = EPOCHS
) -> float:
    """Milliseconds for one network of 1000 epochs, from work on several networks or fewer
    epochs."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000 / networks * EPOCHS / epochs


def alternating(work: Sequence[Callable[[], object]], runs: int) -> list[list[float]]:
    """Seconds of each piece of work, run in turn."""
    return [
        list(column)
        for column in zip(
            *([timed(one) / 1000 for one in work] for _ in range(runs)), strict=True
        )
    ]


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """torch's own threads, inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_STARTED = time.monotonic()


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"{time.monotonic() - _STARTED:6.0f} s  {text}", file=sys.stderr, flush=True)
