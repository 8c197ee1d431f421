"""The ledger: the evidence and usage records of each workspace, and the totals derived from them."""

import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from typing import Any, Final

import redis

from app.core.count.estimate import record_number
from app.core.count.evidence import NOTHING_FOLDED, Evidence
from app.core.count.meter import RecordState, UsageRecord
from app.core.days import day_of
from app.core.text.compact import compact
from app.store import keys
from app.store.count.evidencetext import write_evidence
from app.store.count.recordrow import reason_digest, row_owner, write_row
from app.store.count.storedworkspace import ReconciledWorkspace, StoredWorkspace, write_keys, write_names
from app.store.server.commands import Fields, commands
from app.store.server.connection import pipelined, script

#: What the script answers where somebody else was faster.
CONFLICT: Final = -1_000_000
_SCANNED: Final = 500


@dataclass(frozen=True, slots=True)
class RecordUpdate:
    """A workspace's evidence and the records derived from it, based on a version that was read.

    Attributes:
        records: all records that may still be replaced. Stored ones that are missing here are withdrawn.
        proved: records to add permanently.
        last_proved: number of the last proved build; None to leave it unchanged.
        unchanged: keys of records that are already stored like this and need not be sent.
        settled: records that are no longer derived but must be written again.
        folded: messages that the evidence contains only as numbers from now on.
    """

    workspace_id: str
    version: int
    evidence: Evidence
    records: Sequence[UsageRecord]
    proved: Sequence[UsageRecord] = ()
    last_proved: int | None = None
    unchanged: Collection[str] = ()
    settled: Sequence[UsageRecord] = ()
    folded: Collection[str] = ()

    @property
    def sent(self) -> list[UsageRecord]:
        """The records to pass to the script."""
        changed = [record for record in self.records if record.key not in self.unchanged]
        return [*changed, *self.settled, *self.proved]

    @property
    def replaceable(self) -> list[str]:
        """Keys of the records that may still be replaced: all except those of folded evidence."""
        settled = self.evidence.base.records
        found = [record.key for record in self.records]
        return [key for key in found if record_number(key) > settled] if settled else found


