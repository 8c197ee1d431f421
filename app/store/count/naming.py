"""The latest names of users, templates and organizations by id, and updates of the names in records."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import redis

from app.store import keys
from app.store.count.recordrow import renamed
from app.store.count.storedworkspace import read_proved
from app.store.server.commands import commands
from app.store.server.connection import script

#: The names in a workspace's records, each with the field that has its id.
IDENTITIES: Final = {"owner": "owner_id", "template": "template_id", "organization": "organization_id"}


class Naming:
    """The names of one deployment, and those in the records of one meter."""

    def __init__(self, connection: "redis.Redis", deployment: str, meter: str) -> None:
        self.redis = commands(connection)
        self.deployment = deployment
        self.meter = meter
        self._rename = script(connection, "rename")

    def newest(self, identities: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the latest names of identities such as ("owner", id); unknown ones are left out."""
        pairs = list(identities)
        if not pairs:
            return {}
        found = self.redis.hmget(keys.newest_names(self.deployment), [f"{which}:{id_}" for which, id_ in pairs])
        return {one: name.decode() for one, name in zip(pairs, found, strict=True) if name is not None}

    def keep(self, names: Mapping[tuple[str, str], str]) -> None:
        """Store the latest names. A former name refers to its identity until another one takes the name."""
        former = self.newest(names)
        with self.redis.pipeline(transaction=True) as pipe:
            for (which, id_), name in names.items():
                old = former.get((which, id_))
                if old is not None and old != name:
                    pipe.hset(keys.former_names(self.deployment), f"{which}:{old}", id_)
                pipe.hdel(keys.former_names(self.deployment), f"{which}:{name}")
                pipe.hset(keys.newest_names(self.deployment), f"{which}:{id_}", name)
            pipe.execute()

    def now_called(self, which: str, name: str) -> str:
        """Return the latest name of what once had this name; the name itself if there is no other."""
        id_ = self.redis.hget(keys.former_names(self.deployment), f"{which}:{name}")
        if id_ is None:
            return name
        return self.newest([(which, id_.decode())]).get((which, id_.decode()), name)

    def forget(self, which: str, name: str, instead: str) -> None:
        """Replace a latest name, and forget which identity a former one referred to, and searches by it."""
        index = keys.named(self.deployment, self.meter)
        # Versions before schema 4 listed workspaces by `<owner>/<workspace>`, too.
        found = self.redis.zrangebylex(index, f"[{name}/", f"({name}0") if which == "owner" else []
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hdel(keys.former_names(self.deployment), f"{which}:{name}")
            for identity, newest in self.redis.hgetall(keys.newest_names(self.deployment)).items():
                if identity.startswith(which.encode() + b":") and newest.decode().casefold() == name:
                    pipe.hset(keys.newest_names(self.deployment), identity.decode(), instead)
            if found:
                pipe.zrem(index, *found)
            pipe.execute()

    def rename(self, workspace_id: str, names: Mapping[str, str]) -> int:
        """Update the names in a workspace's proved records, and return the number of changed records.

        Each record is updated atomically with the totals by name. If the process dies here, the next call updates the
        rest.

        Args:
            workspace_id: the workspace.
            names: owner, template and organization; missing or empty ones stay unchanged.
        """
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hget(keys.workspace(self.deployment, self.meter, workspace_id), "p")
            pipe.zrange(keys.proved(self.deployment, self.meter, workspace_id), 0, -1)
            proved = read_proved(*pipe.execute())
        if not proved:
            return 0
        rows = self.redis.mget([keys.record(self.deployment, self.meter, key) for key in proved])
        args: list[Any] = []
        for key, row in zip(proved, rows, strict=True):
            if row is None:
                continue
            after = renamed(row, names)
            if after != row:
                args += [key, row, after]
        if not args:
            return 0
        prefix = keys.record(self.deployment, self.meter, "")[:-1]
        return int(self._rename(keys=[], args=[prefix, keys.top_prefix(self.deployment, self.meter), *args]))

    def lack_names(self, workspace_ids: Iterable[str]) -> None:
        """Mark workspaces whose records lack names that Coder did not report."""
        wanted = list(workspace_ids)
        if wanted:
            self.redis.sadd(keys.nameless(self.deployment), *wanted)

    def lacking(self, most: int) -> list[str]:
        """Return some of the workspaces whose records lack names, different ones each time."""
        return [member.decode() for member in self.redis.srandmember(keys.nameless(self.deployment), most)]

    def have_names(self, workspace_ids: Iterable[str]) -> None:
        """Clear the mark of workspaces whose records are complete."""
        done = list(workspace_ids)
        if done:
            self.redis.srem(keys.nameless(self.deployment), *done)
