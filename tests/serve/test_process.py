"""`seedbed serve` as a process: start, errors, end and memory."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seedbed.cli.program import main

from .conftest import TOKEN, exchange, head_of, run, running


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    """A model file."""
    return fitted("ill").save(tmp_path_factory.mktemp("models") / "heart.safetensors")


@contextlib.contextmanager
def process(*arguments, before="", **environment):
    """A running `seedbed serve` and its port; `before` is Python code that runs first."""
    program = (
        f"import runpy\n{before}\nrunpy.run_module('seedbed', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, "serve", *map(str, arguments)]
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        line = started.stderr.readline()
        assert re.fullmatch(
            r"serving relu:5 at http://127\.0\.0\.1:\d+ \(Ctrl-C ends it\)\n", line
        )
        yield started, int(re.search(r"1:(\d+)", line)[1])
    finally:
        started.kill()
        started.wait()
        started.stderr.close()


def get(port, path, **headers):
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    ) as answer:
        return answer.read()


def test_a_process_serves_until_sigint(saved, fitted, records):
    with process(saved, "--port", "0") as (started, port):
        body = json.dumps(records[:2]).encode()
        answer = exchange(
            port, head_of(port, len(body)) + b"Connection: close\r\n\r\n" + body
        )
        found = json.loads(answer.partition(b"\r\n\r\n")[2])["predictions"][0][
            "probabilities"
        ]["well"]
        assert found == pytest.approx(
            fitted("ill").predict_proba(records[:2])[0, 1], abs=1e-6
        )
        assert b"server:" not in answer
        wrong = json.dumps({"rows": records[:1], "at": [3]}).encode()
        assert b"at is for models" in exchange(
            port, head_of(port, len(wrong)) + b"Connection: close\r\n\r\n" + wrong
        )
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 130
        assert started.stderr.read() == "seedbed: interrupted\n"


@pytest.mark.slow
def test_sigterm_finishes_running_requests_and_ends_the_process(saved, records):
    with process(saved, "--port", "0", SEEDBED_TOKEN=TOKEN) as (started, port):
        assert get(port, "/health") == b'{"status":"ok"}'
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(port, "/card")
        assert (
            json.loads(get(port, "/card", Authorization=f"Bearer {TOKEN}"))["candidate"]
            == "relu:5"
        )
        body = json.dumps(records * 10).encode()
        head = (
            head_of(port, len(body))
            + f"Authorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n".encode()
        )
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(head + body)
            started.send_signal(signal.SIGTERM)
            said = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert said.count(b'"label"') == len(records) * 10
        assert (started.wait(60), started.stderr.read()) == (0, "")


STUCK = {
    "in Python": "while True: pass",
    "in torch": "import torch; a = torch.ones(300, 300)\n  while True: a = torch.tanh(a @ a)",
}


@pytest.mark.slow
@pytest.mark.parametrize("work", STUCK.values(), ids=STUCK)
def test_sigterm_ends_process_within_grace_period_despite_endless_request(saved, work):
    grace = 0.5  # seconds; usually five
    before = (
        "import functools, seedbed.serve.server as server, seedbed.serve.predictor as predictor\n"
        f"server.serving = functools.partial(server.serving, limits=server.Limits(stop_seconds={grace}))\n"
        f"def endless(*_):\n  {work}\npredictor.Predictor._answers = endless"
    )
    with (
        process(saved, "--port", "0", before=before) as (started, port),
        ThreadPoolExecutor() as pool,
    ):
        answers = [
            pool.submit(exchange, port, head_of(port, 2) + b"\r\n[]") for _ in range(3)
        ]
        time.sleep(0.5)
        asked_at = time.perf_counter()
        started.send_signal(signal.SIGTERM)
        assert (started.wait(60), started.stderr.read()) == (0, "")
        assert time.perf_counter() - asked_at < 4.5
        for answer in answers:
            assert answer.result().startswith(b"HTTP/1.1 503 ")
            assert b"the server is stopping" in answer.result()


@pytest.fixture
def call(capsys):
    """A function that runs the verb in this process and returns its status and one line of
    output."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["serve", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return stop.value.code, err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "192.0.2.1"], "no token"),
        (["--host", "0.0.0.0", "--token", "short"], "has 5 characters"),
        (
            ["--host", "192.0.2.1", "--token", TOKEN],
            "address). Give an address of this machine with --host",
        ),
        (
            ["--host", "nowhere.invalid", "--token", TOKEN],
            "can't listen on nowhere.invalid",
        ),
        (
            ["--port", "{taken}"],
            "can't listen on 127.0.0.1, port {taken} (Address already in use). Give",
        ),
        (["--port", "70000"], "must be from 0 to 65535"),
        (["--allow-host", "*"], "not a host name"),
    ],
)
def test_an_unusable_address_is_an_error(call, saved, arguments, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, line = call(saved, *[word.format(taken=port) for word in arguments])
    assert status == 2
    assert words.format(taken=port) in line


def test_a_missing_or_damaged_model_is_an_error_of_one_line(call, saved, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(saved.read_bytes()[:-9])
    assert (
        call(tmp_path / "none.safetensors")[0]
        == call(damaged)[0]
        == call(tmp_path)[0]
        == 2
    )
    result = call(tmp_path / "none.safetensors")[1]
    assert "none.safetensors: there is no such file" in result


def test_a_missing_extra_names_the_command_to_install_it(call, saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    hint = "Install it with: pip install 'seedbed[serve]'."
    expected = (2, f"seedbed: serving needs uvicorn, which isn't installed. {hint}\n")
    assert call(saved, "--port", "0") == expected


def resident():
    """The resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc"
)
def test_thousands_of_requests_do_not_leak_memory(fitted, records):
    bodies = [
        json.dumps(body).encode()
        for body in (
            records[0],
            records[:50],
            {},
            dict.fromkeys(records[0]),
            "x" * 9000,
        )
    ]

    async def one(port, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        statuses = set()
        for _ in range(number):
            body = bodies[number % len(bodies)] if number % 7 else bodies[0]
            writer.write(head_of(port, len(body)) + b"\r\n" + body)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
            statuses.add(int(head[9:12]))
            if b"connection: close" in head:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return statuses

    async def crowd(port, rounds):
        found = [
            await asyncio.gather(*(one(port, 10 + place) for place in range(24)))
            for _ in range(rounds)
        ]
        return set().union(*(statuses for every in found for statuses in every))

    with running(fitted("ill")) as port:
        run(crowd(port, 2))
        before = resident()
        assert run(crowd(port, 6)) <= {200, 400, 422}
        assert resident() - before < 8 << 20
