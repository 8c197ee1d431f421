"""Every fault that a round may inject, by name, with what it needs and whether it may double a message."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from app.simulator.api.faults import FaultKind
from tests.torture import outside
from tests.torture.rig import PARTS, RECONCILE_MINUTES, REMEDY, Rig
from tests.torture.wire import STEPS, Trap
from workers.scheduler import SWEEP_EVERY

#: Injects the fault and mends it; returns False if there was nothing to hit, such as a part that was down.
Inject = Callable[[Rig, random.Random], bool | int]
_TRAP_SECONDS = 4.0
_PASS = "keep where a pass is"


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        doubles: it may come between sending a message and marking it as sent, so that the message is sent again.
        needs: words apart by spaces: `own` or `wire` for a kind of Redis, `coder` for the API, `disk` for a small one,
            `clock` for one that may jump.
        weight: how often it is drawn.
    """

    name: str
    inject: Inject
    doubles: bool = False
    needs: str = ""
    weight: int = 2


class BrokenPromiseError(AssertionError):
    """The meter broke a promise during a fault."""


def _kill(part: str) -> Inject:
    return lambda rig, _rng: _signal(rig.part(part), signal.SIGKILL)


def _pause(part: str) -> Inject:
    def inject(rig: Rig, rng: random.Random) -> bool:
        return _stop(rig.part(part), rng.uniform(0.1, 1.5))

    return inject


def _signal(pid: int | None, number: signal.Signals) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _stop(pid: int | None, seconds: float) -> bool:
    if not _signal(pid, signal.SIGSTOP):
        return False
    time.sleep(seconds)
    _signal(pid, signal.SIGCONT)
    return True


def _kill_supervisor(rig: Rig, _rng: random.Random) -> bool:
    """Kill it alone; its parts end by themselves, and the service manager starts it again."""
    os.kill(rig.system.pid, signal.SIGKILL)
    assert rig.system.supervisor is not None
    rig.system.supervisor.wait()
    rig.start()
    return True


def _kill_double(rig: Rig, rng: random.Random) -> bool:
    living = [process for process in rig.doubles if process.poll() is None]
    if len(living) > 2:
        rng.choice(living).kill()
        return True
    rig.double()
    return True


#: Steps that happen only after some time, with that time in seconds.
_PERIODIC = {"note that a sweep is done": SWEEP_EVERY + 1, _PASS: 60 * RECONCILE_MINUTES + 1}


def _step(name: str, *, after: bool, kill: bool) -> Inject:
    def inject(rig: Rig, _rng: random.Random) -> bool:
        assert rig.wire
        trap = rig.wire.trap = Trap(name, after=after, kill=kill)
        rig.clock.move(_PERIODIC.get(name, 0))
        sprung = trap.sprung.wait(_TRAP_SECONDS)
        if not sprung:
            rig.wire.trap = None
        return sprung

    return inject


def _wire(**state: Any) -> Inject:
    def inject(rig: Rig, rng: random.Random) -> bool:
        assert rig.wire
        for name, value in state.items():
            setattr(rig.wire, name, value)
        time.sleep(rng.uniform(0.2, 2.5))
        rig.wire.heal()
        return True

    return inject


def _reset(rig: Rig, rng: random.Random) -> int:
    assert rig.wire
    number = 0
    for _ in range(rng.randint(1, 6)):
        number += rig.wire.reset(rng.choice((0.1, 0.3, 1.0)), rng)
        time.sleep(rng.uniform(0.0, 0.3))
    return number


def _redis(break_it: Callable[[Any], object], mend: Callable[[Any], object], longest: float = 1.5) -> Inject:
    def inject(rig: Rig, rng: random.Random) -> bool:
        try:
            with rig.connection() as connection:
                break_it(connection)
                time.sleep(rng.uniform(0.1, longest))
                _insist(lambda: mend(connection))
        except (redis.exceptions.RedisError, OSError):
            return False
        return True

    return inject


def _insist(action: Callable[[], object]) -> None:
    """Mend the fault, whatever the server answers."""
    for _ in range(50):
        with contextlib.suppress(redis.exceptions.RedisError, OSError):
            action()
            return
        time.sleep(0.1)
    action()


