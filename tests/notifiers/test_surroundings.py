"""What surrounds a request: .netrc, cookies, proxies and a company's CA, by every way out of this program."""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from app.config.load import ConfigError
from app.config.settings import Settings
from app.doctor.examine import examine
from app.net.session import is_here
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.directory import notifier
from app.pipeline.passes import client
from app.simulator.loopback import free_port
from app.store.server.connection import connect
from tests.coderapi.server import TOKEN
from tests.conftest import PATIENCE, make_config, wait_until
from tests.notifiers.httpsink import answer, sink
from tests.notifiers.mailserver import MailServer, running
from tests.notifiers.samples import notification

SLACK = b'{"ok":true,"channel":"C012345","ts":"1.2"}'


@dataclass(frozen=True)
class Way:
    """One way out: its settings for a base URL, the call, and what the server says to it."""

    name: str
    settings: Callable[[str], dict[str, Any]]
    receiver: str
    says: bytes = b"ok"

    def go(self, base: str, **more: Any) -> None:
        config = make_config(**self.settings(base), **more)
        if self.receiver:
            notifier(config.settings, self.receiver).send(notification())
        else:
            with client(config) as api:
                api.me()


WAYS = [
    Way("slack", lambda base: {"slack_webhook_url": f"{base}/services/T0/B0/X"}, "slack"),
    Way(
        "slack bot",
        lambda base: {"slack_bot_token": "xoxb-1", "slack_channel": "C012345", "slack_api_url": f"{base}/api"},
        "slack:C012345",
        SLACK,
    ),
    Way(
        "webhook",
        lambda base: {"notify_webhook_url": f"{base}/awb", "notify_webhook_secret": "c2VjcmV0" * 4},
        "webhook",
    ),
    Way("json", lambda base: {"apprise_urls": base.replace("http", "json", 1) + "/x"}, "apprise:json-1"),
    Way("jsons", lambda base: {"apprise_urls": base.replace("https", "jsons", 1) + "/x"}, "apprise:jsons-1"),
    Way("coder", lambda base: {"coder_url": base, "coder_token": TOKEN}, "", b'{"id":"u1","username":"u"}'),
]
over_http = pytest.mark.parametrize("way", [way for way in WAYS if way.name != "jsons"], ids=lambda way: way.name)
over_tls = pytest.mark.parametrize("way", [way for way in WAYS if way.name != "json"], ids=lambda way: way.name)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@over_http
def test_a_netrc_adds_no_credentials(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("default login thief password stolen\n", encoding="ascii")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with sink(answer(200, way.says)) as server:
        way.go(f"http://127.0.0.1:{server.port}")
    (request,) = server.requests
    expected = "Bearer xoxb-1" if way.name == "slack bot" else None
    assert request.headers.get("authorization") == expected


@over_http
def test_cookies_are_not_sent_back(way: Way) -> None:
    with sink(answer(200, way.says, {"Set-Cookie": "a=b; Path=/"})) as server:
        config = make_config(**way.settings(f"http://127.0.0.1:{server.port}"))
        if way.receiver:
            one = notifier(config.settings, way.receiver)
            one.send(notification())
            one.send(notification())
        else:
            with client(config) as api:
                api.me()
                api.me()
    assert [request.headers.get("cookie") for request in server.requests] == [None, None]


@over_http
def test_the_proxy_of_the_environment_is_used_for_others(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with sink(answer(200, way.says)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        way.go("http://service.example.test")
    (request,) = proxy.requests
    assert request.path.startswith("http://service.example.test/")


@over_tls
def test_over_tls_the_proxy_is_asked_for_a_tunnel(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with sink(answer(502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(Exception, match=r"reach|Proxy|accepted"):
            way.go("https://service.example.test")
    assert {(request.method, request.path) for request in proxy.requests} == {("CONNECT", "service.example.test:443")}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@over_http
def test_no_proxy_comes_between_this_machine_and_itself(way: Way, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with sink(answer(502)) as proxy, sink(answer(200, way.says)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        way.go(f"http://{host}:{server.port}")
    assert (len(server.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/x", True),
        ("http://LOCALHOST./x", True),
        ("http://a.localhost/x", True),
        ("http://127.1.2.3/x", True),
        ("http://[::1]:1/x", True),
        ("http://[::ffff:127.0.0.1]/x", True),
        ("http://0.0.0.0:1/x", True),
        ("http://10.0.0.1/x", False),
        ("http://localhost.example.com/x", False),
        ("http://example.com/?x=localhost", False),
    ],
)
def test_what_is_this_machine(url: str, here: bool) -> None:
    assert is_here(url) is here


def test_doctor_asks_its_own_addresses_past_every_proxy(
    connection: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    with sink(answer(502)) as proxy, sink(answer(405)) as receiver:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        found = {
            finding.check: finding for finding in examine(make_config(bind=f"127.0.0.1:{receiver.port}"), connection)
        }
        assert found["receiver.reachable"].outcome == "ok"
        # A name of ours that is not loopback: it resolves to nothing here, which is not the proxy's 502.
        config = make_config(public_url="http://awb.example.invalid")
        found = {finding.check: finding for finding in examine(config, connection)}
        assert "ConnectionError" in found["receiver.reachable"].message
    assert proxy.requests == []


# ---- A company's certificates ----


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("company ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


@over_tls
def test_the_systems_certificates_are_trusted_everywhere(
    way: Way, authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with sink(answer(200, way.says), tls=context(authority)) as server:
        way.go(f"https://localhost:{server.port}")
    assert len(server.requests) == 1


@over_tls
def test_the_certificates_of_the_setting_are_trusted_besides(way: Way, authority: trustme.CA, ca_file: Path) -> None:
    with sink(answer(200, way.says), tls=context(authority)) as server:
        way.go(f"https://localhost:{server.port}", ca_file=ca_file)
    assert len(server.requests) == 1


@over_tls
def test_without_trust_nothing_is_sent_and_the_error_names_the_setting(way: Way, authority: trustme.CA) -> None:
    with sink(answer(200, way.says), tls=context(authority)) as server, pytest.raises(Exception) as raised:
        way.go(f"https://localhost:{server.port}")
    assert server.requests == []
    assert "AWB_CA_FILE" in str(raised.value) or way.name == "jsons"  # Apprise does not say why


@over_tls
def test_a_certificate_for_another_name_is_refused(way: Way, authority: trustme.CA, ca_file: Path) -> None:
    with sink(answer(200, way.says), tls=context(authority, "other.test")) as server, pytest.raises(Exception):  # noqa: B017
        way.go(f"https://localhost:{server.port}", ca_file=ca_file)
    assert server.requests == []


MAIL = {"email_from": "awb@example.com", "email_to": "ops@example.com"}


def mail(server: MailServer, scheme: str, **more: Any) -> None:
    settings: Settings = make_config(smtp_url=f"{scheme}://localhost:{server.port}", **MAIL, **more).settings
    notifier(settings, "email:ops@example.com").send(notification())


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_servers_are_trusted_the_same(
    scheme: str, authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {"starttls": context(authority)} if scheme == "smtp" else {"implicit": context(authority)}
    with running(MailServer(), **how) as server:
        with pytest.raises(NotifyError, match="AWB_CA_FILE") as raised:
            mail(server, scheme)
        assert raised.value.reason is FailureReason.TLS
        mail(server, scheme, ca_file=ca_file)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        mail(server, scheme)
    assert len(server.mails) == 2


@contextmanager
def redis_over_tls(authority: trustme.CA, folder: Path) -> Iterator[str]:
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--tls-port", str(port), "--tls-cert-file", str(folder / "server.pem"),
         "--tls-key-file", str(folder / "server.pem"), "--tls-auth-clients", "no", "--save", "", "--bind", "127.0.0.1",
         "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"rediss://localhost:{port}/0"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_redis_over_tls_is_trusted_the_same(
    authority: trustme.CA, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_over_tls(authority, tmp_path) as url:

        def answers(given: Path | None) -> bool:
            settings = make_config(url, **({"ca_file": given} if given else {})).settings
            try:
                return bool(connect(url, settings=settings).ping())
            except redis.exceptions.ConnectionError:
                return False

        wait_until(lambda: answers(ca_file))
        assert not answers(None)
        (finding,) = [found for found in examine(make_config(url), connect(url)) if found.check == "redis.reachable"]
        assert "AWB_REDIS_CA_FILE" in finding.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        assert answers(None)


@pytest.mark.parametrize("key", ["ca_file", "coder_ca_file"])
def test_a_file_without_certificates_is_a_mistake_of_the_configuration(tmp_path: Path, key: str) -> None:
    for name, why in (("missing.pem", "cannot be read: No such file"), ("empty.pem", "holds no certificates")):
        (tmp_path / "empty.pem").touch()
        with pytest.raises(ConfigError) as raised:
            make_config(**{key: tmp_path / name})
        (problem,) = raised.value.problems
        assert problem.startswith(f"AWB_{key.upper()}: the file {tmp_path / name} {why}")
