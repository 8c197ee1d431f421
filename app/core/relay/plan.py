"""Which targets a notification goes to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.core.relay.forward import Forward
from app.core.relay.original import Subject
from app.core.relay.rule import RelayRule, Way, way_of
from app.core.relay.target import PERSON, Lane, forward_target, person_lane


@dataclass(frozen=True, slots=True)
class Routes:
    """What is configured.

    Attributes:
        usual: the way to a person where no rule says another; None: nothing is relayed to people.
        rules: which say another way.
        forwards: other webhooks.
    """

    usual: Way | None
    rules: Sequence[RelayRule]
    forwards: Sequence[Forward]

    def way(self, subject: Subject) -> Way:
        """Return how a notification reaches its recipient."""
        return Way.NONE if self.usual is None else way_of(subject, self.rules, self.usual)


def lanes(subject: Subject, message_id: str, routes: Routes, alias: Callable[[str], str]) -> Iterator[Lane]:
    """Yield where a message is to wait; nothing where nobody wants it.

    Args:
        subject: what decides it.
        message_id: its id.
        routes: what is configured.
        alias: names a person without the address.
    """
    if subject.recipient and routes.way(subject) is not Way.NONE:
        # A passcode waits behind nothing, and nothing behind it.
        key = f"passcode {message_id}" if subject.passcode else subject.recipient.casefold()
        yield Lane(PERSON, person_lane(alias(key), passcode=subject.passcode))
    for forward in routes.forwards:
        if forward.matches(subject.template_id, subject.name, passcode=subject.passcode):
            target = forward_target(forward.name)
            yield Lane(target, target)
