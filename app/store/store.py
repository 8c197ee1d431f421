"""One deployment's data in Redis: the handle that jobs, commands and pages use."""

from functools import cached_property

import redis

from app.store import keys
from app.store.alert.alerts import Alerts
from app.store.alert.outbox import Outbox
from app.store.alert.silences import Silences
from app.store.audit import Audit
from app.store.coder.passes import Passes
from app.store.coder.state import CoderState
from app.store.count.ledger import Ledger
from app.store.count.records import Records
from app.store.count.snapshot import Snapshot
from app.store.gauges import Gauges
from app.store.receive.inbox import Inbox
from app.store.receive.kept import Kept
from app.store.receive.packs import Packs
from app.store.receive.quarantine import Quarantine
from app.store.relay.relays import Relays
from app.store.relay.relayviews import RelayViews
from app.store.server.glance import Glance
from app.store.steps import Steps


class Store:
    """All data of one deployment. It is cheap to create, and nothing is sent before the first call.

    Attributes:
        redis: the connection, for data of all deployments.
        deployment: the deployment's name.
    """

    def __init__(self, connection: "redis.Redis", deployment: str) -> None:
        self.redis = connection
        self.deployment = deployment

    def glance(self) -> "Store":
        """Return a store for one answer, whose sections read shared data only once; see `Glance`."""
        if isinstance(self.redis, Glance):
            return self
        name = self.deployment
        hashes = (keys.stats, keys.coder, keys.failures, keys.relay_stats, keys.silences)
        sets = (keys.relay_targets, keys.firing)
        ahead = [("HGETALL", key(name)) for key in hashes] + [("SMEMBERS", key(name)) for key in sets]
        ahead += [
            ("HGETALL", keys.MARKS),
            ("HGETALL", keys.REFUSED),
            ("HGETALL", keys.LOSSES),
            ("SMEMBERS", keys.DEPLOYMENTS),
        ]
        more = [("HMGET", keys.pass_state(name), "v", "s"), ("HLEN", keys.failing(name)), ("INFO",)]
        return Store(Glance(self.redis, [*ahead, *more]), name)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self.redis, self.deployment)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.redis, self.deployment)

    @cached_property
    def coder(self) -> CoderState:
        return CoderState(self.redis, self.deployment)

    @cached_property
    def gauges(self) -> Gauges:
        return Gauges(self.redis, self.deployment)

    @cached_property
    def inbox(self) -> Inbox:
        return Inbox(self.redis, self.deployment)

    @cached_property
    def kept(self) -> Kept:
        return Kept(self.redis, self.deployment)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.redis, self.deployment)

    @cached_property
    def packs(self) -> Packs:
        return Packs(self.redis, self.deployment)

    @cached_property
    def passes(self) -> Passes:
        return Passes(self.redis, self.deployment)

    @cached_property
    def quarantine(self) -> Quarantine:
        return Quarantine(self.redis, self.deployment)

    @cached_property
    def relays(self) -> Relays:
        return Relays(self.redis, self.deployment)

    @cached_property
    def relayviews(self) -> RelayViews:
        return RelayViews(self.redis, self.deployment)

    @cached_property
    def silences(self) -> Silences:
        return Silences(self.redis, self.deployment)

    @cached_property
    def steps(self) -> Steps:
        return Steps(self.redis, self.deployment)

    def ledger(self, meter: str) -> Ledger:
        return Ledger(self.redis, self.deployment, meter)

    def records(self, meter: str) -> Records:
        return Records(self.redis, self.deployment, meter)

    def snapshot(self, meter: str) -> Snapshot:
        return Snapshot(self.redis, self.deployment, meter)
