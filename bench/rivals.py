"""What ours is held against: a route that does nothing, a route that enqueues as RQ's manual has it, and empty jobs.

`python -m bench.rivals PORT [REDIS_URL]` serves both routes with the receiver's own server and settings.
"""

import sys
from typing import Final

import redis
from flask import Flask
from rq import Queue, get_current_connection
from rq.serializers import JSONSerializer

from app.settings import Settings
from app.web import server

QUEUE: Final = "bench-increment"
COUNTER: Final = "bench:counter"


def empty(*_args: object) -> None:
    """Do nothing, as an RQ job."""


def increment() -> None:
    """Count one, as an RQ job."""
    get_current_connection().incr(COUNTER)


def build(url: str) -> Flask:
    app = Flask(__name__, static_folder=None)
    queue = Queue(QUEUE, connection=redis.Redis.from_url(url), serializer=JSONSerializer)

    @app.post("/noop")
    def noop() -> tuple[dict[str, str], int]:
        return {"status": "accepted"}, 202

    @app.post("/increment")
    def enqueue() -> tuple[dict[str, str], int]:
        queue.enqueue("bench.rivals.increment", result_ttl=0)
        return {"status": "accepted"}, 202

    return app


if __name__ == "__main__":
    listener = server.listen("127.0.0.1", int(sys.argv[1]))
    server.server(build(sys.argv[2] if len(sys.argv) > 2 else "redis://"), Settings(), listener).run()
