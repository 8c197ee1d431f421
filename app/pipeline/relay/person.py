"""Delivery to a person: by e-mail, or by a direct message from the Slack bot with e-mail as the fallback."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from app import clock
from app.config.load import Config
from app.core.relay.letter import Letter
from app.core.relay.original import Subject
from app.core.relay.rule import Way
from app.core.text.mailbox import Mailbox
from app.net.session import WebSession
from app.notifiers.base import FailureReason, NotifyError
from app.notifiers.directory import mail_host, smtp_server
from app.notifiers.email.smtp import Mailer
from app.notifiers.relay.direct import UNKNOWN, DirectMessages
from app.notifiers.relay.mail import render
from app.notifiers.slack.api import SlackApi, SlackRefusalError
from app.pipeline.relay.accepting import routes_of
from app.pipeline.relay.outcome import NotWantedError, PutOffError
from app.pipeline.relay.sealing import seal_of
from app.store.relay.people import People
from app.store.store import Store

log = structlog.get_logger(__name__)
#: A message that Slack does not accept for this long is sent by e-mail.
_SLACK_SECONDS: Final = 600
#: Failures that affect every message, so that others wait before trying the same method.
_OF_THE_WAY: Final = frozenset(
    {FailureReason.NETWORK, FailureReason.TLS, FailureReason.AUTH_ERROR, FailureReason.RATE_LIMITED}
)
_DOWN_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Post:
    """One letter to one person.

    Attributes:
        subject: the notification's properties; they name the person and determine the method.
        key: the key of the message id, the same for each attempt.
        since: the start of the attempts, in seconds since the epoch.
    """

    subject: Subject
    letter: Letter
    key: str
    since: float


def to_person(store: Store, config: Config, post: Post) -> str:
    """Attempt a delivery, and return the method used.

    Raises:
        NotifyError: it was not accepted.
        PutOffError: it is postponed.
        NotWantedError: a rule or a setting no longer relays it.
    """
    way = routes_of(config).way(post.subject)
    if way is Way.NONE:
        raise NotWantedError("It is no longer relayed, according to AWB_RELAY or a rule.")
    people = People(store.redis, store.deployment)
    if way is Way.SLACK and _reached_by_slack(people, config, post):
        return Way.SLACK.value
    _try(people, Way.EMAIL, post, lambda: _mail(config, post))
    return Way.EMAIL.value


def _reached_by_slack(people: People, config: Config, post: Post) -> bool:
    """Try Slack; False if it must be sent by e-mail instead."""
    reached = False

    def message() -> None:
        nonlocal reached
        reached = _direct_message(people, config, post)

    patient = not post.subject.passcode and clock.now().timestamp() - post.since < _SLACK_SECONDS
    try:
        _try(people, Way.SLACK, post, message)
    except (NotifyError, PutOffError) as error:
        if patient and not getattr(error, "permanent", False):
            raise
        log.warning("relayed by e-mail instead of Slack", deployment=people.deployment, why=str(error))
    return reached


def _direct_message(people: People, config: Config, post: Post) -> bool:
    settings = config.settings
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    slack = DirectMessages(SlackApi(token, settings.slack_api_url, WebSession(settings.ca_file)))
    alias = seal_of(config).alias(post.subject.recipient.casefold())
    conversation = people.conversation(alias)
    if conversation is None:
        conversation = slack.open(post.subject.recipient) or ""
        people.keep_conversation(alias, conversation)
    if not conversation:
        return False
    try:
        slack.post(conversation, post.letter)
    except SlackRefusalError as error:
        if error.word not in UNKNOWN:
            raise
        people.forget_conversation(alias)
        return False
    return True


def _mail(config: Config, post: Post) -> None:
    settings = config.settings
    try:
        server, sender = smtp_server(settings)
        found = Mailbox.parse(post.subject.recipient)
    except ValueError:
        text = "Its recipient has no address that mail can be sent to."
        raise NotifyError(text, reason=FailureReason.RECIPIENT_REFUSED, permanent=True) from None
    recipient = Mailbox(found.local, found.domain, post.letter.greeting)
    host = mail_host(settings)
    message = render(post.letter, key=post.key, sender=sender, recipient=recipient, host=host, sent_at=clock.now())
    Mailer(server, sender, trusted=settings.ca_file).send(message, recipient)


def _try(people: People, way: Way, post: Post, work: Callable[[], None]) -> None:
    """Try a method unless it recently failed for everybody; passcodes try it anyway."""
    wait = people.wait_for_way(way.value, clock.now().timestamp())
    if wait and not post.subject.passcode:
        raise PutOffError(wait)
    try:
        work()
    except NotifyError as error:
        if error.reason in _OF_THE_WAY:
            people.note_down(way.value, error.retry_after or _DOWN_SECONDS, clock.now().timestamp())
        raise
