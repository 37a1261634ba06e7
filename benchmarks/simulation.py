"""What all simulations share: arguments, results kept as lines, rates, and the page."""

from __future__ import annotations

import argparse
import fnmatch
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
from tables import say

from seedbed.evaluation.estimates import wilson

HERE = Path(__file__).resolve().parent
EARLIER = "## Of earlier scripts"
"""What follows this heading of a page stays when the page is written again."""

Record = dict[str, Any]


def parser_of(
    doc: str | None, page: str = "", *, draws: int
) -> argparse.ArgumentParser:
    """Return a parser with the arguments of a simulation."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out = HERE / page if page else Path("-")
    parser.add_argument("--draws", type=int, default=draws, help="tables a row")
    parser.add_argument("--rows", default="*", help="names or patterns, with commas")
    parser.add_argument("--jobs", type=int, default=2, help="0 only reads the cache")
    parser.add_argument("--cache", type=Path, help="a file that keeps all results")
    parser.add_argument("--out", type=Path, default=out, help="a file, or - to print")
    return parser


def matching(names: Iterable[str], patterns: str) -> list[str]:
    """Return the names that match one of the patterns with commas between them."""
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    return [
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)
    ]


def read_cache(cache: Path | None) -> dict[str, Record]:
    """Return the results of a file of JSON lines; half a line of an interrupted run is skipped."""
    records: dict[str, Record] = {}
    lines = cache.read_text().splitlines() if cache and cache.exists() else []
    for line in lines:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        records[entry["key"]] = entry["record"]
    return records


def results_of(
    tasks: Mapping[str, Callable[[], Record]], *, jobs: int = 1, cache: Path | None
) -> dict[str, Record]:
    """Return the results of all tasks by key; those in the cache aren't computed again.

    Args:
        tasks: what computes each result; must be picklable.
        jobs: processes, each of which takes one task at a time; 0 only reads the cache.
    """
    records = {key: one for key, one in read_cache(cache).items() if key in tasks}
    missing = [key for key in tasks if key not in records]
    say(f"{len(missing)} results to compute, {len(records)} found in the cache")
    if not jobs or not missing:
        return records
    parallel = joblib.Parallel(
        n_jobs=jobs, batch_size=1, return_as="generator_unordered"
    )
    calls = (joblib.delayed(_computed)(key, tasks[key]) for key in missing)
    for number, (key, record) in enumerate(parallel(calls), start=1):
        records[key] = record
        if cache is not None:
            cache.parent.mkdir(parents=True, exist_ok=True)
            with cache.open("a") as file:
                # The break comes first, so that no entry joins half a line.
                file.write("\n" + json.dumps({"key": key, "record": record}))
        if number % 50 == 0 or number == len(missing):
            say(f"{number} of {len(missing)}: {key}")
    return records


def _computed(key: str, task: Callable[[], Record]) -> tuple[str, Record]:
    return key, task()


def rate(hits: Sequence[bool]) -> str:
    """Return a share in percent, with Wilson's interval: `1.2 % (0.4 to 3.5)`."""
    low, high = wilson(sum(hits), len(hits))
    share = sum(hits) / len(hits)
    return f"{100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def table_head(*header: str) -> tuple[str, str]:
    """Return the first two lines of a table in Markdown."""
    return f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"


def write_page(text: str, out: Path) -> None:
    """Write a page, but what follows its heading of earlier scripts; or print it, if `out` is `-`."""
    if str(out) == "-":
        print(text)
        return
    earlier = out.read_text().partition(EARLIER)[1:] if out.exists() else ("", "")
    rest = "".join(earlier)
    out.write_text(f"{text.rstrip()}\n" + (f"\n{rest}" if rest else ""))
