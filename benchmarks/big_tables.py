"""Tables that are kept on disk: what a comparison takes, and what it costs by rows, networks and width.

Three parts, each in processes of its own:

- the whole command on a table of 10 million rows: seconds, and the peak memory of all its processes together;
- training alone, its rows from a file and from memory, side by side and in turn: how many rows a second;
- the same from the file for more rows, networks and units: a table, and a picture in the documents.

    python benchmarks/big_tables.py            # everything; half an hour, 8 GiB of disk, 7 GiB of memory
    python benchmarks/big_tables.py scaling    # one part: compare, speed or scaling
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FEATURES, FOLDS, SEEDS = 12, 5, 3
NETWORKS = FOLDS * SEEDS
BATCH = 4096
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "big-tables.png"
COMPARE = ["--candidate", "relu:5", "--batch-size", str(BATCH), "--epochs", "2", "--recipe", "tutorial",
           "--epoch", "inner", "--no-baselines"]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Networks of one candidate on a table that is made up; `tested`: whether test rows are looked at, too."""

    rows: int
    networks: int = NETWORKS
    candidate: str = "relu:5"
    source: str = "file"
    tested: bool = True


@dataclass(frozen=True)
class Cost:
    """Of one epoch: seconds of training and of looking at the test rows, and the peak of memory in GiB."""

    train: float
    test: float
    memory: float

    def rate(self, case: Case) -> float:
        """Millions of training rows a second, counted once for each network."""
        return case.rows * case.networks * (1 - 1 / FOLDS) / self.train / 1e6


def make_table(path: Path, rows: int) -> None:
    """A Parquet file with 12 columns of bell-shaped numbers and a target of two labels."""
    import duckdb

    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        connection.execute("SELECT setseed(0.5)")
        numbers = ", ".join(f"{k + 1} * (random() + random() + random() - 1.5) AS x{k}" for k in range(FEATURES))
        label = "(x0 + x1 * x2 / 3 + abs(x3) / 2 + 4 * (random() - 0.5) > 0.5)::TINYINT"
        connection.execute(
            f"COPY (SELECT *, {label} AS y FROM (SELECT {numbers} FROM range({rows}))) TO '{path}' (FORMAT parquet)"
        )


def compare(rows: int) -> None:
    """The whole command: reading, splitting, choosing by 15 networks, fitting 3, judging, and all files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.parquet"
        make_table(path, rows)
        command = [sys.executable, "-m", "seedbed", "compare", str(path), "--target", "y", *COMPARE]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        peak = Peak()
        while process.poll() is None:
            peak.look_at(process.pid)
            time.sleep(0.1)
        seconds = time.perf_counter() - start
        trained = json.loads((Path(folder) / "seedbed-out/compare-big/comparison.json").read_text())["seconds"]
    print(
        f"compare, {rows:,} rows: {seconds:.0f} s, {trained:.0f} s of them training; all processes together at most "
        f"{peak.total:.2f} GiB, their own {peak.own:.2f} GiB, mapped files {peak.files:.2f} GiB"
    )


class Peak:
    """The most memory that a process and its children had at one time, in GiB; what they share counts for each."""

    def __init__(self) -> None:
        self.total = self.own = self.files = 0.0

    def look_at(self, pid: int) -> None:
        own, files = (sum(_memory(one)[part] for one in _family(pid)) for part in (0, 1))
        self.total, self.own, self.files = (
            max(self.total, own + files), max(self.own, own), max(self.files, files)
        )  # fmt: skip


def _family(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    except OSError:
        pass
    return found


def _memory(pid: int) -> tuple[float, float]:
    """GiB of a process's own, and of files mapped into it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith("Rss")}
    return kilobytes.get("RssAnon", 0) / 2**20, (kilobytes.get("RssFile", 0) + kilobytes.get("RssShmem", 0)) / 2**20


