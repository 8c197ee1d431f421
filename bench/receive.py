"""How fast deliveries are acknowledged, and how many round trips to Redis each takes."""

import http.client
import os
import re
import secrets
import socket
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Final

import redis

from app.simulator.loopback import free_port
from app.store.server.connection import script_text
from bench import slack, wrk
from bench.bodies import Sample, created
from bench.processes import awb, child, environment, store, wait_answering, wait_listening
from bench.progress import Progress
from bench.results import Aim, NotMeasuredError, Row, Spread

GROUP: Final = "1. Acknowledging a POST"
CONNECTIONS: Final = (8, 64)
OURS, EACH, SAME = "awb", "awb, a process per CPU", "awb, duplicates only"
NOOP, SLACK = "Flask route doing nothing", "Coder's Slack example"
GUARANTEES: Final = {
    OURS: "2xx only after the delivery is checked, new, queued and on disk (appendfsync always)",
    EACH: "the same; AWB_WEB_PROCESSES is the number of CPUs",
    SAME: "2xx after the message id is found on record",
    NOOP: "nothing: the ceiling of the same server, same body",
    SLACK: "nothing stored or deduplicated; 204 after Slack took the message (here a stub that answers at once)",
}
_COUNTED_POSTS: Final = 200
#: Sent once when a connection is opened.
_SETTING_UP: Final = frozenset({"hello", "auth", "select", "client|setinfo", "client|setname", "script|load"})
Loads = dict[tuple[str, int], list[wrk.Load]]


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    rounds, seconds = (2, 2) if quick else (5, 3)
    with ExitStack() as stack:
        redis_url, connection = stack.enter_context(store(directory / "receive"))
        urls, missing = _contestants(stack, directory, redis_url)
        loads: Loads = defaultdict(list)
        # One unmeasured round each, to warm up connections, caches and Node's compilers.
        for name in urls.keys() - {SAME}:
            wrk.load(urls[name], directory, 8, 1)
        for round_number, connections, name in product(range(rounds), CONNECTIONS, urls):
            if (name, connections) == (SAME, CONNECTIONS[0]):
                continue
            progress.step(f"{GROUP}: round {round_number + 1} of {rounds}, {connections} connections, {name}")
            loads[name, connections].append(wrk.load(urls[name], directory, connections, seconds, same=name == SAME))
            connection.flushdb()
        progress.step(f"{GROUP}: round trips")
        trips = _round_trips(connection, urls[OURS])
    return [*rates_and_ratios(loads, missing), *trips]


def _contestants(stack: ExitStack, directory: Path, redis_url: str) -> tuple[dict[str, str], str]:
    ours = f"{stack.enter_context(receiver(directory, redis_url))}/v1/webhook"
    each = f"{stack.enter_context(receivers(directory, redis_url, os.cpu_count() or 1))}/v1/webhook"
    urls = {OURS: ours, EACH: each, NOOP: f"{stack.enter_context(rival(directory, redis_url))}/noop"}
    missing = ""
    try:
        urls[SLACK] = stack.enter_context(slack.running(directory))
    except NotMeasuredError as error:
        missing = str(error)
    return {**urls, SAME: ours}, missing


@contextmanager
def receiver(directory: Path, redis_url: str) -> Iterator[str]:
    """Run `awb web`, and yield its base URL."""
    port, log = free_port(), directory / "web.log"
    env = environment(directory, AWB_BIND=f"127.0.0.1:{port}", AWB_REDIS_URL=redis_url)
    with child(awb("web"), log, env) as process:
        wait_listening(port, process, log)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def receivers(directory: Path, redis_url: str, number: int) -> Iterator[str]:
    """Run `awb web` several times on one socket, as AWB_WEB_PROCESSES does, and yield the base URL."""
    port, log = free_port(), directory / "webs.log"
    env = environment(directory, AWB_BIND=f"127.0.0.1:{port}", AWB_REDIS_URL=redis_url)
    with ExitStack() as stack:
        with socket.create_server(("127.0.0.1", port), backlog=1024) as listener:
            fd = listener.fileno()
            started = [child(awb("web", "--listen-fd", str(fd)), log, env, [fd]) for _ in range(number)]
            processes = [stack.enter_context(one) for one in started]
        wait_answering(f"http://127.0.0.1:{port}/healthz", processes[-1], log)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def rival(directory: Path, redis_url: str) -> Iterator[str]:
    """Run the rivals' routes on the same kind of server, and yield the base URL."""
    port, log = free_port(), directory / "rivals.log"
    command = [*awb()[:2], "bench.rivals", str(port), redis_url]
    with child(command, log, environment(directory)) as process:
        wait_listening(port, process, log)
        yield f"http://127.0.0.1:{port}"


