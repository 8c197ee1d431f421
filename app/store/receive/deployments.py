"""The known deployments, and the data of one deployment as a whole."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import redis
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ScheduledJobRegistry
from rq.results import Result

from app.store import keys
from app.store.rq import jobqueue, turns
from app.store.rq.jobs import read_call
from app.store.server.commands import commands
from app.store.server.connection import script

_AT_ONCE: Final = 500
#: Functions whose first argument is a deployment.
_OF_ONE: Final = frozenset({jobqueue.CLASSIFY, jobqueue.SEND, jobqueue.VERIFY, jobqueue.RECONCILE, jobqueue.WORK_LANE})
_REGISTRIES: Final = (FailedJobRegistry, ScheduledJobRegistry, DeferredJobRegistry)


class Deployments:
    """Every deployment that this Redis knows."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.connection, self.redis = connection, commands(connection)

    def names(self) -> list[str]:
        """Return the deployments that have posted, sorted."""
        return sorted(item.decode() for item in self.redis.smembers(keys.DEPLOYMENTS))

    def unfinished(self) -> list[str]:
        """Return the deployments whose removal has begun but not finished, sorted."""
        return sorted(item.decode() for item in self.redis.smembers(keys.REMOVING))

    def traces(self) -> list[str]:
        """Return every deployment of which there is any key, sorted; also one that has never posted."""
        found = (keys.deployment_of(key.decode()) for key in self.redis.scan_iter(match=keys.every("*"), count=1000))
        return sorted({name for name in found if name})

    def admit(self, deployment: str, most: int) -> bool:
        """Add a name unless it is known; False if `most` others are known already."""
        return bool(script(self.connection, "learn")(keys=[keys.DEPLOYMENTS], args=[deployment, most]))

    def kinds(self, deployment: str) -> Counter[str]:
        """Count the keys of a deployment by kind, such as `record`, and its waiting and failed jobs as `job`."""
        found = Counter(keys.kind_of(deployment, key.decode()).partition(":")[0] for key in self._keys(deployment))
        found["job"] = sum(1 for _ in self._jobs(deployment))
        return found

    def remove(self, deployment: str) -> None:
        """Delete all data of a deployment.

        If the process dies here, the deployment stays among the unfinished ones and must be removed again. A delivery
        that arrives meanwhile adds its name again.
        """
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.sadd(keys.REMOVING, deployment)
            pipe.srem(keys.DEPLOYMENTS, deployment)
            pipe.execute()
        # Jobs first, because each would write keys again.
        for queue, job_id in list(self._jobs(deployment)):
            with self.redis.pipeline(transaction=True) as pipe:
                for waiting in _lists(queue, deployment):
                    pipe.lrem(waiting, 0, job_id)
                for registry in _REGISTRIES:
                    pipe.zrem(_registry(registry, queue), job_id)
                pipe.delete(jobqueue.job_key(job_id), Result.get_key(job_id))
                pipe.execute()
        self.redis.srem(jobqueue.queues_key(), turns.own_queue(deployment))
        while batch := list(_first(self._keys(deployment))):
            self.redis.unlink(*batch)
        self.redis.srem(keys.REMOVING, deployment)

    def _keys(self, deployment: str) -> Iterator[bytes]:
        found: Iterator[bytes] = self.redis.scan_iter(match=keys.every(deployment), count=1000)
        return found

    def _jobs(self, deployment: str) -> Iterator[tuple[str, str]]:
        """Yield the queue and the id of each waiting or failed job of this deployment."""
        for queue in jobqueue.QUEUES:
            ids = [job_id for one in _lists(queue, deployment) for job_id in self.redis.lrange(one, 0, -1)]
            for registry in _REGISTRIES:
                ids += self.redis.zrange(_registry(registry, queue), 0, -1)
            for start in range(0, len(ids), _AT_ONCE):
                some = [item.decode() for item in ids[start : start + _AT_ONCE]]
                with self.redis.pipeline(transaction=False) as pipe:
                    for job_id in some:
                        pipe.hget(jobqueue.job_key(job_id), "data")
                    data = pipe.execute()
                yield from ((queue, job_id) for job_id, one in zip(some, data, strict=True) if _of(deployment, one))


def _lists(queue: str, deployment: str) -> list[str]:
    """Return the lists in which a deployment's jobs of a queue wait."""
    own = [turns.own_queue(deployment)] if queue == jobqueue.DELIVERIES else []
    return [jobqueue.queue_key(queue), *own]


def _of(deployment: str, data: bytes | None) -> bool:
    function, args = read_call(data or b"")
    return function in _OF_ONE and args is not None and args[:1] == [deployment]


def _first(found: Iterator[bytes]) -> Iterator[bytes]:
    for _, key in zip(range(_AT_ONCE), found, strict=False):
        yield key


def _registry(registry: Any, queue: str) -> str:
    return str(registry.key_template.format(queue))
