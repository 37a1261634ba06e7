"""Send hostile requests to a server, beside connections that send good ones.

python benchmarks/serve_attack.py                              2,000 requests beside 200 connections
python benchmarks/serve_attack.py --table example:penguins --n 500 --seed 3

It fails if an answer is no JSON or of status 500, if the server prints anything or ends, or if a good
request gets another answer than alone. Requests are drawn from their number, so each can be sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import serve_load

_DEEP = 100_000
_WAIT = 45.0
NUMBERS = (
    *(
        "1e400",
        "-1e400",
        "1e308",
        "-1e-400",
        "NaN",
        "Infinity",
        "-Infinity",
        "-0",
        "00",
        "0x10",
    ),
    *(
        "1" * 400,
        "1" * 5_000,
        str(2**63),
        str(-(2**63) - 1),
        "1.",
        ".5",
        "1e",
        "+1",
        "1_000",
    ),
)
TEXTS = (
    "",
    " ",
    "1,5",
    "1e400",
    "nan",
    "None",
    "\u0663",
    "\u202e1",
    "\x00",
    "\ufeff1",
    "a" * 1_001,
)
OTHERS = (
    "null",
    "true",
    "[]",
    "{}",
    "[1]",
    '{"a": 1}',
    '"\\ud800"',
    '"\\u0000"',
    '"\\x"',
    "'1'",
)
CONTENT_TYPES = (
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "multipart/form-data",
    "a" * 999,
)
TARGETS = (
    *(
        "/predict/",
        "//predict",
        "/../predict",
        "/predict%00",
        "/predict?a=" + "b" * 20_000,
        "*",
    ),
    *(
        "http://other/predict",
        "/\u00fc",
        "/" + "a" * 40_000,
        "",
        "/card",
        "/%2e%2e/x",
    ),
)
METHODS = (
    "GET",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PRI",
    "post",
    "P\u00d6ST",
    "",
)
VERSIONS = ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 ", "HTTP/9", "", "http/1.1")
LENGTHS = (
    "-1",
    "1e3",
    "0x10",
    "999999999999999999999",
    "10, 10",
    "",
    "5\r\nContent-Length: 6",
    "\u0663",
)
CODINGS = ("chunked", "gzip", "chunked, chunked", "identity", "xchunked", "\x0bchunked")
HEADERS = (
    *(
        "Expect: 100-continue",
        "Upgrade: websocket\r\nConnection: Upgrade",
        "Content-Encoding: gzip",
    ),
    *(
        "X: " + "a" * 40_000,
        "X" * 40_000 + ": a",
        "a b: c",
        ": c",
        "X:\x00",
        "X: a\r\n b",
        "X: \u00fc",
    ),
    *(
        "Origin: http://evil.example",
        "Origin: null",
        "Host: evil.example",
        "Connection: close, x",
    ),
    *(
        "Authorization: Bearer \u00fc",
        "Cookie: " + "a=b;" * 5_000,
        "\r\n".join(["A: b"] * 5_000),
    ),
)
CHUNKS = (
    b"5\r\nabc",
    b"zz\r\n",
    b"-1\r\n",
    b"ffffffffffffffff\r\nx",
    b"0\r\nA: b",
    b"3;" + b"a" * 40_000,
)


class Attack:
    """Draws requests for a server.

    Args:
        row: the cells of a row that is accepted.
    """

    def __init__(self, port: int, row: dict[str, Any]) -> None:
        self.port = port
        self.row = row
        self.kinds: dict[str, Callable[[random.Random], bytes]] = {
            "cell": self.cell,
            "columns": self.columns,
            "options": self.options,
            "rows": self.rows,
            "bytes": self.changed_bytes,
            "nesting": self.nesting,
            "size": self.size,
            "head": self.head,
            "framing": self.framing,
            "noise": lambda rng: rng.randbytes(rng.randrange(1, 3_000)),
        }

    def request(self, body: bytes, **parts: str) -> bytes:
        """Return a request, of which parts are replaced."""
        method = parts.get("method", "POST")
        target = parts.get("target", "/predict")
        version = parts.get("version", "HTTP/1.1")
        kind = parts.get("kind", "application/json")
        length = parts.get("length", str(len(body)))
        head = f"{method} {target} {version}\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: {kind}\r\n"
        head += f"Content-Length: {length}\r\n" if length != "none" else ""
        head += f"{parts['more']}\r\n" if "more" in parts else ""
        return head.encode() + b"\r\n" + body

    def body(self, **replaced: str) -> str:
        """Return a body of one row, in which some cells are other texts of JSON."""
        cells = {name: json.dumps(value) for name, value in self.row.items()} | replaced
        pairs = [f"{json.dumps(name)}: {value}" for name, value in cells.items()]
        return f'{{"rows": [{{{", ".join(pairs)}}}]}}'

    def cell(self, rng: random.Random) -> bytes:
        values = [*NUMBERS, *map(json.dumps, TEXTS), *OTHERS]
        names = rng.sample(sorted(self.row), rng.randrange(1, 3))
        return self.request(
            self.body(**{name: rng.choice(values) for name in names}).encode()
        )

    def columns(self, rng: random.Random) -> bytes:
        row = dict(self.row)
        kind = rng.randrange(6)
        if kind == 0:
            row.pop(rng.choice(sorted(row)))
        elif kind == 1:
            row |= {
                f"{number}": number for number in range(rng.choice([1, 10, 20_000]))
            }
        elif kind == 2:
            row[
                rng.choice(["", "rows", "\x00", "\u202e", "a" * 100_000, "coverage"])
            ] = 1
        elif kind == 3:
            name = rng.choice(sorted(row))
            return self.request(
                self.body().replace("}]}", f", {json.dumps(name)}: 1}}]}}").encode()
            )
        elif kind == 4:
            row = {name.swapcase(): value for name, value in row.items()}
        elif kind == 5:
            return self.request(json.dumps({name: [row] for name in row}).encode())
        return self.request(json.dumps({"rows": [row]}).encode())

    def options(self, rng: random.Random) -> bytes:
        values = (
            "NaN",
            "2",
            "-1",
            "0",
            "1",
            "1e-300",
            "1e400",
            '"0.9"',
            "null",
            "true",
            "[]",
            "{}",
        )
        name = rng.choice(["coverage", "per_class", "at", "rows", "other"])
        value = rng.choice(
            [*values, "[" + ", ".join(["1"] * 101) + "]", "[-1]", "[1e308]", '["a"]']
        )
        return self.request(
            self.body().replace("]}", f'], "{name}": {value}}}').encode()
        )

    def rows(self, rng: random.Random) -> bytes:
        small = dict.fromkeys(self.row, 1)
        bodies: list[Any] = [
            None,
            [],
            {},
            [[]],
            [None],
            [1],
            "a",
            1,
            {"rows": None},
            {"rows": {}},
        ]
        bodies += [
            {"rows": [{}] * 10_001},
            {"rows": [small] * rng.choice([300, 4_000, 10_001])},
        ]
        bodies += [{"rows": [self.row, rng.choice([None, {}, [], 1])]}, [self.row] * 20]
        return self.request(json.dumps(rng.choice(bodies)).encode())

    def changed_bytes(self, rng: random.Random) -> bytes:
        body = bytearray(self.body().encode())
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(body))
            change = rng.randrange(4)
            if change == 0:
                body[place] = rng.randrange(256)
            elif change == 1:
                del body[place : place + rng.randrange(1, 20)]
            elif change == 2:
                body[place:place] = rng.choice(
                    [b'"', b"{", b"]", b",", b"\x00", b"\xff", b"\\u", b":"]
                )
            else:
                body += body[place:]
            body = body or bytearray(b"{")
        return self.request(bytes(body))

    def nesting(self, rng: random.Random) -> bytes:
        n = rng.choice([100, 1_000, _DEEP])
        forms = (
            b"[" * n,
            b'{"a":' * n,
            b"[" * n + b"]" * n,
            b'{"rows":[' * n,
            b'[{"a":' * n,
        )
        return self.request(rng.choice(forms)[: 1 << 20])

    def size(self, rng: random.Random) -> bytes:
        n = rng.choice([1 << 19, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
        filling = rng.choice([b" ", b'"', b"\\", b"1", b"\xff", b":", b"\x00"])
        return self.request(
            rng.choice([b"", b"[", b'{"', self.body().encode()]) + filling * n
        )

    def head(self, rng: random.Random) -> bytes:
        choices = {
            "method": METHODS,
            "target": TARGETS,
            "version": VERSIONS,
            "kind": CONTENT_TYPES,
            "more": HEADERS,
        }
        parts = {
            part: rng.choice(choices[part]) for part in rng.sample(sorted(choices), 2)
        }
        return self.request(self.body().encode(), **parts)

    def framing(self, rng: random.Random) -> bytes:
        body = self.body().encode()
        if rng.random() < 0.4:
            return self.request(body, length=rng.choice(LENGTHS))
        more = f"Transfer-Encoding: {rng.choice(CODINGS)}"
        length = rng.choice(["none", str(len(body)), "3"])
        chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        return self.request(
            rng.choice([body, chunk, *CHUNKS]), length=length, more=more
        )


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read an answer; status 0 if it isn't one."""
    head = await reader.readuntil(b"\r\n\r\n")
    match = re.match(rb"HTTP/1.1 (\d+)", head)
    size = re.search(rb"(?i)content-length: (\d+)", head)
    if match is None:
        return 0, head
    return int(match[1]), await (
        reader.readexactly(int(size[1])) if size else reader.read()
    )