def rates_and_ratios(loads: Loads, missing: str) -> list[Row]:
    """Return the rows of all rounds.

    Args:
        missing: why a contestant did not take part.
    """
    return [*_ratios(loads, missing), *_latencies(loads)]


def _ratios(loads: Loads, missing: str) -> list[Row]:
    rows = []
    for connections in CONNECTIONS:
        for our, name, aim in (
            (OURS, NOOP, Aim(">=", 0.6)),
            (OURS, SLACK, None),
            (EACH, SLACK, Aim(">=", 1.5)),
        ):
            ours = [load.rate for load in loads[our, connections]]
            theirs = [load.rate for load in loads.get((name, connections), [])]
            what = f"{our}, durable ack/s at {connections} connections, against: {name}"
            spread = Spread.ratio(ours, theirs) if theirs and min(theirs) > 0 else None
            rows.append(
                Row(
                    GROUP,
                    what,
                    spread,
                    "x",
                    aim,
                    "" if spread else f"not measured: {missing or 'not one POST was answered 2xx'}",
                )
            )
    return rows


def _latencies(loads: Loads) -> list[Row]:
    rows = []
    for (name, connections), measured in sorted(loads.items(), key=lambda item: (item[0][1], item[0][0])):
        p50, p99 = (Spread.of([getattr(load, which) for load in measured]) for which in ("p50", "p99"))
        failed = sum(load.failed for load in measured)
        note = f"p50 {p50.median:.1f} ms, p99 {p99.median:.1f} ms{f', {failed} failed' if failed else ''}"
        rate = Spread.of([load.rate for load in measured])
        rows.append(Row(GROUP, f"{name}, {connections} connections", rate, "/s", note=note))
    return rows


def _round_trips(connection: "redis.Redis", url: str) -> list[Row]:
    """Post one by one, so that all commands belong to the same POST; Redis gets the script first."""
    run = secrets.token_hex(4)
    samples = [created(number, run) for number in range(_COUNTED_POSTS + 1)]
    inside = commands_of(script_text("accept"))
    rows = []
    _post(url, samples[:1] * 20)
    for what, posts in (("new deliveries", samples[1:]), ("duplicates only", samples[1:])):
        before = _calls(connection)
        _post(url, posts)
        trips = round_trips(before, _calls(connection), inside) / len(posts)
        rows.append(Row(GROUP, f"Redis round trips per POST, {what}", Spread.of([trips]), "", Aim("==", 1.0)))
    return rows


def _post(url: str, samples: list[Sample]) -> None:
    address, _, path = url.removeprefix("http://").partition("/")
    client = http.client.HTTPConnection(address, timeout=30)
    try:
        for sample in samples:
            headers = {"Content-Type": "application/json", "Authorization": wrk.AUTHORIZATION}
            client.request("POST", f"/{path}", sample.body, headers)
            answer = client.getresponse()
            answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{url} answered {answer.status}")
    finally:
        client.close()


def _calls(connection: "redis.Redis") -> dict[str, int]:
    found = connection.info("commandstats")
    return {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in found.items()}


def commands_of(script: str) -> frozenset[str]:
    """Return the commands that a script calls, because Redis counts them like a client's."""
    return frozenset(name.lower() for name in re.findall(r"redis\.p?call\('(\w+)'", script))


def round_trips(before: Mapping[str, int], after: Mapping[str, int], inside: frozenset[str]) -> int:
    """Count the clients' commands: all except those in the script, our own INFO, and the setup of connections."""
    ignored = inside | _SETTING_UP | {"info"}
    return sum(calls - before.get(name, 0) for name, calls in after.items() if name not in ignored)
