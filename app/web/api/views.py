"""What the API reads."""

from typing import Final, TypeVar

from app.answers.alerts import Alerts, Events, Silence, Silences
from app.answers.audit import Audit
from app.answers.coder import Coder, Reconcile
from app.answers.deliveries import Deliveries, Delivery
from app.answers.messages import Notifications, Receivers
from app.answers.past import UnknownPeriodError
from app.answers.queues import Queues
from app.answers.records import Record, Records
from app.answers.usage import Forecast, Periods, Usage
from app.core.count.meter import AWB
from app.pipeline.operate.queues import queues_of
from app.web.api.call import Call, Problem
from app.web.api.requests import seal

#: Of each queue.
_FAILED_JOBS: Final = 20

_Page = TypeVar("_Page", Records, Events, Notifications, Deliveries)


def usage(call: Call) -> Usage:
    try:
        return Usage.of(call.store, call.config, call.query.period)
    except UnknownPeriodError as error:
        raise Problem(404, str(error)) from error


def periods(call: Call) -> Periods:
    return Periods.of(call.store, call.config)


def forecast(call: Call) -> Forecast:
    return Forecast.of(call.store, call.config)


def records(call: Call) -> Records:
    asked = call.query
    page, following = call.store.records(AWB).page(
        asked.cursor,
        asked.limit,
        start=asked.start.timestamp() if asked.start else None,
        end=asked.end.timestamp() if asked.end else None,
        user=asked.user or "",
        template=asked.template or "",
        organization=asked.organization or "",
        state=asked.state or "",
    )
    return _sealed(Records(records=[Record.pick(record) for record in page], next=following))


def record(call: Call) -> Record:
    found = call.store.records(AWB).record(call.path["key"])
    if found is None:
        raise Problem(404, "No such record: never counted, or taken back since. /records lists those that count.")
    return Record.pick(found)


def events(call: Call) -> Events:
    return _sealed(Events.of(call.store, call.query.limit, call.query.cursor))


def alerts(call: Call) -> Alerts:
    return Alerts.of(call.store, call.config)


def silences(call: Call) -> Silences:
    return Silences.of(call.store)


def silence(call: Call) -> Silence:
    found = [silence for silence in call.store.silences.all() if silence.id == call.path["id"]]
    if not found:
        raise Problem(404, "There is no silence with this id; /silences lists them.")
    return Silence.of(found[0])


def notifications(call: Call) -> Notifications:
    return _sealed(Notifications.of(call.store, call.query.limit, call.query.cursor))


def deliveries(call: Call) -> Deliveries:
    return _sealed(Deliveries.of(call.store, call.query.limit, call.query.cursor))


def delivery(call: Call) -> Delivery:
    found = call.store.inbox.delivery(call.path["message_id"])
    if found is None:
        raise Problem(404, "No such delivery is known: not received, not classified yet, or expired.")
    return Delivery.of(found)


def queues(call: Call) -> Queues:
    return Queues.of(queues_of(call.store.redis, call.config), failed=_FAILED_JOBS)


def reconcile(call: Call) -> Reconcile:
    return Reconcile.of(call.store, call.config)


def coder(call: Call) -> Coder:
    return Coder.of(call.store, call.config)


def receivers(call: Call) -> Receivers:
    return Receivers.of(call.config)


def audit(call: Call) -> Audit:
    return Audit.of(call.store, call.query.limit)


def _sealed(page: _Page) -> _Page:
    return page if page.next is None else page.model_copy(update={"next": seal(page.next)})
