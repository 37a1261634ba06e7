"""Speed, side by side in one run: seedbed, the tutorial's loop, other libraries, and the floor.
Prints, never asserts.

Ratios compare each way's best round. Other programs that run beside the benchmark slow the plain
loop far more than a chunk of networks, so ratios of medians would favour seedbed.

    make bench                                        everything, about a quarter of an hour on two cores
    python benchmarks/bench.py --quick                one candidate, two rounds, no whole comparison
    python benchmarks/bench.py --only relu:5 --only native
    python benchmarks/bench.py --markdown --json bench.json"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import ours
import own_modules
import plain
import speed_peers
from processes import StartUp, Whole, default_comparison, start_up
from rounds import Measured, Prepare, Task, measure, say
from tables import Table, machine, number
from workload import CANDIDATES, Rows, load_rows

LOOPS: dict[str, tuple[str, Prepare]] = {
    "loop-1": (
        "the tutorial's loop, 1 thread",
        partial(plain.loop, n_threads=1, epochs=500),
    ),
    "loop-2": (
        "the tutorial's loop, 2 threads",
        partial(plain.loop, n_threads=2, epochs=100),
    ),
}
WAYS: dict[str, tuple[str, Prepare]] = {
    **LOOPS,
    "sklearn": (
        "scikit-learn MLPClassifier",
        partial(speed_peers.sklearn_mlp, epochs=250),
    ),
    "skorch": ("skorch", partial(speed_peers.skorch_net, epochs=100)),
    "vmap": (
        "torch.func.vmap, eager",
        partial(speed_peers.vmap, compiled=False, epochs=100),
    ),
    "vmap-compiled": (
        "torch.func.vmap, compiled",
        partial(speed_peers.vmap, compiled=True, epochs=250),
    ),
    "jax": ("JAX vmap + scan, jit", partial(speed_peers.jax_scan, epochs=500)),
    "torch": ("seedbed, one core, torch", partial(ours.one_core, engine="torch")),
    "native": ("seedbed, one core, native", partial(ours.one_core, engine="native")),
    "splits": ("the same, 100 splits at once", ours.many_splits),
    "all-cores": ("seedbed, all cores, native", ours.all_cores),
    "gpu": ("seedbed, a GPU, torch", ours.on_gpu),
    "floor": ("floor: the arithmetic alone", plain.floor),
}
SECTIONS = ("own-modules", "start-up", "comparison")

# (way, way or ways that it is compared with, words for these) to how many times as fast it should
# be.
WANTED = {
    ("native", tuple(LOOPS), "the loop"): {
        "linear:5": 280,
        "relu:5": 280,
        "linear:20,20": 44,
    },
    ("native", ("jax",), "JAX"): {
        "relu:5": 3.0,
        "linear:20,20": 2.0,
        "relu:64,64": 1.3,
        "relu:256,256": 1.1,
    },
    ("native", ("floor",), "the floor"): {
        "relu:5": 0.4,
        "linear:20,20": 0.7,
        "relu:64,64": 0.8,
    },
    ("torch", tuple(LOOPS), "the loop"): {
        "linear:5": 15,
        "relu:5": 15,
        "linear:20,20": 5,
    },
    ("all-cores", ("native",), "one core"): dict.fromkeys(CANDIDATES, 1.9),
}
WANTED_START_UP_SECONDS = 0.3
WANTED_COMPARISON_SECONDS = 30

Results = dict[str, dict[str, Measured]]


def main() -> None:
    options = parse_options()
    facts = {**machine(), "table": (rows := load_rows()).source}
    say(
        f"{facts['processor']}, {facts['cores']} cores, load {facts['load at start']}; {rows.source}"
    )
    results = networks_section(options, rows)
    facts["large matmul, one thread"] = matmul_rate(results, rows)
    own = (
        own_modules.own_tables(2 if options.quick else 3)
        if wants(options, "own-modules")
        else []
    )
    starts = start_up(5 if options.quick else 15) if wants(options, "start-up") else []
    whole = (
        default_comparison(rows)
        if wants(options, "comparison") and not options.quick
        else []
    )
    facts["load at end"] = (
        f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    )
    tables = [
        machine_table(facts),
        *(networks_table(name, found) for name, found in results.items()),
    ]
    tables += [
        *own,
        *filter(
            None,
            (targets_table(results), start_up_table(starts), comparison_table(whole)),
        ),
    ]
    print(
        "\n\n".join(
            table.markdown() if options.markdown else table.text() for table in tables
        )
    )
    if options.json:
        options.json.write_text(
            json.dumps(as_document(facts, results, starts, whole), indent=2) + "\n"
        )


def parse_options() -> argparse.Namespace:
    names = [*CANDIDATES, *WAYS, *SECTIONS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = f"may be repeated: {', '.join(names)}"
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=names,
        metavar="NAME",
        help=known,
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="to see that all works; the numbers are rough",
    )
    parser.add_argument(
        "--rounds", type=int, help="how often each way is timed (5, or 2 with --quick)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all rounds there as well"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="tables for benchmarks/LOG.md"
    )
    return parser.parse_args()


def wants(options: argparse.Namespace, section: str) -> bool:
    return not options.only or section in options.only


def networks_section(options: argparse.Namespace, rows: Rows) -> Results:
    """All requested candidates and ways to train. The loop is always among them, for the ratios."""
    asked = [name for name in options.only if name not in SECTIONS]
    if options.only and not asked:
        return {}
    candidates = [name for name in CANDIDATES if name in asked] or (
        ["relu:5"] if options.quick else CANDIDATES
    )
    ways = [key for key in WAYS if key in asked] or list(WAYS)
    chosen = {
        key: prepare
        for key, (_, prepare) in WAYS.items()
        if key in ways or key in LOOPS
    }
    rounds = options.rounds or (2 if options.quick else 5)
    return {
        candidate: measure(Task(candidate, rows), chosen, rounds)
        for candidate in candidates
    }


def loop_ms(found: Mapping[str, Measured]) -> float:
    """Return the baseline: the loop at its best thread count."""
    return min(found[key].best for key in LOOPS)


def matmul_rate(results: Results, rows: Rows) -> str:
    """Return the best rate behind the floors."""
    rates = [
        plain.operations_a_network(candidate, rows) / found["floor"].best / 1e6
        for candidate, found in results.items()
        if "floor" in found
    ]
    return f"{max(rates):.0f} GFLOP/s" if rates else "not measured"


def machine_table(facts: Mapping[str, str]) -> Table:
    return Table("Machine", ("fact", "value"), list(facts.items()))


def networks_table(candidate: str, found: Mapping[str, Measured]) -> Table:
    base = loop_ms(found)
    rows = []
    for key, (label, _) in WAYS.items():
        if key not in found:
            continue
        one = found[key]
        numbers = (
            [number(one.best), number(one.median), number(base / one.best)]
            if one.ms
            else ["-"] * 3
        )
        rows.append((label, *numbers, one.note))
    header = (
        "way to train",
        "ms a network",
        "median",
        "times faster",
        "how it was measured",
    )
    return Table(
        f"One network of `{candidate}`: 1000 epochs, loss and accuracy on both parts at each",
        header,
        rows,
    )


def targets_table(results: Results) -> Table | None:
    rows = list(_targets(results))
    return (
        Table("Targets", ("what", "wanted", "measured", "so"), rows) if rows else None
    )


def _targets(results: Results) -> Iterator[tuple[str, str, str, str]]:
    for (key, bases, words), wanted in WANTED.items():
        for candidate, least in wanted.items():
            found = {
                way: one for way, one in results.get(candidate, {}).items() if one.ms
            }
            if key in found and (
                known := [found[base].best for base in bases if base in found]
            ):
                ratio = min(known) / found[key].best
                what = f"{WAYS[key][0]}, `{candidate}`, against {words}"
                yield (
                    what,
                    f"{least}x",
                    f"{number(ratio)}x",
                    "met" if ratio >= least else "missed",
                )


def start_up_table(starts: Sequence[StartUp]) -> Table | None:
    if not starts:
        return None
    rows = []
    for one in starts:
        if one.error:
            rows.append((one.label, "-", "-", "-", f"doesn't work yet: {one.error}"))
            continue
        ratio = one.median / starts[0].median
        torch = "imports torch" if one.imports_torch else "without torch"
        rows.append(
            (
                one.label,
                f"{one.median:.3f}",
                f"{min(one.seconds):.3f}",
                number(ratio),
                torch,
            )
        )
    remark = f"Wanted: under {WANTED_START_UP_SECONDS} s, without torch. Medians of {len(starts[0].seconds)} runs in turn."
    return Table(
        "Start-up",
        ("command", "seconds", "best", "times bare Python", "torch"),
        rows,
        [remark],
    )


def comparison_table(whole: Sequence[Whole]) -> Table | None:
    if not whole:
        return None
    rows = [
        (one.label, "-" if one.seconds is None else f"{one.seconds:.1f}", one.error)
        for one in whole
    ]
    remark = f"Wanted: within {WANTED_COMPARISON_SECONDS} s on two cores, making the kernel included."
    return Table(
        "The default comparison, from start to exit",
        ("command", "seconds", "note"),
        rows,
        [remark],
    )


def as_document(
    facts: Mapping[str, str],
    results: Results,
    starts: Sequence[StartUp],
    whole: Sequence[Whole],
) -> dict[str, object]:
    networks = {
        candidate: {
            key: {
                "ms": one.ms,
                "times_faster": loop_ms(found) / one.best if one.ms else None,
                "note": one.note,
            }
            for key, one in found.items()
        }
        for candidate, found in results.items()
    }
    return {
        "machine": dict(facts),
        "networks": networks,
        "start_up": [vars(one) for one in starts],
        "comparison": [vars(one) for one in whole],
    }


if __name__ == "__main__":
    main()
