"""A job as stored in Redis, read without running or importing it, and without secrets."""

import json
import re
import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app.core.count.redaction import REDACTED, redact
from app.store.rq import jobqueue

#: The fields of RQ's job hash that are read, in the order in which `read_job` expects them.
FIELDS: Final = (
    "data", "origin", "status", "description", "created_at", "enqueued_at", "ended_at",
    "retries_left", "retry_intervals", "number_of_retries",
)  # fmt: skip
#: RQ's statuses of jobs in the failed job registry.
FAILED: Final = frozenset({"failed", "stopped"})
_LONGEST_REASON: Final = 300
#: A payload or traceback that is larger than this when unpacked is not read: it is not ours.
_LARGEST: Final = 4_000_000
_OWN_ARGUMENTS: Final = 4
_FRAME: Final = '  File "'
#: Ids, names and paths. Other texts among a job's arguments are hidden, because no key shows what they are.
_PLAIN: Final = re.compile(r"[\w./:%+-]{0,200}")


@dataclass(frozen=True, slots=True)
class JobState:
    """One job.

    Attributes:
        status: RQ's status; `queued` also while a worker has it in a batch.
        function: the dotted path; empty if it is not one of our jobs.
        payload: the job's arguments, redacted; None if they cannot be read.
        reason: the reason of its last failure, redacted; empty if it has not failed.
        failed_at: when it last failed.
        attempts: the number of attempts, according to RQ.
        deployment: the deployment of the delivery that it carries; empty if it carries none.
        message_id: the id of that delivery.
        received_at: the arrival of that delivery, in seconds since the epoch.
    """

    id: str
    queue: str
    status: str
    function: str
    description: str
    payload: Any
    reason: str
    failed_at: datetime | None
    enqueued_at: datetime | None
    created_at: datetime | None
    attempts: int
    deployment: str = ""
    message_id: str = ""
    received_at: float = 0.0


def read_job(
    job_id: str,
    values: Sequence[bytes | None],
    results: Sequence[tuple[bytes, Mapping[bytes, bytes]]],
    failures: int,
    *,
    hide: Callable[[str], str],
) -> JobState | None:
    """Parse a job; None if it does not exist.

    Args:
        job_id: its id.
        values: the FIELDS of its hash.
        results: the newest entry of its result stream, if there is one.
        failures: the number of entries in that stream.
        hide: removes secrets from a text.
    """
    raw = dict(zip(FIELDS, values, strict=True))
    if raw["data"] is None:
        return None
    function, args = read_call(raw["data"])
    text = {name: (value or b"").decode("utf-8", "replace") for name, value in raw.items() if name != "data"}
    failed_at, reason = _failure(results, hide)
    job = JobState(
        id=job_id,
        queue=text["origin"],
        status=text["status"],
        function=function,
        description=_line(hide(text["description"])),
        payload=None if args is None else [_argument(one) for one in redact({"args": args})["args"]],
        reason=reason,
        failed_at=read_time(text["ended_at"]) or failed_at if failed_at else None,
        enqueued_at=read_time(text["enqueued_at"]),
        created_at=read_time(text["created_at"]),
        attempts=_attempts(text, failures),
    )
    return _with_delivery(job, args)


def read_time(text: str) -> datetime | None:
    """Parse a time as RQ writes it; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_call(data: bytes) -> tuple[str, list[Any] | None]:
    """Return the function and the arguments of a job; RQ compresses what it writes itself, our scripts do not."""
    try:
        plain = unpack(data)
    except zlib.error:
        plain = data
    try:
        function, _instance, args, _kwargs = json.loads(plain)
        redact({"args": args})
    except (ValueError, TypeError, RecursionError):
        return "", None
    return (function, args) if isinstance(function, str) and isinstance(args, list) else ("", None)


def unpack(data: bytes) -> bytes:
    """Decompress data up to a maximum size.

    Raises:
        zlib.error: it is not compressed, or larger than any data of ours.
    """
    worker = zlib.decompressobj()
    plain = worker.decompress(data, _LARGEST)
    if not worker.eof:
        raise zlib.error("too large, or cut off")
    return plain


def _argument(value: Any) -> Any:
    if isinstance(value, list):
        return [_argument(one) for one in value]
    return REDACTED if isinstance(value, str) and not _PLAIN.fullmatch(value) else value


def _with_delivery(job: JobState, args: list[Any] | None) -> JobState:
    """Add the delivery that it carries, if it is one of our jobs: deployment, message id, arrival, payload."""
    if job.function != jobqueue.CLASSIFY or args is None or len(args) != _OWN_ARGUMENTS:
        return job
    deployment, message_id, received_at, payload = args
    if not (isinstance(deployment, str) and isinstance(message_id, str) and isinstance(received_at, int | float)):
        return job
    shown = redact(payload) if isinstance(payload, dict) else job.payload[3]
    return JobState(
        **{name: getattr(job, name) for name in JobState.__slots__}
        | {"payload": shown, "deployment": deployment, "message_id": message_id, "received_at": float(received_at)}
    )


def _failure(
    results: Sequence[tuple[bytes, Mapping[bytes, bytes]]], hide: Callable[[str], str]
) -> tuple[datetime | None, str]:
    """Return when and why it last failed: RQ keeps the traceback in the result stream, not in the job."""
    if not results:
        return None, ""
    result_id, fields = results[0]
    at = datetime.fromtimestamp(int(result_id.partition(b"-")[0]) / 1000, UTC)
    try:
        trace = unpack(b64decode(fields.get(b"exc_string", b""))).decode("utf-8", "replace")
    except (zlib.error, Base64Error):
        return at, ""
    return at, _line(hide(last_line(trace)))


def last_line(trace: str) -> str:
    """Return the line that names the exception, whose message may have several lines."""
    lines = [line for line in trace.splitlines() if line.strip()]
    frames = [number for number, line in enumerate(lines) if line.startswith(_FRAME)]
    behind = [line for line in lines[frames[-1] :] if not line.startswith(" ")] if frames else lines[-1:]
    return (behind or lines[-1:] or [""])[0]


def _line(text: str) -> str:
    plain = re.sub(r"\s+", " ", "".join(character if character.isprintable() else " " for character in text)).strip()
    return plain if len(plain) <= _LONGEST_REASON else plain[: _LONGEST_REASON - 1] + "…"


def _attempts(text: Mapping[str, str], failures: int) -> int:
    """Count the attempts: the first, used retries, retries by the job itself, and one for each requeueing."""
    try:
        planned = len(json.loads(text["retry_intervals"] or "[]"))
        return planned - int(text["retries_left"] or 0) + int(text["number_of_retries"] or 0) + failures
    except (ValueError, TypeError):
        return failures
