"""Coder's API for jobs and commands: the client for a configuration, and when it is used."""

import redis
import structlog

from app import clock
from app.coder.api import Bounds, CoderApi, CoderApiError, Failure
from app.config.load import Config
from app.core.count.meter import AWB
from app.pipeline.count.reconcile import Listed, list_changes
from app.pipeline.count.verify import Verified, verify_due
from app.pipeline.usage import active_meters
from app.pipeline.watch.notices import give_notice
from app.pipeline.watch.retire import retire
from app.pipeline.watch.warn import warn
from app.store.coder.state import CoderState
from app.store.rq import plainjob
from app.store.rq.enqueue import enqueue
from app.store.server.lease import Fence
from app.store.store import Store

log = structlog.get_logger(__name__)
# Leaves enough of a job's time for one more call. The next job does the rest, and other jobs run in between.
_VERIFY_SECONDS = 60.0
_LIST_SECONDS = 60.0
_BOUNDS = Bounds(call=75.0)


def client(config: Config, *, attempts: int = 4) -> CoderApi:
    """Return the client for the configured deployment.

    Args:
        config: URL, token and certificates.
        attempts: attempts for each request.

    Raises:
        ValueError: no API is configured.
    """
    settings = config.settings
    if not settings.coder_url or settings.coder_token is None:
        raise ValueError("set AWB_CODER_URL and AWB_CODER_TOKEN")
    token, own = settings.coder_token.get_secret_value(), settings.coder_ca_file
    return CoderApi(settings.coder_url, token, ca_file=own, trusted=settings.ca_file, attempts=attempts, bounds=_BOUNDS)


def verify(store: Store, config: Config) -> Verified | None:
    """Verify what is due, then evaluate the thresholds; None if no API is configured."""
    if not config.verifying(store.deployment):
        return None
    with client(config) as api:
        verified = verify_due(store, config, api, seconds=_VERIFY_SECONDS)
    if verified.workspaces:
        warn(store, config, AWB)
    return verified


def reconcile(store: Store, config: Config, tick: int, part: int = 1) -> Listed | None:
    """List changes for a limited time and mark them to be verified; None if no API is configured.

    The next part lists the rest, after what was found so far is verified. If the process dies before it is queued, the
    next tick continues from the same step.
    """
    if not config.verifying(store.deployment):
        return None
    with client(config) as api:
        listed = list_changes(store, api, restart=False, seconds=_LIST_SECONDS)
        if listed.complete and any(scope.by == "group" for scope in config.settings.scopes):
            _learn_groups(store, api)
        if listed.complete:
            _learn_expiry(store, api)
    enqueue(store.redis, plainjob.verify_job(store.deployment))
    if not listed.complete and not listed.failure:
        enqueue(store.redis, plainjob.reconcile_job(store.deployment, tick, part + 1))
        return listed
    retire(store, config)
    for meter in active_meters(store, config):
        warn(store, config, meter)
    give_notice(store, config)
    return listed


def _learn_groups(store: Store, api: CoderApi) -> None:
    """Store the members of groups. Without an answer the last ones stay; nothing else in a pass depends on them."""
    try:
        store.coder.keep_groups(api.groups())
    except CoderApiError as error:
        log.warning("groups not read", deployment=store.deployment, why=error.kind.value)


def _learn_expiry(store: Store, api: CoderApi) -> None:
    """Store when the token expires even if it is used, for the notice. Without an answer the last time stays."""
    try:
        expiry = api.account.key().expiry(clock.now())
    except CoderApiError as error:
        if error.kind not in {Failure.FORBIDDEN, Failure.NOT_FOUND}:
            log.warning("expiry of the token not read", deployment=store.deployment, why=error.kind.value)
            return
        # This is another token than before, whose scopes do not allow the request.
        expiry = None
    ends = expiry.final if expiry else None
    store.coder.note(token_ends_at=ends.timestamp() if ends else None)


def enqueue_due(
    connection: "redis.Redis", config: Config, *, reconcile_tick: int | None, fence: Fence | None = None
) -> None:
    """Queue the jobs that are due: verification if anything is waiting, and a pass at the start of its tick."""
    for deployment in config.settings.configured_deployments:
        if not config.of(deployment).verifying(deployment):
            continue
        if reconcile_tick is not None:
            enqueue(connection, plainjob.reconcile_job(deployment, reconcile_tick), once=True, fence=fence)
        if CoderState(connection, deployment).work_waits(clock.now().timestamp()):
            enqueue(connection, plainjob.verify_job(deployment), fence=fence)
