"""The pure parts of access: what is read from settings and headers, and where a request comes from."""

import hashlib
import hmac

import pytest
from werkzeug.security import generate_password_hash

from app.core.access import people as access
from app.core.access.origin import client_of, from_this_machine, is_foreign, local_path
from app.core.access.people import (
    ApiToken,
    Person,
    Role,
    check_password_hash_form,
    parse_networks,
    parse_tokens,
    parse_user_header,
    person_of_token,
    token_digest,
    user_of_header,
    within,
)

DIGEST = hashlib.sha256(b"t").hexdigest()


def test_an_entry_of_the_tokens_is_a_role_and_a_sha256() -> None:
    assert parse_tokens([f"viewer:{DIGEST}"]) == (ApiToken(Role.VIEWER, DIGEST),)
    assert token_digest("t") == DIGEST


@pytest.mark.parametrize(
    "text",
    [
        "awb_secret",
        "viewer:awb_secret",
        f"owner:{DIGEST}",
        f"admin:{DIGEST.upper()}",
        f"admin:{DIGEST[1:]}",
        f"admin:{DIGEST}\n",
    ],
)
def test_another_entry_of_the_tokens_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="awb access token") as raised:
        parse_tokens([text])
    assert text not in str(raised.value)


def test_one_token_has_one_role() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_tokens([f"viewer:{DIGEST}", f"admin:{DIGEST}"])


def test_a_token_is_compared_with_every_entry_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Spy:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(access, "hmac", Spy)
    tokens = [ApiToken(Role.ADMIN, token_digest(text)) for text in "abc"]
    assert person_of_token(tokens, "a") == Person(tokens[0].name, Role.ADMIN, "token")
    assert compared == [(token.digest, token_digest("a")) for token in tokens]


@pytest.mark.parametrize("offered", ["", "T", "t ", DIGEST, f"viewer:{DIGEST}", "\udcff", "ü" * 9000])
def test_nothing_but_the_token_is_the_token(offered: str) -> None:
    assert person_of_token([ApiToken(Role.VIEWER, DIGEST)], offered) is None


def test_the_hash_that_werkzeug_makes_is_taken() -> None:
    check_password_hash_form(generate_password_hash("x"))


GOOD = generate_password_hash("x", "scrypt:16384:8:1")


@pytest.mark.parametrize(
    "text",
    [
        "my password",
        GOOD.replace("16384", "8192"),
        GOOD.replace("16384", "1048576"),
        GOOD.replace("16384", "16385"),
        GOOD.replace(":8:1$", ":99:1$"),
        GOOD.replace(":8:1$", ":0:1$"),
        GOOD.replace(":8:1$", ":8:9$"),
        GOOD.replace("$", ""),
        GOOD[:-1],
        GOOD + "\n",
        "pbkdf2:sha256:1000$Lnm5pRilYfLjoHlv$6cab5257283738e79cc0c1429df76fd469036662ab7ddfdd00fb19aa2967ed14",
    ],
)
def test_what_is_no_sound_hash_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="awb access hash") as raised:
        check_password_hash_form(text)
    assert text not in str(raised.value)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "10.0.0.0/33", ""])
def test_a_proxy_is_an_address_or_a_network_and_not_everybody(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_networks(["10.0.0.1", text])


@pytest.mark.parametrize("name", ["X_User", "X-User, X-Other", "X User", "Cookie", "authorization", "HOST", "Ü"])
def test_a_header_that_anybody_may_send_names_no_user(name: str) -> None:
    with pytest.raises(ValueError, match="X-Forwarded-User"):
        parse_user_header(name)


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ("ada", "ada"),
        (" ada ", "ada"),
        ("ada@example.com", "ada@example.com"),
        ("zoë".encode().decode("latin-1"), "zoë"),
        ("ada,mallory", None),
        ("ada, ada", None),
        ("", None),
        ("  ", None),
        ("a\tb", None),
        ("a\x00", None),
        ("\xff", None),
        ("a" * 201, None),
    ],
)
def test_a_proxy_names_exactly_one_user(value: str, user: str | None) -> None:
    assert user_of_header(value) == user


