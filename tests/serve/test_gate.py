"""Who may ask, and how: every test here is an attack, or a mistake that looks like one."""

import hmac

import pytest

from seedbed.errors import OptionError
from seedbed.serve.app import App
from seedbed.serve.gate import Gate

from .conftest import TOKEN, application, ask, run

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
OPEN = {"/", "/health", "/v2/health/live", "/v2/health/ready"}
BEARER = f"Bearer {TOKEN}"


def test_no_route_takes_a_method_but_its_own(app):
    for path, route in app.routes.items():
        for method in METHODS:
            answer = ask(app, method, path, {})
            if method == route.method:
                assert answer.status in (200, 400, 422)
            else:
                assert (answer.status, answer.headers["allow"]) == (405, route.method)


def test_what_is_no_route_is_not_found_by_any_method(app):
    paths = ("/predict/", "//predict", "/Predict", "/predict/x", "/..", "/.env", "/docs", "/v2/", "", "/predict\0")
    found = {ask(app, method, path).status for method in METHODS for path in paths}
    assert found == {404}


def test_without_the_token_every_route_is_shut_but_for_those_that_say_nothing(guarded):
    for path in [*guarded.routes, "/unknown"]:
        for method in METHODS:
            answer = ask(guarded, method, path, {})
            assert path in OPEN or (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert {path for path, route in guarded.routes.items() if route.open} == OPEN


@pytest.mark.parametrize("path", sorted(OPEN))
def test_what_is_open_says_nothing_of_the_model_or_the_token(guarded, fitted, path):
    with App(fitted("cost"), "another", Gate.of("127.0.0.1", 8000, "another-token-of-a-server")) as other:
        said = [ask(app, "GET", path) for app in (guarded, other)]
    assert said[0].status == 200
    assert said[0].body == said[1].body


def test_with_the_token_every_route_opens(guarded, records):
    for path, route in guarded.routes.items():
        assert ask(guarded, route.method, path, {}, authorization=BEARER).status in (200, 400, 422)
    assert ask(guarded, "POST", "/predict", records[:1], authorization=BEARER).status == 200


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer ü"]
)
def test_a_token_that_is_not_the_token_is_refused(guarded, given):
    assert ask(guarded, "GET", "/card", authorization=given).status == 401


def test_tokens_are_compared_in_constant_time(guarded, monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append(one) or real(one, other))
    assert ask(guarded, "GET", "/card", authorization="Bearer guess").status == 401
    assert compared == [b"guess"]


def test_two_tokens_are_no_token(guarded):
    gate = Gate.of("127.0.0.1", 8000, TOKEN)
    with pytest.raises(Exception, match="missing or wrong"):
        gate.check_token([BEARER.encode(), BEARER.encode()])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1", "127.0.0.1:8001", "localhost.evil.com:8000", "0.0.0.0:8000"])
def test_a_server_called_by_another_name_does_not_answer(app, method, host):
    assert {ask(app, method, path, {}, host=host).status for path in [*app.routes, "/x"]} == {421}


def test_a_request_without_a_host_is_refused(app):
    assert ask(app, "GET", "/health", host=None).status == 400
    with pytest.raises(Exception, match="one Host"):
        Gate.of("127.0.0.1", 8000).check_host([b"127.0.0.1:8000", b"evil.com"])


def test_its_own_names_and_those_allowed_are_answered_to(fitted):
    names = ["127.0.0.1:8000", "LOCALHOST:8000", "[::1]:8000", "model.example", "model.example:8000", "other:99"]
    with application(fitted("ill"), others=["Model.example", "other:99"]) as app:
        assert {ask(app, "GET", "/health", host=name).status for name in names} == {200}
        assert ask(app, "GET", "/health", host="other").status == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.com", "null", "https://127.0.0.1", "file://", "http://127.0.0.1:80001"]
)
def test_pages_of_other_sites_are_refused(app, records, origin):
    assert ask(app, "POST", "/predict", records[:1], origin=origin).status == 403
    assert ask(app, "GET", "/card", origin=origin).status == 403


def test_the_servers_own_page_may_ask_and_no_other_is_invited(app, records):
    answer = ask(app, "POST", "/predict", records[:1], origin="http://127.0.0.1:8000")
    assert answer.status == 200
    preflight = ask(app, "OPTIONS", "/predict", access_control_request_method="POST")
    assert not [name for one in (answer, preflight) for name in one.headers if name.startswith("access-control")]


KINDS = ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "", None, "json"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_json_is_taken(app, records, kind):
    for path in ("/predict", "/invocations", "/v2/models/heart/infer"):
        assert ask(app, "POST", path, records[:1], content_type=kind).status == 415
    for said in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'):
        assert ask(app, "POST", "/predict", records[:1], content_type=said).status == 200


def test_a_compressed_body_is_not_unpacked(app, records):
    assert ask(app, "POST", "/predict", records[:1], content_encoding="gzip").status == 415
    assert ask(app, "POST", "/predict", records[:1], content_encoding="identity").status == 200


def test_parameters_in_an_address_are_refused(app):
    for path, route in app.routes.items():
        answer = ask(app, route.method, path, {}, query=b"token=1")
        assert (answer.status, answer.values["code"] if path.startswith("/v2") else answer.error["code"]) == (
            400,
            "query",
        )


def test_every_answer_has_the_headers_that_keep_browsers_from_guessing(app, records):
    answers = [ask(app, "GET", path) for path in [*app.routes, "/x"]] + [ask(app, "POST", "/predict", records[:1])]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_an_error_inside_is_told_without_its_trace(app, records, monkeypatch, capsys):
    from seedbed.serve import worker

    def fail(body, depth):
        raise ZeroDivisionError("secret path /home")

    monkeypatch.setattr(worker, "read_json", fail)
    answer = ask(app, "POST", "/predict", records[:1])
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert b"secret" not in answer.body
    assert "ZeroDivisionError: secret path /home" in capsys.readouterr().err
    monkeypatch.undo()
    assert ask(app, "POST", "/predict", records[:1]).status == 200


def test_a_socket_that_is_no_request_is_not_served(app):
    with pytest.raises(RuntimeError, match="websocket"):
        run(app({"type": "websocket"}, None, None))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "model.example", "10.0.0.1"])
def test_another_address_than_this_machines_own_needs_a_token(host):
    with pytest.raises(OptionError, match="no token"):
        Gate.of(host, 8000, None, ["model.example"])
    assert Gate.of(host, 8000, TOKEN, ["model.example"]).token == TOKEN.encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_this_machines_own_addresses_need_none(host):
    assert Gate.of(host, 8000).token is None


def test_every_address_at_once_needs_a_name():
    with pytest.raises(OptionError, match="--allow-host"):
        Gate.of("0.0.0.0", 8000, TOKEN)


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters", "sixteen letters!", "sixteen-letters-ü", "a" * 15])
def test_a_token_that_is_easily_guessed_or_cannot_be_sent_is_refused(token):
    with pytest.raises(OptionError):
        Gate.of("127.0.0.1", 8000, token)


@pytest.mark.parametrize("name", ["*", "*.example", "a b", "http://a", "a/b", "", "a:b"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(OptionError, match="no host name"):
        Gate.of("127.0.0.1", 8000, None, [name])
