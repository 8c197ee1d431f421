"""Loss: Redis holds less than the meter saw before, because it was emptied, replaced or restored from an older state.

Every sweep raises a counter in Redis and notes it in the data directory. A Redis whose counter is behind the note, or
that has another identity, is not in the state that this machine last saw.
"""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from app.core.alert.notice import Notice
from app.core.alert.severity import Severity
from app.core.text.lines import moment_text

NOTICE_KEY: Final = "redis-lost"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The state of a Redis, as far as it can be told from another one.

    Attributes:
        id: made up by the first sweep on an empty Redis; empty if there was none yet.
        sweeps: the number of sweeps since then.
    """

    id: str = ""
    sweeps: int = 0

    def follows(self, earlier: "Lineage") -> bool:
        """Return whether this may be what the earlier state has become."""
        return self.id == earlier.id and self.sweeps >= earlier.sweeps


@dataclass(frozen=True, slots=True)
class Loss:
    """What a deployment lost.

    Attributes:
        found_at: when that was noticed.
        seen_at: when everything was still there.
        before: the number of records then.
        left: the number of records when the loss was noticed.
    """

    found_at: datetime
    seen_at: datetime
    before: int
    left: int

    def is_over(self, records: int, reconciled_at: datetime | None) -> bool:
        """Return whether the count is back, or as much of it as Coder's API shows.

        Args:
            records: how many there are now.
            reconciled_at: the beginning of the last complete pass over Coder's API; None if there was none.
        """
        return records >= self.before or (reconciled_at is not None and reconciled_at > self.found_at)


def loss_notice(loss: Loss, deployment: str, *, verifying: bool, zone: tzinfo) -> Notice:
    """Return the notice of a loss.

    Args:
        loss: what was lost.
        deployment: its name.
        verifying: whether Coder's API is configured.
        zone: the time zone of times in the text.
    """
    remedy = (
        "The next pass over Coder's API counts again what Coder still shows; `awb rebuild` does it now, with progress. "
        "If you have a newer backup, stop the meter and run `awb restore FILE`."
        if verifying
        else "Stop the meter and restore the newest backup with `awb restore FILE`. If there is none, acknowledge this "
        "notice: alerts then start from the present count."
    )
    return Notice(
        key=NOTICE_KEY,
        severity=Severity.CRITICAL,
        headline="The meter's Redis has lost builds",
        summary=f"On {moment_text(loss.seen_at, zone)} there were {loss.before:,} records of Coder deployment "
        f"“{deployment}”, and now there are {loss.left:,}. Redis was emptied, replaced, or restored from an older "
        "state.",
        meaning="Until the count is back, no threshold is announced, and those announced before are not repeated. "
        f"{remedy}",
    )