def fault_of(status: int, body: bytes) -> str:
    """Return what is wrong with an answer, or an empty text."""
    if status in (0, 500) or status >= 504:
        return f"status {status}: {body[:200]!r}"
    is_json = body.startswith(b'{"error":') or status < 400
    is_of_uvicorn = (
        b"Invalid HTTP request received." in body
    )  # which no JSON of ours can replace
    return (
        ""
        if is_json or is_of_uvicorn
        else f"no JSON of status {status}: {body[:200]!r}"
    )


def nearly_equal(body: bytes, other: bytes) -> bool:
    """Return whether two answers are equal but for roundings, which depend on the rows beside."""
    numbers = re.compile(rb"-?\d+\.\d+(?:e-?\d+)?")
    pairs = zip(numbers.findall(body), numbers.findall(other), strict=False)
    is_near = all(abs(float(a) - float(b)) < 1e-6 for a, b in pairs)
    return is_near and numbers.sub(b"", body) == numbers.sub(b"", other)


async def attack(port: int, requests: list[bytes], options: argparse.Namespace) -> int:
    """Send all; return the number of faults."""
    row = json.loads(requests[0].partition(b"\r\n\r\n")[2])["rows"][0]
    drawn = Attack(port, row)
    counts = Counter[str]()
    faults = list[str]()
    todo = iter(range(options.n))
    over = asyncio.Event()
    times = list[float]()

    async def hostile() -> None:
        for number in todo:
            rng = random.Random(f"{options.seed} {number}")
            kind = rng.choice(sorted(drawn.kinds))
            request = drawn.kinds[kind](rng)
            pieces = [request]
            if rng.random() < 0.1:  # slowly, or cut
                pieces = [
                    request[:40],
                    request[40:80],
                    request[80 : rng.randrange(80, 4_000)],
                ]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.3 if len(pieces) > 1 else 0)
                status, body = await asyncio.wait_for(answer_of(reader), _WAIT)
            except (ConnectionError, asyncio.IncompleteReadError):
                counts[f"{kind}: connection closed"] += 1
                continue
            except TimeoutError:
                faults.append(
                    f"{number} {kind}: no answer in {_WAIT:g} s: {request[:200]!r}"
                )
                continue
            finally:
                writer.close()
            counts[f"{kind}: {status}"] += 1
            if not request.startswith(b"HEAD") and (fault := fault_of(status, body)):
                faults.append(f"{number} {kind}: {fault}: {request[:300]!r}")

    async def good(first: int, expected: dict[int, bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        place = first
        while not over.is_set():
            begun = time.perf_counter()
            writer.write(requests[place % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length is not None
            body = await reader.readexactly(int(length[1]))
            times.append(time.perf_counter() - begun)
            same = nearly_equal(body, expected.setdefault(place % len(requests), body))
            if not same or b" 200 " not in head[:13]:
                faults.append(f"a good request got {head[:15]!r} {body[:200]!r}")
            place += 1
            await asyncio.sleep(0.5)
        writer.close()

    expected: dict[int, bytes] = {}
    others = [
        asyncio.create_task(good(place, expected))
        for place in range(options.connections)
    ]
    await asyncio.gather(*(hostile() for _ in range(40)))
    over.set()
    ends = await asyncio.gather(*others, return_exceptions=True)
    faults += [f"a good connection ended: {end!r}" for end in ends if end is not None]
    for answer, n in sorted(counts.items()):
        print(f"{n:5} {answer}")
    slowest = sorted(times)[-1]
    print(
        f"{len(times):,} good requests over {options.connections} connections, slowest {slowest:.1f} s"
    )
    print(*faults, sep="\n")
    return len(faults)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--table", default="example:breast-cancer")
    parser.add_argument("--model", help="a model file, in place of one of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or serve_load._model(
            Path(folder) / "m.safetensors", options.table, 4
        )
        server, port = serve_load._server(path, None)
        assert server.stderr is not None
        printed = list[str]()
        threading.Thread(
            target=lambda: printed.extend(server.stderr), daemon=True
        ).start()
        n_faults = asyncio.run(
            attack(port, serve_load._requests(port, "/predict"), options)
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            health = answer.status
        memory = re.search(
            r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text()
        )
        assert memory is not None
        server.terminate()
        status = server.wait(30)
        print(
            f"health {health}, most memory {int(memory[1]) >> 10} MB, exit status {status}"
        )
        print(*printed, sep="", end="")
        raise SystemExit(min(n_faults + len(printed), 1))


if __name__ == "__main__":
    main()
