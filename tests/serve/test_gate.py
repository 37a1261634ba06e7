"""Access control: each test is an attack or a mistake that resembles one."""

import gzip
import hmac
import json

import pytest

from seedbed.errors import OptionError
from seedbed.serve import predictor
from seedbed.serve.app import OPEN
from seedbed.serve.server import Address

from .conftest import TOKEN, application, ask, exchange, running

METHODS = "GET POST PUT PATCH DELETE HEAD OPTIONS TRACE CONNECT PROPFIND".split()
PATHS = {"/": "GET", "/health": "GET", "/card": "GET", "/predict": "POST"}
BEARER = f"Bearer {TOKEN}"


def test_every_path_refuses_other_methods(app):
    for path, own in PATHS.items():
        for method in METHODS:
            answer = ask(app, method, path, {})
            if method == own or (method, own) == ("HEAD", "GET"):
                assert answer.status in (200, 422)
            else:
                assert (answer.status, own in answer.headers["allow"]) == (405, True)


def test_unknown_routes_are_not_found_by_any_method(app):
    paths = (
        "/predict/",
        "//predict",
        "/Predict",
        "/predict/x",
        "/..",
        "/.env",
        "/docs",
        "/v2",
        "",
        "/predict\0",
    )
    found = {ask(app, method, path).status for method in METHODS for path in paths}
    assert found == {404}


def test_without_the_token_only_health_routes_answer(guarded):
    for path in [*PATHS, "/unknown"]:
        for method in METHODS:
            answer = ask(guarded, method, path, {})
            assert path in OPEN or (
                answer.status,
                answer.headers["www-authenticate"],
            ) == (401, "Bearer")


@pytest.mark.parametrize("path", sorted(OPEN))
def test_open_routes_reveal_neither_model_nor_token(guarded, fitted, path):
    other = application(fitted("cost"), "another-token-of-a-server")
    said = [ask(app, "GET", path) for app in (guarded, other)]
    assert said[0].status == 200
    assert said[0].body == said[1].body


def test_with_the_token_every_route_answers(guarded, records):
    for path, method in PATHS.items():
        assert ask(guarded, method, path, {}, authorization=BEARER).status in (200, 422)
    result = ask(guarded, "POST", "/predict", records[:1], authorization=BEARER).status
    assert result == 200


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        "Bearer ü",
    ],
)
def test_a_wrong_token_is_refused(guarded, given):
    assert ask(guarded, "GET", "/card", authorization=given).status == 401


def test_tokens_are_compared_in_constant_time(guarded, monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        hmac,
        "compare_digest",
        lambda one, other: compared.append(one) or real(one, other),
    )
    assert ask(guarded, "GET", "/card", authorization="Bearer guess").status == 401
    assert compared == [b"Bearer guess"]


HOSTS = [None, "evil.com", "127.0.0.1", "127.0.0.1:8001", "0.0.0.0:8000"]


@pytest.mark.parametrize("host", [*HOSTS, "localhost.evil.com:8000"])
def test_another_host_name_or_none_is_refused(app, host):
    requests = [(method, path) for method in METHODS for path in [*PATHS, "/x"]]
    assert {ask(app, *words, host=host).status for words in requests} == {421}


def test_own_and_allowed_host_names_are_accepted(fitted):
    names = "127.0.0.1:8000 LOCALHOST:8000 [::1]:8000 model.example model.example:8000 other:99".split()
    app = application(fitted("ill"), names=["Model.example", "other:99"])
    assert {ask(app, "GET", "/health", host=name).status for name in names} == {200}
    assert ask(app, "GET", "/health", host="other").status == 421


@pytest.mark.parametrize(
    "origin",
    "http://evil.com null https://127.0.0.1 file:// http://127.0.0.1:80001".split(),
)
def test_pages_of_other_sites_are_refused(app, records, origin):
    assert ask(app, "POST", "/predict", records[:1], origin=origin).status == 403
    assert ask(app, "GET", "/card", origin=origin).status == 403


def test_only_the_servers_page_may_send_requests(app, records):
    answer = ask(app, "POST", "/predict", records[:1], origin="http://127.0.0.1:8000")
    assert answer.status == 200
    preflight = ask(app, "OPTIONS", "/predict", access_control_request_method="POST")
    assert not [
        name
        for one in (answer, preflight)
        for name in one.headers
        if name.startswith("access-control")
    ]


KINDS = ["text/plain", "application/x-www-form-urlencoded", "", None, "json"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_json_is_accepted(app, records, kind):
    assert ask(app, "POST", "/predict", records[:1], content_type=kind).status == 415
    for said in (
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
    ):
        assert (
            ask(app, "POST", "/predict", records[:1], content_type=said).status == 200
        )


def test_a_compressed_body_is_not_unpacked(app, records):
    body = gzip.compress(json.dumps(records[:1]).encode())
    assert ask(app, "POST", "/predict", body, content_encoding="gzip").status == 400


def test_query_parameters_are_ignored_and_hold_no_token(app, guarded, records):
    with_query, without = (
        ask(app, "POST", "/predict", records[:1], query=query)
        for query in (b"x=1", b"")
    )
    assert (with_query.status, with_query.body) == (200, without.body)
    assert ask(app, "GET", "/health", query=b"x=1").status == 200
    assert ask(guarded, "GET", "/card", query=f"token={TOKEN}".encode()).status == 401


def test_every_answer_has_security_headers(fitted):
    with running(fitted("ill")) as port:
        for path in [*PATHS, "/x"]:
            head = exchange(
                port,
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode(),
            )
            headers = dict(
                line.split(": ", 1)
                for line in head.decode().partition("\r\n\r\n")[0].split("\r\n")[1:]
            )
            policy = headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert policy.startswith("default-src 'none'")
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy


def test_an_internal_error_is_answered_without_its_traceback(
    app, records, monkeypatch, capsys
):
    def fail(model, rows):
        raise ZeroDivisionError("secret path /home")

    monkeypatch.setattr(predictor, "predict_rows", fail)
    answer = ask(app, "POST", "/predict", records[:1])
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert b"secret" not in answer.body
    assert "ZeroDivisionError: secret path /home" in capsys.readouterr().err
    monkeypatch.undo()
    assert ask(app, "POST", "/predict", records[:1]).status == 200


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.1.5", "::", "model.example", "10.0.0.1"]
)
def test_a_public_address_needs_a_token_and_another_one_none(host):
    with pytest.raises(OptionError, match="no token"):
        Address(host, names=["model.example"])
    assert "model.example:8000" in Address(
        host, token=TOKEN, names=["model.example"]
    ).accepted(8000)
    assert {
        Address(own).token for own in ("127.0.0.1", "127.8.8.8", "localhost", "::1")
    } == {None}


TOKENS = [
    "",
    "short",
    "fifteen-letters",
    "sixteen letters!",
    "sixteen-letters-ü",
    "a" * 15,
]
NAMES = ["*", "*.example", "a b", "http://a", "a/b", "", "a:b"]
WRONG = [({"token": token}, "the token has") for token in TOKENS]
WRONG += [({"names": [name]}, "not a host name") for name in NAMES]
WRONG += [({"host": "0.0.0.0", "token": TOKEN}, "several names with --allow-host")]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=str)
def test_weak_tokens_and_invalid_names_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Address(**options)
