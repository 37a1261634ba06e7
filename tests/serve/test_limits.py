"""Limits of size and time: those of the application, and those of sockets."""

import contextlib
import json
import re
import select
import socket
import threading
import time
from pathlib import Path

import pytest

from seedbed.serve import predictor
from seedbed.serve.predictor import Limits

from .conftest import application, ask, exchange, head_of, running


def test_the_documented_limits_equal_those_of_the_server():
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(
        encoding="utf-8"
    )
    own = Limits()
    assert (own.body, own.head, own.rows) == (1 << 20, 32 << 10, 10_000)
    for words in (
        "1 MiB",
        "32 KiB",
        "10,000 rows",
        f"{own.text:,} characters",
        f"over {own.head_seconds:g} seconds",
        f"body takes over {own.body_seconds:g}",
        f"over {own.answer_seconds:g} seconds",
        f"over {own.connections} connections",
        f"after {own.stop_seconds:g} seconds",
    ):
        assert words in page


ROW = dict(size=170, weight=70, price=3, smokes="no", day="2024-05-05", town="Oslo")


def refused(app, body):
    answer = ask(app, "POST", "/predict", body)
    assert answer.status in (400, 422)
    return answer.error["message"]


@pytest.mark.parametrize(
    "words", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000]
)
def test_nan_and_overlong_numbers_are_refused(app, words):
    assert refused(app, f'{{"rows": [{{"size": {words}}}]}}'.encode())


def test_a_key_twice_is_refused_and_quotes_in_texts_are_no_keys(app, records):
    row = json.dumps(records[0])[1:]
    twice = "the body isn't JSON: an object has a duplicate key"
    for start in ('{"x": 1, "x": 1, ', '{"size": 1, ', '{"siz\\u0065": 1, '):
        assert refused(app, (start + row).encode()) == twice
        assert refused(app, ('{"rows": [' + start + row + "]}").encode()) == twice
    assert refused(app, ('{"rows": [], "rows": [{' + row + "]}").encode()) == twice
    rows = [
        {**records[0], key: text}
        for key in ('a"b": ', "a\\")
        for text in ('": ', '\\": "\\\\', "::")
    ]
    assert ask(app, "POST", "/predict", rows).values["ignored"] == ['a"b": ', "a\\"]


@pytest.mark.parametrize(
    "body", b'|{|{]|[1,]|\'a\'|{a: 1}|[1] 2|\xff|"\xff"|"a|\x00|3|[[]]'.split(b"|")
)
def test_invalid_json_is_refused(app, body):
    assert refused(app, body)


HOSTILE = (
    b"[" * 1_000_000,
    b'{"a":' * 150_000,
    b'["' + b"[" * 900_000,
    b"[]" * 500_000,
    b"[" * 9 + b'"' + b'\\"' * 520_000,
    b"[" * 9 + b'"' + b'\\\\"' * 340_000,
    b"[" * 9 + b'"' * 1_000_000,
    b"\n" * 1_000_000 + b"x",
    b"[" + b"1" * 1_000_000 + b"]",
    b'[{"size": ' + b"[" * 500_000 + b"]" * 500_000 + b"}]",
)


# Quickly: by the time of this process on all processors, since other programs may hold the machine.
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_body_is_refused_quickly(app, body):
    started = time.process_time()
    refused(app, body)
    assert time.process_time() - started < 2


@pytest.fixture
def gate(monkeypatch):
    """An event that predictions wait for."""
    gate, predict = threading.Event(), predictor.predict_rows
    monkeypatch.setattr(
        predictor,
        "predict_rows",
        lambda model, rows: gate.wait(10) and predict(model, rows),
    )
    return gate


def test_a_slow_prediction_is_refused_and_next_request_answered(fitted, records, gate):
    app = application(fitted("ill"), limits=Limits(answer_seconds=0.3))
    answer = ask(app, "POST", "/predict", records[:1])
    assert answer.status == 503
    assert answer.error["message"] == "there was no answer within 0.3 seconds"
    gate.set()
    assert ask(app, "POST", "/predict", records[:1]).status == 200


