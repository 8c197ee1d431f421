"""Silencing: a person defines which messages are not sent, until when and why. `acknowledge.end` ends it early."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from app import clock
from app.core.alert.silence import Silence
from app.core.text.lines import one_line
from app.store.store import Store

log = structlog.get_logger(__name__)
_LONGEST: Final = timedelta(days=400)
_LONGEST_TEXT: Final = 500


class SilenceError(ValueError):
    """A silence cannot be created like this; the message says why."""


def create_silence(
    store: Store, matchers: Mapping[str, str], until: datetime, by: str, comment: str, key: str = ""
) -> Silence:
    """Create a silence that applies from now on.

    Args:
        store: the deployment's data.
        matchers: a glob for each label (`parse_matchers` in app/core/alert/silence.py).
        until: the end, timezone-aware.
        by: the person, as identified by the page, API or command used.
        comment: the reason, for other people.
        key: identifies a repeated request; by default the current time, so that each request is new.

    Raises:
        SilenceError: the end is in the past or too far away, or there is no matcher.
    """
    now = clock.now()
    if not matchers:
        raise SilenceError("a silence needs at least one matcher, such as alert=awb or level=90%")
    if until <= now:
        raise SilenceError("the end is in the past")
    if until - now > _LONGEST:
        raise SilenceError(f"the end is more than {_LONGEST.days} days away, which is too long for a silence")
    author, why = one_line(by)[:_LONGEST_TEXT], one_line(comment)[:_LONGEST_TEXT]
    what = repr((sorted(matchers.items()), author, key or now.isoformat()))
    silence_id = hashlib.blake2s(what.encode(), digest_size=6).hexdigest()
    silence = Silence(silence_id, dict(matchers), author, why, now, until)
    store.silences.add(silence)
    log.info("silence made", deployment=store.deployment, silence=silence_id, until=until.isoformat())
    return silence
