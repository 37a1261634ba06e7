"""What a comparison would cost on 1 to 1,000 nodes: chunk times are measured here, the schedule is simulated.

Measured: seconds a chunk takes on one core (the first and the last of each stack, some epochs, continued to all of them
in a straight line), bytes of training data and of results, seconds to start a worker.
Assumed: what `Nodes` says. Simulated: every chunk of the real plan, in the planner's order, goes to the worker that is
free first; the two rounds wait for each other.

python benchmarks/cluster.py [heart_failure.csv]
"""

from __future__ import annotations

import argparse
import heapq
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from seedbed.tuning import Round, Stack
from tables import Table, machine, number

from seedbed.data import read_table
from seedbed.experiment import make_plan, specify
from seedbed.experiment.plan import Plan
from seedbed.experiment.run import in_order
from seedbed.settings import Compute, Design, recipe_named
from seedbed.training import Chunk, TrainingData, train_chunk

NODES = (1, 2, 10, 100, 1000)
DRAWS = 15
MANY = 100  # comparisons at once, in the last table


@dataclass(frozen=True)
class Nodes:
    """What is assumed of a cluster.

    Attributes:
        cpus: of a node; each trains one chunk at a time.
        bandwidth: bytes a second of a machine's network. A node that has the data passes it on, as Ray and Dask do.
        overhead: seconds that seedbed's process and the library spend on one chunk, one after the other.
        jitter: deviation of the logarithm of each chunk's time.
        strays: share of chunks that are late by a factor of 1 + Pareto(1.5), at most 20.
        price: of one node for an hour.
    """

    cpus: int = 8
    bandwidth: float = 1.25e9
    overhead: float = 0.01
    jitter: float = 0.1
    strays: float = 0.01
    price: float = 0.40


@dataclass(frozen=True)
class Work:
    """A round as it is scheduled.

    Attributes:
        seconds: of each chunk, in the planner's order.
        data: bytes that each node needs.
        result: bytes of a chunk's result, on average.
    """

    seconds: list[float]
    data: int
    result: float


def measured(which: Round) -> Work:
    costs = [_stack_cost(stack, which.data) for stack in which.stacks]
    numbers = {id(stack): number for number, stack in enumerate(which.stacks)}
    places = in_order([(stack, chunk) for stack in which.stacks for chunk in stack.plan.chunks])
    stacks = [numbers[id(stack)] for stack, _ in places]
    seconds = [costs[n].seconds * len(chunk.seeds) for n, (_, chunk) in zip(stacks, places, strict=True)]
    result = statistics.fmean(costs[n].result * len(chunk.seeds) for n, (_, chunk) in zip(stacks, places, strict=True))
    return Work(seconds, len(pickle.dumps(which.data)), result)


@dataclass(frozen=True)
class Cost:
    """Of one network of a stack: seconds and bytes."""

    seconds: float
    result: float


def _stack_cost(stack: Stack, data: TrainingData) -> Cost:
    chunks = stack.plan.chunks
    short = 2
    _train(chunks[0], data, short)  # makes the kernel
    seconds, sizes = [], []
    for chunk in {id(chunk): chunk for chunk in (chunks[0], chunks[-1])}.values():
        epochs = chunk.recipe.epochs
        long = min(epochs, 60)
        (once, _), (more, result) = (_train(chunk, data, n) for n in (short, long))
        whole = once + (more - once) * (epochs - short) / (long - short)
        seconds.append(whole / len(chunk.seeds))
        sizes.append(result * epochs / long / len(chunk.seeds))
    return Cost(statistics.fmean(seconds), statistics.fmean(sizes))


def _train(chunk: Chunk, data: TrainingData, epochs: int) -> tuple[float, int]:
    """CPU seconds, which other programs disturb least, and bytes of the result."""
    part = replace(chunk, recipe=replace(chunk.recipe, epochs=epochs), stops=None)
    before = time.process_time()
    result = train_chunk(part, data)
    return time.process_time() - before, len(pickle.dumps(result))


