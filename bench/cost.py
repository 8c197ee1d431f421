"""CPU time that a delivery costs receiver, worker and Redis: `python -m bench.cost`, for docs/scaling.md.

Unlike rates, CPU time hardly depends on the machine's other work.
"""

import argparse
import os
from pathlib import Path

import click
import redis

from app.simulator.loopback import free_port
from app.store.receive.inbox import Inbox
from app.store.rq import jobqueue
from app.store.rq.queues import Queues
from bench import wrk
from bench.bodies import TEMPLATE
from bench.drain import fill
from bench.processes import awb, child, environment, store, wait_listening, wait_until, workplace

_CONNECTIONS = 8
_PATIENCE = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10, help="of posting")
    parser.add_argument("--deliveries", type=int, default=8000, help="for the worker")
    given = parser.parse_args()
    with workplace() as directory:
        web, receiving = _receiving(directory, given.seconds)
        worker, counting = _counting(directory, given.deliveries)
    click.echo(f"receiver {web:.2f} ms, worker {worker:.2f} ms, Redis {receiving:.2f} + {counting:.2f} ms a delivery")


def _receiving(directory: Path, seconds: int) -> tuple[float, float]:
    """Return the milliseconds of receiver and Redis for each delivery that is accepted."""
    port, log = free_port(), directory / "web.log"
    with store(directory / "receive") as (url, connection):
        env = environment(directory, AWB_BIND=f"127.0.0.1:{port}", AWB_REDIS_URL=url)
        with child(awb("web"), log, env) as process:
            wait_listening(port, process, log)
            target, pids = f"http://127.0.0.1:{port}/v1/webhook", [process.pid, _redis_pid(connection)]
            wrk.load(target, directory, _CONNECTIONS, 2)
            before, accepted = [cpu_ms(pid) for pid in pids], _accepted(connection)
            wrk.load(target, directory, _CONNECTIONS, seconds)
            done = _accepted(connection) - accepted
            web, server = [(cpu_ms(pid) - old) / done for pid, old in zip(pids, before, strict=True)]
    return web, server


def _counting(directory: Path, deliveries: int) -> tuple[float, float]:
    """Return the milliseconds of worker and Redis for each delivery that is counted."""
    queue = jobqueue.DELIVERIES
    with store(directory / "count") as (url, connection):
        queues, env = Queues(connection), environment(directory, AWB_REDIS_URL=url, AWB_AI_TEMPLATES=TEMPLATE)
        with child(awb("worker", queue), directory / "worker.log", env) as process:
            _wait_done(connection, fill(connection, 1000))
            queues.pause(queue, "bench")
            last = fill(connection, deliveries)
            pids = [process.pid, _redis_pid(connection)]
            before = [cpu_ms(pid) for pid in pids]
            queues.resume(queue)
            _wait_done(connection, last)
            worker, server = [(cpu_ms(pid) - old) / deliveries for pid, old in zip(pids, before, strict=True)]
    return worker, server


def cpu_ms(pid: int) -> float:
    """Return the CPU time that a process and its threads have used, in milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _redis_pid(connection: "redis.Redis") -> int:
    return int(connection.info("server")["process_id"])


def _accepted(connection: "redis.Redis") -> float:
    return Inbox(connection, "default").stats().get("accepted", 0)


def _wait_done(connection: "redis.Redis", job: str) -> None:
    if not wait_until(lambda: not connection.exists(job), _PATIENCE):
        raise TimeoutError("the worker did not finish")


if __name__ == "__main__":
    main()
