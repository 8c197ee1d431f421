"""All Redis keys. RQ manages its own keys; the queues' names are in app/store/rq/jobqueue.py.

All keys begin with `<redis_prefix>awb:v1:<deployment>:`, and RQ's with `<redis_prefix>rq:`. Deployment names contain no
colon, so keys cannot collide. Scripts use RQ's keys and these together, so in Redis Cluster the prefix must have a hash
tag, which puts all of them into one slot.
"""

from datetime import date

from rq.defaults import RQ_KEY_PREFIX

#: The setting `redis_prefix`. RQ's keys are fixed when RQ is imported (app/store/rqprefix.py); ours follow them.
SHARED = RQ_KEY_PREFIX.removesuffix("rq")
PREFIX = f"{SHARED}awb:v1"
#: Set of the deployments that have posted.
DEPLOYMENTS = f"{PREFIX}:deployments"
#: Set of the deployments whose removal has begun.
REMOVING = f"{PREFIX}:removing"
#: Hash of maintenance marks: last sweep, fingerprint of the AI template list.
MARKS = f"{PREFIX}:marks"
#: List of the deployments whose deliveries wait in separate queues, in the order of their turns.
TURNS = f"{PREFIX}:turns"
#: Never set: trying to overwrite it shows whether Redis accepts writes.
PROBE = f"{PREFIX}:probe"
#: Hash of the parts that run, by name: digests of their settings (JSON).
PARTS = f"{PREFIX}:parts"
#: Name of the scheduler that is at work. Expires.
LEASE = f"{PREFIX}:lease"
#: How often another scheduler took over.
LEASE_TOKEN = f"{PREFIX}:lease:token"
#: Written to wait until replicas have it, and so everything before it.
REPLICATED = f"{PREFIX}:replicated"

#: Hash of the time at which the sweep last processed a deployment, by its name.
SWEPT = f"{PREFIX}:swept"

#: Hash of the version of the stored data (app/core/schema.py): `version`, `readable_from`, `ran_back_to`.
SCHEMA = f"{PREFIX}:schema"
#: Hash: `id` of this Redis, `sweeps` on it.
LINEAGE = f"{PREFIX}:lineage"
#: Hash of what deployments lost with Redis and do not have back, by name (JSON arrays, app/store/server/lineage.py).
LOSSES = f"{PREFIX}:losses"
#: Digest of the backup whose restoring was begun and not ended.
RESTORING = f"{PREFIX}:restoring"
#: Hash of posts that the webhook refused: four fields for each reason (app/store/scripts/refuse.lua).
REFUSED = f"{PREFIX}:refused"


def _key(deployment: str, *parts: str) -> str:
    return ":".join((PREFIX, deployment, *parts))


def every(deployment: str) -> str:
    """Pattern of all keys of a deployment; its name contains no characters with a meaning in patterns."""
    return _key(deployment, "*")


def kind_of(deployment: str, key: str) -> str:
    """Return the kind of a deployment's key, such as `record`; `relay:lane` and the like have two parts."""
    kind, _, rest = key.removeprefix(_key(deployment, "")).partition(":")
    return f"{kind}:{rest.partition(':')[0]}" if kind in ("relay", "pass") and rest else kind


def portable(key: str) -> str:
    """Return a key without this Redis' prefix, as backups have it."""
    return key.removeprefix(SHARED)


def local(key: str) -> str:
    """Return a key of a backup with this Redis' prefix."""
    return SHARED + key


def deployment_of(key: str) -> str:
    """Return whose key this is; empty for one of all deployments, such as a session."""
    name, *rest = key.removeprefix(f"{PREFIX}:").split(":")
    return name if rest and name not in _NO_DEPLOYMENTS else ""


#: Replaces the deployment's name in keys that belong to all deployments.
_NO_DEPLOYMENTS = frozenset({"once", "throttle", "session"})


def once(job_id: str) -> str:
    """Mark of a job that is queued only once. Expires."""
    return f"{PREFIX}:once:{job_id}"


def seen(deployment: str, year: int, bucket: str) -> str:
    """Hash of remembered message ids, by year of arrival and the first characters of their digest."""
    return _key(deployment, "seen", str(year), bucket)


def stats(deployment: str) -> str:
    """Hash of counters (accepted, duplicate, quarantined, …) and the time of the last delivery."""
    return _key(deployment, "stats")


def delivery(deployment: str, message_id: str) -> str:
    """JSON: the outcome of one delivery. Expires."""
    return _key(deployment, "delivery", message_id)


def deliveries(deployment: str) -> str:
    """Sorted set of message ids by arrival."""
    return _key(deployment, "deliveries")


def pack(deployment: str, number: int) -> str:
    """Compressed JSON array of the outcomes of older deliveries (app/store/receive/packs.py). Expires."""
    return _key(deployment, "pack", str(number))


