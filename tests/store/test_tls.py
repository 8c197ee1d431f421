"""A Redis that is reached by TLS, with a CA of its own, and that wants to see a certificate of its clients."""

import os
import signal
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from app.cli.base import open_redis
from app.core.finding import Result
from app.doctor.examine import examine
from app.simulator.loopback import free_port
from app.web.factory import create_app
from tests.conftest import RedisServer, make_config, short_directory
from tests.web.make import answer, basic, notification

NAME = "redis.example.com"


@dataclass(frozen=True)
class Secured:
    """A server by TLS, and the files of its clients."""

    server: RedisServer
    port: int
    ca: Path
    cert: Path
    key: Path

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return the settings with which a client gets in."""
        files = {"redis_ca_file": self.ca, "redis_cert_file": self.cert, "redis_key_file": self.key}
        return {**files, "redis_server_name": NAME, **more}

    def connection(self, timeout: float = 5.0, **settings: Any) -> "redis.Redis":
        return open_redis(make_config(f"rediss://127.0.0.1:{self.port}/0", **settings), timeout)


def write(folder: Path, name: str, issued: trustme.LeafCert) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    return cert, key


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    folder, authority, port = short_directory(), trustme.CA(), free_port()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    cert, key = write(folder, "server", authority.issue_cert(NAME))
    tls = ("--bind", "127.0.0.1", "--tls-port", str(port), "--tls-auth-clients", "yes")
    files = ("--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-ca-cert-file", str(folder / "ca.pem"))
    server = RedisServer(folder, *tls, *files)
    server.start()
    try:
        yield Secured(server, port, folder / "ca.pem", *write(folder, "client", authority.issue_cert("awb-meter")))
    finally:
        server.stop()


def test_certificates_from_settings_open_the_way_for_deliveries_and_everything_else(secured: Secured) -> None:
    connection = secured.connection(**secured.settings())
    assert connection.ping()
    client = create_app(make_config(**secured.settings(redis_url=f"rediss://127.0.0.1:{secured.port}")), connection)
    posted = [client.test_client().post("/v1/webhook", headers=basic(), data=notification("m1")) for _ in range(2)]
    assert [answer(response) for response in posted] == [(202, "accepted"), (200, "duplicate")]


def test_one_file_may_hold_certificate_and_key(secured: Secured, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(secured.key.read_bytes() + secured.cert.read_bytes())
    settings = secured.settings(redis_cert_file=both)
    del settings["redis_key_file"]
    assert secured.connection(**settings).ping()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"redis_server_name": ""}, "127.0.0.1"),
        ({"redis_server_name": "other.example.com"}, "other.example.com"),
        ({"redis_ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ({"redis_cert_file": "", "redis_key_file": ""}, ""),  # the end of the connection may come before the reason,
    ],
    ids=["the address", "another name", "no CA", "no certificate of ours"],
)
def test_whatever_does_not_fit_keeps_the_connection_from_opening(
    secured: Secured, changed: dict[str, str], why: str
) -> None:
    connection = secured.connection(**secured.settings(**changed))
    with pytest.raises((redis.exceptions.ConnectionError, ssl.SSLError)) as raised:
        connection.ping()
    assert why in str(raised.value)


def test_doctor_names_the_settings_of_a_certificate_that_is_not_trusted(secured: Secured) -> None:
    settings = secured.settings(redis_ca_file="", redis_url=f"rediss://127.0.0.1:{secured.port}")
    config = make_config(**settings)
    found = next(one for one in examine(config, open_redis(config)) if one.check == "redis.reachable")
    assert found.outcome is Result.ERROR
    assert "AWB_REDIS_CA_FILE" in found.hint


def test_a_redis_that_hangs_behind_tls_holds_a_request_for_the_time_out_only(secured: Secured) -> None:
    connection = secured.connection(0.5, **secured.settings())
    config = make_config(**secured.settings(redis_url=f"rediss://127.0.0.1:{secured.port}"))
    client = create_app(config, connection).test_client()
    client.post("/v1/webhook", headers=basic(), data=notification("before"))
    assert secured.server.process is not None
    os.kill(secured.server.process.pid, signal.SIGSTOP)
    try:
        # Without a time-out it would wait forever.
        response = client.post("/v1/webhook", headers=basic(), data=notification("m2"))
    finally:
        os.kill(secured.server.process.pid, signal.SIGCONT)
    assert answer(response) == (503, "unavailable")
    assert answer(client.post("/v1/webhook", headers=basic(), data=notification("m3"))) == (202, "accepted")
