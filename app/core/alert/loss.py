"""Loss: Redis holds less than the meter saw before, because it was emptied, replaced or restored from an older state.

Every sweep increments a counter in Redis and writes it to the data directory. If Redis has a lower counter, or another
identity, it is not in the state that this machine last saw.
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
    """The state of a Redis, so that it can be compared with an earlier one.

    Attributes:
        id: random, from the first sweep on an empty Redis; empty before that.
        sweeps: the number of sweeps since then.
    """

    id: str = ""
    sweeps: int = 0

    def follows(self, earlier: "Lineage") -> bool:
        """Return whether this state may have developed from the earlier one."""
        return self.id == earlier.id and self.sweeps >= earlier.sweeps


@dataclass(frozen=True, slots=True)
class Loss:
    """What a deployment lost.

    Attributes:
        found_at: when the loss was noticed.
        seen_at: when nothing was missing yet.
        before: the number of records at `seen_at`.
        left: the number of records at `found_at`.
    """

    found_at: datetime
    seen_at: datetime
    before: int
    left: int

    def is_over(self, records: int, reconciled_at: datetime | None) -> bool:
        """Return whether the count has recovered, or all of it that Coder's API still shows.

        Args:
            records: the present number of records.
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
        "The next pass over Coder's API restores what Coder still shows; `awb rebuild` starts it now with progress. "
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
        meaning="Until the count has recovered, no threshold is announced, and no earlier announcement is repeated. "
        f"{remedy}",
    )
