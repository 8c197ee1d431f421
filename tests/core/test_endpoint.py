"""Coder's webhook endpoint against ours: address, path and secret, whatever way each is written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.coder.endpoint import Expected, compare
from app.core.coder.settings import EndpointUrl
from app.core.finding import Result

SECRET = "our-secret-of-this-meter"
OK, WARNING, ERROR = Result.OK, Result.WARNING, Result.ERROR


def outcomes(url: Any, **ours: str) -> dict[str, Result]:
    """Return how each check ended, by the last part of its id."""
    usual = {"public_url": "https://awb.example.com", "deployment": "prod", "secret": SECRET}
    found = compare(EndpointUrl.model_validate(url), Expected(**{**usual, **ours}))
    return {finding.check.removeprefix("coder."): finding.outcome for finding in found}


def at(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://coder:{SECRET}@{rest}"


@pytest.mark.parametrize(
    ("address", "public_url", "expected"),
    [
        ("https://awb.example.com/v1/webhook", "https://awb.example.com", OK),
        ("https://AWB.example.com:443/v1/webhook", "https://awb.example.com", OK),
        ("https://awb.example.com/v1/webhook", "https://awb.example.com:443", OK),
        ("https://awb.example.com/v1/webhook/prod", "https://awb.example.com", OK),
        ("https://awb.example.com/meter/v1/webhook", "https://awb.example.com/meter", OK),
        ("https://awb.example.com/v1/webhook?x=1#y", "https://awb.example.com", OK),
        ("http://[::1]:8787/v1/webhook", "http://[::1]:8787", OK),
        # Where nobody says how this meter is reached, any address and prefix may lead here.
        ("http://10.0.0.7:8787/v1/webhook", "", OK),
        ("http://10.0.0.7:8787/meter/v1/webhook/prod", "", OK),
        # Another address.
        ("https://other.example.com/v1/webhook", "https://awb.example.com", WARNING),
        ("https://awb.example.com:8443/v1/webhook", "https://awb.example.com", WARNING),
        ("http://awb.example.com/v1/webhook", "https://awb.example.com", WARNING),
        ("https://other.example.com/meter/v1/webhook", "https://awb.example.com", WARNING),
        # A path that no notification is taken at.
        ("https://awb.example.com/", "https://awb.example.com", ERROR),
        ("https://awb.example.com", "https://awb.example.com", ERROR),
        ("https://awb.example.com/v1/webhook/", "https://awb.example.com", ERROR),
        ("https://awb.example.com/v1/webhooks", "https://awb.example.com", ERROR),
        ("https://awb.example.com/v1/webhook/prod/x", "https://awb.example.com", ERROR),
        ("https://awb.example.com/v1/webhook", "https://awb.example.com/meter", ERROR),
        ("https://other.example.com/webhook", "https://awb.example.com", ERROR),
        ("http://10.0.0.7:8787/v1/hook", "", ERROR),
        # What would be counted for somebody else.
        ("https://awb.example.com/v1/webhook/stage", "https://awb.example.com", ERROR),
        ("https://10.0.0.7/v1/webhook/stage", "", ERROR),
    ],
)
def test_address_and_path_are_those_of_this_meter_or_not(address: str, public_url: str, expected: Result) -> None:
    assert outcomes(at(address), public_url=public_url) == {"endpoint": expected, "secret": OK}


@pytest.mark.parametrize(
    ("user_info", "secret", "expected"),
    [
        (f"coder:{SECRET}@", SECRET, OK),
        (f"anybody:{SECRET}@", SECRET, OK),
        ("coder:a%2Fb%40c%3Ad-of-the-meter@", "a/b@c:d-of-the-meter", OK),
        ("coder:s%C3%A9cret-of-the-meter@", "sécret-of-the-meter", OK),
        (f"coder:{SECRET}x@", SECRET, ERROR),
        (f"coder:{SECRET[:-1]}@", SECRET, ERROR),
        (f"coder:{SECRET.upper()}@", SECRET, ERROR),
        # A user name alone, or nothing behind the colon: Go's client sends an empty password.
        (f"{SECRET}@", SECRET, ERROR),
        ("coder:@", SECRET, ERROR),
        ("", SECRET, ERROR),
        (f"coder:{SECRET}@", "", WARNING),
    ],
)
def test_the_secret_is_read_as_coder_sends_it(user_info: str, secret: str, expected: Result) -> None:
    assert outcomes(f"https://{user_info}awb.example.com/v1/webhook", secret=secret)["secret"] is expected


def test_an_empty_former_secret_opens_nothing() -> None:
    found = outcomes("https://coder:@awb.example.com/v1/webhook", former_secret="")
    assert found["secret"] is ERROR


def test_the_form_of_the_documentation_which_holds_no_secret_is_not_compared() -> None:
    url = {"scheme": "https", "host": "awb.example.com", "path": "/v1/webhook", "user": {}}
    assert outcomes(url) == {"endpoint": OK, "secret": WARNING}


@pytest.mark.parametrize("url", ["", None, {}, "http://[", 7])
def test_no_endpoint_is_one_error(url: Any) -> None:
    assert outcomes(url if url is not None else {}) == {"endpoint": ERROR}


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_no_secret_is_ever_said(theirs: str, ours: str) -> None:
    endpoint = EndpointUrl(
        scheme="https", host="awb.example.com", path="/v1/webhook", has_user_info=True, password=f"T<{theirs}>"
    )
    said = list(compare(endpoint, Expected("", "prod", f"O<{ours}>", f"F<{ours}>")))
    texts = (
        " ".join(f"{finding.message} {finding.hint}" for finding in said) + repr(endpoint) + endpoint.model_dump_json()
    )
    assert not [secret for secret in (f"T<{theirs}>", f"O<{ours}>", f"F<{ours}>") if secret in texts]
