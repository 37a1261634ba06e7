"""How far a run is: counted by whoever trains, asked for by whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from seedbed.experiment.plan import Plan
from seedbed.report import Progress
from seedbed.training import Board, Chunk

__all__ = ["Task", "Watch", "watch_model", "watch_plan"]

Band = tuple[float, float, float]

_TELLING = 0.05
_NO_BAND = (float("nan"),) * 3


@dataclass(frozen=True)
class Task:
    """A chunk, as it is watched.

    Attributes:
        networks: how many it has of each candidate, by name.
        epochs: how many it is trained.
        cost: what it takes, in whatever unit all tasks share.
    """

    networks: Mapping[str, int]
    epochs: int
    cost: float


class Watch:
    """Knows how far each candidate and each baseline is.

    One thread tells it, in order; `progress` may be asked for by any thread, at any time.

    Args:
        totals: networks of each candidate and fits of each baseline, in the order to show them.
        epochs: of each candidate.
        cost: of all tasks.
        tell: is called whenever something is finished.
        scores: whether scores are looked at.
    """

    def __init__(
        self,
        totals: Mapping[str, int],
        epochs: Mapping[str, int],
        cost: float,
        *,
        tell: Callable[[Progress], None] | None = None,
        scores: bool = True,
    ) -> None:
        self._totals, self._epochs, self._cost, self._tell = dict(totals), epochs, cost, tell
        nothing = _NO_BAND if scores else None
        self._bands: dict[str, tuple[Band | None, Band | None]] = dict.fromkeys(totals, (nothing, nothing))
        # What was done before the tasks at hand, and at what cost.
        self._done, self._spent = dict.fromkeys(totals, 0), 0.0
        self._stage, self._tasks, self._finished, self._board = "", tuple[Task, ...](), set[int](), Board()
        self._start: tuple[float, float] | None = None

    def begin(self, tasks: Sequence[Task], stage: str = "") -> Board:
        """The board on which these tasks, which come next, are to write their epochs. Those before are done."""
        for task in self._tasks:
            self._count(task)
        self._stage, self._tasks, self._finished, self._board = stage, tuple(tasks), set(), Board()
        return self._board

    def finish(self, number: int) -> None:
        """The task of that number is done."""
        self._finished.add(number)

    def take(self, task: Task) -> None:
        """A task was done by an earlier run, so it says nothing of the time that this one takes."""
        self._count(replace(task, cost=0.0))
        self._cost -= task.cost

    def count(self, name: str) -> None:
        """A baseline has one fit more."""
        self._done[name] += 1

    def show(self, name: str, bands: tuple[Band, Band] | None = None) -> None:
        """Tell of one that has got further, with the scores of its training and its test rows."""
        if bands is not None:
            self._bands[name] = bands
        if self._tell is not None:
            self._tell(next(one for one in self.progress() if one.name == name))

    def progress(self) -> tuple[Progress, ...]:
        """How far each is, in order."""
        done, now, spent = dict(self._done), dict[str, int](), self._spent
        epochs = self._board.epochs()
        for number, task in enumerate(self._tasks):
            at = task.epochs if number in self._finished else epochs[number] if number < len(epochs) else -1
            spent += task.cost * max(at, 0) / task.epochs
            for name, n_networks in task.networks.items():
                if at >= task.epochs:
                    done[name] += n_networks
                elif at >= 0:
                    now[name] = max(at, now.get(name, 0))
        left = self._seconds_left(spent)
        return tuple(
            Progress(name, done[name], total, *self._bands[name], left, now.get(name), self._epochs.get(name),
                     self._stage)
            for name, total in self._totals.items()
        )  # fmt: skip

    def _count(self, task: Task) -> None:
        for name, n_networks in task.networks.items():
            self._done[name] += n_networks
        self._spent += task.cost

    def _seconds_left(self, spent: float) -> float | None:
        """By the pace since the first epoch was seen done: before it, somebody may have waited for a compiler."""
        now = time.perf_counter()
        if self._start is None:
            if spent > 0:
                self._start = now, spent
            return None
        passed, gained = now - self._start[0], spent - self._start[1]
        return passed * max(0.0, self._cost - spent) / gained if gained > _TELLING * self._cost else None


def watch_plan(plan: Plan, tell: Callable[[Progress], None] | None = None) -> Watch:
    """What watches the run of a plan."""
    epochs = {name: recipe.epochs for name, recipe in plan.experiment.recipes().items()}
    return Watch(plan.totals(), epochs, sum(stack.plan.estimate.seconds for stack in plan.stacks), tell=tell)


def watch_model(
    name: str, epochs: int, n_networks: int, n_choosing: int
) -> tuple[Watch, Callable[[str, Sequence[Chunk]], Board]]:
    """What watches `fit_model` train a candidate, and what `fit_model` takes as `watch`.

    Args:
        epochs: the most that are made.
        n_networks: of the model.
        n_choosing: networks that learning rate and epoch are chosen by, see `model.n_choosing`.
    """
    total = n_choosing + n_networks
    watch = Watch({name: total}, {name: epochs}, total, scores=False)

    def board(stage: str, chunks: Sequence[Chunk]) -> Board:
        tasks = [Task({name: n}, chunk.recipe.epochs, n) for chunk in chunks for n in [len(chunk.members)]]
        return watch.begin(tasks, stage if n_choosing else "")

    return watch, board
