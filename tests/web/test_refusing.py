"""What the receiver refuses, and that nothing of it is stored."""

import base64
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from app.config.load import Config
from app.web.factory import create_app
from tests.conftest import SECRET, RedisServer, make_config
from tests.web.make import answer, basic, notification

FORMER = "the-former-secret-of-the-tests"


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


WRONG = [
    "",
    " ",
    "Basic",
    "Basic ",
    f"Basic {SECRET}",
    "Basic %%%",
    "Basic Y29kZXI",
    f"Basic {encoded(SECRET.encode())}",
    f"Basic {encoded(b'coder:')}",
    f"Basic {encoded(b'coder:' + SECRET.encode()[:-1])}",
    f"Basic {encoded(b'coder:' + SECRET.encode())} x",
    f"Basic {encoded(b'coder:' + SECRET.encode() + b'x')}",
    f"Basic {encoded(SECRET.encode() + b':coder')}",
    f"Basic {encoded(b'coder:' + SECRET.upper().encode())}",
    f"Basic {encoded(bytes(range(256)))}",
    "Basic \xff\xfe\xfd",
    f"Basic\t{encoded(b'coder:' + SECRET.encode())}",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    f"Bearer {SECRET}x",
    f"Bearer {SECRET[:-1]}",
    "Bearer ä",
    f"Digest {SECRET}",
    f"Token {SECRET}",
    SECRET,
    f'Digest username="coder", response="{SECRET}"',
]


@pytest.mark.parametrize("header", WRONG, ids=range(len(WRONG)))
def test_without_the_secret_nothing_is_stored(client: FlaskClient, connection: "redis.Redis", header: str) -> None:
    for body in (notification(), b"{", b""):
        response = client.post("/v1/webhook", headers={"Authorization": header}, data=body)
        assert answer(response) == (401, "error")
        assert response.headers["WWW-Authenticate"] == 'Basic realm="awb"'
        assert SECRET not in response.get_data(as_text=True)
    assert connection.dbsize() == 0


def test_a_missing_header_is_refused(client: FlaskClient, connection: "redis.Redis") -> None:
    assert answer(client.post("/v1/webhook", data=notification())) == (401, "error")
    assert answer(client.post("/v1/webhook/No%20Such", data=notification())) == (401, "error")
    assert connection.dbsize() == 0


@pytest.mark.parametrize(
    "header",
    [
        f"Basic {encoded(b'coder:' + SECRET.encode())}",
        f"basic {encoded(b'anybody at all:' + SECRET.encode())}",
        f"BASIC {encoded(b':' + SECRET.encode())}",
        f"Bearer {SECRET}",
        f"bearer  {SECRET} ",
    ],
)
def test_the_secret_is_admitted_however_it_is_sent(client: FlaskClient, header: str) -> None:
    assert answer(client.post("/v1/webhook", headers={"Authorization": header}, data=notification())) == (
        202,
        "accepted",
    )


ODD_SECRETS = [
    "pass:with:colons-inside",
    "geheim-für-alle-Fälle",
    "日本語の秘密ですよ、日本語の秘密です",
    "/?#@%+ &=~`^|\\<>",
]


@pytest.mark.parametrize("secret", ODD_SECRETS)
def test_a_secret_may_hold_any_character(redis_server: RedisServer, connection: "redis.Redis", secret: str) -> None:
    client = create_app(make_config(redis_server.url, webhook_secret=secret), connection).test_client()
    bearer = {"Authorization": b"Bearer ".decode() + secret.encode().decode("latin-1")}
    for number, headers in enumerate((basic(secret), bearer)):
        assert answer(client.post("/v1/webhook", headers=headers, data=notification(f"m{number}"))) == (202, "accepted")
    assert client.post("/v1/webhook", headers=basic(secret + "x"), data=notification("m9")).status_code == 401


def test_both_secrets_are_admitted_during_a_rotation(redis_server: RedisServer, connection: "redis.Redis") -> None:
    config = make_config(redis_server.url, webhook_secret_previous=FORMER)
    client = create_app(config, connection).test_client()
    expected = {SECRET: 202, FORMER: 202, "neither-of-the-two-secrets": 401}
    codes = {
        secret: client.post("/v1/webhook", headers=basic(secret), data=notification(f"m{number}")).status_code
        for number, secret in enumerate(expected)
    }
    assert codes == expected


def test_after_a_rotation_the_former_secret_is_refused(client: FlaskClient) -> None:
    assert client.post("/v1/webhook", headers=basic(FORMER), data=notification()).status_code == 401


def test_without_a_secret_there_is_no_application(connection: "redis.Redis") -> None:
    with pytest.raises(ValueError, match="AWB_WEBHOOK_SECRET"):
        create_app(make_config(webhook_secret=""), connection)


