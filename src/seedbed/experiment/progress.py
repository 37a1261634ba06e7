"""The progress of a run: the training counts networks and epochs, and displays read the counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedbed.data import Table
from seedbed.evaluation import Conclusion
from seedbed.experiment.plan import Plan
from seedbed.model import member_costs, members_for, n_calibrating, networks_for, recipe_for
from seedbed.report import Progress
from seedbed.settings import N_NETWORKS, Recipe
from seedbed.training import Board, Chunk
from seedbed.tuning import n_choosing

__all__ = ["Band", "Monitor", "MonitoredChunk", "monitor_plan"]

Band = tuple[float, float, float]

_TELLING, _TELLING_SECONDS = 0.05, 2.0  # share of the cost, or time, after which the measured speed is believed
_NO_BAND = (float("nan"),) * 3


@dataclass(frozen=True)
class MonitoredChunk:
    """A chunk whose progress is watched.

    Attributes:
        networks: the number of networks of each candidate, by name.
        epochs: the number of epochs.
        cost: the cost, in a unit that all chunks share.
        usual_epochs: the number of epochs that the cost is for, if training may end early; None if it is `epochs`.
    """

    networks: Mapping[str, int]
    epochs: int
    cost: float
    usual_epochs: float | None = None

    def spent(self, epochs: int) -> float:
        """Return the cost of its first epochs."""
        return self.cost * min(1.0, max(epochs, 0) / (self.usual_epochs or self.epochs))


class Monitor:
    """The progress of each candidate and each baseline.

    One thread reports the progress, in order; any thread may call `progress` at any time.

    Args:
        totals: networks of each candidate and fits of each baseline, in the order to show them.
        epochs: number of epochs of each candidate.
        cost: the cost of all chunks.
        tell: called whenever something is finished.
        after: seconds that the run takes after the last chunk.
        scores: whether scores are shown.
        stages: whether `board_for` shows the names of stages.

    Attributes:
        stage, repeats, so_far: of the whole run, as in `Progress`.
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
        stages: bool = True,
    ) -> None:
        self._totals, self._epochs, self._tell, self._stages = dict(totals), dict(epochs), tell, stages
        self._costs: Mapping[str, float] = {}  # of the members of a blend
        self._pace, self._fit_seconds, self._after, self._taken = _Pace(cost), dict[str, float](), after, 0.0
        self.repeats = 0
        self.so_far: Conclusion | None = None
        nothing = _NO_BAND if scores else None
        self._bands: dict[str, tuple[Band | None, Band | None]] = dict.fromkeys(totals, (nothing, nothing))
        # What was done before the chunks at hand, and its cost.
        self._done, self._spent = dict.fromkeys(totals, 0), 0.0
        self.stage, self._chunks, self._finished, self._board = "", tuple[MonitoredChunk, ...](), set[int](), Board()

    @classmethod
    def of_one(cls, name: str, epochs: int, n_networks: int, n_choosing: int = 0) -> Monitor:
        """Return what watches the training of one candidate, on one split or as a model.

        Args:
            epochs: the largest number of epochs.
            n_networks: number of networks of the result.
            n_choosing: number of networks that choose learning rate and epoch, see `tuning.n_choosing`.
        """
        total = n_networks + n_choosing
        return cls({name: total}, {name: epochs}, total, scores=False, stages=n_choosing > 0)

    @classmethod
    def of_model(cls, table: Table, name: str, recipe: Recipe, n_networks: int | None) -> Monitor:
        """Return what watches the training of a candidate as a model; arguments are those of `fit_model`."""
        n = n_networks or N_NETWORKS
        return cls.of_one(name, recipe.epochs, n + n_calibrating(table, n), n_choosing(recipe, n))

    @classmethod
    def of_blend(
        cls, table: Table, n_networks: int | None, settings: Mapping[str, Any], portfolio: Sequence[Any] | None = None
    ) -> Monitor:
        """Return what watches the training of a blend, with a line for each member; arguments as in `blend_table`."""
        members = members_for(portfolio, table)
        costs = member_costs(table, table.n_rows, portfolio=members)
        n = n_networks or networks_for(table.n_rows, members)
        epochs = dict.fromkeys(costs, recipe_for(settings, table.n_rows).epochs)
        monitor = cls(dict.fromkeys(costs, n), epochs, sum(costs.values()), scores=False, stages=False)
        monitor._costs = costs
        return monitor

    def expect(self, plan: Plan) -> None:
        """Take the costs of a plan, which give an estimate of the time left before anything is trained."""
        self.stage, self._fit_seconds = "", plan.fit_seconds
        self._pace = _Pace(plan.cost(plan.usual_repeats), plan.workers)

    def look(self, plan: Plan, repeats: int, so_far: Conclusion) -> None:
        """Take the answer after so many repeats. If they aren't enough, those up to the next look may be."""
        self.repeats, self.so_far = repeats, so_far
        until = next((look for look in plan.looks if look > repeats), repeats)
        self._pace.cost = plan.cost(max(until, plan.usual_repeats)) - self._taken
        self.show(next(iter(self._totals)))

    def begin(self, chunks: Sequence[MonitoredChunk], stage: str = "") -> Board:
        """Return the board on which these chunks, which come next, write their epochs. Earlier chunks are finished."""
        for chunk in self._chunks:
            self._count(chunk)
        self.stage, self._chunks, self._finished, self._board = stage, tuple(chunks), set(), Board()
        return self._board

    def board_for(self, stage: str, chunks: Sequence[Chunk]) -> Board:
        """Return the board for chunks of the only candidate or of a blend's members, as `fit_model` takes it."""
        watched = []
        for chunk in chunks:
            name, n = chunk.name or next(iter(self._totals)), len(chunk.members)
            self._epochs[name] = epochs = chunk.recipe.epochs
            watched.append(MonitoredChunk({name: n}, epochs, self._costs.get(name, n), chunk.usual_epochs))
            self._done.setdefault(name, 0)  # of another kind, for which a blend with a time limit has time
        board = self.begin(watched, stage if self._stages else "")
        for name in {name for chunk in watched for name in chunk.networks}:
            n = self._done[name] + sum(chunk.networks.get(name, 0) for chunk in watched)
            self._totals[name] = max(self._totals.get(name, 0), n)
            self._bands.setdefault(name, (None, None))
        self._pace.cost = max(self._pace.cost, self._spent + sum(chunk.cost for chunk in watched))
        return board

    def finish(self, number: int) -> None:
        """Count the chunk with this number as finished."""
        self._finished.add(number)

    def take(self, chunk: MonitoredChunk) -> None:
        """Count a chunk that an earlier run has finished; it says nothing about the speed of this one."""
        self._count(replace(chunk, cost=0.0))
        self._take(chunk.cost)

    def count(self, name: str, *, taken: bool = False) -> None:
        """Count a fit of a baseline; `taken` from an earlier run, it says nothing about the speed of this one."""
        self._done[name] += 1
        cost = self._fit_seconds.get(name, 0.0)
        if taken:
            self._take(cost)
        else:
            self._spent += cost

    def show(self, name: str, bands: tuple[Band, Band] | None = None) -> None:
        """Report the progress of one model, with the bands of its scores on training and test rows."""
        if bands is not None:
            self._bands[name] = bands
        if self._tell is not None:
            self._tell(next(model for model in self.progress() if model.name == name))

    def progress(self) -> tuple[Progress, ...]:
        """Return the progress of each model, in order."""
        done, now, spent = dict(self._done), dict[str, int](), self._spent
        stage_done, stage_total = dict[str, int](), dict[str, int]()
        epochs = self._board.epochs()
        for number, chunk in enumerate(self._chunks):
            at = chunk.epochs if number in self._finished else epochs[number] if number < len(epochs) else -1
            spent += chunk.spent(at)
            for name, n_networks in chunk.networks.items():
                stage_total[name] = stage_total.get(name, 0) + n_networks
                if at >= chunk.epochs:
                    done[name] += n_networks
                    stage_done[name] = stage_done.get(name, 0) + n_networks
                elif at >= 0:
                    now[name] = max(at, now.get(name, 0))
        self._pace.see(spent)
        left = self._pace.left()
        left = None if left is None else left + self._after
        staged = stage_total if self.stage else {}
        return tuple(
            Progress(
                name,
                done[name],
                total,
                *self._bands[name],
                seconds_left=left,
                epoch=now.get(name),
                epochs=self._epochs.get(name),
                stage=self.stage,
                stage_done=stage_done.get(name, 0) if name in staged else None,
                stage_total=staged.get(name),
                repeats=self.repeats,
                so_far=self.so_far,
            )
            for name, total in self._totals.items()
        )

    def _take(self, cost: float) -> None:
        self._taken += cost
        self._pace.cost -= cost

    def _count(self, chunk: MonitoredChunk) -> None:
        for name, n_networks in chunk.networks.items():
            self._done[name] += n_networks
        self._spent += chunk.cost


