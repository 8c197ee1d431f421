"""Web addresses, and the header that says how long to wait."""

from datetime import UTC, datetime

import pytest

from app.core.text.retryafter import seconds_to_wait
from app.core.text.weburl import is_web_url, origin, split_url

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://coder.example.com", "https://coder.example.com:443/login", True),
        ("http://coder.example.com/", "HTTP://CODER.example.com:80", True),
        ("http://[::1]:3000/", "http://[::1]:3000", True),
        ("https://coder.example.com", "http://coder.example.com", False),
        ("https://coder.example.com", "https://coder.example.com:8443", False),
        ("https://coder.example.com", "https://other.example.com", False),
    ],
)
def test_two_addresses_lead_to_the_same_server_by_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) is same


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@coder.example.com:443/a?b#c", "https://coder.example.com"),
        ("http://coder.example.com:8080/", "http://coder.example.com:8080"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443"),
        ("http://[::1]", "http://[::1]"),
    ],
)
def test_an_origin_is_shown_as_an_address_without_what_may_be_secret(url: str, shown: str) -> None:
    assert str(origin(url)) == shown


NONE = [
    "",
    "coder.example.com",
    "ftp://x",
    "https://",
    "https:///x",
    "http://x:0",
    "http://x:seven",
    "http://[::1",
    "//x",
]


@pytest.mark.parametrize("url", NONE)
def test_what_names_no_server_is_no_web_address(url: str) -> None:
    assert origin(url) is None
    assert not is_web_url(url)


@pytest.mark.parametrize("url", ["http://x y", "https://x\n.example.com", "https://x\x00"])
def test_an_address_has_no_white_space_and_no_control_characters(url: str) -> None:
    assert not is_web_url(url)


@pytest.mark.parametrize("url", ["http://ada:p4ssw0rd@[::1", "http://ada:p4ssw0rd@x:seven"])
def test_what_is_no_url_is_split_into_nothing_and_repeated_nowhere(url: str) -> None:
    assert split_url(url).netloc == ""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Mon, 02 Mar 2026 12:00:30 GMT", 30.0),
        ("Mon, 02 Mar 2026 14:00:30 +0200", 30.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("-7", None),
        ("7.5", None),
        ("٧", None),
        ("1" * 400, None),
        ("soon", None),
        ("Mon, 99 Mar 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header, NOW) == seconds
