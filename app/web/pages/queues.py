"""GET /queues, and the actions of operators.

Every action is an admin's POST, answered with a redirect to a page that shows the result by a code, so that no text is
ever taken from the request.
"""

import re
from collections.abc import Callable
from typing import Final

import redis
from flask import Blueprint, Response, abort, make_response, redirect, render_template, request

from app import clock
from app.answers.health import verdict
from app.config.load import Config
from app.pipeline.operate.quarantine import Released, discard, release, show
from app.pipeline.operate.queues import DELETABLE, Operator, queues_of
from app.pipeline.operate.replay import not_understood, replay, replay_unknown
from app.store.rq import jobqueue
from app.store.rq.jobs import FAILED
from app.store.store import Store
from app.web.access.guard import person, require_admin
from app.web.pages.frame import chosen, to

_FAILED_SHOWN: Final = 50
_QUARANTINE_SHOWN: Final = 50
#: The number of deliveries searched for unrecognized ones; `awb replay` searches all.
_MOST_CHECKED: Final = 1000
_UNKNOWN_SHOWN: Final = 50
_NUMBER: Final = re.compile(r"[0-9]{1,6}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
#: The texts of confirmations by outcome.
_CONFIRMATIONS: Final = {
    "paused": ("ok", "Paused. New jobs wait in the queue; jobs in progress are finished."),
    "resumed": ("ok", "Resumed. Workers take jobs again within a second."),
    "unchanged": ("warning", "Nothing was changed: it has already been done."),
    "requeued": ("ok", "Queued again."),
    "deleted": ("ok", "Deleted."),
    "taken": ("warning", "Nothing was changed: the job has not failed, a worker has taken it, or it no longer exists."),
    "queued": ("ok", "Queued for classification."),
    "under way": ("warning", "Nothing was changed: it is being classified right now."),
    "understood": ("warning", "Nothing was changed: it was recognized, and is counted if it counts."),
    "not kept": ("warning", "Nothing was changed: its content was not stored."),
    "Unknown": ("warning", "Nothing was changed: it is unknown or has expired."),
    "duplicate": ("ok", "It had already been accepted, and was removed from the quarantine."),
    "unreadable": ("warning", "Nothing was changed: it is still not a valid notification."),
    "discarded": ("ok", "Discarded."),
}
#: The actions on a queue: the function, its confirmation, and the page to return to.
_QUEUE_ACTS: Final[dict[str, tuple[Callable[[Operator, str], int], str, str]]] = {
    "pause": (Operator.pause, "paused", "/queues"),
    "resume": (Operator.resume, "resumed", "/queues"),
    "requeue": (Operator.requeue_all, "requeued", "/queues/{}"),
    "delete": (Operator.delete_all, "deleted", "/queues/{}"),
}
_JOB_ACTS: Final[dict[str, tuple[Callable[[Operator, list[str]], list[str]], str]]] = {
    "requeue": (Operator.requeue, "requeued"),
    "delete": (Operator.delete, "deleted"),
}


def blueprint(config: Config, connection: "redis.Redis") -> Blueprint:
    """Build the pages of the queues; they need the guard (access/guard.py) and the frame (frame.py)."""
    routes = Blueprint("queues", __name__)
    _add_pages(routes, config, connection)
    _add_reviews(routes, config, connection)
    _add_queue_acts(routes, config, connection)
    _add_review_acts(routes, config, connection)
    return routes


def _add_pages(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    queues = queues_of(connection, config)

    @routes.get("/queues")
    def index() -> str:
        workers, listed = queues.workers_and_queues()
        return render_template(
            "queues.html",
            queues=listed,
            health=verdict(Store(connection, config.settings.deployment), config),
            workers=workers,
            suspended=queues.suspended(),
            now=clock.now(),
            done=_done_message(),
            place=request.args.get("about", ""),
        )

    @routes.get("/queues/<queue>")
    def queue_page(queue: str) -> str:
        name = _known(queue)
        offset = _offset()
        jobs = queues.failed(name, _FAILED_SHOWN, offset)
        state = next(one for one in queues.overview() if one.name == name)
        later = offset + _FAILED_SHOWN if offset + _FAILED_SHOWN < state.failed else None
        return render_template("queue.html", queue=state, jobs=jobs, offset=offset, later=later, done=_done_message())

    @routes.get("/queues/<queue>/jobs/<job_id>")
    def job_page(queue: str, job_id: str) -> str:
        job = queues.job(_checked(job_id))
        if job is None or job.queue != _known(queue):
            abort(404, "This queue has no such job: it is done, was deleted, or has expired.")
        acts = {"requeue": job.status in FAILED, "delete": job.status in DELETABLE}
        return render_template("queuejob.html", job=job, acts=acts, done=_done_message())


def _add_reviews(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.get("/queues/quarantine")
    def quarantine() -> str:
        rows = chosen(config, connection).inbox.quarantined(_QUARANTINE_SHOWN)
        return render_template("queuequarantine.html", rows=rows, at=clock.at, done=_done_message())

    @routes.get("/queues/quarantine/<message_id>")
    def quarantined(message_id: str) -> str:
        shown = show(chosen(config, connection), _checked(message_id))
        if shown is None:
            abort(404, "This body is not in the quarantine: it was released or discarded, or has expired.")
        return render_template("queuequarantined.html", shown=shown, done=_done_message())

    @routes.get("/queues/unknown")
    def unknown() -> str:
        found = not_understood(chosen(config, connection), among=_MOST_CHECKED, most=_UNKNOWN_SHOWN)
        return render_template(
            "queueunknown.html", found=found, checked=_MOST_CHECKED, at=clock.at, done=_done_message()
        )


def _add_queue_acts(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.post("/queues/<queue>/<any(pause, resume, requeue, delete):act>")
    @require_admin
    def act_on_queue(queue: str, act: str) -> Response:
        run, done, back = _QUEUE_ACTS[act]
        changed = run(Operator(connection, config, _actor()), _known(queue))
        number = None if isinstance(changed, bool) else changed
        return _redirect(back.format(queue), done if changed else "unchanged", number, about=queue)

    @routes.post("/queues/<queue>/jobs/<job_id>/<any(requeue, delete):act>")
    @require_admin
    def act_on_job(queue: str, job_id: str, act: str) -> Response:
        run, done = _JOB_ACTS[act]
        changed = run(Operator(connection, config, _actor()), [_checked(job_id)])
        return _redirect(f"/queues/{_known(queue)}", done if changed else "taken")


def _add_review_acts(routes: Blueprint, config: Config, connection: "redis.Redis") -> None:
    @routes.post("/queues/quarantine/<message_id>/release")
    @require_admin
    def release_body(message_id: str) -> Response:
        result = release(chosen(config, connection), _checked(message_id), _actor())
        still = result in (Released.UNREADABLE, Released.NOT_KEPT)
        return _redirect(f"/queues/quarantine/{message_id}" if still else "/queues/quarantine", result.value)

    @routes.post("/queues/quarantine/<message_id>/discard")
    @require_admin
    def discard_body(message_id: str) -> Response:
        done = discard(chosen(config, connection), _checked(message_id), _actor())
        return _redirect("/queues/quarantine", "discarded" if done else "unchanged")

    @routes.post("/queues/unknown/replay")
    @require_admin
    def replay_deliveries() -> Response:
        store, message_id = chosen(config, connection), request.form.get("message_id", "")
        if message_id:
            return _redirect("/queues/unknown", replay(store, _checked(message_id), _actor()).value)
        tally = replay_unknown(store, _actor(), most=_MOST_CHECKED)
        return _redirect("/queues/unknown", "queued" if tally.queued else "unchanged", tally.queued)


def _known(queue: str) -> str:
    if queue not in jobqueue.QUEUES:
        abort(404, "This queue does not exist. The queues are: " + ", ".join(jobqueue.QUEUES) + ".")
    return queue


def _checked(name: str) -> str:
    """Return the id of a job or a message; 404 if it is not valid."""
    if not _ID.fullmatch(name):
        abort(404, "This is not a valid id.")
    return name


def _offset() -> int:
    text = request.args.get("offset", "0")
    return int(text) if _NUMBER.fullmatch(text) else 0


def _actor() -> str:
    asker = person()
    return asker.name if asker else ""


def _redirect(path: str, done: str, number: int | None = None, about: str | None = None) -> Response:
    """Redirect to the confirmation, which is shown with its queue, or else at the top of the page."""
    return make_response(redirect(f"{to(path, done=done, n=number or None, about=about)}#done", 303))


def _done_message() -> tuple[str, str] | None:
    """Return the confirmation for the code in the URL, possibly with a number; None for an unknown code."""
    level, sentence = _CONFIRMATIONS.get(request.args.get("done", ""), ("", ""))
    if not sentence:
        return None
    number = request.args.get("n", "")
    return level, f"{sentence} ({int(number):,})" if _NUMBER.fullmatch(number) else sentence
