"""How far a run is: counted by whoever trains, asked for by whoever shows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from seedbed.experiment.plan import Plan
from seedbed.report import Progress, drawing_seconds
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
        after: seconds that the run takes when all tasks are done.
        scores: whether scores are looked at.

    Attributes:
        stage: of the whole run, as `Progress` has it.
    """

    def __init__(
        self,
        totals: Mapping[str, int],
        epochs: Mapping[str, int],
        cost: float,
        *,
        tell: Callable[[Progress], None] | None = None,
        after: float = 0.0,
        scores: bool = True,
    ) -> None:
        self._totals, self._epochs, self._tell = dict(totals), epochs, tell
        self._networks, self._fits, self._fit_seconds, self._after = _Pace(cost), _Pace(0.0), dict[str, float](), after
        nothing = _NO_BAND if scores else None
        self._bands: dict[str, tuple[Band | None, Band | None]] = dict.fromkeys(totals, (nothing, nothing))
        # What was done before the tasks at hand, and at what cost.
        self._done, self._spent = dict.fromkeys(totals, 0), 0.0
        self.stage, self._tasks, self._finished, self._board = "", tuple[Task, ...](), set[int](), Board()

    def expect(self, plan: Plan) -> None:
        """Take the costs of a plan, from which it is known from the start about how long the run takes."""
        self.stage, self._fit_seconds = "", plan.fit_seconds
        fits = sum(plan.fit_seconds.values()) * len(plan.all_splits)
        networks = sum(stack.plan.seconds for stack in plan.stacks)
        self._fits, self._networks = _Pace(fits, plan.workers), _Pace(networks, plan.workers)

    def begin(self, tasks: Sequence[Task], stage: str = "") -> Board:
        """The board on which these tasks, which come next, are to write their epochs. Those before are done."""
        for task in self._tasks:
            self._count(task)
        self.stage, self._tasks, self._finished, self._board = stage, tuple(tasks), set(), Board()
        self._fits.cost = 0.0  # they come first
        return self._board

    def finish(self, number: int) -> None:
        """The task of that number is done."""
        self._finished.add(number)

    def take(self, task: Task) -> None:
        """A task was done by an earlier run, so it says nothing of the time that this one takes."""
        self._count(replace(task, cost=0.0))
        self._networks.cost -= task.cost

    def count(self, name: str, *, taken: bool = False) -> None:
        """A baseline has one fit more; or one was `taken` from an earlier run, which says nothing of the time."""
        self._done[name] += 1
        cost = self._fit_seconds.get(name, 0.0)
        if taken:
            self._fits.cost -= cost
        else:
            self._fits.see(self._fits.spent + cost)

    def show(self, name: str, bands: tuple[Band, Band] | None = None) -> None:
        """Tell of one that has got further, with the scores of its training and its test rows."""
        if bands is not None:
            self._bands[name] = bands
        if self._tell is not None:
            self._tell(next(one for one in self.progress() if one.name == name))

    def progress(self) -> tuple[Progress, ...]:
        """How far each is, in order."""
        done, now, spent = dict(self._done), dict[str, int](), self._spent
        stage_done, stage_total = dict[str, int](), dict[str, int]()
        epochs = self._board.epochs()
        for number, task in enumerate(self._tasks):
            at = task.epochs if number in self._finished else epochs[number] if number < len(epochs) else -1
            spent += task.cost * max(at, 0) / task.epochs
            for name, n_networks in task.networks.items():
                stage_total[name] = stage_total.get(name, 0) + n_networks
                if at >= task.epochs:
                    done[name] += n_networks
                    stage_done[name] = stage_done.get(name, 0) + n_networks
                elif at >= 0:
                    now[name] = max(at, now.get(name, 0))
        self._networks.see(spent)
        parts = [pace.left() for pace in (self._fits, self._networks) if pace.cost > 0]
        left = None if None in parts or not parts else sum(part or 0.0 for part in parts) + self._after
        return tuple(
            Progress(name, done[name], total, *self._bands[name], left, now.get(name), self._epochs.get(name),
                     self.stage, *((stage_done.get(name, 0), stage_total[name]) if self.stage and name in stage_total
                                   else (None, None)))
            for name, total in self._totals.items()
        )  # fmt: skip

    def _count(self, task: Task) -> None:
        for name, n_networks in task.networks.items():
            self._done[name] += n_networks
        self._spent += task.cost


class _Pace:
    """How fast work goes on, by its costs.

    Args:
        cost: of all of it; seconds of one core where there are workers.
        workers: how many do it at a time; 0 where costs are no seconds, so that nothing is known before it is seen.
    """

    def __init__(self, cost: float, workers: int = 0) -> None:
        self.cost, self.spent, self._workers = cost, 0.0, workers
        self._start: tuple[float, float] | None = None

    def see(self, spent: float) -> None:
        """So much of it is done. The first time starts the clock: before, somebody may have waited for workers."""
        self.spent = spent
        if self._start is None and spent > 0:
            self._start = time.perf_counter(), spent

    def left(self) -> float | None:
        """Seconds that are left: at first by the costs alone, then more and more by what was seen."""
        if not self._workers and self._start is None:
            return None
        start, before = self._start or (time.perf_counter(), self.spent)
        passed, gained = time.perf_counter() - start, self.spent - before
        if not self._workers and gained <= _TELLING * self.cost:
            return None
        trust = _TELLING * self.cost if self._workers else 0.0
        pace = (passed + trust / max(1, self._workers)) / (gained + trust)
        return pace * max(0.0, self.cost - self.spent)


def watch_plan(plan: Plan, tell: Callable[[Progress], None] | None = None, *, draws: bool = False) -> Watch:
    """What watches the run of a plan; and, if it `draws`, knows of the report and the pictures that come after it."""
    epochs = {name: recipe.epochs for name, recipe in plan.experiment.recipes().items()}
    watch = Watch(plan.totals(), epochs, 0.0, tell=tell, after=drawing_seconds() if draws else 0.0)
    watch.expect(plan)
    return watch


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
