"""Every operation of the API. Routes and OpenAPI document follow from this table."""

from typing import Final

from app.web.api import actions, alertshapes, requests, shapes, views
from app.web.api.call import Operation

OPERATIONS: Final = (
    Operation(
        "GET",
        "/usage",
        views.usage,
        shapes.Usage,
        "Usage, limit, alert and breakdowns of the present usage period, or of an older one.",
        query=requests.UsageQuery,
        problems={404: "No period with records holds that day."},
    ),
    Operation("GET", "/periods", views.periods, shapes.Periods, "The usage periods as far back as there are records."),
    Operation("GET", "/forecast", views.forecast, shapes.Forecast, "Pace, projection and the day of the breach."),
    Operation(
        "GET",
        "/records",
        views.records,
        shapes.Records,
        "What was counted, newest first, with rule, reason and deliveries. One call looks at 10,000 records at most, "
        "so that with a filter a page may be short or empty: go on while `next` is not null.",
        query=requests.RecordsQuery,
    ),
    Operation(
        "GET",
        "/records/{key}",
        views.record,
        shapes.Record,
        "One record.",
        problems={404: "Nothing is counted under this key."},
    ),
    Operation(
        "GET",
        "/deliveries",
        views.deliveries,
        shapes.Deliveries,
        "What became of Coder's notifications, newest first, without payloads.",
        query=requests.PageQuery,
    ),
    Operation(
        "GET",
        "/deliveries/{message_id}",
        views.delivery,
        shapes.Delivery,
        "What became of one of Coder's notifications.",
        problems={404: "It was not received, is not classified yet, or has expired."},
        private=True,
    ),
    Operation("GET", "/alerts", views.alerts, alertshapes.Alerts, "Alerts as they stand, those that fire first."),
    Operation(
        "POST",
        "/alerts/{name}/acknowledge",
        actions.acknowledge_alert,
        alertshapes.Acknowledged,
        "Say that somebody knows of an alert: it is neither repeated nor escalated until its level changes.",
        body=requests.AcknowledgeBody,
        body_required=False,
        problems={404: "No such alert was ever announced.", 409: "The level does not stand any more."},
    ),
    Operation(
        "GET",
        "/events",
        views.events,
        alertshapes.Events,
        "What happened to alerts, newest first.",
        query=requests.PageQuery,
    ),
    Operation(
        "GET", "/silences", views.silences, alertshapes.Silences, "Every silence that is kept, the last to end first."
    ),
    Operation(
        "POST",
        "/silences",
        actions.add_silence,
        alertshapes.Silence,
        "Make a silence that holds from now on.",
        body=requests.SilenceBody,
        status=201,
        problems={404: "No such deployment has ever posted."},
    ),
    Operation(
        "GET",
        "/silences/{id}",
        views.silence,
        alertshapes.Silence,
        "One silence.",
        problems={404: "There is no such silence."},
    ),
    Operation(
        "DELETE",
        "/silences/{id}",
        actions.end_silence,
        alertshapes.Silence,
        "End a silence now; the same again changes nothing.",
        problems={404: "There is no such silence."},
    ),
    Operation(
        "GET",
        "/notifications",
        views.notifications,
        alertshapes.Notifications,
        "Messages to receivers with attempts, error and times, newest first.",
        query=requests.PageQuery,
    ),
    Operation(
        "POST",
        "/notifications/test",
        actions.send_test,
        shapes.Queued,
        "Send a test message to a receiver; /notifications tells what became of it.",
        body=requests.NotifyTestBody,
        status=202,
        problems={404: "No such deployment has ever posted."},
    ),
    Operation("GET", "/receivers", views.receivers, alertshapes.Receivers, "The configured receivers of messages."),
    Operation(
        "GET",
        "/queues",
        views.queues,
        alertshapes.Queues,
        "The queues of all deployments, and the workers.",
        private=True,
    ),
    Operation(
        "GET", "/reconcile", views.reconcile, shapes.Reconcile, "The last pass over Coder's API, and the drift it saw."
    ),
    Operation(
        "POST",
        "/reconcile",
        actions.start_reconcile,
        shapes.Queued,
        "Queue a pass over Coder's API now.",
        status=202,
        problems={409: "Coder's API is not configured.", 429: "A pass was queued within this minute already."},
    ),
    Operation(
        "GET",
        "/coder",
        views.coder,
        shapes.Coder,
        "Coder's version, licence, add-on and other meters, the history of the drift, and since when its API fails.",
    ),
    Operation(
        "GET", "/audit", views.audit, alertshapes.Audit, "Who did what, newest first.", query=requests.LimitQuery
    ),
)
