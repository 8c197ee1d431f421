"""Downloads: clients that read them slowly leave threads for deliveries."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.web.factory import create_app
from tests.conftest import make_config

PATH = "/records?format=csv"


@pytest.fixture
def client(connection: "redis.Redis") -> FlaskClient:
    return create_app(make_config(web_threads=4), connection).test_client()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close downloads in the order that Flask needs: the last one first."""
    with ExitStack() as found:
        yield found


def begin(client: FlaskClient, stack: ExitStack) -> TestResponse:
    """Return a download of which nothing more than the beginning was read."""
    answer = client.get(PATH)
    stack.callback(answer.close)
    return answer


def test_half_of_the_threads_send_downloads_at_most(client: FlaskClient, stack: ExitStack) -> None:
    first, second, refused = (begin(client, stack) for _ in range(3))
    assert [one.status_code for one in (first, second, refused)] == [200, 200, 503]
    assert refused.headers["Retry-After"] == "10"
    assert "Too many downloads at once" in refused.text
    assert client.get("/alerts").status_code == 200
    second.close()
    assert [begin(client, stack).status_code for _ in range(2)] == [200, 503]


def test_a_download_leaves_room_once_when_it_was_read_and_closed(client: FlaskClient, stack: ExitStack) -> None:
    for _ in range(5):
        answer = client.get(PATH)
        assert answer.status_code == 200
        assert answer.get_data()
        answer.close()
        answer.close()
    assert [begin(client, stack).status_code for _ in range(3)] == [200, 200, 503]
