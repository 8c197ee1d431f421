"""The interface of notifiers: a notifier sends one Notification, or raises one error that says whether to retry."""

from enum import StrEnum
from typing import Final, Protocol

from app.core.alert.alert import Notification
from app.core.alert.handle import Handle


class FailureReason(StrEnum):
    """The kinds of failure, for metrics and the history of a notification."""

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
        reason: the kind of failure.
        permanent: whether a retry cannot help, because an admin must act.
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
    """A notifier for one configured destination.

    Attributes:
        threads: whether it returns handles, so that later messages can update or answer the first one of a thread.
    """

    threads: bool

    def send(self, notification: Notification, thread: Handle | None = None, *, retry: bool = False) -> Handle | None:
        """Send once, within a limited time and without sleeping.

        Args:
            notification: the notification.
            thread: the handle of the thread's first message, if there is one.
            retry: whether an earlier attempt had an unknown outcome, so that the message may have arrived.

        Returns:
            The handle to store for the thread; None if there is none or it has not changed.

        Raises:
            NotifyError: it was not accepted. Its message never contains the receiver's URL or password.
        """

    def probe(self) -> None:
        """Check that the destination can be reached, without sending a message.

        Raises:
            NotifyError: it cannot.
        """


#: Seconds after which an attempt is abandoned.
SEND_TIMEOUT: Final = 15.0
