"""Access control: each test is an attack or a mistake that resembles one."""

import hmac

import pytest

from seedbed.errors import OptionError
from seedbed.serve.app import App
from seedbed.serve.limits import Gate

from .conftest import TOKEN, application, ask, run

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
OPEN = {"/", "/health"}
BEARER = f"Bearer {TOKEN}"


def test_every_route_refuses_other_methods(app):
    for path, route in app.routes.items():
        for method in METHODS:
            answer = ask(app, method, path, {})
            if method == route.method:
                assert answer.status in (200, 400, 422)
            else:
                assert (answer.status, answer.headers["allow"]) == (405, route.method)


def test_unknown_routes_are_not_found_by_any_method(app):
    paths = ("/predict/", "//predict", "/Predict", "/predict/x", "/..", "/.env", "/docs", "/v2", "", "/predict\0")
    found = {ask(app, method, path).status for method in METHODS for path in paths}
    assert found == {404}


def test_without_the_token_only_health_routes_answer(guarded):
    for path in [*guarded.routes, "/unknown"]:
        for method in METHODS:
            answer = ask(guarded, method, path, {})
            assert path in OPEN or (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert {path for path, route in guarded.routes.items() if route.open} == OPEN


@pytest.mark.parametrize("path", sorted(OPEN))
def test_open_routes_reveal_neither_model_nor_token(guarded, fitted, path):
    other = App(fitted("cost"), Gate.of("127.0.0.1", 8000, "another-token-of-a-server"))
    with other.worker:
        said = [ask(app, "GET", path) for app in (guarded, other)]
    assert said[0].status == 200
    assert said[0].body == said[1].body


def test_with_the_token_every_route_answers(guarded, records):
    for path, route in guarded.routes.items():
        assert ask(guarded, route.method, path, {}, authorization=BEARER).status in (200, 400, 422)
    assert ask(guarded, "POST", "/predict", records[:1], authorization=BEARER).status == 200


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer ü"]
)
def test_a_wrong_token_is_refused(guarded, given):
    assert ask(guarded, "GET", "/card", authorization=given).status == 401


def test_tokens_are_compared_in_constant_time(guarded, monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append(one) or real(one, other))
    assert ask(guarded, "GET", "/card", authorization="Bearer guess").status == 401
    assert compared == [b"guess"]


def test_two_tokens_are_refused(guarded):
    gate = Gate.of("127.0.0.1", 8000, TOKEN)
    with pytest.raises(Exception, match="missing or wrong"):
        gate.check_token([BEARER.encode(), BEARER.encode()])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1", "127.0.0.1:8001", "localhost.evil.com:8000", "0.0.0.0:8000"])
def test_another_host_name_is_refused(app, method, host):
    assert {ask(app, method, path, {}, host=host).status for path in [*app.routes, "/x"]} == {421}


def test_a_request_without_a_host_is_refused(app):
    assert ask(app, "GET", "/health", host=None).status == 400
    with pytest.raises(Exception, match="one Host"):
        Gate.of("127.0.0.1", 8000).check_host([b"127.0.0.1:8000", b"evil.com"])


def test_own_and_allowed_host_names_are_accepted(fitted):
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


def test_only_the_servers_page_may_send_requests(app, records):
    answer = ask(app, "POST", "/predict", records[:1], origin="http://127.0.0.1:8000")
    assert answer.status == 200
    preflight = ask(app, "OPTIONS", "/predict", access_control_request_method="POST")
    assert not [name for one in (answer, preflight) for name in one.headers if name.startswith("access-control")]


KINDS = ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "", None, "json"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_json_is_accepted(app, records, kind):
    assert ask(app, "POST", "/predict", records[:1], content_type=kind).status == 415
    for said in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'):
        assert ask(app, "POST", "/predict", records[:1], content_type=said).status == 200


def test_a_compressed_body_is_not_unpacked(app, records):
    assert ask(app, "POST", "/predict", records[:1], content_encoding="gzip").status == 415
    assert ask(app, "POST", "/predict", records[:1], content_encoding="identity").status == 200


def test_query_parameters_are_ignored_and_hold_no_token(app, guarded, records):
    with_query, without = (ask(app, "POST", "/predict", records[:1], query=query) for query in (b"x=1", b""))
    assert (with_query.status, with_query.body) == (200, without.body)
    assert ask(app, "GET", "/health", query=b"x=1").status == 200
    assert ask(guarded, "GET", "/card", query=f"token={TOKEN}".encode()).status == 401


def test_every_answer_has_security_headers(app, records):
    answers = [ask(app, "GET", path) for path in [*app.routes, "/x"]] + [ask(app, "POST", "/predict", records[:1])]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_an_internal_error_is_answered_without_its_traceback(app, records, monkeypatch, capsys):
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


def test_a_websocket_is_not_served(app):
    with pytest.raises(RuntimeError, match="websocket"):
        run(app({"type": "websocket"}, None, None))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "model.example", "10.0.0.1"])
def test_a_public_address_needs_a_token(host):
    with pytest.raises(OptionError, match="no token"):
        Gate.of(host, 8000, None, ["model.example"])
    assert Gate.of(host, 8000, TOKEN, ["model.example"]).token == TOKEN.encode()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_addresses_need_no_token(host):
    assert Gate.of(host, 8000).token is None


def test_the_wildcard_address_needs_a_host_name():
    with pytest.raises(OptionError, match="several names with --allow-host"):
        Gate.of("0.0.0.0", 8000, TOKEN)


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters", "sixteen letters!", "sixteen-letters-ü", "a" * 15])
def test_a_weak_or_unsendable_token_is_refused(token):
    with pytest.raises(OptionError):
        Gate.of("127.0.0.1", 8000, token)


@pytest.mark.parametrize("name", ["*", "*.example", "a b", "http://a", "a/b", "", "a:b"])
def test_an_invalid_host_name_is_refused(name):
    with pytest.raises(OptionError, match="not a host name"):
        Gate.of("127.0.0.1", 8000, None, [name])