def _read_only(connection: Any) -> None:
    connection.execute_command("REPLICAOF", "127.0.0.1", "1")


def _master(connection: Any) -> None:
    connection.execute_command("REPLICAOF", "NO", "ONE")


def _nothing(_connection: Any) -> None:
    pass


def _truncated(rig: Rig, _rng: random.Random) -> bool:
    """Half a command at the end, which was never confirmed to a sender: the start cuts it off without a message."""
    rig.damage(b"*3\r\n$3\r\nSET\r\n$7\r\nawb:v1:\r\n$5")
    rig.start()
    return True


def _corrupt(rig: Rig, rng: random.Random) -> bool:
    rig.damage(rng.choice((b"\0" * rng.randint(1, 4096), b"\xff" + rng.randbytes(64), b"*2\r\nSET\r\n$1\r\n")))
    said = rig.refuses_to_start()
    if not said or said.startswith("0:") or REMEDY not in said:
        raise BrokenPromiseError(f"with a damaged append-only file the start says {said[-400:]!r}")
    repaired = rig.repair()
    if repaired.returncode:
        raise BrokenPromiseError(f"awb repair: {repaired.stderr[-400:]}")
    rig.start()
    return True


def _fill_disk(rig: Rig, rng: random.Random) -> bool:
    filler = rig.system.data_dir / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    time.sleep(rng.uniform(0.3, 2.0))
    filler.unlink()
    if rig.server:
        assert rig.server.process is not None
        # With `appendfsync always` a server that cannot write ends: what it was asked is not confirmed.
        if rig.server.process.poll() is not None:
            rig.server.start()
    return True


def _coder(kind: FaultKind) -> Inject:
    def inject(rig: Rig, rng: random.Random) -> int:
        assert rig.api
        number = rng.randint(1, 6)
        rig.api.fail_next(number, kind)
        return number

    return inject


def _coder_away(rig: Rig, rng: random.Random) -> bool:
    assert rig.api
    rig.api.outage = True
    time.sleep(rng.uniform(0.5, 2.0))
    rig.api.outage = False
    return True


def _slack(kinds: tuple[str, ...]) -> Inject:
    def inject(rig: Rig, rng: random.Random) -> int:
        rig.slack.plan(*outside.some(rng, kinds))
        return 0  # counted where it befalls somebody

    return inject


def _mail(kinds: tuple[str, ...]) -> Inject:
    def inject(rig: Rig, rng: random.Random) -> int:
        rig.mail.plan(*outside.some(rng, kinds))
        return 0

    return inject


def _jump(rig: Rig, rng: random.Random) -> bool:
    rig.clock.move(rng.choice((90, 3600, 7 * 3600, 86_400, 11 * 86_400)) * rng.uniform(0.5, 1.5))
    return True


def _set_back(rig: Rig, rng: random.Random) -> bool:
    rig.clock.move(-rng.uniform(1, 1200))
    return True


def _to_the_edge(rig: Rig, rng: random.Random) -> bool:
    """Stop just before midnight at the end of a month, of a year or of the next leap day, and let time pass it."""
    now = datetime.fromtimestamp(rig.clock.now(), UTC)
    leap = next(
        year for year in range(now.year, now.year + 9) if year % 4 == 0 and (year, 3, 1) > (now.year, now.month, 1)
    )
    edges = {
        "month": (now.replace(day=1) + timedelta(days=32)).replace(day=1),
        "year": now.replace(year=now.year + 1, month=1, day=1),
        "leap day": now.replace(year=leap, month=2, day=29),
        "after leap day": now.replace(year=leap, month=3, day=1),
    }
    edge = edges[rng.choice(list(edges))].replace(hour=0, minute=0, second=0, microsecond=0)
    rig.clock.move(max(0.0, (edge - now).total_seconds() - rng.uniform(0.5, 3)))
    time.sleep(3.5)
    return True


_ALONE = ("receiver", "delivery worker", "scheduler", "maintenance worker")
#: A process that dies before this step has already sent its message.
_MARK = "mark a notification as sent"
_NEEDS_CODER = ("confirm a verification", _PASS)

