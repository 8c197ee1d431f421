"""All metrics: name, kind, labels and meaning. docs/metrics.md lists them, and a test compares the two.

Names and units follow https://prometheus.io/docs/practices/naming/: seconds, bytes and ratios; counters end in
`_total`; times end in `_timestamp_seconds` and are 0 if there was none. Label values come from fixed lists or the
configuration, or their number is limited.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_COUNTERS: Final = "_total"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; the labels are in the order in which values are given."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def build(self) -> "CounterMetricFamily | GaugeMetricFamily":
        kind = CounterMetricFamily if self.name.endswith(_COUNTERS) else GaugeMetricFamily
        return kind(self.name, self.help, labels=self.labels)


_METER: Final = ("deployment", "meter")
_ONE: Final = ("deployment",)
_TARGET: Final = ("deployment", "target")
_RECEIVER: Final = ("deployment", "kind", "receiver")

FAMILIES: Final = (
    Family("awb_up", "1 if everything could be read for this scrape, else 0 and other metrics may be missing."),
    Family("awb_health", "The health verdict: 0 healthy, 1 needs attention, 2 not working.", _ONE),
    Family("awb_health_check", "The same for each check of the verdict; awb doctor names them.", (*_ONE, "check")),
    Family("awb_build_info", "Version and public URL of the Coder AWB meter; always 1.", ("version", "url")),
    Family("awb_deployments", "Deployments that have ever posted, and the configured one; the first 20 have metrics."),
    Family("awb_usage", "Units used in the current period: the number that alerts are based on.", _METER),
    Family("awb_usage_counted", "Units that the meter itself counted in the current period.", _METER),
    Family("awb_usage_provisional", "Counted units that Coder's API has not proved.", _METER),
    Family("awb_usage_ratio", "Usage as a share of the limit; 1 is the limit. Absent without a limit.", _METER),
    Family("awb_limit", "Units included. Absent if unlimited.", _METER),
    Family("awb_limit_unlimited", "1 if there is no limit, else 0.", _METER),
    Family("awb_soft_limit", "The soft limit from the licence or the configuration. Absent without one.", _METER),
    Family(
        "awb_threshold_usage",
        "Units at which a configured threshold is reached; for +10% and the like, the first step.",
        (*_METER, "level"),
    ),
    Family("awb_coder_actual", "Coder's own number as of its last refresh. Absent if it reports none.", _METER),
    Family("awb_drift", "Counted units minus Coder's number for the same builds. Absent without both.", _METER),
    Family("awb_drift_growth", "Change of the drift within the last week, in units.", _METER),
    Family("awb_mode", "1 for the current mode: webhook-only is an estimate, verified is proved.", (*_METER, "mode")),
    Family("awb_period_start_timestamp_seconds", "When the current period began.", _METER),
    Family("awb_period_end_timestamp_seconds", "When the current period ends. Absent if it never does.", _METER),
    Family("awb_forecast_confident", "1 if the forecast is certain enough to warn, else 0.", _METER),
    Family("awb_forecast_units_per_day", "Forecast pace, averaged over a week.", _METER),
    Family("awb_forecast_usage", "Usage expected at the end of the period. Absent without an end.", _METER),
    Family("awb_forecast_usage_low", "Lower end of the 80% range of that usage.", _METER),
    Family("awb_forecast_usage_high", "Upper end of the 80% range of that usage.", _METER),
    Family(
        "awb_forecast_breach_timestamp_seconds",
        "Start of the UTC day on which the limit is expected to be reached. Absent if none is in sight.",
        _METER,
    ),
    Family(
        "awb_forecast_breach_in_period",
        "1 if the limit is expected to be reached within the period, or within 30 days if it has no end.",
        _METER,
    ),
    Family("awb_user_usage", "Units of the top users, at most 50, with AWB_METRICS_USER_NAMES.", (*_METER, "user")),
    Family("awb_deliveries_total", "Authenticated deliveries, by outcome.", (*_ONE, "outcome")),
    Family("awb_refused_posts_total", "Posts to the webhook that were refused, by reason.", ("reason",)),
    Family("awb_last_delivery_timestamp_seconds", "When the last new delivery arrived.", _ONE),
    Family("awb_alert_level", "1 for a meter's announced level, 0 for the others.", (*_METER, "level")),
    Family("awb_alerts_firing", "Alerts that are announced and not resolved, by kind.", (*_ONE, "kind")),
    Family("awb_silences_active", "Active silences.", _ONE),
    Family("awb_notifications_total", "Finished notifications, by outcome.", (*_RECEIVER, "outcome")),
    Family("awb_notification_errors_total", "Failed attempts to send, by reason.", (*_RECEIVER, "reason")),
    Family("awb_last_notification_timestamp_seconds", "When the last notification was sent to a receiver.", _RECEIVER),
    Family("awb_outbox_pending", "Notifications that are neither sent nor failed yet.", _ONE),
    Family("awb_outbox_oldest_age_seconds", "Time since the oldest pending notification was decided.", _ONE),
    Family("awb_outbox_overdue_seconds", "Time since the earliest attempt that is due; 0 if none is.", _ONE),
    Family("awb_relay_messages_total", "Finished messages to a target, by outcome.", (*_TARGET, "outcome")),
    Family("awb_relay_errors_total", "Failed attempts to pass a message on, by reason.", (*_TARGET, "reason")),
    Family("awb_relay_pending", "Messages that a target has not received yet.", _TARGET),
    Family("awb_relay_oldest_age_seconds", "Time since the oldest of them arrived; 0 if none.", _TARGET),
    Family("awb_coder_api_configured", "1 if Coder's API is configured for this deployment, else 0.", _ONE),
    Family(
        "awb_coder_api_up",
        "1 if the last request to Coder's API succeeded, 0 if it failed. Absent without an API.",
        _ONE,
    ),
    Family(
        "awb_coder_api_failing_since_timestamp_seconds",
        "Since when Coder's API has been failing; 0 while it works.",
        _ONE,
    ),
    Family("awb_coder_workspaces_due", "Workspaces waiting to be verified with Coder's API.", _ONE),
    Family("awb_last_reconcile_timestamp_seconds", "Start of the last successful pass over Coder's API.", _ONE),
    Family("awb_reconcile_interval_seconds", "Configured time between passes over Coder's API.", _ONE),
    Family("awb_last_sweep_timestamp_seconds", "When the last sweep ended."),
    Family("awb_queue_length", "Jobs waiting in a queue.", ("queue",)),
    Family(
        "awb_queue_oldest_age_seconds", "How long the first job of a queue has been waiting; 0 if none.", ("queue",)
    ),
    Family("awb_queue_jobs", "Jobs in a queue's registries.", ("queue", "registry")),
    Family("awb_queue_paused", "1 if a queue is paused, else 0.", ("queue",)),
    Family("awb_workers", "Workers of a queue, by state.", ("queue", "state")),
    Family("awb_redis_up", "1 if Redis answers and has loaded its data, else 0."),
    Family("awb_redis_memory_used_bytes", "Memory that Redis uses."),
    Family("awb_redis_memory_limit_bytes", "Memory that Redis may use; 0 if it has no limit."),
    Family("awb_redis_budget_bytes", "Memory that Redis may use by AWB_REDIS_BUDGET; 0 without one."),
    Family(
        "awb_redis_budget_kept_since_timestamp_seconds", "Deliveries before this were deleted early; 0 if none were."
    ),
    Family("awb_redis_aof_enabled", "1 if Redis writes every change to an append-only file, else 0."),
    Family("awb_redis_persistence_ok", "1 if Redis last wrote to disk without error, else 0.", ("kind",)),
)


class Sheet:
    """The metrics of one scrape."""

    def __init__(self) -> None:
        self._families = {family.name: family.build() for family in FAMILIES}

    def put(self, name: str, value: float | None, *labels: str) -> None:
        """Set a value for the given label values; None leaves it absent.

        Raises:
            KeyError: there is no metric with this name.
        """
        if value is not None:
            self._families[name].add_metric(labels, float(value))

    def families(self) -> "Iterator[CounterMetricFamily | GaugeMetricFamily]":
        yield from self._families.values()
