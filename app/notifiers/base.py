"""What a notifier is: code that sends one Notification, or says in one error why not and whether to try again."""

from enum import StrEnum
from typing import Final, Protocol

from app.core.alert.alert import Notification
from app.core.alert.handle import Handle


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
    """One configured destination.

    Attributes:
        threads: it gives out handles, and later messages of a thread update or answer the first one.
    """

    threads: bool

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> Handle | None:
        """Send once, within a bounded time and without sleeping.

        Args:
            notification: what to send.
            thread: handle of the thread's first message, if this receiver has one.
            retry: an attempt was made before, whose outcome is not certain: it may have arrived.

        Returns:
            The handle to keep for the thread, or None where nothing is to be kept or it has not changed.

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