@pytest.mark.parametrize(
    "cell",
    ["1" * 900 + "x", "1" * 1_000_000 + "x", " " * 1_000_000, "9," * 450, "(" * 1000],
)
def test_a_hostile_text_is_answered_quickly(app, records, cell):
    started = time.process_time()
    rows = [{**records[0], name: cell} for name in records[0]]
    assert ask(
        app, "POST", "/predict", rows if len(cell) < 10_000 else rows[0]
    ).status in (200, 413, 422)
    assert time.process_time() - started < 2


def test_a_hundred_thousand_unknown_columns_are_answered_quickly(app, records):
    started = time.process_time()
    rows = [
        {**records[0], **{f"x{place}-{row}": 1 for place in range(20)}}
        for row in range(3000)
    ]
    assert ask(app, "POST", "/predict", rows[:700]).status == 200
    lacking = {f"x{place}": 1 for place in range(60_000)}
    assert ask(app, "POST", "/predict", lacking).status == 422
    assert time.process_time() - started < 5


def test_the_size_of_a_body_is_measured_while_it_arrives(app):
    chunks = [b"[" + b" " * 400_000] * 3
    for length in (None, "10", "x", "-1"):
        answer = ask(app, "POST", "/predict", chunks=chunks, content_length=length)
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.error["code"] == "content_too_large"
    for length in ("9" * 500, str((1 << 20) + 1)):
        answer = ask(app, "POST", "/predict", b"[]", content_length=length)
        assert (answer.status, answer.error["code"]) == (413, "content_too_large")
        answer = ask(
            app, "POST", "/predict", b"[]", content_length=length, host="evil.example"
        )
        assert (answer.status, answer.error["code"]) == (421, "host")


def test_a_body_at_the_limit_is_read(app, records):
    body = json.dumps(records[:1]).encode()
    result = ask(app, "POST", "/predict", body + b" " * ((1 << 20) - len(body))).status
    assert result == 200
    assert (
        ask(app, "POST", "/predict", body + b" " * ((1 << 20) - len(body) + 1)).status
        == 413
    )


def test_at_most_ten_thousand_rows_are_answered(fitted, records):
    app = application(fitted("ill"), limits=Limits(body=1 << 22))
    result = len(ask(app, "POST", "/predict", [ROW] * 10_000).values["predictions"])
    assert result == 10_000
    answer = ask(app, "POST", "/predict", [ROW] * 10_001)
    assert answer.status == 422
    assert (
        answer.error["message"] == "Expected `array` of length <= 10000 - at `$.rows`"
    )


@pytest.fixture(scope="module")
def port(fitted):
    """The port of a server with timeouts of half a second."""
    limits = Limits(
        head_seconds=0.5, body_seconds=0.5, write_seconds=0.5, connections=20
    )
    with running(fitted("ill"), limits=limits) as found:
        yield found


@pytest.fixture(scope="module")
def patient(fitted):
    """The port of a server that waits for the rest of a request, which a busy machine may send
    slowly."""
    with running(fitted("ill"), limits=Limits(write_seconds=5)) as found:
        yield found


def status_of(answer):
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+)", answer)]


def test_slow_headers_time_out(port):
    started = time.perf_counter()
    answer = exchange(
        port,
        *[bytes([byte]) for byte in b"GET /health HTTP/1.1\r\nX: " + b"a" * 80],
        pause=0.05,
    )
    assert (status_of(answer), time.perf_counter() - started < 9) == ([], True)


@pytest.mark.slow
@pytest.mark.parametrize("first", [b"", b"\r\n\r\n", b"G"])
def test_a_connection_without_a_request_is_closed(port, first):
    started = time.perf_counter()
    assert status_of(exchange(port, first)) in ([], [400])
    assert time.perf_counter() - started < 4


@pytest.mark.slow  # it waits
def test_an_idle_connection_is_closed(port):
    started = time.perf_counter()
    ask_once = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    assert status_of(exchange(port, ask_once, ask_once, pause=0.1)) == [200, 200]
    assert status_of(exchange(port, ask_once, *[b"G"] * 60, pause=0.05)) == [200]
    assert time.perf_counter() - started < 8


def test_a_slow_or_missing_body_times_out(port):
    started = time.perf_counter()
    for head in (
        head_of(port, 100) + b"\r\n[",
        head_of(port) + b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n",
    ):
        answer = exchange(port, head, *[b"1"] * 20, pause=0.05)
        assert status_of(answer)[0] in (400, 408)
        assert b"connection: close" in answer
    assert time.perf_counter() - started < 8


