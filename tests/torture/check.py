"""What must be true after any faults, checked against everything that was sent and answered 2xx."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis

from app.core.count.meter import AWB, RecordState
from app.store.alert.outbox import Outbox
from app.store.count.records import Records
from app.store.receive.packs import Packs
from app.store.rq import jobqueue
from tests.torture.rig import Rig
from tests.torture.traffic import ESTIMATED, Letter, units
from tests.workers.make import jobs_in

PROVED = "prod"
_RISES = ("first", "escalated")
#: Reached or passed means announced, unless a higher one was announced at once.
PERCENT = (25, 50, 75, 90, *range(100, 10_000, 25))


@dataclass(frozen=True)
class Outcome:
    """What a round is held against.

    Attributes:
        letters: to the deployment without API.
        doublings: faults that may have come between sending and marking.
        forgetful_until: deliveries that were answered before this moment (monotonic) may be missing, as with
            `appendfsync everysec`: pairs of the beginning and the end of each span.
        one_period: the clock stayed within one usage period.
    """

    letters: Sequence[Letter]
    doublings: int
    one_period: bool
    forgetful: Sequence[tuple[float, float]] = ()


def unsettled(rig: Rig, connection: "redis.Redis", letters: Sequence[Letter]) -> list[str]:
    """Return what is still to be done."""
    found = []
    for queue in jobqueue.CORE:
        places = jobs_in(connection, queue)
        found += [f"{queue}: {place}" for place in ("queued", "intermediate", "started", "scheduled") if places[place]]
    for deployment in (ESTIMATED, PROVED):
        waiting = Outbox(connection, deployment).waiting()
        if waiting:
            found.append(f"{waiting} notifications of {deployment} are pending")
    missing = sum(units(letters).values()) - sum(counted(connection).values())
    if missing > 0:
        found.append(f"{missing} units are missing")
    if rig.team:
        wrong = set(proved(connection)) ^ set(rig.team.truth())
        if wrong:
            found.append(f"{len(wrong)} builds are not as Coder has them")
    return found


def counted(connection: "redis.Redis") -> Counter[str]:
    """Return the units of each workspace, read from the records themselves."""
    found: Counter[str] = Counter()
    for key in connection.scan_iter(match=f"awb:v1:{ESTIMATED}:record:{AWB}:hint:*", count=1000):
        found[key.decode().split(":")[-2]] += 1
    return found


def proved(connection: "redis.Redis") -> dict[str, float]:
    page, _ = Records(connection, PROVED, AWB).page(None, 9000)
    return {str(record.build_id): record.at for record in page if record.state is RecordState.PROVED}


def violations(rig: Rig, connection: "redis.Redis", outcome: Outcome) -> Iterator[str]:
    """Yield every broken promise."""
    yield from _deliveries(connection, outcome)
    yield from _totals(rig, connection, outcome)
    yield from _failed_jobs(connection)
    yield from _messages(rig, connection, outcome)
    if rig.team:
        held, truth = proved(connection), rig.team.truth()
        for build in set(held) ^ set(truth):
            yield f"build {build} is {'counted and was none' if build in held else 'missing'}"


def _deliveries(connection: "redis.Redis", outcome: Outcome) -> Iterator[str]:
    """Every delivery that was answered 2xx has a verdict or lies in the quarantine."""
    # A clock that jumps by weeks lets deliveries be packed. All are read: `find` goes by the year of this process.
    packed = {row["message_id"] for page in Packs(connection, ESTIMATED).pages(0) for row in page}
    for letter in outcome.letters:
        aside = connection.exists(f"awb:v1:{ESTIMATED}:quarantined:{letter.id}")
        known = letter.id in packed or connection.exists(f"awb:v1:{ESTIMATED}:delivery:{letter.id}")
        excused = any(begin <= letter.taken_at <= end for begin, end in outcome.forgetful)
        # The quarantine keeps a body for 90 days, which a clock that jumps may pass.
        excused = excused or (letter.junk and not outcome.one_period)
        if letter.taken_at and not (aside or known) and not excused:
            yield f"delivery {letter.id} was answered 2xx and has no verdict"


def _totals(rig: Rig, connection: "redis.Redis", outcome: Outcome) -> Iterator[str]:
    expected, held = units(outcome.letters), counted(connection)
    for workspace in expected | held:
        lost = expected[workspace] - held[workspace]
        excused = sum(
            letter.workspace == workspace and any(begin <= letter.taken_at <= end for begin, end in outcome.forgetful)
            for letter in outcome.letters
        )
        if lost < 0 or lost > excused:
            yield f"workspace {workspace}: {held[workspace]} units, of {expected[workspace]} that were delivered"
    for deployment in (ESTIMATED, PROVED) if rig.team else (ESTIMATED,):
        totals = connection.hgetall(f"awb:v1:{deployment}:totals:{AWB}")
        days = sum(int(number) for field, number in totals.items() if field.startswith(b"d:"))
        months = sum(int(number) for field, number in totals.items() if field.startswith(b"m:"))
        records = connection.zcard(f"awb:v1:{deployment}:records:{AWB}")
        if not days == months == records:
            yield f"{deployment}: totals of {days} by day and {months} by month, and {records} records"


def _failed_jobs(connection: "redis.Redis") -> Iterator[str]:
    for queue in jobqueue.CORE:
        for job in jobs_in(connection, queue)["failed"]:
            yield f"{queue}: job {job} is dead letter, which needs a human"


def _messages(rig: Rig, connection: "redis.Redis", outcome: Outcome) -> Iterator[str]:
    texts, subjects = Counter(rig.slack.texts), Counter(rig.mail.subjects)
    if not outcome.doublings:
        yield from (
            f"Slack got {number} times, without a crash: {text}" for text, number in texts.items() if number > 1
        )
        yield from (f"mailed {number} times, without a crash: {one}" for one, number in subjects.items() if number > 1)
    repeated = sum(texts.values()) - len(texts) + sum(subjects.values()) - len(subjects)
    if outcome.one_period and repeated > outcome.doublings:
        yield f"{repeated} messages came again, and {outcome.doublings} faults could do that"
    rows = Outbox(connection, ESTIMATED).history(limit=10_000)
    for row in rows:
        if row["state"] not in ("sent", "superseded", "failed"):
            yield f"notification {row['id']} is {row['state']}"
    if outcome.one_period:
        yield from levels(rig, rows, sum(counted(connection).values()))


def levels(rig: Rig, rows: Sequence[dict[str, object]], used: int) -> Iterator[str]:
    crossed = [percent for percent in PERCENT if used * 100 >= percent * rig.limit]
    sent = {str(row["level"]) for row in rows if row["state"] == "sent"}
    if crossed and f"{crossed[-1]}%" not in sent:
        yield f"{used} of {rig.limit} used, and {crossed[-1]} % was sent to nobody; sent: {sorted(sent)}"
    for row in rows:
        said = f"“{ESTIMATED}” has reached {row['level']} of"
        at_slack = row["state"] == "sent" and row["receiver"] == "slack" and row["reason"] in _RISES
        if at_slack and not any(said in text for text in rig.slack.texts):
            yield f"{row['id']} is marked as sent, and Slack never got it"
        # What failed for good at one receiver has reached another, or a higher level has.
        higher = any(_percent(other) > _percent(row) for other in rows if other["state"] == "sent")
        if row["state"] != "sent" and str(row["level"]) not in sent and not higher:
            yield f"{row['level']} was announced and sent to nobody: {json.dumps(row, default=str)}"


def _percent(row: dict[str, object]) -> int:
    level = str(row["level"]).rstrip("%")
    return int(level) if level.isdecimal() else 0
