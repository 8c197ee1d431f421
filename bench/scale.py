"""How several receivers and workers share one Redis: everything posted must be counted, once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import redis

from app.simulator.loopback import free_port
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from bench import wrk
from bench.bodies import TEMPLATE
from bench.drain import counted
from bench.processes import ChildError, awb, child, environment, store, wait_listening, wait_until
from bench.progress import Progress
from bench.results import Aim, Row, Spread

GROUP: Final = "9. Several receivers and workers"
#: Receivers and workers.
_CREWS: Final = ((1, 1), (1, 2), (2, 2), (2, 4))
_CONNECTIONS: Final = 32
_DRAINED: Final = 120.0


def measure(directory: Path, progress: Progress, *, quick: bool) -> list[Row]:
    rounds, seconds = (2, 2) if quick else (5, 4)
    rates: dict[tuple[int, int], list[float]] = {crew: [] for crew in _CREWS}
    wrong = 0
    with store(directory / "scale") as (url, connection):
        for number in range(rounds):
            for crew in _CREWS:
                progress.step(f"{GROUP}: round {number + 1} of {rounds}, {_name(crew)}")
                rate, lost = _round(directory / f"{number}-{crew[0]}-{crew[1]}", url, connection, crew, seconds)
                rates[crew].append(rate)
                wrong += lost
                connection.flushdb()
    rows = [
        Row(GROUP, f"{_name(crew)}, against one of each", Spread.ratio(rates[crew], rates[_CREWS[0]]), "x")
        for crew in _CREWS[1:]
    ]
    rows += [Row(GROUP, f"{_name(crew)}: deliveries counted", Spread.of(each), "/s") for crew, each in rates.items()]
    return [*rows, Row(GROUP, "deliveries lost or counted twice", Spread.of([wrong]), "", Aim("==", 0))]


def _name(crew: tuple[int, int]) -> str:
    receivers, workers = crew
    return f"{receivers} receiver{'s' * (receivers > 1)}, {workers} worker{'s' * (workers > 1)}"


def _round(
    directory: Path, url: str, connection: "redis.Redis", crew: tuple[int, int], seconds: int
) -> tuple[float, int]:
    """Return the deliveries counted in each second, from the first POST to the last count, and how many are wrong."""
    receivers, workers = crew
    with ExitStack() as stack:
        urls = [_receiver(stack, directory / f"web-{number}", url) for number in range(receivers)]
        for number in range(workers):
            own = directory / f"worker-{number}"
            own.mkdir(parents=True)
            env = environment(own, AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE)
            stack.enter_context(child(awb("worker", jobqueue.DELIVERIES), own / "log", env))
        if not wait_until(lambda: len(connection.smembers("rq:workers")) == workers, _DRAINED):
            raise ChildError("the workers have not started")
        began = time.monotonic()
        _post(directory, urls, seconds)
        wait_until(lambda: counted(connection) >= _accepted(connection), _DRAINED)
        took, accepted = time.monotonic() - began, _accepted(connection)
        return accepted / took, abs(counted(connection) - accepted)


def _receiver(stack: ExitStack, own: Path, url: str) -> str:
    own.mkdir(parents=True)
    port = free_port()
    env = environment(own, AWB_BIND=f"127.0.0.1:{port}", AWB_REDIS_URL=url)
    wait_listening(port, stack.enter_context(child(awb("web"), own / "log", env)), own / "log")
    return f"http://127.0.0.1:{port}/v1/webhook"


def _post(directory: Path, urls: Sequence[str], seconds: int) -> None:
    """Post to all receivers at once."""

    def load(number: int) -> None:
        own = directory / f"wrk-{number}"
        own.mkdir()
        wrk.load(urls[number], own, _CONNECTIONS // len(urls), seconds)

    with ThreadPoolExecutor(len(urls)) as pool:
        list(pool.map(load, range(len(urls))))


def _accepted(connection: "redis.Redis") -> int:
    """Return how many deliveries were accepted, those among them whose answer nobody awaited any more."""
    return int(Inbox(connection, "default").stats().get("accepted", 0))
