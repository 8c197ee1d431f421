"""Real connections: slow, broken, redirected, too large, not trusted, and used by several threads."""

import gzip
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import trustme

from app.coder.api import Bounds, Failure
from tests.coderapi.server import TOKEN, Handler, api, as_json, failure_of, serving
from tests.coderapi.test_outcomes import assert_keeps_the_token

# What a test of a time limit may take at most; the limits themselves are tenths of seconds.
PATIENCE = 20.0
ME = as_json({"id": "u1"})


def silence(handler: Handler) -> None:
    handler.server.over.wait(PATIENCE)


def half_and_silence(handler: Handler) -> None:
    handler.begin(len(ME))
    handler.wfile.write(ME[:4])
    handler.server.over.wait(PATIENCE)


def drip(handler: Handler) -> None:
    handler.begin(100_000)
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b" ")


def chunked_drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while not handler.server.over.wait(0.02):
        handler.wfile.write(b"1\r\n \r\n")


def reset(handler: Handler) -> None:
    handler.reset()


def half_and_reset(handler: Handler) -> None:
    handler.begin(len(ME))
    handler.wfile.write(ME[:4])
    handler.reset()


def half_and_end(handler: Handler) -> None:
    handler.begin(len(ME))
    handler.wfile.write(ME[:4])
    handler.close_connection = True


def no_http(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    handler.close_connection = True


@pytest.mark.parametrize("behave", [silence, half_and_silence])
def test_silence_is_waited_for_no_longer_than_allowed_and_tried_again(behave: Callable[[Handler], None]) -> None:
    with serving(behave) as (url, server):
        error = failure_of(api(url, attempts=2, bounds=Bounds(read=0.1)).me)
        # Or one: a request that the server has not even begun to read is none that it saw.
        assert len(server.requests) <= 2
    assert error.kind is Failure.TIMEOUT
    assert_keeps_the_token(error)


@pytest.mark.parametrize("behave", [reset, half_and_reset, half_and_end, no_http])
def test_a_connection_that_breaks_off_is_tried_again(behave: Callable[[Handler], None]) -> None:
    with serving(behave) as (url, server):
        error = failure_of(api(url, attempts=2).me)
        assert len(server.requests) == 2
    assert error.kind is Failure.UNREACHABLE
    assert_keeps_the_token(error)


@pytest.mark.parametrize("behave", [drip, chunked_drip])
def test_an_answer_that_comes_in_drops_is_given_up(behave: Callable[[Handler], None]) -> None:
    began = time.monotonic()
    with serving(behave) as (url, server):
        error = failure_of(api(url, bounds=Bounds(call=0.5)).me)
        assert len(server.requests) <= 1
    assert error.kind is Failure.TIMEOUT
    assert time.monotonic() - began < PATIENCE


def test_nobody_there_is_unreachable() -> None:
    with serving(silence) as (url, _):
        pass
    error = failure_of(api(url).me)
    assert error.kind is Failure.UNREACHABLE
    assert_keeps_the_token(error)


def test_an_answer_that_is_too_large_is_not_read_to_its_end() -> None:
    def huge(handler: Handler) -> None:
        handler.begin(1 << 40)
        while not handler.server.over.is_set():
            handler.wfile.write(b" " * 65_536)

    with serving(huge) as (url, server):
        error = failure_of(api(url, bounds=Bounds(answer=1_000_000)).me)
        assert len(server.requests) == 1
    assert error.kind is Failure.BAD_ANSWER
    assert "too large" in str(error)


def test_an_answer_may_be_as_large_as_allowed_and_no_larger() -> None:
    with serving(lambda handler: handler.reply(body=ME)) as (url, _):
        assert api(url, bounds=Bounds(answer=len(ME))).me().id == "u1"
        assert failure_of(api(url, bounds=Bounds(answer=len(ME) - 1)).me).kind is Failure.BAD_ANSWER


def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused() -> None:
    packed = gzip.compress(b" " * 50_000_000)
    with serving(lambda handler: handler.reply(body=packed, Content_Encoding="gzip")) as (url, _):
        error = failure_of(api(url, bounds=Bounds(answer=1_000_000)).me)
    assert (error.kind, "too large" in str(error)) == (Failure.BAD_ANSWER, True)


JOB = (
    b'{"id": "j1", "type": "workspace_build", "created_at": "2026-03-01T12:00:00Z", "metadata": {"workspace_id": "w1"}}'
)


@pytest.mark.parametrize(("body", "number"), [(b"null", 0), (b" [ ]", 0), (b"[" + JOB + b"," + JOB + b"]", 2)])
def test_an_array_is_read_piece_by_piece(body: bytes, number: int) -> None:
    def slowly(handler: Handler) -> None:
        handler.begin(len(body))
        for place in range(0, len(body), 7):
            handler.wfile.write(body[place : place + 7])
            handler.wfile.flush()

    with serving(slowly) as (url, _):
        assert [job.workspace_id for job in api(url).history.provisioner_jobs("o1", 9)] == ["w1"] * number


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"<html>Sign in</html>", b"[" + JOB, b'[{"id": 1}]', b"[[]]", b'{"a": [' + JOB + b"]}"]
)
def test_an_answer_that_is_no_array_of_jobs_is_a_bad_answer(body: bytes) -> None:
    with serving(lambda handler: handler.reply(body=body)) as (url, _):
        error = failure_of(api(url).history.provisioner_jobs, "o1", 9)
    assert error.kind is Failure.BAD_ANSWER
    assert_keeps_the_token(error)


