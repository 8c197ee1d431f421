"""The time from a POST to the counter in Redis in an idle service."""

import http.client
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final

import redis

from app.core.count.meter import AWB
from app.simulator.loopback import free_port
from app.store import keys
from bench import wrk
from bench.bodies import TEMPLATE, created
from bench.jobs import COUNTER
from bench.processes import ChildError, awb, child, environment, rq_worker, wait_answering
from bench.progress import Progress
from bench.receive import rival
from bench.results import Aim, Row, Spread, percentile
from bench.rivals import QUEUE
from workers import embedded

GROUP: Final = "3. From POST to counter, idle"
_EVERY: Final = 0.05
_TIMEOUT: Final = 10.0
# Polling the counter must not take CPU time from the processes that update it.
_PAUSE: Final = 0.0001
_SIMPLE: Final = ("--worker-class", "rq.worker.SimpleWorker")


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    rounds, posts = (2, 30) if quick else (5, 40)
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    with ExitStack() as stack:
        base, redis_url = stack.enter_context(_service(directory / "idle"))
        other = stack.enter_context(rival(directory, redis_url))
        worker = rq_worker(redis_url, QUEUE, *_SIMPLE)
        stack.enter_context(child(worker, directory / "simple.log", environment(directory)))
        connection = redis.Redis.from_url(redis_url)
        stack.callback(connection.close)
        counters = _ours(connection), lambda: int(connection.get(COUNTER) or 0)
        _latencies(f"{base}/v1/webhook", counters[0], 10)
        _latencies(f"{other}/increment", counters[1], 10)
        for number in range(rounds):
            progress.step(f"{GROUP}: round {number + 1} of {rounds}, {posts} POSTs each")
            ours.append(_latencies(f"{base}/v1/webhook", counters[0], posts))
            theirs.append(_latencies(f"{other}/increment", counters[1], posts))
    return _rows(ours, theirs)


@contextmanager
def _service(data_dir: Path) -> Iterator[tuple[str, str]]:
    """Run `awb run`; yield its base URL and that of its Redis."""
    data_dir.mkdir()
    port, log = free_port(), data_dir / "run.log"
    env = environment(data_dir, AWB_BIND=f"127.0.0.1:{port}", AWB_AI_TEMPLATES=TEMPLATE)
    with child(awb("run"), log, env) as process:
        wait_answering(f"http://127.0.0.1:{port}/readyz", process, log)
        yield f"http://127.0.0.1:{port}", embedded.url(data_dir)


def _ours(connection: "redis.Redis") -> Callable[[], int]:
    totals = keys.totals("default", AWB)

    def counter() -> int:
        # The deliveries belong to this month; in the last second of a month a POST may be missed, and time out.
        value: Any = connection.hget(totals, "m:" + time.strftime("%Y-%m", time.gmtime()))
        return int(value or 0)

    return counter


def _latencies(url: str, counter: Callable[[], int], posts: int) -> list[float]:
    """Post one by one, and return the milliseconds from each POST to the change of the counter."""
    address, _, path = url.removeprefix("http://").partition("/")
    client = http.client.HTTPConnection(address, timeout=_TIMEOUT)
    run = secrets.token_hex(4)
    taken = []
    try:
        for number in range(posts):
            time.sleep(_EVERY)
            before = counter()
            began = time.perf_counter()
            headers = {"Content-Type": "application/json", "Authorization": wrk.AUTHORIZATION}
            client.request("POST", f"/{path}", created(number, run).body, headers)
            while counter() == before:
                if time.perf_counter() - began > _TIMEOUT:
                    raise ChildError(f"{url}: the counter does not change")
                time.sleep(_PAUSE)
            taken.append((time.perf_counter() - began) * 1000)
            client.getresponse().read()
    finally:
        client.close()
    return taken


def _rows(ours: list[list[float]], theirs: list[list[float]]) -> list[Row]:
    rows = []
    for share, name, aim in ((0.5, "p50", None), (0.99, "p99", Aim("<=", 15.0))):
        all_ours, all_theirs = ([percentile(list(chain(*each)), share)] for each in (ours, theirs))
        rounds = [[percentile(one, share) for one in each] for each in (ours, theirs)]
        count = sum(len(one) for one in ours)
        rows += [
            Row(GROUP, f"awb run, {name} of {count}", Spread.of(all_ours), "ms", aim),
            Row(GROUP, f"Flask, Queue.enqueue, SimpleWorker, INCR: {name}", Spread.of(all_theirs), "ms"),
            Row(GROUP, f"awb run, {name}, against SimpleWorker", Spread.ratio(*rounds), "x", note="less is better"),
        ]
    return rows