@pytest.mark.slow
def test_the_body_of_a_refused_request_is_not_read_for_long(port):
    started = time.perf_counter()
    head = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 999999\r\n\r\n".encode()
    assert status_of(exchange(port, head, *[b"x"] * 60, pause=0.05)) in ([200], [])
    assert time.perf_counter() - started < 8


def test_an_endless_chunked_body_is_cut_off(patient):
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = exchange(
        patient, head_of(patient) + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 20
    )
    # the answer may be lost if the client is still writing
    assert status_of(answer) in ([413], [])


@pytest.mark.slow  # the server waits for the rest of a request
def test_a_false_content_length_does_not_bypass_the_limit(patient):
    assert status_of(exchange(patient, head_of(patient, 1 << 40) + b"\r\n")) == [413]
    assert status_of(
        exchange(patient, head_of(patient, 2) + b"\r\n[]" + b"[" * 500 + b"\r\n\r\n")
    ) == [200, 400]
    both = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert status_of(exchange(patient, head_of(patient, 2) + both)) == [400]
    assert status_of(
        exchange(patient, head_of(patient, 2) + b"Content-Length: 3\r\n\r\n[] ")
    ) == [400]
    assert status_of(exchange(patient, head_of(patient, -1) + b"\r\n[]")) == [400]
    assert status_of(
        exchange(patient, head_of(patient, 2) + b"Host: evil.com\r\n\r\n[]")
    ) == [400]


def test_the_size_of_headers_is_limited(patient):
    start = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{patient}\r\n".encode()
    line = b"X: " + b"a" * 900 + b"\r\n"
    assert status_of(exchange(patient, start, *[line] * 60, pause=0.002)) in ([400], [])
    assert status_of(
        exchange(patient, start + b"X: ", *[b"a" * 1000] * 60, pause=0.002)
    ) in ([400], [])
    assert status_of(exchange(patient, b"GET /", *[b"a" * 1000] * 60, pause=0.002)) in (
        [400],
        [],
    )


@pytest.mark.parametrize(
    "text",
    b"\x00\x01\x02\r\n\r\n|GET\r\n\r\n|\x16\x03\x01\x02\x00|PRI * HTTP/2.0\r\n\r\nSM".split(
        b"|"
    ),
)
def test_bytes_that_are_not_http_are_refused(patient, text):
    assert status_of(exchange(patient, text)) in ([400], [421])


@pytest.mark.slow  # the connection stays open
def test_an_upgrade_to_a_websocket_is_refused(patient):
    head = f"GET /card HTTP/1.1\r\nHost: 127.0.0.1:{patient}\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    answer = exchange(
        patient,
        head.encode() + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n\r\n",
    )
    assert status_of(answer)[:1] in ([200], [])


@pytest.mark.slow
def test_the_number_of_open_connections_is_limited(port):
    ask_once = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert status_of(exchange(port, ask_once)) == [503]
    deadline = time.monotonic() + 30
    while status_of(exchange(port, ask_once)) != [
        200
    ]:  # once the server has noticed that the others are closed
        assert time.monotonic() < deadline


@pytest.mark.slow  # it waits
def test_a_client_that_does_not_read_answers_is_cut_off(port):
    body = json.dumps([ROW] * 10_000).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(5)
        connection.connect(("127.0.0.1", port))
        with contextlib.suppress(OSError):
            for _ in range(8):  # the system itself buffers
                connection.sendall(head_of(port, len(body)) + b"\r\n" + body)
        cut_off = select.poll()
        cut_off.register(connection, 0)  # the log reports the cut connection even
        assert cut_off.poll(60_000)


def test_a_client_that_disconnects_does_no_harm(patient, records):
    body = json.dumps(records).encode()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", patient)) as connection:
            connection.sendall(head_of(patient, len(body)) + b"\r\n" + body)
        with socket.create_connection(("127.0.0.1", patient)) as connection:
            connection.sendall(head_of(patient, len(body)) + b"\r\n" + body[:100])
    answer = exchange(
        patient, head_of(patient, len(body)) + b"Connection: close\r\n\r\n" + body
    )
    assert status_of(answer) == [200]
