"""How long delivery of a message is tried, and how long its original is kept."""

from dataclasses import dataclass
from typing import Final

from app.core.relay.target import PERSON

#: A forward that is not accepted within a day fails.
FORWARD_SECONDS: Final = 86_400
#: Coder's passcodes are valid for 20 minutes.
PASSCODE_SECONDS: Final = 1_200
_DELAYS: Final = (5, 15, 60, 300, 600)
_SOON: Final = (1, 2, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Patience:
    """The configured times.

    Attributes:
        person_seconds: how long a message to a person is tried.
        forward_kept_seconds: how long the original of a failed forward is kept for a replay.
    """

    person_seconds: int
    forward_kept_seconds: int

    def tries_for(self, target: str, *, passcode: bool) -> int:
        """Return how many seconds after its arrival a message is tried."""
        if passcode:
            return PASSCODE_SECONDS
        return self.person_seconds if target == PERSON else FORWARD_SECONDS

    def keeps_for(self, target: str, *, passcode: bool) -> int:
        """Return how many seconds after its arrival an original is kept, unless it is delivered earlier."""
        if passcode:
            return PASSCODE_SECONDS
        return self.person_seconds if target == PERSON else max(self.forward_kept_seconds, FORWARD_SECONDS)


def delay(failures: int, retry_after: float | None, *, passcode: bool, chance: float = 0.0) -> float:
    """Return the seconds until the next attempt.

    Args:
        failures: consecutive failures of the target, at least 1.
        retry_after: seconds that the target requested; None if it did not.
        passcode: whether a passcode is waiting, which has little time.
        chance: random number from 0 to 1; adds up to a fifth, so that targets that failed together are not retried
            together.
    """
    steps = _SOON if passcode else _DELAYS
    wait = float(steps[min(failures, len(steps)) - 1]) * (1 + chance / 5)
    return max(wait, retry_after or 0.0)
