"""How many single rows a second the server answers, and how long each takes.

    python benchmarks/serve_load.py [--seconds 5] [--rounds 3] [--connections 1,16,64]

The server runs in a process of its own, pinned to one core, and the generator on another. Rows are
drawn from the model's own card. Each connection has one request under way at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

import seedbed as sb

N_ROWS = 200


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or _model(
            Path(folder) / "model.safetensors", options.table, options.networks
        )
        cores = (
            sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
        )
        server, port = _server(path, cores[0] if cores else None)
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[1]})
        try:
            requests = _requests(port, options.path)
            print(
                "| connections | requests a second | p50 | p90 | p99 | most | errors |"
            )
            print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
            for number in map(int, options.connections.split(",")):
                asyncio.run(
                    _round(port, requests, number, min(options.seconds, 1.0))
                )  # warms up
                for _ in range(options.rounds):
                    print(
                        _row(
                            number,
                            *asyncio.run(
                                _round(port, requests, number, options.seconds)
                            ),
                        ),
                        flush=True,
                    )
        finally:
            server.terminate()
            server.wait(20)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", help="a model file; one of an embedded table is fitted if left out"
    )
    parser.add_argument(
        "--table", default="example:breast-cancer", help="what to fit it to"
    )
    parser.add_argument("--networks", type=int, default=8)
    parser.add_argument("--path", default="/predict", choices=["/predict", "/health"])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", default="1,16,64")
    return parser.parse_args()


def _model(path: Path, table: str, networks: int) -> Path:
    fitted = sb.fit_model(
        sb.read_table(table),
        "relu:5",
        n_networks=networks,
        compute=sb.Compute(n_jobs=1),
    )
    return fitted.save(path)


def _server(path: str | Path, core: int | None) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "seedbed", "serve", str(path), "--port", "0"]
    pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
    server = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=pin
    )
    assert server.stderr is not None
    line = server.stderr.readline()
    found = re.search(r"http://\S+:(\d+) ", line)
    if found is None:
        raise SystemExit(f"the server didn't start: {line}")
    return server, int(found[1])


def _requests(port: int, path: str) -> list[bytes]:
    """Whole requests, of one row each: numbers around their means, levels by chance."""
    head = f"Host: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    if path == "/health":
        return [f"GET /health HTTP/1.1\r\n{head}\r\n".encode()]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/card") as answer:
        columns = json.load(answer)["columns"]
    rng = random.Random(0)
    bodies = [
        json.dumps(
            {"rows": [{column["name"]: _cell(column, rng) for column in columns}]}
        )
        for _ in range(N_ROWS)
    ]
    return [
        f"POST {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        for body in bodies
    ]


def _cell(column: dict[str, Any], rng: random.Random) -> Any:
    if column["levels"]:
        return rng.choice(column["levels"])
    return (
        round(rng.gauss(column["mean"], column["deviation"]), 4)
        if column["kind"] == "number"
        else column["usual"]
    )


async def _round(
    port: int, requests: list[bytes], number: int, seconds: float
) -> tuple[list[float], int, float]:
    """The time of each request, how many weren't answered with 200, and how long it all took."""
    times: list[float] = []
    errors = 0
    started = time.perf_counter()

    async def ask(first: int) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = first
        while time.perf_counter() - started < seconds:
            begun = time.perf_counter()
            writer.write(requests[place % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(
                int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            )
            times.append(time.perf_counter() - begun)
            errors += not head.startswith(b"HTTP/1.1 200")
            place += 1
        writer.close()

    await asyncio.gather(*(ask(one * 7) for one in range(number)))
    return times, errors, time.perf_counter() - started


def _row(number: int, times: list[float], errors: int, seconds: float) -> str:
    shown = [
        f"{1000 * value:.1f} ms"
        for value in (*np.percentile(times, [50, 90, 99]), max(times))
    ]
    return (
        f"| {number} | {len(times) / seconds:,.0f} | {' | '.join(shown)} | {errors} |"
    )


if __name__ == "__main__":
    main()