class Ledger:
    """The ledger of one deployment and meter."""

    def __init__(self, connection: "redis.Redis", deployment: str, meter: str) -> None:
        self.connection, self.redis = connection, commands(connection)
        self.deployment = deployment
        self.meter = meter
        self._update_script = script(connection, "update_records")

    def read(self, workspace_ids: Sequence[str]) -> dict[str, tuple[int, Evidence]]:
        """Return the version and evidence of workspaces, in one round trip; version 0 for unknown ones."""
        return {
            one: (stored.version, stored.evidence)
            for one, stored in self.read_workspaces(dict.fromkeys(workspace_ids, ())).items()
        }

    def read_workspaces(self, messages: Mapping[str, Sequence[str]]) -> dict[str, StoredWorkspace]:
        """Return the stored data of workspaces, given messages about each of them, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id, message_ids in messages.items():
                pipe.hmget(keys.workspace(self.deployment, self.meter, workspace_id), "v", "e", "b", "k")
                # Without messages, a name that does not exist keeps the command valid.
                digests = [message_digest(one) for one in message_ids] or [b""]
                pipe.smismember(keys.folded(self.deployment, self.meter, workspace_id), digests)
            rows = pipe.execute()
        return {
            one: StoredWorkspace.of(one, list(compress(messages[one], rows[2 * n + 1])), *rows[2 * n])
            for n, one in enumerate(messages)
        }

    def known(self, workspace_ids: Sequence[str]) -> dict[str, ReconciledWorkspace]:
        """Return the results of earlier passes for workspaces, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id in workspace_ids:
                pipe.hmget(keys.workspace(self.deployment, self.meter, workspace_id), "n", "t")
            rows = pipe.execute()
        return {
            workspace_id: ReconciledWorkspace.of(*row) for workspace_id, row in zip(workspace_ids, rows, strict=True)
        }

    def examine(self, workspace_ids: Sequence[str]) -> dict[str, tuple[int, Evidence, ReconciledWorkspace]]:
        """Return the version and evidence of workspaces and the results of earlier passes, in one round trip."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id in workspace_ids:
                pipe.hmget(keys.workspace(self.deployment, self.meter, workspace_id), "v", "e", "b", "n", "t")
            rows = pipe.execute()
        found = {}
        for workspace_id, (version, evidence, base, number, names) in zip(workspace_ids, rows, strict=True):
            stored = StoredWorkspace.of(workspace_id, (), version, evidence, base, None)
            found[workspace_id] = stored.version, stored.evidence, ReconciledWorkspace.of(number, names)
        return found

    def has_proved(self, workspace_id: str) -> bool:
        """Return whether any build of a workspace is proved to have counted."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hexists(keys.workspace(self.deployment, self.meter, workspace_id), "p")
            pipe.exists(keys.proved(self.deployment, self.meter, workspace_id))
            return any(pipe.execute())

    def name(self, workspaces: Mapping[str, Mapping[str, str]]) -> None:
        """Store workspaces' names from a listing, by workspace id."""
        with self.redis.pipeline(transaction=False) as pipe:
            for workspace_id, names in workspaces.items():
                pipe.hset(keys.workspace(self.deployment, self.meter, workspace_id), "t", write_names(names))
            pipe.execute()

    def count_since(self, start: float, end: float = math.inf) -> int:
        """Return the number of records after `start` and up to `end`, in seconds since the epoch."""
        return int(self.redis.zcount(keys.records(self.deployment, self.meter), f"({start!r}", end))

    def owners_since(self, start: float, most: int) -> list[str]:
        """Return the owner of each record after `start`, newest first, up to a maximum."""
        index = keys.records(self.deployment, self.meter)
        found = self.redis.zrange(index, "+inf", f"({start!r}", desc=True, byscore=True, offset=0, num=most)
        names = [keys.record(self.deployment, self.meter, key.decode()) for key in found]
        stored = self.redis.mget(names) if names else []
        return [row_owner(item) for item in stored if item is not None]

    def update_records(self, updates: Sequence[RecordUpdate]) -> tuple[int, list[str]]:
        """Write evidence and records, atomically for each workspace.

        If the process dies here, some workspaces are not updated; the jobs run again and update them.

        Returns:
            The change in units, and the workspaces that another process changed since they were read.
        """
        changes = self.update_each(updates)
        conflicts = [workspace_id for workspace_id, change in changes.items() if change is None]
        return sum(change for change in changes.values() if change is not None), conflicts

    def update_each(self, updates: Sequence[RecordUpdate]) -> dict[str, int | None]:
        """Do the same, and return the change in units of each workspace; None if another process changed it."""
        reasons: Fields = {reason_digest(r.reason): r.reason for s in updates for r in s.sent}
        listed = dict.fromkeys(filter(None, map(_listed_as, updates)), 0)

        def fill(pipe: Any) -> None:
            # Written before what refers to them or is found by them. If the process dies in between, they are useless
            # until the jobs run again.
            pipe.hset(keys.reasons(self.deployment), mapping=reasons or {"": ""})
            if listed:
                pipe.zadd(keys.named(self.deployment, self.meter), listed)
            for update in updates:
                names = self.keys_of(update.workspace_id)
                pipe.evalsha(self._update_script.sha, len(names), *names, *self._args(update))

        answers = pipelined(self.connection, fill, self._update_script)
        return {
            update.workspace_id: None if answer == CONFLICT else int(answer)
            for update, answer in zip(updates, answers[len(answers) - len(updates) :], strict=True)
        }

    def workspaces(self) -> Iterator[str]:
        """Yield every workspace that has evidence; one that had several names may come several times."""
        listed = keys.workspaces(self.deployment, self.meter)
        for member, _score in self.redis.zscan_iter(listed, count=_SCANNED):
            yield member.decode()
        # Only versions before schema 4 write the former list; the migration moves it into this index.
        members = self.redis.zscan_iter(keys.named(self.deployment, self.meter), count=_SCANNED)
        while some := list(islice(members, _SCANNED)):
            ids = list(dict.fromkeys(member.decode().partition("\n")[2] for member, _score in some))
            scores = self.redis.zmscore(listed, ids)
            yield from (one for one, score in zip(ids, scores, strict=True) if score is None)

    def keys_of(self, workspace_id: str) -> list[str]:
        """Return the keys that update_records.lua takes for a workspace."""
        name, meter = self.deployment, self.meter
        return [
            keys.workspace(name, meter, workspace_id),
            keys.records(name, meter),
            keys.totals(name, meter),
            keys.proved(name, meter, workspace_id),
            keys.folded(name, meter, workspace_id),
        ]

    def _args(self, update: RecordUpdate) -> list[Any]:
        base = update.evidence.base
        args: list[Any] = [
            update.version,
            write_evidence(update.evidence),
            write_keys(update.workspace_id, update.replaceable),
            keys.record(self.deployment, self.meter, "")[:-1],
            keys.top_prefix(self.deployment, self.meter),
            update.workspace_id,
            "" if update.last_proved is None else update.last_proved,
            compact(base.as_json()) if base != NOTHING_FOLDED else "",
            base.records,
            len(update.folded),
            *(message_digest(one) for one in update.folded),
        ]
        for record in update.sent:
            args += record_args(record)
        return args


def record_args(record: UsageRecord) -> list[Any]:
    """Return the seven arguments that update_records.lua takes for a record."""
    day, provisional = day_of(record.at), record.state is RecordState.PROVISIONAL
    names = json.dumps(_names(record))
    return [record.key, repr(record.at), f"{day}", record.weight, int(provisional), names, write_row(record)]


def message_digest(message_id: str) -> bytes:
    """Return an eight-byte digest, which is unique among the messages of one workspace."""
    return hashlib.blake2s(message_id.encode(), digest_size=8).digest()


def listed_as(workspace_id: str, name: str) -> str:
    """Return the member of the index of workspaces for a workspace with this name, which may be empty."""
    # The first line feed ends the name.
    return name.lower().replace("\n", " ") + "\n" + workspace_id


def _listed_as(update: RecordUpdate) -> str:
    """Return the member of the index that an update needs; empty if it has been written."""
    name = next((record.workspace for record in update.sent), "") or update.evidence.name("workspace")
    return listed_as(update.workspace_id, name) if name or not update.version else ""


def _names(record: UsageRecord) -> Mapping[str, str]:
    return {"user": record.owner, "template": record.template, "organization": record.organization}
