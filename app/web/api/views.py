"""What the API reads."""

from typing import Any, Final

from app.answers import alerts as alertanswers
from app.answers import usage as answers
from app.answers.past import UnknownPeriodError
from app.answers.queues import queues_answer
from app.core.count.meter import AWB
from app.pipeline.operate.queues import queues_of
from app.web.api.call import Call, Problem
from app.web.api.requests import seal

#: Of each queue.
_FAILED_JOBS: Final = 20


def usage(call: Call) -> dict[str, Any]:
    try:
        return answers.usage_answer(call.store, call.config, call.query.period)
    except UnknownPeriodError as error:
        raise Problem(404, str(error)) from error


def periods(call: Call) -> dict[str, Any]:
    return answers.periods_answer(call.store, call.config)


def forecast(call: Call) -> dict[str, Any]:
    return answers.forecast_answer(call.store, call.config)


def records(call: Call) -> dict[str, Any]:
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
    return _sealed({"records": [answers.record_answer(record) for record in page], "next": following})


def record(call: Call) -> dict[str, Any]:
    found = call.store.records(AWB).record(call.path["key"])
    if found is None:
        raise Problem(404, "No such record: never counted, or taken back since. /records lists those that count.")
    return answers.record_answer(found)


def events(call: Call) -> dict[str, Any]:
    asked = call.query
    return _sealed(alertanswers.events_answer(call.store, asked.limit, asked.cursor))


def alerts(call: Call) -> dict[str, Any]:
    return alertanswers.alerts_answer(call.store, call.config)


def silences(call: Call) -> dict[str, Any]:
    return alertanswers.silences_answer(call.store)


def silence(call: Call) -> dict[str, Any]:
    found = [silence for silence in call.store.silences.all() if silence.id == call.path["id"]]
    if not found:
        raise Problem(404, "There is no silence with this id; /silences lists them.")
    return alertanswers.silence_answer(found[0])


def notifications(call: Call) -> dict[str, Any]:
    asked = call.query
    return _sealed(alertanswers.notifications_answer(call.store, asked.limit, asked.cursor))


def deliveries(call: Call) -> dict[str, Any]:
    asked = call.query
    return _sealed(alertanswers.deliveries_answer(call.store, asked.limit, asked.cursor))


def delivery(call: Call) -> dict[str, Any]:
    found = call.store.inbox.delivery(call.path["message_id"])
    if found is None:
        raise Problem(404, "No such delivery is known: not received, not classified yet, or expired.")
    return alertanswers.delivery_answer(found)


def queues(call: Call) -> dict[str, Any]:
    return queues_answer(queues_of(call.store.redis, call.config), failed=_FAILED_JOBS)


def reconcile(call: Call) -> dict[str, Any]:
    return answers.reconcile_answer(call.store, call.config)


def coder(call: Call) -> dict[str, Any]:
    return answers.coder_answer(call.store, call.config)


def receivers(call: Call) -> dict[str, Any]:
    return alertanswers.receivers_answer(call.config)


def audit(call: Call) -> dict[str, Any]:
    return alertanswers.audit_answer(call.store, call.query.limit)


def _sealed(page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "next": None if page["next"] is None else seal(page["next"])}