def packs(deployment: str) -> str:
    """Sorted set of the numbers of packs by the arrival of the newest delivery in each."""
    return _key(deployment, "packs")


def pack_number(deployment: str) -> str:
    """The number of the last pack."""
    return _key(deployment, "packs", "number")


def quarantined(deployment: str, message_id: str) -> str:
    """Hash: an authenticated body that is not a notification, with the reason. Expires."""
    return _key(deployment, "quarantined", message_id)


def quarantine(deployment: str) -> str:
    """Sorted set of quarantined ids by arrival."""
    return _key(deployment, "quarantine")


def unlisted(deployment: str) -> str:
    """Sorted set of templates seen in Workspace Created but not listed as AI templates, by last sighting."""
    return _key(deployment, "unlisted")


def workspace(deployment: str, meter: str, workspace_id: str) -> str:
    """Hash of one workspace.

    `v` version, `e` evidence (app/store/count/evidencetext.py), `b` folded evidence, `k` keys of the records that may
    still be replaced, or the numbers in these keys, `p` keys of the proved ones, a line each, `n` number of the last
    proved build, `t` names from a listing; `b` and `k` are JSON, `e` and `t` may be compressed.
    """
    return _key(deployment, "ws", meter, workspace_id)


def folded(deployment: str, meter: str, workspace_id: str) -> str:
    """Set of the short digests of a workspace's messages that its evidence contains only as numbers."""
    return _key(deployment, "folded", meter, workspace_id)


def workspaces(deployment: str, meter: str) -> str:
    """Sorted set of workspaces with evidence, as versions before schema 4 list them."""
    return _key(deployment, "workspaces", meter)


def named(deployment: str, meter: str) -> str:
    """Sorted set of workspaces with evidence, all scores 0: a workspace's name, a line feed, and its id."""
    return _key(deployment, "named", meter)


def reasons(deployment: str) -> str:
    """Hash of the reasons that records refer to by digest: few texts, shared by many records."""
    return _key(deployment, "reasons")


def record(deployment: str, meter: str, usage_key: str) -> str:
    """One usage record: its UTC day, a line feed, a JSON array (app/store/count/recordrow.py)."""
    return _key(deployment, "record", meter, usage_key)


def records(deployment: str, meter: str) -> str:
    """Sorted set of usage keys by time."""
    return _key(deployment, "records", meter)


def totals(deployment: str, meter: str) -> str:
    """Hash of units by `d:<day>` and `m:<month>`, and of provisional ones by `pd:` and `pm:`."""
    return _key(deployment, "totals", meter)


def top_prefix(deployment: str, meter: str) -> str:
    """Prefix of the sorted sets of units by name: `<prefix>:<dimension>:<day or month>`."""
    return _key(deployment, "top", meter)


def alert(deployment: str, meter: str) -> str:
    """Hash of an alert's state: `v` version, `s` state (JSON)."""
    return _key(deployment, "alert", meter)


def firing(deployment: str) -> str:
    """Set of the names of alerts that are announced and not resolved."""
    return _key(deployment, "firing")


def notification(deployment: str, notification_id: str) -> str:
    """Hash of one notification: receiver, alert (JSON), state, attempts, error, times."""
    return _key(deployment, "notification", notification_id)


def notifications(deployment: str) -> str:
    """Sorted set of notification ids by decision."""
    return _key(deployment, "notifications")


def pending(deployment: str) -> str:
    """Sorted set of pending notification ids by the time of the next attempt: the outbox."""
    return _key(deployment, "pending")


def due(deployment: str) -> str:
    """Sorted set of workspaces to verify with Coder's API, by the time at which they are due."""
    return _key(deployment, "due")


def open_workspaces(deployment: str) -> str:
    """Set of workspaces that have consumed builds and may consume more."""
    return _key(deployment, "open")


def closing(deployment: str) -> str:
    """Set of open workspaces that are no longer listed."""
    return _key(deployment, "closing")


def failing(deployment: str) -> str:
    """Hash of Coder's failures for single workspaces, by workspace id (JSON: since, times, error)."""
    return _key(deployment, "failing")


def newest_names(deployment: str) -> str:
    """Hash of the latest name by `owner:<id>`, `template:<id>` and `organization:<id>`."""
    return _key(deployment, "names")


def former_names(deployment: str) -> str:
    """Hash of the id by `owner:<name>`, … for former names."""
    return _key(deployment, "names", "former")


def nameless(deployment: str) -> str:
    """Set of workspaces whose records lack names that Coder did not report."""
    return _key(deployment, "nameless")


def pass_state(deployment: str) -> str:
    """Hash of the pass over Coder's API: `v` version, `s` state (JSON)."""
    return _key(deployment, "pass")


def pass_seen(deployment: str) -> str:
    """Set of the workspaces that the current pass has seen. Expires."""
    return _key(deployment, "pass", "seen")


def looked(deployment: str) -> str:
    """Sorted set of workspaces by the latest past build because of which they were checked."""
    return _key(deployment, "looked")


