"""The example of https://docs.slack.dev/authentication/verifying-requests-from-slack, and its limits."""

import hashlib
import hmac

import pytest

from app.core.access.slacksignature import GOOD_FOR, is_signed

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TIMESTAMP, AT = "1531420618", 1531420618.0
SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


@pytest.mark.parametrize("seconds", [0, GOOD_FOR, -GOOD_FOR])
def test_the_documented_example_is_signed_within_five_minutes(seconds: float) -> None:
    assert is_signed(SECRET, BODY, TIMESTAMP, SIGNATURE, AT + seconds)
    assert not is_signed(SECRET, BODY, TIMESTAMP, SIGNATURE, AT + (1.001 * seconds or 301))


@pytest.mark.parametrize(
    ("secret", "body", "timestamp", "signature"),
    [
        (SECRET + "x", BODY, TIMESTAMP, SIGNATURE),
        (SECRET, BODY + b"x", TIMESTAMP, SIGNATURE),
        (SECRET, BODY, "1531420619", SIGNATURE),
        (SECRET, BODY, f" {TIMESTAMP}", SIGNATURE),
        (SECRET, BODY, "١٥٣١٤٢٠٦١٨", SIGNATURE),
        (SECRET, BODY, TIMESTAMP, SIGNATURE[:-1]),
        (SECRET, BODY, TIMESTAMP, SIGNATURE.upper()),
        (SECRET, BODY, TIMESTAMP, ""),
        (SECRET, BODY, TIMESTAMP, "v0=\udcff"),
        ("", BODY, TIMESTAMP, SIGNATURE),
    ],
)
def test_everything_else_is_not_signed(secret: str, body: bytes, timestamp: str, signature: str) -> None:
    assert not is_signed(secret, body, timestamp, signature, AT)


@pytest.mark.parametrize("secret", ["", "  "])
def test_nothing_is_signed_with_a_blank_secret(secret: str) -> None:
    digest = hmac.new(secret.encode(), b"v0:%s:" % TIMESTAMP.encode(), hashlib.sha256).hexdigest()
    assert not is_signed(secret, b"", TIMESTAMP, f"v0={digest}", AT)
