"""Every way in which Coder, or what stands before it, can fail to answer."""

import logging
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import responses
import urllib3
from responses.matchers import header_matcher

from app.coder.api import Bounds, CoderApi, CoderApiError, Failure
from tests.coderapi.server import TOKEN, URL, V2, api, failure_of

RETRY, FINAL = False, True
ONCE, AGAIN = 1, 4
COMPLAINT = '{"message": "No such thing.", "detail": "It is gone."}'
# status, body, kind, permanent, requests made, words of the message
ANSWERS: list[tuple[int, str, Failure, bool, int, str]] = [
    (401, COMPLAINT, Failure.UNAUTHORIZED, FINAL, ONCE, "coder tokens create"),
    (403, COMPLAINT, Failure.FORBIDDEN, FINAL, ONCE, "No such thing. It is gone."),
    (403, "<html>", Failure.FORBIDDEN, FINAL, ONCE, "which roles it lacks"),
    (404, COMPLAINT, Failure.NOT_FOUND, FINAL, ONCE, "nothing there"),
    (410, COMPLAINT, Failure.NOT_FOUND, FINAL, ONCE, "nothing there"),
    (400, COMPLAINT, Failure.REJECTED, FINAL, ONCE, "(400); Coder says: No such thing. It is gone."),
    (400, '{"message": "Bad.", "detail": null, "validations": null}', Failure.REJECTED, FINAL, ONCE, "says: Bad."),
    (400, '{"validations": [{"field": "q", "detail": "unknown"}]}', Failure.REJECTED, FINAL, ONCE, "q: unknown"),
    (400, "[" * 5000, Failure.REJECTED, FINAL, ONCE, "(400)"),
    (408, "", Failure.REJECTED, FINAL, ONCE, "(408)"),
    (409, '{"message": 5}', Failure.REJECTED, FINAL, ONCE, "(409)"),
    (429, "", Failure.RATE_LIMITED, RETRY, AGAIN, "(429)"),
    (500, COMPLAINT, Failure.SERVER_ERROR, RETRY, AGAIN, "(500)"),
    (501, "", Failure.SERVER_ERROR, RETRY, AGAIN, "(501)"),
    (502, "<html>Bad Gateway</html>", Failure.SERVER_ERROR, RETRY, AGAIN, "(502)"),
    (503, "", Failure.SERVER_ERROR, RETRY, AGAIN, "(503)"),
    (504, "", Failure.SERVER_ERROR, RETRY, AGAIN, "(504)"),
    (301, "", Failure.REDIRECTED, FINAL, ONCE, "AWB_CODER_URL"),
    (302, "", Failure.REDIRECTED, FINAL, ONCE, "AWB_CODER_URL"),
    (304, "", Failure.REDIRECTED, FINAL, ONCE, "AWB_CODER_URL"),
    (307, "", Failure.REDIRECTED, FINAL, ONCE, "AWB_CODER_URL"),
    (308, "", Failure.REDIRECTED, FINAL, ONCE, "AWB_CODER_URL"),
    (206, "{}", Failure.BAD_ANSWER, RETRY, ONCE, "206"),
    (204, "", Failure.BAD_ANSWER, RETRY, ONCE, "not JSON"),
    (200, "", Failure.BAD_ANSWER, RETRY, ONCE, "not JSON"),
    (200, "<html>Sign in</html>", Failure.BAD_ANSWER, RETRY, ONCE, "no login page before it"),
    (200, '{"id": "me"', Failure.BAD_ANSWER, RETRY, ONCE, "not JSON"),
    (200, "[" * 100_000, Failure.BAD_ANSWER, RETRY, ONCE, "not JSON"),
    (200, "null", Failure.BAD_ANSWER, RETRY, ONCE, "another shape"),
    (200, "[]", Failure.BAD_ANSWER, RETRY, ONCE, "another shape"),
    (200, '{"username": "ann"}', Failure.BAD_ANSWER, RETRY, ONCE, "“id”"),
    (200, '{"id": null}', Failure.BAD_ANSWER, RETRY, ONCE, "“id”"),
    (200, '{"id": {"private": 1}}', Failure.BAD_ANSWER, RETRY, ONCE, "“id”"),
]
BREAKS: list[tuple[Any, Failure, bool, int]] = [
    (requests.exceptions.ConnectTimeout, Failure.TIMEOUT, RETRY, AGAIN),
    (requests.exceptions.ReadTimeout, Failure.TIMEOUT, RETRY, AGAIN),
    (TimeoutError, Failure.TIMEOUT, RETRY, AGAIN),
    (requests.exceptions.ConnectionError, Failure.UNREACHABLE, RETRY, AGAIN),
    (requests.exceptions.ProxyError, Failure.UNREACHABLE, RETRY, AGAIN),
    (requests.exceptions.InvalidHeader, Failure.UNREACHABLE, RETRY, AGAIN),
    (urllib3.exceptions.ProtocolError, Failure.UNREACHABLE, RETRY, AGAIN),
    (ConnectionResetError, Failure.UNREACHABLE, RETRY, AGAIN),
    (OSError, Failure.UNREACHABLE, RETRY, AGAIN),
    (requests.exceptions.SSLError, Failure.TLS, RETRY, ONCE),
    (urllib3.exceptions.DecodeError, Failure.BAD_ANSWER, RETRY, ONCE),
]


