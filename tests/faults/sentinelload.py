"""Failover under load: the master is killed again and again; `python -m tests.faults.sentinelload --rounds 10`.

One master, two replicas, three sentinels, two receivers, workers and a scheduler, all of them separate processes, with
the user that docs/redis.md creates. In every second round the replicas are disconnected shortly before the kill, so
that whatever the master confirms alone is lost with it.
"""

import argparse
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from tests.conftest import short_directory, wait_until
from tests.faults.fleet import Fleet
from tests.faults.load import Account, Load, account, unfinished
from tests.faults.roles import Role, Web

PASSWORD = "a-password-of-the-fleet"
#: Deliveries between two rounds.
_BETWEEN = 40
#: Seconds.
_PATIENCE = 120
_CUT_OFF = 0.5


@dataclass(frozen=True)
class Round:
    """The cost of one failover.

    Attributes:
        without: seconds between the last 2xx before the kill and the first one after it.
        until_counted: seconds from the kill until everything accepted before that first 2xx was counted.
        answers: the number of answers with each status from the kill until then.
    """

    without: float
    until_counted: float
    answers: Counter[int]


class Failover:
    """The servers, the parts of the meter, and the load on them."""

    def __init__(self, fleet: Fleet, load: Load) -> None:
        self.fleet, self.load = fleet, load

    def round(self, *, cut_off: bool) -> Round:
        """Kill the master, wait until everything works again, and restart the killed server.

        Args:
            cut_off: disconnect the replicas shortly before.
        """
        wait_until(self.fleet.whole, _PATIENCE)
        more = len(self.load.taken) + _BETWEEN
        wait_until(lambda: len(self.load.taken) > more, _PATIENCE)
        before = self.load.statuses()
        (master,) = self.fleet.masters()
        if cut_off:
            # Without the second step, the kernel would deliver what the master sent before it died.
            self._signal_replicas(master, signal.SIGSTOP)
            self.fleet.admin(master).client_kill_filter(_type="replica")
            time.sleep(_CUT_OFF)
        self.fleet.servers[master].kill()
        killed = time.monotonic()
        if cut_off:
            self._signal_replicas(master, signal.SIGCONT)
        # Requests under way at the time of the kill may be answered a little later.
        wait_until(lambda: self.load.first_taken_since(killed + 0.1), _PATIENCE)
        taken = len(self.load.taken)
        wait_until(lambda: self.counted() >= min(taken, self.counted() + self.unfinished()), _PATIENCE)
        until_counted = time.monotonic() - killed
        without = self.load.first_taken_since(killed + 0.1) - self.load.last_taken_before(killed)
        result = Round(without, until_counted, self.load.statuses() - before)
        self.fleet.restart(master)
        return result

    def finish(self) -> Account:
        """End the load, let the workers finish, and compare the master with the answers."""
        self.load.finish()
        wait_until(self.fleet.whole, _PATIENCE)
        # Jobs that a worker held when its connection was lost are found within RQ's minute.
        wait_until(lambda: not self.unfinished(), 2 * _PATIENCE)
        (master,) = self.fleet.masters()
        return account(self.fleet.admin(master), self.load)

    def counted(self) -> int:
        """Return the number of deliveries with a verdict on the present master."""
        found = [self.fleet.admin(number).zcard("awb:v1:prod:deliveries") for number in self.fleet.masters()]
        return max(map(int, found), default=0)

    def unfinished(self) -> int:
        return max((unfinished(self.fleet.admin(number)) for number in self.fleet.masters()), default=1)

    def _signal_replicas(self, master: int, number: signal.Signals) -> None:
        for index, server in enumerate(self.fleet.servers):
            if index != master and server.process:
                os.kill(server.process.pid, number)


@contextmanager
def failover(directory: Path, wait_replicas: int = 1) -> Iterator[Failover]:
    with ExitStack() as stack:
        fleet = stack.enter_context(Fleet(directory, servers=3, sentinels=3, password=PASSWORD)).start()
        access = {"redis_url": fleet.url, "redis_sentinel_password": PASSWORD, "redis_wait_replicas": wait_replicas}
        webs = [stack.enter_context(Web(directory / f"web-{number}", **access)) for number in (1, 2)]
        for name in ("worker", "scheduler"):
            stack.enter_context(Role(directory / name, name, **access))
        yield Failover(fleet, stack.enter_context(Load([web.url for web in webs])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--wait-replicas", type=int, default=1)
    given = parser.parse_args()
    directory = short_directory()
    try:
        with failover(directory, given.wait_replicas) as running:
            click.echo("round  replicas   s without 2xx  s until counted  answers")
            for number in range(given.rounds):
                cut_off = number % 2 == 1
                one = running.round(cut_off=cut_off)
                how = "cut off" if cut_off else "follow"
                answers = ", ".join(f"{status}: {times}" for status, times in sorted(one.answers.items()))
                click.echo(f"{number + 1:5}  {how:8}  {one.without:14.1f}  {one.until_counted:15.1f}  {answers}")
            found = running.finish()
            click.echo(f"answered 2xx: {found.answered}, lost: {found.lost}, doubled: {found.doubled}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
