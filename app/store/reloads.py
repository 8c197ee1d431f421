"""Results of reloading the configuration, by part of the service: fields of the marks, which pages read anyway."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import redis

from app import clock
from app.store import keys
from app.store.rq.workers import this_host
from app.store.server.commands import commands

_FIELD: Final = "reload:"
#: The entry of a part whose end was not noticed, such as one on a lost machine, is deleted after this time.
_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reload:
    """The result of a process's last reload.

    Attributes:
        part: the part's name, such as `web` or `worker awb-deliveries`.
        problems: why the previous configuration is still in use; empty if the new one is in use.
        restart: changed settings that need a restart.
    """

    host: str
    part: str
    pid: int
    at: datetime
    problems: Sequence[str]
    restart: Sequence[str]


def note_reload(connection: "redis.Redis", part: str, problems: Sequence[str], restart: Sequence[str] = ()) -> None:
    """Store the result of this process's reload."""
    found = {"at": clock.now().timestamp(), "problems": list(problems), "restart": list(restart)}
    commands(connection).hset(keys.MARKS, mapping={_field(part, os.getpid()): json.dumps(found)})


def forget_reload(connection: "redis.Redis", part: str) -> None:
    """Delete this process's entry, because it ends or has just read the configuration."""
    commands(connection).hdel(keys.MARKS, _field(part, os.getpid()))


def reloads(connection: "redis.Redis") -> list[Reload]:
    """Return the last result of each process."""
    found, marks = [], commands(connection).hgetall(keys.MARKS)
    for name, text in sorted(marks.items()):
        if name.startswith(_FIELD.encode()):
            host, part, pid = name.decode().removeprefix(_FIELD).rsplit(":", 2)
            row = json.loads(text)
            reload = Reload(host, part, int(pid), clock.at(row["at"]), row["problems"], row["restart"])
            if clock.now() - reload.at < _KEPT:
                found.append(reload)
    return found


def _field(part: str, pid: int) -> str:
    return f"{_FIELD}{this_host()}:{part}:{pid}"
