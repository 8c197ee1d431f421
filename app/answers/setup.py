"""Setup: which steps of the checklist are done, for the page and `awb doctor`."""

from collections.abc import Sequence

from app.config.load import Config
from app.core.health.setup import Progress, Step, steps
from app.notifiers.receivers import receivers
from app.store.alert.tallies import sent_at_field
from app.store.store import Store


def setup_steps(store: Store, config: Config) -> Sequence[Step]:
    """Return the checklist; empty once everything is done.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable.
    """
    stats, settings = store.inbox.stats(), config.settings
    configured = receivers(settings)
    verifying = config.verifying(store.deployment)
    return steps(
        Progress(
            delivered="last_delivery_at" in stats,
            # With the API, builds are found whatever their template.
            templates=bool(settings.ai_templates) or verifying,
            verifying=verifying and store.coder.mark("reconciled_at") is not None,
            receiver=bool(configured),
            message_sent=any(sent_at_field(name) in stats for name in configured),
            public_url=bool(settings.public_url),
        )
    )
