"""Which targets get a notification."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.core.relay.forward import Forward
from app.core.relay.original import Subject
from app.core.relay.rule import RelayRule, Way, way_of
from app.core.relay.target import PERSON, Lane, forward_target, person_lane


@dataclass(frozen=True, slots=True)
class Routes:
    """The configured routes.

    Attributes:
        usual: how people get notifications without a matching rule; None if nothing is relayed to people.
        rules: the rules for exceptions.
        forwards: the other webhooks.
    """

    usual: Way | None
    rules: Sequence[RelayRule]
    forwards: Sequence[Forward]

    def way(self, subject: Subject) -> Way:
        """Return how a notification reaches its recipient."""
        return Way.NONE if self.usual is None else way_of(subject, self.rules, self.usual)


def lanes(subject: Subject, message_id: str, routes: Routes, alias: Callable[[str], str]) -> Iterator[Lane]:
    """Yield the lanes in which a message must wait; none if it has no target.

    Args:
        subject: the properties of the message.
        message_id: its id.
        routes: the configured routes.
        alias: returns a pseudonym for an address.
    """
    if subject.recipient and routes.way(subject) is not Way.NONE:
        # Each passcode has its own lane, so that it waits for nothing and nothing waits for it.
        key = f"passcode {message_id}" if subject.passcode else subject.recipient.casefold()
        yield Lane(PERSON, person_lane(alias(key), passcode=subject.passcode))
    for forward in routes.forwards:
        if forward.matches(subject.template_id, subject.name, passcode=subject.passcode):
            target = forward_target(forward.name)
            yield Lane(target, target)
