"""What a notifier is: code that sends one Notification, or says in one error why not and whether to try again."""

from enum import StrEnum
from typing import Final, Protocol

from app.core.alert import Notification


class FailureReason(StrEnum):
    """Closed list, for metrics and the history of a notification."""

    CLIENT_ERROR = "clientError"
    AUTH_ERROR = "authError"
    RATE_LIMITED = "rateLimited"
    SERVER_ERROR = "serverError"
    NETWORK = "network"
    TLS = "tls"
    RECIPIENT_REFUSED = "recipientRefused"


class NotifyError(Exception):
    """A notification was not accepted.

    Attributes:
        reason: the class of failure.
        permanent: trying again cannot help; the receiver needs an admin.
        retry_after: seconds that the other side asked us to wait, if it did.
    """

    def __init__(
        self, message: str, *, reason: FailureReason, permanent: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after


class Notifier(Protocol):
    """One configured destination."""

    def send(self, notification: Notification) -> None:
        """Send once, within a bounded time and without sleeping.

        Raises:
            NotifyError: it was not accepted. Its text never holds the receiver's URL or password.
        """

    def probe(self) -> None:
        """Check that the destination can be reached, without sending a message.

        Raises:
            NotifyError: it cannot.
        """


#: Seconds after which one attempt to send is given up.
SEND_TIMEOUT: Final = 15.0