def assert_keeps_the_token(error: CoderApiError) -> None:
    told = "".join(traceback.format_exception(error))
    assert TOKEN.lower() not in f"{error} {error!r} {error.args} {vars(error)} {told}".lower()
    assert (error.__cause__, error.__context__) == (None, None)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log at its most talkative, also where another module has silenced it."""
    for name in (None, "urllib3", "urllib3.connectionpool", "urllib3.connection", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.parametrize(("status", "body", "kind", "permanent", "times", "words"), ANSWERS)
def test_every_answer_that_is_none_fails_with_its_kind(
    coder: responses.RequestsMock,
    told: pytest.LogCaptureFixture,
    status: int,
    body: str,
    kind: Failure,
    permanent: bool,
    times: int,
    words: str,
) -> None:
    coder.get(f"{V2}/users/me", status=status, body=body, headers={"Location": "https://elsewhere.example.com/x"})
    error = failure_of(api().me)
    assert (kind, permanent, times) == (error.kind, error.permanent, len(coder.calls))
    assert words in str(error)
    assert "/api/v2/users/me" in str(error)
    assert "private" not in str(error)
    assert_keeps_the_token(error)
    assert TOKEN not in told.text


@pytest.mark.parametrize(("kind_of_error", "kind", "permanent", "times"), BREAKS)
def test_every_break_of_the_connection_fails_with_its_kind(
    coder: responses.RequestsMock,
    told: pytest.LogCaptureFixture,
    kind_of_error: Any,
    kind: Failure,
    permanent: bool,
    times: int,
) -> None:
    coder.get(f"{V2}/users/me", body=kind_of_error(f"Coder-Session-Token: {TOKEN}"))
    error = failure_of(api().me)
    assert (kind, permanent, times) == (error.kind, error.permanent, len(coder.calls))
    assert_keeps_the_token(error)
    assert TOKEN not in told.text


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_setup_call_that_fails_is_never_repeated(coder: responses.RequestsMock, status: int) -> None:
    coder.put(f"{V2}/notifications/templates/t1/method", status=status)
    assert_keeps_the_token(failure_of(api().set_template_method, "t1", "webhook"))
    assert len(coder.calls) == ONCE


def test_a_setup_call_without_answer_is_never_repeated(coder: responses.RequestsMock) -> None:
    coder.put(f"{V2}/users/me/notifications/preferences", body=requests.exceptions.ReadTimeout(TOKEN))
    error = failure_of(api().set_preferences, "me", {"t1": True})
    assert error.kind is Failure.TIMEOUT
    assert_keeps_the_token(error)
    assert len(coder.calls) == ONCE


@pytest.mark.parametrize(
    ("header", "wait"), [("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("Wed, 21 Oct 2099 07:28:00 GMT", 3600.0)]
)
def test_a_rate_limit_tells_when_to_come_back(coder: responses.RequestsMock, header: str, wait: float) -> None:
    coder.get(f"{V2}/users/me", status=429, headers={"Retry-After": header})
    assert failure_of(api().me).retry_after == wait


def test_a_rate_limit_may_name_the_moment(coder: responses.RequestsMock) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=200), usegmt=True)
    coder.get(f"{V2}/users/me", status=429, headers={"Retry-After": at})
    wait = failure_of(api().me).retry_after
    assert wait is not None
    assert 100 < wait <= 200


@pytest.mark.parametrize("header", ["", "soon", "-5", "1.5", "²", "9" * 400, "Wed, 99 Oct 2099 07:28:00 GMT"])
def test_a_rate_limit_that_tells_nothing_readable_is_like_one_that_tells_nothing(
    coder: responses.RequestsMock, header: str
) -> None:
    coder.get(f"{V2}/users/me", status=429, headers={"Retry-After": header})
    assert failure_of(api().me).retry_after is None
    assert len(coder.calls) == AGAIN


def test_waits_grow_and_are_spread(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/users/me", status=503)
    waits: list[float] = []
    for _ in range(20):
        failure_of(api(sleep=waits.append).me)
    assert len(waits) == 60
    for begin in range(3):
        turn = waits[begin::3]
        assert all(2**begin / 2 <= wait <= 2**begin for wait in turn)
        assert len(set(turn)) > 1


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_coder_asks_for_is_kept(coder: responses.RequestsMock, status: int) -> None:
    coder.get(f"{V2}/users/me", status=status, headers={"Retry-After": "40"})
    coder.get(f"{V2}/users/me", json={"id": "u1"})
    waits: list[float] = []
    assert api(sleep=waits.append).me().id == "u1"
    assert len(waits) == 1
    assert 40 < waits[0] <= 41


def test_a_wait_of_more_than_a_minute_is_left_to_the_caller(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/users/me", status=429, headers={"Retry-After": "61"})
    error = failure_of(api(sleep=lambda _: pytest.fail("slept")).me)
    assert (error.kind, error.retry_after) == (Failure.RATE_LIMITED, 61.0)


def test_a_wait_beyond_the_time_for_the_call_is_left_to_the_caller(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/users/me", status=429, headers={"Retry-After": "30"})
    error = failure_of(api(sleep=lambda _: pytest.fail("slept"), bounds=Bounds(call=20)).me)
    assert (error.kind, error.retry_after) == (Failure.RATE_LIMITED, 30.0)


def test_what_passes_is_forgotten(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/users/me", status=502)
    coder.get(f"{V2}/users/me", body=requests.exceptions.ConnectionError())
    coder.get(f"{V2}/users/me", json={"id": "u1"})
    assert api().me().id == "u1"


def test_the_number_of_attempts_can_be_set(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/users/me", status=502)
    failure_of(api(attempts=1).me)
    assert len(coder.calls) == 1


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://real.example.com/login?token=x", "to https://real.example.com: set AWB_CODER_URL to that"),
        ("https://real.example.com:8443/x", "to https://real.example.com:8443: set"),
        ("http://coder.example.com/api/v2/users/me", "to http://coder.example.com: set"),
        ("https://user:word@real.example.com/", "to https://real.example.com: set"),
        ("//real.example.com/x", "to https://real.example.com: set"),
        ("/login", "another page of its own"),
        ("", "another page of its own"),
        ("https://coder.example.com/login", "another page of its own"),
        ("ftp://real.example.com/", "no web address"),
        ("https://[real/", "no web address"),
        ("https://real.example.com:http/", "no web address"),
    ],
)
def test_a_redirect_names_its_host_and_the_remedy(coder: responses.RequestsMock, location: str, words: str) -> None:
    coder.get(f"{V2}/users/me", status=302, headers={"Location": location})
    error = str(failure_of(api().me))
    assert words in error
    assert "word" not in error
    assert "token=x" not in error


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, f'{{"message": "who is {TOKEN}?"}}', {}),
        (400, f'{{"message": "{TOKEN.upper()} {TOKEN[:9]}\\u202e{TOKEN[9:]}", "detail": "{TOKEN}"}}', {}),
        (400, f'{{"message": "{"x" * 280} {TOKEN}"}}', {}),
        (400, f'{{"validations": [{{"field": "{TOKEN}", "detail": "{TOKEN}"}}]}}', {}),
        (500, f'{{"message": "{TOKEN}"}}', {}),
        (302, "", {"Location": f"https://{TOKEN}.example.com/{TOKEN}"}),
        (429, TOKEN, {"Retry-After": TOKEN}),
        (200, TOKEN, {}),
        (200, f'{{"features": {{"{TOKEN}": {{"limit": "{TOKEN}"}}}}}}', {}),
        (200, f'{{"id": ["{TOKEN}"]}}', {}),
    ],
)
def test_whoever_says_the_token_back_is_not_repeated(
    coder: responses.RequestsMock, told: pytest.LogCaptureFixture, status: int, body: str, headers: dict[str, str]
) -> None:
    call = CoderApi.entitlements if "features" in body else CoderApi.me
    path = "entitlements" if "features" in body else "users/me"
    coder.get(f"{V2}/{path}", status=status, body=body, headers=headers)
    error = failure_of(call, api())
    assert_keeps_the_token(error)
    assert TOKEN[:12].lower() not in str(error).lower()
    assert TOKEN not in told.text


def test_what_coder_says_is_one_line_and_short(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/users/me", status=400, json={"message": "a\nb\x07\u202ec", "detail": "y" * 5000})
    error = str(failure_of(api().me))
    assert "a b" in error
    assert len(error) < 500
    assert error.isprintable()


def test_the_request_carries_token_and_name_and_nothing_of_the_machine(
    coder: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine coder.example.com login ann password netrc-word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    sent = {"Coder-Session-Token": TOKEN, "User-Agent": "coder-awb-meter", "Accept": "application/json"}
    coder.get(f"{V2}/users/me", json={"id": "u1"}, headers={"Set-Cookie": "a=b"}, match=[header_matcher(sent)])
    one = api()
    one.me()
    one.me()
    for call in coder.calls:
        assert not {"authorization", "cookie"} & {name.lower() for name in call.request.headers}


@pytest.mark.parametrize("url", ["https://coder.example.com/", "https://coder.example.com", f"{URL}//"])
def test_a_slash_behind_the_url_changes_nothing(coder: responses.RequestsMock, url: str) -> None:
    coder.get(f"{V2}/users/me", json={"id": "u1"})
    assert api(url).me().id == "u1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "coder.example.com",
        "ftp://coder.example.com",
        "https://",
        "https://ann:xxword@coder.example.com",
        "https://coder.example.com/?xxword",
        "https://coder.example.com/#xxword",
        "https://coder.example.com:xxword",
        "https://coder.example.com:0",
        "https://[xxword/",
        "https://coder.example.com/ xxword",
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="must be like https://") as caught:
        CoderApi(url, TOKEN)
    assert "xxword" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("token", ["", "a b", "xxword\n", "xxwörd", "x\r\nHost: y"])
def test_what_is_no_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ValueError, match="must be one word") as caught:
        CoderApi(URL, token)
    assert "xxw" not in str(caught.value)


def test_no_representation_shows_the_token() -> None:
    one = api()
    assert repr(one) == "CoderApi(coder.example.com)"
    assert TOKEN not in f"{one} {vars(one)} {vars(vars(one)['_http'])['_session'].headers}"


def test_an_api_can_be_used_with_with(coder: responses.RequestsMock) -> None:
    coder.get(f"{V2}/buildinfo", json={"version": "v2.31.0"})
    with api() as one:
        assert one.build_info().number == (2, 31, 0)