def measured(case: Case) -> Cost:
    """A case in a process of its own."""
    command = [sys.executable, __file__, "one", json.dumps(case.__dict__)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def one(case: Case) -> Cost:
    """An epoch of all networks in this process, on one thread."""
    import torch

    from seedbed.networks import candidate_from
    from seedbed.settings import Recipe
    from seedbed.training import plan_stack
    from seedbed.training.machine import ready_to_train
    from seedbed.training.stepping import Training

    data = _rows(case)
    build = functools.partial(candidate_from(case.candidate).architecture, FEATURES, 1)
    plan = plan_stack(
        build, data, Recipe(epochs=2, batch_size=BATCH), seeds=range(case.networks),
        splits=[number % NETWORKS for number in range(case.networks)], keep_outputs=False,
    )  # fmt: skip
    train = test = 0.0
    peak = Peak()
    with ready_to_train("cpu"), torch.no_grad():
        for chunk in plan.chunks:
            training = Training(chunk, data)
            start = time.perf_counter()
            training._minibatches(0, False)
            middle = time.perf_counter()
            peak.look_at(os.getpid())
            if case.tested:
                training._evaluate()
            train, test = train + middle - start, test + time.perf_counter() - middle
    return Cost(train, test, peak.total)


def _rows(case: Case) -> Any:
    """Standardised numbers and coin tosses, in 5 folds drawn once for each seed, in a file or in memory."""
    import numpy as np

    from seedbed.data import ArrayWriter, spill, windows
    from seedbed.training import TrainingData

    rng = np.random.default_rng(0)
    writer = ArrayWriter((FEATURES,), np.float32)
    for rows in windows(case.rows, FEATURES):
        writer.write(rng.standard_normal((rows.stop - rows.start, FEATURES), dtype=np.float32))
    X, y = writer.finish(), rng.integers(0, 2, case.rows, dtype=np.uint8)
    fold_of = [rng.integers(0, FOLDS, case.rows, dtype=np.uint8) for _ in range(SEEDS)]
    test = np.column_stack([own == fold for own in fold_of for fold in range(FOLDS)]).astype(np.uint8)
    scale = np.ones((FEATURES, NETWORKS), dtype=np.float32)
    if case.source == "file":
        return TrainingData(X, y, spill(1 - test), spill(test), scale, 0 * scale, order=np.arange(case.rows))
    train = (1 - test).astype(np.float32)
    # Where test rows aren't looked at, the same array twice saves memory.
    return TrainingData(np.array(X), y, train, test.astype(np.float32) if case.tested else train, scale, 0 * scale)


def speed(rows: int, rounds: int) -> None:
    """The same training with its rows in a file and in memory, in turn; no test figures, which take 10 GiB there."""
    cases = {source: Case(rows, source=source, tested=False) for source in ("file", "memory")}
    costs: dict[str, list[Cost]] = {source: [] for source in cases}
    for _ in range(rounds):
        for source, case in cases.items():
            costs[source].append(measured(case))
            print(f"{source}: {costs[source][-1]}", file=sys.stderr, flush=True)
    best = {source: min(found, key=lambda cost: cost.train) for source, found in costs.items()}
    for source, cost in best.items():
        print(f"{rows:,} rows x {NETWORKS} networks, {source}: {cost.train:.1f} s an epoch, "
              f"{cost.rate(cases[source]):.2f} million rows x networks a second, {cost.memory:.2f} GiB")  # fmt: skip
    print(f"file / memory: {best['file'].train / best['memory'].train:.2f}")


def scaling(rounds: int) -> None:
    """What an epoch with its test figures costs from a file, the best of some rounds; a table, and the picture."""
    series = {
        "rows": [Case(rows) for rows in (200_000, 600_000, 2_000_000)],
        "networks": [Case(200_000, networks=networks) for networks in (15, 30, 60, 120)],
        "units": [Case(200_000, candidate=f"relu:{units}") for units in (5, 10, 20, 40)],
    }
    cases = list(dict.fromkeys(case for some in series.values() for case in some))
    costs: dict[Case, list[Cost]] = {case: [] for case in cases}
    for case in cases * rounds:  # round by round: a machine is busy for a while, and then isn't
        costs[case].append(measured(case))
        print(case, costs[case][-1], file=sys.stderr, flush=True)
    found = []
    for axis, some in series.items():
        for case in some:
            cost = min(costs[case], key=lambda cost: cost.train + cost.test)
            at = {"rows": case.rows, "networks": case.networks, "units": int(case.candidate.split(":")[1])}[axis]
            found.append({"axis": axis, "at": at, "seconds": cost.train + cost.test, "memory": cost.memory})
            print(
                f"{axis} {at:,}: train {cost.train:.2f} s, test {cost.test:.2f} s, {cost.rate(case):.2f} million "
                f"rows x networks a second, {cost.memory:.2f} GiB"
            )
    draw(found)


def draw(found: list[dict[str, Any]]) -> None:
    """Seconds an epoch and peak memory against rows, networks and units, on logarithmic axes."""
    import altair as alt

    about = {"rows": "rows (15 networks of relu:5)", "networks": "networks (of relu:5, 200,000 rows)",
             "units": "units (15 networks, 200,000 rows)"}  # fmt: skip
    charts = []
    for measure, title in (("seconds", "seconds an epoch"), ("memory", "peak memory, GiB")):
        row = []
        for axis, words in about.items():
            here = [one for one in found if one["axis"] == axis]
            straight = [{"at": one["at"], "seconds": here[0]["seconds"] * one["at"] / here[0]["at"]} for one in here]
            x = alt.X("at:Q", title=words, scale=alt.Scale(type="log", nice=False, padding=12),
                      axis=alt.Axis(values=[one["at"] for one in here], format="~s", grid=False))  # fmt: skip
            log = alt.Scale(type="log", nice=False) if measure == "seconds" else alt.Scale(domain=[0, 1])
            y = alt.Y(f"{measure}:Q", title=title, scale=log, axis=alt.Axis(tickCount=4))
            base = alt.Chart(alt.Data(values=here)).encode(x=x, y=y)
            chart = base.mark_line() + base.mark_point(filled=True, size=60, opacity=1)
            if measure == "seconds":
                grey = alt.Chart(alt.Data(values=straight)).mark_line(strokeDash=[4, 4], color="grey")
                chart = grey.encode(x=x, y=alt.Y("seconds:Q", scale=log)) + chart
            row.append(chart.properties(width=220, height=180))
        charts.append(alt.hconcat(*row))
    whole = alt.vconcat(*charts).properties(
        title={"text": "What an epoch costs, training and test figures, rows read from a file",
               "subtitle": "One core. Dashed: in proportion to the first point."}
    )  # fmt: skip
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    whole.save(str(PICTURE), scale_factor=1)
    print(f"wrote {PICTURE}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["compare", "speed", "scaling", "one"], help="one part only")
    parser.add_argument("case", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the table for compare and speed")
    parser.add_argument("--rounds", type=int, default=2, help="of speed and scaling")
    given = parser.parse_args()
    if given.part == "one":
        print(json.dumps(one(Case(**json.loads(given.case))).__dict__))
        return
    if given.part in (None, "compare"):
        compare(given.rows)
    if given.part in (None, "speed"):
        speed(given.rows, given.rounds)
    if given.part in (None, "scaling"):
        scaling(given.rounds)


if __name__ == "__main__":
    main()
