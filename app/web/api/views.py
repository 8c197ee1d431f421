"""The operations that read."""

from typing import Final, TypeVar

from app.answers.alerts import Alerts, Events, Silence, Silences
from app.answers.audit import Audit
from app.answers.coder import Coder, Reconcile
from app.answers.deliveries import Deliveries, Delivery
from app.answers.deployments import Deployments
from app.answers.health import Health
from app.answers.messages import Notifications, Receivers
from app.answers.past import UnknownPeriodError
from app.answers.queues import Queues
from app.answers.records import Record, Records
from app.answers.relays import Relays
from app.answers.usage import Forecast, Periods, Usage
from app.core.count.meter import AWB
from app.pipeline.operate.queues import queues_of
from app.web.api import requests
from app.web.api.call import Call, operation
from app.web.errors import Problem

#: For each queue.
_FAILED_JOBS: Final = 20

_Page = TypeVar("_Page", Records, Events, Notifications, Deliveries, Relays)


@operation(
    "GET",
    "/usage",
    "Usage, limit, alert and breakdowns of the current usage period, or of a past one.",
    query=requests.UsageQuery,
    problems={404: "There is no period with records for the day."},
)
def usage(call: Call) -> Usage:
    try:
        return Usage.of(call.store, call.config, call.query.period)
    except UnknownPeriodError as error:
        raise Problem(404, str(error)) from error


@operation("GET", "/health", "The verdict on the installation's health, with every check and its remedy.")
def health(call: Call) -> Health:
    return Health.of(call.store, call.config)


@operation("GET", "/deployments", "Usage, forecast and health of every deployment, the worst first.")
def deployments(call: Call) -> Deployments:
    return Deployments.of(call.store.redis, call.config, call.only)


@operation("GET", "/periods", "The usage periods as far back as there are records.")
def periods(call: Call) -> Periods:
    return Periods.of(call.store, call.config)


@operation("GET", "/forecast", "Pace, projection and the day of the breach.")
def forecast(call: Call) -> Forecast:
    return Forecast.of(call.store, call.config)


@operation(
    "GET",
    "/records",
    "What was counted, newest first, with rule, reason and deliveries. One call scans at most 10,000 records, "
    "so with a filter a page may be short or empty: continue while `next` is not null.",
    query=requests.RecordsQuery,
)
def records(call: Call) -> Records:
    query = call.query
    page, following = call.store.records(AWB).page(
        query.cursor,
        query.limit,
        start=query.start.timestamp() if query.start else None,
        end=query.end.timestamp() if query.end else None,
        user=query.user or "",
        template=query.template or "",
        organization=query.organization or "",
        state=query.state or "",
    )
    return _sealed(Records(records=[Record.pick(record) for record in page], next=following))


@operation("GET", "/records/{key}", "One record.", problems={404: "There is no record with this key."})
def record(call: Call) -> Record:
    found = call.store.records(AWB).record(call.path["key"])
    if found is None:
        raise Problem(404, "No record has this key: it was never counted, or was withdrawn. /records lists all.")
    return Record.pick(found)


@operation("GET", "/events", "What happened to alerts, newest first.", query=requests.PageQuery)
def events(call: Call) -> Events:
    return _sealed(Events.of(call.store, call.query.limit, call.query.cursor))


@operation("GET", "/alerts", "The current alerts, firing ones first.")
def alerts(call: Call) -> Alerts:
    return Alerts.of(call.store, call.config)


@operation("GET", "/silences", "All stored silences, the one that ends last first.")
def silences(call: Call) -> Silences:
    return Silences.of(call.store)


@operation("GET", "/silences/{id}", "One silence.", problems={404: "The silence does not exist."})
def silence(call: Call) -> Silence:
    found = [silence for silence in call.store.silences.all() if silence.id == call.path["id"]]
    if not found:
        raise Problem(404, "There is no silence with this id; /silences lists them.")
    return Silence.of(found[0])


@operation(
    "GET",
    "/notifications",
    "Messages to receivers with attempts, error and times, newest first.",
    query=requests.PageQuery,
)
def notifications(call: Call) -> Notifications:
    return _sealed(Notifications.of(call.store, call.query.limit, call.query.cursor))


@operation(
    "GET",
    "/deliveries",
    "Coder's notifications with their verdicts, newest first, without payloads.",
    query=requests.PageQuery,
)
def deliveries(call: Call) -> Deliveries:
    return _sealed(Deliveries.of(call.store, call.query.limit, call.query.cursor))


@operation(
    "GET",
    "/deliveries/{message_id}",
    "One of Coder's notifications with its verdict.",
    problems={404: "It has not been received or classified yet, or has expired."},
    private=True,
)
def delivery(call: Call) -> Delivery:
    message_id = call.path["message_id"]
    found = call.store.inbox.delivery(message_id)
    if found is None:
        raise Problem(404, "This delivery is unknown: it has not been received or classified yet, or has expired.")
    return Delivery.of(found, call.store.relayviews.of([message_id])[message_id])


@operation(
    "GET",
    "/relays",
    "Relayed and forwarded messages, newest first, and the status of each target.",
    query=requests.RelaysQuery,
)
def relays(call: Call) -> Relays:
    query = call.query
    if query.state and not query.target:
        raise Problem(400, "`state` needs a `target`.")
    found = Relays.of(
        call.store, call.config, query.limit, query.cursor, state=query.state or "", target=query.target or ""
    )
    return _sealed(found)


@operation("GET", "/queues", "The queues of all deployments, and the workers.", private=True)
def queues(call: Call) -> Queues:
    return Queues.of(queues_of(call.store.redis, call.config), failed=_FAILED_JOBS)


@operation("GET", "/reconcile", "The last pass over Coder's API, and its drift.")
def reconcile(call: Call) -> Reconcile:
    return Reconcile.of(call.store, call.config)


@operation(
    "GET",
    "/coder",
    "Coder's version, licence, add-on and other meters, the history of the drift, and since when its API fails.",
)
def coder(call: Call) -> Coder:
    return Coder.of(call.store, call.config)


@operation("GET", "/receivers", "The configured receivers of messages.")
def receivers(call: Call) -> Receivers:
    return Receivers.of(call.config)


@operation("GET", "/audit", "Who did what, newest first.", query=requests.LimitQuery)
def audit(call: Call) -> Audit:
    return Audit.of(call.store, call.query.limit)


def _sealed(page: _Page) -> _Page:
    return page if page.next is None else page.model_copy(update={"next": requests.seal(page.next)})
