"""How long a message is tried, and how long its original is kept."""

from dataclasses import dataclass
from typing import Final

from app.core.relay.target import PERSON

#: A forward that is not accepted within a day has failed.
FORWARD_SECONDS: Final = 86_400
#: Coder's passcodes are good for 20 minutes.
PASSCODE_SECONDS: Final = 1_200
_DELAYS: Final = (5, 15, 60, 300, 600)
_SOON: Final = (1, 2, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Patience:
    """What the settings say.

    Attributes:
        person_seconds: a message to a person is tried for so long.
        forward_kept_seconds: how long the original is kept for a forward that did not accept it, for a replay.
    """

    person_seconds: int
    forward_kept_seconds: int

    def tries_for(self, target: str, *, passcode: bool) -> int:
        """Return for how many seconds from its arrival a message is tried."""
        if passcode:
            return PASSCODE_SECONDS
        return self.person_seconds if target == PERSON else FORWARD_SECONDS

    def keeps_for(self, target: str, *, passcode: bool) -> int:
        """Return for how many seconds from its arrival a message's original is kept, unless it is delivered before."""
        if passcode:
            return PASSCODE_SECONDS
        return self.person_seconds if target == PERSON else max(self.forward_kept_seconds, FORWARD_SECONDS)


def delay(failures: int, retry_after: float | None, *, passcode: bool, chance: float = 0.0) -> float:
    """Return the seconds until the next attempt.

    Args:
        failures: how often the target failed in a row, from 1.
        retry_after: seconds that the other side requested; None if none.
        passcode: one waits who cannot wait long.
        chance: from 0 to 1; up to a fifth is added, so that what failed together is not tried again together.
    """
    steps = _SOON if passcode else _DELAYS
    wait = float(steps[min(failures, len(steps)) - 1]) * (1 + chance / 5)
    return max(wait, retry_after or 0.0)