def start_seconds() -> float:
    """A worker that imports all it needs."""
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import seedbed.training.parallel, sklearn"], check=True)
    return time.perf_counter() - before


def simulated(rounds: list[Work], n_nodes: int, start: float, nodes: Nodes, rng: np.random.Generator) -> float:
    """Seconds from start to end."""
    now = start
    for work in rounds:
        arrives = [now + (node + 1).bit_length() * work.data / nodes.bandwidth for node in range(n_nodes)]
        free = [(arrives[worker // nodes.cpus], worker) for worker in range(n_nodes * nodes.cpus)]
        heapq.heapify(free)
        late = np.exp(nodes.jitter * rng.normal(size=len(work.seconds)))
        astray = rng.random(len(late)) < nodes.strays
        late[astray] *= np.minimum(1 + rng.pareto(1.5, astray.sum()), 20)
        ends = []
        for turn, seconds in enumerate(work.seconds):
            begins, worker = heapq.heappop(free)
            begins = max(begins, now + turn * nodes.overhead)  # tasks are handed out one after the other
            end = begins + seconds * late[turn]
            heapq.heappush(free, (end, worker))
            ends.append(end)
        for end in sorted(ends):  # and results are taken in one after the other
            now = max(now, end) + nodes.overhead + work.result / nodes.bandwidth
    return now


def plans(path: Path) -> Iterator[tuple[str, Plan]]:
    table = read_table(path, target="DEATH_EVENT")
    three = ("linear:5", "linear:20,20", "relu:5")
    wide = ("relu:5", "relu:64,64", "relu:128,128")
    yield (
        "the tutorial's three",
        make_plan(specify(table, three, recipe=recipe_named("tutorial"), design=Design(baselines=())), Compute(jobs=2)),
    )
    for words, repeats in (("three to relu:128,128", None), ("the same, --repeats 30", 30)):
        experiment = specify(table, wide, recipe=recipe_named("trained"), design=Design(baselines=(), repeats=repeats))
        yield words, make_plan(experiment, Compute(jobs=2))


def many(work: Work) -> Work:
    """A round of so many comparisons that run at once."""
    return replace(work, seconds=work.seconds * MANY, data=work.data * MANY)


def table_of(words: str, rounds: list[Work], start: float, nodes: Nodes) -> Table:
    seconds = [one for work in rounds for one in work.seconds]
    remark = (
        f"Measured: {len(seconds):,} chunks, {sum(seconds):,.0f} s of one core in all, a chunk {min(seconds):.1f} to "
        f"{max(seconds):.1f} s, data {rounds[-1].data / 1e6:.1f} MB a node, "
        f"a result {rounds[-1].result / 1e6:.1f} MB."
    )
    rows, first = [], 0.0
    for n_nodes in NODES:
        draws = [simulated(rounds, n_nodes, start, nodes, np.random.default_rng(draw)) for draw in range(DRAWS)]
        wall = statistics.median(draws)
        first = first or wall
        hours = n_nodes * wall / 3600
        row = (f"{wall:,.0f} s", number(first / wall), f"{first / wall / n_nodes:.0%}", number(hours))
        rows.append((f"{n_nodes:,}", f"{n_nodes * nodes.cpus:,}", *row, f"{hours * nodes.price:.2f}"))
    header = ("nodes", "CPUs", "time", "times faster", "of ideal", "node-hours", "cost")
    return Table(words, header, rows, (remark,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", type=Path, default=Path("heart_failure.csv"))
    given, nodes, start = parser.parse_args(), Nodes(), start_seconds()
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{facts}\nMeasured: a worker starts in {start:.1f} s. Assumed: {nodes}\n", flush=True)
    for words, plan in plans(given.table):
        rounds = [measured(which) for which in (plan.choosing, plan.fitting) if which is not None]
        print(table_of(words, rounds, start, nodes).markdown(), end="\n\n", flush=True)
    together = replace(nodes, overhead=nodes.overhead / MANY)  # each has a process of its own
    print(table_of(f"{MANY} such comparisons at once", [many(work) for work in rounds], start, together).markdown())


if __name__ == "__main__":
    main()
