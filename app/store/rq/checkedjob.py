"""Jobs as workers read them: reading never raises, whatever Redis contains instead of a job.

Otherwise one malformed job, written by a faulty program or anybody with access to Redis, could stop every worker.
"""

from typing import Any, Final

import redis
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus

from app.store.rq import jobqueue

#: Fields that our jobs do not have: each would run other code, or wait for other jobs.
_NOT_OURS: Final = (
    b"success_callback_name",
    b"failure_callback_name",
    b"stopped_callback_name",
    b"webhooks",
    b"dependency_id",
    b"dependency_ids",
    b"group_id",
    b"repeats_left",
    b"rate_limit_key",
)
_LONGEST_SECONDS: Final = 86_400
_EMPTY: Final = ("", "[]", b"", b"[]")


class CheckedJob(Job):
    """A job that is valid and one of ours, or else has an objection.

    Attributes:
        objection: why this job must not run; empty if it may.
    """

    objection = ""

    def restore(self, raw_data: Any) -> None:
        """Parse a job's hash. Invalid fields are dropped, and the job then has an objection."""
        try:
            super().restore(raw_data)
            self.objection = self._object(raw_data)
        except Exception as error:  # noqa: BLE001 - whatever RQ and its serializer stumble over
            self.objection = f"it is malformed ({type(error).__name__})"
        if self.objection:
            self._forget(raw_data)

    def refresh(self) -> None:
        """Read the job again.

        Raises:
            NoSuchJobError: the key does not exist or is not a hash.
        """
        try:
            super().refresh()  # type: ignore[no-untyped-call]
        except redis.exceptions.ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            raise NoSuchJobError(f"{self.id} is no hash") from error

    def _object(self, raw: Any) -> str:
        if self.func_name not in jobqueue.FUNCTIONS:
            return "its function is not one of this program's jobs"
        if not isinstance(self.args, list | tuple) or self.kwargs or self.instance is not None:
            return "its arguments are not those of this program's jobs"
        foreign = [name.decode() for name in _NOT_OURS if raw.get(name, b"") not in _EMPTY]
        if foreign:
            return f"jobs of this program have no {foreign[0]}"
        if not isinstance(self.timeout, int) or not 0 < self.timeout <= _LONGEST_SECONDS:
            return "it has no sensible timeout"
        intervals = [] if self.retry_intervals is None else self.retry_intervals
        if not isinstance(intervals, list) or not all(isinstance(one, int) and one >= 0 for one in intervals):
            return "it has no sensible retry intervals"
        return ""

    def _forget(self, raw: Any) -> None:
        """Keep only what identifies the job, so that RQ can record its failure, and nothing that RQ would act on."""
        origin = raw.get(b"origin", b"") if hasattr(raw, "get") else b""
        data = raw.get(b"data", b"") if hasattr(raw, "get") else b""
        kept = {b"data": data, b"status": JobStatus.QUEUED.value.encode()}
        self.__dict__.update(Job(self.id, connection=self.connection, serializer=self.serializer).__dict__)
        super().restore(kept)
        self.origin = origin.decode("utf-8", "replace") if isinstance(origin, bytes) else ""
        self.retries_left, self.retry_intervals, self.timeout = 0, None, jobqueue.TIMEOUT_SECONDS
