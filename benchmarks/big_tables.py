"""The memory and the time that a large table takes: a comparison of `relu:5` with a quick setting,
and a blend.

    python benchmarks/big_tables.py 1000000 100 compare    rows, columns, and what is done: compare
    or blend

The table is made up; a process of its own reads it from a Parquet file. Prints seconds and the peak
memory in GiB.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMPARE = """
import seedbed as sb
recipe, compute = sb.Recipe(epochs=2), sb.Compute(n_jobs=2)
sb.compare({path!r}, target="y", candidates=["relu:5"], recipe=recipe, design=sb.Design(baselines=[]), compute=compute)
"""
BLEND = """
import seedbed as sb
sb.fit_model({path!r}, "auto", target="y", n_networks=4, recipe=sb.Recipe(epochs=2), compute=sb.Compute(n_jobs=2))
"""


def make_table(path: Path, rows: int, columns: int) -> None:
    """Write a Parquet file of bell-shaped numbers and a target of two labels."""
    import duckdb

    numbers = ", ".join(
        f"(random() + random() + random() - 1.5)::FLOAT AS x{k}" for k in range(columns)
    )
    label = "(x0 + x1 * x2 + 4 * (random() - 0.5) > 0.5)::TINYINT"
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute(
            f"COPY (SELECT *, {label} AS y FROM (SELECT {numbers} FROM range({rows}))) TO '{path}' (FORMAT PARQUET)"
        )


def main() -> None:
    rows, columns, what = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.parquet"
        make_table(path, rows, columns)
        code = {"compare": COMPARE, "blend": BLEND}[what].format(path=str(path))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        print(
            f"{what}, {rows:,} x {columns}: {time.perf_counter() - started:.0f} s, {peak / 2**20:.1f} GiB"
        )


if __name__ == "__main__":
    main()