@pytest.mark.parametrize("bind", ["0.0.0.0:8787", "[::]:8787", "192.0.2.7:8787", "127.example.com:8787"])
def test_insecure_is_refused_off_loopback(connection: "redis.Redis", bind: str) -> None:
    for secret in ("", SECRET):
        with pytest.raises(ValueError, match="loopback"):
            create_app(make_config(webhook_secret=secret, bind=bind), connection, insecure=True)


@pytest.mark.parametrize("bind", ["127.0.0.1:8787", "localhost:8787", "[::1]:8787", "127.0.0.2:1"])
def test_insecure_admits_everything_on_loopback(
    redis_server: RedisServer, connection: "redis.Redis", bind: str
) -> None:
    config = make_config(redis_server.url, webhook_secret="", bind=bind)
    client = create_app(config, connection, insecure=True).test_client()
    assert answer(client.post("/v1/webhook", data=notification())) == (202, "accepted")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 202),
        ({"Host": "host.docker.internal:8787"}, 202),
        ({"Origin": "http://localhost:8787"}, 202),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        # A name rebound to loopback: to the browser this is one site.
        ({"Host": "evil.example:8787", "Origin": "http://evil.example:8787"}, 403),
        ({"Host": "evil.example:8787", "Origin": "http://evil.example:8787", "Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
def test_insecure_takes_nothing_from_another_sites_page(
    redis_server: RedisServer, connection: "redis.Redis", headers: dict[str, str], code: int
) -> None:
    config = make_config(redis_server.url, webhook_secret="", public_url="https://evil.example")
    client = create_app(config, connection, insecure=True).test_client()
    sent = {"Host": "localhost:8787", **headers}
    for path in ("/v1/webhook", "/v1/webhook/eu"):
        body = notification(f"m-{path}")
        assert client.post(path, data=body, headers=sent, content_type="text/plain").status_code == code
    assert (connection.dbsize() > 0) is (code == 202)


@pytest.mark.parametrize("path", ["/v1/webhook", "/v1/webhook/", "/v1/webhook/default", "/v1/webhook/eu/"])
def test_get_is_answered_with_a_hint_at_redirects(client: FlaskClient, connection: "redis.Redis", path: str) -> None:
    response = client.get(path, headers=basic())
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert "redirect" in response.get_json()["detail"]
    assert connection.dbsize() == 0


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused_with_allow_post(client: FlaskClient, connection: "redis.Redis", method: str) -> None:
    response = client.open("/v1/webhook", method=method, headers=basic(), data=notification())
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert connection.dbsize() == 0


NAMES = ["A", "eu_1", "eu.1", "-eu", "a" * 41, "ä", "%20", "eu%3A1", "%00", "eu%0A", "..", "eu;x", "%2e%2e"]


@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_no_deployments(client: FlaskClient, connection: "redis.Redis", name: str) -> None:
    response = client.post(f"/v1/webhook/{name}", headers=basic(), data=notification())
    assert answer(response) == (404, "error")
    assert connection.dbsize() == 0


@pytest.mark.parametrize("path", ["/v1", "/v1/webhook/a/b", "/v1/webhook/a/b/", "/v2/webhook"])
def test_other_paths_are_not_found(client: FlaskClient, connection: "redis.Redis", path: str) -> None:
    assert answer(client.post(path, headers=basic(), data=notification())) == (404, "error")
    assert connection.dbsize() == 0


def padded(size: int) -> bytes:
    body = notification()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(("more", "expected"), [(-1, (202, "accepted")), (0, (202, "accepted")), (1, (413, "error"))])
def test_bodies_up_to_the_limit_are_accepted(
    client: FlaskClient, config: Config, connection: "redis.Redis", more: int, expected: tuple[int, str]
) -> None:
    body = padded(config.settings.max_body_bytes + more)
    assert answer(client.post("/v1/webhook", headers=basic(), data=body)) == expected
    assert (connection.dbsize() > 0) is (expected[0] == 202)


def test_the_limit_can_be_set(redis_server: RedisServer, connection: "redis.Redis") -> None:
    client = create_app(make_config(redis_server.url, max_body_bytes=16_384), connection).test_client()
    response = client.post("/v1/webhook", headers=basic(), data=padded(16_385))
    assert answer(response) == (413, "error")
    assert "AWB_MAX_BODY_BYTES" in response.get_json()["reason"]
    assert answer(client.post("/v1/webhook", headers=basic(), data=padded(16_384))) == (202, "accepted")


def test_a_body_without_length_is_refused(client: FlaskClient, connection: "redis.Redis") -> None:
    options: dict[str, Any] = {"content_length": None, "input_stream": None}
    response = client.post("/v1/webhook", headers=basic(), **options)
    assert answer(response) == (411, "error")
    assert connection.dbsize() == 0
