"""The receivers to compare with: a route that does nothing, and one that enqueues as in RQ's manual.

`python -m bench.rivals PORT REDIS_URL` serves both with the receiver's own server and settings.
"""

import sys
from typing import Final

import redis
from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer

from app.config.settings import Settings
from app.web import server
from bench.jobs import INCREMENT

QUEUE: Final = "bench-increment"


def build(url: str) -> Flask:
    app = Flask(__name__, static_folder=None)
    queue = Queue(QUEUE, connection=redis.Redis.from_url(url), serializer=JSONSerializer)

    @app.post("/noop")
    def noop() -> tuple[dict[str, str], int]:
        return {"status": "accepted"}, 202

    @app.post("/increment")
    def enqueue() -> tuple[dict[str, str], int]:
        queue.enqueue(INCREMENT, result_ttl=0)
        return {"status": "accepted"}, 202

    return app


if __name__ == "__main__":
    listener = server.listen("127.0.0.1", int(sys.argv[1]))
    server.server(build(sys.argv[2]), Settings(), listener).run()
