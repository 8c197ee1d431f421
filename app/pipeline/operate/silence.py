"""Silencing: a person says what is not to be sent, until when and why. `acknowledge.end` takes it back."""

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
    """A silence cannot be made so; the text says why."""


def create_silence(
    store: Store, matchers: Mapping[str, str], until: datetime, by: str, comment: str, key: str = ""
) -> Silence:
    """Make a silence that holds from now on.

    Args:
        store: the deployment's data.
        matchers: glob by label (app/core/alert/silence.py `parse_matchers`).
        until: its end, timezone-aware.
        by: who requests it, as the surface identifies them.
        comment: why; people read it.
        key: what makes a repeated request the same one; by default the moment.

    Raises:
        SilenceError: it ends in the past or too far off, or has no matcher.
    """
    now = clock.now()
    if not matchers:
        raise SilenceError("a silence needs at least one matcher, such as alert=awb or level=90%")
    if until <= now:
        raise SilenceError("the end lies in the past")
    if until - now > _LONGEST:
        raise SilenceError(f"the end is more than {_LONGEST.days} days off; nobody remembers a silence for so long")
    author, why = one_line(by)[:_LONGEST_TEXT], one_line(comment)[:_LONGEST_TEXT]
    what = repr((sorted(matchers.items()), author, key or now.isoformat()))
    silence_id = hashlib.blake2s(what.encode(), digest_size=6).hexdigest()
    silence = Silence(silence_id, dict(matchers), author, why, now, until)
    store.silences.add(silence)
    log.info("silence made", deployment=store.deployment, silence=silence_id, until=until.isoformat())
    return silence