class _Pace:
    """The speed of some work, measured in its costs.

    Args:
        cost: of all the work; in seconds of one core if `workers` is given.
        workers: number of cores; 0 if costs aren't seconds, so that no time is known before some work is done.
    """

    def __init__(self, cost: float, workers: float = 0) -> None:
        self.cost, self.spent, self._workers = cost, 0.0, workers
        self._start: tuple[float, float] | None = None

    def see(self, spent: float) -> None:
        """Set the cost of the finished work. The first call above 0 starts the clock: workers may start slowly."""
        self.spent = spent
        if self._start is None and spent > 0:
            self._start = time.perf_counter(), spent

    def left(self) -> float | None:
        """Return the seconds left: first by the costs alone, then more and more by the measured speed."""
        if not self._workers and self._start is None:
            return None
        if self.spent >= self.cost:
            return 0.0
        start, before = self._start or (time.perf_counter(), self.spent)
        passed, gained = time.perf_counter() - start, self.spent - before
        if not self._workers and (not gained or (gained <= _TELLING * self.cost and passed < _TELLING_SECONDS)):
            return None
        trust = _TELLING * self.cost if self._workers else 0.0
        pace = (passed + trust / max(1, self._workers)) / (gained + trust)
        return pace * max(0.0, self.cost - self.spent)


def monitor_plan(plan: Plan, tell: Callable[[Progress], None] | None = None, *, draws: bool = False) -> Monitor:
    """Return what watches the run of a plan; `draws` adds the time for the report and the pictures after it."""
    epochs = {name: recipe.epochs for name, recipe in plan.experiment.recipes().items()}
    monitor = Monitor(plan.totals(), epochs, 0.0, tell=tell, after=plan.overhead if draws else 0.0)
    monitor.expect(plan)
    return monitor
