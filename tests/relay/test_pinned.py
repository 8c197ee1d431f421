"""A forward goes to the address that was checked, and to no private one without leave."""

import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.net import pinned
from tests.notifiers.httpsink import answer, sink

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
    "240.0.0.1", "192.0.2.1", "::1", "fe80::1", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "2002:a00:1::1", "2001:0:a00:1::f5ff:fffe",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known_in_every_wrapping(address: str) -> None:
    assert not pinned.is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert pinned.is_public(ip_address(address))


class Names:
    """A name server that answers with one list after the other, the last one for good."""

    def __init__(self) -> None:
        self.answers: list[list[str]] = []
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found, real = Names(), socket.getaddrinfo

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        # Addresses, to which the connection itself goes, need no name server.
        return found(host, *args, **more) if str(host).endswith(".test") else real(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return found


def post(url: str, **more: Any) -> pinned.Reply:
    return pinned.post(url, b"{}", {"Content-Type": "application/json"}, seconds=5, **more)


def test_a_name_that_leads_to_private_addresses_is_refused(names: Names) -> None:
    names.answers = [["10.0.0.1", "127.0.0.1"]]
    with sink(answer(200)) as there, pytest.raises(pinned.PrivateAddressError):
        post(f"http://hooks.test:{there.port}/x")
    assert there.requests == []


def test_a_name_is_resolved_once_so_that_it_cannot_be_rebound(names: Names) -> None:
    """The check and the connection share one answer; a second question would be answered with another address."""
    names.answers = [["127.0.0.1"], ["203.0.113.1"]]
    with sink(answer(204)) as there:
        assert post(f"http://hooks.test:{there.port}/x", allow_private=True).taken
        assert names.asked == ["hooks.test"]
        assert there.requests[0].headers["host"] == f"hooks.test:{there.port}"


def test_of_several_addresses_the_next_one_is_tried_where_nobody_listens(names: Names) -> None:
    names.answers = [["127.0.0.9", "127.0.0.1"]]
    with sink(answer(200)) as there:
        assert post(f"http://hooks.test:{there.port}/x", allow_private=True).status == 200


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with (
        sink(answer(200)) as behind,
        sink(answer(307, headers={"Location": f"http://127.0.0.1:{behind.port}/"})) as there,
    ):
        reply = post(f"http://127.0.0.1:{there.port}/x", allow_private=True)
    assert (reply.status, reply.taken) == (307, False)
    assert behind.requests == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_the_certificate_has_to_be_the_names_though_the_address_is_called(
    names: Names, authority: trustme.CA, trusted: Path
) -> None:
    names.answers = [["127.0.0.1"]]
    greeted: list[str | None] = []
    context = tls(authority, "hooks.test")
    context.sni_callback = lambda _socket, name, _context: greeted.append(name)
    with sink(answer(200), tls=context) as there:
        url = f"https://hooks.test:{there.port}/x"
        assert post(url, allow_private=True, ca_file=trusted).taken
        assert greeted == ["hooks.test"]
        with pytest.raises(pinned.NoAnswerError) as refused:
            post(url, allow_private=True)
        assert refused.value.tls
        assert refused.value.untrusted
    with sink(answer(200), tls=tls(authority, "127.0.0.1")) as there, pytest.raises(pinned.NoAnswerError) as wrong:
        post(f"https://hooks.test:{there.port}/x", allow_private=True, ca_file=trusted)
    assert wrong.value.tls
    assert there.requests == []


def test_an_error_names_neither_url_nor_headers() -> None:
    with pytest.raises(pinned.NoAnswerError) as refused:
        post("http://user:s3cret@127.0.0.1:1/secret-path", allow_private=True)
    assert str(refused.value) == "NewConnectionError"
    assert refused.value.__cause__ is None


def test_through_a_proxy_the_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with sink(answer(202)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert post("http://hooks.example.com/x").status == 202
        assert proxy.requests[0].path == "http://hooks.example.com/x"