@pytest.mark.parametrize(
    ("peer", "host", "protocol", "headers", "expected"),
    [
        ("127.0.0.1", "localhost:8787", "HTTP/1.1", ["Host", "Accept"], True),
        ("127.8.9.1", "LOCALHOST", "HTTP/1.1", [], True),
        ("::1", "[::1]:8787", "HTTP/1.1", [], True),
        ("::ffff:127.0.0.1", "127.0.0.1", "HTTP/1.1", [], True),
        ("127.0.0.1", "awb.example.com", "HTTP/1.1", [], False),
        ("127.0.0.1", "localhost.example.com", "HTTP/1.1", [], False),
        ("127.0.0.1", "127.0.0.1.example.com", "HTTP/1.1", [], False),
        ("127.0.0.1", "localhost@example.com", "HTTP/1.1", [], False),
        ("127.0.0.1", "localhost, example.com", "HTTP/1.1", [], False),
        ("127.0.0.1", "localhost:8787/x", "HTTP/1.1", [], False),
        ("127.0.0.1", "[::1", "HTTP/1.1", [], False),
        ("127.0.0.1", "0.0.0.0:8787", "HTTP/1.1", [], False),
        ("127.0.0.1", "", "HTTP/1.1", [], False),
        ("127.0.0.1", "localhost", "HTTP/1.0", [], False),
        ("192.0.2.7", "localhost", "HTTP/1.1", [], False),
        ("::ffff:192.0.2.7", "localhost", "HTTP/1.1", [], False),
        ("", "localhost", "HTTP/1.1", [], False),
        ("localhost", "localhost", "HTTP/1.1", [], False),
        ("127.0.0.1", "localhost", "HTTP/1.1", ["X-Forwarded-For"], False),
        ("127.0.0.1", "localhost", "HTTP/1.1", ["x-forwarded-proto"], False),
        ("127.0.0.1", "localhost", "HTTP/1.1", ["X-Real-IP"], False),
        ("127.0.0.1", "localhost", "HTTP/1.1", ["Forwarded"], False),
        ("127.0.0.1", "localhost", "HTTP/1.1", ["Via"], False),
    ],
)
def test_only_a_person_on_this_machine_is_one(
    peer: str, host: str, protocol: str, headers: list[str], expected: bool
) -> None:
    assert from_this_machine(peer, host, protocol, headers) is expected


PROXIES = parse_networks(["10.0.0.0/24"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.5", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "1.1.1.1, 198.51.100.1,10.0.0.6", "198.51.100.1"),
        ("10.0.0.5", "nonsense", "10.0.0.5"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "198.51.100.1:51234", "198.51.100.1"),
        ("10.0.0.5", "1.1.1.1:1, 198.51.100.1:51234, 10.0.0.6:443", "198.51.100.1"),
        ("10.0.0.5", "[2001:db8:1:2::7]:51234", "2001:db8:1:2::/64"),
        ("10.0.0.5", "[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("10.0.0.5", "2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("10.0.0.5", "[::ffff:198.51.100.1]:51234", "198.51.100.1"),
        ("10.0.0.5", "198.51.100.1:", "10.0.0.5"),
        ("10.0.0.5", "198.51.100.1:x", "10.0.0.5"),
        ("10.0.0.5", "198.51.100.1:123456", "10.0.0.5"),
        ("10.0.0.5", "[198.51.100.1:443", "10.0.0.5"),
        ("10.0.0.5", "[]:443", "10.0.0.5"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "", "2001:db8:1:2::/64"),
        ("", "", "unknown"),
    ],
)
def test_failures_are_those_of_the_first_address_that_is_no_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client_of(peer, forwarded, PROXIES) == client


@pytest.mark.parametrize(
    "text", ["10.0.0.5:443", "[fd00::5]", "[fd00::5]:443", "::ffff:10.0.0.5", "::ffff:10.0.0.0/120"]
)
def test_a_proxy_may_be_written_with_port_and_brackets(text: str) -> None:
    (network,) = parse_networks([text])
    peer = "fd00::5" if "fd00" in text else "10.0.0.5"
    assert within(peer, [network])
    assert not within("10.0.1.5", [network])


HOST = "awb.example.com"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "scheme", "public_url", "foreign"),
    [
        (None, None, "http", "", False),
        (None, "same-origin", "http", "", False),
        (None, "none", "http", "", False),
        (None, "same-site", "http", "", True),
        (None, "cross-site", "http", "", True),
        (None, "", "http", "", True),
        (f"http://{HOST}", None, "http", "", False),
        (f"http://{HOST}:80", None, "http", "", False),
        (f"HTTP://{HOST.upper()}", None, "http", "", False),
        (f"http://{HOST}", "cross-site", "http", "", True),
        (f"http://{HOST}:8080", None, "http", "", True),
        (f"https://{HOST}", None, "http", "", True),
        (f"https://{HOST}", None, "http", f"https://{HOST}/", False),
        ("https://front.example.com", None, "http", "https://front.example.com", False),
        ("http://front.example.com", None, "http", "https://front.example.com", True),
        (f"http://{HOST}.evil.example", "same-origin", "http", "", True),
        ("null", None, "http", "", True),
        ("", None, "http", "", True),
        ("http://[", None, "http", "", True),
        (f"http://{HOST}:x", None, "http", "", True),
    ],
)
def test_another_origin_is_foreign(
    origin: str | None, fetch_site: str | None, scheme: str, public_url: str, foreign: bool
) -> None:
    found = is_foreign(origin=origin, fetch_site=fetch_site, host=HOST, scheme=scheme, public_url=public_url)
    assert found is foreign


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", "/"),
        ("/days/2030-05-17?user=ada&x=%2F", "/days/2030-05-17?user=ada&x=%2F"),
        ("/login-statistics", "/login-statistics"),
        ("/logs", "/logs"),
        (None, "/"),
        ("", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("\n//evil.example", "/"),
        ("/login?next=/login", "/"),
        ("/logout", "/"),
        ("/" + "a" * 1000, "/"),
    ],
)
def test_the_login_leads_to_a_path_of_this_site_only(text: str | None, path: str) -> None:
    assert local_path(text) == path