def test_an_array_may_be_as_large_as_allowed_and_no_larger() -> None:
    body = b"[" + b",".join([JOB] * 2000) + b"]"
    with serving(lambda handler: handler.reply(body=body)) as (url, _):
        assert len(api(url, bounds=Bounds(answer=len(body))).history.provisioner_jobs("o1", 9)) == 2000
        error = failure_of(api(url, bounds=Bounds(answer=len(body) - 1)).history.provisioner_jobs, "o1", 9)
    assert (error.kind, "too large" in str(error)) == (Failure.BAD_ANSWER, True)


def test_a_long_array_is_never_in_memory_as_a_whole() -> None:
    body = b"[" + b",".join([JOB[:-1] + b', "more": "' + b"x" * 2000 + b'"}'] * 5000) + b"]"
    with serving(lambda handler: handler.reply(body=body)) as (url, _):
        client = api(url)
        tracemalloc.start()
        try:
            assert len(client.history.provisioner_jobs("o1", 9)) == 5000
            assert tracemalloc.get_traced_memory()[1] < len(body) / 2
        finally:
            tracemalloc.stop()


def test_a_packed_answer_is_read() -> None:
    with serving(lambda handler: handler.reply(body=gzip.compress(ME), Content_Encoding="gzip")) as (url, _):
        assert api(url).me().id == "u1"


def test_a_badly_packed_answer_is_a_bad_answer() -> None:
    with serving(lambda handler: handler.reply(body=ME, Content_Encoding="gzip")) as (url, _):
        assert failure_of(api(url).me).kind is Failure.BAD_ANSWER


def test_a_redirect_is_not_followed_and_no_other_host_sees_the_token() -> None:
    with serving(lambda handler: handler.reply(body=ME)) as (other, thief):

        def redirect(handler: Handler) -> None:
            handler.reply(307, Location=f"{other}/api/v2/users/me")

        with serving(redirect) as (url, _):
            error = failure_of(api(url).me)
        assert thief.requests == []
    assert error.kind is Failure.REDIRECTED
    assert f"to {other}: set AWB_CODER_URL to that" in str(error)


def test_the_body_of_a_redirect_is_not_read_to_its_end() -> None:
    def redirect(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/login")
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        while not handler.server.over.is_set():
            handler.wfile.write(b" " * 65_536)

    with serving(redirect) as (url, _):
        assert failure_of(api(url).me).kind is Failure.REDIRECTED


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def tls(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def answer(handler: Handler) -> None:
    handler.reply(body=ME)


def test_a_certificate_that_is_not_trusted_ends_the_call(authority: trustme.CA) -> None:
    with serving(answer, tls(authority)) as (url, server):
        error = failure_of(api(url).me)
        assert server.requests == []
    assert error.kind is Failure.TLS
    assert "AWB_CODER_CA_FILE" in str(error)
    assert_keeps_the_token(error)


def test_a_certificate_of_another_host_ends_the_call(authority: trustme.CA, trusted: Path) -> None:
    with serving(answer, tls(authority, "other.example.com")) as (url, server):
        assert failure_of(api(url, ca_file=trusted).me).kind is Failure.TLS
        assert server.requests == []


def test_a_certificate_of_the_given_authority_is_trusted_whatever_the_environment_says(
    authority: trustme.CA, trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with serving(answer, tls(authority)) as (url, _):
        assert api(url, ca_file=str(trusted)).me().id == "u1"
        assert failure_of(api(url).me).kind is Failure.TLS


def test_https_to_a_port_that_speaks_http_is_a_failure_of_tls() -> None:
    with serving(answer) as (url, _):
        assert failure_of(api(url.replace("http://", "https://")).me).kind is Failure.TLS


def test_a_file_of_authorities_must_be_there_and_hold_some(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        api(ca_file=tmp_path / "none.pem")
    empty = tmp_path / "empty.pem"
    empty.touch()
    assert failure_of(api("https://localhost:1", ca_file=empty).me).kind in {Failure.TLS, Failure.UNREACHABLE}


@pytest.mark.parametrize("threads", [4, 8])
def test_threads_share_at_most_four_connections(threads: int) -> None:
    together = threading.Barrier(4)

    def behave(handler: Handler) -> None:
        together.wait(PATIENCE)  # four requests are under way at once, or the test fails
        handler.reply(body=as_json({"id": handler.headers["Coder-Session-Token"]}))

    with serving(behave) as (url, server), api(url, attempts=1) as one, ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda _: one.me().id, range(40)))
    assert {TOKEN} == set(found)
    assert len(server.requests) == 40
    assert len({request[0] for request in server.requests}) == 4


def test_a_connection_outlives_failures_that_were_read(authority: trustme.CA) -> None:
    statuses = iter([404, 400, 200])

    def behave(handler: Handler) -> None:
        status = next(statuses)
        handler.reply(status, ME if status == 200 else b'{"message": "no"}')

    with serving(behave) as (url, server), api(url) as one:
        failure_of(one.me)
        failure_of(one.me)
        assert one.me().id == "u1"
    assert len({request[0] for request in server.requests}) == 1