FAULTS: tuple[Fault, ...] = (
    *(Fault(f"kill -9 {part}", _kill(part), doubles=part not in _ALONE, weight=4) for part in PARTS),
    *(Fault(f"pause {part}", _pause(part), doubles=part not in _ALONE) for part in PARTS),
    Fault("kill -9 supervisor", _kill_supervisor, doubles=True),
    Fault("kill -9 Redis", lambda rig, rng: rig.kill_redis(rng), doubles=True, weight=4),
    Fault("pause Redis", lambda rig, rng: _stop(rig.redis_pid(), rng.uniform(0.1, 3.0)), doubles=True, weight=3),
    Fault("Redis loads slowly", lambda rig, rng: rig.kill_redis(rng, loading=True), doubles=True, needs="wire"),
    Fault("second scheduler and workers, one of them killed", _kill_double, doubles=True),
    *(
        Fault(
            f"{'kill -9' if kill else 'reset'} {'after' if after else 'before'}: {step}",
            _step(step, after=after, kill=kill),
            # The clock moves further for a pass than the claim of a message that is being sent.
            doubles=step in (_MARK, _PASS),
            needs="wire coder" if step in _NEEDS_CODER else "wire",
            weight=2 if kill else 1,
        )
        for step in STEPS
        for after in (False, True)
        for kill in (True, False)
    ),
    Fault("connections to Redis reset", _reset, doubles=True, needs="wire", weight=14),
    Fault("connections to Redis late", _wire(delay=0.03), doubles=True, needs="wire", weight=3),
    Fault("connections to Redis stalled", _wire(stalled=True), doubles=True, needs="wire", weight=3),
    Fault("connections to Redis refused", _wire(refusing=True), doubles=True, needs="wire", weight=3),
    Fault("connections to Redis drip", _wire(drip=40), doubles=True, needs="wire"),
    Fault(
        "Redis full",
        _redis(lambda c: c.config_set("maxmemory", 1), lambda c: c.config_set("maxmemory", 0)),
        doubles=True,
        weight=4,
    ),
    Fault("Redis read-only (fail-over)", _redis(_read_only, _master), doubles=True, weight=4),
    Fault(
        "Redis wants replicas",
        _redis(lambda c: c.config_set("min-replicas-to-write", 1), lambda c: c.config_set("min-replicas-to-write", 0)),
        doubles=True,
    ),
    Fault(
        "Redis closes every connection",
        _redis(lambda c: c.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"), _nothing, 0.2),
        doubles=True,
        weight=6,
    ),
    Fault("Redis forgets its scripts", _redis(lambda c: c.script_flush(), _nothing, 0.2), weight=6),
    Fault("Redis holds back writes", _redis(lambda c: c.execute_command("CLIENT", "PAUSE", 700, "WRITE"), _nothing)),
    Fault("Redis rewrites its file", _redis(lambda c: c.bgrewriteaof(), _nothing, 0.3)),
    Fault("append-only file truncated by a power loss", _truncated, doubles=True, needs="own", weight=1),
    Fault("append-only file corrupt", _corrupt, doubles=True, needs="own", weight=1),
    Fault("disk full", _fill_disk, doubles=True, needs="disk", weight=6),
    *(Fault(f"Coder: {kind.value}", _coder(kind), needs="coder", weight=3) for kind in FaultKind),
    Fault("Coder: away", _coder_away, needs="coder", weight=2),
    Fault("slack", _slack(tuple(kind for kind in outside.SLACK_FAULTS if kind not in outside.LOST)), weight=3),
    Fault("mail", _mail(tuple(kind for kind in outside.MAIL_FAULTS if kind not in outside.LOST)), weight=3),
    Fault("slack or its answer", _slack(outside.SLACK_FAULTS), doubles=True, weight=3),
    Fault("mail or its answer", _mail(outside.MAIL_FAULTS), doubles=True, weight=3),
    Fault("clock jumps ahead", _jump, doubles=True, needs="clock", weight=8),
    Fault("clock is set back", _set_back, doubles=True, needs="clock", weight=4),
    Fault("clock passes the end of a month, a year or a leap day", _to_the_edge, doubles=True, needs="clock", weight=6),
)
