"""Which targets a notification goes to."""

from collections.abc import Iterator, Sequence

from app.core.relay.forward import Forward
from app.core.relay.original import Subject
from app.core.relay.target import Lane, forward_target


def lanes(subject: Subject, message_id: str, forwards: Sequence[Forward]) -> Iterator[Lane]:
    """Yield where a message is to wait; nothing where nobody wants it."""
    del message_id
    for forward in forwards:
        if forward.takes(subject.template_id, subject.name, passcode=subject.passcode):
            target = forward_target(forward.name)
            yield Lane(target, target)