def proved(deployment: str, meter: str, workspace_id: str) -> str:
    """Sorted set, by time, of a workspace's proved usage keys that its hash does not list: those beyond the first."""
    return _key(deployment, "proved", meter, workspace_id)


def coder(deployment: str) -> str:
    """Hash of Coder's last answers (JSON), and marks of verify and reconcile."""
    return _key(deployment, "coder")


def drift(deployment: str) -> str:
    """Sorted set of drift points (JSON) by time."""
    return _key(deployment, "drift")


def alert_events(deployment: str) -> str:
    """Sorted set of alert events (JSON) by time."""
    return _key(deployment, "events")


def newest(deployment: str) -> str:
    """Hash of the newest notification's id by `<receiver> <alert>`."""
    return _key(deployment, "newest")


def threads(deployment: str) -> str:
    """Hash of handles (JSON: place, message) by `<receiver> <group key>`."""
    return _key(deployment, "threads")


def silences(deployment: str) -> str:
    """Hash of silences (JSON) by id."""
    return _key(deployment, "silences")


def acknowledged(deployment: str) -> str:
    """Hash of acknowledgements (JSON) by name of the alert."""
    return _key(deployment, "acknowledged")


def groups(deployment: str) -> str:
    """Hash of user names (JSON array) by name of the Coder group."""
    return _key(deployment, "groups")


def failures(deployment: str) -> str:
    """Hash of the last failures (JSON) by step of the sweep."""
    return _key(deployment, "failures")


def relay_original(deployment: str, message_id: str) -> str:
    """The encrypted original of a message that waits to be relayed. Expires."""
    return _key(deployment, "relay", "original", message_id)


def relay_message(deployment: str, message_id: str) -> str:
    """Hash of the outcome of relaying one message. Expires.

    `template`, `received_at`, `passcode`, `open` (the number of targets that have not received it), and for each target
    `<target>/state`, `/attempts`, `/reason`, `/at`, `/via` and `/lane`.
    """
    return _key(deployment, "relay", "message", message_id)


def relay_messages(deployment: str) -> str:
    """Sorted set of relayed message ids by arrival."""
    return _key(deployment, "relay", "messages")


def relay_lane(deployment: str, lane: str) -> str:
    """List of the message ids waiting in a lane, in order."""
    return _key(deployment, "relay", "lane", lane)


def relay_lanes(deployment: str) -> str:
    """Sorted set of lanes with messages, by the time from which a worker may process them."""
    return _key(deployment, "relay", "lanes")


def relay_held(deployment: str) -> str:
    """Sorted set of the lanes that a worker has claimed, by the end of the claim."""
    return _key(deployment, "relay", "held")


def relay_failing(deployment: str) -> str:
    """Hash by lane of the number of consecutive failures of its first message."""
    return _key(deployment, "relay", "failing")


def relay_pending(deployment: str, target: str) -> str:
    """Sorted set of the messages that a target has not received yet, by arrival."""
    return _key(deployment, "relay", "pending", target)


def relay_failed(deployment: str, target: str) -> str:
    """Sorted set of the messages that a target will not receive (dead letters), by the time of failure."""
    return _key(deployment, "relay", "failed", target)


def relay_sent(deployment: str, lane: str) -> str:
    """Number of recent messages in a person's lane, and the time until which they count. Expires then."""
    return _key(deployment, "relay", "sent", lane)


def relay_summing(deployment: str, lane: str) -> str:
    """Mark of a lane whose messages were held back for a summary. Expires."""
    return _key(deployment, "relay", "summing", lane)


def relay_slack(deployment: str, alias: str) -> str:
    """Id of Slack's conversation with a person; empty if Slack does not know the address. Expires."""
    return _key(deployment, "relay", "slack", alias)


def relay_down(deployment: str, way: str) -> str:
    """When to retry a method that currently fails, such as `email`. Expires then."""
    return _key(deployment, "relay", "down", way)


def relay_targets(deployment: str) -> str:
    """Set of the targets that have ever had a message."""
    return _key(deployment, "relay", "targets")


def relay_stats(deployment: str) -> str:
    """Hash of counters by `<target> <state>` and `<target> error <reason>`, and `<target> last` (JSON)."""
    return _key(deployment, "relay", "stats")


def day_of(day: date) -> str:
    return day.isoformat()


def month_of(day: date) -> str:
    return day.isoformat()[:7]


def audit(deployment: str) -> str:
    """Stream of admins' actions: `at`, `actor`, `action`, `detail`."""
    return _key(deployment, "audit")


def throttle(who: str) -> str:
    """Hash of a client's failed logins: `n` their number, `until` when the next attempt is allowed. Expires."""
    return f"{PREFIX}:throttle:{who}"


def session(digest: str) -> str:
    """Name of the logged-in person, by the digest of the session's id. Expires."""
    return f"{PREFIX}:session:{digest}"
