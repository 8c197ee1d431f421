"""Retiring: alerts for a meter that this version of Coder no longer has are forgotten without a message.

The notice that it is no longer counted suffices; “resolved” would be wrong.
"""

import structlog

from app import clock
from app.config.load import Config
from app.core.alert.decision import AlertState
from app.core.count.era import GONE, is_gone
from app.pipeline.notify.announce import change
from app.pipeline.usage import coder_version
from app.store.alert.alerts import Change, StoredAlert
from app.store.store import Store

log = structlog.get_logger(__name__)


def retire(store: Store, config: Config) -> None:
    """Forget the levels of meters that Coder no longer has; after a crash the next call does the rest."""
    version = coder_version(store, config)
    for meter in GONE:
        if not is_gone(meter, version):
            continue
        for name in (meter, f"forecast-{meter}"):
            if change(store, config, name, _forgotten):
                log.info(
                    "alert forgotten", deployment=store.deployment, alert=name, why="Coder no longer has the meter"
                )


def _forgotten(found: StoredAlert) -> Change | None:
    return Change(AlertState(), clock.now()) if found.state.level else None
